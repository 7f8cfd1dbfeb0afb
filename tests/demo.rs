//! The demonstration guest that ships built: what it prints in each mode of the translator, and that the shipped file is the program
//! that its source says (the host's compiler builds the same source; it must print the same).

use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/demo")
}

fn expected() -> String {
    std::fs::read_to_string(folder().join("expected.txt"))
        .expect("the expected output is in the repository")
}

fn demo(flags: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metaphrase"));
    for (name, _) in std::env::vars_os() {
        // Settings of the person who runs the tests, and variables of the tests themselves.
        if name.to_string_lossy().starts_with("METAPHRASE_") {
            command.env_remove(name);
        }
    }
    let out = command
        .arg("run")
        .args(flags)
        .arg(folder().join("demo"))
        .output()
        .expect("metaphrase starts");
    assert!(
        out.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    (
        String::from_utf8_lossy(&out.stdout).into_owned(),
        out.status.code(),
    )
}

#[test]
fn prints_the_same_in_every_mode() {
    let modes: [&[&str]; 3] = [
        &["--jit=off"],
        &["--jit=sync", "--jit-threshold=1"],
        &["--jit=background"],
    ];
    for mode in modes {
        assert_eq!(demo(mode), (expected(), Some(0)), "{mode:?}");
    }
}

#[test]
fn the_host_compiler_agrees() {
    let native = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo-native");
    let built = Command::new("cc")
        .args([
            "-O2",
            "-static",
            "-nostdlib",
            "-ffreestanding",
            "-fno-stack-protector",
            "-ffp-contract=off",
            "-o",
        ])
        .arg(&native)
        .arg(folder().join("demo.c"))
        .status()
        .expect("a Rust installation on Linux has a C compiler to link with");
    assert!(built.success());
    let out = Command::new(&native)
        .output()
        .expect("the native program starts");
    assert_eq!(String::from_utf8_lossy(&out.stdout), expected());
}

#[test]
fn the_shipped_file_is_small() {
    let size = std::fs::metadata(folder().join("demo"))
        .expect("the guest is in the repository")
        .len();
    assert!(size < 100 << 10, "{size} bytes");
}
