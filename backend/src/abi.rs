//! The contract between generated code and the runtime: what the state pointer points to, how code is entered and left.
//!
//! **State pointer.** Every translated function gets the address of a *frame*: a [`FrameHeader`] of [`HEADER_SIZE`]
//! bytes, then the guest state whose slots the IR names. Slot offset `o` is frame offset `HEADER_SIZE + o`.
//!
//! **Entry.** At one of the unit's entry addresses, with r15 = frame + [`STATE_BIAS`] (throughout) and a return address at rsp, which
//! is 8 modulo 16 as after a call. Every register but r15 and rsp is free: units save none. The runtime enters through the
//! trampoline `extern "C" fn(frame, code) -> i64` of [`crate::stubs`].
//!
//! **Leaving.** With rsp as on entry and all slots written back, by one of (a returned value is in rax):
//! * direct branch: rdi = address of the exit's [`ChainSlot`], jump to `slot.code`. Unlinked slots hold the address of the
//!   *unlinked stub*, which returns rdi, so the trampoline's caller gets the slot's address (its low four bits are 0);
//! * indirect branch: look the target up in the per-CPU jump cache ([`JumpEntry`]); hit: jump to `code`; miss: store the
//!   target to the guest pc and return [`EXIT_LOOKUP`];
//! * trap: store the guest pc, store the encoded [`metaphrase_ir::TrapKind`] to `header.trap`, return [`EXIT_TRAP`];
//! * poll found `header.stop` set: store the block's pc, return [`EXIT_STOP`];
//! * baseline code alone: its execution counter (a word of the CPU's own, at GS's base) is spent: store the block's pc, return [`EXIT_HOT`];
//! * fault landing pad: return [`EXIT_FAULT`]. The guest pc is not stored by the pad but by the host signal handler, from the
//!   `guest_pc` of the [`crate::emit::FaultSite`] that names the faulting host instruction; then the handler resumes at the site's
//!   `landing_offset` with all other host registers as they were;
//! * misaligned address where the guest architecture demands alignment: as a trap, but `header.fault_addr` holds the address,
//!   `header.fault_info` is [`FAULT_ALIGNMENT`] (bit 0: a write), and [`EXIT_FAULT`] is returned;
//! * a floating-point result is a NaN: store the pc of a guest instruction, with the state that it began with, and return
//!   [`EXIT_FAULT`]: the interpreter goes on there by the guest's rules ([`crate::emit::NanFix`]). An access that faults may do the
//!   same: the pc is then that of an earlier instruction.
//!
//! **Floating point.** MXCSR holds the guest's rounding mode while translated code runs, all exceptions masked; its
//! sticky bits are part of the guest's FPSR. Helpers that run Rust floating point save and restore it themselves.

use metaphrase_ir::TrapKind;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Bytes between the frame's start and the guest state.
pub const HEADER_SIZE: u32 = 256;

/// r15 in translated code is the frame's address plus this, so that the first 32 words of the guest state (its integer registers)
/// are within reach of one-byte displacements.
pub const STATE_BIAS: u32 = HEADER_SIZE + 128;

/// Head of the frame. `repr(C)`, shared with generated code: offsets are tested below.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct FrameHeader {
    /// Nonzero: leave translated code at the next poll.
    pub stop: AtomicU32,
    /// Guest value of MXCSR (control bits) while translated code runs.
    pub guest_mxcsr: u32,
    /// The jump cache: address of twice [`JUMP_ENTRIES`] [`JumpEntry`]s.
    pub jump_cache: u64,
    /// Code for an indirect branch to the guest address in `arg` that the first half of the jump cache does not know: goes on if the
    /// second half does, else stores it to the guest pc and returns [`EXIT_LOOKUP`].
    pub look_up: u64,
    /// Address of the helper table: `HelperId::ALL.len()` function addresses, then the [`Builtin`]s.
    pub helpers: u64,
    /// Encoded trap of the last `EXIT_TRAP`.
    pub trap: u64,
    /// Address that faulted (set by the host signal handler before `EXIT_FAULT`).
    pub fault_addr: u64,
    /// What the handler saw: bit 0 write, bit 1 not a mapping fault but a permission fault, bits 15..8 host signal number.
    pub fault_info: u64,
    /// Host MXCSR to restore on leaving.
    pub host_mxcsr: u32,
    /// Scratch for the trampoline.
    pub scratch: u32,
    /// Owner's pointer back to its CPU object, for helpers.
    pub owner: u64,
    /// Where the region entered last counts its entries; written only by code compiled with [`crate::emit::CompileOpts::count`].
    pub region: u64,
    /// Indirect branches answered by the jump cache; those answered by its first half are counted only by such code.
    pub jump_hits: u64,
    /// Nonzero: an integer vector operation saturated since the runtime last folded this into the guest's status register.
    pub saturated: u32,
    /// How many FP operations in baseline code had a NaN for a result, or what the host does not convert; regions leave for each of
    /// those.
    pub rare: u32,
    /// The low half of the guest pc of the block where the last of these was.
    pub rare_pc: u32,
    /// 0: baseline code leaves for the interpreter to access FPSR, so that the runtime learns of it.
    pub fpsr_used: u32,
    /// [`LEAST`].
    pub least: [[u64; 2]; 2],
}

/// For singles and doubles: all bits but the sign, and the smallest normal number.
pub const LEAST: [[u64; 2]; 2] = [
    [(u32::MAX >> 1) as u64, f32::MIN_POSITIVE.to_bits() as u64],
    [u64::MAX >> 1, f64::MIN_POSITIVE.to_bits()],
];

/// One entry of the per-CPU jump cache. It has two halves: translated code looks into the first, at index
/// `(p >> 2) & (JUMP_ENTRIES - 1)` for guest pc `p`; what others displace there is kept in the second, at [`second_index`]. Empty: `pc`
/// is [`empty_pc`] of the index, a pc that belongs to another entry, so that no guest address ever matches an empty entry.
#[derive(Debug)]
#[repr(C)]
pub struct JumpEntry {
    /// Guest address.
    pub pc: AtomicU64,
    /// Host address of a translation's entry.
    pub code: AtomicU64,
}

/// Entries of each half of the jump cache.
pub const JUMP_ENTRIES: usize = 16384;

/// Index in the jump cache's second half: addresses that share an entry of the first do not share one here.
pub const fn second_index(pc: u64) -> usize {
    ((pc >> 2) ^ (pc >> 16)) as usize & (JUMP_ENTRIES - 1)
}

/// What `pc` of an empty jump-cache entry holds: 0 but for the first of each half, so that fresh zeroed memory is almost a cache.
pub const fn empty_pc(index: usize) -> u64 {
    if index & (JUMP_ENTRIES - 1) == 0 {
        4
    } else {
        0
    }
}

/// A direct exit: linked by one atomic store to `code`.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct ChainSlot {
    /// Host address to jump to: a translation's entry or the unlinked stub.
    pub code: AtomicU64,
    /// Guest address that the exit goes to.
    pub guest_pc: u64,
}

/// Returned instead of a slot address: indirect branch missed the jump cache; target in the guest pc.
pub const EXIT_LOOKUP: u64 = 1;
/// A trap; see `header.trap`.
pub const EXIT_TRAP: u64 = 2;
/// `header.stop` was seen.
pub const EXIT_STOP: u64 = 3;
/// A guest memory access faulted, or the interpreter should execute the guest instruction for another reason.
pub const EXIT_FAULT: u64 = 4;

/// Baseline code has used up its execution counter: guest pc stored, nothing executed. The runtime sets the counter anew or
/// replaces the code.
pub const EXIT_HOT: u64 = 5;

/// `header.fault_info`: generated code found a misaligned address itself (no host signal); bit 0 still says "write".
pub const FAULT_ALIGNMENT: u64 = 4;

/// Bits of [`metaphrase_ir::Unit::mode`] that change what floating-point ops mean. While all are zero (round to nearest, no
/// flushing, NaNs propagate) the host's instructions are used; otherwise every op with the `FPENV` effect goes to [`Builtin::Eval`].
pub const MODE_FP: u64 = 0xffff_ffff;

/// The bits among these that choose a rounding, which MXCSR does as well: with nothing but these set, the host's arithmetic is still
/// the guest's.
pub const MODE_ROUNDING: u64 = 0x00c0_0000;

/// Functions behind the helper table that are not `Op::Call` helpers, but how the back end reaches the meaning of ops it does not
/// lower inline. Their place in the table follows the `HelperId`s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Builtin {
    /// `extern "C" fn(state, packed: u64 /* op | ty << 16 | arg0 type << 24 | aux << 32 */, imm: u64, args: *const [u128; 4], out: *mut u128)`: any
    /// pure op by `arith::eval`, with the guest's FPCR/FPSR. `imm` of ops with a constant-pool operand: address of the u128.
    Eval = 0,
    /// `extern "C" fn(state, kind, a, b) -> u64`: packed NZCV of a lazy triple.
    Nzcv = 1,
    /// `Eval` under `CallConv::PreserveAll`, for cold paths: the address of [`crate::stubs::eval_thunk`], which calls `Eval`
    /// through this table.
    EvalCold = 2,
    /// `extern "C" fn(state, offset: u64, cell: *const ChainSlot) -> u64`: executes the bytecode op at `offset` bytes of the ops of the
    /// [`crate::emit::Cell`]'s bytecode, which baseline code has no template for. 0: done; 1: it faulted (repeat the guest instruction); for a conditional exit: 2 + number of the link.
    BytecodeOp = 3,
}

impl Builtin {
    /// Every built-in.
    pub const ALL: [Builtin; 4] = [
        Builtin::Eval,
        Builtin::Nzcv,
        Builtin::EvalCold,
        Builtin::BytecodeOp,
    ];
    /// Index in the helper table.
    pub const fn index(self) -> usize {
        metaphrase_ir::helper::HelperId::ALL.len() + self as usize
    }
}

/// Packs a trap for `header.trap`: kind number in the low byte, payload above.
pub const fn encode_trap(t: TrapKind) -> u64 {
    match t {
        TrapKind::Svc(i) => (i as u64) << 8,
        TrapKind::Brk(i) => 1 | (i as u64) << 8,
        TrapKind::Undefined => 2,
        TrapKind::Unimplemented(w) => 3 | (w as u64) << 8,
        TrapKind::Sync(i) => 4 | (i as u64) << 8,
        TrapKind::FetchFault => 5,
    }
}

/// Inverse of [`encode_trap`].
pub const fn decode_trap(v: u64) -> TrapKind {
    let p = v >> 8;
    match v & 0xff {
        0 => TrapKind::Svc(p as u16),
        1 => TrapKind::Brk(p as u16),
        3 => TrapKind::Unimplemented(p as u32),
        4 => TrapKind::Sync(p as u16),
        5 => TrapKind::FetchFault,
        _ => TrapKind::Undefined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fits_and_traps_round_trip() {
        assert!(size_of::<FrameHeader>() <= HEADER_SIZE as usize);
        assert_eq!(size_of::<JumpEntry>(), 16);
        assert_eq!(size_of::<ChainSlot>(), 16);
        for t in [
            TrapKind::Svc(7),
            TrapKind::Brk(0xffff),
            TrapKind::Undefined,
            TrapKind::Unimplemented(0xdead_beef),
            TrapKind::Sync(3),
            TrapKind::FetchFault,
        ] {
            assert_eq!(decode_trap(encode_trap(t)), t);
        }
    }
}
