//! Accesses to guest memory that may fault: each is one host instruction with an entry in an exception table.
//!
//! Idea (as in the Linux kernel's uaccess): the instruction's address and the address of a landing that sets an error register
//! stand in the section `mp_extable`; the host SIGSEGV/SIGBUS handler ([`crate::signal`]) looks the faulting pc up there
//! and continues at the landing. The handler records the fault in the current frame's header. Nothing else of the process may fault.

use std::arch::asm;

/// The access faulted; details are in the current frame's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faulted;

/// One row of the exception table: both fields relative to their own address.
#[repr(C)]
struct ExEntry {
    insn: i32,
    landing: i32,
}

unsafe extern "C" {
    #[link_name = "__start_mp_extable"]
    static EX_START: ExEntry;
    #[link_name = "__stop_mp_extable"]
    static EX_STOP: ExEntry;
}

/// Landing for a fault at host address `pc`, if the table has one. Async-signal-safe.
pub fn landing(pc: u64) -> Option<u64> {
    let mut e = &raw const EX_START;
    let stop = &raw const EX_STOP;
    while e < stop {
        // SAFETY: e walks the entries that the linker collected between the two symbols.
        let (insn, land) = unsafe { (&raw const (*e).insn, &raw const (*e).landing) };
        // SAFETY: as above; both fields are initialised by the assembler.
        let (ia, la) = unsafe {
            (
                (insn as u64).wrapping_add(*insn as i64 as u64),
                (land as u64).wrapping_add(*land as i64 as u64),
            )
        };
        if ia == pc {
            return Some(la);
        }
        // SAFETY: stays within the section.
        e = unsafe { e.add(1) };
    }
    None
}

macro_rules! guarded {
    ($insn:literal, $bad:ident, $($ops:tt)*) => {
        asm!(
            concat!("2: ", $insn),
            "3:",
            ".pushsection .text.unlikely.mp_fixup,\"ax\",@progbits",
            "4: mov {bad:e}, 1",
            "jmp 3b",
            ".popsection",
            ".pushsection mp_extable,\"aR\",@progbits",
            ".long 2b - .",
            ".long 4b - .",
            ".popsection",
            bad = inout(reg) $bad,
            $($ops)*
        )
    };
}

macro_rules! loads {
    ($($(#[$d:meta])* $f:ident $insn:literal;)*) => { $(
        $(#[$d])*
        /// # Safety
        /// A fault is caught, so any address is allowed; the caller must not pass the address of Rust objects.
        #[inline(always)]
        pub unsafe fn $f(addr: u64) -> Result<u64, Faulted> {
            let v: u64;
            let mut bad = 0u32;
            // SAFETY: a single load; faults go to the landing.
            unsafe { guarded!($insn, bad, a = in(reg) addr, v = lateout(reg) v, options(nostack, preserves_flags)) };
            if bad == 0 { Ok(v) } else { Err(Faulted) }
        }
    )* };
}

loads! {
    /// Zero-extended byte.
    load8 "movzx {v:e}, byte ptr [{a}]";
    /// Zero-extended 16 bits.
    load16 "movzx {v:e}, word ptr [{a}]";
    /// Zero-extended 32 bits.
    load32 "mov {v:e}, dword ptr [{a}]";
    /// 64 bits.
    load64 "mov {v}, qword ptr [{a}]";
}

macro_rules! stores {
    ($($(#[$d:meta])* $f:ident $insn:literal $class:ident;)*) => { $(
        $(#[$d])*
        /// # Safety
        /// A fault is caught; the caller must not pass the address of Rust objects.
        #[inline(always)]
        pub unsafe fn $f(addr: u64, v: u64) -> Result<(), Faulted> {
            let mut bad = 0u32;
            // SAFETY: a single store; faults go to the landing.
            unsafe { guarded!($insn, bad, a = in(reg) addr, v = in($class) v, options(nostack, preserves_flags)) };
            if bad == 0 { Ok(()) } else { Err(Faulted) }
        }
    )* };
}

stores! {
    /// Low byte.
    store8 "mov byte ptr [{a}], {v:l}" reg_abcd;
    /// Low 16 bits.
    store16 "mov word ptr [{a}], {v:x}" reg;
    /// Low 32 bits.
    store32 "mov dword ptr [{a}], {v:e}" reg;
    /// 64 bits.
    store64 "mov qword ptr [{a}], {v}" reg;
}

/// 16 bytes.
///
/// # Safety
/// A fault is caught; the caller must not pass the address of Rust objects.
#[inline(always)]
pub unsafe fn load128(addr: u64) -> Result<u128, Faulted> {
    use std::arch::x86_64::__m128i;
    let v: __m128i;
    let mut bad = 0u32;
    // SAFETY: a single load; faults go to the landing.
    unsafe {
        guarded!("movups {v}, xmmword ptr [{a}]", bad, a = in(reg) addr, v = lateout(xmm_reg) v, options(nostack, preserves_flags))
    };
    if bad == 0 {
        // SAFETY: both are 16 plain bytes.
        Ok(unsafe { std::mem::transmute::<__m128i, u128>(v) })
    } else {
        Err(Faulted)
    }
}

/// 16 bytes.
///
/// # Safety
/// A fault is caught; the caller must not pass the address of Rust objects.
#[inline(always)]
pub unsafe fn store128(addr: u64, v: u128) -> Result<(), Faulted> {
    use std::arch::x86_64::__m128i;
    // SAFETY: both are 16 plain bytes.
    let v = unsafe { std::mem::transmute::<u128, __m128i>(v) };
    let mut bad = 0u32;
    // SAFETY: a single store; faults go to the landing.
    unsafe {
        guarded!("movups xmmword ptr [{a}], {v}", bad, a = in(reg) addr, v = in(xmm_reg) v, options(nostack, preserves_flags))
    };
    if bad == 0 { Ok(()) } else { Err(Faulted) }
}

macro_rules! cmpxchgs {
    ($($f:ident $insn:literal $class:ident;)*) => { $(
        /// Compare-and-exchange of the function's size; returns what memory held (only the low bytes mean anything).
        ///
        /// # Safety
        /// A fault is caught; the caller must not pass the address of Rust objects.
        #[inline(always)]
        pub unsafe fn $f(addr: u64, expected: u64, new: u64) -> Result<u64, Faulted> {
            let mut old = expected;
            let mut bad = 0u32;
            // SAFETY: a single locked instruction; faults go to the landing.
            unsafe { guarded!($insn, bad, a = in(reg) addr, n = in($class) new, inout("rax") old, options(nostack)) };
            if bad == 0 { Ok(old) } else { Err(Faulted) }
        }
    )* };
}

cmpxchgs! {
    cmpxchg8 "lock cmpxchg byte ptr [{a}], {n:l}" reg_abcd;
    cmpxchg16 "lock cmpxchg word ptr [{a}], {n:x}" reg;
    cmpxchg32 "lock cmpxchg dword ptr [{a}], {n:e}" reg;
    cmpxchg64 "lock cmpxchg qword ptr [{a}], {n}" reg;
}

/// 16-byte compare-and-exchange; the address must be 16-byte aligned (checked by the caller: the architecture demands it).
/// Returns what memory held.
///
/// # Safety
/// A fault is caught; the caller must not pass the address of Rust objects.
pub unsafe fn cmpxchg128(addr: u64, expected: u128, new: u128) -> Result<u128, Faulted> {
    let (mut lo, mut hi) = (expected as u64, (expected >> 64) as u64);
    let mut bad = 0u32;
    // SAFETY: rbx, which may not be named, is exchanged before and after; the landing re-joins before the second exchange. All operands have
    // registers of their own, because `reg` may be rbx.
    unsafe {
        asm!(
            "xchg rbx, rsi",
            "2: lock cmpxchg16b xmmword ptr [rdi]",
            "3:",
            "xchg rbx, rsi",
            ".pushsection .text.unlikely.mp_fixup,\"ax\",@progbits",
            "4: mov r8d, 1",
            "jmp 3b",
            ".popsection",
            ".pushsection mp_extable,\"aR\",@progbits",
            ".long 2b - .",
            ".long 4b - .",
            ".popsection",
            inout("rsi") new as u64 => _,
            in("rdi") addr,
            inout("r8") bad,
            inout("rax") lo,
            inout("rdx") hi,
            in("rcx") (new >> 64) as u64,
            options(nostack)
        )
    };
    if bad == 0 {
        Ok(lo as u128 | (hi as u128) << 64)
    } else {
        Err(Faulted)
    }
}

/// Copies `n` bytes upwards as the host's REP MOVSB; how many are left where a fault ends it.
///
/// # Safety
/// A fault is caught; the caller must not pass addresses of Rust objects that it does not own.
pub unsafe fn copy_string(to: u64, from: u64, n: u64) -> u64 {
    let (mut left, mut bad) = (n, 0u32);
    // SAFETY: the registers say at a fault what is left.
    unsafe {
        guarded!("rep movsb", bad, inout("rcx") left, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags))
    };
    let _ = bad;
    left
}

/// Stores `n` copies of a byte upwards as the host's REP STOSB; how many are left where a fault ends it.
///
/// # Safety
/// As above.
pub unsafe fn set_string(to: u64, v: u8, n: u64) -> u64 {
    let (mut left, mut bad) = (n, 0u32);
    // SAFETY: as above.
    unsafe {
        guarded!("rep stosb", bad, inout("rcx") left, inout("rdi") to => _, in("al") v, options(nostack, preserves_flags))
    };
    let _ = bad;
    left
}

/// Load of `1 << size` bytes (0..=4), zero-extended.
///
/// # Safety
/// As the functions above.
#[inline]
pub unsafe fn load(addr: u64, size: u8) -> Result<u128, Faulted> {
    // SAFETY: passed on.
    unsafe {
        Ok(match size {
            0 => load8(addr)? as u128,
            1 => load16(addr)? as u128,
            2 => load32(addr)? as u128,
            3 => load64(addr)? as u128,
            _ => load128(addr)?,
        })
    }
}

/// Compare-and-exchange of `1 << size` bytes (0..=4); returns the old value, zero-extended.
///
/// # Safety
/// As the functions above.
#[inline]
pub unsafe fn cmpxchg(addr: u64, size: u8, expected: u128, new: u128) -> Result<u128, Faulted> {
    let (e, n) = (expected as u64, new as u64);
    // SAFETY: passed on.
    unsafe {
        Ok(match size {
            0 => cmpxchg8(addr, e, n)? as u8 as u128,
            1 => cmpxchg16(addr, e, n)? as u16 as u128,
            2 => cmpxchg32(addr, e, n)? as u32 as u128,
            3 => cmpxchg64(addr, e, n)? as u128,
            _ => cmpxchg128(addr, expected, new)?,
        })
    }
}
