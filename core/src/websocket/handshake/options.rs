//! What both roles limit, and what a server lets in.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::http::Authority;
use crate::http::head::HeadLimits;

/// How much a peer may send, and how long it may take, before the handshake
/// fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line or status line, without its line end. A
    /// server answers 414 to more.
    pub request_line: usize,
    /// Bytes of the header section: everything after the first line. A server
    /// answers 431 to more.
    pub head: usize,
    /// Header fields. A server answers 431 to more.
    pub fields: usize,
    /// Responses with a status of 1xx that a client passes over.
    pub informational: usize,
    /// Bytes of a refusal's body that a client keeps; the rest is cut off.
    pub body: usize,
    /// Time from the start to the last byte of the answer.
    pub timeout: Duration,
}

impl Limits {
    pub(super) const fn head(&self) -> HeadLimits {
        HeadLimits {
            line: self.request_line,
            section: self.head,
            fields: self.fields,
        }
    }
}

impl Default for Limits {
    /// 8 KiB, 16 KiB, 100 fields, 8 responses, 64 KiB and 10 seconds.
    fn default() -> Self {
        Self {
            request_line: 8_192,
            head: 16_384,
            fields: 100,
            informational: 8,
            body: 65_536,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Which pages may connect, RFC 6455 section 10.2.
///
/// A browser lets any page open a WebSocket to any server, with the cookies of
/// that server, and only names the page in `Origin`. A server that knows its
/// users by cookies must look at it. Clients that are no browsers send none;
/// they pass unless [`ServerOptions::require_origin`] is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Pages from anywhere.
    Any,
    /// Pages from the host and port that the request is for. The scheme is not
    /// compared, since TLS may have ended before this server.
    SameHost,
    /// Pages from these origins, such as `https://example.com` or
    /// `http://localhost:8080`. Scheme, host and port must be equal; letters
    /// may differ in case, and the default port may be left out. `null` means
    /// the origin that browsers send as `null`.
    List(Vec<String>),
}

impl Origins {
    /// Whether a page from `origin` may connect to `host`.
    pub(super) fn allow(&self, origin: &[u8], host: &Authority<'_>) -> bool {
        if matches!(self, Self::Any) {
            return true;
        }
        let Ok(origin) = core::str::from_utf8(origin) else {
            return false;
        };
        let Some(parsed) = Origin::parse(origin) else {
            // `null`, and whatever else is no triple, can only be listed.
            return matches!(self, Self::List(list) if list.iter().any(|item| item == origin));
        };
        match self {
            Self::Any => true,
            Self::SameHost => {
                let port = parsed.default_port();
                port.is_some_and(|port| parsed.authority.is_same(host, port))
            }
            Self::List(list) => {
                let listed =
                    |item: &String| Origin::parse(item).is_some_and(|it| it.is_same(&parsed));
                list.iter().any(listed)
            }
        }
    }
}

/// Scheme, host and port, RFC 6454 section 6.
struct Origin<'a> {
    scheme: &'a str,
    authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let authority = Authority::parse(authority)?;
        Some(Self { scheme, authority })
    }

    fn default_port(&self) -> Option<u16> {
        let ports = [("https", 443), ("http", 80), ("wss", 443), ("ws", 80)];
        let is_it = |(scheme, _): &(&str, u16)| self.scheme.eq_ignore_ascii_case(scheme);
        ports.into_iter().find(is_it).map(|(_, port)| port)
    }

    fn is_same(&self, other: &Origin<'_>) -> bool {
        // Port 0 stands for schemes that have no default: none equals none.
        let port = self.default_port().unwrap_or(0);
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.authority.is_same(&other.authority, port)
    }
}

/// What a server asks of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Which pages may connect.
    pub origins: Origins,
    /// Whether a request without `Origin` is refused.
    pub require_origin: bool,
    /// The paths at which there is a WebSocket, as they are sent: not decoded.
    /// A well-formed request for another one is answered with 404, also if it
    /// is for no WebSocket. If there are none, every path will do.
    ///
    /// Not for [`check_request`](super::check_request), which is not told the
    /// path.
    pub paths: Vec<String>,
    /// How much a client may send, and how long it may take.
    pub limits: Limits,
}

impl ServerOptions {
    /// Options with the default limits, for pages from `origins` and for
    /// clients that are no browsers, at any path.
    pub fn new(origins: Origins) -> Self {
        Self {
            origins,
            require_origin: false,
            paths: Vec::new(),
            limits: Limits::default(),
        }
    }

    pub(super) fn serves(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|served| served == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn allow(origins: &Origins, origin: &str, host: &str) -> bool {
        origins.allow(origin.as_bytes(), &Authority::parse(host).unwrap())
    }

    #[test]
    fn h38_listed_origins_are_compared_as_triples() {
        let list = Origins::List(vec!["https://good.example".into(), "null".into()]);
        for origin in [
            "https://good.example",
            "HTTPS://GOOD.example",
            "https://good.example:443",
            "null",
        ] {
            assert!(allow(&list, origin, "h"), "{origin}");
        }
        for origin in [
            "https://evil.example",
            "https://good.example.evil.example",
            "https://good.example:444",
            "http://good.example",
            "https://good.example/",
            "https://good.example@evil.example",
            "good.example",
            "NULL",
            "",
        ] {
            assert!(!allow(&list, origin, "h"), "{origin}");
        }
    }

    #[test]
    fn h38_same_host_compares_host_and_port() {
        for (origin, host, expected) in [
            ("https://h", "h", true),
            ("https://h", "H:443", true),
            ("http://h:80", "h", true),
            ("http://h", "h:8080", false),
            ("http://h:8080", "h:8080", true),
            ("https://h.evil", "h", false),
            ("null", "h", false),
            ("chrome-extension://h", "h", false),
        ] {
            assert_eq!(
                allow(&Origins::SameHost, origin, host),
                expected,
                "{origin} {host}"
            );
        }
    }
}
