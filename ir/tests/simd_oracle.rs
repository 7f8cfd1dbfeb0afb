//! Integer vector, crypto and lane-moving ops against QEMU: every kind and shape, random and boundary values.
//!
//! `simd_rows` says which AArch64 instruction is which op; the GNU assembler encodes it, QEMU executes it, and
//! `arith::eval` must give the same register and the same FPSR.

mod oracle;
mod simd_rows;

use metaphrase_ir::arith::{self, FpEnv};
use metaphrase_ir::ops::{Effects, VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
use metaphrase_ir::{Inst, Op, Shape, Type, Value};
use oracle::{In, Oracle, Out, Rng};
use simd_rows::{Reg, Row};
use std::collections::HashSet;

/// Kinds without a floating-point environment that are tested with the floating-point ones.
fn belongs_to_fp(name: &str) -> bool {
    ["fneg", "fabs", "urecpe", "ursqrte", "bfdot", "bfmmla"].contains(&name)
}

/// Every integer kind has a row.
#[test]
fn rows_are_complete() {
    let have: HashSet<(Op, u32)> = simd_rows::all()
        .iter()
        .map(|r| (r.op, r.aux >> 8 & 0xff))
        .collect();
    let mut missing = Vec::new();
    let mut want = |op, kind: u32, name, effects: Effects| {
        let fp = effects.contains(Effects::FPENV) || belongs_to_fp(name);
        if !fp && !have.contains(&(op, kind)) {
            missing.push(name);
        }
    };
    VUnKind::ALL
        .iter()
        .for_each(|&k| want(Op::VUn, k as u32, k.name(), k.effects()));
    VBinKind::ALL
        .iter()
        .for_each(|&k| want(Op::VBin, k as u32, k.name(), k.effects()));
    VTernKind::ALL
        .iter()
        .for_each(|&k| want(Op::VTern, k as u32, k.name(), k.effects()));
    VShiftKind::ALL
        .iter()
        .for_each(|&k| want(Op::VShift, k as u32, k.name(), k.effects()));
    VRedKind::ALL
        .iter()
        .for_each(|&k| want(Op::VRed, k as u32, k.name(), k.effects()));
    for op in [
        Op::VLane,
        Op::VLaneS,
        Op::VInsert,
        Op::VDup,
        Op::VScalar,
        Op::VZeroHi,
        Op::VShuffle,
        Op::VTbl,
    ] {
        want(op, 0, op.info().name, Effects::empty());
    }
    assert!(missing.is_empty(), "no row for {missing:?}");
}

/// Operands of the row's lane size, now and then of another.
fn case(row: &Row, random: &mut Rng) -> In {
    let sizes = [8, 16, 32, 64];
    let lanes = Shape::from_bits(row.aux & 0xff).lane_bits().min(64);
    let mut vector = || {
        let bits = if random.below(3) == 0 {
            sizes[random.below(4) as usize]
        } else {
            lanes
        };
        random.vector(bits)
    };
    let mut v = [vector(), vector(), vector(), 0];
    if row.op == Op::VTbl {
        // Indices mostly in range.
        v[2] &= u128::from_le_bytes([0x3f; 16]);
    }
    let x = [0; 4].map(|_: u64| random.int(64));
    let fpsr = [0, arith::simd::QC][random.below(2) as usize];
    In {
        fpsr,
        v,
        x,
        ..In::default()
    }
}

fn inst(row: &Row) -> Inst {
    Inst {
        op: row.op,
        ty: row.ty,
        aux: row.aux,
        args: [Value(0); 4],
        imm: row.imm,
    }
}

fn ours(row: &Row, c: &In) -> (u128, u32) {
    let value = |r: Reg| match r {
        Reg::V(i) => c.v[i],
        Reg::X(i) => c.x[i] as u128,
    };
    let mut args = [0; 4];
    for (a, &r) in args.iter_mut().zip(row.args) {
        *a = value(r);
    }
    let inst = inst(row);
    let mut env = FpEnv {
        fpcr: c.fpcr,
        fpsr: c.fpsr,
    };
    let may_saturate = inst.effects().contains(Effects::QC);
    let r = arith::eval(&inst, args, |_| Type::V128, &row.consts, &mut env);
    assert!(
        env.fpsr == c.fpsr || may_saturate,
        "{}: its row lacks QC",
        row.text
    );
    (
        r.unwrap_or_else(|| panic!("no meaning: {}", row.text)),
        env.fpsr,
    )
}

fn theirs(row: &Row, o: &Out) -> (u128, u32) {
    (
        if row.ty == Type::V128 {
            o.v[0]
        } else {
            o.x[0] as u128
        },
        o.fpsr,
    )
}

/// How many cases a row gets: rows that differ only in a constant share them out.
fn cases_for(row: &Row) -> usize {
    match row.op {
        Op::VShift => 24,
        Op::VLane | Op::VLaneS | Op::VInsert => 12,
        _ => 200,
    }
}

#[test]
fn same_as_qemu() {
    let Some(oracle) = Oracle::find("simd") else {
        return;
    };
    let rows = simd_rows::all();
    let text: Vec<String> = rows.iter().map(|r| r.text.clone()).collect();
    let mut random = Rng(1);
    let groups: Vec<(u32, Vec<In>)> = (rows.iter().zip(oracle.assemble(&text)))
        .map(|(row, word)| {
            (
                word,
                (0..cases_for(row))
                    .map(|_| case(row, &mut random))
                    .collect(),
            )
        })
        .collect();
    let total: usize = groups.iter().map(|g| g.1.len()).sum();
    assert!(total > 200_000, "only {total} cases");
    let (mut wrong, mut saturated) = (0, HashSet::new());
    for ((row, (_, ins)), outs) in rows.iter().zip(&groups).zip(oracle.run(&groups)) {
        if ins.iter().zip(&outs).any(|(i, o)| i.fpsr != o.fpsr) {
            saturated.insert((row.op, row.aux >> 8 & 0xff));
        }
        let differs = |(i, o): &(&In, &Out)| o.undefined || ours(row, i) != theirs(row, o);
        if let Some((i, o)) = ins.iter().zip(&outs).find(differs) {
            wrong += 1;
            let (ours, theirs) = (ours(row, i), theirs(row, o));
            eprintln!(
                "{}\n  {i:x?}\n  ours   {ours:032x?}\n  theirs {theirs:032x?}",
                row.text
            );
        }
    }
    assert!(wrong == 0, "{wrong} of {} instructions differ", rows.len());
    for row in &rows {
        // Rows that promise QC must be seen to set it.
        let seen = saturated.contains(&(row.op, row.aux >> 8 & 0xff));
        assert!(
            seen || !inst(row).effects().contains(Effects::QC),
            "{}",
            row.text
        );
    }
}
