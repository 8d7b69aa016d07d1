//! Where a client's session stands. Every transition stands here.
//!
//! ```text
//! the session     Opening ------> Open ------> Closing -----> Closed
//!                    |    open      |   close    told,         ^
//!                    |              |            deadline      |
//!                    +--------------+--------------------------+
//!                       the peer, a fault, a deadline, a close while opening
//!
//! its WebSocket   Wanted ---> Trying ---> Probed ---> Pausing ---> Switching ---> Active
//!                      attach     2probe      3probe     nothing in      5
//!                                                        flight
//!                 another packet, a deadline, the end:  ---> Refused ---> Gone
//!                                                                    told
//! ```
//!
//! An upgrade loses nothing because nothing is sent between the answer to the
//! probe and the upgrade, which waits for the GET and the POST that are in flight.
//! The module knows no packets and no queue. Engine.IO protocol, "Upgrade".

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
    /// How many GETs in a row have brought nothing.
    empty: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    /// The open packet has not come, and has until then.
    Opening(Instant),
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
    /// None until then, since too many have brought nothing.
    Resting(Instant),
    /// Is in flight, and has brought nothing yet.
    Empty,
    /// Is in flight, and has brought something.
    Fed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Post {
    None,
    /// Is in flight.
    InFlight,
    /// The same, and tells the server that the session closes.
    Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Socket {
    None,
    Wanted,
    /// It is there or on its way, the probe is yet to be sent.
    Trying(Instant),
    /// The answer to the probe has until then.
    Probed(Instant),
    /// It was answered. Nothing more is sent by polling, and what is in flight has
    /// until then.
    Pausing(Instant),
    /// Nothing is in flight, and the upgrade is yet to be sent.
    Switching,
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
    Close,
    Probe,
    Upgrade,
}

/// Who listens to what a channel brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    Nobody,
    /// It brings what opens the session.
    Opening,
    /// It brings the answer to the probe.
    Probe,
    Session,
}

impl State {
    /// A session that this transport is to open.
    pub(super) fn new(transport: Transport, open_by: Instant) -> Self {
        Self {
            life: Life::Opening(open_by),
            get: Get::None,
            post: Post::None,
            socket: match transport {
                Transport::Polling => Socket::None,
                Transport::WebSocket => Socket::Wanted,
            },
            empty: 0,
        }
    }

    /// Whether a channel of this kind should begin now; `waiting` says whether
    /// anything is queued.
    pub(super) fn wants(&self, channel: Channel, waiting: bool) -> bool {
        let polling = match self.socket {
            Socket::Wanted if self.is_opening() => false,
            Socket::Pausing(_) | Socket::Switching | Socket::Active | Socket::Told => false,
            _ => true,
        };
        match (channel, self.life) {
            (_, Life::Doomed(_) | Life::Closed(_)) => false,
            (Channel::Get, Life::Closing(_)) => false,
            (Channel::Get, _) => polling && self.get == Get::None,
            (Channel::Post, Life::Opening(_)) => false,
            (Channel::Post, Life::Open) => polling && self.post == Post::None && waiting,
            (Channel::Post, Life::Closing(_)) => polling && self.post == Post::None,
            (Channel::WebSocket, Life::Closing(_)) => false,
            (Channel::WebSocket, _) => self.socket == Socket::Wanted,
        }
    }

    /// A channel that is wanted begins.
    pub(super) fn attach(
        &mut self,
        channel: Channel,
        waiting: bool,
        probe_by: Instant,
    ) -> Result<(), Refusal> {
        if !self.is_live() {
            return Err(Refusal::Closed);
        }
        if !self.wants(channel, waiting) {
            return Err(Refusal::Unwanted);
        }
        match channel {
            Channel::Get => self.get = Get::Empty,
            Channel::Post => self.post = Post::InFlight,
            Channel::WebSocket if self.is_opening() => self.socket = Socket::Active,
            Channel::WebSocket => self.socket = Socket::Trying(probe_by),
        }
        Ok(())
    }

    /// A channel ended. Returns why the session has to end, if it has.
    pub(super) fn detach(&mut self, now: Instant, channel: Channel, how: Detach) -> Option<Reason> {
        let lost = how == Detach::Lost;
        let reason = match channel {
            Channel::Get => match self.get {
                Get::None | Get::Resting(_) => None,
                Get::Empty | Get::Fed => {
                    self.get_ends(now);
                    lost.then_some(Reason::Lost(channel))
                }
            },
            Channel::Post => match core::mem::replace(&mut self.post, Post::None) {
                Post::None => None,
                _ if lost => Some(Reason::Lost(channel)),
                Post::InFlight => None,
                Post::Told => Some(Reason::Forced),
            },
            Channel::WebSocket => match core::mem::replace(&mut self.socket, Socket::None) {
                Socket::Active | Socket::Switching if lost => Some(Reason::Lost(channel)),
                Socket::Active | Socket::Switching => Some(Reason::Peer),
                Socket::Told => Some(Reason::Forced),
                // It was to open the session, and could not be had.
                Socket::Wanted if self.is_opening() => Some(Reason::Lost(channel)),
                // Without it the session goes on by polling.
                _ => None,
            },
        };
        reason.filter(|_| self.is_live())
    }

    /// A server that answers at once and has nothing to say gets fewer GETs.
    fn get_ends(&mut self, now: Instant) {
        self.empty = match self.get {
            Get::Fed => 0,
            _ => self.empty.saturating_add(1),
        };
        self.get = match self.empty.checked_sub(EMPTY_ANSWERS) {
            Some(more) if self.is_live() => {
                let rest = REST.saturating_mul(1 << more.min(7));
                Get::Resting(now.after(rest.min(LONGEST_REST)))
            }
            _ => Get::None,
        };
    }

    /// The GET that is in flight has brought something.
    pub(super) fn get_brings(&mut self) {
        if self.get == Get::Empty {
            self.get = Get::Fed;
        }
    }

    /// The session is open, and may go over to a WebSocket or not.
    pub(super) fn open(&mut self, upgrade: bool) {
        if !self.is_opening() {
            return;
        }
        self.life = Life::Open;
        if upgrade && self.socket == Socket::None {
            self.socket = Socket::Wanted;
        }
    }

    /// The probe is answered. False if that was not awaited.
    pub(super) fn probe_answered(&mut self) -> bool {
        let Socket::Probed(by) = self.socket else {
            return false;
        };
        self.socket = Socket::Pausing(by);
        true
    }

    /// Goes over to the WebSocket once nothing is in flight. True if it does.
    pub(super) fn switch(&mut self) -> bool {
        let idle = !matches!(self.get, Get::Empty | Get::Fed) && self.post == Post::None;
        let switches = idle && self.is_live() && matches!(self.socket, Socket::Pausing(_));
        if switches {
            self.socket = Socket::Switching;
        }
        switches
    }

    /// The upgrade is given up, or not even begun.
    pub(super) fn refuse(&mut self) {
        self.socket = match self.socket {
            Socket::Wanted => Socket::None,
            Socket::Trying(_) | Socket::Probed(_) | Socket::Pausing(_) => Socket::Refused,
            socket => socket,
        };
    }

    /// What the channel gets next; `waiting` says whether anything is queued.
    pub(super) fn gives(&self, to: Channel, waiting: bool) -> Gives {
        let closing = matches!(self.life, Life::Closing(_));
        match (to, self.socket) {
            (Channel::WebSocket, Socket::Refused) => Gives::Close,
            _ if !self.is_live() => Gives::Nothing,
            (Channel::Get, _) => Gives::Nothing,
            (Channel::Post, _) if self.post != Post::InFlight => Gives::Nothing,
            (Channel::WebSocket, Socket::Trying(_)) => Gives::Probe,
            (Channel::WebSocket, Socket::Switching) => Gives::Upgrade,
            (Channel::Post, _) | (Channel::WebSocket, Socket::Active) if waiting => Gives::Queue,
            (Channel::Post, _) | (Channel::WebSocket, Socket::Active) if closing => Gives::Close,
            _ => Gives::Nothing,
        }
    }

    /// The channel got that.
    pub(super) fn given(&mut self, to: Channel, gives: Gives) {
        match (to, gives, self.socket) {
            (Channel::Post, Gives::Close, _) => self.post = Post::Told,
            (Channel::WebSocket, Gives::Probe, Socket::Trying(by)) => {
                self.socket = Socket::Probed(by);
            }
            (Channel::WebSocket, Gives::Upgrade, _) => self.socket = Socket::Active,
            (Channel::WebSocket, Gives::Close, Socket::Active) => self.socket = Socket::Told,
            (Channel::WebSocket, Gives::Close, _) => self.socket = Socket::Gone,
            _ => {}
        }
    }

    /// The application closes. An upgrade that is not done is not worth waiting for.
    pub(super) fn close(&mut self) {
        match self.life {
            Life::Opening(_) => self.doom(Reason::Forced),
            Life::Open => {
                self.life = Life::Closing(Deadline::Unset);
                self.refuse();
            }
            _ => {}
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
        self.refuse();
        self.socket = match self.socket {
            Socket::Switching | Socket::Active => Socket::Refused,
            Socket::Told => Socket::Gone,
            socket => socket,
        };
        if let Get::Resting(_) = self.get {
            self.get = Get::None;
        }
    }

    /// Time has come to `now`. Returns why the session has to end, if it has.
    pub(super) fn expire(&mut self, now: Instant, close_timeout: Duration) -> Option<Reason> {
        match &mut self.life {
            Life::Closed(_) => return None,
            Life::Doomed(reason) => return Some(*reason),
            Life::Opening(by) if *by <= now => return Some(Reason::OpenTimeout),
            Life::Closing(by) => {
                if by.start(now, close_timeout) <= now {
                    return Some(Reason::Forced);
                }
            }
            Life::Opening(_) | Life::Open => {}
        }
        if self.probe_deadline().is_some_and(|by| by <= now) {
            self.refuse();
        }
        if matches!(self.get, Get::Resting(until) if until <= now) {
            self.get = Get::None;
        }
        None
    }

    /// When [`expire`](Self::expire) has something to do: at once, where a command
    /// has left that to it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let life = match self.life {
            Life::Closed(_) => return None,
            Life::Doomed(_) => return Some(Instant::ZERO),
            Life::Opening(by) => Some(by),
            Life::Closing(by) => Some(by.next()),
            Life::Open => None,
        };
        let rest = match self.get {
            Get::Resting(until) => Some(until),
            _ => None,
        };
        Instant::earlier(life, Instant::earlier(rest, self.probe_deadline()))
    }

    fn probe_deadline(&self) -> Option<Instant> {
        match self.socket {
            Socket::Trying(by) | Socket::Probed(by) | Socket::Pausing(by) => Some(by),
            _ => None,
        }
    }

    /// Who listens to what this channel brings.
    pub(super) fn listener(&self, from: Channel) -> Listener {
        let in_flight = matches!(self.get, Get::Empty | Get::Fed);
        match (from, self.socket) {
            _ if !self.is_live() => Listener::Nobody,
            (Channel::Get, _) if in_flight => self.main_listener(),
            (Channel::WebSocket, Socket::Active | Socket::Switching) => self.main_listener(),
            (Channel::WebSocket, _) if self.probe_deadline().is_some() => Listener::Probe,
            _ => Listener::Nobody,
        }
    }

    /// Whether a POST is in flight.
    pub(super) fn has_post(&self) -> bool {
        self.is_live() && self.post != Post::None
    }

    fn main_listener(&self) -> Listener {
        match self.life {
            Life::Opening(_) => Listener::Opening,
            _ => Listener::Session,
        }
    }

    /// By what the session goes.
    pub(super) fn transport(&self) -> Transport {
        match self.socket {
            Socket::Wanted if self.is_opening() => Transport::WebSocket,
            Socket::Switching | Socket::Active | Socket::Told => Transport::WebSocket,
            _ => Transport::Polling,
        }
    }

    /// Whether what is sent can go out at once.
    pub(super) fn is_awaited(&self) -> bool {
        match self.socket {
            Socket::Active => true,
            Socket::Pausing(_) | Socket::Switching => false,
            _ => self.post == Post::None,
        }
    }

    pub(super) fn is_opening(&self) -> bool {
        matches!(self.life, Life::Opening(_))
    }

    pub(super) fn is_open(&self) -> bool {
        self.life == Life::Open
    }

    fn is_live(&self) -> bool {
        !matches!(self.life, Life::Doomed(_) | Life::Closed(_))
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

/// After so many GETs in a row that bring nothing, the next one waits.
const EMPTY_ANSWERS: u8 = 10;
/// For so long at first, and twice as long each time.
const REST: Duration = Duration::from_millis(10);
/// But never longer.
const LONGEST_REST: Duration = Duration::from_secs(1);

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
            Life::Opening(at(10)),
            Life::Open,
            Life::Closing(Deadline::Unset),
            Life::Closing(Deadline::At(at(10))),
            Life::Doomed(Reason::Full),
            Life::Closed(Reason::Forced),
        ];
        let gets = [Get::None, Get::Resting(at(15)), Get::Empty, Get::Fed];
        let by = at(20);
        let sockets = [
            Socket::None,
            Socket::Wanted,
            Socket::Trying(by),
            Socket::Probed(by),
            Socket::Pausing(by),
            Socket::Switching,
            Socket::Active,
            Socket::Told,
            Socket::Refused,
            Socket::Gone,
        ];
        let mut states = Vec::new();
        for life in lives {
            for get in gets {
                for post in [Post::None, Post::InFlight, Post::Told] {
                    states.extend(sockets.map(|socket| State {
                        life,
                        get,
                        post,
                        socket,
                        empty: 0,
                    }));
                }
            }
        }
        states
    }

    fn each(check: impl Fn(State)) {
        states().into_iter().for_each(check);
    }

    fn in_flight(state: &State, channel: Channel) -> bool {
        match channel {
            Channel::Get => matches!(state.get, Get::Empty | Get::Fed),
            Channel::Post => state.post != Post::None,
            Channel::WebSocket => !matches!(state.socket, Socket::None | Socket::Wanted),
        }
    }

    #[test]
    fn every_state_meets_every_channel_that_begins() {
        each(|state| {
            for channel in CHANNELS {
                for waiting in [false, true] {
                    let wanted = state.wants(channel, waiting);
                    let mut next = state;
                    let attached = next.attach(channel, waiting, at(20));
                    assert_eq!(attached.is_ok(), wanted, "{state:?}, {channel:?}");
                    if !wanted {
                        assert_eq!(next, state, "a refused channel changes nothing");
                        continue;
                    }
                    assert!(!in_flight(&state, channel), "one at a time: {state:?}");
                    assert!(in_flight(&next, channel) && !next.wants(channel, waiting));
                    let pauses = matches!(
                        state.socket,
                        Socket::Pausing(_) | Socket::Switching | Socket::Active | Socket::Told
                    );
                    assert!(!pauses, "nothing is asked for by polling: {state:?}");
                }
            }
        });
    }

    #[test]
    fn every_state_meets_every_channel_that_ends() {
        each(|state| {
            for channel in CHANNELS {
                for how in [Detach::Done, Detach::Lost] {
                    let lost = how == Detach::Lost;
                    let mut next = state;
                    let reason = next.detach(at(0), channel, how);
                    let expected = match (channel, state.post, state.socket) {
                        _ if !state.is_live() => None,
                        (Channel::Get, ..) if lost && in_flight(&state, channel) => {
                            Some(Reason::Lost(channel))
                        }
                        (Channel::Post, Post::InFlight | Post::Told, _) if lost => {
                            Some(Reason::Lost(channel))
                        }
                        (Channel::Post, Post::Told, _) => Some(Reason::Forced),
                        (Channel::WebSocket, _, Socket::Switching | Socket::Active) if lost => {
                            Some(Reason::Lost(channel))
                        }
                        (Channel::WebSocket, _, Socket::Switching | Socket::Active) => {
                            Some(Reason::Peer)
                        }
                        (Channel::WebSocket, _, Socket::Told) => Some(Reason::Forced),
                        (Channel::WebSocket, _, Socket::Wanted) if state.is_opening() => {
                            Some(Reason::Lost(channel))
                        }
                        _ => None,
                    };
                    assert_eq!(reason, expected, "{state:?}, {channel:?}, {how:?}");
                    assert!(!in_flight(&next, channel));
                    assert_eq!(next.life, state.life, "the caller ends it");
                }
            }
        });
    }

    #[test]
    fn every_state_meets_open_probe_upgrade_and_refusal() {
        each(|state| {
            for upgrade in [false, true] {
                let mut next = state;
                next.open(upgrade);
                let opens = state.is_opening();
                assert_eq!(next.is_open(), opens || state.is_open());
                let wanted = opens && upgrade && state.socket == Socket::None;
                let wants = next.wants(Channel::WebSocket, false);
                let wanted_before = state.socket == Socket::Wanted && next.is_open();
                assert_eq!(wants, wanted || wanted_before, "{state:?}");
            }

            let mut next = state;
            let probed = matches!(state.socket, Socket::Probed(_));
            assert_eq!(next.probe_answered(), probed);
            assert_eq!(next == state, !probed);

            let mut next = state;
            let idle = !in_flight(&state, Channel::Get) && !in_flight(&state, Channel::Post);
            let switches = idle && state.is_live() && matches!(state.socket, Socket::Pausing(_));
            assert_eq!(next.switch(), switches, "{state:?}");
            if switches {
                assert_eq!(next.gives(Channel::WebSocket, true), Gives::Upgrade);
                next.given(Channel::WebSocket, Gives::Upgrade);
                assert_eq!(next.gives(Channel::WebSocket, true), Gives::Queue);
                assert_eq!(next.transport(), Transport::WebSocket);
            }

            let mut next = state;
            next.refuse();
            if state.probe_deadline().is_some() {
                assert_eq!(next.gives(Channel::WebSocket, true), Gives::Close);
                assert_eq!(next.listener(Channel::WebSocket), Listener::Nobody);
            }
            assert!(!next.wants(Channel::WebSocket, true));
        });
    }

    #[test]
    fn every_state_gives_until_there_is_nothing_left() {
        each(|state| {
            for channel in CHANNELS {
                let mut next = state;
                let mut given = Vec::new();
                for waiting in [true, false, false, false, false] {
                    let gives = next.gives(channel, waiting);
                    next.given(channel, gives);
                    given.push(gives);
                }
                assert_eq!(given.pop(), Some(Gives::Nothing), "{state:?} for ever");
                let of_queue = given.contains(&Gives::Queue);
                assert!(!of_queue || state.is_live());
                assert_eq!(next.life, state.life);
            }
        });
    }

    #[test]
    fn every_state_meets_commands_and_the_end() {
        each(|state| {
            let mut next = state;
            next.close();
            assert!(!next.is_open() && !next.is_opening());
            assert_eq!(next.reason(), state.reason(), "close is no end yet");
            assert!(!next.wants(Channel::WebSocket, true));

            let mut next = state;
            next.doom(Reason::Full);
            match state.is_live() {
                true => assert_eq!(next.expire(at(0), SPAN), Some(Reason::Full)),
                false => assert_eq!(next, state),
            }

            let mut next = state;
            next.empty = EMPTY_ANSWERS;
            next.end(Reason::PingTimeout);
            assert_eq!(next.reason(), Some(Reason::PingTimeout));
            assert_eq!((next.deadline(), next.expire(at(99), SPAN)), (None, None));
            for channel in CHANNELS {
                assert!(!next.wants(channel, true));
                assert_eq!(next.listener(channel), Listener::Nobody);
                assert_ne!(next.gives(channel, true), Gives::Queue);
                next.detach(at(99), channel, Detach::Lost);
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
                    Life::Opening(by) if by <= now => Some(Reason::OpenTimeout),
                    Life::Closing(Deadline::At(by)) if by <= now => Some(Reason::Forced),
                    _ => None,
                };
                assert_eq!(reason, expected, "{state:?} at {now:?}");
                if let Some(reason) = reason {
                    next.end(reason);
                }
                assert!(next.deadline().is_none_or(|at| at > now), "{state:?}");
            }
        });
    }
}
