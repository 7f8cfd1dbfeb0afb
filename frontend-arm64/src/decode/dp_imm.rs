//! Data processing, immediate (Arm ARM C4.1.93).

#[rustfmt::skip]
crate::rows! {
    /// Data processing (immediate).
    DpImm {
        Adr        "0ll10000 iiiiiiii iiiiiiii iiiddddd" { immlo: l, immhi: i, rd: d } BASE;
        Adrp       "1ll10000 iiiiiiii iiiiiiii iiiddddd" { immlo: l, immhi: i, rd: d } BASE;
        AddImm     "f0010001 0siiiiii iiiiiinn nnnddddd" { sf: f, sh: s, imm12: i, rn: n, rd: d } BASE;
        AddsImm    "f0110001 0siiiiii iiiiiinn nnnddddd" { sf: f, sh: s, imm12: i, rn: n, rd: d } BASE;
        SubImm     "f1010001 0siiiiii iiiiiinn nnnddddd" { sf: f, sh: s, imm12: i, rn: n, rd: d } BASE;
        SubsImm    "f1110001 0siiiiii iiiiiinn nnnddddd" { sf: f, sh: s, imm12: i, rn: n, rd: d } BASE;
        AndImm     "f0010010 0Nrrrrrr ssssssnn nnnddddd" { sf: f, n: N, immr: r, imms: s, rn: n, rd: d } BASE if super::imm::bitmask_ok;
    }
}
