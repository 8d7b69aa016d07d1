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

    pub fn engineio_runtime() -> adapter::engineio::Runtime {
        adapter::engineio::Runtime::new()
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
    use std::sync::{Arc, Mutex};

    use axum::extract::ConnectInfo;
    use http::Request;
    use hyper_util::rt::TokioIo;
    use sockeye::driver::Group;
    use sockeye::websocket::handshake::{self, Origins, Rejection, ServerOptions};
    use sockeye_tokio::axum::WebSocketUpgrade;
    use sockeye_tokio::websocket::{CloseCode, Config};
    use sockeye_tokio::{
        Connect, ConnectError, HandshakeError, Server, UpgradeError, UpgradedStream, WebSocket,
        connect, upgrade,
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::net::{TcpListener, TcpStream};

    use super::adapter::kit::text;
    use super::runtime::{bind, block_on};

    async fn echo(mut websocket: WebSocket<UpgradedStream>) {
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
        let server = Server::new(Origins::SameHost).protocols(["chat"]);
        serve_hyper_with(server, echo).await
    }

    async fn serve_hyper_with<F: Future<Output = ()> + Send + 'static>(
        server: Server,
        handler: fn(WebSocket<UpgradedStream>) -> F,
    ) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let server = server.clone();
                let answer = move |mut request: Request<hyper::body::Incoming>| {
                    let answer = match upgrade(&mut request, &server) {
                        Ok((response, websocket)) => {
                            tokio::spawn(async move {
                                let mut websocket = websocket.await.unwrap();
                                websocket.get_mut().set_peer_addr(peer);
                                handler(websocket).await;
                            });
                            response.map(|()| String::new())
                        }
                        Err(error) => error.into_http(),
                    };
                    std::future::ready(Ok::<_, std::convert::Infallible>(answer))
                };
                let service = hyper::service::service_fn(answer);
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
        address
    }

    /// axum: a WebSocket as `server` has it.
    async fn serve_axum_with<F: Future<Output = ()> + Send + 'static>(
        server: Server,
        handler: fn(WebSocket<UpgradedStream>) -> F,
    ) -> SocketAddr {
        let at_ws = move |ConnectInfo(peer), upgrade: WebSocketUpgrade| async move {
            let upgrade = upgrade.server(server).peer_addr(peer);
            ([("x-altered", "yes")], upgrade.on_upgrade(handler))
        };
        let app = axum::Router::new().route("/ws", axum::routing::any(at_ws));
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let (listener, address) = bind().await;
        tokio::spawn(axum::serve(listener, app).into_future());
        address
    }

    /// Says what an open socket knows.
    async fn tell(mut websocket: WebSocket<UpgradedStream>) {
        let known = websocket.get_ref();
        let request = known.request().unwrap();
        let told = format!(
            "{} {:?} {:?} {:?} {}",
            request.path(),
            request.query(),
            request
                .header("Cookie")
                .map(<[u8]>::escape_ascii)
                .map(|it| it.to_string()),
            known.protocol(),
            known.peer_addr().unwrap(),
        );
        websocket.send(told).await.unwrap();
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

    /// The first line of the answer to these lines.
    async fn first_line(address: SocketAddr, lines: &[&str]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = lines.join("\r\n") + "\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(line).unwrap()
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
    fn an_upgraded_socket_knows_its_handshake() {
        block_on(async {
            let server = Server::new(Origins::SameHost)
                .protocols(["more", "chat"])
                .decide(|request| match request.header("cookie") {
                    Some(_) => Ok(handshake::Response::new().header("X-Path", request.path())),
                    None => Err(Rejection::new(401)),
                });
            for (address, altered) in [
                (serve_hyper_with(server.clone(), tell).await, None),
                (serve_axum_with(server, tell).await, Some(&b"yes"[..])),
            ] {
                let connect = Connect::new(&format!("ws://{address}/ws?room=1")).unwrap();
                let connect = connect.header("cookie", "a=b").unwrap();
                let mut client = connect.protocol("chat").unwrap().open().await.unwrap();
                let response = client.get_ref().response().unwrap();
                assert_eq!(response.header("x-path"), Some(&b"/ws"[..]));
                assert_eq!(response.header("x-altered"), altered);
                let here = client.get_ref().get_ref().get_ref().local_addr().unwrap();
                let expected = format!("/ws Some(\"room=1\") Some(\"a=b\") Some(\"chat\") {here}");
                assert_eq!(text(client.next().await), expected);
            }
        });
    }

    #[test]
    fn what_a_server_decides_is_the_answer() {
        block_on(async {
            let decide = |request: &handshake::Request| match request.query() {
                Some("who") => {
                    let rejection = Rejection::new(401).header("WWW-Authenticate", "Bearer");
                    Err(rejection.body("who are you?"))
                }
                // Neither is possible.
                Some("empty") => Err(Rejection::new(204)),
                _ => Ok(handshake::Response::new().protocol("not offered")),
            };
            let server = Server::new(Origins::Any).decide(decide);
            for address in [
                serve_hyper_with(server.clone(), echo).await,
                serve_axum_with(server, echo).await,
            ] {
                for (query, status) in [("who", 401), ("empty", 500), ("", 500)] {
                    let url = format!("ws://{address}/ws?{query}");
                    let refused = connect(&url).await;
                    let Err(ConnectError::Handshake(HandshakeError::Refused(response))) = refused
                    else {
                        panic!("{refused:?}");
                    };
                    assert_eq!(response.status(), status, "{query}");
                    if status == 401 {
                        assert_eq!(response.header("www-authenticate"), Some(&b"Bearer"[..]));
                        assert_eq!(response.body(), b"who are you?");
                    }
                }
            }
        });
    }

    /// Whatever hyper itself takes.
    #[test]
    fn h19_h21_the_limits_of_the_head_count() {
        block_on(async {
            let mut options = ServerOptions::new(Origins::Any);
            options.limits.request_line = 40;
            options.limits.head = 1000;
            let server = Server::new(Origins::Any).options(options);
            for address in [
                serve_hyper_with(server.clone(), echo).await,
                serve_axum_with(server, echo).await,
            ] {
                for (target, cookie, status) in [(10, 10, 101), (90, 10, 414), (10, 900, 431)] {
                    let line = format!("GET /ws?{} HTTP/1.1", "a".repeat(target));
                    let cookie = format!("Cookie: {}", "a".repeat(cookie));
                    let lines = [&[&*line, &*cookie], &UPGRADE[..]].concat();
                    let answer = first_line(address, &lines).await;
                    assert!(
                        answer.starts_with(&format!("HTTP/1.1 {status} ")),
                        "{answer}"
                    );
                }
            }
        });
    }

    /// RFC 9110 section 10.1.1: "A server MAY omit sending a 100 (Continue)
    /// response [...] if the framing indicates that there is no content", as it
    /// does in every request for an upgrade. hyper omits it.
    #[test]
    fn h29_an_expectation_of_a_request_without_content_is_met_by_the_101() {
        block_on(async {
            for address in [serve_axum(Group::new()).await, serve_hyper().await] {
                let lines = [&["GET /ws HTTP/1.1", "Expect: 100-continue"], &UPGRADE[..]];
                let answer = first_line(address, &lines.concat()).await;
                assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
            }
        });
    }

    /// Accepts one connection.
    struct Once(Option<DuplexStream>);

    impl axum::serve::Listener for Once {
        type Io = DuplexStream;
        type Addr = ();

        async fn accept(&mut self) -> (DuplexStream, ()) {
            match self.0.take() {
                Some(stream) => (stream, ()),
                None => std::future::pending().await,
            }
        }

        fn local_addr(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failed_upgrade_is_told() {
        block_on(async {
            let (mut here, there) = tokio::io::duplex(4096);
            let lines = [&["GET /ws HTTP/1.1"], &UPGRADE[..], &["\r\n"]].concat();
            here.write_all(lines.join("\r\n").as_bytes()).await.unwrap();
            let here = Arc::new(Mutex::new(Some(here)));
            let (failed, mut failure) = tokio::sync::mpsc::channel(1);
            let at_ws = |upgrade: WebSocketUpgrade| async move {
                let upgrade = upgrade.on_failed_upgrade(move |error| {
                    failed.try_send(error).unwrap();
                });
                let answer = upgrade.on_upgrade(|_| async { panic!("no answer was sent") });
                // Nobody takes it.
                drop(here.lock().unwrap().take());
                answer
            };
            let app = axum::Router::new().route("/ws", axum::routing::any(at_ws));
            tokio::spawn(axum::serve(Once(Some(there)), app).into_future());
            assert!(failure.recv().await.is_some());
        });
    }

    #[test]
    fn where_hyper_does_not_upgrade_nothing_is_accepted() {
        let mut request = Request::get("/ws");
        for line in UPGRADE {
            let (name, value) = line.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let mut request = request.body(()).unwrap();
        let Err(error) = upgrade(&mut request, &Server::new(Origins::Any)) else {
            panic!("no upgrade is possible");
        };
        assert!(matches!(error, UpgradeError::NotUpgradable));
        assert_eq!(error.into_http().status(), 500);
    }

    #[test]
    fn a_refused_request_may_still_be_upgraded_to_something_else() {
        let mut request = Request::new(());
        let on_upgrade = hyper::upgrade::on(Request::new(()));
        request.extensions_mut().insert(on_upgrade);
        let refused = upgrade(&mut request, &Server::new(Origins::Any));
        assert!(matches!(refused, Err(UpgradeError::Refused(_))));
        let on_upgrade = request.extensions().get::<hyper::upgrade::OnUpgrade>();
        assert!(on_upgrade.is_some());
    }

    #[test]
    fn origins_leave_the_other_options_as_they_are() {
        block_on(async {
            let mut options = ServerOptions::new(Origins::List(Vec::new()));
            options.paths = vec!["/elsewhere".into()];
            let at_ws = |upgrade: WebSocketUpgrade| async {
                let upgrade = upgrade.options(options).origins(Origins::Any);
                upgrade.on_upgrade(echo)
            };
            let app = axum::Router::new().route("/ws", axum::routing::any(at_ws));
            let (listener, address) = bind().await;
            tokio::spawn(axum::serve(listener, app).into_future());
            let lines = [&["GET /ws HTTP/1.1"], &UPGRADE[..]].concat();
            let answer = first_line(address, &lines).await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
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
            // Nor where another protocol is.
            let http2 = [
                "POST /both HTTP/1.1",
                "Host: localhost",
                "Content-Length: 0",
                "Upgrade: h2c",
                "Connection: close, Upgrade",
            ];
            assert!(ask(address, &http2).await.ends_with("a page"));
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
