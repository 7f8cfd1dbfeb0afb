//! Everything counted, as one value: what `--stats` writes and `metaphrase stats` reads. The JSON form is a promise: what changes
//! its meaning changes [`SCHEMA`]; fields may be added.

use super::clock::Phase;
use super::detail::{RegionRecord, Timeline};
use super::{COUNTERS, Collector, Counter, CounterUnit, CpuCounts, EVALS, KINDS, OPS};
use crate::cache::block::Block0;
use crate::cache::unit::Tier;
use crate::compile::tier1::Tier1;
use crate::engine::EngineConfig;
use crate::vcpu::CpuShared;
use metaphrase_backend::abi::FrameHeader;
use metaphrase_ir::Op;
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::ops::{VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Name and version of the JSON form.
pub const SCHEMA: &str = "metaphrase-stats/1";

/// Most tier-0 blocks in a snapshot, hottest first.
pub const BLOCKS_MAX: usize = 200;

/// A snapshot.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Stats {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of metaphrase.
    pub version: String,
    /// The process, filled in by the product.
    #[serde(default)]
    pub process: Process,
    /// Settings of the engine.
    pub config: Config,
    /// Times of the whole process.
    pub time: Time,
    /// Every counter of THE list, by name.
    pub counters: BTreeMap<String, u64>,
    /// Helper calls by name.
    pub helpers: BTreeMap<String, u64>,
    /// Ops executed by `arith::eval`, most frequent first.
    pub evals: Vec<EvalCount>,
    /// Code memory.
    pub cache: Cache,
    /// Every region published, also those that are gone.
    pub regions: Vec<RegionRecord>,
    /// The hottest baseline blocks.
    #[serde(default)]
    pub baseline: Vec<RegionRecord>,
    /// The hottest live tier-0 blocks.
    pub blocks: Vec<BlockRecord>,
    /// What the sampling thread saw; phases in the order of `phases`.
    pub timeline: Timeline,
    /// Names of the phases in `timeline`.
    pub phases: Vec<String>,
    /// System calls, filled in by the product.
    #[serde(default)]
    pub syscalls: Vec<SyscallCount>,
}

/// Which process, and how it ended.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// Process number.
    pub pid: u32,
    /// Program file.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// How it ended: `exit 0`, `signal 11`, `exec`.
    pub end: String,
}

/// Settings.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Config {
    /// `background`, `sync`, `off`.
    pub jit: String,
    /// Executions that make a block hot.
    pub threshold: u32,
    /// Compile threads.
    pub threads: u32,
    /// Bytes of code memory asked for.
    pub cache_size: u64,
}

/// Times.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Time {
    /// Since the engine's start, nanoseconds.
    pub wall_ns: u64,
    /// CPU time of the process in user mode, nanoseconds.
    pub user_ns: u64,
    /// CPU time of the process in the kernel, nanoseconds.
    pub system_ns: u64,
    /// Largest resident set, bytes.
    pub max_rss: u64,
}

/// Calls of `arith::eval` for one op.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct EvalCount {
    /// Op, and kind of vector ops.
    pub op: String,
    /// From tier 0.
    pub tier0: u64,
    /// From translated code.
    pub tier1: u64,
}

/// Code memory.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Cache {
    /// Bytes of code memory, 0 if tier 1 was never used.
    pub capacity: u64,
    /// Bytes in use.
    pub in_use: u64,
    /// Live regions.
    pub regions: u64,
    /// Live tier-0 blocks.
    pub blocks: u64,
    /// Hot blocks still in the queue.
    pub queued: u64,
}

/// A tier-0 block.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct BlockRecord {
    /// Guest address.
    pub pc: u64,
    /// Symbol, once somebody has looked it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Guest instructions.
    pub guest_insns: u32,
    /// Executions in tier 0.
    pub executions: u64,
    /// Whether it has been compiled.
    pub compiled: bool,
}

/// Calls of one system call.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SyscallCount {
    /// Name.
    pub name: String,
    /// Calls.
    pub calls: u64,
    /// Those that failed.
    pub errors: u64,
    /// Time in it, nanoseconds.
    pub ns: u64,
}

impl Stats {
    /// A counter's value.
    pub fn get(&self, c: Counter) -> u64 {
        self.counters.get(c.info().name).copied().unwrap_or(0)
    }

    /// Nanoseconds that CPUs spent in a phase.
    pub fn phase_ns(&self, p: Phase) -> u64 {
        self.get(p.counter())
    }
}

/// What the engine knows that the collector does not.
struct Live<'a> {
    config: &'a EngineConfig,
    cpus: Vec<&'a CpuCounts>,
    /// Jump-cache hits counted by translated code, all CPUs.
    jump_hits: u64,
    cache: Cache,
    blocks: Vec<BlockRecord>,
    /// Executions in tier 0, and guest instructions executed, of live blocks.
    tier0: (u64, u64),
}

/// Everything counted so far by an engine and its CPUs.
pub(crate) fn snapshot(engine: &Tier1, config: &EngineConfig) -> Stats {
    let (capacity, in_use) = engine.code_in_use();
    let tables = engine.tables.read();
    let mut blocks: Vec<BlockRecord> = tables.blocks().map(block).collect();
    let cache = Cache {
        capacity,
        in_use,
        regions: tables.regions().count() as u64,
        blocks: blocks.len() as u64,
        queued: engine.queued() as u64,
    };
    drop(tables);
    let insns = |b: &BlockRecord| b.executions * b.guest_insns as u64;
    let tier0 = (
        blocks.iter().map(|b| b.executions).sum(),
        blocks.iter().map(insns).sum(),
    );
    blocks.retain(|b| b.executions > 0);
    blocks.sort_by_key(|b| (std::cmp::Reverse(insns(b)), b.pc));
    blocks.truncate(BLOCKS_MAX);
    let cpus = engine.cpus.lock();
    let hits = |c: &Arc<CpuShared>| c.header_word(offset_of!(FrameHeader, jump_hits));
    let live = Live {
        config,
        cpus: cpus.iter().map(|c| &c.counts).collect(),
        jump_hits: cpus.iter().map(hits).sum(),
        cache,
        blocks,
        tier0,
    };
    take(&engine.stats, live)
}

fn block(b: &Block0) -> BlockRecord {
    BlockRecord {
        pc: b.pc,
        symbol: None,
        guest_insns: b.words.len() as u32,
        executions: b.total_executions(),
        compiled: b.native() != 0,
    }
}

fn take(c: &Collector, live: Live<'_>) -> Stats {
    let mut sum = [0; COUNTERS];
    c.shared.counters.add_into(&mut sum);
    for cpu in &live.cpus {
        cpu.counters.add_into(&mut sum);
    }
    let start = *c.start.lock();
    let scale = start.ns_per_tick();
    let mut put = |id: Counter, n: u64| sum[id as usize] += n;
    put(Counter::JumpHits, live.jump_hits);
    put(Counter::Tier0Executions, live.tier0.0);
    put(Counter::Tier0Executed, live.tier0.1);
    let mut regions = Vec::new();
    let mut baseline = Vec::new();
    let mut timeline = Timeline::default();
    if let Some(d) = c.detail() {
        (baseline, regions) = d
            .records()
            .into_iter()
            .partition(|r| r.tier != Tier::Optimized);
        put(Counter::Tier0Distinct, d.tier0.len());
        put(Counter::CompileDistinct, d.tier1.len());
        let entries = regions.iter().map(|r| r.executions).sum();
        put(Counter::Tier1Entries, entries);
        let executed = |r: &RegionRecord| r.executions * r.guest_insns as u64;
        put(
            Counter::BaselineExecutions,
            baseline.iter().map(|r| r.executions).sum(),
        );
        put(
            Counter::BaselineExecuted,
            baseline.iter().map(executed).sum(),
        );
        baseline.sort_by_key(|r| std::cmp::Reverse((r.samples, executed(r), r.id)));
        baseline.truncate(BLOCKS_MAX);
        timeline = d.timeline.clone();
    }
    split_native(&mut sum, &timeline);
    let value = |id: Counter| match id.info().unit {
        CounterUnit::Ticks => (sum[id as usize] as f64 * scale) as u64,
        _ => sum[id as usize],
    };
    let named = |&id: &Counter| (id.info().name.to_string(), value(id));
    let all: Vec<&CpuCounts> = live.cpus.iter().copied().chain([&c.shared]).collect();
    Stats {
        schema: SCHEMA.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        process: Process {
            pid: std::process::id(),
            ..Process::default()
        },
        config: Config {
            jit: format!("{:?}", live.config.jit).to_lowercase(),
            threshold: live.config.threshold,
            threads: live.config.threads,
            cache_size: live.config.cache_size as u64,
        },
        time: times(start.instant.elapsed().as_nanos() as u64),
        counters: Counter::ALL.iter().map(named).collect(),
        helpers: helpers(&all),
        evals: evals(&all),
        cache: live.cache,
        regions,
        baseline,
        blocks: live.blocks,
        timeline,
        phases: Phase::ALL.iter().map(|p| p.name().to_string()).collect(),
        syscalls: Vec::new(),
    }
}

/// Divides the time in native code between baseline and regions as the samples say.
fn split_native(sum: &mut [u64; COUNTERS], timeline: &Timeline) {
    let ticks = |p: Phase| {
        timeline
            .points
            .iter()
            .map(|x| x.ticks[p as usize])
            .sum::<u64>()
    };
    let (base, both) = (
        ticks(Phase::Baseline),
        ticks(Phase::Baseline) + ticks(Phase::Tier1),
    );
    let native = sum[Counter::TimeTier1 as usize];
    let part = (native as u128 * base as u128)
        .checked_div(both as u128)
        .unwrap_or(0) as u64;
    sum[Counter::TimeTier1 as usize] = native - part;
    sum[Counter::TimeBaseline as usize] = part;
}

fn helpers(all: &[&CpuCounts]) -> BTreeMap<String, u64> {
    let calls = |id: &HelperId| -> u64 {
        all.iter()
            .map(|c| c.helpers[*id as usize].load(Ordering::Relaxed))
            .sum()
    };
    HelperId::ALL
        .iter()
        .map(|id| (id.info().name.to_string(), calls(id)))
        .collect()
}

fn evals(all: &[&CpuCounts]) -> Vec<EvalCount> {
    let calls = |tier: usize, i: usize| -> u64 {
        all.iter()
            .map(|c| c.evals[tier][i].load(Ordering::Relaxed))
            .sum()
    };
    let mut v: Vec<EvalCount> = (0..EVALS)
        .map(|i| EvalCount {
            op: eval_name(i),
            tier0: calls(0, i),
            tier1: calls(1, i),
        })
        .filter(|e| e.tier0 + e.tier1 > 0)
        .collect();
    v.sort_by_key(|e| std::cmp::Reverse(e.tier0 + e.tier1));
    v
}

/// Inverse of `eval_index`.
fn eval_name(i: usize) -> String {
    let Some(k) = i.checked_sub(OPS) else {
        return Op::ALL[i].info().name.to_string();
    };
    let aux = ((k % KINDS) as u32) << 8;
    let (family, kind) = match k / KINDS {
        0 => ("vun", VUnKind::from_aux(aux).name()),
        1 => ("vbin", VBinKind::from_aux(aux).name()),
        2 => ("vtern", VTernKind::from_aux(aux).name()),
        3 => ("vshift", VShiftKind::from_aux(aux).name()),
        _ => ("vred", VRedKind::from_aux(aux).name()),
    };
    format!("{family}.{kind}")
}

fn times(wall_ns: u64) -> Time {
    // SAFETY: fills a local.
    let u = unsafe {
        let mut u: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut u);
        u
    };
    let ns = |t: libc::timeval| t.tv_sec as u64 * 1_000_000_000 + t.tv_usec as u64 * 1000;
    Time {
        wall_ns,
        user_ns: ns(u.ru_utime),
        system_ns: ns(u.ru_stime),
        max_rss: u.ru_maxrss as u64 * 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Collect, eval_index};
    use metaphrase_ir::inst::Shape;

    #[test]
    fn names_of_evals_are_those_of_their_ops() {
        let aux = VBinKind::SqDMulH.aux(Shape::ALL[0]);
        assert_eq!(eval_name(eval_index(Op::VBin, aux)), "vbin.sqdmulh");
        assert_eq!(eval_name(eval_index(Op::Add, 0)), Op::Add.info().name);
    }

    #[test]
    fn a_snapshot_has_every_counter_and_comes_back_from_json() {
        let c = Collector::new(Collect {
            stats: true,
            ..Collect::default()
        });
        c.add(Counter::CompileRegions, 2);
        let cpu = CpuCounts::default();
        cpu.counters.add(Counter::CompileRegions, 1);
        c.peak(Counter::QueuePeak, 4);
        cpu.helper(HelperId::Wait);
        let live = Live {
            config: &EngineConfig::default(),
            cpus: vec![&cpu],
            jump_hits: 7,
            cache: Cache::default(),
            blocks: Vec::new(),
            tier0: (10, 50),
        };
        let s = take(&c, live);
        assert_eq!(s.counters.len(), COUNTERS);
        assert_eq!(
            (
                s.get(Counter::CompileRegions),
                s.get(Counter::QueuePeak),
                s.get(Counter::JumpHits)
            ),
            (3, 4, 7)
        );
        assert_eq!(s.helpers["wait"], 1);
        let text = serde_json::to_string(&s).unwrap();
        assert!(text.starts_with("{\"schema\":\"metaphrase-stats/1\""));
        assert_eq!(serde_json::from_str::<Stats>(&text).unwrap(), s);
    }
}
