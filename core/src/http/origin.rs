//! Where a page comes from: `Origin`, RFC 6454.

use alloc::string::String;
use alloc::vec::Vec;

use super::Authority;

/// Which pages may connect, RFC 6455 section 10.2.
///
/// A browser lets any page open a WebSocket to any server, with the cookies of
/// that server, and only names the page in `Origin`. A server that knows its
/// users by cookies must look at it. Clients that are no browsers send none;
/// they pass unless [`require_origin`] is set.
///
/// [`require_origin`]: crate::websocket::handshake::ServerOptions::require_origin
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
    pub(crate) fn allow(&self, origin: &[u8], host: &Authority<'_>) -> bool {
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
