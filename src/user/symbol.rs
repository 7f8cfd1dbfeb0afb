//! Names for guest addresses in messages. Slow; for the last words of a process.

use super::task::Process;
use crate::report::symbols::Symbols;

/// "0x401234 (main+0x10 in prog)", as far as it can be told.
pub fn describe(process: &Process, pc: u64) -> String {
    let vdso = process.vdso..process.vdso + super::vdso::SIZE;
    let name = match vdso.contains(&pc) {
        true => Some("vDSO".to_string()),
        false => Symbols::of_this_process().name(pc),
    };
    match name {
        Some(name) => format!("{pc:#x} ({name})"),
        None => format!("{pc:#x}"),
    }
}
