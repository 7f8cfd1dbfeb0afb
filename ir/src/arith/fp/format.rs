//! Formats, unpacking and NaN processing (FPUnpack, FPProcessNaN and their relatives).
//!
//! Invariant: in a [`Num`] of class `Finite`, bit 63 of `sig` is 1 and the value is `sig / 2^63 * 2^exp`.

use super::{AHP, DN, FZ, FZ16, IDC, IOC};
use crate::arith::FpEnv;

/// A binary floating-point format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fmt {
    /// Exponent bits.
    pub exp: u32,
    /// Fraction bits.
    pub frac: u32,
}

/// What kind of number it is. Denormals that count as such are `Finite`, flushed ones `Zero`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum Class {
    Zero,
    Finite,
    Inf,
    QNaN,
    SNaN,
}

/// An unpacked number.
#[derive(Clone, Copy, Debug)]
pub struct Num {
    /// Kind.
    pub class: Class,
    /// Sign bit.
    pub sign: bool,
    /// Exponent of a `Finite`.
    pub exp: i32,
    /// Significand of a `Finite`, normalised to bit 63.
    pub sig: u64,
}

impl Num {
    /// Whether this is a NaN.
    pub const fn is_nan(&self) -> bool {
        matches!(self.class, Class::QNaN | Class::SNaN)
    }
    /// Whether this is an infinity.
    pub const fn is_inf(&self) -> bool {
        matches!(self.class, Class::Inf)
    }
    /// Whether this is a zero.
    pub const fn is_zero(&self) -> bool {
        matches!(self.class, Class::Zero)
    }
    /// The same number with the other sign.
    pub const fn negated(mut self) -> Num {
        self.sign = !self.sign;
        self
    }
}

impl Fmt {
    /// Half.
    pub const H: Fmt = Fmt { exp: 5, frac: 10 };
    /// Single.
    pub const S: Fmt = Fmt { exp: 8, frac: 23 };
    /// Double.
    pub const D: Fmt = Fmt { exp: 11, frac: 52 };
    /// BFloat16.
    pub const BF: Fmt = Fmt { exp: 8, frac: 7 };

    /// Width in bits.
    pub const fn bits(self) -> u32 {
        1 + self.exp + self.frac
    }
    /// All bits of the format.
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }
    /// The sign bit, if `sign`.
    pub const fn zero(self, sign: bool) -> u64 {
        (sign as u64) << (self.bits() - 1)
    }
    /// Largest exponent field.
    pub const fn exp_ones(self) -> u64 {
        (1 << self.exp) - 1
    }
    /// Fraction field.
    pub const fn frac_mask(self) -> u64 {
        (1 << self.frac) - 1
    }
    /// Exponent bias.
    pub const fn bias(self) -> i32 {
        (1 << (self.exp - 1)) - 1
    }
    /// Exponent of the smallest normal number.
    pub const fn emin(self) -> i32 {
        1 - self.bias()
    }
    /// Infinity.
    pub const fn inf(self, sign: bool) -> u64 {
        self.zero(sign) | self.exp_ones() << self.frac
    }
    /// Largest finite number.
    pub const fn max_normal(self, sign: bool) -> u64 {
        self.inf(sign) - 1
    }
    /// Top bit of the fraction: set in quiet NaNs.
    pub const fn quiet_bit(self) -> u64 {
        1 << (self.frac - 1)
    }
    /// The default NaN: positive, quiet, no payload.
    pub const fn default_nan(self) -> u64 {
        self.inf(false) | self.quiet_bit()
    }
    /// 2.0 (FPTwo).
    pub const fn two(self, sign: bool) -> u64 {
        self.zero(sign) | (self.bias() as u64 + 1) << self.frac
    }
    /// 1.5 (FPOnePointFive).
    pub const fn one_point_five(self) -> u64 {
        (self.bias() as u64) << self.frac | self.quiet_bit()
    }
    /// Sign inverted (FPNeg), whatever the number.
    pub const fn neg(self, x: u64) -> u64 {
        (x ^ self.zero(true)) & self.mask()
    }
    /// Sign cleared (FPAbs), whatever the number.
    pub const fn abs(self, x: u64) -> u64 {
        x & (self.mask() >> 1)
    }
    /// Exponent field.
    pub const fn exp_field(self, x: u64) -> u64 {
        x >> self.frac & self.exp_ones()
    }
    /// Whether FPCR flushes denormals of this format.
    pub const fn flushes(self, fpcr: u32) -> bool {
        let bit = if self.frac == Fmt::H.frac { FZ16 } else { FZ };
        fpcr & bit != 0
    }

    /// FPUnpack: as an arithmetic operand.
    #[inline]
    pub fn unpack(self, x: u64, env: &mut FpEnv) -> Num {
        self.unpack_as(x, self.flushes(env.fpcr), false, env)
    }

    /// FPUnpackCV: as the operand of a conversion between formats. Halves are never flushed, and AHP applies to them.
    #[inline]
    pub fn unpack_cv(self, x: u64, env: &mut FpEnv) -> Num {
        let half = self == Fmt::H;
        let flush = !half && self.flushes(env.fpcr);
        self.unpack_as(x, flush, half && env.fpcr & AHP != 0, env)
    }

    /// FPUnpackBase. Flushing raises Input Denormal, except for halves.
    #[inline]
    fn unpack_as(self, x: u64, flush: bool, alt_half: bool, env: &mut FpEnv) -> Num {
        let sign = x >> (self.bits() - 1) & 1 != 0;
        let (e, frac) = (self.exp_field(x), x & self.frac_mask());
        let special = |class| Num {
            class,
            sign,
            exp: 0,
            sig: 0,
        };
        if e == 0 {
            if frac == 0 {
                return special(Class::Zero);
            }
            if flush {
                if self != Fmt::H {
                    env.raise(IDC);
                }
                return special(Class::Zero);
            }
            let lz = frac.leading_zeros();
            let exp = self.emin() - self.frac as i32 + 63 - lz as i32;
            return Num {
                class: Class::Finite,
                sign,
                exp,
                sig: frac << lz,
            };
        }
        if e == self.exp_ones() && !alt_half {
            return special(match (frac, frac & self.quiet_bit()) {
                (0, _) => Class::Inf,
                (_, 0) => Class::SNaN,
                _ => Class::QNaN,
            });
        }
        Num {
            class: Class::Finite,
            sign,
            exp: e as i32 - self.bias(),
            sig: (frac | 1 << self.frac) << (63 - self.frac),
        }
    }
}

/// FPProcessNaN: quietens, raising Invalid Operation for a signalling NaN; the default NaN under FPCR.DN.
pub fn process_nan(f: Fmt, x: u64, class: Class, env: &mut FpEnv) -> u64 {
    if class == Class::SNaN {
        env.raise(IOC);
    }
    if env.fpcr & DN != 0 {
        f.default_nan()
    } else {
        (x | f.quiet_bit()) & f.mask()
    }
}

/// FPProcessNaNs, FPProcessNaNs3: the first signalling NaN, else the first quiet one, else `None`.
#[inline]
pub fn process_nans<const N: usize>(f: Fmt, ops: [(&Num, u64); N], env: &mut FpEnv) -> Option<u64> {
    let first = |class| ops.iter().find(|(n, _)| n.class == class);
    let (n, x) = first(Class::SNaN).or_else(|| first(Class::QNaN))?;
    Some(process_nan(f, *x, n.class, env))
}

/// FPConvertNaN: the same sign and the leading payload bits, always quiet.
pub const fn convert_nan(from: Fmt, to: Fmt, x: u64) -> u64 {
    let sign = x >> (from.bits() - 1) & 1 != 0;
    let frac = x & from.frac_mask();
    let frac = if to.frac >= from.frac {
        frac << (to.frac - from.frac)
    } else {
        frac >> (from.frac - to.frac)
    };
    to.inf(sign) | to.quiet_bit() | frac
}
