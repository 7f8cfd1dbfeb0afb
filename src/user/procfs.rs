//! What of `/proc` must show the guest instead of metaphrase: the program's file, its mappings, its CPU, the number of its threads.
//!
//! Most of `/proc/self` is right by itself, because guest addresses are host addresses and start-up tells the host kernel where the
//! arguments lie. The rest is answered here: links by their text, files by a memory file with the content at the time of opening.
//!
//! Must not know: system calls. Invariants: only absolute paths are recognised; a file opened for writing is the host's; what
//! cannot be produced falls back to the host's file.

use super::task::Process;
use metaphrase_arm64::arch::features::Model;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{File, read_to_string};
use std::io::{Seek, Write as _};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Column of the name in `/proc/self/maps` (fs/proc/task_mmu.c pads to `25 + sizeof(void *) * 6 - 1` before it).
const NAME_COLUMN: usize = 73;

/// A file of `/proc` that is answered here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    Exe,
    Maps,
    Smaps,
    Stat,
    Status,
    CpuInfo,
}

/// What a path means, if it is one of ours.
fn entry(path: &[u8]) -> Option<Entry> {
    let path = path.strip_prefix(b"/proc/")?;
    let mut parts = path.split(|b| *b == b'/').filter(|p| !p.is_empty());
    let first = parts.next()?;
    if first == b"cpuinfo" {
        return parts.next().is_none().then_some(Entry::CpuInfo);
    }
    if first != b"self" && first != b"thread-self" && !is_our_id(first) {
        return None;
    }
    let mut name = parts.next()?;
    if name == b"task" {
        parts.next()?;
        name = parts.next()?;
    }
    if parts.next().is_some() {
        return None;
    }
    match name {
        b"exe" => Some(Entry::Exe),
        b"maps" => Some(Entry::Maps),
        b"smaps" => Some(Entry::Smaps),
        b"stat" => Some(Entry::Stat),
        b"status" => Some(Entry::Status),
        _ => None,
    }
}

fn is_our_id(text: &[u8]) -> bool {
    std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()) == Some(std::process::id())
}

/// The guest path of the program, if `path` is the link to it.
pub fn link<'a>(process: &'a Process, path: &[u8]) -> Option<&'a [u8]> {
    (entry(path)? == Entry::Exe).then_some(&process.exe)
}

/// A memory file with what `path` is to contain, opened for reading; `None` if the host's file will do.
pub fn open(process: &Process, path: &[u8]) -> Option<OwnedFd> {
    let host = || read_to_string(Path::new(OsStr::from_bytes(path))).ok();
    let content = match entry(path)? {
        Entry::Exe => return None,
        Entry::Maps => maps(process, &host()?),
        Entry::Smaps => maps(process, &host()?),
        Entry::Stat => stat(process, &host()?)?,
        Entry::Status => status(process, &host()?),
        Entry::CpuInfo => cpuinfo(process),
    };
    memory_file(path, &content)
}

/// A file that holds `content` and is read from its beginning.
fn memory_file(path: &[u8], content: &str) -> Option<OwnedFd> {
    let base = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let name = std::ffi::CString::new(base).ok()?;
    // SAFETY: a valid name; the result is checked.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(content.as_bytes()).ok()?;
    file.rewind().ok()?;
    Some(file.into())
}

/// One line of `/proc/self/maps` (in `smaps` it heads a paragraph).
struct Line<'a> {
    start: u64,
    end: u64,
    shared: bool,
    offset: u64,
    device: &'a str,
    inode: &'a str,
    name: &'a str,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Option<Line<'a>> {
        let mut rest = text;
        let mut word = || {
            let (w, r) = rest.split_once(' ')?;
            rest = r;
            Some(w)
        };
        let (range, perms, offset, device, inode) = (word()?, word()?, word()?, word()?, word()?);
        let (start, end) = range.split_once('-')?;
        Some(Line {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            shared: perms.ends_with('s'),
            offset: u64::from_str_radix(offset, 16).ok()?,
            device,
            inode,
            name: rest.trim_start(),
        })
    }

    /// The part from `start` to `end` with the guest's permissions and name.
    fn print(&self, out: &mut String, start: u64, end: u64, prot: u32, name: &[u8]) {
        let flag = |bit, c| if prot & bit != 0 { c } else { '-' };
        let (r, w, x) = (flag(1, 'r'), flag(2, 'w'), flag(4, 'x'));
        let share = if self.shared { 's' } else { 'p' };
        let offset = if self.inode == "0" {
            self.offset
        } else {
            self.offset + (start - self.start)
        };
        let begin = out.len();
        let _ = write!(
            out,
            "{start:08x}-{end:08x} {r}{w}{x}{share} {offset:08x} {} {} ",
            self.device, self.inode
        );
        if !name.is_empty() {
            let written = out.len() - begin;
            let _ = write!(out, "{:1$}", "", NAME_COLUMN.saturating_sub(written));
            out.push_str(&String::from_utf8_lossy(name));
        }
        out.push('\n');
    }
}

/// The guest's part of the host's `maps` or `smaps`, with the guest's permissions.
fn maps(process: &Process, host: &str) -> String {
    let regions = process.mem.regions();
    let mut out = String::with_capacity(host.len());
    let mut shown = false;
    for text in host.lines() {
        // Paragraph lines of smaps ("Size:  4 kB") follow their head.
        let Some(line) = Line::parse(text) else {
            if shown {
                out.push_str(text);
                out.push('\n');
            }
            continue;
        };
        let first = regions.partition_point(|(_, r)| r.end <= line.start);
        let inside = regions[first..].iter().take_while(|(s, _)| *s < line.end);
        shown = false;
        for (start, region) in inside {
            let (start, end) = ((*start).max(line.start), region.end.min(line.end));
            line.print(
                &mut out,
                start,
                end,
                region.prot,
                &name(process, &line, start),
            );
            shown = true;
        }
    }
    out
}

/// What the guest's kernel would call a mapping.
fn name(process: &Process, line: &Line<'_>, start: u64) -> Vec<u8> {
    let brk = process.mem.brk_range();
    if line.inode != "0" {
        process.paths.to_guest(line.name.as_bytes()).into_owned()
    } else if process.stack.range.contains(&start) {
        b"[stack]".to_vec()
    } else if start == process.vdso {
        b"[vdso]".to_vec()
    } else if brk.contains(&start) {
        b"[heap]".to_vec()
    } else if line.name.starts_with("[anon") {
        line.name.as_bytes().to_vec()
    } else {
        Vec::new()
    }
}

/// `/proc/self/stat` with the guest's number of threads (field 20 of proc(5)).
fn stat(process: &Process, host: &str) -> Option<String> {
    let (head, tail) = host.rsplit_once(") ")?;
    let mut fields: Vec<&str> = tail.trim_end().split(' ').collect();
    let threads = process.thread_count().to_string();
    // The field after the name is number 3.
    *fields.get_mut(20 - 3)? = &threads;
    Some(format!("{head}) {}\n", fields.join(" ")))
}

/// `/proc/self/status` with the guest's number of threads.
fn status(process: &Process, host: &str) -> String {
    let line = |l: &str| {
        if l.starts_with("Threads:") {
            format!("Threads:\t{}\n", process.thread_count())
        } else {
            format!("{l}\n")
        }
    };
    host.lines().map(line).collect()
}

/// `/proc/cpuinfo` as Linux on arm64 writes it (arch/arm64/kernel/cpuinfo.c), for as many processors as the host has online.
fn cpuinfo(process: &Process) -> String {
    let Model { feats, midr, .. } = process.options.engine.cpu;
    // SAFETY: sysconf only asks.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }.max(1);
    let mut out = String::new();
    for n in 0..count {
        let _ = write!(
            out,
            "processor\t: {n}\nBogoMIPS\t: 100.00\nFeatures\t: {}\nCPU implementer\t: 0x{:02x}\nCPU architecture: 8\n\
             CPU variant\t: 0x{:x}\nCPU part\t: 0x{:03x}\nCPU revision\t: {}\n\n",
            feats.cpuinfo_flags().join(" "),
            midr >> 24,
            midr >> 20 & 0xf,
            midr >> 4 & 0xfff,
            midr & 0xf,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_process_are_recognised() {
        let own = format!("/proc/{}/task/1/maps", std::process::id());
        assert_eq!(entry(b"/proc/self/exe"), Some(Entry::Exe));
        assert_eq!(entry(b"/proc//thread-self/stat"), Some(Entry::Stat));
        assert_eq!(entry(own.as_bytes()), Some(Entry::Maps));
        assert_eq!(entry(b"/proc/cpuinfo"), Some(Entry::CpuInfo));
        for other in [
            "/proc/1/exe",
            "/proc/self",
            "/proc/self/exe/x",
            "/proc/self/net/stat",
            "/procs/self/exe",
            "proc/self/exe",
            "/proc/cpuinfo/x",
        ] {
            assert_eq!(entry(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn lines_are_printed_as_the_kernel_does() {
        for text in read_to_string("/proc/self/maps").expect("maps").lines() {
            let line = Line::parse(text).expect("a line");
            let perms = text.split(' ').nth(1).expect("permissions");
            let prot = perms
                .bytes()
                .zip([1, 2, 4])
                .filter(|(c, _)| *c != b'-')
                .map(|(_, b)| b)
                .sum();
            let mut out = String::new();
            line.print(&mut out, line.start, line.end, prot, line.name.as_bytes());
            assert_eq!(out, format!("{text}\n"));
        }
        assert!(Line::parse("Size:                  4 kB").is_none());
    }
}
