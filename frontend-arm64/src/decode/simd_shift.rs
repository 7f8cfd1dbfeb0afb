//! AdvSIMD shift by immediate, Arm ARM C4.1.95. immh = 0 belongs to the modified immediates.

/// Any element size; 64-bit elements need a 128-bit vector.
fn any_shift(w: u32) -> bool {
    w >> 19 & 15 != 0 && (w >> 22 & 1 == 0 || w >> 30 & 1 != 0)
}

/// Narrow elements of 8, 16 or 32 bits.
fn narrow_shift(w: u32) -> bool {
    (1..8).contains(&(w >> 19 & 15))
}

/// Fixed point of single or (128 bits) double precision.
fn fixed_sd(w: u32) -> bool {
    w >> 19 & 15 >= 4 && any_shift(w)
}

#[rustfmt::skip]
crate::rows! {
    /// Shift by immediate.
    SimdShift {
        SShr       "0q001111 0hhhhbbb 000001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        UShr       "0q101111 0hhhhbbb 000001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        SSra       "0q001111 0hhhhbbb 000101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        USra       "0q101111 0hhhhbbb 000101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        SRShr      "0q001111 0hhhhbbb 001001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        URShr      "0q101111 0hhhhbbb 001001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        SRSra      "0q001111 0hhhhbbb 001101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        URSra      "0q101111 0hhhhbbb 001101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        Sri        "0q101111 0hhhhbbb 010001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        Shl        "0q001111 0hhhhbbb 010101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        Sli        "0q101111 0hhhhbbb 010101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        SqShlU     "0q101111 0hhhhbbb 011001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        SqShl      "0q001111 0hhhhbbb 011101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        UqShl      "0q101111 0hhhhbbb 011101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if any_shift;
        Shrn       "0q001111 0hhhhbbb 100001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        Rshrn      "0q001111 0hhhhbbb 100011nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        SqShrun    "0q101111 0hhhhbbb 100001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        SqRshrun   "0q101111 0hhhhbbb 100011nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        SqShrn     "0q001111 0hhhhbbb 100101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        UqShrn     "0q101111 0hhhhbbb 100101nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        SqRshrn    "0q001111 0hhhhbbb 100111nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        UqRshrn    "0q101111 0hhhhbbb 100111nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        SShll      "0q001111 0hhhhbbb 101001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        UShll      "0q101111 0hhhhbbb 101001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if narrow_shift;
        SCvtF      "0q001111 0hhhhbbb 111001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if fixed_sd;
        UCvtF      "0q101111 0hhhhbbb 111001nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if fixed_sd;
        FCvtZS     "0q001111 0hhhhbbb 111111nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if fixed_sd;
        FCvtZU     "0q101111 0hhhhbbb 111111nn nnnddddd" { q: q, immh: h, immb: b, rn: n, rd: d } SIMD if fixed_sd;
        SCvtFHalf  "0q001111 0001ibbb 111001nn nnnddddd" { q: q, immb: b, imm: i, rn: n, rd: d  } FP16;
        UCvtFHalf  "0q101111 0001ibbb 111001nn nnnddddd" { q: q, immb: b, imm: i, rn: n, rd: d  } FP16;
        FCvtZSHalf "0q001111 0001ibbb 111111nn nnnddddd" { q: q, immb: b, imm: i, rn: n, rd: d  } FP16;
        FCvtZUHalf "0q101111 0001ibbb 111111nn nnnddddd" { q: q, immb: b, imm: i, rn: n, rd: d  } FP16;
    }
}
