//! Kinds that move lanes, and those that combine neighbours.

use super::*;
use crate::ops::VBinKind as K;

/// ZIP, UZP, TRN; `None` for other kinds.
pub(super) fn permute(kind: K, s: Shape, a: Bits, b: Bits) -> Option<Bits> {
    let (n, bits) = (s.lanes(), s.lane_bits());
    let get = |from_b: bool, i| elem(if from_b { b } else { a }, bits, i, Unsigned);
    // Lanes of the concatenation (b : a).
    let both = |i: u32| get(i >= n, if i >= n { i - n } else { i });
    Some(match kind {
        K::Zip1 => build(n, bits, |i| get(i & 1 != 0, i / 2)),
        K::Zip2 => build(n, bits, |i| get(i & 1 != 0, n / 2 + i / 2)),
        K::Uzp1 => build(n, bits, |i| both(2 * i)),
        K::Uzp2 => build(n, bits, |i| both(2 * i + 1)),
        K::Trn1 => build(n, bits, |i| get(i & 1 != 0, i & !1)),
        K::Trn2 => build(n, bits, |i| get(i & 1 != 0, i | 1)),
        _ => return None,
    })
}

/// Neighbours of (b : a) combined; `None` for other kinds.
pub(super) fn pairwise(kind: K, s: Shape, a: Bits, b: Bits) -> Option<Bits> {
    let (sign, f): (Sign, fn(i128, i128) -> i128) = match kind {
        K::AddP => (Unsigned, i128::wrapping_add),
        K::SMaxP => (Signed, i128::max),
        K::SMinP => (Signed, i128::min),
        K::UMaxP => (Unsigned, i128::max),
        K::UMinP => (Unsigned, i128::min),
        _ => return None,
    };
    let (n, bits) = (s.lanes(), s.lane_bits());
    let get = |i: u32| {
        if i < n {
            elem(a, bits, i, sign)
        } else {
            elem(b, bits, i - n, sign)
        }
    };
    Some(build(n, bits, |i| f(get(2 * i), get(2 * i + 1))))
}

/// Byte `i` of the result is byte `index[i]` of (hi : lo), or 0 if the index exceeds 31 (VShuffle, VTbl).
pub fn table(lo: Bits, hi: Bits, index: Bits) -> Bits {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&lo.to_le_bytes());
    bytes[16..].copy_from_slice(&hi.to_le_bytes());
    let pick = |i: u8| bytes.get(i as usize).copied().unwrap_or(0);
    u128::from_le_bytes(index.to_le_bytes().map(pick))
}

/// All lanes of the shape are the low bits of `x`.
pub fn dup(s: Shape, x: Bits) -> Bits {
    build(s.lanes(), s.lane_bits(), |_| x as i128)
}
