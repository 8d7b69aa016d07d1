//! The ways in which an input may arrive.
//!
//! What a machine does must not depend on where reads happen to cut the input.
//! Every vector is therefore run whole, byte by byte, and cut in two at every
//! position; in an input above 4 KiB at the first and last 64 positions, and at
//! 256 others that a seeded generator chooses.

use std::collections::BTreeSet;

/// One way to cut an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// All at once.
    Whole,
    /// Each byte for itself.
    Bytes,
    /// In two pieces, the first of which has so many bytes.
    At(usize),
}

impl Cut {
    /// The pieces, in their order; no piece of an empty input.
    pub fn chunks<'i>(&self, input: &'i [u8]) -> Vec<&'i [u8]> {
        match *self {
            Self::Whole if input.is_empty() => Vec::new(),
            Self::Whole => vec![input],
            Self::Bytes => input.chunks(1).collect(),
            Self::At(at) => {
                let (head, tail) = input.split_at(at);
                vec![head, tail]
            }
        }
    }
}

/// Every cut that an input of `len` bytes is tried with.
pub fn cuts(len: usize) -> impl Iterator<Item = Cut> {
    let positions: BTreeSet<usize> = if len <= EXHAUSTIVE {
        (1..len).collect()
    } else {
        let mut random = Random::new(len as u64);
        let others = (0..RANDOM).map(|_| 1 + random.below(len - 1));
        (1..=EDGE).chain(len - EDGE..len).chain(others).collect()
    };
    [Cut::Whole, Cut::Bytes]
        .into_iter()
        .chain(positions.into_iter().map(Cut::At))
}

/// A small generator whose numbers are the same in every run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number. The steps are those of SplitMix64.
    #[allow(clippy::should_implement_trait, reason = "there is always a next one")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// The longest input that is cut at every position.
const EXHAUSTIVE: usize = 4096;
/// Positions at either end of a longer one.
const EDGE: usize = 64;
/// Positions in between.
const RANDOM: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_gives_all_of_the_input_back() {
        for len in [0, 1, 2, 9, 4097] {
            let input: Vec<u8> = (0..len).map(|n| n as u8).collect();
            for cut in cuts(len) {
                assert_eq!(cut.chunks(&input).concat(), input, "{cut:?}");
            }
        }
        assert_eq!(cuts(4096).count(), 2 + 4095);
        assert!((2 + 128 + 200..=2 + 128 + 256).contains(&cuts(1 << 20).count()));
    }
}
