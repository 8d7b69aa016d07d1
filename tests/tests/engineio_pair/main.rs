//! A client and a server through every order of what can happen between them.

mod world;

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use sockeye::engineio::Version;

use world::{Step, World};

/// Takes every step from every world that can be reached. Returns how many there
/// are.
fn search(world: World) -> usize {
    let mut seen = HashSet::new();
    let mut open = vec![(world, Vec::new())];
    while let Some((world, path)) = open.pop() {
        // Two of them with one hash are so rare that a search which passes one
        // over is as good.
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            continue;
        }
        let steps = world.steps();
        let tried = steps.into_iter().filter(|&step| !world.is_idle(step));
        let mut last = true;
        for step in tried {
            last &= matches!(step, Step::Goes(_));
            let mut next = world.clone();
            let mut path = path.clone();
            path.push(step);
            told(&path, || next.step(step));
            open.push((next, path));
        }
        if last {
            told(&path, || world.settle());
        }
    }
    seen.len()
}

/// Shows how it came to a panic.
fn told(path: &[Step], work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        eprintln!("after {path:?}");
        resume_unwind(panic);
    }
}

#[test]
fn u23_every_order_in_which_nothing_goes_wrong() {
    for version in [Version::V3, Version::V4] {
        let worlds = search(World::new(version, 2, 0));
        assert!(worlds > 3_000, "{worlds}");
    }
}

#[test]
fn u23_every_order_in_which_one_thing_goes_wrong() {
    for version in [Version::V3, Version::V4] {
        let worlds = search(World::new(version, 2, 1));
        assert!(worlds > 50_000, "{worlds}");
    }
}

#[test]
fn u23_every_order_in_which_two_things_go_wrong() {
    let worlds = search(World::new(Version::V4, 1, 2));
    assert!(worlds > 50_000, "{worlds}");
}

#[test]
fn random_worlds_in_which_much_goes_wrong() {
    for seed in 0..SEEDS {
        let version = [Version::V3, Version::V4][(seed % 2) as usize];
        let mut random = Random(seed);
        let (messages, faults) = (random.below(30) as u8, random.below(5) as u8);
        let mut world = World::new(version, messages, faults);
        let mut path = Vec::new();
        loop {
            let steps = world.steps();
            let (faults, rest): (Vec<_>, Vec<_>) =
                steps.iter().partition(|step| matches!(step, Step::Goes(_)));
            let from = match !faults.is_empty() && random.below(16) == 0 {
                true => faults,
                false => rest,
            };
            if from.is_empty() || path.len() > 2000 {
                break;
            }
            let step = from[random.below(from.len())];
            path.push(step);
            told(&path, || world.step(step));
            told(&path, || world.refused_commands_change_nothing());
        }
        told(&path, || world.settle());
    }
}

/// SplitMix64: enough to be different each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

const SEEDS: u64 = 500;
