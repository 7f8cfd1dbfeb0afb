//! Every row, executed: our translation in the reference interpreter against qemu-aarch64, from random complete states.
//!
//! `METAPHRASE_ORACLE_CASES` is the number of words for each row (each from four states), `METAPHRASE_ORACLE_ONLY` picks rows
//! whose name contains it, `METAPHRASE_ORACLE_SEED` another sequence.

#![allow(dead_code, reason = "shared modules of the test binaries")]

mod common;
#[path = "common/exec.rs"]
mod exec;
#[path = "common/rows.rs"]
mod rows;

use common::Rng;
use exec::Oracle;
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::sysreg;
use metaphrase_arm64::decode::{self, CLASSES};
use metaphrase_ir::arith::FPSR_BITS;
use rows::{COMMON, config, explained, group, has_lse2};
use std::collections::BTreeMap;

const STATES: usize = 4;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |s| s.parse().expect(name))
}

#[test]
fn rows_agree_with_qemu() {
    let Some(oracle) = Oracle::find() else { return };
    let mut rng = Rng(number("METAPHRASE_ORACLE_SEED", 0) ^ 0x1234_5678_9abc_def1);
    let only = std::env::var("METAPHRASE_ORACLE_ONLY").unwrap_or_default();
    let words = number("METAPHRASE_ORACLE_CASES", 6);
    let mut groups = Vec::new();
    for row in CLASSES.iter().flat_map(|c| c.iter()) {
        if row.name.contains(&only) && COMMON.has(row.feat) {
            for _ in 0..words {
                groups.extend(group(&mut rng, row, groups.len(), STATES));
            }
        }
    }
    let theirs = oracle.run(&groups);
    let lse2 = has_lse2(&oracle);
    let cfg = config(lse2);
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut cases = 0;
    for (g, theirs) in groups.iter().zip(&theirs) {
        let last = *g.words.last().expect("not empty");
        let row = decode::row_of(last, FeatSet::IMPLEMENTED).expect("made from a row");
        for (i, t) in g.ins.iter().zip(theirs) {
            let ours = exec::ours(g, i, &cfg);
            if explained(row, last, &ours, t, lse2) {
                continue;
            }
            cases += 1;
            let mut t = t.clone();
            // QEMU keeps the fields that AArch32 has there; here they are RES0.
            t.fpcr &= sysreg::FPCR_BITS | sysreg::FPCR_FZ16;
            t.fpsr &= FPSR_BITS;
            let d = exec::differences(&ours, &t);
            if !d.is_empty() {
                let e = wrong
                    .entry(format!("{}::{}", row.class, row.name))
                    .or_default();
                e.push(format!("{:08x?} at {:x}: {}", g.words, g.at, d.join("; ")));
            }
        }
    }
    eprintln!("{cases} cases");
    let list: Vec<String> = wrong
        .iter()
        .map(|(k, v)| format!("{k} ({}): {}", v.len(), v[0]))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} rows differ:\n{}",
        list.len(),
        list.join("\n")
    );
    assert!(cases > 0);
}
