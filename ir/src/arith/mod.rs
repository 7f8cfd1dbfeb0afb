//! The meaning of every op on plain values. Constant folder, reference interpreter, tier-0 bytecode and the helpers behind
//! generated code all come here, so that a meaning is written once.
//!
//! [`eval`] dispatches; each family has its file. Nothing here allocates, knows slots or touches memory. Unused bits of an
//! argument (above its type's width) may hold anything; those of a result are zero.

pub mod crc;
pub mod crypto;
pub mod fp;
pub mod int;
pub mod simd;
pub mod simd_fp;

use crate::flags::Cond;
use crate::inst::{Inst, Shape, Value};
use crate::ops::{IntCond, Op, VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
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

/// The bits of FPSR that exist: QC and the cumulative exception bits (Arm ARM C5.2.9; the flags in 31..28 are AArch32's).
pub const FPSR_BITS: u32 = 0x0800_009f;

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
    env: &mut FpEnv,
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
        Op::VLaneS => {
            let shape = inst.shape();
            let lane = int::sext(int::lane(shape, a, inst.imm), shape.lane_bits().min(64));
            truncate(inst.ty, lane as u128)
        }
        Op::VLane => truncate(inst.ty, int::lane(inst.shape(), a, inst.imm) as u128),
        Op::VShuffle => vector(inst.op, inst.aux, inst.imm, [a, b, pool()], env)?,
        op => {
            return int::eval(op, inst.ty == Type::I64, x, y, inst.imm)
                .map(u128::from)
                .or_else(|| vector(op, inst.aux, inst.imm, [a, b, c], env))
                .or_else(|| {
                    // Ops without arguments are no functions; their argument has no type to ask for.
                    let first = (inst.args[0] != Value::NONE).then(|| arg_ty(inst.args[0]));
                    fp::eval_scalar(inst, args, first?, env)
                });
        }
    })
}

/// Evaluates an op whose result is a vector, on values alone: what a generic helper behind generated code calls. Arguments
/// and `aux` and `imm` as in the op's row, except that `c` is the mask of `VShuffle`.
///
/// # Panics
/// If `op` does not give a `V128`: that is a bug of the caller.
pub fn eval_vector(op: Op, aux: u32, imm: u64, a: Bits, b: Bits, c: Bits, env: &mut FpEnv) -> Bits {
    match vector(op, aux, imm, [a, b, c], env) {
        Some(r) => r,
        None => panic!("{} is not a vector op (aux {aux:#x})", op.info().name),
    }
}

fn vector(op: Op, aux: u32, imm: u64, [a, b, c]: [Bits; 3], env: &mut FpEnv) -> Option<Bits> {
    let s = Shape::from_bits(aux & 0xff);
    match op {
        Op::VUn => vun(aux, s, a, env),
        Op::VBin => {
            let kind = VBinKind::from_aux(aux);
            simd::bin::eval(kind, aux, a, b, env)
                .or_else(|| simd_fp::eval_vbin(kind, s, a, b, env))
                .or_else(|| crypto::eval_vbin(kind, a, b))
        }
        Op::VTern => {
            let kind = VTernKind::from_aux(aux);
            simd::tern::eval(kind, s, a, b, c, env)
                .or_else(|| simd_fp::eval_vtern(kind, s, [a, b, c], env))
                .or_else(|| crypto::eval_vtern(kind, a, b, c, imm))
        }
        Op::VShift => {
            let kind = VShiftKind::from_aux(aux);
            simd::shift::eval(kind, aux, a, b, imm, env)
                .or_else(|| simd_fp::eval_vshift(kind, s, a, imm, env))
        }
        Op::VRed => {
            let kind = VRedKind::from_aux(aux);
            simd::red::eval(kind, s, a).or_else(|| simd_fp::eval_vred(kind, s, a, env))
        }
        Op::VInsert => Some(int::insert(s, a, imm, b as u64)),
        Op::VDup => Some(simd::permute::dup(s, a)),
        Op::VScalar => Some(a & (u128::MAX >> (128 - s.lane_bits()))),
        Op::VZeroHi => Some(a & u64::MAX as u128),
        Op::VPair => Some(a & u64::MAX as u128 | b << 64),
        Op::VShuffle | Op::VTbl => Some(simd::permute::table(a, b, c)),
        _ => None,
    }
}

fn vun(aux: u32, s: Shape, a: Bits, env: &mut FpEnv) -> Option<Bits> {
    let kind = VUnKind::from_aux(aux);
    simd::un::eval(kind, s, a, env)
        .or_else(|| simd_fp::eval_vun(kind, s, a, aux, env))
        .or_else(|| crypto::eval_vun(kind, a))
}
