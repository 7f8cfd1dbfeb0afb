//! The FEAT tag of every row against the GNU assembler, which refuses an instruction whose extension is not switched on.

use crate::disassembly::disassemble;
use crate::oracle::Rng;
use crate::words;
use metaphrase_arm64::arch::features::Feat;
use std::path::Path;
use std::process::Command;

/// What switches a feature on in the assembler. Some share a switch there.
fn arch(f: Feat) -> &'static str {
    match f {
        Feat::FP | Feat::SIMD => "armv8-a",
        Feat::RDM => "armv8-a+rdma",
        Feat::AES | Feat::PMULL => "armv8-a+aes",
        Feat::SHA1 | Feat::SHA256 => "armv8-a+sha2",
        Feat::SHA512 | Feat::SHA3 => "armv8.2-a+sha3",
        Feat::SM3 | Feat::SM4 => "armv8.2-a+sm4",
        Feat::FP16 => "armv8.2-a+fp16",
        Feat::FHM => "armv8.2-a+fp16fml",
        Feat::DOTPROD => "armv8.2-a+dotprod",
        Feat::BF16 => "armv8.2-a+bf16",
        Feat::I8MM => "armv8.2-a+i8mm",
        Feat::FCMA | Feat::JSCVT => "armv8.3-a+fp16",
        Feat::FRINTTS => "armv8.5-a",
        other => panic!("no row should need {other:?}"),
    }
}

/// The lines (from 1) that the assembler refuses. `None` if there is no assembler.
fn refused(lines: &[String]) -> Option<Vec<usize>> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name = format!("features-{}-{}", std::process::id(), lines.len());
    let (source, object) = (dir.join(format!("{name}.s")), dir.join(format!("{name}.o")));
    std::fs::write(&source, lines.join("\n") + "\n").expect("write assembly");
    let out = Command::new("aarch64-linux-gnu-gcc")
        .args(["-c", "-o"])
        .args([&object, &source])
        .output();
    let _ = std::fs::remove_file(&source);
    let _ = std::fs::remove_file(&object);
    let Ok(out) = out else {
        assert!(
            std::env::var("METAPHRASE_REQUIRE_ORACLES").as_deref() != Ok("1"),
            "no aarch64-linux-gnu-gcc"
        );
        eprintln!("skipped: no aarch64-linux-gnu-gcc");
        return None;
    };
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    let line = |l: &str| l.split_once(".s:")?.1.split(':').next()?.parse().ok();
    Some(errors.lines().filter_map(line).collect())
}

#[test]
fn rows_need_the_feature_that_the_assembler_asks_for() {
    let mut random = Rng(3);
    let mut rows = words::rows();
    rows.extend_from_within(..);
    let words: Vec<u32> = rows.iter().map(|r| words::word(r, &mut random)).collect();
    let Some(text) = disassemble(&words) else {
        return;
    };
    // Two lines for each instruction: with its feature it is accepted, with the base architecture refused.
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (row, text) in rows.iter().zip(text) {
        let text = text.expect("another test says that objdump knows it");
        with.push(format!(".arch {}; {text}", arch(row.feat)));
        let base = matches!(row.feat, Feat::FP | Feat::SIMD);
        without.push(if base {
            String::new()
        } else {
            format!(".arch armv8-a; {text}")
        });
    }
    let (Some(with_refused), Some(without_refused)) = (refused(&with), refused(&without)) else {
        return;
    };
    let mut wrong = String::new();
    for (i, row) in rows.iter().enumerate() {
        if with_refused.contains(&(i + 1)) {
            wrong += &format!("{}::{} is refused: {}\n", row.class, row.name, with[i]);
        }
        if !without[i].is_empty() && !without_refused.contains(&(i + 1)) {
            wrong += &format!(
                "{}::{} needs no {:?}: {}\n",
                row.class, row.name, row.feat, without[i]
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
