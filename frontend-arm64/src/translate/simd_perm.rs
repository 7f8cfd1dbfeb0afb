//! AdvSIMD across lanes, copy, permute, extract, table look-up, modified immediate, Arm ARM C7.2.

use super::operand::int_ty;
use super::vector::{arms, bytes, shape};
use super::{Ctx, Flow};
use crate::decode::simd_imm::{byte_mask, replicate, vfp_expand};
use crate::decode::{SimdAcross, SimdCopy, SimdImm, SimdPerm};
use metaphrase_ir::ops::{VBinKind, VRedKind, VTernKind};
use metaphrase_ir::{Shape, Type, Value};

/// Translates one reduction.
#[rustfmt::skip]
pub fn translate_across(t: &mut Ctx<'_>, i: SimdAcross) -> Flow {
    use VRedKind as K;
    arms! { i, SimdAcross;
        k: VRedKind { q, size, rn, rd } [SAddLv UAddLv SMaxV UMaxV SMinV UMinV AddV] => red(t, k, shape(size, q), rd, rn);
        k: VRedKind { rn, rd } [FMaxNmV FMinNmV FMaxV FMinV] => red(t, k, Shape::S4, rd, rn);
    _ {
        SimdAcross::FMaxNmVHalf { q, rn, rd } => red(t, K::FMaxNmV, shape(1, q), rd, rn),
        SimdAcross::FMinNmVHalf { q, rn, rd } => red(t, K::FMinNmV, shape(1, q), rd, rn),
        SimdAcross::FMaxVHalf { q, rn, rd } => red(t, K::FMaxV, shape(1, q), rd, rn),
        SimdAcross::FMinVHalf { q, rn, rd } => red(t, K::FMinV, shape(1, q), rd, rn),
    }}
    Flow::Next
}

fn red(t: &mut Ctx<'_>, k: VRedKind, s: Shape, rd: u32, rn: u32) {
    let n = t.v(rn);
    let v = t.b.vred(k, s, n);
    t.set_v(rd, v);
}

/// Element size (log2 of bytes) and number that `imm5` names.
pub fn imm5(imm5: u32) -> (u32, u32) {
    let log2 = imm5.trailing_zeros();
    (log2, imm5 >> (log2 + 1))
}

/// Type of a general register that holds an element of this size.
fn elem_ty(log2: u32) -> Type {
    int_ty((log2 == 3) as u32)
}

/// Translates one copy.
pub fn translate_copy(t: &mut Ctx<'_>, i: SimdCopy) -> Flow {
    match i {
        SimdCopy::DupElem { q, imm5: i, rn, rd } => {
            let (log2, index) = imm5(i);
            let v = t.v_dup_elem(log2, q, rn, index);
            t.set_v(rd, v);
        }
        SimdCopy::DupGen { q, imm5: i, rn, rd } => {
            let (log2, _) = imm5(i);
            let x = t.r((log2 == 3) as u32, rn);
            let v = t.b.vdup(shape(log2, q), x);
            t.set_v(rd, v);
        }
        SimdCopy::SMov { q, imm5: i, rn, rd } => {
            let (log2, index) = imm5(i);
            let n = t.v(rn);
            let v = t.b.vlane_s(int_ty(q), shape(log2, 1), n, index);
            t.set_r(rd, v);
        }
        SimdCopy::UMov {
            imm5: i, rn, rd, ..
        } => {
            let (log2, index) = imm5(i);
            let v = t.lane(elem_ty(log2), log2, rn, index);
            t.set_r(rd, v);
        }
        SimdCopy::InsGen { imm5: i, rn, rd } => {
            let (log2, index) = imm5(i);
            let (d, x) = (t.v(rd), t.r((log2 == 3) as u32, rn));
            let v = t.b.vinsert(shape(log2, 1), d, index, x);
            t.set_v(rd, v);
        }
        SimdCopy::InsElem {
            imm5: i,
            imm4,
            rn,
            rd,
        } => {
            let (log2, index) = imm5(i);
            let x = t.lane(elem_ty(log2), log2, rn, imm4 >> log2);
            let d = t.v(rd);
            let v = t.b.vinsert(shape(log2, 1), d, index, x);
            t.set_v(rd, v);
        }
    }
    Flow::Next
}

/// Translates one permutation.
#[rustfmt::skip]
pub fn translate(t: &mut Ctx<'_>, i: SimdPerm) -> Flow {
    arms! { i, SimdPerm;
        k: VBinKind { q, size, rm, rn, rd } [Uzp1 Trn1 Zip1 Uzp2 Trn2 Zip2] => t.v_bin(k, shape(size, q), rd, rn, rm);
    _ {
        SimdPerm::Ext { q, imm4, rm, rn, rd } => { let v = t.v_extract(q, rn, rm, imm4); t.set_v(rd, v) }
        SimdPerm::Tbl { q, len, rm, rn, rd } => { let v = table(t, len, rn, rm); t.set_v_q(q, rd, v) }
        SimdPerm::Tbx { q, len, rm, rn, rd } => tbx(t, q, len, rd, rn, rm),
    }}
    Flow::Next
}

fn splat(t: &mut Ctx<'_>, byte: u8) -> Value {
    t.b.vconst(u128::from_le_bytes([byte; 16]))
}

/// TBL of `len + 1` registers from Vn on: pairs of registers, each with the index made relative to it, combined by OR
/// because an index outside a pair gives zero.
fn table(t: &mut Ctx<'_>, len: u32, rn: u32, rm: u32) -> Value {
    let idx = t.v(rm);
    let reg = |t: &mut Ctx<'_>, i: u32| {
        if i <= len {
            t.v((rn + i) & 31)
        } else {
            t.b.vconst(0)
        }
    };
    let (t0, t1) = (reg(t, 0), reg(t, 1));
    let low = t.b.vtbl(t0, t1, idx);
    if len < 2 {
        return low;
    }
    let (t2, t3, bias) = (reg(t, 2), reg(t, 3), splat(t, 32));
    let idx = t.b.vbin(VBinKind::Sub, Shape::B16, idx, bias);
    let high = t.b.vtbl(t2, t3, idx);
    t.b.vbin(VBinKind::Or, Shape::B16, low, high)
}

/// TBX: bytes whose index is out of range keep the old destination.
fn tbx(t: &mut Ctx<'_>, q: u32, len: u32, rd: u32, rn: u32, rm: u32) {
    let found = table(t, len, rn, rm);
    let (idx, old, limit) = (t.v(rm), t.v(rd), splat(t, 16 * (len as u8 + 1)));
    let outside = t.b.vbin(VBinKind::CmHs, Shape::B16, idx, limit);
    let v = t.b.vtern(VTernKind::Bsl, bytes(q), outside, old, found);
    t.set_v(rd, v);
}

/// Translates one modified immediate.
#[rustfmt::skip]
pub fn translate_imm(t: &mut Ctx<'_>, i: SimdImm) -> Flow {
    let imm = |abc: u32, defgh: u32| u64::from(abc << 5 | defgh);
    let r32 = |v: u64, shift: u32| replicate(v << (8 * shift), 32);
    let r16 = |v: u64, shift: u32| replicate(v << (8 * shift), 16);
    // MSL: shifted left by 8 or 16, ones shifted in.
    let msl = |v: u64, shift: u32| { let n = 8 << shift; replicate(v << n | ((1 << n) - 1), 32) };
    match i {
        SimdImm::Movi32 { q, shift, abc, defgh, rd } => movi(t, q, rd, r32(imm(abc, defgh), shift)),
        SimdImm::Mvni32 { q, shift, abc, defgh, rd } => movi(t, q, rd, !r32(imm(abc, defgh), shift)),
        SimdImm::Orr32 { q, shift, abc, defgh, rd } => logic(t, VBinKind::Or, q, rd, r32(imm(abc, defgh), shift)),
        SimdImm::Bic32 { q, shift, abc, defgh, rd } => logic(t, VBinKind::AndNot, q, rd, r32(imm(abc, defgh), shift)),
        SimdImm::Movi16 { q, shift, abc, defgh, rd } => movi(t, q, rd, r16(imm(abc, defgh), shift)),
        SimdImm::Mvni16 { q, shift, abc, defgh, rd } => movi(t, q, rd, !r16(imm(abc, defgh), shift)),
        SimdImm::Orr16 { q, shift, abc, defgh, rd } => logic(t, VBinKind::Or, q, rd, r16(imm(abc, defgh), shift)),
        SimdImm::Bic16 { q, shift, abc, defgh, rd } => logic(t, VBinKind::AndNot, q, rd, r16(imm(abc, defgh), shift)),
        SimdImm::MoviMsl { q, shift, abc, defgh, rd } => movi(t, q, rd, msl(imm(abc, defgh), shift)),
        SimdImm::MvniMsl { q, shift, abc, defgh, rd } => movi(t, q, rd, !msl(imm(abc, defgh), shift)),
        SimdImm::Movi8 { q, abc, defgh, rd } => movi(t, q, rd, replicate(imm(abc, defgh), 8)),
        SimdImm::Movi64 { q, abc, defgh, rd } => movi(t, q, rd, byte_mask(abc << 5 | defgh)),
        SimdImm::FMovS { q, abc, defgh, rd } => movi(t, q, rd, replicate(vfp_expand(abc << 5 | defgh, 2), 32)),
        SimdImm::FMovD { abc, defgh, rd } => movi(t, 1, rd, vfp_expand(abc << 5 | defgh, 3)),
        SimdImm::FMovH { q, abc, defgh, rd } => movi(t, q, rd, replicate(vfp_expand(abc << 5 | defgh, 1), 16)),
    }
    Flow::Next
}

/// A 64-bit immediate in each half (the lower only, if not `q`).
fn both(q: u32, v: u64) -> u128 {
    u128::from(v) | if q != 0 { u128::from(v) << 64 } else { 0 }
}

fn movi(t: &mut Ctx<'_>, q: u32, rd: u32, v: u64) {
    let v = t.b.vconst(both(q, v));
    t.set_v(rd, v);
}

fn logic(t: &mut Ctx<'_>, k: VBinKind, q: u32, rd: u32, v: u64) {
    let (d, m) = (t.v(rd), t.b.vconst(both(q, v)));
    let v = t.b.vbin(k, bytes(q), d, m);
    t.set_v(rd, v);
}
