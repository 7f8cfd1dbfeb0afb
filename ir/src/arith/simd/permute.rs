//! Kinds that move lanes, and those that combine neighbours.

use super::*;
use crate::ops::VBinKind as K;

/// ZIP, UZP, TRN; `None` for other kinds.
pub(super) fn permute(kind: K, s: Shape, a: Bits, b: Bits) -> Option<Bits> {
    let n = s.lanes() as usize;
    // Odd lanes of the result come from b.
    let from_b = |i: usize| i % 2 * n;
    Some(match kind {
        K::Zip1 => pick(s, a, b, |i| i / 2 + from_b(i)),
        K::Zip2 => pick(s, a, b, |i| n / 2 + i / 2 + from_b(i)),
        K::Uzp1 => pick(s, a, b, |i| 2 * i),
        K::Uzp2 => pick(s, a, b, |i| 2 * i + 1),
        K::Trn1 => pick(s, a, b, |i| (i & !1) + from_b(i)),
        K::Trn2 => pick(s, a, b, |i| (i | 1) + from_b(i)),
        _ => return None,
    })
}

/// Neighbours of (b : a) combined: even lanes with odd ones. `None` for other kinds.
pub(super) fn pairwise(kind: K, s: Shape, a: Bits, b: Bits) -> Option<Bits> {
    let v = || [pick(s, a, b, |i| 2 * i), pick(s, a, b, |i| 2 * i + 1), 0];
    Some(match kind {
        K::AddP => unsigned(s, v(), |a, b, _| a + b),
        K::SMaxP => signed(s, v(), |a, b, _| a.max(b)),
        K::SMinP => signed(s, v(), |a, b, _| a.min(b)),
        K::UMaxP => unsigned(s, v(), |a, b, _| a.max(b)),
        K::UMinP => unsigned(s, v(), |a, b, _| a.min(b)),
        _ => return None,
    })
}

/// Lanes in reverse order within each `container` bits (a power of two).
pub(super) fn reverse(s: Shape, container: u32, a: Bits) -> Bits {
    let flip = (container / s.lane_bits()).max(1) as usize - 1;
    pick(s, a, 0, |i| i ^ flip)
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
    let ones = match s.lane_log2() {
        0 => u128::MAX / 0xff,
        1 => u128::MAX / 0xffff,
        2 => u128::MAX / 0xffff_ffff,
        3 => u128::MAX / 0xffff_ffff_ffff_ffff,
        _ => 1,
    };
    let lane = x & (u128::MAX >> (128 - s.lane_bits()));
    lane.wrapping_mul(ones) & shape_mask(s)
}
