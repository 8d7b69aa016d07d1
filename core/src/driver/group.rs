//! Connections that end together: what a graceful shutdown needs.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Some connections, or tasks, that can be told to end and waited for.
///
/// An [`Io`](super::Io) that has a [`Member`] asks it in
/// [`poll_going_away`](super::Io::poll_going_away). Clones are the same group.
///
/// ```
/// # async fn shut_down() {
/// use sockeye::driver::Group;
///
/// let group = Group::new();
/// let member = group.join();
/// // ... goes with a connection, and is dropped with it.
/// # drop(member);
/// group.dismiss();
/// group.drained().await;
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Group(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Set under the lock, and read without it.
    dismissed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    members: BTreeMap<u64, Option<Waker>>,
    next: u64,
    /// Who waits until there are no members.
    waiting: Vec<Waker>,
}

/// One of a [`Group`], until it is dropped.
#[derive(Debug)]
pub struct Member {
    group: Group,
    id: u64,
    waker: Option<Waker>,
}

impl Group {
    /// A group without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member. One that joins a group which is dismissed is dismissed.
    pub fn join(&self) -> Member {
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

    /// Tells every member to end. Calling again changes nothing.
    pub fn dismiss(&self) {
        let state = self.lock();
        self.0.dismissed.store(true, Ordering::Release);
        let wakers: Vec<Waker> = state.members.values().flatten().cloned().collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether the members were told to end.
    pub fn is_dismissed(&self) -> bool {
        self.0.dismissed.load(Ordering::Acquire)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.lock().members.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there are no members.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn drained(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.members.is_empty() {
                return Poll::Ready(());
            }
            if !state
                .waiting
                .iter()
                .any(|waker| waker.will_wake(cx.waker()))
            {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// What is locked here is whole even where a waker panicked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// The group.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Ready once the group is dismissed. One atomic load, as long as the same
    /// task asks.
    pub fn poll_dismissed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.group.is_dismissed() {
            return Poll::Ready(());
        }
        let known = self.waker.as_ref();
        if !known.is_some_and(|waker| waker.will_wake(cx.waker())) {
            let waker = cx.waker().clone();
            let mut state = self.group.lock();
            if self.group.is_dismissed() {
                return Poll::Ready(());
            }
            let old = state.members.insert(self.id, Some(waker.clone()));
            // Outside the lock: a waker may run anything when it is dropped.
            drop(state);
            drop(old);
            self.waker = Some(waker);
        }
        Poll::Pending
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.group.lock();
        let waker = state.members.remove(&self.id);
        let waiting = match state.members.is_empty() {
            true => core::mem::take(&mut state.waiting),
            false => Vec::new(),
        };
        drop(state);
        drop(waker);
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::task::Wake;
    use core::pin::pin;
    use core::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn members_are_woken_to_end() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let group = Group::new();
        let (mut one, mut other) = (group.join(), group.join());
        assert!(one.poll_dismissed(&mut cx).is_pending());
        assert!(one.poll_dismissed(&mut cx).is_pending());
        assert!(other.poll_dismissed(&mut cx).is_pending());
        group.dismiss();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert!(one.poll_dismissed(&mut cx).is_ready());
        assert!(group.join().poll_dismissed(&mut cx).is_ready());
    }

    #[test]
    fn the_last_member_wakes_all_who_wait() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let group = Group::new();
        let (one, other) = (group.join(), group.join());
        let mut drained = pin!(group.drained());
        let mut noop = Context::from_waker(Waker::noop());
        let mut also = pin!(group.drained());
        assert!(drained.as_mut().poll(&mut cx).is_pending());
        assert!(also.as_mut().poll(&mut noop).is_pending());
        drop(one);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert_eq!(group.len(), 1);
        drop(other);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(drained.poll(&mut cx).is_ready());
        assert!(also.poll(&mut noop).is_ready());
    }
}
