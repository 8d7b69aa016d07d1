//! A client: a session, what is in flight for it, and what it has to say.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use super::sender::Shared;
use super::{Answer, BoxError, Error, Http, Pending, Sender};
use crate::driver::runtime::{AnyRuntime, Sleep};
use crate::driver::{Runtime, WebSocket};
use crate::engineio::{
    Channel, ClientConfig, ClientSession, Event, Fault, Open, Param, Query, Reason, SendError,
    Stats, Transport, Version,
};
use crate::{Instant, Message};

/// What a client wants and allows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The version that is spoken: 4.
    pub version: Version,
    /// By what the session begins: polling.
    pub transport: Transport,
    /// Its limits and deadlines, and whether it goes over to a WebSocket.
    pub session: ClientConfig,
    /// The most bytes that the answer to a GET or a message of the WebSocket may
    /// have: 1 000 000.
    pub max_payload: usize,
    /// The most packets that the answer to a GET may have: 16 384.
    pub max_packets: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Version::V4,
            transport: Transport::Polling,
            session: ClientConfig::default(),
            max_payload: 1_000_000,
            max_packets: 16_384,
        }
    }
}

/// A session with a server.
///
/// Nothing happens but while one of its futures is polled: no message goes out, no
/// ping is answered. So keep on receiving, as in a `select!`, and send from elsewhere
/// with a [`sender`](Self::sender).
///
/// A client that is dropped cuts off what is in flight; [`close`](Self::close) says
/// goodbye.
///
/// # Cancel safety
///
/// Every future here may be dropped at any time. What it had not returned is still
/// there for the next call.
pub struct Client<H: Http> {
    pub(super) shared: Arc<Shared>,
    pub(super) runtime: AnyRuntime,
    pub(super) target: Target,
    pub(super) options: Options,
    /// None once it is not needed any more.
    pub(super) http: Option<H>,
    pub(super) get: Option<Pending<Answer>>,
    pub(super) post: Option<Pending<Answer>>,
    pub(super) socket: Socket<H::Io>,
    /// Storage for a packet on its way to the WebSocket.
    pub(super) scratch: Vec<u8>,
    /// When it is due, and what waits for that.
    pub(super) timer: Option<(Instant, Sleep)>,
    pub(super) news: News,
}

pub(super) enum Socket<I> {
    None,
    Connecting(Pending<WebSocket<I>>),
    Open(WebSocket<I>),
    /// The session has nothing to do with it any more.
    Closing(WebSocket<I>),
}

/// What the session said, and the application has not heard.
#[derive(Default)]
pub(super) struct News {
    pub(super) messages: VecDeque<Message<'static>>,
    /// There will be no more requests.
    pub(super) is_upgraded: bool,
    pub(super) end: End,
    /// What failed last.
    pub(super) cause: Option<Cause>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Not,
    Is(Reason),
    Reported,
}

pub(super) enum Cause {
    Failed(BoxError),
    Refused(Answer),
}

impl<H: Http> Client<H> {
    /// Opens a session. `target` is a path, and perhaps a query, to which that of
    /// Engine.IO is appended.
    ///
    /// # Errors
    ///
    /// If the server does not open one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the session up.
    pub async fn open(
        http: H,
        target: &str,
        options: Options,
        runtime: impl Runtime,
    ) -> Result<Self, Error> {
        let mut client = Self::new(http, target, options, AnyRuntime::new(runtime))?;
        poll_fn(|cx| client.poll_until(cx, |client| client.is_open() || client.is_over())).await;
        match client.is_open() || !client.news.messages.is_empty() {
            true => Ok(client),
            false => Err(client.end().unwrap_or(Error::Ended(Reason::Peer))),
        }
    }

    fn new(http: H, target: &str, options: Options, runtime: AnyRuntime) -> Result<Self, Error> {
        let mut random = [0; 8];
        if !runtime.random(&mut random) {
            return Err(Error::Failed("no randomness".into()));
        }
        let target = Target {
            base: target.into(),
            counter: u64::from_ne_bytes(random),
        };
        let (config, now) = (options.session.clone(), runtime.now());
        let session = ClientSession::new(config, options.version, options.transport, now);
        Ok(Self {
            shared: Arc::new(Shared::new(session)),
            runtime,
            target,
            options,
            http: Some(http),
            get: None,
            post: None,
            socket: Socket::None,
            scratch: Vec::new(),
            timer: None,
            news: News::default(),
        })
    }

    /// Receives the next message, or `None` at the end.
    ///
    /// A session that one of the two has closed ends with `None`. Any other end is
    /// reported as an error once, and then by `None`.
    ///
    /// # Cancel safety
    ///
    /// Safe: a message is returned or still there.
    pub async fn next(&mut self) -> Option<Result<Message<'static>, Error>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Sends a message: text, bytes, a [`Message`] or a reference to one.
    ///
    /// Waits while as much is queued as
    /// [`QueueLimits`](crate::engineio::QueueLimits) allow. Returns when the message
    /// is queued and, where nothing else is in flight, on its way; see
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`Error::Send`], as [`ClientSession::send`] says.
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is queued exactly when this returns `Ok`.
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        poll_fn(|cx| {
            loop {
                ready!(self.poll_ready(cx));
                let sent = self.start_send(&message);
                if sent == Err(SendError::Full) && self.is_open() {
                    // Another sender was faster.
                    continue;
                }
                self.write(cx);
                return Poll::Ready(sent.map_err(Error::Send));
            }
        })
        .await
    }

    /// Sends a message that is worth nothing later: false says that it was
    /// dropped, because it could not go out at once. It goes out with the next call.
    ///
    /// # Errors
    ///
    /// As [`ClientSession::send_volatile`].
    pub fn send_volatile<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<bool, SendError> {
        self.shared.lock().session.send_volatile(message)
    }

    /// Waits until everything that was sent is with the server, as far as that can
    /// be known: written to the WebSocket, or answered where it was a POST.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the session has ended.
    ///
    /// # Cancel safety
    ///
    /// Safe: what is not written stays queued.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Waits until the session goes by WebSocket. False says that it will not: it
    /// has gone over in vain, was not to, or has ended.
    ///
    /// Messages that arrive meanwhile are kept.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn upgraded(&mut self) -> bool {
        poll_fn(|cx| {
            let is_settled = |client: &Self| {
                let session = &client.shared.lock().session;
                let is_tried = !matches!(client.socket, Socket::None | Socket::Closing(_));
                let goes_on = is_tried || session.wants(Channel::WebSocket);
                session.transport() == Transport::WebSocket || !goes_on
            };
            self.poll_until(cx, is_settled)
        })
        .await;
        self.transport() == Transport::WebSocket && self.is_open()
    }

    /// Sends what is queued, closes the session, and waits for its end:
    /// [`ClientConfig::close_timeout`] at the most, and a closing handshake.
    ///
    /// Messages that still arrive are discarded. To receive them, call
    /// [`Sender::close`] and then [`next`](Self::next) until `None`.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next). Closing what is closed is no error.
    ///
    /// # Cancel safety
    ///
    /// Safe: call it again, or [`next`](Self::next), to go on waiting.
    pub async fn close(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_close(cx)).await
    }

    /// Something to send with from elsewhere, which can be cloned.
    pub fn sender(&self) -> Sender {
        Sender(self.shared.clone())
    }

    /// What the server said of the session, whose name is a secret.
    pub fn opened(&self) -> Option<Open<'static>> {
        self.shared.lock().session.open().cloned()
    }

    /// The version that is spoken.
    pub fn version(&self) -> Version {
        self.options.version
    }

    /// By what the session goes at the moment.
    pub fn transport(&self) -> Transport {
        self.shared.lock().session.transport()
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.shared.lock().session.is_open()
    }

    /// Why the session ended, once it has.
    pub fn reason(&self) -> Option<Reason> {
        self.shared.lock().session.reason()
    }

    /// How many messages wait to be sent.
    pub fn queued_messages(&self) -> usize {
        self.shared.lock().session.queued_messages()
    }

    /// How many bytes they have together.
    pub fn queued_bytes(&self) -> usize {
        self.shared.lock().session.queued_bytes()
    }

    /// What the session has done so far.
    pub fn stats(&self) -> Stats {
        self.shared.lock().session.stats()
    }

    /// The messages that were never handed to the network, once the session has
    /// ended. What a POST carried that was not answered may have arrived, or not.
    pub fn take_unsent(&mut self) -> Vec<Message<'static>> {
        let mut unsent = Vec::new();
        let mut state = self.shared.lock();
        while let Some(message) = state.session.next_unsent() {
            unsent.push(message.into_owned());
        }
        unsent
    }

    /// [`next`](Self::next), as a poll.
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message<'static>, Error>>> {
        let has_news = |client: &Self| !client.news.messages.is_empty() || client.is_over();
        ready!(self.poll_until(cx, has_news));
        match self.news.messages.pop_front() {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None => Poll::Ready(self.end().map(Err)),
        }
    }

    /// Ready when a message would not have to wait, for whatever reason.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let has_room = |client: &Self| {
            let session = &client.shared.lock().session;
            session.has_room() || !session.is_open()
        };
        if has_room(self) {
            return Poll::Ready(());
        }
        self.poll_until(cx, has_room)
    }

    /// Queues a message, and leaves it to a flush or to the next call that writes.
    ///
    /// # Errors
    ///
    /// As [`ClientSession::send`].
    pub fn start_send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.shared.lock().session.send(message)
    }

    /// [`flush`](Self::flush), as a poll.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_until(cx, |client| client.is_flushed() || client.is_over()));
        Poll::Ready(match self.is_flushed() {
            true => Ok(()),
            false => Err(SendError::Closing.into()),
        })
    }

    /// [`close`](Self::close), as a poll.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.lock().session.close();
        ready!(self.poll_until(cx, Self::is_over));
        self.news.messages.clear();
        Poll::Ready(self.end().map_or(Ok(()), Err))
    }

    /// The session has ended, and so has its WebSocket.
    fn is_over(&self) -> bool {
        self.news.end != End::Not && matches!(self.socket, Socket::None)
    }

    fn is_flushed(&self) -> bool {
        let is_written = match &self.socket {
            Socket::Open(websocket) => websocket.buffered_amount() == 0,
            _ => self.post.is_none(),
        };
        is_written && self.queued_messages() == 0
    }

    /// The end, as the application is told of it once.
    fn end(&mut self) -> Option<Error> {
        let End::Is(reason) = self.news.end else {
            return None;
        };
        self.news.end = End::Reported;
        match (reason, self.news.cause.take()) {
            (Reason::Forced | Reason::Peer, _) => None,
            (Reason::Lost(_), Some(Cause::Failed(error))) => Some(Error::Failed(error)),
            (Reason::Fault(Fault::Status(_)), Some(Cause::Refused(answer))) => {
                Some(Error::Refused(answer))
            }
            _ => Some(Error::Ended(reason)),
        }
    }
}

impl News {
    pub(super) fn take(&mut self, event: Option<Event<'_>>) {
        match event {
            Some(Event::Message(message)) => self.messages.push_back(message.into_owned()),
            Some(Event::Upgraded) => self.is_upgraded = true,
            Some(Event::Closed(reason)) => self.end = End::Is(reason),
            _ => {}
        }
    }
}

/// What requests ask for.
pub(super) struct Target {
    /// Path, and perhaps a query.
    base: String,
    /// No two requests have the same target, so that nobody answers one twice.
    counter: u64,
}

impl Target {
    pub(super) fn next(&mut self, shared: &Shared, transport: Transport) -> String {
        let session = &shared.lock().session;
        let query = Query {
            version: Some(session.version()),
            transport: Some(transport),
            sid: match session.open() {
                Some(open) => Param::Once(open.sid.clone()),
                None => Param::Missing,
            },
            base64: false,
            jsonp: None,
        };
        self.counter = self.counter.wrapping_add(1);
        let joint = if self.base.contains('?') { '&' } else { '?' };
        format!(
            "{}{joint}{}&t={:x}",
            self.base,
            query.encode(),
            self.counter
        )
    }
}

/// Nothing in it is pinned.
impl<H: Http> Unpin for Client<H> {}

impl<H: Http> Drop for Client<H> {
    /// Senders are told.
    fn drop(&mut self) {
        self.shared.lock().session.close();
        self.shared.let_in();
    }
}

impl<H: Http> fmt::Debug for Client<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("version", &self.version())
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}
