//! What a client and its senders share.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Message;
use crate::engineio::{ClientSession, Reason, SendError, Stats, Transport};

/// Sends messages of a session from any thread.
///
/// They go out while a future of the [`Client`](super::Client) is polled.
#[derive(Clone)]
pub struct Sender(pub(super) Arc<Shared>);

pub(super) struct Shared(Mutex<State>);

pub(super) struct State {
    pub(super) session: ClientSession,
    /// Who polls the client.
    client: Option<Waker>,
    /// Who waits for room.
    waiting: Vec<Waker>,
}

impl Shared {
    pub(super) fn new(session: ClientSession) -> Self {
        Self(Mutex::new(State {
            session,
            client: None,
            waiting: Vec::new(),
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who polls the client is woken when there is something to do.
    pub(super) fn watch(&self, cx: &Context<'_>) {
        let mut state = self.lock();
        match &mut state.client {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Wakes who waits for room, if there is some or will never be any.
    pub(super) fn let_in(&self) {
        let mut state = self.lock();
        let is_open = state.session.is_open();
        if state.waiting.is_empty() || (is_open && !state.session.has_room()) {
            return;
        }
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Sender {
    /// Sends a message: text, bytes, a [`Message`] or a reference to one. Waits
    /// while as much is queued as
    /// [`QueueLimits`](crate::engineio::QueueLimits) allow.
    ///
    /// # Errors
    ///
    /// As [`ClientSession::send`], without [`SendError::Full`].
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is queued exactly when this returns `Ok`.
    pub async fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        poll_fn(|cx| {
            let mut state = self.0.lock();
            let sent = state.session.send(&message);
            if sent == Err(SendError::Full) && state.session.is_open() {
                let is_known = |waker: &Waker| waker.will_wake(cx.waker());
                if !state.waiting.iter().any(is_known) {
                    state.waiting.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            wake(state);
            Poll::Ready(sent)
        })
        .await
    }

    /// Sends a message, if there is room for it.
    ///
    /// # Errors
    ///
    /// As [`ClientSession::send`].
    pub fn try_send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let mut state = self.0.lock();
        let sent = state.session.send(message);
        wake(state);
        sent
    }

    /// Sends a message that is worth nothing later: false says that it was
    /// dropped, because it could not go out at once.
    ///
    /// # Errors
    ///
    /// As [`ClientSession::send_volatile`].
    pub fn send_volatile<'m>(&self, message: impl Into<Message<'m>>) -> Result<bool, SendError> {
        let mut state = self.0.lock();
        let sent = state.session.send_volatile(message);
        wake(state);
        sent
    }

    /// Ends the session once what is queued is sent. Messages still arrive until
    /// then.
    pub fn close(&self) {
        let mut state = self.0.lock();
        state.session.close();
        wake(state);
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.0.lock().session.is_open()
    }

    /// By what the session goes at the moment.
    pub fn transport(&self) -> Transport {
        self.0.lock().session.transport()
    }

    /// Why the session ended, once it has.
    pub fn reason(&self) -> Option<Reason> {
        self.0.lock().session.reason()
    }

    /// How many messages wait to be sent.
    pub fn queued_messages(&self) -> usize {
        self.0.lock().session.queued_messages()
    }

    /// How many bytes they have together.
    pub fn queued_bytes(&self) -> usize {
        self.0.lock().session.queued_bytes()
    }

    /// What the session has done so far.
    pub fn stats(&self) -> Stats {
        self.0.lock().session.stats()
    }
}

/// Outside the lock: whoever is woken may take it.
fn wake(mut state: MutexGuard<'_, State>) {
    let client = state.client.take();
    drop(state);
    if let Some(client) = client {
        client.wake();
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}
