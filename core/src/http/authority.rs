//! `host[:port]`, RFC 3986 section 3.2, without user information.

use core::net::Ipv6Addr;
use core::str::FromStr;

/// A host and perhaps a port, as in `Host`, in a URI and in an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// A name or an address; an IPv6 address keeps its brackets.
    pub(crate) host: &'a str,
    /// `None` also where the port is empty, which means the default one.
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads an authority; `None` if it is empty, malformed, or names a user.
    ///
    /// A comma is a legal character of a host name, but here it is the sign
    /// that somebody joined two `Host` lines, so it is refused.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                Ipv6Addr::from_str(address).ok()?;
                (text.get(..address.len() + 2)?, port)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let (host, port) = text.split_at_checked(end)?;
                is_name(host).then_some((host, port))?
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return None,
            Some("") => None,
            Some(digits) => Some(parse_port(digits)?),
        };
        Some(Self { host, port })
    }

    /// Whether both name the same place, for a scheme with this default port.
    pub(crate) fn is_same(&self, other: &Authority<'_>, default_port: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    // `u16::from_str` takes a plus sign as well.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

fn is_name(host: &str) -> bool {
    let is_name_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte);
    !host.is_empty() && host.bytes().all(is_name_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h05_authorities() {
        let good: [(&str, &str, Option<u16>); 6] = [
            ("h", "h", None),
            ("h:", "h", None),
            ("Example.com:8080", "Example.com", Some(8080)),
            ("[::1]", "[::1]", None),
            ("[::1]:80", "[::1]", Some(80)),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
        ];
        for (text, host, port) in good {
            assert_eq!(
                Authority::parse(text),
                Some(Authority { host, port }),
                "{text}"
            );
        }
        for text in [
            "", ":80", "a,b", "a b", "u@h", "h:65536", "h:+1", "h:x", "h:1:2", "[::1", "[]",
            "[::1]80", "[x]", "::1", "h/", "\u{e4}",
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }
}
