//! Where the time went, what the tiers did, what was translated.

use super::{Chart, Section, Table, columns};
use crate::report::number::{bytes, count, percent, ratio, time};
use metaphrase_runtime::stats::{Counter, Phase, Stats};

/// Name of a phase for people.
pub fn phase_title(p: Phase) -> &'static str {
    match p {
        Phase::Dispatch => "dispatcher",
        Phase::Translate => "decode and translate",
        Phase::Bytecode => "make bytecode",
        Phase::Tier0 => "interpreter",
        Phase::Baseline => "baseline code",
        Phase::Tier1 => "regions",
        Phase::Compile => "compile (own thread)",
        Phase::Syscall => "system calls",
        Phase::Exception => "signals and faults",
    }
}

pub(super) fn time_split(s: &Stats) -> Section {
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

pub(super) fn tiers(s: &Stats) -> Section {
    let mut o = Section::new(
        "tiers",
        "Tiers",
        "The interpreter runs cold code, baseline code (templates) warm blocks, regions (Cranelift) hot code. Over time: what a sample every millisecond saw, without threads in system calls; samples also divide the time in native code.",
    );
    o.charts.push(Chart::Phases);
    let tiers = [
        (
            Phase::Tier0,
            Counter::Tier0Executions,
            Some(Counter::Tier0Executed),
        ),
        (
            Phase::Baseline,
            Counter::BaselineExecutions,
            Some(Counter::BaselineExecuted),
        ),
        (Phase::Tier1, Counter::Tier1Entries, None),
    ];
    let total = tiers.iter().map(|t| s.phase_ns(t.0)).sum();
    let row = |&(phase, runs, insns): &(Phase, Counter, Option<Counter>)| {
        let ns = s.phase_ns(phase);
        let insns = insns.map_or_else(|| "-".into(), |c| count(s.get(c)));
        vec![
            phase_title(phase).into(),
            time(ns),
            percent(ns, total),
            count(s.get(runs)),
            insns,
        ]
    };
    o.tables.push(Table {
        columns: columns(&[
            "<tier",
            "time",
            "share",
            "entered",
            "guest instructions executed",
        ]),
        rows: tiers.iter().map(row).collect(),
        more: 0,
    });
    o
}

pub(super) fn translation(s: &Stats) -> Section {
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
            mean(ns, n),
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
        "bytecode",
        Counter::Tier0Blocks,
        Counter::Tier0Insns,
        Counter::Tier0Distinct,
        Counter::Tier0Bytes,
        t0,
    ));
    let mut baseline = row(
        "baseline",
        Counter::BaselineBlocks,
        Counter::BaselineInsns,
        Counter::BaselineInsns,
        Counter::BaselineBytes,
        s.phase_ns(Phase::Compile),
    );
    // Each block is compiled once, and in sync mode regions are compiled on the same threads.
    baseline[4] = "-".into();
    if s.config.jit == "sync" {
        baseline[7] = "-".into();
    } else {
        let both = g(Counter::BaselineInsns) + g(Counter::TraceInsns);
        baseline[7] = mean(s.phase_ns(Phase::Compile), both);
    }
    t.rows.push(baseline);
    let mut traces = row(
        "traces",
        Counter::BaselineTraces,
        Counter::TraceInsns,
        Counter::TraceInsns,
        Counter::TraceBytes,
        0,
    );
    // Compiled on the same threads as baseline blocks; which guest instructions they repeat is not kept.
    for n in [3, 4, 7] {
        traces[n] = "-".into();
    }
    t.rows.push(traces);
    t.rows.push(row(
        "regions",
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
        "regions given up for their NaNs",
        count(g(Counter::Retreats)),
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

pub(super) fn queue(s: &Stats) -> Section {
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
    let mean = mean(g(Counter::QueueWait), taken);
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

/// Time for each of `n`.
fn mean(ns: u64, n: u64) -> String {
    ns.checked_div(n).map_or_else(|| "-".into(), time)
}
