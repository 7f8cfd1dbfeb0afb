//! Ops whose result already exists: conversions there and back, selections between equals, lanes of vectors that were
//! just assembled. No constants here (that is [`super::fold`]). Flags packed again stay packed: that is how one says that the comparison
//! behind them must not be made once more.

use super::{Body, Scratch, Step, plain, rewrite};
use crate::inst::{Inst, Shape, Value};
use crate::ops::Op;
use crate::types::Type;
use crate::unit::Unit;

/// Runs the pass.
pub fn run(unit: &mut Unit, scratch: &mut Scratch) {
    rewrite(unit, scratch, |body, i| match body.insts[i].op {
        Op::VLane => lane(body, i),
        _ => match source(body, &body.insts[i]) {
            Some(v) => Step::Replace(v),
            None => Step::Keep,
        },
    });
}

/// The value that `inst` equals.
fn source(body: &Body<'_>, inst: &Inst) -> Option<Value> {
    let [a, b, c, _] = inst.args;
    // The argument of an argument, if the latter is `op`.
    let under = |op| {
        let def = body.arg(inst, 0);
        (def.op == op).then_some(def.args[0])
    };
    match inst.op {
        Op::Select => (b == c).then_some(b),
        Op::And | Op::Or | Op::BAnd | Op::BOr => (a == b).then_some(a),
        Op::Not | Op::Neg | Op::Bswap | Op::Rbit | Op::Rev16 | Op::Rev32 | Op::BNot | Op::FNeg => {
            under(inst.op)
        }
        Op::Trunc => under(Op::Zext).or_else(|| under(Op::Sext)),
        Op::Bitcast => under(Op::Bitcast), // there and back: only two types pair up
        Op::VZeroHi => high_half_is_zero(body.arg(inst, 0)).then_some(a),
        _ => None,
    }
}

/// Whether bits 127..64 of a vector are zero by construction.
fn high_half_is_zero(v: &Inst) -> bool {
    match v.op {
        Op::VZeroHi | Op::VScalar => true,
        Op::VDup => v.shape().bits() <= 64,
        Op::Load => v.mem().bytes() <= 8,
        _ => false,
    }
}

/// A lane of a vector that was put together in this block: the part that went in.
fn lane(body: &mut Body<'_>, i: usize) -> Step {
    loop {
        let inst = body.insts[i];
        let (shape, n) = (inst.shape(), inst.imm);
        let v = body.arg(&inst, 0);
        // Only whole lanes: a part that was cut or extended on the way is another value.
        if shape.lane_bits() != inst.ty.bytes() * 8 {
            return Step::Keep;
        }
        let part = match v.op {
            Op::VInsert if v.shape().lane_log2() != shape.lane_log2() => return Step::Keep,
            // Lanes beyond the shape are not looked at.
            Op::VInsert if n >= v.shape().lanes() as u64 => return Step::Keep,
            Op::VInsert if v.imm != n => {
                // Another lane: look through.
                body.insts[i].args[0] = v.args[0];
                continue;
            }
            Op::VInsert => v.args[1],
            Op::VScalar | Op::VDup if v.shape().lane_log2() != shape.lane_log2() => {
                return Step::Keep;
            }
            Op::VScalar if n == 0 => v.args[0],
            Op::VDup if n < v.shape().lanes() as u64 => v.args[0],
            Op::VPair if shape.lane_log2() == Shape::D1.lane_log2() => v.args[n as usize & 1],
            _ => return Step::Keep,
        };
        return whole(body, i, part);
    }
}

/// Replaces the lane read `i` by `part`, whose low bits were put into the lane.
fn whole(body: &mut Body<'_>, i: usize, part: Value) -> Step {
    let ty = body.insts[i].ty;
    let of = body.insts[part.0 as usize].ty;
    if ty == of {
        return Step::Replace(part);
    }
    match (of, ty) {
        (Type::F64, Type::I64)
        | (Type::I64, Type::F64)
        | (Type::F32, Type::I32)
        | (Type::I32, Type::F32) => {
            body.insts[i] = plain(Op::Bitcast, ty, &[part]);
        }
        (Type::I64, Type::I32) => body.insts[i] = plain(Op::Trunc, ty, &[part]),
        _ => {}
    }
    Step::Keep
}
