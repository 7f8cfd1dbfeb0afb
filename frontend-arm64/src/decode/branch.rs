//! Branches and exception generation (Arm ARM C4.1.94), and the permanently undefined space (C4.1.2).

#[rustfmt::skip]
crate::rows! {
    /// Branches and exception generation.
    Branch {
        Udf        "00000000 00000000 iiiiiiii iiiiiiii" { imm16: i } BASE;
        BCond      "01010100 iiiiiiii iiiiiiii iii0cccc" { imm19: i, cond: c } BASE;
        BcCond     "01010100 iiiiiiii iiiiiiii iii1cccc" { imm19: i, cond: c } HBC;
        B          "000101ii iiiiiiii iiiiiiii iiiiiiii" { imm26: i } BASE;
        Bl         "100101ii iiiiiiii iiiiiiii iiiiiiii" { imm26: i } BASE;
        Cbz        "f0110100 iiiiiiii iiiiiiii iiittttt" { sf: f, imm19: i, rt: t } BASE;
        Cbnz       "f0110101 iiiiiiii iiiiiiii iiittttt" { sf: f, imm19: i, rt: t } BASE;
        Tbz        "h0110110 bbbbbiii iiiiiiii iiittttt" { b5: h, b40: b, imm14: i, rt: t } BASE;
        Tbnz       "h0110111 bbbbbiii iiiiiiii iiittttt" { b5: h, b40: b, imm14: i, rt: t } BASE;

        Br         "11010110 00011111 000000nn nnn00000" { rn: n } BASE;
        Blr        "11010110 00111111 000000nn nnn00000" { rn: n } BASE;
        Ret        "11010110 01011111 000000nn nnn00000" { rn: n } BASE;
        Eret       "11010110 10011111 00000011 11100000" {} BASE;
        Drps       "11010110 10111111 00000011 11100000" {} BASE;
        /// BRAAZ, BRABZ.
        Braz       "11010110 00011111 00001knn nnn11111" { key: k, rn: n } PAUTH;
        Blraz      "11010110 00111111 00001knn nnn11111" { key: k, rn: n } PAUTH;
        Reta       "11010110 01011111 00001k11 11111111" { key: k } PAUTH;
        Ereta      "11010110 10011111 00001k11 11111111" { key: k } PAUTH;
        Bra        "11010111 00011111 00001knn nnnmmmmm" { key: k, rn: n, rm: m } PAUTH;
        Blra       "11010111 00111111 00001knn nnnmmmmm" { key: k, rn: n, rm: m } PAUTH;

        Svc        "11010100 000iiiii iiiiiiii iii00001" { imm16: i } BASE;
        Hvc        "11010100 000iiiii iiiiiiii iii00010" { imm16: i } BASE;
        Smc        "11010100 000iiiii iiiiiiii iii00011" { imm16: i } BASE;
        Brk        "11010100 001iiiii iiiiiiii iii00000" { imm16: i } BASE;
        Hlt        "11010100 010iiiii iiiiiiii iii00000" { imm16: i } BASE;
        Dcps1      "11010100 101iiiii iiiiiiii iii00001" { imm16: i } BASE;
        Dcps2      "11010100 101iiiii iiiiiiii iii00010" { imm16: i } BASE;
        Dcps3      "11010100 101iiiii iiiiiiii iii00011" { imm16: i } BASE;
    }
}
