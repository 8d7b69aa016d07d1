//! The life of a connection after its handshake: RFC 6455 section 7.
//!
//! ```text
//!          close            Close received
//!   Open ---------> Closing -------------+
//!    |                 |                 |
//!    +-----------------+-----------------+-> Closed -----------> Finished
//!      Close received, violation, end of     written, and the
//!      input, deadline: the last event       transport may go
//! ```
//!
//! Every transition stands here. The module knows no bytes and no role; what a
//! role means for the end is in the [`Ending`] that the connection chooses.

use core::time::Duration;

use crate::Instant;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Messages go both ways.
    Open,
    /// Our Close is queued or sent; messages still come until the peer's.
    Closing(Deadline),
    /// The last event was given. Input is discarded, output still written.
    Closed(Ending, Deadline),
    /// The transport can be dropped.
    Finished,
}

/// What has to happen to the transport before it can be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Write what is queued.
    Write,
    /// Write what is queued, then shut down writing and read to the end of
    /// input: closing a socket with unread input would reset it, and the peer
    /// might lose our Close.
    Linger,
    /// Write what is queued, then wait for the peer to close first.
    Await,
}

/// A deadline that a command asks for. Commands do not know the time, so it
/// begins to run at the next call that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline {
    Unset,
    At(Instant),
}

impl Deadline {
    /// Lets it run from `now`, unless it already does.
    fn start(&mut self, now: Instant, span: Duration) {
        if *self == Self::Unset {
            *self = Self::At(now.after(span));
        }
    }

    fn passed(self, now: Instant) -> bool {
        matches!(self, Self::At(at) if at <= now)
    }
}

impl State {
    /// The application closes. False if that was already under way.
    pub(super) fn close(&mut self) -> bool {
        let open = self.is_open();
        if open {
            *self = Self::Closing(Deadline::Unset);
        }
        open
    }

    /// The last event is given.
    pub(super) fn end(&mut self, ending: Ending, by: Instant) {
        *self = Self::Closed(ending, Deadline::At(by));
    }

    /// Nothing more is tried.
    pub(super) fn finish(&mut self) {
        *self = Self::Finished;
    }

    /// The peer will send nothing more. True if that is news.
    pub(super) fn end_of_input(&mut self) -> bool {
        match self {
            Self::Open | Self::Closing(_) => true,
            Self::Closed(ending, _) => {
                *ending = Ending::Write;
                false
            }
            Self::Finished => false,
        }
    }

    /// Time has come to `now`. True if the peer has not answered our Close.
    pub(super) fn expire(&mut self, now: Instant, span: Duration) -> bool {
        match self {
            Self::Closing(by) => {
                by.start(now, span);
                by.passed(now)
            }
            Self::Closed(_, by) => {
                if by.passed(now) {
                    *self = Self::Finished;
                }
                false
            }
            Self::Open | Self::Finished => false,
        }
    }

    /// When [`expire`](Self::expire) has something to do: at once, where a deadline
    /// has to begin to run.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Closing(Deadline::Unset) => Some(Instant::ZERO),
            Self::Closing(Deadline::At(at)) | Self::Closed(_, Deadline::At(at)) => Some(*at),
            _ => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Whether the last event was given.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(..) | Self::Finished)
    }

    /// Whether our side of the transport can be shut down, once all is written.
    pub(super) fn ends_writing(&self) -> bool {
        matches!(
            self,
            Self::Closed(Ending::Write | Ending::Linger, _) | Self::Finished
        )
    }

    /// Whether the transport can be dropped, once all is written.
    pub(super) fn is_finished(&self) -> bool {
        matches!(self, Self::Closed(Ending::Write, _) | Self::Finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_nanos(5);

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn states() -> [State; 7] {
        let by = Deadline::At(at(10));
        [
            State::Open,
            State::Closing(Deadline::Unset),
            State::Closing(by),
            State::Closed(Ending::Write, by),
            State::Closed(Ending::Linger, by),
            State::Closed(Ending::Await, by),
            State::Finished,
        ]
    }

    #[test]
    fn every_state_meets_every_event() {
        for state in states() {
            let mut next = state;
            assert_eq!(next.close(), state.is_open());
            assert_eq!(next.is_closed(), state.is_closed(), "close ends nothing");

            let mut next = state;
            assert_eq!(next.end_of_input(), !state.is_closed());
            if state.is_closed() {
                assert!(next.is_finished(), "{state:?}");
            } else {
                assert_eq!(next, state, "the connection decides on the ending");
            }

            let mut next = state;
            assert!(!next.expire(at(9), SPAN), "{state:?}");
            assert_eq!(next.is_finished(), state.is_finished(), "{state:?}");
            let late = next.expire(at(20), SPAN);
            assert_eq!(late, matches!(state, State::Closing(_)), "{state:?}");
            assert!(late || next.is_finished() || next.is_open());

            let mut next = state;
            next.end(Ending::Await, at(10));
            assert!(next.is_closed() && !next.ends_writing());

            let mut next = state;
            next.finish();
            assert!(next.is_finished() && next.deadline().is_none());
        }
    }

    #[test]
    fn a_deadline_runs_from_the_first_call_that_knows_the_time() {
        let mut state = State::Open;
        assert!(state.close());
        assert_eq!(state.deadline(), Some(at(0)));
        assert!(!state.expire(at(3), SPAN));
        assert_eq!(state.deadline(), Some(at(8)));
        assert!(!state.expire(at(7), SPAN));
        assert!(state.expire(at(8), SPAN));
    }
}
