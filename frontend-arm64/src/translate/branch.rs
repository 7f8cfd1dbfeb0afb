//! Branches and exception generation (Arm ARM C3.1; C6.2 for each instruction).

use super::operand::sext;
use super::{Ctx, Flow};
use crate::decode::Branch;
use metaphrase_ir::ops::IntCond;
use metaphrase_ir::{Dest, Exit, IndirectKind, TrapKind, Value};

/// Translates one instruction of the class.
pub fn translate(t: &mut Ctx<'_>, i: Branch) -> Flow {
    match i {
        Branch::B { imm26 } => goto(t, sext(imm26, 26), false),
        Branch::Bl { imm26 } => {
            link(t);
            goto(t, sext(imm26, 26), true)
        }
        Branch::BCond { imm19, cond } | Branch::BcCond { imm19, cond } => {
            if cond >= 14 {
                return goto(t, sext(imm19, 19), false);
            }
            let c = t.cond(cond);
            branch(t, c, sext(imm19, 19))
        }
        Branch::Cbz { sf, imm19, rt } => compare_zero(t, sf, imm19, rt, IntCond::Eq),
        Branch::Cbnz { sf, imm19, rt } => compare_zero(t, sf, imm19, rt, IntCond::Ne),
        Branch::Tbz { b5, b40, imm14, rt } => test_bit(t, b5 << 5 | b40, imm14, rt, IntCond::Eq),
        Branch::Tbnz { b5, b40, imm14, rt } => test_bit(t, b5 << 5 | b40, imm14, rt, IntCond::Ne),
        Branch::Br { rn } => indirect(t, rn, IndirectKind::Jump),
        Branch::Blr { rn } => indirect(t, rn, IndirectKind::Call),
        Branch::Ret { rn } => indirect(t, rn, IndirectKind::Return),
        Branch::Svc { imm16 } => t.trap(TrapKind::Svc(imm16 as u16)),
        Branch::Brk { imm16 } => t.trap(TrapKind::Brk(imm16 as u16)),
        // At EL0 without an external debugger all of these are UNDEFINED (D1.3.3, HCR_EL2.HCD, MDSCR_EL1).
        Branch::Udf { .. }
        | Branch::Hvc { .. }
        | Branch::Smc { .. }
        | Branch::Hlt { .. }
        | Branch::Dcps1 { .. }
        | Branch::Dcps2 { .. }
        | Branch::Dcps3 { .. }
        | Branch::Eret {}
        | Branch::Drps {}
        | Branch::Ereta { .. } => t.undefined(),
        Branch::Braz { key, rn } => authenticated(t, key, rn, None, IndirectKind::Jump),
        Branch::Blraz { key, rn } => authenticated(t, key, rn, None, IndirectKind::Call),
        Branch::Bra { key, rn, rm } => authenticated(t, key, rn, Some(rm), IndirectKind::Jump),
        Branch::Blra { key, rn, rm } => authenticated(t, key, rn, Some(rm), IndirectKind::Call),
        Branch::Reta { key } => authenticated(t, key, 30, Some(31), IndirectKind::Return),
    }
}

/// Address `words` instructions from this one.
fn target(t: &Ctx<'_>, words: i64) -> Dest {
    Dest::Pc(t.pc.wrapping_add_signed(words * 4))
}

fn goto(t: &Ctx<'_>, words: i64, call: bool) -> Flow {
    let dest = target(t, words);
    Flow::End(Exit::Goto { dest, call })
}

fn branch(t: &Ctx<'_>, cond: Value, words: i64) -> Flow {
    Flow::End(Exit::Branch {
        cond,
        taken: target(t, words),
        fall: target(t, 1),
    })
}

/// X30 = the next instruction.
fn link(t: &mut Ctx<'_>) {
    let ret = t.b.i64(t.pc.wrapping_add(4));
    t.set_x(30, ret);
}

fn compare_zero(t: &mut Ctx<'_>, sf: u32, imm19: u32, rt: u32, c: IntCond) -> Flow {
    let (v, zero) = (t.r(sf, rt), t.imm(sf, 0));
    let c = t.b.icmp(c, v, zero);
    branch(t, c, sext(imm19, 19))
}

fn test_bit(t: &mut Ctx<'_>, bit: u32, imm14: u32, rt: u32, c: IntCond) -> Flow {
    let sf = bit >> 5;
    let (v, zero) = (t.r(sf, rt), t.imm(sf, 0));
    let c = if bit & 31 == 31 {
        // The sign bit.
        let sign = if c == IntCond::Eq {
            IntCond::Sge
        } else {
            IntCond::Slt
        };
        t.b.icmp(sign, v, zero)
    } else {
        let mask = t.imm(sf, 1 << bit);
        let v = t.b.and(v, mask);
        t.b.icmp(c, v, zero)
    };
    branch(t, c, sext(imm14, 14))
}

fn indirect(t: &mut Ctx<'_>, rn: u32, kind: IndirectKind) -> Flow {
    let target = t.x(rn); // before the link register changes: BLR X30
    indirect_to(t, target, kind)
}

/// To Rn authenticated with instruction key A or B; the modifier is Rm or SP, or zero.
fn authenticated(t: &mut Ctx<'_>, key: u32, rn: u32, rm: Option<u32>, kind: IndirectKind) -> Flow {
    let modifier = match rm {
        Some(m) => t.x_sp(m),
        None => t.b.i64(0),
    };
    let x = t.x(rn);
    let target = t.authenticated(false, key, x, modifier);
    indirect_to(t, target, kind)
}

fn indirect_to(t: &mut Ctx<'_>, target: Value, kind: IndirectKind) -> Flow {
    if kind == IndirectKind::Call {
        link(t);
    }
    Flow::End(Exit::Indirect { target, kind })
}

/// Whether a block ends with a BR that may well have one usual target. One that goes to a sum made in the block reads a jump table, and
/// seldom has a favourite.
pub fn ends_with_steady_br(words: &[u32]) -> bool {
    const BR: (u32, u32) = (0xffff_fc1f, 0xd61f_0000);
    // ADD of registers, shifted or extended, 64 bits.
    const ADD: (u32, u32) = (0xff00_0000, 0x8b00_0000);
    let is = |w: u32, (mask, bits): (u32, u32)| w & mask == bits;
    words.last().is_some_and(|&br| {
        let target = br >> 5 & 31;
        is(br, BR) && !words.iter().any(|&w| is(w, ADD) && w & 31 == target)
    })
}

/// Whether an instruction computes with vector registers, loads or stores them.
pub fn is_simd(word: u32) -> bool {
    // Bits 28..25: x111 data processing, x1x0 memory, of which bit 26 says which registers.
    const V: u32 = 1 << 26;
    word >> 25 & 7 == 7 || word >> 25 & 5 == 4 && word & V != 0
}

#[cfg(test)]
mod tests {
    use super::{ends_with_steady_br, is_simd};

    #[test]
    fn vector_instructions_are_known_by_their_class() {
        // fmul d, ldr d, stp q, fcmpe, add v.4s; add x, ldr x, b.ne, madd, stp x.
        let simd = [
            0x1e61_0841,
            0xfc60_6861,
            0xad00_0440,
            0x1e66_2090,
            0x4ea0_8400,
        ];
        let other = [
            0x9100_2000,
            0xf860_6861,
            0x54ff_ff21,
            0x9b01_0000,
            0xa900_0440,
        ];
        assert!(simd.into_iter().all(is_simd));
        assert!(!other.into_iter().any(is_simd));
    }

    #[test]
    fn jump_tables_are_not_steady() {
        const BR_X16: u32 = 0xd61f_0200;
        const LDR_X16: u32 = 0xf940_0210; // ldr x16, [x16]
        const ADD_X16: u32 = 0x8b21_8a10; // add x16, x16, w1, sxtb #2
        const RET: u32 = 0xd65f_03c0;
        assert!(ends_with_steady_br(&[LDR_X16, BR_X16]));
        assert!(!ends_with_steady_br(&[ADD_X16, BR_X16]));
        assert!(!ends_with_steady_br(&[LDR_X16, RET]));
        assert!(!ends_with_steady_br(&[]));
    }
}
