//! Keepalive and deadlines under a virtual clock: RFC 6455 sections 5.5.2, 5.5.3
//! and 7.2.

use std::time::Duration;

use sockeye::websocket::{Config, Keepalive, Reason, Timer, Violation};
use sockeye_tests::alloc::{Counting, measure};
use sockeye_tests::hex::hex;
use sockeye_tests::trace::{Bench, Side};
use sockeye_tests::wire::{self, Frame};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn b10_only_the_payload_of_our_ping_counts() {
    let quiet = "8a 80 m0 8a 81 m0 'z' 8a 88 m0 0000000000000002 89 88 m0 0000000000000001";
    for (input, alive) in [(quiet, false), ("8a 88 m0 0000000000000001", true)] {
        let mut bench = Bench::new(Side::Server, Config::default());
        bench.pass(20 * SECOND);
        assert_eq!(bench.trace.output, hex("89 08 0000000000000001"));
        bench.feed(&hex(input));
        bench.pass(19 * SECOND);
        assert_eq!(bench.trace.reason(), None);
        bench.pass(SECOND);
        let end = bench.trace.reason();
        assert_eq!(end.is_none(), alive, "{input}: {end:?}");
        if !alive {
            assert_eq!(end, Some(&Reason::Timeout(Timer::Pong)));
            assert_eq!(bench.trace.close_sent(), Some(1011));
        }
    }
}

#[test]
fn b10_the_pong_to_an_earlier_ping_does_not_count() {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.pass(20 * SECOND);
    bench.feed(&hex("8a 88 m0 0000000000000001"));
    bench.pass(20 * SECOND);
    assert_eq!(bench.connection.stats().pings, 2);
    bench.feed(&hex("8a 88 m0 0000000000000001"));
    bench.pass(20 * SECOND);
    assert_eq!(bench.trace.reason(), Some(&Reason::Timeout(Timer::Pong)));
}

#[test]
fn b10_a_round_trip_is_measured_from_ping_to_pong() {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.pass(20 * SECOND);
    bench.pass(3 * SECOND);
    bench.feed(&hex("8a 88 m0 0000000000000001"));
    assert_eq!(bench.connection.stats().round_trip, Some(3 * SECOND));
}

#[test]
fn data_instead_of_a_pong_proves_the_peer_alive() {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.pass(20 * SECOND);
    bench.pass(19 * SECOND);
    bench.feed(&hex("82 80 m0"));
    bench.pass(19 * SECOND);
    assert_eq!(bench.trace.reason(), None);
    bench.pass(SECOND);
    assert_eq!(bench.trace.reason(), Some(&Reason::Timeout(Timer::Pong)));
}

#[test]
fn b09_a_ping_that_waits_to_be_written_is_not_overdue() {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.writable = false;
    bench.connection.send(&[0; 1_000_000]).unwrap();
    // A slow peer takes some bytes every ten seconds, and has the ping after 60.
    for _ in 0..6 {
        bench.pass(10 * SECOND);
        bench.write(200_000);
    }
    assert_eq!(bench.trace.reason(), None);
    assert!(!bench.connection.has_output());
    bench.pass(19 * SECOND);
    assert_eq!(bench.trace.reason(), None);
    bench.pass(SECOND);
    assert_eq!(bench.trace.reason(), Some(&Reason::Timeout(Timer::Pong)));
}

#[test]
fn a_peer_that_takes_no_bytes_is_given_up() {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.writable = false;
    bench.connection.send("a").unwrap();
    bench.pass(29 * SECOND);
    assert_eq!(bench.trace.reason(), None);
    bench.pass(SECOND);
    assert_eq!(bench.trace.reason(), Some(&Reason::Timeout(Timer::Stalled)));
    assert!(bench.connection.is_finished());
}

#[test]
fn what_is_due_at_once_ends_the_connection_without_a_ping_before() {
    // Both deadlines fall on one instant, and a clock that jumps passes both.
    for jump in [20, 3600] {
        let mut config = Config::default();
        config.idle_timeout = Some(20 * SECOND);
        let mut bench = Bench::new(Side::Server, config);
        bench.now = bench.now.after(jump * SECOND);
        bench.tick();
        assert_eq!(bench.trace.reason(), Some(&Reason::Timeout(Timer::Idle)));
        assert_eq!(bench.trace.output, hex("88 02 03e9"));
    }
}

#[test]
fn b05_a_clock_that_jumps_brings_one_ping() {
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.now = bench.now.after(3600 * SECOND);
    bench.tick();
    bench.tick();
    assert_eq!(bench.trace.output, hex("89 08 0000000000000001"));
    assert_eq!(bench.trace.reason(), None);
}

/// M18: one byte of a message every 19 s, from a peer that answers pings.
fn drip(config: Config, bytes: usize) -> Bench {
    let mut bench = Bench::new(Side::Server, config);
    bench.feed(&hex("82 ff 0000000000100000 m0"));
    for _ in 0..bytes {
        bench.pass(19 * SECOND);
        let (frames, _) = wire::split(&bench.trace.output);
        for ping in frames.into_iter().filter(|f| f.opcode() == 9) {
            bench.feed(&Frame::m0(0x8a, ping.payload).bytes());
        }
        bench.feed(b"x");
    }
    bench
}

#[test]
fn m18_a_message_deadline_ends_a_message_that_drips() {
    let mut config = Config::default();
    config.message_timeout = Some(60 * SECOND);
    let bench = drip(config, 4);
    assert_eq!(bench.trace.violation(), Some(Violation::MessageTooSlow));
    assert_eq!(bench.trace.close_sent(), Some(1008));
    assert_eq!(bench.now.as_nanos(), (76 * SECOND).as_nanos() as u64);
}

#[test]
fn m18_without_one_it_holds_no_more_than_it_brought() {
    let (bench, usage) = measure(|| drip(Config::default(), 1000));
    assert_eq!(bench.trace.reason(), None);
    assert!(usage.held <= 16 * 1024, "{usage:?}");
}

#[test]
fn no_deadline_lies_in_the_past_whatever_is_configured() {
    let spans = [
        None,
        Some(Duration::ZERO),
        Some(SECOND),
        Some(Duration::MAX),
    ];
    for idle in spans {
        for message in spans {
            for interval in spans {
                let mut config = Config::default();
                config.idle_timeout = idle;
                config.message_timeout = message;
                config.keepalive = interval.map(|interval| Keepalive {
                    interval,
                    timeout: interval,
                });
                let mut bench = Bench::new(Side::Server, config);
                bench.feed(&hex("01 80 m0"));
                // `tick` looks at the next deadline.
                for step in [0, 1, 1, 1_000_000_000, 5_000_000_000] {
                    bench.now = bench.now.after(Duration::from_nanos(step));
                    bench.tick();
                    bench.tick();
                }
            }
        }
    }
}
