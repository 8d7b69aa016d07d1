//! Engine.IO, versions 4 and 3.
//!
//! In reading order:
//!
//! 1. a [`Packet`] is what an endpoint says, in a text or a WebSocket message.

mod base64;
mod error;
mod packet;
mod sid;
mod transport;
mod version;

pub use self::error::PacketError;
pub use self::packet::Packet;
pub use self::sid::{Sid, TagError};
pub use self::transport::{Transport, Transports};
pub use self::version::Version;
