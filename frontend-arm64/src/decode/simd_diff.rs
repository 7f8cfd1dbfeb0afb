//! AdvSIMD three different, Arm ARM C4.1.95: widening, narrowing, long multiplies.

use super::simd_size::{h_or_s, lt_d};

#[rustfmt::skip]
crate::rows! {
    /// Three different.
    SimdDiff {
        SAddL   "0q001110 ss1mmmmm 000000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UAddL   "0q101110 ss1mmmmm 000000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SAddW   "0q001110 ss1mmmmm 000100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UAddW   "0q101110 ss1mmmmm 000100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SSubL   "0q001110 ss1mmmmm 001000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        USubL   "0q101110 ss1mmmmm 001000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SSubW   "0q001110 ss1mmmmm 001100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        USubW   "0q101110 ss1mmmmm 001100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        AddHn   "0q001110 ss1mmmmm 010000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        RAddHn  "0q101110 ss1mmmmm 010000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SAbaL   "0q001110 ss1mmmmm 010100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UAbaL   "0q101110 ss1mmmmm 010100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SubHn   "0q001110 ss1mmmmm 011000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        RSubHn  "0q101110 ss1mmmmm 011000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SAbdL   "0q001110 ss1mmmmm 011100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UAbdL   "0q101110 ss1mmmmm 011100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SMlaL   "0q001110 ss1mmmmm 100000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UMlaL   "0q101110 ss1mmmmm 100000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SMlsL   "0q001110 ss1mmmmm 101000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UMlsL   "0q101110 ss1mmmmm 101000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SMulL   "0q001110 ss1mmmmm 110000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        UMulL   "0q101110 ss1mmmmm 110000nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if lt_d;
        SqDMlaL "0q001110 ss1mmmmm 100100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
        SqDMlsL "0q001110 ss1mmmmm 101100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
        SqDMulL "0q001110 ss1mmmmm 110100nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if h_or_s;
        PMulL   "0q001110 001mmmmm 111000nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } SIMD;
        PMulLD  "0q001110 111mmmmm 111000nn nnnddddd" { q: q, rm: m, rn: n, rd: d          } PMULL;
    }
}
