//! What a region is: a connected piece of executed guest code, at most [`MAX_INSNS`] instructions, grown from a hot block.
//!
//! Only blocks that tier 0 has executed are included, from the words that tier 0 read; so nothing is ever decoded past what
//! execution reached, guest memory is not touched, and cold sides of branches stay out. Growth follows direct branches and
//! fall-through, and resumes at the return sites of calls, which become entries (returns arrive there from outside).
//! Growth stops at entries of units that exist already: the exit is chained to them.

use crate::cache::block::Block0;
use crate::cache::tables::{Key, Tables};
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::translate::{self, Config};
use metaphrase_ir::{Dest, Exit, Unit};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Most guest instructions in a region.
pub const MAX_INSNS: usize = 300;

/// A region as IR, with what it was made from.
#[derive(Debug)]
pub struct Region {
    /// The unit; block 0 is the anchor.
    pub unit: Unit,
    /// Guest address ranges, one per block.
    pub ranges: Vec<(u64, u64)>,
    /// Guest instructions.
    pub insns: u32,
    /// The words translated, for the check at publication: (pc, words).
    pub words: Vec<(u64, Box<[u32]>)>,
}

/// A piece of a tier-0 block that becomes one IR block.
struct Piece {
    words: Box<[u32]>,
}

/// Grows the region anchored at `key`; `entries`: further guest addresses that must be entries if they are reached.
/// `None` if the anchor is gone or empty.
pub fn build(
    tables: &Tables,
    key: Key,
    entries: &[u64],
    threshold: u32,
    cfg: &Config,
) -> Option<Region> {
    let (pieces, entry_set) = grow(tables, key, entries, threshold)?;
    Some(translate_pieces(key, pieces, &entry_set, cfg))
}

/// Whether a block has been executed often enough to belong in a region whose anchor is hot.
fn warm(b: &Block0, threshold: u32) -> bool {
    !b.is_empty() && b.executions(threshold) >= (threshold / 16).max(1)
}

fn grow(
    tables: &Tables,
    key: Key,
    entries: &[u64],
    threshold: u32,
) -> Option<(BTreeMap<u64, Piece>, BTreeSet<u64>)> {
    let (anchor, mode) = key;
    tables.block(key).filter(|b| !b.is_empty())?;
    let mut blocks: BTreeMap<u64, &Block0> = BTreeMap::new();
    let mut entry_set = BTreeSet::from([anchor]);
    let mut queue = VecDeque::from([anchor]);
    queue.extend(entries.iter().copied());
    let mut total = 0;
    while let Some(pc) = queue.pop_front() {
        if blocks.contains_key(&pc) {
            continue;
        }
        let Some(b) = tables.block((pc, mode)) else {
            continue;
        };
        let wanted = pc == anchor || entries.contains(&pc);
        if !wanted && (!warm(b, threshold) || tables.entry((pc, mode)).is_some()) {
            continue;
        }
        if total + b.words.len() > MAX_INSNS && pc != anchor {
            continue;
        }
        total += b.words.len();
        blocks.insert(pc, b);
        if wanted {
            entry_set.insert(pc);
        }
        let after = b.pc + b.len();
        if b.ends_with_call {
            if tables
                .block((after, mode))
                .is_some_and(|r| warm(r, threshold))
                && tables.entry((after, mode)).is_none()
            {
                entry_set.insert(after);
                queue.push_back(after);
            }
        } else if let Some(s) = b.code.succ {
            // The fall-through side first: it keeps straight code together.
            queue.push_back(s.fall);
            queue.push_back(s.taken);
        }
    }
    Some((
        cut(&blocks),
        entry_set
            .into_iter()
            .filter(|e| blocks.contains_key(e))
            .collect(),
    ))
}

/// Cuts blocks where another one begins inside them, so that no instruction is translated twice.
fn cut(blocks: &BTreeMap<u64, &Block0>) -> BTreeMap<u64, Piece> {
    let starts: Vec<u64> = blocks.keys().copied().collect();
    blocks
        .iter()
        .map(|(&pc, b)| {
            let next = starts[starts.partition_point(|&s| s <= pc)..]
                .first()
                .copied();
            let end = next.filter(|&n| n < pc + b.len()).unwrap_or(pc + b.len());
            let n = (end - pc) as usize / 4;
            (
                pc,
                Piece {
                    words: b.words[..n].into(),
                },
            )
        })
        .collect()
}

fn translate_pieces(
    key: Key,
    pieces: BTreeMap<u64, Piece>,
    entries: &BTreeSet<u64>,
    cfg: &Config,
) -> Region {
    let (anchor, mode) = key;
    let mut unit = Unit::new(&SLOTS);
    unit.mode = mode;
    let mut order: Vec<u64> = pieces.keys().copied().filter(|&p| p != anchor).collect();
    order.insert(0, anchor);
    let mut ids = BTreeMap::new();
    for &pc in &order {
        let words = &pieces[&pc].words;
        let mut fetch = |at: u64| words.get((at - pc) as usize / 4).copied();
        let id = translate::translate_block(&mut unit, cfg, pc, &mut fetch, words.len() as u32);
        unit.blocks[id.0 as usize].entry = entries.contains(&pc);
        ids.insert(pc, id);
    }
    let link = |d: &mut Dest| {
        if let Dest::Pc(p) = *d
            && let Some(&id) = ids.get(&p)
        {
            *d = Dest::Block(id);
        }
    };
    for b in &mut unit.blocks {
        match &mut b.exit {
            // A call leaves the region even if the callee is in it: its return would come from outside anyway.
            Exit::Goto { dest, .. } => link(dest),
            Exit::Branch { taken, fall, .. } => {
                link(taken);
                link(fall);
            }
            _ => {}
        }
    }
    Region {
        ranges: unit
            .blocks
            .iter()
            .map(|b| (b.pc, b.pc + b.guest_len as u64))
            .collect(),
        insns: pieces.values().map(|p| p.words.len() as u32).sum(),
        words: pieces.into_iter().map(|(pc, p)| (pc, p.words)).collect(),
        unit,
    }
}
