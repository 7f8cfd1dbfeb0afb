//! Addition, multiplication, division, square root and the fused multiply-add.

use super::format::{convert_nan, process_nan, process_nans};
use super::round::{Exact, round};
use super::{Class, DZC, Fmt, IOC, Num, fast};
use crate::arith::FpEnv;
use crate::ops::Round;

/// A number with room for an exact product: `sig / 2^126 * 2^exp`; `sig` is 0 or has its top bit at 126.
#[derive(Clone, Copy)]
struct Wide {
    sign: bool,
    exp: i32,
    sig: u128,
}

impl Wide {
    fn of(n: &Num) -> Wide {
        Wide {
            sign: n.sign,
            exp: n.exp,
            sig: if n.is_zero() {
                0
            } else {
                (n.sig as u128) << 63
            },
        }
    }

    /// The exact product of two zero or finite numbers. Significands have 53 bits at most, so nothing is lost.
    fn product(x: &Num, y: &Num) -> Wide {
        let sign = x.sign != y.sign;
        let (exp, sig) = match (x.is_zero() || y.is_zero(), x.sig as u128 * y.sig as u128) {
            (true, _) => (0, 0),
            (_, p) if p >> 127 != 0 => (x.exp + y.exp + 1, p >> 1),
            (_, p) => (x.exp + y.exp, p),
        };
        Wide { sign, exp, sig }
    }

    /// The sum, jammed; `None` if exactly zero. When bits are jammed the exponents differ by two or more, so at most one
    /// leading bit cancels and the jammed bit stays far below the last place.
    fn sum(self, o: Wide) -> Option<Exact> {
        let (hi, lo) = if self.sig == 0 || o.sig != 0 && self.exp < o.exp {
            (o, self)
        } else {
            (self, o)
        };
        let d = (hi.exp.wrapping_sub(lo.exp)) as u32;
        let aligned = match d {
            _ if lo.sig == 0 => 0,
            0..=126 => lo.sig >> d | (lo.sig << (127 - d) << 1 != 0) as u128,
            _ => 1,
        };
        if hi.sign == lo.sign {
            Exact::from_wide(hi.sign, hi.exp, hi.sig + aligned)
        } else if hi.sig >= aligned {
            Exact::from_wide(hi.sign, hi.exp, hi.sig - aligned)
        } else {
            Exact::from_wide(lo.sign, hi.exp, aligned - hi.sig)
        }
    }
}

/// Raises Invalid Operation and gives the default NaN.
fn invalid(f: Fmt, env: &mut FpEnv) -> u64 {
    env.raise(IOC);
    f.default_nan()
}

/// Rounds a sum; an exact zero is negative only when rounding towards minus infinity.
fn round_sum(f: Fmt, sum: Option<Exact>, mode: Round, env: &mut FpEnv) -> u64 {
    match sum {
        Some(x) => round(f, x, mode, env),
        None => f.zero(env.rounding(mode) == Round::NegInf),
    }
}

/// FPAdd.
pub fn add(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    fast::add(f, a, b, env).unwrap_or_else(|| add_or_sub(f, a, b, false, Round::Current, env))
}

/// FPSub. Not the sum with -b: a NaN in b keeps its sign.
pub fn sub(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    fast::add(f, a, f.neg(b), env).unwrap_or_else(|| add_or_sub(f, a, b, true, Round::Current, env))
}

/// FPAdd and FPSub in the rounding mode `mode`.
pub(super) fn add_or_sub(f: Fmt, a: u64, b: u64, sub: bool, mode: Round, env: &mut FpEnv) -> u64 {
    let (x, y) = (f.unpack(a, env), f.unpack(b, env));
    if let Some(nan) = process_nans(f, [(&x, a), (&y, b)], env) {
        return nan;
    }
    let y = if sub { y.negated() } else { y };
    match (x.class, y.class) {
        (Class::Inf, Class::Inf) if x.sign != y.sign => invalid(f, env),
        (Class::Inf, _) => f.inf(x.sign),
        (_, Class::Inf) => f.inf(y.sign),
        (Class::Zero, Class::Zero) if x.sign == y.sign => f.zero(x.sign),
        _ => round_sum(f, Wide::of(&x).sum(Wide::of(&y)), mode, env),
    }
}

/// FPMul.
pub fn mul(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    fast::mul(f, a, b, env).unwrap_or_else(|| multiply(f, a, b, false, Round::Current, env))
}

/// FPMulX: as FPMul, but infinity times zero is 2 with the product's sign.
pub fn mulx(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    fast::mul(f, a, b, env).unwrap_or_else(|| multiply(f, a, b, true, Round::Current, env))
}

/// FPMul and, if `extended`, FPMulX in the rounding mode `mode`.
pub(super) fn multiply(
    f: Fmt,
    a: u64,
    b: u64,
    extended: bool,
    mode: Round,
    env: &mut FpEnv,
) -> u64 {
    let (x, y) = (f.unpack(a, env), f.unpack(b, env));
    if let Some(nan) = process_nans(f, [(&x, a), (&y, b)], env) {
        return nan;
    }
    let sign = x.sign != y.sign;
    match (x.class, y.class) {
        (Class::Inf, Class::Zero) | (Class::Zero, Class::Inf) if extended => f.two(sign),
        (Class::Inf, Class::Zero) | (Class::Zero, Class::Inf) => invalid(f, env),
        (Class::Inf, _) | (_, Class::Inf) => f.inf(sign),
        _ => {
            let p = Wide::product(&x, &y);
            match Exact::from_wide(sign, p.exp, p.sig) {
                Some(e) => round(f, e, mode, env),
                None => f.zero(sign),
            }
        }
    }
}

/// FPDiv.
pub fn div(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    fast::div(f, a, b, env).unwrap_or_else(|| divide(f, a, b, env))
}

pub(super) fn divide(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    let (x, y) = (f.unpack(a, env), f.unpack(b, env));
    if let Some(nan) = process_nans(f, [(&x, a), (&y, b)], env) {
        return nan;
    }
    let sign = x.sign != y.sign;
    match (x.class, y.class) {
        (Class::Inf, Class::Inf) | (Class::Zero, Class::Zero) => invalid(f, env),
        (Class::Inf, _) => f.inf(sign),
        (_, Class::Zero) => {
            env.raise(DZC);
            f.inf(sign)
        }
        (Class::Zero, _) | (_, Class::Inf) => f.zero(sign),
        _ => {
            let (n, d) = ((x.sig as u128) << 63, y.sig as u128);
            // The quotient has 63 or 64 bits; the jammed bit is below every last place.
            let q = (n / d) | (n % d != 0) as u128;
            match Exact::from_wide(sign, x.exp - y.exp + 63, q) {
                Some(e) => round(f, e, Round::Current, env),
                None => f.zero(sign),
            }
        }
    }
}

/// FPSqrt.
pub fn sqrt(f: Fmt, a: u64, env: &mut FpEnv) -> u64 {
    fast::sqrt(f, a, env).unwrap_or_else(|| square_root(f, a, env))
}

pub(super) fn square_root(f: Fmt, a: u64, env: &mut FpEnv) -> u64 {
    let x = f.unpack(a, env);
    match x.class {
        Class::QNaN | Class::SNaN => process_nan(f, a, x.class, env),
        Class::Zero => f.zero(x.sign),
        _ if x.sign => invalid(f, env),
        Class::Inf => f.inf(false),
        Class::Finite => {
            // An even power of two outside the root: 2^exp * sig / 2^63 = 2^(2h) * m / 2^126.
            let m = (x.sig as u128) << (63 + (x.exp & 1));
            let r = m.isqrt();
            let exact = Exact {
                sign: false,
                exp: x.exp >> 1,
                sig: r as u64 | (r * r != m) as u64,
            };
            round(f, exact, Round::Current, env)
        }
    }
}

/// FPMulAdd: `addend + a * b`, rounded once.
pub fn mul_add(f: Fmt, addend: u64, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    fast::mul_add(f, addend, a, b, env).unwrap_or_else(|| multiply_add(f, addend, a, b, env))
}

pub(super) fn multiply_add(f: Fmt, addend: u64, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    let n = [f.unpack(addend, env), f.unpack(a, env), f.unpack(b, env)];
    let nan = process_nans(f, [(&n[0], addend), (&n[1], a), (&n[2], b)], env);
    mul_add_unpacked(f, n, nan, env)
}

/// FPMulAddH: a single addend plus the product of two halves, in single precision.
pub fn mul_add_h(addend: u64, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    let (f, h) = (Fmt::S, Fmt::H);
    let n = [f.unpack(addend, env), h.unpack(a, env), h.unpack(b, env)];
    let first = |class| n.iter().position(|x| x.class == class);
    let nan = match first(Class::SNaN).or_else(|| first(Class::QNaN)) {
        None => None,
        Some(0) => Some(process_nan(f, addend, n[0].class, env)),
        Some(i) => {
            let half = process_nan(h, if i == 1 { a } else { b }, n[i].class, env);
            Some(convert_nan(h, f, half))
        }
    };
    mul_add_unpacked(f, n, nan, env)
}

/// The common part of FPMulAdd and FPMulAddH; `nan` is what FPProcessNaNs3 gave.
fn mul_add_unpacked(f: Fmt, [c, x, y]: [Num; 3], nan: Option<u64>, env: &mut FpEnv) -> u64 {
    let inf_times_zero = x.is_inf() && y.is_zero() || x.is_zero() && y.is_inf();
    if inf_times_zero && c.class == Class::QNaN {
        return invalid(f, env);
    }
    if let Some(nan) = nan {
        return nan;
    }
    let sign = x.sign != y.sign;
    let inf = x.is_inf() || y.is_inf();
    if inf_times_zero || inf && c.is_inf() && sign != c.sign {
        invalid(f, env)
    } else if c.is_inf() || inf {
        f.inf(if inf { sign } else { c.sign })
    } else if c.is_zero() && (x.is_zero() || y.is_zero()) && c.sign == sign {
        f.zero(sign)
    } else {
        round_sum(
            f,
            Wide::of(&c).sum(Wide::product(&x, &y)),
            Round::Current,
            env,
        )
    }
}

/// The Newton steps: `(k + -a * b) / 2^halvings`, fused. `at_inf_zero` is the answer for infinity times zero.
pub(super) fn step(
    f: Fmt,
    [a, b]: [u64; 2],
    k: Num,
    halvings: i32,
    at_inf_zero: u64,
    env: &mut FpEnv,
) -> u64 {
    let a = f.neg(a);
    let (x, y) = (f.unpack(a, env), f.unpack(b, env));
    if let Some(nan) = process_nans(f, [(&x, a), (&y, b)], env) {
        return nan;
    }
    match (x.class, y.class) {
        (Class::Inf, Class::Zero) | (Class::Zero, Class::Inf) => at_inf_zero,
        (Class::Inf, _) | (_, Class::Inf) => f.inf(x.sign != y.sign),
        _ => {
            let sum = Wide::of(&k).sum(Wide::product(&x, &y)).map(|e| Exact {
                exp: e.exp - halvings,
                ..e
            });
            round_sum(f, sum, Round::Current, env)
        }
    }
}
