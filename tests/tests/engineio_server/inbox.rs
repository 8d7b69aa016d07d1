//! Sessions and messages that are taken as they come.

use sockeye::driver::engineio::{Inbox, Incoming, Server, Session};
use sockeye_tests::runtime::Runtime;

use crate::kit::{Client, options};

fn serve() -> (Runtime, Server<Inbox>, Incoming) {
    let runtime = Runtime::new();
    let (server, incoming) = Server::incoming(options(), runtime.clone());
    (runtime, server, incoming)
}

/// The session that is there by now.
fn take(runtime: &Runtime, mut incoming: Incoming) -> (Session<Inbox>, Incoming) {
    let taken = runtime.start(async move {
        let session = incoming.next().await.expect("a session");
        (session, incoming)
    });
    taken.take().expect("a session by now")
}

/// All messages that are there by now, and whether they are the last.
fn drain(runtime: &Runtime, session: &Session<Inbox>) -> (Vec<String>, bool) {
    let session = session.clone();
    let task = runtime.start(std::future::poll_fn(move |cx| {
        let mut messages = Vec::new();
        loop {
            match session.poll_next(cx) {
                std::task::Poll::Ready(Some(it)) => messages.push(it.as_text().unwrap().into()),
                polled => return std::task::Poll::Ready((messages, polled.is_ready())),
            }
        }
    }));
    task.take().unwrap()
}

#[test]
fn tasks_take_sessions_and_their_messages() {
    let (runtime, server, mut incoming) = serve();
    let spawner = runtime.clone();
    runtime.start(async move {
        while let Some(session) = incoming.next().await {
            spawner.start_later(async move {
                while let Some(message) = session.next().await {
                    let _ = session.send(message);
                }
            });
        }
    });
    let client = Client::open(&server, &runtime);
    assert_eq!(client.post("4one\x1e4two"), 200);
    assert_eq!(client.poll(), "4one\x1e4two");
    let mut peer = client.upgrade();
    peer.send("4three");
    assert_eq!(peer.received(), ["4three"]);
    assert_eq!(
        runtime.tasks(),
        4,
        "deadlines, sessions, messages, WebSocket"
    );
    peer.send("1");
    peer.vanish();
    assert_eq!(runtime.tasks(), 2);
}

#[test]
fn what_is_not_taken_holds_the_client_back() {
    let (runtime, server, incoming) = serve();
    let client = Client::open(&server, &runtime);
    let (session, _incoming) = take(&runtime, incoming);
    let large = format!("4{}", "x".repeat(99_999));
    // One more than the bound is taken, and that is it.
    let post = client.send(&[&*large; 3].join("\x1e"));
    assert!(post.take().is_none());
    for _ in 0..2 {
        assert_eq!(drain(&runtime, &session).0.len(), 1);
        runtime.run();
    }
    assert_eq!(post.take().unwrap().status, 200);
    assert_eq!(drain(&runtime, &session).0.len(), 1);

    let mut peer = client.upgrade();
    peer.send(&large);
    peer.send("4behind");
    assert_eq!(drain(&runtime, &session).0.len(), 1);
    runtime.run();
    assert_eq!(drain(&runtime, &session), (vec!["behind".into()], false));
}

#[test]
fn small_messages_count_too() {
    let (runtime, server, incoming) = serve();
    let client = Client::open(&server, &runtime);
    let (session, _incoming) = take(&runtime, incoming);
    let post = client.send(&["4"; 10_000].join("\x1e"));
    assert!(post.take().is_none());
    let (first, _) = drain(&runtime, &session);
    assert!(first.len() < 5000, "{}", first.len());
}

#[test]
fn the_end_comes_after_the_last_message() {
    let (runtime, server, incoming) = serve();
    let client = Client::open(&server, &runtime);
    let (session, incoming) = take(&runtime, incoming);
    assert_eq!(client.post("4one\x1e1"), 200);
    assert_eq!(drain(&runtime, &session), (vec!["one".into()], true));
    assert_eq!(session.reason().unwrap().name(), "transport close");
    // A session that ended untaken is not offered.
    let untaken = Client::open(&server, &runtime);
    assert_eq!(untaken.post("1"), 200);
    drop((server, client, untaken, session));
    let mut incoming = incoming;
    let none = runtime.start(async move { incoming.next().await.is_none() });
    runtime.run();
    assert_eq!(none.take(), Some(true), "the server is gone");
}

#[test]
fn nobody_who_takes_sessions_is_nobody_who_serves_them() {
    let (runtime, server, incoming) = serve();
    let client = Client::open(&server, &runtime);
    drop(incoming);
    runtime.run();
    assert_eq!(client.poll(), "6\x1e1", "closed");
    let head = crate::kit::Head::new("GET", "EIO=4&transport=polling");
    assert!(matches!(
        head.ask(&server),
        sockeye::driver::engineio::Exchange::Answer(answer) if answer.status == 403
    ));
}
