//! Sessions of clients, against servers of every sort.

use std::time::Duration;

use sockeye::engineio::{
    Channel, ClientConfig, Detach, Fault, OpenError, PacketError, Reason, Refusal, SendError,
    Transport, Transports, Version,
};
use sockeye::{Instant, Message};
use sockeye_tests::session::{Client, OPEN};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_nanos(1);

fn polling() -> Client {
    let mut client = Client::polling_only(Version::V4);
    client.gets();
    client
}

/// A session whose WebSocket is connected, and was probed.
fn probed() -> Client {
    let mut client = Client::polling(Version::V4, ClientConfig::default());
    client.connected();
    assert_eq!(client.messages(), ["2probe"]);
    client.gets();
    client
}

fn upgraded(version: Version) -> Client {
    let mut client = Client::polling(version, ClientConfig::default());
    client.connected();
    client.receive("3probe");
    client.answer(if version == Version::V4 { "6" } else { "1:6" });
    assert_eq!(client.events(), ["upgraded"]);
    assert_eq!(client.messages(), ["2probe", "5"]);
    client.gets();
    client
}

#[track_caller]
fn ended(client: &mut Client, reason: Reason) {
    assert_eq!(client.events(), [format!("closed: {reason}")]);
    assert_eq!(client.session.reason(), Some(reason));
    for channel in [Channel::Get, Channel::Post, Channel::WebSocket] {
        assert!(!client.session.wants(channel));
        client.detach(channel, Detach::Lost);
    }
    assert!(client.session.is_finished());
    assert_eq!(client.session.poll_timeout(), None);
    assert_eq!(client.session.send("a"), Err(SendError::Closing));
}

/// The session goes on by polling.
#[track_caller]
fn goes_on(client: &mut Client) {
    assert!(client.events().is_empty());
    assert_eq!(client.session.transport(), Transport::Polling);
    client.session.send("on").unwrap();
    client.step();
    assert_eq!(client.posts(), ["4on"]);
    client.ok();
    client.answer("4on");
    assert_eq!(client.events(), ["on"]);
    assert_eq!(client.messages(), [""; 0]);
}

#[test]
fn a_get_opens_the_session_and_another_follows() {
    let mut client = Client::new(Version::V4, ClientConfig::default(), Transport::Polling);
    assert_eq!(client.gets(), 1);
    assert!(!client.session.wants(Channel::WebSocket));
    assert_eq!(client.session.send("a"), Err(SendError::Opening));
    assert_eq!(client.session.send_volatile("a"), Err(SendError::Opening));
    client.answer(format!("{OPEN}\x1e4a"));
    assert_eq!(client.events(), ["opened", "a"]);
    assert_eq!(client.gets(), 1);
    assert_eq!(&client.session.open().unwrap().sid, "lv_VI97HAXpY6yYWAAAC");
    let shown = format!("{:?}", client.session);
    assert!(!shown.contains("lv_VI97HAXpY6yYWAAAC"));
}

#[test]
fn a_websocket_opens_the_session() {
    let config = ClientConfig::default();
    let mut client = Client::new(Version::V4, config, Transport::WebSocket);
    assert_eq!(client.session.transport(), Transport::WebSocket);
    client.connected();
    assert!(client.messages().is_empty(), "the server speaks first");
    client.receive(OPEN);
    assert_eq!(client.events(), ["opened"]);
    client.session.send("a\x1e").unwrap();
    client.step();
    assert_eq!(client.messages(), ["4a\x1e"]);
    client.receive("2");
    assert_eq!(client.messages(), ["3"]);
    assert_eq!(client.gets(), 0);
    client.session.close();
    client.step();
    assert_eq!(client.messages(), ["close"]);
    ended(&mut client, Reason::Forced);
}

#[test]
fn a_session_that_is_not_opened_ends() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut client = Client::new(Version::V4, ClientConfig::default(), transport);
        client.pass(20 * SECOND - MOMENT);
        assert!(client.events().is_empty());
        client.pass(MOMENT);
        ended(&mut client, Reason::OpenTimeout);

        let mut client = Client::new(Version::V4, ClientConfig::default(), transport);
        client.session.close();
        client.tick();
        ended(&mut client, Reason::Forced);

        let mut client = Client::new(Version::V4, ClientConfig::default(), transport);
        let channel = match transport {
            Transport::Polling => Channel::Get,
            _ => Channel::WebSocket,
        };
        client.detach(channel, Detach::Lost);
        ended(&mut client, Reason::Lost(channel));
    }
}

#[test]
fn e01_b08_what_opens_a_session_is_an_open_packet_that_makes_sense() {
    let with = |interval: &str| OPEN.replace("25000", interval);
    let open = |error| Reason::Fault(Fault::Open(error));
    for (packet, reason) in [
        ("4a".into(), Reason::Fault(Fault::Unexpected)),
        ("6".into(), Reason::Fault(Fault::Unexpected)),
        ("1".into(), Reason::Fault(Fault::Unexpected)),
        ("0".into(), open(OpenError::Json)),
        ("0[]".into(), open(OpenError::Json)),
        (with("0"), open(OpenError::PingInterval)),
        (with("-1"), open(OpenError::PingInterval)),
        (with("NaN"), open(OpenError::PingInterval)),
        (with("1e308"), open(OpenError::PingInterval)),
        (with("\"25000\""), open(OpenError::PingInterval)),
    ] {
        let mut client = Client::new(Version::V4, ClientConfig::default(), Transport::Polling);
        client.answer(packet.clone());
        ended(&mut client, reason);
        let mut client = Client::new(Version::V4, ClientConfig::default(), Transport::WebSocket);
        client.connected();
        client.receive(&packet);
        assert_eq!(client.messages(), ["close"], "{packet}");
        ended(&mut client, reason);
    }
}

#[test]
fn b08_a_server_that_wants_a_thousand_pings_a_second_does_not_get_them() {
    let open = OPEN.replace("25000", "1");
    let config = ClientConfig::default();
    let mut client = Client::new(Version::V3, config, Transport::WebSocket);
    client.connected();
    client.receive(&open);
    for _ in 0..10 {
        client.pass(100 * Duration::from_millis(1));
        assert_eq!(client.messages(), ["2"]);
        client.receive("3");
    }
}

#[test]
fn e03_a_session_is_not_opened_twice() {
    let mut client = polling();
    let other = OPEN.replace("lv_VI97", "another");
    client.answer(other.clone());
    ended(&mut client, Reason::Fault(Fault::Unexpected));
    assert_eq!(&client.session.open().unwrap().sid, "lv_VI97HAXpY6yYWAAAC");

    let mut client = upgraded(Version::V4);
    client.receive(&other);
    ended(&mut client, Reason::Fault(Fault::Unexpected));
}

#[test]
fn e05_a_post_has_one_packet_at_least_and_no_more_than_the_server_takes() {
    for (max, posts) in [
        ("\"maxPayload\":5", vec!["4a\x1e4b", "4c\x1e4d"]),
        ("\"maxPayload\":4", vec!["4a", "4b", "4c", "4d"]),
        ("\"maxPayload\":2", vec!["4a", "4b", "4c", "4d"]),
        ("\"maxPayload\":0", vec!["4a\x1e4b\x1e4c\x1e4d"]),
        ("\"maxPayload\":null", vec!["4a\x1e4b\x1e4c\x1e4d"]),
        ("\"maxPayload\":1e18", vec!["4a\x1e4b\x1e4c\x1e4d"]),
    ] {
        let mut config = ClientConfig::default();
        config.upgrades = Transports::NONE;
        let mut client = Client::new(Version::V4, config, Transport::Polling);
        client.answer(OPEN.replace("\"maxPayload\":100", max));
        for message in ["a", "b", "c", "d"] {
            client.session.send(message).unwrap();
        }
        client.step();
        let mut sent = client.posts();
        while client.session.queued_messages() > 0 {
            client.ok();
            sent.extend(client.posts());
        }
        assert_eq!(sent, posts, "{max}");
    }
}

#[test]
fn p25_base64_counts_as_it_grows() {
    let mut client = polling();
    // 73 bytes are 100 characters of base64, and a `b` before them.
    let before = client.session.clone();
    assert_eq!(client.session.send(&[0; 73]), Err(SendError::TooLarge));
    assert_eq!(client.session, before);
    client.session.send(&[0; 72]).unwrap();
    client.session.send("").unwrap();
    client.session.send("").unwrap();
    client.step();
    let posts = client.posts();
    assert_eq!((posts.len(), posts[0].len()), (1, 99), "no room for 2 more");
    client.ok();
    assert_eq!(client.posts(), ["4"]);

    // By WebSocket nothing grows.
    let mut client = upgraded(Version::V4);
    client.session.send(&[0; 100]).unwrap();
    assert_eq!(client.session.send(&[0; 101]), Err(SendError::TooLarge));
    assert_eq!(
        client.session.send("x".repeat(100)),
        Err(SendError::TooLarge)
    );
    client.session.send("x".repeat(99)).unwrap();
}

#[test]
fn some_servers_take_sixteen_packets_and_no_more() {
    let mut config = ClientConfig::default();
    config.max_packets = 16;
    config.upgrades = Transports::NONE;
    let mut client = Client::polling(Version::V4, config);
    for _ in 0..17 {
        client.session.send("").unwrap();
    }
    client.step();
    assert_eq!(client.posts(), [["4"; 16].join("\x1e")]);
    client.ok();
    assert_eq!(client.posts(), ["4"]);
}

#[test]
fn e06_a_server_with_nothing_to_say_is_asked_less_often() {
    for body in ["6", ""] {
        let mut client = polling();
        for _ in 0..9 {
            client.answer(body);
            assert_eq!(client.gets(), 1);
        }
        for millis in [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000] {
            client.answer(body);
            assert_eq!(client.gets(), 0);
            let rest = Duration::from_millis(millis);
            client.pass(rest - MOMENT);
            assert_eq!(client.gets(), 0);
            client.pass(MOMENT);
            assert_eq!(client.gets(), 1, "{rest:?}");
        }
        client.answer("4a");
        assert_eq!(client.gets(), 1);
        client.answer(body);
        assert_eq!(client.gets(), 1, "it had something to say");
    }
}

#[test]
fn e07_another_status_ends_the_session_and_is_kept() {
    for channel in [Channel::Get, Channel::Post] {
        let mut client = polling();
        client.session.send("a").unwrap();
        client.step();
        client.fault(channel, Fault::Status(503));
        ended(&mut client, Reason::Fault(Fault::Status(503)));
        assert_eq!(client.session.reason().unwrap().name(), "transport error");
    }
}

#[test]
fn e11_a_close_comes_behind_what_is_before_it_and_before_nothing() {
    let mut client = polling();
    client.answer("4a\x1e1\x1e4b");
    assert_eq!(client.events(), ["a", "closed: closed by the peer"]);
    let mut client = upgraded(Version::V4);
    client.receive("4a");
    client.receive("1");
    client.receive("4b");
    assert_eq!(client.events(), ["a", "closed: closed by the peer"]);
    assert_eq!(client.messages(), ["close"]);
}

#[test]
fn e12_a_probe_that_is_not_answered_right_gives_the_upgrade_up() {
    for packet in ["3", "3prob", "4x", "6", "1", "2probe", "9", OPEN] {
        let mut client = probed();
        client.receive(packet);
        assert_eq!(client.messages(), ["close"], "{packet}");
        goes_on(&mut client);
    }
}

#[test]
fn e12_a_probe_has_a_deadline_of_its_own() {
    let mut client = probed();
    client.pass(10 * SECOND - MOMENT);
    assert!(client.messages().is_empty());
    client.pass(MOMENT);
    assert_eq!(client.messages(), ["close"]);
    goes_on(&mut client);

    // It counts from before the WebSocket is there.
    let mut client = Client::polling(Version::V4, ClientConfig::default());
    client.pass(10 * SECOND);
    client.connected();
    assert_eq!(client.messages(), ["close"]);
    goes_on(&mut client);

    // And until what is in flight is answered.
    let mut client = probed();
    client.pass(9 * SECOND);
    client.receive("3probe");
    client.pass(SECOND);
    assert_eq!(client.messages(), ["close"]);
    goes_on(&mut client);
}

#[test]
fn u14_a_websocket_that_cannot_be_had_or_dies_early_ends_nothing() {
    for how in [Detach::Done, Detach::Lost] {
        let mut client = Client::polling(Version::V4, ClientConfig::default());
        client.detach(Channel::WebSocket, how);
        goes_on(&mut client);
        let mut client = probed();
        client.detach(Channel::WebSocket, how);
        goes_on(&mut client);
        let mut client = probed();
        client.receive("3probe");
        client.detach(Channel::WebSocket, how);
        goes_on(&mut client);
    }
}

#[test]
fn u15_a_websocket_that_dies_after_the_upgrade_ends_the_session() {
    let mut client = upgraded(Version::V4);
    client.detach(Channel::WebSocket, Detach::Done);
    ended(&mut client, Reason::Peer);
    let mut client = upgraded(Version::V4);
    client.session.send("a").unwrap();
    client.detach(Channel::WebSocket, Detach::Lost);
    ended(&mut client, Reason::Lost(Channel::WebSocket));
    assert_eq!(client.session.next_unsent(), Some(Message::from("a")));
    assert_eq!(client.session.next_unsent(), None);
}

#[test]
fn u01_u12_the_upgrade_waits_for_what_is_in_flight() {
    let mut client = probed();
    client.session.send("a").unwrap();
    client.step();
    assert_eq!(client.posts(), ["4a"]);
    client.receive("3probe");
    client.session.send("b").unwrap();
    client.step();
    client.ok();
    assert!(client.posts().is_empty() && client.messages().is_empty());
    client.answer("4x\x1e6");
    assert_eq!(client.events(), ["x", "upgraded"]);
    assert_eq!(client.messages(), ["5", "4b"]);
    assert_eq!(client.gets(), 0);
}

#[test]
fn e13_a_post_that_is_cut_off_ends_the_session_and_is_not_sent_again() {
    let mut client = polling();
    client.session.send("a").unwrap();
    client.step();
    client.session.send("b").unwrap();
    client.detach(Channel::Post, Detach::Lost);
    ended(&mut client, Reason::Lost(Channel::Post));
    assert_eq!(client.session.next_unsent(), Some(Message::from("b")));
    assert_eq!(client.session.next_unsent(), None);
}

#[test]
fn e14_a_get_that_is_cut_off_ends_the_session() {
    let mut client = polling();
    client.detach(Channel::Get, Detach::Lost);
    ended(&mut client, Reason::Lost(Channel::Get));
}

#[test]
fn every_ping_is_answered_and_silence_ends_the_session() {
    let mut client = polling();
    client.pass(44 * SECOND);
    client.answer("2");
    assert_eq!(client.posts(), ["3"]);
    client.ok();
    client.pass(45 * SECOND - MOMENT);
    assert!(client.session.is_open());
    client.pass(MOMENT);
    ended(&mut client, Reason::PingTimeout);
}

#[test]
fn the_client_of_version_3_pings() {
    let mut client = Client::polling_only(Version::V3);
    client.pass(25 * SECOND);
    assert_eq!(client.posts(), ["1:2"]);
    client.ok();
    client.answer("1:3");
    assert!(client.session.stats().round_trip.is_some());
    client.pass(25 * SECOND);
    assert_eq!(client.posts(), ["1:2"]);
    client.ok();
    client.pass(20 * SECOND);
    ended(&mut client, Reason::PingTimeout);

    let mut client = upgraded(Version::V3);
    client.pass(25 * SECOND);
    assert_eq!(client.messages(), ["2"]);
    client.receive("3");
    client.pass(25 * SECOND);
    assert_eq!(client.messages(), ["2"]);
}

#[test]
fn p04_p19_the_wrong_end_pings() {
    let mut client = polling();
    client.answer("3");
    ended(&mut client, Reason::Fault(Fault::Heartbeat));
    let mut client = upgraded(Version::V3);
    client.receive("2");
    ended(&mut client, Reason::Fault(Fault::Heartbeat));
}

#[test]
fn p01_p17_what_is_no_packet_ends_the_session() {
    let mut client = polling();
    client.answer("4a\x1e9\x1e4b");
    let events = client.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], "a");
    assert_eq!(client.session.reason().unwrap().name(), "parse error");
    let mut client = upgraded(Version::V4);
    client.receive("");
    ended(
        &mut client,
        Reason::Fault(Fault::Packet(PacketError::Empty)),
    );
}

#[test]
fn b05_a_device_that_slept_ends_the_session_before_it_sends_anything() {
    let hour = 3600 * SECOND;
    let mut client = polling();
    client.now = client.now.after(hour);
    client.session.send("a").unwrap();
    client.step();
    assert!(client.posts().is_empty());
    ended(&mut client, Reason::PingTimeout);
    assert_eq!(client.session.next_unsent(), Some(Message::from("a")));

    let mut client = upgraded(Version::V4);
    client.now = client.now.after(hour);
    client.session.send("a").unwrap();
    client.step();
    assert!(client.messages().is_empty());
    client.tick();
    assert_eq!(client.messages(), ["close"]);
    ended(&mut client, Reason::PingTimeout);
}

#[test]
fn b06_b07_no_clock_makes_a_loop() {
    for version in [Version::V3, Version::V4] {
        for mut client in [Client::polling_only(version), upgraded(version)] {
            for nanos in [0, 0, 7, 1_000_000_000, u64::MAX, u64::MAX, 3] {
                client.now = Instant::from_nanos(nanos);
                client.tick();
            }
            assert!(client.session.reason().is_some());
        }
    }
}

#[test]
fn a_close_goes_behind_what_is_queued_and_takes_the_upgrade_with_it() {
    let mut client = polling();
    client.session.send("a").unwrap();
    client.session.close();
    client.step();
    assert_eq!(client.posts(), ["4a\x1e1"]);
    assert!(client.events().is_empty());
    client.ok();
    ended(&mut client, Reason::Forced);

    let mut client = polling();
    client.session.send("a").unwrap();
    client.step();
    client.session.close();
    client.answer("4x");
    assert_eq!(client.events(), ["x"], "messages still arrive");
    assert_eq!(client.gets(), 0, "but are not asked for");
    assert_eq!(client.posts(), ["4a"]);
    client.ok();
    assert_eq!(client.posts(), ["1"]);
    client.answer("6");
    client.ok();
    ended(&mut client, Reason::Forced);

    let mut client = probed();
    client.receive("3probe");
    client.session.close();
    client.step();
    assert_eq!(client.messages(), ["close"]);
    assert_eq!(client.posts(), ["1"]);
}

#[test]
fn nobody_waits_for_a_server_for_ever() {
    let mut client = polling();
    client.session.close();
    client.step();
    client.pass(5 * SECOND - MOMENT);
    assert!(client.events().is_empty());
    client.pass(MOMENT);
    ended(&mut client, Reason::Forced);
}

#[test]
fn what_is_not_wanted_changes_nothing() {
    let mut client = polling();
    client.eager = false;
    for channel in [Channel::Get, Channel::Post, Channel::WebSocket] {
        let before = client.session.clone();
        let refused = client.session.attach(client.now, channel).unwrap_err();
        assert_eq!((refused.why, refused.event), (Refusal::Unwanted, None));
        assert_eq!(client.session, before);
    }
}

#[test]
fn messages_of_polling_keep_out_what_polling_cannot_carry() {
    let mut client = probed();
    assert_eq!(client.session.send("\x1e"), Err(SendError::Separator));
    client.receive("3probe");
    assert_eq!(client.session.send("\x1e"), Err(SendError::Separator));
    client.answer("6");
    client.session.send("\x1e").unwrap();
    client.step();
    assert_eq!(client.messages(), ["5", "4\x1e"]);
}
