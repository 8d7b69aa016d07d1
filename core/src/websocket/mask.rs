//! Masking, RFC 6455 section 5.3: every payload byte is combined with one byte
//! of a four-byte key, by exclusive or.
//!
//! The key is applied 32 bytes at a time, which the compiler turns into vector
//! instructions, then 8, then 4, then singly. Each width is a multiple of the
//! key's, so only the odd bytes at the end move the key on.

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
    /// The key, turned so that its first byte belongs to the next payload byte.
    key: [u8; 4],
}

impl Mask {
    /// A mask at the start of a payload.
    pub const fn new(key: [u8; 4]) -> Self {
        Self { key }
    }

    /// Masks or unmasks the next bytes of the payload, in place.
    #[inline]
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let odd = bytes.len() % 4;
        let mut lanes = bytes.chunks_exact_mut(32);
        let wide: [u8; 32] = repeat(self.key);
        for lane in &mut lanes {
            for (byte, key) in lane.iter_mut().zip(wide) {
                *byte ^= key;
            }
        }
        let narrow = u64::from_ne_bytes(repeat(self.key));
        let mut words = lanes.into_remainder().chunks_exact_mut(8);
        for word in &mut words {
            if let Ok(bytes) = <[u8; 8]>::try_from(&*word) {
                word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ narrow).to_ne_bytes());
            }
        }
        let mut halves = words.into_remainder().chunks_exact_mut(4);
        let key = u32::from_ne_bytes(self.key);
        for half in &mut halves {
            if let Ok(bytes) = <[u8; 4]>::try_from(&*half) {
                half.copy_from_slice(&(u32::from_ne_bytes(bytes) ^ key).to_ne_bytes());
            }
        }
        for (byte, key) in halves.into_remainder().iter_mut().zip(self.key) {
            *byte ^= key;
        }
        self.key.rotate_left(odd);
    }

    /// Appends the next bytes of the payload to `out`, masked, in one pass.
    pub fn append(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        // A chunk is still in the first-level cache when it is masked.
        for chunk in bytes.chunks(4096) {
            let start = out.len();
            out.extend_from_slice(chunk);
            self.apply(out.get_mut(start..).unwrap_or_default());
        }
    }
}

fn repeat<const N: usize>(key: [u8; 4]) -> [u8; N] {
    let mut wide = [0; N];
    for (slot, byte) in wide.iter_mut().zip(key.iter().cycle()) {
        *slot = *byte;
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(bytes: &[u8], key: [u8; 4]) -> Vec<u8> {
        let keys = key.iter().cycle();
        bytes.iter().zip(keys).map(|(b, k)| b ^ k).collect()
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
