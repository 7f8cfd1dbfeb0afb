//! Which AArch64 instruction is which vector op: kinds, shapes, assembly.

use metaphrase_ir::ops::{
    VBinKind as B, VRedKind as R, VShiftKind as S, VTernKind as T, VUnKind as U,
};
use metaphrase_ir::ops_vector::HI;
use metaphrase_ir::{Op, Shape, Type};

/// A register of the oracle that is an argument.
#[derive(Clone, Copy, Debug)]
pub enum Reg {
    V(usize),
    X(usize),
}
use Reg::{V, X};

/// One instruction and the op it is. The result is V0 or X0, by `ty`.
#[derive(Debug)]
pub struct Row {
    pub text: String,
    pub op: Op,
    pub ty: Type,
    pub aux: u32,
    pub imm: u64,
    pub args: &'static [Reg],
    pub consts: Vec<u128>,
}

const N: &[Reg] = &[V(1)];
const NM: &[Reg] = &[V(1), V(2)];
const DN: &[Reg] = &[V(0), V(1)];
const ND: &[Reg] = &[V(1), V(0)];
const DNM: &[Reg] = &[V(0), V(1), V(2)];

use Shape::{B1, B8, B16, D1, D2, H1, H4, H8, S1, S2, S4};
const BYTES: &[Shape] = &[B8, B16];
const BH: &[Shape] = &[B8, B16, H4, H8];
const NO_D: &[Shape] = &[B8, B16, H4, H8, S2, S4];
const FULL: &[Shape] = &[B8, B16, H4, H8, S2, S4, D2];
const WITH_D1: &[Shape] = &[B8, B16, H4, H8, S2, S4, D2, D1];
const EVERY: &[Shape] = &[B8, B16, H4, H8, S2, S4, D2, B1, H1, S1, D1];
const HS: &[Shape] = &[H4, H8, S2, S4, H1, S1];
const NARROW: &[Shape] = &[B8, H4, S2];
const NARROW_SCALARS: &[Shape] = &[B8, H4, S2, B1, H1, S1];
const ACROSS: &[Shape] = &[B8, B16, H4, H8, S4];
const WORDS: &[Shape] = &[S4];

fn is_scalar(s: Shape) -> bool {
    s.lanes() == 1
}

/// Letter of a lane of `8 << log2` bits.
fn letter(log2: u32) -> char {
    ['b', 'h', 's', 'd', 'q'][log2 as usize]
}

/// Register `r` in shape `s`: `v1.8b`, `h1`.
fn reg(r: u32, s: Shape) -> String {
    let l = letter(s.lane_log2());
    if is_scalar(s) {
        format!("{l}{r}")
    } else {
        format!("v{r}.{}{l}", s.lanes())
    }
}

/// Register `r` with as many lanes as `s`, twice as wide.
fn wide(r: u32, s: Shape) -> String {
    let l = letter(s.lane_log2() + 1);
    if is_scalar(s) {
        format!("{l}{r}")
    } else {
        format!("v{r}.{}{l}", s.lanes())
    }
}

/// Register `r` with half as many lanes as `s`, twice as wide.
fn paired(r: u32, s: Shape) -> String {
    format!("v{r}.{}{}", s.lanes() / 2, letter(s.lane_log2() + 1))
}

/// Register `r` as a source of a "2" form: the 128-bit shape with lanes of `s`.
fn upper(r: u32, s: Shape) -> String {
    reg(r, Shape::vector(s.lane_log2(), true))
}

fn row(op: Op, aux: u32, imm: u64, args: &'static [Reg], text: String) -> Row {
    Row {
        text,
        op,
        ty: Type::V128,
        aux,
        imm,
        args,
        consts: Vec::new(),
    }
}

pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    un(&mut rows);
    bin(&mut rows);
    long(&mut rows);
    tern(&mut rows);
    shift(&mut rows);
    narrowing_and_long_shifts(&mut rows);
    red(&mut rows);
    moves(&mut rows);
    crypto(&mut rows);
    rows
}

fn un(rows: &mut Vec<Row>) {
    let same: &[(U, &[Shape])] = &[
        (U::Neg, WITH_D1),
        (U::Abs, WITH_D1),
        (U::Not, BYTES),
        (U::Cnt, BYTES),
        (U::Clz, NO_D),
        (U::Cls, NO_D),
        (U::Rbit, BYTES),
        (U::Rev16, BYTES),
        (U::Rev32, BH),
        (U::Rev64, NO_D),
        (U::SqAbs, EVERY),
        (U::SqNeg, EVERY),
    ];
    for &(k, shapes) in same {
        for &s in shapes {
            rows.push(row(
                Op::VUn,
                k.aux(s),
                0,
                N,
                format!("{} {}, {}", k.name(), reg(0, s), reg(1, s)),
            ));
        }
    }
    for k in [U::CmEq0, U::CmGe0, U::CmGt0, U::CmLe0, U::CmLt0] {
        let name = k.name().trim_end_matches('0');
        for &s in WITH_D1 {
            rows.push(row(
                Op::VUn,
                k.aux(s),
                0,
                N,
                format!("{name} {}, {}, #0", reg(0, s), reg(1, s)),
            ));
        }
    }
    for k in [U::SAddLp, U::UAddLp] {
        for &s in NO_D {
            let d = if s == S2 {
                "v0.1d".into()
            } else {
                paired(0, s)
            };
            rows.push(row(
                Op::VUn,
                k.aux(s),
                0,
                N,
                format!("{} {d}, {}", k.name(), reg(1, s)),
            ));
        }
    }
    for (k, shapes) in [
        (U::Xtn, NARROW),
        (U::SqXtn, NARROW_SCALARS),
        (U::UqXtn, NARROW_SCALARS),
        (U::SqXtUn, NARROW_SCALARS),
    ] {
        for &s in shapes {
            rows.push(row(
                Op::VUn,
                k.aux(s),
                0,
                N,
                format!("{} {}, {}", k.name(), reg(0, s), wide(1, s)),
            ));
        }
    }
}

fn bin(rows: &mut Vec<Row>) {
    let mut add = |k: B, name: &str, shapes: &[Shape]| {
        for &s in shapes {
            let text = format!("{name} {}, {}, {}", reg(0, s), reg(1, s), reg(2, s));
            rows.push(row(Op::VBin, k.aux(s), 0, NM, text));
        }
    };
    for (k, name) in [
        (B::And, "and"),
        (B::Or, "orr"),
        (B::Xor, "eor"),
        (B::AndNot, "bic"),
        (B::OrNot, "orn"),
    ] {
        add(k, name, BYTES);
    }
    let lists: &[(&[B], &[Shape])] = &[
        (
            &[
                B::Add,
                B::Sub,
                B::CmEq,
                B::CmGe,
                B::CmGt,
                B::CmHi,
                B::CmHs,
                B::CmTst,
            ],
            WITH_D1,
        ),
        (&[B::SShl, B::UShl, B::SRShl, B::URShl], WITH_D1),
        (
            &[
                B::Mul,
                B::SHAdd,
                B::UHAdd,
                B::SRHAdd,
                B::URHAdd,
                B::SHSub,
                B::UHSub,
            ],
            NO_D,
        ),
        (
            &[B::SMax, B::SMin, B::UMax, B::UMin, B::SAbd, B::UAbd],
            NO_D,
        ),
        (&[B::SMaxP, B::SMinP, B::UMaxP, B::UMinP], NO_D),
        (
            &[
                B::SqAdd,
                B::UqAdd,
                B::SqSub,
                B::UqSub,
                B::SqShl,
                B::UqShl,
                B::SqRShl,
                B::UqRShl,
            ],
            EVERY,
        ),
        (&[B::SqDMulH, B::SqRDMulH], HS),
        (&[B::PMul], BYTES),
        (
            &[
                B::AddP,
                B::Zip1,
                B::Zip2,
                B::Uzp1,
                B::Uzp2,
                B::Trn1,
                B::Trn2,
            ],
            FULL,
        ),
    ];
    for &(kinds, shapes) in lists {
        kinds.iter().for_each(|&k| add(k, k.name(), shapes));
    }
    for k in [B::SuqAdd, B::UsqAdd] {
        for &s in EVERY {
            let text = format!("{} {}, {}", k.name(), reg(0, s), reg(1, s));
            rows.push(row(Op::VBin, k.aux(s), 0, DN, text));
        }
    }
    for k in [B::AddHn, B::SubHn, B::RAddHn, B::RSubHn] {
        for &s in NARROW {
            let text = format!("{} {}, {}, {}", k.name(), reg(0, s), wide(1, s), wide(2, s));
            rows.push(row(Op::VBin, k.aux(s), 0, NM, text));
        }
    }
}

fn long(rows: &mut Vec<Row>) {
    let all = [
        B::SAddL,
        B::UAddL,
        B::SSubL,
        B::USubL,
        B::SAbdL,
        B::UAbdL,
        B::SMulL,
        B::UMulL,
        B::SqDMulL,
        B::PMulL,
        B::SAddW,
        B::UAddW,
        B::SSubW,
        B::USubW,
    ];
    for k in all {
        let shapes: &[Shape] = match k {
            B::SqDMulL => &[H4, S2, H1, S1],
            B::PMulL => &[B8],
            _ => NARROW,
        };
        let a_wide = matches!(k, B::SAddW | B::UAddW | B::SSubW | B::USubW);
        for &s in shapes {
            let d = wide(0, s);
            let a = if a_wide { wide(1, s) } else { reg(1, s) };
            rows.push(row(
                Op::VBin,
                k.aux(s),
                0,
                NM,
                format!("{} {d}, {a}, {}", k.name(), reg(2, s)),
            ));
            if is_scalar(s) {
                continue;
            }
            let a = if a_wide { wide(1, s) } else { upper(1, s) };
            let text = format!("{}2 {d}, {a}, {}", k.name(), upper(2, s));
            rows.push(row(Op::VBin, k.aux(s) | HI, 0, NM, text));
        }
    }
    let aux = B::PMulL.aux(D1);
    rows.push(row(
        Op::VBin,
        aux,
        0,
        NM,
        "pmull v0.1q, v1.1d, v2.1d".into(),
    ));
    rows.push(row(
        Op::VBin,
        aux | HI,
        0,
        NM,
        "pmull2 v0.1q, v1.2d, v2.2d".into(),
    ));
}

fn tern(rows: &mut Vec<Row>) {
    let lists: &[(&[T], &[Shape])] = &[
        (&[T::Mla, T::Mls], NO_D),
        (&[T::Bsl], BYTES),
        (&[T::SqRDMlaH, T::SqRDMlsH], HS),
    ];
    for &(kinds, shapes) in lists {
        for &k in kinds {
            for &s in shapes {
                let text = format!("{} {}, {}, {}", k.name(), reg(0, s), reg(1, s), reg(2, s));
                rows.push(row(Op::VTern, k.aux(s), 0, DNM, text));
            }
        }
    }
    let bytes: &[(T, &[Shape])] = &[
        (T::SDot, &[S2, S4]),
        (T::UDot, &[S2, S4]),
        (T::UsDot, &[S2, S4]),
        (T::SMmla, WORDS),
        (T::UMmla, WORDS),
        (T::UsMmla, WORDS),
    ];
    for &(k, shapes) in bytes {
        for &s in shapes {
            let n = s.lanes() * 4;
            let text = format!("{} {}, v1.{n}b, v2.{n}b", k.name(), reg(0, s));
            rows.push(row(Op::VTern, k.aux(s), 0, DNM, text));
        }
    }
}

fn shift(rows: &mut Vec<Row>) {
    let mut add = |k: S, args, shapes: &[Shape], left: bool| {
        for &s in shapes {
            let bits = s.lane_bits();
            for n in if left { 0..bits } else { 1..bits + 1 } {
                let text = format!("{} {}, {}, #{n}", k.name(), reg(0, s), reg(1, s));
                rows.push(row(Op::VShift, k.aux(s), n as u64, args, text));
            }
        }
    };
    add(S::Shl, NM, WITH_D1, true);
    for k in [S::SShr, S::UShr, S::SRShr, S::URShr] {
        add(k, NM, WITH_D1, false);
    }
    add(S::Sli, ND, WITH_D1, true);
    add(S::Sri, ND, WITH_D1, false);
    for k in [S::SqShl, S::UqShl, S::SqShlU] {
        add(k, NM, EVERY, true);
    }
    for n in 0..64 {
        let text = format!("xar v0.2d, v1.2d, v2.2d, #{n}");
        rows.push(row(Op::VShift, S::Xar.aux(D2), n, NM, text));
    }
}

fn narrowing_and_long_shifts(rows: &mut Vec<Row>) {
    let plain: &[S] = &[S::Shrn, S::Rshrn];
    let saturating = [
        S::SqShrn,
        S::UqShrn,
        S::SqRshrn,
        S::UqRshrn,
        S::SqShrun,
        S::SqRshrun,
    ];
    for (kinds, shapes) in [(plain, NARROW), (&saturating, NARROW_SCALARS)] {
        for &k in kinds {
            for &s in shapes {
                for n in 1..=s.lane_bits() {
                    let text = format!("{} {}, {}, #{n}", k.name(), reg(0, s), wide(1, s));
                    rows.push(row(Op::VShift, k.aux(s), n as u64, NM, text));
                }
            }
        }
    }
    for k in [S::SShll, S::UShll] {
        for &s in NARROW {
            for n in 0..s.lane_bits() {
                let (name, d) = (k.name(), wide(0, s));
                let text = format!("{name} {d}, {}, #{n}", reg(1, s));
                rows.push(row(Op::VShift, k.aux(s), n as u64, NM, text));
                let text = format!("{name}2 {d}, {}, #{n}", upper(1, s));
                rows.push(row(Op::VShift, k.aux(s) | HI, n as u64, NM, text));
            }
            let n = s.lane_bits();
            let text = format!("shll {}, {}, #{n}", wide(0, s), reg(1, s));
            rows.push(row(Op::VShift, k.aux(s), n as u64, NM, text));
        }
    }
}

fn red(rows: &mut Vec<Row>) {
    for &k in R::ALL {
        if k.name().starts_with('f') {
            continue;
        }
        let widens = matches!(k, R::SAddLv | R::UAddLv);
        for &s in ACROSS {
            let d = letter(s.lane_log2() + widens as u32);
            rows.push(row(
                Op::VRed,
                k.aux(s),
                0,
                N,
                format!("{} {d}0, {}", k.name(), reg(1, s)),
            ));
        }
    }
    rows.push(row(
        Op::VRed,
        R::AddV.aux(D2),
        0,
        N,
        "addp d0, v1.2d".into(),
    ));
}

fn moves(rows: &mut Vec<Row>) {
    for s in [B16, H8, S4, D2] {
        let (l, aux) = (letter(s.lane_log2()), s as u32);
        let (r, ty) = if s == D2 {
            ('x', Type::I64)
        } else {
            ('w', Type::I32)
        };
        for i in 0..s.lanes() {
            let lane = i as u64;
            let mut push = |op, ty, args, text| {
                rows.push(Row {
                    ty,
                    ..row(op, aux, lane, args, text)
                });
            };
            push(Op::VLane, ty, N, format!("umov {r}0, v1.{l}[{i}]"));
            push(
                Op::VInsert,
                Type::V128,
                &[V(0), X(1)],
                format!("ins v0.{l}[{i}], {r}1"),
            );
            if s != D2 {
                push(Op::VLaneS, Type::I64, N, format!("smov x0, v1.{l}[{i}]"));
            }
            if matches!(s, B16 | H8) {
                push(Op::VLaneS, Type::I32, N, format!("smov w0, v1.{l}[{i}]"));
            }
        }
    }
    for &s in FULL {
        let r = if s == D2 { 'x' } else { 'w' };
        rows.push(row(
            Op::VDup,
            s as u32,
            0,
            &[X(1)],
            format!("dup {}, {r}1", reg(0, s)),
        ));
    }
    rows.push(row(
        Op::VScalar,
        D1 as u32,
        0,
        &[X(1)],
        "fmov d0, x1".into(),
    ));
    rows.push(row(
        Op::VScalar,
        S1 as u32,
        0,
        &[X(1)],
        "fmov s0, w1".into(),
    ));
    rows.push(row(
        Op::VScalar,
        H1 as u32,
        0,
        &[X(1)],
        "fmov h0, w1".into(),
    ));
    rows.push(row(Op::VZeroHi, 0, 0, N, "mov v0.8b, v1.8b".into()));
    rows.push(row(
        Op::VTbl,
        0,
        0,
        DNM,
        "tbl v0.16b, {v0.16b, v1.16b}, v2.16b".into(),
    ));
    for i in 0..16 {
        let mask = u128::from_le_bytes(std::array::from_fn(|b| b as u8 + i));
        let text = format!("ext v0.16b, v1.16b, v2.16b, #{i}");
        rows.push(Row {
            consts: vec![mask],
            ..row(Op::VShuffle, 0, 0, NM, text)
        });
    }
    // Indices beyond 31 give zero.
    let mask = u128::from_le_bytes(std::array::from_fn(|b| {
        if b < 8 { b as u8 } else { 0x80 + b as u8 }
    }));
    rows.push(Row {
        consts: vec![mask],
        ..row(Op::VShuffle, 0, 0, NM, "mov v0.8b, v1.8b".into())
    });
}

fn crypto(rows: &mut Vec<Row>) {
    let mut un = |k: U, s, text: &str| rows.push(row(Op::VUn, k.aux(s), 0, N, text.into()));
    un(U::AesMc, B16, "aesmc v0.16b, v1.16b");
    un(U::AesIMc, B16, "aesimc v0.16b, v1.16b");
    un(U::Sha1H, S1, "sha1h s0, s1");
    let mut bin =
        |k: B, s, args, text: &str| rows.push(row(Op::VBin, k.aux(s), 0, args, text.into()));
    bin(B::AesE, B16, DN, "aese v0.16b, v1.16b");
    bin(B::AesD, B16, DN, "aesd v0.16b, v1.16b");
    bin(B::Sha1Su1, S4, DN, "sha1su1 v0.4s, v1.4s");
    bin(B::Sha256Su0, S4, DN, "sha256su0 v0.4s, v1.4s");
    bin(B::Sha512Su0, D2, DN, "sha512su0 v0.2d, v1.2d");
    bin(B::Rax1, D2, NM, "rax1 v0.2d, v1.2d, v2.2d");
    bin(B::Sm4E, S4, DN, "sm4e v0.4s, v1.4s");
    bin(B::Sm4EKey, S4, NM, "sm4ekey v0.4s, v1.4s, v2.4s");
    let mut tern = |k: T, s, text: &str| rows.push(row(Op::VTern, k.aux(s), 0, DNM, text.into()));
    tern(T::Sha1C, S4, "sha1c q0, s1, v2.4s");
    tern(T::Sha1P, S4, "sha1p q0, s1, v2.4s");
    tern(T::Sha1M, S4, "sha1m q0, s1, v2.4s");
    tern(T::Sha1Su0, S4, "sha1su0 v0.4s, v1.4s, v2.4s");
    tern(T::Sha256H, S4, "sha256h q0, q1, v2.4s");
    tern(T::Sha256H2, S4, "sha256h2 q0, q1, v2.4s");
    tern(T::Sha256Su1, S4, "sha256su1 v0.4s, v1.4s, v2.4s");
    tern(T::Sha512H, D2, "sha512h q0, q1, v2.2d");
    tern(T::Sha512H2, D2, "sha512h2 q0, q1, v2.2d");
    tern(T::Sha512Su1, D2, "sha512su1 v0.2d, v1.2d, v2.2d");
    tern(T::Eor3, B16, "eor3 v0.16b, v0.16b, v1.16b, v2.16b");
    tern(T::Bcax, B16, "bcax v0.16b, v0.16b, v1.16b, v2.16b");
    tern(T::Sm3Ss1, S4, "sm3ss1 v0.4s, v0.4s, v1.4s, v2.4s");
    tern(T::Sm3PartW1, S4, "sm3partw1 v0.4s, v1.4s, v2.4s");
    tern(T::Sm3PartW2, S4, "sm3partw2 v0.4s, v1.4s, v2.4s");
    for k in [T::Sm3Tt1A, T::Sm3Tt1B, T::Sm3Tt2A, T::Sm3Tt2B] {
        for i in 0..4 {
            let text = format!("{} v0.4s, v1.4s, v2.s[{i}]", k.name());
            rows.push(row(Op::VTern, k.aux(S4), i, DNM, text));
        }
    }
}
