//! The optimiser must not change what a unit does: random units on random machines, optimised and not, through the
//! reference interpreter, to the same exit, registers, flags, memory and FPSR. Also each pass alone.

use metaphrase_ir::opt::{PASSES, Scratch, optimize};
use metaphrase_ir::testing::{Mix, TestMachine, interpret, random_unit};
use metaphrase_ir::unit::Unit;
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
        left.0 == left.1 && a == b,
        "{pass}, machine {seed}:\n{before}\n{after}\n{left:?}\n{a:x?}\n{b:x?}"
    );
    Ok(())
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
