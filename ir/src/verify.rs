//! Checks that a unit obeys the rules that every consumer relies on. A violation is our bug, never the guest's.
//!
//! The invariants; messages cite them as `[n]`, and `tests/filetests/verify` has a failing case for each
//! (2 has no text form: `ir/tests/verify.rs`):
//!
//!  1. There is a block, and block 0 is an entry.
//!  2. Blocks cover the instructions one after the other, without gap or overlap.
//!  3. A branch to a block names one that exists.
//!  4. An instruction has exactly the arguments that its row (for `call`: its helper's row) asks for.
//!  5. An argument, also an exit's, is defined before its use, in the same block, and has a value.
//!  6. The result type is one that the row allows.
//!  7. Argument types are those that the op takes.
//!  8. `aux` is a valid packing of what the row says, and zero where it says nothing.
//!  9. `imm` is valid for what the row says: slot, lane, constant, helper exist, a shift is below the width, a constant
//!     fits its type; and zero where the row says nothing.
//! 10. `get` and `set` have the type of their slot.
//! 11. A memory access's size fits the value: integers at most their width, floats exactly, vectors up to 16 bytes;
//!     only integers are sign-extended.
//! 12. What may fault or observe the pc comes after a `mark` in its block.
//! 13. Guest memory accesses of one guest instruction come before its `set`s, so that a fault finds the state of the `mark`.
//! 14. A `mark` lies in the guest bytes of its block.

use std::fmt;

use crate::display::{arg_count, aux_suffix};
use crate::exit::{Dest, Exit};
use crate::helper::HelperId;
use crate::inst::{Inst, Value};
use crate::ops::{AuxFmt, Effects, ImmFmt, Op, Res};
use crate::types::Type;
use crate::unit::{Block, Unit};

/// How many invariants the module's list has.
pub const INVARIANTS: u8 = 14;

/// One violated invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Number in the module's list.
    pub invariant: u8,
    /// Block, if any.
    pub block: Option<u32>,
    /// Instruction; `None` for the block itself or its exit.
    pub inst: Option<Value>,
    /// What is wrong, with the text of the instruction.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] ", self.invariant)?;
        if let Some(b) = self.block {
            write!(f, "block{b}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Every violation in the unit, in order; empty if it is sound.
pub fn violations(unit: &Unit) -> Vec<Violation> {
    let mut v = Verifier {
        unit,
        block: None,
        found: Vec::new(),
    };
    v.blocks();
    v.found
}

/// Panics with the unit's text if it is not sound: for self-checks in debug builds.
pub fn assert_sound(unit: &Unit, after: &str) {
    let found = violations(unit);
    if !found.is_empty() {
        let list: Vec<String> = found.iter().map(ToString::to_string).collect();
        panic!("unsound unit after {after}:\n{}\n{unit}", list.join("\n"));
    }
}

struct Verifier<'u> {
    unit: &'u Unit,
    block: Option<u32>,
    found: Vec<Violation>,
}

impl Verifier<'_> {
    fn fail(&mut self, invariant: u8, inst: Option<Value>, why: impl fmt::Display) {
        let message = match inst {
            Some(v) => format!("`{}`: {why}", self.unit.inst_text(v)),
            None => why.to_string(),
        };
        let block = self.block;
        self.found.push(Violation {
            invariant,
            block,
            inst,
            message,
        });
    }

    fn blocks(&mut self) {
        let unit = self.unit;
        if !unit.blocks.first().is_some_and(|b| b.entry) {
            self.fail(1, None, "the unit has no block 0 that is an entry");
        }
        let mut next = 0;
        for (i, b) in unit.blocks.iter().enumerate() {
            self.block = Some(i as u32);
            if b.start != next || b.end < b.start || b.end as usize > unit.insts.len() {
                self.fail(
                    2,
                    None,
                    format!("covers {}..{}, expected from {next}", b.start, b.end),
                );
                return;
            }
            next = b.end;
            self.instructions(b);
            self.exit(b);
        }
        self.block = None;
        if next as usize != unit.insts.len() {
            self.fail(
                2,
                None,
                format!("instructions from {next} on are in no block"),
            );
        }
    }

    fn instructions(&mut self, b: &Block) {
        let mut marked = false;
        let mut set = false;
        for (v, inst) in self.unit.block_insts(b) {
            self.shape_of_args(b, v, inst);
            self.result_type(v, inst);
            self.attributes(v, inst);
            self.immediate(v, inst);
            let effects = inst.effects();
            let access = effects.intersects(Effects::LOAD.union(Effects::STORE));
            if (access || effects.contains(Effects::STATE)) && !marked {
                self.fail(
                    12,
                    Some(v),
                    "may fault, but no mark comes before it in the block",
                );
            }
            if access && set {
                self.fail(
                    13,
                    Some(v),
                    "accesses memory after a set of the same guest instruction",
                );
            }
            match inst.op {
                Op::Mark => {
                    marked = true;
                    set = false;
                    if inst.imm.wrapping_sub(b.pc) >= b.guest_len as u64 {
                        self.fail(14, Some(v), "marks an address outside the block");
                    }
                }
                Op::Set => set = true,
                _ => {}
            }
        }
    }

    /// Invariants 4, 5, 7, 10, 11: only arguments that exist are asked for their types.
    fn shape_of_args(&mut self, b: &Block, v: Value, inst: &Inst) {
        let want = arg_count(inst);
        let given = inst.args.iter().filter(|&&a| a != Value::NONE).count();
        if given != want || inst.args[..want].contains(&Value::NONE) {
            self.fail(4, Some(v), format!("takes {want} arguments"));
            return;
        }
        for &a in &inst.args[..want] {
            if let Some(why) = self.undefined(b, a, v.0) {
                self.fail(5, Some(v), why);
                return;
            }
        }
        let unit = self.unit;
        let types: Vec<Type> = inst.args[..want].iter().map(|&a| unit.inst(a).ty).collect();
        if let Err(why) = argument_types(inst, &types) {
            self.fail(7, Some(v), why);
        }
        self.slot_type(v, inst, types.first().copied());
        if let Err(why) = access_size(inst, &types) {
            self.fail(11, Some(v), why);
        }
    }

    /// Why `a` may not be used at index `at`.
    fn undefined(&self, b: &Block, a: Value, at: u32) -> Option<String> {
        if a == Value::NONE {
            Some("a value is missing".to_string())
        } else if a.0 >= at {
            Some(format!("value {} is not defined before its use", a.0))
        } else if a.0 < b.start {
            Some(format!("value {} is defined in another block", a.0))
        } else if self.unit.inst(a).ty == Type::Void {
            Some(format!("instruction {} has no value", a.0))
        } else {
            None
        }
    }

    fn slot_type(&mut self, v: Value, inst: &Inst, arg: Option<Type>) {
        let Some(row) = self.unit.slots.rows.get(inst.imm as usize) else {
            return; // invariant 9 says so
        };
        let ty = match inst.op {
            Op::Get => inst.ty,
            Op::Set => arg.unwrap_or(Type::Void),
            _ => return,
        };
        if ty != row.ty {
            self.fail(
                10,
                Some(v),
                format!("slot {} is {}", row.name, row.ty.name()),
            );
        }
    }

    fn result_type(&mut self, v: Value, inst: &Inst) {
        let ok = match inst.op.info().res {
            Res::Void => inst.ty == Type::Void,
            Res::Int => inst.ty.is_int(),
            Res::Float => inst.ty.is_float(),
            Res::Bool => inst.ty == Type::Bool,
            Res::Vec => inst.ty == Type::V128,
            Res::Flags => inst.ty == Type::Flags,
            Res::I32 => inst.ty == Type::I32,
            Res::I64 => inst.ty == Type::I64,
            Res::Any => any_type(inst),
        };
        if !ok {
            self.fail(6, Some(v), format!("cannot give {}", inst.ty.name()));
        }
    }

    fn attributes(&mut self, v: Value, inst: &Inst) {
        let ok = match inst.op.info().aux {
            AuxFmt::None => inst.aux == 0,
            AuxFmt::Number => match inst.op {
                Op::Crc32 => inst.aux <= 3,
                Op::FlagsFcmp => inst.aux <= 1,
                _ => true,
            },
            AuxFmt::Shape if inst.op == Op::VScalar => {
                aux_suffix(inst).is_some() && inst.shape().lanes() == 1
            }
            _ => aux_suffix(inst).is_some(),
        };
        if !ok {
            self.fail(8, Some(v), "bad attributes");
        }
    }

    fn immediate(&mut self, v: Value, inst: &Inst) {
        let imm = inst.imm;
        let ok = match inst.op.info().imm {
            // SM3TT* take an element index.
            ImmFmt::None => imm == 0 || (inst.op == Op::VTern && imm < 4),
            ImmFmt::Slot => (imm as usize) < self.unit.slots.rows.len(),
            ImmFmt::Number => number_ok(inst, self.arg_type(inst, 0)),
            ImmFmt::Pc | ImmFmt::Offset => true,
            ImmFmt::Lane => imm < (16 >> inst.shape().lane_log2()),
            ImmFmt::ConstPool => (imm as usize) < self.unit.consts.len(),
            ImmFmt::Helper => HelperId::from_imm(imm).is_some(),
            ImmFmt::Nzcv => imm & !0xf000_0000 == 0,
        };
        if !ok {
            self.fail(9, Some(v), "bad immediate");
        }
    }

    fn arg_type(&self, inst: &Inst, i: usize) -> Option<Type> {
        self.unit.insts.get(inst.args[i].0 as usize).map(|a| a.ty)
    }

    fn exit(&mut self, b: &Block) {
        let text = self.unit.exit_text(&b.exit);
        let blocks = self.unit.blocks.len() as u32;
        let (dests, used) = match b.exit {
            Exit::Goto { dest, .. } => (vec![dest], None),
            Exit::Branch { cond, taken, fall } => (vec![taken, fall], Some((cond, Type::Bool))),
            Exit::Indirect { target, .. } => (vec![], Some((target, Type::I64))),
            Exit::Trap { .. } => (vec![], None),
        };
        for d in dests {
            if matches!(d, Dest::Block(id) if id.0 >= blocks) {
                self.fail(3, None, format!("`{text}`: no such block"));
            }
        }
        let Some((v, ty)) = used else { return };
        if let Some(why) = self.undefined(b, v, b.end) {
            self.fail(5, None, format!("`{text}`: {why}"));
        } else if self.unit.inst(v).ty != ty {
            self.fail(7, None, format!("`{text}`: takes {}", ty.name()));
        }
    }
}

/// Result types of the rows that say `Any`.
pub(crate) fn any_type(inst: &Inst) -> bool {
    let t = inst.ty;
    let number = t.is_int() || t.is_float();
    match inst.op {
        Op::Get => t != Type::Void, // invariant 10 says which
        Op::Call => HelperId::from_imm(inst.imm).is_none_or(|h| h.info().res == t),
        Op::Const => number || t == Type::Bool,
        Op::Select => number || matches!(t, Type::Bool | Type::V128),
        Op::Load => number || t == Type::V128,
        Op::AtomicCas => t.is_int() || t == Type::V128,
        Op::VLane => match inst.shape().lane_log2() {
            0 | 1 => t.is_int(),
            2 => t.is_int() || t == Type::F32,
            3 => matches!(t, Type::I64 | Type::F64),
            _ => false,
        },
        _ => number,
    }
}

/// Immediates of the rows that say `Number`.
fn number_ok(inst: &Inst, arg: Option<Type>) -> bool {
    let (imm, width) = (inst.imm, inst.ty.bytes() as u64 * 8);
    match inst.op {
        Op::Const => width >= 64 || imm >> width == 0 && (inst.ty != Type::Bool || imm < 2),
        Op::SextLow => matches!(imm, 8 | 16) || imm == 32 && inst.ty == Type::I64,
        Op::ShlI | Op::LshrI | Op::AshrI | Op::RorI | Op::Extr => imm < width,
        Op::Crc32 => imm < 2,
        Op::FRintN => matches!(imm, 32 | 64),
        Op::ZeroBlock => imm.is_power_of_two() && imm <= 4096,
        Op::FToInt => imm <= width,
        Op::IntToF | Op::IntToH => arg.is_none_or(|t| imm <= t.bytes() as u64 * 8),
        Op::VShift => imm <= inst.shape().lane_bits() as u64 * 2,
        Op::VTern => imm < 4,
        _ => true,
    }
}

/// Invariant 7 for one op: which types it takes, given its result type.
pub(crate) fn argument_types(inst: &Inst, args: &[Type]) -> Result<(), String> {
    use Op::*;
    use Type::{Bool, F32, F64, Flags, I32, I64, V128, Void};
    let t = inst.ty;
    let need = |want: &[Type]| {
        if args == want {
            return Ok(());
        }
        let names: Vec<&str> = want.iter().map(|t| t.name()).collect();
        Err(format!("takes {}", names.join(", ")))
    };
    let ok = |good: bool, what: &str| {
        if good {
            Ok(())
        } else {
            Err(format!("takes {what}"))
        }
    };
    let number = |t: Type| t.is_int() || t.is_float();
    match inst.op {
        Nop | Mark | Get | FenceOp | Const | ConstV => Ok(()),
        Set => ok(args[0] != Void, "a value"), // invariant 10 says which
        Call => HelperId::from_imm(inst.imm).map_or(Ok(()), |h| need(h.info().args)),
        Select => need(&[Bool, t, t]),
        Trunc => need(&[I64]),
        Zext | Sext => need(&[I32]),
        BoolToInt => need(&[Bool]),
        Bitcast => need(&[match t {
            I32 => F32,
            F32 => I32,
            I64 => F64,
            _ => I64,
        }]),
        UMulH | SMulH => need(&[I64, I64]),
        Crc32 => ok(args[0] == I32 && args[1].is_int(), "i32 and an integer"),
        Icmp | FlagsSub | FlagsAdd => ok(
            args[0].is_int() && args[0] == args[1],
            "two integers of one type",
        ),
        BAnd | BOr | BXor => need(&[Bool, Bool]),
        BNot => need(&[Bool]),
        FlagsAdc => ok(
            args[0].is_int() && args[0] == args[1] && args[2] == Bool,
            "two integers of one type and a bool",
        ),
        FlagsLogic => ok(args[0].is_int(), "an integer"),
        FlagsFcmp => ok(
            args[0].is_float() && args[0] == args[1],
            "two floats of one type",
        ),
        FlagsPack => need(&[I32]),
        FlagsSelect => need(&[Bool, Flags]),
        FlagsUnpack | CondHolds => need(&[Flags]),
        Load | ZeroBlock => need(&[I64]),
        Store => ok(
            args[0] == I64 && (number(args[1]) || args[1] == V128),
            "an i64 address and a value",
        ),
        AtomicRmw => need(&[I64, t]),
        AtomicCas => need(&[I64, t, t]),
        StoreExcl => ok(
            args[0] == I64
                && args[2] == I64
                && args[1] == args[3]
                && (args[1].is_int() || args[1] == V128),
            "i64, T, i64, T",
        ),
        FCvt => need(&[if t == F64 { F32 } else { F64 }]),
        FCvtFromH => need(&[I32]),
        FCvtToH | FToInt => ok(args[0].is_float(), "a float"),
        FCvtXn => ok(t == F32 && args[0] == F64, "f64, and gives f32"),
        IntToF | IntToH => ok(args[0].is_int(), "an integer"),
        FJcvt | FJcvtZ => need(&[F64]),
        VLane | VLaneS => need(&[V128]),
        VInsert => ok(
            args[0] == V128 && lane_source(inst, args[1]),
            "v128 and a value as wide as the lane",
        ),
        VDup | VScalar => ok(lane_source(inst, args[0]), "a value as wide as the lane"),
        VPair => need(&[I64, I64]),
        VZeroHi | VUn | VBin | VTern | VShift | VRed | VShuffle | VTbl => {
            need(&[V128; 4][..args.len()])
        }
        // The rest computes on its result's type.
        _ => need(&[t; 4][..args.len()]),
    }
}

/// Whether a value of this type can fill a lane of the instruction's shape.
fn lane_source(inst: &Inst, t: Type) -> bool {
    match inst.shape().lane_log2() {
        0 | 1 => t.is_int(),
        2 => t.is_int() || t == Type::F32,
        3 => matches!(t, Type::I64 | Type::F64),
        _ => false,
    }
}

pub(crate) fn access_size(inst: &Inst, args: &[Type]) -> Result<(), &'static str> {
    let value = match inst.op {
        Op::Load | Op::AtomicRmw | Op::AtomicCas => inst.ty,
        Op::Store | Op::StoreExcl => args[1],
        _ => return Ok(()),
    };
    let m = inst.mem();
    let fits = match value {
        Type::F32 | Type::F64 => m.bytes() == value.bytes(),
        _ => m.bytes() <= value.bytes(),
    };
    if !fits {
        return Err("the access's size does not fit the value");
    }
    let extends = inst.op == Op::Load && value.is_int();
    if m.signed && !extends {
        return Err("only integer loads are sign-extended");
    }
    Ok(())
}
