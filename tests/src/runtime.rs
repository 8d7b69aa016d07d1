//! A runtime with one thread, whose clock moves by hand.
//!
//! Tasks run while any of them was woken, in the order in which they were
//! spawned; then nothing happens until time passes or the test does something.
//!
//! ```
//! use core::time::Duration;
//! use sockeye::driver::Runtime as _;
//! use sockeye_tests::runtime::Runtime;
//!
//! let runtime = Runtime::new();
//! let sleep = runtime.sleep_until(sockeye::driver::Runtime::now(&runtime).after(Duration::from_secs(1)));
//! let task = runtime.start(async move {
//!     sleep.await;
//!     "awake"
//! });
//! runtime.pass(Duration::from_millis(999));
//! assert_eq!(task.take(), None);
//! runtime.pass(Duration::from_millis(1));
//! assert_eq!(task.take(), Some("awake"));
//! ```

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sockeye::Instant;

/// The runtime; its clones are the same.
#[derive(Clone, Default)]
pub struct Runtime(Arc<Shared>);

#[derive(Default)]
struct Shared {
    now: Mutex<Instant>,
    naps: Mutex<Vec<(Instant, Waker)>>,
    tasks: Mutex<Vec<Running>>,
    /// How many bytes of `random` were given.
    random: Mutex<u64>,
    has_entropy: AtomicBool,
    clock_reads: AtomicUsize,
}

struct Running {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    flag: Arc<Flag>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A task that was [started](Runtime::start).
pub struct Started<T> {
    value: Arc<Mutex<Option<T>>>,
    dropped: Arc<AtomicBool>,
}

impl<T> Started<T> {
    /// What the task gave, once it has.
    pub fn take(&self) -> Option<T> {
        self.value.lock().unwrap().take()
    }

    /// Drops the task before it is polled again.
    pub fn abort(&self) {
        self.dropped.store(true, Ordering::Relaxed);
    }
}

impl Runtime {
    /// At time zero, and with nothing to do.
    pub fn new() -> Self {
        let runtime = Self::default();
        runtime.set_entropy(true);
        runtime
    }

    /// Whether there are random bytes to be had.
    pub fn set_entropy(&self, is_there: bool) {
        self.0.has_entropy.store(is_there, Ordering::Relaxed);
    }

    /// Runs a task until it waits, and the others.
    pub fn start<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Started<T> {
        let value = Arc::new(Mutex::new(None));
        let dropped = Arc::new(AtomicBool::new(false));
        let started = Started {
            value: value.clone(),
            dropped: dropped.clone(),
        };
        let mut future = Some(Box::pin(future));
        let task = std::future::poll_fn(move |cx| {
            if dropped.load(Ordering::Relaxed) {
                future = None;
            }
            let Some(running) = &mut future else {
                return Poll::Ready(());
            };
            running.as_mut().poll(cx).map(|output| {
                *value.lock().unwrap() = Some(output);
            })
        });
        sockeye::driver::Runtime::spawn(self, task);
        self.run();
        started
    }

    /// The same from within a task.
    pub fn start_later(&self, future: impl Future<Output = ()> + Send + 'static) {
        sockeye::driver::Runtime::spawn(self, future);
    }

    /// Runs all tasks until they wait.
    ///
    /// # Panics
    ///
    /// If they go on waking each other.
    pub fn run(&self) {
        let mut rounds = 0;
        let mut quiet = false;
        while !quiet {
            rounds += 1;
            assert!(rounds < 10_000, "a busy loop");
            quiet = true;
            let tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap());
            for mut task in tasks {
                if task.flag.0.swap(false, Ordering::Relaxed) {
                    quiet = false;
                    let waker = Waker::from(task.flag.clone());
                    let poll = task.future.as_mut().poll(&mut Context::from_waker(&waker));
                    if poll.is_ready() {
                        continue;
                    }
                }
                self.0.tasks.lock().unwrap().push(task);
            }
        }
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.0.tasks.lock().unwrap().len()
    }

    /// Drops all tasks, as a runtime does that is shut down.
    pub fn drop_tasks(&self) {
        drop(std::mem::take(&mut *self.0.tasks.lock().unwrap()));
    }

    /// How often the clock was read.
    pub fn clock_reads(&self) -> usize {
        self.0.clock_reads.load(Ordering::Relaxed)
    }

    /// Wakes every task, as runtimes do now and then, and runs them.
    pub fn wake_all(&self) {
        for task in self.0.tasks.lock().unwrap().iter() {
            task.flag.0.store(true, Ordering::Relaxed);
        }
        self.run();
    }

    /// Lets time pass, to each deadline in between and no further at once.
    pub fn pass(&self, span: Duration) {
        self.run();
        let end = self.now().after(span);
        loop {
            let naps = self.0.naps.lock().unwrap();
            let first = naps.iter().map(|(at, _)| *at).min();
            drop(naps);
            let next = first.filter(|at| *at <= end).unwrap_or(end);
            self.jump_to(next);
            if next == end && first.is_none_or(|at| at > end) {
                return;
            }
        }
    }

    /// The clock jumps, as after a suspend.
    pub fn jump(&self, span: Duration) {
        self.jump_to(self.now().after(span));
    }

    fn jump_to(&self, now: Instant) {
        let mut clock = self.0.now.lock().unwrap();
        *clock = now.max(*clock);
        drop(clock);
        let mut naps = self.0.naps.lock().unwrap();
        let (due, later) = std::mem::take(&mut *naps)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= now);
        *naps = later;
        drop(naps);
        due.into_iter().for_each(|(_, waker)| waker.wake());
        self.run();
    }

    fn now(&self) -> Instant {
        *self.0.now.lock().unwrap()
    }
}

impl sockeye::driver::Runtime for Runtime {
    type Sleep = Nap;

    fn now(&self) -> Instant {
        self.0.clock_reads.fetch_add(1, Ordering::Relaxed);
        self.now()
    }

    fn sleep_until(&self, at: Instant) -> Nap {
        Nap {
            at,
            runtime: self.clone(),
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.lock().unwrap().push(Running {
            future: Box::pin(task),
            flag: Arc::new(Flag(AtomicBool::new(true))),
        });
    }

    /// As random as a counter.
    fn random(&self, bytes: &mut [u8]) -> bool {
        let mut counter = self.0.random.lock().unwrap();
        for chunk in bytes.chunks_mut(8) {
            *counter += 1;
            let number = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        self.0.has_entropy.load(Ordering::Relaxed)
    }
}

/// Waits for the clock.
pub struct Nap {
    at: Instant,
    runtime: Runtime,
}

impl Future for Nap {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.runtime.now() >= self.at {
            return Poll::Ready(());
        }
        let mut naps = self.runtime.0.naps.lock().unwrap();
        naps.push((self.at, cx.waker().clone()));
        Poll::Pending
    }
}
