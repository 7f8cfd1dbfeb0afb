//! The engine: what all CPUs of one address space share (translations, code memory, compile threads), and the run loop.
//!
//! The loop asks, at each return from translated code, where the guest goes on; looks for a tier-1 entry, else a tier-0 block, else
//! translates one; links the exit just taken; and hands traps, faults and interrupts to the environment.

use crate::cache::block::Block0;
use crate::cache::tables::Tables;
use crate::env::{Access, Environment, Exception, Flow};
use crate::helpers;
use crate::interp::{self, Left};
use crate::signal;
use crate::vcpu::{BLOCK_ENTRIES, CpuShared, TEMPS_OFFSET, Vcpu};
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::translate::{self, Config};
use metaphrase_backend::abi::decode_trap;
use metaphrase_backend::bytecode::build::Builder;
use metaphrase_ir::{Exit, TrapKind, Unit};
use parking_lot::{Mutex, RwLock};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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
    /// Features that the guest CPU advertises.
    pub feats: FeatSet,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            jit: JitMode::Background,
            threshold: 60,
            threads: 1,
            cache_size: 256 << 20,
            feats: FeatSet::V8_0,
        }
    }
}

/// Most guest instructions in a tier-0 block.
const MAX_BLOCK: u32 = 32;

/// FPCR bits that translations depend on: AHP, DN, FZ, RMode, FZ16.
pub const FPCR_MODE: u32 = 0x07c8_0000;

/// Shared by all CPUs of one address space.
#[derive(Debug)]
pub struct Engine {
    /// Settings.
    pub config: EngineConfig,
    tables: RwLock<Tables>,
    /// Advances with every retirement.
    epoch: AtomicU64,
    cpus: Mutex<Vec<Arc<CpuShared>>>,
}

/// Working memory for translation, one per CPU run.
struct Scratch {
    unit: Unit,
    builder: Builder,
}

impl Engine {
    /// A fresh engine.
    pub fn new(config: EngineConfig) -> std::io::Result<Engine> {
        Ok(Engine {
            config,
            tables: RwLock::default(),
            epoch: AtomicU64::new(1),
            cpus: Mutex::default(),
        })
    }

    /// Runs a CPU until its environment says to leave; returns that code.
    pub fn run(&self, cpu: &mut Vcpu, env: &mut dyn Environment) -> i32 {
        self.attach(cpu);
        let outer = signal::current();
        signal::set_current(&raw mut *cpu.frame);
        let code = self.run_attached(cpu, env);
        signal::set_current(outer);
        cpu.shared.active.store(0, Ordering::SeqCst);
        self.cpus.lock().retain(|c| !Arc::ptr_eq(c, &cpu.shared));
        code
    }

    fn attach(&self, cpu: &mut Vcpu) {
        if cpu.helper_table.is_empty() {
            cpu.helper_table = helpers::table().into_boxed_slice();
        }
        cpu.frame.header.helpers = cpu.helper_table.as_ptr() as u64;
        cpu.frame.feats = self.config.feats;
        cpu.shared
            .stop
            .store(cpu.stop_word() as u64, Ordering::SeqCst);
        cpu.shared
            .jump_cache
            .store(cpu.jump_cache.as_ptr() as u64, Ordering::SeqCst);
        self.cpus.lock().push(cpu.shared.clone());
    }

    fn run_attached(&self, cpu: &mut Vcpu, env: &mut dyn Environment) -> i32 {
        let mut scratch = Scratch {
            unit: Unit::new(&SLOTS),
            builder: Builder::default(),
        };
        let mut force = false;
        let mut from: Option<(&Block0, usize)> = None;
        loop {
            self.enter(cpu);
            let block = self.find(cpu, env, &mut scratch);
            if let Some((b, n)) = from.take() {
                self.link(b, n, block);
            }
            // SAFETY: this thread's frame, named in `run`; the block was built for it.
            let left = unsafe { interp::run(&raw mut *cpu.frame, block, force) };
            force = false;
            let flow = match left {
                Left::Unlinked(b, n) => {
                    from = Some((b, n));
                    Flow::Continue
                }
                Left::Lookup => Flow::Continue,
                Left::Attention(b) => {
                    if !b.dead.load(Ordering::Acquire) {
                        b.never_hot();
                        force = true;
                    } else {
                        cpu.flush_caches();
                    }
                    Flow::Continue
                }
                Left::Stop => {
                    self.leave(cpu);
                    cpu.frame.header.stop.store(0, Ordering::SeqCst);
                    env.interrupted(cpu)
                }
                Left::Trap(t) => self.trap(cpu, env, decode_trap(t)),
                Left::Fault(addr, write) => self.fault(cpu, env, addr, write),
                Left::Align(addr) => {
                    self.leave(cpu);
                    env.exception(cpu, Exception::Alignment { addr })
                }
            };
            if let Flow::Leave(code) = flow {
                return code;
            }
        }
    }

    /// The CPU enters guest code: names its epoch, and forgets its caches if something was retired since.
    fn enter(&self, cpu: &mut Vcpu) {
        let epoch = self.epoch.load(Ordering::SeqCst);
        let s = &cpu.shared;
        if s.active.load(Ordering::Relaxed) != epoch {
            s.active.store(epoch, Ordering::SeqCst);
        }
        let stale = s.seen.load(Ordering::Relaxed) != epoch;
        let mode = (cpu.frame.guest.fpcr & FPCR_MODE) as u64;
        if stale || mode != cpu.mode {
            cpu.shared.seen.store(epoch, Ordering::Relaxed);
            cpu.mode = mode;
            cpu.flush_caches();
        }
    }

    /// The CPU leaves guest code for the environment, where it may block.
    fn leave(&self, cpu: &Vcpu) {
        cpu.shared.active.store(0, Ordering::SeqCst);
    }

    fn find<'a>(
        &'a self,
        cpu: &mut Vcpu,
        env: &mut dyn Environment,
        s: &mut Scratch,
    ) -> &'a Block0 {
        let pc = cpu.frame.guest.pc;
        let i = (pc >> 2) as usize & (BLOCK_ENTRIES - 1);
        // SAFETY: cached pointers are flushed in `enter` before anything retired is freed.
        if let Some(b) = unsafe { cpu.blocks[i].as_ref() }
            && b.pc == pc
        {
            return b;
        }
        let found = self.tables.read().block((pc, cpu.mode)).map(ptr::from_ref);
        let p = found.unwrap_or_else(|| self.translate(cpu, env, s));
        cpu.blocks[i] = p;
        // SAFETY: blocks in the table stay alive while this CPU is in its epoch.
        unsafe { &*p }
    }

    /// Links exit `n` of `from` to `to`, if neither has been retired.
    fn link(&self, from: &Block0, n: usize, to: &Block0) {
        let _tables = self.tables.read();
        let alive = !from.dead.load(Ordering::Acquire) && !to.dead.load(Ordering::Acquire);
        if alive && from.mode == to.mode {
            from.set_link(n, to);
        }
    }

    /// Translates the block at the guest pc for tier 0.
    fn translate(&self, cpu: &Vcpu, env: &mut dyn Environment, s: &mut Scratch) -> *const Block0 {
        let pc = cpu.frame.guest.pc;
        let cfg = Config {
            feats: self.config.feats,
            ..Config::default()
        };
        let page = pc & !0xfff;
        let mut max = MAX_BLOCK;
        let (block, code, words) = loop {
            let mut words: Vec<u32> = Vec::new();
            s.unit.clear();
            s.unit.mode = cpu.mode;
            let mut fetch = |at: u64| {
                // Stop at the page end: the next page's mapping may differ.
                let w = (at & !0xfff == page).then(|| env.fetch(at)).flatten();
                words.extend(w);
                w
            };
            let id = translate::translate_block(&mut s.unit, &cfg, pc, &mut fetch, max);
            let block = s.unit.blocks[id.0 as usize].clone();
            match s.builder.build(&s.unit, &block, TEMPS_OFFSET) {
                Ok(code) => break (block, code, words),
                Err(_) => max = (max / 2).max(1),
            }
        };
        let ends_with_call = matches!(
            block.exit,
            Exit::Goto { call: true, .. }
                | Exit::Indirect {
                    kind: metaphrase_ir::IndirectKind::Call,
                    ..
                }
        );
        let threshold = (self.config.jit != JitMode::Off).then_some(self.config.threshold);
        let words = words.into_boxed_slice();
        let b = Box::new(Block0::new(
            pc,
            cpu.mode,
            words,
            code,
            ends_with_call,
            threshold,
        ));
        ptr::from_ref(self.tables.write().insert(b))
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
                    self.invalidate(line, line + 64);
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
        self.leave(cpu);
        env.exception(cpu, e)
    }

    fn fault(&self, cpu: &mut Vcpu, env: &mut dyn Environment, addr: u64, write: bool) -> Flow {
        self.leave(cpu);
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
        env.exception(cpu, e)
    }

    /// Guest code in `[start, end)` may have changed or gone: drops its translations. No CPU starts executing an old one after its next
    /// pass through the dispatcher; the caller's own CPU passes it when it returns to `run`.
    pub fn invalidate(&self, start: u64, end: u64) {
        if start >= end || !self.tables.read().touches(start, end) {
            return;
        }
        let mut t = self.tables.write();
        let epoch = self.epoch.load(Ordering::SeqCst);
        if t.retire(start, end, epoch) == 0 {
            return;
        }
        self.epoch.fetch_add(1, Ordering::SeqCst);
        let mut oldest = u64::MAX;
        for c in self.cpus.lock().iter() {
            let a = c.active.load(Ordering::SeqCst);
            if a != 0 {
                oldest = oldest.min(a);
            }
        }
        t.collect(oldest);
    }

    /// Asks every CPU to leave translated code at its next poll.
    pub fn stop_all(&self) {
        for c in self.cpus.lock().iter() {
            let p = c.stop.load(Ordering::SeqCst) as *const AtomicU32;
            // SAFETY: a CPU's frame outlives its registration.
            unsafe { (*p).store(1, Ordering::SeqCst) };
        }
    }

    /// Call before `fork`: brings compile threads and locks into a state that a child can live with.
    pub fn before_fork(&self) {}

    /// Call in the parent after `fork`.
    pub fn after_fork_parent(&self) {}

    /// Call in the child after `fork`, on its only thread: other CPUs are gone; gives it code memory of its own.
    pub fn after_fork_child(&self, cpu: &Vcpu) {
        self.cpus.lock().retain(|c| Arc::ptr_eq(c, &cpu.shared));
    }
}

/// Whether the host can read the byte at a guest address.
fn readable(addr: u64) -> bool {
    // SAFETY: guest address; a fault is caught.
    unsafe { crate::mem::access::load8(addr) }.is_ok()
}
