//! AES rounds (FIPS-197). The tables are computed from the field, not typed in.

use super::host_or;
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::arith::Bits;

/// Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
const fn gf_mul(mut a: u8, mut b: u8) -> u8 {
    let mut r = 0;
    while b != 0 {
        if b & 1 != 0 {
            r ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    r
}

/// SubBytes: the inverse (as the 254th power), then the affine map.
const fn sub_byte(x: u8) -> u8 {
    let (mut inv, mut square, mut i) = (1, x, 1);
    while i < 8 {
        square = gf_mul(square, square);
        inv = gf_mul(inv, square);
        i += 1;
    }
    inv ^ inv.rotate_left(1) ^ inv.rotate_left(2) ^ inv.rotate_left(3) ^ inv.rotate_left(4) ^ 0x63
}

static SBOX: [u8; 256] = sbox(false);
static INV_SBOX: [u8; 256] = sbox(true);

const fn sbox(inverse: bool) -> [u8; 256] {
    let mut t = [0; 256];
    let mut i = 0;
    while i < 256 {
        let s = sub_byte(i as u8);
        if inverse {
            t[s as usize] = i as u8;
        } else {
            t[i] = s;
        }
        i += 1;
    }
    t
}

/// Column of MixColumns (2 1 1 3) or InvMixColumns (14 9 13 11) for each value of the column's first byte.
static MIX: [u32; 256] = mix_table([2, 1, 1, 3]);
static INV_MIX: [u32; 256] = mix_table([14, 9, 13, 11]);

const fn mix_table(by: [u8; 4]) -> [u32; 256] {
    let mut t = [0; 256];
    let mut i = 0;
    while i < 256 {
        let x = i as u8;
        t[i] = u32::from_le_bytes([
            gf_mul(x, by[0]),
            gf_mul(x, by[1]),
            gf_mul(x, by[2]),
            gf_mul(x, by[3]),
        ]);
        i += 1;
    }
    t
}

/// Byte `i` of the result is `table` of byte `i * step mod 16`: ShiftRows is step 5, its inverse step 13.
fn shift_sub(state: Bits, step: usize, table: &[u8; 256]) -> Bits {
    let s = state.to_le_bytes();
    u128::from_le_bytes(std::array::from_fn(|i| table[s[i * step % 16] as usize]))
}

fn mix(state: Bits, table: &[u32; 256]) -> Bits {
    let column = |w: u32| {
        let [a, b, c, d] = w.to_le_bytes().map(|x| table[x as usize]);
        a ^ b.rotate_left(8) ^ c.rotate_left(16) ^ d.rotate_left(24)
    };
    super::from_words(super::words(state).map(column))
}

/// AESE: AddRoundKey, ShiftRows, SubBytes.
pub fn e(state: Bits, key: Bits) -> Bits {
    host_or!(aes_e(state ^ key), portable::e(state ^ key))
}

/// AESD: AddRoundKey, InvShiftRows, InvSubBytes.
pub fn d(state: Bits, key: Bits) -> Bits {
    host_or!(aes_d(state ^ key), portable::d(state ^ key))
}

/// AESMC: MixColumns.
pub fn mc(state: Bits) -> Bits {
    host_or!(aes_mc(state), portable::mc(state))
}

/// AESIMC: InvMixColumns.
pub fn imc(state: Bits) -> Bits {
    host_or!(aes_imc(state), portable::imc(state))
}

/// The same without host instructions and without the key.
pub(super) mod portable {
    use super::*;

    pub fn e(state: Bits) -> Bits {
        shift_sub(state, 5, &SBOX)
    }
    pub fn d(state: Bits) -> Bits {
        shift_sub(state, 13, &INV_SBOX)
    }
    pub fn mc(state: Bits) -> Bits {
        mix(state, &MIX)
    }
    pub fn imc(state: Bits) -> Bits {
        mix(state, &INV_MIX)
    }
}
