//! System calls: THE table ([`table::ROWS`]), look-up by number, dispatch. Handlers live in one file per subject and are thin:
//! decode, reject what is unknown, act, return.
//!
//! Rules for handlers:
//! * Guest memory only through [`crate::user::uaccess`] (a bad pointer is `EFAULT`, never a host fault) or as a pointer that the
//!   host kernel checks.
//! * A call that may block goes through [`Thread::blocking`]; when it returns [`Errno::RESTART`] (or `RESTART_ALWAYS`) the handler must pass that on,
//!   having done nothing that cannot be done again: the guest then delivers its signal and, if SA_RESTART asks for it, repeats the call.
//! * Everything else goes to the host through [`crate::user::host::call`], never through libc wrappers that keep state of their own.

pub mod cpu_time;
pub mod exec;
pub mod file;
pub mod fs;
pub mod ipc;
pub mod mem;
pub mod misc;
pub mod net;
pub mod pac;
pub mod page;
pub mod poll;
pub mod sched;
pub mod signal;
pub mod table;
pub mod task;
pub mod time;

use super::task::Thread;
use super::{fd, host};
use metaphrase_runtime::vcpu::Vcpu;
use std::sync::atomic::{AtomicU64, Ordering};

/// A Linux error number. The same on arm64 and x86-64 (both use asm-generic/errno.h).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The call was interrupted and may be repeated (the kernel's ERESTARTSYS); never shown to the guest.
    pub const RESTART: Errno = Errno(512);
    /// The call has not begun and is to be repeated whatever the handler's flags say (the kernel's ERESTARTNOINTR).
    pub const RESTART_ALWAYS: Errno = Errno(514);
    /// The handler replaced the whole register state (rt_sigreturn): x0 is not a result.
    pub const KEEP_STATE: Errno = Errno(513);
    /// The last error of a libc or std call.
    pub fn last() -> Errno {
        Errno(
            std::io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        )
    }
}

impl std::fmt::Debug for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", super::strace::errno_name(self.0))
    }
}

impl From<std::io::Error> for Errno {
    fn from(e: std::io::Error) -> Errno {
        Errno(e.raw_os_error().unwrap_or(libc::EIO))
    }
}

macro_rules! errnos {
    ($($n:ident)*) => {
        #[allow(missing_docs, reason = "the kernel's names")]
        impl Errno { $(pub const $n: Errno = Errno(libc::$n);)* }
    };
}
errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST EXDEV ENODEV ENOTDIR
    EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EPIPE ERANGE ENAMETOOLONG ENOSYS ELOOP EOVERFLOW
    EOPNOTSUPP ETIMEDOUT EPROTO ELIBBAD
}

/// What a handler returns: the value for x0, or an error.
pub type SysResult = Result<u64, Errno>;

/// A handler: the calling thread, its CPU (registers are exact; x0 still holds the first argument), x0..x5.
pub type Handler = fn(&mut Thread, &mut Vcpu, [u64; 6]) -> SysResult;

/// What a row does; at the same time its level of support.
#[derive(Clone, Copy)]
pub enum Action {
    /// The host's call of this number with the same arguments.
    Pass(i64),
    /// Works as on Linux/arm64.
    Full(Handler),
    /// Works but for what the text says.
    Partial(Handler, &'static str),
    /// ENOSYS, for this reason.
    None(&'static str),
}

/// How strace shows an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A descriptor (as a first argument it must not be one of ours: see [`dispatch`]).
    Fd,
    /// A descriptor or AT_FDCWD.
    DirFd,
    /// A NUL-terminated path in guest memory.
    Path,
    /// A NUL-terminated string in guest memory.
    Str,
    /// Bytes in guest memory; the next argument is the count.
    Buf,
    /// An address.
    Ptr,
    /// A signed 32-bit number.
    Int,
    /// A process id.
    Pid,
    /// Unsigned hexadecimal.
    Hex,
    /// Unsigned decimal.
    Size,
    /// Signed 64-bit.
    Off,
    /// Octal file mode.
    Mode,
    /// O_ flags of arm64.
    OpenFlags,
    /// PROT_ flags.
    Prot,
    /// MAP_ flags.
    MapFlags,
    /// CLONE_ flags and exit signal.
    CloneFlags,
    /// FUTEX_ operation.
    FutexOp,
    /// A signal number.
    Sig,
    /// Address of a 64-bit signal set.
    SigSet,
    /// Address of a `struct timespec`.
    Timespec,
}

/// One system call.
pub struct Row {
    /// Number on arm64.
    pub nr: u32,
    /// Name as in the kernel's tables.
    pub name: &'static str,
    /// What we do.
    pub action: Action,
    /// How strace shows the arguments.
    pub args: &'static [Format],
}

/// One more than the highest number in the table.
pub const LIMIT: usize = 470;
const NO_ROW: u16 = u16::MAX;

/// Number -> index in [`table::ROWS`].
static INDEX: [u16; LIMIT] = {
    let mut index = [NO_ROW; LIMIT];
    let mut i = 0;
    while i < table::ROWS.len() {
        let nr = table::ROWS[i].nr as usize;
        assert!(index[nr] == NO_ROW, "a system call has two rows");
        index[nr] = i as u16;
        i += 1;
    }
    index
};

/// The row of a number.
pub fn row(nr: u64) -> Option<&'static Row> {
    let i = *INDEX.get(usize::try_from(nr).ok()?)?;
    (i != NO_ROW).then(|| &table::ROWS[i as usize])
}

/// Performs the call in x8 with the arguments in x0..x5.
pub fn dispatch(t: &mut Thread, cpu: &mut Vcpu) -> SysResult {
    let x = &cpu.regs().x;
    let nr = x[8];
    let args = [x[0], x[1], x[2], x[3], x[4], x[5]];
    let row_of = row(nr);
    // Whatever the call: our own descriptors are not there for the guest.
    if let Some(Format::Fd | Format::DirFd) = row_of.and_then(|r| r.args.first())
        && fd::is_own(args[0])
    {
        return Err(Errno::EBADF);
    }
    match row_of.map(|r| r.action) {
        Some(Action::Pass(host_nr)) => t.blocking(host_nr, args),
        Some(Action::Full(f) | Action::Partial(f, _)) => f(t, cpu, args),
        Some(Action::None(why)) => {
            say_once(nr, || {
                format!(
                    "system call {nr} ({}): {why}",
                    row(nr).map_or("", |r| r.name)
                )
            });
            Err(Errno::ENOSYS)
        }
        None => {
            say_once(nr, || format!("system call {nr}: unknown"));
            Err(Errno::ENOSYS)
        }
    }
}

/// Logs an unsupported call the first time it is met.
fn say_once(nr: u64, text: impl FnOnce() -> String) {
    static SAID: [AtomicU64; 9] = [const { AtomicU64::new(0) }; 9];
    let bit = (nr as usize).min(9 * 64 - 1);
    if SAID[bit / 64].fetch_or(1 << (bit % 64), Ordering::Relaxed) >> (bit % 64) & 1 == 0 {
        tracing::warn!(target: "syscall", "{}: answered with ENOSYS", text());
    }
}

/// A host call that does not block, by number.
pub fn host_call(nr: i64, args: [u64; 6]) -> SysResult {
    host::call(nr, args)
}

#[cfg(test)]
mod table_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_number() {
        for r in table::ROWS {
            assert_eq!(row(r.nr as u64).map(|f| f.name), Some(r.name));
        }
        assert_eq!(row(64).map(|r| r.name), Some("write"));
        assert!(row(84).is_none_or(|r| r.name == "sync_file_range"));
        assert!(row(u64::MAX).is_none());
    }
}
