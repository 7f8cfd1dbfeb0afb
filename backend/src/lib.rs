//! IR to host code: bytecode for tier 0, Cranelift for tier 1.
//!
//! The only crate that names Cranelift, and it knows no guest architecture: registers are slots at offsets, system
//! operations are helpers in a table.

pub mod abi;
pub mod bytecode;
