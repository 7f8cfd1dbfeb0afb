//! What CPUs compile themselves, on their own thread: baseline code of blocks that have warmed up, and traces of those that run often.

use crate::cache::block::Block0;
use crate::cache::image::revive::MODE;
use crate::cache::unit::Tier;
use crate::compile::make::Maker;
use crate::compile::placed::Installed;
use crate::compile::tier1::Tier1;
use crate::compile::trace::{self, Trace};
use crate::vcpu::CpuShared;
use metaphrase_backend::baseline::Baseline;
use metaphrase_backend::baseline::trace::Part;
use metaphrase_backend::emit::CompiledUnit;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Tier1 {
    /// Compiles a block's templates and publishes them. True if the block now has native code; `None` if there is no room at the moment.
    pub fn promote_baseline(
        &self,
        base: &mut Baseline,
        b: &Block0,
        own: &CpuShared,
    ) -> Option<bool> {
        if !self.ready() {
            return Some(false);
        }
        let begun = self.stats.collect.records().then(Instant::now);
        base.note = self.threshold > trace::AT as u32 && trace::notes(b);
        let Some(c) = base.compile(&b.code, b.pc, b.mode) else {
            return Some(false);
        };
        let count = trace::AT.min(self.threshold.min(i32::MAX as u32) as i32);
        let unit = self.install_baseline(&c, Tier::Baseline, &[b], own)?;
        let mut t = self.tables.write();
        if b.dead.load(Ordering::SeqCst) || t.entry((b.pc, b.mode)).is_some() {
            // Dropped, or another CPU was faster.
            return Some(!b.dead.load(Ordering::SeqCst));
        }
        self.name_lines(&unit.unit);
        self.record_baseline(&unit.unit, &c, begun);
        t.insert_unit(unit.unit, count, self.unlinked());
        Some(true)
    }

    /// Compiles the trace of a block whose baseline code has run often, and publishes it. False if the block's code is still the same.
    pub fn promote_trace(
        &self,
        base: &mut Baseline,
        maker: &mut Maker,
        hot: &Block0,
        own: &CpuShared,
    ) -> bool {
        let threshold = self.threshold.min(i32::MAX as u32) as i32;
        if threshold <= trace::AT || !self.ready() {
            return false;
        }
        let begun = self.stats.collect.records().then(Instant::now);
        // SAFETY: blocks in the table stay in place while this CPU is in its epoch.
        let keep = |b: &Block0| unsafe { &*std::ptr::from_ref(b) };
        let chosen = loop {
            let mut missing = Vec::new();
            let chosen = {
                let t = self.tables.read();
                let all = |t: Trace<'_>| (t.blocks.into_iter().map(keep).collect(), t.loops);
                trace::choose(&t, hot, &mut missing).map(all)
            };
            // What lies in images has to be known first.
            if !self.revive_all(maker, hot.mode, missing) {
                break chosen;
            }
        };
        let Some((blocks, loops)): Option<(Vec<&Block0>, bool)> = chosen else {
            return false;
        };
        let head = blocks[0];
        let key = (head.pc, head.mode);
        let guarded = self.guarded(&blocks);
        let parts: Vec<Part<'_>> = blocks
            .iter()
            .zip(guarded)
            .map(|(b, guarded)| Part {
                code: &b.code,
                pc: b.pc,
                guarded,
            })
            .collect();
        let Some((c, used)) = base.compile_trace(&parts, head.mode) else {
            return false;
        };
        let loops = loops && used == blocks.len();
        if used < 2 && !loops {
            return false;
        }
        let blocks = &blocks[..used];
        let Some(mut unit) = self.install_baseline(&c, Tier::Trace, blocks, own) else {
            return false;
        };
        unit.unit.loops = loops;
        let mut t = self.tables.write();
        if blocks.iter().any(|b| b.dead.load(Ordering::SeqCst))
            || t.entry(key).is_none_or(|e| e.tier != Tier::Baseline)
        {
            return false;
        }
        self.name_lines(&unit.unit);
        self.record_baseline(&unit.unit, &c, begun);
        tracing::debug!(
            target: "compile",
            "trace {:#x}: {} of {} blocks, {} instructions -> {} bytes{}: {:x?}",
            head.pc,
            used,
            parts.len(),
            unit.unit.guest_insns,
            unit.unit.len,
            if loops { ", loops" } else { "" },
            blocks.iter().map(|b| b.pc).collect::<Vec<_>>(),
        );
        for b in blocks {
            b.join_trace(head);
        }
        let count = trace::runs(blocks, loops, threshold).max(1);
        t.insert_unit(unit.unit, count, self.unlinked());
        std::ptr::eq(head, hot)
    }

    /// Which blocks of a trace are to be guarded, so that it can be kept: those in which it comes into another text.
    fn guarded(&self, blocks: &[&Block0]) -> Vec<bool> {
        let pcs: Vec<u64> = blocks.iter().map(|b| b.pc).collect();
        match self.images.enabled() && blocks[0].mode == MODE {
            true => self.images.borders(&pcs),
            false => vec![false; pcs.len()],
        }
    }

    /// Places baseline code of these blocks.
    fn install_baseline(
        &self,
        c: &CompiledUnit,
        tier: Tier,
        blocks: &[&Block0],
        own: &CpuShared,
    ) -> Option<Installed<'_>> {
        let ranges = blocks.iter().map(|b| (b.pc, b.pc + b.len())).collect();
        let insns = blocks.iter().map(|b| b.words.len() as u32).sum();
        let mode = blocks.first()?.mode;
        self.install(c, tier, mode, ranges, insns, Some(own))
    }
}
