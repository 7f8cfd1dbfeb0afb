//! AdvSIMD three same (integer, floating point, half precision, extension), Arm ARM C7.2.

use super::vector::{arms, bytes, shape};
use super::{Ctx, Flow};
use crate::decode::{SimdSame, SimdSameExtra, SimdSameFp, SimdSameHalf};
use metaphrase_ir::Shape;
use metaphrase_ir::ops::{VBinKind, VTernKind};

/// Translates one integer or bitwise instruction.
#[rustfmt::skip]
pub fn translate(t: &mut Ctx<'_>, i: SimdSame) -> Flow {
    use VBinKind as K;
    arms! { i, SimdSame;
        k: VBinKind { q, size, rm, rn, rd } [
            SHAdd UHAdd SRHAdd URHAdd SHSub UHSub SqAdd UqAdd SqSub UqSub CmGt CmHi CmGe CmHs CmTst CmEq
            SShl UShl SqShl UqShl SRShl URShl SqRShl UqRShl SMax UMax SMin UMin SAbd UAbd Add Sub Mul
            SMaxP UMaxP SMinP UMinP AddP SqDMulH SqRDMulH
        ] => t.v_bin(k, shape(size, q), rd, rn, rm);
        k: VTernKind { q, size, rm, rn, rd } [Mla Mls] => t.v_tern(k, shape(size, q), rd, rn, rm);
        k: VBinKind { q, rm, rn, rd } [And PMul] => t.v_bin(k, bytes(q), rd, rn, rm);
        k: VTernKind { q, rm, rn, rd } [Bsl] => t.v_tern(k, bytes(q), rd, rn, rm);
    _ {
        SimdSame::Bic { q, rm, rn, rd } => t.v_bin(K::AndNot, bytes(q), rd, rn, rm),
        SimdSame::Orr { q, rm, rn, rd } if rm == rn => { let v = t.v(rn); t.set_v_q(q, rd, v) }
        SimdSame::Orr { q, rm, rn, rd } => t.v_bin(K::Or, bytes(q), rd, rn, rm),
        SimdSame::Orn { q, rm, rn, rd } => t.v_bin(K::OrNot, bytes(q), rd, rn, rm),
        SimdSame::Eor { q, rm, rn, rd } => t.v_bin(K::Xor, bytes(q), rd, rn, rm),
        SimdSame::Bit { q, rm, rn, rd } => {
            let (d, n, m) = (t.v(rd), t.v(rn), t.v(rm));
            let v = t.b.vtern(VTernKind::Bsl, bytes(q), m, n, d);
            t.set_v(rd, v);
        }
        SimdSame::Bif { q, rm, rn, rd } => {
            let (d, n, m) = (t.v(rd), t.v(rn), t.v(rm));
            let v = t.b.vtern(VTernKind::Bsl, bytes(q), m, d, n);
            t.set_v(rd, v);
        }
        SimdSame::SAba { q, size, rm, rn, rd } => aba(t, K::SAbd, shape(size, q), rd, rn, rm),
        SimdSame::UAba { q, size, rm, rn, rd } => aba(t, K::UAbd, shape(size, q), rd, rn, rm),
    }}
    Flow::Next
}

/// SABA, UABA: Vd += |Vn - Vm|.
fn aba(t: &mut Ctx<'_>, k: VBinKind, s: Shape, rd: u32, rn: u32, rm: u32) {
    let (n, m) = (t.v(rn), t.v(rm));
    let v = t.b.vbin(k, s, n, m);
    t.v_acc(VBinKind::Add, s, rd, v);
}

/// Translates one single- or double-precision instruction.
#[rustfmt::skip]
pub fn translate_fp(t: &mut Ctx<'_>, i: SimdSameFp) -> Flow {
    arms! { i, SimdSameFp;
        k: VBinKind { q, sz, rm, rn, rd } [
            FMaxNm FMinNm FMaxNmP FMinNmP FAdd FSub FAddP FAbd FMulX FMul FCmEq FCmGe FCmGt FacGe FacGt
            FMax FMin FMaxP FMinP FRecpS FRsqrtS FDiv
        ] => t.v_bin(k, shape(2 + sz, q), rd, rn, rm);
        k: VTernKind { q, sz, rm, rn, rd } [FMla FMls] => t.v_tern(k, shape(2 + sz, q), rd, rn, rm);
        k: VTernKind { q, rm, rn, rd } [FMlal FMlsl FMlal2 FMlsl2] => t.v_tern(k, shape(2, q), rd, rn, rm);
    _ {} }
    Flow::Next
}

/// Translates one half-precision instruction.
#[rustfmt::skip]
pub fn translate_half(t: &mut Ctx<'_>, i: SimdSameHalf) -> Flow {
    arms! { i, SimdSameHalf;
        k: VBinKind { q, rm, rn, rd } [
            FMaxNm FMinNm FMaxNmP FMinNmP FAdd FSub FAddP FAbd FMulX FMul FCmEq FCmGe FCmGt FacGe FacGt
            FMax FMin FMaxP FMinP FRecpS FRsqrtS FDiv
        ] => t.v_bin(k, shape(1, q), rd, rn, rm);
        k: VTernKind { q, rm, rn, rd } [FMla FMls] => t.v_tern(k, shape(1, q), rd, rn, rm);
    _ {} }
    Flow::Next
}

/// FCMLA by rotation in quarter turns.
pub fn fcmla(rot: u32) -> VTernKind {
    use VTernKind::*;
    [FCMla0, FCMla90, FCMla180, FCMla270][rot as usize & 3]
}

/// Translates one instruction of the extension classes.
#[rustfmt::skip]
pub fn translate_extra(t: &mut Ctx<'_>, i: SimdSameExtra) -> Flow {
    use VBinKind as K;
    arms! { i, SimdSameExtra;
        k: VTernKind { q, size, rm, rn, rd } [SqRDMlaH SqRDMlsH] => t.v_tern(k, shape(size, q), rd, rn, rm);
        k: VTernKind { q, rm, rn, rd } [SDot UDot UsDot BfDot] => t.v_tern(k, shape(2, q), rd, rn, rm);
        k: VTernKind { rm, rn, rd } [SMmla UMmla UsMmla BfMmla BfMlalB BfMlalT] => t.v_tern(k, Shape::S4, rd, rn, rm);
    _ {
        SimdSameExtra::FCMla { q, size, rot, rm, rn, rd } => t.v_tern(fcmla(rot), shape(size, q), rd, rn, rm),
        SimdSameExtra::FCAdd { q, size, rot, rm, rn, rd } => {
            t.v_bin(if rot == 0 { K::FCAdd90 } else { K::FCAdd270 }, shape(size, q), rd, rn, rm);
        }
    }}
    Flow::Next
}
