//! The opening handshake over a transport.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::scratch;
use super::{HandshakeError, Io, Parts, WebSocket};
use crate::websocket::handshake::{
    Accepted, ClientEvent, ClientHandshake, ClientRequest, Lost, Rejection, Request, Response,
    ResponseHead, ServerEvent, ServerHandshake, ServerOptions,
};
use crate::websocket::{Config, Connection, MaskSource, Role, SLICES};
use crate::{Instant, Progress};

/// Accepts every valid request, with no subprotocol: [`Incoming`] in one call.
///
/// # Errors
///
/// As [`Incoming::receive`] and [`Incoming::accept`].
///
/// # Cancel safety
///
/// Dropping the future closes the transport.
pub async fn accept<I: Io>(
    io: I,
    options: impl Into<Arc<ServerOptions>>,
    config: impl Into<Arc<Config>>,
) -> Result<(WebSocket<I>, Accepted), HandshakeError<I::Error>> {
    let incoming = Incoming::receive(io, options).await?;
    incoming.accept(&Response::new(), config).await
}

/// Opens a connection as a client. `nonce` is sixteen random bytes, fresh for
/// each connection; `keys` gives the masking keys of what is sent on it.
///
/// # Errors
///
/// [`HandshakeError::Refused`] and [`Redirect`](HandshakeError::Redirect) hold
/// the server's response; nothing is followed or tried again.
///
/// # Cancel safety
///
/// Dropping the future closes the transport.
pub async fn connect<I: Io>(
    io: I,
    request: ClientRequest,
    nonce: [u8; 16],
    keys: MaskSource,
    config: impl Into<Arc<Config>>,
) -> Result<(WebSocket<I>, ResponseHead), HandshakeError<I::Error>> {
    let handshake = ClientHandshake::new(request, nonce, io.now());
    let mut exchange = Exchange::new(io, handshake);
    let event = poll_fn(|cx| exchange.poll_event(cx)).await?;
    let Exchange {
        io,
        machine,
        unread,
        ..
    } = exchange;
    match (event, machine.into_head()) {
        (ClientEvent::Open, Some(response)) => {
            let connection = Connection::new(Role::Client(keys), config, io.now());
            let websocket = WebSocket::from_parts(Parts::new(io, connection, unread));
            Ok((websocket, response))
        }
        (ClientEvent::Redirect, Some(response)) => {
            Err(HandshakeError::Redirect(Box::new(response)))
        }
        (ClientEvent::Failed(violation), _) => Err(HandshakeError::Violation(violation)),
        (ClientEvent::Lost(lost), _) => Err(HandshakeError::Lost(lost)),
        (_, Some(response)) => Err(HandshakeError::Refused(Box::new(response))),
        (_, None) => Err(HandshakeError::Lost(Lost::Eof)),
    }
}

/// A request that waits for its answer.
///
/// ```no_run
/// # use sockeye::driver::{HandshakeError, Incoming, Io, WebSocket};
/// use sockeye::websocket::{Config, handshake::{Origins, Rejection, Response, ServerOptions}};
///
/// # async fn serve<I: Io>(io: I) -> Result<Option<WebSocket<I>>, HandshakeError<I::Error>> {
/// let incoming = Incoming::receive(io, ServerOptions::new(Origins::Any)).await?;
/// if incoming.request().path() != "/chat" {
///     incoming.reject(&Rejection::new(404)).await?;
///     return Ok(None);
/// }
/// let (websocket, _) = incoming.accept(&Response::new(), Config::default()).await?;
/// # Ok(Some(websocket))
/// # }
/// ```
///
/// Dropping it closes the transport without an answer.
#[derive(Debug)]
pub struct Incoming<I> {
    exchange: Exchange<I, ServerHandshake>,
    request: Request,
}

impl<I: Io> Incoming<I> {
    /// Receives a request. One that is no upgrade to WebSocket is answered, and
    /// reported as an error.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Request`], [`Lost`](HandshakeError::Lost) and
    /// [`Io`](HandshakeError::Io).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the transport.
    pub async fn receive(
        io: I,
        options: impl Into<Arc<ServerOptions>>,
    ) -> Result<Self, HandshakeError<I::Error>> {
        let handshake = ServerHandshake::new(options, io.now());
        let mut exchange = Exchange::new(io, handshake);
        let event = poll_fn(|cx| exchange.poll_event(cx)).await?;
        let error = match (event, exchange.machine.request().cloned()) {
            (ServerEvent::Failed(refusal), _) => HandshakeError::Request(refusal),
            (ServerEvent::Lost(lost), _) => HandshakeError::Lost(lost),
            (ServerEvent::Request, Some(request)) => return Ok(Self { exchange, request }),
            (ServerEvent::Request, None) => HandshakeError::Lost(Lost::Eof),
        };
        // The answer that the handshake queued; there may be nobody to take it.
        if exchange.finish().await.is_ok() && matches!(error, HandshakeError::Request(_)) {
            exchange.linger().await;
        }
        Err(error)
    }

    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The transport.
    pub fn get_ref(&self) -> &I {
        &self.exchange.io
    }

    /// Accepts the request and gives the WebSocket.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Response`] if the response is not possible, as with a
    /// subprotocol that was not offered.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the transport.
    pub async fn accept(
        self,
        response: &Response,
        config: impl Into<Arc<Config>>,
    ) -> Result<(WebSocket<I>, Accepted), HandshakeError<I::Error>> {
        let mut exchange = self.exchange;
        exchange.machine.accept(response)?;
        poll_fn(|cx| exchange.poll_written(cx)).await?;
        let Exchange {
            io,
            machine,
            unread,
            ..
        } = exchange;
        // Only a handshake that ran out of time has not accepted by now.
        let accepted = machine
            .into_head()
            .ok_or(HandshakeError::Lost(Lost::Timeout))?;
        let connection = Connection::new(Role::Server, config, io.now());
        let websocket = WebSocket::from_parts(Parts::new(io, connection, unread));
        Ok((websocket, accepted))
    }

    /// Refuses the request, and closes the transport.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Response`] if the rejection is not possible.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the transport.
    pub async fn reject(self, rejection: &Rejection) -> Result<(), HandshakeError<I::Error>> {
        let mut exchange = self.exchange;
        exchange.machine.reject(rejection)?;
        exchange.finish().await?;
        exchange.linger().await;
        Ok(())
    }
}

/// The verbs that both handshakes have.
trait Machine {
    type Event;

    fn handle_input<'i>(&mut self, now: Instant, input: &'i mut [u8]) -> Progress<'i, Self::Event>;
    fn handle_eof(&mut self, now: Instant) -> Option<Self::Event>;
    fn handle_timeout(&mut self, now: Instant) -> Option<Self::Event>;
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_transmit<'a>(&'a mut self, out: &mut [&'a [u8]; SLICES]) -> usize;
    fn advance_transmit(&mut self, n: usize);
}

/// A handshake over its transport.
#[derive(Debug)]
struct Exchange<I, M> {
    io: I,
    machine: M,
    /// Input that was read and belongs to the connection.
    unread: Vec<u8>,
    /// Written, but perhaps held back by the transport.
    unflushed: bool,
}

impl<I: Io, M: Machine> Exchange<I, M> {
    fn new(io: I, machine: M) -> Self {
        Self {
            io,
            machine,
            unread: Vec::new(),
            unflushed: false,
        }
    }

    /// Writes what is queued, and reads until there is an event.
    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<M::Event, HandshakeError<I::Error>>> {
        loop {
            let event = match self.poll_write(cx)? {
                Poll::Ready(()) => self.poll_read(cx)?,
                Poll::Pending => Poll::Pending,
            };
            let event = match event {
                Poll::Ready(event) => event,
                Poll::Pending => ready!(self.poll_due(cx)),
            };
            if let Some(event) = event {
                return Poll::Ready(Ok(event));
            }
        }
    }

    /// Writes what is queued, and gives up when its time is over.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HandshakeError<I::Error>>> {
        while self.poll_write(cx)?.is_pending() {
            if ready!(self.poll_due(cx)).is_some() {
                return Poll::Ready(Err(HandshakeError::Lost(Lost::Timeout)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// One read. Ready without an event if more has to come.
    #[allow(clippy::type_complexity, reason = "a poll inside a result, for `?`")]
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<Poll<Option<M::Event>>, HandshakeError<I::Error>> {
        let mut buffers = scratch::take();
        let read = self.io.poll_read(cx, &mut buffers.read);
        let now = self.io.now();
        let event = match read {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(error)) => Err(HandshakeError::Io(error)),
            Poll::Ready(Ok(0)) => Ok(Poll::Ready(self.machine.handle_eof(now))),
            Poll::Ready(Ok(n)) => {
                let input = buffers.read.get_mut(..n).unwrap_or_default();
                let Progress { event, rest } = self.machine.handle_input(now, input);
                self.unread.extend_from_slice(rest);
                Ok(Poll::Ready(event))
            }
        };
        scratch::give_back(buffers);
        event
    }

    /// Writes until nothing waits. Pending if the transport takes no more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, HandshakeError<I::Error>> {
        loop {
            let mut slices = [&[][..]; SLICES];
            let n = self.machine.poll_transmit(&mut slices);
            let Some(slices) = slices.get(..n).filter(|slices| !slices.is_empty()) else {
                break;
            };
            match self.io.poll_write(cx, slices) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(error)) => return Err(HandshakeError::Io(error)),
                Poll::Ready(Ok(0)) => return Err(HandshakeError::WriteZero),
                Poll::Ready(Ok(n)) => self.machine.advance_transmit(n),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            match self.io.poll_flush(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(error)) => return Err(HandshakeError::Io(error)),
                Poll::Ready(Ok(())) => self.unflushed = false,
            }
        }
        Ok(Poll::Ready(()))
    }

    /// Waits for the deadline.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Option<M::Event>> {
        let Some(at) = self.machine.poll_timeout() else {
            return Poll::Pending;
        };
        ready!(self.io.poll_deadline(cx, at));
        Poll::Ready(self.machine.handle_timeout(self.io.now()))
    }

    /// Writes the answer and ends the output. Whoever does not take it in time
    /// goes without.
    async fn finish(&mut self) -> Result<(), HandshakeError<I::Error>> {
        let until = self.io.now().after(FINISH);
        poll_fn(|cx| self.poll_finish(cx, until)).await
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<(), HandshakeError<I::Error>>> {
        if self.poll_write(cx)?.is_ready() {
            if let Poll::Ready(ended) = self.io.poll_shutdown(cx) {
                return Poll::Ready(ended.map_err(HandshakeError::Io));
            }
        }
        ready!(self.poll_until(cx, until));
        Poll::Ready(Err(HandshakeError::Lost(Lost::Timeout)))
    }

    /// Ready at this instant, and not before.
    fn poll_until(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        while self.io.now() < until {
            ready!(self.io.poll_deadline(cx, until));
        }
        Poll::Ready(())
    }

    /// Discards what still arrives, to the end of input: closing a socket with
    /// unread input would reset it, and the peer might lose the answer.
    async fn linger(&mut self) {
        let until = self.io.now().after(LINGER);
        let mut left = LINGER_BYTES;
        poll_fn(|cx| self.poll_linger(cx, until, &mut left)).await;
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>, until: Instant, left: &mut usize) -> Poll<()> {
        let mut buffers = scratch::take();
        let poll = loop {
            match self.io.poll_read(cx, &mut buffers.read) {
                Poll::Ready(Ok(n)) if n > 0 && n < *left => *left -= n,
                Poll::Ready(_) => break Poll::Ready(()),
                Poll::Pending => break self.poll_until(cx, until),
            }
        };
        scratch::give_back(buffers);
        poll
    }
}

/// How long an answer that is no acceptance may take to be written.
const FINISH: Duration = Duration::from_secs(5);

/// How long, and for how much, a refused client is listened to after the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

macro_rules! machine {
    ($handshake:ty, $event:ty) => {
        impl Machine for $handshake {
            type Event = $event;

            fn handle_input<'i>(
                &mut self,
                now: Instant,
                input: &'i mut [u8],
            ) -> Progress<'i, Self::Event> {
                self.handle_input(now, input)
            }

            fn handle_eof(&mut self, now: Instant) -> Option<Self::Event> {
                self.handle_eof(now)
            }

            fn handle_timeout(&mut self, now: Instant) -> Option<Self::Event> {
                self.handle_timeout(now)
            }

            fn poll_timeout(&self) -> Option<Instant> {
                self.poll_timeout()
            }

            fn poll_transmit<'a>(&'a mut self, out: &mut [&'a [u8]; SLICES]) -> usize {
                self.poll_transmit(out)
            }

            fn advance_transmit(&mut self, n: usize) {
                self.advance_transmit(n);
            }
        }
    };
}

machine!(ServerHandshake, ServerEvent);
machine!(ClientHandshake, ClientEvent);
