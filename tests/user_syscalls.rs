//! System calls against the host's own answers: each `tests/user/*.c` is built for x86-64 and run natively, built for arm64 and
//! run under metaphrase, and both must print the same lines and end with the same status.
//!
//! Needs both C compilers; without them the tests say so and do nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const NATIVE_CC: &str = "x86_64-linux-gnu-gcc";
const GUEST_CC: &str = "aarch64-linux-gnu-gcc";

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/user")
}

/// Builds one test; `None` if the compiler is not installed.
fn build(cc: &str, name: &str, into: &Path) -> Option<PathBuf> {
    let program = into.join(format!("{name}-{cc}"));
    let mut command = Command::new(cc);
    command
        .args(["-O1", "-w", "-static", "-pthread", "-o"])
        .arg(&program)
        .arg(here().join(format!("{name}.c")));
    let Ok(output) = command.arg("-lrt").output() else {
        eprintln!("skipped: needs {cc}");
        return None;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(program)
}

/// Runs in an empty folder of its own.
fn run(mut command: Command, folder: &Path) -> Output {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).expect("folder");
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("run")
}

fn compare(name: &str) {
    let scratch =
        std::env::temp_dir().join(format!("metaphrase-sys-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("folder");
    let (Some(native), Some(guest)) = (
        build(NATIVE_CC, name, &scratch),
        build(GUEST_CC, name, &scratch),
    ) else {
        return;
    };
    let expected = run(Command::new(native), &scratch.join("work"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_metaphrase"));
    command.arg("run").args(settings(name)).arg(guest);
    let got = run(command, &scratch.join("work"));
    let text = |o: &Output| String::from_utf8_lossy(&o.stdout).into_owned();
    let (e, g) = (text(&expected), text(&got));
    let stderr = String::from_utf8_lossy(&got.stderr).into_owned();
    for (line, (e, g)) in e.lines().zip(g.lines()).enumerate() {
        assert_eq!(
            e,
            g,
            "{name}: line {} differs (native, metaphrase)\nstderr: {stderr}",
            line + 1
        );
    }
    assert_eq!(
        e.lines().count(),
        g.lines().count(),
        "{name}: one stops early\nstderr: {stderr}"
    );
    assert_eq!(
        expected.status.code(),
        got.status.code(),
        "{name}: {:?} {:?}\nstderr: {stderr}",
        expected.status,
        got.status
    );
    let _ = std::fs::remove_dir_all(scratch);
}

/// What a program's purpose asks for.
fn settings(name: &str) -> &'static [&'static str] {
    match name {
        // Enough to compile in the background.
        "sys_cpu_time" => &["--jit-threshold=500"],
        _ => &[],
    }
}

macro_rules! programs {
    ($($name:ident)*) => {
        $(#[test] fn $name() { compare(stringify!($name)); })*
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
    };
}

programs! {
    cpu_carry cpu_steady cpu_tagged proc_clone_vm proc_exec proc_killed proc_memory proc_pages proc_patch proc_random proc_setxid proc_signals proc_threads proc_vfork sys_aio sys_cpu_time sys_efault sys_epoll
    sys_fds sys_fs sys_interrupted sys_ipc sys_limits sys_lock
    sys_net sys_open sys_proc sys_stat sys_time sys_tty sys_wait
}

#[test]
fn every_program_in_the_folder_is_run() {
    let entries = std::fs::read_dir(here())
        .expect("folder")
        .filter_map(|e| e.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = entries
        .filter_map(|n| n.strip_suffix(".c").map(str::to_string))
        .collect();
    found.sort();
    assert_eq!(found, PROGRAMS);
}
