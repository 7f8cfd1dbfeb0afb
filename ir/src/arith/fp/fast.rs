//! Host arithmetic where it gives the guest's answer and the guest's flags are cheap to know.
//!
//! Applies only to single and double with FPCR's rounding mode, FZ and DN zero. Each function returns `None` unless:
//! * no NaN or infinity is involved, so no flag but Underflow, Overflow and Inexact could appear, and no payload matters;
//! * the result is finite: no overflow;
//! * the result is zero for a known reason, or larger than the smallest normal number (not equal: a tiny result may have
//!   been rounded up to it), so there is no underflow; sums and differences need no such check, a tiny one is exact;
//! * Inexact is set already, or whether the result is exact follows from an exact residual.

use super::integral::IntTy;
use super::{DN, FZ, Fmt, IXC, RMODE};
use crate::arith::FpEnv;
use crate::ops::Round;
use std::cmp::Ordering;

/// Whether FPCR asks for nothing that the host's default environment does not do.
#[inline]
const fn plain(env: &FpEnv) -> bool {
    env.fpcr & (DN | FZ | RMODE) == 0
}

/// Whether the product of two doubles fits 53 bits, so that a host product far from the ends of the range is exact. May say
/// no for an exact one.
#[inline]
fn product_fits(a: f64, b: f64) -> bool {
    let sig = |x: f64| (x.to_bits() & Fmt::D.frac_mask()) | 1 << Fmt::D.frac;
    let (a, b) = (sig(a), sig(b));
    let p = a as u128 * b as u128;
    128 - p.leading_zeros() - p.trailing_zeros() <= 53
}

/// Exactness of products, quotients and roots: true and false are certain.
trait Residual: Copy {
    /// Whether `r`, the host's `a * b`, is exact.
    fn product_is(a: Self, b: Self, r: Self) -> bool;
}

impl Residual for f32 {
    #[inline]
    fn product_is(a: f32, b: f32, r: f32) -> bool {
        a as f64 * b as f64 == r as f64
    }
}

impl Residual for f64 {
    #[inline]
    fn product_is(a: f64, b: f64, r: f64) -> bool {
        a * b == r && product_fits(a, b)
    }
}

macro_rules! host {
    ($m:ident, $t:ident, $u:ident) => {
        mod $m {
            use super::*;

            const TINY: $t = $t::MIN_POSITIVE;
            const HUGE: $t = $t::MAX / 4.0;
            type Answer = Option<u64>;

            #[inline]
            fn of(x: u64) -> $t {
                $t::from_bits(x as $u)
            }

            /// The answer `r`, Inexact unless `exact` says otherwise.
            #[inline]
            fn with(r: $t, env: &mut FpEnv, exact: impl FnOnce() -> bool) -> Answer {
                if env.fpsr & IXC == 0 && !exact() {
                    env.raise(IXC);
                }
                Some(r.to_bits() as u64)
            }

            /// Neither tiny nor infinite nor a NaN, nor what a tiny number may round to.
            #[inline]
            fn ordinary(r: $t) -> bool {
                r.abs() > TINY && r.abs() <= $t::MAX
            }

            /// So far from the ends of the range that products of its parts neither overflow nor lose bits.
            #[inline]
            fn central(r: $t) -> bool {
                let e =
                    r.to_bits() as u64 >> ($t::MANTISSA_DIGITS - 1) & (2 * $t::MAX_EXP as u64 - 1);
                e > $t::MANTISSA_DIGITS as u64 + 2 && e < 2 * $t::MAX_EXP as u64 - 4
            }

            #[inline]
            pub fn add(a: u64, b: u64, env: &mut FpEnv) -> Answer {
                let (a, b) = (of(a), of(b));
                let r = a + b;
                let far = env.fpsr & IXC != 0 || a.abs() < HUGE && b.abs() < HUGE;
                if !(r.is_finite() && far) {
                    return None;
                }
                // Two-sum: the rounding error of r, exactly.
                with(r, env, || {
                    let bb = r - a;
                    (a - (r - bb)) + (b - bb) == 0.0
                })
            }

            #[inline]
            pub fn mul(a: u64, b: u64, env: &mut FpEnv) -> Answer {
                let (a, b) = (of(a), of(b));
                let r = a * b;
                if ordinary(r) && a.is_normal() && b.is_normal() {
                    return with(r, env, || $t::product_is(a, b, r));
                }
                let zero = (a == 0.0 && b.is_finite()) || (b == 0.0 && a.is_finite());
                zero.then_some(r.to_bits() as u64)
            }

            #[inline]
            pub fn div(a: u64, b: u64, env: &mut FpEnv) -> Answer {
                let (a, b) = (of(a), of(b));
                let r = a / b;
                if ordinary(r) && (env.fpsr & IXC != 0 || central(a) && central(b) && central(r)) {
                    // An infinite or NaN operand or a zero divisor cannot give an ordinary quotient.
                    return with(r, env, || $t::product_is(r, b, a));
                }
                (a == 0.0 && ordinary(b)).then_some(r.to_bits() as u64)
            }

            #[inline]
            pub fn sqrt(a: u64, env: &mut FpEnv) -> Answer {
                let a = of(a);
                if a == 0.0 {
                    return Some(a.to_bits() as u64);
                }
                let r = a.sqrt();
                if !(ordinary(r) && central(a)) {
                    return None;
                }
                with(r, env, || $t::product_is(r, r, a))
            }

            #[inline]
            pub fn mul_add(c: u64, a: u64, b: u64, env: &mut FpEnv) -> Answer {
                if env.fpsr & IXC == 0 {
                    return None;
                }
                let r = of(a).mul_add(of(b), of(c));
                ordinary(r).then_some(r.to_bits() as u64)
            }

            #[inline]
            pub fn compare(a: u64, b: u64) -> Option<Ordering> {
                of(a).partial_cmp(&of(b))
            }

            #[inline]
            pub fn extremum(a: u64, b: u64, keep_first: Ordering) -> Answer {
                match compare(a, b)? {
                    // Equal numbers differ at most in the sign of zero.
                    Ordering::Equal => None,
                    o if o == keep_first => Some(of(a).to_bits() as u64),
                    _ => Some(of(b).to_bits() as u64),
                }
            }

            /// Rounded to an integral value; `None` for ties away and to odd.
            #[inline]
            fn integral(a: $t, mode: Round) -> Option<$t> {
                Some(match mode {
                    Round::TieEven | Round::Current => a.round_ties_even(),
                    Round::PosInf => a.ceil(),
                    Round::NegInf => a.floor(),
                    Round::Zero => a.trunc(),
                    Round::TieAway | Round::Odd => return None,
                })
            }

            #[inline]
            pub fn round_int(a: u64, mode: Round, exact: bool, env: &mut FpEnv) -> Answer {
                let a = of(a);
                if !a.is_finite() {
                    return None;
                }
                let r = integral(a, mode)?;
                if exact {
                    return with(r, env, || r == a);
                }
                Some(r.to_bits() as u64)
            }

            #[inline]
            pub fn to_int(a: u64, to: IntTy, mode: Round, env: &mut FpEnv) -> Answer {
                let a = of(a);
                let bound = if to.bits == 64 {
                    (1u64 << 63) as $t
                } else {
                    (1u64 << (to.bits - 1)) as $t
                };
                // Half the range of an unsigned type is enough to be quick on.
                let inside = if to.signed {
                    a.abs() < bound
                } else {
                    a >= 0.0 && a < bound
                };
                if !inside {
                    return None;
                }
                let r = integral(a, mode)?;
                // Rounding up may have reached the bound.
                if r >= bound {
                    return None;
                }
                with(r, env, || r == a)?;
                Some(r as i64 as u64 & to.mask())
            }

            #[inline]
            pub fn from_int(a: u64, ty: IntTy, env: &mut FpEnv) -> Answer {
                let top = 64 - ty.bits;
                let (r, m) = if ty.signed {
                    let i = (a << top) as i64 >> top;
                    (i as $t, i.unsigned_abs())
                } else {
                    let i = a << top >> top;
                    (i as $t, i)
                };
                let exact =
                    m == 0 || 64 - m.leading_zeros() - m.trailing_zeros() <= $t::MANTISSA_DIGITS;
                with(r, env, || exact)
            }
        }
    };
}

host!(single, f32, u32);
host!(double, f64, u64);

macro_rules! by_format {
    ($($(#[$d:meta])* $name:ident ( $($a:ident : $t:ty),* ) env;)*) => { $(
        $(#[$d])*
        #[inline]
        pub fn $name(f: Fmt, $($a: $t,)* env: &mut FpEnv) -> Option<u64> {
            match f {
                _ if !plain(env) => None,
                Fmt::S => single::$name($($a,)* env),
                Fmt::D => double::$name($($a,)* env),
                _ => None,
            }
        }
    )* };
}

by_format! {
    /// a + b.
    add(a: u64, b: u64) env;
    /// a * b.
    mul(a: u64, b: u64) env;
    /// a / b.
    div(a: u64, b: u64) env;
    /// Square root.
    sqrt(a: u64) env;
    /// c + a * b, rounded once. Only when Inexact is set: its residual is not cheap.
    mul_add(c: u64, a: u64, b: u64) env;
    /// To an integral value; Inexact is raised only if `exact`.
    round_int(a: u64, mode: Round, exact: bool) env;
}

/// Order of two numbers; `None` also if unordered.
#[inline]
pub fn compare(f: Fmt, a: u64, b: u64, env: &FpEnv) -> Option<Ordering> {
    match f {
        _ if !plain(env) => None,
        Fmt::S => single::compare(a, b),
        Fmt::D => double::compare(a, b),
        _ => None,
    }
}

/// `a` if it compares to `b` as `keep_first` says, else `b`; `None` if equal.
#[inline]
pub fn extremum(f: Fmt, a: u64, b: u64, keep_first: Ordering, env: &FpEnv) -> Option<u64> {
    match f {
        _ if !plain(env) => None,
        Fmt::S => single::extremum(a, b, keep_first),
        Fmt::D => double::extremum(a, b, keep_first),
        _ => None,
    }
}

/// To an integer type, without fraction bits.
#[inline]
pub fn to_int(f: Fmt, a: u64, fbits: u32, to: IntTy, mode: Round, env: &mut FpEnv) -> Option<u64> {
    match f {
        _ if !plain(env) || fbits != 0 => None,
        Fmt::S => single::to_int(a, to, mode, env),
        Fmt::D => double::to_int(a, to, mode, env),
        _ => None,
    }
}

/// From an integer type, without fraction bits.
#[inline]
pub fn from_int(
    f: Fmt,
    a: u64,
    fbits: u32,
    ty: IntTy,
    mode: Round,
    env: &mut FpEnv,
) -> Option<u64> {
    match f {
        _ if !plain(env) || fbits != 0 || !matches!(mode, Round::Current | Round::TieEven) => None,
        Fmt::S => single::from_int(a, ty, env),
        Fmt::D => double::from_int(a, ty, env),
        _ => None,
    }
}

/// Between single and double.
#[inline]
pub fn convert(from: Fmt, to: Fmt, a: u64, mode: Round, env: &mut FpEnv) -> Option<u64> {
    match (from, to) {
        _ if !plain(env) => None,
        (Fmt::S, Fmt::D) => {
            let x = f32::from_bits(a as u32);
            x.is_finite().then(|| (x as f64).to_bits())
        }
        (Fmt::D, Fmt::S) if matches!(mode, Round::Current | Round::TieEven) => {
            let x = f64::from_bits(a);
            let r = x as f32;
            if !(r.is_finite() && r.abs() > f32::MIN_POSITIVE || x == 0.0) {
                return None;
            }
            if r as f64 != x {
                env.raise(IXC);
            }
            Some(r.to_bits() as u64)
        }
        _ => None,
    }
}
