//! What a runtime provides.

use core::task::{Context, Poll};

use crate::Instant;

/// A byte stream and a timer, as the driver needs them.
///
/// As everywhere in `core::task`: a method that returns `Pending` has arranged
/// for the task to be woken when it is worth calling again.
pub trait Io {
    /// What reading and writing fail with.
    type Error;

    /// Reads into `buf`, which is not empty, and returns how much; 0 is the end
    /// of input.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, Self::Error>>;

    /// Writes from the beginning of `bufs`, of which none is empty, and returns
    /// how much; 0 is an error.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[&[u8]],
    ) -> Poll<Result<usize, Self::Error>>;

    /// Passes on what was written and is still held back, as by a TLS layer.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Ends the output, and leaves the input open.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// The time, on the clock that the connection was made with.
    fn now(&self) -> Instant;

    /// Ready once `at` has come.
    ///
    /// One timer is enough. Where it is set to an earlier instant already it may
    /// stay so, and be ready too early: the caller asks anew. Deadlines move
    /// later with every message, and setting a timer costs more than that.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()>;

    /// Ready once the connection is to be closed because this endpoint goes away,
    /// as when a server shuts down: a Close with code 1001 is sent then. Asked
    /// with every poll while the connection is open.
    fn poll_going_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Pending
    }
}
