//! Conversions between half precision and the other formats on the host's instructions (F16C), in the default mode but for the rounding.
//!
//! From halves everything is exact, and NaNs become what the guest's become. To halves the host rounds as MXCSR says, and, as everywhere, looks for
//! underflow after rounding: the runtime does again what has become a smallest normal half. Doubles are not narrowed in two steps.

use super::asm::{Enc, Xmm, alu, cc};
use super::fp::scalar;
use super::simd::s2;
use super::{Baseline, Home};
use crate::bytecode::EvalDesc;
use metaphrase_ir::ops::VUnKind;
use metaphrase_ir::ops_vector::HI;
use metaphrase_ir::{Op, Shape, Type};

/// The smallest normal half.
const LEAST: u64 = 0x0400;

impl Baseline {
    /// Emits the op if it is one of these.
    pub(super) fn half(&mut self, i: u32, e: &EvalDesc) -> bool {
        if !self.host.f16c || !self.fp_inline {
            return false;
        }
        match e.inst.op {
            Op::FCvtFromH => self.half_in(e),
            Op::FCvtToH if e.tys[0] == Type::F32 => self.half_out(i, e),
            Op::VUn if e.inst.shape() == Shape::H4 => match VUnKind::from_aux(e.inst.aux) {
                VUnKind::FCvtL => self.halves_in(e),
                VUnKind::FCvtN => self.halves_out(i, e),
                _ => return false,
            },
            _ => return false,
        }
        true
    }

    /// `x` = the four halves in the low part of `a`.
    fn vcvtph2ps(&mut self, x: Xmm, a: Xmm) {
        self.r.asm.vex(Enc(0x66, 2, 0x13), false, x, 0, a);
    }

    /// The low part of `x` = the four singles in `a`, zeros above.
    fn vcvtps2ph(&mut self, x: Xmm, a: Xmm) {
        self.r.asm.vex(Enc(0x66, 3, 0x1d), false, a, 0, x);
        self.r.asm.put(4, 1);
    }

    fn half_in(&mut self, e: &EvalDesc) {
        let wide = e.inst.ty == Type::F64;
        let a = self.r.get(e.args[0]);
        let t = self.r.alloc();
        let x = self.r.alloc_x();
        self.r.asm.rr(Enc(0, 1, 0xb7), false, t, a); // movzx: the other halves are zero
        self.r.asm.rr(Enc(0x66, 1, 0x6e), false, x, t); // movd
        self.vcvtph2ps(x, x);
        if wide {
            self.r.asm.rr(scalar(false, 0x5a), false, x, x); // cvtss2sd
        }
        self.set_scalar(e.d, x, wide);
    }

    fn half_out(&mut self, i: u32, e: &EvalDesc) {
        let x = self.copy_scalar(e.args[0], false);
        let (d, t) = (self.r.alloc(), self.r.alloc());
        self.vcvtps2ph(x, x);
        let m = &mut self.r.asm;
        m.rr(Enc(0x66, 1, 0x7e), false, x, d); // movd
        m.mov32(t, d);
        m.alu_imm(alu::AND, false, t, 0x7fff);
        m.alu_imm(alu::CMP, false, t, LEAST as i32);
        self.again(i, e, cc::E, Home::Gpr(d, e.d));
        self.resume(1);
        self.r.set(e.d, d);
    }

    fn halves_in(&mut self, e: &EvalDesc) {
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        if e.inst.aux & HI != 0 {
            self.upper(x);
        }
        self.vcvtph2ps(x, x);
        self.r.set_v(e.d, x);
    }

    fn halves_out(&mut self, i: u32, e: &EvalDesc) {
        let a = self.r.get_v(e.args[0]);
        let (x, t) = (self.r.alloc_x(), self.r.alloc_x());
        self.vcvtps2ph(x, a);
        self.v3(s2(0xfd), t, x, x); // paddw: without the signs
        let least = self.splat(1, LEAST * 2);
        self.v2(s2(0x75), t, least); // pcmpeqw
        self.unless(i, e, t, x);
    }
}
