//! Code that makes NaNs runs in baseline code, which makes them itself, and not in regions, which leave for the interpreter at each: seen in
//! the statistics of a small guest that the cross compiler builds (skipped without it).

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Passes over two arrays: `before` of numbers, then `after` while one in `share` is a NaN. What is printed is the bits of a sum.
const SOURCE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
enum { N = 100 };
static double a[N], b[N];
__attribute__((noinline)) void pass(double *a, const double *b) {
    for (int i = 0; i < N; i++) a[i] = a[i] * 0.5 + b[i];
}
int main(int argc, char **argv) {
    int before = atoi(argv[1]), share = atoi(argv[2]), after = atoi(argv[3]);
    for (int i = 0; i < N; i++) a[i] = b[i] = i + 1;
    while (before-- > 0) pass(a, b);
    for (int i = 0; i < N; i += share) b[i] = __builtin_nan("");
    while (after-- > 0) pass(a, b);
    unsigned long sum = 0, x;
    for (int i = 0; i < N; i++) memcpy(&x, &a[i], 8), sum += x;
    printf("%lx\n", sum);
    return 0;
}
"#;

fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nans-{name}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    dir
}

/// The guest; `None` without a cross compiler.
fn guest(dir: &Path) -> Option<String> {
    let (c, exe) = (dir.join("nans.c"), dir.join("nans"));
    std::fs::write(&c, SOURCE).expect("the source is written");
    let flags = ["-O2", "-fno-tree-vectorize", "-ffp-contract=off", "-static"];
    let built = Command::new("aarch64-linux-gnu-gcc")
        .args(flags)
        .arg("-o")
        .args([&exe, &c])
        .status();
    let Ok(status) = built else {
        let required = std::env::var_os("METAPHRASE_REQUIRE_ORACLES").is_some();
        assert!(!required, "the cross compiler is missing");
        eprintln!("SKIPPED: the cross compiler is missing");
        return None;
    };
    assert!(status.success());
    Some(exe.to_string_lossy().into_owned())
}

fn command() -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_metaphrase"));
    for (name, _) in std::env::vars_os() {
        // Settings of the person who runs the tests.
        if name.to_string_lossy().starts_with("METAPHRASE_") {
            c.env_remove(name);
        }
    }
    c.arg("run");
    c
}

/// Runs the guest; its report.
fn report(dir: &Path, flags: &[&str], exe: &str, args: [&str; 3]) -> Value {
    let file = dir.join("report.json");
    let mut c = command();
    c.arg(format!("--stats={}", file.display())).args(flags);
    let out = c.arg(exe).args(args).output().expect("metaphrase starts");
    // NaN * 0.5 is the NaN, NaN + NaN the first of them: in the end all are the same.
    if args[1] == "1" && args[2] != "0" {
        let sum = 0x7ff8_0000_0000_0000u64.wrapping_mul(100);
        assert_eq!(String::from_utf8_lossy(&out.stdout), format!("{sum:x}\n"));
    }
    assert!(out.status.success(), "{out:?}");
    let data = std::fs::read(&file).expect("a report");
    serde_json::from_slice(&data).expect("JSON")
}

/// Regions made of the guest's loop, and those of them that were not given up.
fn of_the_loop(v: &Value) -> (usize, usize) {
    let regions = v["regions"].as_array().unwrap().iter();
    let of = regions.filter(|r| {
        let name = r["symbol"].as_str().unwrap_or("");
        r["tier"] == "optimized" && name.starts_with("pass")
    });
    let all: Vec<&Value> = of.collect();
    let kept = all.iter().filter(|r| r["ended"].is_null()).count();
    (all.len(), kept)
}

fn counter(v: &Value, name: &str) -> u64 {
    v["counters"][name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name}"))
}

const SYNC: &[&str] = &["--jit=sync", "--cache=off"];

#[test]
fn code_that_makes_nans_from_the_start_gets_no_region() {
    let dir = folder("start");
    let Some(exe) = guest(&dir) else { return };
    // The loop is hot enough, and with numbers a region.
    let numbers = report(&dir, SYNC, &exe, ["3000", "100", "0"]);
    assert_eq!(of_the_loop(&numbers), (1, 1));
    for share in ["1", "10"] {
        let v = report(&dir, SYNC, &exe, ["0", share, "3000"]);
        assert_eq!(of_the_loop(&v), (0, 0), "one in {share}");
        let left = counter(&v, "exit.retry");
        assert!(left < 1000, "left {left} times, one in {share}");
    }
}

#[test]
fn a_region_whose_nans_come_later_is_given_up() {
    let dir = folder("later");
    let Some(exe) = guest(&dir) else { return };
    let v = report(&dir, SYNC, &exe, ["3000", "1", "3000"]);
    assert_eq!(of_the_loop(&v), (1, 0));
    assert_eq!(counter(&v, "compile.retreats"), 1);
    let left = counter(&v, "exit.retry");
    assert!((1000..20_000).contains(&left), "left {left} times");
}

/// A region that an earlier process has made is given up too. (With statistics such regions are not used, so the log has to say it.)
#[test]
fn so_is_one_in_an_image() {
    let dir = folder("image");
    let Some(exe) = guest(&dir) else { return };
    let cache = std::env::temp_dir().join(format!("metaphrase-nans-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&cache);
    let run = |args: [&str; 3]| {
        let mut c = command();
        c.env("METAPHRASE_LOG", "compile=debug,cache=debug");
        c.arg(format!("--cache={}", cache.display()));
        let out = c.arg(&exe).args(args).output().expect("metaphrase starts");
        assert!(out.status.success(), "{out:?}");
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    // A file that has just been written may yet change unnoticed.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    // Long enough for the region to be made in the background.
    run(["1000000", "100", "0"]);
    let log = run(["1000", "1", "3000"]);
    let _ = std::fs::remove_dir_all(&cache);
    assert!(log.contains("an image with"), "{log}");
    // Else it would leave, and be given up, again and again.
    assert_eq!(log.matches("leave too often").count(), 1, "{log}");
}
