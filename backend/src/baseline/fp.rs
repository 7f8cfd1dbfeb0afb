//! Scalar floating point on the host's instructions, and the few integer ops without a bytecode op of their own.
//!
//! The host's answer is the guest's except where a NaN comes out, or an integer does not fit. Most NaNs are made off the main path
//! ([`Cold::Nan`]); else the runtime does the op again ([`Cold::Redo`]). Only while the guest's FP mode is the default (see
//! [`crate::abi::MODE_FP`]). Exceptions accumulate in MXCSR. The host looks for underflow after rounding, the guest before: where a product or
//! narrowed number is a smallest normal one, to which it may have been rounded up, the runtime does the op again too.

use super::asm::{Enc, RAX, Xmm, alu, cc, sh};
use super::flags::swaps;
use super::{Baseline, Cold, Home, Terms};
use crate::abi::{EXIT_FAULT, FrameHeader};
use crate::bytecode::{Bytecode, EvalDesc, Op0};
use metaphrase_ir::arith::{FPSR_BITS, simd::QC};
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::ops::Round;
use metaphrase_ir::{Cond, FlagsKind, Op, Type};
use std::mem::offset_of;

/// Scalar opcode `op` of the given width.
pub(super) const fn scalar(wide: bool, op: u8) -> Enc {
    Enc(if wide { 0xf2 } else { 0xf3 }, 1, op)
}

/// Opcode and digit.
const LDMXCSR: (Enc, u8) = (Enc(0, 1, 0xae), 2);
const STMXCSR: (Enc, u8) = (Enc(0, 1, 0xae), 3);
const LOAD: Enc = Enc(0, 0, 0x8b);
const LOAD_X: Enc = Enc(0xf3, 1, 0x7e);

/// Offsets in the frame.
const SCRATCH: usize = offset_of!(FrameHeader, scratch);
const GUEST_MXCSR: usize = offset_of!(FrameHeader, guest_mxcsr);
const SATURATED: usize = offset_of!(FrameHeader, saturated);
const FPSR_USED: usize = offset_of!(FrameHeader, fpsr_used);
const LEAST: usize = offset_of!(FrameHeader, least);

/// UCOMISD, UCOMISS.
const fn unordered(wide: bool) -> Enc {
    Enc(if wide { 0x66 } else { 0 }, 1, 0x2e)
}

impl Baseline {
    /// Emits the op if it is one of these integer ops.
    pub(super) fn int_eval(&mut self, e: &EvalDesc) -> bool {
        let wide = e.inst.ty == Type::I64;
        match e.inst.op {
            Op::Extr => {
                let (a, b) = (self.r.get(e.args[0]), self.r.get(e.args[1]));
                let d = self.r.alloc();
                self.r.asm.mov(d, b);
                if e.inst.imm != 0 {
                    // shrd d, a, imm
                    self.r.asm.rr(Enc(0, 1, 0xac), wide, a, d);
                    self.r.asm.put(e.inst.imm, 1);
                } else if !wide {
                    self.r.asm.mov32(d, d);
                }
                self.r.set(e.d, d);
            }
            Op::Popcnt if self.host.popcnt => {
                let a = self.r.get(e.args[0]);
                let d = self.r.alloc();
                self.r.asm.rr(Enc(0xf3, 1, 0xb8), wide, d, a);
                self.r.set(e.d, d);
            }
            Op::Rev32 => self.swap_rotated(e, true, 32),
            Op::Rev16 if !wide => self.swap_rotated(e, false, 16),
            _ => return false,
        }
        true
    }

    fn swap_rotated(&mut self, e: &EvalDesc, w: bool, by: u8) {
        let a = self.r.get(e.args[0]);
        let d = self.r.alloc();
        self.r.asm.mov(d, a);
        self.bswap_in(d, w);
        self.r.asm.shift_imm(sh::ROR, w, d, by);
        self.r.set(e.d, d);
    }

    /// Emits the op if it is a scalar FP op with a template in this mode.
    pub(super) fn fp_eval(&mut self, code: &Bytecode, i: u32, e: &EvalDesc) -> bool {
        let wide = e.inst.ty == Type::F64;
        match e.inst.op {
            Op::FNeg => self.sign(e, wide, true),
            Op::FAbs => self.sign(e, wide, false),
            _ if !self.fp_inline => return false,
            Op::FAdd => self.arith(i, e, wide, 0x58),
            Op::FMul => self.arith(i, e, wide, 0x59),
            Op::FSub => self.arith(i, e, wide, 0x5c),
            Op::FDiv => self.arith(i, e, wide, 0x5e),
            Op::FSqrt => {
                let a = self.r.get_d(e.args[0]);
                let x = self.copy_scalar(e.args[0], wide);
                self.r.asm.rr(scalar(wide, 0x51), false, x, x);
                let terms = Terms {
                    a,
                    b: a,
                    addend: None,
                    in_order: true,
                };
                self.checked(i, e, wide, x, terms);
            }
            Op::FMulAdd if self.host.fma => {
                let n = self.r.get_d(e.args[0]);
                let (a, b) = (self.r.get_d(e.args[1]), self.r.get_d(e.args[2]));
                let x = self.copy_scalar(e.args[0], wide);
                // vfmadd231: x = a * b + x
                self.r.asm.vex(Enc(0x66, 2, 0xb9), wide, x, a, b);
                let terms = Terms {
                    a,
                    b,
                    addend: Some(n),
                    in_order: false,
                };
                self.checked(i, e, wide, x, terms);
            }
            Op::FCvt => {
                let from = e.tys[0] == Type::F64;
                if from == wide {
                    return false;
                }
                let a = self.r.get_d(e.args[0]);
                let x = self.zeroed();
                self.r.asm.rr(scalar(from, 0x5a), false, x, a);
                if from {
                    // As integers: NaNs are the guest's.
                    let t = self.r.alloc();
                    self.r.asm.rr(Enc(0x66, 1, 0x7e), false, x, t); // movd
                    self.r.asm.alu(alu::ADD, false, t, t);
                    let least = f32::MIN_POSITIVE.to_bits() * 2;
                    self.r.asm.alu_imm(alu::CMP, false, t, least as i32);
                    self.again(i, e, cc::E, Home::D(x, e.d));
                    self.resume(1);
                }
                self.set_scalar(e.d, x, wide);
            }
            Op::FRint => return self.round(i, e, wide),
            Op::IntToF => return self.int_to_fp(e, wide),
            Op::FToInt => return self.fp_to_int(i, e),
            Op::FlagsFcmp => self.compare(code, i, e),
            Op::FMax | Op::FMaxNm => self.extremum_d(i, e, wide, 0x5f),
            Op::FMin | Op::FMinNm => self.extremum_d(i, e, wide, 0x5d),
            _ => return false,
        }
        true
    }

    fn zeroed(&mut self) -> Xmm {
        let x = self.r.alloc_x();
        self.r.asm.rr(Enc(0, 1, 0x57), false, x, x);
        x
    }

    /// A fresh register with the scalar at word `w`, zero above.
    pub(super) fn copy_scalar(&mut self, w: u16, wide: bool) -> Xmm {
        self.r.get_d(w);
        let x = self.r.alloc_x();
        if wide {
            self.low64_to(x, w);
        } else {
            self.low32(x, w);
        }
        x
    }

    /// Word `w` = the scalar in `x`, zero above.
    pub(super) fn set_scalar(&mut self, w: u16, x: Xmm, wide: bool) {
        self.r.set_d(w, x);
        self.r.mark_zero(x, wide);
    }

    fn arith(&mut self, i: u32, e: &EvalDesc, wide: bool, op: u8) {
        let (mut a, mut b) = (self.r.get_d(e.args[0]), self.r.get_d(e.args[1]));
        // What is above the first operand gets into the result.
        let commutes = matches!(op, 0x58 | 0x59);
        let swapped = commutes && !self.r.zero_above(a, wide) && self.r.zero_above(b, wide);
        if swapped {
            (a, b) = (b, a);
        }
        let x;
        if self.host.avx2 && self.r.zero_above(a, wide) {
            x = self.r.alloc_x();
            self.r.asm.vex(scalar(wide, op), false, x, a, b);
        } else {
            x = self.copy_scalar(e.args[0], wide);
            b = self.r.get_d(e.args[1]);
            self.r.asm.rr(scalar(wide, op), false, x, b);
        }
        let terms = Terms {
            a,
            b,
            addend: None,
            in_order: !swapped,
        };
        self.checked(i, e, wide, x, terms);
    }

    /// `x`, made of the operands by one host instruction, is the result unless it is a NaN, or tiny where it may be too small.
    fn checked(&mut self, i: u32, e: &EvalDesc, wide: bool, x: Xmm, terms: Terms) {
        let tiny = matches!(e.inst.op, Op::FMul | Op::FMulAdd);
        let jump = if tiny {
            self.compare_least(x, wide);
            // NaNs are unordered, which counts as equal.
            self.r.asm.jcc(cc::E)
        } else {
            self.r.asm.rr(unordered(wide), false, x, x);
            self.r.asm.jcc(cc::P)
        };
        let c = Cold::Nan {
            jump,
            wide,
            tiny,
            terms,
            x,
            op: i,
            d: e.d,
            resume: self.r.asm.pos() as u32,
        };
        self.later_redo(c, e);
        self.set_scalar(e.d, x, wide);
    }

    /// Compares the magnitude of `x` with the smallest normal number.
    fn compare_least(&mut self, x: Xmm, wide: bool) {
        let t = self.r.alloc_x();
        let m = &mut self.r.asm;
        let at = LEAST + 16 * wide as usize;
        m.header(LOAD_X, false, t, at);
        m.rr(Enc(0, 1, 0x54), false, t, x); // andps
        m.header(unordered(wide), false, t, at + 8);
    }

    /// Off the main path: the host's NaN is the guest's if one of the factors (terms) is a NaN and nothing else; without any it is the
    /// default NaN. Of two the host takes the first and makes it quiet; so does the guest, unless only the second is signaling. For the rest
    /// the runtime decides. Comparing raises nothing that the op has not raised.
    pub(super) fn nan_result(&mut self, c: Cold, dirty: (u32, u32)) {
        let Cold::Nan {
            wide,
            tiny,
            terms,
            x,
            op,
            d,
            resume,
            ..
        } = c
        else {
            return;
        };
        let Terms {
            a,
            b,
            addend,
            in_order,
        } = terms;
        let compare = unordered(wide);
        let m = &mut self.r.asm;
        let number = tiny.then(|| {
            m.rr(compare, false, x, x);
            m.jcc(cc::NP)
        });
        let special = addend.map(|n| {
            m.rr(compare, false, n, n);
            m.jcc(cc::P)
        });
        m.rr(compare, false, a, b);
        let none = m.jcc(cc::NP);
        if a != b {
            for r in [a, b] {
                m.rr(compare, false, r, r);
                let other = m.jcc(cc::NP);
                m.bind(other, resume as usize);
            }
            if in_order {
                m.put(0x50, 1); // push rax
                m.movq_rx(RAX, b);
                m.rr(Enc(0, 1, 0xba), true, 4, RAX); // bt
                m.put(if wide { 51 } else { 22 }, 1);
                m.put(0x58, 1); // pop rax
                let quiet = m.jcc(cc::B);
                m.bind(quiet, resume as usize);
            }
        } else {
            m.jmp_to(resume as usize);
        }
        if a != b || special.is_some() || tiny {
            let at = m.pos();
            for field in [number, special].into_iter().flatten() {
                m.bind(field, at);
            }
            self.save(dirty);
            self.redo_op(op, Home::D(x, d), resume);
        }
        let m = &mut self.r.asm;
        let at = m.pos();
        m.bind(none, at);
        let field = m.rip(Enc(0xf3, 1, if wide { 0x7e } else { 0x10 }), x);
        let default = match wide {
            true => 0x7ff8_0000_0000_0000,
            false => 0x7fc0_0000,
        };
        self.pool.push((field, default));
        self.r.asm.jmp_to(resume as usize);
    }

    /// Turns the sign over, or clears it.
    fn sign(&mut self, e: &EvalDesc, wide: bool, negate: bool) {
        let x = self.copy_scalar(e.args[0], wide);
        let t = self.r.alloc_x();
        let m = &mut self.r.asm;
        m.rr(Enc(0x66, 1, 0x76), false, t, t); // all ones
        m.rr(Enc(0x66, 1, 0x73), false, 3, t); // psrldq: keep the low lane
        m.put(if wide { 8 } else { 12 }, 1);
        let digit = if negate { 6 } else { 2 }; // psll, psrl
        m.rr(
            Enc(0x66, 1, if wide { 0x73 } else { 0x72 }),
            false,
            digit,
            t,
        );
        m.put(
            if !negate {
                1
            } else if wide {
                63
            } else {
                31
            },
            1,
        );
        m.rr(Enc(0, 1, if negate { 0x57 } else { 0x54 }), false, x, t);
        self.set_scalar(e.d, x, wide);
    }

    /// The runtime does the op again if the host's condition holds; then execution goes on at the place to be given to [`Self::resume`].
    pub(super) fn again(&mut self, i: u32, e: &EvalDesc, c: u8, result: Home) {
        let jump = self.r.asm.jcc(c);
        let c = Cold::Redo {
            jump,
            op: i,
            result,
            resume: 0,
        };
        self.later_redo(c, e);
    }

    /// Here go on those of the last `n` cold paths.
    pub(super) fn resume(&mut self, n: usize) {
        let at = self.r.asm.pos() as u32;
        for (_, c, _) in self.cold.iter_mut().rev().take(n) {
            if let Cold::Redo { resume, .. } = c {
                *resume = at;
            }
        }
    }

    /// The host's minimum and maximum give the second operand for zeros of both signs, and know nothing of quiet NaNs: these are
    /// found first.
    fn extremum_d(&mut self, i: u32, e: &EvalDesc, wide: bool, op: u8) {
        let (a, b) = (self.r.get_d(e.args[0]), self.r.get_d(e.args[1]));
        let x = self.copy_scalar(e.args[0], wide);
        let y = self.copy_scalar(e.args[1], wide);
        self.r
            .asm
            .rr(Enc(if wide { 0x66 } else { 0 }, 1, 0x2e), false, a, b);
        self.again(i, e, cc::P, Home::D(x, e.d));
        self.r.asm.rr(scalar(wide, op), false, x, b);
        self.r.asm.rr(scalar(wide, op), false, y, a);
        // Both orders: zeros of both signs join, all else is the same.
        let join = if op == 0x5f { 0x54 } else { 0x56 };
        self.r.asm.rr(Enc(0, 1, join), false, x, y);
        self.resume(1);
        self.r.set_d(e.d, x);
    }

    /// ROUNDSD, ROUNDSS. Bit 3 of its immediate suppresses Inexact, bit 2 asks MXCSR.
    fn round(&mut self, i: u32, e: &EvalDesc, wide: bool) -> bool {
        let mode = match Round::from_bits(e.inst.aux) {
            Round::TieEven => 0,
            Round::Current => 4,
            Round::NegInf => 1,
            Round::PosInf => 2,
            Round::Zero => 3,
            Round::TieAway if e.inst.aux & Round::EXACT == 0 => {
                let a = self.r.get_d(e.args[0]);
                let x = self.zeroed();
                self.r.room(2, 5);
                self.big(i, e, a, wide, Home::D(x, e.d));
                self.tie_away(x, a, wide);
                self.resume(1);
                self.r.set_d(e.d, x);
                return true;
            }
            Round::TieAway | Round::Odd => return false,
        };
        let quiet = if e.inst.aux & Round::EXACT != 0 { 0 } else { 8 };
        let a = self.r.get_d(e.args[0]);
        let x = self.zeroed();
        self.round_to(x, a, wide, mode | quiet);
        self.set_scalar(e.d, x, wide);
        true
    }

    fn round_to(&mut self, x: Xmm, a: Xmm, wide: bool, mode: u64) {
        self.r.asm.rr(Enc(0x66, 3, 0x0a | wide as u8), false, x, a);
        self.r.asm.put(mode, 1);
    }

    /// Leaves numbers so big that they are integers, infinities and NaNs to the runtime.
    fn big(&mut self, i: u32, e: &EvalDesc, a: Xmm, wide: bool, result: Home) {
        let (t, k) = (self.r.alloc(), self.r.alloc());
        if wide {
            self.r.asm.movq_rx(t, a);
            self.r.asm.mov_imm(k, 0x4330_0000_0000_0000 << 1);
        } else {
            self.r.asm.rr(Enc(0x66, 1, 0x7e), false, a, t);
            self.r.asm.mov_imm(k, 0x4b00_0000 << 1);
        }
        // Without the sign.
        self.r.asm.alu(alu::ADD, wide, t, t);
        self.r.asm.alu(alu::CMP, wide, t, k);
        self.again(i, e, cc::AE, result);
    }

    /// `x` (zero) = `a` rounded to the nearest integer, ties away from zero; `a` is not [`Self::big`]. Raises nothing: the parts
    /// and their sum are exact.
    fn tie_away(&mut self, x: Xmm, a: Xmm, wide: bool) {
        let l = if wide { 3 } else { 2 };
        let (half, one) = match wide {
            true => (0.5f64.to_bits(), 1f64.to_bits()),
            false => (0.5f32.to_bits() as u64, 1f32.to_bits() as u64),
        };
        self.round_to(x, a, wide, 3 | 8);
        let rest = self.r.alloc_x();
        self.r.asm.movaps(rest, a);
        self.r.asm.rr(scalar(wide, 0x5c), false, rest, x);
        // half <= |rest| ? one : 0, with the sign of a.
        let sign = self.splat(l, 1 << ((8 << l) - 1));
        let t = self.r.alloc_x();
        self.r.asm.movaps(t, sign);
        self.r.asm.rr(Enc(0, 1, 0x55), false, t, rest); // andnps
        let mask = self.splat(l, half);
        self.r.asm.rr(scalar(wide, 0xc2), false, mask, t); // cmp, not more
        self.r.asm.put(2, 1);
        let one = self.splat(l, one);
        self.r.asm.rr(Enc(0, 1, 0x54), false, mask, one);
        self.r.asm.rr(Enc(0, 1, 0x54), false, sign, a);
        self.r.asm.rr(Enc(0, 1, 0x56), false, mask, sign);
        self.r.asm.rr(scalar(wide, 0x58), false, x, mask);
    }

    fn int_to_fp(&mut self, e: &EvalDesc, wide: bool) -> bool {
        let (signed, long) = (e.inst.aux & Round::SIGNED != 0, e.tys[0] == Type::I64);
        let current = match Round::from_bits(e.inst.aux) {
            Round::Current => true,
            Round::TieEven => self.nearest,
            _ => false,
        };
        if e.inst.imm > 64 || !current {
            return false;
        }
        let mut a = self.r.get(e.args[0]);
        let x = self.zeroed();
        let convert = scalar(wide, 0x2a);
        if long && !signed {
            // From 2 to the 63rd on: half of it, the bit that is lost kept in the lowest, and twice what comes out.
            let (t, u) = (self.r.alloc(), self.r.alloc());
            let m = &mut self.r.asm;
            m.test(true, a, a);
            let big = m.jcc8(cc::S);
            m.rr(convert, true, x, a);
            let done = m.jmp8();
            m.here8(big);
            m.mov(t, a);
            m.shift_imm(sh::SHR, true, t, 1);
            m.mov32(u, a);
            m.alu_imm(alu::AND, false, u, 1);
            m.alu(alu::OR, true, t, u);
            m.rr(convert, true, x, t);
            m.rr(scalar(wide, 0x58), false, x, x);
            m.here8(done);
        } else {
            if !signed {
                let t = self.r.alloc();
                self.r.asm.mov32(t, a);
                a = t;
            }
            self.r.asm.rr(convert, long || !signed, x, a);
        }
        if e.inst.imm != 0 {
            // A power of two: exact.
            let scale = match wide {
                true => self.constant(((1023 - e.inst.imm) << 52) as u128),
                false => self.constant(((127 - e.inst.imm) << 23) as u128),
            };
            self.r.asm.rr(scalar(wide, 0x59), false, x, scale);
        }
        self.set_scalar(e.d, x, wide);
        true
    }

    /// By CVTTSD2SI, which gives the least integer for whatever does not fit. Roundings other than towards zero come before it
    /// and raise nothing; a second conversion raises Inexact, once it is known that the result fits.
    fn fp_to_int(&mut self, i: u32, e: &EvalDesc) -> bool {
        let signed = e.inst.aux & Round::SIGNED != 0;
        let (from, long) = (e.tys[0] == Type::F64, e.inst.ty == Type::I64);
        let mode = match Round::from_bits(e.inst.aux) {
            Round::Zero if signed => None,
            Round::Zero => Some(11),
            Round::TieEven => Some(8),
            Round::NegInf => Some(9),
            Round::PosInf => Some(10),
            Round::TieAway => Some(3),
            Round::Current | Round::Odd => return false,
        };
        if e.inst.imm > 63 {
            return false;
        }
        let mut a = self.r.get_d(e.args[0]);
        let d = self.r.alloc();
        self.r.room(6, 9);
        let home = Home::Gpr(d, e.d);
        let mut colds = 1;
        if e.inst.imm != 0 {
            // A power of two: exact, since it stays far from infinity.
            self.big(i, e, a, from, home);
            colds += 1;
            let scale = match from {
                true => self.constant(((1023 + e.inst.imm) << 52) as u128),
                false => self.constant(((127 + e.inst.imm) << 23) as u128),
            };
            let scaled = self.copy_v(a);
            self.r.asm.rr(scalar(from, 0x59), false, scaled, scale);
            a = scaled;
        }
        let mut rounded = a;
        if let Some(mode) = mode {
            rounded = self.zeroed();
            if mode == 3 {
                self.big(i, e, a, from, home);
                colds += 1;
                self.tie_away(rounded, a, from);
            } else {
                self.round_to(rounded, a, from, mode);
            }
        }
        if long && !signed {
            // From 2 to the 63rd on the conversion would raise Invalid.
            let bits = match from {
                true => 0x43e0_0000_0000_0000,
                false => 0x5f00_0000,
            };
            let limit = self.constant(bits);
            self.r.asm.rr(
                Enc(if from { 0x66 } else { 0 }, 1, 0x2f),
                false,
                rounded,
                limit,
            );
            self.again(i, e, cc::AE, home);
            colds += 1;
        }
        let exact_width = signed && mode.is_none();
        self.r
            .asm
            .rr(scalar(from, 0x2c), long || !exact_width, d, rounded);
        match (signed, long) {
            (true, true) => {
                self.r.asm.alu_imm(alu::CMP, true, d, 1);
                self.again(i, e, cc::O, home);
            }
            (true, false) if exact_width => {
                self.r.asm.alu_imm(alu::CMP, false, d, 1);
                self.again(i, e, cc::O, home);
            }
            (true, false) => {
                let t = self.r.alloc();
                self.r.asm.rr(Enc(0, 0, 0x63), true, t, d); // movsxd
                self.r.asm.alu(alu::CMP, true, t, d);
                self.again(i, e, cc::NE, home);
                self.r.asm.mov32(d, d);
            }
            (false, true) => {
                self.r.asm.test(true, d, d);
                self.again(i, e, cc::S, home);
            }
            (false, false) => {
                let t = self.r.alloc();
                self.r.asm.mov32(t, d);
                self.r.asm.alu(alu::CMP, true, t, d);
                self.again(i, e, cc::NE, home);
            }
        }
        if mode.is_some() {
            let t = self.r.alloc();
            self.r.asm.rr(scalar(from, 0x2c), true, t, a);
        }
        self.resume(colds);
        self.r.set(e.d, d);
        true
    }

    /// FCMP, FCMPE: now for the exceptions, and as a lazy triple for whoever asks. If a branch does so next, its comparison is this one.
    fn compare(&mut self, code: &Bytecode, i: u32, e: &EvalDesc) {
        let wide = e.tys[0] == Type::F64;
        let (a, b) = (self.r.get_d(e.args[0]), self.r.get_d(e.args[1]));
        let next = code.ops.get(i as usize + 1);
        let asked = next.filter(|n| n.op == Op0::BrCond && n.a == e.d);
        let swapped = asked.is_some_and(|n| swaps(Cond::from_bits(n.d as u32)));
        let op = if e.inst.aux == 0 { 0x2e } else { 0x2f };
        let (first, second) = if swapped { (b, a) } else { (a, b) };
        self.r.asm.rr(
            Enc(if wide { 0x66 } else { 0 }, 1, op),
            false,
            first,
            second,
        );
        let kind = if wide {
            FlagsKind::Fcmp64
        } else {
            FlagsKind::Fcmp32
        };
        self.kind(e.d, kind, None);
        self.r.alias_d(e.d + 1, a);
        self.r.alias_d(e.d + 2, b);
        // Only stores have been emitted since.
        self.compared = asked.map_or(0, |_| self.r.asm.pos());
    }

    /// Helpers that read and write FPSR, whose sticky bits are in part MXCSR's; the others are called.
    pub(super) fn fpsr_call(&mut self, e: &EvalDesc) -> bool {
        let access = match HelperId::from_imm(e.inst.imm) {
            Some(HelperId::ReadFpsr) => Self::read_fpsr,
            Some(HelperId::WriteFpsr) => Self::write_fpsr,
            _ => return false,
        };
        // The first access is the interpreter's, so that the runtime learns of it.
        let m = &mut self.r.asm;
        m.header(Enc(0, 0, 0x83), false, 7, FPSR_USED); // cmp
        m.put(0, 1);
        let jump = m.jcc(cc::E);
        self.later(Cold::Leave {
            jump,
            pc: self.guest_pc,
            code: EXIT_FAULT,
        });
        access(self, e);
        true
    }

    /// MXCSR's bits are added to what is returned and stay where they are.
    fn read_fpsr(&mut self, e: &EvalDesc) {
        let (d, t) = (self.r.alloc(), self.r.alloc());
        let m = &mut self.r.asm;
        m.header(STMXCSR.0, false, STMXCSR.1, SCRATCH);
        // x86: IE 0, DE 1, ZE 2, OE 3, UE 4, PE 5. Arm: IOC 0, DZC 1, OFC 2, UFC 3, IXC 4.
        m.header(LOAD, false, t, SCRATCH);
        m.mov32(d, t);
        m.shift_imm(sh::SHR, false, t, 1);
        m.alu_imm(alu::AND, false, d, 1);
        m.alu_imm(alu::AND, false, t, 0x1e);
        m.alu(alu::OR, false, d, t);
        // Minus 1 if nothing has saturated.
        m.header(Enc(0, 0, 0x83), false, 7, SATURATED);
        m.put(1, 1);
        m.rr(Enc(0, 0, 0x19), false, t, t); // sbb
        m.rr(Enc(0, 0, 0xf7), false, 2, t); // not
        m.alu_imm(alu::AND, false, t, QC as i32);
        m.alu(alu::OR, false, d, t);
        m.header(Enc(0, 0, 0x0b), false, d, self.fpsr); // or d, FPSR
        self.r.set(e.d, d);
    }

    /// MXCSR forgets what it has; it is written only if it has something, which takes longer than reading it.
    fn write_fpsr(&mut self, e: &EvalDesc) {
        self.quiet_flags();
        let a = self.r.get(e.args[0]);
        let t = self.r.alloc();
        let m = &mut self.r.asm;
        m.mov32(t, a);
        m.alu_imm(alu::AND, false, t, FPSR_BITS as i32);
        m.header(Enc(0, 0, 0x89), false, t, self.fpsr);
        m.header(Enc(0, 0, 0xc7), false, 0, SATURATED);
        m.put(0, 4);
        m.header(STMXCSR.0, false, STMXCSR.1, SCRATCH);
        m.header(LOAD, false, t, GUEST_MXCSR);
        m.header(Enc(0, 0, 0x3b), false, t, SCRATCH);
        let same = m.jcc8(cc::E);
        m.header(LDMXCSR.0, false, LDMXCSR.1, GUEST_MXCSR);
        m.here8(same);
    }
}
