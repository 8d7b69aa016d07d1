//! A WebSocket that carries packets: one task, for as long as it lasts.
//!
//! Packets of the session go to the connection as long as that has room, so that
//! what does not fit stays where it is counted. Messages of the connection go to
//! the session one by one, and their replies with the same write:
//!
//! ```text
//!   packets of the session -> write -> read -> message -> application -+
//!        ^                                                             |
//!        +-------------------------------------------------------------+
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::ops::ControlFlow;
use core::task::{Context, Poll, Waker};

use super::session::State;
use super::{Handler, Session};
use crate::driver::pump::Pump;
use crate::driver::{Error, Io};
use crate::engineio::polling::Response;
use crate::engineio::websocket::{ended, goodbye, send};
use crate::engineio::{Channel, Detach, Fault, Packet, Transport};
use crate::websocket::{self, CloseCode, Connection, Event, Role};
use crate::{Instant, Message};

/// A request for a WebSocket that is to be accepted.
///
/// Drop it where it comes to nothing.
#[must_use = "dropping it gives up the request"]
pub struct Upgrade<H: Handler> {
    session: Session<H>,
    response: Response,
    is_over: bool,
}

impl<H: Handler> Upgrade<H> {
    pub(super) fn new(session: Session<H>, response: Response) -> Self {
        Self {
            session,
            response,
            is_over: false,
        }
    }

    /// The 101 to answer with.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// The answer where the connection cannot switch protocols.
    #[must_use]
    pub fn refuse(mut self) -> Response {
        self.leave(Detach::Lost);
        Response {
            status: 500,
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Carries packets over the connection that was upgraded, to its end. `unread`
    /// holds what was read of it already.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn run<I: Io>(self, io: I, unread: Vec<u8>) {
        let config = self.session.server.socket_config.clone();
        let connection = Connection::new(Role::Server, config, io.now());
        let mut pump = Pump::new(io, connection, unread);
        let mut socket = Socket {
            upgrade: self,
            scratch: Vec::new(),
            is_held: false,
        };
        poll_fn(|cx| socket.poll(cx, &mut pump)).await;
    }

    /// The session hears that the WebSocket is over; once is enough.
    fn leave(&mut self, how: Detach) {
        if !core::mem::replace(&mut self.is_over, true) {
            self.session.step(|state, now| {
                state.socket = None;
                state.machine.detach(now, Channel::WebSocket, how)
            });
        }
    }
}

impl<H: Handler> Drop for Upgrade<H> {
    fn drop(&mut self) {
        self.leave(Detach::Lost);
    }
}

impl<H: Handler> fmt::Debug for Upgrade<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

struct Socket<H: Handler> {
    upgrade: Upgrade<H>,
    /// A packet on its way to the connection.
    scratch: Vec<u8>,
    /// Whether the application is too busy for messages.
    is_held: bool,
}

/// Whether the WebSocket may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    On,
    Off,
}

impl<H: Handler> Socket<H> {
    /// Ready when the connection is over.
    fn poll<I: Io>(&mut self, cx: &mut Context<'_>, pump: &mut Pump<I>) -> Poll<()> {
        // Who wakes this task while it runs would only make it run again.
        self.upgrade.session.visit(|state| state.socket = None);
        let waker = cx.waker();
        // One time for all messages at hand, as for the connection.
        let now = self.upgrade.session.now();
        loop {
            let polled = match self.turn(now, waker, &mut pump.connection) {
                Reading::Off => match pump.drive(cx) {
                    Ok(()) if pump.is_over() => Poll::Ready(Ok(None)),
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                },
                Reading::On => pump.poll_events(cx, |connection, event| {
                    if let Event::Message(message) = event {
                        self.receive(now, message);
                    }
                    match self.turn(now, waker, connection) {
                        Reading::On => ControlFlow::Continue(()),
                        Reading::Off => ControlFlow::Break(()),
                    }
                }),
            };
            match polled {
                Poll::Ready(Ok(Some(()))) => {}
                Poll::Ready(Ok(None)) => {
                    self.upgrade.leave(Detach::Done);
                    return Poll::Ready(());
                }
                Poll::Ready(Err(error)) => {
                    self.failed(&error);
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    if let Some(reason) = &pump.reason {
                        // What is left is between the connection and its peer.
                        self.ended(reason);
                        return Poll::Pending;
                    }
                    if self.rests(waker, &pump.connection) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Takes what there is for the connection, and asks whether to go on reading.
    fn turn(&mut self, now: Instant, waker: &Waker, connection: &mut Connection) -> Reading {
        let session = &self.upgrade.session;
        let scratch = &mut self.scratch;
        let (sent, is_paused) = session.visit(|state| {
            let sent = transmit(state, now, connection, scratch);
            (sent, state.machine.is_paused())
        });
        if sent == Sent::Close {
            let (code, reason) = session.goodbye();
            // The reason is short enough.
            let _ = connection.close(code, reason);
            self.upgrade.leave(Detach::Done);
        }
        if !connection.is_open() {
            return Reading::On;
        }
        let session = &self.upgrade.session;
        let mut cx = Context::from_waker(waker);
        match is_paused || session.poll_ready(&mut cx, &mut self.is_held).is_pending() {
            true => Reading::Off,
            false => Reading::On,
        }
    }

    /// Waits for the session. False if it has something to do by now.
    fn rests(&self, waker: &Waker, connection: &Connection) -> bool {
        if !connection.is_open() {
            return true;
        }
        self.upgrade.session.visit(|state| {
            let wait = Wait {
                waker: waker.clone(),
                output: connection.has_room(),
                resume: state.machine.is_paused(),
            };
            let rests = !state.ends(&wait);
            state.socket = Some(wait).filter(|_| rests);
            rests
        })
    }

    fn receive(&mut self, now: Instant, message: Message<'_>) {
        let session = &self.upgrade.session;
        match Packet::from_message(session.version(), message) {
            Ok(packet) => session.step_at(now, |state, now| {
                state.machine.handle_packet(now, Channel::WebSocket, packet)
            }),
            Err(error) => self.fault(Fault::Packet(error)),
        }
    }

    fn fault(&mut self, fault: Fault) {
        let from = Channel::WebSocket;
        self.upgrade
            .session
            .step(|state, now| state.machine.handle_error(now, from, fault));
    }

    /// The connection failed.
    fn failed<E>(&mut self, error: &Error<E>) {
        match error {
            Error::Ended(reason) => self.ended(reason),
            _ => self.upgrade.leave(Detach::Lost),
        }
    }

    /// The connection is over.
    fn ended(&mut self, reason: &websocket::Reason<'_>) {
        let limit = self.upgrade.session.server.options.session.max_payload;
        let (fault, how) = ended(reason, limit);
        if let Some(fault) = fault {
            self.fault(fault);
        }
        self.upgrade.leave(how);
    }
}

/// What a WebSocket waits for, besides its connection.
pub(super) struct Wait {
    pub(super) waker: Waker,
    /// For packets: there is room.
    pub(super) output: bool,
    /// For being read again.
    pub(super) resume: bool,
}

/// What was moved to the connection last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// What there was, or as much as there is room for.
    Packets,
    /// It has to be closed.
    Close,
}

/// Moves packets to the connection as long as it has room.
fn transmit(
    state: &mut State,
    now: Instant,
    connection: &mut Connection,
    scratch: &mut Vec<u8>,
) -> Sent {
    let (version, takes) = (state.machine.version(), state.machine.takes());
    while connection.has_room() || state.is_over() {
        let Some(packet) = state.machine.next_packet(now, Channel::WebSocket) else {
            break;
        };
        if packet == Packet::Close {
            return Sent::Close;
        }
        // There is room, or the connection is over with the session.
        let _ = send(connection, version, takes, &packet, scratch);
    }
    Sent::Packets
}

impl<H: Handler> Session<H> {
    /// What a WebSocket is told at its end.
    fn goodbye(&self) -> (CloseCode, &'static str) {
        // Without it the session goes on by polling.
        let is_probe = self.transport() == Transport::Polling;
        match self.reason() {
            None if self.server.registry.is_closed() && !is_probe => (CloseCode::GOING_AWAY, ""),
            reason => goodbye(reason, is_probe),
        }
    }
}
