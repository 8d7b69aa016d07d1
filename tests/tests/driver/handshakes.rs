//! Handshakes, and the messages that come with them.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use sockeye::driver::{HandshakeError, Incoming, accept, connect};
use sockeye::websocket::handshake::{
    ClientRequest, Lost, Origins, Rejection, Response, ServerOptions,
};
use sockeye::websocket::{Config, MaskSource, Role};
use sockeye_tests::handshake::{NONCE, REQUEST, RESPONSE};
use sockeye_tests::trace::Side;
use sockeye_tests::transport::{Call, Fault, Gate, Transport, World};

use crate::scenarios::{CLOSE, Log, Scenario, Socket, TEXT, client, close_of_client, server, text};

pub(crate) const HANDSHAKES: [Scenario; 6] = [
    Scenario {
        name: "a server accepts, and messages came with the request",
        peer: |world| {
            let frames = [client(TEXT, "early"), client(TEXT, text(200))].concat();
            world.input(&[head(&REQUEST), frames[..100].to_vec()].concat());
            world.input(&[&frames[100..], &close_of_client()].concat());
            world.eof();
        },
        run: |world| {
            world.lenient();
            let accepted = world.run(async || accept(world.transport(), options(), config()).await);
            opened(world, accepted)
        },
    },
    Scenario {
        name: "a request in pieces is accepted after a look at it",
        peer: |world| {
            for piece in head(&REQUEST).chunks(50) {
                world.input(piece);
            }
            world.input_at(
                Gate::Received(1),
                &[client(TEXT, "x"), close_of_client()].concat(),
            );
            world.eof();
        },
        run: |world| {
            world.lenient();
            let accepted = world.run(async || {
                let incoming = Incoming::receive(world.transport(), options()).await?;
                assert_eq!(incoming.request().path(), "/ws");
                incoming.accept(&Response::new(), config()).await
            });
            opened(world, accepted)
        },
    },
    Scenario {
        name: "a server rejects",
        peer: |world| {
            world.input(&[head(&REQUEST), client(TEXT, "early")].concat());
            world.input_at(Gate::ShutDown, &client(TEXT, text(100)));
            world.eof_at(Gate::ShutDown);
        },
        run: |world| {
            world.lenient();
            let rejected = world.run(async || {
                let incoming = Incoming::receive(world.transport(), options()).await?;
                incoming.reject(&Rejection::new(404)).await
            });
            over(rejected)
        },
    },
    Scenario {
        name: "a request that is none",
        peer: |world| {
            world.input(b"GET /ws HTTP/1.1\r\nHost: h\r\n\r\n");
            world.eof_at(Gate::ShutDown);
        },
        run: |world| {
            world.lenient();
            over(world.run(async || accept(world.transport(), options(), config()).await))
        },
    },
    Scenario {
        name: "a client connects, and messages come with the response",
        peer: |world| {
            let frames = [server(TEXT, "early"), server(TEXT, text(200))].concat();
            world.input_at(
                Gate::Received(100),
                &[head(&RESPONSE), frames[..100].to_vec()].concat(),
            );
            world.input(&frames[100..]);
            world.input(&server(CLOSE, [3, 232]));
            world.eof();
        },
        run: |world| {
            world.lenient();
            opened(world, world.run(async || open(world).await))
        },
    },
    Scenario {
        name: "a client is refused",
        peer: |world| {
            let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nsorry";
            world.input_at(Gate::Received(100), &refusal[..30]);
            world.input(&refusal[30..]);
            world.eof();
        },
        run: |world| {
            world.lenient();
            over(world.run(async || open(world).await))
        },
    },
];

fn opened<T>(world: &World, opened: Result<(Socket, T), HandshakeError<&'static str>>) -> Log {
    match opened {
        Ok((socket, _)) => Log::default().end(world, socket),
        Err(error) => over(Err::<(), _>(error)),
    }
}

fn over<T>(result: Result<T, HandshakeError<&'static str>>) -> Log {
    let line = match &result {
        Ok(_) => "done".into(),
        Err(error) => format!("{error:?}"),
    };
    Log {
        lines: vec![line],
        failures: usize::from(result.is_err()),
    }
}

fn options() -> ServerOptions {
    ServerOptions::new(Origins::Any)
}

fn config() -> Config {
    Config::default()
}

fn keys() -> MaskSource {
    match Side::Client.role() {
        Role::Client(keys) => keys,
        Role::Server => unreachable!(),
    }
}

async fn open(
    world: &World,
) -> Result<(Socket, sockeye::websocket::handshake::ResponseHead), HandshakeError<&'static str>> {
    let request = ClientRequest::new("h", "/ws").expect("a request");
    connect(world.transport(), request, NONCE, keys(), config()).await
}

fn head(lines: &[&str]) -> Vec<u8> {
    [&lines.join("\r\n"), "\r\n\r\n"].concat().into_bytes()
}

/// Where a future is dropped, the transport is closed.
fn dropped_at_every_await<T: Debug>(peer: impl Fn(&World), future: impl AsyncFn(Transport) -> T) {
    for waits in 0.. {
        let world = World::new();
        world.lenient();
        peer(&world);
        // Each of the first calls is delayed, and made again.
        world.plan(|n, _| match n < 12 && n % 2 == 0 {
            true => Fault::Pending,
            false => Fault::None,
        });
        let mut future = Box::pin(future(world.transport()));
        for _ in 0..waits {
            if world.poll(future.as_mut()).is_ready() {
                assert!(waits > 3, "there were steps to wait for");
                return;
            }
            world.advance();
        }
        assert!(!world.is_dropped());
        drop(future);
        assert!(world.is_dropped(), "after {waits} polls");
    }
}

#[test]
fn t08_a_handshake_that_is_dropped_closes_the_transport() {
    let request = |world: &World| world.input(&head(&REQUEST));
    dropped_at_every_await(request, async |io| accept(io, options(), config()).await);
    dropped_at_every_await(
        |world| world.input(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        async |io| accept(io, options(), config()).await,
    );
    dropped_at_every_await(request, async |io| {
        let incoming = Incoming::receive(io, options()).await?;
        incoming.reject(&Rejection::new(404)).await
    });
    dropped_at_every_await(
        |world| world.input(&head(&RESPONSE)),
        async |io| {
            let request = ClientRequest::new("h", "/ws").expect("a request");
            connect(io, request, NONCE, keys(), config()).await
        },
    );
}

#[test]
fn a_peer_that_sends_nothing_is_given_up() {
    let world = World::new();
    world.lenient();
    let accepted = world.run(async || accept(world.transport(), options(), config()).await);
    assert!(matches!(accepted, Err(HandshakeError::Lost(Lost::Timeout))));
    let waited = world.now();

    let world = World::new();
    world.lenient();
    let opened = world.run(async || open(&world).await);
    assert!(matches!(opened, Err(HandshakeError::Lost(Lost::Timeout))));
    assert_eq!(world.now(), waited);
}

/// An answer that nobody takes, or an end of output that never comes, holds
/// nothing up for ever.
#[test]
fn an_answer_that_is_not_taken_is_given_up() {
    for stuck in [Call::Write, Call::Flush, Call::Shutdown] {
        let never = move |_, call| match call == stuck {
            true => Fault::Never,
            false => Fault::None,
        };
        let world = World::new();
        world.lenient();
        world.plan(never);
        world.input(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let accepted = world.run(async || accept(world.transport(), options(), config()).await);
        assert!(
            matches!(accepted, Err(HandshakeError::Request(_))),
            "{accepted:?}"
        );

        let world = World::new();
        world.lenient();
        world.plan(never);
        world.input(&head(&REQUEST));
        let rejected = world.run(async || {
            let incoming = Incoming::receive(world.transport(), options()).await?;
            incoming.reject(&Rejection::new(404)).await
        });
        assert!(
            matches!(rejected, Err(HandshakeError::Lost(Lost::Timeout))),
            "{rejected:?}"
        );
        assert!(world.now() < sockeye::Instant::ZERO.after(Duration::from_secs(11)));

        let world = World::new();
        world.lenient();
        world.plan(never);
        // Half a request: the answer is a 408.
        world.input(b"GET / HTTP/1.1\r\n");
        let accepted = world.run(async || accept(world.transport(), options(), config()).await);
        assert!(
            matches!(accepted, Err(HandshakeError::Lost(Lost::Timeout))),
            "{accepted:?}"
        );
    }
}

/// A refused client that goes on sending is listened to for a while, so that
/// the answer is not lost to a reset.
#[test]
fn a_refused_client_is_listened_to_for_a_while() {
    let world = World::new();
    world.lenient();
    world.input(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    for _ in 0..100 {
        world.input_at(Gate::ShutDown, &[0; 4096]);
    }
    let accepted = world.run(async || accept(world.transport(), options(), config()).await);
    assert!(accepted.is_err());
    assert_eq!(world.unread(), 36 * 4096, "256 KiB were read");

    let world = World::new();
    world.lenient();
    world.input(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut future = pin!(accept(world.transport(), options(), config()));
    assert!(world.poll(future.as_mut()).is_pending());
    assert!(world.is_shut_down());
    world.pass(Duration::from_millis(999));
    assert!(world.poll(future.as_mut()).is_pending());
    world.pass(Duration::from_millis(1));
    assert!(world.poll(future.as_mut()).is_ready());
}
