//! AdvSIMD across lanes, copy, permute, extract, table look-up and modified immediate, Arm ARM C4.1.95.

use super::simd_size::no_1d;

/// Across lanes: no 64-bit elements, and four 32-bit ones at least.
fn across_ok(w: u32) -> bool {
    match w >> 22 & 3 {
        3 => false,
        2 => w >> 30 & 1 != 0,
        _ => true,
    }
}

/// log2 of the element size in bytes that `imm5` names; 4 or more is reserved.
fn imm5_size(w: u32) -> u32 {
    (w >> 16 & 31).trailing_zeros()
}

fn dup_ok(w: u32) -> bool {
    imm5_size(w) < 3 + (w >> 30 & 1)
}

fn smov_ok(w: u32) -> bool {
    imm5_size(w) < 2 + (w >> 30 & 1)
}

fn umov_ok(w: u32) -> bool {
    if w >> 30 & 1 != 0 {
        imm5_size(w) == 3
    } else {
        imm5_size(w) < 3
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Across lanes.
    SimdAcross {
        SAddLv      "0q001110 ss110000 001110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if across_ok;
        UAddLv      "0q101110 ss110000 001110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if across_ok;
        SMaxV       "0q001110 ss110000 101010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if across_ok;
        UMaxV       "0q101110 ss110000 101010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if across_ok;
        SMinV       "0q001110 ss110001 101010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if across_ok;
        UMinV       "0q101110 ss110001 101010nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if across_ok;
        AddV        "0q001110 ss110001 101110nn nnnddddd" { q: q, size: s, rn: n, rd: d } SIMD if across_ok;
        FMaxNmV     "01101110 00110000 110010nn nnnddddd" { rn: n, rd: d                } SIMD;
        FMinNmV     "01101110 10110000 110010nn nnnddddd" { rn: n, rd: d                } SIMD;
        FMaxV       "01101110 00110000 111110nn nnnddddd" { rn: n, rd: d                } SIMD;
        FMinV       "01101110 10110000 111110nn nnnddddd" { rn: n, rd: d                } SIMD;
        FMaxNmVHalf "0q001110 00110000 110010nn nnnddddd" { q: q, rn: n, rd: d          } FP16;
        FMinNmVHalf "0q001110 10110000 110010nn nnnddddd" { q: q, rn: n, rd: d          } FP16;
        FMaxVHalf   "0q001110 00110000 111110nn nnnddddd" { q: q, rn: n, rd: d          } FP16;
        FMinVHalf   "0q001110 10110000 111110nn nnnddddd" { q: q, rn: n, rd: d          } FP16;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Copy.
    SimdCopy {
        DupElem "0q001110 000IIIII 000001nn nnnddddd" { q: q, imm5: I, rn: n, rd: d    } SIMD if dup_ok;
        DupGen  "0q001110 000IIIII 000011nn nnnddddd" { q: q, imm5: I, rn: n, rd: d    } SIMD if dup_ok;
        SMov    "0q001110 000IIIII 001011nn nnnddddd" { q: q, imm5: I, rn: n, rd: d    } SIMD if smov_ok;
        UMov    "0q001110 000IIIII 001111nn nnnddddd" { q: q, imm5: I, rn: n, rd: d    } SIMD if umov_ok;
        InsGen  "01001110 000IIIII 000111nn nnnddddd" { imm5: I, rn: n, rd: d          } SIMD if |w| w >> 16 & 15 != 0;
        InsElem "01101110 000IIIII 0jjjj1nn nnnddddd" { imm4: j, imm5: I, rn: n, rd: d } SIMD if |w| w >> 16 & 15 != 0;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Permute, extract, table look-up.
    SimdPerm {
        Uzp1 "0q001110 ss0mmmmm 000110nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        Trn1 "0q001110 ss0mmmmm 001010nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        Zip1 "0q001110 ss0mmmmm 001110nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        Uzp2 "0q001110 ss0mmmmm 010110nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        Trn2 "0q001110 ss0mmmmm 011010nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        Zip2 "0q001110 ss0mmmmm 011110nn nnnddddd" { q: q, size: s, rm: m, rn: n, rd: d } SIMD if no_1d;
        Ext  "0q101110 000mmmmm 0jjjj0nn nnnddddd" { q: q, imm4: j, rm: m, rn: n, rd: d } SIMD if |w| w >> 30 & 1 != 0 || w >> 14 & 1 == 0;
        Tbl  "0q001110 000mmmmm 0ll000nn nnnddddd" { q: q, len: l, rm: m, rn: n, rd: d  } SIMD;
        Tbx  "0q001110 000mmmmm 0ll100nn nnnddddd" { q: q, len: l, rm: m, rn: n, rd: d  } SIMD;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Modified immediate.
    SimdImm {
        Movi32  "0q001111 00000AAA 0SS001EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        Mvni32  "0q101111 00000AAA 0SS001EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        Orr32   "0q001111 00000AAA 0SS101EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        Bic32   "0q101111 00000AAA 0SS101EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        Movi16  "0q001111 00000AAA 10S001EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        Mvni16  "0q101111 00000AAA 10S001EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        Orr16   "0q001111 00000AAA 10S101EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        Bic16   "0q101111 00000AAA 10S101EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        MoviMsl "0q001111 00000AAA 110S01EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        MvniMsl "0q101111 00000AAA 110S01EE EEEddddd" { q: q, shift: S, abc: A, defgh: E, rd: d } SIMD;
        Movi8   "0q001111 00000AAA 111001EE EEEddddd" { q: q, abc: A, defgh: E, rd: d           } SIMD;
        Movi64  "0q101111 00000AAA 111001EE EEEddddd" { q: q, abc: A, defgh: E, rd: d           } SIMD;
        FMovS   "0q001111 00000AAA 111101EE EEEddddd" { q: q, abc: A, defgh: E, rd: d           } SIMD;
        FMovD   "01101111 00000AAA 111101EE EEEddddd" { abc: A, defgh: E, rd: d                 } SIMD;
        FMovH   "0q001111 00000AAA 111111EE EEEddddd" { q: q, abc: A, defgh: E, rd: d           } FP16;
    }
}
