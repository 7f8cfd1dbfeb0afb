//! Sockets. Everything passes unconverted (abi/agree.rs) but the names of `AF_UNIX` sockets, which are paths: under `--root` they
//! lead into the folder and come back without it.
//!
//! Must not know how paths are mapped. Invariant: without `--root` these handlers do nothing of their own.

use super::{Errno, SysResult};
use crate::user::path::Follow;
use crate::user::task::Thread;
use crate::user::{host, uaccess};
use metaphrase_runtime::vcpu::Vcpu;
use std::os::fd::{FromRawFd, OwnedFd};

/// `sizeof(sun_path)`.
const SUN_PATH: usize = 108;
/// Offset of `sun_path`.
const FAMILY: usize = 2;

/// A socket name for the host, and what must stay open while it is used.
struct Name {
    bytes: Vec<u8>,
    _folder: Option<OwnedFd>,
}

/// The host's form of a socket name, or `None` if it is the same.
fn name_to_host(t: &Thread, addr: u64, len: u64) -> Result<Option<Name>, Errno> {
    let fits = (FAMILY + 1..=FAMILY + SUN_PATH).contains(&(len as u32 as usize));
    if t.process.paths.root().is_none() || addr == 0 || !fits {
        return Ok(None);
    }
    let guest = uaccess::read_vec::<u8>(addr, len as u32 as usize)?;
    let (family, path) = guest.split_at(FAMILY);
    // An empty first byte is an abstract name: no path.
    if family != (libc::AF_UNIX as u16).to_le_bytes() || path[0] == 0 {
        return Ok(None);
    }
    let path = path.split(|b| *b == 0).next().unwrap_or_default();
    let host = t
        .process
        .paths
        .resolve(libc::AT_FDCWD, path, Follow::Yes)?
        .path
        .into_bytes();
    let (path, folder) = if host.len() < SUN_PATH {
        (host, None)
    } else {
        shortened(&host)?
    };
    let bytes = [family, &path, &[0]].concat();
    Ok(Some(Name {
        bytes,
        _folder: folder,
    }))
}

/// A long path by way of a descriptor of its folder.
fn shortened(host: &[u8]) -> Result<(Vec<u8>, Option<OwnedFd>), Errno> {
    let slash = host
        .iter()
        .rposition(|b| *b == b'/')
        .ok_or(Errno::ENAMETOOLONG)?;
    let folder = std::ffi::CString::new(&host[..slash]).map_err(|_| Errno::EINVAL)?;
    let flags = (libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64;
    let fd = host::call(
        libc::SYS_openat,
        [
            libc::AT_FDCWD as u64,
            folder.as_ptr() as u64,
            flags,
            0,
            0,
            0,
        ],
    )?;
    // SAFETY: the kernel has just made this descriptor for us.
    let folder = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let short = [
        format!("/proc/self/fd/{fd}/").as_bytes(),
        &host[slash + 1..],
    ]
    .concat();
    if short.len() < SUN_PATH {
        Ok((short, Some(folder)))
    } else {
        Err(Errno::ENAMETOOLONG)
    }
}

/// The call `nr` with the name at `args[at]`, `args[at + 1]`.
fn with_name(t: &mut Thread, nr: i64, mut args: [u64; 6], at: usize) -> SysResult {
    let name = name_to_host(t, args[at], args[at + 1])?;
    if let Some(n) = &name {
        args[at] = n.bytes.as_ptr() as u64;
        args[at + 1] = n.bytes.len() as u64;
    }
    t.blocking(nr, args)
}

/// `bind`
pub fn bind(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    with_name(t, libc::SYS_bind, a, 1)
}

/// `connect`
pub fn connect(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    with_name(t, libc::SYS_connect, a, 1)
}

/// `sendto`
pub fn sendto(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    with_name(t, libc::SYS_sendto, a, 4)
}

/// `sendmsg`: only the name in the header (`struct user_msghdr`) may need another.
pub fn sendmsg(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if t.process.paths.root().is_none() {
        return t.blocking(libc::SYS_sendmsg, a);
    }
    let mut header = uaccess::read::<[u64; 7]>(a[1])?;
    let name = name_to_host(t, header[0], header[1])?;
    if let Some(n) = &name {
        header[0] = n.bytes.as_ptr() as u64;
        header[1] = n.bytes.len() as u64;
    }
    t.blocking(
        libc::SYS_sendmsg,
        [a[0], header.as_ptr() as u64, a[2], 0, 0, 0],
    )
}

/// The call `nr`, which gives a name at `args[at]` and its length at `args[at + 1]`.
fn giving_name(t: &mut Thread, nr: i64, args: [u64; 6], at: usize) -> SysResult {
    let (addr, len_at) = (args[at], args[at + 1]);
    if t.process.paths.root().is_none() || addr == 0 || len_at == 0 {
        return t.blocking(nr, args);
    }
    let room = uaccess::read::<u32>(len_at)?;
    let r = t.blocking(nr, args)?;
    let len = uaccess::read::<u32>(len_at)?;
    if (FAMILY + 1..=FAMILY + SUN_PATH + 1).contains(&(len as usize)) && len <= room {
        let host = uaccess::read_vec::<u8>(addr, len as usize)?;
        if host[..FAMILY] == (libc::AF_UNIX as u16).to_le_bytes() && host[FAMILY] == b'/' {
            let path = host[FAMILY..].split(|b| *b == 0).next().unwrap_or_default();
            let guest = [&host[..FAMILY], &t.process.paths.to_guest(path), &[0]].concat();
            uaccess::write_bytes(addr, &guest)?;
            uaccess::write(len_at, &(guest.len() as u32))?;
        }
    }
    Ok(r)
}

/// `getsockname`
pub fn getsockname(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    giving_name(t, libc::SYS_getsockname, a, 1)
}

/// `getpeername`
pub fn getpeername(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    giving_name(t, libc::SYS_getpeername, a, 1)
}

/// `accept`
pub fn accept(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    giving_name(t, libc::SYS_accept, a, 1)
}

/// `accept4`
pub fn accept4(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    giving_name(t, libc::SYS_accept4, a, 1)
}

/// `recvfrom`
pub fn recvfrom(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    giving_name(t, libc::SYS_recvfrom, a, 4)
}
