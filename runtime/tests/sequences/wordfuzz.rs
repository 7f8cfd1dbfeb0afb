//! Nothing that a guest executes makes the translator panic: random words, valid or not, run in a process of their own in every
//! executor. What they compute is not looked at (`difftest` does), only that the process survives.
//!
//! The environment answers system calls with nothing, skips what is refused, and ends what does not end. `METAPHRASE_WORDFUZZ_CASES`
//! is the number of cases, `METAPHRASE_FUZZ_SEED` the first of their seeds.

use crate::engines::{self, Arena, Machine, machine};
use crate::exec::{CODE, CODE_BYTES, Group, Regs};
use crate::generate::{AT, Rng, interesting, state};
use crate::number;
use metaphrase_arm64::decode::CLASSES;
use metaphrase_runtime::env::{Environment, Exception, Flow};
use metaphrase_runtime::vcpu::Vcpu;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Cases of one process.
const SHARE: u64 = 25_000;
/// Words of a case.
const WORDS: u64 = 12;
/// Refusals that a case may survive.
const SKIPS: u32 = 24;
/// A tier-1 compile costs much more than a case: every so many cases meet it.
const TIER1_EVERY: u64 = 200;
/// Runs after which every executor has compiled what it will.
const RUNS: u32 = 4;

/// The guest's world: refuses everything, and counts.
struct Nothing {
    skips: u32,
    stops: u32,
}

impl Environment for Nothing {
    fn fetch(&mut self, pc: u64) -> Option<u32> {
        // SAFETY: the code area is mapped.
        (pc.wrapping_sub(CODE) < CODE_BYTES).then(|| unsafe { (pc as *const u32).read() })
    }

    fn exception(&mut self, cpu: &mut Vcpu, e: Exception) -> Flow {
        self.skips += 1;
        let inside = cpu.regs().pc.wrapping_sub(AT) < 4 * WORDS;
        if self.skips > SKIPS || !inside {
            return Flow::Leave(0);
        }
        if !matches!(e, Exception::Svc(_)) {
            cpu.regs_mut().pc += 4;
        }
        Flow::Continue
    }

    fn interrupted(&mut self, _: &mut Vcpu) -> Flow {
        self.stops += 1;
        match self.stops {
            ..3 => Flow::Continue,
            _ => Flow::Leave(0), // a loop
        }
    }
}

/// A random word: anything, a word of some row, or that with one bit turned over.
fn word(rng: &mut Rng) -> u32 {
    let class = CLASSES[rng.below(CLASSES.len() as u64) as usize];
    let row = &class[rng.below(class.len() as u64) as usize];
    let w = rng.next() as u32;
    let of_row = w & !row.mask | row.value;
    match rng.below(4) {
        0 => w,
        1 => of_row ^ 1 << rng.below(32),
        _ => of_row,
    }
}

fn case(seed: u64) -> Group {
    let mut rng = Rng::new(seed);
    let words = (0..WORDS).map(|_| word(&mut rng)).collect();
    let mut start: Regs = state(&mut rng);
    for _ in 0..8 {
        start.x[rng.below(31) as usize] = interesting(&mut rng);
    }
    Group {
        words,
        at: AT,
        memory: true,
        ins: vec![start],
    }
}

fn run(m: &mut Machine, arena: &mut Arena, g: &Group) {
    arena.reset();
    for _ in 0..m.runs().min(RUNS) {
        let mut world = Nothing { skips: 0, stops: 0 };
        m.survive(g, &mut world);
    }
    m.forget(g);
}

/// The cases of one process: it must come to its end.
#[test]
#[ignore = "one share of the cases, in a process of its own because a panic or a fault would end all; run by: cargo test -p metaphrase-runtime --test sequences random_words_do_not_panic"]
fn share() {
    let (first, cases) = (
        number("METAPHRASE_FUZZ_SEED", 1),
        number("METAPHRASE_WORDFUZZ_SHARE", 100),
    );
    let mut arena = Arena::lock();
    for (name, config, runs) in engines::ways() {
        let tier1 = name.contains("tier 1");
        let m = &mut machine((name, config, runs));
        let done = AtomicBool::new(false);
        let engine = m.engine.clone();
        std::thread::scope(|s| {
            s.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(3));
                    engine.stop_all();
                }
            });
            for seed in (first..first + cases).filter(|s| !tier1 || s % TIER1_EVERY == 0) {
                let g = case(seed);
                *engines::CASE.lock().expect("not poisoned") =
                    format!("{name}, seed {seed}, {:08x?}", g.words);
                run(m, &mut arena, &g);
            }
            done.store(true, Ordering::Relaxed);
        });
    }
    println!("survived {cases} cases");
}

#[test]
fn random_words_do_not_panic() {
    let cases = number("METAPHRASE_WORDFUZZ_CASES", 2000);
    let first = number("METAPHRASE_FUZZ_SEED", 1);
    let this = std::env::current_exe().expect("a test binary");
    let mut at = 0;
    while at < cases {
        let n = SHARE.min(cases - at);
        let out = Command::new(&this)
            .args(["wordfuzz::share", "--exact", "--ignored", "--nocapture"])
            .env("METAPHRASE_FUZZ_SEED", (first + at).to_string())
            .env("METAPHRASE_WORDFUZZ_SHARE", n.to_string())
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&out.stdout);
        let errors = String::from_utf8_lossy(&out.stderr);
        let survived = text.contains(&format!("survived {n} cases"));
        assert!(
            out.status.success() && survived,
            "{}\n{text}{errors}",
            out.status
        );
        at += n;
        if cases > 100_000 {
            eprintln!("{at} of {cases} cases");
        }
    }
}
