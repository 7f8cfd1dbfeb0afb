//! Two-operand kinds.

use super::permute::{pairwise, permute};
use super::*;
use crate::arith::crypto;
use crate::ops::VBinKind as K;
use crate::ops_vector::HI;

/// `None` if `kind` is not an integer kind.
pub fn eval(kind: K, aux: u32, a: Bits, b: Bits, env: &mut FpEnv) -> Option<Bits> {
    let s = Shape::from_bits(aux & 0xff);
    lane_wise(kind, s, a, b)
        .or_else(|| saturating_kinds(kind, s, a, b, env))
        .or_else(|| shifts(kind, s, a, b, env))
        .or_else(|| permute(kind, s, a, b))
        .or_else(|| pairwise(kind, s, a, b))
        .or_else(|| long(kind, s, aux & HI != 0, a, b, env))
        .or_else(|| narrowing(kind, s, a, b))
}

#[inline]
fn lane_wise(kind: K, s: Shape, a: Bits, b: Bits) -> Option<Bits> {
    let (m, v) = (shape_mask(s), [a, b, 0]);
    Some(match kind {
        K::And => a & b & m,
        K::Or => (a | b) & m,
        K::Xor => (a ^ b) & m,
        K::AndNot => a & !b & m,
        K::OrNot => (a | !b) & m,
        K::Add => unsigned(s, v, |a, b, _| a + b),
        K::Sub => unsigned(s, v, |a, b, _| a - b),
        K::Mul => unsigned(s, v, |a, b, _| a.wrapping_mul(b)),
        K::SHAdd => signed(s, v, |a, b, _| (a + b) >> 1),
        K::UHAdd => unsigned(s, v, |a, b, _| (a + b) >> 1),
        K::SRHAdd => signed(s, v, |a, b, _| (a + b + 1) >> 1),
        K::URHAdd => unsigned(s, v, |a, b, _| (a + b + 1) >> 1),
        K::SHSub => signed(s, v, |a, b, _| (a - b) >> 1),
        K::UHSub => unsigned(s, v, |a, b, _| (a - b) >> 1),
        K::CmEq => unsigned(s, v, |a, b, _| truth(a == b)),
        K::CmGe => signed(s, v, |a, b, _| truth(a >= b)),
        K::CmGt => signed(s, v, |a, b, _| truth(a > b)),
        K::CmHi => unsigned(s, v, |a, b, _| truth(a > b)),
        K::CmHs => unsigned(s, v, |a, b, _| truth(a >= b)),
        K::CmTst => unsigned(s, v, |a, b, _| truth(a & b != 0)),
        K::SMax => signed(s, v, |a, b, _| a.max(b)),
        K::SMin => signed(s, v, |a, b, _| a.min(b)),
        K::UMax => unsigned(s, v, |a, b, _| a.max(b)),
        K::UMin => unsigned(s, v, |a, b, _| a.min(b)),
        K::SAbd => signed(s, v, |a, b, _| (a - b).abs()),
        K::UAbd => unsigned(s, v, |a, b, _| (a - b).abs()),
        K::PMul => unsigned(s, v, |a, b, _| crypto::clmul(a as u64, b as u64) as i128),
        _ => return None,
    })
}

fn saturating_kinds(kind: K, s: Shape, a: Bits, b: Bits, env: &mut FpEnv) -> Option<Bits> {
    let (bits, v) = (s.lane_bits().min(64), [a, b, 0]);
    let half = 1 << (bits - 1);
    Some(match kind {
        K::SqAdd => saturating(Signed, s, v, env, |a, b, _| a + b),
        K::UqAdd => saturating(Unsigned, s, v, env, |a, b, _| a + b),
        K::SqSub => saturating(Signed, s, v, env, |a, b, _| a - b),
        K::UqSub => saturating(Unsigned, s, v, env, |a, b, _| a - b),
        K::SuqAdd => saturating(Signed, s, v, env, |a, b, _| {
            a + Unsigned.number(b as u128, bits)
        }),
        K::UsqAdd => saturating(Unsigned, s, v, env, |a, b, _| {
            a + Signed.number(b as u128, bits)
        }),
        K::SqDMulH => saturating(Signed, s, v, env, |a, b, _| a.wrapping_mul(b) >> (bits - 1)),
        K::SqRDMulH => saturating(Signed, s, v, env, |a, b, _| {
            (a.wrapping_mul(b).wrapping_mul(2).wrapping_add(half)) >> bits
        }),
        _ => return None,
    })
}

/// Shifts by the signed low byte of each lane of `b`; negative is right.
fn shifts(kind: K, s: Shape, a: Bits, b: Bits, env: &mut FpEnv) -> Option<Bits> {
    let (bits, v) = (s.lane_bits().min(64), [a, b, 0]);
    let plain = move |a, b, _| shift_by(a, b, bits, false);
    let round = move |a, b, _| shift_by(a, b, bits, true);
    Some(match kind {
        K::SShl => signed(s, v, plain),
        K::UShl => unsigned(s, v, plain),
        K::SRShl => signed(s, v, round),
        K::URShl => unsigned(s, v, round),
        K::SqShl => saturating(Signed, s, v, env, plain),
        K::UqShl => saturating(Unsigned, s, v, env, plain),
        K::SqRShl => saturating(Signed, s, v, env, round),
        K::UqRShl => saturating(Unsigned, s, v, env, round),
        _ => return None,
    })
}

/// `x` (a number of `bits`) times 2 to the power of `by`'s signed low byte, rounded half up or down. Where that does not
/// fit in an `i128` the result is another number that is the same modulo the lane size and out of range on the same side.
#[inline]
fn shift_by(x: i128, by: i128, bits: u32, round: bool) -> i128 {
    let by = by as i8 as i32;
    let count = by.unsigned_abs();
    if by >= 0 {
        if count < bits {
            x << count
        } else {
            x.signum() << bits
        }
    } else if round {
        let count = count.min(bits + 1);
        (x + (1 << (count - 1))) >> count
    } else {
        x >> count.min(bits)
    }
}

/// Long and wide kinds: results twice as wide as lanes of `s`.
fn long(kind: K, s: Shape, hi: bool, a: Bits, b: Bits, env: &mut FpEnv) -> Option<Bits> {
    let (bits, wide) = (s.lane_bits(), wide_bits(s));
    let (na, nb) = (half(a, hi), half(b, hi));
    let lanes = |sign, f: fn(i128, i128) -> i128| {
        build(s.lanes(), wide, |i| {
            f(elem(na, bits, i, sign), elem(nb, bits, i, sign))
        })
    };
    let wide_lanes = |sign, f: fn(i128, i128) -> i128| {
        build(s.lanes(), wide, |i| {
            f(elem(a, wide, i, sign), elem(nb, bits, i, sign))
        })
    };
    Some(match kind {
        K::SAddL => lanes(Signed, |a, b| a.wrapping_add(b)),
        K::UAddL => lanes(Unsigned, |a, b| a.wrapping_add(b)),
        K::SSubL => lanes(Signed, |a, b| a.wrapping_sub(b)),
        K::USubL => lanes(Unsigned, |a, b| a.wrapping_sub(b)),
        K::SAbdL => lanes(Signed, |a, b| a.wrapping_sub(b).wrapping_abs()),
        K::UAbdL => lanes(Unsigned, |a, b| a.wrapping_sub(b).wrapping_abs()),
        K::SMulL => lanes(Signed, i128::wrapping_mul),
        K::UMulL => lanes(Unsigned, i128::wrapping_mul),
        K::PMulL => lanes(Unsigned, |a, b| crypto::clmul(a as u64, b as u64) as i128),
        K::SqDMulL => with_qc(env, |sat| {
            build(s.lanes(), wide, |i| {
                let p = elem(na, bits, i, Signed).wrapping_mul(elem(nb, bits, i, Signed));
                sat_q(p.wrapping_mul(2), wide.min(64), Signed, sat)
            })
        }),
        K::SAddW => wide_lanes(Signed, i128::wrapping_add),
        K::UAddW => wide_lanes(Unsigned, i128::wrapping_add),
        K::SSubW => wide_lanes(Signed, i128::wrapping_sub),
        K::USubW => wide_lanes(Unsigned, i128::wrapping_sub),
        _ => return None,
    })
}

/// High halves of sums and differences of lanes twice as wide as those of `s`.
fn narrowing(kind: K, s: Shape, a: Bits, b: Bits) -> Option<Bits> {
    let (bits, wide) = (s.lane_bits(), wide_bits(s));
    let (subtract, round) = match kind {
        K::AddHn => (false, false),
        K::RAddHn => (false, true),
        K::SubHn => (true, false),
        K::RSubHn => (true, true),
        _ => return None,
    };
    let half = if round { 1 << (bits - 1) } else { 0 };
    Some(build(s.lanes(), bits, |i| {
        let (x, y) = (elem(a, wide, i, Unsigned), elem(b, wide, i, Unsigned));
        let sum = if subtract {
            x.wrapping_sub(y)
        } else {
            x.wrapping_add(y)
        };
        sum.wrapping_add(half) >> (bits & 127)
    }))
}
