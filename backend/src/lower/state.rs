//! Guest-state slots: values in variables while cached, loads and stores on the frame otherwise.

use super::flags::FlagsVal;
use super::{Lower, SCALARS, clif_ty};
use crate::abi::{HEADER_SIZE, STATE_BIAS};
use crate::emit::CompileError;
use crate::flow::{Kind, SlotSet};
use cranelift_codegen::ir::{self, InstBuilder, types};
use metaphrase_ir::{BlockId, FlagsKind, Inst, Slot, SlotInfo, Type, Value};

impl Lower<'_> {
    fn frame_offset(row: &SlotInfo) -> i32 {
        (HEADER_SIZE + row.offset) as i32
    }

    /// Loads from a frame offset.
    pub(super) fn load_frame(&mut self, ty: ir::Type, offset: i32) -> ir::Value {
        let (flags, base) = (self.frame, self.base());
        self.b
            .ins()
            .load(ty, flags, base, offset - STATE_BIAS as i32)
    }

    /// Stores to a frame offset.
    pub(super) fn store_frame(&mut self, v: ir::Value, offset: i32) {
        let (flags, base) = (self.frame, self.base());
        self.b
            .ins()
            .store(flags, v, base, offset - STATE_BIAS as i32);
    }

    /// `Get`.
    pub(super) fn get(&mut self, v: Value, inst: &Inst) -> Option<ir::Value> {
        let slot = Slot(inst.imm as u16);
        let row = self.unit.slots.get(slot);
        match self.map.dense(slot) {
            Some(_) if row.ty == Type::Flags => {
                let f = self.current_flags();
                self.flags.insert(v.0, f);
                None
            }
            Some(d) => Some(self.current(d)),
            None if row.ty == Type::Flags => {
                let f = self.load_flags(row);
                self.flags.insert(v.0, f);
                None
            }
            None => Some(self.load_frame(clif_ty(row.ty), Self::frame_offset(row))),
        }
    }

    /// `Set`.
    pub(super) fn set(&mut self, inst: &Inst) -> Result<(), CompileError> {
        let slot = Slot(inst.imm as u16);
        let row = self.unit.slots.get(slot);
        if !self.groups() {
            self.flush_pad();
        }
        let Some(d) = self.map.dense(slot) else {
            self.settle();
            if row.ty == Type::Flags {
                let f = self.flags_val(inst.args[0])?;
                self.store_flags(row, f);
            } else {
                let v = self.val(inst.args[0])?;
                self.store_frame(v, Self::frame_offset(row));
            }
            return Ok(());
        };
        if row.ty == Type::Flags {
            self.cur_flags = Some(self.flags_val(inst.args[0])?);
        } else {
            self.cur[d] = Some(self.val(inst.args[0])?);
        }
        self.keep(d);
        self.defined.insert(d);
        self.dirty.insert(d);
        Ok(())
    }

    /// Current value of a cached slot that is not the flags.
    fn current(&mut self, d: usize) -> ir::Value {
        if let Some(v) = self.cur[d] {
            return v;
        }
        let scalar = self.scalar_in.iter().position(|s| s.has(d));
        let v = match scalar.filter(|_| self.map.rows[d].ty == Type::V128) {
            Some(n) => {
                let x = self.b.use_var(self.vars[d][n + 1]);
                self.scalar_vector(x)
            }
            None => self.b.use_var(self.vars[d][0]),
        };
        self.cur[d] = Some(v);
        v
    }

    /// Current flags of the (cached) flags slot.
    fn current_flags(&mut self) -> FlagsVal {
        if let Some(f) = self.cur_flags {
            return f;
        }
        let d = self
            .map
            .rows
            .iter()
            .position(|r| r.ty == Type::Flags)
            .unwrap_or(0);
        let [k, a, b] = self.vars[d];
        let (a, b) = (self.b.use_var(a), self.b.use_var(b));
        let f = match self.cur_kind {
            Kind::Known(kind) => {
                // Only the carry is in it.
                let k = match kind {
                    FlagsKind::AddC32 | FlagsKind::AddC64 => self.b.use_var(k),
                    _ => a,
                };
                self.typed_flags(kind, k, a, b)
            }
            _ => FlagsVal::Dyn(self.b.use_var(k), a, b, self.likely),
        };
        self.cur_flags = Some(f);
        f
    }

    fn load_flags(&mut self, row: &SlotInfo) -> FlagsVal {
        let o = Self::frame_offset(row);
        let k = self.load_frame(types::I64, o);
        let a = self.load_frame(types::I64, o + 8);
        let b = self.load_frame(types::I64, o + 16);
        FlagsVal::Dyn(k, a, b, None)
    }

    pub(super) fn store_flags(&mut self, row: &SlotInfo, f: FlagsVal) {
        let o = Self::frame_offset(row);
        let (k, a, b) = self.triple(f);
        self.store_frame(k, o);
        self.store_frame(a, o + 8);
        self.store_frame(b, o + 16);
    }

    /// Writes the dirty slots to the frame; what is dirty does not change (the path being emitted may be a side exit).
    pub(super) fn store_dirty(&mut self) {
        self.store_slots(self.dirty);
    }

    /// Writes these slots to the frame.
    pub(super) fn store_slots(&mut self, set: SlotSet) {
        for d in set.iter() {
            let row = self.map.rows[d];
            if row.ty == Type::Flags {
                let f = self.current_flags();
                self.store_flags(row, f);
            } else {
                let v = self.current(d);
                self.store_slot(row, v);
            }
        }
    }

    /// Writes a value of a slot that is not the flags.
    pub(super) fn store_slot(&mut self, row: &SlotInfo, v: ir::Value) {
        self.store_frame(v, Self::frame_offset(row));
    }

    /// Makes sure that the values of dirty slots exist before control flow splits.
    pub(super) fn touch_dirty(&mut self) {
        for d in self.dirty.iter() {
            if self.map.rows[d].ty == Type::Flags {
                self.current_flags();
            } else {
                self.current(d);
            }
        }
    }

    /// Reads slots from the frame into variables (at an entry, or after a call that may have changed them).
    pub(super) fn load_slots(&mut self, set: SlotSet) {
        for d in set.iter() {
            let Some(row) = self.map.rows.get(d).copied() else {
                break;
            };
            let o = Self::frame_offset(row);
            if row.ty == Type::Flags {
                let f = self.load_flags(row);
                self.cur_flags = Some(f);
            } else {
                let v = self.load_frame(clif_ty(row.ty), o);
                self.cur[d] = Some(v);
            }
            self.defined.insert(d);
        }
    }

    /// Hands the values of slots set in this block to their variables, in the forms that `to`, where it goes on, knows them in.
    pub(super) fn define_vars(&mut self, to: &[BlockId]) {
        for d in self.forms_change(to).iter() {
            self.current(d);
            self.defined.insert(d);
        }
        for d in self.defined.iter() {
            let Some(row) = self.map.rows.get(d) else {
                break;
            };
            let vars = self.vars[d];
            if row.ty == Type::Flags {
                if let Some(f) = self.cur_flags {
                    let (k, a, b) = self.triple(f);
                    self.b.def_var(vars[0], k);
                    self.b.def_var(vars[1], a);
                    self.b.def_var(vars[2], b);
                }
            } else if let Some(v) = self.cur[d] {
                self.b.def_var(vars[0], v);
                self.define_scalars(d, v, to);
            }
        }
    }

    /// Slots that are scalars since before the block and become vectors where paths meet behind it.
    fn forms_change(&self, to: &[BlockId]) -> SlotSet {
        let mut set = SlotSet::default();
        for b in to.iter().map(|b| b.0 as usize) {
            for (here, there) in self.scalar_in.iter().zip(self.flow.scalar_in[b]) {
                set = set.or(here.minus(there));
            }
            set.0 &= self.flow.live_in[b].0;
        }
        set.minus(self.defined)
    }

    fn define_scalars(&mut self, d: usize, v: ir::Value, to: &[BlockId]) {
        if self.map.rows[d].ty != Type::V128 {
            return;
        }
        for (n, ty) in SCALARS.into_iter().enumerate() {
            let wanted = |b: &BlockId| self.flow.scalar_in[b.0 as usize][n].has(d);
            if !to.iter().any(wanted) {
                continue;
            }
            let x = match self.scalar_of(v, ty) {
                Some(x) => x,
                None => {
                    let lanes = self.cast(ty.by(128 / ty.bits()).unwrap_or(types::F64X2), v);
                    self.b.ins().extractlane(lanes, 0)
                }
            };
            self.b.def_var(self.vars[d][n + 1], x);
        }
    }

    /// Stores a guest pc to the frame.
    pub(super) fn store_pc(&mut self, pc: u64) {
        let v = self.i64(pc);
        self.store_pc_value(v);
    }

    /// The same with a computed address.
    pub(super) fn store_pc_value(&mut self, v: ir::Value) {
        self.store_frame(v, (HEADER_SIZE + self.pc_offset) as i32);
    }
}
