//! Signals: the calls. How signals are received and delivered is in [`crate::user::signal`].

use super::{Errno, SysResult};
use crate::user::host;
use crate::user::neighbour;
use crate::user::sigframe;
use crate::user::signal::{
    self, Action, AltStack, NSIG, SIGSET_SIZE, SS_AUTODISARM, UNBLOCKABLE, bit,
};
use crate::user::task::Thread;
use crate::user::uaccess::{self, Pod};
use metaphrase_runtime::env::{Access, Exception};
use metaphrase_runtime::vcpu::Vcpu;

/// Smallest alternate stack (arch/arm64/include/uapi/asm/signal.h).
const MINSIGSTKSZ: u64 = 5120;

/// The kernel's `stack_t`.
#[derive(Clone, Copy)]
#[repr(C)]
struct StackT {
    sp: u64,
    flags: u32,
    pad: u32,
    size: u64,
}
// SAFETY: integers only.
unsafe impl Pod for StackT {}

fn check_size(size: u64) -> Result<(), Errno> {
    if size == SIGSET_SIZE {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// `kill`.
pub fn kill(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    send(t, libc::SYS_kill, a, 0)
}

/// `tkill`.
pub fn tkill(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    send(t, libc::SYS_tkill, a, 0)
}

/// `tgkill`.
pub fn tgkill(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    send(t, libc::SYS_tgkill, a, 1)
}

/// Sends the signal whose number is argument `to + 1` to the process or thread that argument `to` names.
fn send(t: &mut Thread, nr: i64, a: [u64; 6], to: usize) -> SysResult {
    if a[to + 1] as i32 == libc::SIGKILL
        && let Some(n) = neighbour::find(a[to] as i32)
    {
        let mut allowed = a;
        allowed[to + 1] = 0;
        host::call(nr, allowed)?;
        n.end();
        // Another thread may have waited for it by now.
        let _ = host::call(nr, a);
        return Ok(0);
    }
    t.blocking(nr, a)
}

/// `rt_sigaction`.
pub fn rt_sigaction(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    check_size(a[3])?;
    let sig = a[0] as i32;
    if !(1..=NSIG).contains(&sig) || (a[1] != 0 && bit(sig) & UNBLOCKABLE != 0) {
        return Err(Errno::EINVAL);
    }
    let old = if a[1] == 0 {
        t.process.actions.get(sig)
    } else {
        let mut new: Action = uaccess::read(a[1])?;
        new.mask &= !UNBLOCKABLE;
        t.process.actions.set(sig, new)?
    };
    if a[2] != 0 {
        uaccess::write(a[2], &old)?;
    }
    Ok(0)
}

/// `rt_sigprocmask`.
pub fn rt_sigprocmask(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    check_size(a[3])?;
    let old = t.mask;
    if a[1] != 0 {
        let set = uaccess::read::<u64>(a[1])? & !UNBLOCKABLE;
        t.mask = match a[0] as i32 {
            libc::SIG_BLOCK => old | set,
            libc::SIG_UNBLOCK => old & !set,
            libc::SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        if !t.inbox.has_pending() {
            signal::set_host_mask(t.mask);
        }
    }
    if a[2] != 0 {
        uaccess::write(a[2], &old)?;
    }
    Ok(0)
}

/// `rt_sigpending`: the kernel's and what waits here.
pub fn rt_sigpending(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if a[1] > SIGSET_SIZE {
        return Err(Errno::EINVAL);
    }
    let mut set = 0u64;
    host::call(
        libc::SYS_rt_sigpending,
        [&raw mut set as u64, SIGSET_SIZE, 0, 0, 0, 0],
    )?;
    let set = (set | t.inbox.pending()) & t.mask;
    uaccess::write_bytes(a[0], &set.to_le_bytes()[..a[1] as usize])?;
    Ok(0)
}

/// `rt_sigsuspend`.
pub fn rt_sigsuspend(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    check_size(a[1])?;
    let mask = uaccess::read::<u64>(a[0])?;
    t.blocking_with_mask(Some(mask), |t, host_mask| {
        t.blocking(
            libc::SYS_rt_sigsuspend,
            [host_mask, SIGSET_SIZE, 0, 0, 0, 0],
        )
    })
}

/// `rt_sigtimedwait`.
pub fn rt_sigtimedwait(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    check_size(a[3])?;
    let set = uaccess::read::<u64>(a[0])?;
    if let Some((sig, info)) = t.inbox.take(!set) {
        if a[1] != 0 {
            uaccess::write_bytes(a[1], &info)?;
        }
        return Ok(sig as u64);
    }
    t.blocking(libc::SYS_rt_sigtimedwait, a)
}

/// `sigaltstack`.
pub fn sigaltstack(t: &mut Thread, cpu: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let sp = cpu.regs().sp;
    let old = t.altstack;
    if a[0] != 0 {
        let new: StackT = uaccess::read(a[0])?;
        if old.enabled() && old.contains(sp) {
            return Err(Errno::EPERM);
        }
        let mode = new.flags & !SS_AUTODISARM;
        t.altstack = match mode as i32 {
            libc::SS_DISABLE => AltStack {
                sp: 0,
                size: 0,
                flags: new.flags,
            },
            0 | libc::SS_ONSTACK if new.size < MINSIGSTKSZ => return Err(Errno::ENOMEM),
            0 | libc::SS_ONSTACK => AltStack {
                sp: new.sp,
                size: new.size,
                flags: new.flags & SS_AUTODISARM,
            },
            _ => return Err(Errno::EINVAL),
        };
    }
    if a[1] != 0 {
        let flags = sigframe::stack_flags(&old, sp);
        uaccess::write(
            a[1],
            &StackT {
                sp: old.sp,
                flags,
                pad: 0,
                size: old.size,
            },
        )?;
    }
    Ok(0)
}

/// `rt_sigreturn`.
pub fn rt_sigreturn(t: &mut Thread, cpu: &mut Vcpu, _: [u64; 6]) -> SysResult {
    let sp = cpu.regs().sp;
    if sigframe::pop(t, cpu).is_err() {
        signal::fault(
            t,
            cpu,
            Exception::Fault {
                addr: sp,
                access: Access::Read,
                permission: false,
                bus: false,
            },
        );
    } else if !t.inbox.has_pending() {
        signal::set_host_mask(t.mask);
    }
    Err(Errno::KEEP_STATE)
}

/// `restart_syscall`: nothing here leaves a call to be continued.
pub fn restart_syscall(_: &mut Thread, _: &mut Vcpu, _: [u64; 6]) -> SysResult {
    Err(Errno::EINTR)
}
