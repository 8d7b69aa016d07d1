//! What the halves share, and how they take turns.

use alloc::sync::Arc;
use core::task::{Context, Poll, Waker};
use std::sync::{PoisonError, TryLockError};

use super::queue::{Command, Queue, Seen};
use super::wakers::{Place, Wait, Wakers};
use super::{Mutex, MutexGuard, TryGuard, TryMutex, lock};
use crate::driver::pump::Pump;
use crate::driver::{Error, Io};
use crate::websocket::SendError;

pub(super) struct Shared<I: Io> {
    /// Empty once the receiver is gone, or a handler of its panicked.
    driven: TryMutex<Option<Driven<I>>>,
    /// Locked after `driven`, or while that is only tried.
    queue: Mutex<Queue>,
    wakers: Arc<Wakers>,
    /// Wakes all in `wakers`.
    waker: Waker,
}

/// What only one half at a time can move.
pub(super) struct Driven<I: Io> {
    pub(super) pump: Pump<I>,
    /// What a sender met while it wrote, for the receiver to return.
    pub(super) failure: Option<Error<I::Error>>,
}

type Guard<'s, I> = TryGuard<'s, Option<Driven<I>>>;

/// The pump, held by this half. Whoever lets go of it does what was asked for
/// meanwhile: also where a handler panics.
pub(super) struct Held<'s, I: Io> {
    shared: &'s Shared<I>,
    guard: Option<Guard<'s, I>>,
}

impl<I: Io> Shared<I> {
    pub(super) fn new(pump: Pump<I>) -> Self {
        let limit = pump.connection.config().max_outgoing;
        let driven = Driven {
            pump,
            failure: None,
        };
        let wakers = Arc::<Wakers>::default();
        Self {
            queue: Mutex::new(Queue::new(limit, driven.seen())),
            driven: TryMutex::new(Some(driven)),
            waker: wakers.clone().into(),
            wakers,
        }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// A place for a future that may have to wait.
    pub(super) fn place(&self, wait: Wait) -> Place<'_> {
        self.wakers.place(wait)
    }

    /// The pump for the receiver, which waits for a sender to let go of it: the
    /// length of a write.
    pub(super) fn hold(&self) -> Held<'_, I> {
        let guard = self.driven.lock().unwrap_or_else(give_up);
        self.held(guard)
    }

    /// The pump for the receiver, who waits with this waker for what it gives.
    pub(super) fn receive(&self, waker: &Waker) -> Held<'_, I> {
        self.wakers.receive(waker);
        self.hold()
    }

    /// Takes a command to the connection if that is free, and otherwise to the
    /// queue. Leaves it where there is no room.
    pub(super) fn send(&self, command: &mut Option<Command<'_>>) -> Result<(), SendError> {
        let mut queue = self.queue();
        if let Some(error) = queue.refused() {
            return Err(error);
        }
        let free = match queue.is_empty() {
            true => self.claim(),
            false => None,
        };
        let Some(guard) = free else {
            let pushed = queue.push(command);
            drop(queue);
            self.settle();
            return pushed;
        };
        drop(queue);
        let mut held = self.held(guard);
        let sent = held.visit(|driven, cx| driven.send(cx, command));
        sent.unwrap_or(Err(SendError::Closing))
    }

    /// Waits until the queue is as wanted, and moves the socket meanwhile.
    pub(super) fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        place: &mut Place<'_>,
        mut wanted: impl FnMut(&mut Queue) -> Option<R>,
    ) -> Poll<R> {
        let mut queue = self.queue();
        if let Some(found) = wanted(&mut queue) {
            return Poll::Ready(found);
        }
        place.wait(cx.waker());
        queue.mark_unseen();
        drop(queue);
        self.settle();
        match wanted(&mut self.queue()) {
            Some(found) => Poll::Ready(found),
            None => Poll::Pending,
        }
    }

    /// Does what was asked for while the pump was held. A sender that found it
    /// held has left its command before, and whoever held it calls this.
    pub(super) fn settle(&self) {
        while self.queue().is_unseen() {
            let Some(mut guard) = self.claim() else {
                return;
            };
            self.visit(&mut guard, |driven, cx| {
                if let Err(error) = driven.pump.drive(cx) {
                    driven.note(error);
                }
            });
        }
    }

    /// The pump, if nobody holds it.
    fn claim(&self) -> Option<Guard<'_, I>> {
        match self.driven.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(give_up(poisoned)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn held<'s>(&'s self, guard: Guard<'s, I>) -> Held<'s, I> {
        Held {
            shared: self,
            guard: Some(guard),
        }
    }

    /// Takes over what is queued, works on the pump, and wakes who waited for
    /// what has come of it.
    fn visit<R>(
        &self,
        driven: &mut Option<Driven<I>>,
        work: impl FnOnce(&mut Driven<I>, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let mut cx = Context::from_waker(&self.waker);
        let result = driven.as_mut().map(|driven| {
            self.queue().empty_into(&mut driven.pump.connection);
            work(driven, &mut cx)
        });
        let mut queue = self.queue();
        let was_over = queue.is_over();
        match driven.as_ref() {
            Some(driven) => queue.look(driven.seen(), &driven.pump.connection),
            None => queue.end(),
        }
        // Dropped below, when nothing but the pump is locked.
        let dropped = driven.take_if(|_| queue.is_abandoned());
        if dropped.is_some() {
            queue.end();
        }
        let due = self.wakers.due(&queue, was_over);
        drop(queue);
        drop(dropped);
        due.into_iter().for_each(Waker::wake);
        result
    }
}

impl<I: Io> Driven<I> {
    fn seen(&self) -> Seen {
        let connection = &self.pump.connection;
        let over = self.pump.is_over() || connection.is_closed();
        Seen {
            over,
            open: !over && connection.is_open(),
            unfinished: !connection.is_between_messages(),
            ping: connection.has_ping(),
            output: self.pump.has_output(),
            buffered: connection.buffered_amount(),
        }
    }

    fn send(
        &mut self,
        cx: &mut Context<'_>,
        command: &mut Option<Command<'_>>,
    ) -> Result<(), SendError> {
        let sent = self.pump.send_at_once(cx, |connection| {
            if let Some(error) = command.as_ref().and_then(|c| c.waits_for(connection)) {
                return Err(error);
            }
            match command.take() {
                Some(command) => command.apply(connection),
                None => Ok(()),
            }
        });
        sent.map_err(|error| self.note(error))
    }

    /// Keeps a failure of the transport for the receiver.
    fn note(&mut self, error: Error<I::Error>) -> SendError {
        match error {
            Error::Send(error) => error,
            error => {
                self.failure = Some(error);
                SendError::Closing
            }
        }
    }
}

impl<I: Io> Held<'_, I> {
    /// What is held, if the connection was not given up.
    pub(super) fn driven(&self) -> Option<&Driven<I>> {
        self.guard.as_ref()?.as_ref()
    }

    /// As [`Shared::visit`].
    pub(super) fn visit<R>(
        &mut self,
        work: impl FnOnce(&mut Driven<I>, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let guard = self.guard.as_mut()?;
        self.shared.visit(guard, work)
    }
}

impl<I: Io> Drop for Held<'_, I> {
    fn drop(&mut self) {
        self.guard = None;
        if std::thread::panicking() {
            // The others have to hear that the connection is given up.
            self.shared.queue().mark_unseen();
        }
        self.shared.settle();
    }
}

/// A handler panicked, and input is lost: the connection is given up.
fn give_up<I: Io>(poisoned: PoisonError<Guard<'_, I>>) -> Guard<'_, I> {
    let mut guard = poisoned.into_inner();
    *guard = None;
    guard
}
