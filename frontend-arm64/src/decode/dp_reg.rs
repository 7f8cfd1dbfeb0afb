//! Data processing, register (Arm ARM C4.1.95).

/// A 32-bit shifted register is shifted by less than 32.
fn amount_ok(w: u32) -> bool {
    w >> 31 != 0 || w >> 15 & 1 == 0
}

/// Add and subtract know no ROR.
fn add_shift_ok(w: u32) -> bool {
    amount_ok(w) && w >> 22 & 3 != 3
}

/// An extended register is shifted by at most 4.
fn extend_ok(w: u32) -> bool {
    w >> 10 & 7 <= 4
}

#[rustfmt::skip]
crate::rows! {
    /// Data processing (register).
    DpReg {
        AndShift   "f0001010 ss0mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if amount_ok;
        BicShift   "f0001010 ss1mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if amount_ok;
        OrrShift   "f0101010 ss0mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if amount_ok;
        OrnShift   "f0101010 ss1mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if amount_ok;
        EorShift   "f1001010 ss0mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if amount_ok;
        EonShift   "f1001010 ss1mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if amount_ok;
        AndsShift  "f1101010 ss0mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if amount_ok;
        BicsShift  "f1101010 ss1mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if amount_ok;

        AddShift   "f0001011 ss0mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if add_shift_ok;
        AddsShift  "f0101011 ss0mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if add_shift_ok;
        SubShift   "f1001011 ss0mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if add_shift_ok;
        SubsShift  "f1101011 ss0mmmmm iiiiiinn nnnddddd" { sf: f, shift: s, rm: m, imm6: i, rn: n, rd: d } BASE if add_shift_ok;
        AddExt     "f0001011 001mmmmm oooiiinn nnnddddd" { sf: f, rm: m, option: o, imm3: i, rn: n, rd: d } BASE if extend_ok;
        AddsExt    "f0101011 001mmmmm oooiiinn nnnddddd" { sf: f, rm: m, option: o, imm3: i, rn: n, rd: d } BASE if extend_ok;
        SubExt     "f1001011 001mmmmm oooiiinn nnnddddd" { sf: f, rm: m, option: o, imm3: i, rn: n, rd: d } BASE if extend_ok;
        SubsExt    "f1101011 001mmmmm oooiiinn nnnddddd" { sf: f, rm: m, option: o, imm3: i, rn: n, rd: d } BASE if extend_ok;
        Adc        "f0011010 000mmmmm 000000nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;
        Adcs       "f0111010 000mmmmm 000000nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;
        Sbc        "f1011010 000mmmmm 000000nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;
        Sbcs       "f1111010 000mmmmm 000000nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;

        Rmif       "10111010 000iiiii i00001nn nnn0kkkk" { imm6: i, rn: n, mask: k } FLAGM;
        Setf8      "00111010 00000000 000010nn nnn01101" { rn: n } FLAGM;
        Setf16     "00111010 00000000 010010nn nnn01101" { rn: n } FLAGM;

        CcmnReg    "f0111010 010mmmmm cccc00nn nnn0kkkk" { sf: f, rm: m, cond: c, rn: n, nzcv: k } BASE;
        CcmpReg    "f1111010 010mmmmm cccc00nn nnn0kkkk" { sf: f, rm: m, cond: c, rn: n, nzcv: k } BASE;
        CcmnImm    "f0111010 010iiiii cccc10nn nnn0kkkk" { sf: f, imm5: i, cond: c, rn: n, nzcv: k } BASE;
        CcmpImm    "f1111010 010iiiii cccc10nn nnn0kkkk" { sf: f, imm5: i, cond: c, rn: n, nzcv: k } BASE;
        Csel       "f0011010 100mmmmm cccc00nn nnnddddd" { sf: f, rm: m, cond: c, rn: n, rd: d } BASE;
        Csinc      "f0011010 100mmmmm cccc01nn nnnddddd" { sf: f, rm: m, cond: c, rn: n, rd: d } BASE;
        Csinv      "f1011010 100mmmmm cccc00nn nnnddddd" { sf: f, rm: m, cond: c, rn: n, rd: d } BASE;
        Csneg      "f1011010 100mmmmm cccc01nn nnnddddd" { sf: f, rm: m, cond: c, rn: n, rd: d } BASE;

        Madd       "f0011011 000mmmmm 0aaaaann nnnddddd" { sf: f, rm: m, ra: a, rn: n, rd: d } BASE;
        Msub       "f0011011 000mmmmm 1aaaaann nnnddddd" { sf: f, rm: m, ra: a, rn: n, rd: d } BASE;
        Smaddl     "10011011 001mmmmm 0aaaaann nnnddddd" { rm: m, ra: a, rn: n, rd: d } BASE;
        Smsubl     "10011011 001mmmmm 1aaaaann nnnddddd" { rm: m, ra: a, rn: n, rd: d } BASE;
        Umaddl     "10011011 101mmmmm 0aaaaann nnnddddd" { rm: m, ra: a, rn: n, rd: d } BASE;
        Umsubl     "10011011 101mmmmm 1aaaaann nnnddddd" { rm: m, ra: a, rn: n, rd: d } BASE;
        Smulh      "10011011 010mmmmm 0xxxxxnn nnnddddd" { rm: m, rn: n, rd: d } BASE;
        Umulh      "10011011 110mmmmm 0xxxxxnn nnnddddd" { rm: m, rn: n, rd: d } BASE;

        Udiv       "f0011010 110mmmmm 000010nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;
        Sdiv       "f0011010 110mmmmm 000011nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;
        Lslv       "f0011010 110mmmmm 001000nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;
        Lsrv       "f0011010 110mmmmm 001001nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;
        Asrv       "f0011010 110mmmmm 001010nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;
        Rorv       "f0011010 110mmmmm 001011nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } BASE;
        Crc32Bhw   "00011010 110mmmmm 0100ssnn nnnddddd" { rm: m, sz: s, rn: n, rd: d } CRC32 if |w| w >> 10 & 3 != 3;
        Crc32X     "10011010 110mmmmm 010011nn nnnddddd" { rm: m, rn: n, rd: d } CRC32;
        Crc32CBhw  "00011010 110mmmmm 0101ssnn nnnddddd" { rm: m, sz: s, rn: n, rd: d } CRC32 if |w| w >> 10 & 3 != 3;
        Crc32CX    "10011010 110mmmmm 010111nn nnnddddd" { rm: m, rn: n, rd: d } CRC32;
        SmaxReg    "f0011010 110mmmmm 011000nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } CSSC;
        UmaxReg    "f0011010 110mmmmm 011001nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } CSSC;
        SminReg    "f0011010 110mmmmm 011010nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } CSSC;
        UminReg    "f0011010 110mmmmm 011011nn nnnddddd" { sf: f, rm: m, rn: n, rd: d } CSSC;
        Pacga      "10011010 110mmmmm 001100nn nnnddddd" { rm: m, rn: n, rd: d } PAUTH;
        Subp       "10011010 110mmmmm 000000nn nnnddddd" { rm: m, rn: n, rd: d } MTE;
        Subps      "10111010 110mmmmm 000000nn nnnddddd" { rm: m, rn: n, rd: d } MTE;
        Irg        "10011010 110mmmmm 000100nn nnnddddd" { rm: m, rn: n, rd: d } MTE;
        Gmi        "10011010 110mmmmm 000101nn nnnddddd" { rm: m, rn: n, rd: d } MTE;

        Rbit       "f1011010 11000000 000000nn nnnddddd" { sf: f, rn: n, rd: d } BASE;
        Rev16      "f1011010 11000000 000001nn nnnddddd" { sf: f, rn: n, rd: d } BASE;
        RevW       "01011010 11000000 000010nn nnnddddd" { rn: n, rd: d } BASE;
        Rev32      "11011010 11000000 000010nn nnnddddd" { rn: n, rd: d } BASE;
        RevX       "11011010 11000000 000011nn nnnddddd" { rn: n, rd: d } BASE;
        Clz        "f1011010 11000000 000100nn nnnddddd" { sf: f, rn: n, rd: d } BASE;
        Cls        "f1011010 11000000 000101nn nnnddddd" { sf: f, rn: n, rd: d } BASE;
        Ctz        "f1011010 11000000 000110nn nnnddddd" { sf: f, rn: n, rd: d } CSSC;
        Cnt        "f1011010 11000000 000111nn nnnddddd" { sf: f, rn: n, rd: d } CSSC;
        Abs        "f1011010 11000000 001000nn nnnddddd" { sf: f, rn: n, rd: d } CSSC;
        /// PACIA, PACIB, PACDA, PACDB, AUTIA, AUTIB, AUTDA, AUTDB by `op`.
        PacAut     "11011010 11000001 000ooonn nnnddddd" { op: o, rn: n, rd: d } PAUTH;
        /// The same with zero as the modifier (PACIZA ...).
        PacAutZ    "11011010 11000001 001ooo11 111ddddd" { op: o, rd: d } PAUTH;
        Xpac       "11011010 11000001 01000o11 111ddddd" { data: o, rd: d } PAUTH;
    }
}
