//! sockeye beside its peers, in one run and one table. See the README of this folder.

mod count;
mod decode;
mod encode;
mod engineio;
mod floor;
mod keys;
mod load;
mod payload;
mod plot;
mod run;
mod sample;
mod scenario;
mod serve;
mod table;
mod tape;
mod worker;

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crate::run::{Plan, Programs};

#[global_allocator]
static ALLOCATOR: count::Counting = count::Counting;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["worker", scenario, subject, ms] => {
            let time = Duration::from_millis(ms.parse().expect("milliseconds"));
            println!(
                "{}",
                worker::run(&numbered(scenario), subject, time).encode()
            );
            Ok(())
        }
        ["count", scenario, subject] => {
            println!("{}", worker::count(&numbered(scenario), subject));
            Ok(())
        }
        ["serve", subject] => serve::run(subject),
        ["serve-engineio", subject] => engineio::serve::run(subject),
        _ => match plan(&words) {
            Some(plan) => compare(&plan),
            None => Err(io::Error::other(
                "usage: [--quick] [--rounds N] [--only NAME] [--keep]",
            )),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The name of what is no scenario: it has a table of its own.
const IDLE: &str = "idle sessions";

fn numbered(scenario: &str) -> scenario::Scenario {
    let number: usize = scenario.parse().expect("the number of a scenario");
    scenario::all().swap_remove(number)
}

fn plan(mut words: &[&str]) -> Option<Plan> {
    let mut plan = Plan {
        rounds: 7,
        memory: Duration::from_millis(100),
        echo: Duration::from_millis(1000),
        only: String::new(),
        keep: false,
    };
    loop {
        words = match words {
            [] => return Some(plan),
            ["--quick", rest @ ..] => {
                plan.rounds = 3;
                plan.memory = Duration::from_millis(10);
                plan.echo = Duration::from_millis(60);
                rest
            }
            ["--rounds", rounds, rest @ ..] => {
                plan.rounds = rounds.parse().ok().filter(|n| *n > 0)?;
                rest
            }
            ["--keep", rest @ ..] => {
                plan.keep = true;
                rest
            }
            ["--only", name, rest @ ..] => {
                plan.only = name.to_string();
                rest
            }
            _ => return None,
        }
    }
}

/// Builds what is missing, measures everything, and shows and keeps the table.
fn compare(plan: &Plan) -> io::Result<()> {
    if cfg!(debug_assertions) {
        return Err(io::Error::other(
            "this is a debug build: use cargo run --release",
        ));
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let out = target.join("bench");
    std::fs::create_dir_all(&out)?;
    let whole = std::env::current_exe()?;
    let all = scenario::all();
    let mut wanted = all.iter().filter(|it| it.name.contains(&plan.only));
    let programs = Programs {
        portable: match wanted.any(|it| it.is_in_vectors()) {
            true => build_portable(&target)?,
            false => whole.clone(),
        },
        whole,
        simulator: simulator().then(|| out.clone()),
        others: engineio::others::Others::install(&out),
    };
    let blocks = run::run(plan, &programs)?;
    let mut table = table::markdown(&blocks);
    if IDLE.contains(&plan.only) {
        table += &engineio::idle::table(&programs)?;
        table += "\n";
    }
    table = table + table::BUILT + "\n";
    let summary = table::summary(&blocks);
    std::fs::write(out.join("table.md"), format!("{table}{summary}\n"))?;
    std::fs::write(out.join("plot.svg"), plot::svg(&blocks))?;
    if plan.keep {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../RESULTS.md");
        std::fs::write(path, results(&table, &summary)?)?;
    }
    print!("{table}");
    println!("Kept in {}", out.canonicalize()?.display());
    println!("{summary}");
    Ok(())
}

/// The table with the day and the kind of machine.
fn results(table: &str, summary: &str) -> io::Result<String> {
    let day = Command::new("date").args(["-u", "+%Y-%m-%d"]).output()?;
    let day = String::from_utf8_lossy(&day.stdout).trim().to_string();
    let processor = std::fs::read_to_string("/proc/cpuinfo")?;
    let processor = processor.lines().find(|it| it.starts_with("model name"));
    let processor = processor.and_then(|line| line.split(": ").nth(1));
    let processor = processor.unwrap_or("an unknown processor");
    let count = std::thread::available_parallelism()?;
    Ok(format!(
        "# Results\n\n\
         Measured on {day} on {count} processors of the kind {processor}. What the rows are\n\
         is told in the README of this folder.\n\n\
         {table}\n{summary}\n"
    ))
}

/// The same program without sockeye's feature `simd`, and without peers.
fn build_portable(target: &Path) -> io::Result<std::path::PathBuf> {
    eprintln!("building sockeye without simd");
    let target = target.join("portable");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--no-default-features"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .arg("--target-dir")
        .arg(&target)
        .status()?;
    match status.success() {
        true => Ok(target.join("release").join(env!("CARGO_BIN_NAME"))),
        false => Err(io::Error::other("sockeye without simd does not build")),
    }
}

/// Whether valgrind is there.
fn simulator() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// What a future over a transport in memory gives: it never has to wait.
#[cfg(feature = "peers")]
fn now<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Waker};

    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("memory does not make one wait"),
    }
}
