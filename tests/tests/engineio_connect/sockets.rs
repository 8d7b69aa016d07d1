//! Sessions that begin with a WebSocket, and sessions that go over to one.

use std::time::Duration;

use sockeye::driver::engineio::client::Options;
use sockeye::engineio::Transport;
use sockeye_tests::wire::Frame;

use crate::kit::{Bed, OPEN, OPEN_UPGRADES};

fn by_websocket() -> Options {
    let mut options = Options::default();
    options.transport = Transport::WebSocket;
    options
}

#[test]
fn a_session_by_websocket() {
    let bed = Bed::new(by_websocket());
    assert!(bed.try_get().is_none());
    let mut peer = bed.socket();
    peer.send(OPEN);
    peer.send("4hi");
    peer.input(&Frame::unmasked(0x82, [1, 2]).bytes());
    assert_eq!(bed.seen(), ["open", "hi", "[1, 2]"]);
    bed.send("yes");
    bed.send(&[3][..]);
    peer.send("2");
    assert_eq!(peer.received(), ["4yes", "[3]", "3"]);
    bed.sender().close();
    bed.runtime.run();
    assert_eq!(peer.received(), ["1000"]);
    assert!(bed.seen().is_empty(), "the server is to answer");
    peer.close();
    assert_eq!(bed.seen(), ["end"]);
}

#[test]
fn a_server_that_closes_is_no_error() {
    for words in ["1", ""] {
        let bed = Bed::new(by_websocket());
        let peer = bed.socket();
        peer.send(OPEN);
        if !words.is_empty() {
            peer.send(words);
        }
        peer.close();
        assert_eq!(bed.seen(), ["open", "end"], "{words}");
    }
}

#[test]
fn a_websocket_that_cannot_be_had_is_no_session() {
    let bed = Bed::new(by_websocket());
    let target = bed.refuse_socket();
    let begins = "/engine.io/?k=v&EIO=4&transport=websocket&t=";
    assert!(target.starts_with(begins), "{target}");
    assert_eq!(bed.seen(), ["not open: no WebSocket here"]);
    assert!(bed.try_get().is_none());
}

#[test]
fn a_session_goes_over_and_loses_nothing() {
    let (bed, mut peer) = Bed::probed();
    let get = bed.get();
    bed.send("first");
    let post = bed.post();
    peer.send("3probe");
    bed.send("second");
    // What is in flight comes to its end before.
    assert!(peer.received().is_empty());
    get.answer(&bed, "4from before\x1e6");
    assert!(bed.try_get().is_none());
    assert!(peer.received().is_empty());
    post.answer(&bed, "ok");
    assert_eq!(peer.received(), ["5", "4second"]);
    peer.send("4on the other side");
    assert_eq!(bed.seen(), ["from before", "on the other side"]);
    assert!(bed.try_get().is_none() && bed.try_post().is_none());
    assert_eq!(bed.sender().transport(), Transport::WebSocket);
    // It is heard in time.
    for _ in 0..3 {
        bed.pass(Duration::from_secs(25));
        peer.send("2");
    }
    assert_eq!(peer.received(), ["3", "3", "3"]);
    bed.pass(Duration::from_secs(45));
    assert_eq!(peer.received(), ["1011"]);
    peer.close();
    assert_eq!(bed.seen(), ["error: ping timeout", "end"]);
}

#[test]
fn a_session_without_a_websocket_goes_on_by_polling() {
    let bed = Bed::open(OPEN_UPGRADES);
    let target = bed.refuse_socket();
    assert!(target.contains("transport=websocket&sid=a%20b"), "{target}");
    bed.get().answer(&bed, "4still here");
    bed.send("so am I");
    assert_eq!(bed.post().body(), "4so am I");
    assert_eq!(bed.seen(), ["still here"]);
    assert!(!bed.has_socket(), "it is not tried again");
}

#[test]
fn a_websocket_that_is_late_is_closed() {
    let bed = Bed::open(OPEN_UPGRADES);
    bed.pass(Duration::from_secs(10));
    let mut peer = bed.socket();
    assert_eq!(peer.received(), ["1002"]);
    peer.close();
    bed.get().answer(&bed, "4still here");
    assert_eq!(bed.seen(), ["still here"]);
}

#[test]
fn the_end_does_not_wait_for_a_websocket_on_its_way() {
    let bed = Bed::open(OPEN_UPGRADES);
    assert!(bed.has_socket());
    bed.get().answer(&bed, "1");
    assert_eq!(bed.seen(), ["end"]);
}

#[test]
fn an_answer_that_never_comes_is_not_waited_for() {
    let bed = Bed::new(by_websocket());
    bed.pass(Duration::from_secs(20));
    assert_eq!(bed.seen(), ["not open: no answer from the server"]);
}

#[test]
fn a_ping_timeout_ends_a_session_whose_websocket_is_on_its_way() {
    let opened = OPEN_UPGRADES
        .replace("25000", "1000")
        .replace("20000", "1000");
    let bed = Bed::open(&opened);
    assert!(bed.has_socket());
    bed.pass(Duration::from_secs(2));
    assert_eq!(bed.seen(), ["error: ping timeout", "end"]);
}

#[test]
fn a_failure_of_the_transport_is_told() {
    let bed = Bed::new(by_websocket());
    let peer = bed.socket();
    peer.send(OPEN);
    // A reserved bit.
    peer.input(&[0xc1, 0x00]);
    peer.world.eof();
    let seen = bed.seen();
    assert!(seen[1].starts_with("error: "), "{seen:?}");
    assert_eq!(seen.len(), 3, "{seen:?}");
}
