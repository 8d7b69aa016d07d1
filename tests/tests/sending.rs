//! What is sent, in which order, and what waits for a transport that takes
//! nothing: RFC 6455 sections 5.4, 5.5 and 6.1.

use sockeye::websocket::{CloseCode, Config, Event, Kind, MaskSource, Message, Role, SendError};
use sockeye_tests::alloc::{Counting, measure};
use sockeye_tests::hex::hex;
use sockeye_tests::trace::{Bench, Side};
use sockeye_tests::wire::{self, Frame};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn m19_a_hundred_thousand_pings_to_a_transport_that_takes_nothing() {
    let mut bench = blocked();
    let frame = Frame::m0(0x89, [b'p'; 125]).bytes();
    let mut input = frame.clone();
    let (connection, now) = (&mut bench.connection, bench.now);
    let (_, usage) = measure(|| {
        for _ in 0..100_000 {
            input.copy_from_slice(&frame);
            let progress = connection.handle_input(now, &mut input);
            assert!(matches!(progress.event, Some(Event::Ping(_))));
        }
    });
    assert!(usage.peak <= 1024, "{usage:?}");
    assert_eq!(usage.allocations, 1, "the room for control frames");
    bench.drain();
    assert_eq!(bench.trace.frames(), [Frame::unmasked(0x8a, [b'p'; 125])]);
}

#[test]
fn m20_the_latest_ping_is_answered_when_the_transport_takes_bytes_again() {
    for side in [Side::Server, Side::Client] {
        let mut bench = Bench::new(side, Config::default());
        bench.writable = false;
        for n in b'1'..=b'5' {
            bench.feed(&ping(side, n));
        }
        bench.drain();
        assert_eq!(pongs(&bench), [b"5"]);
    }
}

#[test]
fn m20_a_pong_that_is_half_written_is_finished_first() {
    for side in [Side::Server, Side::Client] {
        for written in 1..9 {
            let mut bench = Bench::new(side, Config::default());
            bench.writable = false;
            bench.feed(&ping(side, b'1'));
            let len = bench.write(written).len();
            let whole = len == written && bench.connection.has_output();
            for n in b'2'..=b'5' {
                bench.feed(&ping(side, n));
            }
            bench.drain();
            assert_eq!(pongs(&bench), [b"1", b"5"], "{side:?} {written} {whole}");
        }
    }
}

#[test]
fn a_pong_and_a_ping_by_hand_wait_in_their_own_places() {
    let mut bench = blocked();
    bench.connection.pong(b"a").unwrap();
    bench.write(1);
    bench.connection.pong(b"b").unwrap();
    bench.connection.pong(b"c").unwrap();
    bench.connection.ping(b"d").unwrap();
    assert_eq!(bench.connection.ping(b"e"), Err(SendError::Full));
    bench.write(4);
    bench.connection.pong(b"f").unwrap();
    bench.drain();
    assert_eq!(
        bench.trace.output,
        hex("8a 01 'a' 8a 01 'c' 8a 01 'f' 89 01 'd'")
    );
}

/// A control frame waits for one segment at the most.
const SEGMENT: usize = 16 * 1024;

#[test]
fn a_pong_enters_between_messages_that_wait() {
    let mut bench = blocked();
    for _ in 0..100 {
        bench.connection.send(&[7; 5000]).unwrap();
    }
    bench.write(10);
    bench.feed(&ping(Side::Server, b'p'));
    bench.drain();
    let before = bench
        .trace
        .output
        .windows(3)
        .position(|w| w == hex("8a 01 'p'"));
    assert!(before.unwrap() <= SEGMENT, "{before:?}");
    assert_eq!(bench.trace.frames().len(), 101);
}

#[test]
fn a_pong_enters_a_stream_of_messages_that_never_ends() {
    let mut bench = blocked();
    let mut written = 0;
    bench.connection.send(&[7; 1500]).unwrap();
    bench.write(1);
    bench.feed(&ping(Side::Server, b'p'));
    // The queue never runs empty, and a write never stops between two frames.
    while !wire::split(&bench.trace.output)
        .0
        .iter()
        .any(|f| f.opcode() == 10)
    {
        bench.connection.send(&[7; 998]).unwrap();
        written += bench.write(1002).len();
        assert!(written <= SEGMENT, "the pong is starved");
    }
}

#[test]
fn m21_what_was_sent_leaves_little_behind() {
    let mut bench = blocked();
    let payload = vec![1; 1 << 20];
    let (_, usage) = measure(|| {
        bench.connection.send(&payload[..]).unwrap();
        bench.write(usize::MAX);
        while bench.connection.send(&payload[..100]).is_ok() {}
        while !bench.write(usize::MAX).is_empty() {}
        bench.trace.output = Vec::new();
    });
    assert!(usage.held <= 4096, "{usage:?}");
}

/// M25: what cannot be sent is refused, and leaves no trace on the wire.
mod m25 {
    use super::*;

    #[test]
    fn m25_a_message_of_any_size_is_one_frame() {
        for side in [Side::Server, Side::Client] {
            for len in [
                0,
                1,
                125,
                126,
                4096,
                4097,
                16_384,
                16_385,
                65_535,
                65_536,
                (1 << 20) + 1,
            ] {
                let text = "a".repeat(len);
                let mut bench = Bench::new(side, Config::default());
                bench.connection.send(&text[..]).unwrap();
                bench.drain();
                bench.connection.send(text.clone()).unwrap();
                bench.drain();
                bench.connection.send(text.as_bytes()).unwrap();
                bench.drain();
                bench.connection.send_bytes(text.clone().into()).unwrap();
                bench.drain();
                let sent: Vec<_> = bench.trace.frames();
                assert_eq!(sent.len(), 4);
                for (frame, first) in sent.iter().zip([0x81, 0x81, 0x82, 0x82]) {
                    assert_eq!((frame.first, &frame.payload[..]), (first, text.as_bytes()));
                    assert_eq!(frame.key.is_some(), side == Side::Client);
                }
                let lengths = wire::plain(&bench.trace.output).len();
                assert_eq!(lengths, bench.trace.output.len(), "shortest lengths");
            }
        }
    }

    #[test]
    fn m25_what_is_refused_changes_nothing() {
        use SendError::*;
        type Command = fn(&mut Bench) -> Result<(), SendError>;
        type Prepare = fn(&mut Bench);
        let none: Prepare = |_| {};
        let started: Prepare = |b| b.connection.start(Kind::Text).unwrap();
        let parted: Prepare = |b| {
            b.connection.start(Kind::Text).unwrap();
            b.connection.part(b"\xe2\x82", false).unwrap();
        };
        let full: Prepare = |b| b.connection.send(&[0; 1 << 20]).unwrap();
        let closing: Prepare = |b| b.connection.close(CloseCode::NORMAL, "").unwrap();
        let closed: Prepare = |b| drop(b.feed(&hex("88 80 m0")));
        let send: Command = |b| b.connection.send("x");
        let bytes: Command = |b| b.connection.send_bytes(vec![0; 5000].into());
        let part: Command = |b| b.connection.part(b"x", true);
        let start: Command = |b| b.connection.start(Kind::Binary);
        let ping: Command = |b| b.connection.ping(b"x");
        let pong: Command = |b| b.connection.pong(b"x");
        let cases: &[(Prepare, Command, SendError)] = &[
            (none, part, NotStarted),
            (none, |b| b.connection.part(b"", false), NotStarted),
            (none, |b| b.connection.ping(&[0; 126]), ControlTooLong),
            (none, |b| b.connection.pong(&[0; 126]), ControlTooLong),
            (
                none,
                |b| b.connection.close(CloseCode::NORMAL, &"a".repeat(124)),
                ReasonTooLong,
            ),
            (started, send, Unfinished),
            (started, bytes, Unfinished),
            (started, start, Unfinished),
            (started, |b| b.connection.part(b"a\xff", false), InvalidUtf8),
            (
                started,
                |b| b.connection.part(b"a\xe2\x82", true),
                InvalidUtf8,
            ),
            (parted, send, Unfinished),
            (parted, start, Unfinished),
            (parted, part, InvalidUtf8),
            (parted, |b| b.connection.part(b"", true), InvalidUtf8),
            (full, send, Full),
            (full, bytes, Full),
            (closing, send, Closing),
            (closing, bytes, Closing),
            (closing, start, Closing),
            (closing, part, Closing),
            (closing, ping, Closing),
            (closing, pong, Closing),
            (closed, send, Closing),
            (closed, bytes, Closing),
            (closed, start, Closing),
            (closed, part, Closing),
            (closed, ping, Closing),
            (closed, pong, Closing),
        ];
        for (n, (prepare, command, error)) in cases.iter().enumerate() {
            for side in [Side::Server, Side::Client] {
                let bench = || {
                    let mut bench = Bench::new(side, Config::default());
                    bench.writable = false;
                    bench
                };
                let (mut tried, mut untouched) = (bench(), bench());
                if side == Side::Client && std::ptr::fn_addr_eq(*prepare, closed) {
                    continue;
                }
                prepare(&mut tried);
                prepare(&mut untouched);
                assert_eq!(command(&mut tried), Err(*error), "case {n}");
                assert_eq!(command(&mut tried), Err(*error), "case {n}, again");
                // Neither what waits nor what can be sent next is different.
                for bench in [&mut tried, &mut untouched] {
                    bench.drain();
                    let _ = bench.connection.part(b"\xac", true);
                    let _ = bench.connection.send("after");
                    bench.drain();
                }
                assert_eq!(tried.trace.essence(), untouched.trace.essence(), "case {n}");
            }
        }
    }

    #[test]
    fn m25_parts_may_be_empty_and_cut_inside_a_code_point() {
        let mut bench = Bench::new(Side::Server, Config::default());
        let connection = &mut bench.connection;
        connection.start(Kind::Text).unwrap();
        for (part, fin) in [
            (&b""[..], false),
            (b"\xe2\x82", false),
            (b"", false),
            (b"\xac", false),
            (b"", true),
        ] {
            connection.part(part, fin).unwrap();
        }
        connection.start(Kind::Binary).unwrap();
        connection.part(b"", true).unwrap();
        bench.drain();
        assert_eq!(
            bench.trace.output,
            hex("01 00 00 02 e282 00 00 00 01 ac 80 00 82 00")
        );
    }

    #[test]
    fn m25_a_control_frame_enters_between_parts() {
        let mut bench = blocked();
        bench.connection.start(Kind::Text).unwrap();
        bench.connection.part(b"a", false).unwrap();
        bench.drain();
        bench.feed(&ping(Side::Server, b'p'));
        bench.connection.part(b"b", true).unwrap();
        bench.drain();
        assert_eq!(bench.trace.output, hex("01 01 'a' 8a 01 'p' 80 01 'b'"));
    }

    #[test]
    fn m25_no_frame_goes_out_without_a_key() {
        let failing = || Role::Client(MaskSource::from_fn(|| None));
        let mut bench = Bench::with_role(failing(), Config::default());
        let connection = &mut bench.connection;
        assert_eq!(connection.send("x"), Err(SendError::NoMaskKey));
        assert_eq!(connection.ping(b"x"), Err(SendError::NoMaskKey));
        assert_eq!(
            connection.close(CloseCode::NORMAL, ""),
            Err(SendError::NoMaskKey)
        );
        assert!(connection.is_open());
        bench.feed(&hex("89 00"));
        assert_eq!(
            bench.trace.events,
            [sockeye_tests::vectors::event("no key")]
        );
        assert_eq!(bench.trace.output, []);
        assert!(bench.connection.is_finished());
    }

    #[test]
    fn m25_a_source_of_nothing_but_zeros_is_broken() {
        let zeros = Role::Client(MaskSource::from_fn(|| Some([0; 4])));
        let mut bench = Bench::with_role(zeros, Config::default());
        assert_eq!(bench.connection.send("x"), Err(SendError::NoMaskKey));
    }
}

#[test]
fn every_frame_of_a_client_has_a_key_of_its_own() {
    let mut bench = Bench::new(Side::Client, Config::default());
    for _ in 0..100 {
        bench.connection.send(Message::from("a")).unwrap();
        bench.feed(&hex("89 00"));
    }
    bench.connection.close(CloseCode::NORMAL, "").unwrap();
    bench.drain();
    let frames = bench.trace.frames();
    let mut keys: Vec<_> = frames.iter().map(|f| f.key.unwrap()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((frames.len(), keys.len()), (201, 201));
}

#[test]
fn input_is_left_alone_while_the_output_is_full() {
    let mut bench = blocked();
    bench.connection.send(&[0; 1 << 20]).unwrap();
    let input = hex("81 81 m0 'a' 81 02");
    assert_eq!(bench.feed(&input), input);
    assert_eq!(bench.trace.events, []);
    bench.drain();
    bench.feed(&input);
    assert_eq!(bench.trace.events.len(), 2);
}

fn blocked() -> Bench {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.writable = false;
    bench
}

fn ping(side: Side, payload: u8) -> Vec<u8> {
    match side {
        Side::Server => Frame::m0(0x89, [payload]).bytes(),
        Side::Client => Frame::unmasked(0x89, [payload]).bytes(),
    }
}

fn pongs(bench: &Bench) -> Vec<Vec<u8>> {
    let frames = bench.trace.frames().into_iter();
    frames
        .filter(|f| f.first == 0x8a)
        .map(|f| f.payload)
        .collect()
}
