//! The command line: which command, and what it was given. Each command is one file.
//!
//! `metaphrase PROGRAM ARGS` with a path (how binfmt_misc starts us) is `metaphrase run PROGRAM ARGS`.

pub mod binfmt;
pub mod cache;
pub mod explain;
pub mod run;
pub mod stats;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Arguments as bytes: a guest's need not be text.
pub type Args = Vec<Vec<u8>>;

const USAGE: &str = "\
metaphrase runs AArch64 (64-bit ARM) Linux programs on x86-64.

  metaphrase run [OPTIONS] PROGRAM [ARGS...]   run a program (see metaphrase run --help)
  metaphrase PATH/TO/PROGRAM [ARGS...]         the same, without options
  metaphrase stats FILE [--html OUT]           show what `run --stats=FILE` wrote (see metaphrase stats --help)
  metaphrase explain PROGRAM --at SYMBOL|PC    show what becomes of guest code (see metaphrase explain --help)
  metaphrase cache [--clear]                   show or remove what is kept for later runs (see metaphrase cache --help)
  metaphrase binfmt register|status|unregister let the kernel start AArch64 programs with metaphrase
  metaphrase --version
";

/// Runs the command line; the exit code.
pub fn main(argv: Args, envp: Args) -> i32 {
    if argv
        .first()
        .is_some_and(|a| a == crate::user::start::CHILD_MARK.as_bytes())
    {
        return run::as_child(argv, envp);
    }
    let Some(first) = argv.get(1) else {
        eprint!("{USAGE}");
        return 2;
    };
    match first.as_slice() {
        _ if first.contains(&b'/') || run::started_by_binfmt() => run::bare(argv, envp),
        b"run" => run::from_command_line(argv.into_iter().skip(1).collect(), envp),
        b"binfmt" => binfmt::main(argv.into_iter().skip(1).collect()),
        b"cache" => cache::main(argv.into_iter().skip(1).collect(), &envp),
        b"stats" => stats::main(argv.into_iter().skip(1).collect()),
        b"explain" => explain::main(argv.into_iter().skip(1).collect()),
        b"--version" | b"-V" => {
            println!("metaphrase {}", env!("CARGO_PKG_VERSION"));
            0
        }
        b"--help" | b"-h" | b"help" => {
            print!("{USAGE}");
            0
        }
        other => {
            eprintln!(
                "metaphrase: there is no command \"{}\"\n\n{USAGE}",
                other.escape_ascii()
            );
            2
        }
    }
}

/// One clear line on standard error.
pub fn complain(text: impl std::fmt::Display) {
    eprintln!("metaphrase: {text}");
}

fn os(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}
