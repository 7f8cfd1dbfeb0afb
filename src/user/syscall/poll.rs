//! Waiting for descriptors. `struct epoll_event` is packed on x86-64 only and is converted (abi/eventpoll.rs); `struct pollfd`,
//! `fd_set`, `struct timespec` agree. Signal masks go to the host as they are, because the host thread's mask is the guest's.
//!
//! Invariant: an event buffer of the guest is written only with events that the host reported.

use super::{Errno, SysResult};
use crate::user::abi::eventpoll::EpollEvent;
use crate::user::task::Thread;
use crate::user::{fd, uaccess};
use metaphrase_runtime::vcpu::Vcpu;

/// Linux's `EP_MAX_EVENTS`: `INT_MAX / sizeof(struct epoll_event)` with the guest's size.
const EP_MAX_EVENTS: i32 = i32::MAX / size_of::<EpollEvent>() as i32;
/// Events fetched by one host call; a longer guest buffer is simply filled less, which callers must expect anyway.
const BATCH: usize = 256;

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

/// Waits with the host call `nr` (its arguments are the guest's but for the event buffer) and converts what came.
fn wait_events(t: &mut Thread, nr: i64, a: [u64; 6]) -> SysResult {
    let most = a[2] as i32;
    if most <= 0 || most > EP_MAX_EVENTS {
        return Err(Errno::EINVAL);
    }
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
    let room = (most as usize).min(BATCH) as u64;
    let n = t.blocking(
        nr,
        [a[0], events.as_mut_ptr() as u64, room, a[3], a[4], a[5]],
    )?;
    let guest: Vec<EpollEvent> = events[..n as usize]
        .iter()
        .map(EpollEvent::from_host)
        .collect();
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
