//! The file of an image: what is in it, checked when it is opened, and how one is made.
//!
//! A page of [`Header`]; host code, to be mapped executable at the start of the text's window; chain slots, to be mapped privately behind
//! it, linked already; then tables. Code, slots and counters have their final addresses, so opening an image changes nothing in it. Code
//! begins with a stub for slots that are not linked. Nothing is swapped or padded for other hosts: the key contains the build.
//!
//! Must not know blocks and units of the running process.

use crate::cache::unit::Tier;
use hashbrown::HashMap;
use metaphrase_backend::baseline::NOTES;
use metaphrase_backend::emit::{FaultSite, Reloc, RelocTarget};
use smallvec::SmallVec;
use std::ops::Range;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What sections that are mapped are aligned to.
pub const PAGE: usize = 4096;
const MAGIC: u64 = u64::from_le_bytes(*b"mtphras1");
/// What unlinked slots jump to: mov rax, rdi; ret. (As [`metaphrase_backend::stubs::Stubs::unlinked`].)
const UNLINKED: [u8; 4] = [0x48, 0x89, 0xf8, 0xc3];
/// Bytes kept at the start of the code for stubs.
const STUBS: usize = 1024;

/// Where a table lies: bytes from the start of the file, number of rows.
#[derive(Clone, Copy, Default, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Section {
    at: u32,
    rows: u32,
}

/// First bytes of the file.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    magic: u64,
    /// What the image is of and for: text, build, host, settings.
    pub key: [u64; 2],
    /// Bytes of the file.
    len: u64,
    /// First guest address of the text.
    pub guest: u64,
    /// Host address of the code.
    pub window: u64,
    /// Host address of the first unit's counter.
    pub counters: u64,
    /// One past the last guest byte translated, from `guest`.
    pub guest_len: u32,
    /// Bytes of the cold-path caller of `Eval` behind the stub, 0 if there is none.
    pub thunk: u32,
    /// Guest instructions in all units.
    pub insns: u64,
    /// What it took to make all units, see [`worth`].
    pub worth: u64,
    code: Section,
    slots: Section,
    units: Section,
    entries: Section,
    index: Section,
    ranges: Section,
    faults: Section,
    relocs: Section,
    order: Section,
    runs: Section,
}

/// A unit. Rows are in the order of their code.
#[derive(Clone, Copy, Default, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Unit {
    /// Offset of its code from the window's start.
    pub code: u32,
    /// Bytes of its code.
    pub len: u32,
    slots: u32,
    entries: u32,
    ranges: u32,
    faults: u32,
    relocs: u32,
    /// Guest instructions.
    pub insns: u32,
    n_slots: u16,
    n_cells: u16,
    n_entries: u16,
    n_ranges: u16,
    n_faults: u16,
    n_relocs: u16,
    tier: u8,
    flags: u8,
    /// As [`crate::cache::unit::Unit1::rebuilds`].
    pub rebuilds: u8,
    spare: u8,
}

const LOOPS: u8 = 1;
const NOTED: u8 = 2;

impl Unit {
    /// Its compiler.
    pub fn tier(&self) -> Tier {
        match self.tier {
            0 => Tier::Baseline,
            1 => Tier::Trace,
            _ => Tier::Optimized,
        }
    }

    /// As [`crate::cache::unit::Unit1::loops`].
    pub fn loops(&self) -> bool {
        self.flags & LOOPS != 0
    }

    /// Its slots among all, cells not included.
    pub fn slots(&self) -> Range<usize> {
        self.slots as usize..self.slots as usize + self.n_slots as usize
    }
}

/// A guest address at which execution may enter.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Entry {
    /// From the start of the text.
    pub pc: u32,
    /// Its code, from the window's start.
    pub code: u32,
    /// Number of the unit.
    pub unit: u32,
}

const FREE: Entry = Entry {
    pc: u32::MAX,
    code: 0,
    unit: 0,
};

/// A chain slot as the process finds it: [`metaphrase_backend::abi::ChainSlot`].
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Slot {
    code: u64,
    guest_pc: u64,
}

/// Guest addresses, from the start of the text.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Span {
    start: u32,
    end: u32,
}

/// As [`FaultSite`]; the offsets from the window's start.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Fault {
    access: u32,
    landing: u32,
    pc: u32,
}

/// A [`Reloc`] in eight bytes: the offset, its top bit set for the counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Field {
    at: u32,
    addend: i32,
}

const COUNTER: u32 = 1 << 31;

impl Field {
    /// Of a relocation, if its numbers are not too large.
    pub fn of(r: &Reloc) -> Option<Field> {
        let kind = match r.target {
            RelocTarget::Slots => 0,
            RelocTarget::Counter => COUNTER,
        };
        Some(Field {
            at: (r.offset < COUNTER).then_some(r.offset | kind)?,
            addend: r.addend.try_into().ok()?,
        })
    }
}

/// A unit to be put into an image, or one that is in an image.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    /// Its compiler.
    pub tier: Tier,
    /// Code; what its relocations refer to may have any value.
    pub code: &'a [u8],
    /// Guest address of each slot.
    pub slots: SmallVec<[u64; 4]>,
    /// Whether the last two of these are notes ([`NOTES`]).
    pub noted: bool,
    /// Guest address of each cell.
    pub cells: SmallVec<[u64; 2]>,
    /// Guest address and offset of each entry.
    pub entries: SmallVec<[(u64, u32); 1]>,
    /// Guest addresses translated.
    pub ranges: SmallVec<[(u64, u64); 1]>,
    /// As in [`metaphrase_backend::emit::CompiledUnit`].
    pub faults: SmallVec<[FaultSite; 4]>,
    /// Fields of the code.
    pub relocs: &'a [Field],
    /// Guest instructions.
    pub insns: u32,
    /// As in [`crate::cache::unit::Unit1`].
    pub loops: bool,
    /// As in [`crate::cache::unit::Unit1`].
    pub rebuilds: u32,
    /// How often it has run, in all processes.
    pub runs: u32,
}

/// What it takes to make a unit, in instructions of baseline code.
pub fn worth(tier: Tier, insns: u32) -> u64 {
    let each = if tier == Tier::Optimized { 10 } else { 1 };
    insns as u64 * each
}

/// Spreads a guest address over the index.
fn hash(pc: u32) -> usize {
    let h = (pc as u64 >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (h >> 32) as usize
}

/// An image's file, checked.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// What it is of and for.
    pub header: &'a Header,
    /// Code.
    pub code: &'a [u8],
    slots: &'a [Slot],
    /// Units, in the order of their code.
    pub units: &'a [Unit],
    entries: &'a [Entry],
    index: &'a [Entry],
    ranges: &'a [Span],
    faults: &'a [Fault],
    relocs: &'a [Field],
    order: &'a [u32],
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("View").field(self.header).finish()
    }
}

impl<'a> View<'a> {
    /// Looks at a file. `None`: it is not this image, not whole, or its tables contradict each other.
    pub fn of(file: &'a [u8], key: [u64; 2]) -> Option<View<'a>> {
        fn rows<T: FromBytes + Immutable>(file: &[u8], s: Section) -> Option<&[T]> {
            let at = s.at as usize;
            let end = at.checked_add((s.rows as usize).checked_mul(size_of::<T>())?)?;
            <[T]>::ref_from_bytes(file.get(at..end)?).ok()
        }
        let (header, _) = Header::ref_from_prefix(file).ok()?;
        if header.magic != MAGIC || header.key != key || header.len != file.len() as u64 {
            return None;
        }
        let v = View {
            header,
            code: rows(file, header.code)?,
            slots: rows(file, header.slots)?,
            units: rows(file, header.units)?,
            entries: rows(file, header.entries)?,
            index: rows(file, header.index)?,
            ranges: rows(file, header.ranges)?,
            faults: rows(file, header.faults)?,
            relocs: rows(file, header.relocs)?,
            order: rows(file, header.order)?,
        };
        rows::<u32>(file, header.runs).filter(|r| r.len() == v.units.len() + 1)?;
        let pages = [header.code, header.slots, header.runs];
        let sound = pages.iter().all(|s| (s.at as usize).is_multiple_of(PAGE))
            && header.slots.at == header.code.at + header.code.rows
            && v.index.len().is_power_of_two()
            && v.index.iter().any(|e| e.pc == FREE.pc);
        sound.then_some(v)
    }

    /// Where code and slots lie in the file: bytes from its start.
    pub fn mapped(&self) -> (Range<usize>, Range<usize>) {
        let (c, s) = (self.header.code, self.header.slots);
        let bytes = s.rows as usize * size_of::<Slot>();
        (
            c.at as usize..(c.at + c.rows) as usize,
            s.at as usize..s.at as usize + bytes.next_multiple_of(PAGE),
        )
    }

    /// Where in the file the words lie that all processes share: how often each unit has run, and last the guest instructions that were
    /// translated and are not in the image.
    pub fn shared(&self) -> Range<usize> {
        let r = self.header.runs;
        r.at as usize..(r.at as usize + r.rows as usize * 4).next_multiple_of(PAGE)
    }

    /// The entry at a guest address.
    pub fn find(&self, pc: u64) -> Option<Entry> {
        let pc = u32::try_from(pc.checked_sub(self.header.guest)?).ok()?;
        let mask = self.index.len() - 1;
        let mut i = hash(pc) & mask;
        loop {
            let e = self.index[i];
            if e.pc == pc {
                return Some(e);
            }
            if e.pc == FREE.pc {
                return None;
            }
            i = (i + 1) & mask;
        }
    }

    /// The fault site of the host instruction at `offset` from the window's start: where to resume, and the guest address.
    pub fn fault(&self, offset: u32) -> Option<(u32, u64)> {
        let i = self
            .faults
            .binary_search_by_key(&offset, |f| f.access)
            .ok()?;
        let f = self.faults[i];
        Some((f.landing, self.header.guest + f.pc as u64))
    }

    /// Numbers of the slots that lead to a guest address.
    pub fn leading_to(&self, pc: u64) -> &'a [u32] {
        let of = |n: &u32| self.slots.get(*n as usize).map_or(0, |s| s.guest_pc);
        let from = self.order.partition_point(|n| of(n) < pc);
        let len = self.order[from..].partition_point(|n| of(n) == pc);
        &self.order[from..from + len]
    }

    /// Entries of a unit: guest address, offset from the window's start.
    pub fn entries(&self, u: &Unit) -> impl Iterator<Item = (u64, u32)> + use<'a> {
        let guest = self.header.guest;
        let of = rows(self.entries, u.entries, u.n_entries);
        of.iter().map(move |e| (guest + e.pc as u64, e.code))
    }

    /// Guest addresses translated in a unit.
    pub fn ranges(&self, u: &Unit) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let guest = self.header.guest;
        let of = rows(self.ranges, u.ranges, u.n_ranges);
        of.iter()
            .map(move |r| (guest + r.start as u64, guest + r.end as u64))
    }

    /// A unit, to be put into another image.
    pub fn piece(&self, n: usize) -> Option<Piece<'a>> {
        let u = self.units.get(n)?;
        let code = self.code.get(u.code as usize..)?.get(..u.len as usize)?;
        let noted = u.flags & NOTED != 0;
        let all = rows(self.slots, u.slots, u.n_slots + u.n_cells);
        let (slots, cells) = all.split_at_checked(u.n_slots as usize)?;
        let faults = rows(self.faults, u.faults, u.n_faults).iter();
        Some(Piece {
            tier: u.tier(),
            code,
            slots: slots.iter().map(|s| s.guest_pc).collect(),
            noted,
            cells: cells.iter().map(|s| s.guest_pc).collect(),
            entries: self.entries(u).map(|(pc, at)| (pc, at - u.code)).collect(),
            ranges: self.ranges(u).collect(),
            faults: faults
                .map(|f| FaultSite {
                    access_offset: f.access - u.code,
                    landing_offset: f.landing - u.code,
                    guest_pc: self.header.guest + f.pc as u64,
                })
                .collect(),
            relocs: rows(self.relocs, u.relocs, u.n_relocs),
            insns: u.insns,
            loops: u.loops(),
            rebuilds: u.rebuilds as u32,
            runs: 0,
        })
    }
}

fn rows<T>(table: &[T], first: u32, n: u16) -> &[T] {
    let from = first as usize;
    table.get(from..from + n as usize).unwrap_or(&[])
}

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
        let inside = |pc: u64| pc >= self.place.guest.start && pc <= self.place.guest.end;
        let own = p.ranges.iter().all(|r| inside(r.0) && inside(r.1))
            && p.entries.iter().all(|e| inside(e.0))
            && p.faults.iter().all(|f| inside(f.guest_pc));
        if !own {
            return None;
        }
        let guest = self.place.guest.start;
        let offset = |pc: u64| (pc - guest) as u32;
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
            flags: if p.loops { LOOPS } else { 0 } | if p.noted { NOTED } else { 0 },
            rebuilds: p.rebuilds.min(255) as u8,
            spare: 0,
        });
        self.code.resize(code, 0xcc);
        self.code.extend_from_slice(p.code);
        self.add_slots(p);
        for &(full, at) in &p.entries {
            let (pc, code) = (offset(full), base + at);
            self.entries.push(Entry { pc, code, unit: n });
            let e = self.at.entry(full).or_insert((p.tier, code, n));
            if (p.tier as u8) > e.0 as u8 {
                *e = (p.tier, code, n);
            }
        }
        for &(start, end) in &p.ranges {
            let (start, end) = (offset(start), offset(end));
            self.end = self.end.max(end);
            self.ranges.push(Span { start, end });
        }
        self.faults.extend(p.faults.iter().map(|f| Fault {
            access: base + f.access_offset,
            landing: base + f.landing_offset,
            pc: offset(f.guest_pc),
        }));
        self.relocs.extend_from_slice(p.relocs);
        self.runs.push(p.runs);
        self.insns += p.insns as u64;
        self.worth += worth(p.tier, p.insns);
        Some(())
    }

    fn add_slots(&mut self, p: &Piece<'_>) {
        let plain = p.slots.len() - if p.noted { NOTES.len() } else { 0 };
        let unlinked = self.place.window.start;
        for (i, &pc) in p.slots.iter().enumerate() {
            if i < plain {
                self.linked.push(self.slots.len() as u32);
            }
            self.slots.push(Slot {
                code: unlinked,
                guest_pc: if i < plain { pc } else { NOTES[i - plain] },
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
mod tests {
    use super::*;
    use smallvec::smallvec;

    const GUEST: u64 = 0x3000_0000_0000;
    const WINDOW: u64 = 0x5000_0000_0000;
    const KEY: [u64; 2] = [1, 2];

    fn place(room: u64) -> Place {
        Place {
            key: KEY,
            guest: GUEST..GUEST + 0x1000,
            window: WINDOW..WINDOW + room,
            counters: WINDOW + 0x10_0000,
            most: 10,
        }
    }

    /// Of the block at `pc`, which goes to `to`.
    fn piece<'a>(code: &'a [u8], relocs: &'a [Field], pc: u64, to: u64) -> Piece<'a> {
        Piece {
            tier: Tier::Baseline,
            code,
            slots: smallvec![to, NOTES[0] + 70, NOTES[1] + 70],
            noted: true,
            cells: smallvec![pc],
            entries: smallvec![(pc, 4)],
            ranges: smallvec![(pc, pc + 8)],
            faults: smallvec![FaultSite {
                access_offset: 6,
                landing_offset: 9,
                guest_pc: pc + 4
            }],
            relocs,
            insns: 2,
            loops: false,
            rebuilds: 0,
            runs: 7,
        }
    }

    fn file(d: &mut Draft) -> Vec<u8> {
        d.finish().expect("not too large").concat()
    }

    fn word(b: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(b[at..at + 8].try_into().expect("eight bytes"))
    }

    #[test]
    fn what_is_put_into_an_image_is_found_in_it() {
        let code = [0x90; 20];
        let relocs = [
            Field { at: 0, addend: 12 },
            Field {
                at: 12 | COUNTER,
                addend: -5,
            },
        ];
        let mut d = Draft::new(place(0x10_0000), 2, &[0xcc; 8]);
        let (a, b) = (GUEST + 0x100, GUEST + 0x200);
        d.add(&piece(&code, &relocs, a, b)).expect("room");
        d.add(&piece(&code, &relocs, b, GUEST + 0x300))
            .expect("room");
        let better = Piece {
            tier: Tier::Trace,
            loops: true,
            ..piece(&code, &relocs, b, a)
        };
        d.add(&better).expect("room");
        let bytes = file(&mut d);
        let v = View::of(&bytes, KEY).expect("an image");
        assert_eq!(
            (v.units.len(), v.header.insns, v.header.guest_len),
            (3, 6, 0x208)
        );
        assert_eq!(v.header.thunk, 8);
        let e = v.find(a).expect("an entry");
        assert_eq!((e.unit, e.code), (0, v.units[0].code + 4));
        let e = v.find(b).expect("the trace");
        assert_eq!((e.unit, e.code), (2, v.units[2].code + 4));
        assert!(v.find(a + 4).is_none() && v.find(0).is_none() && v.find(u64::MAX).is_none());
        // The first unit's exit is linked to the best code, the second's to nothing.
        let (code_at, slots_at) = v.mapped();
        let slot = |n: usize| word(&bytes, slots_at.start + n * 16);
        assert_eq!(slot(0), WINDOW + e.code as u64);
        assert_eq!(slot(4), WINDOW);
        assert_eq!(slot(3), 0, "a cell");
        assert_eq!(v.leading_to(b), [0]);
        assert_eq!(v.leading_to(a), [8]);
        let notes: Vec<u64> = (1..3)
            .map(|n| word(&bytes, slots_at.start + n * 16 + 8))
            .collect();
        assert_eq!(notes, NOTES);
        // Fields: slots lie behind the code, the second unit's counter behind the first's.
        let u = v.units[1].code as usize;
        let field =
            |at: usize| i32::from_le_bytes(v.code[u + at..][..4].try_into().expect("four")) as i64;
        let own_slots = (code_at.len() + 4 * 16) as i64;
        assert_eq!(field(0), own_slots + 12 - u as i64);
        assert_eq!(field(12), 0x10_0000 + 2 - 5 - (u as i64 + 12));
        assert_eq!(v.fault(u as u32 + 6), Some((u as u32 + 9, b + 4)));
        assert_eq!(v.fault(u as u32 + 5), None);
        let first = v.shared().start;
        assert_eq!(word(&bytes, first), 7 << 32 | 7);

        // From one image to the next.
        let p = v.piece(2).expect("a unit");
        assert!(p.loops && p.noted && p.tier == Tier::Trace);
        let mut d = Draft::new(place(0x10_0000), 1, &[]);
        d.add(&p).expect("room");
        let again = file(&mut d);
        let v = View::of(&again, KEY).expect("an image");
        assert_eq!(v.find(b).map(|e| e.unit), Some(0));
        assert_eq!(v.ranges(&v.units[0]).collect::<Vec<_>>(), [(b, b + 8)]);
        assert_eq!(v.entries(&v.units[0]).count(), 1);
        assert_eq!(v.header.thunk, 0);
    }

    #[test]
    fn what_does_not_fit_or_belong_is_left_out() {
        let code = [0x90; 5000];
        let mut d = Draft::new(place(0x8000), 1, &[]);
        let elsewhere = piece(&code, &[], GUEST - 4, GUEST);
        assert_eq!(d.add(&elsewhere), None);
        let fits =
            (0..10).take_while(|n| d.add(&piece(&code, &[], GUEST + n * 8, GUEST)).is_some());
        assert_eq!(fits.count(), 4);
        let bytes = file(&mut d);
        assert!(View::of(&bytes, KEY).is_some_and(|v| v.units.len() == 4));
        assert!(View::of(&bytes, [1, 3]).is_none());
        assert!(
            (0..bytes.len())
                .step_by(97)
                .all(|n| View::of(&bytes[..n], KEY).is_none())
        );
        // Tables that point out of the file.
        for at in (96..size_of::<Header>()).step_by(4) {
            let mut bad = bytes.clone();
            bad[at + 3] = 0x7f;
            assert!(View::of(&bad, KEY).is_none(), "{at}");
        }
    }
}
