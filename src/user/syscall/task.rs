//! Tasks.

use super::{Errno, SysResult};
use crate::user::host;
use crate::user::task::Thread;
use metaphrase_runtime::vcpu::Vcpu;

/// `exit_group`.
pub fn exit_group(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    t.process.exit(a[0] as i32)
}

/// `exit`: of the last thread, the process.
pub fn exit(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    t.process.exit(a[0] as i32)
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
