//! T23, and what the feature `tracing` tells: sizes and ends, and never what a
//! connection carries.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Once;

use sockeye::Instant;
use sockeye::websocket::handshake::{Origins, Rejection, Response};
use sockeye::websocket::{CloseCode, Config, Connection, Message, Role};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::kit::{URL, join};
use super::pipe::pipe;
use crate::runtime::adapter::{Connect, Server, mask_keys};
use crate::runtime::block_on;

/// Writes down what is told on a thread that listens, and draws masking keys
/// while it does, as a logger might that needs random numbers.
struct Scribe;

thread_local! {
    /// What was told, and how many spans there are.
    static TOLD: RefCell<Option<(Vec<String>, u64)>> = const { RefCell::new(None) };
}

/// Everything that is told while `work` runs on this thread.
fn listen(work: impl FnOnce()) -> Vec<String> {
    static SCRIBE: Once = Once::new();
    SCRIBE.call_once(|| tracing::subscriber::set_global_default(Scribe).unwrap());
    TOLD.set(Some((Vec::new(), 0)));
    work();
    TOLD.take().unwrap().0
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

/// Notes a line, and the number of the span that began with it.
fn note(line: Line, spans: u64) -> u64 {
    let role = Role::Client(mask_keys());
    let mut connection = Connection::new(role, Config::default(), Instant::ZERO);
    connection.ping(b"").unwrap();
    TOLD.with_borrow_mut(|told| {
        let Some((lines, count)) = told else { return 0 };
        lines.push(line.0);
        *count += spans;
        *count
    })
}

impl Subscriber for Scribe {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sockeye")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("span {}", span.metadata().name()));
        span.record(&mut line);
        Id::from_u64(note(line, 1).max(1))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line("record".into());
        values.record(&mut line);
        note(line, 0);
    }

    fn event(&self, event: &Event<'_>) {
        if TOLD.with_borrow(Option::is_none) {
            return;
        }
        let parent = event.parent().map_or(0, Id::into_u64);
        let mut line = Line(format!("event in {parent}:"));
        event.record(&mut line);
        note(line, 0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn no_payload_no_header_value_and_no_key_is_told() {
    let mut key = String::new();
    let said = listen(|| {
        block_on(async {
            let (here, there) = pipe(4096);
            let server = Server::new(Origins::Any)
                .protocols(["secret-protocol"])
                .decide(|_| Ok(Response::new().header("x-answer", "secret-answer")));
            let connect = Connect::new("ws://localhost/secret-path").unwrap();
            let connect = connect.protocol("secret-protocol").unwrap();
            let connect = connect.header("cookie", "secret-cookie").unwrap();
            let (client, server) = join(connect.over(here), server.accept(there)).await;
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            let request = server.get_ref().request().unwrap();
            let sent = request.header("sec-websocket-key").unwrap();
            key = String::from_utf8(sent.to_vec()).unwrap();
            let address = "192.0.2.1:80".parse().unwrap();
            server.get_mut().set_peer_addr(address);
            client.send("secret-text").await.unwrap();
            client.ping(b"secret-ping").await.unwrap();
            server.next().await.unwrap().unwrap();
            let close = client.close(CloseCode::NORMAL, "secret-reason");
            let (_, end) = join(close, server.next()).await;
            assert!(end.is_none());

            // Refused by the application, by the rules, and by neither.
            let (here, there) = pipe(4096);
            let server = Server::new(Origins::Any).decide(|_| {
                let rejection = Rejection::new(401).header("x-why", "secret-why");
                Err(rejection.body("secret-body"))
            });
            let connect = Connect::new(URL).unwrap();
            let connect = connect.header("cookie", "secret-cookie").unwrap();
            let _ = join(connect.over(here), server.accept(there)).await;
            let (mut here, there) = pipe(4096);
            here.put_all(b"GET /secret-path HTTP/1.1\r\nsecret-name: secret-value\r\n\r\n");
            here.end();
            let _ = server.accept(there).await;
            let (mut here, there) = pipe(4096);
            here.put_all(b"HTTP/1.1 200 secret-phrase\r\nsecret-name: secret-value\r\n\r\n");
            here.end();
            let _ = Connect::new(URL).unwrap().over(there).await;
        });
    });
    let is_told = |what: &str| said.iter().any(|line| line.contains(what));
    assert!(is_told(
        "span websocket role=\"client\" authority=\"localhost\""
    ));
    assert!(is_told("span websocket role=\"server\""));
    assert!(is_told("record peer=192.0.2.1:80"));
    for line in ["event in 1: message=open", "event in 2: message=open"] {
        assert!(is_told(line), "{line} in {said:#?}");
    }
    assert!(is_told("event in 1: message=written bytes="));
    assert!(is_told("event in 2: message=read bytes="));
    assert_eq!(key.len(), 24);
    for secret in [
        "secret",
        &key,
        &format!("{:?}", Message::from("secret-text")),
    ] {
        assert!(!is_told(secret), "{secret} in {said:#?}");
    }
}

#[test]
fn t23_a_logger_may_use_the_generator_of_keys() {
    let said = listen(|| {
        block_on(async {
            let (mut client, mut server) = super::kit::pair().await;
            for _ in 0..100 {
                client.send("hello").await.unwrap();
                server.next().await.unwrap().unwrap();
            }
        });
    });
    // Every write was told of, and every note drew a key.
    assert!(said.iter().filter(|line| line.contains("written")).count() >= 100);
}
