//! How a client goes on.
//!
//! One poll goes round this circle until nothing of it can go on:
//!
//! ```text
//!   begin what is wanted -> answers, packets -> session -> its deadline -+
//!        ^                                                               |
//!        +---------------------------------------------------------------+
//! ```
//!
//! While a message waits for the application, no GET begins and no WebSocket is
//! read: whoever does not receive is not sent to for long.

use alloc::format;
use alloc::vec::Vec;
use core::task::{Context, Poll, ready};

use super::session::{Cause, Client, End, Socket};
use super::{Answer, BoxError, Content, Http, Request};
use crate::Instant;
use crate::Kind;
use crate::driver;
use crate::driver::engineio::server::MAX_OUTGOING;
use crate::engineio::websocket::{ended, goodbye, send};
use crate::engineio::{Channel, ClientSession, Detach, Fault, Packet, Packets, Transport};
use crate::websocket::{self, Connection};

impl<H: Http> Client<H> {
    /// Does what can be done until that is so.
    pub(super) fn poll_until(
        &mut self,
        cx: &mut Context<'_>,
        is_so: impl Fn(&Self) -> bool,
    ) -> Poll<()> {
        self.shared.watch(cx);
        for _ in 0..TURN {
            if is_so(self) {
                return Poll::Ready(());
            }
            if !self.turn(cx) && self.poll_deadline(cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// True if anything changed.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        self.begin();
        let mut answered = self.poll_get(cx);
        answered |= self.poll_post(cx);
        answered |= self.poll_socket(cx);
        if self.news.is_upgraded {
            self.http = None;
        }
        if self.news.end != End::Not {
            answered |= self.cut_off();
        }
        self.shared.let_in();
        answered
    }

    /// Writes what can be written without waiting.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) {
        self.begin();
        self.poll_post(cx);
        self.transmit();
        if let Socket::Open(websocket) = &mut self.socket {
            // What fails here fails again where it is reported.
            let _ = websocket.poll_flush(cx);
        }
    }

    /// Begins what the session wants.
    fn begin(&mut self) {
        let hears = self.news.messages.is_empty();
        if self.get.is_none() && hears && self.attach(Channel::Get) {
            let request = self.request(None, self.options.max_payload);
            self.get = self.http.as_ref().map(|http| http.request(request));
        }
        if self.post.is_none() && self.attach(Channel::Post) {
            let content = self.content();
            let request = self.request(Some(content), MAX_THANKS);
            self.post = self.http.as_ref().map(|http| http.request(request));
        }
        if matches!(self.socket, Socket::None) && self.attach(Channel::WebSocket) {
            let target = self.target.next(&self.shared, Transport::WebSocket);
            let config = websocket::Config {
                max_message: self.options.max_payload,
                // The heartbeat is the session's.
                keepalive: None,
                // What waits is counted in the session.
                max_outgoing: MAX_OUTGOING,
                ..websocket::Config::default()
            };
            if let Some(http) = &self.http {
                self.socket = Socket::Connecting(http.websocket(&target, config));
            }
        }
    }

    /// Whether the session wants such a channel to begin.
    fn attach(&mut self, channel: Channel) -> bool {
        let session = &mut self.shared.lock().session;
        if self.http.is_none() || !session.wants(channel) {
            return false;
        }
        let attached = session.attach(self.runtime.now(), channel);
        attached
            .map_err(|refused| self.news.take(refused.event))
            .is_ok()
    }

    fn request(&mut self, content: Option<Content>, limit: usize) -> Request {
        Request {
            target: self.target.next(&self.shared, Transport::Polling),
            content,
            limit,
        }
    }

    /// What the next POST carries.
    fn content(&mut self) -> Content {
        let session = &mut self.shared.lock().session;
        let mut payload = session.payload();
        session.fill(self.runtime.now(), Channel::Post, &mut payload);
        Content {
            media_type: payload.content_type(),
            body: payload.into_body(),
        }
    }

    fn poll_get(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(Poll::Ready(answer)) = self.get.as_mut().map(|get| get.as_mut().poll(cx)) else {
            return false;
        };
        self.get = None;
        let Some(mut answer) = self.check(Channel::Get, answer) else {
            return true;
        };
        let (now, from) = (self.runtime.now(), Channel::Get);
        let session = &mut self.shared.lock().session;
        let (version, kind) = (session.version(), answer.kind());
        let max = self.options.max_packets;
        // A body without a byte has no packets.
        let body = Some(&mut *answer.body).filter(|body| !body.is_empty());
        for packet in body
            .into_iter()
            .flat_map(|body| Packets::new(version, kind, body, max))
        {
            self.news.take(match packet {
                Ok(packet) => session.handle_packet(now, from, packet),
                Err(error) => session.handle_error(now, from, error),
            });
        }
        self.news.take(session.detach(now, from, Detach::Done));
        true
    }

    fn poll_post(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(Poll::Ready(answer)) = self.post.as_mut().map(|post| post.as_mut().poll(cx))
        else {
            return false;
        };
        self.post = None;
        if self.check(Channel::Post, answer).is_some() {
            self.detach(Channel::Post, Detach::Done);
        }
        true
    }

    /// An answer that is a success.
    fn check(&mut self, from: Channel, answer: Result<Answer, BoxError>) -> Option<Answer> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.failed(from, error);
                return None;
            }
        };
        let (limit, size) = (self.options.max_payload, answer.body.len() as u64);
        let fault = match answer.status {
            200 if from == Channel::Get && size > limit as u64 => Fault::TooLarge { limit, size },
            200 => return Some(answer),
            status => {
                self.news.cause = Some(Cause::Refused(answer));
                Fault::Status(status)
            }
        };
        self.fault(from, fault);
        None
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.socket {
            Socket::None => return false,
            Socket::Connecting(connecting) => match connecting.as_mut().poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(websocket)) => self.socket = Socket::Open(websocket),
                Poll::Ready(Err(error)) => {
                    self.socket = Socket::None;
                    self.failed(Channel::WebSocket, error);
                }
            },
            Socket::Closing(websocket) => match websocket.poll_close(cx) {
                Poll::Pending => return false,
                Poll::Ready(_) => self.socket = Socket::None,
            },
            Socket::Open(_) => {
                self.transmit();
                return self.poll_packet(cx);
            }
        }
        true
    }

    /// Receives a packet from the WebSocket.
    fn poll_packet(&mut self, cx: &mut Context<'_>) -> bool {
        let Socket::Open(websocket) = &mut self.socket else {
            return true;
        };
        if !self.news.messages.is_empty() {
            // What fails here fails again where it is reported.
            let _ = websocket.poll_flush(cx);
            return false;
        }
        let Poll::Ready(message) = websocket.poll_next(cx) else {
            return false;
        };
        let (now, from) = (self.runtime.now(), Channel::WebSocket);
        let session = &mut self.shared.lock().session;
        match message {
            Some(Ok(message)) => {
                self.news
                    .take(match Packet::from_message(session.version(), message) {
                        Ok(packet) => session.handle_packet(now, from, packet),
                        Err(error) => session.handle_error(now, from, error),
                    });
            }
            Some(Err(error)) => {
                self.socket = Socket::None;
                let (fault, how) = match &error {
                    driver::Error::Ended(reason) => ended(reason, self.options.max_payload),
                    _ => (None, Detach::Lost),
                };
                if let Some(fault) = fault {
                    self.news.take(session.handle_error(now, from, fault));
                }
                self.news.cause = Some(Cause::Failed(into_box(error)));
                self.news.take(session.detach(now, from, how));
            }
            None => {
                self.socket = Socket::None;
                self.news.take(session.detach(now, from, Detach::Done));
            }
        }
        true
    }

    /// Moves packets to the WebSocket as long as that has room.
    fn transmit(&mut self) {
        let Socket::Open(websocket) = &mut self.socket else {
            return;
        };
        let now = self.runtime.now();
        let session = &mut self.shared.lock().session;
        let connection = websocket.connection_mut();
        if transmit(session, now, connection, &mut self.scratch) == Sent::Packets {
            return;
        }
        let is_probe = session.transport() == Transport::Polling;
        let (code, reason) = goodbye(session.reason(), is_probe);
        // The reason is short enough.
        let _ = connection.close(code, reason);
        self.news
            .take(session.detach(now, Channel::WebSocket, Detach::Done));
        self.socket = match core::mem::replace(&mut self.socket, Socket::None) {
            Socket::Open(websocket) => Socket::Closing(websocket),
            socket => socket,
        };
    }

    /// Ready when the session has noticed the time.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.shared.lock().session.poll_timeout() else {
            return Poll::Pending;
        };
        let now = self.runtime.now();
        if now < at {
            let runtime = &self.runtime;
            let (_, sleep) = match &mut self.timer {
                Some(timer) if timer.0 <= at => timer,
                timer => timer.insert((at, runtime.sleep_until(at))),
            };
            ready!(sleep.as_mut().poll(cx));
        }
        self.timer = None;
        let now = self.runtime.now();
        let event = self.shared.lock().session.handle_timeout(now);
        self.news.take(event);
        Poll::Ready(())
    }

    /// After the end nothing is in flight but the close of the WebSocket. True if
    /// one that was on its way is given up.
    fn cut_off(&mut self) -> bool {
        (self.get, self.post, self.http) = (None, None, None);
        self.transmit();
        let is_on_its_way = matches!(self.socket, Socket::Connecting(_));
        if is_on_its_way {
            self.socket = Socket::None;
        }
        is_on_its_way
    }

    fn fault(&mut self, from: Channel, fault: Fault) {
        let now = self.runtime.now();
        let event = self.shared.lock().session.handle_error(now, from, fault);
        self.news.take(event);
        self.detach(from, Detach::Done);
    }

    fn failed(&mut self, channel: Channel, error: BoxError) {
        self.news.cause = Some(Cause::Failed(error));
        self.detach(channel, Detach::Lost);
    }

    fn detach(&mut self, channel: Channel, how: Detach) {
        let now = self.runtime.now();
        let event = self.shared.lock().session.detach(now, channel, how);
        self.news.take(event);
    }
}

/// What was moved to the WebSocket last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// What there was, or as much as there is room for.
    Packets,
    /// It has to be closed.
    Close,
}

fn transmit(
    session: &mut ClientSession,
    now: Instant,
    connection: &mut Connection,
    scratch: &mut Vec<u8>,
) -> Sent {
    let version = session.version();
    while connection.has_room() || session.reason().is_some() {
        let Some(packet) = session.next_packet(now, Channel::WebSocket) else {
            break;
        };
        if packet == Packet::Close {
            return Sent::Close;
        }
        // There is room, and what is text came from text.
        let _ = send(connection, version, Kind::Binary, &packet, scratch);
    }
    Sent::Packets
}

fn into_box<E: Into<BoxError>>(error: driver::Error<E>) -> BoxError {
    match error {
        driver::Error::Io(error) => error.into(),
        driver::Error::WriteZero => "transport takes no bytes".into(),
        driver::Error::Ended(reason) => format!("{reason}").into(),
        driver::Error::Send(error) => error.into(),
    }
}

/// After so many turns other tasks get theirs.
const TURN: usize = 64;

/// So much of the answer to a POST is read, whose content means nothing.
const MAX_THANKS: usize = 64 * 1024;
