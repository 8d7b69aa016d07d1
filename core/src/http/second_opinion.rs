//! httparse as a second opinion on heads: what is taken here, it takes as well,
//! and finds the same parts. It may take more; this may not.

use alloc::vec::Vec;
use proptest::prelude::*;

use super::head::{Head, HeadLimits, Read, Reader};

const LIMITS: HeadLimits = HeadLimits {
    line: 256,
    section: 1024,
    fields: 16,
};

const REQUEST: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: h\r\nX:\ty z \r\nE:\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Go on\r\nUpgrade: w\r\nX:\ty z \r\nE:\r\n\r\n";

/// Whether the request was taken.
fn request(bytes: &[u8]) -> bool {
    let Read::Complete(head, taken) = Reader::request(LIMITS).read(bytes) else {
        return false;
    };
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Request::new(&mut fields);
    let status = parsed.parse(&bytes[..taken]);
    if !is_known(&bytes[..taken], status, taken) {
        assert_eq!(parsed.method, Some(head.method()));
        assert_eq!(parsed.path, Some(head.target()));
        assert_fields(&head, parsed.headers);
    }
    true
}

/// Whether the response was taken.
fn response(bytes: &[u8]) -> bool {
    let Read::Complete(head, taken) = Reader::response(LIMITS).read(bytes) else {
        return false;
    };
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Response::new(&mut fields);
    let status = parsed.parse(&bytes[..taken]);
    if !is_known(&bytes[..taken], status, taken) {
        assert_eq!(parsed.code, Some(head.status()));
        assert_fields(&head, parsed.headers);
    }
    true
}

fn assert_fields(head: &Head, parsed: &[httparse::Header<'_>]) {
    let fields: Vec<_> = head.fields().collect();
    let expected: Vec<_> = parsed.iter().map(|it| (it.name, it.value)).collect();
    assert_eq!(fields, expected);
}

/// Whether this is the one difference there is. RFC 9110 section 2.5: a later
/// minor version is to be processed "as if it was in the highest minor version".
fn is_known(
    bytes: &[u8],
    status: Result<httparse::Status<usize>, httparse::Error>,
    taken: usize,
) -> bool {
    match status {
        Ok(status) => {
            assert_eq!(status, httparse::Status::Complete(taken));
            false
        }
        Err(error) => {
            assert_eq!(error, httparse::Error::Version, "{}", bytes.escape_ascii());
            let mut versions = bytes.windows(8).filter(|it| it.starts_with(b"HTTP/1."));
            assert!(versions.any(|it| matches!(it[7], b'2'..=b'9')));
            true
        }
    }
}

/// Every head that differs from `head` in one byte: another one, one more, one
/// less.
fn neighbours(head: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..=head.len()).flat_map(move |at| {
        let (before, after) = head.split_at(at);
        let rest = after.get(1..).unwrap_or_default();
        let bytes = (0..=u8::MAX)
            .flat_map(move |byte| [after, rest].map(|after| [before, &[byte], after].concat()));
        bytes.chain([[before, rest].concat()])
    })
}

#[test]
fn heads_with_one_byte_changed_are_taken_by_both_or_refused_here() {
    for (is_taken, head) in [
        (request as fn(&[u8]) -> bool, REQUEST),
        (response, RESPONSE),
    ] {
        assert!(is_taken(head));
        let taken = neighbours(head).filter(|head| is_taken(head)).count();
        let all = neighbours(head).count();
        // Names, values and the like may differ; nothing else may.
        assert!(taken > 1000 && taken < all - 1000, "{taken} of {all}");
    }
}

proptest! {
    #[test]
    fn heads_of_any_parts_are_taken_by_both_or_refused_here(
        parts in prop::collection::vec(
            prop::sample::select(Vec::from([
                "GET ", "/", "a", " ", "HTTP/1.1", "HTTP/1.0 101 ", "HTTP/1.1 200 OK\r\n",
                "\r\n", "\r", "\n", ":", "A: b\r\n", "Host: h\r\n", "\t", "\u{e4}", "\0",
                "GET / HTTP/1.1\r\n", "X:\t y\t \r\n",
            ])),
            0..16,
        ),
    ) {
        let bytes = parts.concat().into_bytes();
        request(&bytes);
        response(&bytes);
    }
}
