//! What is hot: regions, blocks, helpers, system calls; and all counters.

use super::{Chart, Section, Table, columns};
use crate::report::number::{address, bytes, count, percent, ratio, time};
use metaphrase_runtime::stats::snapshot::{BlockRecord, EvalCount, SyscallCount};
use metaphrase_runtime::stats::{Counter, CounterUnit, RegionRecord, Stats};

/// Where a region lies, for tables.
fn place(symbol: &Option<String>) -> String {
    symbol.clone().unwrap_or_else(|| "?".into())
}

pub(super) fn regions(s: &Stats, top: usize) -> Section {
    let mut o = Section::new(
        "regions",
        "Hottest regions",
        "By samples (a CPU seen in the region, one a millisecond), then by entries. Regions that were dropped are included.",
    );
    let mut order: Vec<&RegionRecord> = s.regions.iter().collect();
    order.sort_by_key(|r| std::cmp::Reverse((r.samples, r.executions, r.guest_insns)));
    let samples: u64 = s.regions.iter().map(|r| r.samples).sum();
    let bar = |r: &&RegionRecord| (format!("{} {}", address(r.pc), place(&r.symbol)), r.samples);
    let bars: Vec<_> = order
        .iter()
        .take(12)
        .filter(|r| r.samples > 0)
        .map(bar)
        .collect();
    if !bars.is_empty() {
        o.charts.push(Chart::Bars(bars));
    }
    let row = |r: &&RegionRecord| {
        vec![
            address(r.pc),
            place(&r.symbol),
            count(r.samples),
            percent(r.samples, samples),
            count(r.executions),
            r.guest_insns.to_string(),
            r.entries.len().to_string(),
            bytes(r.host_bytes),
            ratio(r.host_bytes, 4 * r.guest_insns as u64),
            time(r.compile_ns),
            r.rebuilds.to_string(),
            r.ended
                .map_or(String::new(), |e| format!("{:?}", e.1).to_lowercase()),
        ]
    };
    o.tables.push(Table {
        columns: columns(&[
            "guest pc",
            "<symbol",
            "samples",
            "share",
            "entered",
            "insns",
            "entries",
            "code",
            "expansion",
            "compiled in",
            "rebuilds",
            "<dropped",
        ]),
        rows: order.iter().take(top).map(row).collect(),
        more: order.len().saturating_sub(top),
    });
    o
}

pub(super) fn baseline(s: &Stats, top: usize) -> Section {
    let mut o = Section::new(
        "baseline",
        "Hottest baseline blocks",
        "By samples, then by guest instructions executed there.",
    );
    let row = |r: &RegionRecord| {
        vec![
            address(r.pc),
            place(&r.symbol),
            count(r.samples),
            count(r.executions),
            r.guest_insns.to_string(),
            bytes(r.host_bytes),
            ratio(r.host_bytes, 4 * r.guest_insns as u64),
        ]
    };
    o.tables.push(Table {
        columns: columns(&[
            "guest pc",
            "<symbol",
            "samples",
            "entered",
            "insns",
            "code",
            "expansion",
        ]),
        rows: s.baseline.iter().take(top).map(row).collect(),
        more: s.baseline.len().saturating_sub(top),
    });
    o
}

pub(super) fn blocks(s: &Stats, top: usize) -> Section {
    let mut o = Section::new(
        "blocks",
        "Hottest blocks in the interpreter",
        "By guest instructions executed, from the heat counters; live blocks only.",
    );
    let row = |b: &BlockRecord| {
        vec![
            address(b.pc),
            place(&b.symbol),
            count(b.executions),
            b.guest_insns.to_string(),
            count(b.executions * b.guest_insns as u64),
            if b.compiled { "yes" } else { "" }.into(),
        ]
    };
    o.tables.push(Table {
        columns: columns(&[
            "guest pc",
            "<symbol",
            "executions",
            "insns",
            "insns executed",
            "<compiled",
        ]),
        rows: s.blocks.iter().take(top).map(row).collect(),
        more: s.blocks.len().saturating_sub(top),
    });
    o
}

pub(super) fn helpers(s: &Stats, top: usize) -> Section {
    let mut o = Section::new(
        "helpers",
        "Helper calls",
        "Helpers by name; operations that Eval computes because tier 0 has no bytecode or tier 1 no host instructions for them.",
    );
    let mut names: Vec<_> = s.helpers.iter().filter(|h| *h.1 > 0).collect();
    names.sort_by_key(|h| std::cmp::Reverse(h.1));
    o.tables.push(Table {
        columns: columns(&["<helper", "calls"]),
        rows: names
            .iter()
            .map(|(n, c)| vec![n.to_string(), count(**c)])
            .collect(),
        more: 0,
    });
    let row = |e: &EvalCount| vec![e.op.clone(), count(e.tier0), count(e.tier1)];
    o.tables.push(Table {
        columns: columns(&["<operation by Eval", "in tier 0", "from tier 1"]),
        rows: s.evals.iter().take(top).map(row).collect(),
        more: s.evals.len().saturating_sub(top),
    });
    o
}

pub(super) fn syscalls(s: &Stats, top: usize) -> Section {
    let mut o = Section::new("syscalls", "System calls", "Time includes waiting.");
    let row = |c: &SyscallCount| vec![c.name.clone(), count(c.calls), count(c.errors), time(c.ns)];
    o.tables.push(Table {
        columns: columns(&["<call", "calls", "errors", "time"]),
        rows: s.syscalls.iter().take(top).map(row).collect(),
        more: s.syscalls.len().saturating_sub(top),
    });
    o
}

pub(super) fn counters(s: &Stats) -> Section {
    let mut o = Section::new("counters", "All counters", "THE list, as counted.");
    let row = |c: &Counter| {
        let i = c.info();
        let n = s.get(*c);
        let value = match i.unit {
            CounterUnit::Bytes => bytes(n),
            CounterUnit::Nanoseconds | CounterUnit::Ticks => time(n),
            CounterUnit::Peak if i.name.ends_with("_ns") => time(n),
            CounterUnit::Count | CounterUnit::Peak => count(n),
        };
        vec![i.name.into(), value, i.doc.into()]
    };
    o.tables.push(Table {
        columns: columns(&["<counter", "value", "<meaning"]),
        rows: Counter::ALL.iter().map(row).collect(),
        more: 0,
    });
    o
}
