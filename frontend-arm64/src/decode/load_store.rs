//! Loads and stores of general and FP registers: literal, pair, immediate, register offset (Arm ARM C4.1.96). Exclusive, ordered and
//! atomic ones are in `atomic`, structures in `load_store_simd`.

/// Sign-extending loads: `size` 00 and 01 to either width, 10 to X only.
fn signed_ok(w: u32) -> bool {
    match w >> 30 {
        0 | 1 => true,
        2 => w >> 22 & 1 == 0,
        _ => false,
    }
}

/// V registers: bit 23 (opc<1>) makes 128 bits and needs size 00.
fn vsize_ok(w: u32) -> bool {
    w >> 23 & 1 == 0 || w >> 30 == 0
}

/// Register offset: option<1> is 1 (a 32- or 64-bit index).
fn option_ok(w: u32) -> bool {
    w >> 14 & 1 == 1
}

/// Pairs: opc 11 is unallocated.
fn vpair_ok(w: u32) -> bool {
    w >> 30 != 3
}

/// LDPSW and STGP have no no-allocate form.
fn indexed(w: u32) -> bool {
    w >> 23 & 3 != 0
}

/// CPY: three stages, three different registers, none of them 31.
fn copy_ok(w: u32) -> bool {
    w >> 22 & 3 != 3 && w >> 16 & 31 != 31 && set_registers_ok(w)
}

/// SET: three stages; the value may be XZR.
fn set_ok(w: u32) -> bool {
    w >> 14 & 3 != 3 && set_registers_ok(w)
}

fn set_registers_ok(w: u32) -> bool {
    let (s, n, d) = (w >> 16 & 31, w >> 5 & 31, w & 31);
    s != n && s != d && n != d && n != 31 && d != 31
}

#[rustfmt::skip]
crate::rows! {
    /// Loads and stores.
    LoadStore {
        LdrLitW    "00011000 iiiiiiii iiiiiiii iiittttt" { imm19: i, rt: t } BASE;
        LdrLitX    "01011000 iiiiiiii iiiiiiii iiittttt" { imm19: i, rt: t } BASE;
        LdrswLit   "10011000 iiiiiiii iiiiiiii iiittttt" { imm19: i, rt: t } BASE;
        PrfmLit    "11011000 iiiiiiii iiiiiiii iiittttt" { imm19: i, rt: t } BASE;
        LdrLitV    "ss011100 iiiiiiii iiiiiiii iiittttt" { opc: s, imm19: i, rt: t } FP if vpair_ok;

        /// `mode` 0 no-allocate, 1 post-index, 2 offset, 3 pre-index.
        Stp        "f010100p p0iiiiii iuuuuunn nnnttttt" { sf: f, mode: p, imm7: i, rt2: u, rn: n, rt: t } BASE;
        Ldp        "f010100p p1iiiiii iuuuuunn nnnttttt" { sf: f, mode: p, imm7: i, rt2: u, rn: n, rt: t } BASE;
        Ldpsw      "0110100p p1iiiiii iuuuuunn nnnttttt" { mode: p, imm7: i, rt2: u, rn: n, rt: t } BASE if indexed;
        Stgp       "0110100p p0iiiiii iuuuuunn nnnttttt" { mode: p, imm7: i, rt2: u, rn: n, rt: t } MTE if indexed;
        StpV       "oo10110p p0iiiiii iuuuuunn nnnttttt" { opc: o, mode: p, imm7: i, rt2: u, rn: n, rt: t } FP if vpair_ok;
        LdpV       "oo10110p p1iiiiii iuuuuunn nnnttttt" { opc: o, mode: p, imm7: i, rt2: u, rn: n, rt: t } FP if vpair_ok;

        Stur       "ss111000 000iiiii iiii00nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } BASE;
        Ldur       "ss111000 010iiiii iiii00nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } BASE;
        Ldurs      "ss111000 1o0iiiii iiii00nn nnnttttt" { size: s, w: o, imm9: i, rn: n, rt: t } BASE if signed_ok;
        Prfum      "11111000 100iiiii iiii00nn nnnttttt" { imm9: i, rn: n, rt: t } BASE;
        StrPost    "ss111000 000iiiii iiii01nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } BASE;
        LdrPost    "ss111000 010iiiii iiii01nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } BASE;
        LdrsPost   "ss111000 1o0iiiii iiii01nn nnnttttt" { size: s, w: o, imm9: i, rn: n, rt: t } BASE if signed_ok;
        Sttr       "ss111000 000iiiii iiii10nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } BASE;
        Ldtr       "ss111000 010iiiii iiii10nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } BASE;
        Ldtrs      "ss111000 1o0iiiii iiii10nn nnnttttt" { size: s, w: o, imm9: i, rn: n, rt: t } BASE if signed_ok;
        StrPre     "ss111000 000iiiii iiii11nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } BASE;
        LdrPre     "ss111000 010iiiii iiii11nn nnnttttt" { size: s, imm9: i, rn: n, rt: t } BASE;
        LdrsPre    "ss111000 1o0iiiii iiii11nn nnnttttt" { size: s, w: o, imm9: i, rn: n, rt: t } BASE if signed_ok;

        /// `q` and `size` of V registers: 128 bits with `q` set, else `8 << size`.
        SturV      "ss111100 q00iiiii iiii00nn nnnttttt" { size: s, q: q, imm9: i, rn: n, rt: t } FP if vsize_ok;
        LdurV      "ss111100 q10iiiii iiii00nn nnnttttt" { size: s, q: q, imm9: i, rn: n, rt: t } FP if vsize_ok;
        StrPostV   "ss111100 q00iiiii iiii01nn nnnttttt" { size: s, q: q, imm9: i, rn: n, rt: t } FP if vsize_ok;
        LdrPostV   "ss111100 q10iiiii iiii01nn nnnttttt" { size: s, q: q, imm9: i, rn: n, rt: t } FP if vsize_ok;
        StrPreV    "ss111100 q00iiiii iiii11nn nnnttttt" { size: s, q: q, imm9: i, rn: n, rt: t } FP if vsize_ok;
        LdrPreV    "ss111100 q10iiiii iiii11nn nnnttttt" { size: s, q: q, imm9: i, rn: n, rt: t } FP if vsize_ok;

        StrReg     "ss111000 001mmmmm oooh10nn nnnttttt" { size: s, rm: m, option: o, s: h, rn: n, rt: t } BASE if option_ok;
        LdrReg     "ss111000 011mmmmm oooh10nn nnnttttt" { size: s, rm: m, option: o, s: h, rn: n, rt: t } BASE if option_ok;
        LdrsReg    "ss111000 1w1mmmmm oooh10nn nnnttttt" { size: s, w: w, rm: m, option: o, s: h, rn: n, rt: t } BASE if |w| option_ok(w) && signed_ok(w);
        PrfmReg    "11111000 101mmmmm oooh10nn nnnttttt" { rm: m, option: o, s: h, rn: n, rt: t } BASE if option_ok;
        StrRegV    "ss111100 q01mmmmm oooh10nn nnnttttt" { size: s, q: q, rm: m, option: o, s: h, rn: n, rt: t } FP if |w| option_ok(w) && vsize_ok(w);
        LdrRegV    "ss111100 q11mmmmm oooh10nn nnnttttt" { size: s, q: q, rm: m, option: o, s: h, rn: n, rt: t } FP if |w| option_ok(w) && vsize_ok(w);

        StrImm     "ss111001 00iiiiii iiiiiinn nnnttttt" { size: s, imm12: i, rn: n, rt: t } BASE;
        LdrImm     "ss111001 01iiiiii iiiiiinn nnnttttt" { size: s, imm12: i, rn: n, rt: t } BASE;
        LdrsImm    "ss111001 1oiiiiii iiiiiinn nnnttttt" { size: s, w: o, imm12: i, rn: n, rt: t } BASE if signed_ok;
        PrfmImm    "11111001 10iiiiii iiiiiinn nnnttttt" { imm12: i, rn: n, rt: t } BASE;
        StrImmV    "ss111101 q0iiiiii iiiiiinn nnnttttt" { size: s, q: q, imm12: i, rn: n, rt: t } FP if vsize_ok;
        LdrImmV    "ss111101 q1iiiiii iiiiiinn nnnttttt" { size: s, q: q, imm12: i, rn: n, rt: t } FP if vsize_ok;

        /// LDRAA, LDRAB.
        Ldra       "11111000 kh1iiiii iiiiw1nn nnnttttt" { key: k, s: h, imm9: i, w: w, rn: n, rt: t } PAUTH;

        /// Memory copy and set: prologue, main, epilogue by `stage`.
        Cpyf       "00011001 oo0sssss pppp01nn nnnddddd" { stage: o, rs: s, opts: p, rn: n, rd: d } MOPS if copy_ok;
        Cpy        "00011101 oo0sssss pppp01nn nnnddddd" { stage: o, rs: s, opts: p, rn: n, rd: d } MOPS if copy_ok;
        Set        "00011001 110sssss oopp01nn nnnddddd" { rs: s, stage: o, opts: p, rn: n, rd: d } MOPS if set_ok;
        /// SETG*: belongs to FEAT_MOPS and FEAT_MTE.
        Setg       "00011101 110sssss oopp01nn nnnddddd" { rs: s, stage: o, opts: p, rn: n, rd: d } MTE if set_ok;

        Stzgm      "11011001 00100000 000000nn nnnttttt" { rn: n, rt: t } MTE;
        Stgm       "11011001 10100000 000000nn nnnttttt" { rn: n, rt: t } MTE;
        Ldgm       "11011001 11100000 000000nn nnnttttt" { rn: n, rt: t } MTE;
        Ldg        "11011001 011iiiii iiii00nn nnnttttt" { imm9: i, rn: n, rt: t } MTE;
        /// STG, STZG, ST2G, STZ2G by `op`; `mode` 1 post-index, 2 offset, 3 pre-index.
        Stg        "11011001 oo1iiiii iiiippnn nnnttttt" { op: o, imm9: i, mode: p, rn: n, rt: t } MTE if |w| w >> 10 & 3 != 0;
    }
}
