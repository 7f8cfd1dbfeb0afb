//! Guest memory accesses, their landing pads, and barriers.
//!
//! User mode: a guest address is a host address, so an access is one host instruction. If it faults, the registers of the
//! faulting guest instruction must be complete without having been stored beforehand. So after each access (or a group of
//! accesses between which no slot becomes dirty) comes a branch that is never taken, on r15 being zero, to a cold
//! block that stores the dirty slots and leaves with `EXIT_FAULT`. The branch keeps the values alive across the access; once
//! compiled it is overwritten by a NOP (see [`crate::pcmap`]), and the host signal handler goes to the cold block by itself.
//!
//! Order: the host keeps every order but store-then-load. Full barriers and store-release therefore are real; the rest only
//! stops the optimiser. Loads that carry an order, and polls, are `atomic_load`s, across which the optimiser moves no access.

use super::{Lower, clif_ty};
use crate::abi::{EXIT_FAULT, FAULT_ALIGNMENT, FrameHeader};
use crate::emit::{CompileError, MemoryModel};
use crate::flow::SlotSet;
use crate::pcmap::Loc;
use cranelift_codegen::ir::{self, AtomicRmwOp, InstBuilder, types};
use metaphrase_ir::inst::MemInfo;
use metaphrase_ir::ops::Fence;
use metaphrase_ir::{Inst, Op, Order, Type};
use std::mem::offset_of;

impl Lower<'_> {
    /// Marks the next instruction as a guest access of the pending pad.
    pub(super) fn begin_access(&mut self) {
        let MemoryModel::Direct = self.opts.memory;
        let loc = Loc::Access {
            pc: self.restart.as_ref().map_or(self.pc, |r| r.pc),
            pad: self.pads,
        };
        self.set_loc(loc);
    }

    /// The access has been emitted.
    pub(super) fn end_access(&mut self) {
        self.pending += 1;
        let loc = Loc::Pc(self.pc);
        self.set_loc(loc);
        if !self.opts.group_pads {
            self.flush_pad();
        }
    }

    /// The number of the check that is to own the pending accesses, if there are any.
    pub(super) fn take_pad(&mut self) -> Option<u32> {
        if self.pending == 0 {
            return None;
        }
        self.pending = 0;
        self.pads += 1;
        Some(self.pads - 1)
    }

    /// Emits the check that owns the pending accesses.
    pub(super) fn flush_pad(&mut self) {
        let Some(pad) = self.take_pad() else { return };
        if !self.opts.pads {
            return;
        }
        let shared = self.restart_block();
        if shared.is_none() {
            self.touch_dirty();
        }
        self.set_loc(Loc::Check { pad });
        let cont = self.b.create_block();
        let cold = shared.unwrap_or_else(|| {
            let cold = self.b.create_block();
            self.b.set_cold_block(cold);
            cold
        });
        // A fresh read: nothing else uses this value, so that all of the check can be overwritten.
        let never = self.b.ins().get_pinned_reg(types::I64);
        self.b.ins().brif(never, cont, &[], cold, &[]);
        self.b.seal_block(cont);
        self.set_loc(Loc::Pc(self.pc));
        if shared.is_none() {
            self.b.seal_block(cold);
            self.b.switch_to_block(cold);
            self.land();
        }
        self.b.switch_to_block(cont);
    }

    /// The landing pad: completes the frame and leaves with `EXIT_FAULT`. Slots that this IR block will not set again have their
    /// values for all pads to come: they are written by a chain of blocks that those share.
    fn land(&mut self) {
        let (own, last) = self.split_last(self.dirty, self.at);
        self.store_slots(own);
        self.land_last(last);
    }

    /// Of slots that were dirty at instruction `at` those that a block for it has to write itself, and those that this IR block does
    /// not set from there on.
    pub(super) fn split_last(&self, dirty: SlotSet, at: u32) -> (SlotSet, SlotSet) {
        let mut last = SlotSet::default();
        for d in dirty.iter() {
            if self.last_sets[d] <= at {
                last.insert(d);
            }
        }
        let covered = self.pad_tail.map_or(SlotSet::default(), |t| t.1);
        (dirty.minus(last.or(covered)), last)
    }

    /// The shared end of landing pads.
    pub(super) fn land_last(&mut self, last: SlotSet) {
        let tail = self.pad_tail;
        let covered = tail.map_or(SlotSet::default(), |t| t.1);
        let new = last.minus(covered);
        if !new.is_empty() {
            let block = self.b.create_block();
            self.b.set_cold_block(block);
            self.b.ins().jump(block, &[]);
            self.tails.push(block);
            self.pad_tail = Some((block, covered.or(new)));
            self.b.switch_to_block(block);
            self.store_slots(new);
        }
        match tail {
            Some((next, _)) => {
                self.b.ins().jump(next, &[]);
            }
            None => self.leave(EXIT_FAULT),
        }
    }

    /// Leaves to have the interpreter execute the guest instruction, if `cond`. No slot has been set by it yet.
    pub(super) fn retry_if(&mut self, cond: ir::Value) {
        self.flush_pad();
        if let Some(leave) = self.restart_block() {
            if let Some(r) = &mut self.restart {
                r.branches = true;
            }
            let cont = self.b.create_block();
            self.b.ins().brif(cond, leave, &[], cont, &[]);
            self.b.seal_block(cont);
            return self.b.switch_to_block(cont);
        }
        self.touch_dirty();
        let (cold, cont) = self.split(cond);
        self.b.switch_to_block(cold);
        let pc = self.pc;
        self.store_pc(pc);
        self.land();
        self.b.seal_block(cont);
        self.b.switch_to_block(cont);
    }

    /// Address and displacement: the offset is folded in when it fits.
    fn address(&mut self, base: ir::Value, offset: u64) -> (ir::Value, i32) {
        match i32::try_from(offset as i64) {
            Ok(o) => (base, o),
            Err(_) => (self.b.ins().iadd_imm_s(base, offset as i64), 0),
        }
    }

    /// One address without displacement.
    fn flat_address(&mut self, base: ir::Value, offset: u64) -> ir::Value {
        match offset {
            0 => base,
            o => self.b.ins().iadd_imm_s(base, o as i64),
        }
    }

    /// Leaves with an alignment fault unless `addr` is a multiple of the access size.
    pub(super) fn check_aligned(&mut self, addr: ir::Value, m: MemInfo, write: bool) {
        if m.size == 0 {
            return;
        }
        let low = self.b.ins().band_imm_u(addr, m.bytes() as i64 - 1);
        self.touch_dirty();
        let (cold, cont) = self.split(low);
        self.b.switch_to_block(cold);
        self.store_dirty();
        let pc = self.pc;
        self.store_pc(pc);
        self.store_frame(addr, offset_of!(FrameHeader, fault_addr) as i32);
        let info = self.i64(FAULT_ALIGNMENT | write as u64);
        self.store_frame(info, offset_of!(FrameHeader, fault_info) as i32);
        self.leave(EXIT_FAULT);
        self.b.seal_block(cont);
        self.b.switch_to_block(cont);
    }

    /// `Load`, `Store`, `ZeroBlock`, `FenceOp`.
    pub(super) fn memory(&mut self, inst: &Inst) -> Result<Option<ir::Value>, CompileError> {
        match inst.op {
            Op::Load => self.load(inst).map(Some),
            Op::Store => self.store(inst).map(|()| None),
            Op::ZeroBlock => self.zero_block(inst).map(|()| None),
            _ => {
                self.flush_pad();
                match Fence::from_bits(inst.aux) {
                    Fence::Full => self.b.ins().fence(),
                    Fence::Load | Fence::Store => self.b.ins().sequence_point(),
                };
                Ok(None)
            }
        }
    }

    fn load(&mut self, inst: &Inst) -> Result<ir::Value, CompileError> {
        let m = inst.mem();
        let base = self.val(inst.args[0])?;
        if m.aligned {
            let addr = self.flat_address(base, inst.imm);
            self.check_aligned(addr, m, false);
        }
        if m.order != Order::Plain {
            return self.load_ordered(inst, base, m);
        }
        self.join_load();
        let (base, off) = self.address(base, inst.imm);
        self.begin_access();
        let flags = self.guest;
        let ty = clif_ty(inst.ty);
        let i = self.b.ins();
        let int = if ty == types::I64 || ty == types::I32 {
            ty
        } else {
            types::I64
        };
        let narrow = matches!(inst.ty, Type::I32 | Type::I64);
        let r = match (m.size, m.signed && narrow) {
            (0, false) => i.uload8(int, flags, base, off),
            (0, true) => i.sload8(int, flags, base, off),
            (1, false) => i.uload16(int, flags, base, off),
            (1, true) => i.sload16(int, flags, base, off),
            (2, true) if ty == types::I64 => i.sload32(flags, base, off),
            (2, _) if ty == types::I64 => i.uload32(flags, base, off),
            (2, _) if inst.ty == Type::V128 => i.load(types::F32, flags, base, off),
            (2, _) if ty == types::F32 => i.load(ty, flags, base, off),
            (2, _) => i.load(types::I32, flags, base, off),
            (3, _) if inst.ty == Type::V128 || ty == types::F64 => {
                i.load(types::F64, flags, base, off)
            }
            (3, _) => i.load(types::I64, flags, base, off),
            _ => i.load(types::I8X16, flags, base, off),
        };
        self.end_access();
        Ok(self.loaded(inst.ty, r))
    }

    /// Brings what an access yielded to the op's type.
    fn loaded(&mut self, ty: Type, r: ir::Value) -> ir::Value {
        let have = self.b.func.dfg.value_type(r);
        let want = clif_ty(ty);
        if have == want {
            return r;
        }
        if ty == Type::V128 {
            return self.scalar_vector(r);
        }
        match (have, want) {
            (types::I32, types::I64) => self.b.ins().uextend(want, r),
            (types::I64, types::I32) => self.b.ins().ireduce(want, r),
            (a, b) if a.bits() == b.bits() => self.cast(want, r),
            _ => r,
        }
    }

    /// A scalar in lane 0, zero above.
    pub(super) fn scalar_vector(&mut self, r: ir::Value) -> ir::Value {
        let have = self.b.func.dfg.value_type(r);
        let v = match have {
            types::I8 | types::I16 => {
                let w = self.b.ins().uextend(types::I32, r);
                self.b.ins().scalar_to_vector(types::I32X4, w)
            }
            types::I32 => self.b.ins().scalar_to_vector(types::I32X4, r),
            types::F32 => self.b.ins().scalar_to_vector(types::F32X4, r),
            types::F64 => self.b.ins().scalar_to_vector(types::F64X2, r),
            _ => self.b.ins().scalar_to_vector(types::I64X2, r),
        };
        let v = self.cast(types::I8X16, v);
        self.scalars.insert(v, r);
        v
    }

    /// The scalar of this type that [`Self::scalar_vector`] made `v` of.
    pub(super) fn scalar_of(&self, v: ir::Value, ty: ir::Type) -> Option<ir::Value> {
        let r = *self.scalars.get(&v)?;
        (self.b.func.dfg.value_type(r) == ty).then_some(r)
    }

    /// A load with an order: atomic at its size, extended afterwards.
    fn load_ordered(
        &mut self,
        inst: &Inst,
        base: ir::Value,
        m: MemInfo,
    ) -> Result<ir::Value, CompileError> {
        let addr = self.flat_address(base, inst.imm);
        let flags = self.guest;
        self.begin_access();
        if m.size >= 4 {
            // Aligned 16-byte vector loads are atomic on every host with AVX; the fence keeps the optimiser in order.
            let r = self.b.ins().load(types::I8X16, flags, addr, 0);
            self.end_access();
            self.flush_pad();
            self.b.ins().sequence_point();
            return Ok(self.loaded(inst.ty, r));
        }
        let ty = sized(m.size);
        let r = self.b.ins().atomic_load(ty, flags, addr);
        self.end_access();
        self.flush_pad();
        Ok(self.extend(inst.ty, r, m.signed))
    }

    /// Extends an integer of the access size to the op's type.
    pub(super) fn extend(&mut self, ty: Type, r: ir::Value, signed: bool) -> ir::Value {
        let (have, want) = (self.b.func.dfg.value_type(r), clif_ty(ty));
        if !matches!(ty, Type::I32 | Type::I64) {
            return self.loaded(ty, r);
        }
        match have.bits().cmp(&want.bits()) {
            std::cmp::Ordering::Less if signed => self.b.ins().sextend(want, r),
            std::cmp::Ordering::Less => self.b.ins().uextend(want, r),
            std::cmp::Ordering::Greater => self.b.ins().ireduce(want, r),
            std::cmp::Ordering::Equal => r,
        }
    }

    /// The low `1 << size` bytes of a value, as the type that a store of that size takes.
    fn storable(&mut self, v: ir::Value, size: u8) -> ir::Value {
        let have = self.b.func.dfg.value_type(v);
        if have == types::I8X16 {
            let (lanes, lane) = match size {
                4 => return v,
                3 => (types::F64X2, true),
                2 => (types::F32X4, true),
                1 => (types::I16X8, true),
                _ => (types::I8X16, true),
            };
            debug_assert!(lane);
            if let Some(r) = self.scalar_of(v, lanes.lane_type()) {
                return r;
            }
            let w = self.cast(lanes, v);
            return self.b.ins().extractlane(w, 0);
        }
        let want = sized(size);
        match have {
            types::F32 | types::F64 => v,
            _ if have.bits() > want.bits() => self.b.ins().ireduce(want, v),
            _ => v,
        }
    }

    fn store(&mut self, inst: &Inst) -> Result<(), CompileError> {
        let m = inst.mem();
        let base = self.val(inst.args[0])?;
        let v = self.val(inst.args[1])?;
        if m.aligned {
            let addr = self.flat_address(base, inst.imm);
            self.check_aligned(addr, m, true);
        }
        let v = self.storable(v, m.size);
        let flags = self.guest;
        if m.order == Order::Plain {
            let (base, off) = self.address(base, inst.imm);
            self.begin_access();
            self.b.ins().store(flags, v, base, off);
            self.end_access();
            self.group_stored();
            return Ok(());
        }
        let addr = self.flat_address(base, inst.imm);
        self.flush_pad();
        if m.size >= 4 {
            self.begin_access();
            self.b.ins().store(flags, v, addr, 0);
            self.end_access();
            self.flush_pad();
            self.b.ins().fence();
            return Ok(());
        }
        // Store-release: exchange is a store that no later load passes.
        let ty = sized(m.size);
        let v = self.cast(ty, v);
        self.begin_access();
        self.b
            .ins()
            .atomic_rmw(ty, flags, AtomicRmwOp::Xchg, addr, v);
        self.end_access();
        self.flush_pad();
        Ok(())
    }

    fn zero_block(&mut self, inst: &Inst) -> Result<(), CompileError> {
        let bytes = inst.imm.max(1);
        let a = self.val(inst.args[0])?;
        let base = self.b.ins().band_imm_s(a, !(bytes as i64 - 1));
        let zero = self.vconst(0);
        let flags = self.guest;
        let step = 16.min(bytes);
        let v = match step {
            16 => zero,
            n => {
                let z = self.i64(0);
                self.storable(z, n.trailing_zeros() as u8)
            }
        };
        for off in (0..bytes).step_by(step as usize) {
            self.begin_access();
            self.b.ins().store(flags, v, base, off as i32);
            self.end_access();
        }
        Ok(())
    }
}

/// Integer type of an access of `1 << size` bytes.
pub(super) fn sized(size: u8) -> ir::Type {
    match size {
        0 => types::I8,
        1 => types::I16,
        2 => types::I32,
        3 => types::I64,
        _ => types::I128,
    }
}
