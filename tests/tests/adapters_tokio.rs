//! The suite of the adapters on tokio, and what needs tokio's clock.

mod adapter;

#[global_allocator]
static ALLOCATOR: sockeye_tests::alloc::Counting = sockeye_tests::alloc::Counting;

mod runtime {
    use std::future::Future;
    use std::io;
    use std::net::SocketAddr;
    #[cfg(unix)]
    use std::path::PathBuf;

    pub use sockeye_tokio as adapter;
    pub use tokio::net::{TcpListener, TcpStream};
    #[cfg(unix)]
    pub use tokio::net::{UnixListener, UnixStream};

    pub use super::adapter::ears::{Ears, oneshot};
    use super::adapter::pipe::Pipe;

    /// What a listener on TCP accepts.
    pub type Accepted = TcpStream;

    pub fn is_nodelay(stream: &Accepted) -> bool {
        stream.nodelay().unwrap()
    }

    pub fn block_on<F: Future>(work: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(work)
    }

    /// As [`block_on`], with other threads for what is spawned.
    pub fn threads<F: Future>(work: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build();
        runtime.unwrap().block_on(work)
    }

    pub fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        let task = tokio::spawn(work);
        async { task.await.unwrap() }
    }

    pub async fn bind() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// A listener, and where it is.
    #[cfg(unix)]
    pub fn bind_unix() -> (UnixListener, PathBuf) {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("sockeye-tokio-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        (listener, path)
    }

    impl adapter::Listener for Ears {
        type Stream = Pipe;

        async fn accept(&mut self) -> io::Result<(Pipe, Option<SocketAddr>)> {
            Ok((self.hear().await?, None))
        }
    }
}

/// Sockets, tasks and all: what a server holds of a connection that says nothing,
/// besides what the kernel does.
#[test]
fn an_idle_connection_is_less_than_two_kilobytes() {
    use std::io::{Read, Write};

    use sockeye::websocket::handshake::Origins;
    use sockeye_tests::alloc::measure;
    use sockeye_tests::handshake::{REQUEST, head};
    use sockeye_tokio::Server;

    const COUNT: isize = 200;

    async fn open(address: std::net::SocketAddr) -> std::net::TcpStream {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(&head(REQUEST)).unwrap();
        stream.set_nonblocking(true).unwrap();
        while stream.read(&mut [0; 512]).is_err() {
            adapter::kit::step().await;
        }
        stream
    }

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = runtime.block_on(async {
        let (listener, address) = runtime::bind().await;
        let server = Server::new(Origins::Any);
        let never = std::future::pending();
        let handler = |websocket| async { drop(adapter::kit::echo(websocket).await) };
        tokio::spawn(async move { server.serve(listener, never, handler).await });
        address
    });
    // What is made once, by the first.
    let first = runtime.block_on(open(address));
    let mut clients = Vec::with_capacity(COUNT as usize);
    let ((), usage) = measure(|| {
        runtime.block_on(async {
            for _ in 0..COUNT {
                clients.push(open(address).await);
            }
        });
    });
    let each = usage.held / COUNT;
    assert!((500..2048).contains(&each), "{each} bytes");
    drop((first, clients));
}

mod clock {
    //! Time is paused: it advances when nothing else can happen.

    use std::future::{Future, poll_fn};
    use std::io;
    use std::pin::pin;
    use std::time::Duration;

    use sockeye::websocket::handshake::Origins;
    use sockeye::websocket::{Config, Reason, Timer};
    use sockeye_tokio::{Connect, ConnectError, Error, Server, WebSocket, accept};
    use tokio::task::coop::{consume_budget, has_budget_remaining};
    use tokio::time::{Instant, timeout};

    use super::adapter::ears::{Ears, oneshot};
    use super::adapter::pipe::{Pipe, pipe};

    fn block_on<F: Future>(work: F) -> F::Output {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(work)
    }

    async fn pair(config: Config) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
        let (here, there) = pipe(4096);
        let server = Server::new(Origins::Any).config(config.clone());
        let connect = Connect::new("ws://localhost/").unwrap().config(config);
        let (client, server) = tokio::join!(connect.over(here), server.accept(there));
        (client.unwrap(), server.unwrap())
    }

    #[test]
    fn t04_a_silent_peer_is_given_up() {
        block_on(async {
            // A client that is never polled answers no ping.
            let (_client, mut server) = pair(Config::default()).await;
            let begin = Instant::now();
            let error = server.next().await.unwrap().unwrap_err();
            assert!(
                matches!(error, Error::Ended(Reason::Timeout(Timer::Pong))),
                "{error:?}"
            );
            assert_eq!(error.close_code(), Some(1006));
            assert!(
                begin.elapsed() < Duration::from_secs(46),
                "{:?}",
                begin.elapsed()
            );
        });
    }

    /// A task that is polled with no budget left is not heard by tokio's timers.
    #[test]
    fn t21_a_deadline_is_kept_by_a_task_that_used_up_its_budget() {
        block_on(async {
            let (_client, mut server) = pair(Config::default()).await;
            let mut busy = true;
            let silence = tokio::spawn(poll_fn(move |cx| {
                while busy && has_budget_remaining() {
                    let _ = pin!(consume_budget()).poll(cx);
                }
                busy = false;
                server.poll_next(cx)
            }));
            let error = timeout(Duration::from_secs(60), silence).await;
            let error = error.unwrap().unwrap().unwrap().unwrap_err();
            assert_eq!(error.close_code(), Some(1006));
        });
    }

    #[test]
    fn t18_who_comes_late_is_not_waited_for() {
        block_on(async {
            let (ears, mouth) = Ears::new();
            let (stop, stopped) = oneshot();
            let serving = tokio::spawn(async move {
                let handler = |mut websocket: WebSocket<_>| async move {
                    while let Some(Ok(_)) = websocket.next().await {}
                };
                let server = Server::new(Origins::Any);
                server.serve(ears, stopped, handler).await
            });
            let mut client = mouth.connect().await;
            stop();
            tokio::task::yield_now().await;
            // The server waits for the client, and still accepts.
            let _idle = mouth.dial();
            tokio::task::yield_now().await;
            let begin = Instant::now();
            assert!(client.next().await.is_none());
            assert_eq!(serving.await.unwrap().dropped, 0);
            assert!(begin.elapsed() < Duration::from_secs(1));
        });
    }

    #[test]
    fn t05_without_keepalive_silence_is_for_ever_and_a_stalled_write_is_not() {
        block_on(async {
            let mut config = Config::default();
            config.keepalive = None;
            let (_client, mut server) = pair(config).await;
            let day = Duration::from_secs(86_400);
            assert!(timeout(day, server.next()).await.is_err());
            server.start_send(vec![0; 100_000]).unwrap();
            let begin = Instant::now();
            let error = server.flush().await;
            assert!(
                begin.elapsed() < Duration::from_secs(31),
                "{error:?} {:?}",
                begin.elapsed()
            );
            let error = server.next().await.unwrap().unwrap_err();
            assert!(
                matches!(error, Error::Ended(Reason::Timeout(Timer::Stalled))),
                "{error:?}"
            );
        });
    }

    #[test]
    fn t02_a_peer_that_reads_a_byte_a_second_is_no_stall() {
        block_on(async {
            let (here, there) = pipe(64);
            let mut config = Config::default();
            config.keepalive = None;
            let server = Server::new(Origins::Any).config(config);
            let connect = Connect::new("ws://localhost/").unwrap();
            let (client, server) = tokio::join!(connect.over(here), server.accept(there));
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            server.start_send(vec![1; 200]).unwrap();
            let writing = tokio::spawn(async move { server.flush().await.is_ok() });
            let pipe = client.get_mut().get_mut();
            pipe.chunk = 1;
            for _ in 0..204 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                std::future::poll_fn(|cx| pipe.read(cx, &mut [0]))
                    .await
                    .unwrap();
            }
            assert!(writing.await.unwrap());
        });
    }

    /// As TLS may have to write to end its output, to a peer that takes nothing.
    #[test]
    fn ending_the_output_after_a_refusal_has_a_deadline() {
        block_on(async {
            let (mut here, mut there) = pipe(4096);
            there.stuck = true;
            here.put_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let begin = Instant::now();
            assert!(accept(there, Origins::Any).await.is_err());
            assert_eq!(begin.elapsed().as_secs(), 5);
            assert!(here.take_all().starts_with(b"HTTP/1.1 426 "));
        });
    }

    #[test]
    fn ending_the_output_after_a_close_has_a_deadline() {
        block_on(async {
            let (mut client, mut server) = pair(Config::default()).await;
            server.get_mut().get_mut().stuck = true;
            client
                .get_mut()
                .get_mut()
                .put_all(&[0x88, 0x80, 0, 0, 0, 0]);
            let begin = Instant::now();
            assert!(server.next().await.is_none());
            assert_eq!(begin.elapsed().as_secs(), 5);
        });
    }

    #[test]
    fn t15_accept_backs_off_from_10_ms_to_1_s() {
        block_on(async {
            let (ears, mouth) = Ears::new();
            for _ in 0..10 {
                mouth.fail(io::Error::from_raw_os_error(24));
            }
            let (stop, stopped) = oneshot();
            let begin = Instant::now();
            let serving = tokio::spawn(async move {
                let server = Server::new(Origins::Any);
                server
                    .serve(ears, stopped, |_: WebSocket<_>| async {})
                    .await
            });
            drop(mouth.connect().await);
            // 10 + 20 + ... + 640 ms, and three times 1 s.
            let waited = begin.elapsed().as_millis();
            assert!((4270..4300).contains(&waited), "{waited} ms");
            stop();
            serving.await.unwrap();
        });
    }

    #[test]
    fn t18_what_does_not_close_is_dropped_at_the_deadline() {
        block_on(async {
            let (ears, mouth) = Ears::new();
            let (stop, stopped) = oneshot();
            let serving = tokio::spawn(async move {
                let handler = |websocket: WebSocket<_>| async move {
                    std::future::pending::<()>().await;
                    drop(websocket);
                };
                let server = Server::new(Origins::Any).drain(Duration::from_secs(3));
                server.serve(ears, stopped, handler).await
            });
            let mut client = mouth.connect().await;
            let begin = Instant::now();
            stop();
            assert_eq!(serving.await.unwrap().dropped, 1);
            assert!(begin.elapsed() < Duration::from_secs(4));
            assert!(client.next().await.unwrap().is_err());
        });
    }

    #[test]
    fn t19_a_runtime_may_end_under_its_connections() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (ears, mouth) = Ears::new();
        let client = runtime.block_on(async {
            tokio::spawn(async move {
                let handler = |mut websocket: WebSocket<_>| async move {
                    while let Some(Ok(_)) = websocket.next().await {}
                };
                let server = Server::new(Origins::Any);
                server.serve(ears, std::future::pending(), handler).await
            });
            mouth.connect().await
        });
        drop(runtime);
        block_on(async move {
            let mut client = client;
            assert!(client.next().await.unwrap().is_err());
        });
    }

    #[test]
    fn t19_a_task_may_be_aborted() {
        block_on(async {
            let (mut client, mut server) = pair(Config::default()).await;
            let task = tokio::spawn(async move { server.next().await.is_some() });
            tokio::task::yield_now().await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            assert!(client.next().await.unwrap().is_err());
        });
    }

    #[test]
    fn handshakes_have_a_deadline() {
        block_on(async {
            let (here, there) = pipe(4096);
            let begin = Instant::now();
            assert!(accept(there, Origins::Any).await.is_err());
            assert_eq!(begin.elapsed().as_secs(), 10);
            drop(here);
            let (here, _there) = pipe(4096);
            let connect = Connect::new("ws://localhost/").unwrap();
            let result = connect.timeout(Duration::from_secs(2)).over(here).await;
            assert!(matches!(result, Err(ConnectError::Timeout)));
        });
    }
}

/// WebSockets out of requests that hyper has read, also for axum.
mod upgrade {
    use std::net::SocketAddr;

    use http::{Request, Response};
    use hyper_util::rt::TokioIo;
    use sockeye::driver::Group;
    use sockeye::websocket::handshake::Origins;
    use sockeye_tokio::axum::WebSocketUpgrade;
    use sockeye_tokio::websocket::{CloseCode, Config};
    use sockeye_tokio::{Connect, ConnectError, HandshakeError, Server, connect, upgrade};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::adapter::kit::text;
    use super::runtime::{bind, block_on};

    async fn echo(mut websocket: sockeye_tokio::WebSocket<sockeye_tokio::UpgradedStream>) {
        while let Some(Ok(message)) = websocket.next().await {
            websocket.send(message).await.unwrap();
        }
    }

    /// axum: a WebSocket at `/ws`, and one or a page at `/both`.
    async fn serve_axum(group: Group) -> SocketAddr {
        let at_ws = |upgrade: WebSocketUpgrade| async move {
            let mut config = Config::default();
            config.max_message = 100;
            let upgrade = upgrade.protocols(["chat", "more"]).config(config);
            upgrade.on_upgrade(move |mut websocket| {
                websocket.get_mut().join(&group);
                echo(websocket)
            })
        };
        let at_both = |upgrade: Option<WebSocketUpgrade>| async {
            match upgrade {
                Some(upgrade) => upgrade.origins(Origins::Any).on_upgrade(echo),
                None => axum::response::Response::new("a page".into()),
            }
        };
        let app = axum::Router::new()
            .route("/ws", axum::routing::any(at_ws))
            .route("/both", axum::routing::any(at_both));
        let (listener, address) = bind().await;
        tokio::spawn(axum::serve(listener, app).into_future());
        address
    }

    /// hyper alone.
    async fn serve_hyper() -> SocketAddr {
        async fn answer(
            mut request: Request<hyper::body::Incoming>,
        ) -> Result<Response<String>, std::convert::Infallible> {
            let server = Server::new(Origins::SameHost).protocols(["chat"]);
            Ok(match upgrade(&mut request, &server) {
                Ok((response, websocket)) => {
                    tokio::spawn(async { echo(websocket.await.unwrap()).await });
                    response.map(|()| String::new())
                }
                Err(refusal) => refusal.to_http(),
            })
        }

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = hyper::service::service_fn(answer);
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
        address
    }

    /// The answer to these lines, which ask for the connection to be closed.
    async fn ask(address: SocketAddr, lines: &[&str]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = lines.join("\r\n") + "\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    const UPGRADE: [&str; 5] = [
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];

    #[test]
    fn hyper_and_axum_upgrade() {
        block_on(async {
            for address in [serve_axum(Group::new()).await, serve_hyper().await] {
                let connect = Connect::new(&format!("ws://{address}/ws")).unwrap();
                let connect = connect.origin(&format!("http://{address}")).unwrap();
                let mut client = connect.protocol("chat").unwrap().open().await.unwrap();
                assert_eq!(client.get_ref().protocol(), Some("chat"));
                client.send("hello").await.unwrap();
                assert_eq!(text(client.next().await), "hello");
                client.close(CloseCode::NORMAL, "").await.unwrap();
            }
        });
    }

    #[test]
    fn what_is_no_upgrade_is_refused() {
        block_on(async {
            for address in [serve_axum(Group::new()).await, serve_hyper().await] {
                let page = ["GET /ws HTTP/1.1", "Host: localhost", "Connection: close"];
                let answer = ask(address, &page).await;
                assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
                let lower = answer.to_lowercase();
                assert!(lower.contains("sec-websocket-version: 13\r\n"), "{answer}");
                assert!(lower.contains("upgrade: websocket\r\n"), "{answer}");
                let post = ["POST /ws HTTP/1.1", "Host: h", "Content-Length: 0"];
                let answer = ask(address, &[&post[..], &["Connection: close"]].concat()).await;
                assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
                let bad = [&["GET /ws HTTP/1.1"], &UPGRADE[..4]].concat();
                let answer = ask(address, &bad).await;
                assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
                let old = [&["GET /ws HTTP/1.0"], &UPGRADE[..]].concat();
                let answer = ask(address, &old).await;
                assert!(answer.starts_with("HTTP/1.0 400 "), "{answer}");
            }
        });
    }

    #[test]
    fn pages_from_elsewhere_are_refused() {
        block_on(async {
            for address in [serve_axum(Group::new()).await, serve_hyper().await] {
                let evil = Connect::new(&format!("ws://{address}/ws")).unwrap();
                let evil = evil.origin("http://evil.example").unwrap().open().await;
                let Err(ConnectError::Handshake(HandshakeError::Refused(response))) = evil else {
                    panic!("{evil:?}");
                };
                assert_eq!(response.status(), 403);
            }
        });
    }

    #[test]
    fn a_path_may_serve_pages_and_websockets() {
        block_on(async {
            let address = serve_axum(Group::new()).await;
            let page = ["GET /both HTTP/1.1", "Host: localhost", "Connection: close"];
            assert!(ask(address, &page).await.ends_with("a page"));
            // No upgrade is asked for, whatever else would be wrong with one.
            let form = [
                "POST /both HTTP/1.1",
                "Host: localhost",
                "Content-Length: 0",
                "Connection: close",
            ];
            assert!(ask(address, &form).await.ends_with("a page"));
            let mut client = connect(&format!("ws://{address}/both")).await.unwrap();
            client.send("hello").await.unwrap();
            assert_eq!(text(client.next().await), "hello");
        });
    }

    #[test]
    fn the_configuration_counts_and_a_group_ends_it() {
        block_on(async {
            let group = Group::new();
            let address = serve_axum(group.clone()).await;
            let url = format!("ws://{address}/ws");
            let mut client = connect(&url).await.unwrap();
            client.send("x".repeat(101)).await.unwrap();
            assert!(client.next().await.is_none());
            assert_eq!(client.close_reason().unwrap().code(), 1009);

            let mut client = connect(&url).await.unwrap();
            client.send("hello").await.unwrap();
            assert_eq!(text(client.next().await), "hello");
            group.dismiss();
            assert!(client.next().await.is_none());
            assert_eq!(client.close_reason().unwrap().code(), 1001);
            group.drained().await;
        });
    }

    #[test]
    fn bytes_that_hyper_has_read_are_kept() {
        block_on(async {
            for address in [serve_axum(Group::new()).await, serve_hyper().await] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let head = [&["GET /ws HTTP/1.1"], &UPGRADE[..]].concat();
                let mut request = (head.join("\r\n") + "\r\n\r\n").into_bytes();
                request.extend([0x81, 0x82, 0, 0, 0, 0, b'h', b'i', 0x88, 0x80, 0, 0, 0, 0]);
                stream.write_all(&request).await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                let frames = [0x81, 2, b'h', b'i', 0x88, 0];
                assert!(answer.ends_with(&frames), "{answer:?}");
            }
        });
    }
}
