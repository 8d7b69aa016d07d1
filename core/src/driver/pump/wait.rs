//! Waiting, which a deadline of the connection's bounds.

use core::task::{Context, Poll, ready};

use super::{Pump, Wait};
use crate::Instant;
use crate::driver::Io;
use crate::websocket::Event;

impl<I: Io> Pump<I> {
    /// Nothing can be done before the transport, or time, goes on. Ready if time
    /// brought something to do.
    pub(super) fn poll_idle(
        &mut self,
        cx: &mut Context<'_>,
        mut now: Instant,
        wait: Wait,
    ) -> Poll<()> {
        loop {
            let settled = wait == Wait::Read && self.connection.is_settled();
            let deadline = match self.armed.take().filter(|at| settled && now < *at) {
                None if self.time_is_up(now, wait) => return Poll::Ready(()),
                None => self.deadline(wait),
                armed => armed,
            };
            let Some(at) = deadline else {
                return Poll::Pending;
            };
            self.armed = deadline.filter(|_| settled);
            ready!(self.io.poll_deadline(cx, at));
            now = self.io.now();
        }
    }

    /// Whether `now` brings something to do: the end, or a ping to write.
    fn time_is_up(&mut self, now: Instant, wait: Wait) -> bool {
        let had_output = self.connection.has_output();
        let event = match wait {
            Wait::Read => self.connection.handle_timeout(now),
            Wait::Write => self.connection.handle_blocked(now),
        };
        if let Some(Event::Closed(reason)) = event {
            self.reason = Some(reason);
            return true;
        }
        let ping_is_due = self.connection.has_output() && !had_output;
        ping_is_due || self.connection.is_abandoned()
    }

    fn deadline(&self, wait: Wait) -> Option<Instant> {
        match wait {
            Wait::Read => self.connection.poll_timeout(),
            Wait::Write => self.connection.poll_blocked(),
        }
    }
}
