//! WebSocket clients and servers on tokio.
//!
//! The protocol is in [`sockeye`], as machines that do no input or output; here
//! are the sockets, the timers and the tasks.
//!
//! A server:
//!
//! ```no_run
//! use sockeye_tokio::{Server, handshake::Origins};
//! use tokio::net::TcpListener;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:9001").await?;
//! let until_stopped = std::future::pending();
//! let server = Server::new(Origins::SameHost);
//! let echo = |mut websocket: sockeye_tokio::WebSocket<_>| async move {
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
//! use sockeye_tokio::{connect, websocket::CloseCode};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
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
//! - [`WebSocket`] receives, sends, splits and closes;
//!   [`for_each`](sockeye::driver::WebSocket::for_each) is the fast way to
//!   receive.
//! - [`websocket::Config`] holds the limits and deadlines.
//!
//! # Cancel safety
//!
//! The futures of a [`WebSocket`] can be dropped at any time, as `select!` does
//! it, and called again: a message is returned or still there, and a message
//! given to `send` is queued exactly when that returns `Ok`. `connect` and
//! `accept` own their stream, and close it when they are dropped.
//!
//! # When it writes
//!
//! `send` writes at once, unless more input is at hand: then replies are
//! collected until that is handled, or until 16 KiB wait. A handler that awaits
//! something else between two messages calls `flush` first. Of the `Sink`,
//! `SinkExt::send` always flushes and `SinkExt::feed` never does.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `rustls` | `wss://` with a configuration of your own |
//! | `rustls-ring`, `rustls-aws-lc-rs` | a provider of cryptography for it |
//! | `webpki-roots` | Mozilla's root certificates, so that `connect("wss://…")` needs no configuration |
//! | `tracing` | a span for each connection; never what it carries |
//! | `hyper` | `upgrade`: WebSockets out of hyper's upgrades |
//! | `axum` | `axum::WebSocketUpgrade`, an extractor |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod io;
mod keys;
mod net;
mod server;
mod socket;
mod stream;
mod trace;

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "rustls")]
pub mod tls;
#[cfg(feature = "hyper")]
mod upgrade;

pub use sockeye::driver;
pub use sockeye::websocket::{self, handshake};

pub use self::client::{Connect, ConnectError, connect};
pub use self::io::Transport;
pub use self::keys::mask_keys;
pub use self::net::{Listener, TcpStream};
pub use self::server::{AcceptError, Served, Server, accept};
pub use self::socket::{Error, HandshakeError, Receiver, Sender, WebSocket};
pub use self::stream::MaybeTls;
#[cfg(feature = "hyper")]
pub use self::upgrade::{UpgradedStream, upgrade};
