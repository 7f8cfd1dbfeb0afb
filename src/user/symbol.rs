//! Names for guest addresses in messages: mapped file and offset, and the symbol when the file has one. Slow; for the last words of a
//! process and for statistics only.

use super::task::Process;
use object::{Object, ObjectSegment, ObjectSymbol};
use std::path::Path;

/// "0x401234 (main+0x10 in /usr/bin/prog)", as far as it can be told.
pub fn describe(process: &Process, pc: u64) -> String {
    match locate(process, pc) {
        Some(text) => format!("{pc:#x} ({text})"),
        None => format!("{pc:#x}"),
    }
}

fn locate(process: &Process, pc: u64) -> Option<String> {
    if (process.vdso..process.vdso + super::vdso::SIZE).contains(&pc) {
        return Some("vDSO".into());
    }
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let (start, offset, path) = maps.lines().find_map(|l| containing(l, pc))?;
    if path.is_empty() {
        return None;
    }
    let in_file = pc - start + offset;
    let symbol = symbol_at(Path::new(&path), in_file);
    Some(match symbol {
        Some((name, 0)) => format!("{name} in {path}"),
        Some((name, off)) => format!("{name}+{off:#x} in {path}"),
        None => format!("{path}+{in_file:#x}"),
    })
}

/// Start, file offset and path of a maps line that contains `pc`.
fn containing(line: &str, pc: u64) -> Option<(u64, u64, String)> {
    let mut f = line.split_ascii_whitespace();
    let (start, end) = f.next()?.split_once('-')?;
    let (start, end) = (
        u64::from_str_radix(start, 16).ok()?,
        u64::from_str_radix(end, 16).ok()?,
    );
    let offset = u64::from_str_radix(f.nth(1)?, 16).ok()?;
    let path = f.nth(2).unwrap_or("").to_string();
    (start..end).contains(&pc).then_some((start, offset, path))
}

/// The function symbol at a file offset, and the distance from it.
fn symbol_at(path: &Path, in_file: u64) -> Option<(String, u64)> {
    let data = std::fs::read(path).ok()?;
    let file = object::File::parse(&*data).ok()?;
    let addr = file.segments().find_map(|s| {
        let (at, size) = s.file_range();
        (at..at + size)
            .contains(&in_file)
            .then(|| in_file - at + s.address())
    })?;
    let best = file
        .symbols()
        .chain(file.dynamic_symbols())
        .filter(|s| {
            s.kind() == object::SymbolKind::Text
                && s.address() <= addr
                && addr - s.address() < s.size().max(4)
        })
        .max_by_key(|s| s.address())?;
    Some((best.name().ok()?.to_string(), addr - best.address()))
}
