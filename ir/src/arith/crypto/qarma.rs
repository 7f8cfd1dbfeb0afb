//! QARMA-64, the tweakable block cipher behind pointer authentication (R. Avanzi, "The QARMA Block Cipher Family", 2017; Arm ARM
//! shared/functions/pac, ComputePACQARMA5): five rounds, S-box sigma 2.
//!
//! Cells are nibbles, numbered in the paper from the most significant one. Linear layers are one table look-up for each
//! byte: cell shuffle and column mixing together, made at compile time from the paper's definitions.

/// Rounds before and after the middle (the paper's r; the manual's iterations are one less).
const ROUNDS: usize = 5;
/// Round constants: digits of pi.
const C: [u64; ROUNDS] = [
    0,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
];
const ALPHA: u64 = 0xc0ac_29b7_c97c_50dd;
/// The S-box sigma 2.
const SIGMA: [u8; 16] = [11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10];
/// New cell i is old cell `TAU[i]`.
const TAU: [usize; 16] = [0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2];
/// The same for the tweak.
const TWEAK: [usize; 16] = [6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11];
/// Cells of the tweak that are stepped after the shuffle.
const STEPPED: [usize; 7] = [0, 1, 3, 4, 8, 11, 13];

/// Encrypts `data` under `tweak`; `w0` is the whitening key and `k0` the core key (the manual's key0 and key1).
pub fn encrypt(data: u64, tweak: u64, w0: u64, k0: u64) -> u64 {
    let w1 = w0.rotate_right(1) ^ w0 >> 63;
    let mut t = tweak;
    let mut s = data ^ w0;
    for (i, c) in C.iter().enumerate() {
        s ^= k0 ^ t ^ c;
        if i > 0 {
            s = linear(&MIX_SHUFFLED, s);
        }
        s = linear(&SUB, s);
        t = linear(&TWEAK_FORWARD, t);
    }
    // The middle: a full round, the reflector, the inverse of a full round.
    s = linear(&SUB, linear(&MIX_SHUFFLED, s ^ w1 ^ t));
    s = linear(&MIX_SHUFFLED, s) ^ k0;
    s = linear(&SHUFFLE_BACK, s);
    s = linear(&SHUFFLE_BACK_MIXED, linear(&SUB_BACK, s)) ^ w0 ^ t;
    for (i, c) in C.iter().rev().enumerate() {
        s = linear(&SUB_BACK, s);
        if i + 1 < ROUNDS {
            s = linear(&SHUFFLE_BACK_MIXED, s);
        }
        t = linear(&TWEAK_BACK, t);
        s ^= k0 ^ t ^ c ^ ALPHA;
    }
    s ^ w1
}

/// What each value of each byte (0 the least significant) contributes; contributions are added.
type Table = [[u64; 256]; 8];

/// A map that acts on bytes one by one and adds up: linear, or on each cell alone.
fn linear(table: &Table, s: u64) -> u64 {
    let b = s.to_le_bytes();
    (0..8).fold(0, |r, i| r ^ table[i][usize::from(b[i])])
}

static SUB: Table = table(Map::Sub);
static SUB_BACK: Table = table(Map::SubBack);
static MIX_SHUFFLED: Table = table(Map::MixShuffled);
static SHUFFLE_BACK: Table = table(Map::ShuffleBack);
static SHUFFLE_BACK_MIXED: Table = table(Map::ShuffleBackMixed);
static TWEAK_FORWARD: Table = table(Map::Tweak);
static TWEAK_BACK: Table = table(Map::TweakBack);

#[derive(Clone, Copy)]
enum Map {
    Sub,
    SubBack,
    /// Shuffle, then mix.
    MixShuffled,
    ShuffleBack,
    /// Mix, then shuffle back.
    ShuffleBackMixed,
    Tweak,
    TweakBack,
}

const fn table(map: Map) -> Table {
    let mut t = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 8 {
        let mut v = 0;
        while v < 256 {
            t[byte][v] = apply(map, byte, v as u64);
            v += 1;
        }
        byte += 1;
    }
    t
}

/// What byte number `byte` with value `v` becomes, all other bytes zero and contributing nothing.
const fn apply(map: Map, byte: usize, v: u64) -> u64 {
    let s = v << (8 * byte);
    match map {
        Map::Sub => substitute(&SIGMA, s, byte),
        Map::SubBack => substitute(&inverse_box(), s, byte),
        Map::MixShuffled => mix(shuffle(&TAU, s)),
        Map::ShuffleBack => shuffle(&inverse(&TAU), s),
        Map::ShuffleBackMixed => shuffle(&inverse(&TAU), mix(s)),
        Map::Tweak => step(shuffle(&TWEAK, s), false),
        Map::TweakBack => shuffle(&inverse(&TWEAK), step(s, true)),
    }
}

const fn cell(s: u64, i: usize) -> u64 {
    s >> (60 - 4 * i) & 15
}

/// The two cells of one byte.
const fn substitute(b: &[u8; 16], s: u64, byte: usize) -> u64 {
    let v = s >> (8 * byte) & 255;
    let r = b[v as usize & 15] as u64 | (b[v as usize >> 4] as u64) << 4;
    r << (8 * byte)
}

const fn shuffle(p: &[usize; 16], s: u64) -> u64 {
    let (mut r, mut i) = (0, 0);
    while i < 16 {
        r |= cell(s, p[i]) << (60 - 4 * i);
        i += 1;
    }
    r
}

const fn inverse(p: &[usize; 16]) -> [usize; 16] {
    let (mut r, mut i) = ([0; 16], 0);
    while i < 16 {
        r[p[i]] = i;
        i += 1;
    }
    r
}

const fn inverse_box() -> [u8; 16] {
    let (mut r, mut i) = ([0; 16], 0);
    while i < 16 {
        r[SIGMA[i] as usize] = i as u8;
        i += 1;
    }
    r
}

const fn rotate(c: u64, n: u32) -> u64 {
    (c << n | c >> (4 - n)) & 15
}

/// Each column times circ(0, rho, rho^2, rho).
const fn mix(s: u64) -> u64 {
    let (mut r, mut i) = (0, 0);
    while i < 16 {
        let column = i % 4;
        let row = i / 4;
        let a = cell(s, (row + 1) % 4 * 4 + column);
        let b = cell(s, (row + 2) % 4 * 4 + column);
        let c = cell(s, (row + 3) % 4 * 4 + column);
        r |= (rotate(a, 1) ^ rotate(b, 2) ^ rotate(c, 1)) << (60 - 4 * i);
        i += 1;
    }
    r
}

/// The shift register of the stepped cells: (b3, b2, b1, b0) to (b0 + b1, b3, b2, b1), or back.
const fn step(s: u64, back: bool) -> u64 {
    let (mut r, mut i) = (s, 0);
    while i < STEPPED.len() {
        let at = 60 - 4 * STEPPED[i];
        let c = s >> at & 15;
        let new = if back {
            (c << 1 & 14) | (c >> 3 ^ c) & 1
        } else {
            c >> 1 | ((c ^ c >> 1) & 1) << 3
        };
        r = r & !(15 << at) | new << at;
        i += 1;
    }
    r
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the paper (appendix, r = 5, sigma 2).
    #[test]
    fn published_vector() {
        let got = encrypt(
            0xfb62_3599_da6e_8127,
            0x477d_469d_ec0b_8762,
            0x84be_85ce_9804_e94b,
            0xec28_02d4_e0a4_88e9,
        );
        assert_eq!(got, 0xc003_b939_99b3_3765);
    }

    #[test]
    fn tables_invert_one_another() {
        for i in 0..1000u64 {
            let s = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            assert_eq!(linear(&SUB_BACK, linear(&SUB, s)), s);
            assert_eq!(linear(&TWEAK_BACK, linear(&TWEAK_FORWARD, s)), s);
            assert_eq!(linear(&SHUFFLE_BACK, shuffle(&TAU, s)), s);
        }
    }
}
