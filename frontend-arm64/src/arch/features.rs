//! CPU features that gate decode rows.

/// An architectural feature (FEAT_ name of the Arm ARM A2); `BASE` is Armv8.0-A itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum Feat {
    BASE = 0,
    FP,
    SIMD,
    LSE,
    LSE2,
    RDM,
    CRC32,
    AES,
    PMULL,
    SHA1,
    SHA256,
    SHA512,
    SHA3,
    SM3,
    SM4,
    FP16,
    FHM,
    DOTPROD,
    FCMA,
    JSCVT,
    FRINTTS,
    LRCPC,
    LRCPC2,
    FLAGM,
    FLAGM2,
    DIT,
    SB,
    SSBS,
    SPECRES,
    DPB,
    DPB2,
    BTI,
    PAUTH,
    BF16,
    I8MM,
    WFXT,
    MOPS,
    CSSC,
    HBC,
    RNG,
    MTE,
    LOR,
    PAN,
    UAO,
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
    /// Everything that this build translates.
    pub const IMPLEMENTED: FeatSet = FeatSet::V8_0
        .with(Feat::LSE)
        .with(Feat::LSE2)
        .with(Feat::CRC32)
        .with(Feat::LRCPC)
        .with(Feat::LRCPC2)
        .with(Feat::DPB)
        .with(Feat::DPB2)
        .with(Feat::LOR)
        .with(Feat::RDM)
        .with(Feat::AES)
        .with(Feat::PMULL)
        .with(Feat::SHA1)
        .with(Feat::SHA256)
        .with(Feat::SHA512)
        .with(Feat::SHA3)
        .with(Feat::SM3)
        .with(Feat::SM4)
        .with(Feat::FP16)
        .with(Feat::FHM)
        .with(Feat::DOTPROD)
        .with(Feat::FCMA)
        .with(Feat::JSCVT)
        .with(Feat::FRINTTS)
        .with(Feat::BF16)
        .with(Feat::I8MM);

    /// Armv8.0-A with FP and AdvSIMD.
    pub const V8_0: FeatSet = FeatSet(0).with(Feat::BASE).with(Feat::FP).with(Feat::SIMD);
}
