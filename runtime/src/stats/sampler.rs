//! The sampling thread: once a millisecond notes what each CPU does and in which region. Runs only with `--stats`.
//!
//! It reads single words that CPUs publish, never stops them, and holds the engine weakly so that it ends with it.

use super::clock::Phase;
use super::detail::Point;
use crate::cache::unit::Tier;
use crate::compile::tier1::Tier1;
use metaphrase_backend::abi::FrameHeader;
use std::mem::offset_of;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Time between two ticks.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Width of a point of the time line at first.
const WIDTH_NS: u64 = 2_000_000;

/// Starts the thread unless it runs or nobody wants it.
pub(crate) fn start(engine: &Arc<Tier1>) {
    if !engine.stats.collect.stats {
        return;
    }
    let Some(mut d) = engine.stats.detail() else {
        return;
    };
    if std::mem::replace(&mut d.sampler_runs, true) {
        return;
    }
    d.timeline.tick_ns = TICK.as_nanos() as u64;
    d.width = WIDTH_NS;
    drop(d);
    let weak = Arc::downgrade(engine);
    let b = std::thread::Builder::new()
        .name("mp-stats".into())
        .stack_size(256 << 10);
    let r = crate::signal::keep_library_signals(|| b.spawn(move || run(&weak)));
    if let Err(e) = r {
        tracing::warn!(target: "stats", "no sampling thread: {e}");
    }
}

fn run(engine: &Weak<Tier1>) {
    crate::compile::tier1::block_all_signals();
    loop {
        std::thread::sleep(TICK);
        let Some(e) = engine.upgrade() else { return };
        tick(&e);
    }
}

fn tick(e: &Tier1) {
    let mut p = Point {
        at_ns: e.stats.now_ns(),
        queue: e.queued() as u64,
        code_bytes: e.code_in_use().1,
        ..Point::default()
    };
    // Tables, then CPUs, then records: the order in which a fork takes them.
    {
        let t = e.tables.read();
        p.blocks = t.len() as u64;
        p.regions = t.regions().count() as u64;
    }
    let cpus = e.cpus.lock();
    let Some(mut d) = e.stats.detail() else {
        return;
    };
    for c in cpus.iter() {
        let mut phase = Phase::of(c.phase.load(Ordering::Relaxed));
        if phase == Phase::Tier1 {
            let region = c.header_word(offset_of!(FrameHeader, region));
            if d.sampled(region as usize)
                .is_some_and(|t| t != Tier::Optimized)
            {
                phase = Phase::Baseline;
            }
        }
        p.ticks[phase as usize] += 1;
    }
    let width = d.width;
    d.width = d.timeline.push(p, width);
}
