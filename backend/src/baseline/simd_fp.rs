//! Vector floating point: as [`super::fp`], with all lanes checked at once.
//!
//! A shape of 64 bits computes on operands whose upper halves are zero, so that no exception comes from there.

use super::asm::{Enc, Xmm, alu, cc};
use super::simd::{PAND, PUNPCKLQDQ, s2, s38};
use super::{Baseline, Home};
use crate::bytecode::EvalDesc;
use metaphrase_ir::ops::{VBinKind, VShiftKind, VTernKind, VUnKind};
use metaphrase_ir::ops_vector::HI;
use metaphrase_ir::{Op, Shape};

/// Opcode with the prefix of doubles.
const fn packed(wide: bool, op: u8) -> Enc {
    Enc(if wide { 0x66 } else { 0 }, 1, op)
}

const COMPARE: u8 = 0xc2;
/// Predicates of CMPPS.
const EQUAL: u64 = 0;
const LESS: u64 = 1;
const NOT_MORE: u64 = 2;
const UNORDERED: u64 = 3;

impl Baseline {
    /// Emits the op if it is one of these.
    pub(super) fn simd_fp(&mut self, i: u32, e: &EvalDesc) -> bool {
        let s = e.inst.shape();
        if !matches!(s.lane_log2(), 2 | 3) {
            return false;
        }
        match e.inst.op {
            Op::VUn => {
                let k = VUnKind::from_aux(e.inst.aux);
                match k {
                    VUnKind::FNeg | VUnKind::FAbs => self.signs(e, k == VUnKind::FNeg, s),
                    _ => self.fp_inline && self.fp_unary(i, e, k, s),
                }
            }
            Op::VBin => self.fp_inline && self.fp_binary(i, e, s),
            Op::VTern => self.fp_inline && self.host.fma && self.fused(i, e, s),
            Op::VShift => self.fp_inline && self.fp_convert(i, e, s),
            _ => false,
        }
    }

    /// A register with the lanes that count, and zero above.
    fn lanes_of(&mut self, w: u16, s: Shape) -> Xmm {
        let a = self.r.get_v(w);
        if s.bits() < 128 && !self.r.zero_above(a, s.bits() == 64) {
            return self.copy_lanes(w, s);
        }
        a
    }

    /// The same in a fresh register.
    fn copy_lanes(&mut self, w: u16, s: Shape) -> Xmm {
        let a = self.r.get_v(w);
        let x = self.r.alloc_x();
        match s.bits() {
            32 if !self.r.zero_above(a, false) => {
                // insertps: lane 0, zero elsewhere
                self.v2(Enc(0x66, 3, 0x21), x, a);
                self.r.asm.put(0x0e, 1);
            }
            64 if !self.r.zero_above(a, true) => self.r.asm.movq_xx(x, a),
            _ => self.r.asm.movaps(x, a),
        }
        self.mark_shape(x, s);
        x
    }

    /// Turns the signs over, or clears them.
    fn signs(&mut self, e: &EvalDesc, negate: bool, s: Shape) -> bool {
        let x = self.copy_lanes(e.args[0], s);
        let l = s.lane_log2();
        let top = 1u64 << ((8 << l) - 1);
        let m = self.splat(l, if negate { top } else { !top });
        self.v2(Enc(0, 1, if negate { 0x57 } else { 0x54 }), x, m);
        self.result(e, s, x)
    }

    fn absolute(&mut self, x: Xmm, s: Shape) {
        let l = s.lane_log2();
        let m = self.splat(l, !(1u64 << ((8 << l) - 1)));
        self.v2(PAND, x, m);
    }

    fn fp_unary(&mut self, i: u32, e: &EvalDesc, k: VUnKind, s: Shape) -> bool {
        use VUnKind::*;
        let wide = s.lane_log2() == 3;
        match k {
            FSqrt => {
                let x = self.copy_lanes(e.args[0], s);
                self.v2(packed(wide, 0x51), x, x);
                self.checked_v(i, e, s, x, false);
            }
            FRintN | FRintM | FRintP | FRintZ | FRintI | FRintX => {
                let mode = match k {
                    FRintN => 8,
                    FRintM => 9,
                    FRintP => 10,
                    FRintZ => 11,
                    FRintI => 12,
                    _ => 4, // Inexact is told
                };
                let x = self.copy_lanes(e.args[0], s);
                self.v2(Enc(0x66, 3, 0x08 | wide as u8), x, x);
                self.r.asm.put(mode, 1);
                self.r.set_v(e.d, x);
            }
            FCmEq0 | FCmGe0 | FCmGt0 | FCmLe0 | FCmLt0 => {
                let (predicate, swap) = match k {
                    FCmEq0 => (EQUAL, false),
                    FCmGe0 => (NOT_MORE, true),
                    FCmGt0 => (LESS, true),
                    FCmLe0 => (NOT_MORE, false),
                    _ => (LESS, false),
                };
                let a = self.lanes_of(e.args[0], s);
                let z = self.zeros();
                let x = if swap { z } else { self.copy_v(a) };
                self.v2(packed(wide, COMPARE), x, if swap { a } else { z });
                self.r.asm.put(predicate, 1);
                return self.result(e, s, x);
            }
            FCvtNS if self.nearest && !wide => {
                // The least integer stands for whatever does not fit.
                let x = self.copy_lanes(e.args[0], s);
                self.v2(s2(0x5b), x, x); // cvtps2dq
                let t = self.splat(2, 1 << 31);
                self.v2(s2(0x76), t, x); // pcmpeqd
                self.unless(i, e, t, x);
            }
            FCvtL if s == Shape::S2 => {
                let a = self.r.get_v(e.args[0]);
                let x = self.copy_v(a);
                if e.inst.aux & HI != 0 {
                    self.upper(x);
                }
                self.v2(Enc(0, 1, 0x5a), x, x); // cvtps2pd
                self.r.set_v(e.d, x);
            }
            FCvtN if s == Shape::S2 => {
                let a = self.r.get_v(e.args[0]);
                let x = self.r.alloc_x();
                self.v2(Enc(0x66, 1, 0x5a), x, a); // cvtpd2ps
                let t = self.least_lanes(x, 2);
                self.unless(i, e, t, x);
            }
            _ => return false,
        }
        true
    }

    fn fp_binary(&mut self, i: u32, e: &EvalDesc, s: Shape) -> bool {
        use VBinKind::*;
        let wide = s.lane_log2() == 3;
        let k = VBinKind::from_aux(e.inst.aux);
        let op = match k {
            FAdd => 0x58,
            FMul => 0x59,
            FSub | FAbd => 0x5c,
            FDiv => 0x5e,
            FCmEq | FCmGe | FCmGt | FacGe | FacGt => return self.compare_v(e, k, s),
            FMax | FMin | FMaxNm | FMinNm => {
                let (a, b) = (self.lanes_of(e.args[0], s), self.lanes_of(e.args[1], s));
                return self.extremum(i, e, matches!(k, FMax | FMaxNm), s, a, b);
            }
            FAddP | FMaxP | FMinP | FMaxNmP | FMinNmP => return self.fp_pairs(i, e, k, s),
            _ => return false,
        };
        let mut b = self.lanes_of(e.args[1], s);
        let a = self.lanes_of(e.args[0], s);
        if k == FDiv && s.bits() < 128 {
            // 0 / 0 in the lanes that do not exist would raise Invalid.
            let ones = match wide {
                true => 0x3ff0_0000_0000_0000 << 64,
                false => 0x3f80_0000_3f80_0000_3f80_0000_3f80_0000,
            };
            let one = self.constant(ones >> s.bits() << s.bits());
            self.v2(Enc(0, 1, 0x56), one, b);
            b = one;
        }
        let x = self.r.alloc_x();
        self.v3(packed(wide, op), x, a, b);
        if k == FAbd {
            self.absolute(x, s);
        }
        self.checked_v(i, e, s, x, k == FMul);
        true
    }

    /// The host's minimum and maximum give the second operand for zeros of both signs, and know nothing of quiet NaNs: these are
    /// found first.
    fn extremum(&mut self, i: u32, e: &EvalDesc, max: bool, s: Shape, a: Xmm, b: Xmm) -> bool {
        let wide = s.lane_log2() == 3;
        let (x, y) = (self.copy_v(a), self.copy_v(b));
        let t = self.copy_v(a);
        self.v2(packed(wide, COMPARE), t, b);
        self.r.asm.put(UNORDERED, 1);
        self.v2(s38(0x17), t, t); // ptest
        self.again_v(i, e, cc::NE, x);
        let op = if max { 0x5f } else { 0x5d };
        self.v2(packed(wide, op), x, b);
        self.v2(packed(wide, op), y, a);
        // Both orders: zeros of both signs join, all else is the same.
        self.v2(Enc(0, 1, if max { 0x54 } else { 0x56 }), x, y);
        self.resume(1);
        self.r.set_v(e.d, x);
        true
    }

    /// Even lanes of (b : a) with odd ones.
    fn fp_pairs(&mut self, i: u32, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        use VBinKind::*;
        let wide = s.lane_log2() == 3;
        if s.lanes() < 2 {
            return false;
        }
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let (x, y) = (self.copy_v(a), self.copy_v(a));
        match s {
            Shape::S2 => {
                // a0 b0 a1 b1
                self.v2(s2(0x62), x, b); // punpckldq
                self.r.asm.movaps(y, x);
                self.upper(y);
                self.r.asm.movq_xx(x, x);
            }
            Shape::S4 => {
                for (v, imm) in [(x, 0x88), (y, 0xdd)] {
                    self.v2(Enc(0, 1, 0xc6), v, b); // shufps
                    self.r.asm.put(imm, 1);
                }
            }
            _ => {
                self.v2(PUNPCKLQDQ, x, b);
                self.v2(s2(0x6d), y, b); // punpckhqdq
            }
        }
        if k == FAddP {
            self.v2(packed(wide, 0x58), x, y);
            self.checked_v(i, e, s, x, false);
            return true;
        }
        self.extremum(i, e, matches!(k, FMaxP | FMaxNmP), s, x, y)
    }

    fn fused(&mut self, i: u32, e: &EvalDesc, s: Shape) -> bool {
        // vfmadd231, vfnmadd231: accumulator, n, m
        let op = match VTernKind::from_aux(e.inst.aux) {
            VTernKind::FMla => 0xb8,
            VTernKind::FMls => 0xbc,
            _ => return false,
        };
        let (n, m) = (self.lanes_of(e.args[1], s), self.lanes_of(e.args[2], s));
        let x = self.copy_lanes(e.args[0], s);
        let wide = s.lane_log2() == 3;
        self.r.asm.vex(Enc(0x66, 2, op), wide, x, n, m);
        self.checked_v(i, e, s, x, true);
        true
    }

    /// `x` is the result unless a lane is a NaN or, if it may be `tiny`, the smallest normal number.
    fn checked_v(&mut self, i: u32, e: &EvalDesc, s: Shape, x: Xmm, tiny: bool) {
        if !self.nearest {
            // Rounding down, zero less zero is negative.
            self.cut_to(x, s);
        }
        let t = self.r.alloc_x();
        self.v3(packed(s.lane_log2() == 3, COMPARE), t, x, x);
        self.r.asm.put(UNORDERED, 1);
        if tiny {
            let y = self.least_lanes(x, s.lane_log2());
            self.v2(Enc(0, 1, 0x56), t, y); // orps
        }
        self.unless(i, e, t, x);
        self.mark_shape(x, s);
    }

    /// Ones in the lanes that are a smallest normal number, to which it may have been rounded up (see [`super::fp`]).
    fn least_lanes(&mut self, x: Xmm, log2: u32) -> Xmm {
        let (add, equal, least) = match log2 {
            2 => (s2(0xfe), s2(0x76), f32::MIN_POSITIVE.to_bits() as u64),
            _ => (s2(0xd4), s38(0x29), f64::MIN_POSITIVE.to_bits()),
        };
        let y = self.r.alloc_x();
        // Without the sign.
        self.v3(add, y, x, x);
        let c = self.splat(log2, least * 2);
        self.v2(equal, y, c);
        y
    }

    /// `x` is the result unless a bit of `t` is set.
    pub(super) fn unless(&mut self, i: u32, e: &EvalDesc, t: Xmm, x: Xmm) {
        self.v2(s38(0x17), t, t); // ptest
        self.again_v(i, e, cc::NE, x);
        self.resume(1);
        self.r.set_v(e.d, x);
    }

    /// The runtime does the op again if the host's condition holds, as [`Self::again`]; `x` is the result.
    fn again_v(&mut self, i: u32, e: &EvalDesc, c: u8, x: Xmm) {
        self.again(i, e, c, Home::V(x, e.d));
    }

    /// FCMEQ is quiet, FCMGE and FCMGT signal every NaN, as EQ, LE and LT of the host do.
    fn compare_v(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        use VBinKind::*;
        let (first, predicate) = match k {
            FCmEq => (0, EQUAL),
            FCmGt | FacGt => (1, LESS),
            _ => (1, NOT_MORE),
        };
        let mut b = self.lanes_of(e.args[1 - first], s);
        let x = self.copy_lanes(e.args[first], s);
        if matches!(k, FacGe | FacGt) {
            b = self.copy_v(b);
            self.absolute(x, s);
            self.absolute(b, s);
        }
        self.v2(packed(s.lane_log2() == 3, COMPARE), x, b);
        self.r.asm.put(predicate, 1);
        self.result(e, s, x)
    }

    /// Conversions between floats and integers of the same width.
    fn fp_convert(&mut self, i: u32, e: &EvalDesc, s: Shape) -> bool {
        let k = VShiftKind::from_aux(e.inst.aux);
        match (k, s) {
            (VShiftKind::SCvtF, Shape::S1 | Shape::S2 | Shape::S4) if e.inst.imm <= 64 => {
                let x = self.copy_lanes(e.args[0], s);
                self.v2(Enc(0, 1, 0x5b), x, x); // cvtdq2ps
                if e.inst.imm != 0 {
                    // A power of two: exact.
                    let scale = self.splat(2, (127 - e.inst.imm) << 23);
                    self.v2(Enc(0, 1, 0x59), x, scale);
                }
                self.r.set_v(e.d, x);
            }
            (VShiftKind::UCvtF, Shape::S1 | Shape::S2 | Shape::S4) if e.inst.imm <= 32 => {
                // Halves are exact, their sum is rounded.
                let x = self.copy_lanes(e.args[0], s);
                let y = self.splat(2, 0xffff);
                self.v2(PAND, y, x);
                self.shift_group(2, 2, x, 16);
                for half in [x, y] {
                    self.v2(Enc(0, 1, 0x5b), half, half); // cvtdq2ps
                }
                let up = self.splat(2, (127 + 16) << 23);
                self.v2(Enc(0, 1, 0x59), x, up);
                self.v2(Enc(0, 1, 0x58), x, y);
                if e.inst.imm != 0 {
                    let scale = self.splat(2, (127 - e.inst.imm) << 23);
                    self.v2(Enc(0, 1, 0x59), x, scale);
                }
                self.r.set_v(e.d, x);
            }
            (VShiftKind::SCvtF, Shape::D1) if e.inst.imm == 0 => {
                let t = self.r.get(e.args[0]);
                let x = self.zeros();
                self.r.asm.rr(Enc(0xf2, 1, 0x2a), true, x, t); // cvtsi2sd
                self.r.set_v(e.d, x);
            }
            (VShiftKind::SCvtF, Shape::D2) if e.inst.imm == 0 => {
                let a = self.r.get_v(e.args[0]);
                let (x, y) = (self.zeros(), self.zeros());
                let (t, u) = (self.r.alloc(), self.r.alloc());
                self.r.asm.movq_rx(t, a);
                self.r.asm.rr(Enc(0x66, 3, 0x16), true, a, u); // pextrq
                self.r.asm.put(1, 1);
                self.r.asm.rr(Enc(0xf2, 1, 0x2a), true, x, t); // cvtsi2sd
                self.r.asm.rr(Enc(0xf2, 1, 0x2a), true, y, u);
                self.v2(PUNPCKLQDQ, x, y);
                self.r.set_v(e.d, x);
            }
            (VShiftKind::FCvtZS, Shape::S1 | Shape::S2 | Shape::S4) if e.inst.imm == 0 => {
                // The least integer stands for whatever does not fit.
                let x = self.copy_lanes(e.args[0], s);
                self.v2(Enc(0xf3, 1, 0x5b), x, x); // cvttps2dq
                let t = self.splat(2, 1 << 31);
                self.v2(s2(0x76), t, x); // pcmpeqd
                self.unless(i, e, t, x);
            }
            (VShiftKind::FCvtZS, Shape::D2) if e.inst.imm == 0 => {
                let a = self.r.get_v(e.args[0]);
                let y = self.copy_v(a);
                let (t, u) = (self.r.alloc(), self.r.alloc());
                let x = self.r.alloc_x();
                self.upper(y);
                self.r.asm.rr(Enc(0xf2, 1, 0x2c), true, t, a); // cvttsd2si
                self.r.asm.rr(Enc(0xf2, 1, 0x2c), true, u, y);
                self.r.asm.movq_xr(x, t);
                self.r.asm.rr(Enc(0x66, 3, 0x22), true, x, u); // pinsrq
                self.r.asm.put(1, 1);
                for r in [t, u] {
                    self.r.asm.alu_imm(alu::CMP, true, r, 1);
                    self.again_v(i, e, cc::O, x);
                }
                self.resume(2);
                self.r.set_v(e.d, x);
            }
            _ => return false,
        }
        true
    }
}
