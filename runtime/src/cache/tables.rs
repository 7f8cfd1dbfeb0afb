//! Key to translation, guest page to translations, and safe retirement.
//!
//! Blocks and units are found through maps behind one lock; running CPUs hold raw pointers in their own caches and in links. What is
//! removed is therefore *retired*: unreachable from the maps at once, marked dead, links undone, and freed only when every CPU has
//! since passed the dispatcher with its caches flushed (epochs).

use super::block::{self, Block0};
use super::unit::{Tier, Unit1};
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};
use metaphrase_backend::abi::ChainSlot;
use metaphrase_backend::arena::{self, Pages};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Translation key: guest address and mode bits.
pub type Key = (u64, u64);

/// Maps over all translations of one address space.
#[derive(Debug, Default)]
pub struct Tables {
    blocks: HashTable<arena::Box<Block0>, Pages>,
    /// Guest page number to the first of its blocks, which name each other; a block lies in one page.
    pages: HashMap<u64, AtomicPtr<Block0>>,
    retired: Vec<(u64, arena::Box<Block0>)>,
    units: HashTable<arena::Box<Unit1>, Pages>,
    /// Unit whose region has a block that begins at the key.
    inside: HashMap<Key, u64>,
    /// Guest page number to numbers of units that touch it.
    unit_pages: HashMap<u64, Vec<u64>>,
    retired_units: Vec<(u64, arena::Box<Unit1>)>,
    /// Guest addresses whose jump-cache entries may name retired code.
    unreachable: Vec<u64>,
}

/// Where native code for a key begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Native {
    /// Host address.
    pub code: u64,
    /// Unit number.
    pub unit: u64,
    /// Its compiler.
    pub tier: Tier,
}

/// What [`Tables::retire`] removed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Retired {
    /// Tier-0 blocks.
    pub blocks: usize,
    /// Their guest addresses.
    pub pcs: Vec<u64>,
    /// Links from or to them.
    pub block_links: u64,
    /// Their executions, and the guest instructions that makes.
    pub executions: (u64, u64),
    /// Tier-1 units.
    pub units: Vec<Dropped>,
}

/// A unit that was retired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dropped {
    /// Its number.
    pub id: u64,
    /// Its compiler.
    pub tier: Tier,
    /// Bytes of code.
    pub bytes: u64,
    /// Links from or to it.
    pub links: u64,
}

const PAGE: u32 = 12;

impl Tables {
    /// The block of a key.
    pub fn block(&self, key: Key) -> Option<&Block0> {
        let it = self.blocks.find(hash(key), |b| b.is(key));
        it.map(|b| &**b)
    }

    /// Adds a block unless another thread was faster; returns the one that is in the table.
    pub fn insert(&mut self, b: arena::Box<Block0>) -> &Block0 {
        let key = (b.pc, b.mode);
        let again = |b: &arena::Box<Block0>| hash((b.pc, b.mode));
        match self.blocks.entry(hash(key), |b| b.is(key), again) {
            Entry::Occupied(e) => e.into_mut(),
            Entry::Vacant(e) => {
                let first = self.pages.entry(b.pc >> PAGE).or_default();
                b.link_on_page(first.get_mut());
                e.insert(b).into_mut()
            }
        }
    }

    /// Number of live blocks.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether any translation lies in the pages of `[start, end)`.
    pub fn touches(&self, start: u64, end: u64) -> bool {
        let n = (end.saturating_sub(1) >> PAGE).saturating_sub(start >> PAGE);
        if n as usize > self.pages.len() {
            self.pages
                .keys()
                .any(|&p| p >= start >> PAGE && p <= end.saturating_sub(1) >> PAGE)
        } else {
            pages(start, end).any(|p| self.pages.contains_key(&p))
        }
    }

    /// Retires, under epoch `epoch`, every translation that overlaps `[start, end)`. `unlinked`: where slots of dropped links go.
    pub fn retire(&mut self, start: u64, end: u64, epoch: u64, unlinked: u64) -> Retired {
        let mut r = self.retire_blocks(start, end, epoch);
        r.units = self.retire_units(start, end, epoch, unlinked);
        r
    }

    fn retire_units(&mut self, start: u64, end: u64, epoch: u64, unlinked: u64) -> Vec<Dropped> {
        let mut ids: Vec<u64> = hits(&self.unit_pages, start, end)
            .iter()
            .flat_map(|p| self.unit_pages[p].iter().copied())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        // Of an image, units go with the text that it is of: ways into others are guarded.
        let own = |u: &Unit1| {
            u.image.is_none_or(|(i, _)| {
                let text = i.guest();
                text.start < end && start < text.end
            })
        };
        ids.retain(|id| {
            self.unit(*id)
                .is_some_and(|u| own(u) && u.ranges.iter().any(|r| r.0 < end && r.1 > start))
        });
        ids.into_iter()
            .filter_map(|id| self.retire_unit(id, epoch, unlinked))
            .collect()
    }

    /// Retires one unit.
    pub fn retire_unit(&mut self, id: u64, epoch: u64, unlinked: u64) -> Option<Dropped> {
        let found = self.units.find_entry(mix(id), |u| u.id == id).ok()?;
        let u = found.remove().0;
        u.dead.store(true, Ordering::SeqCst);
        for &(pc, code) in &u.entries {
            self.unreachable.push(pc);
            if let Some(b) = self.block((pc, u.mode)) {
                b.forget(code);
            }
        }
        for &(start, end) in &u.ranges {
            if u.tier == Tier::Trace
                && let Some(b) = self.block((start, u.mode))
            {
                b.leave_trace();
            }
            if self.inside.get(&(start, u.mode)) == Some(&id) {
                self.inside.remove(&(start, u.mode));
            }
            for p in pages(start, end) {
                remove(&mut self.unit_pages, p, &id);
            }
        }
        let mut links = u.unlink_incoming(unlinked);
        if let Some(c) = u.counter() {
            // Whoever runs it comes back to the dispatcher, even from a loop.
            c.begin_all(0);
        }
        // Its own slots leave the lists of the units they point to.
        for s in u.slots() {
            if s.code.swap(unlinked, Ordering::AcqRel) == unlinked {
                continue;
            }
            links += 1;
            if let Some((to, _)) = self.block((s.guest_pc, u.mode)).and_then(|b| b.unit()) {
                to.forget_slot(s);
            }
        }
        let dropped = Dropped {
            id,
            tier: u.tier,
            bytes: u.len as u64,
            links,
        };
        self.retired_units.push((epoch, u));
        Some(dropped)
    }

    /// Takes the guest addresses whose jump-cache entries have to go.
    pub fn take_unreachable(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.unreachable)
    }

    /// Adds a unit; its entries replace those of a lower tier. Blocks at its entries learn of it. `count`: as in [`Block0::publish`].
    pub fn insert_unit(&mut self, u: arena::Box<Unit1>, count: i32, unlinked: u64) {
        for &(pc, code) in &u.entries {
            if let Some(b) = self.block((pc, u.mode)) {
                if let Some((old, _)) = b.unit() {
                    // Exits linked to the old code link to the new code when they are next taken.
                    old.unlink_incoming(unlinked);
                }
                b.publish(&u, code, count);
            }
        }
        for &(start, end) in &u.ranges {
            if u.tier == Tier::Optimized {
                self.inside.entry((start, u.mode)).or_insert(u.id);
            }
            for p in pages(start, end) {
                let on_page = self.unit_pages.entry(p).or_default();
                if on_page.last() != Some(&u.id) {
                    on_page.push(u.id);
                }
            }
        }
        self.units.insert_unique(mix(u.id), u, |u| mix(u.id));
    }

    /// Best entry for a key.
    pub fn entry(&self, key: Key) -> Option<Native> {
        let (unit, code) = self.block(key)?.unit()?;
        Some(Native {
            code,
            unit: unit.id,
            tier: unit.tier,
        })
    }

    /// Tier-1 entry for a key.
    pub fn optimized(&self, key: Key) -> Option<Native> {
        self.entry(key).filter(|e| e.tier == Tier::Optimized)
    }

    /// Unit by number.
    pub fn unit(&self, id: u64) -> Option<&Unit1> {
        let it = self.units.find(mix(id), |u| u.id == id);
        it.map(|u| &**u)
    }

    /// The unit that has a block beginning at the key.
    pub fn unit_with(&self, key: Key) -> Option<&Unit1> {
        self.inside.get(&key).and_then(|&id| self.unit(id))
    }

    /// Numbers of the regions that contain the instruction at the key's guest address.
    pub fn regions_with(&self, (pc, mode): Key) -> Vec<u64> {
        let on_page = self.unit_pages.get(&(pc >> PAGE));
        let units = on_page.into_iter().flatten();
        let contains = |u: &Unit1| u.tier == Tier::Optimized && u.mode == mode && u.covers(pc);
        units
            .copied()
            .filter(|id| self.unit(*id).is_some_and(contains))
            .collect()
    }

    /// Links a chain slot to the native code of its target, if there is any.
    pub fn link_slot(&self, slot: &ChainSlot, to: &Block0) -> bool {
        if to.dead.load(Ordering::Acquire) || to.pc != slot.guest_pc {
            return false;
        }
        let Some((unit, code)) = to.unit() else {
            return false;
        };
        unit.link(slot, code);
        true
    }

    /// Numbers of the units placed in an arena segment.
    pub fn units_in_segment(&self, segment: usize) -> Vec<u64> {
        self.units
            .iter()
            .filter(|u| u.segment == Some(segment))
            .map(|u| u.id)
            .collect()
    }

    /// Live units.
    pub fn units(&self) -> impl Iterator<Item = &Unit1> {
        self.units.iter().map(|u| &**u)
    }

    /// Live units of the optimizing compiler.
    pub fn regions(&self) -> impl Iterator<Item = &Unit1> {
        self.units().filter(|u| u.tier == Tier::Optimized)
    }

    /// Live tier-0 blocks.
    pub fn blocks(&self) -> impl Iterator<Item = &Block0> {
        self.blocks.iter().map(|b| &**b)
    }

    fn retire_blocks(&mut self, start: u64, end: u64, epoch: u64) -> Retired {
        let mut r = Retired::default();
        for page in hits(&self.pages, start, end) {
            let Some(first) = self.pages.get_mut(&page) else {
                continue;
            };
            let keys = block::take_overlapping(first.get_mut(), start, end);
            if first.get_mut().is_null() {
                self.pages.remove(&page);
            }
            for key in keys {
                let found = self.blocks.find_entry(hash(key), |b| b.is(key));
                let Ok(b) = found.map(|e| e.remove().0) else {
                    continue;
                };
                b.dead.store(true, Ordering::SeqCst);
                b.call_attention();
                r.block_links += b.unlink();
                let n = b.total_executions();
                r.executions.0 += n;
                r.executions.1 += n * b.words.len() as u64;
                r.blocks += 1;
                r.pcs.push(b.pc);
                self.retired.push((epoch, b));
            }
        }
        r
    }

    /// Frees what was retired in epochs before `oldest_active`, the oldest epoch any CPU is in. Returns units whose memory may be reused.
    pub fn collect(&mut self, oldest_active: u64) -> Vec<arena::Box<Unit1>> {
        self.retired.retain(|(e, _)| *e >= oldest_active);
        self.collect_units(oldest_active)
    }

    /// The units among them, without freeing blocks.
    pub fn collect_units(&mut self, oldest_active: u64) -> Vec<arena::Box<Unit1>> {
        let (free, keep) = std::mem::take(&mut self.retired_units)
            .into_iter()
            .partition::<Vec<_>, _>(|(e, _)| *e < oldest_active);
        self.retired_units = keep;
        free.into_iter().map(|(_, u)| u).collect()
    }

    /// Whether a retired unit of this segment is not free yet.
    pub fn segment_busy(&self, segment: usize) -> bool {
        self.retired_units
            .iter()
            .any(|(_, u)| u.segment == Some(segment))
    }

    /// Retired blocks not freed yet.
    pub fn retired(&self) -> usize {
        self.retired.len()
    }
}

/// Spreads a number over all bits.
fn mix(n: u64) -> u64 {
    let wide = n as u128 * 0x9e37_79b9_7f4a_7c15;
    (wide as u64) ^ (wide >> 64) as u64
}

fn hash((pc, mode): Key) -> u64 {
    mix(pc ^ mode.rotate_left(48))
}

/// Takes one item out of a page's list.
fn remove<T: PartialEq>(map: &mut HashMap<u64, Vec<T>>, page: u64, item: &T) {
    if let Some(list) = map.get_mut(&page) {
        if let Some(i) = list.iter().position(|x| x == item) {
            list.swap_remove(i);
        }
        if list.is_empty() {
            map.remove(&page);
        }
    }
}

/// Pages of the map that `[start, end)` touches, by whichever walk is shorter.
fn hits<T>(map: &HashMap<u64, T>, start: u64, end: u64) -> Vec<u64> {
    let (a, z) = (start >> PAGE, end.saturating_sub(1).max(start) >> PAGE);
    if (z - a) as usize > map.len() {
        map.keys().copied().filter(|&p| p >= a && p <= z).collect()
    } else {
        (a..=z).filter(|p| map.contains_key(p)).collect()
    }
}

fn pages(start: u64, end: u64) -> impl Iterator<Item = u64> {
    start >> PAGE..=end.saturating_sub(1).max(start) >> PAGE
}
