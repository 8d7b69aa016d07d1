//! The fields of a header section that has been found well-formed.

use super::header::trim;

/// Iterates over header fields as pairs of name and value, in the order and
/// case in which they were received; fields of the same name are not joined.
///
/// A value has no white space around it, and may hold any byte above the
/// control characters.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    lines: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields in `lines`, each ended by CR LF and known to be well-formed.
    pub(crate) const fn new(lines: &'a [u8]) -> Self {
        Self { lines }
    }

    /// The value of the first field called `name`, in any mixture of cases.
    pub fn first(self, name: &str) -> Option<&'a [u8]> {
        self.named(name).next()
    }

    /// The values of all fields called `name`, in any mixture of cases.
    pub fn named(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let colon = self.lines.iter().position(|&byte| byte == b':')?;
        let (name, rest) = self.lines.split_at_checked(colon)?;
        let end = rest.iter().position(|&byte| byte == b'\r')?;
        let (value, rest) = rest.split_at_checked(end)?;
        self.lines = rest.get(2..)?;
        let name = core::str::from_utf8(name).ok()?;
        Some((name, trim(value.get(1..)?)))
    }
}

/// The value of a field that may occur once.
#[derive(Clone, Copy, Default)]
pub(crate) enum Single<'h> {
    #[default]
    Missing,
    Once(&'h [u8]),
    Repeated,
}

impl<'h> Single<'h> {
    pub(crate) fn put(&mut self, value: &'h [u8]) {
        *self = match self {
            Self::Missing => Self::Once(value),
            _ => Self::Repeated,
        };
    }
}

impl core::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let printable = self.map(|(name, value)| (name, value.escape_ascii()));
        f.debug_map()
            .entries(printable.map(|(n, v)| (n, Text(v))))
            .finish()
    }
}

/// Prints what it holds without quoting it again.
struct Text<T>(T);

impl<T: core::fmt::Display> core::fmt::Debug for Text<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}
