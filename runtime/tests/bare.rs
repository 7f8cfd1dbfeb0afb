//! The engine alone on a freestanding guest: no Linux personality, just `write` and `exit`. The same source runs natively for the
//! expected output.

use metaphrase_runtime::engine::{Engine, EngineConfig, JitMode};
use metaphrase_runtime::env::{Environment, Exception, Flow};
use metaphrase_runtime::stats::{Collect, Counter, Phase, RegionRecord, Stats};
use metaphrase_runtime::vcpu::Vcpu;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Bare {
    out: Vec<u8>,
    code: (u64, u64),
    calls: u64,
}

impl Environment for Bare {
    fn fetch(&mut self, pc: u64) -> Option<u32> {
        // SAFETY: inside the loaded text.
        (pc >= self.code.0 && pc < self.code.1).then(|| unsafe { (pc as *const u32).read() })
    }
    fn exception(&mut self, cpu: &mut Vcpu, e: Exception) -> Flow {
        self.calls += 1;
        let r = cpu.regs_mut();
        match (e, r.x[8]) {
            (Exception::Svc(0), 64) => {
                // SAFETY: the guest passes its own buffer.
                let b = unsafe { std::slice::from_raw_parts(r.x[1] as *const u8, r.x[2] as usize) };
                self.out.extend_from_slice(b);
                r.x[0] = r.x[2];
                Flow::Continue
            }
            (Exception::Svc(0), 93) => Flow::Leave(r.x[0] as i32),
            other => panic!("{other:?} at {:x}", cpu.regs().pc),
        }
    }
    fn interrupted(&mut self, _: &mut Vcpu) -> Flow {
        Flow::Continue
    }
}

fn build(cc: &str, scale: u32, out: &Path) -> bool {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/bare.c");
    let args = [
        "-O2",
        "-static",
        "-nostdlib",
        "-fno-stack-protector",
        "-fno-builtin",
        "-ffp-contract=off",
        "-w",
    ];
    let run = Command::new(cc)
        .args(args)
        .arg(format!("-DSCALE={scale}"))
        .arg("-o")
        .arg(out)
        .arg(src)
        .status();
    match run {
        Ok(s) => {
            assert!(s.success(), "{cc} failed");
            true
        }
        Err(_) => {
            assert!(
                std::env::var_os("METAPHRASE_REQUIRE_ORACLES").is_none(),
                "{cc} is missing"
            );
            eprintln!("SKIPPED: {cc} is missing");
            false
        }
    }
}

/// Maps the program's segments at their addresses; returns entry and text range.
fn load(elf: &[u8]) -> (u64, (u64, u64)) {
    let u64at = |o: usize| u64::from_le_bytes(elf[o..o + 8].try_into().unwrap());
    let u16at = |o: usize| u16::from_le_bytes(elf[o..o + 2].try_into().unwrap());
    let (entry, phoff, n) = (u64at(24), u64at(32) as usize, u16at(56) as usize);
    let mut text = (0, 0);
    for p in (0..n).map(|i| phoff + i * 56) {
        if elf[p] != 1 {
            continue;
        }
        let (off, va, filesz, memsz) = (
            u64at(p + 8) as usize,
            u64at(p + 16),
            u64at(p + 32) as usize,
            u64at(p + 40),
        );
        let (start, end) = (va & !0xfff, (va + memsz).next_multiple_of(4096));
        // SAFETY: fresh memory at the guest's link address, below anything of the host's.
        unsafe {
            let p = libc::mmap(
                start as *mut _,
                (end - start) as usize,
                3,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            );
            assert_eq!(p as u64, start);
            std::ptr::copy_nonoverlapping(elf[off..].as_ptr(), va as *mut u8, filesz);
        }
        if elf[p + 4] & 1 != 0 {
            text = (start, end);
        }
    }
    (entry, text)
}

fn run_guest(jit: JitMode, threshold: u32, scale: u32, collect: Collect) {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (guest, native) = (
        dir.join(format!("bare-{scale}-a64")),
        dir.join(format!("bare-{scale}-host")),
    );
    if !build("aarch64-linux-gnu-gcc", scale, &guest) || !build("gcc", scale, &native) {
        return;
    }
    let want = Command::new(&native).output().unwrap();
    let (entry, code) = load(&std::fs::read(&guest).unwrap());
    let mut env = Bare {
        out: Vec::new(),
        code,
        calls: 0,
    };
    metaphrase_runtime::signal::install(|sig, _, _| {
        eprintln!("host signal {sig}");
        std::process::abort();
    })
    .unwrap();
    let engine = Engine::new(EngineConfig {
        jit,
        threshold,
        collect,
        ..EngineConfig::default()
    })
    .unwrap();
    let mut cpu = Vcpu::new();
    let mut stack = vec![0u8; 1 << 20];
    cpu.regs_mut().sp = (stack.as_mut_ptr() as u64 + (1 << 20) - 64) & !15;
    cpu.regs_mut().pc = entry;
    let t = std::time::Instant::now();
    let status = engine.run(&mut cpu, &mut env);
    // Before the snapshot and the comparisons, which are not the guest's time.
    let wall = t.elapsed();
    eprintln!(
        "{jit:?} threshold {threshold} scale {scale}: {:?}",
        t.elapsed()
    );
    assert_eq!(
        String::from_utf8_lossy(&env.out),
        String::from_utf8_lossy(&want.stdout)
    );
    assert_eq!(status, want.status.code().unwrap());
    let s = engine.stats();
    agree(&s, env.calls, jit == JitMode::Background);
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
    let ended = [
        CompileRegions,
        CompileFailed,
        CompileNotNeeded,
        CompileNoRoom,
        CompileStale,
    ];
    if !racing {
        assert_eq!(s.cache.blocks, s.get(Tier0Blocks));
        assert_eq!(
            s.cache.regions,
            sum(&[CompileRegions]) - sum(&[CompileRebuilds])
        );
        assert_eq!(s.get(Queued), 0);
    } else {
        assert!(sum(&ended) + s.cache.queued <= s.get(Queued));
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
