//! The engine's executors: one engine and CPU for each way to run, fed with sequences through [`Environment`].
//!
//! Guest memory is at fixed addresses (those of the oracle), so only one thread may use it at a time: [`Arena`] is the lock.

use crate::exec::{
    BRK, CODE, CODE_BYTES, DATA, DATA_BYTES, Group, KEYS, PATCH, PATCHED_BIT, Regs, SAFEPOINT,
    SIGBUS, SIGILL, SIGSEGV, SIGTRAP, fresh_data, hash,
};
use crate::generate::Rng;
use metaphrase_arm64::arch::features::MAX;
use metaphrase_runtime::engine::{Engine, EngineConfig, FindUnderflow, JitMode};
use metaphrase_runtime::env::{Access, Environment, Exception, Flow};
use metaphrase_runtime::stats::Counter;
use metaphrase_runtime::vcpu::Vcpu;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// The memory of the sequences, mapped at its fixed addresses.
pub struct Arena {
    fresh: Vec<u8>,
}

/// Name of the case that runs, for when it ends the process.
pub static CASE: Mutex<String> = Mutex::new(String::new());

static ARENA: OnceLock<Mutex<Arena>> = OnceLock::new();

fn map(at: u64, bytes: u64, prot: i32) {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: a fresh mapping that replaces nothing.
    let p = unsafe { libc::mmap(at as *mut _, bytes as usize, prot, flags, -1, 0) };
    assert_eq!(p as u64, at, "{}", std::io::Error::last_os_error());
}

impl Arena {
    /// The arena, for the caller alone.
    pub fn lock() -> MutexGuard<'static, Arena> {
        let arena = ARENA.get_or_init(|| {
            map(CODE, CODE_BYTES, libc::PROT_READ | libc::PROT_WRITE);
            map(DATA, DATA_BYTES, libc::PROT_READ | libc::PROT_WRITE);
            // SAFETY: just mapped, nobody else refers to it.
            unsafe { std::slice::from_raw_parts_mut(CODE as *mut u32, CODE_BYTES as usize / 4) }
                .fill(BRK);
            protect(CODE, CODE_BYTES, libc::PROT_READ);
            metaphrase_runtime::signal::install(|sig, _, _| {
                let case = CASE.try_lock().map(|c| c.clone());
                eprintln!("host signal {sig} in {case:?}");
                std::process::abort();
            })
            .expect("handlers");
            Mutex::new(Arena {
                fresh: fresh_data(),
            })
        });
        arena.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Puts the data window into its first state.
    pub fn reset(&mut self) {
        // SAFETY: mapped by `lock`; guests of other threads are kept out by it.
        unsafe { std::slice::from_raw_parts_mut(DATA as *mut u8, DATA_BYTES as usize) }
            .copy_from_slice(&self.fresh);
    }

    /// Hash of the data window.
    pub fn hash(&self) -> u64 {
        // SAFETY: as above.
        hash(unsafe { std::slice::from_raw_parts(DATA as *const u8, DATA_BYTES as usize) })
    }
}

/// Puts words into the code area.
fn place(at: u64, words: impl Iterator<Item = u32>) {
    let page = at & !0xfff;
    protect(page, 65536, libc::PROT_READ | libc::PROT_WRITE);
    for (i, w) in words.enumerate() {
        // SAFETY: in the code area, writable now.
        unsafe { (at as *mut u32).add(i).write(w) };
    }
    protect(page, 65536, libc::PROT_READ);
}

fn protect(at: u64, bytes: u64, prot: i32) {
    // SAFETY: only pages of the arena.
    let r = unsafe { libc::mprotect(at as *mut _, bytes as usize, prot) };
    assert_eq!(r, 0);
}

/// What the guest meets: its code, safepoints where the runtime is disturbed at random, and the way out.
struct World<'a> {
    engine: &'a Engine,
    group: &'a Group,
    rng: Rng,
    patched: bool,
    /// States to run from after this one.
    next: std::slice::Iter<'a, Regs>,
    outs: Vec<Regs>,
    arena: &'a mut Arena,
}

impl World<'_> {
    /// A run has ended: notes how, and begins the next.
    fn ended(&mut self, cpu: &mut Vcpu, signo: u32, addr: u64) -> Flow {
        let memory = self.group.memory;
        let r = cpu.regs();
        self.outs.push(Regs {
            x: r.x,
            sp: r.sp,
            nzcv: r.nzcv(),
            fpcr: r.fpcr,
            fpsr: r.fpsr,
            v: r.v,
            pc: r.pc,
            signo,
            addr,
            hash: if memory { self.arena.hash() } else { 0 },
        });
        let Some(start) = self.next.next() else {
            return Flow::Leave(0);
        };
        self.begin(cpu, start);
        Flow::Continue
    }

    fn begin(&mut self, cpu: &mut Vcpu, start: &Regs) {
        if self.group.memory {
            self.arena.reset();
        }
        put(cpu, start);
        cpu.regs_mut().pc = self.group.at;
    }

    /// Things that must not matter.
    fn disturb(&mut self, cpu: &Vcpu) {
        let (at, len) = (self.group.at, 4 * self.group.words.len() as u64);
        match self.rng.below(12) {
            0 => self.engine.invalidate(at, at + len),
            1 => {
                let start = at + self.rng.below(len);
                self.engine.invalidate(start, start + self.rng.below(64));
            }
            2 | 3 => cpu.request_stop(),
            4 => self.engine.stop_all(),
            _ => {}
        }
    }
}

impl Environment for World<'_> {
    fn fetch(&mut self, pc: u64) -> Option<u32> {
        // SAFETY: the code area is mapped.
        (pc.wrapping_sub(CODE) < CODE_BYTES).then(|| unsafe { (pc as *const u32).read() })
    }

    fn exception(&mut self, cpu: &mut Vcpu, e: Exception) -> Flow {
        let (signo, addr) = match e {
            Exception::Svc(SAFEPOINT) => {
                self.disturb(cpu);
                return Flow::Continue;
            }
            Exception::Svc(n @ PATCH..) => {
                self.patched = true;
                let at = self.group.at + 4 * u64::from(n - PATCH);
                // SAFETY: a word of the program, in the code area.
                let word = unsafe { (at as *const u32).read() };
                place(at, [word ^ PATCHED_BIT].into_iter());
                return Flow::Continue;
            }
            Exception::Brk(_) => (SIGTRAP, 0),
            Exception::Undefined | Exception::Unimplemented(_) => (SIGILL, 0),
            Exception::Svc(_) => {
                cpu.regs_mut().pc -= 4;
                (SIGILL, 0)
            }
            Exception::Alignment { addr } => (SIGBUS, addr),
            // Wherever a wild branch went, the reference says only that it left.
            Exception::Fault {
                access: Access::Fetch,
                ..
            } => (SIGTRAP, 0),
            Exception::Fault { addr, .. } => (SIGSEGV, addr),
        };
        self.ended(cpu, signo, addr)
    }

    fn interrupted(&mut self, _: &mut Vcpu) -> Flow {
        Flow::Continue
    }
}

/// One way to run.
pub struct Machine {
    /// Its name.
    pub name: &'static str,
    /// Its engine.
    pub engine: Arc<Engine>,
    cpu: Vcpu,
    /// How often each state is run: only later runs meet compiled code.
    runs: u32,
}

/// A way to run, before it exists: name, settings, how often each state is run.
pub type Way = (&'static str, EngineConfig, u32);

/// Every way to run.
pub fn ways() -> Vec<Way> {
    let base = EngineConfig {
        jit: JitMode::Off,
        threshold: 1,
        cache_size: 16 << 20,
        max_block: 64,
        cpu: MAX,
        underflow: FindUnderflow::Always,
        ..EngineConfig::default()
    };
    let single = EngineConfig {
        max_block: 1,
        ..base.clone()
    };
    let sync = |c: &EngineConfig| EngineConfig {
        jit: JitMode::Sync,
        ..c.clone()
    };
    // Baseline code comes after a few executions, and regions not at all.
    let warm = |c: &EngineConfig| EngineConfig {
        threshold: 1000,
        ..sync(c)
    };
    let plain = EngineConfig {
        optimise: false,
        ..sync(&base)
    };
    // What most programs run, which do not look at FPSR.
    let usual = EngineConfig {
        underflow: FindUnderflow::Never,
        ..sync(&base)
    };
    vec![
        ("tier 0", base.clone(), 1),
        ("tier 0, single instructions", single.clone(), 1),
        ("tier 1", usual, 3),
        ("tier 1, not optimised", plain, 3),
        ("baseline", warm(&base), 11),
        ("baseline, single instructions", warm(&single), 11),
        ("tier 1, single instructions", sync(&single), 3),
    ]
}

/// Ways to run programs: what differs is when code becomes hot, and how much room it has.
pub fn program_ways() -> Vec<Way> {
    let way = |jit, threshold| EngineConfig {
        jit,
        threshold,
        cache_size: 16 << 20,
        cpu: MAX,
        underflow: FindUnderflow::Always,
        ..EngineConfig::default()
    };
    let usual = EngineConfig {
        underflow: FindUnderflow::Never,
        ..way(JitMode::Sync, 1)
    };
    let single = EngineConfig {
        max_block: 1,
        ..way(JitMode::Sync, 2)
    };
    let plain = EngineConfig {
        optimise: false,
        ..way(JitMode::Sync, 3)
    };
    let small = |jit| EngineConfig {
        cache_size: 256 << 10,
        ..way(jit, 1)
    };
    vec![
        ("program, tier 0", way(JitMode::Off, 1), 1),
        ("program, at once", usual, 2),
        ("program, single instructions", single, 2),
        ("program, not optimised", plain, 2),
        ("program, baseline", way(JitMode::Sync, 100_000), 2),
        ("program, all tiers", way(JitMode::Sync, 20), 3),
        ("program, small cache", small(JitMode::Sync), 2),
        (
            "program, small cache, background",
            small(JitMode::Background),
            3,
        ),
    ]
}

/// An engine with its CPU. Only one that compiles may exist at a time: the table of fault sites is the process's.
pub fn machine((name, config, runs): Way) -> Machine {
    Machine {
        name,
        engine: Arc::new(Engine::new(config).expect("an engine")),
        cpu: Vcpu::new(),
        runs,
    }
}

impl Machine {
    /// Runs a sequence from its first state, several times; the results.
    pub fn run(&mut self, arena: &mut Arena, g: &Group) -> Vec<Regs> {
        let outs = (0..self.runs).map(|n| self.once(arena, g, n)).collect();
        place(g.at, g.words.iter().map(|_| BRK));
        self.engine.invalidate(CODE, CODE + CODE_BYTES);
        outs
    }

    /// Runs a sequence from each of its states; from the first of them often enough that the others meet what is compiled.
    pub fn run_states(&mut self, arena: &mut Arena, g: &Group) -> Vec<Regs> {
        let warm = self.runs - 1;
        let again = std::iter::repeat_n(&g.ins[0], warm as usize);
        let starts: Vec<Regs> = again.chain(&g.ins).cloned().collect();
        place(g.at, g.words.iter().copied());
        let outs = self.run_each(arena, g, &starts, 0).split_off(warm as usize);
        place(g.at, g.words.iter().map(|_| BRK));
        self.engine.invalidate(CODE, CODE + CODE_BYTES);
        outs
    }

    /// How often a state is run, so that later runs meet compiled code.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// Runs a sequence in another world, to see that it comes back.
    pub fn survive(&mut self, g: &Group, world: &mut dyn Environment) {
        place(g.at, g.words.iter().copied());
        put(&mut self.cpu, &g.ins[0]);
        self.cpu.regs_mut().pc = g.at;
        self.engine.run(&mut self.cpu, world);
    }

    /// The sequence is gone, and what was made of it.
    pub fn forget(&mut self, g: &Group) {
        place(g.at, g.words.iter().map(|_| BRK));
        self.engine.invalidate(CODE, CODE + CODE_BYTES);
    }

    fn once(&mut self, arena: &mut Arena, g: &Group, n: u32) -> Regs {
        place(g.at, g.words.iter().copied());
        self.run_each(arena, g, &g.ins[..1], n).remove(0)
    }

    /// One run from each of these states, without leaving the engine between them.
    fn run_each(&mut self, arena: &mut Arena, g: &Group, starts: &[Regs], n: u32) -> Vec<Regs> {
        let mut world = World {
            engine: &self.engine,
            group: g,
            rng: Rng::new(starts[0].x[0] ^ u64::from(n)),
            patched: false,
            next: starts[1..].iter(),
            outs: Vec::with_capacity(starts.len()),
            arena,
        };
        world.begin(&mut self.cpu, &starts[0]);
        self.engine.run(&mut self.cpu, &mut world);
        if world.patched {
            self.engine.invalidate(CODE, CODE + CODE_BYTES);
        }
        world.outs
    }

    /// Entries into compiled code so far.
    pub fn compiled_runs(&self) -> u64 {
        self.engine.stats().get(Counter::Tier1Runs)
    }
}

fn put(cpu: &mut Vcpu, i: &Regs) {
    let r = cpu.regs_mut();
    *r = Default::default();
    (r.x, r.sp, r.v, r.fpcr, r.fpsr) = (i.x, i.sp, i.v, i.fpcr, i.fpsr);
    r.set_nzcv(i.nzcv);
    r.pac = KEYS;
}
