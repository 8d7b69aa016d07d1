//! What the fuzzers run, as ordinary functions: the targets in `fuzz/` call
//! them, and so does a test that replays the committed inputs.
//!
//! Each of them panics if where input is cut can be seen, or if more memory is
//! held than the bytes received and the limits account for. The binary that
//! calls them has to count allocations; see [`alloc`](crate::alloc).

mod connection;
mod engineio;
mod handshake;

pub use self::connection::{connection, seed};
pub use self::engineio::{engineio_payload, payload_seed};
pub use self::handshake::{handshake_request, handshake_response};

/// Bytes that decide about something, taken from the front of an input.
struct Choices<'d>(&'d [u8]);

impl<'d> Choices<'d> {
    /// The next byte; zero behind the end.
    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        byte
    }

    /// Up to `len` bytes.
    fn bytes(&mut self, len: usize) -> &'d [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

/// Asserts that no more memory was held than is accounted for.
fn assert_bounded(peak: usize, bound: usize, what: std::fmt::Arguments<'_>) {
    assert!(
        peak <= bound,
        "{peak} bytes are held where {bound} are enough: {what}"
    );
}
