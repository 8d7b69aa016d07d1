//! Engine.IO clients.
//!
//! A [`Client`] is a session that a server has opened. It begins a GET, a POST or a
//! WebSocket whenever the session wants one, by whatever gives it those: an
//! [`Http`]; with the feature `hyper` there is one.
//!
//! ```text
//! next, send, flush, close ---> Client ---+--> GET ----------> answer, packets
//!                                         +--> POST, packets -> answer
//!              Sender --------> session   +--> WebSocket, packets both ways
//! ```
//!
//! There is no task: everything is done while a future of the client is polled.

mod error;
mod http;
mod sender;
mod session;
mod turn;

pub use self::error::{BoxError, Error};
pub use self::http::{Answer, Content, Http, Pending, Request};
pub use self::sender::Sender;
pub use self::session::{Client, Options};
