//! The decode table against yaxpeax-arm, which is present everywhere: words that we decode, it decodes too, but for the
//! rows listed here, which it lacks.
//!
//! The other direction is not asked: it accepts one in eight of the words that are undefined (`decode_objdump.rs` asks that).

mod common;

use common::{ALL_FEATURES, structured_words};
use metaphrase_arm64::arch::features::Feat;
use metaphrase_arm64::decode;
use std::collections::BTreeMap;
use yaxpeax_arch::{Arch, Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::ARMv8;

/// Features that yaxpeax-arm 0.5.0 does not know.
const LACKING: &[Feat] = &[
    Feat::CSSC,
    Feat::BF16,
    Feat::I8MM,
    Feat::WFXT,
    Feat::XS,
    Feat::MOPS,
];
/// Other rows that it refuses: the vector forms of FEAT_FHM and of two of FEAT_FRINTTS.
const REFUSED: &[&str] = &["FMlal", "FMlal2", "FMlsl", "FMlsl2", "FRint32X", "FRint64X"];

#[test]
fn yaxpeax_knows_our_rows() {
    let decoder = <ARMv8 as Arch>::Decoder::default();
    let mut wrong: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut compared = 0;
    for w in structured_words(20, 0xa5a5) {
        let Ok(row) = decode::row_of(w, ALL_FEATURES) else {
            continue;
        };
        compared += 1;
        let bytes = w.to_le_bytes();
        if decoder.decode(&mut U8Reader::new(&bytes)).is_err()
            && !LACKING.contains(&row.feat)
            && !REFUSED.contains(&row.name)
        {
            wrong.entry(row.name).or_insert((0, w)).0 += 1;
        }
    }
    assert!(compared > 10_000);
    let list: Vec<String> = wrong
        .iter()
        .map(|(k, (n, w))| format!("{k}: {n} e.g. {w:08x}"))
        .collect();
    assert!(wrong.is_empty(), "{}", list.join("\n"));
}
