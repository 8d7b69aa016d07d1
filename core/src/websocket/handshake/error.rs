//! What ends a handshake, and whose fault it is.
//!
//! A [`Refusal`] and a [`ResponseViolation`] name the rule that the peer
//! broke; they arrive in events. A [`ResponseError`] and a [`RequestError`]
//! name the rule that the caller broke: nothing was written.

use alloc::string::{String, ToString};

use crate::http::{FieldError, HeadError};

/// Why a handshake ended without an answer from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The peer closed the transport.
    #[error("the transport ended during the handshake")]
    Eof,
    /// [`Limits::timeout`](super::Limits::timeout) passed.
    #[error("the handshake took too long")]
    Timeout,
}

/// The rule that a client's request breaks. The server's answer follows from
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no well-formed HTTP/1.1 request, or exceeds the limits: 400, 414,
    /// 431 or 505.
    #[error("{0}")]
    Head(HeadError),
    /// The method is not GET (RFC 6455 section 4.2.1): 405.
    #[error("the method is not GET")]
    Method,
    /// HTTP/1.0, in which RFC 9110 section 7.8 makes a server ignore an
    /// upgrade: 400.
    #[error("HTTP/1.0 has no upgrade")]
    Http10,
    /// The target is neither a path nor a whole URI of a known scheme
    /// (RFC 9112 section 3.2): 400.
    #[error("the request target names no resource")]
    Target,
    /// There is no WebSocket at this path, see
    /// [`ServerOptions::paths`](super::ServerOptions::paths): 404.
    #[error("there is no WebSocket at this path")]
    NotFound,
    /// The request announces content (`Transfer-Encoding`, or a
    /// `Content-Length` other than `0`), whose bytes would be taken for
    /// frames: 400.
    #[error("an upgrade request has no content")]
    Content,
    /// There is not exactly one `Host` (RFC 9112 section 3.2): 400.
    #[error("there is not exactly one Host")]
    HostCount,
    /// The `Host` is not a host with perhaps a port: 400.
    #[error("the Host is malformed")]
    Host,
    /// `Upgrade` does not name `websocket` (RFC 6455 section 4.2.1): 426.
    #[error("this resource is for WebSocket: no upgrade to websocket")]
    NoUpgrade,
    /// `Connection` does not name `Upgrade` (RFC 6455 section 4.2.1): 426.
    #[error("this resource is for WebSocket: Connection has no upgrade")]
    NoConnectionUpgrade,
    /// `Sec-WebSocket-Version` is not 13 (RFC 6455 section 4.4): 426.
    #[error("the WebSocket version is not 13")]
    Version,
    /// More than one `Sec-WebSocket-Version` (RFC 6455 section 11.3.5): 400.
    #[error("there is more than one Sec-WebSocket-Version")]
    VersionRepeated,
    /// There is not exactly one `Sec-WebSocket-Key`
    /// (RFC 6455 section 11.3.1): 400.
    #[error("there is not exactly one Sec-WebSocket-Key")]
    KeyCount,
    /// The `Sec-WebSocket-Key` is not 16 bytes in base64
    /// (RFC 6455 section 4.2.1): 400.
    #[error("the Sec-WebSocket-Key is not 16 bytes in base64")]
    Key,
    /// `Sec-WebSocket-Protocol` is not a list of tokens that all differ
    /// (RFC 6455 section 4.1): 400.
    #[error("Sec-WebSocket-Protocol is malformed")]
    Protocol,
    /// `Sec-WebSocket-Extensions` is malformed (RFC 6455 section 9.1): 400.
    #[error("Sec-WebSocket-Extensions is malformed")]
    Extensions,
    /// More than one `Origin` (RFC 6454 section 7.3): 400.
    #[error("there is more than one Origin")]
    OriginRepeated,
    /// There is no `Origin`, and the server wants one: 403.
    #[error("there is no Origin")]
    OriginMissing,
    /// The `Origin` is none of those that may connect
    /// (RFC 6455 section 10.2): 403.
    #[error("connections from this origin are not allowed")]
    Origin,
}

impl Refusal {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Head(error) => error.status(),
            Self::Method => 405,
            Self::NotFound => 404,
            Self::NoUpgrade | Self::NoConnectionUpgrade | Self::Version => 426,
            Self::Origin | Self::OriginMissing => 403,
            _ => 400,
        }
    }

    /// The header fields of the answer, without those that describe its body.
    pub fn headers(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        answer_fields(self.status()).iter().copied()
    }

    /// The body of the answer: one line of plain text that says what is wrong
    /// and holds nothing the peer sent.
    pub fn body(self) -> String {
        let mut text = self.to_string();
        text.push('\n');
        text
    }
}

/// What an answer with this status carries, whoever chose the status.
///
/// RFC 9110 section 15.5.22: a 426 "MUST send an Upgrade header field";
/// section 15.5.6: a 405 "MUST generate an Allow header field"; RFC 6455
/// section 4.4: the server lists "the version(s) it is willing to use".
pub(super) const fn answer_fields(status: u16) -> &'static [(&'static str, &'static str)] {
    match status {
        405 => &[("Connection", "close"), ("Allow", "GET")],
        426 => &[
            ("Connection", "close, Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
        ],
        _ => &[("Connection", "close")],
    }
}

/// The rule that a server's response breaks. No frame may be sent after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseViolation {
    /// It is no well-formed HTTP/1.1 response, or exceeds the limits.
    #[error("{0}")]
    Head(HeadError),
    /// The status is not 101, of a response that was parsed elsewhere. A
    /// [`ClientHandshake`](super::ClientHandshake) reports a refusal or a
    /// redirect instead.
    #[error("the response does not switch protocols")]
    Status,
    /// Bytes came before the request was sent.
    #[error("the server spoke before it was asked")]
    Early,
    /// An HTTP/1.0 server switches protocols, or sends another 1xx.
    #[error("HTTP/1.0 has no upgrade")]
    Http10,
    /// More responses with a status of 1xx than the limit.
    #[error("too many informational responses")]
    TooManyInformational,
    /// The 101 announces content (RFC 9110 sections 8.6 and 15.2).
    #[error("the response that switches protocols has content")]
    Content,
    /// `Upgrade` is not `websocket` alone (RFC 6455 section 4.1, step 2).
    #[error("the Upgrade is not to websocket")]
    Upgrade,
    /// `Connection` does not name `Upgrade` (RFC 6455 section 4.1, step 3).
    #[error("the Connection is not upgraded")]
    Connection,
    /// There is not exactly one `Sec-WebSocket-Accept`
    /// (RFC 6455 section 11.3.3).
    #[error("there is not exactly one Sec-WebSocket-Accept")]
    AcceptCount,
    /// `Sec-WebSocket-Accept` does not answer our key
    /// (RFC 6455 section 4.1, step 4).
    #[error("the Sec-WebSocket-Accept does not answer the key")]
    Accept,
    /// An extension that was not offered, or a malformed list
    /// (RFC 6455 section 4.1, step 5).
    #[error("an extension that was not offered")]
    Extension,
    /// A subprotocol that was not offered (RFC 6455 section 4.1, step 6).
    #[error("a subprotocol that was not offered")]
    Protocol,
    /// More than one `Sec-WebSocket-Protocol` (RFC 6455 section 11.3.4).
    #[error("there is more than one Sec-WebSocket-Protocol")]
    ProtocolRepeated,
}

/// Why an answer of the application is not sent. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// No request waits for an answer: none has arrived, it has been
    /// answered, or the handshake has ended.
    #[error("no request waits for an answer")]
    NoRequest,
    /// The status cannot refuse: it is not one of 300 to 599, or it is 304.
    #[error("a status that cannot refuse a handshake")]
    Status,
    /// The client did not offer the subprotocol.
    #[error("a subprotocol that was not offered")]
    NotOffered,
    /// A header field cannot be sent.
    #[error("{0}")]
    Field(FieldError),
}

/// Why a request cannot be made. No byte of it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The host is not a host with perhaps a port.
    #[error("the host is malformed")]
    Host,
    /// The target does not begin with `/`, or holds what no URI has: white
    /// space, a fragment, characters beyond ASCII.
    #[error("the request target is malformed")]
    Target,
    /// The subprotocol is not a token, or has been offered before.
    #[error("the subprotocol is not a token or is repeated")]
    Protocol,
    /// A header field cannot be sent.
    #[error("{0}")]
    Field(FieldError),
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<HeadError> for ResponseViolation {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<FieldError> for ResponseError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

impl From<FieldError> for RequestError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}
