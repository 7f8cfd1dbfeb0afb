//! Tier 1: choosing regions, compiling them, publishing and evicting code.
//!
//! A CPU that meets a hot block only queues its key; workers (or the CPU itself in sync mode) do the rest. Compilation reads
//! nothing but tier-0 blocks, so guest memory may change meanwhile: at publication every block the region was made from must still
//! be in the table, else the result is thrown away.

pub mod cpu_time;
mod cpus;
pub mod make;
mod own;
mod placed;
mod record;
pub mod region;
mod retreat;
pub mod tier1;
pub mod trace;
mod underflow;

/// Executions in the interpreter before a block gets baseline code; with a threshold that is not higher there is none.
pub const WARM: u32 = 2;
