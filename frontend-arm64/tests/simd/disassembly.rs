//! Rows against binutils' objdump: the mnemonic of every row's words, and the refusal of words that no row matches.

use crate::oracle::Rng;
use crate::words;
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::decode::{pattern::Row, row_of};
use std::process::Command;

const OBJDUMP: &str = "aarch64-linux-gnu-objdump";

/// Mnemonic and operands of each word, or `None` where objdump says that it is undefined. `None` if there is no objdump.
pub fn disassemble(words: &[u32]) -> Option<Vec<Option<String>>> {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "{}-{}.bin",
        std::process::id(),
        words.len()
    ));
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    std::fs::write(&file, bytes).expect("write words");
    let out = Command::new(OBJDUMP)
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
        .arg(&file)
        .output();
    let _ = std::fs::remove_file(&file);
    let Ok(out) = out else {
        assert!(
            std::env::var("METAPHRASE_REQUIRE_ORACLES").as_deref() != Ok("1"),
            "no {OBJDUMP}"
        );
        eprintln!("SKIPPED: no {OBJDUMP}");
        return None;
    };
    let text = String::from_utf8_lossy(&out.stdout);
    let lines = text.lines().filter_map(|l| {
        let (_, rest) = l.split_once(":\t")?;
        let (_, insn) = rest.split_once('\t')?;
        let refused = insn.starts_with(".inst") || insn.contains("undefined");
        Some((!refused).then(|| insn.split(" //").next().unwrap_or(insn).trim().to_string()))
    });
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), words.len(), "one line for each word");
    Some(lines)
}

/// The mnemonic that a row stands for: its name in lower case without what tells rows of one mnemonic apart.
fn mnemonic(row: &Row) -> String {
    let name = row.name.trim_end_matches("Half");
    let special = match (row.class, name) {
        ("Fp", "FMovImm") | ("FpHalf", "FMovImm") | ("SimdImm", "FMovS" | "FMovD" | "FMovH") => {
            "fmov"
        }
        ("FpConv" | "FpConvHalf", n) if n.starts_with("FMov") => "fmov",
        ("Fp" | "FpHalf", "FCmpZero") => "fcmp",
        ("Fp" | "FpHalf", "FCmpEZero") => "fcmpe",
        ("SimdImm", n) if n.starts_with("Movi") => "movi",
        ("SimdImm", n) if n.starts_with("Mvni") => "mvni",
        ("SimdImm", "Orr32" | "Orr16") => "orr",
        ("SimdImm", "Bic32" | "Bic16") => "bic",
        ("SimdCopy", "InsGen" | "InsElem") => "ins",
        ("SimdCopy", "DupElem" | "DupGen") | ("ScalarPair", "DupElem") => "dup",
        ("SimdDiff", "PMulLD") => "pmull",
        _ => "",
    };
    if !special.is_empty() {
        return special.into();
    }
    let name = name.strip_suffix("Fix").unwrap_or(name);
    // Comparisons with zero; the digit of SHA256SU0 and the like belongs to the mnemonic.
    let zero = name.contains("Cm") && name.ends_with('0');
    name[..name.len() - zero as usize].to_lowercase()
}

/// Whether objdump's mnemonic is the row's: the "2" forms add a digit.
fn agrees(row: &Row, w: u32, text: &str) -> bool {
    let got = text.split_whitespace().next().unwrap_or("");
    let want = mnemonic(row);
    let second = w >> 30 & 1 != 0 && w >> 28 & 1 == 0;
    got == want || second && got.strip_suffix('2') == Some(&want)
}

#[test]
fn rows_have_the_mnemonic_of_objdump() {
    let mut random = Rng(1);
    let cases: Vec<_> = words::rows()
        .into_iter()
        .flat_map(|row| std::iter::repeat_n(row, 24))
        .map(|row| (row, words::word(row, &mut random)))
        .collect();
    let words: Vec<u32> = cases.iter().map(|c| c.1).collect();
    let Some(lines) = disassemble(&words) else {
        return;
    };
    let mut wrong = String::new();
    for ((row, w), line) in cases.iter().zip(lines) {
        if !line.as_deref().is_some_and(|l| agrees(row, *w, l)) {
            wrong += &format!("{w:08x} {}::{}: {line:?}\n", row.class, row.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Words of the FP and AdvSIMD space (bits 28..25 are x111) of which objdump knows something that we do not, or the other
/// way round: every word with Rn = 1 and Rd = 2, and words one bit away from a row's.
#[test]
fn refusals_are_those_of_objdump() {
    let mut random = Rng(2);
    // Bits 31..28 and 24..10, 27..25 being ones.
    let mut words: Vec<u32> = (0..1 << 19)
        .map(|k| (k >> 15) << 28 | 0x0e00_0000 | (k & 0x7fff) << 10 | 0x22)
        .collect();
    for row in words::rows() {
        for _ in 0..200 {
            let w = words::word(row, &mut random) ^ 1 << random.below(32);
            if w >> 25 & 7 == 7 {
                words.push(w);
            }
        }
    }
    words.sort();
    words.dedup();
    let Some(lines) = disassemble(&words) else {
        return;
    };
    let mut wrong = String::new();
    for (&w, line) in words.iter().zip(lines) {
        let row = row_of(w, FeatSet::IMPLEMENTED).ok();
        if row.is_some() != line.is_some() && known_difference(w, row, line.as_deref()).is_none() {
            let row = row.map(|r| (r.class, r.name));
            wrong += &format!("{w:08x} {row:?}: {line:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{} lines\n{wrong}", wrong.lines().count());
}

/// Why we differ from objdump on a word.
fn known_difference(w: u32, row: Option<&Row>, line: Option<&str>) -> Option<&'static str> {
    let mnemonic = line.and_then(|l| l.split_whitespace().next()).unwrap_or("");
    let fmlal = ["fmlal", "fmlal2", "fmlsl", "fmlsl2"].contains(&mnemonic);
    // C7.2.123 and following: "if sz == '1' then UNDEFINED".
    (row.is_none() && fmlal && w >> 22 & 1 != 0).then_some("objdump ignores sz of FMLAL (vector)")
}
