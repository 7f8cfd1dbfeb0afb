//! Accesses to guest memory: a guest address is a host address, so each is one host instruction with a fault site.
//!
//! Order: x86 keeps every order but store-then-load, which [`Op0::Fence`] restores.

use super::asm::{Enc, Gpr, Xmm, alu, cc, sh};
use super::{Baseline, Cold};
use crate::bytecode::{BOp, Bytecode, Op0};

const LD8: Enc = Enc(0, 1, 0xb6);
const LD16: Enc = Enc(0, 1, 0xb7);
const LDS8: Enc = Enc(0, 1, 0xbe);
const LDS16: Enc = Enc(0, 1, 0xbf);
const LDS32: Enc = Enc(0, 0, 0x63);
const LD: Enc = Enc(0, 0, 0x8b);

/// MOVQ or MOVSS: zero-extends to a whole vector register.
const fn short(wide: bool) -> Enc {
    Enc(0xf3, 1, if wide { 0x7e } else { 0x10 })
}

impl Baseline {
    /// Emits the op if it is one of these.
    #[inline]
    pub(super) fn mem_op(&mut self, code: &Bytecode, i: u32, o: &BOp) -> bool {
        match o.op {
            Op0::Ld8 => self.load(o, LD8, false),
            Op0::Ld16 => self.load(o, LD16, false),
            Op0::Ld32 | Op0::Ld64 if self.widened_next(code, i, o) => {
                let wide = o.op == Op0::Ld64;
                let (a, off) = self.address(o.a, o.imm);
                let x = self.r.alloc_x();
                self.access();
                self.r.asm.rm(short(wide), false, x, a, off);
                self.short_vector(o, x, wide);
            }
            Op0::LdX32 | Op0::LdX64 if o.imm & 63 <= 3 && self.widened_next(code, i, o) => {
                let wide = o.op == Op0::LdX64;
                let (a, b) = (self.r.get(o.a), self.r.get(o.b));
                let x = self.r.alloc_x();
                self.access();
                self.r.asm.rmx(short(wide), false, x, a, b, o.imm as u8 & 3);
                self.short_vector(o, x, wide);
            }
            Op0::Ld32 => self.load(o, LD, false),
            Op0::Ld64 => self.load(o, LD, true),
            Op0::Lds8To64 => self.load(o, LDS8, true),
            Op0::Lds16To64 => self.load(o, LDS16, true),
            Op0::Lds32To64 => self.load(o, LDS32, true),
            Op0::Lds8To32 => self.load(o, LDS8, false),
            Op0::Lds16To32 => self.load(o, LDS16, false),
            Op0::LdX8 => self.load_x(o, LD8, false),
            Op0::LdX16 => self.load_x(o, LD16, false),
            Op0::LdX32 => self.load_x(o, LD, false),
            Op0::LdX64 => self.load_x(o, LD, true),
            Op0::Ldp64 => self.load_pair(o),
            Op0::Ld128 => {
                let (a, off) = self.address(o.a, o.imm);
                let x = self.r.alloc_x();
                self.access();
                self.r.asm.rm(Enc(0, 1, 0x10), false, x, a, off);
                self.r.set_v(o.d, x);
            }
            Op0::St8 => {
                let (a, off) = self.address(o.a, o.imm);
                let v = self.r.get(o.b);
                self.access();
                self.r.asm.rm8(Enc(0, 0, 0x88), v, a, off);
            }
            Op0::St16 => self.store(o, Enc(0x66, 0, 0x89), false, None),
            Op0::St32 => self.store(o, Enc(0, 0, 0x89), false, Some(Enc(0x66, 1, 0x7e))),
            Op0::St64 => self.store(o, Enc(0, 0, 0x89), true, Some(Enc(0x66, 1, 0xd6))),
            Op0::St128 => {
                let (a, off) = self.address(o.a, o.imm);
                let x = self.r.get_v(o.b);
                self.access();
                self.r.asm.rm(Enc(0, 1, 0x11), false, x, a, off);
            }
            Op0::Align => {
                let next = code.ops.get(i as usize + 1).map(|n| n.op);
                let stores = [Op0::St8, Op0::St16, Op0::St32, Op0::St64, Op0::St128];
                self.align(o, next.is_some_and(|n| stores.contains(&n)));
            }
            Op0::Fence => {
                // lock or dword [rsp], 0
                self.r.asm.put(0x240c_83f0, 5);
            }
            Op0::ZeroBlock => self.zero_block(o),
            _ => return false,
        }
        true
    }

    /// Base register and displacement of `word + imm`.
    #[inline]
    fn address(&mut self, word: u16, imm: u64) -> (Gpr, i32) {
        let a = self.r.get(word);
        if imm as i32 as i64 as u64 == imm {
            return (a, imm as i32);
        }
        let t = self.r.alloc();
        self.r.asm.mov_imm(t, imm);
        self.r.asm.alu(alu::ADD, true, t, a);
        (t, 0)
    }

    /// Whether what is loaded becomes a vector by the next op.
    fn widened_next(&self, code: &Bytecode, i: u32, o: &BOp) -> bool {
        code.ops
            .get(i as usize + 1)
            .is_some_and(|n| matches!(n.op, Op0::VLo64 | Op0::VLo32) && n.a == o.d)
    }

    fn short_vector(&mut self, o: &BOp, x: Xmm, wide: bool) {
        self.r.set_d(o.d, x);
        self.r.mark_zero(x, wide);
    }

    #[inline]
    fn load(&mut self, o: &BOp, e: Enc, w: bool) {
        let (a, off) = self.address(o.a, o.imm);
        let d = self.r.alloc();
        self.access();
        self.r.asm.rm(e, w, d, a, off);
        self.r.set(o.d, d);
    }

    fn load_x(&mut self, o: &BOp, e: Enc, w: bool) {
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let d = self.r.alloc();
        let n = o.imm as u8 & 63;
        if n <= 3 {
            self.access();
            self.r.asm.rmx(e, w, d, a, b, n);
        } else {
            self.r.asm.mov(d, b);
            self.r.asm.shift_imm(sh::SHL, true, d, n);
            self.access();
            self.r.asm.rmx(e, w, d, a, d, 0);
        }
        self.r.set(o.d, d);
    }

    fn load_pair(&mut self, o: &BOp) {
        let a = self.r.get(o.a);
        let off = o.imm as i32;
        let (d, e) = (self.r.alloc(), self.r.alloc());
        self.access();
        self.r.asm.rm(LD, true, d, a, off);
        match off.checked_add(8) {
            Some(next) => {
                self.access();
                self.r.asm.rm(LD, true, e, a, next);
            }
            None => {
                self.r.asm.lea(true, e, a, off);
                self.access();
                self.r.asm.rm(LD, true, e, e, 8);
            }
        }
        self.r.set(o.d, d);
        self.r.set((o.imm >> 32) as u16, e);
    }

    /// `x`: the form that stores from a vector register.
    #[inline]
    fn store(&mut self, o: &BOp, e: Enc, w: bool, x: Option<Enc>) {
        let (a, off) = self.address(o.a, o.imm);
        if let Some(xe) = x
            && !self.r.in_gpr(o.b)
            && let Some(v) = self.r.low_in_x(o.b)
        {
            self.access();
            return self.r.asm.rm(xe, false, v, a, off);
        }
        let v = self.r.get(o.b);
        self.access();
        self.r.asm.rm(e, w, v, a, off);
    }

    fn align(&mut self, o: &BOp, write: bool) {
        let (a, off) = self.address(o.a, o.imm);
        let t = self.r.alloc();
        self.r.asm.lea(true, t, a, off);
        self.r.asm.test8_imm(t, o.d as u8);
        let jump = self.r.asm.jcc(cc::NE);
        self.later(Cold::Align {
            jump,
            addr: t,
            pc: self.guest_pc,
            write,
        });
    }

    fn zero_block(&mut self, o: &BOp) {
        let a = self.r.get(o.a);
        let t = self.r.alloc();
        self.r.asm.mov(t, a);
        let mask = (o.imm as i64).wrapping_neg() as i32;
        self.r.asm.alu_imm(alu::AND, true, t, mask);
        let x = self.r.alloc_x();
        self.r.asm.rr(Enc(0, 1, 0x57), false, x, x);
        for k in (0..o.imm.min(512)).step_by(16) {
            self.access();
            self.r.asm.rm(Enc(0, 1, 0x11), false, x, t, k as i32);
        }
        debug_assert!(o.imm.is_power_of_two() && (16..=512).contains(&o.imm));
    }
}
