//! A server: its sessions, its application, and what it makes of a request.

use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Poll, ready};
use core::time::Duration;
use std::panic::catch_unwind;

use super::deadlines::{Deadlines, Due};
use super::exchange::Opens;
use super::registry::{NoPlace, Placed, Registry};
use super::session::Entry;
use super::{Exchange, Handler, Head, Opening, Parked, Post, Refused, Session, Upgrade};
use crate::driver::Runtime;
use crate::driver::runtime::{AnyRuntime, Sleep};
use crate::engineio::polling::{self, Answer, Asks, Known, Request, RequestError, Response};
use crate::engineio::{self, Channel, Prepared, ServerSession, Transport, Transports};
use crate::http::Origins;
use crate::websocket;
use crate::websocket::handshake::{ServerOptions, check_request};
use crate::{Instant, Kind, Message};

/// What a server wants and allows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The limits and deadlines of sessions.
    pub session: engineio::Config,
    /// How requests are answered.
    pub polling: polling::Options,
    /// The most sessions at a time: 65 536. Of these, one in ten may be one that
    /// nobody has come back to after it was opened; then the oldest of them has to
    /// go for a new one.
    pub max_sessions: usize,
    /// The most packets of one POST: 16 384.
    pub max_packets: usize,
    /// How long the body of a POST may take: 30 s.
    pub body_timeout: Duration,
}

/// An Engine.IO server.
///
/// Clones are the same server. It lives as long as one of them, or one of its
/// [`Session`]s.
pub struct Server<H: Handler>(pub(super) Arc<Shared<H>>);

pub(super) struct Shared<H: Handler> {
    pub(super) handler: H,
    pub(super) options: Options,
    session_config: Arc<engineio::Config>,
    pub(super) socket_config: Arc<websocket::Config>,
    pub(super) runtime: AnyRuntime,
    pub(super) registry: Registry<Entry<H::Data>>,
    pub(super) deadlines: Arc<Deadlines<Entry<H::Data>>>,
    counts: Counts,
    /// Whether the task of the deadlines was started.
    is_started: AtomicBool,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    refused: AtomicU64,
    opened: AtomicU64,
    evicted: AtomicU64,
}

/// What a server has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Requests, whatever came of them.
    pub requests: u64,
    /// Requests of these that were answered with an error at once.
    pub refused: u64,
    /// Sessions that were opened.
    pub opened: u64,
    /// Sessions of these that had to go for others, since nobody came back to them.
    pub evicted: u64,
}

impl<H: Handler> Server<H> {
    /// A server for this application.
    pub fn new(handler: H, mut options: Options, runtime: impl Runtime) -> Self {
        if !options.polling.transports.contains(Transport::WebSocket) {
            options.session.upgrades = Transports::NONE;
        }
        let socket = websocket::Config {
            max_message: options.session.max_payload,
            // The heartbeat is the session's.
            keepalive: None,
            // What waits is counted in the session.
            max_outgoing: MAX_OUTGOING,
            ..websocket::Config::default()
        };
        Self(Arc::new(Shared {
            handler,
            session_config: Arc::new(options.session.clone()),
            socket_config: Arc::new(socket),
            runtime: AnyRuntime::new(runtime),
            registry: Registry::new(options.max_sessions),
            deadlines: Arc::new(Deadlines::new()),
            counts: Counts::default(),
            is_started: AtomicBool::new(false),
            options,
        }))
    }

    /// The application.
    pub fn handler(&self) -> &H {
        &self.0.handler
    }

    /// What the server wants and allows.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    #[cfg(feature = "hyper")]
    pub(in crate::driver) fn runtime(&self) -> &AnyRuntime {
        &self.0.runtime
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.0.registry.len()
    }

    /// Whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the server has done so far.
    pub fn stats(&self) -> ServerStats {
        let counts = &self.0.counts;
        ServerStats {
            requests: counts.requests.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
            opened: counts.opened.load(Ordering::Relaxed),
            evicted: counts.evicted.load(Ordering::Relaxed),
        }
    }

    /// All sessions, in no order.
    pub fn sessions(&self) -> impl Iterator<Item = Session<H>> {
        let all = self.0.registry.all();
        all.into_iter().map(|entry| self.session(entry))
    }

    /// Sends a message to every session. It is prepared once, and its bytes are
    /// shared. Whom it cannot be sent to goes without: see
    /// [`WhenFull`](engineio::WhenFull).
    pub fn broadcast<'m>(&self, message: impl Into<Message<'m>>) {
        let message = Prepared::new(message);
        for session in self.sessions() {
            let _ = session.send_prepared(&message);
        }
    }

    /// Shuts the server down: no session is opened any more, all are closed, and
    /// what waits is answered. Ready when the last session has ended, which takes
    /// [`Config::close_timeout`](engineio::Config::close_timeout) at the most, and
    /// no longer than its client for the rest.
    ///
    /// # Cancel safety
    ///
    /// Safe; the server is closed all the same.
    pub async fn close(&self) {
        self.0.registry.close();
        self.sessions().for_each(|session| session.close());
        poll_fn(|cx| self.0.registry.poll_empty(cx)).await;
    }

    /// What is to be done about a request, from its head and its peer's address.
    pub fn request(&self, head: &Head<'_>, peer: Option<SocketAddr>) -> Exchange<H> {
        self.start();
        self.0.counts.requests.fetch_add(1, Ordering::Relaxed);
        let fields = head.fields.iter().copied();
        let options = &self.0.options.polling;
        let polling::Exchange { request, answer } = options.read(head.method, head.query, fields);
        let exchange = match request {
            Request::Preflight(response) => return Exchange::Answer(response),
            Request::Refused(error) => Err(answer.error(error)),
            Request::Open(opening) => self.open(head, peer, &opening, &answer),
            Request::Session(known) => self.go_on(head, peer, &known, &answer),
        };
        exchange.unwrap_or_else(|response| {
            self.0.counts.refused.fetch_add(1, Ordering::Relaxed);
            Exchange::Answer(response)
        })
    }

    /// A client wants a session.
    fn open(
        &self,
        head: &Head<'_>,
        peer: Option<SocketAddr>,
        opening: &polling::Opening,
        answer: &Answer,
    ) -> Result<Exchange<H>, Response> {
        let shared = &*self.0;
        self.allow(head, peer, answer)?;
        let polling::Opening {
            version,
            transport,
            takes,
        } = *opening;
        let switch = match transport {
            Transport::WebSocket => Some(switch(head)?),
            _ => None,
        };
        let full = || answer.unavailable(RETRY);
        shared.registry.has_place().then_some(()).ok_or_else(full)?;
        let data = guard(answer, || {
            shared.handler.open(&Opening {
                head,
                peer,
                version,
                transport,
            })
        })?;
        let failed = || answer.empty(500);
        let mut random = [0; 15];
        shared
            .runtime
            .random(&mut random)
            .then_some(())
            .ok_or_else(failed)?;
        let sid = guard(answer, || Ok(shared.handler.sid(random)))?;
        let (config, now) = (shared.session_config.clone(), shared.runtime.now());
        let mut machine = ServerSession::new(config, sid, version, transport, now);
        if takes == Kind::Text {
            machine = machine.without_binary();
        }
        let comes_back = switch.is_some();
        let entry = |age| Entry::new(age, peer, data, machine);
        let placed = shared.registry.insert(sid, comes_back, entry);
        let Placed { session, evicted } = placed.map_err(|why| match why {
            NoPlace::Full => full(),
            NoPlace::NoName => failed(),
        })?;
        if let Some(evicted) = evicted {
            shared.counts.evicted.fetch_add(1, Ordering::Relaxed);
            self.session(evicted).abort();
        }
        shared.counts.opened.fetch_add(1, Ordering::Relaxed);
        let session = self.session(session);
        session.opened();
        Ok(match switch {
            Some(response) => Exchange::Upgrade(Upgrade::new(session, response)),
            None => Exchange::Wait(Parked::new(session, answer.clone(), Opens::Yes)),
        })
    }

    /// A client comes back to its session.
    fn go_on(
        &self,
        head: &Head<'_>,
        peer: Option<SocketAddr>,
        known: &Known,
        answer: &Answer,
    ) -> Result<Exchange<H>, Response> {
        let unknown = || answer.error(RequestError::Session);
        let entry = self.0.registry.find(known.sid()).ok_or_else(unknown)?;
        let asks = known
            .check(entry.version)
            .map_err(|error| answer.error(error))?;
        self.allow(head, peer, answer)?;
        let switch = match asks {
            Asks::Upgrade => Some(switch(head)?),
            Asks::Poll | Asks::Post(_) => None,
        };
        self.0.registry.came_back(entry.age);
        let session = self.session(entry);
        let attach = |channel| session.attach(channel).map_err(|why| answer.refused(why));
        Ok(match (asks, switch) {
            (Asks::Post(about), _) => {
                attach(Channel::Post)?;
                let mut post = Post::new(session.clone(), answer.clone(), about.kind);
                let max = self.0.options.session.max_payload;
                about
                    .check(session.version(), max)
                    .map_err(|fault| post.fail(fault))?;
                Exchange::Body(post)
            }
            (_, Some(response)) => {
                attach(Channel::WebSocket)?;
                Exchange::Upgrade(Upgrade::new(session, response))
            }
            _ => {
                attach(Channel::Get)?;
                Exchange::Wait(Parked::new(session, answer.clone(), Opens::No))
            }
        })
    }

    fn allow(
        &self,
        head: &Head<'_>,
        peer: Option<SocketAddr>,
        answer: &Answer,
    ) -> Result<(), Response> {
        guard(answer, || self.0.handler.allow(head, peer))
    }

    fn session(&self, entry: Arc<Entry<H::Data>>) -> Session<H> {
        Session {
            entry,
            server: self.0.clone(),
        }
    }

    /// Starts the task of the deadlines, once.
    fn start(&self) {
        if !self.0.is_started.swap(true, Ordering::Relaxed) {
            let runtime = self.0.runtime.clone();
            let deadlines = self.0.deadlines.clone();
            self.0
                .runtime
                .spawn(keep_time(Arc::downgrade(&self.0), deadlines, runtime));
        }
    }
}

/// Asks the application. Its panic is a request that failed, and no more.
fn guard<T>(answer: &Answer, ask: impl FnOnce() -> Result<T, Refused>) -> Result<T, Response> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answered) => answered.map_err(|refused| answer.forbidden(&refused.message)),
        Err(_) => Err(answer.empty(500)),
    }
}

/// The 101 for a request, if it is one for a WebSocket by the rules of that too:
/// after a 101 it would be too late to find out.
fn switch(head: &Head<'_>) -> Result<Response, Response> {
    // Where pages come from has been judged.
    let options = ServerOptions::new(Origins::Any);
    let fields = head.fields.iter().copied();
    match check_request(&options, head.method, head.version, fields) {
        Ok(upgrade) => Ok(Response {
            status: 101,
            fields: vec![
                ("Upgrade", b"websocket".into()),
                ("Connection", b"Upgrade".into()),
                ("Sec-WebSocket-Accept", Vec::from(upgrade.accept()).into()),
            ],
            body: Vec::new(),
        }),
        Err(refusal) => Err(Response {
            status: refusal.status(),
            fields: refusal
                .headers()
                .map(|(name, value)| (name, value.as_bytes().into()))
                .collect(),
            body: refusal.body().into(),
        }),
    }
}

/// Minds the deadlines of all sessions, for as long as there is a server.
async fn keep_time<H: Handler>(
    server: Weak<Shared<H>>,
    deadlines: Arc<Deadlines<Entry<H::Data>>>,
    runtime: AnyRuntime,
) {
    let mut timer: Option<(Instant, Sleep)> = None;
    poll_fn(|cx| {
        for _ in 0..TURN {
            if server.strong_count() == 0 {
                return Poll::Ready(());
            }
            let now = runtime.now();
            match deadlines.take(cx, now) {
                Due::Now(entry, at) => {
                    let Some(server) = server.upgrade() else {
                        return Poll::Ready(());
                    };
                    Session { entry, server }.time_has_come(at);
                }
                Due::At(at) => {
                    let (_, sleep) = match &mut timer {
                        Some(armed) if armed.0 <= at => armed,
                        slot => slot.insert((at, runtime.sleep_until(at))),
                    };
                    ready!(sleep.as_mut().poll(cx));
                    timer = None;
                }
                Due::Never => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<H: Handler> Drop for Shared<H> {
    fn drop(&mut self) {
        self.deadlines.end();
    }
}

impl<H: Handler> Clone for Server<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Handler> fmt::Debug for Server<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("options", &self.0.options)
            .field("sessions", &self.len())
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The defaults, for pages from `origins` and for clients that are no
    /// browsers.
    pub fn new(origins: Origins) -> Self {
        Self {
            session: engineio::Config::default(),
            polling: polling::Options::new(origins),
            max_sessions: 65_536,
            max_packets: 16_384,
            body_timeout: Duration::from_secs(30),
        }
    }
}

/// When a client that found no place may try again.
const RETRY: Duration = Duration::from_secs(5);

/// So much may wait in a connection beside what waits in the session.
pub(super) const MAX_OUTGOING: usize = 64 * 1024;

/// After so many sessions other tasks get their turn.
const TURN: usize = 256;
