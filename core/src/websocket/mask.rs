//! Masking, RFC 6455 section 5.3: every payload byte is combined with one byte
//! of a four-byte key, by exclusive or.
//!
//! The key is applied 128 bytes at a time, which the compiler turns into vector
//! instructions, then once 64, 32, 16 and 8, and then to what is left. Each width is
//! a multiple of the key's, so only the odd bytes at the end move the key on.

use alloc::vec::Vec;

/// A masking key, and how far the payload it belongs to has come.
///
/// Masking and unmasking are the same operation. Pieces of a payload are
/// handled one after the other, cut wherever they happen to be.
///
/// ```
/// use sockeye::websocket::Mask;
///
/// let mut payload = *b"hello";
/// let (mut whole, mut pieces) = (Mask::new([1, 2, 3, 4]), Mask::new([1, 2, 3, 4]));
/// whole.apply(&mut payload);
/// let (head, tail) = payload.split_at_mut(3);
/// pieces.apply(head);
/// pieces.apply(tail);
/// assert_eq!(&payload, b"hello");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    /// The key, turned so that its first byte, the lowest, belongs to the next
    /// payload byte.
    key: u32,
}

impl Mask {
    /// A mask at the start of a payload.
    pub const fn new(key: [u8; 4]) -> Self {
        Self {
            key: u32::from_le_bytes(key),
        }
    }

    /// Masks or unmasks the next bytes of the payload, in place.
    #[inline]
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let rest = match bytes.len() {
            0..WIDE => bytes,
            _ => self.apply_wide(bytes),
        };
        self.apply_narrow(rest);
    }

    /// Returns what is left: less than [`WIDE`] bytes.
    #[inline(never)]
    fn apply_wide<'b>(&mut self, bytes: &'b mut [u8]) -> &'b mut [u8] {
        if bytes.len() < LARGE {
            let (lanes, rest) = bytes.split_at_mut(bytes.len() - bytes.len() % WIDE);
            xor_lanes(self.doubled(), lanes);
            return rest;
        }
        // A vector that lies across two lines of the cache costs two accesses.
        let crooked = bytes.as_ptr().align_offset(LINE).min(bytes.len());
        let (head, bytes) = bytes.split_at_mut(crooked);
        self.apply_narrow(head);
        let (lines, rest) = bytes.split_at_mut(bytes.len() - bytes.len() % LINE);
        xor_lines(self.doubled(), lines);
        rest
    }

    #[inline(always)]
    fn apply_narrow(&mut self, bytes: &mut [u8]) {
        let key = self.doubled();
        self.key = self.key.rotate_right(8 * (bytes.len() % 4) as u32);
        let rest = lane::<64>(key, bytes);
        let rest = lane::<32>(key, rest);
        let rest = lane::<16>(key, rest);
        let rest = lane::<8>(key, rest);
        let rest = match rest.split_first_chunk_mut() {
            Some((half, rest)) => {
                *half = (u32::from_le_bytes(*half) ^ key as u32).to_le_bytes();
                rest
            }
            None => rest,
        };
        for (byte, key) in rest.iter_mut().take(3).zip(key.to_le_bytes()) {
            *byte ^= key;
        }
    }

    /// The key, as it is applied to eight bytes.
    #[inline]
    fn doubled(&self) -> u64 {
        u64::from(self.key) * 0x1_0000_0001
    }

    /// Appends the next bytes of the payload to `out`, masked, in one pass.
    pub fn append(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if bytes.len() <= CHUNK {
            return self.append_chunk(bytes, out);
        }
        out.reserve(bytes.len());
        for chunk in bytes.chunks(CHUNK) {
            self.append_chunk(chunk, out);
        }
    }

    #[inline]
    fn append_chunk(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(chunk);
        self.apply(out.get_mut(start..).unwrap_or_default());
    }
}

/// Applies the key wherever the bytes lie.
#[cfg_attr(feature = "simd", multiversion::multiversion(targets("x86_64+avx2")))]
#[inline]
fn xor_lanes(key: u64, lanes: &mut [u8]) {
    xor_in_turns(key, lanes);
}

/// Applies the key to whole lines of the cache. Only there do vectors as long as a
/// line not cost more than they save. Rust has them since 1.89; `vbmi2` is what
/// processors lack that slow down for them.
#[cfg_attr(
    feature = "simd",
    rustversion::attr(
        since(1.89),
        multiversion::multiversion(targets("x86_64+avx512f+avx512vbmi2", "x86_64+avx2"))
    )
)]
#[cfg_attr(
    feature = "simd",
    rustversion::attr(before(1.89), multiversion::multiversion(targets("x86_64+avx2")))
)]
#[inline]
fn xor_lines(key: u64, lines: &mut [u8]) {
    xor_in_turns(key, lines);
}

#[inline(always)]
fn xor_in_turns(key: u64, bytes: &mut [u8]) {
    // The fewer turns the better.
    let mut turns = bytes.chunks_exact_mut(1024);
    for turn in &mut turns {
        xor(key, turn);
    }
    xor(key, turns.into_remainder());
}

/// Applies the key to the first `N` bytes, if there are so many, and returns the rest.
#[inline]
fn lane<const N: usize>(key: u64, bytes: &mut [u8]) -> &mut [u8] {
    if bytes.len() < N {
        return bytes;
    }
    let (lane, rest) = bytes.split_at_mut(N);
    xor(key, lane);
    rest
}

/// Applies the key to words of eight bytes.
#[inline]
fn xor(key: u64, bytes: &mut [u8]) {
    for word in bytes.chunks_exact_mut(8) {
        if let Ok(bytes) = <[u8; 8]>::try_from(&*word) {
            word.copy_from_slice(&(u64::from_le_bytes(bytes) ^ key).to_le_bytes());
        }
    }
}

/// What the key is applied to at a time.
const WIDE: usize = 128;

/// What is worth being applied to whole lines of the cache.
const LARGE: usize = 2048;

/// A line of the cache.
const LINE: usize = 64;

/// What is still in the first-level cache when it is masked after a copy.
const CHUNK: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(bytes: &[u8], key: [u8; 4]) -> Vec<u8> {
        let keys = key.iter().cycle();
        bytes.iter().zip(keys).map(|(b, k)| b ^ k).collect()
    }

    #[test]
    fn every_width_and_alignment_equals_the_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let bytes: Vec<u8> = (0..2200_u32).map(|n| (n * 37) as u8).collect();
        for len in 0..bytes.len() {
            let skip = len % 67;
            let mut ours = bytes[..len].to_vec();
            let (head, tail) = ours.split_at_mut(skip.min(len));
            let mut mask = Mask::new(key);
            mask.apply(head);
            mask.apply(tail);
            assert_eq!(ours, plain(&bytes[..len], key), "{len} from {skip}");
        }
    }

    #[test]
    fn every_length_and_cut_equals_the_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let bytes: Vec<u8> = (0..100).map(|n: u8| n.wrapping_mul(37)).collect();
        for len in 0..bytes.len() {
            let whole = plain(&bytes[..len], key);
            for cut in 0..=len {
                let mut mask = Mask::new(key);
                let mut ours = bytes[..len].to_vec();
                let (head, tail) = ours.split_at_mut(cut);
                mask.apply(head);
                mask.apply(tail);
                assert_eq!(ours, whole, "{len} cut at {cut}");
                let (mut mask, mut appended) = (Mask::new(key), Vec::new());
                mask.append(&bytes[..cut], &mut appended);
                mask.append(&bytes[cut..len], &mut appended);
                assert_eq!(appended, whole);
            }
        }
    }
}
