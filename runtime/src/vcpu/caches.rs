//! What a CPU remembers by guest address: the jump cache, which translated code reads, and the block cache of the dispatcher.
//!
//! Both are direct-mapped and hold translations of one mode; a CPU that changes its mode (floating-point control) to and fro finds its
//! caches again, because it keeps a *set* for each of the last few modes. Sets come from zeroed memory and cost nothing until used.
//!
//! Retired translations are removed one by one: from jump caches by the thread that retires them, from block caches by their CPU when it
//! next enters guest code (each set knows up to which retirement it is clean, [`Log`] says what has been retired since).

use crate::cache::block::Block0;
use metaphrase_backend::abi::{JUMP_ENTRIES, JumpEntry, empty_pc, second_index};
use metaphrase_backend::arena::{Large, Pages};
use std::collections::VecDeque;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries of a block cache at first, so that a small program touches little memory, and at most.
const FEW_BLOCKS: usize = 1024;
const BLOCK_ENTRIES: usize = 16384;
/// Modes that a CPU keeps caches for.
const SETS: usize = 4;

/// Addresses of a CPU's jump caches, for other threads; 0 where there is none.
pub(crate) type Shared = [AtomicU64; SETS];

/// An entry of the block cache; empty if there is no block. In place of a block it may name code in an image: its address plus [`IMAGE`].
#[derive(Clone, Copy, Debug)]
struct CachedBlock {
    pc: u64,
    block: *const Block0,
}

/// No address of user memory has this bit.
const IMAGE: u64 = 1 << 63;

/// What a CPU remembers of a guest address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A block.
    Block(*const Block0),
    /// Host address of code in an image.
    Image(u64),
}

impl CachedBlock {
    const EMPTY: CachedBlock = CachedBlock {
        pc: 0,
        block: ptr::null(),
    };
}

#[derive(Debug)]
struct Set {
    mode: u64,
    /// Number of block retirements that `blocks` knows of.
    seen: u64,
    jumps: Large<JumpEntry>,
    /// A power of two.
    blocks: Large<CachedBlock>,
    /// Entries lost to other addresses since `blocks` has this size.
    lost: usize,
}

impl Set {
    fn new(mode: u64) -> Set {
        // SAFETY: all zero bits are a valid entry of either kind.
        let (jumps, blocks) = unsafe {
            let plain = Pages::Ordinary;
            (zeroed(2 * JUMP_ENTRIES, plain), zeroed(FEW_BLOCKS, plain))
        };
        let set = Set {
            mode,
            seen: 0,
            jumps,
            blocks,
            lost: 0,
        };
        for i in [0, JUMP_ENTRIES] {
            set.jumps[i].pc.store(empty_pc(i), Ordering::Relaxed);
        }
        set
    }

    #[inline]
    fn block_index(&self, pc: u64) -> usize {
        second_index(pc) & (self.blocks.len() - 1)
    }

    fn put_block(&mut self, e: CachedBlock) {
        let i = self.block_index(e.pc);
        let old = std::mem::replace(&mut self.blocks[i], e);
        self.lost += (!old.block.is_null() && old.pc != e.pc) as usize;
    }

    /// Makes room if too much gets lost.
    fn grow_blocks(&mut self) {
        let n = self.blocks.len();
        if self.lost < n / 2 || n >= BLOCK_ENTRIES {
            return;
        }
        // SAFETY: as in `new`.
        let larger = unsafe { zeroed(n * 4, Pages::Ordinary) };
        let old = std::mem::replace(&mut self.blocks, larger);
        for &e in old.iter().filter(|e| !e.block.is_null()) {
            self.put_block(e);
        }
        self.lost = 0;
    }
}

/// # Safety
/// All zero bits must be a valid `T`.
unsafe fn zeroed<T>(n: usize, pages: Pages) -> Large<T> {
    // SAFETY: initialised by the caller's promise.
    unsafe { Large::new_zeroed_slice_in(n, pages).assume_init() }
}

/// A CPU's sets.
#[derive(Debug)]
pub(crate) struct Caches {
    sets: Vec<Set>,
    current: usize,
    /// The set to be given up next.
    victim: usize,
}

impl Caches {
    pub fn new() -> Caches {
        Caches {
            sets: vec![Set::new(0)],
            current: 0,
            victim: 0,
        }
    }

    fn set(&self) -> &Set {
        &self.sets[self.current]
    }

    /// Mode of the current set.
    pub fn mode(&self) -> u64 {
        self.set().mode
    }

    /// Retirements that the current set's block cache knows of.
    pub fn seen(&self) -> u64 {
        self.set().seen
    }

    /// The current jump cache.
    pub fn jumps(&self) -> &[JumpEntry] {
        &self.set().jumps
    }

    /// Makes the set of `mode` the current one, a fresh one if there is none; whether it is fresh.
    pub fn select(&mut self, mode: u64, shared: &Shared) -> bool {
        if let Some(n) = self.sets.iter().position(|s| s.mode == mode) {
            self.current = n;
            return false;
        }
        if self.sets.len() < SETS {
            self.sets.push(Set::new(mode));
            self.current = self.sets.len() - 1;
        } else {
            self.victim = (self.victim + 1) % SETS;
            self.current = self.victim;
            self.flush();
            self.sets[self.current].mode = mode;
        }
        self.share(shared);
        true
    }

    /// Tells other threads where the jump caches are.
    pub fn share(&self, shared: &Shared) {
        for (s, a) in self.sets.iter().zip(shared) {
            a.store(s.jumps.as_ptr() as u64, Ordering::SeqCst);
        }
    }

    /// What is remembered for a guest address.
    #[inline]
    pub fn find(&self, pc: u64) -> Option<Found> {
        let s = self.set();
        let e = s.blocks[s.block_index(pc)];
        let known = e.pc == pc && !e.block.is_null();
        let at = e.block as u64;
        let found = match at & IMAGE {
            0 => Found::Block(e.block),
            _ => Found::Image(at & !IMAGE),
        };
        known.then_some(found)
    }

    /// Remembers code in an image.
    pub fn remember_image(&mut self, pc: u64, code: u64) {
        self.remember(pc, (code | IMAGE) as *const Block0);
    }

    #[inline]
    pub fn remember(&mut self, pc: u64, block: *const Block0) {
        let s = &mut self.sets[self.current];
        s.put_block(CachedBlock { pc, block });
        s.grow_blocks();
    }

    /// Whether the program has turned out so large that huge pages for the jump cache pay.
    pub fn outgrown(&self) -> bool {
        let s = self.set();
        s.blocks.len() == BLOCK_ENTRIES && *Large::allocator(&s.jumps) == Pages::Ordinary
    }

    /// Moves the jump cache to huge pages. The caller holds the tables' lock, so that nobody removes entries meanwhile.
    pub fn move_jumps(&mut self, shared: &Shared) {
        // SAFETY: as in `Set::new`.
        let huge = unsafe { zeroed::<JumpEntry>(2 * JUMP_ENTRIES, Pages::Huge) };
        for (to, from) in huge.iter().zip(self.jumps()) {
            let (pc, code) = (&from.pc, &from.code);
            to.code
                .store(code.load(Ordering::Relaxed), Ordering::Relaxed);
            to.pc.store(pc.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let old = std::mem::replace(&mut self.sets[self.current].jumps, huge);
        self.share(shared);
        drop(old);
    }

    /// Enters a target into the jump cache; what it displaces goes to the second half. The caller holds the tables' lock, so that neither
    /// is being retired.
    pub fn remember_jump(&self, pc: u64, code: u64) {
        let (i, _) = places(pc);
        let e = &self.jumps()[i];
        let old = e.pc.load(Ordering::Relaxed);
        if old != pc && old != empty_pc(i) {
            let code = e.code.load(Ordering::Relaxed);
            self.write_jump(places(old).1, old, code);
        }
        self.write_jump(i, pc, code);
    }

    fn write_jump(&self, i: usize, pc: u64, code: u64) {
        let e = &self.jumps()[i];
        e.pc.store(empty_pc(i), Ordering::Relaxed);
        e.code.store(code, Ordering::Release);
        e.pc.store(pc, Ordering::Release);
    }

    /// Brings the current block cache up to retirement number `now`; false if it had to be emptied.
    pub fn catch_up(&mut self, now: u64, log: &Log) -> bool {
        let seen = self.seen();
        let known = seen >= log.complete_after;
        if known {
            let s = &mut self.sets[self.current];
            for &(_, pc) in log.entries.iter().rev().take_while(|e| e.0 > seen) {
                let i = s.block_index(pc);
                s.blocks[i] = CachedBlock::EMPTY;
            }
        } else {
            self.sets[self.current].blocks.fill(CachedBlock::EMPTY);
        }
        self.sets[self.current].seen = now;
        known
    }

    /// Empties the current set.
    pub fn flush(&mut self) {
        self.sets[self.current].blocks.fill(CachedBlock::EMPTY);
        for (i, e) in self.jumps().iter().enumerate() {
            e.pc.store(empty_pc(i), Ordering::Relaxed);
        }
    }
}

/// Where a guest address may stand in a jump cache: in its first half, in its second.
fn places(pc: u64) -> (usize, usize) {
    let first = (pc >> 2) as usize & (JUMP_ENTRIES - 1);
    (first, JUMP_ENTRIES + second_index(pc))
}

/// Removes guest addresses from jump caches, from any thread.
pub(crate) fn forget_jumps(shared: &Shared, pcs: &[u64]) {
    for a in shared {
        let p = a.load(Ordering::SeqCst) as *const JumpEntry;
        if p.is_null() {
            continue;
        }
        for &pc in pcs {
            let (first, second) = places(pc);
            for i in [first, second] {
                // SAFETY: a registered CPU's jump caches outlive its registration.
                let e = unsafe { &*p.add(i) };
                let _ =
                    e.pc.compare_exchange(pc, empty_pc(i), Ordering::SeqCst, Ordering::Relaxed);
            }
        }
    }
}

/// Removes entries whose code lies in a range of host addresses, from any thread.
pub(crate) fn forget_code(shared: &Shared, code: Range<u64>) {
    for a in shared {
        let p = a.load(Ordering::SeqCst) as *const JumpEntry;
        if p.is_null() {
            continue;
        }
        for i in 0..2 * JUMP_ENTRIES {
            // SAFETY: a registered CPU's jump caches outlive its registration.
            let e = unsafe { &*p.add(i) };
            if code.contains(&e.code.load(Ordering::SeqCst)) {
                e.pc.store(empty_pc(i), Ordering::SeqCst);
            }
        }
    }
}

/// The latest retirements of blocks: their numbers and guest addresses.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<(u64, u64)>,
    /// Every retirement with a greater number is in the log.
    complete_after: u64,
}

impl Log {
    /// Retirement number `number` gave up an image: nobody knows what is remembered of it.
    pub fn push_all(&mut self, number: u64) {
        self.entries.clear();
        self.complete_after = number;
    }

    /// Retirement number `number` removed blocks at `pcs`.
    pub fn push(&mut self, number: u64, pcs: &[u64]) {
        const LONGEST: usize = 2048;
        self.entries.extend(pcs.iter().map(|&pc| (number, pc)));
        while self.entries.len() > LONGEST {
            if let Some(e) = self.entries.pop_front() {
                self.complete_after = e.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(n: usize) -> *const Block0 {
        (n * 64) as *const Block0
    }

    fn found(c: &Caches, pc: u64) -> Option<*const Block0> {
        match c.find(pc)? {
            Found::Block(b) => Some(b),
            Found::Image(_) => None,
        }
    }

    #[test]
    fn code_in_images_is_remembered_until_an_image_is_given_up() {
        let (mut c, mut log) = (Caches::new(), Log::default());
        c.remember_image(0x1000, 0x5000_0000_0041);
        c.remember(0x2004, block(3));
        assert_eq!(c.find(0x1000), Some(Found::Image(0x5000_0000_0041)));
        log.push(1, &[0x2004]);
        assert!(c.catch_up(1, &log));
        assert!(c.find(0x2004).is_none() && c.find(0x1000).is_some());
        log.push_all(2);
        assert!(!c.catch_up(2, &log));
        assert_eq!(c.find(0x1000), None);
        c.remember_image(0x1000, 77);
        log.push(3, &[0x1000]);
        assert!(c.catch_up(3, &log));
        assert_eq!(c.find(0x1000), None);
    }

    #[test]
    fn modes_keep_their_caches_and_retired_blocks_leave_them() {
        let shared = Shared::default();
        let (mut c, mut log) = (Caches::new(), Log::default());
        c.share(&shared);
        c.remember(0x1000, block(1));
        c.remember_jump(0x1000, 77);
        assert!(c.select(8, &shared));
        assert_eq!(found(&c, 0x1000), None);
        c.remember(0x1000, block(2));
        c.remember(0x2004, block(3));
        c.remember_jump(0x1000, 78);
        assert!(!c.select(0, &shared));
        assert_eq!(found(&c, 0x1000), Some(block(1)));
        assert_eq!(c.jumps()[0x400].pc.load(Ordering::Relaxed), 0x1000);

        log.push(1, &[0x1000]);
        forget_jumps(&shared, &[0x1000]);
        assert!(c.catch_up(1, &log));
        assert_eq!(found(&c, 0x1000), None);
        assert_eq!(c.jumps()[0x400].pc.load(Ordering::Relaxed), 0);
        assert!(!c.select(8, &shared));
        assert_eq!((c.seen(), found(&c, 0x1000)), (0, Some(block(2))));
        assert_eq!(c.jumps()[0x400].pc.load(Ordering::Relaxed), 0);
        assert!(c.catch_up(1, &log));
        assert_eq!(
            (found(&c, 0x1000), found(&c, 0x2004)),
            (None, Some(block(3)))
        );

        let many: Vec<u64> = (0..3000).map(|n| 0x10_0000 + n * 4).collect();
        log.push(2, &many);
        assert!(!c.catch_up(2, &log));
        assert_eq!(found(&c, 0x2004), None);
    }

    #[test]
    fn jumps_that_share_an_entry_are_kept_in_the_second_half_until_forgotten() {
        let shared = Shared::default();
        let c = Caches::new();
        c.share(&shared);
        let (a, b) = (0x1000, 0x1000 + 4 * JUMP_ENTRIES as u64);
        let at = |i: usize| {
            let e = &c.jumps()[i];
            (e.pc.load(Ordering::Relaxed), e.code.load(Ordering::Relaxed))
        };
        assert_eq!(places(a).0, places(b).0);
        assert_ne!(places(a).1, places(b).1);
        c.remember_jump(a, 7);
        c.remember_jump(b, 8);
        assert_eq!((at(places(b).0), at(places(a).1)), ((b, 8), (a, 7)));
        // Newer code for the address that was displaced.
        c.remember_jump(a, 9);
        assert_eq!((at(places(a).0), at(places(b).1)), ((a, 9), (b, 8)));
        c.remember_jump(b, 8);
        assert_eq!(at(places(a).1), (a, 9));
        forget_jumps(&shared, &[a, b]);
        assert!((0..2 * JUMP_ENTRIES).all(|i| at(i).0 == empty_pc(i)));
    }

    #[test]
    fn a_large_programs_jumps_move_and_are_forgotten_where_they_are() {
        let shared = Shared::default();
        let mut c = Caches::new();
        c.share(&shared);
        c.remember_jump(0x1000, 7);
        assert!(!c.outgrown());
        for n in 0..30_000 {
            c.remember(0x40_0000 + n * 4, block(1));
        }
        assert!(c.outgrown());
        c.move_jumps(&shared);
        assert!(!c.outgrown());
        let e = &c.jumps()[places(0x1000).0];
        assert_eq!(e.pc.load(Ordering::Relaxed), 0x1000);
        assert_eq!(e.code.load(Ordering::Relaxed), 7);
        forget_jumps(&shared, &[0x1000]);
        let kept = c.jumps().iter().enumerate();
        assert!({ kept }.all(|(i, e)| e.pc.load(Ordering::Relaxed) == empty_pc(i)));
    }

    #[test]
    fn the_block_cache_grows_and_keeps_what_is_in_it() {
        let mut c = Caches::new();
        assert_eq!(c.set().blocks.len(), FEW_BLOCKS);
        for round in 0..3 {
            for n in 0..8000 {
                c.remember(0x40_0000 + n * 4, block(n as usize + 1));
                assert_eq!(found(&c, 0x40_0000 + n * 4), Some(block(n as usize + 1)));
            }
            let kept = (0..8000).filter(|n| found(&c, 0x40_0000 + n * 4).is_some());
            assert!(round == 0 || kept.count() == 8000);
        }
        assert_eq!(c.set().blocks.len(), BLOCK_ENTRIES);
    }

    #[test]
    fn the_oldest_of_many_modes_makes_room() {
        let shared = Shared::default();
        let mut c = Caches::new();
        c.remember(0x1000, block(1));
        for mode in 1..=SETS as u64 {
            assert!(c.select(mode, &shared));
            assert_eq!(found(&c, 0x1000), None);
            c.remember(0x1000, block(1 + mode as usize));
        }
        assert!(!c.select(SETS as u64, &shared));
        assert_eq!(found(&c, 0x1000), Some(block(1 + SETS)));
        assert_eq!(found(&c, 0), None);
    }
}
