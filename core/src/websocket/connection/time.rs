//! Deadlines: what is due, and when.

use super::Connection;
use crate::Instant;
use crate::outbox::Slot;
use crate::websocket::liveness::Due;
use crate::websocket::state::{Ending, State};
use crate::websocket::{CloseCode, Event, Reason, Timer, Violation};

/// Time.
impl Connection {
    /// Time has come to `now`, and there is nothing to read.
    ///
    /// Sends a keepalive ping that is due, and gives up a peer that is silent or
    /// takes no bytes. Too early a call only notes whether output is stuck, so
    /// call it whenever a write was not taken.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Event<'static>> {
        let silence = self.handle_blocked(now).or_else(|| self.judge(now));
        self.observe(now);
        silence
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called, at the latest.
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let blocked = self.poll_blocked();
        match self.is_judged() {
            true => Instant::earlier(blocked, self.liveness.next(&self.config)),
            false => blocked,
        }
    }

    /// Whether the connection is open and waits for nothing but a new message.
    /// While it is, [`handle_timeout`](Self::handle_timeout) before a deadline does
    /// nothing, and deadlines only move later.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.state.is_open() && self.outbox.is_empty() && self.liveness.is_settled()
    }

    /// As [`handle_timeout`](Self::handle_timeout) where nothing was read, as
    /// while a message waits for room: the peer may be slow to take bytes, but
    /// its silence is not judged.
    pub fn handle_blocked(&mut self, now: Instant) -> Option<Event<'static>> {
        let event = self.close_overdue(now).or_else(|| self.stalled(now));
        self.observe(now);
        event
    }

    /// When [`handle_blocked`](Self::handle_blocked) has to be called, at the latest.
    #[inline]
    pub fn poll_blocked(&self) -> Option<Instant> {
        if self.state == State::Finished {
            return None;
        }
        Instant::earlier(self.state.deadline(), self.liveness.stall(&self.config))
    }
}

impl Connection {
    /// Silence is not judged while closing, nor while the input is left alone.
    fn is_judged(&self) -> bool {
        self.state.is_open() && self.has_room()
    }

    /// The end if the peer has not answered our Close in time.
    pub(super) fn close_overdue(&mut self, now: Instant) -> Option<Event<'static>> {
        let overdue = self.state.expire(now, self.config.close_timeout);
        overdue.then(|| self.give_up(now, Timer::Close))
    }

    /// The end if the transport has taken no bytes for too long.
    fn stalled(&mut self, now: Instant) -> Option<Event<'static>> {
        let stall = self.liveness.stall(&self.config);
        if stall.is_none_or(|at| at > now) {
            return None;
        }
        if self.state.is_closed() {
            self.state.finish();
            return None;
        }
        Some(self.give_up(now, Timer::Stalled))
    }

    /// Judges the peer's silence.
    fn judge(&mut self, now: Instant) -> Option<Event<'static>> {
        if !self.is_judged() {
            return None;
        }
        match self.liveness.due(now, &self.config) {
            Some(due) => self.due(now, due),
            None => None,
        }
    }

    /// Notes what has become of the output.
    fn observe(&mut self, now: Instant) {
        let (waits, ping) = (!self.outbox.is_empty(), self.outbox.holds(Slot::Keepalive));
        self.liveness.observe(now, waits, ping);
    }

    fn due(&mut self, now: Instant, due: Due) -> Option<Event<'static>> {
        match due {
            Due::Ping => {
                let payload = self.liveness.ping(now);
                self.stats.pings = self.stats.pings.wrapping_add(1);
                match self.send_control(Slot::Keepalive, &payload) {
                    Ok(()) => None,
                    Err(_) => Some(self.end(now, Reason::NoMaskKey, Ending::Write)),
                }
            }
            Due::Message => Some(self.violation(now, Violation::MessageTooSlow)),
            Due::End(timer) => {
                let code = match timer {
                    Timer::Idle => CloseCode::GOING_AWAY,
                    _ => CloseCode::INTERNAL_ERROR,
                };
                let _ = self.queue_close(Some(code), "");
                Some(self.end(now, Reason::Timeout(timer), Ending::Write))
            }
        }
    }

    /// The peer answers nothing and takes nothing: nothing more is tried.
    fn give_up(&mut self, now: Instant, timer: Timer) -> Event<'static> {
        let event = self.end(now, Reason::Timeout(timer), Ending::Write);
        self.state.finish();
        event
    }
}
