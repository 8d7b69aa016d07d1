//! The server's response, as the client's application sees it, and the rules
//! for the one that opens a connection.

use alloc::vec::Vec;
use core::fmt;

use super::check::is_zero;
use super::key::accept_key;
use super::{ClientRequest, ResponseViolation};
use crate::http::fields::Single;
use crate::http::head::Head;
use crate::http::{Fields, HeadError, HttpVersion, header};
use crate::websocket::extension::header::Extensions;

/// A server's response: the 101 that opens the connection, or another one that
/// does not.
#[derive(Clone)]
pub struct ResponseHead {
    head: Head,
    body: Vec<u8>,
    is_cut: bool,
}

impl ResponseHead {
    pub(super) fn new(mut head: Head, (body, is_cut): (Vec<u8>, bool)) -> Self {
        head.shrink();
        Self { head, body, is_cut }
    }

    /// The status code.
    pub const fn status(&self) -> u16 {
        self.head.status()
    }

    /// The value of the first header field called `name`, in any mixture of
    /// cases.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().first(name)
    }

    /// All header fields as received.
    pub fn headers(&self) -> Fields<'_> {
        self.head.fields()
    }

    /// The subprotocol that the server chose among those that were offered.
    pub fn protocol(&self) -> Option<&str> {
        let chosen = self.header("sec-websocket-protocol");
        let chosen = chosen.filter(|_| self.status() == 101);
        core::str::from_utf8(chosen?).ok()
    }

    /// Where a redirect leads: a URI, or a part of one that is relative to the
    /// request's.
    pub fn location(&self) -> Option<&str> {
        location(&self.head)
    }

    /// The body of a refusal, up to [`Limits::body`](super::Limits::body)
    /// bytes. Empty for a redirect, whose body is not read.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether the body has more than is kept, or ended early.
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }
}

impl fmt::Debug for ResponseHead {
    /// Names the status only: header fields hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Where the response redirects to, if it does.
pub(super) fn location(head: &Head) -> Option<&str> {
    if !matches!(head.status(), 301..=303 | 307 | 308) {
        return None;
    }
    let mut values = head.fields().named("location");
    let value = values.next()?;
    let is_uri = !value.is_empty() && value.iter().all(u8::is_ascii_graphic);
    if !is_uri || values.next().is_some() {
        return None;
    }
    core::str::from_utf8(value).ok()
}

/// Judges a response whose head has been parsed elsewhere, to a request that
/// was sent with `key`.
///
/// Give all header fields, those of the same name one by one. The connection is
/// open if the response passes; otherwise send no frame. RFC 6455 section 4.1.
///
/// ```
/// use sockeye::websocket::handshake::{ClientRequest, HttpVersion, check_response, client_key};
///
/// let request = ClientRequest::new("server.example.com", "/chat")?.protocol("chat")?;
/// let key = client_key(*b"the sample nonce"); // sixteen random bytes
/// assert_eq!(request.headers(&key).count(), 6);
///
/// let headers = [
///     ("upgrade", "websocket"),
///     ("connection", "Upgrade"),
///     ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
///     ("sec-websocket-protocol", "chat"),
/// ];
/// let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
/// let agreement = check_response(&request, &key, HttpVersion::Http11, 101, headers);
/// assert_eq!(agreement.unwrap().protocol(), Some("chat"));
/// # Ok::<_, sockeye::websocket::handshake::RequestError>(())
/// ```
///
/// # Errors
///
/// The first rule that the response breaks; [`ResponseViolation::Status`] if it
/// is none that switches protocols.
pub fn check_response<'h>(
    request: &ClientRequest,
    key: &[u8; 24],
    version: HttpVersion,
    status: u16,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
) -> Result<Agreement<'h>, ResponseViolation> {
    match (version, status) {
        (HttpVersion::Http11, 101) => {}
        (HttpVersion::Http10, 101) => return Err(ResponseViolation::Http10),
        (HttpVersion::Other, _) => return Err(HeadError::UnsupportedVersion.into()),
        _ => return Err(ResponseViolation::Status),
    }
    check(headers, &accept_key(key), |name| request.offers(name))
}

/// What a server agreed to with its 101.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement<'h> {
    protocol: Option<&'h str>,
}

impl<'h> Agreement<'h> {
    /// The subprotocol that the server chose among those that were offered.
    pub const fn protocol(&self) -> Option<&'h str> {
        self.protocol
    }
}

/// Judges the fields of a 101, RFC 6455 section 4.1: the second half, steps 2
/// to 6.
pub(super) fn check<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    accept: &[u8; 28],
    is_offered: impl Fn(&str) -> bool,
) -> Result<Agreement<'h>, ResponseViolation> {
    let mut seen = Seen::default();
    for (name, value) in headers {
        seen.take(name, value);
    }
    seen.judge(accept, is_offered)
}

/// What one pass over the header fields has found.
#[derive(Default)]
struct Seen<'h> {
    accept: Single<'h>,
    protocol: Single<'h>,
    upgrade: Single<'h>,
    connection: bool,
    content: bool,
    extension: bool,
}

impl<'h> Seen<'h> {
    fn take(&mut self, name: &str, value: &'h [u8]) {
        let value = header::trim(value);
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            7 if is("upgrade") => header::elements(value).for_each(|it| self.upgrade.put(it)),
            10 if is("connection") => self.connection |= header::has_token(value, "upgrade"),
            14 if is("content-length") => self.content |= !is_zero(value),
            17 if is("transfer-encoding") => self.content = true,
            20 if is("sec-websocket-accept") => self.accept.put(value),
            22 if is("sec-websocket-protocol") => self.protocol.put(value),
            // None is offered, so any is too many, and so is what is none.
            24 if is("sec-websocket-extensions") => {
                self.extension |= Extensions::new(value).next().is_some();
            }
            _ => {}
        }
    }

    fn judge(
        self,
        accept: &[u8; 28],
        is_offered: impl Fn(&str) -> bool,
    ) -> Result<Agreement<'h>, ResponseViolation> {
        match self.upgrade {
            Single::Once(value) if value.eq_ignore_ascii_case(b"websocket") => {}
            _ => return Err(ResponseViolation::Upgrade),
        }
        if !self.connection {
            return Err(ResponseViolation::Connection);
        }
        match self.accept {
            Single::Once(value) if value == accept => {}
            Single::Once(_) => return Err(ResponseViolation::Accept),
            _ => return Err(ResponseViolation::AcceptCount),
        }
        if self.extension {
            return Err(ResponseViolation::Extension);
        }
        let protocol = match self.protocol {
            Single::Missing => None,
            Single::Repeated => return Err(ResponseViolation::ProtocolRepeated),
            Single::Once(value) => match core::str::from_utf8(value) {
                Ok(name) if is_offered(name) => Some(name),
                _ => return Err(ResponseViolation::Protocol),
            },
        };
        if self.content {
            return Err(ResponseViolation::Content);
        }
        Ok(Agreement { protocol })
    }
}
