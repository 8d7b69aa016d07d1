//! The handshake in types of the `http` crate, for hyper and what is built on
//! it.

use alloc::string::String;

use ::http::header::{HeaderName, HeaderValue};
use ::http::request::Parts;
use ::http::{StatusCode, Version};

use super::check::check;
use super::{HttpVersion, Refusal, Response, ResponseError, ServerOptions, Upgrade};

/// As [`check_request`](super::check_request), for a request that hyper or
/// another library has parsed. A host in its URI counts instead of `Host`.
///
/// # Errors
///
/// The first rule that the request breaks; answer with [`Refusal::to_http`].
pub fn check_http<'h>(options: &ServerOptions, request: &'h Parts) -> Result<Upgrade<'h>, Refusal> {
    let version = match request.version {
        Version::HTTP_11 => HttpVersion::Http11,
        Version::HTTP_10 => HttpVersion::Http10,
        _ => HttpVersion::Other,
    };
    let authority = request.uri.authority().map(|authority| authority.as_str());
    let fields = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    check(options, request.method.as_str(), version, authority, fields)
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
            push(&mut answer, name, value);
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
            push(&mut answer, name, value.as_bytes());
        }
        answer
    }
}

/// Appends a field that has been found well-formed, which both types take.
fn push<B>(answer: &mut ::http::Response<B>, name: &str, value: &[u8]) {
    let name = HeaderName::from_bytes(name.as_bytes());
    let value = HeaderValue::from_bytes(value);
    if let (Ok(name), Ok(value)) = (name, value) {
        answer.headers_mut().append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::handshake::{Origins, accept_key};

    fn request(version: Version) -> Parts {
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
}
