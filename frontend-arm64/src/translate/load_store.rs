//! Loads and stores of general and FP registers (Arm ARM C3.2; C6.2, C7.2).
//!
//! All accesses of an instruction come before its first `Set`, so that a fault on any of them leaves every register as it was. Then
//! the destinations are set and last the base: where an instruction with write-back loads its own base (CONSTRAINED
//! UNPREDICTABLE), the base keeps the address; a pair that names one register twice keeps the second value.

use super::operand::sext;
use super::{Ctx, Flow, mops};
use crate::decode::LoadStore;
use metaphrase_ir::{MemInfo, Type, Value};

/// How an address is made and what becomes of the base.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// Base plus offset; the base stays.
    Offset(i64),
    /// Access at the base; then base plus offset.
    Post(i64),
    /// Access at base plus offset, which becomes the base.
    Pre(i64),
}

/// An address operand: base value and constant offset of the access, and what to write back.
#[derive(Clone, Copy)]
pub(super) struct Addr {
    pub base: Value,
    pub offset: i64,
    write_back: Option<(u32, i64)>,
}

impl Ctx<'_> {
    pub(super) fn addr(&mut self, rn: u32, index: Index) -> Addr {
        let base = self.x_sp(rn);
        let (offset, write_back) = match index {
            Index::Offset(o) => (o, None),
            Index::Post(o) => (0, Some((rn, o))),
            Index::Pre(o) => (o, Some((rn, o))),
        };
        Addr {
            base,
            offset,
            write_back,
        }
    }

    /// Writes the base back; call after all accesses and destinations.
    pub(super) fn finish_addr(&mut self, a: Addr) {
        if let Some((rn, o)) = a.write_back {
            let k = self.b.i64(o as u64);
            let v = self.b.add(a.base, k);
            self.set_r_sp(rn, v);
        }
    }
}

/// What is transferred: a general register with its memory attributes, or a V register of `1 << log2` bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    /// Result type, and attributes.
    Gpr(Type, MemInfo),
    V(u8),
}

impl Data {
    /// Zero-extending load or a store of `1 << size` bytes.
    fn gpr(size: u32) -> Data {
        let ty = if size == 3 { Type::I64 } else { Type::I32 };
        Data::Gpr(ty, MemInfo::plain(size as u8))
    }
    /// Sign-extending load to X, or to W if `w`.
    fn signed(size: u32, w: u32) -> Data {
        let ty = if w != 0 { Type::I32 } else { Type::I64 };
        Data::Gpr(ty, MemInfo::plain(size as u8).sext())
    }
    /// V register of 128 bits if `q`, else `8 << size`.
    fn v(size: u32, q: u32) -> Data {
        Data::V(if q != 0 { 4 } else { size as u8 })
    }
    fn unpriv(self) -> Data {
        match self {
            Data::Gpr(ty, m) => Data::Gpr(ty, m.unpriv()),
            v => v,
        }
    }
    fn log2(self) -> u32 {
        u32::from(match self {
            Data::Gpr(_, m) => m.size,
            Data::V(n) => n,
        })
    }
    fn bytes(self) -> i64 {
        1 << self.log2()
    }
}

/// Translates one instruction of the class.
pub fn translate(t: &mut Ctx<'_>, i: LoadStore) -> Flow {
    use Index::{Offset, Post, Pre};
    use LoadStore as I;
    match i {
        I::LdrLitW { imm19, rt } => literal(t, imm19, rt, Data::gpr(2)),
        I::LdrLitX { imm19, rt } => literal(t, imm19, rt, Data::gpr(3)),
        I::LdrswLit { imm19, rt } => literal(t, imm19, rt, Data::signed(2, 0)),
        I::LdrLitV { opc, imm19, rt } => literal(t, imm19, rt, Data::V(opc as u8 + 2)),
        I::PrfmLit { .. } | I::Prfum { .. } | I::PrfmReg { .. } | I::PrfmImm { .. } => {}

        I::Stp {
            sf,
            mode,
            imm7,
            rt2,
            rn,
            rt,
        } => store_pair(t, Data::gpr(2 + sf), mode, imm7, rt2, rn, rt),
        I::Ldp {
            sf,
            mode,
            imm7,
            rt2,
            rn,
            rt,
        } => load_pair(t, Data::gpr(2 + sf), mode, imm7, rt2, rn, rt),
        I::Ldpsw {
            mode,
            imm7,
            rt2,
            rn,
            rt,
        } => load_pair(t, Data::signed(2, 0), mode, imm7, rt2, rn, rt),
        I::StpV {
            opc,
            mode,
            imm7,
            rt2,
            rn,
            rt,
        } => store_pair(t, Data::V(opc as u8 + 2), mode, imm7, rt2, rn, rt),
        I::LdpV {
            opc,
            mode,
            imm7,
            rt2,
            rn,
            rt,
        } => load_pair(t, Data::V(opc as u8 + 2), mode, imm7, rt2, rn, rt),

        I::Stur { size, imm9, rn, rt } => store(t, Data::gpr(size), rn, rt, Offset(sext(imm9, 9))),
        I::Ldur { size, imm9, rn, rt } => load(t, Data::gpr(size), rn, rt, Offset(sext(imm9, 9))),
        I::Ldurs {
            size,
            w,
            imm9,
            rn,
            rt,
        } => load(t, Data::signed(size, w), rn, rt, Offset(sext(imm9, 9))),
        I::StrPost { size, imm9, rn, rt } => store(t, Data::gpr(size), rn, rt, Post(sext(imm9, 9))),
        I::LdrPost { size, imm9, rn, rt } => load(t, Data::gpr(size), rn, rt, Post(sext(imm9, 9))),
        I::LdrsPost {
            size,
            w,
            imm9,
            rn,
            rt,
        } => load(t, Data::signed(size, w), rn, rt, Post(sext(imm9, 9))),
        I::Sttr { size, imm9, rn, rt } => {
            store(t, Data::gpr(size).unpriv(), rn, rt, Offset(sext(imm9, 9)))
        }
        I::Ldtr { size, imm9, rn, rt } => {
            load(t, Data::gpr(size).unpriv(), rn, rt, Offset(sext(imm9, 9)))
        }
        I::Ldtrs {
            size,
            w,
            imm9,
            rn,
            rt,
        } => load(
            t,
            Data::signed(size, w).unpriv(),
            rn,
            rt,
            Offset(sext(imm9, 9)),
        ),
        I::StrPre { size, imm9, rn, rt } => store(t, Data::gpr(size), rn, rt, Pre(sext(imm9, 9))),
        I::LdrPre { size, imm9, rn, rt } => load(t, Data::gpr(size), rn, rt, Pre(sext(imm9, 9))),
        I::LdrsPre {
            size,
            w,
            imm9,
            rn,
            rt,
        } => load(t, Data::signed(size, w), rn, rt, Pre(sext(imm9, 9))),
        I::SturV {
            size,
            q,
            imm9,
            rn,
            rt,
        } => store(t, Data::v(size, q), rn, rt, Offset(sext(imm9, 9))),
        I::LdurV {
            size,
            q,
            imm9,
            rn,
            rt,
        } => load(t, Data::v(size, q), rn, rt, Offset(sext(imm9, 9))),
        I::StrPostV {
            size,
            q,
            imm9,
            rn,
            rt,
        } => store(t, Data::v(size, q), rn, rt, Post(sext(imm9, 9))),
        I::LdrPostV {
            size,
            q,
            imm9,
            rn,
            rt,
        } => load(t, Data::v(size, q), rn, rt, Post(sext(imm9, 9))),
        I::StrPreV {
            size,
            q,
            imm9,
            rn,
            rt,
        } => store(t, Data::v(size, q), rn, rt, Pre(sext(imm9, 9))),
        I::LdrPreV {
            size,
            q,
            imm9,
            rn,
            rt,
        } => load(t, Data::v(size, q), rn, rt, Pre(sext(imm9, 9))),

        I::StrReg {
            size,
            rm,
            option,
            s,
            rn,
            rt,
        } => store_reg(t, Data::gpr(size), rm, option, s, rn, rt),
        I::LdrReg {
            size,
            rm,
            option,
            s,
            rn,
            rt,
        } => load_reg(t, Data::gpr(size), rm, option, s, rn, rt),
        I::LdrsReg {
            size,
            w,
            rm,
            option,
            s,
            rn,
            rt,
        } => load_reg(t, Data::signed(size, w), rm, option, s, rn, rt),
        I::StrRegV {
            size,
            q,
            rm,
            option,
            s,
            rn,
            rt,
        } => store_reg(t, Data::v(size, q), rm, option, s, rn, rt),
        I::LdrRegV {
            size,
            q,
            rm,
            option,
            s,
            rn,
            rt,
        } => load_reg(t, Data::v(size, q), rm, option, s, rn, rt),

        I::StrImm {
            size,
            imm12,
            rn,
            rt,
        } => store(t, Data::gpr(size), rn, rt, Offset(i64::from(imm12) << size)),
        I::LdrImm {
            size,
            imm12,
            rn,
            rt,
        } => load(t, Data::gpr(size), rn, rt, Offset(i64::from(imm12) << size)),
        I::LdrsImm {
            size,
            w,
            imm12,
            rn,
            rt,
        } => load(
            t,
            Data::signed(size, w),
            rn,
            rt,
            Offset(i64::from(imm12) << size),
        ),
        I::StrImmV {
            size,
            q,
            imm12,
            rn,
            rt,
        } => {
            let d = Data::v(size, q);
            store(t, d, rn, rt, Offset(i64::from(imm12) * d.bytes()));
        }
        I::LdrImmV {
            size,
            q,
            imm12,
            rn,
            rt,
        } => {
            let d = Data::v(size, q);
            load(t, d, rn, rt, Offset(i64::from(imm12) * d.bytes()));
        }

        I::Ldra {
            key,
            s,
            imm9,
            w,
            rn,
            rt,
        } => load_authenticated(t, key, sext(s << 9 | imm9, 10) * 8, w, rn, rt),
        I::Cpyf {
            stage, rs, rn, rd, ..
        } => return mops::copy(t, stage, rs, rn, rd, true),
        I::Cpy {
            stage, rs, rn, rd, ..
        } => return mops::copy(t, stage, rs, rn, rd, false),
        I::Set {
            rs, stage, rn, rd, ..
        } => return mops::set(t, stage, rs, rn, rd),
        I::Setg { .. }
        | I::Stgp { .. }
        | I::Stzgm { .. }
        | I::Stgm { .. }
        | I::Ldgm { .. }
        | I::Ldg { .. }
        | I::Stg { .. } => return t.unimplemented(),
    }
    Flow::Next
}

fn load_value(t: &mut Ctx<'_>, d: Data, base: Value, offset: i64) -> Value {
    match d {
        Data::Gpr(ty, m) => t.b.load(ty, m, base, offset),
        Data::V(n) => t.b.load(Type::V128, MemInfo::plain(n), base, offset),
    }
}

fn set_data(t: &mut Ctx<'_>, d: Data, rt: u32, v: Value) {
    match d {
        Data::Gpr(..) => t.set_r(rt, v),
        Data::V(_) => t.set_v(rt, v),
    }
}

/// The register to store, and its attributes.
fn data(t: &mut Ctx<'_>, d: Data, rt: u32) -> (Value, MemInfo) {
    match d {
        Data::Gpr(ty, m) => (t.r(u32::from(ty == Type::I64), rt), m),
        Data::V(n) => (t.v(rt), MemInfo::plain(n)),
    }
}

fn load(t: &mut Ctx<'_>, d: Data, rn: u32, rt: u32, index: Index) {
    let a = t.addr(rn, index);
    let v = load_value(t, d, a.base, a.offset);
    set_data(t, d, rt, v);
    t.finish_addr(a);
}

fn store(t: &mut Ctx<'_>, d: Data, rn: u32, rt: u32, index: Index) {
    let a = t.addr(rn, index);
    let (v, m) = data(t, d, rt);
    t.b.store(m, a.base, a.offset, v);
    t.finish_addr(a);
}

/// LDRAA, LDRAB: the base is a pointer signed with a data key and no modifier.
fn load_authenticated(t: &mut Ctx<'_>, key: u32, offset: i64, w: u32, rn: u32, rt: u32) {
    let (x, zero) = (t.x_sp(rn), t.b.i64(0));
    let base = t.authenticated(true, key, x, zero);
    let v = t.b.load(Type::I64, MemInfo::plain(3), base, offset);
    t.set_x(rt, v);
    if w != 0 {
        let k = t.b.i64(offset as u64);
        let v = t.b.add(base, k);
        t.set_r_sp(rn, v);
    }
}

fn literal(t: &mut Ctx<'_>, imm19: u32, rt: u32, d: Data) {
    let at = t.pc.wrapping_add_signed(sext(imm19, 19) * 4);
    let a = t.b.i64(at);
    let v = load_value(t, d, a, 0);
    set_data(t, d, rt, v);
}

/// `mode` of a pair: 0 no-allocate, 1 post-index, 2 offset, 3 pre-index.
fn pair_index(d: Data, mode: u32, imm7: u32) -> Index {
    let offset = sext(imm7, 7) * d.bytes();
    match mode {
        1 => Index::Post(offset),
        3 => Index::Pre(offset),
        _ => Index::Offset(offset),
    }
}

fn load_pair(t: &mut Ctx<'_>, d: Data, mode: u32, imm7: u32, rt2: u32, rn: u32, rt: u32) {
    let a = t.addr(rn, pair_index(d, mode, imm7));
    let v1 = load_value(t, d, a.base, a.offset);
    let v2 = load_value(t, d, a.base, a.offset + d.bytes());
    set_data(t, d, rt, v1);
    set_data(t, d, rt2, v2);
    t.finish_addr(a);
}

fn store_pair(t: &mut Ctx<'_>, d: Data, mode: u32, imm7: u32, rt2: u32, rn: u32, rt: u32) {
    let a = t.addr(rn, pair_index(d, mode, imm7));
    let (v1, m) = data(t, d, rt);
    let (v2, _) = data(t, d, rt2);
    t.b.store(m, a.base, a.offset, v1);
    t.b.store(m, a.base, a.offset + d.bytes(), v2);
    t.finish_addr(a);
}

/// Base plus extended (`option`), optionally scaled (`s`) index register.
fn reg_addr(t: &mut Ctx<'_>, d: Data, rm: u32, option: u32, s: u32, rn: u32) -> Value {
    let base = t.x_sp(rn);
    let index = t.extended(1, rm, option, if s != 0 { d.log2() } else { 0 });
    t.b.add(base, index)
}

fn load_reg(t: &mut Ctx<'_>, d: Data, rm: u32, option: u32, s: u32, rn: u32, rt: u32) {
    let a = reg_addr(t, d, rm, option, s, rn);
    let v = load_value(t, d, a, 0);
    set_data(t, d, rt, v);
}

fn store_reg(t: &mut Ctx<'_>, d: Data, rm: u32, option: u32, s: u32, rn: u32, rt: u32) {
    let a = reg_addr(t, d, rm, option, s, rn);
    let (v, m) = data(t, d, rt);
    t.b.store(m, a, 0, v);
}
