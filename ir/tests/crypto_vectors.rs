//! Published test vectors, computed with the crypto kinds alone: FIPS-197, FIPS-180, FIPS-202, GM/T 0002 and GM/T 0004.

use metaphrase_ir::arith::{FpEnv, eval_vector};
use metaphrase_ir::ops::{VBinKind as B, VShiftKind as S, VTernKind as T, VUnKind as U};
use metaphrase_ir::{Op, Shape};

fn un(k: U, a: u128) -> u128 {
    eval_vector(
        Op::VUn,
        k.aux(Shape::B16),
        0,
        a,
        0,
        0,
        &mut FpEnv::default(),
    )
}

fn bin(k: B, s: Shape, a: u128, b: u128) -> u128 {
    eval_vector(Op::VBin, k.aux(s), 0, a, b, 0, &mut FpEnv::default())
}

fn tern(k: T, imm: u64, a: u128, n: u128, m: u128) -> u128 {
    eval_vector(
        Op::VTern,
        k.aux(Shape::S4),
        imm,
        a,
        n,
        m,
        &mut FpEnv::default(),
    )
}

fn words(w: [u32; 4]) -> u128 {
    w.iter().rev().fold(0, |v, &x| v << 32 | x as u128)
}

fn unpack(v: u128) -> [u32; 4] {
    std::array::from_fn(|i| (v >> (32 * i)) as u32)
}

/// "abc" padded to one block of big-endian words, in vectors.
fn abc_block() -> [u128; 4] {
    [words([0x6162_6380, 0, 0, 0]), 0, 0, words([0, 0, 0, 24])]
}

fn add(a: u128, b: u128) -> u128 {
    bin(B::Add, Shape::S4, a, b)
}

/// FIPS-197, appendix A.1 (key schedule by S-box alone) and C.1.
#[test]
fn aes_128() {
    let key = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128.swap_bytes();
    let plain = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.swap_bytes();
    let cipher = 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128.swap_bytes();
    let mut keys = vec![key];
    for rcon in [1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36] {
        let k = unpack(keys[keys.len() - 1]);
        // AESE of the same word in every column with a zero key is SubBytes of it: ShiftRows moves nothing.
        let sub = bin(B::AesE, Shape::B16, words([k[3].rotate_right(8); 4]), 0) as u32;
        let mut next = [k[0] ^ sub ^ rcon; 4];
        for i in 1..4 {
            next[i] = next[i - 1] ^ k[i];
        }
        keys.push(words(next));
    }
    let mut x = plain;
    for k in &keys[..9] {
        x = un(U::AesMc, bin(B::AesE, Shape::B16, x, *k));
    }
    assert_eq!(bin(B::AesE, Shape::B16, x, keys[9]) ^ keys[10], cipher);

    let mut x = cipher ^ keys[10];
    x = bin(B::AesD, Shape::B16, x, 0);
    for k in keys[1..10].iter().rev() {
        x = bin(B::AesD, Shape::B16, un(U::AesIMc, x ^ k), 0);
    }
    assert_eq!(x ^ keys[0], plain);
}

/// FIPS-180: SHA-1 of "abc".
#[test]
fn sha1() {
    let start = words([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]);
    let (mut x, mut e, mut w) = (start, 0xc3d2_e1f0_u128, abc_block());
    for i in 0..20 {
        let (kind, k) = [
            (T::Sha1C, 0x5a82_7999),
            (T::Sha1P, 0x6ed9_eba1),
            (T::Sha1M, 0x8f1b_bcdc),
            (T::Sha1P, 0xca62_c1d6),
        ][i / 5];
        let next_e = un(U::Sha1H, x);
        x = tern(kind, 0, x, e, add(w[0], words([k; 4])));
        e = next_e;
        let su0 = tern(T::Sha1Su0, 0, w[0], w[1], w[2]);
        w = [w[1], w[2], w[3], bin(B::Sha1Su1, Shape::S4, su0, w[3])];
    }
    assert_eq!(
        unpack(add(x, start)),
        [0xa999_3e36, 0x4706_816a, 0xba3e_2571, 0x7850_c26c]
    );
    assert_eq!((e as u32).wrapping_add(0xc3d2_e1f0), 0x9cd0_d89d);
}

/// Fractional part of the `root`-th root of the n-th prime, 64 bits: where the SHA-2 constants come from (FIPS-180, 4.2, 5.3).
fn root_of_prime(n: usize, root: u32) -> u64 {
    let prime = (2_u64..)
        .filter(|p| (2..*p).all(|d| p % d != 0))
        .nth(n)
        .expect("endless");
    // The largest r with r^root <= prime * 2^(64 * root), by bits; products as digits of 32 bits.
    let power = |r: u128| (1..root).fold(digits(r), |acc, _| multiply(&acc, &digits(r)));
    let limit = multiply(&digits(prime as u128), &{
        let mut one = vec![0; 2 * root as usize];
        one.push(1);
        one
    });
    let mut r = 0_u128;
    for bit in (0..70).rev() {
        if compare(&power(r | 1 << bit), &limit).is_le() {
            r |= 1 << bit;
        }
    }
    r as u64
}

fn digits(x: u128) -> Vec<u32> {
    unpack(x).to_vec()
}

fn multiply(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut r = vec![0_u32; a.len() + b.len()];
    for (i, &x) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, &y) in b.iter().enumerate() {
            let t = x as u64 * y as u64 + r[i + j] as u64 + carry;
            r[i + j] = t as u32;
            carry = t >> 32;
        }
        r[i + b.len()] = carry as u32;
    }
    r
}

fn compare(a: &[u32], b: &[u32]) -> std::cmp::Ordering {
    let at = |x: &[u32], i: usize| x.get(i).copied().unwrap_or(0);
    let top = a.len().max(b.len());
    (0..top)
        .rev()
        .map(|i| at(a, i).cmp(&at(b, i)))
        .find(|o| o.is_ne())
        .unwrap_or(std::cmp::Ordering::Equal)
}

/// FIPS-180: SHA-256 of "abc".
#[test]
fn sha256() {
    let h: [u32; 8] = std::array::from_fn(|i| (root_of_prime(i, 2) >> 32) as u32);
    let (abcd, efgh) = (
        words([h[0], h[1], h[2], h[3]]),
        words([h[4], h[5], h[6], h[7]]),
    );
    let (mut x, mut y, mut w) = (abcd, efgh, abc_block());
    for i in 0..16 {
        let k = words(std::array::from_fn(|j| {
            (root_of_prime(4 * i + j, 3) >> 32) as u32
        }));
        let wk = add(w[0], k);
        (x, y) = (
            tern(T::Sha256H, 0, x, y, wk),
            tern(T::Sha256H2, 0, y, x, wk),
        );
        let su0 = bin(B::Sha256Su0, Shape::S4, w[0], w[1]);
        w = [w[1], w[2], w[3], tern(T::Sha256Su1, 0, su0, w[2], w[3])];
    }
    assert_eq!(
        unpack(add(x, abcd)),
        [0xba78_16bf, 0x8f01_cfea, 0x4141_40de, 0x5dae_2223]
    );
    assert_eq!(
        unpack(add(y, efgh)),
        [0xb003_61a3, 0x9617_7a9c, 0xb410_ff61, 0xf200_15ad]
    );
}

/// FIPS-180: SHA-512 of "abc".
#[test]
fn sha512() {
    let pair = |lo: u64, hi: u64| lo as u128 | (hi as u128) << 64;
    let add = |a, b| bin(B::Add, Shape::D2, a, b);
    let start: [u128; 4] =
        std::array::from_fn(|i| pair(root_of_prime(2 * i, 2), root_of_prime(2 * i + 1, 2)));
    let [mut ab, mut cd, mut ef, mut gh] = start;
    let mut w = [0; 8];
    (w[0], w[7]) = (0x6162_6380_0000_0000, pair(0, 24));
    for i in 0..40 {
        let k = pair(root_of_prime(2 * i, 3), root_of_prime(2 * i + 1, 3));
        let swap = |v: u128| v.rotate_left(64);
        // Two rounds: the sum of (h, g) and the constants, then the new (f, e) and (b, a); see the Arm ARM's SHA512H.
        let hg = add(gh, swap(add(w[0], k)));
        let fg = ef >> 64 | gh << 64;
        let de = cd >> 64 | ef << 64;
        let t = tern(T::Sha512H, 0, hg, fg, de);
        let next = tern(T::Sha512H2, 0, t, cd, ab);
        (ab, cd, ef, gh) = (next, ab, add(cd, t), ef);
        let su0 = bin(B::Sha512Su0, Shape::D2, w[0], w[1]);
        let last = tern(T::Sha512Su1, 0, su0, w[7], w[4] >> 64 | w[5] << 64);
        w = [w[1], w[2], w[3], w[4], w[5], w[6], w[7], last];
    }
    let sum: Vec<u64> = [ab, cd, ef, gh]
        .iter()
        .zip(start)
        .map(|(&x, s)| add(x, s))
        .flat_map(|v| [v as u64, (v >> 64) as u64])
        .collect();
    assert_eq!(
        sum[..4],
        [
            0xddaf_35a1_9361_7aba,
            0xcc41_7349_ae20_4131,
            0x12e6_fa4e_89a9_7ea2,
            0x0a9e_eee6_4b55_d39a
        ]
    );
    assert_eq!(
        sum[4..],
        [
            0x2192_992a_274f_c1a8,
            0x36ba_3c23_a3fe_ebbd,
            0x454d_4423_643c_e80e,
            0x2a9a_c94f_a54c_a49f
        ]
    );
}

/// Keccak-f[1600] on zero (the first block of the Keccak team's intermediate values), one lane in both halves of a vector.
#[test]
fn keccak() {
    let both = |x: u64| x as u128 | (x as u128) << 64;
    let xar = |a, b, left: u32| {
        eval_vector(
            Op::VShift,
            S::Xar.aux(Shape::D2),
            (64 - left as u64) % 64,
            a,
            b,
            0,
            &mut FpEnv::default(),
        )
    };
    let mut s = [0_u128; 25];
    let mut lfsr = 1_u32;
    for _ in 0..24 {
        let c: [u128; 5] = std::array::from_fn(|x| {
            let t = tern(T::Eor3, 0, s[x], s[x + 5], s[x + 10]);
            tern(T::Eor3, 0, t, s[x + 15], s[x + 20])
        });
        let d: [u128; 5] =
            std::array::from_fn(|x| bin(B::Rax1, Shape::D2, c[(x + 4) % 5], c[(x + 1) % 5]));
        let mut b = [0; 25];
        b[0] = s[0] ^ d[0];
        let (mut x, mut y, mut left) = (1, 0, 0);
        for t in 0..24 {
            left = (left + t + 1) % 64;
            b[y + 5 * ((2 * x + 3 * y) % 5)] = xar(s[x + 5 * y], d[x], left);
            (x, y) = (y, (2 * x + 3 * y) % 5);
        }
        s = std::array::from_fn(|i| {
            let (x, row) = (i % 5, i / 5 * 5);
            tern(T::Bcax, 0, b[i], b[row + (x + 2) % 5], b[row + (x + 1) % 5])
        });
        let mut constant = 0;
        for j in 0..7 {
            constant |= ((lfsr & 1) as u64) << ((1 << j) - 1);
            lfsr = lfsr << 1 ^ if lfsr & 0x80 != 0 { 0x171 } else { 0 };
        }
        s[0] ^= both(constant);
    }
    assert_eq!(s[0], both(0xf125_8f79_40e1_dde7));
    assert_eq!(s[1], both(0x84d5_ccf9_33c0_478a));
    assert_eq!(s[24], both(0xeaf1_ff7b_5cec_a249));
}

/// GM/T 0004, A.1: SM3 of "abc".
#[test]
fn sm3() {
    let iv = [
        0x7380_166f,
        0x4914_b2b9,
        0x1724_42d7,
        0xda8a_0600,
        0xa96f_30bc,
        0x1631_38aa,
        0xe38d_ee4d,
        0xb0fb_0e4e,
    ];
    let (start_a, start_e) = (
        words([iv[3], iv[2], iv[1], iv[0]]),
        words([iv[7], iv[6], iv[5], iv[4]]),
    );
    let (mut x, mut y, mut w) = (start_a, start_e, abc_block());
    for round in 0..64 {
        let (i, late) = (round % 4, round >= 16);
        let k = if late { 0x7a87_9d8a_u32 } else { 0x79cc_4519 };
        let k = (k.rotate_left(round as u32) as u128) << 96;
        let ss1 = tern(T::Sm3Ss1, 0, x, k, y);
        let (tt1, tt2) = if late {
            (T::Sm3Tt1B, T::Sm3Tt2B)
        } else {
            (T::Sm3Tt1A, T::Sm3Tt2A)
        };
        x = tern(tt1, i as u64, x, ss1, w[0] ^ w[1]);
        y = tern(tt2, i as u64, y, ss1, w[0]);
        if i == 3 {
            // W[16..20] from W[0..16]: PARTW1 of (W0, W7, W13), PARTW2 with (W10, W3).
            let at = |a: u128, b: u128, n: u32| a >> (32 * n) | b << (128 - 32 * n);
            let part = tern(T::Sm3PartW1, 0, w[0], at(w[1], w[2], 3), w[3]);
            let next = tern(T::Sm3PartW2, 0, part, at(w[2], w[3], 2), at(w[0], w[1], 3));
            w = [w[1], w[2], w[3], next];
        }
    }
    // The state has its first word at the top.
    assert_eq!(
        unpack(x ^ start_a),
        [0xdc10_e4e2, 0xd1f2_d46b, 0x62ee_edd9, 0x66c7_f0f4]
    );
    assert_eq!(
        unpack(y ^ start_e),
        [0x8f4b_a8e0, 0x297d_a02b, 0x5cf2_f7a2, 0x4167_c487]
    );
}

/// GM/T 0002, A.1.
#[test]
fn sm4() {
    let fk = words([0xa3b1_bac6, 0x56aa_3350, 0x677d_9197, 0xb270_22dc]);
    let text = words([0x0123_4567, 0x89ab_cdef, 0xfedc_ba98, 0x7654_3210]);
    let (mut key, mut x) = (text ^ fk, text);
    for round in 0..8 {
        let ck = words(std::array::from_fn(|i| {
            (0..4).fold(0, |c, j| {
                (c << 8) | ((4 * (4 * round + i as u32) + j) * 7 % 256)
            })
        }));
        key = bin(B::Sm4EKey, Shape::S4, key, ck);
        x = bin(B::Sm4E, Shape::S4, x, key);
    }
    let [a, b, c, d] = unpack(x);
    assert_eq!(
        [d, c, b, a],
        [0x681e_df34, 0xd206_965e, 0x86b3_e94f, 0x536e_4246]
    );
}

/// Gueron and Kounavis, "Intel Carry-Less Multiplication Instruction": the example of section 2.
#[test]
fn carry_less_product() {
    let a = 0x7b5b_5465_7374_5665_6374_6f72_5d53_475d;
    let b = 0x4869_2853_6861_7929_5b47_7565_726f_6e5d;
    let hi = B::PMulL.aux(Shape::D1) | metaphrase_ir::ops_vector::HI;
    let high = eval_vector(Op::VBin, hi, 0, a, b, 0, &mut FpEnv::default());
    assert_eq!(
        bin(B::PMulL, Shape::D1, a, b),
        0x1d4d_84c8_5c34_40c0_9296_33d5_d36f_0451
    );
    assert_eq!(high, 0x1d1e_1f2c_592e_7c45_d66e_e03e_410f_d4ed);
}
