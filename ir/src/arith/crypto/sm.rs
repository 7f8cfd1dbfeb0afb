//! SM3 (GM/T 0004) and SM4 (GM/T 0002). SM4's S-box is computed from its field, not typed in.

use super::{from_words, words};
use crate::arith::Bits;

/// P1 of GM/T 0004, 4.4.
fn p1(x: u32) -> u32 {
    x ^ x.rotate_left(15) ^ x.rotate_left(23)
}

/// SM3SS1.
pub fn sm3_ss1(n: Bits, m: Bits, a: Bits) -> Bits {
    let top = |v: Bits| (v >> 96) as u32;
    let sum = top(n)
        .rotate_left(12)
        .wrapping_add(top(m))
        .wrapping_add(top(a));
    (sum.rotate_left(7) as u128) << 96
}

/// SM3PARTW1.
pub fn sm3_partw1(d: Bits, n: Bits, m: Bits) -> Bits {
    let (x, m) = (words(d ^ n), words(m));
    let mut r = [0; 4];
    for i in 0..4 {
        // The last word depends on the first result.
        let next = if i < 3 { m[i + 1] } else { r[0] };
        r[i] = p1(x[i] ^ next.rotate_left(15));
    }
    from_words(r)
}

/// SM3PARTW2.
pub fn sm3_partw2(d: Bits, n: Bits, m: Bits) -> Bits {
    let t = n ^ from_words(words(m).map(|x| x.rotate_left(7)));
    let last = p1((t as u32).rotate_left(15));
    d ^ t ^ (last as u128) << 96
}

/// SM3TT1A (`later` false) and SM3TT1B; `index`: the element of `m`.
pub fn sm3_tt1(later: bool, d: Bits, n: Bits, m: Bits, index: u64) -> Bits {
    let ([d0, c, b, a], w) = (words(d), words(m)[index as usize & 3]);
    let ff = if later {
        (a & b) | (a & c) | (b & c)
    } else {
        a ^ b ^ c
    };
    let ss2 = words(n)[3] ^ a.rotate_left(12);
    let tt1 = ff.wrapping_add(d0).wrapping_add(ss2).wrapping_add(w);
    from_words([c, b.rotate_left(9), a, tt1])
}

/// SM3TT2A (`later` false) and SM3TT2B; `index`: the element of `m`.
pub fn sm3_tt2(later: bool, d: Bits, n: Bits, m: Bits, index: u64) -> Bits {
    let ([h, g, f, e], w) = (words(d), words(m)[index as usize & 3]);
    let gg = if later { (e & f) | (!e & g) } else { e ^ f ^ g };
    let tt2 = gg.wrapping_add(h).wrapping_add(words(n)[3]).wrapping_add(w);
    let p0 = tt2 ^ tt2.rotate_left(9) ^ tt2.rotate_left(17);
    from_words([g, f.rotate_left(19), e, p0])
}

/// Product in GF(2^8) modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1.
const fn gf_mul(mut a: u8, mut b: u8) -> u8 {
    let mut r = 0;
    while b != 0 {
        if b & 1 != 0 {
            r ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0xf5 } else { 0 };
        b >>= 1;
    }
    r
}

/// The affine map on both sides of the inversion: a circulant matrix, then 0xD3.
const fn affine(x: u8) -> u8 {
    let (mut r, mut i) = (0, 0);
    while i < 8 {
        let row = 0xa7_u8.rotate_left(i);
        r |= (((x & row).count_ones() as u8) & 1) << i;
        i += 1;
    }
    r ^ 0xd3
}

static SBOX: [u8; 256] = sbox();

const fn sbox() -> [u8; 256] {
    let mut t = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut inv, mut square, mut k) = (1, affine(i as u8), 1);
        while k < 8 {
            square = gf_mul(square, square);
            inv = gf_mul(inv, square);
            k += 1;
        }
        t[i] = affine(inv);
        i += 1;
    }
    t
}

/// Four rounds: `next(x, i)` is the word to combine with the oldest one.
fn sm4_rounds(state: Bits, keys: Bits, linear: fn(u32) -> u32) -> Bits {
    let mut x = words(state);
    for key in words(keys) {
        let t = (x[1] ^ x[2] ^ x[3] ^ key)
            .to_le_bytes()
            .map(|b| SBOX[b as usize]);
        x = [x[1], x[2], x[3], x[0] ^ linear(u32::from_le_bytes(t))];
    }
    from_words(x)
}

/// SM4E: four rounds of encryption with the round keys `keys`.
pub fn sm4_e(state: Bits, keys: Bits) -> Bits {
    sm4_rounds(state, keys, |x| {
        x ^ x.rotate_left(2) ^ x.rotate_left(10) ^ x.rotate_left(18) ^ x.rotate_left(24)
    })
}

/// SM4EKEY: four rounds of the key schedule with the constants `keys`.
pub fn sm4_ekey(state: Bits, keys: Bits) -> Bits {
    sm4_rounds(state, keys, |x| x ^ x.rotate_left(13) ^ x.rotate_left(23))
}

#[cfg(test)]
mod tests {
    use super::SBOX;

    #[test]
    fn sm4_sbox_is_a_permutation_with_the_published_corners() {
        assert_eq!(SBOX[..4], [0xd6, 0x90, 0xe9, 0xfe]);
        assert_eq!(SBOX[0xfc..], [0xd7, 0xcb, 0x39, 0x48]);
        let mut seen = [false; 256];
        for s in SBOX {
            assert!(!std::mem::replace(&mut seen[s as usize], true));
        }
    }
}
