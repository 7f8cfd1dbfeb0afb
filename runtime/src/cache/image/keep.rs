//! Into images: what this process has translated, and what was in them before.

use super::format::{Draft, Field, PAGE, Piece, Place, View};
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
use metaphrase_arm64::arch::state::{FPSR_OFFSET, PC_OFFSET};
use metaphrase_backend::abi::ChainSlot;
use metaphrase_backend::baseline::Baseline;
use metaphrase_backend::emit::CompiledUnit;
use metaphrase_backend::stubs;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Fewer guest instructions than this are not worth writing a file.
const LEAST: u64 = 100;
/// Nor is less than this part of what is in the image already.
const SHARE: u64 = 8;
/// Bytes between the counters and code and slots before them.
const GAP: u64 = PAGE as u64;

/// What there is to keep of one text.
#[derive(Default)]
struct Found<'a> {
    units: Vec<&'a Unit1>,
    /// Blocks that ran too rarely for code of their own.
    cold: Vec<&'a Block0>,
    /// Guest instructions translated since images were last written.
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
        let tables = self.tables.read();
        for (kept, found) in texts.iter().zip(self.look(&tables, &texts)) {
            let before = kept.image.map_or(0, |i| i.view.header.insns);
            if found.fresh < LEAST || found.fresh < before / SHARE {
                continue;
            }
            if let Some(folder) = &self.images.folder
                && let Some(parts) = self.draft(&tables, kept, &found, folder.read(name(kept.key)))
            {
                let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                let bytes: usize = parts.iter().map(|p| p.len()).sum();
                let at = kept.text.guest.start;
                match folder.write(name(kept.key), &parts) {
                    Ok(()) => tracing::debug!(
                        target: "cache",
                        "{at:#x}: kept {} new instructions in {bytes} bytes", found.fresh
                    ),
                    Err(e) => tracing::debug!(target: "cache", "{at:#x}: not kept: {e}"),
                }
            }
        }
        self.images.seen(self.next_id.load(Ordering::Relaxed));
    }

    /// What there is for each text.
    fn look<'a>(&self, t: &'a Tables, texts: &[std::sync::Arc<Kept>]) -> Vec<Found<'a>> {
        let mut found: Vec<Found<'a>> = texts.iter().map(|_| Found::default()).collect();
        let mut order: Vec<(Range<u64>, usize)> =
            texts.iter().enumerate().map(|(i, k)| (k.guest(), i)).collect();
        order.sort_by_key(|o| o.0.start);
        let within = |start: u64, end: u64| {
            let i = order.partition_point(|o| o.0.start <= start).checked_sub(1)?;
            (end <= order[i].0.end).then_some(order[i].1)
        };
        let fresh = self.images.fresh.load(Ordering::Relaxed);
        for u in t.units().filter(|u| u.mode == MODE && u.kept.is_some()) {
            let Some(&(start, end)) = u.ranges.first() else {
                continue;
            };
            let Some(n) = within(start, end) else { continue };
            if u.ranges.iter().any(|r| within(r.0, r.1) != Some(n)) {
                continue;
            }
            found[n].units.push(u);
            if u.id >= fresh {
                found[n].fresh += u.guest_insns as u64;
            }
        }
        for b in t.blocks().filter(|b| b.mode == MODE && b.native() == 0 && !b.is_empty()) {
            if let Some(n) = within(b.pc, b.pc + b.len()) {
                found[n].cold.push(b);
                if fresh == 0 {
                    found[n].fresh += b.words.len() as u64;
                }
            }
        }
        for f in &mut found {
            f.units.sort_by_key(|u| u.id);
            f.cold.sort_by_key(|b| b.pc);
        }
        found
    }

    /// The new image of a text. `file`: what is in the folder now, which another process may have written since this one opened it.
    fn draft(&self, t: &Tables, kept: &Kept, found: &Found<'_>, file: Option<File>) -> Option<Vec<Vec<u8>>> {
        // SAFETY: files of the folder are replaced, never written.
        let newest = file.and_then(|f| unsafe { Mmap::map(&f) }.ok());
        let newest = newest.as_ref().and_then(|m| View::of(m, kept.key));
        let before = newest.or(kept.image.map(|i| i.view));
        let mut pieces = Vec::new();
        if let Some(v) = &before {
            pieces.extend((0..v.units.len()).filter_map(|n| v.piece(n)));
            if let Some(i) = kept.image {
                self.mark_hot(t, &mut pieces, i, v);
            }
        }
        pieces.extend(found.units.iter().filter_map(|u| piece_of(t, u)));
        let compiled = self.compile_cold(&found.cold);
        pieces.extend(compiled.iter().map(Compiled::piece));
        let mut best: HashMap<u64, Tier> = HashMap::with_capacity(pieces.len());
        for p in &pieces {
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
        let mut draft = Draft::new(
            Place {
                key: kept.key,
                guest: kept.text.guest.clone(),
                window: kept.text.window.start..counters - GAP,
                counters,
                most: STRIDE / 2,
            },
            &thunk.unwrap_or_default(),
        );
        for p in &pieces {
            let needed = p.entries.iter().any(|e| best.get(&e.0) == Some(&p.tier));
            if needed && draft.add(p).is_none() {
                tracing::debug!(target: "cache", "{:#x}: the image is full", kept.text.guest.start);
                break;
            }
        }
        draft.finish()
    }

    /// Baseline code that has run often enough for a trace, in an image where there is none.
    fn mark_hot(&self, t: &Tables, pieces: &mut [Piece<'_>], image: &Image, v: &View<'_>) {
        if !std::ptr::eq(image.view.header, v.header) {
            return;
        }
        for (n, p) in pieces.iter_mut().enumerate() {
            let counter = image.counter(n as u32).filter(|_| p.tier == Tier::Baseline);
            let ran = counter.map_or(0, |c| c.progress(LONGEST));
            p.hot |= ran >= trace::AT as u64 || p.entries.first().is_some_and(|e| is_hot(t, e.0));
        }
    }

    /// Baseline code for blocks that have none.
    fn compile_cold(&self, blocks: &[&Block0]) -> Vec<Compiled> {
        let mut base = Baseline::new(PC_OFFSET, FPSR_OFFSET, TEMPS_OFFSET);
        let compile = |b: &&Block0| {
            base.note = self.threshold > trace::AT as u32 && trace::notes(b);
            let unit = base.compile(&b.code, b.pc, b.mode)?;
            let relocs = unit.relocs.iter().map(Field::of).collect::<Option<_>>()?;
            Some(Compiled {
                unit,
                relocs,
                range: (b.pc, b.pc + b.len()),
            })
        };
        blocks.iter().filter_map(compile).collect()
    }
}

/// Whether a block runs so often that it has a trace, or should have one.
fn is_hot(t: &Tables, pc: u64) -> bool {
    t.block((pc, MODE)).is_some_and(|b| {
        b.unit().is_some_and(|(u, _)| u.tier != Tier::Baseline)
            || b.own_executions() >= trace::AT as u64
    })
}

/// A unit of this process.
fn piece_of<'a>(t: &Tables, u: &'a Unit1) -> Option<Piece<'a>> {
    let kept = u.kept.as_ref()?;
    // SAFETY: the unit is in the tables, whose lock the caller holds, so its code stays where it is.
    let code = unsafe { std::slice::from_raw_parts(u.exec as *const u8, u.len) };
    let after = (u.slots.0 + u.slots.1 * size_of::<ChainSlot>()) as *const ChainSlot;
    // SAFETY: cells stand behind the slots, for as long.
    let cells = unsafe { std::slice::from_raw_parts(after, kept.cells as usize) };
    Some(Piece {
        tier: u.tier,
        code,
        slots: u.slots().iter().map(|s| s.guest_pc).collect(),
        noted: kept.noted,
        cells: cells.iter().map(|c| c.guest_pc).collect(),
        entries: u
            .entries
            .iter()
            .map(|e| (e.0, (e.1 - u.exec) as u32))
            .collect(),
        ranges: u.ranges.to_vec(),
        faults: u.faults.to_vec(),
        relocs: &kept.relocs,
        insns: u.guest_insns,
        loops: u.loops,
        rebuilds: u.rebuilds,
        hot: u.tier == Tier::Baseline && u.entries.first().is_some_and(|e| is_hot(t, e.0)),
    })
}

/// Code made only to be kept.
struct Compiled {
    unit: CompiledUnit,
    relocs: Vec<Field>,
    range: (u64, u64),
}

impl Compiled {
    fn piece(&self) -> Piece<'_> {
        let c = &self.unit;
        Piece {
            tier: Tier::Baseline,
            code: &c.code,
            slots: c.slots.clone(),
            noted: c.slots.ends_with(&metaphrase_backend::baseline::NOTES),
            cells: c.cells.iter().map(|c| c.guest_pc).collect(),
            entries: c.entries.clone(),
            ranges: vec![self.range],
            faults: c.faults.clone(),
            relocs: &self.relocs,
            insns: ((self.range.1 - self.range.0) / 4) as u32,
            loops: false,
            rebuilds: 0,
            hot: false,
        }
    }
}
