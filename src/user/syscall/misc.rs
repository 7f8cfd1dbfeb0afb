//! Identity, limits and the rest.

use super::{Errno, SysResult};
use crate::user::limits::{self, Limit};
use crate::user::task::Thread;
use crate::user::uaccess;
use metaphrase_runtime::vcpu::Vcpu;

/// `uname`: the host's, but the machine is aarch64.
pub fn uname(_: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    // SAFETY: `utsname` is plain bytes; the kernel fills it.
    let mut u: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `u` is a valid utsname.
    if unsafe { libc::uname(&mut u) } != 0 {
        return Err(Errno::last());
    }
    u.machine = [0; 65];
    for (d, s) in u.machine.iter_mut().zip(b"aarch64") {
        *d = *s as libc::c_char;
    }
    // SAFETY: `u` is initialised and has no padding (six arrays of 65 bytes).
    let bytes = unsafe { std::slice::from_raw_parts((&raw const u).cast::<u8>(), size_of_val(&u)) };
    uaccess::write_bytes(a[0], bytes)?;
    Ok(0)
}

/// `getrlimit`
pub fn getrlimit(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if !limits::is_ours(a[0]) {
        return t.blocking(libc::SYS_getrlimit, a);
    }
    uaccess::write(a[1], &limits::get(a[0] as u32)?)?;
    Ok(0)
}

/// `setrlimit`
pub fn setrlimit(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if !limits::is_ours(a[0]) {
        return t.blocking(libc::SYS_setrlimit, a);
    }
    limits::set(a[0] as u32, uaccess::read::<Limit>(a[1])?)
}

/// `prlimit64`: for this process as above; for others the host's.
pub fn prlimit64(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let [pid, resource, new, old, ..] = a;
    let own = pid as u32 == 0 || pid as u32 == std::process::id();
    if !own || !limits::is_ours(resource) {
        return t.blocking(libc::SYS_prlimit64, a);
    }
    // All is read before anything changes, and the old value is that before the change.
    let new = if new == 0 {
        None
    } else {
        Some(uaccess::read::<Limit>(new)?)
    };
    let before = limits::get(resource as u32)?;
    if let Some(new) = new {
        limits::set(resource as u32, new)?;
    }
    if old != 0 {
        uaccess::write(old, &before)?;
    }
    Ok(0)
}
