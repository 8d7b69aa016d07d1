//! `cargo run --release -p sockeye-peers-differential -- [seeds] [first seed]`

use std::process::ExitCode;

use sockeye_peers_differential::{Tally, divergences};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Ok(seeds), Ok(first)) = (
        numbers.next().unwrap_or(Ok(20_000)),
        numbers.next().unwrap_or(Ok(0)),
    ) else {
        eprintln!("usage: [seeds] [first seed]");
        return ExitCode::FAILURE;
    };
    let list = divergences();
    let mut tally = Tally::default();
    for seed in first..first.saturating_add(seeds) {
        tally.add(seed, &list);
        if tally.streams() % 10_000 == 0 {
            eprintln!("{} of {seeds} streams", tally.streams());
        }
    }
    for unlisted in tally.unlisted.iter().take(20) {
        println!("{unlisted}");
    }
    for (id, met) in &tally.listed {
        println!("{met:8} as listed: {id}");
    }
    for id in tally.unmet(&list) {
        println!("not met: {id}");
    }
    println!(
        "{} streams: {} the same, {} different as listed, {} different otherwise",
        tally.streams(),
        tally.same,
        tally.listed.values().sum::<u64>(),
        tally.unlisted.len(),
    );
    match tally.unlisted.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
