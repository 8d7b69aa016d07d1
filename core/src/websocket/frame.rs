//! The frame header, RFC 6455 section 5.2.
//!
//! ```text
//!  0               1               2               3
//!  0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//! |I|S|S|S|  (4)  |A|     (7)     |         (0, 16 or 64)         |
//! |N|V|V|V|       |S|             |                               |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |                 Masking key, 0 or 4 bytes                     |
//! +---------------------------------------------------------------+
//! ```
//!
//! Values only: payload bytes, masking and messages are elsewhere. A broken
//! rule is reported at the first byte that breaks it, so a header that comes in
//! pieces fails at the same byte as one that comes whole.

use alloc::vec::Vec;

use super::{Mask, Opcode, Violation};

/// The most bytes a header can have.
pub const MAX_HEADER: usize = 14;

/// The most bytes the payload of a control frame can have (section 5.5).
pub const MAX_CONTROL: usize = 125;

/// A frame header.
///
/// ```
/// use sockeye::websocket::{Expect, Header, MAX_HEADER, Opcode};
///
/// let header = Header::new(Opcode::Text, 5).masked([1, 2, 3, 4]);
/// let mut bytes = [0; MAX_HEADER];
/// let written = header.encode(&mut bytes);
/// assert_eq!(written, [0x81, 0x85, 1, 2, 3, 4]);
/// assert_eq!(Header::decode(written, &Expect::ANY), Ok(Some((header, 6))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The bits RSV1, RSV2 and RSV3, as `0x40`, `0x20` and `0x10`.
    pub rsv: u8,
    /// What the frame is for.
    pub opcode: Opcode,
    /// The masking key, in frames that a client sends.
    pub mask: Option<[u8; 4]>,
    /// How many payload bytes follow the header.
    pub len: u64,
}

/// What may come next; the rules for a header that depend on what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Whether the sender has to mask, as clients do, or must not, as servers.
    pub masked: Option<bool>,
    /// RSV bits that a negotiated extension owns on the first frame of a message.
    pub rsv: u8,
    /// Whether a fragmented message is open.
    pub fragmented: Option<bool>,
    /// The most payload bytes a data frame may bring.
    pub max_payload: u64,
}

impl Expect {
    /// No rule beyond those that hold for every frame. RSV bits may be set on
    /// the first frame of a message, where an extension can own them.
    pub const ANY: Self = Self {
        masked: None,
        rsv: RSV,
        fragmented: None,
        max_payload: u64::MAX,
    };
}

impl Header {
    /// The header of a final, unmasked frame.
    pub const fn new(opcode: Opcode, len: u64) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            mask: None,
            len,
        }
    }

    /// The same header with a masking key.
    #[must_use]
    pub const fn masked(self, key: [u8; 4]) -> Self {
        Self {
            mask: Some(key),
            ..self
        }
    }

    /// Reads a header from the beginning of `bytes`, and says how long it was.
    ///
    /// `Ok(None)` means that all of `bytes` belong to a header that goes on.
    /// Call again with those and more.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke, as soon as the byte that breaks it is there.
    pub fn decode(bytes: &[u8], expect: &Expect) -> Result<Option<(Self, usize)>, Violation> {
        let [first, bytes @ ..] = bytes else {
            return Ok(None);
        };
        let (fin, rsv) = (first & FIN != 0, first & RSV);
        let opcode = expect.opcode(*first)?;
        let [second, bytes @ ..] = bytes else {
            return Ok(None);
        };
        let masked = second & MASKED != 0;
        expect.masking(masked)?;
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL {
            // "All control frames MUST have a payload length of 125 bytes or less"
            return Err(Violation::ControlTooLong);
        }
        let Some((len, extended)) = length(short, bytes)? else {
            return Ok(None);
        };
        if len > expect.max_payload && !opcode.is_control() {
            return Err(Violation::MessageTooBig);
        }
        let mask = match bytes.get(extended..).and_then(|b| b.first_chunk()) {
            Some(key) if masked => Some(*key),
            None if masked => return Ok(None),
            _ => None,
        };
        let header = Self {
            fin,
            rsv,
            opcode,
            mask,
            len,
        };
        Ok(Some((header, 2 + extended + if masked { 4 } else { 0 })))
    }

    /// Writes the header into `out` and returns the part that it takes.
    ///
    /// The length takes its shortest form. A length of 2^63 and above, which no
    /// frame can have, is cut to what the wire can say.
    #[inline]
    pub fn encode<'o>(&self, out: &'o mut [u8; MAX_HEADER]) -> &'o [u8] {
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        out[0] = if self.fin { FIN } else { 0 } | (self.rsv & RSV) | self.opcode.bits();
        let key = if self.len <= 125 {
            out[1] = masked | self.len as u8;
            2
        } else if let Ok(len) = u16::try_from(self.len) {
            out[1] = masked | 126;
            [out[2], out[3]] = len.to_be_bytes();
            4
        } else {
            out[1] = masked | 127;
            let len = self.len & !TOP_BIT;
            if let Some(slot) = out.get_mut(2..10) {
                slot.copy_from_slice(&len.to_be_bytes());
            }
            10
        };
        let end = match (self.mask, out.get_mut(key..key + 4)) {
            (Some(mask), Some(slot)) => {
                slot.copy_from_slice(&mask);
                key + 4
            }
            _ => key,
        };
        out.get(..end).unwrap_or_default()
    }
}

/// The header of a whole message of up to 65 535 bytes: what nearly every frame
/// is. It breaks no rule, and [`Header::decode`] would say the same of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) text: bool,
    /// Where the payload begins.
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) mask: Option<Mask>,
}

impl Whole {
    /// Looks for such a header at the beginning of `bytes`. `None` says nothing
    /// about what is there instead.
    #[inline]
    pub(super) fn decode(bytes: &[u8], masked: bool) -> Option<Self> {
        let [first @ (0x81 | 0x82), second, high, low, _, _, ..] = *bytes else {
            return None;
        };
        let (len, start) = match second ^ if masked { MASKED } else { 0 } {
            len @ 0..=125 => (len.into(), 2),
            126 => (u16::from_be_bytes([high, low]).into(), 4),
            _ => return None,
        };
        if start == 4 && len <= 125 {
            return None;
        }
        let whole = Self {
            text: first == 0x81,
            start,
            len,
            mask: None,
        };
        if !masked {
            return Some(whole);
        }
        let key = bytes.get(start..)?.first_chunk()?;
        Some(Self {
            start: start + 4,
            mask: Some(Mask::new(*key)),
            ..whole
        })
    }
}

impl Header {
    /// Appends what [`encode`](Self::encode) writes: in place, since a copy of
    /// so few bytes costs as much as the rest.
    #[inline]
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; MAX_HEADER]);
        let written = out
            .last_chunk_mut()
            .map_or(0, |room| self.encode(room).len());
        out.truncate(start + written);
    }
}

impl Expect {
    /// The rules of the first byte.
    fn opcode(&self, first: u8) -> Result<Opcode, Violation> {
        let opcode = Opcode::from_bits(first & 0xf);
        let begins = matches!(opcode, Some(Opcode::Text | Opcode::Binary));
        let owned = if begins { self.rsv } else { 0 };
        if first & RSV & !owned != 0 {
            // "MUST be 0 unless an extension is negotiated that defines meanings
            // for non-zero values"
            return Err(Violation::ReservedBits);
        }
        let opcode = opcode.ok_or(Violation::ReservedOpcode)?;
        match (opcode, self.fragmented) {
            // "All control frames [...] MUST NOT be fragmented."
            _ if opcode.is_control() && first & FIN == 0 => Err(Violation::FragmentedControl),
            (Opcode::Continuation, Some(false)) => Err(Violation::UnexpectedContinuation),
            // "The fragments of one message MUST NOT be interleaved between the
            // fragments of another message"
            (Opcode::Text | Opcode::Binary, Some(true)) => Err(Violation::ExpectedContinuation),
            _ => Ok(opcode),
        }
    }

    /// "A server MUST close the connection upon receiving a frame that is not
    /// masked. [...] A client MUST close a connection if it detects a masked
    /// frame." (section 5.1)
    fn masking(&self, masked: bool) -> Result<(), Violation> {
        match self.masked {
            Some(true) if !masked => Err(Violation::Unmasked),
            Some(false) if masked => Err(Violation::Masked),
            _ => Ok(()),
        }
    }
}

/// The payload length, and how many bytes its extended form takes.
///
/// "Note that in all cases, the minimal number of bytes MUST be used to encode
/// the length" and "the most significant bit MUST be 0" (section 5.2).
fn length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    match short {
        126 => match bytes.first_chunk().map(|b| u16::from_be_bytes(*b)) {
            Some(0..=125) => Err(Violation::NonMinimalLength),
            Some(len) => Ok(Some((len.into(), 2))),
            None => Ok(None),
        },
        127 if bytes.first().is_some_and(|b| b & 0x80 != 0) => Err(Violation::LengthOverflow),
        127 => match bytes.first_chunk().map(|b| u64::from_be_bytes(*b)) {
            Some(0..=0xffff) => Err(Violation::NonMinimalLength),
            Some(len) => Ok(Some((len, 8))),
            None => Ok(None),
        },
        len => Ok(Some((len.into(), 0))),
    }
}

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const MASKED: u8 = 0x80;
const TOP_BIT: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;

    /// The short way to a header may give up, but says nothing else than the
    /// general way, and knows every header that it is there for.
    #[test]
    fn whole_headers_are_read_the_same_both_ways() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for (first, second) in (0..=0xffff_u16).map(u16::to_be_bytes).map(|b| (b[0], b[1])) {
            for extended in [0, 125, 126, 0xffff_u16].map(u16::to_be_bytes) {
                for masked in [false, true] {
                    let mut bytes = [0; 10];
                    bytes[0] = first;
                    bytes[1] = second;
                    bytes[2..4].copy_from_slice(&extended);
                    bytes[4..8].copy_from_slice(&key);
                    if second & 0x7f < 126 {
                        bytes[2..6].copy_from_slice(&key);
                    }
                    let expect = Expect {
                        masked: Some(masked),
                        rsv: 0,
                        fragmented: Some(false),
                        max_payload: 0xffff,
                    };
                    let slow = Header::decode(&bytes, &expect).ok().flatten();
                    let slow = slow.filter(|(h, _)| h.fin && !h.opcode.is_control());
                    let slow = slow.map(|(header, start)| Whole {
                        text: header.opcode == Opcode::Text,
                        start,
                        len: header.len as usize,
                        mask: header.mask.map(Mask::new),
                    });
                    assert_eq!(Whole::decode(&bytes, masked), slow, "{bytes:x?}");
                }
            }
        }
    }
}
