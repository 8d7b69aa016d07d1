//! T14 to T19: a server and the tasks of its connections.

use std::io;

use sockeye::driver::Group;
use sockeye::websocket::handshake::{Origins, Rejection};

use super::ears::{Ears, oneshot};
use super::kit::{URL, join, once, pair, step, text};
use super::pipe::Pipe;
use crate::runtime::adapter::{Connect, ConnectError, HandshakeError, MaybeTls, Server, WebSocket};
use crate::runtime::{block_on, spawn};

async fn until_closed(mut websocket: WebSocket<MaybeTls<Pipe>>) {
    while let Some(Ok(_)) = websocket.next().await {}
}

#[test]
fn t14_a_panic_ends_its_own_connection_only() {
    block_on(async {
        let (ears, mouth) = Ears::new();
        let server = Server::new(Origins::Any).decide(|request| {
            assert_ne!(request.path(), "/panic", "as asked for");
            Ok(sockeye::websocket::handshake::Response::new())
        });
        let (stop, stopped) = oneshot();
        let serving = spawn(async move {
            let handler = |mut websocket: WebSocket<_>| async move {
                while let Some(Ok(message)) = websocket.next().await {
                    assert!(message.as_text() != Some("panic"), "as asked for");
                    let _ = websocket.send(message).await;
                }
            };
            server.serve(ears, stopped, handler).await
        });
        let mut good = mouth.connect().await;
        let mut bad = mouth.connect().await;
        bad.send("panic").await.unwrap();
        assert!(bad.next().await.unwrap().is_err());
        let worse = Connect::new("ws://localhost/panic").unwrap();
        assert!(worse.over(mouth.dial()).await.is_err());
        good.send("still there").await.unwrap();
        assert_eq!(text(good.next().await), "still there");
        let mut later = mouth.connect().await;
        later.send("me too").await.unwrap();
        assert_eq!(text(later.next().await), "me too");
        drop((good, later));
        stop();
        assert_eq!(serving.await.dropped, 0);
    });
}

#[test]
fn t15_accept_goes_on_after_errors() {
    block_on(async {
        let (ears, mouth) = Ears::new();
        // EMFILE, ENFILE, ECONNABORTED
        for code in [24, 23, 103] {
            mouth.fail(io::Error::from_raw_os_error(code));
        }
        let (stop, stopped) = oneshot();
        let serving = spawn(async move {
            let server = Server::new(Origins::Any);
            server
                .serve(ears, stopped, |_: WebSocket<_>| async {})
                .await
        });
        let mut client = mouth.connect().await;
        assert!(client.next().await.is_some());
        stop();
        serving.await;
    });
}

#[test]
fn t16_connections_that_vanish_leave_nothing() {
    block_on(async {
        let (ears, mouth) = Ears::new();
        let (stop, stopped) = oneshot();
        let serving = spawn(async move {
            let server = Server::new(Origins::Any);
            server
                .serve(ears, stopped, |_: WebSocket<_>| async {})
                .await
        });
        let alive = mouth.alive();
        for n in 0..100_000 {
            drop(mouth.dial());
            if n % 100 == 0 {
                step().await;
            }
        }
        assert!(mouth.connect().await.next().await.is_some());
        stop();
        assert_eq!(serving.await.dropped, 0);
        assert_eq!(alive.count(), 0, "streams that are still held");
    });
}

#[test]
fn t17_a_dropped_connection_ends_the_stream() {
    block_on(async {
        let (client, mut server) = pair().await;
        drop(client);
        // Without a Close: see DIVERGENCES.md.
        let error = server.next().await.unwrap().unwrap_err();
        assert_eq!(error.close_code(), Some(1006));
        assert!(server.next().await.is_none());
    });
}

#[test]
fn t18_shutdown_closes_with_1001_and_answers_503() {
    block_on(async {
        let (ears, mouth) = Ears::new();
        let (stop, stopped) = oneshot();
        let serving = spawn(async move {
            let server = Server::new(Origins::Any);
            server.serve(ears, stopped, until_closed).await
        });
        let mut clients = Vec::new();
        for _ in 0..10_000 {
            clients.push(mouth.connect().await);
        }
        stop();
        // One end after another, so that the others hold the server up.
        let mut first = clients.pop().unwrap();
        assert!(first.next().await.is_none());
        assert_eq!(first.close_reason().unwrap().code(), 1001);
        let late = Connect::new(URL).unwrap().over(mouth.dial()).await;
        let Err(ConnectError::Handshake(HandshakeError::Refused(response))) = late else {
            panic!("{late:?}");
        };
        assert_eq!(response.status(), 503);
        for mut client in clients {
            assert!(client.next().await.is_none());
            assert_eq!(client.close_reason().unwrap().code(), 1001);
        }
        assert_eq!(serving.await.dropped, 0);
    });
}

/// A server that accepts by hand, or by way of hyper, shuts down by a group.
#[test]
fn t18_a_group_is_dismissed_with_1001() {
    block_on(async {
        let group = Group::new();
        let mut ends = Vec::new();
        for _ in 0..10 {
            let (client, mut server) = pair().await;
            server.get_mut().join(&group);
            let serving = spawn(async move { server.next().await.is_none() });
            ends.push((client, serving));
        }
        // One more joins after the others were told.
        let (mut late, mut server) = pair().await;
        assert!(once(server.next()).await.is_none());
        group.dismiss();
        server.get_mut().join(&group);
        let (end, _) = join(server.next(), late.next()).await;
        assert!(end.is_none());
        assert_eq!(late.close_reason().unwrap().code(), 1001);
        drop(server);
        for (mut client, serving) in ends {
            assert!(client.next().await.is_none());
            assert_eq!(client.close_reason().unwrap().code(), 1001);
            assert!(serving.await);
        }
        group.drained().await;
        assert!(group.is_empty());
    });
}

#[test]
fn t19_a_server_that_is_dropped_drops_its_connections() {
    block_on(async {
        let (ears, mouth) = Ears::new();
        let alive = mouth.alive();
        let serving = async {
            let server = Server::new(Origins::Any);
            let never = std::future::pending();
            server.serve(ears, never, until_closed).await;
        };
        let mut serving = Box::pin(serving);
        let mut connecting = Box::pin(mouth.connect());
        let mut client = None;
        std::future::poll_fn(|cx| {
            assert!(serving.as_mut().poll(cx).is_pending());
            connecting.as_mut().poll(cx).map(|it| client = Some(it))
        })
        .await;
        drop(serving);
        let mut client = client.unwrap();
        assert!(client.next().await.unwrap().is_err());
        while alive.count() > 0 {
            step().await;
        }
    });
}

#[test]
fn decisions_are_answers() {
    block_on(async {
        let (ears, mouth) = Ears::new();
        let (stop, stopped) = oneshot();
        let serving = spawn(async move {
            let server = Server::new(Origins::Any).decide(|_| Err(Rejection::new(401)));
            server.serve(ears, stopped, until_closed).await
        });
        let refused = Connect::new(URL).unwrap().over(mouth.dial()).await;
        let Err(ConnectError::Handshake(HandshakeError::Refused(response))) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(response.status(), 401);
        stop();
        serving.await;
    });
}
