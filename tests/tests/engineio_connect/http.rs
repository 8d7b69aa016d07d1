//! HTTP by hyper, over streams in memory and a clock that moves when nothing else does.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use sockeye::driver::engineio::client::{Client, Error, Options, Pending};
use sockeye::driver::{self, WebSocket};
use sockeye::http::Origins;
use sockeye::websocket::Config;
use sockeye::websocket::handshake::ClientRequest;
use sockeye_tokio::engineio::{
    Dial, Handler, HttpClient, Message, Opening, Refused, Runtime, Server, Session, Transport,
    serve,
};
use sockeye_tokio::{Listener, mask_keys};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Never pinged within the time of a test.
const OPEN: &str = r#"0{"sid":"s","upgrades":[],"pingInterval":2000000000,"pingTimeout":20000}"#;
const OPEN_UPGRADES: &str =
    r#"0{"sid":"s","upgrades":["websocket"],"pingInterval":2000000000,"pingTimeout":20000}"#;

/// Connects to whoever takes the other ends.
struct Memory(mpsc::UnboundedSender<DuplexStream>);

impl Memory {
    fn connect(&self) -> Result<DuplexStream, io::Error> {
        let (here, there) = duplex(4096);
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
        self.0.send(there).map_err(gone).map(|()| here)
    }
}

impl Dial for Memory {
    type Stream = TokioIo<DuplexStream>;
    type Io = sockeye_tokio::Transport<DuplexStream>;

    fn dial(&self) -> Pending<Self::Stream> {
        let stream = self.connect();
        Box::pin(async { Ok(TokioIo::new(stream?)) })
    }

    fn websocket(&self, request: ClientRequest, config: Config) -> Pending<WebSocket<Self::Io>> {
        let stream = self.connect();
        Box::pin(async {
            let transport = sockeye_tokio::Transport::new(stream?);
            let connected = driver::connect(transport, request, [7; 16], mask_keys(), config);
            Ok(connected.await?.0)
        })
    }
}

/// The other ends.
struct Ends(mpsc::UnboundedReceiver<DuplexStream>);

impl Ends {
    /// A connection that has just been made.
    async fn accept(&mut self) -> End {
        End(self.0.recv().await.expect("a connection"))
    }

    fn is_idle(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

/// The server's end of a connection.
struct End(DuplexStream);

impl End {
    /// The head of a request, in lower case, and its body.
    async fn request(&mut self) -> (String, String) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("a request").into());
        }
        let head = head.to_lowercase();
        let length = head.split_once("content-length: ").map(|(_, rest)| rest);
        let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).await.expect("a body");
        (head, String::from_utf8(body).expect("text"))
    }

    async fn answer(&mut self, fields: &str, body: &str) {
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n");
        self.write(&(head + body)).await;
    }

    async fn write(&mut self, text: &str) {
        // It may have been closed.
        let _ = self.0.write_all(text.as_bytes()).await;
    }
}

fn memory(fields: &[(&str, &str)]) -> (HttpClient<Memory>, Ends) {
    let (there, ends) = mpsc::unbounded_channel();
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| ((*name).into(), (*value).into()));
    let http = HttpClient::new(Memory(there), "host:81", fields.collect(), Runtime::new());
    (http.unwrap(), Ends(ends))
}

async fn client(http: HttpClient<Memory>) -> Result<Client<HttpClient<Memory>>, Error> {
    Client::open(http, "/engine.io/", Options::default(), Runtime::new()).await
}

/// Opens a session, on a connection that is kept.
async fn open(
    http: HttpClient<Memory>,
    ends: &mut Ends,
    fields: &str,
    open: &str,
) -> (Client<HttpClient<Memory>>, End) {
    let server = async {
        let mut end = ends.accept().await;
        end.request().await;
        end.answer(fields, open).await;
        end
    };
    let (client, end) = tokio::join!(client(http), server);
    (client.expect("a session"), end)
}

#[tokio::test(start_paused = true)]
async fn e10_connections_are_kept_and_no_compression_is_asked_for() {
    let (http, mut ends) = memory(&[("X-Key", "secret")]);
    let (mut client, mut first) = open(http, &mut ends, "", OPEN).await;
    let server = async {
        for round in 0..3 {
            let (head, _) = first.request().await;
            assert!(head.starts_with("get /engine.io/?eio=4&transport=polling&sid=s&t="));
            for line in ["\r\nhost: host:81\r\n", "\r\nx-key: secret\r\n"] {
                assert!(head.contains(line), "{head}");
            }
            assert!(!head.contains("accept-encoding"), "{head}");
            first.answer("", &format!("4{round}")).await;
        }
    };
    let (_, messages) = tokio::join!(server, async {
        let mut messages = Vec::new();
        while messages.len() < 3 {
            messages.push(client.next().await.unwrap().unwrap());
        }
        messages
    });
    assert_eq!(messages, ["0", "1", "2"].map(Message::from));

    // A GET beside the POST is the second connection, and the last.
    let server = async {
        let mut second = None;
        for expected in ["4a", "4b"] {
            let (head, body) = first.request().await;
            assert!(head.starts_with("post "), "{head}");
            assert!(head.contains("content-type: text/plain; charset=utf-8"));
            assert_eq!(body, expected);
            first.answer("", "ok").await;
            if second.is_none() {
                second = Some(ends.accept().await);
            }
        }
        second
    };
    let (_second, _) = tokio::join!(server, async {
        for message in ["a", "b"] {
            client.send(message).await.unwrap();
            client.flush().await.unwrap();
        }
    });
    assert!(ends.is_idle());
}

#[tokio::test(start_paused = true)]
async fn cookies_are_sent_back() {
    let (http, mut ends) = memory(&[("Cookie", "own=1")]);
    let set = "Set-Cookie: io=abc; Path=/; HttpOnly\r\nSet-Cookie: lb=n1\r\nSet-Cookie: i\r\n";
    let (mut client, mut first) = open(http, &mut ends, set, OPEN_UPGRADES).await;
    let server = async {
        let (head, _) = first.request().await;
        assert!(
            head.contains("\r\ncookie: own=1; io=abc; lb=n1\r\n"),
            "{head}"
        );
        let mut socket = ends.accept().await;
        let (head, _) = socket.request().await;
        assert!(
            head.contains("\r\ncookie: own=1; io=abc; lb=n1\r\n"),
            "{head}"
        );
        assert!(head.contains("transport=websocket&sid=s"), "{head}");
        first.answer("Set-Cookie: lb=n2\r\n", "4x").await;
        let (head, _) = first.request().await;
        assert!(
            head.contains("\r\ncookie: own=1; io=abc; lb=n2\r\n"),
            "{head}"
        );
        first.answer("", "1").await;
    };
    tokio::join!(server, async {
        assert_eq!(client.next().await.unwrap().unwrap(), "x".into());
        assert!(client.next().await.is_none());
    });
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_server_has_closed_is_not_used_again() {
    let (http, mut ends) = memory(&[]);
    let (mut client, first) = open(http, &mut ends, "", OPEN).await;
    drop(first);
    let server = async {
        let mut second = ends.accept().await;
        second.request().await;
        second.answer("Connection: close\r\n", "4a").await;
        let mut third = ends.accept().await;
        third.request().await;
        third.answer("", "4b").await;
    };
    tokio::join!(server, async {
        assert_eq!(client.next().await.unwrap().unwrap(), "a".into());
        assert_eq!(client.next().await.unwrap().unwrap(), "b".into());
    });
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_for_four_seconds() {
    let (http, mut ends) = memory(&[]);
    let (mut client, mut first) = open(http, &mut ends, "", OPEN).await;
    let server = async {
        assert_eq!(first.request().await.1, "4a");
        first.answer("", "ok").await;
        let mut second = ends.accept().await;
        assert!(second.request().await.0.starts_with("get "));
        let mut third = ends.accept().await;
        assert_eq!(third.request().await.1, "4b");
        third.answer("", "ok").await;
        second
    };
    tokio::join!(server, async {
        client.send("a").await.unwrap();
        client.flush().await.unwrap();
        let receiving = tokio::time::timeout(Duration::from_secs(5), client.next());
        assert!(receiving.await.is_err());
        client.send("b").await.unwrap();
        client.flush().await.unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn e13_a_request_that_was_sent_is_not_sent_again() {
    let (http, mut ends) = memory(&[]);
    let (mut client, mut first) = open(http, &mut ends, "", OPEN).await;
    let server = async {
        assert_eq!(first.request().await.1, "4fate unknown");
        drop(first);
    };
    let app = async {
        client.send("fate unknown").await.unwrap();
        client.next().await
    };
    let (_, end) = tokio::join!(server, app);
    assert!(matches!(end, Some(Err(Error::Failed(_)))), "{end:?}");
    while let Ok(mut other) = ends.0.try_recv() {
        let mut sent = String::new();
        other.read_to_string(&mut sent).await.unwrap();
        assert!(!sent.contains("POST"), "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn e08_the_answer_to_a_post_is_not_read_for_ever() {
    let (http, mut ends) = memory(&[]);
    let (mut client, mut first) = open(http, &mut ends, "", OPEN).await;
    let server = async {
        first.request().await;
        first
            .write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            .await;
        let mut written = 0;
        while first.0.write_all(&[b'x'; 1000]).await.is_ok() {
            written += 1000;
        }
        assert!(written < 100_000, "{written}");
        let mut second = ends.accept().await;
        assert!(second.request().await.0.starts_with("get "));
        let mut third = ends.accept().await;
        assert_eq!(third.request().await.1, "4b");
        third.answer("", "ok").await;
        second
    };
    tokio::join!(server, async {
        for message in ["a", "b"] {
            client.send(message).await.unwrap();
            client.flush().await.unwrap();
        }
    });
}

#[tokio::test(start_paused = true)]
async fn e09_a_body_without_an_end_is_given_up() {
    let (http, mut ends) = memory(&[]);
    let (mut client, mut first) = open(http, &mut ends, "", OPEN).await;
    let server = async {
        first.request().await;
        first
            .write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
        let mut written = 0;
        while first.0.write_all(chunk.as_bytes()).await.is_ok() {
            written += 1000;
        }
        assert!((1_000_000..1_100_000).contains(&written), "{written}");
    };
    let (_, end) = tokio::join!(server, client.next());
    let error = end.unwrap().unwrap_err().to_string();
    assert!(
        error.ends_with("bytes where 1000000 are the limit"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn e09_a_body_that_takes_too_long_is_given_up() {
    let (http, mut ends) = memory(&[]);
    let (mut client, mut first) = open(http, &mut ends, "", OPEN).await;
    let begin = Instant::now();
    let server = async {
        first.request().await;
        first
            .write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            .await;
        while first.0.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (_, end) = tokio::join!(server, client.next());
    assert_eq!(end.unwrap().unwrap_err().to_string(), "body takes too long");
    assert!((45..47).contains(&begin.elapsed().as_secs()), "{begin:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_an_error_at_once() {
    let (there, _ends) = mpsc::unbounded_channel();
    for (authority, name, value) in [
        ("h", "Host", "other"),
        ("h", "X\r\n", "y"),
        ("h", "X", "y\r\nz"),
        ("h/", "X", "y"),
    ] {
        let fields = vec![(name.to_owned(), value.as_bytes().to_vec())];
        let memory = Memory(there.clone());
        assert!(HttpClient::new(memory, authority, fields, Runtime::new()).is_err());
    }
}

/// Our own server at the other ends.
struct Echo;

impl Handler for Echo {
    type Data = ();

    fn open(&self, _: &Opening<'_>) -> Result<(), Refused> {
        Ok(())
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        session.send(message).unwrap();
    }
}

impl Listener for Ends {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Option<SocketAddr>)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, None)),
            None => pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_with_our_own_server_goes_over_in_order() {
    let (http, ends) = memory(&[]);
    let options = sockeye_tokio::engineio::Options::new(Origins::SameHost);
    let server = Server::new(Echo, options, Runtime::new());
    let serving = server.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving =
        tokio::spawn(async move { serve(&serving, ends, async { drop(stopped.await) }).await });
    let mut client = client(http).await.expect("a session");
    assert_eq!(client.transport(), Transport::Polling);
    let sender = client.sender();
    let sending = tokio::spawn(async move {
        for number in 0..1000 {
            sender.send(format!("{number}")).await.unwrap();
            tokio::time::sleep(Duration::from_micros(10)).await;
        }
    });
    for number in 0..1000 {
        let message = client.next().await.unwrap().unwrap();
        assert_eq!(message.as_text(), Some(&*format!("{number}")));
    }
    sending.await.unwrap();
    assert!(client.upgraded().await);
    // The heartbeat goes on.
    let idle = tokio::time::timeout(Duration::from_secs(200), client.next());
    assert!(idle.await.is_err());
    assert!(client.is_open());
    client.close().await.unwrap();
    assert!(server.is_empty());
    stop.send(()).unwrap();
    assert_eq!(serving.await.unwrap().dropped, 0);
}
