//! Across-lanes kinds.

use super::*;
use crate::ops::VRedKind as K;

/// `None` if `kind` is not an integer kind.
pub fn eval(kind: K, s: Shape, a: Bits) -> Option<Bits> {
    let bits = s.lane_bits();
    let (sign, out, f): (Sign, u32, fn(i128, i128) -> i128) = match kind {
        K::AddV => (Unsigned, bits, i128::wrapping_add),
        K::SAddLv => (Signed, wide_bits(s), i128::wrapping_add),
        K::UAddLv => (Unsigned, wide_bits(s), i128::wrapping_add),
        K::SMaxV => (Signed, bits, i128::max),
        K::SMinV => (Signed, bits, i128::min),
        K::UMaxV => (Unsigned, bits, i128::max),
        K::UMinV => (Unsigned, bits, i128::min),
        _ => return None,
    };
    let first = elem(a, bits, 0, sign);
    let r = (1..s.lanes()).fold(first, |acc, i| f(acc, elem(a, bits, i, sign)));
    Some(build(1, out, |_| r))
}
