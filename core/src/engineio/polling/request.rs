//! The order in which a request is judged.
//!
//! What it is for is known in two steps, since only the caller can look up a
//! session: [`Options::read`] judges everything before, [`Known::check`] the rest.

use super::response::Cors;
use super::{Answer, Options, Response};
use crate::Kind;
use crate::engineio::{Fault, Param, Query, Sid, Transport, Version};
use crate::http::fields::Single;
use crate::http::{Authority, Origins, header};

/// A request, and what answers it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What it asks for.
    pub request: Request,
    /// Makes the answer, whatever comes of it.
    pub answer: Answer,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A session, which is for the application to allow.
    Open(Opening),
    /// Something of a session that should be there.
    Session(Known),
    /// A browser asks what a page may do. Answer with this.
    Preflight(Response),
    /// Something else than is to be had.
    Refused(RequestError),
}

/// What a new session begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The version that it speaks for ever.
    pub version: Version,
    /// The transport that it begins with: polling for a GET, a WebSocket for an
    /// upgrade.
    pub transport: Transport,
    /// Whether the client takes binary data as such, or text alone.
    pub takes: Kind,
}

/// A request that names its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    sid: Sid,
    version: Option<Version>,
    transport: Transport,
    carrier: Transport,
    method: Method,
    post: Post,
}

/// What a request is about, of which the session is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A GET waits for packets.
    Poll,
    /// A POST brings some.
    Post(Post),
    /// A WebSocket, as far as Engine.IO knows: it may still not be one.
    Upgrade,
}

/// What the head of a POST says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// Binary if it is `application/octet-stream`, and text if it is anything
    /// else or not said.
    pub kind: Kind,
    /// Its length, where that is said.
    pub len: Option<u64>,
    is_plain: bool,
}

impl Post {
    /// Judges the body before it is read.
    ///
    /// # Errors
    ///
    /// What ends the session.
    pub fn check(&self, version: Version, max_payload: usize) -> Result<(), Fault> {
        if (version, self.kind) == (Version::V4, Kind::Binary) {
            return Err(Fault::ContentType);
        }
        match self.len {
            Some(size) if size > max_payload as u64 => Err(Fault::TooLarge {
                limit: max_payload,
                size,
            }),
            _ => Ok(()),
        }
    }
}

impl Known {
    /// The name that the request gives to its session. If there is none of that
    /// name, the answer is [`RequestError::Session`].
    pub const fn sid(&self) -> &Sid {
        &self.sid
    }

    /// What the request is about, given the version that its session speaks.
    ///
    /// # Errors
    ///
    /// What is wrong with the request. It does no harm to the session.
    pub fn check(&self, version: Version) -> Result<Asks, RequestError> {
        fits(self.transport, self.carrier)?;
        if self.version != Some(version) {
            return Err(RequestError::VersionMismatch);
        }
        match (self.method, self.carrier) {
            (Method::Get, Transport::WebSocket) => Ok(Asks::Upgrade),
            (Method::Get, Transport::Polling) => Ok(Asks::Poll),
            (Method::Post, Transport::Polling) if self.post.is_plain => Ok(Asks::Post(self.post)),
            (Method::Post, Transport::Polling) => Err(RequestError::Encoding),
            _ => Err(RequestError::Method),
        }
    }
}

impl Options {
    /// Judges a request for this server's path, by its method, the query of its
    /// URL and its header fields.
    ///
    /// Give all fields, those of the same name one by one, and over HTTP/2 the
    /// authority as `host`.
    pub fn read<'h>(
        &self,
        method: &str,
        query: &str,
        fields: impl Iterator<Item = (&'h str, &'h [u8])>,
    ) -> Exchange {
        let mut head = Head::default();
        fields.for_each(|(name, value)| head.take(name, value));
        let page = head.page(&self.origins);
        let cors = Cors::new(self, page);
        let request = match (Method::parse(method), &self.origins, page) {
            (Method::Options, Origins::Any | Origins::List(_), Page::None | Page::Allowed(_)) => {
                Request::Preflight(cors.preflight(head.asks_for_headers))
            }
            (method, ..) => {
                let judged = self.judge(method, Query::parse(query), &head, page);
                judged.unwrap_or_else(Request::Refused)
            }
        };
        Exchange {
            request,
            answer: Answer::new(cors, head.carrier()),
        }
    }

    fn judge(
        &self,
        method: Method,
        query: Query<'_>,
        head: &Head<'_>,
        page: Page<'_>,
    ) -> Result<Request, RequestError> {
        let is_offered = |transport: &Transport| self.transports.contains(*transport);
        let transport = query.transport.filter(is_offered);
        let transport = transport.ok_or(RequestError::Transport)?;
        match page {
            Page::Malformed => return Err(RequestError::MalformedOrigin),
            Page::Foreign => return Err(RequestError::Origin),
            Page::None | Page::Allowed(_) => {}
        }
        let carrier = head.carrier();
        match query.sid {
            Param::Missing => {}
            Param::Repeated => return Err(RequestError::RepeatedSession),
            Param::Once(sid) => {
                return Ok(Request::Session(Known {
                    sid: Sid::parse(&sid).ok_or(RequestError::Session)?,
                    version: query.version,
                    transport,
                    carrier,
                    method,
                    post: head.post(),
                }));
            }
        }
        if method != Method::Get {
            return Err(RequestError::OpeningMethod);
        }
        fits(transport, carrier)?;
        if query.jsonp.is_some() {
            return Err(RequestError::Jsonp);
        }
        let is_spoken = |version: &Version| self.version_3 || *version == Version::V4;
        let version = query.version.filter(is_spoken);
        Ok(Request::Open(Opening {
            version: version.ok_or(RequestError::Version)?,
            transport,
            takes: match query.base64 {
                true => Kind::Text,
                false => Kind::Binary,
            },
        }))
    }
}

/// A WebSocket comes as an upgrade, and polling never does. To find that out
/// after a 101 would be too late.
fn fits(transport: Transport, carrier: Transport) -> Result<(), RequestError> {
    match transport == carrier {
        true => Ok(()),
        false => Err(RequestError::Carrier),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Options,
    Other,
}

impl Method {
    fn parse(method: &str) -> Self {
        match method {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}

/// The page that a request comes from.
#[derive(Clone, Copy)]
pub(super) enum Page<'h> {
    /// None that is named.
    None,
    Allowed(&'h [u8]),
    Foreign,
    /// More than one, or with bytes that no field value has.
    Malformed,
}

/// What one pass over the header fields has found.
#[derive(Default)]
struct Head<'h> {
    host: Single<'h>,
    origin: Single<'h>,
    content_type: Option<&'h [u8]>,
    content_length: Option<&'h [u8]>,
    asks_for_headers: Option<&'h [u8]>,
    is_upgrade: bool,
    is_encoded: bool,
}

impl<'h> Head<'h> {
    fn take(&mut self, name: &str, value: &'h [u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("host") {
            self.host.put(value);
        } else if is("origin") {
            self.origin.put(value);
        } else if is("content-type") {
            self.content_type = Some(value);
        } else if is("content-length") {
            self.content_length = Some(value);
        } else if is("access-control-request-headers") {
            self.asks_for_headers = Some(value);
        } else if is("upgrade") {
            self.is_upgrade |= header::has_token(value, "websocket");
        } else if is("content-encoding") {
            let is_coding = |coding: &[u8]| !coding.eq_ignore_ascii_case(b"identity");
            self.is_encoded |= header::elements(value).any(is_coding);
        }
    }

    const fn carrier(&self) -> Transport {
        match self.is_upgrade {
            true => Transport::WebSocket,
            false => Transport::Polling,
        }
    }

    fn page(&self, origins: &Origins) -> Page<'h> {
        let origin = match self.origin {
            Single::Missing => return Page::None,
            Single::Once(origin) => origin,
            Single::Repeated => return Page::Malformed,
        };
        if !origin.iter().all(|&byte| header::is_value_byte(byte)) {
            return Page::Malformed;
        }
        let host = match self.host {
            Single::Once(host) => core::str::from_utf8(host).ok().and_then(Authority::parse),
            _ => None,
        };
        let is_allowed = match (origins, host) {
            (Origins::SameHost, None) => false,
            (origins, host) => origins.allow(origin, &host.unwrap_or(NOWHERE)),
        };
        match is_allowed {
            true => Page::Allowed(origin),
            false => Page::Foreign,
        }
    }

    fn post(&self) -> Post {
        Post {
            kind: body_kind(self.content_type.unwrap_or_default()),
            len: self.content_length.and_then(length),
            is_plain: !self.is_encoded,
        }
    }
}

/// What a body holds whose `Content-Type` is this: binary if it is
/// `application/octet-stream`, and text if it is anything else.
pub fn body_kind(content_type: &[u8]) -> Kind {
    let media_type = content_type.split(|&byte| byte == b';').next();
    let media_type = header::trim(media_type.unwrap_or_default());
    match media_type.eq_ignore_ascii_case(b"application/octet-stream") {
        true => Kind::Binary,
        false => Kind::Text,
    }
}

/// A length in decimal; one that is too large for a number is too large for any
/// limit.
fn length(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = core::str::from_utf8(digits).ok()?.parse();
    is_number.then(|| number.unwrap_or(u64::MAX))
}

/// Stands for a host that is not compared.
const NOWHERE: Authority<'_> = Authority {
    host: "",
    port: None,
};

/// The rule that a request breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The transport is missing, repeated, unknown, or not offered.
    #[error("transport unknown")]
    Transport,
    /// There is no session of this name, or it has ended.
    #[error("session unknown")]
    Session,
    /// Something else than a GET without a session.
    #[error("a session is opened by GET alone")]
    OpeningMethod,
    /// `Origin` is there twice, or holds a control character.
    #[error("origin is malformed")]
    MalformedOrigin,
    /// Two names of a session.
    #[error("request names two sessions")]
    RepeatedSession,
    /// A WebSocket without an upgrade, or an upgrade to polling.
    #[error("transport does not fit the request")]
    Carrier,
    /// A client wants scripts for answers, which would let any page read them.
    #[error("no scripts are to be had")]
    Jsonp,
    /// Another version than that of the session, or none.
    #[error("session speaks another version")]
    VersionMismatch,
    /// The page may not talk to this server.
    #[error("page is not allowed")]
    Origin,
    /// The version is missing, repeated, unknown, or not spoken.
    #[error("unsupported version")]
    Version,
    /// A method that no session has a use for.
    #[error("method is neither GET nor POST")]
    Method,
    /// A body that is compressed, and would have to be inflated.
    #[error("body is encoded")]
    Encoding,
}

impl RequestError {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Origin => 403,
            Self::Method => 405,
            Self::Encoding => 415,
            _ => 400,
        }
    }

    /// The code in the body of the answer; none means that the body is empty.
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::Transport => Some(0),
            Self::Session => Some(1),
            Self::OpeningMethod => Some(2),
            Self::MalformedOrigin
            | Self::RepeatedSession
            | Self::Carrier
            | Self::Jsonp
            | Self::VersionMismatch => Some(3),
            Self::Origin => Some(4),
            Self::Version => Some(5),
            Self::Method | Self::Encoding => None,
        }
    }
}
