//! The checks of the fuzz targets on inputs from fixed seeds: random words, and program files made by damaging a real one.

#[path = "../fuzz/src/checks.rs"]
mod checks;

use checks::{Loaded, ProgramFile, decode_words, translate_words};

/// xorshift64 (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| (self.next() >> 24) as u8).collect()
    }
}

#[test]
fn random_words_decode_or_are_refused() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let decoded: usize = (0..300).map(|_| decode_words(&random.bytes(4000))).sum();
    // A good part of the opcode space is allocated, and a good part is not.
    assert!((30_000..290_000).contains(&decoded), "{decoded} of 300000");
}

#[test]
fn random_words_translate_soundly() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let blocks: usize = (0..2000)
        .map(|n| {
            let mut input = random.bytes(16 + 4 * 64);
            // Half of them with every feature, at an aligned address; the other half as it comes.
            if n % 2 == 0 {
                input[..8].fill(0xff);
                input[8] &= !3;
            }
            translate_words(&input)
        })
        .sum();
    assert!(blocks > 20_000, "{blocks}");
}

fn demo() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/demo/demo");
    std::fs::read(path).expect("the guest ships with the repository")
}

/// The file with a few bytes, half-words or 64-bit fields of its headers replaced by hostile values, perhaps cut short.
fn damaged(random: &mut Random, good: &[u8]) -> Vec<u8> {
    const HEADERS: usize = 64 + 4 * 56;
    const HOSTILE: [u64; 10] = [
        0,
        1,
        0xfff,
        0x1000,
        0xffff,
        1 << 31,
        1 << 47,
        1 << 63,
        u64::MAX - 0xfff,
        u64::MAX,
    ];
    let mut f = good.to_vec();
    // The entry address, type and identification stay more often than not, so that later checks are reached.
    for _ in 0..=random.below(4) {
        let width = [1, 2, 4, 8][random.below(4)];
        let at = (16 + random.below(HEADERS - 24)) & !(width - 1);
        let value = match random.below(3) {
            0 => random.next(),
            1 => HOSTILE[random.below(HOSTILE.len())],
            _ => {
                let old = f[at..at + 8].try_into().expect("eight bytes");
                u64::from_le_bytes(old)
                    .wrapping_add(random.next() % 0x2001)
                    .wrapping_sub(0x1000)
            }
        };
        f[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
    if random.below(8) == 0 {
        f.truncate(random.below(f.len()));
    }
    f
}

#[test]
fn damaged_programs_are_refused_or_loaded() {
    let file = ProgramFile::new().expect("a temporary file");
    let good = demo();
    assert_eq!(file.load(&good).expect("the file works"), Loaded::Mapped);
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut seen = [0; 4];
    for _ in 0..20_000 {
        let outcome = file
            .load(&damaged(&mut random, &good))
            .expect("the file works");
        seen[outcome as usize] += 1;
    }
    // Every outcome occurs, so every check is reached by something.
    assert!(
        seen.iter().all(|n| *n > 50),
        "refused, damaged, not mapped, mapped: {seen:?}"
    );
}

#[test]
fn random_bytes_are_no_program() {
    let file = ProgramFile::new().expect("a temporary file");
    let mut random = Random(0xfeed_beef_cafe_f00d);
    for n in 0..2000 {
        let bytes = random.bytes(n % 300);
        assert_eq!(file.load(&bytes).expect("the file works"), Loaded::Refused);
    }
}
