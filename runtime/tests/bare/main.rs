//! The engine alone on a freestanding guest: no Linux personality, just `write` and `exit`. The same source runs natively for the
//! expected output.

mod guest;
mod images;

use metaphrase_runtime::engine::{EngineConfig, JitMode};
use metaphrase_runtime::stats::{Collect, Counter, Phase, RegionRecord, Stats};

/// What becomes of a block that was queued for the optimizing compiler.
const ENDED: [Counter; 5] = [
    Counter::CompileRegions,
    Counter::CompileFailed,
    Counter::CompileNotNeeded,
    Counter::CompileNoRoom,
    Counter::CompileStale,
];

fn run_guest(jit: JitMode, threshold: u32, scale: u32, collect: Collect) {
    let Some(program) = guest::Program::build(scale) else {
        return;
    };
    let config = EngineConfig {
        jit,
        threshold,
        collect,
        ..EngineConfig::default()
    };
    let (engine, ran) = program.run(config, |_, _| ());
    eprintln!(
        "{jit:?} threshold {threshold} scale {scale}: {:?}",
        ran.wall
    );
    let wall = ran.wall;
    program.check(&ran);
    let s = engine.stats();
    agree(&s, ran.calls, jit == JitMode::Background);
    if collect.stats {
        agree_in_detail(&s, wall.as_nanos() as u64);
    }
}

/// What must hold between the counters of one CPU. `racing`: another thread compiles.
fn agree(s: &Stats, calls: u64, racing: bool) {
    use Counter::*;
    let sum = |list: &[Counter]| list.iter().map(|&c| s.get(c)).sum::<u64>();
    let runs = sum(&[Tier0Runs, Tier1Runs]);
    assert_eq!(s.get(Syscalls), calls);
    assert_eq!(runs, sum(&[BlockHits, BlockMisses]));
    let left = [
        LeftUnlinkedBlock,
        LeftUnlinkedSlot,
        JumpMisses,
        Tier0Indirect,
        LeftAttention,
        LeftStop,
        LeftTrap,
        LeftFault,
        LeftRetry,
        LeftHot,
        LeftAlign,
    ];
    assert_eq!(runs, sum(&left));
    assert_eq!(s.get(BlockMisses) - s.get(TableHits), s.get(Tier0Blocks));
    assert!(
        s.get(Tier0Insns) >= s.get(Tier0Blocks) && s.get(Tier0Bytes) >= 16 * s.get(Tier0Blocks)
    );
    if !racing {
        assert_eq!(s.cache.blocks, s.get(Tier0Blocks));
        assert_eq!(
            s.cache.regions,
            sum(&[CompileRegions]) - sum(&[CompileRebuilds])
        );
        assert_eq!(s.get(Queued), 0);
    } else {
        assert!(sum(&ENDED) + s.cache.queued <= s.get(Queued));
    }
    let (time, entered) = (
        sum(&[TimeTier1, TimeBaseline]),
        sum(&[Tier1Entries, BaselineExecutions]),
    );
    assert_eq!(time != 0, entered != 0, "both only when asked for");
}

fn agree_in_detail(s: &Stats, wall: u64) {
    use Counter::*;
    let spent: u64 = Phase::ALL.iter().map(|&p| s.phase_ns(p)).sum();
    assert!(
        spent <= wall + wall / 50 && spent >= wall / 2,
        "{spent} of {wall}"
    );
    assert_eq!(s.regions.len() as u64, s.get(CompileRegions));
    let total = |f: fn(&RegionRecord) -> u64| s.regions.iter().map(f).sum::<u64>();
    assert_eq!(total(|r| r.host_bytes), s.get(CompileBytes));
    assert_eq!(total(|r| r.guest_insns as u64), s.get(CompileInsns));
    assert_eq!(total(|r| r.executions), s.get(Tier1Entries));
    let covered = |r: &RegionRecord| r.ranges.iter().map(|x| (x.1 - x.0) / 4).sum::<u64>();
    assert!(
        s.regions
            .iter()
            .all(|r| covered(r) > 0 && r.entries[0] == r.pc)
    );
    assert!(
        s.get(CompileDistinct) <= s.get(Tier0Distinct) && s.get(Tier0Distinct) <= s.get(Tier0Insns)
    );
    // The stop flag was never set, so whoever goes in is counted; what is left over came through chain slots.
    // Baseline code that has become hot leaves at once and is not counted.
    let entered = s.get(Tier1Entries) + s.get(BaselineExecutions) + s.get(LeftHot);
    assert!(entered >= s.get(Tier1Runs) + s.get(JumpHits));
    assert_eq!(s.get(BaselineExecutions) != 0, s.get(BaselineBlocks) != 0);
    let ended = s.regions.iter().filter(|r| r.ended.is_some()).count() as u64;
    assert_eq!(
        ended,
        s.get(CompileRebuilds) + s.get(EvictedRegions) + s.get(InvalidatedRegions)
    );
    let hottest: Vec<u64> = s
        .blocks
        .iter()
        .map(|b| b.executions * b.guest_insns as u64)
        .collect();
    assert!(!hottest.is_empty() && hottest.is_sorted_by(|a, b| a >= b));
}

#[test]
fn all_modes_agree_with_the_host() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let scale = std::env::var("BARE_SCALE")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    // One after another: the guest is linked at a fixed address.
    let (plain, stats) = (
        Collect::default(),
        Collect {
            stats: true,
            ..Collect::default()
        },
    );
    for collect in [plain, stats] {
        run_guest(JitMode::Off, 60, scale, collect);
        run_guest(JitMode::Sync, 1, scale, collect);
        run_guest(JitMode::Sync, 60, scale, collect);
        run_guest(JitMode::Background, 60, scale, collect);
        run_guest(JitMode::Background, 1500, scale, collect);
    }
}
