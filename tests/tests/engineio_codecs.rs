//! Packets, payloads and open packets of Engine.IO: the tables, and what they
//! cannot say.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;
use sockeye::engineio::{
    Open, OpenError, Packet, PacketError, Packets, Payload, PayloadRule, Query, SeparatorError,
    Transport, Transports, Version,
};
use sockeye::{Kind, Message};
use sockeye_tests::alloc::{Counting, Usage, measure};
use sockeye_tests::engineio::{MAX_PACKETS, PacketVector, PayloadVector, decode, encode};
use sockeye_tests::vectors;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const VERSIONS: [Version; 2] = [Version::V3, Version::V4];
const KINDS: [Kind; 2] = [Kind::Text, Kind::Binary];

#[test]
fn packets_are_what_the_table_says() {
    for vector in vectors::load::<PacketVector>("engineio_packet") {
        vector.check();
    }
}

#[test]
fn payloads_are_what_the_table_says() {
    for vector in vectors::load::<PayloadVector>("engineio_payload") {
        vector.check();
    }
}

#[test]
fn p11_more_packets_than_the_limit_are_an_error_behind_the_last() {
    for (count, error) in [(17, false), (16_384, false), (16_385, true)] {
        let mut body = ["4a"].repeat(count).join("\x1e").into_bytes();
        let (packets, found) = decode(Version::V4, Kind::Text, &mut body, MAX_PACKETS);
        assert_eq!(packets.len(), count.min(MAX_PACKETS));
        assert_eq!(
            found.map(|it| it.rule),
            error.then_some(PayloadRule::TooMany)
        );
    }
}

#[test]
fn p16_a_separator_in_text_is_refused_and_changes_nothing() {
    for packet in ["a\x1e4b", "\x1e", "a\x1e"].map(|text| Packet::Message(text.into())) {
        let mut payload = encode(Version::V4, Kind::Text, &[Packet::Noop]);
        assert_eq!(payload.push(&packet), Err(SeparatorError));
        assert_eq!(Payload::check(Version::V4, &packet), Err(SeparatorError));
        assert_eq!((payload.body(), payload.packets()), (&b"6"[..], 1));
        payload.push(&Packet::Close).expect("room for others");
        assert_eq!(payload.body(), b"6\x1e1");

        // The lengths of version 3 tell packets apart, and bytes are no text.
        let mut body = encode(Version::V3, Kind::Text, &[packet.clone(), Packet::Noop]).into_body();
        let (packets, _) = decode(Version::V3, Kind::Text, &mut body, MAX_PACKETS);
        assert_eq!(packets, [packet, Packet::Noop]);
        let binary = Packet::Message((&[0x1e]).into());
        assert_eq!(Payload::check(Version::V4, &binary), Ok(()));
    }
}

/// At this size, whatever looks at bytes again for each packet never ends.
#[test]
fn p02_p13_v11_work_is_linear() {
    let size = 1_000_000;
    let fill = |pattern: &[u8]| {
        pattern
            .iter()
            .copied()
            .cycle()
            .take(size)
            .collect::<Vec<_>>()
    };
    let long = |head: &str, pattern: &[u8]| [head.as_bytes(), &fill(pattern)].concat();
    for (version, kind, body, packets) in [
        (Version::V4, Kind::Text, fill(b"\x1e"), 0),
        (Version::V4, Kind::Text, fill(b"6\x1e"), 500_000),
        (Version::V4, Kind::Text, fill(b"b\x1e"), 500_000),
        (Version::V4, Kind::Text, fill(b"4"), 1),
        (Version::V4, Kind::Text, long("4", "\u{20ac}".as_bytes()), 0),
        (Version::V4, Kind::Text, long("b", b"AQID"), 1),
        (Version::V3, Kind::Text, fill(b"1:6"), 333_333),
        (Version::V3, Kind::Text, fill(b"9"), 0),
        (Version::V3, Kind::Text, fill(b"999999:4"), 0),
        (
            Version::V3,
            Kind::Text,
            long("333334:4", "\u{20ac}".as_bytes()),
            1,
        ),
        (
            Version::V3,
            Kind::Text,
            long("500001:4", "\u{1f600}".as_bytes()),
            1,
        ),
        (Version::V3, Kind::Text, long("999999:4", b"\x80"), 0),
        (Version::V3, Kind::Text, long("2:4a", b"\x80"), 0),
        (Version::V3, Kind::Text, long("999999:4", b"\xf0"), 0),
        (Version::V3, Kind::Binary, fill(b"\0\x01\xff6"), 250_000),
        (
            Version::V3,
            Kind::Binary,
            fill(b"\x01\x01\xff\x04"),
            250_000,
        ),
        (Version::V3, Kind::Binary, fill(b"\0\x01"), 0),
        (Version::V3, Kind::Binary, fill(b"\xff"), 0),
    ] {
        let mut body = body;
        let (found, _) = decode(version, kind, &mut body, usize::MAX);
        assert_eq!(found.len(), packets, "{version:?} {kind:?}");
    }
}

#[test]
fn p12_packets_are_read_without_an_allocation() {
    let text = |len: usize| "\u{20ac}a".repeat(len / 4);
    let packets = [
        Packet::Open("{}".into()),
        Packet::Ping("probe".into()),
        Packet::Message(text(900_000).into()),
        Packet::Message(vec![7; 50_000].into()),
        Packet::Message(text(8).into()),
        Packet::Noop,
    ];
    for version in VERSIONS {
        for takes in KINDS {
            let payload = encode(version, takes, &packets);
            let kind = payload.kind();
            let mut body = payload.into_body();
            assert!((950_000..1_000_000).contains(&body.len()));
            let (count, usage) = measure(|| {
                let packets = Packets::new(version, kind, &mut body, MAX_PACKETS);
                packets.filter(Result::is_ok).count()
            });
            assert_eq!((count, usage), (packets.len(), Usage::default()));
            // Nor is what is wrong.
            let ((), usage) = measure(|| {
                for cut in 0..100 {
                    let body = &mut body[..cut];
                    Packets::new(version, kind, body, MAX_PACKETS).for_each(drop);
                }
            });
            assert_eq!(usage, Usage::default());
        }
    }
}

#[test]
fn a_query_and_an_open_packet_are_read_without_an_allocation() {
    let json = r#" {"x":[{"y":["\u00e4"]}],"sid":"S","upgrades":["websocket",[1]],"pingInterval":1,"pingTimeout":2} "#;
    let (open, usage) = measure(|| Open::parse(json));
    assert_eq!(
        (open.map(|it| it.sid), usage),
        (Ok("S".into()), Usage::default())
    );
    let (query, usage) = measure(|| Query::parse("EIO=4&transport=polling&sid=S&t=x"));
    assert_eq!(
        (query.version, usage),
        (Some(Version::V4), Usage::default())
    );
}

#[test]
fn a_payload_takes_up_what_its_lengths_foretell() {
    let message = Packet::Message(vec![7; 30_000].into());
    for version in VERSIONS {
        let mut payload = Payload::new(version, Kind::Text);
        let ((), usage) = measure(|| payload.push(&message).expect("no separator"));
        // The body, and nothing like it beside it.
        let len = payload.body().len();
        assert!(usage.peak < len + len / 4, "{usage:?} for {len}");
    }
}

fn open(change: impl FnOnce(&mut Open<'_>)) -> Open<'static> {
    let mut open = Open {
        sid: "lv_VI97HAXpY6yYWAAAC".into(),
        upgrades: Transports::NONE.with(Transport::WebSocket),
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        max_payload: Some(1_000_000),
    };
    change(&mut open);
    open
}

/// An open packet with other members in the place of some.
fn open_json(members: &[(&str, &str)]) -> String {
    let known = [
        ("sid", "\"S\""),
        ("pingInterval", "300"),
        ("pingTimeout", "200"),
    ];
    let is_other = |name: &str| members.iter().all(|(other, _)| *other != name);
    let known = known.iter().filter(|(name, _)| is_other(name));
    let members = members.iter().filter(|(_, value)| !value.is_empty());
    let members: Vec<_> = known
        .chain(members)
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Vectors 6.4 H1 and H2, and 6.8 V18.
#[test]
fn an_open_packet_is_written_in_the_order_of_the_protocol() {
    let json = |sid: &str, upgrades: &str, rest: &str| {
        format!("{{\"sid\":\"{sid}\",\"upgrades\":[{upgrades}],\"pingInterval\":{rest}}}")
    };
    let sid = "lv_VI97HAXpY6yYWAAAC";
    let rest = "25000,\"pingTimeout\":20000,\"maxPayload\":1000000";
    let written = open(|_| {}).to_json();
    assert_eq!(written, json(sid, "\"websocket\"", rest));
    // What a GET brings has the type before it: 118 bytes in all.
    assert_eq!(1 + written.len(), 118);
    let none = open(|open| open.upgrades = Transports::NONE);
    assert_eq!(none.to_json(), json(sid, "", rest));
    let short = open(|open| {
        open.ping_interval = Duration::from_millis(300);
        open.ping_timeout = Duration::from_millis(200);
    });
    let packet = Packet::Open(short.to_json().into());
    let body = encode(Version::V3, Kind::Text, &[packet]).into_body();
    assert!(body.starts_with(b"114:0{\"sid\":"));
    let absent = open(|open| open.max_payload = None).to_json();
    assert!(!absent.contains("maxPayload"));
    let odd = open(|open| open.sid = "\"\\\n\u{1f}\u{e4}".into());
    assert!(
        odd.to_json()
            .starts_with("{\"sid\":\"\\\"\\\\\\u000a\\u001f\u{e4}\",")
    );
    assert_eq!(Open::parse(&odd.to_json()), Ok(odd));
}

#[test]
fn e01_an_open_packet_is_judged_by_its_rules() {
    let parse = |members: &[(&str, &str)]| Open::parse(&open_json(members)).map(Open::into_owned);
    assert!(parse(&[]).is_ok());
    let long = format!("\"{}\"", "a".repeat(257));
    for sid in ["", "5", "null", "{}", "\"\"", &long] {
        assert_eq!(parse(&[("sid", sid)]), Err(OpenError::Sid), "{sid}");
    }
    assert!(parse(&[("sid", &long[1..].replacen('a', "\"", 1))]).is_ok());
    for (name, value) in [("sid", "\"S\""), ("pingInterval", "1"), ("maxPayload", "1")] {
        let twice = [(name, value), (name, value)];
        assert_eq!(parse(&twice), Err(OpenError::Repeated), "{name}");
    }
    // Names that are written in another way are the same.
    assert_eq!(parse(&[("s\\u0069d", "\"S\"")]), Err(OpenError::Repeated));
    let good = open_json(&[]);
    for text in [
        "",
        "[]",
        "null",
        "{",
        "{}x",
        "{,}",
        &format!("{good}0"),
        &format!("x{good}"),
        &good[1..],
    ] {
        let error = Open::parse(text).unwrap_err();
        assert_eq!(error, OpenError::Json, "{text}");
    }
    assert_eq!(Open::parse("{}"), Err(OpenError::Sid));
    for (depth, expected) in [
        (64, None),
        (65, Some(OpenError::Depth)),
        (10_000, Some(OpenError::Depth)),
    ] {
        for (open, inner, close) in [("[", "1", "]"), ("{\"a\":", "1", "}")] {
            let nested = [&open.repeat(depth), inner, &close.repeat(depth)].concat();
            assert_eq!(parse(&[("x", &nested)]).err(), expected, "{depth}");
            let cut = open.repeat(depth);
            assert_eq!(
                parse(&[("x", &cut)]).err(),
                expected.or(Some(OpenError::Json))
            );
        }
    }
    let padding = |len: usize| format!("{good}{}", " ".repeat(len - good.len()));
    assert!(Open::parse(&padding(1 << 19)).is_ok());
    assert_eq!(
        Open::parse(&padding((1 << 19) + 1)),
        Err(OpenError::TooLong)
    );
}

#[test]
fn e04_unknown_upgrades_are_passed_over() {
    let upgrades = |value: &str| {
        let json = open_json(&[("upgrades", value)]);
        Open::parse(&json).map(|open| open.upgrades)
    };
    let websocket = Transports::NONE.with(Transport::WebSocket);
    assert_eq!(upgrades(""), Ok(Transports::NONE));
    assert_eq!(upgrades("[]"), Ok(Transports::NONE));
    assert_eq!(
        upgrades("[\"webtransport\",\"WEBSOCKET\"]"),
        Ok(Transports::NONE)
    );
    let odd = "\"websocket\",\"websocket\",\"__proto__\",1,{\"a\":[]}";
    assert_eq!(upgrades(&format!("[{odd}]")), Ok(websocket));
    let many = [odd].repeat(10_000).join(",");
    assert_eq!(upgrades(&format!("[{many}]")), Ok(websocket));
    let many = ["1"].repeat(100_000).join(",");
    assert_eq!(upgrades(&format!("[{many}]")), Ok(Transports::NONE));
    for value in ["null", "\"websocket\"", "{}", "1"] {
        assert_eq!(upgrades(value), Err(OpenError::Upgrades), "{value}");
    }
    assert_eq!(upgrades("[\"websocket\",]"), Err(OpenError::Json));
}

#[test]
fn b08_intervals_are_what_a_timer_can_wait_for() {
    for (name, error) in [
        ("pingInterval", OpenError::PingInterval),
        ("pingTimeout", OpenError::PingTimeout),
    ] {
        let parse = |value: &str| Open::parse(&open_json(&[(name, value)])).map(Open::into_owned);
        for value in ["1", "300", "25000", "2.5e4", "300.5", "2147483647"] {
            assert!(parse(value).is_ok(), "{value}");
        }
        for value in [
            "",
            "0",
            "0.9",
            "-1",
            "1e308",
            "1e999",
            "2147483648",
            "null",
            "\"25000\"",
            "[1]",
            "NaN",
        ] {
            assert_eq!(parse(value), Err(error), "{value}");
        }
    }
}

#[test]
fn e05_any_limit_that_is_a_number_is_one() {
    let parse =
        |value: &str| Open::parse(&open_json(&[("maxPayload", value)])).map(|it| it.max_payload);
    for (value, expected) in [
        ("", None),
        ("null", None),
        ("0", Some(0)),
        ("1", Some(1)),
        ("1000000000000000000", Some(1_000_000_000_000_000_000)),
        ("1e18", Some(1_000_000_000_000_000_000)),
        ("1e+21", Some(u64::MAX)),
    ] {
        assert_eq!(parse(value), Ok(expected), "{value}");
    }
    for value in ["-1", "\"1\"", "true", "1e999"] {
        assert_eq!(parse(value), Err(OpenError::MaxPayload), "{value}");
    }
}

/// What serde_json makes of an open packet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Oracle {
    sid: String,
    #[serde(default)]
    upgrades: Vec<serde_json::Value>,
    ping_interval: f64,
    ping_timeout: f64,
    #[serde(default)]
    max_payload: Option<f64>,
}

impl Oracle {
    /// The open packet that `text` should be.
    fn parse(text: &str) -> Option<Open<'static>> {
        // The derived reader passes over strings that are none.
        serde_json::from_str::<serde_json::Value>(text).ok()?;
        let oracle: Self = serde_json::from_str(text).ok()?;
        let duration = |millis: f64| match millis as u64 {
            millis @ 1..0x8000_0000 => Some(Duration::from_millis(millis)),
            _ => None,
        };
        let names = oracle.upgrades.iter().filter_map(|name| name.as_str());
        let known = names.filter_map(Transport::parse);
        Some(Open {
            upgrades: known.fold(Transports::NONE, Transports::with),
            ping_interval: duration(oracle.ping_interval)?,
            ping_timeout: duration(oracle.ping_timeout)?,
            max_payload: match oracle.max_payload {
                Some(limit) if limit < 0.0 => return None,
                limit => limit.map(|limit| limit as u64),
            },
            sid: Some(oracle.sid)
                .filter(|sid| (1..=256).contains(&sid.len()))?
                .into(),
        })
    }
}

/// Values in JSON, and some that are none.
const VALUES: &[&str] = &[
    "\"S\"",
    "\"\"",
    "\"a\\u00e4\\n\\\"\\/\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83d\\u0041\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\u{e4}\u{1f600}\"",
    "\"a\nb\"",
    "1",
    "0",
    "-1",
    "-0",
    "01",
    "1.5",
    "1.",
    ".5",
    "2.5e4",
    "1E+2",
    "1e",
    "- 1",
    "25000",
    "2147483648",
    "true",
    "false",
    "null",
    "nul",
    "[]",
    "{}",
    "[\"websocket\"]",
    "[1,\"polling\",{\"a\":[]},\"websocket\"]",
    "[1,]",
    "{\"a\":1,}",
    "{\"a\" : {\"b\":[[],[2]]}}",
    "[\"\\u0077ebsocket\"]",
    "\"\u{1f}\"",
    "\"\\/\"",
    "\"\u{7f}\"",
    "00",
    "-01",
    "0.0",
    "1e-1",
    "+1",
    "{\"a\":}",
    "{\"a\"}",
    "{1:2}",
    "[1 2]",
    "\"a",
];

/// The members of an open packet, right and wrong.
fn members() -> impl Strategy<Value = Vec<String>> {
    let name = select(vec![
        "sid",
        "upgrades",
        "pingInterval",
        "pingTimeout",
        "maxPayload",
        "s\\u0069d",
        "x",
        "",
        "\\ud83d\\ude00",
    ]);
    let value = select(VALUES);
    let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    let right = vec![
        "\"sid\":\"S\"",
        "\"upgrades\":[\"websocket\"]",
        "\"pingInterval\" : 300",
        "\n\"pingTimeout\":\t200 ",
        "\"maxPayload\":5",
    ];
    let right = right.into_iter().map(String::from).collect::<Vec<_>>();
    let right = proptest::sample::subsequence(right, 3..=5).prop_shuffle();
    (right, vec(member, 0..3)).prop_map(|(right, others)| [right, others].concat())
}

fn message() -> impl Strategy<Value = Message<'static>> {
    prop_oneof![
        "[^\x1e]{0,20}".prop_map(Message::from),
        "[a-z]{0,300}".prop_map(Message::from),
        vec(any::<u8>(), 0..40).prop_map(Message::from),
        vec(any::<u8>(), 700..1600).prop_map(Message::from),
    ]
}

fn packet() -> impl Strategy<Value = Packet<'static>> {
    let data = || "[^\x1e]{0,6}";
    prop_oneof![
        1 => data().prop_map(|data| Packet::Open(data.into())),
        1 => data().prop_map(|data| Packet::Ping(data.into())),
        1 => data().prop_map(|data| Packet::Pong(data.into())),
        1 => select(vec![Packet::Close, Packet::Upgrade, Packet::Noop]),
        4 => message().prop_map(Packet::Message),
    ]
}

#[test]
fn e01_each_value_is_read_as_another_reader_does() {
    for value in VALUES {
        for name in ["x", "sid", "upgrades", "pingTimeout", "maxPayload"] {
            let text = open_json(&[(name, value)]);
            let found = Open::parse(&text).map(Open::into_owned).ok();
            assert_eq!(found, Oracle::parse(&text), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn p25_payloads_come_back_as_they_were(packets in vec(packet(), 1..8)) {
        for version in VERSIONS {
            for takes in KINDS {
                let payload = encode(version, takes, &packets);
                let kind = payload.kind();
                let is_binary = packets.iter().any(|packet| packet.kind() == Kind::Binary);
                let may_be = version == Version::V3 && takes == Kind::Binary;
                prop_assert_eq!(kind == Kind::Binary, is_binary && may_be);
                let mut body = payload.into_body();
                let (decoded, error) = decode(version, kind, &mut body, packets.len());
                prop_assert_eq!(error, None);
                prop_assert_eq!(&decoded, &packets);
            }
        }
    }

    #[test]
    fn p25_payloads_in_chunks_never_exceed_the_limit(
        packets in vec(packet(), 1..20), limit in 1_usize..2_500,
    ) {
        for version in VERSIONS {
            for takes in KINDS {
                let mut chunks = vec![Payload::new(version, takes)];
                for packet in &packets {
                    let mut payload = chunks.pop().expect("there is one");
                    if payload.packets() > 0 && payload.len_with(packet) > limit {
                        chunks.push(std::mem::replace(&mut payload, Payload::new(version, takes)));
                    }
                    payload.push(packet).expect("no separator");
                    chunks.push(payload);
                }
                let mut decoded = Vec::new();
                for chunk in chunks {
                    let (kind, count) = (chunk.kind(), chunk.packets());
                    let mut body = chunk.into_body();
                    prop_assert!(body.len() <= limit || count == 1);
                    let (packets, error) = decode(version, kind, &mut body, count);
                    prop_assert_eq!(error, None);
                    decoded.extend(packets.into_iter().map(Packet::into_owned));
                }
                prop_assert_eq!(&decoded, &packets);
            }
        }
    }

    #[test]
    fn packets_cut_anywhere_give_the_whole_ones_and_an_error_at_most(
        packets in vec(packet(), 1..6), cut in any::<prop::sample::Index>(),
    ) {
        for version in VERSIONS {
            for takes in KINDS {
                let payload = encode(version, takes, &packets);
                let kind = payload.kind();
                let mut body = payload.into_body();
                let cut = cut.index(body.len());
                body.truncate(cut);
                let (decoded, error) = decode(version, kind, &mut body, packets.len());
                // In version 4 a packet that is cut may be another one.
                let whole = match version {
                    Version::V3 => decoded.len(),
                    Version::V4 => decoded.len().saturating_sub(1),
                };
                prop_assert_eq!(&decoded[..whole], &packets[..whole]);
                // What has no error is what was written up to there.
                if error.is_none() && kind == Kind::Text && version == Version::V3 {
                    let decoded = encode(version, Kind::Text, &packets[..whole]);
                    prop_assert_eq!(decoded.body().len(), cut);
                }
            }
        }
    }

    #[test]
    fn p09_base64_is_what_another_decoder_takes(
        text in prop_oneof![
            "[A-Za-z0-9+/]{0,12}={0,3}",
            "[A-D=_ -]{0,8}",
            vec(any::<u8>(), 0..3000).prop_map(|bytes| STANDARD.encode(bytes)),
            vec(any::<u8>(), 0..3000).prop_map(|bytes| STANDARD_NO_PAD.encode(bytes)),
        ],
        flip in proptest::option::of((any::<prop::sample::Index>(), "[A-Z=!]")),
    ) {
        let mut text = text;
        if let (Some((at, sign)), false) = (flip, text.is_empty()) {
            let at = at.index(text.len());
            text.replace_range(at..=at, &sign);
        }
        let expected = STANDARD.decode(&text).or_else(|_| STANDARD_NO_PAD.decode(&text));
        let expected = expected.map_err(|_| PacketError::Base64).map(|it| Packet::Message(it.into()));
        let mut bytes = format!("b{text}").into_bytes();
        prop_assert_eq!(Packet::from_text(Version::V4, &mut bytes), expected);
    }

    #[test]
    fn e01_open_packets_are_read_as_another_reader_does(
        members in members(),
        change in proptest::option::of((any::<prop::sample::Index>(), select(b"\",:[]{}\\0 a".to_vec()))),
    ) {
        let mut text = format!(" {{{}}}\r\n", members.join(","));
        if let Some((at, sign)) = change {
            let at = at.index(text.len());
            if text.as_bytes()[at].is_ascii() {
                text.replace_range(at..=at, &char::from(sign).to_string());
            }
        }
        let found = Open::parse(&text).map(Open::into_owned);
        prop_assert_eq!(found.clone().ok(), Oracle::parse(&text), "{} {:?}", text, found);
    }

    #[test]
    fn open_packets_that_are_written_are_json_and_come_back(
        sid in "\\PC{1,60}|.{1,60}",
        upgrades in any::<bool>(),
        millis in (1..0x8000_0000_u64, 1..0x8000_0000_u64),
        max_payload in proptest::option::of(0..1_u64 << 53),
    ) {
        let written = open(|open| {
            if !upgrades {
                open.upgrades = Transports::NONE;
            }
            open.sid = sid.clone().into();
            open.ping_interval = Duration::from_millis(millis.0);
            open.ping_timeout = Duration::from_millis(millis.1);
            open.max_payload = max_payload;
        });
        let text = written.to_json();
        prop_assert_eq!(Open::parse(&text), Ok(written.clone()));
        prop_assert_eq!(Oracle::parse(&text), Some(written));
    }
}
