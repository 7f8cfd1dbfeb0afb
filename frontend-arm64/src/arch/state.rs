//! The guest register file and its slot table: THE layout. Translation names slots; the back end sees offsets; the runtime
//! and the products use the struct's fields.

use super::pauth::Keys;
use metaphrase_ir::{FlagsKind, Slot, SlotInfo, SlotTable, Type, flags};
use std::mem::offset_of;

/// The registers of one AArch64 processing element at EL0 (and what higher levels need, appended later).
/// `repr(C)`: generated code addresses the fields by offset.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct GuestState {
    /// X0..X30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp: u64,
    /// Address of the next instruction to execute. Exact whenever the runtime has control; stale inside translated code.
    pub pc: u64,
    /// Lazy flags: kind ([`FlagsKind`] as u64), a, b.
    pub flags: [u64; 3],
    /// Exclusive monitor: address of the last load-exclusive, or [`MONITOR_OPEN`].
    pub excl_addr: u64,
    /// Exclusive monitor: the value loaded (zero-extended; high half for 128-bit pairs).
    pub excl_val: [u64; 2],
    /// TPIDR_EL0.
    pub tpidr_el0: u64,
    /// TPIDRRO_EL0.
    pub tpidrro_el0: u64,
    /// FPCR.
    pub fpcr: u32,
    /// The software part of FPSR: QC and whatever has been folded in from the host's status register.
    pub fpsr: u32,
    /// V0..V31.
    pub v: [u128; 32],
    /// PSTATE.DIT in its place in the register DIT: kept, and without effect (host instructions take the time they take).
    pub dit: u64,
    /// PSTATE.SSBS in its place in the register SSBS: kept, and without effect.
    pub ssbs: u64,
    /// Pointer authentication: of the thread. Read by the `Pac` helper.
    pub pac: Keys,
}

/// BranchAddr (shared/functions/registers): where a branch to `target` goes. The top byte of a user address is ignored.
pub const fn branch_address(target: u64) -> u64 {
    if target >> 55 & 1 == 0 {
        target & 0x00ff_ffff_ffff_ffff
    } else {
        target
    }
}

/// `excl_addr` when no load-exclusive is outstanding (never a valid aligned address).
pub const MONITOR_OPEN: u64 = u64::MAX;

impl Default for GuestState {
    fn default() -> Self {
        GuestState {
            x: [0; 31],
            sp: 0,
            pc: 0,
            flags: [FlagsKind::Nzcv as u64, 0, 0],
            excl_addr: MONITOR_OPEN,
            excl_val: [0; 2],
            tpidr_el0: 0,
            tpidrro_el0: 0,
            fpcr: 0,
            fpsr: 0,
            v: [0; 32],
            dit: 0,
            ssbs: 0,
            pac: Keys::default(),
        }
    }
}

impl GuestState {
    /// Packed NZCV in bits 31..28.
    pub fn nzcv(&self) -> u32 {
        let kind = FlagsKind::from_u64(self.flags[0]).unwrap_or(FlagsKind::Nzcv);
        flags::nzcv(kind, self.flags[1], self.flags[2])
    }

    /// Sets the flags from packed NZCV (bits 31..28).
    pub fn set_nzcv(&mut self, nzcv: u32) {
        self.flags = [FlagsKind::Nzcv as u64, (nzcv & 0xf000_0000) as u64, 0];
    }

    /// If NZCV is kept as a comparison of floating-point numbers, it raises nothing from now on whoever makes it: one that is unordered
    /// becomes one of quiet NaNs.
    pub fn quiet_flags(&mut self) {
        let kind = FlagsKind::from_u64(self.flags[0]);
        let compares = matches!(kind, Some(FlagsKind::Fcmp32 | FlagsKind::Fcmp64));
        if compares && self.nzcv() & flags::V != 0 {
            self.flags[1..].fill(!0);
        }
    }
}

/// Slot of Xn, n in 0..=30.
pub const fn x(n: u32) -> Slot {
    assert!(n < 31);
    Slot(n as u16)
}
/// Slot of the stack pointer.
pub const SP: Slot = Slot(31);
/// Slot of Vn, n in 0..=31.
pub const fn v(n: u32) -> Slot {
    assert!(n < 32);
    Slot(32 + n as u16)
}
/// Slot of the condition flags.
pub const NZCV: Slot = Slot(64);
/// Slot of the exclusive monitor's address (`I64`).
pub const EXCL_ADDR: Slot = Slot(65);
/// Slot of the exclusive monitor's value, low half (`I64`).
pub const EXCL_LO: Slot = Slot(66);
/// High half.
pub const EXCL_HI: Slot = Slot(67);
/// TPIDR_EL0.
pub const TPIDR_EL0: Slot = Slot(68);
/// TPIDRRO_EL0.
pub const TPIDRRO_EL0: Slot = Slot(69);
/// FPCR (`I32`). Writing it must end the block with a `Sync` trap: FPCR is part of the translation key.
pub const FPCR: Slot = Slot(70);

/// PSTATE.DIT as the register DIT shows it.
pub const DIT: Slot = Slot(71);
/// PSTATE.SSBS as the register SSBS shows it.
pub const SSBS: Slot = Slot(72);

const fn row(name: &'static str, ty: Type, offset: usize, cached: bool) -> SlotInfo {
    SlotInfo {
        name,
        ty,
        offset: offset as u32,
        cached,
    }
}

const X_NAMES: [&str; 31] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
    "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
    "x28", "x29", "x30",
];
const V_NAMES: [&str; 32] = [
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14",
    "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27",
    "v28", "v29", "v30", "v31",
];

const ROWS: [SlotInfo; 73] = {
    let mut r = [row("", Type::I64, 0, false); 73];
    let mut i = 0;
    while i < 31 {
        r[i] = row(
            X_NAMES[i],
            Type::I64,
            offset_of!(GuestState, x) + 8 * i,
            true,
        );
        i += 1;
    }
    r[31] = row("sp", Type::I64, offset_of!(GuestState, sp), true);
    let mut i = 0;
    while i < 32 {
        r[32 + i] = row(
            V_NAMES[i],
            Type::V128,
            offset_of!(GuestState, v) + 16 * i,
            true,
        );
        i += 1;
    }
    r[64] = row("nzcv", Type::Flags, offset_of!(GuestState, flags), true);
    r[65] = row(
        "excl_addr",
        Type::I64,
        offset_of!(GuestState, excl_addr),
        false,
    );
    r[66] = row(
        "excl_lo",
        Type::I64,
        offset_of!(GuestState, excl_val),
        false,
    );
    r[67] = row(
        "excl_hi",
        Type::I64,
        offset_of!(GuestState, excl_val) + 8,
        false,
    );
    r[68] = row(
        "tpidr_el0",
        Type::I64,
        offset_of!(GuestState, tpidr_el0),
        false,
    );
    r[69] = row(
        "tpidrro_el0",
        Type::I64,
        offset_of!(GuestState, tpidrro_el0),
        false,
    );
    r[70] = row("fpcr", Type::I32, offset_of!(GuestState, fpcr), false);
    r[71] = row("dit", Type::I64, offset_of!(GuestState, dit), false);
    r[72] = row("ssbs", Type::I64, offset_of!(GuestState, ssbs), false);
    r
};

/// The slot table of this guest.
pub static SLOTS: SlotTable = SlotTable { rows: &ROWS };
/// Offset of the program counter, for exits.
pub const PC_OFFSET: u32 = offset_of!(GuestState, pc) as u32;

/// Offset of FPSR in [`GuestState`]: no slot, helpers and the baseline read and write it.
pub const FPSR_OFFSET: u32 = std::mem::offset_of!(GuestState, fpsr) as u32;
/// Offset of the triple that NZCV is kept as, for the baseline.
pub const FLAGS_OFFSET: u32 = std::mem::offset_of!(GuestState, flags) as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_do_not_overlap_and_are_aligned() {
        let mut spans: Vec<(u32, u32)> = SLOTS
            .rows
            .iter()
            .map(|r| {
                let n = if r.ty == Type::Flags {
                    24
                } else {
                    r.ty.bytes()
                };
                assert_eq!(
                    r.offset % n.min(16).next_power_of_two().min(8),
                    0,
                    "{}",
                    r.name
                );
                (r.offset, r.offset + n)
            })
            .collect();
        spans.sort();
        assert!(spans.windows(2).all(|w| w[0].1 <= w[1].0));
    }
}
