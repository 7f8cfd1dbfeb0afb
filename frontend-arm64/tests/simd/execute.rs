//! Rows against QEMU: every row on random registers, FPCR and FPSR, through translation and the reference interpreter.

use crate::oracle::{Machine, Oracle, Rng, env_number};
use crate::words;
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::state::{self, GuestState, SLOTS};
use metaphrase_arm64::decode::{decode, pattern::Row};
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_ir::arith::FpEnv;
use metaphrase_ir::interp::{self, Guest, Left, State};
use metaphrase_ir::{Slot, Unit, verify};

/// Nothing under test touches memory or helpers.
struct NoWorld;

impl Guest for NoWorld {
    fn read(
        &mut self,
        addr: u64,
        _: &mut [u8],
        _: metaphrase_ir::MemInfo,
    ) -> Result<(), interp::Fault> {
        panic!("read of {addr:#x}")
    }
    fn write(
        &mut self,
        addr: u64,
        _: &[u8],
        _: metaphrase_ir::MemInfo,
    ) -> Result<(), interp::Fault> {
        panic!("write of {addr:#x}")
    }
}

/// The unit of one word.
fn translate(word: u32) -> Unit {
    let mut unit = Unit::new(&SLOTS);
    let cfg = Config {
        feats: FeatSet::IMPLEMENTED,
        ..Config::default()
    };
    translate_block(&mut unit, &cfg, 0x1000, &mut |_| Some(word), 1);
    verify::assert_sound(&unit, "translation");
    unit
}

/// What our translation makes of the machine.
fn execute(unit: &Unit, m: &Machine) -> Machine {
    let mut slots = vec![0u8; size_of::<GuestState>()];
    let mut fp = FpEnv {
        fpcr: m.fpcr,
        fpsr: m.fpsr,
    };
    let mut s = State {
        slots: &mut slots,
        fp: &mut fp,
    };
    let set = |s: &mut State<'_>, slot: Slot, v: u128| s.set(SLOTS.get(slot), v);
    m.x.iter()
        .enumerate()
        .for_each(|(i, &x)| set(&mut s, state::x(i as u32), x.into()));
    m.v.iter()
        .enumerate()
        .for_each(|(i, &v)| set(&mut s, state::v(i as u32), v));
    set(&mut s, state::NZCV, m.nzcv.into());
    let left = interp::run(unit, metaphrase_ir::BlockId(0), &mut s, &mut NoWorld, 1);
    assert!(
        matches!(left, Left::Direct { pc: 0x1004, .. }),
        "{:08x}: {left:?}",
        m.word
    );
    let get = |slot: Slot| s.get(SLOTS.get(slot));
    Machine {
        x: std::array::from_fn(|i| get(state::x(i as u32)) as u64),
        v: std::array::from_fn(|i| get(state::v(i as u32))),
        nzcv: get(state::NZCV) as u32,
        fpsr: s.fp.fpsr,
        ..*m
    }
}

/// A lane of `bits` that is special as a float of that size, or a boundary integer.
fn lane(bits: u32, random: &mut Rng) -> u64 {
    let mask = u64::MAX >> (64 - bits);
    let (exp, frac) = match bits {
        16 => (5, 10),
        32 => (8, 23),
        64 => (11, 52),
        _ => return random.int(bits),
    };
    let sign = random.below(2) << (bits - 1);
    let ones = (1u64 << exp) - 1;
    let bias = ones >> 1;
    let few = random.next() & ((1u64 << frac) - 1);
    let magnitude = match random.below(12) {
        0 => 0,
        1 => ones << frac,
        2 => ones << frac | few | 1 << (frac - 1),
        3 => ones << frac | few >> 2 | 1,
        4 => few >> random.below(frac),
        5 => (1 << frac) - 1 + random.below(3),
        6 => (ones << frac) - 1 - random.below(2),
        7 | 8 => (bias + random.below(9) - 4) << frac | few,
        9 => (bias + random.below(exp * 8) % (bias - 1)) << frac | few & !0xff,
        _ => return random.int(bits),
    };
    (sign | magnitude) & mask
}

fn vector(random: &mut Rng) -> u128 {
    let bits = [8, 16, 32, 64][random.below(4) as usize];
    (0..128 / bits).fold(0, |v, i| v | u128::from(lane(bits, random)) << (i * bits))
}

/// RMode, FZ, DN, AHP, FZ16 and the cumulative bits of FPSR; half of the time all zero.
fn machine(word: u32, random: &mut Rng) -> Machine {
    const FPCR: u32 = 0x07c8_0000;
    const FPSR: u32 = 0x0800_009f;
    let flags = |random: &mut Rng, mask: u32| {
        if random.below(2) == 0 {
            0
        } else {
            random.next() as u32 & mask
        }
    };
    Machine {
        word,
        fpcr: flags(random, FPCR),
        fpsr: flags(random, FPSR),
        nzcv: random.next() as u32 & 0xf000_0000,
        x: std::array::from_fn(|_| lane([32, 64][random.below(2) as usize], random)),
        v: std::array::from_fn(|_| vector(random)),
    }
}

/// General registers 28 to 30 are the oracle's own.
fn usable(row: &Row, w: u32) -> bool {
    let reserved = |r: u32| (28..=30).contains(&(r & 31));
    let general = row.class.starts_with("FpConv") || row.class == "SimdCopy";
    !(general && (reserved(w) || reserved(w >> 5)))
}

fn cases(per_row: usize, seed: u64) -> Vec<(&'static Row, Machine)> {
    let mut random = Rng(seed);
    let mut cases = Vec::new();
    for row in words::rows() {
        for i in 0..per_row {
            // Two states for each word save QEMU translations.
            let w = match cases.last() {
                Some((_, m)) if i % 2 == 1 => Machine::clone(m).word,
                _ => (0..)
                    .map(|_| words::word(row, &mut random))
                    .find(|&w| usable(row, w))
                    .expect("endless"),
            };
            cases.push((row, machine(w, &mut random)));
        }
    }
    cases
}

/// What differs, in words.
fn difference(want: &Machine, got: &Machine) -> String {
    let mut s = String::new();
    for i in 0..32 {
        if want.v[i] != got.v[i] {
            s += &format!(" v{i}: {:032x} but QEMU {:032x};", got.v[i], want.v[i]);
        }
    }
    for i in 0..28 {
        if want.x[i] != got.x[i] {
            s += &format!(" x{i}: {:x} but QEMU {:x};", got.x[i], want.x[i]);
        }
    }
    if want.nzcv != got.nzcv {
        s += &format!(" nzcv: {:x} but QEMU {:x};", got.nzcv, want.nzcv);
    }
    if want.fpsr != got.fpsr {
        s += &format!(" fpsr: {:x} but QEMU {:x};", got.fpsr, want.fpsr);
    }
    s
}

/// `METAPHRASE_SIMD_CASES` is the number of cases for each row, `METAPHRASE_SIMD_SEED` another sequence of them.
#[test]
fn every_row_computes_what_qemu_does() {
    let per_row = env_number("METAPHRASE_SIMD_CASES", 24) as usize;
    let cases = cases(per_row, env_number("METAPHRASE_SIMD_SEED", 1));
    let machines: Vec<Machine> = cases.iter().map(|c| c.1).collect();
    let Some(oracle) = Oracle::of_machines("simd-rows") else {
        return;
    };
    let out = oracle.run_machines(&machines);
    let mut wrong = String::new();
    let mut last: Option<(u32, Unit)> = None;
    let mut bad_rows = std::collections::BTreeMap::<String, u32>::new();
    for ((row, m), (want, undefined)) in cases.iter().zip(&out) {
        if *undefined {
            wrong += &format!(
                "{:08x} {}::{}: QEMU knows no such instruction\n",
                m.word, row.class, row.name
            );
            continue;
        }
        let unit = match last.take() {
            Some((w, u)) if w == m.word => u,
            _ => translate(m.word),
        };
        let got = execute(&unit, m);
        let d = difference(want, &got);
        if !d.is_empty() && !known_difference(row, m, want, &got) {
            let n = bad_rows
                .entry(format!("{}::{}", row.class, row.name))
                .or_default();
            *n += 1;
            if *n <= 3 {
                let insn = decode(m.word, FeatSet::IMPLEMENTED);
                wrong += &format!(
                    "{:08x} {insn:?} fpcr {:x} fpsr {:x} nzcv {:x}:{d}\n",
                    m.word, m.fpcr, m.fpsr, m.nzcv
                );
            }
        }
        last = Some((m.word, unit));
    }
    assert!(
        wrong.is_empty(),
        "{} cases\n{bad_rows:?}\n{wrong}",
        cases.len()
    );
}

/// Differences where QEMU 7.2 (the one in Debian 12) departs from the manual and later versions agree with us.
fn known_difference(row: &Row, m: &Machine, want: &Machine, got: &Machine) -> bool {
    let d = (m.word & 31) as usize;
    let mut fixed = *want;
    match row.name {
        // C7.2 FCVTZS (vector, fixed-point): V[d] = a 16-bit result, zero-extended. QEMU leaves its sign in bits 31..16.
        "FCvtZSHalf" if row.class == "ScalarShift" => fixed.v[d] &= 0xffff,
        // FPToFixedJS: a denormal that FZ flushes makes the conversion inexact, so Z is 0. QEMU sets it.
        "FJCvtZS" if m.fpcr & 1 << 24 != 0 => fixed.nzcv = 0,
        _ => return false,
    }
    fixed == *got
}
