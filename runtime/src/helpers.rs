//! The functions behind `Op::Call` and the back end's built-ins: THE helper list of `ir::helper`, one function each.
//!
//! All run on the guest's thread with the frame current; they are not signal handlers and may use Rust freely, but must keep the host's
//! MXCSR as they found it when called from translated code.

use crate::mem::bulk::{self, From};
use crate::vcpu::Frame;
use metaphrase_arm64::arch::{pauth, sysreg};
use metaphrase_arm64::translate::mops;
use metaphrase_backend::abi::{Builtin, ChainSlot};
use metaphrase_backend::bytecode::{BOp, Bytecode};
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::{FlagsKind, Inst, Op, Type, Value, arith, flags};
use std::sync::atomic::Ordering;

type Helper = extern "C" fn(*mut u8, u64, u64, u64, u64) -> u64;

fn frame<'a>(state: *mut u8) -> &'a mut Frame {
    // SAFETY: helpers are called with the current CPU's frame and nobody else refers to it meanwhile.
    unsafe { &mut *state.cast::<Frame>() }
}

/// The frame, once the call has been counted.
fn called<'a>(state: *mut u8, id: HelperId) -> &'a mut Frame {
    let f = frame(state);
    f.counts().helper(id);
    f
}

/// The function of a helper.
fn function(id: HelperId) -> Helper {
    match id {
        HelperId::SysRead => sys_read,
        HelperId::SysWrite => sys_write,
        HelperId::ReadFpsr => read_fpsr,
        HelperId::WriteFpsr => write_fpsr,
        HelperId::Wait => wait,
        HelperId::IcIvau => ic_ivau,
        HelperId::Pac => pac,
        HelperId::MemOp => mem_op,
    }
}

/// Calls a helper by number.
pub fn call(state: *mut u8, id: u64, aux: u64, a0: u64, a1: u64, a2: u64) -> u64 {
    match HelperId::from_imm(id) {
        Some(h) => function(h)(state, aux, a0, a1, a2),
        None => 0,
    }
}

/// The table that `header.helpers` points to: helpers by number, then the built-ins.
pub fn table() -> Vec<u64> {
    let mut t: Vec<u64> = HelperId::ALL
        .iter()
        .map(|&h| function(h) as usize as u64)
        .collect();
    for b in Builtin::ALL {
        t.push(match b {
            Builtin::Eval => eval as *const () as u64,
            Builtin::Nzcv => nzcv as *const () as u64,
            Builtin::BytecodeOp => bytecode_op as *const () as u64,
            // Generated code: the owner of the stubs (`backend::stubs`) puts its address here before tier 1 runs.
            Builtin::EvalCold => 0,
        });
    }
    t
}

extern "C" fn sys_read(state: *mut u8, key: u64, _: u64, _: u64, _: u64) -> u64 {
    called(state, HelperId::SysRead);
    match key as u16 {
        sysreg::CNTVCT_EL0 => counter(),
        sysreg::CNTFRQ_EL0 => COUNTER_HZ,
        sysreg::RNDR | sysreg::RNDRRS => random(),
        _ => 0,
    }
}

/// 64 random bits of the host.
fn random() -> u64 {
    let mut r = 0u64;
    // SAFETY: writes at most the 8 bytes of a local. Up to 256 bytes come whole once the host is up.
    unsafe { libc::getrandom((&raw mut r).cast(), 8, 0) };
    r
}

/// Frequency of the virtual counter: nanoseconds.
pub const COUNTER_HZ: u64 = 1_000_000_000;

/// The virtual counter: the host's monotonic clock in nanoseconds. The host's TSC would take half as long, but only the kernel knows its
/// rate exactly, steers the clock while it runs, and knows what a suspension or a migration did to it; programs compare the two.
fn counter() -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to a local.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * COUNTER_HZ + t.tv_nsec as u64
}

extern "C" fn sys_write(state: *mut u8, _key: u64, _v: u64, _: u64, _: u64) -> u64 {
    called(state, HelperId::SysWrite);
    0
}

extern "C" fn read_fpsr(state: *mut u8, _: u64, _: u64, _: u64, _: u64) -> u64 {
    let f = called(state, HelperId::ReadFpsr);
    f.header.fpsr_used = 1;
    f.gather_flags();
    f.guest.fpsr as u64
}

extern "C" fn write_fpsr(state: *mut u8, _: u64, v: u64, _: u64, _: u64) -> u64 {
    let f = called(state, HelperId::WriteFpsr);
    f.header.fpsr_used = 1;
    f.guest.quiet_flags();
    f.clear_host_flags();
    f.guest.fpsr = v as u32 & arith::FPSR_BITS;
    0
}

extern "C" fn wait(state: *mut u8, kind: u64, _: u64, _: u64, _: u64) -> u64 {
    called(state, HelperId::Wait);
    if kind <= 2 {
        std::thread::yield_now();
    }
    0
}

extern "C" fn ic_ivau(state: *mut u8, _: u64, addr: u64, _: u64, _: u64) -> u64 {
    called(state, HelperId::IcIvau).ic_ivau = addr & !63;
    0
}

extern "C" fn pac(state: *mut u8, aux: u64, x: u64, modifier: u64, _: u64) -> u64 {
    let f = called(state, HelperId::Pac);
    pauth::operation(&f.guest.pac, aux as u32, x, modifier)
}

/// Option A: a negative size counts up to zero from the ends that the addresses name, a positive one down from the starts.
extern "C" fn mem_op(state: *mut u8, aux: u64, to: u64, from: u64, n: u64) -> u64 {
    let f = called(state, HelperId::MemOp);
    let copy = aux as u32 & mops::COPY != 0;
    let (moved, rest) = if copy && n as i64 > 0 {
        let m = bulk::downward(to, from, n);
        (m, n - m.done)
    } else {
        let source = match copy {
            true => From::Memory(from.wrapping_add(n)),
            false => From::Value(from as u8),
        };
        let m = bulk::upward(to.wrapping_add(n), source, n.wrapping_neg());
        (m, n.wrapping_add(m.done))
    };
    f.bulk_fault = None;
    if aux as u32 & mops::FAULTS != 0 && moved.done == 0 && moved.bad.is_some() {
        // The epilogue branches to itself, where the stop is seen.
        f.bulk_fault = moved.bad;
        f.header.stop.store(1, Ordering::SeqCst);
    }
    rest
}

/// See [`Builtin::Eval`].
extern "C" fn eval(state: *mut u8, packed: u64, imm: u64, args: *const [u128; 4], out: *mut u128) {
    let f = frame(state);
    f.fold_host_flags();
    let op = Op::ALL[(packed & 0xffff) as usize % Op::ALL.len()];
    let ty = |b: u64| Type::ALL[(b & 0xff) as usize % Type::ALL.len()];
    let (res, arg0) = (ty(packed >> 16), ty(packed >> 24));
    let pooled = op.info().imm == metaphrase_ir::ops::ImmFmt::ConstPool;
    let mut operands = [Value::NONE; 4];
    if arg0 != Type::Void {
        operands[0] = Value(0);
    }
    let inst = Inst {
        op,
        ty: res,
        aux: (packed >> 32) as u32,
        args: operands,
        imm: if pooled { 0 } else { imm },
    };
    f.counts().eval(1, &inst);
    // SAFETY: the back end passes the address of a 16-byte constant for these ops and of four 16-byte arguments.
    let (consts, args) = unsafe {
        (
            if pooled {
                [(imm as *const u128).read_unaligned()]
            } else {
                [0]
            },
            args.read_unaligned(),
        )
    };
    let mut env = arith::FpEnv {
        fpcr: f.guest.fpcr,
        fpsr: f.guest.fpsr,
    };
    let v = arith::eval(&inst, args, |_| arg0, &consts, &mut env).unwrap_or(0);
    f.guest.fpsr = env.fpsr;
    f.restore_guest_mxcsr();
    // SAFETY: the back end passes room for 16 bytes.
    unsafe { out.write_unaligned(v) };
}

/// See [`Builtin::BytecodeOp`].
extern "C" fn bytecode_op(state: *mut u8, offset: u64, cell: *const ChainSlot) -> u64 {
    // SAFETY: baseline code passes its cell.
    let cell = unsafe { &*cell };
    // SAFETY: bytecode that a cell names outlives the code.
    let code = unsafe { (cell.code.load(Ordering::Acquire) as *const Bytecode).as_ref() };
    let Some(code) = code.or_else(|| frame(state).bytecode(cell)) else {
        return 1;
    };
    let Some(op) = code.ops.get(offset as usize / size_of::<BOp>()) else {
        return 1;
    };
    // SAFETY: as above; the op is one of the bytecode's.
    unsafe { crate::interp::one_op(state.cast(), op, code) }
}

/// See [`Builtin::Nzcv`].
extern "C" fn nzcv(_state: *mut u8, kind: u64, a: u64, b: u64) -> u64 {
    let kind = FlagsKind::from_u64(kind).unwrap_or(FlagsKind::Nzcv);
    flags::nzcv(kind, a, b) as u64
}
