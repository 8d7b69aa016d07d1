//! The server's side: a request in, an answer out.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::answer::{Accept, write_refusal, write_status};
use super::{Accepted, Lost, Refusal, Rejection, Request, Response, ResponseError, ServerOptions};
use crate::http::head::{Head, Read, Reader};
use crate::http::write::Outgoing;
use crate::websocket::SLICES;
use crate::{Instant, Progress};

/// What the client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A valid upgrade request has arrived: look at
    /// [`ServerHandshake::request`], then call [`ServerHandshake::accept`] or
    /// [`ServerHandshake::reject`]. The rest of the input belongs to the
    /// connection.
    Request,
    /// The request breaks a rule, and the answer is queued: write it, then
    /// shut the transport down. Nothing more will be read.
    Failed(Refusal),
    /// There will be no request, or no use in answering it. What is queued
    /// (408 after a part of a request, 503 if the application took too long)
    /// may be written before the transport is shut down.
    Lost(Lost),
}

/// The server's side of one opening handshake, RFC 6455 section 4.2.
///
/// ```text
///            ┌─ Request ─▶ deciding ─┬─ accept ─▶ is_accepted ─▶ into_head
/// reading ───┤                       └─ reject ─┐
///            ├─ Failed ─────────────────────────┼─▶ is_finished
///            └─ Lost ───────────────────────────┘
/// ```
///
/// Call [`handle_input`](Self::handle_input) with what the transport brings
/// until there is an event, write what [`poll_transmit`](Self::poll_transmit)
/// offers whenever something was called, and call
/// [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says so. One deadline covers
/// everything up to the last byte of the answer, the application's decision
/// included. After [`ServerEvent::Failed`], [`ServerEvent::Lost`] or a
/// rejection there is no further event and input is discarded.
#[derive(Debug)]
pub struct ServerHandshake {
    options: Arc<ServerOptions>,
    state: State,
    out: Outgoing,
    deadline: Instant,
}

#[derive(Debug)]
enum State {
    Reading(Reader),
    Deciding(Request, Accept),
    Accepting(Accepted),
    Over,
}

impl ServerHandshake {
    /// A handshake whose time begins to run `now`.
    pub fn new(options: impl Into<Arc<ServerOptions>>, now: Instant) -> Self {
        let options = options.into();
        Self {
            deadline: now.after(options.limits.timeout),
            state: State::Reading(Reader::request(options.limits.head())),
            out: Outgoing::default(),
            options,
        }
    }

    /// Reads the request. Never takes a byte that follows it: with the request,
    /// and from then on unless it is turned down, the rest comes back for the
    /// connection to read.
    pub fn handle_input<'i>(
        &mut self,
        now: Instant,
        input: &'i mut [u8],
    ) -> Progress<'i, ServerEvent> {
        if let Some(event) = self.handle_timeout(now) {
            return Progress::event(event, &mut []);
        }
        let reader = match &mut self.state {
            State::Reading(reader) => reader,
            State::Deciding(..) | State::Accepting(..) => return Progress::none(input),
            State::Over => return Progress::none(&mut []),
        };
        match reader.read(input) {
            Read::Partial => Progress::none(&mut []),
            Read::Malformed(error) => {
                let answer = write_refusal(error.into(), reader.method());
                Progress::event(self.refuse(error.into(), answer), &mut [])
            }
            Read::Complete(head, taken) => match self.judge(head) {
                ServerEvent::Request => {
                    let rest = input.split_at_mut_checked(taken).map(|(_, rest)| rest);
                    Progress::event(ServerEvent::Request, rest.unwrap_or_default())
                }
                event => Progress::event(event, &mut []),
            },
        }
    }

    /// Takes note that the client will send no more. Does nothing once the
    /// request has been answered.
    pub fn handle_eof(&mut self, now: Instant) -> Option<ServerEvent> {
        if let Some(event) = self.handle_timeout(now) {
            return Some(event);
        }
        match self.state {
            State::Reading(_) | State::Deciding(..) => {
                self.state = State::Over;
                Some(ServerEvent::Lost(Lost::Eof))
            }
            State::Accepting(..) | State::Over => None,
        }
    }

    /// Does what is due. Call it when [`poll_timeout`](Self::poll_timeout) has
    /// come; earlier it does nothing.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ServerEvent> {
        if now < self.poll_timeout()? {
            return None;
        }
        self.out = match &self.state {
            State::Reading(reader) if !reader.is_empty() => Outgoing::new(write_status(408)),
            State::Deciding(..) => Outgoing::new(write_status(503)),
            // The client does not even read the answer.
            _ => Outgoing::default(),
        };
        self.deadline = Instant::MAX;
        match core::mem::replace(&mut self.state, State::Over) {
            State::Over => None,
            _ => Some(ServerEvent::Lost(Lost::Timeout)),
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` when
    /// nothing is waited for.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_idle = self.is_finished() || self.deadline == Instant::MAX;
        (!is_idle).then_some(self.deadline)
    }

    /// The request, from [`ServerEvent::Request`] on until the handshake is
    /// rejected or lost.
    pub fn request(&self) -> Option<&Request> {
        match &self.state {
            State::Deciding(request, _) => Some(request),
            State::Accepting(accepted) => Some(accepted.request()),
            State::Reading(_) | State::Over => None,
        }
    }

    /// Accepts the request: queues the 101, preceded by `100 Continue` if the
    /// client expects it. Write until [`is_accepted`](Self::is_accepted).
    ///
    /// # Errors
    ///
    /// If no request waits for an answer, or the response names a subprotocol
    /// that was not offered, or holds a field that cannot be sent. Nothing has
    /// changed then.
    pub fn accept(&mut self, response: &Response) -> Result<(), ResponseError> {
        let State::Deciding(request, accept) = &self.state else {
            return Err(ResponseError::NoRequest);
        };
        let is_offered = |name: &str| request.protocols().any(|offered| offered == name);
        let protocol = response.checked_protocol(is_offered)?;
        self.out = Outgoing::new(response.write(accept, protocol));
        if let State::Deciding(request, _) = core::mem::replace(&mut self.state, State::Over) {
            self.state = State::Accepting(Accepted::new(request, response));
        }
        Ok(())
    }

    /// Turns the request down: queues the answer. Write until
    /// [`is_finished`](Self::is_finished), then shut the transport down.
    ///
    /// # Errors
    ///
    /// If no request waits for an answer, or the rejection has a status that
    /// refuses nothing or a field that cannot be sent. Nothing has changed
    /// then.
    pub fn reject(&mut self, rejection: &Rejection) -> Result<(), ResponseError> {
        let State::Deciding(..) = self.state else {
            return Err(ResponseError::NoRequest);
        };
        self.out = Outgoing::new(rejection.write()?);
        self.state = State::Over;
        Ok(())
    }

    /// Offers what is to be written next; gives the number of slices filled.
    /// Report what was written to
    /// [`advance_transmit`](Self::advance_transmit).
    pub fn poll_transmit<'a>(&'a mut self, out: &mut [&'a [u8]; SLICES]) -> usize {
        self.out.offer(out)
    }

    /// Takes note that the first `n` bytes on offer were written.
    pub fn advance_transmit(&mut self, n: usize) {
        self.out.advance(n);
    }

    /// Whether the 101 has been written: the transport now carries the
    /// connection.
    pub fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepting(..)) && self.out.is_empty()
    }

    /// Whether everything has been written and nothing more will happen.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Accepting(..) | State::Over) && self.out.is_empty()
    }

    /// What to know of the handshake on the open connection; `None` unless
    /// [`is_accepted`](Self::is_accepted).
    pub fn into_head(self) -> Option<Accepted> {
        match self.state {
            State::Accepting(accepted) if self.out.is_empty() => Some(accepted),
            _ => None,
        }
    }

    /// Holds a complete head against the rules.
    fn judge(&mut self, head: Head) -> ServerEvent {
        let request = Request::new(head);
        match request.judge(&self.options) {
            Err(refusal) => {
                let answer = write_refusal(refusal, request.method());
                self.refuse(refusal, answer)
            }
            Ok(upgrade) => {
                let accept = Accept {
                    accept: upgrade.accept(),
                    expects_continue: upgrade.expects_continue(),
                };
                self.state = State::Deciding(request, accept);
                ServerEvent::Request
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal, answer: Vec<u8>) -> ServerEvent {
        self.out = Outgoing::new(answer);
        self.state = State::Over;
        ServerEvent::Failed(refusal)
    }
}
