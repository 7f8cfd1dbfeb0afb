//! A unit of host code: of a block (baseline) or a region (optimized), with its entries, chain slots and fault sites.

use super::counter::Counter;
use super::image::format::Field;
use super::image::mapped::Image;
use crate::sync::Mutex;
use metaphrase_backend::abi::ChainSlot;
use metaphrase_backend::arena;
use metaphrase_backend::baseline::NOTES;
use metaphrase_backend::emit::FaultSite;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicBool, Ordering};

/// Which compiler made a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Templates, one block.
    Baseline,
    /// Templates, a trace of blocks.
    Trace,
    /// Cranelift, a region.
    #[default]
    Optimized,
}

/// Addresses of slots.
type Incoming = Mutex<SmallVec<[usize; 2]>>;

/// What is needed to put a unit into an image, beside what is known of it.
#[derive(Debug)]
pub struct Keep {
    /// Fields of its code that refer to slots and counter.
    pub relocs: arena::Box<[Field]>,
    /// Cells behind its slots.
    pub cells: u32,
    /// Whether the last two slots are notes.
    pub noted: bool,
    /// How many of the last slots are guards.
    pub guards: u8,
}

/// Compiled code of one block or region. Immutable but for its links.
#[derive(Debug)]
pub struct Unit1 {
    /// Number, in order of compilation.
    pub id: u64,
    /// Its compiler.
    pub tier: Tier,
    /// Mode bits of the key.
    pub mode: u64,
    /// Host address of the code.
    pub exec: u64,
    /// Bytes of code.
    pub len: usize,
    /// (guest pc, host address) of each entry.
    pub entries: SmallVec<[(u64, u64); 1]>,
    /// Guest ranges translated: (start, end), one for each block.
    pub ranges: SmallVec<[(u64, u64); 1]>,
    /// Guest instructions translated.
    pub guest_insns: u32,
    /// Chain slots: address and number.
    pub slots: (usize, usize),
    /// Address of the counter in shard 0; only baseline code has one.
    pub counter: u64,
    /// Fault sites, ascending by access offset.
    pub faults: arena::Box<[FaultSite]>,
    /// Segment of code memory; none if the code lies in an image.
    pub segment: Option<usize>,
    /// If it may be kept in an image.
    pub kept: Option<Keep>,
    /// The image where it lies, and its number there.
    pub image: Option<(&'static Image, u32)>,
    /// A trace whose last block leads back to its first.
    pub loops: bool,
    /// How often this region has been rebuilt with more entries.
    pub rebuilds: u32,
    /// Whether an underflow may go unseen in it ([`crate::compile::underflow`]).
    pub overlooks: bool,
    /// Retired.
    pub dead: AtomicBool,
    /// Slots linked to entries of this unit, but those of its image that have been so from the start.
    pub incoming: Incoming,
}

impl Unit1 {
    /// What its code counts executions with.
    pub fn counter(&self) -> Option<Counter> {
        // SAFETY: 0, or placed by `CodeMemory` for this unit; alive as long as it is.
        unsafe { Counter::at(self.counter) }
    }

    /// Of a single block whose code notes where its indirect branch goes: where it went last, and how often that was not where it went before.
    pub fn targets(&self) -> Option<(u64, u64)> {
        let [.., to, changes] = self.slots() else {
            return None;
        };
        // SAFETY: code writes the words, so they are read as it does.
        let read = |s: &ChainSlot| unsafe { (&raw const s.guest_pc).read_volatile() };
        let (to, changes) = (read(to), read(changes));
        (to != NOTES[0]).then(|| (to, changes.wrapping_sub(NOTES[1])))
    }

    /// Its chain slots. One that counts for the statistics is never linked.
    pub fn slots(&self) -> &[ChainSlot] {
        // SAFETY: placed by `CodeMemory` for this unit, alive as long as it is.
        unsafe { std::slice::from_raw_parts(self.slots.0 as *const ChainSlot, self.slots.1) }
    }

    /// Those of its slots that guard ways into other texts, if it may be kept.
    pub fn guards(&self) -> &[ChainSlot] {
        let n = self.kept.as_ref().map_or(0, |k| k.guards as usize);
        let all = self.slots();
        &all[all.len().saturating_sub(n)..]
    }

    /// Fault site of the host instruction at `pc`.
    pub fn fault_site(&self, pc: u64) -> Option<&FaultSite> {
        let off = pc.wrapping_sub(self.exec) as u32;
        let i = self
            .faults
            .binary_search_by_key(&off, |f| f.access_offset)
            .ok()?;
        Some(&self.faults[i])
    }

    /// Whether the region contains the instruction at guest address `pc`.
    pub fn covers(&self, pc: u64) -> bool {
        self.ranges.iter().any(|r| pc >= r.0 && pc < r.1)
    }

    /// Links a slot to `code`, an entry of this unit. The caller holds the tables' lock.
    pub fn link(&self, slot: &ChainSlot, code: u64) {
        let mut incoming = self.incoming.lock();
        if slot.code.swap(code, Ordering::AcqRel) != code {
            incoming.push(std::ptr::from_ref(slot) as usize);
        }
    }

    /// A slot that was linked to this unit is gone.
    pub fn forget_slot(&self, slot: &ChainSlot) {
        let it = std::ptr::from_ref(slot) as usize;
        self.incoming.lock().retain(|i| *i != it);
    }

    /// Undoes all links into this unit: they go back to `unlinked`. The caller holds the tables' lock for writing.
    /// Returns how many there were.
    pub fn unlink_incoming(&self, unlinked: u64) -> u64 {
        let links = std::mem::take(&mut *self.incoming.lock());
        for &at in &links {
            // SAFETY: a slot in the list belongs to a unit that is alive (retiring it removes its slots from here), or to an image.
            let slot = unsafe { &*(at as *const ChainSlot) };
            slot.code.store(unlinked, Ordering::Release);
        }
        let own = self.image.map_or(0, |(image, _)| {
            let of = |&(pc, code): &(u64, u64)| image.unlink(pc, code, unlinked);
            self.entries.iter().map(of).sum()
        });
        links.len() as u64 + own
    }
}
