//! Instructions whose work is shared with the runtime and the kernel's part of it: `tests/cpu/*.c` check themselves under the model
//! `max` in each mode and print `ok`, or print what QEMU makes them print (`*.txt`).
//!
//! Needs the cross compiler; without it the tests say so and do nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

fn build(name: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cpu/{name}.c"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cpu-{name}"));
    // Two tests run the same program: neither may find it half written.
    let unfinished = program.with_extension(format!("{:?}", std::thread::current().id()));
    let built = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O1", "-static", "-pthread", "-o"])
        .args([&unfinished, &source])
        .output();
    let Ok(out) = built else {
        let required = std::env::var("METAPHRASE_REQUIRE_ORACLES").is_ok_and(|v| v == "1");
        assert!(!required, "no aarch64-linux-gnu-gcc");
        eprintln!("skipped: no aarch64-linux-gnu-gcc");
        return None;
    };
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}");
    std::fs::rename(&unfinished, &program).expect("a new name");
    Some(program)
}

fn run(program: &Path, options: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_metaphrase"))
        .arg("run")
        .args(options)
        .arg(program)
        .output()
        .expect("it starts");
    let (o, e) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    format!("{o}{e}")
}

/// The interpreter, the baseline, regions.
const MODES: [&[&str]; 3] = [
    &["--jit=off"],
    &["--jit=sync", "--jit-threshold=1000000"],
    &["--jit=sync", "--jit-threshold=1"],
];

fn check(name: &str) {
    let Some(program) = build(name) else { return };
    for mode in MODES {
        let mut options = vec!["--cpu=max"];
        options.extend(mode);
        assert_eq!(run(&program, &options), "ok\n", "{name} {mode:?}");
    }
}

/// The program prints what QEMU (11.1.3 and 7.2 agree) makes it print.
fn check_lines(name: &str) {
    let Some(program) = build(name) else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cpu/{name}.txt"));
    let expected = std::fs::read_to_string(path).expect("a file");
    for mode in MODES {
        let printed = run(&program, mode);
        for (want, got) in expected.lines().zip(printed.lines()) {
            assert_eq!(got, want, "{mode:?}");
        }
        assert_eq!(
            printed.lines().count(),
            expected.lines().count(),
            "{mode:?}"
        );
    }
}

/// Exception bits of operations whose results are not used, and the like.
#[test]
fn fpsr() {
    check_lines("fpsr");
}

/// Also where regions have run for long before anybody looks at FPSR.
#[test]
fn underflow() {
    check("underflow");
}

#[test]
fn ccmp() {
    check_lines("ccmp");
}

#[test]
fn pauth() {
    check("pauth");
}

#[test]
fn mops() {
    check("mops");
}

/// A model without a feature refuses its instructions, and the last words of the process say which they were.
#[test]
fn refused_instructions_are_named() {
    let Some(program) = build("mops") else { return };
    let text = run(&program, &["--cpu=cortex-a72"]);
    assert!(text.contains("SIGILL"), "{text}");
    assert!(text.contains("FEAT_"), "{text}");
}
