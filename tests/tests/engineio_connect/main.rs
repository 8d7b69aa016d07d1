//! Engine.IO clients: over HTTP that a test answers by hand, with a clock that moves by
//! hand; and over hyper's, with streams in memory.
//!
//! Rows E01 to E15 of the catalogue of abuse, as far as they are the driver's.

mod http;
mod kit;
mod polling;
mod rows;
mod sockets;
