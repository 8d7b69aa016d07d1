//! What stands inside a header field: tokens, lists of them, quoted strings.
//!
//! Everything here works on bytes, because a field value may hold any byte
//! above the control characters. RFC 9110 section 5.6.

use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Whether `bytes` is a token: at least one byte, and none but letters, digits
/// and the signs ``!#$%&'*+-.^_`|~`` (RFC 9110 section 5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// The elements of a comma-separated list, without the white space around them
/// and without the empty ones, which a recipient must ignore
/// (RFC 9110 section 5.6.1.2).
///
/// For lists whose elements hold no quoted strings. Whether an element is what
/// it should be is for the caller to find out.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

/// Whether a list of tokens has `token` in it, in any mixture of cases.
pub fn has_token(value: &[u8], token: &str) -> bool {
    elements(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// `value` without spaces and tabs at either end.
pub fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Reads the token that `input` begins with. Gives it and what follows, or
/// `None` if there is none.
pub fn take_token(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (token, rest) = input.split_at_checked(Class::Token.run(input))?;
    (!token.is_empty()).then_some((token, rest))
}

/// Reads the quoted string that `input` begins with. Gives its content with
/// the escapes undone, and what follows the closing quote; `None` if it has
/// none, or holds a byte it must not (RFC 9110 section 5.6.4).
pub fn take_quoted(input: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let body = input.strip_prefix(b"\"")?;
    let end = body.iter().position(|&byte| matches!(byte, b'"' | b'\\'))?;
    let (plain, rest) = body.split_at_checked(end)?;
    if !plain.iter().all(|&byte| is_value_byte(byte)) {
        return None;
    }
    match rest {
        [b'"', rest @ ..] => Some((Cow::Borrowed(plain), rest)),
        _ => unescape(plain, rest),
    }
}

/// The slow half of [`take_quoted`]: from the first backslash on.
fn unescape<'h>(plain: &[u8], mut rest: &'h [u8]) -> Option<(Cow<'h, [u8]>, &'h [u8])> {
    let mut content = Vec::from(plain);
    loop {
        let (byte, tail) = match rest {
            [b'"', tail @ ..] => return Some((Cow::Owned(content), tail)),
            [b'\\', byte, tail @ ..] | [byte, tail @ ..] => (*byte, tail),
            [] => return None,
        };
        if !is_value_byte(byte) {
            return None;
        }
        content.push(byte);
        rest = tail;
    }
}

/// What a byte may be a part of.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    Token = 1,
    /// Tab, space, visible characters and everything above ASCII: what a field
    /// value and a reason phrase are made of.
    Value = 2,
    /// What a request target is made of: visible ASCII. No fragment sign, since
    /// RFC 6455 section 3 says "fragment identifiers [...] MUST NOT be used".
    Target = 4,
}

impl Class {
    /// How many bytes at the start of `input` are of this class.
    pub(crate) fn run(self, input: &[u8]) -> usize {
        let end = input.iter().position(|&byte| !self.has(byte));
        end.unwrap_or(input.len())
    }

    #[expect(clippy::indexing_slicing, reason = "a byte is within 256 entries")]
    pub(crate) const fn has(self, byte: u8) -> bool {
        CLASSES[byte as usize] & self as u8 != 0
    }
}

pub(crate) const fn is_token_byte(byte: u8) -> bool {
    Class::Token.has(byte)
}

pub(crate) const fn is_value_byte(byte: u8) -> bool {
    Class::Value.has(byte)
}

pub(crate) const fn is_target_byte(byte: u8) -> bool {
    Class::Target.has(byte)
}

static CLASSES: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut code = 0;
    while code < 256 {
        let byte = code as u8;
        if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
            classes[code] |= Class::Value as u8;
        }
        if byte.is_ascii_graphic() && byte != b'#' {
            classes[code] |= Class::Target as u8;
        }
        if byte.is_ascii_alphanumeric() {
            classes[code] |= Class::Token as u8;
        }
        code += 1;
    }
    let signs = b"!#$%&'*+-.^_`|~";
    let mut sign = 0;
    while sign < signs.len() {
        classes[signs[sign] as usize] |= Class::Token as u8;
        sign += 1;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn token_bytes_are_those_of_the_grammar() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token_byte(byte), expected, "{byte:#x}");
        }
        assert!(!is_token(b""));
        assert!(is_token(b"permessage-deflate"));
        assert!(!is_token(b"a b"));
    }

    #[test]
    fn elements_drop_white_space_and_empty_ones() {
        let found: vec::Vec<_> = elements(b" a,,\tb c ,").collect();
        assert_eq!(found, vec![&b"a"[..], b"b c"]);
        assert_eq!(elements(b"").count(), 0);
        assert_eq!(elements(b" , ,").count(), 0);
    }

    #[test]
    fn has_token_compares_whole_elements_in_any_case() {
        assert!(has_token(b"keep-alive, uPgRaDe", "upgrade"));
        assert!(!has_token(b"xupgrade", "upgrade"));
        assert!(!has_token(b"upgrade x", "upgrade"));
    }

    #[test]
    fn quoted_strings_are_unescaped() {
        for (input, expected) in [
            (r#""a,b"; c"#, Some(("a,b", "; c"))),
            (r#""""#, Some(("", ""))),
            (r#""a\"b"x"#, Some(("a\"b", "x"))),
            (r#""\\""#, Some(("\\", ""))),
            (r#""a"#, None),
            (r#""a\"#, None),
            ("\"a\x01\"", None),
            ("a", None),
        ] {
            let found = take_quoted(input.as_bytes());
            let found = found.as_ref().map(|(content, rest)| (&**content, *rest));
            let expected = expected.map(|(content, rest)| (content.as_bytes(), rest.as_bytes()));
            assert_eq!(found, expected, "{input}");
        }
        let (content, _) = take_quoted(b"\"plain\"").unwrap();
        assert!(matches!(content, Cow::Borrowed(_)));
    }
}
