//! Reads ledgers and says what became of every message.
//!
//!     cargo run -p sockeye-tests --bin ledger -- RUN FILE...
//!
//! Exits with 1 where a message was lost, doubled, reordered or changed.

use std::fs;
use std::process::ExitCode;

use sockeye_tests::ledger::Report;

fn main() -> std::io::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let run = arguments.next().unwrap_or_default();
    let ledgers = arguments.map(fs::read_to_string);
    let ledgers: Vec<String> = ledgers.collect::<Result<_, _>>()?;
    let report = Report::new(&run, ledgers.iter().flat_map(|ledger| ledger.lines()));
    println!("{report}");
    Ok(ExitCode::from(u8::from(!report.is_clean())))
}
