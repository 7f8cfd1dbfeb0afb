//! Three-operand kinds.

use super::*;
use crate::ops::VTernKind as K;

/// `None` if `kind` is not an integer kind. Arguments: accumulator (or mask), n, m.
pub fn eval(kind: K, s: Shape, a: Bits, n: Bits, m: Bits, env: &mut FpEnv) -> Option<Bits> {
    let bits = s.lane_bits().min(64);
    let v = [a, n, m];
    let product = move |n: i128, m: i128| n.wrapping_mul(m).wrapping_mul(2);
    let half = 1 << (bits - 1);
    Some(match kind {
        K::Mla => unsigned(s, v, |a, n, m| a.wrapping_add(n.wrapping_mul(m))),
        K::Mls => unsigned(s, v, |a, n, m| a.wrapping_sub(n.wrapping_mul(m))),
        K::Bsl => (n & a | m & !a) & shape_mask(s),
        K::SqRDMlaH => saturating(Signed, s, v, env, |a, n, m| {
            (a << bits).wrapping_add(product(n, m)).wrapping_add(half) >> bits
        }),
        K::SqRDMlsH => saturating(Signed, s, v, env, |a, n, m| {
            (a << bits).wrapping_sub(product(n, m)).wrapping_add(half) >> bits
        }),
        K::SDot => dot(s, v, Signed, Signed),
        K::UDot => dot(s, v, Unsigned, Unsigned),
        K::UsDot => dot(s, v, Unsigned, Signed),
        K::SMmla => mmla(v, Signed, Signed),
        K::UMmla => mmla(v, Unsigned, Unsigned),
        K::UsMmla => mmla(v, Unsigned, Signed),
        _ => return None,
    })
}

/// Each lane of `s` plus the products of the bytes of n (read with `sn`) and m that lie in it.
fn dot(s: Shape, [a, n, m]: [Bits; 3], sn: Sign, sm: Sign) -> Bits {
    let bits = s.lane_bits();
    let per = bits / 8;
    build(s.lanes(), bits, |i| {
        (i * per..(i + 1) * per).fold(elem(a, bits, i, Unsigned), |acc, j| {
            acc.wrapping_add(elem(n, 8, j, sn) * elem(m, 8, j, sm))
        })
    })
}

/// MatMulAdd: 2x8 bytes of n times 8x2 bytes of m onto 2x2 words.
fn mmla([a, n, m]: [Bits; 3], sn: Sign, sm: Sign) -> Bits {
    build(4, 32, |i| {
        let (row, col) = (i / 2 * 8, i % 2 * 8);
        (0..8).fold(elem(a, 32, i, Unsigned), |acc, k| {
            acc + elem(n, 8, row + k, sn) * elem(m, 8, col + k, sm)
        })
    })
}
