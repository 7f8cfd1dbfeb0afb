//! Data processing, immediate (Arm ARM C3.4; C6.2 for each instruction).

use super::operand::{int_ty, sext};
use super::{Ctx, Flow};
use crate::decode::DpImm;
use crate::decode::imm::decode_bitmask;
use metaphrase_ir::ops::IntCond;
use metaphrase_ir::{Type, Value};

/// Translates one instruction of the class.
pub fn translate(t: &mut Ctx<'_>, i: DpImm) -> Flow {
    match i {
        DpImm::Adr { immlo, immhi, rd } => {
            let off = sext(immhi << 2 | immlo, 21);
            let v = t.b.i64(t.pc.wrapping_add_signed(off));
            t.set_x(rd, v);
        }
        DpImm::Adrp { immlo, immhi, rd } => {
            let off = sext(immhi << 2 | immlo, 21) << 12;
            let v = t.b.i64((t.pc & !0xfff).wrapping_add_signed(off));
            t.set_x(rd, v);
        }
        DpImm::AddImm {
            sf,
            sh,
            imm12,
            rn,
            rd,
        } => add_imm(t, sf, imm12 << (12 * sh), rn, rd, false),
        DpImm::SubImm {
            sf,
            sh,
            imm12,
            rn,
            rd,
        } => add_imm(t, sf, imm12 << (12 * sh), rn, rd, true),
        DpImm::AddsImm {
            sf,
            sh,
            imm12,
            rn,
            rd,
        } => adds_imm(t, sf, imm12 << (12 * sh), rn, rd, false),
        DpImm::SubsImm {
            sf,
            sh,
            imm12,
            rn,
            rd,
        } => adds_imm(t, sf, imm12 << (12 * sh), rn, rd, true),
        DpImm::AndImm {
            sf,
            n,
            immr,
            imms,
            rn,
            rd,
        } => {
            logical(t, sf, mask(sf, n, imms, immr), rn, rd, Logical::And);
        }
        DpImm::OrrImm {
            sf,
            n,
            immr,
            imms,
            rn,
            rd,
        } => {
            logical(t, sf, mask(sf, n, imms, immr), rn, rd, Logical::Orr);
        }
        DpImm::EorImm {
            sf,
            n,
            immr,
            imms,
            rn,
            rd,
        } => {
            logical(t, sf, mask(sf, n, imms, immr), rn, rd, Logical::Eor);
        }
        DpImm::AndsImm {
            sf,
            n,
            immr,
            imms,
            rn,
            rd,
        } => {
            logical(t, sf, mask(sf, n, imms, immr), rn, rd, Logical::Ands);
        }
        DpImm::SmaxImm { sf, imm8, rn, rd } => {
            min_max(t, IntCond::Sgt, sf, sext(imm8, 8) as u64, rn, rd);
        }
        DpImm::SminImm { sf, imm8, rn, rd } => {
            min_max(t, IntCond::Slt, sf, sext(imm8, 8) as u64, rn, rd);
        }
        DpImm::UmaxImm { sf, imm8, rn, rd } => {
            min_max(t, IntCond::Ugt, sf, u64::from(imm8), rn, rd);
        }
        DpImm::UminImm { sf, imm8, rn, rd } => {
            min_max(t, IntCond::Ult, sf, u64::from(imm8), rn, rd);
        }
        DpImm::Addg { .. } | DpImm::Subg { .. } => return t.unimplemented(),
        DpImm::Movn { sf, hw, imm16, rd } => {
            set_constant(t, sf, rd, !(u64::from(imm16) << (16 * hw)));
        }
        DpImm::Movz { sf, hw, imm16, rd } => {
            set_constant(t, sf, rd, u64::from(imm16) << (16 * hw));
        }
        DpImm::Movk { sf, hw, imm16, rd } => {
            let old = t.r(sf, rd);
            let v = insert(
                t,
                sf,
                old,
                0xffff << (16 * hw),
                u64::from(imm16) << (16 * hw),
            );
            t.set_r(rd, v);
        }
        DpImm::Sbfm32 { immr, imms, rn, rd } => sbfm(t, 0, immr, imms, rn, rd),
        DpImm::Sbfm64 { immr, imms, rn, rd } => sbfm(t, 1, immr, imms, rn, rd),
        DpImm::Ubfm32 { immr, imms, rn, rd } => ubfm(t, 0, immr, imms, rn, rd),
        DpImm::Ubfm64 { immr, imms, rn, rd } => ubfm(t, 1, immr, imms, rn, rd),
        DpImm::Bfm32 { immr, imms, rn, rd } => bfm(t, 0, immr, imms, rn, rd),
        DpImm::Bfm64 { immr, imms, rn, rd } => bfm(t, 1, immr, imms, rn, rd),
        DpImm::Extr32 { rm, imms, rn, rd } => extr(t, 0, rm, imms, rn, rd),
        DpImm::Extr64 { rm, imms, rn, rd } => extr(t, 1, rm, imms, rn, rd),
    }
    Flow::Next
}

fn min_max(t: &mut Ctx<'_>, keep_first: IntCond, sf: u32, imm: u64, rn: u32, rd: u32) {
    let (a, k) = (t.r(sf, rn), t.imm(sf, imm));
    t.min_max(keep_first, rd, a, k);
}

/// Rd = a constant, cut to 32 bits if `sf` is 0.
fn set_constant(t: &mut Ctx<'_>, sf: u32, rd: u32, v: u64) {
    let v = t.b.i64(if sf != 0 { v } else { v & 0xffff_ffff });
    t.set_x(rd, v);
}

/// The row's predicate has refused reserved combinations.
fn mask(sf: u32, n: u32, imms: u32, immr: u32) -> u64 {
    decode_bitmask(n, imms, immr, sf != 0).unwrap_or(0)
}

fn add_imm(t: &mut Ctx<'_>, sf: u32, imm: u32, rn: u32, rd: u32, sub: bool) {
    let a = t.r_sp(sf, rn);
    let v = if imm == 0 {
        a
    } else {
        let k = t.imm(sf, u64::from(imm));
        if sub { t.b.sub(a, k) } else { t.b.add(a, k) }
    };
    t.set_r_sp(rd, v);
}

fn adds_imm(t: &mut Ctx<'_>, sf: u32, imm: u32, rn: u32, rd: u32, sub: bool) {
    let (a, k) = (t.r_sp(sf, rn), t.imm(sf, u64::from(imm)));
    t.add_sub_flags(rd, a, k, sub);
}

/// AND, ORR, EOR, ANDS.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Logical {
    And,
    Orr,
    Eor,
    Ands,
}

fn logical(t: &mut Ctx<'_>, sf: u32, mask: u64, rn: u32, rd: u32, op: Logical) {
    let k = t.imm(sf, mask);
    if rn == 31 && op == Logical::Orr {
        return t.set_r_sp(rd, k); // MOV (bitmask immediate)
    }
    let a = t.r(sf, rn);
    let v = match op {
        Logical::And | Logical::Ands => t.b.and(a, k),
        Logical::Orr => t.b.or(a, k),
        Logical::Eor => t.b.xor(a, k),
    };
    if op == Logical::Ands {
        let f = t.b.flags_logic(v);
        t.set_flags(f);
        t.set_r(rd, v);
    } else {
        t.set_r_sp(rd, v);
    }
}

/// `old` with the bits of `mask` replaced by those of `bits`, both constant.
fn insert(t: &mut Ctx<'_>, sf: u32, old: Value, mask: u64, bits: u64) -> Value {
    let keep = t.imm(sf, !mask);
    let kept = t.b.and(old, keep);
    let bits = t.imm(sf, bits);
    t.b.or(kept, bits)
}

/// The low `n` bits set; `n` in 1..=64.
fn ones(n: u32) -> u64 {
    u64::MAX >> (64 - n)
}

fn width(sf: u32) -> u32 {
    if sf != 0 { 64 } else { 32 }
}

/// UBFM: LSL, LSR, UBFX, UBFIZ, UXTB, UXTH.
fn ubfm(t: &mut Ctx<'_>, sf: u32, r: u32, s: u32, rn: u32, rd: u32) {
    let (w, a) = (width(sf), t.r(sf, rn));
    let v = if s == w - 1 {
        t.shift_imm(a, 1, r) // LSR
    } else if s + 1 == r {
        t.b.shl_i(a, w - r) // LSL
    } else if s >= r {
        let a = t.shift_imm(a, 1, r); // UBFX
        low_bits(t, sf, a, s - r + 1)
    } else {
        let a = low_bits(t, sf, a, s + 1); // UBFIZ
        t.b.shl_i(a, w - r)
    };
    t.set_r(rd, v);
}

/// The low `n` bits of `a`, zero-extended.
fn low_bits(t: &mut Ctx<'_>, sf: u32, a: Value, n: u32) -> Value {
    if n == width(sf) {
        return a;
    }
    if n == 32 {
        let w = t.b.trunc(a);
        return t.b.zext(w);
    }
    let m = t.imm(sf, ones(n));
    t.b.and(a, m)
}

/// SBFM: ASR, SBFX, SBFIZ, SXTB, SXTH, SXTW.
fn sbfm(t: &mut Ctx<'_>, sf: u32, r: u32, s: u32, rn: u32, rd: u32) {
    let (w, a) = (width(sf), t.r(sf, rn));
    let v = if s == w - 1 {
        t.shift_imm(a, 2, r) // ASR
    } else if r == 0 && matches!(s, 7 | 15 | 31) {
        sign_low(t, a, s + 1) // SXTB, SXTH, SXTW
    } else if s >= r {
        let a = t.b.shl_i(a, w - 1 - s); // SBFX
        t.shift_imm(a, 2, w - 1 - s + r)
    } else if matches!(s, 7 | 15 | 31) {
        let a = sign_low(t, a, s + 1);
        t.b.shl_i(a, w - r)
    } else {
        let a = t.b.shl_i(a, w - 1 - s); // SBFIZ
        t.shift_imm(a, 2, r - s - 1)
    };
    t.set_r(rd, v);
}

/// Sign-extends the low `n` (8, 16, 32) bits.
fn sign_low(t: &mut Ctx<'_>, a: Value, n: u32) -> Value {
    if n == 32 && t.b.ty(a) == Type::I64 {
        let w = t.b.trunc(a);
        return t.b.sext(w);
    }
    t.b.sext_low(a, n)
}

/// BFM: BFI, BFXIL, BFC.
fn bfm(t: &mut Ctx<'_>, sf: u32, r: u32, s: u32, rn: u32, rd: u32) {
    let w = width(sf);
    let a = t.r(sf, rn);
    // The field: `len` bits of the source from `from`, to `to` of the destination.
    let (from, to, len) = if s >= r {
        (r, 0, s - r + 1)
    } else {
        (0, w - r, s + 1)
    };
    let v = if len == w {
        a
    } else {
        let a = t.shift_imm(a, 1, from);
        let a = if from + len == w || to + len == w {
            a
        } else {
            low_bits(t, sf, a, len)
        };
        let a = t.shift_imm(a, 0, to);
        let old = t.r(sf, rd);
        let keep = t.imm(sf, !(ones(len) << to));
        let kept = t.b.and(old, keep);
        t.b.or(kept, a)
    };
    t.set_r(rd, v);
}

/// EXTR, and ROR (immediate) when both sources are one register.
fn extr(t: &mut Ctx<'_>, sf: u32, rm: u32, lsb: u32, rn: u32, rd: u32) {
    let lo = t.r(sf, rm);
    let v = if rn == rm {
        t.shift_imm(lo, 3, lsb)
    } else if lsb == 0 {
        lo
    } else {
        let hi = t.r(sf, rn);
        debug_assert_eq!(t.b.ty(hi), int_ty(sf));
        t.b.extr(hi, lo, lsb)
    };
    t.set_r(rd, v);
}
