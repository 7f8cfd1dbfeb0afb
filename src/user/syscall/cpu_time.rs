//! Processor time of the process: what its guest threads have used. The compile threads' share, which a guest knows nothing of, is
//! taken off, so that a guest which sleeps uses none. The host's limits and profiling timers still count all of it.
//!
//! Invariant: no answer is smaller than an earlier one of the same process.

use super::{Errno, SysResult};
use crate::user::host;
use crate::user::task::Thread;
use crate::user::uaccess::{self, Pod};
use metaphrase_runtime::vcpu::Vcpu;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

// SAFETY: integers only; on both machines 64-bit ones, without padding.
unsafe impl Pod for libc::rusage {}
// SAFETY: as above.
unsafe impl Pod for libc::tms {}

/// The largest answer so far in a process, of one kind. The two clocks behind an answer are not read at the same moment.
struct Largest {
    pid: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Largest {
    const fn new() -> Largest {
        Largest {
            pid: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
        }
    }

    fn or(&self, now: Duration) -> Duration {
        let pid = std::process::id() as u64;
        if self.pid.swap(pid, Ordering::SeqCst) != pid {
            // A fork's child begins at zero.
            self.nanoseconds.store(0, Ordering::SeqCst);
        }
        let now = now.as_nanos() as u64;
        let before = self.nanoseconds.fetch_max(now, Ordering::SeqCst);
        Duration::from_nanos(now.max(before))
    }
}

/// Whether a clock is the calling process's (CLOCK_PROCESS_CPUTIME_ID, or what clock_getcpuclockid makes of its id).
pub fn is_own_clock(clock: i32) -> bool {
    const CPUCLOCK_SCHED: i32 = 2;
    const PROCESS_BITS: i32 = 7;
    let pid = !(clock >> 3);
    clock == libc::CLOCK_PROCESS_CPUTIME_ID
        || clock < 0
            && clock & PROCESS_BITS == CPUCLOCK_SCHED
            && (pid == 0 || pid as u32 == std::process::id())
}

/// The process's clock, given what the host's says.
pub fn of_clock(t: &Thread, host: libc::timespec) -> libc::timespec {
    static LARGEST: Largest = Largest::new();
    let all = Duration::new(host.tv_sec as u64, host.tv_nsec as u32);
    let own = LARGEST.or(all.saturating_sub(t.process.engine.compile_time()));
    libc::timespec {
        tv_sec: own.as_secs() as libc::time_t,
        tv_nsec: own.subsec_nanos().into(),
    }
}

/// The process's user time, given what the host's is.
fn of_user(t: &Thread, all: Duration) -> Duration {
    static LARGEST: Largest = Largest::new();
    LARGEST.or(all.saturating_sub(t.process.engine.compile_time()))
}

/// `getrusage`.
pub fn getrusage(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if a[0] as i32 != libc::RUSAGE_SELF {
        return host::call(libc::SYS_getrusage, a);
    }
    // SAFETY: plain integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is valid.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) } != 0 {
        return Err(Errno::last());
    }
    let user = &mut usage.ru_utime;
    let all = Duration::new(user.tv_sec as u64, user.tv_usec as u32 * 1000);
    let own = of_user(t, all);
    user.tv_sec = own.as_secs() as libc::time_t;
    user.tv_usec = own.subsec_micros().into();
    uaccess::write(a[1], &usage)?;
    Ok(0)
}

/// `times`: in ticks of 1/100 second on both machines.
pub fn times(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    const TICK: Duration = Duration::from_millis(10);
    if a[0] == 0 {
        return host::call(libc::SYS_times, a);
    }
    // SAFETY: plain integers.
    let mut tms: libc::tms = unsafe { std::mem::zeroed() };
    let now = host::call(libc::SYS_times, [&raw mut tms as u64, 0, 0, 0, 0, 0])?;
    let own = of_user(t, TICK * tms.tms_utime as u32);
    tms.tms_utime = (own.as_nanos() / TICK.as_nanos()) as libc::clock_t;
    uaccess::write(a[0], &tms)?;
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_never_go_back() {
        let l = Largest::new();
        let ms = Duration::from_millis;
        assert_eq!(l.or(ms(5)), ms(5));
        assert_eq!(l.or(ms(3)), ms(5));
        assert_eq!(l.or(ms(7)), ms(7));
    }

    #[test]
    fn clocks_of_this_process_are_known_by_any_name() {
        let mut clock = 0;
        let pid = std::process::id() as libc::pid_t;
        for (pid, own) in [(0, true), (pid, true), (1, false)] {
            // SAFETY: `clock` is valid.
            assert_eq!(unsafe { libc::clock_getcpuclockid(pid, &mut clock) }, 0);
            assert_eq!(is_own_clock(clock), own, "{pid}");
        }
        assert!(is_own_clock(libc::CLOCK_PROCESS_CPUTIME_ID));
        assert!(!is_own_clock(libc::CLOCK_THREAD_CPUTIME_ID));
        // SAFETY: the calling thread's own handle; `clock` is valid.
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
        assert!(!is_own_clock(clock));
    }
}
