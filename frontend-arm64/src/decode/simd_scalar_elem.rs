//! AdvSIMD scalar by indexed element and shift by immediate, Arm ARM C4.1.95.

use super::simd_size::h_or_s;

#[rustfmt::skip]
crate::rows! {
    /// Scalar by element.
    ScalarElem {
        SqDMlaL   "01011111 ssLMRRRR 0011H0nn nnnddddd" { size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqDMlsL   "01011111 ssLMRRRR 0111H0nn nnnddddd" { size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqDMulL   "01011111 ssLMRRRR 1011H0nn nnnddddd" { size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqDMulH   "01011111 ssLMRRRR 1100H0nn nnnddddd" { size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqRDMulH  "01011111 ssLMRRRR 1101H0nn nnnddddd" { size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqRDMlaH  "01111111 ssLMRRRR 1101H0nn nnnddddd" { size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } RDM if h_or_s;
        SqRDMlsH  "01111111 ssLMRRRR 1111H0nn nnnddddd" { size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } RDM if h_or_s;
        FMla      "01011111 1zLMRRRR 0001H0nn nnnddddd" { sz: z, l: L, m: M, h: H, rm4: R, rn: n, rd: d   } SIMD if |w| w >> 22 & 1 == 0 || w >> 21 & 1 == 0;
        FMls      "01011111 1zLMRRRR 0101H0nn nnnddddd" { sz: z, l: L, m: M, h: H, rm4: R, rn: n, rd: d   } SIMD if |w| w >> 22 & 1 == 0 || w >> 21 & 1 == 0;
        FMul      "01011111 1zLMRRRR 1001H0nn nnnddddd" { sz: z, l: L, m: M, h: H, rm4: R, rn: n, rd: d   } SIMD if |w| w >> 22 & 1 == 0 || w >> 21 & 1 == 0;
        FMulX     "01111111 1zLMRRRR 1001H0nn nnnddddd" { sz: z, l: L, m: M, h: H, rm4: R, rn: n, rd: d   } SIMD if |w| w >> 22 & 1 == 0 || w >> 21 & 1 == 0;
        FMlaHalf  "01011111 00LMRRRR 0001H0nn nnnddddd" { l: L, m: M, h: H, rm4: R, rn: n, rd: d          } FP16;
        FMlsHalf  "01011111 00LMRRRR 0101H0nn nnnddddd" { l: L, m: M, h: H, rm4: R, rn: n, rd: d          } FP16;
        FMulHalf  "01011111 00LMRRRR 1001H0nn nnnddddd" { l: L, m: M, h: H, rm4: R, rn: n, rd: d          } FP16;
        FMulXHalf "01111111 00LMRRRR 1001H0nn nnnddddd" { l: L, m: M, h: H, rm4: R, rn: n, rd: d          } FP16;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Scalar shift by immediate.
    ScalarShift {
        SShr       "01011111 01vvvvvv 000001nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        UShr       "01111111 01vvvvvv 000001nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        SSra       "01011111 01vvvvvv 000101nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        USra       "01111111 01vvvvvv 000101nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        SRShr      "01011111 01vvvvvv 001001nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        URShr      "01111111 01vvvvvv 001001nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        SRSra      "01011111 01vvvvvv 001101nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        URSra      "01111111 01vvvvvv 001101nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        Sri        "01111111 01vvvvvv 010001nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        Shl        "01011111 01vvvvvv 010101nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        Sli        "01111111 01vvvvvv 010101nn nnnddddd" { imm6: v, rn: n, rd: d          } SIMD;
        SqShlU     "01111111 0hhhhbbb 011001nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| w >> 19 & 15 != 0;
        SqShl      "01011111 0hhhhbbb 011101nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| w >> 19 & 15 != 0;
        UqShl      "01111111 0hhhhbbb 011101nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| w >> 19 & 15 != 0;
        SqShrun    "01111111 0hhhhbbb 100001nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| (1..8).contains(&(w >> 19 & 15));
        SqRshrun   "01111111 0hhhhbbb 100011nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| (1..8).contains(&(w >> 19 & 15));
        SqShrn     "01011111 0hhhhbbb 100101nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| (1..8).contains(&(w >> 19 & 15));
        UqShrn     "01111111 0hhhhbbb 100101nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| (1..8).contains(&(w >> 19 & 15));
        SqRshrn    "01011111 0hhhhbbb 100111nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| (1..8).contains(&(w >> 19 & 15));
        UqRshrn    "01111111 0hhhhbbb 100111nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| (1..8).contains(&(w >> 19 & 15));
        SCvtF      "01011111 0hhhhbbb 111001nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| w >> 19 & 15 >= 4;
        UCvtF      "01111111 0hhhhbbb 111001nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| w >> 19 & 15 >= 4;
        FCvtZS     "01011111 0hhhhbbb 111111nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| w >> 19 & 15 >= 4;
        FCvtZU     "01111111 0hhhhbbb 111111nn nnnddddd" { immh: h, immb: b, rn: n, rd: d } SIMD if |w| w >> 19 & 15 >= 4;
        SCvtFHalf  "01011111 0001ibbb 111001nn nnnddddd" { immb: b, imm: i, rn: n, rd: d  } FP16;
        UCvtFHalf  "01111111 0001ibbb 111001nn nnnddddd" { immb: b, imm: i, rn: n, rd: d  } FP16;
        FCvtZSHalf "01011111 0001ibbb 111111nn nnnddddd" { immb: b, imm: i, rn: n, rd: d  } FP16;
        FCvtZUHalf "01111111 0001ibbb 111111nn nnnddddd" { immb: b, imm: i, rn: n, rd: d  } FP16;
    }
}
