//! Floating point and integers: rounding to an integral value, conversions to and from fixed point, FJCVTZS.

use super::format::process_nan;
use super::round::{Error, Exact, cut_off, round, round_up};
use super::{Class, Fmt, IOC, IXC, Num, fast};
use crate::arith::FpEnv;
use crate::ops::Round;

/// An integer type: 16, 32 or 64 bits, signed or not.
#[derive(Clone, Copy, Debug)]
pub struct IntTy {
    /// Width in bits.
    pub bits: u32,
    /// Whether two's complement.
    pub signed: bool,
}

impl IntTy {
    /// A type of this width, cut to 1..=64 bits.
    pub const fn new(bits: u32, signed: bool) -> IntTy {
        let bits = match bits {
            0 => 1,
            65.. => 64,
            b => b,
        };
        IntTy { bits, signed }
    }
    /// All bits of the type.
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }
    /// Largest magnitude of a number with this sign.
    const fn limit(self, negative: bool) -> u128 {
        match (self.signed, negative) {
            (true, true) => 1 << (self.bits - 1),
            (true, false) => (1 << (self.bits - 1)) - 1,
            (false, true) => 0,
            (false, false) => (1 << self.bits) - 1,
        }
    }
}

/// A finite number times 2^scale as an integer magnitude, and whether that is inexact. `None` if 2^64 or more.
fn integer(n: &Num, scale: u32, mode: Round) -> Option<(u128, bool)> {
    let e = n.exp + scale as i32;
    if e > 63 {
        return None;
    }
    let (int, error) = cut_off(n.sig, (63 - e) as u32);
    let up = round_up(mode, n.sign, int & 1 != 0, error);
    Some((int as u128 + up as u128, error != Error::None))
}

/// FPRoundInt; `exact`: raise Inexact if the value changes.
pub fn round_int(f: Fmt, a: u64, mode: Round, exact: bool, env: &mut FpEnv) -> u64 {
    if let Some(r) = fast::round_int(f, a, mode, exact, env) {
        return r;
    }
    let n = f.unpack(a, env);
    match n.class {
        Class::QNaN | Class::SNaN => process_nan(f, a, n.class, env),
        Class::Inf => f.inf(n.sign),
        Class::Zero => f.zero(n.sign),
        Class::Finite if n.exp >= f.frac as i32 => a & f.mask(),
        Class::Finite => match integer(&n, 0, env.rounding(mode)) {
            Some((int, inexact)) => {
                if inexact && exact {
                    env.raise(IXC);
                }
                integral(f, n.sign, int, env)
            }
            None => a & f.mask(),
        },
    }
}

/// An integer magnitude that the format holds exactly.
fn integral(f: Fmt, sign: bool, int: u128, env: &mut FpEnv) -> u64 {
    match Exact::from_wide(sign, 126, int) {
        Some(x) => round(f, x, Round::Zero, env),
        None => f.zero(sign),
    }
}

/// FPRoundIntN: to an integral value of a signed integer of `size` bits; everything else becomes the most negative one with
/// Invalid Operation. Singles and doubles only.
pub fn round_int_n(f: Fmt, a: u64, mode: Round, size: u32, env: &mut FpEnv) -> u64 {
    let n = f.unpack(a, env);
    let value = match n.class {
        Class::Zero => return f.zero(n.sign),
        Class::Finite => integer(&n, 0, env.rounding(mode)),
        _ => None,
    };
    match value {
        Some((int, inexact)) if int <= IntTy::new(size, true).limit(n.sign) => {
            if inexact {
                env.raise(IXC);
            }
            integral(f, n.sign, int, env)
        }
        _ => {
            env.raise(IOC);
            f.zero(true) | ((f.bias() + size as i32 - 1) as u64) << f.frac
        }
    }
}

/// FPToFixed: saturates with Invalid Operation (and then without Inexact); NaN gives 0. The result is zero-extended.
pub fn to_fixed(f: Fmt, a: u64, fbits: u32, to: IntTy, mode: Round, env: &mut FpEnv) -> u64 {
    if let Some(r) = fast::to_int(f, a, fbits, to, mode, env) {
        return r;
    }
    let n = f.unpack(a, env);
    let value = match n.class {
        Class::Zero => return 0,
        Class::QNaN | Class::SNaN => {
            env.raise(IOC);
            return 0;
        }
        Class::Inf => None,
        Class::Finite => integer(&n, fbits, env.rounding(mode)),
    };
    let limit = to.limit(n.sign);
    let magnitude = match value {
        Some((int, inexact)) if int <= limit => {
            if inexact {
                env.raise(IXC);
            }
            int as u64
        }
        _ => {
            env.raise(IOC);
            limit as u64
        }
    };
    let signed = if n.sign {
        magnitude.wrapping_neg()
    } else {
        magnitude
    };
    signed & to.mask()
}

/// FixedToFP: the integer `a` of type `ty` divided by 2^fbits.
pub fn from_fixed(f: Fmt, a: u64, fbits: u32, ty: IntTy, mode: Round, env: &mut FpEnv) -> u64 {
    if let Some(r) = fast::from_int(f, a, fbits, ty, mode, env) {
        return r;
    }
    let a = a & ty.mask();
    let sign = ty.signed && a >> (ty.bits - 1) != 0;
    let magnitude = if sign {
        a.wrapping_neg() & ty.mask()
    } else {
        a
    };
    if magnitude == 0 {
        return f.zero(false);
    }
    let lz = magnitude.leading_zeros();
    let x = Exact {
        sign,
        exp: 63 - lz as i32 - fbits as i32,
        sig: magnitude << lz,
    };
    round(f, x, mode, env)
}

/// FPToFixedJS: a double to 32 bits, towards zero, modulo 2^32; and the Z flag: whether the conversion was exact.
pub fn to_js(a: u64, env: &mut FpEnv) -> (u32, bool) {
    let n = Fmt::D.unpack(a, env);
    match n.class {
        Class::Zero => return (0, a == 0),
        Class::Finite => {}
        _ => {
            env.raise(IOC);
            return (0, false);
        }
    }
    let (low, error) = match n.exp {
        ..=63 => cut_off(n.sig, (63 - n.exp) as u32),
        64..=126 => (n.sig << (n.exp - 63), Error::None),
        _ => (0, Error::None),
    };
    let limit = IntTy::new(32, true).limit(n.sign);
    let exact = if n.exp > 63 || low as u128 > limit {
        env.raise(IOC);
        false
    } else if error != Error::None {
        env.raise(IXC);
        false
    } else {
        true
    };
    let low = low as u32;
    (if n.sign { low.wrapping_neg() } else { low }, exact)
}
