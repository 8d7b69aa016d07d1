//! Packets: a type, and the data that goes with it.
//!
//! | text | packet |
//! |---|---|
//! | `0{...}` | opens a session: JSON, see [`Open`](super::Open) |
//! | `1` | closes it |
//! | `2`, `2probe` | ping; with data it tries out a transport |
//! | `3`, `3probe` | pong |
//! | `4hello` | message, text |
//! | `bAQID` | message, binary in base64; in version 3 `b4AQID` |
//! | `5` | the client goes over to this transport |
//! | `6` | nothing, so that a GET has an answer |
//!
//! Where messages can be binary, a binary one is sent as it is; in version 3
//! behind a byte of the value 4. Engine.IO protocol, "Packet encoding".

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use super::{PacketError, Version, base64};
use crate::{Kind, Message, utf8};

/// A packet. Which end may send which, and when, is for the session to judge.
///
/// ```
/// use sockeye::engineio::{Packet, Version};
///
/// let mut text = *b"bAQID";
/// let packet = Packet::from_text(Version::V4, &mut text)?;
/// assert_eq!(packet, Packet::Message((&[1, 2, 3]).into()));
///
/// let mut out = Vec::new();
/// packet.encode_text(Version::V4, &mut out);
/// assert_eq!(out, b"bAQID");
/// # Ok::<_, sockeye::engineio::PacketError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// What the server says of a new session, in JSON; may be empty.
    Open(Cow<'a, str>),
    /// The sender is done with the session.
    Close,
    /// Asks for a pong with the same data: empty or `probe`.
    Ping(Cow<'a, str>),
    /// Answers a ping.
    Pong(Cow<'a, str>),
    /// A message of the application.
    Message(Message<'a>),
    /// The client goes over to the transport on which this arrives.
    Upgrade,
    /// Says nothing.
    Noop,
}

impl<'a> Packet<'a> {
    /// Reads a packet from text: a part of a payload, or a text message.
    ///
    /// Base64 is decoded in place, so `text` holds something else afterwards.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke.
    pub fn from_text(version: Version, text: &'a mut [u8]) -> Result<Self, PacketError> {
        let Some((&mut first, data)) = text.split_first_mut() else {
            return Err(PacketError::Empty);
        };
        if first == b'b' {
            let bytes = base64::decode_in_place(base64_text(version, data)?)?;
            return Ok(Self::Message(bytes.into()));
        }
        let data = utf8::validate(data).map_err(|_| PacketError::InvalidUtf8);
        Self::new(first, data.map(Cow::Borrowed))
    }

    /// Reads a packet from text that is not base64.
    #[inline]
    pub(super) fn from_str(text: &'a str) -> Result<Self, PacketError> {
        match text.as_bytes().first() {
            Some(&first) => Self::new(
                first,
                text.get(1..).map(Cow::Borrowed).ok_or(PacketError::Type),
            ),
            None => Err(PacketError::Empty),
        }
    }

    /// Says what is wrong with a packet that is not UTF-8.
    pub(super) fn from_invalid(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let first = bytes.first().ok_or(PacketError::Empty)?;
        Self::new(*first, Err(PacketError::InvalidUtf8))
    }

    /// Reads a packet from the bytes of a binary message, which are those of a
    /// message of the application.
    ///
    /// # Errors
    ///
    /// In version 3, where the first byte has to say so.
    pub fn from_binary(version: Version, bytes: &'a [u8]) -> Result<Self, PacketError> {
        let bytes = match (version, bytes) {
            (Version::V4, bytes) | (Version::V3, [MESSAGE, bytes @ ..]) => bytes,
            (Version::V3, []) => return Err(PacketError::Empty),
            (Version::V3, _) => return Err(PacketError::BinaryType),
        };
        Ok(Self::Message(bytes.into()))
    }

    /// Reads a packet from a message of a WebSocket. Copies it only if it is
    /// base64.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke.
    pub fn from_message(version: Version, message: Message<'a>) -> Result<Self, PacketError> {
        match message {
            Message::Text(text) => match text.as_bytes().first() {
                None => Err(PacketError::Empty),
                Some(b'b') => {
                    let mut text = Vec::from(text.into_owned());
                    Ok(Packet::from_text(version, &mut text)?.into_owned())
                }
                Some(&first) => Self::new(first, behind_first(text)),
            },
            Message::Binary(Cow::Borrowed(bytes)) => Self::from_binary(version, bytes),
            Message::Binary(Cow::Owned(mut bytes)) => {
                Packet::from_binary(version, &bytes)?;
                if version == Version::V3 {
                    bytes.remove(0);
                }
                Ok(Self::Message(bytes.into()))
            }
        }
    }

    /// The packet of this type, which is not binary.
    #[inline]
    fn new(digit: u8, data: Result<Cow<'a, str>, PacketError>) -> Result<Self, PacketError> {
        let bare = match digit {
            b'0' => return data.map(Self::Open),
            b'1' => Self::Close,
            b'2' => return data.map(Self::Ping),
            b'3' => return data.map(Self::Pong),
            b'4' => return data.map(|text| Self::Message(Message::Text(text))),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            _ => return Err(PacketError::Type),
        };
        match data?.is_empty() {
            true => Ok(bare),
            false => Err(PacketError::Data),
        }
    }

    /// Appends the packet as text: for a payload, or for a text message to a
    /// peer that takes no binary ones.
    pub fn encode_text(&self, version: Version, out: &mut Vec<u8>) {
        match self.data() {
            Data::Text(digit, data) => {
                out.push(digit);
                out.extend_from_slice(data.as_bytes());
            }
            Data::Binary(bytes) => {
                out.extend_from_slice(base64_prefix(version));
                base64::encode(bytes, out);
            }
        }
    }

    /// How many bytes [`encode_text`](Self::encode_text) appends.
    pub fn encoded_len(&self, version: Version) -> usize {
        match self.data() {
            Data::Text(_, data) => 1 + data.len(),
            Data::Binary(bytes) => base64_prefix(version).len() + base64::encoded_len(bytes.len()),
        }
    }

    /// Appends the packet as one message of a WebSocket, and says of which kind
    /// that is.
    pub fn encode_message(&self, version: Version, out: &mut Vec<u8>) -> Kind {
        let Data::Binary(bytes) = self.data() else {
            self.encode_text(version, out);
            return Kind::Text;
        };
        if version == Version::V3 {
            out.push(MESSAGE);
        }
        out.extend_from_slice(bytes);
        Kind::Binary
    }

    /// How many bytes [`encode_message`](Self::encode_message) appends.
    pub fn message_len(&self, version: Version) -> usize {
        match self.data() {
            Data::Text(_, data) => 1 + data.len(),
            Data::Binary(bytes) => usize::from(version == Version::V3) + bytes.len(),
        }
    }

    /// Whether this is text, or a binary message.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Message(message) => message.kind(),
            _ => Kind::Text,
        }
    }

    /// The same packet with storage of its own; copies only what is borrowed.
    pub fn into_owned(self) -> Packet<'static> {
        let owned = |data: Cow<'_, str>| Cow::Owned(data.into_owned());
        match self {
            Self::Open(data) => Packet::Open(owned(data)),
            Self::Close => Packet::Close,
            Self::Ping(data) => Packet::Ping(owned(data)),
            Self::Pong(data) => Packet::Pong(owned(data)),
            Self::Message(message) => Packet::Message(message.into_owned()),
            Self::Upgrade => Packet::Upgrade,
            Self::Noop => Packet::Noop,
        }
    }

    /// What there is to encode.
    pub(super) fn data(&self) -> Data<'_> {
        match self {
            Self::Open(data) => Data::Text(b'0', data),
            Self::Close => Data::Text(b'1', ""),
            Self::Ping(data) => Data::Text(b'2', data),
            Self::Pong(data) => Data::Text(b'3', data),
            Self::Message(Message::Text(data)) => Data::Text(b'4', data),
            Self::Message(Message::Binary(bytes)) => Data::Binary(bytes),
            Self::Upgrade => Data::Text(b'5', ""),
            Self::Noop => Data::Text(b'6', ""),
        }
    }
}

impl fmt::Debug for Packet<'_> {
    /// Leaves out what opens a session, since that has its secret name in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(_) => f.write_str("Open(..)"),
            Self::Close => f.write_str("Close"),
            Self::Ping(data) => f.debug_tuple("Ping").field(data).finish(),
            Self::Pong(data) => f.debug_tuple("Pong").field(data).finish(),
            Self::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Self::Upgrade => f.write_str("Upgrade"),
            Self::Noop => f.write_str("Noop"),
        }
    }
}

/// A packet by how it is encoded.
pub(super) enum Data<'a> {
    /// The digit of the type, and what stands behind it.
    Text(u8, &'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

fn behind_first(text: Cow<'_, str>) -> Result<Cow<'_, str>, PacketError> {
    match text {
        Cow::Borrowed(text) => text.get(1..).map(Cow::Borrowed).ok_or(PacketError::Type),
        Cow::Owned(mut text) => {
            text.remove(0);
            Ok(Cow::Owned(text))
        }
    }
}

/// What stands before the base64 of a message.
const fn base64_prefix(version: Version) -> &'static [u8] {
    match version {
        Version::V3 => b"b4",
        Version::V4 => b"b",
    }
}

/// The base64 in the text behind a `b`.
fn base64_text(version: Version, text: &mut [u8]) -> Result<&mut [u8], PacketError> {
    match (version, text) {
        (Version::V4, text) | (Version::V3, [b'4', text @ ..]) => Ok(text),
        (Version::V3, []) => Err(PacketError::Empty),
        (Version::V3, _) => Err(PacketError::BinaryType),
    }
}

/// The type of a message where version 3 writes it as a byte.
pub(super) const MESSAGE: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::{format, vec};

    const VERSIONS: [Version; 2] = [Version::V3, Version::V4];

    /// One of each, with and without data.
    fn packets() -> [Packet<'static>; 13] {
        [
            Packet::Open("".into()),
            Packet::Open("{}".into()),
            Packet::Close,
            Packet::Ping("".into()),
            Packet::Ping("probe".into()),
            Packet::Pong("".into()),
            Packet::Pong("probe".into()),
            Packet::Message("".into()),
            Packet::Message("\u{20ac}\x1e\0".into()),
            Packet::Message(Message::Binary((&[]).into())),
            Packet::Message((&[0xfb, 0xff]).into()),
            Packet::Upgrade,
            Packet::Noop,
        ]
    }

    #[test]
    fn p25_what_is_encoded_decodes_to_the_same() {
        for version in VERSIONS {
            for packet in packets() {
                let mut out = vec![];
                packet.encode_text(version, &mut out);
                assert_eq!(out.len(), packet.encoded_len(version));
                let text = String::from_utf8(out.clone()).unwrap();
                assert_eq!(Packet::from_text(version, &mut out), Ok(packet.clone()));
                for message in [Message::from(&text), text.clone().into()] {
                    assert_eq!(Packet::from_message(version, message), Ok(packet.clone()));
                }

                let mut out = vec![];
                let kind = packet.encode_message(version, &mut out);
                assert_eq!(kind, packet.kind());
                assert_eq!(out.len(), packet.message_len(version));
                let messages = match kind {
                    Kind::Text => [Message::from(&text), text.clone().into()],
                    Kind::Binary => [Message::from(&out[..]), out.clone().into()],
                };
                for message in messages {
                    assert_eq!(Packet::from_message(version, message), Ok(packet.clone()));
                }
                assert_eq!(packet.clone().into_owned(), packet);
            }
        }
    }

    #[test]
    fn p07_every_first_byte_has_its_packet_or_none() {
        for version in VERSIONS {
            for first in 0..=u8::MAX {
                let packet = Packet::from_text(version, &mut [first]).map(|it| it.into_owned());
                let expected = match first {
                    b'0' => Ok(Packet::Open("".into())),
                    b'1' => Ok(Packet::Close),
                    b'2' => Ok(Packet::Ping("".into())),
                    b'3' => Ok(Packet::Pong("".into())),
                    b'4' => Ok(Packet::Message("".into())),
                    b'5' => Ok(Packet::Upgrade),
                    b'6' => Ok(Packet::Noop),
                    b'b' if version == Version::V3 => Err(PacketError::Empty),
                    b'b' => Ok(Packet::Message((&[]).into())),
                    _ => Err(PacketError::Type),
                };
                assert_eq!(packet, expected, "{first:#x}");
                let text = String::from(char::from(first));
                for message in [Message::from(&text), text.clone().into()] {
                    let packet = Packet::from_message(version, message);
                    assert_eq!(packet.map(Packet::into_owned), expected, "{first:#x}");
                }
            }
        }
    }

    #[test]
    fn p08_text_is_utf8() {
        for text in [&b"4\xff\xfe"[..], b"4\xe2\x82", b"2\xff", b"0\xff"] {
            let error = Packet::from_text(Version::V4, &mut text.to_vec()).map(Packet::into_owned);
            assert_eq!(error, Err(PacketError::InvalidUtf8));
        }
    }

    #[test]
    fn close_upgrade_and_noop_have_no_data() {
        for digit in *b"156" {
            for version in VERSIONS {
                let packet = Packet::from_text(version, &mut [digit, b'x']).map(Packet::into_owned);
                assert_eq!(packet, Err(PacketError::Data));
            }
        }
    }

    #[test]
    fn only_messages_are_binary_in_version_3() {
        for first in 0..=u8::MAX {
            let is_message = first == 4;
            let packet = Packet::from_binary(Version::V3, core::slice::from_ref(&first));
            assert_eq!(packet.is_ok(), is_message);
            let packet = Packet::from_message(Version::V3, vec![first, 7].into());
            let expected = Packet::Message((&[7]).into());
            assert_eq!(packet.ok(), is_message.then_some(expected));
            let mut text = [b'b', first];
            let packet = Packet::from_text(Version::V3, &mut text);
            assert_eq!(packet.is_ok(), first == b'4');
        }
        let empty = Packet::from_binary(Version::V3, b"");
        assert_eq!(empty, Err(PacketError::Empty));
    }

    #[test]
    fn what_opens_a_session_is_not_shown() {
        let shown = packets().map(|packet| format!("{packet:?}"));
        assert_eq!(shown[1], "Open(..)");
        assert_eq!(shown[4], "Ping(\"probe\")");
    }
}
