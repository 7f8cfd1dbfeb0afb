//! Host threads for guest threads.
//!
//! They are made by pthread_create (Rust and the C library need their own thread-local storage) on stacks of ours, because the
//! guest's CLONE_CHILD_CLEARTID replaces the C library's own notice of a thread's end: the kernel clears and wakes the *guest's* word. A
//! stack is used again when its thread no longer exists.

use super::signal;
use super::syscall::Errno;
use super::task::Thread;
use metaphrase_runtime::sync::Mutex;
use metaphrase_runtime::vcpu::Vcpu;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Bytes of a host stack, of which untouched ones cost nothing: compilation on the guest's thread (sync mode) needs the most.
const STACK_SIZE: usize = 4 << 20;
const GUARD: usize = 4096;

struct StackMemory {
    base: usize,
    pid: i32,
    tid: i32,
}

static STACKS: Mutex<Vec<StackMemory>> = Mutex::new(Vec::new());

fn exists(pid: i32, tid: i32) -> bool {
    super::host::call(libc::SYS_tgkill, [pid as u64, tid as u64, 0, 0, 0, 0]) != Err(Errno::ESRCH)
}

/// The base of a stack: one whose thread has ended, or a new one.
fn take_stack(pid: i32) -> Result<usize, Errno> {
    let mut all = STACKS.lock();
    if let Some(i) = all
        .iter()
        .position(|s| s.pid == pid && s.tid != 0 && !exists(pid, s.tid))
    {
        return Ok(all.swap_remove(i).base);
    }
    drop(all);
    // SAFETY: a fresh mapping; its lowest page becomes a guard.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        let p = libc::mmap(
            std::ptr::null_mut(),
            STACK_SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        );
        if p == libc::MAP_FAILED {
            return Err(Errno::EAGAIN);
        }
        libc::mprotect(p, GUARD, libc::PROT_NONE);
        Ok(p as usize)
    }
}

/// In the child of a fork: its one thread has a new id; the others' stacks are free.
pub fn after_fork(old_tid: i32, pid: i32) {
    for s in STACKS.lock().iter_mut() {
        s.pid = pid;
        if s.tid == old_tid {
            s.tid = pid;
        }
    }
}

/// Holds the list of stacks while `f` forks.
pub fn frozen<T>(f: impl FnOnce() -> T) -> T {
    let _guard = STACKS.lock();
    f()
}

/// What a new thread does before its first instruction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beginning {
    /// CLONE_CHILD_SETTID's address, or 0.
    pub set_tid: u64,
    /// CLONE_CHILD_CLEARTID's address, or 0.
    pub clear_tid: u64,
    /// CLONE_PARENT_SETTID's address, or 0.
    pub parent_tid: u64,
    /// Flags for unshare: what it does not share with its creator (CLONE_FS, CLONE_FILES).
    pub unshare: u64,
}

struct Boot {
    thread: Thread,
    cpu: Vcpu,
    begin: Beginning,
    started: Arc<AtomicI32>,
}

/// Starts a guest thread; its tid. All signals must be blocked: the new thread unblocks its own.
pub fn start(thread: Thread, cpu: Vcpu, begin: Beginning) -> Result<i32, Errno> {
    // SAFETY: asks only.
    let pid = unsafe { libc::getpid() };
    let base = take_stack(pid)?;
    let started = Arc::new(AtomicI32::new(0));
    let boot = Box::into_raw(Box::new(Boot {
        thread,
        cpu,
        begin,
        started: started.clone(),
    }));
    let mut attr = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut handle: libc::pthread_t = 0;
    // SAFETY: the stack is ours and not in use; `boot` is handed over to the thread.
    let r = unsafe {
        libc::pthread_attr_init(attr.as_mut_ptr());
        libc::pthread_attr_setstack(
            attr.as_mut_ptr(),
            (base + GUARD) as *mut c_void,
            STACK_SIZE - GUARD,
        );
        libc::pthread_attr_setdetachstate(attr.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        metaphrase_runtime::signal::keep_library_signals(|| {
            libc::pthread_create(&mut handle, attr.as_ptr(), body, boot.cast())
        })
    };
    if r != 0 {
        // SAFETY: the thread was not made, so the box is still ours; so is the stack.
        unsafe {
            drop(Box::from_raw(boot));
            libc::munmap(base as *mut c_void, STACK_SIZE);
        }
        return Err(Errno::EAGAIN);
    }
    let mut tid = started.load(Ordering::Acquire);
    while tid == 0 {
        let args = [
            started.as_ptr() as u64,
            (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as u64,
            0,
            0,
            0,
            0,
        ];
        let _ = super::host::call(libc::SYS_futex, args);
        tid = started.load(Ordering::Acquire);
    }
    STACKS.lock().push(StackMemory { base, pid, tid });
    Ok(tid)
}

extern "C" fn body(boot: *mut c_void) -> *mut c_void {
    // SAFETY: `start` hands the box over.
    let Boot {
        mut thread,
        mut cpu,
        begin,
        started,
    } = *unsafe { Box::from_raw(boot.cast::<Boot>()) };
    // SAFETY: asks only.
    thread.tid = unsafe { libc::gettid() };
    if begin.unshare != 0 {
        let _ = super::host::call(libc::SYS_unshare, [begin.unshare, 0, 0, 0, 0, 0]);
    }
    for addr in [begin.parent_tid, begin.set_tid] {
        if addr != 0 {
            // A bad address is ignored, as the kernel does.
            let _ = super::uaccess::write(addr, &thread.tid);
        }
    }
    // Always: the C library's own word is on a stack that will be used again.
    let _ = super::host::call(libc::SYS_set_tid_address, [begin.clear_tid, 0, 0, 0, 0, 0]);
    let host_stack = signal::attach(&thread);
    started.store(thread.tid, Ordering::Release);
    let wake = [
        started.as_ptr() as u64,
        (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as u64,
        1,
        0,
        0,
        0,
    ];
    let _ = super::host::call(libc::SYS_futex, wake);
    let engine = thread.process.engine.clone();
    let code = engine.run(&mut cpu, &mut thread);
    signal::set_raw_mask(u64::MAX);
    signal::detach();
    thread.end(code);
    drop((thread, cpu, host_stack, engine));
    std::ptr::null_mut()
}
