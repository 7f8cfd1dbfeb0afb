//! The meaning of floating-point ops: the Arm ARM's shared/functions/float pseudocode, to the bit, values and FPSR alike.
//!
//! A number is bits in the low part of a `u64` together with its [`Fmt`]. Every operation unpacks to an exact
//! (sign, exponent, significand), computes exactly, and rounds once ([`round::round`]); the names of the functions follow
//! the pseudocode's. [`fast`] answers the common cases with a host operation, and only where it can say at no great cost
//! which flags the guest would see; it may assume that the host's MXCSR has its default control bits (round to nearest,
//! no flushing, all exceptions masked). It reads none of MXCSR's sticky bits but may set them: who keeps guest exceptions
//! there saves it around a call.
//!
//! Not modelled: FEAT_AFP (FPCR.AH, FIZ, NEP), FEAT_EBF16 (FPCR.EBF) and trapped exceptions (FPCR.xxE); those bits are
//! RES0 for the guest.

pub mod basic;
pub mod bfloat;
pub mod compare;
pub mod convert;
pub mod estimate;
pub mod fast;
pub mod format;
pub mod integral;
pub mod round;

pub use format::{Class, Fmt, Num};

use crate::arith::{Bits, FpEnv};
use crate::inst::Inst;
use crate::ops::{Op, Round};
use crate::types::Type;

/// FPCR: alternative half-precision.
pub const AHP: u32 = 1 << 26;
/// FPCR: default NaN.
pub const DN: u32 = 1 << 25;
/// FPCR: flush denormals to zero, single and double.
pub const FZ: u32 = 1 << 24;
/// FPCR: rounding mode, two bits: nearest, plus infinity, minus infinity, zero.
pub const RMODE: u32 = 3 << 22;
/// FPCR: flush denormals to zero, half.
pub const FZ16: u32 = 1 << 19;

/// FPSR: Invalid Operation.
pub const IOC: u32 = 1 << 0;
/// FPSR: Divide by Zero.
pub const DZC: u32 = 1 << 1;
/// FPSR: Overflow.
pub const OFC: u32 = 1 << 2;
/// FPSR: Underflow.
pub const UFC: u32 = 1 << 3;
/// FPSR: Inexact.
pub const IXC: u32 = 1 << 4;
/// FPSR: Input Denormal.
pub const IDC: u32 = 1 << 7;

impl FpEnv {
    /// Accumulates exceptions into FPSR (FPProcessException).
    #[inline]
    pub fn raise(&mut self, flags: u32) {
        self.fpsr |= flags;
    }

    /// `mode` with `Current` replaced by what FPCR.RMode says (FPRoundingMode).
    #[inline]
    pub const fn rounding(&self, mode: Round) -> Round {
        match mode {
            Round::Current => match (self.fpcr & RMODE) >> 22 {
                0 => Round::TieEven,
                1 => Round::PosInf,
                2 => Round::NegInf,
                _ => Round::Zero,
            },
            m => m,
        }
    }
}

/// The format of a scalar of type `ty`; an `I32` holds a half in its low 16 bits.
#[inline]
const fn fmt(ty: Type) -> Fmt {
    match ty {
        Type::F64 => Fmt::D,
        Type::F32 => Fmt::S,
        _ => Fmt::H,
    }
}

/// Evaluates a scalar FP op (the rows from `FAdd` to `FRsqrtS`) or `FlagsFcmp` (packed NZCV in bits 31..28). `arg_ty` is the
/// type of `args[0]`. `None` for every other op.
pub fn eval_scalar(inst: &Inst, args: [Bits; 4], arg_ty: Type, env: &mut FpEnv) -> Option<Bits> {
    let f = fmt(inst.ty);
    let from = fmt(arg_ty);
    let [a, b, c] = [args[0] as u64, args[1] as u64, args[2] as u64];
    let mode = Round::from_bits(inst.aux);
    let res = match inst.op {
        Op::FAdd => basic::add(f, a, b, env),
        Op::FSub => basic::sub(f, a, b, env),
        Op::FMul => basic::mul(f, a, b, env),
        Op::FMulX => basic::mulx(f, a, b, env),
        Op::FDiv => basic::div(f, a, b, env),
        Op::FMax => compare::max(f, a, b, env),
        Op::FMin => compare::min(f, a, b, env),
        Op::FMaxNm => compare::max_num(f, a, b, env),
        Op::FMinNm => compare::min_num(f, a, b, env),
        Op::FSqrt => basic::sqrt(f, a, env),
        Op::FNeg => f.neg(a),
        Op::FAbs => f.abs(a),
        Op::FMulAdd => basic::mul_add(f, a, b, c, env),
        Op::FRint => integral::round_int(f, a, mode, inst.aux & Round::EXACT != 0, env),
        Op::FRintN => integral::round_int_n(f, a, mode, inst.imm as u32 & 0x7f, env),
        Op::FCvt => convert::convert(from, f, a, Round::Current, env),
        Op::FCvtFromH => convert::convert(Fmt::H, f, a, Round::Current, env),
        Op::FCvtToH => convert::convert(from, Fmt::H, a, Round::Current, env),
        Op::FCvtXn => convert::convert(Fmt::D, Fmt::S, a, Round::Odd, env),
        Op::FToInt => {
            let to = integral::IntTy::new(inst.ty.bytes() * 8, inst.aux & Round::SIGNED != 0);
            integral::to_fixed(from, a, inst.imm as u32 & 0xff, to, mode, env)
        }
        Op::IntToF | Op::IntToH => {
            let ty = integral::IntTy::new(arg_ty.bytes() * 8, inst.aux & Round::SIGNED != 0);
            integral::from_fixed(f, a, inst.imm as u32 & 0xff, ty, mode, env)
        }
        Op::FJcvt => integral::to_js(a, env).0 as u64,
        // The Z flag does not depend on FPCR: a denormal is inexact, or flushed and then said to be inexact.
        Op::FJcvtZ => integral::to_js(a, &mut FpEnv::default()).1 as u64,
        Op::FRecpE => estimate::recip(f, a, env),
        Op::FRecpX => estimate::recip_exponent(f, a, env),
        Op::FRecpS => estimate::recip_step(f, a, b, env),
        Op::FRsqrtE => estimate::rsqrt(f, a, env),
        Op::FRsqrtS => estimate::rsqrt_step(f, a, b, env),
        Op::FlagsFcmp => compare::flags(from, a, b, inst.aux & 1 != 0, env) as u64,
        _ => return None,
    };
    Some(res as Bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit patterns of all sizes of exponent and fraction.
    fn operands(n: usize) -> impl Iterator<Item = [u64; 3]> {
        let mut state = 1u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let x = state ^ state >> 29;
            let near_one = 0x3ff0_0000_0000_0000 ^ (x & 0x801f_ffff_ffff_ffff);
            let sparse = x & 0xffff_ffff_0000_0000;
            [x, near_one, sparse, near_one & !0xffff_ffff][(state >> 60 & 3) as usize]
        };
        (0..n).map(move |_| [next(), next(), next()])
    }

    /// The host computes doubles and singles by IEEE 754; only the NaNs differ.
    #[test]
    fn exact_path_agrees_with_the_host() {
        let same = |host: f64, ours: u64| {
            host.is_nan() && f64::from_bits(ours).is_nan() || host.to_bits() == ours
        };
        let same32 = |host: f32, ours: u64| {
            same(host as f64, (f32::from_bits(ours as u32) as f64).to_bits())
        };
        for bits in operands(50_000) {
            let env = &mut FpEnv::default();
            let [a, b, c] = bits.map(f64::from_bits);
            let [x, y, z] = bits;
            let mode = Round::Current;
            assert!(
                same(a + b, basic::add_or_sub(Fmt::D, x, y, false, mode, env)),
                "{a:e} + {b:e}"
            );
            assert!(
                same(a - b, basic::add_or_sub(Fmt::D, x, y, true, mode, env)),
                "{a:e} - {b:e}"
            );
            assert!(
                same(a * b, basic::multiply(Fmt::D, x, y, false, mode, env)),
                "{a:e} * {b:e}"
            );
            assert!(
                same(a / b, basic::divide(Fmt::D, x, y, env)),
                "{a:e} / {b:e}"
            );
            assert!(
                same(a.sqrt(), basic::square_root(Fmt::D, x, env)),
                "sqrt {a:e}"
            );
            assert!(
                same(a.mul_add(b, c), basic::multiply_add(Fmt::D, z, x, y, env)),
                "{a:e} * {b:e} + {c:e}"
            );
            let [a, b, c] = bits.map(|x| f32::from_bits((x >> 32) as u32));
            let [x, y, z] = bits.map(|x| x >> 32);
            assert!(
                same32(a + b, basic::add_or_sub(Fmt::S, x, y, false, mode, env)),
                "{a:e} + {b:e}"
            );
            assert!(
                same32(a * b, basic::multiply(Fmt::S, x, y, false, mode, env)),
                "{a:e} * {b:e}"
            );
            assert!(
                same32(a / b, basic::divide(Fmt::S, x, y, env)),
                "{a:e} / {b:e}"
            );
            assert!(
                same32(a.sqrt(), basic::square_root(Fmt::S, x, env)),
                "sqrt {a:e}"
            );
            assert!(
                same32(a.mul_add(b, c), basic::multiply_add(Fmt::S, z, x, y, env)),
                "{a:e} * {b:e} + {c:e}"
            );
        }
    }

    /// What the fast path answers, value and flags, is what the exact path answers.
    #[test]
    fn fast_path_agrees_with_the_exact_path() {
        type Answer = (Option<u64>, u64);
        type Both<'a> = &'a dyn Fn(&mut FpEnv, &mut FpEnv) -> Answer;
        let mut answered = 0;
        for (n, bits) in operands(100_000).enumerate() {
            let (f, shift) = if n & 1 == 0 {
                (Fmt::D, 0)
            } else {
                (Fmt::S, 32)
            };
            let [x, y, z] = bits.map(|x| x >> shift);
            let mode = Round::Current;
            let ops: [Both; 5] = [
                &|e, g| {
                    (
                        fast::add(f, x, y, e),
                        basic::add_or_sub(f, x, y, false, mode, g),
                    )
                },
                &|e, g| {
                    (
                        fast::mul(f, x, y, e),
                        basic::multiply(f, x, y, false, mode, g),
                    )
                },
                &|e, g| (fast::div(f, x, y, e), basic::divide(f, x, y, g)),
                &|e, g| (fast::sqrt(f, x, e), basic::square_root(f, x, g)),
                &|e, g| {
                    (
                        fast::mul_add(f, z, x, y, e),
                        basic::multiply_add(f, z, x, y, g),
                    )
                },
            ];
            for (k, op) in ops.iter().enumerate() {
                let mut env = FpEnv {
                    fpcr: 0,
                    fpsr: if n & 2 == 0 { 0 } else { IXC },
                };
                let mut exact_env = env;
                let (fast, exact) = op(&mut env, &mut exact_env);
                if let Some(fast) = fast {
                    answered += 1;
                    assert_eq!(
                        (fast, env),
                        (exact, exact_env),
                        "op {k} {f:?} {x:x} {y:x} {z:x}"
                    );
                }
            }
        }
        assert!(
            answered > 100_000,
            "the fast path hardly ever applies: {answered}"
        );
    }
}
