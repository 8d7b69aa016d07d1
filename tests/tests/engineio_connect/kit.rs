//! A client, and the server's end of all its requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use sockeye::Message;
use sockeye::driver::Io as _;
use sockeye::driver::WebSocket;
use sockeye::driver::engineio::client::{
    Answer, BoxError, Client, Http, Options, Pending, Request, Sender,
};
use sockeye::websocket::{Config, Connection, MaskSource, Role};
use sockeye_tests::runtime::{Runtime, Started};
use sockeye_tests::transport::{Transport, World};
use sockeye_tests::wire::{self, Frame};

pub const OPEN: &str =
    r#"0{"sid":"a b","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}"#;
pub const OPEN_UPGRADES: &str =
    r#"0{"sid":"a b","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#;

/// What the client has asked for and got no answer to.
#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    exchanges: VecDeque<Exchange>,
    sockets: VecDeque<Socket>,
}

/// A request, and where its answer goes.
pub struct Exchange {
    pub request: Request,
    answer: Slot<Answer>,
}

struct Socket {
    target: String,
    answer: Slot<WebSocket<Transport>>,
}

/// What will be there.
struct Slot<T>(Arc<Mutex<Waited<T>>>);

/// What has come, and who waits for it.
type Waited<T> = (Option<Result<T, BoxError>>, Option<Waker>);

impl<T: Send + 'static> Slot<T> {
    fn new() -> (Self, Pending<T>) {
        let slot = Arc::new(Mutex::new((None, None)));
        let waits = slot.clone();
        let pending = std::future::poll_fn(move |cx| {
            let mut slot = waits.lock().unwrap();
            slot.1 = Some(cx.waker().clone());
            slot.0.take().map_or(Poll::Pending, Poll::Ready)
        });
        (Self(slot), Box::pin(pending))
    }

    fn put(self, value: Result<T, BoxError>) {
        let mut slot = self.0.lock().unwrap();
        slot.0 = Some(value);
        let waker = slot.1.take();
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Whether nobody waits for it any more.
    fn is_given_up(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Http for Server {
    type Io = Transport;

    fn request(&self, request: Request) -> Pending<Answer> {
        let (answer, pending) = Slot::new();
        let exchange = Exchange { request, answer };
        self.0.lock().unwrap().exchanges.push_back(exchange);
        pending
    }

    fn websocket(&self, target: &str, _: Config) -> Pending<WebSocket<Transport>> {
        let (answer, pending) = Slot::new();
        let target = target.to_owned();
        let socket = Socket { target, answer };
        self.0.lock().unwrap().sockets.push_back(socket);
        pending
    }
}

/// What the application has seen, line by line.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

/// A client that receives, and all around it.
pub struct Bed {
    pub runtime: Runtime,
    pub server: Server,
    seen: Seen,
    sender: Arc<Mutex<Option<Sender>>>,
    pub task: Started<()>,
}

impl Bed {
    /// A client that wants a session.
    pub fn new(options: Options) -> Self {
        let (runtime, server, seen) = (Runtime::new(), Server::default(), Seen::default());
        let sender = Arc::new(Mutex::new(None));
        let parts = (
            runtime.clone(),
            server.clone(),
            seen.clone(),
            sender.clone(),
        );
        let task = runtime.start(async move {
            let (runtime, server, seen, sender) = parts;
            let mut client = match Client::open(server, "/engine.io/?k=v", options, runtime).await {
                Ok(client) => client,
                Err(error) => return seen.add(format!("not open: {error}")),
            };
            seen.add("open");
            *sender.lock().unwrap() = Some(client.sender());
            while let Some(message) = client.next().await {
                match message {
                    Ok(Message::Text(text)) => seen.add(text),
                    Ok(Message::Binary(bytes)) => seen.add(format!("{bytes:?}")),
                    Err(error) => seen.add(format!("error: {error}")),
                }
            }
            for message in client.take_unsent() {
                seen.add(format!("unsent: {}", message.as_text().unwrap()));
            }
            seen.add("end");
        });
        Self {
            runtime,
            server,
            seen,
            sender,
            task,
        }
    }

    /// With a session that is open by polling.
    pub fn open(open: &str) -> Self {
        let bed = Self::new(Options::default());
        bed.get().answer(&bed, open);
        assert_eq!(bed.seen(), ["open"]);
        bed
    }

    /// With a session that is about to go over to a WebSocket, whose probe has come.
    pub fn probed() -> (Self, Peer) {
        let bed = Self::open(OPEN_UPGRADES);
        let mut peer = bed.socket();
        assert_eq!(peer.received(), ["2probe"]);
        (bed, peer)
    }

    /// What the application has seen since it was asked last.
    pub fn seen(&self) -> Vec<String> {
        self.runtime.run();
        std::mem::take(&mut *self.seen.0.lock().unwrap())
    }

    pub fn sender(&self) -> Sender {
        self.sender
            .lock()
            .unwrap()
            .clone()
            .expect("an open session")
    }

    pub fn send<'m>(&self, message: impl Into<Message<'m>>) {
        self.sender().try_send(message).unwrap();
        self.runtime.run();
    }

    pub fn pass(&self, span: Duration) {
        self.runtime.pass(span);
    }

    /// The GET that waits.
    pub fn get(&self) -> Exchange {
        self.find(false).expect("a GET")
    }

    pub fn try_get(&self) -> Option<Exchange> {
        self.find(false)
    }

    /// The POST that waits.
    pub fn post(&self) -> Exchange {
        self.find(true).expect("a POST")
    }

    pub fn try_post(&self) -> Option<Exchange> {
        self.find(true)
    }

    fn find(&self, is_post: bool) -> Option<Exchange> {
        let mut asked = self.server.0.lock().unwrap();
        let mut all = asked.exchanges.iter();
        let at = all.position(|it| it.request.content.is_some() == is_post)?;
        asked.exchanges.remove(at)
    }

    /// What a WebSocket was asked of, and its refusal.
    pub fn refuse_socket(&self) -> String {
        let socket = self.take_socket();
        socket.answer.put(Err("no WebSocket here".into()));
        self.runtime.run();
        socket.target
    }

    /// The WebSocket that was asked for.
    pub fn socket(&self) -> Peer {
        let world = World::new();
        let transport = world.transport();
        let mask = MaskSource::boxed(|| Some([1, 2, 3, 4]));
        let connection = Connection::new(Role::Client(mask), Config::default(), transport.now());
        let socket = self.take_socket();
        socket.answer.put(Ok(WebSocket::new(transport, connection)));
        self.runtime.run();
        Peer {
            world,
            runtime: self.runtime.clone(),
            seen: 0,
        }
    }

    pub fn has_socket(&self) -> bool {
        !self.server.0.lock().unwrap().sockets.is_empty()
    }

    fn take_socket(&self) -> Socket {
        let mut asked = self.server.0.lock().unwrap();
        asked.sockets.pop_front().expect("a WebSocket")
    }
}

impl Exchange {
    /// What the POST carries.
    pub fn body(&self) -> String {
        let content = self.request.content.as_ref().expect("a POST");
        String::from_utf8(content.body.clone()).expect("text")
    }

    /// Answers with 200.
    pub fn answer(self, bed: &Bed, body: &str) {
        self.status(bed, 200, body);
    }

    pub fn status(self, bed: &Bed, status: u16, body: &str) {
        self.answer_with(bed, status, &[], body.as_bytes());
    }

    pub fn answer_with(self, bed: &Bed, status: u16, fields: &[(&str, &str)], body: &[u8]) {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| ((*name).into(), value.as_bytes().into()));
        self.answer.put(Ok(Answer {
            status,
            fields: fields.collect(),
            body: body.into(),
        }));
        bed.runtime.run();
    }

    /// Cuts it off.
    pub fn fail(self, bed: &Bed) {
        self.answer.put(Err("connection reset".into()));
        bed.runtime.run();
    }

    pub fn is_given_up(&self) -> bool {
        self.answer.is_given_up()
    }
}

/// The server's end of a WebSocket.
pub struct Peer {
    pub world: World,
    runtime: Runtime,
    seen: usize,
}

impl Peer {
    pub fn send(&self, text: &str) {
        self.input(&Frame::unmasked(0x81, text).bytes());
    }

    pub fn input(&self, bytes: &[u8]) {
        self.world.input(bytes);
        self.runtime.run();
    }

    /// Answers the Close, or says it first.
    pub fn close(&self) {
        self.input(&Frame::unmasked(0x88, [0x03, 0xe8]).bytes());
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
