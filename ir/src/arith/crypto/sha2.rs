//! SHA-256 and SHA-512 (FIPS-180).

use super::host_or;
#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{dwords, from_dwords, from_words, words};
use crate::arith::Bits;

/// SHA256H: the new d:c:b:a after four rounds. `x` = d:c:b:a, `y` = h:g:f:e, `w` = schedule plus constants.
pub fn h_256(x: Bits, y: Bits, w: Bits) -> Bits {
    rounds(x, y, w).0
}

/// SHA256H2: the new h:g:f:e. `y` = h:g:f:e, `x` = d:c:b:a.
pub fn h2_256(y: Bits, x: Bits, w: Bits) -> Bits {
    rounds(x, y, w).1
}

fn rounds(x: Bits, y: Bits, w: Bits) -> (Bits, Bits) {
    host_or!(sha256_rounds(x, y, w), rounds_portable(x, y, w))
}

pub(super) fn rounds_portable(x: Bits, y: Bits, w: Bits) -> (Bits, Bits) {
    let [mut a, mut b, mut c, mut d] = words(x);
    let [mut e, mut f, mut g, mut h] = words(y);
    for w in words(w) {
        let sigma1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let sigma0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let choose = (e & f) ^ (!e & g);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let t1 = h.wrapping_add(sigma1).wrapping_add(choose).wrapping_add(w);
        let t2 = sigma0.wrapping_add(majority);
        (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
        (d, c, b, a) = (c, b, a, t1.wrapping_add(t2));
    }
    (from_words([a, b, c, d]), from_words([e, f, g, h]))
}

/// SHA256SU0.
pub fn su0_256(d: Bits, n: Bits) -> Bits {
    let (w, t) = (words(d), words(d >> 32 | n << 96));
    from_words(std::array::from_fn(|i| {
        let x = t[i];
        w[i].wrapping_add(x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3)
    }))
}

/// SHA256SU1.
pub fn su1_256(d: Bits, n: Bits, m: Bits) -> Bits {
    let sigma = |x: u32| x.rotate_right(17) ^ x.rotate_right(19) ^ x >> 10;
    let (w, t) = (words(d), words(n >> 32 | m << 96));
    let last = words(m);
    let add = |i: usize, x| sigma(x).wrapping_add(w[i]).wrapping_add(t[i]);
    let (r0, r1) = (add(0, last[2]), add(1, last[3]));
    from_words([r0, r1, add(2, r0), add(3, r1)])
}

fn sum1_512(x: u64) -> u64 {
    x.rotate_right(14) ^ x.rotate_right(18) ^ x.rotate_right(41)
}

fn sum0_512(x: u64) -> u64 {
    x.rotate_right(28) ^ x.rotate_right(34) ^ x.rotate_right(39)
}

/// SHA512H.
pub fn h_512(d: Bits, n: Bits, m: Bits) -> Bits {
    let ([x0, x1], [y0, y1], [w0, w1]) = (dwords(n), dwords(m), dwords(d));
    let hi = ((y1 & x0) ^ (!y1 & x1))
        .wrapping_add(sum1_512(y1))
        .wrapping_add(w1);
    let t = hi.wrapping_add(y0);
    let lo = ((t & y1) ^ (!t & x0))
        .wrapping_add(sum1_512(t))
        .wrapping_add(w0);
    from_dwords([lo, hi])
}

/// SHA512H2.
pub fn h2_512(d: Bits, n: Bits, m: Bits) -> Bits {
    let ([x0, _], [y0, y1], [w0, w1]) = (dwords(n), dwords(m), dwords(d));
    let majority = |a, b, c| (a & b) ^ (a & c) ^ (b & c);
    let hi = majority(x0, y1, y0)
        .wrapping_add(sum0_512(y0))
        .wrapping_add(w1);
    let lo = majority(hi, y0, y1)
        .wrapping_add(sum0_512(hi))
        .wrapping_add(w0);
    from_dwords([lo, hi])
}

/// SHA512SU0.
pub fn su0_512(d: Bits, n: Bits) -> Bits {
    let ([w0, w1], [x0, _]) = (dwords(d), dwords(n));
    let sigma = |x: u64| x.rotate_right(1) ^ x.rotate_right(8) ^ x >> 7;
    from_dwords([w0.wrapping_add(sigma(w1)), w1.wrapping_add(sigma(x0))])
}

/// SHA512SU1.
pub fn su1_512(d: Bits, n: Bits, m: Bits) -> Bits {
    let (w, x, y) = (dwords(d), dwords(n), dwords(m));
    let sigma = |x: u64| x.rotate_right(19) ^ x.rotate_right(61) ^ x >> 6;
    from_dwords(std::array::from_fn(|i| {
        w[i].wrapping_add(sigma(x[i])).wrapping_add(y[i])
    }))
}
