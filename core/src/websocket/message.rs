//! Messages, whole and in chunks: RFC 6455 section 5.6.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::Opcode;

/// Whether a message is text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes that the endpoints agree on.
    Binary,
}

impl Kind {
    pub(super) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// A whole message.
///
/// A received message is borrowed from the input if it lies in it as a whole,
/// and owned if it had to be collected. Clone or [`into_owned`](Self::into_owned)
/// keeps it; what is kept holds on to nothing else.
///
/// ```
/// use sockeye::websocket::Message;
///
/// let message = Message::from("hi");
/// assert_eq!(message.as_bytes(), b"hi");
/// assert_eq!(message.into_text().as_deref(), Ok("hi"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'i> {
    /// Text.
    Text(Cow<'i, str>),
    /// Bytes.
    Binary(Cow<'i, [u8]>),
}

impl<'i> Message<'i> {
    /// Whether this is text or binary.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The payload.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text, unless the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The text, without a copy.
    ///
    /// # Errors
    ///
    /// The message itself, if it is binary.
    pub fn into_text(self) -> Result<Cow<'i, str>, Self> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(_) => Err(self),
        }
    }

    /// The payload, without a copy.
    pub fn into_bytes(self) -> Cow<'i, [u8]> {
        match self {
            Self::Text(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
            Self::Text(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The same message with storage of its own; copies only what is borrowed.
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => Message::Binary(Cow::Owned(bytes.into_owned())),
        }
    }
}

impl<'i> From<&'i str> for Message<'i> {
    fn from(text: &'i str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Message<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'i> From<&'i String> for Message<'i> {
    fn from(text: &'i String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'i> From<&'i [u8]> for Message<'i> {
    fn from(bytes: &'i [u8]) -> Self {
        Self::Binary(Cow::Borrowed(bytes))
    }
}

impl<'i, const N: usize> From<&'i [u8; N]> for Message<'i> {
    fn from(bytes: &'i [u8; N]) -> Self {
        Self::Binary(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for Message<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(Cow::Owned(bytes))
    }
}

impl<'m> From<&'m Message<'_>> for Message<'m> {
    fn from(message: &'m Message<'_>) -> Self {
        match message {
            Message::Text(text) => Message::Text(Cow::Borrowed(text)),
            Message::Binary(bytes) => Message::Binary(Cow::Borrowed(bytes)),
        }
    }
}

/// A piece of a message that is still arriving.
///
/// Chunks come as the input does: their borders are not those of frames and say
/// nothing. Joined, the bytes of a message's chunks are its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk<'i> {
    /// Whether the message is text or binary.
    pub kind: Kind,
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
    /// Unmasked and, in a text message, checked up to here; may be empty.
    pub bytes: Cow<'i, [u8]>,
}

impl Chunk<'_> {
    /// The same chunk with storage of its own.
    pub fn into_owned(self) -> Chunk<'static> {
        Chunk {
            bytes: Cow::Owned(self.bytes.into_owned()),
            ..self
        }
    }

    /// The text of the chunk, between what belongs to code points that the
    /// chunk's borders cut; at most three bytes are left out at either end.
    ///
    /// `None` if the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        if self.kind == Kind::Binary {
            return None;
        }
        let continues = |byte: &&u8| matches!(byte, 0x80..=0xbf);
        let cut = self.bytes.iter().take_while(continues).count();
        let text = self.bytes.get(cut..).unwrap_or_default();
        match core::str::from_utf8(text) {
            Ok(text) => Some(text),
            Err(error) => core::str::from_utf8(text.get(..error.valid_up_to())?).ok(),
        }
    }
}
