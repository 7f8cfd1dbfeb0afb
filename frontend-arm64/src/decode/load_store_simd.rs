//! AdvSIMD loads and stores of structures (Arm ARM C4.1.96).

/// LD2..LD4 and ST2..ST4 of whole registers have no 1D arrangement.
fn arranged(w: u32) -> bool {
    w >> 30 & 1 != 0 || w >> 10 & 3 != 3
}

/// One lane: the element size is in opcode<2:1> and size; the bits that the lane number does not use are 0.
fn lane_ok(w: u32) -> bool {
    let (size, s) = (w >> 10 & 3, w >> 12 & 1);
    match w >> 14 & 3 {
        0 => true,
        1 => size & 1 == 0,
        2 => size == 0 || (size == 1 && s == 0),
        _ => false,
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Structure loads and stores. `l` is 1 for a load; `rm` of the post-indexed forms is 31 for the immediate.
    LoadStoreSimd {
        Ldst4      "0q001100 0l000000 0000ssnn nnnttttt" { q: q, l: l, size: s, rn: n, rt: t } SIMD if arranged;
        Ldst1x4    "0q001100 0l000000 0010ssnn nnnttttt" { q: q, l: l, size: s, rn: n, rt: t } SIMD;
        Ldst3      "0q001100 0l000000 0100ssnn nnnttttt" { q: q, l: l, size: s, rn: n, rt: t } SIMD if arranged;
        Ldst1x3    "0q001100 0l000000 0110ssnn nnnttttt" { q: q, l: l, size: s, rn: n, rt: t } SIMD;
        Ldst1x1    "0q001100 0l000000 0111ssnn nnnttttt" { q: q, l: l, size: s, rn: n, rt: t } SIMD;
        Ldst2      "0q001100 0l000000 1000ssnn nnnttttt" { q: q, l: l, size: s, rn: n, rt: t } SIMD if arranged;
        Ldst1x2    "0q001100 0l000000 1010ssnn nnnttttt" { q: q, l: l, size: s, rn: n, rt: t } SIMD;
        Ldst4Post  "0q001100 1l0mmmmm 0000ssnn nnnttttt" { q: q, l: l, rm: m, size: s, rn: n, rt: t } SIMD if arranged;
        Ldst1x4Post "0q001100 1l0mmmmm 0010ssnn nnnttttt" { q: q, l: l, rm: m, size: s, rn: n, rt: t } SIMD;
        Ldst3Post  "0q001100 1l0mmmmm 0100ssnn nnnttttt" { q: q, l: l, rm: m, size: s, rn: n, rt: t } SIMD if arranged;
        Ldst1x3Post "0q001100 1l0mmmmm 0110ssnn nnnttttt" { q: q, l: l, rm: m, size: s, rn: n, rt: t } SIMD;
        Ldst1x1Post "0q001100 1l0mmmmm 0111ssnn nnnttttt" { q: q, l: l, rm: m, size: s, rn: n, rt: t } SIMD;
        Ldst2Post  "0q001100 1l0mmmmm 1000ssnn nnnttttt" { q: q, l: l, rm: m, size: s, rn: n, rt: t } SIMD if arranged;
        Ldst1x2Post "0q001100 1l0mmmmm 1010ssnn nnnttttt" { q: q, l: l, rm: m, size: s, rn: n, rt: t } SIMD;
        /// LD1..LD4, ST1..ST4 of one lane: registers minus one = `o0`:`r`, element by `scale`, `size`, `s`, `q`.
        LdstLane   "0q001101 0lr00000 ccohssnn nnnttttt" { q: q, l: l, r: r, scale: c, o0: o, s: h, size: s, rn: n, rt: t } SIMD if lane_ok;
        LdstLanePost "0q001101 1lrmmmmm ccohssnn nnnttttt" { q: q, l: l, r: r, rm: m, scale: c, o0: o, s: h, size: s, rn: n, rt: t } SIMD if lane_ok;
        LdRep      "0q001101 01r00000 11o0ssnn nnnttttt" { q: q, r: r, o0: o, size: s, rn: n, rt: t } SIMD;
        LdRepPost  "0q001101 11rmmmmm 11o0ssnn nnnttttt" { q: q, r: r, rm: m, o0: o, size: s, rn: n, rt: t } SIMD;
    }
}
