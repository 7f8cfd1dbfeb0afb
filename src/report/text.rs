//! Sections as text for a terminal.

use super::sections::{self, Section, Table};
use metaphrase_runtime::stats::Stats;
use std::fmt::Write;

/// Widest symbol column.
const CELL_MAX: usize = 48;

/// Everything, tables cut after `top` rows.
pub fn full(s: &Stats, top: usize) -> String {
    let mut out = String::new();
    for section in sections::all(s, top) {
        write_section(&mut out, &section);
    }
    out
}

/// What `--stats` prints when a process ends: enough to see whether more is worth asking for.
pub fn summary(s: &Stats) -> String {
    const SHOWN: &[&str] = &[
        "overview",
        "time",
        "tiers",
        "translation",
        "lookups",
        "cache",
        "regions",
        "helpers",
    ];
    let mut out = String::new();
    let mut all = sections::all(s, 10);
    all.retain(|x| SHOWN.contains(&x.id));
    for section in &mut all {
        if section.id == "lookups" {
            section.tables.truncate(1);
        }
        section.note = "";
        write_section(&mut out, section);
    }
    out
}

fn write_section(out: &mut String, s: &Section) {
    let empty = s.facts.is_empty() && s.tables.iter().all(|t| t.rows.is_empty());
    if empty {
        return;
    }
    let _ = writeln!(out, "== {} ==", s.title);
    if !s.note.is_empty() {
        let _ = writeln!(out, "{}", s.note);
    }
    let width = s
        .facts
        .iter()
        .map(|f| f.0.chars().count())
        .max()
        .unwrap_or(0);
    for (name, value) in &s.facts {
        let _ = writeln!(out, "  {name:width$}  {value}");
    }
    for t in s.tables.iter().filter(|t| !t.rows.is_empty()) {
        write_table(out, t);
    }
    out.push('\n');
}

fn cut(cell: &str) -> String {
    match cell.chars().count() {
        0..=CELL_MAX => cell.to_string(),
        _ => cell
            .chars()
            .take(CELL_MAX - 3)
            .chain("...".chars())
            .collect(),
    }
}

fn write_table(out: &mut String, t: &Table) {
    let last = t.columns.len() - 1;
    let head: Vec<String> = t.columns.iter().map(|c| c.name.to_string()).collect();
    // The last column may be as wide as it likes.
    let cells = |row: &[String]| -> Vec<String> {
        let cell = |(i, c): (usize, &String)| if i == last { c.clone() } else { cut(c) };
        row.iter().enumerate().map(cell).collect()
    };
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(t.rows.iter().map(|r| cells(r)))
        .collect();
    let width = |i: usize| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..t.columns.len()).map(width).collect();
    for r in &rows {
        let mut line = String::from("  ");
        for ((cell, &w), c) in r.iter().zip(&widths).zip(&t.columns) {
            let _ = match c.right {
                true => write!(line, "{cell:>w$}  "),
                false => write!(line, "{cell:<w$}  "),
            };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if t.more > 0 {
        let _ = writeln!(out, "  ... {} more", t.more);
    }
}
