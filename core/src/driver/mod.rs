//! The loop between a socket and a machine, written once.
//!
//! The machines of this crate read and write nothing. [`WebSocket`] and the
//! handshakes here move bytes between them and an [`Io`], which is all that a
//! runtime has to provide: reading, writing, and a timer. Nothing but
//! `core::task` is used, so the same code serves every runtime, and is tested
//! without one.
//!
//! Every future here can be dropped at any time. State lives in the
//! [`WebSocket`], so nothing is lost: a message is either returned or still
//! there, and a message given to `send` is queued exactly when `send` returns.
//! The handshakes own their transport and close it when they are dropped.

mod error;
#[cfg(feature = "futures")]
mod futures;
#[cfg(feature = "std")]
mod group;
mod handshake;
mod io;
mod pump;
mod scratch;
#[cfg(feature = "std")]
mod split;
mod websocket;

pub use self::error::{Error, HandshakeError};
#[cfg(feature = "std")]
pub use self::group::{Group, Member};
pub use self::handshake::{Incoming, accept, connect};
pub use self::io::Io;
#[cfg(feature = "std")]
pub use self::split::{Receiver, Sender};
pub use self::websocket::{Parts, WebSocket};
