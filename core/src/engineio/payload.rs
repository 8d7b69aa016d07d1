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
use super::{Packet, PacketError, PayloadError, PayloadRule, SeparatorError, Version, payload_v3};
use crate::{Kind, utf8};

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
    /// Packets of version 4 that are not base64, and known to be UTF-8. Small
    /// ones are checked together in less time than one by one.
    text: Option<&'i str>,
    /// What follows them.
    rest: Rest<'i>,
    /// Where all of that begins in the body.
    offset: usize,
    /// How many packets it may have.
    allowed: usize,
}

/// What of a payload nobody has looked at.
#[derive(Debug, Default)]
enum Rest<'i> {
    /// Nothing: the last packet has been read, or an error.
    #[default]
    End,
    Bytes(&'i mut [u8]),
    /// A packet that is not UTF-8, and so the last one.
    Invalid(&'i [u8]),
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
            text: None,
            rest: Rest::Bytes(body),
            offset: 0,
            allowed: max_packets,
        }
    }

    /// Reads the packet that `text` or else `rest` begins with.
    fn read(&mut self, text: Option<&'i str>, rest: Rest<'i>) -> Result<Packet<'i>, PayloadRule> {
        self.allowed = self.allowed.checked_sub(1).ok_or(PayloadRule::TooMany)?;
        let (text, rest) = match (text, rest, self.version, self.kind) {
            (None, Rest::Bytes(body), Version::V4, Kind::Text) => text_run(body),
            (text, rest, ..) => (text, rest),
        };
        match (text, rest) {
            (Some(text), rest) => {
                let end = find_separator(text.as_bytes());
                let (packet, behind) = match end {
                    Some(end) => (text.get(..end), text.get(end + 1..)),
                    None => (Some(text), None),
                };
                let packet = packet.unwrap_or_default();
                self.offset += packet.len() + 1;
                (self.text, self.rest) = (behind, rest);
                Ok(Packet::from_str(packet)?)
            }
            (None, Rest::Bytes(body)) => self.read_bytes(body),
            (None, Rest::Invalid(packet)) => Ok(Packet::from_invalid(packet)?),
            (None, Rest::End) => Err(PacketError::Empty.into()),
        }
    }

    fn read_bytes(&mut self, body: &'i mut [u8]) -> Result<Packet<'i>, PayloadRule> {
        let span = match (self.version, self.kind) {
            (Version::V4, Kind::Text) => Span::text(0, find_separator(body).unwrap_or(body.len())),
            (Version::V4, Kind::Binary) => return Err(PayloadRule::Binary),
            (Version::V3, Kind::Text) => payload_v3::text_span(body)?,
            (Version::V3, Kind::Binary) => payload_v3::binary_span(body)?,
        };
        let split = body.split_at_mut_checked(span.end);
        let (packet, rest) = split.ok_or(PayloadRule::Short)?;
        let packet = packet.get_mut(span.start..).unwrap_or_default();
        let packet = match span.kind {
            Kind::Text => Packet::from_text(self.version, packet),
            Kind::Binary => Packet::from_binary(self.version, packet),
        }?;
        self.offset += span.end;
        self.rest = match self.version {
            Version::V3 if rest.is_empty() => Rest::End,
            Version::V3 => Rest::Bytes(rest),
            Version::V4 => {
                self.offset += 1;
                behind_separator(rest)
            }
        };
        Ok(packet)
    }
}

impl<'i> Iterator for Packets<'i> {
    type Item = Result<Packet<'i>, PayloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (text, rest) = (self.text.take(), core::mem::take(&mut self.rest));
        if let (None, Rest::End) = (&text, &rest) {
            return None;
        }
        let offset = self.offset;
        let packet = self.read(text, rest);
        Some(packet.map_err(|rule| {
            (self.text, self.rest) = (None, Rest::End);
            PayloadError { offset, rule }
        }))
    }
}

impl core::iter::FusedIterator for Packets<'_> {}

/// The packets up to the first in base64, or up to the first that is not UTF-8;
/// and what follows them.
fn text_run(body: &mut [u8]) -> (Option<&str>, Rest<'_>) {
    if body.first() == Some(&b'b') {
        return (None, Rest::Bytes(body));
    }
    let end = find_base64(body).unwrap_or(body.len());
    let (run, rest) = body.split_at_mut_checked(end).unwrap_or_default();
    let run = &*run;
    match utf8::validate(run) {
        Ok(text) => (Some(text), behind_separator(rest)),
        Err(error) => {
            let valid = run.get(..error.valid_up_to()).unwrap_or_default();
            let end = valid.iter().rposition(|&byte| byte == SEPARATOR);
            let text = end.and_then(|end| utf8::validate(run.get(..end)?).ok());
            let invalid = run.get(end.map_or(0, |end| end + 1)..);
            (text, Rest::Invalid(invalid.unwrap_or_default()))
        }
    }
}

/// A separator is followed by a packet, be it an empty one.
fn behind_separator(rest: &mut [u8]) -> Rest<'_> {
    match rest {
        [] => Rest::End,
        [_, rest @ ..] => Rest::Bytes(rest),
    }
}

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

/// Where the first separator is. The next one is near, as a rule; in a long packet
/// blocks are passed over with vector instructions, which the compiler finds for
/// this form.
#[inline]
pub(super) fn find_separator(bytes: &[u8]) -> Option<usize> {
    let near = bytes.get(..BLOCK).unwrap_or(bytes);
    match find_in_words(near) {
        None if bytes.len() > BLOCK => find_far(bytes),
        found => found,
    }
}

/// The same, behind the first block.
#[inline(never)]
fn find_far(bytes: &[u8]) -> Option<usize> {
    let has = |block: &&[u8]| block.iter().fold(false, |has, &it| has | (it == SEPARATOR));
    let without = bytes.chunks_exact(BLOCK).take_while(|block| !has(block));
    let passed = BLOCK * without.count();
    Some(passed + find_in_words(bytes.get(passed..)?)?)
}

/// The same, eight bytes at once.
#[inline]
fn find_in_words(bytes: &[u8]) -> Option<usize> {
    let mut passed = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().ok()?) ^ (ONES * SEPARATOR as u64);
        // The lowest byte that is zero is marked, and perhaps some above it.
        let zeroes = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeroes != 0 {
            return Some(passed + zeroes.trailing_zeros() as usize / 8);
        }
        passed += 8;
    }
    let mut rest = words.remainder().iter();
    Some(passed + rest.position(|&it| it == SEPARATOR)?)
}

/// Where the first separator is that base64 follows.
fn find_base64(bytes: &[u8]) -> Option<usize> {
    let mut end = find_separator(bytes)?;
    while bytes.get(end + 1) != Some(&b'b') {
        end += 1 + find_separator(bytes.get(end + 1..)?)?;
    }
    Some(end)
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

    /// Makes room for so many bytes more at once.
    pub fn reserve(&mut self, len: usize) {
        self.body.reserve(len);
    }

    /// Appends a packet.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check); nothing changes then.
    pub fn push(&mut self, packet: &Packet<'_>) -> Result<(), SeparatorError> {
        Self::check(self.version, packet)?;
        match self.version {
            Version::V4 => {
                if self.packets > 0 {
                    self.body.push(SEPARATOR);
                }
                packet.encode_text(self.version, &mut self.body);
            }
            Version::V3 => self.push_v3(packet),
        }
        self.packets += 1;
        Ok(())
    }

    /// Whether a message of so many bytes makes the body no longer than `max`, as far as
    /// that can be told without a look at it.
    pub(super) fn surely_fits(&self, len: usize, max: usize) -> bool {
        // In base64 it takes less than twice its bytes, and a few.
        let most = self.body.len().saturating_add(len.saturating_mul(2));
        self.version == Version::V4 && most.saturating_add(8) <= max
    }

    fn push_v3(&mut self, packet: &Packet<'_>) {
        let kind = self.kind_with(packet);
        if self.kind != kind {
            self.body = payload_v3::into_binary(&self.body, self.binary_len);
            self.kind = kind;
        }
        match kind {
            Kind::Text => payload_v3::push_text(packet, &mut self.body),
            Kind::Binary => payload_v3::push_binary(packet, &mut self.body),
        }
        self.binary_len += payload_v3::binary_len(packet);
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
            (Version::V4, Data::Text(_, text)) if find_separator(text.as_bytes()).is_some() => {
                Err(SeparatorError)
            }
            _ => Ok(()),
        }
    }

    /// How long the body is once `packet` has been appended, to the byte.
    pub fn len_with(&self, packet: &Packet<'_>) -> usize {
        if self.version == Version::V4 {
            let separator = usize::from(self.packets > 0);
            return self.body.len() + separator + packet.encoded_len(self.version);
        }
        match self.kind_with(packet) {
            Kind::Text => self.body.len() + payload_v3::text_len(packet),
            Kind::Binary => self.binary_len + payload_v3::binary_len(packet),
        }
    }

    /// The kind of the body: a binary one is sent as `application/octet-stream`.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What `Content-Type` says of the body.
    pub const fn content_type(&self) -> &'static str {
        match self.kind {
            Kind::Text => "text/plain; charset=UTF-8",
            Kind::Binary => "application/octet-stream",
        }
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

    /// The kind of the body in version 3, once `packet` has been appended.
    fn kind_with(&self, packet: &Packet<'_>) -> Kind {
        match (self.takes, self.kind, packet.kind()) {
            (Kind::Binary, Kind::Binary, _) | (Kind::Binary, _, Kind::Binary) => Kind::Binary,
            _ => Kind::Text,
        }
    }
}

/// U+001E, which stands between the packets of version 4.
pub(super) const SEPARATOR: u8 = 0x1e;
/// How many bytes a block has.
const BLOCK: usize = 64;
/// A word whose bytes are all 1.
const ONES: u64 = u64::MAX / 0xff;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_separator_is_found_wherever_it_is() {
        for len in [0, 1, 7, 8, 9, 63, 64, 65, 129, 200] {
            assert_eq!(find_separator(&vec![b'a'; len]), None);
            for at in 0..len {
                let mut bytes = vec![b'a'; len];
                bytes[at] = SEPARATOR;
                assert_eq!(find_separator(&bytes), Some(at));
                assert_eq!(find_base64(&bytes), None);
                bytes[at..].fill(SEPARATOR);
                assert_eq!(find_separator(&bytes), Some(at));
                // What differs from it in one bit is none.
                bytes[at..].fill(SEPARATOR ^ 1);
                assert_eq!(find_separator(&bytes), None);
                bytes[..at].fill(SEPARATOR);
                bytes[at] = b'b';
                assert_eq!(find_base64(&bytes), at.checked_sub(1));
            }
        }
    }
}
