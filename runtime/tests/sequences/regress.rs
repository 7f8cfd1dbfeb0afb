//! Cases as text: found failures are written to `tests/regress` and replayed from there ever after.
//!
//! A line is a comment (`#`), a word in hex followed by its disassembly, or a register `name=value` of the state before; what
//! is not named is zero.

use crate::exec::{Group, Regs};
use crate::generate::AT;
use std::fmt::Write as _;
use std::path::PathBuf;
use yaxpeax_arch::{Arch, Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::ARMv8;

/// Where the files are.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/regress")
}

/// Disassembly of a word.
pub fn disassemble(w: u32) -> String {
    let decoder = <ARMv8 as Arch>::Decoder::default();
    match decoder.decode(&mut U8Reader::new(&w.to_le_bytes())) {
        Ok(i) => i.to_string(),
        Err(_) => "?".into(),
    }
}

/// Every register by name.
fn fields(r: &Regs) -> Vec<(String, u128)> {
    let x =
        r.x.iter()
            .enumerate()
            .map(|(n, &x)| (format!("x{n}"), x.into()));
    let v = r.v.iter().enumerate().map(|(n, &v)| (format!("v{n}"), v));
    let rest = [
        ("sp", r.sp.into()),
        ("nzcv", r.nzcv.into()),
        ("fpcr", r.fpcr.into()),
        ("fpsr", r.fpsr.into()),
    ];
    x.chain(v)
        .chain(rest.map(|(n, v)| (n.to_string(), v)))
        .collect()
}

fn set(r: &mut Regs, name: &str, v: u128) -> Option<()> {
    let number = || name[1..].parse::<usize>().ok();
    match name {
        "sp" => r.sp = v as u64,
        "nzcv" => r.nzcv = v as u32,
        "fpcr" => r.fpcr = v as u32,
        "fpsr" => r.fpsr = v as u32,
        _ if name.starts_with('x') => *r.x.get_mut(number()?)? = v as u64,
        _ if name.starts_with('v') => *r.v.get_mut(number()?)? = v,
        _ => return None,
    }
    Some(())
}

/// The text of a case, with a comment.
pub fn write(g: &Group, comment: &str) -> String {
    let mut s = String::new();
    comment.lines().for_each(|l| writeln!(s, "# {l}").unwrap());
    for &w in &g.words {
        writeln!(s, "{w:08x}  {}", disassemble(w)).unwrap();
    }
    for (name, v) in fields(&g.ins[0]) {
        if v != 0 {
            writeln!(s, "{name}={v:#x}").unwrap();
        }
    }
    s
}

/// Zeroes the registers that a failure does not need.
pub fn clear_registers(g: &mut Group, fails: &mut dyn FnMut(&Group) -> bool) {
    for (name, v) in fields(&g.ins[0]) {
        if v != 0 {
            set(&mut g.ins[0], &name, 0);
            if !fails(g) {
                set(&mut g.ins[0], &name, v);
            }
        }
    }
}

/// The case of a text.
pub fn read(text: &str) -> Result<Group, String> {
    let mut r = Regs {
        pc: AT,
        ..Regs::default()
    };
    let mut words = Vec::new();
    for l in text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        let bad = || format!("not a word or a register: {l}");
        if let Some((name, v)) = l.split_once("=0x") {
            let v = u128::from_str_radix(v.trim(), 16).map_err(|_| bad())?;
            set(&mut r, name, v).ok_or_else(bad)?;
        } else {
            let w = l.split_whitespace().next().ok_or_else(bad)?;
            words.push(u32::from_str_radix(w, 16).map_err(|_| bad())?);
        }
    }
    Ok(Group {
        words,
        at: AT,
        memory: true,
        ins: vec![r],
    })
}
