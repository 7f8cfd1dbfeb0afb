//! AdvSIMD shift by immediate, Arm ARM C7.2.

use super::vector::{arms, narrow, shape};
use super::{Ctx, Flow};
use crate::decode::SimdShift;
use metaphrase_ir::Shape;
use metaphrase_ir::ops::{VBinKind, VShiftKind};

/// Element size (log2 of bytes) of immh.
pub fn immh_size(immh: u32) -> u32 {
    31 - immh.leading_zeros()
}

/// Amount of a right shift (or number of fraction bits): 2 * esize - immh:immb.
pub fn right(immh: u32, immb: u32) -> u32 {
    (16 << immh_size(immh)) - (immh << 3 | immb)
}

/// Amount of a left shift: immh:immb - esize.
pub fn left(immh: u32, immb: u32) -> u32 {
    (immh << 3 | immb) - (8 << immh_size(immh))
}

impl Ctx<'_> {
    /// SSRA and the like: Vd += Vn shifted right.
    pub fn v_shift_acc(&mut self, k: VShiftKind, s: Shape, rd: u32, rn: u32, n: u32) {
        let a = self.v(rn);
        let v = self.b.vshift(k, s, a, a, n);
        self.v_acc(VBinKind::Add, s, rd, v);
    }

    /// SLI, SRI: shifted into Vd.
    pub fn v_shift_insert(&mut self, k: VShiftKind, s: Shape, rd: u32, rn: u32, n: u32) {
        let (a, d) = (self.v(rn), self.v(rd));
        let v = self.b.vshift(k, s, a, d, n);
        self.set_v(rd, v);
    }
}

/// Translates one instruction of the class.
#[rustfmt::skip]
pub fn translate(t: &mut Ctx<'_>, i: SimdShift) -> Flow {
    use VShiftKind as K;
    use SimdShift as S;
    arms! { i, SimdShift;
        k: VShiftKind { q, immh: h, immb: b, rn, rd } [SShr UShr SRShr URShr] => t.v_shift(k, shape(immh_size(h), q), rd, rn, right(h, b));
        k: VShiftKind { q, immh: h, immb: b, rn, rd } [Shl SqShl UqShl SqShlU] => t.v_shift(k, shape(immh_size(h), q), rd, rn, left(h, b));
        k: VShiftKind { q, immh: h, immb: b, rn, rd } [Sri] => t.v_shift_insert(k, shape(immh_size(h), q), rd, rn, right(h, b));
        k: VShiftKind { q, immh: h, immb: b, rn, rd } [Sli] => t.v_shift_insert(k, shape(immh_size(h), q), rd, rn, left(h, b));
        k: VShiftKind { q, immh: h, immb: b, rn, rd } [Shrn Rshrn SqShrn UqShrn SqRshrn UqRshrn SqShrun SqRshrun] => {
            let a = t.v(rn);
            let v = t.b.vshift(k, narrow(immh_size(h)), a, a, right(h, b));
            t.set_narrow(q, rd, v);
        };
        k: VShiftKind { q, immh: h, immb: b, rn, rd } [SShll UShll] => {
            let a = t.v(rn);
            let v = t.b.vshift_long(k, narrow(immh_size(h)), q != 0, a, left(h, b));
            t.set_v(rd, v);
        };
        k: VShiftKind { q, immh: h, immb: b, rn, rd } [SCvtF UCvtF FCvtZS FCvtZU] => t.v_shift(k, shape(immh_size(h), q), rd, rn, right(h, b));
    _ {
        S::SSra { q, immh: h, immb: b, rn, rd } => t.v_shift_acc(K::SShr, shape(immh_size(h), q), rd, rn, right(h, b)),
        S::USra { q, immh: h, immb: b, rn, rd } => t.v_shift_acc(K::UShr, shape(immh_size(h), q), rd, rn, right(h, b)),
        S::SRSra { q, immh: h, immb: b, rn, rd } => t.v_shift_acc(K::SRShr, shape(immh_size(h), q), rd, rn, right(h, b)),
        S::URSra { q, immh: h, immb: b, rn, rd } => t.v_shift_acc(K::URShr, shape(immh_size(h), q), rd, rn, right(h, b)),
        S::SCvtFHalf { q, imm, immb, rn, rd } => t.v_shift(K::SCvtF, shape(1, q), rd, rn, right(2 | imm, immb)),
        S::UCvtFHalf { q, imm, immb, rn, rd } => t.v_shift(K::UCvtF, shape(1, q), rd, rn, right(2 | imm, immb)),
        S::FCvtZSHalf { q, imm, immb, rn, rd } => t.v_shift(K::FCvtZS, shape(1, q), rd, rn, right(2 | imm, immb)),
        S::FCvtZUHalf { q, imm, immb, rn, rd } => t.v_shift(K::FCvtZU, shape(1, q), rd, rn, right(2 | imm, immb)),
    }}
    Flow::Next
}
