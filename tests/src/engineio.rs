//! Packets and payloads of Engine.IO on vectors.
//!
//! ```toml
//! [[vector]]                     # a table of packets
//! id = "P22"
//! version = 3                    # 4 unless it is said
//! text = "'b4AQID'"              # or binary = "04 010203"
//! packet = "binary 010203"       # or error = "Type"
//!
//! [[vector]]                     # a table of payloads
//! id = "P08"
//! kind = "binary"                # text unless it is said
//! max_packets = 2                # 16 384 unless it is said
//! body = "'4a' 1e '4' ff"
//! packets = ["text 'a'"]
//! error = "Packet(InvalidUtf8) at 3"
//! ```
//!
//! What is no error is encoded to the same bytes again, unless `lenient = true`
//! says that it is written in another way than ours.

use serde::Deserialize;
use sockeye::engineio::{Packet, PacketError, Packets, Payload, PayloadError, Version};
use sockeye::{Kind, Message};

use crate::hex::{self, hex};

/// How many packets a payload may have, unless a row says otherwise.
pub const MAX_PACKETS: usize = 16_384;

/// A packet, and what it is encoded as.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketVector {
    /// The rule.
    pub id: String,
    /// What this case of it is.
    #[serde(default)]
    pub about: String,
    #[serde(default = "four")]
    version: u8,
    text: Option<String>,
    binary: Option<String>,
    packet: Option<String>,
    error: Option<String>,
    #[serde(default)]
    lenient: bool,
}

/// A payload, and the packets in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadVector {
    /// The rule.
    pub id: String,
    /// What this case of it is.
    #[serde(default)]
    pub about: String,
    #[serde(default = "four")]
    version: u8,
    #[serde(default)]
    kind: BodyKind,
    max_packets: Option<usize>,
    /// The bytes.
    #[serde(deserialize_with = "hex::deserialize")]
    pub body: Vec<u8>,
    packets: Vec<String>,
    error: Option<String>,
    #[serde(default)]
    lenient: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BodyKind {
    #[default]
    Text,
    Binary,
}

const fn four() -> u8 {
    4
}

impl PacketVector {
    /// Decodes and encodes the packet in each way there is.
    ///
    /// # Panics
    ///
    /// If anything else comes of it than the row says.
    pub fn check(&self) {
        let case = format!("{} {} {:?}", self.id, self.about, self.text);
        let version = version(self.version);
        let expected = match (&self.packet, &self.error) {
            (Some(text), None) => Ok(packet(text)),
            (None, Some(error)) => Err(error.clone()),
            _ => panic!("{case}: a packet or an error"),
        };
        let (kind, bytes) = match (&self.text, &self.binary) {
            (Some(text), None) => (Kind::Text, hex(text)),
            (None, Some(bytes)) => (Kind::Binary, hex(bytes)),
            _ => panic!("{case}: a text or bytes"),
        };
        let judge = |decoded: Result<Packet<'_>, PacketError>| {
            let decoded = decoded.map(Packet::into_owned);
            let decoded = decoded.map_err(|error| format!("{error:?}"));
            assert_eq!(decoded, expected, "{case}");
        };
        match kind {
            Kind::Text => judge(Packet::from_text(version, &mut bytes.clone())),
            Kind::Binary => judge(Packet::from_binary(version, &bytes)),
        }
        let messages = match (kind, String::from_utf8(bytes.clone())) {
            (Kind::Text, Ok(text)) => vec![Message::from(text)],
            (Kind::Text, Err(_)) => vec![],
            (Kind::Binary, _) => vec![Message::from(bytes.clone())],
        };
        for message in &messages {
            judge(Packet::from_message(version, message.into()));
            judge(Packet::from_message(version, message.clone()));
        }
        let Some(packet) = expected.ok().filter(|_| !self.lenient) else {
            return;
        };
        let mut out = Vec::new();
        match kind {
            Kind::Text => {
                packet.encode_text(version, &mut out);
                assert_eq!(packet.encoded_len(version), out.len(), "{case}");
            }
            Kind::Binary => assert_eq!(packet.encode_message(version, &mut out), kind, "{case}"),
        }
        assert_eq!(out, bytes, "{case}");
    }
}

impl PayloadVector {
    /// The version.
    pub fn version(&self) -> Version {
        version(self.version)
    }

    /// The kind of the body.
    pub fn kind(&self) -> Kind {
        match self.kind {
            BodyKind::Text => Kind::Text,
            BodyKind::Binary => Kind::Binary,
        }
    }

    /// Decodes the payload, and encodes what is in it.
    ///
    /// # Panics
    ///
    /// If anything else comes of it than the row says.
    pub fn check(&self) {
        let case = format!("{} {}", self.id, self.about);
        let max_packets = self.max_packets.unwrap_or(MAX_PACKETS);
        let expected: Vec<_> = self.packets.iter().map(|text| packet(text)).collect();
        let mut body = self.body.clone();
        let (packets, error) = decode(self.version(), self.kind(), &mut body, max_packets);
        assert_eq!(packets, expected, "{case}");
        let error = error.map(|it| format!("{:?} at {}", it.rule, it.offset));
        assert_eq!(error, self.error, "{case}");
        if self.error.is_some() || self.lenient {
            return;
        }
        let encoded = encode(self.version(), self.kind(), &expected);
        assert_eq!(encoded.body(), self.body, "{case}");
        assert_eq!(encoded.kind(), self.kind(), "{case}");
        if packets.iter().all(|packet| packet.kind() == Kind::Text) {
            let encoded = encode(self.version(), Kind::Binary, &expected);
            assert_eq!(encoded.into_body(), self.body, "{case}");
        }
    }
}

/// The packets of a body and the error that ends it, with nothing behind either.
///
/// # Panics
///
/// If anything follows an error or the end.
pub fn decode(
    version: Version,
    kind: Kind,
    body: &mut [u8],
    max_packets: usize,
) -> (Vec<Packet<'_>>, Option<PayloadError>) {
    let mut all = Packets::new(version, kind, body, max_packets);
    let mut packets = Vec::new();
    let mut error = None;
    for packet in &mut all {
        assert_eq!(error, None, "something follows an error");
        match packet {
            Ok(packet) => packets.push(packet),
            Err(it) => error = Some(it),
        }
    }
    assert!(all.next().is_none());
    (packets, error)
}

/// A payload of these packets, whose lengths are foretold to the byte.
///
/// # Panics
///
/// If one of them cannot stand in a payload, or its length is another one.
pub fn encode(version: Version, takes: Kind, packets: &[Packet<'_>]) -> Payload {
    let mut payload = Payload::new(version, takes);
    for (n, packet) in packets.iter().enumerate() {
        let len = payload.len_with(packet);
        payload.push(packet).expect("no separator");
        assert_eq!(payload.body().len(), len, "{packet:?}");
        assert_eq!(payload.packets(), n + 1);
    }
    payload
}

/// The packet that a row writes as a word and its data, in the notation of
/// [`hex()`].
///
/// # Panics
///
/// If it means none.
pub fn packet(text: &str) -> Packet<'static> {
    let (word, data) = text.split_once(' ').unwrap_or((text, ""));
    let bytes = hex(data);
    let text = String::from_utf8(bytes.clone()).unwrap_or_default();
    match word {
        "open" => Packet::Open(text.into()),
        "close" => Packet::Close,
        "ping" => Packet::Ping(text.into()),
        "pong" => Packet::Pong(text.into()),
        "text" => Packet::Message(text.into()),
        "binary" => Packet::Message(bytes.into()),
        "upgrade" => Packet::Upgrade,
        "noop" => Packet::Noop,
        _ => panic!("{word:?} is no packet"),
    }
}

fn version(number: u8) -> Version {
    Version::parse(&number.to_string()).expect("3 or 4")
}
