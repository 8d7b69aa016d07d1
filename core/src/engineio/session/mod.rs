//! Sessions: packets and the passing of time to events and packets.

mod channel;
mod config;
mod event;
mod server;
mod state;

pub use self::channel::{Channel, Detach};
pub use self::config::{Config, QueueLimits, Separator, WhenFull};
pub use self::event::{Event, Fault, Reason, Refusal, Refused, SendError};
pub use self::server::{ServerSession, Stats};
