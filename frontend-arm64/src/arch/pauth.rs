//! Pointer authentication on plain values (Arm ARM D8.10; shared/functions/pac): what the instructions of FEAT_PAuth compute.
//!
//! The choices of this CPU: QARMA5 for addresses and for PACGA (ID_AA64ISAR1_EL1.APA and GPA are 1), the code replaces the
//! unused bits of the pointer (no FEAT_EPAC, FEAT_PAuth2 or FEAT_FPAC), and Linux's address spaces: 48 bits, the
//! top byte of user addresses ignored for data and instructions alike, that of the kernel's not. So the code is bits 54 to 48 where
//! bit 55 is 0, and else bits 63 to 56 too.

use metaphrase_ir::arith::crypto::qarma;

/// A 128-bit key: low and high half (`APIAKeyLo_EL1`, `APIAKeyHi_EL1`).
pub type Key = [u64; 2];

/// The five keys of a thread, in the order of [`KeyId`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Keys {
    /// The keys.
    pub key: [Key; 5],
    /// Bits 0 to 3: address keys with which instructions do nothing (SCTLR_EL1.EnIA and so on are 0); prctl(PR_PAC_SET_ENABLED_KEYS).
    pub disabled: u64,
}

/// Which key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum KeyId {
    IA = 0,
    IB = 1,
    DA = 2,
    DB = 3,
    GA = 4,
}

/// `aux` of the `Pac` helper: add the code with the address key of these two bits.
pub const ADD: u32 = 0;
/// Authenticate with it.
pub const AUTHENTICATE: u32 = 4;
/// PACGA.
pub const GENERIC: u32 = 8;

/// Where the code of a user address is.
pub const PAC_MASK: u64 = 0x007f_0000_0000_0000;
/// The unused bits of a kernel address; bit 55 is no part of its code.
pub const KERNEL_MASK: u64 = 0xffff_0000_0000_0000;
/// Which half of the address space.
const SELECT: u64 = 1 << 55;

/// The operation that `aux` names, on its two operands.
pub fn operation(keys: &Keys, aux: u32, x: u64, modifier: u64) -> u64 {
    if aux & GENERIC != 0 {
        return compute(keys, KeyId::GA as u32, x, modifier) & 0xffff_ffff_0000_0000;
    }
    let key = aux & 3;
    if keys.disabled >> key & 1 != 0 {
        return x;
    }
    if aux & AUTHENTICATE != 0 {
        authenticate(keys, key, x, modifier)
    } else {
        add(keys, key, x, modifier)
    }
}

fn compute(keys: &Keys, key: u32, x: u64, modifier: u64) -> u64 {
    let [lo, hi] = keys.key[key as usize];
    qarma::encrypt(x, modifier, hi, lo)
}

/// Strip: the unused bits are copies of bit 55.
pub fn strip(x: u64) -> u64 {
    if x & SELECT != 0 {
        x | KERNEL_MASK
    } else {
        x & !PAC_MASK
    }
}

/// AddPAC.
fn add(keys: &Keys, key: u32, x: u64, modifier: u64) -> u64 {
    let mut pac = compute(keys, key, strip(x), modifier);
    // A pointer that was no canonical address gets a wrong code.
    if x != strip(x) {
        pac ^= if x & SELECT == 0 { 1 << 54 } else { 1 << 62 };
    }
    let mask = code_bits(x);
    x & !mask | pac & mask
}

/// Auth: the pointer itself, or one that no access accepts.
fn authenticate(keys: &Keys, key: u32, x: u64, modifier: u64) -> u64 {
    let original = strip(x);
    let pac = compute(keys, key, original, modifier);
    if (pac ^ x) & code_bits(x) == 0 {
        return original;
    }
    let error = if key & 1 == 0 { 1 } else { 2 };
    let at = if x & SELECT == 0 { 53 } else { 61 };
    original & !(3 << at) | error << at
}

/// Where the code of an address is.
fn code_bits(x: u64) -> u64 {
    if x & SELECT == 0 {
        PAC_MASK
    } else {
        KERNEL_MASK & !SELECT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let key = std::array::from_fn(|i| [0x1234_5678 + i as u64, 0x9abc_def0 * (1 + i as u64)]);
        Keys { key, disabled: 0 }
    }

    #[test]
    fn what_was_signed_authenticates() {
        let k = keys();
        for key in 0..4 {
            for x in [
                0x5555_1234_5678,
                0xffff_8000_1234_5678,
                0x1200_7fff_ffff_fff8,
            ] {
                let signed = operation(&k, ADD | key, x, 7);
                assert_eq!(operation(&k, AUTHENTICATE | key, signed, 7), x);
                assert_eq!(strip(signed), x);
                let wrong = operation(&k, AUTHENTICATE | key, signed ^ 1 << 50, 7);
                let at = if x & SELECT == 0 { 53 } else { 61 };
                assert_eq!((wrong >> at & 3), if key & 1 == 0 { 1 } else { 2 });
            }
        }
    }

    #[test]
    fn disabled_keys_leave_pointers_alone() {
        let mut k = keys();
        k.disabled = 0b0010;
        assert_eq!(operation(&k, ADD | 1, 0x1234, 0), 0x1234);
        assert_ne!(operation(&k, ADD, 0x1234, 0), 0x1234);
    }
}
