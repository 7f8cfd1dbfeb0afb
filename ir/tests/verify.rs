//! Invariant 2 of the verifier, which units in text form cannot violate.

use metaphrase_ir::testing::{Mix, random_unit};
use metaphrase_ir::unit::Unit;
use metaphrase_ir::verify::violations;

fn two_blocks() -> Unit {
    random_unit(&[1, 64, 1], Mix::Integer)
}

fn numbers(u: &Unit) -> Vec<u8> {
    violations(u).iter().map(|v| v.invariant).collect()
}

#[test]
fn blocks_tile_the_instructions() {
    assert_eq!(numbers(&two_blocks()), []);
    let mut overlap = two_blocks();
    overlap.blocks[1].start -= 1;
    assert_eq!(numbers(&overlap), [2]);
    let mut beyond = two_blocks();
    beyond.blocks[1].end += 1;
    assert_eq!(numbers(&beyond), [2]);
    let mut rest = two_blocks();
    rest.blocks.pop();
    assert!(numbers(&rest).contains(&2));
}
