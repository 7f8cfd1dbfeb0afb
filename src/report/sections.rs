//! A snapshot as sections of facts and tables, in the order in which a person asks: what ran, where the time went, what was translated, how
//! well it hangs together, what is hot. Derived numbers are computed here and nowhere else.

use super::number::{address, bytes, count, percent, ratio, time};
use metaphrase_runtime::stats::{Counter, CounterUnit, Phase, RegionRecord, Stats};

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
        time_split(s),
        tiers(s),
        translation(s),
        queue(s),
        lookups(s),
        cache(s),
        regions(s, top),
        blocks(s, top),
        helpers(s, top),
        syscalls(s, top),
        counters(s),
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

/// Name of a phase for people.
pub fn phase_title(p: Phase) -> &'static str {
    match p {
        Phase::Dispatch => "dispatcher",
        Phase::Translate => "decode and translate",
        Phase::Bytecode => "make bytecode",
        Phase::Tier0 => "tier 0",
        Phase::Tier1 => "tier 1",
        Phase::Compile => "compile (own thread)",
        Phase::Syscall => "system calls",
        Phase::Exception => "signals and faults",
    }
}

fn time_split(s: &Stats) -> Section {
    let mut o = Section::new(
        "time",
        "Where the time went",
        "CPU threads by what they did, from clocks read at each change; a thread that waits in a system call counts as there. Compile threads run beside them.",
    );
    let total: u64 = Phase::ALL.iter().map(|&p| s.phase_ns(p)).sum();
    let mut t = Table {
        columns: columns(&["<CPU threads", "time", "share"]),
        ..Table::default()
    };
    for p in Phase::ALL {
        let ns = s.phase_ns(p);
        t.rows
            .push(vec![phase_title(p).into(), time(ns), percent(ns, total)]);
    }
    o.charts.push(Chart::Shares(
        Phase::ALL
            .iter()
            .map(|&p| (phase_title(p), s.phase_ns(p)))
            .collect(),
    ));
    let stages = [
        ("choose, decode, translate", Counter::StageRegion),
        ("optimise IR", Counter::StageOptimise),
        ("lower, Cranelift", Counter::StageBackend),
        ("place, evict, link", Counter::StagePublish),
    ];
    let total: u64 = stages.iter().map(|x| s.get(x.1)).sum();
    let mut c = Table {
        columns: columns(&["<compile threads", "time", "share"]),
        ..Table::default()
    };
    for (name, counter) in stages {
        let ns = s.get(counter);
        c.rows.push(vec![name.into(), time(ns), percent(ns, total)]);
    }
    o.tables = vec![t, c];
    o
}

fn tiers(s: &Stats) -> Section {
    let mut o = Section::new(
        "tiers",
        "Tiers",
        "Tier 0 interprets; tier 1 is compiled code. Over time: what a sample every millisecond saw, without threads in system calls.",
    );
    o.charts.push(Chart::Phases);
    let (t0, t1) = (s.phase_ns(Phase::Tier0), s.phase_ns(Phase::Tier1));
    let mut t = Table {
        columns: columns(&[
            "<tier",
            "time",
            "share",
            "entered by dispatcher",
            "executions",
            "guest instructions",
        ]),
        ..Table::default()
    };
    t.rows.push(vec![
        "0: blocks".into(),
        time(t0),
        percent(t0, t0 + t1),
        count(s.get(Counter::Tier0Runs)),
        count(s.get(Counter::Tier0Executions)),
        count(s.get(Counter::Tier0Executed)),
    ]);
    t.rows.push(vec![
        "1: regions".into(),
        time(t1),
        percent(t1, t0 + t1),
        count(s.get(Counter::Tier1Runs)),
        count(s.get(Counter::Tier1Entries)),
        "-".into(),
    ]);
    o.tables.push(t);
    o
}

fn translation(s: &Stats) -> Section {
    let g = |c| s.get(c);
    let mut o = Section::new("translation", "Translation and expansion", "");
    let mut t = Table {
        columns: columns(&[
            "<tier",
            "units",
            "guest instructions",
            "distinct",
            "repeated",
            "bytes made",
            "bytes per guest byte",
            "time per instruction",
        ]),
        ..Table::default()
    };
    let row = |name: &str, units, insns: Counter, distinct: Counter, made: Counter, ns: u64| {
        let n = g(insns);
        vec![
            name.to_string(),
            count(g(units)),
            count(n),
            count(g(distinct)),
            ratio(n, g(distinct)),
            bytes(g(made)),
            ratio(g(made), 4 * n),
            if n == 0 { "-".into() } else { time(ns / n) },
        ]
    };
    let t0 = s.phase_ns(Phase::Translate) + s.phase_ns(Phase::Bytecode);
    let t1 = [
        Counter::StageRegion,
        Counter::StageOptimise,
        Counter::StageBackend,
        Counter::StagePublish,
    ];
    let t1 = t1.iter().map(|&c| g(c)).sum();
    t.rows.push(row(
        "0: bytecode",
        Counter::Tier0Blocks,
        Counter::Tier0Insns,
        Counter::Tier0Distinct,
        Counter::Tier0Bytes,
        t0,
    ));
    t.rows.push(row(
        "1: host code",
        Counter::CompileRegions,
        Counter::CompileInsns,
        Counter::CompileDistinct,
        Counter::CompileBytes,
        t1,
    ));
    o.tables.push(t);
    let (before, after) = (g(Counter::CompileOps), g(Counter::CompileOpsKept));
    o.fact(
        "IR operations",
        format!(
            "{} before optimisation, {} after ({})",
            count(before),
            count(after),
            percent(after, before)
        ),
    );
    o.fact(
        "entries per region",
        ratio(g(Counter::CompileEntries), g(Counter::CompileRegions)),
    );
    o.fact(
        "regions rebuilt with more entries",
        count(g(Counter::CompileRebuilds)),
    );
    o.fact(
        "memory accesses with a landing pad",
        format!(
            "{} ({} needed a thunk)",
            count(g(Counter::CompileFaultSites)),
            count(g(Counter::CompileThunks))
        ),
    );
    o.fact(
        "operations that call Eval on the hot path",
        count(g(Counter::CompileEvals)),
    );
    o
}

fn queue(s: &Stats) -> Section {
    let g = |c| s.get(c);
    let mut o = Section::new("queue", "Compile queue", "");
    let taken = g(Counter::Queued).saturating_sub(s.cache.queued);
    o.fact(
        "hot blocks queued",
        format!(
            "{} ({} still waiting at the end)",
            count(g(Counter::Queued)),
            s.cache.queued
        ),
    );
    o.fact("longest queue", count(g(Counter::QueuePeak)));
    let mean = if taken == 0 {
        "-".into()
    } else {
        time(g(Counter::QueueWait) / taken)
    };
    o.fact(
        "wait",
        format!(
            "{mean} on average, {} at most",
            time(g(Counter::QueueWaitPeak))
        ),
    );
    o.fact("compiled", count(g(Counter::CompileRegions)));
    o.fact(
        "served by another region meanwhile",
        count(g(Counter::CompileNotNeeded)),
    );
    let lost = [
        Counter::CompileFailed,
        Counter::CompileNoRoom,
        Counter::CompileStale,
    ];
    let lost: Vec<String> = lost
        .iter()
        .map(|&c| format!("{} {}", count(g(c)), c.info().name))
        .collect();
    o.fact("not published", lost.join(", "));
    o
}

fn lookups(s: &Stats) -> Section {
    let g = |c| s.get(c);
    let mut o = Section::new(
        "lookups",
        "Chaining and look-up",
        "Dispatcher counts are exact. Jump-cache hits and region entries are counted by the translated code itself, only with --stats; chained entries are what is left of the region entries.",
    );
    let entries = g(Counter::Tier1Entries);
    let chained = entries.saturating_sub(g(Counter::Tier1Runs) + g(Counter::JumpHits));
    let mut t = Table {
        columns: columns(&["<regions entered", "times", "share"]),
        ..Table::default()
    };
    for (name, n) in [
        ("by a chained direct exit", chained),
        ("by the inline jump cache", g(Counter::JumpHits)),
        ("by the dispatcher", g(Counter::Tier1Runs)),
    ] {
        t.rows
            .push(vec![name.into(), count(n), percent(n, entries)]);
    }
    let rate = |hit: u64, miss: u64| {
        format!(
            "{} ({} of {})",
            percent(hit, hit + miss),
            count(hit),
            count(hit + miss)
        )
    };
    o.fact(
        "jump cache hits",
        rate(g(Counter::JumpHits), g(Counter::JumpMisses)),
    );
    o.fact(
        "dispatcher block cache hits",
        rate(g(Counter::BlockHits), g(Counter::BlockMisses)),
    );
    o.fact(
        "shared table hits after that",
        rate(
            g(Counter::TableHits),
            g(Counter::BlockMisses) - g(Counter::TableHits).min(g(Counter::BlockMisses)),
        ),
    );
    let mut links = Table {
        columns: columns(&["<links", "number"]),
        ..Table::default()
    };
    for c in [
        Counter::LinksBlock,
        Counter::LinksSlot,
        Counter::LinksJump,
        Counter::BrokenEviction,
        Counter::BrokenInvalidation,
        Counter::BrokenRebuild,
    ] {
        links.rows.push(vec![c.info().doc.into(), count(g(c))]);
    }
    let mut left = Table {
        columns: columns(&["<control came back to the dispatcher because", "times"]),
        ..Table::default()
    };
    let reasons = Counter::ALL
        .iter()
        .filter(|c| c.info().name.starts_with("exit."));
    let reasons = reasons.chain(&[Counter::JumpMisses, Counter::Tier0Indirect]);
    let mut rows: Vec<_> = reasons
        .map(|&c| (g(c), c.info().doc))
        .filter(|r| r.0 > 0)
        .collect();
    rows.sort_by_key(|r| std::cmp::Reverse(r.0));
    left.rows = rows
        .into_iter()
        .map(|(n, doc)| vec![doc.into(), count(n)])
        .collect();
    o.tables = vec![t, links, left];
    o
}

fn cache(s: &Stats) -> Section {
    let g = |c| s.get(c);
    let mut o = Section::new("cache", "Code memory", "");
    o.charts.push(Chart::Occupancy);
    o.fact(
        "in use at the end",
        format!(
            "{} of {} ({})",
            bytes(s.cache.in_use),
            bytes(s.cache.capacity),
            percent(s.cache.in_use, s.cache.capacity)
        ),
    );
    o.fact(
        "live at the end",
        format!(
            "{} regions, {} blocks",
            count(s.cache.regions),
            count(s.cache.blocks)
        ),
    );
    o.fact(
        "evicted",
        format!(
            "{} segments, {} regions, {}",
            count(g(Counter::Evictions)),
            count(g(Counter::EvictedRegions)),
            bytes(g(Counter::EvictedBytes))
        ),
    );
    let asked = format!(
        "{} by IC IVAU, {} by mapping calls",
        count(g(Counter::InvalidateIc)),
        count(g(Counter::InvalidateMap))
    );
    o.fact(
        "invalidations",
        format!(
            "{asked}; {} found a translation",
            count(g(Counter::InvalidateHit))
        ),
    );
    o.fact(
        "invalidated",
        format!(
            "{} blocks, {} regions",
            count(g(Counter::InvalidatedBlocks)),
            count(g(Counter::InvalidatedRegions))
        ),
    );
    o
}

/// Where a region lies, for tables.
fn place(symbol: &Option<String>) -> String {
    symbol.clone().unwrap_or_else(|| "?".into())
}

fn regions(s: &Stats, top: usize) -> Section {
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

fn blocks(s: &Stats, top: usize) -> Section {
    let mut o = Section::new(
        "blocks",
        "Hottest blocks in tier 0",
        "By guest instructions executed, from the heat counters; live blocks only.",
    );
    let row = |b: &metaphrase_runtime::stats::snapshot::BlockRecord| {
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

fn helpers(s: &Stats, top: usize) -> Section {
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
    let row = |e: &metaphrase_runtime::stats::snapshot::EvalCount| {
        vec![e.op.clone(), count(e.tier0), count(e.tier1)]
    };
    o.tables.push(Table {
        columns: columns(&["<operation by Eval", "in tier 0", "from tier 1"]),
        rows: s.evals.iter().take(top).map(row).collect(),
        more: s.evals.len().saturating_sub(top),
    });
    o
}

fn syscalls(s: &Stats, top: usize) -> Section {
    let mut o = Section::new("syscalls", "System calls", "Time includes waiting.");
    let row = |c: &metaphrase_runtime::stats::snapshot::SyscallCount| {
        vec![c.name.clone(), count(c.calls), count(c.errors), time(c.ns)]
    };
    o.tables.push(Table {
        columns: columns(&["<call", "calls", "errors", "time"]),
        rows: s.syscalls.iter().take(top).map(row).collect(),
        more: s.syscalls.len().saturating_sub(top),
    });
    o
}

fn counters(s: &Stats) -> Section {
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
