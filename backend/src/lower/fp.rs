//! Scalar floating point on the host's instructions.
//!
//! The host's answer is the guest's except where a NaN comes out: which NaN it is follows other rules. So NaNs are looked
//! for, now or at the end of a chain of operations (`nan`), and take a cold path: see [`NanFix`]. Used only while the guest's FP mode is the IEEE default
//! (see [`crate::abi::MODE_FP`]).
//!
//! FMULX stays with `Eval`: its one difference, infinity times zero, would raise Invalid here.
//!
//! CLIF's FP ops are pure; that they raise what the guest's raise, when the guest's do, is the business of [`super::fpenv`].
//!
//! The host looks for underflow after rounding, the guest before. What rounds up to the smallest normal number is looked for only if
//! [`crate::emit::CompileOpts::underflow`] asks for it, because that costs each product a comparison.

use super::{Lower, clif_ty};
use crate::emit::{CompileError, NanFix, Underflow};
use crate::pcmap::Loc;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{self, BlockArg, InstBuilder, types};
use metaphrase_ir::ops::{Round, VBinKind, VUnKind};
use metaphrase_ir::{Inst, Op, Type, Unit, Value};

/// Whether a unit has roundings that do not raise Inexact.
pub(super) fn silent_rounds(unit: &Unit) -> bool {
    use VUnKind::*;
    unit.insts.iter().any(|i| match i.op {
        Op::FRint => i.aux & Round::EXACT == 0,
        Op::FToInt => Round::from_bits(i.aux) != Round::Zero,
        Op::VUn => matches!(
            VUnKind::from_aux(i.aux),
            FRintN | FRintM | FRintP | FRintZ | FRintI | FRintA
        ),
        _ => false,
    })
}

/// Whether a conversion rounds to nearest (while the mode is the default).
fn nearest(aux: u32) -> bool {
    matches!(Round::from_bits(aux), Round::TieEven | Round::Current)
}

impl Lower<'_> {
    /// `None`: not inlined here.
    pub(super) fn fp_op(&mut self, inst: &Inst) -> Result<Option<ir::Value>, CompileError> {
        match inst.op {
            Op::FNeg | Op::FAbs => {
                let a = self.val(inst.args[0])?;
                let i = self.b.ins();
                return Ok(Some(match inst.op {
                    Op::FNeg => i.fneg(a),
                    _ => i.fabs(a),
                }));
            }
            _ if !self.fp_inline => return Ok(None),
            Op::FMulAdd if !self.caps.fma => return Ok(None),
            _ => {}
        }
        let arg = |n: usize| match inst.args[n] {
            Value::NONE => Ok(Self::absent()),
            v => self.val(v),
        };
        Ok(match inst.op {
            Op::FAdd
            | Op::FSub
            | Op::FMul
            | Op::FDiv
            | Op::FSqrt
            | Op::FMulAdd
            | Op::FMax
            | Op::FMaxNm
            | Op::FMin
            | Op::FMinNm => {
                let (a, b, c) = (arg(0)?, arg(1)?, arg(2)?);
                let r = self.fp_arith(inst.op, a, b, c);
                if self.may_underflow(inst) {
                    let bad = self.tiny(r, true);
                    return Ok(Some(self.fix_if(inst, bad, r)?));
                }
                match self.defers() {
                    true => {
                        self.defer(r, r, None, &[a, b, c]);
                        Some(r)
                    }
                    false => Some(self.fix_nan(inst, r)?),
                }
            }
            Op::FRint if inst.aux == Round::TieAway as u32 => {
                let a = arg(0)?;
                self.fp_round_away(inst, a)?
            }
            Op::FRint => {
                let a = arg(0)?;
                self.fp_round(inst.aux, a)
            }
            Op::FCvt => {
                let a = arg(0)?;
                match (self.b.func.dfg.value_type(a), inst.ty) {
                    (types::F32, Type::F64) => Some(self.b.ins().fpromote(types::F64, a)),
                    (types::F64, Type::F32) => {
                        let r = self.b.ins().fdemote(types::F32, a);
                        if !self.may_underflow(inst) {
                            return Ok(Some(r));
                        }
                        let bad = self.tiny(r, false);
                        Some(self.fix_if(inst, bad, r)?)
                    }
                    _ => None,
                }
            }
            Op::FToInt if inst.imm == 0 => {
                let a = arg(0)?;
                self.fp_to_int(inst, a)?
            }
            Op::IntToF if inst.imm <= 64 && nearest(inst.aux) => {
                let a = arg(0)?;
                Some(self.int_to_fp(inst, a))
            }
            _ => None,
        })
    }

    /// Whether underflow of the operation is to be looked for ([`Self::tiny`]). What is too small in a sum or difference is exact, and no quotient is so
    /// near the smallest normal number without being that.
    pub(super) fn may_underflow(&mut self, inst: &Inst) -> bool {
        let may = match inst.op {
            Op::FMul | Op::FMulAdd | Op::FCvt => true,
            Op::VBin => VBinKind::from_aux(inst.aux) == VBinKind::FMul,
            Op::VTern => true,
            Op::VUn => VUnKind::from_aux(inst.aux) == VUnKind::FCvtN,
            _ => false,
        };
        if may {
            self.out.underflow = match self.opts.underflow {
                true => Underflow::Found,
                false => Underflow::Overlooked,
            };
        }
        may && self.opts.underflow
    }

    /// Whether a scalar is a smallest normal number, to which it may have been rounded up; or, if `nan`, a NaN. (There is no cheap comparison that
    /// NaNs pass.)
    pub(super) fn tiny(&mut self, r: ir::Value, nan: bool) -> ir::Value {
        let (least, bits) = match self.b.func.dfg.value_type(r) {
            types::F32 => (self.b.ins().f32const(f32::MIN_POSITIVE), types::I32),
            _ => (self.b.ins().f64const(f64::MIN_POSITIVE), types::I64),
        };
        let size = self.b.ins().fabs(r);
        if nan {
            return self.b.ins().fcmp(FloatCC::UnorderedOrEqual, size, least);
        }
        let [size, least] = [size, least].map(|v| self.cast(bits, v));
        self.b.ins().icmp(IntCC::Equal, size, least)
    }

    /// The host's instruction for an arithmetic op, on scalars or vectors (unused operands are ignored).
    pub(super) fn fp_arith(
        &mut self,
        op: Op,
        a: ir::Value,
        b: ir::Value,
        c: ir::Value,
    ) -> ir::Value {
        let i = self.b.ins();
        match op {
            Op::FAdd => i.fadd(a, b),
            Op::FSub => i.fsub(a, b),
            Op::FMul => i.fmul(a, b),
            Op::FDiv => i.fdiv(a, b),
            Op::FSqrt => i.sqrt(a),
            Op::FMax | Op::FMaxNm => i.fmax(a, b),
            Op::FMin | Op::FMinNm => i.fmin(a, b),
            // a + b * c.
            _ => i.fma(b, c, a),
        }
    }

    /// `r`, or what `Eval` says if it is (or has a lane that is) a NaN.
    pub(super) fn fix_nan(&mut self, inst: &Inst, r: ir::Value) -> Result<ir::Value, CompileError> {
        let ty = self.b.func.dfg.value_type(r);
        let nan = self.b.ins().fcmp(FloatCC::Unordered, r, r);
        if ty.is_vector() {
            let r = self.cast(types::I8X16, r);
            return self.fix_if_any(inst, nan, r);
        }
        self.fix_if(inst, nan, r)
    }

    /// `r`, or what `Eval` says if any bit of the vector `mask` is set.
    pub(super) fn fix_if_any(
        &mut self,
        inst: &Inst,
        mask: ir::Value,
        r: ir::Value,
    ) -> Result<ir::Value, CompileError> {
        let mask = self.cast(types::I8X16, mask);
        let any = self.b.ins().vany_true(mask);
        self.fix_if(inst, any, r)
    }

    /// `r`, or what `Eval` says if `cond`.
    pub(super) fn fix_if(
        &mut self,
        inst: &Inst,
        cond: ir::Value,
        r: ir::Value,
    ) -> Result<ir::Value, CompileError> {
        if self.opts.nan == NanFix::Retry {
            self.retry_if(cond);
            return Ok(r);
        }
        let ty = self.b.func.dfg.value_type(r);
        self.flush_pad();
        let (cold, cont) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(cold);
        self.b.append_block_param(cont, ty);
        self.b
            .ins()
            .brif(cond, cold, &[], cont, &[BlockArg::Value(r)]);
        self.b.seal_block(cold);
        self.b.switch_to_block(cold);
        let v = self.eval(inst, true)?;
        self.b.ins().jump(cont, &[BlockArg::Value(v)]);
        self.b.seal_block(cont);
        self.b.switch_to_block(cont);
        Ok(self.b.block_params(cont)[0])
    }

    /// Rounds to integral, on a scalar or a vector. What is not to raise Inexact is marked. CLIF takes FRINTX, which is, for the same
    /// operation as those: it stays with `Eval` where both meet.
    pub(super) fn fp_round(&mut self, aux: u32, a: ir::Value) -> Option<ir::Value> {
        let exact = aux & Round::EXACT != 0;
        if !self.caps.sse41 || exact && self.silent_rounds {
            return None;
        }
        let pc = self.pc;
        self.flush_pad();
        if !exact {
            self.set_loc(Loc::Round(pc));
        }
        let i = self.b.ins();
        let r = match Round::from_bits(aux) {
            Round::TieEven | Round::Current => Some(i.nearest(a)),
            Round::PosInf => Some(i.ceil(a)),
            Round::NegInf => Some(i.floor(a)),
            Round::Zero => Some(i.trunc(a)),
            Round::TieAway | Round::Odd => None,
        };
        self.set_loc(Loc::Pc(pc));
        r
    }

    /// FRINTA: infinities and NaNs are left to `Eval`.
    fn fp_round_away(
        &mut self,
        inst: &Inst,
        a: ir::Value,
    ) -> Result<Option<ir::Value>, CompileError> {
        let (most, zero) = match inst.ty {
            Type::F32 => (self.b.ins().f32const(f32::MAX), self.b.ins().f32const(0.0)),
            _ => (self.b.ins().f64const(f64::MAX), self.b.ins().f64const(0.0)),
        };
        let size = self.b.ins().fabs(a);
        let finite = self.b.ins().fcmp(FloatCC::LessThanOrEqual, size, most);
        let number = self.b.ins().select(finite, a, zero);
        let Some(r) = self.tie_away(number) else {
            return Ok(None);
        };
        let bad = self.b.ins().icmp_imm_u(IntCC::Equal, finite, 0);
        Ok(Some(self.fix_if(inst, bad, r)?))
    }

    /// Rounds a finite scalar to the nearest integer, away from zero if two are. Each step is exact, so it raises nothing.
    fn tie_away(&mut self, a: ir::Value) -> Option<ir::Value> {
        let t = self.fp_round(Round::Zero as u32, a)?;
        let (half, one, zero) = match self.b.func.dfg.value_type(a) {
            types::F32 => {
                let mut c = |v| self.b.ins().f32const(v);
                (c(0.5f32), c(1.0), c(0.0))
            }
            _ => {
                let mut c = |v| self.b.ins().f64const(v);
                (c(0.5f64), c(1.0), c(0.0))
            }
        };
        let rest = self.b.ins().fsub(a, t);
        let rest = self.b.ins().fabs(rest);
        let up = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, rest, half);
        let step = self.b.ins().select(up, one, zero);
        // With the sign of `a`, zeros too.
        let step = self.b.ins().fcopysign(step, a);
        Some(self.b.ins().fadd(t, step))
    }

    /// The host's truncation to a signed integer raises what the guest's does. Roundings before it, and unsigned results, would raise
    /// Inexact or nothing for what does not fit: that is found first and left to `Eval`.
    fn fp_to_int(&mut self, inst: &Inst, a: ir::Value) -> Result<Option<ir::Value>, CompileError> {
        let ty = clif_ty(inst.ty);
        let signed = inst.aux & Round::SIGNED != 0;
        let round = Round::from_bits(inst.aux);
        match round {
            Round::Zero if signed => return Ok(Some(self.b.ins().fcvt_to_sint_sat(ty, a))),
            Round::Odd => return Ok(None),
            _ => {}
        }
        let fits = self.fits_integer(a, ty.bits() - u32::from(signed), signed);
        let float = self.b.func.dfg.value_type(a);
        let zero = match float {
            types::F32 => self.b.ins().f32const(Ieee32::with_bits(0)),
            _ => self.b.ins().f64const(Ieee64::with_bits(0)),
        };
        let a = self.b.ins().select(fits, a, zero);
        let convert = |l: &mut Self, a| match signed {
            true => l.b.ins().fcvt_to_sint_sat(ty, a),
            false => l.b.ins().fcvt_to_uint_sat(ty, a),
        };
        // The truncation raises Inexact. The rounding does not, see `fp_round`.
        let truncated = convert(self, a);
        let mut bad = self.b.ins().icmp_imm_u(IntCC::Equal, fits, 0);
        let mut r = truncated;
        if round != Round::Zero {
            let rounded = match round {
                Round::TieAway => self.tie_away(a),
                _ => self.fp_round(inst.aux & !Round::EXACT, a),
            };
            let Some(a) = rounded else {
                return Ok(None);
            };
            r = convert(self, a);
            // Never true, but then the truncation is not dead.
            let d = self.b.ins().isub(r, truncated);
            let d = self.b.ins().iadd_imm_s(d, 1);
            let far = self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, d, 2);
            bad = self.b.ins().bor(bad, far);
        }
        Ok(Some(self.fix_if(inst, bad, r)?))
    }

    /// Whether every rounding of `a` (of its magnitude, if `signed`) is between 0 and 2 to the power of `bits`, exclusively.
    fn fits_integer(&mut self, a: ir::Value, bits: u32, signed: bool) -> ir::Value {
        let a = if signed { self.b.ins().fabs(a) } else { a };
        let ty = self.b.func.dfg.value_type(a);
        let zero = match ty {
            types::F32 => self.b.ins().f32const(Ieee32::with_bits(0)),
            _ => self.b.ins().f64const(Ieee64::with_bits(0)),
        };
        // The largest number below the power. For 64 bits, and for single precision, all numbers near it are integers.
        let most = match ty {
            types::F32 => {
                let below = ((127 + bits) << 23) - 1;
                self.b.ins().f32const(Ieee32::with_bits(below))
            }
            _ if bits <= 32 => {
                let below = f64::from(u32::MAX >> (32 - bits));
                self.b.ins().f64const(Ieee64::with_bits(below.to_bits()))
            }
            _ => {
                let below = (u64::from(1023 + bits) << 52) - 1;
                self.b.ins().f64const(Ieee64::with_bits(below))
            }
        };
        let low = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, a, zero);
        let high = self.b.ins().fcmp(FloatCC::LessThanOrEqual, a, most);
        self.b.ins().band(low, high)
    }

    pub(super) fn int_to_fp(&mut self, inst: &Inst, a: ir::Value) -> ir::Value {
        let ty = clif_ty(inst.ty);
        let signed = inst.aux & Round::SIGNED != 0;
        let r = match (signed, self.b.func.dfg.value_type(a)) {
            (true, _) => self.b.ins().fcvt_from_sint(ty, a),
            (false, types::I32) => {
                let w = self.b.ins().uextend(types::I64, a);
                self.b.ins().fcvt_from_sint(ty, w)
            }
            _ => self.b.ins().fcvt_from_uint(ty, a),
        };
        if inst.imm == 0 {
            return r;
        }
        // A power of two: exact.
        let scale = self.power_of_two(ty, -(inst.imm as i32));
        self.b.ins().fmul(r, scale)
    }

    /// 2 to the power of `n` (a normal number).
    pub(super) fn power_of_two(&mut self, ty: ir::Type, n: i32) -> ir::Value {
        match ty {
            types::F32 => {
                let bits = ((127 + n) as u32) << 23;
                self.b.ins().f32const(Ieee32::with_bits(bits))
            }
            _ => {
                let bits = ((1023 + n) as u64) << 52;
                self.b.ins().f64const(Ieee64::with_bits(bits))
            }
        }
    }
}
