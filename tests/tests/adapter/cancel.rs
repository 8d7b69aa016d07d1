//! T08 to T10: futures that are dropped, and wakers.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use sockeye::websocket::handshake::Origins;
use sockeye::websocket::{CloseCode, Config, Event, Kind};

use super::kit::{Count, URL, echo, join, once, pair, pair_over, step, text};
use super::pipe::{Pipe, pipe};
use crate::runtime::adapter::{Connect, Server, WebSocket, accept};
use crate::runtime::{block_on, spawn};

/// Polls `$work` once and drops it, until one of them is ready.
macro_rules! over_and_over {
    ($work:expr) => {
        loop {
            match once($work).await {
                Some(output) => break output,
                None => step().await,
            }
        }
    };
}

/// Room for less than two messages, so that every other send has to wait.
fn tight() -> Config {
    let mut config = Config::default();
    config.max_outgoing = 16;
    config
}

async fn awkward_pair() -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let (here, there) = pipe(256);
    pair_over(here.awkward(), there.awkward(), tight()).await
}

#[test]
fn t08_futures_dropped_at_every_await_lose_nothing() {
    block_on(async {
        let (mut client, server) = awkward_pair().await;
        let talk = async {
            for n in 0..100 {
                let message = format!("message {n}");
                over_and_over!(client.send(&*message)).unwrap();
                over_and_over!(client.ping(b"between")).unwrap();
                over_and_over!(client.flush()).unwrap();
                assert_eq!(text(over_and_over!(client.next())), message);
            }
            over_and_over!(client.close(CloseCode::NORMAL, "")).unwrap();
            assert!(client.close_reason().unwrap().is_clean());
        };
        join(talk, echo(server)).await.1.unwrap();
    });
}

#[test]
fn t08_a_send_that_waits_is_queued_exactly_when_it_returns() {
    block_on(async {
        let (mut client, mut server) = awkward_pair().await;
        let mut waited = 0;
        let sending = async {
            for n in 0..200 {
                let message = format!("message {n}");
                while once(client.send(&*message)).await.is_none() {
                    waited += 1;
                    step().await;
                }
            }
            for n in 0..20 {
                client.start(Kind::Binary).unwrap();
                over_and_over!(client.part(&[n; 30], false)).unwrap();
                over_and_over!(client.part(&[n; 30], true)).unwrap();
            }
            over_and_over!(client.send_bytes(vec![7; 100].into())).unwrap();
            over_and_over!(client.flush()).unwrap();
        };
        let receiving = async {
            for n in 0..200 {
                assert_eq!(text(server.next().await), format!("message {n}"));
            }
            for n in 0..20 {
                let message = server.next().await.unwrap().unwrap();
                assert_eq!(message.as_bytes(), [n; 60]);
            }
            let message = server.next().await.unwrap().unwrap();
            assert_eq!(message.as_bytes(), [7; 100]);
        };
        join(sending, receiving).await;
        assert!(waited > 200, "there was something to wait for");
    });
}

#[test]
fn t08_for_each_dropped_at_every_await_sees_each_message_once() {
    block_on(async {
        let (mut client, mut server) = awkward_pair().await;
        let sending = async {
            for n in 0..100 {
                client.send(n.to_string()).await.unwrap();
            }
            client.close(CloseCode::NORMAL, "").await.unwrap();
        };
        let mut seen = Vec::new();
        let receiving = async {
            over_and_over!(server.for_each_event(|_, event| {
                if let Event::Message(message) = event {
                    seen.push(message.as_text().unwrap().to_owned());
                }
            }))
            .unwrap();
        };
        join(sending, receiving).await;
        let all: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(seen, all);
    });
}

#[test]
fn t08_chunks_are_returned_or_still_there() {
    block_on(async {
        let (mut client, mut server) = awkward_pair().await;
        let sending = async {
            client.send(vec![3; 1000]).await.unwrap();
            client.flush().await.unwrap();
        };
        let receiving = async {
            let mut bytes = Vec::new();
            loop {
                let chunk = over_and_over!(server.next_chunk()).unwrap().unwrap();
                assert_eq!(chunk.first, bytes.is_empty());
                bytes.extend_from_slice(&chunk.bytes);
                if chunk.last {
                    break;
                }
            }
            assert_eq!(bytes, [3; 1000]);
        };
        join(sending, receiving).await;
    });
}

#[test]
fn t08_futures_of_halves_dropped_at_every_await_lose_nothing() {
    block_on(async {
        let (client, server) = awkward_pair().await;
        let server = spawn(async move { echo(server).await.is_ok() });
        let (sender, mut receiver) = client.split();
        let sending = async {
            for n in 0..100 {
                over_and_over!(sender.send(format!("message {n}"))).unwrap();
                over_and_over!(sender.flush()).unwrap();
            }
        };
        let receiving = async {
            for n in 0..100 {
                assert_eq!(
                    text(over_and_over!(receiver.next())),
                    format!("message {n}")
                );
            }
        };
        join(sending, receiving).await;
        let closing = async {
            over_and_over!(sender.close(CloseCode::NORMAL, "")).unwrap();
            over_and_over!(sender.closed());
        };
        let ending = async { assert!(over_and_over!(receiver.next()).is_none()) };
        join(closing, ending).await;
        assert!(receiver.close_reason().unwrap().is_clean());
        assert!(server.await);
    });
}

/// A handshake that is dropped after so many polls closes its stream, and the
/// other end sees that.
#[test]
fn t08_c30_a_handshake_dropped_at_any_await_closes_the_stream() {
    for drop_client in [true, false] {
        let mut dropped = 0;
        while !block_on(drop_after(dropped, drop_client)) {
            dropped += 1;
        }
        assert!(dropped > 100, "{dropped} awaits");
    }
}

/// Whether the handshake that was to be dropped was done before.
async fn drop_after(polls: usize, drop_client: bool) -> bool {
    let (here, there) = pipe(256);
    let mut connecting = Box::pin(Connect::new(URL).unwrap().over(here.awkward()));
    let server = Server::new(Origins::Any);
    let mut accepting = Box::pin(server.accept(there.awkward()));
    let (mut client, mut accepted) = (None, None);
    for _ in 0..polls {
        poll_fn(|cx| {
            if client.is_none() {
                if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
                    client = Some(result);
                }
            }
            if accepted.is_none() {
                if let Poll::Ready(result) = accepting.as_mut().poll(cx) {
                    accepted = Some(result);
                }
            }
            Poll::Ready(())
        })
        .await;
    }
    if drop_client {
        let done = client.is_some();
        drop(connecting);
        drop(client);
        if accepted.is_none() {
            accepted = Some(accepting.await);
        }
        if let Some(Ok(mut websocket)) = accepted {
            assert!(websocket.next().await.unwrap().is_err());
        }
        return done;
    }
    let done = accepted.is_some();
    drop(accepting);
    drop(accepted);
    if client.is_none() {
        client = Some(connecting.await);
    }
    if let Some(Ok(mut websocket)) = client {
        assert!(websocket.next().await.unwrap().is_err());
    }
    done
}

#[test]
fn t08_a_dropped_handshake_writes_nothing_more() {
    block_on(async {
        let (here, mut there) = pipe(4096);
        assert!(once(Connect::new(URL).unwrap().over(here)).await.is_none());
        // The request, and then the end.
        assert!(there.take_all().ends_with(b"\r\n\r\n"));
        assert!(there.is_over());

        let (here, there) = pipe(4096);
        assert!(once(accept(there, Origins::Any)).await.is_none());
        assert!(here.is_over());
    });
}

#[test]
fn t09_a_select_loses_no_message() {
    block_on(async {
        const COUNT: usize = 100_000;
        let (here, there) = pipe(1024);
        let (mut client, mut server) = pair_over(here, there, Config::default()).await;
        let send = async {
            for n in 0..COUNT {
                client.send(n.to_string()).await.unwrap();
            }
            client.flush().await.unwrap();
        };
        let receive = async {
            let mut n = 0;
            while n < COUNT {
                // A `select!` whose other branch is always ready.
                match once(server.next()).await {
                    Some(message) => {
                        assert_eq!(text(message), n.to_string());
                        n += 1;
                    }
                    None => step().await,
                }
            }
        };
        join(send, receive).await;
    });
}

#[test]
fn t10_the_last_waker_is_woken() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let counts = [Count::new(), Count::new()];
        for (_, waker) in &counts {
            let mut cx = Context::from_waker(waker);
            assert!(server.poll_next(&mut cx).is_pending());
        }
        client.send("hello").await.unwrap();
        assert!(counts[1].0.woken() > 0);
        assert_eq!(text(server.next().await), "hello");
        drop(client);
        assert!(server.next().await.is_some());
        assert!(server.next().await.is_none());
        assert!(server.next().await.is_none());
    });
}

#[test]
fn t10_halves_wake_the_last_waker_too() {
    block_on(async {
        let (mut client, server) = pair().await;
        let (sender, mut receiver) = server.split();
        let counts = [Count::new(), Count::new()];
        for (_, waker) in &counts {
            let mut cx = Context::from_waker(waker);
            assert!(receiver.poll_next(&mut cx).is_pending());
            // A sender that waits for the end does not take its place.
            assert!(once(sender.closed()).await.is_none());
        }
        client.send("hello").await.unwrap();
        assert!(counts[1].0.woken() > 0);
        assert_eq!(text(receiver.next().await), "hello");
        drop(client);
        assert!(receiver.next().await.is_some());
        for _ in 0..2 {
            assert!(receiver.next().await.is_none());
            sender.closed().await;
        }
    });
}

#[test]
fn t10_polling_after_the_end_gives_the_end() {
    block_on(async {
        let (mut client, server) = pair().await;
        let closing = client.close(CloseCode::NORMAL, "");
        join(closing, echo(server)).await.0.unwrap();
        for _ in 0..3 {
            assert!(client.next().await.is_none());
            client.close(CloseCode::NORMAL, "").await.unwrap();
            client.flush().await.unwrap();
            client.for_each(|_, _| {}).await.unwrap();
            assert!(client.send("too late").await.is_err());
        }
    });
}
