//! SHA-1 (FIPS-180).

use super::host_or;
#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{from_words, words};
use crate::arith::Bits;

/// The round functions of FIPS-180, 4.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Round {
    Choose,
    Parity,
    Majority,
}

/// SHA1C: four rounds with Ch. `x` = d:c:b:a (a in word 0), `y` word 0 = e, `w` = schedule plus constant.
pub fn c(x: Bits, y: Bits, w: Bits) -> Bits {
    rounds(Round::Choose, x, y as u32, w)
}

/// SHA1P: four rounds with Parity.
pub fn p(x: Bits, y: Bits, w: Bits) -> Bits {
    rounds(Round::Parity, x, y as u32, w)
}

/// SHA1M: four rounds with Maj.
pub fn m(x: Bits, y: Bits, w: Bits) -> Bits {
    rounds(Round::Majority, x, y as u32, w)
}

fn rounds(f: Round, x: Bits, e: u32, w: Bits) -> Bits {
    host_or!(sha1_rounds(f, x, e, w), rounds_portable(f, x, e, w))
}

pub(super) fn rounds_portable(f: Round, x: Bits, mut e: u32, w: Bits) -> Bits {
    let [mut a, mut b, mut c, mut d] = words(x);
    for w in words(w) {
        let t = match f {
            Round::Choose => (b & c) | (!b & d),
            Round::Parity => b ^ c ^ d,
            Round::Majority => (b & c) | (b & d) | (c & d),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(t)
            .wrapping_add(e)
            .wrapping_add(w);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    from_words([a, b, c, d])
}

/// SHA1SU0.
pub fn su0(d: Bits, n: Bits, m: Bits) -> Bits {
    (d >> 64 | n << 64) ^ d ^ m
}

/// SHA1SU1.
pub fn su1(d: Bits, n: Bits) -> Bits {
    let t = words(d ^ n >> 32);
    let mut r = t.map(|x| x.rotate_left(1));
    r[3] ^= t[0].rotate_left(2);
    from_words(r)
}
