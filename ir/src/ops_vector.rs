//! The kinds of vector operation: second half of THE op list ([`crate::ops`]).
//!
//! `S` below is the op's shape. Unless said otherwise sources and result have shape `S`. *Long* ops take shape `S` (64 bits
//! wide or one lane) and give lanes twice as wide; with [`HI`] in `aux` they read the upper half of their narrow sources
//! (the manual's "2" forms). *Narrowing* ops have as `S` the shape of the result (64 bits wide or one lane); sources have
//! lanes twice as wide. Names are the manual's.

use crate::inst::Shape;

/// `aux` bit of long ops: narrow sources are read from bits 127..64.
pub const HI: u32 = 1 << 16;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $( $(#[$kdoc:meta])* $kind:ident $text:literal [$($eff:ident)*], )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the manual's names")]
        pub enum $name { $( $(#[$kdoc])* $kind, )* }
        impl $name {
            /// Every kind, in order.
            pub const ALL: &'static [$name] = &[$($name::$kind,)*];
            /// Name in the text form.
            pub const fn name(self) -> &'static str { const N: &[&str] = &[$($text,)*]; N[self as usize] }
            /// Effects of this kind: `FPENV`, `QC` or nothing.
            pub const fn effects(self) -> crate::ops::Effects {
                const E: &[crate::ops::Effects] =
                    &[$(crate::ops::Effects::empty()$(.union(crate::ops::Effects::$eff))*,)*];
                E[self as usize]
            }
            /// Packs shape and kind into `aux`.
            pub const fn aux(self, shape: Shape) -> u32 { shape as u32 | (self as u32) << 8 }
            /// Kind in bits 15..8 of `aux`; numbers out of range give the first kind.
            pub const fn from_aux(aux: u32) -> $name {
                let i = (aux >> 8 & 0xff) as usize;
                Self::ALL[if i < Self::ALL.len() { i } else { 0 }]
            }
        }
    };
}

kinds! {
    /// One operand.
    VUnKind {
        Neg "neg" [], Abs "abs" [], Not "not" [], Cnt "cnt" [], Clz "clz" [], Cls "cls" [],
        /// Bits of each byte reversed.
        Rbit "rbit" [],
        /// Elements of shape S reversed within each 16, 32, 64 bits.
        Rev16 "rev16" [], Rev32 "rev32" [], Rev64 "rev64" [],
        SqAbs "sqabs" [QC], SqNeg "sqneg" [QC],
        CmEq0 "cmeq0" [], CmGe0 "cmge0" [], CmGt0 "cmgt0" [], CmLe0 "cmle0" [], CmLt0 "cmlt0" [],
        /// Pairwise: S source; half as many lanes, twice as wide.
        SAddLp "saddlp" [], UAddLp "uaddlp" [],
        /// Narrowing.
        Xtn "xtn" [], SqXtn "sqxtn" [QC], UqXtn "uqxtn" [QC], SqXtUn "sqxtun" [QC],
        FNeg "fneg" [], FAbs "fabs" [], FSqrt "fsqrt" [FPENV],
        FRintN "frintn" [FPENV], FRintM "frintm" [FPENV], FRintP "frintp" [FPENV], FRintZ "frintz" [FPENV],
        FRintA "frinta" [FPENV], FRintX "frintx" [FPENV], FRintI "frinti" [FPENV],
        FRint32X "frint32x" [FPENV], FRint32Z "frint32z" [FPENV], FRint64X "frint64x" [FPENV], FRint64Z "frint64z" [FPENV],
        FCmEq0 "fcmeq0" [FPENV], FCmGe0 "fcmge0" [FPENV], FCmGt0 "fcmgt0" [FPENV], FCmLe0 "fcmle0" [FPENV], FCmLt0 "fcmlt0" [FPENV],
        FRecpE "frecpe" [FPENV], FRsqrtE "frsqrte" [FPENV], FRecpX "frecpx" [FPENV], URecpE "urecpe" [], URsqrtE "ursqrte" [],
        /// Long: half to single, single to double.
        FCvtL "fcvtl" [FPENV],
        /// Narrowing: single to half, double to single; to odd.
        FCvtN "fcvtn" [FPENV], FCvtXn "fcvtxn" [FPENV], BfCvtN "bfcvtn" [FPENV],
        FCvtNS "fcvtns" [FPENV], FCvtNU "fcvtnu" [FPENV], FCvtMS "fcvtms" [FPENV], FCvtMU "fcvtmu" [FPENV], FCvtPS "fcvtps" [FPENV],
        FCvtPU "fcvtpu" [FPENV], FCvtAS "fcvtas" [FPENV], FCvtAU "fcvtau" [FPENV],
        AesMc "aesmc" [], AesIMc "aesimc" [], Sha1H "sha1h" [],
    }
}

kinds! {
    /// Two operands a, b.
    VBinKind {
        Add "add" [], Sub "sub" [], Mul "mul" [], And "and" [], Or "or" [], Xor "xor" [], AndNot "andn" [], OrNot "orn" [],
        SHAdd "shadd" [], UHAdd "uhadd" [], SRHAdd "srhadd" [], URHAdd "urhadd" [], SHSub "shsub" [], UHSub "uhsub" [],
        SqAdd "sqadd" [QC], UqAdd "uqadd" [QC], SqSub "sqsub" [QC], UqSub "uqsub" [QC],
        /// a is the accumulator: a signed + b unsigned; a unsigned + b signed.
        SuqAdd "suqadd" [QC], UsqAdd "usqadd" [QC],
        SShl "sshl" [], UShl "ushl" [], SRShl "srshl" [], URShl "urshl" [],
        SqShl "sqshl" [QC], UqShl "uqshl" [QC], SqRShl "sqrshl" [QC], UqRShl "uqrshl" [QC],
        CmEq "cmeq" [], CmGe "cmge" [], CmGt "cmgt" [], CmHi "cmhi" [], CmHs "cmhs" [], CmTst "cmtst" [],
        SMax "smax" [], SMin "smin" [], UMax "umax" [], UMin "umin" [], SAbd "sabd" [], UAbd "uabd" [],
        SqDMulH "sqdmulh" [QC], SqRDMulH "sqrdmulh" [QC], PMul "pmul" [],
        /// Pairwise over (b : a).
        AddP "addp" [], SMaxP "smaxp" [], SMinP "sminp" [], UMaxP "umaxp" [], UMinP "uminp" [],
        /// Long.
        SAddL "saddl" [], UAddL "uaddl" [], SSubL "ssubl" [], USubL "usubl" [], SAbdL "sabdl" [], UAbdL "uabdl" [],
        SMulL "smull" [], UMulL "umull" [], SqDMulL "sqdmull" [QC],
        /// Long, S = B8 (to 16 bits) or D1 (64 to 128 bits).
        PMulL "pmull" [],
        /// a wide, b narrow (long).
        SAddW "saddw" [], UAddW "uaddw" [], SSubW "ssubw" [], USubW "usubw" [],
        /// Narrowing: high half of sum or difference.
        AddHn "addhn" [], SubHn "subhn" [], RAddHn "raddhn" [], RSubHn "rsubhn" [],
        Zip1 "zip1" [], Zip2 "zip2" [], Uzp1 "uzp1" [], Uzp2 "uzp2" [], Trn1 "trn1" [], Trn2 "trn2" [],
        FAdd "fadd" [FPENV], FSub "fsub" [FPENV], FMul "fmul" [FPENV], FDiv "fdiv" [FPENV], FMulX "fmulx" [FPENV],
        FMax "fmax" [FPENV], FMin "fmin" [FPENV], FMaxNm "fmaxnm" [FPENV], FMinNm "fminnm" [FPENV], FAbd "fabd" [FPENV],
        FRecpS "frecps" [FPENV], FRsqrtS "frsqrts" [FPENV],
        FCmEq "fcmeq" [FPENV], FCmGe "fcmge" [FPENV], FCmGt "fcmgt" [FPENV], FacGe "facge" [FPENV], FacGt "facgt" [FPENV],
        FAddP "faddp" [FPENV], FMaxP "fmaxp" [FPENV], FMinP "fminp" [FPENV], FMaxNmP "fmaxnmp" [FPENV], FMinNmP "fminnmp" [FPENV],
        FCAdd90 "fcadd90" [FPENV], FCAdd270 "fcadd270" [FPENV],
        /// a state, b round key.
        AesE "aese" [], AesD "aesd" [],
        /// Arguments (Vd, Vn) or (Vn, Vm) in the manual's operand order.
        Sha1Su1 "sha1su1" [], Sha256Su0 "sha256su0" [], Sha512Su0 "sha512su0" [], Rax1 "rax1" [],
        Sm4E "sm4e" [], Sm4EKey "sm4ekey" [],
    }
}

kinds! {
    /// Three operands: first the accumulator, old destination or manual's first, then n, m.
    VTernKind {
        Mla "mla" [], Mls "mls" [],
        /// (mask, n, m): n where mask is 1, else m.
        Bsl "bsl" [],
        SqRDMlaH "sqrdmlah" [QC], SqRDMlsH "sqrdmlsh" [QC],
        /// Lanes of S are the 32-bit accumulators.
        SDot "sdot" [], UDot "udot" [], UsDot "usdot" [], SMmla "smmla" [], UMmla "ummla" [], UsMmla "usmmla" [],
        /// Fused.
        FMla "fmla" [FPENV], FMls "fmls" [FPENV],
        /// FMLAL/FMLSL: S = S1, S2 or S4 accumulators, n and m halves (low half of them); the "2" forms read the upper.
        FMlal "fmlal" [FPENV], FMlsl "fmlsl" [FPENV], FMlal2 "fmlal2" [FPENV], FMlsl2 "fmlsl2" [FPENV],
        FCMla0 "fcmla0" [FPENV], FCMla90 "fcmla90" [FPENV], FCMla180 "fcmla180" [FPENV], FCMla270 "fcmla270" [FPENV],
        BfDot "bfdot" [], BfMmla "bfmmla" [], BfMlalB "bfmlalb" [FPENV], BfMlalT "bfmlalt" [FPENV],
        Sha1C "sha1c" [], Sha1P "sha1p" [], Sha1M "sha1m" [], Sha1Su0 "sha1su0" [],
        Sha256H "sha256h" [], Sha256H2 "sha256h2" [], Sha256Su1 "sha256su1" [],
        Sha512H "sha512h" [], Sha512H2 "sha512h2" [], Sha512Su1 "sha512su1" [],
        /// (n, m, a).
        Eor3 "eor3" [], Bcax "bcax" [],
        Sm3Ss1 "sm3ss1" [], Sm3PartW1 "sm3partw1" [], Sm3PartW2 "sm3partw2" [],
        /// `imm` is the element index.
        Sm3Tt1A "sm3tt1a" [], Sm3Tt1B "sm3tt1b" [], Sm3Tt2A "sm3tt2a" [], Sm3Tt2B "sm3tt2b" [],
    }
}

kinds! {
    /// Shift of a by `imm`; second argument: old destination where noted, else ignored.
    VShiftKind {
        Shl "shl" [], SShr "sshr" [], UShr "ushr" [], SRShr "srshr" [], URShr "urshr" [],
        /// Second argument is the old destination.
        Sli "sli" [], Sri "sri" [],
        SqShl "sqshl" [QC], UqShl "uqshl" [QC], SqShlU "sqshlu" [QC],
        /// Narrowing.
        Shrn "shrn" [], Rshrn "rshrn" [], SqShrn "sqshrn" [QC], UqShrn "uqshrn" [QC], SqRshrn "sqrshrn" [QC], UqRshrn "uqrshrn" [QC],
        SqShrun "sqshrun" [QC], SqRshrun "sqrshrun" [QC],
        /// Long (imm 0: SXTL, UXTL; imm = lane width: SHLL).
        SShll "sshll" [], UShll "ushll" [],
        /// Conversions; `imm`: fraction bits.
        FCvtZS "fcvtzs" [FPENV], FCvtZU "fcvtzu" [FPENV], SCvtF "scvtf" [FPENV], UCvtF "ucvtf" [FPENV],
        /// (n ^ m) rotated right by imm: arguments (n, m).
        Xar "xar" [],
    }
}

kinds! {
    /// Across lanes.
    VRedKind {
        AddV "addv" [],
        /// Result lane twice as wide.
        SAddLv "saddlv" [], UAddLv "uaddlv" [],
        SMaxV "smaxv" [], SMinV "sminv" [], UMaxV "umaxv" [], UMinV "uminv" [],
        FMaxV "fmaxv" [FPENV], FMinV "fminv" [FPENV], FMaxNmV "fmaxnmv" [FPENV], FMinNmV "fminnmv" [FPENV],
    }
}
