//! Cryptographic vector ops on AES-NI, PCLMULQDQ and the SHA extensions, where this host has them.
//!
//! The host's SHA instructions number words from the top and add round constants themselves, see `ir::arith::crypto::x86`.

use super::Baseline;
use super::asm::{Enc, Xmm};
use super::simd::{PXOR, s2, s38};
use crate::bytecode::EvalDesc;
use metaphrase_ir::ops::{VBinKind, VTernKind, VUnKind};
use metaphrase_ir::ops_vector::HI;

const AESIMC: Enc = s38(0xdb);
const AESENC: Enc = s38(0xdc);
const AESENCLAST: Enc = s38(0xdd);
const AESDECLAST: Enc = s38(0xdf);
/// Without a prefix, map 0F 38.
const SHA256RNDS2: Enc = Enc(0, 2, 0xcb);
const SHA256MSG1: Enc = Enc(0, 2, 0xcc);

impl Baseline {
    /// AESMC, AESIMC, SHA1H.
    pub(super) fn crypto_un(&mut self, e: &EvalDesc, k: VUnKind) -> bool {
        if k == VUnKind::Sha1H {
            let a = self.r.get(e.args[0]);
            let t = self.r.alloc();
            self.r.asm.mov32(t, a);
            self.r.asm.shift_imm(super::asm::sh::ROR, false, t, 2);
            let x = self.r.alloc_x();
            self.r.asm.movq_xr(x, t);
            self.r.set_v(e.d, x);
            return true;
        }
        if !self.host.aes {
            return false;
        }
        let a = self.r.get_v(e.args[0]);
        let x = self.copy_v(a);
        if k == VUnKind::AesMc {
            // An encryption round after the inverse of its first two steps.
            let z = self.zeros();
            self.v2(AESDECLAST, x, z);
            self.v2(AESENC, x, z);
        } else {
            self.v2(AESIMC, x, x);
        }
        self.r.set_v(e.d, x);
        true
    }

    /// AESE, AESD, and message schedules.
    pub(super) fn crypto_bin(&mut self, e: &EvalDesc, k: VBinKind) -> bool {
        if k == VBinKind::Sha1Su1 {
            self.sha1_su1(e);
            return true;
        }
        let ready = match k {
            VBinKind::AesE | VBinKind::AesD => self.host.aes,
            VBinKind::Sha256Su0 => self.host.sha,
            _ => false,
        };
        if !ready {
            return false;
        }
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let x = self.copy_v(a);
        match k {
            VBinKind::Sha256Su0 => self.v2(SHA256MSG1, x, b),
            _ => {
                self.v2(PXOR, x, b);
                let z = self.zeros();
                let last = if k == VBinKind::AesE {
                    AESENCLAST
                } else {
                    AESDECLAST
                };
                self.v2(last, x, z);
            }
        }
        self.r.set_v(e.d, x);
        true
    }

    /// PMULL of doublewords.
    pub(super) fn polynomial(&mut self, e: &EvalDesc) -> bool {
        if !self.host.pclmul {
            return false;
        }
        let (a, b) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let x = self.copy_v(a);
        self.v2(Enc(0x66, 3, 0x44), x, b);
        let hi = e.inst.aux & HI != 0;
        self.r.asm.put(if hi { 0x11 } else { 0 }, 1);
        self.r.set_v(e.d, x);
        true
    }

    /// SHA256H, SHA256H2, SHA256SU1, EOR3, BCAX.
    pub(super) fn crypto_tern(&mut self, e: &EvalDesc, k: VTernKind) -> bool {
        use VTernKind::*;
        match k {
            Eor3 | Bcax => {
                let (a, n, m) = (
                    self.r.get_v(e.args[0]),
                    self.r.get_v(e.args[1]),
                    self.r.get_v(e.args[2]),
                );
                let x = self.copy_v(m);
                self.v2(if k == Eor3 { PXOR } else { s2(0xdf) }, x, n); // pandn
                self.v2(PXOR, x, a);
                self.r.set_v(e.d, x);
                true
            }
            Sha1Su0 => {
                let (d, n, m) = (
                    self.r.get_v(e.args[0]),
                    self.r.get_v(e.args[1]),
                    self.r.get_v(e.args[2]),
                );
                let x = self.copy_v(n);
                self.v2(Enc(0x66, 3, 0x0f), x, d); // palignr: upper half of d, lower of n
                self.r.asm.put(8, 1);
                self.v2(PXOR, x, d);
                self.v2(PXOR, x, m);
                self.r.set_v(e.d, x);
                true
            }
            Sha1C if self.host.sha => self.sha1_rounds(e, 0, 0x5a82_7999),
            Sha1P if self.host.sha => self.sha1_rounds(e, 1, 0x6ed9_eba1),
            Sha1M if self.host.sha => self.sha1_rounds(e, 2, 0x8f1b_bcdc),
            Sha256H | Sha256H2 if self.host.sha => {
                self.sha256_rounds(e, k == Sha256H2);
                true
            }
            Sha256Su1 if self.host.sha => {
                self.sha256_schedule(e);
                true
            }
            _ => false,
        }
    }

    /// SHA1SU1: words of d ^ n moved down by one, turned left by one; the last also by the new first.
    fn sha1_su1(&mut self, e: &EvalDesc) {
        let (d, n) = (self.r.get_v(e.args[0]), self.r.get_v(e.args[1]));
        let x = self.copy_v(n);
        self.v2(s2(0x73), 3, x); // psrldq
        self.r.asm.put(4, 1);
        self.v2(PXOR, x, d);
        let first = self.copy_v(x);
        self.v2(s2(0x73), 7, first); // pslldq
        self.r.asm.put(12, 1);
        for (v, n) in [(x, 1), (first, 2)] {
            let t = self.copy_v(v);
            self.shift_group(2, 6, v, n);
            self.shift_group(2, 2, t, 32 - n);
            self.v2(super::simd::POR, v, t);
        }
        self.v2(PXOR, x, first);
        self.r.set_v(e.d, x);
    }

    /// Four rounds of SHA-1. The host numbers words from the top, adds the round constant itself, and takes e added to the first word.
    fn sha1_rounds(&mut self, e: &EvalDesc, function: u64, constant: u64) -> bool {
        let (a, n, w) = (
            self.r.get_v(e.args[0]),
            self.r.get_v(e.args[1]),
            self.r.get_v(e.args[2]),
        );
        let (x, y) = (self.r.alloc_x(), self.r.alloc_x());
        for (to, from) in [(x, a), (y, w)] {
            self.v2(s2(0x70), to, from); // pshufd: backwards
            self.r.asm.put(0x1b, 1);
        }
        let first = self.copy_v(n);
        self.v2(s2(0x73), 7, first); // pslldq
        self.r.asm.put(12, 1);
        let k = self.splat(2, constant);
        self.v2(s2(0xfa), y, k); // psubd
        self.v2(s2(0xfe), y, first); // paddd
        self.v2(Enc(0, 3, 0xcc), x, y); // sha1rnds4
        self.r.asm.put(function, 1);
        self.v2(s2(0x70), x, x);
        self.r.asm.put(0x1b, 1);
        self.r.set_v(e.d, x);
        true
    }

    /// Four rounds. Arm: words (a b c d) and (e f g h) from bit 0; x86: (f e b a) and (h g d c) from bit 0.
    fn sha256_rounds(&mut self, e: &EvalDesc, second: bool) {
        // XMM0 is the host's implicit operand.
        self.r.claim_x(0);
        let (first, other) = if second { (1, 0) } else { (0, 1) };
        let (x, y) = (self.r.get_v(e.args[first]), self.r.get_v(e.args[other]));
        let w = self.r.get_v(e.args[2]);
        let (abef, cdgh) = (self.copy_v(y), self.copy_v(y));
        // y = e f g h, x = a b c d: low halves make (e f a b), high halves (g h c d); then each pair is turned round.
        self.v2(s2(0x6c), abef, x); // punpcklqdq
        self.v2(s2(0x6d), cdgh, x); // punpckhqdq
        for v in [abef, cdgh] {
            self.swap_pairs(v);
        }
        self.r.asm.movaps(0, w);
        self.v2(SHA256RNDS2, cdgh, abef);
        self.v2(s2(0x70), 0, w); // pshufd: the upper half
        self.r.asm.put(0xee, 1);
        self.v2(SHA256RNDS2, abef, cdgh);
        // abef is the last state's (a b e f), cdgh holds what became (c d g h).
        for v in [abef, cdgh] {
            self.swap_pairs(v);
        }
        // Pairs now: abef = (e f) (a b), cdgh = (g h) (c d).
        let join = if second { 0x6c } else { 0x6d };
        self.v2(s2(join), abef, cdgh);
        self.r.set_v(e.d, abef);
    }

    fn swap_pairs(&mut self, x: Xmm) {
        self.v2(s2(0x70), x, x); // pshufd: 1 0 3 2
        self.r.asm.put(0xb1, 1);
    }

    /// SHA256SU1(d, n, m): the host's second schedule step wants d plus the words after n's first.
    fn sha256_schedule(&mut self, e: &EvalDesc) {
        let (d, n, m) = (
            self.r.get_v(e.args[0]),
            self.r.get_v(e.args[1]),
            self.r.get_v(e.args[2]),
        );
        let x = self.copy_v(m);
        self.v2(Enc(0x66, 3, 0x0f), x, n); // palignr: words 1 to 3 of n, 0 of m
        self.r.asm.put(4, 1);
        self.v2(s2(0xfe), x, d); // paddd
        self.v2(Enc(0, 2, 0xcd), x, m); // sha256msg2
        self.r.set_v(e.d, x);
    }
}
