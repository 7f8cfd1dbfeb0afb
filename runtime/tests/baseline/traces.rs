//! Traces of random blocks against tier 0 running the same blocks one after another.

use crate::harness::{Bench, Effect, Out, Rng, random_memory, random_state, rounds};
use crate::words::{block, rows, unsteady, word};
use metaphrase_arm64::arch::state::GuestState;
use metaphrase_backend::baseline::trace::Part;
use metaphrase_runtime::cache::block::Block0;

const HEAD: u64 = 0x40_0000;
/// Executions that the bench sets a counter to.
const COUNT: u32 = 1000;

/// The blocks of a trace, with the words from which each was made.
struct Blocks(Vec<(Block0, Vec<u32>)>);

/// Offset of a branch from `pc` in `bits` bits.
fn offset(pc: u64, to: u64, bits: u32) -> u32 {
    (to.wrapping_sub(pc) >> 2) as u32 & ((1 << bits) - 1)
}

impl Blocks {
    fn random(r: &mut Rng, rows: &[(u32, u32)]) -> Option<Blocks> {
        let mut blocks = Vec::new();
        let mut pc = HEAD;
        let mut returns: Vec<u64> = Vec::new();
        let mut used = vec![HEAD];
        for _ in 0..2 + r.below(7) {
            let len = r.below(6);
            let mut words: Vec<u32> = (0..len).map(|_| word(r, rows)).collect();
            let at = pc + len * 4;
            let away = if r.below(4) == 0 { HEAD } else { HEAD + 0x800 };
            let far = HEAD + 0x1000 * (1 + blocks.len() as u64);
            let (last, next) = branch(r, at, far, away, &mut returns);
            words.push(last);
            let b = block(pc, &words, 0)?;
            // A random word may have ended the block before its branch.
            if unsteady(&b.code) || b.words.len() != words.len() || used.contains(&next) {
                return None;
            }
            blocks.push((b, words));
            used.push(next);
            pc = next;
        }
        Some(Blocks(blocks))
    }

    /// What tier 0 does from block `k` on, `first` being what it has done of it, and `count` entries left at the head.
    fn go_on(&self, bench: &mut Bench, used: usize, mut k: usize, first: Effect) -> Effect {
        let mut count = COUNT;
        let mut e = first;
        loop {
            let to = match e.out {
                Out::Direct(to) | Out::Lookup(to) => to,
                _ => return e,
            };
            let direct = matches!(e.out, Out::Direct(_));
            if k + 1 < used && self.0[k + 1].0.pc == to {
                k += 1;
            } else if direct && to == HEAD {
                count -= 1;
                if count == 0 {
                    e.out = Out::Hot(HEAD);
                    return e;
                }
                k = 0;
            } else {
                return e;
            }
            e = bench.go_on(&self.0[k].0);
        }
    }
}

/// A branch at `at` and where the trace goes on after it: to `far` or behind it; if it goes elsewhere, then to `away`.
fn branch(r: &mut Rng, at: u64, far: u64, away: u64, returns: &mut Vec<u64>) -> (u32, u64) {
    let conditional = |r: &mut Rng, to: u64| match r.below(4) {
        0 => 0x5400_0000 | offset(at, to, 19) << 5 | r.below(16) as u32,
        1 => 0x3400_0000 | (r.next() as u32 & 0x8100_0007) | offset(at, to, 19) << 5,
        2 => 0x3600_0000 | (r.next() as u32 & 0x81f8_0007) | offset(at, to, 14) << 5,
        // Some flags are known.
        _ => 0x5400_0000 | offset(at, to, 19) << 5 | r.below(2) as u32,
    };
    match r.below(6) {
        0 | 1 => (conditional(r, away), at + 4),
        2 => (conditional(r, far), far),
        3 => (0x1400_0000 | offset(at, far, 26), far),
        4 => {
            returns.push(at + 4);
            (0x9400_0000 | offset(at, far, 26), far)
        }
        _ => match returns.pop() {
            Some(back) => (0xd65f_03c0, back),
            None => (conditional(r, away), at + 4),
        },
    }
}

fn check(bench: &mut Bench, t: &Blocks, g: &GuestState, memory: &[u8], what: &str) -> usize {
    let parts: Vec<Part<'_>> =
        t.0.iter()
            .enumerate()
            .map(|(n, (b, _))| Part {
                code: &b.code,
                pc: b.pc,
                guarded: n % 2 == 1,
            })
            .collect();
    let (unit, used) = bench.load_trace(&parts).expect("compiled");
    let first = bench.tier0(&t.0[0].0, g, memory);
    let want = t.go_on(bench, used, 0, first);
    let mut got = bench.translated(&unit, g, memory);
    let faulted = matches!(got.out, Out::Fault(_));
    // Tier 0 alone knows tagged pointers: the engine goes on there.
    if let Out::Fault(pc) = got.out
        && let Some((k, (b, words))) =
            t.0.iter()
                .enumerate()
                .find(|(_, (b, _))| pc >= b.pc && pc < b.pc + b.len())
        && let Some(rest) = block(pc, &words[(pc - b.pc) as usize / 4..], 0)
    {
        let e = bench.go_on(&rest);
        got = t.go_on(bench, used, k, e);
    }
    bench.unload(&unit);
    if faulted && want.out == Out::Hot(HEAD) {
        // How often the loop had been round before the fault is not known.
        return used;
    }
    assert!(
        want == got,
        "{what}: {} of {} blocks, want {:x?}, got {:x?}\n{:x?}\n{:x?}",
        used,
        parts.len(),
        want.out,
        got.out,
        (&want.x, want.flags, &want.rest),
        (&got.x, got.flags, &got.rest),
    );
    used
}

#[test]
fn random_traces() {
    let mut bench = Bench::new();
    let mut r = Rng(5);
    let memory = random_memory(&mut r);
    // Not the branches and system instructions.
    let rows: Vec<_> = rows(|_| true)
        .into_iter()
        .filter(|(_, value)| value >> 26 & 0b111 != 0b101)
        .collect();
    let (mut traces, mut long) = (0, 0);
    for n in 0..12_000 * rounds() {
        let Some(t) = Blocks::random(&mut r, &rows) else {
            continue;
        };
        for k in 0..3 {
            let mut g = random_state(&mut r);
            g.fpcr = 0;
            let used = check(&mut bench, &t, &g, &memory, &format!("trace {n}.{k}"));
            traces += 1;
            long += (used > 3) as u32;
        }
    }
    assert!(traces > 2000 && long > 500, "{traces} traces, {long} long");
}
