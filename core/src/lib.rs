//! WebSocket, RFC 6455, and Engine.IO as machines that do no input and output.
//!
//! A machine turns bytes and the passing of time into events and bytes. It reads no
//! socket, no clock and no random source: those are arguments. So it runs wherever
//! there is a transport of bytes, whatever moves them, and is tested without one.
//! Whoever wants them on tokio, async-std or smol takes an adapter
//! (`sockeye-tokio`, `sockeye-async-std`); this crate is for those who have input
//! and output of their own.
//!
//! # One vocabulary
//!
//! ```text
//!            handle_input, handle_eof                     Event
//! transport -------------------------> +---------+ -----------------> application
//!           <------------------------- | machine | <-----------------
//!    poll_transmit, advance_transmit   +---------+   send, accept, close, ...
//!                                         ^  |
//!                          handle_timeout |  | poll_timeout
//!                                        clock
//! ```
//!
//! # One loop
//!
//! A server: the opening handshake, then a connection that sends back what it
//! receives and closes when it is asked to.
//!
//! ```
//! use sockeye::websocket::handshake::{Origins, Response, ServerEvent, ServerHandshake, ServerOptions};
//! use sockeye::websocket::{Config, Connection, Event, Role, SLICES};
//! use sockeye::{Instant, Progress};
//!
//! // What a read brings: a request and, right behind it, a text and a Close.
//! let mut read = *b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n\
//!     Upgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
//!     \x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8";
//! let mut written = Vec::new(); // instead of a socket
//! let now = Instant::ZERO; // of a clock of yours
//!
//! let mut handshake = ServerHandshake::new(ServerOptions::new(Origins::SameHost), now);
//! let Progress { event, rest } = handshake.handle_input(now, &mut read);
//! assert_eq!(event, Some(ServerEvent::Request));
//! handshake.accept(&Response::new())?;
//! while !handshake.is_accepted() {
//!     let mut slices = [&[][..]; SLICES];
//!     let n = handshake.poll_transmit(&mut slices);
//!     let bytes = slices[..n].concat();
//!     written.extend_from_slice(&bytes);
//!     handshake.advance_transmit(bytes.len());
//! }
//!
//! let mut connection = Connection::new(Role::Server, Config::default(), now);
//! let mut input = rest;
//! loop {
//!     let Progress { event, rest } = connection.handle_input(now, input);
//!     input = rest;
//!     match event {
//!         // The message is borrowed from the input, and not from the connection.
//!         Some(Event::Message(message)) => connection.send(message)?,
//!         Some(Event::Closed(reason)) => assert_eq!(reason.code(), 1000),
//!         Some(_) => {}
//!         None => break,
//!     }
//! }
//! while connection.has_output() {
//!     let mut slices = [&[][..]; SLICES];
//!     let n = connection.poll_transmit(&mut slices);
//!     let bytes = slices[..n].concat();
//!     written.extend_from_slice(&bytes);
//!     connection.advance_transmit(bytes.len());
//! }
//! connection.handle_eof(now);
//! assert!(connection.is_finished());
//!
//! assert!(written.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! assert!(written.ends_with(b"\r\n\r\n\x81\x02hi\x88\x02\x03\xe8"));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! 1. [`guide`]: everything that an embedder has to know, with a whole integration.
//! 2. [`websocket`]: the [`Connection`](websocket::Connection), its
//!    [`Config`](websocket::Config) and its parts.
//! 3. [`websocket::handshake`]: how it is opened, from bytes or from headers that an
//!    HTTP library has parsed.
//! 4. [`driver`]: the loop between a machine and a transport, for any async runtime.
//! 5. [`engineio`]: Engine.IO, from packets to sessions; [`driver::engineio`] has
//!    servers.
//! 6. [`utf8`] and [`http`]: what WebSocket needs of other protocols.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `std` (default) | the driver's halves and groups, buffers that a thread lends |
//! | `simd` | vector instructions for UTF-8 and masking, chosen at run time |
//! | `http` | conversions from and to the types of the `http` crate |
//! | `futures` | `Stream` and `Sink` for the types of [`driver`] |
//! | `hyper` | Engine.IO as a service for hyper and tower |
//!
//! Without `std` it needs `alloc`. There is no `unsafe` in it.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::alloc_instead_of_core
)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod message;
mod outbox;
mod progress;
mod time;

pub mod driver;
pub mod engineio;
pub mod guide;
pub mod http;
pub mod utf8;
pub mod websocket;

pub use message::{Kind, Message};
pub use progress::Progress;
pub use time::Instant;
