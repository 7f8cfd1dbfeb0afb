//! How control leaves a block. A sum type: every consumer handles every case.

use crate::inst::Value;
use crate::unit::BlockId;

/// Where a direct branch goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dest {
    /// Another block of the same unit.
    Block(BlockId),
    /// A guest address outside the unit: a chained exit (weaker substitute: return to the dispatcher).
    Pc(u64),
}

/// What an indirect branch is, as a hint for prediction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum IndirectKind {
    /// BR.
    Jump,
    /// BLR (the link register has been set by the block).
    Call,
    /// RET.
    Return,
}

/// Why a block hands control to the runtime. The guest pc reported is the exit's `pc`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum TrapKind {
    /// Supervisor call; the payload is the immediate. `pc` is the SVC itself; execution resumes at `pc + 4`.
    Svc(u16),
    /// Breakpoint instruction.
    Brk(u16),
    /// Halting/other debug or hypervisor calls that are undefined at EL0.
    Undefined,
    /// Decoded, but this build has no translation: said once, then acts as undefined. The payload is the word.
    Unimplemented(u32),
    /// A system instruction that changes what translations assume (IC IVAU, FPCR write, ISB ...): state is complete,
    /// the runtime re-enters at `pc + 4` after looking at [`crate::ops::Op::Hook`] requests. Payload: front-end number.
    Sync(u16),
    /// The instruction at `pc` could not be fetched (unmapped or not executable).
    FetchFault,
}

/// The end of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Unconditional. `call` marks a branch with link (hint; the link register has been set by the block).
    Goto {
        /// Target.
        dest: Dest,
        /// Whether this is a call.
        call: bool,
    },
    /// Two-way branch on a `Bool` value.
    Branch {
        /// Condition.
        cond: Value,
        /// Target when the condition is 1.
        taken: Dest,
        /// Target when it is 0.
        fall: Dest,
    },
    /// Branch to a computed guest address (`I64`).
    Indirect {
        /// Guest address.
        target: Value,
        /// Hint.
        kind: IndirectKind,
    },
    /// Leave to the runtime with exact state at `pc`.
    Trap {
        /// Why.
        kind: TrapKind,
        /// Guest address of the instruction concerned.
        pc: u64,
    },
}
