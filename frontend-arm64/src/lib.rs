//! What AArch64 code means: decoding words into typed instructions, and translating those to IR.
//!
//! This crate knows no host and no runtime: it turns guest words into [`metaphrase_ir::Unit`]s.

pub mod arch;
pub mod decode;
pub mod translate;
