//! Every row of the decode table: decoded, translated, and executed by the reference interpreter, under the model `max`; or refused
//! because no model has its feature. What it computes is compared elsewhere (`exec_qemu.rs`, `pauth_qemu.rs`; every executor:
//! `runtime/tests/sequences/difftest.rs`).

#![allow(dead_code, reason = "shared modules of the test binaries")]

mod common;
#[path = "common/exec.rs"]
mod exec;
#[path = "common/rows.rs"]
mod rows;

use common::Rng;
use metaphrase_arm64::arch::features::{FeatSet, MAX};
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::decode::{self, CLASSES, Undecoded};
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_ir::{Exit, TrapKind, Unit};

#[test]
fn every_row_is_decoded_translated_and_executed() {
    let mut rng = Rng(0x0dd_ba11);
    let cfg = Config::for_model(&MAX);
    let (mut executed, mut refused) = (0, 0);
    for (n, row) in CLASSES.iter().flat_map(|c| c.iter()).enumerate() {
        if !FeatSet::IMPLEMENTED.has(row.feat) {
            let mut words = (0..1000).map(|_| rng.word() & !row.mask | row.value);
            let w = words.find(|&w| {
                decode::row_of(w, FeatSet::ALL).err() == Some(Undecoded::Unimplemented(row.name))
            });
            let w = w.unwrap_or_else(|| panic!("{} is never reached", row.name));
            assert_eq!(
                decode::decode(w, MAX.feats),
                Err(Undecoded::Unallocated),
                "{w:08x}"
            );
            refused += 1;
            continue;
        }
        let g = (0..1000).find_map(|_| rows::any_group(&mut rng, row, n, 4));
        let g = g.unwrap_or_else(|| panic!("no word of {} found", row.name));
        let last = *g.words.last().expect("not empty");
        let insn = decode::decode(last, MAX.feats).expect("made from the row");
        assert_eq!(insn.name(), row.name, "{last:08x}");
        let mut unit = Unit::new(&SLOTS);
        translate_block(
            &mut unit,
            &cfg,
            g.at,
            &mut |at| (at == g.at).then_some(last),
            1,
        );
        let unimplemented = |e: &Exit| {
            matches!(
                e,
                Exit::Trap {
                    kind: TrapKind::Unimplemented(_),
                    ..
                }
            )
        };
        assert!(
            !unit.blocks.iter().any(|b| unimplemented(&b.exit)),
            "{} is not translated",
            row.name
        );
        for i in &g.ins {
            exec::ours(&g, i, &cfg);
        }
        executed += 1;
    }
    println!("{executed} rows executed, {refused} of features that no model has");
    assert!(executed > 800 && refused < 30);
}
