//! AdvSIMD loads and stores of structures (Arm ARM C3.2.10; C7.2 LD1 to LD4, ST1 to ST4).
//!
//! Whole-register forms move full vectors and (de)interleave them in registers, so that each instruction makes as few
//! accesses as it has registers; single-lane forms access each element. All accesses come before the first `Set`.

use super::load_store::{Addr, Index};
use super::{Ctx, Flow};
use crate::decode::LoadStoreSimd;
use metaphrase_ir::ops::VBinKind;
use metaphrase_ir::{MemInfo, Shape, Type, Value};
use smallvec::SmallVec;

type Regs = SmallVec<[Value; 4]>;

/// A whole-register transfer: `regs` registers from Vt, structures of `interleave` elements.
#[derive(Clone, Copy)]
struct Multi {
    regs: u32,
    interleave: u32,
    q: u32,
    load: bool,
    size: u32,
    rn: u32,
    rt: u32,
    /// Post-index register; 31 means by the bytes transferred.
    rm: Option<u32>,
}

/// Translates one instruction of the class.
pub fn translate(t: &mut Ctx<'_>, i: LoadStoreSimd) -> Flow {
    use LoadStoreSimd as I;
    let multi = |regs, interleave, q, l: u32, size, rn, rt, rm| Multi {
        regs,
        interleave,
        q,
        load: l != 0,
        size,
        rn,
        rt,
        rm,
    };
    let m = match i {
        I::Ldst4 { q, l, size, rn, rt } => multi(4, 4, q, l, size, rn, rt, None),
        I::Ldst3 { q, l, size, rn, rt } => multi(3, 3, q, l, size, rn, rt, None),
        I::Ldst2 { q, l, size, rn, rt } => multi(2, 2, q, l, size, rn, rt, None),
        I::Ldst1x4 { q, l, size, rn, rt } => multi(4, 1, q, l, size, rn, rt, None),
        I::Ldst1x3 { q, l, size, rn, rt } => multi(3, 1, q, l, size, rn, rt, None),
        I::Ldst1x2 { q, l, size, rn, rt } => multi(2, 1, q, l, size, rn, rt, None),
        I::Ldst1x1 { q, l, size, rn, rt } => multi(1, 1, q, l, size, rn, rt, None),
        I::Ldst4Post {
            q,
            l,
            rm,
            size,
            rn,
            rt,
        } => multi(4, 4, q, l, size, rn, rt, Some(rm)),
        I::Ldst3Post {
            q,
            l,
            rm,
            size,
            rn,
            rt,
        } => multi(3, 3, q, l, size, rn, rt, Some(rm)),
        I::Ldst2Post {
            q,
            l,
            rm,
            size,
            rn,
            rt,
        } => multi(2, 2, q, l, size, rn, rt, Some(rm)),
        I::Ldst1x4Post {
            q,
            l,
            rm,
            size,
            rn,
            rt,
        } => multi(4, 1, q, l, size, rn, rt, Some(rm)),
        I::Ldst1x3Post {
            q,
            l,
            rm,
            size,
            rn,
            rt,
        } => multi(3, 1, q, l, size, rn, rt, Some(rm)),
        I::Ldst1x2Post {
            q,
            l,
            rm,
            size,
            rn,
            rt,
        } => multi(2, 1, q, l, size, rn, rt, Some(rm)),
        I::Ldst1x1Post {
            q,
            l,
            rm,
            size,
            rn,
            rt,
        } => multi(1, 1, q, l, size, rn, rt, Some(rm)),
        I::LdstLane {
            q,
            l,
            r,
            scale,
            o0,
            s,
            size,
            rn,
            rt,
        } => {
            let e = Lane::new(q, scale, s, size, (o0 << 1 | r) + 1);
            lanes(t, e, l != 0, rn, rt, None);
            return Flow::Next;
        }
        I::LdstLanePost {
            q,
            l,
            r,
            rm,
            scale,
            o0,
            s,
            size,
            rn,
            rt,
        } => {
            let e = Lane::new(q, scale, s, size, (o0 << 1 | r) + 1);
            lanes(t, e, l != 0, rn, rt, Some(rm));
            return Flow::Next;
        }
        I::LdRep {
            q,
            r,
            o0,
            size,
            rn,
            rt,
        } => {
            replicate(t, q, size, (o0 << 1 | r) + 1, rn, rt, None);
            return Flow::Next;
        }
        I::LdRepPost {
            q,
            r,
            rm,
            o0,
            size,
            rn,
            rt,
        } => {
            replicate(t, q, size, (o0 << 1 | r) + 1, rn, rt, Some(rm));
            return Flow::Next;
        }
    };
    if m.load {
        load_multi(t, m);
    } else {
        store_multi(t, m);
    }
    Flow::Next
}

/// The address; post-indexing by a register is finished by [`finish`].
fn address(t: &mut Ctx<'_>, rn: u32, rm: Option<u32>, bytes: u32) -> (Addr, Option<(u32, Value)>) {
    match rm {
        None => (t.addr(rn, Index::Offset(0)), None),
        Some(31) => (t.addr(rn, Index::Post(i64::from(bytes))), None),
        Some(m) => {
            let a = t.addr(rn, Index::Offset(0));
            let by = t.x(m);
            let next = t.b.add(a.base, by);
            (a, Some((rn, next)))
        }
    }
}

fn finish(t: &mut Ctx<'_>, (a, next): (Addr, Option<(u32, Value)>)) {
    t.finish_addr(a);
    if let Some((rn, v)) = next {
        t.set_r_sp(rn, v);
    }
}

fn load_multi(t: &mut Ctx<'_>, m: Multi) {
    let (log2, shape) = (3 + m.q as u8, Shape::vector(m.size, m.q != 0));
    let bytes = 8 << m.q;
    let a = address(t, m.rn, m.rm, m.regs * bytes);
    let parts: Regs = (0..m.regs)
        .map(|k| {
            let off = a.0.offset + i64::from(k * bytes);
            t.b.load(Type::V128, MemInfo::plain(log2), a.0.base, off)
        })
        .collect();
    let regs = match m.interleave {
        2 => unzip(t, shape, parts[0], parts[1]).into_iter().collect(),
        4 => deinterleave4(t, shape, &parts),
        3 => deinterleave3(t, m.size, bytes, &parts),
        _ => parts,
    };
    for (k, v) in regs.into_iter().enumerate() {
        t.set_v((m.rt + k as u32) & 31, v);
    }
    finish(t, a);
}

fn store_multi(t: &mut Ctx<'_>, m: Multi) {
    let (log2, shape) = (3 + m.q as u8, Shape::vector(m.size, m.q != 0));
    let bytes = 8 << m.q;
    let a = address(t, m.rn, m.rm, m.regs * bytes);
    let regs: Regs = (0..m.regs).map(|k| t.v((m.rt + k) & 31)).collect();
    let parts = match m.interleave {
        2 => zip(t, shape, regs[0], regs[1]).into_iter().collect(),
        4 => interleave4(t, shape, &regs),
        3 => interleave3(t, m.size, bytes, &regs),
        _ => regs,
    };
    for (k, v) in parts.into_iter().enumerate() {
        let off = a.0.offset + i64::from(k as u32 * bytes);
        t.b.store(MemInfo::plain(log2), a.0.base, off, v);
    }
    finish(t, a);
}

/// Elements of a:b with even and with odd numbers.
fn unzip(t: &mut Ctx<'_>, s: Shape, a: Value, b: Value) -> [Value; 2] {
    [
        t.b.vbin(VBinKind::Uzp1, s, a, b),
        t.b.vbin(VBinKind::Uzp2, s, a, b),
    ]
}

/// a and b element by element: first and second half.
fn zip(t: &mut Ctx<'_>, s: Shape, a: Value, b: Value) -> [Value; 2] {
    [
        t.b.vbin(VBinKind::Zip1, s, a, b),
        t.b.vbin(VBinKind::Zip2, s, a, b),
    ]
}

fn deinterleave4(t: &mut Ctx<'_>, s: Shape, p: &Regs) -> Regs {
    let [e0, o0] = unzip(t, s, p[0], p[1]);
    let [e1, o1] = unzip(t, s, p[2], p[3]);
    let [r0, r2] = unzip(t, s, e0, e1);
    let [r1, r3] = unzip(t, s, o0, o1);
    [r0, r1, r2, r3].into_iter().collect()
}

fn interleave4(t: &mut Ctx<'_>, s: Shape, r: &Regs) -> Regs {
    let [a0, a1] = zip(t, s, r[0], r[2]);
    let [b0, b1] = zip(t, s, r[1], r[3]);
    let [p0, p1] = zip(t, s, a0, b0);
    let [p2, p3] = zip(t, s, a1, b1);
    [p0, p1, p2, p3].into_iter().collect()
}

/// One vector whose byte i is byte `from(i)` of the concatenation of three vectors of `bytes` bytes each.
fn gather3(t: &mut Ctx<'_>, bytes: u32, p: &Regs, from: impl Fn(u32) -> u32) -> Value {
    const NONE: u8 = 0xff;
    let (mut first, mut second) = ([NONE; 16], [NONE; 16]);
    for i in 0..bytes {
        let (part, byte) = (from(i) / bytes, (from(i) % bytes) as u8);
        match part {
            0 => first[i as usize] = byte,
            1 => first[i as usize] = 16 + byte,
            _ => second[i as usize] = 16 + byte,
        }
        if part < 2 {
            second[i as usize] = i as u8;
        }
    }
    let v = t.b.vshuffle(p[0], p[1], first);
    t.b.vshuffle(v, p[2], second)
}

fn deinterleave3(t: &mut Ctx<'_>, size: u32, bytes: u32, p: &Regs) -> Regs {
    let e = 1 << size;
    (0..3)
        .map(|k| gather3(t, bytes, p, |i| (i / e * 3 + k) * e + i % e))
        .collect()
}

fn interleave3(t: &mut Ctx<'_>, size: u32, bytes: u32, r: &Regs) -> Regs {
    let e = 1 << size;
    (0..3)
        .map(|k| {
            gather3(t, bytes, r, |i| {
                let at = k * bytes + i; // byte of the structures in memory
                let element = at / e;
                (element % 3) * bytes + element / 3 * e + at % e
            })
        })
        .collect()
}

/// One lane of `regs` consecutive registers.
#[derive(Clone, Copy)]
struct Lane {
    log2: u32,
    index: u32,
    regs: u32,
}

impl Lane {
    /// `scale` is opcode<2:1>; the row's predicate has refused what is reserved.
    fn new(q: u32, scale: u32, s: u32, size: u32, regs: u32) -> Lane {
        let (log2, index) = match (scale, size & 1) {
            (0, _) => (0, q << 3 | s << 2 | size),
            (1, _) => (1, q << 2 | s << 1 | size >> 1),
            (_, 0) => (2, q << 1 | s),
            _ => (3, q),
        };
        Lane { log2, index, regs }
    }
}

fn load_elements(t: &mut Ctx<'_>, a: Addr, log2: u32, regs: u32) -> Regs {
    let ty = if log2 == 3 { Type::I64 } else { Type::I32 };
    (0..regs)
        .map(|k| {
            let off = a.offset + i64::from(k << log2);
            t.b.load(ty, MemInfo::plain(log2 as u8), a.base, off)
        })
        .collect()
}

fn lanes(t: &mut Ctx<'_>, e: Lane, load: bool, rn: u32, rt: u32, rm: Option<u32>) {
    let a = address(t, rn, rm, e.regs << e.log2);
    let shape = Shape::vector(e.log2, true);
    if load {
        let vals = load_elements(t, a.0, e.log2, e.regs);
        for (k, x) in vals.into_iter().enumerate() {
            let n = (rt + k as u32) & 31;
            let old = t.v(n);
            let v = t.b.vinsert(shape, old, e.index, x);
            t.set_v(n, v);
        }
    } else {
        let ty = if e.log2 == 3 { Type::I64 } else { Type::I32 };
        for k in 0..e.regs {
            let v = t.v((rt + k) & 31);
            let x = t.b.vlane(ty, shape, v, e.index);
            let off = a.0.offset + i64::from(k << e.log2);
            t.b.store(MemInfo::plain(e.log2 as u8), a.0.base, off, x);
        }
    }
    finish(t, a);
}

fn replicate(t: &mut Ctx<'_>, q: u32, size: u32, regs: u32, rn: u32, rt: u32, rm: Option<u32>) {
    let a = address(t, rn, rm, regs << size);
    let vals = load_elements(t, a.0, size, regs);
    for (k, x) in vals.into_iter().enumerate() {
        let v = t.b.vdup(Shape::vector(size, q != 0), x);
        t.set_v((rt + k as u32) & 31, v);
    }
    finish(t, a);
}
