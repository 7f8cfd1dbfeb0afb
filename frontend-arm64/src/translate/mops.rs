//! Memory copy and memory set (FEAT_MOPS; Arm ARM C3.2.13, C6.2 for each instruction), by the manual's option A.
//!
//! The prologue brings the registers into option A's format and transfers nothing, which is one of the amounts that the manual
//! allows: going forward, Xd and Xs are the ends and Xn is minus what remains; going backward, Xd and Xs are the
//! starts and Xn is what remains. Main and epilogue let the `MemOp` helper transfer and put into Xn what then remains: main whatever
//! it says, the epilogue again and again until it is nothing. An epilogue that meets a bad address leaves the fault to the runtime,
//! which delivers it at the branch of the epilogue to itself, where Xn says exactly what is done.
//!
//! PSTATE.C, which says which option a prologue chose, is not looked at: there is no other here.

use super::{Ctx, Flow};
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::ops::IntCond;
use metaphrase_ir::{Dest, Exit, Value};

/// `aux` of the `MemOp` helper: copy memory to memory; without it, the second argument's low byte is stored.
pub const COPY: u32 = 1;
/// What cannot be done is a fault (epilogue).
pub const FAULTS: u32 = 2;

/// Largest size of CPYF* and SET*, and of CPY*; larger ones are as these.
const LIMIT: u64 = 0x7fff_ffff_ffff_ffff;
const LIMIT_CPY: u64 = 0x007f_ffff_ffff_ffff;
/// Bits of an address that decide the direction.
const ADDRESS: u64 = (1 << 56) - 1;

/// CPYF*: always forward. CPY*: backward if that is needed.
pub fn copy(t: &mut Ctx<'_>, stage: u32, rs: u32, rn: u32, rd: u32, forward_only: bool) -> Flow {
    if stage != 0 {
        let (d, s, n) = (t.x(rd), t.x(rs), t.x(rn));
        return transfer(t, COPY, stage, d, s, n, rn);
    }
    let (d, s, n) = (t.x(rd), t.x(rs), t.x(rn));
    let n = limited(t, n, if forward_only { LIMIT } else { LIMIT_CPY });
    let (end_d, end_s, minus) = (t.b.add(d, n), t.b.add(s, n), t.b.neg(n));
    let (mut new_d, mut new_s, mut new_n) = (end_d, end_s, minus);
    if !forward_only {
        let back = backward(t, d, s, n);
        new_d = t.b.select(back, d, end_d);
        new_s = t.b.select(back, s, end_s);
        new_n = t.b.select(back, n, minus);
    }
    t.set_x(rd, new_d);
    t.set_x(rs, new_s);
    t.set_x(rn, new_n);
    option_a(t);
    Flow::Next
}

/// SET*.
pub fn set(t: &mut Ctx<'_>, stage: u32, rs: u32, rn: u32, rd: u32) -> Flow {
    let (d, n) = (t.x(rd), t.x(rn));
    if stage != 0 {
        let v = t.x(rs);
        return transfer(t, 0, stage, d, v, n, rn);
    }
    let n = limited(t, n, LIMIT);
    let (end, minus) = (t.b.add(d, n), t.b.neg(n));
    t.set_x(rd, end);
    t.set_x(rn, minus);
    option_a(t);
    Flow::Next
}

/// Main (1) and epilogue (2).
fn transfer(t: &mut Ctx<'_>, kind: u32, stage: u32, d: Value, s: Value, n: Value, rn: u32) -> Flow {
    let last = stage == 2;
    let aux = kind | if last { FAULTS } else { 0 };
    let rest = t.b.call(HelperId::MemOp, aux, &[d, s, n]);
    t.set_x(rn, rest);
    if !last {
        return Flow::Next;
    }
    let zero = t.b.i64(0);
    let cond = t.b.icmp(IntCond::Eq, rest, zero);
    Flow::End(Exit::Branch {
        cond,
        taken: Dest::Pc(t.pc.wrapping_add(4)),
        fall: Dest::Pc(t.pc),
    })
}

fn limited(t: &mut Ctx<'_>, n: Value, limit: u64) -> Value {
    let k = t.b.i64(limit);
    let fits = t.b.icmp(IntCond::Ule, n, k);
    t.b.select(fits, n, k)
}

/// Whether the destination begins within the source: s < d < s + n.
fn backward(t: &mut Ctx<'_>, d: Value, s: Value, n: Value) -> Value {
    let mask = t.b.i64(ADDRESS);
    let (d, s) = (t.b.and(d, mask), t.b.and(s, mask));
    let end = t.b.add(s, n);
    let (after, within) = (t.b.icmp(IntCond::Ult, s, d), t.b.icmp(IntCond::Ult, d, end));
    t.b.band(after, within)
}

/// NZCV = 0000 says that this processor works by option A.
fn option_a(t: &mut Ctx<'_>) {
    let zero = t.b.i32(0);
    let f = t.b.flags_pack(zero);
    t.set_flags(f);
}
