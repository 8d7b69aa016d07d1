//! The body of a refusal, kept up to a limit, RFC 9112 sections 6.3 and 7.1.

use alloc::vec::Vec;
use core::fmt;

use crate::http::head::Head;
use crate::http::header;

/// A body that is arriving.
pub(super) struct Body {
    framing: Framing,
    limit: usize,
    bytes: Vec<u8>,
    is_cut: bool,
}

/// What ends the body.
#[derive(Debug)]
enum Framing {
    /// This many more bytes.
    Length(u64),
    Chunked(Chunk),
    Eof,
}

/// What the next byte of a chunked body is part of.
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// The line with the size, of which this many bytes have come.
    Size {
        size: u64,
        length: u8,
    },
    /// An extension after the size.
    Extension {
        size: u64,
        length: u8,
    },
    SizeLineFeed(u64),
    Data(u64),
    DataReturn,
    DataLineFeed,
}

impl Body {
    /// The body that follows `head`; `None` if none does.
    pub(super) fn new(head: &Head, limit: usize) -> Option<Self> {
        let framing = match head.status() {
            204 | 304 => return None,
            _ => Framing::new(head),
        };
        if let Framing::Length(0) = framing {
            return None;
        }
        Some(Self {
            framing,
            limit,
            bytes: Vec::new(),
            is_cut: false,
        })
    }

    /// Takes in more of it. Gives whether that was all that will be kept.
    pub(super) fn read(&mut self, input: &[u8]) -> bool {
        match &mut self.framing {
            Framing::Eof => self.keep(input),
            Framing::Length(left) => {
                let (data, left) = take(input, left);
                self.keep(data) || left == 0
            }
            Framing::Chunked(chunk) => {
                let chunk = *chunk;
                self.read_chunks(chunk, input)
            }
        }
    }

    /// Takes note that no more will come. Gives the bytes, and whether some
    /// are missing.
    pub(super) fn finish(self, is_eof: bool) -> (Vec<u8>, bool) {
        let is_complete = matches!(self.framing, Framing::Eof) && is_eof;
        (self.bytes, !is_complete)
    }

    /// The bytes of a body that is complete, and whether some were cut off.
    pub(super) fn into_parts(self) -> (Vec<u8>, bool) {
        (self.bytes, self.is_cut)
    }

    fn read_chunks(&mut self, mut chunk: Chunk, mut input: &[u8]) -> bool {
        loop {
            if let Chunk::Data(left) = &mut chunk {
                let (data, left) = take(input, left);
                if self.keep(data) {
                    return true;
                }
                input = input.get(data.len()..).unwrap_or_default();
                if left == 0 {
                    chunk = Chunk::DataReturn;
                }
            }
            let Some((&byte, rest)) = input.split_first() else {
                self.framing = Framing::Chunked(chunk);
                return false;
            };
            input = rest;
            chunk = match chunk.step(byte) {
                Some(Chunk::Data(0)) => return true,
                Some(next) => next,
                None => {
                    self.is_cut = true;
                    return true;
                }
            };
        }
    }

    /// Keeps what the limit allows. Gives whether it was passed.
    fn keep(&mut self, data: &[u8]) -> bool {
        let room = self.limit.saturating_sub(self.bytes.len());
        let kept = data.get(..room);
        self.bytes.extend_from_slice(kept.unwrap_or(data));
        self.is_cut |= data.len() > room;
        self.is_cut
    }
}

impl fmt::Debug for Body {
    /// Gives the number of bytes: what they say is not for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("framing", &self.framing)
            .field("kept", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Framing {
    /// RFC 9112 section 6.3, read leniently: the status has been understood,
    /// and the connection carries nothing after the body, so whatever is
    /// unclear goes on until the transport ends.
    fn new(head: &Head) -> Self {
        let fields = head.fields();
        let mut encodings = fields.named("transfer-encoding").flat_map(header::elements);
        if let Some(first) = encodings.next() {
            let is_chunked = first.eq_ignore_ascii_case(b"chunked") && encodings.next().is_none();
            let first_size = Chunk::Size { size: 0, length: 0 };
            return if is_chunked {
                Self::Chunked(first_size)
            } else {
                Self::Eof
            };
        }
        let mut lengths = fields.named("content-length").flat_map(header::elements);
        let first = lengths.next();
        match first.and_then(parse_length) {
            Some(length) if lengths.all(|other| Some(other) == first) => Self::Length(length),
            _ => Self::Eof,
        }
    }
}

impl Chunk {
    /// The state after a byte that is not data; `None` if it does not fit.
    /// `Data(0)` is the last chunk.
    fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Size { size, length: 1.. } | Self::Extension { size, .. }, b'\r') => {
                Some(Self::SizeLineFeed(size))
            }
            (Self::Size { size, length: 1.. }, b';' | b' ' | b'\t') => {
                Some(Self::Extension { size, length: 0 })
            }
            (Self::Size { size, length }, byte) => {
                let digit = char::from(byte).to_digit(16)?;
                let size = size.checked_mul(16)? + u64::from(digit);
                let length = length.checked_add(1)?;
                Some(Self::Size { size, length })
            }
            (Self::Extension { size, length }, byte) if header::is_value_byte(byte) => {
                let length = length.checked_add(1)?;
                Some(Self::Extension { size, length })
            }
            (Self::SizeLineFeed(size), b'\n') => Some(Self::Data(size)),
            (Self::DataReturn, b'\r') => Some(Self::DataLineFeed),
            (Self::DataLineFeed, b'\n') => Some(Self::Size { size: 0, length: 0 }),
            _ => None,
        }
    }
}

/// Splits off what of `input` belongs to the `left` bytes, and counts them.
fn take<'b>(input: &'b [u8], left: &mut u64) -> (&'b [u8], u64) {
    let length = usize::try_from(*left).unwrap_or(usize::MAX);
    let data = input.get(..length).unwrap_or(input);
    *left -= data.len() as u64;
    (data, *left)
}

fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::{Read, Reader};
    use crate::websocket::handshake::Limits;
    use alloc::format;

    const LIMIT: usize = 8;

    fn body(fields: &str) -> Option<Body> {
        let text = format!("HTTP/1.1 404 \r\n{fields}\r\n");
        match Reader::response(Limits::default().head()).read(text.as_bytes()) {
            Read::Complete(head, _) => Body::new(&head, LIMIT),
            other => panic!("{other:?}"),
        }
    }

    /// What is kept of `input`, whether bytes are missing, and whether the end
    /// is known without the transport's.
    fn read(fields: &str, input: &[u8]) -> (Vec<u8>, bool, bool) {
        let whole = read_in(fields, &[input]);
        for cut in 0..=input.len() {
            let (a, b) = input.split_at(cut);
            assert_eq!(read_in(fields, &[a, b]), whole, "cut at {cut}");
        }
        whole
    }

    fn read_in(fields: &str, chunks: &[&[u8]]) -> (Vec<u8>, bool, bool) {
        let mut body = body(fields).unwrap();
        for chunk in chunks {
            if body.read(chunk) {
                let (bytes, is_cut) = body.into_parts();
                return (bytes, is_cut, true);
            }
        }
        let (bytes, is_cut) = body.finish(true);
        (bytes, is_cut, false)
    }

    #[test]
    fn c03_bodies_end_where_their_framing_says() {
        let chunked = "Transfer-Encoding: chunked\r\n";
        for (fields, input, kept, is_cut, is_ended) in [
            ("", "abc", "abc", false, false),
            ("", "abcdefgh", "abcdefgh", false, false),
            ("", "abcdefghi", "abcdefgh", true, true),
            ("Content-Length: 3\r\n", "abcd", "abc", false, true),
            ("Content-Length: 8\r\n", "abcdefgh", "abcdefgh", false, true),
            ("Content-Length: 9\r\n", "abcdefghi", "abcdefgh", true, true),
            ("Content-Length: 3\r\n", "ab", "ab", true, false),
            ("Content-Length: 3, 3\r\n", "abc", "abc", false, true),
            ("Content-Length: 3, 4\r\n", "abcd", "abcd", false, false),
            ("Content-Length: +3\r\n", "abcd", "abcd", false, false),
            (
                "Transfer-Encoding: gzip, chunked\r\n",
                "ab",
                "ab",
                false,
                false,
            ),
            (chunked, "3\r\nabc\r\n0\r\n", "abc", false, true),
            (
                chunked,
                "3;x=y\r\nabc\r\n2 \r\nde\r\n000\r\nX",
                "abcde",
                false,
                true,
            ),
            (chunked, "8\r\nabcdefgh\r\n1\r\ni", "abcdefgh", true, true),
            (chunked, "A\r\nabcdefghij", "abcdefgh", true, true),
            (chunked, "3\r\nab", "ab", true, false),
            (chunked, "3\r\nabcd", "abc", true, true),
            (chunked, "x", "", true, true),
            (chunked, "\r\n", "", true, true),
            (chunked, "3\n", "", true, true),
            (chunked, "ffffffffffffffffff\r\n", "", true, true),
        ] {
            let expected = (Vec::from(kept), is_cut, is_ended);
            assert_eq!(read(fields, input.as_bytes()), expected, "{fields}{input}");
        }
    }

    #[test]
    fn c03_an_empty_body_is_not_waited_for() {
        assert!(body("Content-Length: 0\r\n").is_none());
    }

    #[test]
    fn c03_chunk_extensions_are_bounded() {
        let endless = format!("1;{}", "x".repeat(300));
        let (_, is_cut, is_ended) = read("Transfer-Encoding: chunked\r\n", endless.as_bytes());
        assert!(is_cut && is_ended);
    }
}
