//! Making an image: units one after another, then the file.
//!
//! Code gets its final place as it comes; fields and links are filled in at the end, when it is known where slots begin and which code is the
//! best for each guest address.

use super::format::{
    COUNTER, Entry, FREE, Fault, Field, Foreign, Guard, Header, LOOPS, MAGIC, NOTED, OVERLOOKS,
    PAGE, Piece, STUBS, Section, Slot, Span, UNLINKED, Unit, hash, rows, worth,
};
use crate::cache::unit::Tier;
use hashbrown::HashMap;
use metaphrase_backend::baseline::NOTES;
use smallvec::SmallVec;
use std::ops::Range;
use zerocopy::IntoBytes;

/// What an image is for.
#[derive(Clone, Debug)]
pub struct Place {
    /// As in [`Header`].
    pub key: [u64; 2],
    /// Guest addresses of the text.
    pub guest: Range<u64>,
    /// Host addresses for code and slots.
    pub window: Range<u64>,
    /// Host address of the first counter.
    pub counters: u64,
    /// Most counters.
    pub most: usize,
}

/// An image in the making.
#[derive(Debug)]
pub struct Draft {
    place: Place,
    thunk: u32,
    code: Vec<u8>,
    slots: Vec<Slot>,
    /// Slots that are no notes and no cells.
    linked: Vec<u32>,
    units: Vec<Unit>,
    entries: Vec<Entry>,
    ranges: Vec<Span>,
    faults: Vec<Fault>,
    relocs: Vec<Field>,
    foreign: Vec<Foreign>,
    guards: Vec<Guard>,
    runs: Vec<u32>,
    at: HashMap<u64, (Tier, u32, u32)>,
    index: Vec<Entry>,
    header: Vec<Header>,
    insns: u64,
    worth: u64,
    end: u32,
}

impl Draft {
    /// An empty one, for about so many units. `thunk`: the cold-path caller of `Eval`, if there are regions.
    pub fn new(place: Place, units: usize, thunk: &[u8]) -> Draft {
        let mut code = Vec::with_capacity(units * 160 + 2 * PAGE);
        code.extend(UNLINKED);
        code.resize(16, 0xcc);
        let fits = thunk.len() <= STUBS - 16;
        if fits {
            code.extend(thunk);
        }
        code.resize(STUBS, 0xcc);
        Draft {
            place,
            thunk: if fits { thunk.len() as u32 } else { 0 },
            code,
            slots: Vec::with_capacity(units * 2),
            linked: Vec::with_capacity(units * 2),
            units: Vec::with_capacity(units),
            entries: Vec::with_capacity(units),
            ranges: Vec::with_capacity(units),
            faults: Vec::with_capacity(units * 3),
            relocs: Vec::with_capacity(units * 4),
            foreign: Vec::new(),
            guards: Vec::new(),
            runs: Vec::with_capacity(units + 1),
            at: HashMap::with_capacity(units),
            index: Vec::new(),
            header: Vec::new(),
            insns: 0,
            worth: 0,
            end: 0,
        }
    }

    /// What it took to make all units so far.
    pub fn worth(&self) -> u64 {
        self.worth
    }

    /// Whether there is code of this tier or a better one at a guest address.
    pub fn has(&self, pc: u64, tier: Tier) -> bool {
        self.at.get(&pc).is_some_and(|e| e.0 as u8 >= tier as u8)
    }

    /// Adds a unit. `None`: there is no room, or it does not belong here; nothing has changed.
    pub fn add(&mut self, p: &Piece<'_>) -> Option<()> {
        let align = if p.tier == Tier::Optimized { 64 } else { 16 };
        let code = self.code.len().next_multiple_of(align);
        let end = (code + p.code.len()).next_multiple_of(PAGE);
        let slots = (self.slots.len() + p.slots.len() + p.cells.len()) * size_of::<Slot>();
        let room = (self.place.window.end - self.place.window.start) as usize;
        let lists = [
            p.slots.len() + p.cells.len(),
            p.faults.len(),
            p.relocs.len(),
            p.ranges.len(),
        ];
        let too_many = lists.iter().any(|n| *n > u16::MAX as usize)
            || self.place.guest.end - self.place.guest.start >= u32::MAX as u64;
        if end + slots + PAGE > room || self.units.len() >= self.place.most || too_many {
            return None;
        }
        let text = self.place.guest.clone();
        let rows = self.reach(p)?;
        let offset = |pc: u64| self.offset(pc, &rows);
        let ends = |r: &(u64, u64)| Some((offset(r.0)?, (r.1 - r.0) as u32));
        let spans: Option<SmallVec<[_; 4]>> = p.ranges.iter().map(ends).collect();
        let faults: Option<SmallVec<[_; 8]>> =
            p.faults.iter().map(|f| offset(f.guest_pc)).collect();
        let own = p.entries.iter().all(|e| text.contains(&e.0));
        let (spans, faults) = (spans?, faults?);
        let guards = self.guarded(p, &rows)?;
        if !own {
            return None;
        }
        let base = code as u32;
        let n = self.units.len() as u32;
        self.units.push(Unit {
            code: base,
            len: p.code.len() as u32,
            slots: self.slots.len() as u32,
            entries: self.entries.len() as u32,
            ranges: self.ranges.len() as u32,
            faults: self.faults.len() as u32,
            relocs: self.relocs.len() as u32,
            insns: p.insns,
            n_slots: p.slots.len() as u16,
            n_cells: p.cells.len() as u16,
            n_entries: p.entries.len() as u16,
            n_ranges: p.ranges.len() as u16,
            n_faults: p.faults.len() as u16,
            n_relocs: p.relocs.len() as u16,
            tier: p.tier as u8,
            flags: [(p.loops, LOOPS), (p.noted, NOTED), (p.overlooks, OVERLOOKS)]
                .iter()
                .fold(0, |f, (is, bit)| if *is { f | bit } else { f }),
            rebuilds: p.rebuilds.min(255) as u8,
            guards: p.guards,
        });
        self.code.resize(code, 0xcc);
        self.code.extend_from_slice(p.code);
        self.add_slots(p);
        self.guards.extend(guards);
        for &(full, at) in &p.entries {
            let (pc, code) = ((full - text.start) as u32, base + at);
            self.entries.push(Entry { pc, code, unit: n });
            let e = self.at.entry(full).or_insert((p.tier, code, n));
            if (p.tier as u8) > e.0 as u8 {
                *e = (p.tier, code, n);
            }
        }
        for (start, len) in spans {
            let end = start + len;
            match self.foreign.iter_mut().rev().find(|f| f.base <= start) {
                Some(f) => f.need = f.need.max(end - f.base),
                None => self.end = self.end.max(end),
            }
            self.ranges.push(Span { start, end });
        }
        self.faults
            .extend(p.faults.iter().zip(faults).map(|(f, pc)| Fault {
                access: base + f.access_offset,
                landing: base + f.landing_offset,
                pc,
            }));
        self.relocs.extend_from_slice(p.relocs);
        self.runs.push(p.runs);
        self.insns += p.insns as u64;
        self.worth += worth(p.tier, p.insns);
        Some(())
    }

    /// Rows of the texts into which a unit reaches. `None`: no room for one more.
    fn reach(&mut self, p: &Piece<'_>) -> Option<SmallVec<[usize; 2]>> {
        let text = (self.place.guest.end - self.place.guest.start) as u32;
        let mut row = |f: &Foreign| {
            let same = |g: &Foreign| (g.key, g.guest, g.len) == (f.key, f.guest, f.len);
            let known = self.foreign.iter().position(same);
            known.or_else(|| {
                let before = self.foreign.last().map_or(text, |l| l.base + l.len);
                let base = before.checked_next_multiple_of(PAGE as u32)?;
                let base = base.checked_add(PAGE as u32)?;
                base.checked_add(f.len)?.checked_add(2 * PAGE as u32)?;
                self.foreign.push(Foreign {
                    base,
                    need: 0,
                    ..*f
                });
                Some(self.foreign.len() - 1)
            })
        };
        p.foreign.iter().map(&mut row).collect()
    }

    /// How far a guest address is from the text's start, or how that is written if it is in one of these other texts.
    fn offset(&self, pc: u64, foreign: &[usize]) -> Option<u32> {
        let text = &self.place.guest;
        if text.contains(&pc) {
            return Some((pc - text.start) as u32);
        }
        let mut rows = foreign.iter().map(|n| &self.foreign[*n]);
        let f = rows.find(|f| f.has(pc))?;
        Some(f.base + (pc - f.guest) as u32)
    }

    /// The guards of a unit whose slots come next. `None`: one does not guard a way into another text.
    fn guarded(&self, p: &Piece<'_>, foreign: &[usize]) -> Option<SmallVec<[Guard; 2]>> {
        let first = p.slots.len().checked_sub(p.guards.into())?;
        let of = |n: usize| {
            let into = |f: &&usize| self.foreign[**f].has(p.slots[n]);
            Some(Guard {
                slot: (self.slots.len() + n) as u32,
                foreign: *foreign.iter().find(into)? as u32,
            })
        };
        (first..p.slots.len()).map(of).collect()
    }

    fn add_slots(&mut self, p: &Piece<'_>) {
        let guards = p.slots.len() - p.guards as usize;
        let plain = guards - if p.noted { NOTES.len() } else { 0 };
        let unlinked = self.place.window.start;
        for (i, &pc) in p.slots.iter().enumerate() {
            if i < plain {
                self.linked.push(self.slots.len() as u32);
            }
            self.slots.push(Slot {
                code: unlinked,
                guest_pc: match i {
                    _ if i < plain => pc,
                    _ if i < guards => NOTES[i - plain],
                    _ => !pc,
                },
            });
        }
        let cells = p.cells.iter().map(|&guest_pc| Slot { code: 0, guest_pc });
        self.slots.extend(cells);
    }

    /// The file, in parts. `None`: too large. Nothing can be added after that.
    pub fn finish(&mut self) -> Option<Vec<&[u8]>> {
        self.code
            .resize(self.code.len().next_multiple_of(PAGE), 0xcc);
        let slots = self.place.window.start + self.code.len() as u64;
        for n in 0..self.units.len() {
            self.relocate(n, slots)?;
        }
        for &n in &self.linked {
            let s = &mut self.slots[n as usize];
            if let Some(to) = self.at.get(&s.guest_pc) {
                s.code = self.place.window.start + to.1 as u64;
            }
        }
        self.linked
            .sort_by_key(|n| self.slots[*n as usize].guest_pc);
        self.index = self.make_index();
        self.runs.push(0);
        let zeros: &'static [u8] = &[0; PAGE];
        let mut at = PAGE;
        let mut parts = vec![zeros];
        let mut put = |bytes: &'_ [u8], rows: usize, align: usize| {
            let s = Section {
                at: u32::try_from(at).ok()?,
                rows: rows as u32,
            };
            at = (at + bytes.len()).next_multiple_of(align);
            Some(s)
        };
        let h = Header {
            magic: MAGIC,
            key: self.place.key,
            len: 0,
            guest: self.place.guest.start,
            window: self.place.window.start,
            counters: self.place.counters,
            guest_len: self.end,
            thunk: self.thunk,
            text_len: (self.place.guest.end - self.place.guest.start) as u32,
            spare: 0,
            insns: self.insns,
            worth: self.worth,
            code: put(&self.code, self.code.len(), PAGE)?,
            slots: put(self.slots.as_bytes(), self.slots.len(), PAGE)?,
            runs: put(self.runs.as_bytes(), self.runs.len(), PAGE)?,
            units: put(self.units.as_bytes(), self.units.len(), 8)?,
            entries: put(self.entries.as_bytes(), self.entries.len(), 8)?,
            index: put(self.index.as_bytes(), self.index.len(), 8)?,
            ranges: put(self.ranges.as_bytes(), self.ranges.len(), 8)?,
            faults: put(self.faults.as_bytes(), self.faults.len(), 8)?,
            relocs: put(self.relocs.as_bytes(), self.relocs.len(), 8)?,
            order: put(self.linked.as_bytes(), self.linked.len(), 8)?,
            foreign: put(self.foreign.as_bytes(), self.foreign.len(), 8)?,
            guards: put(self.guards.as_bytes(), self.guards.len(), 8)?,
        };
        self.header = vec![Header {
            len: at as u64,
            ..h
        }];
        let all = [
            (self.header.as_bytes(), PAGE),
            (&self.code, PAGE),
            (self.slots.as_bytes(), PAGE),
            (self.runs.as_bytes(), PAGE),
            (self.units.as_bytes(), 8),
            (self.entries.as_bytes(), 8),
            (self.index.as_bytes(), 8),
            (self.ranges.as_bytes(), 8),
            (self.faults.as_bytes(), 8),
            (self.relocs.as_bytes(), 8),
            (self.linked.as_bytes(), 8),
            (self.foreign.as_bytes(), 8),
            (self.guards.as_bytes(), 8),
        ];
        parts.clear();
        for (bytes, align) in all {
            parts.push(bytes);
            parts.push(&zeros[..bytes.len().next_multiple_of(align) - bytes.len()]);
        }
        Some(parts)
    }

    /// Writes the fields of a unit's code. `slots`: host address of the first slot.
    fn relocate(&mut self, n: usize, slots: u64) -> Option<()> {
        let u = self.units[n];
        let slots = slots + u.slots as u64 * size_of::<Slot>() as u64;
        let counter = self.place.counters + n as u64 * 2;
        for r in rows(&self.relocs, u.relocs, u.n_relocs) {
            let base = if r.at & COUNTER != 0 { counter } else { slots };
            let at = u.code as usize + (r.at & !COUNTER) as usize;
            let field = self.place.window.start + at as u64;
            let v = base
                .wrapping_add_signed(r.addend as i64)
                .wrapping_sub(field) as i64;
            let v = i32::try_from(v).ok()?;
            self.code
                .get_mut(at..at + 4)?
                .copy_from_slice(&v.to_le_bytes());
        }
        Some(())
    }

    /// A hash table of the entries, at most half full.
    fn make_index(&self) -> Vec<Entry> {
        let size = (self.at.len() * 2 + 1).next_power_of_two();
        let mut index = vec![FREE; size];
        for (&full, &(_, code, unit)) in &self.at {
            let pc = (full - self.place.guest.start) as u32;
            let mut i = hash(pc) & (size - 1);
            while index[i].pc != FREE.pc {
                i = (i + 1) & (size - 1);
            }
            index[i] = Entry { pc, code, unit };
        }
        index
    }
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
