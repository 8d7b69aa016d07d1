//! What a session tells the application, and why it ends.

use super::Channel;
use crate::Message;
use crate::engineio::{OpenError, PacketError, PayloadError};

/// What a packet, a channel or the passing of time brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'i> {
    /// The session of a client is open, and messages can be sent.
    Opened,
    /// A message of the peer.
    Message(Message<'i>),
    /// The session goes on by WebSocket.
    Upgraded,
    /// The end. No event follows; channels that still wait are to be told, as
    /// [`has_output`](super::ServerSession::has_output) says.
    Closed(Reason),
}

impl Event<'_> {
    /// The same event with storage of its own; copies only what is borrowed.
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Opened => Event::Opened,
            Self::Message(message) => Event::Message(message.into_owned()),
            Self::Upgraded => Event::Upgraded,
            Self::Closed(reason) => Event::Closed(reason),
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// This end closed it.
    #[error("closed by this end")]
    Forced,
    /// The peer closed it, or its WebSocket.
    #[error("closed by the peer")]
    Peer,
    /// The server did not open the session in time.
    #[error("no answer from the server")]
    OpenTimeout,
    /// The peer was silent for too long.
    #[error("ping timeout")]
    PingTimeout,
    /// More waits to be sent than is allowed, and
    /// [`WhenFull::Close`](super::WhenFull::Close) says that this is the end.
    #[error("too much is waiting to be sent")]
    Full,
    /// A channel was cut off.
    #[error("the {0:?} was cut off")]
    Lost(Channel),
    /// A second GET or POST came before the answer to the first.
    #[error("a second {0:?} before the first was answered")]
    Overlap(Channel),
    /// What a channel brought broke a rule.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Reason {
    /// The name that the reference gives to it, which is what Socket.IO tells
    /// applications.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forced => "forced close",
            Self::Peer => "transport close",
            Self::PingTimeout => "ping timeout",
            Self::Fault(Fault::Packet(_) | Fault::Payload(_) | Fault::Open(_)) => "parse error",
            Self::OpenTimeout | Self::Full | Self::Lost(_) | Self::Overlap(_) | Self::Fault(_) => {
                "transport error"
            }
        }
    }

    /// The status of the answer to the POST that brought the end about. Where
    /// this is 200, the body is `ok`.
    pub const fn status(self) -> u16 {
        match self {
            Self::Peer | Self::Forced => 200,
            Self::Fault(Fault::TooLarge { .. }) => 413,
            Self::Fault(Fault::TooSlow) => 408,
            _ => 400,
        }
    }
}

/// The rule that was broken by what a channel brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A ping or pong from the end whose part it is not: in version 4 the server
    /// pings, in version 3 the client.
    #[error("invalid heartbeat direction")]
    Heartbeat,
    /// A packet that has no place here.
    #[error("packet in the wrong place")]
    Unexpected,
    /// A message that is no packet.
    #[error("parse error: {0}")]
    Packet(#[from] PacketError),
    /// A body that is no payload.
    #[error("parse error: {0}")]
    Payload(#[from] PayloadError),
    /// What opens the session is malformed.
    #[error("parse error: {0}")]
    Open(#[from] OpenError),
    /// A body or a message of more bytes than the limit.
    #[error("{size} bytes where {limit} are the limit")]
    TooLarge {
        /// The most bytes that are allowed.
        limit: usize,
        /// How many came or were announced, as far as they were counted.
        size: u64,
    },
    /// A body took too long.
    #[error("body takes too long")]
    TooSlow,
    /// A body of a type that the version has no use for.
    #[error("invalid content type")]
    ContentType,
    /// An answer with another status than 200.
    #[error("status {0}")]
    Status(u16),
}

/// A channel is refused. What it asked for gets an answer that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// The session ended, by this or because its time had come.
    pub event: Option<Event<'static>>,
}

/// Why a channel is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The session has ended.
    #[error("session has ended")]
    Closed,
    /// One of its kind is waiting for its answer: the session ends.
    #[error("one of its kind is not answered yet")]
    Overlap,
    /// The session has gone over to WebSocket.
    #[error("session goes by another transport")]
    Transport,
    /// There is a WebSocket already, or this session may not have one.
    #[error("no upgrade now")]
    Upgrade,
    /// The session of a client does not want it now.
    #[error("not wanted now")]
    Unwanted,
}

impl Refusal {
    /// The code in the body of the answer; none means that the body is empty.
    /// The status is 400 in any case.
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::Closed => Some(1),
            Self::Transport | Self::Upgrade | Self::Unwanted => Some(3),
            Self::Overlap => None,
        }
    }
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The session is not open yet.
    #[error("the session is not open yet")]
    Opening,
    /// The session is closing, or has ended.
    #[error("the session is closing")]
    Closing,
    /// As much waits as the configuration allows; try again when less does.
    #[error("too much is waiting to be sent")]
    Full,
    /// Text with U+001E in it, which a payload of version 4 has for the end of a
    /// packet. By WebSocket it can be sent.
    #[error("text holds U+001E, which separates packets")]
    Separator,
    /// The peer takes no packet of this size.
    #[error("message is longer than the peer takes")]
    TooLarge,
}
