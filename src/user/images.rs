//! Which folder keeps translations for later processes, if any: what `--cache` says, by default one on /dev/shm. That is memory: gone with the machine's
//! next start, a container's own, and in no image or home folder.
//!
//! Must not know what is kept. The default is silent about what is wrong with it, a folder that was asked for is not; the program runs in any case.

use super::memory::Layout;
use super::options::{Cache, Options};
use metaphrase_runtime::cache::image::folder::Folder;
use metaphrase_runtime::engine::{EngineConfig, JitMode};
use std::ffi::{CString, OsStr};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the default folder is, if it is a tmpfs.
const SHARED_MEMORY: &str = "/dev/shm";
/// Most bytes of all images together.
const LIMIT: u64 = 256 << 20;
/// Of what is free on the file system, images may take one part in so many.
const SHARE: u64 = 4;

/// The default folder of the user that runs us.
fn default_folder() -> PathBuf {
    // SAFETY: asks only.
    let user = unsafe { libc::geteuid() };
    Path::new(SHARED_MEMORY).join(format!("metaphrase-{user}"))
}

/// The file system of a path: its type, and free bytes.
fn file_system(path: &Path) -> std::io::Result<(i64, u64)> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut s = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the kernel fills it, and it is read only then.
    let s = unsafe {
        if libc::statfs(path.as_ptr(), s.as_mut_ptr()) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        s.assume_init()
    };
    Ok((s.f_type, s.f_bavail.saturating_mul(s.f_bsize as u64)))
}

/// Opens a folder, with as much room as it may have. Its parent must be there.
pub fn open_folder(path: &Path) -> std::io::Result<Folder> {
    let parent = path
        .parent()
        .filter(|p| *p != OsStr::new(""))
        .unwrap_or(Path::new("/"));
    let (_, free) = file_system(path).or_else(|_| file_system(parent))?;
    Folder::open(path, LIMIT.min(free / SHARE))
}

/// Whether translations of this run are like those of others, and all of them need not be made here.
fn may_keep(o: &Options) -> bool {
    let c = &o.engine.collect;
    let inspected = c.stats || c.regions || c.code;
    // SAFETY: asks only. A set-user-id program must not trust what others may have written.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    o.engine.jit == JitMode::Background && !inspected && !secure
}

/// Whether code is made as by default.
fn usual(c: &EngineConfig) -> bool {
    let d = EngineConfig::default();
    (c.threshold, c.max_block, c.optimise) == (d.threshold, d.max_block, d.optimise)
}

/// Whether the default folder would be memory.
fn in_memory() -> bool {
    file_system(Path::new(SHARED_MEMORY)).is_ok_and(|(t, _)| t == libc::TMPFS_MAGIC)
}

/// The folder that these settings mean, which may not be there.
pub fn chosen(o: &Options) -> Option<PathBuf> {
    match &o.cache {
        Cache::Off => None,
        Cache::Folder(path) => Some(path.clone()),
        Cache::Default => (usual(&o.engine) && in_memory()).then(default_folder),
    }
}

/// The folder of a process with these settings.
pub fn open(o: &Options, layout: &Layout) -> Option<Arc<Folder>> {
    if !may_keep(o) || !layout.has_windows() {
        return None;
    }
    let path = chosen(o)?;
    match open_folder(&path) {
        Ok(folder) => Some(Arc::new(folder)),
        // A child would only repeat it.
        Err(e) if o.cache != Cache::Default && !o.child => {
            eprintln!("metaphrase: --cache {}: {e}", path.display());
            None
        }
        Err(e) => {
            tracing::debug!(target: "cache", "{}: {e}", path.display());
            None
        }
    }
}
