//! What has run often gets better code.

use super::{Engine, JitMode, RETRY, Scratch};
use crate::cache::block::Block0;
use crate::cache::image::revive::MODE;
use crate::cache::unit::Tier;
use crate::stats::Phase;
use crate::vcpu::Vcpu;
use metaphrase_backend::baseline::Baseline;
use std::ptr;
use std::sync::atomic::Ordering;

impl Engine {
    /// A block of the interpreter has warmed up, died or been compiled. True: run it in the interpreter all the same.
    pub(super) fn attend(&self, cpu: &mut Vcpu, b: &Block0, base: &mut Baseline) -> bool {
        if b.dead.load(Ordering::Acquire) {
            cpu.caches.remember(b.pc, ptr::null());
            return false;
        }
        if b.native() != 0 {
            return false;
        }
        if self.config.baseline() {
            cpu.phase(Phase::Compile);
            let done = self.tier1.promote_baseline(base, b, &cpu.shared);
            cpu.phase(Phase::Dispatch);
            match done {
                Some(true) => return false,
                Some(false) => {}
                None => {
                    b.cool(RETRY);
                    return true;
                }
            }
        } else {
            self.queue(cpu, b);
        }
        if b.native() != 0 {
            return false;
        }
        b.never_hot(self.config.collect.stats);
        // A worker may have published between the two looks.
        if b.native() != 0 {
            b.call_attention();
        }
        true
    }

    /// Baseline code at the guest pc has run often: a trace may begin there, or it is time for the optimizing compiler.
    pub(super) fn hot(&self, cpu: &mut Vcpu, s: &mut Scratch) {
        let key = (cpu.frame.guest.pc, cpu.mode());
        let found = {
            let t = self.tier1.tables.read();
            let tier = t.entry(key).map(|e| e.tier);
            t.block(key).map(|b| (ptr::from_ref(b), tier))
        };
        let Some((b, tier)) = found else {
            if key.1 == MODE && self.tier1.images.find(key.0).is_some() {
                cpu.phase(Phase::Translate);
                self.tier1.revive(&mut s.maker, key.0);
                cpu.phase(Phase::Dispatch);
            }
            return;
        };
        // SAFETY: found in the table while this CPU is in its epoch.
        let b = unsafe { &*b };
        let shard = cpu.shared.shard.load(Ordering::Relaxed);
        let Some(tier) = tier.filter(|t| *t != Tier::Optimized) else {
            return;
        };
        if !b.round_over(shard) {
            return;
        }
        let left = self.config.threshold as u64;
        let left = left.saturating_sub(b.own_executions()).min(i32::MAX as u64) as i32;
        if tier == Tier::Baseline && left > 0 {
            cpu.phase(Phase::Compile);
            let (base, maker) = (&mut s.baseline, &mut s.maker);
            if !self.tier1.promote_trace(base, maker, b, &cpu.shared) {
                b.count_down(left);
            }
            cpu.phase(Phase::Dispatch);
            return;
        }
        b.never_hot(self.config.collect.stats);
        if !cpu.has_many_nans(b.pc) {
            self.second_chances(b);
            self.queue(cpu, b);
        }
    }

    /// For the blocks of the code that begins with this one.
    fn second_chances(&self, b: &Block0) {
        let t = self.tier1.tables.read();
        let unit = b.unit().map(|u| u.0);
        for r in unit.iter().flat_map(|u| &u.ranges) {
            if let Some(b) = t.block((r.0, b.mode)) {
                b.second_chance();
            }
        }
    }

    /// Native code left for the interpreter to repeat an instruction. `s`: for what has to be revived.
    pub(super) fn retry(&self, cpu: &mut Vcpu, s: &mut Scratch) {
        if cpu.left_at_nan() {
            cpu.phase(Phase::Compile);
            let key = (cpu.frame.guest.pc, cpu.mode());
            let any = self.tier1.retreat(&mut s.maker, key);
            cpu.gave_up(any);
            cpu.phase(Phase::Dispatch);
        }
    }

    /// Has the optimizing compiler look at a block.
    fn queue(&self, cpu: &mut Vcpu, b: &Block0) {
        if b.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let key = (b.pc, b.mode);
        match self.config.jit {
            JitMode::Off => {}
            JitMode::Background => {
                self.tier1.enqueue(key);
                self.tier1.start_workers(self.config.threads);
            }
            JitMode::Sync => {
                let mut w = self.sync.lock();
                if w.is_none() {
                    *w = self.tier1.worker();
                }
                if let Some(w) = w.as_mut() {
                    cpu.phase(Phase::Compile);
                    self.tier1
                        .promote(w, key, self.tier1.since(), Some(&cpu.shared));
                    cpu.phase(Phase::Dispatch);
                }
            }
        }
    }
}
