//! Words made from the decode rows, shared by the tests that ask somebody else about them.

use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::decode::CLASSES;

/// A CPU that advertises every feature that has a name.
pub const ALL_FEATURES: FeatSet = FeatSet(u64::MAX);

/// xorshift64.
pub struct Rng(pub u64);

impl Rng {
    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32
    }
}

/// For every row: `n` words with random fields, and for every fixed bit `n / 4` neighbours with that bit turned over.
pub fn structured_words(n: u32, seed: u64) -> Vec<u32> {
    let mut rng = Rng(seed);
    let mut out = Vec::new();
    for row in CLASSES.iter().flat_map(|c| c.iter()) {
        for _ in 0..n {
            out.push(rng.word() & !row.mask | row.value);
        }
        for bit in (0..32).filter(|b| row.mask >> b & 1 != 0) {
            for _ in 0..n / 4 {
                out.push((rng.word() & !row.mask | row.value) ^ 1 << bit);
            }
        }
    }
    out
}
