//! File status flags (`asm/fcntl.h` of arm64 and of x86-64). Four bits sit elsewhere; all others are `asm-generic/fcntl.h` on both.
//!
//! | flag | arm64 | x86-64 |
//! |---|---|---|
//! | `O_DIRECTORY` | 0o40000 | 0o200000 |
//! | `O_NOFOLLOW` | 0o100000 | 0o400000 |
//! | `O_DIRECT` | 0o200000 | 0o40000 |
//! | `O_LARGEFILE` | 0o400000 | 0o100000 |
//!
//! The eight values are two halves of one permutation of four bits, so translation loses nothing and unknown bits pass unchanged
//! (the host kernel is the judge of those). Used by `openat`, `openat2`, `fcntl`, `pipe2`, `open_by_handle_at`, `mq_open`,
//! `fanotify_init`.

/// arm64 `O_DIRECTORY`.
pub const O_DIRECTORY: u64 = 0o40000;
/// arm64 `O_NOFOLLOW`.
pub const O_NOFOLLOW: u64 = 0o100000;
/// arm64 `O_DIRECT`.
pub const O_DIRECT: u64 = 0o200000;
/// arm64 `O_LARGEFILE`.
pub const O_LARGEFILE: u64 = 0o400000;

/// Name, guest value, host value of each flag that differs.
pub const DIFFERING: &[(&str, u64, u64)] = &[
    ("O_DIRECTORY", O_DIRECTORY, libc::O_DIRECTORY as u64),
    ("O_NOFOLLOW", O_NOFOLLOW, libc::O_NOFOLLOW as u64),
    ("O_DIRECT", O_DIRECT, libc::O_DIRECT as u64),
    ("O_LARGEFILE", O_LARGEFILE, 0o100000),
];

const MOVED: u64 = O_DIRECTORY | O_NOFOLLOW | O_DIRECT | O_LARGEFILE;

/// Guest open flags as the host's.
pub fn open_flags_to_host(guest: u64) -> u64 {
    DIFFERING.iter().fold(
        guest & !MOVED,
        |host, &(_, g, h)| if guest & g != 0 { host | h } else { host },
    )
}

/// Host open flags (as `F_GETFL` gives them) as the guest's.
pub fn open_flags_to_guest(host: u64) -> u64 {
    DIFFERING.iter().fold(
        host & !MOVED,
        |guest, &(_, g, h)| if host & h != 0 { guest | g } else { guest },
    )
}
