//! The few instructions that must be known by address: host system calls that a signal may interrupt without a race window, and
//! copies that survive bad guest pointers. [`fix_up`] is what the signal handlers ask. Knows nothing of tasks or guests.

use super::syscall::{Errno, SysResult};
use std::arch::{asm, global_asm};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

// Interruptible call, with two ways out that are not the kernel's answer. If the stop word is set, or a signal arrives before the
// `syscall` instruction has run, control goes to `_not_begun`, which answers -514: nothing has happened. If the kernel gave up a wait
// that it would repeat (host handlers have SA_RESTART, so it sets the pc back to the `syscall` instruction), control goes to
// `_interrupted`, which answers -512 (ERESTARTSYS). The two meet at the same pc; `rcx` tells them apart: the instruction puts its return
// address there, the stub has the address of the stop word.
//
// Guarded copy: `rep movsb` is the only instruction that may fault; rcx then holds the bytes not copied.
global_asm!(
    ".pushsection .text.metaphrase_host,\"ax\",@progbits",
    ".globl metaphrase_safe_syscall",
    "metaphrase_safe_syscall:",
    "mov rcx, rdi",
    "mov rax, rsi",
    "mov r11, rdx",
    "mov rdi, [r11]",
    "mov rsi, [r11 + 8]",
    "mov rdx, [r11 + 16]",
    "mov r10, [r11 + 24]",
    "mov r8, [r11 + 32]",
    "mov r9, [r11 + 40]",
    ".globl metaphrase_safe_syscall_start",
    "metaphrase_safe_syscall_start:",
    "cmp dword ptr [rcx], 0",
    "jne metaphrase_safe_syscall_not_begun",
    ".globl metaphrase_safe_syscall_insn",
    "metaphrase_safe_syscall_insn:",
    "syscall",
    ".globl metaphrase_safe_syscall_done",
    "metaphrase_safe_syscall_done:",
    "ret",
    ".globl metaphrase_safe_syscall_not_begun",
    "metaphrase_safe_syscall_not_begun:",
    "mov rax, -514",
    "ret",
    ".globl metaphrase_safe_syscall_interrupted",
    "metaphrase_safe_syscall_interrupted:",
    "mov rax, -512",
    "ret",
    ".globl metaphrase_guarded_copy",
    "metaphrase_guarded_copy:",
    "mov rcx, rdx",
    ".globl metaphrase_guarded_copy_insn",
    "metaphrase_guarded_copy_insn:",
    "rep movsb",
    ".globl metaphrase_guarded_copy_end",
    "metaphrase_guarded_copy_end:",
    "mov rax, rcx",
    "ret",
    ".globl metaphrase_guarded_load32",
    "metaphrase_guarded_load32:",
    "mov eax, dword ptr [rdi]",
    "ret",
    ".globl metaphrase_guarded_load32_fault",
    "metaphrase_guarded_load32_fault:",
    "mov rax, -1",
    "ret",
    ".popsection",
);

unsafe extern "C" {
    fn metaphrase_safe_syscall(stop: *const AtomicU32, nr: i64, args: *const [u64; 6]) -> i64;
    fn metaphrase_safe_syscall_start();
    fn metaphrase_safe_syscall_insn();
    fn metaphrase_safe_syscall_done();
    fn metaphrase_safe_syscall_not_begun();
    fn metaphrase_safe_syscall_interrupted();
    fn metaphrase_guarded_copy(dst: u64, src: u64, len: usize) -> usize;
    fn metaphrase_guarded_copy_insn();
    fn metaphrase_guarded_copy_end();
    fn metaphrase_guarded_load32(addr: u64) -> u64;
    fn metaphrase_guarded_load32_fault();
}

/// The kernel's return value as a result.
fn result(r: i64) -> SysResult {
    if (-4095..0).contains(&r) {
        Err(Errno(-r as i32))
    } else {
        Ok(r as u64)
    }
}

/// A host system call that does not block for long.
pub fn call(nr: i64, a: [u64; 6]) -> SysResult {
    let r: i64;
    // SAFETY: the kernel checks pointers; callers pass numbers whose effect on our own memory they have made sure of.
    unsafe {
        asm!("syscall", inlateout("rax") nr => r, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3],
             in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result(r)
}

/// A host system call that may block: gives [`Errno::RESTART_ALWAYS`] if `stop` is set or a signal arrives before it begins, and
/// [`Errno::RESTART`] if a signal ended a wait that may be repeated.
///
/// # Safety
/// `stop` must be valid for reads.
pub unsafe fn call_interruptible(stop: *const AtomicU32, nr: i64, args: &[u64; 6]) -> SysResult {
    // SAFETY: as for `call`; the stub reads `stop` and `args` only.
    result(unsafe { metaphrase_safe_syscall(stop, nr, args) })
}

/// Copies `len` bytes between any two addresses; true if all of them could be copied.
pub fn guarded_copy(dst: u64, src: u64, len: usize) -> bool {
    // SAFETY: a fault inside ends the copy (see `fix_up`); callers give one side that is theirs and one the guest's.
    unsafe { metaphrase_guarded_copy(dst, src, len) == 0 }
}

/// The 32-bit word at an address, or `None` if it cannot be read.
pub fn guarded_load32(addr: u64) -> Option<u32> {
    // SAFETY: a fault goes to the stub's fault label (see `fix_up`).
    u32::try_from(unsafe { metaphrase_guarded_load32(addr) }).ok()
}

/// Why a signal handler asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// A memory fault at this instruction.
    Fault,
    /// An asynchronous signal that the guest is to see soon.
    Signal,
}

/// False where `syscall` does not touch `rcx` (CPUs with FRED): then a call that had not begun cannot be told from one that the kernel
/// gave up, and counts as given up.
static CALLS_LEAVE_A_MARK: AtomicBool = AtomicBool::new(true);

/// Finds out what [`fix_up`] has to know about this CPU. Call before signals arrive.
pub fn learn() {
    let (address, left): (u64, u64);
    // SAFETY: getpid only asks; `syscall` changes rcx and r11 at most.
    unsafe {
        asm!("xor ecx, ecx", "syscall", "2:", "lea {0}, [rip + 2b]", out(reg) address, inlateout("rax") libc::SYS_getpid => _,
             out("rcx") left, out("r11") _, options(nostack));
    }
    CALLS_LEAVE_A_MARK.store(left == address, Ordering::Relaxed);
}

/// Where to continue instead of `rip`, if it stands in one of the stubs. Async-signal-safe.
pub fn fix_up(rip: u64, rcx: u64, why: Why) -> Option<u64> {
    let at = |f: unsafe extern "C" fn()| f as *const () as u64;
    let insn = at(metaphrase_safe_syscall_insn);
    match why {
        Why::Fault if rip == at(metaphrase_guarded_copy_insn) => {
            Some(at(metaphrase_guarded_copy_end))
        }
        Why::Fault if rip == metaphrase_guarded_load32 as *const () as u64 => {
            Some(at(metaphrase_guarded_load32_fault))
        }
        Why::Signal if rip == insn => {
            let begun = rcx == at(metaphrase_safe_syscall_done)
                || !CALLS_LEAVE_A_MARK.load(Ordering::Relaxed);
            Some(at(if begun {
                metaphrase_safe_syscall_interrupted
            } else {
                metaphrase_safe_syscall_not_begun
            }))
        }
        Why::Signal if (at(metaphrase_safe_syscall_start)..insn).contains(&rip) => {
            Some(at(metaphrase_safe_syscall_not_begun))
        }
        _ => None,
    }
}
