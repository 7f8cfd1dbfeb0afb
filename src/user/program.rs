//! What execve finds behind a path: follows `#!` lines to the program that really runs, and tells AArch64 from host programs.
//! Shared by the command line and by the guest's execve, so that both agree. Maps nothing.

use super::elf::{self, Kind, LoadError};
use super::path::{Follow, Paths};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

/// Linux's limit on nested scripts.
const SCRIPTS_MAX: usize = 5;

/// A program ready to be started.
pub struct Resolved {
    /// The file of the program itself (not of a script).
    pub file: File,
    /// Its first bytes.
    pub head: Vec<u8>,
    /// Guest path of that file.
    pub path: Vec<u8>,
    /// Arguments, with those of interpreters in front.
    pub argv: Vec<Vec<u8>>,
    /// Whether it is a host program.
    pub host: bool,
    /// Set-user-id or set-group-id.
    pub privileged: bool,
}

/// Opens for execution: a regular file with an execute permission for us, readable.
fn open(host_path: &[u8]) -> Result<File, LoadError> {
    let path = OsStr::from_bytes(host_path);
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::PermissionDenied => LoadError::Permission,
            _ => LoadError::Open(e),
        })?;
    let m = file.metadata().map_err(LoadError::Open)?;
    if m.is_dir() {
        return Err(LoadError::Directory);
    }
    if !m.is_file() || m.mode() & 0o111 == 0 {
        return Err(LoadError::Permission);
    }
    Ok(file)
}

/// Finds the program behind `path` (guest path; for descriptors, the opened file as well).
pub fn resolve(
    paths: &Paths,
    path: &[u8],
    opened: Option<File>,
    argv: Vec<Vec<u8>>,
) -> Result<Resolved, LoadError> {
    let (mut path, mut argv, mut opened) = (path.to_vec(), argv, opened);
    for depth in 0..=SCRIPTS_MAX {
        let (file, head, kind) = look_at(paths, &path, opened.take()).map_err(|e| match depth {
            0 => e,
            _ => LoadError::BadScript(String::from_utf8_lossy(&path).into_owned(), Box::new(e)),
        })?;
        let Kind::Script(interpreter, arg) = kind else {
            let mode = file.metadata().map_err(LoadError::Open)?.mode();
            let privileged = mode & 0o4000 != 0 || mode & 0o2010 == 0o2010;
            return Ok(Resolved {
                file,
                head,
                path,
                argv,
                host: kind == Kind::Host,
                privileged,
            });
        };
        // [interpreter, argument, script, the script's arguments]: argv[0] is lost, as on Linux.
        let rest = argv.split_off(argv.len().min(1));
        argv = vec![interpreter.clone()];
        argv.extend(arg);
        argv.push(path);
        argv.extend(rest);
        path = interpreter;
    }
    Err(LoadError::ScriptLoop)
}

fn look_at(
    paths: &Paths,
    path: &[u8],
    opened: Option<File>,
) -> Result<(File, Vec<u8>, Kind), LoadError> {
    let file = match opened {
        Some(f) => f,
        None => {
            let h = paths
                .resolve(libc::AT_FDCWD, path, Follow::Yes)
                .map_err(|e| LoadError::Open(std::io::Error::from_raw_os_error(e.0)))?;
            open(h.path.as_bytes())?
        }
    };
    let head = elf::read_head(&file)?;
    let kind = elf::classify(&head)?;
    Ok((file, head, kind))
}
