//! How the block is left, and the code off its main path.

use super::asm::{Enc, Gpr, RAX, RCX, RDI, RDX, RSI, alu, cc, sh};
use super::{Baseline, Cold, Home};
use crate::abi::{
    ChainSlot, EXIT_FAULT, EXIT_HOT, EXIT_STOP, EXIT_TRAP, FAULT_ALIGNMENT, FrameHeader,
    JUMP_ENTRIES, JumpEntry,
};
use crate::bytecode::{BOp, Bytecode, Op0};
use std::mem::{offset_of, size_of};

impl Baseline {
    /// Emits the op if it is one of these.
    pub(super) fn exit_op(&mut self, code: &Bytecode, i: u32, o: &BOp) -> bool {
        match o.op {
            Op0::Goto => self.goto(),
            Op0::Br => {
                let a = self.r.get(o.a);
                self.r.asm.test8_imm(a, 1);
                self.branch(cc::NE);
            }
            Op0::BrCond => self.branch_on_flags(i, o),
            Op0::BrEqz64 => self.on_zero(o, true, cc::E),
            Op0::BrNez64 => self.on_zero(o, true, cc::NE),
            Op0::BrEqz32 => self.on_zero(o, false, cc::E),
            Op0::BrNez32 => self.on_zero(o, false, cc::NE),
            Op0::BrBit0 => self.on_bit(o, cc::AE, cc::E),
            Op0::BrBit1 => self.on_bit(o, cc::B, cc::NE),
            Op0::Indirect => self.indirect(o),
            Op0::Trap => self.trap(code),
            _ => return false,
        }
        true
    }

    fn on_zero(&mut self, o: &BOp, w: bool, c: u8) {
        if let Some(v) = self.r.constant(o.a) {
            let zero = if w { v == 0 } else { v as u32 == 0 };
            return self.always(zero == (c == cc::E));
        }
        let a = self.r.get(o.a);
        self.r.asm.test(w, a, a);
        self.branch(c);
    }

    /// `carry`: condition after BT; `zero`: after TEST.
    fn on_bit(&mut self, o: &BOp, carry: u8, zero: u8) {
        let a = self.r.get(o.a);
        let n = o.d & 63;
        if n < 8 {
            self.r.asm.test8_imm(a, 1 << n);
            self.branch(zero);
        } else {
            self.r.asm.rr(Enc(0, 1, 0xba), true, 4, a);
            self.r.asm.put(n as u64, 1);
            self.branch(carry);
        }
    }

    /// A condition that is known.
    fn always(&mut self, taken: bool) {
        self.go(if taken {
            self.succ.taken
        } else {
            self.succ.fall
        });
    }

    fn goto(&mut self) {
        self.go(self.succ.taken);
    }

    fn go(&mut self, to: u64) {
        if self.ahead == Some(to) {
            self.went_on = true;
        } else {
            self.r.flush_guest();
            self.direct(to);
        }
    }

    /// Two-way exit on the host's flags.
    pub(super) fn branch(&mut self, c: u8) {
        let s = self.succ;
        if let Some(p) = self.ahead.filter(|&p| p == s.fall || p == s.taken) {
            self.went_on = true;
            let (c, to) = if p == s.fall {
                (c, s.taken)
            } else {
                (c ^ 1, s.fall)
            };
            let jump = self.r.asm.jcc(c);
            self.later(Cold::Side { jump, to });
        } else if self.head == Some(s.taken) {
            self.r.flush_guest();
            let jump = self.r.asm.jcc(c);
            self.r.asm.bind(jump, 0);
            self.side_at = [0, self.r.asm.pos()];
            self.direct(s.fall);
        } else {
            self.r.flush_guest();
            let taken = self.r.asm.jcc8(c);
            self.side_at[1] = self.r.asm.pos();
            self.direct(s.fall);
            self.r.asm.here8(taken);
            self.side_at[0] = self.r.asm.pos();
            self.direct(s.taken);
        }
    }

    /// Goes to guest address `to`: through a chain slot, or round the loop.
    fn direct(&mut self, to: u64) {
        if self.head == Some(to) {
            return self.r.asm.jmp_to(0);
        }
        let first = self.count as usize;
        let known = self.slots.iter().skip(first).position(|&s| s == to);
        let slot = known.map_or(self.slots.len(), |n| n + first) as u32;
        if known.is_none() {
            self.slots.push(to);
        }
        let a = &mut self.r.asm;
        a.put(0x3d_8d_48, 7); // lea rdi, [rip + slot]
        let field = a.pos() as u32 - 4;
        a.put(0x27ff, 2); // jmp [rdi]
        self.reloc(field, slot, 4);
    }

    /// Indirect branch. One whose target the trace expects (a return whose call is part of it) only checks that.
    fn indirect(&mut self, o: &BOp) {
        let t = self.r.get(o.a);
        let Some(p) = self.ahead else {
            let e = self.r.alloc();
            self.r.flush_guest();
            if self.profile {
                self.note_target(t);
            }
            return self.look_up(t, e);
        };
        if self.guarded {
            let field = self.r.asm.rip_wide(Enc(0, 0, 0x3b), t);
            self.guards.push((field, p));
        } else if p as i32 as i64 as u64 == p {
            self.r.asm.alu_imm(alu::CMP, true, t, p as i32);
        } else {
            let k = self.r.alloc();
            self.r.asm.mov_imm(k, p);
            self.r.asm.alu(alu::CMP, true, t, k);
        }
        let jump = self.r.asm.jcc(cc::NE);
        self.later(Cold::LookUp { jump, target: t });
        self.went_on = true;
    }

    /// Notes that the branch goes to what is in `t`.
    fn note_target(&mut self, t: Gpr) {
        self.slot_pc(Enc(0, 0, 0x3b), t, 0);
        let jump = self.r.asm.jcc(cc::NE);
        let resume = self.r.asm.pos() as u32;
        self.later(Cold::Changed {
            jump,
            target: t,
            resume,
        });
    }

    /// An instruction on the `guest_pc` of a noting slot; `reg` as in its ModRM.
    fn slot_pc(&mut self, e: Enc, reg: Gpr, which: u32) {
        let slot = self.slots.len() as u32 - 2 + which;
        let field = self.r.asm.rip_wide(e, reg);
        self.reloc(field, slot, 4 - offset_of!(ChainSlot, guest_pc) as i64);
    }

    /// Looks the target in register `t` up in the jump cache; `e` is changed.
    fn look_up(&mut self, t: Gpr, e: Gpr) {
        let size = size_of::<JumpEntry>() as u32;
        let m = &mut self.r.asm;
        m.mov32(e, t);
        m.shift_imm(sh::SHL, false, e, (size.trailing_zeros() - 2) as u8);
        m.alu_imm(
            alu::AND,
            false,
            e,
            ((JUMP_ENTRIES as u32 - 1) * size) as i32,
        );
        m.header(
            Enc(0, 0, 0x03),
            true,
            e,
            offset_of!(FrameHeader, jump_cache),
        );
        m.rm(
            Enc(0, 0, 0x3b),
            true,
            t,
            e,
            offset_of!(JumpEntry, pc) as i32,
        );
        let miss = m.jcc8(cc::NE);
        if self.count {
            // inc qword [jump_hits]
            let hits = offset_of!(FrameHeader, jump_hits);
            m.header(Enc(0, 0, 0xff), true, 0, hits);
        }
        m.rm(
            Enc(0, 0, 0xff),
            false,
            4,
            e,
            offset_of!(JumpEntry, code) as i32,
        );
        m.here8(miss);
        m.mov(RDI, t);
        m.header(Enc(0, 0, 0xff), false, 4, offset_of!(FrameHeader, look_up)); // jmp [look_up]
    }

    fn trap(&mut self, code: &Bytecode) {
        self.r.flush_guest();
        let (trap, pc) = code.trap().unwrap_or((2, self.guest_pc));
        self.r.asm.mov_imm(RCX, trap);
        self.r
            .asm
            .header(Enc(0, 0, 0x89), true, RCX, offset_of!(FrameHeader, trap));
        self.store_pc(pc);
        self.r.asm.leave(EXIT_TRAP);
    }

    /// `dirty`: what memory does not have yet. All of it is stored before any register changes.
    pub(super) fn cold_path(&mut self, c: Cold, dirty: (u32, u32)) {
        let here = self.r.asm.pos();
        match c {
            Cold::Entry { hot, stop, pc } => {
                let a = &mut self.r.asm;
                a.bind(hot, here);
                a.mov_imm(RAX, EXIT_HOT);
                let join = a.jmp8();
                a.bind(stop, a.pos());
                a.mov_imm(RAX, EXIT_STOP);
                a.here8(join);
                self.store_pc(pc);
                self.r.asm.put(0xc3, 1);
            }
            Cold::Side { jump, to } => {
                self.r.asm.bind(jump, here);
                self.save(dirty);
                self.direct(to);
            }
            Cold::LookUp { jump, target } => {
                self.r.asm.bind(jump, here);
                self.save(dirty);
                self.look_up(target, if target == RAX { RCX } else { RAX });
            }
            Cold::Changed {
                jump,
                target,
                resume,
            } => {
                self.r.asm.bind(jump, here);
                self.slot_pc(Enc(0, 0, 0x89), target, 0);
                self.slot_pc(Enc(0, 0, 0xff), 0, 1);
                self.r.asm.jmp_to(resume as usize);
            }
            Cold::Leave { jump, pc, code } => {
                self.r.asm.bind(jump, here);
                self.save(dirty);
                self.store_pc(pc);
                self.r.asm.leave(code);
            }
            Cold::Align {
                jump,
                addr,
                pc,
                write,
            } => {
                self.r.asm.bind(jump, here);
                self.save(dirty);
                self.misaligned(addr, write);
                self.store_pc(pc);
                self.r.asm.leave(EXIT_FAULT);
            }
            Cold::Redo {
                jump,
                op,
                result,
                resume,
            } => {
                self.r.asm.bind(jump, here);
                self.count_rare();
                self.save(dirty);
                self.redo_op(op, result, resume);
            }
            Cold::Nan { jump, .. } => {
                self.r.asm.bind(jump, here);
                self.count_rare();
                self.nan_result(c, dirty);
            }
            Cold::Flags {
                rare,
                from,
                op,
                result: (d, w),
                resume,
            } => {
                self.r.asm.bind(rare.jump, here);
                self.rare_flags(rare, |me, c| {
                    match from {
                        Some(from) => me.r.asm.cmov(c, d, from),
                        None => me.r.asm.setcc(c, d),
                    }
                    me.r.asm.jmp_to(resume as usize);
                });
                self.redo_op(op, Home::Gpr(d, w), resume);
            }
            Cold::Quiet {
                jump,
                known,
                x,
                resume,
            } => {
                self.r.asm.bind(jump, here);
                self.quiet(known, x, resume);
            }
            Cold::Decide { rare, op } => {
                self.r.asm.bind(rare.jump, here);
                self.rare_flags(rare, |me, c| {
                    let [taken, fall] = me.side_at;
                    let jump = me.r.asm.jcc(c);
                    me.r.asm.bind(jump, taken);
                    me.r.asm.jmp_to(fall);
                });
                let a = &mut self.r.asm;
                a.mov_imm(RSI, op as u64 * size_of::<BOp>() as u64);
                a.put(0xe8, 5);
                self.calls.push((self.part, a.pos() as u32 - 4));
                // 2: link 0, 3: link 1.
                a.alu_imm(alu::CMP, false, RAX, 2);
                let taken = a.jcc(cc::E);
                a.bind(taken, self.side_at[0]);
                a.jmp_to(self.side_at[1]);
            }
        }
    }

    /// See [`FrameHeader::rare`].
    fn count_rare(&mut self) {
        let pc = self.parts[self.part as usize].guest_pc as u32;
        let m = &mut self.r.asm;
        m.header(Enc(0, 0, 0x83), false, 0, offset_of!(FrameHeader, rare)); // add
        m.put(1, 1);
        m.header(Enc(0, 0, 0xc7), false, 0, offset_of!(FrameHeader, rare_pc)); // mov
        m.put(pc.into(), 4);
    }

    /// The runtime executes the op with all registers kept.
    pub(super) fn redo_op(&mut self, op: u32, result: Home, resume: u32) {
        self.push_op(op);
        self.r.asm.put(0xe8, 5);
        self.redo_calls
            .push((self.part, self.r.asm.pos() as u32 - 4));
        match result {
            Home::Gpr(r, w) => self.r.asm.load(r, w),
            Home::D(x, w) => self.r.asm.load_d(x, w),
            Home::V(x, w) => self.r.asm.load_v(x, w),
        }
        self.r.asm.jmp_to(resume as usize);
    }

    fn misaligned(&mut self, addr: Gpr, write: bool) {
        let m = &mut self.r.asm;
        m.header(
            Enc(0, 0, 0x89),
            true,
            addr,
            offset_of!(FrameHeader, fault_addr),
        );
        m.mov_imm(RDX, FAULT_ALIGNMENT | write as u64);
        m.header(
            Enc(0, 0, 0x89),
            true,
            RDX,
            offset_of!(FrameHeader, fault_info),
        );
    }

    /// push imm32
    fn push_op(&mut self, op: u32) {
        self.r.asm.put(0x68, 1);
        self.r.asm.put(op as u64 * size_of::<BOp>() as u64, 4);
    }
}
