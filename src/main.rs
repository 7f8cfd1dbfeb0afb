//! The `metaphrase` command.
//!
//! `main` is C's, not Rust's: the standard library's start-up would ignore SIGPIPE and take a signal stack, and the guest must
//! inherit the dispositions that we were given.
#![no_main]

use metaphrase::cli;

/// Entry point, called by the C library.
///
/// # Safety
/// Called once, by the C library, with null-terminated arrays of C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(
    _argc: i32,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
) -> i32 {
    // SAFETY: as promised by the C library.
    let (argv, envp) = unsafe { (cli::run::strings(argv), cli::run::strings(envp)) };
    cli::main(argv, envp)
}
