//! Connecting by Engine.IO, over sockets.

use std::future::Future;
use std::io::{Read, Write};
use std::time::Duration;

use crate::runtime::adapter::engineio::client::Error;
use crate::runtime::adapter::engineio::{
    ClientConfig, Connect, Handler, Message, Opening, Options, Refused, Server, Session, Transport,
    Transports, Version, connect, serve,
};
use crate::runtime::adapter::handshake::Origins;
use crate::runtime::{bind, block_on, engineio_runtime, oneshot, spawn};

struct Echo;

impl Handler for Echo {
    type Data = ();

    /// Only who has both the field and the query may come.
    fn open(&self, opening: &Opening<'_>) -> Result<(), Refused> {
        let head = opening.head;
        match (head.field("x-key"), head.query.split('&').next()) {
            (Some(b"7"), Some("k=v")) | (None, _) => Ok(()),
            _ => Err(Refused::new("no such key")),
        }
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        session.send(message).unwrap();
    }
}

/// Serves an echo while `client` talks to its port.
fn serving<F: Future>(client: impl FnOnce(u16) -> F) -> F::Output {
    block_on(async {
        let (listener, address) = bind().await;
        let (stop, stopped) = oneshot();
        let mut options = Options::new(Origins::SameHost);
        options.polling.version_3 = true;
        let server = Server::new(Echo, options, engineio_runtime());
        let serving = spawn(async move { serve(&server, listener, stopped).await });
        let output = client(address.port()).await;
        stop();
        serving.await;
        output
    })
}

#[test]
fn every_way_to_go() {
    serving(async |port| {
        let url = format!("http://127.0.0.1:{port}/engine.io/?k=v");
        let websocket = Transports::NONE.with(Transport::WebSocket);
        let polling = Transports::NONE.with(Transport::Polling);
        for transports in [Transports::ALL, websocket, polling] {
            for version in [Version::V4, Version::V3] {
                let connect = Connect::new(&url).unwrap().header("X-Key", "7").unwrap();
                let connect = connect.transports(transports).version(version);
                let mut client = connect.open().await.unwrap();
                for message in ["one".into(), Message::from(&[1, 2][..]), "".into()] {
                    client.send(&message).await.unwrap();
                    assert_eq!(client.next().await.unwrap().unwrap(), message);
                }
                let upgrades = transports.contains(Transport::WebSocket);
                assert_eq!(client.upgraded().await, upgrades, "{transports:?}");
                client.send("two").await.unwrap();
                client.flush().await.unwrap();
                assert_eq!(client.next().await.unwrap().unwrap(), "two".into());
                client.close().await.unwrap();
                assert!(client.next().await.is_none());
            }
        }
    });
}

#[test]
fn urls() {
    serving(async |port| {
        for (scheme, rest) in [
            ("http", ""),
            ("HTTP", "/"),
            ("ws", "/engine.io/"),
            ("Ws", "?k=v"),
        ] {
            let mut client = connect(&format!("{scheme}://127.0.0.1:{port}{rest}"))
                .await
                .unwrap();
            client.close().await.unwrap();
        }
        let elsewhere = connect(&format!("http://127.0.0.1:{port}/elsewhere/")).await;
        let Err(Error::Refused(answer)) = elsewhere else {
            panic!("{elsewhere:?}");
        };
        assert_eq!(answer.status, 404);
    });
    for url in ["", "ftp://h/", "http://", "http://u@h/", "127.0.0.1"] {
        assert!(Connect::new(url).is_err(), "{url}");
    }
    let connect = Connect::new("http://h/").unwrap();
    assert!(connect.header("Host", "other").is_err());
}

#[test]
fn a_refusal_is_told() {
    serving(async |port| {
        let url = format!("http://127.0.0.1:{port}");
        let connect = Connect::new(&url).unwrap().header("X-Key", "8").unwrap();
        let refused = connect.clone().open().await.unwrap_err();
        let Error::Refused(answer) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((answer.status, answer.code()), (403, Some(4)));
        assert!(answer.body.ends_with(br#""message":"no such key"}"#));
        let websocket = Transports::NONE.with(Transport::WebSocket);
        let refused = connect.transports(websocket).open().await.unwrap_err();
        assert_eq!(refused.to_string(), "refused with status 400");
    });
    let nobody = block_on(async {
        let (listener, address) = bind().await;
        drop(listener);
        connect(&format!("http://{address}")).await
    });
    assert!(matches!(nobody, Err(Error::Failed(_))), "{nobody:?}");
}

#[test]
fn a_server_that_is_silent_is_given_up() {
    let slow = block_on(async {
        // Nobody accepts.
        let (_listener, address) = bind().await;
        let connect = Connect::new(&format!("http://{address}")).unwrap();
        let mut config = ClientConfig::default();
        config.open_timeout = Duration::from_millis(50);
        connect.config(config).open().await
    });
    assert_eq!(slow.unwrap_err().to_string(), "no answer from the server");
}

/// With TLS, HTTP as well as WebSockets go through it.
pub fn over_tls(url: &str, tls: rustls::ClientConfig) -> Vec<Message<'static>> {
    block_on(async {
        let mut client = Connect::new(url).unwrap().tls(tls).open().await.unwrap();
        let mut messages = Vec::new();
        while let Some(message) = client.next().await {
            messages.push(message.unwrap());
        }
        messages
    })
}

/// Answers two GETs as a server does that opens a session, says something and closes.
pub fn answer_two(mut stream: impl Read + Write) {
    let open = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    for body in [open, "4over TLS\x1e1"] {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"GET /engine.io/?EIO=4&transport=polling"));
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).unwrap();
    }
}
