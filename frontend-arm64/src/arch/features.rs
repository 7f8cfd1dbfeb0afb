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
    /// Armv8.0-A with FP and AdvSIMD.
    pub const V8_0: FeatSet = FeatSet(0).with(Feat::BASE).with(Feat::FP).with(Feat::SIMD);
}
