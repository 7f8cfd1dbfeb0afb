//! What tier 1 tells the statistics about regions: made, dropped, and why.

use crate::cache::tables::{Dropped, Retired};
use crate::cache::unit::{Tier, Unit1};
use crate::compile::region::Region;
use crate::compile::tier1::Tier1;
use crate::stats::{self, Counter, EndReason, RegionRecord};
use metaphrase_backend::abi::ChainSlot;
use metaphrase_backend::emit::{CompileOpts, CompiledUnit};
use std::mem::offset_of;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// How a region came to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// Wait in the queue, nanoseconds.
    pub wait: u64,
    /// When a compile thread took it up.
    pub begun: Instant,
    /// IR operations before optimisation.
    pub ops: u32,
}

/// What a record says of any unit.
fn about(u: &Unit1, c: &CompiledUnit, begun: Instant) -> RegionRecord {
    RegionRecord {
        id: u.id,
        tier: u.tier,
        pc: u.entries.first().map_or(0, |e| e.0),
        entries: u.entries.iter().map(|e| e.0).collect(),
        ranges: u.ranges.to_vec(),
        guest_insns: u.guest_insns,
        host: u.exec,
        host_bytes: u.len as u64,
        eval_sites: c.evals,
        fault_sites: c.faults.len() as u32,
        rebuilds: u.rebuilds,
        compile_ns: begun.elapsed().as_nanos() as u64,
        ..RegionRecord::default()
    }
}

impl Tier1 {
    /// How regions are compiled.
    pub(super) fn compile_opts(&self) -> CompileOpts {
        CompileOpts {
            count: self.stats.collect.stats,
            underflow: self.underflow.load(Ordering::SeqCst),
            ..CompileOpts::default()
        }
    }

    /// A region is about to be published. The caller holds the tables' lock.
    pub(super) fn record(&self, u: &Unit1, r: &Region, c: &CompiledUnit, made: &Made) {
        let counted = self.stats.collect.stats;
        let kept = r.unit.insts.len() as u32;
        for (id, n) in [
            (Counter::CompileRegions, 1),
            (Counter::CompileRebuilds, (u.rebuilds > 0) as u64),
            (Counter::CompileEntries, u.entries.len() as u64),
            (Counter::CompileInsns, u.guest_insns as u64),
            (Counter::CompileOps, made.ops as u64),
            (Counter::CompileOpsKept, kept as u64),
            (Counter::CompileBytes, u.len as u64),
            (Counter::CompileEvals, c.evals as u64),
            (Counter::CompileFaultSites, c.faults.len() as u64),
            (Counter::CompileThunks, c.thunks as u64),
            (Counter::CompileSlots, c.slots.len() as u64 - counted as u64),
        ] {
            self.stats.add(id, n);
        }
        let published_ns = self.stats.now_ns();
        let Some(mut d) = self.stats.detail() else {
            return;
        };
        let record = RegionRecord {
            ir_ops: (made.ops, kept),
            queue_ns: made.wait,
            published_ns,
            ..about(u, c, made.begun)
        };
        // Code compiled with `count` keeps its entries in slot 0.
        d.published(self.region(u, c, record, counted.then_some(0)));
    }

    /// Baseline code of a block or trace is about to be published. The caller holds the tables' lock.
    pub(super) fn record_baseline(&self, u: &Unit1, c: &CompiledUnit, begun: Option<Instant>) {
        let (units, insns, bytes) = match u.tier {
            Tier::Trace => (
                Counter::BaselineTraces,
                Counter::TraceInsns,
                Counter::TraceBytes,
            ),
            _ => (
                Counter::BaselineBlocks,
                Counter::BaselineInsns,
                Counter::BaselineBytes,
            ),
        };
        self.stats.add(units, 1);
        self.stats.add(insns, u.guest_insns as u64);
        self.stats.add(bytes, u.len as u64);
        let (Some(begun), Some(mut d)) = (begun, self.stats.detail()) else {
            return;
        };
        let record = RegionRecord {
            published_ns: self.stats.now_ns(),
            ..about(u, c, begun)
        };
        let count = c.counter.filter(|_| self.stats.collect.stats);
        d.published(self.region(u, c, record, count));
    }

    /// A record with what only this process can use. `count`: the slot that counts entries.
    fn region(
        &self,
        u: &Unit1,
        c: &CompiledUnit,
        record: RegionRecord,
        count: Option<u32>,
    ) -> stats::Region {
        let at = |slot: u32| {
            u.slots.0 + slot as usize * size_of::<ChainSlot>() + offset_of!(ChainSlot, guest_pc)
        };
        let keep = self.stats.collect.code;
        stats::Region {
            record,
            counter: count.map_or(0, at),
            code: keep.then(|| c.code.as_slice().into()),
            pcs: if keep {
                c.pcmap.ranges.clone()
            } else {
                Vec::new()
            },
            monotonic_ns: stats::monotonic_ns(),
        }
    }

    /// Regions were dropped.
    pub(super) fn count_dropped(&self, gone: impl IntoIterator<Item = Dropped>, why: EndReason) {
        let links = match why {
            EndReason::Evicted => Counter::BrokenEviction,
            EndReason::Invalidated => Counter::BrokenInvalidation,
            EndReason::Rebuilt | EndReason::Retreated | EndReason::Underflow => {
                Counter::BrokenRebuild
            }
        };
        let now = self.stats.now_ns();
        for g in gone {
            self.stats.add(links, g.links);
            if why == EndReason::Evicted {
                self.stats.add(Counter::EvictedBytes, g.bytes);
            }
            match why {
                _ if g.tier != Tier::Optimized => {}
                EndReason::Evicted => self.stats.add(Counter::EvictedRegions, 1),
                EndReason::Invalidated => self.stats.add(Counter::InvalidatedRegions, 1),
                EndReason::Rebuilt | EndReason::Retreated | EndReason::Underflow => {}
            }
            if let Some(mut d) = self.stats.detail() {
                d.ended(g.id, now, why);
            }
        }
    }

    /// Guest code changed or went away.
    pub(super) fn count_invalidated(&self, gone: &Retired) {
        self.stats.add(Counter::InvalidateHit, 1);
        self.stats
            .add(Counter::InvalidatedBlocks, gone.blocks as u64);
        self.stats.add(Counter::Tier0Executions, gone.executions.0);
        self.stats.add(Counter::Tier0Executed, gone.executions.1);
        self.stats
            .add(Counter::BrokenInvalidation, gone.block_links);
        self.count_dropped(gone.units.iter().copied(), EndReason::Invalidated);
    }
}
