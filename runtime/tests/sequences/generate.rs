//! Random straight-line sequences with a state to start from. Knows the decode rows, not who executes the words.
//!
//! Registers have roles, so that most accesses meet the window and operands depend on one another: X20..X27 and SP are bases,
//! X16..X19 small indices, a few of the rest are data. Every role is broken now and then.

use crate::exec::{CODE, CODE_BYTES, DATA, DATA_BYTES, Group, Regs};
use metaphrase_arm64::arch::features::{Feat, FeatSet};
use metaphrase_arm64::decode::pattern::Row;
use metaphrase_arm64::decode::{self, CLASSES};

/// Where sequences stand.
pub const AT: u64 = CODE + CODE_BYTES / 2;

/// xorshift64*.
pub struct Rng(u64);

impl Rng {
    /// A generator; any seed will do.
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        ((self.next() >> 32) * n) >> 32
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of a list.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// Rows and how often to draw from them.
struct Pool {
    weight: u64,
    rows: Vec<&'static Row>,
}

/// What to draw from, and which registers stand for data in this sequence.
pub struct Generator {
    pools: Vec<Pool>,
    oracle: bool,
    data: Vec<u32>,
    vectors: Vec<u32>,
}

/// Features newer than the oldest QEMU that we use (7.2).
const NEWER: &[Feat] = &[
    Feat::CSSC,
    Feat::HBC,
    Feat::WFXT,
    Feat::XS,
    Feat::MOPS,
    Feat::PAUTH,
];

/// Rows of which QEMU 7.2 has another opinion, known to be wrong (see `exec_qemu.rs`), or whose misaligned accesses depend
/// on FEAT_LSE2, which it lacks.
fn qemu_differs(r: &Row) -> bool {
    NEWER.contains(&r.feat)
        || matches!(r.name, "FJCvtZS" | "FCvtZSHalf" | "FCvtZUHalf")
        || r.class == "Atomic"
        || r.name == "Hint" // WFI stops the emulator for good
}

/// Rows that end a sequence, or whose result is no function of the state.
fn unsuited(r: &Row) -> bool {
    r.class == "Branch"
        || (r.class == "System"
            && matches!(
                r.name,
                "Msr"
                    | "Mrs"
                    | "Sys"
                    | "Sysl"
                    | "MsrImm"
                    | "MsrDit"
                    | "MsrSsbs"
                    | "MsrTco"
                    | "Wfet"
                    | "Wfit"
            ))
}

/// Which pool a row belongs to; the weights are in [`WEIGHTS`].
fn pool_of(r: &Row) -> usize {
    let flags = [
        "Adds", "Subs", "Ands", "Bics", "Adc", "Sbc", "Ccm", "Cs", "Rmif", "Setf", "Cfinv",
        "Xaflag", "Axflag",
    ];
    match r.class {
        _ if flags.iter().any(|f| r.name.starts_with(f)) && r.class.starts_with("Dp") => 0,
        "System" if r.name.contains("flag") || r.name == "Cfinv" => 0,
        "DpReg" | "DpImm" => 1,
        "LoadStore" => 2,
        "LoadStoreSimd" => 3,
        "Atomic" => 4,
        "Fp" | "FpConv" | "FpHalf" | "FpConvHalf" => 5,
        "System" => 6,
        _ => 7,
    }
}

const WEIGHTS: [u64; 8] = [32, 20, 15, 3, 4, 10, 1, 12];

impl Generator {
    /// For this machine's own executors, or (`oracle`) for a comparison with QEMU.
    pub fn new(oracle: bool) -> Generator {
        let mut pools: Vec<Pool> = WEIGHTS
            .iter()
            .map(|&weight| Pool {
                weight,
                rows: Vec::new(),
            })
            .collect();
        for r in CLASSES.iter().flat_map(|c| c.iter()) {
            let known = FeatSet::IMPLEMENTED.has(r.feat) && !unsuited(r);
            if known && !(oracle && qemu_differs(r)) {
                pools[pool_of(r)].rows.push(r);
            }
        }
        pools.retain(|p| !p.rows.is_empty());
        Generator {
            pools,
            oracle,
            data: Vec::new(),
            vectors: Vec::new(),
        }
    }

    /// A sequence and one state.
    pub fn sequence(&mut self, rng: &mut Rng) -> Group {
        self.choose_registers(rng);
        // Some alone: an instruction's exception bits are seen best then.
        let n = if rng.one_in(4) { 1 } else { 8 + rng.below(33) };
        let mut words: Vec<u32> = (0..n).map(|_| self.word(rng)).collect();
        if !self.oracle && rng.one_in(8) {
            let at = rng.below(n + 1) as usize;
            words.splice(at..at, self.bulk(rng));
        }
        let mut start = state(rng);
        start.pc = AT;
        Group {
            words,
            at: AT,
            memory: true,
            ins: vec![start],
        }
    }

    /// Draws the registers that stand for data.
    pub fn choose_registers(&mut self, rng: &mut Rng) {
        const FREE: [u32; 19] = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 28, 29, 30,
        ];
        let n = 3 + rng.below(4);
        self.data = (0..n).map(|_| rng.of(&FREE)).collect();
        self.vectors = (0..n).map(|_| rng.of(&FREE)).collect();
    }

    /// An instruction.
    pub fn word(&self, rng: &mut Rng) -> u32 {
        if rng.one_in(30) {
            return self.system_register(rng);
        }
        if rng.one_in(150) && !self.oracle {
            return 0xd50b_7420 | self.base(rng).min(30); // dc zva
        }
        loop {
            let mut w = rng.below(self.pools.iter().map(|p| p.weight).sum());
            let pool = self.pools.iter().find(|p| {
                let found = w < p.weight;
                w = w.wrapping_sub(p.weight);
                found
            });
            let row = rng.of(&pool.expect("the weights add up").rows);
            let word = self.fill(rng, row);
            // CONSTRAINED UNPREDICTABLE; QEMU 7.2 keeps the first value.
            let twice = row.name.starts_with("Ldp") && word >> 10 & 31 == word & 31;
            if self.oracle && twice {
                continue;
            }
            if decode::row_of(word, FeatSet::IMPLEMENTED).is_ok_and(|r| std::ptr::eq(r, row)) {
                return word;
            }
        }
    }

    /// A whole memory copy or set: prologue, main, epilogue.
    fn bulk(&self, rng: &mut Rng) -> [u32; 3] {
        let rd = 20 + rng.below(4) as u32;
        let rs = 24 + rng.below(4) as u32;
        let rn = 16 + rng.below(4) as u32;
        let (op, shift) = rng.of(&[(0x1900_0400, 22), (0x1d00_0400, 22), (0x19c0_0400, 14)]);
        [0, 1, 2].map(|stage| op | rs << 16 | stage << shift | rn << 5 | rd)
    }

    /// MRS or MSR of NZCV, FPCR, FPSR, TPIDR_EL0. QEMU keeps AArch32's bits of FPCR and FPSR; the runner needs its TPIDR_EL0.
    fn system_register(&self, rng: &mut Rng) -> u32 {
        let [nzcv, fpcr, fpsr, tpidr] = [0xd51b_4200, 0xd51b_4400, 0xd51b_4420, 0xd51b_d040];
        let read = rng.one_in(2);
        let reg = match (self.oracle, read) {
            (true, false) => nzcv,
            (true, true) => rng.of(&[nzcv, fpcr, fpsr]),
            _ => rng.of(&[nzcv, nzcv, fpcr, fpsr, tpidr]),
        };
        reg | u32::from(read) << 21 | rng.of(&self.data)
    }

    fn base(&self, rng: &mut Rng) -> u32 {
        match rng.below(5) {
            0 => 31,
            _ => 20 + rng.below(8) as u32,
        }
    }

    /// Random fields, registers by their roles.
    fn fill(&self, rng: &mut Rng, row: &Row) -> u32 {
        let mut w = rng.next() as u32 & !row.mask | row.value;
        let letters: Vec<u8> = row.pattern.bytes().filter(|&b| b != b' ').collect();
        // Bits that the row ignores; QEMU insists on them.
        w |= letters
            .iter()
            .fold(0, |m, &b| m << 1 | u32::from(b == b'x'));
        let memory = matches!(row.class, "LoadStore" | "LoadStoreSimd" | "Atomic");
        if memory {
            w = tame(rng, row, w);
        }
        let roles = !rng.one_in(80);
        for shift in [0, 5, 10, 16] {
            let letter = letters[31 - shift];
            let field = (0..5).all(|i| letters[31 - shift - i] == letter);
            if !field || !roles || !b"dntmuaw".contains(&letter) {
                continue;
            }
            let r = self.register(rng, row, letter, memory);
            w = w & !(31 << shift) | r << shift;
        }
        w
    }

    fn register(&self, rng: &mut Rng, row: &Row, letter: u8, memory: bool) -> u32 {
        let general = row.class.starts_with("Dp") || row.class == "Atomic" || row.class == "System";
        let vector = !general && (row.class != "LoadStore" || row.name.ends_with('V'));
        match letter {
            b'n' if memory => self.base(rng),
            b'm' if memory => match rng.below(3) {
                0 => 31,
                _ => 16 + rng.below(4) as u32,
            },
            b'd' if general && rng.one_in(24) => 31,
            b'n' | b'm' | b'a' | b'u' | b't' | b'w' if !vector && rng.one_in(10) => 31,
            b'n' | b'm' | b'a' if !memory && rng.one_in(12) => 16 + rng.below(12) as u32,
            _ if vector && !rng.one_in(4) => rng.of(&self.vectors),
            _ => rng.of(&self.data),
        }
    }
}

/// Makes big offsets small most of the time, so that accesses meet the window.
fn tame(rng: &mut Rng, row: &Row, w: u32) -> u32 {
    let immediate = row.name.ends_with("Imm") || row.name.ends_with("ImmV");
    if row.name.contains("Lit") {
        w & !0x00f0_0000
    } else if immediate && !rng.one_in(30) {
        w & !0x003f_0000
    } else {
        w
    }
}

/// An integer that something may depend on.
pub fn interesting(rng: &mut Rng) -> u64 {
    let r = rng.next();
    const EDGES: [u64; 10] = [
        0,
        u64::MAX,
        1 << 63,
        i64::MAX as u64,
        0x8000_0000,
        0x7fff_ffff,
        0xffff_ffff,
        1 << 32,
        0xffff_ffff_8000_0000,
        0xffff,
    ];
    match rng.below(8) {
        0 => r % 16,
        1 => (r % 16).wrapping_neg(),
        2 => r & 0xffff_ffff,
        3 => rng.of(&EDGES),
        4 => 1 << (r % 64),
        _ => r,
    }
}

/// A vector: numbers of moderate size, special values, or anything.
fn interesting_vector(rng: &mut Rng) -> u128 {
    const D: [u64; 12] = [
        0,
        0x8000 << 48,
        0x7ff0 << 48,
        0xfff0 << 48,
        0x7ff8 << 48,
        0x7ff0_0000_0000_0001,
        1,
        0x3ff0 << 48,
        0xbfe0 << 48,
        0x7fef_ffff_ffff_ffff,
        // Their product is rounded up to the smallest normal number.
        0x0010_0000_0000_0001,
        0x3fef_ffff_ffff_fffe,
    ];
    const S: [u32; 12] = [
        0,
        0x8000_0000,
        0x7f80_0000,
        0xff80_0000,
        0x7fc0_0000,
        0x7f80_0001,
        1,
        0x3f80_0000,
        0xc0a0_0000,
        0x7f7f_ffff,
        0x0080_0001,
        0x3f7f_fffe,
    ];
    const H: [u16; 8] = [0, 0x8000, 0x7c00, 0x7e00, 0x7c01, 1, 0x3c00, 0xc500];
    match rng.below(6) {
        0 => u128::from(rng.of(&D)) | u128::from(rng.of(&D)) << 64,
        1 => (0..4).fold(0, |v, _| v << 32 | u128::from(rng.of(&S))),
        2 => (0..8).fold(0, |v, _| v << 16 | u128::from(rng.of(&H))),
        3 => (0..2).fold(0, |v, _| {
            let d = f64::from(rng.next() as i32) / f64::from(1u32 << rng.below(31));
            v << 64 | u128::from(d.to_bits())
        }),
        4 => (0..4).fold(0, |v, _| {
            let s = rng.next() as i16 as f32 / (1u32 << rng.below(16)) as f32;
            v << 32 | u128::from(s.to_bits())
        }),
        _ => u128::from(interesting(rng)) | u128::from(interesting(rng)) << 64,
    }
}

/// A state in which registers have their roles.
pub fn state(rng: &mut Rng) -> Regs {
    let mut r = Regs::default();
    r.x.iter_mut().for_each(|x| *x = interesting(rng));
    r.v.iter_mut().for_each(|v| *v = interesting_vector(rng));
    for i in 16..20 {
        r.x[i] = rng.below(512).wrapping_sub(256);
    }
    for b in 20..28 {
        r.x[b] = match rng.below(100) {
            0 => DATA + DATA_BYTES - rng.below(80),
            1 => DATA + rng.below(80),
            2 => (DATA + 8192 + rng.below(16384)) | (rng.next() & 0xff) << 56,
            3..40 => DATA + 8192 + rng.below(32768),
            _ => DATA + 8192 + rng.below(2048) * 16,
        };
    }
    r.sp = DATA + 8192 + rng.below(2048) * 16;
    r.nzcv = rng.next() as u32 & 0xf000_0000;
    r.fpsr = rng.next() as u32 & 0x0800_009f;
    if rng.one_in(3) {
        r.fpcr = rng.next() as u32 & 0x07c8_0000;
    }
    r
}
