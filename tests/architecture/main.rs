//! The rules of the repository, enforced. Each rule is a function from a file to what is wrong with it, applied to every file, and to an
//! example that it must refuse.
//!
//! Rules: the arrows between crates; Cranelift named by the back end alone; user mode and machines independent of each other; unsafe code
//! in listed files; module headers; length; no machine paths, registry hosts or Debian releases; no stubs; reasons for every `allow`; what
//! lies at the top level.

mod lists;
mod source;

use lists::{ARCH_ONLY, CRATES, LONG, LONGEST, SHOWS_ALL_STAGES, TOP_LEVEL, UNSAFE};
use source::File;
use std::path::Path;

type Rule = fn(&File) -> Vec<String>;

/// Every rule, with a file that it refuses.
const RULES: &[(&str, Rule, &str, &str)] = &[
    (
        "arrows in code",
        arrows,
        "backend/src/x.rs",
        "use metaphrase_arm64::decode;",
    ),
    (
        "arrows in code",
        arrows,
        "src/user/x.rs",
        "use metaphrase_arm64::decode;",
    ),
    (
        "arrows in manifests",
        manifest,
        "ir/Cargo.toml",
        "[dependencies]\nmetaphrase-runtime.workspace = true\n[lints]\nworkspace = true",
    ),
    (
        "lints are on",
        manifest,
        "ir/Cargo.toml",
        "[dependencies]\n",
    ),
    (
        "Cranelift stays in the back end",
        cranelift,
        "runtime/src/x.rs",
        "use cranelift_codegen::ir;",
    ),
    (
        "Cranelift stays in the back end",
        cranelift,
        "runtime/Cargo.toml",
        "cranelift-codegen.workspace = true",
    ),
    (
        "user mode does not know machines",
        worlds,
        "src/user/x.rs",
        "use crate::machine::board;",
    ),
    (
        "machines do not know user mode",
        worlds,
        "src/machine/x.rs",
        "use crate::user::elf;",
    ),
    (
        "unsafe in listed files",
        unsafe_listed,
        "ir/src/x.rs",
        "fn f() { unsafe { g() } }",
    ),
    (
        "module header",
        header,
        "ir/src/x.rs",
        "// for what?\nuse std::io;",
    ),
    ("length", length, "ir/src/x.rs", TOO_LONG),
    (
        "no stubs",
        stubs,
        "ir/src/x.rs",
        concat!("fn f() { to", "do!() }"),
    ),
    (
        "reasons",
        reasons,
        "ir/src/x.rs",
        "#[allow(dead_code)]\nfn f() {}",
    ),
    (
        "portable text",
        portable,
        "docs/x.md",
        concat!("see /va", "r/kit/x"),
    ),
    (
        "portable text",
        portable,
        "tests/run",
        concat!("echo book", "worm"),
    ),
];

const TOO_LONG: &str = {
    const LINES: [u8; LONGEST + 1] = [b'\n'; LONGEST + 1];
    match std::str::from_utf8(&LINES) {
        Ok(s) => s,
        Err(_) => "",
    }
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crate whose product sources (not tests, not benches) hold this file.
fn crate_of(path: &str) -> Option<&'static lists::Crate> {
    CRATES.iter().find(|c| {
        let prefix = if c.folder.is_empty() {
            "src/".to_string()
        } else {
            format!("{}/src/", c.folder)
        };
        path.starts_with(&prefix)
    })
}

fn arrows(f: &File) -> Vec<String> {
    let Some(own) = crate_of(&f.path) else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    for other in CRATES.iter().filter(|c| c.name != own.name) {
        let shows_all = SHOWS_ALL_STAGES.contains(&f.path.as_str());
        for line in f.lines_naming(other.name) {
            let text = f.code.lines().nth(line - 1).unwrap_or_default();
            let only_arch = !own.folder.is_empty()
                || other.name != "metaphrase_arm64"
                || text.contains(ARCH_ONLY);
            if !(shows_all || own.may_name.contains(&other.name) && only_arch) {
                wrong.push(format!("line {line} names {}", other.name));
            }
        }
    }
    wrong
}

fn manifest(f: &File) -> Vec<String> {
    let Some(folder) = f
        .path
        .strip_suffix("Cargo.toml")
        .map(|p| p.trim_end_matches('/'))
    else {
        return Vec::new();
    };
    let Some(own) = CRATES.iter().find(|c| c.folder == folder) else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    // Test code may use all of our crates; only what is built into the product is an arrow. The root package links them all.
    for line in section(&f.text, "[dependencies]").filter(|_| !own.folder.is_empty()) {
        let name = line
            .split(['.', ' ', '='])
            .next()
            .unwrap_or_default()
            .replace('-', "_");
        if name.starts_with("metaphrase") && !own.may_name.contains(&name.as_str()) {
            wrong.push(format!("depends on {name}"));
        }
    }
    if !section(&f.text, "[lints]").any(|l| l == "workspace = true") {
        wrong.push("does not take the workspace's lints".to_string());
    }
    wrong
}

/// Lines of one section of a manifest.
fn section<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .skip_while(move |l| *l != name)
        .skip(1)
        .take_while(|l| !l.starts_with('['))
}

fn cranelift(f: &File) -> Vec<String> {
    let inside = f.path.starts_with("backend/") || f.path == "Cargo.toml" || f.path == "Cargo.lock";
    let code = if f.is_rust() { &f.code } else { &f.text };
    let looked_at = f.is_rust() || f.path.ends_with(".toml");
    let named =
        |l: &&str| l.contains(concat!("crane", "lift-")) || l.contains(concat!("crane", "lift_"));
    if inside || !looked_at {
        return Vec::new();
    }
    code.lines()
        .filter(named)
        .map(|l| format!("names it: {}", l.trim()))
        .collect()
}

fn worlds(f: &File) -> Vec<String> {
    let other = match () {
        () if f.path.starts_with("src/user") => "machine",
        () if f.path.starts_with("src/machine") => "user",
        () => return Vec::new(),
    };
    let named = |l: &&str| {
        ["crate::", "super::", "metaphrase::"]
            .iter()
            .any(|p| l.contains(&format!("{p}{other}::")))
    };
    f.code
        .lines()
        .filter(named)
        .map(|l| format!("names {other}: {}", l.trim()))
        .collect()
}

fn unsafe_listed(f: &File) -> Vec<String> {
    let listed = UNSAFE.iter().any(|(p, _)| *p == f.path);
    let lines = f.lines_naming("unsafe");
    match lines.first() {
        Some(line) if !listed => vec![format!(
            "line {line}: unsafe, but the file is not listed in tests/architecture/lists.rs"
        )],
        None if listed => vec!["listed for unsafe, but has none".to_string()],
        _ => Vec::new(),
    }
}

fn header(f: &File) -> Vec<String> {
    let good = !f.is_rust() || f.text.starts_with("//! ");
    (!good)
        .then(|| "does not begin with `//! ` and what the file is for".to_string())
        .into_iter()
        .collect()
}

fn length(f: &File) -> Vec<String> {
    let lines = f.text.lines().count();
    let listed = LONG.iter().any(|(p, _)| *p == f.path);
    match (f.is_rust() && lines > LONGEST, listed) {
        (true, false) => vec![format!("{lines} lines; at most {LONGEST}")],
        (false, true) => vec!["listed as long, but is not".to_string()],
        _ => Vec::new(),
    }
}

fn stubs(f: &File) -> Vec<String> {
    let stub = |l: &&str| ["todo!", "unimplemented!"].iter().any(|s| l.contains(s));
    f.code
        .lines()
        .filter(stub)
        .map(|l| format!("stub: {}", l.trim()))
        .collect()
}

fn reasons(f: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    for opener in ["[allow(", "[expect("] {
        for (at, _) in f.code.match_indices(opener) {
            let end = f.code[at..].find(']').map_or(f.code.len(), |e| at + e);
            if !f.code[at..end].contains("reason =") {
                wrong.push(format!("no reason: {}", f.code[at..end].trim()));
            }
        }
    }
    wrong
}

/// Text that is true on one machine only: its folders, its mirrors, its Debian release. In two parts, so that this file passes.
const LOCAL: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/va", "r/kit"),
    ("/va", "r/wt"),
    ("/ho", "me/"),
    (".cargo/reg", "istry"),
    ("crates", ".io"),
    ("deb.debian", ".org"),
    ("pypi", ".org"),
    ("registry.npm", "js"),
    ("book", "worm"),
    ("tri", "xie"),
    ("bulls", "eye"),
];

fn portable(f: &File) -> Vec<String> {
    // Cargo writes the lock file, and names its index there.
    if f.path == "Cargo.lock" || f.path == "fuzz/Cargo.lock" {
        return Vec::new();
    }
    let found = |l: &str| {
        LOCAL
            .iter()
            .map(|(a, b)| format!("{a}{b}"))
            .find(|w| l.contains(w.as_str()))
    };
    let lines = f.text.lines().enumerate();
    lines
        .filter_map(|(i, l)| found(l).map(|w| format!("line {} names {w}", i + 1)))
        .collect()
}

#[test]
fn every_file_keeps_every_rule() {
    let mut wrong = Vec::new();
    let mut applied: Vec<Rule> = Vec::new();
    let files = source::files(root());
    for (name, rule, ..) in RULES {
        if applied.iter().any(|r| std::ptr::fn_addr_eq(*r, *rule)) {
            continue;
        }
        applied.push(*rule);
        for f in &files {
            wrong.extend(
                rule(f)
                    .into_iter()
                    .map(|w| format!("{}: {name}: {w}", f.path)),
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} violations:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_rule_refuses_its_example() {
    for (name, rule, path, text) in RULES {
        assert!(!rule(&File::new(path, text)).is_empty(), "{name}: {text}");
    }
}

#[test]
fn only_what_belongs_there_lies_at_the_top() {
    let extra: Vec<String> = source::top_level(root())
        .into_iter()
        .filter(|n| !TOP_LEVEL.contains(&n.as_str()))
        .collect();
    assert!(
        extra.is_empty(),
        "not in tests/architecture/lists.rs: {extra:?}"
    );
}

#[test]
fn listed_files_exist() {
    let listed = UNSAFE
        .iter()
        .chain(LONG)
        .map(|(p, _)| *p)
        .chain(SHOWS_ALL_STAGES.iter().copied());
    let missing: Vec<&str> = listed.filter(|p| !root().join(p).is_file()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_workspace_denies_undocumented_unsafe() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    for lint in [
        "undocumented_unsafe_blocks",
        "allow_attributes_without_reason",
    ] {
        assert!(
            section(&text, "[workspace.lints.clippy]").any(|l| l == format!("{lint} = \"deny\"")),
            "{lint}"
        );
    }
}
