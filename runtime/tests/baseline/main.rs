//! Baseline code against tier 0: the same bytecode, executed by both from the same state, must leave the same registers, flag
//! triples, memory and exit. The bytecode is random op by op ([`ops`]), and from random AArch64 words ([`words`]), in chains of blocks too ([`traces`]).

mod fp;
mod harness;
mod ops;
mod traces;
mod words;
