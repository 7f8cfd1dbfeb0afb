//! The folder where images lie: one file for each, and one with the folder's salt.
//!
//! **Trust.** What is read here is run. So the folder must be ours (the effective user's) and of nobody else's reach (mode 0700), and so must its
//! files (regular, ours, not writable by others); neither may be a symbolic link. All else is as if it were not there.
//!
//! **No descriptor stays open.** The guest may close any, or list them, and hiding one is the business of those who know the guest. The folder is
//! remembered by its path, device and inode, and opened for each call. If it is another one then (chroot, another mount namespace), or no longer ours (the
//! guest changed its user), there are no images; the program goes on. The same goes for files: whoever reads one maps it and closes it.
//!
//! **Whole or not at all.** A file is written under a name of its own and renamed, so that readers see the old or the new one; what cannot be
//! written leaves nothing behind. Processes that write do not wait for each other. (Who reads a file may write to it where its format says so.)
//!
//! **Room.** All files together have at most so many bytes. The least recently used go first: reading an image sets its time of modification, once an
//! hour at most.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file with the salt.
const SALT: &CStr = c"salt";
/// How names of unfinished files begin.
const UNFINISHED: &str = "new-";
/// An unfinished file of this age is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(600);
/// How exact times of use are.
const USED: Duration = Duration::from_secs(3600);
/// What others must not be able to do with the folder: anything.
const OTHERS: u32 = 0o077;
/// What they must not be able to do with a file.
const OTHERS_WRITE: u32 = 0o022;

/// A folder of images.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
    limit: u64,
    salt: u64,
}

/// What lies in a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Images.
    pub files: usize,
    /// Bytes of all its files.
    pub bytes: u64,
}

/// A file in the folder.
struct Entry {
    name: CString,
    bytes: u64,
    /// Time of modification.
    used: SystemTime,
}

impl Entry {
    fn unfinished(&self) -> bool {
        self.name.as_bytes().starts_with(UNFINISHED.as_bytes())
    }
}

/// The answer of a call that gives a descriptor or 0, or -1.
fn answer(r: i32) -> io::Result<i32> {
    match r {
        -1 => Err(io::Error::last_os_error()),
        r => Ok(r),
    }
}

fn status(file: &File) -> io::Result<libc::stat> {
    let mut s = MaybeUninit::uninit();
    // SAFETY: the kernel fills it, and it is read only then.
    unsafe {
        answer(libc::fstat(file.as_raw_fd(), s.as_mut_ptr()))?;
        Ok(s.assume_init())
    }
}

fn is_ours(s: &libc::stat) -> bool {
    // SAFETY: asks only.
    s.st_uid == unsafe { libc::geteuid() }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// Opens a folder that can be trusted.
fn open_folder(path: &Path) -> io::Result<(File, (u64, u64))> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: `name` is a string; the descriptor is fresh.
    let dir = unsafe { File::from_raw_fd(answer(libc::open(name.as_ptr(), flags))?) };
    let s = status(&dir)?;
    if !is_ours(&s) {
        return Err(refused("the folder belongs to somebody else"));
    }
    if s.st_mode & OTHERS != 0 {
        return Err(refused(
            "others have access to the folder (its mode must be 0700)",
        ));
    }
    Ok((dir, (s.st_dev, s.st_ino)))
}

fn open_at(dir: &File, name: &CStr, flags: i32) -> io::Result<File> {
    let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: `name` is a string; the descriptor is fresh.
    unsafe {
        let fd = libc::openat(dir.as_raw_fd(), name.as_ptr(), flags, 0o600);
        Ok(File::from_raw_fd(answer(fd)?))
    }
}

fn remove_at(dir: &File, name: &CStr) -> io::Result<()> {
    // SAFETY: `name` is a string.
    answer(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), 0) }).map(|_| ())
}

/// Opens a file that can be trusted, for reading.
fn open_trusted(dir: &File, name: &CStr) -> io::Result<(File, libc::stat)> {
    let file = match open_at(dir, name, libc::O_RDWR) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => open_at(dir, name, libc::O_RDONLY)?,
        r => r?,
    };
    let s = status(&file)?;
    let regular = s.st_mode & libc::S_IFMT == libc::S_IFREG;
    if !regular || !is_ours(&s) || s.st_mode & OTHERS_WRITE != 0 {
        return Err(refused("the file is not ours alone"));
    }
    Ok((file, s))
}

/// A name that no other file has had.
fn new_name() -> io::Result<CString> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |d| d.as_nanos());
    // Processes of two containers may have the same number.
    let name = format!("{UNFINISHED}{}-{n}-{now}", std::process::id());
    Ok(CString::new(name)?)
}

/// Writes a new file and then has `name_it` give it its name. Whatever fails, it is removed.
fn write_new(
    dir: &File,
    parts: &[&[u8]],
    name_it: impl FnOnce(&CStr) -> io::Result<()>,
) -> io::Result<()> {
    let bytes: u64 = parts.iter().map(|p| p.len() as u64).sum();
    leave_room(bytes)?;
    let temporary = new_name()?;
    let mut file = open_at(
        dir,
        &temporary,
        libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL,
    )?;
    // Whatever the umask is.
    // SAFETY: changes the mode of a file of ours.
    let done = answer(unsafe { libc::fchmod(file.as_raw_fd(), 0o600) })
        .and_then(|_| parts.iter().try_for_each(|p| file.write_all(p)))
        .and_then(|()| name_it(&temporary));
    if done.is_err() {
        let _ = remove_at(dir, &temporary);
    }
    done
}

/// `EFBIG` if a file of this size is beyond RLIMIT_FSIZE: the kernel would send SIGXFSZ, which ends the program.
fn leave_room(bytes: u64) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` is a valid place; on failure it keeps its value.
    unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) };
    if bytes > limit.rlim_cur {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(())
}

/// The salt in the folder, if there is one.
fn read_salt(dir: &File) -> io::Result<u64> {
    let (mut file, _) = open_trusted(dir, SALT)?;
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The salt, made if need be. Of two processes that make one, the second takes the first's.
fn salt_of(dir: &File) -> io::Result<u64> {
    match read_salt(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        done => return done,
    }
    let mut bytes = [0u8; 8];
    // SAFETY: writes into `bytes`.
    let n = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
    if n != bytes.len() as isize {
        return Err(io::Error::other("no random numbers"));
    }
    let made = write_new(dir, &[&bytes], |temporary| {
        let fd = dir.as_raw_fd();
        // SAFETY: both are strings.
        let r = unsafe { libc::linkat(fd, temporary.as_ptr(), fd, SALT.as_ptr(), 0) };
        answer(r)?;
        remove_at(dir, temporary)
    });
    match made {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => read_salt(dir),
        done => done.map(|()| u64::from_le_bytes(bytes)),
    }
}

/// All regular files but the salt.
fn entries(dir: &File) -> io::Result<Vec<Entry>> {
    // A descriptor of its own: reading a folder moves its position, and closedir closes it.
    let own = open_at(dir, c".", libc::O_RDONLY | libc::O_DIRECTORY)?;
    let mut all = Vec::new();
    // SAFETY: fdopendir takes the descriptor over; entries are read before the next call and the stream is closed once.
    unsafe {
        let stream = libc::fdopendir(own.as_raw_fd());
        if stream.is_null() {
            return Err(io::Error::last_os_error());
        }
        std::mem::forget(own);
        while let Some(e) = libc::readdir(stream).as_ref() {
            all.extend(entry(dir, CStr::from_ptr(e.d_name.as_ptr())));
        }
        libc::closedir(stream);
    }
    Ok(all)
}

fn entry(dir: &File, name: &CStr) -> Option<Entry> {
    let mut s = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills it, and it is read only then.
    let s = unsafe {
        let flags = libc::AT_SYMLINK_NOFOLLOW;
        let r = libc::fstatat(dir.as_raw_fd(), name.as_ptr(), s.as_mut_ptr(), flags);
        answer(r).ok()?;
        s.assume_init()
    };
    let image = s.st_mode & libc::S_IFMT == libc::S_IFREG && name != SALT;
    image.then(|| Entry {
        name: name.to_owned(),
        bytes: s.st_size as u64,
        used: time(s.st_mtime, s.st_mtime_nsec),
    })
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let since = Duration::new(
        seconds.max(0) as u64,
        nanoseconds.clamp(0, 999_999_999) as u32,
    );
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

fn age(of: SystemTime) -> Duration {
    of.elapsed().unwrap_or_default()
}

impl Folder {
    /// Opens it, makes it if need be (its parent must be there). `limit`: bytes that all its files may have together.
    ///
    /// # Errors
    /// It is not ours alone, is no folder, or neither has a salt nor takes one.
    pub fn open(path: &Path, limit: u64) -> io::Result<Folder> {
        let path = std::path::absolute(path)?;
        let (dir, id) = match open_folder(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                make(&path)?;
                open_folder(&path)?
            }
            done => done?,
        };
        Ok(Folder {
            salt: salt_of(&dir)?,
            path,
            id,
            limit,
        })
    }

    /// The folder again, if it still is what it was.
    fn dir(&self) -> io::Result<File> {
        let (dir, id) = open_folder(&self.path)?;
        if id != self.id {
            return Err(refused("another folder is in its place"));
        }
        Ok(dir)
    }

    /// A random number, the same for the life of the folder.
    pub fn salt(&self) -> u64 {
        self.salt
    }

    /// Most bytes of all its files.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Opens a file. `None`: there is none that can be trusted. Not to be kept open: see the module.
    pub fn read(&self, name: u128) -> Option<File> {
        let dir = self.dir().ok()?;
        let (file, s) = open_trusted(&dir, &file_name(name).ok()?).ok()?;
        if age(time(s.st_mtime, s.st_mtime_nsec)) > USED {
            // SAFETY: no times given: the kernel's own. On a file system that cannot be written it stays as it is.
            unsafe { libc::futimens(file.as_raw_fd(), std::ptr::null()) };
        }
        Some(file)
    }

    /// Writes a file as a whole: readers see the old or the new one. Removes the oldest files if there is too much.
    ///
    /// # Errors
    /// The host's, or `EFBIG` for what is beyond a limit; then nothing has changed.
    pub fn write(&self, name: u128, parts: &[&[u8]]) -> io::Result<()> {
        let bytes: u64 = parts.iter().map(|p| p.len() as u64).sum();
        if bytes > self.limit {
            return Err(io::Error::from_raw_os_error(libc::EFBIG));
        }
        let dir = self.dir()?;
        let name = file_name(name)?;
        write_new(&dir, parts, |temporary| {
            let fd = dir.as_raw_fd();
            // SAFETY: both are strings.
            let r = unsafe { libc::renameat(fd, temporary.as_ptr(), fd, name.as_ptr()) };
            answer(r).map(|_| ())
        })?;
        // What cannot be tidied up now will be later.
        let _ = self.tidy(&dir, &name);
        Ok(())
    }

    /// Removes abandoned files, and of the others the oldest until there is not too much.
    fn tidy(&self, dir: &File, just_written: &CStr) -> io::Result<()> {
        let mut all = entries(dir)?;
        let (unfinished, mut images): (Vec<_>, Vec<_>) = all.drain(..).partition(Entry::unfinished);
        for e in unfinished.iter().filter(|e| age(e.used) > ABANDONED) {
            let _ = remove_at(dir, &e.name);
        }
        let mut bytes: u64 = images.iter().map(|e| e.bytes).sum();
        images.sort_by_key(|e| e.used);
        for e in images.iter().filter(|e| *e.name != *just_written) {
            if bytes <= self.limit {
                break;
            }
            remove_at(dir, &e.name)?;
            bytes -= e.bytes;
        }
        Ok(())
    }

    /// What lies in it.
    ///
    /// # Errors
    /// The host's, or the folder cannot be trusted any more.
    pub fn usage(&self) -> io::Result<Usage> {
        let all = entries(&self.dir()?)?;
        Ok(Usage {
            files: all.iter().filter(|e| !e.unfinished()).count(),
            bytes: all.iter().map(|e| e.bytes).sum(),
        })
    }

    /// Removes all images; what was there. Processes that run go on with what they have mapped.
    ///
    /// # Errors
    /// As [`Folder::usage`].
    pub fn clear(&self) -> io::Result<Usage> {
        let before = self.usage()?;
        let dir = self.dir()?;
        for e in entries(&dir)? {
            remove_at(&dir, &e.name)?;
        }
        Ok(before)
    }
}

/// Makes a folder; that another process has just done so is fine.
fn make(path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: `name` is a string.
    match answer(unsafe { libc::mkdir(name.as_ptr(), 0o700) }) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn file_name(name: u128) -> io::Result<CString> {
    Ok(CString::new(format!("{name:032x}"))?)
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
