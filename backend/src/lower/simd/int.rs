//! Integer lane arithmetic.

use super::super::Lower;
use super::lanes;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use metaphrase_ir::ops::{VBinKind, VShiftKind, VTernKind, VUnKind};
use metaphrase_ir::ops_vector::HI;
use metaphrase_ir::{Inst, Shape};

impl Lower<'_> {
    pub(super) fn int_un(
        &mut self,
        inst: &Inst,
        kind: VUnKind,
        s: Shape,
        a: ir::Value,
    ) -> Option<ir::Value> {
        use VUnKind as K;
        let log2 = s.lane_log2();
        if log2 > 3 {
            return None;
        }
        let ty = lanes(log2);
        let v = self.cast(ty, a);
        let r = match kind {
            K::Neg => self.b.ins().ineg(v),
            K::Abs => self.b.ins().iabs(v),
            K::Not => self.b.ins().bnot(v),
            K::Cnt if log2 == 0 => self.b.ins().popcnt(v),
            K::Rev16 | K::Rev32 | K::Rev64 if s.lanes() > 1 => self.reverse(kind, log2, a)?,
            K::CmEq0 => self.with_zero(IntCC::Equal, log2, v),
            K::CmGe0 => self.with_zero(IntCC::SignedGreaterThanOrEqual, log2, v),
            K::CmGt0 => self.with_zero(IntCC::SignedGreaterThan, log2, v),
            K::CmLe0 => self.with_zero(IntCC::SignedLessThanOrEqual, log2, v),
            K::CmLt0 => self.with_zero(IntCC::SignedLessThan, log2, v),
            K::SAddLp | K::UAddLp if log2 < 3 && s.lanes() > 1 => {
                self.add_neighbours(log2, kind == K::SAddLp, a)
            }
            K::Xtn if s.bits() == 64 && log2 < 3 => return Some(self.take_low(a, log2)),
            K::SqXtn | K::UqXtn | K::SqXtUn if s.bits() == 64 && log2 < 3 => {
                return Some(self.saturating_narrow(kind, s, a));
            }
            _ => return None,
        };
        let _ = inst;
        Some(self.fit(s, r))
    }

    fn with_zero(&mut self, cc: IntCC, log2: u32, v: ir::Value) -> ir::Value {
        let zero = self.splat(log2, 0);
        self.b.ins().icmp(cc, v, zero)
    }

    /// Lanes of `1 << log2` bytes reversed within groups of 2, 4 or 8 bytes.
    fn reverse(&mut self, kind: VUnKind, log2: u32, a: ir::Value) -> Option<ir::Value> {
        let group = match kind {
            VUnKind::Rev16 => 1,
            VUnKind::Rev32 => 2,
            _ => 3,
        };
        if log2 >= group {
            return None;
        }
        let flip = ((1u8 << group) - 1) & !((1 << log2) - 1);
        Some(self.byte_shuffle(a, a, std::array::from_fn(|i| i as u8 ^ flip)))
    }

    /// Clamps wide lanes to what the narrow ones hold, notes where that changed something, and packs.
    fn saturating_narrow(&mut self, kind: VUnKind, s: Shape, a: ir::Value) -> ir::Value {
        use VUnKind as K;
        let log2 = s.lane_log2();
        let bits = 8u32 << log2;
        let ones = (1u64 << bits) - 1;
        let (lo, hi) = match kind {
            K::SqXtn => (!(ones >> 1), ones >> 1),
            _ => (0, ones),
        };
        let v = self.cast(lanes(log2 + 1), a);
        let (lo, hi) = (self.splat(log2 + 1, lo), self.splat(log2 + 1, hi));
        let clamped = match (kind, log2) {
            (K::UqXtn, 2) => self.clamp64(v, hi, None),
            (_, 2) => self.clamp64(v, hi, Some(lo)),
            (K::UqXtn, _) => self.b.ins().umin(v, hi),
            _ => {
                let c = self.b.ins().smin(v, hi);
                self.b.ins().smax(c, lo)
            }
        };
        let changed = self.b.ins().bxor(clamped, v);
        self.note_saturation(Shape::Q1, changed);
        self.take_low(clamped, log2)
    }

    /// min(v, hi) and max(.., lo) on 64-bit lanes, which have no instruction; without `lo`, unsigned.
    fn clamp64(&mut self, v: ir::Value, hi: ir::Value, lo: Option<ir::Value>) -> ir::Value {
        let above = match lo {
            Some(_) => self.b.ins().icmp(IntCC::SignedGreaterThan, v, hi),
            None => self.unsigned_gt64(v, hi),
        };
        let v = self.b.ins().bitselect(above, hi, v);
        match lo {
            Some(lo) => {
                let below = self.b.ins().icmp(IntCC::SignedLessThan, v, lo);
                self.b.ins().bitselect(below, lo, v)
            }
            None => v,
        }
    }

    fn unsigned_gt64(&mut self, a: ir::Value, b: ir::Value) -> ir::Value {
        let sign = self.splat(3, 1 << 63);
        let (a, b) = (self.b.ins().bxor(a, sign), self.b.ins().bxor(b, sign));
        self.b.ins().icmp(IntCC::SignedGreaterThan, a, b)
    }

    pub(super) fn int_bin(
        &mut self,
        kind: VBinKind,
        s: Shape,
        aux: u32,
        a: ir::Value,
        b: ir::Value,
    ) -> Option<ir::Value> {
        use VBinKind as K;
        let log2 = s.lane_log2();
        if matches!(kind, K::And | K::Or | K::Xor | K::AndNot | K::OrNot) {
            let i = self.b.ins();
            let r = match kind {
                K::And => i.band(a, b),
                K::Or => i.bor(a, b),
                K::Xor => i.bxor(a, b),
                K::AndNot => i.band_not(a, b),
                _ => i.bor_not(a, b),
            };
            return Some(self.fit(s, r));
        }
        if log2 > 3 {
            return None;
        }
        if let Some(r) = self.long_bin(kind, s, aux & HI != 0, a, b) {
            return Some(r);
        }
        let (x, y) = (self.cast(lanes(log2), a), self.cast(lanes(log2), b));
        let r = self
            .plain_bin(kind, log2, x, y)
            .or_else(|| self.compare_bin(kind, log2, x, y))
            .or_else(|| self.halving_bin(kind, log2, x, y))
            .or_else(|| self.saturating_bin(kind, s, x, y))?;
        Some(self.fit(s, r))
    }

    fn plain_bin(
        &mut self,
        kind: VBinKind,
        log2: u32,
        x: ir::Value,
        y: ir::Value,
    ) -> Option<ir::Value> {
        use VBinKind as K;
        let i = self.b.ins();
        Some(match kind {
            K::Add => i.iadd(x, y),
            K::Sub => i.isub(x, y),
            K::Mul => self.multiply(log2, x, y),
            K::SMax if log2 < 3 => i.smax(x, y),
            K::SMin if log2 < 3 => i.smin(x, y),
            K::UMax if log2 < 3 => i.umax(x, y),
            K::UMin if log2 < 3 => i.umin(x, y),
            K::SAbd | K::UAbd if log2 < 3 => self.distance(kind == K::SAbd, x, y),
            _ => return None,
        })
    }

    /// |x - y|.
    fn distance(&mut self, signed: bool, x: ir::Value, y: ir::Value) -> ir::Value {
        let (hi, lo) = match signed {
            true => (self.b.ins().smax(x, y), self.b.ins().smin(x, y)),
            false => (self.b.ins().umax(x, y), self.b.ins().umin(x, y)),
        };
        self.b.ins().isub(hi, lo)
    }

    /// Low halves of the products. Bytes have no instruction: even and odd ones as 16-bit products.
    fn multiply(&mut self, log2: u32, x: ir::Value, y: ir::Value) -> ir::Value {
        if log2 != 0 {
            return self.b.ins().imul(x, y);
        }
        let (x, y) = (self.cast(types::I16X8, x), self.cast(types::I16X8, y));
        let even = self.b.ins().imul(x, y);
        let low = self.splat(1, 0xff);
        let even = self.b.ins().band(even, low);
        let (xo, yo) = (self.b.ins().ushr_imm_u(x, 8), self.b.ins().ushr_imm_u(y, 8));
        let odd = self.b.ins().imul(xo, yo);
        let odd = self.b.ins().ishl_imm_u(odd, 8);
        let r = self.b.ins().bor(even, odd);
        self.bytes(r)
    }

    fn compare_bin(
        &mut self,
        kind: VBinKind,
        log2: u32,
        x: ir::Value,
        y: ir::Value,
    ) -> Option<ir::Value> {
        use VBinKind as K;
        let i = self.b.ins();
        Some(match kind {
            K::CmEq => i.icmp(IntCC::Equal, x, y),
            K::CmGe => i.icmp(IntCC::SignedGreaterThanOrEqual, x, y),
            K::CmGt => i.icmp(IntCC::SignedGreaterThan, x, y),
            K::CmHi if log2 == 3 => self.unsigned_gt64(x, y),
            K::CmHs if log2 == 3 => {
                let lt = self.unsigned_gt64(y, x);
                self.b.ins().bnot(lt)
            }
            K::CmHi => i.icmp(IntCC::UnsignedGreaterThan, x, y),
            K::CmHs => i.icmp(IntCC::UnsignedGreaterThanOrEqual, x, y),
            K::CmTst => {
                let t = i.band(x, y);
                self.with_zero(IntCC::NotEqual, log2, t)
            }
            _ => return None,
        })
    }

    /// Halving adds, without the carry's extra bit.
    fn halving_bin(
        &mut self,
        kind: VBinKind,
        log2: u32,
        x: ir::Value,
        y: ir::Value,
    ) -> Option<ir::Value> {
        use VBinKind as K;
        if kind == K::URHAdd && log2 < 2 {
            return Some(self.b.ins().avg_round(x, y));
        }
        if !matches!(kind, K::SHAdd | K::UHAdd | K::SRHAdd | K::URHAdd) {
            return None;
        }
        let differ = self.b.ins().bxor(x, y);
        let half = match kind {
            K::SHAdd | K::SRHAdd => self.b.ins().sshr_imm_u(differ, 1),
            _ => self.b.ins().ushr_imm_u(differ, 1),
        };
        Some(match kind {
            K::SHAdd | K::UHAdd => {
                let both = self.b.ins().band(x, y);
                self.b.ins().iadd(both, half)
            }
            _ => {
                let any = self.b.ins().bor(x, y);
                self.b.ins().isub(any, half)
            }
        })
    }

    fn saturating_bin(
        &mut self,
        kind: VBinKind,
        s: Shape,
        x: ir::Value,
        y: ir::Value,
    ) -> Option<ir::Value> {
        use VBinKind as K;
        let log2 = s.lane_log2();
        if kind == K::SqRDMulH && log2 == 1 {
            // Only -1 * -1 overflows, and only it yields the most negative number.
            let r = self.b.ins().x86_pmulhrsw(x, y);
            let min = self.splat(1, 0x8000);
            let hit = self.b.ins().icmp(IntCC::Equal, r, min);
            self.note_saturation(s, hit);
            return Some(self.b.ins().bxor(r, hit));
        }
        if log2 > 1 {
            return None;
        }
        let i = self.b.ins();
        let (r, plain) = match kind {
            K::SqAdd => (i.sadd_sat(x, y), self.b.ins().iadd(x, y)),
            K::UqAdd => (i.uadd_sat(x, y), self.b.ins().iadd(x, y)),
            K::SqSub => (i.ssub_sat(x, y), self.b.ins().isub(x, y)),
            K::UqSub => (i.usub_sat(x, y), self.b.ins().isub(x, y)),
            _ => return None,
        };
        let changed = self.b.ins().bxor(r, plain);
        self.note_saturation(s, changed);
        Some(r)
    }

    /// The narrow half of a vector, widened.
    fn widen_half(&mut self, log2: u32, signed: bool, hi: bool, v: ir::Value) -> ir::Value {
        let v = self.cast(lanes(log2), v);
        let i = self.b.ins();
        match (signed, hi) {
            (true, false) => i.swiden_low(v),
            (true, true) => i.swiden_high(v),
            (false, false) => i.uwiden_low(v),
            (false, true) => i.uwiden_high(v),
        }
    }

    /// Long, wide and narrowing kinds.
    fn long_bin(
        &mut self,
        kind: VBinKind,
        s: Shape,
        hi: bool,
        a: ir::Value,
        b: ir::Value,
    ) -> Option<ir::Value> {
        use VBinKind as K;
        let log2 = s.lane_log2();
        if s.bits() != 64 || log2 > 2 {
            return None;
        }
        let signed = matches!(
            kind,
            K::SAddL | K::SSubL | K::SMulL | K::SAddW | K::SSubW | K::SAbdL
        );
        let r = match kind {
            K::SAddL | K::UAddL | K::SSubL | K::USubL | K::SMulL | K::UMulL => {
                let x = self.widen_half(log2, signed, hi, a);
                let y = self.widen_half(log2, signed, hi, b);
                let i = self.b.ins();
                match kind {
                    K::SAddL | K::UAddL => i.iadd(x, y),
                    K::SSubL | K::USubL => i.isub(x, y),
                    _ => i.imul(x, y),
                }
            }
            K::SAbdL | K::UAbdL => {
                let (x, y) = (self.cast(lanes(log2), a), self.cast(lanes(log2), b));
                let d = self.distance(signed, x, y);
                self.widen_half(log2, false, hi, d)
            }
            K::SAddW | K::UAddW | K::SSubW | K::USubW => {
                let x = self.cast(lanes(log2 + 1), a);
                let y = self.widen_half(log2, signed, hi, b);
                match kind {
                    K::SAddW | K::UAddW => self.b.ins().iadd(x, y),
                    _ => self.b.ins().isub(x, y),
                }
            }
            K::AddHn | K::SubHn | K::RAddHn | K::RSubHn => {
                let wide = lanes(log2 + 1);
                let (x, y) = (self.cast(wide, a), self.cast(wide, b));
                let mut r = match kind {
                    K::AddHn | K::RAddHn => self.b.ins().iadd(x, y),
                    _ => self.b.ins().isub(x, y),
                };
                let bits = 8i64 << log2;
                if matches!(kind, K::RAddHn | K::RSubHn) {
                    let half = self.splat(log2 + 1, 1 << (bits - 1));
                    r = self.b.ins().iadd(r, half);
                }
                let r = self.b.ins().ushr_imm_u(r, bits);
                return Some(self.take_low(r, log2));
            }
            _ => return None,
        };
        Some(self.bytes(r))
    }

    pub(super) fn int_tern(
        &mut self,
        kind: VTernKind,
        s: Shape,
        a: ir::Value,
        n: ir::Value,
        m: ir::Value,
    ) -> Option<ir::Value> {
        use VTernKind as K;
        let r = match kind {
            K::Bsl => self.b.ins().bitselect(a, n, m),
            K::Eor3 => {
                let x = self.b.ins().bxor(a, n);
                return Some(self.b.ins().bxor(x, m));
            }
            K::Bcax => {
                let x = self.b.ins().band_not(n, m);
                return Some(self.b.ins().bxor(a, x));
            }
            K::Mla | K::Mls if s.lane_log2() < 4 => {
                let log2 = s.lane_log2();
                let ty = lanes(log2);
                let (a, n, m) = (self.cast(ty, a), self.cast(ty, n), self.cast(ty, m));
                let p = self.multiply(log2, n, m);
                let p = self.cast(ty, p);
                match kind {
                    K::Mla => self.b.ins().iadd(a, p),
                    _ => self.b.ins().isub(a, p),
                }
            }
            _ => return None,
        };
        Some(self.fit(s, r))
    }

    pub(super) fn int_shift(
        &mut self,
        inst: &Inst,
        kind: VShiftKind,
        s: Shape,
        a: ir::Value,
        old: ir::Value,
    ) -> Option<ir::Value> {
        use VShiftKind as K;
        let (log2, n) = (s.lane_log2(), inst.imm as u32);
        if log2 > 3 {
            return None;
        }
        let bits = 8u32 << log2;
        if n > bits {
            return None;
        }
        let r = match kind {
            K::Shl | K::SShr | K::UShr | K::SRShr | K::URShr => {
                let v = self.cast(lanes(log2), a);
                self.shift(kind, log2, n, v)
            }
            K::Sli | K::Sri => {
                let v = self.cast(lanes(log2), a);
                let (moved, kept) = match kind {
                    K::Sli => (self.shift(K::Shl, log2, n, v), low_ones(n)),
                    _ => (
                        self.shift(K::UShr, log2, n, v),
                        low_ones(bits) & !low_ones(bits - n),
                    ),
                };
                let keep = self.splat(log2, kept);
                let old = self.cast(lanes(log2), old);
                let old = self.b.ins().band(old, keep);
                self.b.ins().bor(moved, old)
            }
            K::Shrn | K::Rshrn if s.bits() == 64 && log2 < 3 && n > 0 => {
                let v = self.cast(lanes(log2 + 1), a);
                let k = if kind == K::Shrn { K::UShr } else { K::URShr };
                let r = self.shift(k, log2 + 1, n, v);
                return Some(self.take_low(r, log2));
            }
            K::SqShrn | K::UqShrn | K::SqRshrn | K::UqRshrn | K::SqShrun | K::SqRshrun
                if s.bits() == 64 && log2 < 3 && n > 0 =>
            {
                let v = self.cast(lanes(log2 + 1), a);
                let (k, narrow) = match kind {
                    K::SqShrn => (K::SShr, VUnKind::SqXtn),
                    K::SqRshrn => (K::SRShr, VUnKind::SqXtn),
                    K::UqShrn => (K::UShr, VUnKind::UqXtn),
                    K::UqRshrn => (K::URShr, VUnKind::UqXtn),
                    K::SqShrun => (K::SShr, VUnKind::SqXtUn),
                    _ => (K::SRShr, VUnKind::SqXtUn),
                };
                let r = self.shift(k, log2 + 1, n, v);
                return Some(self.saturating_narrow(narrow, s, r));
            }
            K::SShll | K::UShll if s.bits() == 64 && log2 < 3 => {
                let v = self.widen_half(log2, kind == K::SShll, inst.aux & HI != 0, a);
                let r = self.shift(K::Shl, log2 + 1, n, v);
                return Some(self.bytes(r));
            }
            _ => return None,
        };
        Some(self.fit(s, r))
    }

    /// Shift of every lane by a constant from 0 to the lane's width.
    fn shift(&mut self, kind: VShiftKind, log2: u32, n: u32, v: ir::Value) -> ir::Value {
        use VShiftKind as K;
        let bits = 8u32 << log2;
        let by = n as i64;
        match kind {
            _ if n == 0 => v,
            K::Shl | K::UShr if n >= bits => self.splat(log2, 0),
            K::Shl => self.b.ins().ishl_imm_u(v, by),
            K::UShr => self.b.ins().ushr_imm_u(v, by),
            K::SShr => self.b.ins().sshr_imm_u(v, by.min(bits as i64 - 1)),
            _ => {
                // Rounded: add the last bit shifted out.
                let base = match kind {
                    K::SRShr => K::SShr,
                    _ => K::UShr,
                };
                let high = self.shift(base, log2, n, v);
                let last = self.shift(base, log2, n - 1, v);
                let one = self.splat(log2, 1);
                let last = self.b.ins().band(last, one);
                self.b.ins().iadd(high, last)
            }
        }
    }
}

fn low_ones(n: u32) -> u64 {
    match n {
        64.. => u64::MAX,
        n => (1 << n) - 1,
    }
}
