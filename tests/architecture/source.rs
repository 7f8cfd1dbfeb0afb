//! The repository's text files, and Rust source with comments and literals blanked out, so that rules look at code alone. Knows no rule.

use std::fs;
use std::path::Path;

/// A text file of the repository.
pub struct File {
    /// Path from the top, with slashes.
    pub path: String,
    /// Contents.
    pub text: String,
    /// For Rust: the contents with comments, strings and characters replaced by spaces. Otherwise empty.
    pub code: String,
}

impl File {
    /// A file with these contents.
    pub fn new(path: &str, text: &str) -> File {
        File {
            path: path.to_string(),
            text: text.to_string(),
            code: if path.ends_with(".rs") {
                code_of(text)
            } else {
                String::new()
            },
        }
    }

    /// Whether this is Rust source.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Lines of code that hold `word` as a whole word, from 1.
    pub fn lines_naming(&self, word: &str) -> Vec<usize> {
        let hits = |line: &str| {
            line.match_indices(word)
                .any(|(at, _)| is_word(line, at, word.len()))
        };
        self.code
            .lines()
            .enumerate()
            .filter(|(_, l)| hits(l))
            .map(|(i, _)| i + 1)
            .collect()
    }
}

/// Whether `len` bytes at `at` stand between characters that cannot belong to an identifier.
fn is_word(line: &str, at: usize, len: usize) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !part(line[..at].chars().next_back()) && !part(line[at + len..].chars().next())
}

/// Names at the top of the repository, without what builds and git make.
pub fn top_level(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).expect("the repository can be listed");
    let names = entries.map(|e| {
        e.expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let mut names: Vec<String> = names.filter(|n| n != ".git" && n != "target").collect();
    names.sort();
    names
}

/// Every text file below `root`; what is not UTF-8 is left out.
pub fn files(root: &Path) -> Vec<File> {
    let mut out = Vec::new();
    collect(root, "", &mut out);
    assert!(out.len() > 100, "the repository has {} files", out.len());
    out
}

fn collect(folder: &Path, prefix: &str, out: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a folder can be listed") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().expect("its type");
        let path = format!("{prefix}{name}");
        let made =
            name == "target" || name == ".git" || path == "fuzz/corpus" || path == "fuzz/artifacts";
        if made || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), out);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            out.push(File::new(&path, &text));
        }
    }
}

/// Blanks comments, string literals and character literals. Line ends stay, so line numbers agree.
fn code_of(text: &str) -> String {
    let s: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < s.len() {
        let end = match s[i] {
            '/' if s.get(i + 1) == Some(&'/') => line_end(&s, i),
            '/' if s.get(i + 1) == Some(&'*') => comment_end(&s, i),
            '"' => string_end(&s, i),
            'r' if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                raw_end(&s, i).unwrap_or(i)
            }
            '\'' => char_end(&s, i).unwrap_or(i),
            _ => i,
        };
        if end == i {
            out.push(s[i]);
            i += 1;
        } else {
            out.extend(
                s[i..end]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            i = end;
        }
    }
    out
}

fn line_end(s: &[char], from: usize) -> usize {
    (from..s.len()).find(|i| s[*i] == '\n').unwrap_or(s.len())
}

fn comment_end(s: &[char], from: usize) -> usize {
    let (mut depth, mut i) = (0, from);
    while i < s.len() {
        match (s[i], s.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) if depth == 1 => return i + 2,
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    s.len()
}

fn string_end(s: &[char], from: usize) -> usize {
    let mut i = from + 1;
    while i < s.len() && s[i] != '"' {
        i += if s[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(s.len())
}

/// The end of `r"..."` or `r#"..."#`, if one begins here.
fn raw_end(s: &[char], from: usize) -> Option<usize> {
    let hashes = s[from + 1..].iter().take_while(|c| **c == '#').count();
    let open = from + 1 + hashes;
    if s.get(open) != Some(&'"') {
        return None;
    }
    let closes = |i: &usize| {
        s[*i] == '"'
            && s[i + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes
    };
    Some(
        (open + 1..s.len())
            .find(closes)
            .map_or(s.len(), |i| i + 1 + hashes),
    )
}

/// The end of a character literal, if this quote begins one (it may begin a lifetime).
fn char_end(s: &[char], from: usize) -> Option<usize> {
    if s.get(from + 1) == Some(&'\\') {
        return (from + 3..s.len()).find(|i| s[*i] == '\'').map(|i| i + 1);
    }
    (s.get(from + 2) == Some(&'\'')).then_some(from + 3)
}

#[test]
fn code_is_what_is_left() {
    let text = "a /* b /* c */ d */ e // f\n\"g \\\" h\" 'i' '\\'' <'j> r#\"k \" l\"# m";
    let words: Vec<&str> = text.split(' ').collect();
    assert!(words.len() > 10);
    let left = code_of(text);
    assert_eq!(
        left.split_whitespace().collect::<Vec<_>>(),
        ["a", "e", "<'j>", "m"]
    );
    assert_eq!(left.lines().count(), 2);
}
