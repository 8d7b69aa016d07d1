//! The client's request, as the server's application sees it.

use alloc::string::String;
use core::fmt;

use super::check::check_target;
use super::{Refusal, Response, ServerOptions, Upgrade};
use crate::http::head::Head;
use crate::http::{Authority, Fields, header};
use crate::websocket::extension::header::{Extension, Extensions};

/// An upgrade request, kept as it was received.
#[derive(Clone)]
pub struct Request {
    head: Head,
}

impl Request {
    pub(super) const fn new(head: Head) -> Self {
        Self { head }
    }

    /// Judges the request. One that a handshake has received is valid by the
    /// options of that; one that was made of what another library has parsed has
    /// yet to be judged, by its size as well.
    ///
    /// # Errors
    ///
    /// The first rule that the request breaks.
    pub fn check(&self, options: &ServerOptions) -> Result<Upgrade<'_>, Refusal> {
        self.head.check_size(options.limits.head())?;
        self.judge(options)
    }

    /// As [`check`](Self::check), for a head that was read within the limits.
    pub(super) fn judge(&self, options: &ServerOptions) -> Result<Upgrade<'_>, Refusal> {
        let (method, version) = (self.head.method(), self.head.version());
        let target = Target::parse(self.head.target());
        check_target(options, method, version, target, self.head.fields())
    }

    /// The request target as sent: a path with perhaps a query, not decoded,
    /// or a whole URI.
    pub fn target(&self) -> &str {
        self.head.target()
    }

    /// The path, not decoded. It begins with `/`.
    pub fn path(&self) -> &str {
        let (path, _) = self.path_and_query();
        path
    }

    /// What follows the first `?` of the target, not decoded.
    pub fn query(&self) -> Option<&str> {
        let (_, query) = self.path_and_query();
        query
    }

    fn path_and_query(&self) -> (&str, Option<&str>) {
        let target = Target::parse(self.head.target());
        // One that is malformed is refused.
        target.map_or(("/", None), |target| target.path_and_query())
    }

    /// The host that the client means, with a port if it named one: the value
    /// of `Host`, or the authority of a target that is a whole URI
    /// (RFC 9112 section 3.2.2).
    pub fn host(&self) -> &str {
        let authority = Target::parse(self.head.target())
            .ok()
            .and_then(|it| it.authority);
        authority.or_else(|| self.text("host")).unwrap_or_default()
    }

    /// The page that connects, if the client is a browser.
    pub fn origin(&self) -> Option<&str> {
        self.text("origin")
    }

    /// The subprotocols that the client offers, the one it likes best first.
    /// Only the first 64 are looked at.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        let values = self.headers().named("sec-websocket-protocol");
        let names = values.flat_map(header::elements).take(MAX_PROTOCOLS);
        names.filter_map(|name| core::str::from_utf8(name).ok())
    }

    /// The first of `supported` that the client offers, to be passed to
    /// [`Response::protocol`](super::Response::protocol).
    pub fn select_protocol<'p>(&self, supported: &[&'p str]) -> Option<&'p str> {
        let is_offered = |name: &&str| self.protocols().any(|offered| offered == *name);
        supported.iter().copied().find(is_offered)
    }

    /// The extensions that the client offers, in order of preference. Only the
    /// first 16 are looked at.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        let values = self.headers().named("sec-websocket-extensions");
        // All of them have been found well-formed.
        values
            .flat_map(Extensions::new)
            .filter_map(Result::ok)
            .take(MAX_EXTENSIONS)
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

    pub(super) fn method(&self) -> &str {
        self.head.method()
    }

    fn text(&self, name: &str) -> Option<&str> {
        core::str::from_utf8(self.header(name)?).ok()
    }
}

impl fmt::Debug for Request {
    /// Names the target only: header fields hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}

/// A handshake that the server has accepted: what to know of it on the open
/// connection.
#[derive(Clone, Debug)]
pub struct Accepted {
    request: Request,
    protocol: Option<String>,
}

impl Accepted {
    /// The handshake in which `response` was the answer to `request`.
    pub fn new(mut request: Request, response: &Response) -> Self {
        request.head.shrink();
        let protocol = response.selected_protocol().map(String::from);
        Self { request, protocol }
    }

    /// The request.
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The subprotocol that was agreed upon.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

/// A request target in origin-form or absolute-form, RFC 9112 section 3.2.
pub(super) struct Target<'a> {
    /// The authority of the absolute-form.
    pub(super) authority: Option<&'a str>,
    /// Path and query.
    rest: &'a str,
}

impl<'a> Target<'a> {
    pub(super) fn parse(target: &'a str) -> Result<Self, Refusal> {
        if target.starts_with('/') {
            let authority = None;
            return Ok(Self {
                authority,
                rest: target,
            });
        }
        let (scheme, rest) = target.split_once("://").ok_or(Refusal::Target)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).ok_or(Refusal::Target)?;
        Self::absolute(scheme, authority, rest)
    }

    pub(super) fn absolute(
        scheme: &str,
        authority: &'a str,
        rest: &'a str,
    ) -> Result<Self, Refusal> {
        let is_it = |known: &&str| scheme.eq_ignore_ascii_case(known);
        ["http", "https", "ws", "wss"]
            .iter()
            .find(|known| is_it(known))
            .ok_or(Refusal::Target)?;
        Authority::parse(authority).ok_or(Refusal::Target)?;
        let authority = Some(authority);
        Ok(Self { authority, rest })
    }

    /// The path, at least `/`, and what follows the first `?`.
    pub(super) fn path_and_query(&self) -> (&'a str, Option<&'a str>) {
        let (path, query) = match self.rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.rest, None),
        };
        (if path.is_empty() { "/" } else { path }, query)
    }
}

/// How many offered subprotocols are kept.
pub(super) const MAX_PROTOCOLS: usize = 64;

/// How many offered extensions are kept.
pub(super) const MAX_EXTENSIONS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::{Read, Reader};
    use crate::websocket::handshake::Limits;
    use alloc::format;

    fn request(target: &str) -> Request {
        let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        match Reader::request(Limits::default().head()).read(text.as_bytes()) {
            Read::Complete(head, _) => Request::new(head),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn h37_targets_are_taken_apart() {
        for (target, path, query, host) in [
            ("/", "/", None, "h"),
            ("/a%00?b?c", "/a%00", Some("b?c"), "h"),
            ("//x", "//x", None, "h"),
            ("/a?", "/a", Some(""), "h"),
            ("http://other/ws", "/ws", None, "other"),
            ("WSS://other:1", "/", None, "other:1"),
            ("ws://other?q", "/", Some("q"), "other"),
        ] {
            let request = request(target);
            let found = (request.path(), request.query(), request.host());
            assert_eq!(found, (path, query, host), "{target}");
        }
    }

    #[test]
    fn h37_other_targets_are_refused() {
        for target in [
            "*",
            "ws",
            "h:80",
            "ftp://h/",
            "http:///x",
            "http://u@h/",
            "http://h:x/",
        ] {
            assert!(Target::parse(target).is_err(), "{target}");
        }
    }
}
