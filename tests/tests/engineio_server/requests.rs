//! GETs and POSTs of a session: together, too many, given up.

use std::time::Duration;

use sockeye::driver::engineio::Exchange;

use crate::kit::{Bed, Head, INTERVAL, TIMEOUT, text};

#[test]
fn messages_go_to_the_application_and_back() {
    let bed = Bed::new();
    let client = bed.open();
    assert_eq!(client.post("4one\x1e4two\x1ebAQID"), 200);
    assert_eq!(bed.app.told(), ["opened", "one", "two", "[1, 2, 3]"]);
    assert_eq!(client.poll(), "4one\x1e4two\x1ebAQID");
}

#[test]
fn what_is_sent_before_a_get_is_polled_goes_out_together() {
    let bed = Bed::new();
    let client = bed.open();
    let get = client.get();
    assert!(get.take().is_none(), "there is nothing yet");
    let session = bed.app.session(0);
    session.send("x").unwrap();
    session.send("y").unwrap();
    bed.runtime.run();
    assert_eq!(text(&get.take().unwrap()), "4x\x1e4y");
}

#[test]
fn s09_a_second_get_ends_the_session_and_answers_both() {
    let bed = Bed::new();
    let client = bed.open();
    let first = client.get();
    assert_eq!(client.refused("GET"), (400, String::new()));
    bed.runtime.run();
    let first = first.take().unwrap();
    assert_eq!((first.status, &*text(&first)), (200, "1"));
    assert_eq!(client.refused("GET").0, 400);
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
}

#[test]
fn s10_a_second_post_ends_the_session_and_nothing_of_the_first_is_delivered() {
    let bed = Bed::new();
    let client = bed.open();
    let mut first = client.begin();
    first.push(b"4half").unwrap();
    assert_eq!(client.refused("POST"), (400, String::new()));
    let over = bed
        .runtime
        .start(std::future::poll_fn(move |cx| first.poll_over(cx)));
    assert_eq!(over.take().unwrap().status, 400);
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
}

#[test]
fn s10_a_first_post_that_waits_hears_of_the_second() {
    let bed = Bed::new();
    let client = bed.open();
    let mut first = client.begin();
    let over = bed
        .runtime
        .start(std::future::poll_fn(move |cx| first.poll_over(cx)));
    assert!(over.take().is_none());
    assert_eq!(client.refused("POST").0, 400);
    bed.runtime.run();
    assert_eq!(over.take().unwrap().status, 400);
}

#[test]
fn s11_a_get_and_a_post_go_together() {
    let bed = Bed::new();
    let client = bed.open();
    let get = client.get();
    assert_eq!(client.post("4hi"), 200);
    assert_eq!(text(&get.take().unwrap()), "4hi");
}

#[test]
fn s15_a_get_that_is_given_up_ends_the_session() {
    let bed = Bed::new();
    let client = bed.open();
    let parked = client.get();
    bed.app.session(0).send("lost").unwrap();
    // The client went away before the answer was made.
    parked.abort();
    bed.runtime.run();
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
    assert_eq!(bed.app.unsent(), ["lost"]);
    assert_eq!(client.refused("GET").0, 400);
    assert!(bed.server.is_empty());
}

#[test]
fn s15_a_get_that_is_never_polled_is_given_up_too() {
    let bed = Bed::new();
    drop(bed.open().parked());
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
}

#[test]
fn s16_a_post_that_is_given_up_ends_the_session_and_delivers_nothing() {
    let bed = Bed::new();
    let client = bed.open();
    let mut post = client.begin();
    post.push(b"4one\x1e4tw").unwrap();
    drop(post);
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
    assert_eq!(client.refused("GET").0, 400);
}

/// Nobody tells that an answer was not read: the heartbeat finds out.
#[test]
fn s17_a_client_that_is_gone_is_told_of_by_the_next_heartbeat() {
    let bed = Bed::new();
    let client = bed.open();
    bed.app.session(0).send("handed to the network").unwrap();
    assert_eq!(client.poll(), "4handed to the network");
    bed.runtime.pass(INTERVAL + TIMEOUT);
    assert_eq!(bed.app.told(), ["opened", "closed: ping timeout"]);
    assert!(bed.app.unsent().is_empty());
}

#[test]
fn s20_a_session_that_is_left_alone_ends() {
    let bed = Bed::new();
    let client = bed.open();
    bed.runtime
        .pass(INTERVAL + TIMEOUT - Duration::from_millis(1));
    assert_eq!(bed.server.len(), 1);
    bed.runtime.pass(Duration::from_millis(1));
    assert!(bed.server.is_empty());
    assert_eq!(bed.app.told(), ["opened", "closed: ping timeout"]);
    let (status, body) = client.refused("GET");
    assert_eq!(status, 400);
    assert_eq!(body, r#"{"code":1,"message":"Session ID unknown"}"#);
}

#[test]
fn s21_a_ping_answers_the_get_and_a_missing_pong_ends_the_session() {
    let bed = Bed::new();
    let client = bed.open();
    let get = client.get();
    bed.runtime.pass(INTERVAL);
    assert_eq!(text(&get.take().unwrap()), "2");
    assert_eq!(client.post("3"), 200);
    let get = client.get();
    bed.runtime.pass(INTERVAL);
    assert_eq!(text(&get.take().unwrap()), "2");
    let get = client.get();
    bed.runtime.pass(TIMEOUT);
    assert_eq!(text(&get.take().unwrap()), "1");
    assert_eq!(bed.app.told(), ["opened", "closed: ping timeout"]);
}

#[test]
fn s25_every_request_that_races_the_end_has_one_answer() {
    let bed = Bed::new();
    let client = bed.open();
    let get = client.get();
    let mut post = client.begin();
    post.push(b"4late").unwrap();
    assert_eq!(client.refused("GET").0, 400);
    // The session is over by now.
    let post = bed.runtime.start(post.finish());
    assert_eq!(post.take().unwrap().status, 400);
    assert_eq!(get.take().unwrap().status, 200);
    for method in ["GET", "POST"] {
        let (status, body) = client.refused(method);
        assert_eq!(status, 400);
        assert!(body.starts_with(r#"{"code":1,"#), "{body}");
    }
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
}

#[test]
fn s26_the_application_refuses_a_session() {
    let bed = Bed::new();
    let query = "EIO=4&transport=polling";
    let answer = bed.answer(&Head::new("GET", query).field("x-key", "wrong"));
    assert_eq!(answer.status, 403);
    assert_eq!(text(&answer), r#"{"code":4,"message":"no such key"}"#);
    assert!(bed.server.is_empty());
    assert!(bed.app.told().is_empty());
}

#[test]
fn s26_the_application_sees_every_request() {
    let bed = Bed::new();
    let client = bed.open();
    bed.app.set_forbidding(true);
    let (status, body) = client.refused("GET");
    assert_eq!(status, 403);
    assert_eq!(body, r#"{"code":4,"message":"Forbidden"}"#);
    bed.app.set_forbidding(false);
    assert_eq!(client.post("4still there"), 200);
}

#[test]
fn a_post_waits_for_an_application_that_is_busy() {
    let bed = Bed::new();
    let client = bed.open();
    bed.app.set_busy(true);
    let post = client.send("4one\x1e4two");
    assert!(post.take().is_none());
    assert_eq!(bed.app.told(), ["opened"]);
    bed.app.set_busy(false);
    bed.runtime.run();
    assert_eq!(post.take().unwrap().status, 200);
    assert_eq!(bed.app.told(), ["one", "two"]);
}

#[test]
fn t21_a_post_of_many_packets_gives_way_to_others() {
    let bed = Bed::new();
    let client = bed.open();
    let mut post = client.begin();
    post.push(["4quiet"; 1000].join("\x1e").as_bytes()).unwrap();
    let mut post = Box::pin(post.finish());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut polls = 0;
    while post.as_mut().poll(&mut cx).is_pending() {
        polls += 1;
        assert!(bed.app.told().len() <= 65);
    }
    assert_eq!(polls, 15);
}

#[test]
fn a_busy_application_does_not_end_the_session_of_a_post() {
    let bed = Bed::new();
    let client = bed.open();
    bed.app.set_busy(true);
    let post = client.send("4one");
    let get = client.get();
    bed.runtime.pass(INTERVAL);
    assert_eq!(text(&get.take().unwrap()), "2");
    // The client can send no pong before its POST is answered.
    bed.runtime.pass(3 * TIMEOUT);
    bed.app.set_busy(false);
    bed.runtime.run();
    assert_eq!(post.take().unwrap().status, 200);
    assert_eq!(client.post("3"), 200);
    assert_eq!(bed.app.told(), ["opened", "one"]);
}

#[test]
fn a_post_that_waits_for_the_application_hears_of_the_end() {
    let bed = Bed::new();
    let client = bed.open();
    bed.app.set_busy(true);
    let post = client.send("4one");
    assert_eq!(client.refused("POST").0, 400);
    bed.runtime.run();
    assert_eq!(post.take().unwrap().status, 400);
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
}

#[test]
fn p06_what_was_sent_before_an_end_goes_out_before_it() {
    for (last, status, reason) in [("1", 200, "transport close"), ("7", 400, "parse error")] {
        let bed = Bed::new();
        let client = bed.open();
        let get = client.get();
        assert_eq!(client.post(&format!("4a\x1e{last}\x1e4b")), status);
        bed.runtime.run();
        assert_eq!(text(&get.take().unwrap()), "4a");
        let told = ["opened", "a", &format!("closed: {reason}")];
        assert_eq!(bed.app.told(), told);
        assert!(bed.app.unsent().is_empty());
    }
}

#[test]
fn a_close_by_either_end_is_told_once() {
    let bed = Bed::new();
    let client = bed.open();
    let get = client.get();
    assert_eq!(client.post("1"), 200);
    bed.runtime.run();
    assert_eq!(text(&get.take().unwrap()), "6");
    assert_eq!(bed.app.told(), ["opened", "closed: transport close"]);

    let client = bed.open();
    let get = client.get();
    assert_eq!(client.post("4close\x1e4behind"), 200);
    bed.runtime.run();
    // Messages still arrive, but none is sent any more.
    assert_eq!(text(&get.take().unwrap()), "1");
    assert_eq!(
        bed.app.told(),
        ["opened", "close", "behind", "closed: forced close"]
    );
    assert!(bed.server.is_empty());
}

#[test]
fn an_upgrade_that_nobody_carries_out_leaves_polling_alive() {
    let bed = Bed::new();
    let client = bed.open();
    let Exchange::Upgrade(upgrade) = client.try_socket() else {
        panic!("refused");
    };
    drop(upgrade);
    assert_eq!(client.post("4hi"), 200);
    assert_eq!(client.poll(), "4hi");
    let Exchange::Upgrade(_) = client.try_socket() else {
        panic!("there may be another");
    };
}
