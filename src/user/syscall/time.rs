//! Clocks. The frequent ones are answered from the host's vDSO, without entering the host kernel.

use super::{Errno, SysResult, cpu_time};
use crate::user::task::Thread;
use crate::user::{host, uaccess};
use metaphrase_runtime::vcpu::Vcpu;

/// `clock_gettime`.
pub fn clock_gettime(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let clock = a[0] as i32;
    let own = cpu_time::is_own_clock(clock);
    if !own && !(0..=libc::CLOCK_BOOTTIME).contains(&clock) {
        return host::call(libc::SYS_clock_gettime, a);
    }
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `ts` is valid.
    if unsafe { libc::clock_gettime(clock, &mut ts) } != 0 {
        return Err(Errno::last());
    }
    if own {
        ts = cpu_time::of_clock(t, ts);
    }
    uaccess::write(a[1], &ts)?;
    Ok(0)
}

/// `gettimeofday`.
pub fn gettimeofday(_: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if a[1] != 0 {
        // The time zone is the kernel's.
        return host::call(libc::SYS_gettimeofday, a);
    }
    if a[0] == 0 {
        return Ok(0);
    }
    let mut tv = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    // SAFETY: `tv` is valid; no time zone is asked for.
    if unsafe { libc::gettimeofday(&mut tv, std::ptr::null_mut()) } != 0 {
        return Err(Errno::last());
    }
    uaccess::write(a[0], &tv)?;
    Ok(0)
}
