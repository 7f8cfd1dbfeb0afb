//! What the translator writes, for random words of every row: units that the verifier accepts and that the text form
//! keeps, and that do the same after the optimiser, on random states, through the reference interpreter.

mod common;

use common::{ALL_FEATURES, Rng, structured_words};
use metaphrase_arm64::arch::state::{GuestState, SLOTS};
use metaphrase_arm64::decode;
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_ir::arith::FpEnv;
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::interp::{self, Fault, Guest, Left, State};
use metaphrase_ir::ops::Effects;
use metaphrase_ir::opt::{Scratch, optimize};
use metaphrase_ir::parse::parse;
use metaphrase_ir::testing::{TestMemory, WINDOW, WINDOW_BYTES};
use metaphrase_ir::verify::violations;
use metaphrase_ir::{BlockId, MemInfo, Type, Unit};

const PC: u64 = 0x40_0000;

fn translate(words: &[u32]) -> Unit {
    let mut unit = Unit::new(&SLOTS);
    let cfg = Config {
        feats: ALL_FEATURES,
        ..Config::default()
    };
    let mut fetch = |at: u64| words.get(at.wrapping_sub(PC) as usize / 4).copied();
    translate_block(&mut unit, &cfg, PC, &mut fetch, words.len() as u32);
    unit
}

fn check_sound(unit: &Unit, words: &[u32]) {
    let found = violations(unit);
    assert!(found.is_empty(), "{words:08x?}: {}\n{unit}", found[0]);
}

/// Memory, and helpers that depend on everything.
struct World(TestMemory);

impl Guest for World {
    fn read(&mut self, addr: u64, buf: &mut [u8], m: MemInfo) -> Result<(), Fault> {
        self.0.read(addr, buf, m)
    }
    fn write(&mut self, addr: u64, data: &[u8], m: MemInfo) -> Result<(), Fault> {
        self.0.write(addr, data, m)
    }
    fn helper(&mut self, id: HelperId, aux: u32, args: [u64; 3], state: &mut State<'_>) -> u64 {
        let start = args[0] ^ (id as u64) << 32 ^ u64::from(aux);
        if !id.info().effects.contains(Effects::STATE) {
            return start ^ args[1].rotate_left(7) ^ args[2].rotate_left(19);
        }
        let seen = SLOTS.rows.iter().fold(start, |h, row| {
            h.rotate_left(5).wrapping_mul(31) ^ state.get(row) as u64
        });
        state.set(&SLOTS.rows[seen as usize % 31], seen.into());
        seen
    }
}

#[derive(PartialEq, Debug)]
struct Outcome {
    left: Left,
    slots: Vec<(&'static str, u128)>,
    fpsr: u32,
    memory: TestMemory,
}

/// Executes the unit from a state made from the seed: most registers point into the window.
fn execute(unit: &Unit, seed: u64) -> Outcome {
    let mut rng = Rng(seed | 1);
    let mut wide = || u64::from(rng.word()) << 32 | u64::from(rng.word());
    let mut slots = vec![0; size_of::<GuestState>()];
    let fpcr = wide() as u32 & [0, 0x07f7_0000][seed as usize >> 8 & 1];
    let mut fp = FpEnv { fpcr, fpsr: 0 };
    let mut state = State {
        slots: &mut slots,
        fp: &mut fp,
    };
    for row in SLOTS.rows {
        let r = wide();
        let v = match row.ty {
            Type::Flags => u128::from(r & 0xf000_0000),
            Type::V128 => special(r) << 64 | special(wide()),
            _ if r % 4 > 0 => (WINDOW + (r >> 2) % WINDOW_BYTES as u64).into(),
            _ => special(r) & u128::from(u64::MAX),
        };
        let v = if row.ty == Type::I32 {
            v & 0xffff_ffff
        } else {
            v
        };
        state.set(row, v);
    }
    let bytes = (0..WINDOW_BYTES).map(|_| wide() as u8).collect();
    let mut world = World(TestMemory {
        pieces: vec![(WINDOW, bytes, true)],
    });
    let left = interp::run(unit, BlockId(0), &mut state, &mut world, 4);
    let slots = (SLOTS.rows.iter().map(|r| (r.name, state.get(r)))).collect();
    Outcome {
        left,
        slots,
        fpsr: fp.fpsr,
        memory: world.0,
    }
}

/// 64 bits that are often at an edge, of integers or of floats.
fn special(r: u64) -> u128 {
    let edges = [
        0,
        1,
        u64::MAX,
        1 << 63,
        0x7fff_ffff_8000_0000,
        0x3ff0_0000_3f80_0000,
        0x7ff0_0000_7f80_0000,
        0x7ff8_0000_7fc0_0001,
        0x000f_ffff_0080_0000,
    ];
    match r % 3 {
        0 => edges[(r >> 8) as usize % edges.len()].into(),
        _ => r.into(),
    }
}

fn compare(words: &[u32], seed: u64) {
    let plain = translate(words);
    check_sound(&plain, words);
    let mut optimised = plain.clone();
    optimize(&mut optimised, &mut Scratch::default());
    check_sound(&optimised, words);
    let (a, b) = (execute(&plain, seed), execute(&optimised, seed));
    assert!(
        a == b,
        "{words:08x?}, seed {seed:#x}\n{plain}\n{optimised}\n{}",
        difference(&a, &b)
    );
}

fn difference(a: &Outcome, b: &Outcome) -> String {
    let slots: Vec<String> = (a.slots.iter().zip(&b.slots))
        .filter(|(x, y)| x != y)
        .map(|(x, y)| format!("{}: {:#x} {:#x}", x.0, x.1, y.1))
        .collect();
    format!(
        "{:x?} {:x?}\n{slots:?}\nfpsr {:#x} {:#x}, memory equal: {}",
        a.left,
        b.left,
        a.fpsr,
        b.fpsr,
        a.memory == b.memory
    )
}

/// The words of random instructions that decode.
fn decodable(n: u32, seed: u64) -> Vec<u32> {
    let words = structured_words(n, seed);
    (words.into_iter())
        .filter(|&w| decode::row_of(w, ALL_FEATURES).is_ok())
        .collect()
}

#[test]
fn every_row_gives_a_sound_unit_that_text_keeps() {
    for (i, w) in structured_words(8, 0x1234_5678).into_iter().enumerate() {
        let unit = translate(&[w]);
        check_sound(&unit, &[w]);
        if i % 8 == 0 {
            let text = unit.to_string();
            let back = parse(&text, &SLOTS).unwrap_or_else(|e| panic!("{w:08x}: {e}\n{text}"));
            assert_eq!(back.to_string(), text, "{w:08x}");
        }
    }
}

#[test]
fn one_instruction_does_the_same_optimised() {
    for (i, w) in decodable(12, 0x9e37_79b9).into_iter().enumerate() {
        compare(&[w], 0x1000_0000 + i as u64 * 0x9e37_79b9);
    }
}

/// Neighbours matter to the passes: sequences of words from all rows, mixed.
#[test]
fn sequences_do_the_same_optimised() {
    let words = decodable(8, 0x0bad_cafe);
    let mut rng = Rng(0x5eed);
    for i in 0..6000u64 {
        let pick = |rng: &mut Rng| words[rng.word() as usize % words.len()];
        let sequence: Vec<u32> = (0..8).map(|_| few_registers(pick(&mut rng))).collect();
        compare(&sequence, i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

/// The word with its Rd, Rn and Rm fields cut to 0..=3 if it still decodes to the same row: then instructions meet.
fn few_registers(w: u32) -> u32 {
    let cut = w & !(0x1c | 0x1c << 5 | 0x1c << 16);
    let row = |w| {
        decode::row_of(w, ALL_FEATURES)
            .ok()
            .map(|r| (r.class, r.name))
    };
    if row(cut) == row(w) { cut } else { w }
}
