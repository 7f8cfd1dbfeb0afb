//! Reciprocal and reciprocal square root: estimates, exponents, steps. The estimates are the pseudocode's integer formulas,
//! which define every bit.

use super::basic::step;
use super::format::process_nan;
use super::round::overflow;
use super::{Class, DZC, Fmt, IOC, IXC, Num, OFC, UFC};
use crate::arith::FpEnv;
use crate::ops::Round;

/// RecipEstimate: `a` in 256..=511 stands for 0.5..1; the result in 256..=511 for 1..2.
const fn recip_estimate(a: u32) -> u32 {
    let b = (1 << 19) / (a * 2 + 1);
    b.div_ceil(2)
}

/// RecipSqrtEstimate: `a` in 128..=511 stands for 0.25..1; the result in 256..=511 for 1..2.
const fn rsqrt_estimate(a: u32) -> u32 {
    let a = if a < 256 {
        a * 2 + 1
    } else {
        ((a >> 1 << 1) + 1) * 2
    };
    let mut b: u32 = 512;
    while a * (b + 1) * (b + 1) < 1 << 28 {
        b += 1;
    }
    u32::div_ceil(b, 2)
}

/// UnsignedRecipEstimate.
pub const fn unsigned_recip(a: u32) -> u32 {
    if a >> 31 == 0 {
        u32::MAX
    } else {
        recip_estimate(a >> 23) << 23
    }
}

/// UnsignedRSqrtEstimate.
pub const fn unsigned_rsqrt(a: u32) -> u32 {
    if a >> 30 == 0 {
        u32::MAX
    } else {
        rsqrt_estimate(a >> 23) << 23
    }
}

/// FPRecipEstimate.
pub fn recip(f: Fmt, a: u64, env: &mut FpEnv) -> u64 {
    let n = f.unpack(a, env);
    match n.class {
        Class::QNaN | Class::SNaN => return process_nan(f, a, n.class, env),
        Class::Inf => return f.zero(n.sign),
        Class::Zero => {
            env.raise(DZC);
            return f.inf(n.sign);
        }
        Class::Finite => {}
    }
    if n.exp < -f.bias() - 1 {
        env.raise(OFC | IXC);
        return overflow(f, n.sign, env.rounding(Round::Current));
    }
    if f.flushes(env.fpcr) && n.exp >= f.bias() - 1 {
        env.raise(UFC);
        return f.zero(n.sign);
    }
    // The top nine bits of the significand; the result's biased exponent is 2 * bias - 1 - (exp + bias), -1 at least.
    let fraction = (recip_estimate((n.sig >> 55) as u32) & 0xff) as u64;
    let fraction = fraction << f.frac >> 8;
    let one = 1 << f.frac;
    let (exp, fraction) = match f.bias() - 1 - n.exp {
        0 => (0, (one | fraction) >> 1),
        -1 => (0, (one | fraction) >> 2),
        e => (e as u64, fraction),
    };
    f.zero(n.sign) | exp << f.frac | fraction
}

/// FPRecpX: a power of two with about the inverse exponent.
pub fn recip_exponent(f: Fmt, a: u64, env: &mut FpEnv) -> u64 {
    let n = f.unpack(a, env);
    if n.is_nan() {
        return process_nan(f, a, n.class, env);
    }
    let exp = match f.exp_field(a) {
        0 => f.exp_ones() - 1,
        e => !e & f.exp_ones(),
    };
    f.zero(n.sign) | exp << f.frac
}

/// FPRSqrtEstimate.
pub fn rsqrt(f: Fmt, a: u64, env: &mut FpEnv) -> u64 {
    let n = f.unpack(a, env);
    match n.class {
        Class::QNaN | Class::SNaN => return process_nan(f, a, n.class, env),
        Class::Zero => {
            env.raise(DZC);
            return f.inf(n.sign);
        }
        _ if n.sign => {
            env.raise(IOC);
            return f.default_nan();
        }
        Class::Inf => return f.zero(false),
        Class::Finite => {}
    }
    // An even biased exponent (denormals normalised) scales to 0.5..1, an odd one to 0.25..0.5.
    let biased = n.exp + f.bias();
    let scaled = (n.sig >> if biased & 1 == 0 { 55 } else { 56 }) as u32;
    let fraction = (rsqrt_estimate(scaled) & 0xff) as u64;
    let exp = (3 * f.bias() - 1 - biased) >> 1;
    (exp as u64) << f.frac | fraction << f.frac >> 8
}

/// FPRecipStepFused: 2 - a * b.
pub fn recip_step(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    step(f, [a, b], constant(1, 1 << 63), 0, f.two(false), env)
}

/// FPRSqrtStepFused: (3 - a * b) / 2.
pub fn rsqrt_step(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    step(f, [a, b], constant(1, 3 << 62), 1, f.one_point_five(), env)
}

const fn constant(exp: i32, sig: u64) -> Num {
    Num {
        class: Class::Finite,
        sign: false,
        exp,
        sig,
    }
}
