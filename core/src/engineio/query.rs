//! The query of a request: which protocol, which transport, which session.
//!
//! ```text
//! EIO=4&transport=polling&sid=lv_VI97HAXpY6yYWAAAC&t=abc
//! ```
//!
//! Names and values are decoded as in forms: `+` is a space, and a percent sign
//! stands before two hexadecimal digits or for itself. Engine.IO protocol,
//! "Request path".

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::{Transport, Version};

/// What a request asks for.
///
/// Whether that is anything to be had is for the server to judge, which answers
/// each wrong value in another way.
///
/// ```
/// use sockeye::engineio::{Query, Transport, Version};
///
/// let query = Query::parse("EIO=4&transport=polling&t=Oqd7rDf");
/// assert_eq!(query.version, Some(Version::V4));
/// assert_eq!(query.transport, Some(Transport::Polling));
/// assert_eq!(query.encode(), "EIO=4&transport=polling");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Query<'q> {
    /// `EIO`; none if it is missing, repeated or unknown.
    pub version: Option<Version>,
    /// `transport`; none if it is missing, repeated or unknown.
    pub transport: Option<Transport>,
    /// `sid`, the name of a session that is there already. A secret, and so not
    /// shown by `Debug`.
    pub sid: Param<Cow<'q, str>>,
    /// Whether `b64` has a value: the client takes no binary data.
    pub base64: bool,
    /// `j`, from clients that want scripts for answers.
    pub jsonp: Option<Cow<'q, str>>,
}

/// A parameter that may occur once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Param<T> {
    /// It does not occur.
    #[default]
    Missing,
    /// Its value, which may be empty.
    Once(T),
    /// It occurs more often.
    Repeated,
}

impl<T> Param<T> {
    fn put(&mut self, value: T) {
        *self = match self {
            Self::Missing => Self::Once(value),
            _ => Self::Repeated,
        };
    }

    fn once(self) -> Option<T> {
        match self {
            Self::Once(value) => Some(value),
            _ => None,
        }
    }
}

impl<'q> Query<'q> {
    /// Reads a query, without the question mark. Other parameters are passed
    /// over.
    pub fn parse(query: &'q str) -> Self {
        let (mut version, mut transport, mut sid) = <(Param<_>, Param<_>, Param<_>)>::default();
        let (mut base64, mut jsonp) = (false, None);
        // Nearly always nothing is encoded.
        let is_sign = |byte| byte == b'%' || byte == b'+';
        let is_plain = !query.bytes().fold(false, |has, it| has | is_sign(it));
        let decode = |text| match is_plain {
            true => Cow::Borrowed(text),
            false => Cow::Owned(decode(text)),
        };
        let mut rest = Some(query);
        while let Some(query) = rest {
            let (name, value, behind) = cut(query);
            rest = behind;
            match &*decode(name) {
                "EIO" => version.put(decode(value)),
                "transport" => transport.put(decode(value)),
                "sid" => sid.put(decode(value)),
                "b64" => base64 |= !value.is_empty(),
                "j" => jsonp = Some(decode(value)),
                _ => {}
            }
        }
        Self {
            version: version.once().and_then(|it| Version::parse(&it)),
            transport: transport.once().and_then(|it| Transport::parse(&it)),
            sid,
            base64,
            jsonp,
        }
    }

    /// Writes the query as a client sends it.
    pub fn encode(&self) -> String {
        let sid = match &self.sid {
            Param::Once(sid) => Some(&**sid),
            _ => None,
        };
        let mut out = String::new();
        for (name, value) in [
            ("EIO", self.version.map(Version::as_str)),
            ("transport", self.transport.map(Transport::as_str)),
            ("sid", sid),
            ("b64", self.base64.then_some("1")),
            ("j", self.jsonp.as_deref()),
        ] {
            if let Some(value) = value {
                out.push_str(if out.is_empty() { "" } else { "&" });
                out.push_str(name);
                out.push('=');
                encode(&mut out, value);
            }
        }
        out
    }
}

impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("version", &self.version)
            .field("transport", &self.transport)
            .field("base64", &self.base64)
            .field("jsonp", &self.jsonp)
            .finish_non_exhaustive()
    }
}

/// The name and the value of the first parameter, and what follows it.
fn cut(query: &str) -> (&str, &str, Option<&str>) {
    // Too short for a search in blocks.
    let mut bytes = query.bytes();
    let Some(at) = bytes.position(|byte| byte == b'=' || byte == b'&') else {
        return (query, "", None);
    };
    let (name, rest) = query.split_at_checked(at).unwrap_or_default();
    if let Some(behind) = rest.strip_prefix('&') {
        return (name, "", Some(behind));
    }
    let value = rest.get(1..).unwrap_or_default();
    match bytes.position(|byte| byte == b'&') {
        Some(end) => (
            name,
            value.get(..end).unwrap_or_default(),
            value.get(end + 1..),
        ),
        None => (name, value, None),
    }
}

/// A name or value with the encoding of forms undone.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, tail @ ..] => digit(*high).zip(digit(*low)).map(|it| (it, tail)),
            _ => None,
        };
        rest = match (escaped, first) {
            (Some(((high, low), tail)), _) => {
                bytes.push(high << 4 | low);
                tail
            }
            (None, &byte) => {
                bytes.push(if byte == b'+' { b' ' } else { byte });
                tail
            }
        };
    }
    let text = String::from_utf8(bytes);
    text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Appends a value, in which only what RFC 3986 section 2.3 calls unreserved
/// stands for itself.
fn encode(out: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn s01_only_3_and_4_are_versions() {
        let version = |query| Query::parse(query).version;
        assert_eq!(version("EIO=3"), Some(Version::V3));
        assert_eq!(version("a=b&EIO=4"), Some(Version::V4));
        assert_eq!(version("%45I%4f=%34"), Some(Version::V4));
        for query in [
            "",
            "EIO",
            "EIO=",
            "EIO=5",
            "EIO=04",
            "EIO=4.0",
            "EIO=+4",
            "EIO=4&EIO=3",
            "EIO=4&EIO=4",
            "EIO=4&EIO",
            "eio=4",
            "transport=polling",
        ] {
            assert_eq!(version(query), None, "{query}");
        }
    }

    #[test]
    fn s02_only_two_names_are_transports() {
        let transport = |query: &str| Query::parse(query).transport;
        assert_eq!(transport("transport=polling"), Some(Transport::Polling));
        assert_eq!(transport("transport=websocket"), Some(Transport::WebSocket));
        for name in ["foo", "constructor", "__proto__", "POLLING", "", "polling "] {
            assert_eq!(transport(&format!("transport={name}")), None, "{name}");
        }
        let two = "transport=polling&transport=websocket";
        assert_eq!(transport(two), None);
    }

    #[test]
    fn a_sid_is_taken_as_it_is_and_repeated_ones_are_told_apart() {
        let sid = |query| Query::parse(query).sid;
        let once = |text: &'static str| Param::Once(text.into());
        assert_eq!(sid("EIO=4"), Param::Missing);
        assert_eq!(sid("sid=a"), once("a"));
        assert_eq!(sid("sid="), once(""));
        assert_eq!(sid("sid"), once(""));
        assert_eq!(sid("sid=%00"), once("\0"));
        assert_eq!(sid("sid=a=b"), once("a=b"));
        assert_eq!(sid("sid=a&sid=a"), Param::Repeated);
        assert_eq!(sid("sid=a&sid=a&sid=a"), Param::Repeated);
    }

    #[test]
    fn values_are_decoded_as_in_forms() {
        for (text, expected) in [
            ("a+b", "a b"),
            ("%2b", "+"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
            ("%%41", "%A"),
            ("%e2%82%AC", "\u{20ac}"),
            ("%ff", "\u{fffd}"),
            ("\u{e4}%20", "\u{e4} "),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
        let plain = Query::parse("sid=plain").sid;
        assert!(matches!(plain, Param::Once(Cow::Borrowed("plain"))));
        let one = Query::parse("%73id=a%20b").sid;
        assert_eq!(one, Param::Once("a b".into()));
    }

    #[test]
    fn base64_and_jsonp_are_asked_for() {
        assert!(Query::parse("b64=1").base64);
        assert!(Query::parse("b64=true").base64);
        assert!(!Query::parse("b64=").base64);
        assert_eq!(Query::parse("j=").jsonp, Some("".into()));
        assert_eq!(Query::parse("j=3&j=4").jsonp, Some("4".into()));
    }

    #[test]
    fn e02_a_sid_is_encoded_and_comes_back() {
        for sid in ["", "&transport=x", "a#b", "a\r\nb", "\u{20ac}+ %", "\0"] {
            let query = Query {
                sid: Param::Once(sid.into()),
                base64: true,
                ..Query::parse("EIO=4&transport=polling")
            };
            let text = query.encode();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=&%".contains(&byte);
            assert!(text.bytes().all(is_plain), "{text}");
            assert_eq!(Query::parse(&text), query);
        }
    }

    #[test]
    fn the_name_of_a_session_is_not_shown() {
        let shown = format!("{:?}", Query::parse("sid=secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
