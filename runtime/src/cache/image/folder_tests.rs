//! What a folder of images promises: who is trusted, what stays, what goes. Times and modes are set from outside.

use super::*;
use std::fs::{self, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

/// A place for a test's folders.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("metaphrase-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Place(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let all = fs::read_dir(self.at(folder)).unwrap();
        let mut names: Vec<_> = all
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ROOM: u64 = 1 << 20;

fn open(path: &Path) -> io::Result<Folder> {
    Folder::open(path, ROOM)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn text_of(folder: &Folder, name: u128) -> Option<String> {
    let mut text = String::new();
    folder.read(name)?.read_to_string(&mut text).unwrap();
    Some(text)
}

fn path_of(folder: &Folder, name: u128) -> PathBuf {
    folder.path.join(format!("{name:032x}"))
}

fn set_age(path: &Path, age: Duration) {
    let times = FileTimes::new().set_modified(SystemTime::now() - age);
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(times).unwrap();
}

#[test]
fn it_is_made_for_its_owner_alone_and_has_one_salt() {
    let p = Place::new("salt");
    let salts: Vec<u64> = std::thread::scope(|s| {
        let all: Vec<_> = (0..8)
            .map(|_| s.spawn(|| open(&p.at("f")).unwrap().salt()))
            .collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(salts.iter().all(|s| *s == salts[0]), "{salts:x?}");
    assert_eq!(fs::metadata(p.at("f")).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(p.names("f"), ["salt"], "nothing is left of the losers");
    assert_ne!(open(&p.at("g")).unwrap().salt(), salts[0]);
}

#[test]
fn files_are_replaced_as_a_whole() {
    let p = Place::new("replace");
    let f = open(&p.at("f")).unwrap();
    assert!(f.read(7).is_none());
    f.write(7, &[b"one", b"", b" two"]).unwrap();
    let old = f.read(7).unwrap();
    f.write(7, &[b"three"]).unwrap();
    assert_eq!(text_of(&f, 7).as_deref(), Some("three"));
    assert_eq!(io::read_to_string(old).unwrap(), "one two");
    assert_eq!(f.usage().unwrap(), Usage { files: 1, bytes: 5 });
    assert_eq!(fs::metadata(path_of(&f, 7)).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(f.clear().unwrap().files, 1);
    assert_eq!((f.read(7).is_none(), p.names("f").len()), (true, 1));
}

#[test]
fn folders_of_others_are_refused() {
    let p = Place::new("refuse");
    drop(open(&p.at("good")).unwrap());
    for bad in [0o777, 0o750, 0o701] {
        mode(&p.at("good"), bad);
        let e = open(&p.at("good")).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::PermissionDenied, "{bad:o}");
    }
    mode(&p.at("good"), 0o700);
    symlink(p.at("good"), p.at("link")).unwrap();
    assert!(open(&p.at("link")).is_err());
    fs::write(p.at("file"), "").unwrap();
    assert!(open(&p.at("file")).is_err());
    assert!(open(&p.at("missing/f")).is_err() && !p.at("missing").exists());
    // Only root can give files away.
    if chown(p.at("good"), Some(65534), None).is_ok() {
        assert!(open(&p.at("good")).is_err());
    }
}

#[test]
fn a_damaged_salt_is_an_error() {
    let p = Place::new("damaged");
    drop(open(&p.at("f")).unwrap());
    fs::write(p.at("f/salt"), "short").unwrap();
    assert!(open(&p.at("f")).is_err());
}

#[test]
fn files_of_others_are_not_there() {
    let p = Place::new("files");
    let f = open(&p.at("f")).unwrap();
    for name in 1..=4 {
        f.write(name, &[b"x"]).unwrap();
    }
    mode(&path_of(&f, 1), 0o660);
    fs::rename(path_of(&f, 2), p.at("elsewhere")).unwrap();
    symlink(p.at("elsewhere"), path_of(&f, 2)).unwrap();
    fs::remove_file(path_of(&f, 3)).unwrap();
    let fifo = CString::new(path_of(&f, 3).as_os_str().as_bytes()).unwrap();
    // SAFETY: a string.
    answer(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }).unwrap();
    assert!((1..=3).all(|n| f.read(n).is_none()));
    assert!(f.read(4).is_some());
    if chown(path_of(&f, 4), Some(65534), None).is_ok() {
        assert!(f.read(4).is_none());
    }
}

#[test]
fn the_least_recently_used_go_first() {
    let p = Place::new("room");
    let f = Folder::open(&p.at("f"), 100).unwrap();
    let hours = |n: u64| Duration::from_secs(n * 3600);
    for name in 1..=3 {
        f.write(name, &[&[0; 30]]).unwrap();
        set_age(&path_of(&f, name), hours(10 - name as u64));
    }
    assert!(f.read(1).is_some(), "which makes it the youngest");
    assert!(age(fs::metadata(path_of(&f, 1)).unwrap().modified().unwrap()) < hours(1));
    f.write(4, &[&[0; 30]]).unwrap();
    assert!(f.read(2).is_none() && [1, 3, 4].iter().all(|n| f.read(*n).is_some()));
    f.write(5, &[&[0; 100]]).unwrap();
    assert_eq!(p.names("f"), [format!("{:032x}", 5), "salt".into()]);
    let e = f.write(6, &[&[0; 101]]).unwrap_err();
    assert_eq!(e.raw_os_error(), Some(libc::EFBIG));
    assert!(f.read(5).is_some());
}

#[test]
fn a_time_of_use_is_not_set_again_and_again() {
    let p = Place::new("time");
    let f = open(&p.at("f")).unwrap();
    f.write(1, &[b"x"]).unwrap();
    set_age(&path_of(&f, 1), Duration::from_secs(60));
    let before = fs::metadata(path_of(&f, 1)).unwrap().modified().unwrap();
    assert!(f.read(1).is_some());
    let after = fs::metadata(path_of(&f, 1)).unwrap().modified().unwrap();
    assert_eq!(before, after);
}

#[test]
fn what_fails_or_was_abandoned_leaves_nothing() {
    let p = Place::new("abandoned");
    let f = open(&p.at("f")).unwrap();
    fs::create_dir(path_of(&f, 1)).unwrap();
    assert!(f.write(1, &[b"x"]).is_err(), "a folder has its name");
    assert_eq!(p.names("f").len(), 2);
    for (name, minutes) in [("new-1-0-0", 11), ("new-2-0-0", 1)] {
        fs::write(f.path.join(name), "x").unwrap();
        set_age(&f.path.join(name), Duration::from_secs(minutes * 60));
    }
    f.write(2, &[b"x"]).unwrap();
    assert!(!f.path.join("new-1-0-0").exists() && f.path.join("new-2-0-0").exists());
}

#[test]
fn another_folder_in_its_place_is_not_used() {
    let p = Place::new("moved");
    let f = open(&p.at("f")).unwrap();
    f.write(1, &[b"x"]).unwrap();
    fs::rename(p.at("f"), p.at("old")).unwrap();
    assert!(f.read(1).is_none() && f.write(1, &[b"y"]).is_err());
    let other = open(&p.at("f")).unwrap();
    other.write(1, &[b"z"]).unwrap();
    assert!(f.read(1).is_none() && f.write(1, &[b"y"]).is_err() && f.usage().is_err());
    assert_eq!(text_of(&other, 1).as_deref(), Some("z"));
    drop(fs::remove_dir_all(p.at("f")));
    fs::rename(p.at("old"), p.at("f")).unwrap();
    assert_eq!(text_of(&f, 1).as_deref(), Some("x"));
    mode(&p.at("f"), 0o755);
    assert!(f.read(1).is_none(), "others may look by now");
}
