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

#[test]
fn agrees_with_objdump() {
    let words = structured_words(30, 0x5eed);
    let Some(text) = objdump(&words) else {
        eprintln!("aarch64-linux-gnu-objdump is not installed: compared with yaxpeax-arm only");
        return;
    };
    let mut wrong: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for (&w, asm) in words.iter().zip(&text) {
        let valid = !asm.starts_with(".inst") && !asm.contains("undefined");
        let (ours, name) = match decode::row_of(w, ALL_FEATURES) {
            Ok(r) => (true, r.name),
            Err(Undecoded::Unimplemented(n)) => (true, n),
            Err(Undecoded::Unpredictable) => (true, "unpredictable"),
            Err(Undecoded::Unallocated) => (false, "-"),
        };
        let mnemonic = asm.split_whitespace().next().unwrap_or("?");
        if valid != ours && !known(w, name, mnemonic) {
            let e = wrong
                .entry(format!("{name} / {mnemonic}"))
                .or_insert((0, w));
            e.0 += 1;
        }
    }
    for (k, (n, w)) in &wrong {
        println!("{k}: {n} e.g. {w:08x}");
    }
    assert!(wrong.is_empty());
}

/// Differences that are right.
fn known(w: u32, name: &str, mnemonic: &str) -> bool {
    match (name, mnemonic) {
        // Outside this table: SVE and SME.
        _ if w >> 25 & 15 == 2 || (w >> 25 & 15 == 0 && w >> 31 != 0) => true,
        ("-", "smstart" | "smstop") => true,
        // Outside this table: transactional memory and 64-byte stores.
        ("-", "tcancel" | "tcommit" | "tstart" | "ttest") => true,
        ("-", "ld64b" | "st64b" | "st64bv" | "st64bv0") => true,
        // Unallocated: op0 = 00 of the system space is no register (C4.1.94).
        ("-", "mrs" | "msr") => w >> 19 & 3 == 0,
        // FMLAL and FMLSL (vector): UNDEFINED with sz = 1 (C7.2, decode pseudocode).
        ("-", "fmlal" | "fmlal2" | "fmlsl" | "fmlsl2") => w >> 22 & 1 == 1,
        // "Should be one" fields, which we ignore.
        ("Ldapr" | "Ldar", ".inst") => true,
        // CONSTRAINED UNPREDICTABLE, which we execute: write-back to a loaded register.
        ("Ldpsw", ".inst") => w >> 23 & 1 == 1,
        _ => false,
    }
}

/// One line of assembly per word.
fn objdump(words: &[u32]) -> Option<Vec<String>> {
    let path = std::env::temp_dir().join(format!("metaphrase-decode-{}.bin", std::process::id()));
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    std::fs::write(&path, bytes).expect("temporary file");
    let out = Command::new("aarch64-linux-gnu-objdump")
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
