//! Lazy condition flags: what a flag-setting op leaves behind, and conditions on it.
//!
//! A known kind turns a condition into one comparison. Where paths with different kinds merge, the packed flags come from
//! [`crate::abi::Builtin::Nzcv`].

use super::Lower;
use crate::abi::Builtin;
use crate::emit::CompileError;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, BlockArg, InstBuilder, types};
use metaphrase_ir::flags::CARRY_IN;
use metaphrase_ir::{Cond, FlagsKind, Inst, Op, Type, Value};

/// A `Flags` value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FlagsVal {
    /// A known kind on operands of its own type (Nzcv: an I32; Logic: the second is ignored).
    Known(FlagsKind, ir::Value, ir::Value),
    /// a + b + c, c a Bool. Stored with one of two kinds, which tells c.
    Adc(ir::Value, ir::Value, ir::Value),
    /// `Select(c, f, nzcv)`: f (an IR value) if c, else the constant.
    Select(ir::Value, Value, u32),
    /// Kind, a, b, all I64, and the kind that it probably is.
    Dyn(ir::Value, ir::Value, ir::Value, Option<FlagsKind>),
}

impl Lower<'_> {
    pub(super) fn flags_val(&self, v: Value) -> Result<FlagsVal, CompileError> {
        self.flags
            .get(&v.0)
            .copied()
            .ok_or_else(|| CompileError::Internal(format!("flags {} have no definition", v.0)))
    }

    /// Ops whose result is `Flags`.
    pub(super) fn flags_op(&mut self, _v: Value, inst: &Inst) -> Result<FlagsVal, CompileError> {
        use FlagsKind::*;
        let arg = |l: &Self, i: usize| l.val(inst.args[i]);
        let wide = |l: &Self| matches!(l.ty(inst.args[0]), Type::I64 | Type::F64);
        Ok(match inst.op {
            Op::FlagsSub | Op::FlagsAdd => {
                let kind = match (inst.op, wide(self)) {
                    (Op::FlagsSub, false) => Sub32,
                    (Op::FlagsSub, true) => Sub64,
                    (_, false) => Add32,
                    (_, true) => Add64,
                };
                FlagsVal::Known(kind, arg(self, 0)?, arg(self, 1)?)
            }
            Op::FlagsAdc => FlagsVal::Adc(arg(self, 0)?, arg(self, 1)?, arg(self, 2)?),
            Op::FlagsLogic => {
                let a = arg(self, 0)?;
                FlagsVal::Known(if wide(self) { Logic64 } else { Logic32 }, a, a)
            }
            Op::FlagsPack => {
                let a = arg(self, 0)?;
                FlagsVal::Known(Nzcv, a, a)
            }
            Op::FlagsSelect => {
                self.flags_val(inst.args[1])?;
                FlagsVal::Select(arg(self, 0)?, inst.args[1], inst.imm as u32)
            }
            Op::FlagsFcmp if self.fp_inline => {
                let (a, b) = (arg(self, 0)?, arg(self, 1)?);
                match inst.aux & 1 {
                    0 => self.compare_now(inst, a, b),
                    _ => self.signal_unordered(inst, a, b)?,
                }
                FlagsVal::Known(if wide(self) { Fcmp64 } else { Fcmp32 }, a, b)
            }
            _ => {
                self.flush_pad();
                let a = self.eval(inst, false)?;
                FlagsVal::Known(Nzcv, a, a)
            }
        })
    }

    /// FCMPE: any NaN operand is Invalid; the software part of FPSR learns of it out of line.
    fn signal_unordered(
        &mut self,
        inst: &Inst,
        a: ir::Value,
        b: ir::Value,
    ) -> Result<(), CompileError> {
        if self.defers() {
            self.defer(a, a, None, &[]);
            self.defer(b, b, None, &[]);
            return Ok(());
        }
        self.flush_pad();
        let uno = self.b.ins().fcmp(FloatCC::Unordered, a, b);
        let (cold, cont) = self.split(uno);
        self.b.switch_to_block(cold);
        self.eval(inst, true)?;
        self.b.ins().jump(cont, &[]);
        self.b.seal_block(cont);
        self.b.switch_to_block(cont);
        Ok(())
    }

    /// `CondHolds` and `FlagsUnpack`.
    pub(super) fn flags_use(&mut self, inst: &Inst) -> Result<ir::Value, CompileError> {
        let f = self.flags_val(inst.args[0])?;
        if inst.op == Op::FlagsUnpack {
            return self.packed(f);
        }
        self.holds(Cond::from_bits(inst.aux), f)
    }

    /// Operands from I64 variables, typed by kind.
    pub(super) fn typed_flags(
        &mut self,
        kind: FlagsKind,
        k: ir::Value,
        a: ir::Value,
        b: ir::Value,
    ) -> FlagsVal {
        use FlagsKind::*;
        let mut conv = |v: ir::Value| match kind {
            Sub64 | Add64 | AddC64 | Logic64 => v,
            Fcmp64 => self.cast(types::F64, v),
            Nzcv | Sub32 | Add32 | AddC32 | Logic32 => self.b.ins().ireduce(types::I32, v),
            Fcmp32 => {
                let w = self.b.ins().ireduce(types::I32, v);
                self.cast(types::F32, w)
            }
        };
        let a = conv(a);
        let b = match kind {
            Nzcv | Logic32 | Logic64 => a,
            _ => conv(b),
        };
        if matches!(kind, AddC32 | AddC64) {
            let c = self.b.ins().ushr_imm_u(k, CARRY_IN as i64);
            let c = self.b.ins().ireduce(types::I8, c);
            let c = self.b.ins().band_imm_u(c, 1);
            return FlagsVal::Adc(a, b, c);
        }
        FlagsVal::Known(kind, a, b)
    }

    /// The stored form: kind, a, b as I64.
    pub(super) fn triple(&mut self, f: FlagsVal) -> (ir::Value, ir::Value, ir::Value) {
        use FlagsKind::*;
        match f {
            FlagsVal::Dyn(k, a, b, _) => (k, a, b),
            FlagsVal::Known(kind, a, b) => {
                let k = self.i64(kind as u64);
                let a = self.widen(a);
                let b = match kind {
                    Nzcv | Logic32 | Logic64 => self.i64(0),
                    _ => self.widen(b),
                };
                (k, a, b)
            }
            FlagsVal::Adc(a, b, c) => {
                let plain = match self.b.func.dfg.value_type(a) {
                    types::I64 => Add64,
                    _ => Add32,
                };
                let c = self.b.ins().uextend(types::I64, c);
                let c = self.b.ins().ishl_imm_u(c, CARRY_IN as i64);
                let k = self.b.ins().iadd_imm_u(c, plain as i64);
                (k, self.widen(a), self.widen(b))
            }
            FlagsVal::Select(c, inner, nzcv) => {
                let Ok(inner) = self.flags_val(inner) else {
                    // `flags_op` has seen to it that it exists.
                    let zero = self.i64(0);
                    return (zero, zero, zero);
                };
                let (k, a, b) = self.triple(inner);
                let zero = self.i64(Nzcv as u64);
                let bits = self.i64((nzcv & 0xf000_0000) as u64);
                let k = match inner {
                    FlagsVal::Known(Nzcv, ..) => zero,
                    _ => self.b.ins().select(c, k, zero),
                };
                (k, self.b.ins().select(c, a, bits), b)
            }
        }
    }

    fn widen(&mut self, v: ir::Value) -> ir::Value {
        match self.b.func.dfg.value_type(v) {
            types::F64 => self.cast(types::I64, v),
            types::F32 => {
                let w = self.cast(types::I32, v);
                self.b.ins().uextend(types::I64, w)
            }
            types::I64 => v,
            _ => self.b.ins().uextend(types::I64, v),
        }
    }

    /// Packed NZCV (I32, bits 31..28, others 0).
    fn packed(&mut self, f: FlagsVal) -> Result<ir::Value, CompileError> {
        Ok(match f {
            FlagsVal::Known(FlagsKind::Nzcv, a, _) => self.b.ins().band_imm_u(a, 0xf000_0000),
            FlagsVal::Dyn(k, a, b, _) => {
                self.flush_pad();
                let r = self.builtin(Builtin::Nzcv, &[k, a, b]);
                self.b.ins().ireduce(types::I32, r)
            }
            FlagsVal::Select(c, inner, nzcv) => {
                let inner = self.flags_val(inner)?;
                let p = self.packed(inner)?;
                let k = self.iconst(types::I32, (nzcv & 0xf000_0000) as u64);
                self.b.ins().select(c, p, k)
            }
            _ => {
                let mut bits = self.iconst(types::I32, 0);
                for (cc, shift) in [
                    (Cond::Mi, 31),
                    (Cond::Eq, 30),
                    (Cond::Cs, 29),
                    (Cond::Vs, 28),
                ] {
                    let h = self.holds(cc, f)?;
                    let h = self.b.ins().uextend(types::I32, h);
                    let h = self.b.ins().ishl_imm_u(h, shift);
                    bits = self.b.ins().bor(bits, h);
                }
                bits
            }
        })
    }

    /// Whether a condition holds: an I8 of 0 or 1.
    pub(super) fn holds(&mut self, cc: Cond, f: FlagsVal) -> Result<ir::Value, CompileError> {
        use FlagsKind::*;
        if matches!(cc, Cond::Al | Cond::Nv) {
            return Ok(self.iconst(types::I8, 1));
        }
        Ok(match f {
            FlagsVal::Known(Sub32 | Sub64, a, b) => self.holds_sub(cc, a, b),
            FlagsVal::Known(Add32 | Add64, a, b) => self.holds_add(cc, a, b),
            FlagsVal::Known(Logic32 | Logic64, a, _) => self.holds_logic(cc, a),
            FlagsVal::Known(AddC32 | AddC64, a, b) => {
                let one = self.iconst(types::I8, 1);
                self.holds_adc(cc, a, b, one)
            }
            FlagsVal::Known(Fcmp32 | Fcmp64, a, b) => self.holds_fcmp(cc, a, b),
            FlagsVal::Known(Nzcv, a, _) => self.holds_packed(cc, a),
            FlagsVal::Dyn(k, a, b, Some(likely)) => {
                // With or without a carry is one kind here.
                let kind = match likely {
                    AddC32 | AddC64 => self.b.ins().bor_imm_u(k, 1 << CARRY_IN),
                    _ => k,
                };
                let other = self
                    .b
                    .ins()
                    .icmp_imm_u(IntCC::NotEqual, kind, likely as i64);
                let (cold, hot) = self.split(other);
                let done = self.b.create_block();
                self.b.append_block_param(done, types::I8);
                self.b.switch_to_block(cold);
                let r = self.holds(cc, FlagsVal::Dyn(k, a, b, None))?;
                self.b.ins().jump(done, &[BlockArg::Value(r)]);
                self.b.seal_block(hot);
                self.b.switch_to_block(hot);
                let known = self.typed_flags(likely, k, a, b);
                let r = self.holds(cc, known)?;
                self.b.ins().jump(done, &[BlockArg::Value(r)]);
                self.b.seal_block(done);
                self.b.switch_to_block(done);
                self.b.block_params(done)[0]
            }
            FlagsVal::Dyn(..) => {
                let p = self.packed(f)?;
                self.holds_packed(cc, p)
            }
            FlagsVal::Adc(a, b, c) => self.holds_adc(cc, a, b, c),
            FlagsVal::Select(c, inner, nzcv) => {
                let inner = self.flags_val(inner)?;
                let x = self.holds(cc, inner)?;
                // c ? x : const, on truth values.
                if cc.holds(nzcv) {
                    let nc = self.not(c);
                    self.b.ins().bor(nc, x)
                } else {
                    self.b.ins().band(c, x)
                }
            }
        })
    }

    /// Inverts a truth value; on a comparison the optimiser inverts the condition instead.
    pub(super) fn not(&mut self, c: ir::Value) -> ir::Value {
        self.b.ins().icmp_imm_u(IntCC::Equal, c, 0)
    }

    fn negative(&mut self, v: ir::Value) -> ir::Value {
        self.b.ins().icmp_imm_s(IntCC::SignedLessThan, v, 0)
    }

    fn holds_sub(&mut self, cc: Cond, a: ir::Value, b: ir::Value) -> ir::Value {
        let code = match cc {
            Cond::Eq => IntCC::Equal,
            Cond::Ne => IntCC::NotEqual,
            Cond::Cs => IntCC::UnsignedGreaterThanOrEqual,
            Cond::Cc => IntCC::UnsignedLessThan,
            Cond::Hi => IntCC::UnsignedGreaterThan,
            Cond::Ls => IntCC::UnsignedLessThanOrEqual,
            Cond::Ge => IntCC::SignedGreaterThanOrEqual,
            Cond::Lt => IntCC::SignedLessThan,
            Cond::Gt => IntCC::SignedGreaterThan,
            Cond::Le => IntCC::SignedLessThanOrEqual,
            _ => {
                let r = self.b.ins().isub(a, b);
                let t = if matches!(cc, Cond::Vs | Cond::Vc) {
                    let x = self.b.ins().bxor(a, b);
                    let y = self.b.ins().bxor(a, r);
                    self.b.ins().band(x, y)
                } else {
                    r
                };
                return self.sign_cond(cc, t);
            }
        };
        self.b.ins().icmp(code, a, b)
    }

    /// Mi/Vs: top bit of `t` set; Pl/Vc: clear.
    fn sign_cond(&mut self, cc: Cond, t: ir::Value) -> ir::Value {
        let code = if matches!(cc, Cond::Mi | Cond::Vs | Cond::Lt) {
            IntCC::SignedLessThan
        } else {
            IntCC::SignedGreaterThanOrEqual
        };
        self.b.ins().icmp_imm_s(code, t, 0)
    }

    fn holds_add(&mut self, cc: Cond, a: ir::Value, b: ir::Value) -> ir::Value {
        let s = self.b.ins().iadd(a, b);
        let zero = |l: &mut Self, c| l.b.ins().icmp_imm_u(c, s, 0);
        match cc {
            Cond::Eq => zero(self, IntCC::Equal),
            Cond::Ne => zero(self, IntCC::NotEqual),
            Cond::Cs => self.b.ins().icmp(IntCC::UnsignedLessThan, s, a),
            Cond::Cc => self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, s, a),
            Cond::Mi | Cond::Pl => self.sign_cond(cc, s),
            _ => {
                let x = self.b.ins().bxor(a, s);
                let y = self.b.ins().bxor(b, s);
                let v = self.b.ins().band(x, y);
                let carry = self.b.ins().icmp(IntCC::UnsignedLessThan, s, a);
                self.holds_nzcv(cc, s, carry, v)
            }
        }
    }

    /// Conditions from a result (N, Z), a carry Bool and a word whose top bit is V.
    fn holds_nzcv(&mut self, cc: Cond, s: ir::Value, c: ir::Value, v: ir::Value) -> ir::Value {
        match cc {
            Cond::Eq => self.b.ins().icmp_imm_u(IntCC::Equal, s, 0),
            Cond::Ne => self.b.ins().icmp_imm_u(IntCC::NotEqual, s, 0),
            Cond::Cs => c,
            Cond::Cc => self.not(c),
            Cond::Mi | Cond::Pl => self.sign_cond(cc, s),
            Cond::Vs | Cond::Vc => self.sign_cond(cc, v),
            Cond::Hi | Cond::Ls => {
                let nz = self.b.ins().icmp_imm_u(IntCC::NotEqual, s, 0);
                let hi = self.b.ins().band(c, nz);
                if cc == Cond::Hi { hi } else { self.not(hi) }
            }
            _ => {
                // Top bit of s ^ v: N != V.
                let d = self.b.ins().bxor(s, v);
                let lt = self.negative(d);
                match cc {
                    Cond::Lt => lt,
                    Cond::Ge => self.not(lt),
                    _ => {
                        let z = self.b.ins().icmp_imm_u(IntCC::Equal, s, 0);
                        let le = self.b.ins().bor(lt, z);
                        if cc == Cond::Le { le } else { self.not(le) }
                    }
                }
            }
        }
    }

    fn holds_adc(&mut self, cc: Cond, a: ir::Value, b: ir::Value, c: ir::Value) -> ir::Value {
        let ty = self.b.func.dfg.value_type(a);
        let wide = self.b.ins().uextend(ty, c);
        let ab = self.b.ins().iadd(a, b);
        let s = self.b.ins().iadd(ab, wide);
        let c1 = self.b.ins().icmp(IntCC::UnsignedLessThan, ab, a);
        let c2 = self.b.ins().icmp(IntCC::UnsignedLessThan, s, ab);
        let carry = self.b.ins().bor(c1, c2);
        let x = self.b.ins().bxor(a, s);
        let y = self.b.ins().bxor(b, s);
        let v = self.b.ins().band(x, y);
        self.holds_nzcv(cc, s, carry, v)
    }

    fn holds_logic(&mut self, cc: Cond, a: ir::Value) -> ir::Value {
        let code = match cc {
            Cond::Eq => IntCC::Equal,
            Cond::Ne => IntCC::NotEqual,
            Cond::Mi | Cond::Lt => IntCC::SignedLessThan,
            Cond::Pl | Cond::Ge => IntCC::SignedGreaterThanOrEqual,
            Cond::Gt => IntCC::SignedGreaterThan,
            Cond::Le => IntCC::SignedLessThanOrEqual,
            // C and V are clear.
            _ => {
                let on = matches!(cc, Cond::Cc | Cond::Vc | Cond::Ls);
                return self.iconst(types::I8, on as u64);
            }
        };
        self.b.ins().icmp_imm_s(code, a, 0)
    }

    fn holds_fcmp(&mut self, cc: Cond, a: ir::Value, b: ir::Value) -> ir::Value {
        let code = match cc {
            Cond::Eq => FloatCC::Equal,
            Cond::Ne => FloatCC::NotEqual,
            Cond::Cs => FloatCC::UnorderedOrGreaterThanOrEqual,
            Cond::Cc | Cond::Mi => FloatCC::LessThan,
            Cond::Pl => FloatCC::UnorderedOrGreaterThanOrEqual,
            Cond::Vs => FloatCC::Unordered,
            Cond::Vc => FloatCC::Ordered,
            Cond::Hi => FloatCC::UnorderedOrGreaterThan,
            Cond::Ls => FloatCC::LessThanOrEqual,
            Cond::Ge => FloatCC::GreaterThanOrEqual,
            Cond::Lt => FloatCC::UnorderedOrLessThan,
            Cond::Gt => FloatCC::GreaterThan,
            _ => FloatCC::UnorderedOrLessThanOrEqual,
        };
        self.b.ins().fcmp(code, a, b)
    }

    fn holds_packed(&mut self, cc: Cond, p: ir::Value) -> ir::Value {
        let (n, z, c, v) = (1u64 << 31, 1u64 << 30, 1u64 << 29, 1u64 << 28);
        let mut test = |mask: u64, set: bool| {
            let t = self.b.ins().band_imm_u(p, mask as i64);
            let code = if set { IntCC::NotEqual } else { IntCC::Equal };
            self.b.ins().icmp_imm_u(code, t, 0)
        };
        match cc {
            Cond::Eq => test(z, true),
            Cond::Ne => test(z, false),
            Cond::Cs => test(c, true),
            Cond::Cc => test(c, false),
            Cond::Mi => test(n, true),
            Cond::Pl => test(n, false),
            Cond::Vs => test(v, true),
            Cond::Vc => test(v, false),
            Cond::Hi | Cond::Ls => {
                let t = self.b.ins().band_imm_u(p, (c | z) as i64);
                let code = if cc == Cond::Hi {
                    IntCC::Equal
                } else {
                    IntCC::NotEqual
                };
                self.b.ins().icmp_imm_u(code, t, c as i64)
            }
            _ => {
                // N != V: bit 31 of p ^ (p << 3).
                let sh = self.b.ins().ishl_imm_u(p, 3);
                let d = self.b.ins().bxor(p, sh);
                let lt = self.negative(d);
                match cc {
                    Cond::Lt => lt,
                    Cond::Ge => self.not(lt),
                    _ => {
                        let t = self.b.ins().band_imm_u(p, z as i64);
                        let zero = self.b.ins().icmp_imm_u(IntCC::NotEqual, t, 0);
                        let le = self.b.ins().bor(lt, zero);
                        if cc == Cond::Le { le } else { self.not(le) }
                    }
                }
            }
        }
    }
}
