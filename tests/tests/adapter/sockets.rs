//! What can be done with a WebSocket, over pipes and over sockets.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;
use sockeye::driver::{Incoming, Io, Parts};
use sockeye::websocket::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, Limits, Origins, Rejection, Response,
    ServerOptions,
};
use sockeye::websocket::{CloseCode, Config, Connection, Keepalive, Kind, Message, Role, SLICES};

use super::kit::{URL, echo, join, pair, pair_over, text};
use super::pipe::pipe;
use crate::runtime::adapter::{
    AcceptError, Connect, ConnectError, Error, HandshakeError, Server, Transport, WebSocket,
    accept, mask_keys,
};
use crate::runtime::{self, block_on, oneshot, spawn};

#[test]
fn messages_come_back_over_any_stream() {
    for (awkward, size) in [(false, 500_000), (true, 20_000)] {
        block_on(async {
            let (mut here, mut there) = pipe(4096);
            if awkward {
                (here, there) = (here.awkward(), there.awkward());
            }
            let (mut client, server) = pair_over(here, there, Config::default()).await;
            let talk = async {
                client.send("hello").await.unwrap();
                client.send(vec![7; size]).await.unwrap();
                client.send_bytes(vec![8; size].into()).await.unwrap();
                assert_eq!(text(client.next().await), "hello");
                for byte in [7, 8] {
                    let binary = client.next().await.unwrap().unwrap();
                    assert_eq!(binary.as_bytes(), vec![byte; size]);
                }
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
        let (mut client, address) = (client, "[2001:db8::1]:80".parse().unwrap());
        client.get_mut().set_peer_addr(address);
        assert_eq!(client.get_ref().peer_addr(), Some(address));
        assert_eq!(client.get_ref().protocol(), Some("b"));
        assert!(server.get_ref().response().is_none() && client.get_ref().request().is_none());
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
        here.put_all(request.as_bytes());
        // "hi", masked with zeros.
        here.put_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
        let mut server = accept(there, Origins::Any).await.unwrap();
        assert_eq!(text(server.next().await), "hi");
    });
}

#[test]
fn a_handshake_may_take_place_elsewhere() {
    block_on(async {
        let (here, there) = pipe(4096);
        let (here, there) = (Transport::new(here), Transport::new(there));
        let role = Role::Client(mask_keys());
        let client = Connection::new(role, Config::default(), here.now());
        let server = Connection::new(Role::Server, Config::default(), there.now());
        let mut client = WebSocket::new(here, client);
        // Read with the request: "hi", masked with zeros.
        let unread = vec![0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
        let mut server = WebSocket::from_parts(Parts::new(there, server, unread));
        assert_eq!(text(server.next().await), "hi");
        client.send("hello").await.unwrap();
        assert_eq!(text(server.next().await), "hello");
        assert_eq!(server.get_ref().protocol(), None);

        // Taken apart between two messages, with one read and not asked for.
        client.send("one").await.unwrap();
        client.send("two").await.unwrap();
        assert_eq!(text(server.next().await), "one");
        let mut server = WebSocket::from_parts(server.into_parts());
        assert_eq!(text(server.next().await), "two");
    });
}

#[test]
fn what_is_known_of_a_handshake_elsewhere_can_be_told() {
    block_on(async {
        let address = "192.0.2.1:80".parse().unwrap();
        let request = ClientRequest::new("localhost", "/chat?room=1").unwrap();
        let request = request.protocol("a").unwrap();

        // The client's by a machine, the server's by the driver.
        let (here, there) = pipe(4096);
        let (mut here, there) = (Transport::new(here), Transport::new(there));
        let mut asking = ClientHandshake::new(request, [7; 16], here.now());
        let mut slices = [&[][..]; SLICES];
        asking.poll_transmit(&mut slices);
        let sent = slices[0].to_vec();
        here.get_mut().put_all(&sent);
        asking.advance_transmit(sent.len());
        let options = ServerOptions::new(Origins::Any);
        let incoming = Incoming::receive(there, options).await.unwrap();
        let response = Response::new().protocol("a");
        let accepting = incoming.accept(&response, Config::default());
        let (mut server, accepted) = accepting.await.unwrap();
        assert!(server.get_ref().request().is_none());
        server.get_mut().set_accepted(accepted);
        assert_eq!(server.get_ref().request().unwrap().path(), "/chat");
        assert_eq!(server.get_ref().protocol(), Some("a"));

        let mut answer = here.get_mut().take_all();
        let event = asking.handle_input(here.now(), &mut answer).event;
        assert_eq!(event, Some(ClientEvent::Open));
        here.set_response(asking.into_head().unwrap());
        here.set_peer_addr(address);
        let role = Role::Client(mask_keys());
        let client = Connection::new(role, Config::default(), here.now());
        let mut client = WebSocket::new(here, client);
        assert_eq!(client.get_ref().response().unwrap().status(), 101);
        assert_eq!(client.get_ref().protocol(), Some("a"));
        assert_eq!(client.get_ref().peer_addr(), Some(address));
        client.send("hello").await.unwrap();
        assert_eq!(text(server.next().await), "hello");

        // Of a handshake in other hands nothing may be left but this.
        let mut other = Transport::new(pipe(1).0);
        other.set_protocol("b");
        assert_eq!(other.protocol(), Some("b"));
        assert!(other.request().is_none() && other.response().is_none());
    });
}

#[test]
fn no_time_is_too_long() {
    block_on(async {
        const LONG: Duration = Duration::MAX;
        let limits = Limits {
            timeout: LONG,
            ..Limits::default()
        };
        let mut options = ServerOptions::new(Origins::Any);
        options.limits = limits;
        let mut config = Config::default();
        (config.close_timeout, config.stall_timeout) = (LONG, Some(LONG));
        (config.idle_timeout, config.message_timeout) = (Some(LONG), Some(LONG));
        config.keepalive = Some(Keepalive {
            interval: LONG,
            timeout: LONG,
        });
        let server = Server::new(Origins::Any).options(options);
        let server = server.config(config.clone()).drain(LONG);
        let connect = Connect::new(URL).unwrap().timeout(LONG).limits(limits);
        let (here, there) = pipe(64);
        let connecting = connect.config(config).over_tls(here.awkward());
        let (client, server) = join(connecting, server.accept_tls(there.awkward())).await;
        let (mut client, server) = (client.unwrap(), server.unwrap());
        let talk = async {
            client.send("hello").await.unwrap();
            assert_eq!(text(client.next().await), "hello");
            client.close(CloseCode::NORMAL, "").await.unwrap();
        };
        join(talk, echo(server)).await.1.unwrap();
    });
}

/// A task holds room for what it awaits as long as it lives.
#[test]
fn futures_are_small() {
    let (here, there) = pipe(1);
    let connect = Connect::new(URL).unwrap();
    let server = Server::new(Origins::Any);
    let sizes = [
        size_of_val(&connect.clone().open()),
        size_of_val(&connect.clone().over_tls(here)),
        size_of_val(&server.accept(there)),
        size_of_val(&server.accept_tls(pipe(1).0)),
    ];
    assert!(sizes.iter().all(|size| *size <= 1024), "{sizes:?}");
}

#[test]
fn messages_are_sent_and_received_in_parts() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let sending = async {
            client.start(Kind::Text).unwrap();
            client.part("hel".as_bytes(), false).await.unwrap();
            client.part("lo".as_bytes(), true).await.unwrap();
            client.send("whole").await.unwrap();
            client.flush().await.unwrap();
        };
        let receiving = async {
            let mut said = Vec::new();
            loop {
                let chunk = server.next_chunk().await.unwrap().unwrap();
                assert_eq!(chunk.kind, Kind::Text);
                said.extend_from_slice(&chunk.bytes);
                if chunk.last {
                    break;
                }
            }
            assert_eq!(said, b"hello");
            assert_eq!(text(server.next().await), "whole");
        };
        join(sending, receiving).await;
    });
}

#[test]
fn for_each_hands_out_whole_messages_also_after_chunks() {
    for split in [false, true] {
        block_on(async {
            let (mut client, mut server) = pair().await;
            let talk = async {
                client.send("a chunk").await.unwrap();
                client.send("a message").await.unwrap();
                client.close(CloseCode::NORMAL, "").await.unwrap();
            };
            let receive = async {
                let chunk = server.next_chunk().await.unwrap().unwrap();
                assert_eq!(chunk.as_text(), Some("a chunk"));
                let mut said = Vec::new();
                let mut keep = |message: Message<'_>| said.push(message.into_owned());
                match split {
                    false => server.for_each(|_, message| keep(message)).await.unwrap(),
                    true => {
                        let (_sender, mut receiver) = server.split();
                        receiver.for_each(|_, message| keep(message)).await.unwrap();
                    }
                }
                assert_eq!(said, [Message::from("a message")]);
            };
            join(talk, receive).await;
        });
    }
}

#[test]
fn a_websocket_is_a_stream_and_a_sink() {
    async fn feed(sink: &mut (impl Sink<Message<'static>, Error = Error> + Unpin), said: &str) {
        poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx))
            .await
            .unwrap();
        Pin::new(&mut *sink)
            .start_send(said.to_owned().into())
            .unwrap();
    }
    type Item = Result<Message<'static>, Error>;
    async fn next(stream: &mut (impl Stream<Item = Item> + Unpin)) -> Option<Item> {
        poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
    }

    block_on(async {
        let (mut client, mut server) = pair().await;
        let written = client.get_ref().get_ref().written.len();
        feed(&mut client, "one").await;
        feed(&mut client, "two").await;
        assert!(client.buffered_amount() > 0);
        assert_eq!(client.get_ref().get_ref().written.len(), written);
        poll_fn(|cx| Sink::poll_flush(Pin::new(&mut client), cx))
            .await
            .unwrap();
        assert_eq!(client.buffered_amount(), 0);
        assert_eq!(client.get_ref().get_ref().written.len(), written + 1);
        assert_eq!(text(next(&mut server).await), "one");
        let (_sender, mut server) = server.split();
        assert_eq!(text(next(&mut server).await), "two");
        let closing = poll_fn(|cx| Sink::poll_close(Pin::new(&mut client), cx));
        let (closed, end) = join(closing, next(&mut server)).await;
        closed.unwrap();
        assert!(end.is_none());
        assert_eq!(server.close_reason().unwrap().code(), 1000);
    });
}

#[test]
fn the_peer_is_pinged_and_answers() {
    block_on(async {
        let (here, there) = pipe(4096);
        let mut config = Config::default();
        let [interval, timeout] = [10, 10_000].map(Duration::from_millis);
        config.keepalive = Some(Keepalive { interval, timeout });
        let (mut client, mut server) = pair_over(here, there, config).await;
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

#[cfg(unix)]
#[test]
fn unix_sockets_are_served_and_connected_to() {
    block_on(async {
        let (listener, path) = runtime::bind_unix();
        let (stop, stopped) = oneshot();
        let serving = spawn(async move {
            let handler = |websocket: WebSocket<_>| async move {
                assert_eq!(websocket.get_ref().peer_addr(), None);
                echo(websocket).await.unwrap();
            };
            let server = Server::new(Origins::Any);
            server.serve(listener, stopped, handler).await
        });
        let stream = runtime::UnixStream::connect(&path).await.unwrap();
        let mut client = Connect::new(URL).unwrap().over(stream).await.unwrap();
        client.send("hello").await.unwrap();
        assert_eq!(text(client.next().await), "hello");
        client.close(CloseCode::NORMAL, "").await.unwrap();
        stop();
        assert_eq!(serving.await.dropped, 0);
        std::fs::remove_file(&path).unwrap();
    });
}

#[cfg(unix)]
#[test]
fn a_pair_of_unix_sockets_is_a_stream_as_well() {
    block_on(async {
        let (here, there) = runtime::UnixStream::pair().unwrap();
        let connecting = Connect::new(URL).unwrap().over(here);
        let (client, server) = join(connecting, accept(there, Origins::Any)).await;
        let (mut client, server) = (client.unwrap(), server.unwrap());
        let talk = async {
            client.send(vec![9; 500_000]).await.unwrap();
            let message = client.next().await.unwrap().unwrap();
            assert_eq!(message.as_bytes(), [9; 500_000]);
            client.close(CloseCode::NORMAL, "").await.unwrap();
        };
        join(talk, echo(server)).await.1.unwrap();
    });
}
