//! Random words of the rows under test, and the random numbers behind them.

use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::decode::{CLASSES, decode, pattern::Row, row_of};

use crate::oracle::Rng;

/// The classes that these tests cover.
const COVERED: [&str; 27] = [
    "Fp",
    "FpHalf",
    "FpConv",
    "FpConvHalf",
    "SimdSame",
    "SimdSameFp",
    "SimdSameHalf",
    "SimdSameExtra",
    "SimdDiff",
    "SimdMisc",
    "SimdMiscFp",
    "SimdMiscHalf",
    "SimdAcross",
    "SimdCopy",
    "SimdPerm",
    "SimdImm",
    "SimdElem",
    "SimdElemFp",
    "SimdShift",
    "ScalarSame",
    "ScalarSameFp",
    "ScalarMisc",
    "ScalarMiscFp",
    "ScalarPair",
    "ScalarElem",
    "ScalarShift",
    "Crypto",
];

/// Every row of those classes.
pub fn rows() -> Vec<&'static Row> {
    let all = CLASSES.iter().copied().flatten();
    let rows: Vec<_> = all.filter(|r| COVERED.contains(&r.class)).collect();
    for c in COVERED {
        assert!(rows.iter().any(|r| r.class == c), "no rows of {c}");
    }
    rows
}

/// A word of the row: fixed bits, random fields. `None` if the row does not apply to it.
pub fn attempt(row: &Row, random: &mut Rng) -> Option<u32> {
    let mut free = !row.mask;
    // Few registers, so that operands are often the same one.
    if random.below(2) == 0 {
        free &= !0x001c_039c;
    }
    let w = row.value | random.next() as u32 & free & !ignored(row);
    row.applies.is_none_or(|applies| applies(w)).then_some(w)
}

/// The bits that the encoding says should be zero.
fn ignored(row: &Row) -> u32 {
    let bits = row.pattern.bytes().filter(|&b| b != b' ');
    bits.fold(0, |m, b| m << 1 | (b == b'x') as u32)
}

/// A word of the row that decodes as that row.
pub fn word(row: &Row, random: &mut Rng) -> u32 {
    let found = (0..1000).find_map(|_| attempt(row, random));
    let w = found.unwrap_or_else(|| panic!("{}::{} applies to no word", row.class, row.name));
    let got = row_of(w, FeatSet::IMPLEMENTED);
    assert!(
        got.is_ok_and(|r| std::ptr::eq(r, row)),
        "{w:08x} of {}::{} decodes as {got:?}",
        row.class,
        row.name
    );
    assert_eq!(
        decode(w, FeatSet::IMPLEMENTED).map(|i| i.name()),
        Ok(row.name)
    );
    w
}
