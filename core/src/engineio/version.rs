//! The versions of the protocol.

/// A version of the protocol, `EIO` in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// Version 3, in which the client pings.
    V3,
    /// Version 4, in which the server pings.
    V4,
}

impl Version {
    /// The version that this text means. Only `3` and `4` mean one.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "3" => Some(Self::V3),
            "4" => Some(Self::V4),
            _ => None,
        }
    }

    /// How it is written in a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V3 => "3",
            Self::V4 => "4",
        }
    }
}
