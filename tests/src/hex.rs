//! A notation for bytes that people can read.
//!
//! | written | means |
//! |---|---|
//! | `81 02`, `8102` | these bytes, in hexadecimal |
//! | `'hi'` | the bytes of the text; it has no escapes |
//! | `m0` | the masking key `00000000`, under which a payload reads as itself |
//! | `61*125` | the item before, so many times; one item is up to a space |
//! | `(00 80 m0)*9` | a group, so many times |
//! | ` ` | nothing; spaces separate |
//!
//! ```
//! use sockeye_tests::hex::hex;
//!
//! assert_eq!(hex("81 82 m0 'hi'"), *b"\x81\x82\0\0\0\0hi");
//! assert_eq!(hex("(80 'a')*2 ff*3"), *b"\x80a\x80a\xff\xff\xff");
//! ```

use serde::{Deserialize, Deserializer};

/// The bytes that `text` means.
///
/// # Panics
///
/// If `text` is not in the notation: a table or a test is wrong.
pub fn hex(text: &str) -> Vec<u8> {
    let mut rest = text;
    let bytes = items(&mut rest, text);
    assert!(rest.is_empty(), "unmatched ) in {text:?}");
    bytes
}

/// For fields of a table: `#[serde(deserialize_with = "hex::deserialize")]`.
///
/// # Errors
///
/// If the field is not a string.
pub fn deserialize<'d, D: Deserializer<'d>>(field: D) -> Result<Vec<u8>, D::Error> {
    Ok(hex(&String::deserialize(field)?))
}

/// Items up to the end or to a closing parenthesis.
fn items(rest: &mut &str, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        *rest = rest.trim_start();
        let item = match rest.chars().next() {
            None | Some(')') => return bytes,
            Some('(') => {
                *rest = &rest[1..];
                let group = items(rest, text);
                *rest = rest.strip_prefix(')').expect("a group is closed");
                group
            }
            Some('\'') => {
                let (quoted, after) = rest[1..].split_once('\'').expect("a text is closed");
                *rest = after;
                quoted.into()
            }
            Some(_) => {
                let end = rest.find([' ', '\n', '*', ')', '(', '\'']);
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                *rest = after;
                word_bytes(word, text)
            }
        };
        bytes.extend(item.repeat(times(rest)));
    }
}

/// The number behind a star.
fn times(rest: &mut &str) -> usize {
    let Some(number) = rest.strip_prefix('*') else {
        return 1;
    };
    let end = number.find(|c: char| !c.is_ascii_digit());
    let (digits, after) = number.split_at(end.unwrap_or(number.len()));
    *rest = after;
    digits.parse().expect("a star is followed by a number")
}

fn word_bytes(word: &str, text: &str) -> Vec<u8> {
    if word == "m0" {
        return vec![0; 4];
    }
    let digit = |c: u8| char::from(c).to_digit(16);
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some((digit(high)? * 16 + digit(low)?) as u8),
        _ => None,
    };
    let bytes = word.as_bytes().chunks(2).map(pair).collect::<Option<_>>();
    bytes.unwrap_or_else(|| panic!("{word:?} in {text:?} is not hexadecimal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_nest_and_repeat() {
        assert_eq!(
            hex("(01 (02)*2 'a b')*2"),
            hex("01 02 02 612062 0102026120 62")
        );
        assert_eq!(hex(""), [0; 0]);
        assert_eq!(hex("00*3"), [0; 3]);
    }

    #[test]
    #[should_panic(expected = "not hexadecimal")]
    fn half_a_byte_is_refused() {
        hex("8");
    }
}
