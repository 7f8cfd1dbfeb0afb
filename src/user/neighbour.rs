//! Processes that run in this memory beside their creator: who they are, and how the guest's SIGKILL ends one.
//!
//! They share our locks and the allocator's. Killed while it holds one, a neighbour would leave it locked for ever. So it is asked to end
//! itself at an instruction boundary, where it holds none; it looks at other fatal signals there too ([`super::signal::Actions::watch`]).
//! A SIGKILL of another process is not seen here and comes when it comes.

use super::host;
use super::signal;
use metaphrase_runtime::sync::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// How long it may take to reach an instruction boundary. One that is stopped, or waits for a child of its own, does not come there, and
/// holds no lock either.
const PATIENCE: Duration = Duration::from_millis(500);

/// One such process.
#[derive(Debug, Default)]
pub struct Neighbour {
    /// Its id, or an error number below zero; 0 until it began.
    id: AtomicI32,
    /// 1 when it has left this memory.
    gone: AtomicI32,
    doomed: AtomicBool,
    executes: AtomicBool,
}

static ALL: Mutex<Vec<Arc<Neighbour>>> = Mutex::new(Vec::new());

impl Neighbour {
    /// One that is about to be made.
    pub fn new() -> Arc<Neighbour> {
        let n = Arc::new(Neighbour::default());
        ALL.lock().push(n.clone());
        n
    }

    /// Says its id, or an error number, to whoever waits for it.
    pub fn tell(&self, id: i32) {
        self.id.store(id, Ordering::Release);
        wake(&self.id);
    }

    /// Its id if it has been said.
    pub fn id(&self) -> i32 {
        self.id.load(Ordering::Acquire)
    }

    /// Waits for its id.
    pub fn wait_for_id(&self) -> i32 {
        while self.id() == 0 {
            wait(&self.id, None);
        }
        self.id()
    }

    /// It has left this memory, or was never made.
    pub fn leave(self: &Arc<Self>) {
        ALL.lock().retain(|n| !Arc::ptr_eq(n, self));
        self.gone.store(1, Ordering::Release);
        wake(&self.gone);
    }

    /// At an instruction boundary of its own: ends if it has been asked to.
    pub fn end_if_doomed(&self) {
        if self.doomed.load(Ordering::SeqCst) {
            signal::die(libc::SIGKILL);
        }
    }

    /// It is about to execute a program, after which it would be too late; or that has failed.
    pub fn executes(&self, really: bool) {
        self.executes.store(really, Ordering::SeqCst);
        self.end_if_doomed();
    }

    /// Asks it to end, and waits until it has, as far as [`PATIENCE`] goes. What follows is to be a SIGKILL in any case.
    pub fn end(&self) {
        self.doomed.store(true, Ordering::SeqCst);
        if self.executes.load(Ordering::SeqCst) {
            return;
        }
        // Never blocked on the host, and handled at all times: it comes out of translated code and of system calls.
        let id = self.id() as u64;
        let _ = host::call(libc::SYS_tgkill, [id, id, libc::SIGSEGV as u64, 0, 0, 0]);
        let begun = Instant::now();
        while self.gone.load(Ordering::Acquire) == 0 && begun.elapsed() < PATIENCE {
            wait(&self.gone, Some(PATIENCE / 10));
        }
    }
}

/// The neighbour of this id, unless that is the caller itself.
pub fn find(id: i32) -> Option<Arc<Neighbour>> {
    if id <= 0 || id as u32 == std::process::id() {
        return None;
    }
    ALL.lock().iter().find(|n| n.id() == id).cloned()
}

/// Holds the list while `f` forks.
pub fn frozen<T>(f: impl FnOnce() -> T) -> T {
    let _guard = ALL.lock();
    f()
}

/// In the child of a fork: it is alone in its memory.
pub fn after_fork() {
    ALL.lock().clear();
}

fn wait(word: &AtomicI32, at_most: Option<Duration>) {
    let time = at_most.map(|d| libc::timespec {
        tv_sec: d.as_secs() as i64,
        tv_nsec: i64::from(d.subsec_nanos()),
    });
    let time = time.as_ref().map_or(0, |t| &raw const *t as u64);
    let op = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as u64;
    let _ = host::call(libc::SYS_futex, [word.as_ptr() as u64, op, 0, time, 0, 0]);
}

fn wake(word: &AtomicI32) {
    let op = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as u64;
    let all = i32::MAX as u64;
    let _ = host::call(libc::SYS_futex, [word.as_ptr() as u64, op, all, 0, 0, 0]);
}
