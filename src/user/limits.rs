//! Resource limits that must not hit metaphrase itself: what a guest may map (`RLIMIT_AS`, `RLIMIT_DATA`) and the size of its stack.
//! All others are the host's own.
//!
//! Must not know: who enforces them (the address space does). Invariants: the guest reads back what it set; the host process keeps enough of everything to
//! translate. `RLIMIT_STACK` is passed on to the host no lower than [`HOST_STACK`], so that a child started by `execve` inherits it;
//! the other two end with the process unless its successor is told ([`to_text`], [`adopt`]).

use super::host;
use super::syscall::{Errno, SysResult};
use metaphrase_runtime::sync::Mutex;

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
