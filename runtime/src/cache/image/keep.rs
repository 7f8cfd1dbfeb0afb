//! Into images: what this process has translated, and what was in them before.

use super::draft::{Draft, Place};
use super::format::{Field, Foreign, PAGE, Piece, View, worth};
use super::mapped::{COUNTERS, Image};
use super::revive::MODE;
use super::{Kept, name};
use crate::cache::block::Block0;
use crate::cache::counter::{LONGEST, STRIDE};
use crate::cache::tables::Tables;
use crate::cache::unit::{Tier, Unit1};
use crate::compile::tier1::Tier1;
use crate::compile::trace;
use crate::vcpu::TEMPS_OFFSET;
use hashbrown::HashMap;
use memmap2::Mmap;
use metaphrase_arm64::arch::state::{FLAGS_OFFSET, FPSR_OFFSET, PC_OFFSET};
use metaphrase_backend::abi::ChainSlot;
use metaphrase_backend::baseline::{Baseline, NOTES};
use metaphrase_backend::stubs;
use smallvec::{SmallVec, smallvec};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use zerocopy::IntoBytes;

/// Less work (see [`worth`]) than this is not worth writing a file.
const LEAST: u64 = 100;
/// Nor is less than it takes to write what is in the image already: one instruction takes this part of the time of translating one. So
/// no code is made again and again for more time than writing it would have taken.
const SHARE: u64 = 8;
/// Bytes between the counters and code and slots before them.
const GAP: u64 = PAGE as u64;
/// Executions in one process that are worth adding up.
const RUNS: u64 = 64;
/// A process that has made fewer units since it began, or was forked, does not look what they are.
const FEW: u64 = 10;

/// What there is to keep of one text.
#[derive(Default)]
struct Found<'a> {
    units: Vec<(&'a Unit1, SmallVec<[Foreign; 1]>)>,
    /// Blocks that ran too rarely for code of their own.
    cold: Vec<&'a Block0>,
    /// What has been translated since images were last written, see [`worth`].
    fresh: u64,
}

impl Tier1 {
    /// Writes images of all texts of which enough has been translated since they were opened.
    pub fn keep(&self) {
        if !self.images.enabled() {
            return;
        }
        let texts = self.images.texts();
        if texts.is_empty() {
            return;
        }
        let now = self.next_id.load(Ordering::Relaxed);
        let before = self.images.fresh.load(Ordering::Relaxed);
        if before != 0 && now - before < FEW {
            // A child that has done next to nothing.
            return;
        }
        let tables = self.tables.read();
        for (kept, found) in texts.iter().zip(self.look(&tables, &texts)) {
            let mut fresh = found.fresh;
            if let Some(i) = kept.image {
                self.add_runs(&tables, i);
                fresh = i.add_missing(fresh);
                if fresh < i.view.header.insns / SHARE {
                    continue;
                }
            }
            if fresh >= LEAST {
                self.keep_text(&tables, kept, &found, fresh);
            }
        }
        self.images.seen(now);
    }

    /// Writes the image of a text, if there is something new for the one that is in the folder now, which may be another process's.
    fn keep_text(&self, t: &Tables, kept: &Kept, found: &Found<'_>, fresh: u64) -> Option<()> {
        let folder = self.images.folder.as_ref()?;
        let at = kept.text.guest.start;
        // SAFETY: files of the folder are replaced, never written.
        let newest = folder
            .read(name(kept.key))
            .and_then(|f| unsafe { Mmap::map(&f) }.ok());
        let newest = newest.as_ref().and_then(|m| View::of(m, kept.key));
        let own = kept.image.map(|i| i.view);
        let same = |v: &View<'_>| own.is_some_and(|o| o.header.as_bytes() == v.header.as_bytes());
        let before = newest.filter(|v| !same(v)).or(own);
        let (worth, insns) = before.map_or((0, 0), |v| (v.header.worth, v.header.insns));
        if let Some(i) = kept.image {
            i.forget_missing();
        }
        if fresh < insns / SHARE {
            return None;
        }
        let mut draft = self.draft(t, kept, found, before)?;
        let more = draft.worth().saturating_sub(worth);
        // The rest of the work was for what cannot be kept, and will come again.
        if more < LEAST || more < fresh / SHARE {
            return None;
        }
        let parts = draft.finish()?;
        let bytes: usize = parts.iter().map(|p| p.len()).sum();
        match folder.write(name(kept.key), &parts) {
            Ok(()) => tracing::debug!(
                target: "cache",
                "{at:#x}: work of {fresh} instructions, {more} kept, {bytes} bytes"
            ),
            Err(e) => tracing::debug!(target: "cache", "{at:#x}: not kept: {e}"),
        }
        Some(())
    }

    /// What there is for each text.
    fn look<'a>(&self, t: &'a Tables, texts: &[Arc<Kept>]) -> Vec<Found<'a>> {
        let mut found: Vec<Found<'a>> = texts.iter().map(|_| Found::default()).collect();
        // In the order of their addresses, as the texts are.
        let ranges: Vec<Range<u64>> = texts.iter().map(|k| k.guest()).collect();
        let within = |start: u64, end: u64| {
            let n = ranges
                .partition_point(|r| r.start <= start)
                .checked_sub(1)?;
            (end <= ranges[n].end).then_some(n)
        };
        let fresh = self.images.fresh.load(Ordering::Relaxed);
        for u in t.units().filter(|u| u.mode == MODE && u.kept.is_some()) {
            let at = u.ranges.iter().map(|r| within(r.0, r.1));
            let Some(at) = at.collect::<Option<SmallVec<[usize; 8]>>>() else {
                continue;
            };
            let (Some(&n), Some(foreign)) = (at.first(), foreign(u, &at, texts)) else {
                continue;
            };
            found[n].units.push((u, foreign));
            if u.id >= fresh {
                found[n].fresh += worth(u.tier, u.guest_insns);
            }
        }
        for b in t
            .blocks()
            .filter(|b| b.mode == MODE && b.native() == 0 && !b.is_empty())
        {
            if let Some(n) = within(b.pc, b.pc + b.len()) {
                found[n].cold.push(b);
                if fresh == 0 {
                    found[n].fresh += b.words.len() as u64;
                }
            }
        }
        for f in &mut found {
            f.units.sort_by_key(|u| u.0.id);
            f.cold.sort_by_key(|b| b.pc);
        }
        found
    }

    /// The new image of a text. `before`: the one to which it adds.
    fn draft(
        &self,
        t: &Tables,
        kept: &Kept,
        found: &Found<'_>,
        before: Option<View<'_>>,
    ) -> Option<Draft> {
        let mut old = Vec::new();
        if let Some(v) = &before {
            let same = kept.image.filter(|i| std::ptr::eq(i.view.header, v.header));
            let piece = |n: u32| {
                if same.is_some_and(|i| useless(i, n)) {
                    return None;
                }
                let runs = same.map_or(0, |i| i.runs(n));
                Some(Piece {
                    runs,
                    ..v.piece(n as usize)?
                })
            };
            old.extend((0..v.units.len() as u32).filter_map(piece));
        }
        // Guards stand together, because they are written in each process; new ones first, which are good for what is mapped now.
        let fresh = found.units.iter().filter_map(|(u, f)| piece_of(t, u, f));
        let (made, fresh) = fresh.partition::<Vec<_>, _>(|p| p.guards > 0);
        let (reaching, mut pieces) = old.into_iter().partition::<Vec<_>, _>(|p| p.guards > 0);
        pieces.extend(fresh.into_iter().chain(made).chain(reaching));
        // Where there is better code than baseline, nobody needs that.
        let mut best: HashMap<u64, Tier> = HashMap::new();
        for p in pieces.iter().filter(|p| p.tier != Tier::Baseline) {
            for e in &p.entries {
                let tier = best.entry(e.0).or_insert(p.tier);
                if p.tier as u8 > *tier as u8 {
                    *tier = p.tier;
                }
            }
        }
        let regions = pieces.iter().any(|p| p.tier == Tier::Optimized);
        let thunk = regions.then(|| stubs::eval_thunk().ok()).flatten();
        if regions && thunk.is_none() {
            return None;
        }
        let counters = kept.text.window.end - COUNTERS;
        let place = Place {
            key: kept.key,
            guest: kept.text.guest.clone(),
            window: kept.text.window.start..counters - GAP,
            counters,
            most: STRIDE / 2,
        };
        let units = pieces.len() + found.cold.len();
        let mut draft = Draft::new(place, units, &thunk.unwrap_or_default());
        let all = pieces.iter().try_for_each(|p| {
            let better = |pc| best.get(&pc).is_some_and(|t| *t as u8 > p.tier as u8);
            let needed = |e: &(u64, u32)| !better(e.0) && !draft.has(e.0, p.tier);
            match p.entries.iter().any(needed) {
                true => draft.add(p),
                false => Some(()),
            }
        });
        if all
            .and_then(|()| self.add_cold(&mut draft, &found.cold))
            .is_none()
        {
            tracing::debug!(target: "cache", "{:#x}: the image is full", kept.text.guest.start);
        }
        Some(draft)
    }

    /// Adds how often units have run in this process, unless that has been done, or part of it was the parent.
    fn add_runs(&self, t: &Tables, image: &Image) {
        if self.images.fresh.load(Ordering::Relaxed) != 0 {
            return;
        }
        for n in 0..image.view.units.len() as u32 {
            let ran = image.counter(n).map_or(0, |c| c.progress(LONGEST));
            if ran >= RUNS {
                image.add_runs(n, ran);
            }
        }
        // Rounds of revived units are of other lengths.
        for u in t.units() {
            if let Some((i, n)) = u.image
                && std::ptr::eq(i, image)
                && u.tier != Tier::Optimized
                && let Some(b) = u.entries.first().and_then(|e| t.block((e.0, MODE)))
            {
                let before = self.counted_runs(image, n, u.tier);
                image.add_runs(n, b.own_executions().saturating_sub(before));
            }
        }
    }

    /// Adds baseline code of blocks that have none.
    fn add_cold(&self, draft: &mut Draft, blocks: &[&Block0]) -> Option<()> {
        let mut base = Baseline::new(PC_OFFSET, FPSR_OFFSET, FLAGS_OFFSET, TEMPS_OFFSET);
        for b in blocks {
            if draft.has(b.pc, Tier::Baseline) {
                continue;
            }
            base.note = self.threshold > trace::AT as u32 && trace::notes(b);
            let Some(c) = base.compile(&b.code, b.pc, b.mode) else {
                continue;
            };
            let relocs: Option<SmallVec<[Field; 8]>> = c.relocs.iter().map(Field::of).collect();
            draft.add(&Piece {
                tier: Tier::Baseline,
                code: &c.code,
                slots: c.slots.iter().copied().collect(),
                noted: c.slots.ends_with(&NOTES),
                guards: 0,
                foreign: SmallVec::new(),
                cells: c.cells.iter().map(|c| c.guest_pc).collect(),
                entries: c.entries.iter().copied().collect(),
                ranges: smallvec![(b.pc, b.pc + b.len())],
                faults: c.faults.iter().copied().collect(),
                relocs: &relocs?,
                insns: b.words.len() as u32,
                loops: false,
                overlooks: false,
                rebuilds: 0,
                runs: 0,
            })?;
        }
        Some(())
    }
}

/// Whether a trace of an image has run in this process and was never let into the other texts.
fn useless(image: &Image, n: u32) -> bool {
    let barred = |u| image.never_armed(u);
    let ran = image.counter(n).map_or(0, |c| c.progress(LONGEST));
    image.view.units.get(n as usize).is_some_and(barred) && ran >= RUNS
}

/// The other texts into which a unit reaches, if each way into one is guarded. `at`: in which text each of its blocks lies.
fn foreign(u: &Unit1, at: &[usize], texts: &[Arc<Kept>]) -> Option<SmallVec<[Foreign; 1]>> {
    let first = *at.first()?;
    let mut all = SmallVec::new();
    let mut guards = u.guards().iter().map(|s| s.guest_pc);
    let mut before = first;
    for (&n, r) in at.iter().zip(&u.ranges) {
        if n != first && n != before {
            guards.next().filter(|pc| *pc == r.0)?;
            let f = Foreign::new(texts[n].key, &texts[n].text.guest)?;
            if !all.contains(&f) {
                all.push(f);
            }
        }
        before = n;
    }
    guards.next().is_none().then_some(all)
}

/// A unit of this process.
fn piece_of<'a>(t: &Tables, u: &'a Unit1, foreign: &[Foreign]) -> Option<Piece<'a>> {
    let kept = u.kept.as_ref()?;
    // SAFETY: the unit is in the tables, whose lock the caller holds, so its code stays where it is.
    let code = unsafe { std::slice::from_raw_parts(u.exec as *const u8, u.len) };
    let after = (u.slots.0 + u.slots.1 * size_of::<ChainSlot>()) as *const ChainSlot;
    // SAFETY: cells stand behind the slots, for as long.
    let cells = unsafe { std::slice::from_raw_parts(after, kept.cells as usize) };
    // Of what reaches into another file and is not kept only the first block's own code is; that has run as often.
    let first = u.entries.first().and_then(|e| t.block((e.0, MODE)));
    let runs = first.map_or(0, Block0::own_executions);
    Some(Piece {
        tier: u.tier,
        code,
        slots: u.slots().iter().map(|s| s.guest_pc).collect(),
        noted: kept.noted,
        guards: kept.guards,
        foreign: foreign.into(),
        cells: cells.iter().map(|c| c.guest_pc).collect(),
        entries: u
            .entries
            .iter()
            .map(|e| (e.0, (e.1 - u.exec) as u32))
            .collect(),
        ranges: u.ranges.iter().copied().collect(),
        faults: u.faults.iter().copied().collect(),
        relocs: &kept.relocs,
        insns: u.guest_insns,
        loops: u.loops,
        overlooks: u.overlooks,
        rebuilds: u.rebuilds,
        runs: runs.min(u32::MAX as u64) as u32,
    })
}
