//! The halves under a model checker, which tries the orders in which their
//! threads can lock what they share. A waker that is lost, or a lock that is
//! never let go, leaves a thread that waits for ever: the checker reports it.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p sockeye --lib split::model
//! ```

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};
use core::task::{Context, Poll, Waker};
use std::sync::{LockResult, TryLockError, TryLockResult};

use loom::future::block_on;
use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::lock;
use crate::Instant;
use crate::driver::{Io, Receiver, Sender, WebSocket};
use crate::websocket::{Config, Connection, Role, SendError};

/// A transport whose peer is a thread of the model.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    input: VecDeque<u8>,
    is_ended: bool,
    output: Vec<u8>,
    room: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    fn with_room(room: usize) -> Self {
        let wire = Self::default();
        lock(&wire.0).room = room;
        wire
    }

    fn halves(&self, max_outgoing: usize) -> (Sender<Self>, Receiver<Self>) {
        let mut config = Config::default();
        config.max_outgoing = max_outgoing;
        // There is one timer only, and here it would never fire.
        config.keepalive = None;
        config.stall_timeout = None;
        let connection = Connection::new(Role::Server, config, Instant::ZERO);
        WebSocket::new(self.clone(), connection).split()
    }

    /// The peer sends.
    fn input(&self, bytes: &[u8]) {
        let mut state = lock(&self.0);
        state.input.extend(bytes);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// The peer sends no more.
    fn end(&self) {
        lock(&self.0).is_ended = true;
        self.input(&[]);
    }

    /// The peer reads.
    fn make_room(&self) {
        let mut state = lock(&self.0);
        state.room = usize::MAX;
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
    }

    fn output(&self) -> Vec<u8> {
        lock(&self.0).output.clone()
    }
}

impl Io for Wire {
    type Error = &'static str;

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, Self::Error>> {
        let mut state = lock(&self.0);
        if state.input.is_empty() && !state.is_ended {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = buf.len().min(state.input.len());
        for (slot, byte) in buf.iter_mut().zip(state.input.drain(..n)) {
            *slot = byte;
        }
        Poll::Ready(Ok(n))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[&[u8]],
    ) -> Poll<Result<usize, Self::Error>> {
        let mut state = lock(&self.0);
        if state.room == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes = bufs.concat();
        let n = bytes.len().min(state.room);
        state.room -= n;
        state.output.extend(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn poll_deadline(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

/// A mutex that can be tried. The checker's own treats a thread that only tries
/// as one that waits.
#[derive(Debug)]
pub(super) struct TryMutex<T> {
    is_held: Mutex<bool>,
    freed: Condvar,
    value: std::sync::Mutex<T>,
}

pub(super) struct TryGuard<'m, T> {
    mutex: &'m TryMutex<T>,
    value: Option<std::sync::MutexGuard<'m, T>>,
}

impl<T> TryMutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            is_held: Mutex::new(false),
            freed: Condvar::new(),
            value: std::sync::Mutex::new(value),
        }
    }

    pub(super) fn lock(&self) -> LockResult<TryGuard<'_, T>> {
        let mut is_held = lock(&self.is_held);
        while *is_held {
            is_held = self.freed.wait(is_held).unwrap();
        }
        *is_held = true;
        drop(is_held);
        Ok(self.guard())
    }

    pub(super) fn try_lock(&self) -> TryLockResult<TryGuard<'_, T>> {
        if core::mem::replace(&mut *lock(&self.is_held), true) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.guard())
    }

    fn guard(&self) -> TryGuard<'_, T> {
        TryGuard {
            mutex: self,
            value: Some(self.value.lock().unwrap()),
        }
    }
}

impl<T> Deref for TryGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().unwrap()
    }
}

impl<T> DerefMut for TryGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().unwrap()
    }
}

impl<T> Drop for TryGuard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        *lock(&self.mutex.is_held) = false;
        self.mutex.freed.notify_one();
    }
}

/// Tries all orders with at most so many switches that nothing asked for.
fn model(switches: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(run);
}

#[test]
fn t12_a_sender_and_a_receiver_share_the_socket() {
    model(3, || {
        let wire = Wire::with_room(usize::MAX);
        let (sender, mut receiver) = wire.halves(1000);
        let receiving = thread::spawn(move || {
            let message = block_on(receiver.next());
            assert!(matches!(message, Some(Ok(_))));
            receiver
        });
        let peer = wire.clone();
        let sending = thread::spawn(move || block_on(sender.send("x")));
        peer.input(b"\x81\x81\0\0\0\0m");
        assert_eq!(sending.join().unwrap(), Ok(()));
        drop(receiving.join().unwrap());
        assert!(wire.output().starts_with(b"\x81\x01x"));
    });
}

#[test]
fn t12_a_sender_waits_for_room_that_the_peer_makes() {
    model(3, || {
        let wire = Wire::with_room(2);
        let (sender, mut receiver) = wire.halves(4);
        assert_eq!(sender.try_send("full"), Ok(()));
        let receiving = thread::spawn(move || {
            // Until the peer closes.
            assert!(block_on(receiver.next()).is_none());
        });
        let sending = thread::spawn(move || {
            block_on(sender.send("more"))?;
            block_on(sender.flush())
        });
        wire.make_room();
        assert_eq!(sending.join().unwrap(), Ok(()));
        assert!(wire.output().starts_with(b"\x81\x04full\x81\x04more"));
        wire.input(b"\x88\x80\0\0\0\0");
        wire.end();
        receiving.join().unwrap();
    });
}

#[test]
fn t12_senders_write_without_a_receiver() {
    model(3, || {
        let wire = Wire::with_room(0);
        let (sender, receiver) = wire.halves(1);
        let other = sender.clone();
        let one = thread::spawn(move || block_on(sender.send("a")));
        let two = thread::spawn(move || {
            block_on(other.send("b"))?;
            block_on(other.flush())
        });
        wire.make_room();
        assert_eq!(one.join().unwrap(), Ok(()));
        assert_eq!(two.join().unwrap(), Ok(()));
        let mut output = wire.output();
        output.sort_unstable();
        assert_eq!(output, *b"\x01\x01ab\x81\x81");
        drop(receiver);
    });
}

#[test]
fn t12_all_hear_that_the_peer_has_closed() {
    model(3, || {
        let wire = Wire::with_room(usize::MAX);
        let (sender, mut receiver) = wire.halves(1000);
        let receiving = thread::spawn(move || assert!(block_on(receiver.next()).is_none()));
        let waiting = thread::spawn(move || block_on(sender.closed()));
        wire.input(b"\x88\x80\0\0\0\0");
        wire.end();
        waiting.join().unwrap();
        receiving.join().unwrap();
    });
}

#[test]
fn t12_senders_hear_that_the_receiver_is_gone() {
    model(3, || {
        let wire = Wire::with_room(0);
        let (sender, receiver) = wire.halves(1);
        let other = sender.clone();
        let sending = thread::spawn(move || {
            // Perhaps before the receiver is gone.
            let _ = block_on(sender.send("a"));
            block_on(sender.send("b"))
        });
        let waiting = thread::spawn(move || block_on(other.closed()));
        drop(receiver);
        assert_eq!(sending.join().unwrap(), Err(SendError::Closing));
        waiting.join().unwrap();
        // Nobody but the model holds the transport any more.
        assert_eq!(Arc::strong_count(&wire.0), 1);
    });
}

/// What a sender queues behind the replies of a handler goes out with them.
#[test]
fn t12_a_handler_and_a_sender_fill_the_queue() {
    model(2, || {
        let wire = Wire::with_room(usize::MAX);
        let (sender, mut receiver) = wire.halves(4);
        wire.input(b"\x81\x81\0\0\0\0m\x88\x80\0\0\0\0");
        wire.end();
        let receiving = thread::spawn(move || {
            let each = receiver.for_each(|connection, _| {
                let _ = connection.send("reply");
            });
            assert!(block_on(each).is_ok());
        });
        let sent = block_on(sender.send("x"));
        let flushed = block_on(sender.flush());
        receiving.join().unwrap();
        let output = wire.output();
        let is_there = output.windows(3).any(|w| w == b"\x81\x01x");
        // Queued as the connection closed, it is lost, and the flush says so.
        assert!(is_there || sent.is_err() || flushed.is_err(), "{output:?}");
    });
}
