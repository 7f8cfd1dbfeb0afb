//! Address-space randomisation of the guest as Linux does it: how far stack, mappings, program and heap are moved. Off where it is off on the
//! host: by personality(ADDR_NO_RANDOMIZE), which children inherit, or for the whole system. Knows numbers only; what is moved is
//! [`super::memory`]'s business.
//!
//! **While translations are kept**, the main program and libraries are where a hash of the file and of the folder's salt puts them
//! ([`super::placement`]): unknown to others, different on each machine, for each user and, in the default folder, after each start of the machine,
//! but the same in all processes that use the folder. Stack, heap and other mappings are random in each process as ever. `--cache off` makes all of them so.

use super::host;
use super::memory::{PAGE, Shift};

/// Bits of page numbers. Mappings and programs as on x86-64 (28; arm64 kernels have 18 to 33), stack and heap as on arm64: up to 1 GiB
/// (STACK_RND_MASK in arch/arm64/include/asm/elf.h, arch_randomize_brk in arch/arm64/kernel/process.c).
const MMAP_BITS: u32 = 28;
const PROGRAM_BITS: u32 = 28;
const STACK_BITS: u32 = 18;
const HEAP_BITS: u32 = 18;

/// How much the host randomises (Documentation/admin-guide/sysctl/kernel.rst, randomize_va_space): 0 nothing, 1 all but the heap, 2 all.
fn wanted() -> u8 {
    // This value only asks.
    let personality = host::call(libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0]);
    if personality.is_ok_and(|p| p & libc::ADDR_NO_RANDOMIZE as u64 != 0) {
        return 0;
    }
    match std::fs::read("/proc/sys/kernel/randomize_va_space") {
        Ok(v) if v.starts_with(b"0") => 0,
        Ok(v) if v.starts_with(b"1") => 1,
        _ => 2,
    }
}

/// The distances for a new process. `program`: in place of the random number for the main program.
pub fn shift(program: Option<u64>) -> Shift {
    let wanted = wanted();
    if wanted == 0 {
        return Shift::default();
    }
    let mut r = [0u64; 4];
    let args = [
        r.as_mut_ptr() as u64,
        size_of_val(&r) as u64,
        libc::GRND_NONBLOCK as u64,
        0,
        0,
        0,
    ];
    if host::call(libc::SYS_getrandom, args).is_err() {
        return Shift::default();
    }
    let pages = |word: u64, bits: u32| (word >> (64 - bits)) * PAGE;
    Shift {
        stack: pages(r[0], STACK_BITS),
        mmap: pages(r[1], MMAP_BITS),
        program: pages(program.unwrap_or(r[2]), PROGRAM_BITS),
        heap: if wanted == 2 {
            pages(r[3], HEAP_BITS)
        } else {
            0
        },
    }
}
