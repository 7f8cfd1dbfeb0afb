//! What a guest can learn about its CPU from Linux: HWCAP and HWCAP2 (arch/arm64/include/uapi/asm/hwcap.h) and /proc/cpuinfo's
//! feature line. One list, derived from the engine's features.

use metaphrase_arm64::arch::features::{Feat, FeatSet};

/// (name in /proc/cpuinfo, bit: 0..63 AT_HWCAP, 64.. AT_HWCAP2, the feature).
const CAPS: &[(&str, u32, Feat)] = &[
    ("fp", 0, Feat::FP),
    ("asimd", 1, Feat::SIMD),
    ("aes", 3, Feat::AES),
    ("pmull", 4, Feat::PMULL),
    ("sha1", 5, Feat::SHA1),
    ("sha2", 6, Feat::SHA256),
    ("crc32", 7, Feat::CRC32),
    ("atomics", 8, Feat::LSE),
    ("fphp", 9, Feat::FP16),
    ("asimdhp", 10, Feat::FP16),
    ("asimdrdm", 12, Feat::RDM),
    ("jscvt", 13, Feat::JSCVT),
    ("fcma", 14, Feat::FCMA),
    ("lrcpc", 15, Feat::LRCPC),
    ("dcpop", 16, Feat::DPB),
    ("sha3", 17, Feat::SHA3),
    ("sm3", 18, Feat::SM3),
    ("sm4", 19, Feat::SM4),
    ("asimddp", 20, Feat::DOTPROD),
    ("sha512", 21, Feat::SHA512),
    ("asimdfhm", 23, Feat::FHM),
    ("dit", 24, Feat::DIT),
    ("uscat", 25, Feat::LSE2),
    ("ilrcpc", 26, Feat::LRCPC2),
    ("flagm", 27, Feat::FLAGM),
    ("ssbs", 28, Feat::SSBS),
    ("sb", 29, Feat::SB),
    ("paca", 30, Feat::PAUTH),
    ("pacg", 31, Feat::PAUTH),
    ("dcpodp", 64, Feat::DPB2),
    ("flagm2", 64 + 7, Feat::FLAGM2),
    ("frint", 64 + 8, Feat::FRINTTS),
    ("i8mm", 64 + 13, Feat::I8MM),
    ("bf16", 64 + 14, Feat::BF16),
    ("rng", 64 + 16, Feat::RNG),
    ("bti", 64 + 17, Feat::BTI),
    ("wfxt", 64 + 31, Feat::WFXT),
    ("cssc", 64 + 34, Feat::CSSC),
    ("mops", 64 + 43, Feat::MOPS),
    ("hbc", 64 + 44, Feat::HBC),
];

/// AT_HWCAP and AT_HWCAP2.
pub fn hwcaps(feats: FeatSet) -> (u64, u64) {
    let mut caps = [0u64; 2];
    for (_, bit, f) in CAPS {
        if feats.has(*f) {
            caps[*bit as usize / 64] |= 1 << (bit % 64);
        }
    }
    (caps[0], caps[1])
}

/// The "Features" line of /proc/cpuinfo.
pub fn feature_names(feats: FeatSet) -> String {
    let names: Vec<&str> = CAPS
        .iter()
        .filter(|(_, _, f)| feats.has(*f))
        .map(|(n, ..)| *n)
        .collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_architecture_is_fp_and_asimd() {
        assert_eq!(hwcaps(FeatSet::V8_0), (3, 0));
        assert_eq!(
            hwcaps(FeatSet::V8_0.with(Feat::LSE).with(Feat::I8MM)),
            (0x103, 1 << 13)
        );
        assert_eq!(feature_names(FeatSet::V8_0), "fp asimd");
    }
}
