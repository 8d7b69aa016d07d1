//! Where a server's session stands. Every transition stands here.
//!
//! ```text
//! the session        Open ------> Closing -----> Closed
//!                      |   close     told,        ^
//!                      |             deadline     |
//!                      +--------------------------+
//!                        the peer, a fault, a deadline
//!
//! its WebSocket      None ---> Silent ---> Probed ---> Active ---> Told
//!                        attach      2probe   ^  | 5         close
//!                                             +--+
//!                    another packet, a deadline,  2probe
//!                    the end of the session:  ---> Refused ---> Gone
//!                                                         told
//! ```
//!
//! An upgrade loses nothing because of three rules. From the probe on every GET is
//! answered at once, with a noop if there is nothing else. What is queued goes out
//! by the WebSocket once that is active, and never by both. And while a POST that
//! began before is in flight, an active WebSocket is not read. The module knows
//! no packets and no queue. Engine.IO protocol, "Upgrade".

use core::time::Duration;

use crate::Instant;
use crate::engineio::Transport;
use crate::engineio::session::deadline::Deadline;
use crate::engineio::session::{Channel, Detach, Reason, Refusal};

/// A session and its channels, each of which begins and ends on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    life: Life,
    get: Get,
    post: Post,
    socket: Socket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    /// Messages go both ways.
    Open,
    /// The application has closed: what is queued goes out, then the end.
    Closing(Deadline),
    /// A command ended the session. Commands give no event, so it comes with the
    /// next call that can.
    Doomed(Reason),
    /// The last event was given.
    Closed(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Get {
    None,
    /// Waits for a packet.
    Waiting,
    /// Has to be answered at once.
    Due,
    /// Is being answered with what was queued.
    Fed,
    /// Is being answered with a noop.
    Padded,
    /// Is being answered with the end of the session.
    Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Post {
    None,
    InFlight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Socket {
    None,
    /// Nothing has come by it yet, and it has until then.
    Silent(Instant),
    /// It was tried out, and so many answers to that are due.
    Probed {
        by: Instant,
        pongs: u8,
    },
    /// The session goes by it.
    Active,
    /// The session closes, and it was told.
    Told,
    /// It has no part in the session, and has to be told.
    Refused,
    /// It was told.
    Gone,
}

/// What a channel gets next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    Nothing,
    /// What waits to be sent.
    Queue,
    Noop,
    Close,
    ProbePong,
}

/// Who listens to what a channel brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    Nobody,
    /// It brings probes until it brings the upgrade.
    Probe,
    Session,
}

impl State {
    /// A session that this transport opened. The GET, or the WebSocket, that did
    /// so is attached.
    pub(super) fn new(transport: Transport) -> Self {
        let (get, socket) = match transport {
            Transport::Polling => (Get::Waiting, Socket::None),
            Transport::WebSocket => (Get::None, Socket::Active),
        };
        Self {
            life: Life::Open,
            get,
            post: Post::None,
            socket,
        }
    }

    /// A channel begins. Refused for an [`Overlap`](Refusal::Overlap), it ends
    /// the session, which is for the caller to do.
    pub(super) fn attach(&mut self, channel: Channel, probe_by: Instant) -> Result<(), Refusal> {
        if let Life::Closed(_) | Life::Doomed(_) = self.life {
            return Err(Refusal::Closed);
        }
        match (channel, self.socket) {
            (Channel::WebSocket, Socket::None) if self.is_open() => {
                self.socket = Socket::Silent(probe_by);
            }
            (Channel::WebSocket, _) => return Err(Refusal::Upgrade),
            (_, Socket::Active | Socket::Told) => return Err(Refusal::Transport),
            (Channel::Get, _) if self.get != Get::None => return Err(Refusal::Overlap),
            (Channel::Get, Socket::Probed { .. }) => self.get = Get::Due,
            (Channel::Get, _) => {
                self.get = match self.life {
                    Life::Closing(_) => Get::Due,
                    _ => Get::Waiting,
                }
            }
            (Channel::Post, _) if self.post == Post::InFlight => return Err(Refusal::Overlap),
            (Channel::Post, _) => self.post = Post::InFlight,
        }
        Ok(())
    }

    /// A channel ended. Returns why the session has to end, if it has.
    pub(super) fn detach(&mut self, channel: Channel, how: Detach) -> Option<Reason> {
        let lost = how == Detach::Lost;
        let reason = match channel {
            Channel::Get => match core::mem::replace(&mut self.get, Get::None) {
                Get::None => None,
                Get::Told => Some(Reason::Forced),
                // After the upgrade it had nothing to bring.
                _ if self.socket == Socket::Active => None,
                _ => lost.then_some(Reason::Lost(channel)),
            },
            Channel::Post => match core::mem::replace(&mut self.post, Post::None) {
                Post::None => None,
                Post::InFlight => lost.then_some(Reason::Lost(channel)),
            },
            Channel::WebSocket => match core::mem::replace(&mut self.socket, Socket::None) {
                Socket::Active if lost => Some(Reason::Lost(channel)),
                Socket::Active => Some(Reason::Peer),
                Socket::Told => Some(Reason::Forced),
                // Without it the session goes on by polling.
                _ => None,
            },
        };
        reason.filter(|_| self.is_live())
    }

    /// The client tries the WebSocket out.
    pub(super) fn probe(&mut self) {
        self.socket = match self.socket {
            Socket::Silent(by) => Socket::Probed { by, pongs: 1 },
            Socket::Probed { by, pongs } => Socket::Probed {
                by,
                pongs: pongs.saturating_add(1),
            },
            socket => socket,
        };
        self.answer_get();
    }

    /// The client goes over to the WebSocket. False if it has not tried it out.
    pub(super) fn upgrade(&mut self) -> bool {
        let Socket::Probed { .. } = self.socket else {
            return false;
        };
        self.socket = Socket::Active;
        self.answer_get();
        true
    }

    /// The upgrade is given up.
    pub(super) fn refuse(&mut self) {
        if let Socket::Silent(_) | Socket::Probed { .. } = self.socket {
            self.socket = Socket::Refused;
        }
    }

    fn answer_get(&mut self) {
        if self.get == Get::Waiting {
            self.get = Get::Due;
        }
    }

    /// What the channel gets next; `waiting` says whether anything is queued.
    pub(super) fn gives(&self, to: Channel, waiting: bool) -> Gives {
        match to {
            Channel::Get => self.gives_get(waiting),
            Channel::Post => Gives::Nothing,
            Channel::WebSocket => self.gives_socket(waiting),
        }
    }

    fn gives_get(&self, waiting: bool) -> Gives {
        let closing = matches!(self.life, Life::Closing(_));
        match (self.life, self.socket, self.get) {
            (Life::Doomed(_), ..) => Gives::Nothing,
            // What was sent before the end, while the client waited for it.
            (Life::Closed(_), Socket::None, Get::Waiting | Get::Fed) if waiting => Gives::Queue,
            (Life::Closed(reason), Socket::None, Get::Fed) if reason != Reason::Peer => {
                Gives::Close
            }
            // "noop" if the client knows already that it is over.
            (Life::Closed(Reason::Peer), _, Get::Waiting | Get::Due) => Gives::Noop,
            (Life::Closed(_), _, Get::Waiting | Get::Due) => Gives::Close,
            (Life::Closed(_), ..) => Gives::Nothing,
            (_, Socket::Active | Socket::Told, Get::Due) => Gives::Noop,
            (_, Socket::Active | Socket::Told, _) => Gives::Nothing,
            (_, _, Get::Waiting | Get::Due | Get::Fed) if waiting => Gives::Queue,
            (_, _, Get::Due) => Gives::Noop,
            (_, _, Get::Waiting | Get::Padded) if closing && !waiting => Gives::Close,
            _ => Gives::Nothing,
        }
    }

    fn gives_socket(&self, waiting: bool) -> Gives {
        match (self.life, self.socket) {
            (_, Socket::Refused) => Gives::Close,
            (Life::Doomed(_) | Life::Closed(_), _) => Gives::Nothing,
            (_, Socket::Probed { pongs: 1.., .. }) => Gives::ProbePong,
            (_, Socket::Active) if waiting => Gives::Queue,
            (Life::Closing(_), Socket::Active) => Gives::Close,
            _ => Gives::Nothing,
        }
    }

    /// The channel got that.
    pub(super) fn given(&mut self, to: Channel, gives: Gives) {
        match (to, gives) {
            (Channel::Get, Gives::Queue) => self.get = Get::Fed,
            (Channel::Get, Gives::Noop) => self.get = Get::Padded,
            (Channel::Get, Gives::Close) => self.get = Get::Told,
            (Channel::WebSocket, Gives::ProbePong) => {
                if let Socket::Probed { pongs, .. } = &mut self.socket {
                    *pongs = pongs.saturating_sub(1);
                }
            }
            (Channel::WebSocket, Gives::Close) => {
                self.socket = match self.socket {
                    Socket::Active => Socket::Told,
                    _ => Socket::Gone,
                }
            }
            _ => {}
        }
    }

    /// The application closes.
    pub(super) fn close(&mut self) {
        if self.is_open() {
            self.life = Life::Closing(Deadline::Unset);
        }
    }

    /// A command ends the session.
    pub(super) fn doom(&mut self, reason: Reason) {
        if self.is_live() {
            self.life = Life::Doomed(reason);
        }
    }

    /// The session ends.
    pub(super) fn end(&mut self, reason: Reason) {
        self.life = Life::Closed(reason);
        self.socket = match self.socket {
            Socket::Silent(_) | Socket::Probed { .. } | Socket::Active => Socket::Refused,
            Socket::Told => Socket::Gone,
            socket => socket,
        };
    }

    /// Time has come to `now`. Returns why the session has to end, if it has.
    pub(super) fn expire(&mut self, now: Instant, close_timeout: Duration) -> Option<Reason> {
        match &mut self.life {
            Life::Closed(_) => return None,
            Life::Doomed(reason) => return Some(*reason),
            Life::Closing(by) => {
                if by.start(now, close_timeout) <= now {
                    return Some(Reason::Forced);
                }
            }
            Life::Open => {}
        }
        if self.probe_deadline().is_some_and(|by| by <= now) {
            self.refuse();
        }
        None
    }

    /// When [`expire`](Self::expire) has something to do: at once, where a command
    /// has left that to it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.life {
            Life::Closed(_) => None,
            Life::Doomed(_) => Some(Instant::ZERO),
            Life::Closing(by) => Instant::earlier(Some(by.next()), self.probe_deadline()),
            Life::Open => self.probe_deadline(),
        }
    }

    fn probe_deadline(&self) -> Option<Instant> {
        match self.socket {
            Socket::Silent(by) | Socket::Probed { by, .. } => Some(by),
            _ => None,
        }
    }

    /// Who listens to what this channel brings.
    pub(super) fn listener(&self, from: Channel) -> Listener {
        match (from, self.socket) {
            _ if !self.is_live() => Listener::Nobody,
            (Channel::Post, _) if self.post == Post::InFlight => Listener::Session,
            (Channel::WebSocket, Socket::Active) => Listener::Session,
            (Channel::WebSocket, Socket::Silent(_) | Socket::Probed { .. }) => Listener::Probe,
            _ => Listener::Nobody,
        }
    }

    /// Whether the WebSocket must not be read for now: what it brings comes after
    /// what the POST brings that is in flight.
    pub(super) fn is_paused(&self) -> bool {
        self.socket == Socket::Active && self.post == Post::InFlight
    }

    /// Whether somebody waits for what is sent.
    pub(super) fn is_awaited(&self) -> bool {
        match self.socket {
            Socket::Active => true,
            _ => matches!(self.get, Get::Waiting | Get::Due),
        }
    }

    /// By what the session goes.
    pub(super) fn transport(&self) -> Transport {
        match self.socket {
            Socket::Active | Socket::Told => Transport::WebSocket,
            _ => Transport::Polling,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.life == Life::Open
    }

    fn is_live(&self) -> bool {
        matches!(self.life, Life::Open | Life::Closing(_))
    }

    /// Why the session ended, once the last event was given.
    pub(super) fn reason(&self) -> Option<Reason> {
        match self.life {
            Life::Closed(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether the last event was given and no channel is left.
    pub(super) fn is_finished(&self) -> bool {
        let left = (self.get, self.post, self.socket);
        self.reason().is_some() && left == (Get::None, Post::None, Socket::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const SPAN: Duration = Duration::from_nanos(5);
    const CHANNELS: [Channel; 3] = [Channel::Get, Channel::Post, Channel::WebSocket];

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// All there are, whether they can come about or not.
    fn states() -> Vec<State> {
        let lives = [
            Life::Open,
            Life::Closing(Deadline::Unset),
            Life::Closing(Deadline::At(at(10))),
            Life::Doomed(Reason::Full),
            Life::Closed(Reason::Forced),
            Life::Closed(Reason::Peer),
        ];
        let gets = [
            Get::None,
            Get::Waiting,
            Get::Due,
            Get::Fed,
            Get::Padded,
            Get::Told,
        ];
        let by = at(20);
        let sockets = [
            Socket::None,
            Socket::Silent(by),
            Socket::Probed { by, pongs: 0 },
            Socket::Probed { by, pongs: 2 },
            Socket::Active,
            Socket::Told,
            Socket::Refused,
            Socket::Gone,
        ];
        let mut states = Vec::new();
        for life in lives {
            for get in gets {
                for post in [Post::None, Post::InFlight] {
                    states.extend(sockets.map(|socket| State {
                        life,
                        get,
                        post,
                        socket,
                    }));
                }
            }
        }
        states
    }

    fn each(check: impl Fn(State)) {
        states().into_iter().for_each(check);
    }

    #[test]
    fn every_state_meets_every_channel_that_begins() {
        each(|state| {
            for channel in CHANNELS {
                let mut next = state;
                let attached = next.attach(channel, at(20));
                if attached.is_err() {
                    assert_eq!(next, state, "a refused channel changes nothing");
                }
                let on_socket = matches!(state.socket, Socket::Active | Socket::Told);
                let expected = match channel {
                    _ if !state.is_live() => Err(Refusal::Closed),
                    Channel::WebSocket if state.socket == Socket::None && state.is_open() => Ok(()),
                    Channel::WebSocket => Err(Refusal::Upgrade),
                    _ if on_socket => Err(Refusal::Transport),
                    Channel::Get if state.get != Get::None => Err(Refusal::Overlap),
                    Channel::Post if state.post != Post::None => Err(Refusal::Overlap),
                    _ => Ok(()),
                };
                assert_eq!(attached, expected, "{state:?}, {channel:?}");
                let due = next.gives(channel, false) == Gives::Noop;
                let probed = matches!(state.socket, Socket::Probed { .. });
                let at_once = probed || !state.is_open();
                if attached.is_ok() && channel == Channel::Get {
                    assert_eq!(due, at_once, "{state:?}");
                }
            }
        });
    }

    #[test]
    fn every_state_meets_every_channel_that_ends() {
        each(|state| {
            for channel in CHANNELS {
                for how in [Detach::Done, Detach::Lost] {
                    let mut next = state;
                    let reason = next.detach(channel, how);
                    let carries = match channel {
                        Channel::Get => {
                            !matches!(state.get, Get::None | Get::Told)
                                && state.socket != Socket::Active
                        }
                        Channel::Post => state.post == Post::InFlight,
                        Channel::WebSocket => state.socket == Socket::Active,
                    };
                    let told = match channel {
                        Channel::Get => state.get == Get::Told,
                        Channel::Post => false,
                        Channel::WebSocket => state.socket == Socket::Told,
                    };
                    let expected = match how {
                        _ if !state.is_live() => None,
                        _ if told => Some(Reason::Forced),
                        Detach::Lost if carries => Some(Reason::Lost(channel)),
                        Detach::Done if carries && channel == Channel::WebSocket => {
                            Some(Reason::Peer)
                        }
                        _ => None,
                    };
                    assert_eq!(reason, expected, "{state:?}, {channel:?}, {how:?}");
                    assert_eq!(next.gives(channel, true), Gives::Nothing);
                    assert_eq!(next.life, state.life, "the caller ends it");
                    assert_eq!(next.detach(channel, how), None, "once is enough");
                }
            }
        });
    }

    #[test]
    fn every_state_meets_probe_upgrade_and_refusal() {
        each(|state| {
            let probing = matches!(state.socket, Socket::Silent(_) | Socket::Probed { .. });
            let probed = matches!(state.socket, Socket::Probed { .. });

            let mut next = state;
            next.probe();
            let pong = next.gives(Channel::WebSocket, true) == Gives::ProbePong;
            assert_eq!(pong, probing && state.is_live(), "{state:?}");
            assert_ne!(next.get, Get::Waiting, "a GET is answered from here on");

            let mut next = state;
            assert_eq!(next.upgrade(), probed);
            if probed {
                assert_eq!(next.transport(), Transport::WebSocket);
                assert_ne!(next.gives(Channel::Get, true), Gives::Queue);
                assert_eq!(next.is_paused(), state.post == Post::InFlight);
                assert!(!next.upgrade(), "once");
            } else {
                assert_eq!(next, state);
            }

            let mut next = state;
            next.refuse();
            assert_eq!(next == state, !probing);
            if probing {
                assert_eq!(next.gives(Channel::WebSocket, true), Gives::Close);
                assert_eq!(next.listener(Channel::WebSocket), Listener::Nobody);
                assert_eq!(next.life, state.life);
            }
        });
    }

    /// Whether what is queued when the session ends goes out by this channel.
    fn is_waited_for_at_the_end(state: State, channel: Channel) -> bool {
        let waits = matches!(state.get, Get::Waiting | Get::Fed);
        let ended = state.reason().is_some();
        ended && channel == Channel::Get && waits && state.socket == Socket::None
    }

    #[test]
    fn every_state_gives_until_there_is_nothing_left() {
        each(|state| {
            for channel in CHANNELS {
                for waiting in [false, true] {
                    let mut next = state;
                    let mut given = Vec::new();
                    loop {
                        let gives = next.gives(channel, waiting && given.is_empty());
                        if gives == Gives::Nothing {
                            break;
                        }
                        next.given(channel, gives);
                        given.push(gives);
                        assert!(given.len() < 4, "{state:?} gives {channel:?} for ever");
                    }
                    assert_eq!(next.life, state.life);
                    let of_queue = given.contains(&Gives::Queue);
                    let may = state.is_live() || is_waited_for_at_the_end(state, channel);
                    assert!(!of_queue || (waiting && may), "{state:?}");
                    let both = [Channel::Get, Channel::WebSocket]
                        .map(|channel| state.gives(channel, true) == Gives::Queue);
                    assert_ne!(both, [true; 2], "nothing goes out by both");
                }
            }
        });
    }

    #[test]
    fn every_state_meets_commands_and_the_end() {
        each(|state| {
            let mut next = state;
            next.close();
            assert!(!next.is_open());
            assert_eq!(next == state, !state.is_open(), "{state:?}");
            assert_eq!(next.reason(), state.reason(), "close is no end yet");

            let mut next = state;
            next.doom(Reason::Full);
            let expected = state.is_live().then_some(Reason::Full);
            if state.is_live() {
                assert_eq!(next.deadline(), Some(Instant::ZERO));
                assert_eq!(next.expire(at(0), SPAN), expected);
            } else {
                assert_eq!(next, state);
            }

            let mut next = state;
            next.end(Reason::PingTimeout);
            assert_eq!(next.reason(), Some(Reason::PingTimeout));
            assert_eq!((next.deadline(), next.expire(at(99), SPAN)), (None, None));
            for channel in CHANNELS {
                assert_eq!(next.listener(channel), Listener::Nobody);
                let of_queue = next.gives(channel, true) == Gives::Queue;
                assert_eq!(of_queue, is_waited_for_at_the_end(next, channel));
                let gives = next.gives(channel, true);
                next.given(channel, gives);
                next.detach(channel, Detach::Done);
            }
            assert!(next.is_finished(), "{state:?}");
        });
    }

    #[test]
    fn every_state_meets_the_passing_of_time() {
        each(|state| {
            for now in [at(0), at(9), at(10), at(15), at(20), at(99)] {
                let mut next = state;
                let reason = next.expire(now, SPAN);
                let expected = match state.life {
                    Life::Doomed(reason) => Some(reason),
                    Life::Closing(Deadline::At(by)) if by <= now => Some(Reason::Forced),
                    _ => None,
                };
                assert_eq!(reason, expected, "{state:?} at {now:?}");
                if let Some(reason) = reason {
                    next.end(reason);
                }
                assert!(next.deadline().is_none_or(|at| at > now), "{state:?}");
                let late = state.probe_deadline().is_some_and(|by| by <= now);
                if late && state.is_live() {
                    assert_eq!(next.gives(Channel::WebSocket, false), Gives::Close);
                }
            }
        });
    }
}
