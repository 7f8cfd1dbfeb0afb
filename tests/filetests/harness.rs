//! Reads case files, runs them, compares, blesses. Knows nothing about what a kind means.
//!
//! A file:
//! ```text
//! # Lines before the first case are a comment on the file.
//! case NAME key=value ...
//! body, up to the first line that begins with `;`
//! ; expected output, line for line
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// One case of a file.
#[derive(Debug, Default)]
pub struct Case {
    /// The line of its header, from 1.
    pub line: usize,
    header: String,
    /// What is between header and expectation.
    pub body: String,
    expected: String,
}

impl Case {
    /// The value of `key=value` in the header.
    pub fn option(&self, key: &str) -> Option<&str> {
        let mut words = self.header.split_whitespace().skip(2);
        words.find_map(|w| w.strip_prefix(key)?.strip_prefix('='))
    }
}

/// Turns a case into its output; an error fails the case and is never blessed.
pub type Runner = fn(&Case) -> Result<String, String>;

struct CaseFile {
    path: PathBuf,
    comment: String,
    cases: Vec<Case>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests")
}

/// The kinds that have a folder.
pub fn folders() -> Vec<String> {
    let entries = fs::read_dir(root()).expect("the filetests folder is readable");
    let dirs = entries.filter_map(|e| e.ok()).filter(|e| e.path().is_dir());
    dirs.map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Runs every case of a kind and panics with all failures.
pub fn run_kind(kind: &str, runner: Runner) {
    let bless = std::env::var_os("BLESS").is_some();
    let filter = std::env::var("FILETEST").unwrap_or_default();
    let mut failures = String::new();
    let mut count = 0;
    for path in files(&root().join(kind)) {
        if !path.to_string_lossy().contains(&filter) {
            continue;
        }
        let mut file = read(&path);
        let mut changed = false;
        for case in &mut file.cases {
            count += 1;
            let place = format!("{}:{}: {}", path.display(), case.line, case.header);
            match runner(case) {
                Err(why) => writeln!(failures, "{place}\n  {why}\n").unwrap(),
                Ok(out) if out.trim_end() == case.expected.trim_end() => {}
                Ok(out) if bless => {
                    case.expected = out;
                    changed = true;
                }
                Ok(out) => writeln!(failures, "{place}\n{}", diff(&case.expected, &out)).unwrap(),
            }
        }
        if changed {
            fs::write(&path, file.text()).expect("the case file is writable");
        }
    }
    assert!(count > 0 || !filter.is_empty(), "no case of kind {kind}");
    assert!(
        failures.is_empty(),
        "\n{failures}\nto accept the new output: BLESS=1 cargo test --test filetests {kind}\n"
    );
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the kind's folder is readable");
    let mut paths: Vec<PathBuf> = (entries.filter_map(|e| e.ok()).map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "txt"))
        .collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> CaseFile {
    let text = fs::read_to_string(path).expect("the case file is readable");
    let mut file = CaseFile {
        path: path.to_path_buf(),
        comment: String::new(),
        cases: Vec::new(),
    };
    for (i, line) in text.lines().enumerate() {
        if line.starts_with("case ") {
            file.cases.push(Case {
                line: i + 1,
                header: line.to_string(),
                ..Case::default()
            });
            continue;
        }
        let to = match file.cases.last_mut() {
            None => &mut file.comment,
            Some(c) if line.starts_with(';') => &mut c.expected,
            Some(c) if c.expected.is_empty() => &mut c.body,
            Some(_) if line.trim().is_empty() => continue,
            Some(_) => panic!(
                "{}:{}: a body goes on after its expectation",
                path.display(),
                i + 1
            ),
        };
        let line = line.strip_prefix("; ").unwrap_or(line);
        to.push_str(if line == ";" { "" } else { line });
        to.push('\n');
    }
    file
}

impl CaseFile {
    fn text(&self) -> String {
        let mut s = format!("{}\n", self.comment.trim_end());
        for c in &self.cases {
            writeln!(s, "\n{}\n{}", c.header, c.body.trim_end()).unwrap();
            for line in c.expected.trim_end().lines() {
                writeln!(s, "{}", format!("; {line}").trim_end()).unwrap();
            }
        }
        assert!(!self.cases.is_empty(), "{}: no cases", self.path.display());
        s.trim_start().to_string()
    }
}

/// Lines of both texts in order; `-` expected only, `+` found only.
fn diff(expected: &str, found: &str) -> String {
    let a: Vec<&str> = expected.trim_end().lines().collect();
    let b: Vec<&str> = found.trim_end().lines().collect();
    // Length of the longest common subsequence of the tails.
    let mut lcs = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lcs[i][j] = match a[i] == b[j] {
                true => lcs[i + 1][j + 1] + 1,
                false => lcs[i + 1][j].max(lcs[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    while i < a.len() || j < b.len() {
        let (sign, line) = if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
            (' ', a[i - 1])
        } else if j == b.len() || i < a.len() && lcs[i + 1][j] >= lcs[i][j + 1] {
            i += 1;
            ('-', a[i - 1])
        } else {
            j += 1;
            ('+', b[j - 1])
        };
        writeln!(out, "  {sign} {line}").unwrap();
    }
    out
}
