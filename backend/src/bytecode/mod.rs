//! Tier 0's code: a compact bytecode made from one IR block.
//!
//! Operands are byte offsets (in units of 8) from the state pointer, so guest registers and temporaries are addressed
//! alike and a get-compute-set chain of the IR becomes one op. Conventions: `I32` and `F32` results are stored zero-extended to 64 bits
//! and read by their low bits; a `Bool` is 0 or 1 in all of its word, and readers rely on that (ADCS adds it to a kind); `Flags` are
//! three words (kind, a, b); `V128` sixteen bytes.
//!
//! What has no op of its own is an [`Op0::Eval`], executed by `ir::arith` on the original instruction.

pub mod build;

use crate::arena::{self, Box};
use metaphrase_ir::{Inst, Type};
use smallvec::SmallVec;

/// One bytecode instruction: 16 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BOp {
    /// Operation.
    pub op: Op0,
    /// Destination (offset / 8).
    pub d: u16,
    /// First operand.
    pub a: u16,
    /// Second operand.
    pub b: u16,
    /// Immediate.
    pub imm: u64,
}

macro_rules! op0 {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Bytecode operations. `64`/`32`: operand width; `I`: second operand is `imm`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u16)]
        #[allow(missing_docs, reason = "named after the IR op they stand for")]
        pub enum Op0 { $($(#[$doc])* $name,)* }
    };
}

op0! {
    Mov64, Mov32, MovV, MovFlags,
    /// Stores the low 4 bytes of a at frame byte offset imm.
    St32Slot,
    /// d = imm.
    Imm,
    /// d (16 bytes) = constant pool entry imm.
    ImmV,
    Add64, Sub64, And64, Or64, Xor64, AndNot64, OrNot64, XorNot64, Mul64, Shl64, Lshr64, Ashr64, Ror64, UDiv64, SDiv64, UMulH, SMulH,
    Add32, Sub32, And32, Or32, Xor32, AndNot32, OrNot32, XorNot32, Mul32, Shl32, Lshr32, Ashr32, Ror32, UDiv32, SDiv32,
    Add64I, And64I, Or64I, Xor64I, Shl64I, Lshr64I, Ashr64I, Ror64I,
    Add32I, And32I, Or32I, Xor32I, Shl32I, Lshr32I, Ashr32I, Ror32I,
    Not64, Neg64, Clz64, Rbit64, Bswap64, Not32, Neg32, Clz32, Rbit32, Bswap32,
    /// d = a + (b << imm), the shifted-register and address forms.
    AddShl64,
    /// Sign-extension of the low 8, 16, 32 bits to 64, or of 8, 16 to 32.
    Sx8To64, Sx16To64, Sx32To64, Sx8To32, Sx16To32,
    BAnd, BOr, BXor, BNot,
    /// d = a if Bool at imm else b.
    Select64, SelectV,
    /// imm: IntCond.
    Icmp64, Icmp32,
    /// Flags triple at d; b or imm is the second operand.
    FlagsSub64, FlagsSub32, FlagsAdd64, FlagsAdd32, FlagsSub64I, FlagsSub32I, FlagsAdd64I, FlagsAdd32I, FlagsLogic64, FlagsLogic32,
    /// d: packed kind; a + b + Bool at imm.
    FlagsAdc64, FlagsAdc32,
    FlagsPack, FlagsUnpack,
    /// d = flags at a if Bool at b else packed NZCV imm.
    FlagsSelect,
    /// d = condition imm of flags at a.
    Cond,
    /// d = a if the condition (imm bits 7..0) of the flags at imm >> 8 holds else b.
    CondSelect64,
    Ld8, Ld16, Ld32, Ld64, Ld128, Lds8To64, Lds16To64, Lds32To64, Lds8To32, Lds16To32,
    /// d = load(a + (b << imm)).
    LdX8, LdX16, LdX32, LdX64,
    St8, St16, St32, St64, St128,
    /// d = load(a + offset), second destination = load(a + offset + 8): imm = offset (low half, signed) | second d << 32.
    Ldp64,
    /// Index of an [`EvalDesc`]: atomics and calls.
    Rmw, Cas, StoreExcl, Call,
    /// Full fence.
    Fence,
    /// Zero imm bytes at a rounded down.
    ZeroBlock,
    /// d(16 bytes): low 8 bytes = a, high = 0.
    VLo64,
    /// d(16 bytes): low 4 bytes = a, rest 0.
    VLo32,
    /// d(16 bytes): low 8 bytes = a, high = b.
    VPair,
    VAnd, VOr, VXor,
    /// Alignment check: address a + imm; mask d; leaves with an alignment fault.
    Align,
    /// Index of an [`EvalDesc`].
    Eval,
    // ---- exits: always last ----
    /// Direct: link 0.
    Goto,
    /// Bool at a.
    Br,
    /// Condition d of the flags at a.
    BrCond,
    /// a is zero / not zero.
    BrEqz64, BrNez64, BrEqz32, BrNez32,
    /// Bit d of a is zero / one.
    BrBit0, BrBit1,
    /// Target in a.
    Indirect,
    /// See [`Bytecode::trap`].
    Trap,
}

/// Two successors of a conditional exit.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Guest address if the condition holds (link 0).
    pub taken: u64,
    /// Guest address otherwise (link 1).
    pub fall: u64,
}

/// An instruction executed through `ir::arith` or a helper.
#[derive(Clone, Copy, Debug)]
pub struct EvalDesc {
    /// The IR instruction.
    pub inst: Inst,
    /// Operand offsets / 8.
    pub args: [u16; 4],
    /// Operand types (`Void` if unused).
    pub tys: [Type; 4],
    /// Destination offset / 8.
    pub d: u16,
}

/// Tier-0 code of one block. There are a hundred thousand of these in a large program: what most blocks do not have lies apart, and
/// every list is as long as it has to be.
#[derive(Debug)]
pub struct Bytecode {
    /// Ops; the last is an exit.
    pub ops: Box<[BOp]>,
    /// Index of the first op of each guest instruction, ascending, and where it is: bytes from `base`.
    marks: Box<[(u16, u16)]>,
    base: u64,
    /// Successors of the conditional exit, or of `Goto` (in `taken`).
    pub succ: Option<Pair>,
    rare: Option<Box<Rare>>,
}

#[derive(Debug)]
struct Rare {
    evals: Box<[EvalDesc]>,
    consts: Box<[u128]>,
    trap: Option<(u64, u64)>,
}

impl Bytecode {
    /// Guest pc of the instruction that op number `i` belongs to.
    pub fn pc_of(&self, i: u32) -> Option<u64> {
        let k = self.marks.partition_point(|m| m.0 as u32 <= i);
        self.mark(k.checked_sub(1)?).map(|m| m.1)
    }

    /// Index of the first op of guest instruction number `n`, and its pc.
    pub fn mark(&self, n: usize) -> Option<(u32, u64)> {
        let m = self.marks.get(n)?;
        Some((m.0 as u32, self.base.wrapping_add(m.1 as u64)))
    }

    /// Instructions behind `Eval`, `Cas`, `StoreExcl`, `Call`.
    pub fn evals(&self) -> &[EvalDesc] {
        self.rare.as_ref().map_or(&[], |r| &r.evals)
    }

    /// 128-bit constants.
    pub fn consts(&self) -> &[u128] {
        self.rare.as_ref().map_or(&[], |r| &r.consts)
    }

    /// The trap, if the block ends with one: encoded as in `abi`, and its pc.
    pub fn trap(&self) -> Option<(u64, u64)> {
        self.rare.as_ref()?.trap
    }
}

/// Bytecode in the making; used again for the next block.
#[derive(Debug, Default)]
pub struct Draft {
    /// As [`Bytecode::ops`].
    pub ops: Vec<BOp>,
    /// (index of first op, guest pc) of each guest instruction, ascending.
    pub marks: Vec<(u32, u64)>,
    /// As [`Bytecode::evals`].
    pub evals: Vec<EvalDesc>,
    /// As [`Bytecode::consts`].
    pub consts: Vec<u128>,
    /// As [`Bytecode::succ`].
    pub succ: Option<Pair>,
    /// As [`Bytecode::trap`].
    pub trap: Option<(u64, u64)>,
}

impl Draft {
    /// Forgets everything but its memory.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.marks.clear();
        self.evals.clear();
        self.consts.clear();
        self.succ = None;
        self.trap = None;
    }

    /// The finished code. `None`: too long.
    pub fn finish(&self) -> Option<Bytecode> {
        let base = self.marks.first().map_or(0, |m| m.1);
        let mark = |m: &(u32, u64)| {
            let at = u16::try_from(m.0).ok()?;
            Some((at, u16::try_from(m.1.wrapping_sub(base)).ok()?))
        };
        let marks: SmallVec<[(u16, u16); 32]> =
            self.marks.iter().map(mark).collect::<Option<_>>()?;
        let rare = !self.evals.is_empty() || !self.consts.is_empty() || self.trap.is_some();
        Some(Bytecode {
            ops: arena::slice(&self.ops),
            marks: arena::slice(&marks),
            base,
            succ: self.succ,
            rare: rare.then(|| {
                arena::new(Rare {
                    evals: arena::slice(&self.evals),
                    consts: arena::slice(&self.consts),
                    trap: self.trap,
                })
            }),
        })
    }
}
