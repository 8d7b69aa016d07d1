//! Who is who: the sessions of a server, by name and by age.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engineio::Sid;

/// The sessions that are open.
///
/// Those that nobody has come back to after they were opened stand in a line of
/// their own, of limited length: whoever opens sessions by the thousand pushes
/// out his own, and nobody else's.
pub(super) struct Registry<T>(Mutex<Table<T>>);

struct Table<T> {
    sessions: HashMap<Sid, Arc<T>>,
    /// By age, those without a second request.
    fresh: BTreeMap<u64, Sid>,
    /// How many sessions there have been.
    opened: u64,
    max: usize,
    is_closed: bool,
    /// Who waits for the last session to end.
    waiting: Vec<Waker>,
}

/// Why there is no new session.
pub(super) enum NoPlace {
    /// There are too many, or the server shuts down.
    Full,
    /// The name is taken, or there was nothing to make one of.
    NoName,
}

/// A session that has its place.
pub(super) struct Placed<T> {
    pub(super) session: Arc<T>,
    /// The oldest that nobody came back to, if it has to go for this one.
    pub(super) evicted: Option<Arc<T>>,
}

impl<T> Registry<T> {
    pub(super) fn new(max: usize) -> Self {
        Self(Mutex::new(Table {
            sessions: HashMap::new(),
            fresh: BTreeMap::new(),
            opened: 0,
            max,
            is_closed: false,
            waiting: Vec::new(),
        }))
    }

    /// Whether there is a place for one more.
    pub(super) fn has_place(&self) -> bool {
        let table = self.lock();
        !table.is_closed && table.sessions.len() < table.max
    }

    /// Gives a place to the session that `make` makes of its age. It has come back
    /// already if a WebSocket comes with it.
    pub(super) fn insert(
        &self,
        sid: Sid,
        comes_back: bool,
        make: impl FnOnce(u64) -> T,
    ) -> Result<Placed<T>, NoPlace> {
        let mut table = self.lock();
        if table.is_closed || table.sessions.len() >= table.max {
            return Err(NoPlace::Full);
        }
        if table.sessions.contains_key(&sid) {
            return Err(NoPlace::NoName);
        }
        let age = table.opened;
        table.opened += 1;
        let session = Arc::new(make(age));
        table.sessions.insert(sid, session.clone());
        let mut evicted = None;
        if !comes_back {
            if table.fresh.len() >= (table.max / FRESH).max(1) {
                let oldest = table.fresh.pop_first();
                evicted = oldest.and_then(|(_, sid)| table.sessions.get(&sid).cloned());
            }
            table.fresh.insert(age, sid);
        }
        Ok(Placed { session, evicted })
    }

    pub(super) fn find(&self, sid: &Sid) -> Option<Arc<T>> {
        self.lock().sessions.get(sid).cloned()
    }

    /// Somebody has come back to the session of this age.
    pub(super) fn came_back(&self, age: u64) {
        self.lock().fresh.remove(&age);
    }

    pub(super) fn remove(&self, sid: &Sid, age: u64) {
        let mut table = self.lock();
        table.fresh.remove(&age);
        let session = table.sessions.remove(sid);
        let waiting = match table.sessions.is_empty() {
            true => core::mem::take(&mut table.waiting),
            false => Vec::new(),
        };
        drop(table);
        // Outside the lock: what belongs to the application may do anything.
        drop(session);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    /// All that are open, in no order.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.lock().sessions.values().cloned().collect()
    }

    /// From now on there is no place for anybody.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Ready when no session is left.
    pub(super) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        let mut table = self.lock();
        if table.sessions.is_empty() {
            return Poll::Ready(());
        }
        let known = table.waiting.iter().any(|it| it.will_wake(cx.waker()));
        if !known {
            table.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// What is locked here is whole even where something panicked.
    fn lock(&self) -> MutexGuard<'_, Table<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One in so many sessions may be one that nobody has come back to.
const FRESH: usize = 10;
