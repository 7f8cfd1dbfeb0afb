//! Memory: thin over [`crate::user::memory`]; translations of what changed are dropped.

use super::{Errno, SysResult};
use crate::user::host;
use crate::user::memory::{MapRequest, PROT_EXEC, PROT_MASK, page_up};
use crate::user::task::Thread;
use crate::user::uaccess::untag;
use metaphrase_arm64::arch::features::Feat;
use metaphrase_runtime::vcpu::Vcpu;

/// PROT_BTI of arm64.
const PROT_BTI: u64 = 0x10;

/// The protection, if arch_validate_prot accepts it.
fn protection(t: &Thread, prot: u64) -> Result<u32, Errno> {
    const PROT_SEM: u64 = 8;
    let bti = if t.process.options.engine.cpu.feats.has(Feat::BTI) {
        PROT_BTI
    } else {
        0
    };
    if prot & !(PROT_MASK as u64 | PROT_SEM | bti) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(prot as u32 & PROT_MASK)
}

/// `mmap`.
pub fn mmap(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    // Unknown protection bits are ignored by mmap, unlike mprotect.
    let q = MapRequest {
        addr: a[0],
        len: a[1],
        prot: a[2] as u32 & PROT_MASK,
        flags: a[3] as u32,
        fd: a[4] as i32,
        offset: a[5],
    };
    let at = match &t.process.places {
        Some(p) => p.map(&t.process.mem, &mut t.hint, q)?,
        None => t.process.mem.map(q)?,
    };
    t.code_changed(at..at + page_up(a[1]));
    if let Some(text) = t.process.places.as_ref().and_then(|p| p.mapped(&q, at)) {
        t.process.engine.map_text(text);
    }
    Ok(at)
}

/// `munmap`.
pub fn munmap(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let addr = untag(a[0]);
    t.process.mem.unmap(addr, a[1])?;
    t.code_changed(addr..addr + page_up(a[1]));
    Ok(0)
}

/// `mprotect`: PROT_GROWSDOWN and PROT_GROWSUP need a growing mapping, which no mapping here is.
pub fn mprotect(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let addr = untag(a[0]);
    let prot = protection(t, a[2])?;
    t.process.mem.protect(addr, a[1], prot)?;
    // What becomes executable was not translated, what stays so keeps its bytes: only losing the permission matters. But what may be written from now
    // on is no file's text any more.
    let r = addr..addr + page_up(a[1]);
    let write = prot & libc::PROT_WRITE as u32 != 0;
    let text = |r| t.process.places.as_ref().is_some_and(|p| p.touches(r));
    if prot & PROT_EXEC == 0 || (write && text(&r)) {
        t.code_changed(r);
    }
    Ok(0)
}

/// `pkey_mprotect`: without protection keys only -1 is a key.
pub fn pkey_mprotect(t: &mut Thread, cpu: &mut Vcpu, a: [u64; 6]) -> SysResult {
    if a[3] as i32 != -1 {
        return Err(Errno::EINVAL);
    }
    mprotect(t, cpu, a)
}

/// `pkey_alloc` on a CPU without the Permission Overlay Extension.
pub fn pkey_alloc(_: &mut Thread, _: &mut Vcpu, _: [u64; 6]) -> SysResult {
    Err(Errno::ENOSPC)
}

/// `pkey_free`: no key is allocated.
pub fn pkey_free(_: &mut Thread, _: &mut Vcpu, _: [u64; 6]) -> SysResult {
    Err(Errno::EINVAL)
}

/// `mremap`.
pub fn mremap(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let old = untag(a[0]);
    let at = t.process.mem.remap(old, a[1], a[2], a[3] as u32, a[4])?;
    t.code_changed(old..old.saturating_add(page_up(a[1])));
    t.code_changed(at..at + page_up(a[2]));
    Ok(at)
}

/// `remap_file_pages`: the kernel replaces the pages of a shared file mapping in place; what is mapped and how stays as it is.
pub fn remap_file_pages(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let end = a[0].checked_add(page_up(a[1])).ok_or(Errno::EINVAL)?;
    if end > t.process.mem.layout.top {
        return Err(Errno::EINVAL);
    }
    let r = host::call(libc::SYS_remap_file_pages, a)?;
    t.code_changed(a[0]..end);
    Ok(r)
}

/// `brk`.
pub fn brk(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let old = t.process.mem.brk_range().end;
    let now = t.process.mem.brk(a[0]);
    if now < old {
        t.code_changed(now..old);
    }
    Ok(now)
}

/// `madvise`: advice that takes or replaces pages concerns translations too. The guest cannot advise on our own memory.
pub fn madvise(t: &mut Thread, _: &mut Vcpu, mut a: [u64; 6]) -> SysResult {
    a[0] = untag(a[0]);
    let end = a[0].checked_add(page_up(a[1])).ok_or(Errno::EINVAL)?;
    if end > t.process.mem.layout.top {
        return Err(Errno::ENOMEM);
    }
    let r = host::call(libc::SYS_madvise, a)?;
    if matches!(
        a[2] as i32,
        libc::MADV_DONTNEED | libc::MADV_REMOVE | libc::MADV_FREE | libc::MADV_DONTNEED_LOCKED
    ) {
        t.code_changed(a[0]..end);
    }
    Ok(r)
}
