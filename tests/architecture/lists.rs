//! What the rules allow: the arrows, and each exception with its reason. An entry that no file needs any more is itself a failure, so the
//! lists stay as short as the truth.

/// One of our crates: its folder, the name in code, and which of ours its sources may name.
pub struct Crate {
    pub folder: &'static str,
    pub name: &'static str,
    pub may_name: &'static [&'static str],
}

/// THE arrows.
pub const CRATES: &[Crate] = &[
    Crate {
        folder: "ir",
        name: "metaphrase_ir",
        may_name: &[],
    },
    Crate {
        folder: "frontend-arm64",
        name: "metaphrase_arm64",
        may_name: &["metaphrase_ir"],
    },
    Crate {
        folder: "backend",
        name: "metaphrase_backend",
        may_name: &["metaphrase_ir"],
    },
    Crate {
        folder: "runtime",
        name: "metaphrase_runtime",
        may_name: &["metaphrase_ir", "metaphrase_arm64", "metaphrase_backend"],
    },
    // The product sees the guest's registers and CPU features (`metaphrase_arm64::arch`), which are contracts; see ARCH_ONLY.
    Crate {
        folder: "",
        name: "metaphrase",
        may_name: &["metaphrase_runtime", "metaphrase_arm64"],
    },
];

/// Of this crate, the product's sources may name only this module.
pub const ARCH_ONLY: &str = "metaphrase_arm64::arch";

/// Product files that show every stage side by side, and so may name every crate.
pub const SHOWS_ALL_STAGES: &[&str] = &["src/cli/explain.rs"];

/// What lies at the top of the repository.
pub const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "backend",
    "benches",
    "docs",
    "frontend-arm64",
    "fuzz",
    "ir",
    "runtime",
    "src",
    "tests",
];

/// Files that may hold `unsafe`, each with what it needs it for.
pub const UNSAFE: &[(&str, &str)] = &[
    (
        "ir/src/arith/crypto/x86.rs",
        "the host's AES and SHA instructions",
    ),
    ("backend/tests/harness/mod.rs", "enters the code under test"),
    ("backend/src/arena.rs", "hands out memory"),
    (
        "runtime/src/helpers.rs",
        "called from generated code with its frame",
    ),
    (
        "runtime/src/interp.rs",
        "registers are offsets from the frame pointer",
    ),
    ("runtime/src/stats.rs", "counters of other CPUs"),
    ("runtime/src/stats/clock.rs", "the time-stamp counter"),
    ("runtime/src/stats/snapshot.rs", "counters of other CPUs"),
    ("runtime/src/stats/detail.rs", "counters of other CPUs"),
    (
        "runtime/src/cache/block.rs",
        "links between blocks are addresses",
    ),
    (
        "runtime/src/cache/unit.rs",
        "chain slots are written by address",
    ),
    ("runtime/src/cache/code_memory.rs", "maps executable memory"),
    ("runtime/src/cache/counter.rs", "counters by address; GS"),
    ("src/user/placement.rs", "fstat"),
    ("src/user/images.rs", "statfs"),
    ("src/user/placement_tests.rs", "memory that is a file"),
    (
        "runtime/src/cache/image/folder.rs",
        "system calls relative to a folder",
    ),
    ("runtime/src/cache/image/folder_tests.rs", "times of files"),
    (
        "runtime/src/cache/image/mapped.rs",
        "maps images; their slots and counters by address",
    ),
    (
        "runtime/src/cache/image/mod.rs",
        "reads our own program headers",
    ),
    (
        "runtime/src/cache/image/keep.rs",
        "maps images; reads generated code",
    ),
    (
        "runtime/src/cache/image/revive.rs",
        "guest memory by host address; blocks that stay in place",
    ),
    (
        "runtime/src/engine.rs",
        "enters generated code; cached addresses of blocks",
    ),
    (
        "runtime/src/engine/heat.rs",
        "addresses of blocks found in the tables",
    ),
    ("runtime/src/signal.rs", "host signal handlers"),
    ("runtime/src/vcpu.rs", "MXCSR"),
    (
        "runtime/src/vcpu/caches.rs",
        "zeroed memory; other threads remove entries of a jump cache",
    ),
    (
        "runtime/src/debug/jitdump.rs",
        "maps its file once, for perf to see",
    ),
    ("runtime/src/mem/access.rs", "guest memory by host address"),
    ("runtime/src/mem/bulk.rs", "guest memory by host address"),
    ("runtime/src/compile/cpus.rs", "stop words of other CPUs"),
    (
        "runtime/src/compile/cpu_time.rs",
        "the host's per-thread clocks",
    ),
    (
        "runtime/src/compile/tier1.rs",
        "the signal mask of compile threads",
    ),
    (
        "runtime/src/compile/placed.rs",
        "copies and relocates code; fills slots",
    ),
    (
        "runtime/src/compile/own.rs",
        "blocks that stay in place while a CPU is in its epoch",
    ),
    (
        "runtime/src/debug/jitdump.rs",
        "a mapping that tells perf of the file",
    ),
    (
        "runtime/tests/baseline/harness.rs",
        "enters the code under test",
    ),
    ("runtime/tests/bare/guest.rs", "loads a guest by hand"),
    (
        "runtime/tests/baseline/harness.rs",
        "enters baseline code by hand",
    ),
    (
        "runtime/tests/sequences/wordfuzz.rs",
        "a process of its own; guest memory by address",
    ),
    (
        "runtime/tests/sequences/engines.rs",
        "guest memory at fixed addresses, a code area that it writes",
    ),
    ("src/main.rs", "C's main"),
    ("src/cli/run.rs", "C's argument list; execve"),
    ("src/user/abi/mod.rs", "structures as bytes"),
    ("src/user/fd.rs", "calls on raw descriptors"),
    ("src/user/host.rs", "interruptible host calls"),
    ("src/user/limits.rs", "host limits"),
    ("src/user/memory.rs", "maps guest memory"),
    ("src/user/procfs.rs", "host calls"),
    ("src/user/rseq.rs", "the thread pointer"),
    ("src/user/signal.rs", "host signals"),
    ("src/user/stack.rs", "writes the initial stack"),
    ("src/user/start.rs", "host state before the guest starts"),
    ("src/user/task.rs", "host threads"),
    ("src/user/thread.rs", "host threads"),
    ("src/user/uaccess.rs", "guest memory by address, guarded"),
    ("src/user/vfork.rs", "a child on its parent's memory"),
    ("src/user/syscall/exec.rs", "execve"),
    ("src/user/syscall/fs.rs", "host calls"),
    ("src/user/syscall/ipc.rs", "host calls"),
    ("src/user/syscall/misc.rs", "host calls"),
    ("src/user/syscall/net.rs", "host calls"),
    ("src/user/syscall/poll.rs", "the kernel's events"),
    ("src/user/syscall/signal.rs", "host calls"),
    ("src/user/syscall/task.rs", "host calls"),
    (
        "src/user/syscall/cpu_time.rs",
        "calls on structures of ours",
    ),
    ("src/user/syscall/time.rs", "the host's vDSO"),
];

/// Most lines of a source file.
pub const LONGEST: usize = 800;

/// Longer files: flat tables of one kind of row.
pub const LONG: &[(&str, &str)] = &[];
