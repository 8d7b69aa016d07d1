//! The closing handshake: RFC 6455 sections 5.5.1, 7.1 and 7.4.

use std::time::Duration;

use sockeye::Instant;
use sockeye::websocket::{
    CloseCode, Config, Connection, Event, Kind, OutputBuffer, Reason, SendError, Timer,
};
use sockeye_tests::alloc::{Counting, measure};
use sockeye_tests::hex::hex;
use sockeye_tests::trace::{self, Bench, Side};
use sockeye_tests::vectors;
use sockeye_tests::wire::{self, Frame};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SECOND: Duration = Duration::from_secs(1);

mod table {
    use sockeye_tests::vectors::check_connection;

    sockeye_tests::rows! {
        "close", check_connection:
        k01 k03 k04 k05 k06 k07 k13
    }
}

#[test]
fn k02_every_code_there_is() {
    for code in 0..=u16::MAX {
        let [high, low] = code.to_be_bytes();
        for side in [Side::Server, Side::Client] {
            let frame = match side {
                Side::Server => Frame::m0(0x88, [high, low]),
                Side::Client => Frame::unmasked(0x88, [high, low]),
            };
            let trace = trace::run(side, &Config::default(), [&frame.bytes()[..]], false);
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            let reason = trace.reason().expect("the end");
            assert_eq!(reason.is_clean(), allowed, "{code}");
            let answer = if allowed { code } else { 1002 };
            assert_eq!((reason.code(), trace.close_sent()), (answer, Some(answer)));
            assert_eq!(trace.events.len(), 1);
        }
    }
}

#[test]
fn k09_a_close_wants_the_time_at_once() {
    let mut bench = Bench::new(Side::Server, Config::default());
    let connection = &mut bench.connection;
    connection.close(CloseCode::NORMAL, "").unwrap();
    // Whoever only sleeps until then would sleep for ever without it.
    let now = Instant::ZERO.after(SECOND);
    assert!(connection.poll_timeout().is_some_and(|at| at <= now));
    assert_eq!(connection.handle_timeout(now), None);
    assert_eq!(connection.poll_timeout(), Some(now.after(5 * SECOND)));
}

#[test]
fn k08_both_ends_close_at_once() {
    let mut server = Bench::new(Side::Server, Config::default());
    let mut client = Bench::new(Side::Client, Config::default());
    server
        .connection
        .close(CloseCode::NORMAL, "server")
        .unwrap();
    client
        .connection
        .close(CloseCode::GOING_AWAY, "client")
        .unwrap();
    server.drain();
    client.drain();
    server.feed(&client.trace.output);
    client.feed(&server.trace.output);
    assert_eq!(
        server.trace.events,
        [vectors::event("closed 1001 'client'")]
    );
    assert_eq!(
        client.trace.events,
        [vectors::event("closed 1000 'server'")]
    );
    for bench in [&server, &client] {
        assert!(bench.trace.reason().unwrap().is_clean());
        assert_eq!(bench.trace.frames().len(), 1, "nobody answers twice");
    }
    // "the server MUST close the TCP connection immediately", the client waits.
    assert!(server.connection.ends_writing());
    assert!(!client.connection.ends_writing());
    client.eof();
    assert!(client.connection.ends_writing() && client.connection.is_finished());
    server.eof();
    assert!(server.connection.is_finished());
}

#[test]
fn k09_a_peer_that_never_closes_is_dropped() {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.connection.close(CloseCode::NORMAL, "").unwrap();
    bench.drain();
    let input = hex("(81 84 m0 'data')*100");
    for _ in 0..5 {
        let (_, usage) = measure(|| {
            bench.feed(&input);
            assert_eq!(bench.trace.messages().len(), 100, "data still comes");
            bench.trace.events = Vec::new();
        });
        assert_eq!(usage.held, 0);
        bench.now = bench.now.after(SECOND);
    }
    bench.feed(&input);
    assert_eq!(bench.trace.events, [vectors::event("timeout Close")]);
    assert_eq!(bench.trace.reason().unwrap().code(), 1006);
    assert!(bench.connection.is_finished());
    assert_eq!(bench.trace.close_sent(), Some(1000));
}

#[test]
fn k09_silence_is_no_answer_either() {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.connection.close(CloseCode::NORMAL, "").unwrap();
    bench.pass(5 * SECOND - Duration::from_nanos(1));
    assert_eq!(bench.trace.reason(), None);
    bench.pass(Duration::from_nanos(1));
    assert_eq!(bench.trace.reason(), Some(&Reason::Timeout(Timer::Close)));
    assert!(bench.connection.is_finished());
}

#[test]
fn k10_a_client_does_not_wait_for_ever_for_the_server_to_close_tcp() {
    let mut bench = Bench::new(Side::Client, Config::default());
    bench.connection.close(CloseCode::NORMAL, "").unwrap();
    bench.drain();
    bench.feed(&hex("88 02 03e8"));
    assert!(bench.trace.reason().unwrap().is_clean());
    bench.pass(5 * SECOND - Duration::from_nanos(1));
    assert!(!bench.connection.is_finished());
    bench.pass(Duration::from_nanos(1));
    assert!(bench.connection.is_finished());
    assert_eq!(bench.trace.events.len(), 1);
}

#[test]
fn k10_a_server_does_not_wait_for_ever_for_the_end_of_input() {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.feed(&hex("88 82 m0 03e8"));
    assert!(bench.connection.ends_writing() && !bench.connection.is_finished());
    // A peer that goes on sending does not hold up the end.
    for _ in 0..5 {
        assert!(!bench.connection.is_finished());
        bench.feed(&hex("(81 80 m0)*100"));
        bench.now = bench.now.after(SECOND);
    }
    bench.feed(&hex("81 80 m0"));
    assert!(bench.connection.is_finished());
    assert_eq!(bench.trace.events.len(), 1);
}

#[test]
fn k11_no_code_that_must_not_be_sent_can_be() {
    for code in 0..=u16::MAX {
        let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(
            CloseCode::new(code).map(CloseCode::get),
            allowed.then_some(code)
        );
    }
}

#[test]
fn k11_a_reason_that_is_too_long_is_refused() {
    for side in [Side::Server, Side::Client] {
        let mut bench = Bench::new(side, Config::default());
        let long = format!("{}é", "a".repeat(122));
        assert_eq!(long.len(), 124);
        let refused = bench.connection.close(CloseCode::NORMAL, &long);
        assert_eq!(refused, Err(SendError::ReasonTooLong));
        assert!(bench.connection.is_open() && !bench.connection.has_output());
        let fits = format!("{}é", "a".repeat(121));
        bench.connection.close(CloseCode::NORMAL, &fits).unwrap();
        bench.drain();
        let frames = bench.trace.frames();
        assert_eq!(frames[0].payload, [b"\x03\xe8", fits.as_bytes()].concat());
    }
}

#[test]
fn k12_data_after_a_close_is_refused_and_a_second_close_is_none() {
    for side in [Side::Server, Side::Client] {
        let mut bench = Bench::new(side, Config::default());
        bench.connection.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(bench.connection.send("late"), Err(SendError::Closing));
        assert_eq!(bench.connection.start(Kind::Text), Err(SendError::Closing));
        bench.connection.close(CloseCode::GOING_AWAY, "").unwrap();
        bench.drain();
        bench.connection.close(CloseCode::GOING_AWAY, "").unwrap();
        bench.drain();
        assert_eq!(bench.trace.close_sent(), Some(1000));
        assert_eq!(bench.trace.frames().len(), 1);
    }
}

#[test]
fn k13_nothing_behind_the_broken_frame_is_looked_at() {
    let mut input = hex("81 02 'hi'");
    input.extend(hex("(81 82 m0 'hi' 89 80 m0)*75000"));
    let trace = trace::run(Side::Server, &Config::default(), [&input[..]], false);
    assert_eq!(trace.events, [vectors::event("violation Unmasked")]);
    assert_eq!(trace.output, hex("88 02 03ea"));
}

#[test]
fn k14_a_close_never_stands_inside_another_frame() {
    for side in [Side::Server, Side::Client] {
        let broken = match side {
            Side::Server => "83",
            Side::Client => "81 80",
        };
        // Kept by reference, and copied.
        for (len, places) in [(10 << 20, &[5 << 20][..]), (9000, &PLACES), (100, &PLACES)] {
            for written in places {
                let mut config = Config::default();
                config.max_outgoing = 100 << 20;
                let mut bench = Bench::new(side, config);
                bench.writable = false;
                bench.connection.send(vec![7; len]).unwrap();
                bench.write(*written);
                bench.feed(&hex(broken));
                assert!(bench.connection.is_closed());
                bench.drain();
                let frames = bench.trace.frames();
                let [data, close] = &frames[..] else {
                    panic!("{} frames", frames.len());
                };
                assert_eq!((data.first, data.payload.len()), (0x82, len));
                assert_eq!((close.first, &close.payload[..]), (0x88, &[3, 0xea][..]));
            }
        }
    }
}

/// How much of a frame is written when something happens.
const PLACES: [usize; 8] = [1, 2, 7, 8, 14, 15, 99, 9000];

#[test]
fn k14_a_timeout_writes_no_close_into_a_frame_either() {
    let mut config = Config::default();
    config.idle_timeout = Some(SECOND);
    config.max_outgoing = 100 << 20;
    let mut bench = Bench::new(Side::Server, config);
    bench.writable = false;
    bench.connection.send(vec![7; 10 << 20]).unwrap();
    bench.write(5 << 20);
    bench.pass(SECOND);
    assert_eq!(bench.trace.reason(), Some(&Reason::Timeout(Timer::Idle)));
    bench.drain();
    let frames = bench.trace.frames();
    assert_eq!((frames.len(), frames[0].payload.len()), (2, 10 << 20));
    assert_eq!(frames[1], Frame::unmasked(0x88, hex("03e9")));
}

#[test]
fn k15_messages_that_wait_are_sent_before_the_answer_to_a_close() {
    for written in 0..20 {
        let mut bench = Bench::new(Side::Server, Config::default());
        bench.writable = false;
        for text in ["one", "two", "three"] {
            bench.connection.send(text).unwrap();
        }
        bench.write(written);
        bench.feed(&hex("89 81 m0 'p' 88 82 m0 03e8"));
        assert!(!bench.connection.ends_writing());
        bench.drain();
        let frames = bench.trace.frames();
        let data: Vec<_> = frames.iter().filter(|f| f.opcode() < 8).collect();
        assert_eq!(data.len(), 3);
        assert_eq!(frames.len(), 5);
        assert_eq!(frames[4], Frame::unmasked(0x88, hex("03e8")));
        assert!(bench.connection.ends_writing());
    }
}

#[test]
fn k15_however_many_wait_and_however_they_are_kept() {
    for len in [100, 5000, 20_000] {
        for at_once in [1, 999, usize::MAX] {
            let mut bench = Bench::new(Side::Server, Config::default());
            bench.writable = false;
            for n in 0..9 {
                bench.connection.send(vec![n; len]).unwrap();
            }
            bench.feed(&hex("88 82 m0 03e8"));
            while !bench.write(at_once).is_empty() {}
            let frames = bench.trace.frames();
            let first: Vec<_> = frames.iter().map(|f| (f.first, f.payload[0])).collect();
            let data = (0..9).map(|n| (0x82, n));
            assert!(first.into_iter().eq(data.chain([(0x88, 3)])), "{len}");
        }
    }
}

/// All states × all events.
mod states {
    use super::*;

    /// Every state that a connection can be in, and how to get there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum State {
        Open,
        /// Our Close is queued, and its deadline does not run yet.
        Closing,
        /// It runs.
        Waiting,
        /// The peer closed.
        Closed,
        /// The peer broke a rule.
        Failed,
        /// The input ended.
        Ended,
        /// A deadline passed, and a Close may still be written.
        TimedOut,
        /// The peer answered no Close.
        Finished,
    }

    const STATES: [State; 8] = [
        State::Open,
        State::Closing,
        State::Waiting,
        State::Closed,
        State::Failed,
        State::Ended,
        State::TimedOut,
        State::Finished,
    ];

    impl State {
        fn is_open(self) -> bool {
            self == Self::Open
        }

        fn is_over(self) -> bool {
            !matches!(self, Self::Open | Self::Closing | Self::Waiting)
        }

        /// A connection in this state, whose output nobody takes.
        fn reach(self, side: Side) -> Bench {
            let mut config = Config::default();
            config.idle_timeout = Some(10 * SECOND);
            config.keepalive = None;
            let mut bench = Bench::new(side, config);
            bench.writable = false;
            bench.now = bench.now.after(SECOND);
            let close = |b: &mut Bench| b.connection.close(CloseCode::NORMAL, "").unwrap();
            match self {
                Self::Open => {}
                Self::Closing => close(&mut bench),
                Self::Waiting => {
                    close(&mut bench);
                    bench.tick();
                }
                Self::Closed => drop(bench.feed(&frame(side, 0x88, b"\x03\xe8"))),
                Self::Failed => drop(bench.feed(&frame(side, 0x83, b""))),
                Self::Ended => bench.eof(),
                Self::TimedOut => bench.pass(10 * SECOND),
                Self::Finished => {
                    close(&mut bench);
                    bench.pass(5 * SECOND);
                }
            }
            assert_eq!(
                bench.trace.events.len(),
                usize::from(self.is_over()),
                "{self:?}"
            );
            assert_eq!(bench.connection.is_closed(), self.is_over());
            assert_eq!(bench.connection.is_open(), self.is_open());
            bench
        }
    }

    fn frame(side: Side, first: u8, payload: &[u8]) -> Vec<u8> {
        match side {
            Side::Server => Frame::m0(first, payload).bytes(),
            Side::Client => Frame::unmasked(first, payload).bytes(),
        }
    }

    fn each(mut check: impl FnMut(State, Side, Bench)) {
        for state in STATES {
            for side in [Side::Server, Side::Client] {
                check(state, side, state.reach(side));
            }
        }
    }

    #[test]
    fn input_brings_events_until_the_last_and_is_discarded_after_it() {
        let inputs: [(u8, &[u8]); 8] = [
            (0x81, b"text"),
            (0x82, b"bytes"),
            (0x89, b"ping"),
            (0x8a, b"pong"),
            (0x88, b""),
            (0x88, b"\x03\xe9again"),
            (0x83, b"reserved"),
            (0x81, b"\xff"),
        ];
        for (first, payload) in inputs {
            each(|state, side, mut bench| {
                let waiting = pending(&mut bench.connection);
                let left = bench.feed(&frame(side, first, payload));
                assert_eq!(left, [], "nothing is kept back");
                assert_eq!(bench.trace.events.len(), 1, "{state:?} {first:02x}");
                if state.is_over() {
                    assert_eq!(pending(&mut bench.connection), waiting, "{state:?}");
                } else {
                    let ends = matches!(first, 0x83 | 0x88) || payload == b"\xff";
                    assert_eq!(bench.connection.is_closed(), ends);
                }
                one_close_at_the_most(bench);
            });
        }
    }

    #[test]
    fn the_end_of_input_is_the_end_once() {
        each(|state, side, mut bench| {
            bench.eof();
            bench.eof();
            assert_eq!(bench.trace.events.len(), 1);
            assert!(bench.connection.is_closed());
            bench.feed(&frame(side, 0x81, b"text"));
            bench.drain();
            assert!(bench.connection.is_finished(), "{state:?}");
            one_close_at_the_most(bench);
        });
    }

    #[test]
    fn time_ends_every_connection_once_and_leaves_no_deadline() {
        each(|state, _, mut bench| {
            bench.pass(100 * SECOND);
            assert_eq!(bench.trace.events.len(), 1, "{state:?}");
            assert!(bench.connection.is_finished());
            assert_eq!(bench.connection.poll_timeout(), None, "{state:?}");
            assert_eq!(bench.connection.handle_timeout(Instant::MAX), None);
            one_close_at_the_most(bench);
        });
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_changes_nothing() {
        each(|state, _, mut bench| {
            bench.tick();
            let (events, next) = (bench.trace.events.len(), bench.connection.poll_timeout());
            for now in [bench.now, Instant::ZERO, bench.now] {
                assert_eq!(bench.connection.handle_timeout(now), None, "{state:?}");
            }
            assert_eq!(bench.trace.events.len(), events);
            assert_eq!(bench.connection.poll_timeout(), next, "{state:?}");
        });
    }

    #[test]
    fn commands_are_refused_unless_the_connection_is_open() {
        type Command = fn(&mut Connection) -> Result<(), SendError>;
        let commands: [(Command, Option<SendError>); 8] = [
            (|c| c.send("text"), None),
            (|c| c.send(&b"bytes"[..]), None),
            (|c| c.send_bytes(vec![0; 5000].into()), None),
            (|c| c.start(Kind::Binary), None),
            (|c| c.part(b"part", true), Some(SendError::NotStarted)),
            (|c| c.ping(b"ping"), None),
            (|c| c.pong(b"pong"), None),
            (|c| c.ping(&[0; 126]), Some(SendError::ControlTooLong)),
        ];
        for (n, (command, error)) in commands.into_iter().enumerate() {
            each(|state, _, mut bench| {
                let waiting = pending(&mut bench.connection);
                let result = command(&mut bench.connection);
                let expected = match (state.is_open(), error) {
                    (false, _) => Err(SendError::Closing),
                    (true, Some(error)) => Err(error),
                    (true, None) => Ok(()),
                };
                assert_eq!(result, expected, "{n} in {state:?}");
                if result.is_err() {
                    assert_eq!(pending(&mut bench.connection), waiting);
                }
                one_close_at_the_most(bench);
            });
        }
    }

    #[test]
    fn a_close_is_never_wrong() {
        each(|state, _, mut bench| {
            let waiting = pending(&mut bench.connection);
            assert_eq!(bench.connection.close(CloseCode::NORMAL, "bye"), Ok(()));
            let changed = pending(&mut bench.connection) != waiting;
            assert_eq!(changed, state.is_open(), "{state:?}");
            assert_eq!(bench.connection.is_closed(), state.is_over());
            one_close_at_the_most(bench);
        });
    }

    #[test]
    fn output_is_written_until_the_end_whoever_lends_the_storage() {
        each(|state, _, mut bench| {
            let waiting = pending(&mut bench.connection);
            bench.connection.lend_output(OutputBuffer::default());
            let _ = bench.connection.reclaim_output();
            assert_eq!(pending(&mut bench.connection), waiting, "{state:?}");
            bench.drain();
            assert_eq!(wire::plain(&bench.trace.output), wire::plain(&waiting));
            assert!(!bench.connection.has_output());
            let over = matches!(state, State::Ended | State::TimedOut | State::Finished);
            assert_eq!(bench.connection.is_finished(), over, "{state:?}");
        });
    }

    #[test]
    fn room_for_a_direct_read_is_offered_until_the_last_event() {
        each(|state, side, mut bench| {
            assert!(bench.connection.input_space(1).is_none());
            assert_eq!(bench.connection.input_filled(bench.now, 9), None);
            let whole = frame(side, 0x82, &[7; 1000]);
            bench.feed(&whole[..whole.len() - 500]);
            let space = bench.connection.input_space(1).map(|s| s.len());
            assert_eq!(space.is_some(), !state.is_over(), "{state:?}");
            bench.connection.set_receive(bench.connection.receive());
            bench.eof();
            assert!(bench.connection.input_space(1).is_none());
            assert_eq!(bench.connection.input_filled(bench.now, 9), None);
        });
    }

    /// What waits to be written, which is left waiting.
    fn pending(connection: &mut Connection) -> Vec<u8> {
        let mut slices = [&[][..]; sockeye::websocket::SLICES];
        let used = connection.poll_transmit(&mut slices);
        slices[..used].concat()
    }

    fn one_close_at_the_most(mut bench: Bench) {
        bench.drain();
        let events = &bench.trace.events;
        let ends = events.iter().filter(|e| matches!(e, Event::Closed(_)));
        assert!(ends.count() <= 1);
        let frames = bench.trace.frames();
        assert!(frames.iter().filter(|f| f.opcode() == 8).count() <= 1);
    }
}
