//! Keeps what raises exceptions where it is: Cranelift computes at compile time what has constants for operands, and before a
//! loop what does not change in it, though the guest may never come there (see [`super::fpenv`]).
//!
//! Runs on the finished function. An operand of such an instruction is combined with a zero, made there from a register of which
//! the optimiser knows nothing. That is rare: guest compilers leave little to compute before a loop, and at a loop head that is an
//! entry every register changes.

use crate::abi::STATE_BIAS;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    Endianness, Function, Inst, InstBuilder, MemFlagsData, Opcode, Type, Value, ValueDef, types,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::loop_analysis::{Loop, LoopAnalysis};
use cranelift_codegen::{CodegenResult, Context};

/// A power of two by which the pinned register, an offset into the frame, can be divided.
const ALIGN: u32 = 8;
const _: () = assert!(STATE_BIAS.is_multiple_of(ALIGN));

/// How many values are looked through to find one that changes.
const MOST: u32 = 32;

/// Runs the pass. `loops`: there may be some.
pub(crate) fn run(ctx: &mut Context, isa: &dyn TargetIsa, loops: bool) -> CodegenResult<()> {
    ctx.loop_analysis.clear();
    if loops {
        // As the optimiser will see it.
        ctx.compute_cfg();
        ctx.compute_domtree();
        ctx.eliminate_unreachable_code(isa)?;
        ctx.remove_constant_phis(isa)?;
        ctx.compute_loop_analysis();
    }
    let all = if loops {
        Some(&ctx.loop_analysis)
    } else {
        None
    };
    let func = &mut ctx.func;
    let mut next = func.layout.entry_block();
    while let Some(block) = next {
        next = func.layout.next_block(block);
        let within = all.and_then(|l| Some((l, l.innermost_loop(block)?)));
        let mut at = func.layout.first_inst(block);
        while let Some(inst) = at {
            at = func.layout.next_inst(inst);
            if raises(func.dfg.insts[inst].opcode()) && stays(func, inst, within) {
                pin(func, inst);
            }
        }
    }
    Ok(())
}

/// Whether an instruction may raise an exception.
#[rustfmt::skip]
fn raises(op: Opcode) -> bool {
    use Opcode::*;
    matches!(
        op,
        Fadd | Fsub | Fmul | Fdiv | Sqrt | Fma | Fmin | Fmax | Fcmp | Nearest | Ceil | Floor | Trunc | Fpromote | Fdemote
            | FvpromoteLow | Fvdemote | FcvtToSintSat | FcvtToUintSat | FcvtFromSint | FcvtFromUint
    )
}

/// Whether no operand changes in the innermost loop, or, outside of all, none is more than a constant.
fn stays(func: &Function, inst: Inst, within: Option<(&LoopAnalysis, Loop)>) -> bool {
    let mut left = MOST;
    let args = func.dfg.inst_args(inst);
    !args.iter().any(|&a| changes(func, a, within, &mut left))
}

/// Whether a value changes there, for all that the optimiser can find out. (Not, if finding out takes long.)
fn changes(
    func: &Function,
    v: Value,
    within: Option<(&LoopAnalysis, Loop)>,
    left: &mut u32,
) -> bool {
    let inside = |block| match within {
        Some((all, this)) => all.is_in_loop(block, this),
        None => true,
    };
    let inst = match func.dfg.value_def(func.dfg.resolve_aliases(v)) {
        ValueDef::Param(block, _) => return inside(block),
        ValueDef::Result(inst, _) => inst,
        ValueDef::Union(..) => return false,
    };
    let block = func.layout.inst_block(inst);
    if *left == 0 || block.is_none_or(|b| within.is_some() && !inside(b)) {
        return false;
    }
    *left -= 1;
    let op = func.dfg.insts[inst].opcode();
    if op.can_load() || op.is_call() || op.other_side_effects() || op.can_trap() {
        return true;
    }
    let mut args = func.dfg.inst_args(inst);
    if op == Opcode::Select
        && func.dfg.resolve_aliases(args[1]) == func.dfg.resolve_aliases(args[2])
    {
        args = &args[1..2];
    }
    if let [a, b] = args {
        // Idioms for zero and minus one.
        let ((a, not_a), (b, not_b)) = (uninverted(func, *a), uninverted(func, *b));
        let constant = match op {
            Opcode::Bxor | Opcode::Isub | Opcode::Icmp => true,
            Opcode::Band | Opcode::Bor => not_a != not_b,
            _ => false,
        };
        if constant && a == b {
            return false;
        }
    }
    args.iter().any(|&a| changes(func, a, within, left))
}

/// What a value is the complement of, and that it is one; or the value.
fn uninverted(func: &Function, v: Value) -> (Value, bool) {
    let v = func.dfg.resolve_aliases(v);
    match func.dfg.value_def(v).inst() {
        Some(i) if func.dfg.insts[i].opcode() == Opcode::Bnot => {
            (func.dfg.resolve_aliases(func.dfg.inst_args(i)[0]), true)
        }
        _ => (v, false),
    }
}

/// Replaces the first operand by one that only this place can compute.
fn pin(func: &mut Function, inst: Inst) {
    let arg = func.dfg.inst_args(inst)[0];
    let ty = func.dfg.value_type(arg);
    let mut c = FuncCursor::new(func).at_inst(inst);
    let base = c.ins().get_pinned_reg(types::I64);
    let zero = c.ins().band_imm_u(base, i64::from(ALIGN) - 1);
    let zero = zero_of(&mut c, ty, zero);
    let same = c.ins().bor(arg, zero);
    func.dfg.inst_args_mut(inst)[0] = same;
}

/// A zero of 64 bits as one of another type.
fn zero_of(c: &mut FuncCursor<'_>, ty: Type, zero: Value) -> Value {
    let flags = MemFlagsData::new();
    match ty {
        types::I64 => zero,
        types::F32 => {
            let zero = c.ins().ireduce(types::I32, zero);
            c.ins().bitcast(ty, flags, zero)
        }
        types::F64 => c.ins().bitcast(ty, flags, zero),
        _ if ty.is_vector() => {
            let zero = c.ins().scalar_to_vector(types::I64X2, zero);
            let little = flags.with_endianness(Endianness::Little);
            c.ins().bitcast(ty, little, zero)
        }
        _ => c.ins().ireduce(ty, zero),
    }
}
