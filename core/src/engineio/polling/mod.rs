//! HTTP exchanges as plain values: which request asks for what, and what it is
//! answered with.
//!
//! ```text
//! method, query, fields --> Options::read --> Exchange { request, answer }
//!
//! request   Open ----------------> a new session
//!           Session -- its sid --> the session, and Known::check what it is about
//!           Refused, Preflight --> answered at once
//! answer    turns what comes of it into a Response: status, headers, body
//! ```
//!
//! Nothing here reads or writes: an HTTP library does, and whoever holds the
//! sessions. The order in which a request is judged stands in `request`, every
//! status and header in `response`. A GET that opens a session, from its head to
//! its answer:
//!
//! ```
//! use sockeye::Instant;
//! use sockeye::engineio::polling::{Exchange, Options, Request};
//! use sockeye::engineio::{Channel, Config, Detach, ServerSession, Sid};
//! use sockeye::http::Origins;
//!
//! let now = Instant::ZERO;
//! let options = Options::new(Origins::SameHost);
//! let fields = [("host", "server.example.com")];
//! let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
//! assert!(options.serves("/engine.io/"));
//!
//! let Exchange { request, answer } = options.read("GET", "EIO=4&transport=polling", fields);
//! let Request::Open(opening) = request else {
//!     panic!("{request:?}");
//! };
//! let sid = Sid::new(*b"fifteen bytes..");
//! let mut session =
//!     ServerSession::new(Config::default(), sid, opening.version, opening.transport, now);
//! let mut payload = session.payload();
//! session.fill(now, Channel::Get, &mut payload);
//! session.detach(now, Channel::Get, Detach::Done);
//!
//! let response = answer.opened(&options, &sid, payload);
//! assert_eq!(response.status, 200);
//! assert!(response.body.starts_with(b"0{\"sid\":"));
//! ```
//!
//! Engine.IO protocol, "HTTP long-polling".

mod cookie;
mod options;
mod request;
mod response;

pub use self::cookie::{Cookie, CookieError, SameSite};
pub use self::options::Options;
pub use self::request::{Asks, Exchange, Known, Opening, Post, Request, RequestError, body_kind};
pub use self::response::{Answer, Response, error_code};
