//! The WebSocket protocol, RFC 6455.
//!
//! In reading order:
//!
//! 1. a [`handshake`] opens the connection, unless somebody else has;
//! 2. a [`Connection`] turns input into [`Event`]s, and messages into output;
//! 3. [`Config`] has its limits and deadlines, [`Reason`], [`Violation`] and
//!    [`SendError`] what can end or refuse something;
//! 4. [`Header`], [`Mask`], [`Opcode`] and [`CloseFrame`] are the parts of frames,
//!    for those who want nothing else.
//!
//! [`extension`] has the grammar in which extensions are offered; none is spoken.

mod assembly;
mod chunk;
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
mod opcode;
mod state;

pub use self::chunk::Chunk;
pub use self::close::{CloseCode, CloseFrame, MAX_REASON};
pub use self::config::{Config, Keepalive, MaskSource, Receive, Role};
pub use self::connection::{Connection, Stats};
pub use self::error::{SendError, Timer, Violation};
pub use self::event::{Event, Reason};
pub use self::frame::{Expect, Header, MAX_CONTROL, MAX_HEADER};
pub use self::mask::Mask;
pub use self::opcode::Opcode;
pub use crate::message::{Kind, Message};
pub use crate::outbox::{OutputBuffer, SLICES};
