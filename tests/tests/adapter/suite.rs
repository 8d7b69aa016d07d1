//! What both adapters have to do. Mounted once for each runtime, which provides
//! `runtime`: the adapter, `block_on`, `spawn`, `Ears` (a listener over pipes),
//! and TCP.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use sockeye::websocket::handshake::{Origins, Rejection, Response};
use sockeye::websocket::{CloseCode, Config, Keepalive, Message, Reason};

use super::pipe::{Pipe, pipe};
use super::runtime::adapter::{
    AcceptError, Connect, ConnectError, Error, HandshakeError, Server, WebSocket, accept, connect,
};
use super::runtime::{self, Ears, TcpStream, block_on, spawn};

const URL: &str = "ws://localhost/ws";

/// A client and a server that have shaken hands.
async fn pair(client: Pipe, server: Pipe) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    pair_with(client, server, Config::default()).await
}

async fn pair_with(
    client: Pipe,
    server: Pipe,
    config: Config,
) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let with_config = Server::new(Origins::Any).config(config.clone());
    let connecting = Connect::new(URL).unwrap().config(config).over(client);
    let (client, server) = join(connecting, with_config.accept(server)).await;
    (client.unwrap(), server.unwrap())
}

/// Both, at the same time.
async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_is, mut b_is) = (None, None);
    poll_fn(|cx| {
        if a_is.is_none() {
            if let Poll::Ready(is) = a.as_mut().poll(cx) {
                a_is = Some(is);
            }
        }
        if b_is.is_none() {
            if let Poll::Ready(is) = b.as_mut().poll(cx) {
                b_is = Some(is);
            }
        }
        match a_is.is_some() && b_is.is_some() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    (a_is.unwrap(), b_is.unwrap())
}

/// What `work` gives at the first poll, if anything; then it is dropped.
async fn once<F: Future>(work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Lets other tasks run.
async fn step() {
    let mut first = true;
    poll_fn(|cx| match std::mem::take(&mut first) {
        true => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        false => Poll::Ready(()),
    })
    .await;
}

async fn echo(mut websocket: WebSocket<Pipe>) -> Result<(), Error> {
    websocket
        .for_each(|connection, message| {
            let _ = connection.send(message);
        })
        .await
}

fn text(message: Option<Result<Message<'static>, Error>>) -> String {
    message
        .expect("a message")
        .expect("no error")
        .as_text()
        .expect("a text")
        .to_owned()
}

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn messages_come_back_over_any_stream() {
    for awkward in [false, true] {
        block_on(async {
            let (mut here, mut there) = pipe(4096);
            if awkward {
                (here, there) = (here.awkward(), there.awkward());
            }
            let (mut client, server) = pair(here, there).await;
            let talk = async {
                client.send("hello").await.unwrap();
                client.send(vec![7; 70_000]).await.unwrap();
                assert_eq!(text(client.next().await), "hello");
                let binary = client.next().await.unwrap().unwrap();
                assert_eq!(binary.as_bytes(), [7; 70_000]);
                client.close(CloseCode::NORMAL, "").await.unwrap();
                assert!(client.close_reason().unwrap().is_clean());
            };
            join(talk, echo(server)).await.1.unwrap();
        });
    }
}

#[test]
fn an_open_socket_knows_its_handshake() {
    block_on(async {
        let (here, there) = pipe(4096);
        let server = Server::new(Origins::SameHost)
            .protocols(["b", "a"])
            .decide(|request| match request.header("authorization") {
                Some(b"secret") => Ok(Response::new().header("x-answer", "42")),
                _ => Err(Rejection::new(401)),
            });
        let connect = Connect::new("ws://example.com/chat?room=1").unwrap();
        let connect = connect.protocol("a").unwrap().protocol("b").unwrap();
        let connect = connect.header("authorization", "secret").unwrap();
        let connect = connect.origin("http://example.com").unwrap();
        let (client, server) = join(connect.over(here), server.accept(there)).await;
        let (client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.get_ref().protocol(), Some("b"));
        assert_eq!(server.get_ref().protocol(), Some("b"));
        let request = server.get_ref().request().unwrap();
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
        let response = client.get_ref().response().unwrap();
        assert_eq!(response.header("x-answer"), Some(&b"42"[..]));
        assert_eq!(client.get_ref().peer_addr(), None);
    });
}

#[test]
fn a_refusal_reaches_both_sides() {
    block_on(async {
        let (here, there) = pipe(4096);
        let server = Server::new(Origins::Any).decide(|_| Err(Rejection::new(403)));
        let connecting = Connect::new(URL).unwrap().over(here);
        let (client, server) = join(connecting, server.accept(there)).await;
        assert!(matches!(server, Err(AcceptError::Rejected)));
        let Err(ConnectError::Handshake(HandshakeError::Refused(response))) = client else {
            panic!("{client:?}");
        };
        assert_eq!(response.status(), 403);
    });
}

#[test]
fn bytes_that_come_with_the_handshake_are_kept() {
    block_on(async {
        let (mut here, there) = pipe(4096);
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut bytes = request.as_bytes().to_vec();
        // "hi", masked with zeros.
        bytes.extend([0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
        poll_fn(|cx| here.write(cx, &bytes)).await.unwrap();
        let mut server = accept(there, Origins::Any).await.unwrap();
        assert_eq!(text(server.next().await), "hi");
    });
}

#[test]
fn t01_a_peer_that_never_reads_stops_the_sender() {
    block_on(async {
        let (here, there) = pipe(4096);
        let (_client, mut server) = pair(here, there).await;
        let message = vec![0; 1 << 20];
        let mut sent = 0;
        while let Some(result) = once(server.send(&message[..])).await {
            result.unwrap();
            sent += 1;
            assert!(sent < 10, "no end to what is queued");
        }
        let limit = Config::default().max_outgoing;
        assert!(server.buffered_amount() <= limit + message.len() + 64);
    });
}

#[test]
fn t02_a_slow_reader_causes_no_busy_loop() {
    block_on(async {
        let (here, there) = pipe(256);
        let (mut client, mut server) = pair(here, there).await;
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        server.start_send(vec![1; 1000]).unwrap();
        assert!(server.poll_flush(&mut cx).is_pending());
        // One byte at a time; the frame has a header of four.
        let mut idle = Context::from_waker(Waker::noop());
        let mut reads = 0;
        while let Poll::Ready(Ok(1)) = client.get_mut().get_mut().read(&mut idle, &mut [0]) {
            reads += 1;
            let _ = server.poll_flush(&mut cx);
        }
        assert_eq!(reads, 1004);
        assert!(count.woken() <= reads + 10, "{} wakeups", count.woken());
    });
}

#[test]
fn t03_a_reset_is_reported_once() {
    block_on(async {
        let (here, there) = pipe(4096);
        let (client, mut server) = pair(here, there).await;
        client
            .get_ref()
            .get_ref()
            .break_with(ErrorKind::ConnectionReset);
        let error = server.next().await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset));
        assert_eq!(error.close_code(), Some(1006));
        assert!(server.next().await.is_none());
        assert!(server.send("no more").await.is_err());
    });
}

#[test]
fn t03_an_end_within_a_frame_is_reported_once() {
    block_on(async {
        let (here, there) = pipe(4096);
        let (mut client, mut server) = pair(here, there).await;
        let half = [0x81, 0x85, 0, 0, 0, 0, b'h'];
        let pipe = client.get_mut().get_mut();
        poll_fn(|cx| pipe.write(cx, &half)).await.unwrap();
        pipe.end();
        let error = server.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Ended(Reason::Eof)));
        assert!(server.next().await.is_none());
    });
}

#[test]
fn t06_any_chunking_gives_the_same_messages() {
    for chunk in [1, 2, 3, 7, 64, usize::MAX] {
        for reluctant in [false, true] {
            block_on(async {
                let (mut here, mut there) = pipe(512);
                for pipe in [&mut here, &mut there] {
                    (pipe.chunk, pipe.reluctant) = (chunk, reluctant);
                }
                let (mut client, mut server) = pair(here, there).await;
                let send = async {
                    for n in 0..200 {
                        client.send("x".repeat(n)).await.unwrap();
                    }
                    client.flush().await.unwrap();
                };
                let receive = async {
                    for n in 0..200 {
                        assert_eq!(text(server.next().await).len(), n);
                    }
                };
                join(send, receive).await;
            });
        }
    }
}

#[test]
fn t07_a_write_of_nothing_is_an_error() {
    block_on(async {
        let (here, there) = pipe(4096);
        let (mut client, _server) = pair(here, there).await;
        client.get_mut().get_mut().chunk = 0;
        let result = match client.send("hello").await {
            Ok(()) => client.flush().await,
            result => result,
        };
        assert!(matches!(result, Err(Error::WriteZero)), "{result:?}");
    });
}

#[test]
fn t08_futures_dropped_at_every_await_lose_nothing() {
    block_on(async {
        let (here, there) = pipe(256);
        let (mut client, server) = pair(here.awkward(), there.awkward()).await;
        let talk = async {
            for n in 0..100 {
                let message = format!("message {n}");
                while once(client.send(&*message))
                    .await
                    .transpose()
                    .unwrap()
                    .is_none()
                {
                    step().await;
                }
                while once(client.flush()).await.transpose().unwrap().is_none() {
                    step().await;
                }
                let reply = loop {
                    match once(client.next()).await {
                        Some(reply) => break reply,
                        None => step().await,
                    }
                };
                assert_eq!(text(reply), message);
            }
            while once(client.close(CloseCode::NORMAL, ""))
                .await
                .transpose()
                .unwrap()
                .is_none()
            {
                step().await;
            }
        };
        join(talk, echo(server)).await.1.unwrap();
    });
}

#[test]
fn t08_a_dropped_handshake_closes_the_stream() {
    block_on(async {
        let (here, mut there) = pipe(4096);
        assert!(once(Connect::new(URL).unwrap().over(here)).await.is_none());
        let mut buffer = [0; 4096];
        // The request, and then the end.
        assert!(poll_fn(|cx| there.read(cx, &mut buffer)).await.unwrap() > 0);
        assert_eq!(poll_fn(|cx| there.read(cx, &mut buffer)).await.unwrap(), 0);

        let (mut here, there) = pipe(4096);
        assert!(once(accept(there, Origins::Any)).await.is_none());
        assert_eq!(poll_fn(|cx| here.read(cx, &mut buffer)).await.unwrap(), 0);
    });
}

#[test]
fn t09_a_select_loses_no_message() {
    block_on(async {
        const COUNT: usize = 100_000;
        let (here, there) = pipe(1024);
        let (mut client, mut server) = pair(here, there).await;
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
    let (here, there) = pipe(4096);
    let (mut client, mut server) = block_on(pair(here, there));
    block_on(async {
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        for count in &counts {
            let waker = Waker::from(count.clone());
            assert!(
                server
                    .poll_next(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        client.send("hello").await.unwrap();
        assert!(counts[1].woken() > 0);
        assert_eq!(text(server.next().await), "hello");
        drop(client);
        assert!(server.next().await.is_some());
        assert!(server.next().await.is_none());
        assert!(server.next().await.is_none());
    });
}

#[test]
fn t11_spurious_wakeups_bring_nothing() {
    block_on(async {
        let (here, there) = pipe(4096);
        let (_client, mut server) = pair(here, there).await;
        for _ in 0..100_000 {
            assert!(once(server.next()).await.is_none());
        }
        assert_eq!(server.connection().stats().frames_in, 0);
    });
}

#[test]
fn t12_halves_work_from_two_tasks() {
    block_on(async {
        let (here, there) = pipe(4096);
        let (client, server) = pair(here, there).await;
        let server = spawn(async move { echo(server).await.is_ok() });
        let (sender, mut receiver) = client.split();
        let sending = spawn(async move {
            for n in 0..1000 {
                sender.send(n.to_string()).await.unwrap();
            }
            sender.flush().await.unwrap();
            sender
        });
        for n in 0..1000 {
            assert_eq!(text(receiver.next().await), n.to_string());
        }
        let sender = sending.await;
        let closing = spawn(async move { sender.close(CloseCode::NORMAL, "").await.is_ok() });
        assert!(receiver.next().await.is_none());
        assert!(receiver.close_reason().unwrap().is_clean());
        assert!(closing.await);
        assert!(server.await);
    });
}

#[test]
fn t13_a_sender_alone_still_writes() {
    block_on(async {
        let (here, there) = pipe(256);
        let (client, mut server) = pair(here, there).await;
        // Nobody polls the receiver.
        let (sender, _receiver) = client.split();
        let sending = spawn(async move {
            for n in 0..100 {
                sender.send(n.to_string()).await.unwrap();
            }
            sender.flush().await.unwrap();
        });
        for n in 0..100 {
            assert_eq!(text(server.next().await), n.to_string());
        }
        sending.await;
    });
}

#[test]
fn t14_a_panic_ends_its_own_connection_only() {
    block_on(async {
        let (ears, mouth) = Ears::new();
        let server = Server::new(Origins::Any);
        let (stop, stopped) = runtime::oneshot();
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
        let (stop, stopped) = runtime::oneshot();
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
        let (stop, stopped) = runtime::oneshot();
        let serving = spawn(async move {
            let server = Server::new(Origins::Any);
            server
                .serve(ears, stopped, |_: WebSocket<_>| async {})
                .await
        });
        for _ in 0..10_000 {
            drop(mouth.dial());
        }
        assert!(mouth.connect().await.next().await.is_some());
        stop();
        assert_eq!(serving.await.dropped, 0);
    });
}

#[test]
fn t17_a_dropped_connection_ends_the_stream() {
    block_on(async {
        let (here, there) = pipe(4096);
        let (client, mut server) = pair(here, there).await;
        drop(client);
        // 1001 where it could be sent, and otherwise the end alone.
        match server.next().await {
            Some(Err(error)) => assert_eq!(error.close_code(), Some(1006)),
            None => assert_eq!(server.close_reason().unwrap().code(), 1001),
            Some(Ok(message)) => panic!("{message:?}"),
        }
    });
}

#[test]
fn t18_shutdown_closes_with_1001_and_answers_503() {
    block_on(async {
        let (ears, mouth) = Ears::new();
        let (stop, stopped) = runtime::oneshot();
        let serving = spawn(async move {
            let handler = |mut websocket: WebSocket<_>| async move {
                while let Some(Ok(_)) = websocket.next().await {}
            };
            Server::new(Origins::Any)
                .serve(ears, stopped, handler)
                .await
        });
        let mut clients = Vec::new();
        for _ in 0..500 {
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

#[test]
fn t20_small_messages_are_not_delayed() {
    block_on(async {
        let (listener, address) = runtime::bind().await;
        let (stop, stopped) = runtime::oneshot();
        let serving = spawn(async move {
            let handler = |mut websocket: WebSocket<_>| async move {
                let echo = websocket.for_each(|connection, message| {
                    let _ = connection.send(message);
                });
                let _ = echo.await;
            };
            Server::new(Origins::Any)
                .serve(listener, stopped, handler)
                .await
        });
        let mut client = connect(&format!("ws://{address}/")).await.unwrap();
        assert_eq!(client.get_ref().peer_addr(), Some(address));
        let stream: &TcpStream = client.get_ref().get_ref().get_ref();
        assert!(stream.nodelay().unwrap());
        let begin = std::time::Instant::now();
        for _ in 0..100 {
            client.send("x").await.unwrap();
            client.send("y").await.unwrap();
            assert_eq!(text(client.next().await), "x");
            assert_eq!(text(client.next().await), "y");
        }
        // With Nagle's algorithm and delayed acknowledgements this takes 4 s.
        assert!(begin.elapsed() < std::time::Duration::from_secs(2));
        client.close(CloseCode::NORMAL, "").await.unwrap();
        stop();
        serving.await;
    });
}

#[test]
fn t21_endless_input_leaves_a_turn_to_others() {
    block_on(async {
        let (here, there) = pipe(1 << 20);
        let (mut client, mut server) = pair(here, there).await;
        for _ in 0..100_000 {
            client.start_send("x").unwrap();
        }
        client.flush().await.unwrap();
        let mut seen = 0;
        assert!(once(server.for_each(|_, _| seen += 1)).await.is_none());
        // What one read of 64 KiB brings, at seven bytes each.
        assert!(
            (1..=64 * 1024 / 7 + 1).contains(&seen),
            "{seen} messages in one poll"
        );
    });
}

#[test]
fn the_peer_is_pinged_and_answers() {
    block_on(async {
        let (here, there) = pipe(4096);
        let mut config = Config::default();
        let [interval, timeout] = [10, 10_000].map(std::time::Duration::from_millis);
        config.keepalive = Some(Keepalive { interval, timeout });
        let (mut client, mut server) = pair_with(here, there, config).await;
        let pinged = poll_fn(|cx| {
            assert!(client.poll_next(cx).is_pending());
            assert!(server.poll_next(cx).is_pending());
            match client.connection().stats().round_trip {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        });
        pinged.await;
        assert!(client.connection().stats().pings > 0);
    });
}
