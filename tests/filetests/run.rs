//! Kind `run`: a unit and inputs; output: how it leaves and what it changes. Every executor must agree.
//!
//! Lines `in NAME=VALUE ...` are the runs; NAME is a slot (flags packed, bits 31..28), or `mem` / `rom` with the value
//! `ADDRESS:HEXBYTES`. Registers not named are zero, memory not named is not mapped. The rest of the body is the unit.

use std::fmt::Write as _;

use metaphrase_ir::interp::Left;
use metaphrase_ir::opt::{Scratch, optimize};
use metaphrase_ir::parse::parse;
use metaphrase_ir::testing::{Execute, TEST_SLOTS, TestMachine, interpret};
use metaphrase_ir::unit::Unit;
use metaphrase_ir::verify::violations;

use crate::harness::Case;

/// THE list of executors; the first is the oracle.
const EXECUTORS: &[(&str, Execute)] = &[("interp", interpret), ("interp, optimised", optimised)];

fn optimised(unit: &Unit, m: &mut TestMachine, budget: u64) -> Left {
    let mut unit = unit.clone();
    optimize(&mut unit, &mut Scratch::default());
    interpret(&unit, m, budget)
}

/// Blocks that a case may execute.
const BUDGET: u64 = 1000;

/// Body: a unit and `in` lines. Output: for each `in` line the exit and the changes.
pub fn runner(case: &Case) -> Result<String, String> {
    let (inputs, text): (Vec<&str>, Vec<&str>) =
        case.body.lines().partition(|l| l.starts_with("in"));
    let unit = parse(&text.join("\n"), &TEST_SLOTS).map_err(|e| e.to_string())?;
    if let Some(v) = violations(&unit).first() {
        return Err(v.to_string());
    }
    let mut out = String::new();
    for input in inputs {
        let start = machine(input)?;
        let (oracle, execute) = EXECUTORS[0];
        let expected = outcome(&unit, &start, execute);
        for (name, execute) in &EXECUTORS[1..] {
            let other = outcome(&unit, &start, *execute);
            if other != expected {
                return Err(format!("{input}\n{oracle}: {expected}\n{name}: {other}"));
            }
        }
        writeln!(out, "{input}\n{}", expected.trim_end()).unwrap();
    }
    Ok(out)
}

fn machine(input: &str) -> Result<TestMachine, String> {
    let mut m = TestMachine::new();
    for word in input.split_whitespace().skip(1) {
        let (name, value) = word.split_once('=').ok_or("an input is NAME=VALUE")?;
        if let "mem" | "rom" = name {
            let (at, hex) = value.split_once(':').ok_or("memory is ADDRESS:HEXBYTES")?;
            let byte = |i| u8::from_str_radix(hex.get(i..i + 2).unwrap_or("?"), 16);
            let bytes: Result<Vec<u8>, _> = (0..hex.len()).step_by(2).map(byte).collect();
            let bytes = bytes.map_err(|e| format!("{hex}: {e}"))?;
            m.memory
                .pieces
                .push((number(at)? as u64, bytes, name == "mem"));
            continue;
        }
        let slot = TEST_SLOTS
            .by_name(name)
            .ok_or_else(|| format!("no slot {name}"))?;
        m.set(slot, number(value)?);
    }
    Ok(m)
}

fn number(text: &str) -> Result<u128, String> {
    let n = match text.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16),
        None => text.parse(),
    };
    n.map_err(|e| format!("{text}: {e}"))
}

/// Runs the unit on a copy of `start` and says what came of it.
fn outcome(unit: &Unit, start: &TestMachine, execute: Execute) -> String {
    let mut m = start.clone();
    let left = execute(unit, &mut m, BUDGET);
    let mut s = format!("  {}\n", left_text(left));
    for row in TEST_SLOTS.rows {
        let slot = TEST_SLOTS
            .by_name(row.name)
            .expect("the name is from the table");
        let (old, new) = (start.get(slot), m.get(slot));
        if old != new {
            writeln!(s, "  {} = {new:#x}", row.name).unwrap();
        }
    }
    for ((base, old, _), (_, new, _)) in start.memory.pieces.iter().zip(&m.memory.pieces) {
        if old != new {
            let hex: String = new.iter().map(|b| format!("{b:02x}")).collect();
            writeln!(s, "  mem {base:#x}:{hex}").unwrap();
        }
    }
    if start.fp.fpsr != m.fp.fpsr {
        writeln!(s, "  fpsr = {:#x}", m.fp.fpsr).unwrap();
    }
    s
}

fn left_text(left: Left) -> String {
    match left {
        Left::Direct { pc, call } => format!("goto {pc:#x}{}", if call { " call" } else { "" }),
        Left::Indirect { pc, kind } => format!("{kind:?} to {pc:#x}").to_lowercase(),
        Left::Trap { kind, pc } => format!("trap {kind:?} @{pc:#x}"),
        Left::Fault { pc, fault } => {
            let what = if fault.write { "write" } else { "read" };
            format!("fault {:?} {what} {:#x} @{pc:#x}", fault.kind, fault.addr)
        }
        Left::Budget(b) => format!("still running at block{}", b.0),
    }
}
