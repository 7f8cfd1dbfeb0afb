//! The text form: printing and parsing are inverses on random units, which are sound by construction.

use metaphrase_ir::inst::{Inst, Value};
use metaphrase_ir::ops::Op;
use metaphrase_ir::parse::parse;
use metaphrase_ir::testing::{Mix, TEST_SLOTS, random_unit};
use metaphrase_ir::types::Type;
use metaphrase_ir::unit::Unit;
use metaphrase_ir::verify::violations;
use proptest::prelude::*;

/// The instruction with pool constants by value: pool numbering is not part of the text.
fn by_value(u: &Unit, i: &Inst) -> (Inst, Option<u128>) {
    let c = matches!(i.op, Op::ConstV | Op::VShuffle)
        .then(|| u.consts.get(i.imm as usize).copied())
        .flatten();
    (
        Inst {
            imm: if c.is_some() { 0 } else { i.imm },
            ..*i
        },
        c,
    )
}

fn same(a: &Unit, b: &Unit) -> bool {
    let blocks = |u: &Unit| format!("{:?} {:#x}", u.blocks, u.mode);
    blocks(a) == blocks(b)
        && a.insts.len() == b.insts.len()
        && (a.insts.iter().zip(&b.insts)).all(|(x, y)| by_value(a, x) == by_value(b, y))
}

fn round_trip(u: &Unit) -> Result<(), TestCaseError> {
    let text = u.to_string();
    let back =
        parse(&text, &TEST_SLOTS).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
    prop_assert_eq!(&back.to_string(), &text);
    prop_assert!(same(u, &back), "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn print_and_parse_are_inverses(choices in prop::collection::vec(any::<u64>(), 0..60), mode in any::<u64>()) {
        let mut u = random_unit(&choices, Mix::Anything);
        u.mode = mode % 3;
        round_trip(&u)?;
    }

    #[test]
    fn random_units_are_sound(choices in prop::collection::vec(any::<u64>(), 0..60)) {
        for mix in [Mix::Integer, Mix::Anything] {
            let u = random_unit(&choices, mix);
            let found = violations(&u);
            prop_assert!(found.is_empty(), "{}\n{}", found[0], u);
        }
    }

    /// Also records that make no sense can be written and read: a dump of a broken unit must not lie.
    #[test]
    fn broken_records_survive(
        choices in prop::collection::vec(any::<u64>(), 1..20),
        at in any::<prop::sample::Index>(),
        op in any::<prop::sample::Index>(), ty in any::<prop::sample::Index>(),
        aux in prop_oneof![0u32..0x2000, any::<u32>()], imm in prop_oneof![0u64..300, any::<u64>()],
        args in prop::array::uniform4(prop_oneof![0u32..30, Just(u32::MAX)]),
    ) {
        let mut u = random_unit(&choices, Mix::Integer);
        let i = at.index(u.insts.len());
        u.insts[i] = Inst { op: *op.get(Op::ALL), ty: *ty.get(&Type::ALL), aux, args: args.map(Value), imm };
        round_trip(&u)?;
    }
}

/// Every op and every vector kind is drawn by the generator, so that the properties above mean something.
#[test]
fn every_row_is_drawn() {
    let mut seen = std::collections::HashSet::new();
    let mut x = 1u64;
    for _ in 0..3000 {
        let choices: Vec<u64> = (0..40)
            .map(|_| {
                x = x
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                x ^ x >> 29
            })
            .collect();
        seen.extend(
            random_unit(&choices, Mix::Anything)
                .insts
                .iter()
                .map(|i| i.op),
        );
    }
    let missing: Vec<Op> = (Op::ALL.iter().copied())
        .filter(|op| !seen.contains(op) && !matches!(op, Op::Nop | Op::ConstV))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
