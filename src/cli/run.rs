//! `metaphrase run`, `metaphrase PROGRAM`, and the two ways in which we are started by others: by the kernel (binfmt_misc) and by
//! another metaphrase (execve). All end in [`crate::user::start::run`].

use super::{Args, complain, os};
use crate::user::elf::{self, LoadError};
use crate::user::options::{ENV_PREFIX, Options, SETTINGS};
use crate::user::path::Paths;
use crate::user::program::{self, Resolved};
use crate::user::start::{self, Start, StartError};
use clap::{Arg, ArgAction, Command, value_parser};
use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;

/// Exit code of a command line that cannot be understood.
const BAD_USAGE: i32 = 2;

/// AT_FLAGS bit: binfmt_misc's flag P put the original argv[0] behind the path (include/uapi/linux/binfmts.h).
const AT_FLAGS_PRESERVE_ARGV0: u64 = 1;

/// Whether the kernel started us for a program, as far as it tells (flags P, O or C).
pub fn started_by_binfmt() -> bool {
    // SAFETY: asks only.
    unsafe {
        libc::getauxval(libc::AT_FLAGS) & AT_FLAGS_PRESERVE_ARGV0 != 0
            || libc::getauxval(libc::AT_EXECFD) != 0
    }
}

fn command() -> Command {
    let mut c = Command::new("metaphrase run")
        .bin_name("metaphrase run")
        .about("Runs an AArch64 Linux program")
        .no_binary_name(false)
        .arg(
            Arg::new("env")
                .short('E')
                .long("env")
                .value_name("NAME=VALUE")
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .help("Set an environment variable"),
        )
        .arg(
            Arg::new("unset")
                .short('U')
                .long("unset")
                .value_name("NAME")
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .help("Unset an environment variable"),
        )
        .arg(
            Arg::new("argv0")
                .short('0')
                .long("argv0")
                .value_name("ARGV0")
                .value_parser(value_parser!(OsString))
                .help("What the program sees as argv[0]"),
        )
        .arg(
            Arg::new("program")
                .value_name("PROGRAM [ARGS]")
                .required(true)
                .num_args(1..)
                .trailing_var_arg(true)
                .value_parser(value_parser!(OsString)),
        );
    for s in SETTINGS {
        let var = format!("{ENV_PREFIX}{}", s.name.to_uppercase().replace('-', "_"));
        let mut a = Arg::new(s.name)
            .long(s.name)
            .help(format!("{} ({}) [also {var}]", s.help, s.takes))
            .value_name("VALUE");
        if let Some(short) = s.short {
            a = a.short(short);
        }
        if s.optional {
            a = a
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("");
        }
        c = c.arg(a);
    }
    c
}

/// `metaphrase run ...`; `argv[0]` is "run".
pub fn from_command_line(argv: Args, envp: Args) -> i32 {
    let matches = match command().try_get_matches_from(argv.into_iter().map(os)) {
        Ok(m) => m,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { BAD_USAGE } else { 0 };
        }
    };
    let mut options = Options::new();
    let given = SETTINGS
        .iter()
        .filter_map(|s| matches.get_one::<String>(s.name).map(|v| (s.name, v)));
    let set = options
        .set_from_env(&envp)
        .and_then(|()| given.into_iter().try_for_each(|(n, v)| options.set(n, v)));
    if let Err(e) = set {
        complain(e);
        return BAD_USAGE;
    }
    let list = |name: &str| {
        matches
            .get_many::<OsString>(name)
            .into_iter()
            .flatten()
            .map(|v| v.as_bytes().to_vec())
            .collect::<Args>()
    };
    let mut argv = list("program");
    let mut env = envp;
    for name in list("unset") {
        env.retain(|v| !is_variable(v, &name));
    }
    for v in list("env") {
        let name = v.split(|b| *b == b'=').next().unwrap_or_default().to_vec();
        env.retain(|old| !is_variable(old, &name));
        env.push(v);
    }
    let path = find(&argv[0], &env);
    if let Some(a0) = matches.get_one::<OsString>("argv0") {
        argv[0] = a0.as_bytes().to_vec();
    }
    run(path, None, argv, env, options)
}

fn is_variable(entry: &[u8], name: &[u8]) -> bool {
    entry
        .strip_prefix(name)
        .is_some_and(|rest| rest.first() == Some(&b'='))
}

/// A name without a slash is looked for in PATH, as a shell does; if it is not there it is tried as it stands.
fn find(name: &[u8], env: &[Vec<u8>]) -> Vec<u8> {
    if name.contains(&b'/') {
        return name.to_vec();
    }
    let path = env
        .iter()
        .find_map(|v| v.strip_prefix(b"PATH="))
        .unwrap_or(b"/usr/bin:/bin");
    let here = |dir: &[u8]| [dir, b"/", name].concat();
    let exists = |p: &Vec<u8>| std::path::Path::new(std::ffi::OsStr::from_bytes(p)).is_file();
    path.split(|b| *b == b':')
        .map(here)
        .find(exists)
        .unwrap_or_else(|| name.to_vec())
}

/// `metaphrase PROGRAM ARGS`: by hand or by the kernel.
pub fn bare(argv: Args, envp: Args) -> i32 {
    let mut options = Options::new();
    // SAFETY: asks only.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    // A set-user-id program's caller must not choose files that its owner can write.
    let from_env = if secure {
        Ok(())
    } else {
        options.set_from_env(&envp)
    };
    if let Err(e) = from_env {
        complain(e);
        return BAD_USAGE;
    }
    // SAFETY: asks only.
    let (flags, fd) = unsafe {
        (
            libc::getauxval(libc::AT_FLAGS),
            libc::getauxval(libc::AT_EXECFD),
        )
    };
    // SAFETY: with flag O or C the kernel opened the program for us.
    let opened = (fd != 0).then(|| unsafe { File::from_raw_fd(fd as i32) });
    let path = argv[1].clone();
    let skip = if flags & AT_FLAGS_PRESERVE_ARGV0 != 0 {
        2
    } else {
        1
    };
    run(
        path,
        opened,
        argv.into_iter().skip(skip).collect(),
        envp,
        options,
    )
}

/// Started by another metaphrase: see [`start`] for the convention.
pub fn as_child(argv: Args, envp: Args) -> i32 {
    let text = |i: usize| argv.get(i).and_then(|a| std::str::from_utf8(a).ok());
    let (Some(given), Some(fd), Some(path)) = (
        text(1),
        text(2).and_then(|f| f.parse::<i32>().ok()),
        argv.get(3),
    ) else {
        complain("started with a damaged argument list");
        return BAD_USAGE;
    };
    let mut options = Options::new();
    if let Err(e) = options.set_from_parent(given) {
        complain(e);
        return BAD_USAGE;
    }
    options.child = true;
    // SAFETY: the parent left it open for us.
    let file = unsafe { File::from_raw_fd(fd) };
    run(
        path.clone(),
        Some(file),
        argv.into_iter().skip(4).collect(),
        envp,
        options,
    )
}

/// Starts the program behind a guest path; the exit code if that fails.
fn run(path: Vec<u8>, opened: Option<File>, argv: Args, envp: Args, options: Options) -> i32 {
    start_log(&options);
    let paths = match Paths::new(options.sysroot.clone(), options.root.as_deref()) {
        Ok(p) => p,
        Err(e) => {
            complain(format_args!(
                "--root {}: {e}",
                options.root.unwrap_or_default().display()
            ));
            return BAD_USAGE;
        }
    };
    let name = String::from_utf8_lossy(&path).into_owned();
    let result = program::resolve(&paths, &path, opened, argv)
        .map_err(StartError::from)
        .and_then(|program| {
            if program.host {
                return Err(exec_host(&program, &envp));
            }
            start::run(Start {
                program,
                envp,
                execfn: path,
                options,
                paths,
            })
        });
    let Err(e) = result;
    complain(format_args!("{name}: {e}"));
    e.exit_code()
}

/// A program of the host runs natively.
fn exec_host(p: &Resolved, envp: &[Vec<u8>]) -> StartError {
    let c = |v: &[Vec<u8>]| {
        v.iter()
            .filter_map(|s| CString::new(s.clone()).ok())
            .collect::<Vec<_>>()
    };
    let (argv, env) = (c(&p.argv), c(envp));
    let pointers = |v: &[CString]| {
        v.iter()
            .map(|s| s.as_ptr())
            .chain([std::ptr::null()])
            .collect::<Vec<_>>()
    };
    let Ok(path) = CString::new(p.path.clone()) else {
        return LoadError::NotElf.into();
    };
    // SAFETY: arrays of strings that end with null.
    unsafe {
        libc::execve(
            path.as_ptr(),
            pointers(&argv).as_ptr(),
            pointers(&env).as_ptr(),
        )
    };
    elf::LoadError::Open(std::io::Error::last_os_error()).into()
}

/// Logs go to standard error, when asked for.
fn start_log(options: &Options) {
    let Some(filter) = &options.log else { return };
    let filter = tracing_subscriber::EnvFilter::new(filter);
    // A second subscriber cannot be: this runs once.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}

/// The process's arguments and environment, as C gave them.
///
/// # Safety
/// `v` is a null-terminated array of C strings.
pub unsafe fn strings(mut v: *const *const libc::c_char) -> Args {
    let mut out = Vec::new();
    // SAFETY: as promised by the caller.
    unsafe {
        while !v.is_null() && !(*v).is_null() {
            out.push(std::ffi::CStr::from_ptr(*v).to_bytes().to_vec());
            v = v.add(1);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
        let m = command()
            .try_get_matches_from([
                "run", "-L", "/x", "--strace", "-E", "A=b", "prog", "-L", "--strace",
            ])
            .unwrap();
        let prog: Vec<_> = m
            .get_many::<OsString>("program")
            .unwrap()
            .map(|s| s.to_str().unwrap())
            .collect();
        assert_eq!(prog, ["prog", "-L", "--strace"]);
        assert_eq!(m.get_one::<String>("sysroot").unwrap(), "/x");
        assert_eq!(m.get_one::<String>("strace").unwrap(), "");
    }

    #[test]
    fn programs_are_found_in_path() {
        let env = [b"PATH=/nowhere:/bin".to_vec()];
        assert_eq!(find(b"sh", &env), b"/bin/sh");
        assert_eq!(find(b"./sh", &env), b"./sh");
        assert!(is_variable(b"A=b", b"A") && !is_variable(b"AB=b", b"A"));
    }
}
