//! Calls on descriptors, and the opening of files: what must not pass unconverted because open flags differ (abi/fcntl.rs) or
//! because metaphrase's own descriptors (fd.rs) do not exist for the guest.

use super::fs::{PathArg, in_proc, path_arg, unless};
use super::{Errno, SysResult};
use crate::user::abi::fcntl::{open_flags_to_guest, open_flags_to_host};
use crate::user::path::Follow;
use crate::user::task::Thread;
use crate::user::{fd, host, procfs, uaccess};
use metaphrase_runtime::vcpu::Vcpu;
use std::os::fd::{AsRawFd, IntoRawFd};

/// `VALID_OPEN_FLAGS` does not reach beyond 32 bits; `openat` takes an `int`.
const OPEN_FLAGS: u64 = u32::MAX as u64;
/// `struct open_how` as first published (`OPEN_HOW_SIZE_VER0`): flags, mode, resolve.
const OPEN_HOW_SIZE: u64 = 24;

/// Whether `open` follows a link in the last component, by host flags.
fn follow(flags: u64) -> Follow {
    let exclusive = (libc::O_CREAT | libc::O_EXCL) as u64;
    unless(flags & libc::O_NOFOLLOW as u64 != 0 || flags & exclusive == exclusive)
}

/// A descriptor of a file under `/proc` that shows the guest, if the call opens one for reading (`flags` are the host's).
fn open_proc(t: &Thread, path: u64, flags: u64) -> Option<SysResult> {
    let writing = (libc::O_ACCMODE | libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW) as u64;
    if flags & writing != 0 || !in_proc(path) {
        return None;
    }
    let file = procfs::open(&t.process, &uaccess::read_path(path).ok()?)?;
    if flags & libc::O_CLOEXEC as u64 == 0 {
        // The memory file was made close-on-exec; F_SETFD with no flags cannot fail on it.
        let _ = host::call(
            libc::SYS_fcntl,
            [file.as_raw_fd() as u64, libc::F_SETFD as u64, 0, 0, 0, 0],
        );
    }
    Some(Ok(file.into_raw_fd() as u64))
}

/// `openat`
pub fn openat(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let flags = open_flags_to_host(a[2] & OPEN_FLAGS);
    if let Some(done) = open_proc(t, a[1], flags) {
        return done;
    }
    let p = path_arg(t, a[0], a[1], follow(flags))?;
    t.blocking(libc::SYS_openat, [p.dirfd(), p.ptr(), flags, a[3], 0, 0])
}

/// `openat2`: the flags inside `struct open_how` differ. Longer structures (a newer program) must end in zeros, as the kernel has it.
pub fn openat2(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let size = a[3];
    if size < OPEN_HOW_SIZE {
        return Err(Errno::EINVAL);
    }
    if size > 4096 {
        return Err(Errno::E2BIG);
    }
    let mut how = uaccess::read_vec::<u8>(a[2], size as usize)?;
    let guest = how.first_chunk::<8>().map_or(0, |f| u64::from_le_bytes(*f));
    let flags = open_flags_to_host(guest);
    how[..8].copy_from_slice(&flags.to_le_bytes());
    let resolve = how
        .get(16..24)
        .and_then(|r| r.first_chunk::<8>())
        .map_or(0, |r| u64::from_le_bytes(*r));
    // A look-up that must stay below its folder is the kernel's to judge, and stays inside a root folder anyway.
    let p = if resolve & (libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT) != 0 {
        PathArg::Guest(a[0], a[1])
    } else {
        path_arg(t, a[0], a[1], follow(flags))?
    };
    t.blocking(
        libc::SYS_openat2,
        [p.dirfd(), p.ptr(), how.as_ptr() as u64, size, 0, 0],
    )
}

/// `open_by_handle_at`
pub fn open_by_handle_at(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    t.blocking(
        libc::SYS_open_by_handle_at,
        [a[0], a[1], open_flags_to_host(a[2] & OPEN_FLAGS), 0, 0, 0],
    )
}

/// `pipe2`: `O_DIRECT` asks for packets.
pub fn pipe2(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    t.blocking(
        libc::SYS_pipe2,
        [a[0], open_flags_to_host(a[1] & OPEN_FLAGS), 0, 0, 0, 0],
    )
}

/// `fanotify_init`: the second argument holds the open flags of event descriptors.
pub fn fanotify_init(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    t.blocking(
        libc::SYS_fanotify_init,
        [a[0], open_flags_to_host(a[1] & OPEN_FLAGS), 0, 0, 0, 0],
    )
}

/// `read`: the header of a library may be a sign that it is about to be mapped.
pub fn read(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let n = t.blocking(libc::SYS_read, a)?;
    if t.process.places.is_some() {
        t.hint.read(a[0], a[1], n);
    }
    Ok(n)
}

/// `dup3`: a target that is ours is answered like one beyond the process's limit.
pub fn dup3(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    fd::check(a[1])?;
    // `dup3` knows no flag but O_CLOEXEC, which agrees; others must still be refused as the guest's.
    t.blocking(libc::SYS_dup3, a)
}

/// `close_range`: in pieces around our own descriptors.
pub fn close_range(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let (first, last) = (a[0] as u32, a[1] as u32);
    let mut flags = a[2];
    if first > last
        || fd::own()
            .iter()
            .all(|o| !(first..=last).contains(&(*o as u32)))
    {
        return t.blocking(libc::SYS_close_range, a);
    }
    for (low, high) in around(&fd::own(), first, last) {
        t.blocking(
            libc::SYS_close_range,
            [low.into(), high.into(), flags, 0, 0, 0],
        )?;
        flags &= !u64::from(libc::CLOSE_RANGE_UNSHARE);
    }
    Ok(0)
}

/// The parts of `first..=last` between the (ascending) descriptors in `own`.
fn around(own: &[i32], first: u32, last: u32) -> Vec<(u32, u32)> {
    let mut parts = Vec::new();
    let mut low = Some(first);
    for o in own
        .iter()
        .map(|o| *o as u32)
        .filter(|o| (first..=last).contains(o))
    {
        match low {
            Some(l) if l < o => parts.push((l, o - 1)),
            _ => {}
        }
        low = o.checked_add(1);
    }
    parts.extend(low.filter(|l| *l <= last).map(|l| (l, last)));
    parts
}

/// `fcntl`: status flags are converted; `struct flock`, `struct f_owner_ex` and all command numbers agree.
pub fn fcntl(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    match a[1] as i32 {
        libc::F_GETFL => t.blocking(libc::SYS_fcntl, a).map(open_flags_to_guest),
        libc::F_SETFL => t.blocking(
            libc::SYS_fcntl,
            [a[0], a[1], open_flags_to_host(a[2]), 0, 0, 0],
        ),
        _ => t.blocking(libc::SYS_fcntl, a),
    }
}

/// ioctl types (bits 15..8 of the request) whose structures depend on the machine: AArch64's are not what this host speaks.
const MACHINE_DEPENDENT: &[(u8, &str)] = &[(0xae, "KVM")];

/// `ioctl`: numbers are `asm-generic/ioctl.h` on both machines and structures have the natural layout, so requests pass unconverted;
/// but for those that describe a CPU.
pub fn ioctl(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let kind = (a[1] >> 8) as u8;
    if let Some((_, what)) = MACHINE_DEPENDENT.iter().find(|(k, _)| *k == kind) {
        tracing::debug!(target: "syscall", "ioctl {:#x}: {what} is the host's, not for an AArch64 program", a[1]);
        return Err(Errno::ENOTTY);
    }
    t.blocking(libc::SYS_ioctl, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_leave_own_descriptors_out() {
        assert_eq!(around(&[], 3, 9), [(3, 9)]);
        assert_eq!(around(&[5], 3, 9), [(3, 4), (6, 9)]);
        assert_eq!(around(&[3, 4, 9], 3, 9), [(5, 8)]);
        assert_eq!(
            around(&[1, 5, 100], 3, u32::MAX),
            [(3, 4), (6, 99), (101, u32::MAX)]
        );
        assert!(around(&[7], 7, 7).is_empty());
    }

    #[test]
    fn exclusive_creation_does_not_follow() {
        assert_eq!(follow(libc::O_CREAT as u64), Follow::Yes);
        assert_eq!(follow((libc::O_CREAT | libc::O_EXCL) as u64), Follow::No);
        assert_eq!(follow(libc::O_NOFOLLOW as u64), Follow::No);
    }
}
