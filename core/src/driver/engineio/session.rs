//! A session, as the application holds it and as requests come to it.
//!
//! The machine stands behind a lock that is held for one step of it, and never
//! while the application runs. Whoever takes a step [visits](Session::visit), and
//! does before leaving what has come of it: wakes who waits, moves the deadline,
//! and tells of the end.
//!
//! The application is told one thing at a time. Messages come one way at a time,
//! since the machine refuses a second POST, and since a WebSocket is not read
//! before a POST that came first is done. Only the end can come another way: it
//! waits then until the application is done with its message. Commands of the
//! application bring no event, so no call of it is answered by a call to it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::panic::AssertUnwindSafe;
use core::task::{Context, Poll, Waker};
use std::panic::catch_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::server::Shared;
use super::socket::Wait;
use super::{Handler, Server};
use crate::engineio::{
    Channel, Detach, Event, Fault, Payload, Prepared, Reason, Refusal, SendError, ServerSession,
    Sid, Stats, Transport, Version,
};
use crate::{Instant, Message};

/// A session of a server. It can be cloned, kept, and used from any thread.
pub struct Session<H: Handler> {
    pub(super) entry: Arc<Entry<H::Data>>,
    pub(super) server: Arc<Shared<H>>,
}

/// What there is of a session, however many hold it.
pub(super) struct Entry<D> {
    pub(super) age: u64,
    pub(super) sid: Sid,
    peer: Option<SocketAddr>,
    pub(super) version: Version,
    data: D,
    state: Mutex<State>,
}

/// What changes of it.
pub(super) struct State {
    pub(super) machine: ServerSession,
    /// Who waits for what.
    pub(super) get: Option<Waker>,
    pub(super) post: Option<Waker>,
    pub(super) socket: Option<Wait>,
    /// The answer to a GET, where it was made before the GET was polled.
    pub(super) answer: Option<Payload>,
    /// When the body of a POST has to be there.
    pub(super) body_until: Option<Instant>,
    /// Whether what the client says is left unread, since the application is busy.
    pub(super) is_held: bool,
    /// Where it stands in the line of deadlines.
    armed: Option<Instant>,
    told: Told,
    end: End,
}

/// Whether the application is in the middle of being told something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Something,
}

/// How far the session has come to its end.
enum End {
    /// It goes on.
    Open,
    /// The application has to be told why.
    Met(Reason),
    /// It knows.
    Told(Reason),
}

impl<D> Entry<D> {
    /// The application is about to be told of it.
    pub(super) fn new(age: u64, peer: Option<SocketAddr>, data: D, machine: ServerSession) -> Self {
        Self {
            age,
            sid: *machine.sid(),
            peer,
            version: machine.version(),
            data,
            state: Mutex::new(State {
                machine,
                get: None,
                post: None,
                socket: None,
                answer: None,
                body_until: None,
                is_held: false,
                armed: None,
                told: Told::Something,
                end: End::Open,
            }),
        }
    }

    /// What is locked here is whole even where something panicked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes what is for the application, and notes an end.
    pub(super) fn note<'i>(&mut self, event: Option<Event<'i>>) -> Option<Event<'i>> {
        match event? {
            Event::Closed(reason) => {
                self.end = End::Met(reason);
                None
            }
            event => {
                self.told = Told::Something;
                Some(event)
            }
        }
    }

    /// The answer to a GET.
    pub(super) fn fill(&mut self, now: Instant) -> Payload {
        let mut payload = self.machine.payload();
        self.machine.fill(now, Channel::Get, &mut payload);
        payload
    }

    /// Why the session ended, if it has.
    pub(super) fn reason(&self) -> Option<Reason> {
        match self.end {
            End::Open => None,
            End::Met(reason) | End::Told(reason) => Some(reason),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.reason().is_some()
    }

    /// Those whose wait is over. None if nobody can be, as in most steps.
    fn due(&mut self) -> Option<[Option<Waker>; 3]> {
        let over = self.is_over();
        if !over && self.get.is_none() && self.socket.is_none() {
            return None;
        }
        let get = over || self.answer.is_some() || self.machine.has_output(Channel::Get);
        let (socket, waiting) = match self.socket.take() {
            Some(wait) if self.ends(&wait) => (Some(wait.waker), None),
            waiting => (None, waiting),
        };
        self.socket = waiting;
        Some([
            self.get.take_if(|_| get),
            self.post.take_if(|_| over),
            socket,
        ])
    }

    /// Whether that has come for which the WebSocket waits.
    pub(super) fn ends(&self, wait: &Wait) -> bool {
        let output = wait.output && self.machine.has_output(Channel::WebSocket);
        let resume = wait.resume && !self.machine.is_paused();
        output || resume || self.is_over()
    }

    fn deadline(&self) -> Option<Instant> {
        Instant::earlier(self.machine.poll_timeout(), self.body_until)
    }

    /// The end, if the application is to be told now.
    fn take_end(&mut self) -> Option<Reason> {
        match self.end {
            End::Met(reason) if self.told == Told::Nothing => {
                self.end = End::Told(reason);
                Some(reason)
            }
            _ => None,
        }
    }
}

/// What the driver does.
impl<H: Handler> Session<H> {
    /// Takes a step of the machine, and does what comes of it.
    pub(super) fn visit<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.entry.lock();
        let result = work(&mut state);
        let due = state.due();
        self.arm(&mut state);
        let end = state.take_end();
        drop(state);
        if let Some(due) = due {
            due.into_iter().flatten().for_each(Waker::wake);
        }
        if let Some(reason) = end {
            self.ended(reason);
        }
        result
    }

    /// Queues a message. That moves no deadline, unless it is refused: the session
    /// may end for it.
    fn queue<R>(
        &self,
        work: impl FnOnce(&mut ServerSession) -> Result<R, SendError>,
    ) -> Result<R, SendError> {
        let mut state = self.entry.lock();
        let queued = work(&mut state.machine);
        let due = state.due();
        drop(state);
        if let Some(due) = due {
            due.into_iter().flatten().for_each(Waker::wake);
        }
        if queued.is_err() {
            self.visit(|_| ());
        }
        queued
    }

    /// The time. Reading it costs as much as a step does, so it is read where it is
    /// needed.
    pub(super) fn now(&self) -> Instant {
        self.server.runtime.now()
    }

    /// Stands in line for its deadline. Earlier is soon enough.
    fn arm(&self, state: &mut State) {
        let deadlines = &self.server.deadlines;
        match (state.deadline(), state.armed) {
            (Some(at), armed) if armed.is_none_or(|armed| at < armed) => {
                deadlines.arm(self.entry.age, &self.entry, armed, at);
                state.armed = Some(at);
            }
            (None, Some(armed)) => {
                deadlines.disarm(self.entry.age, armed);
                state.armed = None;
            }
            _ => {}
        }
    }

    /// Takes a step that may bring an event, and gives that to the application.
    pub(super) fn step<'i>(&self, work: impl FnOnce(&mut State, Instant) -> Option<Event<'i>>) {
        self.step_at(self.now(), work);
    }

    /// The same at a time that is known.
    pub(super) fn step_at<'i>(
        &self,
        now: Instant,
        work: impl FnOnce(&mut State, Instant) -> Option<Event<'i>>,
    ) {
        let event = self.visit(|state| {
            let event = work(state, now);
            state.note(event)
        });
        let Some(event) = event else {
            return;
        };
        let handler = &self.server.handler;
        let told = catch_unwind(AssertUnwindSafe(|| match event {
            Event::Message(message) => handler.message(self, message),
            Event::Upgraded => handler.upgraded(self),
            // Only the sessions of clients have to be opened.
            Event::Closed(_) | Event::Opened => {}
        }));
        self.told(told.is_ok());
    }

    /// The deadline at which it stood in line has come.
    pub(super) fn time_has_come(&self, at: Instant) {
        self.step(|state, now| {
            // Unless it was moved after it was taken out of the line.
            state.armed.take_if(|armed| *armed == at);
            if state.is_held {
                state.machine.excuse(now);
            }
            if state.body_until.is_some_and(|at| at <= now) {
                state.body_until = None;
                return state
                    .machine
                    .handle_error(now, Channel::Post, Fault::TooSlow);
            }
            state.machine.handle_timeout(now)
        });
    }

    /// A request comes back to the session.
    pub(super) fn attach(&self, channel: Channel) -> Result<(), Refusal> {
        let mut refusal = None;
        self.step(|state, now| match state.machine.attach(now, channel) {
            Ok(()) => {
                if channel == Channel::Post {
                    state.body_until = Some(now.after(self.server.options.body_timeout));
                }
                None
            }
            Err(refused) => {
                refusal = Some(refused.why);
                refused.event
            }
        });
        refusal.map_or(Ok(()), Err)
    }

    /// The session is there, and the application is told so.
    pub(super) fn opened(&self) {
        let told = catch_unwind(AssertUnwindSafe(|| self.server.handler.opened(self)));
        self.told(told.is_ok());
    }

    /// The application has been told something. If it panicked this is the end of
    /// the session, and of nothing else.
    fn told(&self, is_sound: bool) {
        if is_sound {
            let mut state = self.entry.lock();
            state.told = Told::Nothing;
            // What the application did has had its visits.
            if !matches!(state.end, End::Met(_)) {
                return;
            }
        }
        let now = self.now();
        self.visit(|state| {
            state.told = Told::Nothing;
            if !is_sound {
                let event = state.machine.abort(now);
                state.note(event);
            }
        });
    }

    /// Ends the session at once.
    pub(super) fn abort(&self) {
        self.step(|state, now| state.machine.abort(now));
    }

    /// Answers a GET with what there is, if there is anything: an end is to come,
    /// and what was sent before goes out before.
    pub(super) fn answer_get(&self) {
        self.step(|state, now| {
            if !state.machine.has_output(Channel::Get) {
                return None;
            }
            state.answer = Some(state.fill(now));
            state.machine.detach(now, Channel::Get, Detach::Done)
        });
    }

    /// Ready for a POST that waits when the session has ended.
    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<Reason> {
        // To wait changes nothing that others wait for.
        let mut state = self.entry.lock();
        if let Some(reason) = state.reason() {
            return Poll::Ready(reason);
        }
        match &mut state.post {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether the application takes a message. `was_held` remembers what it said.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>, was_held: &mut bool) -> Poll<()> {
        let handler = &self.server.handler;
        let ready = catch_unwind(AssertUnwindSafe(|| handler.poll_ready(self, cx)));
        let ready = ready.unwrap_or_else(|_| {
            self.abort();
            Poll::Ready(())
        });
        if ready.is_pending() != *was_held {
            *was_held = ready.is_pending();
            self.visit(|state| state.is_held = *was_held);
        }
        ready
    }

    fn ended(&self, reason: Reason) {
        self.server.registry.remove(&self.entry.sid, self.entry.age);
        let handler = &self.server.handler;
        // There is nothing left that a panic could end.
        let _ = catch_unwind(AssertUnwindSafe(|| handler.closed(self, reason)));
    }
}

/// What the application can do.
impl<H: Handler> Session<H> {
    /// Sends a message: text, bytes, a [`Message`] or a reference to one.
    ///
    /// Returns when the message is queued. It goes out with the answer to the next
    /// GET, or by the WebSocket.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing), [`Full`](SendError::Full) or
    /// [`Separator`](SendError::Separator); nothing was queued then.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.queue(|machine| machine.send(message))
    }

    /// Sends a message that other sessions may send too, without a copy.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, message: &Prepared) -> Result<(), SendError> {
        self.queue(|machine| machine.send_prepared(message))
    }

    /// Sends a message that is worth nothing later: false says that it was
    /// dropped, because the client does not wait for one, or does not keep up.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing) or [`Separator`](SendError::Separator).
    pub fn send_volatile<'m>(&self, message: impl Into<Message<'m>>) -> Result<bool, SendError> {
        self.queue(|machine| machine.send_volatile(message))
    }

    /// Ends the session once what is queued is sent.
    ///
    /// Messages still arrive until then. The handler is told of the end.
    pub fn close(&self) {
        self.visit(|state| state.machine.close());
    }

    /// What the application keeps with the session.
    pub fn data(&self) -> &H::Data {
        &self.entry.data
    }

    /// The server, with the application and its other sessions.
    pub fn server(&self) -> Server<H> {
        Server(self.server.clone())
    }

    /// The name of the session: a secret, which lets whoever knows it read and
    /// write the session.
    pub fn sid(&self) -> &Sid {
        &self.entry.sid
    }

    /// The address from which the session was opened.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.entry.peer
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        self.entry.version
    }

    /// By what the session goes at the moment.
    pub fn transport(&self) -> Transport {
        self.entry.lock().machine.transport()
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.entry.lock().machine.is_open()
    }

    /// Why the session ended, once it has.
    pub fn reason(&self) -> Option<Reason> {
        self.entry.lock().reason()
    }

    /// How many messages wait to be sent.
    pub fn queued_messages(&self) -> usize {
        self.entry.lock().machine.queued_messages()
    }

    /// How many bytes they have together.
    pub fn queued_bytes(&self) -> usize {
        self.entry.lock().machine.queued_bytes()
    }

    /// Whether a message would be accepted: the high-water mark.
    pub fn has_room(&self) -> bool {
        self.entry.lock().machine.has_room()
    }

    /// Whether so little waits that it is time to send more: the low-water mark.
    pub fn is_low(&self) -> bool {
        self.entry.lock().machine.is_low()
    }

    /// What the session has done so far.
    pub fn stats(&self) -> Stats {
        self.entry.lock().machine.stats()
    }

    /// The messages that were never handed to the network, once the session has
    /// ended. What was handed to it may have been lost as well.
    pub fn take_unsent(&self) -> Vec<Message<'static>> {
        let mut state = self.entry.lock();
        let mut unsent = Vec::new();
        while let Some(message) = state.machine.next_unsent() {
            unsent.push(message.into_owned());
        }
        unsent
    }
}

impl<H: Handler> Clone for Session<H> {
    fn clone(&self) -> Self {
        Self {
            entry: self.entry.clone(),
            server: self.server.clone(),
        }
    }
}

impl<H: Handler> PartialEq for Session<H> {
    /// Whether they are the same session.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entry, &other.entry)
    }
}

impl<H: Handler> Eq for Session<H> {}

impl<H: Handler> fmt::Debug for Session<H> {
    /// Without its name, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("peer", &self.entry.peer)
            .field("version", &self.entry.version)
            .finish_non_exhaustive()
    }
}
