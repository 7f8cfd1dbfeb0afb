//! System instructions: hints, barriers, PSTATE, SYS, MSR and MRS (Arm ARM C4.1.94).
//!
//! MSR, MRS and SYS are decoded whatever register or operation they name; the table of those is
//! [`crate::arch::sysreg`].

#[rustfmt::skip]
crate::rows! {
    /// System.
    System {
        Wfet       "11010101 00000011 00010000 000ttttt" { rt: t } WFXT;
        Wfit       "11010101 00000011 00010000 001ttttt" { rt: t } WFXT;
        Hint       "11010101 00000011 0010iiii iii11111" { imm7: i } BASE;
        Clrex      "11010101 00000011 0011iiii 01011111" { imm4: i } BASE;
        Dsb        "11010101 00000011 0011iiii 10011111" { imm4: i } BASE;
        DsbNxs     "11010101 00000011 0011ii10 00111111" { imm2: i } XS;
        Dmb        "11010101 00000011 0011iiii 10111111" { imm4: i } BASE;
        Isb        "11010101 00000011 0011iiii 11011111" { imm4: i } BASE;
        Sb         "11010101 00000011 00110000 11111111" {} SB;
        Cfinv      "11010101 00000000 01000000 00011111" {} FLAGM;
        Xaflag     "11010101 00000000 01000000 00111111" {} FLAGM2;
        Axflag     "11010101 00000000 01000000 01011111" {} FLAGM2;
        /// UAO, PAN, SPSel, DAIFSet, DAIFClr ...: privileged, or gated further by `translate`.
        MsrImm     "11010101 00000ooo 0100iiii ppp11111" { op1: o, imm4: i, op2: p } BASE if msr_imm_ok;
        MsrDit     "11010101 00000011 0100iiii 01011111" { imm4: i } DIT;
        MsrSsbs    "11010101 00000011 0100iiii 00111111" { imm4: i } SSBS;
        MsrTco     "11010101 00000011 0100iiii 10011111" { imm4: i } MTE;
        /// `op` is op1:CRn:CRm:op2.
        Sys        "11010101 00001ooo oooooooo ooottttt" { op: o, rt: t } BASE;
        Sysl       "11010101 00101ooo oooooooo ooottttt" { op: o, rt: t } BASE;
        /// `reg` is op0:op1:CRn:CRm:op2 without the top bit of op0, which is 1.
        Msr        "11010101 0001rrrr rrrrrrrr rrrttttt" { reg: r, rt: t } BASE;
        Mrs        "11010101 0011rrrr rrrrrrrr rrrttttt" { reg: r, rt: t } BASE;
    }
}

/// The PSTATE fields that Armv8.0 to v8.2 know by immediate: SPSel, UAO, PAN, DAIFSet, DAIFClr.
fn msr_imm_ok(w: u32) -> bool {
    matches!(
        (w >> 16 & 7, w >> 5 & 7),
        (0, 3) | (0, 4) | (0, 5) | (3, 6) | (3, 7)
    )
}
