//! The CPUs in `run`: who joins them, which epochs they are in, how they are asked to pass the dispatcher. Must not know why.

use crate::cache::counter;
use crate::compile::tier1::Tier1;
use crate::compile::trace;
use crate::vcpu::CpuShared;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

impl Tier1 {
    /// A CPU enters `run`: others see it from now on. What [`counter::restore`] wants when it leaves.
    pub fn join(&self, cpu: &Arc<CpuShared>) -> Option<u64> {
        let mut cpus = self.cpus.lock();
        let taken = cpus.iter().map(|c| c.shard.load(Ordering::Relaxed));
        let (shard, fresh) = counter::choose(taken);
        let before = counter::select(shard);
        cpu.shard
            .store(before.map_or(0, |_| shard), Ordering::Relaxed);
        cpus.push(cpu.clone());
        drop(cpus);
        if fresh && let Some(m) = self.memory.lock().as_ref() {
            m.fill_shard(shard, trace::AT);
        }
        before
    }

    /// Oldest epoch that a CPU inside guest code entered in; `u64::MAX` if all are outside.
    pub fn oldest_active(&self) -> u64 {
        let cpus = self.cpus.lock();
        cpus.iter()
            .map(|c| c.active.load(Ordering::SeqCst))
            .filter(|&a| a != 0)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Asks every CPU to pass the dispatcher.
    pub fn stop_all(&self) {
        for c in self.cpus.lock().iter() {
            let p = c.stop.load(Ordering::SeqCst) as *const AtomicU32;
            // SAFETY: a CPU's frame outlives its registration.
            unsafe { (*p).store(1, Ordering::SeqCst) };
        }
    }
}
