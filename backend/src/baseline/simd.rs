//! Vector ops on the host's SSE instructions: lanes, logic, integer arithmetic, comparisons, shifts, permutations. What is not here
//! is called out.
//!
//! A shape of 64 bits computes on whole registers and then clears the upper half.

use super::Baseline;
use super::asm::{Enc, Gpr, Xmm};
use crate::bytecode::{Bytecode, EvalDesc};
use metaphrase_ir::ops::{VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
use metaphrase_ir::ops_vector::HI;
use metaphrase_ir::{Op, Shape, Type};

/// SSE2 opcode.
const fn s2(op: u8) -> Enc {
    Enc(0x66, 1, op)
}
/// Opcode of the 0F 38 map.
const fn s38(op: u8) -> Enc {
    Enc(0x66, 2, op)
}

const PAND: Enc = s2(0xdb);
const PANDN: Enc = s2(0xdf);
const POR: Enc = s2(0xeb);
const PXOR: Enc = s2(0xef);
const PSHUFB: Enc = s38(0x00);
const PACKUSWB: Enc = s2(0x67);
const PACKUSDW: Enc = s38(0x2b);
const PUNPCKLQDQ: Enc = s2(0x6c);

/// Opcode by lane size (log2), if the host has one.
fn by_lane(log2: u32, row: [Option<Enc>; 4]) -> Option<Enc> {
    row[log2 as usize & 3]
}

fn unsigned_max(l: u32) -> Option<Enc> {
    by_lane(l, [Some(s2(0xde)), Some(s38(0x3e)), Some(s38(0x3f)), None])
}
fn unsigned_min(l: u32) -> Option<Enc> {
    by_lane(l, [Some(s2(0xda)), Some(s38(0x3a)), Some(s38(0x3b)), None])
}
fn equal(l: u32) -> Option<Enc> {
    by_lane(
        l,
        [
            Some(s2(0x74)),
            Some(s2(0x75)),
            Some(s2(0x76)),
            Some(s38(0x29)),
        ],
    )
}

/// Kinds that are one host instruction `op a, b`.
fn direct(k: VBinKind, l: u32) -> Option<Enc> {
    use VBinKind::*;
    match k {
        And => Some(PAND),
        Or => Some(POR),
        Xor => Some(PXOR),
        Add => by_lane(l, [s2(0xfc), s2(0xfd), s2(0xfe), s2(0xd4)].map(Some)),
        Sub => by_lane(l, [s2(0xf8), s2(0xf9), s2(0xfa), s2(0xfb)].map(Some)),
        Mul => by_lane(l, [None, Some(s2(0xd5)), Some(s38(0x40)), None]),
        CmEq => equal(l),
        SMax => by_lane(l, [Some(s38(0x3c)), Some(s2(0xee)), Some(s38(0x3d)), None]),
        SMin => by_lane(l, [Some(s38(0x38)), Some(s2(0xea)), Some(s38(0x39)), None]),
        UMax => unsigned_max(l),
        UMin => unsigned_min(l),
        URHAdd => by_lane(l, [Some(s2(0xe0)), Some(s2(0xe3)), None, None]),
        _ => None,
    }
}

impl Baseline {
    /// Emits the op if it has a template.
    pub(super) fn simd_eval(&mut self, code: &Bytecode, i: u32, e: &EvalDesc) -> bool {
        match e.inst.op {
            Op::VBin | Op::VUn | Op::VTern if self.simd_fp(i, e) => true,
            Op::VLane => self.lane(e),
            Op::VInsert => self.insert(e),
            Op::VDup => self.dup(e),
            Op::VScalar => self.scalar_lane(e),
            Op::VBin => self.vbin(e),
            Op::VUn => self.vun(e),
            Op::VShift => self.vshift(e),
            Op::VTern => self.vtern(e),
            Op::VRed => self.vred(e),
            Op::VShuffle => self.shuffle(code, e),
            _ => false,
        }
    }

    // ---- helpers ----

    pub(super) fn v2(&mut self, e: Enc, d: Xmm, s: Xmm) {
        self.r.asm.rr(e, false, d, s);
    }
    /// Fresh register with a copy of `a`.
    pub(super) fn copy_v(&mut self, a: Xmm) -> Xmm {
        let x = self.r.alloc_x();
        self.r.asm.movaps(x, a);
        x
    }
    pub(super) fn ones(&mut self) -> Xmm {
        let x = self.r.alloc_x();
        self.v2(s2(0x76), x, x);
        x
    }
    pub(super) fn zeros(&mut self) -> Xmm {
        let x = self.r.alloc_x();
        self.v2(PXOR, x, x);
        x
    }
    fn invert(&mut self, x: Xmm) {
        let t = self.ones();
        self.v2(PXOR, x, t);
    }
    /// Shift group: `op` 71, 72, 73 by lane size, digit, count.
    fn shift_group(&mut self, log2: u32, digit: u8, x: Xmm, n: u64) {
        self.v2(s2(0x70 | log2 as u8), digit, x);
        self.r.asm.put(n.min(255), 1);
    }
    /// Moves the upper half down.
    fn upper(&mut self, x: Xmm) {
        self.v2(s2(0x73), 3, x);
        self.r.asm.put(8, 1);
    }
    /// A constant.
    fn constant(&mut self, v: u128) -> Xmm {
        let x = self.r.alloc_x();
        let t = self.r.alloc();
        self.r.asm.mov_imm(t, v as u64);
        self.r.asm.movq_xr(x, t);
        if v >> 64 != 0 {
            self.r.asm.mov_imm(t, (v >> 64) as u64);
            self.pinsrq(x, t);
        }
        x
    }
    fn pinsrq(&mut self, x: Xmm, r: Gpr) {
        self.r.asm.rr(Enc(0x66, 3, 0x22), true, x, r);
        self.r.asm.put(1, 1);
    }
    /// `x` is the result; a shape of 64 bits or less zeroes what is above.
    fn result(&mut self, e: &EvalDesc, s: Shape, x: Xmm) -> bool {
        if s.bits() <= 64 {
            self.r.asm.movq_xx(x, x);
        }
        self.r.set_v(e.d, x);
        true
    }

    // ---- lanes ----

    fn lane(&mut self, e: &EvalDesc) -> bool {
        let x = self.r.get_v(e.args[0]);
        let d = self.r.alloc();
        let (op, w) = match e.inst.shape().lane_log2() {
            0 => (0x14, false),
            1 => (0x15, false),
            2 => (0x16, false),
            3 => (0x16, true),
            _ => return false,
        };
        self.r.asm.rr(Enc(0x66, 3, op), w, x, d);
        self.r.asm.put(e.inst.imm, 1);
        self.r.set(e.d, d);
        true
    }

    fn insert(&mut self, e: &EvalDesc) -> bool {
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        let log2 = e.inst.shape().lane_log2();
        if log2 == 3
            && let Some(b) = self.r.low_in_x(e.args[1])
        {
            // movsd or punpcklqdq: from the low half
            let op = if e.inst.imm == 0 {
                Enc(0xf2, 1, 0x10)
            } else {
                PUNPCKLQDQ
            };
            self.v2(op, x, b);
        } else {
            let (op, w) = match log2 {
                0 => (Enc(0x66, 3, 0x20), false),
                1 => (s2(0xc4), false),
                2 => (Enc(0x66, 3, 0x22), false),
                3 => (Enc(0x66, 3, 0x22), true),
                _ => return false,
            };
            let b = self.r.get(e.args[1]);
            self.r.asm.rr(op, w, x, b);
            self.r.asm.put(e.inst.imm, 1);
        }
        self.r.set_v(e.d, x);
        true
    }

    fn dup(&mut self, e: &EvalDesc) -> bool {
        let s = e.inst.shape();
        if s.lanes() == 1 {
            return false;
        }
        let x = self.r.alloc_x();
        self.low64_to(x, e.args[0]);
        match s.lane_log2() {
            0 => {
                let t = self.zeros();
                self.v2(PSHUFB, x, t);
            }
            1 => {
                self.r.asm.rr(Enc(0xf2, 1, 0x70), false, x, x); // pshuflw
                self.r.asm.put(0, 1);
                self.v2(PUNPCKLQDQ, x, x);
            }
            2 => {
                self.r.asm.rr(s2(0x70), false, x, x); // pshufd
                self.r.asm.put(0, 1);
            }
            _ => self.v2(PUNPCKLQDQ, x, x),
        }
        self.result(e, s, x)
    }

    fn scalar_lane(&mut self, e: &EvalDesc) -> bool {
        let op = match e.inst.shape() {
            Shape::B1 => 0xb6,
            Shape::H1 => 0xb7,
            _ => return false,
        };
        let a = self.r.get(e.args[0]);
        let t = self.r.alloc();
        self.r.asm.rr8(Enc(0, 1, op), t, a);
        let x = self.r.alloc_x();
        self.r.asm.movq_xr(x, t);
        self.r.set_v(e.d, x);
        true
    }

    // ---- two operands ----

    fn vbin(&mut self, e: &EvalDesc) -> bool {
        use VBinKind::*;
        let s = e.inst.shape();
        let l = s.lane_log2();
        if s.bits() < 64 || s == Shape::Q1 {
            return false;
        }
        let k = VBinKind::from_aux(e.inst.aux);
        if let Some(op) = direct(k, l) {
            let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
            let x = self.copy_v(a);
            self.v2(op, x, b);
            return self.result(e, s, x);
        }
        match k {
            AndNot | OrNot => {
                let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
                let x = self.copy_v(b);
                if k == AndNot {
                    self.v2(PANDN, x, a);
                } else {
                    self.invert(x);
                    self.v2(POR, x, a);
                }
                self.result(e, s, x)
            }
            CmGt | CmGe | CmHi | CmHs | CmTst => self.compare_lanes(e, k, s),
            Zip1 | Zip2 => self.zip(e, k == Zip2, s),
            Uzp1 | Trn1 if s == Shape::D2 => self.zip(e, false, s),
            Uzp2 | Trn2 if s == Shape::D2 => self.zip(e, true, s),
            AddP | UMaxP | UMinP => self.pairwise(e, k, s),
            _ => false,
        }
    }

    fn compare_lanes(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        use VBinKind::*;
        let l = s.lane_log2();
        let greater = by_lane(
            l,
            [
                Some(s2(0x64)),
                Some(s2(0x65)),
                Some(s2(0x66)),
                self.host.sse42.then_some(s38(0x37)),
            ],
        );
        let (Some(greater), Some(equal)) = (greater, equal(l)) else {
            return false;
        };
        let unsigned = matches!(k, CmHi | CmHs);
        let max = unsigned_max(l);
        if unsigned && max.is_none() {
            return false;
        }
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        // Greater is not (less or equal).
        let (first, second) = match k {
            CmGe | CmHi => (b, a),
            _ => (a, b),
        };
        let x = self.copy_v(first);
        match (k, max) {
            (CmTst, _) => {
                self.v2(PAND, x, second);
                let t = self.zeros();
                self.v2(equal, x, t);
            }
            (CmHi | CmHs, Some(max)) => {
                self.v2(max, x, second);
                self.v2(equal, x, first);
            }
            _ => self.v2(greater, x, second),
        }
        if matches!(k, CmGe | CmHi | CmTst) {
            self.invert(x);
        }
        self.result(e, s, x)
    }

    fn zip(&mut self, e: &EvalDesc, second: bool, s: Shape) -> bool {
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let x = self.copy_v(a);
        let l = s.lane_log2() as u8;
        let low = if l == 3 { PUNPCKLQDQ } else { s2(0x60 | l) };
        let high = if l == 3 { s2(0x6d) } else { s2(0x68 | l) };
        if s.bits() == 64 {
            self.v2(low, x, b);
            if second {
                self.upper(x);
            }
        } else {
            self.v2(if second { high } else { low }, x, b);
        }
        self.result(e, s, x)
    }

    /// Over the pairs of (b : a).
    fn pairwise(&mut self, e: &EvalDesc, k: VBinKind, s: Shape) -> bool {
        let l = s.lane_log2();
        if l == 3 || (k != VBinKind::AddP && l != 0) {
            return false;
        }
        let (a, mut b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let x = self.copy_v(a);
        if s.bits() == 64 {
            self.v2(PUNPCKLQDQ, x, b);
            b = x;
        }
        if l > 0 {
            self.v2(s38(l as u8), x, b); // phaddw, phaddd
            return self.result(e, s, x);
        }
        let Some(op) = (match k {
            VBinKind::AddP => Some(s2(0xfc)),
            VBinKind::UMaxP => unsigned_max(0),
            _ => unsigned_min(0),
        }) else {
            return false;
        };
        let y = self.copy_v(b);
        let mask = self.ones();
        self.shift_group(1, 2, mask, 8);
        for v in [x, y] {
            let t = self.copy_v(v);
            self.shift_group(1, 2, t, 8);
            self.v2(op, v, t);
            self.v2(PAND, v, mask);
        }
        self.v2(PACKUSWB, x, y);
        self.result(e, s, x)
    }

    // ---- one operand ----

    fn vun(&mut self, e: &EvalDesc) -> bool {
        use VUnKind::*;
        let s = e.inst.shape();
        let l = s.lane_log2();
        if s.bits() < 64 || s == Shape::Q1 {
            return false;
        }
        let k = VUnKind::from_aux(e.inst.aux);
        match k {
            Not => {
                let a = self.r.get_v(e.args[0]);
                let x = self.copy_v(a);
                self.invert(x);
                self.result(e, s, x)
            }
            CmEq0 => {
                let Some(op) = equal(l) else { return false };
                let a = self.r.get_v(e.args[0]);
                let x = self.zeros();
                self.v2(op, x, a);
                self.result(e, s, x)
            }
            Neg => {
                let Some(op) = direct(VBinKind::Sub, l) else {
                    return false;
                };
                let a = self.r.get_v(e.args[0]);
                let x = self.zeros();
                self.v2(op, x, a);
                self.result(e, s, x)
            }
            Abs if l < 3 => {
                let a = self.r.get_v(e.args[0]);
                let x = self.r.alloc_x();
                self.v2(s38(0x1c | l as u8), x, a);
                self.result(e, s, x)
            }
            Xtn => self.narrow_lanes(e, s, 0),
            _ => false,
        }
    }

    /// Lanes of twice the size, shifted right by `n` and cut.
    fn narrow_lanes(&mut self, e: &EvalDesc, s: Shape, n: u64) -> bool {
        if s.bits() != 64 {
            return false;
        }
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        let l = s.lane_log2();
        if n != 0 {
            self.shift_group(l + 1, 2, x, n);
        }
        match l {
            0 | 1 => {
                let t = self.ones();
                self.shift_group(l + 1, 2, t, s.lane_bits() as u64);
                self.v2(PAND, x, t);
                self.v2(if l == 0 { PACKUSWB } else { PACKUSDW }, x, x);
            }
            2 => {
                self.r.asm.rr(s2(0x70), false, x, x); // pshufd: lanes 0, 2
                self.r.asm.put(0x08, 1);
            }
            _ => return false,
        }
        self.result(e, s, x)
    }

    fn vshift(&mut self, e: &EvalDesc) -> bool {
        use VShiftKind::*;
        let s = e.inst.shape();
        let l = s.lane_log2();
        let n = e.inst.imm;
        if s.bits() < 64 || s == Shape::Q1 {
            return false;
        }
        let k = VShiftKind::from_aux(e.inst.aux);
        let digit = match k {
            Shl => 6,
            UShr => 2,
            SShr if l < 3 => 4,
            Shrn => return self.narrow_lanes(e, s, n),
            SShll | UShll => return self.widen(e, s, k == SShll),
            _ => return false,
        };
        if l == 0 {
            return self.shift_bytes(e, s, digit);
        }
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        self.shift_group(l, digit, x, n);
        self.result(e, s, x)
    }

    /// Bytes shift as halves of words, less the bits that come from the neighbour.
    fn shift_bytes(&mut self, e: &EvalDesc, s: Shape, digit: u8) -> bool {
        let n = e.inst.imm;
        if digit == 4 || n > 8 {
            return false;
        }
        let keep = if digit == 6 {
            (0xff << n) as u8
        } else {
            (0xff_u32 >> n) as u8
        };
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        self.shift_group(1, digit, x, n);
        let t = self.constant(u128::from_ne_bytes([keep; 16]));
        self.v2(PAND, x, t);
        self.result(e, s, x)
    }

    /// Long shift left: the shape is that of the narrow source, 64 bits.
    fn widen(&mut self, e: &EvalDesc, s: Shape, signed: bool) -> bool {
        let l = s.lane_log2();
        if s.bits() != 64 || l > 2 {
            return false;
        }
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        if e.inst.aux & HI != 0 {
            self.upper(x);
        }
        let op = [0, 3, 5][l as usize] | if signed { 0x20 } else { 0x30 };
        self.v2(s38(op), x, x);
        if e.inst.imm != 0 {
            self.shift_group(l + 1, 6, x, e.inst.imm);
        }
        self.r.set_v(e.d, x);
        true
    }

    // ---- others ----

    fn vtern(&mut self, e: &EvalDesc) -> bool {
        use VTernKind::*;
        let s = e.inst.shape();
        if s.bits() < 64 || s == Shape::Q1 {
            return false;
        }
        let k = VTernKind::from_aux(e.inst.aux);
        let sum = match k {
            Mla => VBinKind::Add,
            Mls => VBinKind::Sub,
            Bsl => VBinKind::Xor,
            _ => return false,
        };
        let l = s.lane_log2();
        let (product, sum) = (direct(VBinKind::Mul, l), direct(sum, l));
        if k != Bsl && (product.is_none() || sum.is_none()) {
            return false;
        }
        let (a, n, m) = (
            self.r.get_v(e.args[0]),
            self.r.get_v(e.args[1]),
            self.r.get_v(e.args[2]),
        );
        let mut x = self.copy_v(n);
        match (product, sum) {
            (Some(product), Some(sum)) if k != Bsl => {
                self.v2(product, x, m);
                let y = self.copy_v(a);
                self.v2(sum, y, x);
                x = y;
            }
            _ => {
                // ((n ^ m) & mask) ^ m
                self.v2(PXOR, x, m);
                self.v2(PAND, x, a);
                self.v2(PXOR, x, m);
            }
        }
        self.result(e, s, x)
    }

    /// Sums of bytes: PSADBW adds the bytes of each half.
    fn vred(&mut self, e: &EvalDesc) -> bool {
        let s = e.inst.shape();
        let k = VRedKind::from_aux(e.inst.aux);
        if s.lane_log2() != 0 || s.bits() < 64 || !matches!(k, VRedKind::AddV | VRedKind::UAddLv) {
            return false;
        }
        let a = self.r.get_v(e.args[0]);
        let x = self.zeros();
        self.v2(s2(0xf6), x, a);
        if s.bits() == 128 {
            let t = self.copy_v(x);
            self.upper(t);
            self.v2(s2(0xd4), x, t);
        }
        if k == VRedKind::AddV {
            let t = self.constant(0xff);
            self.v2(PAND, x, t);
        }
        self.r.asm.movq_xx(x, x);
        self.r.set_v(e.d, x);
        true
    }

    /// PSHUFB with masks made here: bit 7 gives zero.
    fn shuffle(&mut self, code: &Bytecode, e: &EvalDesc) -> bool {
        let Some(mask) = code.consts.get(e.inst.imm as usize) else {
            return false;
        };
        let mask = mask.to_le_bytes();
        let same = e.args[0] == e.args[1] || e.tys[1] == Type::Void;
        let pick = |from: u8, to: u8| {
            let m = mask.map(|i| {
                if (from..to).contains(&i) {
                    i & 15
                } else {
                    0x80
                }
            });
            u128::from_le_bytes(m)
        };
        const NOTHING: u128 = u128::from_ne_bytes([0x80; 16]);
        let (first, second) = if same {
            (pick(0, 32), NOTHING)
        } else {
            (pick(0, 16), pick(16, 32))
        };
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        let t = self.constant(first);
        self.v2(PSHUFB, x, t);
        if second != NOTHING {
            let b = self.r.get_v(e.args[1]);
            let y = self.copy_v(b);
            let t = self.constant(second);
            self.v2(PSHUFB, y, t);
            self.v2(POR, x, y);
        }
        self.r.set_v(e.d, x);
        true
    }
}
