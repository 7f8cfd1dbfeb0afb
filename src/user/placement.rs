//! Where code of files goes if translations are kept: at the same guest addresses in every process, because kept translations hold addresses.
//!
//! **Libraries** (and the dynamic linker) go to slots of the zone [`LIBRARIES`]; which one says a hash of the file and the folder's salt
//! ([`Preference`]), and its neighbours if it is taken. **The main program**, if it may be anywhere, is moved by such a hash instead of a
//! random number ([`Places::program_shift`]). Dynamic linkers first reserve room without saying what for; that the file's header has just been read
//! tells ([`Hint`]). All this chooses among addresses that the program must accept anyway: a wrong guess costs a translation, never
//! correctness.
//!
//! **Windows** are the host addresses of kept translations, in [`WINDOWS`], which the guest cannot have then. Each slot has its own, the main program
//! has one; a process gives each away once at most, so that two texts never meet in one.
//!
//! Must not know how translations are kept. Everything here is free of locks: `fork` may find it in any state.

use super::host;
use super::memory::{MapRequest, MemoryMap, PAGE, PROT_EXEC, page_up};
use super::syscall::{Errno, SysResult};
use super::uaccess;
use metaphrase_runtime::cache::image::Text;
use object::{LittleEndian as Le, elf, pod};
use std::hash::{DefaultHasher, Hasher};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Guest addresses of libraries.
pub const LIBRARIES: Range<u64> = 0x3000_0000_0000..0x3080_0000_0000;
/// Host addresses of kept translations; not the guest's while translations are kept.
pub const WINDOWS: Range<u64> = 0x5000_0000_0000..0x5500_0000_0000;

/// Bytes of a slot. More than most libraries have.
const SLOT: u64 = 32 << 20;
const SLOTS: u64 = (LIBRARIES.end - LIBRARIES.start) / SLOT;
/// Distances of a library from the start of its slot: multiples of the largest page of arm64, to which libraries are aligned.
const COLOUR: u64 = 64 << 10;
const COLOURS: u64 = 255;
/// Slots that are tried one after the other.
const TRIES: u64 = 5;
/// The main program's window.
const PROGRAM_WINDOW: Range<u64> = WINDOWS.start..WINDOWS.start + (1 << 30);
/// The largest text of a main program that its window has room for.
const PROGRAM_TEXT_MAX: u64 = 128 << 20;
/// The first slot's window.
const SLOT_WINDOWS: u64 = 0x5080_0000_0000;
/// Bytes of a slot's window: host code takes up to eight times the room of guest code.
const SLOT_WINDOW: u64 = 8 * SLOT;
/// What reaches into so much is not kept: host code could not address all of it.
const WINDOW_END: u64 = 2 << 30;
/// A file that has changed more recently may change again without its time telling.
const SETTLED: Duration = Duration::from_secs(2);

const _: () = assert!(PROGRAM_WINDOW.end <= SLOT_WINDOWS);
const _: () = assert!(SLOT_WINDOWS + SLOTS * SLOT_WINDOW <= WINDOWS.end);
const _: () = assert!(SLOT_WINDOW.is_multiple_of(256 << 20) && SLOTS.is_multiple_of(64));

/// What tells a version of a file from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileId {
    /// st_dev, st_ino, st_size, and nanoseconds of st_mtim and st_ctim.
    words: [u64; 5],
    /// It is a regular file with a name, and will not change any more without its times telling.
    settled: bool,
}

/// Nanoseconds since 1970; times before and after what fits are as good as any other.
fn nanoseconds(seconds: i64, rest: i64) -> u64 {
    (seconds as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(rest as u64)
}

/// Whether a change at `then` is long enough ago.
fn settled(then: u64, now: u64) -> bool {
    now.checked_sub(then)
        .is_some_and(|ago| ago >= SETTLED.as_nanos() as u64)
}

impl FileId {
    /// Of an open file.
    pub fn of(fd: RawFd) -> Option<FileId> {
        let mut s = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: the kernel fills it, and it is read only then.
        let s = unsafe {
            if libc::fstat(fd, s.as_mut_ptr()) != 0 {
                return None;
            }
            s.assume_init()
        };
        let mtime = nanoseconds(s.st_mtime, s.st_mtime_nsec);
        let ctime = nanoseconds(s.st_ctime, s.st_ctime_nsec);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        // A file without a name is written by whoever shows it: memory files of programs that make code.
        let file = s.st_mode & libc::S_IFMT == libc::S_IFREG && s.st_nlink > 0;
        Some(FileId {
            words: [s.st_dev, s.st_ino, s.st_size as u64, mtime, ctime],
            settled: file && settled(ctime, now.as_nanos() as u64),
        })
    }

    fn hash(&self, salt: u64) -> u64 {
        hash(salt, &self.words, &[])
    }
}

/// Half an identity, or a choice.
fn hash(key: u64, words: &[u64], bytes: &[u8]) -> u64 {
    let mut h = DefaultHasher::new();
    h.write_u64(key);
    for w in words {
        h.write_u64(*w);
    }
    h.write(bytes);
    h.finish()
}

/// Slots that a file would like.
///
/// Not all start where the slot does: a hundred libraries whose tables lie at like distances from multiples of 32 MiB would meet in the same few
/// sets of the host's TLBs (ld.so looks at each library's table for each symbol: 2.5 times the time).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preference(u64);

impl Preference {
    /// Addresses to try for `len` bytes, best first.
    pub fn starts(self, len: u64) -> impl Iterator<Item = u64> {
        let slots = len.div_ceil(SLOT);
        let fits = (1..=SLOTS).contains(&slots);
        let choice = if fits { SLOTS - slots + 1 } else { 1 };
        let tries = if fits { TRIES } else { 0 };
        let room = (slots * SLOT).saturating_sub(len) / COLOUR;
        let colour = (self.0 >> 32) % (room.min(COLOURS) + 1) * COLOUR;
        (0..tries).map(move |n| LIBRARIES.start + (self.0 % choice + n) % choice * SLOT + colour)
    }
}

/// The slots that a range of the zone touches.
fn slots_of(r: &Range<u64>) -> Option<Range<u64>> {
    let inside = r.start < r.end && LIBRARIES.start <= r.start && r.end <= LIBRARIES.end;
    inside.then(|| {
        let slot = |at: u64| (at - LIBRARIES.start) / SLOT;
        slot(r.start)..slot(r.end - 1) + 1
    })
}

/// The host addresses that belong to slots, unless they are too many.
fn window_of(slots: &Range<u64>) -> Option<Range<u64>> {
    let window = SLOT_WINDOWS + slots.start * SLOT_WINDOW..SLOT_WINDOWS + slots.end * SLOT_WINDOW;
    (window.end - window.start < WINDOW_END).then_some(window)
}

/// A thread's last look at the header of a library: the descriptor that it read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hint(Option<RawFd>);

impl Hint {
    /// The thread has read `n` bytes of `fd` to `addr`: dynamic linkers read some hundred.
    pub fn read(&mut self, fd: u64, addr: u64, n: u64) {
        if (64..=4096).contains(&n) && is_library(addr) {
            self.0 = Some(fd as RawFd);
        }
    }
}

/// Whether the header of a library stands at an address.
fn is_library(addr: u64) -> bool {
    if host::guarded_load32(uaccess::untag(addr)).map(u32::to_le_bytes) != Some(elf::ELFMAG) {
        return false;
    }
    let Ok(head) = uaccess::read::<[u8; 64]>(addr) else {
        return false;
    };
    pod::from_bytes::<elf::FileHeader64<Le>>(&head).is_ok_and(|(h, _)| {
        (h.e_type.get(Le), h.e_machine.get(Le)) == (elf::ET_DYN, elf::EM_AARCH64)
    })
}

/// What a process whose translations are kept has placed.
#[derive(Debug)]
pub struct Places {
    salt: u64,
    /// Slots whose windows have been given away, a bit each.
    taken: Box<[AtomicU64; SLOTS as usize / 64]>,
    /// The main program's text, if it has the window.
    program: Range<u64>,
}

impl Places {
    /// Of a new process.
    pub fn new(salt: u64) -> Places {
        Places {
            salt,
            taken: Box::new([const { AtomicU64::new(0) }; SLOTS as usize / 64]),
            program: 0..0,
        }
    }

    /// Where a file's library would like to be.
    pub fn preference(&self, fd: RawFd) -> Option<Preference> {
        Some(Preference(FileId::of(fd)?.hash(self.salt)))
    }

    /// In place of a random number for the main program.
    pub fn program_shift(&self, fd: RawFd) -> Option<u64> {
        Some(FileId::of(fd)?.hash(!self.salt))
    }

    /// `mmap` of the guest. `hint` is used up by what may be about a library.
    pub fn map(&self, mem: &MemoryMap, hint: &mut Hint, q: MapRequest) -> SysResult {
        if let Some(fd) = wish(hint, &q)
            && let Some(preference) = self.preference(fd)
        {
            for addr in preference.starts(q.len) {
                let flags = q.flags | libc::MAP_FIXED_NOREPLACE as u32;
                match mem.map(MapRequest { addr, flags, ..q }) {
                    Err(Errno::EEXIST) => {}
                    done => return done,
                }
            }
        }
        mem.map(q)
    }

    /// The text that the guest has mapped, if it is one to keep.
    pub fn mapped(&self, q: &MapRequest, at: u64) -> Option<Text> {
        let code = q.prot & (PROT_EXEC | libc::PROT_WRITE as u32) == PROT_EXEC;
        if !code || !private_file(q) {
            return None;
        }
        self.library_text(q.fd, at..at + page_up(q.len), q.offset)
    }

    /// The text of a library that shows a file from `offset`.
    pub fn library_text(&self, fd: RawFd, guest: Range<u64>, offset: u64) -> Option<Text> {
        let slots = slots_of(&guest)?;
        let window = window_of(&slots)?;
        let identity = self.identity(fd, &guest, offset)?;
        self.take(slots).then_some(Text {
            guest,
            identity,
            window,
        })
    }

    /// The text of the main program, if it is the first.
    pub fn program_text(&mut self, fd: RawFd, guest: Range<u64>, offset: u64) -> Option<Text> {
        if guest.end - guest.start > PROGRAM_TEXT_MAX || !self.program.is_empty() {
            return None;
        }
        let identity = self.identity(fd, &guest, offset)?;
        self.program = guest.clone();
        Some(Text {
            guest,
            identity,
            window: PROGRAM_WINDOW,
        })
    }

    /// Whether a range may have to do with a text.
    pub fn touches(&self, r: &Range<u64>) -> bool {
        [&self.program, &LIBRARIES]
            .iter()
            .any(|t| t.start < r.end && r.start < t.end)
    }

    fn identity(&self, fd: RawFd, guest: &Range<u64>, offset: u64) -> Option<u128> {
        let file = FileId::of(fd).filter(|f| f.settled)?;
        let mut head = [0u8; PAGE as usize];
        let args = [fd as u64, head.as_mut_ptr() as u64, PAGE, 0, 0, 0];
        let n = host::call(libc::SYS_pread64, args).ok()? as usize;
        let [dev, ino, size, mtime, ctime] = file.words;
        let (start, len) = (guest.start, guest.end - guest.start);
        let words = [dev, ino, size, mtime, ctime, offset, start, len];
        let half = |key: u64| u128::from(hash(key, &words, head.get(..n).unwrap_or(&[])));
        Some(half(0) << 64 | half(1))
    }

    /// Whether all windows of these slots were free; they no longer are.
    fn take(&self, mut slots: Range<u64>) -> bool {
        slots.all(|s| {
            let bit = 1 << (s % 64);
            self.taken[s as usize / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0
        })
    }
}

/// Whether a request is for a private mapping of a file.
fn private_file(q: &MapRequest) -> bool {
    q.flags & libc::MAP_TYPE as u32 == libc::MAP_PRIVATE as u32
        && q.flags & libc::MAP_ANONYMOUS as u32 == 0
}

/// The file that a request is about, if it is one for room or for code that may be anywhere. Memory that a dynamic linker takes for itself
/// between reading a header and reserving room leaves the hint as it is.
fn wish(hint: &mut Hint, q: &MapRequest) -> Option<RawFd> {
    if q.flags & libc::MAP_ANONYMOUS as u32 != 0 && q.prot != 0 {
        return None;
    }
    let read = std::mem::take(hint).0;
    let anywhere =
        libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE | libc::MAP_32BIT | libc::MAP_HUGETLB;
    if q.addr != 0 || q.len == 0 || q.flags & anywhere as u32 != 0 {
        return None;
    }
    if private_file(q) {
        return (read == Some(q.fd) || q.prot & PROT_EXEC != 0).then_some(q.fd);
    }
    let room = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u32;
    read.filter(|_| q.prot == 0 && q.flags & (room | libc::MAP_TYPE as u32) == room)
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
