//! THE table against the kernel headers of both machines, read by their C compilers' preprocessors.

use super::{Action, row, table::ROWS};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// Names and numbers of `asm/unistd.h` as a compiler sees it; `None` without that compiler.
fn header(cc: &str) -> Option<BTreeMap<String, i64>> {
    let mut command = Command::new(cc);
    command
        .args([
            "-E",
            "-dM",
            "-x",
            "c",
            "-include",
            "asm/unistd.h",
            "/dev/null",
        ])
        .stderr(Stdio::null());
    let Ok(output) = command.output() else {
        eprintln!("skipped: needs {cc}");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let defines: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("#define __NR")?.split_once(' '))
        .collect();
    // Some are defined through a second name (`__NR_fcntl __NR3264_fcntl`).
    let number = |v: &str| {
        v.parse()
            .ok()
            .or_else(|| defines.get(v.strip_prefix("__NR")?)?.parse().ok())
    };
    let names = defines
        .iter()
        .filter_map(|(n, v)| Some((n.strip_prefix('_')?.to_string(), number(v)?)));
    Some(
        names
            .filter(|(n, _)| n != "syscalls" && n != "arch_specific_syscall")
            .collect(),
    )
}

#[test]
fn every_number_of_the_header_has_its_row() {
    let Some(names) = header("aarch64-linux-gnu-gcc") else {
        return;
    };
    assert!(names.len() > 280, "{}", names.len());
    let wrong: Vec<_> = names
        .iter()
        .filter(|(n, nr)| row(**nr as u64).map(|r| r.name) != Some(n))
        .collect();
    assert!(
        wrong.is_empty(),
        "without a row, or with another name: {wrong:?}"
    );
}

/// The header here may be older than the table: what came later (451 and up), by the kernel's `scripts/syscall.tbl`.
#[test]
fn numbers_that_are_newer_than_the_header_have_rows() {
    let newer = [
        "cachestat",
        "fchmodat2",
        "map_shadow_stack",
        "futex_wake",
        "futex_wait",
        "futex_requeue",
        "statmount",
        "listmount",
        "lsm_get_self_attr",
        "lsm_set_self_attr",
        "lsm_list_modules",
        "mseal",
        "setxattrat",
        "getxattrat",
        "listxattrat",
        "removexattrat",
        "open_tree_attr",
        "file_getattr",
        "file_setattr",
    ];
    for (i, name) in newer.iter().enumerate() {
        assert_eq!(row(451 + i as u64).map(|r| r.name), Some(*name));
    }
}

#[test]
fn a_call_that_passes_is_the_same_call_on_the_host() {
    let Some(host) = header("x86_64-linux-gnu-gcc") else {
        return;
    };
    for r in ROWS {
        if let Action::Pass(nr) = r.action {
            let expected = host
                .get(r.name)
                .copied()
                .or((r.nr > 450).then_some(i64::from(r.nr)));
            assert_eq!(Some(nr), expected, "{}", r.name);
        }
    }
}
