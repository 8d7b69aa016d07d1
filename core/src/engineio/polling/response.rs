//! Every status and header field that is sent.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::request::Page;
use super::{Options, RequestError};
use crate::engineio::json::{Json, push_string};
use crate::engineio::{Payload, Reason, Refusal, Sid, Transport};
use crate::http::Origins;
use crate::http::header::{elements, is_token};
use crate::http::write::decimal;

/// A response, for an HTTP library to send.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The header fields, whose values cannot end their line.
    pub fields: Vec<(&'static str, Cow<'static, [u8]>)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first field called `name`, in any mixture of cases.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        let field = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.map(|(_, value)| &**value)
    }

    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into().0));
        self
    }
}

impl fmt::Debug for Response {
    /// Leaves out values and content, which have names of sessions in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.fields.iter().map(|(name, _)| name);
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("fields", &names.collect::<Vec<_>>())
            .field("body", &self.body.len())
            .finish()
    }
}

/// Makes the response to one request. Keep it for as long as the request waits.
#[derive(Clone, Debug)]
pub struct Answer {
    cors: Cors,
    /// An upgrade is refused in another way than it would be over polling.
    carrier: Transport,
}

impl Answer {
    pub(super) const fn new(cors: Cors, carrier: Transport) -> Self {
        Self { cors, carrier }
    }

    /// The answer to a GET that opened a session, with what the session has to
    /// say first.
    pub fn opened(&self, options: &Options, sid: &Sid, payload: Payload) -> Response {
        let response = self.polled(payload);
        match &options.cookie {
            Some(cookie) => response.with("Set-Cookie", cookie.value(sid)),
            None => response,
        }
    }

    /// The answer to a GET.
    pub fn polled(&self, payload: Payload) -> Response {
        let response = self.response(200, payload.content_type(), payload.into_body());
        response.with("Cache-Control", "no-store")
    }

    /// The answer to a POST, once its packets were handled; with the end of the
    /// session, if they brought it about.
    pub fn posted(&self, end: Option<Reason>) -> Response {
        match end.map_or(200, Reason::status) {
            200 => {
                let response = self.response(200, "text/html", "ok".into());
                response.with("Cache-Control", "no-store")
            }
            status => self.empty(status),
        }
    }

    /// The answer to a request that its session did not take.
    pub fn refused(&self, refusal: Refusal) -> Response {
        self.failed(400, refusal.code())
    }

    /// The answer to a request that broke a rule.
    pub fn error(&self, error: RequestError) -> Response {
        let response = self.failed(error.status(), error.code());
        match error {
            // RFC 9110 section 15.5.6: "The origin server MUST generate an Allow
            // header field in a 405 response".
            RequestError::Method => response.with("Allow", "GET, POST, OPTIONS"),
            _ => response,
        }
    }

    /// The answer to a request that the application does not allow, in its words.
    pub fn forbidden(&self, message: &str) -> Response {
        self.coded(403, 4, message)
    }

    /// The answer while there is no room for another session.
    pub fn unavailable(&self, retry_after: Duration) -> Response {
        let seconds = format!("{}", retry_after.as_secs());
        self.empty(503).with("Retry-After", seconds)
    }

    /// An answer that has nothing but a status.
    pub fn empty(&self, status: u16) -> Response {
        let response = self.cors.response(status, Vec::new());
        response.with("Content-Length", "0")
    }

    fn failed(&self, status: u16, code: Option<u8>) -> Response {
        match code {
            Some(code) => self.coded(status, code, message(code)),
            None => self.empty(status),
        }
    }

    fn coded(&self, status: u16, code: u8, message: &str) -> Response {
        if self.carrier == Transport::WebSocket {
            // Whoever asked for another protocol gets the text alone, and no
            // other status.
            let response = self.response(400, "text/html", message.into());
            return response.with("Connection", "close");
        }
        let mut body = format!("{{\"code\":{code},\"message\":");
        push_string(&mut body, message);
        body.push('}');
        self.response(status, "application/json", body.into())
    }

    fn response(&self, status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
        let mut len = Vec::new();
        decimal(&mut len, body.len());
        let response = self.cors.response(status, body);
        let response = response.with("Content-Type", content_type);
        response.with("Content-Length", len)
    }
}

/// The code in the body of an answer that is no success, if it has one: 1 says that
/// the session is unknown.
pub fn error_code(body: &[u8]) -> Option<u8> {
    let mut json = Json::new(core::str::from_utf8(body).ok()?);
    json.expect("{").ok()?;
    loop {
        match &*json.name().ok()? {
            "code" => return json.number().ok()?.parse().ok(),
            _ => json.skip().ok()?,
        }
        json.expect(",").ok()?;
    }
}

/// What the page may see of a response: the headers of the Fetch standard, "CORS
/// protocol".
#[derive(Clone, Debug)]
pub(super) enum Cors {
    /// Nothing, unless it is of the same host.
    Off,
    /// All of it, from anywhere.
    Any,
    /// All of it, if it is this page that asked; caches must not give the
    /// response to others.
    Listed {
        origin: Option<Vec<u8>>,
        credentials: bool,
    },
}

impl Cors {
    pub(super) fn new(options: &Options, page: Page<'_>) -> Self {
        match &options.origins {
            Origins::SameHost => Self::Off,
            Origins::Any => Self::Any,
            Origins::List(_) => Self::Listed {
                origin: match page {
                    Page::Allowed(origin) => Some(origin.into()),
                    _ => None,
                },
                credentials: options.credentials,
            },
        }
    }

    /// The answer to a page that asks what it may do, and with which fields.
    pub(super) fn preflight(&self, fields: Option<&[u8]>) -> Response {
        // RFC 9110 section 8.6: "A server MUST NOT send a Content-Length header
        // field in any response with a status code of [...] 204".
        let response = self.response(204, Vec::new());
        let response = response.with("Access-Control-Allow-Methods", METHODS);
        let response = response.with("Vary", "Access-Control-Request-Headers");
        match fields {
            Some(fields) if elements(fields).all(is_token) => {
                response.with("Access-Control-Allow-Headers", Vec::from(fields))
            }
            _ => response,
        }
    }

    fn response(&self, status: u16, body: Vec<u8>) -> Response {
        let response = Response {
            status,
            fields: Vec::new(),
            body,
        };
        match self {
            Self::Off => response,
            Self::Any => response.with(ALLOW_ORIGIN, "*"),
            Self::Listed {
                origin: Some(origin),
                credentials,
            } => {
                let response = response.with(ALLOW_ORIGIN, origin.clone());
                let response = response.with("Vary", "Origin");
                match credentials {
                    true => response.with("Access-Control-Allow-Credentials", "true"),
                    false => response,
                }
            }
            Self::Listed { origin: None, .. } => response.with("Vary", "Origin"),
        }
    }
}

/// A value of a header field that is fit to be sent.
struct Value(Cow<'static, [u8]>);

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }
}

/// What clients are told with each code.
const fn message(code: u8) -> &'static str {
    match code {
        0 => "Transport unknown",
        1 => "Session ID unknown",
        2 => "Bad handshake method",
        4 => "Forbidden",
        5 => "Unsupported protocol version",
        _ => "Bad request",
    }
}

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
/// As clients have it from other servers; what is not used here is answered 405.
const METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_is_found() {
        for (body, code) in [
            (r#"{"code":1,"message":"Session ID unknown"}"#, Some(1)),
            (r#" { "message" : "{\"code\":2}", "code" : 3 } "#, Some(3)),
            (r#"{"code":256}"#, None),
            (r#"{"code":"1"}"#, None),
            (r#"{"message":"none"}"#, None),
            (r#""Invalid session""#, None),
            ("{", None),
            ("", None),
            ("<html>", None),
        ] {
            assert_eq!(error_code(body.as_bytes()), code, "{body}");
        }
        assert_eq!(error_code(b"\xff"), None);
    }
}
