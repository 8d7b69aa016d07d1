//! The server's answer, as its application states it and as it is written.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::answer_fields;
use super::{FieldError, Refusal, ResponseError};
use crate::http::Fields;
use crate::http::write::{Lines, decimal, field};

/// How to accept a handshake: which subprotocol, which header fields.
///
/// A mistake in it is kept, and returned where the response is used.
///
/// ```
/// use sockeye::websocket::handshake::Response;
///
/// let response = Response::new().protocol("chat").header("Set-Cookie", "seen=1");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Response {
    protocol: Option<String>,
    lines: Lines,
    error: Option<FieldError>,
}

impl Response {
    /// Accepts without a subprotocol and without further header fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Agrees upon `name`, one of the subprotocols that the client offers.
    #[must_use]
    pub fn protocol(mut self, name: &str) -> Self {
        self.protocol = Some(name.into());
        self
    }

    /// Adds a header field. Those that belong to the handshake are refused:
    /// `Connection`, `Upgrade`, `Content-Length`, `Transfer-Encoding` and all
    /// that begin with `Sec-WebSocket-`.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        push(&mut self.lines, &mut self.error, name, value.as_ref());
        self
    }

    pub(super) fn selected_protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The subprotocol, if the response can be sent to a client that offers
    /// what `is_offered` says.
    pub(super) fn checked_protocol(
        &self,
        is_offered: impl Fn(&str) -> bool,
    ) -> Result<Option<&str>, ResponseError> {
        if let Some(error) = self.error {
            return Err(error.into());
        }
        match self.protocol.as_deref() {
            Some(name) if !is_offered(name) => Err(ResponseError::NotOffered),
            protocol => Ok(protocol),
        }
    }

    pub(super) fn fields(&self) -> Fields<'_> {
        self.lines.fields()
    }

    /// Writes the 101.
    pub(super) fn write(&self, upgrade: &Accept, protocol: Option<&str>) -> Vec<u8> {
        let proceed: &[u8] = if upgrade.expects_continue {
            CONTINUE
        } else {
            b""
        };
        let name = protocol.unwrap_or_default();
        let size = proceed.len() + 160 + name.len() + self.lines.bytes().len();
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(proceed);
        out.extend_from_slice(SWITCHING);
        field(&mut out, "Sec-WebSocket-Accept", &upgrade.accept);
        if protocol.is_some() {
            field(&mut out, "Sec-WebSocket-Protocol", name.as_bytes());
        }
        out.extend_from_slice(self.lines.bytes());
        out.extend_from_slice(b"\r\n");
        out
    }
}

/// What the request asks of the 101.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accept {
    pub(super) accept: [u8; 28],
    pub(super) expects_continue: bool,
}

/// How to turn down a handshake: a status, header fields, a body.
///
/// The answer also says `Connection: close`, since what follows the request on
/// this transport is not looked at, and what RFC 9110 wants with the status
/// (`Allow` with 405, `Upgrade` with 426). A mistake in it is kept, and
/// returned where the rejection is used.
///
/// ```
/// use sockeye::websocket::handshake::Rejection;
///
/// let rejection = Rejection::new(401)
///     .header("WWW-Authenticate", "Bearer")
///     .body("who are you?\n");
/// ```
#[derive(Clone, Debug)]
pub struct Rejection {
    status: u16,
    lines: Lines,
    body: String,
    error: Option<FieldError>,
}

impl Rejection {
    /// Rejects with `status`, one of 300 to 599 but not 304, and an empty body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            lines: Lines::default(),
            body: String::new(),
            error: None,
        }
    }

    /// Adds a header field. Those that belong to the handshake are refused:
    /// `Connection`, `Upgrade`, `Content-Length`, `Transfer-Encoding` and all
    /// that begin with `Sec-WebSocket-`.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        push(&mut self.lines, &mut self.error, name, value.as_ref());
        self
    }

    /// Sets the body. It is sent as plain text unless a `Content-Type` is set.
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        self.body = text.into();
        self
    }

    /// Writes the answer.
    pub(super) fn write(&self) -> Result<Vec<u8>, ResponseError> {
        let status = self.checked_status()?;
        Ok(write_answer(status, &self.lines, &self.body))
    }

    /// The status, if the answer can be sent.
    pub(super) fn checked_status(&self) -> Result<u16, ResponseError> {
        match (self.error, self.status) {
            (Some(error), _) => Err(error.into()),
            (None, 300..=303 | 305..=599) => Ok(self.status),
            (None, _) => Err(ResponseError::Status),
        }
    }

    /// The header fields of the answer, and its body.
    #[cfg(feature = "http")]
    pub(super) fn headers_and_body(&self) -> (impl Iterator<Item = (&str, &[u8])>, &str) {
        (
            answer_headers(self.status, &self.lines, &self.body),
            &self.body,
        )
    }
}

/// Writes the answer to a request that breaks a rule.
pub(super) fn write_refusal(refusal: Refusal, method: &str) -> Vec<u8> {
    // RFC 9110 section 9.3.2: "the server MUST NOT send content in the
    // response" to HEAD.
    let body = if method == "HEAD" {
        String::new()
    } else {
        refusal.body()
    };
    write_answer(refusal.status(), &Lines::default(), &body)
}

/// Writes an answer that only a deadline calls for.
pub(super) fn write_status(status: u16) -> Vec<u8> {
    write_answer(status, &Lines::default(), "")
}

fn write_answer(status: u16, lines: &Lines, body: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(224 + lines.bytes().len() + body.len());
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(&mut out, status.into());
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in answer_headers(status, lines, body) {
        field(&mut out, name, value);
    }
    out.extend_from_slice(b"Content-Length: ");
    decimal(&mut out, body.len());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body.as_bytes());
    out
}

/// All but the `Content-Length`.
fn answer_headers<'l>(
    status: u16,
    lines: &'l Lines,
    body: &str,
) -> impl Iterator<Item = (&'l str, &'l [u8])> {
    let own = answer_fields(status).iter();
    let own = own.map(|(name, value)| (*name, value.as_bytes()));
    let is_plain = !body.is_empty() && lines.fields().first("content-type").is_none();
    let plain: (&str, &[u8]) = ("Content-Type", b"text/plain; charset=utf-8");
    own.chain(is_plain.then_some(plain)).chain(lines.fields())
}

/// Adds a field of the application's; the first mistake is kept.
fn push(lines: &mut Lines, error: &mut Option<FieldError>, name: &str, value: &[u8]) {
    let pushed = match is_reserved(name) {
        true => Err(FieldError::Reserved),
        false => lines.push(name, value),
    };
    *error = error.or(pushed.err());
}

/// Whether the handshake writes the field itself, or the field would say
/// something about the body that is not so.
pub(super) fn is_reserved(name: &str) -> bool {
    let is_it = |known: &str| name.eq_ignore_ascii_case(known);
    let prefix = name.get(..SEC_WEBSOCKET.len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(SEC_WEBSOCKET))
        || [
            "connection",
            "upgrade",
            "content-length",
            "transfer-encoding",
        ]
        .into_iter()
        .any(is_it)
}

/// The usual reason phrase; may be empty.
const fn reason(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

const SEC_WEBSOCKET: &str = "sec-websocket-";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h40_the_fields_of_the_handshake_are_reserved() {
        for name in [
            "Connection",
            "UPGRADE",
            "content-length",
            "Transfer-Encoding",
            "Sec-WebSocket-Accept",
            "sec-websocket-anything",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "Sec-WebSocket",
            "Sec-Fetch-Mode",
            "Set-Cookie",
            "Origin",
            "\u{e4}",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn h40_only_statuses_that_refuse_can_be_sent() {
        for status in 0..=1000 {
            let expected = (300..600).contains(&status) && status != 304;
            assert_eq!(Rejection::new(status).write().is_ok(), expected, "{status}");
        }
    }

    #[test]
    fn h41_the_first_mistake_is_kept() {
        let rejection = Rejection::new(403)
            .header("a", "b\r\n")
            .header("Connection", "x");
        assert_eq!(rejection.write(), Err(FieldError::Value.into()));
    }

    #[test]
    fn answers_carry_one_content_type() {
        let rejection = Rejection::new(404).header("Content-Type", "application/json");
        let answer = rejection.body("{}").write().unwrap();
        let expected = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\
            Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(answer, expected.as_bytes());
    }
}
