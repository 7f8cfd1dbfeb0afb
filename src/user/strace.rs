//! `--strace`: system calls as text, from THE table's formats. Never touches the guest but to read what its pointers show.

use super::signal::{SIG_IGN, signal_name};
use super::syscall::{self, Errno, Format, SysResult};
use super::{fd, host, uaccess};
use metaphrase_arm64::arch::state::GuestState;
use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd, RawFd};

/// Name of an error number (asm-generic/errno.h).
pub fn errno_name(n: i32) -> String {
    macro_rules! names {
        ($($e:ident)*) => { match n { $(libc::$e => stringify!($e),)* 512 => "ERESTARTSYS", 513 => "KEEP_STATE", 514 => "ERESTARTNOINTR", _ => "" } };
    }
    let s = names! {
        EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV
        ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG
        ENOLCK ENOSYS ENOTEMPTY ELOOP ENOMSG EIDRM ENODATA ETIME EOVERFLOW EPROTO EBADMSG ELIBBAD EILSEQ EUSERS ENOTSOCK EDESTADDRREQ
        EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL
        ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETIMEDOUT ECONNREFUSED EHOSTDOWN
        EHOSTUNREACH EALREADY EINPROGRESS ESTALE EDQUOT ECANCELED EOWNERDEAD ENOTRECOVERABLE
    };
    if s.is_empty() {
        format!("errno {n}")
    } else {
        s.to_string()
    }
}

/// Characters shown of a string or buffer.
const SHOWN: usize = 64;

/// Where the text goes. Each line is one write, so threads and processes do not mix inside lines.
pub struct Tracer {
    fd: RawFd,
}

/// A call that has begun.
pub struct Begun {
    tid: i32,
    text: String,
}

impl Tracer {
    /// To a file (appended: children write to the same), or to standard error for the empty name. The guest cannot close it.
    pub fn open(to: &str) -> std::io::Result<Tracer> {
        let f: OwnedFd = if to.is_empty() {
            std::io::stderr().as_fd().try_clone_to_owned()?
        } else {
            File::options().append(true).create(true).open(to)?.into()
        };
        let fd = fd::hide(f).map_err(|e| std::io::Error::from_raw_os_error(e.0))?;
        Ok(Tracer { fd })
    }

    fn line(&self, text: &str) {
        // A trace that cannot be written must not disturb the guest.
        let _ = host::call(
            libc::SYS_write,
            [
                self.fd as u64,
                text.as_ptr() as u64,
                text.len() as u64,
                0,
                0,
                0,
            ],
        );
    }

    /// Notes a call with its arguments, before it is made: pointers still point to what went in.
    pub fn before(&self, tid: i32, r: &GuestState) -> Begun {
        let nr = r.x[8];
        let mut text = String::new();
        match syscall::row(nr) {
            Some(row) => {
                let _ = write!(text, "{}(", row.name);
                for (i, f) in row.args.iter().enumerate() {
                    if i > 0 {
                        text.push_str(", ");
                    }
                    argument(&mut text, *f, r.x[i], r.x[(i + 1) % 6]);
                }
            }
            None => {
                let _ = write!(
                    text,
                    "syscall_{nr}({:#x}, {:#x}, {:#x}, {:#x}",
                    r.x[0], r.x[1], r.x[2], r.x[3]
                );
            }
        }
        text.push(')');
        if matches!(nr, 93 | 94 | 221 | 281) {
            // These may not return.
            self.line(&format!("{tid} {text} ...\n"));
        }
        Begun { tid, text }
    }

    /// Writes the line with the result.
    pub fn after(&self, call: Begun, result: SysResult) {
        let Begun { tid, text } = call;
        let end = match result {
            Ok(v) if (v as i64) < 0 || v > 0xffff_ffff => format!("{v:#x}"),
            Ok(v) => format!("{v}"),
            Err(Errno::KEEP_STATE) => "?".into(),
            Err(e @ (Errno::RESTART | Errno::RESTART_ALWAYS)) => format!("? {e:?}"),
            Err(e) => format!("-1 {e:?}"),
        };
        self.line(&format!("{tid} {text} = {end}\n"));
    }

    /// Notes a signal about to be handled.
    pub fn signal(&self, tid: i32, sig: i32, handler: u64) {
        let how = match handler {
            0 => "default".to_string(),
            SIG_IGN => "ignored".to_string(),
            h => format!("{h:#x}"),
        };
        self.line(&format!("{tid} --- {} {how} ---\n", signal_name(sig)));
    }
}

fn argument(out: &mut String, f: Format, v: u64, next: u64) {
    let _ = match f {
        Format::Fd | Format::Int | Format::Pid => write!(out, "{}", v as i32),
        Format::DirFd if v as i32 == libc::AT_FDCWD => write!(out, "AT_FDCWD"),
        Format::DirFd => write!(out, "{}", v as i32),
        Format::Path | Format::Str => {
            match uaccess::read_path(v) {
                Ok(s) => quoted(out, &s, s.len()),
                Err(_) if v == 0 => out.push_str("NULL"),
                Err(_) => {
                    let _ = write!(out, "{v:#x}");
                }
            }
            Ok(())
        }
        Format::Buf => {
            let n = (next as usize).min(SHOWN);
            match uaccess::read_vec::<u8>(v, n) {
                Ok(b) => quoted(out, &b, next as usize),
                Err(_) => {
                    let _ = write!(out, "{v:#x}");
                }
            }
            Ok(())
        }
        Format::Ptr if v == 0 => write!(out, "NULL"),
        Format::Ptr | Format::Hex => write!(out, "{v:#x}"),
        Format::Size => write!(out, "{v}"),
        Format::Off => write!(out, "{}", v as i64),
        Format::Mode => write!(out, "0{:o}", v as u32),
        Format::OpenFlags => flags(
            out,
            v,
            OPEN_FLAGS,
            ["O_RDONLY", "O_WRONLY", "O_RDWR", "3"][v as usize & 3],
            3,
        ),
        Format::Prot => flags(out, v, PROT_FLAGS, if v == 0 { "PROT_NONE" } else { "" }, 0),
        Format::MapFlags => flags(
            out,
            v,
            MAP_FLAGS,
            ["", "MAP_SHARED", "MAP_PRIVATE", "MAP_SHARED_VALIDATE"][v as usize & 3],
            3,
        ),
        Format::CloneFlags => flags(
            out,
            v & !0xff,
            CLONE_FLAGS,
            &signal_name(v as i32 & 0xff),
            0,
        ),
        Format::FutexOp => {
            const OPS: [&str; 14] = [
                "WAIT",
                "WAKE",
                "FD",
                "REQUEUE",
                "CMP_REQUEUE",
                "WAKE_OP",
                "LOCK_PI",
                "UNLOCK_PI",
                "TRYLOCK_PI",
                "WAIT_BITSET",
                "WAKE_BITSET",
                "WAIT_REQUEUE_PI",
                "CMP_REQUEUE_PI",
                "LOCK_PI2",
            ];
            let private = if v & 128 != 0 { "|FUTEX_PRIVATE" } else { "" };
            write!(
                out,
                "FUTEX_{}{private}",
                OPS.get(v as usize & 127).unwrap_or(&"?")
            )
        }
        Format::Sig => write!(out, "{}", signal_name(v as i32)),
        Format::SigSet => match uaccess::read::<u64>(v) {
            Ok(m) => write!(out, "[{m:#x}]"),
            Err(_) => write!(out, "{v:#x}"),
        },
        Format::Timespec => match uaccess::read::<[i64; 2]>(v) {
            Ok([s, n]) => write!(out, "{{{s}, {n}}}"),
            Err(_) if v == 0 => write!(out, "NULL"),
            Err(_) => write!(out, "{v:#x}"),
        },
    };
}

fn quoted(out: &mut String, bytes: &[u8], whole: usize) {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let _ = write!(
        out,
        "\"{}\"{}",
        shown.escape_ascii(),
        if whole > shown.len() { "..." } else { "" }
    );
}

type Names = &'static [(u64, &'static str)];

fn flags(out: &mut String, v: u64, names: Names, first: &str, first_mask: u64) -> std::fmt::Result {
    let mut parts: Vec<String> = if first.is_empty() {
        Vec::new()
    } else {
        vec![first.to_string()]
    };
    let mut rest = v & !first_mask;
    for (bits, name) in names {
        if rest & bits == *bits {
            parts.push((*name).to_string());
            rest &= !bits;
        }
    }
    if rest != 0 {
        parts.push(format!("{rest:#x}"));
    }
    write!(
        out,
        "{}",
        if parts.is_empty() {
            "0".to_string()
        } else {
            parts.join("|")
        }
    )
}

/// O_ flags of arm64 (arch/arm64/include/uapi/asm/fcntl.h, asm-generic/fcntl.h).
const OPEN_FLAGS: Names = &[
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o4010000, "O_SYNC"),
    (0o10000, "O_DSYNC"),
    (0o20000, "O_ASYNC"),
    (0o20040000, "O_TMPFILE"),
    (0o40000, "O_DIRECTORY"),
    (0o100000, "O_NOFOLLOW"),
    (0o200000, "O_DIRECT"),
    (0o400000, "O_LARGEFILE"),
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
    (0o10000000, "O_PATH"),
];
const PROT_FLAGS: Names = &[
    (1, "PROT_READ"),
    (2, "PROT_WRITE"),
    (4, "PROT_EXEC"),
    (0x10, "PROT_BTI"),
    (0x20, "PROT_MTE"),
];
const MAP_FLAGS: Names = &[
    (0x10, "MAP_FIXED"),
    (0x20, "MAP_ANONYMOUS"),
    (0x100, "MAP_GROWSDOWN"),
    (0x800, "MAP_DENYWRITE"),
    (0x1000, "MAP_EXECUTABLE"),
    (0x2000, "MAP_LOCKED"),
    (0x4000, "MAP_NORESERVE"),
    (0x8000, "MAP_POPULATE"),
    (0x10000, "MAP_NONBLOCK"),
    (0x20000, "MAP_STACK"),
    (0x40000, "MAP_HUGETLB"),
    (0x80000, "MAP_SYNC"),
    (0x100000, "MAP_FIXED_NOREPLACE"),
];
const CLONE_FLAGS: Names = &[
    (0x100, "CLONE_VM"),
    (0x200, "CLONE_FS"),
    (0x400, "CLONE_FILES"),
    (0x800, "CLONE_SIGHAND"),
    (0x1000, "CLONE_PIDFD"),
    (0x2000, "CLONE_PTRACE"),
    (0x4000, "CLONE_VFORK"),
    (0x8000, "CLONE_PARENT"),
    (0x10000, "CLONE_THREAD"),
    (0x20000, "CLONE_NEWNS"),
    (0x40000, "CLONE_SYSVSEM"),
    (0x80000, "CLONE_SETTLS"),
    (0x100000, "CLONE_PARENT_SETTID"),
    (0x200000, "CLONE_CHILD_CLEARTID"),
    (0x400000, "CLONE_DETACHED"),
    (0x800000, "CLONE_UNTRACED"),
    (0x1000000, "CLONE_CHILD_SETTID"),
    (0x2000000, "CLONE_NEWCGROUP"),
    (0x4000000, "CLONE_NEWUTS"),
    (0x8000000, "CLONE_NEWIPC"),
    (0x10000000, "CLONE_NEWUSER"),
    (0x20000000, "CLONE_NEWPID"),
    (0x40000000, "CLONE_NEWNET"),
    (0x80000000, "CLONE_IO"),
];
