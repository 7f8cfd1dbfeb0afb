//! One guest process ([`Process`]: what its threads share) and one guest thread ([`Thread`]: the engine's `Environment`).
//!
//! A guest thread is a host thread with the same tid. `Thread` belongs to it alone; its signal handler sees only the
//! [`super::signal::Inbox`] inside.

use super::account::{Account, End};
use super::host;
use super::memory::MemoryMap;
use super::neighbour::Neighbour;
use super::options::Options;
use super::path::Paths;
use super::placement::{Hint, Places};
use super::signal::{self, Actions, AltStack, Inbox};
use super::strace::Tracer;
use super::syscall::{self, Errno, SysResult};
use metaphrase_runtime::engine::Engine;
use metaphrase_runtime::env::{Environment, Exception, Flow};
use metaphrase_runtime::vcpu::Vcpu;
use std::ops::Range;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// What all threads of a guest process share.
pub struct Process {
    /// Translations; shared with a vfork child too.
    pub engine: Arc<Engine>,
    /// The address space; shared with a vfork child too.
    pub mem: Arc<MemoryMap>,
    /// Where code of files goes, if translations are kept; shared with a vfork child too.
    pub places: Option<Arc<Places>>,
    /// Whether it keeps translations at its end: a vfork child leaves that to its parent.
    pub keeps: bool,
    /// How guest paths are read.
    pub paths: Paths,
    /// Settings.
    pub options: Options,
    /// What it tells at its end; a vfork child's has nothing to tell.
    pub account: Account,
    /// `--strace`.
    pub tracer: Option<Arc<Tracer>>,
    /// What handles each signal; a vfork child has its own.
    pub actions: Arc<Actions>,
    /// Guest path of the program (/proc/self/exe).
    pub exe: Vec<u8>,
    /// Main stack, argument strings, environment strings, auxv.
    pub stack: super::stack::Stack,
    /// Address of the vDSO.
    pub vdso: u64,
    /// Our own executable, to start children with.
    pub self_exe: Option<RawFd>,
    /// Guest threads alive.
    pub threads: AtomicU32,
    /// What the first thread said to `exit`.
    pub leader_code: AtomicI32,
}

/// One guest thread.
pub struct Thread {
    /// The process.
    pub process: Arc<Process>,
    /// Kernel thread id.
    pub tid: i32,
    /// The CPU's stop word: set by signal handlers.
    pub stop: *const AtomicU32,
    /// Blocked signals, bit n-1 for signal n.
    pub mask: u64,
    /// The mask to restore when a call that changed it for its duration (sigsuspend, ppoll) ends.
    pub saved_mask: Option<u64>,
    /// sigaltstack.
    pub altstack: AltStack,
    /// Signals received but not delivered.
    pub inbox: Box<Inbox>,
    /// x0 of the interrupted call that the pc has been set back to.
    pub restart: Option<u64>,
    /// Set by handlers that end the thread.
    pub leave: Option<i32>,
    /// If it is the first thread of a process that runs in its creator's memory, beside it.
    pub neighbour: Option<Arc<Neighbour>>,
    /// The library that it seems about to map.
    pub hint: Hint,
    /// The executable range that `fetch` found last, and the map's generation then.
    fetched: (Range<u64>, u64),
}

impl Thread {
    /// A thread for a CPU. The caller attaches it on the host thread that runs it ([`signal::attach`]).
    pub fn new(process: Arc<Process>, cpu: &Vcpu, mask: u64) -> Thread {
        let stop = cpu.stop_word();
        Thread {
            process,
            tid: 0,
            stop,
            mask,
            saved_mask: None,
            altstack: AltStack::default(),
            inbox: Inbox::new(stop),
            restart: None,
            leave: None,
            neighbour: None,
            hint: Hint::default(),
            fetched: (0..0, 0),
        }
    }

    /// A host call that may block. See the rules in [`super::syscall`].
    pub fn blocking(&mut self, nr: i64, args: [u64; 6]) -> SysResult {
        // SAFETY: the stop word lives in the thread's own CPU, which outlives this object.
        unsafe { host::call_interruptible(self.stop, nr, &args) }
    }

    /// A call that replaces the signal mask while it waits (sigsuspend, ppoll, pselect6, epoll_pwait). `f` gets the address of the mask
    /// for the host, 0 for none, and makes the call through [`Thread::blocking`].
    pub fn blocking_with_mask(
        &mut self,
        mask: Option<u64>,
        f: impl FnOnce(&mut Thread, u64) -> SysResult,
    ) -> SysResult {
        let Some(mask) = mask else { return f(self, 0) };
        let mask = mask & !signal::UNBLOCKABLE;
        if self.inbox.pending() & !mask != 0 {
            // It arrived before: delivered under the temporary mask, as if during the wait.
            self.saved_mask = Some(std::mem::replace(&mut self.mask, mask));
            return Err(Errno::EINTR);
        }
        let result = f(self, &raw const mask as u64);
        if result == Err(Errno::EINTR) {
            self.saved_mask = Some(std::mem::replace(&mut self.mask, mask));
        }
        result
    }

    /// Translations of this range are dropped: its bytes or its permissions changed.
    pub fn code_changed(&self, r: Range<u64>) {
        self.process.engine.invalidate(r.start, r.end);
    }

    fn system_call(&mut self, cpu: &mut Vcpu) -> Flow {
        let (x0, nr) = (cpu.regs().x[0], cpu.regs().x[8]);
        let begun = self.process.account.begin();
        let result = if self.process.tracer.is_some() {
            self.traced_call(cpu)
        } else {
            syscall::dispatch(self, cpu)
        };
        self.process.account.end(nr, begun, &result);
        match result {
            Ok(v) => cpu.regs_mut().x[0] = v,
            Err(Errno::KEEP_STATE) => {}
            Err(e @ (Errno::RESTART | Errno::RESTART_ALWAYS)) => {
                let r = cpu.regs_mut();
                r.x[0] = x0;
                r.pc = r.pc.wrapping_sub(4);
                self.restart = (e == Errno::RESTART).then_some(x0);
            }
            Err(e) => cpu.regs_mut().x[0] = -(e.0 as i64) as u64,
        }
        if let Some(code) = self.leave {
            return Flow::Leave(code);
        }
        if self.inbox.has_pending() || self.saved_mask.is_some() {
            signal::deliver_pending(self, cpu);
        }
        self.restart = None;
        Flow::Continue
    }

    fn traced_call(&mut self, cpu: &mut Vcpu) -> SysResult {
        let process = self.process.clone();
        let Some(tracer) = &process.tracer else {
            return syscall::dispatch(self, cpu);
        };
        let call = tracer.before(self.tid, cpu.regs());
        let result = syscall::dispatch(self, cpu);
        tracer.after(call, result);
        result
    }
}

impl Environment for Thread {
    fn fetch(&mut self, pc: u64) -> Option<u32> {
        let mem = &self.process.mem;
        let generation = mem.generation();
        if !self.fetched.0.contains(&pc) || self.fetched.1 != generation {
            self.fetched = (mem.executable_at(pc)?, generation);
        }
        host::guarded_load32(pc)
    }

    fn exception(&mut self, cpu: &mut Vcpu, e: Exception) -> Flow {
        if let Exception::Svc(_) = e {
            return self.system_call(cpu);
        }
        signal::fault(self, cpu, e);
        self.leave.map_or(Flow::Continue, Flow::Leave)
    }

    fn interrupted(&mut self, cpu: &mut Vcpu) -> Flow {
        if self.inbox.has_pending() {
            signal::deliver_pending(self, cpu);
        }
        self.leave.map_or(Flow::Continue, Flow::Leave)
    }
}

impl Process {
    /// What a child in the same memory has: its own signal actions, unless those are shared too, all else the parent's.
    pub fn for_vfork(&self, share_actions: bool) -> Process {
        let actions = match share_actions {
            true => self.actions.clone(),
            false => Arc::new(self.actions.for_child_in_memory()),
        };
        Process {
            engine: self.engine.clone(),
            mem: self.mem.clone(),
            places: self.places.clone(),
            keeps: false,
            paths: self.paths.clone(),
            options: self.options.clone(),
            account: Account::default(),
            tracer: self.tracer.clone(),
            actions,
            exe: self.exe.clone(),
            stack: self.stack.clone(),
            vdso: self.vdso,
            self_exe: self.self_exe,
            threads: AtomicU32::new(1),
            leader_code: AtomicI32::new(0),
        }
    }

    /// A thread is about to be made.
    pub fn thread_begins(&self) {
        self.threads.fetch_add(1, Ordering::SeqCst);
    }

    /// A thread ends; whether it was the last.
    pub fn thread_ends(&self) -> bool {
        self.threads.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Whether a path means this process's own program in /proc.
    pub fn names_self_exe(&self, path: &[u8]) -> bool {
        let Some(rest) = path.strip_prefix(b"/proc/") else {
            return false;
        };
        let Some(who) = rest.strip_suffix(b"/exe") else {
            return false;
        };
        match who {
            b"self" | b"thread-self" => true,
            // SAFETY: asks only.
            _ => who == unsafe { libc::getpid() }.to_string().as_bytes(),
        }
    }

    /// Ends the process: what must be written is written, then the kernel ends all threads.
    pub fn exit(&self, code: i32) -> ! {
        if self.keeps && self.thread_count() > 1 {
            // Other threads go on meanwhile: they must not see the descriptors of files that are written here. Where the kernel refuses, they do.
            let _ = host::call(libc::SYS_unshare, [libc::CLONE_FILES as u64, 0, 0, 0, 0, 0]);
        }
        self.finish(End::Exit(code));
        // SAFETY: ends the process without running destructors: other threads may be anywhere.
        unsafe { libc::_exit(code) }
    }

    /// Writes what is due at the end: translations for later processes, statistics.
    pub fn finish(&self, end: End) {
        if self.keeps && !matches!(end, End::Signal(_)) {
            self.engine.keep();
        }
        self.account.finish(&self.engine, end);
    }

    /// Guest threads alive.
    pub fn thread_count(&self) -> u32 {
        self.threads.load(Ordering::SeqCst)
    }
}

impl Thread {
    /// `exit`. The first thread of a process stays as the kernel's thread-group leader without coming back; others return through the engine.
    pub fn exit(&mut self, code: i32) {
        // SAFETY: asks only.
        if self.tid != unsafe { libc::getpid() } {
            self.leave = Some(code);
            return;
        }
        self.process.leader_code.store(code, Ordering::SeqCst);
        if self.process.thread_ends() {
            self.process.exit(code);
        }
        signal::set_raw_mask(u64::MAX);
        loop {
            let _ = host::call(libc::SYS_exit, [code as u64, 0, 0, 0, 0, 0]);
        }
    }

    /// A thread other than the first is over: if it was the last, the process ends with the first one's code.
    pub fn end(&self, _code: i32) {
        if self.process.thread_ends() {
            self.process
                .exit(self.process.leader_code.load(Ordering::SeqCst));
        }
    }

    /// In the child of a fork: this is its only thread.
    pub fn forked(&mut self) {
        // SAFETY: asks only.
        let tid = unsafe { libc::gettid() };
        super::thread::after_fork(self.tid, tid);
        super::neighbour::after_fork();
        self.neighbour = None;
        self.tid = tid;
        self.inbox.clear();
        self.process.threads.store(1, Ordering::SeqCst);
    }
}
