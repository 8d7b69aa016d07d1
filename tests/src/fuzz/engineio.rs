//! Payloads of Engine.IO under any bytes, with a second opinion: a reader that
//! is as simple as can be, and shares no code with the library.

use sockeye::engineio::{Open, Packet, Packets, Payload, Version};
use sockeye::{Kind, Message};

use super::Choices;
use crate::alloc::{Usage, measure};
use crate::engineio::{MAX_PACKETS, decode, encode};

/// Reads a payload, of which the first byte chooses the version, the kind and
/// the limit, and writes what was in it.
///
/// # Panics
///
/// If something follows an error, storage is taken, what is written is not read
/// as the same, or the other reader finds something else.
pub fn engineio_payload(data: &[u8]) {
    let mut choices = Choices(data);
    let flags = choices.byte();
    let body = choices.0;
    let version = if flags & 1 == 0 {
        Version::V4
    } else {
        Version::V3
    };
    let kind = if flags & 2 == 0 {
        Kind::Text
    } else {
        Kind::Binary
    };
    let max_packets = if flags & 4 == 0 { MAX_PACKETS } else { 3 };

    let mut read = body.to_vec();
    let (packets, error) = decode(version, kind, &mut read, max_packets);
    assert!(packets.len() <= max_packets);
    assert!(
        error.is_none_or(|error| error.offset <= body.len()),
        "{error:?}"
    );
    assert_eq!(
        error.is_none(),
        Simple::is_whole(version, kind, body, &packets)
    );

    let mut again = body.to_vec();
    let (count, usage) = measure(|| {
        let packets = Packets::new(version, kind, &mut again, max_packets);
        packets.filter(Result::is_ok).count()
    });
    assert_eq!((count, usage), (packets.len(), Usage::default()));

    for version in [Version::V3, Version::V4] {
        // What version 3 carries may be too much for version 4.
        let fits = |packet: &&Packet<'_>| Payload::check(version, packet).is_ok();
        let packets: Vec<_> = packets.iter().filter(fits).cloned().collect();
        for takes in [Kind::Text, Kind::Binary] {
            let written = encode(version, takes, &packets);
            let kind = written.kind();
            let mut body = written.into_body();
            let (read, error) = decode(version, kind, &mut body, MAX_PACKETS);
            assert_eq!(read, packets);
            assert_eq!(error.is_none(), !packets.is_empty());
        }
    }
    for packet in &packets {
        judge(version, packet);
    }
}

/// A packet comes through a WebSocket as it is, and what opens a session is
/// written as it was read.
fn judge(version: Version, packet: &Packet<'_>) {
    let mut out = Vec::new();
    let message = match packet.encode_message(version, &mut out) {
        Kind::Text => Message::from(String::from_utf8(out).expect("text")),
        Kind::Binary => Message::from(out),
    };
    assert_eq!(Packet::from_message(version, message).as_ref(), Ok(packet));
    if let Packet::Open(json) = packet {
        if let Ok(open) = Open::parse(json) {
            assert_eq!(Open::parse(&open.to_json()), Ok(open));
        }
    }
}

/// The input of a fuzzer for a payload of a table.
pub fn payload_seed(version: Version, kind: Kind, body: &[u8]) -> Vec<u8> {
    let flags = u8::from(version == Version::V3) | u8::from(kind == Kind::Binary) << 1;
    [&[flags], body].concat()
}

/// What is left of a payload to a reader that takes its time.
struct Simple<'b>(&'b [u8]);

impl<'b> Simple<'b> {
    /// Whether a body is these packets, and nothing else.
    fn is_whole(version: Version, kind: Kind, body: &'b [u8], packets: &[Packet<'_>]) -> bool {
        let mut rest = Some(Self(body));
        for packet in packets {
            let mut this = rest.expect("no packet behind the end");
            let (is_binary, bytes) = this.next(version, kind).expect("a packet");
            assert!(is_same(version, is_binary, bytes, packet), "{packet:?}");
            rest = match (version, this.0) {
                (Version::V4, [0x1e, behind @ ..]) => Some(Self(behind)),
                (_, []) => None,
                (_, behind) => Some(Self(behind)),
            };
        }
        rest.is_none()
    }

    /// The bytes of a packet, and whether they are binary.
    fn next(&mut self, version: Version, kind: Kind) -> Option<(bool, &'b [u8])> {
        let (is_binary, head, len) = match (version, kind) {
            (Version::V4, _) => {
                let end = self.0.iter().position(|&byte| byte == 0x1e);
                (false, 0, end.unwrap_or(self.0.len()))
            }
            (Version::V3, Kind::Text) => {
                let colon = self.0.iter().position(|&byte| byte == b':')?;
                let units: usize = std::str::from_utf8(&self.0[..colon]).ok()?.parse().ok()?;
                let rest = self.0[colon + 1..].utf8_chunks().next()?.valid();
                let (mut len, mut seen) = (0, 0);
                for char in rest.chars() {
                    if seen < units {
                        seen += char.len_utf16();
                        len += char.len_utf8();
                    }
                }
                (false, colon + 1, (seen == units).then_some(len)?)
            }
            (Version::V3, Kind::Binary) => {
                let end = self.0.iter().position(|&byte| byte == 0xff)?;
                let digits = self.0.get(1..end)?;
                let len = digits
                    .iter()
                    .fold(0, |len, &digit| 10 * len + usize::from(digit));
                (self.0[0] == 1, end + 1, len)
            }
        };
        let bytes = self.0.get(head..head + len)?;
        self.0 = &self.0[head + len..];
        Some((is_binary, bytes))
    }
}

/// Whether these bytes are this packet.
fn is_same(version: Version, is_binary: bool, bytes: &[u8], packet: &Packet<'_>) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or("not text");
    match packet {
        Packet::Message(Message::Binary(data)) if is_binary => bytes == [&[4], &data[..]].concat(),
        Packet::Message(Message::Binary(_)) => {
            let mut out = Vec::new();
            packet.encode_text(version, &mut out);
            let encoded = String::from_utf8(out).expect("base64");
            text.trim_end_matches('=') == encoded.trim_end_matches('=')
        }
        Packet::Message(Message::Text(data)) => text == format!("4{data}"),
        Packet::Open(data) => text == format!("0{data}"),
        Packet::Ping(data) => text == format!("2{data}"),
        Packet::Pong(data) => text == format!("3{data}"),
        Packet::Close => text == "1",
        Packet::Upgrade => text == "5",
        Packet::Noop => text == "6",
    }
}
