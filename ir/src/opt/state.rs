//! Guest state inside a block: a read of a slot whose value is known becomes that value; a write that nothing can
//! observe before the next write of the slot goes away, and so does one that writes what the slot holds.
//!
//! Observers of all slots: memory accesses (they may fault, and the handler sees the registers), floating-point operations
//! (compiled code hands a guest instruction whose result is a NaN to the interpreter), helpers on the whole state, and the
//! block's exit. Slots that are not `cached` are left alone: others may look at them at any time.
//! Relies on slots not overlapping.

use super::{NOP, Scratch, Step, rewrite};
use crate::inst::Value;
use crate::ops::{Effects, Op};
use crate::unit::Unit;

/// What is known of one slot. An entry counts only while its epoch is the walk's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SlotState {
    /// Epoch and value that the slot holds.
    known: (u32, u32),
    /// Epoch and index of the last `set`.
    pending: (u32, u32),
}

/// Runs the pass.
pub fn run(unit: &mut Unit, scratch: &mut Scratch) {
    let rows = unit.slots.rows;
    let mut slots = std::mem::take(&mut scratch.slots);
    slots.clear();
    slots.resize(rows.len(), SlotState::default());
    let mut block = 0;
    // Epochs start at 1: zeroed entries count for nothing.
    let (mut values, mut writes) = (1, 1);
    rewrite(unit, scratch, |body, i| {
        if body.block != block {
            block = body.block;
            values += 1;
            writes += 1;
        }
        let inst = body.insts[i];
        let slot = inst.imm as usize;
        match inst.op {
            Op::Get if rows[slot].cached => {
                let s = &mut slots[slot];
                if s.known.0 == values {
                    return Step::Replace(Value(s.known.1));
                }
                s.known = (values, i as u32);
            }
            Op::Set if rows[slot].cached => {
                let s = &mut slots[slot];
                if s.known == (values, inst.args[0].0) {
                    return Step::Replace(inst.args[0]);
                }
                if s.pending.0 == writes {
                    body.insts[s.pending.1 as usize] = NOP;
                }
                s.pending = (writes, i as u32);
                s.known = (values, inst.args[0].0);
            }
            _ => {
                let e = inst.effects();
                let observers = Effects::LOAD | Effects::STORE | Effects::STATE | Effects::FPENV;
                if e.intersects(observers) {
                    writes += 1;
                }
                if e.contains(Effects::STATE) {
                    values += 1;
                }
            }
        }
        Step::Keep
    });
    scratch.slots = slots;
}
