//! The table of FP instructions that the oracle test compares: assembly, what its operands are, and the IR op that means it.

use crate::oracle::In;
use metaphrase_ir::arith::fp::{Fmt, eval_scalar};
use metaphrase_ir::arith::{FpEnv, simd_fp};
use metaphrase_ir::ops::{Op, Round, VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
use metaphrase_ir::ops_vector::HI;
use metaphrase_ir::{Inst, Shape, Type, Value};

/// What a register's lanes hold.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// Numbers of a format.
    Float(Fmt),
    /// Integers of so many bits.
    Int(u32),
}

impl Operand {
    /// Lane width in bits.
    pub fn bits(self) -> u32 {
        match self {
            Operand::Float(f) => f.bits(),
            Operand::Int(n) => n,
        }
    }
}

/// Expected results; `None`: not written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want {
    /// v0.
    pub v0: Option<u128>,
    /// x0.
    pub x0: Option<u64>,
    /// NZCV.
    pub nzcv: Option<u32>,
}

type Covers = (&'static str, &'static str);
type Eval = Box<dyn Fn(&In, &mut FpEnv) -> Want>;

/// One instruction: destination v0 or x0, sources from v0..v3, x1.
pub struct Row {
    /// The list and name of the op or kind that means it: `("op", "fadd")`, `("vbin", "fadd")`.
    pub covers: Covers,
    /// Assembly.
    pub asm: String,
    /// Contents of v0..v3.
    pub operands: [Operand; 4],
    /// Our meaning.
    pub eval: Eval,
}

const S: Operand = Operand::Float(Fmt::S);
const D: Operand = Operand::Float(Fmt::D);
const H: Operand = Operand::Float(Fmt::H);
const BF: Operand = Operand::Float(Fmt::BF);

fn row(covers: Covers, asm: String, operands: Operand, eval: Eval) -> Row {
    Row {
        covers,
        asm,
        operands: [operands; 4],
        eval,
    }
}

fn v0(v: u128) -> Want {
    Want {
        v0: Some(v),
        ..Want::default()
    }
}

/// A scalar op applied to operands that are already in order.
fn scalar(
    op: Op,
    ty: Type,
    arg_ty: Type,
    aux: u32,
    imm: u64,
    args: [u128; 3],
    env: &mut FpEnv,
) -> u128 {
    let inst = Inst {
        op,
        ty,
        aux,
        args: [Value::NONE; 4],
        imm,
    };
    // Bits above the type's width may hold anything.
    eval_scalar(&inst, [args[0], args[1], args[2], 0], arg_ty, env).expect("an FP op")
}

/// Single and double: register letter, type, operand.
const FLOATS: [(char, Type, Operand); 2] = [('s', Type::F32, S), ('d', Type::F64, D)];

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (c, ty, operand) in FLOATS {
        scalar_arithmetic(&mut rows, c, ty, operand);
        scalar_rounding(&mut rows, c, ty, operand);
        scalar_compares(&mut rows, c, ty, operand);
        scalar_integers(&mut rows, c, ty, operand);
    }
    scalar_formats(&mut rows);
    for (suffix, shape) in SHAPES {
        vector_un(&mut rows, suffix, shape);
        vector_bin(&mut rows, suffix, shape);
        vector_tern(&mut rows, suffix, shape);
        vector_fixed(&mut rows, suffix, shape);
    }
    vector_formats(&mut rows);
    vector_across(&mut rows);
    vector_mixed(&mut rows);
    rows
}

fn scalar_arithmetic(rows: &mut Vec<Row>, c: char, ty: Type, operand: Operand) {
    let two = [
        ("fadd", Op::FAdd),
        ("fsub", Op::FSub),
        ("fmul", Op::FMul),
        ("fmulx", Op::FMulX),
        ("fdiv", Op::FDiv),
        ("fmax", Op::FMax),
        ("fmin", Op::FMin),
        ("fmaxnm", Op::FMaxNm),
        ("fminnm", Op::FMinNm),
        ("frecps", Op::FRecpS),
        ("frsqrts", Op::FRsqrtS),
    ];
    for (name, op) in two {
        rows.push(row(
            ("op", op.info().name),
            format!("{name} {c}0, {c}1, {c}2"),
            operand,
            Box::new(move |i, env| v0(scalar(op, ty, ty, 0, 0, [i.v[1], i.v[2], 0], env))),
        ));
    }
    let one = [
        ("fsqrt", Op::FSqrt),
        ("fneg", Op::FNeg),
        ("fabs", Op::FAbs),
        ("frecpe", Op::FRecpE),
        ("frecpx", Op::FRecpX),
        ("frsqrte", Op::FRsqrtE),
    ];
    for (name, op) in one {
        rows.push(row(
            ("op", op.info().name),
            format!("{name} {c}0, {c}1"),
            operand,
            Box::new(move |i, env| v0(scalar(op, ty, ty, 0, 0, [i.v[1], 0, 0], env))),
        ));
    }
    rows.push(row(
        ("op", Op::FMulAdd.info().name),
        format!("fmadd {c}0, {c}1, {c}2, {c}3"),
        operand,
        Box::new(move |i, env| {
            v0(scalar(
                Op::FMulAdd,
                ty,
                ty,
                0,
                0,
                [i.v[3], i.v[1], i.v[2]],
                env,
            ))
        }),
    ));
    rows.push(row(
        ("op", Op::FMulAdd.info().name),
        format!("fnmsub {c}0, {c}1, {c}2, {c}3"),
        operand,
        Box::new(move |i, env| {
            let minus_a = scalar(Op::FNeg, ty, ty, 0, 0, [i.v[3], 0, 0], env);
            v0(scalar(
                Op::FMulAdd,
                ty,
                ty,
                0,
                0,
                [minus_a, i.v[1], i.v[2]],
                env,
            ))
        }),
    ));
}

/// Rounding letters of FRINT and FCVT.
const ROUNDINGS: [(char, Round); 5] = [
    ('n', Round::TieEven),
    ('p', Round::PosInf),
    ('m', Round::NegInf),
    ('z', Round::Zero),
    ('a', Round::TieAway),
];

fn scalar_rounding(rows: &mut Vec<Row>, c: char, ty: Type, operand: Operand) {
    let current = Round::Current as u32;
    let mut modes: Vec<(char, u32)> = ROUNDINGS.iter().map(|(l, r)| (*l, *r as u32)).collect();
    modes.extend([('i', current), ('x', current | Round::EXACT)]);
    for (letter, aux) in modes {
        rows.push(row(
            ("op", Op::FRint.info().name),
            format!("frint{letter} {c}0, {c}1"),
            operand,
            Box::new(move |i, env| v0(scalar(Op::FRint, ty, ty, aux, 0, [i.v[1], 0, 0], env))),
        ));
    }
    for size in [32, 64] {
        for (letter, aux) in [('x', current), ('z', Round::Zero as u32)] {
            rows.push(row(
                ("op", Op::FRintN.info().name),
                format!("frint{size}{letter} {c}0, {c}1"),
                operand,
                Box::new(move |i, env| {
                    v0(scalar(Op::FRintN, ty, ty, aux, size, [i.v[1], 0, 0], env))
                }),
            ));
        }
    }
}

fn scalar_compares(rows: &mut Vec<Row>, c: char, ty: Type, operand: Operand) {
    for (name, aux) in [("fcmp", 0), ("fcmpe", 1)] {
        for zero in [false, true] {
            let second = if zero {
                "#0.0".to_string()
            } else {
                format!("{c}2")
            };
            rows.push(row(
                ("op", Op::FlagsFcmp.info().name),
                format!("{name} {c}1, {second}"),
                operand,
                Box::new(move |i, env| {
                    let args = [i.v[1], if zero { 0 } else { i.v[2] }, 0];
                    let flags = scalar(Op::FlagsFcmp, Type::Flags, ty, aux, 0, args, env);
                    Want {
                        nzcv: Some(flags as u32),
                        ..Want::default()
                    }
                }),
            ));
        }
    }
}

fn scalar_integers(rows: &mut Vec<Row>, c: char, ty: Type, operand: Operand) {
    for (w, int, widths) in [('w', Type::I32, [1, 13, 32]), ('x', Type::I64, [7, 32, 64])] {
        for (u, signed) in [('s', Round::SIGNED), ('u', 0)] {
            for (letter, round) in ROUNDINGS {
                let aux = round as u32 | signed;
                let fbits = widths.map(|n| (n, format!(", #{n}")));
                let fixed = fbits.into_iter().filter(|_| letter == 'z');
                for (n, text) in [(0, String::new())].into_iter().chain(fixed) {
                    rows.push(row(
                        ("op", Op::FToInt.info().name),
                        format!("fcvt{letter}{u} {w}0, {c}1{text}"),
                        operand,
                        Box::new(move |i, env| Want {
                            x0: Some(
                                scalar(Op::FToInt, int, ty, aux, n, [i.v[1], 0, 0], env) as u64
                            ),
                            ..Want::default()
                        }),
                    ));
                }
            }
            let aux = Round::Current as u32 | signed;
            for n in [0].into_iter().chain(widths) {
                let text = if n == 0 {
                    String::new()
                } else {
                    format!(", #{n}")
                };
                rows.push(row(
                    ("op", Op::IntToF.info().name),
                    format!("{u}cvtf {c}0, {w}1{text}"),
                    operand,
                    Box::new(move |i, env| {
                        v0(scalar(
                            Op::IntToF,
                            ty,
                            int,
                            aux,
                            n,
                            [i.x[1] as u128, 0, 0],
                            env,
                        ))
                    }),
                ));
                if c == 's' {
                    rows.push(row(
                        ("op", Op::IntToH.info().name),
                        format!("{u}cvtf h0, {w}1{text}"),
                        operand,
                        Box::new(move |i, env| {
                            let args = [i.x[1] as u128, 0, 0];
                            v0(scalar(Op::IntToH, Type::I32, int, aux, n, args, env))
                        }),
                    ));
                }
            }
        }
    }
}

fn scalar_formats(rows: &mut Vec<Row>) {
    let conversions = [
        ("fcvt d0, s1", S, Op::FCvt, Type::F64, Type::F32),
        ("fcvt s0, d1", D, Op::FCvt, Type::F32, Type::F64),
        ("fcvt s0, h1", H, Op::FCvtFromH, Type::F32, Type::I32),
        ("fcvt d0, h1", H, Op::FCvtFromH, Type::F64, Type::I32),
        ("fcvt h0, s1", S, Op::FCvtToH, Type::I32, Type::F32),
        ("fcvt h0, d1", D, Op::FCvtToH, Type::I32, Type::F64),
        ("fcvtxn s0, d1", D, Op::FCvtXn, Type::F32, Type::F64),
    ];
    for (asm, operand, op, ty, from) in conversions {
        rows.push(row(
            ("op", op.info().name),
            asm.into(),
            operand,
            Box::new(move |i, env| v0(scalar(op, ty, from, 0, 0, [i.v[1], 0, 0], env))),
        ));
    }
    rows.push(row(
        ("op", Op::FJcvt.info().name),
        "fjcvtzs w0, d1".into(),
        D,
        Box::new(|i, env| {
            let args = [i.v[1], 0, 0];
            let z = scalar(Op::FJcvtZ, Type::Bool, Type::F64, 0, 0, args, env);
            Want {
                x0: Some(scalar(Op::FJcvt, Type::I32, Type::F64, 0, 0, args, env) as u64),
                nzcv: Some((z as u32) << 30),
                v0: None,
            }
        }),
    ));
}

/// Arrangement suffixes; a scalar register is a one-lane shape.
const SHAPES: [(&str, Shape); 8] = [
    ("h", Shape::H1),
    ("s", Shape::S1),
    ("d", Shape::D1),
    ("4h", Shape::H4),
    ("8h", Shape::H8),
    ("2s", Shape::S2),
    ("4s", Shape::S4),
    ("2d", Shape::D2),
];

fn reg(suffix: &str, n: u32) -> String {
    if suffix.len() == 1 {
        format!("{suffix}{n}")
    } else {
        format!("v{n}.{suffix}")
    }
}

fn lanes(shape: Shape) -> Operand {
    match shape.lane_bits() {
        16 => H,
        32 => S,
        _ => D,
    }
}

fn push_un(
    rows: &mut Vec<Row>,
    asm: String,
    operand: Operand,
    kind: VUnKind,
    shape: Shape,
    aux: u32,
) {
    let eval = move |i: &In, env: &mut FpEnv| {
        v0(simd_fp::eval_vun(kind, shape, i.v[1], aux, env).expect("an FP kind"))
    };
    rows.push(row(("vun", kind.name()), asm, operand, Box::new(eval)));
}

fn vector_un(rows: &mut Vec<Row>, suffix: &str, shape: Shape) {
    use VUnKind::*;
    let scalar = shape.lanes() == 1;
    let (d, n) = (reg(suffix, 0), reg(suffix, 1));
    let always = [
        FRecpE, FRsqrtE, FCvtNS, FCvtNU, FCvtMS, FCvtMU, FCvtPS, FCvtPU, FCvtAS, FCvtAU,
    ];
    let mut kinds = always.to_vec();
    // Scalars of single and double are scalar ops; those of half are vector kinds.
    if !scalar || shape == Shape::H1 {
        kinds.extend([
            FNeg, FAbs, FSqrt, FRintN, FRintM, FRintP, FRintZ, FRintA, FRintX, FRintI,
        ]);
    }
    if !scalar && shape.lane_bits() > 16 {
        kinds.extend([FRint32X, FRint32Z, FRint64X, FRint64Z]);
    }
    if scalar {
        kinds.push(FRecpX);
    }
    for kind in kinds {
        push_un(
            rows,
            format!("{} {d}, {n}", kind.name()),
            lanes(shape),
            kind,
            shape,
            0,
        );
    }
    for kind in [FCmEq0, FCmGe0, FCmGt0, FCmLe0, FCmLt0] {
        let name = &kind.name()[..5];
        push_un(
            rows,
            format!("{name} {d}, {n}, #0.0"),
            lanes(shape),
            kind,
            shape,
            0,
        );
    }
    if matches!(shape, Shape::S2 | Shape::S4) {
        for kind in [URecpE, URsqrtE] {
            let asm = format!("{} {d}, {n}", kind.name());
            push_un(rows, asm, Operand::Int(32), kind, shape, 0);
        }
    }
}

fn push_bin(rows: &mut Vec<Row>, asm: String, kind: VBinKind, shape: Shape) {
    let eval = move |i: &In, env: &mut FpEnv| {
        v0(simd_fp::eval_vbin(kind, shape, i.v[1], i.v[2], env).expect("an FP kind"))
    };
    rows.push(row(
        ("vbin", kind.name()),
        asm,
        lanes(shape),
        Box::new(eval),
    ));
}

fn vector_bin(rows: &mut Vec<Row>, suffix: &str, shape: Shape) {
    use VBinKind::*;
    let scalar = shape.lanes() == 1;
    let mut kinds = vec![
        FMulX, FAbd, FRecpS, FRsqrtS, FCmEq, FCmGe, FCmGt, FacGe, FacGt,
    ];
    if !scalar || shape == Shape::H1 {
        kinds.extend([FAdd, FSub, FMul, FDiv, FMax, FMin, FMaxNm, FMinNm]);
    }
    if !scalar {
        kinds.extend([FAddP, FMaxP, FMinP, FMaxNmP, FMinNmP]);
    }
    let operands = [0, 1, 2].map(|r| reg(suffix, r)).join(", ");
    for kind in kinds {
        push_bin(rows, format!("{} {operands}", kind.name()), kind, shape);
    }
    if !scalar {
        push_bin(rows, format!("fcadd {operands}, #90"), FCAdd90, shape);
        push_bin(rows, format!("fcadd {operands}, #270"), FCAdd270, shape);
    }
}

/// The accumulator is v0 unless `args` says otherwise.
fn push_tern(
    rows: &mut Vec<Row>,
    asm: String,
    operands: [Operand; 4],
    kind: VTernKind,
    shape: Shape,
    args: [usize; 3],
) {
    let eval = move |i: &In, env: &mut FpEnv| {
        let args = args.map(|r| i.v[r]);
        v0(simd_fp::eval_vtern(kind, shape, args, env).expect("an FP kind"))
    };
    rows.push(Row {
        covers: ("vtern", kind.name()),
        asm,
        operands,
        eval: Box::new(eval),
    });
}

fn vector_tern(rows: &mut Vec<Row>, suffix: &str, shape: Shape) {
    use VTernKind::*;
    let operands = [lanes(shape); 4];
    if shape == Shape::H1 {
        push_tern(
            rows,
            "fmadd h0, h1, h2, h3".into(),
            operands,
            FMla,
            shape,
            [3, 1, 2],
        );
        push_tern(
            rows,
            "fmsub h0, h1, h2, h3".into(),
            operands,
            FMls,
            shape,
            [3, 1, 2],
        );
    }
    if shape.lanes() == 1 {
        return;
    }
    let text = [0, 1, 2].map(|r| reg(suffix, r)).join(", ");
    for kind in [FMla, FMls] {
        push_tern(
            rows,
            format!("{} {text}", kind.name()),
            operands,
            kind,
            shape,
            [0, 1, 2],
        );
    }
    for (kind, angle) in [(FCMla0, 0), (FCMla90, 90), (FCMla180, 180), (FCMla270, 270)] {
        push_tern(
            rows,
            format!("fcmla {text}, #{angle}"),
            operands,
            kind,
            shape,
            [0, 1, 2],
        );
    }
}

fn vector_fixed(rows: &mut Vec<Row>, suffix: &str, shape: Shape) {
    let bits = shape.lane_bits() as u64;
    let int = Operand::Int(shape.lane_bits());
    let kinds = [
        ("fcvtzs", VShiftKind::FCvtZS, lanes(shape)),
        ("fcvtzu", VShiftKind::FCvtZU, lanes(shape)),
        ("scvtf", VShiftKind::SCvtF, int),
        ("ucvtf", VShiftKind::UCvtF, int),
    ];
    for (name, kind, operand) in kinds {
        for n in [0, 1, 5, bits / 2 + 1, bits] {
            let text = if n == 0 {
                String::new()
            } else {
                format!(", #{n}")
            };
            let eval = move |i: &In, env: &mut FpEnv| {
                v0(simd_fp::eval_vshift(kind, shape, i.v[1], n, env).expect("an FP kind"))
            };
            let asm = format!("{name} {}, {}{text}", reg(suffix, 0), reg(suffix, 1));
            rows.push(row(("vshift", kind.name()), asm, operand, Box::new(eval)));
        }
    }
}

fn vector_formats(rows: &mut Vec<Row>) {
    use VUnKind::*;
    let conversions = [
        ("fcvtl v0.4s, v1.4h", H, FCvtL, Shape::H4, 0),
        ("fcvtl2 v0.4s, v1.8h", H, FCvtL, Shape::H4, HI),
        ("fcvtl v0.2d, v1.2s", S, FCvtL, Shape::S2, 0),
        ("fcvtl2 v0.2d, v1.4s", S, FCvtL, Shape::S2, HI),
        ("fcvtn v0.4h, v1.4s", S, FCvtN, Shape::H4, 0),
        ("fcvtn v0.2s, v1.2d", D, FCvtN, Shape::S2, 0),
        ("fcvtxn v0.2s, v1.2d", D, FCvtXn, Shape::S2, 0),
        ("bfcvtn v0.4h, v1.4s", S, BfCvtN, Shape::H4, 0),
        ("bfcvt h0, s1", S, BfCvtN, Shape::H1, 0),
    ];
    for (asm, operand, kind, shape, aux) in conversions {
        push_un(rows, asm.into(), operand, kind, shape, aux);
    }
}

fn vector_across(rows: &mut Vec<Row>) {
    let kinds = [
        VRedKind::FMaxV,
        VRedKind::FMinV,
        VRedKind::FMaxNmV,
        VRedKind::FMinNmV,
    ];
    for kind in kinds {
        for (c, suffix, shape) in [
            ('h', "4h", Shape::H4),
            ('h', "8h", Shape::H8),
            ('s', "4s", Shape::S4),
        ] {
            let eval = move |i: &In, env: &mut FpEnv| {
                v0(simd_fp::eval_vred(kind, shape, i.v[1], env).expect("an FP kind"))
            };
            let asm = format!("{} {c}0, {}", kind.name(), reg(suffix, 1));
            rows.push(row(
                ("vred", kind.name()),
                asm,
                lanes(shape),
                Box::new(eval),
            ));
        }
    }
}

/// Accumulators of singles, elements of halves or BFloat16.
fn vector_mixed(rows: &mut Vec<Row>) {
    use VTernKind::*;
    for kind in [FMlal, FMlsl, FMlal2, FMlsl2] {
        for (d, n, shape) in [("2s", "2h", Shape::S2), ("4s", "4h", Shape::S4)] {
            let asm = format!("{} v0.{d}, v1.{n}, v2.{n}", kind.name());
            push_tern(rows, asm, [S, H, H, H], kind, shape, [0, 1, 2]);
        }
    }
    let bfloat = [
        ("bfdot v0.2s, v1.4h, v2.4h", BfDot, Shape::S2),
        ("bfdot v0.4s, v1.8h, v2.8h", BfDot, Shape::S4),
        ("bfmmla v0.4s, v1.8h, v2.8h", BfMmla, Shape::S4),
        ("bfmlalb v0.4s, v1.8h, v2.8h", BfMlalB, Shape::S4),
        ("bfmlalt v0.4s, v1.8h, v2.8h", BfMlalT, Shape::S4),
    ];
    for (asm, kind, shape) in bfloat {
        push_tern(rows, asm.into(), [S, BF, BF, BF], kind, shape, [0, 1, 2]);
    }
}
