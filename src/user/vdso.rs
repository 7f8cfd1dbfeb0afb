//! The guest's vDSO: a small AArch64 ELF image, built from `vdso_image/` and kept as bytes because the cross compiler is not needed to
//! build metaphrase. To build it again, in `vdso_image/`:
//!
//! ```text
//! aarch64-linux-gnu-gcc -nostdlib -shared -s -Wl,-soname=linux-vdso.so.1 -Wl,--hash-style=both -Wl,--build-id=none -Wl,-Bsymbolic \
//!     -Wl,--eh-frame-hdr -Wl,-z,max-page-size=4096 -Wl,-T,vdso.lds vdso.S -o vdso.so
//! ```

use super::memory::{MapRequest, MemoryMap, PAGE};
use super::syscall::Errno;
use super::uaccess;

static IMAGE: &[u8] = include_bytes!("vdso_image/vdso.so");

/// Offset of `__kernel_rt_sigreturn`: where handlers without SA_RESTORER return to.
pub const SIGRETURN: u64 = 0x4e4;
/// Bytes that it takes in the address space.
pub const SIZE: u64 = PAGE;

/// Maps it; returns its address (AT_SYSINFO_EHDR).
pub fn map(mem: &MemoryMap) -> Result<u64, Errno> {
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u32;
    let at = mem.map(MapRequest {
        addr: 0,
        len: SIZE,
        prot: (libc::PROT_READ | libc::PROT_WRITE) as u32,
        flags,
        fd: -1,
        offset: 0,
    })?;
    uaccess::write_bytes(at, IMAGE)?;
    mem.protect(at, SIZE, (libc::PROT_READ | libc::PROT_EXEC) as u32)?;
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Object, ObjectSymbol};

    #[test]
    fn the_image_has_linux_symbols_and_the_trampoline_where_we_say() {
        let f = object::File::parse(IMAGE).unwrap();
        let find = |n: &str| {
            f.dynamic_symbols()
                .find(|s| s.name() == Ok(n))
                .map(|s| s.address())
        };
        for n in [
            "__kernel_clock_gettime",
            "__kernel_gettimeofday",
            "__kernel_clock_getres",
        ] {
            assert!(find(n).is_some(), "{n}");
        }
        assert_eq!(find("__kernel_rt_sigreturn"), Some(SIGRETURN));
        // mov x8, #139; svc #0: what unwinders look for.
        let at = SIGRETURN as usize;
        assert_eq!(
            IMAGE[at..at + 8],
            [0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4]
        );
        assert!(IMAGE.len() as u64 <= SIZE);
    }
}
