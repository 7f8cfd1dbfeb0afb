//! Cryptographic extensions, Arm ARM C7.2: each instruction is one op. Arguments come in the order of the ops' rows.

use super::vector::arms;
use super::{Ctx, Flow};
use crate::decode::Crypto;
use metaphrase_ir::Shape;
use metaphrase_ir::ops::{VBinKind, VShiftKind, VTernKind, VUnKind};

/// Translates one instruction of the class.
#[rustfmt::skip]
pub fn translate(t: &mut Ctx<'_>, i: Crypto) -> Flow {
    const B16: Shape = Shape::B16;
    const S4: Shape = Shape::S4;
    const D2: Shape = Shape::D2;
    arms! { i, Crypto;
        k: VBinKind { rn, rd } [AesE AesD] => { let n = t.v(rn); t.v_acc(k, B16, rd, n) };
        k: VUnKind { rn, rd } [AesMc AesIMc] => t.v_un(k, B16, rd, rn);
        k: VTernKind { rm, rn, rd } [
            Sha1C Sha1P Sha1M Sha1Su0 Sha256H Sha256H2 Sha256Su1 Sm3PartW1 Sm3PartW2
        ] => t.v_tern(k, S4, rd, rn, rm);
        k: VUnKind { rn, rd } [Sha1H] => t.v_un(k, Shape::S1, rd, rn);
        k: VBinKind { rn, rd } [Sha1Su1 Sha256Su0 Sm4E] => { let n = t.v(rn); t.v_acc(k, S4, rd, n) };
        k: VTernKind { rm, rn, rd } [Sha512H Sha512H2 Sha512Su1] => t.v_tern(k, D2, rd, rn, rm);
        k: VBinKind { rn, rd } [Sha512Su0] => { let n = t.v(rn); t.v_acc(k, D2, rd, n) };
        k: VBinKind { rm, rn, rd } [Rax1] => t.v_bin(k, D2, rd, rn, rm);
        k: VBinKind { rm, rn, rd } [Sm4EKey] => t.v_bin(k, S4, rd, rn, rm);
        k: VTernKind { ra, rm, rn, rd } [Eor3 Bcax] => four(t, k, B16, rd, rn, rm, ra);
        k: VTernKind { ra, rm, rn, rd } [Sm3Ss1] => four(t, k, S4, rd, rn, rm, ra);
        k: VTernKind { imm2, rm, rn, rd } [Sm3Tt1A Sm3Tt1B Sm3Tt2A Sm3Tt2B] => {
            let (d, n, m) = (t.v(rd), t.v(rn), t.v(rm));
            let v = t.b.vtern_imm(k, S4, d, n, m, imm2.into());
            t.set_v(rd, v);
        };
    _ {
        Crypto::Xar { imm6, rm, rn, rd } => {
            let (n, m) = (t.v(rn), t.v(rm));
            let v = t.b.vshift(VShiftKind::Xar, D2, n, m, imm6);
            t.set_v(rd, v);
        }
    }}
    Flow::Next
}

/// Vd = op(Vn, Vm, Va).
fn four(t: &mut Ctx<'_>, k: VTernKind, s: Shape, rd: u32, rn: u32, rm: u32, ra: u32) {
    let (n, m, a) = (t.v(rn), t.v(rm), t.v(ra));
    let v = t.b.vtern(k, s, n, m, a);
    t.set_v(rd, v);
}
