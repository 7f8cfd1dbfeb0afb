//! Vector ops on the host's SSE instructions: lanes, logic, integer arithmetic, comparisons, shifts, permutations. What is not here
//! is called out.
//!
//! A shape of 64 bits computes on whole registers and then clears the upper half.

use super::Baseline;
use super::asm::{Enc, Xmm};
use crate::bytecode::{Bytecode, EvalDesc};
use metaphrase_ir::ops::{VBinKind, VTernKind, VUnKind};
use metaphrase_ir::{Op, Shape};

/// SSE2 opcode.
pub(super) const fn s2(op: u8) -> Enc {
    Enc(0x66, 1, op)
}
/// Opcode of the 0F 38 map.
pub(super) const fn s38(op: u8) -> Enc {
    Enc(0x66, 2, op)
}

pub(super) const PAND: Enc = s2(0xdb);
pub(super) const PANDN: Enc = s2(0xdf);
pub(super) const POR: Enc = s2(0xeb);
pub(super) const PXOR: Enc = s2(0xef);
pub(super) const PSHUFB: Enc = s38(0x00);
pub(super) const PACKUSWB: Enc = s2(0x67);
pub(super) const PACKUSDW: Enc = s38(0x2b);
pub(super) const PUNPCKLQDQ: Enc = s2(0x6c);

/// Opcode by lane size (log2), if the host has one.
pub(super) fn by_lane(log2: u32, row: [Option<Enc>; 4]) -> Option<Enc> {
    row[log2 as usize & 3]
}

fn unsigned_max(l: u32) -> Option<Enc> {
    by_lane(l, [Some(s2(0xde)), Some(s38(0x3e)), Some(s38(0x3f)), None])
}
fn unsigned_min(l: u32) -> Option<Enc> {
    by_lane(l, [Some(s2(0xda)), Some(s38(0x3a)), Some(s38(0x3b)), None])
}
pub(super) fn equal(l: u32) -> Option<Enc> {
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
pub(super) fn direct(k: VBinKind, l: u32) -> Option<Enc> {
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
            Op::VBin | Op::VUn | Op::VTern | Op::VShift if self.simd_fp(i, e) => true,
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
            Op::VTbl => self.table(e),
            _ => false,
        }
    }

    // ---- helpers ----

    pub(super) fn v2(&mut self, e: Enc, d: Xmm, s: Xmm) {
        self.r.asm.rr(e, false, d, s);
    }
    /// `d = s op t`; `d` is fresh.
    pub(super) fn v3(&mut self, e: Enc, d: Xmm, s: Xmm, t: Xmm) {
        if self.host.avx2 {
            self.r.asm.vex(e, false, d, s, t);
        } else {
            self.r.asm.movaps(d, s);
            self.r.asm.rr(e, false, d, t);
        }
    }
    /// What is above the shape in `x` is zero.
    pub(super) fn mark_shape(&mut self, x: Xmm, s: Shape) {
        if s.bits() < 128 {
            self.r.mark_zero(x, s.bits() == 64);
        }
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
    pub(super) fn invert(&mut self, x: Xmm) {
        let t = self.ones();
        self.v2(PXOR, x, t);
    }
    /// Shift group: `op` 71, 72, 73 by lane size, digit, count.
    pub(super) fn shift_group(&mut self, log2: u32, digit: u8, x: Xmm, n: u64) {
        self.v2(s2(0x70 | log2 as u8), digit, x);
        self.r.asm.put(n.min(255), 1);
    }
    /// Moves the upper half down.
    pub(super) fn upper(&mut self, x: Xmm) {
        self.v2(s2(0x73), 3, x);
        self.r.asm.put(8, 1);
    }
    /// A constant, from the pool behind the code.
    pub(super) fn constant(&mut self, v: u128) -> Xmm {
        let x = self.r.alloc_x();
        self.load_constant(x, v);
        x
    }
    /// `x` = a constant from the pool.
    pub(super) fn load_constant(&mut self, x: Xmm, v: u128) {
        let field = self.r.asm.rip(Enc(0, 1, 0x10), x);
        self.pool.push((field, v));
    }
    /// A constant with every lane equal to `v`.
    pub(super) fn splat(&mut self, log2: u32, v: u64) -> Xmm {
        let bits = 8u32 << log2;
        let v = v as u128 & ((1u128 << bits) - 1);
        self.constant((0..128 / bits).fold(0, |a, i| a | v << (i * bits)))
    }
    /// Zeroes what is above a shape.
    pub(super) fn cut_to(&mut self, x: Xmm, s: Shape) {
        match s.bits() {
            128 => {}
            64 => self.r.asm.movq_xx(x, x),
            n => {
                let m = self.constant((1 << n) - 1);
                self.v2(PAND, x, m);
            }
        }
    }
    /// `x` is the result; zero above the shape.
    pub(super) fn result(&mut self, e: &EvalDesc, s: Shape, x: Xmm) -> bool {
        self.cut_to(x, s);
        self.r.set_v(e.d, x);
        self.mark_shape(x, s);
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
            let x = self.r.alloc_x();
            self.v3(op, x, a, b);
            // Of zeros all these make zeros, but for equality.
            let zero = self.r.zero_above(a, true) && self.r.zero_above(b, true);
            if s.bits() == 64 && zero && k != CmEq {
                self.r.set_v(e.d, x);
                self.mark_shape(x, s);
                return true;
            }
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
            CmGt | CmGe | CmHi | CmHs | CmTst if self.compare_lanes(e, k, s) => true,
            Zip1 | Zip2 => self.zip(e, k == Zip2, s),
            Uzp1 | Uzp2 | Trn1 | Trn2 => self.unzip(e, k, s),
            AddP | SMaxP | SMinP | UMaxP | UMinP => self.pairwise(e, k, s),
            SShl | UShl => self.shift_by_lanes(e, k == SShl, false, s),
            SRShl | URShl => self.shift_by_lanes(e, k == SRShl, true, s),
            PMulL if s == Shape::D1 => self.polynomial(e),
            AesE | AesD | Sha1Su1 | Sha256Su0 => self.crypto_bin(e, k),
            _ => self.long_bin(e, k, s) || self.lane_arith(e, k, s),
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

    pub(super) fn zip(&mut self, e: &EvalDesc, second: bool, s: Shape) -> bool {
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let x = self.r.alloc_x();
        let l = s.lane_log2() as u8;
        let low = if l == 3 { PUNPCKLQDQ } else { s2(0x60 | l) };
        let high = if l == 3 { s2(0x6d) } else { s2(0x68 | l) };
        if s.bits() == 64 {
            self.v3(low, x, a, b);
            if second {
                self.upper(x);
            }
        } else {
            self.v3(if second { high } else { low }, x, a, b);
        }
        self.result(e, s, x)
    }

    // ---- one operand ----

    fn vun(&mut self, e: &EvalDesc) -> bool {
        use VUnKind::*;
        let s = e.inst.shape();
        let l = s.lane_log2();
        let k = VUnKind::from_aux(e.inst.aux);
        if matches!(k, VUnKind::AesMc | VUnKind::AesIMc | VUnKind::Sha1H) {
            return self.crypto_un(e, k);
        }
        if s.bits() < 64 || s == Shape::Q1 {
            return false;
        }
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
            Xtn if s.bits() == 64 && l < 3 => {
                let a = self.r.get_v(e.args[0]);
                let x = self.copy_v(a);
                self.cut(x, l, 0);
                self.result(e, s, x)
            }
            _ => self.lane_unary(e, k, s),
        }
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
            _ => return self.crypto_tern(e, k) || self.dot(e, k, s),
        };
        let l = s.lane_log2();
        if l == 0 && k != Bsl {
            let p = self.byte_product(e.args[1], e.args[2]);
            let a = self.r.get_v(e.args[0]);
            let x = self.copy_v(a);
            if let Some(sum) = direct(sum, 0) {
                self.v2(sum, x, p);
            }
            return self.result(e, s, x);
        }
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
}
