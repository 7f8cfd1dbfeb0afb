//! Vectors. Values are I8X16; an op casts to the lanes of its shape.
//!
//! 64-bit shapes compute on the full register and zero the upper half afterwards; floating-point ones zero their inputs' upper
//! halves first, so that lanes that do not exist raise nothing. What is missing here goes to `Eval`.
//!
//! Saturation (FPSR.QC) is noticed by comparing with the unsaturated result and recorded in the frame header.

mod fp;
mod int;
mod permute;

use super::{Lower, clif_ty};
use crate::abi::FrameHeader;
use crate::emit::CompileError;
use cranelift_codegen::ir::{self, InstBuilder, types};
use metaphrase_ir::ops::{VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
use metaphrase_ir::{Inst, Op, Shape, Type, Value};
use std::mem::offset_of;

/// Integer vector type with lanes of `8 << log2` bits.
fn lanes(log2: u32) -> ir::Type {
    match log2 {
        0 => types::I8X16,
        1 => types::I16X8,
        2 => types::I32X4,
        _ => types::I64X2,
    }
}

/// The same for floats (32 and 64 bits only).
fn float_lanes(log2: u32) -> Option<ir::Type> {
    match log2 {
        2 => Some(types::F32X4),
        3 => Some(types::F64X2),
        _ => None,
    }
}

impl Lower<'_> {
    /// `None`: not inlined.
    pub(super) fn simd_op(&mut self, inst: &Inst) -> Result<Option<ir::Value>, CompileError> {
        if !self.caps.ssse3 || !self.caps.sse41 {
            return Ok(None);
        }
        let mut x = [Self::absent(); 3];
        for (x, &a) in x.iter_mut().zip(&inst.args) {
            if a != Value::NONE && self.ty(a) != Type::Flags {
                *x = self.val(a)?;
            }
        }
        let [a, b, c] = x;
        let s = inst.shape();
        match inst.op {
            Op::VLane | Op::VLaneS => Ok(self.lane(inst, a)),
            Op::VInsert => Ok(self.insert(inst, a, b)),
            Op::VDup => Ok(self.dup(inst, a)),
            Op::VScalar => Ok(Some(self.scalar(s, a))),
            Op::VZeroHi => Ok(Some(self.zero_high(a))),
            Op::VPair => {
                let lo = self.b.ins().scalar_to_vector(types::I64X2, a);
                let v = self.b.ins().insertlane(lo, b, 1);
                Ok(Some(self.bytes(v)))
            }
            Op::VShuffle => {
                let mask = self.unit.consts.get(inst.imm as usize).copied();
                Ok(Some(self.byte_shuffle(
                    a,
                    b,
                    mask.unwrap_or(0).to_le_bytes(),
                )))
            }
            Op::VTbl => Ok(Some(self.table_lookup(inst, a, b, c))),
            Op::VUn => {
                let kind = VUnKind::from_aux(inst.aux);
                match self.int_un(inst, kind, s, a) {
                    Some(r) => Ok(Some(r)),
                    None => self.fp_un(inst, kind, s, a),
                }
            }
            Op::VBin => {
                let kind = VBinKind::from_aux(inst.aux);
                let r = self
                    .int_bin(kind, s, inst.aux, a, b)
                    .or_else(|| self.permute(kind, s, a, b));
                match r {
                    Some(r) => Ok(Some(r)),
                    None => self.fp_bin(inst, kind, s, a, b),
                }
            }
            Op::VTern => {
                let kind = VTernKind::from_aux(inst.aux);
                match self.int_tern(kind, s, a, b, c) {
                    Some(r) => Ok(Some(r)),
                    None => self.fp_tern(inst, kind, s, a, b, c),
                }
            }
            Op::VShift => {
                let kind = VShiftKind::from_aux(inst.aux);
                match self.int_shift(inst, kind, s, a, b) {
                    Some(r) => Ok(Some(r)),
                    None => self.fp_shift(inst, kind, s, a),
                }
            }
            Op::VRed => Ok(self.reduce(VRedKind::from_aux(inst.aux), s, a)),
            _ => Ok(None),
        }
    }

    fn bytes(&mut self, v: ir::Value) -> ir::Value {
        self.cast(types::I8X16, v)
    }

    /// The vector with its upper 64 bits zero.
    fn zero_high(&mut self, v: ir::Value) -> ir::Value {
        if self.scalars.contains_key(&v) {
            return v;
        }
        let d = self.cast(types::F64X2, v);
        let low = self.b.ins().extractlane(d, 0);
        let r = self.b.ins().scalar_to_vector(types::F64X2, low);
        self.bytes(r)
    }

    /// A result computed on the full register, cut to the shape.
    fn fit(&mut self, s: Shape, v: ir::Value) -> ir::Value {
        let v = self.bytes(v);
        match s.bits() {
            128 => v,
            64 => self.zero_high(v),
            n => {
                let mask = self.vconst((1u128 << n) - 1);
                self.b.ins().band(v, mask)
            }
        }
    }

    /// A constant with every lane of `8 << log2` bits equal to `x`.
    fn splat(&mut self, log2: u32, x: u64) -> ir::Value {
        let bits = 8u32 << log2.min(3);
        let x = (x as u128) & ((1u128 << bits) - 1);
        let all = (0..128 / bits).fold(0u128, |v, i| v | x << (i * bits));
        let v = self.vconst(all);
        self.cast(lanes(log2), v)
    }

    fn lane(&mut self, inst: &Inst, a: ir::Value) -> Option<ir::Value> {
        let (s, ty) = (inst.shape(), clif_ty(inst.ty));
        let log2 = s.lane_log2();
        if log2 > 3 {
            return None;
        }
        let n = inst.imm as u8;
        if ty == types::F32 || ty == types::F64 {
            if 1 << log2 != ty.bytes() {
                return None;
            }
            if n == 0
                && let Some(x) = self.scalar_of(a, ty)
            {
                return Some(x);
            }
            let v = self.cast(float_lanes(log2)?, a);
            return Some(self.b.ins().extractlane(v, n));
        }
        let v = self.cast(lanes(log2), a);
        let x = self.b.ins().extractlane(v, n);
        Some(self.extend(inst.ty, x, inst.op == Op::VLaneS))
    }

    fn insert(&mut self, inst: &Inst, a: ir::Value, x: ir::Value) -> Option<ir::Value> {
        let log2 = inst.shape().lane_log2();
        if log2 > 3 {
            return None;
        }
        let (x, ty) = self.lane_value(log2, x)?;
        let v = self.cast(ty, a);
        let r = self.b.ins().insertlane(v, x, inst.imm as u8);
        Some(self.bytes(r))
    }

    /// A scalar as it goes into a lane, and the vector type that takes it.
    fn lane_value(&mut self, log2: u32, x: ir::Value) -> Option<(ir::Value, ir::Type)> {
        let have = self.b.func.dfg.value_type(x);
        match (have, log2) {
            (types::F32, 2) => Some((x, types::F32X4)),
            (types::F64, 3) => Some((x, types::F64X2)),
            (types::F32 | types::F64, _) => None,
            _ => {
                let ty = lanes(log2);
                let lane = ty.lane_type();
                match have.bits().cmp(&lane.bits()) {
                    std::cmp::Ordering::Greater => Some((self.b.ins().ireduce(lane, x), ty)),
                    std::cmp::Ordering::Equal => Some((x, ty)),
                    std::cmp::Ordering::Less => None,
                }
            }
        }
    }

    /// `VScalar`: the low bits of `x` in lane 0, zero above.
    fn scalar(&mut self, s: Shape, x: ir::Value) -> ir::Value {
        let have = self.b.func.dfg.value_type(x).bits();
        let v = match self.lane_value(s.lane_log2().min(3), x) {
            Some((x, _)) => x,
            None => x,
        };
        let r = self.scalar_vector(v);
        if s.lane_bits() < have && self.b.func.dfg.value_type(v).bits() == have {
            return self.fit(s, r);
        }
        r
    }

    fn dup(&mut self, inst: &Inst, x: ir::Value) -> Option<ir::Value> {
        let s = inst.shape();
        let log2 = s.lane_log2();
        if log2 > 3 {
            return None;
        }
        // A lane of another vector, as the by-element forms have it: one shuffle.
        let source = self.unit.inst(inst.args[0]);
        let from = self.vals.get(source.args[0].0 as usize).copied().flatten();
        if let Some(v) = from
            && source.op == Op::VLane
            && source.shape().lane_log2() == log2
        {
            let at = (source.imm as u8) << log2;
            let mask = std::array::from_fn(|i| at + (i as u8 & ((1 << log2) - 1)));
            let r = self.byte_shuffle(v, v, mask);
            return Some(self.fit(s, r));
        }
        let (x, ty) = self.lane_value(log2, x)?;
        let v = self.b.ins().splat(ty, x);
        Some(self.fit(s, v))
    }

    /// Remembers saturation if any bit of `mask` is set: FPSR.QC, by way of the frame header.
    fn note_saturation(&mut self, s: Shape, mask: ir::Value) {
        let mask = self.fit(s, mask);
        let any = self.b.ins().vany_true(mask);
        let (cold, cont) = self.split(any);
        self.b.switch_to_block(cold);
        let one = self.iconst(types::I32, 1);
        self.store_frame(one, offset_of!(FrameHeader, saturated) as i32);
        self.b.ins().jump(cont, &[]);
        self.b.seal_block(cont);
        self.b.switch_to_block(cont);
    }
}
