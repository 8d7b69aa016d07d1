//! Connections that end together: what graceful shutdown needs.
//!
//! ```text
//!  Serving --leave()--> Leaving --drop_all()--> Dropping
//!             |                      |
//!             each connection        each task is dropped
//!             sends Close 1001
//! ```

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The connections of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// A copy of [`State::phase`] that is read without the lock.
    phase: AtomicU8,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: u8,
    members: BTreeMap<u64, Option<Waker>>,
    next: u64,
    /// Who waits until there are no members.
    drained: Option<Waker>,
}

const LEAVING: u8 = 1;
const DROPPING: u8 = 2;

/// One of the group, until it is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    group: Group,
    id: u64,
    waker: Option<Waker>,
}

impl Group {
    pub(crate) fn join(&self) -> Member {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.members.insert(id, None);
        drop(state);
        Member {
            group: self.clone(),
            id,
            waker: None,
        }
    }

    /// Tells every member to go.
    pub(crate) fn leave(&self) {
        self.enter(LEAVING);
    }

    /// Tells every task to drop what is left.
    pub(crate) fn drop_all(&self) {
        self.enter(DROPPING);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) >= LEAVING
    }

    /// Waits until there are no members.
    pub(crate) async fn drained(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.members.is_empty() {
                return Poll::Ready(());
            }
            state.drained = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn enter(&self, phase: u8) {
        let mut state = self.lock();
        state.phase = phase;
        self.0.phase.store(phase, Ordering::Release);
        let wakers: Vec<Waker> = state.members.values().flatten().cloned().collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Nothing under this lock runs foreign code, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Ready once the group has been told to go.
    pub(crate) fn poll_leaving(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_phase(cx, LEAVING)
    }

    /// Ready once what is left is to be dropped.
    pub(crate) fn poll_dropping(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_phase(cx, DROPPING)
    }

    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    /// One atomic load, as long as the same task asks.
    fn poll_phase(&mut self, cx: &mut Context<'_>, phase: u8) -> Poll<()> {
        let reached = |group: &Group| group.0.phase.load(Ordering::Acquire) >= phase;
        if reached(&self.group) {
            return Poll::Ready(());
        }
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            self.waker = Some(cx.waker().clone());
            let mut state = self.group.lock();
            if state.phase >= phase {
                return Poll::Ready(());
            }
            state.members.insert(self.id, self.waker.clone());
        }
        Poll::Pending
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.group.lock();
        let waker = state.members.remove(&self.id);
        let drained = match state.members.is_empty() {
            true => state.drained.take(),
            false => None,
        };
        // Outside the lock: a waker may run anything when it is dropped.
        drop(state);
        drop(waker);
        if let Some(waker) = drained {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_leave_and_then_drop() {
        let group = Group::default();
        let mut member = group.join();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(member.poll_leaving(&mut cx).is_pending());
        group.leave();
        assert!(group.is_leaving());
        assert!(member.poll_leaving(&mut cx).is_ready());
        assert!(member.poll_dropping(&mut cx).is_pending());
        group.drop_all();
        assert!(member.poll_dropping(&mut cx).is_ready());
        // One that joins late knows at once.
        assert!(group.join().poll_leaving(&mut cx).is_ready());
    }
}
