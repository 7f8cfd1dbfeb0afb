//! Programs that cannot be started, and programs that die: one clear line on standard error, and the status that a shell expects.
//!
//! The cases that need a guest program build it with the cross compiler; without it they say so.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn scratch(name: &str) -> PathBuf {
    let d = std::env::temp_dir().join(format!("metaphrase-bad-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&d).expect("folder");
    d
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_metaphrase"))
        .arg("run")
        .args(args)
        .output()
        .expect("metaphrase starts")
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let p = folder.join(name);
    std::fs::write(&p, bytes).expect("file");
    std::fs::set_permissions(&p, PermissionsExt::from_mode(0o755)).expect("mode");
    p.to_str().expect("text").to_string()
}

/// The start of an ELF file: class, byte order, type, machine; then zeros up to `len`.
fn elf(class: u8, order: u8, kind: u16, machine: u16, len: usize) -> Vec<u8> {
    let two = |v: u16| {
        if order == 2 {
            v.to_be_bytes()
        } else {
            v.to_le_bytes()
        }
    };
    let mut b = b"\x7fELF".to_vec();
    b.extend([class, order, 1]);
    b.resize(16, 0);
    b.extend(two(kind));
    b.extend(two(machine));
    b.resize(len, 0);
    b
}

/// Refused with this status, and one line that says this.
fn refused(program: &str, code: i32, says: &str) {
    let o = run(&[program]);
    let text = String::from_utf8_lossy(&o.stderr).into_owned();
    assert_eq!(o.status.code(), Some(code), "{program}: {text}");
    assert!(text.contains(says), "{program}: {text}");
    assert_eq!(text.lines().count(), 1, "{program}: {text}");
    assert!(o.stdout.is_empty());
}

#[test]
fn files_that_are_no_programs() {
    let d = scratch("files");
    refused("/no/such/file", 127, "No such file");
    refused(d.to_str().expect("text"), 126, "is a directory");
    for (name, bytes, code, says) in [
        ("text", &b"hello\n"[..], 126, "not an ELF file"),
        ("empty", b"", 126, "not an ELF file"),
        (
            "script",
            b"#!/no/such/interpreter -x\n",
            127,
            "/no/such/interpreter",
        ),
    ] {
        refused(&file(&d, name, bytes), code, says);
    }
    let script = file(&d, "loop", b"");
    std::fs::write(&script, format!("#!{script}\n")).expect("file");
    refused(&script, 126, "nest too deeply");
    let data = file(&d, "data", b"\x7fELF");
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o644)).expect("mode");
    refused(&data, 126, "permission");
    let _ = std::fs::remove_dir_all(d);
}

#[test]
#[rustfmt::skip]
fn programs_for_other_machines() {
    let d = scratch("machines");
    const ARM: u16 = 40;
    const PPC64: u16 = 21;
    const RISCV: u16 = 243;
    const AARCH64: u16 = 183;
    // Class (1: 32 bits), byte order (2: big-endian), type (2: program), machine, length of the file; what is said about it.
    for (class, order, kind, machine, len, says) in [
        (1, 1, 2, ARM,     64, "32-bit ARM"),
        (2, 1, 2, RISCV,   64, "RISC-V"),
        (2, 2, 2, PPC64,   64, "PowerPC (64-bit, big-endian)"),
        (2, 2, 2, AARCH64, 64, "big-endian AArch64"),
        (1, 1, 2, AARCH64, 64, "32-bit pointers"),
        (2, 1, 2, 0x1234,  64, "ELF machine 4660"),
        (2, 1, 1, AARCH64, 64, "ELF type 1"),
        (2, 1, 2, AARCH64, 40, "the header is cut short"),
        (2, 1, 2, AARCH64, 64, "impossible size"),
    ] {
        refused(&file(&d, "program", &elf(class, order, kind, machine, len)), 126, says);
    }
    let _ = std::fs::remove_dir_all(d);
}

/// A static guest program, or `None` without the cross compiler.
fn guest(folder: &Path, name: &str, source: &str) -> Option<String> {
    let c = folder.join(format!("{name}.c"));
    let out = folder.join(name);
    std::fs::write(&c, source).expect("file");
    let r = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O0", "-w", "-static", "-o"])
        .arg(&out)
        .arg(&c)
        .output();
    let Ok(r) = r else {
        eprintln!("skipped: needs aarch64-linux-gnu-gcc");
        return None;
    };
    assert!(r.status.success(), "{}", String::from_utf8_lossy(&r.stderr));
    Some(out.to_str().expect("text").to_string())
}

#[test]
fn a_program_cut_short_is_damaged_and_a_missing_interpreter_is_named() {
    let d = scratch("cut");
    let Some(p) = guest(&d, "whole", "int main(){return 0;}") else {
        return;
    };
    let whole = std::fs::read(&p).expect("file");
    for n in [70, 300, whole.len() / 2] {
        refused(&file(&d, "cut", &whole[..n]), 126, "truncated or damaged");
    }
    let src = d.join("whole.c");
    let dynamic = d.join("dynamic");
    let r = Command::new("aarch64-linux-gnu-gcc")
        .args(["-Wl,--dynamic-linker=/no/such/ld.so", "-o"])
        .args([&dynamic, &src])
        .status()
        .expect("compiler");
    assert!(r.success());
    refused(
        dynamic.to_str().expect("text"),
        127,
        "/no/such/ld.so, which does not exist",
    );
    let mut bytes = std::fs::read(&dynamic).expect("file");
    let at = bytes
        .windows(14)
        .position(|w| w == b"/no/such/ld.so")
        .expect("the name");
    bytes[at + 8] = 0;
    refused(
        &file(&d, "shortened", &bytes),
        127,
        "/no/such, which does not exist",
    );
    let _ = std::fs::remove_dir_all(d);
}

#[test]
fn fatal_signals_reach_the_parent_after_one_line() {
    let d = scratch("fatal");
    let cases = [
        (
            "null",
            "int main(){ *(volatile int *)24 = 1; }",
            libc::SIGSEGV,
            "main",
            "fault address 0x18",
        ),
        (
            "jump",
            "int main(){ ((void (*)(void))0x1230)(); }",
            libc::SIGSEGV,
            "pc 0x1230",
            "fault address 0x1230",
        ),
        (
            "unaligned",
            "int main(){ ((void (*)(void))((char *)main + 2))(); }",
            libc::SIGBUS,
            "main",
            "SIGBUS",
        ),
        (
            "undefined",
            "int main(){ __asm__(\".inst 0\"); }",
            libc::SIGILL,
            "main",
            "SIGILL",
        ),
        (
            "breakpoint",
            "int main(){ __asm__(\"brk #1\"); }",
            libc::SIGTRAP,
            "main",
            "SIGTRAP",
        ),
        (
            "recursion",
            "int f(int n){ volatile char a[9999]; a[0] = n; return f(n + 1) + a[0]; } int main(){ return f(0); }",
            libc::SIGSEGV,
            "(f+",
            "SIGSEGV",
        ),
    ];
    for (name, source, signal, place, what) in cases {
        let Some(p) = guest(&d, name, source) else {
            return;
        };
        let o = run(&[&p]);
        let text = String::from_utf8_lossy(&o.stderr).into_owned();
        assert_eq!(o.status.signal(), Some(signal), "{name}: {text}");
        assert!(
            text.contains(place) && text.contains(what),
            "{name}: {text}"
        );
        assert_eq!(text.lines().count(), 1, "{name}: {text}");
    }
    let Some(p) = guest(&d, "abort", "int main(){ abort(); }") else {
        return;
    };
    assert_eq!(run(&[&p]).status.signal(), Some(libc::SIGABRT));
    let _ = std::fs::remove_dir_all(d);
}

#[test]
fn a_program_that_takes_all_memory_is_told_so_and_goes_on() {
    let d = scratch("memory");
    let source = "#include <stdio.h>\n#include <stdlib.h>\n#include <errno.h>\n#include <unistd.h>\n#include <sys/resource.h>\n#include <sys/wait.h>\n\
        int main(int c, char **v){ struct rlimit l; getrlimit(RLIMIT_AS, &l); printf(\"limit %ld\\n\", (long)l.rlim_cur >> 10);\
        int n = 0; for (void **p, **q = 0; (p = malloc(100 << (n > 400 ? 0 : 20))); q = p) *p = q, n++; printf(\"enough %d error %d\\n\", n > 5, errno);\
        fflush(stdout); for (int i = 0; i < 2000; i++) atan_like(i); return 7; }\
        int atan_like(int i){ char b[99]; return snprintf(b, sizeof b, \"%d %g %s\", i, i / 7., \"x\"); }";
    let Some(p) = guest(&d, "taker", source) else {
        return;
    };
    let line = format!(
        "ulimit -v 1500000; exec '{}' run '{p}'",
        env!("CARGO_BIN_EXE_metaphrase")
    );
    let o = Command::new("/bin/sh")
        .args(["-c", &line])
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&o.stderr).into_owned();
    assert_eq!(o.status.code(), Some(7), "{text}");
    assert_eq!(
        String::from_utf8_lossy(&o.stdout),
        "limit 1500000\nenough 1 error 12\n"
    );
    assert!(text.is_empty(), "{text}");
    let _ = std::fs::remove_dir_all(d);
}

#[test]
fn command_lines_that_cannot_be_understood() {
    for args in [
        &["--jit=sometimes", "x"][..],
        &["--cache-size=many", "x"],
        &["--no-such-flag", "x"],
        &[],
    ] {
        let o = run(args);
        assert_eq!(o.status.code(), Some(2), "{args:?}");
        assert!(!o.stderr.is_empty());
    }
}
