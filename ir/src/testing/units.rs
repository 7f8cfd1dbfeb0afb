//! Units made from a string of numbers.
//!
//! [`random_unit`] turns each number into one instruction, so that a property tester that shortens the string or
//! makes its numbers smaller finds a small failing unit. The unit is sound ([`crate::verify`]): its instructions
//! come from the op rows by way of [`crate::verify::argument_types`], so a new row is drawn as soon as it exists.

use std::sync::OnceLock;

use super::{TEST_SLOTS, WINDOW, WINDOW_BYTES};
use crate::exit::{Dest, Exit, IndirectKind, TrapKind};
use crate::flags::Cond;
use crate::guest::Slot;
use crate::helper::HelperId;
use crate::inst::{Inst, MemInfo, Order, Shape, Value};
use crate::ops::{AuxFmt, Effects, ImmFmt, IntCond, Op, Res, Rmw, Round};
use crate::ops::{VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
use crate::types::Type;
use crate::unit::{Block, BlockId, Unit};
use crate::verify::argument_types;

/// What [`random_unit`] may draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mix {
    /// Scalar integers, flags, slots, memory, vector moves: what needs no floating-point environment.
    Integer,
    /// Every row, every vector kind with every shape, meaningful or not: for printers and parsers.
    Anything,
}

/// A way to draw an op: the record without arguments, and their types.
#[derive(Debug)]
struct Form {
    inst: Inst,
    args: Vec<Type>,
}

const VALUES: [Type; 7] = [
    Type::I64,
    Type::I32,
    Type::Bool,
    Type::Flags,
    Type::V128,
    Type::F32,
    Type::F64,
];

/// All forms of all ops whose arguments decide everything (no slots, calls, marks, constants).
fn forms(mix: Mix) -> &'static [Form] {
    static INTEGER: OnceLock<Vec<Form>> = OnceLock::new();
    static ANYTHING: OnceLock<Vec<Form>> = OnceLock::new();
    let cell = match mix {
        Mix::Integer => &INTEGER,
        Mix::Anything => &ANYTHING,
    };
    cell.get_or_init(|| {
        let wanted = Op::ALL.iter().filter(|op| drawable(**op, mix));
        wanted.flat_map(|&op| forms_of(op)).collect()
    })
}

fn drawable(op: Op, mix: Mix) -> bool {
    use Op::*;
    if matches!(op, Nop | Mark | Get | Set | Call | Const | ConstV) {
        return false;
    }
    let info = op.info();
    mix == Mix::Anything || !info.effects.intersects(Effects::FPENV.union(Effects::QC))
}

fn forms_of(op: Op) -> Vec<Form> {
    let mut out = Vec::new();
    let results: Vec<Type> = match op.info().res {
        Res::Void => vec![Type::Void],
        Res::Int => vec![Type::I64, Type::I32],
        Res::Float => vec![Type::F32, Type::F64],
        Res::Bool => vec![Type::Bool],
        Res::Vec => vec![Type::V128],
        Res::Flags => vec![Type::Flags],
        Res::I32 => vec![Type::I32],
        Res::I64 => vec![Type::I64],
        Res::Any => VALUES.to_vec(),
    };
    for ty in results {
        for aux in aux_choices(op) {
            let inst = Inst {
                op,
                ty,
                aux,
                args: [Value::NONE; 4],
                imm: 0,
            };
            if op.info().res == Res::Any && !crate::verify::any_type(&inst) {
                continue;
            }
            each_tuple(op.info().args as usize, &mut |args| {
                if argument_types(&inst, args).is_ok()
                    && crate::verify::access_size(&inst, args).is_ok()
                {
                    let args = args.to_vec();
                    out.push(Form { inst, args });
                }
            });
        }
    }
    out
}

/// Calls `f` with every tuple of value types of this length.
fn each_tuple(len: usize, f: &mut dyn FnMut(&[Type])) {
    let mut tuple = vec![VALUES[0]; len];
    for mut n in 0..VALUES.len().pow(len as u32) {
        for t in &mut tuple {
            *t = VALUES[n % VALUES.len()];
            n /= VALUES.len();
        }
        f(&tuple);
    }
}

fn aux_choices(op: Op) -> Vec<u32> {
    let mem = || {
        let sizes = (0..=4).flat_map(|s| [MemInfo::plain(s), MemInfo::plain(s).sext()]);
        sizes.map(MemInfo::pack).collect::<Vec<u32>>()
    };
    fn kinds<K: Copy>(all: &[K], aux: impl Fn(K, Shape) -> u32) -> Vec<u32> {
        let both = all
            .iter()
            .flat_map(|&k| Shape::ALL.iter().map(move |&s| (k, s)));
        both.map(|(k, s)| aux(k, s)).collect()
    }
    match op.info().aux {
        AuxFmt::None => vec![0],
        AuxFmt::Number if op == Op::Crc32 => vec![0, 1, 2, 3],
        AuxFmt::Number => vec![0, 1],
        AuxFmt::Mem => mem(),
        AuxFmt::Rmw => {
            let ops = Rmw::ALL.iter().map(|&r| (r as u32) << 12);
            ops.flat_map(|r| mem().into_iter().map(move |m| r | m))
                .collect()
        }
        AuxFmt::IntCond => (0..IntCond::ALL.len() as u32).collect(),
        AuxFmt::Cond => (0..Cond::ALL.len() as u32).collect(),
        AuxFmt::Shape => {
            // A scalar goes into a one-lane shape.
            let fits = |s: &&Shape| op != Op::VScalar || s.lanes() == 1;
            let shapes = Shape::ALL.iter().filter(fits);
            shapes.map(|&s| s as u32).collect()
        }
        AuxFmt::VUn => kinds(VUnKind::ALL, VUnKind::aux),
        AuxFmt::VBin => kinds(VBinKind::ALL, VBinKind::aux),
        AuxFmt::VTern => kinds(VTernKind::ALL, VTernKind::aux),
        AuxFmt::VShift => kinds(VShiftKind::ALL, VShiftKind::aux),
        AuxFmt::VRed => kinds(VRedKind::ALL, VRedKind::aux),
        AuxFmt::Round => vec![0, 3, 5, Round::SIGNED, 3 | Round::SIGNED, 5 | Round::EXACT],
        AuxFmt::Fence => vec![0, 1, 2],
    }
}

/// Takes numbers out of one choice, low digits first.
struct Digits(u64);

impl Digits {
    /// A number below `n` (`n` > 0).
    fn below(&mut self, n: usize) -> usize {
        let r = self.0 % n as u64;
        self.0 /= n as u64;
        r as usize
    }
}

/// A sound unit on [`TEST_SLOTS`]: one instruction (with the constants and reads it needs) for each number in
/// `choices`. A number divisible by 64 starts a new block, to which the block before may go.
pub fn random_unit(choices: &[u64], mix: Mix) -> Unit {
    let mut g = Generator {
        unit: Unit::new(&TEST_SLOTS),
        forms: forms(mix),
        start: 0,
        pc: 0x1000,
        set: false,
    };
    g.open();
    for &c in choices {
        let mut d = Digits(c);
        match d.below(64) {
            0 => {
                g.close(&mut d);
                g.open();
            }
            1..=8 => g.set(&mut d),
            9..=12 => g.constant(&mut d),
            13..=14 => g.get(&mut d),
            15..=18 => g.mark(),
            19 => g.call(&mut d),
            20..=23 => g.draw(&mut d, |f| matches!(f.inst.op, Op::Load | Op::Store)),
            24..=28 => g.draw(&mut d, |f| f.inst.ty == Type::Flags),
            29..=33 => g.draw(&mut d, |f| f.inst.op == Op::CondHolds),
            34..=50 => g.consume(&mut d),
            _ => g.draw(&mut d, |_| true),
        }
    }
    g.close(&mut Digits(1));
    g.targets();
    g.unit
}

struct Generator {
    unit: Unit,
    forms: &'static [Form],
    start: u32,
    pc: u64,
    /// Whether the current guest instruction has set a slot (then it may not access memory any more).
    set: bool,
}

impl Generator {
    fn push(&mut self, op: Op, ty: Type, args: &[Value], imm: u64) -> Value {
        let mut a = [Value::NONE; 4];
        a[..args.len()].copy_from_slice(args);
        self.push_inst(Inst {
            op,
            ty,
            aux: 0,
            args: a,
            imm,
        })
    }

    fn push_inst(&mut self, inst: Inst) -> Value {
        self.unit.insts.push(inst);
        Value(self.unit.insts.len() as u32 - 1)
    }

    fn open(&mut self) {
        self.start = self.unit.insts.len() as u32;
        let entry = self.unit.blocks.is_empty();
        self.unit.blocks.push(Block {
            pc: self.pc,
            guest_len: 0,
            start: self.start,
            end: self.start,
            exit: Exit::Goto {
                dest: Dest::Pc(0),
                call: false,
            },
            entry,
        });
        self.mark();
    }

    fn mark(&mut self) {
        self.push(Op::Mark, Type::Void, &[], self.pc);
        self.pc += 4;
        self.set = false;
    }

    fn close(&mut self, d: &mut Digits) {
        let block = |d: &mut Digits| Dest::Block(BlockId(d.below(8) as u32));
        let exit = match d.below(5) {
            0 => Exit::Goto {
                dest: block(d),
                call: false,
            },
            1 => Exit::Branch {
                cond: self.value(Type::Bool, d),
                taken: block(d),
                fall: Dest::Pc(self.pc),
            },
            2 => Exit::Branch {
                cond: self.value(Type::Bool, d),
                taken: Dest::Pc(0x4000),
                fall: block(d),
            },
            3 => Exit::Indirect {
                target: self.value(Type::I64, d),
                kind: IndirectKind::Return,
            },
            _ => Exit::Trap {
                kind: TrapKind::Svc(0),
                pc: self.pc - 4,
            },
        };
        self.observe();
        let (pc, end) = (self.pc, self.unit.insts.len() as u32);
        if let Some(b) = self.unit.blocks.last_mut() {
            b.exit = exit;
            b.end = end;
            b.guest_len = (pc - b.pc) as u32;
        }
    }

    /// Puts the block's latest values into slots, where whoever compares machines sees them.
    fn observe(&mut self) {
        let mut slots: Vec<(usize, Type)> =
            (TEST_SLOTS.rows.iter().enumerate().map(|(i, r)| (i, r.ty))).collect();
        for i in (self.start..self.unit.insts.len() as u32).rev() {
            let ty = self.unit.insts[i as usize].ty;
            let to = match ty {
                Type::Void => continue,
                Type::Bool | Type::I32 | Type::F32 | Type::F64 => Type::I64,
                ty => ty,
            };
            let Some(n) = slots.iter().position(|s| s.1 == to) else {
                continue;
            };
            let v = self.widen(Value(i), ty);
            let (slot, _) = slots.remove(n);
            self.push(Op::Set, Type::Void, &[v], slot as u64);
        }
    }

    /// The I64 (or the value itself) that shows all of `v`.
    fn widen(&mut self, v: Value, ty: Type) -> Value {
        match ty {
            Type::Bool => self.push(Op::BoolToInt, Type::I64, &[v], 0),
            Type::I32 => self.push(Op::Zext, Type::I64, &[v], 0),
            Type::F64 => self.push(Op::Bitcast, Type::I64, &[v], 0),
            Type::F32 => {
                let w = self.push(Op::Bitcast, Type::I32, &[v], 0);
                self.push(Op::Zext, Type::I64, &[w], 0)
            }
            _ => v,
        }
    }

    /// Brings block targets into range, now that their number is known.
    fn targets(&mut self) {
        let n = self.unit.blocks.len() as u32;
        for b in &mut self.unit.blocks {
            let fix = |d: &mut Dest| {
                if let Dest::Block(id) = d {
                    id.0 %= n;
                }
            };
            match &mut b.exit {
                Exit::Goto { dest, .. } => fix(dest),
                Exit::Branch { taken, fall, .. } => {
                    fix(taken);
                    fix(fall);
                }
                _ => {}
            }
        }
    }

    /// A value of this type: one of the block's latest, or a new one.
    fn value(&mut self, ty: Type, d: &mut Digits) -> Value {
        let insts = &self.unit.insts[self.start as usize..];
        let mut known = (insts.iter().enumerate().rev()).filter(|(_, i)| i.ty == ty);
        // Mostly the latest: what is made should be used.
        let back = [0, 1, 1, 1, 1, 2, 3, 4][d.below(8)];
        if let Some((i, _)) = known.nth(usize::max(back, 1) - 1).filter(|_| back > 0) {
            return Value(self.start + i as u32);
        }
        match ty {
            Type::I64 | Type::V128 | Type::Flags => self.read(ty, d),
            Type::Bool => {
                let (a, b) = (self.read(Type::I64, d), self.read(Type::I64, d));
                self.push(Op::Icmp, ty, &[a, b], 0)
            }
            Type::I32 => {
                let x = self.read(Type::I64, d);
                self.push(Op::Trunc, ty, &[x], 0)
            }
            _ => {
                let imm = [0u64, 0x3f80_0000, 0x7fc0_0000, 0x8000_0000][d.below(4)];
                self.push(Op::Const, ty, &[], imm)
            }
        }
    }

    fn read(&mut self, ty: Type, d: &mut Digits) -> Value {
        let rows = (TEST_SLOTS.rows.iter().enumerate()).filter(|(_, r)| r.ty == ty);
        let slots: Vec<usize> = rows.map(|(i, _)| i).collect();
        let slot = slots[d.below(slots.len())];
        self.push(Op::Get, ty, &[], slot as u64)
    }

    fn get(&mut self, d: &mut Digits) {
        let ty = [Type::I64, Type::I64, Type::Flags, Type::V128][d.below(4)];
        self.read(ty, d);
    }

    fn set(&mut self, d: &mut Digits) {
        let slot = d.below(TEST_SLOTS.rows.len());
        let v = self.value(TEST_SLOTS.get(Slot(slot as u16)).ty, d);
        self.push(Op::Set, Type::Void, &[v], slot as u64);
        self.set = true;
    }

    fn constant(&mut self, d: &mut Digits) {
        let ty = [Type::I64, Type::I32][d.below(2)];
        let edge = [0, 1, 2, 31, 32, 63, 0xff, 0xffff_ffff, 1 << 31, 1 << 63, !0];
        let n = match d.below(edge.len() + 1) {
            i if i < edge.len() => edge[i],
            _ => d.0,
        };
        let imm = if ty == Type::I32 { n & 0xffff_ffff } else { n };
        self.push(Op::Const, ty, &[], imm);
    }

    fn call(&mut self, d: &mut Digits) {
        let id = HelperId::ALL[d.below(HelperId::ALL.len())];
        let info = id.info();
        let args: Vec<Value> = info.args.iter().map(|&t| self.value(t, d)).collect();
        let v = self.push(Op::Call, info.res, &args, id as u64);
        self.unit.insts[v.0 as usize].aux = d.below(256) as u32;
    }

    /// An op that takes the block's latest value first.
    fn consume(&mut self, d: &mut Digits) {
        let block = &self.unit.insts[self.start as usize..];
        let Some(&latest) = block.iter().rev().find(|i| i.ty != Type::Void) else {
            return self.get(d);
        };
        // A vector is best taken apart as it was put together.
        let shaped = latest.op.info().aux == AuxFmt::Shape && d.below(2) == 0;
        self.draw(d, |f| {
            let like = f.inst.op.info().aux == AuxFmt::Shape && f.inst.aux == latest.aux;
            f.args.first() == Some(&latest.ty) && (like || !shaped)
        });
    }

    /// An op in one of the forms that `keep` admits.
    fn draw(&mut self, d: &mut Digits, keep: impl Fn(&Form) -> bool) {
        let mut admitted: Vec<&Form> = self.forms.iter().filter(|f| keep(f)).collect();
        if admitted.is_empty() {
            admitted.extend(self.forms);
        }
        // First the op, then its form: ops with many forms should not crowd out the others.
        let mut ops: Vec<Op> = admitted.iter().map(|f| f.inst.op).collect();
        ops.dedup();
        let op = ops[d.below(ops.len())];
        let of_op: Vec<&Form> = (admitted.into_iter()).filter(|f| f.inst.op == op).collect();
        let form = of_op[d.below(of_op.len())];
        let mut inst = form.inst;
        if inst
            .effects()
            .intersects(Effects::LOAD.union(Effects::STORE))
            && self.set
        {
            self.mark();
        }
        inst.imm = self.immediate(&inst, d);
        let address = matches!(op.info().aux, AuxFmt::Mem | AuxFmt::Rmw) || op == Op::ZeroBlock;
        if address && op != Op::ZeroBlock {
            inst.aux |= MemInfo::plain(0).order(Order::Acquire).pack() * d.below(2) as u32;
        }
        for (i, &ty) in form.args.iter().enumerate() {
            inst.args[i] = match address && i == 0 {
                true => self.address(d),
                false => self.value(ty, d),
            };
        }
        self.push_inst(inst);
    }

    /// Mostly inside the window: a constant, a register plus or minus one, or anything.
    fn address(&mut self, d: &mut Digits) -> Value {
        match d.below(16) {
            0 => self.value(Type::I64, d),
            n @ 1..=6 => {
                let x = self.value(Type::I64, d);
                let imm = (d.below(64) as u64).wrapping_sub(16);
                let c = self.push(Op::Const, Type::I64, &[], imm);
                let op = if n < 5 { Op::Add } else { Op::Sub };
                self.push(op, Type::I64, &[x, c], 0)
            }
            n => {
                // Rarely across the end.
                let room = if n == 7 { 8 } else { 0usize.wrapping_sub(32) };
                let at = WINDOW + d.below(WINDOW_BYTES.wrapping_add(room)) as u64;
                self.push(Op::Const, Type::I64, &[], at)
            }
        }
    }

    fn immediate(&mut self, inst: &Inst, d: &mut Digits) -> u64 {
        match inst.op.info().imm {
            ImmFmt::Offset => [0, 8, 16, !7][d.below(4)],
            ImmFmt::Lane => d.below(16 >> inst.shape().lane_log2()) as u64,
            ImmFmt::Nzcv => (d.below(16) as u64) << 28,
            ImmFmt::ConstPool => {
                self.unit
                    .consts
                    .push(u128::from(d.0) * 0x0102_0304_0506_0708);
                self.unit.consts.len() as u64 - 1
            }
            ImmFmt::Number => match inst.op {
                Op::SextLow => [8, 16][d.below(2)],
                Op::Crc32 => d.below(2) as u64,
                Op::FRintN => [32, 64][d.below(2)],
                Op::ZeroBlock => [1, 16, 64][d.below(3)],
                Op::VShift => d.below(8) as u64,
                Op::VTern => d.below(4) as u64,
                Op::IntToF => d.below(32) as u64,
                _ => d.below(inst.ty.bytes().max(1) as usize * 8) as u64,
            },
            _ => 0,
        }
    }
}
