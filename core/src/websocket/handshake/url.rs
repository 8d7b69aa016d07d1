//! WebSocket URIs, RFC 6455 section 3.

use alloc::borrow::Cow;
use alloc::format;

use crate::http::Authority;
use crate::http::header::is_target_byte;

/// A `ws://` or `wss://` URI, taken apart for connecting.
///
/// ```
/// use sockeye::websocket::handshake::Url;
///
/// let url = Url::parse("wss://server.example.com/chat?room=1")?;
/// assert!(url.secure);
/// assert_eq!((url.host, url.port), ("server.example.com", 443));
/// assert_eq!((url.authority, &*url.target), ("server.example.com", "/chat?room=1"));
/// # Ok::<_, sockeye::websocket::handshake::UrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Url<'u> {
    /// Whether the scheme is `wss`: the transport is to be TLS.
    pub secure: bool,
    /// The name or address to connect to; an IPv6 address without brackets.
    pub host: &'u str,
    /// The port to connect to.
    pub port: u16,
    /// What `Host` says: the port is left out if it is the scheme's default.
    pub authority: &'u str,
    /// Path and query, at least `/`.
    pub target: Cow<'u, str>,
}

/// Why a text is no WebSocket URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is neither `ws` nor `wss`.
    #[error("the scheme is neither ws nor wss")]
    Scheme,
    /// A user name or password, for which RFC 6455 has no place.
    #[error("the URI names a user")]
    User,
    /// The host is missing or malformed.
    #[error("the host is missing or malformed")]
    Host,
    /// The port is 0, or not a number up to 65535.
    #[error("the port is out of range")]
    Port,
    /// The URI holds white space, characters beyond ASCII or a fragment, or no
    /// `/` between host and path.
    #[error("the path or query is malformed")]
    Target,
}

impl<'u> Url<'u> {
    /// Takes a URI apart. What is not ASCII must have been percent-encoded.
    ///
    /// # Errors
    ///
    /// If it is no WebSocket URI, or names a user or a fragment. RFC 6455
    /// section 3: "Fragment identifiers are meaningless in the context of
    /// WebSocket URIs and MUST NOT be used on these URIs."
    pub fn parse(text: &'u str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let (secure, default_port) = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => (false, 80),
            _ if scheme.eq_ignore_ascii_case("wss") => (true, 443),
            _ => return Err(UrlError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or(UrlError::Target)?;
        let (host, port) = parse_authority(authority)?;
        let port = port.unwrap_or(default_port);
        let is_default = port == default_port;
        if !target.bytes().all(is_target_byte) {
            return Err(UrlError::Target);
        }
        Ok(Self {
            secure,
            host: host.trim_start_matches('[').trim_end_matches(']'),
            port,
            authority: if is_default { host } else { authority },
            target: match target {
                "" => Cow::Borrowed("/"),
                _ if target.starts_with('/') => Cow::Borrowed(target),
                _ => Cow::Owned(format!("/{target}")),
            },
        })
    }
}

fn parse_authority(text: &str) -> Result<(&str, Option<u16>), UrlError> {
    if text.contains('@') {
        return Err(UrlError::User);
    }
    match Authority::parse(text) {
        Some(Authority { port: Some(0), .. }) => Err(UrlError::Port),
        Some(Authority { host, port }) => Ok((host, port)),
        None => {
            // Without its port, what is left may be a host after all.
            let host = text.rsplit_once(':').map(|(host, _)| host);
            let is_host = host
                .and_then(Authority::parse)
                .is_some_and(|it| it.port.is_none());
            Err(if is_host {
                UrlError::Port
            } else {
                UrlError::Host
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c21_uris_are_taken_apart() {
        for (text, secure, host, port, authority, target) in [
            ("ws://h", false, "h", 80, "h", "/"),
            ("WS://h:80/p", false, "h", 80, "h", "/p"),
            ("ws://h:/p", false, "h", 80, "h", "/p"),
            ("wss://h:80?q", true, "h", 80, "h:80", "/?q"),
            ("wss://h/a?b?c/d", true, "h", 443, "h", "/a?b?c/d"),
            (
                "ws://[::1]:9001/%20",
                false,
                "::1",
                9001,
                "[::1]:9001",
                "/%20",
            ),
            ("wss://[::1]:443", true, "::1", 443, "[::1]", "/"),
            ("ws://h//x", false, "h", 80, "h", "//x"),
        ] {
            let target = Cow::Borrowed(target);
            let expected = Url {
                secure,
                host,
                port,
                authority,
                target,
            };
            assert_eq!(Url::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn c21_what_is_no_websocket_uri() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("h/p", UrlError::Scheme),
            ("http://h", UrlError::Scheme),
            ("ws:/h", UrlError::Scheme),
            ("ws://u:p@h/", UrlError::User),
            ("ws://h:0/", UrlError::Port),
            ("ws://h:65536", UrlError::Port),
            ("ws://h:x", UrlError::Port),
            ("ws:///x", UrlError::Host),
            ("ws://[::1", UrlError::Host),
            ("ws://:80", UrlError::Host),
            ("ws://h h/", UrlError::Host),
            ("ws://\u{e4}/", UrlError::Host),
            ("ws://h\r\nX: y/", UrlError::Host),
            ("ws://h/p#f", UrlError::Target),
            ("ws://h#f", UrlError::Target),
            ("ws://h/\u{e4}", UrlError::Target),
            ("ws://h/a b", UrlError::Target),
            ("ws://h/a\r\nX: y", UrlError::Target),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
    }
}
