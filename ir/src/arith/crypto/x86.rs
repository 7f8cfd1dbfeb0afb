//! The crypto kinds by AES-NI, PCLMULQDQ and the SHA extensions, where this host has them (`None` otherwise).
//!
//! Must give exactly what the portable functions give; the test below compares them.

use super::sha1::Round;
use super::words;
use crate::arith::Bits;
use std::arch::x86_64::*;

fn load(v: Bits) -> __m128i {
    // SAFETY: both are 16 bytes for which every bit pattern is valid.
    unsafe { std::mem::transmute::<u128, __m128i>(v) }
}

fn store(v: __m128i) -> Bits {
    // SAFETY: both are 16 bytes for which every bit pattern is valid.
    unsafe { std::mem::transmute::<__m128i, u128>(v) }
}

/// `$body` compiled with `$feature`, called if this host has it.
macro_rules! with_features {
    ($( $(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $res:ty [$($feature:tt)*] $body:block )*) => { $(
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) -> Option<$res> {
            $( #[target_feature(enable = $feature)] )*
            fn host($($arg: $ty),*) -> $res $body
            if $( is_x86_feature_detected!($feature) )&&* {
                // SAFETY: the host has the features the function is compiled for.
                Some(unsafe { host($($arg),*) })
            } else {
                None
            }
        }
    )* };
}

with_features! {
    /// Carry-less product.
    pub fn clmul(a: u64, b: u64) -> u128 ["pclmulqdq"] {
        store(_mm_clmulepi64_si128::<0>(load(a as u128), load(b as u128)))
    }

    /// ShiftRows and SubBytes.
    pub fn aes_e(state: Bits) -> Bits ["aes"] {
        store(_mm_aesenclast_si128(load(state), load(0)))
    }

    /// InvShiftRows and InvSubBytes.
    pub fn aes_d(state: Bits) -> Bits ["aes"] {
        store(_mm_aesdeclast_si128(load(state), load(0)))
    }

    /// MixColumns: an encryption round after the inverse of its first two steps.
    pub fn aes_mc(state: Bits) -> Bits ["aes"] {
        store(_mm_aesenc_si128(_mm_aesdeclast_si128(load(state), load(0)), load(0)))
    }

    /// InvMixColumns.
    pub fn aes_imc(state: Bits) -> Bits ["aes"] {
        store(_mm_aesimc_si128(load(state)))
    }

    /// Four rounds of SHA-1. The host numbers words from the top and adds the round constant itself, so it is taken off `w`.
    pub fn sha1_rounds(f: Round, x: Bits, e: u32, w: Bits) -> Bits ["sha"] {
        let k: u32 = match f {
            Round::Choose => 0x5a82_7999,
            Round::Parity => 0x6ed9_eba1,
            Round::Majority => 0x8f1b_bcdc,
        };
        let [w0, w1, w2, w3] = words(w).map(|w| w.wrapping_sub(k) as i32);
        let w = _mm_set_epi32(w0.wrapping_add(e as i32), w1, w2, w3);
        let x = _mm_shuffle_epi32::<0x1b>(load(x));
        let r = match f {
            Round::Choose => _mm_sha1rnds4_epu32::<0>(x, w),
            Round::Parity => _mm_sha1rnds4_epu32::<1>(x, w),
            Round::Majority => _mm_sha1rnds4_epu32::<2>(x, w),
        };
        store(_mm_shuffle_epi32::<0x1b>(r))
    }

    /// Four rounds of SHA-256. The host keeps the state as (a b e f) and (c d g h), from the top.
    pub fn sha256_rounds(x: Bits, y: Bits, w: Bits) -> (Bits, Bits) ["sha"] {
        let ([a, b, c, d], [e, f, g, h]) = (words(x).map(|x| x as i32), words(y).map(|x| x as i32));
        let (abef, cdgh) = (_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h));
        let middle = _mm_sha256rnds2_epu32(cdgh, abef, load(w));
        let last = words(store(_mm_sha256rnds2_epu32(abef, middle, load(w >> 64))));
        let middle = words(store(middle));
        let join = |i| super::from_words([last[i + 1], last[i], middle[i + 1], middle[i]]);
        (join(2), join(0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{aes::portable, clmul_portable, sha1, sha2};
    use super::*;

    /// Some numbers (an LCG's high halves).
    fn numbers() -> impl Iterator<Item = u128> {
        std::iter::successors(Some(1_u128), |x| {
            Some(
                x.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
                    .wrapping_add(0x5851_f42d_4c95_7f2d),
            )
        })
        .map(|x| x ^ x >> 67)
    }

    #[test]
    fn host_equals_portable() {
        let mut n = numbers();
        let mut next = || n.next().unwrap_or_default();
        for _ in 0..2000 {
            let (a, b, c) = (next(), next(), next());
            let same = |host: Option<u128>, portable| {
                assert_eq!(host.unwrap_or(portable), portable);
            };
            let (x, y) = (a as u64, b as u64);
            same(clmul(x, y), clmul_portable(x, y));
            same(aes_e(a), portable::e(a));
            same(aes_d(a), portable::d(a));
            same(aes_mc(a), portable::mc(a));
            same(aes_imc(a), portable::imc(a));
            for f in [Round::Choose, Round::Parity, Round::Majority] {
                let e = b as u32;
                same(sha1_rounds(f, a, e, c), sha1::rounds_portable(f, a, e, c));
            }
            let portable = sha2::rounds_portable(a, b, c);
            assert_eq!(sha256_rounds(a, b, c).unwrap_or(portable), portable);
        }
    }
}
