//! One IR block to bytecode, in one forward pass.
//!
//! Idea: a `Get` emits nothing, its value is an *alias* of the slot; a result whose only use is a nearby `Set` is computed
//! straight into the slot. Hazards are resolved when a slot is written: aliases of it that are still needed move to a temporary
//! first. A result is put into its slot early only if nothing between can fault, call or touch that slot, so that faults
//! see exact registers.

mod insts;

use super::{BOp, Bytecode, Draft, Op0, Pair};
use crate::abi::{HEADER_SIZE, encode_trap};
use insts::mov;
use metaphrase_ir::ops::{Effects, IntCond};
use metaphrase_ir::{Block, Cond, Dest, Exit, Inst, Op, Slot, Type, Unit, Value};

/// Number of 16-byte temporaries in the frame.
pub const TEMPS: u32 = 96;

/// Why a block has no bytecode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuildError {
    /// Out of temporaries: translate fewer guest instructions.
    TooLong,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loc {
    /// Not computed (unused, or folded into its user).
    None,
    /// A constant.
    Const(u64),
    /// In temporary number `t`, `w` words in.
    Temp(u16, u16),
    /// In the slot itself, `w` words in.
    Alias(Slot, u16),
    /// To be evaluated by its single user.
    Deferred,
}

/// Reusable working memory for [`build`].
#[derive(Debug, Default)]
pub struct Builder {
    loc: Vec<Loc>,
    uses: Vec<u16>,
    /// I32 value whose upper half in storage is zero.
    zx: Vec<bool>,
    skip: Vec<bool>,
    rc: Vec<u16>,
    free: Vec<u16>,
    /// Freed by the instruction being built: its operands are read after moves that `clobber` puts before it.
    freed: Vec<u16>,
    next_temp: u16,
    live_aliases: Vec<Value>,
    /// Selects of scalars.
    takers: Vec<Value>,
    /// Conditions on flags that come from a `flags.select`, with that.
    chosen: Vec<(Value, Value)>,
    draft: Draft,
}

struct Cx<'a> {
    b: &'a mut Builder,
    unit: &'a Unit,
    block: &'a Block,
    temps: u32,
    out: Draft,
}

impl Builder {
    /// Bytecode of block `block`; `temps` is the frame offset of [`TEMPS`] 16-byte temporaries, the first of which is always zero.
    pub fn build(
        &mut self,
        unit: &Unit,
        block: &Block,
        temps: u32,
    ) -> Result<Bytecode, BuildError> {
        let n = (block.end - block.start) as usize;
        self.loc.clear();
        self.loc.resize(n, Loc::None);
        self.uses.clear();
        self.uses.resize(n, 0);
        self.zx.clear();
        self.zx.resize(n, true);
        self.skip.clear();
        self.skip.resize(n, false);
        self.rc.clear();
        self.rc.resize(TEMPS as usize, 0);
        self.free.clear();
        self.freed.clear();
        self.next_temp = 1;
        self.live_aliases.clear();
        self.takers.clear();
        self.chosen.clear();
        let mut out = std::mem::take(&mut self.draft);
        out.clear();
        let mut cx = Cx {
            b: self,
            unit,
            block,
            temps,
            out,
        };
        let done = cx.run();
        self.draft = cx.out;
        done?;
        self.draft.finish().ok_or(BuildError::TooLong)
    }
}

type R<T = ()> = Result<T, BuildError>;

impl Cx<'_> {
    fn idx(&self, v: Value) -> usize {
        (v.0 - self.block.start) as usize
    }
    fn inst(&self, v: Value) -> &Inst {
        self.unit.inst(v)
    }
    fn uses(&self, v: Value) -> u16 {
        self.b.uses[self.idx(v)]
    }

    fn run(&mut self) -> R {
        self.count_uses();
        self.defer();
        for i in self.block.start..self.block.end {
            let k = (i - self.block.start) as usize;
            if !self.b.skip[k] {
                let b = &mut *self.b;
                b.free.append(&mut b.freed);
                self.one(Value(i))?;
            }
        }
        self.exit()
    }

    fn count_uses(&mut self) {
        let (start, end) = (self.block.start, self.block.end);
        // A `Get` of the flags, and what they were set to before it in this block.
        let (mut flags, mut got) = (Value::NONE, (Value::NONE, Value::NONE));
        for (i, inst) in (start..).zip(&self.unit.insts[start as usize..end as usize]) {
            let mut args = &inst.args[..];
            match inst.op {
                Op::Nop => continue,
                Op::Get if inst.ty == Type::Flags => got = (Value(i), flags),
                Op::Set if self.inst(inst.args[0]).ty == Type::Flags => flags = inst.args[0],
                Op::Call => flags = Value::NONE,
                Op::CondHolds if got.0 == inst.args[0] && got.1 != Value::NONE => {
                    let from = self.unit.inst(got.1);
                    if from.op == Op::FlagsSelect {
                        self.b.chosen.push((Value(i), got.1));
                        args = &from.args[..];
                    }
                }
                _ => {}
            }
            // Arguments come before unused places.
            for &a in args.iter().take_while(|&&a| a != Value::NONE) {
                let k = self.idx(a);
                self.b.uses[k] += 1;
            }
            let takes = match inst.op {
                Op::Select => matches!(inst.ty, Type::I32 | Type::I64 | Type::F32 | Type::F64),
                Op::Add => inst.ty == Type::I64,
                Op::Load => inst.imm == 0,
                _ => false,
            };
            if takes {
                self.b.takers.push(Value(i));
            }
        }
        match self.block.exit {
            Exit::Branch { cond: v, .. } | Exit::Indirect { target: v, .. } => {
                let k = self.idx(v);
                self.b.uses[k] += 1;
            }
            _ => {}
        }
    }

    /// Marks conditions and addresses that their only user evaluates itself.
    fn defer(&mut self) {
        if let Exit::Branch { cond, .. } = self.block.exit
            && self.uses(cond) == 1
        {
            let c = *self.inst(cond);
            let k = self.idx(cond);
            match c.op {
                Op::CondHolds => self.b.loc[k] = Loc::Deferred,
                Op::Icmp if self.is_zero_test(&c) => {
                    self.b.loc[k] = Loc::Deferred;
                    if let Some((and, _)) = self.single_bit(c.args[0]) {
                        let k = self.idx(and);
                        self.b.loc[k] = Loc::Deferred;
                    }
                }
                _ => {}
            }
        }
        for i in 0..self.b.takers.len() {
            let i = *self.inst(self.b.takers[i]);
            let taken = match i.op {
                Op::Add => self.shifted(&i),
                Op::Load => self.indexed(&i),
                _ => Some(i.args[0])
                    .filter(|&c| self.uses(c) == 1 && self.inst(c).op == Op::CondHolds),
            };
            if let Some(v) = taken {
                let k = self.idx(v);
                self.b.loc[k] = Loc::Deferred;
            }
        }
    }

    /// The `flags.select` that the condition `v` is on.
    fn chosen(&self, v: Value) -> Option<Value> {
        let found = self.b.chosen.iter().find(|c| c.0 == v);
        found.map(|c| c.1)
    }

    /// A condition on flags that are those of a comparison if a Bool holds, else constant (CCMP), without asking which flags
    /// they have become: where it is a Bool, and whether that says the opposite.
    fn holds_chosen(&mut self, cond: &Inst, select: Value) -> R<(u16, bool)> {
        let s = *self.inst(select);
        let c = Cond::from_bits(cond.aux);
        let otherwise = c.holds(s.imm as u32);
        let asked = if otherwise { c.invert() } else { c };
        let (held, flags) = (self.off(s.args[0])?, self.off(s.args[1])?);
        let t = self.new_temp(Type::Bool)?;
        let d = self.temp_off(t);
        self.emit(Op0::Cond, d, flags, 0, asked as u64);
        self.emit(Op0::BAnd, d, d, held, 0);
        self.consume(s.args[0]);
        self.consume(s.args[1]);
        self.b.freed.push(t);
        Ok((d, otherwise))
    }

    /// The shifted operand that a 64-bit addition takes in: nobody else wants it.
    fn shifted(&self, i: &Inst) -> Option<Value> {
        let [a, b, ..] = i.args;
        let constant = |v: Value| self.inst(v).op == Op::Const;
        let shift = |&v: &Value| {
            let x = self.inst(v);
            x.op == Op::ShlI && x.ty == Type::I64 && self.uses(v) == 1
        };
        let v = [b, a].into_iter().find(shift)?;
        (!constant(a) && !constant(b)).then_some(v)
    }

    /// The addition that a load's address is, if the load takes it in.
    fn indexed(&self, i: &Inst) -> Option<Value> {
        let m = i.mem();
        let fits = !m.aligned && !m.signed && m.size <= 3 && i.ty != Type::V128;
        let v = i.args[0];
        let sum = self.inst(v);
        let constant = |&v: &Value| self.inst(v).op == Op::Const;
        (fits
            && sum.op == Op::Add
            && sum.ty == Type::I64
            && self.uses(v) == 1
            && !sum.args[..2].iter().any(constant))
        .then_some(v)
    }

    /// Whether its only user evaluates it.
    fn is_deferred(&self, v: Value) -> bool {
        self.b.loc[self.idx(v)] == Loc::Deferred
    }

    /// The operands of an addition as base, index and shift, consumed.
    fn take_sum(&mut self, sum: &Inst) -> R<(u16, u16, u64)> {
        let [mut a, mut b, ..] = sum.args;
        let mut n = 0;
        if self.is_deferred(a) {
            (a, b) = (b, a);
        }
        if self.is_deferred(b) {
            let s = *self.inst(b);
            self.consume(b);
            (b, n) = (s.args[0], s.imm & 63);
        }
        let at = (self.off(a)?, self.off(b)?, n);
        self.consume(a);
        self.consume(b);
        Ok(at)
    }

    fn is_zero_test(&self, c: &Inst) -> bool {
        let z = self.inst(c.args[1]);
        z.op == Op::Const
            && z.imm == 0
            && matches!(IntCond::from_bits(c.aux), IntCond::Eq | IntCond::Ne)
    }

    /// If `v` is `x & (1 << n)` used once: (the And, n).
    fn single_bit(&self, v: Value) -> Option<(Value, u32)> {
        let i = self.inst(v);
        if i.op != Op::And || self.uses(v) != 1 {
            return None;
        }
        let m = self.inst(i.args[1]);
        (m.op == Op::Const && m.imm.is_power_of_two()).then(|| (v, m.imm.trailing_zeros()))
    }

    // ---- places ----

    fn slot_off(&self, s: Slot) -> u16 {
        ((HEADER_SIZE + self.unit.slots.get(s).offset) / 8) as u16
    }
    fn temp_off(&self, t: u16) -> u16 {
        (self.temps / 8) as u16 + 2 * t
    }
    /// Flags need three words, so a temporary for them is two in a row; only fresh ones are known to be in a row.
    fn new_temp(&mut self, ty: Type) -> R<u16> {
        if ty != Type::Flags
            && let Some(t) = self.b.free.pop()
        {
            return Ok(t);
        }
        self.fresh_temp(ty)
    }

    /// A temporary that was not in use before: nothing that is still to be read lives there.
    fn fresh_temp(&mut self, ty: Type) -> R<u16> {
        let n = if ty == Type::Flags { 2 } else { 1 };
        let t = self.b.next_temp;
        self.b.next_temp += n;
        if u32::from(self.b.next_temp) > TEMPS {
            return Err(BuildError::TooLong);
        }
        Ok(t)
    }

    /// Offset of a value, loading a constant into a temporary if need be. Does not consume.
    fn off(&mut self, v: Value) -> R<u16> {
        let k = self.idx(v);
        Ok(match self.b.loc[k] {
            Loc::Temp(t, w) => self.temp_off(t) + w,
            Loc::Alias(s, w) => self.slot_off(s) + w,
            Loc::Const(0) => self.temp_off(0),
            Loc::Const(c) => {
                let t = self.new_temp(Type::I64)?;
                let d = self.temp_off(t);
                self.emit(Op0::Imm, d, 0, 0, c);
                self.b.rc[t as usize] = self.b.uses[k];
                self.b.loc[k] = Loc::Temp(t, 0);
                d
            }
            Loc::Deferred | Loc::None => {
                debug_assert!(false, "value {v:?} has no place");
                0
            }
        })
    }

    /// One use of `v` is done.
    fn consume(&mut self, v: Value) {
        let k = self.idx(v);
        self.b.uses[k] -= 1;
        if let Loc::Temp(t, _) = self.b.loc[k] {
            let rc = &mut self.b.rc[t as usize];
            *rc -= 1;
            if *rc == 0 && self.inst(v).ty != Type::Flags {
                self.b.freed.push(t);
            }
        }
    }

    /// Operand offset, consumed.
    fn take(&mut self, v: Value) -> R<u16> {
        let o = self.off(v)?;
        self.consume(v);
        Ok(o)
    }

    fn as_const(&self, v: Value) -> Option<u64> {
        match self.b.loc[self.idx(v)] {
            Loc::Const(c) => Some(c),
            _ => None,
        }
    }

    fn emit(&mut self, op: Op0, d: u16, a: u16, b: u16, imm: u64) {
        self.out.ops.push(BOp { op, d, a, b, imm });
    }

    /// Before slot `s` changes: values that alias it and are still needed move away. To fresh temporaries: the instruction being built
    /// has taken its operands, so theirs are free already, but it has not read them yet.
    fn clobber(&mut self, s: Slot) -> R {
        let mut i = 0;
        while i < self.b.live_aliases.len() {
            let v = self.b.live_aliases[i];
            let k = self.idx(v);
            match self.b.loc[k] {
                Loc::Alias(a, w) if self.b.uses[k] > 0 => {
                    if a == s {
                        let ty = self.inst(v).ty;
                        let t = self.fresh_temp(ty)?;
                        self.b.rc[t as usize] = self.b.uses[k];
                        self.b.loc[k] = Loc::Temp(t, 0);
                        let (d, a) = (self.temp_off(t), self.slot_off(s) + w);
                        self.emit(mov(ty), d, a, 0, 0);
                        self.b.live_aliases.swap_remove(i);
                    } else {
                        i += 1;
                    }
                }
                _ => {
                    self.b.live_aliases.swap_remove(i);
                }
            }
        }
        Ok(())
    }

    /// The slot that `v` may be computed into, with the instructions to skip then.
    fn direct_slot(&self, v: Value) -> Option<(Slot, Option<u32>, u32)> {
        let mut cur = v;
        let mut zext = None;
        let end = self.block.end.min(v.0 + 6);
        for j in v.0 + 1..end {
            if self.uses(cur) != 1 {
                return None;
            }
            let i = &self.unit.insts[j as usize];
            match i.op {
                Op::Zext if i.args[0] == cur => {
                    zext = Some(j);
                    cur = Value(j);
                }
                Op::Set if i.args[0] == cur => {
                    let s = Slot(i.imm as u16);
                    if self.unit.slots.get(s).ty == Type::I32 {
                        // Results are whole words; this slot shares its word with its neighbour.
                        return None;
                    }
                    let clash = (v.0 + 1..j).any(|k| {
                        let x = &self.unit.insts[k as usize];
                        matches!(x.op, Op::Get | Op::Set) && x.imm == i.imm
                    });
                    return (!clash).then_some((s, zext, j));
                }
                _ if i.effects().intersects(
                    Effects::LOAD | Effects::STORE | Effects::STATE | Effects::KEEP,
                ) =>
                {
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    /// Destination of the result `v`; operands must have been taken already.
    fn dest(&mut self, v: Value) -> R<u16> {
        if let Some((s, zext, set)) = self.direct_slot(v) {
            self.clobber(s)?;
            for k in zext.into_iter().chain([set]) {
                let k = (k - self.block.start) as usize;
                self.b.skip[k] = true;
            }
            return Ok(self.slot_off(s));
        }
        let ty = self.inst(v).ty;
        let t = self.new_temp(ty)?;
        let k = self.idx(v);
        self.b.rc[t as usize] = self.b.uses[k];
        self.b.loc[k] = Loc::Temp(t, 0);
        if self.b.uses[k] == 0 && ty != Type::Flags {
            self.b.freed.push(t);
        }
        Ok(self.temp_off(t))
    }

    /// `v` is where `of` is, `w` words further (same storage, other type). `zx`: its upper half is known to be zero.
    fn share(&mut self, v: Value, of: Value, w: u16, zx: bool) {
        let (k, ko) = (self.idx(v), self.idx(of));
        let loc = match self.b.loc[ko] {
            Loc::Temp(t, o) => {
                self.b.rc[t as usize] += self.b.uses[k];
                Loc::Temp(t, o + w)
            }
            Loc::Alias(s, o) => {
                self.b.live_aliases.push(v);
                Loc::Alias(s, o + w)
            }
            other => other,
        };
        self.b.loc[k] = loc;
        self.b.zx[k] = zx;
        self.consume(of);
    }

    // ---- exits ----

    fn exit(&mut self) -> R {
        let pc = |d: Dest| match d {
            Dest::Pc(p) => p,
            Dest::Block(b) => self.unit.blocks[b.0 as usize].pc,
        };
        match self.block.exit {
            Exit::Goto { dest, .. } => {
                let p = pc(dest);
                self.out.succ = Some(Pair { taken: p, fall: p });
                self.emit(Op0::Goto, 0, 0, 0, p);
            }
            Exit::Branch { cond, taken, fall } => {
                self.out.succ = Some(Pair {
                    taken: pc(taken),
                    fall: pc(fall),
                });
                self.branch(cond)?;
            }
            Exit::Indirect { target, kind } => {
                let a = self.take(target)?;
                self.emit(Op0::Indirect, kind as u16, a, 0, 0);
            }
            Exit::Trap { kind, pc } => {
                self.out.trap = Some((encode_trap(kind), pc));
                self.emit(Op0::Trap, 0, 0, 0, 0);
            }
        }
        Ok(())
    }

    fn branch(&mut self, cond: Value) -> R {
        if self.b.loc[self.idx(cond)] != Loc::Deferred {
            let a = self.take(cond)?;
            self.emit(Op0::Br, 0, a, 0, 0);
            return Ok(());
        }
        let c = *self.inst(cond);
        if let Some(select) = self.chosen(cond) {
            let (a, not) = self.holds_chosen(&c, select)?;
            self.emit(if not { Op0::BrEqz32 } else { Op0::Br }, 0, a, 0, 0);
            return Ok(());
        }
        if c.op == Op::CondHolds {
            let a = self.take(c.args[0])?;
            self.emit(Op0::BrCond, c.aux as u16, a, 0, 0);
            return Ok(());
        }
        let eq = IntCond::from_bits(c.aux) == IntCond::Eq;
        let wide = self.inst(c.args[0]).ty == Type::I64;
        if self.b.loc[self.idx(c.args[0])] == Loc::Deferred {
            let and = *self.inst(c.args[0]);
            let bit = self.inst(and.args[1]).imm.trailing_zeros();
            let a = self.take(and.args[0])?;
            self.emit(
                if eq { Op0::BrBit0 } else { Op0::BrBit1 },
                bit as u16,
                a,
                0,
                0,
            );
            return Ok(());
        }
        let a = self.take(c.args[0])?;
        let op = match (eq, wide) {
            (true, true) => Op0::BrEqz64,
            (false, true) => Op0::BrNez64,
            (true, false) => Op0::BrEqz32,
            (false, false) => Op0::BrNez32,
        };
        self.emit(op, 0, a, 0, 0);
        Ok(())
    }
}
