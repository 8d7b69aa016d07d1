//! What a frame is for: RFC 6455 section 11.8.

use super::Kind;

/// The opcode of a frame. Reserved values have no variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// `%x0`: goes on with the message that an earlier frame began.
    Continuation = 0x0,
    /// `%x1`: a text message, or its first fragment.
    Text = 0x1,
    /// `%x2`: a binary message, or its first fragment.
    Binary = 0x2,
    /// `%x8`: begins or answers the closing handshake.
    Close = 0x8,
    /// `%x9`: asks for a pong.
    Ping = 0x9,
    /// `%xA`: answers a ping, or is sent unasked.
    Pong = 0xa,
}

impl Opcode {
    /// The opcode with these four bits; `None` for a reserved one.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    /// The four bits on the wire.
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Whether this is a close, a ping or a pong (section 5.5).
    pub const fn is_control(self) -> bool {
        self.bits() >= 0x8
    }
}

impl Kind {
    /// That of a message's first frame (section 5.6).
    pub(super) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}
