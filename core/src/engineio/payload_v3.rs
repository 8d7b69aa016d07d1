//! The lengths in payloads of version 3.
//!
//! In text each packet follows `<n>:`, where n counts UTF-16 code units, as
//! JavaScript does. In a binary payload a byte comes first that tells text (0)
//! from binary (1), then the digits of the length in bytes as the values 0 to 9,
//! and a byte ff. Engine.IO protocol, version 3, "Payload".

use alloc::vec::Vec;

use super::packet::{Data, MESSAGE};
use super::payload::Span;
use super::{Packet, PayloadRule, Version};
use crate::Kind;
use crate::http::write::decimal;

/// Where the first packet of a text payload lies.
pub(super) fn text_span(body: &[u8]) -> Result<Span, PayloadRule> {
    let (units, start) = length(body, b'0', b':')?;
    let text = body.get(start..).unwrap_or_default();
    let bytes = bytes_of(text, units)?;
    Ok(Span::text(start, start + bytes))
}

/// Where the first packet of a binary payload lies, if the body is that long.
pub(super) fn binary_span(body: &[u8]) -> Result<Span, PayloadRule> {
    let (kind, head) = match body {
        [0, head @ ..] => (Kind::Text, head),
        [1, head @ ..] => (Kind::Binary, head),
        [_, ..] => return Err(PayloadRule::Kind),
        [] => return Err(PayloadRule::Length),
    };
    let (bytes, start) = length(head, 0, 0xff)?;
    Ok(Span {
        kind,
        start: 1 + start,
        end: 1 + start + bytes,
    })
}

/// The length that `head` begins with, and where what it counts begins.
fn length(head: &[u8], zero: u8, end: u8) -> Result<(usize, usize), PayloadRule> {
    let mut length = 0;
    for (at, &byte) in head.iter().enumerate().take(MAX_DIGITS + 1) {
        if byte == end && length > 0 {
            return Ok((length, at + 1));
        }
        let digit = byte.wrapping_sub(zero);
        if digit > 9 || (digit == 0 && length == 0) || at == MAX_DIGITS {
            break;
        }
        length = length * 10 + usize::from(digit);
    }
    Err(PayloadRule::Length)
}

/// How many bytes at the start of `text` make so many UTF-16 code units.
///
/// Of text that is not UTF-8 it says something or other: that is found when the
/// packet is read.
fn bytes_of(text: &[u8], units: usize) -> Result<usize, PayloadRule> {
    let mut end = 0;
    let mut missing = units;
    // A unit takes a byte at least, and a byte out of three at least begins one,
    // so that a few rounds are enough for any length.
    while missing > 0 {
        let next = text.get(end..end + missing).ok_or(PayloadRule::Short)?;
        end += missing;
        missing = missing
            .checked_sub(units_in(next))
            .ok_or(PayloadRule::Surrogate)?;
    }
    let tail = text.get(end..).unwrap_or_default();
    let tail = tail.iter().take_while(|&&byte| !is_first(byte));
    Ok(end + tail.count())
}

/// How many UTF-16 code units the characters make that begin in `text`.
fn units_in(text: &[u8]) -> usize {
    let units = |&byte: &u8| usize::from(is_first(byte)) + usize::from(byte >= 0xf0);
    text.iter().map(units).sum()
}

/// Whether a character begins with this byte.
const fn is_first(byte: u8) -> bool {
    !matches!(byte, 0x80..=0xbf)
}

/// Appends a packet to a text payload.
pub(super) fn push_text(packet: &Packet<'_>, out: &mut Vec<u8>) {
    decimal(out, units(packet));
    out.push(b':');
    packet.encode_text(Version::V3, out);
}

/// How many bytes [`push_text`] appends.
pub(super) fn text_len(packet: &Packet<'_>) -> usize {
    digits(units(packet)) + 1 + packet.encoded_len(Version::V3)
}

/// Appends a packet to a binary payload.
pub(super) fn push_binary(packet: &Packet<'_>, out: &mut Vec<u8>) {
    push_head(packet.kind(), binary_data_len(packet), out);
    match packet.data() {
        Data::Text(..) => packet.encode_text(Version::V3, out),
        Data::Binary(bytes) => {
            out.push(MESSAGE);
            out.extend_from_slice(bytes);
        }
    }
}

/// How many bytes [`push_binary`] appends.
pub(super) fn binary_len(packet: &Packet<'_>) -> usize {
    let data = binary_data_len(packet);
    1 + digits(data) + 1 + data
}

/// A text payload of ours in the binary form, which has `len` bytes.
pub(super) fn into_binary(mut text: &[u8], len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len);
    while let Ok(Span { start, end, .. }) = text_span(text) {
        push_head(Kind::Text, end - start, &mut out);
        out.extend_from_slice(text.get(start..end).unwrap_or_default());
        text = text.get(end..).unwrap_or_default();
    }
    out
}

fn push_head(kind: Kind, len: usize, out: &mut Vec<u8>) {
    out.push(u8::from(kind == Kind::Binary));
    let start = out.len();
    decimal(out, len);
    for digit in out.iter_mut().skip(start) {
        *digit -= b'0';
    }
    out.push(0xff);
}

/// The length of a packet in a text payload.
fn units(packet: &Packet<'_>) -> usize {
    match packet.data() {
        Data::Text(_, text) => 1 + units_in(text.as_bytes()),
        Data::Binary(_) => packet.encoded_len(Version::V3),
    }
}

/// The length of a packet in a binary payload.
fn binary_data_len(packet: &Packet<'_>) -> usize {
    match packet.data() {
        Data::Text(_, text) => 1 + text.len(),
        Data::Binary(bytes) => 1 + bytes.len(),
    }
}

/// How many decimal digits a length has, which is not zero.
fn digits(length: usize) -> usize {
    length.checked_ilog10().unwrap_or(0) as usize + 1
}

/// As many as any body that can be sent needs.
const MAX_DIGITS: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn units_are_counted_as_the_standard_library_does() {
        let text = "a\u{e4}\u{20ac}\u{1f600}".repeat(3);
        for (at, _) in text.char_indices() {
            let (before, rest) = text.split_at(at);
            let units = before.encode_utf16().count();
            assert_eq!(units_in(before.as_bytes()), units);
            assert_eq!(bytes_of(text.as_bytes(), units), Ok(at));
            if rest.starts_with('\u{1f600}') {
                let inside = bytes_of(text.as_bytes(), units + 1);
                assert_eq!(inside, Err(PayloadRule::Surrogate));
            }
        }
        let all = text.encode_utf16().count();
        assert_eq!(bytes_of(text.as_bytes(), all), Ok(text.len()));
        assert_eq!(bytes_of(text.as_bytes(), all + 1), Err(PayloadRule::Short));
    }

    #[test]
    fn lengths_have_one_spelling() {
        let length = |text: &str| length(text.as_bytes(), b'0', b':');
        assert_eq!(length("1:"), Ok((1, 2)));
        assert_eq!(length("999999999:"), Ok((999_999_999, 10)));
        for text in [
            "",
            ":",
            "0:",
            "01:",
            "1",
            "1234567890:",
            "+1:",
            "1e0:",
            " 1:",
            "1 :",
        ] {
            assert_eq!(length(text), Err(PayloadRule::Length), "{text}");
        }
        assert_eq!(
            length(&String::from("9").repeat(1 << 20)),
            Err(PayloadRule::Length)
        );
    }
}
