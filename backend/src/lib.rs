//! IR to host code: bytecode for tier 0, Cranelift for tier 1.
//!
//! The only crate that names Cranelift, and it knows no guest architecture: registers are slots at offsets, system
//! operations are helpers in a table.

pub mod abi;
pub mod arena;
pub mod baseline;
pub mod bytecode;
mod compact;
pub mod emit;
mod flow;
pub mod host;
pub mod listing;
mod lower;
mod pcmap;
pub mod stubs;
