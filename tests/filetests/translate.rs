//! Kinds `translate` and `decode`: instruction words (each with its assembly as a comment) to IR, and to typed fields.
//!
//! Options of `translate`: `pc=HEX` (default 1000), `max=N` instructions, `cpu=MODEL`. The words stand at `pc`; what follows them cannot
//! be fetched. `decode` takes `cpu` too.

use std::fmt::Write as _;

use metaphrase_arm64::arch::features::{MAX, Model};
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::decode;
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_ir::unit::Unit;
use metaphrase_ir::verify::violations;

use crate::harness::Case;

fn words(case: &Case) -> Result<Vec<u32>, String> {
    let lines = case.body.lines().filter(|l| !l.trim().is_empty());
    lines
        .map(|l| {
            let hex = l.split_whitespace().next().unwrap_or("");
            u32::from_str_radix(hex, 16).map_err(|_| format!("`{l}` does not begin with a word"))
        })
        .collect()
}

fn model(case: &Case) -> Result<&'static Model, String> {
    match case.option("cpu") {
        None => Ok(&MAX),
        Some(name) => Model::by_name(name).ok_or_else(|| format!("no CPU model `{name}`")),
    }
}

/// Output: the block.
pub fn translate(case: &Case) -> Result<String, String> {
    let words = words(case)?;
    let cfg = Config::for_model(model(case)?);
    let pc = u64::from_str_radix(case.option("pc").unwrap_or("1000"), 16);
    let pc = pc.map_err(|e| e.to_string())?;
    let max = case.option("max").map_or(Ok(64), str::parse);
    let max: u32 = max.map_err(|_| "max is a number".to_string())?;
    let mut unit = Unit::new(&SLOTS);
    let mut fetch = |at: u64| words.get(at.wrapping_sub(pc) as usize / 4).copied();
    translate_block(&mut unit, &cfg, pc, &mut fetch, max);
    match violations(&unit).first() {
        Some(v) => Err(format!("{v}\n{unit}")),
        None => Ok(unit.to_string()),
    }
}

/// Output: a line for each word.
pub fn decode(case: &Case) -> Result<String, String> {
    let feats = model(case)?.feats;
    let mut out = String::new();
    for w in words(case)? {
        match decode::decode(w, feats) {
            Ok(i) => writeln!(out, "{w:08x} {i:?}"),
            Err(e) => writeln!(out, "{w:08x} {e:?}"),
        }
        .map_err(|e| e.to_string())?;
    }
    Ok(out)
}
