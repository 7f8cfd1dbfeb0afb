//! What a trace is: the blocks that mostly run after a block that has run often, in the order in which they run.
//!
//! Growth follows branches to the side that has run more, goes into calls and back out of them, and ends where the trace would repeat
//! itself, where execution rarely went, and at regions of the optimizing compiler.

use crate::cache::block::Block0;
use crate::cache::tables::Tables;
use metaphrase_backend::bytecode::Op0;

/// Executions of a block's baseline code before a trace that begins there is compiled.
pub const AT: i32 = 4000;

const MAX_INSNS: usize = 100;
const MAX_BLOCKS: usize = 24;
/// The next block must have run at least as often as the first divided by this.
const SHARE: u64 = 4;

/// The trace that begins at `head`, and whether its last block leads back there.
pub fn grow<'a>(t: &'a Tables, head: &'a Block0) -> (Vec<&'a Block0>, bool) {
    let mut blocks = vec![head];
    let mut insns = head.words.len();
    let mut returns = Vec::new();
    let least = head.own_executions() / SHARE;
    let mut last = head;
    loop {
        let Some(next) = follow(t, last, &mut returns) else {
            return (blocks, false);
        };
        if next == head.pc {
            return (blocks, true);
        }
        let key = (next, head.mode);
        let Some(b) = t.block(key) else {
            return (blocks, false);
        };
        insns += b.words.len();
        if insns > MAX_INSNS
            || blocks.len() == MAX_BLOCKS
            || b.is_empty()
            || b.executions() < least
            || t.optimized(key).is_some()
            || blocks.iter().any(|x| x.pc == next)
        {
            return (blocks, false);
        }
        blocks.push(b);
        last = b;
    }
}

/// Guest address where execution mostly goes on after `b`. `returns`: return sites of the calls that the trace is in.
fn follow(t: &Tables, b: &Block0, returns: &mut Vec<u64>) -> Option<u64> {
    let Some(s) = b.code.succ else {
        return b.ends_with_return.then(|| returns.pop()).flatten();
    };
    if b.ends_with_call {
        returns.push(b.pc.wrapping_add(b.len()));
        return Some(s.taken);
    }
    if b.code.ops.last().is_some_and(|o| o.op == Op0::Goto) {
        return Some(s.taken);
    }
    let ran = |pc| t.block((pc, b.mode)).map_or(0, Block0::executions);
    Some(if ran(s.taken) > ran(s.fall) {
        s.taken
    } else {
        s.fall
    })
}
