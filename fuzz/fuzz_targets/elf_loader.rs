//! A program file is loaded: see `checks::ProgramFile`.
#![no_main]

use metaphrase_fuzz::checks::ProgramFile;
use std::sync::LazyLock;

static FILE: LazyLock<ProgramFile> =
    LazyLock::new(|| ProgramFile::new().expect("a temporary file"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    FILE.load(bytes).expect("the temporary file works");
});
