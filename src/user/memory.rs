//! The guest's address space: which ranges are mapped with which guest permissions, and where new mappings go.
//!
//! **Layout.** Guest addresses are host addresses, so guest and host share one 47-bit space. Metaphrase is a static PIE: the
//! kernel puts it, its libraries' heap by mmap, its stack and the host vDSO at the top (above [`Layout::top`]), and its brk
//! heap inside [`BRK_HOLE`]. The guest gets the rest, and every guest address is chosen here (MAP_FIXED to the host), never by the
//! host kernel: so host and guest mappings cannot collide under any randomisation. Requests for the host's parts fail with ENOMEM.
//! While translations are kept, their windows ([`super::placement`]) are the host's too ([`Layout::with_windows`]).
//! With `ulimit -s unlimited` Linux maps bottom-up from a third of the space; then the guest lives below that. As on Linux, stack,
//! mappings, program and heap lie at random distances from their fixed places ([`super::random`]).
//!
//! **Permissions.** PROT_EXEC is recorded here and asked by instruction fetch; the host never gets it. An executable mapping is
//! readable on the host.
//!
//! Every change holds the write lock over the host call, so that record and host agree. Must not know about tasks or files.

use super::syscall::{Errno, SysResult};
use super::{host, limits, placement};
use metaphrase_runtime::sync::RwLock;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes in a page; guests see the same.
pub const PAGE: u64 = 4096;
/// Where Linux puts the brk heap of a static PIE, and a PIE itself, at any randomisation.
const BRK_HOLE: Range<u64> = 0x5500_0000_0000..0x5800_0000_0000;
/// Distance kept free below the main stack.
const STACK_GAP: u64 = 1 << 20;

/// PROT_READ | PROT_WRITE | PROT_EXEC as the guest gives them (same values on the host).
pub const PROT_MASK: u32 = 7;
/// Guest PROT_EXEC.
pub const PROT_EXEC: u32 = libc::PROT_EXEC as u32;

/// Rounds up to a page.
pub const fn page_up(n: u64) -> u64 {
    n.wrapping_add(PAGE - 1) & !(PAGE - 1)
}

/// Host protection for a guest protection.
pub fn host_prot(guest: u32) -> u64 {
    let mut p = guest & (libc::PROT_READ | libc::PROT_WRITE) as u32;
    if guest & PROT_EXEC != 0 {
        p |= libc::PROT_READ as u32;
    }
    p as u64
}

/// Distances, in bytes, multiples of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shift {
    /// Of the stack, downwards.
    pub stack: u64,
    /// Of the first mapping from the stack, downwards.
    pub mmap: u64,
    /// Of a position-independent main program, upwards.
    pub program: u64,
    /// Of the heap from the program's end, upwards.
    pub heap: u64,
}

/// Which part of the address space is the guest's.
#[derive(Clone, Debug)]
pub struct Layout {
    /// One past the highest guest address.
    pub top: u64,
    /// Where a position-independent main program goes.
    pub pie_base: u64,
    /// How far things are from where they would be.
    pub shift: Shift,
    /// Host parts below `top`.
    holes: Vec<Range<u64>>,
}

impl Layout {
    /// The layout for where this process has been put.
    pub fn detect() -> Layout {
        // SAFETY: sbrk(0) only asks.
        let brk = unsafe { libc::sbrk(0) } as u64;
        let local = 0u8;
        let mmaped = Layout::detect as *const () as u64;
        let high = 0x7000_0000_0000;
        let bottom_up = !BRK_HOLE.contains(&mmaped) && mmaped < high;
        let mut layout = if bottom_up {
            Layout {
                top: 0x2a00_0000_0000,
                pie_base: 0x1000_0000_0000,
                shift: Shift::default(),
                holes: Vec::new(),
            }
        } else {
            Layout {
                top: high,
                pie_base: 0x2aaa_aaaa_0000,
                shift: Shift::default(),
                holes: vec![BRK_HOLE],
            }
        };
        debug_assert!(&raw const local as u64 > layout.top);
        if brk < layout.top && !layout.holes.iter().any(|h| h.contains(&brk)) {
            let start = brk & !((1 << 30) - 1);
            layout.holes.push(start..start + (64 << 30));
        }
        layout
    }

    /// Whether the guest has the upper part of the address space, with [`placement::LIBRARIES`] and [`placement::WINDOWS`].
    pub fn has_windows(&self) -> bool {
        self.top >= placement::WINDOWS.end
    }

    /// The same without the addresses of kept translations.
    pub fn with_windows(mut self) -> Layout {
        self.holes.push(placement::WINDOWS);
        self
    }

    /// The same with everything moved.
    pub fn moved(mut self, by: Shift) -> Layout {
        self.pie_base += by.program;
        self.shift = by;
        self
    }

    /// Whether the guest may map this range.
    fn allows(&self, r: &Range<u64>) -> bool {
        r.start < r.end
            && r.end <= self.top
            && !self
                .holes
                .iter()
                .any(|h| h.start < r.end && r.start < h.end)
    }
}

/// One guest mapping (or several neighbours that do not differ).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// One past the last byte.
    pub end: u64,
    /// Guest protection.
    pub prot: u32,
    /// MAP_SHARED.
    pub shared: bool,
}

#[derive(Debug)]
struct Inner {
    regions: BTreeMap<u64, Region>,
    /// There is no gap worth looking at between here and `Layout::top` (a hint: falls back to a full search).
    scan_top: u64,
    mmap_top: u64,
    brk_start: u64,
    brk: u64,
}

/// The address space.
#[derive(Debug)]
pub struct MemoryMap {
    /// What is the guest's.
    pub layout: Layout,
    inner: RwLock<Inner>,
    generation: AtomicU64,
}

/// A request for a mapping.
#[derive(Clone, Copy, Debug)]
pub struct MapRequest {
    /// Address or hint.
    pub addr: u64,
    /// Bytes.
    pub len: u64,
    /// Guest protection.
    pub prot: u32,
    /// MAP_ flags (same values on both).
    pub flags: u32,
    /// Descriptor, -1 for anonymous.
    pub fd: i32,
    /// File offset.
    pub offset: u64,
}

impl Inner {
    fn overlapping(&self, r: Range<u64>) -> impl Iterator<Item = (u64, Region)> + '_ {
        let before = self
            .regions
            .range(..r.start)
            .next_back()
            .filter(move |(_, g)| g.end > r.start);
        before
            .into_iter()
            .chain(self.regions.range(r.start..r.end))
            .map(|(s, g)| (*s, *g))
    }

    fn is_free(&self, r: &Range<u64>) -> bool {
        self.overlapping(r.clone()).next().is_none()
    }

    /// Forgets what is recorded in the range, cutting regions that reach out of it.
    fn cut(&mut self, r: &Range<u64>) {
        let hit: Vec<(u64, Region)> = self.overlapping(r.clone()).collect();
        for (start, g) in hit {
            self.regions.remove(&start);
            if start < r.start {
                self.regions.insert(start, Region { end: r.start, ..g });
            }
            if g.end > r.end {
                self.regions.insert(r.end, g);
            }
        }
        self.scan_top = self.scan_top.max(r.end).min(self.mmap_top);
    }

    /// `ENOMEM` if `more` bytes beside what is mapped outside of `replaced` exceed RLIMIT_AS.
    fn check_limit(&self, more: u64, replaced: &Range<u64>) -> Result<(), Errno> {
        if !limits::leaves_room(more) {
            return Err(Errno::ENOMEM);
        }
        let limit = limits::address_space();
        if limit == u64::MAX {
            return Ok(());
        }
        let all: u64 = self.regions.iter().map(|(s, g)| g.end - s).sum();
        let overlap = |(s, g): (u64, Region)| g.end.min(replaced.end) - s.max(replaced.start);
        let gone: u64 = self.overlapping(replaced.clone()).map(overlap).sum();
        if (all - gone).saturating_add(more) > limit {
            Err(Errno::ENOMEM)
        } else {
            Ok(())
        }
    }

    /// Records a region over a range that has been cut, joining equal neighbours.
    fn put(&mut self, mut start: u64, mut g: Region) {
        if let Some((s, before)) = self
            .regions
            .range(..start)
            .next_back()
            .map(|(s, b)| (*s, *b))
            && before.end == start
            && (before.prot, before.shared) == (g.prot, g.shared)
        {
            self.regions.remove(&s);
            start = s;
        }
        if let Some(after) = self.regions.get(&g.end).copied()
            && (after.prot, after.shared) == (g.prot, g.shared)
        {
            self.regions.remove(&g.end);
            g.end = after.end;
        }
        self.regions.insert(start, g);
    }
}

impl MemoryMap {
    /// An empty address space.
    pub fn new(layout: Layout) -> MemoryMap {
        let top = layout.top;
        MemoryMap {
            layout,
            inner: RwLock::new(Inner {
                regions: BTreeMap::new(),
                scan_top: top,
                mmap_top: top,
                brk_start: 0,
                brk: 0,
            }),
            generation: AtomicU64::new(1),
        }
    }

    /// Changes with every change of a mapping: lets threads keep what [`MemoryMap::executable_at`] said.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The region with guest PROT_EXEC around an address.
    pub fn executable_at(&self, addr: u64) -> Option<Range<u64>> {
        let (start, g) = self.region_at(addr)?;
        (g.prot & PROT_EXEC != 0).then_some(start..g.end)
    }

    /// The region around an address.
    pub fn region_at(&self, addr: u64) -> Option<(u64, Region)> {
        self.inner
            .read()
            .overlapping(addr..addr.checked_add(1)?)
            .next()
    }

    /// All regions, in order.
    pub fn regions(&self) -> Vec<(u64, Region)> {
        self.inner
            .read()
            .regions
            .iter()
            .map(|(s, g)| (*s, *g))
            .collect()
    }

    /// Runs `f` while nothing can change (fork).
    pub fn frozen<T>(&self, f: impl FnOnce() -> T) -> T {
        let _guard = self.inner.write();
        f()
    }

    /// Highest free range of `len` bytes below `limit`, aligned.
    fn gap_below(&self, inner: &Inner, limit: u64, len: u64, align: u64) -> Option<u64> {
        let mut end = limit;
        loop {
            let start = end.checked_sub(len)? & !(align - 1);
            if start < 0x1_0000 {
                return None;
            }
            let want = start..start + len;
            if let Some(h) = self
                .layout
                .holes
                .iter()
                .find(|h| h.start < want.end && want.start < h.end)
            {
                end = h.start;
                continue;
            }
            match inner.overlapping(want).next() {
                // The lowest region in the way; everything from its start up is useless for this length.
                Some((s, _)) => end = s,
                None => return Some(start),
            }
        }
    }

    fn find_gap(&self, inner: &mut Inner, len: u64, align: u64) -> Result<u64, Errno> {
        if let Some(a) = self.gap_below(inner, inner.scan_top, len, align) {
            // Nothing bigger than a page fits above what is returned when it ended at the hint itself.
            if a + len == inner.scan_top {
                inner.scan_top = a;
            }
            return Ok(a);
        }
        self.gap_below(inner, inner.mmap_top, len, align)
            .ok_or(Errno::ENOMEM)
    }

    /// Where a request goes. Linux's rules for hints (mm/mmap.c).
    fn place(&self, inner: &mut Inner, q: &MapRequest, len: u64) -> Result<u64, Errno> {
        let fixed = q.flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) as u32 != 0;
        if fixed {
            if !q.addr.is_multiple_of(PAGE) {
                return Err(Errno::EINVAL);
            }
            let r = q.addr..q.addr.checked_add(len).ok_or(Errno::ENOMEM)?;
            if !self.layout.allows(&r) {
                return Err(Errno::ENOMEM);
            }
            if q.flags & libc::MAP_FIXED_NOREPLACE as u32 != 0 && !inner.is_free(&r) {
                return Err(Errno::EEXIST);
            }
            return Ok(q.addr);
        }
        let hint = q.addr & !(PAGE - 1);
        if hint >= 0x1_0000 {
            let r = hint..hint.saturating_add(len);
            if self.layout.allows(&r) && inner.is_free(&r) {
                return Ok(hint);
            }
        }
        let align = if q.flags & libc::MAP_HUGETLB as u32 != 0 {
            2 << 20
        } else {
            PAGE
        };
        self.find_gap(inner, len, align)
    }

    /// `mmap`. Also for the loader.
    pub fn map(&self, q: MapRequest) -> SysResult {
        if q.len == 0 {
            return Err(Errno::EINVAL);
        }
        let len = page_up(q.len);
        if len < q.len {
            return Err(Errno::ENOMEM);
        }
        let mut inner = self.inner.write();
        let addr = self.place(&mut inner, &q, len)?;
        inner.check_limit(len, &(addr..addr + len))?;
        let keep =
            q.flags & !(libc::MAP_FIXED_NOREPLACE | libc::MAP_32BIT | libc::MAP_GROWSDOWN) as u32;
        let flags = (keep | libc::MAP_FIXED as u32) as u64;
        host::call(
            libc::SYS_mmap,
            [addr, q.len, host_prot(q.prot), flags, q.fd as u64, q.offset],
        )?;
        inner.cut(&(addr..addr + len));
        let shared = q.flags & libc::MAP_TYPE as u32 != libc::MAP_PRIVATE as u32;
        inner.put(
            addr,
            Region {
                end: addr + len,
                prot: q.prot & PROT_MASK,
                shared,
            },
        );
        inner.scan_top = if inner.scan_top == addr + len {
            addr
        } else {
            inner.scan_top
        };
        drop(inner);
        self.changed();
        Ok(addr)
    }

    /// Maps by other means than mmap (shmat): `make` is given the chosen address and maps `len` bytes there.
    pub fn map_with(
        &self,
        addr: u64,
        len: u64,
        prot: u32,
        flags: u32,
        make: impl FnOnce(u64) -> SysResult,
    ) -> SysResult {
        let q = MapRequest {
            addr,
            len,
            prot,
            flags,
            fd: -1,
            offset: 0,
        };
        let len = page_up(len);
        let mut inner = self.inner.write();
        let at = self.place(&mut inner, &q, len)?;
        inner.check_limit(len, &(at..at + len))?;
        make(at)?;
        inner.cut(&(at..at + len));
        inner.put(
            at,
            Region {
                end: at + len,
                prot: prot & PROT_MASK,
                shared: true,
            },
        );
        drop(inner);
        self.changed();
        Ok(at)
    }

    /// `munmap`, with the host call given (shmdt brings its own).
    pub fn unmap_with(&self, addr: u64, len: u64, undo: impl FnOnce() -> SysResult) -> SysResult {
        let r = self.range(addr, len)?;
        let mut inner = self.inner.write();
        undo()?;
        inner.cut(&r);
        drop(inner);
        self.changed();
        Ok(0)
    }

    /// `munmap`.
    pub fn unmap(&self, addr: u64, len: u64) -> SysResult {
        self.unmap_with(addr, len, || {
            host::call(libc::SYS_munmap, [addr, len, 0, 0, 0, 0])
        })
    }

    /// A range the guest may work on: page aligned, not empty, not the host's.
    fn range(&self, addr: u64, len: u64) -> Result<Range<u64>, Errno> {
        let end = addr.checked_add(page_up(len)).ok_or(Errno::EINVAL)?;
        let r = addr..end;
        if !addr.is_multiple_of(PAGE) || len == 0 || !self.layout.allows(&r) {
            return Err(Errno::EINVAL);
        }
        Ok(r)
    }

    /// `mprotect`: every page must be mapped.
    pub fn protect(&self, addr: u64, len: u64, prot: u32) -> SysResult {
        if len == 0 && addr.is_multiple_of(PAGE) {
            return Ok(0);
        }
        let r = self.range(addr, len).map_err(|_| {
            if !addr.is_multiple_of(PAGE) {
                Errno::EINVAL
            } else {
                Errno::ENOMEM
            }
        })?;
        let mut inner = self.inner.write();
        let result = host::call(libc::SYS_mprotect, [addr, len, host_prot(prot), 0, 0, 0]);
        let hit: Vec<(u64, Region)> = inner.overlapping(r.clone()).collect();
        let mut at = r.start;
        for (start, g) in hit {
            let part = start.max(r.start)..g.end.min(r.end);
            // Linux changes the pages before the first gap, then reports it.
            if part.start != at || (result.is_err() && result != Err(Errno::ENOMEM)) {
                break;
            }
            at = part.end;
            inner.cut(&part);
            inner.put(
                part.start,
                Region {
                    end: part.end,
                    prot: prot & PROT_MASK,
                    shared: g.shared,
                },
            );
        }
        drop(inner);
        self.changed();
        result.map(|_| 0)
    }

    /// `mremap`.
    pub fn remap(&self, old: u64, old_len: u64, new_len: u64, flags: u32, new: u64) -> SysResult {
        let (fixed, may_move) = (
            flags & libc::MREMAP_FIXED as u32 != 0,
            flags & libc::MREMAP_MAYMOVE as u32 != 0,
        );
        let keep_old = flags & libc::MREMAP_DONTUNMAP as u32 != 0;
        if flags & !7 != 0
            || !old.is_multiple_of(PAGE)
            || new_len == 0
            || ((fixed || keep_old) && !may_move)
        {
            return Err(Errno::EINVAL);
        }
        let (old_len, new_len) = (page_up(old_len), page_up(new_len));
        let mut inner = self.inner.write();
        let (_, g) = inner
            .overlapping(old..old + 1)
            .next()
            .ok_or(Errno::EFAULT)?;
        if old_len > 0 {
            self.range(old, old_len)?;
        }
        if new_len > old_len {
            inner.check_limit(new_len - old_len, &(0..0))?;
        }
        let grown = old + old_len..old.checked_add(new_len).ok_or(Errno::EINVAL)?;
        let in_place = !fixed
            && !keep_old
            && (new_len <= old_len || (self.layout.allows(&grown) && inner.is_free(&grown)));
        let mut at = Err(Errno::ENOMEM);
        if in_place {
            at = host::call(libc::SYS_mremap, [old, old_len, new_len, 0, 0, 0]);
        }
        if at == Err(Errno::ENOMEM) && may_move {
            let target = if fixed {
                self.range(new, new_len)?;
                new
            } else {
                self.find_gap(&mut inner, new_len, PAGE)?
            };
            let how = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as u64
                | (flags as u64 & libc::MREMAP_DONTUNMAP as u64);
            at = host::call(libc::SYS_mremap, [old, old_len, new_len, how, target, 0]);
        }
        let at = at?;
        if !keep_old && old_len > 0 {
            inner.cut(&(old..old + old_len));
        }
        inner.cut(&(at..at + new_len));
        inner.put(
            at,
            Region {
                end: at + new_len,
                ..g
            },
        );
        drop(inner);
        self.changed();
        Ok(at)
    }

    /// Keeps the main stack's range and what lies above from other mappings. The stack itself is mapped by the loader.
    pub fn set_mmap_top(&self, stack_bottom: u64) {
        let mut inner = self.inner.write();
        inner.mmap_top = stack_bottom - STACK_GAP - self.layout.shift.mmap;
        inner.scan_top = inner.mmap_top;
    }

    /// Sets where the break starts for a program that ends at `end` (page aligned by the caller).
    pub fn set_brk_start(&self, end: u64) {
        let at = end + self.layout.shift.heap;
        let mut inner = self.inner.write();
        (inner.brk_start, inner.brk) = (at, at);
    }

    /// `brk`: the new break, or the old one when it cannot be moved.
    pub fn brk(&self, want: u64) -> u64 {
        let mut inner = self.inner.write();
        if want < inner.brk_start {
            return inner.brk;
        }
        let (old, new) = (page_up(inner.brk), page_up(want));
        let ok = if new > old {
            let r = old..new;
            let args = [
                old,
                new - old,
                3,
                (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED) as u64,
                u64::MAX,
                0,
            ];
            // One page stays free above: two heaps must not touch.
            let free = self.layout.allows(&r) && inner.is_free(&(old..new + PAGE));
            let ok = free
                && within_data_limit(new - inner.brk_start)
                && inner.check_limit(new - old, &(0..0)).is_ok()
                && host::call(libc::SYS_mmap, args).is_ok();
            if ok {
                inner.put(
                    old,
                    Region {
                        end: new,
                        prot: 3,
                        shared: false,
                    },
                );
            }
            ok
        } else if new < old {
            inner.cut(&(new..old));
            host::call(libc::SYS_munmap, [new, old - new, 0, 0, 0, 0]).is_ok()
        } else {
            true
        };
        if ok {
            inner.brk = want;
        }
        let now = inner.brk;
        drop(inner);
        self.changed();
        now
    }

    /// Current break and where it started.
    pub fn brk_range(&self) -> Range<u64> {
        let inner = self.inner.read();
        inner.brk_start..inner.brk
    }
}

/// Whether a heap of this size respects RLIMIT_DATA.
fn within_data_limit(bytes: u64) -> bool {
    limits::get(libc::RLIMIT_DATA).is_ok_and(|l| bytes <= l.cur)
}
