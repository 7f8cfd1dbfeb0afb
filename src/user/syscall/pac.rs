//! Keys of pointer authentication: per thread, new at `execve`, inherited by `clone` and `fork` (arch/arm64/kernel/pointer_auth.c).

use super::{Errno, SysResult};
use crate::user::host;
use crate::user::task::Thread;
use metaphrase_arm64::arch::features::Feat;
use metaphrase_arm64::arch::pauth::Keys;
use metaphrase_runtime::vcpu::Vcpu;

/// `PR_PAC_AP?KEY` (include/uapi/linux/prctl.h): bits in the order of the keys.
const ALL_KEYS: u64 = 0b1_1111;
const ADDRESS_KEYS: u64 = 0b1111;

/// Random keys, all of them enabled.
pub fn fresh_keys() -> Result<Keys, Errno> {
    let mut keys = Keys::default();
    for k in &mut keys.key {
        *k = random_key()?;
    }
    Ok(keys)
}

fn random_key() -> Result<[u64; 2], Errno> {
    let mut k = [0u64; 2];
    host::call(libc::SYS_getrandom, [k.as_mut_ptr() as u64, 16, 0, 0, 0, 0])?;
    Ok(k)
}

fn advertised(t: &Thread) -> Result<(), Errno> {
    match t.process.options.engine.cpu.feats.has(Feat::PAUTH) {
        true => Ok(()),
        false => Err(Errno::EINVAL),
    }
}

/// `prctl(PR_PAC_RESET_KEYS, keys, 0, 0, 0)`: 0 stands for all.
pub fn reset_keys(t: &Thread, cpu: &mut Vcpu, a: [u64; 6]) -> SysResult {
    advertised(t)?;
    if a[2..5] != [0; 3] || a[1] & !ALL_KEYS != 0 {
        return Err(Errno::EINVAL);
    }
    let which = if a[1] == 0 { ALL_KEYS } else { a[1] };
    for (i, k) in cpu.regs_mut().pac.key.iter_mut().enumerate() {
        if which >> i & 1 != 0 {
            *k = random_key()?;
        }
    }
    Ok(0)
}

/// `prctl(PR_PAC_SET_ENABLED_KEYS, keys, enabled, 0, 0)`.
pub fn set_enabled_keys(t: &Thread, cpu: &mut Vcpu, a: [u64; 6]) -> SysResult {
    advertised(t)?;
    let (keys, enabled) = (a[1], a[2]);
    if a[3..5] != [0; 2] || keys & !ADDRESS_KEYS != 0 || enabled & !keys != 0 {
        return Err(Errno::EINVAL);
    }
    let disabled = &mut cpu.regs_mut().pac.disabled;
    *disabled = *disabled & !keys | keys & !enabled;
    Ok(0)
}

/// `prctl(PR_PAC_GET_ENABLED_KEYS, 0, 0, 0, 0)`.
pub fn enabled_keys(t: &Thread, cpu: &Vcpu, a: [u64; 6]) -> SysResult {
    advertised(t)?;
    match a[1..5] == [0; 4] {
        true => Ok(!cpu.regs().pac.disabled & ADDRESS_KEYS),
        false => Err(Errno::EINVAL),
    }
}
