//! The head of a request or a response, read as its bytes arrive.
//!
//! A [`Reader`] looks at each byte once, when it arrives, and keeps nothing of
//! a head but its bytes and a few positions in them: the work is linear
//! whatever the cuts, and the first byte that breaks a rule is the last one
//! looked at. What the grammar leaves to the recipient is refused here, since
//! a lenient reading is what smuggles requests: line ends without CR, folded
//! lines, white space around a name. RFC 9112 sections 2 to 5.
//!
//! This is not left to a parser of slices such as httparse. That begins anew
//! whenever more has arrived, so that its work grows with the number of cuts;
//! it takes line ends without CR and any number of empty lines, as is right for
//! it; and it does not say at which byte a limit is passed, which is what tells
//! 414 from 431. It serves the tests as a second opinion: what is taken here,
//! it takes too, and finds the same parts.
//!
//! ```text
//! GET /chat?room=1 HTTP/1.1␍␊      start line: method, target, version
//! Host: server.example.com␍␊       field lines
//! Upgrade: websocket␍␊
//! ␍␊                               the empty line that ends it
//! ```

use alloc::vec::Vec;
use core::ops::Range;

use super::header::{Class, is_token_byte};
use super::{Fields, HeadError, HttpVersion};

/// How large a head may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    /// Bytes of the start line without its line end.
    pub(crate) line: usize,
    /// Bytes of everything after the start line.
    pub(crate) section: usize,
    /// Field lines.
    pub(crate) fields: usize,
}

/// What one [`Reader::read`] came to.
#[derive(Debug)]
pub(crate) enum Read {
    /// All of the input belongs to the head, which goes on.
    Partial,
    /// The head is complete, and this many bytes of the input belonged to it.
    Complete(Head, usize),
    /// The head breaks a rule.
    Malformed(HeadError),
}

/// Collects one head.
pub(crate) struct Reader {
    scanner: Scanner,
    bytes: Vec<u8>,
}

impl Reader {
    pub(crate) const fn request(limits: HeadLimits) -> Self {
        Self::new(State::Start, limits)
    }

    pub(crate) const fn response(limits: HeadLimits) -> Self {
        Self::new(State::Version(0), limits)
    }

    const fn new(state: State, limits: HeadLimits) -> Self {
        let scanner = Scanner {
            state,
            left: limits,
            at: 0,
            marks: Marks::NONE,
        };
        Self {
            scanner,
            bytes: Vec::new(),
        }
    }

    /// Whether nothing has arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.scanner.at == 0
    }

    /// The method of a request, once it has arrived: also of a head that turned
    /// out to be malformed later.
    pub(crate) fn method(&self) -> &str {
        self.scanner.marks.method(&self.bytes)
    }

    /// Takes in more of the head; call no more after the last of it or an
    /// error. Storage grows with what arrives.
    pub(crate) fn read(&mut self, input: &[u8]) -> Read {
        let (taken, error) = match self.scanner.scan(input) {
            Ok(taken) => (taken, None),
            Err(error) => (self.scanner.at - self.bytes.len(), Some(error)),
        };
        let (head, _) = input.split_at_checked(taken).unwrap_or((input, &[]));
        self.bytes.extend_from_slice(head);
        if let Some(error) = error {
            return Read::Malformed(error);
        }
        if self.scanner.state != State::Done {
            return Read::Partial;
        }
        let head = Head {
            bytes: core::mem::take(&mut self.bytes),
            marks: self.scanner.marks,
        };
        Read::Complete(head, taken)
    }
}

impl core::fmt::Debug for Reader {
    /// Leaves the bytes out: they hold secrets.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Reader").field(&self.scanner).finish()
    }
}

/// A complete and well-formed head.
#[derive(Clone)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    marks: Marks,
}

impl Head {
    pub(crate) fn method(&self) -> &str {
        self.marks.method(&self.bytes)
    }

    pub(crate) fn target(&self) -> &str {
        // One space stands between the two.
        text(
            &self.bytes,
            self.marks.method_end + 1..self.marks.target_end,
        )
    }

    pub(crate) const fn version(&self) -> HttpVersion {
        match self.marks.version {
            [b'1', b'0'] => HttpVersion::Http10,
            [b'1', _] => HttpVersion::Http11,
            _ => HttpVersion::Other,
        }
    }

    /// The status of a response; 0 of a request.
    pub(crate) const fn status(&self) -> u16 {
        self.marks.status
    }

    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields::new(self.bytes.get(self.marks.fields..).unwrap_or_default())
    }

    /// Whether the head is as small as a [`Reader`] would have it.
    pub(crate) fn check_size(&self, limits: HeadLimits) -> Result<(), HeadError> {
        const LINE_END: usize = 2;
        if self.marks.fields - LINE_END > limits.line {
            return Err(HeadError::LineTooLong);
        }
        if self.bytes.len() - self.marks.fields > limits.section {
            return Err(HeadError::HeadTooLarge);
        }
        if self.fields().count() > limits.fields {
            return Err(HeadError::TooManyFields);
        }
        Ok(())
    }

    /// Gives back storage that growth left unused.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

/// Heads that another library has parsed, and found well-formed: written as a
/// [`Reader`] would have read them.
#[cfg(feature = "http")]
impl Head {
    pub(crate) fn request<'f>(
        method: &str,
        target: &str,
        version: HttpVersion,
        fields: impl Iterator<Item = (&'f str, &'f [u8])>,
    ) -> Self {
        let version = digits(version);
        let mut bytes = Vec::new();
        for part in [method.as_bytes(), b" ", target.as_bytes(), b" "] {
            bytes.extend_from_slice(part);
        }
        push_version(&mut bytes, version);
        let marks = Marks {
            method_end: method.len(),
            target_end: method.len() + 1 + target.len(),
            version,
            ..Marks::NONE
        };
        Self::parsed(bytes, marks, fields)
    }

    pub(crate) fn response<'f>(
        version: HttpVersion,
        status: u16,
        fields: impl Iterator<Item = (&'f str, &'f [u8])>,
    ) -> Self {
        let version = digits(version);
        let mut bytes = Vec::new();
        push_version(&mut bytes, version);
        bytes.push(b' ');
        super::write::decimal(&mut bytes, status.into());
        bytes.push(b' ');
        let marks = Marks {
            version,
            status,
            ..Marks::NONE
        };
        Self::parsed(bytes, marks, fields)
    }

    /// Of the start line without its line end.
    fn parsed<'f>(
        mut bytes: Vec<u8>,
        mut marks: Marks,
        fields: impl Iterator<Item = (&'f str, &'f [u8])>,
    ) -> Self {
        bytes.extend_from_slice(b"\r\n");
        marks.fields = bytes.len();
        for (name, value) in fields {
            super::write::field(&mut bytes, name, value);
        }
        bytes.extend_from_slice(b"\r\n");
        Self { bytes, marks }
    }
}

#[cfg(feature = "http")]
const fn digits(version: HttpVersion) -> [u8; 2] {
    match version {
        HttpVersion::Http10 => *b"10",
        HttpVersion::Http11 => *b"11",
        HttpVersion::Other => *b"00",
    }
}

#[cfg(feature = "http")]
fn push_version(bytes: &mut Vec<u8>, [major, minor]: [u8; 2]) {
    bytes.extend_from_slice(b"HTTP/");
    bytes.extend_from_slice(&[major, b'.', minor]);
}

impl core::fmt::Debug for Head {
    /// Leaves the fields out: they hold secrets.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Head")
            .field("marks", &self.marks)
            .finish_non_exhaustive()
    }
}

/// Where the parts of a head are, counted from its first byte.
#[derive(Clone, Copy, Debug)]
struct Marks {
    start: usize,
    method_end: usize,
    target_end: usize,
    fields: usize,
    version: [u8; 2],
    status: u16,
}

impl Marks {
    const NONE: Self = Self {
        start: 0,
        method_end: 0,
        target_end: 0,
        fields: 0,
        version: [0; 2],
        status: 0,
    };

    fn method<'b>(&self, bytes: &'b [u8]) -> &'b str {
        text(bytes, self.start..self.method_end)
    }
}

/// A part that was found to be visible ASCII.
fn text(bytes: &[u8], range: Range<usize>) -> &str {
    let part = bytes.get(range).unwrap_or_default();
    core::str::from_utf8(part).unwrap_or_default()
}

/// What the next byte can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The method, or the one empty line that may stand before it.
    Start,
    EmptyLine,
    AfterEmptyLine,
    Method,
    Target,
    /// The version's byte of this index; in a response, what begins it.
    Version(u8),
    /// The status code's byte of this index.
    Status(u8),
    Reason,
    StartLineFeed,
    FieldLine,
    Name,
    Value,
    ValueLineFeed,
    LastLineFeed,
    Done,
}

/// Judges bytes without keeping them.
#[derive(Debug)]
struct Scanner {
    state: State,
    /// What remains of the limits.
    left: HeadLimits,
    /// How many bytes have been looked at.
    at: usize,
    marks: Marks,
}

impl Scanner {
    /// Looks at `input`, up to the end of the head. Gives the number of bytes
    /// that belong to it.
    fn scan(&mut self, input: &[u8]) -> Result<usize, HeadError> {
        let mut rest = input;
        while self.state != State::Done {
            rest = self.skip_run(rest)?;
            let Some((&byte, tail)) = rest.split_first() else {
                break;
            };
            self.step(byte)?;
            rest = tail;
        }
        Ok(input.len() - rest.len())
    }

    /// Passes over the bytes that leave the state as it is.
    fn skip_run<'b>(&mut self, input: &'b [u8]) -> Result<&'b [u8], HeadError> {
        let class = match self.state {
            State::Method | State::Name => Class::Token,
            State::Target => Class::Target,
            State::Value | State::Reason => Class::Value,
            _ => return Ok(input),
        };
        let end = class.run(input);
        self.count(end)?;
        self.at += end;
        Ok(input.get(end..).unwrap_or_default())
    }

    /// Takes in one byte: the only place where the state changes.
    fn step(&mut self, byte: u8) -> Result<(), HeadError> {
        if self.in_section() || !matches!(byte, b'\r' | b'\n') {
            self.count(1)?;
        }
        self.state = match (self.state, byte) {
            (State::Start, b'\r') => State::EmptyLine,
            (State::EmptyLine, b'\n') => State::AfterEmptyLine,
            (State::AfterEmptyLine, b'\r') => return Err(HeadError::EmptyLines),
            (State::Start | State::AfterEmptyLine, byte) => self.start(byte)?,
            (State::Method, b' ') => {
                self.marks.method_end = self.at;
                State::Target
            }
            (State::Method, _) => return Err(HeadError::Method),
            (State::Target, byte) => self.end_target(byte)?,
            (State::Version(index), byte) => self.version(index, byte)?,
            (State::Status(index), byte) => self.status(index, byte)?,
            (State::Reason, b'\r') => State::StartLineFeed,
            (State::Reason, byte) => return Err(line_end_or(byte, HeadError::Reason)),
            (State::StartLineFeed, b'\n') => self.end_start_line()?,
            (State::FieldLine, b'\r') => State::LastLineFeed,
            (State::FieldLine, byte) => self.field_line(byte)?,
            (State::Name, b':') => State::Value,
            (State::Name, _) => return Err(HeadError::FieldName),
            (State::Value, b'\r') => State::ValueLineFeed,
            (State::Value, byte) => return Err(line_end_or(byte, HeadError::FieldValue)),
            (State::ValueLineFeed, b'\n') => State::FieldLine,
            (State::LastLineFeed, b'\n') => State::Done,
            (_, _) => return Err(HeadError::LineEnd),
        };
        self.at += 1;
        Ok(())
    }

    fn start(&mut self, byte: u8) -> Result<State, HeadError> {
        if !is_token_byte(byte) {
            return Err(line_end_or(byte, HeadError::Method));
        }
        self.marks.start = self.at;
        Ok(State::Method)
    }

    fn end_target(&mut self, byte: u8) -> Result<State, HeadError> {
        if byte != b' ' {
            // A line that ends here is one without a version.
            let is_end = matches!(byte, b'\r' | b'\n');
            return Err(if is_end {
                HeadError::Version
            } else {
                HeadError::Target
            });
        }
        if self.at == self.marks.method_end + 1 {
            return Err(HeadError::Target);
        }
        self.marks.target_end = self.at;
        Ok(State::Version(0))
    }

    fn version(&mut self, index: u8, byte: u8) -> Result<State, HeadError> {
        let [major, minor] = &mut self.marks.version;
        match (index, byte) {
            (0, b'H') | (1 | 2, b'T') | (3, b'P') | (4, b'/') | (6, b'.') => {}
            (5, b'0'..=b'9') => *major = byte,
            (7, b'0'..=b'9') => *minor = byte,
            // Only a request has read a method before.
            (8, b'\r') if self.marks.method_end > 0 => return Ok(State::StartLineFeed),
            (8, b' ') if self.marks.method_end == 0 => return Ok(State::Status(0)),
            (8, b'\n') => return Err(HeadError::LineEnd),
            _ => return Err(HeadError::Version),
        }
        Ok(State::Version(index + 1))
    }

    fn status(&mut self, index: u8, byte: u8) -> Result<State, HeadError> {
        match (index, byte) {
            (0, b'1'..=b'9') | (1 | 2, b'0'..=b'9') => {
                self.marks.status = self.marks.status * 10 + u16::from(byte - b'0');
                Ok(State::Status(index + 1))
            }
            // RFC 9112 section 4: "A server MUST send the space that separates
            // the status-code from the reason-phrase even when the
            // reason-phrase is absent".
            (3, b' ') => Ok(State::Reason),
            _ => Err(HeadError::Status),
        }
    }

    fn end_start_line(&mut self) -> Result<State, HeadError> {
        if self.marks.version.first() != Some(&b'1') {
            return Err(HeadError::UnsupportedVersion);
        }
        self.marks.fields = self.at + 1;
        Ok(State::FieldLine)
    }

    fn field_line(&mut self, byte: u8) -> Result<State, HeadError> {
        if !is_token_byte(byte) {
            let is_fold = matches!(byte, b' ' | b'\t');
            let other = line_end_or(byte, HeadError::FieldName);
            return Err(if is_fold { HeadError::Fold } else { other });
        }
        let left = self.left.fields.checked_sub(1);
        self.left.fields = left.ok_or(HeadError::TooManyFields)?;
        Ok(State::Name)
    }

    const fn in_section(&self) -> bool {
        self.marks.fields > 0
    }

    /// Holds `bytes` more against the limit they fall under.
    fn count(&mut self, bytes: usize) -> Result<(), HeadError> {
        let (left, error) = if self.in_section() {
            (&mut self.left.section, HeadError::HeadTooLarge)
        } else {
            (&mut self.left.line, HeadError::LineTooLong)
        };
        let Some(rest) = left.checked_sub(bytes) else {
            // The first byte beyond the limit is the one that breaks it.
            self.at += *left;
            return Err(error);
        };
        *left = rest;
        Ok(())
    }
}

/// A line feed that no carriage return came before, or else `error`.
fn line_end_or(byte: u8, error: HeadError) -> HeadError {
    match byte {
        b'\n' => HeadError::LineEnd,
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;
    use proptest::prelude::*;

    const LIMITS: HeadLimits = HeadLimits {
        line: 64,
        section: 256,
        fields: 4,
    };

    /// What a head comes to, and the number of bytes looked at for it.
    type Outcome = (Result<Option<(String, usize)>, HeadError>, usize);

    fn read(mut reader: Reader, chunks: &[&[u8]]) -> Outcome {
        let mut before = 0;
        for chunk in chunks {
            match reader.read(chunk) {
                Read::Partial => before += chunk.len(),
                Read::Complete(head, taken) => {
                    let text = format!(
                        "{} {} {:?} {} {:?}",
                        head.method(),
                        head.target(),
                        head.version(),
                        head.status(),
                        head.fields(),
                    );
                    return (Ok(Some((text, before + taken))), reader.scanner.at);
                }
                Read::Malformed(error) => return (Err(error), reader.scanner.at),
            }
        }
        (Ok(None), reader.scanner.at)
    }

    fn request(bytes: &[u8]) -> Outcome {
        let expected = read(Reader::request(LIMITS), &[bytes]);
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(
                read(Reader::request(LIMITS), &[a, b]),
                expected,
                "cut at {cut}"
            );
        }
        expected
    }

    fn response(bytes: &[u8]) -> Outcome {
        read(Reader::response(LIMITS), &[bytes])
    }

    #[test]
    fn request_heads_are_taken_apart() {
        let (head, _) = request(b"\r\nGET /a?b HTTP/1.1\r\nHost:  h \r\nX:\r\n\r\nrest");
        let text = r#"GET /a?b Http11 0 {"Host": "h", "X": ""}"#;
        assert_eq!(head, Ok(Some((String::from(text), 38))));
    }

    #[test]
    fn response_heads_are_taken_apart() {
        let (head, _) = response(b"HTTP/1.1 101 \r\nA: b\r\n\r\nrest");
        let text = r#"  Http11 101 {"A": "b"}"#;
        assert_eq!(head, Ok(Some((String::from(text), 23))));
    }

    #[test]
    fn h36_errors_come_at_the_first_impossible_byte() {
        let cases: [(&[u8], HeadError, usize); 22] = [
            (b"\x16\x03\x01", HeadError::Method, 0),
            (b"\n", HeadError::LineEnd, 0),
            (b"\r\n\r\n", HeadError::EmptyLines, 2),
            (b"\r\rG", HeadError::LineEnd, 1),
            (b"GE\xc3T", HeadError::Method, 2),
            (b"GET  /", HeadError::Target, 4),
            (b"GET /\xc3\xa4", HeadError::Target, 5),
            (b"GET /a#f", HeadError::Target, 6),
            (b"GET /\r\n", HeadError::Version, 5),
            (b"GET / http/1.1", HeadError::Version, 6),
            (b"GET / HTTP/1.10", HeadError::Version, 14),
            (b"GET / HTTP/1.\r", HeadError::Version, 13),
            (b"GET / HTTP/1.1\n", HeadError::LineEnd, 14),
            (b"PRI * HTTP/2.0\r\n", HeadError::UnsupportedVersion, 15),
            (b"GET / HTTP/1.1\r\n \r\n", HeadError::Fold, 16),
            (b"GET / HTTP/1.1\r\n:\r\n", HeadError::FieldName, 16),
            (b"GET / HTTP/1.1\r\nA : b", HeadError::FieldName, 17),
            (b"GET / HTTP/1.1\r\nA\r\n", HeadError::FieldName, 17),
            (b"GET / HTTP/1.1\r\nA: b\n", HeadError::LineEnd, 20),
            (b"GET / HTTP/1.1\r\nA: b\rC", HeadError::LineEnd, 21),
            (b"GET / HTTP/1.1\r\nA: \x7f", HeadError::FieldValue, 19),
            (b"GET / HTTP/1.1\r\nA: b\r\n\rX", HeadError::LineEnd, 23),
        ];
        for (bytes, error, at) in cases {
            assert_eq!(request(bytes), (Err(error), at), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn c03_c13_malformed_status_lines() {
        let cases: [(&[u8], HeadError, usize); 9] = [
            (b"SSH-2.0-x", HeadError::Version, 0),
            (b"\r\nHTTP/1.1", HeadError::Version, 0),
            (b"HTTP/2 101", HeadError::Version, 6),
            (b"HTTP/2.0 101 \r\n", HeadError::UnsupportedVersion, 14),
            (b"HTTP/1.1 0101 ", HeadError::Status, 9),
            (b"HTTP/1.1 99 ", HeadError::Status, 11),
            (b"HTTP/1.1 1000 ", HeadError::Status, 12),
            (b"HTTP/1.1 101\r\n", HeadError::Status, 12),
            (b"HTTP/1.1 101 a\0", HeadError::Reason, 14),
        ];
        for (bytes, error, at) in cases {
            assert_eq!(
                response(bytes),
                (Err(error), at),
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn h19_h21_limits_hold_to_the_byte() {
        let line = |target: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(target));
        // 14 bytes of the line are not the target's letters.
        assert_eq!(request(line(50).as_bytes()).0, Ok(None));
        assert_eq!(
            request(line(51).as_bytes()),
            (Err(HeadError::LineTooLong), 64)
        );

        let fields = |value: usize| format!("GET / HTTP/1.1\r\nA:{}\r\n\r\n", "b".repeat(value));
        assert!(matches!(request(fields(250).as_bytes()).0, Ok(Some(_))));
        assert_eq!(
            request(fields(251).as_bytes()).0,
            Err(HeadError::HeadTooLarge)
        );
        assert_eq!(
            request(fields(900).as_bytes()).0,
            Err(HeadError::HeadTooLarge)
        );

        let many = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A:b\r\n".repeat(count));
        assert!(matches!(request(many(4).as_bytes()).0, Ok(Some(_))));
        assert_eq!(
            request(many(5).as_bytes()),
            (Err(HeadError::TooManyFields), 36)
        );
    }

    #[test]
    fn h20_every_byte_is_looked_at_once_and_storage_at_most_doubles() {
        let limits = HeadLimits {
            line: 8_192,
            section: 16_384,
            fields: 100,
        };
        let mut reader = Reader::request(limits);
        let head = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(16_377));
        let mut reallocations = 0;
        for (index, byte) in head.bytes().enumerate() {
            let capacity = reader.bytes.capacity();
            let read = reader.read(&[byte]);
            // The scanner counts what it looks at, and holds no other bytes.
            assert_eq!(reader.scanner.at, index + 1);
            if let Read::Complete(..) = read {
                assert_eq!(index + 1, head.len());
                return;
            }
            reallocations += u32::from(reader.bytes.capacity() != capacity);
            assert!(reader.bytes.capacity() <= (2 * index).max(8), "at {index}");
            assert!(reallocations <= 14);
        }
        panic!("the head is complete");
    }

    proptest! {
        #[test]
        fn h20_any_split_of_a_head_reads_the_same(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "GET ", "/", "a", " ", "HTTP/1.1", "HTTP/1.0", "\r\n", "\r", "\n", ":",
                    "A: b\r\n", "Host: h\r\n", "\t", "\u{e4}", "\0", "GET / HTTP/1.1\r\n",
                ]),
                0..16,
            ),
            cuts in prop::collection::vec(0_usize..200, 0..4),
        ) {
            let bytes = parts.concat().into_bytes();
            let expected = read(Reader::request(LIMITS), &[&bytes]);
            let mut cuts: vec::Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let mut from = 0;
            let chunks: vec::Vec<_> = cuts
                .iter()
                .map(|&to| &bytes[core::mem::replace(&mut from, to)..to])
                .collect();
            prop_assert_eq!(read(Reader::request(LIMITS), &chunks), expected);
        }
    }
}
