//! hyper's side of the driver: its streams, its services, and its clients.

mod client;
mod io;
mod server;

pub use self::client::{Dial, HttpClient};
pub use self::io::Transport;
pub use self::server::{Answering, Body, Service};
