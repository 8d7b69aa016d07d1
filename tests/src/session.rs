//! Sessions of Engine.IO under a virtual clock, and what the other end does.
//!
//! [`Bench`] is the loop that the documentation of `ServerSession` asks for: a GET
//! is answered and a WebSocket is written as soon as there is something to say.
//! [`Client`] is that of `ClientSession`: what is wanted begins at once. They check
//! on the way what holds for every run: no event after the last one, and no
//! deadline that has passed already.
//!
//! ```
//! use sockeye::engineio::{Config, Version};
//! use sockeye_tests::session::Bench;
//!
//! let mut bench = Bench::polling(Version::V4, Config::default());
//! bench.get();
//! assert_eq!(bench.post("4hi"), 200);
//! assert_eq!(bench.events(), ["hi"]);
//! bench.session.send("hello").unwrap();
//! bench.flush();
//! assert_eq!(bench.answers(), ["4hello"]);
//! ```

use core::time::Duration;

use sockeye::engineio::{
    Channel, ClientConfig, ClientSession, Config, Detach, Event, Fault, Packet, Packets, Refusal,
    ServerSession, Sid, Transport, Version,
};
use sockeye::{Instant, Kind, Message};

/// A session, its clock, and what became of the requests.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The session, for commands.
    pub session: ServerSession,
    /// What time it is.
    pub now: Instant,
    events: Vec<String>,
    answers: Vec<String>,
    messages: Vec<String>,
    closed: bool,
}

impl Bench {
    /// A session opened by polling; the open packet was fetched.
    pub fn polling(version: Version, config: Config) -> Self {
        let mut bench = Self::new(version, config, Transport::Polling);
        assert_eq!(bench.answers().len(), 1, "what opens it");
        bench
    }

    /// A session opened by WebSocket; the open packet was sent.
    pub fn websocket(version: Version, config: Config) -> Self {
        let mut bench = Self::new(version, config, Transport::WebSocket);
        assert_eq!(bench.messages().len(), 1, "what opens it");
        bench
    }

    /// A session that went over from polling to WebSocket.
    pub fn upgraded(version: Version, config: Config) -> Self {
        let mut bench = Self::polling(version, config);
        bench.connect().unwrap();
        bench.receive("2probe");
        bench.receive("5");
        assert_eq!(bench.events(), ["upgraded"]);
        assert_eq!(bench.messages(), ["3probe"]);
        bench
    }

    /// A session, and what opens it among the answers or messages.
    pub fn new(version: Version, config: Config, transport: Transport) -> Self {
        let sid = Sid::new(*b"fifteen bytes..");
        let now = Instant::ZERO;
        let mut bench = Self {
            session: ServerSession::new(config, sid, version, transport, now),
            now,
            events: Vec::new(),
            answers: Vec::new(),
            messages: Vec::new(),
            closed: false,
        };
        bench.flush();
        bench
    }

    /// A GET comes, and is answered once there is something to say.
    pub fn try_get(&mut self) -> Result<(), Refusal> {
        let attached = self.session.attach(self.now, Channel::Get);
        self.refused(attached)
    }

    /// A GET comes that has its place.
    pub fn get(&mut self) {
        self.try_get().unwrap();
    }

    /// A POST comes with its whole body. Returns the status of its answer.
    pub fn post(&mut self, body: impl AsRef<[u8]>) -> u16 {
        match self.post_begins() {
            Ok(()) => self.post_ends(body),
            Err(_) => 400,
        }
    }

    /// The head of a POST comes.
    pub fn post_begins(&mut self) -> Result<(), Refusal> {
        let attached = self.session.attach(self.now, Channel::Post);
        self.refused(attached)
    }

    /// The body of the POST that has begun comes.
    pub fn post_ends(&mut self, body: impl AsRef<[u8]>) -> u16 {
        self.post_brings(Kind::Text, body)
    }

    /// The same for a body of this kind.
    pub fn post_brings(&mut self, kind: Kind, body: impl AsRef<[u8]>) -> u16 {
        let mut body = body.as_ref().to_vec();
        let packets = Packets::new(self.session.version(), kind, &mut body, 16_384);
        for packet in packets {
            let event = match packet {
                Ok(packet) => self.session.handle_packet(self.now, Channel::Post, packet),
                Err(error) => {
                    let fault = Fault::from(error);
                    self.session.handle_error(self.now, Channel::Post, fault)
                }
            };
            self.told(event.map(Event::into_owned));
        }
        let status = self.session.reason().map_or(200, |reason| reason.status());
        self.detach(Channel::Post, Detach::Done);
        status
    }

    /// A WebSocket comes.
    pub fn connect(&mut self) -> Result<(), Refusal> {
        let attached = self.session.attach(self.now, Channel::WebSocket);
        self.refused(attached)
    }

    /// A text message comes by the WebSocket.
    pub fn receive(&mut self, text: &str) {
        self.receive_message(text.into());
    }

    /// A message comes by the WebSocket.
    pub fn receive_message(&mut self, message: Message<'_>) {
        assert!(!self.session.is_paused(), "it is not read now");
        let version = self.session.version();
        let event = match Packet::from_message(version, message) {
            Ok(packet) => {
                let event = self
                    .session
                    .handle_packet(self.now, Channel::WebSocket, packet);
                event.map(Event::into_owned)
            }
            Err(error) => self
                .session
                .handle_error(self.now, Channel::WebSocket, error),
        };
        self.told(event);
        self.flush();
    }

    /// A channel ends.
    pub fn detach(&mut self, channel: Channel, how: Detach) {
        let event = self.session.detach(self.now, channel, how);
        self.told(event);
        self.flush();
    }

    /// Something else than packets comes.
    pub fn fault(&mut self, channel: Channel, fault: Fault) {
        let event = self.session.handle_error(self.now, channel, fault);
        self.told(event);
        self.flush();
    }

    /// Lets `span` pass, with a call at every deadline in it.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now.after(span);
        self.tick();
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline that has passed");
            self.now = at;
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    /// Time comes to `self.now`.
    pub fn tick(&mut self) {
        let event = self.session.handle_timeout(self.now);
        self.told(event);
        let next = self.session.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "{next:?} has passed");
        assert_eq!(self.session.handle_timeout(self.now), None, "once");
        self.flush();
    }

    /// Answers the GET and writes to the WebSocket whatever there is.
    pub fn flush(&mut self) {
        while self.session.has_output(Channel::Get) {
            let mut payload = self.session.payload();
            self.session.fill(self.now, Channel::Get, &mut payload);
            let max = self.session.config().max_payload;
            assert!(payload.body().len() <= max || payload.packets() == 1);
            assert!(payload.packets() > 0, "nothing to answer with");
            self.answers.push(text(payload.into_body()));
            let event = self.session.detach(self.now, Channel::Get, Detach::Done);
            self.told(event);
        }
        while let Some(packet) = self.session.next_packet(self.now, Channel::WebSocket) {
            if packet == Packet::Close {
                self.messages.push("close".into());
                let event = self
                    .session
                    .detach(self.now, Channel::WebSocket, Detach::Done);
                self.told(event);
                continue;
            }
            let packet = packet.into_owned();
            let mut body = Vec::new();
            packet.encode_text(self.session.version(), &mut body);
            self.messages.push(text(body));
        }
        assert!(!self.session.has_output(Channel::WebSocket));
    }

    /// What the application was told since the last call: messages as they are, if
    /// binary in hexadecimal digits.
    pub fn events(&mut self) -> Vec<String> {
        core::mem::take(&mut self.events)
    }

    /// What GETs were answered with since the last call.
    pub fn answers(&mut self) -> Vec<String> {
        core::mem::take(&mut self.answers)
    }

    /// What was sent by the WebSocket since the last call; `close` where it was
    /// closed.
    pub fn messages(&mut self) -> Vec<String> {
        core::mem::take(&mut self.messages)
    }

    fn refused(&mut self, attached: Result<(), sockeye::engineio::Refused>) -> Result<(), Refusal> {
        let attached = attached.map_err(|refused| {
            self.told(refused.event);
            refused.why
        });
        self.flush();
        attached
    }

    fn told(&mut self, event: Option<Event<'_>>) {
        let Some(event) = event else {
            return;
        };
        assert!(!self.closed, "{event:?} after the end");
        self.closed = matches!(event, Event::Closed(_));
        self.events.push(shown(&event));
    }
}

/// A client's session, its clock, and what it asks of the server.
#[derive(Clone, Debug)]
pub struct Client {
    /// The session, for commands.
    pub session: ClientSession,
    /// What time it is.
    pub now: Instant,
    /// Whether what the session wants begins at once.
    pub eager: bool,
    gets: usize,
    events: Vec<String>,
    posts: Vec<String>,
    messages: Vec<String>,
    connected: bool,
    closed: bool,
}

/// What opens the sessions of [`Client`]; upgrades are allowed.
pub const OPEN: &str = r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}"#;

impl Client {
    /// A session that begins by this transport.
    pub fn new(version: Version, config: ClientConfig, transport: Transport) -> Self {
        let now = Instant::ZERO;
        let mut client = Self {
            session: ClientSession::new(config, version, transport, now),
            now,
            eager: true,
            gets: 0,
            events: Vec::new(),
            posts: Vec::new(),
            messages: Vec::new(),
            connected: false,
            closed: false,
        };
        client.step();
        client
    }

    /// A session that was opened by polling.
    pub fn polling(version: Version, config: ClientConfig) -> Self {
        let mut client = Self::new(version, config, Transport::Polling);
        let len = OPEN.len();
        client.answer(match version {
            Version::V3 => format!("{len}:{OPEN}"),
            Version::V4 => OPEN.into(),
        });
        assert_eq!(client.events(), ["opened"]);
        client
    }

    /// A session that was opened by polling and asks for no upgrade.
    pub fn polling_only(version: Version) -> Self {
        let mut config = ClientConfig::default();
        config.upgrades = sockeye::engineio::Transports::NONE;
        Self::polling(version, config)
    }

    /// The GET that is in flight is answered with this.
    pub fn answer(&mut self, body: impl Into<Vec<u8>>) {
        let mut body = body.into();
        if !body.is_empty() {
            let packets = Packets::new(self.session.version(), Kind::Text, &mut body, 16_384);
            for packet in packets {
                let event = match packet {
                    Ok(packet) => self.session.handle_packet(self.now, Channel::Get, packet),
                    Err(error) => self.session.handle_error(self.now, Channel::Get, error),
                };
                self.told(event.map(Event::into_owned));
            }
        }
        self.detach(Channel::Get, Detach::Done);
    }

    /// The POST that is in flight is answered.
    pub fn ok(&mut self) {
        self.detach(Channel::Post, Detach::Done);
    }

    /// The WebSocket is connected.
    pub fn connected(&mut self) {
        self.connected = true;
        self.step();
    }

    /// A text message comes by the WebSocket.
    pub fn receive(&mut self, text: &str) {
        let version = self.session.version();
        let event = match Packet::from_message(version, text.into()) {
            Ok(packet) => self
                .session
                .handle_packet(self.now, Channel::WebSocket, packet)
                .map(Event::into_owned),
            Err(error) => self
                .session
                .handle_error(self.now, Channel::WebSocket, error),
        };
        self.told(event);
        self.step();
    }

    /// A channel ends.
    pub fn detach(&mut self, channel: Channel, how: Detach) {
        if channel == Channel::WebSocket {
            self.connected = false;
        }
        let event = self.session.detach(self.now, channel, how);
        self.told(event);
        self.step();
    }

    /// Something else than packets comes.
    pub fn fault(&mut self, channel: Channel, fault: Fault) {
        let event = self.session.handle_error(self.now, channel, fault);
        self.told(event);
        self.step();
    }

    /// Lets `span` pass, with a call at every deadline in it.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now.after(span);
        self.tick();
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline that has passed");
            self.now = at;
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    /// Time comes to `self.now`.
    pub fn tick(&mut self) {
        let event = self.session.handle_timeout(self.now);
        self.told(event);
        let next = self.session.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "{next:?} has passed");
        assert_eq!(self.session.handle_timeout(self.now), None, "once");
        self.step();
    }

    /// Begins what is wanted, and writes to the WebSocket.
    pub fn step(&mut self) {
        for channel in [Channel::Get, Channel::Post, Channel::WebSocket] {
            if !self.eager || !self.session.wants(channel) {
                continue;
            }
            let attached = self.session.attach(self.now, channel);
            if let Err(refused) = attached {
                self.told(refused.event);
                continue;
            }
            match channel {
                Channel::Get => self.gets += 1,
                Channel::Post => {
                    let mut payload = self.session.payload();
                    self.session.fill(self.now, Channel::Post, &mut payload);
                    if payload.packets() > 0 {
                        self.posts.push(text(payload.into_body()));
                    }
                }
                Channel::WebSocket => {}
            }
        }
        while let Some(packet) = self
            .connected
            .then(|| self.session.next_packet(self.now, Channel::WebSocket))
            .flatten()
        {
            if packet == Packet::Close {
                self.messages.push("close".into());
                self.connected = false;
                let event = self
                    .session
                    .detach(self.now, Channel::WebSocket, Detach::Done);
                self.told(event);
                break;
            }
            let packet = packet.into_owned();
            let mut body = Vec::new();
            packet.encode_text(self.session.version(), &mut body);
            self.messages.push(text(body));
        }
    }

    /// How many GETs there were since the last call.
    pub fn gets(&mut self) -> usize {
        core::mem::take(&mut self.gets)
    }

    /// What the application was told since the last call.
    pub fn events(&mut self) -> Vec<String> {
        core::mem::take(&mut self.events)
    }

    /// The bodies of the POSTs since the last call.
    pub fn posts(&mut self) -> Vec<String> {
        core::mem::take(&mut self.posts)
    }

    /// What was sent by the WebSocket since the last call; `close` where it was
    /// closed.
    pub fn messages(&mut self) -> Vec<String> {
        core::mem::take(&mut self.messages)
    }

    fn told(&mut self, event: Option<Event<'_>>) {
        let Some(event) = event else {
            return;
        };
        assert!(!self.closed, "{event:?} after the end");
        self.closed = matches!(event, Event::Closed(_));
        self.events.push(shown(&event));
    }
}

/// An event as the benches show it.
pub fn shown(event: &Event<'_>) -> String {
    match event {
        Event::Message(Message::Text(text)) => text.to_string(),
        Event::Message(Message::Binary(bytes)) => {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        Event::Opened => "opened".into(),
        Event::Upgraded => "upgraded".into(),
        Event::Closed(reason) => format!("closed: {reason}"),
        event => format!("{event:?}"),
    }
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).expect("text")
}
