//! Scalar conversions between floating point and general registers, Arm ARM C7.2 (FCVT*, SCVTF, UCVTF, FMOV, FJCVTZS).

use super::operand::int_ty;
use super::{Ctx, Flow};
use crate::decode::{FpConv, FpConvHalf};
use metaphrase_ir::ops::Round;
use metaphrase_ir::{Shape, Type, Value};

/// Rounding and signedness of a conversion to integer.
type To = (Round, bool);

const NS: To = (Round::TieEven, true);
const NU: To = (Round::TieEven, false);
const AS: To = (Round::TieAway, true);
const AU: To = (Round::TieAway, false);
const PS: To = (Round::PosInf, true);
const PU: To = (Round::PosInf, false);
const MS: To = (Round::NegInf, true);
const MU: To = (Round::NegInf, false);
const ZS: To = (Round::Zero, true);
const ZU: To = (Round::Zero, false);

/// Translates one conversion from or to a single or double.
#[rustfmt::skip]
pub fn translate(t: &mut Ctx<'_>, i: FpConv) -> Flow {
    match i {
        FpConv::FCvtNS { sf, t: ft, rn, rd } => to_int(t, NS, sf, ft, rd, rn, 0),
        FpConv::FCvtNU { sf, t: ft, rn, rd } => to_int(t, NU, sf, ft, rd, rn, 0),
        FpConv::FCvtAS { sf, t: ft, rn, rd } => to_int(t, AS, sf, ft, rd, rn, 0),
        FpConv::FCvtAU { sf, t: ft, rn, rd } => to_int(t, AU, sf, ft, rd, rn, 0),
        FpConv::FCvtPS { sf, t: ft, rn, rd } => to_int(t, PS, sf, ft, rd, rn, 0),
        FpConv::FCvtPU { sf, t: ft, rn, rd } => to_int(t, PU, sf, ft, rd, rn, 0),
        FpConv::FCvtMS { sf, t: ft, rn, rd } => to_int(t, MS, sf, ft, rd, rn, 0),
        FpConv::FCvtMU { sf, t: ft, rn, rd } => to_int(t, MU, sf, ft, rd, rn, 0),
        FpConv::FCvtZS { sf, t: ft, rn, rd } => to_int(t, ZS, sf, ft, rd, rn, 0),
        FpConv::FCvtZU { sf, t: ft, rn, rd } => to_int(t, ZU, sf, ft, rd, rn, 0),
        FpConv::FCvtZSFix { sf, t: ft, scale, rn, rd } => to_int(t, ZS, sf, ft, rd, rn, 64 - scale),
        FpConv::FCvtZUFix { sf, t: ft, scale, rn, rd } => to_int(t, ZU, sf, ft, rd, rn, 64 - scale),
        FpConv::SCvtF { sf, t: ft, rn, rd } => from_int(t, true, sf, ft, rd, rn, 0),
        FpConv::UCvtF { sf, t: ft, rn, rd } => from_int(t, false, sf, ft, rd, rn, 0),
        FpConv::SCvtFFix { sf, t: ft, scale, rn, rd } => from_int(t, true, sf, ft, rd, rn, 64 - scale),
        FpConv::UCvtFFix { sf, t: ft, scale, rn, rd } => from_int(t, false, sf, ft, rd, rn, 64 - scale),
        FpConv::FMovToGen { sf, rn, rd, .. } => { let v = t.lane(int_ty(sf), 2 + sf, rn, 0); t.set_r(rd, v) }
        FpConv::FMovFromGen { sf, rn, rd, .. } => { let v = t.r(sf, rn); t.set_scalar(rd, v) }
        FpConv::FMovHiToGen { rn, rd } => { let v = t.lane(Type::I64, 3, rn, 1); t.set_x(rd, v) }
        FpConv::FMovGenToHi { rn, rd } => {
            let (d, x) = (t.v(rd), t.x(rn));
            let v = t.b.vinsert(Shape::D2, d, 1, x);
            t.set_v(rd, v);
        }
        FpConv::FJCvtZS { rn, rd } => fjcvtzs(t, rd, rn),
    }
    Flow::Next
}

/// Translates one conversion from or to a half.
#[rustfmt::skip]
pub fn translate_half(t: &mut Ctx<'_>, i: FpConvHalf) -> Flow {
    use FpConvHalf as F;
    match i {
        F::FCvtNS { sf, rn, rd } => half_to_int(t, NS, sf, rd, rn, 0),
        F::FCvtNU { sf, rn, rd } => half_to_int(t, NU, sf, rd, rn, 0),
        F::FCvtAS { sf, rn, rd } => half_to_int(t, AS, sf, rd, rn, 0),
        F::FCvtAU { sf, rn, rd } => half_to_int(t, AU, sf, rd, rn, 0),
        F::FCvtPS { sf, rn, rd } => half_to_int(t, PS, sf, rd, rn, 0),
        F::FCvtPU { sf, rn, rd } => half_to_int(t, PU, sf, rd, rn, 0),
        F::FCvtMS { sf, rn, rd } => half_to_int(t, MS, sf, rd, rn, 0),
        F::FCvtMU { sf, rn, rd } => half_to_int(t, MU, sf, rd, rn, 0),
        F::FCvtZS { sf, rn, rd } => half_to_int(t, ZS, sf, rd, rn, 0),
        F::FCvtZU { sf, rn, rd } => half_to_int(t, ZU, sf, rd, rn, 0),
        F::FCvtZSFix { sf, scale, rn, rd } => half_to_int(t, ZS, sf, rd, rn, 64 - scale),
        F::FCvtZUFix { sf, scale, rn, rd } => half_to_int(t, ZU, sf, rd, rn, 64 - scale),
        F::SCvtF { sf, rn, rd } => half_from_int(t, true, sf, rd, rn, 0),
        F::UCvtF { sf, rn, rd } => half_from_int(t, false, sf, rd, rn, 0),
        F::SCvtFFix { sf, scale, rn, rd } => half_from_int(t, true, sf, rd, rn, 64 - scale),
        F::UCvtFFix { sf, scale, rn, rd } => half_from_int(t, false, sf, rd, rn, 64 - scale),
        F::FMovToGen { sf, rn, rd } => { let v = t.lane(int_ty(sf), 1, rn, 0); t.set_r(rd, v) }
        F::FMovFromGen { rn, rd, .. } => { let v = t.w(rn); t.set_h(rd, v) }
    }
    Flow::Next
}

fn to_int(t: &mut Ctx<'_>, to: To, sf: u32, ft: u32, rd: u32, rn: u32, fbits: u32) {
    let n = t.f(ft, rn);
    float_to_int(t, to, sf, rd, n, fbits);
}

fn half_to_int(t: &mut Ctx<'_>, to: To, sf: u32, rd: u32, rn: u32, fbits: u32) {
    let n = t.v(rn);
    let n = t.half_to_single(n);
    float_to_int(t, to, sf, rd, n, fbits);
}

/// A conversion may raise exceptions, so it is done even if its result is discarded.
fn float_to_int(t: &mut Ctx<'_>, to: To, sf: u32, rd: u32, n: Value, fbits: u32) {
    let v = t.b.f_to_int(int_ty(sf), to.0, to.1, n, fbits);
    t.set_r(rd, v);
}

fn from_int(t: &mut Ctx<'_>, signed: bool, sf: u32, ft: u32, rd: u32, rn: u32, fbits: u32) {
    let n = t.r(sf, rn);
    let ty = if ft == 0 { Type::F32 } else { Type::F64 };
    let v = t.b.int_to_f(ty, signed, n, fbits);
    t.set_scalar(rd, v);
}

fn half_from_int(t: &mut Ctx<'_>, signed: bool, sf: u32, rd: u32, rn: u32, fbits: u32) {
    let n = t.r(sf, rn);
    let v = t.b.int_to_h(signed, n, fbits);
    t.set_h(rd, v);
}

/// FJCVTZS: also NZCV, with Z alone when the conversion was exact.
fn fjcvtzs(t: &mut Ctx<'_>, rd: u32, rn: u32) {
    let n = t.d(rn);
    let (v, exact) = t.b.fjcvt(n);
    t.set_w(rd, v);
    let z = t.b.bool_to_int(Type::I32, exact);
    let z = t.b.shl_i(z, 30);
    let f = t.b.flags_pack(z);
    t.set_flags(f);
}
