//! Scalar floating point, Arm ARM C7.2. Singles and doubles are scalar ops; halves are one-lane vector ops (`H1`).

use super::vector::arms;
use super::{Ctx, Flow};
use crate::decode::simd_imm::vfp_expand;
use crate::decode::{Fp, FpHalf};
use metaphrase_ir::ops::{Round, VBinKind, VTernKind, VUnKind};
use metaphrase_ir::{Builder, Shape, Type, Value};

impl<'a> Ctx<'a> {
    /// Sn or Dn by `t` (0 single, 1 double).
    pub fn f(&mut self, t: u32, n: u32) -> Value {
        if t == 0 { self.s(n) } else { self.d(n) }
    }

    /// +0 of the type that `t` says.
    fn f_zero(&mut self, t: u32) -> Value {
        self.b.iconst(if t == 0 { Type::F32 } else { Type::F64 }, 0)
    }

    fn f_bin(
        &mut self,
        op: fn(&mut Builder<'a>, Value, Value) -> Value,
        t: u32,
        rd: u32,
        rn: u32,
        rm: u32,
    ) {
        let (n, m) = (self.f(t, rn), self.f(t, rm));
        let v = op(&mut self.b, n, m);
        self.set_scalar(rd, v);
    }

    fn f_rint(&mut self, r: Round, exact: bool, t: u32, rd: u32, rn: u32) {
        let n = self.f(t, rn);
        let v = self.b.frint(r, exact, n);
        self.set_scalar(rd, v);
    }

    fn f_rint_n(&mut self, r: Round, bits: u64, t: u32, rd: u32, rn: u32) {
        let n = self.f(t, rn);
        let v = self.b.frint_n(r, bits, n);
        self.set_scalar(rd, v);
    }

    /// FPMulAdd(+-a, +-n, m).
    fn f_muladd(&mut self, neg: (bool, bool), t: u32, rd: u32, ra: u32, rn: u32, rm: u32) {
        let (mut a, mut n, m) = (self.f(t, ra), self.f(t, rn), self.f(t, rm));
        if neg.0 {
            a = self.b.fneg(a);
        }
        if neg.1 {
            n = self.b.fneg(n);
        }
        let v = self.b.fmuladd(a, n, m);
        self.set_scalar(rd, v);
    }

    fn f_cmp(&mut self, signaling: bool, n: Value, m: Value) {
        let f = self.b.flags_fcmp(n, m, signaling);
        self.set_flags(f);
    }

    /// FCCMP, FCCMPE. When the condition fails nothing is compared, so that no exception is recorded.
    fn f_ccmp(&mut self, signaling: bool, cond: u32, nzcv: u32, n: Value, m: Value) {
        let c = self.cond(cond);
        let ty = self.b.ty(n);
        let zero = self.b.iconst(ty, 0);
        let (n, m) = (self.b.select(c, n, zero), self.b.select(c, m, zero));
        let f = self.b.flags_fcmp(n, m, signaling);
        let f = self.b.flags_select(c, f, nzcv << 28);
        self.set_flags(f);
    }
}

/// Translates one instruction of the class.
#[rustfmt::skip]
pub fn translate(t: &mut Ctx<'_>, i: Fp) -> Flow {
    match i {
        Fp::FMov { t: ft, rn, rd } => { let n = t.f(ft, rn); t.set_scalar(rd, n) }
        Fp::FAbs { t: ft, rn, rd } => { let n = t.f(ft, rn); let v = t.b.fabs(n); t.set_scalar(rd, v) }
        Fp::FNeg { t: ft, rn, rd } => { let n = t.f(ft, rn); let v = t.b.fneg(n); t.set_scalar(rd, v) }
        Fp::FSqrt { t: ft, rn, rd } => { let n = t.f(ft, rn); let v = t.b.fsqrt(n); t.set_scalar(rd, v) }
        Fp::FRintN { t: ft, rn, rd } => t.f_rint(Round::TieEven, false, ft, rd, rn),
        Fp::FRintP { t: ft, rn, rd } => t.f_rint(Round::PosInf, false, ft, rd, rn),
        Fp::FRintM { t: ft, rn, rd } => t.f_rint(Round::NegInf, false, ft, rd, rn),
        Fp::FRintZ { t: ft, rn, rd } => t.f_rint(Round::Zero, false, ft, rd, rn),
        Fp::FRintA { t: ft, rn, rd } => t.f_rint(Round::TieAway, false, ft, rd, rn),
        Fp::FRintX { t: ft, rn, rd } => t.f_rint(Round::Current, true, ft, rd, rn),
        Fp::FRintI { t: ft, rn, rd } => t.f_rint(Round::Current, false, ft, rd, rn),
        Fp::FRint32Z { t: ft, rn, rd } => t.f_rint_n(Round::Zero, 32, ft, rd, rn),
        Fp::FRint32X { t: ft, rn, rd } => t.f_rint_n(Round::Current, 32, ft, rd, rn),
        Fp::FRint64Z { t: ft, rn, rd } => t.f_rint_n(Round::Zero, 64, ft, rd, rn),
        Fp::FRint64X { t: ft, rn, rd } => t.f_rint_n(Round::Current, 64, ft, rd, rn),
        Fp::FMul { t: ft, rm, rn, rd } => t.f_bin(Builder::fmul, ft, rd, rn, rm),
        Fp::FDiv { t: ft, rm, rn, rd } => t.f_bin(Builder::fdiv, ft, rd, rn, rm),
        Fp::FAdd { t: ft, rm, rn, rd } => t.f_bin(Builder::fadd, ft, rd, rn, rm),
        Fp::FSub { t: ft, rm, rn, rd } => t.f_bin(Builder::fsub, ft, rd, rn, rm),
        Fp::FMax { t: ft, rm, rn, rd } => t.f_bin(Builder::fmax, ft, rd, rn, rm),
        Fp::FMin { t: ft, rm, rn, rd } => t.f_bin(Builder::fmin, ft, rd, rn, rm),
        Fp::FMaxNm { t: ft, rm, rn, rd } => t.f_bin(Builder::fmaxnm, ft, rd, rn, rm),
        Fp::FMinNm { t: ft, rm, rn, rd } => t.f_bin(Builder::fminnm, ft, rd, rn, rm),
        Fp::FNMul { t: ft, rm, rn, rd } => t.f_bin(|b, n, m| { let p = b.fmul(n, m); b.fneg(p) }, ft, rd, rn, rm),
        Fp::FMAdd { t: ft, ra, rm, rn, rd } => t.f_muladd((false, false), ft, rd, ra, rn, rm),
        Fp::FMSub { t: ft, ra, rm, rn, rd } => t.f_muladd((false, true), ft, rd, ra, rn, rm),
        Fp::FNMAdd { t: ft, ra, rm, rn, rd } => t.f_muladd((true, true), ft, rd, ra, rn, rm),
        Fp::FNMSub { t: ft, ra, rm, rn, rd } => t.f_muladd((true, false), ft, rd, ra, rn, rm),
        Fp::FCmp { t: ft, rm, rn } => { let (n, m) = (t.f(ft, rn), t.f(ft, rm)); t.f_cmp(false, n, m) }
        Fp::FCmpE { t: ft, rm, rn } => { let (n, m) = (t.f(ft, rn), t.f(ft, rm)); t.f_cmp(true, n, m) }
        Fp::FCmpZero { t: ft, rn } => { let (n, m) = (t.f(ft, rn), t.f_zero(ft)); t.f_cmp(false, n, m) }
        Fp::FCmpEZero { t: ft, rn } => { let (n, m) = (t.f(ft, rn), t.f_zero(ft)); t.f_cmp(true, n, m) }
        Fp::FCcmp { t: ft, cond, nzcv, rm, rn } => { let (n, m) = (t.f(ft, rn), t.f(ft, rm)); t.f_ccmp(false, cond, nzcv, n, m) }
        Fp::FCcmpE { t: ft, cond, nzcv, rm, rn } => { let (n, m) = (t.f(ft, rn), t.f(ft, rm)); t.f_ccmp(true, cond, nzcv, n, m) }
        Fp::FCsel { t: ft, cond, rm, rn, rd } => {
            let (c, n, m) = (t.cond(cond), t.f(ft, rn), t.f(ft, rm));
            let v = t.b.select(c, n, m);
            t.set_scalar(rd, v);
        }
        Fp::FMovImm { t: ft, imm8, rd } => { let v = t.b.vconst(vfp_expand(imm8, 2 + ft).into()); t.set_v(rd, v) }
        Fp::FCvt { ftype, opc, rn, rd } => fcvt(t, ftype, opc, rd, rn),
        Fp::BFCvt { rn, rd } => t.v_un(VUnKind::BfCvtN, Shape::H1, rd, rn),
    }
    Flow::Next
}

/// FCVT between formats numbered as `ftype`: 0 single, 1 double, 3 half.
fn fcvt(t: &mut Ctx<'_>, from: u32, to: u32, rd: u32, rn: u32) {
    let ty = if to == 0 { Type::F32 } else { Type::F64 };
    match (from, to) {
        (3, _) => {
            let n = t.h(rn);
            let v = t.b.fcvt_from_h(ty, n);
            t.set_scalar(rd, v);
        }
        (_, 3) => {
            let n = t.f(from, rn);
            let v = t.b.fcvt_to_h(n);
            t.set_h(rd, v);
        }
        _ => {
            let n = t.f(from, rn);
            let v = t.b.fcvt(ty, n);
            t.set_scalar(rd, v);
        }
    }
}

/// Translates one half-precision instruction.
#[rustfmt::skip]
pub fn translate_half(t: &mut Ctx<'_>, i: FpHalf) -> Flow {
    arms! { i, FpHalf;
        k: VUnKind { rn, rd } [FAbs FNeg FSqrt FRintN FRintP FRintM FRintZ FRintA FRintX FRintI] => t.v_un(k, Shape::H1, rd, rn);
        k: VBinKind { rm, rn, rd } [FMul FDiv FAdd FSub FMax FMin FMaxNm FMinNm] => t.v_bin(k, Shape::H1, rd, rn, rm);
    _ {
        FpHalf::FMov { rn, rd } => { let n = t.h(rn); t.set_h(rd, n) }
        FpHalf::FNMul { rm, rn, rd } => {
            let (n, m) = (t.v(rn), t.v(rm));
            let p = t.b.vbin(VBinKind::FMul, Shape::H1, n, m);
            let v = t.b.vun(VUnKind::FNeg, Shape::H1, p);
            t.set_v(rd, v);
        }
        FpHalf::FMAdd { ra, rm, rn, rd } => half_muladd(t, (false, false), rd, ra, rn, rm),
        FpHalf::FMSub { ra, rm, rn, rd } => half_muladd(t, (false, true), rd, ra, rn, rm),
        FpHalf::FNMAdd { ra, rm, rn, rd } => half_muladd(t, (true, true), rd, ra, rn, rm),
        FpHalf::FNMSub { ra, rm, rn, rd } => half_muladd(t, (true, false), rd, ra, rn, rm),
        FpHalf::FCmp { rm, rn } => { let (n, m) = (half(t, rn), half(t, rm)); t.f_cmp(false, n, m) }
        FpHalf::FCmpE { rm, rn } => { let (n, m) = (half(t, rn), half(t, rm)); t.f_cmp(true, n, m) }
        FpHalf::FCmpZero { rn } => { let (n, m) = (half(t, rn), t.f_zero(0)); t.f_cmp(false, n, m) }
        FpHalf::FCmpEZero { rn } => { let (n, m) = (half(t, rn), t.f_zero(0)); t.f_cmp(true, n, m) }
        FpHalf::FCcmp { cond, nzcv, rm, rn } => half_ccmp(t, false, cond, nzcv, rn, rm),
        FpHalf::FCcmpE { cond, nzcv, rm, rn } => half_ccmp(t, true, cond, nzcv, rn, rm),
        FpHalf::FCsel { cond, rm, rn, rd } => {
            let (c, n, m) = (t.cond(cond), t.h(rn), t.h(rm));
            let v = t.b.select(c, n, m);
            t.set_h(rd, v);
        }
        FpHalf::FMovImm { imm8, rd } => { let v = t.b.vconst(vfp_expand(imm8, 1).into()); t.set_v(rd, v) }
    }}
    Flow::Next
}

/// Hn as a single of the same value.
fn half(t: &mut Ctx<'_>, rn: u32) -> Value {
    let n = t.v(rn);
    t.half_to_single(n)
}

fn half_muladd(t: &mut Ctx<'_>, neg: (bool, bool), rd: u32, ra: u32, rn: u32, rm: u32) {
    let (mut a, mut n, m) = (t.v(ra), t.v(rn), t.v(rm));
    if neg.0 {
        a = t.b.vun(VUnKind::FNeg, Shape::H1, a);
    }
    if neg.1 {
        n = t.b.vun(VUnKind::FNeg, Shape::H1, n);
    }
    let v = t.b.vtern(VTernKind::FMla, Shape::H1, a, n, m);
    t.set_v(rd, v);
}

/// The operands are chosen before they are widened, because widening a signaling NaN raises Invalid.
fn half_ccmp(t: &mut Ctx<'_>, signaling: bool, cond: u32, nzcv: u32, rn: u32, rm: u32) {
    let c = t.cond(cond);
    let (n, m, zero) = (t.h(rn), t.h(rm), t.b.i32(0));
    let mut widen = |v| {
        let v = t.b.select(c, v, zero);
        let v = t.b.vscalar(Shape::H1, v);
        t.half_to_single(v)
    };
    let (n, m) = (widen(n), widen(m));
    let f = t.b.flags_fcmp(n, m, signaling);
    let f = t.b.flags_select(c, f, nzcv << 28);
    t.set_flags(f);
}
