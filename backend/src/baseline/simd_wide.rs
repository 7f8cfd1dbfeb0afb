//! Vector integer ops whose lanes change width, saturate, halve or compare without sign.
//!
//! Saturation (FPSR.QC) is noticed by comparing with the unsaturated result and recorded in the frame header.

use super::Baseline;
use super::asm::{Enc, Xmm, cc};
use super::simd::{PACKUSDW, PACKUSWB, PAND, PANDN, POR, PSHUFB, PXOR, by_lane, direct, s2, s38};
use crate::abi::FrameHeader;
use crate::bytecode::EvalDesc;
use metaphrase_ir::Shape;
use metaphrase_ir::ops::{VBinKind, VUnKind};
use metaphrase_ir::ops_vector::HI;
use std::mem::offset_of;

impl Baseline {
    /// The narrow half of the vector at `w`, widened, in a fresh register.
    pub(super) fn widened(&mut self, w: u16, l: u32, signed: bool, hi: bool) -> Xmm {
        let a = self.r.get_v(w);
        let x = self.r.alloc_x();
        self.widen_to(x, a, l, signed, hi);
        x
    }

    pub(super) fn widen_to(&mut self, x: Xmm, mut a: Xmm, l: u32, signed: bool, hi: bool) {
        if hi {
            self.r.asm.rr(s2(0x70), false, x, a); // pshufd: the upper half, twice
            self.r.asm.put(0xee, 1);
            a = x;
        }
        let op = [0, 3, 5][l as usize % 3] | if signed { 0x20 } else { 0x30 };
        self.v2(s38(op), x, a);
    }

    /// Long, wide and narrowing kinds.
    pub(super) fn long_bin(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        use VBinKind::*;
        let l = s.lane_log2();
        if s.bits() != 64 || l > 2 {
            return false;
        }
        let hi = e.inst.aux & HI != 0;
        let signed = matches!(k, SAddL | SSubL | SMulL | SAbdL | SAddW | SSubW);
        let op = match k {
            SSubL | USubL | SSubW | USubW | SubHn | RSubHn => direct(Sub, l + 1),
            _ => direct(Add, l + 1),
        };
        let Some(op) = op else { return false };
        let x = match k {
            SAddL | UAddL | SSubL | USubL => {
                let x = self.widened(e.args[0], l, signed, hi);
                let y = self.widened(e.args[1], l, signed, hi);
                self.v2(op, x, y);
                x
            }
            SAddW | UAddW | SSubW | USubW => {
                let y = self.widened(e.args[1], l, signed, hi);
                let a = self.r.get_v(e.args[0]);
                let x = self.copy_v(a);
                self.v2(op, x, y);
                x
            }
            SMulL | UMulL => self.long_product(e, l, signed, hi),
            SAbdL | UAbdL => {
                let Some(d) = self.distance(e, l, signed) else {
                    return false;
                };
                self.widen_to(d, d, l, false, hi);
                d
            }
            AddHn | SubHn | RAddHn | RSubHn => {
                let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
                let x = self.copy_v(a);
                self.v2(op, x, b);
                let bits = 8 << l;
                if matches!(k, RAddHn | RSubHn) {
                    let half = self.splat(l + 1, 1 << (bits - 1));
                    if let Some(add) = direct(Add, l + 1) {
                        self.v2(add, x, half);
                    }
                }
                self.cut(x, l, bits);
                return self.result(e, s, x);
            }
            _ => return false,
        };
        self.r.set_v(e.d, x);
        true
    }

    fn long_product(&mut self, e: &EvalDesc, l: u32, signed: bool, hi: bool) -> Xmm {
        if l == 0 {
            let x = self.widened(e.args[0], l, signed, hi);
            let y = self.widened(e.args[1], l, signed, hi);
            self.v2(s2(0xd5), x, y); // pmullw
            return x;
        }
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        if l == 1 {
            let (x, t) = (self.copy_v(a), self.copy_v(a));
            self.v2(s2(0xd5), x, b); // pmullw
            self.v2(s2(if signed { 0xe5 } else { 0xe4 }), t, b); // pmulhw, pmulhuw
            self.v2(s2(if hi { 0x69 } else { 0x61 }), x, t); // punpckhwd, punpcklwd
            return x;
        }
        let (x, y) = (self.r.alloc_x(), self.r.alloc_x());
        for (x, a) in [(x, a), (y, b)] {
            // pshufd: each element of the half into a lane of its own
            self.v2(s2(0x70), x, a);
            self.r.asm.put(if hi { 0xfa } else { 0x50 }, 1);
        }
        self.v2(if signed { s38(0x28) } else { s2(0xf4) }, x, y); // pmuldq, pmuludq
        x
    }

    /// |a - b| in a fresh register.
    pub(super) fn distance(&mut self, e: &EvalDesc, l: u32, signed: bool) -> Option<Xmm> {
        use VBinKind::*;
        let (max, min) = if signed { (SMax, SMin) } else { (UMax, UMin) };
        let (max, min, sub) = (direct(max, l)?, direct(min, l)?, direct(Sub, l)?);
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let (x, y) = (self.copy_v(a), self.copy_v(a));
        self.v2(max, x, b);
        self.v2(min, y, b);
        self.v2(sub, x, y);
        Some(x)
    }

    /// Lanes of twice the size of `l`, shifted right by `n` and cut, to the low half.
    pub(super) fn cut(&mut self, x: Xmm, l: u32, n: u64) {
        if l == 2 {
            if n != 32 && n != 0 {
                self.shift_group(3, 2, x, n);
            }
            self.v2(s2(0x70), x, x); // pshufd: lanes 0, 2 or 1, 3
            self.r.asm.put(if n == 32 { 0x0d } else { 0x08 }, 1);
            return;
        }
        let (from, n) = (n / 8, n % 8);
        if n != 0 {
            self.shift_group(l + 1, 2, x, from * 8 + n);
        }
        let from = if n == 0 { from as u8 } else { 0 };
        let size = 1u8 << l;
        let pick = |i: u8| (i / size) * 2 * size + i % size + from;
        let mask = std::array::from_fn(|i| if i < 8 { pick(i as u8) } else { 0x80 });
        let m = self.constant(u128::from_le_bytes(mask));
        self.v2(PSHUFB, x, m);
    }

    /// FPSR.QC if any bit of `x` is set.
    pub(super) fn note_saturation(&mut self, x: Xmm) {
        self.v2(s38(0x17), x, x); // ptest
        let none = self.r.asm.jcc8(cc::E);
        let at = offset_of!(FrameHeader, saturated);
        self.r.asm.header(Enc(0, 0, 0xc7), false, 0, at);
        self.r.asm.put(1, 4);
        self.r.asm.here8(none);
    }

    /// `w`, lanes of twice the size of `l` (0 or 1), packed with saturation.
    pub(super) fn saturating_narrow(&mut self, e: &EvalDesc, k: VUnKind, l: u32, w: Xmm) -> bool {
        use VUnKind::*;
        let x = self.copy_v(w);
        if k == UqXtn {
            let t = self.ones();
            self.shift_group(l + 1, 2, t, 8 << l);
            self.v2(s38(if l == 0 { 0x3a } else { 0x3b }), x, t); // pminuw, pminud
        }
        let pack = match (k, l) {
            (SqXtn, 0) => s2(0x63),
            (SqXtn, _) => s2(0x6b),
            (_, 0) => PACKUSWB,
            _ => PACKUSDW,
        };
        self.v2(pack, x, x);
        let t = self.r.alloc_x();
        self.widen_to(t, x, l, k == SqXtn, false);
        self.v2(PXOR, t, w);
        self.note_saturation(t);
        self.r.asm.movq_xx(x, x);
        self.r.set_v(e.d, x);
        true
    }

    /// Kinds on lanes of one size that are several host instructions.
    pub(super) fn lane_arith(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        use VBinKind::*;
        let l = s.lane_log2();
        match k {
            SAbd | UAbd => {
                let Some(x) = self.distance(e, l, k == SAbd) else {
                    return false;
                };
                self.result(e, s, x)
            }
            SHAdd | UHAdd | SRHAdd | URHAdd => self.halving(e, k, s),
            SqAdd | UqAdd | SqSub | UqSub if l < 2 => self.saturating(e, k, s),
            SqDMulH | SqRDMulH if l == 1 => self.doubling_high(e, k, s),
            Mul if l == 0 => {
                let x = self.byte_product(e.args[0], e.args[1]);
                self.result(e, s, x)
            }
            CmHi | CmHs if l == 3 && self.host.sse42 => {
                let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
                let sign = self.splat(3, 1 << 63);
                let (first, second) = if k == CmHi { (a, b) } else { (b, a) };
                let x = self.copy_v(first);
                self.v2(PXOR, x, sign);
                self.v2(PXOR, sign, second);
                self.v2(s38(0x37), x, sign); // pcmpgtq
                if k == CmHs {
                    self.invert(x);
                }
                self.result(e, s, x)
            }
            _ => false,
        }
    }

    /// Halving adds without the carry's extra bit: (x & y) + ((x ^ y) >> 1), rounded up (x | y) - ((x ^ y) >> 1).
    fn halving(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        use VBinKind::*;
        let l = s.lane_log2();
        let up = matches!(k, SRHAdd | URHAdd);
        let Some(join) = direct(if up { Sub } else { Add }, l) else {
            return false;
        };
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let (x, y) = (self.copy_v(a), self.copy_v(a));
        self.v2(if up { POR } else { PAND }, x, b);
        self.v2(PXOR, y, b);
        self.shift_lanes(l, y, 1, if matches!(k, SHAdd | SRHAdd) { 4 } else { 2 });
        self.v2(join, x, y);
        self.result(e, s, x)
    }

    fn saturating(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        use VBinKind::*;
        let l = s.lane_log2() as u8;
        let (op, plain) = match k {
            SqAdd => (0xec, Add),
            UqAdd => (0xdc, Add),
            SqSub => (0xe8, Sub),
            _ => (0xd8, Sub),
        };
        let Some(plain) = direct(plain, l as u32) else {
            return false;
        };
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let (x, t) = (self.copy_v(a), self.copy_v(a));
        self.v2(s2(op | l), x, b);
        self.v2(plain, t, b);
        self.v2(PXOR, t, x);
        self.noted(e, s, x, t)
    }

    /// `x` is the result, `t` says where it is saturated.
    fn noted(&mut self, e: &EvalDesc, s: Shape, x: Xmm, t: Xmm) -> bool {
        if s.bits() == 64 {
            self.r.asm.movq_xx(t, t);
        }
        self.note_saturation(t);
        self.result(e, s, x)
    }

    /// High halves of doubled products of 16 bits. Only the product of the least numbers saturates, and nothing else gives 0x8000.
    fn doubling_high(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let x = self.copy_v(a);
        if k == VBinKind::SqRDMulH {
            self.v2(s38(0x0b), x, b); // pmulhrsw
        } else {
            let t = self.copy_v(a);
            self.v2(s2(0xe5), x, b); // pmulhw
            self.v2(s2(0xd5), t, b); // pmullw
            self.shift_group(1, 6, x, 1);
            self.shift_group(1, 2, t, 15);
            self.v2(POR, x, t);
        }
        let t = self.splat(1, 0x8000);
        self.v2(s2(0x75), t, x); // pcmpeqw
        self.v2(PXOR, x, t);
        self.noted(e, s, x, t)
    }

    /// Low bytes of products: even and odd ones as words.
    pub(super) fn byte_product(&mut self, a: u16, b: u16) -> Xmm {
        let (a, b) = (self.r.get_v(a), self.r.get_v(b));
        let (x, y, z) = (self.copy_v(a), self.copy_v(a), self.copy_v(b));
        self.v2(s2(0xd5), x, b); // pmullw
        let low = self.ones();
        self.shift_group(1, 2, low, 8);
        self.shift_group(1, 2, y, 8);
        self.v2(PANDN, low, z); // the odd bytes in place
        self.v2(s2(0xd5), y, low);
        self.shift_group(1, 6, x, 8);
        self.shift_group(1, 2, x, 8);
        self.v2(POR, x, y);
        x
    }

    /// One operand: comparisons with zero, reversals, counts, sums of neighbours, saturating narrowing.
    pub(super) fn lane_unary(&mut self, e: &EvalDesc, k: VUnKind, s: Shape) -> bool {
        use VUnKind::*;
        let l = s.lane_log2();
        match k {
            CmGe0 | CmGt0 | CmLe0 | CmLt0 => self.compare_zero(e, k, s),
            Rev16 | Rev32 | Rev64 => {
                let group = match k {
                    Rev16 => 1,
                    Rev32 => 2,
                    _ => 3,
                };
                if l >= group {
                    return false;
                }
                let flip = ((1u8 << group) - 1) & !((1 << l) - 1);
                let m = self.constant(u128::from_le_bytes(std::array::from_fn(|i| i as u8 ^ flip)));
                let a = self.r.get_v(e.args[0]);
                let x = self.copy_v(a);
                self.v2(PSHUFB, x, m);
                self.result(e, s, x)
            }
            Cnt if l == 0 => self.count_bits(e, s),
            Rbit if l == 0 && self.host.gfni => {
                let a = self.r.get_v(e.args[0]);
                let x = self.copy_v(a);
                self.reverse_bits(x);
                self.result(e, s, x)
            }
            SAddLp | UAddLp => self.add_neighbours(e, k == SAddLp, s),
            SqXtn | UqXtn | SqXtUn if s.bits() == 64 && l < 2 => {
                let w = self.r.get_v(e.args[0]);
                self.saturating_narrow(e, k, l, w)
            }
            _ => false,
        }
    }

    fn compare_zero(&mut self, e: &EvalDesc, k: VUnKind, s: Shape) -> bool {
        use VUnKind::*;
        let wide = self.host.sse42.then_some(s38(0x37));
        let rows = [Some(s2(0x64)), Some(s2(0x65)), Some(s2(0x66)), wide];
        let Some(greater) = by_lane(s.lane_log2(), rows) else {
            return false;
        };
        let a = self.r.get_v(e.args[0]);
        let z = self.zeros();
        let x = if matches!(k, CmGt0 | CmLe0) {
            let x = self.copy_v(a);
            self.v2(greater, x, z);
            x
        } else {
            self.v2(greater, z, a);
            z
        };
        if matches!(k, CmGe0 | CmLe0) {
            self.invert(x);
        }
        self.result(e, s, x)
    }

    /// Turns the bits of each byte round (GFNI).
    pub(super) fn reverse_bits(&mut self, x: Xmm) {
        let rows = self.splat(3, 0x8040_2010_0804_0201);
        self.v2(Enc(0x66, 3, 0xce), x, rows); // gf2p8affineqb
        self.r.asm.put(0, 1);
    }

    /// Bits of each byte, by a table for four of them.
    fn count_bits(&mut self, e: &EvalDesc, s: Shape) -> bool {
        let a = self.r.get_v(e.args[0]);
        let table = u128::from_le_bytes(std::array::from_fn(|i| i.count_ones() as u8));
        let (x, y) = (self.constant(table), self.constant(table));
        let low = self.splat(0, 0x0f);
        let (t, u) = (self.copy_v(a), self.copy_v(a));
        self.v2(PAND, t, low);
        self.shift_group(1, 2, u, 4);
        self.v2(PAND, u, low);
        self.v2(PSHUFB, x, t);
        self.v2(PSHUFB, y, u);
        self.v2(s2(0xfc), x, y); // paddb
        self.result(e, s, x)
    }

    /// Sums of neighbours, in lanes twice as wide.
    fn add_neighbours(&mut self, e: &EvalDesc, signed: bool, s: Shape) -> bool {
        let l = s.lane_log2();
        let a = self.r.get_v(e.args[0]);
        match (l, signed) {
            (0, true) => {
                let x = self.splat(0, 1);
                self.v2(s38(0x04), x, a); // pmaddubsw
                self.result(e, s, x)
            }
            (0, false) => {
                let x = self.copy_v(a);
                let one = self.splat(0, 1);
                self.v2(s38(0x04), x, one);
                self.result(e, s, x)
            }
            (1, true) => {
                let x = self.copy_v(a);
                let one = self.splat(1, 1);
                self.v2(s2(0xf5), x, one); // pmaddwd
                self.result(e, s, x)
            }
            (1 | 2, _) => {
                let Some(add) = direct(VBinKind::Add, l + 1) else {
                    return false;
                };
                let bits = 8 << l;
                let (x, y) = (self.copy_v(a), self.copy_v(a));
                let digit = if signed { 4 } else { 2 };
                self.shift_group(l + 1, 6, y, bits);
                self.shift_lanes(l + 1, y, bits, digit);
                self.shift_lanes(l + 1, x, bits, digit);
                self.v2(add, x, y);
                self.result(e, s, x)
            }
            _ => false,
        }
    }
}
