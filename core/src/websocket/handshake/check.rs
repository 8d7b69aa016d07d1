//! The rules for an upgrade request, each in one place: for bytes that the
//! server handshake has read, and for headers that an HTTP library has parsed.

use alloc::vec::Vec;

use super::key::{accept_key, is_key};
use super::request::{MAX_EXTENSIONS, MAX_PROTOCOLS, Target};
use super::{Refusal, Response, ResponseError, ServerOptions};
use crate::http::fields::Single;
use crate::http::{Authority, HeadError, HttpVersion, header};
use crate::websocket::extension::header::{Extension, Extensions, Malformed};

/// Judges an upgrade request whose head has been parsed elsewhere.
///
/// Give all header fields, those of the same name one by one. Then answer with
/// 101 and [`Upgrade::response_headers`], or with the status, the headers and
/// the body of the [`Refusal`]. RFC 6455 section 4.2.1.
///
/// ```
/// use sockeye::websocket::handshake::{HttpVersion, Origins, Response, ServerOptions, check_request};
///
/// let headers = [
///     ("host", "server.example.com"),
///     ("upgrade", "websocket"),
///     ("connection", "Upgrade"),
///     ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
///     ("sec-websocket-version", "13"),
/// ];
/// let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
/// let options = ServerOptions::new(Origins::SameHost);
/// let upgrade = check_request(&options, "GET", HttpVersion::Http11, headers)?;
/// assert_eq!(&upgrade.accept(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// # Ok::<_, sockeye::websocket::handshake::Refusal>(())
/// ```
///
/// # Errors
///
/// The first rule that the request breaks.
pub fn check_request<'h>(
    options: &ServerOptions,
    method: &str,
    version: HttpVersion,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
) -> Result<Upgrade<'h>, Refusal> {
    let line = Line {
        method,
        version,
        authority: None,
        path: None,
    };
    check(options, line, headers)
}

/// What the request line says, as far as it counts.
struct Line<'a> {
    method: &'a str,
    version: HttpVersion,
    /// That of a target in absolute-form, which counts instead of `Host`
    /// (RFC 9112 section 3.2.2).
    authority: Option<&'a str>,
    /// The path, where it is known.
    path: Option<&'a str>,
}

/// As [`check_request`].
fn check<'h>(
    options: &ServerOptions,
    line: Line<'_>,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
) -> Result<Upgrade<'h>, Refusal> {
    match (line.method, line.version) {
        ("GET", HttpVersion::Http11) => {}
        (_, HttpVersion::Other) => return Err(Refusal::Head(HeadError::UnsupportedVersion)),
        ("GET", HttpVersion::Http10) => return Err(Refusal::Http10),
        _ => return Err(Refusal::Method),
    }
    let mut seen = Seen::default();
    for (name, value) in headers {
        seen.take(name, value);
    }
    seen.judge(options, &line)
}

/// As [`check_request`], where the target counts.
pub(super) fn check_target<'h>(
    options: &ServerOptions,
    method: &str,
    version: HttpVersion,
    target: Result<Target<'_>, Refusal>,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
) -> Result<Upgrade<'h>, Refusal> {
    // A method with targets of its own, such as CONNECT, is refused as such.
    let known = target.as_ref().ok();
    let line = Line {
        method,
        version,
        authority: known.and_then(|target| target.authority),
        path: known.map(|target| target.path_and_query().0),
    };
    let upgrade = check(options, line, headers)?;
    target.map(|_| upgrade)
}

/// What to answer a valid upgrade request with.
#[derive(Clone, Debug)]
pub struct Upgrade<'h> {
    accept: [u8; 28],
    protocols: Vec<&'h str>,
    extensions: Vec<Extension<'h>>,
    expects_continue: bool,
}

impl<'h> Upgrade<'h> {
    /// The value of `Sec-WebSocket-Accept`.
    pub const fn accept(&self) -> [u8; 28] {
        self.accept
    }

    /// The subprotocols that the client offers, the one it likes best first;
    /// at most 64.
    pub fn protocols(&self) -> &[&'h str] {
        &self.protocols
    }

    /// The first of `supported` that the client offers, to be passed to
    /// [`Response::protocol`].
    pub fn select_protocol<'p>(&self, supported: &[&'p str]) -> Option<&'p str> {
        supported
            .iter()
            .copied()
            .find(|name| self.protocols.contains(name))
    }

    /// The extensions that the client offers, in order of preference; at most
    /// 16.
    pub fn extensions(&self) -> &[Extension<'h>] {
        &self.extensions
    }

    /// Whether the client wants to see a `100 Continue` before the 101.
    ///
    /// RFC 9110 section 7.8: a server that gets both `Upgrade` and such an
    /// `Expect` "MUST send a 100 (Continue) response before sending a 101".
    pub const fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// The header fields of the 101 that accepts the request with `response`.
    ///
    /// # Errors
    ///
    /// If the response names a subprotocol that was not offered, or holds a
    /// field that cannot be sent.
    pub fn response_headers<'r>(
        &'r self,
        response: &'r Response,
    ) -> Result<impl Iterator<Item = (&'r str, &'r [u8])>, ResponseError> {
        let protocol = response.checked_protocol(|name| self.protocols.contains(&name))?;
        let protocol = protocol.map(|name| ("Sec-WebSocket-Protocol", name.as_bytes()));
        let own: [(&str, &[u8]); 3] = [
            ("Upgrade", b"websocket"),
            ("Connection", b"Upgrade"),
            ("Sec-WebSocket-Accept", &self.accept),
        ];
        Ok(own.into_iter().chain(protocol).chain(response.fields()))
    }
}

/// What one pass over the header fields has found.
#[derive(Default)]
struct Seen<'h> {
    host: Single<'h>,
    key: Single<'h>,
    version: Single<'h>,
    origin: Single<'h>,
    upgrade: bool,
    connection: bool,
    content: bool,
    expects_continue: bool,
    malformed: Option<Refusal>,
    extensions: Vec<Extension<'h>>,
    protocols: Vec<&'h str>,
}

impl<'h> Seen<'h> {
    fn take(&mut self, name: &str, value: &'h [u8]) {
        let value = header::trim(value);
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // The length is the cheapest thing that tells most names apart.
        match name.len() {
            4 if is("host") => self.host.put(value),
            6 if is("origin") => self.origin.put(value),
            6 if is("expect") => self.expects_continue |= header::has_token(value, "100-continue"),
            7 if is("upgrade") => self.upgrade |= header::has_token(value, "websocket"),
            10 if is("connection") => self.connection |= header::has_token(value, "upgrade"),
            14 if is("content-length") => self.content |= !is_zero(value),
            17 if is("sec-websocket-key") => self.key.put(value),
            17 if is("transfer-encoding") => self.content = true,
            21 if is("sec-websocket-version") => self.version.put(value),
            22 if is("sec-websocket-protocol") => self.take_protocols(value),
            24 if is("sec-websocket-extensions") => self.take_extensions(value),
            _ => {}
        }
    }

    /// RFC 6455 section 4.1: the elements "MUST all be unique strings".
    fn take_protocols(&mut self, value: &'h [u8]) {
        for element in header::elements(value) {
            let name = core::str::from_utf8(element).unwrap_or_default();
            let is_kept = self.protocols.len() < MAX_PROTOCOLS;
            let is_repeated = is_kept && self.protocols.contains(&name);
            if is_repeated || !header::is_token(name.as_bytes()) {
                self.malformed.get_or_insert(Refusal::Protocol);
            } else if is_kept {
                self.protocols.push(name);
            }
        }
    }

    /// Reads all of them, since one that is malformed spoils the request, and
    /// keeps the first few.
    fn take_extensions(&mut self, value: &'h [u8]) {
        for extension in Extensions::new(value) {
            match extension {
                Ok(extension) if self.extensions.len() < MAX_EXTENSIONS => {
                    self.extensions.push(extension);
                }
                Ok(_) => {}
                Err(Malformed) => {
                    self.malformed.get_or_insert(Refusal::Extensions);
                }
            }
        }
    }

    fn judge(self, options: &ServerOptions, line: &Line<'_>) -> Result<Upgrade<'h>, Refusal> {
        if self.content {
            return Err(Refusal::Content);
        }
        let host = self.host(line.authority)?;
        if line.path.is_some_and(|path| !options.serves(path)) {
            return Err(Refusal::NotFound);
        }
        if !self.upgrade {
            return Err(Refusal::NoUpgrade);
        }
        if !self.connection {
            return Err(Refusal::NoConnectionUpgrade);
        }
        match self.version {
            Single::Once(b"13") => {}
            Single::Repeated => return Err(Refusal::VersionRepeated),
            _ => return Err(Refusal::Version),
        }
        let Single::Once(key) = self.key else {
            return Err(Refusal::KeyCount);
        };
        if !is_key(key) {
            return Err(Refusal::Key);
        }
        if let Some(refusal) = self.malformed {
            return Err(refusal);
        }
        check_origin(options, self.origin, &host)?;
        Ok(Upgrade {
            accept: accept_key(key),
            protocols: self.protocols,
            extensions: self.extensions,
            expects_continue: self.expects_continue,
        })
    }

    /// RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request)
    /// status code to any HTTP/1.1 request message that lacks a Host header
    /// field and to any request message that contains more than one Host
    /// header field line or a Host header field with an invalid field value."
    fn host<'a>(&self, authority: Option<&'a str>) -> Result<Authority<'a>, Refusal>
    where
        'h: 'a,
    {
        let Single::Once(host) = self.host else {
            return Err(Refusal::HostCount);
        };
        let host = core::str::from_utf8(host).ok().and_then(Authority::parse);
        let host = host.ok_or(Refusal::Host)?;
        match authority {
            Some(authority) => Authority::parse(authority).ok_or(Refusal::Target),
            None => Ok(host),
        }
    }
}

fn check_origin(
    options: &ServerOptions,
    origin: Single<'_>,
    host: &Authority<'_>,
) -> Result<(), Refusal> {
    match origin {
        Single::Repeated => Err(Refusal::OriginRepeated),
        Single::Missing if options.require_origin => Err(Refusal::OriginMissing),
        Single::Once(origin) if !options.origins.allow(origin, host) => Err(Refusal::Origin),
        Single::Missing | Single::Once(_) => Ok(()),
    }
}

/// Whether a `Content-Length` says that there is no content. Several equal
/// values are one (RFC 9112 section 6.3); the other ways to write zero occur
/// in no honest request.
pub(super) fn is_zero(value: &[u8]) -> bool {
    let mut elements = header::elements(value).peekable();
    elements.peek().is_some() && elements.all(|element| element == b"0")
}
