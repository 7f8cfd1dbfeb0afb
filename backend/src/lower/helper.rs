//! Calls out of generated code: `Op::Call` helpers, and the built-ins behind ops that are not lowered inline.

use super::{Lower, clif_ty};
use crate::abi::{Builtin, FrameHeader};
use crate::emit::CompileError;
use crate::flow::{self, Kind, SlotSet};
use cranelift_codegen::ir::{
    self, AbiParam, InstBuilder, MemFlagsData, Signature, StackSlot, StackSlotData, StackSlotKind,
    types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;
use metaphrase_ir::ops::{Effects, ImmFmt};
use metaphrase_ir::{BlockId, Inst, Op, Type, Value};
use std::mem::offset_of;

/// Signatures of the functions in the helper table, and the stack area of `Eval`.
pub(crate) struct Sigs {
    helper: ir::SigRef,
    eval: ir::SigRef,
    eval_cold: ir::SigRef,
    nzcv: ir::SigRef,
    area: Option<StackSlot>,
}

/// `Eval`'s area: four arguments, the result, a pool constant.
const AREA_OUT: i32 = 64;
const AREA_CONST: i32 = 80;
const AREA_SIZE: u32 = 96;

fn sig(cc: CallConv, params: usize, returns: bool) -> Signature {
    let mut s = Signature::new(cc);
    s.params
        .extend((0..params).map(|_| AbiParam::new(types::I64)));
    if returns {
        s.returns.push(AbiParam::new(types::I64));
    }
    s
}

/// Signature of [`Builtin::Eval`] under a convention.
pub(crate) fn eval_signature(cc: CallConv) -> Signature {
    sig(cc, 5, false)
}

impl Sigs {
    pub(crate) fn new(b: &mut FunctionBuilder<'_>) -> Sigs {
        Sigs {
            helper: b.import_signature(sig(CallConv::SystemV, 5, true)),
            eval: b.import_signature(eval_signature(CallConv::SystemV)),
            eval_cold: b.import_signature(eval_signature(CallConv::PreserveAll)),
            nzcv: b.import_signature(sig(CallConv::SystemV, 4, true)),
            area: None,
        }
    }
}

impl Lower<'_> {
    /// Address of entry `index` of the helper table.
    fn table(&mut self, index: usize) -> ir::Value {
        let flags = MemFlagsData::trusted();
        let table = self.load_frame(types::I64, offset_of!(FrameHeader, helpers) as i32);
        self.b
            .ins()
            .load(types::I64, flags, table, 8 * index as i32)
    }

    /// Calls a built-in that takes plain words after the state pointer and returns one.
    pub(super) fn builtin(&mut self, which: Builtin, args: &[ir::Value]) -> ir::Value {
        let f = self.table(which.index());
        let mut all = vec![self.frame_address()];
        all.extend_from_slice(args);
        let sig = match which {
            Builtin::Nzcv => self.sigs.nzcv,
            _ => self.sigs.helper,
        };
        let call = self.b.ins().call_indirect(sig, f, &all);
        self.b.inst_results(call)[0]
    }

    /// `Op::Call`.
    pub(super) fn call(
        &mut self,
        block: BlockId,
        v: Value,
        inst: &Inst,
    ) -> Result<Option<ir::Value>, CompileError> {
        self.flush_pad();
        let state_effect = flow::touches_state(inst);
        if state_effect {
            self.store_dirty();
            let pc = self.pc;
            self.store_pc(pc);
        }
        let aux = self.i64(inst.aux as u64);
        let mut args = vec![self.frame_address(), aux];
        for &a in inst.args.iter().take(3) {
            let arg = if a == Value::NONE {
                self.i64(0)
            } else {
                let x = self.val(a)?;
                match self.b.func.dfg.value_type(x) {
                    types::I64 => x,
                    _ => self.b.ins().uextend(types::I64, x),
                }
            };
            args.push(arg);
        }
        let f = self.table(inst.imm as usize);
        let sig = self.sigs.helper;
        let call = self.b.ins().call_indirect(sig, f, &args);
        let r = self.b.inst_results(call)[0];
        if state_effect {
            self.reload(block, v);
        }
        Ok(match inst.ty {
            Type::I64 => Some(r),
            Type::Void => None,
            ty => Some(self.b.ins().ireduce(clif_ty(ty), r)),
        })
    }

    /// After a call that may have changed any slot: reads back what is still needed.
    fn reload(&mut self, block: BlockId, v: Value) {
        self.cur.fill(None);
        self.cur_flags = None;
        self.cur_kind = Kind::Dynamic;
        self.likely = None;
        self.dirty = SlotSet::default();
        self.pad_tail = None;
        self.defined = SlotSet::default();
        let i = block.0 as usize;
        let end = self.unit.blocks[i].end;
        let rest = flow::scan(self.unit, self.map, v.0 + 1..end, SlotSet::default());
        let need = rest.uses.or(self.flow.live_out[i].minus(rest.defs));
        self.load_slots(need);
    }

    fn area(&mut self) -> StackSlot {
        match self.sigs.area {
            Some(s) => s,
            None => {
                let data = StackSlotData::new(StackSlotKind::ExplicitSlot, AREA_SIZE, 4);
                let s = self.b.create_sized_stack_slot(data);
                *self.sigs.area.insert(s)
            }
        }
    }

    /// Evaluates a pure op by `arith::eval` in the runtime. `cold`: called on a path that is hardly ever taken, so that the
    /// hot path should not lose its registers to the call.
    pub(super) fn eval(&mut self, inst: &Inst, cold: bool) -> Result<ir::Value, CompileError> {
        let area = self.area();
        let base = self.b.ins().stack_addr(types::I64, area, 0);
        let flags = MemFlagsData::trusted();
        for (i, &a) in inst.args.iter().enumerate() {
            if a == Value::NONE {
                continue;
            }
            let mut x = self.val(a)?;
            if matches!(self.b.func.dfg.value_type(x), types::I8 | types::I32) {
                x = self.b.ins().uextend(types::I64, x);
            }
            self.b.ins().store(flags, x, base, 16 * i as i32);
        }
        let imm = match inst.op.info().imm {
            ImmFmt::ConstPool => {
                let c = self
                    .unit
                    .consts
                    .get(inst.imm as usize)
                    .copied()
                    .unwrap_or(0);
                let c = self.vconst(c);
                self.b.ins().store(flags, c, base, AREA_CONST);
                self.b.ins().iadd_imm_u(base, AREA_CONST as i64)
            }
            _ => self.i64(inst.imm),
        };
        let arg_ty = if inst.args[0] == Value::NONE {
            Type::Void
        } else {
            self.ty(inst.args[0])
        };
        let packed = inst.op as u64
            | (inst.ty as u64) << 16
            | (arg_ty as u64) << 24
            | (inst.aux as u64) << 32;
        let packed = self.i64(packed);
        let out = self.b.ins().iadd_imm_u(base, AREA_OUT as i64);
        let (which, sig) = if cold {
            (Builtin::EvalCold, self.sigs.eval_cold)
        } else {
            (Builtin::Eval, self.sigs.eval)
        };
        let f = self.table(which.index());
        let frame = self.frame_address();
        let args = [frame, packed, imm, base, out];
        self.b.ins().call_indirect(sig, f, &args);
        let ty = match inst.ty {
            Type::Flags => types::I32,
            ty => clif_ty(ty),
        };
        debug_assert!(!inst.effects().intersects(Effects::LOAD | Effects::STORE));
        debug_assert!(inst.op != Op::Call);
        Ok(self.b.ins().load(ty, flags, base, AREA_OUT))
    }

    /// A 128-bit constant.
    pub(super) fn vconst(&mut self, c: u128) -> ir::Value {
        let data = c.to_le_bytes().as_slice().into();
        let handle = self.b.func.dfg.constants.insert(data);
        self.b.ins().vconst(types::I8X16, handle)
    }
}
