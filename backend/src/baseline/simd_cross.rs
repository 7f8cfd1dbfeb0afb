//! Vector ops that move lanes or combine them across: shuffles, table look-ups, unzips, pairwise ops, reductions, dot products.

use super::Baseline;
use super::asm::{Enc, Xmm};
use super::simd::{PACKUSDW, PACKUSWB, PAND, POR, PSHUFB, PUNPCKLQDQ, direct, s2, s38};
use crate::bytecode::{Bytecode, EvalDesc};
use metaphrase_ir::ops::{VBinKind, VRedKind, VTernKind};
use metaphrase_ir::{Shape, Type};

/// Mask byte of PSHUFB for zero.
const ZERO: u8 = 0x80;

impl Baseline {
    /// Constant byte shuffles: bytes of (b : a), others zero.
    pub(super) fn shuffle(&mut self, code: &Bytecode, e: &EvalDesc) -> bool {
        let Some(mask) = code.consts().get(e.inst.imm as usize) else {
            return false;
        };
        let mask = mask.to_le_bytes();
        let same = e.args[0] == e.args[1] || e.tys[1] == Type::Void;
        let first = mask[0];
        let run = (0..16).all(|i| mask[i] as usize == first as usize + i);
        if run && !same && first <= 16 {
            let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
            let x = self.copy_v(b);
            self.v2(Enc(0x66, 3, 0x0f), x, a); // palignr
            self.r.asm.put(first as u64, 1);
            self.r.set_v(e.d, x);
            return true;
        }
        let x = if same {
            self.picked(e.args[0], &mask, 0..32)
        } else if mask.iter().all(|m| !(16..32).contains(m)) {
            self.picked(e.args[0], &mask, 0..16)
        } else {
            let x = self.picked(e.args[0], &mask, 0..16);
            let y = self.picked(e.args[1], &mask, 16..32);
            self.v2(POR, x, y);
            x
        };
        self.r.set_v(e.d, x);
        true
    }

    /// The bytes of the vector at `w` that `mask` names within `range`, zero elsewhere.
    fn picked(&mut self, w: u16, mask: &[u8; 16], range: std::ops::Range<u8>) -> Xmm {
        let m = mask.map(|i| if range.contains(&i) { i & 15 } else { ZERO });
        let a = self.r.get_v(w);
        let x = self.copy_v(a);
        let m = self.constant(u128::from_le_bytes(m));
        self.v2(PSHUFB, x, m);
        x
    }

    /// TBL on one or two registers. An index out of range gets its top bit set.
    pub(super) fn table(&mut self, e: &EvalDesc) -> bool {
        let (t0, t1) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let index = self.r.get_v(e.args[2]);
        let (x, y) = (self.copy_v(t0), self.copy_v(t1));
        let (i, j) = (self.copy_v(index), self.copy_v(index));
        let beyond = self.splat(0, 0x70);
        let sixteen = self.splat(0, 16);
        self.v2(s2(0xf8), j, sixteen); // psubb
        for i in [i, j] {
            self.v2(s2(0xdc), i, beyond); // paddusb
        }
        self.v2(PSHUFB, x, i);
        self.v2(PSHUFB, y, j);
        self.v2(POR, x, y);
        self.r.set_v(e.d, x);
        true
    }

    /// UZP1, UZP2, TRN1, TRN2.
    pub(super) fn unzip(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        use VBinKind::*;
        let l = s.lane_log2();
        let odd = matches!(k, Uzp2 | Trn2);
        if s.lanes() == 2 {
            return self.zip(e, odd, s);
        }
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let bits = 8 << l;
        let x = if matches!(k, Uzp1 | Uzp2) {
            let x = self.copy_v(a);
            if l == 2 {
                self.v2(Enc(0, 1, 0xc6), x, b); // shufps
                self.r.asm.put(if odd { 0xdd } else { 0x88 }, 1);
                return self.result(e, s, x);
            }
            let y = if s.bits() == 64 {
                self.v2(PUNPCKLQDQ, x, b);
                x
            } else {
                self.copy_v(b)
            };
            self.every_other(x, l, odd);
            if y != x {
                self.every_other(y, l, odd);
            }
            self.v2(if l == 0 { PACKUSWB } else { PACKUSDW }, x, y);
            x
        } else {
            // One moves by a lane, the other keeps its place.
            let (moves, stays) = if odd { (a, b) } else { (b, a) };
            let (x, y) = (self.copy_v(moves), self.copy_v(stays));
            self.shift_group(l + 1, if odd { 2 } else { 6 }, x, bits);
            let keep = if odd {
                u64::MAX << bits
            } else {
                (1 << bits) - 1
            };
            let m = self.splat(l + 1, keep);
            self.v2(PAND, y, m);
            self.v2(POR, x, y);
            x
        };
        self.result(e, s, x)
    }

    /// Lanes of twice the size of `l` = their low (or high) halves.
    fn every_other(&mut self, x: Xmm, l: u32, high: bool) {
        let bits = 8 << l;
        if !high {
            let low = self.ones();
            self.shift_group(l + 1, 2, low, bits);
            self.v2(PAND, x, low);
        } else {
            self.shift_group(l + 1, 2, x, bits);
        }
    }

    /// Over the pairs of (b : a): even lanes with odd ones.
    pub(super) fn pairwise(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        use VBinKind::*;
        let l = s.lane_log2();
        let plain = match k {
            AddP => Add,
            SMaxP => SMax,
            SMinP => SMin,
            UMaxP => UMax,
            _ => UMin,
        };
        let Some(op) = direct(plain, l) else {
            return false;
        };
        let (a, mut b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let x = self.copy_v(a);
        if s == Shape::D2 {
            let y = self.copy_v(a);
            self.v2(PUNPCKLQDQ, x, b);
            self.v2(s2(0x6d), y, b); // punpckhqdq
            self.v2(op, x, y);
            return self.result(e, s, x);
        }
        if s.bits() == 64 {
            self.v2(PUNPCKLQDQ, x, b);
            b = x;
        }
        if k == AddP && l > 0 {
            self.v2(s38(l as u8), x, b); // phaddw, phaddd
            return self.result(e, s, x);
        }
        // Each source as even lanes in its low half, odd ones in its high half.
        let size = 1u8 << l;
        let mask = std::array::from_fn(|i| {
            let (i, half) = (i as u8 & 7, i as u8 >> 3);
            (i / size * 2 + half) * size + i % size
        });
        let m = self.constant(u128::from_le_bytes(mask));
        let y = self.copy_v(b);
        self.v2(PSHUFB, x, m);
        self.v2(PSHUFB, y, m);
        let t = self.copy_v(x);
        self.v2(PUNPCKLQDQ, x, y);
        self.v2(s2(0x6d), t, y);
        self.v2(op, x, t);
        self.result(e, s, x)
    }

    /// Across lanes, by halving; sums of bytes by PSADBW.
    pub(super) fn vred(&mut self, e: &EvalDesc) -> bool {
        use VRedKind::*;
        let s = e.inst.shape();
        let k = VRedKind::from_aux(e.inst.aux);
        let l = s.lane_log2();
        if s.bits() < 64 || s.lanes() < 2 || l > 2 {
            return false;
        }
        let (plain, wide) = match k {
            AddV => (VBinKind::Add, l),
            UAddLv | SAddLv => (VBinKind::Add, l + 1),
            SMaxV => (VBinKind::SMax, l),
            SMinV => (VBinKind::SMin, l),
            UMaxV => (VBinKind::UMax, l),
            UMinV => (VBinKind::UMin, l),
            _ => return false,
        };
        let Some(op) = direct(plain, wide) else {
            return false;
        };
        let a = self.r.get_v(e.args[0]);
        let x;
        let mut width = s.bits() as u64 / 2;
        if l == 0 && matches!(k, AddV | UAddLv) {
            x = self.zeros();
            self.v2(s2(0xf6), x, a); // psadbw
            if s.bits() == 128 {
                self.fold_upper(s2(0xd4), x, 64);
            }
            width = 0;
        } else {
            x = self.copy_v(a);
            if wide != l {
                if s.bits() == 64 {
                    self.widen_to(x, x, l, k == SAddLv, false);
                    width = 64;
                } else {
                    let t = self.copy_v(a);
                    self.widen_to(x, x, l, k == SAddLv, false);
                    self.widen_to(t, t, l, k == SAddLv, true);
                    self.v2(op, x, t);
                }
            }
        }
        while width >= 8 << wide {
            self.fold_upper(op, x, width);
            width /= 2;
        }
        if wide < 3 {
            let m = self.constant((1 << (8 << wide)) - 1);
            self.v2(PAND, x, m);
        }
        self.r.asm.movq_xx(x, x);
        self.r.set_v(e.d, x);
        true
    }

    /// `x = x op (x >> bits)`.
    fn fold_upper(&mut self, op: Enc, x: Xmm, bits: u64) {
        let t = self.copy_v(x);
        if bits == 64 {
            self.upper(t);
        } else {
            self.shift_group(3, 2, t, bits);
        }
        self.v2(op, x, t);
    }

    /// UDOT, SDOT: four products of bytes in each 32-bit lane.
    pub(super) fn dot(&mut self, e: &EvalDesc, k: VTernKind, s: Shape) -> bool {
        use VTernKind::*;
        if !matches!(k, SDot | UDot | UsDot) || s.lane_log2() != 2 {
            return false;
        }
        // (n signed, m signed)
        let signed = (k == SDot, k != UDot);
        let mut halves = [0; 2];
        for (i, hi) in [false, true].into_iter().enumerate() {
            let x = self.widened(e.args[1], 0, signed.0, hi);
            let y = self.widened(e.args[2], 0, signed.1, hi);
            self.v2(s2(0xf5), x, y); // pmaddwd
            halves[i] = x;
        }
        let [x, y] = halves;
        self.v2(s38(0x02), x, y); // phaddd
        let a = self.r.get_v(e.args[0]);
        self.v2(s2(0xfe), x, a); // paddd
        self.result(e, s, x)
    }
}
