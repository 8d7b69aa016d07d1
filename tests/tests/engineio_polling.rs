//! Sessions by polling: GETs, POSTs, what goes wrong with them, and the end.

use std::time::Duration;

use sockeye::engineio::{
    Channel, Config, Detach, Fault, Packet, Prepared, Reason, Refusal, SendError, Separator,
    Transport, Version, WhenFull,
};
use sockeye::{Kind, Message};
use sockeye_tests::session::Bench;

const SECOND: Duration = Duration::from_secs(1);

fn polling() -> Bench {
    Bench::polling(Version::V4, Config::default())
}

/// The session is over, for this reason and for every request.
#[track_caller]
fn ended(bench: &mut Bench, reason: Reason) {
    assert_eq!(bench.events(), [format!("closed: {reason}")]);
    assert_eq!(bench.session.reason(), Some(reason));
    assert!(bench.session.is_finished());
    assert_eq!(bench.try_get(), Err(Refusal::Closed));
    assert_eq!(bench.post_begins(), Err(Refusal::Closed));
    assert_eq!(bench.connect(), Err(Refusal::Closed));
    assert_eq!(bench.session.poll_timeout(), None);
}

const OPEN: &str = "0{\"sid\":\"ZmlmdGVlbiBieXRlcy4u\",\"upgrades\":[\"websocket\"],\
    \"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}";

#[test]
fn the_first_get_is_answered_with_what_opens_the_session() {
    let mut bench = Bench::new(Version::V4, Config::default(), Transport::Polling);
    assert_eq!(bench.answers(), [OPEN]);
    let mut bench = Bench::new(Version::V3, Config::default(), Transport::Polling);
    let answers = [format!("{}:{OPEN}", OPEN.len())];
    assert_eq!(bench.answers(), answers);

    let mut config = Config::default();
    config.upgrades = sockeye::engineio::Transports::NONE;
    let mut bench = Bench::new(Version::V4, config, Transport::Polling);
    assert!(bench.answers()[0].contains(r#""upgrades":[],"#));
    assert_eq!(bench.connect(), Err(Refusal::Upgrade), "u21");
    assert!(bench.session.is_open());
}

#[test]
fn a_message_sent_at_once_goes_with_what_opens_the_session() {
    use sockeye::engineio::{ServerSession, Sid};
    let now = sockeye::Instant::ZERO;
    let sid = Sid::new(*b"fifteen bytes..");
    let polling = Transport::Polling;
    let mut session = ServerSession::new(Config::default(), sid, Version::V4, polling, now);
    session.send("hi").unwrap();
    let mut payload = session.payload();
    session.fill(now, Channel::Get, &mut payload);
    assert_eq!(payload.body(), format!("{OPEN}\x1e4hi").as_bytes());
}

#[test]
fn a_get_takes_all_that_waits() {
    let mut bench = polling();
    bench.session.send("a").unwrap();
    bench.session.send(&[1]).unwrap();
    bench.session.send("c").unwrap();
    bench.get();
    assert_eq!(bench.answers(), ["4a\x1ebAQ==\x1e4c"]);
    bench.get();
    assert!(bench.answers().is_empty(), "it waits");
    for (message, answer) in [("x", "4x"), ("y", "4y")] {
        bench.session.send(message).unwrap();
        bench.flush();
        assert_eq!(bench.answers(), [answer]);
        bench.get();
    }
}

#[test]
fn an_answer_keeps_to_the_limit_and_holds_one_packet_at_least() {
    for (limit, answers) in [
        (7, vec!["4ab\x1e4cd", "bAQ=="]),
        (6, vec!["4ab", "4cd", "bAQ=="]),
        (13, vec!["4ab\x1e4cd\x1ebAQ=="]),
        (12, vec!["4ab\x1e4cd", "bAQ=="]),
        (0, vec!["4ab", "4cd", "bAQ=="]),
    ] {
        let mut config = Config::default();
        config.max_payload = limit;
        let mut bench = Bench::polling(Version::V4, config);
        bench.session.send("ab").unwrap();
        bench.session.send("cd").unwrap();
        bench.session.send(&[1]).unwrap();
        let mut fetched = Vec::new();
        while bench.session.queued_messages() > 0 {
            bench.get();
            fetched.extend(bench.answers());
        }
        assert_eq!(fetched, answers, "{limit}");
    }
}

#[test]
fn p01_p02_p07_what_is_no_payload_ends_the_session_behind_what_is() {
    for (body, events) in [
        ("", vec![]),
        ("\x1e", vec![]),
        ("4a\x1e", vec!["a"]),
        ("\x1e\x1e4a", vec![]),
        ("4a\x1e7\x1e4b", vec!["a"]),
        ("9x", vec![]),
        (" 4a", vec![]),
        ("b!!!!", vec![]),
    ] {
        let mut bench = polling();
        assert_eq!(bench.post(body), 400, "{body:?}");
        let mut told = bench.events();
        let end = told.pop().unwrap();
        assert!(end.starts_with("closed: parse error: "), "{end}");
        assert_eq!(told, events);
        assert_eq!(bench.session.reason().unwrap().name(), "parse error");
    }
}

#[test]
fn p03_packets_of_the_server_are_none_of_the_clients() {
    for (body, status) in [("0{}", 400), ("0", 400), ("5", 400), ("6", 200)] {
        let mut bench = polling();
        assert_eq!(bench.post(body), status, "{body}");
        match status {
            200 => assert!(bench.session.is_open() && bench.events().is_empty()),
            _ => ended(&mut bench, Reason::Fault(Fault::Unexpected)),
        }
    }
}

#[test]
fn p04_the_wrong_end_pings() {
    for (version, body) in [
        (Version::V4, "2"),
        (Version::V4, "2probe"),
        (Version::V3, "1:3"),
    ] {
        let mut bench = Bench::polling(version, Config::default());
        bench.get();
        assert_eq!(bench.post(body), 400, "{body}");
        let close = if version == Version::V4 { "1" } else { "1:1" };
        assert_eq!(bench.answers(), [close]);
        ended(&mut bench, Reason::Fault(Fault::Heartbeat));
    }
}

#[test]
fn p05_pongs_that_answer_nothing_put_off_no_ping() {
    let mut bench = polling();
    bench.get();
    bench.pass(24 * SECOND);
    let pongs = vec!["3"; 10_000].join("\x1e");
    assert_eq!(bench.post(pongs), 200);
    bench.pass(SECOND);
    assert_eq!(bench.answers(), ["2"]);
}

#[test]
fn p06_e11_a_close_ends_the_session_and_the_payload() {
    let mut bench = polling();
    bench.get();
    assert_eq!(bench.post("4a\x1e1\x1e4b"), 200);
    assert_eq!(bench.answers(), ["6"]);
    assert_eq!(bench.events(), ["a", "closed: closed by the peer"]);
    assert_eq!(bench.session.reason().unwrap().name(), "transport close");
    assert!(bench.session.is_finished());

    let mut bench = Bench::polling(Version::V3, Config::default());
    bench.get();
    assert_eq!(bench.post("1:1"), 200);
    assert_eq!(bench.answers(), ["1:6"]);
}

/// As an echo is, which answers the first packet of a POST before the next is read.
#[test]
fn p02_p06_what_is_sent_before_the_end_goes_before_it() {
    for (body, status, answer) in [("1", 200, "4a"), ("7", 400, "4a\x1e1")] {
        let mut bench = polling();
        bench.get();
        bench.post_begins().unwrap();
        bench.session.send("a").unwrap();
        assert_eq!(bench.post_ends(body), status);
        assert_eq!(bench.answers(), [answer]);
        assert!(bench.session.is_finished());
        assert_eq!(bench.session.next_unsent(), None);
    }
}

#[test]
fn p12_p14_s22_a_body_that_is_not_taken_ends_the_session() {
    let limit = 1_000_000;
    let size = 1_000_001;
    for (fault, status) in [
        (Fault::TooLarge { limit, size }, 413),
        (Fault::TooSlow, 408),
        (Fault::ContentType, 400),
    ] {
        let mut bench = polling();
        bench.get();
        bench.post_begins().unwrap();
        bench.fault(Channel::Post, fault);
        assert_eq!(bench.answers(), ["1"]);
        assert_eq!(bench.session.reason().unwrap().status(), status);
        assert_eq!(bench.session.reason().unwrap().name(), "transport error");
        assert!(!bench.session.is_finished(), "the POST wants its answer");
        bench.detach(Channel::Post, Detach::Done);
        ended(&mut bench, Reason::Fault(fault));
    }
}

#[test]
fn p14_a_binary_payload_is_none_of_version_4() {
    let mut bench = polling();
    bench.post_begins().unwrap();
    assert_eq!(bench.post_brings(Kind::Binary, b"4a"), 400);
    assert_eq!(bench.session.reason().unwrap().status(), 400);

    let mut bench = Bench::polling(Version::V3, Config::default());
    bench.post_begins().unwrap();
    let body = [1, 5, 255, 4, 1, 2, 3, 4];
    assert_eq!(bench.post_brings(Kind::Binary, body), 200);
    assert_eq!(bench.events(), ["01020304"]);
}

#[test]
fn p16_text_that_would_come_apart_is_refused() {
    let mut bench = polling();
    let before = bench.session.clone();
    assert_eq!(bench.session.send("a\x1e1"), Err(SendError::Separator));
    assert_eq!(bench.session, before);
    bench.session.send(b"a\x1e1").unwrap();
    bench.get();
    assert_eq!(bench.answers(), ["bYR4x"], "binary does not come apart");

    let mut config = Config::default();
    config.separator = Separator::Binary;
    let mut bench = Bench::polling(Version::V4, config);
    bench.session.send("a\x1e1").unwrap();
    bench.get();
    assert_eq!(bench.answers(), ["bYR4x"]);

    let mut bench = Bench::polling(Version::V3, Config::default());
    bench.session.send("a\x1e1").unwrap();
    bench.get();
    assert_eq!(bench.answers(), ["4:4a\x1e1"], "lengths need no separator");
}

#[test]
fn p16_by_websocket_text_is_text() {
    let mut bench = Bench::upgraded(Version::V4, Config::default());
    bench.session.send("a\x1e1").unwrap();
    bench.flush();
    assert_eq!(bench.messages(), ["4a\x1e1"]);
}

#[test]
fn s09_a_second_get_ends_the_session_for_both() {
    let mut bench = polling();
    bench.get();
    assert_eq!(bench.try_get(), Err(Refusal::Overlap));
    assert_eq!(Refusal::Overlap.code(), None);
    assert_eq!(bench.answers(), ["1"]);
    ended(&mut bench, Reason::Overlap(Channel::Get));
    assert_eq!(bench.session.reason().unwrap().name(), "transport error");
}

#[test]
fn s10_a_second_post_ends_the_session_for_both() {
    let mut bench = polling();
    bench.get();
    bench.post_begins().unwrap();
    assert_eq!(bench.post_begins(), Err(Refusal::Overlap));
    assert_eq!(bench.answers(), ["1"]);
    assert_eq!(bench.post_ends("4a"), 400, "nothing of it is delivered");
    ended(&mut bench, Reason::Overlap(Channel::Post));
}

#[test]
fn s11_a_get_and_a_post_go_on_side_by_side() {
    let mut bench = polling();
    bench.get();
    assert_eq!(bench.post("4a"), 200);
    assert_eq!(bench.events(), ["a"]);
    assert!(bench.answers().is_empty());
    bench.session.send("b").unwrap();
    bench.flush();
    assert_eq!(bench.answers(), ["4b"]);
}

#[test]
fn s15_a_get_that_is_cut_off_ends_the_session() {
    let mut bench = polling();
    bench.get();
    bench.detach(Channel::Get, Detach::Lost);
    ended(&mut bench, Reason::Lost(Channel::Get));
    assert_eq!(bench.session.next_unsent(), None);
}

#[test]
fn s15_what_was_not_sent_comes_back() {
    let mut bench = polling();
    assert_eq!(bench.session.next_unsent(), None, "not while it goes on");
    bench.session.send("a").unwrap();
    bench.session.send(&[7]).unwrap();
    assert_eq!(bench.post("1"), 200);
    assert_eq!(bench.session.queued_messages(), 2);
    assert_eq!(bench.session.next_unsent(), Some(Message::from("a")));
    assert_eq!(bench.session.next_unsent(), Some(Message::from(&[7])));
    assert_eq!(bench.session.next_unsent(), None);
}

#[test]
fn s16_a_post_that_is_cut_off_brings_nothing_and_ends_the_session() {
    let mut bench = polling();
    bench.post_begins().unwrap();
    bench.detach(Channel::Post, Detach::Lost);
    ended(&mut bench, Reason::Lost(Channel::Post));
}

#[test]
fn s20_silence_ends_the_session_after_interval_and_timeout() {
    let mut bench = polling();
    bench.get();
    bench.pass(25 * SECOND);
    assert_eq!(bench.answers(), ["2"]);
    bench.pass(20 * SECOND - Duration::from_nanos(1));
    assert!(bench.session.is_open());
    bench.pass(Duration::from_nanos(1));
    ended(&mut bench, Reason::PingTimeout);

    // Without a GET the ping is not fetched, and the end comes at the same time.
    let mut bench = polling();
    bench.pass(45 * SECOND - Duration::from_nanos(1));
    assert!(bench.session.is_open());
    bench.pass(Duration::from_nanos(1));
    ended(&mut bench, Reason::PingTimeout);
}

#[test]
fn s20_version_3_waits_for_the_ping_of_the_client() {
    let mut bench = Bench::polling(Version::V3, Config::default());
    bench.get();
    bench.pass(44 * SECOND);
    assert_eq!(bench.post("6:2probe"), 200);
    assert_eq!(bench.answers(), ["1:3"], "a pong has no data");
    bench.pass(45 * SECOND - Duration::from_nanos(1));
    assert!(bench.session.is_open());
    bench.pass(Duration::from_nanos(1));
    ended(&mut bench, Reason::PingTimeout);
}

#[test]
fn s24_what_waits_is_bounded() {
    let mut bench = polling();
    let megabyte = vec![7; 1_000_000];
    assert!(bench.session.is_low() && bench.session.has_room());
    bench.session.send(&megabyte[..]).unwrap();
    assert!(!bench.session.is_low() && bench.session.has_room());
    bench.session.send(&megabyte[..]).unwrap();
    let before = bench.session.clone();
    for _ in 0..1000 {
        assert_eq!(bench.session.send(&megabyte[..]), Err(SendError::Full));
    }
    assert_eq!(bench.session, before);
    assert_eq!(bench.session.queued_bytes(), 2_000_000);
    bench.get();
    assert!(bench.session.has_room());

    let mut bench = polling();
    let news = Prepared::new("");
    for _ in 0..16_384 {
        bench.session.send_prepared(&news).unwrap();
    }
    assert_eq!(bench.session.send(""), Err(SendError::Full));
    assert_eq!(bench.session.queued_messages(), 16_384);
}

#[test]
fn s24_or_it_ends_the_session() {
    let mut config = Config::default();
    config.queue.when_full = WhenFull::Close;
    config.queue.messages = 1;
    let mut bench = Bench::polling(Version::V4, config);
    bench.session.send("a").unwrap();
    assert_eq!(bench.session.send("b"), Err(SendError::Full));
    assert_eq!(bench.session.send("c"), Err(SendError::Closing));
    assert_eq!(bench.session.reason(), None, "commands give no event");
    assert_eq!(bench.session.poll_timeout(), Some(sockeye::Instant::ZERO));
    bench.tick();
    ended(&mut bench, Reason::Full);
    assert_eq!(bench.session.next_unsent(), Some(Message::from("a")));
}

#[test]
fn volatile_messages_wait_for_nobody() {
    let mut bench = polling();
    assert_eq!(bench.session.send_volatile("a"), Ok(false));
    bench.get();
    assert_eq!(bench.session.send_volatile("b"), Ok(true));
    assert_eq!(
        bench.session.send_volatile("c\x1e"),
        Err(SendError::Separator)
    );
    bench.flush();
    assert_eq!(bench.answers(), ["4b"]);
    assert_eq!(bench.session.send_volatile("d"), Ok(false));
    assert_eq!(bench.session.stats().dropped, 2);
    bench.session.close();
    assert_eq!(bench.session.send_volatile("e"), Err(SendError::Closing));
}

#[test]
fn s28_b02_what_is_due_comes_before_what_comes_at_the_same_time() {
    let due = sockeye::Instant::ZERO.after(45 * SECOND);
    let silent = || {
        let mut bench = polling();
        bench.get();
        bench.pass(25 * SECOND);
        bench.answers();
        bench.now = due;
        bench
    };
    let mut bench = silent();
    assert_eq!(bench.try_get(), Err(Refusal::Closed));
    ended(&mut bench, Reason::PingTimeout);

    let mut bench = silent();
    assert_eq!(bench.connect(), Err(Refusal::Closed));
    ended(&mut bench, Reason::PingTimeout);

    let mut bench = polling();
    bench.get();
    bench.pass(25 * SECOND);
    bench.post_begins().unwrap();
    bench.now = due;
    assert_eq!(bench.post_ends("3"), 400, "a pong that is too late");
    ended(&mut bench, Reason::PingTimeout);

    let mut bench = polling();
    bench.get();
    bench.pass(25 * SECOND);
    bench.post_begins().unwrap();
    bench.now = due;
    bench.detach(Channel::Post, Detach::Lost);
    ended(&mut bench, Reason::PingTimeout);
}

#[test]
fn b01_a_pong_in_time_brings_the_next_ping_an_interval_later() {
    let mut bench = polling();
    for _ in 0..3 {
        bench.get();
        bench.pass(25 * SECOND);
        assert_eq!(bench.answers(), ["2"]);
        bench.pass(20 * SECOND - Duration::from_nanos(1));
        assert_eq!(bench.post("3"), 200);
        assert!(bench.session.stats().round_trip.unwrap() < 20 * SECOND);
    }
}

#[test]
fn b03_another_packet_extends_the_timeout_once() {
    let mut bench = polling();
    bench.get();
    bench.pass(25 * SECOND);
    bench.pass(19 * SECOND);
    assert_eq!(bench.post("4a"), 200);
    bench.pass(19 * SECOND);
    assert_eq!(bench.post("4b"), 200);
    assert_eq!(bench.events(), ["a", "b"]);
    bench.pass(SECOND);
    ended(&mut bench, Reason::PingTimeout);
}

#[test]
fn b05_a_clock_that_jumps_brings_one_ping_or_one_end() {
    let hour = 3600 * SECOND;
    let mut bench = polling();
    bench.get();
    bench.now = bench.now.after(hour);
    bench.tick();
    assert_eq!(
        bench.answers(),
        ["2"],
        "the client waited and was not asked"
    );
    bench.pass(20 * SECOND);
    ended(&mut bench, Reason::PingTimeout);

    let mut bench = polling();
    bench.now = bench.now.after(hour);
    bench.tick();
    ended(&mut bench, Reason::PingTimeout);
}

#[test]
fn b06_a_clock_that_goes_back_stands_still() {
    let mut bench = polling();
    bench.get();
    bench.pass(25 * SECOND);
    bench.now = sockeye::Instant::from_nanos(7);
    assert_eq!(bench.post("3"), 200);
    bench.get();
    let next = sockeye::Instant::ZERO.after(50 * SECOND);
    assert_eq!(bench.session.poll_timeout(), Some(next));
    bench.tick();
    assert_eq!(bench.session.poll_timeout(), Some(next));
}

#[test]
fn b07_b12_no_clock_and_no_interval_make_a_loop() {
    let spans = [
        Duration::ZERO,
        Duration::from_nanos(1),
        SECOND,
        Duration::MAX,
    ];
    for interval in spans {
        for timeout in spans {
            for version in [Version::V3, Version::V4] {
                let mut config = Config::default();
                config.ping_interval = interval;
                config.ping_timeout = timeout;
                config.upgrade_timeout = timeout;
                config.close_timeout = interval;
                let mut bench = Bench::polling(version, config);
                bench.get();
                let _ = bench.connect();
                for nanos in [0, 0, 1, 2, 1_000_000_000, u64::MAX, u64::MAX, 3] {
                    bench.now = sockeye::Instant::from_nanos(nanos);
                    bench.tick();
                    let pong = if version == Version::V4 { "3" } else { "1:2" };
                    bench.post(pong);
                    bench.session.close();
                    bench.tick();
                }
            }
        }
    }
}

#[test]
fn c2_a_get_that_waits_is_told_of_the_end() {
    let mut bench = polling();
    bench.get();
    bench.session.close();
    assert_eq!(bench.session.send("a"), Err(SendError::Closing));
    bench.flush();
    assert_eq!(bench.answers(), ["1"]);
    ended(&mut bench, Reason::Forced);
}

#[test]
fn c3_without_a_get_the_next_ones_are_told() {
    let mut bench = polling();
    bench.session.close();
    bench.get();
    assert_eq!(bench.answers(), ["6\x1e1"]);
    ended(&mut bench, Reason::Forced);

    let mut bench = polling();
    bench.session.send("bye").unwrap();
    bench.session.close();
    bench.get();
    assert_eq!(bench.answers(), ["4bye"]);
    assert!(bench.events().is_empty());
    bench.get();
    assert_eq!(bench.answers(), ["6\x1e1"]);
    ended(&mut bench, Reason::Forced);
}

#[test]
fn c3_nobody_waits_for_a_client_for_ever() {
    let mut bench = polling();
    bench.session.send("bye").unwrap();
    bench.session.close();
    bench.tick();
    bench.pass(30 * SECOND - Duration::from_nanos(1));
    assert!(bench.events().is_empty());
    bench.pass(Duration::from_nanos(1));
    ended(&mut bench, Reason::Forced);
    assert_eq!(bench.session.next_unsent(), Some(Message::from("bye")));
}

#[test]
fn messages_still_arrive_while_the_session_closes() {
    let mut bench = polling();
    bench.session.close();
    assert_eq!(bench.post("4a"), 200);
    assert_eq!(bench.events(), ["a"]);
    assert_eq!(bench.connect(), Err(Refusal::Upgrade));
    assert_eq!(bench.post("1"), 200);
    ended(&mut bench, Reason::Peer);
}

#[test]
fn close_twice_is_close_once() {
    let mut bench = polling();
    bench.session.close();
    bench.tick();
    let before = bench.session.clone();
    bench.session.close();
    assert_eq!(bench.session, before);
    bench.post("1");
    let before = bench.session.clone();
    bench.session.close();
    assert_eq!(bench.session, before);
}

#[test]
fn what_is_not_attached_is_not_heard() {
    let mut bench = polling();
    let before = bench.session.clone();
    for channel in [Channel::Get, Channel::Post, Channel::WebSocket] {
        let message = Packet::Message("a".into());
        assert_eq!(
            bench.session.handle_packet(bench.now, channel, message),
            None
        );
        let event = bench
            .session
            .handle_error(bench.now, channel, Fault::TooSlow);
        assert_eq!(event, None);
        for how in [Detach::Done, Detach::Lost] {
            assert_eq!(bench.session.detach(bench.now, channel, how), None);
        }
        assert!(!bench.session.has_output(channel));
        assert_eq!(bench.session.next_packet(bench.now, channel), None);
    }
    assert_eq!(bench.session, before);
}

#[test]
fn a_client_without_binary_gets_base64_in_version_3_too() {
    use sockeye::engineio::{ServerSession, Sid};
    let now = sockeye::Instant::ZERO;
    let sid = Sid::new(*b"fifteen bytes..");
    for (takes, kind) in [(Kind::Text, Kind::Text), (Kind::Binary, Kind::Binary)] {
        let version = Version::V3;
        let polling = Transport::Polling;
        let mut session = ServerSession::new(Config::default(), sid, version, polling, now);
        if takes == Kind::Text {
            session = session.without_binary();
        }
        session.fill(now, Channel::Get, &mut session.payload());
        session.detach(now, Channel::Get, Detach::Done);
        session.send("\u{20ac}").unwrap();
        session.send(&[1, 2, 3, 4]).unwrap();
        session.attach(now, Channel::Get).unwrap();
        let mut payload = session.payload();
        session.fill(now, Channel::Get, &mut payload);
        assert_eq!(payload.kind(), kind);
        let expected = match kind {
            Kind::Text => "2:4\u{20ac}10:b4AQIDBA==".as_bytes(),
            Kind::Binary => b"\x00\x04\xff4\xe2\x82\xac\x01\x05\xff\x04\x01\x02\x03\x04",
        };
        assert_eq!(payload.into_body(), expected);
    }
}

#[test]
fn nothing_shows_the_name_of_a_session() {
    let bench = polling();
    let shown = format!("{:?}", bench.session);
    assert!(!shown.contains(bench.session.sid().as_str()));
}

#[test]
fn what_was_done_is_counted() {
    let mut bench = polling();
    bench.get();
    bench.post("4ab\x1eb/w==");
    bench.session.send("cde").unwrap();
    bench.flush();
    let stats = bench.session.stats();
    assert_eq!((stats.messages_in, stats.bytes_in), (2, 3));
    assert_eq!((stats.messages_out, stats.bytes_out), (1, 3));
}
