//! Engine.IO: payloads in memory, and servers under a load of sessions.

pub mod codec;
pub mod idle;
pub mod load;
pub mod others;
pub mod serve;
mod wire;
