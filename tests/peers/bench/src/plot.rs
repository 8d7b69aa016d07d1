//! The table as a picture: a bar for each row, as long as its ratio to the floor.

use std::fmt::Write;

use crate::run::{Block, Row};
use crate::sample::Spread;

const LINE: usize = 18;
const NAMES: usize = 190;
const BARS: f64 = 420.0;
/// Longer bars are cut here.
const MOST: f64 = 12.0;

/// An SVG with user instructions to the left and processor time to the right.
pub fn svg(blocks: &[Block]) -> String {
    let lines: usize = blocks.iter().map(|block| block.rows.len() + 2).sum();
    let (width, height) = (NAMES + 2 * (BARS as usize + 80), (lines + 2) * LINE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let right = NAMES as f64 + BARS + 80.0;
    text(
        &mut out,
        NAMES as f64,
        LINE,
        "user instructions, floor = 1",
        "bold",
    );
    text(&mut out, right, LINE, "processor time, floor = 1", "bold");
    let mut y = 2 * LINE;
    for block in blocks {
        y += LINE;
        text(&mut out, 4.0, y, block.name, "bold");
        let floor = block.rows.iter().find(|row| row.subject == "floor");
        for row in &block.rows {
            y += LINE;
            text(&mut out, 12.0, y, &row.subject, "normal");
            let Some(floor) = floor else { continue };
            bar(&mut out, NAMES as f64, y, row, row.user(), floor.user());
            bar(&mut out, right, y, row, row.cpu(), floor.cpu());
        }
        y += LINE;
    }
    out.push_str("</svg>\n");
    out
}

fn text(out: &mut String, x: f64, y: usize, text: &str, weight: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-weight=\"{weight}\">{text}</text>"
    );
}

fn bar(out: &mut String, x: f64, y: usize, row: &Row, of: Option<Spread>, floor: Option<Spread>) {
    let (Some(of), Some(floor)) = (of, floor) else {
        return;
    };
    let ratio = of.median / floor.median;
    let width = ratio.min(MOST) / MOST * BARS;
    let colour = match (row.is_ours(), row.is_peer()) {
        (true, _) => "#d9482b",
        (_, true) => "#7a93a8",
        _ => "#c9d2d9",
    };
    let top = y - 11;
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{top}\" width=\"{width:.1}\" height=\"13\" fill=\"{colour}\"/>"
    );
    text(out, x + width + 4.0, y, &format!("{ratio:.2}"), "normal");
}
