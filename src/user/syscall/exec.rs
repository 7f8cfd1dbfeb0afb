//! execve and execveat: AArch64 programs and scripts start a fresh copy of metaphrase, host programs run natively.
//!
//! Everything that can be wrong with the file is found before the point of no return, so the guest gets its errno.

use super::{Errno, SysResult};
use crate::user::account::End;
use crate::user::elf::Program;
use crate::user::path::Follow;
use crate::user::program::{self, Resolved};
use crate::user::start::CHILD_MARK;
use crate::user::task::Thread;
use crate::user::{OWN_FD_BASE, host, limits, signal, start, uaccess};
use metaphrase_runtime::vcpu::Vcpu;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Longest single string (MAX_ARG_STRLEN).
const STRING_MAX: usize = 128 << 10;
/// Most strings (a bound of ours; the kernel's is on bytes).
const STRINGS_MAX: usize = 1 << 20;

/// `execve`.
pub fn execve(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let path = uaccess::read_path(a[0])?;
    exec(
        t,
        Target {
            dirfd: libc::AT_FDCWD,
            path,
            flags: 0,
        },
        a[1],
        a[2],
    )
}

/// `execveat`.
pub fn execveat(t: &mut Thread, _: &mut Vcpu, a: [u64; 6]) -> SysResult {
    let path = uaccess::read_path(a[1])?;
    let flags = a[4] as i32;
    if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    exec(
        t,
        Target {
            dirfd: a[0] as i32,
            path,
            flags,
        },
        a[2],
        a[3],
    )
}

struct Target {
    dirfd: i32,
    path: Vec<u8>,
    flags: i32,
}

impl Target {
    /// The name that the program sees (fs/exec.c, alloc_bprm).
    fn name(&self) -> Vec<u8> {
        if self.dirfd == libc::AT_FDCWD || self.path.first() == Some(&b'/') {
            self.path.clone()
        } else if self.path.is_empty() {
            format!("/dev/fd/{}", self.dirfd).into_bytes()
        } else {
            [format!("/dev/fd/{}/", self.dirfd).as_bytes(), &self.path].concat()
        }
    }

    /// Opens the file and checks that it may be executed.
    fn open(&self, t: &Thread) -> Result<File, Errno> {
        let follow = if self.flags & libc::AT_SYMLINK_NOFOLLOW != 0 {
            Follow::No
        } else {
            Follow::Yes
        };
        if self.path.is_empty() {
            if self.flags & libc::AT_EMPTY_PATH == 0 {
                return Err(Errno::ENOENT);
            }
            let link =
                CString::new(format!("/proc/self/fd/{}", self.dirfd)).map_err(|_| Errno::EINVAL)?;
            return open_checked(libc::AT_FDCWD, &link, 0);
        }
        if t.process.names_self_exe(&self.path) {
            let exe = CString::new(t.process.exe.clone()).map_err(|_| Errno::EINVAL)?;
            let h = t
                .process
                .paths
                .resolve(libc::AT_FDCWD, exe.as_bytes(), Follow::Yes)?;
            return open_checked(h.dirfd, &h.path, 0);
        }
        let h = t.process.paths.resolve(self.dirfd, &self.path, follow)?;
        let no_follow = if follow == Follow::No {
            libc::O_NOFOLLOW
        } else {
            0
        };
        open_checked(h.dirfd, &h.path, no_follow)
    }
}

fn open_checked(dirfd: i32, path: &CString, more: i32) -> Result<File, Errno> {
    let p = path.as_ptr() as u64;
    let at_flags = if more & libc::O_NOFOLLOW != 0 {
        libc::AT_SYMLINK_NOFOLLOW
    } else {
        0
    };
    let access = [
        dirfd as u64,
        p,
        libc::X_OK as u64,
        (libc::AT_EACCESS | at_flags) as u64,
        0,
        0,
    ];
    host::call(libc::SYS_faccessat2, access)?;
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | more) as u64;
    let fd = host::call(libc::SYS_openat, [dirfd as u64, p, flags, 0, 0, 0])?;
    // SAFETY: a fresh descriptor.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    let m = file.metadata()?;
    if m.is_file() {
        Ok(file)
    } else {
        Err(Errno::EACCES)
    }
}

/// A null-terminated array of strings.
fn strings(mut addr: u64) -> Result<Vec<Vec<u8>>, Errno> {
    let mut out = Vec::new();
    if addr == 0 {
        return Ok(out);
    }
    loop {
        let p: u64 = uaccess::read(addr)?;
        if p == 0 {
            return Ok(out);
        }
        if out.len() == STRINGS_MAX {
            return Err(Errno::E2BIG);
        }
        out.push(uaccess::read_cstr(p, STRING_MAX)?);
        addr += 8;
    }
}

fn exec(t: &mut Thread, target: Target, argv: u64, envp: u64) -> SysResult {
    if t.inbox.has_pending() {
        // A signal taken from the kernel must not be lost with our memory.
        return Err(Errno::RESTART_ALWAYS);
    }
    let (mut argv, envp) = (strings(argv)?, strings(envp)?);
    if argv.is_empty() {
        // As Linux since 5.18.
        argv.push(Vec::new());
    }
    let name = target.name();
    let file = target.open(t)?;
    let found =
        program::resolve(&t.process.paths, &name, Some(file), argv).map_err(|e| e.errno())?;
    let env = c_strings(&envp)?;
    if found.host {
        return run_host(t, &found, &env);
    }
    check(t, &found)?;
    // The kernel alone can raise privileges: with binfmt_misc (flag C) it starts us for the file itself.
    if found.privileged && found.path == name {
        let _ = run_host(t, &found, &env);
    }
    run_copy(t, &found, &name, &env)
}

/// What would fail after the point of no return.
fn check(t: &Thread, found: &Resolved) -> Result<(), Errno> {
    let file = found.file.try_clone()?;
    let program = Program::parse(file, &found.head).map_err(|e| e.errno())?;
    if let Some(interp) = program.interpreter().map_err(|e| e.errno())? {
        start::open_interpreter(&mut t.process.paths.clone(), &interp).map_err(|e| e.errno())?;
    }
    Ok(())
}

fn c_strings(v: &[Vec<u8>]) -> Result<Vec<CString>, Errno> {
    v.iter()
        .map(|s| CString::new(s.as_slice()).map_err(|_| Errno::EINVAL))
        .collect()
}

fn pointers(v: &[CString]) -> Vec<u64> {
    v.iter().map(|s| s.as_ptr() as u64).chain([0]).collect()
}

/// Makes the call with the signal state that the new program inherits; returns only the error.
fn call_exec(t: &mut Thread, nr: i64, args: [u64; 6]) -> Errno {
    t.process.finish(End::Exec);
    if let Some(n) = &t.neighbour {
        n.executes(true);
    }
    let old = signal::set_raw_mask(t.mask);
    t.process.actions.before_exec();
    // A signal that comes now is the old program's.
    let e = t.blocking(nr, args).err().unwrap_or(Errno::EIO);
    let _ = signal::install_process_handlers();
    signal::set_raw_mask(old);
    if let Some(n) = &t.neighbour {
        n.executes(false);
    }
    e
}

fn run_host(t: &mut Thread, p: &Resolved, env: &[CString]) -> SysResult {
    let path = t
        .process
        .paths
        .resolve(libc::AT_FDCWD, &p.path, Follow::Yes)?
        .path;
    let argv = c_strings(&p.argv)?;
    let (av, ev) = (pointers(&argv), pointers(env));
    limits::give_back();
    let e = call_exec(
        t,
        libc::SYS_execve,
        [
            path.as_ptr() as u64,
            av.as_ptr() as u64,
            ev.as_ptr() as u64,
            0,
            0,
            0,
        ],
    );
    limits::take_over();
    Err(e)
}

/// Starts a copy of metaphrase: see `start` for the convention.
fn run_copy(t: &mut Thread, p: &Resolved, name: &[u8], env: &[CString]) -> SysResult {
    let fd = inherited(&p.file)?;
    let head = [
        CHILD_MARK.as_bytes().to_vec(),
        t.process.options.to_child().into_bytes(),
        fd.as_raw_fd().to_string().into_bytes(),
        name.to_vec(),
    ];
    let argv = c_strings(&[&head[..], &p.argv[..]].concat())?;
    let (av, ev) = (pointers(&argv), pointers(env));
    let mut e = Errno::ENOENT;
    if let Some(own) = t.process.self_exe {
        let args = [
            own as u64,
            c"".as_ptr() as u64,
            av.as_ptr() as u64,
            ev.as_ptr() as u64,
            libc::AT_EMPTY_PATH as u64,
            0,
        ];
        e = call_exec(t, libc::SYS_execveat, args);
    }
    if matches!(e, Errno::ENOENT | Errno::EBADF) {
        // Without /proc there is no descriptor of ours: the kernel's binfmt_misc may still know us.
        let path = c_strings(std::slice::from_ref(&p.path))?;
        let argv = c_strings(&p.argv)?;
        let av = pointers(&argv);
        e = call_exec(
            t,
            libc::SYS_execve,
            [
                path[0].as_ptr() as u64,
                av.as_ptr() as u64,
                ev.as_ptr() as u64,
                0,
                0,
                0,
            ],
        );
    }
    Err(e)
}

/// A duplicate that survives execve.
fn inherited(file: &File) -> Result<OwnedFd, Errno> {
    let dup = |from: i32| {
        host::call(
            libc::SYS_fcntl,
            [
                file.as_raw_fd() as u64,
                libc::F_DUPFD as u64,
                from as u64,
                0,
                0,
                0,
            ],
        )
    };
    let fd = dup(OWN_FD_BASE).or_else(|_| dup(3))?;
    // SAFETY: a fresh descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
