//! Atomics up to 8 bytes on the host's locked instructions. A misaligned address where alignment is demanded counts as a fault:
//! tier 0 repeats the instruction and finds out.

use super::asm::{Enc, Gpr, RAX, alu, cc};
use super::{Baseline, Cold};
use crate::abi::EXIT_FAULT;
use crate::bytecode::EvalDesc;
use metaphrase_ir::Op;
use metaphrase_ir::ops::Rmw;

impl Baseline {
    /// Emits the op if it has a template.
    pub(super) fn atomic(&mut self, e: &EvalDesc) -> bool {
        if e.inst.mem().size > 3 {
            return false;
        }
        match e.inst.op {
            Op::AtomicRmw => {
                let op = match Rmw::from_aux(e.inst.aux) {
                    Rmw::Add => Enc(0, 1, 0xc1),
                    Rmw::Swp => Enc(0, 0, 0x87),
                    _ => return false,
                };
                self.exchange(e, op);
            }
            Op::AtomicCas => self.compare_exchange(e),
            Op::StoreExcl => self.store_exclusive(e),
            _ => return false,
        }
        true
    }

    /// Leaves if `addr` is misaligned and may not be.
    fn aligned(&mut self, e: &EvalDesc, addr: Gpr) {
        let m = e.inst.mem();
        if m.aligned && m.size > 0 {
            self.r.asm.test8_imm(addr, m.bytes() as u8 - 1);
            let jump = self.r.asm.jcc(cc::NE);
            self.later(Cold::Leave {
                jump,
                pc: self.guest_pc,
                code: EXIT_FAULT,
            });
        }
    }

    /// A locked instruction on `[addr]`; `op` is its form for 16 to 64 bits.
    fn locked(&mut self, op: Enc, size: u8, reg: Gpr, addr: Gpr) {
        self.access();
        self.r.asm.put(0xf0, 1);
        match size {
            0 => self.r.asm.rm8(Enc(0, op.1, op.2 & !1), reg, addr, 0),
            1 => self.r.asm.rm(Enc(0x66, op.1, op.2), false, reg, addr, 0),
            _ => self.r.asm.rm(op, size == 3, reg, addr, 0),
        }
    }

    /// Zero-extends the low `1 << size` bytes.
    fn narrow(&mut self, size: u8, r: Gpr) {
        match size {
            0 => self.r.asm.rr8(Enc(0, 1, 0xb6), r, r),
            1 => self.r.asm.rr(Enc(0, 1, 0xb7), false, r, r),
            2 => self.r.asm.mov32(r, r),
            _ => {}
        }
    }

    /// XADD or XCHG.
    fn exchange(&mut self, e: &EvalDesc, op: Enc) {
        let size = e.inst.mem().size;
        let (addr, v) = (self.r.get(e.args[0]), self.r.get(e.args[1]));
        let d = self.r.alloc();
        self.aligned(e, addr);
        self.r.asm.mov(d, v);
        self.locked(op, size, d, addr);
        self.narrow(size, d);
        self.r.set(e.d, d);
    }

    /// Operand `n` in a register that is not RAX.
    fn not_rax(&mut self, w: u16) -> Gpr {
        let r = self.r.get(w);
        if r != RAX {
            return r;
        }
        let t = self.r.alloc();
        self.r.asm.mov(t, r);
        t
    }

    fn compare_exchange(&mut self, e: &EvalDesc) {
        let size = e.inst.mem().size;
        let (addr, new) = (self.not_rax(e.args[0]), self.not_rax(e.args[2]));
        let expected = self.r.get(e.args[1]);
        self.r.claim(RAX);
        self.aligned(e, addr);
        if expected != RAX {
            self.r.asm.mov(RAX, expected);
        }
        self.locked(Enc(0, 1, 0xb1), size, new, addr);
        self.narrow(size, RAX);
        self.r.set(e.d, RAX);
    }

    fn store_exclusive(&mut self, e: &EvalDesc) {
        let size = e.inst.mem().size;
        let (addr, new) = (self.not_rax(e.args[0]), self.not_rax(e.args[1]));
        let monitor = self.not_rax(e.args[2]);
        let expected = self.r.get(e.args[3]);
        self.r.claim(RAX);
        let d = self.r.alloc();
        self.aligned(e, addr);
        if expected != RAX {
            self.r.asm.mov(RAX, expected);
        }
        self.r.asm.mov_imm(d, 1);
        self.r.asm.alu(alu::CMP, true, addr, monitor);
        let lost = self.r.asm.jcc8(cc::NE);
        self.locked(Enc(0, 1, 0xb1), size, new, addr);
        self.r.asm.setcc(cc::NE, d);
        self.r.asm.here8(lost);
        self.r.set(e.d, d);
    }
}
