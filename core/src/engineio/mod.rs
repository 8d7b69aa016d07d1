//! Engine.IO, versions 4 and 3.
//!
//! In reading order:
//!
//! 1. a [`Packet`] is what an endpoint says, in a text or a WebSocket message;
//! 2. a [`Payload`] is what carries several of them over HTTP, and [`Packets`]
//!    reads it;
//! 3. [`Open`] is what a server says of a new session, and [`Sid`] its name;
//! 4. [`Query`] is what the URL of a request asks for;
//! 5. a [`ServerSession`] and a [`ClientSession`] are the ends of a session,
//!    whatever its transport: packets and the passing of time to events and packets;
//! 6. [`polling`] is what HTTP requests ask for, and what they are answered with;
//! 7. [`websocket`] is how a WebSocket carries packets.

mod base64;
mod error;
mod heartbeat;
mod json;
mod open;
mod packet;
mod payload;
mod payload_v3;
pub mod polling;
mod query;
mod queue;
mod session;
mod sid;
mod transport;
mod version;
pub mod websocket;

pub use self::error::{PacketError, PayloadError, PayloadRule, SeparatorError};
pub use self::open::{Open, OpenError};
pub use self::packet::Packet;
pub use self::payload::{Packets, Payload};
pub use self::query::{Param, Query};
pub use self::queue::Prepared;
pub use self::session::{
    Channel, ClientConfig, ClientSession, Config, Detach, Event, Fault, QueueLimits, Reason,
    Refusal, Refused, SendError, Separator, ServerSession, Stats, WhenFull,
};
pub use self::sid::{Sid, TagError};
pub use self::transport::{Transport, Transports};
pub use self::version::Version;
