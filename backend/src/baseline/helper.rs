//! Helpers of the runtime, called as regions call them: without the interpreter in between.

use super::Baseline;
use super::asm::{Enc, Gpr, RAX, RCX, RDI, RDX, RSI, STATE};
use crate::abi::{FrameHeader, STATE_BIAS};
use crate::bytecode::EvalDesc;
use metaphrase_ir::Type;
use std::mem::offset_of;

impl Baseline {
    /// Emits the call of a helper: all of the guest's state is in memory, for it to read and change.
    pub(super) fn helper_call(&mut self, e: &EvalDesc) -> bool {
        // The second argument is the op's; a helper has up to three more.
        const ARGS: [Gpr; 3] = [RDX, RCX, 8];
        let words = |ty| matches!(ty, Type::Void | Type::I64);
        if !e.tys.iter().take(ARGS.len()).all(|ty| words(*ty)) || !words(e.inst.ty) {
            return false;
        }
        self.give_state();
        let a = &mut self.r.asm;
        for ((r, w), ty) in ARGS.into_iter().zip(e.args).zip(e.tys) {
            if ty == Type::I64 {
                a.load(r, w);
            }
        }
        a.mov_imm(RSI, e.inst.aux as u64);
        a.lea(true, RDI, STATE, -(STATE_BIAS as i32));
        a.header(Enc(0, 0, 0x8b), true, RAX, offset_of!(FrameHeader, helpers));
        // The stack is to be a multiple of 16 at the call.
        a.bytes(&[0x48, 0x83, 0xec, 8]); // sub rsp, 8
        a.rm(Enc(0, 0, 0xff), false, 2, RAX, 8 * e.inst.imm as i32);
        a.bytes(&[0x48, 0x83, 0xc4, 8]); // add rsp, 8
        if e.inst.ty == Type::I64 {
            let d = self.r.alloc();
            self.r.asm.mov(d, RAX);
            self.r.set(e.d, d);
        }
        true
    }
}
