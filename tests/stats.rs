//! Statistics, explain and the perf outputs, as a person uses them: on the demonstration guest and on small guests that the cross compiler
//! builds (skipped without it).

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn metaphrase(args: &[&str]) -> Output {
    let mut c = Command::new(env!("CARGO_BIN_EXE_metaphrase"));
    for (name, _) in std::env::vars_os() {
        // Settings of the person who runs the tests.
        if name.to_string_lossy().starts_with("METAPHRASE_") {
            c.env_remove(name);
        }
    }
    c.args(args).output().expect("metaphrase starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stats-{name}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    dir
}

fn demo() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    format!("{root}/tests/guests/demo/demo")
}

/// Builds a static guest; `None` without a cross compiler.
fn guest(dir: &Path, name: &str, source: &str) -> Option<String> {
    let (c, exe) = (dir.join(format!("{name}.c")), dir.join(name));
    std::fs::write(&c, source).expect("the source is written");
    let built = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O2", "-static", "-pthread", "-o"])
        .arg(&exe)
        .arg(&c)
        .status();
    match built {
        Ok(s) => assert!(s.success()),
        Err(_) => {
            assert!(
                std::env::var_os("METAPHRASE_REQUIRE_ORACLES").is_none(),
                "the cross compiler is missing"
            );
            eprintln!("SKIPPED: the cross compiler is missing");
            return None;
        }
    }
    Some(exe.to_string_lossy().into_owned())
}

fn json(path: &Path) -> Value {
    let data = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&data).expect("JSON")
}

/// Runs a guest with --stats; its report and its result.
fn report(dir: &Path, flags: &[&str], program: &str, args: &[&str]) -> (Value, Output) {
    let file = dir.join("report.json");
    let _ = std::fs::remove_file(&file);
    let stats = format!("--stats={}", file.display());
    let all = [&["run", &stats], flags, &[program], args].concat();
    let out = metaphrase(&all);
    (json(&file), out)
}

/// Every place in a value: path, with `[]` for members of lists and the redacted kind of what is there.
fn shape(v: &Value, at: &str, out: &mut BTreeSet<String>) {
    match v {
        Value::Object(m) => m
            .iter()
            .for_each(|(k, v)| shape(v, &format!("{at}.{k}"), out)),
        Value::Array(a) => a.iter().for_each(|v| shape(v, &format!("{at}[]"), out)),
        Value::Number(_) => drop(out.insert(format!("{at}: number"))),
        Value::String(_) => drop(out.insert(format!("{at}: text"))),
        Value::Bool(_) => drop(out.insert(format!("{at}: bool"))),
        Value::Null => drop(out.insert(format!("{at}: null"))),
    }
}

#[test]
fn the_schema_is_what_was_promised() {
    let dir = folder("schema");
    let (v, out) = report(&dir, &["--jit=sync", "--jit-threshold=20"], &demo(), &[]);
    assert_eq!(out.status.code(), Some(0));
    assert!(out.stderr.is_empty(), "{}", text(&out.stderr));
    assert_eq!(v["schema"], "metaphrase-stats/1");
    let mut places = BTreeSet::new();
    shape(&v, "", &mut places);
    // What a run may or may not have.
    places.retain(|p| !p.contains("[].ended"));
    let seen: String = places.iter().map(|p| format!("{p}\n")).collect();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stats.schema");
    if std::env::var_os("METAPHRASE_BLESS").is_some() {
        std::fs::write(&golden, &seen).expect("the golden file is written");
    }
    let want = std::fs::read_to_string(&golden).expect("the golden file is in the repository");
    assert_eq!(
        seen, want,
        "fields may be added (METAPHRASE_BLESS=1 writes the file anew), others may not change without a new schema number"
    );
}

#[test]
fn counts_agree_with_each_other_and_with_the_guest() {
    let dir = folder("counts");
    for mode in [
        &["--jit=off"][..],
        &["--jit=sync", "--jit-threshold=2"],
        &["--jit=background"],
    ] {
        let (v, _) = report(&dir, mode, &demo(), &[]);
        let n = |name: &str| {
            v["counters"][name]
                .as_u64()
                .unwrap_or_else(|| panic!("{name}"))
        };
        let calls: u64 = v["syscalls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["calls"].as_u64().unwrap())
            .sum();
        // exit_group does not come back to be counted.
        assert_eq!(calls + 1, n("env.svc"), "{mode:?}");
        let runs = n("tier0.runs") + n("tier1.runs");
        assert_eq!(
            runs,
            n("lookup.block_cache_hits") + n("lookup.block_cache_misses")
        );
        let regions = v["regions"].as_array().unwrap();
        let sum = |field: &str| -> u64 { regions.iter().map(|r| r[field].as_u64().unwrap()).sum() };
        assert_eq!(sum("host_bytes"), n("compile.host_bytes"));
        assert_eq!(sum("guest_insns"), n("compile.guest_insns"));
        assert_eq!(sum("executions"), n("tier1.region_entries"));
        assert_eq!(regions.is_empty(), mode[0] == "--jit=off");
        let time: u64 = v["counters"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|c| c.0.starts_with("time."))
            .map(|c| c.1.as_u64().unwrap())
            .sum();
        let wall = v["time"]["wall_ns"].as_u64().unwrap();
        assert!(
            time > wall / 2 && time < wall + wall / 20,
            "{time} of {wall}"
        );
        assert_eq!(v["process"]["end"], "exit 0");
    }
}

#[test]
fn text_goes_to_standard_error_and_names_the_sections() {
    let out = metaphrase(&["run", "--stats", &demo()]);
    let err = text(&out.stderr);
    for title in [
        "Process",
        "Where the time went",
        "Tiers",
        "Translation and expansion",
        "Chaining and look-up",
        "Hottest regions",
    ] {
        assert!(
            err.contains(&format!("== {title} ==")),
            "{title} is missing in\n{err}"
        );
    }
    let plain = metaphrase(&["run", &demo()]);
    assert_eq!(
        plain.stdout, out.stdout,
        "statistics leave the guest's output alone"
    );
    assert!(plain.stderr.is_empty());
}

#[test]
fn the_page_is_complete_and_needs_nothing_else() {
    let dir = folder("html");
    report(&dir, &["--jit=sync", "--jit-threshold=2"], &demo(), &[]);
    let (file, page) = (dir.join("report.json"), dir.join("page.html"));
    let (file, page) = (file.to_str().unwrap(), page.to_str().unwrap());
    let out = metaphrase(&["stats", file, "--html", page]);
    assert_eq!(
        (out.status.code(), text(&out.stderr)),
        (Some(0), String::new())
    );
    let html = std::fs::read_to_string(page).unwrap();
    for id in [
        "overview",
        "time",
        "tiers",
        "translation",
        "queue",
        "lookups",
        "cache",
        "regions",
        "blocks",
        "helpers",
        "syscalls",
        "counters",
    ] {
        assert!(
            html.contains(&format!("<section id=\"{id}\">"))
                && html.contains(&format!("href=\"#{id}\"")),
            "{id}"
        );
    }
    assert!(html.contains("<svg") && html.contains("prefers-color-scheme:dark"));
    for outside in ["<script", "src=", "http:", "https:", "@import", "url("] {
        assert!(!html.contains(outside), "{outside} in the page");
    }
    let shown = text(&metaphrase(&["stats", file]).stdout);
    assert!(shown.contains("== All counters ==") && shown.contains("compile.guest_insns_distinct"));
    let bad = metaphrase(&["stats", &demo()]);
    assert_eq!(bad.status.code(), Some(1));
    assert_eq!(
        text(&bad.stderr).lines().count(),
        1,
        "{}",
        text(&bad.stderr)
    );
}

const ENDS: &str = r#"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static void *other(void *x) { _exit(7); }
__attribute__((noinline)) int hot_function(int n) { volatile int s = 0; for (int i = 0; i < n; i++) s += i; return s; }
int main(int argc, char **argv) {
    const char *how = argv[1];
    hot_function(100000);
    if (!strcmp(how, "thread")) { pthread_t t; pthread_create(&t, 0, other, 0); for (;;) pause(); }
    if (!strcmp(how, "segv")) *(volatile int *)16 = 1;
    if (!strcmp(how, "kill")) { kill(getpid(), SIGTERM); for (;;) pause(); }
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "fork")) { int s; pid_t p = fork(); if (!p) exit(3); waitpid(p, &s, 0); printf("%d\n", p); return WEXITSTATUS(s); }
    if (!strcmp(how, "exec")) { execl(argv[0], argv[0], "none", (char *)0); return 9; }
    return 5;
}
"#;

#[test]
fn every_way_to_end_leaves_a_report() {
    let dir = folder("ends");
    let Some(exe) = guest(&dir, "ends", ENDS) else {
        return;
    };
    for (how, end) in [
        ("none", "exit 5"),
        ("thread", "exit 7"),
        ("segv", "signal 11 (SIGSEGV)"),
        ("kill", "signal 15 (SIGTERM)"),
        ("abort", "signal 6 (SIGABRT)"),
    ] {
        let (v, _) = report(&dir, &[], &exe, &[how]);
        assert_eq!(v["process"]["end"], end, "{how}");
        assert_eq!(v["process"]["args"][0], how);
    }
    let (v, out) = report(&dir, &[], &exe, &["fork"]);
    assert_eq!(v["process"]["end"], "exit 3");
    let pid = text(&out.stdout).trim().to_string();
    let child = json(&dir.join(format!("report.json.{pid}")));
    assert_eq!(
        (
            &child["process"]["end"],
            child["process"]["pid"].to_string()
        ),
        (&Value::from("exit 3"), pid)
    );
    // The child's counts are its own: it makes fewer calls than its parent.
    let calls = |v: &Value| v["counters"]["env.svc"].as_u64().unwrap();
    assert!(calls(&child) < calls(&v), "{} {}", calls(&child), calls(&v));
    let (v, _) = report(&dir, &[], &exe, &["exec"]);
    assert_eq!(v["process"]["end"], "exec");
    let after = json(&dir.join(format!("report.json.{}", v["process"]["pid"])));
    assert_eq!(
        (&after["process"]["end"], &after["process"]["args"][0]),
        (&Value::from("exit 5"), &Value::from("none"))
    );
}

#[test]
fn hot_code_has_its_name() {
    let dir = folder("names");
    let Some(exe) = guest(&dir, "named", ENDS) else {
        return;
    };
    let (v, _) = report(&dir, &["--jit=sync", "--jit-threshold=20"], &exe, &["none"]);
    let names: Vec<&str> = v["regions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["symbol"].as_str())
        .collect();
    assert!(
        names.iter().any(|n| n.starts_with("hot_function")),
        "{names:?}"
    );
    let (v, _) = report(&dir, &["--jit=off"], &exe, &["none"]);
    let hottest = &v["blocks"][0];
    assert!(
        hottest["symbol"]
            .as_str()
            .unwrap()
            .starts_with("hot_function"),
        "{hottest}"
    );
    // The loop's body runs once for each of its 100000 rounds.
    assert!(
        (99_990..=100_010).contains(&hottest["executions"].as_u64().unwrap()),
        "{hottest}"
    );
}

#[test]
fn perf_finds_map_and_dump() {
    let dir = folder("perf");
    let Some(exe) = guest(&dir, "perf", ENDS) else {
        return;
    };
    let dump = format!("--jitdump={}", dir.display());
    let flags = ["--perf-map", &dump, "--jit=sync", "--jit-threshold=20"];
    let (v, _) = report(&dir, &flags, &exe, &["none"]);
    let pid = v["process"]["pid"].to_string();
    let map = format!("/tmp/perf-{pid}.map");
    let lines = std::fs::read_to_string(&map).unwrap();
    std::fs::remove_file(&map).unwrap();
    let mut named = BTreeMap::new();
    for l in lines.lines() {
        let mut f = l.splitn(3, ' ');
        let mut hex = || u64::from_str_radix(f.next().unwrap(), 16).unwrap();
        let (start, size) = (hex(), hex());
        assert!(start > 0 && size > 0, "{l}");
        named.insert(f.next().unwrap().to_string(), (start, size));
    }
    let n = |name: &str| v["counters"][name].as_u64().unwrap();
    let regions = v["regions"].as_array().unwrap().iter();
    let live = regions.filter(|r| r["ended"].is_null()).count() as u64;
    // The list of baseline blocks is cut; nothing drops one here.
    assert_eq!(n("invalidate.blocks"), 0);
    let live = live + n("baseline.blocks") + n("baseline.traces");
    assert_eq!(lines.lines().count() as u64, live);
    assert!(
        named.keys().any(|n| n.starts_with("guest:hot_function")),
        "{lines}"
    );
    let data = std::fs::read(dir.join(format!("jit-{pid}.dump"))).unwrap();
    assert_eq!(&data[..4], b"DTiJ");
    // Records follow each other to the end of the file; the last one closes.
    let (mut at, mut kinds) = (40, BTreeMap::new());
    while at < data.len() {
        let word = |o: usize| u32::from_ne_bytes(data[at + o..at + o + 4].try_into().unwrap());
        *kinds.entry(word(0)).or_insert(0u64) += 1;
        at += word(4) as usize;
    }
    assert_eq!(at, data.len());
    assert_eq!(
        kinds[&0],
        n("compile.regions") + n("baseline.blocks") + n("baseline.traces")
    );
    assert_eq!(kinds[&3], 1);
}

#[test]
fn explain_shows_every_stage() {
    let dir = folder("explain");
    let Some(exe) = guest(&dir, "explained", ENDS) else {
        return;
    };
    let out = metaphrase(&["explain", &exe, "--at", "hot_function", "--region"]);
    let shown = text(&out.stdout);
    assert_eq!(
        (out.status.code(), text(&out.stderr)),
        (Some(0), String::new())
    );
    for title in ["guest code", "IR", "optimised IR", "CLIF", "host code"] {
        assert!(
            shown.contains(&format!("== {title} ==")),
            "{title} is missing in\n{shown}"
        );
    }
    assert!(shown.contains("hot_function (entry):") && shown.contains("; guest 0x"));
    let v: Value = serde_json::from_slice(
        &metaphrase(&[
            "explain",
            &exe,
            "--at",
            "hot_function",
            "--region",
            "--json",
        ])
        .stdout,
    )
    .unwrap();
    let listed: BTreeMap<u64, String> = v["guest"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|b| b["instructions"].as_array().unwrap())
        .map(|i| {
            (
                i["pc"].as_u64().unwrap(),
                format!("{:08x}", i["word"].as_u64().unwrap()),
            )
        })
        .collect();
    let real = disassembly(&exe, "hot_function");
    // The return's block ends the region; everything of the function is reachable from its beginning.
    assert_eq!(listed, real);
    let columns =
        text(&metaphrase(&["explain", &exe, "--at", "hot_function", "--side-by-side"]).stdout);
    assert!(columns.lines().any(|l| l.contains("guest code")
        && l.contains("optimised IR")
        && l.contains("host code")));
}

/// Address and word of each instruction of a function, by objdump.
fn disassembly(exe: &str, function: &str) -> BTreeMap<u64, String> {
    let out = Command::new("aarch64-linux-gnu-objdump")
        .args(["-d", &format!("--disassemble={function}"), exe])
        .output()
        .expect("binutils come with the compiler");
    let line = |l: &str| {
        let (pc, rest) = l.trim().split_once(":\t")?;
        Some((
            u64::from_str_radix(pc, 16).ok()?,
            rest.split_ascii_whitespace().next()?.to_string(),
        ))
    };
    text(&out.stdout).lines().filter_map(line).collect()
}

#[test]
fn explain_says_what_is_wrong() {
    for (args, say) in [
        (
            &["--at", "no_such_function"][..],
            "no function \"no_such_function\"",
        ),
        (&["--at", "0x10"], "no code at 0x10"),
    ] {
        let out = metaphrase(&[&["explain", &demo()], args].concat());
        assert_eq!(out.status.code(), Some(1));
        assert!(
            text(&out.stderr).contains(say) && text(&out.stderr).lines().count() == 1,
            "{}",
            text(&out.stderr)
        );
    }
    let own = env!("CARGO_BIN_EXE_metaphrase");
    assert!(text(&metaphrase(&["explain", own]).stderr).contains("not for AArch64"));
    assert!(text(&metaphrase(&["explain", "/no/such/file"]).stderr).contains("No such file"));
}

/// The counters' part of docs/statistics.md is made from THE list.
#[test]
fn the_page_lists_every_counter() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/statistics.md");
    let page = std::fs::read_to_string(&path).expect("the page is in the repository");
    const HEAD: &str = "## Counters\n\n";
    let at = page.find(HEAD).expect("the page has a part on counters") + HEAD.len();
    let mut table = String::from("| counter | what it counts |\n|---|---|\n");
    for c in metaphrase_runtime::stats::Counter::ALL {
        let i = c.info();
        table += &format!("| `{}` | {} |\n", i.name, i.doc);
    }
    if std::env::var_os("METAPHRASE_BLESS").is_some() {
        std::fs::write(&path, page[..at].to_string() + &table).expect("the page is written");
        return;
    }
    assert_eq!(page[at..], table, "METAPHRASE_BLESS=1 writes it anew");
}
