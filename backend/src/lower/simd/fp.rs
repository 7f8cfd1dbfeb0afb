//! Floating-point lanes: single and double. One check finds a NaN in any lane of a result; half precision, estimates and the
//! odd ones go to `Eval`.

use super::super::{Lower, clif_ty};
use super::{float_lanes, lanes};
use crate::emit::CompileError;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, types};
use metaphrase_ir::ops::{Round, VBinKind, VShiftKind, VTernKind, VUnKind};
use metaphrase_ir::ops_vector::HI;
use metaphrase_ir::{Inst, Op, Shape, Type};

type Lowered = Result<Option<ir::Value>, CompileError>;

impl Lower<'_> {
    /// An operand: the lanes of the shape as floats, the others zero. One-lane shapes give a scalar.
    fn operand_fp(&mut self, s: Shape, v: ir::Value) -> Option<ir::Value> {
        let ty = float_lanes(s.lane_log2())?;
        Some(match s.lanes() {
            1 => {
                if let Some(x) = self.scalar_of(v, ty.lane_type()) {
                    return Some(x);
                }
                let v = self.cast(ty, v);
                self.b.ins().extractlane(v, 0)
            }
            _ if s.bits() == 64 => {
                let v = self.zero_high(v);
                self.cast(ty, v)
            }
            _ => self.cast(ty, v),
        })
    }

    /// A result of [`Self::operand_fp`]'s type as a vector value.
    fn result_fp(&mut self, s: Shape, r: ir::Value) -> ir::Value {
        if !self.b.func.dfg.value_type(r).is_vector() {
            return self.scalar_vector(r);
        }
        self.fit(s, r)
    }

    /// NaN check and fit. The check happens on the shape's lanes only. A NaN in a lane of one of `from` is one in that lane of `r`.
    fn checked_fp(&mut self, inst: &Inst, s: Shape, r: ir::Value, from: &[ir::Value]) -> Lowered {
        let ty = self.b.func.dfg.value_type(r);
        if self.may_underflow(inst) {
            let v = self.result_fp(s, r);
            if !ty.is_vector() {
                let bad = self.tiny(r, true);
                return Ok(Some(self.fix_if(inst, bad, v)?));
            }
            let nan = self.b.ins().fcmp(FloatCC::Unordered, r, r);
            let (nan, tiny) = (self.cast(types::I8X16, nan), self.tiny_lanes(s, r));
            let bad = self.b.ins().bor(nan, tiny);
            return Ok(Some(self.fix_if_any(inst, bad, v)?));
        }
        if self.defers() {
            self.begin_restart();
            let v = self.result_fp(s, r);
            let lanes = match ty.is_vector() {
                true => self.cast(ty, v),
                false => r,
            };
            self.defer(v, lanes, Some(s), from);
            return Ok(Some(v));
        }
        let nan = self.b.ins().fcmp(FloatCC::Unordered, r, r);
        let v = self.result_fp(s, r);
        Ok(Some(match ty.is_vector() {
            true => self.fix_if_any(inst, nan, v)?,
            false => self.fix_if(inst, nan, v)?,
        }))
    }

    /// As [`Self::tiny`], ones in the lanes where it holds.
    fn tiny_lanes(&mut self, s: Shape, r: ir::Value) -> ir::Value {
        let log2 = s.lane_log2();
        let v = self.cast(lanes(log2), r);
        // Without the sign.
        let twice = self.b.ins().iadd(v, v);
        let least = match log2 {
            2 => u64::from(f32::MIN_POSITIVE.to_bits()),
            _ => f64::MIN_POSITIVE.to_bits(),
        };
        let least = self.splat(log2, least * 2);
        let mask = self.b.ins().icmp(IntCC::Equal, twice, least);
        self.cast(types::I8X16, mask)
    }

    fn arith(&mut self, inst: &Inst, op: Op, s: Shape, args: [ir::Value; 3], n: usize) -> Lowered {
        let mut x = args;
        for x in x.iter_mut().take(n) {
            match self.operand_fp(s, *x) {
                Some(v) => *x = v,
                None => return Ok(None),
            }
        }
        if op == Op::FDiv && s == Shape::S2 {
            // 0 / 0 in the lanes that do not exist would raise Invalid.
            let ones = self.vconst(0x3f80_0000_3f80_0000u128 << 64);
            let d = self.bytes(x[1]);
            let d = self.b.ins().bor(d, ones);
            x[1] = self.cast(types::F32X4, d);
        }
        if s.lanes() > 1 && matches!(op, Op::FMax | Op::FMin | Op::FMaxNm | Op::FMinNm) {
            return self.min_max(inst, op, s, x[0], x[1]);
        }
        let r = self.fp_arith(op, x[0], x[1], x[2]);
        self.checked_fp(inst, s, r, &args[..n])
    }

    /// The host's vector minimum and maximum raise Invalid for quiet NaNs too: it gets zeros in their place, and the result is
    /// computed anew.
    fn min_max(&mut self, inst: &Inst, op: Op, s: Shape, x: ir::Value, y: ir::Value) -> Lowered {
        let ty = self.b.func.dfg.value_type(x);
        let nan = self.b.ins().fcmp(FloatCC::Unordered, x, y);
        let cut = |l: &mut Self, v| {
            let (v, nan) = (l.bytes(v), l.bytes(nan));
            let v = l.b.ins().band_not(v, nan);
            l.cast(ty, v)
        };
        let (x, y) = (cut(self, x), cut(self, y));
        let r = self.fp_arith(op, x, y, y);
        let v = self.result_fp(s, r);
        Ok(Some(self.fix_if_any(inst, nan, v)?))
    }

    pub(super) fn fp_un(&mut self, inst: &Inst, kind: VUnKind, s: Shape, a: ir::Value) -> Lowered {
        use VUnKind as K;
        if matches!(kind, K::FNeg | K::FAbs) {
            return Ok(self.sign_op(kind, s, a));
        }
        if !self.fp_inline {
            return Ok(None);
        }
        let round = |r: Round| Some(r as u32);
        let rounding = match kind {
            K::FRintN | K::FRintI => round(Round::TieEven),
            K::FRintM => round(Round::NegInf),
            K::FRintP => round(Round::PosInf),
            K::FRintZ => round(Round::Zero),
            K::FRintX => Some(Round::Current as u32 | Round::EXACT),
            _ => None,
        };
        if let Some(aux) = rounding {
            let Some(v) = self.operand_fp(s, a) else {
                return Ok(None);
            };
            let Some(r) = self.fp_round(aux, v) else {
                return Ok(None);
            };
            return Ok(Some(self.result_fp(s, r)));
        }
        match kind {
            K::FSqrt => self.arith(inst, Op::FSqrt, s, [a; 3], 1),
            K::FCmEq0 | K::FCmGe0 | K::FCmGt0 | K::FCmLe0 | K::FCmLt0 => {
                let zero = self.vconst(0);
                let (cc, x, y) = match kind {
                    K::FCmEq0 => (FloatCC::Equal, a, zero),
                    K::FCmGe0 => (FloatCC::GreaterThanOrEqual, a, zero),
                    K::FCmGt0 => (FloatCC::GreaterThan, a, zero),
                    K::FCmLe0 => (FloatCC::GreaterThanOrEqual, zero, a),
                    _ => (FloatCC::GreaterThan, zero, a),
                };
                Ok(self.compare_fp(cc, s, x, y))
            }
            K::FCvtL if s == Shape::S2 => {
                let v = match inst.aux & HI {
                    0 => a,
                    _ => self.byte_shuffle(a, a, std::array::from_fn(|i| (i as u8 & 7) | 8)),
                };
                let v = self.cast(types::F32X4, v);
                let r = self.b.ins().fvpromote_low(v);
                Ok(Some(self.bytes(r)))
            }
            K::FCvtN if s == Shape::S2 => {
                let v = self.cast(types::F64X2, a);
                let r = self.b.ins().fvdemote(v);
                let v = self.bytes(r);
                if !self.may_underflow(inst) {
                    return Ok(Some(v));
                }
                let bad = self.tiny_lanes(Shape::S4, r);
                Ok(Some(self.fix_if_any(inst, bad, v)?))
            }
            _ => Ok(None),
        }
    }

    fn sign_op(&mut self, kind: VUnKind, s: Shape, a: ir::Value) -> Option<ir::Value> {
        let log2 = s.lane_log2();
        if !(1..=3).contains(&log2) {
            return None;
        }
        let sign = self.splat(log2, 1 << ((8u32 << log2) - 1));
        let v = self.cast(lanes(log2), a);
        let r = match kind {
            VUnKind::FNeg => self.b.ins().bxor(v, sign),
            _ => self.b.ins().band_not(v, sign),
        };
        Some(self.fit(s, r))
    }

    /// A lane-wise comparison: ones where it holds.
    fn compare_fp(
        &mut self,
        cc: FloatCC,
        s: Shape,
        a: ir::Value,
        b: ir::Value,
    ) -> Option<ir::Value> {
        let ty = float_lanes(s.lane_log2())?;
        // On full registers, so that one-lane shapes get their mask too.
        let cut = |l: &mut Self, v: ir::Value| {
            let v = if s.bits() == 128 { v } else { l.fit(s, v) };
            l.cast(ty, v)
        };
        let (x, y) = (cut(self, a), cut(self, b));
        let r = self.b.ins().fcmp(cc, x, y);
        Some(self.fit(s, r))
    }

    pub(super) fn fp_bin(
        &mut self,
        inst: &Inst,
        kind: VBinKind,
        s: Shape,
        a: ir::Value,
        b: ir::Value,
    ) -> Lowered {
        use VBinKind as K;
        if !self.fp_inline {
            return Ok(None);
        }
        let abs = |l: &mut Self, v| l.sign_op(VUnKind::FAbs, s, v);
        let op = match kind {
            K::FAdd | K::FAddP => Op::FAdd,
            K::FSub | K::FAbd => Op::FSub,
            K::FMul => Op::FMul,
            K::FDiv => Op::FDiv,
            K::FMax | K::FMaxP => Op::FMax,
            K::FMin | K::FMinP => Op::FMin,
            K::FMaxNm | K::FMaxNmP => Op::FMaxNm,
            K::FMinNm | K::FMinNmP => Op::FMinNm,
            K::FCmEq => return Ok(self.compare_fp(FloatCC::Equal, s, a, b)),
            K::FCmGe => return Ok(self.compare_fp(FloatCC::GreaterThanOrEqual, s, a, b)),
            K::FCmGt => return Ok(self.compare_fp(FloatCC::GreaterThan, s, a, b)),
            K::FacGe | K::FacGt => {
                let (Some(x), Some(y)) = (abs(self, a), abs(self, b)) else {
                    return Ok(None);
                };
                let cc = match kind {
                    K::FacGe => FloatCC::GreaterThanOrEqual,
                    _ => FloatCC::GreaterThan,
                };
                return Ok(self.compare_fp(cc, s, x, y));
            }
            _ => return Ok(None),
        };
        match kind {
            K::FAddP | K::FMaxP | K::FMinP | K::FMaxNmP | K::FMinNmP => {
                if s.lanes() < 2 {
                    return Ok(None);
                }
                let (x, y) = self.even_odd(s, a, b);
                self.arith(inst, op, s, [x, y, y], 2)
            }
            K::FAbd => {
                let (Some(x), Some(y)) = (self.operand_fp(s, a), self.operand_fp(s, b)) else {
                    return Ok(None);
                };
                let d = self.b.ins().fsub(x, y);
                let r = self.b.ins().fabs(d);
                self.checked_fp(inst, s, r, &[a, b])
            }
            _ => self.arith(inst, op, s, [a, b, b], 2),
        }
    }

    pub(super) fn fp_tern(
        &mut self,
        inst: &Inst,
        kind: VTernKind,
        s: Shape,
        a: ir::Value,
        n: ir::Value,
        m: ir::Value,
    ) -> Lowered {
        if !self.fp_inline || !self.caps.fma {
            return Ok(None);
        }
        match kind {
            VTernKind::FMla => self.arith(inst, Op::FMulAdd, s, [a, n, m], 3),
            VTernKind::FMls => {
                let from = [a, n, m];
                let (Some(a), Some(n), Some(m)) = (
                    self.operand_fp(s, a),
                    self.operand_fp(s, n),
                    self.operand_fp(s, m),
                ) else {
                    return Ok(None);
                };
                let n = self.b.ins().fneg(n);
                let r = self.b.ins().fma(n, m, a);
                self.checked_fp(inst, s, r, &from)
            }
            _ => Ok(None),
        }
    }

    /// Conversions between lanes and integers.
    pub(super) fn fp_shift(
        &mut self,
        inst: &Inst,
        kind: VShiftKind,
        s: Shape,
        a: ir::Value,
    ) -> Lowered {
        use VShiftKind as K;
        let log2 = s.lane_log2();
        if !self.fp_inline || float_lanes(log2).is_none() {
            return Ok(None);
        }
        let signed = kind == K::SCvtF;
        match kind {
            K::SCvtF | K::UCvtF if inst.imm <= 64 => {
                let r = match s.lanes() {
                    4 => {
                        let v = self.cast(types::I32X4, a);
                        let i = self.b.ins();
                        let r = match signed {
                            true => i.fcvt_from_sint(types::F32X4, v),
                            false => i.fcvt_from_uint(types::F32X4, v),
                        };
                        match inst.imm {
                            0 => r,
                            n => {
                                let k = self.power_of_two(types::F32, -(n as i32));
                                let k = self.b.ins().splat(types::F32X4, k);
                                self.b.ins().fmul(r, k)
                            }
                        }
                    }
                    _ => self.each_lane(s, a, |l, x| {
                        let aux = if signed { Round::SIGNED } else { 0 };
                        let ty = if log2 == 2 { Type::F32 } else { Type::F64 };
                        let conv = Inst { ty, aux, ..*inst };
                        l.int_to_fp(&conv, x)
                    }),
                };
                Ok(Some(self.bytes(r)))
            }
            // Not the unsigned one: CLIF's does not raise Invalid.
            K::FCvtZS if inst.imm == 0 => {
                let r = self.each_lane_fp(s, a, |l, x| {
                    let ty = if log2 == 2 { types::I32 } else { types::I64 };
                    l.b.ins().fcvt_to_sint_sat(ty, x)
                });
                Ok(Some(self.bytes(r)))
            }
            _ => Ok(None),
        }
    }

    /// Builds a vector from a scalar function of each integer lane; lanes beyond the shape are zero.
    fn each_lane(
        &mut self,
        s: Shape,
        a: ir::Value,
        f: impl Fn(&mut Self, ir::Value) -> ir::Value,
    ) -> ir::Value {
        let ty = lanes(s.lane_log2());
        self.map_lanes(ty, s, a, f)
    }

    /// The same from floating-point lanes.
    fn each_lane_fp(
        &mut self,
        s: Shape,
        a: ir::Value,
        f: impl Fn(&mut Self, ir::Value) -> ir::Value,
    ) -> ir::Value {
        let ty = float_lanes(s.lane_log2()).unwrap_or(types::F64X2);
        self.map_lanes(ty, s, a, f)
    }

    fn map_lanes(
        &mut self,
        ty: ir::Type,
        s: Shape,
        a: ir::Value,
        f: impl Fn(&mut Self, ir::Value) -> ir::Value,
    ) -> ir::Value {
        debug_assert_eq!(clif_ty(Type::V128), types::I8X16);
        let v = self.cast(ty, a);
        let x = self.b.ins().extractlane(v, 0);
        let first = f(self, x);
        let to = self.b.func.dfg.value_type(first);
        let out = to.by(128 / to.bits()).unwrap_or(types::I64X2);
        let r = self.scalar_vector(first);
        let mut r = self.cast(out, r);
        for n in 1..s.lanes() as u8 {
            let x = self.b.ins().extractlane(v, n);
            let y = f(self, x);
            r = self.b.ins().insertlane(r, y, n);
        }
        r
    }
}
