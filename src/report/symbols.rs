//! Names for guest addresses: from the symbol tables of the ELF files that are mapped where the addresses lie. Reads files, so it is for the
//! end of a process and for tools only.

use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A file mapping of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    path: PathBuf,
}

/// Functions of one ELF file.
#[derive(Debug, Default)]
pub struct FileSymbols {
    /// Loaded ranges: file offset, size, address.
    segments: Vec<(u64, u64, u64)>,
    /// Address, size (0 unknown), name; ascending.
    functions: Vec<(u64, u64, String)>,
    /// Stubs for calls into libraries.
    plt: Vec<(u64, u64)>,
}

impl FileSymbols {
    /// Reads a file; empty if it is none that can be read.
    pub fn load(path: &Path) -> FileSymbols {
        let Ok(data) = std::fs::read(path) else {
            return FileSymbols::default();
        };
        object::File::parse(&*data).map_or_else(|_| FileSymbols::default(), |f| FileSymbols::of(&f))
    }

    /// The functions of a parsed file.
    pub fn of(file: &object::File<'_>) -> FileSymbols {
        let segments = file.segments().map(|s| {
            let (offset, size) = s.file_range();
            (offset, size, s.address())
        });
        let mut functions: Vec<(u64, u64, String)> = file
            .symbols()
            .chain(file.dynamic_symbols())
            .filter(|s| s.kind() == SymbolKind::Text && s.is_definition())
            .filter_map(|s| Some((s.address(), s.size(), s.name().ok()?.to_string())))
            // $x and $d mark code and data (AAELF64).
            .filter(|(_, _, name)| !name.is_empty() && !name.starts_with('$'))
            .collect();
        // Of several names for one place the sized ones first, then the shortest.
        functions.sort_by_key(|f| (f.0, std::cmp::Reverse(f.1), f.2.len(), f.2.clone()));
        functions.dedup_by_key(|f| f.0);
        let plt = file
            .sections()
            .filter(|s| s.name().is_ok_and(|n| n.starts_with(".plt")))
            .map(|s| (s.address(), s.address() + s.size()));
        FileSymbols {
            segments: segments.collect(),
            plt: plt.collect(),
            functions,
        }
    }

    fn address_of(&self, in_file: u64) -> Option<u64> {
        let s = self
            .segments
            .iter()
            .find(|s| in_file >= s.0 && in_file - s.0 < s.1)?;
        Some(in_file - s.0 + s.2)
    }

    /// The function at an address of the file, and the distance from its beginning.
    pub fn function(&self, address: u64) -> Option<(&str, u64)> {
        let i = self.functions.partition_point(|f| f.0 <= address);
        let (start, size, name) = self.functions.get(i.checked_sub(1)?)?;
        let off = address - start;
        // A function without a size (assembly) reaches to the next one.
        let inside = match size {
            0 => off < 0x1000,
            n => off < *n,
        };
        inside.then_some((name, off))
    }

    /// Address of a function by name.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.functions.iter().find(|f| f.2 == name).map(|f| f.0)
    }

    /// Every function: address, size, name.
    pub fn functions(&self) -> &[(u64, u64, String)] {
        &self.functions
    }

    /// "name+0x10", or what else can be said about an address of the file.
    pub fn describe(&self, address: u64) -> Option<String> {
        if let Some((name, off)) = self.function(address) {
            return Some(match off {
                0 => name.to_string(),
                _ => format!("{name}+{off:#x}"),
            });
        }
        self.plt
            .iter()
            .any(|r| (r.0..r.1).contains(&address))
            .then(|| "[plt]".to_string())
    }
}

/// Names for the addresses of a running process.
#[derive(Debug, Default)]
pub struct Symbols {
    maps: Vec<Mapping>,
    files: HashMap<PathBuf, FileSymbols>,
}

impl Symbols {
    /// Of this process as it is now.
    pub fn of_this_process() -> Symbols {
        let text = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        Symbols {
            maps: text.lines().filter_map(mapping).collect(),
            files: HashMap::new(),
        }
    }

    /// "name+0x10 in libc.so.6", "libc.so.6+0x1234", or nothing where no file is mapped.
    pub fn name(&mut self, pc: u64) -> Option<String> {
        let i = self.maps.partition_point(|m| m.end <= pc);
        let m = self.maps.get(i).filter(|m| m.start <= pc)?;
        let in_file = pc - m.start + m.offset;
        let base = m.path.file_name()?.to_string_lossy().into_owned();
        if !self.files.contains_key(&m.path) {
            self.files
                .insert(m.path.clone(), FileSymbols::load(&m.path));
        }
        let file = self.files.get(&m.path)?;
        Some(
            match file.address_of(in_file).and_then(|a| file.describe(a)) {
                Some(name) => format!("{name} in {base}"),
                None => format!("{base}+{in_file:#x}"),
            },
        )
    }
}

/// A line of /proc/PID/maps, if it maps a file.
fn mapping(line: &str) -> Option<Mapping> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let path = &rest[rest.find('/')?..];
    let hex = |s: &str| u64::from_str_radix(s, 16).ok();
    Some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        offset: hex(rest.split_ascii_whitespace().nth(1)?)?,
        path: path.strip_suffix(" (deleted)").unwrap_or(path).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_lines() {
        let m = mapping("7f00-7fff r-xp 00001000 08:01 42   /usr/lib/a b.so (deleted)").unwrap();
        assert_eq!(
            (m.start, m.end, m.offset, m.path.to_str()),
            (0x7f00, 0x7fff, 0x1000, Some("/usr/lib/a b.so"))
        );
        assert_eq!(mapping("7f00-7fff rw-p 00000000 00:00 0 "), None);
        assert_eq!(mapping("7f00-7fff rw-p 00000000 00:00 0 [stack]"), None);
    }

    #[test]
    fn this_function_has_its_name() {
        let here = this_function_has_its_name as *const () as u64;
        let name = Symbols::of_this_process().name(here).unwrap();
        assert!(
            name.contains("this_function_has_its_name") && name.contains(" in metaphrase"),
            "{name}"
        );
        let inside = Symbols::of_this_process().name(here + 1).unwrap();
        assert!(inside.contains("+0x1 in "), "{inside}");
        assert_eq!(Symbols::of_this_process().name(16), None);
    }
}
