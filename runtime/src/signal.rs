//! Host faults: SIGSEGV and SIGBUS inside translated code or a guarded access become guest faults; everything else goes to
//! the handler that the product registered.
//!
//! Invariant: the handler touches only the current thread's frame header, the exception table and the code map, all of
//! which may be read at any instruction.

use crate::mem::access;
use crate::vcpu::Frame;
use libc::{c_int, c_void, siginfo_t, ucontext_t};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static CURRENT: Cell<*mut Frame> = const { Cell::new(ptr::null_mut()) };
}

/// Handler for signals that are not ours.
pub type Forward = fn(c_int, *mut siginfo_t, *mut c_void);

static FORWARD: AtomicUsize = AtomicUsize::new(0);

/// Names the frame whose guest runs on this thread (null: none).
pub fn set_current(frame: *mut Frame) {
    CURRENT.with(|c| c.set(frame));
}

/// The frame of the guest CPU that runs on this thread.
pub fn current() -> *mut Frame {
    CURRENT.with(Cell::get)
}

/// Installs the host handlers of SIGSEGV and SIGBUS. `forward` gets what is neither translated code nor a guarded access
/// (signals sent by `kill`, faults of the translator itself); it runs on the signal stack.
pub fn install(forward: Forward) -> std::io::Result<()> {
    FORWARD.store(forward as usize, Ordering::SeqCst);
    for sig in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: a zeroed sigaction is valid; the handler is async-signal-safe.
        let r = unsafe {
            let mut sa: libc::sigaction = std::mem::zeroed();
            sa.sa_sigaction = on_fault as *const () as usize;
            sa.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigfillset(&mut sa.sa_mask);
            libc::sigaction(sig, &sa, ptr::null_mut())
        };
        if r != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Runs `f`, which starts a host thread, and puts the dispositions of signals 32 and 33 back: starting its first thread, the host's C
/// library takes the latter for itself, but they belong to the guest, whose C library uses them in the same way.
pub fn keep_library_signals<T>(f: impl FnOnce() -> T) -> T {
    const NUMBERS: [i64; 2] = [32, 33];
    const SIZE: usize = 8;
    let mask = |how: c_int, set: u64| {
        let mut old = 0u64;
        // SAFETY: plain calls on locals.
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &set, &mut old, SIZE) };
        old
    };
    // The kernel's structure: handler, flags, restorer, mask.
    let act = |n: i64, new: *const [u64; 4]| {
        let mut old = [0u64; 4];
        // SAFETY: as above; the library's wrapper refuses these signals.
        let r = unsafe { libc::syscall(libc::SYS_rt_sigaction, n, new, &mut old, SIZE) };
        (r == 0).then_some(old)
    };
    let masked = mask(libc::SIG_BLOCK, 3 << 31);
    let before = NUMBERS.map(|n| act(n, ptr::null()));
    let r = f();
    for (n, old) in NUMBERS.into_iter().zip(&before) {
        if let Some(old) = old {
            act(n, old);
        }
    }
    mask(libc::SIG_SETMASK, masked);
    r
}

extern "C" fn on_fault(sig: c_int, info: *mut siginfo_t, ctx: *mut c_void) {
    // SAFETY: the kernel passes valid pointers.
    let (info_ref, uc) = unsafe { (&*info, &mut *(ctx as *mut ucontext_t)) };
    let pc = uc.uc_mcontext.gregs[libc::REG_RIP as usize] as u64;
    // si_code > 0: raised by the kernel because of a fault, not sent by somebody.
    if info_ref.si_code > 0
        && let Some((landing, guest_pc)) = find_landing(pc)
    {
        let frame = current();
        if !frame.is_null() {
            let err = uc.uc_mcontext.gregs[libc::REG_ERR as usize] as u64;
            let write = err >> 1 & 1;
            let permission = (info_ref.si_code == 2) as u64;
            // SAFETY: this thread's own frame; generated code is stopped right here.
            unsafe {
                (*frame).header.fault_addr = info_ref.si_addr() as u64;
                (*frame).header.fault_info = write | permission << 1 | (sig as u64) << 8;
                if let Some(pc) = guest_pc {
                    (*frame).guest.pc = pc;
                }
            }
        }
        uc.uc_mcontext.gregs[libc::REG_RIP as usize] = landing as i64;
        return;
    }
    let f = FORWARD.load(Ordering::SeqCst);
    if f != 0 {
        // SAFETY: only `install` stores here, and only a `Forward`.
        let f = unsafe { std::mem::transmute::<usize, Forward>(f) };
        f(sig, info, ctx);
    }
}

/// Landing of a guarded access or of translated code; for the latter also the guest pc.
fn find_landing(pc: u64) -> Option<(u64, Option<u64>)> {
    match access::landing(pc) {
        Some(l) => Some((l, None)),
        None => crate::cache::landing(pc).map(|(l, g)| (l, Some(g))),
    }
}
