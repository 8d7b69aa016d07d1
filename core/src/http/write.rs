//! Writing heads that cannot be injected into, and sending what was written.

use alloc::vec::Vec;

use super::header::{is_token, is_value_byte};
use super::{FieldError, Fields};
use crate::websocket::SLICES;

/// Header lines, each checked before it was appended.
#[derive(Clone, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// Appends a field of the caller's, or nothing at all.
    ///
    /// RFC 9110 section 5.5: "Field values containing CR, LF, or NUL characters
    /// are invalid and dangerous". White space around the value would not
    /// reach the peer, so it is refused as well.
    pub(crate) fn push(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        if !is_token(name.as_bytes()) {
            return Err(FieldError::Name);
        }
        let outer = [value.first(), value.last()];
        if outer
            .iter()
            .flatten()
            .any(|byte| byte.is_ascii_whitespace())
            || !value.iter().all(|&byte| is_value_byte(byte))
        {
            return Err(FieldError::Value);
        }
        field(&mut self.bytes, name, value);
        Ok(())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields::new(&self.bytes)
    }
}

impl core::fmt::Debug for Lines {
    /// Gives the names only: values hold secrets.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set()
            .entries(self.fields().map(|(name, _)| name))
            .finish()
    }
}

/// Appends a field whose name and value are known to be well-formed.
pub(crate) fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends `number` in decimal.
pub(crate) fn decimal(out: &mut Vec<u8>, number: usize) {
    if number >= 10 {
        decimal(out, number / 10);
    }
    out.push(b'0' + (number % 10) as u8);
}

/// Bytes that were written and wait to be sent.
#[derive(Clone, Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, sent: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// What has not been sent.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Puts what has not been sent into `out`; gives the number of slices.
    pub(crate) fn offer<'a>(&'a self, out: &mut [&'a [u8]; SLICES]) -> usize {
        let [first, ..] = out;
        *first = self.unsent();
        usize::from(!self.is_empty())
    }

    /// Takes note that `count` more bytes were sent; frees the storage once
    /// all were.
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.bytes.len());
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

impl core::fmt::Debug for Outgoing {
    /// Gives the number of bytes: what they say may be secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Outgoing")
            .field(&self.unsent().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h41_c19_lines_refuse_what_could_end_them() {
        let mut lines = Lines::default();
        for value in [
            "a\r",
            "a\nb",
            "\0",
            "a\x7fb",
            " a",
            "a ",
            "\ta",
            "a\r\nb: c",
        ] {
            assert_eq!(lines.push("x", value.as_bytes()), Err(FieldError::Value));
        }
        for name in ["", "a b", "a:", "a\r\n", "\u{e4}", "(x)"] {
            assert_eq!(lines.push(name, b"v"), Err(FieldError::Name));
        }
        assert_eq!(lines.bytes(), b"");
        lines.push("X-A", "b\tc \u{e4}".as_bytes()).unwrap();
        lines.push("x-empty", b"").unwrap();
        assert_eq!(
            lines.bytes(),
            "X-A: b\tc \u{e4}\r\nx-empty: \r\n".as_bytes()
        );
        let mut fields = lines.fields();
        assert_eq!(fields.next(), Some(("X-A", "b\tc \u{e4}".as_bytes())));
        assert_eq!(fields.next(), Some(("x-empty", &b""[..])));
        assert_eq!(fields.next(), None);
    }

    #[test]
    fn decimals_have_no_leading_zero() {
        for number in [0, 9, 10, 65_536, usize::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(out, alloc::format!("{number}").into_bytes());
        }
    }

    #[test]
    fn outgoing_frees_its_storage_when_sent() {
        let mut out = Outgoing::new(Vec::from(*b"abc"));
        out.advance(1);
        assert_eq!(out.unsent(), b"bc");
        out.advance(5);
        assert!(out.is_empty());
        assert_eq!(out.bytes.capacity(), 0);
    }
}
