//! Translations: where they are, how they are found, linked and dropped.

pub mod block;
pub mod tables;

/// Landing for a fault at host address `pc` inside translated code. Async-signal-safe.
pub fn landing(_pc: u64) -> Option<u64> {
    None
}
