//! The intermediate language between guest front ends and host back ends.
//!
//! A [`unit::Unit`] is a control-flow graph of guest code: blocks of single-assignment instructions that read and
//! write *guest-state slots* (registers) and guest memory, each block ending in an [`exit::Exit`]. Values never
//! cross a block boundary; what crosses it is guest state. That keeps every consumer simple: tier 0 turns a block
//! into bytecode, tier 1 turns slots into SSA variables of its own, the oracle in [`interp`] just executes.
//!
//! This crate knows no guest architecture and no host. What an instruction *means* on plain values is written once,
//! in [`arith`]; folder, interpreters, tier-0 bytecode and the helpers behind generated code all call it.

pub mod arith;
pub mod builder;
pub mod display;
pub mod exit;
pub mod flags;
pub mod guest;
pub mod helper;
pub mod inst;
pub mod interp;
pub mod ops;
pub mod ops_vector;
pub mod opt;
pub mod parse;
pub mod testing;
pub mod types;
pub mod unit;
pub mod verify;

pub use builder::Builder;
pub use exit::{Dest, Exit, IndirectKind, TrapKind};
pub use flags::{Cond, FlagsKind};
pub use guest::{Slot, SlotInfo, SlotTable};
pub use inst::{Inst, MemInfo, Order, Shape, Value};
pub use ops::Op;
pub use types::Type;
pub use unit::{Block, BlockId, Unit};
