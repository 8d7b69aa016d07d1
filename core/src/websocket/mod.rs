//! The WebSocket protocol, RFC 6455.
//!
//! In reading order: a [`handshake`] opens the connection; a [`Connection`]
//! turns input into [`Event`]s and messages into output; [`Header`], [`Mask`]
//! and [`CloseFrame`] are the parts of frames, for those who want nothing else.

mod assembly;
mod close;
mod config;
mod connection;
mod decoder;
mod error;
mod event;
pub mod extension;
mod frame;
pub mod handshake;
mod liveness;
mod mask;
mod message;
mod opcode;
mod state;

pub use self::close::{CloseCode, CloseFrame, MAX_REASON};
pub use self::config::{Config, Keepalive, MaskSource, Receive, Role};
pub use self::connection::{Connection, Stats};
pub use self::error::{SendError, Timer, Violation};
pub use self::event::{Event, Reason};
pub use self::frame::{Expect, Header, MAX_CONTROL, MAX_HEADER};
pub use self::mask::Mask;
pub use self::message::{Chunk, Kind, Message};
pub use self::opcode::Opcode;
pub use crate::outbox::{OutputBuffer, SLICES};
