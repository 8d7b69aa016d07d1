//! The handshake in types of the `http` crate, for hyper and what is built on
//! it.

use alloc::string::String;

use ::http::header::{HeaderName, HeaderValue};
use ::http::{HeaderMap, StatusCode, Version, request, response};

use super::check::{Line, check};
use super::{
    Agreement, ClientRequest, HttpVersion, Refusal, RequestError, Response, ResponseError,
    ResponseViolation, ServerOptions, Upgrade, check_response,
};

/// As [`check_request`](super::check_request), for a request that hyper or
/// another library has parsed. A host in its URI counts instead of `Host`.
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
/// let (head, ()) = request.into_parts();
///
/// let options = ServerOptions::new(Origins::SameHost);
/// let answer = match check_http(&options, &head) {
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
    request: &'h request::Parts,
) -> Result<Upgrade<'h>, Refusal> {
    let authority = request.uri.authority().map(|authority| authority.as_str());
    let line = Line {
        method: request.method.as_str(),
        version: request.version.into(),
        authority,
        path: None,
    };
    check(options, line, fields(&request.headers))
}

/// As [`check_response`], for a response that hyper or another library has
/// parsed to a request that [`ClientRequest::to_http`] made.
///
/// # Errors
///
/// The first rule that the response breaks; [`ResponseViolation::Status`] if it
/// is none that switches protocols.
pub fn check_http_response<'h>(
    request: &ClientRequest,
    key: &[u8; 24],
    response: &'h response::Parts,
) -> Result<Agreement<'h>, ResponseViolation> {
    let (version, status) = (response.version.into(), response.status.as_u16());
    check_response(request, key, version, status, fields(&response.headers))
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
    use crate::websocket::handshake::{HeadError, Origins, accept_key, client_key};

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
    fn response(key: &[u8; 24], protocol: &str) -> response::Parts {
        let response = ::http::Response::builder()
            .status(101)
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-accept", &accept_key(key)[..])
            .header("sec-websocket-protocol", protocol);
        response.body(()).unwrap().into_parts().0
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
            answer.version = version;
            answer.status = StatusCode::from_u16(status).unwrap();
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
