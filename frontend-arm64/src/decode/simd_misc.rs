//! AdvSIMD two-register miscellaneous, Arm ARM C4.1.95: integer, floating point, half precision.

use super::simd_size::{fp_q, lt_d, no_1d};

#[rustfmt::skip]
crate::rows! {
    /// Two-register miscellaneous: integer.
    SimdMisc {
        Rev64  "0q001110 ss100000 000010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        Rev32  "0q101110 0s100000 000010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD;
        Rev16  "0q001110 00100000 000110nn nnnddddd" { q: q, rn: n, rd: d          } SIMD;
        SAddLp "0q001110 ss100000 001010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        UAddLp "0q101110 ss100000 001010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        SuqAdd "0q001110 ss100000 001110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        UsqAdd "0q101110 ss100000 001110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        Cls    "0q001110 ss100000 010010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        Clz    "0q101110 ss100000 010010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        Cnt    "0q001110 00100000 010110nn nnnddddd" { q: q, rn: n, rd: d          } SIMD;
        Not    "0q101110 00100000 010110nn nnnddddd" { q: q, rn: n, rd: d          } SIMD;
        Rbit   "0q101110 01100000 010110nn nnnddddd" { q: q, rn: n, rd: d          } SIMD;
        SAdaLp "0q001110 ss100000 011010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        UAdaLp "0q101110 ss100000 011010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        SqAbs  "0q001110 ss100000 011110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        SqNeg  "0q101110 ss100000 011110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        CmGt0  "0q001110 ss100000 100010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        CmGe0  "0q101110 ss100000 100010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        CmEq0  "0q001110 ss100000 100110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        CmLe0  "0q101110 ss100000 100110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        CmLt0  "0q001110 ss100000 101010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        Abs    "0q001110 ss100000 101110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        Neg    "0q101110 ss100000 101110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if no_1d;
        Xtn    "0q001110 ss100001 001010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        SqXtUn "0q101110 ss100001 001010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        Shll   "0q101110 ss100001 001110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        SqXtn  "0q001110 ss100001 010010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
        UqXtn  "0q101110 ss100001 010010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if lt_d;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Two-register miscellaneous: single and double precision (`sz`).
    SimdMiscFp {
        FRintN   "0q001110 0z100001 100010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FRintA   "0q101110 0z100001 100010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FRintP   "0q001110 1z100001 100010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FRintM   "0q001110 0z100001 100110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FRintX   "0q101110 0z100001 100110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FRintZ   "0q001110 1z100001 100110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FRintI   "0q101110 1z100001 100110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtNS   "0q001110 0z100001 101010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtNU   "0q101110 0z100001 101010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtPS   "0q001110 1z100001 101010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtPU   "0q101110 1z100001 101010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtMS   "0q001110 0z100001 101110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtMU   "0q101110 0z100001 101110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtZS   "0q001110 1z100001 101110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtZU   "0q101110 1z100001 101110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtAS   "0q001110 0z100001 110010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCvtAU   "0q101110 0z100001 110010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        SCvtF    "0q001110 0z100001 110110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        UCvtF    "0q101110 0z100001 110110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FRecpE   "0q001110 1z100001 110110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FRsqrtE  "0q101110 1z100001 110110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FSqrt    "0q101110 1z100001 111110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCmGt0   "0q001110 1z100000 110010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCmGe0   "0q101110 1z100000 110010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCmEq0   "0q001110 1z100000 110110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCmLe0   "0q101110 1z100000 110110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FCmLt0   "0q001110 1z100000 111010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FAbs     "0q001110 1z100000 111110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FNeg     "0q101110 1z100000 111110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD if fp_q;
        FRint32Z "0q001110 0z100001 111010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } FRINTTS if fp_q;
        FRint32X "0q101110 0z100001 111010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } FRINTTS if fp_q;
        FRint64Z "0q001110 0z100001 111110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } FRINTTS if fp_q;
        FRint64X "0q101110 0z100001 111110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } FRINTTS if fp_q;
        URecpE   "0q001110 10100001 110010nn nnnddddd" { q: q, rn: n, rd: d        } SIMD;
        URsqrtE  "0q101110 10100001 110010nn nnnddddd" { q: q, rn: n, rd: d        } SIMD;
        FCvtN    "0q001110 0z100001 011010nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD;
        FCvtXn   "0q101110 01100001 011010nn nnnddddd" { q: q, rn: n, rd: d        } SIMD;
        BfCvtN   "0q001110 10100001 011010nn nnnddddd" { q: q, rn: n, rd: d        } BF16;
        FCvtL    "0q001110 0z100001 011110nn nnnddddd" { q: q, sz: z, rn: n, rd: d } SIMD;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Two-register miscellaneous: half precision.
    SimdMiscHalf {
        FRintN  "0q001110 01111001 100010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FRintA  "0q101110 01111001 100010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FRintP  "0q001110 11111001 100010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FRintM  "0q001110 01111001 100110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FRintX  "0q101110 01111001 100110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FRintZ  "0q001110 11111001 100110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FRintI  "0q101110 11111001 100110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtNS  "0q001110 01111001 101010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtNU  "0q101110 01111001 101010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtPS  "0q001110 11111001 101010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtPU  "0q101110 11111001 101010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtMS  "0q001110 01111001 101110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtMU  "0q101110 01111001 101110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtZS  "0q001110 11111001 101110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtZU  "0q101110 11111001 101110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtAS  "0q001110 01111001 110010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCvtAU  "0q101110 01111001 110010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        SCvtF   "0q001110 01111001 110110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        UCvtF   "0q101110 01111001 110110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FRecpE  "0q001110 11111001 110110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FRsqrtE "0q101110 11111001 110110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FSqrt   "0q101110 11111001 111110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCmGt0  "0q001110 11111000 110010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCmGe0  "0q101110 11111000 110010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCmEq0  "0q001110 11111000 110110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCmLe0  "0q101110 11111000 110110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FCmLt0  "0q001110 11111000 111010nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FAbs    "0q001110 11111000 111110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
        FNeg    "0q101110 11111000 111110nn nnnddddd" { q: q, rn: n, rd: d } FP16;
    }
}
