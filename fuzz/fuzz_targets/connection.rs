//! See `sockeye_tests::fuzz::connection`.
#![no_main]

use sockeye_tests::{alloc, fuzz};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::connection(data));
