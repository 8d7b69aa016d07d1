//! What can be wrong with what a peer sent.

/// The rule that a packet breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// There is not even a type.
    #[error("packet is empty")]
    Empty,
    /// The type is none of the ASCII digits `0` to `6`, nor the `b` of base64.
    #[error("unknown type of packet")]
    Type,
    /// Data behind a type that has none: close, upgrade or noop.
    #[error("data in a packet that has none")]
    Data,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// Something else than base64 behind a `b`.
    #[error("binary data is not base64")]
    Base64,
    /// Binary data in a packet that is no message (version 3).
    #[error("binary packet is no message")]
    BinaryType,
}

/// Where a payload is wrong, and which rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{rule}, at byte {offset} of the payload")]
pub struct PayloadError {
    /// Where in the body the packet begins, with its length in version 3.
    pub offset: usize,
    /// The rule.
    #[source]
    pub rule: PayloadRule,
}

/// The rule that a payload breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadRule {
    /// One of the packets is wrong.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// There are more packets than the limit.
    #[error("more packets than the limit")]
    TooMany,
    /// A binary payload in version 4.
    #[error("binary payload in version 4")]
    Binary,
    /// The length is not 1 to 9 digits without a leading zero, and their end
    /// (version 3).
    #[error("length of a packet is malformed")]
    Length,
    /// The packet is shorter than its length says (version 3).
    #[error("packet is shorter than its length")]
    Short,
    /// The length ends between the two code units of one character (version 3).
    #[error("length ends inside a character")]
    Surrogate,
    /// A packet in a binary payload is neither text nor binary (version 3).
    #[error("unknown kind of packet")]
    Kind,
}

/// A text with U+001E in it cannot go into a payload of version 4, where that
/// character separates packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("text holds U+001E, which separates packets")]
pub struct SeparatorError;
