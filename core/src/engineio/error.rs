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
