//! A snapshot as sections of facts and tables, in the order in which a person asks: what ran, where the time went, what was translated, how
//! well it hangs together, what is hot. Derived numbers are computed here and nowhere else.

mod flow;
mod hot;
mod work;

pub use work::phase_title;

use super::number::{bytes, percent, time};
use metaphrase_runtime::stats::Stats;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// Numbers: aligned to the right.
    pub right: bool,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, each with a cell for every column.
    pub rows: Vec<Vec<String>>,
    /// Rows that were left out.
    pub more: usize,
}

/// A picture that goes with a section, where pictures can be drawn.
#[derive(Clone, Debug)]
pub enum Chart {
    /// Parts of a whole: name, value.
    Shares(Vec<(&'static str, u64)>),
    /// What the CPUs did over time.
    Phases,
    /// Code memory and regions over time.
    Occupancy,
    /// Horizontal bars: name, value.
    Bars(Vec<(String, u64)>),
}

/// One section of a report.
#[derive(Clone, Debug)]
pub struct Section {
    /// Anchor in the page.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// How to read it.
    pub note: &'static str,
    /// Pictures.
    pub charts: Vec<Chart>,
    /// Facts: name, value.
    pub facts: Vec<(String, String)>,
    /// Tables.
    pub tables: Vec<Table>,
}

impl Section {
    fn new(id: &'static str, title: &'static str, note: &'static str) -> Section {
        Section {
            id,
            title,
            note,
            charts: Vec::new(),
            facts: Vec::new(),
            tables: Vec::new(),
        }
    }

    fn fact(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.facts.push((name.into(), value.into()));
    }
}

fn columns(names: &[&'static str]) -> Vec<Column> {
    // A leading '<' means text.
    let column = |n: &&'static str| match n.strip_prefix('<') {
        Some(name) => Column { name, right: false },
        None => Column {
            name: n,
            right: true,
        },
    };
    names.iter().map(column).collect()
}

/// All sections; tables of things are cut after `top` rows.
pub fn all(s: &Stats, top: usize) -> Vec<Section> {
    vec![
        overview(s),
        work::time_split(s),
        work::tiers(s),
        work::translation(s),
        work::queue(s),
        flow::lookups(s),
        flow::cache(s),
        hot::regions(s, top),
        hot::baseline(s, top),
        hot::blocks(s, top),
        hot::helpers(s, top),
        hot::syscalls(s, top),
        hot::counters(s),
    ]
}

fn overview(s: &Stats) -> Section {
    let mut o = Section::new("overview", "Process", "");
    let p = &s.process;
    o.fact("program", &p.program);
    o.fact("arguments", p.args.join(" "));
    o.fact("process", format!("{} ({})", p.pid, p.end));
    o.fact("wall time", time(s.time.wall_ns));
    let cpu = s.time.user_ns + s.time.system_ns;
    let kernel = percent(s.time.system_ns, cpu);
    o.fact(
        "CPU time",
        format!("{} ({kernel} in the kernel)", time(cpu)),
    );
    o.fact("largest resident set", bytes(s.time.max_rss));
    let c = &s.config;
    o.fact(
        "tier 1",
        format!(
            "{}, threshold {}, {} thread(s), code memory {}",
            c.jit,
            c.threshold,
            c.threads,
            bytes(c.cache_size)
        ),
    );
    o.fact("metaphrase", &s.version);
    o
}
