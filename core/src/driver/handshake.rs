//! The opening handshake over a transport.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use super::{HandshakeError, Io, Parts, WebSocket};
use crate::websocket::handshake::{
    Accepted, ClientEvent, ClientHandshake, ClientRequest, Rejection, Request, Response,
    ResponseHead, ServerEvent, ServerHandshake, ServerOptions,
};
use crate::websocket::{Config, Connection, MaskSource, Role, SLICES};
use crate::{Instant, Progress};

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
    io: I,
    handshake: ServerHandshake,
    unread: Vec<u8>,
}

/// What to do without an event: the server's request is always there when
/// [`Incoming::receive`] has returned.
const NO_REQUEST: &str = "an incoming handshake has a request";

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
        let mut incoming = Self {
            io,
            handshake,
            unread: Vec::new(),
        };
        let event = poll_fn(|cx| incoming.poll_event(cx)).await?;
        let error = match event {
            ServerEvent::Request => return Ok(incoming),
            ServerEvent::Failed(refusal) => HandshakeError::Request(refusal),
            ServerEvent::Lost(lost) => HandshakeError::Lost(lost),
        };
        // The answer that the handshake queued; there may be nobody to take it.
        let _ = incoming.finish().await;
        Err(error)
    }

    /// The request.
    pub fn request(&self) -> &Request {
        match self.handshake.request() {
            Some(request) => request,
            None => unreachable_request(),
        }
    }

    /// The transport.
    pub fn get_ref(&self) -> &I {
        &self.io
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
        mut self,
        response: &Response,
        config: impl Into<Arc<Config>>,
    ) -> Result<(WebSocket<I>, Accepted), HandshakeError<I::Error>> {
        self.handshake.accept(response)?;
        poll_fn(|cx| self.poll_write(cx)).await?;
        let connection = Connection::new(Role::Server, config, self.io.now());
        let websocket = WebSocket::from_parts(Parts::new(self.io, connection, self.unread));
        match self.handshake.into_head() {
            Some(head) => Ok((websocket, head)),
            None => Err(HandshakeError::WriteZero),
        }
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
    pub async fn reject(mut self, rejection: &Rejection) -> Result<(), HandshakeError<I::Error>> {
        self.handshake.reject(rejection)?;
        self.finish().await
    }

    /// Writes the answer and ends the output.
    async fn finish(&mut self) -> Result<(), HandshakeError<I::Error>> {
        poll_fn(|cx| self.poll_write(cx)).await?;
        poll_fn(|cx| self.io.poll_shutdown(cx))
            .await
            .map_err(HandshakeError::Io)
    }
}
