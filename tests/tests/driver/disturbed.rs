//! Every step of a script delayed, shortened or failing.

use sockeye_tests::cuts::Random;
use sockeye_tests::transport::{Call, DISTURBANCES, Fault, World};

use crate::handshakes::HANDSHAKES;
use crate::scenarios::{Log, SCENARIOS, Scenario};

fn all() -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS.iter().chain(&HANDSHAKES)
}

/// What could be seen of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    log: Log,
    received: Vec<u8>,
    shut_down: bool,
}

fn run(
    scenario: &Scenario,
    drops: bool,
    plan: impl FnMut(usize, Call) -> Fault + Send + 'static,
) -> (Outcome, Vec<Call>) {
    let mut world = World::new();
    world.drops = drops;
    (scenario.peer)(&world);
    world.plan(plan);
    let log = (scenario.run)(&world);
    assert!(world.is_dropped());
    // A peer that is given up is not waited for.
    let is_given_up = log.lines.iter().any(|line| line == "Ended(Timeout(Close))");
    let outcome = Outcome {
        log,
        received: world.received(),
        shut_down: world.is_shut_down() || is_given_up,
    };
    (outcome, world.calls())
}

/// The undisturbed run, and how many steps it has.
fn plain(scenario: &Scenario) -> (Outcome, usize) {
    let (outcome, calls) = run(scenario, false, |_, _| Fault::None);
    assert!(outcome.log.failures <= 1, "{outcome:?}");
    (outcome, calls.len())
}

fn at(steps: &'static [usize], fault: Fault) -> impl FnMut(usize, Call) -> Fault + Send {
    move |n, _| {
        if steps.contains(&n) {
            fault
        } else {
            Fault::None
        }
    }
}

fn leak(steps: impl Into<Vec<usize>>) -> &'static [usize] {
    steps.into().leak()
}

fn check(scenario: &Scenario, outcome: &Outcome, steps: &[usize], fault: Fault, drops: bool) {
    let run = run(scenario, drops, at(leak(steps), fault)).0;
    let name = scenario.name;
    assert_eq!(
        &run, outcome,
        "{name}: {fault:?} at {steps:?}, drops: {drops}"
    );
}

#[test]
fn t06_t07_any_step_may_be_delayed_or_shortened() {
    for scenario in all() {
        let (outcome, steps) = plain(scenario);
        for fault in DISTURBANCES {
            for step in 0..steps + 2 {
                check(scenario, &outcome, &[step], fault, false);
            }
        }
    }
}

#[test]
fn t06_t07_any_two_steps_may_be_delayed() {
    for scenario in all() {
        let (outcome, steps) = plain(scenario);
        for first in 0..steps.min(40) {
            for second in first + 1..(steps + 2).min(first + 12) {
                check(scenario, &outcome, &[first, second], Fault::Pending, false);
            }
        }
    }
}

#[test]
fn t06_t07_all_steps_may_be_shortened() {
    for scenario in all() {
        let (outcome, _) = plain(scenario);
        for fault in [Fault::One, Fault::Half, Fault::AllButOne] {
            let (all, _) = run(scenario, false, move |_, _| fault);
            assert_eq!(all, outcome, "{}: {fault:?}", scenario.name);
        }
    }
}

#[test]
fn t06_t07_t08_any_steps_may_be_delayed_and_shortened() {
    for scenario in all() {
        let (outcome, _) = plain(scenario);
        for seed in 0..40 {
            let mut random = Random::new(seed);
            let faults = [Fault::None, Fault::Pending, Fault::Half, Fault::AllButOne];
            let any = move |_, _| faults[random.below(faults.len())];
            let drops = seed % 2 == 0 && scenario.can_drop();
            let (all, _) = run(scenario, drops, any);
            assert_eq!(all, outcome, "{}: seed {seed}", scenario.name);
        }
    }
}

#[test]
fn t08_futures_dropped_at_every_await_lose_nothing() {
    for scenario in &SCENARIOS {
        let (outcome, steps) = plain(scenario);
        for step in 0..steps + 2 {
            check(scenario, &outcome, &[step], Fault::Pending, true);
        }
    }
}

/// The n-th call of a kind fails: one terminal result, and nothing after it.
#[test]
fn t07_any_step_may_fail_once() {
    for scenario in all() {
        let (outcome, steps) = plain(scenario);
        for fault in [Fault::Error, Fault::Nothing] {
            for step in 0..steps {
                let (failed, _) = run(scenario, false, at(leak([step]), fault));
                let place = format!("{}: {fault:?} at {step}: {failed:?}", scenario.name);
                assert!(failed.log.failures <= 1, "{place}");
                let same = failed.log.lines.iter().zip(&outcome.log.lines);
                let same = same.take_while(|(a, b)| a == b).count();
                let messages = |log: &Log| {
                    let is_message =
                        |line: &&String| line.starts_with("Text") || line.starts_with("Binary");
                    log.lines
                        .iter()
                        .filter(is_message)
                        .cloned()
                        .collect::<Vec<_>>()
                };
                assert!(
                    messages(&outcome.log).starts_with(&messages(&failed.log)),
                    "{place}"
                );
                // Whoever was not told of a failure has seen the same.
                assert!(
                    failed.log.failures > outcome.log.failures
                        || failed.log.failures == 1
                        || same == outcome.log.lines.len(),
                    "{place}"
                );
                assert!(
                    outcome.received.starts_with(&failed.received)
                        || fault == Fault::Nothing
                        || failed.log.failures == 1,
                    "{place}"
                );
            }
        }
    }
}
