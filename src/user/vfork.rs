//! Processes that share their creator's memory. vfork is the kernel's own: the child runs in our address space on the parent's host thread
//! storage, while the kernel holds the parent until the child executes a program or ends.
//!
//! A child that shares memory and runs beside its parent ([`beside`]) needs thread storage of its own: that of a host thread made for it,
//! which makes the child by vfork and is held instead of the parent.
//!
//! The child gets a host stack, a CPU and a [`Thread`] of its own, and a [`Process`](super::task::Process) whose signal actions are a
//! copy, or shared if the guest asks for that. Signals that end it by default are looked at where it holds no lock. It never returns from [`child`]. Thread-local state that it changes is put right by the
//! thread that goes on.

use super::neighbour::Neighbour;
use super::syscall::task::CloneArgs;
use super::syscall::{Errno, SysResult};
use super::task::Thread;
use super::{host, signal, uaccess};
use metaphrase_runtime::vcpu::Vcpu;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

const STACK_SIZE: usize = 4 << 20;

// clone(flags, stack, pidfd, NULL, 0) with a child that calls fn(arg) on its stack and never returns.
std::arch::global_asm!(
    ".pushsection .text.metaphrase_host,\"ax\",@progbits",
    ".globl metaphrase_vfork",
    "metaphrase_vfork:",
    "sub rsi, 16",
    "mov [rsi], rcx",
    "mov [rsi + 8], rdx",
    "mov rdx, r8",
    "xor r10d, r10d",
    "xor r8d, r8d",
    "mov eax, 56",
    "syscall",
    "test rax, rax",
    "jz 2f",
    "ret",
    "2:",
    "xor ebp, ebp",
    "pop rdi",
    "pop rax",
    "call rax",
    "ud2",
    ".popsection",
);
unsafe extern "C" {
    fn metaphrase_vfork(
        flags: u64,
        stack_top: u64,
        f: extern "C" fn(*mut c_void) -> !,
        arg: *mut c_void,
        pidfd: u64,
    ) -> i64;
}

/// Flags that are the kernel's business. The others are registers and addresses of the guest, which are handled here.
const PASSED: i32 = libc::CLONE_FILES
    | libc::CLONE_FS
    | libc::CLONE_PARENT
    | libc::CLONE_SIGHAND
    | libc::CLONE_PIDFD
    | libc::CLONE_IO
    | libc::CLONE_SYSVSEM
    | libc::CLONE_UNTRACED
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

struct Boot {
    thread: Thread,
    cpu: Vcpu,
    /// CLONE_CHILD_SETTID's and CLONE_CHILD_CLEARTID's addresses, or 0.
    tid_at: [u64; 2],
}

// SAFETY: handed from one thread to another; the pointers inside are to what the CPU owns.
unsafe impl Send for Boot {}

extern "C" fn child(boot: *mut c_void) -> ! {
    // SAFETY: the parent made it for us and waits.
    let Boot {
        thread,
        cpu,
        tid_at: [set, clear],
    } = unsafe { &mut *boot.cast::<Boot>() };
    // SAFETY: asks only.
    thread.tid = unsafe { libc::gettid() };
    if *set != 0 {
        // A bad address is ignored, as the kernel does.
        let _ = uaccess::write(*set, &thread.tid);
    }
    if *clear != 0 {
        let _ = host::call(libc::SYS_set_tid_address, [*clear, 0, 0, 0, 0, 0]);
    }
    signal::receive_for(thread);
    thread.process.actions.install_watched();
    if let Some(n) = &thread.neighbour {
        n.tell(thread.tid);
    }
    signal::set_host_mask(thread.mask);
    let engine = thread.process.engine.clone();
    let code = engine.run(cpu, thread);
    // SAFETY: ends this process only; nothing of the parent's may be torn down.
    unsafe { libc::_exit(code) }
}

/// The child's CPU and thread, ready to run. `prepare` sets the child's registers.
fn boot(t: &Thread, cpu: &Vcpu, args: &CloneArgs, prepare: impl FnOnce(&mut Vcpu)) -> Box<Boot> {
    let mut child_cpu = Vcpu::new();
    *child_cpu.regs_mut() = cpu.regs().clone();
    prepare(&mut child_cpu);
    let process = Arc::new(t.process.for_vfork(args.has(libc::CLONE_SIGHAND)));
    let mut thread = Thread::new(process, &child_cpu, t.mask);
    if args.has(libc::CLONE_VFORK) {
        // Signals of a vfork child without a stack of its own may run on the parent's alternate stack, as the kernel has it.
        thread.altstack = t.altstack;
    }
    Box::new(Boot {
        thread,
        cpu: child_cpu,
        tid_at: args.child_tids(),
    })
}

/// Makes the child and waits until it has left our address space. All signals are blocked.
fn make(boot: &mut Boot, args: &CloneArgs) -> SysResult {
    // SAFETY: a fresh mapping, given back below when the kernel says that the child no longer uses it.
    let stack = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        libc::mmap(
            ptr::null_mut(),
            STACK_SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        )
    };
    if stack == libc::MAP_FAILED {
        return Err(Errno::ENOMEM);
    }
    let flags = args.flags & PASSED as u32 as u64
        | args.exit_signal()
        | (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    let top = stack as u64 + STACK_SIZE as u64;
    let engine = boot.thread.process.engine.clone();
    let arg = ptr::from_mut(boot).cast();
    // SAFETY: this thread sleeps until the child has left our address space, so the child may use our thread-local storage.
    let r = unsafe { metaphrase_vfork(flags, top, child, arg, args.pidfd()) };
    engine.forget(&boot.cpu);
    // SAFETY: the child is gone from it.
    unsafe { libc::munmap(stack.cast::<c_void>(), STACK_SIZE) };
    if r < 0 {
        return Err(Errno(-r as i32));
    }
    Ok(r as u64)
}

/// clone with CLONE_VM and CLONE_VFORK. `prepare` sets the child's registers.
pub fn vfork(
    t: &mut Thread,
    cpu: &mut Vcpu,
    args: &CloneArgs,
    prepare: impl FnOnce(&mut Vcpu),
) -> SysResult {
    let mut boot = boot(t, cpu, args, prepare);
    let old = signal::set_raw_mask(u64::MAX);
    let current = metaphrase_runtime::signal::current();
    let r = make(&mut boot, args);
    metaphrase_runtime::signal::set_current(current);
    signal::receive_for(t);
    signal::set_raw_mask(old);
    args.tell_parent(r? as i32);
    r
}

/// clone with CLONE_VM alone: parent and child both run. `prepare` sets the child's registers.
pub fn beside(
    t: &mut Thread,
    cpu: &mut Vcpu,
    args: &CloneArgs,
    prepare: impl FnOnce(&mut Vcpu),
) -> SysResult {
    let mut boot = boot(t, cpu, args, prepare);
    let neighbour = Neighbour::new();
    boot.thread.neighbour = Some(neighbour.clone());
    let old = signal::set_raw_mask(u64::MAX);
    let args_there = *args;
    let b = std::thread::Builder::new()
        .name("mp-process".into())
        .stack_size(256 << 10);
    let holder = metaphrase_runtime::signal::keep_library_signals(|| {
        b.spawn(move || {
            let r = make(&mut boot, &args_there);
            metaphrase_runtime::signal::set_current(ptr::null_mut());
            signal::detach();
            if let Some(n) = &boot.thread.neighbour {
                // It may have been killed before it could say anything.
                if n.id() == 0 {
                    n.tell(r.map_or_else(|e| -e.0, |id| id as i32));
                }
                n.leave();
            }
        })
    });
    signal::set_raw_mask(old);
    if holder.is_err() {
        neighbour.leave();
        return Err(Errno::EAGAIN);
    }
    let id = neighbour.wait_for_id();
    if id < 0 {
        return Err(Errno(-id));
    }
    args.tell_parent(id);
    Ok(id as u64)
}
