//! The end of a guest process: takes the snapshot, looks up symbols, writes what was asked for.
//!
//! Runs while other threads of the guest may still run; must not fail the guest: trouble is one line on standard error.

use super::symbols::Symbols;
use super::text;
use metaphrase_runtime::debug::{jitdump, perf_map};
use metaphrase_runtime::engine::Engine;
use metaphrase_runtime::stats::Stats;
use metaphrase_runtime::stats::snapshot::{Process, SyscallCount};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is to be written.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `--stats`: the empty path is text on standard error.
    pub stats: Option<PathBuf>,
    /// The process is not the first one: its file is `FILE.<pid>`.
    pub child: bool,
    /// `--perf-map`.
    pub perf_map: bool,
}

/// What only the product knows about the process.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Which process, and how it ends.
    pub process: Process,
    /// Its system calls.
    pub syscalls: Vec<SyscallCount>,
}

/// Writes everything that is wanted.
pub fn write(engine: &Engine, wanted: &Wanted, about: About) {
    let mut symbols = Symbols::of_this_process();
    if wanted.perf_map {
        let r = engine.collector().detail();
        let records = r.map(|d| d.records()).unwrap_or_default();
        let path = perf_map::path(std::process::id());
        say(
            &path,
            perf_map::write(&path, &records, |pc| symbols.name(pc)),
        );
    }
    if let Some(mut d) = engine.collector().detail()
        && let Some(path) = jitdump::path_of(&d)
    {
        say(&path, jitdump::finish(&mut d, |pc| symbols.name(pc)));
    }
    let Some(to) = &wanted.stats else { return };
    let mut s = engine.stats();
    s.process = Process {
        pid: s.process.pid,
        ..about.process
    };
    s.syscalls = about.syscalls;
    name_all(&mut s, &mut symbols);
    if to.as_os_str().is_empty() {
        // The guest may have closed it, or nobody may be reading.
        let _ = std::io::stderr().write_all(text::summary(&s).as_bytes());
        return;
    }
    let to = match wanted.child {
        true => with_pid(to, s.process.pid),
        false => to.clone(),
    };
    say(&to, write_json(&to, &s));
}

fn say(path: &Path, r: std::io::Result<()>) {
    if let Err(e) = r {
        eprintln!("metaphrase: {}: {e}", path.display());
    }
}

fn name_all(s: &mut Stats, symbols: &mut Symbols) {
    for r in s.regions.iter_mut().chain(&mut s.baseline) {
        r.symbol = symbols.name(r.pc);
    }
    for b in &mut s.blocks {
        b.symbol = symbols.name(b.pc);
    }
}

/// Written beside and renamed, so that a reader never sees half a file.
fn write_json(to: &Path, s: &Stats) -> std::io::Result<()> {
    let special = std::fs::symlink_metadata(to).is_ok_and(|m| !m.is_file());
    let text = serde_json::to_vec(s).map_err(std::io::Error::other)?;
    if special {
        // A device, a pipe, a link: written in place.
        return std::fs::write(to, text);
    }
    let part = with_suffix(to, &format!(".{}.part", std::process::id()));
    std::fs::write(&part, text)?;
    std::fs::rename(&part, to)
}

fn with_pid(path: &Path, pid: u32) -> PathBuf {
    with_suffix(path, &format!(".{pid}"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut p: OsString = path.into();
    p.push(suffix);
    p.into()
}
