//! The translator's context and the operands that all classes share: general and vector registers, shifted and extended
//! registers, flags.
//!
//! Register number 31 is the zero register in `x`/`w`/`r` and `set_x`/`set_w`/`set_r`, the stack pointer in the `_sp`
//! forms. `sf` is the manual's width bit: nonzero means 64 bits. 32-bit results are zero-extended into the X register; FP and vector results
//! narrower than 128 bits clear the rest of the V register. Nothing is remembered between instructions: each reads its
//! registers anew, and the IR passes forward what is known.

use super::Config;
use crate::arch::state;
use metaphrase_ir::ops::IntCond;
use metaphrase_ir::{Builder, Cond, Shape, Type, Value};

/// Translation of one block: the builder, the configuration and the current instruction.
#[derive(Debug)]
pub struct Ctx<'a> {
    /// Where ops go.
    pub b: Builder<'a>,
    /// What translation depends on.
    pub cfg: &'a Config,
    /// Address of the current instruction.
    pub pc: u64,
    /// The current instruction word.
    pub word: u32,
}

/// Sign-extends the low `bits` of `v`.
pub const fn sext(v: u32, bits: u32) -> i64 {
    ((v as u64) << (64 - bits)) as i64 >> (64 - bits)
}

/// Type of a general-register operand.
pub const fn int_ty(sf: u32) -> Type {
    if sf != 0 { Type::I64 } else { Type::I32 }
}

impl<'a> Ctx<'a> {
    /// A context at `pc`; call [`Self::start`] for each instruction.
    pub fn new(b: Builder<'a>, cfg: &'a Config, pc: u64) -> Ctx<'a> {
        Ctx {
            b,
            cfg,
            pc,
            word: 0,
        }
    }

    /// Begins the instruction `word` at `pc`.
    pub fn start(&mut self, pc: u64, word: u32) {
        self.pc = pc;
        self.word = word;
        self.b.mark(pc);
    }

    // ---- general registers ----

    /// Xn, or 0 for n = 31.
    pub fn x(&mut self, n: u32) -> Value {
        match n {
            31 => self.b.i64(0),
            _ => self.b.get(state::x(n)),
        }
    }

    /// Wn as `I32`, or 0 for n = 31.
    pub fn w(&mut self, n: u32) -> Value {
        if n == 31 {
            return self.b.i32(0);
        }
        let x = self.x(n);
        self.b.trunc(x)
    }

    /// Xn (`I64`) or Wn (`I32`) by `sf`; 31 reads as 0.
    pub fn r(&mut self, sf: u32, n: u32) -> Value {
        if sf != 0 { self.x(n) } else { self.w(n) }
    }

    /// Xn, or SP for n = 31.
    pub fn x_sp(&mut self, n: u32) -> Value {
        match n {
            31 => self.b.get(state::SP),
            _ => self.b.get(state::x(n)),
        }
    }

    /// Xn or Wn by `sf`; 31 is the stack pointer.
    pub fn r_sp(&mut self, sf: u32, n: u32) -> Value {
        let x = self.x_sp(n);
        if sf != 0 { x } else { self.b.trunc(x) }
    }

    /// Xn = `v` (`I64`); 31 discards.
    pub fn set_x(&mut self, n: u32, v: Value) {
        if n != 31 {
            self.b.set(state::x(n), v);
        }
    }

    /// Wn = `v` (`I32`), upper half cleared; 31 discards.
    pub fn set_w(&mut self, n: u32, v: Value) {
        if n != 31 {
            let x = self.b.zext(v);
            self.b.set(state::x(n), x);
        }
    }

    /// Xn = `v` or Wn = `v`, by the type of `v`; 31 discards.
    pub fn set_r(&mut self, n: u32, v: Value) {
        if self.b.ty(v) == Type::I64 {
            self.set_x(n, v);
        } else {
            self.set_w(n, v);
        }
    }

    /// As [`Self::set_r`], but 31 is the stack pointer.
    pub fn set_r_sp(&mut self, n: u32, v: Value) {
        if n != 31 {
            return self.set_r(n, v);
        }
        let x = if self.b.ty(v) == Type::I64 {
            v
        } else {
            self.b.zext(v)
        };
        self.b.set(state::SP, x);
    }

    /// Constant of the width that `sf` says.
    pub fn imm(&mut self, sf: u32, v: u64) -> Value {
        self.b.iconst(int_ty(sf), v)
    }

    /// ShiftReg (shared/functions/registers): Rm shifted by a constant; `kind` 0 LSL, 1 LSR, 2 ASR, 3 ROR.
    pub fn shifted(&mut self, sf: u32, m: u32, kind: u32, amount: u32) -> Value {
        let v = self.r(sf, m);
        self.shift_imm(v, kind, amount)
    }

    /// A value shifted by a constant below its width; `kind` as in [`Self::shifted`].
    pub fn shift_imm(&mut self, v: Value, kind: u32, amount: u32) -> Value {
        match (kind, amount) {
            (_, 0) => v,
            (0, n) => self.b.shl_i(v, n),
            (1, n) => self.b.lshr_i(v, n),
            (2, n) => self.b.ashr_i(v, n),
            (_, n) => self.b.ror_i(v, n),
        }
    }

    /// ExtendReg (shared/functions/registers): `option` 0..3 UXTB, UXTH, UXTW, UXTX, 4..7 SXTB, SXTH, SXTW, SXTX; then shifted left.
    pub fn extended(&mut self, sf: u32, m: u32, option: u32, shift: u32) -> Value {
        let v = match (option, sf) {
            (3 | 7, _) | (2 | 6, 0) => self.r(sf, m),
            (2, _) => {
                let w = self.w(m);
                self.b.zext(w)
            }
            (6, _) => {
                let w = self.w(m);
                self.b.sext(w)
            }
            (0 | 1, _) => {
                let (v, mask) = (
                    self.r(sf, m),
                    self.imm(sf, 0xff | (u64::from(option) * 0xff00)),
                );
                self.b.and(v, mask)
            }
            _ => {
                let v = self.r(sf, m);
                self.b.sext_low(v, if option == 4 { 8 } else { 16 })
            }
        };
        self.shift_imm(v, 0, shift)
    }

    // ---- flags ----

    /// The condition flags (`Flags`).
    pub fn flags(&mut self) -> Value {
        self.b.get(state::NZCV)
    }

    /// NZCV = `f`.
    pub fn set_flags(&mut self, f: Value) {
        self.b.set(state::NZCV, f);
    }

    /// Whether a condition (its 4-bit encoding) holds on the current flags (`Bool`).
    pub fn cond(&mut self, cond: u32) -> Value {
        let c = Cond::from_bits(cond);
        if matches!(c, Cond::Al | Cond::Nv) {
            return self.b.bool(true);
        }
        let f = self.flags();
        self.b.cond(c, f)
    }

    /// The carry flag as a `Bool`.
    pub fn carry(&mut self) -> Value {
        let f = self.flags();
        self.b.cond(Cond::Cs, f)
    }

    /// ADDS or SUBS of two values of one width: sets NZCV, and Rd (31 discards: CMP, CMN).
    pub fn add_sub_flags(&mut self, rd: u32, a: Value, b: Value, sub: bool) {
        let f = if sub {
            self.b.flags_sub(a, b)
        } else {
            self.b.flags_add(a, b)
        };
        if rd != 31 {
            let v = if sub {
                self.b.sub(a, b)
            } else {
                self.b.add(a, b)
            };
            self.set_r(rd, v);
        }
        self.set_flags(f);
    }

    /// Rd = a if the comparison holds between a and b, else b (SMAX and its family).
    pub fn min_max(&mut self, keep_first: IntCond, rd: u32, a: Value, b: Value) {
        let c = self.b.icmp(keep_first, a, b);
        let v = self.b.select(c, a, b);
        self.set_r(rd, v);
    }

    // ---- vector registers ----

    /// Vn, all 128 bits.
    pub fn v(&mut self, n: u32) -> Value {
        self.b.get(state::v(n))
    }

    /// Vn = `v` (`V128`), all 128 bits.
    pub fn set_v(&mut self, n: u32, v: Value) {
        self.b.set(state::v(n), v);
    }

    /// Vn = `v` with bits 127..64 cleared unless `q` is nonzero: the result of a vector operation whose ops may leave them set.
    pub fn set_v_q(&mut self, q: u32, n: u32, v: Value) {
        let v = if q != 0 { v } else { self.b.vzero_hi(v) };
        self.set_v(n, v);
    }

    /// Sn as `F32`.
    pub fn s(&mut self, n: u32) -> Value {
        let v = self.v(n);
        self.b.vlane(Type::F32, Shape::S1, v, 0)
    }

    /// Dn as `F64`.
    pub fn d(&mut self, n: u32) -> Value {
        let v = self.v(n);
        self.b.vlane(Type::F64, Shape::D1, v, 0)
    }

    /// Hn, zero-extended into an `I32`.
    pub fn h(&mut self, n: u32) -> Value {
        let v = self.v(n);
        self.b.vlane(Type::I32, Shape::H1, v, 0)
    }

    /// Vn = scalar `v` (lane of the size of its type: `I32`/`F32` 32 bits, `I64`/`F64` 64), the rest cleared.
    pub fn set_scalar(&mut self, n: u32, v: Value) {
        let shape = match self.b.ty(v).bytes() {
            8 => Shape::D1,
            _ => Shape::S1,
        };
        let v = self.b.vscalar(shape, v);
        self.set_v(n, v);
    }

    /// Hn = low 16 bits of `v` (`I32`), the rest cleared.
    pub fn set_h(&mut self, n: u32, v: Value) {
        let v = self.b.vscalar(Shape::H1, v);
        self.set_v(n, v);
    }
}
