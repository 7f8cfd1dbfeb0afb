//! From a region back to baseline code: where NaNs come only after a region was made, it leaves for the interpreter at each of them.
//!
//! The region is retired, and the block where it left is kept out of regions ([`leave_regions`](crate::cache::block::Block0::leave_regions)); the others become hot again.
//! The whole unit goes even if it lies in an image: all of its blocks are revived first, so that nobody finds it there any more.

use crate::cache::image::revive::MODE;
use crate::cache::tables::Key;
use crate::cache::unit::Tier;
use crate::compile::make::Maker;
use crate::compile::tier1::Tier1;
use crate::stats::{Counter, EndReason};
use std::sync::atomic::Ordering;

/// How far before an instruction the entry of its region is looked for, in images.
const NEAR: u64 = 4096;

impl Tier1 {
    /// Retires the regions that contain the instruction at `key`. Whether there were any.
    pub(crate) fn retreat(&self, maker: &mut Maker, key: Key) -> bool {
        let inside = self.tables.read().regions_with(key);
        if inside.is_empty()
            && let Some(entry) = self.image_region(key)
        {
            self.revive(maker, entry);
        }
        self.revive_entries(maker, key);
        let mut t = self.tables.write();
        let mut gone = Vec::new();
        let mut pcs = Vec::new();
        for id in t.regions_with(key) {
            let Some(u) = t.unit(id) else { continue };
            pcs.extend(u.entries.iter().map(|e| e.0));
            for r in u
                .ranges
                .iter()
                .filter(|r| key.1 == u.mode && r.0 <= key.0 && key.0 < r.1)
            {
                if let Some(b) = t.block((r.0, u.mode)) {
                    b.leave_regions();
                }
            }
            let epoch = self.epoch.load(Ordering::SeqCst);
            gone.extend(t.retire_unit(id, epoch, self.unlinked()));
        }
        if gone.is_empty() {
            return false;
        }
        tracing::debug!(target: "compile", "{} regions with {:#x} leave too often", gone.len(), key.0);
        self.stats.add(Counter::Retreats, gone.len() as u64);
        self.count_dropped(gone, EndReason::Retreated);
        // They may know the code by its place in an image.
        self.tell_cpus(&mut t, Some(&pcs));
        self.free(&mut t);
        true
    }

    /// An entry of the region in an image that contains the instruction.
    fn image_region(&self, (pc, mode): Key) -> Option<u64> {
        if mode != MODE {
            return None;
        }
        let holds = |at: &u64| {
            self.images.find(*at).is_some_and(|(image, e, _)| {
                image.view.units.get(e.unit as usize).is_some_and(|u| {
                    let mut ranges = image.view.ranges(u);
                    u.tier() == Tier::Optimized && ranges.any(|r| r.0 <= pc && pc < r.1)
                })
            })
        };
        (0..NEAR / 4).map(|n| pc.wrapping_sub(n * 4)).find(holds)
    }

    /// Puts all blocks of these regions that lie in images into the tables.
    fn revive_entries(&self, maker: &mut Maker, key: Key) {
        let blocks: Vec<u64> = {
            let t = self.tables.read();
            let units = t.regions_with(key);
            let units = units.iter().filter_map(|id| t.unit(*id));
            let kept = units.filter(|u| u.image.is_some());
            kept.flat_map(|u| {
                u.entries
                    .iter()
                    .map(|e| e.0)
                    .chain(u.ranges.iter().map(|r| r.0))
            })
            .collect()
        };
        for pc in blocks {
            self.revive(maker, pc);
        }
    }
}
