//! The decode table against binutils: every word that objdump calls an instruction decodes, every one it calls undefined
//! does not, but for the differences listed here with their reasons.
//!
//! Words are made from the rows: the fixed bits of each, random fields, and neighbours with one fixed bit turned over.
//! Needs `aarch64-linux-gnu-objdump` (Debian: binutils-aarch64-linux-gnu); says so and passes where it is absent, since yaxpeax-arm
//! covers the same ground everywhere (`decode_yaxpeax.rs`).

mod common;

use common::{ALL_FEATURES, structured_words};
use metaphrase_arm64::decode::{self, Undecoded};
use std::collections::BTreeMap;
use std::process::Command;

/// Words that one run of objdump gets.
const CHUNK: usize = 1 << 20;

#[test]
fn agrees_with_objdump() {
    let words = structured_words(
        number("METAPHRASE_DECODE_WORDS", 30),
        u64::from(number("METAPHRASE_DECODE_SEED", 0x5eed)),
    );
    let mut wrong: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut listed: BTreeMap<&str, u32> = BTreeMap::new();
    for chunk in words.chunks(CHUNK) {
        let Some(text) = objdump(chunk) else {
            eprintln!(
                "{} is not installed: compared with yaxpeax-arm only",
                program()
            );
            return;
        };
        for (&w, asm) in chunk.iter().zip(&text) {
            let valid = !asm.starts_with(".inst") && !asm.contains("undefined");
            let (ours, name) = match decode::row_of(w, ALL_FEATURES) {
                Ok(r) => (true, r.name),
                Err(Undecoded::Unimplemented(n)) => (true, n),
                Err(Undecoded::Unpredictable) => (true, "unpredictable"),
                Err(Undecoded::Unallocated) => (false, "-"),
            };
            if valid == ours {
                continue;
            }
            let mnemonic = asm.split_whitespace().next().unwrap_or("?");
            match known(w, name, mnemonic) {
                Some(why) => *listed.entry(why).or_default() += 1,
                None => {
                    let e = wrong
                        .entry(format!("{name} / {mnemonic}"))
                        .or_insert((0, w));
                    e.0 += 1;
                }
            }
        }
    }
    println!("{} words compared with {}", words.len(), version());
    for (why, n) in listed {
        println!("  {n} known: {why}");
    }
    for (k, (n, w)) in &wrong {
        println!("{k}: {n} e.g. {w:08x}");
    }
    assert!(wrong.is_empty());
}

/// What binutils (up to 2.44) knows and this table does not: features beyond those that docs/decisions/0011 lists.
#[rustfmt::skip]
const OUTSIDE: &[(&str, &[&str])] = &[
    ("SVE and SME",                          &["smstart", "smstop"]),
    ("FEAT_TME",                             &["tcancel", "tcommit", "tstart", "ttest"]),
    ("FEAT_LS64",                            &["ld64b", "st64b", "st64bv", "st64bv0"]),
    ("FEAT_CPA (v9.5)",                      &["addpt", "subpt", "maddpt", "msubpt"]),
    ("FEAT_FP8 and its products (v9.5)",     &["bf1cvtl", "bf1cvtl2", "bf2cvtl", "bf2cvtl2", "f1cvtl", "f1cvtl2", "f2cvtl", "f2cvtl2",
                                               "fcvtn", "fcvtn2", "fscale", "fdot", "fmlalb", "fmlalt", "fmlallbb", "fmlallbt",
                                               "fmlalltb", "fmlalltt"]),
    ("FEAT_FAMINMAX (v9.5)",                 &["famax", "famin"]),
    ("FEAT_LUT (v9.5)",                      &["luti2", "luti4"]),
    ("FEAT_LRCPC3 (v8.9)",                   &["ldap1", "stl1", "ldapr", "stlr", "ldapur", "stlur", "ldiapp", "stilp"]),
    ("FEAT_LSE128 (v9.4)",                   &["ldclrp", "ldclrpa", "ldclrpal", "ldclrpl", "ldsetp", "ldsetpa", "ldsetpal", "ldsetpl",
                                               "swpp", "swppa", "swppal", "swppl"]),
    ("FEAT_D128 and FEAT_SYSINSTR128 (v9.4)", &["mrrs", "msrr", "sysp"]),
];

/// Differences that are right, with the reason.
fn known(w: u32, name: &str, mnemonic: &str) -> Option<&'static str> {
    let outside = OUTSIDE.iter().find(|o| o.1.contains(&mnemonic));
    Some(match (name, mnemonic) {
        _ if w >> 25 & 15 == 2 || (w >> 25 & 15 == 0 && w >> 31 != 0) => OUTSIDE[0].0,
        ("-", m) if m.starts_with("rcw") => "FEAT_THE (v9.4)",
        ("-", "mrs" | "msr") if w >> 19 & 3 == 0 => {
            "op0 = 00 of the system space is no register (C4.1.94)"
        }
        ("-", "fmlal" | "fmlal2" | "fmlsl" | "fmlsl2") if w >> 22 & 1 == 1 => {
            "FMLAL and FMLSL (vector) are UNDEFINED with sz = 1 (C7.2)"
        }
        ("Ldapr" | "Ldar", ".inst") => "fields that should be ones, which processors ignore",
        ("Ldpsw", ".inst") if w >> 23 & 1 == 1 || w & 31 == w >> 10 & 31 => {
            "CONSTRAINED UNPREDICTABLE, which we execute: write-back to a loaded register, one register twice"
        }
        ("-", _) => outside?.0,
        _ => return None,
    })
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |s| s.parse().expect(name))
}

/// `METAPHRASE_OBJDUMP`, or the one in PATH.
fn program() -> String {
    std::env::var("METAPHRASE_OBJDUMP").unwrap_or_else(|_| "aarch64-linux-gnu-objdump".into())
}

fn version() -> String {
    let out = Command::new(program()).arg("--version").output();
    let text = out.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .next()
        .unwrap_or("?")
        .to_string()
}

/// One line of assembly per word.
fn objdump(words: &[u32]) -> Option<Vec<String>> {
    let path = std::env::temp_dir().join(format!("metaphrase-decode-{}.bin", std::process::id()));
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    std::fs::write(&path, bytes).expect("temporary file");
    let out = Command::new(program())
        .args([
            "-D",
            "-z",
            "-b",
            "binary",
            "-m",
            "aarch64",
            "-M",
            "no-aliases",
        ])
        .arg(&path)
        .output();
    let _ = std::fs::remove_file(&path);
    let text = String::from_utf8(out.ok()?.stdout).expect("objdump prints text");
    let lines: Vec<String> = text
        .lines()
        .filter_map(|l| l.split_once(":\t"))
        .filter_map(|(_, l)| l.split_once('\t'))
        .map(|(_, asm)| asm.to_string())
        .collect();
    assert_eq!(lines.len(), words.len());
    Some(lines)
}
