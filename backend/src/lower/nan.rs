//! Checks for NaNs, put off: one stands for many.
//!
//! Which NaN an operation gives follows other rules on the guest than on the host, so a result that is one sends the guest
//! instruction to the interpreter. But most operations give a NaN if an operand is one, so whoever checks the last of a chain has
//! checked all. From the first unchecked result on, a *restart point* is remembered: the guest instruction and the values of the
//! slots that the frame did not have then. The check leaves with those, and the interpreter does again what has been done since.
//!
//! Invariants, while a restart point is set:
//! * nothing is done that must not be done twice: stores, calls, atomics, slots that are no variables come after the check
//!   ([`Lower::settle`]); the IR block ends with it;
//! * accesses fault to the restart point as well, so that nobody sees a register of which an unchecked result is part;
//! * flags of FPSR are the same whichever NaN an operand is, and results are quiet: what is done again raises what it raised.

use super::Lower;
use super::flags::FlagsVal;
use crate::abi::EXIT_FAULT;
use crate::emit::NanFix;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use metaphrase_ir::ops::Effects;
use metaphrase_ir::{Inst, Op, Order, Shape, Type};

/// Values kept alive for a restart cost registers: after so many operations they are given up.
const MOST: u32 = 24;

/// See above.
pub(super) struct Restart {
    pub pc: u64,
    slots: Vec<(usize, Option<ir::Value>)>,
    flags: Option<FlagsVal>,
    /// The block that leaves, once something leads to it.
    block: Option<ir::Block>,
    unchecked: Vec<Unchecked>,
    operations: u32,
}

/// A result that may be a NaN: the value that uses name, what is to be compared, and of which lanes it consists (`None`: a scalar).
#[derive(Clone, Copy)]
struct Unchecked {
    named: ir::Value,
    compared: ir::Value,
    shape: Option<Shape>,
}

/// Whether an op must not be done twice, or not with the wrong NaN as an operand: it changes memory, or more than slots.
pub(super) fn only_once(inst: &Inst) -> bool {
    let heavy = Effects::STORE | Effects::FENCE | Effects::STATE | Effects::KEEP | Effects::QC;
    match inst.op {
        Op::Call => true,
        Op::Load => inst.mem().order != Order::Plain || inst.mem().aligned,
        // No instruction of the guest: [`Lower::set`] decides.
        Op::Set | Op::Mark | Op::Nop => false,
        _ => inst.effects().intersects(heavy),
    }
}

impl Lower<'_> {
    /// Whether checks are put off at all.
    pub(super) fn defers(&self) -> bool {
        self.opts.nan == NanFix::Retry
    }

    /// Sets the restart point unless there is one. Before anything of the guest instruction has been done.
    pub(super) fn begin_restart(&mut self) {
        if self.restart.is_some() {
            return;
        }
        self.flush_pad();
        self.touch_dirty();
        let slots = self.dirty.iter().map(|d| (d, self.cur[d])).collect();
        let flagged = self
            .dirty
            .iter()
            .any(|d| self.map.rows[d].ty == Type::Flags);
        self.restart = Some(Restart {
            pc: self.pc,
            slots,
            flags: self.cur_flags.filter(|_| flagged),
            block: None,
            unchecked: Vec::new(),
            operations: 0,
        });
    }

    /// `named` is to be checked, and none of the operands `from` any more, of which it is a NaN if one of them is, lane by lane.
    pub(super) fn defer(
        &mut self,
        named: ir::Value,
        compared: ir::Value,
        shape: Option<Shape>,
        from: &[ir::Value],
    ) {
        self.begin_restart();
        let Some(r) = &mut self.restart else { return };
        r.unchecked
            .retain(|u| u.shape != shape || !from.contains(&u.named));
        if !r.unchecked.iter().any(|u| u.compared == compared) {
            r.unchecked.push(Unchecked {
                named,
                compared,
                shape,
            });
        }
        r.operations += 1;
        if r.operations >= MOST {
            self.settle_later = true;
        }
    }

    /// The block that leaves for the restart point, if one is set.
    pub(super) fn restart_block(&mut self) -> Option<ir::Block> {
        let r = self.restart.as_mut()?;
        let b = &mut self.b;
        Some(*r.block.get_or_insert_with(|| {
            let block = b.create_block();
            b.set_cold_block(block);
            block
        }))
    }

    /// Checks what has been put off.
    pub(super) fn settle(&mut self) {
        self.settle_later = false;
        if self.restart.is_none() {
            return;
        }
        self.flush_pad();
        let Some(leave) = self.restart_block() else {
            return;
        };
        let Some(r) = self.restart.take() else { return };
        for cond in self.conditions(&r.unchecked) {
            let cont = self.b.create_block();
            self.b.ins().brif(cond, leave, &[], cont, &[]);
            self.b.seal_block(cont);
            self.b.switch_to_block(cont);
        }
        let Some(cont) = self.b.current_block() else {
            return;
        };
        self.b.seal_block(leave);
        self.b.switch_to_block(leave);
        self.store_pc(r.pc);
        for (d, v) in r.slots {
            let row = self.map.rows[d];
            match (v, r.flags) {
                (_, Some(f)) if row.ty == Type::Flags => self.store_flags(row, f),
                (Some(v), _) => self.store_slot(row, v),
                _ => {}
            }
        }
        self.leave(EXIT_FAULT);
        self.b.switch_to_block(cont);
    }

    /// Conditions of which one holds if a value is a NaN. A comparison looks at two values.
    fn conditions(&mut self, all: &[Unchecked]) -> Vec<ir::Value> {
        let mut conditions = Vec::new();
        let mut kinds: Vec<(ir::Type, Vec<ir::Value>)> = Vec::new();
        for u in all {
            let ty = self.b.func.dfg.value_type(u.compared);
            match kinds.iter_mut().find(|k| k.0 == ty) {
                Some(k) => k.1.push(u.compared),
                None => kinds.push((ty, vec![u.compared])),
            }
        }
        for (ty, values) in kinds {
            let mut masks = Vec::new();
            for two in values.chunks(2) {
                let (a, b) = (two[0], two[two.len() - 1]);
                masks.push(self.b.ins().fcmp(FloatCC::Unordered, a, b));
            }
            if !ty.is_vector() {
                conditions.append(&mut masks);
                continue;
            }
            let any = masks.into_iter().reduce(|a, b| self.b.ins().bor(a, b));
            if let Some(any) = any {
                let any = self.cast(types::I8X16, any);
                conditions.push(self.b.ins().vany_true(any));
            }
        }
        conditions
    }
}
