//! One IR block to bytecode, in one forward pass.
//!
//! Idea: a `Get` emits nothing, its value is an *alias* of the slot; a result whose only use is a nearby `Set` is computed
//! straight into the slot. Hazards are resolved when a slot is written: aliases of it that are still needed move to a temporary
//! first. A result is put into its slot early only if nothing between can fault, call or touch that slot, so that faults
//! see exact registers.

use super::{BOp, Bytecode, Draft, EvalDesc, Op0, Pair};
use crate::abi::{HEADER_SIZE, encode_trap};
use metaphrase_ir::ops::{AuxFmt, Effects, Fence, ImmFmt, IntCond};
use metaphrase_ir::{Block, Dest, Exit, Inst, Op, Shape, Slot, Type, Unit, Value};

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
        for i in self.block.start..self.block.end {
            let inst = self.unit.insts[i as usize];
            for a in inst.args {
                if a != Value::NONE && inst.op != Op::Nop {
                    let k = self.idx(a);
                    self.b.uses[k] += 1;
                }
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

    /// Marks conditions that their only user evaluates itself.
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
        for i in self.block.start..self.block.end {
            let inst = self.unit.insts[i as usize];
            if inst.op == Op::Select
                && matches!(inst.ty, Type::I32 | Type::I64 | Type::F32 | Type::F64)
            {
                let c = inst.args[0];
                if self.uses(c) == 1 && self.inst(c).op == Op::CondHolds {
                    let k = self.idx(c);
                    self.b.loc[k] = Loc::Deferred;
                }
            }
        }
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

    // ---- instructions ----

    fn one(&mut self, v: Value) -> R {
        let i = *self.inst(v);
        let k = self.idx(v);
        if self.b.loc[k] == Loc::Deferred {
            return Ok(());
        }
        let pure = i.effects().is_empty() || i.effects() == Effects::READ_SLOT;
        if pure && self.b.uses[k] == 0 {
            for a in i.args {
                if a != Value::NONE && i.op != Op::Nop {
                    self.consume_unused(a);
                }
            }
            return Ok(());
        }
        match i.op {
            Op::Nop => Ok(()),
            Op::Mark => {
                self.out.marks.push((self.out.ops.len() as u32, i.imm));
                Ok(())
            }
            Op::Get => {
                self.b.loc[k] = Loc::Alias(Slot(i.imm as u16), 0);
                self.b.zx[k] = i.ty != Type::I32;
                self.b.live_aliases.push(v);
                Ok(())
            }
            Op::Set => self.set(&i),
            Op::Const => {
                self.b.loc[k] = Loc::Const(i.imm);
                Ok(())
            }
            Op::ConstV => {
                let c = self.unit.consts[i.imm as usize];
                let n = self.pool(c);
                let d = self.dest(v)?;
                self.emit(Op0::ImmV, d, 0, 0, n);
                Ok(())
            }
            Op::Trunc => self.trunc(v, &i),
            Op::Zext => self.zext(v, &i),
            Op::Bitcast => {
                let zx = self.b.zx[self.idx(i.args[0])];
                self.share(v, i.args[0], 0, zx);
                Ok(())
            }
            Op::BoolToInt => {
                self.share(v, i.args[0], 0, true);
                Ok(())
            }
            Op::Sext => self.unary(v, &i, Op0::Sx32To64),
            Op::VLane => self.vlane(v, &i),
            Op::Load => self.load(v, &i),
            Op::Store => self.store(&i),
            Op::Select => self.select(v, &i),
            Op::CondHolds => {
                let a = self.take(i.args[0])?;
                let d = self.dest(v)?;
                self.emit(Op0::Cond, d, a, 0, i.aux as u64);
                Ok(())
            }
            Op::FlagsSub | Op::FlagsAdd | Op::FlagsLogic => self.flags(v, &i),
            Op::FlagsAdc => {
                let wide = self.inst(i.args[0]).ty == Type::I64;
                let (a, b, c) = (
                    self.off(i.args[0])?,
                    self.off(i.args[1])?,
                    self.off(i.args[2])?,
                );
                self.consume_args(&i);
                let d = self.dest(v)?;
                self.emit(
                    if wide {
                        Op0::FlagsAdc64
                    } else {
                        Op0::FlagsAdc32
                    },
                    d,
                    a,
                    b,
                    c as u64,
                );
                Ok(())
            }
            Op::FlagsPack => self.unary(v, &i, Op0::FlagsPack),
            Op::FlagsUnpack => self.unary(v, &i, Op0::FlagsUnpack),
            Op::FlagsSelect => {
                let (c, f) = (self.off(i.args[0])?, self.off(i.args[1])?);
                self.consume_args(&i);
                let d = self.dest(v)?;
                self.emit(Op0::FlagsSelect, d, f, c, i.imm);
                Ok(())
            }
            Op::FenceOp => {
                if Fence::from_bits(i.aux) == Fence::Full {
                    self.emit(Op0::Fence, 0, 0, 0, 0);
                }
                Ok(())
            }
            Op::ZeroBlock => {
                let a = self.take(i.args[0])?;
                self.emit(Op0::ZeroBlock, 0, a, 0, i.imm);
                Ok(())
            }
            Op::VScalar if matches!(i.shape(), Shape::D1 | Shape::S1) => {
                let op = if i.shape() == Shape::D1 {
                    Op0::VLo64
                } else {
                    Op0::VLo32
                };
                self.unary(v, &i, op)
            }
            Op::VZeroHi => self.unary(v, &i, Op0::VLo64),
            Op::VPair => self.binary(v, &i, Op0::VPair),
            Op::AtomicRmw => self.desc(v, &i, Op0::Rmw),
            Op::AtomicCas => self.desc(v, &i, Op0::Cas),
            Op::StoreExcl => self.desc(v, &i, Op0::StoreExcl),
            Op::Call => self.desc(v, &i, Op0::Call),
            _ => self.alu(v, &i),
        }
    }

    /// `consume` for a value that was never placed because nobody needs it.
    fn consume_unused(&mut self, v: Value) {
        self.consume(v);
    }

    fn consume_args(&mut self, i: &Inst) {
        for a in i.args {
            if a != Value::NONE {
                self.consume(a);
            }
        }
    }

    fn pool(&mut self, c: u128) -> u64 {
        self.out.consts.push(c);
        self.out.consts.len() as u64 - 1
    }

    fn set(&mut self, i: &Inst) -> R {
        let s = Slot(i.imm as u16);
        let v = i.args[0];
        let ty = self.inst(v).ty;
        if let Some(c) = self.as_const(v) {
            self.consume(v);
            self.clobber(s)?;
            let d = self.slot_off(s);
            // A 32-bit slot is stored as such: its neighbour shares the word.
            let op = if ty == Type::I32 {
                Op0::St32Slot
            } else {
                Op0::Imm
            };
            if op == Op0::Imm {
                self.emit(op, d, 0, 0, c);
                return Ok(());
            }
            let a = self.const_temp(c)?;
            self.emit32_slot(s, a);
            return Ok(());
        }
        let a = self.take(v)?;
        self.clobber(s)?;
        if ty == Type::I32 {
            self.emit32_slot(s, a);
        } else {
            let d = self.slot_off(s);
            if a != d {
                self.emit(mov(ty), d, a, 0, 0);
            }
        }
        Ok(())
    }

    fn const_temp(&mut self, c: u64) -> R<u16> {
        if c == 0 {
            return Ok(self.temp_off(0));
        }
        let t = self.new_temp(Type::I64)?;
        let d = self.temp_off(t);
        self.emit(Op0::Imm, d, 0, 0, c);
        self.b.freed.push(t);
        Ok(d)
    }

    fn emit32_slot(&mut self, s: Slot, a: u16) {
        let byte = HEADER_SIZE + self.unit.slots.get(s).offset;
        self.emit(Op0::St32Slot, 0, a, 0, byte as u64);
    }

    fn trunc(&mut self, v: Value, i: &Inst) -> R {
        let of = i.args[0];
        if let Some(c) = self.as_const(of) {
            self.consume(of);
            let k = self.idx(v);
            self.b.loc[k] = Loc::Const(c & 0xffff_ffff);
        } else {
            self.share(v, of, 0, false);
        }
        Ok(())
    }

    fn zext(&mut self, v: Value, i: &Inst) -> R {
        let of = i.args[0];
        if self.b.zx[self.idx(of)] {
            self.share(v, of, 0, true);
            return Ok(());
        }
        self.unary(v, i, Op0::Mov32)
    }

    fn vlane(&mut self, v: Value, i: &Inst) -> R {
        let placed = matches!(
            self.b.loc[self.idx(i.args[0])],
            Loc::Temp(..) | Loc::Alias(..)
        );
        match (i.shape().lane_log2(), i.imm) {
            (3, lane @ 0..=1) if placed => self.share(v, i.args[0], lane as u16, true),
            (2, lane @ (0 | 2)) if placed => self.share(v, i.args[0], lane as u16 / 2, false),
            _ => return self.desc(v, i, Op0::Eval),
        }
        Ok(())
    }

    fn unary(&mut self, v: Value, i: &Inst, op: Op0) -> R {
        let a = self.take(i.args[0])?;
        let d = self.dest(v)?;
        self.emit(op, d, a, 0, 0);
        Ok(())
    }

    fn binary(&mut self, v: Value, i: &Inst, op: Op0) -> R {
        let (a, b) = (self.off(i.args[0])?, self.off(i.args[1])?);
        self.consume_args(i);
        let d = self.dest(v)?;
        self.emit(op, d, a, b, 0);
        Ok(())
    }

    fn imm_form(&mut self, v: Value, a: Value, op: Op0, imm: u64) -> R {
        let a = self.take(a)?;
        let d = self.dest(v)?;
        self.emit(op, d, a, 0, imm);
        Ok(())
    }

    fn load(&mut self, v: Value, i: &Inst) -> R {
        let m = i.mem();
        if m.aligned && m.size > 0 {
            let a = self.off(i.args[0])?;
            self.emit(Op0::Align, (m.bytes() - 1) as u16, a, 0, i.imm);
        }
        if self.load_pair(v, i)? {
            return Ok(());
        }
        let op = match (m.size, m.signed, i.ty) {
            (0, true, Type::I64) => Op0::Lds8To64,
            (1, true, Type::I64) => Op0::Lds16To64,
            (2, true, Type::I64) => Op0::Lds32To64,
            (0, true, _) => Op0::Lds8To32,
            (1, true, _) => Op0::Lds16To32,
            (0, ..) => Op0::Ld8,
            (1, ..) => Op0::Ld16,
            (2, ..) => Op0::Ld32,
            (3, ..) => Op0::Ld64,
            _ => Op0::Ld128,
        };
        if i.ty == Type::V128 && m.size < 4 {
            // A short vector load: integer load, then widened.
            let a = self.take(i.args[0])?;
            let t = self.new_temp(Type::I64)?;
            let to = self.temp_off(t);
            self.emit(op, to, a, 0, i.imm);
            self.b.freed.push(t);
            let d = self.dest(v)?;
            self.emit(Op0::VLo64, d, to, 0, 0);
            return Ok(());
        }
        let a = self.take(i.args[0])?;
        let d = self.dest(v)?;
        self.emit(op, d, a, 0, i.imm);
        Ok(())
    }

    /// LDP of two X registers whose results go straight to their slots.
    fn load_pair(&mut self, v: Value, i: &Inst) -> R<bool> {
        let plain = |x: &Inst| {
            x.op == Op::Load && x.ty == Type::I64 && x.mem().size == 3 && !x.mem().aligned
        };
        let at = |n: u32| {
            self.unit
                .insts
                .get((v.0 + n) as usize)
                .filter(|_| v.0 + n < self.block.end)
        };
        let (Some(l2), Some(s1), Some(s2)) = (at(1), at(2), at(3)) else {
            return Ok(false);
        };
        let v2 = Value(v.0 + 1);
        let fits = plain(i)
            && plain(l2)
            && l2.args[0] == i.args[0]
            && l2.imm == i.imm.wrapping_add(8)
            && i32::try_from(i.imm as i64).is_ok()
            && s1.op == Op::Set
            && s2.op == Op::Set
            && s1.args[0] == v
            && s2.args[0] == v2
            && s1.imm != s2.imm
            && self.uses(v) == 1
            && self.uses(v2) == 1;
        if !fits {
            return Ok(false);
        }
        let (s1, s2) = (Slot(s1.imm as u16), Slot(s2.imm as u16));
        let a = self.take(i.args[0])?;
        self.consume(i.args[0]);
        self.clobber(s1)?;
        self.clobber(s2)?;
        let (d1, d2) = (self.slot_off(s1), self.slot_off(s2));
        let imm = i.imm & 0xffff_ffff | (d2 as u64) << 32;
        self.emit(Op0::Ldp64, d1, a, 0, imm);
        let k = self.idx(v);
        self.b.skip[k + 1..k + 4].fill(true);
        Ok(true)
    }

    fn store(&mut self, i: &Inst) -> R {
        let m = i.mem();
        let (a, b) = (self.off(i.args[0])?, self.off(i.args[1])?);
        self.consume_args(i);
        if m.aligned && m.size > 0 {
            self.emit(Op0::Align, (m.bytes() - 1) as u16, a, 0, i.imm);
        }
        let op = match m.size {
            0 => Op0::St8,
            1 => Op0::St16,
            2 => Op0::St32,
            3 => Op0::St64,
            _ => Op0::St128,
        };
        self.emit(op, 0, a, b, i.imm);
        if matches!(
            m.order,
            metaphrase_ir::Order::Release | metaphrase_ir::Order::AcqRel
        ) {
            self.emit(Op0::Fence, 0, 0, 0, 0);
        }
        Ok(())
    }

    fn select(&mut self, v: Value, i: &Inst) -> R {
        let [c, x, y, _] = i.args;
        let zx = self.b.zx[self.idx(x)] && self.b.zx[self.idx(y)];
        let vector = i.ty == Type::V128;
        if self.b.loc[self.idx(c)] == Loc::Deferred {
            let h = *self.inst(c);
            let f = self.off(h.args[0])?;
            let (a, b) = (self.off(x)?, self.off(y)?);
            self.consume(h.args[0]);
            self.consume_args(i);
            let d = self.select_dest(v, i.ty, zx)?;
            self.emit(Op0::CondSelect64, d, a, b, h.aux as u64 | (f as u64) << 8);
        } else {
            let (c, a, b) = (self.off(c)?, self.off(x)?, self.off(y)?);
            self.consume_args(i);
            let d = self.select_dest(v, i.ty, zx)?;
            self.emit(
                if vector { Op0::SelectV } else { Op0::Select64 },
                d,
                a,
                b,
                c as u64,
            );
        }
        Ok(())
    }

    /// Like `dest`, but an I32 that is not known to be zero-extended stays in a temporary and says so.
    fn select_dest(&mut self, v: Value, ty: Type, zx: bool) -> R<u16> {
        if ty != Type::I32 || zx {
            return self.dest(v);
        }
        let t = self.new_temp(ty)?;
        let k = self.idx(v);
        self.b.rc[t as usize] = self.b.uses[k];
        self.b.loc[k] = Loc::Temp(t, 0);
        self.b.zx[k] = false;
        Ok(self.temp_off(t))
    }

    fn flags(&mut self, v: Value, i: &Inst) -> R {
        let wide = self.inst(i.args[0]).ty == Type::I64;
        if i.op == Op::FlagsLogic {
            return self.unary(
                v,
                i,
                if wide {
                    Op0::FlagsLogic64
                } else {
                    Op0::FlagsLogic32
                },
            );
        }
        let c = self.as_const(i.args[1]);
        let op = match (i.op, wide, c.is_some()) {
            (Op::FlagsSub, true, false) => Op0::FlagsSub64,
            (Op::FlagsSub, false, false) => Op0::FlagsSub32,
            (Op::FlagsSub, true, true) => Op0::FlagsSub64I,
            (Op::FlagsSub, false, true) => Op0::FlagsSub32I,
            (_, true, false) => Op0::FlagsAdd64,
            (_, false, false) => Op0::FlagsAdd32,
            (_, true, true) => Op0::FlagsAdd64I,
            (_, false, true) => Op0::FlagsAdd32I,
        };
        match c {
            Some(c) => {
                self.consume(i.args[1]);
                self.imm_form(v, i.args[0], op, c)
            }
            None => self.binary(v, i, op),
        }
    }

    /// Integer and Bool ops with a direct form; everything else through `ir::arith`.
    fn alu(&mut self, v: Value, i: &Inst) -> R {
        let wide = i.ty == Type::I64;
        if let Some(op) = shift_imm(i.op, wide) {
            return self.imm_form(v, i.args[0], op, i.imm);
        }
        if i.args[1] != Value::NONE
            && let (Some(op), Some(c)) = (rr_imm(i.op, wide), self.as_const(i.args[1]))
        {
            self.consume(i.args[1]);
            let c = match i.op {
                Op::Sub => c.wrapping_neg(),
                Op::AndNot => !c,
                Op::Shl | Op::Lshr | Op::Ashr | Op::Ror => c & if wide { 63 } else { 31 },
                _ => c,
            };
            return self.imm_form(v, i.args[0], op, c);
        }
        if let Some(op) = rr(i.op, wide) {
            return self.binary(v, i, op);
        }
        if let Some(op) = unary(i, wide) {
            return self.unary(v, i, op);
        }
        match i.op {
            Op::Icmp => {
                let wide = self.inst(i.args[0]).ty == Type::I64;
                let (a, b) = (self.off(i.args[0])?, self.off(i.args[1])?);
                self.consume_args(i);
                let d = self.dest(v)?;
                self.emit(
                    if wide { Op0::Icmp64 } else { Op0::Icmp32 },
                    d,
                    a,
                    b,
                    i.aux as u64,
                );
                Ok(())
            }
            Op::VBin => {
                use metaphrase_ir::ops::VBinKind as K;
                let op = match (K::from_aux(i.aux), i.shape().bits()) {
                    (K::And, 128) => Op0::VAnd,
                    (K::Or, 128) => Op0::VOr,
                    (K::Xor, 128) => Op0::VXor,
                    _ => return self.desc(v, i, Op0::Eval),
                };
                self.binary(v, i, op)
            }
            _ => self.desc(v, i, Op0::Eval),
        }
    }

    fn desc(&mut self, v: Value, i: &Inst, op: Op0) -> R {
        let mut d = EvalDesc {
            inst: *i,
            args: [0; 4],
            tys: [Type::Void; 4],
            d: 0,
        };
        for (n, &a) in i.args.iter().enumerate() {
            if a != Value::NONE {
                d.args[n] = self.off(a)?;
                d.tys[n] = self.inst(a).ty;
            }
        }
        if i.op.info().imm == ImmFmt::ConstPool {
            d.inst.imm = self.pool(self.unit.consts[i.imm as usize]);
        }
        if i.op.info().aux == AuxFmt::Mem || i.op == Op::AtomicRmw {
            // Atomics check alignment themselves.
        }
        self.consume_args(i);
        // Memory and state ops must not write a slot early: their result goes to a temporary unless Set follows at once.
        if i.ty != Type::Void {
            d.d = self.dest(v)?;
        }
        let n = self.out.evals.len() as u64;
        self.out.evals.push(d);
        self.emit(op, d.d, 0, 0, n);
        Ok(())
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

fn mov(ty: Type) -> Op0 {
    match ty {
        Type::V128 => Op0::MovV,
        Type::Flags => Op0::MovFlags,
        _ => Op0::Mov64,
    }
}

fn w(wide: bool, a: Op0, b: Op0) -> Option<Op0> {
    Some(if wide { a } else { b })
}

fn shift_imm(op: Op, wide: bool) -> Option<Op0> {
    match op {
        Op::ShlI => w(wide, Op0::Shl64I, Op0::Shl32I),
        Op::LshrI => w(wide, Op0::Lshr64I, Op0::Lshr32I),
        Op::AshrI => w(wide, Op0::Ashr64I, Op0::Ashr32I),
        Op::RorI => w(wide, Op0::Ror64I, Op0::Ror32I),
        _ => None,
    }
}

fn rr_imm(op: Op, wide: bool) -> Option<Op0> {
    match op {
        Op::Add | Op::Sub => w(wide, Op0::Add64I, Op0::Add32I),
        Op::And | Op::AndNot => w(wide, Op0::And64I, Op0::And32I),
        Op::Or => w(wide, Op0::Or64I, Op0::Or32I),
        Op::Xor => w(wide, Op0::Xor64I, Op0::Xor32I),
        Op::Shl => w(wide, Op0::Shl64I, Op0::Shl32I),
        Op::Lshr => w(wide, Op0::Lshr64I, Op0::Lshr32I),
        Op::Ashr => w(wide, Op0::Ashr64I, Op0::Ashr32I),
        Op::Ror => w(wide, Op0::Ror64I, Op0::Ror32I),
        _ => None,
    }
}

fn rr(op: Op, wide: bool) -> Option<Op0> {
    match op {
        Op::Add => w(wide, Op0::Add64, Op0::Add32),
        Op::Sub => w(wide, Op0::Sub64, Op0::Sub32),
        Op::Mul => w(wide, Op0::Mul64, Op0::Mul32),
        Op::And => w(wide, Op0::And64, Op0::And32),
        Op::Or => w(wide, Op0::Or64, Op0::Or32),
        Op::Xor => w(wide, Op0::Xor64, Op0::Xor32),
        Op::AndNot => w(wide, Op0::AndNot64, Op0::AndNot32),
        Op::OrNot => w(wide, Op0::OrNot64, Op0::OrNot32),
        Op::XorNot => w(wide, Op0::XorNot64, Op0::XorNot32),
        Op::Shl => w(wide, Op0::Shl64, Op0::Shl32),
        Op::Lshr => w(wide, Op0::Lshr64, Op0::Lshr32),
        Op::Ashr => w(wide, Op0::Ashr64, Op0::Ashr32),
        Op::Ror => w(wide, Op0::Ror64, Op0::Ror32),
        Op::UDiv => w(wide, Op0::UDiv64, Op0::UDiv32),
        Op::SDiv => w(wide, Op0::SDiv64, Op0::SDiv32),
        Op::UMulH => Some(Op0::UMulH),
        Op::SMulH => Some(Op0::SMulH),
        Op::BAnd => Some(Op0::BAnd),
        Op::BOr => Some(Op0::BOr),
        Op::BXor => Some(Op0::BXor),
        _ => None,
    }
}

fn unary(i: &Inst, wide: bool) -> Option<Op0> {
    match (i.op, i.imm) {
        (Op::Not, _) => w(wide, Op0::Not64, Op0::Not32),
        (Op::Neg, _) => w(wide, Op0::Neg64, Op0::Neg32),
        (Op::Clz, _) => w(wide, Op0::Clz64, Op0::Clz32),
        (Op::Rbit, _) => w(wide, Op0::Rbit64, Op0::Rbit32),
        (Op::Bswap, _) => w(wide, Op0::Bswap64, Op0::Bswap32),
        (Op::SextLow, 8) => w(wide, Op0::Sx8To64, Op0::Sx8To32),
        (Op::SextLow, 16) => w(wide, Op0::Sx16To64, Op0::Sx16To32),
        (Op::SextLow, 32) => Some(Op0::Sx32To64),
        (Op::BNot, _) => Some(Op0::BNot),
        _ => None,
    }
}
