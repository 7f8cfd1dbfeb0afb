//! Tasks: clone in its three shapes (thread, fork, vfork), exit, and what belongs to a task.

use super::{Errno, SysResult, pac};
use crate::user::task::Thread;
use crate::user::thread::{self, Beginning};
use crate::user::uaccess::{self, Pod};
use crate::user::{host, neighbour, signal, vfork};
use libc::{
    CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_FILES, CLONE_FS, CLONE_PARENT_SETTID,
    CLONE_SETTLS, CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK, CLONE_VM,
};
use metaphrase_runtime::vcpu::Vcpu;

/// `exit_group`.
pub fn exit_group(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    t.process.exit(a[0] as i32)
}

/// `exit` of a thread; of the last one, the process.
pub fn exit(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    t.exit(a[0] as i32);
    Ok(0)
}

/// `set_tid_address`: the kernel clears and wakes it when the thread ends.
pub fn set_tid_address(_: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    host::call(libc::SYS_set_tid_address, a)
}

/// `membarrier`: the commands that concern data go to the host; SYNC_CORE is about instructions, which are dropped on IC IVAU here.
pub fn membarrier(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    t.blocking(libc::SYS_membarrier, a)
}

/// `personality`: only Linux itself.
pub fn personality(_: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    const PER_MASK: u64 = 0xff;
    if a[0] != 0xffff_ffff && a[0] & PER_MASK != 0 {
        return Err(Errno::EINVAL);
    }
    host::call(libc::SYS_personality, a)
}

/// `prctl`: what concerns the process as such is the host's; of what concerns its CPU, its code or its memory map, only the keys of
/// pointer authentication are there.
pub fn prctl(t: &mut Thread, cpu: &mut Vcpu, a: [u64; 6]) -> SysResult {
    const PR_SET_SYSCALL_USER_DISPATCH: i32 = 59;
    const PR_SET_MDWE: i32 = 65;
    const PR_GET_MDWE: i32 = 66;
    const PR_PAC_RESET_KEYS: i32 = 54;
    const PR_PAC_SET_ENABLED_KEYS: i32 = 60;
    const PR_PAC_GET_ENABLED_KEYS: i32 = 61;
    const PR_SVE_SET_VL: i32 = 50;
    const PR_SVE_GET_VL: i32 = 51;
    const PR_SME_SET_VL: i32 = 63;
    const PR_SME_GET_VL: i32 = 64;
    const PR_SET_TAGGED_ADDR_CTRL: i32 = 55;
    const PR_GET_TAGGED_ADDR_CTRL: i32 = 56;
    match a[0] as i32 {
        libc::PR_SET_MM => Err(Errno::EPERM),
        PR_GET_TAGGED_ADDR_CTRL if a[1..5] == [0; 4] => Ok(0),
        PR_PAC_RESET_KEYS => pac::reset_keys(t, cpu, a),
        PR_PAC_SET_ENABLED_KEYS => pac::set_enabled_keys(t, cpu, a),
        PR_PAC_GET_ENABLED_KEYS => pac::enabled_keys(t, cpu, a),
        libc::PR_SET_SECCOMP
        | libc::PR_SET_TSC
        | libc::PR_GET_TSC
        | libc::PR_SET_FPEMU
        | libc::PR_SET_FPEXC
        | libc::PR_SET_UNALIGN
        | libc::PR_GET_UNALIGN
        | libc::PR_SET_ENDIAN
        | PR_SET_SYSCALL_USER_DISPATCH
        | PR_SET_MDWE
        | PR_GET_MDWE
        | PR_SET_TAGGED_ADDR_CTRL
        | PR_SVE_SET_VL
        | PR_SVE_GET_VL
        | PR_SME_SET_VL
        | PR_SME_GET_VL => Err(Errno::EINVAL),
        _ => t.blocking(libc::SYS_prctl, a),
    }
}

/// `struct clone_args` (include/uapi/linux/sched.h), version 2.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct CloneArgs {
    /// CLONE_ flags without an exit signal.
    pub flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}
// SAFETY: integers only.
unsafe impl Pod for CloneArgs {}

const CLONE_ARGS_SIZE_VER0: u64 = 64;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CSIGNAL: u64 = 0xff;
/// Flags of which a plain fork is made without asking the kernel for more.
const FORK_FLAGS: u64 = (CLONE_CHILD_SETTID
    | CLONE_CHILD_CLEARTID
    | CLONE_PARENT_SETTID
    | CLONE_SETTLS
    | CLONE_VFORK
    | CLONE_VM) as u64;

/// Flags with which a process that shares memory is made.
const BESIDE_FLAGS: u64 = FORK_FLAGS
    | (CLONE_FS
        | CLONE_FILES
        | CLONE_SIGHAND
        | libc::CLONE_PARENT
        | libc::CLONE_SYSVSEM
        | libc::CLONE_UNTRACED) as u64;

impl CloneArgs {
    /// Whether a flag is set.
    pub fn has(&self, flag: i32) -> bool {
        self.flags & flag as u64 != 0
    }

    /// The address if the flag asks for it.
    fn tid_at(&self, flag: i32, addr: u64) -> u64 {
        if self.has(flag) { addr } else { 0 }
    }

    /// Where a child's id is to be written when it begins, and cleared when it ends; 0: nowhere.
    pub fn child_tids(&self) -> [u64; 2] {
        [CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID].map(|f| self.tid_at(f, self.child_tid))
    }

    /// The signal that the parent gets when the child ends.
    pub fn exit_signal(&self) -> u64 {
        self.exit_signal
    }

    /// Where the kernel puts the child's descriptor (CLONE_PIDFD).
    pub fn pidfd(&self) -> u64 {
        self.pidfd
    }

    /// Writes the child's id where the parent asked for it.
    pub fn tell_parent(&self, child: i32) {
        if self.has(CLONE_PARENT_SETTID) {
            // A bad address is ignored, as the kernel does.
            let _ = uaccess::write(self.parent_tid, &child);
        }
    }

    /// Gives a child's CPU its stack pointer and thread pointer.
    fn set_registers(&self, cpu: &mut Vcpu) {
        let r = cpu.regs_mut();
        if self.stack != 0 {
            r.sp = self.stack.wrapping_add(self.stack_size);
        }
        if self.has(CLONE_SETTLS) {
            r.tpidr_el0 = self.tls;
        }
        r.x[0] = 0;
    }
}

/// `clone`: (flags and exit signal, stack, parent tid, tls, child tid) on arm64.
pub fn clone(t: &mut Thread, cpu: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let args = CloneArgs {
        flags: a[0] & 0xffff_ffff & !CSIGNAL,
        exit_signal: a[0] & CSIGNAL,
        stack: a[1],
        parent_tid: a[2],
        // CLONE_PIDFD shares the argument with CLONE_PARENT_SETTID.
        pidfd: a[2],
        tls: a[3],
        child_tid: a[4],
        ..CloneArgs::default()
    };
    clone_any(t, cpu, args)
}

/// `clone3`.
pub fn clone3(t: &mut Thread, cpu: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let size = size_of::<CloneArgs>() as u64;
    if a[1] < CLONE_ARGS_SIZE_VER0 {
        return Err(Errno::EINVAL);
    }
    if a[1] > size {
        let more = uaccess::read_vec::<u8>(a[0] + size, (a[1] - size).min(4096) as usize)?;
        if a[1] > 4096 || more.iter().any(|b| *b != 0) {
            return Err(Errno::E2BIG);
        }
    }
    let mut bytes = [0u8; size_of::<CloneArgs>()];
    let n = a[1].min(size) as usize;
    uaccess::read_bytes(a[0], &mut bytes[..n])?;
    let args: CloneArgs = uaccess::read(bytes.as_ptr() as u64)?;
    if args.flags & CSIGNAL != 0
        || args.exit_signal > CSIGNAL
        || (args.stack == 0) != (args.stack_size == 0)
    {
        return Err(Errno::EINVAL);
    }
    if args.flags & CLONE_INTO_CGROUP != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    clone_any(t, cpu, args)
}

fn clone_any(t: &mut Thread, cpu: &mut Vcpu, args: CloneArgs) -> SysResult {
    let thread_without = |needed: i32| args.has(CLONE_THREAD) && !args.has(needed);
    if thread_without(CLONE_SIGHAND) || (args.has(CLONE_SIGHAND) && !args.has(CLONE_VM)) {
        return Err(Errno::EINVAL);
    }
    if t.inbox.has_pending() {
        // As the kernel: the signal first, then the call again, so that a child does not inherit a half-delivered one.
        return Err(Errno::RESTART_ALWAYS);
    }
    if args.has(CLONE_THREAD) {
        return new_thread(t, cpu, &args);
    }
    if args.has(CLONE_VM) && args.has(CLONE_VFORK) {
        return vfork::vfork(t, cpu, &args, |cpu| args.set_registers(cpu));
    }
    if args.has(CLONE_VM) {
        if args.flags & !BESIDE_FLAGS == 0 && args.set_tid_size == 0 {
            return vfork::beside(t, cpu, &args, |cpu| args.set_registers(cpu));
        }
        tracing::warn!(target: "syscall", "clone with CLONE_VM and a new namespace: the child gets a copy");
    }
    fork(t, cpu, args)
}

fn new_thread(t: &mut Thread, cpu: &Vcpu, args: &CloneArgs) -> SysResult {
    let mut child_cpu = Vcpu::new();
    *child_cpu.regs_mut() = cpu.regs().clone();
    args.set_registers(&mut child_cpu);
    let child = Thread::new(t.process.clone(), &child_cpu, t.mask);
    let unshared = (CLONE_FS | CLONE_FILES) as u64 & !args.flags;
    let begin = Beginning {
        set_tid: args.tid_at(CLONE_CHILD_SETTID, args.child_tid),
        clear_tid: args.tid_at(CLONE_CHILD_CLEARTID, args.child_tid),
        parent_tid: args.tid_at(CLONE_PARENT_SETTID, args.parent_tid),
        unshare: unshared,
    };
    t.process.thread_begins();
    let old = signal::set_raw_mask(u64::MAX);
    let tid = thread::start(child, child_cpu, begin);
    signal::set_raw_mask(old);
    if tid.is_err() {
        t.process.thread_ends();
    }
    tid.map(|t| t as u64)
}

fn fork(t: &mut Thread, cpu: &mut Vcpu, args: CloneArgs) -> SysResult {
    let plain = args.flags & !FORK_FLAGS == 0
        && args.exit_signal == libc::SIGCHLD as u64
        && args.set_tid_size == 0;
    let process = t.process.clone();
    let old = signal::set_raw_mask(u64::MAX);
    let pid = process.mem.frozen(|| {
        process.actions.frozen(|| {
            thread_lists_frozen(|| {
                let held = process.engine.before_fork();
                let pid = if plain {
                    plain_fork()
                } else {
                    kernel_fork(&args)
                };
                match pid {
                    Ok(0) => process.engine.after_fork_child(held, cpu),
                    _ => process.engine.after_fork_parent(held),
                }
                pid
            })
        })
    });
    match pid {
        Ok(0) => {
            t.forked();
            t.process.account.forked();
            args.set_registers(cpu);
            if plain {
                // The child's own address space: what the kernel would have written.
                if args.has(CLONE_CHILD_SETTID) {
                    let _ = uaccess::write(args.child_tid, &t.tid);
                }
                let clear = args.tid_at(CLONE_CHILD_CLEARTID, args.child_tid);
                let _ = host::call(libc::SYS_set_tid_address, [clear, 0, 0, 0, 0, 0]);
            }
        }
        Ok(child) if plain => args.tell_parent(child as i32),
        _ => {}
    }
    signal::set_raw_mask(old);
    pid
}

/// Holds what is not the process's alone while `f` forks.
fn thread_lists_frozen<T>(f: impl FnOnce() -> T) -> T {
    thread::frozen(|| neighbour::frozen(f))
}

/// The C library's fork: its allocator's locks are in order in the child.
fn plain_fork() -> SysResult {
    // SAFETY: every lock of ours is held by this thread, so the child finds them consistent.
    match unsafe { libc::fork() } {
        -1 => Err(Errno::last()),
        pid => Ok(pid as u64),
    }
}

/// Namespaces, pidfd, other exit signals: the kernel's clone3 with the guest's arguments, on a copy of this stack.
fn kernel_fork(args: &CloneArgs) -> SysResult {
    let mut k = *args;
    k.flags &= !((CLONE_VM | CLONE_SETTLS | CLONE_VFORK) as u64);
    (k.stack, k.stack_size, k.tls) = (0, 0, 0);
    if !args.has(libc::CLONE_PIDFD) {
        k.pidfd = 0;
    }
    host::call(
        libc::SYS_clone3,
        [
            &raw const k as u64,
            size_of::<CloneArgs>() as u64,
            0,
            0,
            0,
            0,
        ],
    )
}
