//! What a message cost, in one run and in several.

use crate::count::{Asked, Spent};

/// What one message cost in one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Instructions, where the machine counts them.
    pub user: Option<f64>,
    pub kernel: Option<f64>,
    /// Nanoseconds of the processor's time, and of everybody's.
    pub cpu: f64,
    pub wall: f64,
    /// Not a number where nobody counts them, as the next two.
    pub allocations: f64,
    pub allocated: f64,
    /// Calls to the transport.
    pub calls: f64,
}

impl Sample {
    pub fn new(spent: Spent, asked: Option<Asked>, messages: u64) -> Self {
        let asked = |count: fn(Asked) -> u64| asked.map_or(f64::NAN, |asked| count(asked) as f64);
        let each = |sum: f64| sum / messages as f64;
        Self {
            user: spent.user.map(each),
            kernel: spent.kernel.map(each),
            cpu: each(spent.cpu),
            wall: each(spent.wall),
            allocations: each(asked(|it| it.allocations)),
            allocated: each(asked(|it| it.allocated)),
            calls: each(asked(|it| it.calls)),
        }
    }

    /// Of one who measures nothing but time.
    pub fn timed(ns: f64) -> Self {
        let spent = Spent {
            cpu: ns,
            wall: ns,
            ..Spent::default()
        };
        Self::new(spent, None, 1)
    }

    /// One line, from a worker to the one that started it.
    pub fn encode(&self) -> String {
        let Self {
            user,
            kernel,
            cpu,
            wall,
            allocations,
            allocated,
            calls,
        } = *self;
        let [user, kernel] = [user, kernel].map(|n| n.unwrap_or(f64::NAN));
        let all = [user, kernel, cpu, wall, allocations, allocated, calls];
        all.map(|n| n.to_string()).join(" ")
    }

    pub fn decode(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<f64>().ok());
        let mut next = || numbers.next().flatten();
        Some(Self {
            user: Some(next()?).filter(|n| !n.is_nan()),
            kernel: Some(next()?).filter(|n| !n.is_nan()),
            cpu: next()?,
            wall: next()?,
            allocations: next()?,
            allocated: next()?,
            calls: next()?,
        })
    }
}

/// The median of several runs, with the least and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// `None` if a run lacks the number.
    pub fn of(samples: &[Sample], number: impl Fn(&Sample) -> Option<f64>) -> Option<Self> {
        let mut numbers: Vec<f64> = samples.iter().map(number).collect::<Option<_>>()?;
        numbers.sort_by(f64::total_cmp);
        Some(Self {
            median: numbers[numbers.len() / 2],
            min: *numbers.first()?,
            max: *numbers.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_its_line() {
        let spent = Spent {
            user: Some(1e6),
            kernel: None,
            cpu: 5e5,
            wall: 6e5,
        };
        let sample = Sample::new(spent, Some(Asked::default()), 1000);
        assert_eq!(sample.user, Some(1000.0));
        assert_eq!(Sample::decode(&sample.encode()), Some(sample));
        assert_eq!(Sample::decode("1 2 3"), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let line = |n: f64| Sample::decode(&format!("{n} 0 0 0 0 0 0")).unwrap();
        let samples = [line(5.0), line(1.0), line(2.0)];
        let spread = Spread::of(&samples, |sample| sample.user).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 5.0));
    }
}
