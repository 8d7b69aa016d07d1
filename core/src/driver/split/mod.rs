//! A WebSocket in two halves, for tasks that receive and send on their own.
//!
//! Both halves drive the socket: whoever finds it free moves it. It is locked
//! for the length of one poll and never across an `await`; a sender does not
//! wait for the lock, but leaves what it wants in a queue, at which the holder
//! looks again after unlocking:
//!
//! ```text
//! Sender ---+--- free? ------> pump
//! Sender ---+--- busy? -> queue -^ emptied by whoever holds the pump
//! Receiver ---- always ----------+
//! ```
//!
//! The transport knows one waker, which wakes all that wait. Why none of them
//! waits in vain:
//!
//! - Whoever waits is in the list of wakers before it looks at the socket, so a
//!   wake-up of the transport's that comes meanwhile reaches it.
//! - Whoever finds the pump held has marked the queue as unseen before, and who
//!   holds the pump looks at that mark after letting go. One of the two sees
//!   the other.
//! - Each visit to the pump ends with a look at what has come of it: who waited
//!   for that is woken, and commands that found no room before are tried again.

mod queue;
mod receiver;
mod sender;
mod shared;
mod wakers;

#[cfg(all(test, loom))]
mod model;

use alloc::sync::Arc;

use std::sync::PoisonError;

/// What only one half holds at a time, and another only tries to.
#[cfg(all(test, loom))]
use self::model::{TryGuard, TryMutex};
#[cfg(all(test, loom))]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, loom)))]
use std::sync::{Mutex as TryMutex, Mutex, MutexGuard as TryGuard, MutexGuard};

pub use self::receiver::Receiver;
pub use self::sender::Sender;
use self::shared::Shared;
use super::{Io, WebSocket};

impl<I: Io> WebSocket<I> {
    /// Splits into a sender, of which there can be many, and a receiver.
    ///
    /// Without this nothing is locked or shared. A message that was begun with
    /// [`start`](Self::start) has to be ended before; otherwise messages of the
    /// senders fail with [`SendError::Unfinished`](crate::websocket::SendError::Unfinished).
    ///
    /// ```no_run
    /// # use sockeye::driver::{Error, Io, WebSocket};
    /// # async fn work<I: Io>(websocket: WebSocket<I>) -> Result<(), Error<I::Error>> {
    /// let (sender, mut receiver) = websocket.split();
    /// let echo = sender.clone();
    /// // Give `sender` to another task. Here replies are queued, and go out
    /// // together when the input at hand is used up.
    /// let each = receiver.for_each(|_, message| {
    ///     let _ = echo.try_send(message);
    /// });
    /// each.await
    /// # }
    /// ```
    pub fn split(self) -> (Sender<I>, Receiver<I>) {
        let shared = Arc::new(Shared::new(self.into_pump()));
        (Sender(shared.clone()), Receiver(shared))
    }
}

/// What is locked here is whole even where a waker panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
