//! Counters: instructions, time, allocations, and calls to the transport.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use perf_event::events::{Hardware, Software};
use perf_event::{Builder, Counter};

/// The system's allocator, counted. Threads do not allocate at the same time
/// here, so a load and a store will do: three instructions.
pub struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

#[inline]
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

// SAFETY: every method hands its arguments on to `System` as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(&ALLOCATIONS, 1);
        add(&ALLOCATED, layout.size() as u64);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(&ALLOCATIONS, 1);
        add(&ALLOCATED, layout.size() as u64);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(&ALLOCATIONS, 1);
        add(&ALLOCATED, size as u64);
        add(&FREED, layout.size() as u64);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(&FREED, layout.size() as u64);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// A call to the transport was made.
#[inline]
pub fn call() {
    add(&CALLS, 1);
}

/// What this process has asked for so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asked {
    pub allocations: u64,
    pub allocated: u64,
    pub freed: u64,
    pub calls: u64,
}

impl Asked {
    pub fn now() -> Self {
        Self {
            allocations: ALLOCATIONS.load(Relaxed),
            allocated: ALLOCATED.load(Relaxed),
            freed: FREED.load(Relaxed),
            calls: CALLS.load(Relaxed),
        }
    }

    pub fn since(self, start: Self) -> Self {
        Self {
            allocations: self.allocations - start.allocations,
            allocated: self.allocated - start.allocated,
            freed: self.freed - start.freed,
            calls: self.calls - start.calls,
        }
    }

    pub fn encode(self) -> String {
        let Self {
            allocations,
            allocated,
            freed,
            calls,
        } = self;
        format!("{allocations} {allocated} {freed} {calls}")
    }

    pub fn decode(words: &str) -> Option<Self> {
        let mut words = words.split_whitespace().map(str::parse);
        Some(Self {
            allocations: words.next()?.ok()?,
            allocated: words.next()?.ok()?,
            freed: words.next()?.ok()?,
            calls: words.next()?.ok()?,
        })
    }
}

/// What one thread spends, as the kernel counts it.
pub struct Meter {
    user: Option<Counter>,
    kernel: Option<Counter>,
    cpu: Option<Counter>,
    began: Instant,
}

/// What was spent. Instructions are missing where the machine does not count them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub user: Option<f64>,
    pub kernel: Option<f64>,
    /// Processor time in nanoseconds.
    pub cpu: f64,
    pub wall: f64,
}

impl Meter {
    /// Of the calling thread, or of a process with one thread.
    pub fn new(process: Option<u32>) -> Self {
        let user = Builder::new(Hardware::INSTRUCTIONS);
        let mut kernel = user.clone();
        kernel.exclude_kernel(false).exclude_user(true);
        let mut cpu = Builder::new(Software::TASK_CLOCK);
        cpu.exclude_kernel(false);
        let [user, kernel, cpu] = [user, kernel, cpu].map(|mut counter| {
            match process {
                Some(id) => counter.observe_pid(id as i32),
                None => counter.observe_self(),
            };
            counter.build().ok()
        });
        Self {
            user,
            kernel,
            cpu,
            began: Instant::now(),
        }
    }

    pub fn start(&mut self) {
        self.began = Instant::now();
        let counters = [&mut self.cpu, &mut self.kernel, &mut self.user];
        for counter in counters.into_iter().flatten() {
            counter.enable().expect("a counter can be enabled");
        }
    }

    pub fn stop(&mut self) -> Spent {
        let [user, kernel, cpu] =
            [&mut self.user, &mut self.kernel, &mut self.cpu].map(|counter| {
                let counter = counter.as_mut()?;
                counter.disable().expect("a counter can be disabled");
                counter.read().ok().map(|n| n as f64)
            });
        let wall = self.began.elapsed().as_nanos() as f64;
        Spent {
            user,
            kernel,
            cpu: cpu.unwrap_or(wall),
            wall,
        }
    }
}

/// Called before and after what is measured, for a simulator that counts
/// instructions where the machine does not.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn measured_from_here() {
    std::hint::black_box(());
}

/// Keeps the calling thread on one processor, if there is more than one.
pub fn pin(processor: usize) {
    // SAFETY: an all-zero set is a valid, empty one; the pointer is to it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

/// Processor time of the calling thread, in nanoseconds.
pub fn thread_time() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a time that the call fills in.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
