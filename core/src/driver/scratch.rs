//! Buffers that a thread lends for the length of one poll.
//!
//! An idle connection owns no buffer: it reads into its thread's, and what it
//! has to keep is moved into storage of its exact size.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::websocket::OutputBuffer;

/// What one read takes at the most.
#[cfg(feature = "std")]
const READ: usize = 64 * 1024;
#[cfg(not(feature = "std"))]
const READ: usize = 8 * 1024;

/// The largest message whose storage a thread keeps.
#[cfg(feature = "std")]
const SPARE: usize = 1024 * 1024;

/// The buffers of one poll. Read storage is zeroed once in its life.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) read: Box<[u8]>,
    pub(super) write: OutputBuffer,
    /// The storage of a message that was given back.
    pub(super) spare: Vec<u8>,
}

impl Scratch {
    fn new() -> Box<Self> {
        Box::new(Self {
            read: alloc::vec![0; READ].into(),
            write: OutputBuffer::default(),
            spare: Vec::new(),
        })
    }
}

#[cfg(feature = "std")]
std::thread_local! {
    static SCRATCH: core::cell::Cell<Option<Box<Scratch>>> = const { core::cell::Cell::new(None) };
}

/// The buffers of this thread. A poll inside a poll, or at the end of the
/// thread's life, gets new ones.
#[cfg(feature = "std")]
#[inline]
pub(super) fn take() -> Box<Scratch> {
    let lent = SCRATCH.try_with(core::cell::Cell::take);
    lent.ok().flatten().unwrap_or_else(Scratch::new)
}

/// Gives them back.
#[cfg(feature = "std")]
#[inline]
pub(super) fn give_back(mut scratch: Box<Scratch>) {
    if scratch.spare.capacity() > SPARE {
        scratch.spare = Vec::new();
    }
    // At the end of the thread's life they are dropped instead.
    let _ = SCRATCH.try_with(|slot| slot.set(Some(scratch)));
}

/// Without threads to lend them, buffers live as long as the poll.
#[cfg(not(feature = "std"))]
pub(super) fn take() -> Box<Scratch> {
    Scratch::new()
}

/// Drops them.
#[cfg(not(feature = "std"))]
pub(super) fn give_back(_: Box<Scratch>) {}
