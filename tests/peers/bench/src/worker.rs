//! One sample of code in memory, in a process of its own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::count::{Asked, Meter, measured_from_here, pin};
use crate::decode::{self, Run};
use crate::encode;
use crate::engineio::codec;
use crate::sample::Sample;
use crate::scenario::{Job, Scenario};
use crate::tape::Tape;

/// How much lies on a tape: more than a few reads, less than a cache.
const TAPE: usize = 256 * 1024;

/// Runs `subject` for about `time`, and says what a message cost.
pub fn run(scenario: &Scenario, subject: &str, time: Duration) -> Sample {
    pin(0);
    let mut run = prepare(scenario, subject);
    // Warm up: caches, buffers at their size, and the length of a batch.
    let (mut batch, mut took) = (32, Duration::ZERO);
    while took < time / 10 {
        batch *= 2;
        let began = Instant::now();
        run(batch);
        took = began.elapsed();
    }
    let mut meter = Meter::new(None);
    let (before, began) = (Asked::now(), Instant::now());
    let mut messages = 0;
    meter.start();
    while began.elapsed() < time {
        messages += run(batch);
    }
    let spent = meter.stop();
    Sample::new(spent, Some(Asked::now().since(before)), messages)
}

/// Runs `subject` for so many messages between two marks, and says how many.
pub fn count(scenario: &Scenario, subject: &str) -> u64 {
    let bytes = match &scenario.job {
        Job::Decode(payload) => payload.len(),
        Job::Encode(sending) => sending.payload.len(),
        Job::Payload(coding) => coding.data.len(),
        Job::Echo(_) | Job::Sessions(_) => panic!("a server is measured from outside"),
    };
    let batch = (TAPE * 4 / bytes).clamp(4, 4096) as u64;
    let mut run = prepare(scenario, subject);
    run(batch);
    measured_from_here();
    let messages = run(batch);
    measured_from_here();
    messages
}

fn prepare(scenario: &Scenario, subject: &str) -> Run {
    match &scenario.job {
        Job::Decode(payload) => {
            let frames = (TAPE / payload.len()).max(1);
            let tape = payload.masked(frames);
            let frame = tape.len() / frames;
            let len = payload.len();
            let see = move |bytes: &[u8]| assert_eq!(black_box(bytes).len(), len);
            decode::subject(subject, Tape::new(tape), frame, see)
        }
        Job::Encode(sending) => encode::subject(subject, *sending),
        Job::Payload(coding) => codec::subject(subject, *coding, |bytes| {
            black_box(bytes);
        }),
        Job::Echo(_) | Job::Sessions(_) => panic!("a server is measured from outside"),
    }
}
