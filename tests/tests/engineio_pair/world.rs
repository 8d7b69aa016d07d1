//! A client's and a server's session, and all that is under way between them.
//!
//! A [`World`] knows every [`Step`] that could be next. It checks after each one
//! what holds at all times, and [`settle`](World::settle) what holds in the end.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye::engineio::{
    Channel, ClientConfig, ClientSession, Config, Detach, Event, Fault, Packet, Packets, Prepared,
    Reason, ServerSession, Sid, Transport, Version,
};
use sockeye::{Instant, Kind};

/// What could happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    ServerSends,
    ClientSends,
    GetBegins,
    GetArrives,
    GetReturns,
    PostBegins,
    PostArrives,
    PostBodyArrives,
    PostReturns,
    SocketBegins,
    SocketArrives,
    ServerWrites,
    ClientWrites,
    ServerReads,
    ClientReads,
    Goes(Wrong),
}

/// What could go wrong next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    GetIsCut,
    /// The server does not notice.
    GetIsCutSilently,
    PostIsCut,
    PostIsCutSilently,
    SocketIsRefused,
    SocketIsCut,
    ServerCloses,
    ClientCloses,
    /// Nothing happens until a deadline.
    Stall,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Get {
    None,
    Requested,
    Parked,
    Answered(u16, Vec<u8>),
    /// The server waits for nobody.
    Orphaned,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Post {
    None,
    Requested(Vec<u8>),
    Arriving(Vec<u8>),
    Answered(u16),
    Orphaned,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Socket {
    None,
    Requested,
    Open {
        /// Whether the ends have not closed.
        client: bool,
        server: bool,
        up: VecDeque<Option<Vec<u8>>>,
        down: VecDeque<Option<Vec<u8>>>,
    },
}

/// Two sessions, and what is under way. Equal worlds have the same future.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub server: ServerSession,
    pub client: ClientSession,
    now: Instant,
    get: Get,
    post: Post,
    socket: Socket,
    /// How many messages each end is still to send, did send, and has received.
    server_app: App,
    client_app: App,
    /// How many things may still go wrong.
    faults: u8,
    /// What did.
    pub went_wrong: Vec<Wrong>,
    /// GETs in a row that brought nothing: the search does without most of them.
    idle_gets: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct App {
    to_send: u8,
    sent: u8,
    received: u8,
    upgraded: bool,
    closed: Option<Reason>,
}

impl App {
    fn told(&mut self, event: Option<Event<'_>>) {
        let Some(event) = event else {
            return;
        };
        assert_eq!(self.closed, None, "{event:?} after the end");
        match event {
            Event::Message(message) => {
                let expected = self.received.to_string();
                let order = "lost, doubled or out of order";
                assert_eq!(message.as_text(), Some(expected.as_str()), "{order}");
                self.received += 1;
            }
            Event::Upgraded => {
                assert!(!self.upgraded, "twice");
                self.upgraded = true;
            }
            Event::Closed(reason) => self.closed = Some(reason),
            _ => {}
        }
    }
}

impl World {
    /// A session that was just opened by polling.
    pub fn new(version: Version, messages: u8, faults: u8) -> Self {
        let now = Instant::ZERO;
        let polling = Transport::Polling;
        let sid = Sid::new(*b"fifteen bytes..");
        let mut server = ServerSession::new(Config::default(), sid, version, polling, now);
        let mut client = ClientSession::new(ClientConfig::default(), version, polling, now);
        client.attach(now, Channel::Get).unwrap();
        let mut payload = server.payload();
        server.fill(now, Channel::Get, &mut payload);
        server.detach(now, Channel::Get, Detach::Done);
        let app = App {
            to_send: messages,
            ..App::default()
        };
        let mut world = Self {
            server,
            client,
            now,
            get: Get::Answered(200, payload.into_body()),
            post: Post::None,
            socket: Socket::None,
            server_app: app.clone(),
            client_app: app,
            faults,
            went_wrong: Vec::new(),
            idle_gets: 0,
        };
        world.step(Step::GetReturns);
        assert!(world.client.is_open());
        world
    }

    /// Everything that could be next.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut may = |step: Step, possible: bool| steps.extend(possible.then_some(step));
        let (client, server) = (&self.client, &self.server);
        may(
            Step::ServerSends,
            self.server_app.to_send > 0 && server.is_open(),
        );
        may(
            Step::ClientSends,
            self.client_app.to_send > 0 && client.is_open(),
        );
        may(Step::GetBegins, client.wants(Channel::Get));
        may(Step::GetArrives, self.get == Get::Requested);
        may(Step::GetReturns, matches!(self.get, Get::Answered(..)));
        may(Step::PostBegins, client.wants(Channel::Post));
        may(Step::PostArrives, matches!(self.post, Post::Requested(_)));
        may(
            Step::PostBodyArrives,
            matches!(self.post, Post::Arriving(_)),
        );
        may(Step::PostReturns, matches!(self.post, Post::Answered(_)));
        may(Step::SocketBegins, client.wants(Channel::WebSocket));
        may(Step::SocketArrives, self.socket == Socket::Requested);
        if let Socket::Open {
            client: client_end,
            server: server_end,
            up,
            down,
        } = &self.socket
        {
            let socket = Channel::WebSocket;
            may(Step::ServerWrites, *server_end && server.has_output(socket));
            may(Step::ClientWrites, *client_end && client.has_output(socket));
            may(
                Step::ServerReads,
                *server_end && !up.is_empty() && !server.is_paused(),
            );
            may(Step::ClientReads, *client_end && !down.is_empty());
        }
        if self.faults > 0 {
            self.wrongs(|wrong, possible| may(Step::Goes(wrong), possible));
        }
        steps
    }

    fn wrongs(&self, mut may: impl FnMut(Wrong, bool)) {
        let get = !matches!(self.get, Get::None | Get::Orphaned);
        may(Wrong::GetIsCut, get);
        may(Wrong::GetIsCutSilently, self.get == Get::Parked);
        let post = !matches!(self.post, Post::None | Post::Orphaned);
        may(Wrong::PostIsCut, post);
        may(
            Wrong::PostIsCutSilently,
            matches!(self.post, Post::Arriving(_)),
        );
        may(Wrong::SocketIsRefused, self.socket == Socket::Requested);
        let open = matches!(self.socket, Socket::Open { .. });
        may(Wrong::SocketIsCut, open);
        may(Wrong::ServerCloses, self.server.is_open());
        may(Wrong::ClientCloses, self.client.is_open());
        may(Wrong::Stall, self.deadline().is_some());
    }

    /// What the search need not try: one more GET that is answered with nothing.
    pub fn is_idle(&self, step: Step) -> bool {
        step == Step::GetBegins && self.idle_gets >= 2
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.client.poll_timeout(), self.server.poll_timeout()];
        deadlines.into_iter().flatten().min()
    }

    /// Takes a step.
    pub fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::ServerSends => {
                let message = self.server_app.sent.to_string();
                self.server.send(message).unwrap();
                self.server_app.sent += 1;
                self.server_app.to_send -= 1;
            }
            Step::ClientSends => {
                let message = self.client_app.sent.to_string();
                self.client.send(message).unwrap();
                self.client_app.sent += 1;
                self.client_app.to_send -= 1;
            }
            Step::GetBegins => {
                if self.begin(Channel::Get) {
                    self.get = Get::Requested;
                }
            }
            Step::GetArrives => self.get_arrives(),
            Step::GetReturns => self.get_returns(),
            Step::PostBegins => {
                if self.begin(Channel::Post) {
                    let mut payload = self.client.payload();
                    self.client.fill(now, Channel::Post, &mut payload);
                    self.post = Post::Requested(payload.into_body());
                }
            }
            Step::PostArrives => self.post_arrives(),
            Step::PostBodyArrives => self.post_body_arrives(),
            Step::PostReturns => self.post_returns(),
            Step::SocketBegins => {
                if self.begin(Channel::WebSocket) {
                    self.socket = Socket::Requested;
                }
            }
            Step::SocketArrives => self.socket_arrives(),
            Step::ServerWrites => self.server_writes(),
            Step::ClientWrites => self.client_writes(),
            Step::ServerReads => self.server_reads(),
            Step::ClientReads => self.client_reads(),
            Step::Goes(wrong) => {
                self.faults -= 1;
                self.went_wrong.push(wrong);
                self.go_wrong(wrong);
            }
        }
        self.tick();
        self.check();
    }

    fn begin(&mut self, channel: Channel) -> bool {
        let attached = self.client.attach(self.now, channel);
        let begun = attached.is_ok();
        if let Err(refused) = attached {
            self.client_app.told(refused.event);
        }
        begun
    }

    fn get_arrives(&mut self) {
        self.get = match self.server.attach(self.now, Channel::Get) {
            Ok(()) => Get::Parked,
            Err(refused) => {
                self.server_app.told(refused.event);
                Get::Answered(400, Vec::new())
            }
        };
    }

    fn get_returns(&mut self) {
        let Get::Answered(status, mut body) = std::mem::replace(&mut self.get, Get::None) else {
            return;
        };
        let (client, app) = (&mut self.client, &mut self.client_app);
        let before = app.received;
        if status == 200 {
            for packet in Packets::new(client.version(), Kind::Text, &mut body, 100) {
                app.told(client.handle_packet(self.now, Channel::Get, packet.unwrap()));
            }
        } else {
            let fault = Fault::Status(status);
            app.told(client.handle_error(self.now, Channel::Get, fault));
        }
        app.told(client.detach(self.now, Channel::Get, Detach::Done));
        self.idle_gets = match app.received > before {
            true => 0,
            false => self.idle_gets + 1,
        };
    }

    fn post_arrives(&mut self) {
        let Post::Requested(body) = std::mem::replace(&mut self.post, Post::None) else {
            return;
        };
        self.post = match self.server.attach(self.now, Channel::Post) {
            Ok(()) => Post::Arriving(body),
            Err(refused) => {
                self.server_app.told(refused.event);
                Post::Answered(400)
            }
        };
    }

    fn post_body_arrives(&mut self) {
        let Post::Arriving(mut body) = std::mem::replace(&mut self.post, Post::None) else {
            return;
        };
        let (server, app) = (&mut self.server, &mut self.server_app);
        for packet in Packets::new(server.version(), Kind::Text, &mut body, 100) {
            app.told(server.handle_packet(self.now, Channel::Post, packet.unwrap()));
        }
        let status = server.reason().map_or(200, Reason::status);
        app.told(server.detach(self.now, Channel::Post, Detach::Done));
        self.post = Post::Answered(status);
    }

    fn post_returns(&mut self) {
        let Post::Answered(status) = std::mem::replace(&mut self.post, Post::None) else {
            return;
        };
        let (client, app) = (&mut self.client, &mut self.client_app);
        if status != 200 {
            let fault = Fault::Status(status);
            app.told(client.handle_error(self.now, Channel::Post, fault));
        }
        app.told(client.detach(self.now, Channel::Post, Detach::Done));
    }

    fn socket_arrives(&mut self) {
        match self.server.attach(self.now, Channel::WebSocket) {
            Ok(()) => {
                self.socket = Socket::Open {
                    client: true,
                    server: true,
                    up: VecDeque::new(),
                    down: VecDeque::new(),
                };
            }
            Err(refused) => {
                self.server_app.told(refused.event);
                self.socket = Socket::None;
                self.client_loses(Channel::WebSocket);
            }
        }
    }

    fn server_writes(&mut self) {
        let Socket::Open { server, down, .. } = &mut self.socket else {
            return;
        };
        while let Some(packet) = self.server.next_packet(self.now, Channel::WebSocket) {
            if packet == Packet::Close {
                down.push_back(None);
                *server = false;
                break;
            }
            down.push_back(Some(encode(&packet)));
        }
        if !*server {
            let done = Detach::Done;
            let event = self.server.detach(self.now, Channel::WebSocket, done);
            self.server_app.told(event);
        }
    }

    fn client_writes(&mut self) {
        let Socket::Open { client, up, .. } = &mut self.socket else {
            return;
        };
        while let Some(packet) = self.client.next_packet(self.now, Channel::WebSocket) {
            if packet == Packet::Close {
                up.push_back(None);
                *client = false;
                break;
            }
            up.push_back(Some(encode(&packet)));
        }
        if !*client {
            let done = Detach::Done;
            let event = self.client.detach(self.now, Channel::WebSocket, done);
            self.client_app.told(event);
        }
    }

    fn server_reads(&mut self) {
        let Socket::Open { server, up, .. } = &mut self.socket else {
            return;
        };
        let (session, app) = (&mut self.server, &mut self.server_app);
        match up.pop_front().flatten() {
            None => {
                *server = false;
                app.told(session.detach(self.now, Channel::WebSocket, Detach::Done));
            }
            Some(mut text) => {
                let packet = Packet::from_text(session.version(), &mut text).unwrap();
                app.told(session.handle_packet(self.now, Channel::WebSocket, packet));
            }
        }
    }

    fn client_reads(&mut self) {
        let Socket::Open { client, down, .. } = &mut self.socket else {
            return;
        };
        let (session, app) = (&mut self.client, &mut self.client_app);
        match down.pop_front().flatten() {
            None => {
                *client = false;
                app.told(session.detach(self.now, Channel::WebSocket, Detach::Done));
            }
            Some(mut text) => {
                let packet = Packet::from_text(session.version(), &mut text).unwrap();
                app.told(session.handle_packet(self.now, Channel::WebSocket, packet));
            }
        }
    }

    fn client_loses(&mut self, channel: Channel) {
        let event = self.client.detach(self.now, channel, Detach::Lost);
        self.client_app.told(event);
    }

    fn server_loses(&mut self, channel: Channel) {
        let event = self.server.detach(self.now, channel, Detach::Lost);
        self.server_app.told(event);
    }

    fn go_wrong(&mut self, wrong: Wrong) {
        match wrong {
            Wrong::GetIsCut => {
                if std::mem::replace(&mut self.get, Get::None) == Get::Parked {
                    self.server_loses(Channel::Get);
                }
                self.client_loses(Channel::Get);
            }
            Wrong::GetIsCutSilently => {
                self.get = Get::Orphaned;
                self.client_loses(Channel::Get);
            }
            Wrong::PostIsCut => {
                let post = std::mem::replace(&mut self.post, Post::None);
                if let Post::Arriving(_) = post {
                    self.server_loses(Channel::Post);
                }
                self.client_loses(Channel::Post);
            }
            Wrong::PostIsCutSilently => {
                self.post = Post::Orphaned;
                self.client_loses(Channel::Post);
            }
            Wrong::SocketIsRefused => {
                self.socket = Socket::None;
                self.client_loses(Channel::WebSocket);
            }
            Wrong::SocketIsCut => {
                let socket = std::mem::replace(&mut self.socket, Socket::None);
                let Socket::Open { client, server, .. } = socket else {
                    return;
                };
                if server {
                    self.server_loses(Channel::WebSocket);
                }
                if client {
                    self.client_loses(Channel::WebSocket);
                }
            }
            Wrong::ServerCloses => self.server.close(),
            Wrong::ClientCloses => self.client.close(),
            Wrong::Stall => {
                if let Some(at) = self.deadline() {
                    self.now = self.now.max(at);
                }
            }
        }
    }

    /// What a loop does after everything: deadlines, parked GETs, and the end of
    /// what a client that has ended waits for.
    fn tick(&mut self) {
        let now = self.now;
        self.client_app.told(self.client.handle_timeout(now));
        self.server_app.told(self.server.handle_timeout(now));
        for next in [self.client.poll_timeout(), self.server.poll_timeout()] {
            assert!(next.is_none_or(|at| at > now), "{next:?} has passed");
        }
        if self.client_app.closed.is_some() {
            self.client_cuts_off();
        }
        while self.server.has_output(Channel::Get) {
            let mut payload = self.server.payload();
            self.server.fill(now, Channel::Get, &mut payload);
            assert!(payload.packets() > 0);
            let done = Detach::Done;
            self.server_app
                .told(self.server.detach(now, Channel::Get, done));
            self.get = match self.get {
                Get::Parked => Get::Answered(200, payload.into_body()),
                _ => Get::None,
            };
        }
        if let Socket::Open {
            client: false,
            server: false,
            ..
        } = self.socket
        {
            self.socket = Socket::None;
        }
    }

    /// A client that has ended waits for nothing.
    fn client_cuts_off(&mut self) {
        match std::mem::replace(&mut self.get, Get::None) {
            Get::None => {}
            Get::Orphaned => self.get = Get::Orphaned,
            get => {
                if get == Get::Parked {
                    self.server_loses(Channel::Get);
                }
                self.client_loses(Channel::Get);
            }
        }
        match std::mem::replace(&mut self.post, Post::None) {
            Post::None => {}
            Post::Orphaned => self.post = Post::Orphaned,
            post => {
                if let Post::Arriving(_) = post {
                    self.server_loses(Channel::Post);
                }
                self.client_loses(Channel::Post);
            }
        }
        if self.socket == Socket::Requested {
            self.socket = Socket::None;
            self.client_loses(Channel::WebSocket);
        }
    }

    /// What holds at all times.
    fn check(&self) {
        let (server, client) = (&self.server_app, &self.client_app);
        assert!(server.received <= client.sent && client.received <= server.sent);
        assert_eq!(self.server.reason(), server.closed);
        assert_eq!(self.client.reason(), client.closed);
        // Nothing is in two places.
        let unsent = self.server.queued_messages() + usize::from(client.received);
        assert!(unsent <= server.sent.into());
        let unsent = self.client.queued_messages() + usize::from(server.received);
        assert!(unsent <= client.sent.into());
        assert!(
            !server.upgraded || client.upgraded,
            "the client knows first"
        );
    }

    /// Tries what is to be refused, on clones.
    pub fn refused_commands_change_nothing(&self) {
        let (mut server, mut client) = (self.server.clone(), self.client.clone());
        let polling = |transport| transport == Transport::Polling;
        let cut = server.version() == Version::V4;
        if !server.is_open() || (cut && polling(server.transport())) {
            server.send("\x1e").unwrap_err();
            server.send_prepared(&Prepared::new("\x1e")).unwrap_err();
        }
        if !client.is_open() || (cut && polling(client.transport())) {
            client.send("\x1e").unwrap_err();
        }
        client.send(&[0; 1_000_001]).unwrap_err();
        for channel in [Channel::Get, Channel::Post, Channel::WebSocket] {
            if !client.wants(channel) {
                assert_eq!(client.attach(self.now, channel).unwrap_err().event, None);
            }
        }
        if server.reason().is_some() || !polling(server.transport()) {
            for channel in [Channel::Get, Channel::Post, Channel::WebSocket] {
                assert_eq!(server.attach(self.now, channel).unwrap_err().event, None);
            }
        }
        assert_eq!(client, self.client);
        assert_eq!(server, self.server);
    }

    /// Lets everything happen that has to, without another fault, and checks what
    /// has become of it.
    pub fn settle(mut self) {
        self.faults = 0;
        let end = self.now.after(Duration::from_secs(60));
        for _ in 0..10_000 {
            if let Some(step) = self.steps().first() {
                self.step(*step);
            } else if let Some(at) = self.deadline().filter(|at| *at <= end) {
                self.now = self.now.max(at);
                self.tick();
                self.check();
            } else {
                return self.check_end();
            }
        }
        panic!("it does not come to rest: {self:?}");
    }

    fn check_end(&self) {
        let (server, client) = (&self.server_app, &self.client_app);
        let alive = (server.closed.is_none(), client.closed.is_none());
        assert_eq!(alive.0, alive.1, "one end knows, and the other does not");
        let all_to_client = client.received == server.sent;
        let all_to_server = server.received == client.sent;
        if alive.0 {
            assert!(all_to_client && all_to_server, "a message is stuck");
            assert_eq!(self.server.transport(), self.client.transport());
            assert_eq!(server.upgraded, client.upgraded);
        } else {
            let finished = (self.server.is_finished(), self.client.is_finished());
            let orphaned = self.post == Post::Orphaned;
            assert!(finished.1 && (finished.0 || orphaned), "{self:?}");
        }
        match self.went_wrong[..] {
            [] => assert!(alive.0 && server.upgraded, "nothing went wrong"),
            [Wrong::SocketIsRefused] => assert!(alive.0 && !server.upgraded),
            [Wrong::ServerCloses] => assert!(!alive.0 && all_to_client, "not all was sent"),
            [Wrong::ClientCloses] => assert!(!alive.0 && all_to_server, "not all was sent"),
            _ => {}
        }
    }
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    packet.encode_text(Version::V4, &mut text);
    text
}
