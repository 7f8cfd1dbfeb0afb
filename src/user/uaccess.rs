//! Reading and writing guest memory from system calls: a bad pointer is `EFAULT`, never a host fault.
//!
//! Guest addresses are host addresses. The top byte of a pointer is ignored, as the architecture does for data accesses.

use super::host;
use super::syscall::Errno;
use std::mem::MaybeUninit;

/// Types that are plain bytes: any bit pattern is a value and there is no padding that matters.
///
/// # Safety
/// Every bit pattern must be valid, and the type must not hold references.
pub unsafe trait Pod: Copy {}

macro_rules! pod {
    ($($t:ty)*) => { $(
        // SAFETY: any bit pattern is a value of this type.
        unsafe impl Pod for $t {}
    )* };
}
pod! { u8 i8 u16 i16 u32 i32 u64 i64 u128 libc::timespec libc::timeval libc::itimerspec libc::iovec }
// SAFETY: an array of plain values is plain.
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {}

/// The address without its tag (bits 63..56), as top-byte-ignore has it for user addresses.
pub fn untag(addr: u64) -> u64 {
    addr & 0x00ff_ffff_ffff_ffff
}

/// Reads a value.
pub fn read<T: Pod>(addr: u64) -> Result<T, Errno> {
    let mut v = MaybeUninit::<T>::uninit();
    if host::guarded_copy(v.as_mut_ptr() as u64, untag(addr), size_of::<T>()) {
        // SAFETY: all bytes were copied and `Pod` accepts any.
        Ok(unsafe { v.assume_init() })
    } else {
        Err(Errno::EFAULT)
    }
}

/// Writes a value.
pub fn write<T: Pod>(addr: u64, v: &T) -> Result<(), Errno> {
    if host::guarded_copy(untag(addr), &raw const *v as u64, size_of::<T>()) {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

/// Reads bytes into `out`.
pub fn read_bytes(addr: u64, out: &mut [u8]) -> Result<(), Errno> {
    if host::guarded_copy(out.as_mut_ptr() as u64, untag(addr), out.len()) {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

/// Writes bytes.
pub fn write_bytes(addr: u64, bytes: &[u8]) -> Result<(), Errno> {
    if host::guarded_copy(untag(addr), bytes.as_ptr() as u64, bytes.len()) {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

/// Writes values one after the other.
pub fn write_slice<T: Pod>(addr: u64, values: &[T]) -> Result<(), Errno> {
    if host::guarded_copy(untag(addr), values.as_ptr() as u64, size_of_val(values)) {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

/// Reads `n` values; `EFAULT` if any is missing. The caller bounds `n`.
pub fn read_vec<T: Pod>(addr: u64, n: usize) -> Result<Vec<T>, Errno> {
    let mut v = Vec::<T>::with_capacity(n);
    if !host::guarded_copy(v.as_mut_ptr() as u64, untag(addr), n * size_of::<T>()) {
        return Err(Errno::EFAULT);
    }
    // SAFETY: `n` values were copied into the reserved space and `Pod` accepts any bytes.
    unsafe { v.set_len(n) };
    Ok(v)
}

/// Reads a NUL-terminated string of fewer than `limit` bytes; `too_long` if it does not end before.
fn read_until_nul(addr: u64, limit: usize, too_long: Errno) -> Result<Vec<u8>, Errno> {
    const PAGE: u64 = 4096;
    let mut out = Vec::with_capacity(128);
    let mut at = untag(addr);
    let mut chunk = [0u8; 256];
    while out.len() < limit {
        // Never across a page end: the next page may not be there.
        let n = (PAGE - at % PAGE).min(chunk.len() as u64) as usize;
        read_bytes(at, &mut chunk[..n])?;
        if let Some(end) = chunk[..n].iter().position(|b| *b == 0) {
            out.extend_from_slice(&chunk[..end]);
            return if out.len() < limit {
                Ok(out)
            } else {
                Err(too_long)
            };
        }
        out.extend_from_slice(&chunk[..n]);
        at += n as u64;
    }
    Err(too_long)
}

/// Reads a path: at most PATH_MAX with its NUL, else `ENAMETOOLONG`.
pub fn read_path(addr: u64) -> Result<Vec<u8>, Errno> {
    read_until_nul(addr, libc::PATH_MAX as usize, Errno::ENAMETOOLONG)
}

/// Reads a string of fewer than `limit` bytes, else `E2BIG`.
pub fn read_cstr(addr: u64, limit: usize) -> Result<Vec<u8>, Errno> {
    read_until_nul(addr, limit, Errno::E2BIG)
}
