//! What code allocates.
//!
//! A test binary that counts says
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: sockeye_tests::alloc::Counting = sockeye_tests::alloc::Counting;
//! # fn main() {}
//! ```
//!
//! and wraps what it measures in [`measure`]. Counts belong to the thread, so
//! that tests can run beside each other.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

/// What was allocated while something ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many times storage was asked for, growth included.
    pub allocations: usize,
    /// How many bytes were asked for in all. Growth counts as its new size.
    pub bytes: usize,
    /// How many bytes more than at the start were held at the most.
    pub peak: usize,
    /// How many bytes more than at the start are held at the end; negative if
    /// storage from before was given back.
    pub held: isize,
}

/// Runs `work` and says what it allocated on this thread.
///
/// # Panics
///
/// If the binary does not count allocations.
pub fn measure<R>(work: impl FnOnce() -> R) -> (R, Usage) {
    let probe = COUNTS.get().allocations;
    drop(std::hint::black_box(Box::new(0_u8)));
    assert!(COUNTS.get().allocations > probe, "the allocator is not set");
    let before = COUNTS.get();
    COUNTS.set(Counts {
        peak: before.live,
        ..before
    });
    let result = work();
    let after = COUNTS.get();
    COUNTS.set(Counts {
        peak: before.peak.max(after.peak),
        ..after
    });
    let usage = Usage {
        allocations: after.allocations - before.allocations,
        bytes: after.bytes - before.bytes,
        peak: (after.peak - before.live).try_into().unwrap_or(0),
        held: after.live - before.live,
    };
    (result, usage)
}

#[derive(Clone, Copy)]
struct Counts {
    allocations: usize,
    bytes: usize,
    live: isize,
    peak: isize,
}

thread_local! {
    static COUNTS: Cell<Counts> = const {
        Cell::new(Counts { allocations: 0, bytes: 0, live: 0, peak: 0 })
    };
}

/// Notes that `new` bytes were asked for in the place of `old` ones.
fn note(new: usize, old: usize) {
    // A thread that ends has no counts any more.
    let _ = COUNTS.try_with(|counts| {
        let mut now = counts.get();
        if new > 0 {
            now.allocations += 1;
            now.bytes += new;
        }
        now.live += new as isize - old as isize;
        now.peak = now.peak.max(now.live);
        counts.set(now);
    });
}

// SAFETY: every method hands its arguments on to the system's allocator and
// returns what that returns; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.realloc(place, layout, size) }
    }
}
