//! Whether the peer is still there: keepalive pings, idle and stall deadlines.
//!
//! Silence is judged by [`handle_timeout`](super::Connection::handle_timeout)
//! alone, which is called when a read has found nothing. A peer that sends data
//! is alive; of control frames, only the pong that answers our ping counts.

use core::time::Duration;

use super::config::{Config, Keepalive};
use super::error::Timer;
use crate::Instant;

/// What is known about the peer's silence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    /// When data last came.
    data: Instant,
    /// When data or the pong to our ping last came.
    heard: Instant,
    ping: Ping,
    /// The payload of the latest keepalive ping.
    count: u64,
    /// When the whole message that is still arriving began.
    began: Option<Instant>,
    /// Since when bytes wait to be written and none are taken.
    stalled: Option<Instant>,
}

/// The keepalive ping that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    None,
    /// Last seen to be queued at this time, and not yet seen to be written.
    Queued(Instant),
    /// Seen to be written at this time.
    Written(Instant),
}

/// What a deadline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A keepalive ping has to be sent.
    Ping,
    /// The message that is arriving takes too long.
    Message,
    /// The connection is given up.
    End(Timer),
}

impl Liveness {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            data: now,
            heard: now,
            ping: Ping::None,
            count: 0,
            began: None,
            stalled: None,
        }
    }

    /// Data came.
    #[inline]
    pub(super) fn data(&mut self, now: Instant) {
        self.data = now;
        self.heard = now;
    }

    /// A message began, or ended.
    pub(super) fn message(&mut self, now: Instant, open: bool) {
        self.began = open.then(|| self.began.unwrap_or(now));
    }

    /// The transport took bytes.
    pub(super) fn written(&mut self) {
        self.stalled = None;
    }

    /// A pong came: the time since our ping, if it answers that.
    pub(super) fn pong(&mut self, now: Instant, payload: &[u8]) -> Option<Duration> {
        let (Ping::Queued(at) | Ping::Written(at)) = self.ping else {
            return None;
        };
        if payload != self.count.to_be_bytes() {
            return None;
        }
        self.ping = Ping::None;
        self.heard = now;
        Some(now.since(at))
    }

    /// A keepalive ping is queued; returns its payload.
    pub(super) fn ping(&mut self, now: Instant) -> [u8; 8] {
        self.ping = Ping::Queued(now);
        self.count = self.count.wrapping_add(1);
        self.count.to_be_bytes()
    }

    /// Notes what has become of the output by `now`.
    pub(super) fn observe(&mut self, now: Instant, output_waits: bool, ping_waits: bool) {
        if !output_waits {
            self.stalled = None;
        } else if self.stalled.is_none() {
            self.stalled = Some(now);
        }
        if let Ping::Queued(_) = self.ping {
            // A ping behind data that a slow peer takes bit by bit is not late.
            self.ping = match ping_waits {
                true => Ping::Queued(now),
                false => Ping::Written(now),
            };
        }
    }

    /// The deadline of output that is not taken.
    pub(super) fn stall(&self, config: &Config) -> Option<Instant> {
        Some(self.stalled?.after(positive(config.stall_timeout?)))
    }

    /// Whether no message is arriving, no pong awaited and no output stuck: only
    /// then can the next deadline become an earlier one.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.stalled.is_none() && self.began.is_none() && self.ping == Ping::None
    }

    /// The earliest deadline of an open connection.
    #[inline]
    pub(super) fn next(&self, config: &Config) -> Option<Instant> {
        let mut next = self.keepalive(config).map(|(at, _)| at);
        let deadlines = [self.silence(config), self.slowness(config)];
        for (at, _) in deadlines.into_iter().flatten() {
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        next
    }

    /// What is due by `now`. Whatever ends the connection goes before a ping.
    pub(super) fn due(&self, now: Instant, config: &Config) -> Option<Due> {
        let deadlines = [
            self.slowness(config),
            self.silence(config),
            self.keepalive(config),
        ];
        let mut deadlines = deadlines.into_iter().flatten();
        deadlines.find(|(at, _)| *at <= now).map(|(_, due)| due)
    }

    #[inline]
    fn silence(&self, config: &Config) -> Option<(Instant, Due)> {
        let span = config.idle_timeout?;
        Some((self.data.after(positive(span)), Due::End(Timer::Idle)))
    }

    #[inline]
    fn slowness(&self, config: &Config) -> Option<(Instant, Due)> {
        let span = config.message_timeout?;
        Some((self.began?.after(positive(span)), Due::Message))
    }

    #[inline]
    fn keepalive(&self, config: &Config) -> Option<(Instant, Due)> {
        let Keepalive { interval, timeout } = config.keepalive?;
        Some(match self.ping {
            Ping::None => (self.heard.after(positive(interval)), Due::Ping),
            // Data that comes while the pong is awaited proves the peer alive.
            Ping::Queued(at) | Ping::Written(at) => {
                let silent = at.max(self.data);
                (silent.after(positive(timeout)), Due::End(Timer::Pong))
            }
        })
    }
}

/// A deadline lies in the future, or a clock that stands still would meet it for ever.
fn positive(span: Duration) -> Duration {
    span.max(Duration::from_nanos(1))
}
