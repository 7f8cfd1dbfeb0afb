//! One guest process ([`Process`]: what its threads share) and one guest thread ([`Thread`]: the engine's `Environment`).

use super::host;
use super::memory::MemoryMap;
use super::path::Paths;
use super::syscall::SysResult;
use metaphrase_runtime::engine::Engine;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// What all threads of a guest process share.
pub struct Process {
    /// Translations; shared with a vfork child too.
    pub engine: Arc<Engine>,
    /// The address space; shared with a vfork child too.
    pub mem: Arc<MemoryMap>,
    /// How guest paths are read.
    pub paths: Paths,
}

/// One guest thread: a host thread with the same tid.
pub struct Thread {
    /// The process.
    pub process: Arc<Process>,
    /// The CPU's stop word: set by signal handlers.
    pub stop: *const AtomicU32,
}

impl Thread {
    /// A host call that may block. See the rules in [`super::syscall`].
    pub fn blocking(&mut self, nr: i64, args: [u64; 6]) -> SysResult {
        // SAFETY: the stop word lives in the thread's own CPU, which outlives this object.
        unsafe { host::call_interruptible(self.stop, nr, &args) }
    }
}
