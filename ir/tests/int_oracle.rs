//! Integer and flag ops against QEMU. The GNU assembler encodes the instructions; each row says which ops they are.

mod oracle;

use metaphrase_ir::arith::{self, FpEnv};
use metaphrase_ir::flags::{self, Cond, FlagsKind};
use metaphrase_ir::ops::IntCond;
use metaphrase_ir::{Inst, Op, Type, Value};
use oracle::{In, Oracle, Out, Rng};

/// What a row expects to find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Found {
    X0(u64),
    Nzcv(u32),
}

/// An instruction and what our ops make of a case.
struct Row {
    text: String,
    ours: Box<dyn Fn(&In) -> Found>,
}

/// One op on values of one type.
#[derive(Clone, Copy)]
struct Spec {
    op: Op,
    /// Type of the first argument, and of the result if it is an integer.
    ty: Type,
    aux: u32,
    imm: u64,
}

fn eval(s: Spec, args: [u64; 3]) -> u64 {
    let ty = match s.op {
        Op::Zext | Op::Sext => Type::I64,
        Op::Trunc => Type::I32,
        _ => s.ty,
    };
    let inst = Inst {
        op: s.op,
        ty,
        aux: s.aux,
        args: [Value(0); 4],
        imm: s.imm,
    };
    let [a, b, c] = args.map(u128::from);
    let r = arith::eval(&inst, [a, b, c, 0], |_| s.ty, &[], &mut FpEnv::default());
    r.unwrap_or_else(|| panic!("no meaning: {:?}", s.op)) as u64
}

#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn add(&mut self, text: String, ours: impl Fn(&In) -> Found + 'static) {
        self.0.push(Row {
            text,
            ours: Box::new(ours),
        });
    }

    /// `op` on X1 and X2 gives X0, for both widths; `R` in the text stands for the width's letter.
    fn both(&mut self, op: Op, imm: u64, text: &str) {
        for ty in [Type::I32, Type::I64] {
            self.one(
                Spec {
                    op,
                    ty,
                    aux: 0,
                    imm,
                },
                text,
            );
        }
    }

    fn one(&mut self, spec: Spec, text: &str) {
        let letter = if spec.ty == Type::I64 { "x" } else { "w" };
        self.add(text.replace('R', letter), move |c| {
            Found::X0(eval(spec, [c.x[1], c.x[2], 0]))
        });
    }

    /// An instruction that sets the flags from X1 and X2.
    fn flags(&mut self, text: &str, ours: fn(Type, &In) -> u64) {
        for (ty, letter) in [(Type::I32, "w"), (Type::I64, "x")] {
            self.add(text.replace('R', letter), move |c| {
                Found::Nzcv(ours(ty, c) as u32)
            });
        }
    }
}

fn spec(op: Op, ty: Type) -> Spec {
    Spec {
        op,
        ty,
        aux: 0,
        imm: 0,
    }
}

fn carry(c: &In) -> u64 {
    (c.nzcv & flags::C != 0) as u64
}

fn all() -> Rows {
    let mut r = Rows::default();
    arithmetic(&mut r);
    shifts(&mut r);
    bits(&mut r);
    flag_setting(&mut r);
    r
}

fn arithmetic(r: &mut Rows) {
    for (op, name) in [
        (Op::Add, "add"),
        (Op::Sub, "sub"),
        (Op::Mul, "mul"),
        (Op::UDiv, "udiv"),
        (Op::SDiv, "sdiv"),
        (Op::And, "and"),
        (Op::Or, "orr"),
        (Op::Xor, "eor"),
        (Op::AndNot, "bic"),
        (Op::OrNot, "orn"),
        (Op::XorNot, "eon"),
        (Op::Shl, "lsl"),
        (Op::Lshr, "lsr"),
        (Op::Ashr, "asr"),
        (Op::Ror, "ror"),
    ] {
        r.both(op, 0, &format!("{name} R0, R1, R2"));
    }
    r.one(spec(Op::UMulH, Type::I64), "umulh x0, x1, x2");
    r.one(spec(Op::SMulH, Type::I64), "smulh x0, x1, x2");
    for (size, (letter, reg)) in [('b', 'w'), ('h', 'w'), ('w', 'w'), ('x', 'x')]
        .into_iter()
        .enumerate()
    {
        for (imm, c) in [(0, ""), (1, "c")] {
            let s = Spec {
                aux: size as u32,
                imm,
                ..spec(Op::Crc32, Type::I32)
            };
            r.add(format!("crc32{c}{letter} w0, w1, {reg}2"), move |c| {
                Found::X0(eval(s, [c.x[1], c.x[2], 0]))
            });
        }
    }
}

fn shifts(r: &mut Rows) {
    for (op, name) in [
        (Op::ShlI, "lsl"),
        (Op::LshrI, "lsr"),
        (Op::AshrI, "asr"),
        (Op::RorI, "ror"),
    ] {
        for (ty, width) in [(Type::I32, 32), (Type::I64, 64)] {
            for imm in 0..width {
                r.one(
                    Spec {
                        imm,
                        ..spec(op, ty)
                    },
                    &format!("{name} R0, R1, #{imm}"),
                );
                if op == Op::RorI {
                    r.one(
                        Spec {
                            imm,
                            ..spec(Op::Extr, ty)
                        },
                        &format!("extr R0, R1, R2, #{imm}"),
                    );
                }
            }
        }
    }
}

fn bits(r: &mut Rows) {
    for (op, name) in [
        (Op::Not, "mvn"),
        (Op::Neg, "neg"),
        (Op::Clz, "clz"),
        (Op::Cls, "cls"),
        (Op::Rbit, "rbit"),
        (Op::Bswap, "rev"),
        (Op::Rev16, "rev16"),
    ] {
        r.both(op, 0, &format!("{name} R0, R1"));
    }
    r.one(spec(Op::Rev32, Type::I64), "rev32 x0, x1");
    r.both(Op::SextLow, 8, "sxtb R0, w1");
    r.both(Op::SextLow, 16, "sxth R0, w1");
    r.one(
        Spec {
            imm: 32,
            ..spec(Op::SextLow, Type::I64)
        },
        "sxtw x0, w1",
    );
    r.one(spec(Op::Sext, Type::I32), "sxtw x0, w1");
    r.one(spec(Op::Zext, Type::I32), "mov w0, w1");
    r.one(spec(Op::Trunc, Type::I64), "mov w0, w1");
}

fn flag_setting(r: &mut Rows) {
    r.flags("cmp R1, R2", |ty, c| {
        eval(spec(Op::FlagsSub, ty), [c.x[1], c.x[2], 0])
    });
    r.flags("cmn R1, R2", |ty, c| {
        eval(spec(Op::FlagsAdd, ty), [c.x[1], c.x[2], 0])
    });
    r.flags("tst R1, R2", |ty, c| {
        eval(spec(Op::FlagsLogic, ty), [c.x[1] & c.x[2], 0, 0])
    });
    r.flags("adcs R0, R1, R2", |ty, c| {
        eval(spec(Op::FlagsAdc, ty), [c.x[1], c.x[2], carry(c)])
    });
    r.flags("sbcs R0, R1, R2", |ty, c| {
        eval(spec(Op::FlagsAdc, ty), [c.x[1], !c.x[2], carry(c)])
    });
    // The same by the lazy triple.
    r.flags("cmp R1, R2", |ty, c| {
        let kind = if ty == Type::I64 {
            FlagsKind::Sub64
        } else {
            FlagsKind::Sub32
        };
        flags::nzcv(kind, c.x[1], c.x[2]) as u64
    });
    r.flags("cmn R1, R2", |ty, c| {
        let kind = if ty == Type::I64 {
            FlagsKind::Add64
        } else {
            FlagsKind::Add32
        };
        flags::nzcv(kind, c.x[1], c.x[2]) as u64
    });
    r.flags("tst R1, R2", |ty, c| {
        let kind = if ty == Type::I64 {
            FlagsKind::Logic64
        } else {
            FlagsKind::Logic32
        };
        flags::nzcv(kind, c.x[1] & c.x[2], 0) as u64
    });
    for cond in Cond::ALL {
        let holds = Spec {
            aux: cond as u32,
            ..spec(Op::CondHolds, Type::Flags)
        };
        // With the zero register named, every condition is allowed, also AL and NV.
        r.add(format!("csinc w0, w2, wzr, {}", cond.name()), move |c| {
            let select = Spec {
                ty: Type::I32,
                ..spec(Op::Select, Type::I32)
            };
            Found::X0(eval(
                select,
                [eval(holds, [c.nzcv as u64, 0, 0]), c.x[2], 1],
            ))
        });
        for imm in 0..16_u64 {
            let select = Spec {
                imm: imm << 28,
                ..spec(Op::FlagsSelect, Type::Bool)
            };
            r.add(format!("ccmp x1, x2, #{imm}, {}", cond.name()), move |c| {
                let f = eval(spec(Op::FlagsSub, Type::I64), [c.x[1], c.x[2], 0]);
                // FlagsSelect gives Flags whatever type is asked for.
                Found::Nzcv(eval(select, [eval(holds, [c.nzcv as u64, 0, 0]), f, 0]) as u32)
            });
        }
    }
}

fn case(random: &mut Rng) -> In {
    let bits = [32, 64][random.below(2) as usize];
    let mut x = [0; 4].map(|_: u64| {
        random.int(bits)
            | if random.below(2) == 0 {
                random.next() << 32
            } else {
                0
            }
    });
    match random.below(16) {
        0 => x[2] = x[1],
        1 => x[2] = 0,
        2 => (x[1], x[2]) = (1 << (bits - 1), !0),
        _ => {}
    }
    In {
        x,
        nzcv: (random.below(16) as u32) << 28,
        ..In::default()
    }
}

#[test]
fn same_as_qemu() {
    let Some(oracle) = Oracle::find("int") else {
        return;
    };
    let rows = all().0;
    let text: Vec<String> = rows.iter().map(|r| r.text.clone()).collect();
    let mut random = Rng(2);
    let groups: Vec<(u32, Vec<In>)> = (oracle.assemble(&text).into_iter())
        .map(|word| (word, (0..400).map(|_| case(&mut random)).collect()))
        .collect();
    let mut wrong = 0;
    for ((row, (_, ins)), outs) in rows.iter().zip(&groups).zip(oracle.run(&groups)) {
        let found = |i: &In, o: &Out| match (row.ours)(i) {
            ours @ Found::X0(_) => (ours, Found::X0(o.x[0])),
            ours @ Found::Nzcv(_) => (ours, Found::Nzcv(o.nzcv)),
        };
        let pairs = ins
            .iter()
            .zip(&outs)
            .map(|(i, o)| (i, o.undefined, found(i, o)));
        let mut bad = pairs.filter(|(_, undefined, (ours, theirs))| *undefined || ours != theirs);
        if let Some((i, _, (ours, theirs))) = bad.next() {
            wrong += 1;
            eprintln!(
                "{}\n  {i:x?}\n  ours   {ours:x?}\n  theirs {theirs:x?}",
                row.text
            );
        }
    }
    assert!(wrong == 0, "{wrong} of {} instructions differ", rows.len());
}

/// `Icmp` is the condition after `FlagsSub`, which the test above compares with QEMU.
#[test]
fn comparisons_are_conditions_after_subtraction() {
    let same = [
        (IntCond::Eq, Cond::Eq),
        (IntCond::Ne, Cond::Ne),
        (IntCond::Ult, Cond::Cc),
        (IntCond::Ule, Cond::Ls),
        (IntCond::Ugt, Cond::Hi),
        (IntCond::Uge, Cond::Cs),
        (IntCond::Slt, Cond::Lt),
        (IntCond::Sle, Cond::Le),
        (IntCond::Sgt, Cond::Gt),
        (IntCond::Sge, Cond::Ge),
    ];
    let mut random = Rng(3);
    for _ in 0..20_000 {
        let [x, y, ..] = case(&mut random).x;
        let x = [x, y, 0];
        for ty in [Type::I32, Type::I64] {
            let nzcv = eval(spec(Op::FlagsSub, ty), x) as u32;
            for (int, cond) in same {
                let icmp = Spec {
                    aux: int as u32,
                    ..spec(Op::Icmp, ty)
                };
                assert_eq!(
                    eval(icmp, x) != 0,
                    cond.holds(nzcv),
                    "{int:?} {ty:?} {x:x?}"
                );
            }
        }
    }
}
