//! What a region is: a connected piece of executed guest code, at most [`MAX_INSNS`] instructions, grown from a hot block.
//!
//! Only blocks that tier 0 has executed are included, from the words that tier 0 read; so nothing is ever decoded past what
//! execution reached, guest memory is not touched, and cold sides of branches stay out. Growth follows direct branches and
//! fall-through, and resumes at the return sites of calls, which become entries (returns arrive there from outside).
//! Growth stops at entries of units that exist already: the exit is chained to them. Exception: small callees are repeated in
//! their callers, so that call and return become jumps.
//!
//! Around a loop only the loop stays: whoever enters a region pays for its registers, and only what goes round in it earns that back.

use crate::cache::block::{Block0, Ends};
use crate::cache::tables::{Key, Tables};
use crate::cache::unit::Tier;
use crate::compile::WARM;
use hashbrown::HashSet;
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::translate::{self, Config};
use metaphrase_backend::baseline;
use metaphrase_ir::ops::IntCond;
use metaphrase_ir::{BlockId, Builder, Dest, Exit, IndirectKind, Op, Slot, Unit};
use smallvec::{SmallVec, smallvec};
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
/// `None` if the anchor is gone or empty. `missing` gets the guest addresses of blocks that were looked for and are not in the tables.
pub fn build(
    tables: &Tables,
    key: Key,
    entries: &[u64],
    threshold: u32,
    cfg: &Config,
    missing: &mut Vec<u64>,
) -> Option<Region> {
    let mut g = grow(tables, key, entries, threshold, missing)?;
    let Grown {
        blocks, entries, ..
    } = &mut g;
    entries.retain(|e| blocks.contains_key(e));
    loop_heads(&mut g);
    Some(translate_pieces(key, &g, cfg))
}

/// Largest unit whose code is repeated in the regions that call it, in guest instructions.
const INLINE_MAX: u32 = 24;
/// Most return sites that a return inside a region is compared with.
const MAX_RETURNS: usize = 3;

/// A region under construction.
struct Grown<'a> {
    blocks: BTreeMap<u64, &'a Block0>,
    entries: BTreeSet<u64>,
    /// Blocks repeated from callees with units of their own; never entries.
    inlined: BTreeSet<u64>,
    /// (callee, return site) of direct calls.
    calls: Vec<(u64, u64)>,
    /// Blocks of traces that are warm: they count their executions at the head.
    traced: HashSet<u64>,
    least: u64,
}

impl<'a> Grown<'a> {
    /// Whether a block has been executed often enough to belong in a region whose anchor is hot.
    fn warm(&self, b: &Block0) -> bool {
        !b.is_empty() && (b.executions() >= self.least || self.traced.contains(&b.pc))
    }

    fn insert(&mut self, b: &'a Block0) {
        if let Some((u, _)) = b.unit()
            && u.tier == Tier::Trace
            && b.own_executions() >= self.least
        {
            self.traced.extend(u.ranges.iter().map(|r| r.0));
        }
        self.blocks.insert(b.pc, b);
    }
}

/// What growth still has to look at.
struct Candidate {
    pc: u64,
    /// A unit whose code may be repeated here.
    inline: Option<u64>,
}

fn grow<'a>(
    tables: &'a Tables,
    key: Key,
    entries: &[u64],
    threshold: u32,
    missing: &mut Vec<u64>,
) -> Option<Grown<'a>> {
    let (anchor, mode) = key;
    let stays = |b: &Block0| threshold > WARM && (b.stays_out() || baseline::stays(&b.code));
    tables.block(key).filter(|b| !b.is_empty() && !stays(b))?;
    let mut g = Grown {
        blocks: BTreeMap::new(),
        entries: BTreeSet::from([anchor]),
        inlined: BTreeSet::new(),
        calls: Vec::new(),
        traced: HashSet::new(),
        least: (threshold as u64 / 16).max(1),
    };
    let plain = |pc| Candidate { pc, inline: None };
    let mut queue = VecDeque::from([plain(anchor)]);
    queue.extend(entries.iter().map(|&pc| plain(pc)));
    // Callees come last: they get what room is left.
    let mut callees = VecDeque::new();
    let mut total = 0;
    while let Some(c) = queue.pop_front().or_else(|| callees.pop_front()) {
        let pc = c.pc;
        if g.blocks.contains_key(&pc) {
            continue;
        }
        let Some(b) = tables.block((pc, mode)) else {
            missing.push(pc);
            continue;
        };
        let wanted = pc == anchor || entries.contains(&pc);
        let foreign = tables
            .optimized((pc, mode))
            .is_some_and(|e| c.inline != Some(e.unit));
        if stays(b) || !wanted && (!g.warm(b) || foreign) {
            continue;
        }
        if total + b.words.len() > MAX_INSNS && pc != anchor {
            continue;
        }
        total += b.words.len();
        g.insert(b);
        if c.inline.is_some() {
            g.inlined.insert(pc);
        }
        if wanted {
            g.entries.insert(pc);
        }
        let next = |pc| Candidate {
            pc,
            inline: c.inline,
        };
        if b.ends == Ends::Call {
            let after = b.pc.wrapping_add(b.len());
            if let Some(s) = b.code.succ {
                g.calls.push((s.taken, after));
                if c.inline.is_none() {
                    callees.push_back(callee(tables, (s.taken, mode)));
                }
            }
            let site = tables.block((after, mode));
            if site.is_none() {
                missing.push(after);
            }
            let warm_after = site.is_some_and(|r| g.warm(r));
            if warm_after && (c.inline.is_some() || tables.optimized((after, mode)).is_none()) {
                if c.inline.is_none() {
                    g.entries.insert(after);
                }
                queue.push_back(next(after));
            }
        } else if let Some(s) = b.code.succ {
            // The fall-through side first: it keeps straight code together.
            queue.push_back(next(s.fall));
            queue.push_back(next(s.taken));
        }
    }
    only_loop(&mut g, anchor, entries);
    Some(g)
}

/// If the anchor is in a loop, leaves everything else to traces, but for `entries`.
fn only_loop(g: &mut Grown<'_>, anchor: u64, entries: &[u64]) {
    let all: Vec<(u64, Ways)> = g.blocks.values().map(|b| (b.pc, ways(g, b))).collect();
    // Blocks from which a way leads to the anchor.
    let mut inside = BTreeSet::new();
    loop {
        let known = inside.len();
        for (pc, to) in &all {
            if to.iter().any(|t| *t == anchor || inside.contains(t)) {
                inside.insert(*pc);
            }
        }
        if inside.len() == known {
            break;
        }
    }
    if inside.contains(&anchor) {
        let stays = |pc: &u64| inside.contains(pc) || entries.contains(pc);
        g.blocks.retain(|pc, _| stays(pc));
    }
}

type Ways = SmallVec<[u64; 2]>;

/// Where a block leads. Calls return; where to, if they lead into the region, its calls say.
fn ways(g: &Grown<'_>, b: &Block0) -> Ways {
    match (b.ends, b.code.succ) {
        (Ends::Call, s) => {
            let after = b.pc.wrapping_add(b.len());
            s.map(|s| s.taken).into_iter().chain([after]).collect()
        }
        (_, Some(s)) => smallvec![s.taken, s.fall],
        (Ends::Return, None) if g.inlined.contains(&b.pc) => g.calls.iter().map(|c| c.1).collect(),
        _ => Ways::new(),
    }
}

/// Targets of backward branches become entries: whoever is in the loop when the region is published can go in, and a later region
/// that runs into the loop ends there.
fn loop_heads(g: &mut Grown<'_>) {
    let heads: Vec<u64> = g
        .blocks
        .values()
        .filter(|b| b.ends != Ends::Call)
        .filter_map(|b| b.code.succ.map(|s| (b.pc, s)))
        .flat_map(|(pc, s)| [s.taken, s.fall].into_iter().filter(move |&t| t <= pc))
        .filter(|t| g.blocks.contains_key(t) && !g.inlined.contains(t))
        .collect();
    g.entries.extend(heads);
}

fn callee(tables: &Tables, key: Key) -> Candidate {
    let unit = tables.optimized(key).and_then(|e| tables.unit(e.unit));
    Candidate {
        pc: key.0,
        inline: unit.filter(|u| u.guest_insns <= INLINE_MAX).map(|u| u.id),
    }
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
            let own = pc.wrapping_add(b.len());
            let end = next.filter(|&n| n < own).unwrap_or(own);
            let n = end.wrapping_sub(pc) as usize / 4;
            (
                pc,
                Piece {
                    words: b.words[..n].into(),
                },
            )
        })
        .collect()
}

fn translate_pieces(key: Key, g: &Grown<'_>, cfg: &Config) -> Region {
    let (anchor, mode) = key;
    let pieces = cut(&g.blocks);
    let mut unit = Unit::new(&SLOTS);
    unit.mode = mode;
    let mut order: Vec<u64> = pieces.keys().copied().filter(|&p| p != anchor).collect();
    order.insert(0, anchor);
    let mut ids = BTreeMap::new();
    for &pc in &order {
        let words = &pieces[&pc].words;
        let mut fetch = |at: u64| words.get((at - pc) as usize / 4).copied();
        let id = translate::translate_block(&mut unit, cfg, pc, &mut fetch, words.len() as u32);
        unit.blocks[id.0 as usize].entry = g.entries.contains(&pc);
        ids.insert(pc, id);
    }
    let ranges = unit
        .blocks
        .iter()
        .map(|b| (b.pc, b.pc + b.guest_len as u64))
        .collect();
    link(&mut unit, &ids);
    returns(&mut unit, &ids, g);
    Region {
        ranges,
        insns: pieces.values().map(|p| p.words.len() as u32).sum(),
        words: pieces.into_iter().map(|(pc, p)| (pc, p.words)).collect(),
        unit,
    }
}

/// Branches to addresses in the region become branches to blocks.
fn link(unit: &mut Unit, ids: &BTreeMap<u64, BlockId>) {
    let link = |d: &mut Dest| {
        if let Dest::Pc(p) = *d
            && let Some(&id) = ids.get(&p)
        {
            *d = Dest::Block(id);
        }
    };
    for b in &mut unit.blocks {
        match &mut b.exit {
            Exit::Goto { dest, .. } => link(dest),
            Exit::Branch { taken, fall, .. } => {
                link(taken);
                link(fall);
            }
            _ => {}
        }
    }
}

/// A return in a region that contains callees is compared with the return sites of those calls before it becomes an indirect
/// branch: a call and return within the region then cost two jumps.
fn returns(unit: &mut Unit, ids: &BTreeMap<u64, BlockId>, g: &Grown<'_>) {
    let mut sites: Vec<(u64, BlockId)> = g
        .calls
        .iter()
        .filter(|(callee, after)| ids.contains_key(callee) && ids.contains_key(after))
        .map(|(_, after)| (*after, ids[after]))
        .collect();
    sites.sort_unstable();
    sites.dedup();
    if sites.is_empty() || sites.len() > MAX_RETURNS {
        return;
    }
    for id in 0..unit.blocks.len() {
        let b = unit.blocks[id].clone();
        let Exit::Indirect {
            target,
            kind: kind @ IndirectKind::Return,
        } = b.exit
        else {
            continue;
        };
        // The last of the chain: the original exit in a block of its own. The register is read again, it has not changed.
        let t = *unit.inst(target);
        if t.op != Op::Get {
            continue;
        }
        let slot = Slot(t.imm as u16);
        let mut c = Builder::new(unit, b.pc);
        let target = c.get(slot);
        let mut next = c.finish(0, Exit::Indirect { target, kind });
        for &(pc, site) in sites.iter().rev() {
            let mut c = Builder::new(unit, b.pc);
            let (t, k) = (c.get(slot), c.i64(pc));
            let cond = c.icmp(IntCond::Eq, t, k);
            next = c.finish(
                0,
                Exit::Branch {
                    cond,
                    taken: Dest::Block(site),
                    fall: Dest::Block(next),
                },
            );
        }
        unit.blocks[id].exit = Exit::Goto {
            dest: Dest::Block(next),
            call: false,
        };
    }
}
