//! Resource limits that must not hit metaphrase itself: what a guest may map (`RLIMIT_AS`, `RLIMIT_DATA`) and the size of its stack.
//! All others are the host's own.
//!
//! Limits on memory that this process was started with are lifted from the host, as far as it may, and held here.
//!
//! Must not know: who enforces them (the address space does). Invariants: the guest reads back what it set; the host process keeps enough of everything to
//! translate. `RLIMIT_STACK` is passed on to the host no lower than [`HOST_STACK`], so that a child started by `execve` inherits it;
//! the other two end with the process unless its successor is told ([`to_text`], [`adopt`]).

use super::host;
use super::syscall::{Errno, SysResult};
use metaphrase_runtime::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// `struct rlimit64`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Soft limit; `u64::MAX` is none.
    pub cur: u64,
    /// Hard limit.
    pub max: u64,
}
// SAFETY: two plain numbers.
unsafe impl super::uaccess::Pod for Limit {}

/// Least stack of the host's first thread, bytes.
const HOST_STACK: u64 = 1 << 20;
/// The limits that are kept here.
const OURS: [u32; 3] = [libc::RLIMIT_AS, libc::RLIMIT_DATA, libc::RLIMIT_STACK];
/// `CAP_SYS_RESOURCE` (`linux/capability.h`).
const CAP_SYS_RESOURCE: u32 = 24;

static KEPT: Mutex<[Option<Limit>; OURS.len()]> = Mutex::new([None; OURS.len()]);

fn slot(resource: u32) -> Option<usize> {
    OURS.iter().position(|r| *r == resource)
}

/// Whether a resource's limit is kept here.
pub fn is_ours(resource: u64) -> bool {
    slot(resource as u32).is_some()
}

/// A limit as the guest sees it.
pub fn get(resource: u32) -> Result<Limit, Errno> {
    if let Some(kept) = slot(resource).and_then(|s| KEPT.lock()[s]) {
        return Ok(kept);
    }
    let mut now = Limit { cur: 0, max: 0 };
    host::call(
        libc::SYS_prlimit64,
        [0, resource.into(), 0, &raw mut now as u64, 0, 0],
    )?;
    Ok(now)
}

/// Sets one of the limits kept here, by the kernel's rules.
pub fn set(resource: u32, new: Limit) -> SysResult {
    let slot = slot(resource).ok_or(Errno::EINVAL)?;
    if new.cur > new.max {
        return Err(Errno::EINVAL);
    }
    if new.max > get(resource)?.max && !may_raise() {
        return Err(Errno::EPERM);
    }
    if resource == libc::RLIMIT_STACK {
        let for_host = Limit {
            cur: new.cur.max(HOST_STACK),
            max: new.max.max(HOST_STACK),
        };
        // Best effort: the host may have a lower hard limit than the guest was told.
        let _ = host::call(
            libc::SYS_prlimit64,
            [0, resource.into(), &raw const for_host as u64, 0, 0, 0],
        );
    }
    KEPT.lock()[slot] = Some(new);
    Ok(0)
}

/// Whether this thread has `CAP_SYS_RESOURCE`.
fn may_raise() -> bool {
    // _LINUX_CAPABILITY_VERSION_3, this thread.
    let header = [0x2008_0522u32, 0];
    let mut sets = [[0u32; 3]; 2];
    let asked = host::call(
        libc::SYS_capget,
        [header.as_ptr() as u64, sets.as_mut_ptr() as u64, 0, 0, 0, 0],
    );
    asked.is_ok() && sets[0][0] >> CAP_SYS_RESOURCE & 1 != 0
}

/// The most a guest may map in all, bytes (`RLIMIT_AS`); `u64::MAX` unless the guest has set it.
pub fn address_space() -> u64 {
    KEPT.lock()[0].map_or(u64::MAX, |l| l.cur)
}

/// Limits that count memory: metaphrase's own is no business of the guest's.
const OF_MEMORY: [u32; 2] = [libc::RLIMIT_AS, libc::RLIMIT_DATA];
/// The host's limit on the address space is one that this process cannot lift.
static BOUND: AtomicBool = AtomicBool::new(false);
/// What is left for metaphrase itself then: bytes, but no more than this part of all.
const RESERVE: u64 = 32 << 20;
const RESERVE_SHARE: u64 = 8;

fn set_host(resource: u32, l: Limit) -> SysResult {
    host::call(
        libc::SYS_prlimit64,
        [0, resource.into(), &raw const l as u64, 0, 0, 0],
    )
}

/// Keeps the limits on memory that this process was started with, and lifts the host's as far as it may. Call before anything is mapped
/// for the guest.
pub fn take_over() {
    for resource in OF_MEMORY {
        let (Some(slot), Ok(given)) = (slot(resource), get(resource)) else {
            continue;
        };
        let none = Limit {
            cur: u64::MAX,
            max: u64::MAX,
        };
        if given == none {
            continue;
        }
        KEPT.lock()[slot] = Some(given);
        let most = Limit {
            cur: given.max,
            max: given.max,
        };
        if set_host(resource, none).is_err() {
            let _ = set_host(resource, most);
            let bound = resource == libc::RLIMIT_AS && given.max != u64::MAX;
            BOUND.fetch_or(bound, Ordering::Relaxed);
        }
    }
}

/// Gives the host the limits on memory that the guest sees: for a host program that takes this process's place.
pub fn give_back() {
    for resource in OF_MEMORY {
        if let Some(kept) = slot(resource).and_then(|s| KEPT.lock()[s]) {
            let _ = set_host(resource, kept);
        }
    }
}

/// Whether the guest may map `more` bytes without taking from metaphrase what it needs to go on.
pub fn leaves_room(more: u64) -> bool {
    if !BOUND.load(Ordering::Relaxed) {
        return true;
    }
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').next().and_then(|n| n.parse::<u64>().ok());
    let mut now = Limit { cur: 0, max: 0 };
    let asked = host::call(
        libc::SYS_prlimit64,
        [0, libc::RLIMIT_AS.into(), 0, &raw mut now as u64, 0, 0],
    );
    match (asked, pages) {
        (Ok(_), Some(pages)) => {
            let reserve = RESERVE.min(now.cur / RESERVE_SHARE);
            (pages * 4096).saturating_add(more).saturating_add(reserve) <= now.cur
        }
        _ => true,
    }
}

/// What a successor started by `execve` must be told; `None` if nothing was set.
pub fn to_text() -> Option<String> {
    let kept = *KEPT.lock();
    let parts: Vec<String> = OURS
        .iter()
        .zip(kept)
        .filter_map(|(r, l)| l.map(|l| format!("{r}:{}:{}", l.cur, l.max)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

/// Takes over what a predecessor said; anything not understood is ignored.
pub fn adopt(text: &str) {
    for part in text.split(',') {
        let numbers: Vec<u64> = part.split(':').filter_map(|n| n.parse().ok()).collect();
        if let [resource, cur, max] = numbers[..]
            && let Some(slot) = slot(resource as u32)
        {
            KEPT.lock()[slot] = Some(Limit { cur, max });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limits are the process's, and other tests map memory meanwhile: all values are far above what they use.
    #[test]
    fn a_guest_reads_back_what_it_set_and_the_host_is_not_hit() {
        let host = || {
            let mut l = Limit { cur: 0, max: 0 };
            // SAFETY: `l` has the layout of a `struct rlimit`.
            let r = unsafe { libc::getrlimit(libc::RLIMIT_AS, (&raw mut l).cast()) };
            assert_eq!(r, 0);
            l
        };
        let (before, host_before) = (get(libc::RLIMIT_AS).expect("limit"), host());
        let (cur, other) = (1 << 42, 1 << 43);
        let some = Limit {
            cur,
            max: before.max,
        };
        assert_eq!(set(libc::RLIMIT_AS, some), Ok(0));
        assert_eq!(get(libc::RLIMIT_AS), Ok(some));
        assert_eq!(address_space(), cur);
        assert_eq!(host(), host_before, "the host's own limit stays");
        assert_eq!(
            set(libc::RLIMIT_AS, Limit { cur: 2, max: 1 }),
            Err(Errno::EINVAL)
        );
        assert!(!is_ours(libc::RLIMIT_NOFILE.into()));
        let text = to_text().expect("something was set");
        adopt(&format!("nonsense,1:2,9:{other}:{other}"));
        let adopted = Limit {
            cur: other,
            max: other,
        };
        assert_eq!(get(libc::RLIMIT_AS), Ok(adopted));
        adopt(&text);
        assert_eq!(get(libc::RLIMIT_AS), Ok(some));
    }
}
