//! metaphrase: runs AArch64 programs on x86-64. The product: command line, Linux user mode, machines.

pub mod cli;
pub mod report;
pub mod user;
