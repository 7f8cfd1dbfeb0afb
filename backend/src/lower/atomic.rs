//! Atomic read-modify-write, compare-and-swap and store-exclusive, by `lock` instructions of the exact size.
//!
//! Every one of them is a full barrier on the host, which is at least what any order asks for.

use super::memory::sized;
use super::{Lower, clif_ty};
use crate::emit::CompileError;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AtomicRmwOp, BlockArg, InstBuilder, types};
use metaphrase_ir::ops::Rmw;
use metaphrase_ir::{Inst, Op, Type};

impl Lower<'_> {
    pub(super) fn atomic(&mut self, inst: &Inst) -> Result<ir::Value, CompileError> {
        match inst.op {
            Op::AtomicRmw => self.rmw(inst),
            Op::AtomicCas => self.cas(inst),
            _ => self.store_exclusive(inst),
        }
    }

    /// An integer argument cut to the access size.
    fn operand(&mut self, v: ir::Value, size: u8) -> ir::Value {
        let want = sized(size);
        let have = self.b.func.dfg.value_type(v);
        if want == types::I128 || have == types::I8X16 {
            return match (have, want) {
                (types::I8X16, types::I128) => self.cast(types::I128, v),
                (types::I8X16, _) => {
                    let w = self.cast(types::I64X2, v);
                    let lane = self.b.ins().extractlane(w, 0);
                    self.operand(lane, size)
                }
                (types::I64, _) => self.b.ins().uextend(types::I128, v),
                _ => v,
            };
        }
        match have.bits() > want.bits() {
            true => self.b.ins().ireduce(want, v),
            false => v,
        }
    }

    /// What memory held, as the op's result.
    fn old(&mut self, ty: Type, v: ir::Value) -> ir::Value {
        match (self.b.func.dfg.value_type(v), ty) {
            (types::I128, Type::V128) => self.cast(types::I8X16, v),
            (types::I128, _) => self.b.ins().ireduce(clif_ty(ty), v),
            _ => self.extend(ty, v, false),
        }
    }

    fn rmw(&mut self, inst: &Inst) -> Result<ir::Value, CompileError> {
        let m = inst.mem();
        let addr = self.val(inst.args[0])?;
        let v = self.val(inst.args[1])?;
        if m.aligned {
            self.check_aligned(addr, m, true);
        }
        let mut v = self.operand(v, m.size);
        let op = match Rmw::from_aux(inst.aux) {
            Rmw::Add => AtomicRmwOp::Add,
            Rmw::Clr => {
                v = self.b.ins().bnot(v);
                AtomicRmwOp::And
            }
            Rmw::Eor => AtomicRmwOp::Xor,
            Rmw::Set => AtomicRmwOp::Or,
            Rmw::Smax => AtomicRmwOp::Smax,
            Rmw::Smin => AtomicRmwOp::Smin,
            Rmw::Umax => AtomicRmwOp::Umax,
            Rmw::Umin => AtomicRmwOp::Umin,
            Rmw::Swp => AtomicRmwOp::Xchg,
        };
        let flags = self.guest;
        self.flush_pad();
        self.begin_access();
        let old = self.b.ins().atomic_rmw(sized(m.size), flags, op, addr, v);
        self.end_access();
        self.flush_pad();
        Ok(self.old(inst.ty, old))
    }

    fn cas(&mut self, inst: &Inst) -> Result<ir::Value, CompileError> {
        let m = inst.mem();
        let addr = self.val(inst.args[0])?;
        let (e, n) = (self.val(inst.args[1])?, self.val(inst.args[2])?);
        if m.aligned {
            self.check_aligned(addr, m, true);
        }
        let old = self.compare_and_swap(addr, m.size, e, n);
        Ok(self.old(inst.ty, old))
    }

    fn compare_and_swap(
        &mut self,
        addr: ir::Value,
        size: u8,
        expected: ir::Value,
        new: ir::Value,
    ) -> ir::Value {
        let e = self.operand(expected, size);
        let n = self.operand(new, size);
        let flags = self.guest;
        self.flush_pad();
        self.begin_access();
        let old = self.b.ins().atomic_cas(flags, addr, e, n);
        self.end_access();
        self.flush_pad();
        old
    }

    /// Stores if the monitor's address is this one and memory still holds the monitor's value. Result 0: stored.
    fn store_exclusive(&mut self, inst: &Inst) -> Result<ir::Value, CompileError> {
        let m = inst.mem();
        let addr = self.val(inst.args[0])?;
        let new = self.val(inst.args[1])?;
        let mon = self.val(inst.args[2])?;
        let expected = self.val(inst.args[3])?;
        if m.aligned {
            self.check_aligned(addr, m, true);
        }
        // The access and its pad stand on one side of a branch: slot values must exist before it.
        self.touch_dirty();
        let done = self.b.create_block();
        self.b.append_block_param(done, types::I32);
        let miss = self.b.ins().icmp(IntCC::NotEqual, addr, mon);
        let (cold, cont) = self.split(miss);
        self.b.switch_to_block(cold);
        let one = self.iconst(types::I32, 1);
        self.b.ins().jump(done, &[BlockArg::Value(one)]);
        self.b.seal_block(cont);
        self.b.switch_to_block(cont);
        let old = self.compare_and_swap(addr, m.size, expected, new);
        let e = self.operand(expected, m.size);
        let failed = self.b.ins().icmp(IntCC::NotEqual, old, e);
        let status = self.b.ins().uextend(types::I32, failed);
        self.b.ins().jump(done, &[BlockArg::Value(status)]);
        self.b.seal_block(done);
        self.b.switch_to_block(done);
        Ok(self.b.block_params(done)[0])
    }
}
