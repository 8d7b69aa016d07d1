//! Frames: RFC 6455 sections 5.1, 5.2 and 5.5.

use sockeye::Instant;
use sockeye::websocket::{
    Config, Connection, Event, Expect, Header, Message, Opcode, Reason, Receive, Violation,
};
use sockeye_tests::alloc::{Counting, Usage, measure};
use sockeye_tests::cuts::{Cut, Random};
use sockeye_tests::hex::hex;
use sockeye_tests::trace::{self, Bench, Side};
use sockeye_tests::vectors::{self, Vector};
use sockeye_tests::wire::Frame;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

mod table {
    use sockeye_tests::vectors::check_connection;

    sockeye_tests::rows! {
        "frame", check_connection:
        f01 f02 f03 f04 f06 f07 f08 f09 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19
        f20 f22 f24 f25 f26 f28
    }
}

#[test]
fn f04_every_reserved_bit_on_every_opcode() {
    for first in 0..=u8::MAX {
        if first & 0x70 == 0 {
            continue;
        }
        for (side, second) in [(Side::Server, 0x80), (Side::Client, 0)] {
            let trace = trace::run(side, &Config::default(), [&[first, second][..]], false);
            assert_eq!(trace.violation(), Some(Violation::ReservedBits));
            assert_eq!((trace.close_sent(), trace.events.len()), (Some(1002), 1));
        }
    }
}

#[test]
fn f17_f18_f19_a_declared_length_allocates_nothing() {
    let fail = |input: &str| {
        let (mut connection, mut input) = (server(Config::default()), hex(input));
        let (closed, usage) = measure(|| {
            let progress = connection.handle_input(Instant::ZERO, &mut input);
            matches!(progress.event, Some(Event::Closed(_)))
        });
        assert!(closed);
        usage
    };
    // What is allocated is the room for the Close, whatever the reason for it.
    let close = fail("81 02");
    assert_eq!(fail("82 ff 7fffffffffffffff m0"), close);
    assert_eq!(fail("82 ff 0020000000000001 m0"), close);
    assert_eq!(fail("82 ff 0000000000100001 m0"), close);
    // A length that is allowed allocates for the bytes that came, not for those
    // that are announced.
    for first in ["81", "82", "01", "02"] {
        let (mut connection, header) = (server(Config::default()), "ff 0000000000100000 m0 'a'");
        let mut input = hex(&[first, header].concat());
        let (_, usage) = measure(|| {
            let progress = connection.handle_input(Instant::ZERO, &mut input);
            assert!(progress.event.is_none() && progress.rest.is_empty());
        });
        assert!(usage.peak <= 16, "{first}: {usage:?}");
    }
}

#[test]
fn f20_a_message_of_the_limit_costs_the_limit() {
    let limit = Config::default().max_message;
    for first in [0x81, 0x82] {
        for size in [100, 16 * 1024, 64 * 1024, limit] {
            let bytes = Frame::m0(first, vec![b'a'; limit]).bytes();
            let mut connection = server(Config::default());
            let mut chunk = vec![0; size];
            let (received, usage) = measure(|| {
                let mut received = 0;
                for piece in bytes.chunks(size) {
                    let mut rest = &mut chunk[..piece.len()];
                    rest.copy_from_slice(piece);
                    while !rest.is_empty() {
                        let progress = connection.handle_input(Instant::ZERO, rest);
                        if let Some(Event::Message(message)) = progress.event {
                            received += message.as_bytes().len();
                        }
                        rest = progress.rest;
                    }
                }
                received
            });
            assert_eq!(received, limit);
            assert!(usage.peak <= limit + 64 * 1024, "by {size}: {usage:?}");
            assert_eq!(usage.held, 0, "by {size}");
        }
    }
}

#[test]
fn f20_read_directly_it_costs_the_limit_too() {
    let limit = Config::default().max_message;
    let mut bytes = Frame::m0(0x82, vec![7; limit]).bytes();
    let mut connection = server(Config::default());
    let (head, tail) = bytes.split_at_mut(20_000);
    let (message, usage) = measure(|| {
        let progress = connection.handle_input(Instant::ZERO, head);
        assert!(progress.event.is_none());
        let mut tail = &tail[..];
        loop {
            let space = connection.input_space(1).expect("the message goes on");
            let n = space.len().min(30_000);
            let (piece, rest) = tail.split_at(n);
            space[..n].copy_from_slice(piece);
            tail = rest;
            if let Some(event) = connection.input_filled(Instant::ZERO, n) {
                break event;
            }
        }
    });
    assert_eq!(message, Event::Message(Message::from(vec![7; limit])));
    assert!(usage.peak <= limit + 64 * 1024, "{usage:?}");
}

#[test]
fn f21_a_length_is_never_cut_to_32_bits() {
    let bytes = hex("82 ff 0000000100000005 m0");
    let (header, len) = Header::decode(&bytes, &Expect::ANY).unwrap().unwrap();
    assert_eq!((header.len, len), (0x1_0000_0005, 14));
    // As on a machine where no message can be longer than its index type says.
    let expect = Expect {
        max_payload: u32::MAX.into(),
        ..Expect::ANY
    };
    let result = Header::decode(&bytes, &expect);
    assert_eq!(result, Err(Violation::MessageTooBig));
}

#[test]
fn f23_no_chunking_is_observable() {
    for vector in vectors::all() {
        for receive in [Receive::Messages, Receive::Chunks] {
            let mut config = vector.config();
            config.receive = receive;
            let whole = trace::run(vector.role, &config, [&vector.input[..]], vector.eof);
            let mut random = Random::new(vector.input.len() as u64);
            for _ in 0..8 {
                let chunks = pieces(&vector.input, &mut random);
                let cut = trace::run(vector.role, &config, chunks.iter().copied(), vector.eof);
                assert_eq!(cut.essence(), whole.essence(), "{}", vector.name());
            }
        }
    }
}

#[test]
fn f25_a_million_pongs_hold_nothing() {
    let mut connection = server(Config::default());
    let frame = hex("8a 81 m0 'z'");
    let mut input = frame.clone();
    let (_, usage) = measure(|| {
        for _ in 0..1_000_000 {
            input.copy_from_slice(&frame);
            let progress = connection.handle_input(Instant::ZERO, &mut input);
            assert!(matches!(progress.event, Some(Event::Pong(_))));
        }
    });
    assert_eq!(usage, Usage::default());
    assert!(!connection.has_output());
}

#[test]
fn f27_a_million_messages_in_one_input_are_handed_out_one_by_one() {
    let mut connection = server(Config::default());
    let mut input = hex("(81 80 m0)*1000000");
    let (steps, usage) = measure(|| {
        let (mut rest, mut steps) = (&mut input[..], 0);
        while !rest.is_empty() {
            let before = rest.len();
            let progress = connection.handle_input(Instant::ZERO, rest);
            assert_eq!(progress.event, Some(Event::Message("".into())));
            rest = progress.rest;
            assert_eq!(before - rest.len(), 6);
            steps += 1;
        }
        steps
    });
    assert_eq!((steps, usage), (1_000_000, Usage::default()));
}

#[test]
fn f28_a_million_continuations_end_with_the_first() {
    let trace = trace::run(
        Side::Client,
        &Config::default(),
        [&hex("(80 00)*1000000")[..]],
        false,
    );
    assert_eq!(trace.violation(), Some(Violation::UnexpectedContinuation));
    assert_eq!((trace.events.len(), trace.frames().len()), (1, 1));
}

#[test]
fn f30_no_flipped_bit_makes_a_chunking_observable() {
    for vector in vectors::all() {
        // A long vector is long because something repeats.
        let mut input = vector.input.clone();
        input.truncate(400);
        let len = input.len();
        for at in (0..len).filter(|at| len <= 150 || *at < 32 || len - at <= 16) {
            for bit in 0..8 {
                input[at] ^= 1 << bit;
                flipped(&vector, &input, at);
                input[at] ^= 1 << bit;
            }
        }
    }
}

fn flipped(vector: &Vector, input: &[u8], at: usize) {
    let mut config = vector.config();
    for receive in [Receive::Messages, Receive::Chunks] {
        config.receive = receive;
        let whole = trace::run(vector.role, &config, [input], vector.eof);
        for cut in [Cut::Bytes, Cut::At(at)] {
            let trace = trace::run(vector.role, &config, cut.chunks(input), vector.eof);
            let name = vector.name();
            assert_eq!(
                trace.essence(),
                whole.essence(),
                "{name}: {input:02x?}, {cut:?}"
            );
        }
    }
}

/// The pieces of `input` between a few random places.
fn pieces<'i>(mut input: &'i [u8], random: &mut Random) -> Vec<&'i [u8]> {
    let mut pieces = Vec::new();
    while !input.is_empty() {
        let most = input.len().min(1 + random.below(1 + input.len() / 4));
        let (piece, rest) = input.split_at(most);
        pieces.push(piece);
        input = rest;
    }
    pieces
}

fn server(config: Config) -> Connection {
    Connection::new(Side::Server.role(), config, Instant::ZERO)
}

/// F29: every header of two bytes, in every state, for both ends, against the
/// rules written down a second time.
mod f29 {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Within {
        Nothing,
        Text,
        Binary,
    }

    /// What two bytes mean.
    #[derive(Debug, PartialEq, Eq)]
    enum Verdict {
        Broken,
        Allowed,
    }

    fn verdict(first: u8, second: u8, within: Within, side: Side) -> Verdict {
        let (fin, reserved, opcode) = (first >= 0x80, first / 16 % 8, first % 16);
        let (masked, len) = (second >= 0x80, second % 128);
        let from_client = side == Side::Server;
        let allowed = reserved == 0
            && masked == from_client
            && match opcode {
                0 => within != Within::Nothing,
                1 | 2 => within == Within::Nothing,
                8..=10 => fin && len < 126,
                _ => false,
            };
        match allowed {
            true => Verdict::Allowed,
            false => Verdict::Broken,
        }
    }

    /// A payload for the header, the rest of the header before it, and the
    /// events that the whole frame brings.
    fn complete(
        first: u8,
        second: u8,
        within: Within,
        side: Side,
    ) -> (Vec<u8>, Vec<Event<'static>>) {
        let (fin, opcode, len) = (first >= 0x80, first % 16, second % 128);
        let (length, payload) = match len {
            126 => (vec![1, 2], vec![b'a'; 258]),
            // Beyond the limit, so that nothing of it needs to come.
            127 => (vec![0, 0, 0, 0, 0, 0x10, 0, 1], vec![]),
            len if opcode == 8 && len > 1 => (
                vec![],
                [b"\x03\xe8", &[b'a'; 123][..]].concat()[..len.into()].to_vec(),
            ),
            len => (vec![], vec![b'a'; len.into()]),
        };
        let mut rest = length;
        if side == Side::Server {
            rest.extend([0; 4]);
        }
        rest.extend(&payload);
        let too_big = Event::Closed(Reason::Violation(Violation::MessageTooBig));
        let body = match within {
            Within::Nothing => payload.clone(),
            _ => [b"x", &payload[..]].concat(),
        };
        let text = |body: Vec<u8>| Event::Message(String::from_utf8(body).unwrap().into());
        let events = match (opcode, within) {
            _ if len == 127 => vec![too_big],
            (8, _) if len == 1 => vec![Event::Closed(Reason::Violation(Violation::CloseLength))],
            (8, _) if len == 0 => vec![Event::Closed(Reason::Closed(None))],
            (8, _) => vec![vectors::event(&format!("closed 1000 61*{}", len - 2))],
            (9, _) => vec![Event::Ping(payload.into())],
            (10, _) => vec![Event::Pong(payload.into())],
            _ if !fin => vec![],
            (1, _) | (0, Within::Text) => vec![text(body)],
            _ => vec![Event::Message(body.into())],
        };
        (rest, events)
    }

    fn check(side: Side, within: Within) {
        let config = Config::default();
        let opening = match within {
            Within::Nothing => vec![],
            Within::Text => vec![Frame::unmasked(0x01, "x")],
            Within::Binary => vec![Frame::unmasked(0x02, "x")],
        };
        let opening: Vec<u8> = match side {
            Side::Client => opening.iter().flat_map(Frame::bytes).collect(),
            Side::Server => {
                let masked = opening.into_iter().map(|f| Frame::m0(f.first, f.payload));
                masked.flat_map(|f| f.bytes()).collect()
            }
        };
        for bits in 0..=u16::MAX {
            let [first, second] = bits.to_be_bytes();
            let mut bench = Bench::new(side, config.clone());
            bench.feed(&opening);
            bench.feed(&[first, second]);
            let name = format!("{first:02x} {second:02x} in {within:?} at {side:?}");
            if verdict(first, second, within, side) == Verdict::Broken {
                let violation = bench.trace.violation().expect(&name);
                assert_eq!(violation.close_code().get(), 1002, "{name}");
                assert_eq!(bench.trace.close_sent(), Some(1002), "{name}");
                assert_eq!(bench.trace.events.len(), 1, "{name}");
                continue;
            }
            assert!(
                bench.trace.reason().is_none() || second & 0x7f == 0,
                "{name}"
            );
            let (rest, events) = complete(first, second, within, side);
            bench.feed(&rest);
            assert_eq!(bench.trace.events, events, "{name}");
        }
    }

    #[test]
    fn f29_server_idle() {
        check(Side::Server, Within::Nothing);
    }

    #[test]
    fn f29_server_in_text() {
        check(Side::Server, Within::Text);
    }

    #[test]
    fn f29_server_in_binary() {
        check(Side::Server, Within::Binary);
    }

    #[test]
    fn f29_client_idle() {
        check(Side::Client, Within::Nothing);
    }

    #[test]
    fn f29_client_in_text() {
        check(Side::Client, Within::Text);
    }

    #[test]
    fn f29_client_in_binary() {
        check(Side::Client, Within::Binary);
    }
}

#[test]
fn the_oracle_and_the_library_name_the_same_opcodes() {
    let known = (0..16).filter(|bits| Opcode::from_bits(*bits).is_some());
    assert!(known.eq([0, 1, 2, 8, 9, 10]));
}
