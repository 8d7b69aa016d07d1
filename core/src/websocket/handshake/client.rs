//! The client's side: a request out, a response in.

use alloc::string::String;

use super::body::Body;
use super::client_request::offers;
use super::key::{accept_key, client_key};
use super::response::{check, location};
use super::{ClientRequest, Limits, Lost, ResponseHead, ResponseViolation};
use crate::http::HttpVersion;
use crate::http::head::{Head, Read, Reader};
use crate::http::write::Outgoing;
use crate::websocket::SLICES;
use crate::{Instant, Progress};

/// What the server did. Each of these ends the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The connection is open; the rest of the input belongs to it.
    Open,
    /// The server answered with something else than 101:
    /// [`ClientHandshake::response`] has status, headers and body. Shut the
    /// transport down.
    Refused,
    /// The server names another place: see [`ResponseHead::location`].
    /// Whether to go there is up to the application, over a new transport.
    Redirect,
    /// The response breaks a rule. Send nothing; shut the transport down.
    Failed(ResponseViolation),
    /// There is no response.
    Lost(Lost),
}

/// The client's side of one opening handshake, RFC 6455 section 4.1.
///
/// Write what [`poll_transmit`](Self::poll_transmit) offers, then call
/// [`handle_input`](Self::handle_input) with what the transport brings until
/// there is an event, and [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says so. There is exactly one event.
///
/// ```
/// use sockeye::Instant;
/// use sockeye::websocket::handshake::{ClientEvent, ClientHandshake, ClientRequest};
///
/// let request = ClientRequest::new("server.example.com", "/chat")?;
/// let nonce = *b"the sample nonce"; // sixteen random bytes
/// let mut handshake = ClientHandshake::new(request, nonce, Instant::ZERO);
/// let mut slices = Default::default();
/// let count = handshake.poll_transmit(&mut slices);
/// let request = slices[..count].concat();
/// assert!(request.starts_with(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"));
/// handshake.advance_transmit(request.len());
///
/// let mut input = *b"HTTP/1.1 101 Switching Protocols\r\n\
///     Upgrade: websocket\r\n\
///     Connection: Upgrade\r\n\
///     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\
///     \x81\x02hi";
/// let progress = handshake.handle_input(Instant::ZERO, &mut input);
/// assert_eq!(progress.event, Some(ClientEvent::Open));
/// assert_eq!(progress.rest, b"\x81\x02hi");
/// # Ok::<_, sockeye::websocket::handshake::RequestError>(())
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    state: State,
    out: Outgoing,
    /// What `Sec-WebSocket-Accept` must say.
    accept: [u8; 28],
    /// The subprotocols on offer.
    protocols: String,
    limits: Limits,
    deadline: Instant,
}

#[derive(Debug)]
enum State {
    /// A response is awaited, after this many informational ones.
    Head(Reader, usize),
    Body(Head, Body),
    Open(ResponseHead),
    Answered(ResponseHead),
    Over,
}

impl ClientHandshake {
    /// A handshake whose time begins to run `now`, with its request queued.
    ///
    /// RFC 6455 section 4.1: the nonce "MUST be selected randomly for each
    /// connection".
    pub fn new(request: ClientRequest, nonce: [u8; 16], now: Instant) -> Self {
        let limits = request.limits;
        let key = client_key(nonce);
        Self {
            state: State::Head(Reader::response(limits.head()), 0),
            out: Outgoing::new(request.write(&key)),
            accept: accept_key(&key),
            protocols: request.into_protocols(),
            limits,
            deadline: now.after(limits.timeout),
        }
    }

    /// Reads the response. With [`ClientEvent::Open`], and from then on, the
    /// rest comes back for the connection to read; after any other event input
    /// is discarded.
    pub fn handle_input<'i>(
        &mut self,
        now: Instant,
        input: &'i mut [u8],
    ) -> Progress<'i, ClientEvent> {
        if let Some(event) = self.handle_timeout(now) {
            return Progress::event(event, &mut []);
        }
        if let State::Open(_) = self.state {
            return Progress::none(input);
        }
        let (event, taken) = self.read(input);
        match event {
            Some(ClientEvent::Open) => {
                let rest = input.split_at_mut_checked(taken).map(|(_, rest)| rest);
                Progress::event(ClientEvent::Open, rest.unwrap_or_default())
            }
            Some(event) => Progress::event(event, &mut []),
            None => Progress::none(&mut []),
        }
    }

    /// Takes note that the server will send no more.
    pub fn handle_eof(&mut self, now: Instant) -> Option<ClientEvent> {
        if let Some(event) = self.handle_timeout(now) {
            return Some(event);
        }
        self.end(Lost::Eof)
    }

    /// Does what is due. Call it when [`poll_timeout`](Self::poll_timeout) has
    /// come; earlier it does nothing. A refusal whose body is not complete is
    /// handed over without the rest.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ClientEvent> {
        match self.poll_timeout() {
            Some(deadline) if now >= deadline => self.end(Lost::Timeout),
            _ => None,
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` after the
    /// event.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.is_finished()).then_some(self.deadline)
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

    /// Whether the transport now carries the connection.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether the event has come: nothing more will happen.
    pub const fn is_finished(&self) -> bool {
        !matches!(self.state, State::Head(..) | State::Body(..))
    }

    /// The response, after [`ClientEvent::Open`], [`ClientEvent::Refused`] and
    /// [`ClientEvent::Redirect`].
    pub const fn response(&self) -> Option<&ResponseHead> {
        match &self.state {
            State::Open(response) | State::Answered(response) => Some(response),
            State::Head(..) | State::Body(..) | State::Over => None,
        }
    }

    /// The response, to be kept: see [`response`](Self::response).
    pub fn into_head(self) -> Option<ResponseHead> {
        match self.state {
            State::Open(response) | State::Answered(response) => Some(response),
            State::Head(..) | State::Body(..) | State::Over => None,
        }
    }

    /// Reads heads until one is final. Gives how much of the input was read.
    fn read(&mut self, input: &[u8]) -> (Option<ClientEvent>, usize) {
        let mut rest = input;
        loop {
            let head = match &mut self.state {
                State::Head(..) if !self.out.is_empty() && !rest.is_empty() => {
                    return (Some(self.fail(ResponseViolation::Early)), 0);
                }
                State::Head(reader, _) => match reader.read(rest) {
                    Read::Partial => return (None, 0),
                    Read::Malformed(error) => return (Some(self.fail(error.into())), 0),
                    Read::Complete(head, taken) => {
                        rest = rest.get(taken..).unwrap_or_default();
                        head
                    }
                },
                State::Body(_, body) => {
                    let is_complete = body.read(rest);
                    return (is_complete.then(|| self.refused(Body::into_parts)), 0);
                }
                State::Open(_) | State::Answered(_) | State::Over => return (None, 0),
            };
            if let Some(event) = self.judge(head) {
                return (Some(event), input.len() - rest.len());
            }
        }
    }

    /// Holds a complete head against the rules; `None` if there is more to
    /// read.
    fn judge(&mut self, head: Head) -> Option<ClientEvent> {
        match (head.status(), head.version()) {
            (100..=199, HttpVersion::Http10) => Some(self.fail(ResponseViolation::Http10)),
            (101, _) => Some(self.judge_switch(head)),
            (100..=199, _) => self.pass_over(),
            _ if location(&head).is_some() => {
                self.answer(head, Default::default());
                Some(ClientEvent::Redirect)
            }
            _ => match Body::new(&head, self.limits.body) {
                Some(body) => {
                    self.state = State::Body(head, body);
                    None
                }
                None => {
                    self.answer(head, Default::default());
                    Some(ClientEvent::Refused)
                }
            },
        }
    }

    fn judge_switch(&mut self, head: Head) -> ClientEvent {
        let is_offered = |name: &str| offers(&self.protocols, name);
        match check(head.fields(), &self.accept, is_offered) {
            Ok(_) => {
                self.state = State::Open(ResponseHead::new(head, Default::default()));
                ClientEvent::Open
            }
            Err(violation) => self.fail(violation),
        }
    }

    /// RFC 9110 section 15.2: "A client MUST be able to parse one or more 1xx
    /// responses received prior to a final response".
    fn pass_over(&mut self) -> Option<ClientEvent> {
        let State::Head(reader, passed) = &mut self.state else {
            return None;
        };
        if *passed == self.limits.informational {
            return Some(self.fail(ResponseViolation::TooManyInformational));
        }
        *passed += 1;
        *reader = Reader::response(self.limits.head());
        None
    }

    fn end(&mut self, lost: Lost) -> Option<ClientEvent> {
        self.out = Outgoing::default();
        match self.state {
            State::Head(..) => {
                self.state = State::Over;
                Some(ClientEvent::Lost(lost))
            }
            State::Body(..) => Some(self.refused(|body| body.finish(lost == Lost::Eof))),
            State::Open(_) | State::Answered(_) | State::Over => None,
        }
    }

    fn refused(&mut self, finish: impl FnOnce(Body) -> (alloc::vec::Vec<u8>, bool)) -> ClientEvent {
        if let State::Body(head, body) = core::mem::replace(&mut self.state, State::Over) {
            self.answer(head, finish(body));
        }
        ClientEvent::Refused
    }

    fn answer(&mut self, head: Head, body: (alloc::vec::Vec<u8>, bool)) {
        self.state = State::Answered(ResponseHead::new(head, body));
    }

    fn fail(&mut self, violation: ResponseViolation) -> ClientEvent {
        self.out = Outgoing::default();
        self.state = State::Over;
        ClientEvent::Failed(violation)
    }
}
