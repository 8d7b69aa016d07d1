//! Engine.IO clients, over HTTP that a test answers by hand, with a clock that moves by
//! hand.
//!
//! Rows E01 to E15 of the catalogue of abuse, as far as they are the driver's.

mod kit;
mod polling;
mod rows;
mod sockets;
