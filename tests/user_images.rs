//! What a program sees of kept translations: where it and its libraries are, and nothing else, whatever is wrong with the folder or
//! happens to files and code.
//!
//! Needs the cross compiler and its C library; without them the tests say so and do nothing.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

const CC: &str = "aarch64-linux-gnu-gcc";
/// What is the same in all processes of a folder.
const FIXED: [&str; 5] = ["program", "linker", "library", "room", "code"];
/// What never is.
const RANDOM: [&str; 2] = ["memory", "stack"];

/// The guest program `places` and the folder of its libraries.
fn guest() -> Option<&'static (PathBuf, PathBuf)> {
    static GUEST: OnceLock<Option<(PathBuf, PathBuf)>> = OnceLock::new();
    GUEST.get_or_init(find).as_ref()
}

fn find() -> Option<(PathBuf, PathBuf)> {
    let program = build("places", "places", &["-fPIE", "-pie"])?;
    let library = Command::new(CC).arg("-print-file-name=libc.so.6").output();
    let library = text(&library.expect("compiler").stdout);
    let root = Path::new(library.trim()).canonicalize().expect("C library");
    Some((program, root.ancestors().nth(2)?.to_path_buf()))
}

/// Builds a program of `tests/images`; `None` if the compiler is not installed.
fn build(source: &str, name: &str, how: &[&str]) -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("images-{name}"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/images/{source}.c"));
    let mut c = Command::new(CC);
    c.arg("-O1").args(how).arg("-o").args([&program, &source]);
    let Ok(out) = c.output() else {
        let required = std::env::var("METAPHRASE_REQUIRE_ORACLES").is_ok_and(|v| v == "1");
        assert!(!required, "no {CC}");
        eprintln!("skipped: needs {CC}");
        return None;
    };
    assert!(out.status.success(), "{}", text(&out.stderr));
    Some(program)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An empty folder for a test's folders.
fn scratch(name: &str) -> PathBuf {
    let d = std::env::temp_dir().join(format!("metaphrase-images-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&d);
    std::fs::create_dir_all(&d).expect("folder");
    d
}

fn command(cache: &str, more: &[&str]) -> Option<Command> {
    let (program, root) = guest()?;
    let mut c = Command::new(env!("CARGO_BIN_EXE_metaphrase"));
    c.args(["run", &format!("--cache={cache}"), "-L"]);
    c.args([root, program]).args(more);
    Some(c)
}

fn finish(mut c: Command) -> Output {
    let out = c.output().expect("it starts");
    assert!(out.status.success(), "{:?}\n{}", c, text(&out.stderr));
    out
}

/// The lines of one or several processes.
fn places(out: &Output) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<_, Vec<String>>::new();
    for line in text(&out.stdout).lines() {
        let (what, place) = line.split_once(' ').expect("two words");
        all.entry(what.into()).or_default().push(place.into());
    }
    all
}

fn run(cache: &Path, more: &[&str]) -> Option<BTreeMap<String, Vec<String>>> {
    let out = finish(command(cache.to_str().expect("text"), more)?);
    assert_eq!(text(&out.stderr), "");
    Some(places(&out))
}

#[test]
fn code_of_files_is_at_the_same_place_in_every_process() {
    let d = scratch("same");
    let (Some(a), Some(b)) = (run(&d.join("f"), &[]), run(&d.join("f"), &[])) else {
        return;
    };
    let (Some(other), Some(off)) = (run(&d.join("g"), &[]), run(Path::new("off"), &[])) else {
        return;
    };
    for what in FIXED {
        assert_eq!(a[what], b[what], "{what}");
        assert_ne!(a[what], other[what], "{what}: the salt");
        assert_ne!(a[what], off[what], "{what}");
    }
    for what in RANDOM {
        assert_ne!(a[what], b[what], "{what}");
    }
    for what in ["linker", "library", "room", "code"] {
        assert!(a[what][0].starts_with("0x30"), "{what}: {:?}", a[what]);
    }
    assert_eq!(a["descriptors"], off["descriptors"]);
    let again = run(Path::new("off"), &[]).expect("compiler");
    for what in FIXED {
        assert_ne!(off[what], again[what], "{what}");
    }
    std::fs::remove_dir_all(d).expect("folder");
}

#[test]
fn children_and_their_programs_too() {
    let d = scratch("children");
    let Some(all) = run(&d.join("f"), &["child"]) else {
        return;
    };
    assert_eq!(
        all["program"].len(),
        3,
        "itself, its child, the child's program"
    );
    for what in FIXED {
        assert!(
            all[what].iter().all(|p| *p == all[what][0]),
            "{what}: {all:?}"
        );
    }
    assert_ne!(all["memory"][0], all["memory"][1]);
    assert_eq!(all["descriptors"][0], all["descriptors"][1]);
    std::fs::remove_dir_all(d).expect("folder");
}

/// The program runs as without a folder, and one line says why there is none.
fn refused(c: Command, why: &str) {
    let out = finish(c);
    let stderr = text(&out.stderr);
    assert_eq!(stderr.lines().count(), 1, "{why}: {stderr}");
    assert!(stderr.contains("--cache"), "{why}: {stderr}");
    let off = finish(command("off", &["child"]).expect("compiler"));
    let (got, off) = (places(&out), places(&off));
    assert_eq!(got["descriptors"], off["descriptors"], "{why}");
    assert_eq!(got["program"].len(), 3, "{why}");
}

#[test]
fn bad_folders_do_not_matter_to_the_program() {
    let d = scratch("bad");
    let folder = |name: &str, mode: u32| {
        let path = d.join(name);
        std::fs::create_dir(&path).expect("folder");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("mode");
        path
    };
    let mut bad = vec![folder("open", 0o777), folder("group", 0o750)];
    symlink(folder("good", 0o700), d.join("link")).expect("link");
    std::fs::write(d.join("file"), "").expect("file");
    bad.extend(["link", "file", "missing/folder"].map(|n| d.join(n)));
    // Only root can give folders away.
    let theirs = folder("theirs", 0o700);
    if chown(&theirs, Some(65534), None).is_ok() {
        bad.push(theirs);
    }
    for path in bad {
        let Some(c) = command(path.to_str().expect("text"), &["child"]) else {
            return;
        };
        refused(c, &path.display().to_string());
    }
    std::fs::remove_dir_all(d).expect("folder");
}

/// Runs a shell script that ends with `exec "$@"`, the program's command line.
fn under(script: &str, inner: &Command) -> Command {
    let mut c = Command::new("unshare");
    c.args(["-rm", "sh", "-c", script, "sh"]);
    c.arg(inner.get_program()).args(inner.get_args());
    c
}

#[test]
fn folders_that_take_nothing_do_not_matter_either() {
    let d = scratch("full");
    let cache = d.to_str().expect("text");
    let Some(c) = command(cache, &["child"]) else {
        return;
    };
    let mount = |options: &str| format!("mount -t tmpfs -o mode=700,{options} none {cache}");
    let probe = under(
        &format!("{} && exec \"$@\"", mount("size=4k")),
        &Command::new("true"),
    );
    if !{ probe }.output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: cannot mount");
        return;
    }
    let full = format!(
        "{} && head -c 4096 /dev/zero > {cache}/x && exec \"$@\"",
        mount("size=4k")
    );
    refused(under(&full, &c), "full");
    let files = format!("{} && exec \"$@\"", mount("nr_inodes=1"));
    refused(under(&files, &c), "no more files");
    let read_only = format!(
        "{} && mount -o remount,ro {cache} && exec \"$@\"",
        mount("size=4k")
    );
    refused(under(&read_only, &c), "read-only");
    refused(under("ulimit -f 0 && exec \"$@\"", &c), "no room for files");
    std::fs::remove_dir_all(d).expect("folder");
}

#[test]
fn a_folder_may_become_full_or_vanish() {
    let d = scratch("later");
    let cache = d.join("f");
    let Some(c) = command(cache.to_str().expect("text"), &["child"]) else {
        return;
    };
    let first = places(&finish(
        command(cache.to_str().expect("text"), &[]).expect("compiler"),
    ));
    // There is a salt now, but room for nothing else: no signal, no message.
    let out = finish(under("ulimit -f 0 && exec \"$@\"", &c));
    assert_eq!(text(&out.stderr), "");
    assert_eq!(places(&out)["library"][0], first["library"][0]);
    std::fs::remove_dir_all(d).expect("folder");
}

/// A file that was written long enough ago to be kept.
fn settle() {
    std::thread::sleep(Duration::from_millis(2500));
}

/// What a static program prints. Compiles soon.
fn prints(cache: &Path, program: &Path, args: &[&str]) -> String {
    let mut c = Command::new(env!("CARGO_BIN_EXE_metaphrase"));
    c.arg("run").arg(format!("--cache={}", cache.display()));
    c.arg("--jit-threshold=200").arg(program).args(args);
    let out = finish(c);
    assert_eq!(text(&out.stderr), "");
    text(&out.stdout)
}

/// Paths of the images in a folder.
fn images(cache: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(cache).expect("folder");
    all.map(|e| e.expect("entry").path())
        .filter(|p| p.file_name().is_some_and(|n| n != "salt"))
        .collect()
}

#[test]
fn changes_of_code_are_seen_and_not_kept() {
    let d = scratch("patch");
    for (name, how) in [("patch-fixed", "-static"), ("patch-moved", "-static-pie")] {
        let Some(program) = build("patch", name, &[how]) else {
            return;
        };
        settle();
        let (cache, changed) = (d.join(name), "1 2 3 4 1\n");
        // A folder that begins with the changed program, and one that begins with the other.
        let other = d.join(format!("{name}-other"));
        assert_eq!(prints(&other, &program, &["change"]), changed, "{name}");
        for _ in 0..3 {
            assert_eq!(prints(&cache, &program, &[]), "1 1 1 1 1\n", "{name}");
            assert_eq!(images(&cache).len(), 1, "{name}");
            assert_eq!(prints(&cache, &program, &["change"]), changed, "{name}");
            assert_eq!(prints(&other, &program, &[]), "1 1 1 1 1\n", "{name}");
        }
    }
    std::fs::remove_dir_all(d).expect("folder");
}

#[test]
fn another_program_in_the_same_file_is_another_program() {
    let d = scratch("replaced");
    let build = |name: &str, one: &str| build("version", name, &["-static", one]);
    let (Some(one), Some(two)) = (
        build("version-1", "-DVERSION=1"),
        build("version-2", "-DVERSION=2"),
    ) else {
        return;
    };
    let (program, cache) = (d.join("program"), d.join("f"));
    for _ in 0..2 {
        for (file, says) in [(&one, "1\n"), (&two, "2\n")] {
            // Into the same inode; of the same size.
            std::fs::copy(file, &program).expect("copy");
            assert_eq!(prints(&cache, &program, &[]), says, "young");
            settle();
            assert_eq!(prints(&cache, &program, &[]), says);
            assert_eq!(prints(&cache, &program, &[]), says);
        }
    }
    assert_eq!(images(&cache).len(), 4, "one for each version that stayed");
    std::fs::remove_dir_all(d).expect("folder");
}

#[test]
fn damaged_images_are_not_used() {
    let d = scratch("damaged");
    let Some(program) = build("version", "version-d", &["-static", "-DVERSION=3"]) else {
        return;
    };
    settle();
    let cache = d.join("f");
    assert_eq!(prints(&cache, &program, &[]), "3\n");
    let [image] = &images(&cache)[..] else {
        panic!("one image");
    };
    let good = std::fs::read(image).expect("image");
    let garbage: Vec<u8> = (0..good.len()).map(|i| ((i * 37) >> 3) as u8).collect();
    let half = &good[..good.len() / 2];
    for bad in [
        &[][..],
        &good[..100],
        half,
        &good[..good.len() - 1],
        &garbage,
    ] {
        std::fs::write(image, bad).expect("write");
        assert_eq!(prints(&cache, &program, &[]), "3\n");
        assert_eq!(prints(&cache, &program, &[]), "3\n");
    }
    std::fs::remove_dir_all(d).expect("folder");
}

/// What a program says that calls a function of another file many times, and what the translator says of it.
struct Across {
    says: String,
    log: String,
}

impl Across {
    /// Runs it. `then`: what happens to the function.
    fn run(cache: &Path, program: &Path, file: &Path, then: &[&str]) -> Across {
        let (_, root) = guest().expect("compiler");
        let mut c = Command::new(env!("CARGO_BIN_EXE_metaphrase"));
        c.arg("run").arg(format!("--cache={}", cache.display()));
        // Traces, no regions.
        c.arg("--jit-threshold=1000000000");
        c.args(["--log=compile=debug,cache=debug", "-L"]);
        c.args([root, program, file]).args(then);
        let out = finish(c);
        Across {
            says: text(&out.stdout),
            log: text(&out.stderr),
        }
    }

    fn traces(&self) -> usize {
        self.log.matches(": trace 0x").count()
    }

    /// Whether there is a kept trace that reaches into another file, and whether it was cut off from there.
    fn way(&self) -> [bool; 2] {
        ["open", "closed"].map(|how| {
            let mut lines = self.log.lines();
            lines.any(|l| l.contains(": the way to ") && l.ends_with(&format!(" is {how}")))
        })
    }
}

/// The program and two versions of the file, in the test's folder; settled.
fn across(d: &Path, name: &str) -> Option<(PathBuf, [PathBuf; 2])> {
    guest()?;
    let built = build("across", name, &["-fPIE", "-pie", "-pthread"])?;
    let program = d.join("program");
    std::fs::copy(built, &program).expect("copy");
    let version = |n: u32| {
        let how = ["-shared", "-nostdlib", &format!("-DVERSION={n}")];
        let built = build("other", &format!("{name}-{n}"), &how)?;
        let file = d.join(format!("other-{n}.so"));
        std::fs::copy(built, &file).expect("copy");
        Some(file)
    };
    let files = [version(1)?, version(2)?];
    settle();
    Some((program, files))
}

/// `tests/cpu/underflow.c`, and a folder for what is kept of it.
struct Loops {
    program: PathBuf,
    folder: PathBuf,
    threshold: u32,
}

impl Loops {
    fn build(name: &str, threshold: u32) -> Option<Loops> {
        let program = build("../cpu/underflow", name, &["-static-pie", "-pthread"])?;
        settle();
        let folder = scratch(name);
        Some(Loops {
            program,
            folder,
            threshold,
        })
    }

    /// Runs it; how many regions were compiled, and the log.
    fn regions(&self, args: &[&str]) -> (usize, String) {
        let mut c = Command::new(env!("CARGO_BIN_EXE_metaphrase"));
        let cache = self.folder.join("f");
        c.arg("run").arg(format!("--cache={}", cache.display()));
        c.arg(format!("--jit-threshold={}", self.threshold));
        c.arg(&self.program).args(args);
        c.env("METAPHRASE_LOG", "compile=debug");
        let out = finish(c);
        assert_eq!(text(&out.stdout), "ok\n");
        let log = text(&out.stderr);
        let made = log.lines().filter(|l| l.contains("region 0x")).count();
        (made, log)
    }
}

/// Each process makes the same little code anew until that is more work than to write the image again.
#[test]
fn little_code_is_kept_in_the_end() {
    let Some(l) = Loops::build("little", 5000) else {
        return;
    };
    l.regions(&["0", "quiet"]);
    let made: Vec<usize> = (0..12).map(|_| l.regions(&["20000", "one"]).0).collect();
    assert!(made[0] > 0 && made[1] > 0, "{made:?}");
    assert_eq!(made[10..], [0, 0], "{made:?}");
    std::fs::remove_dir_all(l.folder).expect("folder");
}

/// Regions of an image overlook underflow, which only a program that uses FPSR would notice.
#[test]
fn who_looks_at_fpsr_does_not_enter_regions_that_overlook_underflow() {
    let Some(l) = Loops::build("underflow", 200) else {
        return;
    };
    // The loops, not their callers.
    assert!(l.regions(&["40000", "quiet"]).0 >= 12);
    assert_eq!(l.regions(&["0", "quiet"]).0, 0);
    // Now they are in the image, where each begins with the first pass. Once FPSR is used they are made anew, and not kept.
    let (made, log) = l.regions(&["20000", "ask"]);
    assert!(log.contains("FPSR is used") && made > 0, "{log}");
    assert_eq!(l.regions(&["1000", "quiet"]).0, 0);
    std::fs::remove_dir_all(l.folder).expect("folder");
}

#[test]
fn traces_into_another_file_serve_the_next_process() {
    let d = scratch("across");
    let Some((program, [file, other])) = across(&d, "across") else {
        return;
    };
    let cache = d.join("f");
    let first = Across::run(&cache, &program, &file, &[]);
    assert_eq!(first.says, "1 1\n");
    assert!(first.traces() > 0, "{}", first.log);
    let second = Across::run(&cache, &program, &file, &[]);
    assert_eq!(second.says, "1 1\n");
    assert_eq!(second.traces(), 0, "{}", second.log);
    assert_eq!(second.way(), [true, false], "{}", second.log);
    // Not where another file is what is called, or the file is another version.
    let elsewhere = Across::run(&cache, &program, &other, &[]);
    assert_eq!((&*elsewhere.says, elsewhere.way()), ("2 2\n", [false; 2]));
    std::fs::copy(&other, &file).expect("copy");
    for _ in 0..3 {
        let young = Across::run(&cache, &program, &file, &[]);
        assert_eq!((&*young.says, young.way()), ("2 2\n", [false; 2]));
    }
    settle();
    for _ in 0..3 {
        assert_eq!(Across::run(&cache, &program, &file, &[]).says, "2 2\n");
    }
    std::fs::remove_dir_all(d).expect("folder");
}

#[test]
fn traces_see_that_another_file_changes() {
    let d = scratch("across-changed");
    let Some((program, [file, other])) = across(&d, "across-changed") else {
        return;
    };
    let cache = d.join("f");
    let unchanged = || Across::run(&cache, &program, &file, &[]);
    assert_eq!(unchanged().says, "1 1\n");
    let other = other.to_str().expect("text");
    for (then, says) in [
        (&["write"][..], "1 5\n"),
        (&["write-running"], "1 6\n"),
        (&["map"], "1 7\n"),
        (&["thread"], "1 8\n"),
        (&["other", other], "1 2\n"),
    ] {
        for _ in 0..2 {
            let changed = Across::run(&cache, &program, &file, then);
            assert_eq!(changed.says, says, "{then:?}");
            assert_eq!(changed.way(), [true; 2], "{then:?}: {}", changed.log);
        }
    }
    let last = unchanged();
    assert_eq!((&*last.says, last.way()), ("1 1\n", [true, false]));
    std::fs::remove_dir_all(d).expect("folder");
}

#[test]
fn faults_in_another_file_are_where_they_happen() {
    let d = scratch("across-fault");
    let Some((program, [file, _])) = across(&d, "across-fault") else {
        return;
    };
    let runs = [0; 2].map(|_| Across::run(&d.join("f"), &program, &file, &["fault"]));
    for run in &runs {
        // The function's second instruction.
        assert_eq!(run.says, "4 1 1\n");
    }
    let [first, second] = runs;
    assert!(first.traces() > second.traces(), "{}", second.log);
    assert_eq!(second.way(), [true, false], "{}", second.log);
    std::fs::remove_dir_all(d).expect("folder");
}

#[test]
fn the_command_shows_and_clears() {
    let d = scratch("command");
    let Some(program) = build("version", "version-c", &["-static", "-DVERSION=4"]) else {
        return;
    };
    settle();
    let cache = d.join("f");
    let metaphrase = |args: &[&str]| {
        let mut c = Command::new(env!("CARGO_BIN_EXE_metaphrase"));
        c.arg("cache").args(args).env("METAPHRASE_CACHE", &cache);
        text(&finish(c).stdout)
    };
    assert!(metaphrase(&[]).contains("does not exist"));
    assert_eq!(prints(&cache, &program, &[]), "4\n");
    assert!(metaphrase(&[]).contains(": 1 files, "));
    assert!(metaphrase(&["--clear"]).contains(": 1 files removed, "));
    assert!(metaphrase(&[]).contains(": 0 files, 0 of at most"));
    assert_eq!(prints(&cache, &program, &[]), "4\n");
    std::fs::remove_dir_all(d).expect("folder");
}
