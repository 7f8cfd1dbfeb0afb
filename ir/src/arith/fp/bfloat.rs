//! The BFloat16 dot product (BFDotAdd without FEAT_EBF16): its own arithmetic, which rounds to odd, flushes denormals,
//! overflows to infinity, gives only default NaNs, and neither reads FPCR nor raises exceptions.

use super::basic::{add_or_sub, multiply};
use super::{DN, FZ, Fmt, OFC};
use crate::arith::FpEnv;
use crate::ops::Round;

const F: Fmt = Fmt::S;

/// Runs one operation with the rules above.
fn by_rules(op: impl FnOnce(&mut FpEnv) -> u64) -> u64 {
    let mut env = FpEnv {
        fpcr: FZ | DN,
        fpsr: 0,
    };
    let r = op(&mut env);
    if env.fpsr & OFC != 0 {
        F.inf(r >> 31 & 1 != 0)
    } else {
        r
    }
}

fn add(a: u64, b: u64) -> u64 {
    by_rules(|env| add_or_sub(F, a, b, false, Round::Odd, env))
}

fn mul(a: u64, b: u64) -> u64 {
    by_rules(|env| multiply(F, a, b, false, Round::Odd, env))
}

/// BFDotAdd: `addend + (x[0] * y[0] + x[1] * y[1])`. Elements are BFloat16 bits, `addend` and the result singles.
pub fn dot_add(addend: u64, x: [u64; 2], y: [u64; 2]) -> u64 {
    add(
        addend,
        add(mul(x[0] << 16, y[0] << 16), mul(x[1] << 16, y[1] << 16)),
    )
}

/// BFMulAddH: a single plus the product of two BFloat16 numbers, fused, by FPCR's rules.
pub fn mul_add_h(addend: u64, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    super::basic::mul_add(F, addend, a << 16, b << 16, env)
}
