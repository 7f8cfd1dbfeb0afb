//! From an image into the tables: a block whose code lies in an image, with its unit, when something has to be known of it.

use super::format::View;
use super::mapped::Image;
use crate::cache::block::Block0;
use crate::cache::counter::LONGEST;
use crate::cache::tables::Tables;
use crate::cache::unit::{Tier, Unit1};
use crate::compile::WARM;
use crate::compile::make::Maker;
use crate::compile::tier1::Tier1;
use crate::mem::access;
use metaphrase_backend::abi::ChainSlot;
use metaphrase_backend::arena;
use metaphrase_backend::bytecode::Bytecode;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Translations in images are of this mode alone: IEEE defaults, round to nearest.
pub(crate) const MODE: u64 = 0;

/// Guest addresses of a trace's blocks, as far as its guards let anybody go.
fn reached(u: &Unit1) -> Vec<u64> {
    let all = |i: &Image, n: u32| i.view.units.get(n as usize).is_some_and(|u| i.armed(u));
    let own = match u.image {
        Some((i, n)) if !all(i, n) => i.guest(),
        _ => 0..u64::MAX,
    };
    let starts = u.ranges.iter().map(|r| r.0);
    starts.filter(|pc| own.contains(pc)).collect()
}

impl Tier1 {
    /// The block at `pc`, which lies in a text that has an image, made from guest memory and put into the tables with its unit. `None`: its
    /// code cannot be read.
    pub(crate) fn revive(&self, maker: &mut Maker, pc: u64) -> Option<*const Block0> {
        let b = self.revive_one(maker, pc)?;
        // A trace counts for all of its blocks, so whoever asks for one may ask for the others.
        let parts: Vec<u64> = {
            let t = self.tables.read();
            let unit = t.block((pc, MODE)).and_then(Block0::unit);
            let trace = unit.filter(|(u, _)| u.tier == Tier::Trace && u.image.is_some());
            trace.map_or(Vec::new(), |(u, _)| reached(u))
        };
        for &part in parts.iter().filter(|p| **p != pc) {
            self.revive_one(maker, part);
        }
        let t = self.tables.read();
        if let Some(head) = t.block((pc, MODE)) {
            for part in parts.iter().filter_map(|p| t.block((*p, MODE))) {
                part.join_trace(head);
            }
        }
        Some(b)
    }

    /// Revives what lies in images of some guest addresses; whether there was anything.
    pub(crate) fn revive_all(&self, maker: &mut Maker, mode: u64, mut pcs: Vec<u64>) -> bool {
        pcs.retain(|pc| mode == MODE && self.images.find(*pc).is_some());
        let revived = pcs.into_iter().filter_map(|pc| self.revive(maker, pc));
        revived.count() > 0
    }

    fn revive_one(&self, maker: &mut Maker, pc: u64) -> Option<*const Block0> {
        loop {
            let changes = self.changes.load(Ordering::SeqCst);
            let found = self.tables.read().block((pc, MODE)).map(ptr::from_ref);
            if let Some(b) = found {
                return Some(b);
            }
            let image = self.images.find(pc);
            // SAFETY: guest address; a fault is caught.
            let fetch = |at| unsafe { access::load32(at) }.ok().map(|w| w as u32);
            let made = maker.make(&self.cfg, (pc, MODE), self.max_block, fetch, || ());
            if made.words.is_empty() {
                return None;
            }
            let block = arena::new(made.into_block((pc, MODE), Some(WARM)));
            let mut t = self.tables.write();
            if self.changes.load(Ordering::SeqCst) != changes {
                continue;
            }
            let b = ptr::from_ref(t.insert(block));
            if let Some((image, e, code)) = image {
                self.attach(&mut t, image, e.unit, (pc, code));
            }
            return Some(b);
        }
    }

    /// The block at `entry` has its code in an image: puts the unit into the tables unless it is there.
    fn attach(&self, t: &mut Tables, image: &'static Image, number: u32, entry: (u64, u64)) {
        let view: &View<'static> = &image.view;
        let Some(u) = view.units.get(number as usize) else {
            return;
        };
        let Some(b) = t.block((entry.0, MODE)).filter(|b| b.native() == 0) else {
            return;
        };
        let is_it = |u: &&Unit1| {
            u.image
                .is_some_and(|(i, n)| ptr::eq(i, image) && n == number)
        };
        let other = |(pc, _)| t.block((pc, MODE)).and_then(Block0::unit).map(|x| x.0);
        if let Some(unit) = view.entries(u).filter_map(other).find(is_it) {
            b.publish(unit, entry.1, 0);
            return;
        }
        let counter = image
            .counter(number)
            .filter(|_| u.tier() != Tier::Optimized);
        let before = self.counted_runs(image, number, u.tier());
        let ran = counter.map_or(0, |c| before + c.progress(LONGEST));
        let first = image
            .slot(u.slots().start as u32)
            .map_or(0, |s| ptr::from_ref(s) as usize);
        let window = view.header.window;
        let unit = arena::new(Unit1 {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            tier: u.tier(),
            mode: MODE,
            exec: window + u.code as u64,
            len: u.len as usize,
            entries: view
                .entries(u)
                .map(|(pc, at)| (pc, window + at as u64))
                .collect(),
            ranges: view.ranges(u).collect(),
            guest_insns: u.insns,
            slots: (first, if first == 0 { 0 } else { u.slots().len() }),
            counter: counter.map_or(0, |c| c.address()),
            faults: arena::slice(&[]),
            segment: None,
            kept: None,
            image: Some((image, number)),
            loops: u.loops(),
            rebuilds: u.rebuilds as u32,
            overlooks: u.overlooks(),
            dead: AtomicBool::new(false),
            incoming: Default::default(),
        });
        let left = (self.promoted_at(u.tier(), u.loops()) as u64).saturating_sub(ran);
        let count = match u.tier() {
            Tier::Optimized => 0,
            // Not at once: a block may have turned out not to get better.
            t => left.clamp(self.patience(t) as u64, i32::MAX as u64) as i32,
        };
        t.insert_unit(unit, count, self.unlinked());
        if let Some(b) = t.block((entry.0, MODE)) {
            b.credit(ran);
        }
    }

    /// The bytecode behind a cell of an image. `None`: the guest's code cannot be read any more.
    pub(crate) fn bytecode(&self, cell: &ChainSlot) -> Option<&Bytecode> {
        let b = self.revive(&mut Maker::default(), cell.guest_pc)?;
        // SAFETY: in the tables as long as the code is entered that uses the cell, and freed only after each CPU that could be in it has left.
        let code = unsafe { &(*b).code };
        cell.code
            .store(ptr::from_ref(code) as u64, Ordering::Release);
        Some(code)
    }
}
