//! The meaning of the floating-point vector kinds: lane loops over [`crate::arith::fp`].
//!
//! Each entry point returns `None` for kinds that are not floating point; the dispatcher may ask here first.

use crate::arith::{Bits, FpEnv};
use crate::inst::Shape;
use crate::ops::{VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};

/// One-operand FP kinds; `aux` supplies [`crate::ops_vector::HI`].
pub fn eval_vun(
    _kind: VUnKind,
    _shape: Shape,
    _a: Bits,
    _aux: u32,
    _env: &mut FpEnv,
) -> Option<Bits> {
    None
}

/// Two-operand FP kinds.
pub fn eval_vbin(
    _kind: VBinKind,
    _shape: Shape,
    _a: Bits,
    _b: Bits,
    _env: &mut FpEnv,
) -> Option<Bits> {
    None
}

/// Three-operand FP kinds: (accumulator, n, m).
pub fn eval_vtern(
    _kind: VTernKind,
    _shape: Shape,
    _args: [Bits; 3],
    _env: &mut FpEnv,
) -> Option<Bits> {
    None
}

/// Fixed-point and integer conversions; `imm` is the number of fraction bits.
pub fn eval_vshift(
    _kind: VShiftKind,
    _shape: Shape,
    _a: Bits,
    _imm: u64,
    _env: &mut FpEnv,
) -> Option<Bits> {
    None
}

/// Across-lanes FP kinds.
pub fn eval_vred(_kind: VRedKind, _shape: Shape, _a: Bits, _env: &mut FpEnv) -> Option<Bits> {
    None
}
