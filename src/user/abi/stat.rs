//! `struct stat` (`asm-generic/stat.h`). x86-64 has its own: 64-bit link count before the mode, 64-bit block size, 144 bytes.
//!
//! Must not know: where the result goes. Invariant: every field of the host's structure that the guest's can hold is carried
//! over; link counts that do not fit saturate (the kernel truncates only in 32-bit ABIs, and `nlink` is 32 bits inside Linux).

use super::abi_struct;

abi_struct! {
    /// What `fstat`, `newfstatat` give an AArch64 program.
    Stat = "struct stat" in "asm/stat.h", size 128 {
        0 st_dev: u64,
        8 st_ino: u64,
        16 st_mode: u32,
        20 st_nlink: u32,
        24 st_uid: u32,
        28 st_gid: u32,
        32 st_rdev: u64,
        40 __pad1: u64,
        48 st_size: i64,
        56 st_blksize: i32,
        60 __pad2: i32,
        64 st_blocks: i64,
        72 st_atime: i64,
        80 st_atime_nsec: u64,
        88 st_mtime: i64,
        96 st_mtime_nsec: u64,
        104 st_ctime: i64,
        112 st_ctime_nsec: u64,
        120 __unused4: u32,
        124 __unused5: u32,
    }
}

impl Stat {
    /// The guest's form of what the host said.
    pub fn from_host(h: &libc::stat) -> Stat {
        Stat {
            st_dev: h.st_dev,
            st_ino: h.st_ino,
            st_mode: h.st_mode,
            st_nlink: u32::try_from(h.st_nlink).unwrap_or(u32::MAX),
            st_uid: h.st_uid,
            st_gid: h.st_gid,
            st_rdev: h.st_rdev,
            st_size: h.st_size,
            st_blksize: h.st_blksize as i32,
            st_blocks: h.st_blocks,
            st_atime: h.st_atime,
            st_atime_nsec: h.st_atime_nsec as u64,
            st_mtime: h.st_mtime,
            st_mtime_nsec: h.st_mtime_nsec as u64,
            st_ctime: h.st_ctime,
            st_ctime_nsec: h.st_ctime_nsec as u64,
            ..Stat::default()
        }
    }
}
