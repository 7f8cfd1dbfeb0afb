//! Key to translation, guest page to translations, and safe retirement.
//!
//! Blocks and units are found through maps behind one lock; running CPUs hold raw pointers in their own caches and in links. What is
//! removed is therefore *retired*: unreachable from the maps at once, marked dead, links undone, and freed only when every CPU has
//! since passed the dispatcher with its caches flushed (epochs).

use super::block::Block0;
use hashbrown::{HashMap, HashSet};
use std::sync::atomic::Ordering;

/// Translation key: guest address and mode bits.
pub type Key = (u64, u64);

/// Maps over all translations of one address space.
#[derive(Debug, Default)]
pub struct Tables {
    blocks: HashMap<Key, Box<Block0>>,
    /// Guest page number to the keys of blocks that touch it.
    pages: HashMap<u64, HashSet<Key>>,
    retired: Vec<(u64, Box<Block0>)>,
}

const PAGE: u32 = 12;

impl Tables {
    /// The block of a key.
    pub fn block(&self, key: Key) -> Option<&Block0> {
        self.blocks.get(&key).map(|b| &**b)
    }

    /// Adds a block unless another thread was faster; returns the one that is in the table.
    pub fn insert(&mut self, b: Box<Block0>) -> &Block0 {
        let key = (b.pc, b.mode);
        for p in pages(b.pc, b.pc + b.len().max(1)) {
            self.pages.entry(p).or_default().insert(key);
        }
        self.blocks.entry(key).or_insert(b)
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

    /// Retires, under epoch `epoch`, every block that overlaps `[start, end)`; returns how many.
    pub fn retire(&mut self, start: u64, end: u64, epoch: u64) -> usize {
        let hit: Vec<u64> = if ((end - start) >> PAGE) as usize > self.pages.len() {
            let (a, z) = (start >> PAGE, (end - 1) >> PAGE);
            self.pages
                .keys()
                .copied()
                .filter(|&p| p >= a && p <= z)
                .collect()
        } else {
            pages(start, end)
                .filter(|p| self.pages.contains_key(p))
                .collect()
        };
        let mut keys: Vec<Key> = hit
            .iter()
            .flat_map(|p| self.pages[p].iter().copied())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let mut n = 0;
        for key in keys {
            let Some(b) = self.blocks.get(&key) else {
                continue;
            };
            if b.pc >= end || b.pc + b.len().max(1) <= start {
                continue;
            }
            if let Some(b) = self.blocks.remove(&key) {
                for p in pages(b.pc, b.pc + b.len().max(1)) {
                    if let Some(set) = self.pages.get_mut(&p) {
                        set.remove(&key);
                        if set.is_empty() {
                            self.pages.remove(&p);
                        }
                    }
                }
                b.dead.store(true, Ordering::SeqCst);
                b.call_attention();
                b.unlink();
                self.retired.push((epoch, b));
                n += 1;
            }
        }
        n
    }

    /// Frees what was retired before every epoch in `active` (0 = CPU outside guest code).
    pub fn collect(&mut self, oldest_active: u64) {
        self.retired.retain(|(e, _)| *e >= oldest_active);
    }

    /// Retired blocks not freed yet.
    pub fn retired(&self) -> usize {
        self.retired.len()
    }
}

fn pages(start: u64, end: u64) -> impl Iterator<Item = u64> {
    start >> PAGE..=end.saturating_sub(1).max(start) >> PAGE
}
