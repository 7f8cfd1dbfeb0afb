//! The engine: what all CPUs of one address space share (translations, code memory, compile threads), and the run loop.
//!
//! The loop asks, at each return from translated code, where the guest goes on; looks for a tier-1 entry, else a tier-0 block, else
//! translates one; links the exit just taken; and hands traps, faults and interrupts to the environment.

use crate::cache::block::{Block0, COUNT_ONLY};
use crate::cache::counter;
use crate::cache::image::Text;
use crate::cache::image::folder::Folder;
use crate::cache::image::revive::MODE;
use crate::compile::WARM;
use crate::compile::make::Maker;
use crate::compile::tier1::{self, Tier1, Worker};
use crate::env::{Access, Environment, Exception, Flow};
use crate::helpers;
use crate::interp::{self, Left};
use crate::signal;
use crate::stats::{self, Collect, Collector, Counter, Phase, Stats};
use crate::sync::{Mutex, MutexGuard};
use crate::vcpu::caches::Found;
use crate::vcpu::{TEMPS_OFFSET, Vcpu};
use metaphrase_arm64::arch::features::{DEFAULT, Model};
use metaphrase_arm64::arch::state::{FLAGS_OFFSET, FPSR_OFFSET, PC_OFFSET, branch_address};
use metaphrase_backend::abi::{
    Builtin, ChainSlot, EXIT_FAULT, EXIT_HOT, EXIT_LOOKUP, EXIT_STOP, EXIT_TRAP, decode_trap,
};
use metaphrase_backend::arena;
use metaphrase_backend::baseline::Baseline;
use metaphrase_backend::bytecode::Bytecode;
use metaphrase_ir::TrapKind;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

mod heat;

/// How tier 1 is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JitMode {
    /// Tier 0 alone.
    Off,
    /// Compile on the guest's thread, at once when the threshold is reached (tests, measurement).
    Sync,
    /// Compile on background threads; a CPU never waits.
    Background,
}

/// Whether regions look for underflow where the guest does, before rounding: arithmetic takes up to half as long again then. (Everything else always
/// does.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindUnderflow {
    /// No: FPSR.UFC may be clear where the guest would have it set (tests).
    Never,
    /// Once a CPU accesses FPSR by an instruction.
    WhenUsed,
    /// From the start (tests).
    Always,
}

/// Settings fixed for the life of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Tier-1 mode.
    pub jit: JitMode,
    /// Executions of a block before it is considered hot.
    pub threshold: u32,
    /// Background compile threads.
    pub threads: u32,
    /// Bytes of code memory.
    pub cache_size: usize,
    /// The CPU that the guest sees.
    pub cpu: Model,
    /// Most guest instructions in a block of tier 0, at least 1. Smaller ones are for tests: it must not matter.
    pub max_block: u32,
    /// Whether regions look for underflow where the guest does.
    pub underflow: FindUnderflow,
    /// Whether tier 1 optimises IR. It must not matter either, but for speed.
    pub optimise: bool,
    /// Statistics wanted.
    pub collect: Collect,
    /// Where translations are kept for later processes.
    pub images: Option<Arc<Folder>>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            jit: JitMode::Background,
            threshold: 1_000_000,
            threads: 1,
            cache_size: 256 << 20,
            cpu: DEFAULT,
            max_block: 32,
            underflow: FindUnderflow::WhenUsed,
            optimise: true,
            collect: Collect::default(),
            images: None,
        }
    }
}

/// Executions in the interpreter before it is tried again, if there was no room for baseline code.
const RETRY: u32 = 500;

impl EngineConfig {
    /// Whether baseline code stands between interpreter and regions.
    fn baseline(&self) -> bool {
        self.jit != JitMode::Off && self.threshold > WARM
    }
}

/// FPCR bits that translations depend on: AHP, DN, FZ, RMode, FZ16.
pub const FPCR_MODE: u32 = 0x07c8_0000;

/// Shared by all CPUs of one address space.
#[derive(Debug)]
pub struct Engine {
    /// Settings.
    pub config: EngineConfig,
    /// Not 0, another one for each engine.
    id: u64,
    tier1: Arc<Tier1>,
    /// The compiler of sync mode.
    sync: Mutex<Option<Worker>>,
}

/// Working memory for translation, one per CPU run.
struct Scratch {
    maker: Maker,
    baseline: Baseline,
}

/// What runs next.
enum Next<'a> {
    Tier0(&'a Block0),
    /// Native code of a block: its host address.
    Native(&'a Block0, u64),
    /// Code in an image.
    Image(u64),
}

/// Why control came back from translated code.
enum Back<'a> {
    /// Tier 0.
    Tier0(Left<'a>),
    /// A chain slot of tier 1 that is not linked.
    Slot(&'a ChainSlot),
}

/// The exit just taken, to be linked to what runs next.
enum From<'a> {
    Nothing,
    Block(&'a Block0, usize),
    Slot(&'a ChainSlot),
    Lookup,
}

impl Engine {
    /// A fresh engine.
    pub fn new(config: EngineConfig) -> std::io::Result<Engine> {
        let stats = Collector::new(config.collect);
        let tier1 = Tier1::new(&config, stats);
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Ok(Engine {
            config,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            tier1: Arc::new(tier1),
            sync: Mutex::default(),
        })
    }

    /// Runs a CPU until its environment says to leave; returns that code.
    pub fn run(&self, cpu: &mut Vcpu, env: &mut dyn Environment) -> i32 {
        let base = self.attach(cpu);
        cpu.begin_window();
        let outer = signal::current();
        signal::set_current(&raw mut *cpu.frame);
        let code = self.run_attached(cpu, env);
        cpu.phase(Phase::Dispatch);
        cpu.left = self.tier1.epoch.load(Ordering::SeqCst);
        signal::set_current(outer);
        counter::restore(base);
        cpu.shared.active.store(0, Ordering::SeqCst);
        self.tier1
            .cpus
            .lock()
            .retain(|c| !Arc::ptr_eq(c, &cpu.shared));
        self.tier1.stats.fold(&cpu.shared.counts);
        let hits = std::mem::take(&mut cpu.frame.header.jump_hits);
        self.tier1.stats.add(Counter::JumpHits, hits);
        code
    }

    /// What [`counter::restore`] wants afterwards.
    fn attach(&self, cpu: &mut Vcpu) -> Option<u64> {
        if cpu.engine != self.id {
            // Whatever it remembers is another engine's.
            if cpu.engine != 0 {
                cpu.forget_all();
            }
            cpu.engine = self.id;
            cpu.helper_table = helpers::table().into_boxed_slice();
        } else if cpu.left != self.tier1.epoch.load(Ordering::SeqCst) {
            // Nobody has told it what was retired since.
            cpu.forget_all();
        }
        cpu.frame.translations = Arc::as_ptr(&self.tier1);
        cpu.frame.header.helpers = cpu.helper_table.as_ptr() as u64;
        cpu.frame.feats = self.config.cpu.feats;
        cpu.shared
            .stop
            .store(cpu.stop_word() as u64, Ordering::SeqCst);
        cpu.caches.share(&cpu.shared.jumps);
        cpu.clock
            .start(self.config.collect.stats, &cpu.shared.phase);
        let base = self.tier1.join(&cpu.shared);
        stats::start_sampler(&self.tier1);
        base
    }

    fn run_attached(&self, cpu: &mut Vcpu, env: &mut dyn Environment) -> i32 {
        let mut scratch = Scratch {
            maker: Maker::default(),
            baseline: Baseline::new(PC_OFFSET, FPSR_OFFSET, FLAGS_OFFSET, TEMPS_OFFSET),
        };
        scratch.baseline.count = self.config.collect.stats;
        scratch.baseline.map = self.config.collect.code;
        let mut force = false;
        let mut from = From::Nothing;
        loop {
            if self.enter(cpu) {
                // What the exit belongs to may have been retired and freed.
                from = From::Nothing;
            }
            if cpu.begins_to_use_fpsr() && self.config.underflow == FindUnderflow::WhenUsed {
                self.tier1.look_for_underflow();
            }
            let linking = matches!(from, From::Slot(_));
            let next = self.find(cpu, env, &mut scratch, force, linking);
            self.link(cpu, std::mem::replace(&mut from, From::Nothing), &next);
            let back = match next {
                Next::Tier0(b) => {
                    cpu.count(Counter::Tier0Runs);
                    cpu.phase(Phase::Tier0);
                    // SAFETY: this thread's frame, named in `run`; the block was built for it.
                    let left = unsafe { interp::run(&raw mut *cpu.frame, b, force) };
                    if force {
                        cpu.repeated();
                    }
                    Back::Tier0(left)
                }
                Next::Native(_, code) | Next::Image(code) => {
                    cpu.count(Counter::Tier1Runs);
                    cpu.phase(Phase::Tier1);
                    self.enter_native(cpu, code)
                }
            };
            cpu.phase(Phase::Dispatch);
            count_exit(cpu, &next, &back);
            force = false;
            let left = match back {
                Back::Slot(s) => {
                    cpu.frame.guest.pc = s.guest_pc;
                    from = From::Slot(s);
                    continue;
                }
                Back::Tier0(l) => l,
            };
            let flow = match left {
                Left::Unlinked(b, n) => {
                    from = From::Block(b, n);
                    Flow::Continue
                }
                Left::Lookup => {
                    let pc = &mut cpu.frame.guest.pc;
                    *pc = branch_address(*pc);
                    from = From::Lookup;
                    Flow::Continue
                }
                Left::Attention(b) => {
                    force = self.attend(cpu, b, &mut scratch.baseline);
                    Flow::Continue
                }
                Left::Hot => {
                    self.hot(cpu, &mut scratch);
                    // The jump cache may name the code just left, and so may the block cache if that lies in an image.
                    cpu.caches.remember(cpu.frame.guest.pc, ptr::null());
                    from = From::Lookup;
                    Flow::Continue
                }
                Left::Retry => {
                    self.retry(cpu, &mut scratch);
                    force = true;
                    Flow::Continue
                }
                Left::Stop if cpu.frame.bulk_fault.is_some() => self.bulk_fault(cpu, env),
                Left::Stop => {
                    self.leave(cpu);
                    cpu.frame.header.stop.store(0, Ordering::SeqCst);
                    cpu.count(Counter::Interrupts);
                    cpu.phase(Phase::Exception);
                    let flow = env.interrupted(cpu);
                    cpu.phase(Phase::Dispatch);
                    flow
                }
                Left::Trap(t) => self.trap(cpu, env, decode_trap(t)),
                Left::Fault(addr, write) => self.fault(cpu, env, addr, write),
                Left::Align(addr) => self.deliver(cpu, env, Exception::Alignment { addr }),
            };
            if let Flow::Leave(code) = flow {
                return code;
            }
        }
    }

    /// Gives the environment an exception.
    fn deliver(&self, cpu: &mut Vcpu, env: &mut dyn Environment, e: Exception) -> Flow {
        self.leave(cpu);
        match e {
            Exception::Svc(_) => {
                cpu.count(Counter::Syscalls);
                cpu.phase(Phase::Syscall);
            }
            _ => {
                cpu.count(Counter::Exceptions);
                let fault = matches!(e, Exception::Fault { .. });
                cpu.count_n(Counter::Faults, fault as u64);
                cpu.phase(Phase::Exception);
            }
        }
        let flow = env.exception(cpu, e);
        cpu.phase(Phase::Dispatch);
        flow
    }

    /// Runs translated code until it returns.
    fn enter_native(&self, cpu: &mut Vcpu, code: u64) -> Back<'_> {
        let cold = &mut cpu.helper_table[Builtin::EvalCold.index()];
        if *cold == 0 {
            *cold = self.tier1.eval_cold();
        }
        let f = &mut *cpu.frame;
        f.header.look_up = self.tier1.look_up.load(Ordering::Relaxed);
        f.in_code = true;
        type Trampoline = extern "C" fn(*mut u8, u64) -> u64;
        // SAFETY: the stub built for this signature.
        let enter = unsafe {
            std::mem::transmute::<u64, Trampoline>(self.tier1.trampoline.load(Ordering::Relaxed))
        };
        let r = enter((&raw mut *f).cast(), code);
        f.in_code = false;
        f.fold(f.header.scratch);
        Back::Tier0(match r {
            EXIT_LOOKUP => Left::Lookup,
            EXIT_TRAP => Left::Trap(f.header.trap),
            EXIT_STOP => Left::Stop,
            EXIT_HOT => Left::Hot,
            // The interpreter repeats the instruction: it knows the exact address, and tagged pointers.
            EXIT_FAULT => Left::Retry,
            // SAFETY: anything else is the address of an unlinked slot, alive while this CPU is in its epoch.
            slot => return Back::Slot(unsafe { &*(slot as *const ChainSlot) }),
        })
    }

    /// The CPU enters guest code: names its epoch, and forgets its caches if blocks were retired since. True if it is another epoch than
    /// before.
    fn enter(&self, cpu: &mut Vcpu) -> bool {
        let s = &cpu.shared;
        let before = s.active.load(Ordering::Relaxed);
        let mut epoch = self.tier1.epoch.load(Ordering::SeqCst);
        while s.active.load(Ordering::Relaxed) != epoch {
            s.active.store(epoch, Ordering::SeqCst);
            // Who retired something before the store was seen has freed it too, and has advanced the epoch before that.
            epoch = self.tier1.epoch.load(Ordering::SeqCst);
        }
        let mode = (cpu.frame.guest.fpcr & FPCR_MODE) as u64;
        if mode != cpu.mode() {
            cpu.select(mode);
            cpu.frame.set_rounding();
        }
        let blocks = self.tier1.block_epoch.load(Ordering::SeqCst);
        if cpu.caches.seen() != blocks {
            cpu.catch_up(blocks, &self.tier1.retired.lock());
        }
        before != epoch
    }

    /// The CPU leaves guest code for the environment, where it may block.
    fn leave(&self, cpu: &Vcpu) {
        // Nothing that follows depends on when others see it.
        cpu.shared.active.store(0, Ordering::Release);
    }

    /// What to run at the guest pc. `tier0`: not tier 1. `linking`: a slot is to be linked to it.
    fn find<'a>(
        &'a self,
        cpu: &mut Vcpu,
        env: &mut dyn Environment,
        s: &mut Scratch,
        tier0: bool,
        linking: bool,
    ) -> Next<'a> {
        let pc = cpu.frame.guest.pc;
        let block = match cpu.caches.find(pc) {
            Some(Found::Block(b)) => {
                cpu.count(Counter::BlockHits);
                // SAFETY: cached pointers are removed in `enter` before anything retired is freed.
                unsafe { &*b }
            }
            Some(Found::Image(code)) if !tier0 && !linking => {
                cpu.count(Counter::BlockHits);
                return Next::Image(code);
            }
            _ => {
                cpu.count(Counter::BlockMisses);
                let found = self
                    .tier1
                    .tables
                    .read()
                    .block((pc, cpu.mode()))
                    .map(ptr::from_ref);
                cpu.count_n(Counter::TableHits, found.is_some() as u64);
                let image = match found {
                    None if cpu.mode() == MODE => self.tier1.images.find(pc),
                    _ => None,
                };
                if let Some((.., code)) = image {
                    cpu.count(Counter::ImageHits);
                    if !tier0 && !linking {
                        cpu.caches.remember_image(pc, code);
                        return Next::Image(code);
                    }
                }
                let revived = image.and_then(|_| self.tier1.revive(&mut s.maker, pc));
                let p = found.or(revived);
                let p = p.unwrap_or_else(|| self.translate(cpu, env, s));
                cpu.caches.remember(pc, p);
                if cpu.caches.outgrown() {
                    let _tables = self.tier1.tables.read();
                    cpu.move_jumps();
                }
                // SAFETY: blocks in the table stay alive while this CPU is in its epoch.
                unsafe { &*p }
            }
        };
        let code = block.native();
        if code != 0 && !tier0 && !block.dead.load(Ordering::Acquire) {
            Next::Native(block, code)
        } else {
            Next::Tier0(block)
        }
    }

    /// Links the exit that led here to what runs next.
    fn link(&self, cpu: &Vcpu, from: From<'_>, next: &Next<'_>) {
        match (from, next) {
            (From::Block(from, n), Next::Tier0(to)) => {
                let _tables = self.tier1.tables.read();
                let alive = !from.dead.load(Ordering::Acquire) && !to.dead.load(Ordering::Acquire);
                if alive && from.mode == to.mode {
                    from.set_link(n, to);
                    cpu.count(Counter::LinksBlock);
                }
            }
            (From::Slot(s), Next::Native(to, _)) => {
                let linked = self.tier1.tables.read().link_slot(s, to);
                cpu.count_n(Counter::LinksSlot, linked as u64);
            }
            (From::Lookup, Next::Native(to, code)) => {
                let pc = cpu.frame.guest.pc;
                let _tables = self.tier1.tables.read();
                // Under the lock, so that a retirement cannot fall between check and entry.
                if to.native() == *code && !to.dead.load(Ordering::Acquire) {
                    cpu.caches.remember_jump(pc, *code);
                    cpu.count(Counter::LinksJump);
                }
            }
            (From::Lookup, Next::Image(code)) => {
                let pc = cpu.frame.guest.pc;
                let _tables = self.tier1.tables.read();
                if self.tier1.images.find(pc).is_some_and(|f| f.2 == *code) {
                    cpu.caches.remember_jump(pc, *code);
                    cpu.count(Counter::LinksJump);
                }
            }
            _ => {}
        }
    }

    /// Translates the block at the guest pc for tier 0 and puts it into the table.
    fn translate(
        &self,
        cpu: &mut Vcpu,
        env: &mut dyn Environment,
        s: &mut Scratch,
    ) -> *const Block0 {
        loop {
            let changes = self.tier1.changes.load(Ordering::SeqCst);
            let b = self.build(cpu, env, s);
            let mut t = self.tier1.tables.write();
            // Code that another CPU changed after it was read here: that CPU has looked for translations already and found none.
            if self.tier1.changes.load(Ordering::SeqCst) == changes {
                return ptr::from_ref(t.insert(b));
            }
        }
    }

    /// A translation of the block at the guest pc as its bytes are now.
    fn build(
        &self,
        cpu: &mut Vcpu,
        env: &mut dyn Environment,
        s: &mut Scratch,
    ) -> arena::Box<Block0> {
        cpu.phase(Phase::Translate);
        let key = (cpu.frame.guest.pc, cpu.mode());
        let (cfg, max) = (&self.tier1.cfg, self.config.max_block);
        let bytecode = || cpu.phase(Phase::Bytecode);
        let made = s.maker.make(cfg, key, max, |at| env.fetch(at), bytecode);
        cpu.phase(Phase::Dispatch);
        self.count_block(cpu, &made.words, &made.code);
        let threshold = match (self.config.jit, self.config.baseline()) {
            (JitMode::Off, _) => self.config.collect.stats.then_some(COUNT_ONLY as u32),
            (_, true) => Some(WARM),
            (_, false) => Some(self.config.threshold),
        };
        arena::new(made.into_block(key, threshold))
    }

    fn trap(&self, cpu: &mut Vcpu, env: &mut dyn Environment, t: TrapKind) -> Flow {
        let pc = cpu.frame.guest.pc;
        let e = match t {
            TrapKind::Svc(imm) => {
                cpu.frame.guest.pc = pc.wrapping_add(4);
                Exception::Svc(imm)
            }
            TrapKind::Brk(imm) => Exception::Brk(imm),
            TrapKind::Undefined => Exception::Undefined,
            TrapKind::Unimplemented(w) => Exception::Unimplemented(w),
            TrapKind::Sync(_) => {
                cpu.frame.guest.pc = pc.wrapping_add(4);
                let line = std::mem::take(&mut cpu.frame.ic_ivau);
                if line != 0 {
                    cpu.count(Counter::InvalidateIc);
                    self.tier1.invalidate(line, line + 64);
                }
                return Flow::Continue;
            }
            TrapKind::FetchFault => {
                let permission = env.fetch(pc & !3).is_none() && readable(pc);
                Exception::Fault {
                    addr: pc,
                    access: Access::Fetch,
                    permission,
                    bus: false,
                }
            }
        };
        self.deliver(cpu, env, e)
    }

    /// An epilogue of FEAT_MOPS, at the guest pc, could not go on. The stop may have been asked for by others too, so it stays asked for.
    fn bulk_fault(&self, cpu: &mut Vcpu, env: &mut dyn Environment) -> Flow {
        match cpu.frame.bulk_fault.take() {
            Some((addr, write)) => self.fault(cpu, env, addr, write),
            None => Flow::Continue,
        }
    }

    fn fault(&self, cpu: &mut Vcpu, env: &mut dyn Environment, addr: u64, write: bool) -> Flow {
        let h = &cpu.frame.header;
        let (info, host) = (h.fault_info, h.fault_addr);
        // The host reports the exact byte where an access crosses into a bad page; a non-canonical address it does not report at all.
        let addr = if host >= addr && host - addr < 64 {
            host
        } else {
            addr
        };
        let e = Exception::Fault {
            addr,
            access: if write || info & 1 != 0 {
                Access::Write
            } else {
                Access::Read
            },
            permission: info & 2 != 0,
            bus: info >> 8 & 0xff == libc::SIGBUS as u64,
        };
        self.deliver(cpu, env, e)
    }

    /// Guest code in `[start, end)` may have changed or gone: drops its translations. No CPU starts executing an old one after its next
    /// pass through the dispatcher; the caller's own CPU passes it when it returns to `run`.
    pub fn invalidate(&self, start: u64, end: u64) {
        if start < end {
            self.tier1.stats.add(Counter::InvalidateMap, 1);
            self.tier1.invalidate(start, end);
        }
    }

    /// Guest code of a file has been mapped: translations of it that earlier processes have kept are used from now on, and others are kept by
    /// [`Engine::keep`], until [`Engine::invalidate`] is called for any of it.
    pub fn map_text(&self, text: Text) {
        if self.config.baseline() && self.config.jit == JitMode::Background {
            self.tier1.map_text(text);
        }
    }

    /// Keeps translations for later processes. Call it when the process ends or executes another program.
    pub fn keep(&self) {
        self.tier1.keep();
    }

    /// Counts and records so far. Callable on any thread at any time; takes locks, so not in a signal handler.
    pub fn stats(&self) -> Stats {
        stats::snapshot(&self.tier1, &self.config)
    }

    /// Processor time that compile threads have taken so far. It is part of the host process's, not of the guest's.
    pub fn compile_time(&self) -> std::time::Duration {
        self.tier1.worker_clocks.total()
    }

    /// Opens the jitdump file in a folder; [`crate::debug::jitdump::finish`] completes it.
    pub fn open_jitdump(&self, folder: &std::path::Path) -> std::io::Result<()> {
        if let Some(mut d) = self.tier1.stats.detail() {
            d.jitdump = Some(crate::debug::jitdump::open(folder)?);
        }
        Ok(())
    }

    /// What is collected, for the perf map and jitdump.
    pub fn collector(&self) -> &Collector {
        &self.tier1.stats
    }

    fn count_block(&self, cpu: &Vcpu, words: &[u32], code: &Bytecode) {
        let n = words.len() as u64;
        cpu.count(Counter::Tier0Blocks);
        cpu.count_n(Counter::Tier0Insns, n);
        cpu.count_n(Counter::Tier0Bytes, size_of_val(&*code.ops) as u64);
        if self.config.collect.stats
            && let Some(mut d) = self.tier1.stats.detail()
        {
            let pc = cpu.frame.guest.pc;
            d.translated(pc, pc + n * 4);
        }
    }

    /// Asks every CPU to leave translated code at its next poll.
    pub fn stop_all(&self) {
        self.tier1.stop_all();
    }

    /// A CPU whose `run` will never return (it belonged to a vfork child that has left the address space).
    pub fn forget(&self, cpu: &Vcpu) {
        cpu.shared.active.store(0, Ordering::SeqCst);
        self.tier1
            .cpus
            .lock()
            .retain(|c| !Arc::ptr_eq(c, &cpu.shared));
    }

    /// Call before `fork`, and hand the result to one of the next two: holds every lock of the engine meanwhile.
    pub fn before_fork(&self) -> ForkGuard<'_> {
        ForkGuard {
            sync: self.sync.lock(),
            tier1: self.tier1.before_fork(),
        }
    }

    /// Call in the parent after `fork`.
    pub fn after_fork_parent(&self, g: ForkGuard<'_>) {
        self.tier1.after_fork_parent(g.tier1);
    }

    /// Call in the child after `fork`, on its only thread, whose CPU is `cpu`.
    pub fn after_fork_child(&self, g: ForkGuard<'_>, cpu: &Vcpu) {
        self.tier1.after_fork_child(g.tier1, &cpu.shared);
        drop(g.sync);
    }
}

impl Drop for Engine {
    /// Its memory goes when the compile threads have seen that it is over; no CPU runs it any more.
    fn drop(&mut self) {
        self.tier1.end_workers();
    }
}

/// Counts why control came back.
fn count_exit(cpu: &Vcpu, ran: &Next<'_>, back: &Back<'_>) {
    cpu.count(match back {
        Back::Slot(_) => Counter::LeftUnlinkedSlot,
        Back::Tier0(l) => match l {
            Left::Unlinked(..) => Counter::LeftUnlinkedBlock,
            Left::Lookup if matches!(ran, Next::Native(..) | Next::Image(_)) => Counter::JumpMisses,
            Left::Lookup => Counter::Tier0Indirect,
            Left::Trap(_) => Counter::LeftTrap,
            Left::Stop => Counter::LeftStop,
            Left::Attention(_) => Counter::LeftAttention,
            Left::Fault(..) => Counter::LeftFault,
            Left::Align(_) => Counter::LeftAlign,
            Left::Retry => Counter::LeftRetry,
            Left::Hot => Counter::LeftHot,
        },
    });
}

/// The engine's locks, held across a `fork`.
#[must_use]
#[derive(Debug)]
pub struct ForkGuard<'a> {
    sync: MutexGuard<'a, Option<Worker>>,
    tier1: tier1::ForkGuard<'a>,
}

/// Whether the host can read the byte at a guest address.
fn readable(addr: u64) -> bool {
    // SAFETY: guest address; a fault is caught.
    unsafe { crate::mem::access::load8(addr) }.is_ok()
}
