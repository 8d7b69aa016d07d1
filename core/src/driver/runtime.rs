//! What a runtime gives besides sockets.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use crate::Instant;

/// Time, tasks and randomness, which servers need for what belongs to no
/// connection.
pub trait Runtime: Send + Sync + 'static {
    /// A future that is ready when its time has come.
    type Sleep: Future<Output = ()> + Send + Sync + 'static;

    /// The time.
    fn now(&self) -> Instant;

    /// Waits until `at`; [`Instant::MAX`] need never come.
    fn sleep_until(&self, at: Instant) -> Self::Sleep;

    /// Runs a task beside the others.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Fills `bytes` from a strong source of entropy. False if it has none to give.
    fn random(&self, bytes: &mut [u8]) -> bool;
}

/// A [`Runtime`] of some type: a server is not generic over it.
#[derive(Clone)]
pub(crate) struct AnyRuntime(Arc<dyn Erased>);

pub(crate) type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

trait Erased: Send + Sync {
    fn now(&self) -> Instant;
    fn sleep_until(&self, at: Instant) -> Sleep;
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>);
    fn random(&self, bytes: &mut [u8]) -> bool;
}

impl<R: Runtime> Erased for R {
    fn now(&self) -> Instant {
        Runtime::now(self)
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Box::pin(Runtime::sleep_until(self, at))
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        Runtime::spawn(self, task);
    }

    fn random(&self, bytes: &mut [u8]) -> bool {
        Runtime::random(self, bytes)
    }
}

impl AnyRuntime {
    pub(crate) fn new(runtime: impl Runtime) -> Self {
        Self(Arc::new(runtime))
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.now()
    }

    pub(crate) fn sleep_until(&self, at: Instant) -> Sleep {
        self.0.sleep_until(at)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(Box::pin(task));
    }

    pub(crate) fn random(&self, bytes: &mut [u8]) -> bool {
        self.0.random(bytes)
    }
}

impl fmt::Debug for AnyRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}
