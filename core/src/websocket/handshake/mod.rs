//! The opening handshake, RFC 6455 section 4.
//!
//! It ends before the first frame and knows nothing of frames: a
//! [`ServerHandshake`] turns bytes into a [`Request`] and a [`Response`] into
//! bytes, a [`ClientHandshake`] does the reverse. Both take time as an
//! argument, read no byte past the end of the head, and are done when the
//! answer is through; then the same transport carries a connection, which
//! begins with the input that was left unread. Where an HTTP library has
//! already parsed the message, [`check_request`] and [`check_response`] apply
//! the same rules to its headers.
//!
//! No extension is chosen yet: an offer must be well-formed and stays
//! unanswered, which declines it ([`Request::extensions`]), and a server that
//! answers with one fails, since none is offered.
//!
//! ```text
//! client                                                        server
//! ClientRequest ──▶ ClientHandshake ── GET … Upgrade ──▶ ServerHandshake ──▶ Request
//! ResponseHead  ◀──                 ◀── 101 or refusal ──                ◀── Response, Rejection
//! ```
//!
//! ```
//! use sockeye::Instant;
//! use sockeye::websocket::SLICES;
//! use sockeye::websocket::handshake::{Origins, Response, ServerEvent, ServerHandshake, ServerOptions};
//!
//! let mut input = *b"GET /chat HTTP/1.1\r\n\
//!     Host: server.example.com\r\n\
//!     Upgrade: websocket\r\n\
//!     Connection: Upgrade\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//!     Sec-WebSocket-Version: 13\r\n\r\n";
//! let options = ServerOptions::new(Origins::SameHost);
//! let mut handshake = ServerHandshake::new(options, Instant::ZERO);
//! let progress = handshake.handle_input(Instant::ZERO, &mut input);
//! assert_eq!(progress.event, Some(ServerEvent::Request));
//! assert_eq!(handshake.request().map(|request| request.path()), Some("/chat"));
//!
//! handshake.accept(&Response::new())?;
//! let mut slices: [&[u8]; SLICES] = Default::default();
//! let count = handshake.poll_transmit(&mut slices);
//! let written = slices[..count].concat();
//! assert!(written.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! handshake.advance_transmit(written.len());
//! assert!(handshake.is_accepted());
//! # Ok::<_, sockeye::websocket::handshake::ResponseError>(())
//! ```

mod answer;
mod body;
mod check;
mod client;
mod client_request;
mod error;
mod key;
mod options;
mod request;
mod response;
mod server;
mod url;

#[cfg(feature = "http")]
mod http;

#[cfg(feature = "http")]
pub use self::http::{HttpHead, asks_for_websocket, check_http, check_http_response};
pub use crate::http::{FieldError, Fields, HeadError, HttpVersion, Origins};
pub use answer::{Rejection, Response};
pub use check::{Upgrade, check_request};
pub use client::{ClientEvent, ClientHandshake};
pub use client_request::ClientRequest;
pub use error::{Lost, Refusal, RequestError, ResponseError, ResponseViolation};
pub use key::{accept_key, client_key};
pub use options::{Limits, ServerOptions};
pub use request::{Accepted, Request};
pub use response::{Agreement, ResponseHead, check_response};
pub use server::{ServerEvent, ServerHandshake};
pub use url::{Url, UrlError};
