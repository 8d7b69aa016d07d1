//! Payloads in memory: packets out of the body of a POST, and into that of a GET.

use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sockeye::engineio::{Packet, Packets, Version};
use sockeye::{Kind, Message};

use crate::decode::Run;
use crate::floor::check;
use crate::scenario::{Coding, Form, Way};

/// Who encodes and decodes, in the order of the table. The last measures itself.
pub const SUBJECTS: &[&str] = &[
    "floor",
    "sockeye",
    #[cfg(feature = "peers")]
    "engineioxide",
    #[cfg(feature = "peers")]
    "engine.io-parser",
];

/// Encodes or decodes as many packets as it is asked to. Messages, or bodies, are
/// shown to `see`.
pub fn subject(name: &str, coding: Coding, see: impl FnMut(&[u8]) + 'static) -> Run {
    match (name, coding.way) {
        ("floor", Way::Decode) => decode_least(coding, see),
        ("floor", Way::Encode) => encode_least(coding, see),
        ("sockeye", Way::Decode) => decode(coding, see),
        ("sockeye", Way::Encode) => encode(coding, see),
        #[cfg(feature = "peers")]
        ("engineioxide", Way::Decode) => peers::decode(coding, see),
        #[cfg(feature = "peers")]
        ("engineioxide", Way::Encode) => peers::encode(coding, see),
        _ => panic!("there is no {name}"),
    }
}

impl Coding {
    /// The message that is in each packet.
    pub fn message(self) -> Vec<u8> {
        self.data.bytes()
    }

    fn body(self) -> Vec<u8> {
        let message = self.message();
        let mut body = Vec::new();
        for _ in 0..self.packets {
            push(self.form, &message, &mut body);
        }
        body
    }
}

/// The floor of encoding, and what every encoder has to write.
fn push(form: Form, message: &[u8], body: &mut Vec<u8>) {
    match form {
        Form::V4Text | Form::V4Base64 if !body.is_empty() => body.push(SEPARATOR),
        _ => {}
    }
    match form {
        Form::V4Text => {
            body.push(b'4');
            body.extend_from_slice(message);
        }
        Form::V4Base64 => {
            body.push(b'b');
            let start = body.len();
            body.resize(start + message.len().div_ceil(3) * 4, 0);
            let written = STANDARD.encode_slice(message, &mut body[start..]);
            written.expect("there is room");
        }
        Form::V3Text => {
            assert!(message.is_ascii());
            push_decimal(1 + message.len(), b'0', body);
            body.extend_from_slice(b":4");
            body.extend_from_slice(message);
        }
        Form::V3Binary => {
            body.push(1);
            push_decimal(1 + message.len(), 0, body);
            body.extend_from_slice(&[0xff, 4]);
            body.extend_from_slice(message);
        }
    }
}

fn push_decimal(n: usize, zero: u8, body: &mut Vec<u8>) {
    if n >= 10 {
        push_decimal(n / 10, zero, body);
    }
    body.push(zero + (n % 10) as u8);
}

fn encode_least(coding: Coding, mut see: impl FnMut(&[u8]) + 'static) -> Run {
    let message = coding.message();
    let room = coding.body().len();
    Box::new(move |n| {
        let mut done = 0;
        while done < n {
            let mut body = Vec::with_capacity(room);
            for _ in 0..coding.packets {
                push(coding.form, black_box(&message), &mut body);
            }
            see(&body);
            done += coding.packets as u64;
        }
        done
    })
}

fn decode_least(coding: Coding, mut see: impl FnMut(&[u8]) + 'static) -> Run {
    let template = coding.body();
    let (mut body, mut decoded) = (Vec::new(), vec![0; template.len()]);
    Box::new(move |n| {
        let mut done = 0;
        while done < n {
            body.clear();
            body.extend_from_slice(black_box(&template));
            match coding.form {
                Form::V4Text => {
                    for packet in body.split(|&byte| byte == SEPARATOR) {
                        check(&packet[1..]);
                        see(&packet[1..]);
                    }
                }
                Form::V4Base64 => {
                    for packet in body.split(|&byte| byte == SEPARATOR) {
                        let len = STANDARD.decode_slice(&packet[1..], &mut decoded);
                        see(&decoded[..len.expect("base64")]);
                    }
                }
                Form::V3Text => lengths(&body, b'0', b':', |packet| {
                    assert!(packet.is_ascii());
                    see(&packet[1..]);
                }),
                Form::V3Binary => lengths(&body, 0, 0xff, |packet| see(&packet[1..])),
            }
            done += coding.packets as u64;
        }
        done
    })
}

/// Walks over packets that have their length before them.
fn lengths(mut body: &[u8], zero: u8, end: u8, mut packet: impl FnMut(&[u8])) {
    while !body.is_empty() {
        let mut at = usize::from(zero == 0);
        let mut len = 0;
        while body[at] != end {
            len = len * 10 + usize::from(body[at] - zero);
            at += 1;
        }
        packet(&body[at + 1..][..len]);
        body = &body[at + 1 + len..];
    }
}

fn version(form: Form) -> Version {
    match form {
        Form::V4Text | Form::V4Base64 => Version::V4,
        Form::V3Text | Form::V3Binary => Version::V3,
    }
}

fn decode(coding: Coding, mut see: impl FnMut(&[u8]) + 'static) -> Run {
    let kind = match coding.form {
        Form::V3Binary => Kind::Binary,
        _ => Kind::Text,
    };
    let template = coding.body();
    let mut body = Vec::new();
    Box::new(move |n| {
        let mut done = 0;
        while done < n {
            body.clear();
            body.extend_from_slice(black_box(&template));
            for packet in Packets::new(version(coding.form), kind, &mut body, 16_384) {
                match packet.expect("the body is valid") {
                    Packet::Message(message) => see(message.as_bytes()),
                    packet => panic!("{packet:?}"),
                }
                done += 1;
            }
        }
        done
    })
}

fn encode(coding: Coding, mut see: impl FnMut(&[u8]) + 'static) -> Run {
    let message = coding.message();
    let text = String::from_utf8(message.clone());
    Box::new(move |n| {
        let mut done = 0;
        while done < n {
            let mut payload = sockeye::engineio::Payload::new(version(coding.form), Kind::Binary);
            for _ in 0..coding.packets {
                let message = match (coding.form, &text) {
                    (Form::V4Text | Form::V3Text, Ok(text)) => Message::from(black_box(text)),
                    _ => Message::from(black_box(&message[..])),
                };
                let pushed = payload.push(&Packet::Message(message));
                pushed.expect("there is no separator");
            }
            see(&payload.into_body());
            done += coding.packets as u64;
        }
        done
    })
}

const SEPARATOR: u8 = 0x1e;

#[cfg(feature = "peers")]
mod peers {
    use std::pin::pin;

    use bytes::Bytes;
    use engineioxide_core::{Packet, PacketBuf, ProtocolVersion, Str, payload};
    use futures_util::{StreamExt, stream};
    use http_body_util::Full;
    use hyper::header::HeaderValue;

    use super::{Coding, Form, Run, black_box};
    use crate::now;

    fn protocol(form: Form) -> ProtocolVersion {
        match form {
            Form::V4Text | Form::V4Base64 => ProtocolVersion::V4,
            Form::V3Text | Form::V3Binary => ProtocolVersion::V3,
        }
    }

    pub(super) fn decode(coding: Coding, mut see: impl FnMut(&[u8]) + 'static) -> Run {
        let kind = match coding.form {
            Form::V3Binary => HeaderValue::from_static("application/octet-stream"),
            _ => HeaderValue::from_static("text/plain;charset=UTF-8"),
        };
        let body = Bytes::from(coding.body());
        Box::new(move |n| {
            let mut done = 0;
            while done < n {
                let body = Full::new(black_box(&body).clone());
                let packets = payload::decoder(body, Some(&kind), protocol(coding.form), MOST);
                let mut packets = pin!(packets);
                now(async {
                    while let Some(packet) = packets.next().await {
                        match packet.expect("the body is valid") {
                            Packet::Message(text) => see(text.as_bytes()),
                            Packet::Binary(bytes) | Packet::BinaryV3(bytes) => see(&bytes),
                            packet => panic!("{packet:?}"),
                        }
                        done += 1;
                    }
                });
            }
            done
        })
    }

    pub(super) fn encode(coding: Coding, mut see: impl FnMut(&[u8]) + 'static) -> Run {
        let message = Bytes::from(coding.message());
        let packet = match coding.form {
            Form::V4Base64 => Packet::Binary(message),
            Form::V3Binary => Packet::BinaryV3(message),
            Form::V4Text | Form::V3Text => {
                let text = std::str::from_utf8(&message).expect("text");
                Packet::Message(Str::copy_from_slice(text))
            }
        };
        Box::new(move |n| {
            let mut done = 0;
            while done < n {
                let packets = std::iter::repeat_with(|| black_box(&packet).clone());
                let packets = packets.take(coding.packets);
                let packets = packets.map(|packet| PacketBuf::from_iter([packet]));
                let packets = stream::iter(packets);
                let payload = payload::encoder(packets, protocol(coding.form), true, MOST);
                see(&now(payload).data);
                done += coding.packets as u64;
            }
            done
        })
    }

    const MOST: u64 = 1 << 20;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;

    #[test]
    fn every_subject_sees_the_messages_and_writes_the_body() {
        let ours = SUBJECTS.iter().filter(|name| **name != "engine.io-parser");
        for name in ours {
            for form in [Form::V4Text, Form::V4Base64, Form::V3Text, Form::V3Binary] {
                for (way, packets) in [(Way::Decode, 3), (Way::Encode, 3)] {
                    let coding = Coding {
                        form,
                        way,
                        data: Payload::Ascii(125),
                        packets,
                    };
                    let expected = match way {
                        Way::Decode => coding.message(),
                        Way::Encode => coding.body(),
                    };
                    let see = move |bytes: &[u8]| assert!(bytes == expected);
                    assert!(subject(name, coding, see)(10) >= 10);
                }
            }
        }
    }
}
