//! Identity, limits and the rest.

use super::{Errno, SysResult};
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
