//! Deadlines that commands ask for.

use core::time::Duration;

use crate::Instant;

/// A deadline that a command asks for. Commands do not know the time, so it
/// begins to run at the next call that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deadline {
    Unset,
    At(Instant),
}

impl Deadline {
    /// Lets it run from `now`, unless it already does: when it passes.
    pub(super) fn start(&mut self, now: Instant, span: Duration) -> Instant {
        let at = match *self {
            Self::Unset => now.after(span),
            Self::At(at) => at,
        };
        *self = Self::At(at);
        at
    }

    /// When there is something to do: at once, if it does not run yet.
    pub(super) fn next(self) -> Instant {
        match self {
            Self::Unset => Instant::ZERO,
            Self::At(at) => at,
        }
    }
}
