//! How often FP operations of a CPU have NaNs for results, or what the host does not convert. Baseline code makes most of those itself;
//! a region leaves for the interpreter at each, which takes as long as many executions of it.
//!
//! Baseline code counts them, which decides whether a region is made of it ([`Window`]). If they come only when there is a region, what
//! it costs to leave it is measured ([`Exits`]).

use super::Vcpu;
use crate::compile::cpu_time;
use std::time::{Duration, Instant};

/// So much time apart, at least, are looks at the count.
const APART: Duration = Duration::from_millis(1);
/// Where there is one in less time than this, it takes longer to leave for it than a region saves.
const DEAR: Duration = Duration::from_micros(4);
/// Fewer say nothing.
const FEW: u32 = 64;
/// Bytes within which code has to do with the place of the last one.
const NEAR: u32 = 4096;

/// What the count was, and when, in processor time of the thread: at the look before the last, and at the last.
#[derive(Debug, Default)]
pub struct Window([(Duration, u32); 2]);

impl Window {
    /// Whether there have been none since the last look.
    fn is_same(&self, count: u32) -> bool {
        self.0[1].1 == count
    }

    /// Whether the count, which is `count` by now, rises so fast that regions do not pay.
    fn is_dear(&mut self, now: Duration, count: u32) -> bool {
        if now < self.0[1].0 {
            // The child of a fork has taken no time yet.
            self.0 = [(now, count); 2];
        }
        let (then, before) = self.0[0];
        let n = count.wrapping_sub(before);
        if now - self.0[1].0 >= APART {
            self.0 = [self.0[1], (now, count)];
        }
        n >= FEW && now - then < DEAR * n
    }
}

/// Exits between two looks at the clock.
const LOOK: u32 = 64;
/// Of which so many are timed.
const TIMED: u32 = 4;
/// After so many looks in succession that found most of the time spent in the interpreter, regions are given up.
const LOOKS: u32 = 16;

/// Exits of regions at NaNs, and what it takes to go on in the interpreter.
#[derive(Debug)]
pub struct Exits {
    count: u32,
    since: Instant,
    begun: Option<Instant>,
    timed: Duration,
    dear: u32,
    /// Such looks until regions are given up.
    looks: u32,
}

impl Default for Exits {
    fn default() -> Self {
        Exits {
            count: 0,
            since: Instant::now(),
            begun: None,
            timed: Duration::ZERO,
            dear: 0,
            looks: LOOKS,
        }
    }
}

impl Exits {
    /// One more. `now` is asked for the time only if it matters. True if the region is better given up.
    fn one(&mut self, now: impl FnOnce() -> Instant) -> bool {
        self.count += 1;
        if !self.count.is_multiple_of(LOOK / TIMED) {
            return false;
        }
        let now = now();
        self.begun = Some(now);
        if self.count < LOOK {
            return false;
        }
        // Not seen is what it takes to leave and enter native code: about as long.
        let spent = self.timed * (LOOK / TIMED);
        let dear = spent * 5 > (now - self.since) * 3;
        self.dear = if dear { self.dear + 1 } else { 0 };
        (self.count, self.since, self.timed) = (0, now, Duration::ZERO);
        let enough = self.dear >= self.looks;
        if enough {
            self.dear = 0;
        }
        enough
    }

    /// The interpreter has done what the region could not.
    fn done(&mut self, now: impl FnOnce() -> Instant) {
        if let Some(begun) = self.begun.take() {
            self.timed += now() - begun;
        }
    }
}

/// Bit of [`metaphrase_backend::abi::FrameHeader::fault_info`]: it has been seen here.
const SEEN: u64 = 1 << 63;

impl Vcpu {
    /// Native code has left for the interpreter to repeat an instruction. True if regions do that at NaNs so often that the one at
    /// the guest pc is better given up.
    pub(crate) fn left_at_nan(&mut self) -> bool {
        let info = &mut self.frame.header.fault_info;
        // Whatever fails at an access writes it anew.
        let fault = *info != 0 && *info & SEEN == 0;
        *info |= SEEN;
        !fault && self.exits.one(Instant::now)
    }

    /// Whether there was a region to give up; if not, it takes longer until the next one is looked for.
    pub(crate) fn gave_up(&mut self, any: bool) {
        self.exits.looks = match any {
            true => LOOKS,
            false => self.exits.looks.saturating_mul(2),
        };
    }

    /// What was to be repeated has been.
    pub(crate) fn repeated(&mut self) {
        self.exits.done(Instant::now);
    }

    /// It runs on this thread from now on.
    pub(crate) fn begin_window(&mut self) {
        self.rare = Window([(cpu_time::this_thread(), self.frame.header.rare); 2]);
    }

    /// Whether code at `pc` seems better left to baseline code for its NaNs.
    pub(crate) fn has_many_nans(&mut self, pc: u64) -> bool {
        let h = &self.frame.header;
        let (count, last) = (h.rare, h.rare_pc);
        let far = (pc as u32).wrapping_sub(last) as i32;
        // Reading the clock is a system call.
        !self.rare.is_same(count)
            && self.rare.is_dear(cpu_time::this_thread(), count)
            && far.unsigned_abs() < NEAR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks that it takes until the region is given up, if each exit costs `cost` and comes after `apart`, microseconds.
    fn given_up(cost: u64, apart: u64) -> Option<u32> {
        let (mut at, step) = (Instant::now(), Duration::from_micros);
        let mut e = Exits {
            since: at,
            ..Exits::default()
        };
        (1..LOOK * 100).find(|_| {
            at += step(apart);
            let r = e.one(|| at);
            at += step(cost);
            e.done(|| at);
            r
        })
    }

    #[test]
    fn exits_that_take_most_of_the_time_end_a_region() {
        // Of the first ones one less is timed.
        let soon = LOOK * (LOOKS + 1);
        assert_eq!(given_up(3, 1), Some(soon));
        assert_eq!(given_up(1, 1), None);
        assert_eq!(given_up(300, 100), Some(soon), "however long");
    }

    #[test]
    fn only_what_is_fast_is_dear() {
        let at = |us: u64| Duration::from_micros(7_000_000 + us);
        let mut w = Window([(at(0), 0); 2]);
        assert!(!w.is_dear(at(10), 63), "too few");
        assert!(w.is_dear(at(250), 64));
        assert!(!w.is_dear(at(256), 64));
        // The first look a millisecond later begins a new window, of which the next one is the first to know.
        assert!(w.is_dear(at(1100), 1000));
        assert!(w.is_dear(at(2200), 1000), "since the start");
        assert!(!w.is_dear(at(3300), 1000), "since 1100");
        assert!(!w.is_dear(at(3300), 1063));
        assert!(w.is_dear(at(3400), 3000));
        let child = Duration::from_millis(1);
        assert!(!w.is_dear(child, 5000), "a new clock");
        assert!(w.is_dear(child * 2, 7000));
    }
}
