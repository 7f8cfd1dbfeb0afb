//! Placing code, evicting older code for it, and what is between placing and publishing: a unit that has its place in code memory and
//! that nobody can find yet.
//!
//! Meanwhile another thread may fill the memory up and evict. It looks for units in the tables, where this one is not: so the segment is
//! *pinned* until the unit is in the tables or given up. Must not know what a unit is for.

use crate::cache::code_memory::{CodeMemory, Place};
use crate::cache::image::format::Field;
use crate::cache::unit::{Keep, Tier, Unit1};
use crate::compile::tier1::Tier1;
use crate::stats::{Counter, EndReason};
use crate::sync::Mutex;
use crate::vcpu::CpuShared;
use metaphrase_backend::arena;
use metaphrase_backend::baseline::NOTES;
use metaphrase_backend::emit::{CompiledUnit, Underflow};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicBool, Ordering};

/// A segment of code memory in which somebody has a place but no unit yet.
pub(super) struct Pinned<'a> {
    memory: &'a Mutex<Option<CodeMemory>>,
    segment: usize,
}

impl<'a> Pinned<'a> {
    /// For a place that has just been given out in this segment.
    pub(super) fn new(memory: &'a Mutex<Option<CodeMemory>>, segment: usize) -> Pinned<'a> {
        Pinned { memory, segment }
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        if let Some(m) = self.memory.lock().as_mut() {
            m.settle(self.segment);
        }
    }
}

/// A unit in its place and in no table.
pub(super) struct Installed<'a> {
    /// The unit.
    pub(super) unit: arena::Box<Unit1>,
    /// Goes when the unit is in the tables.
    #[expect(dead_code, reason = "held for its end")]
    pub(super) pinned: Pinned<'a>,
}

fn keep(c: &CompiledUnit) -> Option<Keep> {
    let relocs = c.relocs.iter().map(Field::of);
    let relocs = relocs.collect::<Option<SmallVec<[Field; 8]>>>()?;
    Some(Keep {
        relocs: arena::slice(&relocs),
        cells: c.cells.len() as u32,
        noted: c.slots.ends_with(&NOTES),
        guards: c.guards.try_into().ok()?,
    })
}

impl Tier1 {
    /// Places code and slots; the unit is not reachable yet.
    pub(super) fn install(
        &self,
        c: &CompiledUnit,
        tier: Tier,
        mode: u64,
        ranges: SmallVec<[(u64, u64); 1]>,
        guest_insns: u32,
        own: Option<&CpuShared>,
    ) -> Option<Installed<'_>> {
        let place = self.place(c.code.len(), c.slots.len() + c.cells.len(), own)?;
        let pinned = Pinned::new(&self.memory, place.segment);
        self.write(&place, c)?;
        // Most processes never use FPSR.
        let slow = tier == Tier::Optimized && c.underflow == Underflow::Found;
        let keeps = self.images.enabled() && !slow;
        let unit = arena::new(Unit1 {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            tier,
            mode,
            exec: place.exec,
            len: c.code.len(),
            entries: c
                .entries
                .iter()
                .map(|e| (e.0, place.exec + e.1 as u64))
                .collect(),
            ranges,
            guest_insns,
            slots: (place.slots as usize, c.slots.len()),
            counter: if tier == Tier::Optimized {
                0
            } else {
                place.counter
            },
            faults: arena::slice(&c.faults),
            segment: Some(place.segment),
            kept: keeps.then(|| keep(c)).flatten(),
            image: None,
            loops: false,
            rebuilds: 0,
            overlooks: c.underflow == Underflow::Overlooked,
            dead: AtomicBool::new(false),
            incoming: Mutex::default(),
        });
        Some(Installed { unit, pinned })
    }

    /// The fault handler finds the unit from now on.
    pub(super) fn name_lines(&self, unit: &Unit1) {
        if let Some(m) = self.memory.lock().as_ref() {
            m.set_lines(unit.exec, unit.len, std::ptr::from_ref(unit).cast_mut());
        }
    }

    /// Maps code memory if that has not been tried. Whether there is any.
    pub(super) fn ready(&self) -> bool {
        if self.trampoline.load(Ordering::Acquire) != 0 {
            return true;
        }
        let mut mem = self.memory.lock();
        if mem.is_none() {
            *mem = self.create_memory();
        }
        mem.is_some()
    }

    /// Copies and relocates the code, fills the slots.
    fn write(&self, place: &Place, c: &CompiledUnit) -> Option<()> {
        let unlinked = self.unlinked();
        // SAFETY: `place` is room of this size that nobody else uses, initialised by the copy; the code is not reachable yet.
        unsafe {
            std::ptr::copy_nonoverlapping(c.code.as_ptr(), place.write, c.code.len());
            let code = std::slice::from_raw_parts_mut(place.write, c.code.len());
            c.relocate(code, place.exec, place.slots as u64, place.counter)?;
            for (i, slot) in c.chain_slots(unlinked).enumerate() {
                place.slots.add(i).write(slot);
            }
        }
        Some(())
    }

    /// Room for a unit, evicting the oldest segment if need be.
    fn place(&self, len: usize, slots: usize, own: Option<&CpuShared>) -> Option<Place> {
        let mut tries = 0;
        loop {
            let segment = {
                let mut mem = self.memory.lock();
                let m = mem.as_mut()?;
                if let Some(p) = m.alloc(len, slots) {
                    return Some(p);
                }
                if len + crate::cache::code_memory::LINE > m.largest() {
                    return None;
                }
                m.next_segment()
            };
            if !self.evict(segment, own) {
                tries += 1;
                if tries > 200 || own.is_some() {
                    return None;
                }
                std::thread::sleep(std::time::Duration::from_micros(50));
            }
        }
    }

    /// Retires all units of a segment; once no CPU can be in them, starts filling it. True when that has happened.
    fn evict(&self, segment: usize, own: Option<&CpuShared>) -> bool {
        let mut t = self.tables.write();
        let ids = t.units_in_segment(segment);
        if !ids.is_empty() {
            let epoch = self.epoch.load(Ordering::SeqCst);
            let gone = ids
                .into_iter()
                .filter_map(|id| t.retire_unit(id, epoch, self.unlinked()));
            self.count_dropped(gone, EndReason::Evicted);
            self.stats.add(Counter::Evictions, 1);
            self.epoch.fetch_add(1, Ordering::SeqCst);
            self.purge_jump_caches(&mut t);
            self.stop_all();
        }
        // The caller is in the dispatcher, not in code, but it may hold a block: so this is said of units alone, and only to this call.
        let held = own.map(|cpu| {
            let now = self.epoch.load(Ordering::SeqCst);
            (cpu, cpu.active.swap(now, Ordering::SeqCst))
        });
        self.free_units(&t.collect_units(self.oldest_active()));
        if let Some((cpu, before)) = held {
            cpu.active.store(before, Ordering::SeqCst);
        }
        if t.segment_busy(segment) {
            return false;
        }
        let mut mem = self.memory.lock();
        if let Some(m) = mem.as_mut()
            && m.next_segment() == segment
        {
            return !m.pending(segment) && m.advance().is_ok();
        }
        true
    }
}
