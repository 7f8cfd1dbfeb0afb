//! Comparison, maximum and minimum.

use super::format::process_nans;
use super::round::{Exact, round};
use super::{Class, Fmt, IOC, Num, fast};
use crate::arith::FpEnv;
use crate::flags;
use crate::ops::Round;
use std::cmp::Ordering;

/// Order of two numbers that are not NaNs.
fn order(x: &Num, y: &Num) -> Ordering {
    // (class, exponent, significand) orders magnitudes: zeros, finite numbers, infinities.
    let key = |n: &Num| (n.class as u8, n.exp, n.sig);
    match (x.is_zero() && y.is_zero(), x.sign, y.sign) {
        (true, _, _) => Ordering::Equal,
        (_, false, false) => key(x).cmp(&key(y)),
        (_, true, true) => key(y).cmp(&key(x)),
        (_, false, true) => Ordering::Greater,
        (_, true, false) => Ordering::Less,
    }
}

/// Unpacks and compares; `None` if unordered. Raises Invalid Operation for a signalling NaN, or any NaN if `signal`.
fn compare(f: Fmt, a: u64, b: u64, signal: bool, env: &mut FpEnv) -> Option<Ordering> {
    if let Some(o) = fast::compare(f, a, b, env) {
        return Some(o);
    }
    let (x, y) = (f.unpack(a, env), f.unpack(b, env));
    if x.is_nan() || y.is_nan() {
        if signal || x.class == Class::SNaN || y.class == Class::SNaN {
            env.raise(IOC);
        }
        return None;
    }
    Some(order(&x, &y))
}

/// FPCompare: packed NZCV. `signal`: FCMPE.
pub fn flags(f: Fmt, a: u64, b: u64, signal: bool, env: &mut FpEnv) -> u32 {
    match compare(f, a, b, signal, env) {
        Some(Ordering::Less) => flags::N,
        Some(Ordering::Equal) => flags::Z | flags::C,
        Some(Ordering::Greater) => flags::C,
        None => flags::C | flags::V,
    }
}

/// FPCompareEQ.
pub fn eq(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> bool {
    compare(f, a, b, false, env) == Some(Ordering::Equal)
}

/// FPCompareGE.
pub fn ge(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> bool {
    compare(f, a, b, true, env).is_some_and(Ordering::is_ge)
}

/// FPCompareGT.
pub fn gt(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> bool {
    compare(f, a, b, true, env).is_some_and(Ordering::is_gt)
}

/// FPMax.
pub fn max(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    extremum(f, a, b, Ordering::Greater, env)
}

/// FPMin.
pub fn min(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    extremum(f, a, b, Ordering::Less, env)
}

/// FPMaxNum: a quiet NaN counts as minus infinity if the other operand is none.
pub fn max_num(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    let (a, b) = without_quiet(f, a, b, f.inf(true), env);
    max(f, a, b, env)
}

/// FPMinNum: a quiet NaN counts as plus infinity if the other operand is none.
pub fn min_num(f: Fmt, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    let (a, b) = without_quiet(f, a, b, f.inf(false), env);
    min(f, a, b, env)
}

fn without_quiet(f: Fmt, a: u64, b: u64, instead: u64, env: &mut FpEnv) -> (u64, u64) {
    let quiet = |x, env: &mut FpEnv| f.unpack(x, env).class == Class::QNaN;
    match (quiet(a, env), quiet(b, env)) {
        (true, false) => (instead, b),
        (false, true) => (a, instead),
        _ => (a, b),
    }
}

/// FPMax (`keep_first` = `Greater`) and FPMin (`Less`). Zeros: the maximum is negative if both are, the minimum if one is.
fn extremum(f: Fmt, a: u64, b: u64, keep_first: Ordering, env: &mut FpEnv) -> u64 {
    if let Some(r) = fast::extremum(f, a, b, keep_first, env) {
        return r;
    }
    let (x, y) = (f.unpack(a, env), f.unpack(b, env));
    if let Some(nan) = process_nans(f, [(&x, a), (&y, b)], env) {
        return nan;
    }
    let n = if order(&x, &y) == keep_first { &x } else { &y };
    match n.class {
        Class::Inf => f.inf(n.sign),
        Class::Zero if keep_first == Ordering::Greater => f.zero(x.sign && y.sign),
        Class::Zero => f.zero(x.sign || y.sign),
        _ => {
            let exact = Exact {
                sign: n.sign,
                exp: n.exp,
                sig: n.sig,
            };
            round(f, exact, Round::Current, env)
        }
    }
}
