//! The optimiser must not change what a unit does: random units on random machines, optimised and not, through the
//! reference interpreter, to the same exit, registers, flags, memory and FPSR. Also each pass alone.

use metaphrase_ir::exit::{Dest, Exit};
use metaphrase_ir::interp::Left;
use metaphrase_ir::opt::{PASSES, Scratch, optimize, unroll};
use metaphrase_ir::parse::parse;
use metaphrase_ir::testing::{Mix, TEST_SLOTS, TestMachine, interpret, random_unit};
use metaphrase_ir::unit::{BlockId, Unit};
use metaphrase_ir::verify::violations;
use proptest::prelude::*;

/// Blocks that a random unit may execute: they may loop.
const BUDGET: u64 = 12;

/// AHP, DN, FZ, RMode, FZ16.
const FPCR_BITS: u32 = 0x07c8_0000;

fn check(before: &Unit, after: &Unit, seed: u64, pass: &str) -> Result<(), TestCaseError> {
    check_with(before, after, seed, 0, pass)
}

fn check_with(
    before: &Unit,
    after: &Unit,
    seed: u64,
    fpcr: u32,
    pass: &str,
) -> Result<(), TestCaseError> {
    let found = violations(after);
    prop_assert!(
        found.is_empty(),
        "{}: {}\n{}\n{}",
        pass,
        found[0],
        before,
        after
    );
    let (mut a, mut b) = (TestMachine::random(seed), TestMachine::random(seed));
    (a.fp.fpcr, b.fp.fpcr) = (fpcr, fpcr);
    let left = (
        interpret(before, &mut a, BUDGET),
        interpret(after, &mut b, BUDGET),
    );
    a.normalize();
    b.normalize();
    prop_assert!(
        same(&left.0, &left.1) && a == b,
        "{pass}, machine {seed}:\n{before}\n{after}\n{left:?}\n{a:x?}\n{b:x?}"
    );
    Ok(())
}

/// Copies of a block are as good as it.
fn same(a: &Left, b: &Left) -> bool {
    a == b || matches!((a, b), (Left::Budget(_), Left::Budget(_)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn optimised_units_do_the_same(choices in prop::collection::vec(any::<u64>(), 0..80), seed in any::<u64>()) {
        let before = random_unit(&choices, Mix::Integer);
        let mut after = before.clone();
        let mut scratch = Scratch::default();
        optimize(&mut after, &mut scratch);
        check(&before, &after, seed, "all")?;
        // Again: what one run leaves must be as good an input as any.
        let mut twice = after.clone();
        optimize(&mut twice, &mut scratch);
        check(&after, &twice, seed, "all, twice")?;
    }

    #[test]
    fn each_pass_alone_does_the_same(choices in prop::collection::vec(any::<u64>(), 0..40), seed in any::<u64>()) {
        let before = random_unit(&choices, Mix::Integer);
        for pass in PASSES {
            let mut after = before.clone();
            (pass.run)(&mut after, &mut Scratch::default());
            check(&before, &after, seed, pass.name)?;
        }
    }

    /// Unrolled loops go round as often as before.
    #[test]
    fn unrolled_units_do_the_same(choices in prop::collection::vec(any::<u64>(), 8..80), seed in any::<u64>()) {
        let mut before = random_unit(&choices, Mix::Integer);
        for (i, b) in before.blocks.iter_mut().enumerate() {
            // More ways back than chance has.
            if let Exit::Branch { taken, .. } = &mut b.exit
                && choices[i % choices.len()] & 1 == 0
            {
                *taken = Dest::Block(BlockId((i - i % 3) as u32));
            }
        }
        let mut after = before.clone();
        unroll::run(&mut after);
        check(&before, &after, seed, "unroll")?;
    }

    /// With floating point: what accumulates in FPSR, under every FPCR.
    #[test]
    fn floating_point_units_do_the_same(
        choices in prop::collection::vec(any::<u64>(), 0..60), seed in any::<u64>(), fpcr in any::<u32>(),
    ) {
        let before = random_unit(&choices, Mix::Anything);
        let mut after = before.clone();
        optimize(&mut after, &mut Scratch::default());
        check_with(&before, &after, seed, fpcr & FPCR_BITS, "all")?;
    }
}

/// A loop that leaves by its condition, each copy by its own.
#[test]
fn a_small_loop_is_unrolled() {
    let text = "
block0 @0x1000 len 4 entry:
  mark 0x1000
  v1:i64 = get x0
  v2:i64 = const #1
  v3:i64 = sub v1, v2
  set x0, v3
  v5:i64 = const #0
  v6:bool = icmp.ne v3, v5
  branch v6, block0, 0x2000
";
    let before = parse(text, &TEST_SLOTS).expect("a unit");
    let mut after = before.clone();
    unroll::run(&mut after);
    assert_eq!(after.blocks.len(), 4);
    assert!(after.blocks[1..].iter().all(|b| !b.entry));
    let x0 = TEST_SLOTS.by_name("x0").expect("a test slot");
    for n in 1..9 {
        let mut m = TestMachine::random(1);
        m.set(x0, n);
        let left = interpret(&after, &mut m, n as u64);
        assert!(
            matches!(left, Left::Direct { pc: 0x2000, .. }),
            "{n}: {left:?}"
        );
        assert_eq!(m.get(x0), 0);
        m.set(x0, n);
        assert!(matches!(
            interpret(&after, &mut m, n as u64 - 1),
            Left::Budget(_)
        ));
    }
}
