//! The grammar of `Sec-WebSocket-Extensions`, RFC 6455 section 9.1.
//!
//! ```text
//! permessage-deflate; client_max_window_bits, x-other; level="3"
//! └ name ──────────┘  └ parameter ─────────┘  └ name ┘ └ name, value
//! ```
//!
//! Only what the words are, not what they mean: offers and answers are judged
//! where the extension is.

use alloc::borrow::Cow;

use crate::http::header::{is_token, take_quoted, take_token, trim};

/// The value is not what the grammar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the list of extensions is malformed")]
pub struct Malformed;

/// Iterates over the extensions in one field value, in order of preference.
///
/// After a [`Malformed`] nothing follows. RFC 6455 section 9.1: whoever
/// receives a value "that does not conform to the ABNF [...] MUST immediately
/// _Fail the WebSocket Connection_", so look at all of them before believing
/// the first.
#[derive(Clone, Debug)]
pub struct Extensions<'h> {
    rest: &'h [u8],
}

impl<'h> Extensions<'h> {
    /// The extensions in `value`, a whole field value.
    pub const fn new(value: &'h [u8]) -> Self {
        Self { rest: value }
    }

    fn read(&mut self, element: &'h [u8]) -> Option<Extension<'h>> {
        let (name, params) = take_token(element)?;
        let mut rest = trim(params);
        while let [b';', tail @ ..] = rest {
            (_, rest) = take_param(trim(tail))?;
        }
        let end = params.len() - rest.len();
        self.rest = match rest {
            [] => rest,
            [b',', tail @ ..] => tail,
            _ => return None,
        };
        Some(Extension {
            name: core::str::from_utf8(name).ok()?,
            params: params.get(..end)?,
        })
    }
}

impl<'h> Iterator for Extensions<'h> {
    type Item = Result<Extension<'h>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        // Empty elements are allowed in a list, and mean nothing.
        let mut element = trim(self.rest);
        while let [b',', tail @ ..] = element {
            element = trim(tail);
        }
        self.rest = &[];
        if element.is_empty() {
            return None;
        }
        Some(self.read(element).ok_or(Malformed))
    }
}

/// One extension with its parameters, offered or accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'h> {
    name: &'h str,
    /// Found well-formed when the extension was read.
    params: &'h [u8],
}

impl<'h> Extension<'h> {
    /// The registered name. Compare without regard to case.
    pub const fn name(&self) -> &'h str {
        self.name
    }

    /// The parameters in the order in which they stand.
    pub fn params(&self) -> impl Iterator<Item = Param<'h>> + use<'h> {
        let mut rest = self.params;
        core::iter::from_fn(move || {
            let tail = trim(rest).strip_prefix(b";")?;
            let (param, tail) = take_param(trim(tail))?;
            rest = tail;
            Some(param)
        })
    }
}

/// One parameter of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param<'h> {
    /// The name. Compare without regard to case.
    pub name: &'h str,
    /// The value, freed of quotes and escapes; owned only if it had escapes.
    pub value: Option<Cow<'h, str>>,
}

/// Reads the parameter that `input` begins with. Gives it and what follows,
/// from the first byte that is not white space.
fn take_param(input: &[u8]) -> Option<(Param<'_>, &[u8])> {
    let (name, rest) = take_token(input)?;
    let name = core::str::from_utf8(name).ok()?;
    let rest = trim(rest);
    let Some(tail) = rest.strip_prefix(b"=") else {
        return Some((Param { name, value: None }, rest));
    };
    let (value, rest) = take_value(trim(tail))?;
    let value = match value {
        Cow::Borrowed(bytes) => Cow::Borrowed(core::str::from_utf8(bytes).ok()?),
        Cow::Owned(bytes) => Cow::Owned(alloc::string::String::from_utf8(bytes).ok()?),
    };
    let value = Some(value);
    Some((Param { name, value }, trim(rest)))
}

/// Section 9.1: "When using the quoted-string syntax variant, the value after
/// quoted-string unescaping MUST conform to the 'token' ABNF."
fn take_value(input: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    if input.first() != Some(&b'"') {
        let (value, rest) = take_token(input)?;
        return Some((Cow::Borrowed(value), rest));
    }
    let (value, rest) = take_quoted(input)?;
    is_token(&value).then_some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn read(value: &str) -> Result<String, Malformed> {
        let list: Result<Vec<_>, _> = Extensions::new(value.as_bytes()).collect();
        let mut text = String::new();
        for extension in list? {
            text += &format!("[{}", extension.name());
            for Param { name, value } in extension.params() {
                text += &format!(" {name}={value:?}");
            }
            text += "]";
        }
        Ok(text)
    }

    #[test]
    fn lists_are_taken_apart() {
        for (value, expected) in [
            ("", ""),
            (" , ", ""),
            ("constructor", "[constructor]"),
            ("a,b ,\tc", "[a][b][c]"),
            (",a,,b,", "[a][b]"),
            ("a; b; c=1", r#"[a b=None c=Some("1")]"#),
            ("a;b = 1 ;c", r#"[a b=Some("1") c=None]"#),
            (r#"a; b="1\0", c"#, r#"[a b=Some("10")][c]"#),
            (r#"a; b="c"; d"#, r#"[a b=Some("c") d=None]"#),
        ] {
            assert_eq!(read(value).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn h17_malformed_lists_are_refused() {
        for value in [
            "a b",
            "a;",
            "a; ;b",
            "a; =1",
            "a; b=",
            "a; b=1 2",
            "=",
            ";a",
            "a, b;",
            r#"a; b="""#,
            r#"a; b="1,2", c"#,
            r#"a; b="1\"2""#,
            r#"a; b="1"#,
            r#"a; b="1"2"#,
            r#"a; "b""#,
            "\u{e4}",
        ] {
            assert_eq!(read(value), Err(Malformed), "{value}");
        }
    }

    #[test]
    fn nothing_follows_an_error() {
        let mut list = Extensions::new(b"a, b c, d");
        assert!(list.next().unwrap().is_ok());
        assert_eq!(list.next(), Some(Err(Malformed)));
        assert_eq!(list.next(), None);
    }
}
