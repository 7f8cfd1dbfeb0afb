//! What we wrote here against what the kernel headers say, through both C compilers. Nothing is run: each compiler puts sizes and
//! offsets into an array of an object file, and the array is read back.

use super::agree::AGREEING;
use super::{GUEST_LAYOUTS, Layout, fcntl};
use object::{Object, ObjectSection};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const ARM64: &str = "aarch64-linux-gnu-gcc";
const X86_64: &str = "x86_64-linux-gnu-gcc";

/// Both compilers are here; otherwise the comparison is impossible and says so.
fn compilers() -> bool {
    let have = |cc: &str| {
        Command::new(cc)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    let both = have(ARM64) && have(X86_64);
    if !both {
        eprintln!("skipped: needs {ARM64} and {X86_64}");
    }
    both
}

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("metaphrase-abi-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("scratch folder");
    dir.join(name)
}

/// Evaluates constant expressions with a compiler, in the scope of some headers.
fn evaluate(cc: &str, tag: &str, headers: &[&str], expressions: &[String]) -> Vec<u64> {
    let includes: String = headers
        .iter()
        .map(|h| format!("#include <{h}>\n"))
        .collect();
    let text = format!(
        "{includes}const unsigned long long answers[] __attribute__((section(\".answers\"))) = {{\n{}\n}};\n",
        expressions
            .iter()
            .map(|e| format!("(unsigned long long)({e}),"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    let (source, output) = (
        scratch(&format!("{tag}-{cc}.c")),
        scratch(&format!("{tag}-{cc}.o")),
    );
    std::fs::write(&source, &text).expect("scratch file");
    let run = Command::new(cc)
        .args(["-w", "-D_GNU_SOURCE", "-c", "-o"])
        .arg(&output)
        .arg(&source)
        .output()
        .expect("compiler");
    assert!(
        run.status.success(),
        "{cc}: {}\n{text}",
        String::from_utf8_lossy(&run.stderr)
    );
    let bytes = std::fs::read(&output).expect("object file");
    let file = object::File::parse(&*bytes).expect("object file");
    let data = file
        .section_by_name(".answers")
        .expect("section")
        .data()
        .expect("data");
    data.chunks_exact(8)
        .map(|c| u64::from_le_bytes(c.try_into().expect("eight bytes")))
        .collect()
}

fn questions(name: &str, fields: &[&str]) -> Vec<String> {
    let offsets = fields
        .iter()
        .map(|f| format!("__builtin_offsetof({name}, {f})"));
    std::iter::once(format!("sizeof({name})"))
        .chain(offsets)
        .collect()
}

#[test]
fn guest_structures_are_the_kernels() {
    if !compilers() {
        return;
    }
    for (
        i,
        Layout {
            name,
            header,
            size,
            fields,
        },
    ) in GUEST_LAYOUTS.iter().enumerate()
    {
        let real: Vec<_> = fields
            .iter()
            .filter(|(f, _)| !f.starts_with("_hole"))
            .collect();
        let names: Vec<_> = real.iter().map(|(f, _)| *f).collect();
        let answers = evaluate(
            ARM64,
            &format!("guest{i}"),
            &[header],
            &questions(name, &names),
        );
        let ours: Vec<u64> = std::iter::once(*size as u64)
            .chain(real.iter().map(|(_, o)| *o as u64))
            .collect();
        assert_eq!(ours, answers, "{name}: size, then {names:?}");
    }
}

#[test]
fn structures_that_pass_unconverted_agree() {
    if !compilers() {
        return;
    }
    for (i, (header, name, fields)) in AGREEING.iter().enumerate() {
        let ask = questions(name, fields);
        let [arm, x86] =
            [ARM64, X86_64].map(|cc| evaluate(cc, &format!("agree{i}"), &[header], &ask));
        assert_eq!(
            arm, x86,
            "{name} of {header} differs: size, then {fields:?}"
        );
    }
}

#[test]
fn structures_that_are_converted_do_differ() {
    if !compilers() {
        return;
    }
    for (
        i,
        Layout {
            name,
            header,
            fields,
            ..
        },
    ) in GUEST_LAYOUTS.iter().enumerate()
    {
        let names: Vec<_> = fields
            .iter()
            .map(|(f, _)| *f)
            .filter(|f| !f.starts_with('_'))
            .collect();
        let ask = questions(name, &names);
        let [arm, x86] =
            [ARM64, X86_64].map(|cc| evaluate(cc, &format!("differ{i}"), &[header], &ask));
        assert_ne!(
            arm, x86,
            "{name} of {header} agrees: it belongs into agree.rs"
        );
    }
}

/// Headers whose constants cross the system-call border.
const CONSTANT_HEADERS: &[&str] = &[
    "asm/fcntl.h",
    "asm/errno.h",
    "asm/ioctls.h",
    "asm/socket.h",
    "asm/sockios.h",
    "asm/poll.h",
    "asm/resource.h",
    "asm/termbits.h",
    "asm/signal.h",
    "asm/siginfo.h",
    "linux/fs.h",
    "linux/stat.h",
    "linux/eventpoll.h",
    "linux/prctl.h",
    "linux/mount.h",
    "linux/in.h",
    "linux/in6.h",
    "linux/tcp.h",
    "linux/udp.h",
    "linux/if.h",
    "linux/netlink.h",
    "linux/rtnetlink.h",
    "linux/timerfd.h",
    "linux/time.h",
    "linux/timex.h",
    "linux/inotify.h",
    "linux/fanotify.h",
    "linux/memfd.h",
    "linux/falloc.h",
    "linux/sched.h",
    "linux/ipc.h",
    "linux/sem.h",
    "linux/shm.h",
    "linux/msg.h",
    "linux/mqueue.h",
    "linux/quota.h",
    "linux/reboot.h",
    "linux/personality.h",
    "linux/capability.h",
    "linux/keyctl.h",
    "linux/membarrier.h",
    "linux/landlock.h",
    "linux/openat2.h",
    "linux/close_range.h",
    "linux/random.h",
    "linux/xattr.h",
    "linux/utsname.h",
    "linux/wait.h",
    "linux/futex.h",
    "linux/tty.h",
    "linux/if_tun.h",
    "linux/loop.h",
    "linux/fiemap.h",
    "linux/userfaultfd.h",
    "linux/io_uring.h",
    "linux/aio_abi.h",
    "linux/pidfd.h",
    "linux/kcmp.h",
    "linux/rtc.h",
    "linux/hdreg.h",
    "linux/vm_sockets.h",
    "linux/perf_event.h",
    "linux/rseq.h",
    "linux/sysinfo.h",
];

/// Constants known to differ, each with where that is dealt with.
const DIFFERING_CONSTANTS: &[(&str, &str)] = &[
    ("O_DIRECTORY", "abi/fcntl.rs"),
    ("O_NOFOLLOW", "abi/fcntl.rs"),
    ("O_DIRECT", "abi/fcntl.rs"),
    ("O_LARGEFILE", "abi/fcntl.rs"),
    ("O_TMPFILE", "contains O_DIRECTORY: abi/fcntl.rs"),
    ("O_TMPFILE_MASK", "contains O_DIRECTORY: abi/fcntl.rs"),
    ("EPOLL_PACKED", "abi/eventpoll.rs"),
    ("MINSIGSTKSZ", "the signal code knows the guest's"),
    ("SIGSTKSZ", "a libc constant; nothing in the kernel"),
    ("LINUX_VERSION_CODE", "which headers, not which machine"),
    ("LINUX_VERSION_SUBLEVEL", "which headers, not which machine"),
];

/// Object-like macros of a header as text by name.
fn macros(cc: &str, header: &str) -> BTreeMap<String, String> {
    let source = scratch("macros.c");
    std::fs::write(&source, format!("#include <{header}>\n")).expect("scratch file");
    let run = Command::new(cc)
        .args(["-E", "-dM"])
        .arg(&source)
        .output()
        .expect("compiler");
    assert!(
        run.status.success(),
        "{cc} {header}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let parse = |l: &str| {
        l.strip_prefix("#define ")?
            .split_once(' ')
            .map(|(n, v)| (n.to_string(), v.to_string()))
    };
    text.lines()
        .filter_map(parse)
        .filter(|(n, _)| !n.contains('(') && !n.starts_with('_'))
        .collect()
}

/// Constants whose *text* differs are found by the preprocessor; those that agree in text but contain one that differs are
/// found through their values, so each differing name's users are listed above too (`O_TMPFILE`).
#[test]
fn constants_agree_but_for_the_known_ones() {
    if !compilers() {
        return;
    }
    let mut seen = Vec::new();
    for header in CONSTANT_HEADERS {
        let [arm, x86] = [ARM64, X86_64].map(|cc| macros(cc, header));
        let differing = arm
            .iter()
            .filter(|(n, v)| x86.get(*n).is_some_and(|w| w != *v))
            .map(|(n, _)| n.clone());
        seen.extend(differing);
    }
    let unknown: Vec<_> = seen
        .iter()
        .filter(|n| !DIFFERING_CONSTANTS.iter().any(|(k, _)| k == n))
        .collect();
    assert!(
        unknown.is_empty(),
        "constants differ and nobody deals with them: {unknown:?}"
    );
    for (name, ..) in fcntl::DIFFERING {
        assert!(seen.iter().any(|n| n == name), "{name} does not differ");
    }
}

#[test]
fn open_flags_are_the_headers() {
    if !compilers() {
        return;
    }
    let names: Vec<String> = fcntl::DIFFERING
        .iter()
        .map(|(n, ..)| n.to_string())
        .collect();
    let guest: Vec<u64> = fcntl::DIFFERING.iter().map(|&(_, g, _)| g).collect();
    let host: Vec<u64> = fcntl::DIFFERING.iter().map(|&(.., h)| h).collect();
    assert_eq!(evaluate(ARM64, "flags", &["asm/fcntl.h"], &names), guest);
    assert_eq!(evaluate(X86_64, "flags", &["asm/fcntl.h"], &names), host);
}

#[test]
fn open_flags_translate_both_ways() {
    for bits in 0..1u64 << 22 {
        assert_eq!(
            fcntl::open_flags_to_guest(fcntl::open_flags_to_host(bits)),
            bits
        );
    }
    assert_eq!(
        fcntl::open_flags_to_host(0o20040000),
        libc::O_TMPFILE as u64
    );
    assert_eq!(
        fcntl::open_flags_to_host(0o2101102),
        (libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_TRUNC | libc::O_CREAT | libc::O_RDWR) as u64
    );
}
