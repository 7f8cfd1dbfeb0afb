//! The emitter: bytes of x86-64 instructions into a reused buffer.
//!
//! Must not know what the code is for. Encodings as in the Intel SDM, volume 2: optional prefix, REX, opcode map, opcode, ModRM.
//! Before each bytecode op the caller reserves [`ROOM`] bytes; no op emits more.

use crate::abi::STATE_BIAS;

/// A general register by its hardware number.
pub type Gpr = u8;
/// A vector register by its hardware number.
pub type Xmm = u8;

pub const RAX: Gpr = 0;
pub const RCX: Gpr = 1;
pub const RDX: Gpr = 2;
pub const RSI: Gpr = 6;
pub const RDI: Gpr = 7;
/// The frame's address plus [`STATE_BIAS`].
pub const STATE: Gpr = 15;

/// Most bytes that one bytecode op may emit.
pub const ROOM: usize = 1024;

/// An instruction's opcode: mandatory prefix (0: none), opcode map (0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A), opcode.
#[derive(Clone, Copy, Debug)]
pub struct Enc(pub u8, pub u8, pub u8);

/// Condition codes, as in Jcc, SETcc and CMOVcc.
pub mod cc {
    pub const O: u8 = 0;
    pub const NO: u8 = 1;
    pub const B: u8 = 2;
    pub const AE: u8 = 3;
    pub const E: u8 = 4;
    pub const NE: u8 = 5;
    pub const BE: u8 = 6;
    pub const A: u8 = 7;
    pub const S: u8 = 8;
    pub const NS: u8 = 9;
    pub const P: u8 = 10;
    pub const NP: u8 = 11;
    pub const L: u8 = 12;
    pub const GE: u8 = 13;
    pub const LE: u8 = 14;
    pub const G: u8 = 15;
}

/// Two-operand ALU opcodes, `op r/m, r` form; the digit of the immediate form is `op >> 3`.
pub mod alu {
    pub const ADD: u8 = 0x01;
    pub const OR: u8 = 0x09;
    pub const ADC: u8 = 0x11;
    pub const AND: u8 = 0x21;
    pub const SUB: u8 = 0x29;
    pub const XOR: u8 = 0x31;
    pub const CMP: u8 = 0x39;
}

/// Digits of the shift group (C1 /n, D3 /n).
pub mod sh {
    pub const ROR: u8 = 1;
    pub const SHL: u8 = 4;
    pub const SHR: u8 = 5;
    pub const SAR: u8 = 7;
}

/// The buffer.
#[derive(Debug, Default)]
pub struct Asm {
    buf: Vec<u8>,
    pos: usize,
}

impl Asm {
    pub fn clear(&mut self) {
        self.pos = 0;
    }

    /// Makes room for `n` more bytes.
    #[inline]
    pub fn reserve(&mut self, n: usize) {
        if self.buf.len() < self.pos + n + 16 {
            self.buf.resize((self.pos + n + 16).max(4096) * 2, 0);
        }
    }

    /// Offset of the next byte.
    #[inline]
    pub fn pos(&self) -> usize {
        self.pos
    }

    /// What has been emitted.
    pub fn code(&self) -> &[u8] {
        &self.buf[..self.pos]
    }

    /// The low `n` bytes of `v`.
    #[inline(always)]
    pub fn put(&mut self, v: u64, n: usize) {
        self.buf[self.pos..self.pos + 8].copy_from_slice(&v.to_le_bytes());
        self.pos += n;
    }

    pub fn bytes(&mut self, b: &[u8]) {
        self.reserve(b.len());
        self.buf[self.pos..self.pos + b.len()].copy_from_slice(b);
        self.pos += b.len();
    }

    /// Prefix, REX, map and opcode. `byte`: an 8-bit register operand, which needs a REX to be SIL and not DH.
    #[inline(always)]
    fn head(&mut self, e: Enc, w: bool, reg: u8, index: u8, base: u8, byte: bool) {
        let (mut v, mut n) = (0u64, 0);
        if e.0 != 0 {
            v = e.0 as u64;
            n = 8;
        }
        let rex = 0x40
            | (w as u64) << 3
            | (reg as u64 >> 3) << 2
            | (index as u64 >> 3) << 1
            | base as u64 >> 3;
        if rex != 0x40 || byte {
            v |= rex << n;
            n += 8;
        }
        let (escape, len) = match e.1 {
            0 => (0, 0),
            1 => (0x0f, 8),
            2 => (0x380f, 16),
            _ => (0x3a0f, 16),
        };
        v |= escape << n;
        n += len;
        v |= (e.2 as u64) << n;
        self.put(v, n as usize / 8 + 1);
    }

    /// Register-register form: `reg` in ModRM.reg, `rm` in ModRM.rm.
    #[inline(always)]
    pub fn rr(&mut self, e: Enc, w: bool, reg: u8, rm: u8) {
        self.head(e, w, reg, 0, rm, false);
        self.put(0xc0 | (reg as u64 & 7) << 3 | rm as u64 & 7, 1);
    }

    /// As `rr`, of an instruction whose operands include an 8-bit register.
    #[inline(always)]
    pub fn rr8(&mut self, e: Enc, reg: u8, rm: u8) {
        self.head(e, false, reg, 0, rm, true);
        self.put(0xc0 | (reg as u64 & 7) << 3 | rm as u64 & 7, 1);
    }

    /// Memory form: `[base + disp]`.
    #[inline(always)]
    pub fn rm(&mut self, e: Enc, w: bool, reg: u8, base: Gpr, disp: i32) {
        self.head(e, w, reg, 0, base, false);
        self.modrm(reg, base, disp);
    }

    /// As `rm` with an 8-bit register operand.
    #[inline(always)]
    pub fn rm8(&mut self, e: Enc, reg: u8, base: Gpr, disp: i32) {
        self.head(e, false, reg, 0, base, true);
        self.modrm(reg, base, disp);
    }

    #[inline(always)]
    fn modrm(&mut self, reg: u8, base: Gpr, disp: i32) {
        let m = (reg as u64 & 7) << 3 | base as u64 & 7;
        if base & 7 == 4 {
            // R12: a SIB byte without index, between ModRM and displacement.
            return self.modrm_sib(m, 0x24, disp);
        }
        if disp == 0 && base & 7 != 5 {
            self.put(m, 1);
        } else if disp as i8 as i32 == disp {
            self.put(m | 0x40 | (disp as u8 as u64) << 8, 2);
        } else {
            self.put(m | 0x80 | (disp as u32 as u64) << 8, 5);
        }
    }

    fn modrm_sib(&mut self, m: u64, sib: u64, disp: i32) {
        if disp == 0 {
            self.put(m | sib << 8, 2);
        } else if disp as i8 as i32 == disp {
            self.put(m | 0x40 | sib << 8 | (disp as u8 as u64) << 16, 3);
        } else {
            self.put(m | 0x80 | sib << 8 | (disp as u32 as u64) << 16, 6);
        }
    }

    /// Memory form: `[base + (index << scale)]`.
    #[inline(always)]
    pub fn rmx(&mut self, e: Enc, w: bool, reg: u8, base: Gpr, index: Gpr, scale: u8) {
        self.head(e, w, reg, index, base, false);
        let sib = (scale as u64) << 6 | (index as u64 & 7) << 3 | base as u64 & 7;
        if base & 7 == 5 {
            // R13 as a base has no form without a displacement.
            return self.put(0x44 | (reg as u64 & 7) << 3 | sib << 8, 3);
        }
        self.put(0x04 | (reg as u64 & 7) << 3 | sib << 8, 2);
    }

    /// Memory form on a word of the frame.
    #[inline(always)]
    pub fn frame(&mut self, e: Enc, w: bool, reg: u8, word: u16) {
        self.header(e, w, reg, word as usize * 8);
    }

    /// Memory form on what is at a byte offset from the frame's start.
    #[inline(always)]
    pub fn header(&mut self, e: Enc, w: bool, reg: u8, offset: usize) {
        self.head(e, w, reg, 0, STATE, false);
        let disp = offset as i32 - STATE_BIAS as i32;
        let m = (reg as u64 & 7) << 3 | STATE as u64 & 7;
        if disp as i8 as i32 == disp {
            self.put(m | 0x40 | (disp as u8 as u64) << 8, 2);
        } else {
            self.put(m | 0x80 | (disp as u32 as u64) << 8, 5);
        }
    }

    /// Memory form on what is at a place in this code, to be filled in by [`Self::bind`]; the field's offset. No immediate may follow.
    pub fn rip(&mut self, e: Enc, reg: u8) -> u32 {
        self.head(e, false, reg, 0, 0, false);
        self.put(0x05 | (reg as u64 & 7) << 3, 5);
        self.pos as u32 - 4
    }

    /// As `rip`, of 64 bits.
    #[inline(always)]
    pub fn rip_wide(&mut self, e: Enc, reg: u8) -> u32 {
        self.head(e, true, reg, 0, 0, false);
        self.put(0x05 | (reg as u64 & 7) << 3, 5);
        self.pos as u32 - 4
    }

    /// A VEX instruction (L = 0) with three registers; `vvvv` is the second in AVX's order, another in BMI's.
    #[inline(always)]
    pub fn vex(&mut self, e: Enc, w: bool, reg: u8, vvvv: u8, rm: u8) {
        let pp = match e.0 {
            0x66 => 1,
            0xf3 => 2,
            0xf2 => 3,
            _ => 0,
        };
        let b1 = (!reg as u64 >> 3 & 1) << 7 | 1 << 6 | (!rm as u64 >> 3 & 1) << 5 | e.1 as u64;
        let b2 = (w as u64) << 7 | (!vvvv as u64 & 15) << 3 | pp;
        let m = 0xc0 | (reg as u64 & 7) << 3 | rm as u64 & 7;
        if e.1 == 1 && !w && rm < 8 {
            let b = (!reg as u64 >> 3 & 1) << 7 | b2;
            return self.put(0xc5 | b << 8 | (e.2 as u64) << 16 | m << 24, 4);
        }
        self.put(0xc4 | b1 << 8 | b2 << 16 | (e.2 as u64) << 24 | m << 32, 5);
    }

    // ---- what is used often, by name ----

    #[inline(always)]
    pub fn load(&mut self, r: Gpr, word: u16) {
        self.frame(Enc(0, 0, 0x8b), true, r, word);
    }
    #[inline(always)]
    pub fn store(&mut self, word: u16, r: Gpr) {
        self.frame(Enc(0, 0, 0x89), true, r, word);
    }
    /// Stores a sign-extended immediate to a frame word.
    #[inline(always)]
    pub fn store_imm(&mut self, word: u16, v: i32) {
        self.frame(Enc(0, 0, 0xc7), true, 0, word);
        self.put(v as u32 as u64, 4);
    }
    #[inline(always)]
    pub fn mov(&mut self, d: Gpr, s: Gpr) {
        self.rr(Enc(0, 0, 0x89), true, s, d);
    }
    /// Zero-extends the low half.
    #[inline(always)]
    pub fn mov32(&mut self, d: Gpr, s: Gpr) {
        self.rr(Enc(0, 0, 0x89), false, s, d);
    }
    /// Changes the flags.
    #[inline(always)]
    pub fn zero(&mut self, d: Gpr) {
        self.rr(Enc(0, 0, 0x31), false, d, d);
    }
    /// The shortest move of a constant that leaves the flags alone.
    #[inline(always)]
    pub fn mov_imm(&mut self, d: Gpr, v: u64) {
        let b = d as u64 >> 3;
        if v <= u32::MAX as u64 {
            if b != 0 {
                self.put(0x41, 1);
            }
            self.put(0xb8 | d as u64 & 7 | v << 8, 5);
        } else if v as i32 as i64 as u64 == v {
            self.rr(Enc(0, 0, 0xc7), true, 0, d);
            self.put(v & 0xffff_ffff, 4);
        } else {
            self.put(0x48 | b | (0xb8 | d as u64 & 7) << 8, 2);
            self.put(v, 8);
        }
    }
    /// `op d, s`, an opcode of [`alu`].
    #[inline(always)]
    pub fn alu(&mut self, op: u8, w: bool, d: Gpr, s: Gpr) {
        self.rr(Enc(0, 0, op), w, s, d);
    }
    /// `op d, imm`.
    #[inline(always)]
    pub fn alu_imm(&mut self, op: u8, w: bool, d: Gpr, v: i32) {
        if v as i8 as i32 == v {
            self.rr(Enc(0, 0, 0x83), w, op >> 3, d);
            self.put(v as u8 as u64, 1);
        } else {
            self.rr(Enc(0, 0, 0x81), w, op >> 3, d);
            self.put(v as u32 as u64, 4);
        }
    }
    #[inline(always)]
    pub fn shift_imm(&mut self, digit: u8, w: bool, d: Gpr, n: u8) {
        self.rr(Enc(0, 0, 0xc1), w, digit, d);
        self.put(n as u64, 1);
    }
    /// Shift by CL.
    #[inline(always)]
    pub fn shift_cl(&mut self, digit: u8, w: bool, d: Gpr) {
        self.rr(Enc(0, 0, 0xd3), w, digit, d);
    }
    /// `lea d, [a + imm]`.
    #[inline(always)]
    pub fn lea(&mut self, w: bool, d: Gpr, a: Gpr, imm: i32) {
        self.rm(Enc(0, 0, 0x8d), w, d, a, imm);
    }
    /// `lea d, [a * 8 + imm]`, 32 bits.
    pub fn lea_by8(&mut self, d: Gpr, a: Gpr, imm: i32) {
        self.head(Enc(0, 0, 0x8d), false, d, a, 0, false);
        let sib = 0xc5 | (a as u64 & 7) << 3;
        let m = 0x04 | (d as u64 & 7) << 3;
        self.put(m | sib << 8 | (imm as u32 as u64) << 16, 6);
    }
    #[inline(always)]
    pub fn test(&mut self, w: bool, a: Gpr, b: Gpr) {
        self.rr(Enc(0, 0, 0x85), w, b, a);
    }
    /// `test a8, imm`.
    #[inline(always)]
    pub fn test8_imm(&mut self, a: Gpr, imm: u8) {
        self.rr8(Enc(0, 0, 0xf6), 0, a);
        self.put(imm as u64, 1);
    }
    #[inline(always)]
    pub fn setcc(&mut self, cc: u8, d: Gpr) {
        self.rr8(Enc(0, 1, 0x90 | cc), 0, d);
    }
    #[inline(always)]
    pub fn cmov(&mut self, cc: u8, d: Gpr, s: Gpr) {
        self.rr(Enc(0, 1, 0x40 | cc), true, d, s);
    }

    // ---- jumps ----

    /// Jcc with a 32-bit field to be filled in; its offset.
    #[inline(always)]
    pub fn jcc(&mut self, cc: u8) -> u32 {
        self.put(0x0f | (0x80 | cc as u64) << 8, 6);
        self.pos as u32 - 4
    }
    /// JMP with a 32-bit field to be filled in; its offset.
    #[inline(always)]
    pub fn jmp(&mut self) -> u32 {
        self.put(0xe9, 5);
        self.pos as u32 - 4
    }
    /// Jcc with an 8-bit field to be filled in by [`Self::here8`]; its offset.
    #[inline(always)]
    pub fn jcc8(&mut self, cc: u8) -> usize {
        self.put(0x70 | cc as u64, 2);
        self.pos - 1
    }
    #[inline(always)]
    pub fn jmp8(&mut self) -> usize {
        self.put(0xeb, 2);
        self.pos - 1
    }
    /// Lets the 8-bit jump end here.
    #[inline(always)]
    pub fn here8(&mut self, field: usize) {
        let d = self.pos - field - 1;
        debug_assert!(d < 128);
        self.buf[field] = d as u8;
    }
    /// Lets the 32-bit jump or call field lead to `to`.
    #[inline(always)]
    pub fn bind(&mut self, field: u32, to: usize) {
        let d = to as i64 - field as i64 - 4;
        let at = field as usize;
        self.buf[at..at + 4].copy_from_slice(&(d as i32).to_le_bytes());
    }
    /// JMP to a known place.
    pub fn jmp_to(&mut self, to: usize) {
        let f = self.jmp();
        self.bind(f, to);
    }
    /// `mov eax, code; ret`.
    pub fn leave(&mut self, code: u64) {
        self.put(0xb8 | code << 8 | 0xc3 << 40, 6);
    }

    // ---- vectors ----

    /// `movq x, r`: zero-extends to 128 bits.
    #[inline(always)]
    pub fn movq_xr(&mut self, x: Xmm, r: Gpr) {
        self.rr(Enc(0x66, 1, 0x6e), true, x, r);
    }
    #[inline(always)]
    pub fn movq_rx(&mut self, r: Gpr, x: Xmm) {
        self.rr(Enc(0x66, 1, 0x7e), true, x, r);
    }
    #[inline(always)]
    pub fn movaps(&mut self, d: Xmm, s: Xmm) {
        self.rr(Enc(0, 1, 0x28), false, d, s);
    }
    /// Keeps the low 64 bits, zeroes the rest.
    #[inline(always)]
    pub fn movq_xx(&mut self, d: Xmm, s: Xmm) {
        self.rr(Enc(0xf3, 1, 0x7e), false, d, s);
    }
    #[inline(always)]
    pub fn load_v(&mut self, x: Xmm, word: u16) {
        self.frame(Enc(0, 1, 0x10), false, x, word);
    }
    #[inline(always)]
    pub fn store_v(&mut self, word: u16, x: Xmm) {
        self.frame(Enc(0, 1, 0x11), false, x, word);
    }
    /// 64 bits, zero-extended to 128.
    #[inline(always)]
    pub fn load_d(&mut self, x: Xmm, word: u16) {
        self.frame(Enc(0xf3, 1, 0x7e), false, x, word);
    }
    #[inline(always)]
    pub fn store_d(&mut self, word: u16, x: Xmm) {
        self.frame(Enc(0x66, 1, 0xd6), false, x, word);
    }
}
