//! Rounding an exact result into a format (FPRound and its variants).
//!
//! Callers hand over a significand of 64 bits, normalised, whose bit 0 is also set if anything nonzero was cut off below it
//! ("jammed"). Every format keeps at most 53 bits, so jamming never changes how a number rounds.

use super::{AHP, FZ, Fmt, IOC, IXC, OFC, UFC};
use crate::arith::FpEnv;
use crate::ops::Round;

/// A nonzero number to be rounded: `sig / 2^63 * 2^exp`, bit 63 of `sig` set, bit 0 jammed.
#[derive(Clone, Copy, Debug)]
pub struct Exact {
    /// Sign.
    pub sign: bool,
    /// Exponent.
    pub exp: i32,
    /// Significand.
    pub sig: u64,
}

impl Exact {
    /// From `sig / 2^126 * 2^exp`; `None` if `sig` is zero.
    #[inline]
    pub const fn from_wide(sign: bool, exp: i32, sig: u128) -> Option<Exact> {
        if sig == 0 {
            return None;
        }
        let lz = sig.leading_zeros();
        let s = sig << lz;
        Some(Exact {
            sign,
            exp: exp + 1 - lz as i32,
            sig: (s >> 64) as u64 | (s as u64 != 0) as u64,
        })
    }
}

/// What applies beside the rounding mode.
#[derive(Clone, Copy)]
struct Rules {
    flush: bool,
    alt_half: bool,
}

/// FPRound: result of an arithmetic operation.
#[inline]
pub fn round(f: Fmt, x: Exact, mode: Round, env: &mut FpEnv) -> u64 {
    let rules = Rules {
        flush: f.flushes(env.fpcr),
        alt_half: false,
    };
    round_as(f, x, mode, rules, env)
}

/// FPRoundCV: result of a conversion between formats. Halves are never flushed, and AHP applies to them.
#[inline]
pub fn round_cv(f: Fmt, x: Exact, mode: Round, env: &mut FpEnv) -> u64 {
    let half = f == Fmt::H;
    let rules = Rules {
        flush: !half && env.fpcr & FZ != 0,
        alt_half: half && env.fpcr & AHP != 0,
    };
    round_as(f, x, mode, rules, env)
}

/// FPRoundBase. Tininess is detected before rounding; a flushed result raises Underflow and not Inexact.
fn round_as(f: Fmt, x: Exact, mode: Round, rules: Rules, env: &mut FpEnv) -> u64 {
    if rules.flush && x.exp < f.emin() {
        env.raise(UFC);
        return f.zero(x.sign);
    }
    let mode = env.rounding(mode);
    let denormal = x.exp < f.emin();
    let mut biased = if denormal {
        0
    } else {
        (x.exp - f.emin() + 1) as u64
    };
    let cut = 63 - f.frac
        + if denormal {
            (f.emin() - x.exp) as u32
        } else {
            0
        };
    let (mut int, error) = cut_off(x.sig, cut);
    if denormal && error != Error::None {
        env.raise(UFC);
    }
    if round_up(mode, x.sign, int & 1 != 0, error) {
        int += 1;
    }
    if biased == 0 && int >> f.frac == 1 {
        biased = 1;
    }
    if int >> (f.frac + 1) == 1 {
        biased += 1;
        int >>= 1;
    }
    if mode == Round::Odd && error != Error::None {
        int |= 1;
    }
    let in_range = f.zero(x.sign) | biased << f.frac | int & f.frac_mask();
    if rules.alt_half {
        if biased > f.exp_ones() {
            env.raise(IOC);
            return f.zero(x.sign) | f.mask() >> 1;
        }
    } else if biased >= f.exp_ones() {
        env.raise(OFC | IXC);
        return overflow(f, x.sign, mode);
    }
    if error != Error::None {
        env.raise(IXC);
    }
    in_range
}

/// The result of an overflow in a resolved rounding mode: infinity or the largest finite number.
pub fn overflow(f: Fmt, sign: bool, mode: Round) -> u64 {
    let to_inf = match mode {
        Round::PosInf => !sign,
        Round::NegInf => sign,
        Round::Zero | Round::Odd => false,
        Round::TieEven | Round::TieAway | Round::Current => true,
    };
    if to_inf {
        f.inf(sign)
    } else {
        f.max_normal(sign)
    }
}

/// How much was cut off, in units of the last place kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Nothing.
    None,
    /// Below a half.
    Low,
    /// Exactly a half.
    Half,
    /// Above a half.
    High,
}

/// `sig` without its low `cut` bits, and what they amounted to. `cut` may exceed 64.
#[inline]
pub const fn cut_off(sig: u64, cut: u32) -> (u64, Error) {
    match cut {
        0 => (sig, Error::None),
        1..=64 => {
            // The bits cut off, moved to the top: the half is bit 63.
            let rest = sig << (64 - cut);
            let int = if cut == 64 { 0 } else { sig >> cut };
            let error = match (rest, rest >> 63, rest << 1) {
                (0, _, _) => Error::None,
                (_, 0, _) => Error::Low,
                (_, _, 0) => Error::Half,
                _ => Error::High,
            };
            (int, error)
        }
        _ if sig == 0 => (0, Error::None),
        _ => (0, Error::Low),
    }
}

/// Whether a magnitude goes up to the next one in a resolved rounding mode.
#[inline]
pub fn round_up(mode: Round, sign: bool, odd: bool, error: Error) -> bool {
    match mode {
        Round::TieEven | Round::Current => error == Error::High || error == Error::Half && odd,
        Round::TieAway => matches!(error, Error::High | Error::Half),
        Round::PosInf => error != Error::None && !sign,
        Round::NegInf => error != Error::None && sign,
        Round::Zero | Round::Odd => false,
    }
}
