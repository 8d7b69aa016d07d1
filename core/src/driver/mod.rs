//! The loop between a transport and a machine, written once.
//!
//! The machines of this crate read and write nothing. [`WebSocket`] and the
//! handshakes here move bytes between them and an [`Io`], which is all that a
//! runtime has to provide: reading, writing, and a timer. Nothing but
//! `core::task` is used, so the same code serves every runtime, and is tested
//! without one. The adapters for tokio, async-std and smol are an `Io` each, with
//! sockets and tasks around it.
//!
//! ```text
//! connect, accept, Incoming ---> WebSocket ---> Sender, Receiver
//!                                    ^
//!                                  Parts       the handshake was elsewhere
//! ```
//!
//! Every future here can be dropped at any time. State lives in the
//! [`WebSocket`], so nothing is lost: a message is either returned or still
//! there, and a message given to `send` is queued exactly when `send` returns.
//! The handshakes own their transport and close it when they are dropped.
//!
//! Servers of Engine.IO are in [`engineio`]; for hyper there is `hyper`.
//!
//! # An `Io` of one's own
//!
//! Here is one over memory, whose reads and writes never have to wait. Over
//! sockets a method that cannot go on returns `Pending`, and arranges for the
//! task to be woken.
//!
//! ```
//! use core::convert::Infallible;
//! use core::task::{Context, Poll};
//! use sockeye::Instant;
//! use sockeye::driver::{self, Io};
//! use sockeye::websocket::Config;
//! use sockeye::websocket::handshake::{Origins, ServerOptions};
//!
//! struct Memory {
//!     input: &'static [u8],
//!     output: Vec<u8>,
//! }
//!
//! impl Io for Memory {
//!     type Error = Infallible;
//!
//!     fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Infallible>> {
//!         let n = buf.len().min(self.input.len());
//!         let (read, rest) = self.input.split_at(n);
//!         buf[..n].copy_from_slice(read);
//!         self.input = rest;
//!         Poll::Ready(Ok(n)) // none: the end
//!     }
//!
//!     fn poll_write(&mut self, _: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Infallible>> {
//!         self.output.extend(bufs.iter().copied().flatten());
//!         Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
//!     }
//!
//!     fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
//!         Poll::Ready(Ok(()))
//!     }
//!
//!     fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
//!         Poll::Ready(Ok(()))
//!     }
//!
//!     fn now(&self) -> Instant {
//!         Instant::ZERO
//!     }
//!
//!     fn poll_deadline(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
//!         Poll::Pending // time stands still
//!     }
//! }
//!
//! async fn echo(io: Memory) -> Vec<u8> {
//!     let options = ServerOptions::new(Origins::Any);
//!     let accepted = driver::accept(io, options, Config::default()).await;
//!     let (mut websocket, _) = accepted.expect("a valid request");
//!     let end = websocket.for_each(|connection, message| drop(connection.send(message)));
//!     end.await.expect("a closing handshake");
//!     websocket.into_parts().io.output
//! }
//!
//! let input = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
//!     \x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8";
//! let echo = core::pin::pin!(echo(Memory { input, output: Vec::new() }));
//! let Poll::Ready(output) = echo.poll(&mut Context::from_waker(core::task::Waker::noop())) else {
//!     panic!("memory does not make one wait");
//! };
//! assert!(output.ends_with(b"\r\n\r\n\x81\x02hi\x88\x02\x03\xe8"));
//! ```

#[cfg(feature = "std")]
pub mod engineio;
mod error;
#[cfg(feature = "futures")]
mod futures;
#[cfg(feature = "std")]
mod group;
mod handshake;
#[cfg(feature = "hyper")]
pub mod hyper;
mod io;
mod pump;
#[cfg(feature = "std")]
mod runtime;
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
pub use self::runtime::Runtime;
#[cfg(feature = "std")]
pub use self::split::{Receiver, Sender};
pub use self::websocket::{Parts, WebSocket};
