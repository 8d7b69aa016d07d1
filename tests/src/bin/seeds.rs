//! Writes the inputs that the fuzzers begin with: the tables of vectors, in the
//! notation of each target. Inputs that a fuzzer found are left alone.
//!
//!     cargo run -p sockeye-tests --bin seeds

use std::fs;
use std::path::Path;

use sockeye_tests::engineio::PayloadVector;
use sockeye_tests::fuzz;
use sockeye_tests::handshake::{ClientVector, ServerVector};
use sockeye_tests::trace::Side;
use sockeye_tests::vectors::{self, Vector};

/// Longer inputs are left to the tests that run the tables themselves.
const LONGEST: usize = 1024;

fn main() -> std::io::Result<()> {
    let mut connections = Vec::new();
    for table in ["frame", "message", "close"] {
        for vector in vectors::load::<Vector>(table) {
            let is_client = vector.role == Side::Client;
            let seed = fuzz::seed(is_client, !vector.is_whole(), &vector.input);
            connections.push((vector.id, seed));
        }
    }
    write("connection", connections)?;
    let payloads = vectors::load::<PayloadVector>("engineio_payload");
    let payloads = payloads.into_iter().map(|vector| {
        let seed = fuzz::payload_seed(vector.version(), vector.kind(), &vector.body);
        (vector.id, seed)
    });
    write("engineio_payload", payloads)?;
    let requests = vectors::load::<ServerVector>("handshake_server");
    let requests = requests
        .iter()
        .map(|vector| (vector.id.clone(), vector.input()));
    write(
        "handshake_request",
        requests.map(|(id, input)| (id, [&[0, 1], &input[..]].concat())),
    )?;
    let responses = vectors::load::<ClientVector>("handshake_client");
    let responses = responses
        .iter()
        .map(|vector| (vector.id.clone(), vector.input()));
    write(
        "handshake_response",
        responses.map(|(id, input)| (id, [&[5, 1], &input[..]].concat())),
    )
}

/// Names each input after its rule and its number among those of the rule.
fn write(target: &str, inputs: impl IntoIterator<Item = (String, Vec<u8>)>) -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    fs::create_dir_all(&corpus)?;
    let mut numbers = std::collections::HashMap::new();
    for (id, input) in inputs {
        let number = numbers.entry(id.clone()).or_insert(0);
        *number += 1;
        if input.len() <= LONGEST {
            let name = format!("{id}-{number}").to_lowercase().replace(' ', "-");
            fs::write(corpus.join(name), input)?;
        }
    }
    Ok(())
}
