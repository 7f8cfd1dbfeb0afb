//! AdvSIMD two-register miscellaneous, Arm ARM C7.2: integer, floating point, half precision.

use super::vector::{arms, bytes, narrow, shape};
use super::{Ctx, Flow};
use crate::decode::{SimdMisc, SimdMiscFp, SimdMiscHalf};
use metaphrase_ir::Shape;
use metaphrase_ir::ops::{VBinKind, VShiftKind, VUnKind};

/// Translates one integer instruction.
#[rustfmt::skip]
pub fn translate(t: &mut Ctx<'_>, i: SimdMisc) -> Flow {
    use VUnKind as K;
    arms! { i, SimdMisc;
        k: VUnKind { q, size, rn, rd } [
            Rev64 Rev32 SAddLp UAddLp Cls Clz SqAbs SqNeg CmGt0 CmGe0 CmEq0 CmLe0 CmLt0 Abs Neg
        ] => t.v_un(k, shape(size, q), rd, rn);
        k: VUnKind { q, rn, rd } [Rev16 Cnt Not Rbit] => t.v_un(k, bytes(q), rd, rn);
        k: VUnKind { q, size, rn, rd } [Xtn SqXtUn SqXtn UqXtn] => narrowing(t, k, narrow(size), q, rd, rn);
        k: VBinKind { q, size, rn, rd } [SuqAdd UsqAdd] => { let n = t.v(rn); t.v_acc(k, shape(size, q), rd, n) };
    _ {
        SimdMisc::SAdaLp { q, size, rn, rd } => ada_lp(t, K::SAddLp, size, q, rd, rn),
        SimdMisc::UAdaLp { q, size, rn, rd } => ada_lp(t, K::UAddLp, size, q, rd, rn),
        SimdMisc::Shll { q, size, rn, rd } => {
            let n = t.v(rn);
            let v = t.b.vshift_long(VShiftKind::UShll, narrow(size), q != 0, n, 8 << size);
            t.set_v(rd, v);
        }
    }}
    Flow::Next
}

/// SADALP, UADALP: Vd += pairwise sums, lanes twice as wide.
fn ada_lp(t: &mut Ctx<'_>, k: VUnKind, size: u32, q: u32, rd: u32, rn: u32) {
    let n = t.v(rn);
    let v = t.b.vun(k, shape(size, q), n);
    t.v_acc(VBinKind::Add, shape(size + 1, q), rd, v);
}

fn narrowing(t: &mut Ctx<'_>, k: VUnKind, s: Shape, q: u32, rd: u32, rn: u32) {
    let n = t.v(rn);
    let v = t.b.vun(k, s, n);
    t.set_narrow(q, rd, v);
}

/// Translates one single- or double-precision instruction.
#[rustfmt::skip]
pub fn translate_fp(t: &mut Ctx<'_>, i: SimdMiscFp) -> Flow {
    arms! { i, SimdMiscFp;
        k: VUnKind { q, sz, rn, rd } [
            FRintN FRintA FRintP FRintM FRintX FRintZ FRintI FRint32Z FRint32X FRint64Z FRint64X
            FCvtNS FCvtNU FCvtPS FCvtPU FCvtMS FCvtMU FCvtAS FCvtAU FRecpE FRsqrtE FSqrt
            FCmGt0 FCmGe0 FCmEq0 FCmLe0 FCmLt0 FAbs FNeg
        ] => t.v_un(k, shape(2 + sz, q), rd, rn);
        k: VShiftKind { q, sz, rn, rd } [FCvtZS FCvtZU SCvtF UCvtF] => t.v_shift(k, shape(2 + sz, q), rd, rn, 0);
        k: VUnKind { q, rn, rd } [URecpE URsqrtE] => t.v_un(k, shape(2, q), rd, rn);
        k: VUnKind { q, rn, rd } [FCvtXn] => narrowing(t, k, Shape::S2, q, rd, rn);
        k: VUnKind { q, rn, rd } [BfCvtN] => narrowing(t, k, Shape::H4, q, rd, rn);
        k: VUnKind { q, sz, rn, rd } [FCvtN] => narrowing(t, k, narrow(1 + sz), q, rd, rn);
        k: VUnKind { q, sz, rn, rd } [FCvtL] => {
            let n = t.v(rn);
            let v = t.b.vun_long(k, narrow(1 + sz), q != 0, n);
            t.set_v(rd, v);
        };
    _ {} }
    Flow::Next
}

/// Translates one half-precision instruction.
#[rustfmt::skip]
pub fn translate_half(t: &mut Ctx<'_>, i: SimdMiscHalf) -> Flow {
    arms! { i, SimdMiscHalf;
        k: VUnKind { q, rn, rd } [
            FRintN FRintA FRintP FRintM FRintX FRintZ FRintI FCvtNS FCvtNU FCvtPS FCvtPU FCvtMS FCvtMU FCvtAS FCvtAU
            FRecpE FRsqrtE FSqrt FCmGt0 FCmGe0 FCmEq0 FCmLe0 FCmLt0 FAbs FNeg
        ] => t.v_un(k, shape(1, q), rd, rn);
        k: VShiftKind { q, rn, rd } [FCvtZS FCvtZU SCvtF UCvtF] => t.v_shift(k, shape(1, q), rd, rn, 0);
    _ {} }
    Flow::Next
}
