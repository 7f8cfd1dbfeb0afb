//! Linux user mode: an AArch64 process inside this one. Guest address = host address; guest threads are host threads.
//!
//! Must not know how instructions are translated: it talks to [`metaphrase_runtime`] through `Engine` and `Environment`.

pub mod abi;
pub mod elf;
pub mod fd;
pub mod host;
pub mod limits;
pub mod memory;
pub mod path;
pub mod strace;
pub mod syscall;
pub mod task;
pub mod uaccess;
