//! Takes host threads out of the kernel's restartable sequences (rseq(2)).
//!
//! The C library registers every thread, and for a registered thread the kernel reads and writes user memory at every context switch: about 6 % of
//! the time of programs that do little else. Nothing here uses such sequences, and the guest has none. The C library's `sched_getcpu` asks the
//! kernel where there is no registration.
//!
//! Where the C library keeps the registered structure is not looked up by name (a name would demand a new C library) but found: it
//! lies behind the thread's control block, and the kernel refuses every other address.

use super::host;
use std::arch::asm;
use std::sync::atomic::{AtomicU64, Ordering};

/// `struct rseq` (include/uapi/linux/rseq.h): size as the C library registers it, alignment, and its signature for x86.
const SIZE: u64 = 32;
const SIGNATURE: u64 = 0x5305_3053;
const RSEQ_FLAG_UNREGISTER: u64 = 1;
/// Where it may be, from the thread pointer: the control block is larger than this and smaller than that.
const NEAREST: u64 = 0x800;
const FARTHEST: u64 = 0x1000;

/// Distance from the thread pointer, once known; it is the same for all threads. 0: not known.
static DISTANCE: AtomicU64 = AtomicU64::new(0);

fn thread_pointer() -> u64 {
    let p: u64;
    // SAFETY: the psABI keeps the thread pointer at its own address.
    unsafe { asm!("mov {}, fs:0", out(reg) p, options(nostack, preserves_flags, readonly)) };
    p
}

/// Whether a registered structure may be here: two equal CPU numbers, no sequence, no flags.
fn likely(at: u64) -> bool {
    let word = |n: u64| host::guarded_load32(at + 4 * n);
    word(0).is_some_and(|cpu| cpu < 1 << 16 && word(1) == Some(cpu))
        && (2..5).all(|n| word(n) == Some(0))
}

fn unregister(at: u64) -> bool {
    host::call(
        libc::SYS_rseq,
        [at, SIZE, RSEQ_FLAG_UNREGISTER, SIGNATURE, 0, 0],
    )
    .is_ok()
}

/// Takes the calling thread out; whether it was in. The first call has to be made on the first thread, with fault handlers installed.
pub fn leave() -> bool {
    let tp = thread_pointer();
    let known = DISTANCE.load(Ordering::Relaxed);
    if known != 0 {
        return unregister(tp + known);
    }
    let first = (tp + NEAREST).next_multiple_of(SIZE);
    let found = (first..tp + FARTHEST)
        .step_by(SIZE as usize)
        .take_while(|at| host::guarded_load32(*at).is_some())
        .find(|at| likely(*at) && unregister(*at));
    DISTANCE.store(found.map_or(0, |at| at - tp), Ordering::Relaxed);
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_leave_once_and_still_know_their_cpu() {
        super::super::signal::install_process_handlers().unwrap();
        // SAFETY: a constant string.
        let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
        let minor = version.to_str().unwrap().split('.').nth(1).unwrap();
        let registers = minor.parse::<u32>().unwrap() >= 35;
        for _ in 0..2 {
            let t = std::thread::spawn(|| (leave(), leave()));
            assert_eq!(t.join().unwrap(), (registers, false));
        }
        // SAFETY: asks only.
        assert!(unsafe { libc::sched_getcpu() } >= 0);
    }
}
