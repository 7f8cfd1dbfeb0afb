//! One guest CPU: its frame (header and registers, what generated code sees) and what the dispatcher keeps for it.

use metaphrase_arm64::arch::state::GuestState;
use metaphrase_backend::abi::{FrameHeader, HEADER_SIZE, JUMP_ENTRIES, JumpEntry};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What the state pointer points to.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Frame {
    /// Shared with generated code.
    pub header: FrameHeader,
    pad: [u8; HEADER_SIZE as usize - size_of::<FrameHeader>()],
    /// The guest's registers.
    pub guest: GuestState,
}

const _: () = assert!(offset_of!(Frame, guest) == HEADER_SIZE as usize);

/// One guest CPU. Not `Sync`: only its thread runs it; others reach it through [`StopHandle`].
#[derive(Debug)]
pub struct Vcpu {
    /// The frame; boxed because generated code and signal handlers hold its address.
    pub frame: Box<Frame>,
    /// The jump cache behind `header.jump_cache`.
    pub jump_cache: Box<[JumpEntry]>,
}

impl Vcpu {
    /// A CPU with all registers zero.
    pub fn new() -> Vcpu {
        let jump_cache: Box<[JumpEntry]> = (0..JUMP_ENTRIES)
            .map(|_| JumpEntry {
                pc: AtomicU64::new(u64::MAX),
                code: AtomicU64::new(0),
            })
            .collect();
        let frame = Box::new(Frame {
            header: FrameHeader {
                stop: AtomicU32::new(0),
                guest_mxcsr: 0x1f80,
                jump_cache: jump_cache.as_ptr() as u64,
                helpers: 0,
                trap: 0,
                fault_addr: 0,
                fault_info: 0,
                host_mxcsr: 0x1f80,
                scratch: 0,
                owner: 0,
            },
            pad: [0; HEADER_SIZE as usize - size_of::<FrameHeader>()],
            guest: GuestState::default(),
        });
        Vcpu { frame, jump_cache }
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
