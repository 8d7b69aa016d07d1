//! Payloads: what a GET brings and a POST carries, one packet or several.
//!
//! ```text
//! version 4            4hello RS 2 RS bAQID          RS: the byte 1e
//! version 3, text      6:4hello 1:2 6:b4AQID         a length before each
//! version 3, binary    00 06 ff 4hello 01 04 ff 04 01 02 03
//! ```
//!
//! How version 3 writes lengths is in `payload_v3`; the rest is here.
//! Engine.IO protocol, "Payload encoding".

use alloc::vec::Vec;

use super::packet::Data;
use super::{Packet, PayloadError, PayloadRule, SeparatorError, Version, payload_v3};
use crate::Kind;

/// Reads the packets of a payload one by one, as they are asked for.
///
/// Nothing is allocated: a packet is borrowed from the body, in which base64 is
/// decoded in place. The first error is the last item, so every packet before it
/// has been handed out, and none after it is.
///
/// ```
/// use sockeye::Kind;
/// use sockeye::engineio::{Packet, Packets, Version};
///
/// let mut body = *b"4hello\x1e2\x1ebAQID";
/// let packets = Packets::new(Version::V4, Kind::Text, &mut body, 16_384);
/// let packets: Result<Vec<_>, _> = packets.collect();
/// assert_eq!(
///     packets?,
///     [
///         Packet::Message("hello".into()),
///         Packet::Ping("".into()),
///         Packet::Message((&[1, 2, 3]).into()),
///     ],
/// );
/// # Ok::<_, sockeye::engineio::PayloadError>(())
/// ```
#[derive(Debug)]
pub struct Packets<'i> {
    version: Version,
    kind: Kind,
    /// What has not been read: none after the last packet, and after an error.
    rest: Option<&'i mut [u8]>,
    /// Where the rest begins in the body.
    offset: usize,
    /// How many packets there may be in the rest.
    allowed: usize,
}

impl<'i> Packets<'i> {
    /// The packets of `body`, of which more than `max_packets` are an error.
    ///
    /// The kind is [`Binary`](Kind::Binary) if the body came as
    /// `application/octet-stream`, which version 4 has no use for.
    pub const fn new(version: Version, kind: Kind, body: &'i mut [u8], max_packets: usize) -> Self {
        Self {
            version,
            kind,
            rest: Some(body),
            offset: 0,
            allowed: max_packets,
        }
    }

    fn read(&mut self, body: &'i mut [u8]) -> Result<Packet<'i>, PayloadRule> {
        self.allowed = self.allowed.checked_sub(1).ok_or(PayloadRule::TooMany)?;
        let span = match (self.version, self.kind) {
            (Version::V4, Kind::Text) => Span::text(0, find(body, SEPARATOR).unwrap_or(body.len())),
            (Version::V4, Kind::Binary) => return Err(PayloadRule::Binary),
            (Version::V3, Kind::Text) => payload_v3::text_span(body)?,
            (Version::V3, Kind::Binary) => payload_v3::binary_span(body)?,
        };
        let (packet, rest) = body
            .split_at_mut_checked(span.end)
            .ok_or(PayloadRule::Short)?;
        let packet = packet.get_mut(span.start..).unwrap_or_default();
        let packet = match span.kind {
            Kind::Text => Packet::from_text(self.version, packet),
            Kind::Binary => Packet::from_binary(self.version, packet),
        }?;
        let before = span.end + rest.len();
        self.rest = match self.version {
            Version::V3 => Some(rest).filter(|rest| !rest.is_empty()),
            // A separator is followed by a packet, be it an empty one.
            Version::V4 => rest.split_first_mut().map(|(_, rest)| rest),
        };
        self.offset += before - self.rest.as_deref().map_or(0, <[u8]>::len);
        Ok(packet)
    }
}

impl<'i> Iterator for Packets<'i> {
    type Item = Result<Packet<'i>, PayloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let body = self.rest.take()?;
        let offset = self.offset;
        let packet = self.read(body);
        Some(packet.map_err(|rule| PayloadError { offset, rule }))
    }
}

impl core::iter::FusedIterator for Packets<'_> {}

/// Where a packet lies in what is left of a payload, and of which kind it is.
pub(super) struct Span {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) const fn text(start: usize, end: usize) -> Self {
        Self {
            kind: Kind::Text,
            start,
            end,
        }
    }
}

/// Where `byte` is for the first time. The blocks without it are passed over
/// with vector instructions, which the compiler finds for this form.
fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    let has = |block: &&[u8]| block.iter().fold(false, |has, &it| has | (it == byte));
    let without = bytes.chunks_exact(32).take_while(|block| !has(block));
    let passed = 32 * without.count();
    let mut rest = bytes.get(passed..)?.iter();
    Some(passed + rest.position(|&it| it == byte)?)
}

/// Writes packets into a payload, one by one.
///
/// ```
/// use sockeye::Kind;
/// use sockeye::engineio::{Packet, Payload, Version};
///
/// let mut payload = Payload::new(Version::V4, Kind::Text);
/// let packet = Packet::Message("hello".into());
/// assert_eq!(payload.len_with(&packet), 6);
/// payload.push(&packet)?;
/// payload.push(&Packet::Noop)?;
/// assert_eq!(payload.into_body(), b"4hello\x1e6");
/// # Ok::<_, sockeye::engineio::SeparatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Payload {
    version: Version,
    takes: Kind,
    kind: Kind,
    body: Vec<u8>,
    packets: usize,
    /// How long the body would be, or is, in the binary form of version 3.
    binary_len: usize,
}

impl Payload {
    /// An empty payload, for a peer that takes binary payloads too or text
    /// alone. Only version 3 knows binary ones, and writes them for binary
    /// messages.
    pub const fn new(version: Version, takes: Kind) -> Self {
        Self {
            version,
            takes,
            kind: Kind::Text,
            body: Vec::new(),
            packets: 0,
            binary_len: 0,
        }
    }

    /// Appends a packet.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check); nothing changes then.
    pub fn push(&mut self, packet: &Packet<'_>) -> Result<(), SeparatorError> {
        Self::check(self.version, packet)?;
        let kind = self.kind_with(packet);
        if self.kind != kind {
            self.body = payload_v3::into_binary(&self.body, self.binary_len);
            self.kind = kind;
        }
        match (self.version, kind) {
            (Version::V4, _) => {
                if self.packets > 0 {
                    self.body.push(SEPARATOR);
                }
                packet.encode_text(self.version, &mut self.body);
            }
            (Version::V3, Kind::Text) => payload_v3::push_text(packet, &mut self.body),
            (Version::V3, Kind::Binary) => payload_v3::push_binary(packet, &mut self.body),
        }
        self.binary_len += payload_v3::binary_len(packet);
        self.packets += 1;
        Ok(())
    }

    /// Whether a packet can stand in a payload at all.
    ///
    /// Nothing is escaped in version 4: a peer would read text with the
    /// separator in it as several packets, of whatever type.
    ///
    /// # Errors
    ///
    /// If its text has U+001E in it, in version 4.
    pub fn check(version: Version, packet: &Packet<'_>) -> Result<(), SeparatorError> {
        match (version, packet.data()) {
            (Version::V4, Data::Text(_, text)) if text.as_bytes().contains(&SEPARATOR) => {
                Err(SeparatorError)
            }
            _ => Ok(()),
        }
    }

    /// How long the body is once `packet` has been appended, to the byte.
    pub fn len_with(&self, packet: &Packet<'_>) -> usize {
        match (self.version, self.kind_with(packet)) {
            (Version::V4, _) => {
                let separator = usize::from(self.packets > 0);
                self.body.len() + separator + packet.encoded_len(self.version)
            }
            (Version::V3, Kind::Text) => self.body.len() + payload_v3::text_len(packet),
            (Version::V3, Kind::Binary) => self.binary_len + payload_v3::binary_len(packet),
        }
    }

    /// The kind of the body: a binary one is sent as `application/octet-stream`.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How many packets there are.
    pub const fn packets(&self) -> usize {
        self.packets
    }

    /// What has been written.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What has been written, without a copy.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    fn kind_with(&self, packet: &Packet<'_>) -> Kind {
        match (self.version, self.takes, self.kind, packet.kind()) {
            (Version::V3, Kind::Binary, Kind::Binary, _)
            | (Version::V3, Kind::Binary, _, Kind::Binary) => Kind::Binary,
            _ => Kind::Text,
        }
    }
}

/// U+001E, which stands between the packets of version 4.
const SEPARATOR: u8 = 0x1e;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_separator_is_found_wherever_it_is() {
        for len in [0, 1, 31, 32, 33, 100] {
            assert_eq!(find(&vec![b'a'; len], SEPARATOR), None);
            for at in 0..len {
                let mut bytes = vec![b'a'; len];
                bytes[at] = SEPARATOR;
                assert_eq!(find(&bytes, SEPARATOR), Some(at));
                bytes[at..].fill(SEPARATOR);
                assert_eq!(find(&bytes, SEPARATOR), Some(at));
            }
        }
    }
}
