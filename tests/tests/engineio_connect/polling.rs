//! Sessions by polling.

use std::time::Duration;

use sockeye::driver::engineio::client::Options;
use sockeye::engineio::{SendError, Transport, Version};

use crate::kit::{Bed, OPEN};

#[test]
fn a_session_by_polling() {
    let bed = Bed::new(Options::default());
    let get = bed.get();
    let target = get.request.target.clone();
    let begins = "/engine.io/?k=v&EIO=4&transport=polling&t=";
    assert!(target.starts_with(begins), "{target}");
    get.answer(&bed, &format!("{OPEN}\x1e4hi\x1ebAQI="));
    assert_eq!(bed.seen(), ["open", "hi", "[1, 2]"]);

    // What is sent goes out at once; what follows, together.
    bed.send("one");
    bed.send("two");
    bed.send(&[3][..]);
    let post = bed.post();
    assert_eq!(post.body(), "4one");
    let content = post.request.content.as_ref().unwrap();
    assert_eq!(content.media_type, "text/plain; charset=UTF-8");
    assert!(bed.try_post().is_none(), "one at a time");
    post.answer(&bed, "ok");
    let post = bed.post();
    assert_eq!(post.body(), "4two\x1ebAw==");
    post.answer(&bed, "ok");
    assert!(bed.try_post().is_none());

    // A ping is answered.
    bed.get().answer(&bed, "2");
    assert_eq!(bed.post().body(), "3");
    assert!(!bed.get().is_given_up());
    assert!(bed.seen().is_empty());
}

#[test]
fn no_two_requests_have_the_same_target() {
    let bed = Bed::open(OPEN);
    let mut targets = Vec::new();
    for _ in 0..10 {
        let get = bed.get();
        targets.push(get.request.target.clone());
        get.answer(&bed, "4x");
    }
    targets.sort();
    targets.dedup();
    assert_eq!(targets.len(), 10);
}

#[test]
fn close_sends_what_is_queued_and_then_itself() {
    let bed = Bed::open(OPEN);
    let get = bed.get();
    bed.send("last");
    bed.post().answer(&bed, "ok");
    bed.sender().try_send("really").unwrap();
    bed.sender().close();
    assert_eq!(bed.sender().try_send("late"), Err(SendError::Closing));
    bed.runtime.run();
    let post = bed.post();
    assert_eq!(post.body(), "4really\x1e1");
    get.answer(&bed, "4answer");
    assert_eq!(bed.seen(), ["answer"]);
    post.answer(&bed, "ok");
    assert_eq!(bed.seen(), ["end"]);
    assert!(bed.task.take().is_some());
}

#[test]
fn silence_ends_the_session_and_what_is_in_flight() {
    let bed = Bed::open(OPEN);
    let get = bed.get();
    bed.send("lost?");
    let post = bed.post();
    bed.send("kept");
    bed.pass(Duration::from_secs(45));
    assert_eq!(bed.seen(), ["error: ping timeout", "unsent: kept", "end"]);
    assert!(get.is_given_up() && post.is_given_up());
}

#[test]
fn nobody_answers() {
    let bed = Bed::new(Options::default());
    bed.pass(Duration::from_secs(20));
    assert_eq!(bed.seen(), ["not open: no answer from the server"]);
    assert!(bed.get().is_given_up());
}

#[test]
fn a_sender_waits_for_room() {
    let mut options = Options::default();
    options.session.queue.messages = 2;
    let bed = Bed::new(options);
    bed.get().answer(&bed, OPEN);
    let sender = bed.sender();
    bed.send("in flight");
    sender.try_send("a").unwrap();
    sender.try_send("b").unwrap();
    assert_eq!(sender.try_send("c"), Err(SendError::Full));
    let waiting = bed.runtime.start(async move { sender.send("c").await });
    assert!(waiting.take().is_none());
    bed.post().answer(&bed, "ok");
    assert_eq!(waiting.take(), Some(Ok(())));
    assert_eq!(bed.post().body(), "4a\x1e4b");
}

#[test]
fn senders_are_told_of_the_end() {
    let mut options = Options::default();
    options.session.queue.messages = 1;
    let bed = Bed::new(options);
    bed.get().answer(&bed, OPEN);
    let sender = bed.sender();
    bed.send("in flight");
    bed.send("queued");
    let waiting = bed.runtime.start(async move { sender.send("c").await });
    bed.task.abort();
    bed.runtime.wake_all();
    assert_eq!(waiting.take(), Some(Err(SendError::Closing)));
    assert!(bed.get().is_given_up());
}

#[test]
fn version_3() {
    let mut options = Options::default();
    options.version = Version::V3;
    let bed = Bed::new(options);
    let get = bed.get();
    assert!(get.request.target.contains("EIO=3"));
    get.answer(&bed, &format!("{}:{OPEN}5:4€uro", OPEN.len()));
    assert_eq!(bed.seen(), ["open", "€uro"]);
    bed.send(&[1][..]);
    let post = bed.post();
    let content = post.request.content.as_ref().unwrap();
    assert_eq!(content.media_type, "application/octet-stream");
    assert_eq!(content.body, [1, 2, 255, 4, 1]);
    post.answer(&bed, "ok");
    let binary = [("content-type", "application/octet-stream")];
    let get = bed.get();
    get.answer_with(&bed, 200, &binary, &[1, 2, 255, 4, 7]);
    assert_eq!(bed.seen(), ["[7]"]);
    // It is the client that pings.
    bed.pass(Duration::from_secs(25));
    assert_eq!(bed.post().body(), "1:2");
    assert_eq!(bed.sender().transport(), Transport::Polling);
}
