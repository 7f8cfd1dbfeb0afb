//! One-operand kinds.

use super::permute::reverse;
use super::*;
use crate::ops::VUnKind as K;

/// `None` if `kind` is not an integer kind (FP kinds and crypto have their own files).
pub fn eval(kind: K, s: Shape, a: Bits, env: &mut FpEnv) -> Option<Bits> {
    let bits = s.lane_bits().min(64);
    let v = [a, 0, 0];
    Some(match kind {
        K::Neg => signed(s, v, |a, _, _| -a),
        K::Abs => signed(s, v, |a, _, _| a.abs()),
        K::Not => !a & shape_mask(s),
        K::Cnt => unsigned(s, v, |a, _, _| a.count_ones() as i128),
        K::Clz => unsigned(s, v, |a, _, _| {
            (a as u64).leading_zeros() as i128 - (64 - bits as i128)
        }),
        K::Cls => signed(s, v, |a, _, _| {
            ((a ^ (a >> 1)) as u64 & (u64::MAX >> (65 - bits))).leading_zeros() as i128
                - (65 - bits as i128)
        }),
        K::Rbit => unsigned(s, v, |a, _, _| (a as u8).reverse_bits() as i128),
        K::Rev16 => reverse(s, 16, a),
        K::Rev32 => reverse(s, 32, a),
        K::Rev64 => reverse(s, 64, a),
        K::SqAbs => saturating(Signed, s, v, env, |a, _, _| a.abs()),
        K::SqNeg => saturating(Signed, s, v, env, |a, _, _| -a),
        K::CmEq0 => signed(s, v, |a, _, _| truth(a == 0)),
        K::CmGe0 => signed(s, v, |a, _, _| truth(a >= 0)),
        K::CmGt0 => signed(s, v, |a, _, _| truth(a > 0)),
        K::CmLe0 => signed(s, v, |a, _, _| truth(a <= 0)),
        K::CmLt0 => signed(s, v, |a, _, _| truth(a < 0)),
        K::SAddLp => add_long_pairs(Signed, s, a),
        K::UAddLp => add_long_pairs(Unsigned, s, a),
        K::Xtn => narrow(s, a, Unsigned, |x| x),
        K::SqXtn => narrow_sat(s, a, Signed, Signed, env),
        K::UqXtn => narrow_sat(s, a, Unsigned, Unsigned, env),
        K::SqXtUn => narrow_sat(s, a, Signed, Unsigned, env),
        _ => return None,
    })
}

fn add_long_pairs(sign: Sign, s: Shape, a: Bits) -> Bits {
    let bits = s.lane_bits();
    build(s.lanes() / 2, wide_bits(s), |i| {
        elem(a, bits, 2 * i, sign).wrapping_add(elem(a, bits, 2 * i + 1, sign))
    })
}

/// Lanes of the result shape `s` from lanes twice as wide, read with `sign`.
#[inline(always)]
pub(super) fn narrow(s: Shape, a: Bits, sign: Sign, mut f: impl FnMut(i128) -> i128) -> Bits {
    build(s.lanes(), s.lane_bits(), |i| {
        f(elem(a, wide_bits(s), i, sign))
    })
}

fn narrow_sat(s: Shape, a: Bits, from: Sign, to: Sign, env: &mut FpEnv) -> Bits {
    let bits = s.lane_bits().min(64);
    with_qc(env, |sat| narrow(s, a, from, |x| sat_q(x, bits, to, sat)))
}
