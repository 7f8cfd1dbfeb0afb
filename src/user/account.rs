//! What a guest process says about itself when it ends: its system calls counted, and the report handed to [`crate::report`]. Does nothing
//! unless a report was asked for.

use super::options::Options;
use super::signal;
use super::syscall::{self, SysResult};
use crate::report::finish::{self, About, Wanted};
use metaphrase_runtime::engine::Engine;
use metaphrase_runtime::stats::snapshot::{Process, SyscallCount};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// `exit_group`, or the last thread's `exit`.
    Exit(i32),
    /// A signal's default action.
    Signal(i32),
    /// Another program takes its place.
    Exec,
}

/// Calls, failures, nanoseconds of one system call.
#[derive(Default)]
struct Calls([AtomicU64; 3]);

/// What a process tells at its end.
#[derive(Default)]
pub struct Account {
    wanted: Option<Wanted>,
    program: String,
    args: Vec<String>,
    /// By number.
    calls: Vec<Calls>,
    /// The process that this was made for; a forked child's number is another one.
    pid: u32,
    /// The process that writes or has written its report.
    writer: AtomicU32,
}

impl Account {
    /// Of a process that starts now.
    pub fn new(options: &Options, program: &[u8], argv: &[Vec<u8>]) -> Account {
        let Some(wanted) = options.wanted() else {
            return Account::default();
        };
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let calls = match wanted.stats {
            Some(_) => syscall::LIMIT,
            None => 0,
        };
        Account {
            wanted: Some(wanted),
            program: text(program),
            args: argv.iter().skip(1).map(|a| text(a)).collect(),
            calls: (0..calls).map(|_| Calls::default()).collect(),
            pid: std::process::id(),
            writer: AtomicU32::new(0),
        }
    }

    /// A system call begins.
    pub fn begin(&self) -> Option<Instant> {
        (!self.calls.is_empty()).then(Instant::now)
    }

    /// It ended.
    pub fn end(&self, nr: u64, begun: Option<Instant>, result: &SysResult) {
        let (Some(begun), Some(c)) = (begun, self.calls.get(nr as usize)) else {
            return;
        };
        let ns = begun.elapsed().as_nanos() as u64;
        for (counter, n) in c.0.iter().zip([1, result.is_err() as u64, ns]) {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// In a forked child: its own account begins.
    pub fn forked(&self) {
        for counter in self.calls.iter().flat_map(|c| &c.0) {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Writes what was asked for. If another thread is at it already, waits for the end of the process.
    pub fn finish(&self, engine: &Engine, end: End) {
        let Some(wanted) = &self.wanted else { return };
        let pid = std::process::id();
        let child = wanted.child || pid != self.pid;
        // What a child does before it becomes another program is not worth a file that is replaced at once.
        if end == End::Exec && child {
            return;
        }
        while self.writer.swap(pid, Ordering::SeqCst) == pid {
            std::thread::sleep(Duration::from_secs(1));
        }
        let process = Process {
            pid,
            program: self.program.clone(),
            args: self.args.clone(),
            end: match end {
                End::Exit(code) => format!("exit {}", code & 0xff),
                End::Signal(sig) => format!("signal {sig} ({})", signal::signal_name(sig)),
                End::Exec => "exec".into(),
            },
        };
        let about = About {
            process,
            syscalls: self.syscalls(),
        };
        let wanted = Wanted {
            child,
            ..wanted.clone()
        };
        finish::write(engine, &wanted, about);
        if end == End::Exec {
            self.writer.store(0, Ordering::SeqCst);
        }
    }

    fn syscalls(&self) -> Vec<SyscallCount> {
        let row = |(nr, c): (usize, &Calls)| {
            let [calls, errors, ns] = [0, 1, 2].map(|i| c.0[i].load(Ordering::Relaxed));
            let name =
                syscall::row(nr as u64).map_or_else(|| format!("{nr}"), |r| r.name.to_string());
            (calls > 0).then_some(SyscallCount {
                name,
                calls,
                errors,
                ns,
            })
        };
        let mut v: Vec<_> = self.calls.iter().enumerate().filter_map(row).collect();
        v.sort_by_key(|c| std::cmp::Reverse((c.ns, c.calls)));
        v
    }
}
