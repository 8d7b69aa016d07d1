//! sockeye without a standard library: this program has its own entry point,
//! allocator and panic handler, and is linked without libc. Anything that pulls
//! in `std` brings a second panic handler, and does not build.
//!
//! It exits with 42 if every exchange went byte for byte as it should, and with
//! the number of the first one that did not otherwise.
#![no_std]
#![no_main]

extern crate alloc;

mod exchanges;
mod platform;

/// What the platform's entry point calls.
fn main() -> u8 {
    let exchanges: [(u8, fn() -> bool); 6] = [
        (1, exchanges::server_accepts),
        (2, exchanges::server_refuses),
        (3, exchanges::client_opens),
        (4, exchanges::connection_echoes),
        (5, exchanges::connection_fails),
        (6, exchanges::driver_echoes),
    ];
    let failed = exchanges.iter().find(|(_, went_well)| !went_well());
    failed.map_or(42, |(number, _)| *number)
}
