//! Sessions: packets and the passing of time to events and packets.

mod channel;
mod client;
mod config;
mod deadline;
mod event;
mod server;
mod stats;

pub use self::channel::{Channel, Detach};
pub use self::client::ClientSession;
pub use self::config::{ClientConfig, Config, QueueLimits, Separator, WhenFull};
pub use self::event::{Event, Fault, Reason, Refusal, Refused, SendError};
pub use self::server::ServerSession;
pub use self::stats::Stats;

/// The data of the ping that tries out a transport, and of its pong.
const PROBE: &str = "probe";
