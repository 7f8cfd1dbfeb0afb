//! Linux user mode: an AArch64 process inside this one. Guest address = host address; guest threads are host threads.
//!
//! Must not know how instructions are translated: it talks to [`metaphrase_runtime`] through `Engine` and `Environment`.

pub mod abi;
pub mod account;
pub mod elf;
pub mod fd;
pub mod host;
pub mod images;
pub mod limits;
pub mod memory;
pub mod neighbour;
pub mod options;
pub mod path;
pub mod placement;
pub mod procfs;
pub mod program;
pub mod random;
pub mod rseq;
pub mod sigframe;
pub mod signal;
pub mod stack;
pub mod start;
pub mod strace;
pub mod symbol;
pub mod syscall;
pub mod task;
pub mod thread;
pub mod uaccess;
pub mod vdso;
pub mod vfork;

/// Descriptors that a copy of us inherits for a moment are put from here up, away from what guests use.
pub const OWN_FD_BASE: i32 = 960;
