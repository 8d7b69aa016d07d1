//! What a request comes to: an answer, a wait, a body, or a WebSocket.
//!
//! A request is not one value in and one value out. A POST exists before its body
//! does, so that a second one is seen, and one that is too large is answered
//! unread; a GET may wait for long; and each may be given up, which is told by
//! dropping it.

use alloc::vec::Vec;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::{Handler, Session, Upgrade};
use crate::Kind;
use crate::engineio::polling::{Answer, RequestError, Response};
use crate::engineio::{Channel, Detach, Fault, Packet, Packets, Reason};

/// What is to be done about a request.
pub enum Exchange<H: Handler> {
    /// Answer it.
    Answer(Response),
    /// Answer it with what this future gives.
    Wait(Parked<H>),
    /// Receive its body.
    Body(Post<H>),
    /// Switch protocols.
    Upgrade(Upgrade<H>),
}

impl<H: Handler> fmt::Debug for Exchange<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(response) => f.debug_tuple("Answer").field(response).finish(),
            Self::Wait(parked) => f.debug_tuple("Wait").field(parked).finish(),
            Self::Body(post) => f.debug_tuple("Body").field(post).finish(),
            Self::Upgrade(upgrade) => f.debug_tuple("Upgrade").field(upgrade).finish(),
        }
    }
}

/// A GET that waits for packets: a future of its answer.
///
/// Drop it where the client gives up the request: the session ends with that.
#[must_use = "dropping it gives up the request"]
pub struct Parked<H: Handler> {
    session: Session<H>,
    answer: Answer,
    opens: Opens,
    is_answered: bool,
}

/// Whether a GET opens its session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    Yes,
    No,
}

impl<H: Handler> Parked<H> {
    pub(super) fn new(session: Session<H>, answer: Answer, opens: Opens) -> Self {
        Self {
            session,
            answer,
            opens,
            is_answered: false,
        }
    }
}

impl<H: Handler> Future for Parked<H> {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let mut filled = None;
        self.session.step(|state, now| {
            filled = state.answer.take();
            if filled.is_some() {
                return None;
            }
            if !state.machine.has_output(Channel::Get) && !state.is_over() {
                state.get = Some(cx.waker().clone());
                return None;
            }
            filled = Some(state.fill(now));
            state.machine.detach(now, Channel::Get, Detach::Done)
        });
        let Some(payload) = filled else {
            return Poll::Pending;
        };
        self.is_answered = true;
        let (answer, session) = (&self.answer, &self.session);
        Poll::Ready(match self.opens {
            // What ended without a word for this request is not known any more.
            _ if payload.packets() == 0 => answer.error(RequestError::Session),
            Opens::Yes => answer.opened(&session.server.options.polling, session.sid(), payload),
            Opens::No => answer.polled(payload),
        })
    }
}

impl<H: Handler> Drop for Parked<H> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.session.step(|state, now| {
                state.get = None;
                state.machine.detach(now, Channel::Get, Detach::Lost)
            });
        }
    }
}

impl<H: Handler> fmt::Debug for Parked<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parked")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// A POST whose body is still to come.
///
/// Drop it where the client gives up the request: nothing of it is delivered
/// then, and the session ends.
#[must_use = "dropping it gives up the request"]
pub struct Post<H: Handler> {
    session: Session<H>,
    answer: Answer,
    kind: Kind,
    body: Vec<u8>,
    is_answered: bool,
}

impl<H: Handler> Post<H> {
    pub(super) fn new(session: Session<H>, answer: Answer, kind: Kind) -> Self {
        Self {
            session,
            answer,
            kind,
            body: Vec::new(),
            is_answered: false,
        }
    }

    /// How much of the body there may be.
    pub fn limit(&self) -> usize {
        self.session.server.options.session.max_payload
    }

    /// Ready when the body is not wanted any more: it takes too long, or the
    /// session has ended. Answer with that.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        let reason = ready!(self.session.poll_over(cx));
        Poll::Ready(self.refuse(reason))
    }

    /// A part of the body has come.
    ///
    /// # Errors
    ///
    /// The answer, if that is too much.
    pub fn push(&mut self, part: &[u8]) -> Result<(), Response> {
        let (limit, size) = (self.limit(), self.body.len() + part.len());
        if size <= limit {
            self.body.extend_from_slice(part);
            return Ok(());
        }
        Err(self.fail(Fault::TooLarge {
            limit,
            size: size as u64,
        }))
    }

    /// The body does not come to its end: nothing of it is delivered, and the
    /// session ends. The answer is for whoever still listens.
    #[must_use]
    pub fn abort(mut self) -> Response {
        self.leave(Detach::Lost);
        self.answer.empty(400)
    }

    /// The body is there as a whole: delivers what it holds, and gives the answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request: what was not delivered by then is
    /// lost, and the session ends.
    pub async fn finish(mut self) -> Response {
        self.session.visit(|state| state.body_until = None);
        let mut body = core::mem::take(&mut self.body);
        let max = self.session.server.options.max_packets;
        let packets = Packets::new(self.session.version(), self.kind, &mut body, max);
        for (n, packet) in packets.enumerate() {
            if n % FAIR == FAIR - 1 {
                give_way().await;
            }
            match self.wanted().await {
                Ok(()) => {}
                // "Close" is the last that counts.
                Err(Reason::Peer) => break,
                Err(reason) => return self.refuse(reason),
            }
            if let Ok(Packet::Close) | Err(_) = packet {
                self.session.answer_get();
            }
            match packet {
                Ok(packet) => self
                    .session
                    .step(|state, now| state.machine.handle_packet(now, Channel::Post, packet)),
                Err(error) => return self.fail(error),
            }
        }
        self.leave(Detach::Done);
        self.answer.posted(self.session.reason())
    }

    /// Waits until the application takes a packet.
    async fn wanted(&mut self) -> Result<(), Reason> {
        let session = &self.session;
        let mut is_held = false;
        poll_fn(|cx| match session.poll_over(cx) {
            Poll::Ready(reason) => Poll::Ready(Err(reason)),
            Poll::Pending => session.poll_ready(cx, &mut is_held).map(Ok),
        })
        .await
    }

    pub(super) fn fail(&mut self, fault: impl Into<Fault>) -> Response {
        let fault = fault.into();
        self.session
            .step(|state, now| state.machine.handle_error(now, Channel::Post, fault));
        self.refuse(Reason::Fault(fault))
    }

    /// The answer to a POST of which not all was delivered.
    fn refuse(&mut self, reason: Reason) -> Response {
        self.leave(Detach::Done);
        match reason.status() {
            200 => self.answer.error(RequestError::Session),
            _ => self.answer.posted(Some(reason)),
        }
    }

    fn leave(&mut self, how: Detach) {
        if !core::mem::replace(&mut self.is_answered, true) {
            self.session.step(|state, now| {
                (state.post, state.body_until, state.is_held) = (None, None, false);
                state.machine.detach(now, Channel::Post, how)
            });
        }
    }
}

/// After so many packets other tasks get their turn.
const FAIR: usize = 64;

/// Lets other tasks run.
async fn give_way() {
    let mut is_first = true;
    poll_fn(|cx| match core::mem::take(&mut is_first) {
        true => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        false => Poll::Ready(()),
    })
    .await;
}

impl<H: Handler> Drop for Post<H> {
    fn drop(&mut self) {
        self.leave(Detach::Lost);
    }
}

impl<H: Handler> fmt::Debug for Post<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
