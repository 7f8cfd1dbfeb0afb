//! The register cache: which frame words host registers hold while one block is compiled.
//!
//! Idea: memory is the truth for guest state. Every write to a guest word is stored at once ("write-through") and stays in the
//! register, from which later reads are served. Words of tier 0's temporaries are no guest state and nobody reads them after the
//! block, so they are stored only if they lose their register ("dirty"), or before a call-out.
//! In traces, which run often, guest words are treated like that too ([`Regs::write_back`]): who leaves, or may fault, stores
//! what is dirty there.
//!
//! Invariants:
//! * a general register that holds a word holds all 64 bits of it; it may hold up to [`WAYS`] words of one value;
//! * a vector register holds at most one word in its low half (`D`) and one 16-byte value (`V`); `high_zero` says of which registers
//!   the upper half is known to be zero;
//! * `words[w]` has four bytes: the general register, the vector register with `D`, with `V` starting at `w`, with `V` starting at
//!   `w - 1`; [`GONE`] in a byte means none, [`DIRTY`] that memory is older;
//! * registers in `busy`/`xbusy` are operands of the current op and are not handed out.

use super::asm::{Asm, Gpr, Xmm};
use super::uses::Uses;

mod worth;

/// Words of the frame that bytecode may name.
pub const WORDS: usize = 1024;
const GONE: u32 = 0x80;
const DIRTY: u32 = 0x40;
const EMPTY: u32 = 0x8080_8080;
/// With [`GONE`] in the first byte: the word is the constant whose number is in the low four bits, and memory does not have it.
const CONST: u32 = 0x10;
/// Byte positions in a word's state.
const G: u32 = 0;
const D: u32 = 8;
const V: u32 = 16;
const VH: u32 = 24;
/// A register holds no word here.
const NONE: u16 = u16::MAX;
/// Words of one value that a general register may hold.
const WAYS: usize = 4;

/// General registers handed out: all but RSP and R15.
const POOL: u16 = 0b111_1111_1110_1111;

/// Numbers of the bits that are set.
fn bits(mut mask: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let n = mask.trailing_zeros() as usize;
        (n < 16).then(|| {
            mask &= mask - 1;
            n
        })
    })
}

/// Emitter and register cache.
#[derive(Debug)]
pub struct Regs {
    pub asm: Asm,
    words: Box<[u32; WORDS]>,
    held: [[u16; WAYS]; 16],
    xd: [u16; 16],
    xv: [u16; 16],
    free: u16,
    xfree: u16,
    high_zero: u16,
    /// As `high_zero`, of all but the lowest 32 bits.
    most_zero: u16,
    pub busy: u16,
    pub xbusy: u16,
    next: u32,
    xnext: u32,
    /// First word of the temporaries; it and the next are always zero.
    temps: u16,
    /// Guest words are stored only where they have to be: "write-back".
    pub write_back: bool,
    /// Constants that no register holds: word and value, and which places are free.
    consts: [(u16, i32); 16],
    const_free: u16,
    /// What is read later, in traces, and the number of the op being compiled.
    pub uses: Uses,
    pub now: u32,
}

/// A register that holds what memory does not have yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dirty {
    /// A general register and its word.
    G(Gpr, u16),
    /// The low half of a vector register.
    D(Xmm, u16),
    /// All of it.
    V(Xmm, u16),
    /// A constant and its word.
    I(i32, u16),
}

impl Regs {
    pub fn new(temps: u16) -> Regs {
        Regs {
            asm: Asm::default(),
            words: Box::new([EMPTY; WORDS]),
            held: [[NONE; WAYS]; 16],
            xd: [NONE; 16],
            xv: [NONE; 16],
            free: POOL,
            xfree: u16::MAX,
            high_zero: 0,
            most_zero: 0,
            busy: 0,
            xbusy: 0,
            next: 0,
            xnext: 0,
            temps,
            write_back: false,
            consts: [(NONE, 0); 16],
            const_free: u16::MAX,
            uses: Uses::default(),
            now: 0,
        }
    }

    #[inline(always)]
    fn state(&mut self, w: u16) -> &mut u32 {
        &mut self.words[w as usize & (WORDS - 1)]
    }
    #[inline(always)]
    fn part(&mut self, w: u16, at: u32) -> u32 {
        *self.state(w) >> at & 0xff
    }
    #[inline(always)]
    fn set_part(&mut self, w: u16, at: u32, v: u32) {
        let s = self.state(w);
        *s = *s & !(0xff << at) | v << at;
    }
    /// Whether a word belongs to a temporary, which memory need not hold.
    #[inline(always)]
    fn is_temp(&self, w: u16) -> bool {
        w >= self.temps
    }

    /// Whether a word that loses its register is not stored if it is written again before it is read.
    pub fn may_drop(&self, w: u16) -> bool {
        self.is_temp(w) && self.uses.known()
    }

    /// Forgets everything, dirty or not.
    pub fn forget_all(&mut self) {
        for r in bits(POOL & !self.free) {
            for w in std::mem::replace(&mut self.held[r], [NONE; WAYS]) {
                if w != NONE {
                    *self.state(w) = EMPTY;
                }
            }
        }
        for x in bits(!self.xfree) {
            for w in [self.xd[x], self.xv[x]] {
                if w != NONE {
                    *self.state(w) = EMPTY;
                    *self.state(w + 1) = EMPTY;
                }
            }
            (self.xd[x], self.xv[x]) = (NONE, NONE);
        }
        self.free = POOL;
        self.xfree = u16::MAX;
        for k in bits(!self.const_free) {
            *self.state(self.consts[k].0) = EMPTY;
        }
        self.const_free = u16::MAX;
    }

    /// Drops the temporaries: a block has ended.
    pub fn forget_temps(&mut self) {
        for r in bits(POOL & !self.free) {
            for k in 0..WAYS {
                let w = self.held[r][k];
                if w != NONE && self.is_temp(w) {
                    self.unhold(w);
                    self.set_part(w, G, GONE);
                }
            }
        }
        for x in bits(!self.xfree) {
            let d = self.xd[x];
            if d != NONE && self.is_temp(d) {
                self.set_part(d, D, GONE);
                self.xd[x] = NONE;
            }
            let v = self.xv[x];
            if v != NONE && self.is_temp(v) {
                self.drop_v(x);
            }
            self.note_x(x);
        }
        for k in bits(!self.const_free) {
            let w = self.consts[k].0;
            if self.is_temp(w) {
                self.drop_const(w);
                self.set_part(w, G, GONE);
            }
        }
    }

    /// Appends the guest words that memory does not have yet.
    pub fn dirty(&mut self, out: &mut Vec<Dirty>) {
        for r in bits(POOL & !self.free) {
            for w in self.held[r] {
                if w != NONE && !self.is_temp(w) && self.part(w, G) & DIRTY != 0 {
                    out.push(Dirty::G(r as Gpr, w));
                }
            }
        }
        for x in bits(!self.xfree) {
            let (d, v) = (self.xd[x], self.xv[x]);
            if d != NONE && !self.is_temp(d) && self.part(d, D) & DIRTY != 0 {
                out.push(Dirty::D(x as Xmm, d));
            }
            if v != NONE && !self.is_temp(v) && self.part(v, V) & DIRTY != 0 {
                out.push(Dirty::V(x as Xmm, v));
            }
        }
        for k in bits(!self.const_free) {
            let (w, v) = self.consts[k];
            if !self.is_temp(w) {
                out.push(Dirty::I(v, w));
            }
        }
    }

    /// Appends those of words `w..w + n` that memory does not have yet, temporaries too.
    pub fn dirty_words(&mut self, w: u16, n: u16, out: &mut Vec<Dirty>) {
        for w in w..w + n {
            if let Some(v) = self.constant(w) {
                out.push(Dirty::I(v, w));
            }
            let s = *self.state(w);
            for (at, dirty) in [
                (G, Dirty::G as fn(u8, u16) -> Dirty),
                (D, Dirty::D),
                (V, Dirty::V),
                (VH, |x, w| Dirty::V(x, w - 1)),
            ] {
                if s >> at & (DIRTY | GONE) == DIRTY {
                    out.push(dirty((s >> at & 15) as u8, w));
                }
            }
        }
    }

    /// Stores a register.
    pub fn save(&mut self, d: Dirty) {
        match d {
            Dirty::G(r, w) => self.asm.store(w, r),
            Dirty::D(x, w) => self.asm.store_d(w, x),
            Dirty::V(x, w) => self.asm.store_v(w, x),
            Dirty::I(v, w) => self.asm.store_imm(w, v),
        }
    }

    /// Stores the guest words that memory does not have yet. Leaves the host's flags alone.
    pub fn flush_guest(&mut self) {
        if !self.write_back {
            return;
        }
        for r in bits(POOL & !self.free) {
            for k in 0..WAYS {
                let w = self.held[r][k];
                if w != NONE && !self.is_temp(w) {
                    self.clean(r as Gpr, k);
                }
            }
        }
        for x in bits(!self.xfree) {
            let (d, v) = (self.xd[x], self.xv[x]);
            if d != NONE && !self.is_temp(d) {
                self.clean_d(x as Xmm);
            }
            if v != NONE && !self.is_temp(v) {
                self.clean_v(x as Xmm);
            }
        }
        for k in bits(!self.const_free) {
            let w = self.consts[k].0;
            if !self.is_temp(w) {
                self.clean_const(w);
            }
        }
    }

    /// Stores what memory does not have yet.
    pub fn flush(&mut self) {
        for r in bits(POOL & !self.free) {
            self.clean_all(r as Gpr);
        }
        for x in bits(!self.xfree) {
            self.clean_x(x as Xmm);
        }
        for k in bits(!self.const_free) {
            self.clean_const(self.consts[k].0);
        }
    }

    fn clean_all(&mut self, r: Gpr) {
        for k in 0..WAYS {
            self.clean(r, k);
        }
    }

    fn clean(&mut self, r: Gpr, k: usize) {
        let w = self.held[r as usize][k];
        if w != NONE && self.part(w, G) & DIRTY != 0 {
            self.asm.store(w, r);
            self.set_part(w, G, r as u32);
        }
    }

    fn clean_x(&mut self, x: Xmm) {
        self.clean_d(x);
        self.clean_v(x);
    }

    fn clean_d(&mut self, x: Xmm) {
        let d = self.xd[x as usize];
        if d != NONE && self.part(d, D) & DIRTY != 0 {
            self.asm.store_d(d, x);
            self.set_part(d, D, x as u32);
        }
    }

    fn clean_v(&mut self, x: Xmm) {
        let v = self.xv[x as usize];
        if v != NONE && self.part(v, V) & DIRTY != 0 {
            self.asm.store_v(v, x);
            self.set_part(v, V, x as u32);
            self.set_part(v + 1, VH, x as u32);
        }
    }

    /// Lets memory hold words `w..w + n`.
    pub fn flush_words(&mut self, w: u16, n: u16) {
        for w in w..w + n {
            let s = *self.state(w);
            self.clean_const(w);
            if s & 0x4040_4040 == 0 {
                continue;
            }
            if s >> G & (DIRTY | GONE) == DIRTY {
                let r = (s & 15) as Gpr;
                self.clean_all(r);
            }
            for at in [D, V, VH] {
                if s >> at & (DIRTY | GONE) == DIRTY {
                    self.clean_x((s >> at & 15) as Xmm);
                }
            }
        }
    }

    // ---- general registers ----

    /// A register for a result or scratch: holds nothing, busy from now on.
    #[inline]
    pub fn alloc(&mut self) -> Gpr {
        let can = self.free & !self.busy;
        if can != 0 {
            let r = can.trailing_zeros() as Gpr;
            self.busy |= 1 << r;
            return r;
        }
        self.steal()
    }

    /// Sees to it that so many registers can be handed out without a store: between a jump off the main path and where it comes
    /// back nothing may be stored.
    pub fn room(&mut self, gprs: u32, xmms: u32) {
        let (busy, xbusy) = (self.busy, self.xbusy);
        for _ in 0..gprs {
            self.alloc();
        }
        for _ in 0..xmms {
            self.alloc_x();
        }
        (self.busy, self.xbusy) = (busy, xbusy);
    }

    fn is_dirty(&mut self, r: Gpr) -> bool {
        let held = self.held[r as usize];
        held.into_iter()
            .any(|w| w != NONE && self.part(w, G) & DIRTY != 0)
    }

    fn is_dirty_x(&mut self, x: Xmm) -> bool {
        let (d, v) = (self.xd[x as usize], self.xv[x as usize]);
        d != NONE && self.part(d, D) & DIRTY != 0 || v != NONE && self.part(v, V) & DIRTY != 0
    }

    /// Empties a register; what it holds stays in it until somebody writes it.
    pub fn evict(&mut self, r: Gpr) {
        for k in 0..WAYS {
            let w = self.held[r as usize][k];
            if w != NONE {
                if !self.dead(w) {
                    self.clean(r, k);
                }
                self.set_part(w, G, GONE);
                self.held[r as usize][k] = NONE;
            }
        }
        self.free |= (1 << r) & POOL;
    }

    /// Empties a particular register and makes it busy.
    pub fn claim(&mut self, r: Gpr) {
        self.evict(r);
        self.busy |= 1 << r;
    }

    /// Takes word `w` out of its general register, dropping the value.
    #[inline]
    fn unhold(&mut self, w: u16) {
        let g = self.part(w, G);
        if g & GONE == 0 {
            let r = (g & 15) as usize;
            let h = &mut self.held[r];
            for x in h.iter_mut().filter(|x| **x == w) {
                *x = NONE;
            }
            if h.iter().all(|&x| x == NONE) {
                self.free |= 1 << r;
            }
        }
    }

    #[inline(always)]
    fn hold(&mut self, r: Gpr, w: u16, dirty: bool) {
        let h = &mut self.held[r as usize];
        match h.iter_mut().find(|x| **x == NONE) {
            Some(x) => *x = w,
            None => {
                const LAST: usize = WAYS - 1;
                self.clean(r, LAST);
                let old = self.held[r as usize][LAST];
                self.set_part(old, G, GONE);
                self.held[r as usize][LAST] = w;
            }
        }
        self.free &= !(1 << r);
        self.set_part(w, G, r as u32 | if dirty { DIRTY } else { 0 });
    }

    /// The register that holds word `w`, loading it if need be; busy from now on.
    #[inline]
    pub fn get(&mut self, w: u16) -> Gpr {
        let s = *self.state(w);
        if s & GONE == 0 {
            let r = (s & 15) as Gpr;
            self.busy |= 1 << r;
            return r;
        }
        self.get_slow(w, s)
    }

    fn get_slow(&mut self, w: u16, s: u32) -> Gpr {
        let r = self.alloc();
        if let Some(v) = self.constant(w) {
            self.asm.mov_imm(r, v as i64 as u64);
            self.drop_const(w);
            self.hold(r, w, true);
            return r;
        }
        if self.is_zero(w) {
            self.asm.mov_imm(r, 0);
        } else if s >> D & GONE == 0 {
            self.asm.movq_rx(r, (s >> D & 15) as Xmm);
        } else if s >> V & GONE == 0 {
            self.asm.movq_rx(r, (s >> V & 15) as Xmm);
        } else {
            self.flush_words(w, 1);
            self.asm.load(r, w);
        }
        self.hold(r, w, false);
        r
    }

    /// Whether word `w` is known to be zero.
    #[inline(always)]
    pub fn is_zero(&self, w: u16) -> bool {
        w.wrapping_sub(self.temps) < 2
    }

    /// Whether word `w` is in a general register.
    #[inline(always)]
    pub fn in_gpr(&mut self, w: u16) -> bool {
        self.part(w, G) & GONE == 0
    }

    /// Vector register whose low 64 bits are word `w`, if there is one.
    #[inline(always)]
    pub fn low_in_x(&mut self, w: u16) -> Option<Xmm> {
        let s = *self.state(w);
        [D, V]
            .into_iter()
            .find(|&at| s >> at & GONE == 0)
            .map(|at| (s >> at & 15) as Xmm)
    }

    /// Vector register that holds word `w` and zero above it.
    pub fn in_d(&mut self, w: u16) -> Option<Xmm> {
        let s = self.part(w, D);
        (s & GONE == 0 && self.high_zero >> (s & 15) & 1 != 0).then_some((s & 15) as Xmm)
    }

    /// Before word `w` is written: no register holds it any more.
    #[inline(always)]
    fn drop_word(&mut self, w: u16) {
        if *self.state(w) != EMPTY {
            self.drop_slow(w);
        }
    }

    fn drop_slow(&mut self, w: u16) {
        self.unhold(w);
        if self.constant(w).is_some() {
            self.drop_const(w);
        }
        let s = *self.state(w);
        if s >> D & GONE == 0 {
            let x = (s >> D & 15) as usize;
            self.xd[x] = NONE;
            self.note_x(x);
        }
        for at in [V, VH] {
            let s = *self.state(w);
            if s >> at & GONE == 0 {
                let x = (s >> at & 15) as usize;
                // The other half lives on in memory.
                self.clean_x(x as Xmm);
                self.drop_v(x);
            }
        }
        *self.state(w) = EMPTY;
    }

    #[inline]
    fn note_x(&mut self, x: usize) {
        if self.xd[x] & self.xv[x] == NONE {
            self.xfree |= 1 << x;
        }
    }

    fn drop_v(&mut self, x: usize) {
        let v = self.xv[x];
        self.set_part(v, V, GONE);
        self.set_part(v + 1, VH, GONE);
        self.xv[x] = NONE;
        self.note_x(x);
    }

    /// Word `w` = register `r`, which may hold other words already.
    #[inline]
    pub fn set(&mut self, w: u16, r: Gpr) {
        self.drop_word(w);
        let later = self.is_temp(w) || self.write_back;
        if !later {
            self.asm.store(w, r);
        }
        self.hold(r, w, later);
    }

    /// An instruction of the caller's is about to write memory at word `w`, in whole or in part.
    #[inline]
    pub fn written(&mut self, w: u16) {
        self.flush_words(w, 1);
        self.drop_word(w);
    }

    /// Word `w` = constant.
    pub fn set_imm(&mut self, w: u16, v: u64) {
        if v as i32 as i64 as u64 == v {
            self.drop_word(w);
            if self.const_free != 0 && (self.write_back || self.is_temp(w)) {
                let k = self.const_free.trailing_zeros();
                self.const_free &= !(1 << k);
                self.consts[k as usize] = (w, v as i32);
                self.set_part(w, G, GONE | CONST | k);
            } else {
                self.asm.store_imm(w, v as i32);
            }
        } else {
            let r = self.alloc();
            self.asm.mov_imm(r, v);
            self.set(w, r);
        }
    }

    /// Whether `r` holds word `w` and nothing else: it may be changed in place if `w` is what is written.
    #[inline]
    pub fn only(&self, r: Gpr, w: u16) -> bool {
        let h = self.held[r as usize];
        h.contains(&w) && h.into_iter().all(|x| x == w || x == NONE)
    }

    /// A register for the result of an op with destination `d` that starts from a copy of `a`'s register `ra`: `ra` itself
    /// where its old value is lost anyway.
    #[inline]
    pub fn copy_for(&mut self, d: u16, ra: Gpr) -> Gpr {
        if self.only(ra, d) || self.take(ra, d) {
            return ra;
        }
        let r = self.alloc();
        self.asm.mov(r, ra);
        r
    }

    // ---- vector registers ----

    pub fn alloc_x(&mut self) -> Xmm {
        let can = self.xfree & !self.xbusy;
        let x = if can != 0 {
            can.trailing_zeros()
        } else {
            if self.uses.known() {
                self.xnext = self.least_x();
            }
            let mut tried = 0;
            while !self.uses.known() {
                self.xnext = self.xnext.wrapping_add(1) & 15;
                tried += 1;
                let busy = self.xbusy >> self.xnext & 1 != 0;
                if !busy && (tried > 16 || !self.is_dirty_x(self.xnext as Xmm)) {
                    break;
                }
            }
            self.evict_x(self.xnext as Xmm);
            self.xnext
        };
        self.xbusy |= 1 << x;
        self.changed_x(x as Xmm);
        x as Xmm
    }

    /// Nothing is known any more of what is above the low half of a register.
    pub fn changed_x(&mut self, x: Xmm) {
        self.high_zero &= !(1 << x);
        self.most_zero &= !(1 << x);
    }

    /// A register has been written: zero above its lowest 32 bits, or 64.
    pub fn mark_zero(&mut self, x: Xmm, wide: bool) {
        self.high_zero |= 1 << x;
        if !wide {
            self.most_zero |= 1 << x;
        }
    }

    /// Whether [`Self::mark_zero`] is known to hold.
    pub fn zero_above(&self, x: Xmm, wide: bool) -> bool {
        let known = if wide { self.high_zero } else { self.most_zero };
        known >> x & 1 != 0
    }

    /// Empties a particular register and makes it busy.
    pub fn claim_x(&mut self, x: Xmm) {
        self.evict_x(x);
        self.xbusy |= 1 << x;
        self.changed_x(x);
    }

    fn evict_x(&mut self, x: Xmm) {
        let (d, v) = (self.xd[x as usize], self.xv[x as usize]);
        let dead = |me: &mut Self, w: u16| w == NONE || me.dead(w);
        if !(dead(self, d) && dead(self, v) && (v == NONE || self.dead(v + 1))) {
            self.clean_x(x);
        }
        let x = x as usize;
        if self.xd[x] != NONE {
            let d = self.xd[x];
            self.set_part(d, D, GONE);
            self.xd[x] = NONE;
        }
        if self.xv[x] != NONE {
            self.drop_v(x);
        }
        self.note_x(x);
    }

    fn hold_d(&mut self, x: Xmm, w: u16, dirty: bool) {
        debug_assert_eq!(self.xd[x as usize], NONE);
        self.xd[x as usize] = w;
        self.xfree &= !(1 << x);
        self.set_part(w, D, x as u32 | if dirty { DIRTY } else { 0 });
    }

    fn hold_v(&mut self, x: Xmm, w: u16, dirty: bool) {
        debug_assert_eq!(self.xv[x as usize], NONE);
        self.xv[x as usize] = w;
        self.xfree &= !(1 << x);
        let v = x as u32 | if dirty { DIRTY } else { 0 };
        self.set_part(w, V, v);
        self.set_part(w + 1, VH, v);
    }

    /// A vector register whose low 64 bits are word `w`; what is above is not said.
    pub fn get_d(&mut self, w: u16) -> Xmm {
        if let Some(x) = self.low_in_x(w) {
            self.xbusy |= 1 << x;
            return x;
        }
        let x = self.alloc_x();
        if self.is_zero(w) {
            self.asm.rr(super::asm::Enc(0, 1, 0x57), false, x, x);
        } else if self.in_gpr(w) {
            let g = self.get(w);
            self.asm.movq_xr(x, g);
        } else {
            self.flush_words(w, 1);
            self.asm.load_d(x, w);
        }
        self.hold_d(x, w, false);
        self.high_zero |= 1 << x;
        x
    }

    /// The vector register that holds the 16 bytes at word `w`.
    pub fn get_v(&mut self, w: u16) -> Xmm {
        let s = self.part(w, V);
        if s & GONE == 0 {
            let x = (s & 15) as Xmm;
            self.xbusy |= 1 << x;
            return x;
        }
        let x = self.alloc_x();
        if self.is_zero(w) && self.is_zero(w + 1) {
            self.asm.rr(super::asm::Enc(0, 1, 0x57), false, x, x);
        } else {
            self.flush_words(w, 2);
            // Two values may not overlap.
            for w in [w, w + 1] {
                for at in [V, VH] {
                    let s = self.part(w, at);
                    if s & GONE == 0 {
                        self.drop_v((s & 15) as usize);
                    }
                }
            }
            self.asm.load_v(x, w);
        }
        self.hold_v(x, w, false);
        x
    }

    /// Word `w` = the low half of `x`, whose high half is zero; `x` holds no word yet.
    pub fn set_d(&mut self, w: u16, x: Xmm) {
        self.drop_word(w);
        let later = self.is_temp(w) || self.write_back;
        if !later {
            self.asm.store_d(w, x);
        }
        self.hold_d(x, w, later);
        self.high_zero |= 1 << x;
    }

    /// Word `w` = the low half of `x`, of which nothing else is said.
    pub fn alias_d(&mut self, w: u16, x: Xmm) {
        self.drop_word(w);
        let free = self.xd[x as usize] == NONE;
        if !free || !self.write_back {
            self.asm.store_d(w, x);
        }
        if free {
            self.hold_d(x, w, self.write_back);
        }
    }

    /// The 16 bytes at word `w` = `x`, which holds no 16-byte value yet.
    pub fn set_v(&mut self, w: u16, x: Xmm) {
        let s = self.part(w, V);
        if s & GONE == 0 {
            // Replaced as a whole: nothing to store.
            self.drop_v((s & 15) as usize);
        }
        self.drop_word(w);
        self.drop_word(w + 1);
        let later = self.is_temp(w) || self.write_back;
        if !later {
            self.asm.store_v(w, x);
        }
        self.hold_v(x, w, later);
    }

    /// As [`Self::only`] for a 16-byte value.
    pub fn only_v(&self, x: Xmm, w: u16) -> bool {
        self.xv[x as usize] == w && self.xd[x as usize] == NONE
    }

    /// Whether `x` may become the home of another 16-byte value.
    pub fn can_hold_v(&self, x: Xmm) -> bool {
        self.xv[x as usize] == NONE
    }
}
