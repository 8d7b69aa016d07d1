//! Servers of Engine.IO, each on one thread, and HTTP by hyper. They send back
//! what they receive; what begins with a star goes to everybody.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sockeye_tokio::Listener;
use sockeye_tokio::engineio::{
    Handler, Message, Opening, Options, Refused, Server, Service, Session,
};
use sockeye_tokio::handshake::Origins;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;

use crate::floor;
use crate::serve::{Counted, on_one_thread};
use crate::tape::READ;

/// Who serves, in the order of the table. The last two bring their own programs.
pub const SUBJECTS: &[&str] = &[
    "floor",
    "sockeye",
    "sockeye serve",
    #[cfg(feature = "peers")]
    "engineioxide",
    #[cfg(feature = "peers")]
    "engine.io",
    #[cfg(feature = "peers")]
    "python-engineio",
];

/// Longer than anything that is measured: pings would be in the way.
const PING_INTERVAL: Duration = Duration::from_secs(3000);

/// Serves until it is killed, as [`crate::serve::run`] does.
pub fn run(subject: &str) -> io::Result<()> {
    on_one_thread(async |listener| match subject {
        "floor" => least(listener).await,
        "sockeye" => serve(listener, Service::new(sockeye())).await,
        "sockeye serve" => {
            let forever = std::future::pending();
            sockeye_tokio::engineio::serve(&sockeye(), Counting(listener), forever).await;
            Ok(())
        }
        #[cfg(feature = "peers")]
        "engineioxide" => peers::engineioxide(listener).await,
        _ => panic!("there is no {subject}"),
    })
}

/// A service of hyper's on every connection.
async fn serve<S, B>(listener: TcpListener, service: S) -> io::Result<()>
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: std::error::Error + Send + Sync,
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(Counted(stream));
        let http = http1::Builder::new().serve_connection(stream, service.clone());
        tokio::spawn(http.with_upgrades());
    }
}

struct Echo {
    server: OnceLock<Server<Self>>,
}

impl Handler for Echo {
    type Data = ();

    fn open(&self, _: &Opening<'_>) -> Result<(), Refused> {
        Ok(())
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        match (message.as_bytes(), self.server.get()) {
            ([b'*', ..], Some(server)) => server.broadcast(message),
            _ => session.send(message).expect("there is room"),
        }
    }
}

fn sockeye() -> Server<Echo> {
    let mut options = Options::new(Origins::SameHost);
    options.session.ping_interval = PING_INTERVAL;
    let echo = Echo {
        server: OnceLock::new(),
    };
    let server = Server::new(echo, options, sockeye_tokio::engineio::Runtime::new());
    let _ = server.handler().server.set(server.clone());
    server
}

/// Accepts streams that are counted.
struct Counting(TcpListener);

impl Listener for Counting {
    type Stream = Counted;

    async fn accept(&mut self) -> io::Result<(Counted, Option<SocketAddr>)> {
        let (stream, peer) = Listener::accept(&mut self.0).await?;
        Ok((Counted(stream), peer))
    }
}

/// The floor: a service of hyper's that does the same requests. It takes the packets
/// of a POST for echoes as they are, and of a WebSocket knows text and no limits.
async fn least(listener: TcpListener) -> io::Result<()> {
    let table = Arc::new(Table::default());
    let service = service_fn(move |request| answer(table.clone(), request));
    serve(listener, service).await
}

#[derive(Default)]
struct Table(Mutex<HashMap<String, Arc<Entry>>>);

impl Table {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        self.0.lock().expect("nothing panics")
    }

    fn open(&self) -> (String, Arc<Entry>) {
        let mut table = self.lock();
        let sid = format!("{:020}", table.len());
        let entry = Arc::new(Entry::default());
        table.insert(sid.clone(), entry.clone());
        (sid, entry)
    }

    fn broadcast(&self, packet: &[u8]) {
        self.lock().values().for_each(|entry| entry.push(packet));
    }
}

/// What waits for a session: packets of a payload, or frames.
#[derive(Default)]
struct Entry(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    out: Vec<u8>,
    is_socket: bool,
    waker: Option<Waker>,
}

impl Entry {
    fn push(&self, packet: &[u8]) {
        let mut waiting = self.0.lock().expect("nothing panics");
        if waiting.is_socket {
            floor::encode_head(true, None, packet.len(), &mut waiting.out);
        } else if !waiting.out.is_empty() {
            waiting.out.push(0x1e);
        }
        waiting.out.extend_from_slice(packet);
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes what waits, for a GET or for a WebSocket.
    fn poll(&self, cx: &Context<'_>, is_socket: bool) -> Poll<Vec<u8>> {
        let mut waiting = self.0.lock().expect("nothing panics");
        if waiting.is_socket != is_socket {
            return Poll::Pending;
        }
        if waiting.out.is_empty() {
            waiting.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut waiting.out))
    }
}

async fn answer(
    table: Arc<Table>,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default();
    let sid = query.split("&sid=").nth(1);
    let known = sid.map(|sid| table.lock()[sid].clone());
    if request.headers().contains_key(UPGRADE) {
        let entry = known.unwrap_or_else(|| {
            let (sid, entry) = table.open();
            entry.0.lock().expect("nothing panics").is_socket = true;
            entry.push(open(&sid).as_bytes());
            entry
        });
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let stream = TokioIo::new(upgrade.await.ok()?);
            carry(&table, &entry, stream).await.ok()
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let fields = [
            (UPGRADE, "websocket"),
            (CONNECTION, "Upgrade"),
            (SEC_WEBSOCKET_ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        for (name, value) in fields {
            let value = value.parse().expect("a value");
            response.headers_mut().insert(name, value);
        }
        return Ok(response);
    }
    let body = match known {
        None => Bytes::from(open(&table.open().0)),
        Some(entry) if request.method() == Method::POST => {
            let body = request.into_body().collect().await;
            entry.push(&body.expect("a body").to_bytes());
            Bytes::from_static(b"ok")
        }
        Some(entry) => {
            // It may wait for long, and needs nothing of the request for that.
            drop(request);
            Bytes::from(poll_fn(|cx| entry.poll(cx, false)).await)
        }
    };
    Ok(Response::new(Full::new(body)))
}

fn open(sid: &str) -> String {
    format!(
        "0{{\"sid\":\"{sid}\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\
         \"pingTimeout\":20000,\"maxPayload\":1000000}}"
    )
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Carries frames, until the peer closes.
async fn carry(table: &Table, entry: &Entry, mut stream: TokioIo<Upgraded>) -> io::Result<()> {
    let (mut kept, mut out) = (Vec::new(), Vec::new());
    poll_fn(|cx| {
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                if let Poll::Ready(more) = entry.poll(cx, true) {
                    out.extend(more);
                    continue;
                }
                while !out.is_empty() {
                    let n = ready!(Pin::new(&mut stream).poll_write(cx, &out))?;
                    out.drain(..n);
                }
                let mut read = ReadBuf::new(scratch);
                ready!(Pin::new(&mut stream).poll_read(cx, &mut read))?;
                let read = read.filled_mut();
                if read.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let used = match kept.is_empty() {
                    true => frames(table, entry, read, &mut out),
                    false => {
                        kept.extend_from_slice(read);
                        let used = frames(table, entry, &mut kept, &mut out);
                        kept.drain(..used);
                        continue;
                    }
                };
                kept.extend_from_slice(&read[used..]);
            }
        })
    })
    .await
}

/// Handles the whole frames of `input`, and says how long they were.
fn frames(table: &Table, entry: &Entry, input: &mut [u8], out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    while let Some(head) = floor::head(&input[at..]) {
        let Some(frame) = input.get_mut(at..at + head.end) else {
            break;
        };
        at += head.end;
        let reply = match floor::open(head, frame) {
            b"2probe" => {
                entry.push(b"6");
                &b"3probe"[..]
            }
            b"5" => {
                entry.0.lock().expect("nothing panics").is_socket = true;
                continue;
            }
            b"1" => continue,
            packet @ [b'4', b'*', ..] => {
                table.broadcast(packet);
                continue;
            }
            packet => packet,
        };
        floor::encode_head(true, None, reply.len(), out);
        out.extend_from_slice(reply);
    }
    at
}

#[cfg(feature = "peers")]
mod peers {
    use engineioxide::config::EngineIoConfig;
    use engineioxide::handler::EngineIoHandler;
    use engineioxide::service::EngineIoService;
    use engineioxide::socket::Sid;
    use engineioxide::{DisconnectReason, Socket, Str};

    use super::*;

    #[derive(Debug, Default)]
    struct Echo(Mutex<HashMap<Sid, Arc<Socket<()>>>>);

    impl EngineIoHandler for Echo {
        type Data = ();

        fn on_connect(self: Arc<Self>, socket: Arc<Socket<()>>) {
            let mut all = self.0.lock().expect("nothing panics");
            all.insert(socket.id, socket);
        }

        fn on_disconnect(&self, socket: Arc<Socket<()>>, _: DisconnectReason) {
            self.0.lock().expect("nothing panics").remove(&socket.id);
        }

        fn on_message(self: &Arc<Self>, message: Str, socket: Arc<Socket<()>>) {
            if message.as_bytes().first() != Some(&b'*') {
                return socket.emit(message).expect("there is room");
            }
            for socket in self.0.lock().expect("nothing panics").values() {
                socket.emit(message.clone()).expect("there is room");
            }
        }

        fn on_binary(self: &Arc<Self>, data: Bytes, socket: Arc<Socket<()>>) {
            socket.emit_binary(data).expect("there is room");
        }
    }

    pub(super) async fn engineioxide(listener: TcpListener) -> io::Result<()> {
        let config = EngineIoConfig::builder()
            .ping_interval(PING_INTERVAL)
            .build();
        let service = EngineIoService::with_config(Arc::new(Echo::default()), config);
        serve(listener, service).await
    }
}
