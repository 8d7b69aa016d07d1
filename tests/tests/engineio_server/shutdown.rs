//! The end of a server, and the failures of its application.

use std::time::Duration;

use sockeye::driver::engineio::Exchange;

use crate::kit::{Bed, Head, text};

#[test]
fn t14_a_panic_ends_its_own_session_only() {
    let bed = Bed::new();
    let (good, bad) = (bed.open(), bed.open());
    let mut socket = bed.open_socket();
    socket.received();
    assert_eq!(bed.app.told(), ["opened", "opened", "opened"]);
    assert_eq!(bad.post("4before\x1e4panic\x1e4behind"), 400);
    assert_eq!(bed.app.told(), ["before", "panic", "closed: forced close"]);
    assert_eq!(bad.refused("GET").0, 400);

    socket.send("4panic");
    assert_eq!(socket.received(), ["1000"]);
    assert_eq!(bed.app.told(), ["panic", "closed: forced close"]);

    assert_eq!(good.post("4hi"), 200);
    assert_eq!(good.poll(), "4hi");
    let head = Head::new("GET", "EIO=4&transport=polling");
    assert_eq!(
        bed.answer(&head.clone().field("x-key", "panic")).status,
        500
    );
    assert_eq!(bed.answer(&head).status, 200);
}

#[test]
fn t18_a_shutdown_closes_all_and_answers_what_waits() {
    let bed = Bed::new();
    let waiting = bed.open();
    let get = waiting.get();
    let elsewhere = bed.open();
    bed.app.session(1).send("bye").unwrap();
    let mut socket = bed.open_socket();
    socket.received();
    bed.app.told();

    let server = bed.server.clone();
    let closed = bed.runtime.start(async move { server.close().await });
    assert_eq!(text(&get.take().unwrap()), "1");
    assert_eq!(socket.received(), ["1001"]);
    let head = Head::new("GET", "EIO=4&transport=polling");
    assert_eq!(bed.answer(&head).status, 503);
    let upgrade = Head::new("GET", "EIO=4&transport=websocket").upgrade();
    let Exchange::Answer(answer) = bed.request(&upgrade) else {
        panic!("a session after the end");
    };
    assert_eq!(answer.status, 503);

    assert!(
        closed.take().is_none(),
        "one has not fetched what waits for it"
    );
    assert_eq!(elsewhere.poll(), "4bye");
    assert_eq!(elsewhere.poll(), "6\x1e1");
    assert!(closed.take().is_some());
    assert_eq!(bed.app.told(), ["closed: forced close"; 3]);
}

#[test]
fn t18_a_client_that_does_not_come_back_holds_nothing_up_for_ever() {
    let bed = Bed::new();
    bed.open();
    let server = bed.server.clone();
    let closed = bed.runtime.start(async move { server.close().await });
    bed.runtime.pass(Duration::from_secs(29));
    assert!(closed.take().is_none());
    bed.runtime.pass(Duration::from_secs(1));
    assert!(closed.take().is_some());
    assert_eq!(bed.app.told(), ["opened", "closed: forced close"]);
}

/// A runtime drops its tasks in any order: nothing panics, and all is told.
#[test]
fn t19_tasks_that_are_dropped_end_their_sessions() {
    let bed = Bed::new();
    let client = bed.open();
    let _get = client.get();
    let _socket = bed.open_socket();
    bed.runtime.drop_tasks();
    assert_eq!(
        bed.app.told(),
        [
            "opened",
            "opened",
            "closed: transport error",
            "closed: transport error"
        ]
    );
    assert!(bed.server.is_empty());
}

#[test]
fn the_task_of_the_deadlines_ends_with_the_server() {
    let Bed {
        runtime,
        server,
        app,
    } = Bed::new();
    let bed = Bed {
        runtime: runtime.clone(),
        server,
        app,
    };
    bed.open();
    runtime.run();
    assert_eq!(runtime.tasks(), 1);
    bed.app.forget();
    drop(bed);
    runtime.run();
    assert_eq!(runtime.tasks(), 0);
}

#[test]
fn a_broadcast_reaches_every_transport() {
    let bed = Bed::new();
    let polling = bed.open();
    let get = polling.get();
    let mut socket = bed.open_socket();
    socket.received();
    bed.server.broadcast("hi, all");
    bed.runtime.run();
    assert_eq!(text(&get.take().unwrap()), "4hi, all");
    assert_eq!(socket.received(), ["4hi, all"]);
}
