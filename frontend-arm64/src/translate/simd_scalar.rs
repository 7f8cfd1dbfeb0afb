//! AdvSIMD scalar instructions, Arm ARM C7.2: the vector ops on one-lane shapes, which clear the rest of Vd. Single- and
//! double-precision arithmetic and conversions are the scalar ops instead, as in [`super::fp`]: back ends have host
//! instructions for them.

use super::operand::int_ty;
use super::simd_elem::Elem;
use super::simd_perm::imm5;
use super::simd_shift::{immh_size, left, right};
use super::vector::arms;
use super::{Ctx, Flow};
use crate::decode::{
    ScalarElem, ScalarMisc, ScalarMiscFp, ScalarPair, ScalarSame, ScalarSameFp, ScalarShift,
};
use metaphrase_ir::ops::{Round, VBinKind, VShiftKind, VTernKind, VUnKind};
use metaphrase_ir::{Shape, Type, Value};

/// The scalar of `8 << size` bits.
fn one(size: u32) -> Shape {
    Shape::scalar(size)
}

/// Translates one three-same or three-different integer instruction.
#[rustfmt::skip]
pub fn translate_same(t: &mut Ctx<'_>, i: ScalarSame) -> Flow {
    use VBinKind as K;
    arms! { i, ScalarSame;
        k: VBinKind { size, rm, rn, rd } [SqAdd UqAdd SqSub UqSub SqShl UqShl SqRShl UqRShl SqDMulH SqRDMulH] => t.v_bin(k, one(size), rd, rn, rm);
        k: VBinKind { rm, rn, rd } [CmGt CmHi CmGe CmHs SShl UShl SRShl URShl Add Sub CmTst CmEq] => t.v_bin(k, Shape::D1, rd, rn, rm);
        k: VTernKind { size, rm, rn, rd } [SqRDMlaH SqRDMlsH] => t.v_tern(k, one(size), rd, rn, rm);
        k: VBinKind { size, rm, rn, rd } [SqDMulL] => t.v_bin(k, one(size), rd, rn, rm);
    _ {
        ScalarSame::SqDMlaL { size, rm, rn, rd } => { let m = t.v(rm); long_acc(t, K::SqAdd, size, rd, rn, m) }
        ScalarSame::SqDMlsL { size, rm, rn, rd } => { let m = t.v(rm); long_acc(t, K::SqSub, size, rd, rn, m) }
    }}
    Flow::Next
}

/// SQDMLAL, SQDMLSL: Vd = acc(Vd, 2 * Vn * m), saturating twice.
fn long_acc(t: &mut Ctx<'_>, acc: VBinKind, size: u32, rd: u32, rn: u32, m: Value) {
    let n = t.v(rn);
    let v = t.b.vbin(VBinKind::SqDMulL, one(size), n, m);
    t.v_acc(acc, one(size + 1), rd, v);
}

/// Translates one three-same floating-point instruction.
#[rustfmt::skip]
pub fn translate_same_fp(t: &mut Ctx<'_>, i: ScalarSameFp) -> Flow {
    use VBinKind as K;
    use ScalarSameFp as F;
    arms! { i, ScalarSameFp;
        k: VBinKind { sz, rm, rn, rd } [FMulX FCmEq FCmGe FCmGt FacGe FacGt FRecpS FRsqrtS] => t.v_bin(k, one(2 + sz), rd, rn, rm);
    _ {
        F::FAbd { sz, rm, rn, rd } => {
            let (n, m) = (t.f(sz, rn), t.f(sz, rm));
            let v = t.b.fsub(n, m);
            let v = t.b.fabs(v);
            t.set_scalar(rd, v);
        }
        F::FAbdHalf { rm, rn, rd } => t.v_bin(K::FAbd, Shape::H1, rd, rn, rm),
        F::FMulXHalf { rm, rn, rd } => t.v_bin(K::FMulX, Shape::H1, rd, rn, rm),
        F::FCmEqHalf { rm, rn, rd } => t.v_bin(K::FCmEq, Shape::H1, rd, rn, rm),
        F::FCmGeHalf { rm, rn, rd } => t.v_bin(K::FCmGe, Shape::H1, rd, rn, rm),
        F::FCmGtHalf { rm, rn, rd } => t.v_bin(K::FCmGt, Shape::H1, rd, rn, rm),
        F::FacGeHalf { rm, rn, rd } => t.v_bin(K::FacGe, Shape::H1, rd, rn, rm),
        F::FacGtHalf { rm, rn, rd } => t.v_bin(K::FacGt, Shape::H1, rd, rn, rm),
        F::FRecpSHalf { rm, rn, rd } => t.v_bin(K::FRecpS, Shape::H1, rd, rn, rm),
        F::FRsqrtSHalf { rm, rn, rd } => t.v_bin(K::FRsqrtS, Shape::H1, rd, rn, rm),
    }}
    Flow::Next
}

/// Translates one two-register integer instruction.
#[rustfmt::skip]
pub fn translate_misc(t: &mut Ctx<'_>, i: ScalarMisc) -> Flow {
    arms! { i, ScalarMisc;
        k: VBinKind { size, rn, rd } [SuqAdd UsqAdd] => { let n = t.v(rn); t.v_acc(k, one(size), rd, n) };
        k: VUnKind { size, rn, rd } [SqAbs SqNeg SqXtUn SqXtn UqXtn] => t.v_un(k, one(size), rd, rn);
        k: VUnKind { rn, rd } [CmGt0 CmGe0 CmEq0 CmLe0 CmLt0 Abs Neg] => t.v_un(k, Shape::D1, rd, rn);
    _ {} }
    Flow::Next
}

/// Translates one two-register floating-point instruction.
#[rustfmt::skip]
pub fn translate_misc_fp(t: &mut Ctx<'_>, i: ScalarMiscFp) -> Flow {
    use ScalarMiscFp as F;
    use VShiftKind as S;
    use VUnKind as K;
    const H1: Shape = Shape::H1;
    arms! { i, ScalarMiscFp;
        k: VUnKind { sz, rn, rd } [FRecpE FRsqrtE FRecpX FCmGt0 FCmGe0 FCmEq0 FCmLe0 FCmLt0] => t.v_un(k, one(2 + sz), rd, rn);
        k: VUnKind { rn, rd } [FCvtXn] => t.v_un(k, Shape::S1, rd, rn);
    _ {
        F::FCvtNS { sz, rn, rd } => to_int(t, Round::TieEven, true, sz, rd, rn, 0),
        F::FCvtNU { sz, rn, rd } => to_int(t, Round::TieEven, false, sz, rd, rn, 0),
        F::FCvtPS { sz, rn, rd } => to_int(t, Round::PosInf, true, sz, rd, rn, 0),
        F::FCvtPU { sz, rn, rd } => to_int(t, Round::PosInf, false, sz, rd, rn, 0),
        F::FCvtMS { sz, rn, rd } => to_int(t, Round::NegInf, true, sz, rd, rn, 0),
        F::FCvtMU { sz, rn, rd } => to_int(t, Round::NegInf, false, sz, rd, rn, 0),
        F::FCvtZS { sz, rn, rd } => to_int(t, Round::Zero, true, sz, rd, rn, 0),
        F::FCvtZU { sz, rn, rd } => to_int(t, Round::Zero, false, sz, rd, rn, 0),
        F::FCvtAS { sz, rn, rd } => to_int(t, Round::TieAway, true, sz, rd, rn, 0),
        F::FCvtAU { sz, rn, rd } => to_int(t, Round::TieAway, false, sz, rd, rn, 0),
        F::SCvtF { sz, rn, rd } => from_int(t, true, sz, rd, rn, 0),
        F::UCvtF { sz, rn, rd } => from_int(t, false, sz, rd, rn, 0),
        F::FCvtNSHalf { rn, rd } => t.v_un(K::FCvtNS, H1, rd, rn),
        F::FCvtNUHalf { rn, rd } => t.v_un(K::FCvtNU, H1, rd, rn),
        F::FCvtPSHalf { rn, rd } => t.v_un(K::FCvtPS, H1, rd, rn),
        F::FCvtPUHalf { rn, rd } => t.v_un(K::FCvtPU, H1, rd, rn),
        F::FCvtMSHalf { rn, rd } => t.v_un(K::FCvtMS, H1, rd, rn),
        F::FCvtMUHalf { rn, rd } => t.v_un(K::FCvtMU, H1, rd, rn),
        F::FCvtASHalf { rn, rd } => t.v_un(K::FCvtAS, H1, rd, rn),
        F::FCvtAUHalf { rn, rd } => t.v_un(K::FCvtAU, H1, rd, rn),
        F::FRecpEHalf { rn, rd } => t.v_un(K::FRecpE, H1, rd, rn),
        F::FRsqrtEHalf { rn, rd } => t.v_un(K::FRsqrtE, H1, rd, rn),
        F::FRecpXHalf { rn, rd } => t.v_un(K::FRecpX, H1, rd, rn),
        F::FCmGt0Half { rn, rd } => t.v_un(K::FCmGt0, H1, rd, rn),
        F::FCmGe0Half { rn, rd } => t.v_un(K::FCmGe0, H1, rd, rn),
        F::FCmEq0Half { rn, rd } => t.v_un(K::FCmEq0, H1, rd, rn),
        F::FCmLe0Half { rn, rd } => t.v_un(K::FCmLe0, H1, rd, rn),
        F::FCmLt0Half { rn, rd } => t.v_un(K::FCmLt0, H1, rd, rn),
        F::FCvtZSHalf { rn, rd } => t.v_shift(S::FCvtZS, H1, rd, rn, 0),
        F::FCvtZUHalf { rn, rd } => t.v_shift(S::FCvtZU, H1, rd, rn, 0),
        F::SCvtFHalf { rn, rd } => t.v_shift(S::SCvtF, H1, rd, rn, 0),
        F::UCvtFHalf { rn, rd } => t.v_shift(S::UCvtF, H1, rd, rn, 0),
    }}
    Flow::Next
}

/// Sd or Dd (`sz`) = the integer of the same size.
fn to_int(t: &mut Ctx<'_>, r: Round, signed: bool, sz: u32, rd: u32, rn: u32, fbits: u32) {
    let n = t.f(sz, rn);
    let v = t.b.f_to_int(int_ty(sz), r, signed, n, fbits);
    t.set_scalar(rd, v);
}

/// Sd or Dd (`sz`) = the float of the integer of the same size.
fn from_int(t: &mut Ctx<'_>, signed: bool, sz: u32, rd: u32, rn: u32, fbits: u32) {
    let n = t.lane(int_ty(sz), 2 + sz, rn, 0);
    let ty = if sz == 0 { Type::F32 } else { Type::F64 };
    let v = t.b.int_to_f(ty, signed, n, fbits);
    t.set_scalar(rd, v);
}

/// Translates one pairwise instruction or DUP (scalar).
#[rustfmt::skip]
pub fn translate_pair(t: &mut Ctx<'_>, i: ScalarPair) -> Flow {
    use ScalarPair as P;
    use VBinKind as K;
    match i {
        P::AddP { rn, rd } => pair(t, K::Add, 3, rd, rn),
        P::FMaxNmP { sz, rn, rd } => { let (a, b) = lanes(t, sz, rn); let v = t.b.fmaxnm(a, b); t.set_scalar(rd, v) }
        P::FMinNmP { sz, rn, rd } => { let (a, b) = lanes(t, sz, rn); let v = t.b.fminnm(a, b); t.set_scalar(rd, v) }
        P::FAddP { sz, rn, rd } => { let (a, b) = lanes(t, sz, rn); let v = t.b.fadd(a, b); t.set_scalar(rd, v) }
        P::FMaxP { sz, rn, rd } => { let (a, b) = lanes(t, sz, rn); let v = t.b.fmax(a, b); t.set_scalar(rd, v) }
        P::FMinP { sz, rn, rd } => { let (a, b) = lanes(t, sz, rn); let v = t.b.fmin(a, b); t.set_scalar(rd, v) }
        P::FMaxNmPHalf { rn, rd } => pair(t, K::FMaxNm, 1, rd, rn),
        P::FMinNmPHalf { rn, rd } => pair(t, K::FMinNm, 1, rd, rn),
        P::FAddPHalf { rn, rd } => pair(t, K::FAdd, 1, rd, rn),
        P::FMaxPHalf { rn, rd } => pair(t, K::FMax, 1, rd, rn),
        P::FMinPHalf { rn, rd } => pair(t, K::FMin, 1, rd, rn),
        P::DupElem { imm5: i, rn, rd } => {
            let (log2, index) = imm5(i);
            let v = t.v_elem(log2, rn, index);
            t.set_v(rd, v);
        }
    }
    Flow::Next
}

/// Lanes 0 and 1 as floats.
fn lanes(t: &mut Ctx<'_>, sz: u32, rn: u32) -> (Value, Value) {
    let ty = if sz == 0 { Type::F32 } else { Type::F64 };
    (t.lane(ty, 2 + sz, rn, 0), t.lane(ty, 2 + sz, rn, 1))
}

/// Lane 0 op lane 1.
fn pair(t: &mut Ctx<'_>, k: VBinKind, size: u32, rd: u32, rn: u32) {
    let (a, b) = (t.v(rn), t.v_elem(size, rn, 1));
    let v = t.b.vbin(k, one(size), a, b);
    t.set_v(rd, v);
}

/// Translates one scalar by-element instruction.
#[rustfmt::skip]
pub fn translate_elem(t: &mut Ctx<'_>, i: ScalarElem) -> Flow {
    use ScalarElem as E;
    use VBinKind as K;
    arms! { i, ScalarElem;
        k: VBinKind { size, l, m, h, rm4, rn, rd } [SqDMulL SqDMulH SqRDMulH] => elem_bin(t, k, Elem { size, l, m, h, rm4 }, rd, rn);
        k: VTernKind { size, l, m, h, rm4, rn, rd } [SqRDMlaH SqRDMlsH] => elem_tern(t, k, Elem { size, l, m, h, rm4 }, rd, rn);
    _ {
        E::FMla { sz, l, m, h, rm4, rn, rd } => {
            let (a, n, m) = (t.f(sz, rd), t.f(sz, rn), f_elem(t, sz, l, m, h, rm4));
            let v = t.b.fmuladd(a, n, m);
            t.set_scalar(rd, v);
        }
        E::FMls { sz, l, m, h, rm4, rn, rd } => {
            let (a, n, m) = (t.f(sz, rd), t.f(sz, rn), f_elem(t, sz, l, m, h, rm4));
            let n = t.b.fneg(n);
            let v = t.b.fmuladd(a, n, m);
            t.set_scalar(rd, v);
        }
        E::FMul { sz, l, m, h, rm4, rn, rd } => {
            let (n, m) = (t.f(sz, rn), f_elem(t, sz, l, m, h, rm4));
            let v = t.b.fmul(n, m);
            t.set_scalar(rd, v);
        }
        E::FMulX { sz, l, m, h, rm4, rn, rd } => {
            let (n, m) = (t.f(sz, rn), f_elem(t, sz, l, m, h, rm4));
            let v = t.b.fmulx(n, m);
            t.set_scalar(rd, v);
        }
        E::SqDMlaL { size, l, m, h, rm4, rn, rd } => { let m = elem(t, Elem { size, l, m, h, rm4 }); long_acc(t, K::SqAdd, size, rd, rn, m) }
        E::SqDMlsL { size, l, m, h, rm4, rn, rd } => { let m = elem(t, Elem { size, l, m, h, rm4 }); long_acc(t, K::SqSub, size, rd, rn, m) }
        E::FMlaHalf { l, m, h, rm4, rn, rd } => elem_tern(t, VTernKind::FMla, Elem { size: 1, l, m, h, rm4 }, rd, rn),
        E::FMlsHalf { l, m, h, rm4, rn, rd } => elem_tern(t, VTernKind::FMls, Elem { size: 1, l, m, h, rm4 }, rd, rn),
        E::FMulHalf { l, m, h, rm4, rn, rd } => elem_bin(t, K::FMul, Elem { size: 1, l, m, h, rm4 }, rd, rn),
        E::FMulXHalf { l, m, h, rm4, rn, rd } => elem_bin(t, K::FMulX, Elem { size: 1, l, m, h, rm4 }, rd, rn),
    }}
    Flow::Next
}

/// The element as a float, of the size that `sz` says.
fn f_elem(t: &mut Ctx<'_>, sz: u32, l: u32, m: u32, h: u32, rm4: u32) -> Value {
    let e = Elem {
        size: 2 + sz,
        l,
        m,
        h,
        rm4,
    };
    let (rm, index) = e.place();
    let ty = if sz == 0 { Type::F32 } else { Type::F64 };
    t.lane(ty, e.size, rm, index)
}

/// The element in lane 0, other lanes anything.
fn elem(t: &mut Ctx<'_>, e: Elem) -> Value {
    let (rm, index) = e.place();
    if index == 0 {
        t.v(rm)
    } else {
        t.v_elem(e.size, rm, index)
    }
}

fn elem_bin(t: &mut Ctx<'_>, k: VBinKind, e: Elem, rd: u32, rn: u32) {
    let (n, m) = (t.v(rn), elem(t, e));
    let v = t.b.vbin(k, one(e.size), n, m);
    t.set_v(rd, v);
}

fn elem_tern(t: &mut Ctx<'_>, k: VTernKind, e: Elem, rd: u32, rn: u32) {
    let (n, m) = (t.v(rn), elem(t, e));
    t.v_tern_with(k, one(e.size), rd, n, m);
}

/// Translates one scalar shift by immediate.
#[rustfmt::skip]
pub fn translate_shift(t: &mut Ctx<'_>, i: ScalarShift) -> Flow {
    use ScalarShift as F;
    use VShiftKind as K;
    const D1: Shape = Shape::D1;
    // immh:immb of a 64-bit element is 64 + imm6: left by imm6, right by 64 - imm6.
    arms! { i, ScalarShift;
        k: VShiftKind { imm6, rn, rd } [SShr UShr SRShr URShr] => t.v_shift(k, D1, rd, rn, 64 - imm6);
        k: VShiftKind { imm6, rn, rd } [Shl] => t.v_shift(k, D1, rd, rn, imm6);
        k: VShiftKind { imm6, rn, rd } [Sri] => t.v_shift_insert(k, D1, rd, rn, 64 - imm6);
        k: VShiftKind { imm6, rn, rd } [Sli] => t.v_shift_insert(k, D1, rd, rn, imm6);
        k: VShiftKind { immh: h, immb: b, rn, rd } [SqShl UqShl SqShlU] => t.v_shift(k, one(immh_size(h)), rd, rn, left(h, b));
        k: VShiftKind { immh: h, immb: b, rn, rd } [SqShrn UqShrn SqRshrn UqRshrn SqShrun SqRshrun] => {
            t.v_shift(k, one(immh_size(h)), rd, rn, right(h, b));
        };
    _ {
        F::SCvtF { immh: h, immb: b, rn, rd } => from_int(t, true, immh_size(h) - 2, rd, rn, right(h, b)),
        F::UCvtF { immh: h, immb: b, rn, rd } => from_int(t, false, immh_size(h) - 2, rd, rn, right(h, b)),
        F::FCvtZS { immh: h, immb: b, rn, rd } => to_int(t, Round::Zero, true, immh_size(h) - 2, rd, rn, right(h, b)),
        F::FCvtZU { immh: h, immb: b, rn, rd } => to_int(t, Round::Zero, false, immh_size(h) - 2, rd, rn, right(h, b)),
        F::SSra { imm6, rn, rd } => t.v_shift_acc(K::SShr, D1, rd, rn, 64 - imm6),
        F::USra { imm6, rn, rd } => t.v_shift_acc(K::UShr, D1, rd, rn, 64 - imm6),
        F::SRSra { imm6, rn, rd } => t.v_shift_acc(K::SRShr, D1, rd, rn, 64 - imm6),
        F::URSra { imm6, rn, rd } => t.v_shift_acc(K::URShr, D1, rd, rn, 64 - imm6),
        F::SCvtFHalf { imm, immb, rn, rd } => t.v_shift(K::SCvtF, Shape::H1, rd, rn, right(2 | imm, immb)),
        F::UCvtFHalf { imm, immb, rn, rd } => t.v_shift(K::UCvtF, Shape::H1, rd, rn, right(2 | imm, immb)),
        F::FCvtZSHalf { imm, immb, rn, rd } => t.v_shift(K::FCvtZS, Shape::H1, rd, rn, right(2 | imm, immb)),
        F::FCvtZUHalf { imm, immb, rn, rd } => t.v_shift(K::FCvtZU, Shape::H1, rd, rn, right(2 | imm, immb)),
    }}
    Flow::Next
}
