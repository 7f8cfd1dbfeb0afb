//! Calls on paths. Almost all are one thing: put the path through [`crate::user::path`] and let the host do the call.
//!
//! Must not know how paths are mapped. Structures: `struct stat` is converted (abi/stat.rs), all others agree (abi/agree.rs).

use super::{Errno, SysResult};
use crate::user::abi::stat::Stat;
use crate::user::path::{Follow, HostPath};
use crate::user::task::Thread;
use crate::user::{fd, host, procfs, uaccess};
use metaphrase_runtime::vcpu::Vcpu;
use std::mem::MaybeUninit;

/// The directory argument of calls that have none.
const CWD: u64 = libc::AT_FDCWD as u64;
const NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;
const FOLLOW: u64 = libc::AT_SYMLINK_FOLLOW as u64;

/// A path argument for the host kernel, with the directory descriptor beside it.
pub enum PathArg {
    /// The guest's own arguments.
    Guest(u64, u64),
    /// Somewhere else on the host.
    Host(HostPath),
}

impl PathArg {
    /// The directory descriptor.
    pub fn dirfd(&self) -> u64 {
        match self {
            PathArg::Guest(dirfd, _) => *dirfd,
            PathArg::Host(h) => h.dirfd as u64,
        }
    }

    /// The pointer to the path; valid as long as `self`.
    pub fn ptr(&self) -> u64 {
        match self {
            PathArg::Guest(_, ptr) => *ptr,
            PathArg::Host(h) => h.path.as_ptr() as u64,
        }
    }
}

/// What a path argument means to the host. Where guest paths are host paths it goes to the kernel unread, unless it leads to
/// `/proc/self/exe`.
pub fn path_arg(t: &Thread, dirfd: u64, ptr: u64, follow: Follow) -> Result<PathArg, Errno> {
    let paths = &t.process.paths;
    if ptr == 0 {
        return Ok(PathArg::Guest(dirfd, ptr));
    }
    if matches!(follow, Follow::Yes | Follow::Place) && in_proc(ptr) {
        let path = uaccess::read_path(ptr)?;
        if let Some(exe) = procfs::link(&t.process, &path) {
            return paths.resolve(dirfd as i32, exe, follow).map(PathArg::Host);
        }
    }
    if paths.are_the_hosts() {
        return Ok(PathArg::Guest(dirfd, ptr));
    }
    paths.resolve_at(dirfd, ptr, follow).map(PathArg::Host)
}

/// Whether a path in guest memory may start with `/proc/`: cheap, for every call with a path.
pub fn in_proc(ptr: u64) -> bool {
    uaccess::read::<[u8; 6]>(ptr).is_ok_and(|head| head == *b"/proc/")
}

/// `No` if the flag bit is set.
pub fn unless(no_follow: bool) -> Follow {
    if no_follow { Follow::No } else { Follow::Yes }
}

/// Calls whose only difference is where paths lead: `name = host number, |arguments| { (index of the directory or CWD, index of the
/// path) => whether a link in the last component is followed, .. }`.
macro_rules! path_calls {
    ($($(#[$doc:meta])* $name:ident = $nr:expr, |$a:ident| { $(($dir:tt, $i:literal) => $last:expr),* };)*) => { $(
        $(#[$doc])*
        pub fn $name(t: &mut Thread, _: &mut Vcpu, $a: [u64; 6]) -> SysResult {
            let mut args = $a;
            // One slot per argument: the paths must live until the call is done.
            let mut paths: [Option<PathArg>; 6] = [const { None }; 6];
            $(
                let p = path_arg(t, path_calls!(@dir $a $dir), $a[$i], $last)?;
                args[$i] = p.ptr();
                path_calls!(@set args $dir p);
                paths[$i] = Some(p);
            )*
            let result = t.blocking($nr, args);
            drop(paths);
            result
        }
    )* };
    (@dir $a:ident CWD) => { CWD };
    (@dir $a:ident $i:literal) => { $a[$i] };
    (@set $args:ident CWD $p:ident) => {};
    (@set $args:ident $i:literal $p:ident) => { $args[$i] = $p.dirfd() };
}

path_calls! {
    /// `setxattr`
    setxattr = libc::SYS_setxattr, |a| { (CWD, 0) => Follow::Yes };
    /// `lsetxattr`
    lsetxattr = libc::SYS_lsetxattr, |a| { (CWD, 0) => Follow::No };
    /// `getxattr`
    getxattr = libc::SYS_getxattr, |a| { (CWD, 0) => Follow::Yes };
    /// `lgetxattr`
    lgetxattr = libc::SYS_lgetxattr, |a| { (CWD, 0) => Follow::No };
    /// `listxattr`
    listxattr = libc::SYS_listxattr, |a| { (CWD, 0) => Follow::Yes };
    /// `llistxattr`
    llistxattr = libc::SYS_llistxattr, |a| { (CWD, 0) => Follow::No };
    /// `removexattr`
    removexattr = libc::SYS_removexattr, |a| { (CWD, 0) => Follow::Yes };
    /// `lremovexattr`
    lremovexattr = libc::SYS_lremovexattr, |a| { (CWD, 0) => Follow::No };
    /// `setxattrat`
    setxattrat = 463, |a| { (0, 1) => unless(a[2] & NOFOLLOW != 0) };
    /// `getxattrat`
    getxattrat = 464, |a| { (0, 1) => unless(a[2] & NOFOLLOW != 0) };
    /// `listxattrat`
    listxattrat = 465, |a| { (0, 1) => unless(a[2] & NOFOLLOW != 0) };
    /// `removexattrat`
    removexattrat = 466, |a| { (0, 1) => unless(a[2] & NOFOLLOW != 0) };
    /// `mknodat`
    mknodat = libc::SYS_mknodat, |a| { (0, 1) => Follow::Name };
    /// `mkdirat`
    mkdirat = libc::SYS_mkdirat, |a| { (0, 1) => Follow::Name };
    /// `unlinkat`
    unlinkat = libc::SYS_unlinkat, |a| { (0, 1) => Follow::Name };
    /// `symlinkat`: the text of the link is the guest's, unmapped.
    symlinkat = libc::SYS_symlinkat, |a| { (1, 2) => Follow::Name };
    /// `linkat`
    linkat = libc::SYS_linkat, |a| { (0, 1) => unless(a[4] & FOLLOW == 0), (2, 3) => Follow::Name };
    /// `renameat`
    renameat = libc::SYS_renameat, |a| { (0, 1) => Follow::Name, (2, 3) => Follow::Name };
    /// `renameat2`
    renameat2 = libc::SYS_renameat2, |a| { (0, 1) => Follow::Name, (2, 3) => Follow::Name };
    /// `umount2`
    umount2 = libc::SYS_umount2, |a| { (CWD, 0) => unless(a[1] & libc::UMOUNT_NOFOLLOW as u64 != 0) };
    /// `pivot_root`
    pivot_root = libc::SYS_pivot_root, |a| { (CWD, 0) => Follow::Place, (CWD, 1) => Follow::Place };
    /// `statfs`
    statfs = libc::SYS_statfs, |a| { (CWD, 0) => Follow::Yes };
    /// `truncate`
    truncate = libc::SYS_truncate, |a| { (CWD, 0) => Follow::Yes };
    /// `faccessat`
    faccessat = libc::SYS_faccessat, |a| { (0, 1) => Follow::Yes };
    /// `faccessat2`
    faccessat2 = libc::SYS_faccessat2, |a| { (0, 1) => unless(a[3] & NOFOLLOW != 0) };
    /// `chdir`
    chdir = libc::SYS_chdir, |a| { (CWD, 0) => Follow::Place };
    /// `fchmodat`
    fchmodat = libc::SYS_fchmodat, |a| { (0, 1) => Follow::Yes };
    /// `fchmodat2`
    fchmodat2 = libc::SYS_fchmodat2, |a| { (0, 1) => unless(a[3] & NOFOLLOW != 0) };
    /// `fchownat`
    fchownat = libc::SYS_fchownat, |a| { (0, 1) => unless(a[4] & NOFOLLOW != 0) };
    /// `quotactl`: the path is that of the block device.
    quotactl = libc::SYS_quotactl, |a| { (CWD, 1) => Follow::Yes };
    /// `statx`
    statx = libc::SYS_statx, |a| { (0, 1) => unless(a[2] & NOFOLLOW != 0) };
    /// `utimensat`: a null path means the descriptor.
    utimensat = libc::SYS_utimensat, |a| { (0, 1) => unless(a[3] & NOFOLLOW != 0) };
    /// `acct`
    acct = libc::SYS_acct, |a| { (CWD, 0) => Follow::Yes };
    /// `swapon`
    swapon = libc::SYS_swapon, |a| { (CWD, 0) => Follow::Yes };
    /// `swapoff`
    swapoff = libc::SYS_swapoff, |a| { (CWD, 0) => Follow::Yes };
    /// `inotify_add_watch`
    inotify_add_watch = libc::SYS_inotify_add_watch, |a| { (CWD, 1) => unless(a[2] & libc::IN_DONT_FOLLOW as u64 != 0) };
    /// `fanotify_mark`: a null path means the directory descriptor.
    fanotify_mark = libc::SYS_fanotify_mark, |a| { (3, 4) => unless(a[1] & libc::FAN_MARK_DONT_FOLLOW as u64 != 0) };
    /// `name_to_handle_at`
    name_to_handle_at = libc::SYS_name_to_handle_at, |a| { (0, 1) => unless(a[4] & FOLLOW == 0) };
    /// `open_tree`
    open_tree = libc::SYS_open_tree, |a| { (0, 1) => unless(a[2] & NOFOLLOW != 0) };
    /// `open_tree_attr`
    open_tree_attr = 467, |a| { (0, 1) => unless(a[2] & NOFOLLOW != 0) };
    /// `move_mount` (MOVE_MOUNT_F_SYMLINKS, MOVE_MOUNT_T_SYMLINKS)
    move_mount = libc::SYS_move_mount, |a| { (0, 1) => unless(a[4] & 1 == 0), (2, 3) => unless(a[4] & 0x10 == 0) };
    /// `fspick` (FSPICK_SYMLINK_NOFOLLOW)
    fspick = libc::SYS_fspick, |a| { (0, 1) => unless(a[2] & 2 != 0) };
    /// `mount_setattr`
    mount_setattr = libc::SYS_mount_setattr, |a| { (0, 1) => unless(a[2] & NOFOLLOW != 0) };
    /// `file_getattr`
    file_getattr = 468, |a| { (0, 1) => unless(a[4] & NOFOLLOW != 0) };
    /// `file_setattr`
    file_setattr = 469, |a| { (0, 1) => unless(a[4] & NOFOLLOW != 0) };
}

/// `mount`: the source is a path only if it starts with a slash (else a name such as `tmpfs`).
pub fn mount(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let rooted =
        a[0] != 0 && !t.process.paths.are_the_hosts() && uaccess::read::<u8>(a[0])? == b'/';
    let source = if rooted {
        path_arg(t, CWD, a[0], Follow::Yes)?
    } else {
        PathArg::Guest(CWD, a[0])
    };
    let target = path_arg(t, CWD, a[1], Follow::Yes)?;
    t.blocking(
        libc::SYS_mount,
        [source.ptr(), target.ptr(), a[2], a[3], a[4], 0],
    )
}

/// `chroot`. Under `--root` the view of the file system is ours and cannot be narrowed once more.
pub fn chroot(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if t.process.paths.root().is_some() {
        return Err(Errno::EPERM);
    }
    t.blocking(libc::SYS_chroot, a)
}

/// `getcwd`: the length with its NUL is the result.
pub fn getcwd(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if t.process.paths.root().is_none() {
        return t.blocking(libc::SYS_getcwd, a);
    }
    let mut text = [0u8; libc::PATH_MAX as usize];
    let n = host::call(
        libc::SYS_getcwd,
        [text.as_mut_ptr() as u64, text.len() as u64, 0, 0, 0, 0],
    )? as usize;
    let mut guest = t
        .process
        .paths
        .to_guest(&text[..n.saturating_sub(1)])
        .into_owned();
    guest.push(0);
    if guest.len() as u64 > a[1] {
        return Err(Errno::ERANGE);
    }
    uaccess::write_bytes(a[0], &guest)?;
    Ok(guest.len() as u64)
}

/// `readlinkat`: links under `/proc` show the guest's view of paths.
pub fn readlinkat(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if a[3] as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    if in_proc(a[1])
        && let Some(exe) = procfs::link(&t.process, &uaccess::read_path(a[1])?)
    {
        let n = exe.len().min(a[3] as i32 as usize);
        uaccess::write_bytes(a[2], &exe[..n])?;
        return Ok(n as u64);
    }
    let p = path_arg(t, a[0], a[1], Follow::No)?;
    match &p {
        PathArg::Host(h) if h.path.as_bytes().starts_with(b"/proc/") => {
            let mut text = [0u8; libc::PATH_MAX as usize];
            let n = host::call(
                libc::SYS_readlinkat,
                [
                    p.dirfd(),
                    p.ptr(),
                    text.as_mut_ptr() as u64,
                    text.len() as u64,
                    0,
                    0,
                ],
            )? as usize;
            let guest = t.process.paths.to_guest(&text[..n]);
            let n = guest.len().min(a[3] as i32 as usize);
            uaccess::write_bytes(a[2], &guest[..n])?;
            Ok(n as u64)
        }
        _ => t.blocking(libc::SYS_readlinkat, [p.dirfd(), p.ptr(), a[2], a[3], 0, 0]),
    }
}

/// Asks the host for a `struct stat` and gives the guest its form.
fn stat_with(t: &mut Thread, nr: i64, to: u64, place: usize, mut args: [u64; 6]) -> SysResult {
    let mut st = MaybeUninit::<libc::stat>::zeroed();
    args[place] = st.as_mut_ptr() as u64;
    t.blocking(nr, args)?;
    // SAFETY: zeroed, and any bytes are a `struct stat`.
    let st = unsafe { st.assume_init() };
    uaccess::write(to, &Stat::from_host(&st))?;
    Ok(0)
}

/// `newfstatat`
pub fn newfstatat(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let p = path_arg(t, a[0], a[1], unless(a[3] & NOFOLLOW != 0))?;
    stat_with(
        t,
        libc::SYS_newfstatat,
        a[2],
        2,
        [p.dirfd(), p.ptr(), 0, a[3], 0, 0],
    )
}

/// `fstat`
pub fn fstat(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    stat_with(t, libc::SYS_fstat, a[1], 1, [a[0], 0, 0, 0, 0, 0])
}

/// `getdents64`: `struct linux_dirent64` agrees; a listing of our own `/proc/self/fd` loses the descriptors that are ours.
pub fn getdents64(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let own = fd::own();
    loop {
        let n = t.blocking(libc::SYS_getdents64, a)?;
        if n == 0 || own.is_empty() || !lists_our_descriptors(a[0]) {
            return Ok(n);
        }
        let mut entries = vec![0; n as usize];
        uaccess::read_bytes(a[1], &mut entries)?;
        let kept = without_own(&entries, &own);
        // An empty result would mean the end: ask for more instead.
        if !kept.is_empty() {
            uaccess::write_bytes(a[1], &kept)?;
            return Ok(kept.len() as u64);
        }
    }
}

/// Whether a descriptor is a `/proc/<this process>/fd` folder (or `fdinfo`, or a thread's).
fn lists_our_descriptors(dir: u64) -> bool {
    let Ok(target) = std::fs::read_link(format!("/proc/self/fd/{}", dir as i32)) else {
        return false;
    };
    let mut parts = target.iter().filter_map(|c| c.to_str());
    let ours = parts.next() == Some("/")
        && parts.next() == Some("proc")
        && parts.next() == Some(&std::process::id().to_string());
    ours && parts
        .next_back()
        .is_some_and(|l| l == "fd" || l == "fdinfo")
}

/// Directory entries (`struct linux_dirent64`: d_ino, d_off, 16-bit d_reclen at 16, d_type, d_name at 19) without those named by `own`.
fn without_own(entries: &[u8], own: &[i32]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(entries.len());
    let mut rest = entries;
    while rest.len() > 19 {
        let length = usize::from(u16::from_le_bytes([rest[16], rest[17]])).clamp(19, rest.len());
        let (entry, more) = rest.split_at(length);
        let name = entry[19..].split(|b| *b == 0).next().unwrap_or_default();
        let number = std::str::from_utf8(name).ok().and_then(|s| s.parse().ok());
        if number.is_none_or(|n: i32| !own.contains(&n)) {
            kept.extend_from_slice(entry);
        }
        rest = more;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Vec<u8> {
        let length = (19 + name.len() + 1).next_multiple_of(8);
        let mut e = vec![0; length];
        e[16..18].copy_from_slice(&(length as u16).to_le_bytes());
        e[19..19 + name.len()].copy_from_slice(name.as_bytes());
        e
    }

    #[test]
    fn own_descriptors_are_not_listed() {
        let listing: Vec<u8> = [".", "0", "1023", "10", "1022"]
            .iter()
            .flat_map(|n| entry(n))
            .collect();
        let expected: Vec<u8> = [".", "0", "10"].iter().flat_map(|n| entry(n)).collect();
        assert_eq!(without_own(&listing, &[1022, 1023]), expected);
        assert!(without_own(&[], &[1]).is_empty());
    }
}
