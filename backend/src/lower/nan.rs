//! Checks for NaNs, put off: one stands for many.
//!
//! Which NaN an operation gives follows other rules on the guest than on the host, so a result that is one sends the guest
//! instruction to the interpreter. But most operations give a NaN if an operand is one, so whoever checks the last of a chain has
//! checked all. From the first unchecked result on, a *restart point* is remembered: the guest instruction and the values of the
//! slots that the frame did not have then. The check leaves with those, and the interpreter does again what has been done since.
//!
//! Loads set restart points too: what follows them shares their landing pad ([`super::memory`]), up to and with a store.
//!
//! Invariants, while a restart point is set:
//! * nothing is done that must not be done twice: stores, calls, atomics, slots that are no variables come after the check
//!   ([`Lower::settle`]); the IR block ends with it. One store may be the group's last act: if it faults it has not happened;
//! * accesses fault to the restart point as well, so that nobody sees a register of which an unchecked result is part;
//! * flags of FPSR are the same whichever NaN an operand is, and results are quiet: what is done again raises what it raised.

use super::Lower;
use super::flags::FlagsVal;
use crate::emit::NanFix;
use crate::flow::{SlotSet, accesses_memory};
use crate::pcmap::Loc;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use metaphrase_ir::inst::MemInfo;
use metaphrase_ir::ops::Effects;
use metaphrase_ir::{Inst, Op, Order, Shape, Type};

/// Values kept alive for a restart cost registers: after so many operations they are given up.
const MOST: u32 = 24;
/// The same, after so many slots that have new values.
const MOST_KEPT: u32 = 8;

/// See above.
pub(super) struct Restart {
    pub pc: u64,
    /// The IR instruction.
    at: u32,
    slots: Vec<(usize, Option<ir::Value>)>,
    flags: Option<FlagsVal>,
    /// The block that leaves, once something leads to it.
    block: Option<ir::Block>,
    unchecked: Vec<Unchecked>,
    operations: u32,
    /// Slots of which values are kept alive for it.
    kept: SlotSet,
    /// Whether anything but a fault, of which the handler knows the instruction, leads to the block.
    pub branches: bool,
    /// Whether the group's store has been made: it ends with the guest instruction.
    pub stored: bool,
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
            at: self.at,
            slots,
            flags: self.cur_flags.filter(|_| flagged),
            block: None,
            unchecked: Vec::new(),
            operations: 0,
            kept: SlotSet::default(),
            branches: false,
            stored: false,
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
        self.count_operation();
    }

    fn count_operation(&mut self) {
        let Some(r) = &mut self.restart else { return };
        r.operations += 1;
        if r.operations >= MOST {
            self.settle_later = true;
        }
    }

    /// Whether accesses that are followed by new values of slots may share a pad.
    pub(super) fn groups(&self) -> bool {
        self.restart.is_some() && self.opts.group_pads && !self.branchy
    }

    /// A load comes: it is done again with the rest if the group is.
    pub(super) fn join_load(&mut self) {
        if self.defers() && self.opts.pads && self.opts.group_pads && !self.branchy {
            self.begin_restart();
            self.count_operation();
        }
    }

    /// Between an access and its pad no branch may stand, but some of the host's sequences have one inside, and what they compute may
    /// appear anywhere before its use. No more groups in this block then.
    pub(super) fn note_branches(&mut self, inst: &Inst) {
        let inside = match inst.op {
            Op::FToInt | Op::IntToF | Op::FRint | Op::VShift => true,
            Op::FMax | Op::FMin | Op::FMaxNm | Op::FMinNm => true,
            Op::Select => matches!(inst.ty, Type::F32 | Type::F64 | Type::V128),
            _ => false,
        };
        if inside {
            self.flush_pad();
            self.branchy = true;
        }
    }

    /// Whether a store can be the last of the group: alone in its guest instruction, so that it has not happened if it faults.
    pub(super) fn ends_group(&self, inst: &Inst) -> bool {
        let plain = |m: MemInfo| m.order == Order::Plain && !m.aligned;
        if inst.op != Op::Store || !plain(inst.mem()) {
            return false;
        }
        if self.branchy || !self.opts.group_pads {
            return false;
        }
        let insts = &self.unit.insts[self.at as usize + 1..self.last as usize];
        let rest = insts.iter().take_while(|i| i.op != Op::Mark);
        self.restart.as_ref().is_some_and(|r| !r.stored)
            && !rest.into_iter().any(|i| accesses_memory(i) || only_once(i))
    }

    /// A store that [`Self::ends_group`] has been made.
    pub(super) fn group_stored(&mut self) {
        if let Some(r) = &mut self.restart {
            r.stored = true;
            self.settle_later = true;
        }
    }

    /// A slot gets a new value; its old one may have to be kept.
    pub(super) fn keep(&mut self, d: usize) {
        let Some(r) = &mut self.restart else { return };
        if r.slots.iter().any(|s| s.0 == d) {
            r.kept.insert(d);
            if r.kept.0.count_ones() >= MOST_KEPT {
                self.settle_later = true;
            }
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
        let begun = self.b.current_block();
        self.check();
        self.flush_pad();
        let Some(r) = self.restart.take() else { return };
        let Some(leave) = r.block else { return };
        if self.b.current_block() == begun {
            let cont = self.b.create_block();
            self.b.ins().jump(cont, &[]);
            self.b.seal_block(cont);
            self.b.switch_to_block(cont);
        }
        let Some(cont) = self.b.current_block() else {
            return;
        };
        self.b.seal_block(leave);
        self.b.switch_to_block(leave);
        if r.branches {
            self.store_pc(r.pc);
        }
        let all = r.slots.iter().fold(SlotSet::default(), |mut s, x| {
            s.insert(x.0);
            s
        });
        let (own, last) = self.split_last(all, r.at);
        for (d, v) in r.slots.into_iter().filter(|s| own.has(s.0)) {
            let row = self.map.rows[d];
            match (v, r.flags) {
                (_, Some(f)) if row.ty == Type::Flags => self.store_flags(row, f),
                (Some(v), _) => self.store_slot(row, v),
                _ => {}
            }
        }
        self.land_last(last);
        self.b.switch_to_block(cont);
    }

    /// Looks for NaNs; the restart point stays. The first branch is the check of the accesses that wait for theirs.
    pub(super) fn check(&mut self) {
        let unchecked = match &mut self.restart {
            Some(r) if !r.unchecked.is_empty() => std::mem::take(&mut r.unchecked),
            _ => return,
        };
        let Some(leave) = self.restart_block() else {
            return;
        };
        if let Some(r) = &mut self.restart {
            r.branches = true;
        }
        if !self.opts.group_pads {
            self.flush_pad();
        }
        for cond in self.conditions(&unchecked) {
            let cont = self.b.create_block();
            if let Some(pad) = self.take_pad() {
                self.set_loc(Loc::Branch { pad });
            }
            self.b.ins().brif(cond, leave, &[], cont, &[]);
            self.set_loc(Loc::Pc(self.pc));
            self.b.seal_block(cont);
            self.b.switch_to_block(cont);
        }
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
