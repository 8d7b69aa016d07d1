//! See `sockeye_tests::fuzz::handshake_request`.
#![no_main]

use sockeye_tests::{alloc, fuzz};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::handshake_request(data));
