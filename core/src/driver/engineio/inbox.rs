//! Sessions and their messages as they are asked for: for tasks that wait, in
//! place of a [`Handler`] that is called.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Handler, Opening, Options, Refused, Server, Session};
use crate::Message;
use crate::driver::Runtime;
use crate::engineio::Reason;

/// The application of a server whose sessions are taken from [`Incoming`].
pub struct Inbox(Arc<Mutex<Fresh>>);

/// The sessions of a server, as they are opened.
///
/// Once it is dropped, clients are refused.
pub struct Incoming(Arc<Mutex<Fresh>>);

/// Sessions that nobody has taken yet, by age.
#[derive(Default)]
struct Fresh {
    sessions: BTreeMap<u64, Session<Inbox>>,
    waiting: Option<Waker>,
    is_closed: bool,
}

/// What has come of a session and was not taken yet.
#[derive(Default)]
pub struct Messages(Mutex<Held>);

#[derive(Default)]
struct Held {
    messages: VecDeque<Message<'static>>,
    bytes: usize,
    is_over: bool,
    /// Who waits for a message.
    reader: Option<Waker>,
    /// Who waits until fewer are held: a POST, or the WebSocket.
    writer: Option<Waker>,
}

impl Server<Inbox> {
    /// A server whose sessions are taken one by one:
    ///
    /// ```
    /// # use sockeye::driver::{Runtime, engineio::{Options, Server}};
    /// # use sockeye::http::Origins;
    /// # fn run(runtime: impl Runtime, spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()>>>)) {
    /// let (server, mut incoming) = Server::incoming(Options::new(Origins::SameHost), runtime);
    /// # let _ =
    /// async move {
    ///     while let Some(session) = incoming.next().await {
    ///         spawn(Box::pin(async move {
    ///             while let Some(message) = session.next().await {
    ///                 let _ = session.send(message);
    ///             }
    ///         }));
    ///     }
    /// };
    /// # }
    /// ```
    pub fn incoming(options: Options, runtime: impl Runtime) -> (Self, Incoming) {
        let fresh = Arc::<Mutex<Fresh>>::default();
        let server = Self::new(Inbox(fresh.clone()), options, runtime);
        (server, Incoming(fresh))
    }
}

impl Incoming {
    /// Takes the next session that was opened and has not ended. One task at a
    /// time waits for it.
    ///
    /// None once the server is gone.
    ///
    /// # Cancel safety
    ///
    /// Safe: a session is returned or still there.
    pub async fn next(&mut self) -> Option<Session<Inbox>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next), as a poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Session<Inbox>>> {
        let mut fresh = lock(&self.0);
        match fresh.sessions.pop_first() {
            Some((_, session)) => Poll::Ready(Some(session)),
            None if fresh.is_closed => Poll::Ready(None),
            None => {
                fresh.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Session<Inbox> {
    /// Takes the next message; none after the last one, when the session has
    /// ended. One task at a time waits for it.
    ///
    /// While 64 KiB are not taken no more is read from the client: see
    /// [`Handler::poll_ready`].
    ///
    /// # Cancel safety
    ///
    /// Safe: a message is returned or still there.
    pub async fn next(&self) -> Option<Message<'static>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next), as a poll.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Message<'static>>> {
        let mut held = lock(&self.data().0);
        let Some(message) = held.messages.pop_front() else {
            if held.is_over {
                return Poll::Ready(None);
            }
            held.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        held.bytes -= cost(&message);
        let has_room = held.bytes < HELD;
        let writer = held.writer.take_if(|_| has_room);
        drop(held);
        wake(writer);
        Poll::Ready(Some(message))
    }
}

impl Handler for Inbox {
    type Data = Messages;

    fn open(&self, _: &Opening<'_>) -> Result<Messages, Refused> {
        match lock(&self.0).is_closed {
            true => Err(Refused::default()),
            false => Ok(Messages::default()),
        }
    }

    fn opened(&self, session: &Session<Self>) {
        let mut fresh = lock(&self.0);
        fresh.sessions.insert(session.entry.age, session.clone());
        let waiting = fresh.waiting.take();
        drop(fresh);
        wake(waiting);
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        let mut held = lock(&session.data().0);
        held.bytes += cost(&message);
        held.messages.push_back(message.into_owned());
        let reader = held.reader.take();
        drop(held);
        wake(reader);
    }

    fn poll_ready(&self, session: &Session<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut held = lock(&session.data().0);
        if held.bytes < HELD {
            return Poll::Ready(());
        }
        held.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn closed(&self, session: &Session<Self>, _: Reason) {
        // Nobody has to be bothered with it any more.
        let untaken = lock(&self.0).sessions.remove(&session.entry.age);
        drop(untaken);
        let mut held = lock(&session.data().0);
        held.is_over = true;
        let reader = held.reader.take();
        drop(held);
        wake(reader);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut fresh = lock(&self.0);
        fresh.is_closed = true;
        let waiting = fresh.waiting.take();
        drop(fresh);
        wake(waiting);
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut fresh = lock(&self.0);
        fresh.is_closed = true;
        let untaken = core::mem::take(&mut fresh.sessions);
        drop(fresh);
        untaken.into_values().for_each(|session| session.close());
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Incoming")
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("bytes", &lock(&self.0).bytes)
            .finish_non_exhaustive()
    }
}

/// What a message counts: what it takes to hold one is not nothing.
fn cost(message: &Message<'_>) -> usize {
    size_of::<Message<'_>>() + message.as_bytes().len()
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// What is locked here is whole even where something panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So much is held for whoever does not take it.
const HELD: usize = 64 * 1024;
