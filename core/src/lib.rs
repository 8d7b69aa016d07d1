//! WebSocket and Engine.IO as sans-IO state machines.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod outbox;
mod progress;
mod time;

pub mod driver;
pub mod http;
pub mod utf8;
pub mod websocket;

pub use progress::Progress;
pub use time::Instant;
