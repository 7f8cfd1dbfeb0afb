//! The support page `docs/syscalls.md`, derived from THE table. A test keeps the file fresh; `BLESS=1` rewrites it.

use super::table::ROWS;
use super::{Action, Row};
use std::fmt::Write;

/// Level of support and what is to be said about it.
fn level(row: &Row) -> (&'static str, &'static str) {
    match row.action {
        Action::Pass(_) => ("full", "the host's, unconverted"),
        Action::Full(_) => ("full", ""),
        Action::Partial(_, what) => ("partial", what),
        Action::None(why) => ("none", why),
    }
}

/// The page as Markdown, rows by number.
pub fn support_page() -> String {
    let mut rows: Vec<&Row> = ROWS.iter().collect();
    rows.sort_by_key(|r| r.nr);
    let count = |name| rows.iter().filter(|r| level(r).0 == name).count();
    let mut page = format!(
        "# Linux/arm64 system calls\n\n\
         Made from the table in `src/user/syscall/table.rs`; do not edit (`BLESS=1 cargo test --test syscall_page` rewrites it).\n\n\
         {} calls: {} full, {} partial, {} answered with `ENOSYS`. A number that is not listed is answered with `ENOSYS` too; the log names \
         it once. *Unconverted* means that every structure and flag of the call is the same on arm64 and x86-64, which the tests in \
         `src/user/abi` ask both C compilers.\n\n\
         | number | name | support | remarks |\n|---:|---|---|---|\n",
        rows.len(),
        count("full"),
        count("partial"),
        count("none")
    );
    for r in rows {
        let (support, remark) = level(r);
        let _ = writeln!(page, "| {} | `{}` | {support} | {remark} |", r.nr, r.name);
    }
    page
}
