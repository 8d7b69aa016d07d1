//! The same streams of frames to sockeye and to tungstenite.
//!
//! Both get the bytes of one seed, cut in the same places, and have to give the
//! same messages and the same kind of end. Where they may differ stands in
//! `divergences.toml`, with the rule that sockeye keeps.

pub mod outcome;
pub mod stream;

use std::collections::BTreeMap;

use crate::outcome::{End, Outcome};
use crate::stream::{Fault, Stream};

/// A difference that is meant.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// The name of it.
    pub id: String,
    /// What the stream has.
    pub fault: Fault,
    /// How it ends for sockeye.
    pub ours: End,
    /// How it ends for the other.
    pub theirs: Vec<End>,
    /// The rule that sockeye keeps.
    pub rule: String,
}

#[derive(serde::Deserialize)]
struct List {
    divergence: Vec<Divergence>,
}

/// The differences that are meant.
pub fn divergences() -> Vec<Divergence> {
    let list = toml::from_str::<List>(include_str!("../divergences.toml"));
    list.expect("the list can be read").divergence
}

/// How many streams there were, and what came of them.
#[derive(Debug, Default)]
pub struct Tally {
    pub same: u64,
    /// By the name of the divergence.
    pub listed: BTreeMap<String, u64>,
    /// What should not be.
    pub unlisted: Vec<String>,
}

impl Tally {
    /// Compares the stream of one seed.
    pub fn add(&mut self, seed: u64, list: &[Divergence]) {
        let stream = Stream::new(seed);
        let (ours, theirs) = (outcome::sockeye(&stream), outcome::tungstenite(&stream));
        if ours == theirs {
            self.same += 1;
            return;
        }
        match list
            .iter()
            .find(|divergence| divergence.is(&stream, &ours, &theirs))
        {
            Some(divergence) => *self.listed.entry(divergence.id.clone()).or_default() += 1,
            None => self.unlisted.push(format!(
                "seed {seed}: {:?} to a {:?}: sockeye has {} messages and {:?}, \
                 tungstenite {} and {:?}",
                stream.fault,
                stream.reader,
                ours.messages.len(),
                ours.end,
                theirs.messages.len(),
                theirs.end,
            )),
        }
    }

    pub fn streams(&self) -> u64 {
        self.same + self.listed.values().sum::<u64>() + self.unlisted.len() as u64
    }

    /// Divergences that were not met.
    pub fn unmet<'d>(&self, list: &'d [Divergence]) -> Vec<&'d str> {
        let unmet = list.iter().filter(|d| !self.listed.contains_key(&d.id));
        unmet.map(|d| d.id.as_str()).collect()
    }
}

impl Divergence {
    /// Up to the fault both have seen the same messages.
    fn is(&self, stream: &Stream, ours: &Outcome, theirs: &Outcome) -> bool {
        let both = ours.messages.len().min(theirs.messages.len());
        self.fault == stream.fault
            && self.ours == ours.end
            && self.theirs.contains(&theirs.end)
            && ours.messages[..both] == theirs.messages[..both]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_make_the_same_of_a_stream() {
        let (mut tally, list) = (Tally::default(), divergences());
        (0..2000).for_each(|seed| tally.add(seed, &list));
        assert!(tally.unlisted.is_empty(), "{:#?}", tally.unlisted);
        assert_eq!(tally.unmet(&list), [""; 0]);
    }

    #[test]
    fn every_divergence_states_a_rule() {
        let list = divergences();
        assert!(list.iter().all(|divergence| divergence.rule.len() > 20));
    }
}
