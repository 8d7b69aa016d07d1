//! The request, as the client's application states it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::answer::is_reserved;
use super::{FieldError, Limits, RequestError};
use crate::http::Authority;
use crate::http::header::{is_target_byte, is_token};
use crate::http::write::{Lines, field};

/// What a client asks for: resource, subprotocols, header fields.
///
/// ```
/// use sockeye::websocket::handshake::{ClientRequest, Url};
///
/// let url = Url::parse("ws://server.example.com/chat?room=1").unwrap();
/// let request = ClientRequest::new(url.authority, &url.target)?
///     .protocol("chat")?
///     .header("Cookie", "id=1")?;
/// # Ok::<_, sockeye::websocket::handshake::RequestError>(())
/// ```
///
/// [`ClientHandshake`](super::ClientHandshake) writes it. Where an HTTP library
/// sends requests, give it the method `GET`, the [`target`](Self::target) and
/// the [`headers`](Self::headers), and the response to
/// [`check_response`](super::check_response).
#[derive(Clone)]
pub struct ClientRequest {
    host: String,
    target: String,
    lines: Lines,
    /// The offer, as it is written.
    protocols: String,
    pub(super) limits: Limits,
}

impl ClientRequest {
    /// Asks `host` for `target`.
    ///
    /// `host` is a name or an address (IPv6 in brackets) with a port unless it
    /// is the default one; `target` is a path with perhaps a query, in visible
    /// ASCII, the rest percent-encoded by the caller.
    ///
    /// # Errors
    ///
    /// If either is something else.
    pub fn new(host: &str, target: &str) -> Result<Self, RequestError> {
        Authority::parse(host).ok_or(RequestError::Host)?;
        if !target.starts_with('/') || !target.bytes().all(is_target_byte) {
            return Err(RequestError::Target);
        }
        Ok(Self {
            host: host.into(),
            target: target.into(),
            lines: Lines::default(),
            protocols: String::new(),
            limits: Limits::default(),
        })
    }

    /// Offers a subprotocol; the one offered first is the one liked best.
    ///
    /// # Errors
    ///
    /// If `name` is not a token, or has been offered.
    pub fn protocol(mut self, name: &str) -> Result<Self, RequestError> {
        if !is_token(name.as_bytes()) || offers(&self.protocols, name) {
            return Err(RequestError::Protocol);
        }
        if !self.protocols.is_empty() {
            self.protocols.push_str(SEPARATOR);
        }
        self.protocols.push_str(name);
        Ok(self)
    }

    /// Names the page that connects, for servers that ask who it is.
    ///
    /// # Errors
    ///
    /// If it has been named before, or the value cannot be sent.
    pub fn origin(self, origin: &str) -> Result<Self, RequestError> {
        self.header("Origin", origin)
    }

    /// Adds a header field.
    ///
    /// # Errors
    ///
    /// If the name or the value could be taken for something else, or the
    /// field belongs to the handshake: `Host`, `Connection`, `Upgrade`,
    /// `Content-Length`, `Transfer-Encoding` and all that begin with
    /// `Sec-WebSocket-`. `Origin` can be set once.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, RequestError> {
        if is_reserved(name) || name.eq_ignore_ascii_case("host") {
            return Err(FieldError::Reserved.into());
        }
        let is_origin = name.eq_ignore_ascii_case("origin");
        if is_origin && self.lines.fields().first("origin").is_some() {
            return Err(FieldError::Repeated.into());
        }
        self.lines.push(name, value.as_ref())?;
        Ok(self)
    }

    /// Sets how much the server may send, and how long it may take.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What is asked for: path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// All header fields of the request, `Host` first, in the order in which
    /// they are written. Take the key from
    /// [`client_key`](super::client_key), fresh for each connection.
    pub fn headers<'r>(&'r self, key: &'r [u8; 24]) -> impl Iterator<Item = (&'r str, &'r [u8])> {
        let own: [(&str, &[u8]); 5] = [
            ("Host", self.host.as_bytes()),
            ("Upgrade", b"websocket"),
            ("Connection", b"Upgrade"),
            ("Sec-WebSocket-Version", b"13"),
            ("Sec-WebSocket-Key", key),
        ];
        let offer = ("Sec-WebSocket-Protocol", self.protocols.as_bytes());
        let offer = (!self.protocols.is_empty()).then_some(offer);
        own.into_iter().chain(offer).chain(self.lines.fields())
    }

    /// The bytes of the request.
    pub(super) fn write(&self, key: &[u8; 24]) -> Vec<u8> {
        let text = self.target.len() + self.host.len() + self.protocols.len();
        let mut out = Vec::with_capacity(224 + text + self.lines.bytes().len());
        for part in ["GET ", &self.target, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        for (name, value) in self.headers(key) {
            field(&mut out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// Whether `name` is on offer. Case counts.
    pub(super) fn offers(&self, name: &str) -> bool {
        offers(&self.protocols, name)
    }

    /// The offer, as it is written.
    pub(super) fn into_protocols(self) -> String {
        self.protocols
    }
}

impl fmt::Debug for ClientRequest {
    /// Names host and target only: header fields hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest")
            .field("host", &self.host)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// Whether an offer, as it is written, has `name` in it. Case counts.
pub(super) fn offers(protocols: &str, name: &str) -> bool {
    !name.is_empty() && protocols.split(SEPARATOR).any(|offered| offered == name)
}

const SEPARATOR: &str = ", ";
