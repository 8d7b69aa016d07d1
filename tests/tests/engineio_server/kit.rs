//! A server, its application, and clients of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye::Message;
use sockeye::driver::engineio::{
    self, Exchange, Handler, Opening, Options, Parked, Post, Refused, Server, Session, Upgrade,
};
use sockeye::engineio::Reason;
use sockeye::engineio::polling::Response;
use sockeye::http::{HttpVersion, Origins};
use sockeye_tests::runtime::{Runtime, Started};
use sockeye_tests::transport::World;
use sockeye_tests::wire::{self, Frame};

pub const INTERVAL: Duration = Duration::from_secs(25);
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// What the application was told, in order.
#[derive(Clone, Default)]
pub struct App(Arc<Shared>);

#[derive(Default)]
struct Shared {
    told: Mutex<Vec<String>>,
    sessions: Mutex<Vec<Session<App>>>,
    busy: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
    unsent: Mutex<Vec<String>>,
    forbidding: AtomicBool,
    deaf: AtomicBool,
}

impl App {
    /// What it was told since it was asked last.
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.told.lock().unwrap())
    }

    /// The sessions that were opened, in order.
    pub fn session(&self, n: usize) -> Session<App> {
        self.0.sessions.lock().unwrap()[n].clone()
    }

    /// What ended sessions had not handed to the network.
    pub fn unsent(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.unsent.lock().unwrap())
    }

    /// Whether it takes messages.
    pub fn set_busy(&self, busy: bool) {
        self.0.busy.store(busy, Ordering::Relaxed);
        if !busy {
            let waiting = std::mem::take(&mut *self.0.waiting.lock().unwrap());
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether it refuses every request.
    pub fn set_forbidding(&self, forbidding: bool) {
        self.0.forbidding.store(forbidding, Ordering::Relaxed);
    }

    /// Whether it notes what it is told.
    pub fn set_listening(&self, listening: bool) {
        self.0.deaf.store(!listening, Ordering::Relaxed);
    }

    /// Lets go of all sessions and of what it was told.
    pub fn forget(&self) {
        let sessions = std::mem::take(&mut *self.0.sessions.lock().unwrap());
        drop((sessions, self.told(), self.unsent()));
    }

    fn tell(&self, what: impl Into<String>) {
        self.0.told.lock().unwrap().push(what.into());
    }
}

impl Handler for App {
    type Data = ();

    fn open(&self, opening: &Opening<'_>) -> Result<(), Refused> {
        match opening.head.field("x-key") {
            Some(b"wrong") => Err(Refused::new("no such key")),
            Some(b"panic") => panic!("as asked for"),
            _ => Ok(()),
        }
    }

    fn opened(&self, session: &Session<Self>) {
        self.0.sessions.lock().unwrap().push(session.clone());
        self.tell("opened");
    }

    /// Does what a message asks for, and sends back the others.
    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        if !self.0.deaf.load(Ordering::Relaxed) {
            self.tell(match message.as_text() {
                Some(text) => text.to_owned(),
                None => format!("{:?}", message.as_bytes()),
            });
        }
        match message.as_text() {
            Some("panic") => panic!("as asked for"),
            Some("close") => session.close(),
            Some("quiet") => {}
            _ => drop(session.send(message)),
        }
    }

    fn allow(
        &self,
        _: &engineio::Head<'_>,
        _: Option<std::net::SocketAddr>,
    ) -> Result<(), Refused> {
        match self.0.forbidding.load(Ordering::Relaxed) {
            true => Err(Refused::default()),
            false => Ok(()),
        }
    }

    fn upgraded(&self, _: &Session<Self>) {
        self.tell("upgraded");
    }

    fn poll_ready(&self, _: &Session<Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.0.busy.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        self.0.waiting.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    }

    fn closed(&self, session: &Session<Self>, reason: Reason) {
        self.tell(format!("closed: {}", reason.name()));
        let unsent = session.take_unsent();
        let unsent = unsent.iter().map(|it| it.as_text().unwrap().to_owned());
        self.0.unsent.lock().unwrap().extend(unsent);
    }
}

/// The head of a request.
#[derive(Clone)]
pub struct Head {
    method: String,
    query: String,
    fields: Vec<(&'static str, String)>,
}

impl Head {
    pub fn new(method: &str, query: &str) -> Self {
        Self {
            method: method.into(),
            query: query.into(),
            fields: vec![("host", "h".into())],
        }
    }

    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// As one for a WebSocket.
    pub fn upgrade(self) -> Self {
        self.field("upgrade", "websocket")
            .field("connection", "Upgrade")
            .field("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .field("sec-websocket-version", "13")
    }
}

/// The defaults, and both versions.
pub fn options() -> Options {
    let mut options = Options::new(Origins::Any);
    options.polling.version_3 = true;
    options
}

/// A server and the world around it.
pub struct Bed {
    pub runtime: Runtime,
    pub server: Server<App>,
    pub app: App,
}

impl Bed {
    pub fn new() -> Self {
        Self::with(options())
    }

    pub fn with(options: Options) -> Self {
        let (app, runtime) = (App::default(), Runtime::new());
        let server = Server::new(app.clone(), options, runtime.clone());
        Self {
            runtime,
            server,
            app,
        }
    }

    pub fn request(&self, head: &Head) -> Exchange<App> {
        head.ask(&self.server)
    }

    /// The answer to a request that needs no body and does not wait.
    pub fn answer(&self, head: &Head) -> Response {
        head.answer(&self.server, &self.runtime)
    }

    /// Opens a session by polling.
    pub fn open(&self) -> Client {
        Client::open(&self.server, &self.runtime)
    }

    /// Opens a session by WebSocket.
    pub fn open_socket(&self) -> Peer {
        let head = Head::new("GET", "EIO=4&transport=websocket").upgrade();
        let Exchange::Upgrade(upgrade) = self.request(&head) else {
            panic!("no upgrade");
        };
        Peer::new(&self.runtime, upgrade)
    }
}

impl Head {
    pub fn ask<H: Handler>(&self, server: &Server<H>) -> Exchange<H> {
        let fields = self.fields.iter();
        let fields: Vec<_> = fields
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let head = engineio::Head {
            method: &self.method,
            version: HttpVersion::Http11,
            path: "/engine.io/",
            query: &self.query,
            fields: &fields,
        };
        server.request(&head, None)
    }

    fn answer<H: Handler>(&self, server: &Server<H>, runtime: &Runtime) -> Response {
        let exchange = self.ask(server);
        let started = runtime.start(async {
            match exchange {
                Exchange::Answer(answer) => answer,
                Exchange::Wait(parked) => parked.await,
                other => panic!("{other:?}"),
            }
        });
        started.take().expect("an answer")
    }
}

/// A client of a session by polling.
pub struct Client<H: Handler = App> {
    server: Server<H>,
    runtime: Runtime,
    sid: String,
}

impl<H: Handler> Client<H> {
    pub fn open(server: &Server<H>, runtime: &Runtime) -> Self {
        let head = Head::new("GET", "EIO=4&transport=polling");
        let answer = head.answer(server, runtime);
        assert_eq!(answer.status, 200);
        let open = text(&answer);
        let (_, sid) = open.split_once("\"sid\":\"").expect("a sid");
        Self {
            server: server.clone(),
            runtime: runtime.clone(),
            sid: sid.split('"').next().expect("a sid").to_owned(),
        }
    }

    fn head(&self, method: &str, transport: &str) -> Head {
        let query = format!("EIO=4&transport={transport}&sid={}", self.sid);
        Head::new(method, &query)
    }

    pub fn request(&self, method: &str) -> Exchange<H> {
        self.head(method, "polling").ask(&self.server)
    }

    pub fn parked(&self) -> Parked<H> {
        match self.request("GET") {
            Exchange::Wait(parked) => parked,
            other => panic!("{other:?}"),
        }
    }

    /// Begins a GET; what it gives, if anything, is there at once.
    pub fn get(&self) -> Started<Response> {
        self.runtime.start(self.parked())
    }

    /// What a GET gives that need not wait.
    pub fn poll(&self) -> String {
        text(&self.get().take().expect("an answer"))
    }

    /// The answer to a request that is refused.
    pub fn refused(&self, method: &str) -> (u16, String) {
        match self.request(method) {
            Exchange::Answer(answer) => (answer.status, text(&answer)),
            other => panic!("{other:?}"),
        }
    }

    /// Begins a POST.
    pub fn begin(&self) -> Post<H> {
        match self.request("POST") {
            Exchange::Body(post) => post,
            other => panic!("{other:?}"),
        }
    }

    /// A POST of which only the length is known; or with what it was refused.
    pub fn announce(&self, len: usize) -> Result<Post<H>, u16> {
        let head = self.head("POST", "polling");
        let head = head.field("content-length", len.to_string());
        match head.ask(&self.server) {
            Exchange::Body(post) => Ok(post),
            Exchange::Answer(answer) => Err(answer.status),
            other => panic!("{other:?}"),
        }
    }

    /// A whole POST.
    pub fn send(&self, body: &str) -> Started<Response> {
        let mut post = self.begin();
        post.push(body.as_bytes()).expect("room");
        self.runtime.start(post.finish())
    }

    /// A whole POST that is answered at once.
    pub fn post(&self, body: &str) -> u16 {
        self.send(body).take().expect("an answer").status
    }

    /// Begins an upgrade.
    pub fn socket(&self) -> Peer {
        match self.try_socket() {
            Exchange::Upgrade(upgrade) => Peer::new(&self.runtime, upgrade),
            other => panic!("{other:?}"),
        }
    }

    pub fn try_socket(&self) -> Exchange<H> {
        self.head("GET", "websocket").upgrade().ask(&self.server)
    }

    /// Goes over to a WebSocket.
    pub fn upgrade(&self) -> Peer {
        let mut peer = self.socket();
        peer.send("2probe");
        assert_eq!(peer.received(), ["3probe"]);
        peer.send("5");
        peer
    }
}

/// The client's end of a WebSocket.
pub struct Peer {
    pub world: World,
    pub task: Started<()>,
    runtime: Runtime,
    seen: usize,
}

impl Peer {
    fn new<H: Handler>(runtime: &Runtime, upgrade: Upgrade<H>) -> Self {
        let world = World::new();
        let task = runtime.start(upgrade.run(world.transport(), Vec::new()));
        Self {
            world,
            task,
            runtime: runtime.clone(),
            seen: 0,
        }
    }

    pub fn send(&mut self, text: &str) {
        self.input(&Frame::m0(0x81, text).bytes());
    }

    pub fn input(&mut self, bytes: &[u8]) {
        self.world.input(bytes);
        self.runtime.run();
    }

    /// The transport ends without a word.
    pub fn vanish(&mut self) {
        self.world.eof();
        self.runtime.run();
    }

    /// What has come since it was asked last; a Close by its code.
    pub fn received(&mut self) -> Vec<String> {
        let bytes = self.world.received();
        let new = wire::frames(&bytes[self.seen..]);
        self.seen = bytes.len();
        let show = |frame: Frame| match (frame.opcode(), &*frame.payload) {
            (8, [high, low, ..]) => u16::from_be_bytes([*high, *low]).to_string(),
            (2, bytes) => format!("{bytes:?}"),
            (_, text) => String::from_utf8(text.to_vec()).expect("text"),
        };
        new.into_iter().map(show).collect()
    }
}

pub fn text(answer: &Response) -> String {
    String::from_utf8(answer.body.to_vec()).expect("text")
}
