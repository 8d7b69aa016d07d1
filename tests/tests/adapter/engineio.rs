//! Engine.IO over HTTP: what hyper, a runtime and a connection make of requests.
//!
//! Rows S15, S16, S22, T16 and T18.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::ready;
use std::time::Duration;

use sockeye_tests::wire::{self, Frame};

use super::ears::{Ears, Mouth, oneshot};
use super::kit::step;
use super::pipe::Pipe;
use crate::runtime::adapter::engineio::{
    Handler, Message, Opening, Options, Reason, Refused, Server, Session, serve,
};
use crate::runtime::adapter::handshake::Origins;
use crate::runtime::{block_on, engineio_runtime, spawn, threads};

/// Sends back what comes, and notes what it is told.
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<Vec<String>>>);

impl Echo {
    fn tell(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    /// Waits until it has been told so much.
    async fn told(&self, count: usize) -> Vec<String> {
        loop {
            let told = self.0.lock().unwrap().clone();
            if told.len() >= count {
                return told;
            }
            step().await;
        }
    }
}

impl Handler for Echo {
    type Data = ();

    fn open(&self, _: &Opening<'_>) -> Result<(), Refused> {
        Ok(())
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        self.tell(message.as_text().unwrap());
        let _ = session.send(message);
    }

    fn closed(&self, _: &Session<Self>, reason: Reason) {
        self.tell(reason.to_string());
    }
}

/// A server, and what connects to it.
struct Bed {
    app: Echo,
    server: Server<Echo>,
    mouth: Mouth,
    /// smol ends a task that nobody waits for.
    _serving: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Bed {
    fn new(options: Options) -> (Self, Ears) {
        let app = Echo::default();
        let server = Server::new(app.clone(), options, engineio_runtime());
        let (ears, mut mouth) = Ears::new();
        mouth.hypers = true;
        let bed = Self {
            app,
            server,
            mouth,
            _serving: None,
        };
        (bed, ears)
    }

    /// Serves for as long as it is needed.
    fn serving(options: Options) -> Self {
        let (mut bed, ears) = Self::new(options);
        let server = bed.server.clone();
        let never = std::future::pending();
        let serving = spawn(async move {
            serve(&server, ears, never).await;
        });
        bed._serving = Some(Box::pin(serving));
        bed
    }

    fn connect(&self) -> Http {
        Http {
            pipe: self.mouth.dial(),
            input: Vec::new(),
        }
    }

    /// Opens a session; returns the query of its requests.
    async fn open(&self, http: &mut Http) -> String {
        let (status, _, body) = http.get("EIO=4&transport=polling").await;
        assert_eq!(status, 200);
        let (_, sid) = body.split_once("\"sid\":\"").unwrap();
        format!("EIO=4&transport=polling&sid={}", &sid[..20])
    }
}

fn options() -> Options {
    Options::new(Origins::SameHost)
}

/// A connection of a client.
struct Http {
    pipe: Pipe,
    input: Vec<u8>,
}

impl Http {
    async fn get(&mut self, query: &str) -> (u16, String, String) {
        self.begin("GET", query, "").await;
        self.answer().await
    }

    async fn post(&mut self, query: &str, body: &str) -> (u16, String, String) {
        let length = format!("Content-Length: {}\r\n", body.len());
        self.begin("POST", query, &length).await;
        self.write(body.as_bytes()).await;
        self.answer().await
    }

    async fn begin(&mut self, method: &str, query: &str, fields: &str) {
        let head = format!("{method} /engine.io/?{query} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        self.write(head.as_bytes()).await;
    }

    async fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = poll_fn(|cx| self.pipe.write(cx, &[bytes])).await.unwrap();
            bytes = &bytes[n..];
        }
    }

    /// Reads something. False at the end.
    async fn read(&mut self) -> bool {
        let mut buf = [0; 4096];
        let n = poll_fn(|cx| {
            let n = ready!(self.pipe.read(cx, &mut buf)).unwrap_or(0);
            std::task::Poll::Ready(n)
        });
        let n = n.await;
        self.input.extend_from_slice(&buf[..n]);
        n > 0
    }

    /// Status, header and body.
    async fn answer(&mut self) -> (u16, String, String) {
        let end = loop {
            let found = self.input.windows(4).position(|it| it == b"\r\n\r\n");
            match found {
                Some(end) => break end + 4,
                None => assert!(self.read().await, "no answer"),
            }
        };
        let head = String::from_utf8(self.input.drain(..end).collect()).unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_it = name.eq_ignore_ascii_case("content-length");
            is_it.then(|| value.parse().unwrap())
        });
        let length = length.unwrap_or(0);
        while self.input.len() < length {
            assert!(self.read().await, "half an answer");
        }
        let body = String::from_utf8(self.input.drain(..length).collect()).unwrap();
        (head[9..12].parse().unwrap(), head.to_lowercase(), body)
    }

    /// The text of the next frame, or the code of a Close.
    async fn frame(&mut self) -> String {
        loop {
            let (frames, _) = wire::split(&self.input);
            if let Some(frame) = frames.into_iter().next() {
                self.input.drain(..frame.bytes().len());
                return match (frame.opcode(), &*frame.payload) {
                    (8, [high, low, ..]) => u16::from_be_bytes([*high, *low]).to_string(),
                    (_, text) => String::from_utf8(text.to_vec()).unwrap(),
                };
            }
            assert!(self.read().await, "no frame");
        }
    }
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

#[test]
fn a_session_by_polling_and_over_to_a_websocket() {
    block_on(async {
        let bed = Bed::serving(options());
        let (mut http, mut other) = (bed.connect(), bed.connect());
        let query = bed.open(&mut http).await;
        other.begin("GET", &query, "").await;
        assert_eq!(http.post(&query, "4hi").await.0, 200);
        let (status, head, body) = other.answer().await;
        assert_eq!((status, &*body), (200, "4hi"));
        assert!(head.contains("cache-control: no-store"), "{head}");
        // A body in chunks, of which one is half a packet.
        let chunked = "Transfer-Encoding: chunked\r\n";
        http.begin("POST", &query, chunked).await;
        http.write(b"3\r\n4on\r\n2\r\ne\x1e\r\n4\r\n4two\r\n0\r\n\r\n")
            .await;
        let (status, _, body) = http.answer().await;
        assert_eq!((status, &*body), (200, "ok"));
        assert_eq!(http.get(&query).await.2, "4one\x1e4two");

        let mut socket = bed.connect();
        let query = query.replace("polling", "websocket");
        socket.begin("GET", &query, UPGRADE).await;
        // What comes right behind the request is not lost.
        socket.write(&Frame::m0(0x81, "2probe").bytes()).await;
        let (status, head, _) = socket.answer().await;
        assert_eq!(status, 101);
        let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
        assert!(head.contains(accept), "{head}");
        assert_eq!(socket.frame().await, "3probe");
        socket.write(&Frame::m0(0x81, "5").bytes()).await;
        socket.write(&Frame::m0(0x81, "4three").bytes()).await;
        assert_eq!(socket.frame().await, "4three");
        let large = format!("4{}", "x".repeat(100_000));
        socket.write(&Frame::m0(0x81, &*large).bytes()).await;
        assert_eq!(socket.frame().await, large);
        socket.write(&Frame::m0(0x81, "1").bytes()).await;
        assert_eq!(socket.frame().await, "1000");
        let told = bed.app.told(6).await;
        assert_eq!(&told[..4], ["hi", "one", "two", "three"]);
        assert_eq!(told[5], "closed by the peer");
    });
}

#[test]
fn s15_a_get_whose_connection_ends_ends_the_session() {
    block_on(async {
        let bed = Bed::serving(options());
        let (mut http, mut other) = (bed.connect(), bed.connect());
        let query = bed.open(&mut http).await;
        other.begin("GET", &query, "").await;
        assert_eq!(http.post(&query, "4quiet").await.0, 200);
        other.answer().await;
        other.begin("GET", &query, "").await;
        // Until the server waits for something to send.
        for _ in 0..100 {
            step().await;
        }
        drop(other);
        assert_eq!(bed.app.told(2).await[1], "the Get was cut off");
        assert_eq!(http.get(&query).await.0, 400);
    });
}

#[test]
fn s16_a_post_whose_connection_ends_delivers_nothing() {
    block_on(async {
        let bed = Bed::serving(options());
        let (mut http, mut other) = (bed.connect(), bed.connect());
        let query = bed.open(&mut http).await;
        other.begin("POST", &query, "Content-Length: 100\r\n").await;
        other.write(b"4one\x1e4two\x1e4").await;
        for _ in 0..100 {
            step().await;
        }
        drop(other);
        assert_eq!(bed.app.told(1).await, ["the Post was cut off"]);
        assert_eq!(http.get(&query).await.0, 400);
    });
}

#[test]
fn s22_a_body_that_does_not_come_is_answered_with_408() {
    block_on(async {
        let mut options = options();
        options.body_timeout = Duration::from_millis(1);
        let bed = Bed::serving(options);
        let mut http = bed.connect();
        let query = bed.open(&mut http).await;
        http.begin("POST", &query, "Content-Length: 100\r\n").await;
        http.write(b"4").await;
        assert_eq!(http.answer().await.0, 408);
        assert_eq!(bed.app.told(1).await, ["body takes too long"]);
    });
}

#[test]
fn what_is_too_large_is_answered_unread() {
    block_on(async {
        let mut options = options();
        options.session.max_payload = 1000;
        let bed = Bed::serving(options);
        let mut http = bed.connect();
        let query = bed.open(&mut http).await;
        http.begin("POST", &query, "Content-Length: 1001\r\n").await;
        assert_eq!(http.answer().await.0, 413);
        let told = "1001 bytes where 1000 are the limit";
        assert_eq!(bed.app.told(1).await, [told]);
        // Without an announcement it is found out on the way.
        let mut http = bed.connect();
        let query = bed.open(&mut http).await;
        http.begin("POST", &query, "Transfer-Encoding: chunked\r\n")
            .await;
        http.write(format!("3e9\r\n{}\r\n", "4".repeat(1001)).as_bytes())
            .await;
        assert_eq!(http.answer().await.0, 413);
        assert_eq!(bed.app.told(2).await, [told; 2]);
    });
}

#[test]
fn other_paths_and_other_pages_get_nothing() {
    block_on(async {
        let bed = Bed::serving(options());
        let mut http = bed.connect();
        http.write(b"GET /other HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(http.answer().await.0, 404);
        http.write(b"GET /engine.io?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n")
            .await;
        assert_eq!(http.answer().await.0, 200);
        let foreign = "Origin: http://elsewhere\r\n";
        http.begin("GET", "EIO=4&transport=polling", foreign).await;
        let (status, _, body) = http.answer().await;
        assert_eq!((status, &body[..10]), (403, "{\"code\":4,"));
    });
}

#[test]
fn an_upgrade_that_is_no_websocket_is_refused() {
    block_on(async {
        let bed = Bed::serving(options());
        let mut http = bed.connect();
        let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
        http.begin("GET", "EIO=4&transport=websocket", fields).await;
        assert_eq!(http.answer().await.0, 400);
        assert!(bed.server.is_empty());
    });
}

/// However many send at once, nothing is lost, doubled or left lying: by polling,
/// through the upgrade, and by WebSocket.
#[test]
fn many_threads_send_to_one_session() {
    const THREADS: usize = 4;
    const EACH: usize = 3000;

    threads(async {
        let bed = Bed::serving(options());
        let (mut http, mut socket) = (bed.connect(), bed.connect());
        let query = bed.open(&mut http).await;
        let session = bed.server.sessions().next().unwrap();
        let senders = (0..THREADS).map(|thread| {
            let session = session.clone();
            std::thread::spawn(move || {
                for n in 0..EACH {
                    while session.send(format!("{thread} {n}")).is_err() {
                        std::thread::yield_now();
                    }
                }
            })
        });
        let senders: Vec<_> = senders.collect();
        let mut next = [0; THREADS];
        let mut take = |packet: &str| {
            let Some(message) = packet.strip_prefix('4') else {
                return 0;
            };
            let (thread, n) = message.split_once(' ').unwrap();
            let thread: usize = thread.parse().unwrap();
            assert_eq!(n.parse(), Ok(next[thread]), "of thread {thread}");
            next[thread] += 1;
            1
        };
        let mut count = 0;
        while count < EACH {
            let (status, _, body) = http.get(&query).await;
            assert_eq!(status, 200);
            count += body.split('\x1e').map(&mut take).sum::<usize>();
        }
        let over = query.replace("polling", "websocket");
        socket.begin("GET", &over, UPGRADE).await;
        assert_eq!(socket.answer().await.0, 101);
        socket.write(&Frame::m0(0x81, "2probe").bytes()).await;
        assert_eq!(socket.frame().await, "3probe");
        let (_, _, body) = http.get(&query).await;
        count += body.split('\x1e').map(&mut take).sum::<usize>();
        socket.write(&Frame::m0(0x81, "5").bytes()).await;
        while count < THREADS * EACH {
            count += take(&socket.frame().await);
        }
        senders.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(next, [EACH; THREADS]);
    });
}

#[test]
fn t16_clients_that_vanish_leave_nothing() {
    block_on(async {
        let bed = Bed::serving(options());
        let alive = bed.mouth.alive();
        for n in 0..10_000 {
            drop(bed.connect());
            if n % 100 == 0 {
                step().await;
            }
        }
        let mut http = bed.connect();
        bed.open(&mut http).await;
        drop(http);
        while alive.count() > 0 {
            step().await;
        }
    });
}

#[test]
fn t18_shutdown_answers_what_waits() {
    block_on(async {
        let (bed, ears) = Bed::new(options());
        let (stop, stopped) = oneshot();
        let server = bed.server.clone();
        let serving = spawn(async move { serve(&server, ears, stopped).await });
        let mut http = bed.connect();
        let query = bed.open(&mut http).await;
        http.begin("GET", &query, "").await;
        let mut socket = bed.connect();
        socket
            .begin("GET", "EIO=4&transport=websocket", UPGRADE)
            .await;
        assert_eq!(socket.answer().await.0, 101);
        assert!(socket.frame().await.starts_with('0'));
        for _ in 0..100 {
            step().await;
        }
        stop();
        let (status, _, body) = http.answer().await;
        // Behind a noop if it came only then.
        assert!(status == 200 && body.ends_with('1'), "{body:?}");
        assert_eq!(socket.frame().await, "1001");
        drop(socket);
        assert_eq!(serving.await.dropped, 0);
        assert!(!http.read().await, "the connection has ended");
        assert_eq!(bed.app.told(2).await, ["closed by this end"; 2]);
    });
}
