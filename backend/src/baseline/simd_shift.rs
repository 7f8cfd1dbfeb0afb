//! Vector shifts: by constants, rounded, inserting, narrowing, and by lanes of another vector.

use super::Baseline;
use super::asm::{Enc, Xmm};
use super::simd::{PAND, POR, PXOR, direct, s2, s38};
use crate::bytecode::EvalDesc;
use metaphrase_ir::Shape;
use metaphrase_ir::ops::{VBinKind, VShiftKind, VUnKind};

/// Digits of the vector shift groups.
const RIGHT: u8 = 2;
const ARITH: u8 = 4;
const LEFT: u8 = 6;

impl Baseline {
    /// Emits the shift by a constant if it has a template.
    pub(super) fn vshift(&mut self, e: &EvalDesc) -> bool {
        use VShiftKind::*;
        let s = e.inst.shape();
        let l = s.lane_log2();
        let n = e.inst.imm;
        if s.bits() < 64 || s == Shape::Q1 {
            return false;
        }
        let k = VShiftKind::from_aux(e.inst.aux);
        match k {
            SShll | UShll => return self.widen(e, s, k == SShll),
            Shrn | Rshrn => return self.narrow_lanes(e, s, k == Rshrn),
            SqShrn | UqShrn | SqRshrn | UqRshrn | SqShrun | SqRshrun => {
                return self.narrow_saturating(e, k, s);
            }
            _ => {}
        }
        if !matches!(k, Shl | UShr | SShr | SRShr | URShr | Sli | Sri | Xar) {
            return false;
        }
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        match k {
            Shl => self.shift_lanes(l, x, n, LEFT),
            UShr => self.shift_lanes(l, x, n, RIGHT),
            SShr => self.shift_lanes(l, x, n, ARITH),
            SRShr | URShr if n > 0 => self.rounded(l, x, n, k == SRShr),
            Sli | Sri => {
                let bits = 8u64 << l;
                let low = |n: u64| if n >= 64 { u64::MAX } else { (1 << n) - 1 };
                let keep = if k == Sli {
                    self.shift_lanes(l, x, n, LEFT);
                    low(n)
                } else {
                    self.shift_lanes(l, x, n, RIGHT);
                    low(bits) & !low(bits.saturating_sub(n))
                };
                let old = self.r.get_v(e.args[1]);
                let t = self.splat(l, keep);
                self.v2(PAND, t, old);
                self.v2(POR, x, t);
            }
            Xar if l == 3 => {
                let m = self.r.get_v(e.args[1]);
                self.v2(PXOR, x, m);
                let t = self.copy_v(x);
                self.shift_group(3, RIGHT, x, n & 63);
                self.shift_group(3, LEFT, t, 64 - (n & 63));
                self.v2(POR, x, t);
            }
            _ => return false,
        }
        self.result(e, s, x)
    }

    /// Every lane of `x` shifted by `n`, which may be the lane's width.
    pub(super) fn shift_lanes(&mut self, l: u32, x: Xmm, n: u64, digit: u8) {
        let bits = 8 << l;
        match (l, digit) {
            _ if n == 0 => {}
            (0 | 3, ARITH) => {
                // Move the sign along and extend it from where it arrives.
                let n = n.min(bits - 1);
                self.shift_lanes(l, x, n, RIGHT);
                let sign = self.splat(l, 1 << (bits - 1 - n));
                self.v2(PXOR, x, sign);
                self.v2(if l == 0 { s2(0xf8) } else { s2(0xfb) }, x, sign); // psubb, psubq
            }
            (0, _) => {
                // As halves of words, less the bits that come from the neighbour.
                let keep = match digit {
                    LEFT => 0xff << n.min(8),
                    _ => 0xff >> n.min(8),
                };
                self.shift_group(1, digit, x, n);
                let t = self.splat(0, keep);
                self.v2(PAND, x, t);
            }
            _ => self.shift_group(l, digit, x, n),
        }
    }

    /// Shift right by `n`, at least 1, rounding half up.
    fn rounded(&mut self, l: u32, x: Xmm, n: u64, signed: bool) {
        let digit = if signed { ARITH } else { RIGHT };
        if l == 1 && signed && n < 16 {
            let t = self.splat(1, 1 << (15 - n));
            self.v2(s38(0x0b), x, t); // pmulhrsw: (x * t >> 14) + 1 >> 1
        } else if l < 2 && !signed {
            self.shift_lanes(l, x, n - 1, RIGHT);
            let t = self.zeros();
            self.v2(s2(if l == 0 { 0xe0 } else { 0xe3 }), x, t); // pavgb, pavgw
        } else {
            let (Some(add), Some(sub)) = (direct(VBinKind::Add, l), direct(VBinKind::Sub, l))
            else {
                return;
            };
            if n == 1 {
                let t = self.splat(l, 1);
                self.v2(PAND, t, x);
                self.shift_lanes(l, x, 1, digit);
                self.v2(add, x, t);
            } else {
                self.shift_lanes(l, x, n - 1, digit);
                let t = self.ones();
                self.v2(sub, x, t);
                self.shift_lanes(l, x, 1, digit);
            }
        }
    }

    /// Long shift left: the shape is that of the narrow source, 64 bits.
    fn widen(&mut self, e: &EvalDesc, s: Shape, signed: bool) -> bool {
        let l = s.lane_log2();
        if s.bits() != 64 || l > 2 {
            return false;
        }
        let hi = e.inst.aux & metaphrase_ir::ops_vector::HI != 0;
        let x = self.widened(e.args[0], l, signed, hi);
        if e.inst.imm != 0 {
            self.shift_group(l + 1, LEFT, x, e.inst.imm);
        }
        self.r.set_v(e.d, x);
        true
    }

    /// Lanes of twice the size, shifted right and cut. What rounding carries out of a wide lane would be cut off anyway.
    fn narrow_lanes(&mut self, e: &EvalDesc, s: Shape, round: bool) -> bool {
        let (l, n) = (s.lane_log2(), e.inst.imm);
        if s.bits() != 64 || l > 2 {
            return false;
        }
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        if round && n > 0 {
            let half = self.splat(l + 1, 1 << (n - 1));
            if let Some(add) = direct(VBinKind::Add, l + 1) {
                self.v2(add, x, half);
            }
        }
        self.cut(x, l, n);
        self.result(e, s, x)
    }

    fn narrow_saturating(&mut self, e: &EvalDesc, k: VShiftKind, s: Shape) -> bool {
        use VShiftKind::*;
        let (l, n) = (s.lane_log2(), e.inst.imm);
        if s.bits() != 64 || l > 1 || n == 0 {
            return false;
        }
        let signed = !matches!(k, UqShrn | UqRshrn);
        let narrow = match k {
            SqShrn | SqRshrn => VUnKind::SqXtn,
            UqShrn | UqRshrn => VUnKind::UqXtn,
            _ => VUnKind::SqXtUn,
        };
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        match k {
            SqRshrn | UqRshrn | SqRshrun => self.rounded(l + 1, x, n, signed),
            _ => self.shift_lanes(l + 1, x, n, if signed { ARITH } else { RIGHT }),
        }
        self.saturating_narrow(e, narrow, l, x)
    }

    /// SSHL, USHL, SRSHL, URSHL: by the signed low byte of each lane of another vector. Counts beyond the width give zero or the sign.
    pub(super) fn shift_by_lanes(
        &mut self,
        e: &EvalDesc,
        signed: bool,
        round: bool,
        s: Shape,
    ) -> bool {
        let l = s.lane_log2();
        if !self.host.avx2 || !matches!((l, signed, round), (1 | 2, ..) | (3, false, false)) {
            return false;
        }
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let c = self.copy_v(b);
        let x = match l {
            1 => {
                self.shift_group(1, LEFT, c, 8);
                self.shift_group(1, ARITH, c, 8);
                let mut halves = [0; 2];
                for (n, hi) in [false, true].into_iter().enumerate() {
                    if hi && s.bits() == 64 {
                        halves[1] = halves[0];
                        break;
                    }
                    let (v, by) = (self.r.alloc_x(), self.r.alloc_x());
                    self.widen_to(v, a, 1, signed, hi);
                    self.widen_to(by, c, 1, true, hi);
                    let x = self.shift_words(v, by, signed, round);
                    // What PACKSSDW leaves alone: sign-extended low halves.
                    self.shift_group(2, LEFT, x, 16);
                    self.shift_group(2, ARITH, x, 16);
                    halves[n] = x;
                    self.r.xbusy &= !(1 << v | 1 << by);
                }
                self.v2(s2(0x6b), halves[0], halves[1]); // packssdw
                halves[0]
            }
            2 => {
                self.shift_group(2, LEFT, c, 24);
                self.shift_group(2, ARITH, c, 24);
                self.shift_words(a, c, signed, round)
            }
            _ => {
                self.shift_group(2, LEFT, c, 24);
                self.shift_group(2, ARITH, c, 24);
                // Their signs into the upper halves.
                let sign = self.copy_v(c);
                self.shift_group(2, ARITH, sign, 31);
                self.v2(s2(0x70), sign, sign); // pshufd: the low halves' words, twice
                self.r.asm.put(0xa0, 1);
                self.v2(Enc(0x66, 3, 0x0e), c, sign); // pblendw
                self.r.asm.put(0xcc, 1);
                let minus = self.zeros();
                self.v2(s2(0xfb), minus, c); // psubq
                let (x, y) = (self.r.alloc_x(), self.r.alloc_x());
                self.r.asm.vex(Enc(0x66, 2, 0x47), true, x, a, c); // vpsllvq
                self.r.asm.vex(Enc(0x66, 2, 0x45), true, y, a, minus); // vpsrlvq
                self.v2(POR, x, y);
                x
            }
        };
        self.result(e, s, x)
    }

    /// 32-bit lanes of `a`, shifted left by those of `c` or right where these are negative. A count that is no number of bits gives
    /// zero or the sign, so that either way may be computed and the other is zero.
    fn shift_words(&mut self, a: Xmm, c: Xmm, signed: bool, round: bool) -> Xmm {
        let right = Enc(0x66, 2, if signed { 0x46 } else { 0x45 }); // vpsravd, vpsrlvd
        let minus = self.zeros();
        self.v2(s2(0xfa), minus, c); // psubd
        let (x, y) = (self.r.alloc_x(), self.r.alloc_x());
        self.r.asm.vex(Enc(0x66, 2, 0x47), false, x, a, c); // vpsllvd
        self.r.asm.vex(right, false, y, a, minus);
        if round {
            // Add the last bit shifted out.
            let t = self.ones();
            self.v2(s2(0xfe), minus, t); // paddd
            let u = self.r.alloc_x();
            self.r.asm.vex(right, false, u, a, minus);
            self.shift_group(2, RIGHT, t, 31);
            self.v2(PAND, u, t);
            self.v2(s2(0xfe), y, u);
            self.r.xbusy &= !(1 << t | 1 << u);
        }
        let t = self.copy_v(c);
        self.shift_group(2, ARITH, t, 31);
        self.v2(PAND, y, t);
        self.v2(POR, x, y);
        self.r.xbusy &= !(1 << t | 1 << y | 1 << minus);
        x
    }
}
