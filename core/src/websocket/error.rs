//! What can go wrong, and whose fault it is.
//!
//! A [`Violation`] is a rule that the peer broke: it ends the connection and
//! arrives as an event. A [`SendError`] is a rule that the caller broke, or a
//! full queue: nothing changed.

use super::CloseCode;

/// The rule of RFC 6455 that the peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A client sent a frame without a masking key (section 5.1).
    #[error("frame from the client is not masked")]
    Unmasked,
    /// A server sent a frame with a masking key (section 5.1).
    #[error("frame from the server is masked")]
    Masked,
    /// A reserved bit is set that no extension owns (section 5.2).
    #[error("reserved bit is set")]
    ReservedBits,
    /// The opcode is one of those reserved for later (section 5.2).
    #[error("reserved opcode")]
    ReservedOpcode,
    /// A control frame comes in fragments (section 5.5).
    #[error("control frame is fragmented")]
    FragmentedControl,
    /// A control frame has more than 125 bytes (section 5.5).
    #[error("control frame is longer than 125 bytes")]
    ControlTooLong,
    /// The length is not in its shortest form (section 5.2).
    #[error("length is not encoded in the fewest bytes")]
    NonMinimalLength,
    /// The top bit of a 64-bit length is set (section 5.2).
    #[error("length has its top bit set")]
    LengthOverflow,
    /// A continuation frame, but no message has begun (section 5.4).
    #[error("continuation without a message to continue")]
    UnexpectedContinuation,
    /// A new message before the fragmented one has ended (section 5.4).
    #[error("new message inside a fragmented one")]
    ExpectedContinuation,
    /// The message is longer than the limit (section 10.4).
    #[error("message is longer than the limit")]
    MessageTooBig,
    /// The message has more fragments than the limit (section 10.4).
    #[error("message has more fragments than the limit")]
    TooManyFragments,
    /// The message took longer than [`Config::message_timeout`](super::Config::message_timeout).
    #[error("message takes too long")]
    MessageTooSlow,
    /// A text message or a close reason is not UTF-8 (section 8.1).
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A close frame with a payload of one byte (section 5.5.1).
    #[error("close frame with half a code")]
    CloseLength,
    /// A close code that must not be sent (section 7.4).
    #[error("close code that must not be sent")]
    CloseCode,
}

impl Violation {
    /// The code of the Close frame that answers it.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::MessageTooBig => CloseCode::TOO_BIG,
            Self::TooManyFragments | Self::MessageTooSlow => CloseCode::POLICY,
            Self::InvalidUtf8 => CloseCode::INVALID_DATA,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The closing handshake has begun, or the connection has ended.
    #[error("the connection is closing")]
    Closing,
    /// As much is waiting to be written as the configuration allows; try again
    /// when some of it has been written.
    #[error("too much is waiting to be written")]
    Full,
    /// A message is being sent in parts; its last part must come first.
    #[error("a message in parts is not finished")]
    Unfinished,
    /// A part without a message that it could belong to.
    #[error("no message in parts has been started")]
    NotStarted,
    /// A part that makes a text message something other than UTF-8.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A ping or pong of more than 125 bytes.
    #[error("control frame is longer than 125 bytes")]
    ControlTooLong,
    /// A close reason of more than 123 bytes.
    #[error("close reason is longer than 123 bytes")]
    ReasonTooLong,
    /// The source of masking keys failed; no frame goes out without a fresh key.
    #[error("no masking key to be had")]
    NoMaskKey,
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Timer {
    /// The peer did not answer the keepalive ping.
    #[error("no answer to a ping")]
    Pong,
    /// No data came for as long as [`Config::idle_timeout`](super::Config::idle_timeout) allows.
    #[error("no data for too long")]
    Idle,
    /// The peer did not answer our Close.
    #[error("no answer to a close")]
    Close,
    /// Bytes wait to be written and the transport takes none.
    #[error("the peer takes no bytes")]
    Stalled,
}
