//! hyper's side of the driver: its streams, and its services.

mod io;
mod server;

pub use self::io::Transport;
pub use self::server::{Answering, Body, Service};
