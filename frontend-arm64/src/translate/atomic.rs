//! Exclusive, ordered and atomic memory accesses (Arm ARM B2.9, C3.2.6 to C3.2.14).
//!
//! Exclusives always check alignment; the others do unless FEAT_LSE2 is advertised. A load-exclusive remembers address
//! and value in the monitor slots after its access; a store-exclusive succeeds if the address is the same and memory still holds
//! the value, which also is how the rest of the system sees an ABA change. Either outcome opens the monitor.

use super::operand::{int_ty, sext};
use super::{Ctx, Flow};
use crate::arch::features::Feat;
use crate::arch::state::{self, EXCL_ADDR, EXCL_HI, EXCL_LO, MONITOR_OPEN};
use crate::decode::Atomic;
use metaphrase_ir::ops::Rmw;
use metaphrase_ir::{MemInfo, Order, Shape, Type, Value};

impl Ctx<'_> {
    /// The exclusive monitor forgets.
    pub(super) fn clear_monitor(&mut self) {
        let open = self.b.i64(MONITOR_OPEN);
        self.b.set(EXCL_ADDR, open);
    }

    /// Attributes of an ordered or atomic access.
    fn ordered(&self, size: u32, order: Order) -> MemInfo {
        let m = MemInfo::plain(size as u8).order(order);
        if self.cfg.feats.has(Feat::LSE2) {
            m
        } else {
            m.aligned()
        }
    }
}

/// Translates one instruction of the class.
pub fn translate(t: &mut Ctx<'_>, i: Atomic) -> Flow {
    use Atomic as I;
    match i {
        I::Ldxr { size, rn, rt } => load_exclusive(t, size, rn, rt, Order::Plain),
        I::Ldaxr { size, rn, rt } => load_exclusive(t, size, rn, rt, Order::Acquire),
        I::Stxr { size, rs, rn, rt } => store_exclusive(t, size, rs, rn, rt, Order::Plain),
        I::Stlxr { size, rs, rn, rt } => store_exclusive(t, size, rs, rn, rt, Order::Release),
        I::Ldxp { sf, rt2, rn, rt } => load_pair(t, sf, rt2, rn, rt, Order::Plain),
        I::Ldaxp { sf, rt2, rn, rt } => load_pair(t, sf, rt2, rn, rt, Order::Acquire),
        I::Stxp {
            sf,
            rs,
            rt2,
            rn,
            rt,
        } => store_pair(t, sf, rs, rt2, rn, rt, Order::Plain),
        I::Stlxp {
            sf,
            rs,
            rt2,
            rn,
            rt,
        } => store_pair(t, sf, rs, rt2, rn, rt, Order::Release),
        I::Stllr { size, rn, rt } | I::Stlr { size, rn, rt } => {
            store(t, size, rn, rt, 0, Order::Release);
        }
        I::Ldlar { size, rn, rt } | I::Ldar { size, rn, rt } => {
            let m = t.ordered(size, Order::Acquire);
            load(t, m, int_ty(u32::from(size == 3)), rn, rt, 0);
        }
        I::Ldapr { size, rn, rt } => {
            let m = t.ordered(size, Order::AcquirePc);
            load(t, m, int_ty(u32::from(size == 3)), rn, rt, 0);
        }
        I::Stlur { size, imm9, rn, rt } => store(t, size, rn, rt, sext(imm9, 9), Order::Release),
        I::Ldapur { size, imm9, rn, rt } => {
            let m = t.ordered(size, Order::AcquirePc);
            load(t, m, int_ty(u32::from(size == 3)), rn, rt, sext(imm9, 9));
        }
        I::Ldapurs {
            size,
            w,
            imm9,
            rn,
            rt,
        } => {
            let m = t.ordered(size, Order::AcquirePc).sext();
            load(t, m, int_ty(1 - w), rn, rt, sext(imm9, 9));
        }
        I::Ldop {
            size,
            a,
            r,
            rs,
            op,
            rn,
            rt,
        } => rmw(t, Rmw::ALL[op as usize], size, a, r, rs, rn, rt),
        I::Swp {
            size,
            a,
            r,
            rs,
            rn,
            rt,
        } => rmw(t, Rmw::Swp, size, a, r, rs, rn, rt),
        I::Cas {
            size,
            a,
            rs,
            r,
            rn,
            rt,
        } => cas(t, size, a, r, rs, rn, rt),
        I::Casp {
            sf,
            a,
            rs,
            r,
            rn,
            rt,
        } => casp(t, sf, a, r, rs, rn, rt),
    }
    Flow::Next
}

fn load(t: &mut Ctx<'_>, m: MemInfo, ty: Type, rn: u32, rt: u32, offset: i64) {
    let a = t.x_sp(rn);
    let v = t.b.load(ty, m, a, offset);
    t.set_r(rt, v);
}

fn store(t: &mut Ctx<'_>, size: u32, rn: u32, rt: u32, offset: i64, order: Order) {
    let m = t.ordered(size, order);
    let (a, v) = (t.x_sp(rn), t.r(u32::from(size == 3), rt));
    t.b.store(m, a, offset, v);
}

fn load_exclusive(t: &mut Ctx<'_>, size: u32, rn: u32, rt: u32, order: Order) {
    let m = MemInfo::plain(size as u8).order(order).aligned();
    let a = t.x_sp(rn);
    let v = t.b.load(Type::I64, m, a, 0);
    t.b.set(EXCL_ADDR, a);
    t.b.set(EXCL_LO, v);
    t.set_x(rt, v);
}

fn store_exclusive(t: &mut Ctx<'_>, size: u32, rs: u32, rn: u32, rt: u32, order: Order) {
    let m = MemInfo::plain(size as u8).order(order).aligned();
    let (a, v) = (t.x_sp(rn), t.x(rt));
    let expected = t.b.get(EXCL_LO);
    finish_exclusive(t, m, rs, a, v, expected);
}

fn finish_exclusive(t: &mut Ctx<'_>, m: MemInfo, rs: u32, a: Value, new: Value, expected: Value) {
    let monitor = t.b.get(EXCL_ADDR);
    let failed = t.b.store_excl(m, a, new, monitor, expected);
    t.clear_monitor();
    t.set_w(rs, failed);
}

fn load_pair(t: &mut Ctx<'_>, sf: u32, rt2: u32, rn: u32, rt: u32, order: Order) {
    let m = MemInfo::plain(3 + sf as u8).order(order).aligned();
    let a = t.x_sp(rn);
    let ty = if sf != 0 { Type::V128 } else { Type::I64 };
    let v = t.b.load(ty, m, a, 0);
    let (lo, hi) = split_pair(t, sf, v);
    t.b.set(EXCL_ADDR, a);
    if sf != 0 {
        t.b.set(EXCL_LO, lo);
        t.b.set(EXCL_HI, hi);
    } else {
        t.b.set(EXCL_LO, v);
    }
    t.set_r(rt, lo);
    t.set_r(rt2, hi);
}

fn store_pair(t: &mut Ctx<'_>, sf: u32, rs: u32, rt2: u32, rn: u32, rt: u32, order: Order) {
    let m = MemInfo::plain(3 + sf as u8).order(order).aligned();
    let a = t.x_sp(rn);
    let new = make_pair(t, sf, rt, rt2);
    let lo = t.b.get(EXCL_LO);
    let expected = if sf != 0 {
        let hi = t.b.get(EXCL_HI);
        t.b.vpair(lo, hi)
    } else {
        lo
    };
    finish_exclusive(t, m, rs, a, new, expected);
}

/// Two registers as they lie in memory: `I64` of two W, `V128` of two X.
fn make_pair(t: &mut Ctx<'_>, sf: u32, rt: u32, rt2: u32) -> Value {
    let (lo, hi) = (t.x(rt), t.x(rt2));
    if sf != 0 {
        return t.b.vpair(lo, hi);
    }
    let mask = t.b.i64(0xffff_ffff);
    let (lo, hi) = (t.b.and(lo, mask), t.b.shl_i(hi, 32));
    t.b.or(lo, hi)
}

/// The inverse: two `I32` or two `I64`.
fn split_pair(t: &mut Ctx<'_>, sf: u32, v: Value) -> (Value, Value) {
    if sf != 0 {
        let lo = t.b.vlane(Type::I64, Shape::D2, v, 0);
        return (lo, t.b.vlane(Type::I64, Shape::D2, v, 1));
    }
    let (lo, hi) = (t.b.trunc(v), t.b.lshr_i(v, 32));
    (lo, t.b.trunc(hi))
}

fn order(a: u32, r: u32) -> Order {
    match (a, r) {
        (0, 0) => Order::Plain,
        (_, 0) => Order::Acquire,
        (0, _) => Order::Release,
        _ => Order::AcqRel,
    }
}

#[allow(clippy::too_many_arguments, reason = "the fields of the encoding")]
fn rmw(t: &mut Ctx<'_>, op: Rmw, size: u32, a: u32, r: u32, rs: u32, rn: u32, rt: u32) {
    let m = t.ordered(size, order(a, r));
    let sf = u32::from(size == 3);
    let (addr, v) = (t.x_sp(rn), t.r(sf, rs));
    let old = t.b.rmw(op, int_ty(sf), m, addr, v);
    t.set_r(rt, old);
}

fn cas(t: &mut Ctx<'_>, size: u32, a: u32, r: u32, rs: u32, rn: u32, rt: u32) {
    let m = t.ordered(size, order(a, r));
    let sf = u32::from(size == 3);
    let addr = t.x_sp(rn);
    let (mut expected, new) = (t.r(sf, rs), t.r(sf, rt));
    if size < 2 {
        let mask = t.imm(sf, (1 << (8 << size)) - 1);
        expected = t.b.and(expected, mask);
    }
    let old = t.b.cas(int_ty(sf), m, addr, expected, new);
    t.set_r(rs, old);
}

fn casp(t: &mut Ctx<'_>, sf: u32, a: u32, r: u32, rs: u32, rn: u32, rt: u32) {
    let mut m = t.ordered(3 + sf, order(a, r));
    if sf != 0 {
        m = m.aligned(); // misaligned, it crosses 16 bytes, which FEAT_LSE2 does not allow either
    }
    let addr = t.x_sp(rn);
    let (expected, new) = (make_pair(t, sf, rs, rs + 1), make_pair(t, sf, rt, rt + 1));
    let ty = t.b.ty(expected);
    let old = t.b.cas(ty, m, addr, expected, new);
    let (lo, hi) = split_pair(t, sf, old);
    t.set_r(rs, lo);
    t.set_r(rs + 1, hi);
}

const _: () = assert!(
    state::MONITOR_OPEN & 15 != 0,
    "no aligned access matches an open monitor"
);
