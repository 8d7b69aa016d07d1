//! The committed inputs of the fuzzers, through the functions that they run.

use std::fs;
use std::path::Path;

use sockeye_tests::{alloc, fuzz};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Runs every input for `target`, and some changes of each.
fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut inputs: Vec<_> = fs::read_dir(corpus.join(target))
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    inputs.sort();
    assert!(inputs.len() > 20, "{} inputs", inputs.len());
    for input in inputs {
        println!("{}", input.display());
        let bytes = fs::read(&input).expect("an input");
        run(&bytes);
        // What a fuzzer would try first.
        for n in 0..4 {
            let mut flipped = bytes.clone();
            if let Some(byte) = flipped.get_mut(bytes.len() * n / 4) {
                *byte ^= 1 << (2 * n);
            }
            run(&flipped);
        }
    }
}

#[test]
fn connections() {
    replay("connection", fuzz::connection);
}

#[test]
fn requests() {
    replay("handshake_request", fuzz::handshake_request);
}

#[test]
fn responses() {
    replay("handshake_response", fuzz::handshake_response);
}

#[test]
fn payloads() {
    replay("engineio_payload", fuzz::engineio_payload);
}
