//! Integer, Bool and constant ops.

use super::{Lower, clif_ty};
use crate::emit::CompileError;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{self, BlockArg, InstBuilder, types};
use metaphrase_ir::ops::IntCond;
use metaphrase_ir::{Inst, Op, Type, Value};

fn int_cc(c: IntCond) -> IntCC {
    match c {
        IntCond::Eq => IntCC::Equal,
        IntCond::Ne => IntCC::NotEqual,
        IntCond::Ult => IntCC::UnsignedLessThan,
        IntCond::Ule => IntCC::UnsignedLessThanOrEqual,
        IntCond::Ugt => IntCC::UnsignedGreaterThan,
        IntCond::Uge => IntCC::UnsignedGreaterThanOrEqual,
        IntCond::Slt => IntCC::SignedLessThan,
        IntCond::Sle => IntCC::SignedLessThanOrEqual,
        IntCond::Sgt => IntCC::SignedGreaterThan,
        IntCond::Sge => IntCC::SignedGreaterThanOrEqual,
    }
}

impl Lower<'_> {
    /// `None`: not an op of this file.
    pub(super) fn int_op(&mut self, inst: &Inst) -> Result<Option<ir::Value>, CompileError> {
        let ty = clif_ty(inst.ty);
        let n = inst.imm as i64;
        let mut x = [Self::absent(); 4];
        for (i, &a) in inst.args.iter().enumerate() {
            if a != Value::NONE && self.unit.inst(a).ty != Type::Flags {
                x[i] = self.val(a)?;
            }
        }
        let [a, b, c, _] = x;
        let i = self.b.ins();
        Ok(Some(match inst.op {
            Op::Const => match inst.ty {
                Type::F32 => i.f32const(Ieee32::with_bits(inst.imm as u32)),
                Type::F64 => i.f64const(Ieee64::with_bits(inst.imm)),
                Type::Bool => self.iconst(types::I8, inst.imm & 1),
                Type::V128 => self.vconst(inst.imm as u128),
                _ => self.iconst(ty, inst.imm),
            },
            Op::ConstV => {
                let c = self.unit.consts.get(inst.imm as usize).copied();
                self.vconst(c.unwrap_or(0))
            }
            Op::Select => i.select(a, b, c),
            Op::Trunc => i.ireduce(types::I32, a),
            Op::Zext => i.uextend(types::I64, a),
            Op::Sext => i.sextend(types::I64, a),
            Op::SextLow => self.sext_low(ty, a, inst.imm),
            Op::BoolToInt => i.uextend(ty, a),
            Op::Bitcast => self.cast(ty, a),
            Op::Add => i.iadd(a, b),
            Op::Sub => i.isub(a, b),
            Op::Mul => i.imul(a, b),
            Op::UMulH => i.umulhi(a, b),
            Op::SMulH => i.smulhi(a, b),
            Op::UDiv => self.udiv(ty, a, b),
            Op::SDiv => self.sdiv(ty, a, b),
            Op::And => i.band(a, b),
            Op::Or => i.bor(a, b),
            Op::Xor => i.bxor(a, b),
            Op::AndNot => i.band_not(a, b),
            Op::OrNot => i.bor_not(a, b),
            Op::XorNot => i.bxor_not(a, b),
            Op::Not => i.bnot(a),
            Op::Neg => i.ineg(a),
            Op::Shl => i.ishl(a, b),
            Op::Lshr => i.ushr(a, b),
            Op::Ashr => i.sshr(a, b),
            Op::Ror => i.rotr(a, b),
            Op::ShlI => i.ishl_imm_u(a, n),
            Op::LshrI => i.ushr_imm_u(a, n),
            Op::AshrI => i.sshr_imm_u(a, n),
            Op::RorI => i.rotr_imm_u(a, n),
            Op::Extr => self.extr(ty, a, b, n),
            Op::Clz => i.clz(a),
            Op::Cls => {
                let sign = i.sshr_imm_u(a, 1);
                let x = self.b.ins().bxor(a, sign);
                let z = self.b.ins().clz(x);
                self.b.ins().iadd_imm_s(z, -1)
            }
            Op::Rbit => i.bitrev(a),
            Op::Bswap => i.bswap(a),
            Op::Rev16 => self.rev16(a),
            Op::Rev32 => {
                let s = i.bswap(a);
                self.b.ins().rotr_imm_u(s, 32)
            }
            Op::Popcnt => i.popcnt(a),
            Op::Icmp => i.icmp(int_cc(IntCond::from_bits(inst.aux)), a, b),
            Op::BAnd => i.band(a, b),
            Op::BOr => i.bor(a, b),
            Op::BXor => i.bxor(a, b),
            Op::BNot => self.not(a),
            _ => return Ok(None),
        }))
    }

    fn sext_low(&mut self, ty: ir::Type, a: ir::Value, bits: u64) -> ir::Value {
        let low = match bits {
            8 => types::I8,
            16 => types::I16,
            _ => types::I32,
        };
        if low == ty {
            return a;
        }
        let r = self.b.ins().ireduce(low, a);
        self.b.ins().sextend(ty, r)
    }

    fn extr(&mut self, ty: ir::Type, hi: ir::Value, lo: ir::Value, n: i64) -> ir::Value {
        if n == 0 {
            return lo;
        }
        if hi == lo {
            return self.b.ins().rotr_imm_u(lo, n);
        }
        let l = self.b.ins().ushr_imm_u(lo, n);
        let h = self.b.ins().ishl_imm_u(hi, ty.bits() as i64 - n);
        self.b.ins().bor(l, h)
    }

    fn rev16(&mut self, a: ir::Value) -> ir::Value {
        let mask = 0x00ff_00ff_00ff_00ffu64;
        let ty = self.b.func.dfg.value_type(a);
        let m = self.iconst(ty, mask);
        let hi = self.b.ins().ushr_imm_u(a, 8);
        let hi = self.b.ins().band(hi, m);
        let lo = self.b.ins().band(a, m);
        let lo = self.b.ins().ishl_imm_u(lo, 8);
        self.b.ins().bor(hi, lo)
    }

    /// Joins a cold value with the value of the block that follows.
    fn join(
        &mut self,
        ty: ir::Type,
        cond: ir::Value,
        cold: impl FnOnce(&mut Self) -> ir::Value,
        hot: impl FnOnce(&mut Self) -> ir::Value,
    ) -> ir::Value {
        let (c, h) = self.split(cond);
        let done = self.b.create_block();
        self.b.append_block_param(done, ty);
        self.b.switch_to_block(c);
        let v = cold(self);
        self.b.ins().jump(done, &[BlockArg::Value(v)]);
        self.b.seal_block(h);
        self.b.switch_to_block(h);
        let v = hot(self);
        self.b.ins().jump(done, &[BlockArg::Value(v)]);
        self.b.seal_block(done);
        self.b.switch_to_block(done);
        self.b.block_params(done)[0]
    }

    fn udiv(&mut self, ty: ir::Type, a: ir::Value, b: ir::Value) -> ir::Value {
        let zero = self.b.ins().icmp_imm_u(IntCC::Equal, b, 0);
        self.join(ty, zero, |l| l.iconst(ty, 0), |l| l.b.ins().udiv(a, b))
    }

    /// Division by 0 and by -1 (where MIN / -1 would trap) are out of line.
    fn sdiv(&mut self, ty: ir::Type, a: ir::Value, b: ir::Value) -> ir::Value {
        let up = self.b.ins().iadd_imm_u(b, 1);
        let odd = self
            .b
            .ins()
            .icmp_imm_u(IntCC::UnsignedLessThanOrEqual, up, 1);
        self.join(
            ty,
            odd,
            |l| {
                let neg = l.b.ins().ineg(a);
                let zero = l.iconst(ty, 0);
                l.b.ins().select(b, neg, zero)
            },
            |l| l.b.ins().sdiv(a, b),
        )
    }
}
