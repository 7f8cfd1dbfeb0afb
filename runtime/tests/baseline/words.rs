//! Blocks of random AArch64 words.

use crate::harness::{Bench, Rng, random_memory, random_state, rounds};
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::decode::CLASSES;
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_backend::abi::MODE_ROUNDING;
use metaphrase_backend::arena;
use metaphrase_backend::bytecode::build::Builder;
use metaphrase_backend::bytecode::{Bytecode, Op0};
use metaphrase_ir::Unit;
use metaphrase_ir::helper::HelperId;
use metaphrase_runtime::cache::block::{Block0, Ends};
use metaphrase_runtime::engine::FPCR_MODE;
use metaphrase_runtime::vcpu::TEMPS_OFFSET;

const PC: u64 = 0x40_0000;

pub fn block(pc: u64, words: &[u32], mode: u64) -> Option<Block0> {
    let mut unit = Unit::new(&SLOTS);
    unit.mode = mode;
    let cfg = Config {
        feats: FeatSet(u64::MAX),
        ..Config::default()
    };
    let mut fetch = |at: u64| words.get(at.wrapping_sub(pc) as usize / 4).copied();
    let id = translate_block(&mut unit, &cfg, pc, &mut fetch, words.len() as u32);
    let block = unit.blocks[id.0 as usize].clone();
    let code = Builder::default().build(&unit, &block, TEMPS_OFFSET).ok()?;
    Some(Block0::new(
        pc,
        mode,
        arena::slice(words),
        code,
        Ends::Other,
        None,
    ))
}

/// Whether two executions may differ: it reads the clock, or moves memory and may ask for a stop.
pub fn unsteady(c: &Bytecode) -> bool {
    let unsteady = [HelperId::SysRead as u64, HelperId::MemOp as u64];
    c.ops
        .iter()
        .any(|o| o.op == Op0::Call && unsteady.contains(&c.evals()[o.imm as usize].inst.imm))
}

/// A word of a random row, its register fields often small so that instructions depend on each other.
pub fn word(r: &mut Rng, rows: &[(u32, u32)]) -> u32 {
    let (mask, value) = rows[r.below(rows.len() as u64) as usize];
    let mut w = r.next() as u32;
    if r.below(3) != 0 {
        w &= !0b1_1000_0000_0000_0011_0001_1000;
    }
    w & !mask | value
}

fn run(seed: u64, rows: &[(u32, u32)], blocks: u32, longest: u64) {
    let mut bench = Bench::new();
    let mut r = Rng(seed);
    let memory = random_memory(&mut r);
    let (mut compared, mut described, mut inline) = (0, 0, 0);
    for n in 0..blocks * rounds() {
        let len = 1 + r.below(longest);
        let words: Vec<u32> = (0..len).map(|_| word(&mut r, rows)).collect();
        let mode = match r.below(8) {
            0 => r.next() & FPCR_MODE as u64,
            1 => r.next() & MODE_ROUNDING,
            _ => 0,
        };
        let Some(b) = block(PC, &words, mode) else {
            continue;
        };
        if unsteady(&b.code) {
            continue;
        }
        let d = b.code.evals().len() as u32;
        described += d;
        inline += d.saturating_sub(bench.baseline.compile(&b.code, PC, mode).unwrap().evals);
        for k in 0..4 {
            let mut g = random_state(&mut r);
            g.fpcr = mode as u32;
            let what = || format!("seed {seed} block {n}.{k}: words {words:08x?}, mode {mode:x}");
            let rest = |pc: u64| block(pc, &words[(pc - PC) as usize / 4..], mode);
            bench.check(&b, &g, &memory, &rest, &what);
            compared += 1;
        }
    }
    assert!(compared > blocks, "{compared} of {blocks} compared");
    assert!(
        inline > described / 5,
        "{inline} of {described} ops have templates"
    );
}

pub fn rows(keep: impl Fn(usize) -> bool) -> Vec<(u32, u32)> {
    let all = CLASSES.iter().enumerate().filter(|(i, _)| keep(*i));
    all.flat_map(|(_, c)| c.iter())
        .map(|row| (row.mask, row.value))
        .collect()
}

#[test]
fn single_words_of_every_row() {
    let mut bench = Bench::new();
    let mut r = Rng(77);
    let memory = random_memory(&mut r);
    for row in rows(|_| true) {
        for _ in 0..10 * rounds() {
            let w = word(&mut r, &[row]);
            let Some(b) = block(PC, &[w], 0) else {
                continue;
            };
            if unsteady(&b.code) {
                continue;
            }
            for _ in 0..3 {
                let g = random_state(&mut r);
                bench.check(&b, &g, &memory, &|_| block(PC, &[w], 0), &|| {
                    format!("word {w:08x}")
                });
            }
        }
    }
}

#[test]
fn random_blocks() {
    run(1, &rows(|_| true), 3000, 12);
}

#[test]
fn random_integer_blocks() {
    let simple = |(mask, value): &(u32, u32)| {
        let _ = mask;
        value >> 25 & 0b111 != 0b111
    };
    let rows: Vec<_> = rows(|_| true).into_iter().filter(simple).collect();
    run(2, &rows, 4000, 24);
}
