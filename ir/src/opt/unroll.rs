//! Small loops several times over: what a way around costs besides its work (the poll, values that the loop carries in the
//! form that paths share) is then paid once for several.
//!
//! The original leads to the copies, and these go round among themselves: they are no entries, so what holds at the end of each way
//! around holds at its beginning, whatever it was outside.
//!
//! Not in the list of passes: it pays for code that is compiled once and runs for long. A loop here is what leads from the
//! target of a backward branch to that branch; only innermost ones are taken. Relies on values not leaving their block; knows
//! guest addresses as an order and a length only.

use crate::exit::{Dest, Exit};
use crate::inst::Value;
use crate::unit::{Block, BlockId, Unit};

/// Most bytes of guest code that all copies of a loop have together.
const MOST_BYTES: u32 = 40 * 4;
/// Most copies.
const MOST_COPIES: u32 = 4;

/// Unrolls the unit's small innermost loops.
pub fn run(unit: &mut Unit) {
    for (head, body) in loops(unit) {
        let bytes: u32 = body.iter().map(|&b| block(unit, b).guest_len).sum();
        let copies = (MOST_BYTES / bytes.max(1)).min(MOST_COPIES) - 1;
        let heads: Vec<BlockId> = (0..copies).map(|_| copy(unit, &body)).collect();
        for (n, &from) in heads.iter().enumerate() {
            let to = heads[(n + 1) % heads.len()];
            let copied = (from.0..).map(BlockId).take(body.len());
            go_round(unit, copied, head, to);
        }
        go_round(unit, body.into_iter(), head, heads[0]);
    }
}

/// Has `body` lead to `to` where it led to `head`.
fn go_round(unit: &mut Unit, body: impl Iterator<Item = BlockId>, head: BlockId, to: BlockId) {
    for b in body {
        for d in dests(&mut unit.blocks[b.0 as usize].exit) {
            if *d == Dest::Block(head) {
                *d = Dest::Block(to);
            }
        }
    }
}

fn block(unit: &Unit, id: BlockId) -> &Block {
    &unit.blocks[id.0 as usize]
}

/// The places that name where a block goes.
fn dests(exit: &mut Exit) -> impl Iterator<Item = &mut Dest> {
    let (x, y) = match exit {
        Exit::Goto { dest, .. } => (Some(dest), None),
        Exit::Branch { taken, fall, .. } => (Some(taken), Some(fall)),
        Exit::Indirect { .. } | Exit::Trap { .. } => (None, None),
    };
    x.into_iter().chain(y)
}

/// Blocks of the unit that a block goes to.
fn successors(b: &Block) -> Vec<BlockId> {
    let mut exit = b.exit;
    let inside = dests(&mut exit).filter_map(|d| match *d {
        Dest::Block(id) => Some(id),
        Dest::Pc(_) => None,
    });
    inside.collect()
}

/// Heads and bodies (the head first) of the innermost loops that are small enough.
fn loops(unit: &Unit) -> Vec<(BlockId, Vec<BlockId>)> {
    let mut from: Vec<Vec<BlockId>> = vec![Vec::new(); unit.blocks.len()];
    // Backward branches, as (to, from).
    let mut back = Vec::new();
    for (i, b) in unit.blocks.iter().enumerate() {
        let id = BlockId(i as u32);
        for to in successors(b) {
            from[to.0 as usize].push(id);
            if block(unit, to).pc <= b.pc {
                back.push((to, id));
            }
        }
    }
    let mut heads: Vec<BlockId> = back.iter().map(|b| b.0).collect();
    heads.sort_unstable();
    heads.dedup();
    let bodies = heads.iter().filter_map(|&head| {
        let latches = back.iter().filter(|b| b.0 == head).map(|b| b.1);
        let body = body(unit, &from, head, latches.collect())?;
        let inner = body[1..].iter().any(|b| heads.binary_search(b).is_ok());
        (!inner).then_some((head, body))
    });
    bodies.collect()
}

/// The blocks from which one of `todo` is reached without passing `head`; `None` if they are too many.
fn body(
    unit: &Unit,
    from: &[Vec<BlockId>],
    head: BlockId,
    mut todo: Vec<BlockId>,
) -> Option<Vec<BlockId>> {
    let mut body = vec![head];
    let mut bytes = block(unit, head).guest_len;
    while let Some(b) = todo.pop() {
        if body.contains(&b) {
            continue;
        }
        body.push(b);
        bytes += block(unit, b).guest_len;
        if bytes > MOST_BYTES / 2 {
            return None;
        }
        todo.extend(&from[b.0 as usize]);
    }
    (bytes <= MOST_BYTES / 2).then_some(body)
}

/// Appends a copy of `body`, which leads to the original head. Returns the copy's head.
fn copy(unit: &mut Unit, body: &[BlockId]) -> BlockId {
    let first = unit.blocks.len() as u32;
    for &b in body {
        let mut b = block(unit, b).clone();
        let (old, at) = (b.start..b.end, unit.insts.len() as u32);
        let moved = |v: &mut Value| {
            if *v != Value::NONE {
                v.0 = v.0 - old.start + at;
            }
        };
        for i in old.clone() {
            let mut inst = unit.insts[i as usize];
            inst.args.iter_mut().for_each(moved);
            unit.insts.push(inst);
        }
        if let Exit::Branch { cond: v, .. } | Exit::Indirect { target: v, .. } = &mut b.exit {
            moved(v);
        }
        for d in dests(&mut b.exit) {
            let place = body.iter().position(|&b| *d == Dest::Block(b));
            if let Some(n) = place.filter(|&n| n > 0) {
                *d = Dest::Block(BlockId(first + n as u32));
            }
        }
        (b.start, b.end, b.entry) = (at, unit.insts.len() as u32, false);
        unit.blocks.push(b);
    }
    BlockId(first)
}
