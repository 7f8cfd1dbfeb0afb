//! Exclusive, ordered and atomic accesses (Arm ARM C4.1.96).
//!
//! The "should be one" register fields of the exclusive and ordered forms are ignored (assemblers write ones; processors do
//! not look). A store-exclusive whose status register is also its data or address register is CONSTRAINED UNPREDICTABLE
//! and refused.

/// LDAPURS: as for LDURS.
fn signed_ok(w: u32) -> bool {
    match w >> 30 {
        0 | 1 => true,
        2 => w >> 22 & 1 == 0,
        _ => false,
    }
}

/// CASP works on even register pairs.
fn even_pairs(w: u32) -> bool {
    w >> 16 & 1 == 0 && w & 1 == 0
}

/// Rs = Rt, or Rs = Rn (unless that is SP).
fn status_overlaps(w: u32) -> bool {
    let (s, n, t) = (w >> 16 & 31, w >> 5 & 31, w & 31);
    s == t || (s == n && n != 31)
}

/// The same for the pair, with Rt2.
fn status_overlaps_pair(w: u32) -> bool {
    status_overlaps(w) || w >> 16 & 31 == w >> 10 & 31
}

#[rustfmt::skip]
crate::rows! {
    /// Exclusive, ordered and atomic memory accesses.
    Atomic {
        Stxr       "ss001000 000wwwww 0xxxxxnn nnnttttt" { size: s, rs: w, rn: n, rt: t } BASE, unpredictable status_overlaps;
        Stlxr      "ss001000 000wwwww 1xxxxxnn nnnttttt" { size: s, rs: w, rn: n, rt: t } BASE, unpredictable status_overlaps;
        Ldxr       "ss001000 010xxxxx 0xxxxxnn nnnttttt" { size: s, rn: n, rt: t } BASE;
        Ldaxr      "ss001000 010xxxxx 1xxxxxnn nnnttttt" { size: s, rn: n, rt: t } BASE;
        Stxp       "1f001000 001wwwww 0uuuuunn nnnttttt" { sf: f, rs: w, rt2: u, rn: n, rt: t } BASE, unpredictable status_overlaps_pair;
        Stlxp      "1f001000 001wwwww 1uuuuunn nnnttttt" { sf: f, rs: w, rt2: u, rn: n, rt: t } BASE, unpredictable status_overlaps_pair;
        Ldxp       "1f001000 011xxxxx 0uuuuunn nnnttttt" { sf: f, rt2: u, rn: n, rt: t } BASE;
        Ldaxp      "1f001000 011xxxxx 1uuuuunn nnnttttt" { sf: f, rt2: u, rn: n, rt: t } BASE;
        Stllr      "ss001000 100xxxxx 0xxxxxnn nnnttttt" { size: s, rn: n, rt: t } LOR;
        Stlr       "ss001000 100xxxxx 1xxxxxnn nnnttttt" { size: s, rn: n, rt: t } BASE;
        Ldlar      "ss001000 110xxxxx 0xxxxxnn nnnttttt" { size: s, rn: n, rt: t } LOR;
        Ldar       "ss001000 110xxxxx 1xxxxxnn nnnttttt" { size: s, rn: n, rt: t } BASE;
        Casp       "0f001000 0a1wwwww r11111nn nnnttttt" { sf: f, a: a, rs: w, r: r, rn: n, rt: t } LSE if even_pairs;
        Cas        "ss001000 1a1wwwww r11111nn nnnttttt" { size: s, a: a, rs: w, r: r, rn: n, rt: t } LSE;

        Stlur      "ss011001 000iiiii iiii00nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } LRCPC2;
        Ldapur     "ss011001 010iiiii iiii00nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } LRCPC2;
        Ldapurs    "ss011001 1o0iiiii iiii00nn nnnttttt" { size: s, w: o, imm9: i, rn: n, rt: t } LRCPC2 if signed_ok;

        /// LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN by `op`.
        Ldop       "ss111000 ar1wwwww 0ooo00nn nnnttttt" { size: s, a: a, r: r, rs: w, op: o, rn: n, rt: t } LSE;
        Swp        "ss111000 ar1wwwww 100000nn nnnttttt" { size: s, a: a, r: r, rs: w, rn: n, rt: t } LSE;
        Ldapr      "ss111000 101xxxxx 110000nn nnnttttt" { size: s, rn: n, rt: t } LRCPC;
    }
}
