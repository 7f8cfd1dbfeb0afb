//! vfork as the kernel's own: the child runs in our address space on the parent's host thread storage, while the kernel holds the
//! parent until the child executes a program or ends.
//!
//! The child gets a host stack, a CPU and a [`Thread`] of its own, and a [`Process`](super::task::Process) whose signal actions are a
//! copy. It never returns from [`child`]. Thread-local state that it changes is put right by the parent when it goes on.

use super::signal;
use super::syscall::task::CloneArgs;
use super::syscall::{Errno, SysResult};
use super::task::Thread;
use metaphrase_runtime::vcpu::Vcpu;
use std::ffi::c_void;
use std::sync::Arc;

const STACK_SIZE: usize = 4 << 20;

// clone(flags, stack, NULL, NULL, 0) with a child that calls fn(arg) on its stack and never returns.
std::arch::global_asm!(
    ".pushsection .text.metaphrase_host,\"ax\",@progbits",
    ".globl metaphrase_vfork",
    "metaphrase_vfork:",
    "sub rsi, 16",
    "mov [rsi], rcx",
    "mov [rsi + 8], rdx",
    "xor edx, edx",
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
    ) -> i64;
}

struct Boot {
    thread: Thread,
    cpu: Vcpu,
}

extern "C" fn child(boot: *mut c_void) -> ! {
    // SAFETY: the parent made it for us and waits.
    let Boot { thread, cpu } = unsafe { &mut *boot.cast::<Boot>() };
    // SAFETY: asks only.
    thread.tid = unsafe { libc::gettid() };
    signal::receive_for(thread);
    signal::set_host_mask(thread.mask);
    let engine = thread.process.engine.clone();
    let code = engine.run(cpu, thread);
    // SAFETY: ends this process only; nothing of the parent's may be torn down.
    unsafe { libc::_exit(code) }
}

/// clone with CLONE_VM and CLONE_VFORK. `prepare` sets the child's registers.
pub fn vfork(
    t: &mut Thread,
    cpu: &mut Vcpu,
    args: &CloneArgs,
    prepare: impl FnOnce(&mut Vcpu),
) -> SysResult {
    let mut child_cpu = Vcpu::new();
    *child_cpu.regs_mut() = cpu.regs().clone();
    prepare(&mut child_cpu);
    let mut thread = Thread::new(Arc::new(t.process.for_vfork()), &child_cpu, t.mask);
    // Signals of a vfork child without a stack of its own may run on the parent's alternate stack, as the kernel has it.
    thread.altstack = t.altstack;
    let mut boot = Box::new(Boot {
        thread,
        cpu: child_cpu,
    });
    // SAFETY: a fresh mapping, given back below when the kernel says that the child no longer uses it.
    let stack = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        libc::mmap(
            std::ptr::null_mut(),
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
    let old = signal::set_raw_mask(u64::MAX);
    let current = metaphrase_runtime::signal::current();
    let flags = args.flags & (libc::CLONE_FILES | libc::CLONE_FS | libc::CLONE_PARENT) as u64
        | args.exit_signal();
    let top = stack as u64 + STACK_SIZE as u64;
    // SAFETY: this thread sleeps until the child has left our address space, so the child may use our thread-local storage.
    let r = unsafe {
        metaphrase_vfork(
            flags | (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
            top,
            child,
            (&raw mut *boot).cast(),
        )
    };
    metaphrase_runtime::signal::set_current(current);
    signal::receive_for(t);
    t.process.engine.forget(&boot.cpu);
    signal::set_raw_mask(old);
    // SAFETY: the child is gone from it.
    unsafe { libc::munmap(stack.cast::<c_void>(), STACK_SIZE) };
    if r < 0 {
        return Err(Errno(-r as i32));
    }
    args.tell_parent(r as i32);
    Ok(r as u64)
}
