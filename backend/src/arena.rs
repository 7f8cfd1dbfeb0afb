//! Memory of translations: small objects by the hundred thousand that live as long as guest code does.
//!
//! Idea: threads bump through [`CHUNK`]-sized chunks of their own, which count the objects alive in them; a chunk whose objects are all
//! freed is used again. Objects carry no header and stand in the order in which code was met. The first [`PLAIN`] bytes come from
//! ordinary pages, so that small programs touch little; what follows comes from huge pages, because first touches of pages and misses
//! of the TLB are what translating cold code costs most (`docs/decisions/0015-arena.md`).
//!
//! Tables that have grown large get huge pages of their own ([`Pages`]).
//!
//! Not for objects that come and go: a chunk is kept by the last object in it.

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a chunk, and its alignment.
const CHUNK: usize = 64 << 10;
/// Where a chunk's objects begin: behind its [`Head`].
const FIRST: usize = 16;
/// Largest object; larger ones come from the heap.
const LARGEST: usize = 4 << 10;
/// Bytes taken from ordinary pages before huge ones are used.
const PLAIN: usize = 512 << 10;
/// Address space reserved at a time after that.
const RESERVE: usize = 64 << 20;
/// A huge page.
const HUGE: usize = 2 << 20;

/// The allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arena;

/// An owned object in the arena.
pub type Box<T> = allocator_api2::boxed::Box<T, Arena>;

/// Moves a value into the arena.
pub fn new<T>(v: T) -> Box<T> {
    Box::new_in(v, Arena)
}

/// Copies a slice into the arena.
pub fn slice<T: Copy>(from: &[T]) -> Box<[T]> {
    let mut b = Box::new_uninit_slice_in(from.len(), Arena);
    for (to, v) in b.iter_mut().zip(from) {
        to.write(*v);
    }
    // SAFETY: every element has been written.
    unsafe { b.assume_init() }
}

/// Keeps other threads from taking or giving back chunks, across a `fork`.
#[must_use]
pub struct ForkGuard {
    _source: MutexGuard<'static, Source>,
}

impl std::fmt::Debug for ForkGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForkGuard")
    }
}

/// Call before `fork`; drop the result in parent and child.
pub fn before_fork() -> ForkGuard {
    ForkGuard { _source: source() }
}

/// The start of a chunk.
struct Head {
    /// Objects alive, and one more while a thread allocates here.
    live: AtomicU32,
}

/// Whether an object lies in a chunk; others come from the heap.
fn fits(layout: Layout) -> bool {
    (1..=LARGEST).contains(&layout.size()) && layout.align() <= FIRST
}

/// The head of the chunk that `p` lies in.
fn head(p: NonNull<u8>) -> NonNull<Head> {
    p.map_addr(|a| {
        // A chunk is never at address 0.
        std::num::NonZero::new(a.get() & !(CHUNK - 1)).unwrap_or(a)
    })
    .cast()
}

/// One user of the chunk less; the last gives it back.
fn release(chunk: NonNull<Head>) {
    // SAFETY: the caller counts as one, so that the chunk is in use.
    if unsafe { chunk.as_ref() }
        .live
        .fetch_sub(1, Ordering::AcqRel)
        == 1
    {
        source().free.push(Free(chunk));
    }
}

/// A chunk that nobody uses.
struct Free(NonNull<Head>);

// SAFETY: whoever takes it out of the list is its only user.
unsafe impl Send for Free {}

/// Where chunks come from.
struct Source {
    free: Vec<Free>,
    /// Rest of the last reservation.
    rest: (*mut u8, usize),
    reserved: bool,
}

// SAFETY: the rest of a reservation belongs to whoever holds the lock.
unsafe impl Send for Source {}

static SOURCE: Mutex<Source> = Mutex::new(Source {
    free: Vec::new(),
    rest: (std::ptr::null_mut(), 0),
    reserved: false,
});

fn source() -> MutexGuard<'static, Source> {
    SOURCE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    fn take(&mut self) -> Option<NonNull<Head>> {
        if let Some(Free(c)) = self.free.pop() {
            return Some(c);
        }
        if self.rest.1 < CHUNK {
            let take = |len, align| Some((map(len, align)?.as_ptr(), len));
            self.rest = if self.reserved {
                take(RESERVE, HUGE).or_else(|| take(HUGE, HUGE))?
            } else {
                take(PLAIN, CHUNK)?
            };
            self.reserved = true;
        }
        let chunk = NonNull::new(self.rest.0)?;
        self.rest = (self.rest.0.wrapping_add(CHUNK), self.rest.1 - CHUNK);
        Some(chunk.cast())
    }
}

/// Zeroed memory: `len` bytes, a multiple of `align`, at a multiple of that, a power of two of at least a page.
fn map(len: usize, align: usize) -> Option<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let all = len.checked_add(align)?;
    // SAFETY: a fresh mapping, of which only what is not handed out is unmapped.
    unsafe {
        let rw = libc::PROT_READ | libc::PROT_WRITE;
        let p = libc::mmap(std::ptr::null_mut(), all, rw, flags, -1, 0);
        if p == libc::MAP_FAILED {
            return None;
        }
        let skip = p.align_offset(align);
        let at = p.byte_add(skip);
        if skip > 0 {
            libc::munmap(p, skip);
        }
        if skip < align {
            libc::munmap(at.byte_add(len), align - skip);
        }
        if align == HUGE {
            // Without huge pages it works as well.
            libc::madvise(at, len, libc::MADV_HUGEPAGE);
        }
        NonNull::new(at.cast())
    }
}

/// Where one large object lies, such as a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pages {
    /// On the heap.
    Ordinary,
    /// On huge pages if it has [`LARGE`] bytes or more.
    #[default]
    Huge,
}

/// A boxed slice there.
pub type Large<T> = allocator_api2::boxed::Box<[T], Pages>;

/// From here on [`Pages::Huge`] means it.
const LARGE: usize = 512 << 10;

impl Pages {
    fn huge(self, layout: Layout) -> Option<usize> {
        let huge = self == Pages::Huge && layout.size() >= LARGE && layout.align() <= HUGE;
        huge.then(|| layout.size().next_multiple_of(HUGE))
    }
}

// SAFETY: either the heap's, or mappings of their own, which are known again by their layout.
unsafe impl Allocator for Pages {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        match self.huge(layout) {
            Some(_) => self.allocate_zeroed(layout),
            None => Global.allocate(layout),
        }
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let Some(len) = self.huge(layout) else {
            return Global.allocate_zeroed(layout);
        };
        let p = map(len, HUGE).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(p, layout.size()))
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        match self.huge(layout) {
            // SAFETY: mapped with this length.
            Some(len) => unsafe {
                libc::munmap(ptr.as_ptr().cast(), len);
            },
            // SAFETY: allocated there.
            None => unsafe { Global.deallocate(ptr, layout) },
        }
    }
}

/// A thread's own chunk.
struct Local {
    chunk: Cell<Option<NonNull<Head>>>,
    used: Cell<usize>,
}

thread_local! {
    static LOCAL: Local = const {
        Local { chunk: Cell::new(None), used: Cell::new(CHUNK) }
    };
}

impl Local {
    fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        let mut at = self.used.get().next_multiple_of(layout.align());
        if at + layout.size() > CHUNK {
            self.open()?;
            at = FIRST;
        }
        let chunk = self.chunk.get()?;
        self.used.set(at + layout.size());
        // SAFETY: the chunk is open and so in use.
        unsafe { chunk.as_ref() }
            .live
            .fetch_add(1, Ordering::Relaxed);
        // SAFETY: inside the chunk.
        Some(unsafe { chunk.cast::<u8>().add(at) })
    }

    /// Goes on to a fresh chunk.
    fn open(&self) -> Option<()> {
        let fresh = source().take()?;
        // SAFETY: room for a head, and nobody else knows it.
        unsafe {
            fresh.write(Head {
                live: AtomicU32::new(1),
            })
        };
        self.close();
        self.chunk.set(Some(fresh));
        Some(())
    }

    fn close(&self) {
        if let Some(c) = self.chunk.take() {
            release(c);
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.close();
    }
}

// SAFETY: blocks handed out do not overlap, and stay until they are given back: their chunk counts them. A copy of the allocator is the
// allocator.
unsafe impl Allocator for Arena {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if !fits(layout) {
            return Global.allocate(layout);
        }
        let p = LOCAL.try_with(|l| l.take(layout)).ok().flatten();
        let p = p.ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(p, layout.size()))
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        if !fits(layout) {
            // SAFETY: allocated there, see above.
            return unsafe { Global.deallocate(ptr, layout) };
        }
        release(head(ptr));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    type Made = (Box<u64>, Box<[u32]>);

    fn many() -> Vec<Made> {
        (0..40_000u64)
            .map(|i| (new(i), slice(&[i as u32, 1, 2])))
            .collect()
    }

    fn chunk_of<T: ?Sized>(b: &T) -> NonNull<Head> {
        head(NonNull::from(b).cast())
    }

    fn live(chunk: NonNull<Head>) -> u32 {
        // SAFETY: the caller holds an object in it.
        unsafe { chunk.as_ref() }.live.load(Ordering::SeqCst)
    }

    // Other tests of this process take and give back chunks meanwhile.

    #[test]
    fn objects_keep_their_values_and_chunks_come_back() {
        let all = many();
        for (i, (a, b)) in all.iter().enumerate() {
            assert_eq!((**a, b[0]), (i as u64, i as u32));
            assert_eq!(std::ptr::from_ref(&**a).align_offset(8), 0);
        }
        let chunks = |all: &[Made]| all.iter().map(|m| chunk_of(&*m.0)).collect::<HashSet<_>>();
        let first = chunks(&all);
        // 20 bytes each, and the alignment.
        assert!(first.len() >= 40_000 * 20 / CHUNK);
        let counted: u32 = first.iter().map(|&c| live(c)).sum();
        assert!(counted >= 80_000, "{counted}");
        drop(all);
        let again = many();
        let common = chunks(&again).intersection(&first).count();
        assert!(common >= first.len() / 2, "{common} of {}", first.len());
    }

    #[test]
    fn other_threads_free_what_one_made_and_threads_leave_nothing_open() {
        let made = std::thread::spawn(|| (0..100).map(|i| slice(&[i; 50])).collect::<Vec<_>>());
        let mut made = made.join().expect("thread");
        assert!(made.iter().enumerate().all(|(i, s)| s[49] == i));
        let chunk = chunk_of(&*made[0]);
        assert_eq!(live(chunk), 100);
        let rest = made.split_off(1);
        std::thread::spawn(move || drop(rest))
            .join()
            .expect("thread");
        assert_eq!(live(chunk), 1);
    }

    #[test]
    fn large_tables_lie_on_huge_pages() {
        let layout = Layout::array::<u64>(LARGE / 8).expect("size");
        let p = Pages::Huge.allocate_zeroed(layout).expect("memory");
        assert_eq!(p.as_ptr().cast::<u8>().align_offset(HUGE), 0);
        // SAFETY: that many bytes, zeroed, and given back as they were taken.
        unsafe {
            assert!(p.as_ref().iter().all(|&b| b == 0));
            Pages::Huge.deallocate(p.cast(), layout);
        }
        let mut v = allocator_api2::vec::Vec::new_in(Pages::Huge);
        v.extend(0..1 << 18);
        assert!((0..1 << 18).all(|i| v[i as usize] == i));
    }

    #[test]
    fn large_and_empty_objects() {
        let large = slice(&[7u64; 5000]);
        assert!(large.iter().all(|&v| v == 7));
        assert!(slice::<u32>(&[]).is_empty());
    }
}
