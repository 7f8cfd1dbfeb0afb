//! Every row, one instruction at a time and in sequences, through every executor, against QEMU user mode.
//!
//! A batch is one word of each row with many states (or many sequences). QEMU runs the next batch while the executors here run this
//! one. The reference interpreter is compared with QEMU, but for the differences that `rows.rs` explains; every other executor
//! with the reference interpreter, on the very same cases. What differs is written to `tests/regress`.
//!
//! `tests/difftest` is the command for the whole run. The test command runs a share of it: `METAPHRASE_DIFFTEST_BATCHES` batches
//! of `METAPHRASE_DIFFTEST_STATES` states from the seed `METAPHRASE_FUZZ_SEED`; `METAPHRASE_DIFFTEST_ONLY` picks rows by name.
//! `METAPHRASE_DIFFTEST_REPORT` names a file for the numbers.

use crate::common;
use crate::engines::{self, Arena, Way, machine, ways};
use crate::exec::{Group, Oracle, Regs, SIGALRM, SIGSEGV, differences, interpret};
use crate::generate::{Generator, Rng};
use crate::rows::{COMMON, config, explained, group, has_lse2};
use crate::{compare, number, regress};
use metaphrase_arm64::arch::features::Model;
use metaphrase_arm64::arch::sysreg;
use metaphrase_arm64::decode::CLASSES;
use metaphrase_arm64::decode::pattern::Row;
use metaphrase_arm64::translate::Config;
use metaphrase_ir::arith::FPSR_BITS;
use metaphrase_runtime::engine::EngineConfig;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Rows that are not executed here, with the reason.
const NOT_HERE: &[(&str, &str)] = &[
    ("Svc", "a system call: tests/user"),
    (
        "Sys",
        "tests/filetests/translate, tests/user, sequences of `generate.rs`",
    ),
    ("Sysl", "UNDEFINED at EL0 whatever it names"),
    ("Wfet", "QEMU may wait for ever"),
    ("Wfit", "QEMU may wait for ever"),
];

/// What the whole run counts.
#[derive(Default)]
struct Tally {
    /// Cases by class and row: compared with QEMU.
    rows: BTreeMap<(&'static str, &'static str), u64>,
    /// Cases by class and row that differ from QEMU as explained.
    explained: BTreeMap<(&'static str, &'static str), u64>,
    /// Instructions in sequences, and sequences from a state.
    sequences: (u64, u64),
    /// Comparisons of other executors with the reference, by executor.
    executors: BTreeMap<&'static str, u64>,
    /// Of these, an underflow overlooked by an executor that may ([`crate::overlooked`]).
    underflows: BTreeMap<&'static str, u64>,
    /// What differed.
    failed: Vec<String>,
}

/// A batch: groups, and for each its row (none for sequences).
struct Batch {
    groups: Vec<Group>,
    rows: Vec<Option<&'static Row>>,
}

fn wanted_rows() -> Vec<&'static Row> {
    let only = std::env::var("METAPHRASE_DIFFTEST_ONLY").unwrap_or_default();
    CLASSES
        .iter()
        .flat_map(|c| c.iter())
        .filter(|r| r.name.contains(&only) && COMMON.has(r.feat))
        .collect()
}

/// One word of each row; every fourth batch, sequences too.
fn batch(seed: u64, states: usize) -> Batch {
    let mut rng = common::Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut b = Batch {
        groups: Vec::new(),
        rows: Vec::new(),
    };
    for row in wanted_rows() {
        let draw = (0..20).find_map(|_| {
            let mut g = group(&mut rng, row, b.groups.len(), states)?;
            if row.class == "Branch" {
                // BLR to itself does not end, for QEMU either.
                let (cfg, ins) = (config(true), std::mem::take(&mut g.ins));
                g.ins = ins
                    .into_iter()
                    .filter(|i| interpret(&g, i, &cfg, 1, false).signo != SIGALRM)
                    .collect();
            }
            (!g.ins.is_empty()).then_some(g)
        });
        b.rows.extend(draw.is_some().then_some(Some(row)));
        b.groups.extend(draw);
    }
    if seed.is_multiple_of(4) && std::env::var_os("METAPHRASE_DIFFTEST_ONLY").is_none() {
        let mut generator = Generator::new(true);
        for n in 0..100 {
            let mut rng = Rng::new(seed << 16 | n);
            let mut g = generator.sequence(&mut rng);
            g.ins
                .extend((1..states).map(|_| crate::generate::state(&mut rng)));
            b.groups.push(g);
            b.rows.push(None);
        }
    }
    for g in &mut b.groups {
        few_modes(g, &mut rng);
    }
    b
}

/// Each value of FPCR has its own translation: a group gets few of them, one after the other, batches others.
fn few_modes(g: &mut Group, rng: &mut common::Rng) {
    let modes = [0; 3].map(|_: u32| rng.word() & 0x07c8_0000);
    for (n, i) in g.ins.iter_mut().enumerate().filter(|(_, i)| i.fpcr != 0) {
        i.fpcr = modes[n % modes.len()];
    }
    g.ins.sort_by_key(|i| i.fpcr);
}

/// Differences of sequences that are right: what an instruction with several accesses transferred before its fault is not
/// architectural; QEMU names a tagged address without its tag, and x86-64 does not say what an address was that it cannot have.
fn explained_sequence(ours: &Regs, theirs: &Regs) -> bool {
    ours.signo == SIGSEGV
        && (ours.signo, ours.pc, ours.sp, ours.x) == (theirs.signo, theirs.pc, theirs.sp, theirs.x)
}

/// The reference interpreter's results of a batch, each compared with QEMU's.
fn references(
    b: &Batch,
    theirs: &[Vec<Regs>],
    cfg: &Config,
    lse2: bool,
    t: &mut Tally,
) -> Vec<Vec<Regs>> {
    let mut all = Vec::new();
    for ((g, row), theirs) in b.groups.iter().zip(&b.rows).zip(theirs) {
        let outs: Vec<Regs> = g
            .ins
            .iter()
            .map(|i| interpret(g, i, cfg, 1, false))
            .collect();
        for ((i, ours), theirs) in g.ins.iter().zip(&outs).zip(theirs) {
            let mut theirs = theirs.clone();
            let last = *g.words.last().expect("not empty");
            let d = match row {
                Some(row) if explained(row, last, ours, &theirs, lse2) => {
                    *t.explained.entry((row.class, row.name)).or_default() += 1;
                    continue;
                }
                Some(row) => {
                    *t.rows.entry((row.class, row.name)).or_default() += 1;
                    // QEMU keeps the fields that AArch32 has there; here they are RES0.
                    theirs.fpcr &= sysreg::FPCR_BITS | sysreg::FPCR_FZ16;
                    theirs.fpsr &= FPSR_BITS;
                    differences(ours, &theirs)
                }
                None => {
                    theirs.fpsr &= FPSR_BITS;
                    t.sequences.0 += g.words.len() as u64;
                    t.sequences.1 += 1;
                    let mut d = differences(ours, &theirs);
                    d.retain(|_| !explained_sequence(ours, &theirs));
                    d
                }
            };
            if !d.is_empty() {
                t.fail("qemu", row.map_or("sequence", |r| r.name), g, i, &d);
            }
        }
        all.push(outs);
    }
    all
}

impl Tally {
    /// Writes a case that differs; the first of each row and executor.
    fn fail(&mut self, who: &str, what: &str, g: &Group, i: &Regs, d: &[String]) {
        let name = format!("difftest-{}-{what}", who.replace([' ', ','], "-"));
        if self.failed.len() >= 50 || self.failed.iter().any(|f| f.starts_with(&name)) {
            return;
        }
        let one = Group {
            ins: vec![i.clone()],
            ..g.clone()
        };
        let text = regress::write(&one, &format!("{who}\n{}", d.join("\n")));
        let path = regress::folder().join(format!("{name}.txt"));
        let _ = std::fs::create_dir_all(regress::folder());
        let _ = std::fs::write(path, &text);
        eprintln!("DIFFERS {name}:\n{text}");
        self.failed.push(format!("{name}:\n{text}"));
    }
}

/// One executor on a batch, compared with the reference.
fn run_way(arena: &mut Arena, way: Way, b: &Batch, want: &[Vec<Regs>], t: &mut Tally) {
    let may_miss = crate::overlooked(&way.1);
    let mut m = machine(way);
    let mut missed = 0;
    for ((g, row), want) in b.groups.iter().zip(&b.rows).zip(want) {
        let name = row.map_or("sequence", |r| r.name);
        *engines::CASE.lock().expect("not poisoned") = format!("{name} {:08x?}", g.words);
        let outs = m.run_states(arena, g);
        for ((i, got), want) in g.ins.iter().zip(outs).zip(want) {
            let missing = want.fpsr & !got.fpsr & may_miss;
            missed += u64::from(missing != 0);
            let got = Regs {
                fpsr: got.fpsr | missing,
                ..got
            };
            *t.executors.entry(m.name).or_default() += 1;
            if got == *want {
                continue;
            }
            let d = compare(want, &got);
            if !d.is_empty() {
                t.fail(m.name, name, g, i, &d);
            }
        }
    }
    *t.underflows.entry(m.name).or_default() += missed;
}

/// The executors of a batch, for the CPU that the emulator has: two of them in a long run, in turns; else all.
fn executors(cfg: &Config, batch: u64, turns: bool) -> Vec<Way> {
    let cpu = Model {
        name: "difftest",
        ..cfg.model()
    };
    ways()
        .into_iter()
        .enumerate()
        .filter(|&(n, _)| !turns || n as u64 == batch % 7 || n as u64 == (batch + 3) % 7)
        .map(|(_, way)| way)
        .map(|(name, c, runs)| (name, EngineConfig { cpu, ..c }, runs))
        .collect()
}

#[test]
fn rows_agree_with_qemu() {
    let Some(oracle) = Oracle::find() else { return };
    let batches = number("METAPHRASE_DIFFTEST_BATCHES", 1);
    let states = number("METAPHRASE_DIFFTEST_STATES", 3) as usize;
    let seed = number("METAPHRASE_FUZZ_SEED", 1) * 4;
    let lse2 = has_lse2(&oracle);
    let cfg = config(lse2);
    let mut t = Tally::default();
    std::thread::scope(|s| {
        let ask = |n: u64| {
            let oracle = &oracle;
            s.spawn(move || {
                let b = batch(seed + n, states);
                let theirs = oracle.run(&b.groups);
                (b, theirs)
            })
        };
        let mut next = Some(ask(0));
        for n in 0..batches {
            let (b, theirs) = next.take().expect("asked").join().expect("no panic");
            next = (n + 1 < batches).then(|| ask(n + 1));
            let want = references(&b, &theirs, &cfg, lse2, &mut t);
            let mut arena = Arena::lock();
            for way in executors(&cfg, n, batches > 4) {
                run_way(&mut arena, way, &b, &want, &mut t);
            }
            drop(arena);
            if batches > 4 {
                eprintln!(
                    "{} of {batches} batches, {} cases",
                    n + 1,
                    t.rows.values().sum::<u64>()
                );
            }
            t.write_report();
        }
    });
    eprintln!("{}", t.report().lines().next().unwrap_or(""));
    t.every_row_was_there();
    assert!(
        t.failed.is_empty(),
        "{} differences\n{}",
        t.failed.len(),
        t.failed.join("\n")
    );
}

impl Tally {
    /// Each row was decoded, translated and executed by at least one case in every executor.
    fn every_row_was_there(&self) {
        for r in wanted_rows() {
            let key = (r.class, r.name);
            let cases = self.rows.get(&key).unwrap_or(&0) + self.explained.get(&key).unwrap_or(&0);
            let elsewhere = NOT_HERE.iter().any(|n| n.0 == r.name);
            assert!(
                cases > 0 || elsewhere,
                "{}::{} was not executed",
                r.class,
                r.name
            );
        }
    }

    /// The numbers so far, where they are wanted.
    fn write_report(&self) {
        if let Some(path) = std::env::var_os("METAPHRASE_DIFFTEST_REPORT") {
            std::fs::write(path, self.report()).expect("the report is written");
        }
    }

    /// The numbers, as a page.
    fn report(&self) -> String {
        let total: u64 = self.rows.values().sum();
        let explained: u64 = self.explained.values().sum();
        let mut out = format!(
            "{total} cases of {} rows agree with QEMU or are among {} differences; {explained} more differ as explained\n",
            self.rows.len(),
            self.failed.len()
        );
        let (insns, sequences) = self.sequences;
        let _ = writeln!(
            out,
            "{sequences} sequences from a state, {insns} instructions"
        );
        for (name, n) in &self.executors {
            let u = self.underflows.get(name).unwrap_or(&0);
            let _ = writeln!(
                out,
                "{n} cases of `{name}` compared with the reference interpreter; an underflow not seen in {u}"
            );
        }
        for ((class, name), n) in &self.rows {
            let x = self.explained.get(&(*class, *name)).unwrap_or(&0);
            let _ = writeln!(out, "{class} {name} {n} {x}");
        }
        out
    }
}
