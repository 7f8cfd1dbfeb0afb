//! Kind `verify`: a unit; output: the violated invariants, or `sound`.

use metaphrase_ir::parse::parse;
use metaphrase_ir::testing::TEST_SLOTS;
use metaphrase_ir::verify::violations;

use crate::harness::Case;

/// Body: a unit. Output: one line for each violation.
pub fn runner(case: &Case) -> Result<String, String> {
    let unit = parse(&case.body, &TEST_SLOTS).map_err(|e| e.to_string())?;
    let found = violations(&unit);
    if found.is_empty() {
        return Ok("sound".to_string());
    }
    Ok(found.iter().map(|v| format!("{v}\n")).collect())
}

/// Each numbered invariant has a failing case; only 2 cannot be written as text.
#[test]
fn every_invariant_has_a_case() {
    let cases = include_str!("verify/invariants.txt");
    let missing: Vec<u8> = (1..=metaphrase_ir::verify::INVARIANTS)
        .filter(|n| *n != 2 && !cases.contains(&format!("; [{n}] ")))
        .collect();
    assert!(missing.is_empty(), "no failing case for {missing:?}");
}
