//! Differential tests over sequences of instructions: the reference interpreter, tier 0 and tier 1, optimised and not, in blocks of
//! one instruction and of many, from the same random state; and QEMU user mode where it is there.
//!
//! `METAPHRASE_FUZZ_CASES` is the number of cases, `METAPHRASE_FUZZ_SEED` the first of their seeds. A failing case is made
//! shorter, printed, and written to `tests/regress`, whose files run with every test.

#![allow(dead_code, reason = "modules shared with other test binaries")]

#[path = "../../../frontend-arm64/tests/common/mod.rs"]
mod common;
mod difftest;
mod engines;
#[path = "../../../frontend-arm64/tests/common/exec.rs"]
mod exec;
mod generate;
mod oracle;
mod programs;
mod regress;
#[path = "../../../frontend-arm64/tests/common/rows.rs"]
mod rows;
mod wordfuzz;

use engines::{Arena, Machine, Way, machine, program_ways, ways};
use exec::{Group, Regs, SIGALRM, SIGSEGV, differences, interpret};
use generate::{Generator, Rng};
use metaphrase_arm64::translate::Config;
use metaphrase_runtime::engine::{EngineConfig, FindUnderflow, JitMode};
use std::collections::BTreeMap;

/// FPSR.UFC, if the executor may leave it clear.
fn overlooked(c: &EngineConfig) -> u32 {
    const UFC: u32 = 1 << 3;
    if c.underflow == FindUnderflow::Never {
        UFC
    } else {
        0
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |s| s.parse().expect(name))
}

/// What the reference and another executor disagree on; `None` if on nothing.
struct Mismatch {
    who: String,
    fields: Vec<String>,
}

/// How two ends of a sequence differ.
fn compare(want: &Regs, got: &Regs) -> Vec<String> {
    let mut d = differences(got, want);
    if want.signo != got.signo && !d.iter().any(|s| s.starts_with("signal")) {
        d.push(format!("signal: ours {}, theirs {}", got.signo, want.signo));
    }
    d
}

fn mismatch(who: &str, want: &Regs, got: &Regs) -> Option<Mismatch> {
    let fields = compare(want, got);
    let who = who.to_string();
    (!fields.is_empty()).then_some(Mismatch { who, fields })
}

/// What the reference says: one instruction at a time, as translated.
fn reference(g: &Group) -> Regs {
    interpret(g, &g.ins[0], &Config::default(), 1, false)
}

/// The reference against itself, in long blocks and optimised.
fn check_optimiser(g: &Group) -> Option<Mismatch> {
    let other = interpret(g, &g.ins[0], &Config::default(), 64, true);
    mismatch("reference interpreter, optimised", &reference(g), &other)
}

/// The reference against a machine.
fn check(arena: &mut Arena, m: &mut Machine, g: &Group) -> Option<Mismatch> {
    let want = reference(g);
    let outs = m.run(arena, g);
    let may_miss = overlooked(&m.engine.config);
    outs.iter().enumerate().find_map(|(n, got)| {
        let missing = want.fpsr & !got.fpsr & may_miss;
        let got = Regs {
            fpsr: got.fpsr | missing,
            ..got.clone()
        };
        mismatch(&format!("{}, run {n}", m.name), &want, &got)
    })
}

/// The case without the instructions that it does not need to fail.
fn shorten(g: &Group, fails: &mut dyn FnMut(&Group) -> bool) -> Group {
    let mut g = g.clone();
    let mut step = g.words.len() / 2;
    while step > 0 {
        let mut at = 0;
        while at < g.words.len() {
            let mut less = g.clone();
            less.words.drain(at..(at + step).min(g.words.len()));
            if !less.words.is_empty() && fails(&less) {
                g = less;
            } else {
                at += step;
            }
        }
        step /= 2;
    }
    regress::clear_registers(&mut g, fails);
    g
}

/// Makes a failing case shorter and writes it to the folder of regressions; the text.
fn record(g: &Group, name: &str, run: &mut dyn FnMut(&Group) -> Option<Mismatch>) -> String {
    let short = shorten(g, &mut |g| run(g).is_some());
    let Some(m) = run(&short) else {
        return format!("{name} does not fail again:\n{}", regress::write(g, ""));
    };
    let comment = format!("{}\n{}", m.who, m.fields.join("\n"));
    let text = regress::write(&short, &comment);
    let path = regress::folder().join(format!("{name}.txt"));
    std::fs::create_dir_all(regress::folder()).expect("a folder");
    std::fs::write(&path, &text).expect("a file");
    format!("{}:\n{text}", path.display())
}

/// Cases by name, through everything; texts of those that fail.
fn run_all(cases: &[(String, Group)], ways: Vec<Way>) -> Vec<String> {
    let mut failed: BTreeMap<&str, String> = BTreeMap::new();
    for (name, g) in cases {
        if check_optimiser(g).is_some() {
            failed.insert(name, record(g, name, &mut |g| check_optimiser(g)));
        }
    }
    let mut arena = Arena::lock();
    for way in ways {
        let compiles = way.1.jit != JitMode::Off;
        let mut m = machine(way);
        for (name, g) in cases {
            *engines::CASE.lock().expect("not poisoned") = name.clone();
            if failed.len() < 10
                && !failed.contains_key(&**name)
                && check(&mut arena, &mut m, g).is_some()
            {
                failed.insert(name, record(g, name, &mut |g| check(&mut arena, &mut m, g)));
            }
        }
        // A few cases may all end before anything is hot.
        let hot = m.compiled_runs() > 0 || cases.len() < 25 || !failed.is_empty();
        assert!(!compiles || hot, "{}: nothing was compiled", m.name);
    }
    failed.into_values().collect()
}

fn assert_none(failed: &[String]) {
    assert!(
        failed.is_empty(),
        "{} cases differ\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn executors_agree() {
    let (seed, cases) = (
        number("METAPHRASE_FUZZ_SEED", 1),
        number("METAPHRASE_FUZZ_CASES", 150),
    );
    let mut generator = Generator::new(false);
    let case = |s| {
        (
            format!("sequence-{s}"),
            generator.sequence(&mut Rng::new(s)),
        )
    };
    let cases: Vec<(String, Group)> = (seed..seed + cases).map(case).collect();
    let faults = cases
        .iter()
        .filter(|(_, g)| reference(g).signo == SIGSEGV)
        .count();
    eprintln!("{} cases, {faults} of them fault", cases.len());
    assert_none(&run_all(&cases, ways()));
}

#[test]
fn programs_agree() {
    let seed = number("METAPHRASE_FUZZ_SEED", 1);
    let cases = number("METAPHRASE_FUZZ_CASES", 150) / 5;
    let mut generator = Generator::new(false);
    let case = |s| {
        let g = programs::program(&mut generator, &mut Rng::new(s));
        (format!("program-{s}"), g)
    };
    // One that does not end is no case.
    let ends = |(_, g): &(String, Group)| reference(g).signo != SIGALRM;
    let cases: Vec<(String, Group)> = (seed..seed + cases).map(case).filter(ends).collect();
    assert_none(&run_all(&cases, program_ways()));
}

/// Every case that failed once. `RUST_LOG=compile=trace` shows the code.
#[test]
fn regressions() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let files = std::fs::read_dir(regress::folder()).into_iter().flatten();
    let cases: Vec<(String, Group)> = files
        .map(|f| {
            let path = f.expect("readable").path();
            let text = std::fs::read_to_string(&path).expect("text");
            let g = regress::read(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            // What fails again is written beside the original.
            let stem = path.file_stem().expect("a name");
            (format!("again-{}", stem.display()), g)
        })
        .collect();
    let mut all = ways();
    all.extend(program_ways());
    assert_none(&run_all(&cases, all));
}
