//! Floating point against an oracle: every FP instruction of the table, on special and random operands in all modes of FPCR,
//! must give the value and the FPSR that the emulator gives.

mod fp_rows;
mod oracle;

use fp_rows::{Operand, Row, Want, rows};
use metaphrase_ir::arith::FpEnv;
use metaphrase_ir::arith::fp::{AHP, DN, FZ, FZ16, Fmt, IXC, RMODE};
use oracle::{In, Oracle, Out, Rng, env_number};

/// A number of format `f`; `near` is one made earlier, which the new one may resemble.
fn float(rng: &mut Rng, f: Fmt, near: u64) -> u64 {
    let sign = f.zero(rng.next() & 1 != 0);
    let one = (f.bias() as u64) << f.frac;
    let nan = f.inf(false) | (rng.next() & f.frac_mask());
    let small = rng.below(4);
    let x = match rng.below(16) {
        0 => 0,
        1 => rng.pick(&[f.inf(false), f.default_nan(), f.inf(false) + 1, nan]),
        2 => (1 << f.frac) + small - 2,
        3 => rng.next() & f.frac_mask() >> rng.below(f.frac as u64),
        4 => f.inf(false) - 1 - small,
        5 => one + small - 2,
        6 => exponent_near(f, f.bias() as u64, 3, rng) | sparse(f, rng),
        7 | 8 => exponent_near(f, f.bias() as u64, 66, rng) | rng.next() & f.frac_mask(),
        9 => exponent_near(f, f.bias() as u64, f.frac as u64 + 2, rng) | sparse(f, rng),
        10 => near,
        11 => near.wrapping_add(small).wrapping_sub(2),
        // A product with `near` comes close to the smallest normal number.
        12 => {
            let e = f.bias() as u64 + 1 + small;
            let e = e.saturating_sub(f.exp_field(near));
            e << f.frac | rng.next() & f.frac_mask()
        }
        // As far from `near` as the format is precise.
        13 => {
            let d = f.frac as u64 + small - 1;
            let e = f.exp_field(near);
            let e = if rng.next() & 1 != 0 {
                e + d
            } else {
                e.saturating_sub(d)
            };
            e.min(f.exp_ones() - 1) << f.frac | sparse(f, rng)
        }
        _ => rng.next(),
    };
    (x ^ sign) & f.mask()
}

/// An exponent field within `spread` of `e`.
fn exponent_near(f: Fmt, e: u64, spread: u64, rng: &mut Rng) -> u64 {
    let e = (e + rng.below(2 * spread + 1)).saturating_sub(spread);
    e.min(f.exp_ones() - 1) << f.frac
}

/// A fraction with few one bits, or few zeros.
fn sparse(f: Fmt, rng: &mut Rng) -> u64 {
    let bits = rng.next() & rng.next() & rng.next() & rng.next() & f.frac_mask();
    match rng.below(4) {
        0 => !bits & f.frac_mask(),
        1 => bits & !(f.frac_mask() >> rng.below(f.frac as u64 + 1)),
        _ => bits,
    }
}

fn vector(rng: &mut Rng, operand: Operand, near: u128) -> u128 {
    let bits = operand.bits();
    (0..128 / bits).fold(0, |v, i| {
        let mask = u64::MAX >> (64 - bits);
        let near = (near >> (i * bits)) as u64 & mask;
        let lane = match operand {
            Operand::Float(f) => float(rng, f, near),
            Operand::Int(bits) => rng.int(bits),
        };
        v | (lane as u128) << (i * bits)
    })
}

fn input(rng: &mut Rng, row: &Row) -> In {
    let mut i = In::default();
    // v3 first, and v0 last: accumulators like to be near a product's operands, later ones near earlier ones.
    let mut near = rng.next() as u128 * 0x1_0000_0001;
    for k in [3, 1, 2, 0] {
        i.v[k] = vector(rng, row.operands[k], near);
        near = if rng.next() & 1 != 0 { i.v[k] } else { i.v[3] };
    }
    i.x = [0; 4].map(|_: u64| rng.int(64));
    let modes = rng.next() as u32;
    i.fpcr = match rng.below(3) {
        0 => 0,
        1 => modes & RMODE,
        _ => modes & (AHP | DN | FZ | FZ16 | RMODE),
    };
    i.fpsr = match rng.below(4) {
        0 | 1 => 0,
        2 => IXC,
        _ => rng.next() as u32 & 0x0800_009f,
    };
    i.nzcv = rng.next() as u32 & 0xf000_0000;
    i
}

/// Whether the oracle gave what we say.
fn agrees(want: &Want, env: &FpEnv, got: &Out) -> bool {
    want.v0.is_none_or(|v| v == got.v[0])
        && want.x0.is_none_or(|x| x == got.x[0])
        && want.nzcv.is_none_or(|n| n == got.nzcv)
        && env.fpsr == got.fpsr
}

/// Where the emulator is known to be wrong: what it gives instead of `want`.
///
/// * QEMU before 9.1, FJCVTZS of a denormal that FPCR.FZ flushes: sets Z. Arm ARM, shared/functions/float, FPToFixedJS: Z is 0
///   if the value is zero and the operand's fraction is not. (QEMU issue 2375.)
/// * QEMU before 9.1, FCVTZS (vector, fixed-point), scalar of 16 bits: extends the sign to bit 31. Arm ARM C7.2, FCVTZS: the
///   result is `V[d] = ` the 16-bit element, and writing a scalar register zeroes the bits above.
fn known_wrong(row: &Row, i: &In, want: &Want) -> Option<Want> {
    if row.asm.starts_with("fjcvtzs") {
        let x = i.v[1] as u64;
        let denormal = Fmt::D.exp_field(x) == 0 && x & Fmt::D.frac_mask() != 0;
        let nzcv = Some(1 << 30);
        return (denormal && i.fpcr & FZ != 0).then_some(Want { nzcv, ..*want });
    }
    if row.asm.starts_with("fcvtzs h0, h1, #") {
        let v0 = want.v0.map(|v| v as u16 as i16 as u32 as u128);
        return Some(Want { v0, ..*want });
    }
    None
}

fn describe(row: &Row, i: &In, want: &Want, env: &FpEnv, got: &Out) -> String {
    format!(
        "{}\n  v0 {:032x} v1 {:032x} v2 {:032x} v3 {:032x} x1 {:x} fpcr {:08x} fpsr {:08x}\n  ours   {want:x?} fpsr {:08x}\n  oracle v0 {:032x} x0 {:x} nzcv {:08x} fpsr {:08x}\n",
        row.asm,
        i.v[0],
        i.v[1],
        i.v[2],
        i.v[3],
        i.x[1],
        i.fpcr,
        i.fpsr,
        env.fpsr,
        got.v[0],
        got.x[0],
        got.nzcv,
        got.fpsr
    )
}

/// Compares one group; gives the number of disagreements and describes the first ones.
fn check(row: &Row, ins: &[In], outs: &[Out], report: &mut String) -> usize {
    let mut bad = 0;
    for (i, got) in ins.iter().zip(outs) {
        assert!(!got.undefined, "{} is undefined there", row.asm);
        let mut env = FpEnv {
            fpcr: i.fpcr,
            fpsr: i.fpsr,
        };
        let want = (row.eval)(i, &mut env);
        let excused = || known_wrong(row, i, &want).is_some_and(|w| agrees(&w, &env, got));
        if !agrees(&want, &env, got) && !excused() {
            bad += 1;
            if bad <= 3 {
                report.push_str(&describe(row, i, &want, &env, got));
            }
        }
    }
    bad
}

/// Every op and kind that depends on the FP environment has an instruction in the table.
#[test]
fn the_table_is_complete() {
    use metaphrase_ir::ops::{Effects, Op, VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
    let mut all = Vec::new();
    let mut add = |list, name, effects: Effects| {
        if effects.contains(Effects::FPENV) {
            all.push((list, name));
        }
    };
    let vector = [Op::VUn, Op::VBin, Op::VTern, Op::VShift, Op::VRed];
    let scalar = Op::ALL.iter().filter(|op| !vector.contains(op));
    scalar.for_each(|op| add("op", op.info().name, op.info().effects));
    (VUnKind::ALL.iter()).for_each(|k| add("vun", k.name(), k.effects()));
    (VBinKind::ALL.iter()).for_each(|k| add("vbin", k.name(), k.effects()));
    (VTernKind::ALL.iter()).for_each(|k| add("vtern", k.name(), k.effects()));
    (VShiftKind::ALL.iter()).for_each(|k| add("vshift", k.name(), k.effects()));
    (VRedKind::ALL.iter()).for_each(|k| add("vred", k.name(), k.effects()));
    let rows = rows();
    let missing: Vec<_> = (all.iter())
        .filter(|c| !rows.iter().any(|r| r.covers == **c))
        .collect();
    assert!(all.len() > 100 && missing.is_empty(), "{missing:?}");
}

#[test]
fn instructions_agree_with_the_oracle() {
    let Some(oracle) = Oracle::find("fp_oracle") else {
        return;
    };
    let only = std::env::var("METAPHRASE_ORACLE_ONLY").unwrap_or_default();
    let rows: Vec<Row> = rows()
        .into_iter()
        .filter(|r| r.asm.contains(&only))
        .collect();
    let words = oracle.assemble(&rows.iter().map(|r| r.asm.clone()).collect::<Vec<_>>());
    let cases = env_number("METAPHRASE_ORACLE_CASES", 1000) as usize;
    let mut rng = Rng(env_number("METAPHRASE_ORACLE_SEED", 1));
    let (mut report, mut bad_rows) = (String::new(), Vec::new());
    let mut bad = vec![0; rows.len()];
    const GROUP: usize = 20_000;
    let per_run = (GROUP * 4 / cases.clamp(1, GROUP)).max(1);
    for done in (0..cases).step_by(GROUP) {
        let n = GROUP.min(cases - done);
        for first in (0..rows.len()).step_by(per_run) {
            let range = first..rows.len().min(first + per_run);
            let groups: Vec<(u32, Vec<In>)> = range
                .clone()
                .map(|r| {
                    (
                        words[r],
                        (0..n).map(|_| input(&mut rng, &rows[r])).collect(),
                    )
                })
                .collect();
            for (r, outs) in range.zip(oracle.run(&groups)) {
                bad[r] += check(&rows[r], &groups[r - first].1, &outs, &mut report);
            }
        }
    }
    for (row, n) in rows.iter().zip(bad).filter(|(_, n)| *n > 0) {
        bad_rows.push(format!("{n} of {cases}: {}", row.asm));
    }
    assert!(
        bad_rows.is_empty(),
        "{report}\n{}\n{} of {} instructions disagree",
        bad_rows.join("\n"),
        bad_rows.len(),
        rows.len()
    );
    eprintln!("{} instructions, {cases} cases each", rows.len());
}
