//! Any words, at any address, for any set of features: decoding and translation must not panic, and must give a sound
//! unit that stays sound when optimised. The first 17 bytes choose features, address and block length; the rest is code.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_ir::opt::{Scratch, optimize};
use metaphrase_ir::{Unit, verify};

fuzz_target!(|data: &[u8]| {
    let Some((head, code)) = data.split_first_chunk::<17>() else {
        return;
    };
    let number = |at: usize| {
        let mut b = [0; 8];
        b.copy_from_slice(&head[at..at + 8]);
        u64::from_le_bytes(b)
    };
    let (pc, cfg) = (
        number(8),
        Config {
            feats: FeatSet(number(0)),
            midr: 0,
        },
    );
    let mut fetch = |at: u64| {
        let at = usize::try_from(at.wrapping_sub(pc)).ok()?;
        let word = code.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    };
    let mut unit = Unit::new(&SLOTS);
    translate_block(&mut unit, &cfg, pc, &mut fetch, u32::from(head[16]));
    verify::assert_sound(&unit, "translation");
    optimize(&mut unit, &mut Scratch::default());
    verify::assert_sound(&unit, "optimisation");
});
