//! Runs compiled units in the test process: a tiny stand-in for the runtime. It maps code (never writable and executable at
//! once) and the test window at its guest address, and sends faults in translated code to their landing pads.
//!
//! One machine runs at a time (the window is one piece of the address space): a lock sees to it.

#![allow(dead_code, reason = "each test binary uses its part")]

use metaphrase_backend::abi::*;
use metaphrase_backend::emit::{
    CODE_ALIGN, CompileError, CompileOpts, CompiledUnit, Compiler, NanFix,
};
use metaphrase_backend::stubs::{Stubs, eval_thunk};
use metaphrase_ir::arith::{self, FpEnv};
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::interp::{Guest, State};
use metaphrase_ir::testing::{TEST_STATE_BYTES, TestMachine, TestMemory, WINDOW};
use metaphrase_ir::{FlagsKind, Inst, Op, TrapKind, Type, Unit, Value, flags};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once};

/// Options for units that have no guest code behind them.
pub fn opts() -> CompileOpts {
    CompileOpts {
        nan: NanFix::Eval,
        underflow: true,
        ..CompileOpts::default()
    }
}

/// Where the test guest keeps its program counter.
pub const PC_OFFSET: u32 = TEST_STATE_BYTES as u32;
const PAGE: usize = 4096;
const STATE: usize = TEST_STATE_BYTES + 16;

/// The frame that generated code sees.
#[repr(C, align(64))]
pub struct Frame {
    pub header: FrameHeader,
    pad: [u8; HEADER_SIZE as usize - size_of::<FrameHeader>()],
    pub state: [u8; STATE],
    pub fp: FpEnv,
}

/// How a unit was left.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Outcome {
    Direct(u64),
    Lookup(u64),
    Trap(TrapKind, u64),
    Stop(u64),
    Fault(u64),
    Alignment(u64),
}

/// Code of a unit in executable memory, with its chain slots.
pub struct Loaded {
    pub unit: CompiledUnit,
    base: *mut u8,
    size: usize,
}

impl Loaded {
    /// Host address of an entry.
    pub fn entry(&self, n: usize) -> u64 {
        self.base as u64 + self.unit.entries[n].1 as u64
    }

    /// Links the exit to `pc`.
    pub fn link(&self, pc: u64, to: u64) {
        let slots = self.slots_at();
        for (i, &p) in self.unit.slots.iter().enumerate() {
            if p == pc {
                // SAFETY: the slots lie behind the code in this mapping's writable part.
                unsafe { (*slots.add(i)).code.store(to, Ordering::SeqCst) };
            }
        }
    }

    fn slots_at(&self) -> *mut ChainSlot {
        let code = self.unit.code.len().next_multiple_of(PAGE);
        self.base.wrapping_add(code).cast()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: our own mapping, no longer executed.
        unsafe { libc::munmap(self.base.cast(), self.size) };
    }
}

thread_local! {
    /// Code and fault table of the unit under test, for the signal handler.
    static CURRENT: Cell<*const Loaded> = const { Cell::new(std::ptr::null()) };
    static FRAME: Cell<*mut Frame> = const { Cell::new(std::ptr::null_mut()) };
}

static LOCK: Mutex<()> = Mutex::new(());

/// The process-wide parts: stubs, helper table, window.
pub struct Bench {
    stubs: *mut u8,
    trampoline: u64,
    unlinked: u64,
    look_up: u64,
    table: Vec<u64>,
    pub jump_cache: Vec<JumpEntry>,
    pub compiler: Compiler,
    pub opts: CompileOpts,
    _lock: MutexGuard<'static, ()>,
}

impl Bench {
    pub fn new(opts: CompileOpts) -> Bench {
        static HANDLER: Once = Once::new();
        let lock = LOCK.lock().unwrap_or_else(|e| e.into_inner());
        HANDLER.call_once(|| {
            install();
            // SAFETY: fixed addresses that nothing else uses.
            unsafe { map((WINDOW as usize & !(PAGE - 1)) as *mut u8, 2 * PAGE, true) };
            // SAFETY: the page behind the window, just mapped.
            unsafe {
                libc::mprotect(
                    ((WINDOW as usize & !(PAGE - 1)) + PAGE) as *mut _,
                    PAGE,
                    libc::PROT_NONE,
                )
            };
        });
        let s = Stubs::new(PC_OFFSET);
        let mut code = s.code.clone();
        code.resize(code.len().next_multiple_of(64), 0xcc);
        let cold = code.len();
        code.extend(eval_thunk().expect("thunk"));
        let base = executable(&code, code.len(), |_| {});
        let mut table = vec![0; HelperId::ALL.len() + Builtin::ALL.len()];
        table[Builtin::Eval.index()] = eval as *const () as u64;
        table[Builtin::Nzcv.index()] = nzcv as *const () as u64;
        table[Builtin::EvalCold.index()] = base as u64 + cold as u64;
        assert!(HelperId::ALL.len() <= HELPERS.len());
        for (place, &f) in table.iter_mut().zip(&HELPERS).take(HelperId::ALL.len()) {
            *place = f as *const () as u64;
        }
        Bench {
            stubs: base,
            trampoline: base as u64 + s.trampoline as u64,
            unlinked: base as u64 + s.unlinked as u64,
            look_up: base as u64 + s.look_up as u64,
            table,
            jump_cache: (0..2 * JUMP_ENTRIES)
                .map(|i| JumpEntry {
                    pc: AtomicU64::new(empty_pc(i)),
                    code: AtomicU64::new(0),
                })
                .collect(),
            compiler: Compiler::new(&opts).expect("compiler"),
            opts,
            _lock: lock,
        }
    }

    pub fn compile(&mut self, unit: &Unit) -> Result<CompiledUnit, CompileError> {
        let opts = self.opts;
        self.compiler.compile(unit, PC_OFFSET, &opts)
    }

    /// Places a unit.
    pub fn load(&self, unit: CompiledUnit) -> Loaded {
        let code = unit.code.len().next_multiple_of(PAGE);
        let slots = unit.slots.len() * size_of::<ChainSlot>();
        let size = code + slots.next_multiple_of(PAGE).max(PAGE);
        let base = executable(&unit.code, size, |base| {
            // SAFETY: `base` is a fresh writable mapping that long.
            let bytes = unsafe { std::slice::from_raw_parts_mut(base, unit.code.len()) };
            unit.relocate(bytes, base as u64, base as u64 + code as u64, 0)
                .expect("distances fit");
        });
        assert_eq!(base as usize % CODE_ALIGN as usize, 0);
        let l = Loaded { unit, base, size };
        // SAFETY: the mapping's last part is made writable again for the slots.
        unsafe {
            libc::mprotect(
                base.add(code).cast(),
                size - code,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        for (i, &pc) in l.unit.slots.iter().enumerate() {
            // SAFETY: room for every slot was mapped.
            unsafe {
                l.slots_at().add(i).write(ChainSlot {
                    code: AtomicU64::new(self.unlinked),
                    guest_pc: pc,
                })
            };
        }
        l
    }

    /// A frame with the machine's registers.
    pub fn frame(&self, m: &TestMachine) -> Box<Frame> {
        let mut state = [0; STATE];
        state[..TEST_STATE_BYTES].copy_from_slice(&m.slots);
        Box::new(Frame {
            header: FrameHeader {
                stop: AtomicU32::new(0),
                guest_mxcsr: 0x1f80,
                jump_cache: self.jump_cache.as_ptr() as u64,
                look_up: self.look_up,
                helpers: self.table.as_ptr() as u64,
                trap: 0,
                fault_addr: 0,
                fault_info: 0,
                host_mxcsr: 0,
                scratch: 0,
                owner: 0,
                region: 0,
                jump_hits: 0,
                saturated: 0,
                rare: 0,
                rare_pc: 0,
                fpsr_used: 0,
                least: LEAST,
            },
            pad: [0; HEADER_SIZE as usize - size_of::<FrameHeader>()],
            state,
            fp: m.fp,
        })
    }

    /// Enters code at `entry`.
    pub fn enter(&self, l: &Loaded, frame: &mut Frame, entry: u64) -> Outcome {
        CURRENT.set(l);
        FRAME.set(frame);
        // SAFETY: the trampoline has this signature; frame and code are live.
        let r = unsafe {
            let f: extern "C" fn(*mut Frame, u64) -> u64 = std::mem::transmute(self.trampoline);
            f(frame, entry)
        };
        CURRENT.set(std::ptr::null());
        let at = PC_OFFSET as usize;
        let mut pc = [0; 8];
        pc.copy_from_slice(&frame.state[at..at + 8]);
        let pc = u64::from_le_bytes(pc);
        match r {
            EXIT_LOOKUP => Outcome::Lookup(pc),
            EXIT_TRAP => Outcome::Trap(decode_trap(frame.header.trap), pc),
            EXIT_STOP => Outcome::Stop(pc),
            EXIT_FAULT if frame.header.fault_info & FAULT_ALIGNMENT != 0 => Outcome::Alignment(pc),
            EXIT_FAULT => Outcome::Fault(pc),
            // SAFETY: otherwise it is the address of one of the unit's slots.
            slot => Outcome::Direct(unsafe { (*(slot as *const ChainSlot)).guest_pc }),
        }
    }

    /// Runs a loaded unit on a machine: registers, FP state and the window's page go in and come out.
    pub fn run(&self, l: &Loaded, m: &mut TestMachine) -> (Outcome, u32) {
        self.run_from(l, 0, m)
    }

    /// The same from an entry.
    pub fn run_from(&self, l: &Loaded, entry: usize, m: &mut TestMachine) -> (Outcome, u32) {
        self.window_in(m);
        let mut frame = self.frame(m);
        let out = self.enter(l, &mut frame, l.entry(entry));
        self.registers_out(&frame, m);
        self.window_out(m);
        (out, frame.header.scratch)
    }

    pub fn registers_out(&self, frame: &Frame, m: &mut TestMachine) {
        m.slots.copy_from_slice(&frame.state[..TEST_STATE_BYTES]);
        m.fp = frame.fp;
    }

    pub fn window_in(&self, m: &TestMachine) {
        for (at, bytes, _) in &m.memory.pieces {
            assert!(*at == page() && bytes.len() == PAGE);
            // SAFETY: the window's page is mapped writable.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), *at as *mut u8, PAGE) };
        }
    }

    pub fn window_out(&self, m: &mut TestMachine) {
        for (at, bytes, _) in &mut m.memory.pieces {
            // SAFETY: as above.
            unsafe { std::ptr::copy_nonoverlapping(*at as *const u8, bytes.as_mut_ptr(), PAGE) };
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // SAFETY: nobody executes stubs any more.
        unsafe { libc::munmap(self.stubs.cast(), PAGE) };
    }
}

/// The page that holds the test window.
pub fn page() -> u64 {
    WINDOW & !(PAGE as u64 - 1)
}

/// A random machine whose memory is exactly the window's page.
pub fn machine(seed: u64) -> TestMachine {
    let mut m = TestMachine::random(seed);
    let (_, window, _) = m.memory.pieces.remove(0);
    let mut bytes = vec![0x5a; PAGE];
    let at = (WINDOW - page()) as usize;
    bytes[at..at + window.len()].copy_from_slice(&window);
    m.memory.pieces.push((page(), bytes, true));
    m
}

/// # Safety
/// `at` must be null or free for the taking.
unsafe fn map(at: *mut u8, size: usize, fixed: bool) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | if fixed { libc::MAP_FIXED } else { 0 };
    // SAFETY: by the caller.
    let p = unsafe {
        libc::mmap(
            at.cast(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        )
    };
    assert_ne!(p, libc::MAP_FAILED);
    p.cast()
}

fn executable(code: &[u8], size: usize, patch: impl FnOnce(*mut u8)) -> *mut u8 {
    let size = size.next_multiple_of(PAGE);
    // SAFETY: a fresh mapping, written and then made executable.
    unsafe {
        let base = map(std::ptr::null_mut(), size, false);
        std::ptr::copy_nonoverlapping(code.as_ptr(), base, code.len());
        patch(base);
        libc::mprotect(base.cast(), size, libc::PROT_READ | libc::PROT_EXEC);
        base
    }
}

fn install() {
    // SAFETY: a handler that touches only its context and thread-locals with constant initialisers.
    unsafe {
        let mut a: libc::sigaction = std::mem::zeroed();
        a.sa_sigaction = on_fault as *const () as usize;
        a.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        for s in [libc::SIGSEGV, libc::SIGBUS] {
            assert_eq!(libc::sigaction(s, &a, std::ptr::null_mut()), 0);
        }
    }
}

extern "C" fn on_fault(sig: i32, _info: *mut libc::siginfo_t, ctx: *mut libc::c_void) {
    // SAFETY: the kernel hands us a valid context; CURRENT and FRAME are live while translated code runs.
    unsafe {
        let regs = &mut (*ctx.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let ip = regs[libc::REG_RIP as usize] as u64;
        let site = CURRENT.get().as_ref().and_then(|l| {
            let off = ip.wrapping_sub(l.base as u64);
            let f = l.unit.fault_at(u32::try_from(off).ok()?)?;
            Some((l.base as u64 + f.landing_offset as u64, f.guest_pc))
        });
        match site {
            Some((landing, pc)) => {
                let at = PC_OFFSET as usize;
                (&mut (*FRAME.get()).state)[at..at + 8].copy_from_slice(&pc.to_le_bytes());
                regs[libc::REG_RIP as usize] = landing as i64;
            }
            None => {
                // About to die; what we know may help.
                let l = CURRENT.get().as_ref();
                eprintln!(
                    "fault at {ip:#x} without a site; unit: {}",
                    l.map_or(String::new(), |l| format!(
                        "{:#x}\n{}",
                        l.base as u64,
                        l.unit.listing()
                    ))
                );
                libc::signal(sig, libc::SIG_DFL);
            }
        }
    }
}

extern "C" fn eval(
    state: *mut Frame,
    packed: u64,
    imm: u64,
    args: *const [u128; 4],
    out: *mut u128,
) {
    // SAFETY: called by generated code as the contract says.
    let (frame, args) = unsafe { (&mut *state, args.read()) };
    let ty = |n: u64| Type::ALL[(n & 0xff) as usize];
    let op = Op::ALL[(packed & 0xffff) as usize];
    let (res, arg) = (ty(packed >> 16), ty(packed >> 24));
    let mut inst = Inst {
        op,
        ty: res,
        aux: (packed >> 32) as u32,
        args: [Value::NONE; 4],
        imm,
    };
    if arg != Type::Void {
        inst.args[0] = Value(0);
    }
    let mut consts = [0];
    if op.info().imm == metaphrase_ir::ops::ImmFmt::ConstPool {
        // SAFETY: `imm` is the address of the constant.
        consts[0] = unsafe { (imm as *const u128).read_unaligned() };
        inst.imm = 0;
    }
    // As the contract has it, the guest's sticky bits stay as they are.
    let mut mxcsr = 0u32;
    // SAFETY: stores a control register to a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut mxcsr) };
    let v = arith::eval(&inst, args, |_| arg, &consts, &mut frame.fp);
    // SAFETY: loads what was stored.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &mxcsr) };
    // SAFETY: room for the result, by contract.
    unsafe { out.write(v.unwrap_or_else(|| panic!("{op:?} has no meaning"))) };
}

extern "C" fn nzcv(_: *mut Frame, kind: u64, a: u64, b: u64) -> u64 {
    flags::nzcv(FlagsKind::from_u64(kind).expect("a kind"), a, b) as u64
}

type Helper = extern "C" fn(*mut Frame, u64, u64, u64, u64) -> u64;

/// The helpers by number: what the reference interpreter does for them.
const HELPERS: [Helper; 8] = [
    helper::<0>,
    helper::<1>,
    helper::<2>,
    helper::<3>,
    helper::<4>,
    helper::<5>,
    helper::<6>,
    helper::<7>,
];

extern "C" fn helper<const ID: usize>(
    state: *mut Frame,
    aux: u64,
    a0: u64,
    a1: u64,
    a2: u64,
) -> u64 {
    // SAFETY: called by generated code with the frame.
    let frame = unsafe { &mut *state };
    let id = HelperId::ALL[ID];
    match id {
        HelperId::ReadFpsr => return frame.fp.fpsr as u64,
        HelperId::WriteFpsr => {
            frame.fp.fpsr = a0 as u32;
            return 0;
        }
        _ => {}
    }
    let mut slots = State {
        slots: &mut frame.state[..TEST_STATE_BYTES],
        fp: &mut frame.fp,
    };
    TestMemory::default().helper(id, aux as u32, [a0, a1, a2], &mut slots)
}
