//! Moves, constants and integer arithmetic.

use super::Baseline;
use super::asm::{Enc, Gpr, RAX, RCX, RDX, alu, cc, sh};
use crate::bytecode::{BOp, Op0};
use metaphrase_ir::ops::IntCond;

impl Baseline {
    /// Emits the op if it is one of these.
    #[inline]
    pub(super) fn int_op(&mut self, o: &BOp) -> bool {
        match o.op {
            Op0::Mov64 => {
                let a = self.r.get(o.a);
                self.r.set(o.d, a);
            }
            Op0::Mov32 => {
                let a = self.r.get(o.a);
                let d = self.r.fresh(o.d, a);
                self.r.asm.mov32(d, a);
                self.r.set(o.d, d);
            }
            Op0::Imm => self.r.set_imm(o.d, o.imm),
            Op0::St32Slot => {
                let a = self.r.get(o.a);
                self.r.written((o.imm / 8) as u16);
                self.r.asm.header(Enc(0, 0, 0x89), false, a, o.imm as usize);
            }
            Op0::Add64 => self.add(o, true),
            Op0::Add32 => self.add(o, false),
            Op0::Sub64 => self.two(o, alu::SUB, true),
            Op0::And64 => self.two(o, alu::AND, true),
            Op0::Or64 => self.two(o, alu::OR, true),
            Op0::Xor64 => self.two(o, alu::XOR, true),
            Op0::Sub32 => self.two(o, alu::SUB, false),
            Op0::And32 => self.two(o, alu::AND, false),
            Op0::Or32 => self.two(o, alu::OR, false),
            Op0::Xor32 => self.two(o, alu::XOR, false),
            Op0::AndNot64 => self.inverted(o, alu::AND, true),
            Op0::OrNot64 => self.inverted(o, alu::OR, true),
            Op0::XorNot64 => self.inverted(o, alu::XOR, true),
            Op0::AndNot32 => self.inverted(o, alu::AND, false),
            Op0::OrNot32 => self.inverted(o, alu::OR, false),
            Op0::XorNot32 => self.inverted(o, alu::XOR, false),
            Op0::BAnd => self.bools(o, alu::AND),
            Op0::BOr => self.bools(o, alu::OR),
            Op0::BXor => self.bools(o, alu::XOR),
            Op0::BNot => {
                let a = self.r.get(o.a);
                let d = self.r.copy_for(o.d, a);
                self.r.asm.alu_imm(alu::AND, false, d, 1);
                self.r.asm.alu_imm(alu::XOR, false, d, 1);
                self.r.set(o.d, d);
            }
            Op0::Add64I => self.imm(o, alu::ADD, true),
            Op0::And64I => self.imm(o, alu::AND, true),
            Op0::Or64I => self.imm(o, alu::OR, true),
            Op0::Xor64I => self.imm(o, alu::XOR, true),
            Op0::Add32I => self.imm(o, alu::ADD, false),
            Op0::And32I => self.imm(o, alu::AND, false),
            Op0::Or32I => self.imm(o, alu::OR, false),
            Op0::Xor32I => self.imm(o, alu::XOR, false),
            Op0::Shl64I => self.shift_i(o, sh::SHL, true),
            Op0::Lshr64I => self.shift_i(o, sh::SHR, true),
            Op0::Ashr64I => self.shift_i(o, sh::SAR, true),
            Op0::Ror64I => self.shift_i(o, sh::ROR, true),
            Op0::Shl32I => self.shift_i(o, sh::SHL, false),
            Op0::Lshr32I => self.shift_i(o, sh::SHR, false),
            Op0::Ashr32I => self.shift_i(o, sh::SAR, false),
            Op0::Ror32I => self.shift_i(o, sh::ROR, false),
            Op0::Shl64 => self.shift(o, sh::SHL, true),
            Op0::Lshr64 => self.shift(o, sh::SHR, true),
            Op0::Ashr64 => self.shift(o, sh::SAR, true),
            Op0::Ror64 => self.shift(o, sh::ROR, true),
            Op0::Shl32 => self.shift(o, sh::SHL, false),
            Op0::Lshr32 => self.shift(o, sh::SHR, false),
            Op0::Ashr32 => self.shift(o, sh::SAR, false),
            Op0::Ror32 => self.shift(o, sh::ROR, false),
            Op0::Mul64 => self.mul(o, true),
            Op0::Mul32 => self.mul(o, false),
            Op0::UMulH => self.mul_high(o, 4),
            Op0::SMulH => self.mul_high(o, 5),
            Op0::UDiv64 => self.div(o, false, true),
            Op0::UDiv32 => self.div(o, false, false),
            Op0::SDiv64 => self.div(o, true, true),
            Op0::SDiv32 => self.div(o, true, false),
            Op0::Not64 => self.group3(o, 2, true),
            Op0::Neg64 => self.group3(o, 3, true),
            Op0::Not32 => self.group3(o, 2, false),
            Op0::Neg32 => self.group3(o, 3, false),
            Op0::Clz64 => self.clz(o, true),
            Op0::Clz32 => self.clz(o, false),
            Op0::Bswap64 => self.bswap(o, true),
            Op0::Bswap32 => self.bswap(o, false),
            Op0::Rbit64 => self.rbit(o, true),
            Op0::Rbit32 => self.rbit(o, false),
            Op0::AddShl64 => self.add_shifted(o),
            Op0::Sx8To64 => self.extend(o, Enc(0, 1, 0xbe), true),
            Op0::Sx16To64 => self.extend(o, Enc(0, 1, 0xbf), true),
            Op0::Sx32To64 => self.extend(o, Enc(0, 0, 0x63), true),
            Op0::Sx8To32 => self.extend(o, Enc(0, 1, 0xbe), false),
            Op0::Sx16To32 => self.extend(o, Enc(0, 1, 0xbf), false),
            Op0::Select64 => self.select(o),
            Op0::Icmp64 => self.icmp(o, true),
            Op0::Icmp32 => self.icmp(o, false),
            _ => return false,
        }
        true
    }

    #[inline]
    fn add(&mut self, o: &BOp, w: bool) {
        for (zero, other) in [(o.a, o.b), (o.b, o.a)] {
            if w && (self.r.is_zero(zero) || self.r.constant(zero) == Some(0)) {
                let r = self.r.get(other);
                return self.r.set(o.d, r);
            }
        }
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let d = self.r.fresh(o.d, a);
        if d == a {
            self.r.asm.alu(alu::ADD, w, d, b);
        } else {
            self.r.asm.rmx(Enc(0, 0, 0x8d), w, d, a, b, 0);
        }
        self.r.set(o.d, d);
    }

    #[inline]
    fn two(&mut self, o: &BOp, op: u8, w: bool) {
        if matches!(op, alu::OR | alu::XOR) && self.r.is_zero(o.a) && w {
            let b = self.r.get(o.b);
            return self.r.set(o.d, b);
        }
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let d = self.r.copy_for(o.d, a);
        self.r.asm.alu(op, w, d, b);
        self.r.set(o.d, d);
    }

    fn inverted(&mut self, o: &BOp, op: u8, w: bool) {
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let d = self.r.alloc();
        if op == alu::AND && self.host.bmi1 {
            // andn d, b, a = ~b & a
            self.r.asm.vex(Enc(0, 2, 0xf2), w, d, b, a);
        } else {
            self.r.asm.mov(d, b);
            self.r.asm.rr(Enc(0, 0, 0xf7), w, 2, d);
            self.r.asm.alu(op, w, d, a);
        }
        self.r.set(o.d, d);
    }

    fn bools(&mut self, o: &BOp, op: u8) {
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let d = self.r.copy_for(o.d, a);
        self.r.asm.alu(op, false, d, b);
        self.r.asm.alu_imm(alu::AND, false, d, 1);
        self.r.set(o.d, d);
    }

    #[inline]
    fn imm(&mut self, o: &BOp, op: u8, w: bool) {
        let a = self.r.get(o.a);
        let v = if w { o.imm } else { o.imm as u32 as i32 as u64 };
        if w && v == 0 && op != alu::AND {
            return self.r.set(o.d, a);
        }
        if v as i32 as i64 as u64 != v {
            // A 32-bit mask zero-extends, so AND needs only the low half then.
            if op == alu::AND && v <= u32::MAX as u64 {
                let d = self.r.copy_for(o.d, a);
                self.r.asm.alu_imm(op, false, d, v as i32);
                return self.r.set(o.d, d);
            }
            let d = self.r.alloc();
            self.r.asm.mov_imm(d, v);
            self.r.asm.alu(op, w, d, a);
            return self.r.set(o.d, d);
        }
        let d = self.r.fresh(o.d, a);
        if d == a {
            self.r.asm.alu_imm(op, w, d, v as i32);
        } else if op == alu::ADD {
            self.r.asm.lea(w, d, a, v as i32);
        } else {
            self.r.asm.mov(d, a);
            self.r.asm.alu_imm(op, w, d, v as i32);
        }
        self.r.set(o.d, d);
    }

    fn shift_i(&mut self, o: &BOp, digit: u8, w: bool) {
        let a = self.r.get(o.a);
        let n = o.imm as u8 & if w { 63 } else { 31 };
        let d = self.r.copy_for(o.d, a);
        if n == 0 {
            if !w {
                self.r.asm.mov32(d, d);
            }
        } else {
            self.r.asm.shift_imm(digit, w, d, n);
        }
        self.r.set(o.d, d);
    }

    fn shift(&mut self, o: &BOp, digit: u8, w: bool) {
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let pp = match digit {
            sh::SHL => 0x66,
            sh::SHR => 0xf2,
            _ => 0xf3,
        };
        if self.host.bmi2 && digit != sh::ROR {
            let d = self.r.fresh(o.d, a);
            self.r.asm.vex(Enc(pp, 2, 0xf7), w, d, b, a);
            return self.r.set(o.d, d);
        }
        self.r.busy |= 1 << RCX;
        let d = self.r.alloc();
        self.r.asm.mov(d, a);
        if b != RCX {
            self.r.claim(RCX);
            self.r.asm.mov32(RCX, b);
        }
        self.r.asm.shift_cl(digit, w, d);
        if !w {
            // A count of 0 leaves the upper half as it was.
            self.r.asm.mov32(d, d);
        }
        self.r.set(o.d, d);
    }

    fn mul(&mut self, o: &BOp, w: bool) {
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let d = self.r.copy_for(o.d, a);
        self.r.asm.rr(Enc(0, 1, 0xaf), w, d, b);
        self.r.set(o.d, d);
    }

    /// `digit`: 4 MUL, 5 IMUL, which leave the high half in RDX.
    fn mul_high(&mut self, o: &BOp, digit: u8) {
        let (mut a, mut b) = (self.r.get(o.a), self.r.get(o.b));
        if b == RAX {
            (a, b) = (b, a);
        }
        self.r.claim(RAX);
        self.r.claim(RDX);
        if a != RAX {
            self.r.asm.mov(RAX, a);
        }
        self.r.asm.rr(Enc(0, 0, 0xf7), true, digit, b);
        self.r.set(o.d, RDX);
    }

    fn div(&mut self, o: &BOp, signed: bool, w: bool) {
        let (a, mut b) = (self.r.get(o.a), self.r.get(o.b));
        if b == RAX || b == RDX {
            self.r.busy |= 1 << RAX | 1 << RDX;
            let c = self.r.alloc();
            self.r.asm.mov(c, b);
            b = c;
        }
        self.r.claim(RAX);
        self.r.claim(RDX);
        let m = &mut self.r.asm;
        if a != RAX {
            m.mov(RAX, a);
        }
        m.test(w, b, b);
        let by_zero = m.jcc8(cc::E);
        let mut minus_one = None;
        if signed {
            m.alu_imm(alu::CMP, w, b, -1);
            minus_one = Some(m.jcc8(cc::E));
            // cqo or cdq
            m.put(if w { 0x9948 } else { 0x99 }, 1 + w as usize);
        } else {
            m.zero(RDX);
        }
        m.rr(Enc(0, 0, 0xf7), w, if signed { 7 } else { 6 }, b);
        let done = m.jmp8();
        let negated = minus_one.map(|f| {
            m.here8(f);
            m.rr(Enc(0, 0, 0xf7), w, 3, RAX);
            m.jmp8()
        });
        m.here8(by_zero);
        m.zero(RAX);
        m.here8(done);
        if let Some(f) = negated {
            m.here8(f);
        }
        self.r.set(o.d, RAX);
    }

    /// NOT (2) and NEG (3).
    fn group3(&mut self, o: &BOp, digit: u8, w: bool) {
        let a = self.r.get(o.a);
        let d = self.r.copy_for(o.d, a);
        self.r.asm.rr(Enc(0, 0, 0xf7), w, digit, d);
        self.r.set(o.d, d);
    }

    fn clz(&mut self, o: &BOp, w: bool) {
        let a = self.r.get(o.a);
        let bits = if w { 64 } else { 32 };
        let d = self.r.alloc();
        let m = &mut self.r.asm;
        if self.host.lzcnt {
            m.rr(Enc(0xf3, 1, 0xbd), w, d, a);
        } else {
            // bsr leaves d as it is where a is 0 (all makers document or do so); (2n - 1) ^ (n - 1) = n.
            m.mov_imm(d, 2 * bits - 1);
            m.rr(Enc(0, 1, 0xbd), w, d, a);
            m.alu_imm(alu::XOR, false, d, bits as i32 - 1);
        }
        self.r.set(o.d, d);
    }

    fn bswap(&mut self, o: &BOp, w: bool) {
        let a = self.r.get(o.a);
        let d = self.r.copy_for(o.d, a);
        self.bswap_in(d, w);
        self.r.set(o.d, d);
    }

    pub(super) fn bswap_in(&mut self, d: Gpr, w: bool) {
        let rex = 0x40 | (w as u64) << 3 | d as u64 >> 3;
        self.r
            .asm
            .put(rex | 0x0f << 8 | (0xc8 | d as u64 & 7) << 16, 3);
    }

    fn rbit(&mut self, o: &BOp, w: bool) {
        let a = self.r.get(o.a);
        let d = self.r.alloc();
        if self.host.gfni {
            let x = self.r.alloc_x();
            self.r.asm.movq_xr(x, a);
            self.reverse_bits(x);
            self.r.asm.movq_rx(d, x);
            self.bswap_in(d, w);
            return self.r.set(o.d, d);
        }
        let (t, k) = (self.r.alloc(), self.r.alloc());
        self.r.asm.mov(d, a);
        self.bswap_in(d, w);
        for (n, mask) in [
            (4, 0x0f0f_0f0f_0f0f_0f0f_u64),
            (2, 0x3333_3333_3333_3333),
            (1, 0x5555_5555_5555_5555),
        ] {
            let m = &mut self.r.asm;
            m.mov_imm(k, if w { mask } else { mask & 0xffff_ffff });
            m.mov(t, d);
            m.shift_imm(sh::SHR, w, t, n);
            m.alu(alu::AND, w, t, k);
            m.alu(alu::AND, w, d, k);
            m.shift_imm(sh::SHL, w, d, n);
            m.alu(alu::OR, w, d, t);
        }
        self.r.set(o.d, d);
    }

    fn add_shifted(&mut self, o: &BOp) {
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let n = o.imm as u8 & 63;
        let d = self.r.alloc();
        if n <= 3 {
            self.r.asm.rmx(Enc(0, 0, 0x8d), true, d, a, b, n);
        } else {
            self.r.asm.mov(d, b);
            self.r.asm.shift_imm(sh::SHL, true, d, n);
            self.r.asm.alu(alu::ADD, true, d, a);
        }
        self.r.set(o.d, d);
    }

    fn extend(&mut self, o: &BOp, e: Enc, w: bool) {
        let a = self.r.get(o.a);
        let d = self.r.fresh(o.d, a);
        if e.2 == 0xbe && !w {
            self.r.asm.rr8(e, d, a);
        } else {
            self.r.asm.rr(e, w, d, a);
        }
        self.r.set(o.d, d);
    }

    fn select(&mut self, o: &BOp) {
        let (c, a, b) = (self.r.get(o.imm as u16), self.r.get(o.a), self.r.get(o.b));
        let d = self.r.alloc();
        self.r.asm.mov(d, a);
        self.r.asm.test8_imm(c, 1);
        self.r.asm.cmov(cc::E, d, b);
        self.r.set(o.d, d);
    }

    fn icmp(&mut self, o: &BOp, w: bool) {
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let c = match IntCond::from_bits(o.imm as u32) {
            IntCond::Eq => cc::E,
            IntCond::Ne => cc::NE,
            IntCond::Ult => cc::B,
            IntCond::Ule => cc::BE,
            IntCond::Ugt => cc::A,
            IntCond::Uge => cc::AE,
            IntCond::Slt => cc::L,
            IntCond::Sle => cc::LE,
            IntCond::Sgt => cc::G,
            IntCond::Sge => cc::GE,
        };
        let d = self.r.alloc();
        let m = &mut self.r.asm;
        m.zero(d);
        m.alu(alu::CMP, w, a, b);
        m.setcc(c, d);
        self.r.set(o.d, d);
    }
}
