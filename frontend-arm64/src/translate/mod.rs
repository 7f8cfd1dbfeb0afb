//! Insn to IR, one file per manual class.
