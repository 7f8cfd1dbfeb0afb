//! How much processor time threads have taken: a guest that asks for its own is not to see that of compile threads.
//!
//! A list of the kernel's per-thread clocks. A clock that does not belong to the asking process (a vfork child's parent has them)
//! counts as nothing. Must not know what compile threads do.

use crate::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Per-thread clocks of the compile threads.
#[derive(Debug, Default)]
pub struct CpuClocks(Mutex<Vec<libc::clockid_t>>);

impl CpuClocks {
    /// The calling thread is one of them, until the process ends.
    pub fn add_this_thread(&self) {
        let mut clock = 0;
        // SAFETY: the calling thread's own handle; `clock` is valid.
        if unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) } == 0 {
            self.0.lock().push(clock);
        }
    }

    /// What they have taken together.
    pub fn total(&self) -> Duration {
        self.0.lock().iter().map(|&c| read(c)).sum()
    }

    /// Held across a fork; the child empties it.
    pub fn lock(&self) -> MutexGuard<'_, Vec<libc::clockid_t>> {
        self.0.lock()
    }
}

/// What the calling thread has taken.
pub fn this_thread() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `ts` is valid; the kernel checks the clock.
    if unsafe { libc::clock_gettime(clock, &mut ts) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(ts.tv_sec as u64, ts.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_computes_is_counted_and_another_is_not() {
        let clocks = CpuClocks::default();
        assert_eq!(clocks.total(), Duration::ZERO);
        clocks.add_this_thread();
        let before = clocks.total();
        while clocks.total() < before + Duration::from_millis(2) {}
        assert_eq!(read(libc::clockid_t::MAX), Duration::ZERO);
    }
}
