//! When the driver writes, reads, waits and gives way.

use core::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use sockeye::driver::{Error, Parts, WebSocket};
use sockeye::websocket::{CloseCode, Config, Event, Reason, Receive, SendError, Violation};
use sockeye_tests::alloc::{Counting, measure};
use sockeye_tests::trace::Side;
use sockeye_tests::transport::{Call, Fault, Gate, World};
use sockeye_tests::wire::{self, Frame};

use crate::scenarios::{
    BINARY, CLOSE, PING, Socket, TEXT, binary, client, close_of_client, open, open_with, server,
    text,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Polls once with a waker that is never heard of again.
fn poll<T>(world: &World, future: impl Future<Output = T>) -> Poll<T> {
    world.poll(pin!(future))
}

fn next(world: &World, socket: &mut Socket) -> String {
    let message = world.run(async || socket.next().await);
    format!(
        "{:?}",
        message.expect("a message").expect("no error").as_bytes()
    )
}

fn numbered(range: Range<usize>) -> Vec<u8> {
    range.flat_map(|n| client(TEXT, n.to_string())).collect()
}

#[test]
fn replies_are_written_when_the_input_at_hand_is_used_up() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.input(&numbered(0..10));
    for n in 0..10 {
        assert_eq!(world.count(Call::Write), 0, "before message {n}");
        next(&world, &mut socket);
        world.run(async || socket.send("x").await).unwrap();
    }
    // With the last message no input was left.
    assert_eq!(world.count(Call::Write), 1);
    assert_eq!(wire::frames(&world.received()).len(), 10);
}

#[test]
fn replies_of_a_handler_go_out_in_one_write_for_each_read() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.input(&numbered(0..10));
    world.input(&numbered(10..20));
    let each = socket.for_each(|connection, message| {
        connection.send(message).unwrap();
    });
    assert!(poll(&world, each).is_pending());
    assert_eq!(world.count(Call::Write), 2);
    assert_eq!(wire::frames(&world.received()).len(), 20);
}

#[test]
fn replies_are_written_when_sixteen_kibibytes_wait() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.input(&numbered(0..10));
    let reply = binary(6 * 1024);
    let mut written = Vec::new();
    let each = socket.for_each(|connection, _| {
        written.push(world.count(Call::Write));
        connection.send(&reply[..]).unwrap();
    });
    assert!(poll(&world, each).is_pending());
    assert_eq!(written, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
}

#[test]
fn a_message_is_sent_at_once_where_no_input_is_at_hand() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    assert!(matches!(
        poll(&world, socket.send("x")),
        Poll::Ready(Ok(()))
    ));
    assert_eq!(world.received(), server(TEXT, "x"));
}

#[test]
fn a_flush_writes_what_is_corked() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.input(&numbered(0..2));
    next(&world, &mut socket);
    world.run(async || socket.send("x").await).unwrap();
    assert!(world.received().is_empty());
    world.run(async || socket.flush().await).unwrap();
    assert_eq!(world.received(), server(TEXT, "x"));
}

#[test]
fn ten_pings_in_one_read_get_ten_pongs() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    let pings: Vec<u8> = (0..10).flat_map(|n| client(PING, [n])).collect();
    world.input(&pings);
    assert!(poll(&world, socket.next()).is_pending());
    let pongs: Vec<u8> = (0..10).flat_map(|n| server(0x8a, [n])).collect();
    assert_eq!(world.received(), pongs);
}

#[test]
fn of_many_pings_the_last_is_answered_by_a_transport_that_takes_nothing() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.bound(0, usize::MAX);
    let pings: Vec<u8> = (0..10).flat_map(|n| client(PING, [n])).collect();
    world.input(&pings);
    assert!(poll(&world, socket.next()).is_pending());
    assert!(world.advance());
    assert!(poll(&world, socket.next()).is_pending());
    assert_eq!(world.received(), server(0x8a, [9]));
}

#[test]
fn reading_goes_on_while_a_write_is_not_taken() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.bound(0, 0);
    socket.start_send(binary(1000)).unwrap();
    for n in 0..3 {
        world.input(&client(TEXT, n.to_string()));
        assert_eq!(
            next(&world, &mut socket),
            format!("{:?}", n.to_string().as_bytes())
        );
    }
    assert!(poll(&world, socket.next()).is_pending());
    world.bound(usize::MAX, 0);
    assert!(poll(&world, socket.next()).is_pending());
    assert_eq!(world.received(), server(BINARY, binary(1000)));
}

/// Over the limit, input is left alone; and handed out as soon as there is
/// room, though the transport does not take all.
#[test]
fn input_is_left_alone_for_want_of_room_and_no_longer() {
    let world = World::new();
    let mut config = Config::default();
    config.max_outgoing = 1000;
    let mut socket = open_with(&world, Side::Server, config);
    world.bound(0, 0);
    world.input(&numbered(0..5));
    let mut seen = 0;
    for room in [0, 300, 600, usize::MAX] {
        world.bound(room, 0);
        let each = socket.for_each(|connection, _| {
            seen += 1;
            connection.send(binary(600)).unwrap();
        });
        assert!(poll(&world, each).is_pending());
    }
    assert_eq!(seen, 5);
    assert_eq!(wire::frames(&world.received()).len(), 5);
}

#[test]
fn room_that_a_write_makes_is_used_at_once() {
    let world = World::new();
    let mut config = Config::default();
    config.max_outgoing = 1000;
    let mut socket = open_with(&world, Side::Server, config);
    // A reply of 1004 bytes; 300 of them are taken.
    world.bound(300, 0);
    world.input(&numbered(0..2));
    let mut seen = 0;
    let each = socket.for_each(|connection, _| {
        seen += 1;
        connection.send(binary(1000)).unwrap();
    });
    assert!(poll(&world, each).is_pending());
    assert_eq!(seen, 2);
}

#[test]
fn a_limit_of_nothing_lets_one_message_wait() {
    let world = World::new();
    let mut config = Config::default();
    config.max_outgoing = 0;
    let mut socket = open_with(&world, Side::Server, config);
    world.input(&numbered(0..3));
    let each = socket.for_each(|connection, message| {
        connection.send(message).unwrap();
        assert_eq!(connection.send("x"), Err(SendError::Full));
    });
    assert!(poll(&world, each).is_pending());
    assert_eq!(wire::frames(&world.received()).len(), 3);
    world.run(async || socket.send("x").await).unwrap();
}

#[test]
fn text_broken_behind_its_last_chunk_is_reported_when_there_is_room() {
    let world = World::new();
    let mut config = Config::default();
    config.receive = Receive::Chunks;
    config.max_outgoing = 100;
    let mut socket = open_with(&world, Side::Server, config);
    world.bound(10, 0);
    world.input(&client(TEXT, b"ok\xff"));
    let mut seen = Vec::new();
    let each = socket.for_each_event(|connection, event| {
        if let Event::Chunk(chunk) = event {
            seen.extend_from_slice(&chunk.bytes);
            connection.send(binary(100)).unwrap();
        }
    });
    assert!(poll(&world, each).is_pending());
    assert_eq!(seen, b"ok");
    world.eof_at(Gate::ShutDown);
    let end = poll(&world, socket.next());
    assert!(end.is_pending(), "10 bytes were taken: {end:?}");
    world.bound(usize::MAX, 0);
    let end = world.run(async || socket.next().await);
    let violation = Reason::Violation(Violation::InvalidUtf8);
    assert!(matches!(end, Some(Err(Error::Ended(reason))) if reason == violation));
}

#[test]
fn a_sender_waits_for_room_and_does_not_read() {
    let world = World::new();
    let mut config = Config::default();
    config.max_outgoing = 1000;
    let mut socket = open_with(&world, Side::Server, config);
    world.bound(0, 500);
    world.input(&client(TEXT, "unread"));
    for n in 0..10 {
        let payload = binary(900 + n);
        world.run(async || socket.send(&payload[..]).await).unwrap();
        assert!(socket.buffered_amount() < 2000);
    }
    assert_eq!(world.count(Call::Read), 0);
    world.run(async || socket.flush().await).unwrap();
    let frames = wire::frames(&world.received());
    let sizes: Vec<usize> = frames.iter().map(|f| f.payload.len()).collect();
    assert_eq!(sizes, (900..910).collect::<Vec<_>>());
}

#[test]
fn output_is_flushed_before_it_is_shut_down() {
    for step in 0..8 {
        let world = World::new();
        let mut socket = open(&world, Side::Server);
        world.input(&close_of_client());
        world.eof_at(Gate::ShutDown);
        world.plan(move |n, call| match call {
            Call::Flush | Call::Shutdown if n < step => Fault::Pending,
            _ => Fault::None,
        });
        assert!(world.run(async || socket.next().await).is_none());
        assert_eq!(world.received(), server(CLOSE, [3, 232]));
        assert!(world.is_shut_down());
    }
}

#[test]
fn input_is_discarded_while_the_output_is_shut_down() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    let mut waits = 3;
    world.plan(move |_, call| match call {
        Call::Shutdown if waits > 0 => {
            waits -= 1;
            Fault::Pending
        }
        _ => Fault::None,
    });
    world.input(&close_of_client());
    world.input(&client(TEXT, "x"));
    assert!(poll(&world, socket.next()).is_pending());
    assert_eq!(world.count(Call::Read), 3);
    world.eof();
    assert!(world.run(async || socket.next().await).is_none());
}

#[test]
fn after_a_failure_nothing_is_accepted_and_nothing_called() {
    for call in [Call::Read, Call::Write, Call::Flush] {
        let world = World::new();
        let mut socket = open(&world, Side::Server);
        world.plan(move |_, made| match made == call {
            true => Fault::Error,
            false => Fault::None,
        });
        let _ = world.run(async || socket.send("x").await);
        let _ = world.try_run(async || socket.next().await);
        let calls = world.calls().len();
        assert!(!socket.connection().is_open());
        assert_eq!(socket.start_send("x"), Err(SendError::Closing));
        assert!(world.run(async || socket.next().await).is_none());
        let sent = world.run(async || socket.send("x").await);
        assert!(matches!(sent, Err(Error::Send(SendError::Closing))));
        let ping = world.run(async || socket.ping(b"").await);
        assert!(matches!(ping, Err(Error::Send(SendError::Closing))));
        assert_eq!(world.calls().len(), calls, "{call:?}");
    }
}

#[test]
fn a_flush_that_cannot_be_done_is_an_error() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.bound(0, 0);
    socket.start_send("x").unwrap();
    let flushed = world.run(async || socket.flush().await);
    assert!(
        matches!(flushed, Err(Error::Send(SendError::Closing))),
        "{flushed:?}"
    );
    let end = world.run(async || socket.next().await);
    assert!(
        matches!(end, Some(Err(Error::Ended(Reason::Timeout(_))))),
        "{end:?}"
    );
    assert!(world.run(async || socket.next().await).is_none());
}

#[test]
fn taken_apart_and_put_together_no_byte_is_lost() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    let input = [numbered(0..3), client(BINARY, binary(300))].concat();
    world.input(&input[..input.len() - 100]);
    next(&world, &mut socket);
    world.run(async || socket.send("corked").await).unwrap();
    for n in 1..3 {
        let parts = socket.into_parts();
        assert!(!parts.unread.is_empty());
        socket = WebSocket::from_parts(Parts::new(parts.io, parts.connection, parts.unread));
        assert_eq!(
            next(&world, &mut socket),
            format!("{:?}", n.to_string().as_bytes())
        );
    }
    assert!(poll(&world, socket.next()).is_pending());
    let parts = socket.into_parts();
    assert!(parts.unread.is_empty());
    socket = WebSocket::from_parts(parts);
    world.input(&input[input.len() - 100..]);
    assert_eq!(next(&world, &mut socket), format!("{:?}", binary(300)));
    assert_eq!(world.received(), server(TEXT, "corked"));
}

/// A reader of a large message is not offered the crumbs that a short read left.
#[test]
fn direct_reads_have_room_for_many_bytes() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.plan(|_, call| match call {
        Call::Read => Fault::Half,
        _ => Fault::None,
    });
    world.input(&client(BINARY, binary(600_000)));
    let read = world.run(async || socket.next().await).unwrap().unwrap();
    assert_eq!(read.as_bytes(), binary(600_000));
    assert!(world.count(Call::Read) < 40, "{}", world.count(Call::Read));
}

#[test]
fn a_handler_that_panics_ends_the_connection() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.input(&numbered(0..4));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let each = socket.for_each(|_, message| {
            assert_ne!(message.as_bytes(), b"1", "on purpose");
        });
        let _ = poll(&world, each);
    }));
    assert!(panicked.is_err());
    // What followed in the same read is lost, so nothing more is handed out.
    assert!(world.run(async || socket.next().await).is_none());
    let sent = world.run(async || socket.send("x").await);
    assert!(matches!(sent, Err(Error::Send(SendError::Closing))));
}

#[test]
fn a_close_in_a_handler_goes_out_behind_what_is_queued() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.input(&numbered(0..3));
    world.input_at(Gate::Received(7), &close_of_client());
    world.eof_at(Gate::ShutDown);
    let done = world.run(async || {
        let each = socket.for_each(|connection, message| {
            let _ = connection.send(message);
            connection.close(CloseCode::NORMAL, "").unwrap();
        });
        each.await
    });
    assert!(done.is_ok());
    let expected = [server(TEXT, "0"), server(CLOSE, [3, 232])].concat();
    assert_eq!(world.received(), expected);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn t10_the_latest_waker_is_woken() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    let wakers = [Arc::new(Count::default()), Arc::new(Count::default())];
    for count in &wakers {
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(socket.poll_next(&mut cx).is_pending());
    }
    world.input(&close_of_client());
    world.eof();
    assert_eq!((wakers[0].get(), wakers[1].get()), (0, 1));
    for _ in 0..3 {
        assert!(world.run(async || socket.next().await).is_none());
    }
}

#[test]
fn t11_spurious_wakeups_bring_nothing() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(socket.poll_next(&mut cx).is_pending());
    let calls = world.calls().len();
    let reads = world.clock_reads();
    world.forget_calls();
    let (events, usage) = measure(|| {
        let polls = (0..1_000_000).map(|_| socket.poll_next(&mut cx));
        polls.filter(Poll::is_ready).count()
    });
    assert_eq!(events, 0);
    assert_eq!(usage.allocations, 0);
    assert_eq!(world.clock_reads() - reads, 1_000_000, "one for each poll");
    // A read and a deadline.
    assert_eq!(calls, 2);
}

/// One connection whose input never ends gives way to others.
#[test]
fn t21_endless_input_leaves_a_turn_to_others() {
    // By messages of their own, and by bytes that make no message.
    let small = numbered(0..64);
    let large = client(BINARY, binary(1 << 20));
    for (input, times, most) in [(small, 40, 64), (large, 10, 1)] {
        let world = World::new();
        let mut socket = open(&world, Side::Server);
        for _ in 0..times {
            world.input(&input);
        }
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let (mut seen, mut turns) = (0, 0);
        loop {
            let (mut events, left) = (0, world.unread());
            let each = Box::pin(socket.for_each(|_, _| events += 1));
            assert!({ each }.as_mut().poll(&mut cx).is_pending());
            seen += events;
            if seen == times * most && world.unread() == 0 {
                break;
            }
            turns += 1;
            assert_eq!(count.get(), turns, "others had their turn, and then?");
            assert!(events <= 128, "{events} messages");
            let bytes = left - world.unread();
            assert!(bytes <= 1 << 20, "{bytes} bytes at once");
        }
        assert!(turns >= 39, "{turns}");
    }
}

#[test]
fn t21_messages_received_one_by_one_leave_a_turn_to_others_too() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    for _ in 0..10 {
        world.input(&numbered(0..100));
    }
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let (mut messages, mut turns) = (0, 0);
    while messages < 1000 {
        match socket.poll_next(&mut cx) {
            Poll::Ready(next) => {
                messages += usize::from(next.unwrap().is_ok());
            }
            Poll::Pending => {
                turns += 1;
                assert_eq!(count.get(), turns);
            }
        }
    }
    assert!((15..20).contains(&turns), "{turns}");
}

#[test]
fn t21_input_after_the_end_is_discarded_in_turns() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.input(&close_of_client());
    for _ in 0..100 {
        world.input(&binary(65_536));
    }
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    for turn in 1..50 {
        assert!(socket.poll_next(&mut cx).is_pending());
        assert_eq!(count.get(), turn);
    }
}

#[test]
fn the_rest_of_a_message_in_chunks_is_skipped_by_next() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    let frames = [Frame::m0(0x01, "part").bytes(), client(0x80, "rest")];
    world.input(&[frames.concat(), client(TEXT, "next")].concat());
    let chunk = world.run(async || socket.next_chunk().await);
    assert_eq!(chunk.unwrap().unwrap().bytes, &b"part"[..]);
    assert_eq!(next(&world, &mut socket), format!("{:?}", b"next"));
}

#[test]
fn a_message_that_was_being_collected_comes_as_one_chunk() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    let message = client(TEXT, text(100));
    world.input(&message[..50]);
    assert!(poll(&world, socket.next()).is_pending());
    world.input(&message[50..]);
    let chunk = world
        .run(async || socket.next_chunk().await)
        .unwrap()
        .unwrap();
    assert!(chunk.first && chunk.last);
    assert_eq!(chunk.bytes, text(100).as_bytes());
}

#[test]
fn a_message_of_shared_bytes_is_queued_once() {
    let world = World::new();
    let mut config = Config::default();
    config.max_outgoing = 10;
    let mut socket = open_with(&world, Side::Server, config);
    world.bound(0, 3);
    let payload = || binary(100).into();
    for _ in 0..3 {
        // Dropped once where it has to wait.
        if poll(&world, socket.send_bytes(payload())).is_pending() {
            let sent = world.run(async || socket.send_bytes(payload()).await);
            assert!(sent.is_ok());
        }
    }
    world.run(async || socket.flush().await).unwrap();
    assert_eq!(wire::frames(&world.received()).len(), 3);
}
