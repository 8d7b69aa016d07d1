//! What is allocated, and what is held: nothing for a message that is borrowed
//! or small, nothing for a length that is only announced, and nothing for a
//! connection that is idle.

use std::mem::size_of;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use sockeye::driver::{Error, Io, WebSocket};
use sockeye::websocket::{
    Config, Connection, Event, Expect, Header, Kind, MaskSource, Message, OutputBuffer, Receive,
    Role, SLICES,
};
use sockeye::{Instant, Progress};
use sockeye_tests::alloc::{Counting, Usage, measure};
use sockeye_tests::trace::Side;
use sockeye_tests::wire::Frame;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Instant = Instant::ZERO;
const SIDES: [Side; 2] = [Side::Server, Side::Client];

/// Room for the control frames and the queue of segments.
const STORAGE: usize = 1024;

fn connection(side: Side, change: impl FnOnce(&mut Config)) -> Connection {
    let mut config = Config::default();
    change(&mut config);
    let role = match side {
        Side::Server => Role::Server,
        Side::Client => Role::Client(MaskSource::from_fn(|| Some([1, 2, 3, 4]))),
    };
    Connection::new(role, config, NOW)
}

/// A frame as the peer of `side` sends it.
fn frame(side: Side, first: u8, payload: &[u8]) -> Vec<u8> {
    let key = match side {
        Side::Server => Some([5, 6, 7, 8]),
        Side::Client => None,
    };
    let payload = payload.to_vec();
    Frame {
        first,
        key,
        payload,
    }
    .bytes()
}

/// Reads all of `input`, and gives every event to `handle`.
fn read(
    connection: &mut Connection,
    mut input: &mut [u8],
    mut handle: impl FnMut(&mut Connection, Event<'_>),
) {
    loop {
        let Progress { event, rest } = connection.handle_input(NOW, input);
        let Some(event) = event else { break };
        handle(connection, event);
        input = rest;
    }
}

/// Takes what there is to write, and keeps none of it.
fn drain(connection: &mut Connection) {
    while connection.has_output() {
        let mut slices = [&[][..]; SLICES];
        let count = connection.poll_transmit(&mut slices);
        let len = slices[..count].iter().map(|slice| slice.len()).sum();
        connection.advance_transmit(len);
    }
}

#[test]
fn a_borrowed_message_costs_nothing() {
    for side in SIDES {
        let payloads = [
            &b""[..],
            b"hello",
            &[b'x'; 125],
            &[b'x'; 126],
            &[b'x'; 65_536],
        ];
        let frames = payloads.map(|payload| [0x81, 0x82].map(|first| frame(side, first, payload)));
        let mut input = frames.concat().concat().repeat(10);
        let mut connection = connection(side, |_| {});
        let mut seen = 0;
        let ((), usage) = measure(|| {
            read(&mut connection, &mut input, |_, event| {
                assert!(matches!(event, Event::Message(_)), "{event:?}");
                seen += 1;
            });
        });
        assert_eq!((seen, usage), (100, Usage::default()));
    }
}

#[test]
fn a_chunk_costs_nothing_wherever_it_is_cut() {
    for side in SIDES {
        let mut connection = connection(side, |config| config.receive = Receive::Chunks);
        let fragments = [
            frame(side, 0x01, "caf\u{e9}".as_bytes()),
            frame(side, 0x00, &[b'x'; 5000]),
            frame(side, 0x80, b"end"),
        ];
        let mut input = fragments.concat().repeat(4);
        let mut bytes = 0;
        let ((), usage) = measure(|| {
            for piece in input.chunks_mut(3) {
                read(&mut connection, piece, |_, event| match event {
                    Event::Chunk(chunk) => bytes += chunk.bytes.len(),
                    event => panic!("{event:?}"),
                });
            }
        });
        assert_eq!((bytes, usage), (4 * 5008, Usage::default()));
    }
}

#[test]
fn control_frames_cost_nothing_after_the_first() {
    for side in SIDES {
        let mut connection = connection(side, |_| {});
        let ping = frame(side, 0x89, b"ping");
        read(&mut connection, &mut ping.clone(), |_, _| {});
        drain(&mut connection);
        let mut input = [ping, frame(side, 0x8a, b"pong")].concat().repeat(100);
        let ((), usage) = measure(|| {
            read(&mut connection, &mut input, |connection, _| {
                drain(connection)
            });
        });
        assert_eq!(usage, Usage::default());
    }
}

#[test]
fn a_small_message_that_is_sent_costs_nothing_after_the_first() {
    for (side, lends) in SIDES
        .into_iter()
        .flat_map(|side| [(side, false), (side, true)])
    {
        let mut connection = connection(side, |_| {});
        let mut buffer = Some(OutputBuffer::default());
        let long = "x".repeat(500);
        let mut send = |connection: &mut Connection| {
            if let (true, Some(buffer)) = (lends, buffer.take()) {
                connection.lend_output(buffer);
            }
            for payload in ["", "hello", &long] {
                connection.send(payload).expect("room");
                drain(connection);
            }
            connection.send(long.as_bytes()).expect("room");
            drain(connection);
            connection.start(Kind::Text).expect("room");
            connection.part(b"a", false).expect("room");
            connection.part(b"b", true).expect("room");
            connection.ping(b"ping").expect("room");
            drain(connection);
            buffer = connection.reclaim_output();
            assert_eq!(buffer.is_some(), lends);
        };
        send(&mut connection);
        let ((), usage) = measure(|| (0..100).for_each(|_| send(&mut connection)));
        assert_eq!(usage, Usage::default(), "{side:?} {lends}");
    }
}

#[test]
fn an_echo_costs_nothing_while_storage_is_lent() {
    for side in SIDES {
        let mut connection = connection(side, |_| {});
        let payload = [b'x'; 10_000];
        let mut buffer = OutputBuffer::default();
        let mut echo = |input: &mut [u8]| {
            connection.lend_output(std::mem::take(&mut buffer));
            read(&mut connection, input, |connection, event| match event {
                Event::Message(message) => connection.send(message).expect("room"),
                event => panic!("{event:?}"),
            });
            drain(&mut connection);
            buffer = connection.reclaim_output().expect("it comes back");
        };
        let input = frame(side, 0x82, &payload).repeat(6);
        echo(&mut input.clone());
        let mut again = input;
        let ((), usage) = measure(|| echo(&mut again));
        assert_eq!(usage, Usage::default());
    }
}

#[test]
fn f19_nothing_is_allocated_for_a_length_that_is_announced() {
    for (side, first) in SIDES
        .into_iter()
        .flat_map(|side| [(side, 0x81), (side, 0x82)])
    {
        for receive in [Receive::Messages, Receive::Chunks] {
            let most = 1 << 20;
            let mut connection = connection(side, |config| config.receive = receive);
            let whole = frame(side, first, &vec![b'x'; most]);
            let header = whole.len() - most;
            let ((), usage) = measure(|| {
                let mut header: [u8; 14] = std::array::from_fn(|n| whole[n]);
                let len = whole.len() - most;
                read(&mut connection, &mut header[..len], |_, event| {
                    panic!("{event:?}")
                });
            });
            assert_eq!(usage, Usage::default(), "{side:?} {receive:?}");
            // With some bytes there, for no more than twice as many.
            let mut some = [b'x'; 100];
            let ((), usage) = measure(|| read(&mut connection, &mut some, |_, _| {}));
            assert!(
                usage.peak <= 2 * (100 + 3),
                "{side:?} {receive:?} {usage:?}"
            );
            assert!(header <= 14);
        }
    }
}

#[test]
fn f18_a_length_beyond_the_limit_costs_the_room_for_the_close() {
    for side in SIDES {
        let mut connection = connection(side, |_| {});
        let mask = match side {
            Side::Server => 0x80,
            Side::Client => 0,
        };
        let mut header = [
            0x82,
            127 | mask,
            0x7f,
            255,
            255,
            255,
            255,
            255,
            255,
            255,
            0,
            0,
            0,
            0,
        ];
        let ((), usage) = measure(|| {
            read(&mut connection, &mut header, |_, event| {
                assert!(matches!(event, Event::Closed(_)));
            });
        });
        assert!(usage.allocations <= 1 && usage.peak <= STORAGE, "{usage:?}");
    }
}

/// A message that comes in pieces of `size` bytes, and what collecting it takes.
fn collected(side: Side, first: u8, len: usize, size: usize, direct: bool) -> Usage {
    let mut connection = connection(side, |_| {});
    let mut input = frame(side, first, &vec![b'x'; len]);
    let mut seen = 0;
    let ((), usage) = measure(|| {
        let mut input = &mut input[..];
        while !input.is_empty() {
            let (piece, rest) = input.split_at_mut(size.min(input.len()));
            input = rest;
            let mut piece = piece;
            while direct && !piece.is_empty() {
                let Some(space) = connection.input_space(1) else {
                    break;
                };
                let n = space.len().min(piece.len());
                let (head, tail) = piece.split_at_mut(n);
                space[..n].copy_from_slice(head);
                piece = tail;
                if let Some(event) = connection.input_filled(NOW, n) {
                    assert!(matches!(event, Event::Message(_)));
                    seen += 1;
                }
            }
            read(&mut connection, piece, |_, event| {
                assert!(matches!(event, Event::Message(_)));
                seen += 1;
            });
        }
    });
    assert_eq!(seen, 1);
    usage
}

#[test]
fn a_message_that_spans_reads_grows_by_doubling() {
    for (side, first) in SIDES
        .into_iter()
        .flat_map(|side| [(side, 0x81), (side, 0x82)])
    {
        for (len, size) in [(1000, 1), (20_000, 7), (1 << 18, 4096), (1 << 18, 65_536)] {
            for direct in [false, first == 0x82] {
                let usage = collected(side, first, len, size, direct);
                // From the first piece on each step doubles; small storage is
                // rounded up, and what a text's last code point may take is added.
                let steps = (len / size).ilog2() + 3;
                let case = format!("{side:?} {first:x} {len} {size} {direct} {usage:?}");
                assert!(usage.allocations <= steps as usize, "{case}");
                assert!(usage.bytes <= 4 * len + 64, "{case}");
                // Storage is never larger than the message.
                assert!(usage.peak <= len + 8, "{case}");
                assert_eq!(usage.held, 0, "{case}");
            }
        }
    }
}

#[test]
fn the_storage_of_a_message_given_back_serves_the_next() {
    for side in SIDES {
        let mut connection = connection(side, |_| {});
        // What follows each message, and whether it fits its storage without
        // leaving more than half of that unused.
        for (len, follows, fits) in [
            (50_000, 50_000, true),
            (50_000, 30_000, true),
            (30_000, 10_000, false),
        ] {
            let mut receive = |byte: u8, len: usize| {
                let mut input = frame(side, 0x82, &vec![byte; len]);
                let ((), usage) = measure(|| {
                    for piece in input.chunks_mut(7000) {
                        read(&mut connection, piece, |connection, event| match event {
                            Event::Message(message) => {
                                assert!(message.as_bytes().iter().all(|is| *is == byte));
                                assert_eq!(message.as_bytes().len(), len);
                                connection.reuse(message);
                            }
                            event => panic!("{event:?}"),
                        });
                    }
                });
                usage.allocations
            };
            receive(b'x', len);
            assert_eq!(receive(b'y', follows) == 0, fits, "{side:?} {follows}");
        }
        let ((), usage) = measure(|| drop(connection.take_spare()));
        assert!(usage.held < 0, "{usage:?}");
        assert_eq!(connection.take_spare().capacity(), 0);
    }
}

#[test]
fn m21_storage_is_given_back_with_the_message() {
    for side in SIDES {
        let mut connection = connection(side, |config| config.max_outgoing = 4 << 20);
        let input = frame(side, 0x82, &vec![b'x'; 1 << 20]);
        let ((), usage) = measure(|| {
            let mut input = input.clone();
            for piece in input.chunks_mut(10_000) {
                read(&mut connection, piece, |connection, event| match event {
                    Event::Message(message) => connection.send(message).expect("room"),
                    event => panic!("{event:?}"),
                });
            }
            drain(&mut connection);
        });
        let held = usize::try_from(usage.held).expect("nothing from before");
        assert!(held <= 4096, "{side:?} {usage:?}");
    }
}

#[test]
fn m21_storage_is_given_back_with_the_output() {
    // Small payloads are copied; of large ones the queue has an entry each.
    for (side, len) in SIDES
        .into_iter()
        .flat_map(|side| [(side, 1000), (side, 5000)])
    {
        let mut connection = connection(side, |_| {});
        let ((), usage) = measure(|| {
            for _ in 0..200 {
                connection.send(vec![b'x'; len]).expect("room");
            }
            drain(&mut connection);
        });
        assert!(usage.peak >= 200 * len, "{usage:?}");
        let held = usize::try_from(usage.held).expect("nothing from before");
        assert!(held <= 3072, "{side:?} {len} {usage:?}");
    }
}

#[test]
fn what_waits_moves_into_storage_of_its_size() {
    for side in SIDES {
        let mut connection = connection(side, |_| {});
        connection.lend_output(OutputBuffer::default());
        for _ in 0..100 {
            connection.send(vec![b'x'; 5000]).expect("room");
            connection.send(&[b'x'; 100]).expect("room");
        }
        drain(&mut connection);
        connection.send(vec![b'x'; 5000]).expect("room");
        connection.send("hello").expect("room");
        let (buffer, usage) = measure(|| connection.reclaim_output());
        assert!(usage.peak <= STORAGE + 64, "{side:?} {usage:?}");
        // The buffer is as good as before.
        drain(&mut connection);
        connection.lend_output(buffer.expect("it comes back"));
        let ((), usage) = measure(|| {
            for _ in 0..100 {
                connection.send(vec![b'x'; 5000]).expect("room");
                connection.send(&[b'x'; 100]).expect("room");
            }
        });
        assert_eq!(usage.allocations, 100, "the payloads: {side:?} {usage:?}");
    }
}

#[test]
fn m22_a_message_that_is_kept_keeps_nothing_else() {
    let mut connection = connection(Side::Server, |_| {});
    let mut input = frame(Side::Server, 0x82, b"x").repeat(10_000);
    let mut kept = Vec::with_capacity(10_000);
    let ((), usage) = measure(|| {
        read(&mut connection, &mut input, |_, event| match event {
            Event::Message(message) => kept.push(message.into_owned()),
            event => panic!("{event:?}"),
        });
    });
    assert_eq!(kept.len(), 10_000);
    assert_eq!((usage.allocations, usage.held), (10_000, 10_000));
}

#[test]
fn sizes_are_what_they_were() {
    // Stated so that growth is a decision; those of the core hold on 64 bits.
    assert!(
        size_of::<Connection>() <= 384,
        "{}",
        size_of::<Connection>()
    );
    assert!(size_of::<Event<'_>>() <= 40, "{}", size_of::<Event<'_>>());
    assert!(
        size_of::<Message<'_>>() <= 32,
        "{}",
        size_of::<Message<'_>>()
    );
    assert!(size_of::<Progress<'_, Event<'_>>>() <= 56);
    assert!(size_of::<Header>() <= 24, "{}", size_of::<Header>());
    assert!(size_of::<Expect>() <= 16, "{}", size_of::<Expect>());
    assert_eq!(size_of::<OutputBuffer>(), size_of::<usize>());
    assert_eq!(size_of::<WebSocket<Repeating>>(), size_of::<usize>());
}

#[test]
fn a_new_connection_holds_its_configuration_alone() {
    for side in SIDES {
        let config = std::sync::Arc::new(Config::default());
        let ((), usage) = measure(|| {
            let role = match side {
                Side::Server => Role::Server,
                Side::Client => Role::Client(MaskSource::from_fn(|| None)),
            };
            let connection = Connection::new(role, config.clone(), NOW);
            assert!(connection.is_open());
        });
        assert_eq!(usage, Usage::default());
    }
}

/// A transport that brings `each` so many times, a read at a time, and takes
/// everything that is written.
struct Repeating {
    each: Vec<u8>,
    times: usize,
    written: usize,
    writes: usize,
}

impl Repeating {
    fn new(each: Vec<u8>, times: usize) -> Self {
        Self {
            each,
            times,
            written: 0,
            writes: 0,
        }
    }
}

impl Io for Repeating {
    type Error = std::convert::Infallible;

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, Self::Error>> {
        let Some(times) = self.times.checked_sub(1) else {
            return Poll::Pending;
        };
        self.times = times;
        buf[..self.each.len()].copy_from_slice(&self.each);
        Poll::Ready(Ok(self.each.len()))
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bufs: &[&[u8]],
    ) -> Poll<Result<usize, Self::Error>> {
        let n = bufs.iter().map(|buf| buf.len()).sum();
        self.written += n;
        self.writes += 1;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn now(&self) -> Instant {
        NOW
    }

    fn poll_deadline(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

/// A WebSocket whose thread has its buffers already.
fn websocket(side: Side, input: Vec<u8>, times: usize) -> WebSocket<Repeating> {
    let mut first = WebSocket::new(
        Repeating::new(frame(side, 0x82, &[b'x'; 10_000]).repeat(2), 3),
        connection(side, |_| {}),
    );
    echo(&mut first);
    WebSocket::new(Repeating::new(input, times), connection(side, |_| {}))
}

/// The next message. A poll gives way to other tasks now and then.
#[allow(clippy::type_complexity, reason = "what a stream of results is")]
fn next(
    websocket: &mut WebSocket<Repeating>,
) -> Poll<Option<Result<Message<'static>, Error<std::convert::Infallible>>>> {
    let cx = &mut Context::from_waker(Waker::noop());
    match websocket.poll_next(cx) {
        Poll::Pending => websocket.poll_next(cx),
        next => next,
    }
}

/// Sends every message back, until nothing more comes.
fn echo(websocket: &mut WebSocket<Repeating>) {
    let cx = &mut Context::from_waker(Waker::noop());
    let mut written = usize::MAX;
    // A poll ends early to let other tasks have their turn.
    while written != websocket.get_ref().written {
        written = websocket.get_ref().written;
        let each = pin!(websocket.for_each(|connection, message| {
            connection.send(message).expect("room");
        }));
        assert!(each.poll(cx).is_pending());
    }
}

#[test]
fn for_each_echoes_without_an_allocation() {
    for side in SIDES {
        let input = [frame(side, 0x81, b"hello"), frame(side, 0x82, &[b'x'; 300])].concat();
        let mut websocket = websocket(side, input, 500);
        let ((), usage) = measure(|| echo(&mut websocket));
        assert!(websocket.get_ref().written > 500 * 305);
        assert_eq!(usage, Usage::default(), "{side:?}");
    }
}

#[test]
fn next_allocates_the_message_and_nothing_else() {
    for side in SIDES {
        let mut websocket = websocket(side, frame(side, 0x81, b"hello"), 1000);
        let ((), usage) = measure(|| {
            for _ in 0..1000 {
                match next(&mut websocket) {
                    Poll::Ready(Some(Ok(message))) => assert_eq!(message.as_bytes(), b"hello"),
                    other => panic!("{other:?}"),
                }
            }
        });
        assert_eq!(
            (usage.allocations, usage.held),
            (1000, 0),
            "{side:?} {usage:?}"
        );
    }
}

#[test]
fn what_one_read_brought_is_kept_once() {
    for side in SIDES {
        let input = frame(side, 0x81, b"hello").repeat(100);
        let len = input.len();
        let mut websocket = websocket(side, input, 1);
        let cx = &mut Context::from_waker(Waker::noop());
        let ((), usage) = measure(|| {
            for _ in 0..100 {
                let next = next(&mut websocket);
                assert!(matches!(next, Poll::Ready(Some(Ok(_)))), "{next:?}");
            }
            assert!(websocket.poll_next(cx).is_pending());
        });
        assert_eq!(
            (usage.allocations, usage.held),
            (101, 0),
            "{side:?} {usage:?}"
        );
        assert!(usage.peak <= len, "{side:?} {usage:?}");
    }
}

#[test]
fn an_idle_websocket_keeps_no_buffer() {
    for side in SIDES {
        let input = frame(side, 0x82, &[b'x'; 60_000]);
        // What the thread lends and what it keeps for that is there from then on.
        echo(&mut self::websocket(side, input.clone(), 1));
        let mut websocket = websocket(side, input, 20);
        let ((), usage) = measure(|| echo(&mut websocket));
        assert_eq!(usage, Usage::default(), "{side:?}");
        let ((), usage) = measure(|| drop(websocket));
        // The connection, its configuration, the transport and what it was given.
        let held = usize::try_from(-usage.held).expect("it is given back");
        assert!(held <= 1024 + 60_014, "{side:?} {usage:?}");
    }
}

/// Neither does one that only sends: what was written leaves no storage with it.
#[test]
fn m21_a_flush_leaves_no_storage_behind() {
    for side in SIDES {
        let mut websocket = websocket(side, Vec::new(), 0);
        let cx = &mut Context::from_waker(Waker::noop());
        websocket.start_send(vec![b'x'; 60_000]).expect("room");
        assert!(matches!(websocket.poll_flush(cx), Poll::Ready(Ok(()))));
        assert!(websocket.get_ref().written > 60_000);
        let ((), usage) = measure(|| drop(websocket));
        // The connection, its configuration and the transport.
        assert!(usage.held >= -4096, "{side:?} {usage:?}");
    }
}

#[test]
fn a_send_through_the_driver_costs_nothing() {
    for side in SIDES {
        let mut websocket = websocket(side, Vec::new(), 0);
        let cx = &mut Context::from_waker(Waker::noop());
        let mut send = || {
            let sent = pin!(websocket.send("hello"));
            assert!(matches!(sent.poll(cx), Poll::Ready(Ok(()))));
        };
        send();
        let ((), usage) = measure(|| (0..100).for_each(|_| send()));
        assert_eq!(usage, Usage::default(), "{side:?}");
        assert_eq!(websocket.get_ref().writes, 101, "each is written at once");
    }
}
