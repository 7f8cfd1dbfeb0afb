//! Data processing, register (Arm ARM C3.5; C6.2 for each instruction).

use super::operand::int_ty;
use super::{Ctx, Flow, pauth};
use crate::decode::DpReg;
use metaphrase_ir::ops::IntCond;
use metaphrase_ir::{Cond, Op, Type, Value, flags};

/// Translates one instruction of the class.
pub fn translate(t: &mut Ctx<'_>, i: DpReg) -> Flow {
    use DpReg as I;
    match i {
        I::AndShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
            let v = t.b.and(a, m);
            t.set_r(rd, v);
        }
        I::BicShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
            let v = t.b.andn(a, m);
            t.set_r(rd, v);
        }
        I::OrrShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let v = if rn == 31 {
                t.shifted(sf, rm, shift, imm6) // MOV (register)
            } else {
                let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
                t.b.or(a, m)
            };
            t.set_r(rd, v);
        }
        I::OrnShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let v = if rn == 31 {
                let m = t.shifted(sf, rm, shift, imm6); // MVN
                t.b.not(m)
            } else {
                let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
                t.b.orn(a, m)
            };
            t.set_r(rd, v);
        }
        I::EorShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
            let v = t.b.xor(a, m);
            t.set_r(rd, v);
        }
        I::EonShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
            let v = t.b.xorn(a, m);
            t.set_r(rd, v);
        }
        I::AndsShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let v = if rn == rm && imm6 == 0 {
                t.r(sf, rn)
            } else {
                let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
                t.b.and(a, m)
            };
            set_logical_flags(t, rd, v);
        }
        I::BicsShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
            let v = t.b.andn(a, m);
            set_logical_flags(t, rd, v);
        }

        I::AddShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
            let v = t.b.add(a, m);
            t.set_r(rd, v);
        }
        I::SubShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let v = if rn == 31 {
                let m = t.shifted(sf, rm, shift, imm6); // NEG
                t.b.neg(m)
            } else {
                let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
                t.b.sub(a, m)
            };
            t.set_r(rd, v);
        }
        I::AddsShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
            t.add_sub_flags(rd, a, m, false);
        }
        I::SubsShift {
            sf,
            shift,
            rm,
            imm6,
            rn,
            rd,
        } => {
            let (a, m) = logical_args(t, sf, rn, rm, shift, imm6);
            t.add_sub_flags(rd, a, m, true);
        }
        I::AddExt {
            sf,
            rm,
            option,
            imm3,
            rn,
            rd,
        } => {
            let (a, m) = (t.r_sp(sf, rn), t.extended(sf, rm, option, imm3));
            let v = t.b.add(a, m);
            t.set_r_sp(rd, v);
        }
        I::SubExt {
            sf,
            rm,
            option,
            imm3,
            rn,
            rd,
        } => {
            let (a, m) = (t.r_sp(sf, rn), t.extended(sf, rm, option, imm3));
            let v = t.b.sub(a, m);
            t.set_r_sp(rd, v);
        }
        I::AddsExt {
            sf,
            rm,
            option,
            imm3,
            rn,
            rd,
        } => {
            let (a, m) = (t.r_sp(sf, rn), t.extended(sf, rm, option, imm3));
            t.add_sub_flags(rd, a, m, false);
        }
        I::SubsExt {
            sf,
            rm,
            option,
            imm3,
            rn,
            rd,
        } => {
            let (a, m) = (t.r_sp(sf, rn), t.extended(sf, rm, option, imm3));
            t.add_sub_flags(rd, a, m, true);
        }
        I::Adc { sf, rm, rn, rd } => {
            let (a, m) = (t.r(sf, rn), t.r(sf, rm));
            add_carry(t, rd, a, m, false);
        }
        I::Adcs { sf, rm, rn, rd } => {
            let (a, m) = (t.r(sf, rn), t.r(sf, rm));
            add_carry(t, rd, a, m, true);
        }
        I::Sbc { sf, rm, rn, rd } => {
            let (a, m) = (t.r(sf, rn), t.r(sf, rm));
            let m = t.b.not(m);
            add_carry(t, rd, a, m, false);
        }
        I::Sbcs { sf, rm, rn, rd } => {
            let (a, m) = (t.r(sf, rn), t.r(sf, rm));
            let m = t.b.not(m);
            add_carry(t, rd, a, m, true);
        }

        I::Rmif { imm6, rn, mask } => rmif(t, imm6, rn, mask),
        I::Setf8 { rn } => setf(t, rn, 8),
        I::Setf16 { rn } => setf(t, rn, 16),

        I::CcmnReg {
            sf,
            rm,
            cond,
            rn,
            nzcv,
        } => {
            let m = t.r(sf, rm);
            cond_compare(t, sf, cond, rn, m, nzcv, false);
        }
        I::CcmpReg {
            sf,
            rm,
            cond,
            rn,
            nzcv,
        } => {
            let m = t.r(sf, rm);
            cond_compare(t, sf, cond, rn, m, nzcv, true);
        }
        I::CcmnImm {
            sf,
            imm5,
            cond,
            rn,
            nzcv,
        } => {
            let m = t.imm(sf, u64::from(imm5));
            cond_compare(t, sf, cond, rn, m, nzcv, false);
        }
        I::CcmpImm {
            sf,
            imm5,
            cond,
            rn,
            nzcv,
        } => {
            let m = t.imm(sf, u64::from(imm5));
            cond_compare(t, sf, cond, rn, m, nzcv, true);
        }
        I::Csel {
            sf,
            rm,
            cond,
            rn,
            rd,
        } => cond_select(t, sf, rm, cond, rn, rd, Else::Same),
        I::Csinc {
            sf,
            rm,
            cond,
            rn,
            rd,
        } => cond_select(t, sf, rm, cond, rn, rd, Else::Inc),
        I::Csinv {
            sf,
            rm,
            cond,
            rn,
            rd,
        } => cond_select(t, sf, rm, cond, rn, rd, Else::Inv),
        I::Csneg {
            sf,
            rm,
            cond,
            rn,
            rd,
        } => cond_select(t, sf, rm, cond, rn, rd, Else::Neg),

        I::Madd { sf, rm, ra, rn, rd } => {
            let (a, m) = (t.r(sf, rn), t.r(sf, rm));
            accumulate(t, rd, ra, a, m, false);
        }
        I::Msub { sf, rm, ra, rn, rd } => {
            let (a, m) = (t.r(sf, rn), t.r(sf, rm));
            accumulate(t, rd, ra, a, m, true);
        }
        I::Smaddl { rm, ra, rn, rd } => {
            let (a, m) = (t.extended(1, rn, 6, 0), t.extended(1, rm, 6, 0));
            accumulate(t, rd, ra, a, m, false);
        }
        I::Smsubl { rm, ra, rn, rd } => {
            let (a, m) = (t.extended(1, rn, 6, 0), t.extended(1, rm, 6, 0));
            accumulate(t, rd, ra, a, m, true);
        }
        I::Umaddl { rm, ra, rn, rd } => {
            let (a, m) = (t.extended(1, rn, 2, 0), t.extended(1, rm, 2, 0));
            accumulate(t, rd, ra, a, m, false);
        }
        I::Umsubl { rm, ra, rn, rd } => {
            let (a, m) = (t.extended(1, rn, 2, 0), t.extended(1, rm, 2, 0));
            accumulate(t, rd, ra, a, m, true);
        }
        I::Smulh { rm, rn, rd } => binary(t, Op::SMulH, 1, rm, rn, rd),
        I::Umulh { rm, rn, rd } => binary(t, Op::UMulH, 1, rm, rn, rd),

        I::Udiv { sf, rm, rn, rd } => binary(t, Op::UDiv, sf, rm, rn, rd),
        I::Sdiv { sf, rm, rn, rd } => binary(t, Op::SDiv, sf, rm, rn, rd),
        I::Lslv { sf, rm, rn, rd } => binary(t, Op::Shl, sf, rm, rn, rd),
        I::Lsrv { sf, rm, rn, rd } => binary(t, Op::Lshr, sf, rm, rn, rd),
        I::Asrv { sf, rm, rn, rd } => binary(t, Op::Ashr, sf, rm, rn, rd),
        I::Rorv { sf, rm, rn, rd } => binary(t, Op::Ror, sf, rm, rn, rd),
        I::Crc32Bhw { rm, sz, rn, rd } => crc32(t, rm, sz, rn, rd, false),
        I::Crc32X { rm, rn, rd } => crc32(t, rm, 3, rn, rd, false),
        I::Crc32CBhw { rm, sz, rn, rd } => crc32(t, rm, sz, rn, rd, true),
        I::Crc32CX { rm, rn, rd } => crc32(t, rm, 3, rn, rd, true),
        I::SmaxReg { sf, rm, rn, rd } => min_max(t, IntCond::Sgt, sf, rm, rn, rd),
        I::UmaxReg { sf, rm, rn, rd } => min_max(t, IntCond::Ugt, sf, rm, rn, rd),
        I::SminReg { sf, rm, rn, rd } => min_max(t, IntCond::Slt, sf, rm, rn, rd),
        I::UminReg { sf, rm, rn, rd } => min_max(t, IntCond::Ult, sf, rm, rn, rd),

        I::Rbit { sf, rn, rd } => unary(t, Op::Rbit, sf, rn, rd),
        I::Rev16 { sf, rn, rd } => unary(t, Op::Rev16, sf, rn, rd),
        I::RevW { rn, rd } => unary(t, Op::Bswap, 0, rn, rd),
        I::Rev32 { rn, rd } => unary(t, Op::Rev32, 1, rn, rd),
        I::RevX { rn, rd } => unary(t, Op::Bswap, 1, rn, rd),
        I::Clz { sf, rn, rd } => unary(t, Op::Clz, sf, rn, rd),
        I::Cls { sf, rn, rd } => unary(t, Op::Cls, sf, rn, rd),
        I::Cnt { sf, rn, rd } => unary(t, Op::Popcnt, sf, rn, rd),
        I::Ctz { sf, rn, rd } => {
            let a = t.r(sf, rn);
            let r = t.b.rbit(a);
            let v = t.b.clz(r);
            t.set_r(rd, v);
        }
        I::Abs { sf, rn, rd } => {
            let (a, zero) = (t.r(sf, rn), t.imm(sf, 0));
            let (c, n) = (t.b.icmp(IntCond::Slt, a, zero), t.b.neg(a));
            let v = t.b.select(c, n, a);
            t.set_r(rd, v);
        }
        I::Pacga { rm, rn, rd } => pauth::pacga(t, rm, rn, rd),
        I::PacAut { op, rn, rd } => pauth::pac_aut(t, op, Some(rn), rd),
        I::PacAutZ { op, rd } => pauth::pac_aut(t, op, None, rd),
        I::Xpac { rd, .. } => pauth::xpac(t, rd),
        I::Subp { .. } | I::Subps { .. } | I::Irg { .. } | I::Gmi { .. } => {
            return t.unimplemented();
        }
    }
    Flow::Next
}

/// Rn and the shifted Rm.
fn logical_args(
    t: &mut Ctx<'_>,
    sf: u32,
    rn: u32,
    rm: u32,
    shift: u32,
    imm6: u32,
) -> (Value, Value) {
    (t.r(sf, rn), t.shifted(sf, rm, shift, imm6))
}

fn set_logical_flags(t: &mut Ctx<'_>, rd: u32, v: Value) {
    let f = t.b.flags_logic(v);
    t.set_r(rd, v);
    t.set_flags(f);
}

/// Rd = a + m + C, with flags if asked. (SBC passes m inverted.)
fn add_carry(t: &mut Ctx<'_>, rd: u32, a: Value, m: Value, set_flags: bool) {
    let ty = t.b.ty(a);
    let c = t.carry();
    let sum = t.b.add(a, m);
    let ci = t.b.bool_to_int(ty, c);
    let v = t.b.add(sum, ci);
    if set_flags {
        let f = t.b.flags_adc(a, m, c);
        t.set_flags(f);
    }
    t.set_r(rd, v);
}

fn cond_compare(t: &mut Ctx<'_>, sf: u32, cond: u32, rn: u32, m: Value, nzcv: u32, sub: bool) {
    let a = t.r(sf, rn);
    let mut f = if sub {
        t.b.flags_sub(a, m)
    } else {
        t.b.flags_add(a, m)
    };
    if cond < 14 {
        let c = t.cond(cond);
        f = t.b.flags_select(c, f, nzcv << 28);
    }
    t.set_flags(f);
}

/// What the CSEL family does with Rm when the condition fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Else {
    Same,
    Inc,
    Inv,
    Neg,
}

fn cond_select(t: &mut Ctx<'_>, sf: u32, rm: u32, cond: u32, rn: u32, rd: u32, op: Else) {
    if cond >= 14 {
        let v = t.r(sf, rn);
        return t.set_r(rd, v);
    }
    if rn == 31 && rm == 31 && matches!(op, Else::Inc | Else::Inv) {
        let f = t.flags(); // CSET, CSETM
        let c = t.b.cond(Cond::from_bits(cond).invert(), f);
        let mut v = t.b.bool_to_int(int_ty(sf), c);
        if op == Else::Inv {
            v = t.b.neg(v);
        }
        return t.set_r(rd, v);
    }
    let c = t.cond(cond);
    let (a, m) = (t.r(sf, rn), t.r(sf, rm));
    let other = match op {
        Else::Same => m,
        Else::Inc => {
            let one = t.imm(sf, 1);
            t.b.add(m, one)
        }
        Else::Inv => t.b.not(m),
        Else::Neg => t.b.neg(m),
    };
    let v = t.b.select(c, a, other);
    t.set_r(rd, v);
}

/// Rd = Ra plus or minus a * m.
fn accumulate(t: &mut Ctx<'_>, rd: u32, ra: u32, a: Value, m: Value, sub: bool) {
    let p = t.b.mul(a, m);
    let v = match (ra, sub) {
        (31, false) => p,
        (31, true) => t.b.neg(p),
        _ => {
            let acc = t.r(u32::from(t.b.ty(p) == Type::I64), ra);
            if sub {
                t.b.sub(acc, p)
            } else {
                t.b.add(acc, p)
            }
        }
    };
    t.set_r(rd, v);
}

fn binary(t: &mut Ctx<'_>, op: Op, sf: u32, rm: u32, rn: u32, rd: u32) {
    let (a, m) = (t.r(sf, rn), t.r(sf, rm));
    let v =
        t.b.push(op, int_ty(sf), 0, [a, m, Value::NONE, Value::NONE], 0);
    t.set_r(rd, v);
}

fn unary(t: &mut Ctx<'_>, op: Op, sf: u32, rn: u32, rd: u32) {
    let a = t.r(sf, rn);
    let v = t.b.push(
        op,
        int_ty(sf),
        0,
        [a, Value::NONE, Value::NONE, Value::NONE],
        0,
    );
    t.set_r(rd, v);
}

fn crc32(t: &mut Ctx<'_>, rm: u32, sz: u32, rn: u32, rd: u32, castagnoli: bool) {
    let (acc, m) = (t.w(rn), t.r(u32::from(sz == 3), rm));
    let v = t.b.crc32(acc, m, sz, castagnoli);
    t.set_w(rd, v);
}

fn min_max(t: &mut Ctx<'_>, keep_first: IntCond, sf: u32, rm: u32, rn: u32, rd: u32) {
    let (a, m) = (t.r(sf, rn), t.r(sf, rm));
    t.min_max(keep_first, rd, a, m);
}

/// Replaces the bits of packed NZCV that `mask` (bits 31..28) names by those of `new`.
fn merge_flags(t: &mut Ctx<'_>, mask: u32, new: Value) {
    let f = t.flags();
    let (old, keep, take) = (t.b.flags_unpack(f), t.b.i32(!mask), t.b.i32(mask));
    let (old, new) = (t.b.and(old, keep), t.b.and(new, take));
    let v = t.b.or(old, new);
    let f = t.b.flags_pack(v);
    t.set_flags(f);
}

fn rmif(t: &mut Ctx<'_>, imm6: u32, rn: u32, mask: u32) {
    let x = t.x(rn);
    let x = t.shift_imm(x, 3, imm6);
    let w = t.b.trunc(x);
    let w = t.b.shl_i(w, 28);
    merge_flags(t, mask << 28, w);
}

/// SETF8, SETF16: N and Z of the low bits, V if the bit above differs from their sign; C stays.
fn setf(t: &mut Ctx<'_>, rn: u32, bits: u32) {
    let w = t.w(rn);
    let top = t.b.shl_i(w, 32 - bits);
    let (zero, n) = (t.b.i32(0), t.b.i32(flags::N));
    let is_zero = t.b.icmp(IntCond::Eq, top, zero);
    let z = t.b.bool_to_int(Type::I32, is_zero);
    let (z, n) = (t.b.shl_i(z, 30), t.b.and(top, n));
    let up = t.b.shl_i(w, 31 - bits);
    let differ = t.b.xor(top, up);
    let differ = t.b.lshr_i(differ, 3);
    let vbit = t.b.i32(flags::V);
    let v = t.b.and(differ, vbit);
    let (nz, _) = (t.b.or(n, z), ());
    let new = t.b.or(nz, v);
    merge_flags(t, flags::N | flags::Z | flags::V, new);
}
