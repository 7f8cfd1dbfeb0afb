//! Records kept only when asked for: every region ever published (also after it was dropped), which guest instructions have been
//! translated, and what the sampling thread saw.

use super::clock::Phase;
use crate::cache::unit::Tier;
use crate::debug::jitdump::JitDump;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a region is no longer in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its segment of code memory was needed.
    Evicted,
    /// Its guest code changed or went away.
    Invalidated,
    /// A region with more entries took its place.
    Rebuilt,
    /// It left for the interpreter too often, at NaNs.
    Retreated,
    /// It may overlook underflows, and the guest uses FPSR.
    Underflow,
}

/// One compiled region.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct RegionRecord {
    /// Number, in order of compilation.
    pub id: u64,
    /// Its compiler; baseline code is one block.
    #[serde(default)]
    pub tier: Tier,
    /// Guest address of the anchor.
    pub pc: u64,
    /// Symbol of the anchor, once somebody has looked it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Guest addresses of all entries, the anchor first.
    pub entries: Vec<u64>,
    /// Guest ranges, (start, end), one for each block.
    pub ranges: Vec<(u64, u64)>,
    /// Guest instructions.
    pub guest_insns: u32,
    /// Host address of the code.
    pub host: u64,
    /// Bytes of host code.
    pub host_bytes: u64,
    /// IR operations before and after optimisation.
    pub ir_ops: (u32, u32),
    /// Operations that call `Eval` on their hot path.
    pub eval_sites: u32,
    /// Memory accesses with a landing pad.
    pub fault_sites: u32,
    /// How often the region had been rebuilt with more entries.
    pub rebuilds: u32,
    /// Wait in the compile queue, nanoseconds.
    pub queue_ns: u64,
    /// Time to compile, all stages, nanoseconds.
    pub compile_ns: u64,
    /// When it was published, nanoseconds after the engine's start.
    pub published_ns: u64,
    /// When and why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<(u64, EndReason)>,
    /// Times it was entered (with --stats; several CPUs may lose some).
    pub executions: u64,
    /// Ticks of the sampling thread that found a CPU in it.
    pub samples: u64,
}

/// A region with what only this process can use.
#[derive(Debug, Default)]
pub struct Region {
    /// What is told.
    pub record: RegionRecord,
    /// Address of the execution count while the region is alive, else 0.
    pub counter: usize,
    /// A copy of the code, for jitdump.
    pub code: Option<Box<[u8]>>,
    /// Host offset and guest address of each stretch of it, for jitdump.
    pub pcs: Vec<(u32, u64)>,
    /// CLOCK_MONOTONIC at publication, nanoseconds.
    pub monotonic_ns: u64,
}

/// A set of guest instructions.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    pages: HashMap<u64, Box<[u64; 16]>>,
    len: u64,
}

impl Distinct {
    pub fn len(&self) -> u64 {
        self.len
    }

    fn insert(&mut self, start: u64, end: u64) {
        for pc in (start..end).step_by(4) {
            let page = self.pages.entry(pc >> 12).or_default();
            let i = (pc >> 2 & 1023) as usize;
            let bit = 1 << (i % 64);
            if page[i / 64] & bit == 0 {
                page[i / 64] |= bit;
                self.len += 1;
            }
        }
    }
}

/// Ticks of the sampling thread over time. When there are too many points, pairs of them are merged.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Nanoseconds between ticks.
    pub tick_ns: u64,
    /// In order of time.
    pub points: Vec<Point>,
}

/// What was seen in one stretch of time.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    /// End of the stretch, nanoseconds after the engine's start.
    pub at_ns: u64,
    /// Ticks by phase, summed over CPUs, in the order of [`Phase::ALL`].
    pub ticks: [u64; Phase::ALL.len()],
    /// Bytes of code memory in use at the end.
    pub code_bytes: u64,
    /// Live regions at the end.
    pub regions: u64,
    /// Live tier-0 blocks at the end.
    pub blocks: u64,
    /// Longest compile queue seen.
    pub queue: u64,
}

const POINTS_MAX: usize = 240;

impl Timeline {
    pub(super) fn push(&mut self, p: Point, width: u64) -> u64 {
        let begun = self.start_of_last();
        match self.points.last_mut() {
            // The last point is not full yet.
            Some(last) if p.at_ns.saturating_sub(begun) < width => merge(last, p),
            _ => self.points.push(p),
        }
        if self.points.len() <= POINTS_MAX {
            return width;
        }
        let mut merged: Vec<Point> = Vec::with_capacity(POINTS_MAX);
        for (i, p) in std::mem::take(&mut self.points).into_iter().enumerate() {
            match merged.last_mut() {
                Some(last) if i % 2 == 1 => merge(last, p),
                _ => merged.push(p),
            }
        }
        self.points = merged;
        width * 2
    }

    fn start_of_last(&self) -> u64 {
        match self.points.len() {
            0 | 1 => 0,
            n => self.points[n - 2].at_ns,
        }
    }
}

fn merge(last: &mut Point, p: Point) {
    for (a, b) in last.ticks.iter_mut().zip(p.ticks) {
        *a += b;
    }
    *last = Point {
        ticks: last.ticks,
        queue: last.queue.max(p.queue),
        ..p
    };
}

/// Everything that is kept only when asked for.
#[derive(Debug, Default)]
pub struct Detail {
    /// Every region published so far.
    pub regions: Vec<Region>,
    by_id: HashMap<u64, usize>,
    by_counter: HashMap<usize, usize>,
    pub(super) tier0: Distinct,
    pub(super) tier1: Distinct,
    pub(super) timeline: Timeline,
    pub(super) width: u64,
    pub(super) sampler_runs: bool,
    /// The open jitdump.
    pub(crate) jitdump: Option<JitDump>,
}

impl Detail {
    /// A block was translated for tier 0.
    pub fn translated(&mut self, start: u64, end: u64) {
        self.tier0.insert(start, end);
    }

    /// A region was published.
    pub fn published(&mut self, r: Region) {
        if r.record.tier == Tier::Optimized {
            for &(start, end) in &r.record.ranges {
                self.tier1.insert(start, end);
            }
        }
        let i = self.regions.len();
        self.by_id.insert(r.record.id, i);
        if r.counter != 0 {
            self.by_counter.insert(r.counter, i);
        }
        self.regions.push(r);
    }

    /// A region was dropped; its counter may be used again.
    pub fn ended(&mut self, id: u64, at_ns: u64, why: EndReason) {
        let Some(&i) = self.by_id.get(&id) else {
            return;
        };
        let r = &mut self.regions[i];
        r.record.executions = executions(r);
        r.record.ended = Some((at_ns, why));
        if self.by_counter.get(&r.counter) == Some(&i) {
            self.by_counter.remove(&r.counter);
        }
        r.counter = 0;
    }

    /// A CPU was seen in the region with this counter.
    pub(super) fn sampled(&mut self, counter: usize) -> Option<Tier> {
        let r = &mut self.regions[*self.by_counter.get(&counter)?];
        r.record.samples += 1;
        Some(r.record.tier)
    }

    /// Records with their counts as of now.
    pub fn records(&self) -> Vec<RegionRecord> {
        let now = |r: &Region| RegionRecord {
            executions: executions(r),
            ..r.record.clone()
        };
        self.regions.iter().map(now).collect()
    }

    /// In a forked child: what the parent did is not ours, but its regions are still there.
    pub(super) fn begin_child(&mut self) {
        self.sampler_runs = false;
        self.jitdump = self.jitdump.take().and_then(|j| j.for_child());
        self.timeline = Timeline::default();
        self.width = 0;
        self.tier0 = Distinct::default();
        self.tier1 = Distinct::default();
        for r in &mut self.regions {
            r.record.samples = 0;
            r.record.published_ns = 0;
            // Counters start again at what they are: subtracting is cheaper than writing to pages shared with the parent.
            r.record.executions = executions(r).wrapping_neg();
        }
        self.regions
            .retain(|r| r.counter != 0 || r.record.ended.is_none());
        self.by_id = self
            .regions
            .iter()
            .enumerate()
            .map(|(i, r)| (r.record.id, i))
            .collect();
        self.by_counter = self
            .regions
            .iter()
            .enumerate()
            .map(|(i, r)| (r.counter, i))
            .collect();
    }
}

/// Entries counted, beginning at `record.executions`.
fn executions(r: &Region) -> u64 {
    if r.counter == 0 {
        return r.record.executions;
    }
    // SAFETY: the count of a live region: a chain slot of its own, mapped as long as the code memory is; read as one aligned word.
    let now = unsafe { &*(r.counter as *const AtomicU64) }.load(Ordering::Relaxed);
    r.record.executions.wrapping_add(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(id: u64, counter: &AtomicU64) -> Region {
        Region {
            record: RegionRecord {
                id,
                pc: 0x1000 * id,
                ranges: vec![(0x1000, 0x1010), (0x1008, 0x1020)],
                ..RegionRecord::default()
            },
            counter: std::ptr::from_ref(counter) as usize,
            ..Region::default()
        }
    }

    #[test]
    fn records_survive_and_counts_stop_at_the_end() {
        let (a, b) = (AtomicU64::new(5), AtomicU64::new(7));
        let mut d = Detail::default();
        d.published(region(1, &a));
        d.published(region(2, &b));
        assert_eq!(d.tier1.len, 8, "overlapping ranges count once");
        d.sampled(std::ptr::from_ref(&a) as usize);
        d.ended(1, 99, EndReason::Evicted);
        a.store(1000, Ordering::Relaxed);
        b.store(9, Ordering::Relaxed);
        d.sampled(std::ptr::from_ref(&a) as usize);
        let r = d.records();
        assert_eq!(
            (r[0].executions, r[0].samples, r[0].ended),
            (5, 1, Some((99, EndReason::Evicted)))
        );
        assert_eq!((r[1].executions, r[1].ended), (9, None));
        d.begin_child();
        b.store(12, Ordering::Relaxed);
        let r = d.records();
        assert_eq!((r.len(), r[0].id, r[0].executions), (1, 2, 3));
    }

    #[test]
    fn the_timeline_stays_short_and_loses_no_tick() {
        let mut t = Timeline::default();
        let mut width = 10;
        for i in 1..=10_000u64 {
            let mut p = Point {
                at_ns: i,
                ..Point::default()
            };
            p.ticks[Phase::Tier1 as usize] = 1;
            width = t.push(p, width);
        }
        assert!(t.points.len() <= POINTS_MAX && t.points.len() > POINTS_MAX / 4);
        let sum: u64 = t
            .points
            .iter()
            .map(|p| p.ticks[Phase::Tier1 as usize])
            .sum();
        assert_eq!(sum, 10_000);
        assert_eq!(t.points.last().map(|p| p.at_ns), Some(10_000));
        assert!(t.points.is_sorted_by_key(|p| p.at_ns));
    }
}
