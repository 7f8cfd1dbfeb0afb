//! A tier-0 block: bytecode, the guest words it came from, its links and its heat.
//!
//! Blocks are shared by all CPUs and immutable but for the atomics. `heat` counts down to zero executions; at zero (or
//! below) the block *wants attention*: it is hot, or dead, or a tier-1 entry has been published. That makes one
//! counter the only thing the interpreter looks at.

use super::counter::{Counter, LONGEST};
use super::unit::Unit1;
use crate::sync::Mutex;
use metaphrase_backend::arena;
use metaphrase_backend::bytecode::Bytecode;
use metaphrase_ir::{Exit, IndirectKind};
use smallvec::SmallVec;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU64, Ordering};

/// How a block ends, as far as traces and regions ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// With a call: its successor in memory is a return site.
    Call,
    /// With a return.
    Return,
    /// With anything else.
    Other,
}

impl Ends {
    /// Of this exit.
    pub fn of(exit: &Exit) -> Ends {
        match exit {
            Exit::Goto { call: true, .. } => Ends::Call,
            Exit::Indirect { kind, .. } => match kind {
                IndirectKind::Call => Ends::Call,
                IndirectKind::Return => Ends::Return,
                _ => Ends::Other,
            },
            _ => Ends::Other,
        }
    }
}

/// A translated basic block for tier 0.
#[derive(Debug)]
#[repr(C)]
pub struct Block0 {
    // What the dispatcher and the interpreter look at stands together at the front.
    /// Guest address.
    pub pc: u64,
    /// Host address of the best native code for this pc, or 0.
    native: AtomicU64,
    heat: AtomicI32,
    /// What `heat` was last set to, and executions counted before that.
    set: AtomicI32,
    /// Its guest code changed: must not be executed again.
    pub dead: AtomicBool,
    /// In the compile queue, or refused by it.
    pub queued: AtomicBool,
    /// See [`Block0::leave_regions`].
    retreats: AtomicU8,
    /// How the block ends.
    pub ends: Ends,
    links: [AtomicPtr<Block0>; 2],
    /// Mode bits of the translation key.
    pub mode: u64,
    /// The guest words translated, for tier 1 and for validation.
    pub words: arena::Box<[u32]>,
    /// Code.
    pub code: Bytecode,
    ran: AtomicU64,
    /// Exits of other blocks that are linked here: address of the block plus exit number, 0 or 1.
    incoming: Mutex<SmallVec<[usize; 2]>>,
    /// The unit that `native` lies in.
    unit: AtomicPtr<Unit1>,
    /// Address of the baseline code's counter in shard 0, or 0.
    counter: AtomicU64,
    /// Executions in a round, and what is left for all CPUs beside the rounds under way.
    round: AtomicI32,
    left: AtomicI32,
    /// What that was last set to; executions counted before that.
    left_set: AtomicI32,
    counted: AtomicU64,
    /// First block of a trace that this one is part of: executions there count here as well.
    trace: AtomicPtr<Block0>,
    /// Next block of the same guest page; the tables' own.
    next_on_page: AtomicPtr<Block0>,
}

/// Heat of a block that is never to be promoted.
const COLD: i32 = i32::MAX;
/// Threshold of a block that only counts its executions.
pub const COUNT_ONLY: i32 = i32::MAX - 1;

impl Block0 {
    /// A block that becomes hot after `threshold` executions (`None`: never).
    pub fn new(
        pc: u64,
        mode: u64,
        words: arena::Box<[u32]>,
        code: Bytecode,
        ends: Ends,
        threshold: Option<u32>,
    ) -> Block0 {
        let heat = threshold.map_or(COLD, |t| t.min(COUNT_ONLY as u32) as i32);
        Block0 {
            pc,
            mode,
            words,
            code,
            ends,
            heat: AtomicI32::new(heat),
            set: AtomicI32::new(heat),
            ran: AtomicU64::new(0),
            links: [
                AtomicPtr::new(ptr::null_mut()),
                AtomicPtr::new(ptr::null_mut()),
            ],
            incoming: Mutex::default(),
            native: AtomicU64::new(0),
            unit: AtomicPtr::new(ptr::null_mut()),
            counter: AtomicU64::new(0),
            round: AtomicI32::new(0),
            left: AtomicI32::new(0),
            left_set: AtomicI32::new(0),
            counted: AtomicU64::new(0),
            trace: AtomicPtr::new(ptr::null_mut()),
            next_on_page: AtomicPtr::new(ptr::null_mut()),
            dead: AtomicBool::new(false),
            queued: AtomicBool::new(false),
            retreats: AtomicU8::new(0),
        }
    }

    /// Whether it is the translation of this guest address in this mode.
    pub fn is(&self, (pc, mode): (u64, u64)) -> bool {
        self.pc == pc && self.mode == mode
    }

    /// Makes it the first of its guest page's list. The caller holds the tables' lock for writing.
    pub(super) fn link_on_page(&self, first: &mut *mut Block0) {
        self.next_on_page.store(*first, Ordering::Relaxed);
        *first = ptr::from_ref(self).cast_mut();
    }

    /// Counts an execution; true when the dispatcher should look at the block first.
    #[inline(always)]
    pub fn wants_attention(&self) -> bool {
        let h = self.heat.load(Ordering::Relaxed);
        if h <= 0 {
            return true;
        }
        if h != COLD {
            self.heat.store(h - 1, Ordering::Relaxed);
        }
        false
    }

    /// Executions so far in the interpreter and in baseline code, those of the trace that the block is part of included.
    pub fn executions(&self) -> u64 {
        let trace = self.trace.load(Ordering::Relaxed);
        // SAFETY: a block and the trace that it is part of are retired together, see `leave_trace`.
        let around = unsafe { trace.as_ref() }.map_or(0, Block0::own_executions);
        self.own_executions() + around
    }

    /// Executions as the first block of its code.
    pub fn own_executions(&self) -> u64 {
        self.total_executions() + self.native_executions()
    }

    fn native_executions(&self) -> u64 {
        let Some(c) = self.counter() else {
            return self.counted.load(Ordering::Relaxed);
        };
        let [set, left, round] =
            [&self.left_set, &self.left, &self.round].map(|n| n.load(Ordering::Relaxed));
        let over = set.wrapping_sub(left) as u32;
        self.counted.load(Ordering::Relaxed) + over as u64 + c.progress(round)
    }

    /// The block has become part of the trace that begins at `head`.
    pub fn join_trace(&self, head: &Block0) {
        let head = ptr::from_ref(head).cast_mut();
        if !ptr::eq(head, self) {
            self.trace.store(head, Ordering::Relaxed);
        }
    }

    /// A trace that it was part of is gone.
    pub fn leave_trace(&self) {
        self.trace.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Baseline code came to the dispatcher on a CPU that counts in `shard`. If it is this block's code and a round is over, that is taken
    /// off what is left, and the next round begins. True if nothing is left: [`Block0::count_down`] has to be called.
    pub fn round_over(&self, shard: usize) -> bool {
        let Some(c) = self.counter().filter(|c| c.is_over(shard)) else {
            // It was older code that came.
            return false;
        };
        let round = self.round.load(Ordering::Relaxed);
        let left = self.left.fetch_sub(round, Ordering::Relaxed);
        c.begin(shard, round);
        left <= round
    }

    /// Lets baseline code run `n` more times before it asks again.
    pub fn count_down(&self, n: i32) {
        self.counted
            .store(self.native_executions(), Ordering::Relaxed);
        self.set_left(n);
    }

    /// Its code has run `n` times before it was published.
    pub fn credit(&self, n: u64) {
        self.counted.fetch_add(n, Ordering::Relaxed);
    }

    fn set_left(&self, n: i32) {
        let round = n.min(LONGEST);
        for (a, n) in [(&self.left_set, n), (&self.left, n), (&self.round, round)] {
            a.store(n, Ordering::Relaxed);
        }
        if let Some(c) = self.counter() {
            c.begin_all(round);
        }
    }

    /// All executions in the interpreter so far (about, when several CPUs count at once).
    pub fn total_executions(&self) -> u64 {
        let heat = self.heat.load(Ordering::Relaxed);
        let since = self.set.load(Ordering::Relaxed).saturating_sub(heat);
        self.ran.load(Ordering::Relaxed) + since.max(0) as u64
    }

    fn set_heat(&self, n: i32) {
        self.ran.store(self.total_executions(), Ordering::Relaxed);
        self.set.store(n, Ordering::Relaxed);
        self.heat.store(n, Ordering::Release);
    }

    /// The counter in the baseline code.
    fn counter(&self) -> Option<Counter> {
        // SAFETY: it lies in the area of counters, which is never unmapped; it is unset when the code is retired.
        unsafe { Counter::at(self.counter.load(Ordering::Acquire)) }
    }

    /// A region that contained the block left in it too often: it is kept out of regions until [`Self::second_chance`], or for good if it
    /// has had that. (The number is odd while it is kept out.)
    pub fn leave_regions(&self) {
        self.retreats.fetch_or(1, Ordering::Relaxed);
    }

    /// The block, or the trace that it is part of, is hot and seems fit for a region now.
    pub fn second_chance(&self) {
        let (from, to, seq) = (1, 2, Ordering::Relaxed);
        let _ = self.retreats.compare_exchange(from, to, seq, seq);
    }

    /// Whether it is kept out of regions.
    pub fn stays_out(&self) -> bool {
        self.retreats.load(Ordering::Relaxed) & 1 != 0
    }

    /// Native code for this block exists; it counts `count` executions, if it counts. The caller holds the tables' lock for writing.
    pub fn publish(&self, unit: &Unit1, code: u64, count: i32) {
        // Whoever still runs older code comes back to the dispatcher.
        self.count_down(0);
        let counter = unit.counter().map_or(0, Counter::address);
        self.counter.store(counter, Ordering::Release);
        self.set_left(count);
        self.unit
            .store(ptr::from_ref(unit).cast_mut(), Ordering::Release);
        self.native.store(code, Ordering::Release);
        self.call_attention();
    }

    /// The native code `code` is gone; the block may become hot again.
    pub fn forget(&self, code: u64) {
        if self
            .native
            .compare_exchange(code, 0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            self.counted
                .store(self.native_executions(), Ordering::Relaxed);
            self.counter.store(0, Ordering::Release);
            self.queued.store(false, Ordering::Release);
            self.cool(1);
        }
    }

    /// The unit with the best native code, and that code's address. The caller holds the tables' lock.
    pub fn unit(&self) -> Option<(&Unit1, u64)> {
        let code = self.native();
        // SAFETY: while `native` is set its unit is in the tables.
        let unit = unsafe { self.unit.load(Ordering::Acquire).as_ref() };
        unit.filter(|_| code != 0).map(|u| (u, code))
    }

    /// Best native code, or 0.
    pub fn native(&self) -> u64 {
        self.native.load(Ordering::Acquire)
    }

    /// Makes the block want attention at its next execution.
    pub fn call_attention(&self) {
        self.set_heat(0);
    }

    /// Lets it run `n` more times undisturbed.
    pub fn cool(&self, n: u32) {
        self.set_heat(n.min(COUNT_ONLY as u32) as i32);
    }

    /// Never promote it; go on counting executions or not.
    pub fn never_hot(&self, count: bool) {
        self.set_heat(if count { COUNT_ONLY } else { COLD });
        self.count_down(COLD);
    }

    /// Successor number `n` if linked.
    #[inline(always)]
    pub fn link(&self, n: usize) -> Option<&Block0> {
        let p = self.links[n & 1].load(Ordering::Acquire);
        // SAFETY: links name blocks that are retired only after every CPU passed a safepoint, which is never inside `interp::run`.
        unsafe { p.as_ref() }
    }

    /// Links exit `n` to `to`. The caller holds the tables' lock, so that neither is being retired.
    pub fn set_link(&self, n: usize, to: &Block0) {
        let me = ptr::from_ref(self);
        let old = self.links[n & 1].swap(ptr::from_ref(to).cast_mut(), Ordering::AcqRel);
        if old.is_null() {
            to.incoming.lock().push(me as usize + (n & 1));
        }
    }

    /// Undoes all links out of and into this block; returns how many there were. The caller holds the tables' lock for writing.
    pub fn unlink(&self) -> u64 {
        let mut links = 0;
        let me = ptr::from_ref(self);
        for (n, l) in self.links.iter().enumerate() {
            let to = l.swap(ptr::null_mut(), Ordering::AcqRel);
            // SAFETY: a linked block is alive: retiring it would have undone this link.
            if let Some(to) = unsafe { to.as_ref() } {
                links += 1;
                to.incoming.lock().retain(|i| *i != me as usize + n);
            }
        }
        for i in std::mem::take(&mut *self.incoming.lock()) {
            let (from, n) = (i & !1, i & 1);
            // SAFETY: a block that links here is alive: retiring it would have removed it from the list.
            let from = unsafe { &*(from as *const Block0) };
            from.links[n].store(ptr::null_mut(), Ordering::Release);
            links += 1;
        }
        links
    }

    /// Guest address of successor `n`.
    pub fn successor(&self, n: usize) -> u64 {
        self.code
            .succ
            .map_or(self.pc, |s| if n == 0 { s.taken } else { s.fall })
    }

    /// Guest bytes covered.
    pub fn len(&self) -> u64 {
        self.words.len() as u64 * 4
    }

    /// Whether it covers no guest code (its first instruction could not be fetched).
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}
/// Takes the blocks that overlap `[start, end)` out of a guest page's list, whose first block is at `first`; their keys. The caller holds
/// the tables' lock for writing.
pub(super) fn take_overlapping(first: &mut *mut Block0, start: u64, end: u64) -> Vec<(u64, u64)> {
    let mut taken = Vec::new();
    let mut at = std::mem::replace(first, ptr::null_mut());
    // SAFETY: blocks in a page's list are in the table.
    while let Some(b) = unsafe { at.as_ref() } {
        at = b.next_on_page.load(Ordering::Relaxed);
        if b.pc >= end || b.pc.saturating_add(b.len().max(1)) <= start {
            b.link_on_page(first);
        } else {
            taken.push((b.pc, b.mode));
        }
    }
    taken
}
