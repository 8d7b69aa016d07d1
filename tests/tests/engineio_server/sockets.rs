//! WebSockets: sessions that begin with one, and sessions that go over to one.

use std::time::Duration;

use sockeye::driver::engineio::Exchange;
use sockeye_tests::wire::Frame;

use crate::kit::{Bed, INTERVAL, TIMEOUT, text};

#[test]
fn a_session_by_websocket() {
    let bed = Bed::new();
    let mut peer = bed.open_socket();
    let open = peer.received().remove(0);
    assert!(open.starts_with(r#"0{"sid":""#), "{open}");
    assert!(open.contains(r#""upgrades":[]"#), "{open}");
    peer.send("4hi");
    peer.input(&Frame::m0(0x82, [1, 2]).bytes());
    assert_eq!(peer.received(), ["4hi", "[1, 2]"]);
    assert_eq!(bed.app.told(), ["opened", "hi", "[1, 2]"]);
    peer.input(&Frame::m0(0x88, [0x03, 0xe8]).bytes());
    assert_eq!(bed.app.told(), ["closed: transport close"]);
    assert_eq!(peer.received(), ["1000"]);
    peer.vanish();
    assert!(peer.task.take().is_some());
    assert!(bed.server.is_empty());
}

#[test]
fn what_others_send_wakes_the_websocket() {
    let bed = Bed::new();
    let mut peer = bed.open_socket();
    peer.received();
    bed.app.session(0).send("news").unwrap();
    assert!(peer.received().is_empty(), "nothing has run yet");
    bed.runtime.run();
    assert_eq!(peer.received(), ["4news"]);
}

#[test]
fn replies_to_one_read_are_one_write() {
    let bed = Bed::new();
    let mut peer = bed.open_socket();
    peer.received();
    let before = peer.world.count(sockeye_tests::transport::Call::Write);
    let many: Vec<u8> = (0..50)
        .flat_map(|n| Frame::m0(0x81, format!("4{n}")).bytes())
        .collect();
    peer.input(&many);
    assert_eq!(peer.received().len(), 50);
    let writes = peer.world.count(sockeye_tests::transport::Call::Write) - before;
    assert_eq!(writes, 1);
}

#[test]
fn u01_a_session_goes_over_to_a_websocket() {
    let bed = Bed::new();
    let client = bed.open();
    let get = client.get();
    let mut peer = client.socket();
    peer.send("2probe");
    assert_eq!(peer.received(), ["3probe"]);
    assert_eq!(text(&get.take().unwrap()), "6");
    assert_eq!(client.poll(), "6", "every GET is answered at once");
    let session = bed.app.session(0);
    session.send("waits").unwrap();
    bed.runtime.run();
    assert!(peer.received().is_empty());
    peer.send("5");
    assert_eq!(peer.received(), ["4waits"]);
    assert_eq!(bed.app.told(), ["opened", "upgraded"]);
    for method in ["GET", "POST"] {
        let (status, body) = client.refused(method);
        assert_eq!((status, &body[..10]), (400, "{\"code\":3,"));
    }
    peer.send("4still there");
    assert_eq!(peer.received(), ["4still there"]);
}

#[test]
fn u04_another_packet_closes_the_websocket_and_polling_goes_on() {
    for packet in ["4a", "2", "5", "1", "x"] {
        let bed = Bed::new();
        let client = bed.open();
        let mut peer = client.socket();
        peer.send(packet);
        assert_eq!(peer.received(), ["1002"], "{packet}");
        assert_eq!(client.post("4hi"), 200);
        assert_eq!(client.poll(), "4hi");
        // The next try need not wait for the end of this one.
        client.upgrade();
        assert_eq!(bed.app.told(), ["opened", "hi", "upgraded"]);
    }
}

#[test]
fn u06_an_upgrade_that_is_not_finished_is_given_up() {
    let bed = Bed::new();
    let client = bed.open();
    let mut peer = client.socket();
    peer.send("2probe");
    peer.received();
    bed.runtime.pass(Duration::from_secs(10));
    assert_eq!(peer.received(), ["1002"]);
    assert_eq!(client.post("4hi"), 200);
    assert_eq!(client.poll(), "4hi");
    bed.runtime.pass(INTERVAL + TIMEOUT);
    assert_eq!(bed.app.told(), ["opened", "hi", "closed: ping timeout"]);
}

#[test]
fn u08_a_second_websocket_is_refused_before_the_101() {
    let bed = Bed::new();
    let client = bed.open();
    let mut peer = client.socket();
    let Exchange::Answer(answer) = client.try_socket() else {
        panic!("a second one");
    };
    assert_eq!(answer.status, 400);
    peer.send("2probe");
    peer.send("5");
    assert!(matches!(client.try_socket(), Exchange::Answer(_)));
    peer.send("4hi");
    assert_eq!(peer.received(), ["3probe", "4hi"]);
}

#[test]
fn u10_what_is_sent_during_the_upgrade_arrives_once_and_in_order() {
    for parked in [false, true] {
        let bed = Bed::new();
        let client = bed.open();
        let mut peer = client.socket();
        peer.send("2probe");
        peer.received();
        let session = bed.app.session(0);
        session.send("m1").unwrap();
        let get = parked.then(|| client.get());
        session.send("m2").unwrap();
        peer.send("5");
        session.send("m3").unwrap();
        bed.runtime.run();
        let polled = get.map(|get| text(&get.take().unwrap()));
        let came = peer.received();
        match parked {
            true => assert_eq!(
                (polled.as_deref(), came),
                (Some("4m1"), vec!["4m2".into(), "4m3".into()])
            ),
            false => assert_eq!(came, ["4m1", "4m2", "4m3"]),
        }
    }
}

#[test]
fn u11_a_post_in_flight_comes_before_what_the_websocket_brings() {
    let bed = Bed::new();
    let client = bed.open();
    let mut peer = client.socket();
    peer.send("2probe");
    let mut post = client.begin();
    post.push(b"4first\x1e4second").unwrap();
    peer.send("5");
    peer.send("4third");
    assert_eq!(bed.app.told(), ["opened", "upgraded"]);
    let answer = bed.runtime.start(post.finish());
    assert_eq!(answer.take().unwrap().status, 200);
    assert_eq!(bed.app.told(), ["first", "second", "third"]);
    assert_eq!(peer.received(), ["3probe", "4first", "4second", "4third"]);
}

#[test]
fn u11_the_same_with_several_messages_in_one_read() {
    let bed = Bed::new();
    let client = bed.open();
    let mut peer = client.socket();
    let mut post = client.begin();
    post.push(b"4first").unwrap();
    let frames = ["2probe", "5", "4second", "4third"].map(|it| Frame::m0(0x81, it).bytes());
    peer.input(&frames.concat());
    assert_eq!(bed.app.told(), ["opened", "upgraded"]);
    bed.runtime.start(post.finish());
    assert_eq!(bed.app.told(), ["first", "second", "third"]);
}

#[test]
fn u13_a_close_during_the_probe_sends_what_waits() {
    let bed = Bed::new();
    let client = bed.open();
    let mut peer = client.socket();
    peer.send("2probe");
    assert_eq!(peer.received(), ["3probe"]);
    let session = bed.app.session(0);
    session.send("last words").unwrap();
    session.close();
    bed.runtime.run();
    assert!(bed.app.told().iter().all(|it| it == "opened"));
    peer.send("5");
    assert_eq!(peer.received(), ["4last words", "1000"]);
    peer.vanish();
    assert_eq!(
        bed.app
            .told()
            .iter()
            .filter(|it| it.starts_with("closed"))
            .count(),
        1
    );
}

#[test]
fn u14_u15_a_websocket_that_dies() {
    let bed = Bed::new();
    let client = bed.open();
    let mut peer = client.socket();
    peer.send("2probe");
    peer.vanish();
    assert_eq!(
        client.post("4hi"),
        200,
        "before the upgrade nothing is lost"
    );
    let mut peer = client.upgrade();
    // What was handed to the network is nobody's to give back.
    peer.world.bound(0, 0);
    let session = bed.app.session(0);
    let large = "x".repeat(100_000);
    session.send(&large).unwrap();
    bed.runtime.run();
    session.send("never handed over").unwrap();
    peer.vanish();
    assert_eq!(
        bed.app.told(),
        ["opened", "hi", "upgraded", "closed: transport close"]
    );
    assert_eq!(bed.app.unsent(), ["never handed over"]);
}

#[test]
fn b09_a_ping_does_not_wait_behind_messages() {
    let bed = Bed::new();
    let mut peer = bed.open_socket();
    peer.received();
    // The peer reads nothing at first.
    peer.world.bound(0, 0);
    let session = bed.app.session(0);
    let message = "x".repeat(100_000);
    let mut sent = 0;
    while session.send(&message).is_ok() {
        sent += 1;
    }
    bed.runtime.pass(INTERVAL);
    peer.world.bound(usize::MAX, usize::MAX);
    peer.world.advance();
    bed.runtime.wake_all();
    let received = peer.received();
    let ping = received.iter().position(|it| it == "2").unwrap();
    assert_eq!(received.len(), sent + 1);
    assert!(ping <= 2, "{ping} messages were before it");
    // Only now the time for the pong begins.
    bed.runtime.pass(TIMEOUT - Duration::from_millis(1));
    peer.send("3");
    bed.runtime.pass(Duration::from_secs(1));
    assert_eq!(bed.app.told(), ["opened"]);
}

#[test]
fn a_websocket_is_not_read_while_the_application_is_busy() {
    let bed = Bed::new();
    let mut peer = bed.open_socket();
    peer.received();
    bed.app.set_busy(true);
    peer.input(
        &["4one", "4two"]
            .map(|it| Frame::m0(0x81, it).bytes())
            .concat(),
    );
    bed.app.session(0).send("written all the same").unwrap();
    bed.runtime.run();
    assert_eq!(bed.app.told(), ["opened"]);
    assert_eq!(peer.received(), ["4written all the same"]);
    bed.app.set_busy(false);
    bed.runtime.run();
    assert_eq!(bed.app.told(), ["one", "two"]);
    assert_eq!(peer.received(), ["4one", "4two"]);
}

#[test]
fn a_busy_application_does_not_end_a_healthy_session() {
    let bed = Bed::new();
    let mut peer = bed.open_socket();
    peer.received();
    bed.app.set_busy(true);
    peer.send("4one");
    bed.runtime.pass(INTERVAL);
    assert_eq!(peer.received(), ["2"]);
    // The pong is there, behind the message, and nobody reads it.
    peer.send("3");
    bed.runtime.pass(10 * TIMEOUT);
    assert_eq!(bed.app.told(), ["opened"]);
    bed.app.set_busy(false);
    bed.runtime.run();
    assert_eq!(peer.received(), ["4one"]);
    bed.runtime.pass(INTERVAL);
    assert_eq!(peer.received(), ["2"]);
    bed.runtime.pass(TIMEOUT);
    assert_eq!(bed.app.told(), ["one", "closed: ping timeout"]);
}

#[test]
fn a_message_that_is_too_large_closes_with_1009() {
    let bed = Bed::new();
    let mut peer = bed.open_socket();
    peer.received();
    peer.input(&Frame::m0(0x82, vec![0; 1_000_001]).bytes());
    assert_eq!(peer.received(), ["1009"]);
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
    assert_eq!(
        bed.app.session(0).reason().unwrap().to_string(),
        "1000001 bytes where 1000000 are the limit"
    );
}

#[test]
fn a_silent_websocket_is_closed_by_the_heartbeat() {
    let bed = Bed::new();
    let mut peer = bed.open_socket();
    peer.received();
    bed.runtime.pass(INTERVAL);
    assert_eq!(peer.received(), ["2"]);
    peer.send("3");
    bed.runtime.pass(INTERVAL);
    assert_eq!(peer.received(), ["2"]);
    bed.runtime.pass(TIMEOUT);
    assert_eq!(peer.received(), ["1011"]);
    assert_eq!(bed.app.told(), ["opened", "closed: ping timeout"]);
}

#[test]
fn a_close_packet_closes_the_session() {
    let bed = Bed::new();
    let mut peer = bed.open_socket();
    peer.received();
    peer.send("1");
    assert_eq!(peer.received(), ["1000"]);
    assert_eq!(bed.app.told(), ["opened", "closed: transport close"]);
}
