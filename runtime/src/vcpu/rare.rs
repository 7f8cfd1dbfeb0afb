//! How often FP operations of a CPU have NaNs for results, or what the host does not convert. Baseline code makes most of those itself;
//! a region leaves for the interpreter at each, which takes as long as many executions of it.

use super::Vcpu;
use std::time::{Duration, Instant};

/// So much time apart, at least, are looks at the count.
const APART: Duration = Duration::from_millis(1);
/// Where there is one in less time than this, it takes longer to leave for it than a region saves.
const DEAR: Duration = Duration::from_micros(4);
/// Fewer say nothing.
const FEW: u32 = 64;
/// Bytes within which code has to do with the place of the last one.
const NEAR: u32 = 4096;

/// What the count was, and when: at the look before the last, and at the last.
#[derive(Debug)]
pub struct Window([(Instant, u32); 2]);

impl Default for Window {
    fn default() -> Self {
        Window([(Instant::now(), 0); 2])
    }
}

impl Window {
    /// Whether the count, which is `count` by now, rises so fast that regions do not pay.
    fn is_dear(&mut self, now: Instant, count: u32) -> bool {
        let (then, before) = self.0[0];
        let n = count.wrapping_sub(before);
        if now - self.0[1].0 >= APART {
            self.0 = [self.0[1], (now, count)];
        }
        n >= FEW && now - then < DEAR * n
    }
}

impl Vcpu {
    /// Whether code at `pc` seems better left to baseline code for its NaNs.
    pub(crate) fn has_many_nans(&mut self, pc: u64) -> bool {
        let h = &self.frame.header;
        let (count, last) = (h.rare, h.rare_pc);
        let far = (pc as u32).wrapping_sub(last) as i32;
        self.rare.is_dear(Instant::now(), count) && far.unsigned_abs() < NEAR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_fast_is_dear() {
        let start = Instant::now();
        let mut w = Window([(start, 0); 2]);
        let at = |us: u64| start + Duration::from_micros(us);
        assert!(!w.is_dear(at(10), 63), "too few");
        assert!(w.is_dear(at(250), 64));
        assert!(!w.is_dear(at(256), 64));
        // The first look a millisecond later begins a new window, of which the next one is the first to know.
        assert!(w.is_dear(at(1100), 1000));
        assert!(w.is_dear(at(2200), 1000), "since the start");
        assert!(!w.is_dear(at(3300), 1000), "since 1100");
        assert!(!w.is_dear(at(3300), 1063));
        assert!(w.is_dear(at(3400), 3000));
    }
}
