//! The server's response, as the client's application sees it, and the rules
//! for the one that opens a connection.

use alloc::vec::Vec;
use core::fmt;

use super::ResponseViolation;
use super::check::is_zero;
use super::client_request::offers;
use crate::http::fields::Single;
use crate::http::head::Head;
use crate::http::{Fields, header};

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

/// Judges a 101, RFC 6455 section 4.1: the second half, steps 2 to 6.
pub(super) fn check(
    head: &Head,
    accept: &[u8; 28],
    protocols: &str,
) -> Result<(), ResponseViolation> {
    let mut seen = Seen::default();
    for (name, value) in head.fields() {
        seen.take(name, value);
    }
    seen.judge(accept, protocols)
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
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            7 if is("upgrade") => header::elements(value).for_each(|it| self.upgrade.put(it)),
            10 if is("connection") => self.connection |= header::has_token(value, "upgrade"),
            14 if is("content-length") => self.content |= !is_zero(value),
            17 if is("transfer-encoding") => self.content = true,
            20 if is("sec-websocket-accept") => self.accept.put(value),
            22 if is("sec-websocket-protocol") => self.protocol.put(value),
            // None is offered, so whatever the server says here is too much.
            24 if is("sec-websocket-extensions") => self.extension = true,
            _ => {}
        }
    }

    fn judge(self, accept: &[u8; 28], protocols: &str) -> Result<(), ResponseViolation> {
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
        match self.protocol {
            Single::Missing => {}
            Single::Repeated => return Err(ResponseViolation::ProtocolRepeated),
            Single::Once(value) => match core::str::from_utf8(value) {
                Ok(name) if !name.is_empty() && offers(protocols, name) => {}
                _ => return Err(ResponseViolation::Protocol),
            },
        }
        if self.content {
            return Err(ResponseViolation::Content);
        }
        Ok(())
    }
}
