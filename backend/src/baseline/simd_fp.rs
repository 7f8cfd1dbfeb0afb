//! Vector floating point: as [`super::fp`], with all lanes checked at once.
//!
//! A shape of 64 bits computes on operands whose upper halves are zero, so that no exception comes from there.

use super::asm::{Enc, Xmm, cc};
use super::{Baseline, Cold, Home};
use crate::bytecode::EvalDesc;
use metaphrase_ir::ops::{VBinKind, VTernKind, VUnKind};
use metaphrase_ir::{Op, Shape};

impl Baseline {
    /// Emits the op if it is one of these.
    pub(super) fn simd_fp(&mut self, i: u32, e: &EvalDesc) -> bool {
        let s = e.inst.shape();
        if !self.fp_inline || !matches!(s, Shape::S2 | Shape::S4 | Shape::D2) {
            return false;
        }
        let wide = s == Shape::D2;
        let packed = |op| Enc(if wide { 0x66 } else { 0 }, 1, op);
        match e.inst.op {
            Op::VBin => {
                let k = VBinKind::from_aux(e.inst.aux);
                let op = match k {
                    VBinKind::FAdd => 0x58,
                    VBinKind::FMul => 0x59,
                    VBinKind::FSub => 0x5c,
                    VBinKind::FDiv if s != Shape::S2 => 0x5e,
                    VBinKind::FCmEq | VBinKind::FCmGe | VBinKind::FCmGt => {
                        self.compare_v(e, k, s, packed(0xc2));
                        return true;
                    }
                    _ => return false,
                };
                let b = self.lanes_of(e.args[1], s);
                let x = self.copy_lanes(e.args[0], s);
                self.v2(packed(op), x, b);
                self.checked_v(i, e, packed(0xc2), x);
            }
            Op::VUn if VUnKind::from_aux(e.inst.aux) == VUnKind::FSqrt => {
                let x = self.copy_lanes(e.args[0], s);
                self.v2(packed(0x51), x, x);
                self.checked_v(i, e, packed(0xc2), x);
            }
            Op::VTern if self.host.fma => {
                // vfmadd231, vfnmadd231: accumulator, n, m
                let op = match VTernKind::from_aux(e.inst.aux) {
                    VTernKind::FMla => 0xb8,
                    VTernKind::FMls => 0xbc,
                    _ => return false,
                };
                let (n, m) = (self.lanes_of(e.args[1], s), self.lanes_of(e.args[2], s));
                let x = self.copy_lanes(e.args[0], s);
                self.r.asm.vex(Enc(0x66, 2, op), wide, x, n, m);
                self.checked_v(i, e, packed(0xc2), x);
            }
            _ => return false,
        }
        true
    }

    /// A register with the lanes that count, and zero above.
    fn lanes_of(&mut self, w: u16, s: Shape) -> Xmm {
        if s == Shape::S2 {
            return self.copy_lanes(w, s);
        }
        self.r.get_v(w)
    }

    /// The same in a fresh register.
    fn copy_lanes(&mut self, w: u16, s: Shape) -> Xmm {
        let a = self.r.get_v(w);
        let x = self.r.alloc_x();
        if s == Shape::S2 {
            self.r.asm.movq_xx(x, a);
        } else {
            self.r.asm.movaps(x, a);
        }
        x
    }

    /// `x` is the result unless a lane is a NaN. `compare`: CMPPS or CMPPD.
    fn checked_v(&mut self, i: u32, e: &EvalDesc, compare: Enc, x: Xmm) {
        self.flush_operands(e);
        let t = self.copy_v(x);
        self.v2(compare, t, t);
        self.r.asm.put(3, 1); // unordered
        self.v2(Enc(0x66, 2, 0x17), t, t); // ptest
        let jump = self.r.asm.jcc(cc::NE);
        self.later(Cold::Redo {
            jump,
            op: i,
            result: Home::V(x, e.d),
            resume: self.r.asm.pos() as u32,
        });
        self.r.set_v(e.d, x);
    }

    /// FCMEQ is quiet, FCMGE and FCMGT signal every NaN, as EQ, LE and LT of the host do.
    fn compare_v(&mut self, e: &EvalDesc, k: VBinKind, s: Shape, compare: Enc) {
        let (first, predicate) = match k {
            VBinKind::FCmEq => (0, 0),
            VBinKind::FCmGt => (1, 1),
            _ => (1, 2),
        };
        let b = self.lanes_of(e.args[1 - first], s);
        let x = self.copy_lanes(e.args[first], s);
        self.v2(compare, x, b);
        self.r.asm.put(predicate, 1);
        if s == Shape::S2 {
            self.r.asm.movq_xx(x, x);
        }
        self.r.set_v(e.d, x);
    }
}
