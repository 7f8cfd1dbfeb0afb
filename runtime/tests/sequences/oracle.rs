//! Sequences against QEMU user mode: the reference interpreter must leave what it leaves.

use crate::exec::{Group, Oracle, Regs, SIGSEGV, differences, interpret};
use crate::generate::{Generator, Rng};
use crate::{number, regress};
use metaphrase_arm64::arch::features::{Feat, FeatSet};
use metaphrase_arm64::translate::Config;
use metaphrase_ir::arith::FPSR_BITS;

/// Differences that are right, with their reasons.
fn explained(ours: &Regs, theirs: &Regs) -> bool {
    if ours.signo != SIGSEGV {
        return false;
    }
    // What an instruction with several accesses transferred before its fault is not architectural; QEMU names a tagged address
    // without its tag, and x86-64 does not say what an address was that it cannot have.
    (ours.signo, ours.pc, ours.sp, ours.x) == (theirs.signo, theirs.pc, theirs.sp, theirs.x)
}

#[test]
fn reference_agrees_with_qemu() {
    let Some(oracle) = Oracle::find() else { return };
    let (seed, cases) = (
        number("METAPHRASE_FUZZ_SEED", 1),
        number("METAPHRASE_FUZZ_CASES", 150),
    );
    let mut generator = Generator::new(true);
    let groups: Vec<Group> = (seed..seed + cases)
        .map(|s| generator.sequence(&mut Rng::new(s)))
        .collect();
    let cfg = Config {
        feats: FeatSet::IMPLEMENTED.without(Feat::PAUTH),
        ..Config::default()
    };
    let mut wrong = Vec::new();
    for (g, theirs) in groups.iter().zip(oracle.run(&groups)) {
        let ours = interpret(g, &g.ins[0], &cfg, 64, true);
        let mut theirs = theirs[0].clone();
        theirs.fpsr &= FPSR_BITS;
        let d = differences(&ours, &theirs);
        if !d.is_empty() && !explained(&ours, &theirs) {
            wrong.push(regress::write(g, &d.join("\n")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {cases} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
