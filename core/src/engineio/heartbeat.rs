//! The heartbeat of a session: who pings, and how long silence may last.
//!
//! ```text
//! the end that pings:
//!
//!             interval          handed out           timeout
//!   Resting ------------> Due ------------> Pinged -----------> silent
//!      ^                                      |  \                ^
//!      +--------------------------------------+   v               |
//!      |                   pong                Extended ----------+
//!      +-----------------------------------------+      timeout
//!
//! the end that is pinged:                           interval + timeout
//!                     Listening <----> Answering ---------------> silent
//!                             ping, handed out
//! ```
//!
//! It belongs to the session and not to a transport, so an upgrade changes
//! nothing here. In version 4 the server pings, in version 3 the client. Engine.IO
//! protocol, "Heartbeat".

use core::time::Duration;

use crate::Instant;

/// The heartbeat of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Heartbeat {
    beat: Beat,
    interval: Duration,
    timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Beat {
    /// The latest pong came at this time.
    Resting(Instant),
    /// A ping waits to be handed out, and should have been at this time.
    Due(Instant),
    /// A ping was handed out at this time.
    Pinged(Instant),
    /// The first packet that came instead of the pong. A slow transfer must not
    /// end its own session, but a peer that goes on so does not answer.
    Extended { pinged: Instant, heard: Instant },
    /// The latest ping came at this time.
    Listening(Instant),
    /// The same, and its pong waits to be handed out.
    Answering(Instant),
}

/// What an end has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Ping,
    Pong,
}

impl Heartbeat {
    /// Of the end that pings.
    pub(super) fn pinging(now: Instant, interval: Duration, timeout: Duration) -> Self {
        Self::new(Beat::Resting(now), interval, timeout)
    }

    /// Of the end that is pinged.
    pub(super) fn listening(now: Instant, interval: Duration, timeout: Duration) -> Self {
        Self::new(Beat::Listening(now), interval, timeout)
    }

    fn new(beat: Beat, interval: Duration, timeout: Duration) -> Self {
        // A deadline lies in the future, or a clock that stands still would meet
        // it for ever.
        let least = Duration::from_nanos(1);
        Self {
            beat,
            interval: interval.max(least),
            timeout: timeout.max(least),
        }
    }

    /// Time has come to `now`. False if the peer is silent for too long.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        if let Beat::Resting(at) = self.beat {
            let due = at.after(self.interval);
            if due <= now {
                self.beat = Beat::Due(due);
            }
        }
        self.silent().is_none_or(|at| at > now)
    }

    /// When [`advance`](Self::advance) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.beat {
            Beat::Resting(at) => Some(at.after(self.interval)),
            _ => self.silent(),
        }
    }

    /// When a ping that waits has waited for a whole timeout: as good as
    /// unanswered, where it is for the peer to fetch it.
    pub(super) fn unfetched(&self) -> Option<Instant> {
        match self.beat {
            Beat::Due(at) => Some(at.after(self.timeout)),
            _ => None,
        }
    }

    /// What has to be handed out.
    pub(super) fn signal(&self) -> Option<Signal> {
        match self.beat {
            Beat::Due(_) => Some(Signal::Ping),
            Beat::Answering(_) => Some(Signal::Pong),
            _ => None,
        }
    }

    /// What had to be handed out was. Only now the time for the pong begins.
    pub(super) fn handed_out(&mut self, now: Instant) {
        self.beat = match self.beat {
            Beat::Due(_) => Beat::Pinged(now),
            Beat::Answering(at) => Beat::Listening(at),
            beat => beat,
        };
    }

    /// The peer pings.
    pub(super) fn ping(&mut self, now: Instant) {
        if let Beat::Listening(_) | Beat::Answering(_) = self.beat {
            self.beat = Beat::Answering(now);
        }
    }

    /// The peer answers: how long after the ping. A pong that answers nothing
    /// changes nothing, or a peer could put off the next ping for ever.
    pub(super) fn pong(&mut self, now: Instant) -> Option<Duration> {
        let (Beat::Pinged(pinged) | Beat::Extended { pinged, .. }) = self.beat else {
            return None;
        };
        self.beat = Beat::Resting(now);
        Some(now.since(pinged))
    }

    /// The peer says something else.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Beat::Pinged(pinged) = self.beat {
            let heard = now;
            self.beat = Beat::Extended { pinged, heard };
        }
    }

    /// The peer was not listened to: its silence counts from now on.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.beat = match self.beat {
            Beat::Pinged(at) => Beat::Extended {
                pinged: at,
                heard: now,
            },
            Beat::Extended { pinged, .. } => Beat::Extended { pinged, heard: now },
            Beat::Listening(_) => Beat::Listening(now),
            Beat::Answering(_) => Beat::Answering(now),
            beat => beat,
        };
    }

    /// When the peer's silence has lasted too long.
    fn silent(&self) -> Option<Instant> {
        match self.beat {
            Beat::Resting(_) | Beat::Due(_) => None,
            Beat::Pinged(at) | Beat::Extended { heard: at, .. } => Some(at.after(self.timeout)),
            Beat::Listening(at) | Beat::Answering(at) => {
                Some(at.after(self.interval).after(self.timeout))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_nanos(25);
    const TIMEOUT: Duration = Duration::from_nanos(20);

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn pinging() -> Heartbeat {
        Heartbeat::pinging(at(0), INTERVAL, TIMEOUT)
    }

    fn pinged() -> Heartbeat {
        let mut heartbeat = pinging();
        assert!(heartbeat.advance(at(25)));
        heartbeat.handed_out(at(25));
        heartbeat
    }

    #[test]
    fn b01_silence_ends_with_the_last_moment_of_the_timeout() {
        let mut heartbeat = pinged();
        assert_eq!(heartbeat.deadline(), Some(at(45)));
        assert!(heartbeat.advance(at(44)));
        assert!(!heartbeat.advance(at(45)));

        let mut heartbeat = Heartbeat::listening(at(0), INTERVAL, TIMEOUT);
        assert_eq!(heartbeat.deadline(), Some(at(45)));
        assert!(heartbeat.advance(at(44)));
        heartbeat.ping(at(44));
        assert_eq!(heartbeat.signal(), Some(Signal::Pong));
        heartbeat.handed_out(at(60));
        assert_eq!(heartbeat.signal(), None);
        assert!(heartbeat.advance(at(88)));
        assert!(!heartbeat.advance(at(89)));
    }

    #[test]
    fn b03_one_other_packet_extends_the_deadline_once() {
        let mut heartbeat = pinged();
        heartbeat.heard(at(44));
        assert_eq!(heartbeat.deadline(), Some(at(64)));
        heartbeat.heard(at(63));
        assert_eq!(heartbeat.deadline(), Some(at(64)));
        assert_eq!(heartbeat.pong(at(63)), Some(Duration::from_nanos(38)));
        assert_eq!(heartbeat.deadline(), Some(at(88)));
    }

    #[test]
    fn b04_a_pong_that_answers_nothing_changes_nothing() {
        let mut heartbeat = pinging();
        let before = heartbeat;
        assert_eq!(heartbeat.pong(at(24)), None);
        assert_eq!(heartbeat, before);
        assert!(heartbeat.advance(at(25)));
        let before = heartbeat;
        assert_eq!(heartbeat.pong(at(26)), None, "the ping is not out yet");
        assert_eq!(heartbeat, before);
        heartbeat.handed_out(at(26));
        assert!(heartbeat.pong(at(27)).is_some());
        assert_eq!(heartbeat.pong(at(28)), None);
        assert_eq!(heartbeat.deadline(), Some(at(52)));
    }

    #[test]
    fn b05_a_clock_that_jumps_brings_one_ping() {
        let mut heartbeat = pinging();
        assert!(heartbeat.advance(at(1000)));
        assert_eq!(heartbeat.signal(), Some(Signal::Ping));
        heartbeat.handed_out(at(1000));
        assert!(heartbeat.advance(at(1000)));
        assert_eq!(
            (heartbeat.signal(), heartbeat.deadline()),
            (None, Some(at(1020)))
        );
    }

    #[test]
    fn b09_the_timeout_runs_from_when_the_ping_was_handed_out() {
        let mut heartbeat = pinging();
        assert!(heartbeat.advance(at(30)));
        assert_eq!(heartbeat.deadline(), None);
        assert_eq!(heartbeat.unfetched(), Some(at(45)), "from when it was due");
        assert!(heartbeat.advance(at(100)));
        heartbeat.handed_out(at(100));
        assert_eq!(heartbeat.deadline(), Some(at(120)));
    }

    #[test]
    fn b07_time_saturates() {
        let longest = Duration::MAX;
        for mut heartbeat in [
            Heartbeat::pinging(Instant::MAX, longest, longest),
            Heartbeat::listening(Instant::MAX, longest, longest),
            Heartbeat::pinging(at(0), longest, longest),
        ] {
            heartbeat.advance(Instant::MAX);
            heartbeat.handed_out(Instant::MAX);
            heartbeat.heard(Instant::MAX);
            assert!(heartbeat.deadline().is_none_or(|at| at == Instant::MAX));
        }
    }

    #[test]
    fn intervals_of_nothing_are_not_met_for_ever() {
        let mut heartbeat = Heartbeat::pinging(at(0), Duration::ZERO, Duration::ZERO);
        assert!(heartbeat.advance(at(0)) && heartbeat.signal().is_none());
        assert!(heartbeat.advance(at(1)) && heartbeat.signal().is_some());
        heartbeat.handed_out(at(1));
        assert!(heartbeat.advance(at(1)));
        assert!(heartbeat.pong(at(1)).is_some());
        assert_eq!(heartbeat.deadline(), Some(at(2)));
    }

    #[test]
    fn silence_that_nobody_listened_to_does_not_count() {
        let mut heartbeat = pinged();
        heartbeat.excuse(at(44));
        assert_eq!(heartbeat.deadline(), Some(at(64)));
        heartbeat.heard(at(50));
        assert_eq!(heartbeat.deadline(), Some(at(64)), "that is no pong either");
        heartbeat.excuse(at(60));
        assert_eq!(heartbeat.deadline(), Some(at(80)));
        assert_eq!(heartbeat.pong(at(70)), Some(Duration::from_nanos(45)));
        let resting = heartbeat;
        heartbeat.excuse(at(71));
        assert_eq!(heartbeat, resting, "nothing is waited for");

        let mut heartbeat = Heartbeat::listening(at(0), INTERVAL, TIMEOUT);
        heartbeat.excuse(at(40));
        assert_eq!(heartbeat.deadline(), Some(at(85)));
    }
}
