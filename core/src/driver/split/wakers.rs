//! The tasks that wait.

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::task::Waker;

use super::queue::Queue;
use super::{Mutex, lock};

/// Who is woken by the transport: all that wait.
#[derive(Debug, Default)]
pub(super) struct Wakers(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    receiver: Option<Waker>,
    senders: Vec<Waiter>,
    /// How many places there were.
    places: u64,
}

#[derive(Debug)]
struct Waiter {
    place: u64,
    wait: Wait,
    waker: Waker,
}

/// What a sender waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Room,
    Written,
    Over,
}

/// A future's place among those who wait, which it gives up when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'w> {
    wakers: &'w Wakers,
    wait: Wait,
    /// Its number, once it has waited.
    number: Option<u64>,
}

impl Wakers {
    /// The receiver waits, with this waker in the place of an earlier one.
    pub(super) fn receive(&self, waker: &Waker) {
        match &mut lock(&self.0).receiver {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// A place for a future that may have to wait.
    pub(super) fn place(&self, wait: Wait) -> Place<'_> {
        Place {
            wakers: self,
            wait,
            number: None,
        }
    }

    /// Those for whom something has come.
    pub(super) fn due(&self, queue: &Queue, was_over: bool) -> Vec<Waker> {
        let mut waiting = lock(&self.0);
        let mut wakers = Vec::new();
        waiting.senders.retain(|waiter| {
            let is_due = queue.has_come(waiter.wait);
            if is_due {
                wakers.push(waiter.waker.clone());
            }
            !is_due
        });
        if queue.is_over() && !was_over {
            wakers.extend(waiting.receiver.take());
        }
        wakers
    }
}

impl Place<'_> {
    /// The future waits, with this waker in the place of an earlier one.
    pub(super) fn wait(&mut self, waker: &Waker) {
        let mut waiting = lock(&self.wakers.0);
        let number = *self.number.get_or_insert_with(|| {
            waiting.places += 1;
            waiting.places
        });
        let mut senders = waiting.senders.iter_mut();
        match senders.find(|waiter| waiter.place == number) {
            Some(known) => known.waker.clone_from(waker),
            None => waiting.senders.push(Waiter {
                place: number,
                wait: self.wait,
                waker: waker.clone(),
            }),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut waiting = lock(&self.wakers.0);
            waiting.senders.retain(|waiter| waiter.place != number);
        }
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let (receiver, senders) = {
            let mut waiting = lock(&self.0);
            let senders = core::mem::take(&mut waiting.senders);
            (waiting.receiver.take(), senders)
        };
        let senders = senders.into_iter().map(|waiter| waiter.waker);
        receiver.into_iter().chain(senders).for_each(Waker::wake);
    }
}
