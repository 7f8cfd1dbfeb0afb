//! Moving lanes: shuffles by constant masks, table look-ups, zips and their kin, and reductions built from them.

use super::super::Lower;
use super::lanes;
use cranelift_codegen::ir::{self, InstBuilder, types};
use metaphrase_ir::ops::{VBinKind, VRedKind};
use metaphrase_ir::{Inst, Op, Shape};

/// Mask byte for "zero" in PSHUFB.
const ZERO: u8 = 0x80;

impl Lower<'_> {
    /// Byte i of the result = byte `mask[i]` of (b : a); 32 and above give zero.
    pub(super) fn byte_shuffle(&mut self, a: ir::Value, b: ir::Value, mask: [u8; 16]) -> ir::Value {
        let zero = mask.iter().any(|&m| m > 31);
        let from_a = mask.iter().any(|&m| m < 16);
        let from_b = mask.iter().any(|&m| (16..32).contains(&m));
        if a == b && !zero {
            // One source: the optimiser knows the cheap forms of this.
            return self.shuffle(a, a, mask.map(|m| m & 15));
        }
        match (from_a, from_b) {
            (false, false) => self.vconst(0),
            (true, true) if !zero => self.shuffle(a, b, mask),
            (true, true) => {
                let x = self.pick(a, mask.map(|m| if m < 16 { m } else { ZERO }));
                let high = |m: u8| if (16..32).contains(&m) { m - 16 } else { ZERO };
                let y = self.pick(b, mask.map(high));
                self.b.ins().bor(x, y)
            }
            (true, false) if !zero => self.shuffle(a, a, mask),
            (true, false) => self.pick(a, mask.map(|m| if m < 16 { m } else { ZERO })),
            (false, true) if !zero => self.shuffle(b, b, mask.map(|m| m - 16)),
            (false, true) => self.pick(
                b,
                mask.map(|m| if m < 32 { m.wrapping_sub(16) } else { ZERO }),
            ),
        }
    }

    fn shuffle(&mut self, a: ir::Value, b: ir::Value, mask: [u8; 16]) -> ir::Value {
        if mask == std::array::from_fn(|i| i as u8) {
            return a;
        }
        let imm = self.b.func.dfg.immediates.push(mask.as_slice().into());
        self.b.ins().shuffle(a, b, imm)
    }

    /// PSHUFB by a constant.
    fn pick(&mut self, v: ir::Value, mask: [u8; 16]) -> ir::Value {
        let m = self.vconst(u128::from_le_bytes(mask));
        self.b.ins().x86_pshufb(v, m)
    }

    /// Bytes `0, step, 2 * step, ...` (from `first`) packed into the low half: how narrowing takes its lanes.
    pub(super) fn take_low(&mut self, v: ir::Value, log2: u32) -> ir::Value {
        let v = self.bytes(v);
        let size = 1u8 << log2;
        let mask = std::array::from_fn(|i| {
            let (lane, byte) = (i as u8 >> log2, i as u8 & (size - 1));
            if i < 8 { lane * 2 * size + byte } else { 0xff }
        });
        self.byte_shuffle(v, v, mask)
    }

    pub(super) fn table_lookup(
        &mut self,
        inst: &Inst,
        t0: ir::Value,
        t1: ir::Value,
        index: ir::Value,
    ) -> ir::Value {
        let low = self.b.ins().swizzle(t0, index);
        let second = self.unit.inst(inst.args[1]);
        let pool = self.unit.consts.get(second.imm as usize);
        if second.op == Op::ConstV && pool == Some(&0) {
            return low;
        }
        let sixteen = self.splat(0, 16);
        let index = self.b.ins().isub(index, sixteen);
        let high = self.b.ins().swizzle(t1, index);
        self.b.ins().bor(low, high)
    }

    /// Zips, unzips, transposes, and the pairwise integer kinds built from them.
    pub(super) fn permute(
        &mut self,
        kind: VBinKind,
        s: Shape,
        a: ir::Value,
        b: ir::Value,
    ) -> Option<ir::Value> {
        use VBinKind as K;
        if s.lanes() < 2 {
            return None;
        }
        let r = match kind {
            K::Zip1 | K::Zip2 | K::Uzp1 | K::Uzp2 | K::Trn1 | K::Trn2 => {
                self.rearrange(kind, s, a, b)
            }
            K::AddP | K::SMaxP | K::SMinP | K::UMaxP | K::UMinP => {
                let (x, y) = self.even_odd(s, a, b);
                let ty = lanes(s.lane_log2());
                if kind != K::AddP && ty == types::I64X2 {
                    return None;
                }
                let (x, y) = (self.cast(ty, x), self.cast(ty, y));
                let i = self.b.ins();
                match kind {
                    K::AddP => i.iadd(x, y),
                    K::SMaxP => i.smax(x, y),
                    K::SMinP => i.smin(x, y),
                    K::UMaxP => i.umax(x, y),
                    _ => i.umin(x, y),
                }
            }
            _ => return None,
        };
        Some(self.fit(s, r))
    }

    /// Even and odd elements of (b : a), as the pairwise kinds combine them.
    pub(super) fn even_odd(
        &mut self,
        s: Shape,
        a: ir::Value,
        b: ir::Value,
    ) -> (ir::Value, ir::Value) {
        (
            self.rearrange(VBinKind::Uzp1, s, a, b),
            self.rearrange(VBinKind::Uzp2, s, a, b),
        )
    }

    fn rearrange(&mut self, kind: VBinKind, s: Shape, a: ir::Value, b: ir::Value) -> ir::Value {
        use VBinKind as K;
        let (log2, n) = (s.lane_log2(), s.lanes() as u8);
        // Element e of a is e, of b is n + e.
        let element = |i: u8| match kind {
            K::Zip1 => i / 2 + (i & 1) * n,
            K::Zip2 => n / 2 + i / 2 + (i & 1) * n,
            K::Uzp1 => 2 * i,
            K::Uzp2 => 2 * i + 1,
            K::Trn1 => (i & !1) + (i & 1) * n,
            _ => (i | 1) + (i & 1) * n,
        };
        let mask = std::array::from_fn(|byte| {
            let (i, low) = (byte as u8 >> log2, byte as u8 & ((1 << log2) - 1));
            if i >= n {
                // Above the shape anything goes: keep the pattern regular.
                return byte as u8;
            }
            let e = element(i);
            let (base, e) = if e >= n { (16, e - n) } else { (0, e) };
            base + (e << log2) + low
        });
        self.byte_shuffle(a, b, mask)
    }

    /// Across lanes, by halving.
    pub(super) fn reduce(&mut self, kind: VRedKind, s: Shape, a: ir::Value) -> Option<ir::Value> {
        use VRedKind as K;
        let log2 = s.lane_log2();
        if s.lanes() < 2 || log2 > 2 {
            return None;
        }
        match kind {
            K::AddV | K::SMaxV | K::SMinV | K::UMaxV | K::UMinV => {
                let r = self.halve(kind, s, a);
                Some(self.fit(Shape::scalar(log2), r))
            }
            K::SAddLv | K::UAddLv => {
                // Sum neighbours into lanes twice as wide, then across.
                let v = self.add_neighbours(log2, kind == K::SAddLv, a);
                let v = self.fit(s, v);
                let wide = Shape::vector(log2 + 1, s.bits() == 128);
                let r = match wide.lanes() {
                    1 => v,
                    _ => self.halve(K::AddV, wide, v),
                };
                Some(self.fit(Shape::scalar(log2 + 1), r))
            }
            _ => None,
        }
    }

    fn halve(&mut self, kind: VRedKind, s: Shape, a: ir::Value) -> ir::Value {
        use VRedKind as K;
        let ty = lanes(s.lane_log2());
        let mut v = self.bytes(a);
        let mut step = s.bits() as u8 / 16;
        while step >= 1 << s.lane_log2() {
            let mask = std::array::from_fn(|i| (i as u8 + step) & (2 * step - 1));
            let other = self.byte_shuffle(v, v, mask);
            let (x, y) = (self.cast(ty, v), self.cast(ty, other));
            let i = self.b.ins();
            let r = match kind {
                K::SMaxV => i.smax(x, y),
                K::SMinV => i.smin(x, y),
                K::UMaxV => i.umax(x, y),
                K::UMinV => i.umin(x, y),
                _ => i.iadd(x, y),
            };
            v = self.bytes(r);
            step /= 2;
        }
        v
    }

    /// Sums of neighbouring lanes of `8 << log2` bits, in lanes twice as wide.
    pub(super) fn add_neighbours(&mut self, log2: u32, signed: bool, a: ir::Value) -> ir::Value {
        let bits = 8i64 << log2;
        let wide = self.cast(lanes(log2 + 1), a);
        let up = self.b.ins().ishl_imm_u(wide, bits);
        let i = self.b.ins();
        let (even, odd) = match signed {
            true => {
                let odd = i.sshr_imm_u(wide, bits);
                (self.b.ins().sshr_imm_u(up, bits), odd)
            }
            false => {
                let odd = i.ushr_imm_u(wide, bits);
                (self.b.ins().ushr_imm_u(up, bits), odd)
            }
        };
        let r = self.b.ins().iadd(even, odd);
        self.bytes(r)
    }
}
