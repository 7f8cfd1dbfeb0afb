//! Decoding: one aligned row per encoding (see the class files), compiled into a look-up by the word's top bits.
//!
//! Three kinds of refusal are kept apart: unallocated, not implemented (a row without translation), unpredictable.

pub mod dp_imm;
pub mod imm;
pub mod pattern;

pub use dp_imm::DpImm;

/// A decoded instruction, by manual class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Insn {
    /// Data processing (immediate).
    DpImm(DpImm),
}
