//! Bytecode of one IR instruction: which op it becomes, and where its operands and result are.

use super::{Cx, Loc, R};
use crate::abi::HEADER_SIZE;
use crate::bytecode::{EvalDesc, Op0};
use metaphrase_ir::ops::{AuxFmt, Effects, Fence, ImmFmt};
use metaphrase_ir::{Inst, Op, Shape, Slot, Type, Value};

/// Whether it does nothing but make its result.
fn is_pure(i: &Inst) -> bool {
    let e = i.effects();
    e.is_empty() || e == Effects::READ_SLOT
}

impl Cx<'_> {
    pub(super) fn one(&mut self, v: Value) -> R {
        let i = *self.inst(v);
        let k = self.idx(v);
        if self.b.loc[k] == Loc::Deferred {
            return Ok(());
        }
        if self.b.uses[k] == 0 && i.ty != Type::Void && is_pure(&i) {
            let args = self.chosen(v).map_or(i.args, |s| self.inst(s).args);
            for a in args {
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
                if let Some(select) = self.chosen(v) {
                    let (a, not) = self.holds_chosen(&i, select)?;
                    let d = self.dest(v)?;
                    let op = if not { Op0::BNot } else { Op0::Mov64 };
                    self.emit(op, d, a, 0, 0);
                    return Ok(());
                }
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
        if self.is_deferred(i.args[0]) {
            let sum = *self.inst(i.args[0]);
            let (a, b, n) = self.take_sum(&sum)?;
            self.consume(i.args[0]);
            let d = self.dest(v)?;
            self.emit(indexed(op), d, a, b, n);
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
        if let Some(select) = self.chosen(c).filter(|_| self.is_deferred(c)) {
            let h = *self.inst(c);
            let (c, not) = self.holds_chosen(&h, select)?;
            let (a, b) = (self.off(x)?, self.off(y)?);
            self.consume_args(i);
            let d = self.select_dest(v, i.ty, zx)?;
            let (a, b) = if not { (b, a) } else { (a, b) };
            self.emit(Op0::Select64, d, a, b, c as u64);
        } else if self.is_deferred(c) {
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
        if i.op == Op::Add && i.args[..2].iter().any(|&a| self.is_deferred(a)) {
            let (a, b, n) = self.take_sum(i)?;
            let d = self.dest(v)?;
            self.emit(Op0::AddShl64, d, a, b, n);
            return Ok(());
        }
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
}

pub(super) fn mov(ty: Type) -> Op0 {
    match ty {
        Type::V128 => Op0::MovV,
        Type::Flags => Op0::MovFlags,
        _ => Op0::Mov64,
    }
}

/// The form of a zero-extending load whose address is a sum.
fn indexed(op: Op0) -> Op0 {
    match op {
        Op0::Ld8 => Op0::LdX8,
        Op0::Ld16 => Op0::LdX16,
        Op0::Ld32 => Op0::LdX32,
        _ => Op0::LdX64,
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
