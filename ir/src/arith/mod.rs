//! The meaning of every op on plain values. Constant folder, reference interpreter, tier-0 bytecode and the helpers behind
//! generated code all come here, so that a meaning is written once.
//!
//! [`eval`] dispatches; each family has its file. Nothing here allocates, knows slots or touches memory. Unused bits of an
//! argument (above its type's width) may hold anything; those of a result are zero.

pub mod crc;
pub mod fp;
pub mod int;
pub mod simd_fp;

use crate::flags::Cond;
use crate::inst::{Inst, Value};
use crate::ops::{IntCond, Op};
use crate::types::Type;

/// A value of any type as raw bits, zero-extended to 128. `Flags` is the packed NZCV in bits 31..28.
pub type Bits = u128;

/// The floating-point environment of the guest: Arm's FPCR and FPSR layouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FpEnv {
    /// Control: rounding mode, FZ, DN, AHP, FZ16.
    pub fpcr: u32,
    /// Status: cumulative exception bits and QC.
    pub fpsr: u32,
}

/// `bits` cut to the width of type `ty`.
#[inline]
pub const fn truncate(ty: Type, bits: Bits) -> Bits {
    match ty {
        Type::Void => 0,
        Type::Bool => bits & 1,
        Type::I8 => bits & 0xff,
        Type::I16 => bits & 0xffff,
        Type::I32 | Type::F32 => bits & 0xffff_ffff,
        Type::I64 | Type::F64 => bits & 0xffff_ffff_ffff_ffff,
        Type::V128 => bits,
        Type::Flags => bits & 0xf000_0000,
    }
}

/// Evaluates an op without memory or slot effects. `arg_ty(v)` is the type of an argument, `consts` the unit's pool.
/// `None` for ops that are not a function of their arguments (state, memory, calls).
#[inline]
pub fn eval(
    inst: &Inst,
    args: [Bits; 4],
    arg_ty: impl Fn(Value) -> Type,
    consts: &[u128],
    _env: &mut FpEnv,
) -> Option<Bits> {
    let [a, b, c, _] = args;
    let (x, y) = (a as u64, b as u64);
    let arg_wide = || arg_ty(inst.args[0]) == Type::I64;
    let pool = || consts.get(inst.imm as usize).copied().unwrap_or(0);
    Some(match inst.op {
        Op::Const => truncate(inst.ty, inst.imm as u128),
        Op::ConstV => pool(),
        Op::Select => truncate(inst.ty, if a & 1 != 0 { b } else { c }),
        Op::Bitcast => truncate(inst.ty, a),
        Op::BoolToInt => a & 1,
        Op::Crc32 => crc::crc32(inst.imm & 1 != 0, x as u32, y, inst.aux) as u128,
        Op::Icmp => int::icmp(IntCond::from_bits(inst.aux), arg_wide(), x, y) as u128,
        Op::BAnd | Op::BOr | Op::BXor | Op::BNot => {
            int::eval_bool(inst.op, x & 1 != 0, y & 1 != 0)? as u128
        }
        Op::FlagsSub | Op::FlagsAdd | Op::FlagsAdc | Op::FlagsLogic => {
            int::eval_flags(inst.op, arg_wide(), x, y, c & 1 != 0)? as u128
        }
        Op::FlagsPack | Op::FlagsUnpack => a & 0xf000_0000,
        Op::FlagsSelect if a & 1 != 0 => b & 0xf000_0000,
        Op::FlagsSelect => (inst.imm & 0xf000_0000) as u128,
        Op::CondHolds => Cond::from_bits(inst.aux).holds(x as u32) as u128,
        op => return int::eval(op, inst.ty == Type::I64, x, y, inst.imm).map(u128::from),
    })
}
