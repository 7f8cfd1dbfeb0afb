//! Signals of the guest. All 64 belong to it.
//!
//! **Receiving.** For each signal that the guest handles, the host has [`on_signal`] (SA_SIGINFO, SA_ONSTACK, SA_RESTART, everything
//! masked). It puts the siginfo into the thread's [`Inbox`], sets the CPU's stop word, and makes the interrupted context return with
//! all signals blocked: so at most one asynchronous signal waits here and the kernel keeps the order and the queue of the rest.
//! Default and ignored signals have the same disposition on the host, so stop, continue and termination are the kernel's own.
//!
//! **Delivering** happens at instruction boundaries ([`deliver_pending`]): after system calls and when the stop word is seen. It
//! builds the frame ([`super::sigframe`]), then gives the host thread the guest's new mask, at which point the kernel may hand over
//! the next signal.
//!
//! **Masks.** The host thread's mask is the guest's, except that signals which generated code or our own copies may raise
//! ([`SYNCHRONOUS`]) are never blocked on the host; the guest's mask for those is respected at delivery.
//!
//! **Interrupted calls.** Host handlers have SA_RESTART, so the host kernel itself decides which calls can be repeated: those stand at the
//! `syscall` instruction again when the handler runs, and [`host::fix_up`] turns that into `Errno::RESTART`. Calls that had not begun
//! come back with `Errno::RESTART_ALWAYS`: the guest's handler runs as if the signal had come before its SVC, so that calls which
//! cannot fail with EINTR never do.

use super::account::End;
use super::host::{self, Why};
use super::sigframe;
use super::syscall::Errno;
use super::task::Thread;
use libc::{c_int, c_void, siginfo_t, ucontext_t};
use memmap2::MmapMut;
use metaphrase_runtime::env::{Access, Exception};
use metaphrase_runtime::sync::Mutex;
use metaphrase_runtime::vcpu::Vcpu;
use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Bit of a signal in a mask.
pub const fn bit(sig: i32) -> u64 {
    1 << (sig - 1)
}

/// Raised by instructions: never blocked on the host.
pub const SYNCHRONOUS: u64 = bit(libc::SIGSEGV)
    | bit(libc::SIGBUS)
    | bit(libc::SIGILL)
    | bit(libc::SIGTRAP)
    | bit(libc::SIGFPE);
/// Owned by the runtime on the host.
const RUNTIME_OWNED: u64 = bit(libc::SIGSEGV) | bit(libc::SIGBUS);
/// Cannot be blocked.
pub const UNBLOCKABLE: u64 = bit(libc::SIGKILL) | bit(libc::SIGSTOP);
const IGNORED_BY_DEFAULT: u64 =
    bit(libc::SIGCHLD) | bit(libc::SIGCONT) | bit(libc::SIGURG) | bit(libc::SIGWINCH);
const STOPS_BY_DEFAULT: u64 = bit(libc::SIGTSTP) | bit(libc::SIGTTIN) | bit(libc::SIGTTOU);

/// Highest signal number.
pub const NSIG: i32 = 64;
/// Bytes of a kernel signal set.
pub const SIGSET_SIZE: u64 = 8;
/// Bytes of a siginfo; the same layout on arm64 and x86-64.
pub const SIGINFO_SIZE: usize = 128;

/// SIG_DFL and SIG_IGN.
pub const SIG_DFL: u64 = 0;
#[allow(missing_docs, reason = "see SIG_DFL")]
pub const SIG_IGN: u64 = 1;

/// The kernel's `struct sigaction`: the same order on arm64 and x86-64.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Action {
    /// Address, SIG_DFL or SIG_IGN.
    pub handler: u64,
    /// SA_ flags (same values on both).
    pub flags: u64,
    /// SA_RESTORER's address.
    pub restorer: u64,
    /// Blocked while the handler runs.
    pub mask: u64,
}
// SAFETY: four integers.
unsafe impl super::uaccess::Pod for Action {}

/// What handles each signal.
#[derive(Debug)]
pub struct Actions {
    table: Mutex<[Action; NSIG as usize + 1]>,
    /// Signals that end the process by default come to us first: something is to be written then.
    watched: bool,
}

impl Actions {
    /// The dispositions that this process started with: ignored stays ignored, the rest is default.
    pub fn inherited() -> Actions {
        let mut table = [Action::default(); NSIG as usize + 1];
        for sig in 1..=NSIG {
            if host_action(sig).is_ok_and(|a| a.handler == SIG_IGN) {
                table[sig as usize].handler = SIG_IGN;
            }
        }
        Actions {
            table: Mutex::new(table),
            watched: false,
        }
    }

    /// From now on no default action ends the process unseen. The caller's signals are blocked.
    pub fn watch(&mut self) {
        self.watched = true;
        self.install_watched();
    }

    /// A copy for a child in the same memory, which calls [`Self::install_watched`]: a default action must not end it while it holds a lock.
    pub fn for_child_in_memory(&self) -> Actions {
        Actions {
            table: Mutex::new(*self.table.lock()),
            watched: true,
        }
    }

    /// Gives the host what watching means, if this is watched.
    pub fn install_watched(&self) {
        if !self.watched {
            return;
        }
        let t = self.table.lock();
        for sig in (1..=NSIG).filter(|&s| t[s as usize].handler == SIG_DFL) {
            let _ = install(sig, &t[sig as usize], true);
        }
    }

    /// The action of a signal.
    pub fn get(&self, sig: i32) -> Action {
        self.table.lock()[sig as usize]
    }

    /// Replaces it, on the host too; the old one.
    pub fn set(&self, sig: i32, new: Action) -> Result<Action, Errno> {
        let mut t = self.table.lock();
        install(sig, &new, self.watched)?;
        Ok(std::mem::replace(&mut t[sig as usize], new))
    }

    /// The action for a delivery: SA_RESETHAND takes effect.
    fn take(&self, sig: i32) -> Action {
        let mut t = self.table.lock();
        let a = t[sig as usize];
        if a.flags & libc::SA_RESETHAND as u64 != 0 && a.handler > SIG_IGN {
            t[sig as usize].handler = SIG_DFL;
            let _ = install(sig, &t[sig as usize], self.watched);
        }
        a
    }

    /// Runs `f` while no action can change (fork).
    pub fn frozen<T>(&self, f: impl FnOnce() -> T) -> T {
        let _guard = self.table.lock();
        f()
    }

    /// Gives the host the dispositions that must survive execve for the signals that the runtime handles.
    pub fn before_exec(&self) {
        let t = self.table.lock();
        for sig in [libc::SIGSEGV, libc::SIGBUS] {
            if t[sig as usize].handler == SIG_IGN {
                let _ = host_sigaction(
                    sig,
                    Some(&Action {
                        handler: SIG_IGN,
                        ..Action::default()
                    }),
                );
            }
        }
    }
}

/// sigaltstack of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AltStack {
    /// Lowest address.
    pub sp: u64,
    /// Bytes.
    pub size: u64,
    /// SS_DISABLE, SS_AUTODISARM.
    pub flags: u32,
}

impl Default for AltStack {
    fn default() -> Self {
        AltStack {
            sp: 0,
            size: 0,
            flags: libc::SS_DISABLE as u32,
        }
    }
}

/// SS_AUTODISARM.
pub const SS_AUTODISARM: u32 = 1 << 31;

impl AltStack {
    /// Whether `sp` stands on it (include/linux/sched/signal.h, on_sig_stack).
    pub fn contains(&self, sp: u64) -> bool {
        self.flags & SS_AUTODISARM == 0 && sp > self.sp && sp - self.sp <= self.size
    }

    /// Whether there is one.
    pub fn enabled(&self) -> bool {
        self.size != 0
    }
}

/// Signals that a host handler has received for a thread. Written by the handler on that thread, read by that thread.
pub struct Inbox {
    pending: AtomicU64,
    infos: UnsafeCell<Box<[[u8; SIGINFO_SIZE]]>>,
    /// The handler left the host thread with everything blocked.
    host_blocked: AtomicBool,
    stop: *const AtomicU32,
}

impl Inbox {
    /// An empty one that sets `stop`.
    pub fn new(stop: *const AtomicU32) -> Box<Inbox> {
        Box::new(Inbox {
            pending: AtomicU64::new(0),
            infos: UnsafeCell::new(vec![[0; SIGINFO_SIZE]; NSIG as usize].into_boxed_slice()),
            host_blocked: AtomicBool::new(false),
            stop,
        })
    }

    /// Whether anything is to be looked at.
    pub fn has_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0 || self.host_blocked.load(Ordering::Relaxed)
    }

    /// Pending signals.
    pub fn pending(&self) -> u64 {
        self.pending.load(Ordering::SeqCst)
    }

    /// Forgets everything (a fork's child).
    pub fn clear(&self) {
        self.pending.store(0, Ordering::SeqCst);
        self.host_blocked.store(false, Ordering::SeqCst);
    }

    /// Async-signal-safe: runs on the owning thread with signals blocked.
    fn put(&self, sig: i32, info: *const siginfo_t) {
        // SAFETY: the owner reads an entry only while its bit is set, and this handler runs on the owner's thread.
        unsafe {
            let d = (*self.infos.get()).as_mut_ptr().add(sig as usize - 1);
            ptr::copy_nonoverlapping(info.cast::<u8>(), d.cast::<u8>(), SIGINFO_SIZE);
            self.pending.fetch_or(bit(sig), Ordering::SeqCst);
            self.host_blocked.store(true, Ordering::SeqCst);
            (*self.stop).store(1, Ordering::SeqCst);
        }
    }

    /// Takes the next signal that `mask` lets through: synchronous ones first, then the lowest number.
    pub fn take(&self, mask: u64) -> Option<(i32, [u8; SIGINFO_SIZE])> {
        let ready = self.pending() & !mask;
        let set = if ready & SYNCHRONOUS != 0 {
            ready & SYNCHRONOUS
        } else {
            ready
        };
        if set == 0 {
            return None;
        }
        let sig = set.trailing_zeros() as i32 + 1;
        // SAFETY: as in `put`; the bit is set, so the handler does not write this entry.
        let info = unsafe { (&*self.infos.get())[sig as usize - 1] };
        self.pending.fetch_and(!bit(sig), Ordering::SeqCst);
        Some((sig, info))
    }
}

thread_local! {
    static INBOX: Cell<*const Inbox> = const { Cell::new(ptr::null()) };
}

/// Bytes of a host thread's signal stack: enough for the largest x86 state and a handler.
const HOST_SIGSTACK: usize = 64 << 10;

/// The host signal stack of a thread; freed when the thread ends. Mapped, so that what no handler needs is never touched.
pub struct HostStack {
    _memory: Option<MmapMut>,
}

impl Drop for HostStack {
    fn drop(&mut self) {
        let off = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: takes the stack out of use before its memory goes.
        unsafe { libc::sigaltstack(&off, ptr::null_mut()) };
    }
}

/// Makes this host thread receive signals for `t`, and gives it the guest's mask. `t` must not move while attached.
pub fn attach(t: &Thread) -> HostStack {
    let mut memory = MmapMut::map_anon(HOST_SIGSTACK).ok();
    if let Some(m) = &mut memory {
        let ss = libc::stack_t {
            ss_sp: m.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: m.len(),
        };
        // SAFETY: the memory outlives its use (see HostStack).
        unsafe { libc::sigaltstack(&ss, ptr::null_mut()) };
    }
    receive_for(t);
    super::rseq::leave();
    set_host_mask(t.mask);
    HostStack { _memory: memory }
}

/// Names the thread whose inbox this host thread fills.
pub fn receive_for(t: &Thread) {
    INBOX.with(|i| i.set(&raw const *t.inbox));
}

/// The host thread stops receiving (it ends): signals must be blocked.
pub fn detach() {
    INBOX.with(|i| i.set(ptr::null()));
}

/// Installs what every process needs: the runtime's fault handlers, forwarding to us.
pub fn install_process_handlers() -> std::io::Result<()> {
    host::learn();
    metaphrase_runtime::signal::install(forwarded)
}

/// Sets the host thread's mask for a guest mask; the old host mask.
pub fn set_host_mask(guest: u64) -> u64 {
    set_raw_mask(guest & !SYNCHRONOUS)
}

/// Sets the host thread's mask exactly.
pub fn set_raw_mask(mask: u64) -> u64 {
    let mut old = 0u64;
    let args = [
        libc::SIG_SETMASK as u64,
        &raw const mask as u64,
        &raw mut old as u64,
        SIGSET_SIZE,
        0,
        0,
    ];
    let _ = host::call(libc::SYS_rt_sigprocmask, args);
    old
}

/// The raw system call: libc's wrapper refuses 32 and 33.
fn host_sigaction(sig: i32, new: Option<&Action>) -> Result<Action, Errno> {
    let mut old = Action::default();
    let new = new.map_or(0, |n| &raw const *n as u64);
    host::call(
        libc::SYS_rt_sigaction,
        [sig as u64, new, &raw mut old as u64, SIGSET_SIZE, 0, 0],
    )?;
    Ok(old)
}

fn host_action(sig: i32) -> Result<Action, Errno> {
    host_sigaction(sig, None)
}

const SA_RESTORER: u64 = 0x0400_0000;

std::arch::global_asm!(
    ".pushsection .text.metaphrase_host,\"ax\",@progbits",
    ".globl metaphrase_sigreturn",
    "metaphrase_sigreturn:",
    "mov eax, 15",
    "syscall",
    ".popsection",
);
unsafe extern "C" {
    fn metaphrase_sigreturn();
}

/// The host's disposition for a guest action. `watched`: we want to see signals whose default action ends the process.
fn install(sig: i32, a: &Action, watched: bool) -> Result<(), Errno> {
    const SURVIVED: u64 = IGNORED_BY_DEFAULT | STOPS_BY_DEFAULT | UNBLOCKABLE;
    if bit(sig) & RUNTIME_OWNED != 0 {
        return Ok(());
    }
    let passed = a.flags & (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT) as u64;
    let seen = a.handler > SIG_IGN || watched && a.handler == SIG_DFL && bit(sig) & SURVIVED == 0;
    let host = if !seen {
        Action {
            handler: a.handler,
            flags: passed,
            ..Action::default()
        }
    } else {
        Action {
            handler: on_signal as *const () as u64,
            flags: passed
                | (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART) as u64
                | SA_RESTORER,
            restorer: metaphrase_sigreturn as *const () as u64,
            mask: u64::MAX,
        }
    };
    host_sigaction(sig, Some(&host)).map(|_| ())
}

/// Blocks everything in the context that a handler returns to.
///
/// # Safety
/// `ctx` is the handler's context.
unsafe fn block_all(ctx: *mut c_void) {
    // SAFETY: the kernel's part of uc_sigmask is its first eight bytes.
    unsafe {
        ptr::write(
            (&raw mut (*ctx.cast::<ucontext_t>()).uc_sigmask).cast::<u64>(),
            !SYNCHRONOUS,
        )
    };
}

extern "C" fn on_signal(sig: c_int, info: *mut siginfo_t, ctx: *mut c_void) {
    let inbox = INBOX.with(Cell::get);
    if inbox.is_null() {
        // A helper thread that had not yet blocked it: back into the process's queue, for a thread of the guest.
        // SAFETY: the kernel passes valid pointers.
        unsafe { block_all(ctx) };
        let pid = host::call(libc::SYS_getpid, [0; 6]).unwrap_or(0);
        let _ = host::call(
            libc::SYS_rt_sigqueueinfo,
            [pid, sig as u64, info as u64, 0, 0, 0],
        );
        return;
    }
    // SAFETY: the inbox of the guest thread on this host thread; the kernel passes valid pointers.
    unsafe {
        (*inbox).put(sig, info);
        block_all(ctx);
        let regs = &mut (*ctx.cast::<ucontext_t>()).uc_mcontext.gregs;
        let (rip, rcx) = (
            regs[libc::REG_RIP as usize] as u64,
            regs[libc::REG_RCX as usize] as u64,
        );
        if let Some(to) = host::fix_up(rip, rcx, Why::Signal) {
            regs[libc::REG_RIP as usize] = to as i64;
        }
    }
}

/// SIGSEGV and SIGBUS that the runtime did not cause.
fn forwarded(sig: c_int, info: *mut siginfo_t, ctx: *mut c_void) {
    // SAFETY: the kernel passes valid pointers.
    let (code, addr, rip) = unsafe {
        let rip = &mut (*ctx.cast::<ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize];
        ((*info).si_code, (*info).si_addr() as u64, rip)
    };
    if code <= 0 {
        return on_signal(sig, info, ctx);
    }
    if let Some(to) = host::fix_up(*rip as u64, 0, Why::Fault) {
        *rip = to as i64;
        return;
    }
    crash(sig, *rip as u64, addr);
}

/// Our own code faulted: says so and dies of it.
fn crash(sig: c_int, rip: u64, addr: u64) -> ! {
    let own = crash as *const () as u64;
    let text = format!(
        "metaphrase: internal error: signal {sig} at host address {rip:#x} (crash() is at {own:#x}), fault address {addr:#x}\n"
    );
    let _ = host::call(
        libc::SYS_write,
        [2, text.as_ptr() as u64, text.len() as u64, 0, 0, 0],
    );
    die(sig)
}

/// Ends the process with the signal's default action.
pub fn die(sig: i32) -> ! {
    let _ = host_sigaction(sig, Some(&Action::default()));
    set_raw_mask(!bit(sig));
    // SAFETY: getpid and gettid only ask.
    let (pid, tid) = unsafe { (libc::getpid(), libc::gettid()) };
    let _ = host::call(
        libc::SYS_tgkill,
        [pid as u64, tid as u64, sig as u64, 0, 0, 0],
    );
    // SAFETY: the signal should have ended us; if a container's init is spared, exit as a shell would say it.
    unsafe { libc::_exit(128 + sig) }
}

/// Delivers every signal that waits and is not blocked, and gives the host thread the guest's mask.
pub fn deliver_pending(t: &mut Thread, cpu: &mut Vcpu) {
    if let Some(n) = &t.neighbour {
        n.end_if_doomed();
    }
    loop {
        while let Some((sig, info)) = t.inbox.take(t.mask) {
            deliver(t, cpu, sig, &info, 0);
        }
        if t.inbox.pending() & !t.mask == 0
            && let Some(old) = t.saved_mask.take()
        {
            t.mask = old;
        }
        t.inbox.host_blocked.store(false, Ordering::SeqCst);
        // The kernel hands over the next signal in here, if there is one.
        set_host_mask(t.mask);
        if t.inbox.pending() & !t.mask == 0 {
            return;
        }
    }
}

/// Runs the action of one signal. `fault` is the ESR value for the frame, 0 if the signal is not a fault.
fn deliver(t: &mut Thread, cpu: &mut Vcpu, sig: i32, info: &[u8; SIGINFO_SIZE], fault: u64) {
    let action = t.process.actions.take(sig);
    if let Some(tr) = &t.process.tracer {
        tr.signal(t.tid, sig, action.handler);
    }
    match action.handler {
        SIG_IGN => return,
        SIG_DFL if bit(sig) & IGNORED_BY_DEFAULT != 0 => return,
        SIG_DFL if bit(sig) & STOPS_BY_DEFAULT != 0 => {
            let _ = host::call(
                libc::SYS_tkill,
                [t.tid as u64, libc::SIGSTOP as u64, 0, 0, 0, 0],
            );
            return;
        }
        SIG_DFL => {
            t.process.finish(End::Signal(sig));
            die(sig);
        }
        _ => {}
    }
    if let Some(x0) = t.restart.take() {
        let r = cpu.regs_mut();
        if action.flags & libc::SA_RESTART as u64 != 0 {
            r.x[0] = x0;
        } else {
            r.x[0] = -(libc::EINTR as i64) as u64;
            r.pc = r.pc.wrapping_add(4);
        }
    }
    let saved = t.saved_mask.take().unwrap_or(t.mask);
    if sigframe::push(t, cpu, sig, info, &action, saved, fault).is_err() {
        report_fatal(t, cpu, libc::SIGSEGV, cpu.regs().sp);
    }
    let own = if action.flags & libc::SA_NODEFER as u64 != 0 {
        0
    } else {
        bit(sig)
    };
    t.mask = (t.mask | action.mask | own) & !UNBLOCKABLE;
}

/// The siginfo of a fault.
fn fault_info(sig: i32, code: i32, addr: u64) -> [u8; SIGINFO_SIZE] {
    let mut i = [0u8; SIGINFO_SIZE];
    i[0..4].copy_from_slice(&sig.to_le_bytes());
    i[8..12].copy_from_slice(&code.to_le_bytes());
    i[16..24].copy_from_slice(&addr.to_le_bytes());
    i
}

// si_code values (include/uapi/asm-generic/siginfo.h).
const ILL_ILLOPC: i32 = 1;
const SEGV_MAPERR: i32 = 1;
const SEGV_ACCERR: i32 = 2;
const BUS_ADRALN: i32 = 1;
const BUS_ADRERR: i32 = 2;
const TRAP_BRKPT: i32 = 1;

// Exception classes of ESR_EL1 (Arm ARM D24.2.40) for the frame's esr_context, with IL set.
const ESR_IL: u64 = 1 << 25;
const ESR_DATA_ABORT: u64 = 0x24 << 26 | ESR_IL;
const ESR_FETCH_ABORT: u64 = 0x20 << 26 | ESR_IL;
const ESR_PC_ALIGNMENT: u64 = 0x22 << 26 | ESR_IL;
const ESR_WNR: u64 = 1 << 6;
const FSC_TRANSLATION_L3: u64 = 7;
const FSC_PERMISSION_L3: u64 = 15;
const FSC_ALIGNMENT: u64 = 0x21;

/// (signal, si_code, si_addr, ESR) of an exception (arch/arm64/mm/fault.c, kernel/traps.c).
fn signal_of(pc: u64, e: Exception) -> (i32, i32, u64, u64) {
    match e {
        Exception::Fault {
            access: Access::Fetch,
            ..
        } if !pc.is_multiple_of(4) => (libc::SIGBUS, BUS_ADRALN, pc, ESR_PC_ALIGNMENT),
        Exception::Fault {
            addr,
            access,
            permission,
            bus,
        } => {
            let class = if access == Access::Fetch {
                ESR_FETCH_ABORT
            } else {
                ESR_DATA_ABORT
            };
            let wnr = if access == Access::Write { ESR_WNR } else { 0 };
            let fsc = if permission {
                FSC_PERMISSION_L3
            } else {
                FSC_TRANSLATION_L3
            };
            let esr = class | wnr | fsc;
            match (bus, permission) {
                (true, _) => (libc::SIGBUS, BUS_ADRERR, addr, esr),
                (false, true) => (libc::SIGSEGV, SEGV_ACCERR, addr, esr),
                (false, false) => (libc::SIGSEGV, SEGV_MAPERR, addr, esr),
            }
        }
        Exception::Alignment { addr } => (
            libc::SIGBUS,
            BUS_ADRALN,
            addr,
            ESR_DATA_ABORT | FSC_ALIGNMENT,
        ),
        Exception::Brk(_) => (libc::SIGTRAP, TRAP_BRKPT, pc, 0),
        Exception::Undefined | Exception::Unimplemented(_) | Exception::Svc(_) => {
            (libc::SIGILL, ILL_ILLOPC, pc, 0)
        }
    }
}

/// Delivers a synchronous exception: at once, or the process ends if the signal is blocked or ignored (force_sig_fault).
pub fn fault(t: &mut Thread, cpu: &mut Vcpu, e: Exception) {
    let pc = cpu.regs().pc;
    if let Exception::Unimplemented(word) = e {
        super::symbol::not_implemented(word, pc);
    }
    let (sig, code, addr, esr) = signal_of(pc, e);
    let action = t.process.actions.get(sig);
    if t.mask & bit(sig) != 0 || action.handler <= SIG_IGN {
        report_fatal(t, cpu, sig, addr);
    }
    deliver(t, cpu, sig, &fault_info(sig, code, addr), esr);
    deliver_pending(t, cpu);
}

/// One line about a fatal fault, then the signal itself.
pub fn report_fatal(t: &Thread, cpu: &Vcpu, sig: i32, addr: u64) -> ! {
    let pc = cpu.regs().pc;
    let name = String::from_utf8_lossy(&t.process.exe);
    let place = super::symbol::describe(&t.process, pc);
    let instruction = match sig {
        libc::SIGILL => super::symbol::refused_at(t.process.options.engine.cpu.feats, pc),
        _ => String::new(),
    };
    eprintln!(
        "metaphrase: {name}: killed by {} at pc {place}, fault address {addr:#x}{instruction}",
        signal_name(sig)
    );
    t.process.finish(End::Signal(sig));
    die(sig)
}

/// SIGSEGV for 11, and so on; SIGRT_n for real-time signals.
pub fn signal_name(sig: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match sig {
        1..=31 => format!("SIG{}", NAMES[sig as usize - 1]),
        32..=64 => format!("SIGRT_{}", sig - 32),
        _ => format!("signal {sig}"),
    }
}
