//! What a connection tells the application.

use alloc::borrow::Cow;

use super::{Chunk, CloseFrame, Message, Timer, Violation};

/// What one step over the input, or the passing of time, brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'i> {
    /// A whole message.
    Message(Message<'i>),
    /// A piece of a message; see [`Receive::Chunks`](super::Receive::Chunks).
    Chunk(Chunk<'i>),
    /// A ping. Its pong is queued already, unless that is switched off.
    Ping(Cow<'i, [u8]>),
    /// A pong, asked for or not.
    Pong(Cow<'i, [u8]>),
    /// The end. No event follows; write what is queued until
    /// [`is_finished`](super::Connection::is_finished).
    Closed(Reason<'i>),
}

impl Event<'_> {
    /// The same event with storage of its own; copies only what is borrowed.
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Message(message) => Event::Message(message.into_owned()),
            Self::Chunk(chunk) => Event::Chunk(chunk.into_owned()),
            Self::Ping(payload) => Event::Ping(Cow::Owned(payload.into_owned())),
            Self::Pong(payload) => Event::Pong(Cow::Owned(payload.into_owned())),
            Self::Closed(reason) => Event::Closed(reason.into_owned()),
        }
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason<'i> {
    /// The peer sent a Close, on its own or to answer ours, and what it said.
    Closed(Option<CloseFrame<'i>>),
    /// The peer broke a rule; our Close has the code that belongs to it.
    Violation(Violation),
    /// The transport ended without a Close.
    Eof,
    /// A deadline passed.
    Timeout(Timer),
    /// The source of masking keys failed.
    NoMaskKey,
}

impl Reason<'_> {
    /// The close code as RFC 6455 section 7.1.5 defines it for applications:
    /// the peer's, 1005 if its Close had none, 1006 if there was no Close. After
    /// a violation it is the code that we sent.
    pub fn code(&self) -> u16 {
        match self {
            Self::Closed(Some(frame)) => frame.code.get(),
            Self::Closed(None) => 1005,
            Self::Violation(violation) => violation.close_code().get(),
            Self::Eof | Self::Timeout(_) | Self::NoMaskKey => 1006,
        }
    }

    /// Whether the closing handshake took place (section 7.1.4).
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Reason<'static> {
        match self {
            Self::Closed(frame) => Reason::Closed(frame.map(CloseFrame::into_owned)),
            Self::Violation(violation) => Reason::Violation(violation),
            Self::Eof => Reason::Eof,
            Self::Timeout(timer) => Reason::Timeout(timer),
            Self::NoMaskKey => Reason::NoMaskKey,
        }
    }
}

impl core::fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Closed(Some(frame)) if frame.reason.is_empty() => {
                write!(f, "closed by the peer with code {}", frame.code)
            }
            Self::Closed(Some(frame)) => {
                write!(
                    f,
                    "closed by the peer with code {}: {}",
                    frame.code, frame.reason
                )
            }
            Self::Closed(None) => f.write_str("closed by the peer"),
            Self::Violation(violation) => write!(f, "protocol violation: {violation}"),
            Self::Eof => f.write_str("the transport ended without a close"),
            Self::Timeout(timer) => write!(f, "timeout: {timer}"),
            Self::NoMaskKey => f.write_str("no masking key to be had"),
        }
    }
}

impl core::error::Error for Reason<'_> {}
