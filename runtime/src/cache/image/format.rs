//! The file of an image: what is in it, checked when it is opened, and how one is made.
//!
//! A page of [`Header`]; host code, to be mapped executable at the start of the text's window; chain slots, to be mapped privately behind
//! it, linked already; then tables. Code, slots and counters have their final addresses, so opening an image changes nothing in it. Code
//! begins with a stub for slots that are not linked. Nothing is swapped or padded for other hosts: the key contains the build.
//!
//! Must not know blocks and units of the running process.

use crate::cache::unit::Tier;
use metaphrase_backend::emit::{FaultSite, Reloc, RelocTarget};
use smallvec::SmallVec;
use std::ops::Range;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What sections that are mapped are aligned to.
pub const PAGE: usize = 4096;
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"mtphras1");
/// What unlinked slots jump to: mov rax, rdi; ret. (As [`metaphrase_backend::stubs::Stubs::unlinked`].)
pub(super) const UNLINKED: [u8; 4] = [0x48, 0x89, 0xf8, 0xc3];
/// Bytes kept at the start of the code for stubs.
pub(super) const STUBS: usize = 1024;

/// Where a table lies: bytes from the start of the file, number of rows.
#[derive(Clone, Copy, Default, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Section {
    pub(super) at: u32,
    pub(super) rows: u32,
}

/// First bytes of the file.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    pub(super) magic: u64,
    /// What the image is of and for: text, build, host, settings.
    pub key: [u64; 2],
    /// Bytes of the file.
    pub(super) len: u64,
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
    /// Bytes of the text.
    pub(super) text_len: u32,
    pub(super) spare: u32,
    /// Guest instructions in all units.
    pub insns: u64,
    /// What it took to make all units, see [`worth`].
    pub worth: u64,
    pub(super) code: Section,
    pub(super) slots: Section,
    pub(super) units: Section,
    pub(super) entries: Section,
    pub(super) index: Section,
    pub(super) ranges: Section,
    pub(super) faults: Section,
    pub(super) relocs: Section,
    pub(super) order: Section,
    pub(super) runs: Section,
    pub(super) foreign: Section,
    pub(super) guards: Section,
}

/// A unit. Rows are in the order of their code.
#[derive(Clone, Copy, Default, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Unit {
    /// Offset of its code from the window's start.
    pub code: u32,
    /// Bytes of its code.
    pub len: u32,
    pub(super) slots: u32,
    pub(super) entries: u32,
    pub(super) ranges: u32,
    pub(super) faults: u32,
    pub(super) relocs: u32,
    /// Guest instructions.
    pub insns: u32,
    pub(super) n_slots: u16,
    pub(super) n_cells: u16,
    pub(super) n_entries: u16,
    pub(super) n_ranges: u16,
    pub(super) n_faults: u16,
    pub(super) n_relocs: u16,
    pub(super) tier: u8,
    pub(super) flags: u8,
    /// As [`crate::cache::unit::Unit1::rebuilds`].
    pub rebuilds: u8,
    /// How many of its slots, the last, are guards.
    pub(super) guards: u8,
}

pub(super) const LOOPS: u8 = 1;
pub(super) const NOTED: u8 = 2;
pub(super) const OVERLOOKS: u8 = 4;

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

    /// As [`crate::cache::unit::Unit1::overlooks`].
    pub fn overlooks(&self) -> bool {
        self.flags & OVERLOOKS != 0
    }

    /// Its slots among all, cells not included.
    pub fn slots(&self) -> Range<usize> {
        self.slots as usize..self.slots as usize + self.n_slots as usize
    }

    /// Its guards among all slots.
    pub fn guards(&self) -> Range<usize> {
        let end = self.slots().end;
        end - self.guards as usize..end
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

pub(super) const FREE: Entry = Entry {
    pc: u32::MAX,
    code: 0,
    unit: 0,
};

/// A chain slot as the process finds it: [`metaphrase_backend::abi::ChainSlot`].
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Slot {
    pub(super) code: u64,
    pub(super) guest_pc: u64,
}

/// Another text, into which traces of this image reach. Addresses in it are written as offsets from this text's start that begin at `base`,
/// behind the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Foreign {
    /// The text's key: contents, place, build and all.
    pub key: [u64; 2],
    /// Its first guest address.
    pub guest: u64,
    /// Its bytes.
    pub len: u32,
    /// How many of these, from its start, must be as they were mapped for its guards to let anybody pass.
    pub need: u32,
    pub(super) base: u32,
    pub(super) spare: u32,
}

impl Foreign {
    /// A text that nothing reaches into yet. `None`: it is too large.
    pub fn new(key: [u64; 2], guest: &Range<u64>) -> Option<Foreign> {
        let len = u32::try_from(guest.end - guest.start).ok()?;
        Some(Foreign {
            key,
            guest: guest.start,
            len,
            need: 0,
            base: 0,
            spare: 0,
        })
    }

    /// Whether it has the guest address.
    pub(super) fn has(&self, pc: u64) -> bool {
        pc >= self.guest && pc - self.guest < self.len as u64
    }

    /// What must be as it was mapped.
    pub fn needed(&self) -> Range<u64> {
        self.guest..self.guest.wrapping_add(self.need as u64)
    }
}

/// A slot that guards the way into another text ([`metaphrase_backend::emit::CompiledUnit::guards`]). In the file it holds the complement of the
/// address, which nobody branches to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Guard {
    /// Number of the slot.
    pub slot: u32,
    /// Row of the text.
    pub foreign: u32,
}

/// Guest addresses, from the start of the text.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// As [`FaultSite`]; the offsets from the window's start.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Fault {
    pub(super) access: u32,
    pub(super) landing: u32,
    pub(super) pc: u32,
}

/// A [`Reloc`] in eight bytes: the offset, its top bit set for the counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Field {
    pub(super) at: u32,
    pub(super) addend: i32,
}

pub(super) const COUNTER: u32 = 1 << 31;

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
    /// How many of these, the last, are guards.
    pub guards: u8,
    /// Other texts into which it reaches.
    pub foreign: SmallVec<[Foreign; 1]>,
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
    pub overlooks: bool,
    /// As in [`crate::cache::unit::Unit1`].
    pub rebuilds: u32,
    /// How often it has run, in all processes.
    pub runs: u32,
}

/// What it takes to make a unit, in instructions of baseline code (about a microsecond; Cranelift takes 25 to 100 for one).
pub fn worth(tier: Tier, insns: u32) -> u64 {
    let each = if tier == Tier::Optimized { 50 } else { 1 };
    insns as u64 * each
}

/// Spreads a guest address over the index.
pub(super) fn hash(pc: u32) -> usize {
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
    /// Other texts.
    pub foreign: &'a [Foreign],
    /// All guards.
    pub guards: &'a [Guard],
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
            foreign: rows(file, header.foreign)?,
            guards: rows(file, header.guards)?,
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
        Some((f.landing, self.address(f.pc)))
    }

    /// The guest address that is so far from the text's start, or in another text.
    fn address(&self, offset: u32) -> u64 {
        if offset <= self.header.text_len {
            return self.header.guest + offset as u64;
        }
        let n = self.foreign.partition_point(|f| f.base <= offset);
        let f = n.checked_sub(1).and_then(|n| self.foreign.get(n));
        f.map_or(0, |f| f.guest.wrapping_add((offset - f.base) as u64))
    }

    /// The guest address that a guard expects.
    pub fn expected(&self, slot: u32) -> Option<u64> {
        self.slots.get(slot as usize).map(|s| !s.guest_pc)
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
        let v = *self;
        let of = rows(self.ranges, u.ranges, u.n_ranges);
        of.iter().map(move |r| {
            let start = v.address(r.start);
            let len = r.end.wrapping_sub(r.start);
            (start, start.wrapping_add(len as u64))
        })
    }

    /// Other texts into which a unit reaches.
    fn reaches(&self, u: &Unit) -> SmallVec<[Foreign; 1]> {
        let text = self.header.guest..self.header.guest + self.header.text_len as u64;
        let of = |pc| self.foreign.iter().find(|f: &&Foreign| f.has(pc));
        let mut all = SmallVec::new();
        for (start, _) in self.ranges(u).filter(|r| !text.contains(&r.0)) {
            all.extend(of(start).filter(|f| !all.contains(*f)).copied());
        }
        all
    }

    /// A unit, to be put into another image.
    pub fn piece(&self, n: usize) -> Option<Piece<'a>> {
        let u = self.units.get(n)?;
        let code = self.code.get(u.code as usize..)?.get(..u.len as usize)?;
        let noted = u.flags & NOTED != 0;
        let all = rows(self.slots, u.slots, u.n_slots + u.n_cells);
        let (slots, cells) = all.split_at_checked(u.n_slots as usize)?;
        let (exits, guards) = slots.split_at_checked(slots.len().checked_sub(u.guards.into())?)?;
        let expected = guards.iter().map(|s| !s.guest_pc);
        let faults = rows(self.faults, u.faults, u.n_faults).iter();
        Some(Piece {
            tier: u.tier(),
            code,
            slots: exits.iter().map(|s| s.guest_pc).chain(expected).collect(),
            guards: u.guards,
            foreign: self.reaches(u),
            noted,
            cells: cells.iter().map(|s| s.guest_pc).collect(),
            entries: self.entries(u).map(|(pc, at)| (pc, at - u.code)).collect(),
            ranges: self.ranges(u).collect(),
            faults: faults
                .map(|f| FaultSite {
                    access_offset: f.access - u.code,
                    landing_offset: f.landing - u.code,
                    guest_pc: self.address(f.pc),
                })
                .collect(),
            relocs: rows(self.relocs, u.relocs, u.n_relocs),
            insns: u.insns,
            loops: u.loops(),
            overlooks: u.overlooks(),
            rebuilds: u.rebuilds as u32,
            runs: 0,
        })
    }
}

pub(super) fn rows<T>(table: &[T], first: u32, n: u16) -> &[T] {
    let from = first as usize;
    table.get(from..from + n as usize).unwrap_or(&[])
}
