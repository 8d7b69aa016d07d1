//! Messages, which are the same on every transport.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// Whether a message is text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes that the endpoints agree on.
    Binary,
}

/// A whole message.
///
/// A received message is borrowed from the input if it lies in it as a whole,
/// and owned if it had to be collected. Clone or [`into_owned`](Self::into_owned)
/// keeps it; what is kept holds on to nothing else.
///
/// ```
/// use sockeye::Message;
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
