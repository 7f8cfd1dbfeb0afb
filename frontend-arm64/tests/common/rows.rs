//! A word of a row, in its place and with states that make it do something; and where QEMU is known to differ. Knows nothing about who
//! executes it on our side.

use crate::common::Rng;
use crate::exec::{
    CODE, CODE_BYTES, DATA, DATA_BYTES, Group, Oracle, Regs, SIGBUS, SIGILL, SIGSEGV, SIGTRAP,
};
use metaphrase_arm64::arch::features::{Feat, FeatSet};
use metaphrase_arm64::arch::state::branch_address;
use metaphrase_arm64::arch::sysreg;
use metaphrase_arm64::decode;
use metaphrase_arm64::decode::pattern::Row;
use metaphrase_arm64::translate::Config;

/// Features newer than the oldest QEMU that we use (7.2): there these instructions are undefined.
const NEWER: &[Feat] = &[Feat::CSSC, Feat::HBC, Feat::WFXT, Feat::XS, Feat::MOPS];
/// What the emulator is told to have, as far as we have it: PAuth has random keys (see `pauth_qemu.rs`).
pub const COMMON: FeatSet = FeatSet::IMPLEMENTED.without(Feat::PAUTH);

/// Our side of a comparison with an emulator.
pub fn config(lse2: bool) -> Config {
    let feats = match lse2 {
        true => COMMON,
        false => COMMON.without(Feat::LSE2),
    };
    Config {
        feats,
        ..Config::default()
    }
}

/// Whether the emulator has FEAT_LSE2: an LDAR that is misaligned within 16 bytes succeeds.
pub fn has_lse2(oracle: &Oracle) -> bool {
    let mut i = Regs::default();
    i.x[1] = DATA + 1;
    let (words, at) = (vec![0xc8df_fc20], CODE); // ldar x0, [x1]
    let g = Group {
        words,
        at,
        memory: true,
        ins: vec![i],
    };
    oracle.run(&[g])[0][0].signo == SIGTRAP
}

/// Differences that are right, with their reasons.
pub fn explained(row: &Row, w: u32, ours: &Regs, theirs: &Regs, lse2: bool) -> bool {
    let old = !lse2; // before 8.1
    match (row.class, row.name) {
        // Not known to old emulators.
        _ if theirs.signo == SIGILL && NEWER.contains(&row.feat) => true,
        // Wrong in QEMU 7.2, right in 11.1: Z of an inexact zero; bits above the half not cleared.
        (_, "FJCvtZS" | "FCvtZSHalf" | "FCvtZUHalf") if old => true,
        // With FEAT_LSE2, misaligned exclusives always fault here and other misaligned accesses never.
        ("Atomic", _) if lse2 && (ours.signo == SIGBUS || theirs.signo == SIGBUS) => true,
        // Which comes first, the alignment check or the look at the monitor, is IMPLEMENTATION DEFINED (B2.12.3).
        ("Atomic", "Stxr" | "Stlxr" | "Stxp" | "Stlxp") if ours.signo == SIGBUS => true,
        // QEMU 7.2 forgets the alignment check.
        ("Atomic", "Ldapr") if old && ours.signo == SIGBUS => true,
        // LDP of one register twice is CONSTRAINED UNPREDICTABLE; QEMU 7.2 keeps the first value.
        ("LoadStore", "Ldp" | "Ldpsw" | "LdpV") if old && w >> 10 & 31 == w & 31 => true,
        // How much of a transfer the prologue and the main instruction do is IMPLEMENTATION DEFINED, so it is where a fault
        // finds the registers. QEMU goes page by page, we go to the byte.
        _ if row.feat == Feat::MOPS && ours.signo == SIGSEGV => {
            // It names the address without its tag.
            let near = branch_address(ours.addr) >> 12 == branch_address(theirs.addr) >> 12;
            // An address that x86-64 cannot have: its kernel does not say which it was.
            let no_address = ours.addr >> 47 != 0 && theirs.addr == 0;
            theirs.signo == SIGSEGV && (near || no_address)
        }
        // A fault of an instruction with several accesses, or in the middle of one: what was transferred before it is not
        // architectural. Base and general registers still are.
        ("LoadStore" | "LoadStoreSimd", _) if ours.signo == SIGSEGV => {
            // QEMU strips the tag of the address (TCR_EL1.TBI0); we do not.
            let tagged = ours.addr >> 56 != 0;
            // An address that x86-64 cannot have: its kernel does not say which it was.
            let no_address = ours.addr >> 47 != 0 && theirs.addr == 0;
            let same = (ours.signo, ours.pc, ours.sp, ours.x)
                == (theirs.signo, theirs.pc, theirs.sp, theirs.x);
            tagged || (same && (no_address || ours.addr == theirs.addr))
        }
        _ => false,
    }
}

/// A word of the row in its place, with states that make it do something; `None` where the draw is no case, or none for an
/// emulator.
pub fn group(rng: &mut Rng, row: &'static Row, number: usize, states: usize) -> Option<Group> {
    let g = any_group(rng, row, number, states)?;
    let word = *g.words.last()?;
    (!excluded(row, word)).then_some(g)
}

/// The same for our own executors, which wait for nobody.
pub fn any_group(rng: &mut Rng, row: &'static Row, number: usize, states: usize) -> Option<Group> {
    let word = (0..100)
        .map(|_| {
            let w = rng.word() & !row.mask | row.value | should_be_one(row);
            tame(rng, row, w)
        })
        .find(|&w| decode::row_of(w, FeatSet::IMPLEMENTED).is_ok_and(|r| std::ptr::eq(r, row)))?;
    let mut words = vec![word];
    if row.name.starts_with("St")
        && row.class == "Atomic"
        && row.name.contains('x')
        && !rng.word().is_multiple_of(4)
    {
        words.insert(0, load_exclusive_for(word));
    }
    let bulk = row.feat == Feat::MOPS && !rng.word().is_multiple_of(4);
    if bulk {
        words = (0..3)
            .map(|stage| word & !stage_bits(row) | stage << stage_bits(row).trailing_zeros())
            .collect();
    }
    let memory = matches!(row.class, "LoadStore" | "LoadStoreSimd" | "Atomic");
    let at = CODE + CODE_BYTES / 2 + (number as u64 % 1024) * 4096;
    let ins = (0..states)
        .map(|_| match row.feat {
            Feat::MOPS => bulk_state(rng, row, word, bulk),
            _ => state(rng, row, word, memory),
        })
        .collect();
    Some(Group {
        words,
        at,
        memory,
        ins,
    })
}

/// Bits that the row ignores; QEMU insists on them.
fn should_be_one(row: &Row) -> u32 {
    let bits = row.pattern.bytes().filter(|&b| b != b' ');
    bits.fold(0, |m, b| m << 1 | u32::from(b == b'x'))
}

/// Where a row of FEAT_MOPS says which of the three instructions it is.
fn stage_bits(row: &Row) -> u32 {
    if row.name == "Set" { 3 << 14 } else { 3 << 22 }
}

/// A state for a transfer: from its prologue (`whole`), or in option A's format for an epilogue alone.
fn bulk_state(rng: &mut Rng, row: &Row, w: u32, whole: bool) -> Regs {
    let mut r = state(rng, row, w, false);
    let (rs, rn, rd) = (w >> 16 & 31, w >> 5 & 31, w & 31);
    let size = match rng.word() % 8 {
        0 => 0,
        1 => u64::from(rng.word() % 8192),
        2 => interesting(rng),
        _ => u64::from(rng.word() % 300),
    };
    let mut place = || DATA + 8192 + u64::from(rng.word() % 16384);
    let (mut d, mut s) = (place(), place());
    if size % 2 == 1 {
        s = d.wrapping_add(size / 2); // overlapping
    }
    if (size % 4 == 2 && row.name == "Cpy") || (s < d && row.name == "Cpyf") {
        (d, s) = (s, d); // CPYF* is for sources above the destination
    }
    let mut n = size;
    if !whole {
        let size = size % (1 << 20); // no prologue leaves sizes that reach into the tag
        let down = row.name == "Cpy" && s < d;
        n = if down { size } else { size.wrapping_neg() };
    }
    if row.name != "Set" {
        r.x[rs as usize] = s;
    }
    (r.x[rn as usize], r.x[rd as usize]) = (n, d);
    r
}

/// Makes big offsets small most of the time, so that accesses meet the window.
fn tame(rng: &mut Rng, row: &Row, w: u32) -> u32 {
    match row.class {
        "System" if ["Msr", "Mrs"].contains(&row.name) => {
            let names = ["NZCV", "FPCR", "FPSR"];
            let name = names[rng.word() as usize % names.len()];
            let reg = sysreg::REGS.iter().find(|r| r.name == name);
            w & !(0x7fff << 5) | u32::from(reg.expect("listed").enc & 0x7fff) << 5
        }
        _ if row.name == "Svc" => w & !(0xffff << 5), // other numbers mean something to `exec.rs`
        _ if row.feat == Feat::MOPS => w & !stage_bits(row) | 2 << stage_bits(row).trailing_zeros(),
        "LoadStore" if row.name.ends_with("Imm") || row.name.ends_with("ImmV") => {
            match rng.word() % 4 {
                0 => w,
                _ => w & !0x003f_0000,
            }
        }
        "LoadStore" if row.name.contains("Lit") => w & !0x00f0_0000,
        _ => w,
    }
}

/// The load-exclusive that a store-exclusive needs: same size and base, into registers that the store does not name.
fn load_exclusive_for(w: u32) -> u32 {
    let used = [w >> 16 & 31, w >> 10 & 31, w >> 5 & 31, w & 31];
    let mut free = (0..31).filter(|r| !used.contains(r));
    let (a, b) = (free.next().unwrap_or(0), free.next().unwrap_or(0));
    let pair = w >> 21 & 1;
    let rt2 = if pair != 0 { b } else { 31 };
    w & 0xffa0_83e0 | 1 << 22 | 31 << 16 | rt2 << 10 | a
}

/// Words whose effect depends on the emulator's choices.
fn excluded(row: &Row, w: u32) -> bool {
    let reg = (w >> 5) as u16;
    match row.name {
        "Svc" => true,
        "Hint" => matches!(w >> 5 & 127, 2 | 3), // WFE, WFI: the emulator may wait for ever
        "Wfet" | "Wfit" => true,
        "Hlt" => w >> 5 & 0xffff == 0xf000, // semihosting
        "Msr" | "Mrs" => {
            !["NZCV", "FPCR", "FPSR"].contains(&sysreg::lookup(reg).map_or("", |r| r.name))
        }
        "Sys" | "Sysl" => true,
        _ => false,
    }
}

fn interesting(rng: &mut Rng) -> u64 {
    let r = u64::from(rng.word()) << 32 | u64::from(rng.word());
    match rng.word() % 8 {
        0 => r % 16,
        1 => (r % 16).wrapping_neg(),
        2 => r & 0xffff_ffff,
        3 => [
            0,
            u64::MAX,
            1 << 63,
            i64::MAX as u64,
            0x8000_0000,
            0x7fff_ffff,
            0xffff_ffff,
            1 << 32,
        ][r as usize % 8],
        4 => 1 << (r % 64),
        _ => r,
    }
}

/// A lane pattern: all lanes of one kind, so that FP rows see numbers, infinities, NaNs and denormals.
fn interesting_vector(rng: &mut Rng) -> u128 {
    const D: [u64; 8] = [
        0,
        0x8000 << 48,
        0x7ff0 << 48,
        0x7ff8 << 48,
        0x7ff0_0000_0000_0001,
        1,
        0x3ff0 << 48,
        0xbfe0 << 48,
    ];
    const S: [u32; 8] = [
        0,
        0x8000_0000,
        0x7f80_0000,
        0x7fc0_0000,
        0x7f80_0001,
        1,
        0x3f80_0000,
        0xc0a0_0000,
    ];
    let mut q = || interesting(rng);
    let raw = u128::from(q()) | u128::from(q()) << 64;
    let r = rng.word();
    match r % 4 {
        0 => u128::from(D[r as usize >> 4 & 7]) | u128::from(D[r as usize >> 8 & 7]) << 64,
        1 => (0..4).fold(0, |v, i| {
            v << 32 | u128::from(S[r as usize >> (4 + 4 * i) & 7])
        }),
        2 => {
            // Numbers of moderate size.
            let d = |r: u32| f64::from(r as i32) / f64::from(1 << (r % 31));
            u128::from(d(rng.word()).to_bits()) | u128::from(d(rng.word()).to_bits()) << 64
        }
        _ => raw,
    }
}

fn state(rng: &mut Rng, row: &Row, w: u32, memory: bool) -> Regs {
    let mut r = Regs::default();
    r.x.iter_mut().for_each(|x| *x = interesting(rng));
    r.v.iter_mut().for_each(|v| *v = interesting_vector(rng));
    r.sp = DATA + DATA_BYTES / 2 + u64::from(rng.word() % 256) * 16;
    r.nzcv = rng.word() & 0xf000_0000;
    if rng.word().is_multiple_of(2) {
        r.fpcr = rng.word() & 0x07c8_0000;
    }
    let (rn, rm) = ((w >> 5 & 31) as usize, (w >> 16 & 31) as usize);
    if row.class == "Branch" && rn < 31 {
        r.x[rn] = match rng.word() % 4 {
            0 => interesting(rng) & 0x7fff_ffff_fffc,
            _ => CODE + u64::from(rng.word()) % CODE_BYTES / 4 * 4,
        };
        if rng.word().is_multiple_of(8) {
            r.x[rn] |= u64::from(rng.word()) << 56; // a tag
        }
    }
    if memory {
        let indexed = row.name.contains("Reg") || row.name.ends_with("Post");
        if indexed && rm < 31 && rm != rn && !rng.word().is_multiple_of(8) {
            r.x[rm] = i64::from(rng.word() as i32 >> 23) as u64;
        }
        let base = match rng.word() % 16 {
            0 => DATA + DATA_BYTES - u64::from(rng.word() % 80),
            1 => DATA + u64::from(rng.word() % 80),
            2 => DATA - u64::from(rng.word() % 32),
            3..8 => DATA + 8192 + u64::from(rng.word() % 16384),
            _ => DATA + 8192 + u64::from(rng.word() % 1024) * 16,
        };
        match rn {
            31 => r.sp = base & !15,
            _ => r.x[rn] = base,
        }
    }
    r
}
