//! `/tmp/perf-PID.map`: names of translated code for Linux perf (tools/perf/Documentation/jit-interface.txt): one line for each region,
//! "START SIZE name" with hexadecimal numbers without prefix. Regions whose place was used again are left out: the format has no time.

use crate::stats::RegionRecord;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where perf looks for the map of a process.
pub fn path(pid: u32) -> PathBuf {
    format!("/tmp/perf-{pid}.map").into()
}

/// Name of a region: `guest:symbol@pc`.
pub fn region_name(pc: u64, symbol: Option<String>) -> String {
    match symbol {
        // A line is split at spaces only twice, but other tools are less careful.
        Some(s) => format!("guest:{}@{pc:#x}", s.replace(char::is_whitespace, "_")),
        None => format!("guest@{pc:#x}"),
    }
}

/// Writes the map of all regions that are alive.
pub fn write(
    to: &Path,
    regions: &[RegionRecord],
    mut name: impl FnMut(u64) -> Option<String>,
) -> io::Result<()> {
    let mut out = Vec::new();
    for r in regions.iter().filter(|r| r.ended.is_none()) {
        let name = region_name(r.pc, name(r.pc));
        writeln!(out, "{:x} {:x} {name}", r.host, r.host_bytes)?;
    }
    let mut file = create_new(to)?;
    file.write_all(&out)
}

/// A fresh file of our own: /tmp belongs to everybody, so an old file is replaced and never followed or written into.
fn create_new(path: &Path) -> io::Result<std::fs::File> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    std::fs::File::create_new(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::EndReason;

    #[test]
    fn lines_are_start_size_name() {
        let live = RegionRecord {
            pc: 0x40_0100,
            host: 0x7f00_0000_1000,
            host_bytes: 0x1c0,
            ..RegionRecord::default()
        };
        let gone = RegionRecord {
            ended: Some((1, EndReason::Evicted)),
            ..live.clone()
        };
        let other = RegionRecord {
            pc: 0x50_0000,
            ..live.clone()
        };
        let dir = std::env::temp_dir().join(format!("metaphrase-perf-map-{}", std::process::id()));
        let name = |pc| (pc == 0x40_0100).then(|| "main+0x4 in a.out".to_string());
        // Twice: an old map is replaced.
        write(&dir, std::slice::from_ref(&other), name).unwrap();
        write(&dir, &[live, gone, other], name).unwrap();
        let text = std::fs::read_to_string(&dir).unwrap();
        std::fs::remove_file(&dir).unwrap();
        assert_eq!(
            text,
            "7f0000001000 1c0 guest:main+0x4_in_a.out@0x400100\n7f0000001000 1c0 guest@0x500000\n"
        );
    }
}
