//! One guest CPU: its frame (header and registers, what generated code sees) and what the dispatcher keeps for it.

pub(crate) mod caches;
mod rare;

use crate::compile::tier1::Tier1;
use crate::stats::{Clock, Counter, CpuCounts, Phase};
use caches::Caches;
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::state::GuestState;
use metaphrase_backend::abi::{ChainSlot, FrameHeader, HEADER_SIZE, JumpEntry, LEAST};
use metaphrase_backend::bytecode::Bytecode;
use metaphrase_backend::bytecode::build::TEMPS;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// What the state pointer points to.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Frame {
    /// Shared with generated code.
    pub header: FrameHeader,
    pad: [u8; HEADER_SIZE as usize - size_of::<FrameHeader>()],
    /// The guest's registers.
    pub guest: GuestState,
    /// Tier 0's temporaries; the first is always zero.
    pub temps: [u128; TEMPS as usize],
    /// Line address of the last IC IVAU whose effect is still to come.
    pub ic_ivau: u64,
    /// Address that a memory copy or set of the guest could not access (and whether it was to be written): delivered at the next stop.
    pub bulk_fault: Option<(u64, bool)>,
    /// Features advertised to this guest.
    pub feats: FeatSet,
    /// Whether translated code is active: MXCSR is the guest's.
    pub in_code: bool,
    /// The CPU's counts, for helpers and the interpreter.
    counts: *const CpuCounts,
    /// What the engine that it runs on has translated.
    pub(crate) translations: *const Tier1,
}

/// Frame offset of [`Frame::temps`].
pub const TEMPS_OFFSET: u32 = offset_of!(Frame, temps) as u32;

/// MXCSR with all exceptions masked, round to nearest, no sticky bits.
pub const MXCSR_DEFAULT: u32 = 0x1f80;

impl Frame {
    /// Features advertised to this guest.
    pub fn features(&self) -> FeatSet {
        self.feats
    }

    /// The CPU's counts.
    #[inline]
    pub fn counts(&self) -> &CpuCounts {
        // SAFETY: set in `Vcpu::new` to what the CPU's `shared` owns, which lives as long as the frame.
        unsafe { &*self.counts }
    }

    /// The bytecode behind a cell of baseline code that the process did not compile itself.
    pub(crate) fn bytecode(&self, cell: &ChainSlot) -> Option<&Bytecode> {
        // SAFETY: set when the CPU entered the engine, which outlives its run.
        unsafe { self.translations.as_ref() }?.bytecode(cell)
    }

    /// Adds MXCSR's sticky bits to the guest's FPSR and gives Rust its default MXCSR. Does nothing outside translated code.
    pub fn fold_host_flags(&mut self) {
        if self.in_code {
            let m = host_mxcsr();
            self.fold(m);
            set_host_mxcsr(MXCSR_DEFAULT);
        }
    }

    /// As [`Self::fold_host_flags`] for who leaves MXCSR alone: its bits stay, and are added again another time.
    pub fn gather_flags(&mut self) {
        let m = if self.in_code { host_mxcsr() } else { 0 };
        self.fold(m);
    }

    /// Forgets what was raised since FPSR was written. MXCSR is written only if it has to be: that takes longer than reading it.
    pub fn clear_host_flags(&mut self) {
        self.header.saturated = 0;
        if self.in_code && host_mxcsr() != self.header.guest_mxcsr {
            set_host_mxcsr(self.header.guest_mxcsr);
        }
    }

    /// Adds the sticky bits of an MXCSR value, and saturation noted by translated code, to FPSR. x86's DE has no counterpart while FZ is 0.
    pub fn fold(&mut self, mxcsr: u32) {
        // x86: IE 0, DE 1, ZE 2, OE 3, UE 4, PE 5. Arm: IOC 0, DZC 1, OFC 2, UFC 3, IXC 4.
        self.guest.fpsr |= mxcsr & 1 | mxcsr >> 1 & 0x1e;
        if std::mem::take(&mut self.header.saturated) != 0 {
            self.guest.fpsr |= metaphrase_ir::arith::simd::QC;
        }
    }

    /// Lets MXCSR in translated code round as FPCR says. (Arm: nearest, up, down, to zero; x86: nearest, down, up, to zero.)
    pub fn set_rounding(&mut self) {
        let mode = self.guest.fpcr >> 22 & 3;
        self.header.guest_mxcsr = MXCSR_DEFAULT | (mode >> 1 | mode << 1 & 2) << 13;
    }

    /// Back to the guest's MXCSR when a helper returns to translated code.
    pub fn restore_guest_mxcsr(&mut self) {
        if self.in_code {
            set_host_mxcsr(self.header.guest_mxcsr);
        }
    }
}

fn host_mxcsr() -> u32 {
    let mut m = 0u32;
    // SAFETY: stores a control register to a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut m, options(nostack, preserves_flags)) };
    m
}

fn set_host_mxcsr(m: u32) {
    // SAFETY: loads a control register whose exceptions are all masked.
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &m, options(nostack, preserves_flags, readonly))
    };
}

const _: () = assert!(offset_of!(Frame, guest) == HEADER_SIZE as usize);

/// One guest CPU. Not `Sync`: only its thread runs it; others reach it through [`StopHandle`].
#[derive(Debug)]
pub struct Vcpu {
    /// The frame; boxed because generated code and signal handlers hold its address.
    pub frame: Box<Frame>,
    /// The jump cache behind `header.jump_cache`, and the dispatcher's own.
    pub(crate) caches: Caches,
    /// What other threads may see of this CPU.
    pub(crate) shared: Arc<CpuShared>,
    pub(crate) helper_table: Box<[u64]>,
    /// The engine that it ran on last.
    pub(crate) engine: u64,
    /// The epoch in which it left that.
    pub(crate) left: u64,
    pub(crate) clock: Clock,
    pub(crate) rare: rare::Window,
    pub(crate) exits: rare::Exits,
    /// Whether it has been seen to use FPSR.
    uses_fpsr: bool,
}

/// What other threads may see of a CPU.
#[derive(Debug, Default)]
pub struct CpuShared {
    /// Epoch in which the CPU entered guest code; 0 while it is outside (system calls, dispatcher of another engine).
    pub(crate) active: AtomicU64,
    /// Address of its stop word.
    pub(crate) stop: AtomicU64,
    /// Where its jump caches are.
    pub(crate) jumps: caches::Shared,
    /// Where its code counts executions ([`crate::cache::counter`]).
    pub(crate) shard: AtomicUsize,
    /// What it counts.
    pub(crate) counts: CpuCounts,
    /// What it does ([`Phase`]), while its clock runs.
    pub(crate) phase: AtomicU8,
}

impl CpuShared {
    /// A word of its frame's header that translated code writes, by its offset; 0 before the CPU ran.
    pub(crate) fn header_word(&self, offset: usize) -> u64 {
        let stop = self.stop.load(Ordering::SeqCst) as usize;
        if stop == 0 {
            return 0;
        }
        let word = stop - offset_of!(FrameHeader, stop) + offset;
        // SAFETY: a CPU's frame outlives its registration; the word is aligned.
        unsafe { (*(word as *const AtomicU64)).load(Ordering::Relaxed) }
    }
}

impl Vcpu {
    /// A CPU with all registers zero.
    pub fn new() -> Vcpu {
        let caches = Caches::new();
        let shared = Arc::new(CpuShared::default());
        let frame = Box::new(Frame {
            header: FrameHeader {
                stop: AtomicU32::new(0),
                guest_mxcsr: 0x1f80,
                jump_cache: caches.jumps().as_ptr() as u64,
                look_up: 0,
                helpers: 0,
                trap: 0,
                fault_addr: 0,
                fault_info: 0,
                host_mxcsr: 0x1f80,
                scratch: 0,
                owner: 0,
                saturated: 0,
                rare: 0,
                rare_pc: 0,
                fpsr_used: 0,
                least: LEAST,
                region: 0,
                jump_hits: 0,
            },
            pad: [0; HEADER_SIZE as usize - size_of::<FrameHeader>()],
            guest: GuestState::default(),
            temps: [0; TEMPS as usize],
            ic_ivau: 0,
            bulk_fault: None,
            feats: FeatSet::V8_0,
            in_code: false,
            counts: &raw const shared.counts,
            translations: std::ptr::null(),
        });
        Vcpu {
            frame,
            caches,
            shared,
            helper_table: Box::default(),
            engine: 0,
            left: 0,
            clock: Clock::default(),
            rare: rare::Window::default(),
            exits: rare::Exits::default(),
            uses_fpsr: false,
        }
    }

    /// Counts one event.
    #[inline(always)]
    pub(crate) fn count(&self, c: Counter) {
        self.shared.counts.counters.add(c, 1);
    }

    /// Counts several.
    #[inline(always)]
    pub(crate) fn count_n(&self, c: Counter, n: u64) {
        self.shared.counts.counters.add(c, n);
    }

    /// Whether it has accessed FPSR since this was last asked, for the first time.
    pub(crate) fn begins_to_use_fpsr(&mut self) -> bool {
        let before = self.uses_fpsr;
        self.uses_fpsr = self.frame.header.fpsr_used != 0;
        self.uses_fpsr && !before
    }

    /// Changes what its time is spent on.
    #[inline(always)]
    pub(crate) fn phase(&mut self, p: Phase) {
        self.clock.to(p, &self.shared.counts, &self.shared.phase);
    }

    /// Mode bits that its caches are valid for.
    pub(crate) fn mode(&self) -> u64 {
        self.caches.mode()
    }

    /// The guest runs in another mode from now on.
    pub(crate) fn select(&mut self, mode: u64) {
        let fresh = self.caches.select(mode, &self.shared.jumps);
        self.count_n(Counter::CacheFlushes, fresh as u64);
        self.frame.header.jump_cache = self.caches.jumps().as_ptr() as u64;
    }

    /// Moves its jump cache to huge pages. The caller holds the tables' lock.
    pub(crate) fn move_jumps(&mut self) {
        self.caches.move_jumps(&self.shared.jumps);
        self.frame.header.jump_cache = self.caches.jumps().as_ptr() as u64;
    }

    /// Has no caches but fresh ones. Not while registered with an engine.
    pub(crate) fn forget_all(&mut self) {
        self.caches = Caches::new();
        // Fresh ones are of the mode that rounds to nearest, until the CPU next enters guest code.
        self.frame.header.guest_mxcsr = MXCSR_DEFAULT;
        for a in &self.shared.jumps {
            a.store(0, Ordering::SeqCst);
        }
        self.frame.header.jump_cache = self.caches.jumps().as_ptr() as u64;
    }

    /// Removes blocks retired up to number `now` from its cache.
    pub(crate) fn catch_up(&mut self, now: u64, log: &caches::Log) {
        let kept = self.caches.catch_up(now, log);
        self.count_n(Counter::CacheFlushes, !kept as u64);
    }

    /// The jump cache, for tests.
    pub fn jump_cache(&self) -> &[JumpEntry] {
        self.caches.jumps()
    }

    /// The guest's registers.
    pub fn regs(&self) -> &GuestState {
        &self.frame.guest
    }

    /// The guest's registers, to change. After changing FPCR nothing else needs to be done: the dispatcher re-keys.
    pub fn regs_mut(&mut self) -> &mut GuestState {
        &mut self.frame.guest
    }

    /// Asks the CPU to leave translated code at its next poll. Async-signal-safe.
    pub fn request_stop(&self) {
        self.frame.header.stop.store(1, Ordering::SeqCst);
    }

    /// Address of the stop word, for signal handlers and other threads.
    pub fn stop_word(&self) -> *const AtomicU32 {
        &self.frame.header.stop
    }
}

impl Default for Vcpu {
    fn default() -> Self {
        Vcpu::new()
    }
}

// SAFETY: a CPU is used by one thread at a time; its raw pointers are cached translations that any thread of the engine may use.
unsafe impl Send for Vcpu {}
