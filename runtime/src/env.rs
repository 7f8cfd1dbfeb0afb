//! What the engine asks of the world around a CPU: a Linux process or a machine. One object per CPU (thread), so that it can
//! keep state of its own; whatever CPUs share lies behind its own locks.

use crate::vcpu::Vcpu;

/// What to do after an environment call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Go on at the guest pc in the CPU's state.
    Continue,
    /// Leave `run` with this code (the environment knows what it means).
    Leave(i32),
}

/// Which access faulted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Data read.
    Read,
    /// Data write.
    Write,
    /// Instruction fetch.
    Fetch,
}

/// A synchronous exception of the guest. The CPU's state is exact; its pc is the instruction concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exception {
    /// SVC with its immediate; pc is already the *next* instruction.
    Svc(u16),
    /// BRK with its immediate.
    Brk(u16),
    /// Undefined (unallocated, or a feature that is not advertised).
    Undefined,
    /// Decoded but not implemented in this build; acts as undefined. The word.
    Unimplemented(u32),
    /// A memory access failed.
    Fault {
        /// Guest address of the access.
        addr: u64,
        /// What was attempted.
        access: Access,
        /// True: mapped, but the permissions forbid it (SEGV_ACCERR); false: not mapped.
        permission: bool,
        /// True: a bus error (beyond the end of a file mapping, misaligned exclusive).
        bus: bool,
    },
    /// Misaligned access of an instruction that demands alignment.
    Alignment {
        /// The address.
        addr: u64,
    },
}

/// The world around one CPU.
pub trait Environment {
    /// The word at a guest address for execution, or `None` if it cannot be executed. Never faults the host.
    fn fetch(&mut self, pc: u64) -> Option<u32>;
    /// Delivers an exception (system call, fault, ...).
    fn exception(&mut self, cpu: &mut Vcpu, e: Exception) -> Flow;
    /// The CPU's stop flag was seen set (and has been cleared): signals, interrupts. State is exact at an instruction boundary.
    fn interrupted(&mut self, cpu: &mut Vcpu) -> Flow;
}
