//! The table, as text and as Markdown, and what it comes to.

use std::fmt::Write;

use crate::run::{Block, Row};
use crate::sample::{Sample, Spread};

/// Median, least and most of one column; each may be missing.
impl Row {
    /// User instructions a message.
    pub fn user(&self) -> Option<Spread> {
        let simulated = self.simulated.map(|n| Spread {
            median: n,
            min: n,
            max: n,
        });
        Spread::of(&self.samples, |sample| sample.user).or(simulated)
    }

    pub fn kernel(&self) -> Option<Spread> {
        Spread::of(&self.samples, |sample| sample.kernel)
    }

    /// Processor time a message.
    pub fn cpu(&self) -> Option<Spread> {
        Spread::of(&self.samples, |sample| Some(sample.cpu))
    }

    fn median(&self, number: impl Fn(&Sample) -> f64) -> f64 {
        let spread = Spread::of(&self.samples, |sample| Some(number(sample)));
        spread.map_or(0.0, |spread| spread.median)
    }
}

const HEAD: [&str; 11] = [
    "",
    "user instr.",
    "÷ floor",
    "kernel instr.",
    "CPU ns",
    "min–max",
    "÷ floor",
    "wall ns",
    "allocs",
    "alloc. bytes",
    "calls",
];

/// The cells of a row; ratios are to the block's floor.
fn cells(row: &Row, floor: &Row) -> [String; 11] {
    let ratio = |ours: Option<Spread>, floor: Option<Spread>| match (ours, floor) {
        (Some(ours), Some(floor)) => format!("{:.2}", ours.median / floor.median),
        _ => "-".into(),
    };
    let whole = |spread: Option<Spread>| match spread {
        Some(spread) => format!("{:.0}", spread.median),
        None => "-".into(),
    };
    let cpu = row.cpu();
    [
        row.subject.clone(),
        whole(row.user()),
        ratio(row.user(), floor.user()),
        whole(row.kernel()),
        cpu.map_or("-".into(), |spread| time(spread.median)),
        cpu.map_or("-".into(), |spread| {
            format!("{}–{}", time(spread.min), time(spread.max))
        }),
        ratio(cpu, floor.cpu()),
        time(row.median(|sample| sample.wall)),
        counted(row.median(|sample| sample.allocations), 2),
        counted(row.median(|sample| sample.allocated), 0),
        counted(row.median(|sample| sample.calls), 2),
    ]
}

fn counted(n: f64, places: usize) -> String {
    match n.is_nan() {
        true => "-".into(),
        false => format!("{n:.places$}"),
    }
}

fn time(ns: f64) -> String {
    match ns {
        ..100.0 => format!("{ns:.1}"),
        _ => format!("{ns:.0}"),
    }
}

/// Markdown that is a table in the terminal too.
pub fn markdown(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        let floor = block.rows.iter().find(|row| row.subject == "floor");
        let Some(floor) = floor else { continue };
        let rows: Vec<_> = block.rows.iter().map(|row| cells(row, floor)).collect();
        let mut head = HEAD.map(String::from);
        head[0] = block.name.into();
        let width = |n: usize| {
            rows.iter()
                .chain([&head])
                .map(|r| r[n].chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..HEAD.len()).map(|n| width(n).unwrap_or(0)).collect();
        let mut line = |cells: &[String; 11]| {
            let _ = write!(out, "| {:<w$} |", cells[0], w = widths[0]);
            for (cell, w) in cells.iter().zip(&widths).skip(1) {
                let _ = write!(out, " {cell:>w$} |");
            }
            out.push('\n');
        };
        line(&head);
        let mut rule = widths.iter().map(|w| format!("{}:", "-".repeat(w - 1)));
        line(&std::array::from_fn(|_| rule.next().unwrap_or_default()));
        rows.iter().for_each(&mut line);
        let load = block
            .rows
            .iter()
            .filter_map(|row| row.load)
            .reduce(f64::max);
        if let Some(load) = load {
            let _ = writeln!(
                out,
                "\nThe load generator was busy for at most {:.0} %.",
                load * 100.0
            );
        }
        out.push('\n');
    }
    out
}

/// What the rows are built with.
pub const BUILT: &str = "\
sockeye: feature `simd`, as in its adapters by default, or without it. fastwebsockets:
feature `simd`, its default. tokio-websockets: vector instructions, which it always has.
tungstenite, tokio-tungstenite: neither has any. engineioxide: feature `v3`.
";

/// In how many scenarios sockeye is ahead of every peer.
pub fn summary(blocks: &[Block]) -> String {
    let samples: usize = blocks
        .iter()
        .flat_map(|b| &b.rows)
        .map(|r| r.samples.len())
        .sum();
    let ahead = |number: fn(&Row) -> Option<Spread>, portable: bool| {
        let won = |block: &&Block| {
            let best = |rows: &mut dyn Iterator<Item = &Row>| {
                let medians = rows.filter_map(number).map(|spread| spread.median);
                medians.reduce(f64::min)
            };
            let mut ours = block
                .rows
                .iter()
                .filter(|r| r.is_ours() && r.is_portable() == portable);
            let mut peers = block.rows.iter().filter(|r| r.is_peer());
            match (best(&mut ours), best(&mut peers)) {
                (Some(ours), Some(peers)) => ours < peers,
                _ => false,
            }
        };
        blocks.iter().filter(won).count()
    };
    format!(
        "{} scenarios, {samples} samples: sockeye ahead of every peer in {} by user \
         instructions and in {} by processor time ({} and {} without simd)",
        blocks.len(),
        ahead(Row::user, false),
        ahead(Row::cpu, false),
        ahead(Row::user, true),
        ahead(Row::cpu, true),
    )
}
