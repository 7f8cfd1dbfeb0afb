//! How often baseline code runs before the dispatcher has a look at it: the counters that the code itself increments.
//!
//! CPUs that run the same code at the same time must not write to the same memory: with one count for all, two threads that sort are
//! slower than one. So each CPU counts in its own *shard*, a copy of the whole counter area, and comes to the dispatcher when a *round* of
//! executions is over there; the dispatcher takes rounds off what is left for all ([`super::block::Block0::round_over`]).
//!
//! A counter is a 16-bit word at an address for shard 0; code reaches it with `add word gs:[counter], 1`, and the base of GS is the distance
//! of the CPU's shard ([`select`]). A round is over when the word becomes negative. Zero, as fresh memory has it, is the longest round.
//!
//! Invariants: a shard has one CPU, as long as there are enough; all that is lost otherwise is speed and some of the counts. Must not know
//! blocks or what happens when a round is over.

use std::sync::atomic::{AtomicI16, AtomicUsize, Ordering};

/// Shards. CPUs beyond that many share.
pub const SHARDS: usize = 16;
/// Bytes from one shard to the next.
pub const STRIDE: usize = 4 << 20;
/// Executions in the longest round.
pub const LONGEST: i32 = i16::MAX as i32;

/// One more than the highest shard that a CPU has had. For all engines: a shard too many costs a store.
static USED: AtomicUsize = AtomicUsize::new(1);

/// `arch_prctl` operations (arch/x86/include/uapi/asm/prctl.h).
const ARCH_SET_GS: i32 = 0x1001;
const ARCH_GET_GS: i32 = 0x1004;

/// The counter of one unit: its address in shard 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counter(u64);

impl Counter {
    /// The counter at an address of shard 0. `None` for address 0.
    ///
    /// # Safety
    /// `at` must be 0 or lie in the first of [`SHARDS`] mapped shards, which stay mapped while the counter is used.
    pub unsafe fn at(at: u64) -> Option<Counter> {
        (at != 0).then_some(Counter(at))
    }

    /// Its address.
    pub fn address(self) -> u64 {
        self.0
    }

    fn word(&self, shard: usize) -> &AtomicI16 {
        // SAFETY: `at` promises mapped shards; any value is valid.
        unsafe { &*((self.0 as usize + shard % SHARDS * STRIDE) as *const AtomicI16) }
    }

    /// Begins a round of `n` executions in one shard; 0: the next one comes to the dispatcher.
    pub fn begin(&self, shard: usize, n: i32) {
        self.word(shard).store(start(n), Ordering::Relaxed);
    }

    /// Begins a round in every shard.
    pub fn begin_all(&self, n: i32) {
        for shard in 0..used() {
            self.begin(shard, n);
        }
    }

    /// Whether the shard's round is over.
    pub fn is_over(&self, shard: usize) -> bool {
        self.word(shard).load(Ordering::Relaxed) < 0
    }

    /// Executions in the rounds that are under way, if these are `n` long.
    pub fn progress(&self, n: i32) -> u64 {
        let ran = |shard| match self.word(shard).load(Ordering::Relaxed) {
            ..0 => n,
            at => (at - start(n)).clamp(0, n.min(LONGEST) as i16) as i32,
        };
        (0..used()).map(|s| ran(s) as u64).sum()
    }
}

/// What a counter holds at the start of a round.
fn start(n: i32) -> i16 {
    (LONGEST - n.clamp(0, LONGEST)) as i16
}

/// Shards that have been used.
fn used() -> usize {
    USED.load(Ordering::Acquire)
}

/// The shard for a CPU beside those that have `taken`, and whether nobody has had it before.
pub fn choose(taken: impl Iterator<Item = usize> + Clone) -> (usize, bool) {
    let free = (0..SHARDS).find(|s| !taken.clone().any(|t| t == *s));
    let shard = free.unwrap_or_else(|| taken.count() % SHARDS);
    (shard, USED.fetch_max(shard + 1, Ordering::AcqRel) <= shard)
}

/// Begins a round of `n` executions for each of `count` counters from `first` on, in a shard that is new.
///
/// # Safety
/// They must lie in mapped shards.
pub unsafe fn fill(first: u64, count: usize, shard: usize, n: i32) {
    let at = (first as usize + shard % SHARDS * STRIDE) as *const AtomicI16;
    // SAFETY: the caller's promise.
    let words = unsafe { std::slice::from_raw_parts(at, count) };
    for w in words {
        w.store(start(n), Ordering::Relaxed);
    }
}

/// From now on code on this host thread counts in this shard; the base of GS before, for [`restore`]. `None`: that cannot be had, and
/// the thread counts in shard 0.
pub fn select(shard: usize) -> Option<u64> {
    let mut before = 0u64;
    // SAFETY: asks for a register of this thread; `before` is valid.
    let asked = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_GET_GS, &raw mut before) };
    let base = (shard % SHARDS * STRIDE) as u64;
    (asked == 0 && (before == base || set_base(base))).then_some(before)
}

/// Undoes [`select`].
pub fn restore(before: Option<u64>) {
    if let Some(base) = before {
        set_base(base);
    }
}

fn set_base(base: u64) -> bool {
    // SAFETY: nothing but translated code uses GS on x86-64 Linux.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, base) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_shard_is_chosen_and_too_many_cpus_share() {
        assert_eq!(choose([0, 2].into_iter()).0, 1);
        assert_eq!(choose([].into_iter()), (0, false));
        assert!(choose(0..SHARDS + 3).0 < SHARDS);
    }

    #[test]
    fn rounds_are_counted_in_every_shard() {
        let area = vec![0u8; STRIDE * SHARDS];
        // SAFETY: the vector is as long as all shards and outlives the counter.
        let c =
            unsafe { Counter::at((area.as_ptr() as u64).next_multiple_of(2)) }.expect("a counter");
        choose([0].into_iter());
        c.begin_all(100);
        assert_eq!((c.progress(100), c.is_over(1)), (0, false));
        let step = |shard, n| c.word(shard).fetch_add(n, Ordering::Relaxed);
        step(0, 40);
        step(1, 100);
        assert_eq!((c.progress(100), c.is_over(1)), (140, false));
        step(1, 1);
        assert_eq!((c.progress(100), c.is_over(1)), (140, true));
        c.begin(1, LONGEST);
        assert_eq!(c.word(1).load(Ordering::Relaxed), 0);
        // SAFETY: as above.
        unsafe { fill(c.address(), 3, 1, 7) };
        assert_eq!(c.word(1).load(Ordering::Relaxed), start(7));
    }

    #[test]
    fn a_thread_selects_its_shard() {
        let word = [0u64; 1];
        let before = select(3).expect("GS can be set");
        let mut base = 0u64;
        // SAFETY: as in `select`.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_GET_GS, &raw mut base) };
        assert_eq!((base as usize, before), (3 * STRIDE, 0));
        restore(Some(before));
        let read: u64;
        // SAFETY: with base 0 this reads the local.
        unsafe { std::arch::asm!("mov {}, gs:[{}]", out(reg) read, in(reg) &word) };
        assert_eq!(read, 0);
    }
}
