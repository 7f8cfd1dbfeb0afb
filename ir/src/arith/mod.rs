//! The meaning of every op on plain values. Constant folder, reference interpreter, tier-0 bytecode and the helpers behind
//! generated code all come here, so that a meaning is written once.

use crate::inst::{Inst, Value};

/// A value of any type as raw bits, zero-extended to 128. `Flags` is the packed NZCV in bits 31..28.
pub type Bits = u128;

/// The floating-point environment of the guest: Arm's FPCR and FPSR layouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FpEnv {
    /// Control: rounding mode, FZ, DN, AHP, FZ16.
    pub fpcr: u32,
    /// Status: cumulative exception bits and QC.
    pub fpsr: u32,
}

/// Evaluates an op without memory or slot effects. `arg_ty(v)` is the type of an argument, `consts` the unit's pool.
/// `None` for ops that are not a function of their arguments (state, memory, calls).
pub fn eval(
    _inst: &Inst,
    _args: [Bits; 4],
    _arg_ty: impl Fn(Value) -> crate::Type,
    _consts: &[u128],
    _env: &mut FpEnv,
) -> Option<Bits> {
    None
}
