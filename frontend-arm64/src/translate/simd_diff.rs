//! AdvSIMD three different, Arm ARM C7.2: widening, narrowing, long multiplies and their accumulating forms.

use super::vector::{arms, narrow, wide};
use super::{Ctx, Flow};
use crate::decode::SimdDiff;
use metaphrase_ir::Shape;
use metaphrase_ir::ops::VBinKind;

/// Translates one instruction of the class. `q` selects the upper halves of the narrow operands (the "2" forms).
#[rustfmt::skip]
pub fn translate(t: &mut Ctx<'_>, i: SimdDiff) -> Flow {
    use VBinKind as K;
    arms! { i, SimdDiff;
        k: VBinKind { q, size, rm, rn, rd } [
            SAddL UAddL SAddW UAddW SSubL USubL SSubW USubW SAbdL UAbdL SMulL UMulL SqDMulL
        ] => long(t, k, narrow(size), q, rd, rn, rm);
        k: VBinKind { q, size, rm, rn, rd } [AddHn SubHn RAddHn RSubHn] => {
            let (n, m) = (t.v(rn), t.v(rm));
            let v = t.b.vbin(k, narrow(size), n, m);
            t.set_narrow(q, rd, v);
        };
        k: VBinKind { q, rm, rn, rd } [PMulL] => long(t, k, Shape::B8, q, rd, rn, rm);
    _ {
        SimdDiff::PMulLD { q, rm, rn, rd } => long(t, K::PMulL, Shape::D1, q, rd, rn, rm),
        SimdDiff::SAbaL { q, size, rm, rn, rd } => long_acc(t, K::Add, K::SAbdL, size, q, rd, rn, rm),
        SimdDiff::UAbaL { q, size, rm, rn, rd } => long_acc(t, K::Add, K::UAbdL, size, q, rd, rn, rm),
        SimdDiff::SMlaL { q, size, rm, rn, rd } => long_acc(t, K::Add, K::SMulL, size, q, rd, rn, rm),
        SimdDiff::UMlaL { q, size, rm, rn, rd } => long_acc(t, K::Add, K::UMulL, size, q, rd, rn, rm),
        SimdDiff::SMlsL { q, size, rm, rn, rd } => long_acc(t, K::Sub, K::SMulL, size, q, rd, rn, rm),
        SimdDiff::UMlsL { q, size, rm, rn, rd } => long_acc(t, K::Sub, K::UMulL, size, q, rd, rn, rm),
        SimdDiff::SqDMlaL { q, size, rm, rn, rd } => long_acc(t, K::SqAdd, K::SqDMulL, size, q, rd, rn, rm),
        SimdDiff::SqDMlsL { q, size, rm, rn, rd } => long_acc(t, K::SqSub, K::SqDMulL, size, q, rd, rn, rm),
    }}
    Flow::Next
}

fn long(t: &mut Ctx<'_>, k: VBinKind, s: Shape, q: u32, rd: u32, rn: u32, rm: u32) {
    let (n, m) = (t.v(rn), t.v(rm));
    let v = t.b.vbin_long(k, s, q != 0, n, m);
    t.set_v(rd, v);
}

/// Vd = acc(Vd, k(Vn, Vm)).
#[allow(clippy::too_many_arguments, reason = "the fields of the encoding")]
fn long_acc(
    t: &mut Ctx<'_>,
    acc: VBinKind,
    k: VBinKind,
    size: u32,
    q: u32,
    rd: u32,
    rn: u32,
    rm: u32,
) {
    let (n, m) = (t.v(rn), t.v(rm));
    let v = t.b.vbin_long(k, narrow(size), q != 0, n, m);
    t.v_acc(acc, wide(size), rd, v);
}
