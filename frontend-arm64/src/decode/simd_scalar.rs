//! AdvSIMD scalar three same and three different, Arm ARM C4.1.95.

use super::simd_size::h_or_s;

#[rustfmt::skip]
crate::rows! {
    /// Scalar three same, three same extra, three different: integer.
    ScalarSame {
        SqAdd    "01011110 ss1mmmmm 000011nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD;
        UqAdd    "01111110 ss1mmmmm 000011nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD;
        SqSub    "01011110 ss1mmmmm 001011nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD;
        UqSub    "01111110 ss1mmmmm 001011nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD;
        SqShl    "01011110 ss1mmmmm 010011nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD;
        UqShl    "01111110 ss1mmmmm 010011nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD;
        SqRShl   "01011110 ss1mmmmm 010111nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD;
        UqRShl   "01111110 ss1mmmmm 010111nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD;
        CmGt     "01011110 111mmmmm 001101nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        CmHi     "01111110 111mmmmm 001101nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        CmGe     "01011110 111mmmmm 001111nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        CmHs     "01111110 111mmmmm 001111nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        SShl     "01011110 111mmmmm 010001nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        UShl     "01111110 111mmmmm 010001nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        SRShl    "01011110 111mmmmm 010101nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        URShl    "01111110 111mmmmm 010101nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        Add      "01011110 111mmmmm 100001nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        Sub      "01111110 111mmmmm 100001nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        CmTst    "01011110 111mmmmm 100011nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        CmEq     "01111110 111mmmmm 100011nn nnnddddd" { rm: m, rn: n, rd: d          } SIMD;
        SqDMulH  "01011110 ss1mmmmm 101101nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
        SqRDMulH "01111110 ss1mmmmm 101101nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
        SqRDMlaH "01111110 ss0mmmmm 100001nn nnnddddd" { size: s, rm: m, rn: n, rd: d } RDM if h_or_s;
        SqRDMlsH "01111110 ss0mmmmm 100011nn nnnddddd" { size: s, rm: m, rn: n, rd: d } RDM if h_or_s;
        SqDMlaL  "01011110 ss1mmmmm 100100nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
        SqDMlsL  "01011110 ss1mmmmm 101100nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
        SqDMulL  "01011110 ss1mmmmm 110100nn nnnddddd" { size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Scalar three same: floating point.
    ScalarSameFp {
        FAbd        "01111110 1z1mmmmm 110101nn nnnddddd" { sz: z, rm: m, rn: n, rd: d } SIMD;
        FMulX       "01011110 0z1mmmmm 110111nn nnnddddd" { sz: z, rm: m, rn: n, rd: d } SIMD;
        FCmEq       "01011110 0z1mmmmm 111001nn nnnddddd" { sz: z, rm: m, rn: n, rd: d } SIMD;
        FCmGe       "01111110 0z1mmmmm 111001nn nnnddddd" { sz: z, rm: m, rn: n, rd: d } SIMD;
        FCmGt       "01111110 1z1mmmmm 111001nn nnnddddd" { sz: z, rm: m, rn: n, rd: d } SIMD;
        FacGe       "01111110 0z1mmmmm 111011nn nnnddddd" { sz: z, rm: m, rn: n, rd: d } SIMD;
        FacGt       "01111110 1z1mmmmm 111011nn nnnddddd" { sz: z, rm: m, rn: n, rd: d } SIMD;
        FRecpS      "01011110 0z1mmmmm 111111nn nnnddddd" { sz: z, rm: m, rn: n, rd: d } SIMD;
        FRsqrtS     "01011110 1z1mmmmm 111111nn nnnddddd" { sz: z, rm: m, rn: n, rd: d } SIMD;
        FAbdHalf    "01111110 110mmmmm 000101nn nnnddddd" { rm: m, rn: n, rd: d        } FP16;
        FMulXHalf   "01011110 010mmmmm 000111nn nnnddddd" { rm: m, rn: n, rd: d        } FP16;
        FCmEqHalf   "01011110 010mmmmm 001001nn nnnddddd" { rm: m, rn: n, rd: d        } FP16;
        FCmGeHalf   "01111110 010mmmmm 001001nn nnnddddd" { rm: m, rn: n, rd: d        } FP16;
        FCmGtHalf   "01111110 110mmmmm 001001nn nnnddddd" { rm: m, rn: n, rd: d        } FP16;
        FacGeHalf   "01111110 010mmmmm 001011nn nnnddddd" { rm: m, rn: n, rd: d        } FP16;
        FacGtHalf   "01111110 110mmmmm 001011nn nnnddddd" { rm: m, rn: n, rd: d        } FP16;
        FRecpSHalf  "01011110 010mmmmm 001111nn nnnddddd" { rm: m, rn: n, rd: d        } FP16;
        FRsqrtSHalf "01011110 110mmmmm 001111nn nnnddddd" { rm: m, rn: n, rd: d        } FP16;
    }
}
