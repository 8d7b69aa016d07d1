//! Halves: who drives the socket, who is woken, and what ends.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bytes_of::large;
use sockeye::driver::{Error, Receiver, Sender};
use sockeye::websocket::{CloseCode, Config, Kind, Reason, SendError, Timer};
use sockeye_tests::alloc::measure;
use sockeye_tests::cuts::Random;
use sockeye_tests::trace::Side;
use sockeye_tests::transport::{Call, Fault, Gate, Transport, World};
use sockeye_tests::wire;

use crate::scenarios::{
    BINARY, CLOSE, PING, TEXT, binary, client, close_of_client, open, open_with, server,
};

/// Payloads with a number, so that their order can be told.
mod bytes_of {
    pub(super) fn large(n: usize) -> Vec<u8> {
        let mut bytes = vec![b'.'; 700];
        bytes[..4].copy_from_slice(format!("{n:04}").as_bytes());
        bytes
    }
}

type Halves = (Sender<Transport>, Receiver<Transport>);

fn halves(world: &World) -> Halves {
    open(world, Side::Server).split()
}

fn limited(world: &World, limit: usize) -> Halves {
    let mut config = Config::default();
    config.max_outgoing = limit;
    open_with(world, Side::Server, config).split()
}

fn poll<T>(world: &World, future: impl Future<Output = T>) -> Poll<T> {
    world.poll(pin!(future))
}

fn frames(world: &World) -> Vec<Vec<u8>> {
    let frames = wire::frames(&world.received());
    frames.into_iter().map(|frame| frame.payload).collect()
}

type Tasks<'t> = Vec<Pin<Box<dyn Future<Output = ()> + 't>>>;

/// A receiver that echoes, and senders of their own pace, under any delays: all
/// arrives, each sender's in its order.
#[test]
fn t12_halves_in_many_tasks_lose_and_delay_nothing() {
    for seed in 0..60 {
        let world = World::new();
        let (sender, mut receiver) = limited(&world, 2000);
        let mut random = Random::new(seed);
        if seed > 0 {
            world.plan(move |_, _| match random.below(4) {
                0 => Fault::Pending,
                1 => Fault::Half,
                _ => Fault::None,
            });
        }
        world.bound(500, 1000);
        for n in 0..20 {
            world.input(&client(BINARY, large(n)));
        }
        let received = RefCell::new(0);
        let echo = sender.clone();
        let mut tasks: Tasks<'_> = Vec::new();
        for id in 1..4 {
            let sender = sender.clone();
            tasks.push(Box::pin(async move {
                for n in 0..20 {
                    sender.send(large(id * 1000 + n)).await.unwrap();
                    assert!(sender.buffered_amount() < 2 * 2000 + 704);
                }
                sender.flush().await.unwrap();
            }));
        }
        tasks.push(Box::pin(async {
            while *received.borrow() < 20 {
                let message = receiver.next().await.unwrap().unwrap();
                *received.borrow_mut() += 1;
                echo.send(message).await.unwrap();
            }
            echo.flush().await.unwrap();
        }));
        world.run_all(tasks);
        let mut next = [0; 4];
        for payload in frames(&world) {
            let n: usize = std::str::from_utf8(&payload[..4]).unwrap().parse().unwrap();
            assert_eq!(n % 1000, next[n / 1000], "seed {seed}");
            next[n / 1000] += 1;
        }
        assert_eq!(next, [20; 4], "seed {seed}");
    }
}

/// The same where the senders are used in the receiver's handler.
#[test]
fn t12_a_sender_in_a_handler_queues_behind_the_replies() {
    for seed in 0..30 {
        let world = World::new();
        let (sender, mut receiver) = limited(&world, 2000);
        let mut random = Random::new(seed);
        world.plan(move |_, _| match random.below(3) {
            0 if seed > 0 => Fault::Pending,
            _ => Fault::None,
        });
        world.bound(500, 1000);
        for n in 0..20 {
            world.input(&client(BINARY, large(n)));
        }
        world.input(&close_of_client());
        world.eof();
        let mut sent = Vec::new();
        let mut echoed = 0;
        let done = world.run(async || {
            let each = receiver.for_each(|connection, message| {
                echoed += 1;
                if sender.try_send(b"sent".repeat(200)).is_ok() {
                    sent.push(echoed);
                }
                connection.send(message).unwrap();
            });
            each.await
        });
        assert!(done.is_ok());
        assert_eq!(echoed, 20);
        assert!(!sent.is_empty());
    }
}

/// What finds no room behind the replies of a handler goes out when these are
/// written, without another event.
#[test]
fn t12_what_waits_for_room_goes_on_when_there_is_some() {
    let world = World::new();
    let (sender, mut receiver) = limited(&world, 1000);
    world.input(&client(TEXT, "x"));
    let each = receiver.for_each(|connection, _| {
        sender.try_send("sent").unwrap();
        connection.send(binary(1000)).unwrap();
    });
    assert!(poll(&world, each).is_pending());
    assert_eq!(frames(&world), [binary(1000), b"sent".to_vec()]);
    assert_eq!(sender.buffered_amount(), 0);
}

#[test]
fn a_ping_too_many_harms_nothing() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    world.bound(0, 0);
    assert_eq!(sender.ping(b"one"), Ok(()));
    assert_eq!(sender.ping(b"two"), Err(SendError::Full));
    world.input(&client(TEXT, "x"));
    let each = receiver.for_each(|_, _| {
        assert_eq!(sender.ping(b"three"), Err(SendError::Full));
    });
    assert!(poll(&world, each).is_pending());
    assert_eq!(sender.try_send("sent"), Ok(()));
    world.bound(usize::MAX, 0);
    world.run(async || sender.flush().await).unwrap();
    assert_eq!(frames(&world), [b"one".to_vec(), b"sent".to_vec()]);
    assert_eq!(sender.ping(b"four"), Ok(()));

    // One that was queued before the connection got another.
    world.input(&client(TEXT, "x"));
    world.bound(0, 0);
    let each = receiver.for_each(|connection, _| {
        assert_eq!(sender.ping(b"five"), Ok(()));
        assert_eq!(connection.ping(b"six"), Ok(()));
    });
    assert!(poll(&world, each).is_pending());
    assert_eq!(sender.try_send("more"), Ok(()));
    world.bound(usize::MAX, 0);
    world.run(async || sender.flush().await).unwrap();
    assert_eq!(frames(&world)[3..], [b"six".to_vec(), b"more".to_vec()]);
}

#[test]
fn a_message_in_parts_comes_between_nothing() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    world.input(&[client(TEXT, "begin"), client(TEXT, "go on")].concat());
    world.input_at(Gate::Received(6), &client(TEXT, "end"));
    let mut events = 0;
    let each = receiver.for_each(|connection, message| {
        events += 1;
        match message.as_bytes() {
            b"begin" => {
                // Queued before anybody saw that a message had begun.
                assert_eq!(sender.try_send("whole"), Ok(()));
                connection.start(Kind::Text).unwrap();
                connection.part(b"a", false).unwrap();
            }
            b"go on" => connection.part(b"b", false).unwrap(),
            _ => connection.part(b"c", true).unwrap(),
        }
    });
    assert!(poll(&world, each).is_pending());
    assert_eq!(events, 3);
    let sent: Vec<Vec<u8>> = ["a", "b", "c", "whole"].map(|s| s.into()).into();
    assert_eq!(frames(&world), sent);
    assert_eq!(sender.try_send("after"), Ok(()));
}

#[test]
fn a_message_in_parts_before_the_split_keeps_messages_back_alone() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    socket.start(Kind::Text).unwrap();
    let (sender, receiver) = socket.split();
    assert_eq!(sender.try_send("x"), Err(SendError::Unfinished));
    let sent = world.run(async || sender.send("x").await);
    assert_eq!(sent, Err(SendError::Unfinished));
    assert!(!sender.is_closed());
    assert_eq!(sender.ping(b""), Ok(()));
    assert_eq!(sender.start_close(CloseCode::NORMAL, ""), Ok(()));
    assert!(sender.is_closed());
    drop(receiver);
}

/// A receiver may be busy with a message for long.
#[test]
fn a_sender_writes_at_once_whatever_the_receiver_has_at_hand() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    world.input(&[client(TEXT, "one"), client(TEXT, "two")].concat());
    let message = world.run(async || receiver.next().await);
    assert!(message.is_some());
    world.run(async || sender.send("x").await).unwrap();
    assert_eq!(world.received(), server(TEXT, "x"));
}

#[test]
fn t12_senders_hear_that_the_receiver_is_gone() {
    let world = World::new();
    let (sender, receiver) = halves(&world);
    let mut closed = pin!(sender.closed());
    assert!(world.poll(closed.as_mut()).is_pending());
    drop(receiver);
    assert!(world.is_dropped());
    assert_eq!(world.received(), server(CLOSE, [3, 233]));
    assert!(world.poll(closed.as_mut()).is_ready());
    assert!(sender.is_closed());
    let closing = Err(SendError::Closing);
    assert_eq!(sender.try_send("x"), closing);
    assert_eq!(world.run(async || sender.send("x").await), closing);
    assert_eq!(sender.ping(b""), closing);
    assert_eq!(world.run(async || sender.flush().await), Ok(()));
    assert_eq!(
        world.run(async || sender.close(CloseCode::NORMAL, "").await),
        Ok(())
    );
}

#[test]
fn t12_senders_that_wait_are_woken_when_the_receiver_goes() {
    let world = World::new();
    let (sender, receiver) = limited(&world, 100);
    world.bound(0, 0);
    sender.try_send(binary(100)).unwrap();
    assert_eq!(sender.try_send("x"), Err(SendError::Full));
    let (one, two, three) = (sender.clone(), sender.clone(), sender.clone());
    let mut receiver = Some(receiver);
    world.run_all(vec![
        Box::pin(async move { assert_eq!(one.send("x").await, Err(SendError::Closing)) }),
        Box::pin(async move { assert_eq!(two.flush().await, Err(SendError::Closing)) }),
        Box::pin(async move { three.closed().await }),
        Box::pin(async { drop(receiver.take()) }),
    ]);
    assert!(world.is_dropped());
}

#[test]
fn t12_a_receiver_goes_on_without_senders() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    sender.try_send("last").unwrap();
    drop(sender);
    world.input(&client(TEXT, "x"));
    world.input(&client(PING, "p"));
    world.input(&close_of_client());
    world.eof();
    assert!(world.run(async || receiver.next().await).is_some());
    assert!(world.run(async || receiver.next().await).is_none());
    assert_eq!(
        receiver.close_reason().map(|reason| reason.code()),
        Some(1000)
    );
    assert_eq!(receiver.sender().try_send("x"), Err(SendError::Closing));
}

/// The reading task stands still.
#[test]
fn t13_a_sender_alone_writes_but_does_not_read() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    world.bound(0, 1);
    // A pong that the transport did not take.
    world.input(&client(PING, "p"));
    assert!(poll(&world, receiver.next()).is_pending());
    let reads = world.count(Call::Read);
    world.input(&client(PING, "unseen"));
    assert_eq!(sender.ping(b"own"), Ok(()));
    world.run(async || sender.send("sent").await).unwrap();
    world.run(async || sender.flush().await).unwrap();
    assert_eq!(
        frames(&world),
        [b"p".to_vec(), b"own".to_vec(), b"sent".to_vec()]
    );
    assert_eq!(world.count(Call::Read), reads);
    assert_eq!(sender.start_close(CloseCode::NORMAL, ""), Ok(()));
    world.run(async || sender.flush().await).unwrap();
    assert_eq!(frames(&world).last(), Some(&vec![3, 232]));
}

#[test]
fn t13_a_close_without_a_receiver_has_a_deadline() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    world
        .run(async || sender.close(CloseCode::NORMAL, "").await)
        .unwrap();
    assert_eq!(
        world.now(),
        sockeye::Instant::ZERO.after(Config::default().close_timeout)
    );
    let end = world.run(async || receiver.next().await);
    let late = Reason::Timeout(Timer::Close);
    assert!(matches!(end, Some(Err(Error::Ended(reason))) if reason == late));
    assert!(world.run(async || receiver.next().await).is_none());
}

#[test]
fn t13_a_stalled_write_is_given_up_by_a_sender_alone() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    world.bound(0, 0);
    sender.try_send("x").unwrap();
    assert_eq!(
        world.run(async || sender.flush().await),
        Err(SendError::Closing)
    );
    let end = world.run(async || receiver.next().await);
    let stalled = Reason::Timeout(Timer::Stalled);
    assert!(matches!(end, Some(Err(Error::Ended(reason))) if reason == stalled));
}

#[test]
fn either_half_closes() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    world.input_at(Gate::Received(4), &client(TEXT, "late"));
    world.input_at(Gate::Received(4), &close_of_client());
    world.eof_at(Gate::ShutDown);
    let mut seen = Vec::new();
    let seen_by = &mut seen;
    world.run_all(vec![
        Box::pin(async move { sender.close(CloseCode::NORMAL, "").await.unwrap() }),
        Box::pin(async move {
            while let Some(message) = receiver.next().await {
                seen_by.push(message.unwrap().into_bytes().into_owned());
            }
        }),
    ]);
    assert_eq!(seen, [b"late"]);
    assert_eq!(world.received(), server(CLOSE, [3, 232]));

    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    world.input(&client(TEXT, "x"));
    world.input_at(Gate::Received(4), &close_of_client());
    world.eof_at(Gate::ShutDown);
    world.run_all(vec![
        Box::pin(async move { sender.closed().await }),
        Box::pin(async move {
            let each = receiver.for_each(|connection, _| {
                connection.close(CloseCode::NORMAL, "").unwrap();
            });
            each.await.unwrap();
        }),
    ]);
}

/// A sender that meets a failure wakes the receiver, which reports it once.
#[test]
fn t12_a_failure_that_a_sender_meets_is_reported_by_the_receiver() {
    for call in [Call::Write, Call::Flush] {
        let world = World::new();
        let (sender, mut receiver) = halves(&world);
        world.plan(move |_, made| match made == call {
            true => Fault::Error,
            false => Fault::None,
        });
        let other = sender.clone();
        world.run_all(vec![
            Box::pin(async move {
                let end = receiver.next().await;
                assert!(matches!(end, Some(Err(Error::Io("broken")))), "{end:?}");
                assert!(receiver.next().await.is_none());
            }),
            Box::pin(async move { other.closed().await }),
            Box::pin(async move {
                assert_eq!(sender.send("x").await, Err(SendError::Closing));
                assert_eq!(sender.send("x").await, Err(SendError::Closing));
            }),
        ]);
    }
}

#[test]
fn t12_who_waits_hears_of_a_handler_that_panics() {
    let world = World::new();
    let (sender, mut receiver) = limited(&world, 100);
    world.bound(0, 0);
    sender.try_send(binary(50)).unwrap();
    world.input(&client(TEXT, "x"));
    let mut flush = pin!(sender.flush());
    assert!(world.poll(flush.as_mut()).is_pending());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let each = receiver.for_each(|_, _| panic!("on purpose"));
        let _ = poll(&world, each);
    }));
    assert!(panicked.is_err());
    // The receiver is still there; the transport is not.
    assert!(world.is_dropped());
    assert_eq!(
        world.poll(flush.as_mut()),
        Poll::Ready(Err(SendError::Closing))
    );
    assert!(poll(&world, sender.closed()).is_ready());
    assert!(world.run(async || receiver.next().await).is_none());
}

#[test]
fn t12_a_task_that_waits_is_woken_by_a_handler_that_panics() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    let input = world.clone();
    world.run_all(vec![
        Box::pin(async move { sender.closed().await }),
        Box::pin(async {
            input.input(&client(TEXT, "x"));
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let each = receiver.for_each(|_, _| panic!("on purpose"));
                let _ = poll(&input, each);
            }));
            assert!(panicked.is_err());
        }),
    ]);
}

#[test]
fn t08_futures_of_senders_can_be_dropped() {
    let mut world = World::new();
    world.drops = true;
    let (sender, _receiver) = limited(&world, 1000);
    let mut random = Random::new(3);
    world.plan(move |_, _| match random.below(2) {
        0 => Fault::Pending,
        _ => Fault::Half,
    });
    world.bound(0, 300);
    for n in 0..20 {
        let sent = world.run(async || sender.send(large(n)).await);
        assert_eq!(sent, Ok(()));
    }
    world.run(async || sender.flush().await).unwrap();
    let expected: Vec<_> = (0..20).map(large).collect();
    assert_eq!(frames(&world), expected);
}

#[test]
fn futures_that_were_dropped_leave_nothing() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    assert!(poll(&world, receiver.next()).is_pending());
    assert!(poll(&world, sender.closed()).is_pending());
    world.forget_calls();
    let ((), usage) = measure(|| {
        for _ in 0..1000 {
            assert!(poll(&world, sender.closed()).is_pending());
        }
    });
    assert!(usage.held < 1000, "{usage:?}");
}

#[test]
fn t10_the_latest_waker_of_each_half_is_woken() {
    let world = World::new();
    let (sender, mut receiver) = halves(&world);
    let mut closed = pin!(sender.closed());
    // Polled in vain with others before.
    let mut cx = Context::from_waker(Waker::noop());
    assert!(closed.as_mut().poll(&mut cx).is_pending());
    assert!(receiver.poll_next(&mut cx).is_pending());
    world.input(&close_of_client());
    world.eof();
    let mut ends = VecDeque::new();
    let end = &mut ends;
    world.run_all(vec![
        Box::pin(closed),
        Box::pin(async move { end.push_back(receiver.next().await.is_none()) }),
    ]);
    assert_eq!(ends, [true]);
}

/// Tasks of their own threads, on a transport in memory.
#[test]
fn t12_halves_on_threads() {
    let world = World::new();
    let (sender, mut receiver) = limited(&world, 5000);
    for n in 0..200 {
        world.input(&client(BINARY, large(n)));
    }
    std::thread::scope(|scope| {
        for id in 1..4 {
            let sender = &sender;
            scope.spawn(move || {
                for n in 0..200 {
                    block_on(sender.send(large(id * 1000 + n))).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..200 {
                let message = block_on(receiver.next()).unwrap().unwrap();
                block_on(sender.send(&message)).unwrap();
            }
        });
    });
    block_on(sender.flush()).unwrap();
    let mut next = [0; 4];
    for payload in frames(&world) {
        let n: usize = std::str::from_utf8(&payload[..4]).unwrap().parse().unwrap();
        assert_eq!(n % 1000, next[n / 1000]);
        next[n / 1000] += 1;
    }
    assert_eq!(next, [200; 4]);
}

/// Runs a future on this thread, which sleeps until it is woken.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
