//! Immediates of FMOV and of the AdvSIMD modified-immediate class (VFPExpandImm, AdvSIMDExpandImm of
//! shared/functions/vector and shared/functions/float).

/// VFPExpandImm: the half, single or double (`log2` 1, 2, 3 of its size in bytes) that an 8-bit immediate names.
pub const fn vfp_expand(imm8: u32, log2: u32) -> u64 {
    let (n, e) = match log2 {
        1 => (16, 5),
        2 => (32, 8),
        _ => (64, 11),
    };
    let f = n - e - 1;
    let sign = (imm8 >> 7 & 1) as u64;
    let low = (imm8 >> 4 & 3) as u64;
    // NOT(imm8<6>) : Replicate(imm8<6>, e - 3) : imm8<5:4>
    let exp = if imm8 >> 6 & 1 != 0 {
        ((1 << (e - 3)) - 1) << 2 | low
    } else {
        1 << (e - 1) | low
    };
    sign << (n - 1) | exp << f | ((imm8 & 15) as u64) << (f - 4)
}

/// Every bit of `imm8` replicated eight times (MOVI of 64 bits).
pub const fn byte_mask(imm8: u32) -> u64 {
    let (mut i, mut v) = (0, 0u64);
    while i < 8 {
        if imm8 >> i & 1 != 0 {
            v |= 0xff << (8 * i);
        }
        i += 1;
    }
    v
}

/// `v` of `bits` bits (8, 16, 32, 64) in every lane of 64 bits.
pub const fn replicate(v: u64, bits: u32) -> u64 {
    let (mut v, mut w) = (v, bits);
    while w < 64 {
        v |= v << w;
        w *= 2;
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fmov_immediates() {
        assert_eq!(f32::from_bits(vfp_expand(0x70, 2) as u32), 1.0);
        assert_eq!(f64::from_bits(vfp_expand(0x70, 3)), 1.0);
        assert_eq!(f64::from_bits(vfp_expand(0x80, 3)), -2.0);
        assert_eq!(f64::from_bits(vfp_expand(0x3f, 3)), 31.0);
        assert_eq!(vfp_expand(0x70, 1), 0x3c00);
        assert_eq!(f32::from_bits(vfp_expand(0x40, 2) as u32), 0.125);
    }
}
