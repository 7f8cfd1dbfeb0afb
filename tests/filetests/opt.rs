//! Kind `opt`: a unit; output: the unit after the passes named in `pass=A,B` (default: all). `Nop`s are not shown.

use metaphrase_ir::opt::{PASSES, Scratch};
use metaphrase_ir::parse::parse;
use metaphrase_ir::testing::TEST_SLOTS;
use metaphrase_ir::verify::violations;

use crate::harness::Case;

/// Body: a unit. Output: the unit after the case's passes.
pub fn runner(case: &Case) -> Result<String, String> {
    let mut unit = parse(&case.body, &TEST_SLOTS).map_err(|e| e.to_string())?;
    let names: Vec<&str> = match case.option("pass") {
        Some(list) => list.split(',').collect(),
        None => PASSES.iter().map(|p| p.name).collect(),
    };
    let mut scratch = Scratch::default();
    let sound = |unit: &_, when: &str| match violations(unit).first() {
        Some(v) => Err(format!("{when}: {v}")),
        None => Ok(()),
    };
    sound(&unit, "as written")?;
    for name in names {
        let pass = PASSES.iter().find(|p| p.name == name);
        (pass.ok_or_else(|| format!("no pass {name}"))?.run)(&mut unit, &mut scratch);
        sound(&unit, name)?;
    }
    let text = unit.to_string();
    let shown = text.lines().filter(|l| l.trim() != "nop");
    Ok(shown.map(|l| format!("{l}\n")).collect())
}
