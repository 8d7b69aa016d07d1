//! What a session wants and allows.

use core::time::Duration;

use crate::engineio::{Transport, Transports};

/// The limits and deadlines of a server's sessions. None of them is "unlimited".
///
/// Share one `Arc<Config>` between all sessions.
///
/// ```
/// use core::time::Duration;
/// use sockeye::engineio::{Config, Transport};
///
/// let mut config = Config::default();
/// config.ping_interval = Duration::from_secs(5);
/// assert!(config.upgrades.contains(Transport::WebSocket));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Config {
    /// From a pong to the next ping: 25 s. In version 3 the client does that.
    pub ping_interval: Duration,
    /// How long a pong may take: 20 s.
    pub ping_timeout: Duration,
    /// How long an upgrade may take from the WebSocket to the last word of the
    /// client: 10 s.
    pub upgrade_timeout: Duration,
    /// How long a client has to fetch what is left after `close`: 30 s.
    pub close_timeout: Duration,
    /// The most bytes of a body or of a WebSocket message: 1 000 000. It is told
    /// to clients, and whoever reads has to keep it; it also bounds the body
    /// that answers a GET.
    pub max_payload: usize,
    /// To what a session may go over: WebSocket.
    pub upgrades: Transports,
    /// How much may wait to be sent.
    pub queue: QueueLimits,
    /// What becomes of a text that polling cannot carry.
    pub separator: Separator,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(30),
            max_payload: 1_000_000,
            upgrades: Transports::NONE.with(Transport::WebSocket),
            queue: QueueLimits::default(),
            separator: Separator::Refuse,
        }
    }
}

/// The limits and deadlines of a client's sessions. None of them is "unlimited".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ClientConfig {
    /// To what a session that began by polling may go over: WebSocket.
    pub upgrades: Transports,
    /// How long the server has to open the session: 20 s.
    pub open_timeout: Duration,
    /// How long an upgrade may take, from the beginning of the WebSocket's
    /// handshake to the last answer by polling: 10 s.
    pub upgrade_timeout: Duration,
    /// How long what is left may take after `close`: 5 s.
    pub close_timeout: Duration,
    /// The most bytes of a POST with more than one packet: 1 000 000, or fewer if
    /// the server says so.
    pub max_payload: usize,
    /// The most packets of a POST: 16 384. Some servers take 16 and no more.
    pub max_packets: usize,
    /// How much may wait to be sent.
    pub queue: QueueLimits,
    /// What becomes of a text that polling cannot carry.
    pub separator: Separator,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            upgrades: Transports::NONE.with(Transport::WebSocket),
            open_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            max_payload: 1_000_000,
            max_packets: 16_384,
            queue: QueueLimits::default(),
            separator: Separator::Refuse,
        }
    }
}

/// How much may wait to be sent.
///
/// A message is accepted while less waits than the limits say, so one message
/// more than them is the bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct QueueLimits {
    /// So many bytes are too many: 1 MiB.
    pub bytes: usize,
    /// So many messages are too many: 16 384.
    pub messages: usize,
    /// With so many bytes or less it is time to send more: 256 KiB.
    pub low: usize,
    /// What becomes of a message too many.
    pub when_full: WhenFull,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            messages: 16_384,
            low: 1 << 18,
            when_full: WhenFull::Refuse,
        }
    }
}

/// What happens to a message that is too much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// It is refused, and stays with the caller.
    #[default]
    Refuse,
    /// It is refused, and the session ends: for broadcasts, where nobody waits
    /// for a client that does not keep up.
    Close,
}

/// What happens to text with U+001E in it while a session may go by polling.
/// Version 4 has no way to write it there; a WebSocket carries it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Separator {
    /// It is refused.
    #[default]
    Refuse,
    /// It is sent as a binary message.
    Binary,
}
