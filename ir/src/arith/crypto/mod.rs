//! Cryptographic kinds: AES, polynomial multiply, SHA-1, SHA-2, SHA-3, SM3, SM4 (Arm ARM: shared/functions/crypto and the
//! instructions' own pages).
//!
//! Everything has a portable meaning here; [`x86`] gives the same with host instructions where the host has them, and a test
//! there compares both. Shapes are ignored: these instructions have one arrangement each. Words are numbered from bit 0.

pub mod aes;
pub mod qarma;
pub mod sha1;
pub mod sha2;
pub mod sm;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::arith::Bits;
use crate::ops::{VBinKind, VTernKind, VUnKind};

/// A vector as four words.
pub(crate) fn words(v: Bits) -> [u32; 4] {
    std::array::from_fn(|i| (v >> (32 * i)) as u32)
}

/// Four words as a vector.
pub(crate) fn from_words(w: [u32; 4]) -> Bits {
    w.iter().rev().fold(0, |v, &x| v << 32 | x as u128)
}

/// A vector as two doublewords.
pub(crate) fn dwords(v: Bits) -> [u64; 2] {
    [v as u64, (v >> 64) as u64]
}

/// Two doublewords as a vector.
pub(crate) fn from_dwords(d: [u64; 2]) -> Bits {
    d[0] as u128 | (d[1] as u128) << 64
}

/// `$host` where the host has the instructions, else `$portable`.
macro_rules! host_or {
    ($host:ident($($arg:expr),*), $portable:expr) => {{
        #[cfg(target_arch = "x86_64")]
        if let Some(r) = x86::$host($($arg),*) {
            return r;
        }
        $portable
    }};
}
use host_or;

/// PolynomialMult of two 64-bit polynomials over GF(2).
#[inline]
pub fn clmul(a: u64, b: u64) -> u128 {
    host_or!(clmul(a, b), clmul_portable(a, b))
}

fn clmul_portable(a: u64, mut b: u64) -> u128 {
    let mut r = 0;
    while b != 0 {
        r ^= (a as u128) << b.trailing_zeros();
        b &= b - 1;
    }
    r
}

/// `None` if `kind` is not of this family.
pub fn eval_vun(kind: VUnKind, a: Bits) -> Option<Bits> {
    Some(match kind {
        VUnKind::AesMc => aes::mc(a),
        VUnKind::AesIMc => aes::imc(a),
        VUnKind::Sha1H => (a as u32).rotate_left(30) as u128,
        _ => return None,
    })
}

/// `None` if `kind` is not of this family.
pub fn eval_vbin(kind: VBinKind, a: Bits, b: Bits) -> Option<Bits> {
    Some(match kind {
        VBinKind::AesE => aes::e(a, b),
        VBinKind::AesD => aes::d(a, b),
        VBinKind::Sha1Su1 => sha1::su1(a, b),
        VBinKind::Sha256Su0 => sha2::su0_256(a, b),
        VBinKind::Sha512Su0 => sha2::su0_512(a, b),
        VBinKind::Rax1 => {
            let m = dwords(b).map(|x| x.rotate_left(1));
            a ^ from_dwords(m)
        }
        VBinKind::Sm4E => sm::sm4_e(a, b),
        VBinKind::Sm4EKey => sm::sm4_ekey(a, b),
        _ => return None,
    })
}

/// `None` if `kind` is not of this family.
pub fn eval_vtern(kind: VTernKind, a: Bits, n: Bits, m: Bits, imm: u64) -> Option<Bits> {
    use VTernKind as K;
    Some(match kind {
        K::Sha1C => sha1::c(a, n, m),
        K::Sha1P => sha1::p(a, n, m),
        K::Sha1M => sha1::m(a, n, m),
        K::Sha1Su0 => sha1::su0(a, n, m),
        K::Sha256H => sha2::h_256(a, n, m),
        K::Sha256H2 => sha2::h2_256(a, n, m),
        K::Sha256Su1 => sha2::su1_256(a, n, m),
        K::Sha512H => sha2::h_512(a, n, m),
        K::Sha512H2 => sha2::h2_512(a, n, m),
        K::Sha512Su1 => sha2::su1_512(a, n, m),
        K::Eor3 => a ^ n ^ m,
        K::Bcax => a ^ (n & !m),
        K::Sm3Ss1 => sm::sm3_ss1(a, n, m),
        K::Sm3PartW1 => sm::sm3_partw1(a, n, m),
        K::Sm3PartW2 => sm::sm3_partw2(a, n, m),
        K::Sm3Tt1A => sm::sm3_tt1(false, a, n, m, imm),
        K::Sm3Tt1B => sm::sm3_tt1(true, a, n, m, imm),
        K::Sm3Tt2A => sm::sm3_tt2(false, a, n, m, imm),
        K::Sm3Tt2B => sm::sm3_tt2(true, a, n, m, imm),
        _ => return None,
    })
}
