//! Guest paths to host paths: `-L` (what exists below a folder hides what the host has, for looking up and opening, as with QEMU) and
//! `--root` (every path inside a folder).
//!
//! Handlers call [`Paths::resolve`] once per path and use what it gives with the host's `*at` calls. Must not know what the path is for.

use super::syscall::Errno;
use std::borrow::Cow;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Top folders that are always the host's under `-L`: the kernel's, and what programs share at run time.
const NEVER_BELOW_L: [&[u8]; 5] = [b"proc", b"sys", b"dev", b"run", b"tmp"];
/// Folders tried for a missing interpreter when no `-L` is given: cross compilers' and multiarch installations.
const DEFAULT_SYSROOTS: [&str; 3] = [
    "/usr/aarch64-linux-gnu",
    "/usr/aarch64-linux-gnu/sys-root",
    "/usr/aarch64-redhat-linux/sys-root/fc",
];
/// Linux's limit on symbolic links in one look-up.
const LINKS_MAX: u32 = 40;

/// Whether the last component is followed if it is a symbolic link (matters with `--root` only).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follow {
    /// As open, stat, chdir do.
    Yes,
    /// As lstat, O_NOFOLLOW and AT_SYMLINK_NOFOLLOW do.
    No,
    /// As unlink, rename, mkdir and symlink do: as `No`, and `-L` has no say in it, because a name is made or removed.
    Name,
    /// As chdir and pivot_root do: as `Yes`, and `-L` has no say in it, because the place stays.
    Place,
}

impl Follow {
    fn last(self) -> bool {
        matches!(self, Follow::Yes | Follow::Place)
    }
}

/// A path for the host's `*at` calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostPath {
    /// Descriptor of the folder it is relative to, or AT_FDCWD.
    pub dirfd: i32,
    /// The path.
    pub path: CString,
}

/// How guest paths are read.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    sysroot: Option<PathBuf>,
    root: Option<PathBuf>,
}

impl Paths {
    /// With the folder of `-L`, if any, and of `--root`, if any (must exist: made absolute and free of links).
    pub fn new(sysroot: Option<PathBuf>, root: Option<&Path>) -> std::io::Result<Paths> {
        Ok(Paths {
            sysroot,
            root: root
                .map(std::fs::canonicalize)
                .transpose()?
                .filter(|r| r != Path::new("/")),
        })
    }

    /// Whether guest paths are simply the host's: no `-L`, no `--root`.
    pub fn are_the_hosts(&self) -> bool {
        self.sysroot.is_none() && self.root.is_none()
    }

    /// The folder of `--root`.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// What the host is to look up for `path` relative to `dirfd`. `ENOENT` for the empty path is the host's to say.
    pub fn resolve(&self, dirfd: i32, path: &[u8], follow: Follow) -> Result<HostPath, Errno> {
        if let Some(root) = &self.root {
            return self.resolve_in_root(root, dirfd, path, follow);
        }
        if let Some(there) = self.below_sysroot(path, follow) {
            return Ok(there);
        }
        Ok(HostPath {
            dirfd,
            path: CString::new(path).map_err(|_| Errno::EINVAL)?,
        })
    }

    /// As [`Paths::resolve`], from guest memory.
    pub fn resolve_at(&self, dirfd: u64, addr: u64, follow: Follow) -> Result<HostPath, Errno> {
        self.resolve(dirfd as i32, &super::uaccess::read_path(addr)?, follow)
    }

    /// An absolute path that exists below the folder of `-L`, links in it leading to places below it.
    fn below_sysroot(&self, path: &[u8], follow: Follow) -> Option<HostPath> {
        let sysroot = self.sysroot.as_ref()?;
        let top = split(path).next()?;
        if path[0] != b'/'
            || NEVER_BELOW_L.contains(&top)
            || matches!(follow, Follow::Name | Follow::Place)
        {
            return None;
        }
        let there = self
            .resolve_in_root(sysroot, libc::AT_FDCWD, path, follow)
            .ok()?;
        let file = Path::new(OsStr::from_bytes(there.path.as_bytes()));
        let exists = match follow.last() {
            true => file.metadata().is_ok(),
            false => file.symlink_metadata().is_ok(),
        };
        exists.then_some(there)
    }

    /// Opens the interpreter named by a program, remembering a default sysroot that turned out to have it.
    pub fn open_interpreter(&mut self, name: &[u8]) -> std::io::Result<File> {
        let open = |p: &Paths| {
            let h = p
                .resolve(libc::AT_FDCWD, name, Follow::Yes)
                .map_err(|e| std::io::Error::from_raw_os_error(e.0))?;
            File::open(OsStr::from_bytes(h.path.as_bytes()))
        };
        let first = open(self);
        if first.is_ok() || self.sysroot.is_some() || self.root.is_some() {
            return first;
        }
        for d in DEFAULT_SYSROOTS {
            let p = Path::new(d);
            if p.is_dir() {
                let candidate = Paths {
                    sysroot: Some(p.to_path_buf()),
                    root: None,
                };
                if let Ok(f) = open(&candidate) {
                    *self = candidate;
                    return Ok(f);
                }
            }
        }
        first
    }

    /// A host path as the guest knows it: without `--root`'s folder.
    pub fn to_guest<'a>(&self, host: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(root) = &self.root else {
            return Cow::Borrowed(host);
        };
        match host.strip_prefix(root.as_os_str().as_bytes()) {
            Some(b"") => Cow::Borrowed(b"/"),
            Some(rest) if rest[0] == b'/' => Cow::Borrowed(rest),
            _ => Cow::Borrowed(host),
        }
    }

    /// Walks `path` component by component inside `root`, following links inside it: nothing leaves the folder but /proc, /sys, /dev.
    fn resolve_in_root(
        &self,
        root: &Path,
        dirfd: i32,
        path: &[u8],
        follow: Follow,
    ) -> Result<HostPath, Errno> {
        if path.is_empty() {
            return Ok(HostPath {
                dirfd,
                path: CString::default(),
            });
        }
        let mut at: Vec<Vec<u8>> = Vec::new();
        if path[0] != b'/' {
            let link = if dirfd == libc::AT_FDCWD {
                "/proc/self/cwd".to_string()
            } else {
                format!("/proc/self/fd/{dirfd}")
            };
            let base = std::fs::read_link(link).map_err(|_| Errno::EBADF)?;
            at.extend(split(&self.to_guest(base.as_os_str().as_bytes())).map(<[u8]>::to_vec));
        }
        let mut todo: Vec<Vec<u8>> = split(path).rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(c) = todo.pop() {
            if c == b".." {
                at.pop();
                continue;
            }
            at.push(c);
            if passes_through(&at) {
                at.extend(todo.drain(..).rev());
                break;
            }
            if todo.is_empty() && !follow.last() && !path.ends_with(b"/") {
                break;
            }
            let Ok(target) = std::fs::read_link(host_path(root, &at)) else {
                continue;
            };
            links += 1;
            if links > LINKS_MAX {
                return Err(Errno::ELOOP);
            }
            at.pop();
            let target = target.into_os_string().into_vec();
            if target.first() == Some(&b'/') {
                at.clear();
            }
            todo.extend(split(&target).rev().map(<[u8]>::to_vec));
        }
        let mut bytes = host_path(root, &at).into_os_string().into_vec();
        if path.ends_with(b"/") && !bytes.ends_with(b"/") {
            bytes.push(b'/');
        }
        Ok(HostPath {
            dirfd: libc::AT_FDCWD,
            path: CString::new(bytes).map_err(|_| Errno::EINVAL)?,
        })
    }
}

fn split(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|b| *b == b'/')
        .filter(|c| !c.is_empty() && *c != b".")
}

/// The kernel's own trees are the host's also under `--root`.
fn passes_through(at: &[Vec<u8>]) -> bool {
    at.first()
        .is_some_and(|c| [&b"proc"[..], b"sys", b"dev"].contains(&&c[..]))
}

fn host_path(root: &Path, at: &[Vec<u8>]) -> PathBuf {
    let mut p = if passes_through(at) {
        PathBuf::from("/")
    } else {
        root.to_path_buf()
    };
    p.extend(at.iter().map(|c| OsStr::from_bytes(c)));
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(p: &Paths, path: &str, follow: Follow) -> String {
        p.resolve(libc::AT_FDCWD, path.as_bytes(), follow)
            .unwrap()
            .path
            .into_string()
            .unwrap()
    }

    #[test]
    fn what_is_below_a_sysroot_hides_the_hosts() {
        let dir = std::env::temp_dir().join(format!("metaphrase-below-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("usr/share/x")).unwrap();
        std::fs::create_dir_all(dir.join("tmp")).unwrap();
        std::fs::write(dir.join("usr/share/x/data"), "").unwrap();
        std::os::unix::fs::symlink("/usr/share/x", dir.join("etc-x")).unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.join("broken")).unwrap();
        let d = dir.to_str().unwrap();
        let p = Paths::new(Some(dir.clone()), None).unwrap();
        let data = format!("{d}/usr/share/x/data");
        for path in ["/usr/share/x/data", "/etc-x/data", "/etc-x/../x/data"] {
            assert_eq!(resolved(&p, path, Follow::Yes), data);
        }
        for path in [
            "/usr/share/y",
            "/tmp",
            "/proc/self",
            "/",
            "usr/share/x",
            "/broken",
        ] {
            assert_eq!(resolved(&p, path, Follow::Yes), path);
        }
        assert_eq!(resolved(&p, "/broken", Follow::No), format!("{d}/broken"));
        for follow in [Follow::Name, Follow::Place] {
            assert_eq!(resolved(&p, "/usr/share/x", follow), "/usr/share/x");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_root_keeps_links_and_dots_inside() {
        let dir = std::env::temp_dir().join(format!("metaphrase-path-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("usr/bin")).unwrap();
        std::os::unix::fs::symlink("/usr/bin", dir.join("bin")).unwrap();
        std::os::unix::fs::symlink("../../../../etc/passwd", dir.join("usr/bin/up")).unwrap();
        std::os::unix::fs::symlink("loop", dir.join("loop")).unwrap();
        let p = Paths::new(None, Some(&dir)).unwrap();
        let r = std::fs::canonicalize(&dir)
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        assert_eq!(
            resolved(&p, "/bin/sh", Follow::Yes),
            format!("{r}/usr/bin/sh")
        );
        assert_eq!(
            resolved(&p, "/../../bin/up", Follow::Yes),
            format!("{r}/etc/passwd")
        );
        assert_eq!(
            resolved(&p, "/bin/up", Follow::No),
            format!("{r}/usr/bin/up")
        );
        assert_eq!(resolved(&p, "/bin", Follow::No), format!("{r}/bin"));
        assert_eq!(resolved(&p, "/usr/../proc/self", Follow::Yes), "/proc/self");
        assert_eq!(
            p.resolve(libc::AT_FDCWD, b"/loop", Follow::Yes),
            Err(Errno::ELOOP)
        );
        assert_eq!(&*p.to_guest(format!("{r}/usr").as_bytes()), b"/usr");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
