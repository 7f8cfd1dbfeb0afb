//! Pointer authentication against qemu-aarch64: every row, signed and damaged pointers, with the very keys that the emulator drew.
//!
//! The emulator's keys are random and no program can read them, so the test looks for them in the emulator's memory: five 128-bit
//! keys in a row of which the last explains what PACGA gave.
//!
//! Needs an emulator whose `max` has FEAT_PAuth alone, as ours (7.2; since 8.2 it has FEAT_FPAC and FEAT_PAuth2, where failures and some
//! codes differ): with another one, only the cipher is compared.

#![allow(dead_code, reason = "shared modules of the test binaries")]

mod common;
#[path = "common/exec.rs"]
mod exec;

use common::Rng;
use exec::{CODE, CODE_BYTES, DATA, DATA_BYTES, Group, Oracle, Regs, differences, interpret_with};
use metaphrase_arm64::arch::features::{Feat, FeatSet};
use metaphrase_arm64::arch::pauth::{self, GENERIC, Keys};
use metaphrase_arm64::decode::{self, CLASSES};
use metaphrase_arm64::translate::Config;
use std::os::unix::fs::FileExt;

const AT: u64 = CODE + CODE_BYTES / 2;
const PACGA_X0_X1_X2: u32 = 0x9ac2_3020;
const MRS_X0_ISAR1: u32 = 0xd538_0620;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |s| s.parse().expect(name))
}

fn group(words: Vec<u32>, memory: bool, ins: Vec<Regs>) -> Group {
    Group {
        words,
        at: AT,
        memory,
        ins,
    }
}

/// The emulator's keys, found in its memory by what PACGA made of some operands.
fn find_keys(outs: &[Regs], ins: &[Regs], pid: u32) -> Option<Keys> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("mem");
    let fits = |k: [u64; 2]| {
        let mut keys = Keys::default();
        keys.key[4] = k;
        let pacga = |i: &Regs| pauth::operation(&keys, GENERIC, i.x[1], i.x[2]);
        ins.iter()
            .zip(outs)
            .take(3)
            .all(|(i, o)| pacga(i) == o.x[0])
    };
    for line in maps.lines().filter(|l| l.contains(" rw")) {
        let span = line.split(' ').next().and_then(|s| s.split_once('-'));
        let Some((Ok(start), Ok(end))) =
            span.map(|(a, b)| (u64::from_str_radix(a, 16), u64::from_str_radix(b, 16)))
        else {
            continue;
        };
        if end - start > 64 << 20 {
            continue;
        }
        let mut bytes = vec![0; (end - start) as usize];
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|c| u64::from_le_bytes(c.try_into().expect("8 bytes")))
            .collect();
        // Random words have about as many ones as zeros.
        let random = |w: u64| (12..52).contains(&w.count_ones());
        let key = |w: &[u64]| w.iter().all(|&w| random(w)) && fits([w[8], w[9]]);
        if let Some(w) = words.windows(10).find(|w| key(w)) {
            let key = std::array::from_fn(|i| [w[2 * i], w[2 * i + 1]]);
            return Some(Keys { key, disabled: 0 });
        }
    }
    None
}

/// What signs the pointer that `w` will check, so that most checks succeed.
fn signer(name: &str, w: u32) -> Option<u32> {
    let (n, m, key) = (w >> 5 & 31, w & 31, w >> 10 & 1);
    Some(match name {
        "PacAut" | "PacAutZ" if w >> 12 & 1 != 0 => w & !(1 << 12),
        "Braz" | "Blraz" => 0xdac1_23e0 | key << 10 | n,
        "Bra" | "Blra" => 0xdac1_0000 | key << 10 | m << 5 | n,
        "Reta" => 0xdac1_0000 | key << 10 | 31 << 5 | 30,
        "Ldra" if n != 31 => 0xdac1_23e0 | (2 + (w >> 23 & 1)) << 10 | n,
        "Hint" if w >> 7 & 1 != 0 => w & !(1 << 7),
        _ => return None,
    })
}

fn state(rng: &mut Rng, w: u32) -> Regs {
    let mut r = Regs::default();
    let mut wide = || u64::from(rng.word()) << 32 | u64::from(rng.word());
    for x in &mut r.x {
        let v = wide();
        *x = match v % 5 {
            0 => v,
            1 => v >> 16,                   // a user address
            2 => v | 0xffff << 48,          // a kernel address
            3 => v & 0xff00_7fff_ffff_ffff, // with a tag
            _ => CODE + v % CODE_BYTES / 4 * 4,
        };
        // Known difference: of a pointer without an ignored top byte, QEMU 7.2 asks bit 63 which half of the address space it is
        // meant for; where either half ignores the top byte, as here, the manual asks bit 55 (AddPAC). They agree on these.
        *x |= (*x & 1 << 55) << 8;
    }
    if wide() % 3 > 0 {
        r.x[(w >> 5 & 31).min(30) as usize] = DATA + 4096 + wide() % (DATA_BYTES - 8192) / 8 * 8;
    }
    r.sp = DATA + DATA_BYTES / 2 + wide() % 256 * 16;
    r
}

/// A word of the row, often with what signs its pointer before it, and perhaps with damage between.
fn case(rng: &mut Rng, name: &str, w: u32) -> Group {
    let mut words = Vec::new();
    if let Some(s) = signer(name, w).filter(|_| !rng.word().is_multiple_of(4)) {
        words.push(s);
        let damaged = match name {
            "Hint" if w >> 5 & 127 < 16 => 17,
            "Hint" | "Reta" => 30,
            _ => w >> 5 & 31,
        };
        if rng.word().is_multiple_of(4) && damaged < 31 {
            let bit = rng.word() % 64;
            // eor xd, xd, #(1 << bit)
            words.push(0xd240_0000 | ((64 - bit) % 64) << 16 | damaged << 5 | damaged);
        }
    }
    words.push(w);
    let ins = (0..4).map(|_| state(rng, w)).collect();
    group(words, name == "Ldra", ins)
}

fn cases(rng: &mut Rng, n: u64) -> Vec<Group> {
    const HINTS: [u32; 13] = [7, 8, 10, 12, 14, 24, 25, 26, 27, 28, 29, 30, 31];
    let mut groups = Vec::new();
    for row in CLASSES.iter().flat_map(|c| c.iter()) {
        // ERETAA is undefined here.
        if row.feat != Feat::PAUTH || row.name == "Ereta" {
            continue;
        }
        for _ in 0..n {
            let mut w = rng.word() & !row.mask | row.value;
            if row.name == "Ldra" {
                w &= !(0x70 << 12); // a small offset
            }
            groups.push(case(rng, row.name, w));
        }
    }
    for h in HINTS {
        for _ in 0..n.div_ceil(4) {
            groups.push(case(rng, "Hint", 0xd503_201f | h << 5));
        }
    }
    groups
}

#[test]
fn rows_agree_with_qemu() {
    let Some(oracle) = Oracle::find() else { return };
    let mut rng = Rng(number("METAPHRASE_ORACLE_SEED", 0) ^ 0x1357_9bdf_0246_8ace);
    let ins: Vec<Regs> = (0..8).map(|_| state(&mut rng, 0)).collect();
    let probe = group(vec![PACGA_X0_X1_X2, MRS_X0_ISAR1 + 3], false, ins.clone());
    let groups = cases(&mut rng, number("METAPHRASE_ORACLE_CASES", 20));
    let look = |outs: &[Regs], pid| (find_keys(outs, &ins, pid), outs[0].x[3]);
    let ((keys, isar1), theirs) = oracle.run_signed(&probe, look, &groups);
    let api = isar1 >> 8 & 15;
    if api != 0 {
        eprintln!("the emulator has another cipher by default: nothing to compare");
        return;
    }
    let keys = keys.expect("the emulator's keys explain its codes by QARMA5");
    if isar1 >> 4 & 15 != 1 {
        eprintln!("the emulator has more than FEAT_PAuth: only the cipher was compared");
        return;
    }
    let cfg = Config::default();
    let mut wrong = Vec::new();
    let mut n = 0;
    for (g, theirs) in groups.iter().zip(&theirs) {
        for (i, t) in g.ins.iter().zip(theirs) {
            let ours = interpret_with(g, i, &cfg, 8, false, &keys);
            let mut d = differences(&ours, t);
            // A fault names an address that x86-64 does not have, or one without its tag: the host's business.
            d.retain(|d| !d.starts_with("address"));
            n += 1;
            if !d.is_empty() {
                let last = *g.words.last().expect("not empty");
                let name = decode::row_of(last, FeatSet::IMPLEMENTED).map_or("?", |r| r.name);
                wrong.push(format!("{name} {:08x?}: {}", g.words, d.join("; ")));
            }
        }
    }
    eprintln!("{n} cases");
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
