//! The deadlines of all sessions, behind one timer.
//!
//! Nothing is moved when a deadline moves later, as it does with every packet:
//! the session is looked at too early then, and put in line anew. So a look is
//! worth its time once per heartbeat, and a wake-up costs as much as is due.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::task::{Context, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Instant;

/// What is to be looked at, and when.
pub(super) struct Deadlines<T>(Mutex<Line<T>>);

struct Line<T> {
    waiting: BTreeMap<(Instant, u64), Arc<T>>,
    /// Who waits for the first of them.
    waker: Option<Waker>,
}

/// What has to be done first.
pub(super) enum Due<T> {
    /// This, which stood at that deadline.
    Now(Arc<T>, Instant),
    At(Instant),
    Never,
}

impl<T> Deadlines<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Line {
            waiting: BTreeMap::new(),
            waker: None,
        }))
    }

    /// Moves the deadline of `id`, which stands at `armed`.
    pub(super) fn arm(&self, id: u64, item: &Arc<T>, armed: Option<Instant>, at: Instant) {
        let mut line = self.lock();
        let old = armed.and_then(|armed| line.waiting.remove(&(armed, id)));
        let item = old.unwrap_or_else(|| item.clone());
        let first = line.waiting.keys().next().map(|(first, _)| *first);
        line.waiting.insert((at, id), item);
        let waker = match first {
            Some(first) if first <= at => None,
            _ => line.waker.take(),
        };
        drop(line);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Forgets `id`, which stands at `armed`.
    pub(super) fn disarm(&self, id: u64, armed: Instant) {
        let item = self.lock().waiting.remove(&(armed, id));
        // Outside the lock: it may be the last of it.
        drop(item);
    }

    /// Takes the first that is due. Otherwise the task is woken when that changes
    /// by anything but time.
    pub(super) fn take(&self, cx: &Context<'_>, now: Instant) -> Due<T> {
        let mut line = self.lock();
        match line.waiting.first_entry() {
            Some(first) if first.key().0 <= now => {
                let ((at, _), item) = first.remove_entry();
                Due::Now(item, at)
            }
            first => {
                let due = first.map_or(Due::Never, |first| Due::At(first.key().0));
                line.waker = Some(cx.waker().clone());
                due
            }
        }
    }

    /// Wakes who waits: there is nothing to wait for any more.
    pub(super) fn end(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
