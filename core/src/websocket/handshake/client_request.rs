//! The request, as the client's application states it.

use alloc::string::String;
use alloc::vec::Vec;

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
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// Everything up to the key.
    start: Vec<u8>,
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
        let size = 128 + target.len() + host.len();
        let mut start = Vec::with_capacity(size);
        for part in ["GET ", target, " HTTP/1.1\r\nHost: ", host, UPGRADE] {
            start.extend_from_slice(part.as_bytes());
        }
        Ok(Self {
            start,
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

    /// The bytes of the request, and the offer to hold the answer against.
    pub(super) fn write(self, key: &[u8]) -> (Vec<u8>, String) {
        let mut out = self.start;
        out.reserve_exact(128 + self.protocols.len() + self.lines.bytes().len());
        field(&mut out, "Sec-WebSocket-Key", key);
        if !self.protocols.is_empty() {
            field(
                &mut out,
                "Sec-WebSocket-Protocol",
                self.protocols.as_bytes(),
            );
        }
        out.extend_from_slice(self.lines.bytes());
        out.extend_from_slice(b"\r\n");
        (out, self.protocols)
    }
}

/// Whether an offer, as it is written, has `name` in it. Case counts.
pub(super) fn offers(protocols: &str, name: &str) -> bool {
    protocols.split(SEPARATOR).any(|offered| offered == name)
}

const SEPARATOR: &str = ", ";
const UPGRADE: &str = "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\n";
