//! File tests: one harness for every kind of test that is text in, text out.
//!
//! `tests/filetests/KIND/*.txt` holds cases of one kind; the format is described in [`harness`]. A kind is one row of
//! the table below: the folder's name and the function that turns a case's body into the text that is expected after it.
//! `BLESS=1 cargo test --test filetests KIND` rewrites the expectations, `FILETEST=part-of-path` picks files.

mod cost;
mod harness;
mod opt;
mod run;
mod translate;
mod verify;

/// THE list of kinds: `folder: runner`. A folder that is not listed fails [`every_folder_has_a_runner`].
macro_rules! kinds {
    ($($kind:ident: $runner:path;)*) => {
        $(#[test] fn $kind() { harness::run_kind(stringify!($kind), $runner); })*
        const KINDS: &[&str] = &[$(stringify!($kind),)*];
    };
}

kinds! {
    verify: crate::verify::runner;
    opt: crate::opt::runner;
    run: crate::run::runner;
    translate: crate::translate::translate;
    decode: crate::translate::decode;
    cost: crate::cost::runner;
}

#[test]
fn every_folder_has_a_runner() {
    let folders = harness::folders();
    let missing: Vec<_> = (folders.iter().filter(|f| !KINDS.contains(&f.as_str()))).collect();
    assert!(missing.is_empty(), "no runner for {missing:?}");
}
