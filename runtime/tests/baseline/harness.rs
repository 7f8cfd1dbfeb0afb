//! Runs one block in tier 0 and as baseline code.

use metaphrase_arm64::arch::state::{FLAGS_OFFSET, FPSR_OFFSET, GuestState, PC_OFFSET};
use metaphrase_backend::abi::*;
use metaphrase_backend::arena;
use metaphrase_backend::baseline::Baseline;
use metaphrase_backend::baseline::trace::Part;
use metaphrase_backend::bytecode::build::TEMPS;
use metaphrase_backend::bytecode::{Bytecode, Pair};
use metaphrase_backend::emit::CompiledUnit;
use metaphrase_backend::stubs::Stubs;
use metaphrase_runtime::cache::block::Block0;
use metaphrase_runtime::cache::code_memory::CodeMemory;
use metaphrase_runtime::cache::unit::{Tier, Unit1};
use metaphrase_runtime::interp::{self, Left};
use metaphrase_runtime::vcpu::{TEMPS_OFFSET, Vcpu};
use metaphrase_runtime::{helpers, signal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// xorshift64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }
}

/// How many times more than usual to test: `BASELINE_ROUNDS`.
pub fn rounds() -> u32 {
    std::env::var("BASELINE_ROUNDS").map_or(1, |r| r.parse().unwrap())
}

/// Guest memory: two pages, and an inaccessible one behind them.
pub const WINDOW: u64 = 0x7a5_0000_0000;
pub const WINDOW_BYTES: usize = 8192;

/// How a block was left.
#[derive(Clone, PartialEq, Debug)]
pub enum Out {
    Direct(u64),
    Lookup(u64),
    Trap(u64, u64),
    Stop(u64),
    Hot(u64),
    Fault(u64),
}

/// What the block did.
#[derive(Clone, PartialEq, Debug)]
pub struct Effect {
    pub out: Out,
    pub x: Vec<u64>,
    pub v: Vec<u128>,
    pub flags: u32,
    pub rest: Vec<u64>,
    pub memory: Vec<u8>,
}

pub struct Bench {
    pub cpu: Vcpu,
    pub baseline: Baseline,
    code: CodeMemory,
    trampoline: u64,
    unlinked: u64,
    table: Vec<u64>,
    _lock: MutexGuard<'static, ()>,
}

static LOCK: Mutex<()> = Mutex::new(());

impl Bench {
    pub fn new() -> Bench {
        let lock = LOCK.lock().unwrap_or_else(|e| e.into_inner());
        signal::install(|sig, info, _| {
            // SAFETY: the kernel's siginfo.
            panic!("signal {sig} at {:?}", unsafe { (*info).si_addr() })
        })
        .unwrap();
        // SAFETY: an address range that nothing else uses.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
            let p = libc::mmap(WINDOW as *mut _, WINDOW_BYTES, 3, flags, -1, 0);
            assert_eq!(p as u64, WINDOW);
            libc::mmap(
                (WINDOW + WINDOW_BYTES as u64) as *mut _,
                4096,
                0,
                flags,
                -1,
                0,
            );
        }
        let stubs = Stubs::new(PC_OFFSET);
        let code = CodeMemory::new(1 << 20, &stubs.code).unwrap();
        let mut cpu = Vcpu::new();
        cpu.frame.header.look_up = code.stubs() + stubs.look_up as u64;
        Bench {
            cpu,
            baseline: Baseline::new(PC_OFFSET, FPSR_OFFSET, FLAGS_OFFSET, TEMPS_OFFSET),
            trampoline: code.stubs() + stubs.trampoline as u64,
            unlinked: code.stubs() + stubs.unlinked as u64,
            code,
            table: helpers::table(),
            _lock: lock,
        }
    }

    fn prepare(&mut self, g: &GuestState, memory: &[u8]) {
        let f = &mut *self.cpu.frame;
        f.guest = g.clone();
        f.temps = fresh_temps();
        f.header.helpers = self.table.as_ptr() as u64;
        f.set_rounding();
        f.header.fpsr_used = 1;
        f.header.stop.store(0, Ordering::SeqCst);
        f.header.trap = 0;
        // SAFETY: the window is mapped.
        unsafe { std::ptr::copy_nonoverlapping(memory.as_ptr(), WINDOW as *mut u8, WINDOW_BYTES) };
        signal::set_current(&raw mut *self.cpu.frame);
    }

    fn effect(&self, out: Out) -> Effect {
        let g = &self.cpu.frame.guest;
        let mut memory = vec![0; WINDOW_BYTES];
        // SAFETY: the window is mapped.
        unsafe {
            std::ptr::copy_nonoverlapping(WINDOW as *const u8, memory.as_mut_ptr(), WINDOW_BYTES)
        };
        Effect {
            out,
            x: g.x.iter().copied().chain([g.sp]).collect(),
            v: g.v.to_vec(),
            // How they are kept differs: FCMP's are packed here, a lazy triple there; what CCMP chooses from is of one kind there.
            flags: g.nzcv(),
            rest: vec![
                g.excl_addr,
                g.excl_val[0],
                g.excl_val[1],
                g.tpidr_el0,
                g.fpcr as u64,
                g.fpsr as u64,
            ],
            memory,
        }
    }

    pub fn tier0(&mut self, b: &Block0, g: &GuestState, memory: &[u8]) -> Effect {
        self.prepare(g, memory);
        self.go_on(b)
    }

    /// Tier 0 from the present state.
    pub fn go_on(&mut self, b: &Block0) -> Effect {
        // SAFETY: this thread's frame; the block was built for it.
        let left = unsafe { interp::run(&raw mut *self.cpu.frame, b, true) };
        let pc = self.cpu.frame.guest.pc;
        let out = match left {
            Left::Unlinked(..) => Out::Direct(pc),
            Left::Lookup => Out::Lookup(pc),
            Left::Trap(t) => Out::Trap(t, pc),
            Left::Stop => Out::Stop(pc),
            Left::Fault(..) | Left::Align(_) => Out::Fault(pc),
            other => panic!("{other:?}"),
        };
        self.effect(out)
    }

    /// Compiles and places a block.
    pub fn load(&mut self, b: &Block0) -> Option<arena::Box<Unit1>> {
        let c = self.baseline.compile(&b.code, b.pc, b.mode)?;
        Some(self.place(b.pc, b.mode, &c))
    }

    /// Compiles and places a trace; how many blocks it covers.
    pub fn load_trace(&mut self, parts: &[Part<'_>]) -> Option<(arena::Box<Unit1>, usize)> {
        self.load_trace_in(parts, 0)
    }

    fn load_trace_in(
        &mut self,
        parts: &[Part<'_>],
        mode: u64,
    ) -> Option<(arena::Box<Unit1>, usize)> {
        let (c, used) = self.baseline.compile_trace(parts, mode)?;
        Some((self.place(parts[0].pc, mode, &c), used))
    }

    /// The unit's code may be overwritten.
    pub fn unload(&self, u: &Unit1) {
        self.code.set_lines(u.exec, u.len, std::ptr::null_mut());
    }

    fn place(&mut self, pc: u64, mode: u64, c: &CompiledUnit) -> arena::Box<Unit1> {
        let place = loop {
            if let Some(p) = self.code.alloc(c.code.len(), c.slots.len() + c.cells.len()) {
                break p;
            }
            self.code.advance().unwrap();
        };
        let mut code = c.code.clone();
        c.relocate(&mut code, place.exec, place.slots as u64, place.counter)
            .unwrap();
        // SAFETY: fresh room of this size.
        unsafe {
            std::ptr::copy_nonoverlapping(code.as_ptr(), place.write, code.len());
            for (i, slot) in c.chain_slots(self.unlinked).enumerate() {
                place.slots.add(i).write(slot);
            }
        }
        let unit = arena::new(Unit1 {
            id: 0,
            tier: Tier::Baseline,
            mode,
            exec: place.exec,
            len: c.code.len(),
            entries: [(pc, place.exec)].into_iter().collect(),
            ranges: Default::default(),
            guest_insns: 0,
            slots: (place.slots as usize, c.slots.len()),
            counter: place.counter,
            faults: arena::slice(&c.faults),
            segment: Some(place.segment),
            kept: None,
            image: None,
            loops: false,
            rebuilds: 0,
            overlooks: false,
            dead: AtomicBool::new(false),
            incoming: Default::default(),
        });
        if let Some(c) = unit.counter() {
            c.begin(0, 1000);
        }
        self.code
            .set_lines(place.exec, unit.len, std::ptr::from_ref(&*unit).cast_mut());
        unit
    }

    pub fn translated(&mut self, u: &Unit1, g: &GuestState, memory: &[u8]) -> Effect {
        self.prepare(g, memory);
        self.enter(u.exec)
    }

    pub fn enter(&mut self, code: u64) -> Effect {
        let f = &mut *self.cpu.frame;
        f.in_code = true;
        // SAFETY: the stub built for this signature.
        let enter: extern "C" fn(*mut u8, u64) -> u64 =
            unsafe { std::mem::transmute(self.trampoline) };
        let r = enter((&raw mut *f).cast(), code);
        f.in_code = false;
        f.fold(f.header.scratch);
        let pc = f.guest.pc;
        let out = match r {
            EXIT_LOOKUP => Out::Lookup(pc),
            EXIT_TRAP => Out::Trap(f.header.trap, pc),
            EXIT_STOP => Out::Stop(pc),
            EXIT_HOT => Out::Hot(pc),
            EXIT_FAULT => Out::Fault(pc),
            // SAFETY: otherwise a slot's address.
            slot => Out::Direct(unsafe { (*(slot as *const ChainSlot)).guest_pc }),
        };
        self.effect(out)
    }

    /// Both must agree. `rest` is the block that begins at an instruction where baseline code faulted: the engine goes on there in
    /// tier 0, which alone knows tagged pointers.
    pub fn check(
        &mut self,
        b: &Block0,
        g: &GuestState,
        memory: &[u8],
        rest: &dyn Fn(u64) -> Option<Block0>,
        what: &dyn Fn() -> String,
    ) {
        let Some(unit) = self.load(b) else {
            panic!("not compiled: {}", what());
        };
        self.check_unit(&unit, b, g, memory, rest, &|| format!("block, {}", what()));
        // As a trace it keeps registers back; one that is its own successor would go round.
        let part = Part {
            code: &b.code,
            pc: b.pc,
            guarded: false,
        };
        let own = |s: Pair| s.taken == b.pc || s.fall == b.pc;
        if !b.code.succ.is_some_and(own)
            && let Some((unit, _)) = self.load_trace_in(&[part], b.mode)
        {
            self.check_unit(&unit, b, g, memory, rest, &|| format!("trace, {}", what()));
        }
    }

    fn check_unit(
        &mut self,
        unit: &Unit1,
        b: &Block0,
        g: &GuestState,
        memory: &[u8],
        rest: &dyn Fn(u64) -> Option<Block0>,
        what: &dyn Fn() -> String,
    ) {
        let want = self.tier0(b, g, memory);
        let mut got = self.translated(unit, g, memory);
        if let Out::Fault(pc) = got.out
            && let Some(rest) = rest(pc)
        {
            got = self.go_on(&rest);
        }
        self.unload(unit);
        if want != got {
            let mut text = String::new();
            differences(&want, &got, &mut text);
            self.baseline.map = true;
            let listing = self
                .baseline
                .compile(&b.code, b.pc, b.mode)
                .unwrap()
                .listing();
            panic!("{}\n{text}\n{}\n{listing}", what(), dump(&b.code));
        }
    }
}

/// Garbage but for the first, which is always zero.
fn fresh_temps() -> [u128; TEMPS as usize] {
    let mut t = [0xdead_beef_dead_beef_dead_beef; TEMPS as usize];
    t[0] = 0;
    t
}

fn differences(want: &Effect, got: &Effect, text: &mut String) {
    use std::fmt::Write;
    let _ = writeln!(text, "out {:x?} {:x?}", want.out, got.out);
    for (n, (w, g)) in want
        .x
        .iter()
        .zip(&got.x)
        .enumerate()
        .filter(|(_, (w, g))| w != g)
    {
        let _ = writeln!(text, "x{n}: want {w:x}, got {g:x}");
    }
    for (n, (w, g)) in want
        .v
        .iter()
        .zip(&got.v)
        .enumerate()
        .filter(|(_, (w, g))| w != g)
    {
        let _ = writeln!(text, "v{n}: want {w:032x}, got {g:032x}");
    }
    let _ = writeln!(text, "flags: want {:x?}, got {:x?}", want.flags, got.flags);
    let _ = writeln!(text, "rest: want {:x?}, got {:x?}", want.rest, got.rest);
    let m = want.memory.iter().zip(&got.memory).enumerate();
    for (at, (w, g)) in m.filter(|(_, (w, g))| w != g).take(8) {
        let _ = writeln!(text, "memory {at:x}: want {w:x}, got {g:x}");
    }
}

pub fn dump(code: &Bytecode) -> String {
    use std::fmt::Write;
    let mut s = String::new();
    for (i, o) in code.ops.iter().enumerate() {
        let _ = writeln!(
            s,
            "{i:3} {:?} d={} a={} b={} imm={:x}",
            o.op, o.d, o.a, o.b, o.imm
        );
    }
    for e in code.evals() {
        let _ = writeln!(s, "    {e:?}");
    }
    s
}

/// An interesting integer.
pub fn integer(r: &mut Rng) -> u64 {
    let v = r.next();
    match r.below(12) {
        0 => v & 7,
        1 => (v & 0xff).wrapping_neg(),
        2 => 1 << (v & 63),
        3 => (1u64 << (v & 63)).wrapping_sub(1),
        4 => i64::MIN as u64,
        5 => i32::MIN as u32 as u64 | v << 32,
        6 => v & 0xffff_ffff,
        7 => u64::MAX,
        8 => 0,
        _ => v,
    }
}

/// Sixteen bytes that are often numbers.
pub fn vector(r: &mut Rng) -> u128 {
    let quarters = |r: &mut Rng| r.below(200) as f64 / 4.0 - 25.0;
    let mut half = || match r.below(13) {
        0 => f64::to_bits((r.next() >> 40) as f64),
        1 => f32::to_bits((r.next() >> 50) as f32) as u64 | (1.5f32.to_bits() as u64) << 32,
        2 => [f64::NAN, f64::INFINITY, -0.0, 0.0, f64::MIN_POSITIVE, -1.0][r.below(6) as usize]
            .to_bits(),
        // Their products are rounded up to the smallest normal number, or they are when they become halves.
        9 => [0x0010_0000_0000_0001, 0x3fef_ffff_ffff_fffe][r.below(2) as usize],
        10 => [
            0x0080_0001_3f7f_fffe,
            0x3f7f_fffe_0080_0001,
            0xb87f_ffff_387f_f001,
        ][r.below(3) as usize],
        3 => 0x7ff0_0000_0000_0001,
        4 => (f32::NAN.to_bits() as u64) << 32 | 0x7f80_0001,
        5 => 0,
        // Around what conversions have to decide: ties, and the ends of the integer types.
        6 => quarters(r).to_bits(),
        7 => {
            let (a, b) = (quarters(r) as f32, quarters(r) as f32);
            (a.to_bits() as u64) << 32 | b.to_bits() as u64
        }
        8 => {
            let end = [31, 32, 63, 64][r.below(4) as usize];
            let near = f64::powi(2.0, end) + [-1.0, -0.5, 0.0, 0.5, 1.0][r.below(5) as usize];
            (if r.below(2) == 0 { near } else { -near }).to_bits()
        }
        _ => r.next(),
    };
    half() as u128 | (half() as u128) << 64
}

pub fn random_memory(r: &mut Rng) -> Vec<u8> {
    let mut m = vec![0; WINDOW_BYTES];
    for w in m.chunks_exact_mut(8) {
        w.copy_from_slice(&r.next().to_le_bytes());
    }
    m
}

/// A state whose registers point into the window, often near its end, or are interesting integers.
pub fn random_state(r: &mut Rng) -> GuestState {
    let mut g = GuestState::default();
    for x in g.x.iter_mut().chain([&mut g.sp]) {
        *x = match r.below(10) {
            0 => WINDOW + WINDOW_BYTES as u64 - r.below(64),
            1 => WINDOW + WINDOW_BYTES as u64 - 16 * r.below(20),
            2..=5 => WINDOW + 2048 + 16 * r.below(200),
            6 => WINDOW + 2048 + r.below(3000),
            _ => integer(r),
        };
    }
    for v in &mut g.v {
        *v = vector(r);
    }
    let k = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12][r.below(11) as usize];
    g.flags = match k {
        0 => [0, r.next() & 0xf000_0000, 0],
        7 | 8 => [k, vector(r) as u64, vector(r) as u64],
        _ => [k, integer(r), integer(r)],
    };
    // FCMP of a signalling NaN has set this already, and asking for its flags may set it again.
    g.fpsr = matches!(k, 7 | 8) as u32;
    if r.below(2) == 0 {
        g.excl_addr = g.x[r.below(8) as usize];
        g.excl_val = [r.next(), r.next()];
    }
    g.pc = 0xbad;
    g
}
