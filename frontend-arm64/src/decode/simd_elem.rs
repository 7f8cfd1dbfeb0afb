//! AdvSIMD vector by indexed element, Arm ARM C4.1.95. The element number is made of H, L, M as the size says; `rm4` is
//! Rm without its top bit M.

use super::simd_size::{fp_elem, h_or_s};

#[rustfmt::skip]
crate::rows! {
    /// By element: integer.
    SimdElem {
        SMlaL    "0q001111 ssLMRRRR 0010H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqDMlaL  "0q001111 ssLMRRRR 0011H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SMlsL    "0q001111 ssLMRRRR 0110H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqDMlsL  "0q001111 ssLMRRRR 0111H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        Mul      "0q001111 ssLMRRRR 1000H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SMulL    "0q001111 ssLMRRRR 1010H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqDMulL  "0q001111 ssLMRRRR 1011H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqDMulH  "0q001111 ssLMRRRR 1100H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqRDMulH "0q001111 ssLMRRRR 1101H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        Mla      "0q101111 ssLMRRRR 0000H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        Mls      "0q101111 ssLMRRRR 0100H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        UMlaL    "0q101111 ssLMRRRR 0010H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        UMlsL    "0q101111 ssLMRRRR 0110H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        UMulL    "0q101111 ssLMRRRR 1010H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } SIMD if h_or_s;
        SqRDMlaH "0q101111 ssLMRRRR 1101H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } RDM if h_or_s;
        SqRDMlsH "0q101111 ssLMRRRR 1111H0nn nnnddddd" { q: q, size: s, l: L, m: M, h: H, rm4: R, rn: n, rd: d } RDM if h_or_s;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// By element: floating point, dot products, BFloat16.
    SimdElemFp {
        FMla      "0q001111 1zLMRRRR 0001H0nn nnnddddd" { q: q, sz: z, l: L, m: M, h: H, rm4: R, rn: n, rd: d  } SIMD if fp_elem;
        FMls      "0q001111 1zLMRRRR 0101H0nn nnnddddd" { q: q, sz: z, l: L, m: M, h: H, rm4: R, rn: n, rd: d  } SIMD if fp_elem;
        FMul      "0q001111 1zLMRRRR 1001H0nn nnnddddd" { q: q, sz: z, l: L, m: M, h: H, rm4: R, rn: n, rd: d  } SIMD if fp_elem;
        FMulX     "0q101111 1zLMRRRR 1001H0nn nnnddddd" { q: q, sz: z, l: L, m: M, h: H, rm4: R, rn: n, rd: d  } SIMD if fp_elem;
        FMlaHalf  "0q001111 00LMRRRR 0001H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } FP16;
        FMlsHalf  "0q001111 00LMRRRR 0101H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } FP16;
        FMulHalf  "0q001111 00LMRRRR 1001H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } FP16;
        FMulXHalf "0q101111 00LMRRRR 1001H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } FP16;
        FCMlaHalf "0q101111 01LMRRRR 0rr1H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rot: r, rn: n, rd: d } FCMA if |w| w >> 30 & 1 != 0 || w >> 11 & 1 == 0;
        FCMla     "01101111 100MRRRR 0rr1H0nn nnnddddd" { m: M, h: H, rm4: R, rot: r, rn: n, rd: d             } FCMA;
        FMlal     "0q001111 10LMRRRR 0000H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } FHM;
        FMlsl     "0q001111 10LMRRRR 0100H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } FHM;
        FMlal2    "0q101111 10LMRRRR 1000H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } FHM;
        FMlsl2    "0q101111 10LMRRRR 1100H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } FHM;
        SDot      "0q001111 10LMRRRR 1110H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } DOTPROD;
        UDot      "0q101111 10LMRRRR 1110H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } DOTPROD;
        SuDot     "0q001111 00LMRRRR 1111H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } I8MM;
        UsDot     "0q001111 10LMRRRR 1111H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } I8MM;
        BfDot     "0q001111 01LMRRRR 1111H0nn nnnddddd" { q: q, l: L, m: M, h: H, rm4: R, rn: n, rd: d         } BF16;
        BfMlalB   "00001111 11LMRRRR 1111H0nn nnnddddd" { l: L, m: M, h: H, rm4: R, rn: n, rd: d               } BF16;
        BfMlalT   "01001111 11LMRRRR 1111H0nn nnnddddd" { l: L, m: M, h: H, rm4: R, rn: n, rd: d               } BF16;
    }
}
