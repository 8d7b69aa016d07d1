//! What both adapters have to do. Mounted once for each runtime, which provides
//! `runtime`: the adapter, `block_on`, `spawn`, sockets, and what lets [`Ears`]
//! be listened to.
//!
//! [`Ears`]: ears::Ears

pub mod ears;
pub mod kit;
pub mod pipe;

mod cancel;
mod engineio;
mod engineio_client;
mod halves;
mod serve;
mod sockets;
mod tls;
mod told;
mod transport;
mod vectors;
