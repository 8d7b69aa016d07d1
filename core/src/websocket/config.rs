//! What an endpoint wants and allows.

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

/// Which end of the connection this is.
#[derive(Debug)]
pub enum Role {
    /// Accepts connections; receives masked frames and sends unmasked ones.
    Server,
    /// Opens connections; masks every frame it sends with a fresh key.
    Client(MaskSource),
}

/// Where a client takes its masking keys from.
///
/// RFC 6455 section 5.3: "The masking key needs to be unpredictable; thus, the
/// masking key MUST be derived from a strong source of entropy". One key is
/// drawn for each frame. A source that has none to give returns `None`: no
/// frame is sent then. Three keys of zeros in a row count as a failure too.
pub struct MaskSource(Source);

enum Source {
    Function(fn() -> Option<[u8; 4]>),
    Boxed(Box<dyn FnMut() -> Option<[u8; 4]> + Send + Sync>),
}

impl MaskSource {
    /// A source without state of its own, as a generator of the thread's.
    pub const fn from_fn(source: fn() -> Option<[u8; 4]>) -> Self {
        Self(Source::Function(source))
    }

    /// A source that keeps a generator.
    pub fn boxed(source: impl FnMut() -> Option<[u8; 4]> + Send + Sync + 'static) -> Self {
        Self(Source::Boxed(Box::new(source)))
    }

    /// A fresh key. A zero key is as good as any other, but three of them in a
    /// row come from a broken source.
    pub(super) fn key(&mut self) -> Option<[u8; 4]> {
        for _ in 0..3 {
            let key = match &mut self.0 {
                Source::Function(source) => source(),
                Source::Boxed(source) => source(),
            }?;
            if key != [0; 4] {
                return Some(key);
            }
        }
        None
    }
}

impl fmt::Debug for MaskSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskSource")
    }
}

/// How messages are handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Receive {
    /// As a whole, up to [`Config::max_message`].
    #[default]
    Messages,
    /// In chunks as they arrive, up to [`Config::max_stream`].
    Chunks,
}

/// When a ping is sent unasked, and how long its pong may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence of the peer after which it is pinged.
    pub interval: Duration,
    /// How long it may stay silent after that.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(20),
            timeout: Duration::from_secs(20),
        }
    }
}

/// The limits and deadlines of a connection. None of them is "unlimited".
///
/// Share one `Arc<Config>` between the connections of a server.
///
/// ```
/// use sockeye::websocket::{Config, Receive};
///
/// let mut config = Config::default();
/// config.max_message = 64 << 20;
/// config.keepalive = None;
/// assert_eq!(config.max_fragments(Receive::Messages), 1 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How messages are handed over: whole by default.
    pub receive: Receive,
    /// The most bytes of a whole message: 1 MiB.
    pub max_message: usize,
    /// The most bytes of a message handed over in chunks: 1 GiB.
    pub max_stream: u64,
    /// The most frames of one message; `None` allows for 64 bytes in each, and
    /// for 16 384 frames at least.
    pub max_fragments: Option<u32>,
    /// While this many bytes or more wait to be written, nothing more is
    /// accepted, and no input is handed out: 1 MiB. With 0, one message at a time.
    pub max_outgoing: usize,
    /// Whether pings are answered: yes. Switch off to answer them by
    /// [`Connection::pong`](super::Connection::pong).
    pub auto_pong: bool,
    /// Pings unasked: after 20 s, with 20 s for the pong.
    pub keepalive: Option<Keepalive>,
    /// How long the peer may send no data: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long one whole message may take from its first byte to its last: for
    /// ever. Keepalive does not see a peer that sends a byte now and then.
    pub message_timeout: Option<Duration>,
    /// How long the peer may take to answer a Close, and a server to close the
    /// transport: 5 s.
    pub close_timeout: Duration,
    /// How long bytes may wait to be written while the transport takes none: 30 s.
    pub stall_timeout: Option<Duration>,
}

impl Config {
    /// The most frames of one message that is handed over in this way; at least one.
    pub fn max_fragments(&self, receive: Receive) -> u32 {
        let bytes = match receive {
            Receive::Messages => self.max_message as u64,
            Receive::Chunks => self.max_stream,
        };
        let sized = u32::try_from(bytes / 64).unwrap_or(u32::MAX);
        self.max_fragments.unwrap_or(sized.max(16_384)).max(1)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            receive: Receive::Messages,
            max_message: 1 << 20,
            max_stream: 1 << 30,
            max_fragments: None,
            max_outgoing: 1 << 20,
            auto_pong: true,
            keepalive: Some(Keepalive::default()),
            idle_timeout: None,
            message_timeout: None,
            close_timeout: Duration::from_secs(5),
            stall_timeout: Some(Duration::from_secs(30)),
        }
    }
}
