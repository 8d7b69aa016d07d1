//! The server's end of a session.

mod state;

use alloc::sync::Arc;

use self::state::{Gives, Listener, State};
use super::{
    Channel, Config, Detach, Event, Fault, PROBE, Reason, Refusal, Refused, SendError, Separator,
    Stats, WhenFull,
};
use crate::engineio::heartbeat::{Heartbeat, Signal};
use crate::engineio::queue::{Prepared, Queue};
use crate::engineio::{Open, Packet, Payload, Sid, Transport, Transports, Version};
use crate::{Instant, Kind, Message};

/// One session of a server, whatever its transport.
///
/// # The loop
///
/// 1. When a request or a WebSocket with the session's name arrives,
///    [`attach`](Self::attach) it. The request that opened the session is attached
///    already.
/// 2. Give what it brings to [`handle_packet`](Self::handle_packet): the packets of
///    a POST once its whole body is there, each message of a WebSocket unless
///    [`is_paused`](Self::is_paused). What is no packet goes to
///    [`handle_error`](Self::handle_error).
/// 3. Whenever [`has_output`](Self::has_output), answer the GET with what
///    [`fill`](Self::fill) gives, or send what [`next_packet`](Self::next_packet)
///    gives by the WebSocket. [`Packet::Close`] closes a WebSocket and is not sent.
/// 4. [`detach`](Self::detach) a GET when its answer is complete, a POST when its
///    packets are handled, and a WebSocket when it has ended or
///    [`Packet::Close`] was given for it: at once, not when it is written. What is
///    cut off before is [`Lost`](Detach::Lost).
/// 5. Call [`handle_timeout`](Self::handle_timeout) at the instant that
///    [`poll_timeout`](Self::poll_timeout) names, which any call may change.
/// 6. Forget the session when it [`is_finished`](Self::is_finished).
///
/// A deadline that has passed is handled before whatever else a call does with the
/// same time.
///
/// ```
/// use sockeye::engineio::{
///     Channel, Config, Detach, Event, Packet, ServerSession, Sid, Transport, Version,
/// };
/// use sockeye::Instant;
///
/// let now = Instant::ZERO;
/// let sid = Sid::new(*b"fifteen bytes..");
/// let config = Config::default();
/// let mut session = ServerSession::new(config, sid, Version::V4, Transport::Polling, now);
/// let mut open = session.payload();
/// session.fill(now, Channel::Get, &mut open);
/// session.detach(now, Channel::Get, Detach::Done);
/// assert!(open.body().starts_with(b"0{\"sid\":"));
///
/// // A POST is echoed to the GET that waits.
/// session.attach(now, Channel::Get).unwrap();
/// session.attach(now, Channel::Post).unwrap();
/// match session.handle_packet(now, Channel::Post, Packet::Message("hi".into())) {
///     Some(Event::Message(message)) => session.send(message)?,
///     event => panic!("{event:?}"),
/// }
/// session.detach(now, Channel::Post, Detach::Done);
/// assert!(session.has_output(Channel::Get));
/// let mut answer = session.payload();
/// session.fill(now, Channel::Get, &mut answer);
/// assert_eq!(answer.into_body(), b"4hi");
/// # Ok::<_, sockeye::engineio::SendError>(())
/// ```
///
/// # What it promises
///
/// Messages come out in the order in which they were sent and received, through an
/// upgrade too, and none twice. What was handed to a channel that was then cut off
/// may be lost: nothing in the protocol acknowledges it. No packet makes it panic or
/// return an error, [`Event::Closed`] is the last event, and memory keeps to the
/// limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerSession {
    sid: Sid,
    version: Version,
    /// What the client takes.
    takes: Kind,
    opening: Opening,
    state: State,
    heartbeat: Heartbeat,
    queue: Queue,
    /// The latest time there was: a clock that goes back stands still.
    clock: Instant,
    stats: Stats,
    config: Arc<Config>,
}

/// An idle session is this, and owns nothing else.
const _: () = assert!(core::mem::size_of::<ServerSession>() <= 320);

/// Whether the client knows the session yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Opening {
    /// The open packet goes before everything else.
    Due,
    Done,
}

impl ServerSession {
    /// A session that a request by this transport opens. The GET, or the
    /// WebSocket, is attached already; its first packet opens the session.
    ///
    /// `config` is a [`Config`], or an `Arc` of one that many sessions share.
    pub fn new(
        config: impl Into<Arc<Config>>,
        sid: Sid,
        version: Version,
        transport: Transport,
        now: Instant,
    ) -> Self {
        let config = config.into();
        let heartbeat = match version {
            Version::V4 => Heartbeat::pinging,
            Version::V3 => Heartbeat::listening,
        };
        Self {
            sid,
            version,
            takes: Kind::Binary,
            opening: Opening::Due,
            state: State::new(transport),
            heartbeat: heartbeat(now, config.ping_interval, config.ping_timeout),
            queue: Queue::default(),
            clock: now,
            stats: Stats::default(),
            config,
        }
    }

    /// For a client that takes no binary messages, and said so by `b64=1`: they
    /// go out in base64.
    #[must_use]
    pub fn without_binary(mut self) -> Self {
        self.takes = Kind::Text;
        self
    }

    /// A GET, a POST or a WebSocket with the name of this session has arrived.
    ///
    /// A POST is attached when its head is there, before its body.
    ///
    /// # Errors
    ///
    /// It has no place in the session. A second GET or POST before the answer to
    /// the first ends the session; the first is told so as well.
    pub fn attach(&mut self, now: Instant, channel: Channel) -> Result<(), Refused> {
        if let Some(event) = self.advance(now) {
            let why = Refusal::Closed;
            let event = Some(event);
            return Err(Refused { why, event });
        }
        let refused = match channel {
            Channel::WebSocket if !self.config.upgrades.contains(Transport::WebSocket) => {
                Err(Refusal::Upgrade)
            }
            _ => {
                let probe_by = self.clock.after(self.config.upgrade_timeout);
                self.state.attach(channel, probe_by)
            }
        };
        refused.map_err(|why| Refused {
            why,
            event: (why == Refusal::Overlap).then(|| self.end(Reason::Overlap(channel))),
        })
    }

    /// A channel has ended: a GET is answered, the packets of a POST are handled,
    /// a WebSocket is closed or at its end; or it was cut off before that.
    pub fn detach(
        &mut self,
        now: Instant,
        channel: Channel,
        how: Detach,
    ) -> Option<Event<'static>> {
        let event = self.advance(now);
        let reason = self.state.detach(channel, how);
        self.queue.release();
        event.or_else(|| reason.map(|reason| self.end(reason)))
    }

    /// A packet has come by a channel.
    ///
    /// It is ignored where the channel is not attached or the session has ended.
    pub fn handle_packet<'i>(
        &mut self,
        now: Instant,
        from: Channel,
        packet: Packet<'i>,
    ) -> Option<Event<'i>> {
        if let Some(event) = self.advance(now) {
            return Some(event);
        }
        match self.state.listener(from) {
            Listener::Nobody => None,
            Listener::Probe => self.handle_probe(&packet),
            Listener::Session => self.handle_session_packet(from, packet),
        }
    }

    /// A channel has brought something else than packets, or too much of it.
    ///
    /// A WebSocket that is only tried out is given up; else the session ends.
    pub fn handle_error(
        &mut self,
        now: Instant,
        from: Channel,
        fault: impl Into<Fault>,
    ) -> Option<Event<'static>> {
        if let Some(event) = self.advance(now) {
            return Some(event);
        }
        match self.state.listener(from) {
            Listener::Nobody => None,
            Listener::Probe => {
                self.state.refuse();
                None
            }
            Listener::Session => Some(self.end(Reason::Fault(fault.into()))),
        }
    }

    /// Whether the channel has something to take. A GET is answered as soon as it
    /// has, and not before.
    pub fn has_output(&self, to: Channel) -> bool {
        self.state.gives(to, self.is_waiting()) != Gives::Nothing
    }

    /// Moves packets into the answer to the GET, as many as
    /// [`Config::max_payload`] allows, and one at least.
    pub fn fill(&mut self, now: Instant, to: Channel, payload: &mut Payload) {
        // What waits fits mostly: texts with a digit before and a separator between.
        let waiting = (self.queue.bytes() + 2 * self.queue.len()).saturating_sub(1);
        payload.reserve(waiting.min(self.config.max_payload));
        while let Some(packet) = self.next(now, to, Some(payload)) {
            // What polling cannot carry was refused when it was sent.
            let _ = payload.push(&packet);
        }
    }

    /// An empty payload of the form that the client takes, for
    /// [`fill`](Self::fill).
    pub fn payload(&self) -> Payload {
        Payload::new(self.version, self.takes)
    }

    /// Takes the next packet for the channel. None is the end of what it gets for
    /// now, and of an answer to a GET.
    pub fn next_packet(&mut self, now: Instant, to: Channel) -> Option<Packet<'_>> {
        self.next(now, to, None)
    }

    /// Whether the WebSocket must not be read for now: a POST that began before
    /// the upgrade is still in flight, and what it brings comes first.
    pub fn is_paused(&self) -> bool {
        self.state.is_paused()
    }

    /// What the client says was left unread until `now`, because the application
    /// was busy: its silence says nothing, and counts from now on.
    ///
    /// Call it before whatever else is called with the same time.
    pub fn excuse(&mut self, now: Instant) {
        self.clock = self.clock.max(now);
        self.heartbeat.excuse(self.clock);
    }

    /// Sends a message: text, bytes, a [`Message`] or a reference to one.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing), [`Full`](SendError::Full) or
    /// [`Separator`](SendError::Separator); nothing was queued then.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.may_send()?;
        self.push(Prepared::new(message))
    }

    /// Sends a message that other sessions may send too, without a copy.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        self.may_send()?;
        self.push(message.clone())
    }

    /// Sends a message that is worth nothing later: false says that it was
    /// dropped, because no GET waits or the WebSocket does not keep up.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing) or [`Separator`](SendError::Separator).
    pub fn send_volatile<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<bool, SendError> {
        if !self.state.is_open() {
            return Err(SendError::Closing);
        }
        if !self.state.is_awaited() || !self.is_low() || !self.has_room() {
            self.stats.dropped = self.stats.dropped.wrapping_add(1);
            return Ok(false);
        }
        self.push(Prepared::new(message)).map(|()| true)
    }

    /// Ends the session once what is queued is sent, or when
    /// [`Config::close_timeout`] has passed.
    ///
    /// Messages still arrive until then, and [`Event::Closed`] comes with the end.
    pub fn close(&mut self) {
        self.state.close();
    }

    /// Ends the session at once. What is queued stays unsent, and channels that
    /// wait are told.
    pub fn abort(&mut self, now: Instant) -> Option<Event<'static>> {
        let event = self.advance(now);
        let ended = event.is_some() || self.reason().is_some();
        event.or_else(|| (!ended).then(|| self.end(Reason::Forced)))
    }

    /// Time has come to `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Event<'static>> {
        self.advance(now)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let heartbeat = match self.state.is_open() {
            true => Instant::earlier(self.heartbeat.deadline(), self.unfetched()),
            false => None,
        };
        Instant::earlier(self.state.deadline(), heartbeat)
    }

    /// A message that was never handed to a channel, once the session has ended.
    pub fn next_unsent(&mut self) -> Option<Message<'_>> {
        self.reason()?;
        Some(self.queue.pop()?.message())
    }

    /// The name of the session: a secret.
    pub fn sid(&self) -> &Sid {
        &self.sid
    }

    /// The version that the client speaks; every request has to name it.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the client takes binary messages, or all as text.
    pub fn takes(&self) -> Kind {
        self.takes
    }

    /// By what the session goes: what requests have to name, and where messages
    /// go out.
    pub fn transport(&self) -> Transport {
        self.state.transport()
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Why the session ended, once [`Event::Closed`] was given.
    pub fn reason(&self) -> Option<Reason> {
        self.state.reason()
    }

    /// Whether the session has ended and every channel knows.
    pub fn is_finished(&self) -> bool {
        self.state.is_finished()
    }

    /// How many messages wait to be sent.
    pub fn queued_messages(&self) -> usize {
        self.queue.len()
    }

    /// How many bytes they have together.
    pub fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// Whether a message would be accepted: the high-water mark.
    pub fn has_room(&self) -> bool {
        self.queue.has_room(&self.config.queue)
    }

    /// Whether so little waits that it is time to send more: the low-water mark.
    pub fn is_low(&self) -> bool {
        self.queue.bytes() <= self.config.queue.low
    }

    /// What the session has done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Its limits and deadlines.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl ServerSession {
    /// Lets time pass, and ends the session if a deadline did.
    fn advance(&mut self, now: Instant) -> Option<Event<'static>> {
        self.clock = self.clock.max(now);
        if let Some(reason) = self.state.expire(self.clock, self.config.close_timeout) {
            return Some(self.end(reason));
        }
        let alive = !self.state.is_open()
            || (self.heartbeat.advance(self.clock)
                && self.unfetched().is_none_or(|at| at > self.clock));
        (!alive).then(|| self.end(Reason::PingTimeout))
    }

    /// When a ping has waited too long for a GET to fetch it. Where the client
    /// waits, it is not the client that is late.
    fn unfetched(&self) -> Option<Instant> {
        let at = self.heartbeat.unfetched()?;
        (!self.state.is_awaited()).then_some(at)
    }

    fn end(&mut self, reason: Reason) -> Event<'static> {
        self.state.end(reason);
        Event::Closed(reason)
    }

    /// A packet by a WebSocket that the session does not go by yet.
    fn handle_probe(&mut self, packet: &Packet<'_>) -> Option<Event<'static>> {
        match packet {
            Packet::Ping(data) if data == PROBE => self.state.probe(),
            Packet::Upgrade if self.state.upgrade() => return Some(Event::Upgraded),
            // "If the server receives anything else, the upgrade fails": polling
            // goes on.
            _ => self.state.refuse(),
        }
        None
    }

    fn handle_session_packet<'i>(
        &mut self,
        from: Channel,
        packet: Packet<'i>,
    ) -> Option<Event<'i>> {
        let now = self.clock;
        match (packet, self.version) {
            (Packet::Message(message), _) => {
                self.heartbeat.heard(now);
                self.stats.received(&message);
                return Some(Event::Message(message));
            }
            (Packet::Pong(_), Version::V4) => {
                let round_trip = self.heartbeat.pong(now);
                self.stats.round_trip = round_trip.or(self.stats.round_trip);
            }
            (Packet::Ping(_), Version::V3) => self.heartbeat.ping(now),
            (Packet::Ping(_), Version::V4) | (Packet::Pong(_), Version::V3) => {
                return Some(self.end(Reason::Fault(Fault::Heartbeat)));
            }
            (Packet::Close, _) => return Some(self.end(Reason::Peer)),
            // A second "upgrade" by the WebSocket says what is known already.
            (Packet::Upgrade, _) if from == Channel::WebSocket => {}
            (Packet::Open(_) | Packet::Upgrade, _) => {
                return Some(self.end(Reason::Fault(Fault::Unexpected)));
            }
            (Packet::Noop, _) => self.heartbeat.heard(now),
        }
        None
    }

    /// What the heartbeat has to say. A session that closes pings no more.
    fn signal(&self) -> Option<Signal> {
        self.heartbeat.signal().filter(|_| self.state.is_open())
    }

    fn is_waiting(&self) -> bool {
        self.opening == Opening::Due || self.signal().is_some() || !self.queue.is_empty()
    }

    /// The next packet for the channel, if there is room for it in `payload`.
    fn next(&mut self, now: Instant, to: Channel, payload: Option<&Payload>) -> Option<Packet<'_>> {
        self.clock = self.clock.max(now);
        self.queue.release();
        let gives = self.state.gives(to, self.is_waiting());
        let packet = match gives {
            Gives::Nothing => return None,
            Gives::Queue => return self.next_queued(to, payload),
            Gives::Noop => Packet::Noop,
            Gives::Close => Packet::Close,
            Gives::ProbePong => Packet::Pong(PROBE.into()),
        };
        self.state.given(to, gives);
        Some(packet)
    }

    fn next_queued(&mut self, to: Channel, payload: Option<&Payload>) -> Option<Packet<'_>> {
        let control = self.control();
        if let Some(payload) = payload.filter(|payload| payload.packets() > 0) {
            let max = self.config.max_payload;
            let fits = match (&control, self.queue.front()) {
                (Some(packet), _) => payload.len_with(packet) <= max,
                (None, Some(next)) if payload.surely_fits(next.len(), max) => true,
                (None, next) => payload.len_with(&Packet::Message(next?.message())) <= max,
            };
            if !fits {
                return None;
            }
        }
        self.state.given(to, Gives::Queue);
        let Some(packet) = control else {
            let message = self.queue.pop()?.message();
            self.stats.sent(&message);
            return Some(Packet::Message(message));
        };
        match packet {
            Packet::Open(_) => self.opening = Opening::Done,
            _ => self.heartbeat.handed_out(self.clock),
        }
        Some(packet)
    }

    /// What goes out before every message.
    fn control(&self) -> Option<Packet<'static>> {
        if self.opening == Opening::Due {
            return Some(Packet::Open(self.open().to_json().into()));
        }
        Some(match self.signal()? {
            Signal::Ping => Packet::Ping("".into()),
            Signal::Pong => Packet::Pong("".into()),
        })
    }

    fn open(&self) -> Open<'_> {
        Open {
            sid: self.sid.as_str().into(),
            upgrades: match self.transport() {
                Transport::Polling => self.config.upgrades,
                _ => Transports::NONE,
            },
            ping_interval: self.config.ping_interval,
            ping_timeout: self.config.ping_timeout,
            max_payload: Some(self.config.max_payload as u64),
        }
    }

    fn may_send(&mut self) -> Result<(), SendError> {
        if !self.state.is_open() {
            return Err(SendError::Closing);
        }
        if self.has_room() {
            return Ok(());
        }
        if self.config.queue.when_full == WhenFull::Close {
            self.state.doom(Reason::Full);
        }
        Err(SendError::Full)
    }

    fn push(&mut self, mut message: Prepared) -> Result<(), SendError> {
        let by_polling = self.transport() == Transport::Polling;
        if by_polling && message.is_cut_by_polling(self.version) {
            message = match self.config.separator {
                Separator::Refuse => return Err(SendError::Separator),
                Separator::Binary => message.into_binary(),
            };
        }
        self.queue.push(message);
        Ok(())
    }
}
