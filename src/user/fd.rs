//! Metaphrase's own descriptors, kept out of the guest's way: high numbers, close-on-exec, invisible to `close`, `dup3`,
//! `close_range` and listings of `/proc/self/fd`.
//!
//! Must not know what the descriptors are for. Invariants: a descriptor is registered before guest code that could close it runs;
//! the registry is fixed-size and lock-free, because `fork` and signal handlers may find it in any state.

use super::host;
use super::syscall::Errno;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Own descriptors lie below this number (or below the process's limit, if that is less): high enough for shells that keep files
/// just below 256, low enough that the kernel's descriptor table stays small.
const CEILING: u64 = 1 << 11;
/// How far below the ceiling they may go.
const SPAN: u64 = 64;

const FREE: i32 = -1;
/// No hidden descriptor lies below this one: most questions end here.
static LOWEST: AtomicI32 = AtomicI32::new(i32::MAX);
static OWN: [AtomicI32; 16] = [const { AtomicI32::new(FREE) }; 16];

/// Whether a guest's descriptor argument names one of ours; such a descriptor does not exist for the guest.
pub fn is_own(fd: u64) -> bool {
    // Descriptors are `int`: the kernel ignores the upper half of the register.
    let fd = fd as i32;
    fd >= LOWEST.load(Ordering::Relaxed) && OWN.iter().any(|o| o.load(Ordering::Relaxed) == fd)
}

/// `EBADF` if the argument names one of our descriptors.
pub fn check(fd: u64) -> Result<(), Errno> {
    if is_own(fd) {
        Err(Errno::EBADF)
    } else {
        Ok(())
    }
}

/// All our descriptors, ascending.
pub fn own() -> Vec<RawFd> {
    let mut all: Vec<RawFd> = OWN
        .iter()
        .map(|o| o.load(Ordering::Relaxed))
        .filter(|fd| *fd != FREE)
        .collect();
    all.sort_unstable();
    all
}

/// Moves a descriptor to a high number, close-on-exec, and hides it from the guest. If no high number is free it stays where it is
/// (and is hidden there).
///
/// # Errors
/// `EMFILE` if the registry is full.
pub fn hide(fd: OwnedFd) -> Result<RawFd, Errno> {
    let fd = move_high(fd);
    let raw = fd.as_raw_fd();
    LOWEST.fetch_min(raw, Ordering::Relaxed);
    let slot = OWN.iter().find(|o| {
        o.compare_exchange(FREE, raw, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    });
    if slot.is_none() {
        return Err(Errno::EMFILE);
    }
    Ok(fd.into_raw_fd())
}

/// Takes a hidden descriptor back; dropping the result closes it.
pub fn release(fd: RawFd) -> Option<OwnedFd> {
    OWN.iter().find(|o| {
        o.compare_exchange(fd, FREE, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    })?;
    // SAFETY: `hide` gave up the ownership that is taken here, once.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn move_high(fd: OwnedFd) -> OwnedFd {
    let mut limit = libc::rlimit {
        rlim_cur: 1024,
        rlim_max: 1024,
    };
    // SAFETY: `limit` is a valid place; on failure it keeps its value.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    let top = limit.rlim_cur.min(CEILING);
    for lowest in (top.saturating_sub(SPAN)..top).rev() {
        let args = [
            fd.as_raw_fd() as u64,
            libc::F_DUPFD_CLOEXEC as u64,
            lowest,
            0,
            0,
            0,
        ];
        if let Ok(new) = host::call(libc::SYS_fcntl, args) {
            // SAFETY: the kernel has just made this descriptor for us.
            return unsafe { OwnedFd::from_raw_fd(new as RawFd) };
        }
    }
    fd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_descriptors_are_high_and_own_until_released() {
        let file: OwnedFd = std::fs::File::open("/dev/null").expect("/dev/null").into();
        let low = file.as_raw_fd();
        let fd = hide(file).expect("room");
        assert!(fd > low && is_own(fd as u64) && check(fd as u64) == Err(Errno::EBADF));
        assert!(
            is_own(fd as u64 | 7 << 32),
            "the upper half of the register does not matter"
        );
        assert!(own().contains(&fd));
        // SAFETY: F_GETFD has no side effects.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) }, libc::FD_CLOEXEC);
        drop(release(fd).expect("was hidden"));
        assert!(!is_own(fd as u64) && release(fd).is_none());
        // SAFETY: as above.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) }, -1);
    }
}
