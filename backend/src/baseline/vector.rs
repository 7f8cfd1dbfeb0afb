//! Moves and logic on 16-byte values.

use super::Baseline;
use super::asm::{Enc, Xmm, cc};
use crate::bytecode::{BOp, Bytecode, Op0};

impl Baseline {
    /// Emits the op if it is one of these.
    #[inline]
    pub(super) fn vector_op(&mut self, code: &Bytecode, o: &BOp) -> bool {
        match o.op {
            Op0::MovV => {
                let a = self.r.get_v(o.a);
                let x = self.r.alloc_x();
                self.r.asm.movaps(x, a);
                self.r.set_v(o.d, x);
            }
            Op0::ImmV => self.const_v(code, o),
            Op0::VLo64 => self.low64(o),
            Op0::VLo32 => self.low32_of(o),
            Op0::VPair => self.pair(o),
            Op0::VAnd => self.two_v(o, Enc(0, 1, 0x54)),
            Op0::VOr => self.two_v(o, Enc(0, 1, 0x56)),
            Op0::VXor => self.two_v(o, Enc(0, 1, 0x57)),
            Op0::SelectV => {
                let c = self.r.get(o.imm as u16);
                let (a, b) = (self.r.get_v(o.a), self.r.get_v(o.b));
                let x = self.r.alloc_x();
                let m = &mut self.r.asm;
                m.movaps(x, a);
                m.test8_imm(c, 1);
                let keep = m.jcc8(cc::NE);
                m.movaps(x, b);
                m.here8(keep);
                self.r.set_v(o.d, x);
            }
            _ => return false,
        }
        true
    }

    fn const_v(&mut self, code: &Bytecode, o: &BOp) {
        let Some(v) = code.consts().get(o.imm as usize) else {
            return;
        };
        let x = self.r.alloc_x();
        if *v == 0 {
            self.r.asm.rr(Enc(0, 1, 0x57), false, x, x);
        } else if *v == u128::MAX {
            self.r.asm.rr(Enc(0x66, 1, 0x76), false, x, x);
        } else {
            self.load_constant(x, *v);
        }
        self.r.set_v(o.d, x);
    }

    fn low64(&mut self, o: &BOp) {
        if let Some(x) = self.r.in_d(o.a)
            && self.r.can_hold_v(x)
        {
            return self.r.set_v(o.d, x);
        }
        let x = self.r.alloc_x();
        self.low64_to(x, o.a);
        self.r.set_v(o.d, x);
        self.r.mark_zero(x, true);
    }

    fn low32_of(&mut self, o: &BOp) {
        if let Some(x) = self.r.in_d(o.a)
            && self.r.zero_above(x, false)
            && self.r.can_hold_v(x)
        {
            return self.r.set_v(o.d, x);
        }
        let x = self.r.alloc_x();
        self.low32(x, o.a);
        self.r.set_v(o.d, x);
        self.r.mark_zero(x, false);
    }

    /// `x` = word `w`, zero-extended.
    pub(super) fn low64_to(&mut self, x: Xmm, w: u16) {
        match self.r.low_in_x(w) {
            Some(a) if self.r.zero_above(a, true) => self.r.asm.movaps(x, a),
            Some(a) => self.r.asm.movq_xx(x, a),
            None => {
                let a = self.r.get(w);
                self.r.asm.movq_xr(x, a);
            }
        }
    }

    /// `x` = the low half of word `w`, zero-extended.
    pub(super) fn low32(&mut self, x: Xmm, w: u16) {
        match self.r.low_in_x(w) {
            Some(a) if self.r.zero_above(a, false) => self.r.asm.movaps(x, a),
            Some(a) => {
                // insertps x, a, 0b1110: lane 0, zero elsewhere
                self.r.asm.rr(Enc(0x66, 3, 0x21), false, x, a);
                self.r.asm.put(0x0e, 1);
            }
            None => {
                let a = self.r.get(w);
                self.r.asm.rr(Enc(0x66, 1, 0x6e), false, x, a);
            }
        }
    }

    fn pair(&mut self, o: &BOp) {
        let x = self.r.alloc_x();
        self.low64_to(x, o.a);
        match self.r.low_in_x(o.b) {
            Some(b) => self.r.asm.rr(Enc(0x66, 1, 0x6c), false, x, b),
            None => {
                let b = self.r.get(o.b);
                self.r.asm.rr(Enc(0x66, 3, 0x22), true, x, b);
                self.r.asm.put(1, 1);
            }
        }
        self.r.set_v(o.d, x);
    }

    fn two_v(&mut self, o: &BOp, e: Enc) {
        let (a, b) = (self.r.get_v(o.a), self.r.get_v(o.b));
        if self.r.only_v(a, o.d) {
            self.r.changed_x(a);
            self.r.asm.rr(e, false, a, b);
            return self.r.set_v(o.d, a);
        }
        let x = self.r.alloc_x();
        self.v3(e, x, a, b);
        self.r.set_v(o.d, x);
    }
}
