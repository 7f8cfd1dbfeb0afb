//! Chains of scalar floating point: short ones of few registers, so that NaNs of every kind meet, results go on as operands, and a
//! branch asks for a comparison just made.

use crate::harness::{Bench, Rng, random_memory, random_state, rounds};
use crate::words::{block, word};
use metaphrase_backend::abi::MODE_ROUNDING;

const PC: u64 = 0x40_0000;

/// Masks and values. Bit 22 chooses between single and double precision; X0 to X3 may be read as integers.
const ROWS: &[(u32, u32)] = &[
    (0xffa0_fc00, 0x1e20_2800), // FADD
    (0xffa0_fc00, 0x1e20_3800), // FSUB
    (0xffa0_fc00, 0x1e20_0800), // FMUL
    (0xffa0_fc00, 0x1e20_1800), // FDIV
    (0xffa0_fc00, 0x1e20_8800), // FNMUL
    (0xffa0_fc00, 0x1e20_4800), // FMAX
    (0xffa0_fc00, 0x1e20_5800), // FMIN
    (0xffa0_8000, 0x1f00_0000), // FMADD
    (0xffa0_8000, 0x1f20_0000), // FNMADD
    (0xffbf_fc00, 0x1e21_c000), // FSQRT
    (0xffbf_fc00, 0x1e21_4000), // FNEG
    (0xffff_fc00, 0x1e22_c000), // FCVT D, S
    (0xffff_fc00, 0x1e62_4000), // FCVT S, D
    (0xffff_fc00, 0x1e23_c000), // FCVT H, S
    (0xffff_7c00, 0x1ee2_4000), // FCVT S, H and D, H
    (0xbfff_fc00, 0x0e21_7800), // FCVTL from halves
    (0xbfff_fc00, 0x0e21_6800), // FCVTN to halves
    (0x7fbf_fc00, 0x1e23_0000), // UCVTF
    (0x7fbf_fc00, 0x1e22_0000), // SCVTF
    (0x7fbf_fc00, 0x1e38_0000), // FCVTZS
    (0xffa0_fc17, 0x1e20_2000), // FCMP, FCMPE
    (0xffff_ffe0, 0xd53b_4420), // MRS FPSR
    (0xffff_ffe0, 0xd51b_4420), // MSR FPSR
    (0x9fa0_fc00, 0x0e20_d400), // FADD by lanes
    (0x9fa0_fc00, 0x0e20_cc00), // FMLA by lanes
    (0xbf20_fc00, 0x0e20_0c00), // SQADD: FPSR.QC
];

const FCMP: (u32, u32) = (0xffa0_fc17, 0x1e20_2000);
const BRANCH: (u32, u32) = (0xff00_001f, 0x5400_0000);

/// A word of the row with its register fields below 4.
fn small(r: &mut Rng, row: (u32, u32)) -> u32 {
    let fields = 0b11100 << 16 | 0b11100 << 10 | 0b11100 << 5 | 0b11100;
    word(r, &[row]) & !(fields & !row.0)
}

#[test]
fn chains_and_comparisons() {
    let mut bench = Bench::new();
    let mut r = Rng(909);
    let memory = random_memory(&mut r);
    let mut compared = 0;
    for n in 0..6000 * rounds() {
        let len = 1 + r.below(6);
        let mut words = Vec::new();
        for _ in 0..len {
            let row = ROWS[r.below(ROWS.len() as u64) as usize];
            let w = small(&mut r, row);
            words.push(w);
        }
        if r.below(2) == 0 {
            words.push(small(&mut r, FCMP));
            // Forward, never to the block itself.
            words.push(BRANCH.1 | 0x40 << 5 | r.below(16) as u32);
        }
        let mode = if r.below(4) == 0 {
            r.next() & MODE_ROUNDING
        } else {
            0
        };
        let Some(b) = block(PC, &words, mode) else {
            continue;
        };
        for k in 0..6 {
            let mut g = random_state(&mut r);
            g.fpcr = mode as u32;
            let what = || format!("block {n}.{k}: words {words:08x?}, mode {mode:x}");
            bench.check(&b, &g, &memory, &|_| None, &what);
            compared += 1;
        }
    }
    assert!(compared > 20_000, "{compared}");
}
