//! What must be known about a whole unit before a block of it can be lowered: block order, loop heads, which slots may be
//! dirty or are live where a block begins, and which kind the lazy flags have there.
//!
//! All of it works on *dense* slot numbers: the cached slots of the guest's table, at most 128 of them (further ones are treated
//! as not cached). *Dirty* means that the frame does not hold the slot's value. An exit, a poll, a trap, a pad behind a memory
//! access and a call that looks at the whole state *use* every slot that is dirty there.
//!
//! Where paths meet, a slot stays dirty only if it is so on every path, and at a loop head also if it is so on a way back; the
//! other edges write it back ([`Flow::written_back`]). So no path loads or keeps a slot for the sake of another one. Doors (entries
//! from outside) do not count as paths here: they load what is dirty behind them, once.

use metaphrase_ir::guest::SlotTable;
use metaphrase_ir::ops::Effects;
use metaphrase_ir::{
    Block, BlockId, Dest, Exit, FlagsKind, Inst, Op, Order, Slot, SlotInfo, Type, Unit, Value,
};

/// A set of dense slot numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SlotSet(pub u128);

impl SlotSet {
    /// Every slot.
    pub const ALL: SlotSet = SlotSet(u128::MAX);
    /// Adds a slot.
    pub fn insert(&mut self, d: usize) {
        self.0 |= 1 << d;
    }
    /// Whether a slot is in it.
    pub fn has(self, d: usize) -> bool {
        self.0 >> d & 1 != 0
    }
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Union.
    pub fn or(self, o: SlotSet) -> SlotSet {
        SlotSet(self.0 | o.0)
    }
    /// Intersection.
    pub fn and(self, o: SlotSet) -> SlotSet {
        SlotSet(self.0 & o.0)
    }
    /// Takes a slot out.
    pub fn remove(&mut self, d: usize) {
        self.0 &= !(1 << d);
    }
    /// Elements of `self` that are not in `o`.
    pub fn minus(self, o: SlotSet) -> SlotSet {
        SlotSet(self.0 & !o.0)
    }
    /// Elements in order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            let d = bits.trailing_zeros() as usize;
            (bits != 0).then(|| {
                bits &= bits - 1;
                d
            })
        })
    }
}

/// Dense numbers of the cached slots.
#[derive(Debug)]
pub struct SlotMap {
    dense: Vec<u8>,
    /// Row of each dense number.
    pub rows: Vec<&'static SlotInfo>,
}

const NOT_CACHED: u8 = u8::MAX;

impl SlotMap {
    /// Numbers the cached slots of a table.
    pub fn new(table: &'static SlotTable) -> SlotMap {
        let mut m = SlotMap {
            dense: Vec::with_capacity(table.rows.len()),
            rows: Vec::new(),
        };
        for r in table.rows {
            let take = r.cached && m.rows.len() < 128;
            m.dense
                .push(if take { m.rows.len() as u8 } else { NOT_CACHED });
            if take {
                m.rows.push(r);
            }
        }
        m
    }

    /// Dense number of a cached slot.
    pub fn dense(&self, slot: Slot) -> Option<usize> {
        match self.dense.get(slot.0 as usize) {
            Some(&d) if d != NOT_CACHED => Some(d as usize),
            _ => None,
        }
    }
}

/// What is known about the kind of the lazy flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing reaches this point yet (analysis only).
    Unreached,
    /// Always this kind; `AddC` stands for `Add` too.
    Known(FlagsKind),
    /// Decided at run time.
    Dynamic,
}

impl Kind {
    fn meet(self, o: Kind) -> Kind {
        match (self, o) {
            (Kind::Unreached, k) | (k, Kind::Unreached) => k,
            (a, b) if a == b => a,
            _ => Kind::Dynamic,
        }
    }
}

/// Facts per block, indexed by block number.
#[derive(Debug)]
pub struct Flow {
    /// Reachable blocks in reverse post-order.
    pub order: Vec<BlockId>,
    /// Number of edges into the block from blocks of the unit.
    pub preds: Vec<u32>,
    /// Whether a back edge leads here.
    pub header: Vec<bool>,
    /// Back edges, as (from, to).
    back: Vec<(u32, u32)>,
    /// Whether the block is part of a loop.
    pub looped: Vec<bool>,
    /// Slots that are treated as dirty at the start.
    pub dirty_in: Vec<SlotSet>,
    /// Slots dirty at the end.
    pub dirty_out: Vec<SlotSet>,
    /// Slots whose value is needed at the start.
    pub live_in: Vec<SlotSet>,
    /// Kind of the flags slot at the start.
    pub kind_in: Vec<Kind>,
    /// Where that is dynamic: the kind it has on some way from inside the unit.
    pub likely_in: Vec<Option<FlagsKind>>,
    /// Slots needed after the block.
    pub live_out: Vec<SlotSet>,
    /// Vector slots that are a double (first) or a float (second) and zeros at the start, and at the end, whatever way leads there.
    pub scalar_in: Vec<[SlotSet; 2]>,
    scalar_out: Vec<[SlotSet; 2]>,
}

/// What a stretch of instructions does to slots.
#[derive(Clone, Copy, Default, Debug)]
pub struct Effect {
    /// Needed before it.
    pub uses: SlotSet,
    /// Given a new value (or read back from the frame) in it.
    pub defs: SlotSet,
    /// Dirty after it.
    pub dirty: SlotSet,
}

/// Whether the instruction looks at and changes the whole state.
pub fn touches_state(i: &Inst) -> bool {
    i.op == Op::Call && i.effects().contains(Effects::STATE)
}

/// Whether the instruction accesses guest memory itself (and so may fault).
pub fn accesses_memory(i: &Inst) -> bool {
    i.op != Op::Call && i.effects().intersects(Effects::LOAD | Effects::STORE)
}

/// The effect of instructions `range`, entered with `dirty`.
pub fn scan(unit: &Unit, map: &SlotMap, range: std::ops::Range<u32>, dirty: SlotSet) -> Effect {
    let mut e = Effect {
        dirty,
        ..Effect::default()
    };
    for inst in &unit.insts[range.start as usize..range.end as usize] {
        match inst.op {
            Op::Get => {
                if let Some(d) = map.dense(Slot(inst.imm as u16)) {
                    let mut s = SlotSet::default();
                    s.insert(d);
                    e.uses = e.uses.or(s.minus(e.defs));
                }
            }
            Op::Set => {
                if let Some(d) = map.dense(Slot(inst.imm as u16)) {
                    e.defs.insert(d);
                    e.dirty.insert(d);
                }
            }
            Op::Call if touches_state(inst) => {
                e.uses = e.uses.or(e.dirty.minus(e.defs));
                e.defs = SlotSet::ALL;
                e.dirty = SlotSet::default();
            }
            _ if accesses_memory(inst) || inst.effects().contains(Effects::FPENV) => {
                e.uses = e.uses.or(e.dirty.minus(e.defs));
            }
            _ => {}
        }
    }
    e
}

/// For each slot, one more than the number of the block's last instruction that sets it.
pub fn last_sets(unit: &Unit, map: &SlotMap, b: &Block, out: &mut Vec<u32>) {
    out.clear();
    out.resize(map.rows.len(), 0);
    for (v, i) in unit.block_insts(b) {
        if i.op == Op::Set
            && let Some(d) = map.dense(Slot(i.imm as u16))
        {
            out[d] = v.0 + 1;
        }
    }
}

/// Destinations of a block inside the unit.
pub fn successors(b: &Block) -> impl Iterator<Item = BlockId> {
    let (x, y) = match b.exit {
        Exit::Goto { dest, .. } => (Some(dest), None),
        Exit::Branch { taken, fall, .. } => (Some(taken), Some(fall)),
        Exit::Indirect { .. } | Exit::Trap { .. } => (None, None),
    };
    [x, y].into_iter().flatten().filter_map(|d| match d {
        Dest::Block(b) => Some(b),
        Dest::Pc(_) => None,
    })
}

fn leaves_unit(b: &Block) -> bool {
    let out = |d: &Dest| matches!(d, Dest::Pc(_));
    match &b.exit {
        Exit::Goto { dest, .. } => out(dest),
        Exit::Branch { taken, fall, .. } => out(taken) || out(fall),
        Exit::Indirect { .. } | Exit::Trap { .. } => true,
    }
}

/// Kind of a `Flags` value of a block; `first` is the slot's kind before the block.
fn kind_of(unit: &Unit, b: &Block, first: Kind, v: Value, fp_inline: bool) -> Kind {
    use FlagsKind::*;
    let i = unit.inst(v);
    let arg = || unit.inst(i.args[0]).ty;
    let pick = |narrow, wide| {
        Kind::Known(if matches!(arg(), Type::I64 | Type::F64) {
            wide
        } else {
            narrow
        })
    };
    match i.op {
        // What was read, not what the slot may have got since.
        Op::Get => kind_before(unit, b, first, v.0, fp_inline),
        Op::FlagsSub => pick(Sub32, Sub64),
        Op::FlagsAdd => pick(Add32, Add64),
        Op::FlagsLogic => pick(Logic32, Logic64),
        // Or the kind without the carry.
        Op::FlagsAdc => pick(AddC32, AddC64),
        Op::FlagsFcmp if fp_inline => pick(Fcmp32, Fcmp64),
        Op::FlagsSelect => match kind_of(unit, b, first, i.args[1], fp_inline) {
            Kind::Known(Nzcv) => Kind::Known(Nzcv),
            _ => Kind::Dynamic,
        },
        _ => Kind::Known(Nzcv),
    }
}

/// Kind of the flags slot before instruction `end` of a block.
fn kind_before(unit: &Unit, b: &Block, first: Kind, end: u32, fp_inline: bool) -> Kind {
    for v in (b.start..end).rev() {
        let i = unit.inst(Value(v));
        if i.op == Op::Set && unit.inst(i.args[0]).ty == Type::Flags {
            return kind_of(unit, b, first, i.args[0], fp_inline);
        }
        if touches_state(i) {
            return Kind::Dynamic;
        }
    }
    first
}

fn kind_out(unit: &Unit, b: &Block, first: Kind, fp_inline: bool) -> Kind {
    kind_before(unit, b, first, b.end, fp_inline)
}

/// Which vector slots are a double, or a float, and zeros after a block, when `now` are before it.
fn scalars_after(unit: &Unit, map: &SlotMap, b: &Block, mut now: [SlotSet; 2]) -> [SlotSet; 2] {
    for (_, i) in unit.block_insts(b) {
        if touches_state(i) {
            now = Default::default();
        }
        let d = match i.op {
            Op::Set => map.dense(Slot(i.imm as u16)),
            _ => None,
        };
        let Some(d) = d.filter(|&d| map.rows[d].ty == Type::V128) else {
            continue;
        };
        let mut one = SlotSet::default();
        one.insert(d);
        now = now.map(|s| s.minus(one));
        let v = unit.inst(i.args[0]);
        let form = match v.op {
            Op::VScalar => match (unit.inst(v.args[0]).ty, v.shape().lane_bits()) {
                (Type::F64, 64) => Some(0),
                (Type::F32, 32) => Some(1),
                _ => None,
            },
            Op::Load if v.mem().order == Order::Plain => match v.mem().size {
                3 => Some(0),
                2 => Some(1),
                _ => None,
            },
            _ => None,
        };
        if let Some(f) = form {
            now[f].insert(d);
        }
    }
    now
}

impl Flow {
    /// Analyses a unit. `fp_inline`: FCMP is lowered inline (its flags stay lazy). `poll`: loop heads poll.
    pub fn new(unit: &Unit, map: &SlotMap, fp_inline: bool) -> Flow {
        let n = unit.blocks.len();
        let mut f = Flow {
            order: Vec::with_capacity(n),
            preds: vec![0; n],
            header: vec![false; n],
            back: Vec::new(),
            looped: vec![false; n],
            dirty_in: vec![SlotSet::default(); n],
            dirty_out: vec![SlotSet::default(); n],
            live_in: vec![SlotSet::default(); n],
            kind_in: vec![Kind::Unreached; n],
            likely_in: vec![None; n],
            live_out: vec![SlotSet::default(); n],
            scalar_in: vec![[SlotSet::default(); 2]; n],
            scalar_out: vec![[SlotSet::ALL; 2]; n],
        };
        f.walk(unit);
        f.find_loops(unit);
        f.forward(unit, map, fp_inline);
        f.backward(unit, map);
        f.scalars(unit, map);
        f
    }

    /// Depth-first walk from the entries: order, loop heads, predecessor counts.
    fn walk(&mut self, unit: &Unit) {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut mark = vec![Mark::New; unit.blocks.len()];
        let mut stack: Vec<(BlockId, Vec<BlockId>)> = Vec::new();
        let entries: Vec<u32> = (0..unit.blocks.len() as u32)
            .filter(|&i| unit.blocks[i as usize].entry)
            .collect();
        for &e in entries.iter().rev() {
            if mark[e as usize] != Mark::New {
                continue;
            }
            mark[e as usize] = Mark::Open;
            stack.push((BlockId(e), successors(&unit.blocks[e as usize]).collect()));
            while let Some((b, todo)) = stack.last_mut() {
                let b = *b;
                let Some(s) = todo.pop() else {
                    mark[b.0 as usize] = Mark::Done;
                    self.order.push(b);
                    stack.pop();
                    continue;
                };
                self.preds[s.0 as usize] += 1;
                match mark[s.0 as usize] {
                    Mark::New => {
                        mark[s.0 as usize] = Mark::Open;
                        stack.push((s, successors(&unit.blocks[s.0 as usize]).collect()));
                    }
                    Mark::Open => {
                        self.header[s.0 as usize] = true;
                        self.back.push((b.0, s.0));
                    }
                    Mark::Done => {}
                }
            }
        }
        self.order.reverse();
    }

    fn preds_of(&self, unit: &Unit) -> Vec<Vec<u32>> {
        let mut preds: Vec<Vec<u32>> = vec![Vec::new(); unit.blocks.len()];
        for &id in &self.order {
            for s in successors(&unit.blocks[id.0 as usize]) {
                preds[s.0 as usize].push(id.0);
            }
        }
        preds
    }

    /// What leads from a loop's head to its back edges.
    fn find_loops(&mut self, unit: &Unit) {
        if self.back.is_empty() {
            return;
        }
        let preds = self.preds_of(unit);
        for &(from, to) in &self.back {
            let mut seen = vec![false; unit.blocks.len()];
            seen[to as usize] = true;
            let mut todo = vec![from];
            while let Some(b) = todo.pop() {
                if !std::mem::replace(&mut seen[b as usize], true) {
                    todo.extend(&preds[b as usize]);
                }
            }
            for (l, s) in self.looped.iter_mut().zip(seen) {
                *l |= s;
            }
        }
    }

    fn forward(&mut self, unit: &Unit, map: &SlotMap, fp_inline: bool) {
        for (i, b) in unit.blocks.iter().enumerate() {
            if b.entry {
                self.kind_in[i] = Kind::Dynamic;
            }
        }
        let mut changed = true;
        while changed {
            changed = false;
            for k in 0..self.order.len() {
                let id = self.order[k].0 as usize;
                let b = &unit.blocks[id];
                let kind = kind_out(unit, b, self.kind_in[id], fp_inline);
                for s in successors(b) {
                    let s = s.0 as usize;
                    let q = self.kind_in[s].meet(kind);
                    changed |= q != self.kind_in[s];
                    self.kind_in[s] = q;
                }
            }
        }
        self.likely(unit, fp_inline);
        self.dirtiness(unit, map);
    }

    fn likely(&mut self, unit: &Unit, fp_inline: bool) {
        // Twice around, so that loops hand theirs to their heads.
        for k in (0..self.order.len()).chain(0..self.order.len()) {
            let b = &unit.blocks[self.order[k].0 as usize];
            let known = match self.likely_in[self.order[k].0 as usize] {
                Some(kind) => Kind::Known(kind),
                None => self.kind_in[self.order[k].0 as usize],
            };
            if let Kind::Known(kind) = kind_out(unit, b, known, fp_inline) {
                for s in successors(b) {
                    self.likely_in[s.0 as usize].get_or_insert(kind);
                }
            }
        }
    }

    /// The least solution: at a join what every path leaves dirty, at a loop head also what some way back does.
    fn dirtiness(&mut self, unit: &Unit, map: &SlotMap) {
        let preds = self.preds_of(unit);
        let mut changed = true;
        while changed {
            changed = false;
            for k in 0..self.order.len() {
                let id = self.order[k].0 as usize;
                let b = &unit.blocks[id];
                let (mut always, mut dirty) = (None, SlotSet::default());
                for &p in &preds[id] {
                    let out = self.dirty_out[p as usize];
                    match self.back.contains(&(p, id as u32)) {
                        true => dirty = dirty.or(out),
                        false => always = Some(always.unwrap_or(u128::MAX) & out.0),
                    }
                }
                dirty = dirty.or(SlotSet(always.unwrap_or(0)));
                let out = scan(unit, map, b.start..b.end, dirty).dirty;
                changed |= out != self.dirty_out[id] || dirty != self.dirty_in[id];
                (self.dirty_in[id], self.dirty_out[id]) = (dirty, out);
            }
        }
    }

    /// The greatest solution: what holds on every way, entries included, which know nothing.
    fn scalars(&mut self, unit: &Unit, map: &SlotMap) {
        if !map.rows.iter().any(|r| r.ty == Type::V128) {
            return;
        }
        let preds = self.preds_of(unit);
        let mut changed = true;
        while changed {
            changed = false;
            for k in 0..self.order.len() {
                let id = self.order[k].0 as usize;
                let b = &unit.blocks[id];
                let mut from = [SlotSet(if b.entry { 0 } else { u128::MAX }); 2];
                for &p in &preds[id] {
                    for (f, o) in from.iter_mut().zip(self.scalar_out[p as usize]) {
                        f.0 &= o.0;
                    }
                }
                let out = scalars_after(unit, map, b, from);
                changed |= out != self.scalar_out[id];
                (self.scalar_in[id], self.scalar_out[id]) = (from, out);
            }
        }
    }

    /// Slots to write back on the edge to a block, when `dirty` are.
    pub fn written_back(&self, dirty: SlotSet, to: BlockId) -> SlotSet {
        dirty.minus(self.dirty_in[to.0 as usize])
    }

    fn backward(&mut self, unit: &Unit, map: &SlotMap) {
        let effects: Vec<Effect> = unit
            .blocks
            .iter()
            .enumerate()
            .map(|(i, b)| {
                let mut e = scan(unit, map, b.start..b.end, self.dirty_in[i]);
                if self.header[i] {
                    e.uses = e.uses.or(self.dirty_in[i]);
                }
                e
            })
            .collect();
        let mut changed = true;
        while changed {
            changed = false;
            for k in (0..self.order.len()).rev() {
                let id = self.order[k].0 as usize;
                let b = &unit.blocks[id];
                let e = &effects[id];
                let mut out = if leaves_unit(b) {
                    e.dirty
                } else {
                    SlotSet::default()
                };
                for s in successors(b) {
                    out = out
                        .or(self.live_in[s.0 as usize])
                        .or(self.written_back(self.dirty_out[id], s));
                }
                self.live_out[id] = out;
                let live = e.uses.or(out.minus(e.defs));
                changed |= live != self.live_in[id];
                self.live_in[id] = live;
            }
        }
    }
}
