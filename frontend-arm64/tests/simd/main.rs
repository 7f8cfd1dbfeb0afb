//! Scalar FP, AdvSIMD and crypto rows: each is reachable, named and delimited as binutils has it, translated, and executed
//! with the same result as under QEMU.

#[path = "../../../ir/tests/oracle/mod.rs"]
mod oracle;

mod disassembly;
mod execute;
mod features;
mod words;
