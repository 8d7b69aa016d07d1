//! What the driver is put through, as one script each, to be run with every
//! step undisturbed, delayed, shortened or failing.

use sockeye::driver::{Error, Parts, WebSocket};
use sockeye::websocket::{CloseCode, Config, Connection, Kind, Message, SendError};
use sockeye_tests::trace::Side;
use sockeye_tests::transport::{Gate, Transport, World};
use sockeye_tests::wire::Frame;

pub(crate) type Socket = WebSocket<Transport>;

/// What the application saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// What came, and what became of what was sent.
    pub(crate) lines: Vec<String>,
    /// How often the end was reported as an error.
    pub(crate) failures: usize,
}

/// A script.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What the peer sends.
    pub(crate) peer: fn(&World),
    /// What the application does, to the end.
    pub(crate) run: fn(&World) -> Log,
}

pub(crate) const SCENARIOS: [Scenario; 12] = [
    Scenario {
        name: "echo by for_each, and the peer closes",
        peer: |world| {
            let frames = [
                client(TEXT, "hello"),
                client(BINARY, binary(300)),
                client(TEXT, ""),
            ];
            world.input(&frames.concat());
            world.input(&[client(TEXT, text(700)), client(TEXT, "last")].concat());
            world.input(&close_of_client());
            world.eof();
        },
        run: echo,
    },
    Scenario {
        name: "fragments cut anywhere, and the peer vanishes",
        peer: |world| {
            let frames = [client(0x01, "he"), client(0x00, "ll"), client(0x80, "o")];
            world.input(&frames.concat()[..9]);
            world.input(&[&frames.concat()[9..], &client(BINARY, "\0")[..4]].concat());
            world.eof();
        },
        run: echo,
    },
    Scenario {
        name: "a large message, read directly",
        peer: |world| {
            let bytes = [client(BINARY, binary(36_000)), client(TEXT, "after")].concat();
            bytes.chunks(9_000).for_each(|chunk| world.input(chunk));
            world.input(&close_of_client());
            world.eof();
        },
        run: echo,
    },
    Scenario {
        name: "the transport ends inside a large message",
        peer: |world| {
            let bytes = client(BINARY, binary(36_000));
            bytes[..35_000].chunks(9_000).for_each(|c| world.input(c));
            world.eof();
        },
        run: echo,
    },
    Scenario {
        name: "messages before a violation",
        peer: |world| {
            let frames = [client(TEXT, "one"), client(BINARY, "two"), vec![0xf1, 0x80]];
            world.input(&frames.concat());
            world.input(&client(TEXT, "never seen"));
            world.eof_at(Gate::ShutDown);
        },
        run: receive,
    },
    Scenario {
        name: "requests and replies of a client",
        peer: |world| {
            // Each request has eleven bytes.
            for n in 1..4 {
                world.input_at(Gate::Received(11 * n), &server(TEXT, "reply"));
            }
            world.input_at(Gate::Received(33), &server(CLOSE, [3, 232]));
            world.eof_at(Gate::Received(41));
        },
        run: |world| {
            let (mut socket, mut log) = (open(world, Side::Client), Log::default());
            for n in 0..3 {
                let request = format!("get {n}");
                let sent = world.run(async || socket.send(request.as_str()).await);
                if !log.done("send", sent) || !log.next(world, &mut socket) {
                    break;
                }
            }
            log.end(world, socket)
        },
    },
    Scenario {
        name: "messages are received and sent in turn",
        peer: |world| {
            let frames = [
                client(TEXT, "a"),
                client(TEXT, "b"),
                client(BINARY, binary(20_000)),
            ];
            world.input(&frames.concat());
            world.input(&close_of_client());
            world.eof();
        },
        run: |world| {
            let (mut socket, mut log) = (open(world, Side::Server), Log::default());
            while log.next(world, &mut socket) {
                let sent = world.run(async || socket.send("seen").await);
                let sent = log.done("send", sent);
                let flushed = world.run(async || socket.flush().await);
                if !sent || !log.done("flush", flushed) {
                    break;
                }
            }
            log.end(world, socket)
        },
    },
    Scenario {
        name: "a message in chunks comes, another in parts goes",
        peer: |world| {
            let frames = [client(0x02, binary(3000)), client(0x80, binary(15_000))];
            let bytes = frames.concat();
            bytes.chunks(5_000).for_each(|chunk| world.input(chunk));
            world.input(&close_of_client());
            world.eof();
        },
        run: chunks,
    },
    Scenario {
        name: "pings one by one",
        peer: |world| {
            for n in 0..4_usize {
                let ping = client(PING, vec![n as u8; n]);
                world.input_at(Gate::Received((0..n).map(|n| 2 + n).sum()), &ping);
            }
            world.input_at(Gate::Received(14), &close_of_client());
            world.eof_at(Gate::ShutDown);
        },
        run: receive,
    },
    Scenario {
        name: "a client closes, with a message on its way",
        peer: |world| {
            world.input_at(Gate::Received(8), &server(TEXT, "late"));
            world.input_at(Gate::Received(8), &server(CLOSE, [3, 232]));
            world.eof_at(Gate::Received(8));
        },
        run: close,
    },
    Scenario {
        name: "a client closes, and is never answered",
        peer: |_| {},
        run: close,
    },
    Scenario {
        name: "a server closes, and the peer goes on",
        peer: |world| {
            for n in 0..4_usize {
                world.input_at(Gate::Received(10), &client(BINARY, binary(n * 1000)));
            }
            world.input_at(Gate::Received(10), &close_of_client());
            world.input_at(Gate::Received(10), b"\x81\x85 is discarded");
            world.eof_at(Gate::ShutDown);
        },
        run: |world| {
            let (mut socket, mut log) = (open(world, Side::Server), Log::default());
            let sent = world.run(async || socket.send("bye").await);
            log.done("send", sent);
            let code = CloseCode::GOING_AWAY;
            let closed = world.run(async || socket.close(code, "x").await);
            log.done("close", closed);
            log.end(world, socket)
        },
    },
];

impl Scenario {
    /// Whether futures can be dropped and made anew: those of a handshake own
    /// the transport.
    pub(crate) fn can_drop(&self) -> bool {
        SCENARIOS.iter().any(|scenario| scenario.name == self.name)
    }
}

fn echo(world: &World) -> Log {
    let (mut socket, mut log) = (open(world, Side::Server), Log::default());
    let mut echoed = Vec::new();
    let done = world.run(async || {
        let each = socket.for_each(|connection, message| {
            echoed.push(show(&message));
            let sent = connection.send(message);
            assert_eq!(sent, Ok(()));
        });
        each.await
    });
    log.lines.extend(echoed);
    log.done("for_each", done);
    log.end(world, socket)
}

fn receive(world: &World) -> Log {
    Log::default().end(world, open(world, Side::Server))
}

fn close(world: &World) -> Log {
    let (mut socket, mut log) = (open(world, Side::Client), Log::default());
    let closed = world.run(async || socket.close(CloseCode::NORMAL, "").await);
    log.done("close", closed);
    log.end(world, socket)
}

fn chunks(world: &World) -> Log {
    let (mut socket, mut log) = (open(world, Side::Server), Log::default());
    assert_eq!(socket.start(Kind::Text), Ok(()));
    // Chunks may be cut anywhere; what they amount to may not.
    let (mut whole, mut last) = (Vec::new(), false);
    while !last {
        let chunk = match world.run(async || socket.next_chunk().await) {
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => {
                log.fail(&error);
                break;
            }
            None => break,
        };
        assert_eq!(chunk.first, whole.is_empty());
        whole.extend_from_slice(&chunk.bytes);
        last = chunk.last;
    }
    // Half a message is not comparable.
    if last {
        log.lines.push(show(&Message::from(whole)));
    }
    for (part, fin) in [("\u{20ac}", false), ("", false), ("x", true)] {
        let sent = world.run(async || socket.part(part.as_bytes(), fin).await);
        log.done("part", sent);
    }
    log.end(world, socket)
}

impl Log {
    /// Notes what became of a command; false if it is of no use to go on.
    pub(crate) fn done(&mut self, what: &str, done: Result<(), Error<&'static str>>) -> bool {
        match done {
            Ok(()) => self.lines.push(what.into()),
            Err(error) => self.fail(&error),
        }
        self.failures == 0
    }

    pub(crate) fn fail(&mut self, error: &Error<&'static str>) {
        // A command after the end says no more than that there was one.
        let is_end = !matches!(error, Error::Send(SendError::Closing));
        self.failures += usize::from(is_end);
        self.lines.push(format!("{error:?}"));
    }

    /// Notes the next message; false if there is none.
    pub(crate) fn next(&mut self, world: &World, socket: &mut Socket) -> bool {
        match world.run(async || socket.next().await) {
            Some(Ok(message)) => self.lines.push(show(&message)),
            Some(Err(error)) => self.fail(&error),
            None => return false,
        }
        self.failures == 0
    }

    /// Receives what still comes, and sees that the end is one.
    pub(crate) fn end(mut self, world: &World, mut socket: Socket) -> Self {
        while self.next(world, &mut socket) {}
        for _ in 0..2 {
            let next = world.run(async || socket.next().await);
            assert!(next.is_none(), "{next:?} after the end");
        }
        let sent = world.run(async || socket.send("x").await);
        assert!(
            matches!(sent, Err(Error::Send(SendError::Closing))),
            "{sent:?} after the end"
        );
        assert_eq!(socket.start_send("x"), Err(SendError::Closing));
        let flushed = world.run(async || socket.flush().await);
        assert!(
            matches!(flushed, Ok(()) | Err(Error::Send(SendError::Closing))),
            "{flushed:?} after the end"
        );
        assert!(
            world
                .run(async || socket.close(CloseCode::NORMAL, "").await)
                .is_ok()
        );
        self.lines.push(format!("{:?}", socket.close_reason()));
        self
    }
}

/// A server's or a client's end.
pub(crate) fn open(world: &World, side: Side) -> Socket {
    open_with(world, side, Config::default())
}

pub(crate) fn open_with(world: &World, side: Side, config: Config) -> Socket {
    let connection = Connection::new(side.role(), config, world.now());
    WebSocket::from_parts(Parts::new(world.transport(), connection, Vec::new()))
}

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;

/// A frame of a client.
pub(crate) fn client(first: u8, payload: impl Into<Vec<u8>>) -> Vec<u8> {
    Frame::m0(first, payload).bytes()
}

/// A frame of a server.
pub(crate) fn server(first: u8, payload: impl Into<Vec<u8>>) -> Vec<u8> {
    Frame::unmasked(first, payload).bytes()
}

/// A Close with code 1000 of a client.
pub(crate) fn close_of_client() -> Vec<u8> {
    client(CLOSE, [3, 232])
}

pub(crate) fn binary(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ (n >> 8)) as u8).collect()
}

pub(crate) fn text(len: usize) -> String {
    ('a'..='z').cycle().take(len).collect()
}

/// A message in one line.
pub(crate) fn show(message: &Message<'_>) -> String {
    let bytes = message.as_bytes();
    if bytes.len() <= 16 {
        return format!("{message:?}");
    }
    let sum = bytes.iter().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    format!("{:?} of {} bytes: {sum:x}", message.kind(), bytes.len())
}
