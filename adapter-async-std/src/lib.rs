//! WebSocket clients and servers on async-std and smol, and on any stream of
//! `futures-io`.
//!
//! The protocol is in [`sockeye`], as machines that do no input or output; here
//! are the sockets, the timers and the tasks.
//!
//! A server:
//!
//! ```no_run
//! use async_std::net::TcpListener;
//! use sockeye_async_std::{Server, handshake::Origins};
//!
//! # async fn run() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:9001").await?;
//! let until_stopped = std::future::pending();
//! let server = Server::new(Origins::SameHost);
//! let echo = |mut websocket: sockeye_async_std::WebSocket<_>| async move {
//!     let echo = websocket.for_each(|connection, message| {
//!         let _ = connection.send(message);
//!     });
//!     let _ = echo.await;
//! };
//! server.serve(listener, until_stopped, echo).await;
//! # Ok(())
//! # }
//! ```
//!
//! A client:
//!
//! ```no_run
//! use sockeye_async_std::{connect, websocket::CloseCode};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut websocket = connect("ws://127.0.0.1:9001/").await?;
//! websocket.send("hello").await?;
//! while let Some(message) = websocket.next().await {
//!     println!("{:?}", message?);
//!     websocket.close(CloseCode::NORMAL, "").await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! - [`Connect`] and [`connect`] open a connection, [`Server`] and [`accept`]
//!   accept one, over any stream.
//! - [`WebSocket`] receives, sends, splits and closes: what it can do is described
//!   at [`driver::WebSocket`]. What the handshake told is in its [`Transport`].
//! - [`websocket::Config`] holds the limits and deadlines, with what they are if you
//!   say nothing; [`handshake::Limits`] those of the handshake.
//!
//! # Receiving, and something else
//!
//! The futures of a [`WebSocket`] can be dropped at any time, and called again: a
//! message is returned or still there, and a message given to `send` is queued
//! exactly when that returns `Ok`. So one task can wait for several things:
//!
//! ```no_run
//! # use sockeye_async_std::{Error, WebSocket};
//! # use smol::channel;
//! # use smol::future::FutureExt;
//! # async fn run<S: smol::io::AsyncRead + smol::io::AsyncWrite + Unpin>(
//! #     mut websocket: WebSocket<S>,
//! #     news: channel::Receiver<String>,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! enum Event<M> {
//!     Received(M),
//!     News(String),
//! }
//!
//! loop {
//!     let received = async { Ok(Event::Received(websocket.next().await)) };
//!     let told = async { news.recv().await.map(Event::News) };
//!     match received.or(told).await? {
//!         Event::Received(Some(message)) => println!("{:?}", message?),
//!         Event::Received(None) => break,
//!         Event::News(text) => websocket.send(text).await?,
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Where others send as well, [`split`](driver::WebSocket::split) gives senders that
//! can be cloned and used from any thread:
//!
//! ```no_run
//! # use sockeye_async_std::{Error, WebSocket, websocket::SendError};
//! # async fn run<S: smol::io::AsyncRead + smol::io::AsyncWrite + Unpin + Send + 'static>(
//! #     websocket: WebSocket<S>,
//! # ) -> Result<(), Error> {
//! let (sender, mut receiver) = websocket.split();
//! let sending = smol::spawn(async move {
//!     sender.send("hello").await?;
//!     sender.flush().await?;
//!     Ok::<_, SendError>(())
//! });
//! sending.detach();
//! while let Some(message) = receiver.next().await {
//!     println!("{:?}", message?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # When it writes
//!
//! `send` writes at once, unless more input is at hand: then replies are
//! collected until that is handled, or until 16 KiB wait. A handler that awaits
//! something else between two messages calls `flush` first. Of the `Sink`,
//! `SinkExt::send` always flushes and `SinkExt::feed` never does.
//!
//! # How it ends
//!
//! [`next`](driver::WebSocket::next) returns `None` after a closing handshake,
//! whoever began it, and [`close_reason`](driver::WebSocket::close_reason) says with
//! what code. Anything else is an error, once, and then `None`:
//!
//! | error | what happened |
//! |---|---|
//! | [`Io`](driver::Error::Io) | the transport failed |
//! | [`Ended`](driver::Error::Ended) | the peer broke a rule and was told so, was silent or stalled for too long, or its transport ended without a Close |
//! | [`Send`](driver::Error::Send) | nothing was sent; the connection goes on unless it is closing |
//!
//! Dropping a `WebSocket` closes its transport at once, and the peer sees code 1006;
//! [`close`](driver::WebSocket::close) says goodbye. A server shuts down by the
//! `shutdown` of [`Server::serve`]; connections that were accepted in another way
//! end together as members of a [`driver::Group`].
//!
//! # async-std is discontinued
//!
//! Its authors recommend smol (RUSTSEC-2025-0052). This crate keeps applications on
//! async-std going, and their way to smol short: the type of the listener and the
//! runtime's `main` are all that changes. New ones take smol from the start, with
//! `default-features = false, features = ["smol", "simd"]`, which builds nothing of
//! async-std. Without either runtime's feature there are clients, and [`accept`] over
//! any stream, on any executor: sockets and timers are those of `async-io`.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `async-std` (default) | serving on the listeners and the executor of async-std |
//! | `smol` | the same for smol |
//! | `simd` (default) | vector instructions for UTF-8 and masking, chosen at run time |
//! | `rustls` | `wss://` with a configuration of your own |
//! | `rustls-ring`, `rustls-aws-lc-rs` | a provider of cryptography for it |
//! | `webpki-roots` | Mozilla's root certificates, so that `connect("wss://…")` needs no configuration |
//! | `tracing` | a span for each connection; never what it carries |
//! | `engineio` | `engineio`: Engine.IO, servers and clients, over HTTP by hyper |
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "engineio")]
mod bridge;
mod client;
#[cfg(feature = "engineio")]
pub mod engineio;
#[cfg(feature = "engineio")]
mod engineio_client;
mod io;
mod keys;
mod net;
mod server;
mod socket;
mod stream;
mod tcp;
mod trace;

#[cfg(feature = "async-std")]
mod half_close;
#[cfg(feature = "rustls")]
pub mod tls;

pub use sockeye::driver;
pub use sockeye::websocket::{self, handshake};

pub use self::client::{Connect, ConnectError, connect};
#[cfg(feature = "async-std")]
pub use self::half_close::HalfClose;
pub use self::io::Transport;
pub use self::keys::mask_keys;
pub use self::net::{Listener, TcpStream};
pub use self::server::{AcceptError, Served, Server, accept};
pub use self::socket::{Error, HandshakeError, Receiver, Sender, WebSocket};
pub use self::stream::MaybeTls;
pub use self::tcp::TcpOptions;
