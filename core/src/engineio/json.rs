//! As much of JSON as it takes to open a session, RFC 8259.
//!
//! Reading does not recurse, and allocates for strings with escapes only.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::Write;

/// What is left of a JSON text.
pub(super) struct Json<'a> {
    rest: &'a str,
}

/// Why a text cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonError {
    Malformed,
    Depth,
}

impl<'a> Json<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Passes over white space, and says which byte comes then.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.bytes().next()
    }

    /// Passes over white space, and over `token` if that comes then.
    pub(super) fn take(&mut self, token: &str) -> bool {
        self.peek();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), JsonError> {
        self.take(token).then_some(()).ok_or(JsonError::Malformed)
    }

    /// Reads the name of a member, and the colon behind it.
    pub(super) fn name(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let name = self.string()?;
        self.expect(":")?;
        Ok(name)
    }

    /// Reads a string.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect("\"")?;
        let mut text = Cow::Borrowed(self.plain()?);
        while !self.rest.starts_with('"') {
            text.to_mut().push(self.escape()?);
            text.to_mut().push_str(self.plain()?);
        }
        self.expect("\"")?;
        Ok(text)
    }

    /// Passes over a string.
    fn skip_string(&mut self) -> Result<(), JsonError> {
        self.expect("\"")?;
        self.plain()?;
        while !self.rest.starts_with('"') {
            self.escape()?;
            self.plain()?;
        }
        self.expect("\"")
    }

    /// Reads what stands for itself, up to a quote or a backslash.
    fn plain(&mut self) -> Result<&'a str, JsonError> {
        let is_end = |byte| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let end = self.rest.bytes().position(is_end);
        let split = end.and_then(|end| self.rest.split_at_checked(end));
        let (plain, rest) = split.ok_or(JsonError::Malformed)?;
        self.rest = rest;
        Ok(plain)
    }

    /// Reads a backslash, and what it stands for with what follows it.
    fn escape(&mut self) -> Result<char, JsonError> {
        let mut chars = self.rest.chars();
        if chars.next() != Some('\\') {
            return Err(JsonError::Malformed);
        }
        let sign = chars.next();
        self.rest = chars.as_str();
        match sign {
            Some(sign @ ('"' | '\\' | '/')) => Ok(sign),
            Some('b') => Ok('\x08'),
            Some('f') => Ok('\x0c'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => self.code_point(),
            _ => Err(JsonError::Malformed),
        }
    }

    /// Reads four hexadecimal digits, and the second half of a surrogate pair if
    /// they are the first.
    fn code_point(&mut self) -> Result<char, JsonError> {
        let mut units = [self.code_unit()?, 0];
        let mut count = 1;
        if matches!(units, [0xd800..=0xdbff, _]) {
            self.rest = self.rest.strip_prefix("\\u").ok_or(JsonError::Malformed)?;
            units = [units[0], self.code_unit()?];
            count = 2;
        }
        let mut chars = char::decode_utf16(units.into_iter().take(count));
        let first = chars.next().and_then(Result::ok);
        first.ok_or(JsonError::Malformed)
    }

    fn code_unit(&mut self) -> Result<u16, JsonError> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(JsonError::Malformed)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(JsonError::Malformed);
        }
        self.rest = rest;
        u16::from_str_radix(digits, 16).map_err(|_| JsonError::Malformed)
    }

    /// Reads a number as it is written.
    pub(super) fn number(&mut self) -> Result<&'a str, JsonError> {
        self.peek();
        let text = self.rest;
        let minus = usize::from(text.starts_with('-'));
        let mut len = minus + digits(text, minus)?;
        if len > minus + 1 && text.as_bytes().get(minus) == Some(&b'0') {
            return Err(JsonError::Malformed);
        }
        if text.as_bytes().get(len) == Some(&b'.') {
            len += 1 + digits(text, len + 1)?;
        }
        if let Some(b'e' | b'E') = text.as_bytes().get(len) {
            let sign = text.as_bytes().get(len + 1);
            len += 1 + usize::from(matches!(sign, Some(b'+' | b'-')));
            len += digits(text, len)?;
        }
        let (number, rest) = text.split_at_checked(len).ok_or(JsonError::Malformed)?;
        self.rest = rest;
        Ok(number)
    }

    /// Passes over a value, whatever it is. What it is inside of is kept as a bit
    /// for each level, so that nothing can exhaust the stack.
    pub(super) fn skip(&mut self) -> Result<(), JsonError> {
        let mut open = Open::default();
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.expect("{")?;
                    if !self.take("}") {
                        open.push(Container::Object)?;
                        self.skip_name()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.expect("[")?;
                    if !self.take("]") {
                        open.push(Container::Array)?;
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                Some(b'-' | b'0'..=b'9') => drop(self.number()?),
                _ if self.take("true") || self.take("false") || self.take("null") => {}
                _ => return Err(JsonError::Malformed),
            }
            // A value has ended, and perhaps what it is in.
            loop {
                let Some(container) = open.last() else {
                    return Ok(());
                };
                match container {
                    _ if !self.take(",") => {
                        self.expect(container.end())?;
                        open.pop();
                    }
                    Container::Object => {
                        self.skip_name()?;
                        break;
                    }
                    Container::Array => break,
                }
            }
        }
    }

    fn skip_name(&mut self) -> Result<(), JsonError> {
        self.skip_string()?;
        self.expect(":")
    }
}

/// What a value can be in.
#[derive(Clone, Copy)]
enum Container {
    Object,
    Array,
}

impl Container {
    const fn end(self) -> &'static str {
        match self {
            Self::Object => "}",
            Self::Array => "]",
        }
    }
}

/// The containers that are open; a bit is set for each object.
#[derive(Default)]
struct Open {
    objects: u64,
    depth: u32,
}

impl Open {
    fn push(&mut self, container: Container) -> Result<(), JsonError> {
        if self.depth == u64::BITS {
            return Err(JsonError::Depth);
        }
        self.objects = self.objects << 1 | u64::from(matches!(container, Container::Object));
        self.depth += 1;
        Ok(())
    }

    fn last(&self) -> Option<Container> {
        match (self.depth, self.objects & 1) {
            (0, _) => None,
            (_, 0) => Some(Container::Array),
            _ => Some(Container::Object),
        }
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }
}

/// How many digits there are from `start` on; none is malformed.
fn digits(text: &str, start: usize) -> Result<usize, JsonError> {
    let digits = text.bytes().skip(start);
    match digits.take_while(u8::is_ascii_digit).count() {
        0 => Err(JsonError::Malformed),
        count => Ok(count),
    }
}

/// Appends `text` as a JSON string.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            // Writing to a string does not fail.
            '\0'..='\x1f' => drop(write!(out, "\\u{:04x}", u32::from(char))),
            _ => out.push(char),
        }
    }
    out.push('"');
}
