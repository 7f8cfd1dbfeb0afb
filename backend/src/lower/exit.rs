//! Entering and leaving: entry dispatch, polls, and the four kinds of exit, exactly as [`crate::abi`] says.

use super::{Lower, SLOTS_NAME, clif_ty};
use crate::abi::{
    ChainSlot, EXIT_STOP, EXIT_TRAP, FrameHeader, JUMP_ENTRIES, JumpEntry, STATE_BIAS, encode_trap,
};
use crate::pcmap::Loc;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self, BlockArg, ExternalName, GlobalValueData, InstBuilder, MemFlagsData, types,
};
use metaphrase_ir::{Block, BlockId, Dest, Exit, Type};
use std::mem::{offset_of, size_of};

impl Lower<'_> {
    /// The function's first block, then per entry a *door*: a poll and the loads of live slots. To Cranelift it is a dispatch on the
    /// argument; the runtime jumps straight to the doors, unless the optimiser placed something before the dispatch.
    pub(super) fn entry(&mut self) {
        let first = self.b.create_block();
        self.b.append_block_params_for_function_params(first);
        self.b.switch_to_block(first);
        self.b.seal_block(first);
        let params = self.b.block_params(first);
        let arg = params[0];
        let ids: Vec<BlockId> = (0..self.unit.blocks.len() as u32)
            .map(BlockId)
            .filter(|b| self.unit.blocks[b.0 as usize].entry)
            .collect();
        let doors: Vec<ir::Block> = ids.iter().map(|_| self.b.create_block()).collect();
        if self.opts.count {
            self.out.slots.push(0);
        }
        self.set_loc(Loc::Pc(self.unit.blocks[0].pc));
        self.dispatch(arg, &doors);
        for (&id, &door) in ids.iter().zip(&doors) {
            self.b.switch_to_block(door);
            self.b.seal_block(door);
            self.door(id);
        }
    }

    /// Jumps to `doors[arg]`; any other `arg` means the first. A plain chain of comparisons, which [`crate::pcmap`] reads.
    fn dispatch(&mut self, arg: ir::Value, doors: &[ir::Block]) {
        for (i, &door) in doors.iter().enumerate().skip(1) {
            let next = self.b.create_block();
            let hit = self.b.ins().icmp_imm_u(IntCC::Equal, arg, i as i64);
            self.b.ins().brif(hit, door, &[], next, &[]);
            self.b.seal_block(next);
            self.b.switch_to_block(next);
        }
        self.b.ins().jump(doors[0], &[]);
    }

    fn door(&mut self, id: BlockId) {
        let i = id.0 as usize;
        let pc = self.unit.blocks[i].pc;
        self.out.entries.push(pc);
        self.cur.fill(None);
        self.cur_flags = None;
        self.defined = Default::default();
        self.dirty = Default::default();
        self.set_pc(pc);
        if self.opts.poll && !self.flow.header[i] {
            self.poll(pc);
        }
        if self.opts.count {
            self.count_entry();
        }
        self.load_slots(self.flow.live_in[i]);
        self.define_vars(&[id]);
        let body = self.blocks[i].0;
        self.b.ins().jump(body, &[]);
        self.edge_emitted(id);
    }

    /// Leaves with `EXIT_STOP` if the runtime asked for it. The load is atomic: the optimiser may neither merge it with an
    /// earlier poll nor move guest loads across it, which also keeps a guest's spin loop loading.
    pub(super) fn poll(&mut self, pc: u64) {
        let off = offset_of!(FrameHeader, stop) as i64 - STATE_BIAS as i64;
        let base = self.base();
        let addr = self.b.ins().iadd_imm_s(base, off);
        let flags = MemFlagsData::trusted();
        let stop = self.b.ins().atomic_load(types::I32, flags, addr);
        self.touch_dirty();
        let (cold, cont) = self.split(stop);
        self.b.switch_to_block(cold);
        self.store_dirty();
        self.store_pc(pc);
        self.leave(EXIT_STOP);
        self.b.seal_block(cont);
        self.b.switch_to_block(cont);
    }

    /// Returns a code to the runtime, through one block for the whole unit.
    pub(super) fn leave(&mut self, code: u64) {
        let block = match self.leave {
            Some(b) => b,
            None => {
                let b = self.b.create_block();
                self.b.set_cold_block(b);
                self.b.append_block_param(b, types::I64);
                *self.leave.insert(b)
            }
        };
        let code = self.i64(code);
        self.b.ins().jump(block, &[BlockArg::Value(code)]);
    }

    pub(super) fn finish_leave(&mut self) {
        if let Some(b) = self.leave {
            self.b.switch_to_block(b);
            let code = self.b.block_params(b)[0];
            self.set_loc(Loc::Leave);
            self.b.ins().return_(&[code]);
            self.b.seal_block(b);
        }
    }

    pub(super) fn exit(&mut self, blk: &Block) {
        match blk.exit {
            Exit::Goto {
                dest: Dest::Block(id),
                ..
            } => {
                self.define_vars(&[id]);
                self.edge(id);
            }
            Exit::Goto {
                dest: Dest::Pc(pc), ..
            } => self.direct(pc),
            Exit::Branch { cond, taken, fall } => self.branch(cond, taken, fall),
            Exit::Indirect { target, .. } => self.indirect(target),
            Exit::Trap { kind, pc } => {
                self.store_dirty();
                self.store_pc(pc);
                let code = self.i64(encode_trap(kind));
                self.store_frame(code, offset_of!(FrameHeader, trap) as i32);
                self.leave(EXIT_TRAP);
            }
        }
    }

    /// Goes to a block of the unit, writing back what is not to be dirty there.
    fn edge(&mut self, id: BlockId) {
        let set = self.flow.written_back(self.dirty, id);
        self.store_slots(set);
        let to = self.blocks[id.0 as usize].0;
        self.b.ins().jump(to, &[]);
        self.edge_emitted(id);
    }

    fn branch(&mut self, cond: metaphrase_ir::Value, taken: Dest, fall: Dest) {
        let c = match self.val(cond) {
            Ok(c) => c,
            Err(_) => self.iconst(types::I8, 0),
        };
        let inside = |d: Dest| match d {
            Dest::Block(id) => Some(id),
            Dest::Pc(_) => None,
        };
        let to: Vec<BlockId> = [taken, fall].into_iter().filter_map(inside).collect();
        self.define_vars(&to);
        self.touch_dirty();
        let loops = |d: &Dest| matches!(d, Dest::Block(b) if self.flow.looped[b.0 as usize]);
        let cold = [loops(&fall), loops(&taken)];
        // Each way gets a block of its own: what is computed only for where it leads, say the value of a register that a loop keeps in
        // another form, is then computed there.
        let ways = [taken, fall].map(|d| (self.b.create_block(), d));
        for ((b, d), cold) in ways.into_iter().zip(cold) {
            if cold && matches!(d, Dest::Pc(_)) {
                self.b.set_cold_block(b);
            }
        }
        self.b.ins().brif(c, ways[0].0, &[], ways[1].0, &[]);
        for (b, d) in ways {
            self.b.seal_block(b);
            self.b.switch_to_block(b);
            match d {
                Dest::Block(id) => self.edge(id),
                Dest::Pc(pc) => self.direct(pc),
            }
        }
    }

    /// Address of one of the unit's chain slots.
    fn slot_address(&mut self, index: u32) -> ir::Value {
        let offset = index as i64 * size_of::<ChainSlot>() as i64;
        let name = self
            .b
            .func
            .declare_imported_user_function(SLOTS_NAME.clone());
        let gv = self.b.create_global_value(GlobalValueData::Symbol {
            name: ExternalName::user(name),
            offset: offset.into(),
            colocated: true,
            tls: false,
        });
        self.b.ins().symbol_value(types::I64, gv)
    }

    /// Counts an entry in slot 0 and names the unit in the header.
    fn count_entry(&mut self) {
        let slot = self.slot_address(0);
        let flags = MemFlagsData::trusted();
        let at = offset_of!(ChainSlot, guest_pc) as i32;
        let count = self.b.ins().iadd_imm_u(slot, at as i64);
        self.store_frame(count, offset_of!(FrameHeader, region) as i32);
        let n = self.b.ins().load(types::I64, flags, slot, at);
        let n = self.b.ins().iadd_imm_u(n, 1);
        self.b.ins().store(flags, n, slot, at);
    }

    /// A chained exit: tail-jump through the exit's slot.
    fn direct(&mut self, pc: u64) {
        self.store_dirty();
        let n = self.out.slots.len() as u32;
        let index = *self.slot_index.entry(pc).or_insert(n);
        if index == n {
            self.out.slots.push(pc);
        }
        let slot = self.slot_address(index);
        let code = self.b.ins().load(
            types::I64,
            MemFlagsData::trusted(),
            slot,
            offset_of!(ChainSlot, code) as i32,
        );
        self.jump_out(code, slot);
    }

    /// An indirect branch: look in the jump cache, else ask the dispatcher.
    fn indirect(&mut self, target: metaphrase_ir::Value) {
        let pc = match self.val(target) {
            Ok(v) => v,
            Err(_) => self.i64(0),
        };
        debug_assert_eq!(clif_ty(Type::I64), types::I64);
        self.store_dirty();
        let cache = self.load_frame(types::I64, offset_of!(FrameHeader, jump_cache) as i32);
        // (pc >> 2) & (N - 1), times the size of an entry.
        let size = size_of::<JumpEntry>() as i64;
        let scaled = self
            .b
            .ins()
            .ishl_imm_u(pc, size.trailing_zeros() as i64 - 2);
        let at = self
            .b
            .ins()
            .band_imm_u(scaled, (JUMP_ENTRIES as i64 - 1) * size);
        let entry = self.b.ins().iadd(cache, at);
        let flags = MemFlagsData::trusted();
        let tag = self
            .b
            .ins()
            .load(types::I64, flags, entry, offset_of!(JumpEntry, pc) as i32);
        let miss = self.b.ins().icmp(IntCC::NotEqual, tag, pc);
        let (cold, cont) = self.split(miss);
        self.b.switch_to_block(cold);
        let look_up = self.load_frame(types::I64, offset_of!(FrameHeader, look_up) as i32);
        self.jump_out(look_up, pc);
        self.b.seal_block(cont);
        self.b.switch_to_block(cont);
        if self.opts.count {
            let at = offset_of!(FrameHeader, jump_hits) as i32;
            let n = self.load_frame(types::I64, at);
            let n = self.b.ins().iadd_imm_u(n, 1);
            self.store_frame(n, at);
        }
        let code = self
            .b
            .ins()
            .load(types::I64, flags, entry, offset_of!(JumpEntry, code) as i32);
        self.jump_out(code, pc);
    }

    /// Goes to other translated code.
    fn jump_out(&mut self, code: ir::Value, arg: ir::Value) {
        let tail = self.tail;
        self.set_loc(Loc::Leave);
        self.b.ins().return_call_indirect(tail, code, &[arg]);
        self.set_loc(Loc::Pc(self.pc));
    }
}
