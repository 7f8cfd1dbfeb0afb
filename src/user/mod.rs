//! Linux user mode: an AArch64 process inside this one. Guest address = host address; guest threads are host threads.
//!
//! Must not know how instructions are translated: it talks to [`metaphrase_runtime`] through `Engine` and `Environment`.

pub mod abi;
pub mod cpu;
pub mod elf;
pub mod fd;
pub mod host;
pub mod limits;
pub mod memory;
pub mod options;
pub mod path;
pub mod procfs;
pub mod program;
pub mod sigframe;
pub mod signal;
pub mod stack;
pub mod start;
pub mod strace;
pub mod symbol;
pub mod syscall;
pub mod task;
pub mod uaccess;
pub mod vdso;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Our own descriptors live from here up, away from what guests use and close.
pub const OWN_FD_BASE: i32 = 960;

/// Moves a descriptor of ours out of the guest's way; close-on-exec. Under a smaller RLIMIT_NOFILE it stays where it is.
pub fn move_fd(fd: OwnedFd) -> std::io::Result<OwnedFd> {
    // SAFETY: asks for a duplicate; the result is ours.
    let n = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, OWN_FD_BASE) };
    if n < 0 {
        return Ok(fd);
    }
    // SAFETY: `n` is a fresh descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(n) })
}
