//! The optimiser: THE list of passes, and what they share.
//!
//! Values never leave their block, so every pass works on one block at a time, and everything that crosses blocks stays
//! in slots for the consumer. Compile time counts: a pass is one linear walk over the instructions with tables indexed
//! by value or slot, no hash maps. A pass changes an instruction in place, or makes it a `Nop` and has its uses name
//! another value ([`rewrite`]); those that must insert ([`flags`]) or remove ([`dce`]) write the list anew.
//!
//! What no pass may change: the state that a fault, a trap, a helper on the whole state or an exit can observe, the
//! order and number of memory accesses, and what accumulates in FPSR. [`crate::Inst::effects`] says which ops do what.

pub mod copy;
pub mod dce;
pub mod flags;
pub mod fold;
pub mod state;
pub mod unroll;

use crate::exit::Exit;
use crate::inst::{Inst, Value};
use crate::ops::Op;
use crate::types::Type;
use crate::unit::Unit;

/// One pass.
#[derive(Debug)]
pub struct Pass {
    /// Name, as in file tests.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&mut Unit, &mut Scratch),
}

/// THE pass list, in the order in which they run.
pub const PASSES: &[Pass] = &[
    // Values first: what a slot holds is where all other patterns come from.
    Pass {
        name: "state",
        run: state::run,
    },
    Pass {
        name: "copy",
        run: copy::run,
    },
    // Conditions become comparisons, which `fold` then sees.
    Pass {
        name: "flags",
        run: flags::run,
    },
    Pass {
        name: "fold",
        run: fold::run,
    },
    // Last: what the others left without a use.
    Pass {
        name: "dce",
        run: dce::run,
    },
];

/// Tables of the passes, kept to save their allocation.
#[derive(Debug, Default)]
pub struct Scratch {
    /// By value: what to use instead.
    alias: Vec<Value>,
    /// The new list of passes that write one.
    out: Vec<Inst>,
    /// By slot, for [`state`].
    slots: Vec<state::SlotState>,
}

/// Runs all passes.
pub fn optimize(unit: &mut Unit, scratch: &mut Scratch) {
    for pass in PASSES {
        (pass.run)(unit, scratch);
        if cfg!(debug_assertions) {
            crate::verify::assert_sound(unit, pass.name);
        }
    }
}

const NOP: Inst = Inst {
    op: Op::Nop,
    ty: Type::Void,
    aux: 0,
    args: [Value::NONE; 4],
    imm: 0,
};

/// What a pass did with an instruction.
enum Step {
    /// It stays, perhaps changed.
    Keep,
    /// It becomes a `Nop`; its uses, if any, name this value instead.
    Replace(Value),
}

impl Scratch {
    /// `alias` as the identity on the unit's values.
    fn reset_alias(&mut self, unit: &Unit) {
        self.alias.clear();
        self.alias.extend((0..unit.insts.len() as u32).map(Value));
    }
}

/// The value to use for `v`, which is not `NONE`.
#[inline]
fn resolve(alias: &[Value], v: Value) -> Value {
    alias[v.0 as usize]
}

#[inline]
fn resolve_args(alias: &[Value], inst: &mut Inst) {
    for a in &mut inst.args {
        // Arguments stand in the first places.
        if *a == Value::NONE {
            break;
        }
        *a = resolve(alias, *a);
    }
}

fn resolve_exit(alias: &[Value], exit: &mut Exit) {
    match exit {
        Exit::Branch { cond: v, .. } | Exit::Indirect { target: v, .. } => *v = resolve(alias, *v),
        Exit::Goto { .. } | Exit::Trap { .. } => {}
    }
}

/// Walks all instructions forwards. `visit` gets the list and an index; that instruction's arguments are already replaced,
/// and it may change the instruction, or earlier ones of the block, in place.
fn rewrite(
    unit: &mut Unit,
    scratch: &mut Scratch,
    mut visit: impl FnMut(&mut Body<'_>, usize) -> Step,
) {
    scratch.reset_alias(unit);
    let Unit {
        insts,
        consts,
        blocks,
        ..
    } = unit;
    let alias = &mut scratch.alias;
    let mut body = Body {
        insts,
        consts,
        block: 0,
    };
    for b in blocks {
        body.block += 1;
        for i in b.start as usize..b.end as usize {
            resolve_args(alias, &mut body.insts[i]);
            if let Step::Replace(v) = visit(&mut body, i) {
                alias[i] = v;
                body.insts[i] = NOP;
            }
        }
        resolve_exit(alias, &mut b.exit);
    }
}

/// What a visitor sees of the unit.
struct Body<'u> {
    insts: &'u mut [Inst],
    consts: &'u mut Vec<u128>,
    /// Number of the current block, from 1.
    block: u32,
}

impl Body<'_> {
    /// The instruction that defines argument `n` of `inst`.
    fn arg(&self, inst: &Inst, n: usize) -> &Inst {
        &self.insts[inst.args[n].0 as usize]
    }

    /// The scalar constant that argument `n` is, if it is one.
    fn constant(&self, inst: &Inst, n: usize) -> Option<u64> {
        constant(self.arg(inst, n))
    }
}

fn constant(inst: &Inst) -> Option<u64> {
    (inst.op == Op::Const).then_some(inst.imm)
}

/// The record of a scalar constant.
fn const_inst(ty: Type, v: u64) -> Inst {
    let imm = crate::arith::truncate(ty, v.into()) as u64;
    Inst {
        op: Op::Const,
        ty,
        imm,
        ..NOP
    }
}

/// A record without attributes.
fn plain(op: Op, ty: Type, args: &[Value]) -> Inst {
    let mut inst = Inst { op, ty, ..NOP };
    inst.args[..args.len()].copy_from_slice(args);
    inst
}
