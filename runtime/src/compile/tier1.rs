//! What CPUs and compile workers share: the queue, the workers, publication of regions, invalidation.

use crate::cache::block::Block0;
use crate::cache::code_memory::CodeMemory;
use crate::cache::image::mapped::Image;
use crate::cache::image::{self, Images, Text};
use crate::cache::tables::{Key, Tables};
use crate::cache::unit::{Tier, Unit1};
use crate::compile::WARM;
use crate::compile::cpu_time::CpuClocks;
use crate::compile::make::Maker;
use crate::compile::record::Made;
use crate::compile::region::{self, Region};
use crate::compile::trace;
use crate::engine::{EngineConfig, FindUnderflow};
use crate::stats::{self, Collector, Counter, EndReason};
use crate::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockWriteGuard};
use crate::vcpu::CpuShared;
use crate::vcpu::caches::{Log, forget_code, forget_jumps};
use metaphrase_arm64::arch::state::PC_OFFSET;
use metaphrase_arm64::translate::Config;
use metaphrase_backend::arena;
use metaphrase_backend::emit::{CompileOpts, CompiledUnit, Compiler};
use metaphrase_backend::stubs::{Stubs, eval_thunk};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

/// How often a region may be rebuilt because another of its blocks turned out to be an entry.
const MAX_REBUILDS: u32 = 1;

/// What CPUs and workers share. Everything that is not tier 1's own is borrowed from the engine.
#[derive(Debug)]
pub struct Tier1 {
    /// Executions that make a block hot.
    pub threshold: u32,
    /// Translation settings.
    pub cfg: Config,
    /// Whether IR is optimised.
    pub optimise: bool,
    cache_size: usize,
    /// Most guest instructions in a block.
    pub(crate) max_block: u32,
    /// Translations of earlier processes.
    pub images: Images,
    /// All translations of the address space.
    pub tables: RwLock<Tables>,
    /// Advances with every retirement.
    pub epoch: AtomicU64,
    /// Advances with every retirement of tier-0 blocks, which CPUs cache by address.
    pub block_epoch: AtomicU64,
    /// What was retired, for those caches.
    pub(crate) retired: Mutex<Log>,
    /// Advances with every change of guest code, before its translations are looked for.
    pub changes: AtomicU64,
    /// Counts and records.
    pub stats: Collector,
    /// CPUs in `run`.
    pub cpus: Mutex<Vec<Arc<CpuShared>>>,
    pub(super) memory: Mutex<Option<CodeMemory>>,
    queue: Mutex<VecDeque<(Key, Since)>>,
    wake: Condvar,
    workers: AtomicU32,
    /// The process that workers belong to.
    owner: AtomicU32,
    /// Processor time of the workers.
    pub worker_clocks: CpuClocks,
    stop: AtomicBool,
    pub(crate) next_id: AtomicU64,
    /// Address of the trampoline; 0 until code memory exists.
    pub trampoline: AtomicU64,
    unlinked: AtomicU64,
    /// For `FrameHeader::look_up`.
    pub look_up: AtomicU64,
    eval_cold: AtomicU64,
    /// Whether regions are to overlook no underflow ([`super::underflow`]).
    pub(super) underflow: AtomicBool,
}

/// All of tier 1's locks, held across a `fork` so that both sides find them in order.
#[must_use]
pub struct ForkGuard<'a> {
    _tables: RwLockWriteGuard<'a, Tables>,
    _retired: MutexGuard<'a, Log>,
    memory: MutexGuard<'a, Option<CodeMemory>>,
    _queue: MutexGuard<'a, VecDeque<(Key, Since)>>,
    cpus: MutexGuard<'a, Vec<Arc<CpuShared>>>,
    worker_clocks: MutexGuard<'a, Vec<libc::clockid_t>>,
    stats: stats::ForkGuard<'a>,
    _texts: image::ForkGuard<'a>,
    _arena: arena::ForkGuard,
}

impl std::fmt::Debug for ForkGuard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForkGuard")
    }
}

/// When a block was found hot.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    at: Instant,
    /// The number of the next unit then.
    next_id: u64,
}

/// A region to compile.
struct Choice {
    region: Region,
    anchor: Key,
    /// The unit that it replaces, and how often that region will then have been rebuilt.
    replaces: Option<(u64, u32)>,
}

/// One thread's compiler.
pub struct Worker {
    compiler: Compiler,
    maker: Maker,
    opt: metaphrase_ir::opt::Scratch,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Worker")
    }
}

impl Tier1 {
    /// Nothing compiled, no memory mapped, no thread started.
    pub fn new(config: &EngineConfig, stats: Collector) -> Tier1 {
        let settings = (
            format!("{:?}", config.cpu.feats),
            config.cpu.midr,
            config.threshold,
            config.max_block,
            config.optimise,
        );
        let images = Images::new(config.images.clone(), &settings);
        let underflow = config.underflow == FindUnderflow::Always;
        if underflow {
            images.refuse();
        }
        Tier1 {
            stats,
            threshold: config.threshold,
            cfg: Config::for_model(&config.cpu),
            optimise: config.optimise,
            cache_size: config.cache_size,
            max_block: config.max_block,
            images,
            tables: RwLock::default(),
            epoch: AtomicU64::new(1),
            block_epoch: AtomicU64::new(1),
            retired: Mutex::default(),
            changes: AtomicU64::new(0),
            cpus: Mutex::default(),
            memory: Mutex::default(),
            queue: Mutex::default(),
            wake: Condvar::default(),
            workers: AtomicU32::new(0),
            owner: AtomicU32::new(std::process::id()),
            worker_clocks: CpuClocks::default(),
            stop: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            trampoline: AtomicU64::new(0),
            unlinked: AtomicU64::new(0),
            look_up: AtomicU64::new(0),
            eval_cold: AtomicU64::new(0),
            underflow: AtomicBool::new(underflow),
        }
    }

    /// Takes all locks, in the order in which they nest.
    pub fn before_fork(&self) -> ForkGuard<'_> {
        ForkGuard {
            _tables: self.tables.write(),
            // A CPU takes it without the tables'.
            _retired: self.retired.lock(),
            memory: self.memory.lock(),
            _queue: self.queue.lock(),
            cpus: self.cpus.lock(),
            worker_clocks: self.worker_clocks.lock(),
            stats: self.stats.before_fork(),
            _texts: self.images.before_fork(),
            _arena: arena::before_fork(),
        }
    }

    /// The parent goes on: children may still run the code that exists now.
    pub fn after_fork_parent(&self, mut g: ForkGuard<'_>) {
        if let Some(m) = g.memory.as_mut() {
            m.set_shared();
        }
    }

    /// The child goes on alone: `own` is its only CPU, workers are gone, code memory belongs to the parent.
    pub fn after_fork_child(&self, mut g: ForkGuard<'_>, own: &CpuShared) {
        g.cpus.retain(|c| std::ptr::eq(&**c, own));
        self.workers.store(0, Ordering::Relaxed);
        self.owner.store(std::process::id(), Ordering::Relaxed);
        g.worker_clocks.clear();
        if let Some(m) = g.memory.as_mut() {
            m.set_foreign();
        }
        self.images.seen(self.next_id.load(Ordering::Relaxed));
        self.stats.after_fork_child(g.stats, &own.counts);
    }

    /// What unlinked chain slots point to.
    pub fn unlinked(&self) -> u64 {
        self.unlinked.load(Ordering::Acquire)
    }

    /// The cold-path `Eval` for helper tables.
    pub fn eval_cold(&self) -> u64 {
        self.eval_cold.load(Ordering::Acquire)
    }

    /// Drops the translations of `[start, end)`. True if there were any.
    pub fn invalidate(&self, start: u64, end: u64) -> bool {
        self.changes.fetch_add(1, Ordering::SeqCst);
        if !self.images.touches(start, end) && !self.tables.read().touches(start, end) {
            return false;
        }
        let mut t = self.tables.write();
        let epoch = self.epoch.load(Ordering::SeqCst);
        let image::Changed { closed, disarmed } = self.images.changed(start, end);
        let (start, end) = closed.iter().fold((start, end), |r, i| {
            let g = i.guest();
            (r.0.min(g.start), r.1.max(g.end))
        });
        let gone = t.retire(start, end, epoch, self.unlinked());
        if closed.is_empty() && !disarmed && gone.blocks + gone.units.len() == 0 {
            return false;
        }
        for i in &closed {
            i.close(self.unlinked());
            for c in self.cpus.lock().iter() {
                forget_code(&c.jumps, i.code());
            }
        }
        self.count_invalidated(&gone);
        self.tell_cpus(&mut t, closed.is_empty().then_some(&gone.pcs));
        if !gone.units.is_empty() || !closed.is_empty() || disarmed {
            // Others may be in a loop that has just been patched.
            self.stop_all();
        }
        self.free(&mut t);
        true
    }

    /// Capacity of code memory and bytes in use.
    pub fn code_in_use(&self) -> (u64, u64) {
        let m = self.memory.lock();
        m.as_ref()
            .map_or((0, 0), |m| (m.capacity() as u64, m.in_use() as u64))
    }

    /// Blocks at `pcs` (`None`: anywhere) or their code have been retired: CPUs forget them, and another epoch begins.
    pub(super) fn tell_cpus(&self, t: &mut Tables, pcs: Option<&Vec<u64>>) {
        self.purge_jump_caches(t);
        let number = self.block_epoch.load(Ordering::SeqCst) + 1;
        match pcs {
            Some(pcs) => self.retired.lock().push(number, pcs),
            None => self.retired.lock().push_all(number),
        }
        self.block_epoch.store(number, Ordering::SeqCst);
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Removes retired entries from every CPU's jump cache. A CPU may still be inside an old unit, but cannot enter one by an
    /// indirect branch any more.
    pub(super) fn purge_jump_caches(&self, t: &mut Tables) {
        let pcs = t.take_unreachable();
        for c in self.cpus.lock().iter() {
            forget_jumps(&c.jumps, &pcs);
        }
    }

    /// Frees what no CPU can be in any more.
    pub(super) fn free(&self, t: &mut Tables) {
        self.free_units(&t.collect(self.oldest_active()));
    }

    pub(super) fn free_units(&self, free: &[arena::Box<Unit1>]) {
        if free.is_empty() {
            return;
        }
        if let Some(m) = self.memory.lock().as_ref() {
            for u in free.iter().filter(|u| u.segment.is_some()) {
                m.set_lines(u.exec, u.len, std::ptr::null_mut());
            }
        }
    }

    /// A compiler for one thread. Maps code memory and builds the stubs the first time.
    pub fn worker(&self) -> Option<Worker> {
        if !self.ready() || !self.cold_thunk() {
            return None;
        }
        match Compiler::new(&CompileOpts::default()) {
            Ok(compiler) => Some(Worker {
                compiler,
                maker: Maker::default(),
                opt: Default::default(),
            }),
            Err(e) => {
                tracing::error!(target: "compile", "no tier 1: {e}");
                None
            }
        }
    }

    /// A text has been mapped: what earlier processes have translated is used from now on.
    pub fn map_text(&self, text: Text) {
        // Without the stubs nobody could enter it.
        if !self.images.enabled() || !self.ready() {
            return;
        }
        let Some(image) = self.images.map(text) else {
            return;
        };
        if let Some(thunk) = image.thunk() {
            let (ok, failed) = (Ordering::AcqRel, Ordering::Relaxed);
            let _ = self.eval_cold.compare_exchange(0, thunk, ok, failed);
        }
        // What has run often in earlier processes comes to the dispatcher soon. Units that have not are not even looked at.
        let least = self.promoted_at(Tier::Baseline, false);
        for n in (0..image.view.units.len() as u32).filter(|n| image.runs(*n) >= least) {
            let u = &image.view.units[n as usize];
            let ran = self.counted_runs(image, n, u.tier());
            if ran >= self.promoted_at(u.tier(), u.loops()) as u64
                && let Some(c) = image.counter(n)
            {
                c.begin_all(self.patience(u.tier()));
            }
        }
    }

    /// How often a unit of an image has run in earlier processes, as far as that says that it is worth promoting it. What runs long in one process
    /// is likely to go on; what has run a little in many will only do so again, and a region is dear.
    pub(crate) fn counted_runs(&self, image: &Image, unit: u32, tier: Tier) -> u64 {
        let share = if tier == Tier::Trace { 4 } else { 1 };
        image.runs(unit) as u64 / share
    }

    /// Executions in this process, at least, before a unit of an image is promoted. Of what has run often before, traces make regions, which
    /// are dear and kept soon; a block by itself makes a trace, which is only kept with much else that is new, and has to pay within this process.
    pub(crate) fn patience(&self, tier: Tier) -> i32 {
        match tier {
            Tier::Baseline => trace::AT * 4,
            _ => trace::AT / 4,
        }
    }

    /// Executions after which a unit is promoted. `loops`: whether it leads back to its own start.
    pub(crate) fn promoted_at(&self, tier: Tier, loops: bool) -> u32 {
        match tier {
            Tier::Baseline => self.threshold.min(trace::AT as u32),
            Tier::Trace if loops => self.threshold,
            Tier::Trace => trace::straight(self.threshold.min(i32::MAX as u32) as i32) as u32,
            Tier::Optimized => u32::MAX,
        }
    }

    /// Places the cold-path `Eval` if that has not been done. Whether it is there.
    fn cold_thunk(&self) -> bool {
        let mut mem = self.memory.lock();
        if self.eval_cold() != 0 {
            return true;
        }
        let at = eval_thunk()
            .inspect_err(|e| tracing::error!(target: "compile", "no tier 1: {e}"))
            .ok()
            .and_then(|code| mem.as_mut()?.add_stub(&code));
        self.eval_cold.store(at.unwrap_or(0), Ordering::Release);
        at.is_some()
    }

    pub(super) fn create_memory(&self) -> Option<CodeMemory> {
        let stubs = Stubs::new(PC_OFFSET);
        let m = match CodeMemory::new(self.cache_size, &stubs.code) {
            Ok(m) => m,
            Err(e) => {
                tracing::error!(target: "compile", "no code memory: {e}");
                return None;
            }
        };
        let base = m.stubs();
        self.unlinked
            .store(base + stubs.unlinked as u64, Ordering::Release);
        self.look_up
            .store(base + stubs.look_up as u64, Ordering::Release);
        self.trampoline
            .store(base + stubs.trampoline as u64, Ordering::Release);
        Some(m)
    }

    /// For a block that is found hot now.
    pub fn since(&self) -> Since {
        Since {
            at: Instant::now(),
            next_id: self.next_id.load(Ordering::Relaxed),
        }
    }

    /// Puts a hot block into the queue.
    pub fn enqueue(&self, key: Key) {
        let depth = {
            let mut q = self.queue.lock();
            q.push_back((key, self.since()));
            q.len()
        };
        self.wake.notify_one();
        self.stats.add(Counter::Queued, 1);
        self.stats.peak(Counter::QueuePeak, depth as u64);
    }

    /// Depth of the queue.
    pub fn queued(&self) -> usize {
        self.queue.lock().len()
    }

    /// Starts workers until there are `n`. A vfork child starts none: they would end with it, and with them the locks that they hold.
    pub fn start_workers(self: &Arc<Self>, n: u32) {
        while self.owner.load(Ordering::Relaxed) == std::process::id()
            && self.workers.load(Ordering::Relaxed) < n
        {
            let me = self.clone();
            let b = std::thread::Builder::new()
                .name("mp-compile".into())
                .stack_size(4 << 20);
            let r = crate::signal::keep_library_signals(|| b.spawn(move || me.work()));
            if let Err(e) = r {
                tracing::warn!(target: "compile", "no compile thread: {e}");
                return;
            }
            self.workers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Compile threads end when they have finished what they are at.
    pub fn end_workers(&self) {
        let _queue = self.queue.lock();
        self.stop.store(true, Ordering::Relaxed);
        self.wake.notify_all();
    }

    fn work(&self) {
        block_all_signals();
        self.worker_clocks.add_this_thread();
        let Some(mut w) = self.worker() else { return };
        loop {
            let Some((key, since)) = self.next_hot() else {
                return;
            };
            self.promote(&mut w, key, since, None);
        }
    }

    /// Waits for the queue; takes what has run most among its first entries. `None`: time to end.
    fn next_hot(&self) -> Option<(Key, Since)> {
        const LOOK: usize = 64;
        let mut q = self.queue.lock();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if !q.is_empty() {
                break;
            }
            q = self.wake.wait(q);
        }
        if q.len() == 1 {
            return q.pop_front();
        }
        let first: Vec<Key> = q.iter().take(LOOK).map(|e| e.0).collect();
        // The tables' lock is never taken inside the queue's.
        drop(q);
        let best = {
            let t = self.tables.read();
            let ran = |k: &Key| t.block(*k).map_or(u64::MAX, Block0::own_executions);
            first.into_iter().max_by_key(ran)
        };
        let mut q = self.queue.lock();
        match q.iter().position(|e| Some(e.0) == best) {
            Some(i) => q.remove(i),
            None => q.pop_front(),
        }
    }

    /// Compiles the region of a hot block and publishes it. `own`: the CPU on whose thread this runs (sync mode).
    /// `queued`: when the block was found hot.
    pub fn promote(&self, w: &mut Worker, key: Key, queued: Since, own: Option<&CpuShared>) {
        let begun = Instant::now();
        let wait = (begun - queued.at).as_nanos() as u64;
        self.stats.add(Counter::QueueWait, wait);
        self.stats.peak(Counter::QueueWaitPeak, wait);
        let choice = self.choose_all(&mut w.maker, key, queued);
        let t = self.stats.add_time(Counter::StageRegion, begun);
        let Some(c) = choice else {
            self.stats.add(Counter::CompileNotNeeded, 1);
            return;
        };
        let Choice {
            mut region,
            anchor,
            replaces,
        } = c;
        let ops = region.unit.insts.len() as u32;
        if self.optimise {
            metaphrase_ir::opt::optimize(&mut region.unit, &mut w.opt);
            metaphrase_ir::opt::unroll::run(&mut region.unit);
        }
        let t = self.stats.add_time(Counter::StageOptimise, t);
        let compiled = match w
            .compiler
            .compile(&region.unit, PC_OFFSET, &self.compile_opts())
        {
            Ok(c) => c,
            Err(e) => {
                self.stats.add(Counter::CompileFailed, 1);
                tracing::warn!(target: "compile", "region at {:#x} stays in tier 0: {e}", anchor.0);
                return;
            }
        };
        tracing::debug!(
            target: "compile",
            "region {:#x}: {} blocks, {} entries, {} instructions -> {} bytes, {} evals, {:?}{}",
            anchor.0,
            region.unit.blocks.len(),
            compiled.entries.len(),
            region.insns,
            compiled.code.len(),
            compiled.evals,
            begun.elapsed(),
            if replaces.is_some() { ", rebuilt" } else { "" },
        );
        tracing::trace!(target: "compile", "{}", compiled.listing());
        let t = self.stats.add_time(Counter::StageBackend, t);
        let made = Made { wait, begun, ops };
        let done = self.publish(&region, anchor, &compiled, replaces, own, &made);
        self.stats.add_time(Counter::StagePublish, t);
        if !done {
            self.promote(w, key, queued, own);
        }
    }

    /// As [`Self::choose`], once what belongs to the region and lies in an image has been revived.
    fn choose_all(&self, maker: &mut Maker, key: Key, queued: Since) -> Option<Choice> {
        loop {
            let mut missing = Vec::new();
            let choice = self.choose(key, queued, &mut missing);
            if !self.revive_all(maker, key.1, missing) {
                return choice;
            }
        }
    }

    /// The region to compile for a hot key, its anchor, and the unit that it replaces. `missing` gets keys that were not in the tables.
    fn choose(&self, key: Key, queued: Since, missing: &mut Vec<u64>) -> Option<Choice> {
        let t = self.tables.read();
        if let Some(e) = t.optimized(key) {
            if let Some(b) = t.block(key)
                && let Some(u) = t.unit(e.unit)
            {
                b.publish(u, e.code, 0);
            }
            return None;
        }
        if let Some(u) = t.unit_with(key)
            && u.rebuilds < MAX_REBUILDS
        {
            if u.id >= queued.next_id
                && self.threshold > WARM
                && let Some(b) = t.block(key)
            {
                // It was hot before the region was there. If the guest still comes to it from outside, a round of executions will say so.
                b.queued.store(false, Ordering::Release);
                return None;
            }
            let anchor = (u.entries[0].0, u.mode);
            let mut entries: Vec<u64> = u.entries.iter().map(|e| e.0).collect();
            entries.push(key.0);
            let r = region::build(&t, anchor, &entries, self.threshold, &self.cfg, missing)?;
            if r.unit.blocks.iter().any(|b| b.entry && b.pc == key.0) {
                return Some(Choice {
                    region: r,
                    anchor,
                    replaces: Some((u.id, u.rebuilds + 1)),
                });
            }
        }
        let r = region::build(&t, key, &[], self.threshold, &self.cfg, missing)?;
        Some(Choice {
            region: r,
            anchor: key,
            replaces: None,
        })
    }

    /// False if it has to be compiled in another way.
    fn publish(
        &self,
        r: &Region,
        anchor: Key,
        c: &CompiledUnit,
        replaces: Option<(u64, u32)>,
        own: Option<&CpuShared>,
        made: &Made,
    ) -> bool {
        let Some(mut unit) = self.install(
            c,
            Tier::Optimized,
            anchor.1,
            r.ranges.iter().copied().collect(),
            r.insns,
            own,
        ) else {
            self.stats.add(Counter::CompileNoRoom, 1);
            tracing::debug!(target: "compile", "no room for the region at {:#x}", anchor.0);
            return true;
        };
        unit.unit.rebuilds = replaces.map_or(0, |x| x.1);
        let mut t = self.tables.write();
        let current = |(pc, w): &(u64, Box<[u32]>)| {
            t.block((*pc, anchor.1))
                .is_some_and(|b| b.words.starts_with(w))
        };
        if !r.words.iter().all(current) {
            self.stats.add(Counter::CompileStale, 1);
            return true;
        }
        if unit.unit.overlooks && self.underflow.load(Ordering::SeqCst) {
            self.stats.add(Counter::CompileStale, 1);
            return false;
        }
        self.name_lines(&unit.unit);
        if let Some((old, _)) = replaces {
            let epoch = self.epoch.load(Ordering::SeqCst);
            let gone = t.retire_unit(old, epoch, self.unlinked());
            self.count_dropped(gone, EndReason::Rebuilt);
            self.epoch.fetch_add(1, Ordering::SeqCst);
            self.purge_jump_caches(&mut t);
        }
        self.record(&unit.unit, r, c, made);
        t.insert_unit(unit.unit, 0, self.unlinked());
        self.free(&mut t);
        true
    }
}

/// Signals are for guest threads.
pub(crate) fn block_all_signals() {
    // SAFETY: plain calls on a local set.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}
