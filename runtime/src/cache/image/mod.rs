//! Translations that outlive the process: *images*, one for each mapped text of a guest file, in files of a folder.
//!
//! A text is private, executable, not writable: what it shows is the file's, so its translations are good for each process that maps the same
//! bytes of the same file at the same guest address. The embedder sees to it that files get the same address in each process, and
//! reserves a *window* of host addresses for each text. So neither guest nor host addresses in an image ever have to be adapted: to
//! start with what earlier processes have translated is to map a file ([`mapped`], [`format`]).
//!
//! Code in an image is entered like any other: through jump caches, chain slots, the dispatcher. The dispatcher finds it here when the
//! tables know nothing better; only when something has to be known of a unit (a link from other code, a counter that ran out) is it
//! *revived*: its block and unit are put into the tables ([`revive`]). When anything of a text changes, its image is given up as a whole.
//!
//! A trace may reach into other texts. The image where it begins says which, with their keys, and the way into each is guarded: a slot holds
//! the address to which the branch must go, while that text is mapped as it was, and else nothing that any branch goes to. So guards
//! are *armed* when the second of the two texts is mapped, and disarmed when the other text changes.
//!
//! What has been translated in this process is put into images when it ends ([`keep`]).

pub mod draft;
pub mod folder;
pub mod format;
pub(crate) mod keep;
pub mod mapped;
pub(crate) mod revive;

use crate::sync::{RwLock, RwLockWriteGuard};
use folder::Folder;
use format::{Entry, Foreign};
use mapped::{COUNTERS, Image};
use metaphrase_backend::host;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Guest code that a private mapping of a file shows, unchanged: translations of it may be kept for later processes that map the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// Guest addresses of the mapping.
    pub guest: Range<u64>,
    /// Tells the file, its contents, and where in it the mapping begins.
    pub identity: u128,
    /// Host addresses that are reserved for its image: the same whenever the guest addresses are the same, of no other text, nowhere
    /// mapped; multiples of 256 MiB, less than 2 GiB long.
    pub window: Range<u64>,
}

/// A text of this process.
#[derive(Debug)]
pub struct Kept {
    text: Text,
    key: [u64; 2],
    image: Option<&'static Image>,
    /// One past the last guest address that is still as it was; none is, if that is the start.
    end: AtomicU64,
}

impl Kept {
    /// Guest addresses that are still as they were mapped.
    fn guest(&self) -> Range<u64> {
        self.text.guest.start..self.end.load(Ordering::Acquire)
    }

    /// Its image, if that is in use.
    fn image(&self) -> Option<&'static Image> {
        self.image.filter(|_| !self.guest().is_empty())
    }

    /// Whether it is this other text of an image, and nothing that the image's traces need of it has changed.
    fn serves(&self, f: &Foreign) -> bool {
        let (now, need) = (self.guest(), f.needed());
        self.key == f.key && now.start <= need.start && need.end <= now.end
    }

    /// Arms or disarms, in its image, the guards of the ways into a text.
    fn guard(&self, other: &Kept, on: bool) -> bool {
        let Some(i) = self.image else { return false };
        let mut any = false;
        for (n, f) in (0..).zip(i.view.foreign) {
            if f.key == other.key && other.serves(f) == on {
                let way = if on { "open" } else { "closed" };
                tracing::debug!(
                    target: "cache",
                    "{:#x}: the way to {:#x} is {way}", self.text.guest.start, f.guest
                );
                i.arm(n, on);
                any = true;
            }
        }
        any
    }
}

/// What [`Images::changed`] did.
#[derive(Debug, Default)]
pub struct Changed {
    /// Images to be closed.
    pub closed: Vec<&'static Image>,
    /// Whether traces of others reached into what has changed.
    pub disarmed: bool,
}

/// The texts of a process and their images.
pub struct Images {
    folder: Option<Arc<Folder>>,
    /// What images depend on beside texts: build, host, settings.
    setting: [u64; 2],
    /// In the order of their guest addresses.
    texts: RwLock<Vec<Arc<Kept>>>,
    /// Whether any image was opened.
    any: AtomicBool,
    /// Whether regions that overlook underflow are out of use.
    refuses: AtomicBool,
    /// Units with lower numbers are the parent's, or have been kept.
    fresh: AtomicU64,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}

fn hash_twice(what: &impl Hash) -> [u64; 2] {
    [1u8, 2].map(|n| {
        let mut h = DefaultHasher::new();
        (n, what).hash(&mut h);
        h.finish()
    })
}

impl Images {
    /// None open. `settings`: whatever code depends on that the embedder can choose. Without a folder, or a way to tell this build from
    /// others, none will be.
    pub fn new(folder: Option<Arc<Folder>>, settings: &impl Hash) -> Images {
        let build = folder.as_ref().and_then(|_| build_id());
        let setting = match build {
            Some(id) => hash_twice(&(id, host::features(), settings)),
            None => [0; 2],
        };
        Images {
            folder: folder.filter(|_| build.is_some()),
            setting,
            texts: RwLock::default(),
            any: AtomicBool::new(false),
            refuses: AtomicBool::new(false),
            fresh: AtomicU64::new(0),
        }
    }

    /// Whether images are in use at all.
    pub fn enabled(&self) -> bool {
        self.folder.is_some()
    }

    /// What tells a text, where it is and what its image depends on from all others.
    fn key(&self, text: &Text) -> [u64; 2] {
        let (guest, window) = (text.guest.start, text.window.start);
        hash_twice(&(self.setting, text.identity, guest, window))
    }

    /// A text has been mapped. Its image, if there is one.
    pub fn map(&self, text: Text) -> Option<&'static Image> {
        let folder = self.folder.as_ref()?;
        if text.window.end - text.window.start < 2 * COUNTERS {
            return None;
        }
        let mut texts = self.texts.write();
        let taken = |k: &Arc<Kept>| {
            k.text.window.start < text.window.end && text.window.start < k.text.window.end
        };
        if texts.iter().any(taken) {
            return None;
        }
        let key = self.key(&text);
        let file = folder.read(name(key));
        let image = file.and_then(|f| {
            let r = Image::open(&f, key, &text.window);
            r.inspect_err(|e| tracing::debug!(target: "cache", "{:#x}: {e}", text.guest.start))
                .ok()
        });
        let at = text.guest.start;
        match image {
            Some(i) => tracing::debug!(
                target: "cache",
                "{at:#x}: an image with {} units of {} instructions, {} bytes",
                i.view.units.len(), i.view.header.insns, i.view.code.len()
            ),
            None => tracing::debug!(target: "cache", "{at:#x}: no image yet"),
        }
        let end = AtomicU64::new(text.guest.end);
        let n = texts.partition_point(|k| k.text.guest.start < at);
        let kept = Kept {
            text,
            key,
            image,
            end,
        };
        for other in texts.iter() {
            other.guard(&kept, true);
            kept.guard(other, true);
        }
        if self.refuses.load(Ordering::Relaxed) {
            image.map(Image::refuse);
        }
        texts.insert(n, Arc::new(kept));
        self.any.fetch_or(image.is_some(), Ordering::Release);
        image
    }

    /// The image with an entry at a guest address.
    pub fn find(&self, pc: u64) -> Option<(&'static Image, Entry, u64)> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let texts = self.texts.read();
        let n = texts.partition_point(|k| k.text.guest.start <= pc);
        let k = texts.get(n.checked_sub(1)?)?;
        let image = k.image().filter(|_| pc < k.text.guest.end)?;
        let (e, code) = image.find(pc)?;
        let unit = || image.view.units.get(e.unit as usize);
        if self.refuses.load(Ordering::Relaxed) && unit().is_some_and(|u| u.overlooks()) {
            return None;
        }
        Some((image, e, code))
    }

    /// No region of an image that overlooks underflow is found any more, or led to by another unit. Those that have one.
    pub fn refuse(&self) -> Vec<&'static Image> {
        let texts = self.texts.write();
        self.refuses.store(true, Ordering::Relaxed);
        let images = texts.iter().filter_map(|k| k.image);
        images.filter(|i| i.refuse()).collect()
    }

    /// Whether anything of `[start, end)` is a text's.
    pub fn touches(&self, start: u64, end: u64) -> bool {
        self.enabled()
            && self
                .texts
                .read()
                .iter()
                .any(|k| meet(&k.guest(), start, end))
    }

    /// Of the blocks of a trace: which of them are entered from another text than their own, which is not the first block's. None is
    /// if any lies in no text, for then the trace cannot be kept.
    pub fn borders(&self, pcs: &[u64]) -> Vec<bool> {
        let texts = self.texts.read();
        let of = |&pc: &u64| {
            let n = texts.partition_point(|k| k.text.guest.start <= pc);
            let k = texts.get(n.checked_sub(1)?)?;
            k.guest().contains(&pc).then_some(n)
        };
        let Some(at) = pcs.iter().map(of).collect::<Option<Vec<_>>>() else {
            return vec![false; pcs.len()];
        };
        let other = |i: usize| i > 0 && at[i] != at[0] && at[i] != at[i - 1];
        (0..at.len()).map(other).collect()
    }

    /// Guest code in `[start, end)` may have changed: no guard leads there any more.
    pub fn changed(&self, start: u64, end: u64) -> Changed {
        let mut closed = Vec::new();
        let mut disarmed = false;
        let texts = self.texts.read();
        for k in texts.iter().filter(|k| meet(&k.guest(), start, end)) {
            let still = k.image().map_or(0..0, Image::guest);
            let cut = if meet(&still, start, end) {
                closed.extend(k.image());
                k.text.guest.start
            } else {
                start.max(k.text.guest.start)
            };
            tracing::trace!(target: "cache", "{:#x}: changed from {cut:#x}", k.text.guest.start);
            k.end.store(cut, Ordering::Release);
            for other in texts.iter() {
                disarmed |= other.guard(k, false);
            }
        }
        Changed { closed, disarmed }
    }

    /// Units with lower numbers need not be kept: they are the parent's, or have been.
    pub fn seen(&self, next_id: u64) {
        self.fresh.store(next_id, Ordering::Relaxed);
    }

    /// For `fork`.
    pub fn before_fork(&self) -> ForkGuard<'_> {
        ForkGuard {
            _texts: self.texts.write(),
        }
    }

    /// Texts that are, at least in part, as they were mapped.
    fn texts(&self) -> Vec<Arc<Kept>> {
        let texts = self.texts.read();
        let all = texts.iter().filter(|k| !k.guest().is_empty());
        all.cloned().collect()
    }
}

/// The lock, held across a `fork`.
pub struct ForkGuard<'a> {
    _texts: RwLockWriteGuard<'a, Vec<Arc<Kept>>>,
}

fn meet(r: &Range<u64>, start: u64, end: u64) -> bool {
    r.start < end && start < r.end
}

fn name(key: [u64; 2]) -> u128 {
    (key[0] as u128) << 64 | key[1] as u128
}

/// The linker's identification of this executable (NT_GNU_BUILD_ID): another build may translate otherwise.
fn build_id() -> Option<[u8; 20]> {
    const NT_GNU_BUILD_ID: u32 = 3;
    // SAFETY: asks only.
    let [at, n] = [libc::AT_PHDR, libc::AT_PHNUM].map(|t| unsafe { libc::getauxval(t) });
    if at == 0 {
        return None;
    }
    // SAFETY: the kernel's word on our own program headers, which are mapped for good.
    let headers = unsafe { std::slice::from_raw_parts(at as *const libc::Elf64_Phdr, n as usize) };
    let own = headers.iter().find(|h| h.p_type == libc::PT_PHDR);
    // Without that header (it is optional) they follow the file header, at the start of the first segment.
    let bias = at.wrapping_sub(own.map_or(size_of::<libc::Elf64_Ehdr>() as u64, |h| h.p_vaddr));
    for h in headers.iter().filter(|h| h.p_type == libc::PT_NOTE) {
        let start = bias.wrapping_add(h.p_vaddr) as *const u8;
        // SAFETY: a note segment is part of a loaded segment.
        let mut notes = unsafe { std::slice::from_raw_parts(start, h.p_memsz as usize) };
        while let Some((head, rest)) = notes.split_first_chunk::<12>() {
            let word =
                |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
            let (name, desc) = (word(0) as usize, word(4) as usize);
            let at = name.next_multiple_of(4);
            let body = rest.get(at..at + desc)?;
            if word(8) == NT_GNU_BUILD_ID && rest.starts_with(b"GNU\0") {
                let mut id = [0; 20];
                let n = body.len().min(20);
                id[..n].copy_from_slice(&body[..n]);
                return Some(id);
            }
            notes = rest.get(at + desc.next_multiple_of(4)..)?;
        }
    }
    None
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
