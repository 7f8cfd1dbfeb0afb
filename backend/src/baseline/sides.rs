//! Ways off a trace's main path: its exits, and what faults lead to. Each stores what memory does not have yet, which is mostly what the
//! one before it stores too: that much of its code is used again, so that code off the main path stays small.

use super::Baseline;
use super::asm::{self, RDI};
use super::regs::Dirty;
use std::ops::Range;

/// Most jumps on the way through an exit. Faults may take any number.
const MOST_JUMPS: u32 = 2;

/// A store of the last way out. What ends it, ends all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    what: Dirty,
    /// Where it is.
    at: usize,
    /// Jumps between it and the end.
    jumps: u32,
}

impl Baseline {
    /// Stores what is dirty (a range of `dirty`) and goes to guest address `to`.
    pub(super) fn side(&mut self, (from, end): (u32, u32), to: u64) {
        if self.head == Some(to) {
            self.save((from, end));
            return self.direct(to);
        }
        let for_slot = |d: &Dirty| matches!(d, Dirty::G(RDI, _));
        let all = from as usize..end as usize;
        for n in all.clone() {
            if for_slot(&self.dirty[n]) {
                self.r.save(self.dirty[n]);
            }
        }
        self.slot_address(to);
        match self.store_rest(all, for_slot, MOST_JUMPS) {
            Some(at) => self.r.asm.jmp_to(at),
            None => self.jump_slot(),
        }
    }

    /// Stores what is dirty at each access, and leaves at `end`.
    pub(super) fn landings(&mut self, end: usize) {
        self.shared.clear();
        for n in 0..self.unsaved.len() {
            let (from, to) = self.unsaved[n];
            if from == to {
                continue;
            }
            self.r.asm.reserve(asm::ROOM);
            let here = self.r.asm.pos();
            let on = self.store_rest(from as usize..to as usize, |_| false, u32::MAX);
            let nothing = self.r.asm.pos() == here;
            self.faults[n].landing_offset = match on {
                Some(at) if nothing => at,
                _ => here,
            } as u32;
            if !nothing {
                self.r.asm.jmp_to(on.unwrap_or(end));
            }
        }
    }

    /// Stores some of what is dirty, but for what `done` has; where to go on for the rest. `None`: there is none.
    fn store_rest(
        &mut self,
        all: Range<usize>,
        done: impl Fn(&Dirty) -> bool,
        most: u32,
    ) -> Option<usize> {
        // What the last way out stores last, as far as this one wants it too.
        let wanted = |s: &&Shared| self.dirty[all.clone()].contains(&s.what) && s.jumps < most;
        let keep = self.shared.iter().rev().take_while(wanted).count();
        let last = std::mem::take(&mut self.shared);
        let (gone, common) = last.split_at(last.len() - keep);
        let jumps = common.first().map_or(0, |s| s.jumps + 1);
        // What has been dirty for longer is likely to stay so, and comes later.
        for older in [false, true] {
            for n in all.clone() {
                let what = self.dirty[n];
                let same = |s: &Shared| s.what == what;
                let own = !done(&what) && !common.iter().any(same);
                if own && gone.iter().any(same) == older {
                    let at = self.r.asm.pos();
                    self.shared.push(Shared { what, at, jumps });
                    self.r.save(what);
                }
            }
        }
        self.shared.extend_from_slice(common);
        common.first().map(|s| s.at)
    }
}
