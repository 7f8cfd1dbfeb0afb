//! Appends instructions to a [`Unit`], one block at a time. Type mistakes are our bugs and panic under debug assertions;
//! the verifier finds them in any build.

use crate::exit::Exit;
use crate::flags::Cond;
use crate::guest::Slot;
use crate::helper::HelperId;
use crate::inst::{Inst, MemInfo, Shape, Value};
use crate::ops::{
    Fence, IntCond, Op, Rmw, Round, VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind,
};
use crate::types::Type;
use crate::unit::{Block, BlockId, Unit};

/// Builds blocks into a unit.
#[derive(Debug)]
pub struct Builder<'a> {
    /// The unit under construction.
    pub unit: &'a mut Unit,
    start: u32,
    pc: u64,
}

const NO: Value = Value::NONE;

macro_rules! bin {
    ($($(#[$d:meta])* $f:ident $op:ident;)*) => { $($(#[$d])* pub fn $f(&mut self, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b), stringify!($f));
        self.push(Op::$op, ty, 0, [a, b, NO, NO], 0)
    })* };
}
macro_rules! un {
    ($($(#[$d:meta])* $f:ident $op:ident;)*) => { $($(#[$d])* pub fn $f(&mut self, a: Value) -> Value {
        let ty = self.ty(a);
        self.push(Op::$op, ty, 0, [a, NO, NO, NO], 0)
    })* };
}
macro_rules! shift_imm {
    ($($(#[$d:meta])* $f:ident $op:ident;)*) => { $($(#[$d])* pub fn $f(&mut self, a: Value, n: u32) -> Value {
        let ty = self.ty(a);
        debug_assert!(n < ty.bytes() * 8);
        self.push(Op::$op, ty, 0, [a, NO, NO, NO], n as u64)
    })* };
}

#[allow(missing_docs, reason = "one method per op row; the row documents it")]
impl<'a> Builder<'a> {
    /// Starts a block at guest address `pc`.
    pub fn new(unit: &'a mut Unit, pc: u64) -> Builder<'a> {
        let start = unit.insts.len() as u32;
        Builder { unit, start, pc }
    }

    /// Ends the block: `guest_len` guest bytes, control leaves by `exit`.
    pub fn finish(self, guest_len: u32, exit: Exit) -> BlockId {
        let id = BlockId(self.unit.blocks.len() as u32);
        self.unit.blocks.push(Block {
            pc: self.pc,
            guest_len,
            start: self.start,
            end: self.unit.insts.len() as u32,
            exit,
            entry: id.0 == 0,
        });
        id
    }

    /// Appends a raw instruction.
    pub fn push(&mut self, op: Op, ty: Type, aux: u32, args: [Value; 4], imm: u64) -> Value {
        let v = Value(self.unit.insts.len() as u32);
        self.unit.insts.push(Inst {
            op,
            ty,
            aux,
            args,
            imm,
        });
        v
    }

    /// Type of a value.
    pub fn ty(&self, v: Value) -> Type {
        self.unit.insts[v.0 as usize].ty
    }

    pub fn mark(&mut self, pc: u64) {
        self.push(Op::Mark, Type::Void, 0, [NO; 4], pc);
    }
    pub fn get(&mut self, slot: Slot) -> Value {
        let ty = self.unit.slots.get(slot).ty;
        self.push(Op::Get, ty, 0, [NO; 4], slot.0 as u64)
    }
    pub fn set(&mut self, slot: Slot, v: Value) {
        debug_assert_eq!(self.unit.slots.get(slot).ty, self.ty(v));
        self.push(Op::Set, Type::Void, 0, [v, NO, NO, NO], slot.0 as u64);
    }
    /// Calls a helper; `args` as its row says.
    pub fn call(&mut self, id: HelperId, aux: u32, args: &[Value]) -> Value {
        debug_assert_eq!(args.len(), id.info().args.len());
        let mut a = [NO; 4];
        a[..args.len()].copy_from_slice(args);
        self.push(Op::Call, id.info().res, aux, a, id as u64)
    }

    pub fn iconst(&mut self, ty: Type, v: u64) -> Value {
        let v = if ty == Type::I32 { v & 0xffff_ffff } else { v };
        self.push(Op::Const, ty, 0, [NO; 4], v)
    }
    pub fn i64(&mut self, v: u64) -> Value {
        self.iconst(Type::I64, v)
    }
    pub fn i32(&mut self, v: u32) -> Value {
        self.iconst(Type::I32, v as u64)
    }
    pub fn bool(&mut self, v: bool) -> Value {
        self.iconst(Type::Bool, v as u64)
    }
    pub fn vconst(&mut self, v: u128) -> Value {
        let i = self.pool(v);
        self.push(Op::ConstV, Type::V128, 0, [NO; 4], i)
    }
    fn pool(&mut self, v: u128) -> u64 {
        let p = &mut self.unit.consts;
        (p.iter().position(|&c| c == v).unwrap_or_else(|| {
            p.push(v);
            p.len() - 1
        })) as u64
    }
    pub fn select(&mut self, c: Value, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b));
        self.push(Op::Select, ty, 0, [c, a, b, NO], 0)
    }
    pub fn trunc(&mut self, a: Value) -> Value {
        self.push(Op::Trunc, Type::I32, 0, [a, NO, NO, NO], 0)
    }
    pub fn zext(&mut self, a: Value) -> Value {
        self.push(Op::Zext, Type::I64, 0, [a, NO, NO, NO], 0)
    }
    pub fn sext(&mut self, a: Value) -> Value {
        self.push(Op::Sext, Type::I64, 0, [a, NO, NO, NO], 0)
    }
    pub fn sext_low(&mut self, a: Value, bits: u32) -> Value {
        let ty = self.ty(a);
        self.push(Op::SextLow, ty, 0, [a, NO, NO, NO], bits as u64)
    }
    pub fn bool_to_int(&mut self, ty: Type, a: Value) -> Value {
        self.push(Op::BoolToInt, ty, 0, [a, NO, NO, NO], 0)
    }
    pub fn bitcast(&mut self, ty: Type, a: Value) -> Value {
        self.push(Op::Bitcast, ty, 0, [a, NO, NO, NO], 0)
    }

    bin! {
        add Add; sub Sub; mul Mul; umulh UMulH; smulh SMulH; udiv UDiv; sdiv SDiv;
        and And; or Or; xor Xor; andn AndNot; orn OrNot; xorn XorNot;
        shl Shl; lshr Lshr; ashr Ashr; ror Ror;
        band BAnd; bor BOr; bxor BXor;
        fadd FAdd; fsub FSub; fmul FMul; fmulx FMulX; fdiv FDiv;
        fmax FMax; fmin FMin; fmaxnm FMaxNm; fminnm FMinNm; frecps FRecpS; frsqrts FRsqrtS;
    }
    un! {
        not Not; neg Neg; clz Clz; cls Cls; rbit Rbit; bswap Bswap; rev16 Rev16; rev32 Rev32; popcnt Popcnt; bnot BNot;
        fsqrt FSqrt; fneg FNeg; fabs FAbs; frecpe FRecpE; frecpx FRecpX; frsqrte FRsqrtE;
    }
    shift_imm! { shl_i ShlI; lshr_i LshrI; ashr_i AshrI; ror_i RorI; }

    pub fn extr(&mut self, hi: Value, lo: Value, n: u32) -> Value {
        let ty = self.ty(hi);
        self.push(Op::Extr, ty, 0, [hi, lo, NO, NO], n as u64)
    }
    pub fn crc32(&mut self, acc: Value, v: Value, size: u32, castagnoli: bool) -> Value {
        self.push(
            Op::Crc32,
            Type::I32,
            size,
            [acc, v, NO, NO],
            castagnoli as u64,
        )
    }
    pub fn icmp(&mut self, c: IntCond, a: Value, b: Value) -> Value {
        debug_assert_eq!(self.ty(a), self.ty(b));
        self.push(Op::Icmp, Type::Bool, c as u32, [a, b, NO, NO], 0)
    }

    pub fn flags_sub(&mut self, a: Value, b: Value) -> Value {
        self.push(Op::FlagsSub, Type::Flags, 0, [a, b, NO, NO], 0)
    }
    pub fn flags_add(&mut self, a: Value, b: Value) -> Value {
        self.push(Op::FlagsAdd, Type::Flags, 0, [a, b, NO, NO], 0)
    }
    pub fn flags_adc(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.push(Op::FlagsAdc, Type::Flags, 0, [a, b, c, NO], 0)
    }
    pub fn flags_logic(&mut self, a: Value) -> Value {
        self.push(Op::FlagsLogic, Type::Flags, 0, [a, NO, NO, NO], 0)
    }
    pub fn flags_fcmp(&mut self, a: Value, b: Value, signaling: bool) -> Value {
        self.push(
            Op::FlagsFcmp,
            Type::Flags,
            signaling as u32,
            [a, b, NO, NO],
            0,
        )
    }
    pub fn flags_pack(&mut self, a: Value) -> Value {
        self.push(Op::FlagsPack, Type::Flags, 0, [a, NO, NO, NO], 0)
    }
    /// `nzcv`: packed, bits 31..28.
    pub fn flags_select(&mut self, c: Value, f: Value, nzcv: u32) -> Value {
        self.push(Op::FlagsSelect, Type::Flags, 0, [c, f, NO, NO], nzcv as u64)
    }
    pub fn flags_unpack(&mut self, f: Value) -> Value {
        self.push(Op::FlagsUnpack, Type::I32, 0, [f, NO, NO, NO], 0)
    }
    pub fn cond(&mut self, c: Cond, f: Value) -> Value {
        self.push(Op::CondHolds, Type::Bool, c as u32, [f, NO, NO, NO], 0)
    }

    /// Load of type `ty` from `addr + off`.
    pub fn load(&mut self, ty: Type, m: MemInfo, addr: Value, off: i64) -> Value {
        self.push(Op::Load, ty, m.pack(), [addr, NO, NO, NO], off as u64)
    }
    /// Store of `v` to `addr + off`.
    pub fn store(&mut self, m: MemInfo, addr: Value, off: i64, v: Value) {
        self.push(
            Op::Store,
            Type::Void,
            m.pack(),
            [addr, v, NO, NO],
            off as u64,
        );
    }
    pub fn rmw(&mut self, op: Rmw, ty: Type, m: MemInfo, addr: Value, v: Value) -> Value {
        self.push(
            Op::AtomicRmw,
            ty,
            m.pack() | (op as u32) << 12,
            [addr, v, NO, NO],
            0,
        )
    }
    pub fn cas(&mut self, ty: Type, m: MemInfo, addr: Value, expected: Value, new: Value) -> Value {
        self.push(Op::AtomicCas, ty, m.pack(), [addr, expected, new, NO], 0)
    }
    pub fn store_excl(
        &mut self,
        m: MemInfo,
        addr: Value,
        new: Value,
        mon_addr: Value,
        mon_val: Value,
    ) -> Value {
        self.push(
            Op::StoreExcl,
            Type::I32,
            m.pack(),
            [addr, new, mon_addr, mon_val],
            0,
        )
    }
    pub fn fence(&mut self, f: Fence) {
        self.push(Op::FenceOp, Type::Void, f as u32, [NO; 4], 0);
    }
    pub fn zero_block(&mut self, addr: Value, bytes: u64) {
        self.push(Op::ZeroBlock, Type::Void, 0, [addr, NO, NO, NO], bytes);
    }

    /// a + b * c.
    pub fn fmuladd(&mut self, a: Value, b: Value, c: Value) -> Value {
        let ty = self.ty(a);
        self.push(Op::FMulAdd, ty, 0, [a, b, c, NO], 0)
    }
    pub fn frint(&mut self, r: Round, exact: bool, a: Value) -> Value {
        let ty = self.ty(a);
        let aux = r as u32 | if exact { Round::EXACT } else { 0 };
        self.push(Op::FRint, ty, aux, [a, NO, NO, NO], 0)
    }
    pub fn frint_n(&mut self, r: Round, bits: u64, a: Value) -> Value {
        let ty = self.ty(a);
        self.push(Op::FRintN, ty, r as u32, [a, NO, NO, NO], bits)
    }
    pub fn fcvt(&mut self, ty: Type, a: Value) -> Value {
        self.push(Op::FCvt, ty, 0, [a, NO, NO, NO], 0)
    }
    pub fn fcvt_from_h(&mut self, ty: Type, a: Value) -> Value {
        self.push(Op::FCvtFromH, ty, 0, [a, NO, NO, NO], 0)
    }
    pub fn fcvt_to_h(&mut self, a: Value) -> Value {
        self.push(Op::FCvtToH, Type::I32, 0, [a, NO, NO, NO], 0)
    }
    pub fn f_to_int(&mut self, ty: Type, r: Round, signed: bool, a: Value, fbits: u32) -> Value {
        let aux = r as u32 | if signed { Round::SIGNED } else { 0 };
        self.push(Op::FToInt, ty, aux, [a, NO, NO, NO], fbits as u64)
    }
    pub fn int_to_f(&mut self, ty: Type, signed: bool, a: Value, fbits: u32) -> Value {
        let aux = Round::Current as u32 | if signed { Round::SIGNED } else { 0 };
        self.push(Op::IntToF, ty, aux, [a, NO, NO, NO], fbits as u64)
    }
    pub fn int_to_h(&mut self, signed: bool, a: Value, fbits: u32) -> Value {
        let aux = Round::Current as u32 | if signed { Round::SIGNED } else { 0 };
        self.push(Op::IntToH, Type::I32, aux, [a, NO, NO, NO], fbits as u64)
    }
    pub fn fjcvt(&mut self, a: Value) -> (Value, Value) {
        let r = self.push(Op::FJcvt, Type::I32, 0, [a, NO, NO, NO], 0);
        let z = self.push(Op::FJcvtZ, Type::Bool, 0, [a, NO, NO, NO], 0);
        (r, z)
    }

    pub fn vlane(&mut self, ty: Type, s: Shape, v: Value, lane: u32) -> Value {
        self.push(Op::VLane, ty, s as u32, [v, NO, NO, NO], lane as u64)
    }
    pub fn vlane_s(&mut self, ty: Type, s: Shape, v: Value, lane: u32) -> Value {
        self.push(Op::VLaneS, ty, s as u32, [v, NO, NO, NO], lane as u64)
    }
    pub fn vinsert(&mut self, s: Shape, v: Value, lane: u32, x: Value) -> Value {
        self.push(
            Op::VInsert,
            Type::V128,
            s as u32,
            [v, x, NO, NO],
            lane as u64,
        )
    }
    pub fn vdup(&mut self, s: Shape, x: Value) -> Value {
        self.push(Op::VDup, Type::V128, s as u32, [x, NO, NO, NO], 0)
    }
    pub fn vscalar(&mut self, s: Shape, x: Value) -> Value {
        self.push(Op::VScalar, Type::V128, s as u32, [x, NO, NO, NO], 0)
    }
    pub fn vzero_hi(&mut self, v: Value) -> Value {
        self.push(Op::VZeroHi, Type::V128, 0, [v, NO, NO, NO], 0)
    }
    pub fn vpair(&mut self, lo: Value, hi: Value) -> Value {
        self.push(Op::VPair, Type::V128, 0, [lo, hi, NO, NO], 0)
    }
    pub fn vun(&mut self, k: VUnKind, s: Shape, a: Value) -> Value {
        self.push(Op::VUn, Type::V128, k.aux(s), [a, NO, NO, NO], 0)
    }
    pub fn vbin(&mut self, k: VBinKind, s: Shape, a: Value, b: Value) -> Value {
        self.push(Op::VBin, Type::V128, k.aux(s), [a, b, NO, NO], 0)
    }
    /// A long op; `hi`: the manual's "2" form.
    pub fn vbin_long(&mut self, k: VBinKind, s: Shape, hi: bool, a: Value, b: Value) -> Value {
        let aux = k.aux(s) | if hi { crate::ops_vector::HI } else { 0 };
        self.push(Op::VBin, Type::V128, aux, [a, b, NO, NO], 0)
    }
    /// A long one-operand op (FCVTL); `hi`: the "2" form.
    pub fn vun_long(&mut self, k: VUnKind, s: Shape, hi: bool, a: Value) -> Value {
        let aux = k.aux(s) | if hi { crate::ops_vector::HI } else { 0 };
        self.push(Op::VUn, Type::V128, aux, [a, NO, NO, NO], 0)
    }
    pub fn vtern(&mut self, k: VTernKind, s: Shape, a: Value, n: Value, m: Value) -> Value {
        self.push(Op::VTern, Type::V128, k.aux(s), [a, n, m, NO], 0)
    }
    /// VTern with an `imm` (SM3TT*).
    pub fn vtern_imm(
        &mut self,
        k: VTernKind,
        s: Shape,
        a: Value,
        n: Value,
        m: Value,
        imm: u64,
    ) -> Value {
        self.push(Op::VTern, Type::V128, k.aux(s), [a, n, m, NO], imm)
    }
    /// `old`: the old destination for SLI/SRI (second operand of XAR), else pass `a` again.
    pub fn vshift(&mut self, k: VShiftKind, s: Shape, a: Value, old: Value, n: u32) -> Value {
        self.push(Op::VShift, Type::V128, k.aux(s), [a, old, NO, NO], n as u64)
    }
    /// SSHLL/USHLL; `hi`: the "2" form.
    pub fn vshift_long(&mut self, k: VShiftKind, s: Shape, hi: bool, a: Value, n: u32) -> Value {
        let aux = k.aux(s) | if hi { crate::ops_vector::HI } else { 0 };
        self.push(Op::VShift, Type::V128, aux, [a, a, NO, NO], n as u64)
    }
    pub fn vred(&mut self, k: VRedKind, s: Shape, a: Value) -> Value {
        self.push(Op::VRed, Type::V128, k.aux(s), [a, NO, NO, NO], 0)
    }
    /// Mask bytes 0..=15 select from `a`, 16..=31 from `b`, others give zero.
    pub fn vshuffle(&mut self, a: Value, b: Value, mask: [u8; 16]) -> Value {
        let i = self.pool(u128::from_le_bytes(mask));
        self.push(Op::VShuffle, Type::V128, 0, [a, b, NO, NO], i)
    }
    pub fn vtbl(&mut self, t0: Value, t1: Value, idx: Value) -> Value {
        self.push(Op::VTbl, Type::V128, 0, [t0, t1, idx, NO], 0)
    }
}
