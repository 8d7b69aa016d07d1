//! Engine.IO servers.
//!
//! A [`Server`] has sessions, and an application that is told of them: a
//! [`Handler`]. It is asked what to do about a [request](Server::request), whatever
//! HTTP library has received it; with the feature `hyper` there is a service that
//! does so.
//!
//! ```text
//!            +--> Answer
//! request ---+--> Wait ------ until there is a packet ------> the answer
//!            +--> Body ------ packets, to the application --> the answer
//!            +--> Upgrade --- 101, then packets both ways
//! ```
//!
//! There is one task for the deadlines of all sessions, and one for each WebSocket;
//! a session that polls has none.

pub mod client;
mod deadlines;
mod exchange;
mod handler;
mod head;
mod inbox;
mod registry;
mod server;
mod session;
mod socket;

pub use self::exchange::{Exchange, Parked, Post};
pub use self::handler::{Handler, Opening, Refused};
pub use self::head::Head;
pub use self::inbox::{Inbox, Incoming, Messages};
pub use self::server::{Options, Server, ServerStats};
pub use self::session::Session;
pub use self::socket::Upgrade;
