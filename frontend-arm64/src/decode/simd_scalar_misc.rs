//! AdvSIMD scalar two-register miscellaneous, pairwise and copy, Arm ARM C4.1.95.

use super::simd_size::lt_d;

#[rustfmt::skip]
crate::rows! {
    /// Scalar two-register miscellaneous: integer.
    ScalarMisc {
        SuqAdd "01011110 ss100000 001110nn nnnddddd" { size: s, rn: n, rd: d } SIMD;
        UsqAdd "01111110 ss100000 001110nn nnnddddd" { size: s, rn: n, rd: d } SIMD;
        SqAbs  "01011110 ss100000 011110nn nnnddddd" { size: s, rn: n, rd: d } SIMD;
        SqNeg  "01111110 ss100000 011110nn nnnddddd" { size: s, rn: n, rd: d } SIMD;
        CmGt0  "01011110 11100000 100010nn nnnddddd" { rn: n, rd: d          } SIMD;
        CmGe0  "01111110 11100000 100010nn nnnddddd" { rn: n, rd: d          } SIMD;
        CmEq0  "01011110 11100000 100110nn nnnddddd" { rn: n, rd: d          } SIMD;
        CmLe0  "01111110 11100000 100110nn nnnddddd" { rn: n, rd: d          } SIMD;
        CmLt0  "01011110 11100000 101010nn nnnddddd" { rn: n, rd: d          } SIMD;
        Abs    "01011110 11100000 101110nn nnnddddd" { rn: n, rd: d          } SIMD;
        Neg    "01111110 11100000 101110nn nnnddddd" { rn: n, rd: d          } SIMD;
        SqXtUn "01111110 ss100001 001010nn nnnddddd" { size: s, rn: n, rd: d } SIMD if lt_d;
        SqXtn  "01011110 ss100001 010010nn nnnddddd" { size: s, rn: n, rd: d } SIMD if lt_d;
        UqXtn  "01111110 ss100001 010010nn nnnddddd" { size: s, rn: n, rd: d } SIMD if lt_d;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Scalar two-register miscellaneous: floating point.
    ScalarMiscFp {
        FCvtNS      "01011110 0z100001 101010nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtNU      "01111110 0z100001 101010nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtPS      "01011110 1z100001 101010nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtPU      "01111110 1z100001 101010nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtMS      "01011110 0z100001 101110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtMU      "01111110 0z100001 101110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtZS      "01011110 1z100001 101110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtZU      "01111110 1z100001 101110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtAS      "01011110 0z100001 110010nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtAU      "01111110 0z100001 110010nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        SCvtF       "01011110 0z100001 110110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        UCvtF       "01111110 0z100001 110110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FRecpE      "01011110 1z100001 110110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FRsqrtE     "01111110 1z100001 110110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCmGt0      "01011110 1z100000 110010nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCmGe0      "01111110 1z100000 110010nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCmEq0      "01011110 1z100000 110110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCmLe0      "01111110 1z100000 110110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCmLt0      "01011110 1z100000 111010nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FRecpX      "01011110 1z100001 111110nn nnnddddd" { sz: z, rn: n, rd: d } SIMD;
        FCvtXn      "01111110 01100001 011010nn nnnddddd" { rn: n, rd: d        } SIMD;
        FCvtNSHalf  "01011110 01111001 101010nn nnnddddd" { rn: n, rd: d        } FP16;
        FCvtNUHalf  "01111110 01111001 101010nn nnnddddd" { rn: n, rd: d        } FP16;
        FCvtPSHalf  "01011110 11111001 101010nn nnnddddd" { rn: n, rd: d        } FP16;
        FCvtPUHalf  "01111110 11111001 101010nn nnnddddd" { rn: n, rd: d        } FP16;
        FCvtMSHalf  "01011110 01111001 101110nn nnnddddd" { rn: n, rd: d        } FP16;
        FCvtMUHalf  "01111110 01111001 101110nn nnnddddd" { rn: n, rd: d        } FP16;
        FCvtZSHalf  "01011110 11111001 101110nn nnnddddd" { rn: n, rd: d        } FP16;
        FCvtZUHalf  "01111110 11111001 101110nn nnnddddd" { rn: n, rd: d        } FP16;
        FCvtASHalf  "01011110 01111001 110010nn nnnddddd" { rn: n, rd: d        } FP16;
        FCvtAUHalf  "01111110 01111001 110010nn nnnddddd" { rn: n, rd: d        } FP16;
        SCvtFHalf   "01011110 01111001 110110nn nnnddddd" { rn: n, rd: d        } FP16;
        UCvtFHalf   "01111110 01111001 110110nn nnnddddd" { rn: n, rd: d        } FP16;
        FRecpEHalf  "01011110 11111001 110110nn nnnddddd" { rn: n, rd: d        } FP16;
        FRsqrtEHalf "01111110 11111001 110110nn nnnddddd" { rn: n, rd: d        } FP16;
        FCmGt0Half  "01011110 11111000 110010nn nnnddddd" { rn: n, rd: d        } FP16;
        FCmGe0Half  "01111110 11111000 110010nn nnnddddd" { rn: n, rd: d        } FP16;
        FCmEq0Half  "01011110 11111000 110110nn nnnddddd" { rn: n, rd: d        } FP16;
        FCmLe0Half  "01111110 11111000 110110nn nnnddddd" { rn: n, rd: d        } FP16;
        FCmLt0Half  "01011110 11111000 111010nn nnnddddd" { rn: n, rd: d        } FP16;
        FRecpXHalf  "01011110 11111001 111110nn nnnddddd" { rn: n, rd: d        } FP16;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Scalar pairwise and copy.
    ScalarPair {
        AddP        "01011110 11110001 101110nn nnnddddd" { rn: n, rd: d          } SIMD;
        FMaxNmP     "01111110 0z110000 110010nn nnnddddd" { sz: z, rn: n, rd: d   } SIMD;
        FMinNmP     "01111110 1z110000 110010nn nnnddddd" { sz: z, rn: n, rd: d   } SIMD;
        FAddP       "01111110 0z110000 110110nn nnnddddd" { sz: z, rn: n, rd: d   } SIMD;
        FMaxP       "01111110 0z110000 111110nn nnnddddd" { sz: z, rn: n, rd: d   } SIMD;
        FMinP       "01111110 1z110000 111110nn nnnddddd" { sz: z, rn: n, rd: d   } SIMD;
        FMaxNmPHalf "01011110 00110000 110010nn nnnddddd" { rn: n, rd: d          } FP16;
        FMinNmPHalf "01011110 10110000 110010nn nnnddddd" { rn: n, rd: d          } FP16;
        FAddPHalf   "01011110 00110000 110110nn nnnddddd" { rn: n, rd: d          } FP16;
        FMaxPHalf   "01011110 00110000 111110nn nnnddddd" { rn: n, rd: d          } FP16;
        FMinPHalf   "01011110 10110000 111110nn nnnddddd" { rn: n, rd: d          } FP16;
        DupElem     "01011110 000IIIII 000001nn nnnddddd" { imm5: I, rn: n, rd: d } SIMD if |w| w >> 16 & 15 != 0;
    }
}
