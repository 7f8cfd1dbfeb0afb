//! Which register to give up, from what is known of the words' next uses ([`crate::baseline::uses`]), and words that are constants without
//! a register.

use super::{CONST, D, DIRTY, G, GONE, Gpr, NONE, POOL, Regs, V, VH, bits};
use crate::baseline::uses::Next;

impl Regs {
    /// The constant that word `w` is known to be.
    pub fn constant(&mut self, w: u16) -> Option<i32> {
        let g = self.part(w, G);
        (g & (GONE | CONST) == GONE | CONST).then(|| self.consts[(g & 15) as usize].1)
    }

    /// Word `w`, a constant, is so no longer; the caller changes its state.
    pub(super) fn drop_const(&mut self, w: u16) {
        let k = self.part(w, G) & 15;
        self.const_free |= 1 << k;
    }

    pub(super) fn clean_const(&mut self, w: u16) {
        if let Some(v) = self.constant(w) {
            self.asm.store_imm(w, v);
            self.drop_const(w);
            self.set_part(w, G, GONE);
        }
    }

    /// Takes a register: the one whose words are wanted last, if that is known. Otherwise one in turn, in the first round only those
    /// that memory agrees with.
    pub(super) fn steal(&mut self) -> Gpr {
        if self.uses.known() {
            let worth = |me: &mut Self, r: usize| {
                let worth = me.held[r].map(|w| me.worth(w, G));
                worth.into_iter().fold(0, u32::max)
            };
            let all = bits(POOL & !self.busy).map(|r| (worth(self, r), r)).min();
            if let Some((_, r)) = all {
                self.evict(r as Gpr);
                self.busy |= 1 << r;
                return r as Gpr;
            }
        }
        let mut tried = 0;
        loop {
            self.next = self.next.wrapping_add(1) & 15;
            tried += 1;
            let m = 1u16 << self.next;
            if POOL & !self.busy & m != 0 && (tried > 16 || !self.is_dirty(self.next as Gpr)) {
                let r = self.next as Gpr;
                self.evict(r);
                self.busy |= m;
                return r;
            }
        }
    }

    /// What it would cost to give up the register that holds word `w` (its part at `at`), the more the sooner it is read.
    fn worth(&mut self, w: u16, at: u32) -> u32 {
        const FAR: u32 = 4096;
        if w == NONE {
            return 0;
        }
        let dirty = self.part(w, at) & DIRTY != 0;
        match self.uses.next(w, self.now) {
            Next::Read(n) => {
                let soon = FAR - (n - self.now).min(FAR - 1);
                FAR + 2 * soon + if dirty { FAR } else { 0 }
            }
            _ if self.is_temp(w) || !dirty => 0,
            // It has to be stored some time.
            Next::Never => 1,
            Next::Written => FAR + FAR,
        }
    }

    /// Whether nobody reads the value of word `w` any more, this op included.
    pub(super) fn dead(&mut self, w: u16) -> bool {
        self.is_temp(w)
            && self.uses.known()
            && !matches!(self.uses.next(w, self.now), Next::Read(_))
    }

    /// Whether no op after this one reads the value of word `w`.
    fn last(&self, w: u16) -> bool {
        w == NONE
            || self.is_temp(w)
                && self.uses.known()
                && !self.is_zero(w)
                && !matches!(self.uses.after(w, self.now), Next::Read(_))
    }

    /// Takes `r` from temporaries that only this op still reads. Whether it holds nothing now, or nothing but word `d`.
    pub(super) fn take(&mut self, r: Gpr, d: u16) -> bool {
        let held = self.held[r as usize];
        if !held.into_iter().all(|w| w == d || self.last(w)) {
            return false;
        }
        for w in held {
            if w != NONE && w != d {
                self.unhold(w);
                self.set_part(w, G, GONE);
            }
        }
        true
    }

    /// A register for a result with destination `d` that is written in one go from `ra`: `ra` itself where that loses nothing.
    #[inline]
    pub fn fresh(&mut self, d: u16, ra: Gpr) -> Gpr {
        if self.only(ra, d) || self.take(ra, d) {
            ra
        } else {
            self.alloc()
        }
    }

    /// The vector register whose words are wanted last.
    pub(super) fn least_x(&mut self) -> u32 {
        let worth = |me: &mut Self, x: usize| {
            let (d, v) = (me.xd[x], me.xv[x]);
            let high = if v == NONE { NONE } else { v + 1 };
            me.worth(d, D).max(me.worth(v, V)).max(me.worth(high, VH))
        };
        let all = bits(!self.xbusy).map(|x| (worth(self, x), x)).min();
        all.map_or(0, |(_, x)| x as u32)
    }
}
