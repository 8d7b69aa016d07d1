//! The upgrade from polling to WebSocket, and sessions by WebSocket.

use std::time::Duration;

use sockeye::engineio::{
    Channel, Config, Detach, Fault, PacketError, Reason, Refusal, Transport, Version,
};
use sockeye::{Instant, Message};
use sockeye_tests::session::Bench;

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_nanos(1);

fn polling() -> Bench {
    Bench::polling(Version::V4, Config::default())
}

/// A session whose WebSocket was tried out.
fn probed() -> Bench {
    let mut bench = polling();
    bench.connect().unwrap();
    bench.receive("2probe");
    assert_eq!(bench.messages(), ["3probe"]);
    bench
}

fn upgraded() -> Bench {
    Bench::upgraded(Version::V4, Config::default())
}

/// The session goes on by polling, and another WebSocket may come.
#[track_caller]
fn goes_on(bench: &mut Bench) {
    assert!(bench.events().is_empty());
    assert_eq!(bench.session.transport(), Transport::Polling);
    bench.session.send("on").unwrap();
    bench.flush();
    if bench.answers().is_empty() {
        bench.get();
        bench.answers();
    }
    assert_eq!(bench.session.queued_messages(), 0, "it was fetched");
    assert_eq!(bench.post("4on"), 200);
    assert_eq!(bench.events(), ["on"]);
    bench.connect().unwrap();
    bench.receive("2probe");
    assert_eq!(bench.messages(), ["3probe"]);
}

#[track_caller]
fn ended(bench: &mut Bench, reason: Reason) {
    assert_eq!(bench.events(), [format!("closed: {reason}")]);
    assert_eq!(bench.session.reason(), Some(reason));
    assert!(bench.session.is_finished());
    assert_eq!(bench.session.poll_timeout(), None);
}

#[test]
fn u01_the_session_goes_over_with_all_that_waits() {
    let mut bench = polling();
    bench.get();
    bench.connect().unwrap();
    assert!(
        bench.answers().is_empty(),
        "nothing is known of the WebSocket yet"
    );
    bench.receive("2probe");
    assert_eq!(bench.messages(), ["3probe"]);
    assert_eq!(bench.answers(), ["6"]);
    for message in ["a", "b", "c"] {
        bench.session.send(message).unwrap();
    }
    bench.flush();
    assert!(bench.messages().is_empty());
    bench.receive("5");
    assert_eq!(bench.events(), ["upgraded"]);
    assert_eq!(bench.messages(), ["4a", "4b", "4c"]);
    bench.receive("4d");
    assert_eq!(bench.events(), ["d"]);
    assert_eq!(bench.session.transport(), Transport::WebSocket);
}

#[test]
fn u02_every_get_during_the_probe_is_answered_at_once() {
    let mut bench = probed();
    for _ in 0..100 {
        bench.get();
        assert_eq!(bench.answers(), ["6"]);
    }
    bench.session.send("a").unwrap();
    bench.get();
    assert_eq!(
        bench.answers(),
        ["4a"],
        "and not with a noop if there is more to say"
    );
}

#[test]
fn u03_an_upgrade_without_a_probe_is_none() {
    let mut bench = polling();
    bench.connect().unwrap();
    bench.receive("5");
    assert_eq!(bench.messages(), ["close"]);
    goes_on(&mut bench);
}

#[test]
fn u04_u09_another_first_packet_gives_the_upgrade_up() {
    let packets = [
        "4a", "2", "2prob", "2probex", "3probe", "1", "6", "0", "7", "", "b!",
    ];
    for packet in packets {
        for mut bench in [polling(), probed()] {
            let _ = bench.connect();
            bench.receive(packet);
            assert_eq!(bench.messages(), ["close"], "{packet}");
            goes_on(&mut bench);
        }
    }
    for mut bench in [polling(), probed()] {
        let _ = bench.connect();
        bench.receive_message(Message::from(&[1]));
        assert_eq!(bench.messages(), ["close"], "a binary message");
        goes_on(&mut bench);
    }
}

#[test]
fn u04_p23_a_message_that_is_too_large_gives_the_upgrade_up() {
    let fault = Fault::TooLarge {
        limit: 1_000_000,
        size: 1_000_001,
    };
    let mut bench = probed();
    bench.fault(Channel::WebSocket, fault);
    assert_eq!(bench.messages(), ["close"]);
    goes_on(&mut bench);

    let mut bench = upgraded();
    bench.fault(Channel::WebSocket, fault);
    assert_eq!(bench.messages(), ["close"]);
    ended(&mut bench, Reason::Fault(fault));
}

#[test]
fn u05_every_probe_is_answered() {
    let mut bench = polling();
    bench.connect().unwrap();
    for _ in 0..3 {
        bench.receive("2probe");
    }
    assert_eq!(bench.messages(), ["3probe"; 3]);
    bench.receive("5");
    assert_eq!(bench.events(), ["upgraded"]);
}

#[test]
fn u05_probes_that_nobody_writes_the_answers_of_are_bounded() {
    let mut bench = polling();
    bench.connect().unwrap();
    for _ in 0..1000 {
        let probe = sockeye::engineio::Packet::Ping("probe".into());
        let event = bench
            .session
            .handle_packet(bench.now, Channel::WebSocket, probe);
        assert_eq!(event, None);
    }
    bench.flush();
    assert_eq!(bench.messages().len(), 255);
}

#[test]
fn u06_u07_an_upgrade_takes_no_longer_than_its_timeout() {
    for mut bench in [polling(), probed()] {
        let _ = bench.connect();
        bench.get();
        bench.answers();
        bench.pass(10 * SECOND - MOMENT);
        assert!(bench.messages().is_empty());
        bench.pass(MOMENT);
        assert_eq!(bench.messages(), ["close"]);
        goes_on(&mut bench);
    }
}

#[test]
fn u06_an_upgrade_does_not_hold_up_the_heartbeat() {
    let mut config = Config::default();
    config.upgrade_timeout = Duration::MAX;
    let mut bench = Bench::polling(Version::V4, config);
    bench.connect().unwrap();
    bench.receive("2probe");
    bench.messages();
    bench.pass(45 * SECOND - MOMENT);
    assert!(bench.session.is_open());
    bench.pass(MOMENT);
    assert_eq!(bench.messages(), ["close"]);
    ended(&mut bench, Reason::PingTimeout);
}

#[test]
fn u08_s13_a_second_websocket_is_refused_and_the_first_goes_on() {
    let mut bench = polling();
    bench.connect().unwrap();
    assert_eq!(bench.connect(), Err(Refusal::Upgrade));
    bench.receive("2probe");
    assert_eq!(bench.connect(), Err(Refusal::Upgrade));
    bench.receive("5");
    for mut bench in [bench, Bench::websocket(Version::V4, Config::default())] {
        assert_eq!(bench.connect(), Err(Refusal::Upgrade));
        assert_eq!(Refusal::Upgrade.code(), Some(3));
        bench.events();
        bench.receive("4a");
        assert_eq!(bench.events(), ["a"]);
    }
}

#[test]
fn u09_a_second_upgrade_changes_nothing() {
    let mut bench = upgraded();
    let before = bench.session.clone();
    bench.receive("5");
    assert_eq!(bench.session, before);
    bench.receive("4a");
    bench.receive("5");
    assert_eq!(bench.events(), ["a"]);
}

#[test]
fn u10_messages_during_the_upgrade_go_once_and_in_order() {
    // A bit for each message: whether a GET comes after it.
    for gets in 0..32 {
        let mut bench = probed();
        for n in 0..5 {
            bench.session.send(n.to_string().as_str()).unwrap();
            if gets >> n & 1 == 1 {
                bench.get();
            }
        }
        bench.receive("5");
        let fetched = bench.answers().join("\x1e");
        let sent = bench.messages().join("\x1e");
        let all = [fetched, sent].join("\x1e");
        assert_eq!(all.trim_matches('\x1e'), "40\x1e41\x1e42\x1e43\x1e44");
    }
}

#[test]
fn u10_a_get_that_is_parked_still_takes_what_is_sent() {
    let mut bench = polling();
    bench.connect().unwrap();
    bench.get();
    bench.session.send("a").unwrap();
    bench.receive("2probe");
    assert_eq!(bench.answers(), ["4a"]);
}

#[test]
fn u11_a_post_in_flight_is_finished_before_the_websocket_is_read() {
    let mut bench = probed();
    bench.post_begins().unwrap();
    bench.receive("5");
    assert_eq!(bench.events(), ["upgraded"]);
    assert!(bench.session.is_paused());
    bench.session.send("out").unwrap();
    bench.flush();
    assert_eq!(bench.messages(), ["4out"], "the other way goes on");
    assert_eq!(bench.post_ends("4a\x1e4b"), 200);
    assert!(!bench.session.is_paused());
    bench.receive("4c");
    assert_eq!(bench.events(), ["a", "b", "c"]);
}

#[test]
fn u11_a_post_that_is_cut_off_then_was_not_finished() {
    let mut bench = probed();
    bench.post_begins().unwrap();
    bench.receive("5");
    bench.events();
    bench.detach(Channel::Post, Detach::Lost);
    assert_eq!(bench.messages(), ["close"]);
    ended(&mut bench, Reason::Lost(Channel::Post));
}

#[test]
fn u12_what_a_get_took_is_not_sent_again() {
    let mut bench = probed();
    bench.session.send("a").unwrap();
    bench.get();
    assert_eq!(bench.answers(), ["4a"]);
    bench.receive("5");
    assert!(bench.messages().is_empty());
}

#[test]
fn u13_what_is_queued_is_sent_before_the_end() {
    let mut bench = probed();
    bench.session.send("bye").unwrap();
    bench.session.close();
    bench.flush();
    bench.receive("5");
    assert_eq!(bench.messages(), ["4bye", "close"]);
    assert_eq!(
        bench.events(),
        ["upgraded", "closed: closed by this end"],
        "one end"
    );
    assert!(bench.session.is_finished());

    // Or by the GETs, if the client gives the upgrade up.
    let mut bench = probed();
    bench.session.send("bye").unwrap();
    bench.session.close();
    bench.get();
    assert_eq!(bench.answers(), ["4bye"]);
    bench.detach(Channel::WebSocket, Detach::Done);
    bench.get();
    assert_eq!(bench.answers(), ["6\x1e1"]);
    ended(&mut bench, Reason::Forced);
}

#[test]
fn u13_a_websocket_that_was_tried_out_is_told_of_the_end() {
    let mut bench = probed();
    bench.session.close();
    bench.get();
    assert_eq!(bench.answers(), ["6\x1e1"]);
    assert_eq!(bench.messages(), ["close"]);
    ended(&mut bench, Reason::Forced);
}

#[test]
fn u14_a_websocket_that_dies_during_the_probe_ends_nothing() {
    for how in [Detach::Done, Detach::Lost] {
        for mut bench in [polling(), probed()] {
            let _ = bench.connect();
            bench.detach(Channel::WebSocket, how);
            goes_on(&mut bench);
        }
    }
}

#[test]
fn u15_a_websocket_that_dies_after_the_upgrade_ends_the_session() {
    for (how, reason) in [
        (Detach::Done, Reason::Peer),
        (Detach::Lost, Reason::Lost(Channel::WebSocket)),
    ] {
        let mut bench = upgraded();
        bench.session.send("a").unwrap();
        bench.detach(Channel::WebSocket, how);
        ended(&mut bench, reason);
        assert_eq!(bench.session.next_unsent(), Some(Message::from("a")));
    }
}

#[test]
fn u16_s12_requests_after_the_upgrade_are_refused_and_harm_nothing() {
    for mut bench in [upgraded(), Bench::websocket(Version::V4, Config::default())] {
        assert_eq!(bench.try_get(), Err(Refusal::Transport));
        assert_eq!(bench.post_begins(), Err(Refusal::Transport));
        assert_eq!(Refusal::Transport.code(), Some(3));
        bench.receive("4a");
        assert_eq!(bench.events(), ["a"]);
    }
}

#[test]
fn u17_a_noop_is_for_a_get_and_never_for_the_websocket() {
    let mut bench = probed();
    bench.receive("5");
    assert!(bench.messages().is_empty());
}

#[test]
fn u17_a_get_that_is_late_is_answered_with_a_noop() {
    // It is attached when the upgrade comes, and the answer of the probe is not
    // written yet.
    let mut bench = polling();
    bench.connect().unwrap();
    bench.get();
    for packet in [
        sockeye::engineio::Packet::Ping("probe".into()),
        sockeye::engineio::Packet::Upgrade,
    ] {
        bench
            .session
            .handle_packet(bench.now, Channel::WebSocket, packet);
    }
    bench.session.send("a").unwrap();
    bench.flush();
    assert_eq!(bench.answers(), ["6"]);
    assert_eq!(bench.messages(), ["4a"]);
}

#[test]
fn u18_a_ping_that_is_out_stays_out_through_the_upgrade() {
    for answers in [false, true] {
        let mut bench = polling();
        bench.get();
        bench.pass(25 * SECOND);
        assert_eq!(bench.answers(), ["2"]);
        bench.connect().unwrap();
        bench.receive("2probe");
        bench.receive("5");
        assert_eq!(bench.messages(), ["3probe"]);
        assert_eq!(bench.events(), ["upgraded"]);
        bench.pass(20 * SECOND - MOMENT);
        if answers {
            bench.receive("3");
        }
        bench.pass(MOMENT);
        assert_eq!(bench.session.is_open(), answers);
    }
}

#[test]
fn u18_a_ping_that_nobody_fetched_goes_by_the_websocket() {
    let mut bench = polling();
    bench.pass(24 * SECOND);
    bench.connect().unwrap();
    bench.receive("2probe");
    bench.pass(2 * SECOND);
    bench.receive("5");
    assert_eq!(bench.messages(), ["3probe", "2"]);
}

#[test]
fn u19_version_3_misses_the_pings_of_the_client_after_the_upgrade_too() {
    let mut bench = Bench::upgraded(Version::V3, Config::default());
    bench.pass(44 * SECOND);
    bench.receive("2");
    assert_eq!(bench.messages(), ["3"]);
    bench.pass(45 * SECOND - MOMENT);
    assert!(bench.session.is_open());
    bench.pass(MOMENT);
    assert_eq!(bench.messages(), ["close"]);
    ended(&mut bench, Reason::PingTimeout);
}

#[test]
fn b09_a_ping_goes_before_what_is_queued_and_waits_for_its_turn() {
    let mut bench = upgraded();
    for _ in 0..10 {
        bench.session.send(&[7; 90_000][..]).unwrap();
    }
    // A slow reader: nothing is taken for a minute.
    for second in 0..60 {
        bench.now = Instant::ZERO.after(second * SECOND);
        assert_eq!(bench.session.handle_timeout(bench.now), None);
    }
    let next = bench.session.next_packet(bench.now, Channel::WebSocket);
    assert_eq!(next, Some(sockeye::engineio::Packet::Ping("".into())));
    bench.flush();
    bench.pass(20 * SECOND - MOMENT);
    assert!(
        bench.session.is_open(),
        "the timeout began when it was taken"
    );
    bench.pass(MOMENT);
    assert!(!bench.session.is_open());
}

#[test]
fn p17_p19_what_is_wrong_by_websocket_ends_the_session() {
    let unexpected = Reason::Fault(Fault::Unexpected);
    for (packet, reason) in [
        ("", Reason::Fault(Fault::Packet(PacketError::Empty))),
        ("9", Reason::Fault(Fault::Packet(PacketError::Type))),
        ("0{}", unexpected),
        ("2", Reason::Fault(Fault::Heartbeat)),
        ("2probe", Reason::Fault(Fault::Heartbeat)),
    ] {
        for mut bench in [upgraded(), Bench::websocket(Version::V4, Config::default())] {
            bench.receive(packet);
            assert_eq!(bench.messages(), ["close"], "{packet}");
            ended(&mut bench, reason);
        }
    }
}

#[test]
fn p18_a_close_by_websocket_ends_the_session_at_once() {
    let mut bench = upgraded();
    bench.receive("1");
    assert_eq!(bench.messages(), ["close"]);
    ended(&mut bench, Reason::Peer);
    bench.receive("4a");
    assert!(bench.events().is_empty());
}

#[test]
fn p20_p21_p22_messages_by_websocket() {
    let mut bench = upgraded();
    bench.receive("4a\x1e4b");
    bench.receive_message(Message::from(&[]));
    bench.receive_message(Message::from(&[1]));
    bench.receive("bAQID");
    bench.receive("4");
    bench.receive("6");
    bench.receive("3");
    assert_eq!(bench.events(), ["a\x1e4b", "", "01", "010203", ""]);
}

#[test]
fn a_session_by_websocket_begins_with_what_opens_it() {
    let mut bench = Bench::new(Version::V4, Config::default(), Transport::WebSocket);
    let open = bench.messages();
    assert_eq!(open.len(), 1);
    assert!(open[0].starts_with("0{") && open[0].contains(r#""upgrades":[],"#));
    bench.pass(25 * SECOND);
    assert_eq!(bench.messages(), ["2"]);
    bench.receive("3");
    bench.pass(25 * SECOND);
    assert_eq!(bench.messages(), ["2"]);
    bench.pass(20 * SECOND);
    assert_eq!(bench.messages(), ["close"]);
    ended(&mut bench, Reason::PingTimeout);
}

#[test]
fn a_close_by_the_application_comes_behind_what_is_queued() {
    let mut bench = upgraded();
    bench.session.send("a").unwrap();
    bench.session.send(&[1]).unwrap();
    bench.session.close();
    bench.flush();
    assert_eq!(bench.messages(), ["4a", "bAQ==", "close"]);
    ended(&mut bench, Reason::Forced);
}

#[test]
fn a_close_that_a_slow_reader_does_not_take_has_a_deadline() {
    let mut bench = upgraded();
    bench.session.send("a").unwrap();
    bench.session.close();
    assert_eq!(bench.session.handle_timeout(bench.now), None);
    let by = bench.session.poll_timeout().unwrap();
    assert_eq!(by, bench.now.after(30 * SECOND));
    bench.now = by;
    bench.tick();
    assert_eq!(bench.messages(), ["close"]);
    ended(&mut bench, Reason::Forced);
    assert_eq!(bench.session.next_unsent(), Some(Message::from("a")));
}

#[test]
fn volatile_messages_are_dropped_where_the_websocket_does_not_keep_up() {
    let mut bench = upgraded();
    assert_eq!(bench.session.send_volatile("a"), Ok(true));
    bench.session.send(&[7; 300_000][..]).unwrap();
    assert_eq!(bench.session.send_volatile("b"), Ok(false));
    bench.flush();
    assert_eq!(bench.session.send_volatile("c"), Ok(true));
}

/// A client that keeps to no rule: the session does, and sends everything once and
/// in order.
#[test]
fn any_order_of_anything_is_survived() {
    let packets = [
        "2probe", "5", "2", "3", "4a", "1", "6", "0", "9", "", "b!", "bAQ==",
    ];
    let mut ends = std::collections::HashSet::new();
    for seed in 0..3000_u64 {
        let mut state = seed;
        let mut below = |end: usize| {
            state = state
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) as usize % end
        };
        let version = [Version::V3, Version::V4][below(2)];
        let mut bench = Bench::polling(version, Config::default());
        let (mut sent, mut answers, mut messages) = (0, Vec::new(), Vec::new());
        for _ in 0..60 {
            match below(20) {
                0..5 => drop(bench.try_get()),
                5 => drop(bench.post_begins()),
                6 => drop(bench.post_ends(packets[below(packets.len())])),
                7 => bench.detach(Channel::Post, Detach::Done),
                8 | 9 => drop(bench.connect()),
                // Those that go over more often than the others.
                10..14 if !bench.session.is_paused() => bench.receive(packets[below(2)]),
                14 if !bench.session.is_paused() => bench.receive(packets[below(packets.len())]),
                15 if below(4) == 0 => {
                    let channel = [Channel::Get, Channel::Post, Channel::WebSocket][below(3)];
                    bench.detach(channel, [Detach::Done, Detach::Lost][below(2)]);
                }
                16 if below(8) == 0 => bench.session.close(),
                17 => bench.pass(Duration::from_secs(below(15) as u64)),
                _ => {
                    if bench.session.send(format!("m{sent}.")).is_ok() {
                        sent += 1;
                    }
                    bench.flush();
                }
            }
            answers.extend(bench.answers());
            messages.extend(bench.messages());
        }
        let out = [answers.concat(), messages.concat()].concat();
        let numbers = out
            .split('m')
            .skip(1)
            .filter_map(|text| text.split('.').next());
        let mut next = 0;
        for number in numbers {
            assert_eq!(number, next.to_string(), "seed {seed}: {out:?}");
            next += 1;
        }
        let unsent = bench.session.queued_messages();
        assert_eq!(next + unsent, sent, "seed {seed}");
        ends.insert(bench.session.reason().map(|reason| reason.name()));
    }
    assert_eq!(ends.len(), 6, "{ends:?}");
}
