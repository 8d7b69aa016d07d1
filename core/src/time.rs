//! Points in time, as the machines see them.
//!
//! The core reads no clock. Every method that needs the time takes it as an
//! [`Instant`], and the caller decides what its zero means: the start of the
//! process, the creation of the connection, or a simulated clock.

use core::time::Duration;

/// Monotonic time in nanoseconds since an epoch that the caller chose.
///
/// All instants given to one machine must come from the same clock. A clock
/// that stands still or goes back is harmless: the machine sees that no time
/// has passed. Arithmetic saturates, so a deadline after the end of time is
/// the end of time.
///
/// ```
/// use core::time::Duration;
/// use sockeye::Instant;
///
/// let start = Instant::from_nanos(5);
/// assert_eq!(start.after(Duration::from_micros(1)).as_nanos(), 1_005);
/// assert_eq!(Instant::MAX.after(Duration::MAX), Instant::MAX);
/// assert_eq!(start.since(Instant::MAX), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The epoch itself.
    pub const ZERO: Self = Self(0);
    /// The latest instant there is; 584 years after the epoch.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant that lies `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `span` later than this one.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// The earlier of two deadlines, of which either may be missing.
    #[inline]
    pub(crate) fn earlier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// How long ago `earlier` was; zero if it was not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
