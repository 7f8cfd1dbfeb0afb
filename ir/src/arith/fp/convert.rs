//! Conversions between floating-point formats.

use super::format::convert_nan;
use super::round::{Exact, round_cv};
use super::{AHP, Class, DN, Fmt, IOC, fast};
use crate::arith::FpEnv;
use crate::ops::Round;

/// FPConvert. With FPCR.AHP a half has neither infinities nor NaNs: those become its largest number and zero, with Invalid
/// Operation.
pub fn convert(from: Fmt, to: Fmt, a: u64, mode: Round, env: &mut FpEnv) -> u64 {
    if let Some(r) = fast::convert(from, to, a, mode, env) {
        return r;
    }
    let n = from.unpack_cv(a, env);
    let alt_half = to == Fmt::H && env.fpcr & AHP != 0;
    match n.class {
        Class::QNaN | Class::SNaN => {
            if alt_half || n.class == Class::SNaN {
                env.raise(IOC);
            }
            if alt_half {
                to.zero(n.sign)
            } else if env.fpcr & DN != 0 {
                to.default_nan()
            } else {
                convert_nan(from, to, a)
            }
        }
        Class::Inf if alt_half => {
            env.raise(IOC);
            to.zero(n.sign) | to.mask() >> 1
        }
        Class::Inf => to.inf(n.sign),
        Class::Zero => to.zero(n.sign),
        Class::Finite => {
            let x = Exact {
                sign: n.sign,
                exp: n.exp,
                sig: n.sig,
            };
            round_cv(to, x, mode, env)
        }
    }
}

/// FPConvertBF: a single to BFloat16, by FPCR's rounding mode.
pub fn to_bfloat(a: u64, env: &mut FpEnv) -> u64 {
    convert(Fmt::S, Fmt::BF, a, Round::Current, env)
}
