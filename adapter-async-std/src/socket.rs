//! A WebSocket on this runtime: what the driver of the core gives over a
//! [`Transport`], and what the opening handshake told.

use std::io;
use std::net::SocketAddr;

use sockeye::driver::{self, Group};
use sockeye::websocket::handshake::{Accepted, Request, ResponseHead};

use crate::io::Transport;

/// A WebSocket over a stream of type `S`.
///
/// Everything about receiving, sending and closing is said at
/// [`driver::WebSocket`]; what the opening handshake told is at
/// [`get_ref`](driver::WebSocket::get_ref), in the [`Transport`]:
///
/// | wanted | call |
/// |---|---|
/// | subprotocol | `websocket.get_ref().protocol()` |
/// | request (server) | `websocket.get_ref().request()` |
/// | response (client) | `websocket.get_ref().response()` |
/// | peer address | `websocket.get_ref().peer_addr()` |
/// | the stream | `websocket.get_ref().get_ref()` |
///
/// A WebSocket whose handshake took place elsewhere is made by
/// [`driver::WebSocket::from_parts`] out of a [`Transport::new`], a
/// [`Connection`](crate::websocket::Connection) and the bytes already read. Tell
/// the [`Transport`] what is known of that handshake, for this table to hold:
///
/// ```
/// use std::net::SocketAddr;
///
/// use sockeye_async_std::driver::{Io, Parts};
/// use sockeye_async_std::handshake::Accepted;
/// use sockeye_async_std::websocket::{Config, Connection, Role};
/// use sockeye_async_std::{Transport, WebSocket};
///
/// fn open<S>(stream: S, unread: Vec<u8>, accepted: Accepted, peer: SocketAddr) -> WebSocket<S>
/// where
///     Transport<S>: Io,
/// {
///     let mut transport = Transport::new(stream);
///     transport.set_accepted(accepted);
///     transport.set_peer_addr(peer);
///     let connection = Connection::new(Role::Server, Config::default(), transport.now());
///     WebSocket::from_parts(Parts::new(transport, connection, unread))
/// }
/// ```
pub type WebSocket<S> = driver::WebSocket<Transport<S>>;

/// The sending half of a WebSocket; it can be cloned.
pub type Sender<S> = driver::Sender<Transport<S>>;

/// The receiving half of a WebSocket.
pub type Receiver<S> = driver::Receiver<Transport<S>>;

/// Why a connection ended, or why nothing was sent.
pub type Error = driver::Error<io::Error>;

/// Why there is no connection.
pub type HandshakeError = driver::HandshakeError<io::Error>;

/// What is known from before the connection was open.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    pub(crate) head: Head,
    pub(crate) peer: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) enum Head {
    Server(Accepted),
    Client(ResponseHead),
    /// The handshake took place elsewhere, and agreed upon this subprotocol.
    Elsewhere(Option<String>),
}

impl Default for Head {
    fn default() -> Self {
        Self::Elsewhere(None)
    }
}

impl<S> Transport<S> {
    /// The stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream. Reading from it or writing to it breaks the connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream, for good.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// The address of the peer, where it is known: always with
    /// [`Connect::open`](crate::Connect::open) and
    /// [`Server::serve`](crate::Server::serve) over TCP, and after
    /// [`set_peer_addr`](Self::set_peer_addr).
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.opening.as_ref()?.peer
    }

    /// The subprotocol that was agreed upon.
    pub fn protocol(&self) -> Option<&str> {
        match &self.opening.as_ref()?.head {
            Head::Server(accepted) => accepted.protocol(),
            Head::Client(response) => response.protocol(),
            Head::Elsewhere(protocol) => protocol.as_deref(),
        }
    }

    /// Server: the request that was accepted, with its header fields.
    pub fn request(&self) -> Option<&Request> {
        match &self.opening.as_ref()?.head {
            Head::Server(accepted) => Some(accepted.request()),
            _ => None,
        }
    }

    /// Client: the response of the server, with its header fields.
    pub fn response(&self) -> Option<&ResponseHead> {
        match &self.opening.as_ref()?.head {
            Head::Client(response) => Some(response),
            _ => None,
        }
    }

    /// Tells the address of the peer, which only TCP knows by itself: of a stream
    /// of your own, of one that a proxy has opened.
    pub fn set_peer_addr(&mut self, peer: SocketAddr) {
        self.opening.get_or_insert_default().peer = Some(peer);
        self.trace.peer(peer);
    }

    /// Server: tells what was accepted, where [`Server`](crate::Server) has not
    /// done it: the request and the subprotocol.
    pub fn set_accepted(&mut self, accepted: Accepted) {
        self.opening.get_or_insert_default().head = Head::Server(accepted);
    }

    /// Client: tells the response of the server, where
    /// [`Connect`](crate::Connect) has not received it, and with it the
    /// subprotocol.
    pub fn set_response(&mut self, response: ResponseHead) {
        self.opening.get_or_insert_default().head = Head::Client(response);
    }

    /// Tells the subprotocol, of a handshake that nothing else is known of.
    pub fn set_protocol(&mut self, protocol: impl Into<String>) {
        self.opening.get_or_insert_default().head = Head::Elsewhere(Some(protocol.into()));
    }

    /// Whether the input ended without the end that TLS prescribes.
    ///
    /// The connection itself ends as with any other end of input: cleanly after
    /// a closing handshake, which TLS has authenticated, and otherwise with
    /// code 1006. RFC 8446 section 6.1.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Makes the connection a member of `group`, and of no other: it is closed
    /// with code 1001 when that is dismissed. This is how an application that
    /// does not call [`Server::serve`](crate::Server::serve) shuts down.
    pub fn join(&mut self, group: &Group) {
        self.member = Some(group.join());
    }

    pub(crate) fn opened(&mut self, head: Head) {
        self.opening.get_or_insert_default().head = head;
        self.trace.opened();
    }

    pub(crate) fn with_peer(mut self, peer: Option<SocketAddr>) -> Self {
        if peer.is_some() {
            self.opening.get_or_insert_default().peer = peer;
        }
        self
    }

    /// TLS that ends without `close_notify` is the end of input all the same.
    pub(crate) fn end_of_input(&mut self, read: io::Result<usize>) -> io::Result<usize> {
        let read = match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.truncated = true;
                Ok(0)
            }
            read => read,
        };
        self.trace.read(&read);
        read
    }
}

const _: () = assert!(size_of::<WebSocket<()>>() == size_of::<usize>());
