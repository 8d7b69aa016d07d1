//! Servers that are hostile or broken: rows E of the catalogue of abuse.

use std::time::Duration;

use sockeye::driver::engineio::client::Options;
use sockeye_tests::wire::Frame;

use crate::kit::{Bed, OPEN, OPEN_UPGRADES};

#[test]
fn e01_what_opens_no_session_is_an_error() {
    let deep = format!("0{}", "[".repeat(10_000));
    let long = format!("0{{\"x\":\"{}\"}}", "x".repeat(600_000));
    for (body, error) in [
        ("0nothing", "open packet is no JSON object"),
        (&*deep, "open packet is no JSON object"),
        (&*long, "open packet is too long"),
        (
            "0{\"sid\":7}",
            "name of the session is missing or malformed",
        ),
        ("4hello", "packet in the wrong place"),
        ("<html>", "offset 0: unknown packet type"),
    ] {
        let bed = Bed::new(Options::default());
        bed.get().answer(&bed, body);
        let seen = bed.seen();
        let [line] = &seen[..] else {
            panic!("{seen:?}");
        };
        assert!(line.starts_with("not open: "), "{line}");
        assert!(line.ends_with(error) || body == "<html>", "{line}");
        assert!(bed.try_get().is_none());
    }
}

#[test]
fn e02_a_sid_is_encoded_in_every_request() {
    let sid = r#"&transport=x#\r\n/?"#;
    let open = OPEN_UPGRADES.replace("a b", sid);
    let bed = Bed::open(&open);
    bed.send("x");
    let socket = bed.refuse_socket();
    for target in [bed.get().request.target, bed.post().request.target, socket] {
        assert!(
            target.contains("&sid=%26transport%3Dx%23%0D%0A%2F%3F&t="),
            "{target}"
        );
    }
    let bed = Bed::new(Options::default());
    bed.get()
        .answer(&bed, &OPEN.replace("a b", &"s".repeat(257)));
    assert_eq!(
        bed.seen(),
        ["not open: parse error: name of the session is missing or malformed"]
    );
}

#[test]
fn e03_a_second_open_ends_the_session() {
    let bed = Bed::open(OPEN);
    bed.get()
        .answer(&bed, &format!("4a\x1e{}\x1e4b", OPEN.replace("a b", "c")));
    assert_eq!(bed.seen(), ["a", "error: packet in the wrong place", "end"]);
}

#[test]
fn e05_a_post_keeps_to_the_limits() {
    let bed = Bed::open(OPEN);
    bed.send("first");
    for _ in 0..3 {
        bed.send(&*"x".repeat(40));
    }
    bed.post().answer(&bed, "ok");
    let post = bed.post();
    assert_eq!(post.body().len(), 41 + 1 + 41);
    post.answer(&bed, "ok");
    assert_eq!(bed.post().body().len(), 41);
}

#[test]
fn e06_a_server_with_nothing_to_say_is_asked_less_often() {
    let bed = Bed::open(OPEN);
    let mut requests = 0;
    for _ in 0..5_000 {
        if let Some(get) = bed.try_get() {
            requests += 1;
            get.answer(&bed, if requests % 2 == 0 { "" } else { "6" });
        }
        bed.pass(Duration::from_millis(2));
    }
    assert!((15..40).contains(&requests), "{requests} in ten seconds");
}

#[test]
fn e07_another_status_ends_the_session_and_is_kept() {
    for status in [201, 204, 302, 400, 500, 503] {
        let bed = Bed::open(OPEN);
        bed.get().status(&bed, status, "<html>busy</html>");
        let error = format!("error: the server answered with status {status}");
        assert_eq!(bed.seen(), [&*error, "end"]);
    }
    let bed = Bed::open(OPEN);
    bed.get().answer(&bed, "<html>");
    let seen = bed.seen();
    assert!(seen[0].starts_with("error: parse error"), "{seen:?}");
}

#[test]
fn e08_what_a_post_is_answered_with_means_nothing() {
    let bed = Bed::open(OPEN);
    for body in ["OK", " ok", "no", "", &"x".repeat(100_000)] {
        bed.send("a");
        let post = bed.post();
        assert!(post.request.limit <= 64 * 1024);
        post.answer(&bed, body);
    }
    bed.send("still");
    assert_eq!(bed.post().body(), "4still");
}

#[test]
fn e09_a_body_that_is_too_long_ends_the_session() {
    let bed = Bed::open(OPEN);
    let get = bed.get();
    assert_eq!(get.request.limit, 1_000_000);
    get.answer(&bed, &format!("4{}", "x".repeat(1_000_000)));
    let error = "error: 1000001 bytes where 1000000 are the limit";
    assert_eq!(bed.seen(), [error, "end"]);
}

#[test]
fn e11_a_close_comes_behind_what_is_before_it() {
    let bed = Bed::open(OPEN);
    bed.get().answer(&bed, "4a\x1e1\x1e4b");
    assert_eq!(bed.seen(), ["a", "end"]);
    assert!(bed.try_get().is_none());
}

#[test]
fn e12_a_probe_that_is_not_answered_right_gives_the_upgrade_up() {
    for answer in ["3", "3prob", "4x", "6", "x"] {
        let (bed, mut peer) = Bed::probed();
        peer.send(answer);
        assert_eq!(peer.received(), ["1002"], "{answer}");
        peer.close();
        bed.get().answer(&bed, "4still here");
        bed.send("so am I");
        assert_eq!(bed.post().body(), "4so am I");
        assert_eq!(bed.seen(), ["still here"]);
    }
    // Nor is one that is not answered at all.
    let (bed, mut peer) = Bed::probed();
    bed.pass(Duration::from_secs(10));
    assert_eq!(peer.received(), ["1002"]);
    bed.get().answer(&bed, "4still here");
    assert_eq!(bed.seen(), ["still here"]);
}

#[test]
fn e12_a_websocket_that_ends_during_the_upgrade_gives_it_up() {
    let (bed, peer) = Bed::probed();
    peer.send("3probe");
    peer.input(&Frame::unmasked(0x88, [0x03, 0xe8]).bytes());
    peer.world.eof();
    bed.runtime.run();
    bed.get().answer(&bed, "4still here");
    bed.get().answer(&bed, "4and here");
    assert_eq!(bed.seen(), ["still here", "and here"]);
}

#[test]
fn e13_a_post_that_is_cut_off_ends_the_session_and_is_not_sent_again() {
    let bed = Bed::open(OPEN);
    bed.send("whether it arrived nobody knows");
    bed.send("never sent");
    bed.post().fail(&bed);
    assert_eq!(
        bed.seen(),
        ["error: connection reset", "unsent: never sent", "end"]
    );
    assert!(bed.try_post().is_none());
}

#[test]
fn e14_a_get_that_is_cut_off_ends_the_session() {
    let bed = Bed::open(OPEN);
    bed.get().fail(&bed);
    assert_eq!(bed.seen(), ["error: connection reset", "end"]);
    assert!(bed.try_get().is_none());
}

#[test]
fn e15_a_session_that_the_server_does_not_know() {
    let body = r#"{"code":1,"message":"Session ID unknown"}"#;
    let bed = Bed::open(OPEN);
    bed.get().status(&bed, 400, body);
    let seen = bed.seen();
    assert!(seen[0].contains("status 400: it does not know the session"));
    assert!(seen[0].contains("behind the same load balancer"));
}
