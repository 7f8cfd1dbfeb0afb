//! What a trace is: the blocks that mostly run after a block that has run often, in the order in which they run.
//!
//! Growth follows branches to the side that has run more, goes into calls and back out of them, and ends where the trace would repeat
//! itself, where execution rarely went, and at regions of the optimizing compiler.

use crate::cache::block::{Block0, Ends};
use crate::cache::tables::Tables;
use crate::cache::unit::Tier;
use metaphrase_arm64::translate;
use metaphrase_backend::bytecode::Op0;

/// Executions of a block's baseline code before a trace that begins there is compiled.
pub const AT: i32 = 4000;

/// How many times sooner loops of vector or floating-point instructions go to the optimizing compiler.
const SOONER: i32 = 4;
const MAX_INSNS: usize = 200;
const MAX_BLOCKS: usize = 48;
/// The next block must have run at least as often as the first divided by this.
const SHARE: u64 = 4;

/// A trace to be compiled.
#[derive(Debug)]
pub struct Trace<'a> {
    /// Its blocks in order.
    pub blocks: Vec<&'a Block0>,
    /// Whether the last leads back to the first.
    pub loops: bool,
}

/// The trace to be compiled now that `hot` has run often. Of a loop it is the one that begins where the loop is entered again (the target
/// of a backward branch), whichever block was the first to be noticed. `None` if there is none or it exists. `missing` gets the guest
/// addresses of blocks that were looked for and are not in the tables.
pub fn choose<'a>(t: &'a Tables, hot: &'a Block0, missing: &mut Vec<u64>) -> Option<Trace<'a>> {
    let mut trace = grow(t, hot, missing);
    if trace.loops && trace.blocks.last().is_some_and(|b| b.pc < hot.pc) {
        let head = trace.blocks.windows(2).find(|w| w[1].pc <= w[0].pc)?[1];
        trace = grow(t, head, missing);
    }
    let head = trace.blocks[0];
    let plain = t
        .entry((head.pc, head.mode))
        .is_some_and(|e| e.tier == Tier::Baseline);
    (plain && (trace.loops || trace.blocks.len() > 1)).then_some(trace)
}

fn grow<'a>(t: &'a Tables, head: &'a Block0, missing: &mut Vec<u64>) -> Trace<'a> {
    let mut blocks = vec![head];
    let mut insns = head.words.len();
    let mut returns = Vec::new();
    let least = head.own_executions() / SHARE;
    let mut last = head;
    let loops = loop {
        let Some(next) = follow(t, last, &mut returns, missing) else {
            break false;
        };
        if next == head.pc {
            break true;
        }
        let Some(b) = t.block((next, head.mode)) else {
            missing.push(next);
            break false;
        };
        insns += b.words.len();
        if insns > MAX_INSNS
            || blocks.len() == MAX_BLOCKS
            || b.is_empty()
            || b.executions() < least
            || ends_at(b)
            || blocks.iter().any(|x| x.pc == next)
        {
            break false;
        }
        blocks.push(b);
        last = b;
    };
    Trace { blocks, loops }
}

/// Regions, and traces that are loops, are entered, not repeated.
fn ends_at(b: &Block0) -> bool {
    b.unit()
        .is_some_and(|(u, _)| u.tier == Tier::Optimized || u.loops)
}

/// Guest address where execution mostly goes on after `b`. `returns`: return sites of the calls that the trace is in.
fn follow(t: &Tables, b: &Block0, returns: &mut Vec<u64>, missing: &mut Vec<u64>) -> Option<u64> {
    let Some(s) = b.code.succ else {
        let site = (b.ends == Ends::Return).then(|| returns.pop()).flatten();
        let to = site.or_else(|| usual(b))?;
        if b.ends == Ends::Call {
            returns.push(b.pc.wrapping_add(b.len()));
        }
        return Some(to);
    };
    if b.ends == Ends::Call {
        returns.push(b.pc.wrapping_add(b.len()));
        return Some(s.taken);
    }
    if b.code.ops.last().is_some_and(|o| o.op == Op0::Goto) {
        return Some(s.taken);
    }
    let mut ran = |pc| match t.block((pc, b.mode)) {
        Some(b) => b.executions(),
        None => {
            missing.push(pc);
            0
        }
    };
    Some(if ran(s.taken) > ran(s.fall) {
        s.taken
    } else {
        s.fall
    })
}

/// Whether it is worth knowing where the block's indirect branch goes. Returns are foreseen by their calls.
pub fn notes(b: &Block0) -> bool {
    b.ends == Ends::Call || translate::ends_with_steady_br(&b.words)
}

/// How often code that is no loop runs before the optimizing compiler has a look at it, when loops do so `threshold` times: a region that is
/// entered for each of its executions loads and stores more registers than better code saves.
pub fn straight(threshold: i32) -> i32 {
    threshold.saturating_mul(1024)
}

/// How often a trace runs before the optimizing compiler has a look at it, when loops in general do so `threshold` times: those that
/// compute with vector registers gain the most.
pub fn runs(blocks: &[&Block0], loops: bool, threshold: i32) -> i32 {
    let insns: usize = blocks.iter().map(|b| b.words.len()).sum();
    let words = blocks.iter().flat_map(|b| b.words.iter());
    let simd = words.filter(|&&w| translate::is_simd(w)).count();
    let n = match loops {
        true if simd * 2 >= insns => threshold / SOONER,
        true => threshold,
        false => straight(threshold),
    };
    n - AT
}

/// Where an indirect branch goes nearly always, if its code knows.
fn usual(b: &Block0) -> Option<u64> {
    let (u, _) = b.unit()?;
    match u.tier {
        Tier::Baseline if notes(b) => {
            let (to, changes) = u.targets()?;
            let ran = b.own_executions();
            (ran >= AT as u64 / 4 && changes < ran / 16).then_some(to)
        }
        Tier::Trace => u.ranges.get(1).map(|r| r.0),
        Tier::Baseline | Tier::Optimized => None,
    }
}
