//! Waiting for descriptors. `struct epoll_event` is packed on x86-64 only and is converted (abi/eventpoll.rs); `struct pollfd`,
//! `fd_set`, `struct timespec` agree. A signal mask for the duration of the wait goes through [`Thread::blocking_with_mask`].
//!
//! Invariant: an event buffer of the guest is written only with events that the host reported.

use super::{Errno, SysResult};
use crate::user::abi::eventpoll::EpollEvent;
use crate::user::signal::SIGSET_SIZE;
use crate::user::task::Thread;
use crate::user::{fd, uaccess};
use metaphrase_runtime::vcpu::Vcpu;
use std::mem::MaybeUninit;

/// Linux's `EP_MAX_EVENTS`: `INT_MAX / sizeof(struct epoll_event)` with the guest's size.
const EP_MAX_EVENTS: i32 = i32::MAX / size_of::<EpollEvent>() as i32;
/// The host's number (missing from libc).
const SYS_IO_PGETEVENTS: i64 = 333;
/// Events that need no heap.
const ON_STACK: usize = 64;
/// Most events fetched at once: more than a process has descriptors (`fs.nr_open`).
const MOST_AT_ONCE: usize = 1 << 20;

/// `epoll_ctl`
pub fn epoll_ctl(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    fd::check(a[2])?;
    if a[1] as i32 == libc::EPOLL_CTL_DEL {
        return t.blocking(libc::SYS_epoll_ctl, [a[0], a[1], a[2], 0, 0, 0]);
    }
    let event = uaccess::read::<EpollEvent>(a[3])?.to_host();
    t.blocking(
        libc::SYS_epoll_ctl,
        [a[0], a[1], a[2], &raw const event as u64, 0, 0],
    )
}

/// A `sigset_t` argument with its size, as the kernel checks them.
fn signal_mask(addr: u64, size: u64) -> Result<Option<u64>, Errno> {
    match addr {
        0 => Ok(None),
        _ if size != SIGSET_SIZE => Err(Errno::EINVAL),
        _ => uaccess::read::<u64>(addr).map(Some),
    }
}

/// Waits with the host call `nr` (its arguments are the guest's but for the event buffer and the mask) and converts what came.
fn wait_events(t: &mut Thread, nr: i64, a: [u64; 6]) -> SysResult {
    let most = a[2] as i32;
    let mask = signal_mask(a[4], a[5])?;
    if most <= 0 || most > EP_MAX_EVENTS {
        return Err(Errno::EINVAL);
    }
    let room = (most as usize).min(MOST_AT_ONCE);
    let mut few = [MaybeUninit::<libc::epoll_event>::uninit(); ON_STACK];
    let mut many = Vec::new();
    let buffer = if room <= ON_STACK {
        &mut few[..room]
    } else {
        // Reserved, not touched: pages that no event reaches cost nothing.
        many.reserve_exact(room);
        many.spare_capacity_mut()
    };
    let to = buffer.as_mut_ptr() as u64;
    let n = t.blocking_with_mask(mask, |t, mask| {
        t.blocking(nr, [a[0], to, room as u64, a[3], mask, SIGSET_SIZE])
    })?;
    // SAFETY: the kernel has written the first `n` events.
    let convert =
        |e: &MaybeUninit<libc::epoll_event>| EpollEvent::from_host(unsafe { e.assume_init_ref() });
    let guest: Vec<EpollEvent> = buffer[..n as usize].iter().map(convert).collect();
    uaccess::write_slice(a[1], &guest)?;
    Ok(n)
}

/// `epoll_pwait`
pub fn epoll_pwait(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    wait_events(t, libc::SYS_epoll_pwait, a)
}

/// `epoll_pwait2`
pub fn epoll_pwait2(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    wait_events(t, libc::SYS_epoll_pwait2, a)
}

/// `ppoll`
pub fn ppoll(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let mask = signal_mask(a[3], a[4])?;
    t.blocking_with_mask(mask, |t, mask| {
        t.blocking(libc::SYS_ppoll, [a[0], a[1], a[2], mask, SIGSET_SIZE, 0])
    })
}

/// The last argument of `pselect6` and `io_pgetevents`: address and size of a signal mask in a structure, or null.
fn packed_mask(addr: u64) -> Result<Option<u64>, Errno> {
    if addr == 0 {
        return Ok(None);
    }
    let [mask, size] = uaccess::read::<[u64; 2]>(addr)?;
    signal_mask(mask, size)
}

/// `pselect6`
pub fn pselect6(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let mask = packed_mask(a[5])?;
    t.blocking_with_mask(mask, |t, mask| {
        let packed = [mask, SIGSET_SIZE];
        t.blocking(
            libc::SYS_pselect6,
            [a[0], a[1], a[2], a[3], a[4], packed.as_ptr() as u64],
        )
    })
}

/// `io_pgetevents`
pub fn io_pgetevents(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let mask = packed_mask(a[5])?;
    t.blocking_with_mask(mask, |t, mask| {
        let packed = [mask, SIGSET_SIZE];
        t.blocking(
            SYS_IO_PGETEVENTS,
            [a[0], a[1], a[2], a[3], a[4], packed.as_ptr() as u64],
        )
    })
}
