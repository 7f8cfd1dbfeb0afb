//! Several engines in one process, and what is left of an engine that is gone. Must not know Linux: the guest is a few words.

use metaphrase_runtime::engine::{Engine, EngineConfig, JitMode};
use metaphrase_runtime::env::{Environment, Exception, Flow};
use metaphrase_runtime::stats::Counter;
use metaphrase_runtime::vcpu::Vcpu;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Adds what x1 points to, x0 times, into x2.
static LOOP: [u32; 5] = [
    0xf940_0023, // ldr x3, [x1]
    0x8b03_0042, // add x2, x2, x3
    0xf100_0400, // subs x0, x0, #1
    0x54ff_ffa1, // b.ne .-12
    0xd400_0001, // svc #0
];

struct Words<'a> {
    code: &'a [u32],
    fault: Option<u64>,
}

impl Environment for Words<'_> {
    fn fetch(&mut self, pc: u64) -> Option<u32> {
        let n = pc.wrapping_sub(self.code.as_ptr() as u64) / 4;
        self.code.get(n as usize).copied()
    }
    fn exception(&mut self, _: &mut Vcpu, e: Exception) -> Flow {
        match e {
            Exception::Svc(0) => Flow::Leave(0),
            Exception::Fault { addr, .. } => {
                self.fault = Some(addr);
                Flow::Leave(1)
            }
            other => panic!("{other:?}"),
        }
    }
    fn interrupted(&mut self, _: &mut Vcpu) -> Flow {
        Flow::Continue
    }
}

/// The fault handlers are the process's, and threads are counted: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    let g = ONE.lock().unwrap_or_else(|e| e.into_inner());
    metaphrase_runtime::signal::install(|sig, _, _| {
        eprintln!("host signal {sig}");
        std::process::abort();
    })
    .unwrap();
    g
}

fn engine(jit: JitMode) -> Engine {
    let c = EngineConfig {
        jit,
        threshold: 20,
        ..EngineConfig::default()
    };
    Engine::new(c).unwrap()
}

/// Runs the loop; the sum, or the address of the fault.
fn run(e: &Engine, cpu: &mut Vcpu, times: u64, at: u64) -> Result<u64, u64> {
    let r = cpu.regs_mut();
    (r.pc, r.x[0], r.x[1], r.x[2]) = (LOOP.as_ptr() as u64, times, at, 0);
    let mut env = Words {
        code: &LOOP,
        fault: None,
    };
    match e.run(cpu, &mut env) {
        0 => Ok(cpu.regs().x[2]),
        _ => Err(env.fault.unwrap()),
    }
}

#[test]
fn each_engine_finds_its_own_faults() {
    let _g = alone();
    let number = 5u64;
    let at = &raw const number as u64;
    let mut all: Vec<(Engine, Vcpu)> = (0..3)
        .map(|_| (engine(JitMode::Sync), Vcpu::new()))
        .collect();
    for (e, cpu) in &mut all {
        assert_eq!(run(e, cpu, 1000, at), Ok(5000));
        assert!(e.stats().get(Counter::CompileRegions) > 0);
    }
    while !all.is_empty() {
        for (e, cpu) in &mut all {
            assert_eq!(run(e, cpu, 1000, 0x30), Err(0x30));
        }
        all.remove(0);
    }
}

#[test]
fn a_cpu_may_change_engines() {
    let _g = alone();
    let number = 3u64;
    let at = &raw const number as u64;
    let mut cpu = Vcpu::new();
    for _ in 0..4 {
        // The next one is likely to get the memory of this one's blocks.
        let e = engine(JitMode::Sync);
        assert_eq!(run(&e, &mut cpu, 1000, at), Ok(3000));
    }
}

/// Calls the function behind it x0 times, which adds to x2.
static CALLS: [u32; 6] = [
    0xd63f_0080, // blr x4
    0xf100_0400, // subs x0, x0, #1
    0x54ff_ffc1, // b.ne .-8
    0xd400_0001, // svc #0
    0x9100_0442, // add x2, x2, #1
    0xd65f_03c0, // ret
];

#[test]
fn code_that_changed_while_a_cpu_was_away_is_not_executed() {
    let _g = alone();
    let baseline = EngineConfig {
        jit: JitMode::Sync,
        ..EngineConfig::default()
    };
    for e in [engine(JitMode::Sync), Engine::new(baseline).unwrap()] {
        let mut cpu = Vcpu::new();
        let mut code = CALLS.to_vec();
        let start = code.as_ptr() as u64;
        for n in 1..4 {
            code[4] = CALLS[4] + ((n - 1) << 10);
            e.invalidate(start, start + 24);
            let r = cpu.regs_mut();
            (r.pc, r.x[0], r.x[2], r.x[4]) = (start, 1000, 0, start + 16);
            let mut env = Words {
                code: &code,
                fault: None,
            };
            assert_eq!(e.run(&mut cpu, &mut env), 0);
            assert_eq!(cpu.regs().x[2], 1000 * n as u64);
        }
    }
}

fn compile_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("comm")).ok())
        .filter(|c| c.trim() == "mp-compile")
        .count()
}

/// Mappings as large as an engine's code memory. (The C library's memory for threads that were there is smaller.)
fn large_mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let number = |s: &str| u64::from_str_radix(s, 16).unwrap();
    let range = |l: &str| {
        let (a, z) = l.split(' ').next()?.split_once('-')?;
        Some(number(z) - number(a))
    };
    let large = EngineConfig::default().cache_size as u64;
    maps.lines().filter(|l| range(l) >= Some(large)).count()
}

#[test]
fn an_engine_gives_back_memory_and_threads() {
    let _g = alone();
    let number = 1u64;
    let at = &raw const number as u64;
    let before = large_mappings();
    for _ in 0..8 {
        let e = engine(JitMode::Background);
        let mut cpu = Vcpu::new();
        assert_eq!(run(&e, &mut cpu, 100_000, at), Ok(100_000));
        assert!(large_mappings() > before);
        assert!(e.stats().get(Counter::Queued) > 0);
    }
    let end = Instant::now() + Duration::from_secs(30);
    while compile_threads() > 0 || large_mappings() > before {
        assert!(Instant::now() < end, "{} of {before}", large_mappings());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Blocks that become hot together do not make their common region again and again: it is there by the time that they are looked at.
#[test]
fn blocks_hot_together_make_one_region() {
    let _g = alone();
    let code = [
        0x3600_0060, // loop: tbz x0, #0, even
        0x9100_0442, // add x2, x2, #1
        0x1400_0002, // b next
        0x9100_0842, // even: add x2, x2, #2
        0xf100_0400, // next: subs x0, x0, #1
        0x54ff_ff61, // b.ne loop
        0xd400_0001, // svc #0
    ];
    let c = EngineConfig {
        threshold: 2000,
        ..EngineConfig::default()
    };
    let e = Engine::new(c).unwrap();
    let mut cpu = Vcpu::new();
    let r = cpu.regs_mut();
    (r.pc, r.x[0]) = (code.as_ptr() as u64, 20_000_000);
    let mut env = Words {
        code: &code,
        fault: None,
    };
    assert_eq!(e.run(&mut cpu, &mut env), 0);
    assert_eq!(cpu.regs().x[2], 30_000_000);
    let s = e.stats();
    assert_eq!(s.get(Counter::CompileRegions), 1);
    assert_eq!(s.get(Counter::CompileRebuilds), 0);
}

/// Guest code that makes calls, `left` of which are answered.
struct Calls<'a> {
    words: Words<'a>,
    left: u64,
}

impl Environment for Calls<'_> {
    fn fetch(&mut self, pc: u64) -> Option<u32> {
        self.words.fetch(pc)
    }
    fn exception(&mut self, _: &mut Vcpu, e: Exception) -> Flow {
        assert!(matches!(e, Exception::Svc(0)), "{e:?}");
        self.left -= 1;
        match self.left {
            0 => Flow::Leave(0),
            _ => Flow::Continue,
        }
    }
    fn interrupted(&mut self, _: &mut Vcpu) -> Flow {
        Flow::Continue
    }
}

/// Runs code that makes a call each time around; counters.
fn calls(code: &[u32], times: u64) -> impl Fn(Counter) -> u64 {
    let c = EngineConfig {
        jit: JitMode::Sync,
        threshold: 6000,
        ..EngineConfig::default()
    };
    let e = Engine::new(c).unwrap();
    let mut cpu = Vcpu::new();
    cpu.regs_mut().pc = code.as_ptr() as u64;
    let mut env = Calls {
        words: Words { code, fault: None },
        left: times,
    };
    assert_eq!(e.run(&mut cpu, &mut env), 0);
    let s = e.stats();
    move |c| s.get(c)
}

#[test]
fn only_loops_become_regions() {
    let _g = alone();
    // Leaves the host's code each time around.
    let straight = [
        0x9100_0442, // again: add x2, x2, #1
        0xb400_0042, // cbz x2, .+8
        0x9100_0842, // add x2, x2, #2
        0xd400_0001, // svc #0
        0x17ff_fffc, // b again
    ];
    let get = calls(&straight, 50_000);
    assert!(get(Counter::BaselineTraces) > 0);
    assert_eq!(get(Counter::CompileRegions), 0);
    // The same around a loop, which becomes a region by itself: two instructions.
    let around = [
        0x9100_0442, // again: add x2, x2, #1
        0xb400_0042, // cbz x2, .+8
        0xd280_0143, // movz x3, #10
        0xf100_0463, // loop: subs x3, x3, #1
        0x54ff_ffe1, // b.ne loop
        0xb400_0042, // cbz x2, .+8
        0x9100_0842, // add x2, x2, #2
        0xd400_0001, // svc #0
        0x17ff_fff8, // b again
    ];
    let get = calls(&around, 5000);
    assert_eq!(get(Counter::CompileRegions), 1);
    assert_eq!(get(Counter::CompileInsns), 2);
}

/// Many small blocks, some of them short loops, in a loop that adds their numbers into x2, x0 times; their sum.
fn many_blocks(n: u32) -> (Vec<u32>, u64) {
    let mut code = Vec::new();
    for i in 0..n {
        let number = i & 0xfff;
        code.push(0x9100_0042 | number << 10); // add x2, x2, #number
        code.push(0xb400_0041); // cbz x1, .+8
        if i % 64 == 0 {
            // movz x3, #200; subs x3, x3, #1; b.ne .-4
            code.extend([0xd280_1903, 0xf100_0463, 0x54ff_ffe1]);
        }
    }
    code.push(0xf100_0400); // subs x0, x0, #1
    let back = -(code.len() as i32);
    code.push(0x5400_0001 | (back as u32 & 0x7_ffff) << 5); // b.ne
    code.push(0xd400_0001); // svc #0
    (code, (0..n).map(|i| (i & 0xfff) as u64).sum())
}

#[test]
fn code_that_does_not_fit_is_evicted_while_several_compile() {
    let _g = alone();
    let (code, sum) = many_blocks(6000);
    let c = EngineConfig {
        threshold: 20,
        threads: 3,
        cache_size: 256 << 10,
        ..EngineConfig::default()
    };
    let e = Engine::new(c).unwrap();
    let rounds = 60;
    let mut cpu = Vcpu::new();
    let r = cpu.regs_mut();
    (r.pc, r.x[0], r.x[1]) = (code.as_ptr() as u64, rounds, 1);
    let mut env = Words {
        code: &code,
        fault: None,
    };
    assert_eq!(e.run(&mut cpu, &mut env), 0);
    assert_eq!(cpu.regs().x[2], sum * rounds);
    assert!(e.stats().get(Counter::Evictions) > 0);
    assert!(e.stats().get(Counter::CompileRegions) > 0);
}

/// Runs another CPU of the same engine when the guest makes a call.
struct Nested<'a> {
    words: Words<'a>,
    engine: &'a Engine,
    at: u64,
}

impl Environment for Nested<'_> {
    fn fetch(&mut self, pc: u64) -> Option<u32> {
        self.words.fetch(pc)
    }
    fn exception(&mut self, _: &mut Vcpu, _: Exception) -> Flow {
        let mut other = Vcpu::new();
        let sum = run(self.engine, &mut other, 400_000, self.at);
        assert_eq!(sum, Ok(800_000));
        Flow::Leave(0)
    }
    fn interrupted(&mut self, _: &mut Vcpu) -> Flow {
        Flow::Continue
    }
}

#[test]
fn cpus_count_executions_apart_and_each_gets_better_code() {
    let _g = alone();
    let number = 2u64;
    let e = Engine::new(EngineConfig {
        jit: JitMode::Sync,
        threshold: 300_000,
        ..EngineConfig::default()
    })
    .unwrap();
    let mut cpu = Vcpu::new();
    let r = cpu.regs_mut();
    (r.pc, r.x[0], r.x[1]) = (LOOP.as_ptr() as u64, 10, &raw const number as u64);
    let mut env = Nested {
        words: Words {
            code: &LOOP,
            fault: None,
        },
        engine: &e,
        at: r.x[1],
    };
    // The first CPU makes the baseline code; the second, which counts elsewhere, runs it long enough for a trace and a region.
    assert_eq!(e.run(&mut cpu, &mut env), 0);
    let s = e.stats();
    let get = |c| s.get(c);
    assert_eq!(get(Counter::CompileRegions), 1);
    assert_eq!(get(Counter::BaselineTraces), 1);
    // 4000 executions, then rounds of 32767 up to 300 000.
    let hot = get(Counter::LeftHot);
    assert!((5..15).contains(&hot), "{hot}");
    // Code of another CPU is the first one's too.
    assert_eq!(run(&e, &mut cpu, 1000, &raw const number as u64), Ok(2000));
}
