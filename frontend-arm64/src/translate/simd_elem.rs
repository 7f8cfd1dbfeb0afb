//! AdvSIMD vector by indexed element, Arm ARM C7.2: the element is repeated in every lane, then the plain op.

use super::simd_same::fcmla;
use super::vector::{arms, narrow, shape, wide};
use super::{Ctx, Flow};
use crate::decode::{SimdElem, SimdElemFp};
use metaphrase_ir::ops::{VBinKind, VTernKind};
use metaphrase_ir::{Shape, Value};

/// The fields that name an element.
#[derive(Clone, Copy)]
pub struct Elem {
    /// log2 of its size in bytes: 1, 2, 3.
    pub size: u32,
    /// Bit L.
    pub l: u32,
    /// Bit M.
    pub m: u32,
    /// Bit H.
    pub h: u32,
    /// Rm without M.
    pub rm4: u32,
}

impl Elem {
    /// (register, index): halves H:L:M, words H:L, doubles H.
    pub fn place(self) -> (u32, u32) {
        let Elem { size, l, m, h, rm4 } = self;
        match size {
            1 => (rm4, h << 2 | l << 1 | m),
            2 => (m << 4 | rm4, h << 1 | l),
            _ => (m << 4 | rm4, h),
        }
    }

    /// The element in every lane.
    fn dup(self, t: &mut Ctx<'_>, q: u32) -> Value {
        let (rm, index) = self.place();
        t.v_dup_elem(self.size, q, rm, index)
    }
}

fn bin(t: &mut Ctx<'_>, k: VBinKind, q: u32, e: Elem, rd: u32, rn: u32) {
    let (n, m) = (t.v(rn), e.dup(t, q));
    let v = t.b.vbin(k, shape(e.size, q), n, m);
    t.set_v(rd, v);
}

fn tern(t: &mut Ctx<'_>, k: VTernKind, s: Shape, e: Elem, rd: u32, rn: u32) {
    let (n, m) = (t.v(rn), e.dup(t, 1));
    t.v_tern_with(k, s, rd, n, m);
}

/// Long product; the element is in every lane of both halves, so the "2" form (`q`) reads it like the first.
fn long(t: &mut Ctx<'_>, k: VBinKind, q: u32, e: Elem, rn: u32) -> Value {
    let (n, m) = (t.v(rn), e.dup(t, 1));
    t.b.vbin_long(k, narrow(e.size), q != 0, n, m)
}

fn long_acc(t: &mut Ctx<'_>, acc: VBinKind, k: VBinKind, q: u32, e: Elem, rd: u32, rn: u32) {
    let v = long(t, k, q, e, rn);
    t.v_acc(acc, wide(e.size), rd, v);
}

/// Translates one integer instruction.
#[rustfmt::skip]
pub fn translate(t: &mut Ctx<'_>, i: SimdElem) -> Flow {
    use VBinKind as K;
    arms! { i, SimdElem;
        k: VBinKind { q, size, l, m, h, rm4, rn, rd } [Mul SqDMulH SqRDMulH] => bin(t, k, q, Elem { size, l, m, h, rm4 }, rd, rn);
        k: VBinKind { q, size, l, m, h, rm4, rn, rd } [SMulL UMulL SqDMulL] => {
            let v = long(t, k, q, Elem { size, l, m, h, rm4 }, rn);
            t.set_v(rd, v);
        };
        k: VTernKind { q, size, l, m, h, rm4, rn, rd } [Mla Mls SqRDMlaH SqRDMlsH] => {
            tern(t, k, shape(size, q), Elem { size, l, m, h, rm4 }, rd, rn);
        };
    _ {
        SimdElem::SMlaL { q, size, l, m, h, rm4, rn, rd } => long_acc(t, K::Add, K::SMulL, q, Elem { size, l, m, h, rm4 }, rd, rn),
        SimdElem::SMlsL { q, size, l, m, h, rm4, rn, rd } => long_acc(t, K::Sub, K::SMulL, q, Elem { size, l, m, h, rm4 }, rd, rn),
        SimdElem::UMlaL { q, size, l, m, h, rm4, rn, rd } => long_acc(t, K::Add, K::UMulL, q, Elem { size, l, m, h, rm4 }, rd, rn),
        SimdElem::UMlsL { q, size, l, m, h, rm4, rn, rd } => long_acc(t, K::Sub, K::UMulL, q, Elem { size, l, m, h, rm4 }, rd, rn),
        SimdElem::SqDMlaL { q, size, l, m, h, rm4, rn, rd } => long_acc(t, K::SqAdd, K::SqDMulL, q, Elem { size, l, m, h, rm4 }, rd, rn),
        SimdElem::SqDMlsL { q, size, l, m, h, rm4, rn, rd } => long_acc(t, K::SqSub, K::SqDMulL, q, Elem { size, l, m, h, rm4 }, rd, rn),
    }}
    Flow::Next
}

/// Translates one floating-point, dot-product or BFloat16 instruction.
#[rustfmt::skip]
pub fn translate_fp(t: &mut Ctx<'_>, i: SimdElemFp) -> Flow {
    use SimdElemFp as F;
    use VTernKind as K;
    arms! { i, SimdElemFp;
        k: VTernKind { q, sz, l, m, h, rm4, rn, rd } [FMla FMls] => tern(t, k, shape(2 + sz, q), Elem { size: 2 + sz, l, m, h, rm4 }, rd, rn);
        k: VBinKind { q, sz, l, m, h, rm4, rn, rd } [FMul FMulX] => bin(t, k, q, Elem { size: 2 + sz, l, m, h, rm4 }, rd, rn);
        k: VTernKind { q, l, m, h, rm4, rn, rd } [FMlal FMlsl FMlal2 FMlsl2] => tern(t, k, shape(2, q), Elem { size: 1, l, m, h, rm4 }, rd, rn);
        k: VTernKind { q, l, m, h, rm4, rn, rd } [SDot UDot UsDot BfDot] => tern(t, k, shape(2, q), Elem { size: 2, l, m, h, rm4 }, rd, rn);
        k: VTernKind { l, m, h, rm4, rn, rd } [BfMlalB BfMlalT] => tern(t, k, Shape::S4, Elem { size: 1, l, m, h, rm4 }, rd, rn);
    _ {
        F::FMlaHalf { q, l, m, h, rm4, rn, rd } => tern(t, K::FMla, shape(1, q), Elem { size: 1, l, m, h, rm4 }, rd, rn),
        F::FMlsHalf { q, l, m, h, rm4, rn, rd } => tern(t, K::FMls, shape(1, q), Elem { size: 1, l, m, h, rm4 }, rd, rn),
        F::FMulHalf { q, l, m, h, rm4, rn, rd } => bin(t, VBinKind::FMul, q, Elem { size: 1, l, m, h, rm4 }, rd, rn),
        F::FMulXHalf { q, l, m, h, rm4, rn, rd } => bin(t, VBinKind::FMulX, q, Elem { size: 1, l, m, h, rm4 }, rd, rn),
        // A complex element is a pair of lanes: of halves placed like a word, of singles like a double.
        F::FCMlaHalf { q, l, m, h, rm4, rot, rn, rd } => tern(t, fcmla(rot), shape(1, q), Elem { size: 2, l, m, h, rm4 }, rd, rn),
        F::FCMla { m, h, rm4, rot, rn, rd } => tern(t, fcmla(rot), Shape::S4, Elem { size: 3, l: 0, m, h, rm4 }, rd, rn),
        // SUDOT: Vn is the signed operand, the element the unsigned one.
        F::SuDot { q, l, m, h, rm4, rn, rd } => {
            let e = Elem { size: 2, l, m, h, rm4 };
            let (n, m) = (t.v(rn), e.dup(t, 1));
            t.v_tern_with(K::UsDot, shape(2, q), rd, m, n);
        }
    }}
    Flow::Next
}
