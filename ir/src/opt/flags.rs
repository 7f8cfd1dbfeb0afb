//! Condition flags: a condition on flags whose computation is known becomes a comparison of its operands.
//!
//! With `a`, `b` the operands and C, V, N, Z as in [`crate::flags`]:
//! * `flags.sub`: CMP. Every condition on C and Z, or on N, V and Z, is one comparison; N alone is the sign of a - b.
//! * `flags.logic`: as comparing with 0, but C = V = 0.
//! * `flags.add` with a constant k, k neither 0 nor the minimum: the flags of a - (-k). Otherwise Z: a = -b; C: a > !b.
//! * `flags.select`: the condition on the constant is known, so select(c, x, known) = c & x or !c | x.
//!
//! Inserts instructions, therefore writes the list anew (and leaves out `Nop`s). Writes of the flags slot that nobody
//! observes are [`super::state`]'s business; flags left without a use [`super::dce`]'s.

use super::{Scratch, const_inst, constant, plain, resolve_args, resolve_exit};
use crate::flags::Cond;
use crate::inst::{Inst, Value};
use crate::ops::{IntCond, Op};
use crate::types::Type;
use crate::unit::Unit;

/// How many `flags.select` are looked through, one inside the other.
const DEPTH: u32 = 4;

/// Runs the pass.
pub fn run(unit: &mut Unit, scratch: &mut Scratch) {
    if !unit.insts.iter().any(concerned) {
        return;
    }
    scratch.reset_alias(unit);
    let Scratch { alias, out, .. } = scratch;
    out.clear();
    let mut w = Writer { out };
    for b in &mut unit.blocks {
        let old = b.start as usize..b.end as usize;
        b.start = w.out.len() as u32;
        for i in old {
            let mut inst = unit.insts[i];
            if inst.op == Op::Nop {
                continue;
            }
            resolve_args(alias, &mut inst);
            alias[i] = w.visit(inst);
        }
        b.end = w.out.len() as u32;
        resolve_exit(alias, &mut b.exit);
    }
    std::mem::swap(&mut unit.insts, out);
}

/// Whether the pass can do anything with this op.
fn concerned(inst: &Inst) -> bool {
    matches!(
        inst.op,
        Op::CondHolds | Op::FlagsSelect | Op::FlagsUnpack | Op::FlagsAdd
    )
}

/// Writes the new list; all values here are new ones.
struct Writer<'w> {
    out: &'w mut Vec<Inst>,
}

impl Writer<'_> {
    fn push(&mut self, inst: Inst) -> Value {
        self.out.push(inst);
        Value(self.out.len() as u32 - 1)
    }

    fn def(&self, v: Value) -> Inst {
        self.out[v.0 as usize]
    }

    fn constant(&self, v: Value) -> Option<u64> {
        constant(&self.def(v))
    }

    /// The new value of an instruction whose arguments are new already.
    fn visit(&mut self, inst: Inst) -> Value {
        match inst.op {
            Op::CondHolds => {
                let cond = Cond::from_bits(inst.aux);
                let known = self.condition(cond, inst.args[0], DEPTH);
                known.unwrap_or_else(|| self.push(inst))
            }
            Op::FlagsAdd => self.add(inst),
            Op::FlagsSelect => match self.constant(inst.args[0]) {
                Some(0) => {
                    let nzcv = self.push(const_inst(Type::I32, inst.imm));
                    self.push(plain(Op::FlagsPack, Type::Flags, &[nzcv]))
                }
                Some(_) => inst.args[1],
                None => self.push(inst),
            },
            Op::FlagsUnpack if self.def(inst.args[0]).op == Op::FlagsPack => {
                let packed = self.def(inst.args[0]).args[0];
                let mask = self.push(const_inst(Type::I32, 0xf000_0000));
                self.push(plain(Op::And, Type::I32, &[packed, mask]))
            }
            _ => self.push(inst),
        }
    }

    /// CMN of a constant as the CMP that gives the same flags.
    fn add(&mut self, inst: Inst) -> Value {
        let [a, b, ..] = inst.args;
        let ty = self.def(b).ty;
        let minimum = 1 << (ty.bytes() * 8 - 1);
        match self.constant(b) {
            Some(k) if k != 0 && k != minimum => {
                let minus = self.push(const_inst(ty, k.wrapping_neg()));
                self.push(plain(Op::FlagsSub, Type::Flags, &[a, minus]))
            }
            _ => self.push(inst),
        }
    }

    /// A Bool for `cond` on the flags `f`, if there is a better one than asking the flags.
    fn condition(&mut self, cond: Cond, f: Value, depth: u32) -> Option<Value> {
        if matches!(cond, Cond::Al | Cond::Nv) {
            return Some(self.boolean(true));
        }
        let def = self.def(f);
        let [a, b, ..] = def.args;
        match def.op {
            Op::FlagsSub => self.after_sub(cond, a, b),
            Op::FlagsAdd => self.after_add(cond, a, b),
            Op::FlagsLogic => Some(self.after_logic(cond, a)),
            Op::FlagsPack => {
                let nzcv = self.constant(a)?;
                Some(self.boolean(cond.holds(nzcv as u32)))
            }
            Op::FlagsSelect if depth > 0 => self.after_select(cond, def, depth),
            _ => None,
        }
    }

    fn after_sub(&mut self, cond: Cond, a: Value, b: Value) -> Option<Value> {
        let zero = self.constant(b) == Some(0);
        let int = match cond {
            Cond::Eq => IntCond::Eq,
            Cond::Ne => IntCond::Ne,
            Cond::Cs => IntCond::Uge,
            Cond::Cc => IntCond::Ult,
            Cond::Hi => IntCond::Ugt,
            Cond::Ls => IntCond::Ule,
            Cond::Ge => IntCond::Sge,
            Cond::Lt => IntCond::Slt,
            Cond::Gt => IntCond::Sgt,
            Cond::Le => IntCond::Sle,
            Cond::Mi | Cond::Pl => {
                let ty = self.def(a).ty;
                let d = if zero {
                    a
                } else {
                    self.push(plain(Op::Sub, ty, &[a, b]))
                };
                return Some(self.sign(cond == Cond::Mi, d));
            }
            Cond::Vs | Cond::Vc if zero => return Some(self.boolean(cond == Cond::Vc)),
            _ => return None,
        };
        Some(self.icmp(int, a, b))
    }

    fn after_add(&mut self, cond: Cond, a: Value, b: Value) -> Option<Value> {
        let ty = self.def(a).ty;
        Some(match cond {
            Cond::Eq | Cond::Ne => {
                let minus = self.push(plain(Op::Neg, ty, &[b]));
                let int = if cond == Cond::Eq {
                    IntCond::Eq
                } else {
                    IntCond::Ne
                };
                self.icmp(int, a, minus)
            }
            Cond::Cs | Cond::Cc => {
                let not = self.push(plain(Op::Not, ty, &[b]));
                let int = if cond == Cond::Cs {
                    IntCond::Ugt
                } else {
                    IntCond::Ule
                };
                self.icmp(int, a, not)
            }
            Cond::Mi | Cond::Pl => {
                let sum = self.push(plain(Op::Add, ty, &[a, b]));
                self.sign(cond == Cond::Mi, sum)
            }
            _ => return None,
        })
    }

    fn after_logic(&mut self, cond: Cond, a: Value) -> Value {
        let int = match cond {
            Cond::Eq => IntCond::Eq,
            Cond::Ne => IntCond::Ne,
            Cond::Mi | Cond::Lt => IntCond::Slt,
            Cond::Pl | Cond::Ge => IntCond::Sge,
            Cond::Gt => IntCond::Sgt,
            Cond::Le => IntCond::Sle,
            // C = V = 0, and Al was answered before.
            Cond::Cs | Cond::Vs | Cond::Hi => return self.boolean(false),
            Cond::Cc | Cond::Vc | Cond::Ls | Cond::Al | Cond::Nv => return self.boolean(true),
        };
        let zero = self.zero(a);
        self.icmp(int, a, zero)
    }

    fn after_select(&mut self, cond: Cond, def: Inst, depth: u32) -> Option<Value> {
        let [c, f, ..] = def.args;
        let inner = match self.condition(cond, f, depth - 1) {
            Some(v) => v,
            None => self.push(Inst {
                aux: cond as u32,
                ..plain(Op::CondHolds, Type::Bool, &[f])
            }),
        };
        Some(if cond.holds(def.imm as u32) {
            let not = self.push(plain(Op::BNot, Type::Bool, &[c]));
            self.push(plain(Op::BOr, Type::Bool, &[not, inner]))
        } else {
            self.push(plain(Op::BAnd, Type::Bool, &[c, inner]))
        })
    }

    fn boolean(&mut self, v: bool) -> Value {
        self.push(const_inst(Type::Bool, v.into()))
    }

    /// A zero of `a`'s type.
    fn zero(&mut self, a: Value) -> Value {
        let ty = self.def(a).ty;
        self.push(const_inst(ty, 0))
    }

    fn icmp(&mut self, cond: IntCond, a: Value, b: Value) -> Value {
        let aux = cond as u32;
        self.push(Inst {
            aux,
            ..plain(Op::Icmp, Type::Bool, &[a, b])
        })
    }

    /// Whether `a` is negative, or not.
    fn sign(&mut self, negative: bool, a: Value) -> Value {
        let zero = self.zero(a);
        let cond = if negative { IntCond::Slt } else { IntCond::Sge };
        self.icmp(cond, a, zero)
    }
}
