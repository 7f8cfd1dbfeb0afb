//! Code memory: one arena for all translated code, never writable and executable at the same address.
//!
//! The arena is shared anonymous memory mapped twice: once readable and executable where code runs, once writable where code is copied to.
//! (Not a memfd: Linux perf takes names from its map only for memory without a file, and there is no descriptor to keep from the guest.) Behind
//! the executable view, near enough for rel32, lie the chain slots (plain data, private to the process). Arena and slots are cut
//! and counters (see [`super::counter`], private too) into as many *segments*; segments are filled in turn and evicted oldest first, so the code thrown away is the code
//! compiled longest ago, never everything at once.
//!
//! A table with one word for each 64-byte line of code names the unit that covers it; the host fault handler reads it, so it is
//! written before code becomes reachable and cleared only after no CPU can be in it. A process may have several arenas (one for each
//! engine): [`unit_at`] asks all of them.
//!
//! After `fork` parent and child share that memory, and each may run what is there. Nobody copies it: whoever is about to
//! write where the other may execute or write maps fresh memory over that part first. That is, in the child what is left of the segment
//! being filled ([`CodeMemory::set_foreign`]), in both a whole segment when it is its turn again ([`CodeMemory::set_shared`]).
//! So a child that only executes another program pays nothing, and one that goes on pays for what it adds.

use super::counter::{self, SHARDS, STRIDE};
use super::unit::Unit1;
use metaphrase_backend::abi::ChainSlot;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Alignment of functions, and the granule of the line table.
pub const LINE: usize = 64;
/// Room for the stubs, behind the code: a page.
const STUBS: usize = PAGE;
/// What memory is mapped in.
const PAGE: usize = 4096;
/// Bytes of slots for each byte of code, as a divisor.
const SLOT_SHARE: usize = 4;

/// Where a unit has been placed.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Address to run it at.
    pub exec: u64,
    /// Address to write it at.
    pub write: *mut u8,
    /// Its chain slots.
    pub slots: *mut ChainSlot,
    /// Its counter in shard 0.
    pub counter: u64,
    /// Segment.
    pub segment: usize,
}

/// The arena.
#[derive(Debug)]
pub struct CodeMemory {
    exec: u64,
    write: u64,
    slots: u64,
    counters: u64,
    lines: u64,
    size: usize,
    segment: usize,
    current: usize,
    code_used: usize,
    slots_used: usize,
    counters_used: usize,
    /// Bytes of the arena that have been mapped for writing ahead of use.
    prepared: usize,
    segments: Vec<Segment>,
    stubs_used: usize,
    /// What is left of the current segment is the parent's.
    foreign: bool,
    /// The stub area is the parent's.
    foreign_stubs: bool,
    arena: &'static Arena,
}

/// One part of the arena.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    /// Bytes in use at its start.
    used: usize,
    /// Another process may execute or write here: needs fresh memory before it is filled from its start.
    shared: bool,
    /// Places that have been given out and whose units nobody can find yet.
    pending: usize,
}

// SAFETY: addresses of mappings that live as long as the value; writes are serialised by the owner's lock.
unsafe impl Send for CodeMemory {}

/// What the fault handler knows of an arena. Never freed: the handler may be looking at it.
#[derive(Debug)]
struct Arena {
    exec: u64,
    size: usize,
    lines: *const AtomicPtr<Unit1>,
}

// SAFETY: addresses of mappings; see `unit_at`.
unsafe impl Sync for Arena {}

/// A place for an arena; the list only grows, places are used again.
struct Node {
    arena: AtomicPtr<Arena>,
    next: *const Node,
}

static ARENAS: AtomicPtr<Node> = AtomicPtr::new(ptr::null_mut());

fn arenas() -> impl Iterator<Item = &'static Node> {
    let mut next: *const Node = ARENAS.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: nodes are never freed, and complete when they get into the list.
        let n = unsafe { next.as_ref() }?;
        next = n.next;
        Some(n)
    })
}

/// Makes an arena known to the fault handler.
fn register(a: Arena) -> &'static Arena {
    let a: &'static Arena = Box::leak(Box::new(a));
    let p = ptr::from_ref(a).cast_mut();
    let free = |n: &&Node| {
        let none = ptr::null_mut();
        let taken = n
            .arena
            .compare_exchange(none, p, Ordering::AcqRel, Ordering::Relaxed);
        taken.is_ok()
    };
    if arenas().find(free).is_some() {
        return a;
    }
    let node = Box::into_raw(Box::new(Node {
        arena: AtomicPtr::new(p),
        next: ptr::null(),
    }));
    let mut head = ARENAS.load(Ordering::Acquire);
    loop {
        // SAFETY: ours until the exchange succeeds.
        unsafe { (*node).next = head };
        match ARENAS.compare_exchange(head, node, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return a,
            Err(h) => head = h,
        }
    }
}

/// The unit whose code covers host address `pc`. Async-signal-safe.
pub fn unit_at(pc: u64) -> Option<&'static Unit1> {
    arenas().find_map(|n| {
        // SAFETY: arenas are never freed.
        let a = unsafe { n.arena.load(Ordering::Acquire).as_ref() }?;
        let off = pc.wrapping_sub(a.exec) as usize;
        if off >= a.size {
            return None;
        }
        // SAFETY: the table has a word for each line of the arena and is mapped while a CPU can be in the arena; a unit named in it
        // is alive while any CPU may run its code.
        unsafe { (*a.lines.add(off / LINE)).load(Ordering::Acquire).as_ref() }
    })
}

fn map(len: usize, prot: i32, flags: i32, at: u64) -> io::Result<u64> {
    let fixed = if at != 0 { libc::MAP_FIXED } else { 0 };
    // SAFETY: a fresh mapping, or one over a range that this module reserved.
    let p = unsafe { libc::mmap(at as *mut _, len, prot, flags | fixed, -1, 0) };
    if p == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(p as u64)
}

/// mremap to an address (0: any). An old size of 0 makes another mapping of shared memory (mremap(2)).
fn remap(from: u64, old: usize, len: usize, to: u64) -> io::Result<u64> {
    let fixed = if to != 0 { libc::MREMAP_FIXED } else { 0 };
    let flags = libc::MREMAP_MAYMOVE | fixed;
    // SAFETY: ranges of this module's own.
    let p = unsafe { libc::mremap(from as *mut _, old, len, flags, to as *mut libc::c_void) };
    if p == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(p as u64)
}

/// Maps the shared memory at `from` a second time, executable, over `[at, at + len)`. `live`: other threads may be running there, so it
/// happens in one step; otherwise in the order in which perf sees it (mprotect tells perf, a move does not).
fn map_again(from: u64, len: usize, at: u64, live: bool) -> io::Result<()> {
    let second = remap(from, 0, len, if live { 0 } else { at })?;
    // SAFETY: the mapping made just now; it inherited the first one's protection.
    if unsafe { libc::mprotect(second as *mut _, len, RX) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if live {
        remap(second, len, len, at)?;
    }
    Ok(())
}

const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;
const RX: i32 = libc::PROT_READ | libc::PROT_EXEC;
const SHARED: i32 = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
const ANON: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

impl CodeMemory {
    /// An arena of about `size` bytes (at least 256 KiB) in segments.
    ///
    /// `stubs` is code that stays at its place for the arena's life ([`Self::stubs`]).
    pub fn new(size: usize, stubs: &[u8]) -> io::Result<CodeMemory> {
        let size = size.clamp(256 << 10, 1 << 30).next_multiple_of(64 << 10);
        let segments = (size / (64 << 10)).clamp(4, 32);
        let segment = (size / segments) & !(PAGE - 1);
        let slots_len = size / SLOT_SHARE;
        if stubs.len() > STUBS {
            return Err(io::Error::other("stubs too large"));
        }
        let code = size + STUBS;
        let counters_len = STRIDE * SHARDS;
        let exec = map(code + slots_len + counters_len, libc::PROT_NONE, ANON, 0)?;
        let write = map(code, RW, SHARED, 0)?;
        map_again(write, code, exec, false)?;
        let slots = map(slots_len + counters_len, RW, ANON, exec + code as u64)?;
        // SAFETY: the stub area of the fresh writable view.
        unsafe {
            ptr::copy_nonoverlapping(
                stubs.as_ptr(),
                (write + size as u64) as *mut u8,
                stubs.len(),
            )
        };
        let lines = map(size / LINE * 8, RW, ANON, 0)?;
        let arena = register(Arena {
            exec,
            size,
            lines: lines as *const _,
        });
        Ok(CodeMemory {
            exec,
            write,
            slots,
            counters: slots + slots_len as u64,
            lines,
            size,
            segment,
            current: 0,
            code_used: 0,
            slots_used: 0,
            counters_used: 0,
            prepared: 0,
            segments: vec![Segment::default(); segments],
            stubs_used: stubs.len(),
            foreign: false,
            foreign_stubs: false,
            arena,
        })
    }

    /// Adds code to the stub area; returns its address. `None` if it does not fit.
    pub fn add_stub(&mut self, code: &[u8]) -> Option<u64> {
        let at = self.stubs_used.next_multiple_of(LINE);
        if at + code.len() > STUBS || (self.foreign_stubs && self.own_stubs().is_err()) {
            return None;
        }
        let off = (self.size + at) as u64;
        // SAFETY: unused room in the stub area.
        unsafe {
            ptr::copy_nonoverlapping(code.as_ptr(), (self.write + off) as *mut u8, code.len())
        };
        self.stubs_used = at + code.len();
        Some(self.exec + off)
    }

    /// Address of the stubs.
    pub fn stubs(&self) -> u64 {
        self.exec + self.size as u64
    }

    /// Capacity in bytes of code.
    pub fn capacity(&self) -> usize {
        self.size
    }

    /// Bytes of code in use.
    pub fn in_use(&self) -> usize {
        self.segments.iter().map(|s| s.used).sum()
    }

    /// The segment that has to be evicted before more can be placed, after a failed [`Self::alloc`].
    pub fn next_segment(&self) -> usize {
        (self.current + 1) % self.segments.len()
    }

    /// Room for `len` bytes of code and `slots` chain slots in the current segment, until [`Self::settle`] is called for it. `None`: full,
    /// evict [`Self::next_segment`] and call [`Self::advance`].
    pub fn alloc(&mut self, len: usize, slots: usize) -> Option<Place> {
        let len = len.next_multiple_of(LINE);
        let slot_bytes = slots * size_of::<ChainSlot>();
        if self.code_used + len > self.segment
            || self.slots_used + slot_bytes > self.slot_segment()
            || self.counters_used == self.counter_segment()
        {
            return None;
        }
        if self.foreign {
            self.own_tail().ok()?;
            return self.alloc(len, slots);
        }
        let off = self.current * self.segment + self.code_used;
        let slot = self.slots + (self.current * self.slot_segment() + self.slots_used) as u64;
        let counter = self.counter(self.current, self.counters_used);
        self.code_used += len;
        self.slots_used += slot_bytes;
        self.counters_used += 1;
        self.segments[self.current].used = self.code_used;
        self.segments[self.current].pending += 1;
        self.prepare(off + len);
        Some(Place {
            exec: self.exec + off as u64,
            write: (self.write + off as u64) as *mut u8,
            slots: slot as *mut ChainSlot,
            counter,
            segment: self.current,
        })
    }

    /// Counters in a segment.
    fn counter_segment(&self) -> usize {
        STRIDE / 2 / self.segments.len()
    }

    /// Counter number `n` of a segment, in shard 0.
    fn counter(&self, segment: usize, n: usize) -> u64 {
        self.counters + ((segment * self.counter_segment() + n) * 2) as u64
    }

    /// Begins a round of `n` executions for all units in a shard of counters that is new.
    pub fn fill_shard(&self, shard: usize, n: i32) {
        for (i, s) in self.segments.iter().enumerate() {
            let count = match (i == self.current, s.used) {
                (true, _) => self.counters_used,
                (_, 0) => 0,
                _ => self.counter_segment(),
            };
            // SAFETY: the area has room for all segments in each of its shards.
            unsafe { counter::fill(self.counter(i, 0), count, shard, n) };
        }
    }

    /// Has the kernel map the pages up to `end` and some more for writing, in one call instead of a fault for each.
    fn prepare(&mut self, end: usize) {
        const AHEAD: usize = 64 << 10;
        if end <= self.prepared {
            return;
        }
        let from = self.prepared.max(self.current * self.segment);
        let len = (end - from).next_multiple_of(AHEAD).min(self.size - from);
        // SAFETY: advice about pages of the writable view; an error changes nothing.
        unsafe {
            let at = (self.write + from as u64) as *mut libc::c_void;
            libc::madvise(at, len, libc::MADV_POPULATE_WRITE);
        }
        self.prepared = from + len;
    }

    /// The unit that a place was for can be found now, or is not to be.
    pub fn settle(&mut self, segment: usize) {
        let s = &mut self.segments[segment];
        s.pending = s.pending.saturating_sub(1);
    }

    /// Whether somebody is about to write to the segment. It must not be filled anew.
    pub fn pending(&self, segment: usize) -> bool {
        self.segments[segment].pending > 0
    }

    /// Bytes of slots in a segment.
    fn slot_segment(&self) -> usize {
        (self.segment / SLOT_SHARE) & !15
    }

    /// Largest code that fits into a segment.
    pub fn largest(&self) -> usize {
        self.segment
    }

    /// Starts filling the next segment, whose units must all be gone.
    pub fn advance(&mut self) -> io::Result<()> {
        let next = self.next_segment();
        if self.segments[next].shared {
            self.refresh(next * self.segment, self.segment)?;
        }
        self.foreign = false;
        self.segments[next] = Segment::default();
        self.current = next;
        self.code_used = 0;
        self.slots_used = 0;
        self.counters_used = 0;
        Ok(())
    }

    /// After `fork`, in the parent: the child may run what there is, and does not write.
    pub fn set_shared(&mut self) {
        for s in &mut self.segments {
            s.shared |= s.used > 0;
        }
    }

    /// After `fork`, in the child: the parent may run and write everywhere.
    pub fn set_foreign(&mut self) {
        for s in &mut self.segments {
            // Whoever was about to write is not here.
            s.pending = 0;
            s.shared = true;
        }
        self.foreign = true;
        self.foreign_stubs = true;
    }

    /// Names `unit` (null: none) as owner of the lines of `[exec, exec + len)`.
    pub fn set_lines(&self, exec: u64, len: usize, unit: *mut Unit1) {
        let first = (exec - self.exec) as usize / LINE;
        for i in first..first + len.div_ceil(LINE) {
            // SAFETY: within the table; see `unit_at`.
            unsafe {
                (*(self.lines as *const AtomicPtr<Unit1>).add(i)).store(unit, Ordering::Release)
            };
        }
    }

    /// Makes what is left of the current segment, from the next page on, this process's own.
    fn own_tail(&mut self) -> io::Result<()> {
        let from = self.code_used.next_multiple_of(PAGE);
        if from < self.segment {
            let off = self.current * self.segment + from;
            self.refresh(off, self.segment - from)?;
        }
        self.code_used = from;
        self.segments[self.current].used = from;
        self.foreign = false;
        Ok(())
    }

    /// Fresh memory for `len` bytes from offset `off` in both views. No CPU may be there.
    fn refresh(&self, off: usize, len: usize) -> io::Result<()> {
        let (write, exec) = (self.write + off as u64, self.exec + off as u64);
        map(len, RW, SHARED, write)?;
        map_again(write, len, exec, false)
    }

    /// Makes the stub area this process's own, with what is in it. CPUs may be there.
    fn own_stubs(&mut self) -> io::Result<()> {
        let off = self.size as u64;
        let copy = map(STUBS, RW, SHARED, 0)?;
        // SAFETY: both are `STUBS` bytes; the copy is new, and nobody writes to the original while this process cannot.
        unsafe {
            ptr::copy_nonoverlapping((self.write + off) as *const u8, copy as *mut u8, STUBS);
        }
        remap(copy, STUBS, STUBS, self.write + off)?;
        map_again(self.write + off, STUBS, self.exec + off, true)?;
        self.foreign_stubs = false;
        Ok(())
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        let own = ptr::from_ref(self.arena);
        if let Some(n) = arenas().find(|n| ptr::eq(n.arena.load(Ordering::Acquire), own)) {
            n.arena.store(ptr::null_mut(), Ordering::Release);
        }
        // SAFETY: the mappings made in `new`.
        unsafe {
            libc::munmap(
                self.exec as *mut _,
                self.size + STUBS + self.size / SLOT_SHARE + STRIDE * SHARDS,
            );
            libc::munmap(self.write as *mut _, self.size + STUBS);
            libc::munmap(self.lines as *mut _, self.size / LINE * 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mov eax, n; ret
    fn put(m: &mut CodeMemory, n: u32) -> u64 {
        let p = m.alloc(6, 1).expect("room");
        let mut code = [0xb8, 0, 0, 0, 0, 0xc3];
        code[1..5].copy_from_slice(&n.to_le_bytes());
        // SAFETY: room for this.
        unsafe { ptr::copy_nonoverlapping(code.as_ptr(), p.write, code.len()) };
        p.exec
    }

    fn call(at: u64) -> u32 {
        // SAFETY: made by `put`.
        let f = unsafe { std::mem::transmute::<u64, extern "C" fn() -> u32>(at) };
        f()
    }

    /// Runs `child` in a forked process; true if it says so.
    fn forked(m: &mut CodeMemory, child: impl FnOnce(&mut CodeMemory) -> bool) -> bool {
        let mut status = 0;
        // SAFETY: the child neither allocates nor takes locks.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                m.set_foreign();
                let ok = child(m);
                libc::_exit(if ok { 0 } else { 1 });
            }
            assert!(pid > 0);
            m.set_shared();
            libc::waitpid(pid, &mut status, 0);
        }
        status == 0
    }

    #[test]
    fn a_child_and_its_parent_do_not_write_over_each_other() {
        let mut m = CodeMemory::new(256 << 10, &[0xc3; 20]).unwrap();
        let first = put(&mut m, 1);
        let mut theirs = [0u64; 3];
        let ok = forked(&mut m, |m| {
            theirs[0] = put(m, 100);
            // A grandchild finds all of it.
            let grand = forked(m, |m| {
                let own = put(m, 200);
                call(first) == 1 && call(theirs[0]) == 100 && call(own) == 200
            });
            let later = put(m, 101);
            grand && call(first) == 1 && call(theirs[0]) == 100 && call(later) == 101
        });
        assert!(ok);
        let second = put(&mut m, 2);
        assert_eq!((call(first), call(second)), (1, 2));
    }

    #[test]
    fn a_child_keeps_what_its_parent_evicts_and_the_other_way_round() {
        let mut m = CodeMemory::new(256 << 10, &[]).unwrap();
        let first = put(&mut m, 1);
        let rounds = m.segments.len();
        let all = |m: &mut CodeMemory, n: u32| {
            (0..rounds).all(|i| {
                m.advance().is_ok() && {
                    let at = put(m, n + i as u32);
                    call(at) == n + i as u32
                }
            })
        };
        // The child writes everywhere, the parent's code stays; then the other way round.
        assert!(forked(&mut m, |m| all(m, 100)));
        assert_eq!(call(first), 1);
        let (mut to, mut from) = ([0; 2], [0; 2]);
        // SAFETY: pipes, then a child that neither allocates nor takes locks.
        unsafe {
            assert_eq!(
                libc::pipe(to.as_mut_ptr()) | libc::pipe(from.as_mut_ptr()),
                0
            );
            let pid = libc::fork();
            let mut b = 0u8;
            let byte = &raw mut b;
            let p = byte.cast();
            if pid == 0 {
                m.set_foreign();
                libc::read(to[0], p, 1);
                byte.write(call(first) as u8);
                libc::write(from[1], p, 1);
                libc::_exit(0);
            }
            m.set_shared();
            assert!(all(&mut m, 200));
            libc::write(to[1], p, 1);
            assert_eq!(libc::read(from[0], p, 1), 1);
            assert_eq!(b, 1, "the child's code has changed");
            libc::waitpid(pid, ptr::null_mut(), 0);
            for fd in to.iter().chain(&from) {
                libc::close(*fd);
            }
        }
    }

    #[test]
    fn stubs_can_be_added_in_a_child() {
        let mut m = CodeMemory::new(256 << 10, &[0xb8, 7, 0, 0, 0, 0xc3]).unwrap();
        assert!(forked(&mut m, |m| {
            let at = m.add_stub(&[0xb8, 8, 0, 0, 0, 0xc3]);
            at.is_some_and(|at| call(at) == 8) && call(m.stubs()) == 7
        }));
        let at = m.add_stub(&[0xb8, 9, 0, 0, 0, 0xc3]).unwrap();
        assert_eq!((call(at), call(m.stubs())), (9, 7));
    }
}
