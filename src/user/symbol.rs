//! Names for guest addresses in messages. Slow; for the last words of a process.

use super::task::Process;
use crate::report::symbols::Symbols;
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_runtime::debug::refused;
use metaphrase_runtime::sync::Mutex;
use std::collections::BTreeSet;

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

/// Says once for each instruction that this build does not translate it.
pub fn not_implemented(word: u32, pc: u64) {
    static SAID: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock();
    if said.len() < 1000 && said.insert(word) {
        let name = refused::name(word);
        eprintln!("metaphrase: instruction {name} ({word:#010x}) at {pc:#x} is not implemented");
    }
}

/// What the word at `pc` is, if that tells why it was refused; else nothing.
pub fn refused_at(feats: FeatSet, pc: u64) -> String {
    let Ok(word) = super::uaccess::read::<u32>(pc) else {
        return String::new();
    };
    match refused::describe(word, feats) {
        why if why.is_empty() => format!(", instruction {word:#010x}"),
        why => format!(", instruction {word:#010x} is {why}"),
    }
}
