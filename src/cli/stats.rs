//! `metaphrase stats FILE`: shows what `metaphrase run --stats=FILE` wrote, as text or as an HTML page.

use super::{Args, complain, os};
use crate::report::{self, html, text};
use clap::{Arg, Command, value_parser};
use std::io::Write;
use std::path::PathBuf;

/// Exit code of a command line that cannot be understood.
const BAD_USAGE: i32 = 2;

fn command() -> Command {
    Command::new("metaphrase stats")
        .about("Shows what `metaphrase run --stats=FILE` wrote")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The file; children of the process wrote FILE.<pid>"),
        )
        .arg(
            Arg::new("html")
                .long("html")
                .value_name("OUT")
                .value_parser(value_parser!(PathBuf))
                .help("Write one self-contained page instead of text (\"-\": standard output)"),
        )
        .arg(
            Arg::new("top")
                .long("top")
                .value_name("N")
                .default_value("30")
                .value_parser(value_parser!(usize))
                .help("Rows of the tables of regions, blocks and calls"),
        )
}

/// `metaphrase stats ...`; `argv[0]` is "stats".
pub fn main(argv: Args) -> i32 {
    let m = match command().try_get_matches_from(argv.into_iter().map(os)) {
        Ok(m) => m,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { BAD_USAGE } else { 0 };
        }
    };
    let (Some(file), Some(&top)) = (m.get_one::<PathBuf>("file"), m.get_one::<usize>("top")) else {
        return BAD_USAGE;
    };
    let s = match report::read(file) {
        Ok(s) => s,
        Err(e) => {
            complain(format!("{}: {e}", file.display()));
            return 1;
        }
    };
    let out = m
        .get_one::<PathBuf>("html")
        .filter(|o| o.as_os_str() != "-");
    let body = match m.contains_id("html") {
        true => html::page(&s),
        false => text::full(&s, top),
    };
    let written = match out {
        Some(path) => std::fs::write(path, body).map_err(|e| format!("{}: {e}", path.display())),
        None => std::io::stdout()
            .write_all(body.as_bytes())
            .map_err(|e| format!("standard output: {e}")),
    };
    match written {
        Ok(()) => 0,
        Err(e) => {
            complain(e);
            1
        }
    }
}
