//! See `sockeye_tests::fuzz::engineio_payload`.
#![no_main]

use sockeye_tests::{alloc, fuzz};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::engineio_payload(data));
