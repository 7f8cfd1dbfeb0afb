//! Hints, barriers, PSTATE, system registers and operations, as seen from EL0 (Arm ARM C3.1.9; C6.2; D19 for the registers).

use super::{Ctx, Flow, pauth, sync};
use crate::arch::features::Feat;
use crate::arch::state;
use crate::arch::sysreg::{self, How, PSTATE_DIT, PSTATE_SSBS, SysOp, ZVA_BYTES};
use crate::decode::System;
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::ops::Fence;
use metaphrase_ir::{Slot, TrapKind, Type, Value, flags};

/// `aux` of the `Wait` helper.
mod wait {
    pub const YIELD: u32 = 0;
    pub const WFE: u32 = 1;
    pub const WFI: u32 = 2;
    pub const SEV: u32 = 3;
    pub const SEVL: u32 = 4;
}

/// Translates one instruction of the class.
pub fn translate(t: &mut Ctx<'_>, i: System) -> Flow {
    match i {
        System::Hint { imm7 } => hint(t, imm7),
        System::Wfet { .. } => call_wait(t, wait::WFE), // waking early is allowed
        System::Wfit { .. } => call_wait(t, wait::WFI),
        System::Clrex { .. } => t.clear_monitor(),
        System::Dsb { .. } | System::DsbNxs { .. } => t.b.fence(Fence::Full),
        System::Dmb { imm4 } => t.b.fence(match imm4 & 3 {
            1 => Fence::Load,
            2 => Fence::Store,
            _ => Fence::Full,
        }),
        System::Isb { .. } => return t.trap(TrapKind::Sync(sync::ISB)),
        System::Sb {} => {}
        System::Cfinv {} => {
            let (f, c) = (packed_flags(t), t.b.i32(flags::C));
            let v = t.b.xor(f, c);
            set_packed_flags(t, v);
        }
        System::Xaflag {} => xaflag(t),
        System::Axflag {} => axflag(t),
        System::MsrImm { .. } => return t.undefined(), // privileged, or trapped by SCTLR_EL1.UMA
        System::MsrDit { imm4 } => set_bit(t, state::DIT, PSTATE_DIT, imm4),
        System::MsrSsbs { imm4 } => set_bit(t, state::SSBS, PSTATE_SSBS, imm4),
        System::MsrTco { .. } => return t.unimplemented(),
        System::Sys { op, rt } => return sys(t, op, rt),
        System::Sysl { .. } => return t.undefined(),
        System::Msr { reg, rt } => return msr(t, reg, rt),
        System::Mrs { reg, rt } => return mrs(t, reg, rt),
    }
    Flow::Next
}

/// A field of PSTATE from the low bit of an immediate.
fn set_bit(t: &mut Ctx<'_>, slot: Slot, bit: u64, imm4: u32) {
    let v = t.b.i64(if imm4 & 1 != 0 { bit } else { 0 });
    t.b.set(slot, v);
}

/// CRm:op2. Everything not named is a NOP, allocated or not; that covers BTI, and pointer authentication when it is not advertised.
fn hint(t: &mut Ctx<'_>, imm7: u32) {
    match imm7 {
        _ if t.cfg.feats.has(Feat::PAUTH) && pauth::hint(t, imm7) => {}
        1 => call_wait(t, wait::YIELD),
        2 => call_wait(t, wait::WFE),
        3 => call_wait(t, wait::WFI),
        4 => call_wait(t, wait::SEV),
        5 => call_wait(t, wait::SEVL),
        _ => {}
    }
}

fn call_wait(t: &mut Ctx<'_>, kind: u32) {
    t.b.call(HelperId::Wait, kind, &[]);
}

fn packed_flags(t: &mut Ctx<'_>) -> Value {
    let f = t.flags();
    t.b.flags_unpack(f)
}

fn set_packed_flags(t: &mut Ctx<'_>, v: Value) {
    let f = t.b.flags_pack(v);
    t.set_flags(f);
}

/// A flag of packed NZCV, moved to bit 0 with the others cleared.
fn flag(t: &mut Ctx<'_>, packed: Value, bit: u32) -> Value {
    let v = t.b.lshr_i(packed, bit);
    let one = t.b.i32(1);
    t.b.and(v, one)
}

/// From the format of another floating-point comparison to Arm's: N = !C & !Z, Z = Z & C, C = C | Z, V = !C & Z.
fn xaflag(t: &mut Ctx<'_>) {
    let f = packed_flags(t);
    let (z, c) = (flag(t, f, 30), flag(t, f, 29));
    let one = t.b.i32(1);
    let c_or_z = t.b.or(c, z);
    let n = t.b.xor(c_or_z, one);
    let z_and_c = t.b.and(z, c);
    let v = t.b.andn(z, c);
    let parts = [(n, 31), (z_and_c, 30), (c_or_z, 29), (v, 28)];
    set_flag_bits(t, &parts);
}

/// The other way: N = 0, Z = Z | V, C = C & !V, V = 0.
fn axflag(t: &mut Ctx<'_>) {
    let f = packed_flags(t);
    let (z, c, v) = (flag(t, f, 30), flag(t, f, 29), flag(t, f, 28));
    let z = t.b.or(z, v);
    let c = t.b.andn(c, v);
    set_flag_bits(t, &[(z, 30), (c, 29)]);
}

/// NZCV from 0-or-1 values and their bit numbers.
fn set_flag_bits(t: &mut Ctx<'_>, parts: &[(Value, u32)]) {
    let mut all = t.b.i32(0);
    for &(v, bit) in parts {
        let v = t.b.shl_i(v, bit);
        all = t.b.or(all, v);
    }
    set_packed_flags(t, all);
}

fn sys(t: &mut Ctx<'_>, op: u32, rt: u32) -> Flow {
    let Some(&(_, _, feat, effect)) = sysreg::OPS.iter().find(|r| u32::from(r.1) == op) else {
        return t.undefined();
    };
    if !t.cfg.feats.has(feat) {
        return t.undefined();
    }
    match effect {
        SysOp::Nothing => {}
        SysOp::ZeroBlock => {
            let a = t.x(rt);
            t.b.zero_block(a, ZVA_BYTES);
        }
        SysOp::IcIvau => {
            let a = t.x(rt);
            t.b.call(HelperId::IcIvau, 0, &[a]);
            return t.trap(TrapKind::Sync(sync::IC_IVAU));
        }
    }
    Flow::Next
}

/// The row of a register that this CPU has.
fn register(t: &Ctx<'_>, reg: u32) -> Option<sysreg::SysReg> {
    sysreg::lookup(0x8000 | reg as u16).filter(|r| t.cfg.feats.has(r.feat))
}

fn mrs(t: &mut Ctx<'_>, reg: u32, rt: u32) -> Flow {
    let Some(r) = register(t, reg) else {
        return t.undefined();
    };
    let v = match r.how {
        How::Slot(s) | How::SlotReadOnly(s) | How::SlotBits(s, _) => t.b.get(s),
        How::Nzcv => {
            let f = packed_flags(t);
            t.b.zext(f)
        }
        How::Fpcr => {
            let v = t.b.get(state::FPCR);
            t.b.zext(v)
        }
        How::Fpsr => t.b.call(HelperId::ReadFpsr, 0, &[]),
        How::Helper => t.b.call(HelperId::SysRead, u32::from(r.enc), &[]),
        How::Random => {
            let v = t.b.call(HelperId::SysRead, u32::from(r.enc), &[]);
            let ok = t.b.i32(0); // NZCV 0000: a number was produced
            set_packed_flags(t, ok);
            v
        }
        How::Id(id) => t.b.i64(t.cfg.model().id_register(id)),
        How::Const(k) => t.b.i64(k),
    };
    t.set_x(rt, v);
    Flow::Next
}

fn msr(t: &mut Ctx<'_>, reg: u32, rt: u32) -> Flow {
    let Some(r) = register(t, reg) else {
        return t.undefined();
    };
    match r.how {
        How::Slot(s) => {
            let v = t.x(rt);
            t.b.set(s, v);
        }
        How::SlotBits(s, bits) => {
            let (v, mask) = (t.x(rt), t.b.i64(bits));
            let v = t.b.and(v, mask);
            t.b.set(s, v);
        }
        How::Nzcv => {
            let v = t.w(rt);
            set_packed_flags(t, v);
        }
        How::Fpcr => {
            let mut bits = sysreg::FPCR_BITS;
            if t.cfg.feats.has(Feat::FP16) {
                bits |= sysreg::FPCR_FZ16;
            }
            let (v, mask) = (t.w(rt), t.imm(0, u64::from(bits)));
            debug_assert_eq!(t.b.ty(mask), Type::I32);
            let v = t.b.and(v, mask);
            t.b.set(state::FPCR, v);
            return t.trap(TrapKind::Sync(sync::FPCR));
        }
        How::Fpsr => {
            let v = t.x(rt);
            t.b.call(HelperId::WriteFpsr, 0, &[v]);
        }
        How::SlotReadOnly(_) | How::Helper | How::Random | How::Id(_) | How::Const(_) => {
            return t.undefined();
        }
    }
    Flow::Next
}
