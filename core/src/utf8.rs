//! Text, validated as it arrives.
//!
//! RFC 6455 section 8.1 wants a connection failed when text is not UTF-8.
//! [`Utf8`] notices at the first byte that no valid text can have at its place,
//! wherever the input happens to be cut: it carries the up to three bytes of a
//! code point that is not complete yet.
//!
//! ```
//! use sockeye::utf8::Utf8;
//!
//! let mut utf8 = Utf8::default();
//! let first = utf8.push(b"caf\xc3").unwrap();
//! assert_eq!((first.head, first.body), (None, "caf"));
//! let second = utf8.push(b"\xa9!").unwrap();
//! assert_eq!((second.head, second.body), (Some('é'), "!"));
//! assert!(utf8.is_complete());
//! assert_eq!(utf8.push(b"ab\xff").unwrap_err().at, 2);
//! ```

use core::str::{self, Utf8Error};

/// A validator for one text that comes in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8 {
    carry: [u8; 3],
    len: u8,
}

/// The text that a piece of input completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valid<'b> {
    /// The code point that earlier input began and this input finished.
    pub head: Option<char>,
    /// What follows it, up to the last complete code point.
    pub body: &'b str,
}

/// The input cannot be continued to valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid UTF-8")]
pub struct Invalid {
    /// The first impossible byte, counted from the start of the pushed piece.
    pub at: usize,
}

impl Utf8 {
    /// Takes in the next piece of the text.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the first byte that makes the text impossible. The
    /// validator must not be used for this text any more.
    pub fn push<'b>(&mut self, bytes: &'b [u8]) -> Result<Valid<'b>, Invalid> {
        let (head, taken) = self.complete(bytes)?;
        let bytes = bytes.get(taken..).unwrap_or_default();
        let body = match validate(bytes) {
            Ok(text) => text,
            Err(error) => self.keep_tail(bytes, error).ok_or(Invalid {
                at: taken + first_impossible(bytes, error),
            })?,
        };
        Ok(Valid { head, body })
    }

    /// Whether the text pushed so far ends at the end of a code point.
    pub fn is_complete(&self) -> bool {
        self.len == 0
    }

    /// Feeds single bytes to the carried code point until it is whole.
    fn complete(&mut self, bytes: &[u8]) -> Result<(Option<char>, usize), Invalid> {
        if self.len == 0 {
            return Ok((None, 0));
        }
        let mut point = [0; 4];
        let mut len = usize::from(self.len);
        for (slot, byte) in point.iter_mut().zip(self.carry) {
            *slot = byte;
        }
        for (at, byte) in bytes.iter().enumerate() {
            if let Some(slot) = point.get_mut(len) {
                *slot = *byte;
            }
            len += 1;
            match str::from_utf8(point.get(..len).unwrap_or_default()) {
                Ok(text) => {
                    self.len = 0;
                    return Ok((text.chars().next(), at + 1));
                }
                Err(error) if error.error_len().is_some() => return Err(Invalid { at }),
                Err(_) => self.carry(point.get(..len).unwrap_or_default()),
            }
        }
        Ok((None, bytes.len()))
    }

    /// The valid part of `bytes` if the rest is the beginning of a code point.
    fn keep_tail<'b>(&mut self, bytes: &'b [u8], error: Utf8Error) -> Option<&'b str> {
        if error.error_len().is_some() {
            return None;
        }
        let (valid, tail) = bytes.split_at_checked(error.valid_up_to())?;
        self.carry(tail);
        validate(valid).ok()
    }

    fn carry(&mut self, tail: &[u8]) {
        for (slot, byte) in self.carry.iter_mut().zip(tail) {
            *slot = *byte;
        }
        self.len = tail.len().min(3) as u8;
    }
}

/// Checks a whole text.
#[cfg(not(feature = "simd"))]
pub(crate) fn validate(bytes: &[u8]) -> Result<&str, Utf8Error> {
    str::from_utf8(bytes)
}

/// Checks a whole text; only an invalid one is looked at a second time, for the place.
#[cfg(feature = "simd")]
pub(crate) fn validate(bytes: &[u8]) -> Result<&str, Utf8Error> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => str::from_utf8(bytes),
    }
}

/// `valid_up_to` is where the broken code point begins. A byte that can begin
/// one is followed by `error_len` good bytes in all, and then by the bad one.
fn first_impossible(bytes: &[u8], error: Utf8Error) -> usize {
    let start = error.valid_up_to();
    match (bytes.get(start), error.error_len()) {
        (Some(0xc2..=0xf4), Some(good)) => start + good,
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    /// The text in pieces of `size` bytes, or how many bytes came before the impossible one.
    fn in_pieces(bytes: &[u8], size: usize) -> Result<(String, bool), usize> {
        let (mut utf8, mut text) = (Utf8::default(), String::new());
        for (n, piece) in bytes.chunks(size.max(1)).enumerate() {
            let valid = utf8.push(piece).map_err(|e| n * size + e.at)?;
            text.extend(valid.head);
            text.push_str(valid.body);
        }
        Ok((text, utf8.is_complete()))
    }

    #[test]
    fn every_cut_gives_what_the_whole_gives() {
        let samples: [&[u8]; 9] = [
            "κόσμε 한국어 😀 ascii".as_bytes(),
            b"\xce\xba\xed\xa0\x80ed",
            b"\xf4\x90\x80\x80",
            b"\xc0\x80",
            b"a\xf5",
            b"a\xe2\x82",
            b"\xe2\x82a",
            b"\xe2a",
            b"\xf0\x9f\x98z",
        ];
        for bytes in samples {
            let whole = in_pieces(bytes, bytes.len());
            for size in 1..bytes.len() {
                assert_eq!(in_pieces(bytes, size), whole, "{bytes:x?} by {size}");
            }
        }
    }

    #[test]
    fn the_first_impossible_byte_is_named() {
        let at = |bytes: &[u8]| in_pieces(bytes, bytes.len()).unwrap_err();
        assert_eq!(at(b"\xce\xba\xed\xa0\x80"), 3);
        assert_eq!(at(b"\xf4\x90\x80\x80"), 1);
        assert_eq!(at(b"\xff"), 0);
        assert_eq!(at(b"\x80"), 0);
        assert_eq!(at(b"\xc0\x80"), 0);
        assert_eq!(at(b"\xe2\x82a"), 2);
        assert_eq!(at(b"\xe2a"), 1);
    }

    #[test]
    fn accepts_exactly_what_std_accepts() {
        for lead in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let bytes = [b'x', lead, second];
                let ours = in_pieces(&bytes, 2).is_ok_and(|(_, complete)| complete);
                assert_eq!(ours, str::from_utf8(&bytes).is_ok(), "{bytes:x?}");
                let valid: Vec<u8> = bytes.into();
                assert_eq!(validate(&valid).is_ok(), ours);
            }
        }
    }
}
