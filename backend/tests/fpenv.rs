//! Exceptions raised by the host where the guest raises them, and only there.

mod harness;

use harness::{Bench, machine};
use metaphrase_backend::emit::CompileOpts;
use metaphrase_ir::parse::parse;
use metaphrase_ir::testing::TEST_SLOTS;
use metaphrase_ir::{Slot, verify};

/// Zero divide and inexact, of MXCSR.
const ZE: u32 = 1 << 2;
const PE: u32 = 1 << 5;

/// MXCSR's sticky bits and x0 after a unit that begins with some integer registers.
fn run(unit: &str, registers: &[(&str, u64)]) -> (u32, u64) {
    let unit = parse(unit, &TEST_SLOTS).unwrap_or_else(|e| panic!("{e}\n{unit}"));
    verify::assert_sound(&unit, "parsing");
    let slot = |name| {
        let n = TEST_SLOTS.rows.iter().position(|r| r.name == name);
        Slot(n.expect("a register") as u16)
    };
    let mut bench = Bench::new(CompileOpts::default());
    let l = bench.compile(&unit).expect("compiles");
    let l = bench.load(l);
    let mut m = machine(1);
    for &(name, v) in registers {
        m.set(slot(name), v.into());
    }
    let (_, mxcsr) = bench.run(&l, &mut m);
    (mxcsr & (ZE | PE), m.get(slot("x0")) as u64)
}

/// x0 = 0; x1 times: if x2, x0 ^= x3 / x4, of which nothing changes.
const LOOP: &str = "
block0 @0x1000 len 4 entry:
  mark 0x1000
  v1:i64 = const #0
  set x0, v1
  goto block1
block1 @0x1004 len 4:
  mark 0x1004
  v4:i64 = get x2
  v5:i64 = const #0
  v6:bool = icmp.ne v4, v5
  branch v6, block2, block3
block2 @0x1008 len 8:
  mark 0x1008
  v7:i64 = get x3
  v8:f64 = bitcast v7
  v9:i64 = get x4
  v10:f64 = bitcast v9
  v11:f64 = fdiv v8, v10
  v12:i64 = bitcast v11
  v13:i64 = get x0
  v14:i64 = xor v12, v13
  set x0, v14
  goto block3
block3 @0x1010 len 8:
  mark 0x1010
  v16:i64 = get x1
  v17:i64 = const #1
  v18:i64 = sub v16, v17
  set x1, v18
  v20:i64 = const #0
  v21:bool = icmp.ne v18, v20
  branch v21, block1, 0x2000
";

#[test]
fn a_loop_computes_nothing_before_its_time() {
    let one = 1f64.to_bits();
    let x = |x2| [("x1", 5), ("x2", x2), ("x3", one), ("x4", 0)];
    assert_eq!(run(LOOP, &x(0)), (0, 0));
    let infinity = f64::INFINITY.to_bits();
    assert_eq!(run(LOOP, &x(1)), (ZE, infinity));
}

/// x0 = the double v9 of these lines, in which v1 is x5.
fn double(lines: &str) -> (u32, u64) {
    let unit = format!(
        "
block0 @0x1000 len 4 entry:
  mark 0x1000
  v1:i64 = get x5
{lines}
  v10:i64 = bitcast v9
  set x0, v10
  goto 0x2000
"
    );
    run(&unit, &[("x5", 77)])
}

#[test]
fn what_is_constant_is_computed_when_the_guest_does() {
    let third = "v2:f64 = const #0x3ff0000000000000\nv3:f64 = const #0x4008000000000000\nv9:f64 = fdiv v2, v3";
    assert_eq!(double(third), (PE, (1.0f64 / 3.0).to_bits()));
    let far = "v2:i64 = const #0x20000000000001\nv9:f64 = int_to_f.n v2";
    assert_eq!(double(far), (PE, 2f64.powi(53).to_bits()));
    let minus_one = "v2:i64 = xorn v1, v1\nv9:f64 = int_to_f.n v2";
    assert_eq!(double(minus_one), (PE, 2f64.powi(64).to_bits()));
}
