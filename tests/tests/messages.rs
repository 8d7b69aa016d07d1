//! Messages that arrive: RFC 6455 sections 5.4, 5.6 and 8.1.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye::Instant;
use sockeye::driver::{Io, WebSocket};
use sockeye::websocket::{Config, Connection, Event, Message, Reason, Receive, Role, Violation};
use sockeye_tests::alloc::{Counting, measure};
use sockeye_tests::cuts::Random;
use sockeye_tests::hex::hex;
use sockeye_tests::trace::{Bench, Side};
use sockeye_tests::vectors;
use sockeye_tests::wire::Frame;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

mod table {
    use sockeye_tests::vectors::check_connection;

    sockeye_tests::rows! {
        "message", check_connection:
        m01 m02 m03 m04 m05 m06 m07 m08 m09 m10 m11 m12 m14 m15 m17 m24
    }
}

/// M13: text is accepted if and only if it is UTF-8 as `core` understands it,
/// however it is cut into two fragments, and refused at the first byte that no
/// text can have at its place.
///
/// A run with `SOCKEYE_EXHAUSTIVE=1` takes every string of up to three bytes and
/// every one of four that begins with `f0` to `f4`, a hundred million in all; it
/// wants `--release`. Without it, the places where the rules change and a sample
/// stand for them.
mod m13 {
    use super::*;

    #[test]
    fn m13_one_and_two_bytes() {
        let config = Arc::default();
        check(&config, b"");
        for first in 0..=u8::MAX {
            check(&config, &[first]);
            for second in 0..=u8::MAX {
                check(&config, &[first, second]);
            }
        }
    }

    #[test]
    fn m13_three_bytes() {
        let (config, others) = (Arc::default(), others());
        for first in 0..=u8::MAX {
            for second in &others {
                for third in &others {
                    check(&config, &[first, *second, *third]);
                }
            }
        }
    }

    #[test]
    fn m13_four_bytes() {
        let (config, others) = (Arc::default(), others());
        for first in 0xf0..=0xf4 {
            for second in &others {
                for third in &others {
                    for fourth in &others {
                        check(&config, &[first, *second, *third, *fourth]);
                    }
                }
            }
        }
    }

    #[test]
    fn m13_text_of_every_code_point_in_a_sample() {
        let config = Arc::default();
        let mut random = Random::new(13);
        for _ in 0..2000 {
            let point = random.below(0x11_0000) as u32;
            let text: String = char::from_u32(point).into_iter().collect();
            check(&config, text.as_bytes());
            check(&config, &random.next().to_be_bytes()[..1 + random.below(6)]);
        }
    }

    /// The bytes tried behind the first.
    fn others() -> Vec<u8> {
        match std::env::var_os("SOCKEYE_EXHAUSTIVE") {
            Some(_) => (0..=u8::MAX).collect(),
            None => hex("00 7f 80 8f 90 9f a0 bf c0 c2 f4 ff"),
        }
    }

    fn check(config: &Arc<Config>, text: &[u8]) {
        let expected = std::str::from_utf8(text);
        for at in 0..=text.len() {
            let (head, tail) = text.split_at(at);
            let mut input = [0; 24];
            let mut len = 0;
            for (first, part) in [(0x01, head), (0x80, tail)] {
                let frame = [first, 0x80 | part.len() as u8, 0, 0, 0, 0];
                for byte in frame.iter().chain(part) {
                    input[len] = *byte;
                    len += 1;
                }
            }
            let mut connection = Connection::new(Role::Server, config.clone(), Instant::ZERO);
            let mut rest = &mut input[..len];
            let end = loop {
                let progress = connection.handle_input(Instant::ZERO, rest);
                if let Some(event) = progress.event {
                    break event;
                }
                assert!(!progress.rest.is_empty(), "{text:02x?} is undecided");
                rest = progress.rest;
            };
            match (expected, end) {
                (Ok(text), Event::Message(message)) => assert_eq!(message.as_text(), Some(text)),
                (Err(_), Event::Closed(Reason::Violation(Violation::InvalidUtf8))) => {}
                (_, end) => panic!("{text:02x?} at {at}: {end:?}"),
            }
        }
        check_place(config, text);
    }

    /// Byte by byte, the end comes with the first impossible byte and not later.
    fn check_place(config: &Arc<Config>, text: &[u8]) {
        let impossible = |n: &usize| {
            let error = std::str::from_utf8(&text[..*n]).err();
            error.is_some_and(|error| error.error_len().is_some())
        };
        let expected = (1..=text.len()).find(impossible);
        let mut connection = Connection::new(Role::Server, config.clone(), Instant::ZERO);
        let mut feed = |byte: u8| {
            let mut input = [byte];
            match connection.handle_input(Instant::ZERO, &mut input).event {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        };
        // A frame that announces more than comes.
        for byte in [0x81, 0x80 | 125, 0, 0, 0, 0] {
            assert!(feed(byte).is_continue());
        }
        let place = text.iter().position(|byte| feed(*byte).is_break());
        assert_eq!(place.map(|n| n + 1), expected, "{text:02x?}");
    }
}

#[test]
fn m16_fragments_hold_no_more_than_twice_what_they_brought() {
    let config = Arc::new(Config::default());
    for first in ["01", "02"] {
        let input = hex(&format!("{first} 80 m0 (00 81 m0 61)*16000"));
        let mut connections: Vec<Connection> = (0..10)
            .map(|_| Connection::new(Role::Server, config.clone(), Instant::ZERO))
            .collect();
        for size in [1, 7, 1000, input.len()] {
            let mut chunks = input.clone();
            let (_, usage) = measure(|| {
                for connection in &mut connections {
                    chunks.copy_from_slice(&input);
                    for chunk in chunks.chunks_mut(size) {
                        let progress = connection.handle_input(Instant::ZERO, chunk);
                        assert!(progress.event.is_none() && progress.rest.is_empty());
                    }
                }
            });
            let most = connections.len() * (16_000 * 2 + 1024);
            assert!(usage.peak <= most, "by {size}: {usage:?}");
            // Storage that doubles is moved rarely, so the work is linear.
            let moves = usage.allocations / connections.len();
            assert!(moves <= 16, "by {size}: {moves} times");
            let fresh = || Connection::new(Role::Server, config.clone(), Instant::ZERO);
            connections.fill_with(fresh);
        }
    }
}

#[test]
fn m17_fragments_up_to_the_limit_cost_the_limit() {
    // Not a power of two, so that doubling alone would go beyond it.
    let limit = 64 * 18_000;
    for (first, directly) in [(0x01, false), (0x02, false), (0x02, true)] {
        let mut config = Config::default();
        config.max_message = limit;
        let mut connection = Connection::new(Role::Server, config, Instant::ZERO);
        let mut fragments: Vec<Vec<u8>> = (0..64)
            .map(|n| match n {
                0 => Frame::m0(first, vec![b'a'; limit / 64]).bytes(),
                63 => Frame::m0(0x80, vec![b'a'; limit / 64]).bytes(),
                _ => Frame::m0(0x00, vec![b'a'; limit / 64]).bytes(),
            })
            .collect();
        let (received, usage) = measure(|| {
            let mut received = None;
            for (n, fragment) in fragments.iter_mut().enumerate() {
                // Room for a direct read is offered once there is something.
                let (head, tail) = fragment.split_at_mut(if n == 0 { 100 } else { 8 });
                let mut event = connection.handle_input(Instant::ZERO, head).event;
                let mut tail = &mut tail[..];
                while event.is_none() && !tail.is_empty() {
                    let space = match directly {
                        true => connection.input_space(1),
                        false => None,
                    };
                    let Some(space) = space else {
                        event = connection.handle_input(Instant::ZERO, tail).event;
                        break;
                    };
                    let n = space.len().min(tail.len());
                    let (piece, rest) = tail.split_at_mut(n);
                    space[..n].copy_from_slice(piece);
                    event = connection.input_filled(Instant::ZERO, n);
                    tail = rest;
                }
                if let Some(Event::Message(message)) = event {
                    received = Some(message.as_bytes().len());
                }
            }
            received
        });
        assert_eq!(received, Some(limit));
        assert!(usage.peak <= limit + 64 * 1024, "{usage:?}");
        assert!(usage.allocations <= 24, "{usage:?}");
    }
}

#[test]
fn m21_a_large_message_leaves_nothing_behind() {
    let mut connection = server();
    let mut input = Frame::m0(0x82, vec![1; 1 << 20]).bytes();
    let (_, usage) = measure(|| {
        let mut events = 0;
        for chunk in input.chunks_mut(10_000) {
            events += usize::from(
                connection
                    .handle_input(Instant::ZERO, chunk)
                    .event
                    .is_some(),
            );
        }
        assert_eq!(events, 1);
    });
    assert!(usage.peak >= 1 << 20);
    assert_eq!(usage.held, 0);
}

#[test]
fn m22_a_kept_message_pins_nothing_else() {
    let mut connection = server();
    let input = hex("(82 81 m0 'a' 81 81 m0 'b')*5000");
    // Twice, and cut in the middle of a frame, so that some are collected.
    for size in [input.len(), 5] {
        let mut bytes = input.clone();
        let (kept, usage) = measure(|| {
            let mut kept: Vec<Message<'static>> = Vec::with_capacity(10_000);
            for chunk in bytes.chunks_mut(size) {
                let mut rest = chunk;
                while !rest.is_empty() {
                    let progress = connection.handle_input(Instant::ZERO, rest);
                    if let Some(Event::Message(message)) = progress.event {
                        kept.push(message.into_owned());
                    }
                    rest = progress.rest;
                }
            }
            kept
        });
        assert_eq!(kept.len(), 10_000);
        let each = size_of::<Message<'static>>() + 16;
        assert!(usage.held <= (10_000 * each) as isize, "{usage:?}");
    }
}

#[test]
fn m23_single_bytes_cost_two_copies_each_at_the_most() {
    let cost = |first: u8, len: usize| {
        let input = Frame::m0(first, vec![b'a'; len]).bytes();
        let mut connection = server();
        let (message, usage) = measure(|| {
            let mut message = None;
            for byte in &input {
                if let Some(event) = connection.handle_input(Instant::ZERO, &mut [*byte]).event {
                    message = Some(event.into_owned());
                }
            }
            message
        });
        let body = vec![b'a'; len];
        let expected = match first {
            0x81 => Message::from(String::from_utf8(body).unwrap()),
            _ => Message::from(body),
        };
        assert_eq!(message, Some(Event::Message(expected)));
        usage
    };
    for first in [0x81, 0x82] {
        // Storage that doubles copies what it holds, so what was asked for in
        // all bounds the copies: once into place, and less than once to move.
        let half = cost(first, 1 << 19);
        assert!(half.bytes <= 2 * (1 << 19) + 4096, "{half:?}");
        let whole = cost(first, 1 << 20);
        assert!(whole.bytes <= 2 * (1 << 20) + 4096, "{whole:?}");
        assert_eq!(whole.allocations, half.allocations + 1, "it doubles");
    }
}

#[test]
fn a_stream_may_have_more_fragments_than_a_message() {
    let mut config = Config::default();
    config.receive = Receive::Chunks;
    config.max_stream = 64 * 20_000;
    let mut bench = Bench::new(Side::Server, config);
    bench.feed(&hex("02 80 m0 (00 81 m0 'a')*19999"));
    assert_eq!(bench.trace.reason(), None);
    bench.feed(&hex("00 80 m0"));
    assert_eq!(bench.trace.violation(), Some(Violation::TooManyFragments));
}

#[test]
fn a_violation_behind_a_chunk_is_told_though_the_input_ends() {
    let mut config = Config::default();
    config.receive = Receive::Chunks;
    let mut connection = Connection::new(Role::Server, config, Instant::ZERO);
    let mut input = hex("81 83 m0 'ab' ff");
    let progress = connection.handle_input(Instant::ZERO, &mut input);
    assert!(matches!(progress.event, Some(Event::Chunk(chunk)) if *chunk.bytes == *b"ab"));
    let end = connection.handle_eof(Instant::ZERO);
    assert_eq!(end, Some(vectors::event("violation InvalidUtf8")));
    assert_eq!(connection.handle_eof(Instant::ZERO), None);
    let written = 4;
    connection.advance_transmit(written);
    assert!(!connection.has_output() && connection.is_finished());
}

/// A transport that has some input, and then nothing for ever.
#[derive(Default)]
struct Quiet(Vec<u8>);

impl Io for Quiet {
    type Error = ();

    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, ()>> {
        let n = self.0.len().min(buf.len());
        buf[..n].copy_from_slice(&self.0[..n]);
        self.0.drain(..n);
        match n {
            0 => Poll::Pending,
            n => Poll::Ready(Ok(n)),
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, ()>> {
        Poll::Ready(Ok(bufs.concat().len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn poll_deadline(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

#[test]
fn a_violation_behind_a_chunk_is_told_though_nothing_more_comes() {
    let quiet = Quiet(hex("81 fe 0100 m0 'ab' ff"));
    let mut socket = WebSocket::new(quiet, server());
    let cx = &mut Context::from_waker(Waker::noop());
    let first = pin!(socket.next_chunk()).poll(cx);
    let Poll::Ready(Some(Ok(chunk))) = first else {
        panic!("{first:?}");
    };
    assert_eq!((&*chunk.bytes, chunk.last), (&b"ab"[..], false));
    let _ = pin!(socket.next_chunk()).poll(cx);
    let reason = socket.close_reason();
    assert_eq!(reason, Some(&Reason::Violation(Violation::InvalidUtf8)));
}

#[test]
fn the_default_limits_are_bounded_and_known() {
    let config = Config::default();
    assert_eq!(config.max_message, 1 << 20);
    assert_eq!(config.max_fragments(Receive::Messages), 16_384);
    let mut small = config.clone();
    small.max_message = 1;
    assert_eq!(small.max_fragments(Receive::Messages), 16_384);
    assert_eq!(config.max_fragments(Receive::Chunks), (1 << 30) / 64);
    assert_eq!(config.max_outgoing, 1 << 20);
    assert_eq!(config.close_timeout, Duration::from_secs(5));
    let keepalive = config.keepalive.unwrap();
    assert_eq!(keepalive.interval, Duration::from_secs(20));
    assert_eq!(keepalive.timeout, Duration::from_secs(20));
}

fn server() -> Connection {
    Connection::new(Role::Server, Config::default(), Instant::ZERO)
}
