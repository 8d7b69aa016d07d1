//! What a session has done.

use core::time::Duration;

use crate::Message;

/// What a session has done so far. Counters wrap around at 2^64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Stats {
    /// Messages received.
    pub messages_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages handed to a channel.
    pub messages_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Volatile messages that were dropped.
    pub dropped: u64,
    /// From the latest ping of this end to its pong.
    pub round_trip: Option<Duration>,
}

impl Stats {
    pub(super) fn received(&mut self, message: &Message<'_>) {
        count(&mut self.messages_in, &mut self.bytes_in, message);
    }

    pub(super) fn sent(&mut self, message: &Message<'_>) {
        count(&mut self.messages_out, &mut self.bytes_out, message);
    }
}

fn count(messages: &mut u64, bytes: &mut u64, message: &Message<'_>) {
    *messages = messages.wrapping_add(1);
    *bytes = bytes.wrapping_add(message.as_bytes().len() as u64);
}
