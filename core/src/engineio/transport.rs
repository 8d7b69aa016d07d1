//! What carries the packets of a session.

/// A transport, as it is named in a query and among the upgrades of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// `polling`: a GET waits for packets, a POST brings some.
    Polling,
    /// `websocket`: each message is a packet.
    WebSocket,
}

impl Transport {
    /// Every transport, the one that every session can begin with first.
    const ALL: [Self; 2] = [Self::Polling, Self::WebSocket];

    /// The transport with this name, which has no other spelling.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// A set of transports.
///
/// ```
/// use sockeye::engineio::{Transport, Transports};
///
/// let upgrades = Transports::NONE.with(Transport::WebSocket);
/// assert!(upgrades.contains(Transport::WebSocket));
/// assert!(!upgrades.contains(Transport::Polling));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transports(u8);

impl Transports {
    /// No transport.
    pub const NONE: Self = Self(0);
    /// Every transport there is.
    pub const ALL: Self = Self::NONE
        .with(Transport::Polling)
        .with(Transport::WebSocket);

    /// The same set with `transport` in it.
    #[must_use]
    pub const fn with(self, transport: Transport) -> Self {
        Self(self.0 | 1 << transport as u8)
    }

    /// Whether `transport` is in the set.
    pub const fn contains(self, transport: Transport) -> bool {
        self.0 & 1 << transport as u8 != 0
    }

    /// The transports in the set.
    pub fn iter(self) -> impl Iterator<Item = Transport> {
        let all = Transport::ALL.into_iter();
        all.filter(move |&transport| self.contains(transport))
    }
}

impl core::fmt::Debug for Transports {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
