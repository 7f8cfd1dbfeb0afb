//! The signal frame of Linux/arm64 (arch/arm64/kernel/signal.c, uapi/asm/sigcontext.h): built on delivery, read back by rt_sigreturn.
//!
//! From sp up: siginfo, ucontext with the sigcontext and its records (fpsimd_context, esr_context for faults, the end), then, above the
//! whole frame, a frame record {x29, x30} for unwinders.

use super::signal::{Action, AltStack, SIGINFO_SIZE, SS_AUTODISARM, UNBLOCKABLE};
use super::syscall::Errno;
use super::task::Thread;
use super::{uaccess, vdso};
use metaphrase_arm64::arch::state::{GuestState, MONITOR_OPEN, branch_address};
use metaphrase_arm64::arch::sysreg::{PSTATE_DIT, PSTATE_SSBS};
use metaphrase_runtime::vcpu::Vcpu;

const UCONTEXT: usize = SIGINFO_SIZE;
const UC_STACK: usize = UCONTEXT + 16;
const UC_SIGMASK: usize = UCONTEXT + 40;
/// Sixteen-byte aligned after 128 bytes of mask space.
const SIGCONTEXT: usize = UCONTEXT + 176;
const SC_REGS: usize = SIGCONTEXT + 8;
const SC_SP: usize = SC_REGS + 31 * 8;
const SC_PC: usize = SC_SP + 8;
const SC_PSTATE: usize = SC_PC + 8;
const RESERVED: usize = SIGCONTEXT + 288;
const RESERVED_SIZE: usize = 4096;
/// Bytes of `struct rt_sigframe`.
const FRAME_SIZE: usize = RESERVED + RESERVED_SIZE;

const FPSIMD_MAGIC: u32 = 0x4650_8001;
const FPSIMD_SIZE: u32 = 528;
const ESR_MAGIC: u32 = 0x4553_5201;
const ESR_SIZE: u32 = 16;
const EXTRA_MAGIC: u32 = 0x4558_5401;
/// PSTATE bits that a program may set through a frame: NZCV, DIT, SSBS, BTYPE are harmless; the rest must be AArch64 EL0.
const PSTATE_NZCV: u64 = 0xf000_0000;
const PSTATE_MODE: u64 = 0x1f;

struct Bytes(Box<[u8; FRAME_SIZE]>);

impl Bytes {
    fn new() -> Bytes {
        Bytes(Box::new([0; FRAME_SIZE]))
    }
    fn put64(&mut self, at: usize, v: u64) {
        self.0[at..at + 8].copy_from_slice(&v.to_le_bytes());
    }
    fn put32(&mut self, at: usize, v: u32) {
        self.0[at..at + 4].copy_from_slice(&v.to_le_bytes());
    }
    fn get64(&self, at: usize) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|i| self.0[at + i]))
    }
    fn get32(&self, at: usize) -> u32 {
        self.get64(at) as u32
    }
}

fn fill_context(b: &mut Bytes, r: &GuestState, fault_addr: u64, esr: u64) {
    b.put64(SIGCONTEXT, fault_addr);
    for (i, x) in r.x.iter().enumerate() {
        b.put64(SC_REGS + 8 * i, *x);
    }
    b.put64(SC_SP, r.sp);
    b.put64(SC_PC, r.pc);
    b.put64(SC_PSTATE, r.nzcv() as u64 | r.dit | r.ssbs);
    let mut at = RESERVED;
    b.put32(at, FPSIMD_MAGIC);
    b.put32(at + 4, FPSIMD_SIZE);
    b.put32(at + 8, r.fpsr);
    b.put32(at + 12, r.fpcr);
    for (i, v) in r.v.iter().enumerate() {
        b.put64(at + 16 + 16 * i, *v as u64);
        b.put64(at + 24 + 16 * i, (*v >> 64) as u64);
    }
    at += FPSIMD_SIZE as usize;
    if esr != 0 {
        b.put32(at, ESR_MAGIC);
        b.put32(at + 4, ESR_SIZE);
        b.put64(at + 8, esr);
    }
    // The end record is the zeros that follow.
}

/// Pushes a frame for `sig` and points the CPU at the handler. `saved` is the mask that rt_sigreturn restores.
pub fn push(
    t: &mut Thread,
    cpu: &mut Vcpu,
    sig: i32,
    info: &[u8; SIGINFO_SIZE],
    action: &Action,
    saved: u64,
    esr: u64,
) -> Result<(), Errno> {
    let r = cpu.regs_mut();
    let alt = t.altstack;
    let switch =
        action.flags & libc::SA_ONSTACK as u64 != 0 && alt.enabled() && !alt.contains(r.sp);
    let top = if switch {
        alt.sp.wrapping_add(alt.size)
    } else {
        r.sp
    };
    let record = top.wrapping_sub(16) & !15;
    let sp = record.wrapping_sub(FRAME_SIZE as u64);
    if alt.enabled() && (switch || alt.contains(r.sp)) && sp < alt.sp {
        return Err(Errno::EFAULT);
    }
    let mut b = Bytes::new();
    b.0[..SIGINFO_SIZE].copy_from_slice(info);
    b.put64(UC_STACK, alt.sp);
    b.put32(UC_STACK + 8, stack_flags(&alt, r.sp));
    b.put64(UC_STACK + 16, alt.size);
    b.put64(UC_SIGMASK, saved);
    let fault_addr = if esr != 0 {
        u64::from_le_bytes(std::array::from_fn(|i| info[16 + i]))
    } else {
        0
    };
    fill_context(&mut b, r, fault_addr, esr);
    uaccess::write_bytes(sp, &b.0[..])?;
    uaccess::write(record, &[r.x[29], r.x[30]])?;
    r.x[0] = sig as u64;
    r.x[1] = sp;
    r.x[2] = sp + UCONTEXT as u64;
    r.x[29] = record;
    const SA_RESTORER: u64 = 0x0400_0000;
    r.x[30] = if action.flags & SA_RESTORER != 0 {
        action.restorer
    } else {
        t.process.vdso + vdso::SIGRETURN
    };
    r.sp = sp;
    r.pc = branch_address(action.handler);
    r.excl_addr = MONITOR_OPEN;
    if alt.flags & SS_AUTODISARM != 0 {
        t.altstack = AltStack::default();
    }
    Ok(())
}

/// ss_flags as sigaltstack reports them.
pub fn stack_flags(alt: &AltStack, sp: u64) -> u32 {
    let state = if !alt.enabled() {
        libc::SS_DISABLE as u32
    } else if alt.contains(sp) {
        libc::SS_ONSTACK as u32
    } else {
        0
    };
    state | alt.flags & SS_AUTODISARM
}

/// rt_sigreturn: restores what the frame at sp says. An error means a damaged frame: SIGSEGV.
pub fn pop(t: &mut Thread, cpu: &mut Vcpu) -> Result<(), Errno> {
    let sp = cpu.regs().sp;
    if !sp.is_multiple_of(16) {
        return Err(Errno::EFAULT);
    }
    let mut b = Bytes::new();
    uaccess::read_bytes(sp, &mut b.0[..])?;
    let pstate = b.get64(SC_PSTATE);
    if pstate & PSTATE_MODE != 0 {
        return Err(Errno::EINVAL);
    }
    let fp = find_fpsimd(&b)?;
    let r = cpu.regs_mut();
    for i in 0..31 {
        r.x[i] = b.get64(SC_REGS + 8 * i);
    }
    r.sp = b.get64(SC_SP);
    // As ERET does (AArch64.BranchAddr).
    r.pc = branch_address(b.get64(SC_PC));
    r.set_nzcv((pstate & PSTATE_NZCV) as u32);
    (r.dit, r.ssbs) = (pstate & PSTATE_DIT, pstate & PSTATE_SSBS);
    r.fpsr = b.get32(fp + 8) & 0x0800_009f;
    r.fpcr = b.get32(fp + 12) & 0x07f7_0000;
    for i in 0..32 {
        r.v[i] = b.get64(fp + 16 + 16 * i) as u128 | (b.get64(fp + 24 + 16 * i) as u128) << 64;
    }
    r.excl_addr = MONITOR_OPEN;
    t.mask = b.get64(UC_SIGMASK) & !UNBLOCKABLE;
    let flags = b.get32(UC_STACK + 8);
    // As restore_altstack: what cannot be set is silently kept.
    let new = AltStack {
        sp: b.get64(UC_STACK),
        size: b.get64(UC_STACK + 16),
        flags: flags & SS_AUTODISARM,
    };
    if !t.altstack.contains(r.sp) || t.altstack.flags & SS_AUTODISARM != 0 {
        t.altstack = if flags & libc::SS_DISABLE as u32 != 0 {
            AltStack::default()
        } else {
            new
        };
    }
    Ok(())
}

/// Offset of the fpsimd record among the context's records, which a program may have moved or extended.
fn find_fpsimd(b: &Bytes) -> Result<usize, Errno> {
    let mut at = RESERVED;
    let mut found = None;
    loop {
        if at + 16 > FRAME_SIZE {
            return Err(Errno::EINVAL);
        }
        let (magic, size) = (b.get32(at), b.get32(at + 4) as usize);
        match magic {
            0 if size == 0 => return found.ok_or(Errno::EINVAL),
            FPSIMD_MAGIC if size == FPSIMD_SIZE as usize && at + size <= FRAME_SIZE => {
                found = Some(at)
            }
            ESR_MAGIC => {}
            // We never write one: nothing of ours is there.
            EXTRA_MAGIC => return Err(Errno::EINVAL),
            _ => return Err(Errno::EINVAL),
        }
        if size < 16 || size % 16 != 0 {
            return Err(Errno::EINVAL);
        }
        at += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_linux_ones() {
        // sizeof(struct rt_sigframe), offsetof(ucontext, uc_mcontext), offsetof(sigcontext, __reserved) with aarch64 headers.
        assert_eq!(FRAME_SIZE, 4688);
        assert_eq!(SIGCONTEXT - UCONTEXT, 176);
        assert_eq!(RESERVED - SIGCONTEXT, 288);
    }

    #[test]
    fn damaged_records_are_refused() {
        let mut b = Bytes::new();
        fill_context(&mut b, &GuestState::default(), 0, 5);
        assert_eq!(find_fpsimd(&b), Ok(RESERVED));
        b.put32(RESERVED + 4, 8);
        assert!(find_fpsimd(&b).is_err());
        b.put32(RESERVED, 0);
        b.put32(RESERVED + 4, 0);
        assert!(find_fpsimd(&b).is_err());
    }
}
