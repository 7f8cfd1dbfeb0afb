//! System registers and system operations: one row each, with what an access from EL0 does.
//!
//! Encodings are op0:op1:CRn:CRm:op2 in 16 bits, as in bits 20..5 of MSR, MRS and SYS. A register without a row is UNDEFINED,
//! except in the identification space, which Linux emulates for programs (Documentation/arch/arm64/cpu-feature-registers.rst).

use super::features::{Feat, IdReg};
use super::state;
use metaphrase_ir::Slot;

/// The 16-bit encoding of a register.
pub const fn enc(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> u16 {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

/// How accesses are done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// A 64-bit slot.
    Slot(Slot),
    /// A slot that programs may only read.
    SlotReadOnly(Slot),
    /// A 64-bit slot of which only these bits exist.
    SlotBits(Slot, u64),
    /// The condition flags.
    Nzcv,
    /// FPCR: part of the translation key.
    Fpcr,
    /// FPSR: kept by the runtime.
    Fpsr,
    /// Read by the runtime (`SysRead`), not writable.
    Helper,
    /// A constant of the CPU model.
    Id(IdReg),
    /// The same whatever the model.
    Const(u64),
    /// Random number: read by the runtime; NZCV says whether it succeeded.
    Random,
}

/// One register.
#[derive(Clone, Copy, Debug)]
pub struct SysReg {
    /// Name in the Arm manual.
    pub name: &'static str,
    /// op0:op1:CRn:CRm:op2.
    pub enc: u16,
    /// Feature it belongs to.
    pub feat: Feat,
    /// What an access does.
    pub how: How,
}

const fn reg(name: &'static str, enc: u16, feat: Feat, how: How) -> SysReg {
    SysReg {
        name,
        enc,
        feat,
        how,
    }
}

/// CTR_EL0: 64-byte lines (DminLine = IminLine = 4), PIPT, DIC = IDC = 0, so that programs name what they change with IC
/// IVAU; CWG = ERG = 4.
pub const CTR_EL0: u64 = 0x8444_c004;
/// DCZID_EL0: DC ZVA zeroes `4 << 4` = 64 bytes.
pub const DCZID_EL0: u64 = 4;
/// Bytes that DC ZVA zeroes.
pub const ZVA_BYTES: u64 = 4 << DCZID_EL0;
/// CNTVCT_EL0, read through `SysRead`.
pub const CNTVCT_EL0: u16 = enc(3, 3, 14, 0, 2);
/// CNTFRQ_EL0, read through `SysRead`.
pub const CNTFRQ_EL0: u16 = enc(3, 3, 14, 0, 0);
/// RNDR, read through `SysRead`.
pub const RNDR: u16 = enc(3, 3, 2, 4, 0);
/// RNDRRS, read through `SysRead`.
pub const RNDRRS: u16 = enc(3, 3, 2, 4, 1);
/// Bits of FPCR that exist without FEAT_FP16: AHP, DN, FZ, RMode.
pub const FPCR_BITS: u32 = 0x07c0_0000;
/// FPCR.FZ16.
pub const FPCR_FZ16: u32 = 1 << 19;

/// PSTATE.DIT, in DIT and SPSR.
pub const PSTATE_DIT: u64 = 1 << 24;
/// PSTATE.SSBS, in SSBS and SPSR.
pub const PSTATE_SSBS: u64 = 1 << 12;

/// Every register that a program can name.
#[rustfmt::skip]
pub static REGS: &[SysReg] = &[
    reg("NZCV",             enc(3, 3, 4, 2, 0),   Feat::BASE, How::Nzcv),
    reg("DIT",              enc(3, 3, 4, 2, 5),   Feat::DIT,  How::SlotBits(state::DIT, PSTATE_DIT)),
    reg("SSBS",             enc(3, 3, 4, 2, 6),   Feat::SSBS, How::SlotBits(state::SSBS, PSTATE_SSBS)),
    reg("FPCR",             enc(3, 3, 4, 4, 0),   Feat::FP,   How::Fpcr),
    reg("FPSR",             enc(3, 3, 4, 4, 1),   Feat::FP,   How::Fpsr),
    reg("TPIDR_EL0",        enc(3, 3, 13, 0, 2),  Feat::BASE, How::Slot(state::TPIDR_EL0)),
    reg("TPIDRRO_EL0",      enc(3, 3, 13, 0, 3),  Feat::BASE, How::SlotReadOnly(state::TPIDRRO_EL0)),
    reg("CTR_EL0",          enc(3, 3, 0, 0, 1),   Feat::BASE, How::Const(CTR_EL0)),
    reg("DCZID_EL0",        enc(3, 3, 0, 0, 7),   Feat::BASE, How::Const(DCZID_EL0)),
    reg("CNTFRQ_EL0",       CNTFRQ_EL0,           Feat::BASE, How::Helper),
    reg("CNTVCT_EL0",       CNTVCT_EL0,           Feat::BASE, How::Helper),
    reg("RNDR",             RNDR,                 Feat::RNG,  How::Random),
    reg("RNDRRS",           RNDRRS,               Feat::RNG,  How::Random),
    reg("MIDR_EL1",         enc(3, 0, 0, 0, 0),   Feat::BASE, How::Id(IdReg::Midr)),
    reg("MPIDR_EL1",        enc(3, 0, 0, 0, 5),   Feat::BASE, How::Const(1 << 31)),
    reg("REVIDR_EL1",       enc(3, 0, 0, 0, 6),   Feat::BASE, How::Const(0)),
    reg("ID_AA64PFR0_EL1",  enc(3, 0, 0, 4, 0),   Feat::BASE, How::Id(IdReg::Pfr0)),
    reg("ID_AA64PFR1_EL1",  enc(3, 0, 0, 4, 1),   Feat::BASE, How::Id(IdReg::Pfr1)),
    reg("ID_AA64DFR0_EL1",  enc(3, 0, 0, 5, 0),   Feat::BASE, How::Const(6)),
    reg("ID_AA64ISAR0_EL1", enc(3, 0, 0, 6, 0),   Feat::BASE, How::Id(IdReg::Isar0)),
    reg("ID_AA64ISAR1_EL1", enc(3, 0, 0, 6, 1),   Feat::BASE, How::Id(IdReg::Isar1)),
    reg("ID_AA64ISAR2_EL1", enc(3, 0, 0, 6, 2),   Feat::BASE, How::Id(IdReg::Isar2)),
    reg("ID_AA64MMFR0_EL1", enc(3, 0, 0, 7, 0),   Feat::BASE, How::Const(0xff00_0000)),
    reg("ID_AA64MMFR2_EL1", enc(3, 0, 0, 7, 2),   Feat::BASE, How::Id(IdReg::Mmfr2)),
];

/// The row of a register; identification registers without a row of their own (CRm 2 to 7) read as zero.
pub fn lookup(e: u16) -> Option<SysReg> {
    if let Some(r) = REGS.iter().find(|r| r.enc == e) {
        return Some(*r);
    }
    let (id_space, crm) = (e & !0x7f == enc(3, 0, 0, 0, 0), e >> 3 & 15);
    (id_space && (2..=7).contains(&crm)).then_some(reg("ID", e, Feat::BASE, How::Const(0)))
}

/// What a SYS operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SysOp {
    /// Data caches are coherent here: nothing.
    Nothing,
    /// DC ZVA.
    ZeroBlock,
    /// IC IVAU: the program changed code at this address.
    IcIvau,
}

/// Every SYS operation that a program may execute: name, op1:CRn:CRm:op2, feature, effect.
#[rustfmt::skip]
pub static OPS: &[(&str, u16, Feat, SysOp)] = &[
    ("DC ZVA",   enc(0, 3, 7, 4, 1),  Feat::BASE, SysOp::ZeroBlock),
    ("IC IVAU",  enc(0, 3, 7, 5, 1),  Feat::BASE, SysOp::IcIvau),
    ("DC CVAC",  enc(0, 3, 7, 10, 1), Feat::BASE, SysOp::Nothing),
    ("DC CVAU",  enc(0, 3, 7, 11, 1), Feat::BASE, SysOp::Nothing),
    ("DC CVAP",  enc(0, 3, 7, 12, 1), Feat::DPB,  SysOp::Nothing),
    ("DC CVADP", enc(0, 3, 7, 13, 1), Feat::DPB2, SysOp::Nothing),
    ("DC CIVAC", enc(0, 3, 7, 14, 1), Feat::BASE, SysOp::Nothing),
    ("CFP RCTX", enc(0, 3, 7, 3, 4),  Feat::SPECRES, SysOp::Nothing),
    ("DVP RCTX", enc(0, 3, 7, 3, 5),  Feat::SPECRES, SysOp::Nothing),
    ("CPP RCTX", enc(0, 3, 7, 3, 7),  Feat::SPECRES, SysOp::Nothing),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_encoding_twice() {
        let mut e: Vec<u16> = REGS.iter().map(|r| r.enc).collect();
        e.sort_unstable();
        assert!(e.windows(2).all(|w| w[0] != w[1]));
        let mut e: Vec<u16> = OPS.iter().map(|r| r.1).collect();
        e.sort_unstable();
        assert!(e.windows(2).all(|w| w[0] != w[1]));
    }

    #[test]
    fn encodings_are_the_instruction_bits() {
        // mrs x0, tpidr_el0 = d53bd040; mrs x0, id_aa64isar0_el1 = d5380600 (objdump)
        assert_eq!(enc(3, 3, 13, 0, 2), (0xd53b_d040u32 >> 5) as u16);
        assert_eq!(
            lookup((0xd538_0600u32 >> 5) as u16).map(|r| r.name),
            Some("ID_AA64ISAR0_EL1")
        );
        assert_eq!(
            lookup(enc(3, 0, 0, 6, 7)).map(|r| r.how),
            Some(How::Const(0))
        );
        assert!(lookup(enc(3, 0, 0, 1, 0)).is_none());
        assert!(lookup(enc(3, 0, 1, 0, 0)).is_none());
    }
}
