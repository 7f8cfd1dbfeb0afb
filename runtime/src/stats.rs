//! Statistics: THE counter list, and where counts are kept while the guest runs.
//!
//! Two places hold counts, both indexed by [`Counter`]: each CPU's own [`CpuCounts`], written by its thread alone with plain loads
//! and stores, and the engine's shared set, written by compile workers and invalidation with atomic additions. A snapshot adds them
//! up ([`snapshot`]). What costs something on a hot path (clocks at transitions, execution counts in translated code, the list of
//! regions) happens only when asked for: [`Collect`].
//!
//! Must not know what the guest's world is, nor how a report looks.

pub mod clock;
mod detail;
mod sampler;
pub mod snapshot;

pub use clock::{Clock, Phase};
pub use detail::{Detail, EndReason, Region, RegionRecord, Timeline};
pub(crate) use sampler::start as start_sampler;
pub use snapshot::Stats;
pub(crate) use snapshot::snapshot;

use crate::sync::{Mutex, MutexGuard};
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::ops::AuxFmt;
use metaphrase_ir::{Inst, Op};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What to collect beyond the plain counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Collect {
    /// Clocks at transitions, execution counts in translated code, a sampling thread, region records.
    pub stats: bool,
    /// Region records alone (perf map).
    pub regions: bool,
    /// Region records with a copy of their code (jitdump).
    pub code: bool,
}

impl Collect {
    /// Whether region records are kept.
    pub fn records(self) -> bool {
        self.stats || self.regions || self.code
    }
}

/// What a counter's number is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CounterUnit {
    /// A number of events or things.
    Count,
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Nanoseconds,
    /// Time-stamp counter ticks while counting; nanoseconds in a snapshot.
    Ticks,
    /// The largest value seen; not added up.
    Peak,
}

/// Row of the counter list.
#[derive(Debug)]
pub struct CounterInfo {
    /// Name in every output, `group.name`.
    pub name: &'static str,
    /// What the number is.
    pub unit: CounterUnit,
    /// What is counted.
    pub doc: &'static str,
}

macro_rules! counters {
    ($( $id:ident $name:literal $unit:ident $doc:literal; )*) => {
        /// A counter.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum Counter { $( #[doc = $doc] $id, )* }
        impl Counter {
            /// Every counter, in order.
            pub const ALL: &'static [Counter] = &[$(Counter::$id,)*];
            const INFO: &'static [CounterInfo] =
                &[$(CounterInfo { name: $name, unit: CounterUnit::$unit, doc: $doc },)*];
            /// The counter's row.
            pub const fn info(self) -> &'static CounterInfo { &Self::INFO[self as usize] }
        }
    };
}

#[rustfmt::skip]
counters! {
    Tier0Blocks         "tier0.blocks"               Count "Blocks translated for tier 0";
    Tier0Insns          "tier0.guest_insns"          Count "Guest instructions in them";
    Tier0Distinct       "tier0.guest_insns_distinct" Count "Distinct guest instructions in them (with --stats)";
    Tier0Bytes          "tier0.bytecode_bytes"       Bytes "Bytecode made for them";
    Tier0Runs           "tier0.runs"                 Count "Times the dispatcher entered the interpreter";
    Tier0Executions     "tier0.block_executions"     Count "Blocks executed in tier 0 (from the blocks' heat counters)";
    Tier0Executed       "tier0.insns_executed"       Count "Guest instructions in the blocks executed in tier 0";

    BaselineBlocks      "baseline.blocks"            Count "Blocks given baseline code";
    BaselineInsns       "baseline.guest_insns"       Count "Guest instructions in them";
    BaselineBytes       "baseline.bytes"             Bytes "Baseline host code";
    BaselineTraces      "baseline.traces"            Count "Traces of blocks given baseline code of their own";
    TraceInsns          "baseline.trace_insns"       Count "Guest instructions in them";
    TraceBytes          "baseline.trace_bytes"       Bytes "Host code of traces";
    BaselineExecutions  "baseline.executions"        Count "Times baseline code was entered, from anywhere (with --stats)";
    BaselineExecuted    "baseline.insns_executed"    Count "Guest instructions in the blocks and traces entered; a trace may be left early (with --stats)";
    Tier1Runs           "tier1.runs"                 Count "Times the dispatcher entered native code, baseline or regions";
    Tier1Entries        "tier1.region_entries"       Count "Times a region was entered, from anywhere (with --stats)";

    BlockHits           "lookup.block_cache_hits"    Count "Dispatcher look-ups answered by the CPU's block cache";
    BlockMisses         "lookup.block_cache_misses"  Count "Dispatcher look-ups that went to the shared table";
    TableHits           "lookup.table_hits"          Count "Those of them that found a translation there";
    ImageHits           "lookup.image_hits"          Count "Those of them that found a translation of an earlier process";
    JumpHits            "lookup.jump_cache_hits"     Count "Indirect branches in native code answered by the jump cache (with --stats)";
    JumpMisses          "lookup.jump_cache_misses"   Count "Indirect branches in native code that went to the dispatcher";
    Tier0Indirect       "lookup.tier0_indirect"      Count "Indirect branches in tier 0; all go to the dispatcher";
    CacheFlushes        "lookup.cpu_cache_flushes"   Count "Times a CPU forgot its block and jump caches";

    LinksBlock          "chain.block_links"          Count "Links made from a tier-0 block to another";
    LinksSlot           "chain.region_links"         Count "Chain slots of native code linked to their targets";
    LinksJump           "chain.jump_cache_fills"     Count "Jump-cache entries written";
    BrokenEviction      "chain.broken_by_eviction"   Count "Links undone because a region was evicted";
    BrokenInvalidation  "chain.broken_by_invalidation" Count "Links undone because guest code changed or went away";
    BrokenRebuild       "chain.broken_by_rebuild"    Count "Links undone because a region was replaced by one with more entries, or given up for its NaNs";

    LeftUnlinkedBlock   "exit.unlinked_block"        Count "Tier 0 left at a direct exit without a link";
    LeftUnlinkedSlot    "exit.unlinked_slot"         Count "Native code left at a direct exit without a link";
    LeftAttention       "exit.attention"             Count "Tier 0 left because a block was hot, dead or compiled";
    LeftStop            "exit.stop"                  Count "Left because another thread or a signal asked for it";
    LeftTrap            "exit.trap"                  Count "Left at a system call, breakpoint, undefined instruction or barrier";
    LeftFault           "exit.fault"                 Count "Left tier 0 at a memory access that failed";
    LeftRetry           "exit.retry"                 Count "Left native code at a memory access that failed, or regions at a NaN; repeated in tier 0";
    LeftHot             "exit.hot"                   Count "Left baseline code at the end of a round of executions, for the dispatcher to look for better code";
    LeftAlign           "exit.align"                 Count "Left at a misaligned access that demands alignment";

    CompileRegions      "compile.regions"            Count "Regions compiled and published";
    CompileFailed       "compile.failed"             Count "Regions that the back end refused";
    CompileNotNeeded    "compile.not_needed"         Count "Queue entries that another region had served meanwhile";
    CompileNoRoom       "compile.no_room"            Count "Compiled regions dropped for want of code memory";
    CompileStale        "compile.stale"              Count "Compiled regions dropped because guest code changed meanwhile";
    CompileRebuilds     "compile.rebuilds"           Count "Regions that replaced one with fewer entries";
    Retreats            "compile.retreats"           Count "Regions given up for baseline code because they left for the interpreter too often, at NaNs";
    CompileEntries      "compile.entries"            Count "Entries of regions";
    CompileInsns        "compile.guest_insns"        Count "Guest instructions compiled";
    CompileDistinct     "compile.guest_insns_distinct" Count "Distinct guest instructions compiled (with --stats)";
    CompileOps          "compile.ir_ops"             Count "IR operations before optimisation";
    CompileOpsKept      "compile.ir_ops_optimised"   Count "IR operations after optimisation";
    CompileBytes        "compile.host_bytes"         Bytes "Host code made";
    CompileEvals        "compile.eval_sites"         Count "Operations compiled to calls of Eval on their hot path";
    CompileFaultSites   "compile.fault_sites"        Count "Memory accesses with a landing pad";
    CompileThunks       "compile.fault_thunks"       Count "Landing pads that needed a thunk";
    CompileSlots        "compile.chain_slots"        Count "Direct exits compiled";

    Queued              "queue.entered"              Count "Hot blocks put into the compile queue";
    QueuePeak           "queue.peak_depth"           Peak  "Longest compile queue";
    QueueWait           "queue.wait_ns"              Nanoseconds "Time from the queue to a compile thread, summed over entries";
    QueueWaitPeak       "queue.peak_wait_ns"         Peak  "Longest such wait, nanoseconds";

    StageRegion         "stage.region_ns"            Nanoseconds "Compile threads: choosing regions, decoding and translating them";
    StageOptimise       "stage.optimise_ns"          Nanoseconds "Compile threads: IR optimisation";
    StageBackend        "stage.backend_ns"           Nanoseconds "Compile threads: lowering and Cranelift";
    StagePublish        "stage.publish_ns"           Nanoseconds "Compile threads: placing, evicting, linking";

    TimeDispatch        "time.dispatch_ns"           Ticks "CPUs in the dispatcher (with --stats, as all time.*)";
    TimeTranslate       "time.translate_ns"          Ticks "CPUs decoding and translating for tier 0";
    TimeBytecode        "time.bytecode_ns"           Ticks "CPUs making bytecode";
    TimeTier0           "time.tier0_ns"              Ticks "CPUs executing tier 0";
    TimeBaseline        "time.baseline_ns"           Ticks "CPUs executing baseline code (time in native code, divided by samples)";
    TimeTier1           "time.tier1_ns"              Ticks "CPUs executing regions (the rest of it)";
    TimeCompile         "time.compile_ns"            Ticks "CPUs compiling on their own thread (baseline; in sync mode regions too, whose stages are counted as well)";
    TimeSyscall         "time.syscall_ns"            Ticks "CPUs in system calls, blocked time included";
    TimeException       "time.exception_ns"          Ticks "CPUs delivering other exceptions and signals";

    Evictions           "evict.segments"             Count "Segments of code memory evicted";
    EvictedRegions      "evict.regions"              Count "Regions evicted";
    EvictedBytes        "evict.host_bytes"           Bytes "Host code evicted, baseline and regions";

    InvalidateIc        "invalidate.ic_ivau"         Count "IC IVAU by address";
    InvalidateMap       "invalidate.mapping"         Count "Invalidations asked for by the environment (mappings)";
    InvalidateHit       "invalidate.effective"       Count "Invalidations of either kind that found a translation";
    InvalidatedBlocks   "invalidate.blocks"          Count "Tier-0 blocks dropped";
    InvalidatedRegions  "invalidate.regions"         Count "Regions dropped";

    Syscalls            "env.svc"                    Count "SVC instructions (system calls)";
    Exceptions          "env.exceptions"             Count "Other exceptions delivered to the environment";
    Faults              "env.faults"                 Count "Memory and fetch faults among them";
    Interrupts          "env.interrupts"             Count "Calls of the environment because of a stop request";
}

/// Number of counters.
pub const COUNTERS: usize = Counter::ALL.len();

/// One value for each counter.
#[derive(Debug)]
pub struct Counters([AtomicU64; COUNTERS]);

impl Default for Counters {
    fn default() -> Self {
        Counters([const { AtomicU64::new(0) }; COUNTERS])
    }
}

impl Counters {
    /// Adds, as the only thread that writes here.
    #[inline(always)]
    pub fn add(&self, c: Counter, n: u64) {
        add(&self.0[c as usize], n);
    }

    /// Adds, from any thread.
    pub fn add_shared(&self, c: Counter, n: u64) {
        self.0[c as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// Raises a peak, from any thread.
    pub fn peak(&self, c: Counter, n: u64) {
        self.0[c as usize].fetch_max(n, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self, c: Counter) -> u64 {
        self.0[c as usize].load(Ordering::Relaxed)
    }

    fn add_into(&self, sum: &mut [u64; COUNTERS]) {
        for (&c, s) in Counter::ALL.iter().zip(sum) {
            match c.info().unit {
                CounterUnit::Peak => *s = (*s).max(self.get(c)),
                _ => *s += self.get(c),
            }
        }
    }
}

#[inline(always)]
fn add(a: &AtomicU64, n: u64) {
    a.store(a.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

const OPS: usize = Op::ALL.len();
/// Room for each of the five families of vector kinds.
const KINDS: usize = 128;
const EVALS: usize = OPS + 5 * KINDS;

/// Where calls of an operation are counted: by op, and vector ops by kind.
fn eval_index(op: Op, aux: u32) -> usize {
    let kind = (aux >> 8 & 0x7f) as usize;
    let family = match op.info().aux {
        AuxFmt::VUn => 0,
        AuxFmt::VBin => 1,
        AuxFmt::VTern => 2,
        AuxFmt::VShift => 3,
        AuxFmt::VRed => 4,
        _ => return op as usize,
    };
    OPS + family * KINDS + kind
}

/// Counts of one CPU (or of CPUs that have ended), written by its own thread.
#[derive(Debug)]
pub struct CpuCounts {
    /// The counters.
    pub counters: Counters,
    /// Calls of each helper.
    helpers: [AtomicU64; HelperId::ALL.len()],
    /// Ops executed by `arith::eval`: in tier 0, from translated code.
    evals: [[AtomicU64; EVALS]; 2],
}

impl Default for CpuCounts {
    fn default() -> Self {
        CpuCounts {
            counters: Counters::default(),
            helpers: [const { AtomicU64::new(0) }; HelperId::ALL.len()],
            evals: [const { [const { AtomicU64::new(0) }; EVALS] }; 2],
        }
    }
}

impl CpuCounts {
    /// A helper is called.
    #[inline]
    pub fn helper(&self, id: HelperId) {
        add(&self.helpers[id as usize], 1);
    }

    /// `arith::eval` is called for an op. `tier`: 0 or 1.
    #[inline]
    pub fn eval(&self, tier: usize, inst: &Inst) {
        add(&self.evals[tier & 1][eval_index(inst.op, inst.aux)], 1);
    }

    fn all(&self) -> impl Iterator<Item = &AtomicU64> {
        let evals = self.evals.iter().flatten();
        self.counters.0.iter().chain(&self.helpers).chain(evals)
    }

    /// Adds everything to `to` (any thread's) and starts again at zero. Most counts are zero, and stay untouched.
    fn drain(&self, to: &CpuCounts) {
        for (from, to) in self.all().zip(to.all()) {
            if from.load(Ordering::Relaxed) != 0 {
                to.fetch_add(from.swap(0, Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }

    /// Starts again at zero. After a fork every page that is written to is copied, so nothing is written that need not be.
    fn clear(&self) {
        let counted = |c: &&AtomicU64| c.load(Ordering::Relaxed) != 0;
        for c in self.all().filter(counted) {
            c.store(0, Ordering::Relaxed);
        }
    }
}

/// CLOCK_MONOTONIC, nanoseconds: the clock of Linux perf and of jitdump files.
pub(crate) fn monotonic_ns() -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to a local.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// What an engine collects.
#[derive(Debug)]
pub struct Collector {
    /// What was asked for.
    pub collect: Collect,
    /// Counts of workers and of CPUs that have ended.
    shared: CpuCounts,
    start: Mutex<clock::Start>,
    detail: Mutex<Detail>,
}

/// The collector's locks, held across a `fork`.
#[must_use]
#[derive(Debug)]
pub struct ForkGuard<'a> {
    start: MutexGuard<'a, clock::Start>,
    detail: MutexGuard<'a, Detail>,
}

impl Collector {
    /// Nothing counted yet.
    pub fn new(collect: Collect) -> Collector {
        Collector {
            collect,
            shared: CpuCounts::default(),
            start: Mutex::new(clock::Start::now()),
            detail: Mutex::default(),
        }
    }

    /// Counts, from any thread.
    pub fn add(&self, c: Counter, n: u64) {
        self.shared.counters.add_shared(c, n);
    }

    /// Counts the time since `since`, from any thread; returns now.
    pub fn add_time(&self, c: Counter, since: Instant) -> Instant {
        let now = Instant::now();
        self.add(c, (now - since).as_nanos() as u64);
        now
    }

    /// Raises a peak.
    pub fn peak(&self, c: Counter, n: u64) {
        self.shared.counters.peak(c, n);
    }

    /// A CPU ends: keeps its counts.
    pub fn fold(&self, cpu: &CpuCounts) {
        cpu.drain(&self.shared);
    }

    /// The records, if they are kept.
    pub fn detail(&self) -> Option<MutexGuard<'_, Detail>> {
        self.collect.records().then(|| self.detail.lock())
    }

    /// Nanoseconds since the engine began.
    pub fn now_ns(&self) -> u64 {
        self.start.lock().instant.elapsed().as_nanos() as u64
    }

    /// Takes all locks. The caller holds the list of CPUs already.
    pub fn before_fork(&self) -> ForkGuard<'_> {
        ForkGuard {
            start: self.start.lock(),
            detail: self.detail.lock(),
        }
    }

    /// In the child: its own statistics begin. `cpu`: its only CPU's counts.
    pub fn after_fork_child(&self, mut g: ForkGuard<'_>, cpu: &CpuCounts) {
        self.shared.clear();
        cpu.clear();
        if self.collect.records() {
            *g.start = clock::Start::now();
            g.detail.begin_child();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_distinct_and_grouped() {
        let mut seen = HashSet::new();
        for c in Counter::ALL {
            let i = c.info();
            assert!(seen.insert(i.name), "{} twice", i.name);
            assert!(i.name.contains('.') && !i.doc.is_empty());
            let timed = matches!(i.unit, CounterUnit::Ticks | CounterUnit::Nanoseconds);
            assert!(!timed || i.name.ends_with("_ns"), "{}", i.name);
        }
    }

    #[test]
    fn a_cpu_that_ends_leaves_its_counts() {
        let c = Collector::new(Collect::default());
        let cpu = CpuCounts::default();
        cpu.counters.add(Counter::Syscalls, 3);
        c.fold(&cpu);
        cpu.counters.add(Counter::Syscalls, 2);
        c.fold(&cpu);
        assert_eq!(c.shared.counters.get(Counter::Syscalls), 5);
        assert_eq!(cpu.counters.get(Counter::Syscalls), 0);
        c.after_fork_child(c.before_fork(), &cpu);
        assert_eq!(c.shared.counters.get(Counter::Syscalls), 0);
    }

    #[test]
    fn vector_kinds_have_places_of_their_own() {
        use metaphrase_ir::ops::{VBinKind, VShiftKind, VTernKind, VUnKind};
        let most = [
            VUnKind::ALL.len(),
            VBinKind::ALL.len(),
            VTernKind::ALL.len(),
            VShiftKind::ALL.len(),
        ];
        assert!(most.iter().all(|&n| n <= KINDS));
        let places: HashSet<usize> = Op::ALL.iter().map(|&o| eval_index(o, 1 << 8)).collect();
        assert!(places.len() > OPS - 8 && places.iter().all(|&p| p < EVALS));
    }
}
