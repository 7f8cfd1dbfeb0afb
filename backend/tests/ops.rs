//! Every op and every vector kind with every shape, alone in a unit, on operands full of edge cases: compiled code against
//! `arith`, saturation included.

mod harness;

use harness::{Bench, Outcome, machine};
use metaphrase_ir::arith::{self, FpEnv};
use metaphrase_ir::ops::{
    AuxFmt, Effects, Op, Round, VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind,
};
use metaphrase_ir::ops_vector::HI;
use metaphrase_ir::testing::TEST_SLOTS;
use metaphrase_ir::{Builder, Dest, Exit, Shape, Slot, Type, Unit, Value};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn slot(name: &str) -> Slot {
    TEST_SLOTS.by_name(name).expect("a test slot")
}

/// Operands v0, v1, v2 (vectors), result v3; scalars come from the low bits of the vectors.
fn unit_of(op: Op, ty: Type, aux: u32, args: &[Type], imm: u64) -> Unit {
    let mut unit = Unit::new(&TEST_SLOTS);
    let mut b = Builder::new(&mut unit, 0x1000);
    b.mark(0x1000);
    let mut a = [Value::NONE; 4];
    for (i, &t) in args.iter().enumerate() {
        let v = b.get(slot(["v0", "v1", "v2"][i]));
        a[i] = match t {
            Type::V128 => v,
            Type::F32 => b.vlane(t, Shape::S1, v, 0),
            Type::F64 => b.vlane(t, Shape::D1, v, 0),
            Type::I32 => b.vlane(t, Shape::S1, v, 0),
            _ => b.vlane(Type::I64, Shape::D1, v, 0),
        };
    }
    let r = b.push(op, ty, aux, a, imm);
    let r = match ty {
        Type::V128 => r,
        Type::F32 | Type::I32 => b.vscalar(Shape::S1, r),
        _ => b.vscalar(Shape::D1, r),
    };
    b.set(slot("v3"), r);
    b.finish(
        4,
        Exit::Goto {
            dest: Dest::Pc(0x2000),
            call: false,
        },
    );
    unit
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A vector whose lanes of some size are edge cases.
    fn vector(&mut self) -> u128 {
        const F32: [u64; 14] = [
            0,
            0x8000_0000,
            0x3f80_0000,
            0xbf80_0000,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0000,
            0x7fa0_1234,
            0xffc1_2345,
            0x0000_0001,
            0x4f00_0000,
            0xcf00_0000,
            0x4b00_0001,
            0x3effffff,
        ];
        const F64: [u64; 13] = [
            0,
            1 << 63,
            0x3ff0_0000_0000_0000,
            0xbfe0_0000_0000_0000,
            0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000,
            0x7ff8_0000_0000_0000,
            0x7ff4_0000_0000_1234,
            0xfff8_0000_0001_0000,
            1,
            0x43e0_0000_0000_0000,
            0xc1e0_0000_0020_0000,
            0x4330_0000_0000_0001,
        ];
        const INT: [u64; 8] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff];
        let style = self.next() % 7;
        let step = match style {
            0 => 64,
            1 | 2 => 32,
            3 => 8,
            4 => 16,
            5 => 64,
            _ => 32,
        };
        (0..128 / step).fold(0, |v, i| {
            let r = self.next();
            let pick = |t: &[u64]| t[(r >> 8) as usize % t.len()];
            let x = match style {
                0 | 5 if r & 3 != 0 => pick(&F64),
                1 | 2 if r & 3 != 0 => pick(&F32),
                3 | 4 if r & 1 == 0 => pick(&INT),
                6 => (f32::from_bits(0x3f80_0000 | (r as u32 & 0x7f_ffff)) * 100.0 - 150.0)
                    .to_bits() as u64,
                _ => r,
            };
            v | (x as u128 & ((1 << step) - 1)) << (i * step)
        })
    }
}

/// Lanes of the operands for which a product, a product and a sum (what is added comes first) or a narrowed number is rounded up to the
/// smallest normal number, of either sign, and would have been to as many digits of any number.
const ROUNDED_UP: [[u64; 3]; 6] = [
    [0x0010_0000_0000_0001, 0x3fef_ffff_ffff_fffe, 0],
    [0xbfef_ffff_ffff_fffe, 0x0010_0000_0000_0001, 0],
    [1 << 63, 0x0010_0000_0000_0001, 0x3fef_ffff_ffff_fffe],
    [0x0080_0001_bf7f_fffe, 0x3f7f_fffe_0080_0001, 0],
    [0, 0x3f7f_fffe_0080_0001, 0x8080_0001_3f7f_fffe],
    [0x380f_ffff_ffff_ffff, 0, 0],
];

/// Compares over `rounds` operand tuples; the number of mismatches and the first one.
fn check(bench: &mut Bench, unit: &Unit, rounds: u32, qc: bool) -> Option<String> {
    let code = match bench.compile(unit) {
        Ok(c) => c,
        Err(e) => return Some(e.to_string()),
    };
    let l = bench.load(code);
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    for n in 0..rounds as usize {
        let mut m = machine(1);
        for (i, v) in ["v0", "v1", "v2"].into_iter().enumerate() {
            let both = |x: u64| u128::from(x) << 64 | u128::from(x);
            let v_in = match ROUNDED_UP.get(n) {
                Some(tuple) => both(tuple[i]),
                None => numbers.vector(),
            };
            m.set(slot(v), v_in);
        }
        let mut want = m.clone();
        want.fp = FpEnv::default();
        let ran = catch_unwind(AssertUnwindSafe(|| {
            metaphrase_ir::testing::interpret(unit, &mut want, 9)
        }));
        if ran.is_err() {
            return None;
        }
        let mut got = m.clone();
        let mut f = bench.frame(&got);
        assert_eq!(bench.enter(&l, &mut f, l.entry(0)), Outcome::Direct(0x2000));
        bench.registers_out(&f, &mut got);
        let saturated = f.header.saturated != 0 || got.fp.fpsr & arith::simd::QC != 0;
        let wants_qc = want.fp.fpsr & arith::simd::QC != 0;
        let (w, g) = (want.get(slot("v3")), got.get(slot("v3")));
        // MXCSR's sticky bits are FPSR's, but for DE.
        let host = f.header.scratch;
        let raised = (host & 1 | host >> 1 & 0x1e | got.fp.fpsr) & 0b1_1111;
        let wanted = want.fp.fpsr & 0b1_1111;
        if w != g || raised != wanted || qc && saturated != wants_qc {
            let [a, b, c] = ["v0", "v1", "v2"].map(|v| m.get(slot(v)));
            return Some(format!(
                "{a:032x} {b:032x} {c:032x}\n   want {w:032x} qc {wants_qc} fpsr {wanted:x}\n    got {g:032x} qc {saturated} fpsr {raised:x}"
            ));
        }
    }
    None
}

fn report(failures: BTreeMap<String, String>) {
    let text: String = failures
        .iter()
        .map(|(k, v)| format!("{k}: {v}\n"))
        .collect();
    assert!(failures.is_empty(), "{} differ\n{text}", failures.len());
}

fn quiet<T>(f: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let r = f();
    std::panic::set_hook(hook);
    r
}

/// `(op, aux, arguments, immediates)` of every vector kind and shape.
fn vector_forms() -> Vec<(String, Op, u32, usize, Vec<u64>)> {
    let mut out = Vec::new();
    let shapes = Shape::ALL.iter().copied().filter(|&s| s != Shape::Q1);
    for s in shapes {
        let bits = s.lane_bits() as u64;
        let mut add = |name: &str, op: Op, aux: u32, n: usize, imms: Vec<u64>, hi: bool| {
            out.push((format!("{name}.{}", s.name()), op, aux, n, imms.clone()));
            if hi && s.bits() == 64 && s.lanes() > 1 {
                out.push((format!("{name}2.{}", s.name()), op, aux | HI, n, imms));
            }
        };
        for &k in VUnKind::ALL {
            add(k.name(), Op::VUn, k.aux(s), 1, vec![0], k == VUnKind::FCvtL);
        }
        for &k in VBinKind::ALL {
            let long = k.name().ends_with('l') || k.name().ends_with('w');
            add(k.name(), Op::VBin, k.aux(s), 2, vec![0], long);
        }
        for &k in VTernKind::ALL {
            add(k.name(), Op::VTern, k.aux(s), 3, vec![0], false);
        }
        for &k in VShiftKind::ALL {
            let left = matches!(
                k.name(),
                "shl" | "sli" | "sqshl" | "uqshl" | "sqshlu" | "sshll" | "ushll"
            );
            let convert = k.effects().contains(Effects::FPENV);
            let imms = match (left, convert) {
                (_, true) => vec![0, 1, bits / 2, bits],
                (true, _) => vec![0, 1, bits / 2, bits - 1],
                _ => vec![1, bits / 2, bits],
            };
            add(
                k.name(),
                Op::VShift,
                k.aux(s),
                2,
                imms,
                k.name().ends_with("ll"),
            );
        }
        for &k in VRedKind::ALL {
            add(k.name(), Op::VRed, k.aux(s), 1, vec![0], false);
        }
    }
    out
}

#[test]
fn every_vector_kind_and_shape() {
    let mut bench = Bench::new(harness::opts());
    let mut failures = BTreeMap::new();
    let mut done = 0;
    quiet(|| {
        for (name, op, aux, n, imms) in vector_forms() {
            for imm in imms {
                let unit = unit_of(op, Type::V128, aux, &[Type::V128; 3][..n], imm);
                if !metaphrase_ir::verify::violations(&unit).is_empty() {
                    continue;
                }
                done += 1;
                if let Some(e) = check(&mut bench, &unit, 40, true) {
                    failures.insert(format!("{name} #{imm}"), e);
                }
            }
        }
    });
    report(failures);
    assert!(done > 1500, "{done}");
}

#[test]
fn every_scalar_op() {
    let mut bench = Bench::new(harness::opts());
    let mut failures = BTreeMap::new();
    const TYPES: [Type; 5] = [Type::I32, Type::I64, Type::F32, Type::F64, Type::V128];
    let mut done = 0;
    quiet(|| {
        for &op in Op::ALL {
            let info = op.info();
            let skip = Effects::LOAD
                | Effects::STORE
                | Effects::STATE
                | Effects::READ_SLOT
                | Effects::WRITE_SLOT;
            if info.effects.intersects(skip)
                || matches!(op, Op::VUn | Op::VBin | Op::VTern | Op::VShift | Op::VRed)
            {
                continue;
            }
            let auxes: Vec<u32> = match info.aux {
                AuxFmt::Round => (0..6)
                    .flat_map(|r| [r, r | Round::SIGNED, r | Round::EXACT])
                    .collect(),
                AuxFmt::IntCond => (0..10).collect(),
                AuxFmt::Shape => (0..11).collect(),
                AuxFmt::None => vec![0],
                _ => vec![0, 1, 2, 3],
            };
            for aux in auxes {
                for imm in [0, 1, 8, 16, 31, 32] {
                    for ty in TYPES {
                        for tuple in 0..5usize.pow(info.args as u32) {
                            let args: Vec<Type> = (0..info.args as u32)
                                .map(|i| TYPES[tuple / 5usize.pow(i) % 5])
                                .collect();
                            let unit = unit_of(op, ty, aux, &args, imm);
                            if !metaphrase_ir::verify::violations(&unit).is_empty() {
                                continue;
                            }
                            done += 1;
                            if let Some(e) = check(&mut bench, &unit, 60, false) {
                                failures.insert(
                                    format!("{} {ty:?} {args:?} aux {aux} imm {imm}", info.name),
                                    e,
                                );
                            }
                        }
                    }
                }
            }
        }
    });
    report(failures);
    assert!(done > 300, "{done}");
}
