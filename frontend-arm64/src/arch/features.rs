//! CPU features and models: what is advertised gates the decoder, and AT_HWCAP, the identification registers and
//! /proc/cpuinfo all derive from the one table here.

/// An identification register that depends on the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ID_AA64*_EL1 and MIDR_EL1")]
pub enum IdReg {
    Midr,
    Pfr0,
    Pfr1,
    Isar0,
    Isar1,
    Isar2,
    Mmfr2,
}

/// A feature's row: what Linux and the hardware say when it is there.
#[derive(Clone, Copy, Debug)]
pub struct FeatInfo {
    /// The feature.
    pub feat: Feat,
    /// AT_HWCAP (0) or AT_HWCAP2 (1), bit number, and the flag in /proc/cpuinfo (arch/arm64/include/uapi/asm/hwcap.h).
    pub hwcaps: &'static [(u8, u8, &'static str)],
    /// Register, lowest bit and value of each of its 4-bit identification fields.
    pub id: &'static [(IdReg, u32, u64)],
}

macro_rules! features {
    ($( $name:ident [$(($word:literal, $bit:literal, $flag:literal))*] $(($reg:ident $shift:literal $val:literal))*; )*) => {
        /// An architectural feature (FEAT_ name of the Arm ARM A2); `BASE` is Armv8.0-A itself.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the manual's names")]
        pub enum Feat { $($name,)* }

        /// Every feature, in the order of [`Feat`].
        pub static FEATURES: &[FeatInfo] = &[$(
            FeatInfo {
                feat: Feat::$name,
                hwcaps: &[$(($word, $bit, $flag),)*],
                id: &[$((IdReg::$reg, $shift, $val),)*],
            },
        )*];
    };
}

#[rustfmt::skip]
features! {
    // EVTSTRM and CPUID belong to every CPU under Linux; EL0 and EL1 are AArch64 only.
    BASE     [(0, 2, "evtstrm") (0, 11, "cpuid")] (Pfr0 0 0x11);
    FP       [(0, 0, "fp")];
    SIMD     [(0, 1, "asimd")];
    LSE      [(0, 8, "atomics")]    (Isar0 20 2);
    LSE2     [(0, 25, "uscat")]     (Mmfr2 32 1);
    RDM      [(0, 12, "asimdrdm")]  (Isar0 28 1);
    CRC32    [(0, 7, "crc32")]      (Isar0 16 1);
    AES      [(0, 3, "aes")]        (Isar0 4 1);
    PMULL    [(0, 4, "pmull")]      (Isar0 4 2);
    SHA1     [(0, 5, "sha1")]       (Isar0 8 1);
    SHA256   [(0, 6, "sha2")]       (Isar0 12 1);
    SHA512   [(0, 21, "sha512")]    (Isar0 12 2);
    SHA3     [(0, 17, "sha3")]      (Isar0 32 1);
    SM3      [(0, 18, "sm3")]       (Isar0 36 1);
    SM4      [(0, 19, "sm4")]       (Isar0 40 1);
    FP16     [(0, 9, "fphp") (0, 10, "asimdhp")] (Pfr0 16 0x11);
    FHM      [(0, 23, "asimdfhm")]  (Isar0 48 1);
    DOTPROD  [(0, 20, "asimddp")]   (Isar0 44 1);
    FCMA     [(0, 14, "fcma")]      (Isar1 16 1);
    JSCVT    [(0, 13, "jscvt")]     (Isar1 12 1);
    FRINTTS  [(1, 8, "frint")]      (Isar1 32 1);
    LRCPC    [(0, 15, "lrcpc")]     (Isar1 20 1);
    LRCPC2   [(0, 26, "ilrcpc")]    (Isar1 20 2);
    FLAGM    [(0, 27, "flagm")]     (Isar0 52 1);
    FLAGM2   [(1, 7, "flagm2")]     (Isar0 52 2);
    DIT      [(0, 24, "dit")]       (Pfr0 48 1);
    SB       [(0, 29, "sb")]        (Isar1 36 1);
    SSBS     [(0, 28, "ssbs")]      (Pfr1 4 2);
    SPECRES  []                     (Isar1 40 1);
    DPB      [(0, 16, "dcpop")]     (Isar1 0 1);
    DPB2     [(1, 0, "dcpodp")]     (Isar1 0 2);
    BTI      [(1, 17, "bti")]       (Pfr1 0 1);
    PAUTH    [(0, 30, "paca") (0, 31, "pacg")] (Isar1 4 1) (Isar1 24 1);
    BF16     [(1, 14, "bf16")]      (Isar1 44 1);
    I8MM     [(1, 13, "i8mm")]      (Isar1 52 1);
    WFXT     [(1, 31, "wfxt")]      (Isar2 0 2);
    MOPS     [(1, 43, "mops")]      (Isar2 16 1);
    CSSC     [(1, 34, "cssc")]      (Isar2 52 1);
    HBC      [(1, 44, "hbc")]       (Isar2 20 1);
    RNG      [(1, 16, "rng")]       (Isar0 60 1);
    MTE      [(1, 18, "mte")]       (Pfr1 8 2);
    XS       []                     (Isar1 56 1);
    LOR      [];
    PAN      [];
    UAO      [];
}

/// A set of features.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeatSet(pub u64);

impl FeatSet {
    /// Whether the feature is advertised.
    pub const fn has(self, f: Feat) -> bool {
        self.0 >> (f as u32) & 1 != 0
    }
    /// The set with one more.
    pub const fn with(self, f: Feat) -> FeatSet {
        FeatSet(self.0 | 1 << (f as u32))
    }
    /// The set with several more.
    pub const fn with_all(mut self, fs: &[Feat]) -> FeatSet {
        let mut i = 0;
        while i < fs.len() {
            self = self.with(fs[i]);
            i += 1;
        }
        self
    }
    /// The set without one.
    pub const fn without(self, f: Feat) -> FeatSet {
        FeatSet(self.0 & !(1 << (f as u32)))
    }

    /// Every feature that has a name.
    pub const ALL: FeatSet = FeatSet(u64::MAX);

    /// Armv8.0-A with FP and AdvSIMD.
    pub const V8_0: FeatSet = FeatSet(0).with(Feat::BASE).with(Feat::FP).with(Feat::SIMD);

    /// Everything that this build translates.
    #[rustfmt::skip]
    pub const IMPLEMENTED: FeatSet = FeatSet::V8_0.with_all(&[
        Feat::LSE, Feat::LSE2, Feat::CRC32, Feat::LRCPC, Feat::LRCPC2, Feat::DPB, Feat::DPB2, Feat::LOR, Feat::RDM,
        Feat::AES, Feat::PMULL, Feat::SHA1, Feat::SHA256, Feat::SHA512, Feat::SHA3, Feat::SM3, Feat::SM4,
        Feat::FP16, Feat::FHM, Feat::DOTPROD, Feat::FCMA, Feat::JSCVT, Feat::FRINTTS, Feat::BF16, Feat::I8MM,
        Feat::FLAGM, Feat::FLAGM2, Feat::DIT, Feat::SB, Feat::SSBS, Feat::SPECRES, Feat::PAUTH, Feat::MOPS, Feat::CSSC,
        Feat::HBC, Feat::WFXT, Feat::RNG, Feat::XS,
    ]);

    /// AT_HWCAP (`word` 0) or AT_HWCAP2 (1) of a process.
    pub fn hwcap(self, word: u8) -> u64 {
        self.infos()
            .flat_map(|i| i.hwcaps)
            .filter(|h| h.0 == word)
            .fold(0, |bits, h| bits | 1 << h.1)
    }

    /// The flags of /proc/cpuinfo's `Features` line, in the order of the hwcap bits.
    pub fn cpuinfo_flags(self) -> Vec<&'static str> {
        let mut all: Vec<_> = self.infos().flat_map(|i| i.hwcaps).collect();
        all.sort_unstable();
        all.into_iter().map(|h| h.2).collect()
    }

    fn infos(self) -> impl Iterator<Item = &'static FeatInfo> {
        FEATURES.iter().filter(move |i| self.has(i.feat))
    }
}

/// A CPU model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Model {
    /// Name on the command line.
    pub name: &'static str,
    /// MIDR_EL1.
    pub midr: u32,
    /// What it advertises.
    pub feats: FeatSet,
}

const CRYPTO_V8: &[Feat] = &[
    Feat::CRC32,
    Feat::AES,
    Feat::PMULL,
    Feat::SHA1,
    Feat::SHA256,
];

/// Every model; the last has all that is implemented.
#[rustfmt::skip]
pub static MODELS: &[Model] = &[
    // Armv8.0-A and nothing else.
    Model { name: "base",        midr: 0x000f_04c0, feats: FeatSet::V8_0 },
    Model { name: "cortex-a53",  midr: 0x410f_d034, feats: FeatSet::V8_0.with_all(CRYPTO_V8) },
    Model { name: "cortex-a72",  midr: 0x410f_d083, feats: FeatSet::V8_0.with_all(CRYPTO_V8) },
    Model { name: "neoverse-n1", midr: 0x414f_d0c1, feats: FeatSet::V8_0.with_all(CRYPTO_V8).with_all(&[
        Feat::LSE, Feat::RDM, Feat::DPB, Feat::FP16, Feat::DOTPROD, Feat::LRCPC, Feat::LOR, Feat::SSBS]) },
    DEFAULT,
    MAX,
];

/// The model of programs that ask for none: all that is implemented but what makes programs slower (docs/decisions/0013).
pub const DEFAULT: Model = Model {
    name: "default",
    midr: 0x000f_04c1,
    feats: FeatSet::IMPLEMENTED
        .without(Feat::PAUTH)
        .without(Feat::SHA512)
        .without(Feat::MOPS),
};

/// The model with all that is implemented.
pub const MAX: Model = Model {
    name: "max",
    midr: 0x000f_04d0,
    feats: FeatSet::IMPLEMENTED,
};

impl Model {
    /// The model of this name.
    pub fn by_name(name: &str) -> Option<&'static Model> {
        MODELS.iter().find(|m| m.name == name)
    }

    /// What a program reads from an identification register.
    pub fn id_register(&self, reg: IdReg) -> u64 {
        if reg == IdReg::Midr {
            return u64::from(self.midr);
        }
        let mut v = 0u64;
        for &(r, shift, val) in self.feats.infos().flat_map(|i| i.id) {
            if r == reg {
                // A later feature of the same field has the larger value.
                let field = if val > 15 { 0xff } else { 0xf } << shift;
                v = v & !field | (v & field).max(val << shift);
            }
        }
        v
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_order_and_max_is_listed() {
        assert!(
            FEATURES
                .iter()
                .enumerate()
                .all(|(n, i)| i.feat as usize == n)
        );
        assert_eq!(Model::by_name("max"), Some(&MAX));
        let models_fit = MODELS
            .iter()
            .all(|m| m.feats.0 & !FeatSet::IMPLEMENTED.0 == 0);
        assert!(models_fit, "a model advertises what is not implemented");
    }

    /// Values that Linux 6.1 shows on a Cortex-A72 with crypto (Raspberry Pi 4 lacks it; this is an AWS a1 machine).
    #[test]
    fn cortex_a72_looks_like_one() {
        let m = Model::by_name("cortex-a72").expect("listed");
        assert_eq!(m.id_register(IdReg::Isar0), 0x1_1120);
        assert_eq!(m.id_register(IdReg::Pfr0), 0x11);
        assert_eq!(m.feats.hwcap(0), 0x8ff);
        let flags = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid";
        assert_eq!(m.feats.cpuinfo_flags().join(" "), flags);
    }

    #[test]
    fn neoverse_n1_looks_like_one() {
        // ID_AA64ISAR0_EL1 and ID_AA64PFR0_EL1 (RAS and GIC hidden) of the Neoverse N1 manual.
        let m = Model::by_name("neoverse-n1").expect("listed");
        assert_eq!(m.id_register(IdReg::Isar0), 0x1000_1021_1120);
        assert_eq!(m.id_register(IdReg::Pfr0), 0x11_0011);
        assert_eq!(m.id_register(IdReg::Isar1), 0x10_0001);
    }
}
