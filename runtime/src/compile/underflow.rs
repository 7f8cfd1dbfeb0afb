//! Underflow as the guest sees it, for who looks at FPSR.
//!
//! The guest looks for what is too small before rounding, the host after it: a product that is rounded up to the smallest normal number
//! underflows for the one and not for the other. A region that finds those compares each product and narrowed number with that
//! number, which makes arithmetic on doubles up to a half slower; and hardly any program ever asks. So regions begin to when a CPU first reads or
//! writes FPSR by an instruction: what *overlooks* underflow is retired then, in images too, and no longer made. Baseline code always looks.
//!
//! What regions have overlooked before that stays overlooked: who never cleared FPSR may find UFC clear, as may who looks at it in a signal frame
//! only.

use crate::compile::tier1::Tier1;
use crate::stats::EndReason;
use crate::vcpu::caches::forget_code;
use std::sync::atomic::Ordering;

impl Tier1 {
    /// A CPU accesses FPSR: nobody enters a region again that overlooks underflow.
    pub(crate) fn look_for_underflow(&self) {
        let mut t = self.tables.write();
        self.underflow.store(true, Ordering::SeqCst);
        let images = self.images.refuse();
        let inexact = t.units().filter(|u| u.overlooks).map(|u| u.id);
        let inexact: Vec<u64> = inexact.collect();
        if inexact.is_empty() && images.is_empty() {
            return;
        }
        tracing::debug!(target: "compile", "FPSR is used: {} regions are given up", inexact.len());
        let epoch = self.epoch.load(Ordering::SeqCst);
        for id in inexact {
            let gone = t.retire_unit(id, epoch, self.unlinked());
            self.count_dropped(gone, EndReason::Underflow);
        }
        for i in images {
            for c in self.cpus.lock().iter() {
                forget_code(&c.jumps, i.code());
            }
        }
        self.tell_cpus(&mut t, None);
        // Others may be in a loop that has just been retired.
        self.stop_all();
        self.free(&mut t);
    }
}
