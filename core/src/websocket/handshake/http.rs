//! The handshake in types of the `http` crate, for hyper and what is built on
//! it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ::http::header::{HeaderName, HeaderValue, UPGRADE};
use ::http::{HeaderMap, Method, StatusCode, Uri, Version, request};

use super::check::check_target;
use super::request::Target;
use super::{
    Agreement, ClientRequest, HttpVersion, Refusal, Rejection, Request, RequestError, Response,
    ResponseError, ResponseHead, ResponseViolation, ServerOptions, Upgrade, check_response,
};
use crate::http::head::Head;
use crate::http::header;

/// What counts of a request that hyper or another library has parsed: a
/// `&http::Request<B>` and a `&http::request::Parts` turn into it, and so does
/// what else is at hand.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "they are called what they are")]
pub struct HttpHead<'h> {
    pub method: &'h Method,
    pub uri: &'h Uri,
    pub version: Version,
    pub headers: &'h HeaderMap,
}

impl<'h, B> From<&'h ::http::Request<B>> for HttpHead<'h> {
    fn from(request: &'h ::http::Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
        }
    }
}

impl<'h> From<&'h request::Parts> for HttpHead<'h> {
    fn from(parts: &'h request::Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
        }
    }
}

/// As [`check_request`](super::check_request), for a request that hyper or
/// another library has parsed. A host in its URI counts instead of `Host`. How
/// large it may be was for that library to say; nothing of it is copied, and
/// [`Request::from_http`] is for keeping it.
///
/// ```
/// use sockeye::websocket::handshake::{Origins, Response, ServerOptions, check_http};
///
/// let request = http::Request::get("/chat")
///     .header("Host", "server.example.com")
///     .header("Upgrade", "websocket")
///     .header("Connection", "Upgrade")
///     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .header("Sec-WebSocket-Version", "13")
///     .body(())?;
///
/// let options = ServerOptions::new(Origins::SameHost);
/// let answer = match check_http(&options, &request) {
///     Ok(upgrade) => upgrade.to_http(&Response::new())?.map(|()| String::new()),
///     Err(refusal) => refusal.to_http(),
/// };
/// assert_eq!(answer.status(), 101);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The first rule that the request breaks; answer with [`Refusal::to_http`].
pub fn check_http<'h>(
    options: &ServerOptions,
    request: impl Into<HttpHead<'h>>,
) -> Result<Upgrade<'h>, Refusal> {
    let head = request.into();
    let rest = head.uri.path_and_query().map_or("", |rest| rest.as_str());
    let target = match (head.uri.scheme_str(), head.uri.authority()) {
        (Some(scheme), Some(authority)) => Target::absolute(scheme, authority.as_str(), rest),
        (None, None) => Target::parse(rest),
        _ => Err(Refusal::Target),
    };
    let (method, version) = (head.method.as_str(), head.version.into());
    check_target(options, method, version, target, fields(head.headers))
}

/// Whether a request asks for an upgrade to WebSocket, well or badly: what a
/// server goes by that has pages at the same path, or an API. [`check_http`] then
/// judges those that do.
///
/// ```
/// use sockeye::websocket::handshake::asks_for_websocket;
///
/// let request = http::Request::post("/api").header("Upgrade", "h2c").body(())?;
/// assert!(!asks_for_websocket(request.headers()));
/// # Ok::<_, http::Error>(())
/// ```
pub fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(UPGRADE).iter();
    values.any(|value| header::has_token(value.as_bytes(), "websocket"))
}

impl Request {
    /// Keeps the head of a request that hyper or another library has parsed, to
    /// be judged by [`check`](Self::check). The names of its fields are in lower
    /// case.
    ///
    /// ```
    /// use sockeye::websocket::handshake::{Accepted, Origins, Request, Response, ServerOptions};
    ///
    /// # let request = http::Request::get("/chat?room=1")
    /// #     .header("Host", "server.example.com")
    /// #     .header("Upgrade", "websocket")
    /// #     .header("Connection", "Upgrade")
    /// #     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    /// #     .header("Sec-WebSocket-Version", "13")
    /// #     .body(())?;
    /// let request = Request::from_http(&request);
    /// let upgrade = request.check(&ServerOptions::new(Origins::SameHost))?;
    /// let response = Response::new().header("Set-Cookie", "seen=1");
    /// let answer = upgrade.to_http(&response)?;
    /// assert_eq!(answer.headers()["set-cookie"], "seen=1");
    /// let accepted = Accepted::new(request, &response);
    /// assert_eq!(accepted.request().query(), Some("room=1"));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_http<'h>(request: impl Into<HttpHead<'h>>) -> Self {
        let head = request.into();
        let (method, target) = (head.method.as_str(), head.uri.to_string());
        let fields = fields(head.headers);
        Self::new(Head::request(method, &target, head.version.into(), fields))
    }
}

/// As [`check_response`], for a response that hyper or another library has
/// parsed to a request that [`ClientRequest::to_http`] made.
/// [`ResponseHead::from_http`] is for keeping it.
///
/// # Errors
///
/// The first rule that the response breaks; [`ResponseViolation::Status`] if it
/// is none that switches protocols.
pub fn check_http_response<'h, B>(
    request: &ClientRequest,
    key: &[u8; 24],
    response: &'h ::http::Response<B>,
) -> Result<Agreement<'h>, ResponseViolation> {
    let (version, status) = (response.version().into(), response.status().as_u16());
    check_response(request, key, version, status, fields(response.headers()))
}

impl ResponseHead {
    /// Keeps the head of a response that hyper or another library has parsed,
    /// without its body. The names of its fields are in lower case.
    pub fn from_http<B>(response: &::http::Response<B>) -> Self {
        let (version, status) = (response.version().into(), response.status().as_u16());
        let head = Head::response(version, status, fields(response.headers()));
        Self::new(head, (Vec::new(), false))
    }
}

fn fields(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
}

impl From<Version> for HttpVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::HTTP_11 => Self::Http11,
            Version::HTTP_10 => Self::Http10,
            _ => Self::Other,
        }
    }
}

impl ClientRequest {
    /// The request for an HTTP library to send, in origin-form, over HTTP/1.1.
    /// Judge the response with [`check_http_response`].
    ///
    /// ```
    /// use sockeye::websocket::handshake::{ClientRequest, client_key};
    ///
    /// let key = client_key(*b"the sample nonce"); // sixteen random bytes
    /// let request = ClientRequest::new("server.example.com", "/chat")?.to_http(&key)?;
    /// assert_eq!(request.uri(), "/chat");
    /// assert_eq!(request.headers()["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
    /// # Ok::<_, sockeye::websocket::handshake::RequestError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RequestError::Target`] if the target is one that the `http` crate does
    /// not take, such as one of more than 64 KiB.
    pub fn to_http(&self, key: &[u8; 24]) -> Result<::http::Request<()>, RequestError> {
        let mut request = ::http::Request::new(());
        let target = self.target().parse();
        *request.uri_mut() = target.map_err(|_| RequestError::Target)?;
        for (name, value) in self.headers(key) {
            push(request.headers_mut(), name, value);
        }
        Ok(request)
    }
}

impl Upgrade<'_> {
    /// The 101 that accepts the request with `response`. Once it is sent, the
    /// transport carries the connection.
    ///
    /// # Errors
    ///
    /// If the response names a subprotocol that was not offered, or holds a
    /// field that cannot be sent.
    pub fn to_http(&self, response: &Response) -> Result<::http::Response<()>, ResponseError> {
        let mut answer = ::http::Response::new(());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in self.response_headers(response)? {
            push(answer.headers_mut(), name, value);
        }
        Ok(answer)
    }
}

impl Refusal {
    /// The answer to the request, with one line of plain text as its body.
    pub fn to_http(self) -> ::http::Response<String> {
        let mut answer = ::http::Response::new(self.body());
        *answer.status_mut() =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let content_type = ("Content-Type", "text/plain; charset=utf-8");
        for (name, value) in self.headers().chain([content_type]) {
            push(answer.headers_mut(), name, value.as_bytes());
        }
        answer
    }
}

impl Rejection {
    /// The answer to the request.
    ///
    /// # Errors
    ///
    /// If the rejection has a status that refuses nothing or a field that cannot
    /// be sent.
    pub fn to_http(&self) -> Result<::http::Response<String>, ResponseError> {
        let status = self.checked_status()?;
        let (headers, body) = self.headers_and_body();
        let mut answer = ::http::Response::new(body.into());
        *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        for (name, value) in headers {
            push(answer.headers_mut(), name, value);
        }
        Ok(answer)
    }
}

/// Appends a field that has been found well-formed, which both types take.
fn push(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let name = HeaderName::from_bytes(name.as_bytes());
    let value = HeaderValue::from_bytes(value);
    if let (Ok(name), Ok(value)) = (name, value) {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instant;
    use crate::websocket::handshake::{
        Accepted, FieldError, HeadError, Limits, Origins, ServerEvent, ServerHandshake, accept_key,
        client_key,
    };
    use alloc::format;
    use alloc::vec;

    fn request(version: Version) -> request::Parts {
        let request = ::http::Request::builder()
            .uri("/chat")
            .version(version)
            .header("host", "h")
            .header("upgrade", "websocket")
            .header("connection", "keep-alive, Upgrade")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-protocol", "a, b");
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_parsed_request_is_accepted() {
        let options = ServerOptions::new(Origins::Any);
        let request = request(Version::HTTP_11);
        let upgrade = check_http(&options, &request).unwrap();
        assert_eq!(upgrade.select_protocol(&["c", "b", "a"]), Some("b"));
        let response = Response::new().protocol("b").header("Set-Cookie", "c=1");
        let answer = upgrade
            .to_http(&response.header("set-cookie", "d=2"))
            .unwrap();
        assert_eq!(answer.status(), 101);
        let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(answer.headers()["sec-websocket-accept"], accept[..]);
        assert_eq!(answer.headers()["sec-websocket-protocol"], "b");
        assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn a_parsed_request_is_kept() {
        let request = Request::from_http(&request(Version::HTTP_11));
        assert_eq!((request.path(), request.host()), ("/chat", "h"));
        assert_eq!(
            request.header("Connection"),
            Some(&b"keep-alive, Upgrade"[..])
        );
        let names: Vec<&str> = request.headers().map(|(name, _)| name).collect();
        assert_eq!(names[..2], ["host", "upgrade"]);
        assert!(request.protocols().eq(["a", "b"]));
        let accepted = Accepted::new(request, &Response::new().protocol("b"));
        assert_eq!(accepted.protocol(), Some("b"));
        assert_eq!(accepted.request().select_protocol(&["b", "a"]), Some("b"));
    }

    /// Judges a request as it is written, as it is kept, and as it is parsed.
    fn judge(options: &ServerOptions, request: &::http::Request<()>) -> [Option<Refusal>; 3] {
        let mut text = format!(
            "{} {} {:?}\r\n",
            request.method(),
            request.uri(),
            request.version()
        )
        .into_bytes();
        for (name, value) in request.headers() {
            crate::http::write::field(&mut text, name.as_str(), value.as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        let mut handshake = ServerHandshake::new(options.clone(), Instant::ZERO);
        let written = match handshake.handle_input(Instant::ZERO, &mut text).event {
            Some(ServerEvent::Failed(refusal)) => Some(refusal),
            event => {
                assert_eq!(event, Some(ServerEvent::Request));
                None
            }
        };
        let kept = Request::from_http(request).check(options).err();
        [written, kept, check_http(options, request).err()]
    }

    #[test]
    fn h37_targets_are_judged_alike_however_a_request_arrives() {
        let mut options = ServerOptions::new(Origins::SameHost);
        options.paths = vec!["/chat".into()];
        for (method, target, refusal) in [
            ("GET", "/chat?a", None),
            ("GET", "http://other/chat", None),
            ("GET", "WSS://other:1/chat?a?b", None),
            ("GET", "/else", Some(Refusal::NotFound)),
            ("GET", "http://other", Some(Refusal::NotFound)),
            ("GET", "ftp://other/chat", Some(Refusal::Target)),
            ("GET", "http://u@other/chat", Some(Refusal::Target)),
            ("GET", "*", Some(Refusal::Target)),
            ("GET", "h:80", Some(Refusal::Target)),
            ("CONNECT", "h:80", Some(Refusal::Method)),
            ("OPTIONS", "*", Some(Refusal::Method)),
        ] {
            let (mut head, ()) =
                ::http::Request::from_parts(request(Version::HTTP_11), ()).into_parts();
            head.method = method.parse().unwrap();
            head.uri = target.parse().unwrap();
            let request = ::http::Request::from_parts(head, ());
            assert_eq!(judge(&options, &request), [refusal; 3], "{target}");
        }
    }

    #[test]
    fn h03_versions_are_judged_alike_however_a_request_arrives() {
        let options = ServerOptions::new(Origins::Any);
        for version in [
            Version::HTTP_11,
            Version::HTTP_10,
            Version::HTTP_09,
            Version::HTTP_3,
        ] {
            let request = ::http::Request::from_parts(request(version), ());
            let [written, others @ ..] = judge(&options, &request);
            assert_eq!(written.is_none(), version == Version::HTTP_11);
            let status = written.map(Refusal::status);
            // As text, HTTP/3 has no minor version.
            assert_eq!(
                others.map(|it| it.map(Refusal::status)),
                [status; 2],
                "{version:?}"
            );
        }
    }

    #[test]
    fn h19_h21_what_is_kept_is_limited_as_what_is_read() {
        let request = ::http::Request::from_parts(request(Version::HTTP_11), ());
        let mut options = ServerOptions::new(Origins::Any);
        // As it is written above: the least that holds it.
        let section = request.headers().iter();
        let section = section.map(|(name, value)| name.as_str().len() + value.len() + 4);
        options.limits.request_line = "GET /chat HTTP/1.1".len();
        options.limits.head = section.sum::<usize>() + 2;
        options.limits.fields = request.headers().len();
        assert_eq!(judge(&options, &request), [None; 3]);
        let judge = |smaller: fn(&mut Limits)| {
            let mut options = options.clone();
            smaller(&mut options.limits);
            judge(&options, &request)
        };
        for (found, error) in [
            (judge(|it| it.request_line -= 1), HeadError::LineTooLong),
            (judge(|it| it.head -= 1), HeadError::HeadTooLarge),
            (judge(|it| it.fields -= 1), HeadError::TooManyFields),
        ] {
            let refusal = Some(error.into());
            assert_eq!(found, [refusal, refusal, None]);
        }
    }

    #[test]
    fn h40_a_rejection_is_the_same_however_it_is_sent() {
        for rejection in [
            Rejection::new(401)
                .header("WWW-Authenticate", "Bearer")
                .body("who?"),
            Rejection::new(404)
                .header("Content-Type", "text/html")
                .body("<p>"),
            Rejection::new(405),
            Rejection::new(426),
        ] {
            let answer = rejection.to_http().unwrap();
            let written = String::from_utf8(rejection.write().unwrap()).unwrap();
            let (head, body) = written.split_once("\r\n\r\n").unwrap();
            assert_eq!(answer.body(), body);
            assert!(head.starts_with(&format!("HTTP/1.1 {} ", answer.status().as_str())));
            // The library that sends it adds the length.
            let mut lines = 2;
            for (name, value) in answer.headers() {
                let line = format!("\r\n{name}: {}", value.to_str().unwrap());
                assert!(head.to_lowercase().contains(&line.to_lowercase()), "{line}");
                lines += 1;
            }
            assert_eq!(head.lines().count(), lines);
        }
        assert_eq!(
            Rejection::new(200).to_http().unwrap_err(),
            ResponseError::Status
        );
        let injected = Rejection::new(403).header("a", "b\r\nc: d");
        assert_eq!(injected.to_http().unwrap_err(), FieldError::Value.into());
    }

    #[test]
    fn h40_a_subprotocol_that_was_not_offered_is_an_error() {
        let options = ServerOptions::new(Origins::Any);
        let request = request(Version::HTTP_11);
        let upgrade = check_http(&options, &request).unwrap();
        let answer = upgrade.to_http(&Response::new().protocol("c"));
        assert_eq!(answer.unwrap_err(), ResponseError::NotOffered);
    }

    #[test]
    fn h02_h03_h06_a_parsed_request_is_refused() {
        let options = ServerOptions::new(Origins::Any);
        for (version, status) in [(Version::HTTP_10, 400), (Version::HTTP_2, 505)] {
            let refusal = check_http(&options, &request(version)).unwrap_err();
            assert_eq!(refusal.to_http().status(), status);
        }
        let mut request = request(Version::HTTP_11);
        request.headers.remove("upgrade");
        let answer = check_http(&options, &request).unwrap_err().to_http();
        assert_eq!(answer.status(), 426);
        assert_eq!(answer.headers()["upgrade"], "websocket");
        assert_eq!(answer.headers()["connection"], "close, Upgrade");
        assert_eq!(answer.headers()["sec-websocket-version"], "13");
    }

    /// A 101 to the key of the request, with this subprotocol.
    fn response(key: &[u8; 24], protocol: &str) -> ::http::Response<()> {
        let response = ::http::Response::builder()
            .status(101)
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-accept", &accept_key(key)[..])
            .header("sec-websocket-protocol", protocol);
        response.body(()).unwrap()
    }

    #[test]
    fn a_parsed_response_is_kept() {
        let kept = ResponseHead::from_http(&response(&client_key([7; 16]), "b"));
        assert_eq!((kept.status(), kept.protocol()), (101, Some("b")));
        assert_eq!(kept.header("Upgrade"), Some(&b"websocket"[..]));
        assert!(kept.body().is_empty() && !kept.is_cut());
        let redirect = ::http::Response::builder()
            .status(307)
            .header("location", "/b");
        let kept = ResponseHead::from_http(&redirect.body("ignored").unwrap());
        assert_eq!((kept.status(), kept.location()), (307, Some("/b")));
    }

    #[test]
    fn c06_a_parsed_response_is_held_against_the_request() {
        let key = client_key([7; 16]);
        let request = ClientRequest::new("h", "/chat?a").unwrap();
        let request = request.protocol("a").unwrap().protocol("b").unwrap();
        let sent = request.to_http(&key).unwrap();
        assert_eq!(
            (sent.method().as_str(), sent.version()),
            ("GET", Version::HTTP_11)
        );
        assert_eq!(sent.uri(), "/chat?a");
        assert_eq!(sent.headers()["host"], "h");
        assert_eq!(sent.headers()["sec-websocket-protocol"], "a, b");

        let answer = response(&key, "b");
        let agreement = check_http_response(&request, &key, &answer).unwrap();
        assert_eq!(agreement.protocol(), Some("b"));
        let answer = response(&key, "c");
        let violation = check_http_response(&request, &key, &answer).unwrap_err();
        assert_eq!(violation, ResponseViolation::Protocol);
    }

    #[test]
    fn c03_c04_a_parsed_response_that_does_not_switch() {
        let key = client_key([7; 16]);
        let request = ClientRequest::new("h", "/").unwrap().protocol("a").unwrap();
        for (version, status, violation) in [
            (Version::HTTP_11, 200, ResponseViolation::Status),
            (Version::HTTP_10, 404, ResponseViolation::Status),
            (Version::HTTP_10, 101, ResponseViolation::Http10),
            (Version::HTTP_2, 101, HeadError::UnsupportedVersion.into()),
        ] {
            let mut answer = response(&key, "a");
            *answer.version_mut() = version;
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            let found = check_http_response(&request, &key, &answer);
            assert_eq!(found, Err(violation), "{version:?} {status}");
        }
    }

    /// The `http` crate is the second opinion on what is well-formed: no field
    /// that passes here is one that it drops.
    #[test]
    fn h41_c19_every_field_that_passes_is_taken() {
        for byte in 0..=u8::MAX {
            let value = [b'a', byte, b'b'];
            let response = Response::new().header("x", value);
            let options = ServerOptions::new(Origins::Any);
            let request = request(Version::HTTP_11);
            let upgrade = check_http(&options, &request).unwrap();
            if let Ok(answer) = upgrade.to_http(&response) {
                assert_eq!(answer.headers()["x"].as_bytes(), value);
            } else {
                assert!(HeaderValue::from_bytes(&value).is_err(), "{byte:#x}");
            }
        }
    }
}
