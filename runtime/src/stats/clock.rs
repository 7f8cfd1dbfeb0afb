//! Where a CPU's time goes: one phase at a time, the time-stamp counter read at each change. The phases of a CPU add up to the
//! time that it was attached to the engine.

use super::{Counter, CpuCounts};
use std::arch::x86_64::_rdtsc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

/// What a CPU does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "see the counters")]
pub enum Phase {
    Dispatch,
    Translate,
    Bytecode,
    Tier0,
    Tier1,
    Compile,
    Syscall,
    Exception,
    /// Never entered: part of `Tier1`, which the clock cannot tell apart but samples can.
    Baseline,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Phase; 9] = [
        Phase::Dispatch,
        Phase::Translate,
        Phase::Bytecode,
        Phase::Tier0,
        Phase::Tier1,
        Phase::Compile,
        Phase::Syscall,
        Phase::Exception,
        Phase::Baseline,
    ];

    /// From its number.
    pub(super) fn of(n: u8) -> Phase {
        Phase::ALL
            .get(n as usize)
            .copied()
            .unwrap_or(Phase::Dispatch)
    }

    /// Where its time is counted.
    pub const fn counter(self) -> Counter {
        match self {
            Phase::Dispatch => Counter::TimeDispatch,
            Phase::Translate => Counter::TimeTranslate,
            Phase::Bytecode => Counter::TimeBytecode,
            Phase::Tier0 => Counter::TimeTier0,
            Phase::Tier1 => Counter::TimeTier1,
            Phase::Compile => Counter::TimeCompile,
            Phase::Syscall => Counter::TimeSyscall,
            Phase::Exception => Counter::TimeException,
            Phase::Baseline => Counter::TimeBaseline,
        }
    }

    /// Name in outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Dispatch => "dispatch",
            Phase::Translate => "translate",
            Phase::Bytecode => "bytecode",
            Phase::Tier0 => "tier0",
            Phase::Tier1 => "tier1",
            Phase::Compile => "compile",
            Phase::Syscall => "syscall",
            Phase::Exception => "exception",
            Phase::Baseline => "baseline",
        }
    }
}

fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction.
    unsafe { _rdtsc() }
}

/// A CPU's clock. Off, it costs a test of a flag at each change of phase.
#[derive(Debug, Default)]
pub struct Clock {
    on: bool,
    last: u64,
    phase: u8,
}

impl Clock {
    /// The CPU is attached; the clock runs if `on`.
    pub fn start(&mut self, on: bool, seen: &AtomicU8) {
        *self = Clock {
            on,
            last: if on { ticks() } else { 0 },
            phase: Phase::Dispatch as u8,
        };
        seen.store(Phase::Dispatch as u8, Ordering::Relaxed);
    }

    /// Changes the phase. `seen`: what the sampler reads.
    #[inline(always)]
    pub fn to(&mut self, p: Phase, counts: &CpuCounts, seen: &AtomicU8) {
        if self.on {
            self.change(p, counts, seen);
        }
    }

    #[cold]
    #[inline(never)]
    fn change(&mut self, p: Phase, counts: &CpuCounts, seen: &AtomicU8) {
        let now = ticks();
        let old = Phase::of(self.phase);
        // A thread that moved to a core whose counter lags by a little must not count a huge difference.
        let spent = now.saturating_sub(self.last);
        counts.counters.add(old.counter(), spent);
        self.last = now;
        self.phase = p as u8;
        seen.store(p as u8, Ordering::Relaxed);
    }
}

/// When counting began, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub instant: Instant,
    ticks: u64,
}

impl Start {
    pub fn now() -> Start {
        Start {
            instant: Instant::now(),
            ticks: ticks(),
        }
    }

    /// Nanoseconds for each tick, from both clocks' progress since the start.
    pub fn ns_per_tick(&self) -> f64 {
        let ns = self.instant.elapsed().as_nanos() as f64;
        ns / ticks().saturating_sub(self.ticks).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up() {
        let (counts, seen) = (CpuCounts::default(), AtomicU8::new(0));
        let start = Start::now();
        let mut c = Clock::default();
        c.start(true, &seen);
        for p in Phase::ALL {
            c.to(p, &counts, &seen);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        c.to(Phase::Dispatch, &counts, &seen);
        let sum: u64 = Phase::ALL
            .iter()
            .map(|p| counts.counters.get(p.counter()))
            .sum();
        let (whole, sum) = (
            start.instant.elapsed().as_nanos() as f64,
            sum as f64 * start.ns_per_tick(),
        );
        assert!(
            sum > 7e6 && sum <= whole * 1.01 && sum > whole * 0.9,
            "{sum} of {whole}"
        );
        let exception = counts.counters.get(Counter::TimeException) as f64 * start.ns_per_tick();
        assert!(exception >= 1e6);
    }

    #[test]
    fn a_clock_that_is_off_counts_nothing() {
        let (counts, seen) = (CpuCounts::default(), AtomicU8::new(0));
        let mut c = Clock::default();
        c.start(false, &seen);
        c.to(Phase::Tier1, &counts, &seen);
        c.to(Phase::Dispatch, &counts, &seen);
        assert_eq!(counts.counters.get(Counter::TimeTier1), 0);
    }
}
