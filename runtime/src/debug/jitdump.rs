//! `jit-PID.dump`: translated code with its time and names for `perf inject --jit`
//! (tools/perf/Documentation/jitdump-specification.txt, version 1).
//!
//! The file is opened and mapped executable when the guest begins, because that mapping is how `perf record -k mono` learns of it. Records are
//! written at the end, in order of time, when symbols are looked up; regions keep a copy of their code until then.

use super::perf_map::region_name;
use crate::stats::{Detail, Region};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// "JiTD" as a number, in the host's byte order.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_SIZE: u32 = 40;
const EM_X86_64: u32 = 62;
/// Record kinds.
const JIT_CODE_LOAD: u32 = 0;
const JIT_CODE_DEBUG_INFO: u32 = 2;
const JIT_CODE_CLOSE: u32 = 3;
/// Bytes of a record before what belongs to its kind: kind, size, time.
const PREFIX: u32 = 16;

/// An open dump.
#[derive(Debug)]
pub struct JitDump {
    file: File,
    path: PathBuf,
}

impl JitDump {
    /// A forked child writes a dump of its own in the same folder; if it cannot, it has none.
    pub(crate) fn for_child(self) -> Option<JitDump> {
        open(self.path.parent()?).ok()
    }
}

/// Opens `jit-PID.dump` in `folder`, writes the header and leaves the mark for perf.
pub fn open(folder: &Path) -> io::Result<JitDump> {
    let pid = std::process::id();
    let path = folder.join(format!("jit-{pid}.dump"));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    file.write_all(&header(pid, crate::stats::monotonic_ns()))?;
    // SAFETY: a fresh mapping of the file, never read or removed: perf sees that it was made.
    let p = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_EXEC,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    if p == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(JitDump { file, path })
}

/// Where the dump of a process goes, if there is one.
pub fn path_of(d: &Detail) -> Option<PathBuf> {
    d.jitdump.as_ref().map(|j| j.path.clone())
}

/// Writes all records and closes the dump.
pub fn finish(d: &mut Detail, name: impl FnMut(u64) -> Option<String>) -> io::Result<()> {
    let Some(mut dump) = d.jitdump.take() else {
        return Ok(());
    };
    let ids = (std::process::id(), gettid());
    dump.file.write_all(&records(&d.regions, ids, name))
}

fn gettid() -> u32 {
    // SAFETY: asks only.
    unsafe { libc::gettid() as u32 }
}

fn header(pid: u32, now: u64) -> Vec<u8> {
    let mut h = Vec::new();
    for w in [MAGIC, VERSION, HEADER_SIZE, EM_X86_64, 0, pid] {
        h.extend(w.to_ne_bytes());
    }
    h.extend(now.to_ne_bytes());
    h.extend(0u64.to_ne_bytes());
    h
}

fn prefix(out: &mut Vec<u8>, kind: u32, body: u32, time: u64) {
    out.extend(kind.to_ne_bytes());
    out.extend((PREFIX + body).to_ne_bytes());
    out.extend(time.to_ne_bytes());
}

/// Records of all regions, then the close record.
fn records(
    regions: &[Region],
    (pid, tid): (u32, u32),
    mut name: impl FnMut(u64) -> Option<String>,
) -> Vec<u8> {
    let mut out = Vec::new();
    for r in regions {
        let Some(code) = &r.code else { continue };
        debug_info(&mut out, r);
        let name = region_name(r.record.pc, name(r.record.pc));
        prefix(
            &mut out,
            JIT_CODE_LOAD,
            40 + name.len() as u32 + 1 + code.len() as u32,
            r.monotonic_ns,
        );
        out.extend(pid.to_ne_bytes());
        out.extend(tid.to_ne_bytes());
        for w in [r.record.host, r.record.host, code.len() as u64, r.record.id] {
            out.extend(w.to_ne_bytes());
        }
        out.extend(name.as_bytes());
        out.push(0);
        out.extend(&**code);
    }
    let now = crate::stats::monotonic_ns();
    prefix(&mut out, JIT_CODE_CLOSE, 0, now);
    out
}

/// The guest instruction of each host address, as a "line" of the file "guest": its number is the distance from the lowest guest address of
/// the region in instructions, from 1.
fn debug_info(out: &mut Vec<u8>, r: &Region) {
    if r.pcs.is_empty() {
        return;
    }
    let low = r.pcs.iter().map(|p| p.1).min().unwrap_or(0);
    let file = format!("guest-{low:#x}\0");
    let entry = 16 + file.len() as u32;
    prefix(
        out,
        JIT_CODE_DEBUG_INFO,
        16 + entry * r.pcs.len() as u32,
        r.monotonic_ns,
    );
    out.extend(r.record.host.to_ne_bytes());
    out.extend((r.pcs.len() as u64).to_ne_bytes());
    for &(offset, pc) in &r.pcs {
        out.extend((r.record.host + offset as u64).to_ne_bytes());
        out.extend(((pc - low) as u32 / 4 + 1).to_ne_bytes());
        out.extend(0u32.to_ne_bytes());
        out.extend(file.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::RegionRecord;

    fn u32_at(b: &[u8], o: usize) -> u32 {
        u32::from_ne_bytes(b[o..o + 4].try_into().unwrap())
    }
    fn u64_at(b: &[u8], o: usize) -> u64 {
        u64::from_ne_bytes(b[o..o + 8].try_into().unwrap())
    }

    #[test]
    fn records_follow_the_specification() {
        let h = header(7, 99);
        assert_eq!((h.len(), &h[..4]), (40, b"DTiJ".as_slice()));
        assert_eq!(
            (
                u32_at(&h, 4),
                u32_at(&h, 8),
                u32_at(&h, 12),
                u32_at(&h, 20),
                u64_at(&h, 24)
            ),
            (1, 40, 62, 7, 99)
        );
        let r = Region {
            record: RegionRecord {
                id: 3,
                pc: 0x1000,
                host: 0x7000,
                ..RegionRecord::default()
            },
            code: Some([0x90, 0xc3].into()),
            pcs: vec![(0, 0x1000), (1, 0x1004)],
            monotonic_ns: 5,
            ..Region::default()
        };
        let b = records(&[r], (7, 8), |_| Some("f".into()));
        // Debug information precedes its code.
        let file = "guest-0x1000\0".len();
        let first = 16 + 16 + 2 * (16 + file);
        assert_eq!(
            (u32_at(&b, 0), u32_at(&b, 4) as usize, u64_at(&b, 8)),
            (2, first, 5)
        );
        assert_eq!(
            (
                u64_at(&b, 16),
                u64_at(&b, 24),
                u64_at(&b, 32 + 16 + file),
                u32_at(&b, 32 + 24 + file)
            ),
            (0x7000, 2, 0x7001, 2)
        );
        let l = &b[first..];
        let name = b"guest:f@0x1000\0";
        let size = 16 + 40 + name.len() + 2;
        assert_eq!(
            (
                u32_at(l, 0),
                u32_at(l, 4) as usize,
                u32_at(l, 16),
                u32_at(l, 20)
            ),
            (0, size, 7, 8)
        );
        assert_eq!(
            (u64_at(l, 24), u64_at(l, 32), u64_at(l, 40), u64_at(l, 48)),
            (0x7000, 0x7000, 2, 3)
        );
        assert_eq!(&l[56..56 + name.len()], name);
        assert_eq!(&l[size - 2..size], [0x90, 0xc3]);
        assert_eq!(
            (u32_at(l, size), u32_at(l, size + 4), l.len()),
            (3, 16, size + 16)
        );
    }
}
