//! What clients can use up: sessions, time, memory.

use std::time::Duration;

use sockeye::driver::engineio::Options;
use sockeye::engineio::SendError;
use sockeye_tests::alloc::{Counting, measure};

use crate::kit::{Bed, Client, Head, INTERVAL, TIMEOUT, options};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn at_most(sessions: usize) -> Options {
    let mut options = options();
    options.max_sessions = sessions;
    options
}

/// A client that has come back to its session.
fn used(bed: &Bed) -> Client {
    let client = bed.open();
    assert_eq!(client.post("4hi"), 200);
    client
}

#[test]
fn s19_whoever_never_comes_back_pushes_out_his_own() {
    let bed = Bed::with(at_most(1000));
    let old: Vec<_> = (0..500).map(|_| used(&bed)).collect();
    let fresh: Vec<_> = (0..65_537).map(|_| bed.open()).collect();
    assert_eq!(bed.server.len(), 600);
    for client in &old {
        assert_eq!(client.poll(), "4hi");
    }
    assert_eq!(fresh[65_436].refused("GET").0, 400, "the oldest have gone");
    let stats = bed.server.stats();
    assert_eq!((stats.opened, stats.evicted), (66_037, 65_437));
    for client in &fresh[65_437..] {
        assert_eq!(client.post("4hi"), 200);
    }
}

#[test]
fn s19_sessions_that_come_and_go_leave_no_memory_behind() {
    let bed = Bed::with(at_most(100));
    let flood = || {
        for _ in 0..1000 {
            drop(bed.open());
        }
        bed.runtime.run();
        bed.app.forget();
    };
    flood();
    let ((), usage) = measure(flood);
    assert!(usage.held.abs() < 10_000, "{} bytes", usage.held);
}

#[test]
fn a_server_that_is_full_says_so() {
    let bed = Bed::with(at_most(20));
    let clients: Vec<_> = (0..20).map(|_| used(&bed)).collect();
    let answer = bed.answer(&Head::new("GET", "EIO=4&transport=polling"));
    assert_eq!(answer.status, 503);
    assert!(answer.field("retry-after").is_some());
    assert_eq!(clients[0].post("1"), 200);
    bed.open();
}

#[test]
fn s22_a_body_that_takes_too_long_is_answered_with_408() {
    let bed = Bed::new();
    let client = bed.open();
    let mut post = client.begin();
    post.push(b"4").unwrap();
    let over = bed
        .runtime
        .start(std::future::poll_fn(move |cx| post.poll_over(cx)));
    let get = client.get();
    bed.runtime.pass(INTERVAL);
    assert!(get.take().is_some(), "the ping");
    bed.runtime.pass(Duration::from_millis(4999));
    assert!(over.take().is_none());
    bed.runtime.pass(Duration::from_millis(1));
    assert_eq!(over.take().unwrap().status, 408);
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
    assert_eq!(client.refused("GET").0, 400);
}

#[test]
fn s22_a_body_that_is_there_is_not_late() {
    let bed = Bed::new();
    let client = bed.open();
    bed.app.set_busy(true);
    let post = client.send("4one");
    bed.runtime.pass(Duration::from_secs(31));
    assert!(post.take().is_none());
    bed.app.set_busy(false);
    bed.runtime.run();
    assert_eq!(post.take().unwrap().status, 200);
}

#[test]
fn a_body_that_is_too_large_is_answered_with_413() {
    let mut options = options();
    options.session.max_payload = 10;
    let bed = Bed::with(options);
    let client = bed.open();
    assert_eq!(client.post("4234567890"), 200);
    let mut post = client.begin();
    post.push(b"4234567890").unwrap();
    assert_eq!(post.push(b"1").unwrap_err().status, 413);
    drop(post);
    assert_eq!(
        bed.app.told(),
        ["opened", "234567890", "closed: transport error"]
    );
}

#[test]
fn a_body_that_announces_too_much_is_answered_unread() {
    let bed = Bed::new();
    let client = bed.open();
    assert_eq!(client.announce(1_000_001).unwrap_err(), 413);
    assert_eq!(bed.app.told(), ["opened", "closed: transport error"]);
    let client = bed.open();
    assert!(client.announce(1_000_000).is_ok());
}

#[test]
fn s23_a_flood_of_gets_during_an_upgrade_is_cheap_and_seen() {
    let bed = Bed::new();
    let client = bed.open();
    let mut peer = client.socket();
    peer.send("2probe");
    peer.received();
    let before = bed.server.stats();
    let flood = |count| {
        for _ in 0..count {
            assert_eq!(client.poll(), "6");
        }
    };
    flood(10);
    let ((), usage) = measure(|| flood(100_000));
    assert!(usage.held < 1000, "{} bytes", usage.held);
    let after = bed.server.stats();
    assert_eq!(after.requests - before.requests, 100_010);
    assert_eq!(after.refused, before.refused);

    // Of one request: the response, and the reading of its body by the test.
    let get = client.parked();
    let (answer, usage) = measure(|| {
        let mut get = std::pin::pin!(get);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(answer) = get.as_mut().poll(&mut cx) else {
            panic!("no answer");
        };
        answer
    });
    assert_eq!(answer.body, b"6");
    // The body, the list of fields, and the length as text.
    assert!(usage.allocations <= 4, "{usage:?}");
}

#[test]
fn s24_what_nobody_fetches_is_refused_at_the_limit() {
    let bed = Bed::new();
    bed.open();
    let session = bed.app.session(0);
    let kilobyte = "x".repeat(1024);
    let ((), usage) = measure(|| {
        let mut sent = 0;
        while session.send(&kilobyte).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 1024);
        for _ in 0..1_000_000 {
            assert_eq!(session.send(&kilobyte), Err(SendError::Full));
        }
    });
    assert!(usage.held < 2 << 20, "{} bytes", usage.held);
    assert_eq!(session.queued_bytes(), 1 << 20);
    assert!(!session.has_room() && !session.is_low());
}

/// From one ping to the next a session is looked at a few times, however many
/// there are: time that passes costs as much as is due.
#[test]
fn b11_deadlines_that_are_due_at_once_are_each_looked_at_once() {
    let bed = Bed::with(at_most(200_000));
    let clients: Vec<_> = (0..10_000).map(|_| used(&bed)).collect();
    let gets: Vec<_> = clients.iter().map(|it| (it.poll(), it.parked())).collect();
    let before = bed.runtime.clock_reads();
    bed.runtime.pass(INTERVAL);
    let reads = bed.runtime.clock_reads() - before;
    assert!(reads < 5 * clients.len(), "{reads} looks at the clock");
    let answers = gets.into_iter().map(|(_, get)| bed.runtime.start(get));
    assert!(
        answers
            .map(|it| it.take().unwrap())
            .all(|it| it.body == b"2")
    );
    bed.runtime.pass(TIMEOUT);
    assert!(bed.server.is_empty());
    assert_eq!(bed.runtime.tasks(), 1, "that of the deadlines");
}

#[test]
fn without_entropy_there_is_no_session() {
    let bed = Bed::new();
    bed.runtime.set_entropy(false);
    let answer = bed.answer(&Head::new("GET", "EIO=4&transport=polling"));
    assert_eq!(answer.status, 500);
    assert!(bed.server.is_empty());
}
