//! Shifts by a constant.

use super::un::narrow;
use super::*;
use crate::ops::VShiftKind as K;
use crate::ops_vector::HI;

/// `None` if `kind` is not an integer kind. `b` is the old destination of SLI and SRI, the second operand of XAR.
pub fn eval(kind: K, aux: u32, a: Bits, b: Bits, imm: u64, env: &mut FpEnv) -> Option<Bits> {
    let s = Shape::from_bits(aux & 0xff);
    let bits = s.lane_bits().min(64);
    let n = imm.min(bits as u64) as u32;
    // The bits that a shifted element occupies.
    let ones = u128::MAX >> (128 - bits);
    let v = [a, b, 0];
    Some(match kind {
        K::Shl => unsigned(s, v, |a, _, _| a << n),
        K::SShr => signed(s, v, |a, _, _| a >> n),
        K::UShr => unsigned(s, v, |a, _, _| a >> n),
        K::SRShr => signed(s, v, |a, _, _| right(a, n, true)),
        K::URShr => unsigned(s, v, |a, _, _| right(a, n, true)),
        K::Sli => unsigned(s, v, |a, d, _| (a << n) | d & !(ones << n) as i128),
        K::Sri => unsigned(s, v, |a, d, _| a >> n | d & !(ones >> n) as i128),
        K::SqShl => saturating(Signed, s, v, env, |a, _, _| a << n),
        K::UqShl => saturating(Unsigned, s, v, env, |a, _, _| a << n),
        K::SqShlU => with_qc(env, |sat| {
            signed(s, [a & shape_mask(s), 0, 0], |a, _, _| {
                sat_q(a << n, bits, Unsigned, sat)
            })
        }),
        K::SShll => long(Signed, s, aux & HI != 0, a, n),
        K::UShll => long(Unsigned, s, aux & HI != 0, a, n),
        K::Xar => unsigned(s, v, |a, b, _| {
            let x = (a ^ b) as u128;
            (x >> (n % bits) | x << ((bits - n % bits) % bits)) as i128
        }),
        _ => return narrowing(kind, s, a, n, env),
    })
}

/// Right shift by `n` (0..=64), rounded half up if `round`.
#[inline]
fn right(x: i128, n: u32, round: bool) -> i128 {
    if round && n > 0 {
        (x + (1 << (n - 1))) >> n
    } else {
        x >> n
    }
}

fn long(sign: Sign, s: Shape, hi: bool, a: Bits, n: u32) -> Bits {
    let (a, bits) = (half(a, hi), s.lane_bits());
    build(s.lanes(), wide_bits(s), |i| elem(a, bits, i, sign) << n)
}

fn narrowing(kind: K, s: Shape, a: Bits, n: u32, env: &mut FpEnv) -> Option<Bits> {
    let (from, to, round) = match kind {
        K::Shrn => (Unsigned, None, false),
        K::Rshrn => (Unsigned, None, true),
        K::SqShrn => (Signed, Some(Signed), false),
        K::SqRshrn => (Signed, Some(Signed), true),
        K::UqShrn => (Unsigned, Some(Unsigned), false),
        K::UqRshrn => (Unsigned, Some(Unsigned), true),
        K::SqShrun => (Signed, Some(Unsigned), false),
        K::SqRshrun => (Signed, Some(Unsigned), true),
        _ => return None,
    };
    let bits = s.lane_bits().min(64);
    Some(with_qc(env, |sat| {
        narrow(s, a, from, |x| {
            let r = right(x, n, round);
            to.map_or(r, |sign| sat_q(r, bits, sign, sat))
        })
    }))
}
