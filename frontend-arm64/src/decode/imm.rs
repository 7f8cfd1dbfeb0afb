//! Immediate operands that need more than a shift: bitmask immediates (DecodeBitMasks, shared/functions/integer).

/// The 64-bit mask of a logical immediate, or `None` if reserved. `wide` is false for 32-bit operations (then the
/// result is 32 bits, zero-extended, and `n` must be 0).
pub const fn decode_bitmask(n: u32, imms: u32, immr: u32, wide: bool) -> Option<u64> {
    if !wide && n != 0 {
        return None;
    }
    let combined = n << 6 | (!imms & 0x3f);
    if combined < 2 {
        return None;
    }
    let len = 31 - combined.leading_zeros();
    let levels = (1u32 << len) - 1;
    if imms & levels == levels {
        return None;
    }
    let (s, r, esize) = (imms & levels, immr & levels, 1u32 << len);
    let welem = if s == 63 {
        u64::MAX
    } else {
        (1u64 << (s + 1)) - 1
    };
    let emask = if esize == 64 {
        u64::MAX
    } else {
        (1u64 << esize) - 1
    };
    let elem = if r == 0 {
        welem
    } else {
        (welem >> r | welem << (esize - r)) & emask
    };
    let mut out = elem;
    let mut w = esize;
    while w < 64 {
        out |= out << w;
        w *= 2;
    }
    Some(if wide { out } else { out & 0xffff_ffff })
}

/// Row predicate of the logical (immediate) class: the immediate is not reserved.
pub fn bitmask_ok(w: u32) -> bool {
    decode_bitmask(w >> 22 & 1, w >> 10 & 63, w >> 16 & 63, w >> 31 != 0).is_some()
}
