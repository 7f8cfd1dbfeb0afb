//! `struct semid64_ds` (`asm-generic/sembuf.h`): x86-64 alone has a padding word after each time. `struct ipc64_perm` inside agrees.
//!
//! Must not know: guest memory.

use super::abi_struct;

/// `struct ipc64_perm` (`asm-generic/ipcbuf.h`) as opaque words: it agrees on both sides, so only its size matters here.
pub const IPC64_PERM_SIZE: usize = 48;

abi_struct! {
    /// What `semctl(IPC_STAT)` gives and `IPC_SET` takes.
    Semid64Ds = "struct semid64_ds" in "asm/sembuf.h", size 88 {
        0 sem_perm: [u64; IPC64_PERM_SIZE / 8],
        48 sem_otime: i64,
        56 sem_ctime: i64,
        64 sem_nsems: u64,
        72 __unused3: u64,
        80 __unused4: u64,
    }
}

/// The host's form (`arch/x86/include/uapi/asm/sembuf.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are named in the kernel header")]
pub struct HostSemid64Ds {
    pub sem_perm: [u64; IPC64_PERM_SIZE / 8],
    pub sem_otime: i64,
    pub __unused1: u64,
    pub sem_ctime: i64,
    pub __unused2: u64,
    pub sem_nsems: u64,
    pub __unused3: u64,
    pub __unused4: u64,
}
const _: () = assert!(core::mem::size_of::<HostSemid64Ds>() == 104);

impl Semid64Ds {
    /// From the host's form.
    pub fn from_host(h: &HostSemid64Ds) -> Semid64Ds {
        Semid64Ds {
            sem_perm: h.sem_perm,
            sem_otime: h.sem_otime,
            sem_ctime: h.sem_ctime,
            sem_nsems: h.sem_nsems,
            ..Default::default()
        }
    }

    /// The host's form.
    pub fn to_host(self) -> HostSemid64Ds {
        HostSemid64Ds {
            sem_perm: self.sem_perm,
            sem_otime: self.sem_otime,
            sem_ctime: self.sem_ctime,
            sem_nsems: self.sem_nsems,
            ..Default::default()
        }
    }
}
