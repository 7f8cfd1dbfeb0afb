//! Code memory: one arena for all translated code, never writable and executable at the same address.
//!
//! The arena is shared anonymous memory mapped twice: once readable and executable where code runs, once writable where code is copied to.
//! (Not a memfd: Linux perf takes names from its map only for memory without a file, and there is no descriptor to keep from the guest.) Behind
//! the executable view, near enough for rel32, lie the chain slots (plain data, private to the process). Arena and slots are cut
//! into as many *segments*; segments are filled in turn and evicted oldest first, so the code thrown away is the code
//! compiled longest ago, never everything at once.
//!
//! A table with one word for each 64-byte line of code names the unit that covers it; the host fault handler reads it, so it is
//! written before code becomes reachable and cleared only after no CPU can be in it.
//!
//! After `fork` parent and child share that memory. The child may run what is there but must not write ([`CodeMemory::set_foreign`]), the
//! parent may add but not overwrite ([`CodeMemory::set_shared`]); who wants to do more first gets a copy at the same addresses.
//! So a child that only executes another program pays nothing.

use super::unit::Unit1;
use metaphrase_backend::abi::ChainSlot;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Alignment of functions, and the granule of the line table.
pub const LINE: usize = 64;
/// Room for the stubs, behind the code.
const STUBS: usize = 4096;
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
    /// Segment.
    pub segment: usize,
}

/// The arena.
#[derive(Debug)]
pub struct CodeMemory {
    exec: u64,
    write: u64,
    slots: u64,
    lines: u64,
    size: usize,
    segment: usize,
    current: usize,
    code_used: usize,
    slots_used: usize,
    /// Bytes used in each segment.
    used: Vec<usize>,
    stubs_used: usize,
    /// A child may still run what is in this memory.
    shared: bool,
    /// The memory is the parent's.
    foreign: bool,
}

// SAFETY: addresses of mappings that live as long as the value; writes are serialised by the owner's lock.
unsafe impl Send for CodeMemory {}

static EXEC: AtomicU64 = AtomicU64::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(0);
static LINES: AtomicPtr<AtomicPtr<Unit1>> = AtomicPtr::new(ptr::null_mut());

/// The unit whose code covers host address `pc`. Async-signal-safe.
pub fn unit_at(pc: u64) -> Option<&'static Unit1> {
    let off = pc.wrapping_sub(EXEC.load(Ordering::Acquire)) as usize;
    if off >= SIZE.load(Ordering::Acquire) {
        return None;
    }
    let lines = LINES.load(Ordering::Acquire);
    // SAFETY: the table has a word for each line of the arena; a unit named in it is alive while any CPU may run its code.
    unsafe { (*lines.add(off / LINE)).load(Ordering::Acquire).as_ref() }
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

/// Maps the shared memory at `from` a second time, executable, over `[at, at + len)`. `live`: other threads may be running there, so it
/// happens in one step; otherwise in the order in which perf sees it (mprotect tells perf, a move does not).
fn map_again(from: u64, len: usize, at: u64, live: bool) -> io::Result<()> {
    let move_to = |from: u64, old: usize, flags: i32, to: u64| {
        let flags = libc::MREMAP_MAYMOVE | flags;
        // SAFETY: ranges of this module's own. An old size of 0 makes another mapping of shared memory (mremap(2)).
        let p = unsafe { libc::mremap(from as *mut _, old, len, flags, to as *mut libc::c_void) };
        match p == libc::MAP_FAILED {
            true => Err(io::Error::last_os_error()),
            false => Ok(p as u64),
        }
    };
    let fixed = libc::MREMAP_FIXED;
    let second = match live {
        true => move_to(from, 0, 0, 0)?,
        false => move_to(from, 0, fixed, at)?,
    };
    // SAFETY: the mapping made just now; it inherited the first one's protection.
    if unsafe { libc::mprotect(second as *mut _, len, RX) } != 0 {
        return Err(io::Error::last_os_error());
    }
    match live {
        true => move_to(second, len, fixed, at).map(|_| ()),
        false => Ok(()),
    }
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
        let segment = (size / segments) & !(LINE - 1);
        let slots_len = size / SLOT_SHARE;
        if stubs.len() > STUBS {
            return Err(io::Error::other("stubs too large"));
        }
        let code = size + STUBS;
        let exec = map(code + slots_len, libc::PROT_NONE, ANON, 0)?;
        let write = map(code, RW, SHARED, 0)?;
        map_again(write, code, exec, false)?;
        let slots = map(slots_len, RW, ANON, exec + code as u64)?;
        // SAFETY: the stub area of the fresh writable view.
        unsafe {
            ptr::copy_nonoverlapping(
                stubs.as_ptr(),
                (write + size as u64) as *mut u8,
                stubs.len(),
            )
        };
        let lines = map(size / LINE * 8, RW, ANON, 0)?;
        LINES.store(lines as *mut _, Ordering::Release);
        EXEC.store(exec, Ordering::Release);
        SIZE.store(size, Ordering::Release);
        Ok(CodeMemory {
            exec,
            write,
            slots,
            lines,
            size,
            segment,
            current: 0,
            code_used: 0,
            slots_used: 0,
            used: vec![0; segments],
            stubs_used: stubs.len(),
            shared: false,
            foreign: false,
        })
    }

    /// Adds code to the stub area; returns its address. `None` if it does not fit.
    pub fn add_stub(&mut self, code: &[u8]) -> Option<u64> {
        let at = self.stubs_used.next_multiple_of(LINE);
        if at + code.len() > STUBS || (self.foreign && self.unshare().is_err()) {
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
        self.used.iter().sum()
    }

    /// The segment that has to be evicted before more can be placed, after a failed [`Self::alloc`].
    pub fn next_segment(&self) -> usize {
        (self.current + 1) % self.used.len()
    }

    /// Room for `len` bytes of code and `slots` chain slots in the current segment. `None`: full, evict [`Self::next_segment`] and
    /// call [`Self::advance`].
    pub fn alloc(&mut self, len: usize, slots: usize) -> Option<Place> {
        let len = len.next_multiple_of(LINE);
        let slot_bytes = slots * size_of::<ChainSlot>();
        if self.code_used + len > self.segment || self.slots_used + slot_bytes > self.slot_segment()
        {
            return None;
        }
        if self.foreign {
            self.unshare().ok()?;
        }
        let off = self.current * self.segment + self.code_used;
        let slot = self.slots + (self.current * self.slot_segment() + self.slots_used) as u64;
        self.code_used += len;
        self.slots_used += slot_bytes;
        self.used[self.current] = self.code_used;
        Some(Place {
            exec: self.exec + off as u64,
            write: (self.write + off as u64) as *mut u8,
            slots: slot as *mut ChainSlot,
            segment: self.current,
        })
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
        if !self.next_is_empty() && (self.shared || self.foreign) {
            self.unshare()?;
        }
        self.current = self.next_segment();
        self.code_used = 0;
        self.slots_used = 0;
        self.used[self.current] = 0;
        Ok(())
    }

    /// After `fork`, in the parent.
    pub fn set_shared(&mut self) {
        self.shared = true;
    }

    /// After `fork`, in the child.
    pub fn set_foreign(&mut self) {
        self.foreign = true;
    }

    /// Whether the next segment holds nothing (first round).
    pub fn next_is_empty(&self) -> bool {
        self.used[self.next_segment()] == 0
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

    /// Replaces the memory by a copy of what is in use, at the same addresses.
    fn unshare(&mut self) -> io::Result<()> {
        let code = self.size + STUBS;
        let copy = map(code, RW, SHARED, 0)?;
        let used = self
            .used
            .iter()
            .enumerate()
            .map(|(i, &n)| (i * self.segment, n));
        for (off, n) in used.chain([(self.size, STUBS)]) {
            let off = off as u64;
            // SAFETY: both views are `size` bytes; the copy is new.
            unsafe {
                ptr::copy_nonoverlapping(
                    (self.write + off) as *const u8,
                    (copy + off) as *mut u8,
                    n,
                )
            };
        }
        // SAFETY: the old writable view is ours alone.
        unsafe { libc::munmap(self.write as *mut _, code) };
        self.write = copy;
        map_again(copy, code, self.exec, true)?;
        self.shared = false;
        self.foreign = false;
        Ok(())
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        SIZE.store(0, Ordering::Release);
        // SAFETY: the mappings made in `new`.
        unsafe {
            libc::munmap(
                self.exec as *mut _,
                self.size + STUBS + self.size / SLOT_SHARE,
            );
            libc::munmap(self.write as *mut _, self.size + STUBS);
            libc::munmap(self.lines as *mut _, self.size / LINE * 8);
        }
    }
}
