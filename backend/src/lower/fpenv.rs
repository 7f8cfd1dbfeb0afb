//! FPSR's cumulative bits, exactly: what raises exceptions is computed where the guest computes it, used or not.
//!
//! To Cranelift a floating-point instruction is a function of its operands. It drops one whose result is not used, computes it
//! later, or on one path only, if that is where the result is used, before a loop if the operands do not change in it, and at
//! compile time if they are constants. The host's sticky bits, which are FPSR's, would follow. Three things hold it back:
//!
//! * An op that is checked for NaNs, or left to `Eval`, is computed: a branch or a call needs it ([`super::nan`]).
//! * Of the others, [`Needed`] knows which are computed all the same: a store, a call, a branch, one of the former, or every way out
//!   of the unit needs the result. A way out writes the slots that are dirty there, so what a slot holds is needed if it is not
//!   overwritten first. Whoever looks at FPSR is such a way out: a call on the whole state, or a path that leaves, hot or cold.
//!   The rest is needed by a store that nobody reads ([`Lower::force`]).
//! * What has constants for operands, or nothing that changes in its loop, gets an operand that only looks as if it changed
//!   ([`super::hoist`]).
//!
//! A call on the whole state reads the slots anew, so nothing behind MSR FPSR is the same value as what stood before it.
//! The comparison that lazy flags stand for may be made again and again: what writes FPSR sees to it that it raises nothing any more.

use super::Lower;
use crate::flow::{self, Flow, SlotMap, SlotSet};
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{
    self, AliasRegionData, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind,
    types,
};
use metaphrase_ir::ops::{Effects, VBinKind, VShiftKind, VUnKind};
use metaphrase_ir::{Block, BlockId, Cond, Dest, Exit, Inst, Op, Slot, Type, Unit, Value};

/// Whether the op accumulates into FPSR without anything looking at its result.
#[rustfmt::skip]
fn unchecked(i: &Inst) -> bool {
    use {VBinKind as B, VShiftKind as S, VUnKind as U};
    match i.op {
        Op::FlagsFcmp | Op::FRint | Op::FCvt | Op::FToInt | Op::IntToF => true,
        Op::VUn => matches!(
            U::from_aux(i.aux),
            U::FRintN | U::FRintM | U::FRintP | U::FRintZ | U::FRintI | U::FRintX
                | U::FCmEq0 | U::FCmGe0 | U::FCmGt0 | U::FCmLe0 | U::FCmLt0 | U::FCvtL | U::FCvtN
        ),
        Op::VBin => matches!(B::from_aux(i.aux), B::FCmEq | B::FCmGe | B::FCmGt | B::FacGe | B::FacGt),
        Op::VShift => matches!(S::from_aux(i.aux), S::FCvtZS | S::SCvtF | S::UCvtF),
        _ => false,
    }
}

/// Whether the op is executed whoever uses its result, and so needs its arguments. (Of `unchecked` ones this module makes it true.)
fn executed(i: &Inst) -> bool {
    let e = Effects::LOAD | Effects::STORE | Effects::STATE | Effects::KEEP | Effects::FPENV;
    i.op == Op::Call || i.effects().intersects(e)
}

/// The value is needed.
const VALUE: u8 = 1;
/// Flags: a condition on them is.
const ASKED: u8 = 2;
/// The very value is, in a slot or in memory, not only what an operation makes of it. Arithmetic on integers may turn out not to depend on its
/// operands (the carry of x + 0).
const KEPT: u8 = 4;

/// Which values of a unit are surely computed before anyone can look at FPSR, or are overwritten by nobody.
#[derive(Debug, Default)]
pub(super) struct Needed {
    /// By value. Empty if the unit has no unchecked op.
    values: Vec<u8>,
}

impl Needed {
    pub(super) fn new(unit: &Unit, map: &SlotMap, flow: &Flow, fp_inline: bool) -> Needed {
        let mut n = Needed::default();
        if !fp_inline || !unit.insts.iter().any(unchecked) {
            return n;
        }
        n.values.resize(unit.insts.len(), 0);
        // Slots whose value at a block's start is needed on every way from there. The greatest solution: a way that does not end
        // shows FPSR to nobody.
        let mut first = vec![Slots::ALL; unit.blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for &BlockId(b) in flow.order.iter().rev() {
                let block = &unit.blocks[b as usize];
                let range = block.start as usize..block.end as usize;
                n.values[range].fill(0);
                let needed = n.block(unit, map, block, needed_after(block, &first));
                changed |= needed != first[b as usize];
                first[b as usize] = needed;
            }
        }
        n
    }

    /// Walks a block backwards; `slots`: those needed after it. Those needed before it.
    fn block(&mut self, unit: &Unit, map: &SlotMap, b: &Block, mut slots: Slots) -> Slots {
        match b.exit {
            Exit::Branch { cond, taken, fall } if taken != fall => self.mark(cond, VALUE),
            Exit::Indirect { target, .. } => self.mark(target, VALUE),
            _ => {}
        }
        for v in (b.start..b.end).rev() {
            let i = unit.inst(Value(v));
            let bits = self.values[v as usize];
            match i.op {
                Op::Get => {
                    if let Some(d) = map.dense(Slot(i.imm as u16))
                        && bits != 0
                    {
                        slots.used.insert(d);
                        if bits & KEPT != 0 {
                            slots.kept.insert(d);
                        }
                    }
                }
                Op::Set => match map.dense(Slot(i.imm as u16)) {
                    Some(d) => {
                        if slots.kept.has(d) {
                            self.mark(i.args[0], VALUE | KEPT);
                        } else if slots.used.has(d) {
                            self.mark(i.args[0], VALUE);
                        }
                        slots.kept.remove(d);
                        slots.used.remove(d);
                    }
                    None => self.mark(i.args[0], VALUE | KEPT),
                },
                _ if bits != 0 || executed(i) => {
                    if flow::touches_state(i) {
                        // It looks at FPSR: what is used behind it only must be computed before it.
                        self.values[b.start as usize..v as usize].fill(0);
                        slots = Slots::ALL;
                    }
                    self.args(i, bits);
                }
                _ => {}
            }
        }
        slots
    }

    /// The arguments of an instruction that is executed.
    fn args(&mut self, i: &Inst, bits: u8) {
        let flags = match i.op {
            Op::CondHolds if matches!(Cond::from_bits(i.aux), Cond::Al | Cond::Nv) => return,
            Op::CondHolds | Op::FlagsUnpack => VALUE | ASKED,
            Op::FlagsSelect => {
                self.mark(i.args[0], VALUE);
                return self.mark(i.args[1], bits);
            }
            // What it would store is not looked at if the monitor does not hold.
            Op::StoreExcl => return self.mark(i.args[0], VALUE | KEPT),
            Op::Zext | Op::Sext | Op::Trunc | Op::Bitcast => VALUE | bits & KEPT,
            _ if executed(i) => VALUE | KEPT,
            _ => VALUE,
        };
        for &a in i.args.iter().take_while(|&&a| a != Value::NONE) {
            self.mark(a, flags);
        }
    }

    fn mark(&mut self, v: Value, bits: u8) {
        self.values[v.0 as usize] |= bits;
    }

    /// Whether nobody computes `i`, which is value `v`, unless told to.
    fn lost(&self, v: u32, i: &Inst) -> bool {
        let want = match i.op {
            _ if i.ty == Type::Flags => ASKED,
            Op::FToInt => KEPT,
            _ => VALUE,
        };
        let bits = self.values.get(v as usize).copied().unwrap_or(!0);
        unchecked(i) && bits & want == 0
    }
}

/// Slots whose value is needed: by whom as for values, [`VALUE`] and [`KEPT`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slots {
    used: SlotSet,
    kept: SlotSet,
}

impl Slots {
    const ALL: Slots = Slots {
        used: SlotSet::ALL,
        kept: SlotSet::ALL,
    };
}

/// Slots needed after a block: what is dirty is written where the unit is left.
fn needed_after(b: &Block, first: &[Slots]) -> Slots {
    let on = |d: Dest| match d {
        Dest::Block(b) => first[b.0 as usize],
        Dest::Pc(_) => Slots::ALL,
    };
    match b.exit {
        Exit::Goto { dest, .. } => on(dest),
        Exit::Branch { taken, fall, .. } => {
            let (t, f) = (on(taken), on(fall));
            Slots {
                used: t.used.and(f.used),
                kept: t.kept.and(f.kept),
            }
        }
        Exit::Indirect { .. } | Exit::Trap { .. } => Slots::ALL,
    }
}

/// Where results go that must be computed but are not used: never read, and not twice in succession to the same place, because the
/// optimiser drops the first of two stores between which there is none to the region.
#[derive(Debug, Default)]
pub(super) struct Sink {
    to: Option<(StackSlot, MemFlagsData)>,
    next: u32,
}

/// Size of the largest value, and how many the area has room for.
const PLACE: u32 = 16;
const PLACES: u32 = 8;

impl Lower<'_> {
    /// `r`, the result of `inst`, which is the one at `self.at`, and is computed whether or not anybody else sees to that.
    pub(super) fn computed(&mut self, inst: &Inst, r: ir::Value) -> ir::Value {
        if self.needed.lost(self.at, inst) {
            self.force(r);
        }
        r
    }

    /// FCMP: compares now unless a condition does that in this block. Only a signaling NaN raises anything, and the host's comparison
    /// raises it.
    pub(super) fn compare_now(&mut self, inst: &Inst, a: ir::Value, b: ir::Value) {
        if self.needed.lost(self.at, inst) {
            let r = self.b.ins().fcmp(FloatCC::Unordered, a, b);
            self.force(r);
        }
    }

    fn force(&mut self, r: ir::Value) {
        self.flush_pad();
        let func = &mut self.b.func;
        let (slot, flags) = *self.sink.to.get_or_insert_with(|| {
            let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, PLACES * PLACE, 4);
            let region = func.dfg.alias_regions.insert(AliasRegionData {
                user_id: 3,
                description: "results nobody uses".into(),
            });
            let flags = MemFlagsData::trusted().with_alias_region(Some(region));
            (func.create_sized_stack_slot(slot), flags)
        });
        let at = self.sink.next * PLACE;
        self.sink.next = (self.sink.next + 1) % PLACES;
        let base = self.b.ins().stack_addr(types::I64, slot, 0);
        self.b.ins().store(flags, r, base, at as i32);
    }
}
