//! The test kit.
//!
//! What the tests of every package have in common: the notation of bytes
//! ([`hex`]), the tables of vectors ([`vectors`]), the chunkings of an input
//! ([`cuts`]), a connection under a virtual clock ([`trace`]) or under a script
//! that is compared with others ([`script`]), a session of Engine.IO and its client's
//! requests ([`session`]), a reader of frames that shares no
//! code with the library ([`wire`]), a transport that follows a script
//! ([`transport`]), a runtime whose clock moves by hand ([`runtime`]), the opening
//! handshake ([`handshake`]), packets and payloads of Engine.IO ([`engineio`]), what
//! the fuzzers run ([`fuzz`]), allocation counts ([`alloc`]), what a network does
//! to what passes ([`chaos`]), and the account of what became of every message
//! ([`ledger`]).
//!
//! A test that runs a vector on something of its own, as a WebSocket over a
//! stream in memory, looks like this:
//!
//! ```
//! use sockeye_tests::vectors::{self, Vector};
//! use sockeye_tests::{cuts, wire};
//!
//! for vector in vectors::load::<Vector>("frame") {
//!     for cut in cuts::cuts(vector.input.len()) {
//!         for chunk in cut.chunks(&vector.input) {
//!             // Let the transport give `chunk` to a read.
//!             let _ = (vector.role, vector.config(), chunk);
//!         }
//!         // Compare with what `vector` says, written bytes by `wire::plain`.
//!         let _ = (vector.messages(), vector.reason(), wire::plain(&vector.output));
//!     }
//! }
//! ```

pub mod alloc;
pub mod chaos;
pub mod cuts;
pub mod engineio;
pub mod fuzz;
pub mod handshake;
pub mod hex;
pub mod ledger;
pub mod runtime;
pub mod script;
pub mod session;
pub mod trace;
pub mod transport;
pub mod vectors;
pub mod wire;

/// What the READMEs show is compiled with the examples above.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../README.md")]
    struct Project;

    #[doc = include_str!("../../adapter-tokio/README.md")]
    struct Tokio;

    #[doc = include_str!("../../adapter-async-std/README.md")]
    struct AsyncStd;
}
