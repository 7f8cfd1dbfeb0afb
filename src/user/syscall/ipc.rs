//! System V and POSIX IPC where it does not pass unconverted: `struct semid64_ds` differs (abi/sembuf.rs), shared memory must go
//! where the guest's address space has room.
//!
//! Asynchronous I/O passes: the ring of `io_setup` and all structures agree. `io_uring` does not exist for the guest: requests lie
//! in memory that the kernel reads by itself, so that open flags and `struct epoll_event` inside them could not be converted.

use super::{Errno, SysResult};
use crate::user::abi::fcntl::open_flags_to_host;
use crate::user::abi::sembuf::{HostSemid64Ds, Semid64Ds};
use crate::user::task::Thread;
use crate::user::{host, uaccess};
use metaphrase_runtime::vcpu::Vcpu;
use std::mem::MaybeUninit;

/// `SHMLBA` of arm64: a page.
const SHMLBA: u64 = 4096;
const SHM_RDONLY: u64 = libc::SHM_RDONLY as u64;
const SHM_RND: u64 = libc::SHM_RND as u64;
const SHM_REMAP: u64 = libc::SHM_REMAP as u64;
const SHM_EXEC: u64 = libc::SHM_EXEC as u64;
/// `SEM_STAT` and `SEM_STAT_ANY` (`linux/sem.h`).
const SEM_STAT: i32 = 18;
const SEM_STAT_ANY: i32 = 20;

/// `semctl`
pub fn semctl(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    match a[2] as i32 {
        libc::IPC_STAT | SEM_STAT | SEM_STAT_ANY => {
            let mut ds = HostSemid64Ds::default();
            let r = t.blocking(
                libc::SYS_semctl,
                [a[0], a[1], a[2], &raw mut ds as u64, 0, 0],
            )?;
            uaccess::write(a[3], &Semid64Ds::from_host(&ds))?;
            Ok(r)
        }
        libc::IPC_SET => {
            let ds = uaccess::read::<Semid64Ds>(a[3])?.to_host();
            t.blocking(
                libc::SYS_semctl,
                [a[0], a[1], a[2], &raw const ds as u64, 0, 0],
            )
        }
        _ => t.blocking(libc::SYS_semctl, a),
    }
}

/// `shmat`: placed by our own map of the guest's address space. Never executable on the host.
pub fn shmat(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let [id, mut addr, flags, ..] = a;
    let mut ds = MaybeUninit::<libc::shmid_ds>::zeroed();
    host::call(
        libc::SYS_shmctl,
        [id, libc::IPC_STAT as u64, ds.as_mut_ptr() as u64, 0, 0, 0],
    )?;
    // SAFETY: zeroed, and any bytes are a `struct shmid_ds`.
    let size = unsafe { ds.assume_init() }.shm_segsz as u64;
    if !addr.is_multiple_of(SHMLBA) {
        if flags & SHM_RND == 0 {
            return Err(Errno::EINVAL);
        }
        addr &= !(SHMLBA - 1);
    }
    let place = match (addr, flags & SHM_REMAP) {
        (0, 0) => 0,
        (0, _) => return Err(Errno::EINVAL),
        (_, 0) => libc::MAP_FIXED_NOREPLACE,
        (_, _) => libc::MAP_FIXED,
    };
    let mut prot = libc::PROT_READ;
    if flags & SHM_RDONLY == 0 {
        prot |= libc::PROT_WRITE;
    }
    if flags & SHM_EXEC != 0 {
        prot |= libc::PROT_EXEC;
    }
    // What lies there on the host is either nothing or what the guest agreed to replace.
    let host_flags = flags & SHM_RDONLY | SHM_REMAP;
    let attach = |at| host::call(libc::SYS_shmat, [id, at, host_flags, 0, 0, 0]);
    let mapped = t
        .process
        .mem
        .map_with(addr, size, prot as u32, place as u32, attach);
    mapped.map_err(|e| if e == Errno::EEXIST { Errno::EINVAL } else { e })
}

/// `shmdt`
pub fn shmdt(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let length = attachment(&maps, a[0]).ok_or(Errno::EINVAL)?;
    t.process
        .mem
        .unmap_with(a[0], length, || host::call(libc::SYS_shmdt, a))
}

/// Bytes of the System V segment attached at `start`, from the text of `/proc/self/maps`: the mapping of its beginning, and what
/// follows of the same segment (protections may have been changed piecewise).
fn attachment(maps: &str, start: u64) -> Option<u64> {
    let mut found: Option<(&str, u64)> = None;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (low, high) = words.next()?.split_once('-')?;
        let (low, high) = (
            u64::from_str_radix(low, 16).ok()?,
            u64::from_str_radix(high, 16).ok()?,
        );
        let (offset, device_and_inode) = (words.nth(1)?, line.split_ascii_whitespace().nth(4)?);
        let segment = line
            .split_ascii_whitespace()
            .nth(5)
            .is_some_and(|n| n.starts_with("/SYSV"));
        found = match found {
            None if low == start && segment && u64::from_str_radix(offset, 16) == Ok(0) => {
                Some((device_and_inode, high))
            }
            Some((inode, end))
                if low == end
                    && segment
                    && inode == device_and_inode
                    && u64::from_str_radix(offset, 16) == Ok(low - start) =>
            {
                Some((inode, high))
            }
            other => other,
        };
    }
    found.map(|(_, end)| end - start)
}

/// `mq_open`: only `O_NONBLOCK`, access mode and creation mean something, but all flags are the guest's.
pub fn mq_open(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    t.blocking(
        libc::SYS_mq_open,
        [
            a[0],
            open_flags_to_host(a[1] & u64::from(u32::MAX)),
            a[2],
            a[3],
            0,
            0,
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_measured_across_changed_protections() {
        let maps = "\
10000-20000 rw-s 00000000 00:01 7 /SYSV00000000 (deleted)
20000-21000 r--s 00010000 00:01 7 /SYSV00000000 (deleted)
21000-22000 rw-s 00000000 00:01 7 /SYSV00000000 (deleted)
30000-40000 rw-p 00000000 00:00 0 
40000-50000 r-xp 00001000 00:02 9 /usr/lib/x
";
        assert_eq!(attachment(maps, 0x10000), Some(0x11000));
        assert_eq!(attachment(maps, 0x21000), Some(0x1000));
        assert_eq!(attachment(maps, 0x20000), None);
        assert_eq!(attachment(maps, 0x30000), None);
    }
}
