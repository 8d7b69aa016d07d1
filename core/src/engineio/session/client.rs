//! The client's end of a session.

mod state;

use alloc::sync::Arc;
use core::time::Duration;

use self::state::{Gives, Listener, State};
use super::{
    Channel, ClientConfig, Detach, Event, Fault, PROBE, Reason, Refusal, Refused, SendError,
    Separator, Stats, WhenFull,
};
use crate::engineio::heartbeat::{Heartbeat, Signal};
use crate::engineio::queue::{Prepared, Queue};
use crate::engineio::{Open, Packet, Payload, Transport, Version};
use crate::{Instant, Kind, Message};

/// One session of a client, whatever its transport.
///
/// # The loop
///
/// 1. Where the session [`wants`](Self::wants) a GET, a POST or a WebSocket,
///    [`attach`](Self::attach) it and begin it. A POST carries what
///    [`fill`](Self::fill) gives, once. A WebSocket is attached before it connects,
///    since that time counts too.
/// 2. Give the packets of a GET's answer, and the messages of the WebSocket, to
///    [`handle_packet`](Self::handle_packet). A body without a byte has no packets.
///    What is no packet, and an answer with another status than 200, goes to
///    [`handle_error`](Self::handle_error).
/// 3. Once the WebSocket is connected, send what
///    [`next_packet`](Self::next_packet) gives for it whenever
///    [`has_output`](Self::has_output). [`Packet::Close`] closes it and is not sent.
/// 4. [`detach`](Self::detach) a GET when its packets are handled, a POST when it is
///    answered, and a WebSocket when it has ended, could not be had, or
///    [`Packet::Close`] was given for it: at once, not when it is written. What is
///    cut off before is [`Lost`](Detach::Lost).
/// 5. Call [`handle_timeout`](Self::handle_timeout) at the instant that
///    [`poll_timeout`](Self::poll_timeout) names, which any call may change.
/// 6. After [`Event::Closed`] cut off what is still in flight. Forget the session
///    when it [`is_finished`](Self::is_finished).
///
/// ```
/// use sockeye::engineio::{
///     Channel, ClientConfig, ClientSession, Detach, Event, Packet, Transport, Version,
/// };
/// use sockeye::Instant;
///
/// let now = Instant::ZERO;
/// let config = ClientConfig::default();
/// let mut session = ClientSession::new(config, Version::V4, Transport::Polling, now);
/// assert!(session.wants(Channel::Get));
/// session.attach(now, Channel::Get).unwrap();
/// let open = r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
/// let event = session.handle_packet(now, Channel::Get, Packet::Open(open.into()));
/// assert_eq!(event, Some(Event::Opened));
/// session.detach(now, Channel::Get, Detach::Done);
///
/// session.send("hi")?;
/// assert!(session.wants(Channel::Get) && session.wants(Channel::Post));
/// session.attach(now, Channel::Post).unwrap();
/// let mut body = session.payload();
/// session.fill(now, Channel::Post, &mut body);
/// assert_eq!(body.into_body(), b"4hi");
/// # Ok::<_, sockeye::engineio::SendError>(())
/// ```
///
/// # What it promises
///
/// What [`ServerSession`](super::ServerSession) promises. A POST that is cut off, or
/// answered with an error, ends the session: whether the server has its messages
/// nobody knows, so they are not sent again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientSession {
    version: Version,
    state: State,
    /// What is known once the session is open.
    server: Option<Server>,
    queue: Queue,
    /// The latest time there was: a clock that goes back stands still.
    clock: Instant,
    stats: Stats,
    config: Arc<ClientConfig>,
}

/// What the server has said of the session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Server {
    open: Open<'static>,
    heartbeat: Heartbeat,
}

impl ClientSession {
    /// A session that this transport is to open.
    ///
    /// By polling it goes over to a WebSocket as soon as it is open, if the server
    /// and [`ClientConfig::upgrades`] allow that.
    pub fn new(
        config: impl Into<Arc<ClientConfig>>,
        version: Version,
        transport: Transport,
        now: Instant,
    ) -> Self {
        let config = config.into();
        Self {
            version,
            state: State::new(transport, now.after(config.open_timeout)),
            server: None,
            queue: Queue::default(),
            clock: now,
            stats: Stats::default(),
            config,
        }
    }

    /// Whether a channel of this kind should begin now.
    pub fn wants(&self, channel: Channel) -> bool {
        self.state.wants(channel, self.is_waiting())
    }

    /// A channel that is wanted begins.
    ///
    /// # Errors
    ///
    /// It is not wanted, or the session has ended; do not begin it.
    pub fn attach(&mut self, now: Instant, channel: Channel) -> Result<(), Refused> {
        if let Some(event) = self.advance(now) {
            let why = Refusal::Closed;
            let event = Some(event);
            return Err(Refused { why, event });
        }
        let waiting = self.is_waiting();
        let probe_by = self.clock.after(self.config.upgrade_timeout);
        let attached = self.state.attach(channel, waiting, probe_by);
        attached.map_err(|why| Refused { why, event: None })
    }

    /// A channel has ended: the packets of a GET are handled, a POST is answered, a
    /// WebSocket is closed, at its end or not to be had; or it was cut off before.
    pub fn detach(
        &mut self,
        now: Instant,
        channel: Channel,
        how: Detach,
    ) -> Option<Event<'static>> {
        let event = self.advance(now);
        let reason = self.state.detach(self.clock, channel, how);
        self.queue.release();
        event
            .or_else(|| reason.map(|reason| self.end(reason)))
            .or_else(|| self.state.switch().then_some(Event::Upgraded))
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
            Listener::Opening => Some(self.handle_opening(&packet)),
            Listener::Probe => self.handle_probe(&packet),
            Listener::Session => {
                if from == Channel::Get && packet != Packet::Noop {
                    self.state.get_brings();
                }
                self.handle_session_packet(packet)
            }
        }
    }

    /// A channel has brought something else than packets, or too much of it, or an
    /// answer with another status than 200.
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
        match (from, self.state.listener(from)) {
            (_, Listener::Probe) => {
                self.state.refuse();
                None
            }
            // The answer to a POST brings no packets, but it has a status.
            (Channel::Post, _) if self.state.has_post() => {
                Some(self.end(Reason::Fault(fault.into())))
            }
            (_, Listener::Nobody) => None,
            (_, Listener::Opening | Listener::Session) => {
                Some(self.end(Reason::Fault(fault.into())))
            }
        }
    }

    /// Whether the channel has something to take.
    pub fn has_output(&self, to: Channel) -> bool {
        self.state.gives(to, self.is_waiting()) != Gives::Nothing
    }

    /// Moves packets into the body of a POST that begins: as many as the server
    /// and [`ClientConfig::max_packets`] allow, and one at least.
    pub fn fill(&mut self, now: Instant, to: Channel, payload: &mut Payload) {
        while let Some(packet) = self.next(now, to, Some(payload)) {
            // What polling cannot carry was refused when it was sent.
            let _ = payload.push(&packet);
        }
    }

    /// An empty payload, for [`fill`](Self::fill).
    pub fn payload(&self) -> Payload {
        Payload::new(self.version, Kind::Binary)
    }

    /// Takes the next packet for the channel. None is the end of what it gets for
    /// now.
    pub fn next_packet(&mut self, now: Instant, to: Channel) -> Option<Packet<'_>> {
        self.next(now, to, None)
    }

    /// Sends a message: text, bytes, a [`Message`] or a reference to one.
    ///
    /// # Errors
    ///
    /// [`Opening`](SendError::Opening), [`Closing`](SendError::Closing),
    /// [`Full`](SendError::Full), [`TooLarge`](SendError::TooLarge) or
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
    /// dropped, because it could not go out at once.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but never [`Full`](SendError::Full).
    pub fn send_volatile<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<bool, SendError> {
        self.may_send_now()?;
        if !self.state.is_awaited() || !self.is_low() || !self.has_room() {
            self.stats.dropped = self.stats.dropped.wrapping_add(1);
            return Ok(false);
        }
        self.push(Prepared::new(message)).map(|()| true)
    }

    /// Ends the session once what is queued is sent, or when
    /// [`ClientConfig::close_timeout`] has passed.
    ///
    /// Messages still arrive until then, and [`Event::Closed`] comes with the end.
    pub fn close(&mut self) {
        self.state.close();
    }

    /// Time has come to `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Event<'static>> {
        self.advance(now)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let heartbeat = self.heartbeat().and_then(Heartbeat::deadline);
        Instant::earlier(self.state.deadline(), heartbeat)
    }

    /// A message that was never handed to a channel, once the session has ended.
    pub fn next_unsent(&mut self) -> Option<Message<'_>> {
        self.reason()?;
        Some(self.queue.pop()?.message())
    }

    /// What the server said of the session, once it is open: its name above all,
    /// which is a secret.
    pub fn open(&self) -> Option<&Open<'static>> {
        Some(&self.server.as_ref()?.open)
    }

    /// The version that every request has to name.
    pub fn version(&self) -> Version {
        self.version
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

    /// Whether the session has ended and no channel is left.
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
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }
}

impl ClientSession {
    /// Lets time pass, and ends the session if a deadline did.
    fn advance(&mut self, now: Instant) -> Option<Event<'static>> {
        self.clock = self.clock.max(now);
        if let Some(reason) = self.state.expire(self.clock, self.config.close_timeout) {
            return Some(self.end(reason));
        }
        let heartbeat = self.server.as_mut().map(|server| &mut server.heartbeat);
        let alive = match heartbeat {
            Some(heartbeat) if self.state.is_open() => heartbeat.advance(self.clock),
            _ => true,
        };
        (!alive).then(|| self.end(Reason::PingTimeout))
    }

    fn end(&mut self, reason: Reason) -> Event<'static> {
        self.state.end(reason);
        Event::Closed(reason)
    }

    /// The first packet of the session.
    fn handle_opening(&mut self, packet: &Packet<'_>) -> Event<'static> {
        let Packet::Open(json) = packet else {
            return self.end(Reason::Fault(Fault::Unexpected));
        };
        let open = match Open::parse(json) {
            Ok(open) => open.into_owned(),
            Err(error) => return self.end(Reason::Fault(error.into())),
        };
        let (now, timeout) = (self.clock, open.ping_timeout);
        let heartbeat = match self.version {
            Version::V4 => Heartbeat::listening(now, open.ping_interval, timeout),
            Version::V3 => Heartbeat::pinging(now, open.ping_interval.max(LEAST_INTERVAL), timeout),
        };
        let upgrades = [self.config.upgrades, open.upgrades];
        let upgrade = upgrades.iter().all(|it| it.contains(Transport::WebSocket));
        self.state.get_brings();
        self.state.open(upgrade);
        self.server = Some(Server { open, heartbeat });
        Event::Opened
    }

    /// A packet by a WebSocket that the session does not go by yet.
    fn handle_probe(&mut self, packet: &Packet<'_>) -> Option<Event<'static>> {
        let answered = matches!(packet, Packet::Pong(data) if data == PROBE);
        if !answered || !self.state.probe_answered() {
            self.state.refuse();
        }
        self.state.switch().then_some(Event::Upgraded)
    }

    fn handle_session_packet<'i>(&mut self, packet: Packet<'i>) -> Option<Event<'i>> {
        let now = self.clock;
        let heartbeat = &mut self.server.as_mut()?.heartbeat;
        match (packet, self.version) {
            (Packet::Message(message), _) => {
                heartbeat.heard(now);
                self.stats.received(&message);
                return Some(Event::Message(message));
            }
            (Packet::Ping(_), Version::V4) => heartbeat.ping(now),
            (Packet::Pong(_), Version::V3) => {
                let round_trip = heartbeat.pong(now);
                self.stats.round_trip = round_trip.or(self.stats.round_trip);
            }
            (Packet::Ping(_), Version::V3) | (Packet::Pong(_), Version::V4) => {
                return Some(self.end(Reason::Fault(Fault::Heartbeat)));
            }
            (Packet::Close, _) => return Some(self.end(Reason::Peer)),
            // A second "open" would be another session.
            (Packet::Open(_) | Packet::Upgrade, _) => {
                return Some(self.end(Reason::Fault(Fault::Unexpected)));
            }
            (Packet::Noop, _) => heartbeat.heard(now),
        }
        None
    }

    /// The heartbeat, while it counts. A session that closes pings no more.
    fn heartbeat(&self) -> Option<&Heartbeat> {
        let server = self.server.as_ref().filter(|_| self.state.is_open())?;
        Some(&server.heartbeat)
    }

    fn is_waiting(&self) -> bool {
        let signal = self.heartbeat().and_then(Heartbeat::signal);
        signal.is_some() || !self.queue.is_empty()
    }

    /// The next packet for the channel, if there is room for it in `payload`.
    fn next(&mut self, now: Instant, to: Channel, payload: Option<&Payload>) -> Option<Packet<'_>> {
        self.clock = self.clock.max(now);
        self.queue.release();
        // A device that slept finds out here, before it sends anything.
        let deadline = self.heartbeat().and_then(Heartbeat::deadline);
        let silent = deadline.is_some_and(|at| at <= self.clock);
        let gives = self.state.gives(to, self.is_waiting());
        let packet = match gives {
            Gives::Nothing => return None,
            Gives::Queue if silent => return None,
            Gives::Queue => return self.next_queued(to, payload),
            Gives::Close => Packet::Close,
            Gives::Probe => Packet::Ping(PROBE.into()),
            Gives::Upgrade => Packet::Upgrade,
        };
        if !self.fits(&packet, payload) {
            return None;
        }
        self.state.given(to, gives);
        Some(packet)
    }

    fn next_queued(&mut self, to: Channel, payload: Option<&Payload>) -> Option<Packet<'_>> {
        let signal = self.heartbeat().and_then(Heartbeat::signal);
        let control = signal.map(|signal| match signal {
            Signal::Ping => Packet::Ping("".into()),
            Signal::Pong => Packet::Pong("".into()),
        });
        let fits = match &control {
            Some(packet) => self.fits(packet, payload),
            None => self.fits(&Packet::Message(self.queue.front()?.message()), payload),
        };
        if !fits {
            return None;
        }
        self.state.given(to, Gives::Queue);
        if let Some(packet) = control {
            self.server.as_mut()?.heartbeat.handed_out(self.clock);
            return Some(packet);
        }
        let message = self.queue.pop()?.message();
        self.stats.sent(&message);
        Some(Packet::Message(message))
    }

    /// Whether there is room for the packet in the payload, if it is for one. The
    /// first one has room in any case.
    fn fits(&self, packet: &Packet<'_>, payload: Option<&Payload>) -> bool {
        let Some(payload) = payload.filter(|payload| payload.packets() > 0) else {
            return true;
        };
        let own = self.config.max_payload;
        let max = self.max_payload().unwrap_or(u64::MAX).min(own as u64);
        payload.len_with(packet) as u64 <= max && payload.packets() < self.config.max_packets
    }

    /// The most bytes that the server takes at once. Where it says 0 it means none.
    fn max_payload(&self) -> Option<u64> {
        self.open()?.max_payload.filter(|&max| max > 0)
    }

    fn may_send_now(&self) -> Result<(), SendError> {
        match self.state.is_open() {
            true => Ok(()),
            false if self.state.is_opening() => Err(SendError::Opening),
            false => Err(SendError::Closing),
        }
    }

    fn may_send(&mut self) -> Result<(), SendError> {
        self.may_send_now()?;
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
        let packet = Packet::Message(message.message());
        let len = match by_polling {
            true => self.payload().len_with(&packet),
            false => packet.message_len(self.version),
        };
        if self.max_payload().is_some_and(|max| len as u64 > max) {
            return Err(SendError::TooLarge);
        }
        self.queue.push(message);
        Ok(())
    }
}

/// What a server may ask for, a client need not do: pings follow each other no
/// faster.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
