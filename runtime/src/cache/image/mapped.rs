//! An image in memory: code at its place, slots and counters behind it, tables anywhere.
//!
//! Images are never unmapped: a CPU may be in one long after it has been given up, and the fault handler looks at all of them. Slots are
//! this process's own; everything else is shared with whoever has mapped the same file.

use super::format::{Entry, Guard, Unit, View};
use crate::cache::counter::{Counter, SHARDS, STRIDE};
use memmap2::Mmap;
use metaphrase_backend::abi::ChainSlot;
use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Bytes of counters, at a window's end.
pub const COUNTERS: u64 = (STRIDE * SHARDS) as u64;

/// Code and its tables, ready to be entered.
#[derive(Debug)]
pub struct Image {
    /// Its file.
    pub view: View<'static>,
    slots: Range<u64>,
    /// The words that all processes share; 0 if they cannot be written.
    shared: u64,
    next: *const Image,
}

// SAFETY: the mappings are never unmapped, slots and counters are atomics; `next` is written before the image is published.
unsafe impl Sync for Image {}
// SAFETY: as above.
unsafe impl Send for Image {}

/// All images, for the fault handler.
static IMAGES: AtomicPtr<Image> = AtomicPtr::new(ptr::null_mut());

/// The fault site of a host instruction in an image: where to resume, and the guest instruction. Async-signal-safe.
pub fn landing(pc: u64) -> Option<(u64, u64)> {
    let mut at: *const Image = IMAGES.load(Ordering::Acquire);
    // SAFETY: images are never freed, and complete when they get into the list.
    while let Some(i) = unsafe { at.as_ref() } {
        if i.code().contains(&pc) {
            let window = i.view.header.window;
            let (landing, guest) = i.view.fault((pc - window) as u32)?;
            return Some((window + landing as u64, guest));
        }
        at = i.next;
    }
    None
}

fn map(at: u64, len: usize, prot: i32, flags: i32, file: Option<(&File, usize)>) -> io::Result<()> {
    let flags = flags | libc::MAP_PRIVATE | libc::MAP_FIXED_NOREPLACE;
    let (fd, offset) = file.map_or((-1, 0), |(f, o)| (f.as_raw_fd(), o as i64));
    // SAFETY: replaces nothing.
    let p = unsafe { libc::mmap(at as *mut _, len, prot, flags, fd, offset) };
    if p == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    if p as u64 != at {
        // A kernel without that flag (before 4.17) took it for a hint.
        // SAFETY: the mapping made just now.
        unsafe { libc::munmap(p, len) };
        return Err(io::ErrorKind::AddrInUse.into());
    }
    Ok(())
}

/// Maps code where the file system does not let files be executed: a copy.
fn map_copy(at: u64, code: &[u8]) -> io::Result<()> {
    const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;
    map(at, code.len(), RW, libc::MAP_ANONYMOUS, None)?;
    // SAFETY: the mapping made just now, as long as the code.
    let r = unsafe {
        ptr::copy_nonoverlapping(code.as_ptr(), at as *mut u8, code.len());
        libc::mprotect(at as *mut _, code.len(), libc::PROT_READ | libc::PROT_EXEC)
    };
    match r {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Maps the words that all processes share; 0 if the file cannot be written.
fn map_shared(file: &File, at: Range<usize>) -> u64 {
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    let (fd, none) = (file.as_raw_fd(), ptr::null_mut());
    // SAFETY: a new mapping, anywhere.
    let p = unsafe { libc::mmap(none, at.len(), rw, libc::MAP_SHARED, fd, at.start as i64) };
    if p == libc::MAP_FAILED { 0 } else { p as u64 }
}

impl Image {
    /// Maps the image with this key. `window`: the text's.
    pub fn open(file: &File, key: [u64; 2], window: &Range<u64>) -> io::Result<&'static Image> {
        // SAFETY: the file is ours and is replaced, never written.
        let all: &'static Mmap = Box::leak(Box::new(unsafe { Mmap::map(file) }?));
        let bad = || io::Error::other("not an image");
        let view = View::of(all, key).ok_or_else(bad)?;
        let (code, slots) = view.mapped();
        let end = window.start + (code.len() + slots.len()) as u64;
        let counters = window.end - COUNTERS;
        let h = view.header;
        if h.window != window.start
            || h.counters != counters
            || end > counters
            || all.len() < slots.end
        {
            return Err(bad());
        }
        let rx = libc::PROT_READ | libc::PROT_EXEC;
        let rw = libc::PROT_READ | libc::PROT_WRITE;
        match map(window.start, code.len(), rx, 0, Some((file, code.start))) {
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => {
                map_copy(window.start, &all[code.clone()])?;
            }
            r => r?,
        }
        let at = window.start + code.len() as u64;
        if !slots.is_empty() {
            map(at, slots.len(), rw, 0, Some((file, slots.start)))?;
        }
        let anonymous = libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        map(counters, COUNTERS as usize, rw, anonymous, None)?;
        let i = Box::leak(Box::new(Image {
            view,
            shared: map_shared(file, view.shared()),
            slots: at..at + slots.len() as u64,
            next: IMAGES.load(Ordering::Acquire),
        }));
        while let Err(next) =
            IMAGES.compare_exchange(i.next.cast_mut(), i, Ordering::AcqRel, Ordering::Acquire)
        {
            i.next = next;
        }
        Ok(i)
    }

    /// Host addresses of its code.
    pub fn code(&self) -> Range<u64> {
        let h = self.view.header;
        h.window..h.window + self.view.code.len() as u64
    }

    /// Guest addresses translated, and what lies between.
    pub fn guest(&self) -> Range<u64> {
        let h = self.view.header;
        h.guest..h.guest + h.guest_len as u64
    }

    /// The entry at a guest address, and the host address of its code.
    pub fn find(&self, pc: u64) -> Option<(Entry, u64)> {
        let e = self.view.find(pc)?;
        Some((e, self.view.header.window + e.code as u64))
    }

    /// A slot by number.
    pub fn slot(&self, n: u32) -> Option<&ChainSlot> {
        let at = self.slots.start + n as u64 * size_of::<ChainSlot>() as u64;
        // SAFETY: mapped, as rows of this layout; see `Sync`.
        (at < self.slots.end).then(|| unsafe { &*(at as *const ChainSlot) })
    }

    /// The cold-path caller of `Eval`, if regions need one.
    pub fn thunk(&self) -> Option<u64> {
        let h = self.view.header;
        (h.thunk > 0).then_some(h.window + 16)
    }

    /// The counter of a unit.
    pub fn counter(&self, unit: u32) -> Option<Counter> {
        // SAFETY: the area is as long as all shards and never unmapped.
        unsafe { Counter::at(self.view.header.counters + unit as u64 * 2) }
    }

    fn shared_word(&self, n: u32) -> Option<&AtomicU32> {
        let inside = self.shared != 0 && n as usize <= self.view.units.len();
        // SAFETY: `shared` has a word for each unit and one more, mapped for good.
        inside.then(|| unsafe { &*(self.shared as *const AtomicU32).add(n as usize) })
    }

    /// How often a unit has run in processes that have ended.
    pub fn runs(&self, unit: u32) -> u32 {
        self.shared_word(unit)
            .map_or(0, |w| w.load(Ordering::Relaxed))
    }

    /// It has run so often in this process.
    pub fn add_runs(&self, unit: u32, n: u64) {
        if let Some(w) = self.shared_word(unit) {
            let sum = w.load(Ordering::Relaxed) as u64 + n;
            w.store(sum.min(u32::MAX as u64) as u32, Ordering::Relaxed);
        }
    }

    /// So much has been translated that is not in the image (see [`super::format::worth`]); how much that makes since it was written.
    pub fn add_missing(&self, n: u64) -> u64 {
        let last = self.view.units.len() as u32;
        let before = self.runs(last) as u64;
        self.add_runs(last, n);
        before + n
    }

    /// What is missing has been added, or was not missing after all.
    pub fn forget_missing(&self) {
        if let Some(w) = self.shared_word(self.view.units.len() as u32) {
            w.store(0, Ordering::Relaxed);
        }
    }

    /// Has exits that lead to `code`, the translation of `pc`, ask the dispatcher; returns how many there were.
    pub fn unlink(&self, pc: u64, code: u64, unlinked: u64) -> u64 {
        let slots = self.view.leading_to(pc).iter();
        let undo = |n: &u32| {
            self.slot(*n).is_some_and(|s| {
                let (seq, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
                s.code
                    .compare_exchange(code, unlinked, seq, relaxed)
                    .is_ok()
            })
        };
        slots.filter(|n| undo(n)).count() as u64
    }

    /// Has exits that lead to a region that overlooks underflow ask the dispatcher. Whether there is such a region.
    pub fn refuse(&self) -> bool {
        // Its own stub for slots that are not linked is the first code.
        let window = self.view.header.window;
        let mut any = false;
        for u in self.view.units.iter().filter(|u| u.overlooks()) {
            any = true;
            for (pc, at) in self.view.entries(u) {
                self.unlink(pc, window + at as u64, window);
            }
        }
        any
    }

    /// What a guard compares with.
    fn guard(&self, slot: u32) -> Option<&AtomicU64> {
        let at = self.slots.start + slot as u64 * size_of::<ChainSlot>() as u64;
        let word = at + offset_of!(ChainSlot, guest_pc) as u64;
        // SAFETY: mapped; code reads it, and nobody else writes it.
        (at < self.slots.end).then(|| unsafe { &*(word as *const AtomicU64) })
    }

    /// Lets traces go on into the other text of this row, or those that have been let leave where they would.
    pub fn arm(&self, foreign: u32, on: bool) {
        let of = |g: &&Guard| g.foreign == foreign;
        for g in self.view.guards.iter().filter(of) {
            if let (Some(word), Some(pc)) = (self.guard(g.slot), self.view.expected(g.slot)) {
                let was = word.load(Ordering::Relaxed) == pc;
                if was != on {
                    // Not what it was before it was armed, nor the address of any instruction.
                    word.store(if on { pc } else { !pc ^ 1 }, Ordering::Release);
                }
            }
        }
    }

    /// What guards of a unit compare with, and the addresses that they expect.
    fn words(&self, u: &Unit) -> impl Iterator<Item = (u64, u64)> + use<'_> {
        let guards = u.guards().map(|n| n as u32);
        guards.filter_map(|n| {
            Some((
                self.guard(n)?.load(Ordering::Relaxed),
                self.view.expected(n)?,
            ))
        })
    }

    /// Whether a trace is let into all other texts into which it reaches.
    pub fn armed(&self, u: &Unit) -> bool {
        self.words(u).all(|(word, pc)| word == pc)
    }

    /// Whether a trace has not been let into one of them, ever.
    pub fn never_armed(&self, u: &Unit) -> bool {
        self.words(u).any(|(word, pc)| word == !pc)
    }

    /// Has everybody leave for the dispatcher: no exit leads into the image any more, loops come back.
    pub fn close(&self, unlinked: u64) {
        for u in self.view.units {
            for n in u.slots() {
                if let Some(s) = self.slot(n as u32) {
                    s.code.store(unlinked, Ordering::Release);
                }
            }
        }
        for n in 0..self.view.units.len() as u32 {
            if let Some(c) = self.counter(n) {
                c.begin_all(0);
            }
        }
    }
}
