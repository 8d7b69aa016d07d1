//! A WebSocket in two halves, for tasks that receive and send on their own.
//!
//! Both halves drive the socket: whoever finds it free moves it. It is locked
//! for the length of one poll and never across an `await`; a sender does not
//! wait for the lock, but leaves what it wants in a queue, at which the holder
//! looks again after unlocking:
//!
//! ```text
//! Sender ---+--- free? ------> pump
//! Sender ---+--- busy? -> queue -^ emptied by whoever holds the pump
//! Receiver ---- always ----------+
//! ```
//!
//! The transport knows one waker, which wakes all that wait.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::future::poll_fn;
use core::ops::ControlFlow;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::pump::Pump;
use super::{Error, Io, WebSocket};
use crate::websocket::{
    Chunk, CloseCode, Connection, Event, MAX_CONTROL, MAX_REASON, Message, Reason, SendError,
};

/// The receiving half of a WebSocket: [`WebSocket::split`].
///
/// It answers pings, and writes what the senders queue, while it is polled.
/// Dropping it closes the transport, with a Close of code 1001 before if that
/// can be written without waiting.
pub struct Receiver<I: Io>(Arc<Shared<I>>);

/// The sending half of a WebSocket: [`WebSocket::split`]. It can be cloned, and
/// used from any thread, also while a handler of the [`Receiver`] runs.
///
/// Its errors say only that a message was not queued; how the connection ended
/// is told by the receiver. A sender does not read: a peer whose receiver is
/// not polled gets no answer to its pings.
pub struct Sender<I: Io>(Arc<Shared<I>>);

impl<I: Io> Clone for Sender<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I: Io> fmt::Debug for Sender<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<I: Io> fmt::Debug for Receiver<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<I: Io> WebSocket<I> {
    /// Splits into a sender, of which there can be many, and a receiver.
    ///
    /// Without this nothing is locked or shared. A message that was begun with
    /// [`start`](Self::start) has to be ended before; otherwise the senders
    /// return [`SendError::Unfinished`].
    pub fn split(self) -> (Sender<I>, Receiver<I>) {
        let shared = Arc::new(Shared::new(self.into_pump()));
        (Sender(shared.clone()), Receiver(shared))
    }
}

impl<I: Io> Sender<I> {
    /// Sends a message: text, bytes, a [`Message`] or a reference to one.
    ///
    /// Waits while as much is queued as
    /// [`Config::max_outgoing`](crate::websocket::Config::max_outgoing) allows.
    /// Returns when the message is queued, and writes it if nobody else does.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing) when the connection is.
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is queued exactly when this returns `Ok`.
    pub async fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.queue(Command::Message(message.into())).await
    }

    /// Sends a binary message whose payload is shared, without a copy if it is large.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_bytes(&self, payload: Bytes) -> Result<(), SendError> {
        self.queue(Command::Bytes(payload)).await
    }

    /// Sends a message, unless it would have to wait.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) where [`send`](Self::send) would wait, and its
    /// errors.
    pub fn try_send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.0.send(&mut Some(Command::Message(message.into())))
    }

    /// Sends a ping of at most 125 bytes.
    ///
    /// # Errors
    ///
    /// [`ControlTooLong`](SendError::ControlTooLong),
    /// [`Closing`](SendError::Closing), and [`Full`](SendError::Full) while an
    /// earlier ping waits to be written.
    pub fn ping(&self, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL {
            return Err(SendError::ControlTooLong);
        }
        self.0.send(&mut Some(Command::Ping(payload.into())))
    }

    /// Waits until everything is written that was queued before.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing) if the connection ended before.
    ///
    /// # Cancel safety
    ///
    /// Safe: what is not written stays queued.
    pub async fn flush(&self) -> Result<(), SendError> {
        poll_fn(|cx| {
            self.0.poll(cx, Wait::Written, |queue| {
                let written = queue.is_written();
                (written || queue.over).then_some(match written {
                    true => Ok(()),
                    false => Err(SendError::Closing),
                })
            })
        })
        .await
    }

    /// Closes the connection behind what is queued, and waits until it is
    /// closed: for the answer of the peer, which the receiver has to be polled
    /// for, or for [`Config::close_timeout`](crate::websocket::Config::close_timeout).
    ///
    /// # Errors
    ///
    /// [`ReasonTooLong`](SendError::ReasonTooLong) beyond 123 bytes. Closing
    /// what is closed is no error.
    ///
    /// # Cancel safety
    ///
    /// Safe: call it again, or [`closed`](Self::closed), to go on waiting.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.start_close(code, reason)?;
        self.closed().await;
        Ok(())
    }

    /// Begins the closing handshake: [`close`](Self::close) without waiting.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if reason.len() > MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        let close = Command::Close(code, reason.into());
        match self.0.send(&mut Some(close)) {
            Err(SendError::Closing) => Ok(()),
            sent => sent,
        }
    }

    /// Waits until the connection is closed, by whichever end.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn closed(&self) {
        poll_fn(|cx| {
            self.0
                .poll(cx, Wait::Over, |queue| queue.over.then_some(()))
        })
        .await;
    }

    /// Whether the connection takes no more messages.
    pub fn is_closed(&self) -> bool {
        lock(&self.0.queue).refused.is_some()
    }

    /// How many bytes of messages are queued and not written.
    pub fn buffered_amount(&self) -> usize {
        lock(&self.0.queue).waiting()
    }

    async fn queue(&self, command: Command<'_>) -> Result<(), SendError> {
        let mut command = Some(command);
        match self.0.send(&mut command) {
            Err(SendError::Full) => {}
            sent => return sent,
        }
        poll_fn(|cx| {
            self.0
                .poll(cx, Wait::Room, |queue| match queue.push(&mut command) {
                    Err(SendError::Full) => None,
                    pushed => Some(pushed),
                })
        })
        .await?;
        self.0.settle();
        Ok(())
    }
}

impl<I: Io> Receiver<I> {
    /// Receives the next message, or `None` at the end: as
    /// [`WebSocket::next`], with the same cancel safety.
    pub async fn next(&mut self) -> Option<Result<Message<'static>, Error<I::Error>>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Receives the next chunk of a message: as [`WebSocket::next_chunk`].
    pub async fn next_chunk(&mut self) -> Option<Result<Chunk<'static>, Error<I::Error>>> {
        poll_fn(|cx| {
            self.poll(cx, |pump, cx| pump.poll_next_chunk(cx))
                .map(Result::transpose)
        })
        .await
    }

    /// Hands every message to `handle`, until the connection ends: as
    /// [`WebSocket::for_each`]. The socket is locked while `handle` runs, so a
    /// [`Sender`] used in it queues.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::next`]; `Ok` is a proper close.
    pub async fn for_each(
        &mut self,
        mut handle: impl FnMut(&mut Connection, Message<'_>),
    ) -> Result<(), Error<I::Error>> {
        let each = poll_fn(|cx| {
            self.poll(cx, |pump, cx| {
                pump.poll_events(cx, |connection, event| {
                    if let Event::Message(message) = event {
                        handle(connection, message);
                    }
                    ControlFlow::<()>::Continue(())
                })
            })
        });
        each.await.map(drop)
    }

    /// [`next`](Self::next), as a poll.
    #[allow(clippy::type_complexity, reason = "what a stream of results is")]
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message<'static>, Error<I::Error>>>> {
        self.poll(cx, |pump, cx| pump.poll_next(cx))
            .map(Result::transpose)
    }

    /// How the connection ended, once it has.
    pub fn close_reason(&self) -> Option<Reason<'static>> {
        let held = self.0.driven.lock().unwrap_or_else(give_up);
        held.as_ref()?.pump.reason.clone()
    }

    /// Another sender.
    pub fn sender(&self) -> Sender<I> {
        Sender(self.0.clone())
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Pump<I>, &mut Context<'_>) -> Poll<Result<Option<T>, Error<I::Error>>>,
    ) -> Poll<Result<Option<T>, Error<I::Error>>> {
        let shared = &*self.0;
        lock(&shared.wakers.0).receive(cx.waker());
        // A sender holds it for the length of a write.
        let mut held = shared.driven.lock().unwrap_or_else(give_up);
        let poll = shared.visit(&mut held, |driven, cx| match driven.failure.take() {
            Some(failure) => Poll::Ready(Err(failure)),
            None => work(&mut driven.pump, cx),
        });
        drop(held);
        shared.settle();
        poll.unwrap_or(Poll::Ready(Ok(None)))
    }
}

impl<I: Io> Drop for Receiver<I> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        let close = Command::Close(CloseCode::GOING_AWAY, String::new());
        // Refused where the connection is closing anyway.
        let _ = queue.push(&mut Some(close));
        queue.abandoned = true;
        queue.unseen = true;
        drop(queue);
        self.0.settle();
    }
}

/// What the halves share.
struct Shared<I: Io> {
    /// Empty once the receiver is gone, or a handler of its panicked.
    driven: Mutex<Option<Driven<I>>>,
    /// Locked after `driven`, or while that is only tried.
    queue: Mutex<Queue>,
    wakers: Arc<Wakers>,
    /// Wakes all in `wakers`.
    waker: Waker,
}

/// What only one half at a time can move.
struct Driven<I: Io> {
    pump: Pump<I>,
    /// What a sender met while it wrote, for the receiver to return.
    failure: Option<Error<I::Error>>,
}

impl<I: Io> Shared<I> {
    fn new(pump: Pump<I>) -> Self {
        let wakers = Arc::<Wakers>::default();
        let unfinished = !pump.connection.is_between_messages();
        let driven = Driven {
            pump,
            failure: None,
        };
        let mut queue = Queue {
            limit: driven.pump.connection.config().max_outgoing,
            refused: unfinished.then_some(SendError::Unfinished),
            ..Queue::default()
        };
        queue.look(Some(&driven));
        Self {
            driven: Mutex::new(Some(driven)),
            queue: Mutex::new(queue),
            waker: wakers.clone().into(),
            wakers,
        }
    }

    /// Takes a command to the connection if that is free, and otherwise to the
    /// queue. Leaves it where there is no room.
    fn send(&self, command: &mut Option<Command<'_>>) -> Result<(), SendError> {
        let mut queue = lock(&self.queue);
        if let Some(error) = queue.refused {
            return Err(error);
        }
        let free = match queue.commands.is_empty() {
            true => self.claim(),
            false => None,
        };
        let sent = match free {
            None => {
                let pushed = queue.push(command);
                drop(queue);
                pushed
            }
            Some(mut held) => {
                drop(queue);
                let sent = self.visit(&mut held, |driven, cx| {
                    let sent = driven.pump.send(cx, |connection| {
                        match command.take_if(|command| !command.waits_for(connection)) {
                            Some(command) => command.apply(connection),
                            None => Err(SendError::Full),
                        }
                    });
                    sent.map_err(|error| driven.note(error))
                });
                sent.unwrap_or(Err(SendError::Closing))
            }
        };
        self.settle();
        sent
    }

    /// Waits until the queue is as wanted, and moves the socket meanwhile.
    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        wait: Wait,
        mut wanted: impl FnMut(&mut Queue) -> Option<R>,
    ) -> Poll<R> {
        let found = wanted(&mut lock(&self.queue));
        if let Some(found) = found {
            return Poll::Ready(found);
        }
        lock(&self.wakers.0).wait(wait, cx.waker());
        lock(&self.queue).unseen = true;
        self.settle();
        match wanted(&mut lock(&self.queue)) {
            Some(found) => Poll::Ready(found),
            None => Poll::Pending,
        }
    }

    /// Does what was asked for while the pump was held. Whoever lets go of it
    /// calls this: a sender that found it held has left its command before.
    fn settle(&self) {
        while lock(&self.queue).unseen {
            let Some(mut held) = self.claim() else {
                return;
            };
            self.visit(&mut held, |driven, cx| {
                if let Err(error) = driven.pump.drive(cx) {
                    driven.note(error);
                }
            });
        }
    }

    /// The pump, if nobody holds it.
    fn claim(&self) -> Option<MutexGuard<'_, Option<Driven<I>>>> {
        match self.driven.try_lock() {
            Ok(held) => Some(held),
            Err(TryLockError::Poisoned(poisoned)) => Some(give_up(poisoned)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Takes over what is queued, works on the pump, and wakes who waited for
    /// what has come of it.
    fn visit<R>(
        &self,
        held: &mut Option<Driven<I>>,
        work: impl FnOnce(&mut Driven<I>, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let mut cx = Context::from_waker(&self.waker);
        let result = held.as_mut().map(|driven| {
            lock(&self.queue).empty_into(&mut driven.pump.connection);
            work(driven, &mut cx)
        });
        let mut queue = lock(&self.queue);
        let was_over = queue.over;
        if held.is_none() {
            queue.unseen = false;
        }
        queue.look(held.as_ref());
        if queue.abandoned && !queue.unseen {
            *held = None;
            queue.look(None::<&Driven<I>>);
        }
        let due = lock(&self.wakers.0).due(&queue, was_over);
        drop(queue);
        due.into_iter().for_each(Waker::wake);
        result
    }
}

impl<I: Io> Driven<I> {
    /// Keeps a failure of the transport for the receiver.
    fn note(&mut self, error: Error<I::Error>) -> SendError {
        match error {
            Error::Send(error) => error,
            error => {
                self.failure = Some(error);
                SendError::Closing
            }
        }
    }
}

/// A handler panicked, and input is lost: the connection is given up.
fn give_up<'g, I: Io>(
    poisoned: PoisonError<MutexGuard<'g, Option<Driven<I>>>>,
) -> MutexGuard<'g, Option<Driven<I>>> {
    let mut held = poisoned.into_inner();
    *held = None;
    held
}

/// What is asked of whoever holds the pump, and what that last saw.
#[derive(Debug, Default)]
struct Queue {
    commands: VecDeque<Command<'static>>,
    /// Payload bytes in `commands`.
    bytes: usize,
    /// Payload bytes that wait in the connection.
    buffered: usize,
    limit: usize,
    /// Whether anything came that no holder has seen.
    unseen: bool,
    /// Whether the receiver is gone.
    abandoned: bool,
    /// Why nothing more is taken.
    refused: Option<SendError>,
    /// Whether the connection has output of any kind, or had when it was dropped.
    has_output: bool,
    /// Whether commands were dropped because the connection had ended.
    lost: bool,
    /// Whether the connection has ended.
    over: bool,
}

impl Queue {
    fn waiting(&self) -> usize {
        self.bytes.saturating_add(self.buffered)
    }

    fn has_room(&self) -> bool {
        self.waiting() < self.limit
    }

    fn is_written(&self) -> bool {
        self.commands.is_empty() && !self.has_output && !self.lost
    }

    /// Takes a command, or leaves it where there is no room.
    fn push(&mut self, command: &mut Option<Command<'_>>) -> Result<(), SendError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let fits = |command: &mut Command<'_>| match command {
            Command::Message(_) | Command::Bytes(_) => self.has_room(),
            Command::Ping(_) => !self.commands.iter().any(Command::is_ping),
            Command::Close(..) => true,
        };
        let Some(command) = command.take_if(fits) else {
            return Err(SendError::Full);
        };
        if let Command::Close(..) = command {
            self.refused = Some(SendError::Closing);
        }
        self.bytes = self.bytes.saturating_add(command.len());
        self.commands.push_back(command.into_owned());
        self.unseen = true;
        Ok(())
    }

    /// Hands the commands over, as far as there is room.
    fn empty_into(&mut self, connection: &mut Connection) {
        self.unseen = false;
        while self
            .commands
            .front()
            .is_some_and(|next| !next.waits_for(connection))
        {
            let Some(command) = self.commands.pop_front() else {
                return;
            };
            self.bytes = self.bytes.saturating_sub(command.len());
            if let Err(error) = command.apply(connection) {
                self.refused.get_or_insert(error);
            }
        }
    }

    /// Notes how things stand.
    fn look<I: Io>(&mut self, driven: Option<&Driven<I>>) {
        let pump = driven.map(|driven| &driven.pump);
        self.over = pump.is_none_or(|pump| pump.is_over() || pump.connection.is_closed());
        self.has_output = pump.map_or(self.has_output, Pump::has_output);
        self.buffered = pump.map_or(0, |pump| pump.connection.buffered_amount());
        if self.over || pump.is_none_or(|pump| !pump.connection.is_open()) {
            self.refused.get_or_insert(SendError::Closing);
        }
        if self.over {
            self.lost |= !self.commands.is_empty();
            self.commands.clear();
            self.bytes = 0;
        }
    }
}

/// What a sender asks for.
#[derive(Debug)]
enum Command<'m> {
    Message(Message<'m>),
    Bytes(Bytes),
    Ping(Vec<u8>),
    Close(CloseCode, String),
}

impl Command<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.as_bytes().len(),
            Self::Bytes(payload) => payload.len(),
            Self::Ping(_) | Self::Close(..) => 0,
        }
    }

    fn is_ping(&self) -> bool {
        matches!(self, Self::Ping(_))
    }

    /// Whether the connection has no room for it now.
    fn waits_for(&self, connection: &Connection) -> bool {
        let needs_room = matches!(self, Self::Message(_) | Self::Bytes(_));
        needs_room && connection.is_open() && !connection.has_room()
    }

    fn into_owned(self) -> Command<'static> {
        match self {
            Self::Message(message) => Command::Message(message.into_owned()),
            Self::Bytes(payload) => Command::Bytes(payload),
            Self::Ping(payload) => Command::Ping(payload),
            Self::Close(code, reason) => Command::Close(code, reason),
        }
    }

    fn apply(self, connection: &mut Connection) -> Result<(), SendError> {
        match self {
            Self::Message(message) => connection.send(message),
            Self::Bytes(payload) => connection.send_bytes(payload),
            Self::Ping(payload) => connection.ping(&payload),
            Self::Close(code, reason) => connection.close(code, &reason),
        }
    }
}

/// The tasks that wait.
#[derive(Debug, Default)]
struct Wakers(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    receiver: Option<Waker>,
    senders: Vec<(Wait, Waker)>,
}

/// What a sender waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Room,
    Written,
    Over,
}

impl Waiting {
    fn receive(&mut self, waker: &Waker) {
        match &mut self.receiver {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn wait(&mut self, wait: Wait, waker: &Waker) {
        let is_known = |(known, other): &(Wait, Waker)| *known == wait && other.will_wake(waker);
        if !self.senders.iter().any(is_known) {
            self.senders.push((wait, waker.clone()));
        }
    }

    /// Those for whom something has come.
    fn due(&mut self, queue: &Queue, was_over: bool) -> Vec<Waker> {
        let due = |wait: Wait| match wait {
            Wait::Room => queue.has_room() || queue.refused.is_some(),
            Wait::Written => queue.is_written() || queue.over,
            Wait::Over => queue.over,
        };
        let mut wakers = Vec::new();
        self.senders.retain(|(wait, waker)| {
            let due = due(*wait);
            if due {
                wakers.push(waker.clone());
            }
            !due
        });
        if queue.over && !was_over {
            wakers.extend(self.receiver.take());
        }
        wakers
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting = core::mem::take(&mut *lock(&self.0));
        let senders = waiting.senders.into_iter().map(|(_, waker)| waker);
        waiting
            .receiver
            .into_iter()
            .chain(senders)
            .for_each(Waker::wake);
    }
}

/// What is locked here is whole even where a waker panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
