//! The name of a session.

use core::fmt;

/// The name that a server gives to a session: 20 characters of
/// `A-Z a-z 0-9 - _`, perhaps with the tag of a node before them, as in
/// `n1.lv_VI97HAXpY6yYWAAAC`.
///
/// Whoever knows it can read and write the session, so it is made of 120 bits
/// that nobody can guess, and `Debug` does not show it: do not log it either.
/// A tag lets a load balancer find the node by the query alone.
///
/// ```
/// use sockeye::engineio::Sid;
///
/// // From a source of random bytes that is fit for secrets.
/// let random = *b"fifteen bytes..";
/// let sid = Sid::new(random);
/// assert_eq!(sid.as_str(), "ZmlmdGVlbiBieXRlcy4u");
/// assert_eq!(Sid::with_tag("n1", random)?.as_str(), "n1.ZmlmdGVlbiBieXRlcy4u");
/// assert_eq!(Sid::parse(sid.as_str()), Some(sid));
/// # Ok::<_, sockeye::engineio::TagError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid {
    /// Padded with zeroes, which no name has in it.
    text: [u8; MAX_TAG + 1 + NAME],
    len: u8,
}

impl Sid {
    /// The name made of these random bytes.
    pub fn new(random: [u8; 15]) -> Self {
        Self::of("", &name(random))
    }

    /// The same with the tag of a node before it.
    ///
    /// # Errors
    ///
    /// Unless the tag has 1 to 11 characters, all of `A-Z a-z 0-9 - _`.
    pub fn with_tag(tag: &str, random: [u8; 15]) -> Result<Self, TagError> {
        if !is_tag(tag) {
            return Err(TagError);
        }
        Ok(Self::of(tag, &name(random)))
    }

    /// The name that a client sent, if it could be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (tag, name) = match text.split_once('.') {
            Some((tag, name)) if is_tag(tag) => (tag, name),
            Some(_) => return None,
            None => ("", text),
        };
        let name: &[u8; NAME] = name.as_bytes().try_into().ok()?;
        name.iter().all(is_letter).then(|| Self::of(tag, name))
    }

    /// The text of the name: of use to the peer, and a secret to others.
    pub fn as_str(&self) -> &str {
        let text = self.text.get(..self.len.into()).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }

    /// The tag of the node that made it.
    pub fn tag(&self) -> Option<&str> {
        Some(self.as_str().split_once('.')?.0)
    }

    fn of(tag: &str, name: &[u8; NAME]) -> Self {
        let dot: &[u8] = if tag.is_empty() { b"" } else { b"." };
        let mut text = [0; MAX_TAG + 1 + NAME];
        let mut len = 0;
        for part in [tag.as_bytes(), dot, name] {
            // There is room for the longest.
            if let Some(place) = text.get_mut(len..len + part.len()) {
                place.copy_from_slice(part);
                len += part.len();
            }
        }
        Self {
            text,
            len: len as u8,
        }
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid(..)")
    }
}

/// The tag of a node is empty, too long, or holds what does not belong into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the tag of the node is not 1 to 11 letters, digits, - and _")]
pub struct TagError;

/// 15 bytes in base64 for URLs, which needs no padding.
fn name(random: [u8; 15]) -> [u8; NAME] {
    let mut name = [0; NAME];
    // The length is exact, so this does not fail.
    let _ = base64::Engine::encode_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        random,
        &mut name,
    );
    name
}

fn is_tag(tag: &str) -> bool {
    (1..=MAX_TAG).contains(&tag.len()) && tag.bytes().all(|byte| is_letter(&byte))
}

fn is_letter(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The characters of a name without its tag.
const NAME: usize = 20;
/// The longest tag.
const MAX_TAG: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn s05_a_name_has_twenty_characters_and_all_of_the_random_bits() {
        assert_eq!(Sid::new([0; 15]).as_str(), "A".repeat(20));
        assert_eq!(Sid::new([0xff; 15]).as_str(), "_".repeat(20));
        for bit in 0..120 {
            let mut random = [0; 15];
            random[bit / 8] = 1 << (bit % 8);
            let sid = Sid::new(random);
            assert_ne!(sid, Sid::new([0; 15]));
            assert_eq!(Sid::parse(sid.as_str()), Some(sid));
        }
    }

    #[test]
    fn names_that_cannot_be_are_none() {
        let name = "lv_VI97HAXpY6yYWAAAC";
        for text in [
            "",
            "__proto__",
            ".",
            "lv_VI97HAXpY6yYWAAA",
            "lv_VI97HAXpY6yYWAAACC",
            "lv_VI97HAXpY6yYWAAA+",
            "lv_VI97HAXpY6yYWAAA\0",
            "lv_VI97HAXpY6yYWAA\u{e4}",
        ] {
            assert_eq!(Sid::parse(text), None, "{text}");
            assert_eq!(Sid::parse(&format!("n1.{text}")), None, "{text}");
        }
        for tag in ["", ".", "a.b", "n 1", "twelve-chars", "\u{e4}"] {
            assert_eq!(Sid::parse(&format!("{tag}.{name}")), None, "{tag}");
            assert_eq!(Sid::with_tag(tag, [1; 15]), Err(TagError), "{tag}");
        }
        let other_case = Sid::parse(&name.to_ascii_uppercase());
        assert_ne!(other_case, Sid::parse(name));
    }

    #[test]
    fn the_longest_tag_fits() {
        let sid = Sid::with_tag("eleven-char", [7; 15]).unwrap();
        assert_eq!(sid.as_str().len(), 32);
        assert_eq!(sid.tag(), Some("eleven-char"));
        assert_eq!(Sid::parse(sid.as_str()), Some(sid));
        assert_eq!(Sid::new([7; 15]).tag(), None);
    }

    #[test]
    fn a_name_is_never_shown() {
        assert_eq!(format!("{:?}", Sid::new([7; 15])), "Sid(..)");
    }
}
