//! Constants: an op on constants becomes its result, as [`crate::arith`] says; an op with one constant becomes a simpler
//! one or its other argument; a constant added to an address becomes the access's offset.
//!
//! Only pure ops: whatever reads or writes the FP environment stays, also on constants.

use super::{Body, Scratch, Step, const_inst, plain, rewrite};
use crate::arith::{self, FpEnv};
use crate::flags::Cond;
use crate::inst::{Inst, Value};
use crate::ops::{IntCond, Op};
use crate::types::Type;
use crate::unit::Unit;

/// Runs the pass.
pub fn run(unit: &mut Unit, scratch: &mut Scratch) {
    rewrite(unit, scratch, |body, i| {
        let first = body.insts[i].args[0];
        let constant = |op| matches!(op, Op::Const | Op::ConstV);
        if first != Value::NONE && constant(body.insts[first.0 as usize].op) {
            let inst = body.insts[i];
            if let Some(folded) = evaluate(body, &inst) {
                body.insts[i] = folded;
                return Step::Keep;
            }
        }
        simplify(body, i)
    });
}

/// The constant that `inst` computes, if all its arguments are constants and it has no effects.
fn evaluate(body: &mut Body<'_>, inst: &Inst) -> Option<Inst> {
    let args = inst.op.info().args as usize;
    if inst.ty == Type::Flags || !inst.effects().is_empty() {
        return None;
    }
    let mut bits = [0; 4];
    for (n, b) in bits[..args].iter_mut().enumerate() {
        let a = body.arg(inst, n);
        *b = match a.op {
            Op::Const => a.imm.into(),
            Op::ConstV => *body.consts.get(a.imm as usize)?,
            _ => return None,
        };
    }
    let insts = &*body.insts;
    let ty = |v: Value| insts[v.0 as usize].ty;
    let result = arith::eval(inst, bits, ty, body.consts, &mut FpEnv::default())?;
    Some(match inst.ty {
        Type::V128 => {
            body.consts.push(result);
            let imm = body.consts.len() as u64 - 1;
            Inst {
                imm,
                ..plain(Op::ConstV, Type::V128, &[])
            }
        }
        ty => const_inst(ty, result as u64),
    })
}

/// Everything else, by family.
fn simplify(body: &mut Body<'_>, i: usize) -> Step {
    use Op::*;
    let op = body.insts[i].op;
    match op {
        Add | Mul | And | Or | Xor => {
            // Constants to the right.
            if body.constant(&body.insts[i], 0).is_some() {
                body.insts[i].args.swap(0, 1);
            }
            integer(body, i)
        }
        Sub | UDiv | AndNot | OrNot | XorNot | Shl | Lshr | Ashr | Ror => integer(body, i),
        ShlI | LshrI | AshrI | RorI if body.insts[i].imm == 0 => {
            Step::Replace(body.insts[i].args[0])
        }
        Extr => extract(body, i),
        Zext | Sext => extend(body, i),
        Select => select(body, i),
        Icmp => compare(body, i),
        BAnd | BOr | BXor | BNot => boolean(body, i),
        Load | Store => offset(body, i),
        _ => Step::Keep,
    }
}

/// Replaces instruction `i`, keeping its number.
fn become_inst(body: &mut Body<'_>, i: usize, inst: Inst) -> Step {
    body.insts[i] = inst;
    Step::Keep
}

fn become_const(body: &mut Body<'_>, i: usize, v: u64) -> Step {
    let ty = body.insts[i].ty;
    become_inst(body, i, const_inst(ty, v))
}

/// Two-operand integer ops.
fn integer(body: &mut Body<'_>, i: usize) -> Step {
    let inst = body.insts[i];
    let [a, b, ..] = inst.args;
    let width = inst.ty.bytes() * 8;
    let ones = u64::MAX >> (64 - width);
    if let Some(k) = body.constant(&inst, 1) {
        return match (inst.op, k) {
            (Op::Add | Op::Sub | Op::Or | Op::Xor | Op::AndNot, 0) => Step::Replace(a),
            (Op::Mul | Op::UDiv, 1) => Step::Replace(a),
            (Op::And | Op::OrNot | Op::XorNot, k) if k == ones => Step::Replace(a),
            (Op::And, 0xffff_ffff) if high_word_is_zero(body, body.arg(&inst, 0)) => {
                Step::Replace(a)
            }
            (Op::And | Op::Mul | Op::UDiv, 0) => become_const(body, i, 0),
            (Op::AndNot, k) if k == ones => become_const(body, i, 0),
            (Op::Or, k) if k == ones => become_const(body, i, ones),
            (Op::OrNot, 0) => become_const(body, i, ones),
            (Op::Xor, k) if k == ones => become_inst(body, i, plain(Op::Not, inst.ty, &[a])),
            (Op::XorNot, 0) => become_inst(body, i, plain(Op::Not, inst.ty, &[a])),
            (Op::Mul, k) if k.is_power_of_two() => shift(body, i, Op::ShlI, k.trailing_zeros()),
            (Op::UDiv, k) if k.is_power_of_two() => shift(body, i, Op::LshrI, k.trailing_zeros()),
            (Op::Shl, k) => shift(body, i, Op::ShlI, k as u32 % width),
            (Op::Lshr, k) => shift(body, i, Op::LshrI, k as u32 % width),
            (Op::Ashr, k) => shift(body, i, Op::AshrI, k as u32 % width),
            (Op::Ror, k) => shift(body, i, Op::RorI, k as u32 % width),
            _ => Step::Keep,
        };
    }
    if body.constant(&inst, 0) == Some(0) {
        // The zero register as first operand.
        return match inst.op {
            Op::Sub => become_inst(body, i, plain(Op::Neg, inst.ty, &[b])),
            Op::OrNot | Op::XorNot => become_inst(body, i, plain(Op::Not, inst.ty, &[b])),
            Op::AndNot | Op::Shl | Op::Lshr | Op::Ashr | Op::Ror | Op::UDiv => {
                become_const(body, i, 0)
            }
            _ => Step::Keep,
        };
    }
    match inst.op {
        Op::Sub | Op::Xor | Op::AndNot if a == b => become_const(body, i, 0),
        Op::OrNot | Op::XorNot if a == b => become_const(body, i, ones),
        _ => Step::Keep,
    }
}

/// A shift by a constant below the width.
fn shift(body: &mut Body<'_>, i: usize, op: Op, n: u32) -> Step {
    let inst = body.insts[i];
    if n == 0 {
        return Step::Replace(inst.args[0]);
    }
    let imm = n as u64;
    become_inst(
        body,
        i,
        Inst {
            imm,
            ..plain(op, inst.ty, &inst.args[..1])
        },
    )
}

fn extract(body: &mut Body<'_>, i: usize) -> Step {
    let inst = body.insts[i];
    match inst.args {
        [_, low, ..] if inst.imm == 0 => Step::Replace(low),
        [high, low, ..] if high == low => shift(body, i, Op::RorI, inst.imm as u32),
        _ => Step::Keep,
    }
}

/// Extensions of a truncated value: nothing, or one op.
fn extend(body: &mut Body<'_>, i: usize) -> Step {
    let inst = body.insts[i];
    let narrow = body.arg(&inst, 0);
    if narrow.op != Op::Trunc {
        return Step::Keep;
    }
    let wide = narrow.args[0];
    if inst.op == Op::Sext {
        let sext = plain(Op::SextLow, Type::I64, &[wide]);
        return become_inst(body, i, Inst { imm: 32, ..sext });
    }
    if high_word_is_zero(body, &body.insts[wide.0 as usize]) {
        return Step::Replace(wide);
    }
    Step::Keep
}

/// Whether bits 63..32 of an I64 are known to be zero.
fn high_word_is_zero(body: &Body<'_>, x: &Inst) -> bool {
    match x.op {
        Op::Zext | Op::BoolToInt => true,
        Op::LshrI => x.imm >= 32,
        Op::And => body.constant(x, 1).is_some_and(|k| k >> 32 == 0),
        Op::Load => x.mem().bytes() <= 4 && !x.mem().signed,
        Op::VLane => x.shape().lane_log2() <= 2,
        _ => false,
    }
}

fn select(body: &mut Body<'_>, i: usize) -> Step {
    let inst = body.insts[i];
    let [_, a, b, _] = inst.args;
    match body.constant(&inst, 0) {
        Some(0) => return Step::Replace(b),
        Some(_) => return Step::Replace(a),
        None => {}
    }
    let c = *body.arg(&inst, 0);
    if c.op == Op::BNot {
        let swapped = plain(Op::Select, inst.ty, &[c.args[0], b, a]);
        return become_inst(body, i, swapped);
    }
    let arms = (body.constant(&inst, 1), body.constant(&inst, 2));
    match (inst.ty, arms) {
        // CSET.
        (Type::I32 | Type::I64, (Some(1), Some(0))) => {
            let int = plain(Op::BoolToInt, inst.ty, &inst.args[..1]);
            become_inst(body, i, int)
        }
        (Type::Bool, (Some(1), Some(0))) => Step::Replace(inst.args[0]),
        _ => Step::Keep,
    }
}

fn compare(body: &mut Body<'_>, i: usize) -> Step {
    use IntCond::*;
    let inst = body.insts[i];
    let cond = IntCond::from_bits(inst.aux);
    if inst.args[0] == inst.args[1] {
        let holds = matches!(cond, Eq | Ule | Uge | Sle | Sge);
        return become_const(body, i, holds.into());
    }
    if body.constant(&inst, 1) != Some(0) {
        return Step::Keep;
    }
    let left = *body.arg(&inst, 0);
    match (cond, left.op) {
        (Uge, _) => become_const(body, i, 1),
        (Ult, _) => become_const(body, i, 0),
        // A truth value made an integer and asked again.
        (Ne | Ugt, Op::BoolToInt) => Step::Replace(left.args[0]),
        (Eq | Ule, Op::BoolToInt) => {
            become_inst(body, i, plain(Op::BNot, Type::Bool, &left.args[..1]))
        }
        _ => Step::Keep,
    }
}

fn boolean(body: &mut Body<'_>, i: usize) -> Step {
    let inst = body.insts[i];
    if inst.op == Op::BNot {
        return not(body, i);
    }
    let (known, other) = match (body.constant(&inst, 0), body.constant(&inst, 1)) {
        (Some(k), _) => (k & 1, inst.args[1]),
        (_, Some(k)) => (k & 1, inst.args[0]),
        _ => return Step::Keep,
    };
    match (inst.op, known) {
        (Op::BAnd, 1) | (Op::BOr | Op::BXor, 0) => Step::Replace(other),
        (Op::BXor, _) => become_inst(body, i, plain(Op::BNot, Type::Bool, &[other])),
        _ => become_const(body, i, known),
    }
}

/// The opposite of a comparison is a comparison.
fn not(body: &mut Body<'_>, i: usize) -> Step {
    let a = *body.arg(&body.insts[i], 0);
    match a.op {
        Op::BNot => Step::Replace(a.args[0]),
        Op::Icmp => {
            let aux = opposite(IntCond::from_bits(a.aux)) as u32;
            become_inst(body, i, Inst { aux, ..a })
        }
        Op::CondHolds if Cond::from_bits(a.aux).invert() as u32 != a.aux => {
            let aux = Cond::from_bits(a.aux).invert() as u32;
            become_inst(body, i, Inst { aux, ..a })
        }
        _ => Step::Keep,
    }
}

fn opposite(c: IntCond) -> IntCond {
    use IntCond::*;
    match c {
        Eq => Ne,
        Ne => Eq,
        Ult => Uge,
        Ule => Ugt,
        Ugt => Ule,
        Uge => Ult,
        Slt => Sge,
        Sle => Sgt,
        Sgt => Sle,
        Sge => Slt,
    }
}

/// `[x + k] + imm` is `[x] + (k + imm)`: addresses are computed modulo 2^64.
fn offset(body: &mut Body<'_>, i: usize) -> Step {
    loop {
        let inst = body.insts[i];
        let base = *body.arg(&inst, 0);
        let k = match base.op {
            Op::Add => body.constant(&base, 1),
            Op::Sub => body.constant(&base, 1).map(u64::wrapping_neg),
            _ => None,
        };
        let Some(k) = k else { return Step::Keep };
        let inst = &mut body.insts[i];
        inst.args[0] = base.args[0];
        inst.imm = inst.imm.wrapping_add(k);
    }
}
