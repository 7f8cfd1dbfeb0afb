//! Data processing, immediate (Arm ARM C4.1.93).

/// 32-bit forms need imm6 below 32.
fn sf_imms_ok(w: u32) -> bool {
    w >> 31 != 0 || (w >> 15 & 1 == 0 && w >> 21 & 1 == 0)
}

/// MOVZ, MOVN, MOVK: a 32-bit register has two halfwords.
fn hw_ok(w: u32) -> bool {
    w >> 31 != 0 || w >> 22 & 1 == 0
}

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
        Addg       "10010001 10iiiiii 00ggggnn nnnddddd" { uimm6: i, uimm4: g, rn: n, rd: d } MTE;
        Subg       "11010001 10iiiiii 00ggggnn nnnddddd" { uimm6: i, uimm4: g, rn: n, rd: d } MTE;
        SmaxImm    "f0010001 110000ii iiiiiinn nnnddddd" { sf: f, imm8: i, rn: n, rd: d } CSSC;
        UmaxImm    "f0010001 110001ii iiiiiinn nnnddddd" { sf: f, imm8: i, rn: n, rd: d } CSSC;
        SminImm    "f0010001 110010ii iiiiiinn nnnddddd" { sf: f, imm8: i, rn: n, rd: d } CSSC;
        UminImm    "f0010001 110011ii iiiiiinn nnnddddd" { sf: f, imm8: i, rn: n, rd: d } CSSC;
        AndImm     "f0010010 0Nrrrrrr ssssssnn nnnddddd" { sf: f, n: N, immr: r, imms: s, rn: n, rd: d } BASE if super::imm::bitmask_ok;
        OrrImm     "f0110010 0Nrrrrrr ssssssnn nnnddddd" { sf: f, n: N, immr: r, imms: s, rn: n, rd: d } BASE if super::imm::bitmask_ok;
        EorImm     "f1010010 0Nrrrrrr ssssssnn nnnddddd" { sf: f, n: N, immr: r, imms: s, rn: n, rd: d } BASE if super::imm::bitmask_ok;
        AndsImm    "f1110010 0Nrrrrrr ssssssnn nnnddddd" { sf: f, n: N, immr: r, imms: s, rn: n, rd: d } BASE if super::imm::bitmask_ok;
        Movn       "f0010010 1hhiiiii iiiiiiii iiiddddd" { sf: f, hw: h, imm16: i, rd: d } BASE if hw_ok;
        Movz       "f1010010 1hhiiiii iiiiiiii iiiddddd" { sf: f, hw: h, imm16: i, rd: d } BASE if hw_ok;
        Movk       "f1110010 1hhiiiii iiiiiiii iiiddddd" { sf: f, hw: h, imm16: i, rd: d } BASE if hw_ok;
        Sbfm32     "00010011 00rrrrrr ssssssnn nnnddddd" { immr: r, imms: s, rn: n, rd: d } BASE if sf_imms_ok;
        Sbfm64     "10010011 01rrrrrr ssssssnn nnnddddd" { immr: r, imms: s, rn: n, rd: d } BASE;
        Bfm32      "00110011 00rrrrrr ssssssnn nnnddddd" { immr: r, imms: s, rn: n, rd: d } BASE if sf_imms_ok;
        Bfm64      "10110011 01rrrrrr ssssssnn nnnddddd" { immr: r, imms: s, rn: n, rd: d } BASE;
        Ubfm32     "01010011 00rrrrrr ssssssnn nnnddddd" { immr: r, imms: s, rn: n, rd: d } BASE if sf_imms_ok;
        Ubfm64     "11010011 01rrrrrr ssssssnn nnnddddd" { immr: r, imms: s, rn: n, rd: d } BASE;
        Extr32     "00010011 100mmmmm 0sssssnn nnnddddd" { rm: m, imms: s, rn: n, rd: d } BASE;
        Extr64     "10010011 110mmmmm ssssssnn nnnddddd" { rm: m, imms: s, rn: n, rd: d } BASE;
    }
}
