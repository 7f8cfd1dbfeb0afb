//! AdvSIMD three same, Arm ARM C4.1.95: integer, floating point, half precision, extension.

use super::simd_size::{fp_q, h_or_s, lt_d, no_1d};

/// FCMLA, FCADD: half, single or (128 bits only) double.
fn complex_size(w: u32) -> bool {
    w >> 22 & 3 != 0 && no_1d(w)
}

#[rustfmt::skip]
crate::rows! {
    /// Three same: integer and bitwise.
    SimdSame {
        SHAdd    "0q001110 ss1mmmmm 000001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UHAdd    "0q101110 ss1mmmmm 000001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SqAdd    "0q001110 ss1mmmmm 000011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        UqAdd    "0q101110 ss1mmmmm 000011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        SRHAdd   "0q001110 ss1mmmmm 000101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        URHAdd   "0q101110 ss1mmmmm 000101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        And      "0q001110 001mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        Bic      "0q001110 011mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        Orr      "0q001110 101mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        Orn      "0q001110 111mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        Eor      "0q101110 001mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        Bsl      "0q101110 011mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        Bit      "0q101110 101mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        Bif      "0q101110 111mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        SHSub    "0q001110 ss1mmmmm 001001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UHSub    "0q101110 ss1mmmmm 001001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SqSub    "0q001110 ss1mmmmm 001011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        UqSub    "0q101110 ss1mmmmm 001011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        CmGt     "0q001110 ss1mmmmm 001101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        CmHi     "0q101110 ss1mmmmm 001101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        CmGe     "0q001110 ss1mmmmm 001111nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        CmHs     "0q101110 ss1mmmmm 001111nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        SShl     "0q001110 ss1mmmmm 010001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        UShl     "0q101110 ss1mmmmm 010001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        SqShl    "0q001110 ss1mmmmm 010011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        UqShl    "0q101110 ss1mmmmm 010011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        SRShl    "0q001110 ss1mmmmm 010101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        URShl    "0q101110 ss1mmmmm 010101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        SqRShl   "0q001110 ss1mmmmm 010111nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        UqRShl   "0q101110 ss1mmmmm 010111nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        SMax     "0q001110 ss1mmmmm 011001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UMax     "0q101110 ss1mmmmm 011001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SMin     "0q001110 ss1mmmmm 011011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UMin     "0q101110 ss1mmmmm 011011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SAbd     "0q001110 ss1mmmmm 011101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UAbd     "0q101110 ss1mmmmm 011101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SAba     "0q001110 ss1mmmmm 011111nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UAba     "0q101110 ss1mmmmm 011111nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        Add      "0q001110 ss1mmmmm 100001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        Sub      "0q101110 ss1mmmmm 100001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        CmTst    "0q001110 ss1mmmmm 100011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        CmEq     "0q101110 ss1mmmmm 100011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        Mla      "0q001110 ss1mmmmm 100101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        Mls      "0q101110 ss1mmmmm 100101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        Mul      "0q001110 ss1mmmmm 100111nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        PMul     "0q101110 001mmmmm 100111nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        SMaxP    "0q001110 ss1mmmmm 101001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UMaxP    "0q101110 ss1mmmmm 101001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SMinP    "0q001110 ss1mmmmm 101011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UMinP    "0q101110 ss1mmmmm 101011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SqDMulH  "0q001110 ss1mmmmm 101101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
        SqRDMulH "0q101110 ss1mmmmm 101101nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
        AddP     "0q001110 ss1mmmmm 101111nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Three same: single and double precision (`sz`), FMLAL.
    SimdSameFp {
        FMaxNm  "0q001110 0z1mmmmm 110001nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMinNm  "0q001110 1z1mmmmm 110001nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMaxNmP "0q101110 0z1mmmmm 110001nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMinNmP "0q101110 1z1mmmmm 110001nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMla    "0q001110 0z1mmmmm 110011nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMls    "0q001110 1z1mmmmm 110011nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FAdd    "0q001110 0z1mmmmm 110101nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FSub    "0q001110 1z1mmmmm 110101nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FAddP   "0q101110 0z1mmmmm 110101nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FAbd    "0q101110 1z1mmmmm 110101nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMulX   "0q001110 0z1mmmmm 110111nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMul    "0q101110 0z1mmmmm 110111nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FCmEq   "0q001110 0z1mmmmm 111001nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FCmGe   "0q101110 0z1mmmmm 111001nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FCmGt   "0q101110 1z1mmmmm 111001nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FacGe   "0q101110 0z1mmmmm 111011nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FacGt   "0q101110 1z1mmmmm 111011nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMax    "0q001110 0z1mmmmm 111101nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMin    "0q001110 1z1mmmmm 111101nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMaxP   "0q101110 0z1mmmmm 111101nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMinP   "0q101110 1z1mmmmm 111101nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FRecpS  "0q001110 0z1mmmmm 111111nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FRsqrtS "0q001110 1z1mmmmm 111111nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FDiv    "0q101110 0z1mmmmm 111111nn nnnddddd" { q: q, sz: z, rm: m, rn: n, rd: d } SIMD if fp_q;
        FMlal   "0q001110 001mmmmm 111011nn nnnddddd" { q: q, rm: m, rn: n, rd: d        } FHM;
        FMlsl   "0q001110 101mmmmm 111011nn nnnddddd" { q: q, rm: m, rn: n, rd: d        } FHM;
        FMlal2  "0q101110 001mmmmm 110011nn nnnddddd" { q: q, rm: m, rn: n, rd: d        } FHM;
        FMlsl2  "0q101110 101mmmmm 110011nn nnnddddd" { q: q, rm: m, rn: n, rd: d        } FHM;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Three same: half precision.
    SimdSameHalf {
        FMaxNm  "0q001110 010mmmmm 000001nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMinNm  "0q001110 110mmmmm 000001nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMaxNmP "0q101110 010mmmmm 000001nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMinNmP "0q101110 110mmmmm 000001nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMla    "0q001110 010mmmmm 000011nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMls    "0q001110 110mmmmm 000011nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FAdd    "0q001110 010mmmmm 000101nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FSub    "0q001110 110mmmmm 000101nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FAddP   "0q101110 010mmmmm 000101nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FAbd    "0q101110 110mmmmm 000101nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMulX   "0q001110 010mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMul    "0q101110 010mmmmm 000111nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FCmEq   "0q001110 010mmmmm 001001nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FCmGe   "0q101110 010mmmmm 001001nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FCmGt   "0q101110 110mmmmm 001001nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FacGe   "0q101110 010mmmmm 001011nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FacGt   "0q101110 110mmmmm 001011nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMax    "0q001110 010mmmmm 001101nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMin    "0q001110 110mmmmm 001101nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMaxP   "0q101110 010mmmmm 001101nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FMinP   "0q101110 110mmmmm 001101nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FRecpS  "0q001110 010mmmmm 001111nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FRsqrtS "0q001110 110mmmmm 001111nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
        FDiv    "0q101110 010mmmmm 001111nn nnnddddd" { q: q, rm: m, rn: n, rd: d } FP16;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Three same extra.
    SimdSameExtra {
        SqRDMlaH "0q101110 ss0mmmmm 100001nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d         } RDM if h_or_s;
        SqRDMlsH "0q101110 ss0mmmmm 100011nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d         } RDM if h_or_s;
        SDot     "0q001110 100mmmmm 100101nn nnnddddd" { q: q, rm: m, rn: n, rd: d                  } DOTPROD;
        UDot     "0q101110 100mmmmm 100101nn nnnddddd" { q: q, rm: m, rn: n, rd: d                  } DOTPROD;
        UsDot    "0q001110 100mmmmm 100111nn nnnddddd" { q: q, rm: m, rn: n, rd: d                  } I8MM;
        FCMla    "0q101110 ss0mmmmm 110rr1nn nnnddddd" { q: q, size: s, rot: r, rm: m, rn: n, rd: d } FCMA if complex_size;
        FCAdd    "0q101110 ss0mmmmm 111r01nn nnnddddd" { q: q, size: s, rot: r, rm: m, rn: n, rd: d } FCMA if complex_size;
        SMmla    "01001110 100mmmmm 101001nn nnnddddd" { rm: m, rn: n, rd: d                        } I8MM;
        UMmla    "01101110 100mmmmm 101001nn nnnddddd" { rm: m, rn: n, rd: d                        } I8MM;
        UsMmla   "01001110 100mmmmm 101011nn nnnddddd" { rm: m, rn: n, rd: d                        } I8MM;
        BfDot    "0q101110 010mmmmm 111111nn nnnddddd" { q: q, rm: m, rn: n, rd: d                  } BF16;
        BfMlalB  "00101110 110mmmmm 111111nn nnnddddd" { rm: m, rn: n, rd: d                        } BF16;
        BfMlalT  "01101110 110mmmmm 111111nn nnnddddd" { rm: m, rn: n, rd: d                        } BF16;
        BfMmla   "01101110 010mmmmm 111011nn nnnddddd" { rm: m, rn: n, rd: d                        } BF16;
    }
}
