//! WebSocket and Engine.IO as sans-IO state machines.
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

mod outbox;
mod progress;
mod time;

pub mod driver;
pub mod http;
pub mod utf8;
pub mod websocket;

pub use progress::Progress;
pub use time::Instant;
