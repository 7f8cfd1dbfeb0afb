//! Drops values that nobody uses, and `Nop`s, and numbers the rest anew.
//!
//! An instruction may go when it has no effect but reading a slot: loads may fault, FP ops accumulate FPSR, so they stay.

use super::{Scratch, resolve_args, resolve_exit};
use crate::exit::Exit;
use crate::inst::{Inst, Value};
use crate::ops::Effects;
use crate::unit::Unit;

/// In the table: not used so far. Any other entry means used; the second walk turns it into the new number.
const DEAD: Value = Value::NONE;
const USED: Value = Value(0);

/// Runs the pass.
pub fn run(unit: &mut Unit, scratch: &mut Scratch) {
    let table = &mut scratch.alias;
    table.clear();
    table.resize(unit.insts.len(), DEAD);
    for b in &unit.blocks {
        if let Exit::Branch { cond: v, .. } | Exit::Indirect { target: v, .. } = b.exit {
            table[v.0 as usize] = USED;
        }
    }
    for (i, inst) in unit.insts.iter().enumerate().rev() {
        if table[i] == DEAD && removable(inst) {
            continue;
        }
        table[i] = USED;
        for a in inst.args.iter().take_while(|&&a| a != Value::NONE) {
            table[a.0 as usize] = USED;
        }
    }
    let mut next = 0;
    for b in &mut unit.blocks {
        let old = b.start as usize..b.end as usize;
        b.start = next;
        for i in old {
            if table[i] == DEAD {
                continue;
            }
            let mut inst = unit.insts[i];
            resolve_args(table, &mut inst);
            table[i] = Value(next);
            unit.insts[next as usize] = inst;
            next += 1;
        }
        b.end = next;
        resolve_exit(table, &mut b.exit);
    }
    unit.insts.truncate(next as usize);
}

fn removable(inst: &Inst) -> bool {
    Effects::READ_SLOT.contains(inst.effects())
}
