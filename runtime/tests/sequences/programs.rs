//! Random programs: blocks of a few instructions that end in branches of every kind, calls of leaf functions, safepoints where the
//! runtime is disturbed, and instructions that the program itself changes.
//!
//! Every block burns fuel (X19), so that each program ends. X17, X18 hold targets of indirect branches, X30 the return address;
//! random instructions name none of the four.

use crate::exec::{CODE, Group, PATCH, SAFEPOINT};
use crate::generate::{AT, Generator, Rng, state};

const FUEL: u32 = 19;
const RESERVED: [u32; 4] = [17, 18, FUEL, 30];

/// A word that needs the place of a block once it is known.
enum Item {
    Word(u32),
    /// B, BL (26-bit offset).
    Near(u32, usize),
    /// B.cond, CBZ, CBNZ (19 bits from bit 5).
    Middle(u32, usize),
    /// TBZ, TBNZ (14 bits from bit 5).
    Short(u32, usize),
    /// ADR of a block into a register.
    Adr(u32, usize),
    /// SVC that patches the instruction of this number, see [`Program::patchable`].
    Patch(usize),
    /// ADR of that instruction.
    AdrPatchable(u32, usize),
}

/// A program under construction.
struct Program {
    items: Vec<Item>,
    /// Item at which each block begins; the last is the exit.
    blocks: Vec<usize>,
    /// Items that may be changed: ADD or SUB of an immediate.
    patchable: Vec<usize>,
    plain: usize,
    all: usize,
}

/// A program and a state.
pub fn program(generator: &mut Generator, rng: &mut Rng) -> Group {
    generator.choose_registers(rng);
    let plain = 3 + rng.below(8) as usize;
    let all = plain + rng.below(4) as usize;
    let mut p = Program {
        items: Vec::new(),
        blocks: Vec::new(),
        patchable: Vec::new(),
        plain,
        all,
    };
    for b in 0..all {
        p.block(generator, rng, b);
    }
    p.blocks.push(p.items.len()); // the BRK after the program
    let mut start = state(rng);
    start.pc = AT;
    start.x[FUEL as usize] = 20 + rng.below(300);
    Group {
        words: p.link(),
        at: AT,
        memory: true,
        ins: vec![start],
    }
}

impl Program {
    fn word(&mut self, w: u32) {
        self.items.push(Item::Word(w));
    }

    fn block(&mut self, generator: &Generator, rng: &mut Rng, b: usize) {
        self.blocks.push(self.items.len());
        self.word(0xd100_0400 | FUEL << 5 | FUEL); // sub x19, x19, #1
        self.items.push(Item::Middle(0xb400_0000 | FUEL, self.all)); // cbz x19, exit
        for _ in 0..rng.below(5) {
            match rng.below(12) {
                0 => self.word(0xd400_0001 | u32::from(SAFEPOINT) << 5),
                1 => {
                    self.patchable.push(self.items.len());
                    let r = rng.below(16) as u32;
                    let op = rng.of(&[0x9100_0000, 0xb100_0000, 0x1100_0000, 0xf100_0000]);
                    self.word(op | (rng.below(64) as u32 * 2) << 10 | r << 5 | r);
                }
                2 if !self.patchable.is_empty() => self.patch(rng),
                _ => {
                    let w = random_word(generator, rng);
                    self.word(w);
                }
            }
        }
        if b < self.plain {
            self.end_plain(rng);
        } else {
            self.word(0xd65f_03c0); // ret
        }
    }

    /// Changes an instruction, and makes the change known.
    fn patch(&mut self, rng: &mut Rng) {
        let n = rng.below(self.patchable.len() as u64) as usize;
        self.items.push(Item::Patch(n));
        self.items.push(Item::AdrPatchable(17, n));
        self.word(0xd50b_7520 | 17); // ic ivau, x17
        self.word(0xd503_3b9f); // dsb ish
        self.word(0xd503_3fdf); // isb
    }

    fn end_plain(&mut self, rng: &mut Rng) {
        let any = |p: &Program, rng: &mut Rng| rng.below(p.plain as u64) as usize;
        let to = any(self, rng);
        let r = rng.below(16) as u32;
        let wide = (rng.below(2) as u32) << 31;
        match rng.below(10) {
            0 | 1 => self
                .items
                .push(Item::Middle(0x5400_0000 | rng.below(14) as u32, to)),
            2 => self.items.push(Item::Middle(0x3400_0000 | wide | r, to)),
            3 => self.items.push(Item::Middle(0x3500_0000 | wide | r, to)),
            4 => {
                let op = rng.of(&[0x3600_0000, 0x3700_0000]);
                let bit = rng.below(32) as u32;
                self.items.push(Item::Short(op | wide | bit << 19 | r, to));
            }
            5 => self.items.push(Item::Near(0x1400_0000, to)),
            6 | 7 if self.all > self.plain => {
                let f = self.plain + rng.below((self.all - self.plain) as u64) as usize;
                if rng.one_in(3) {
                    self.items.push(Item::Adr(17, f));
                    self.word(0xd63f_0000 | 17 << 5); // blr x17
                } else {
                    self.items.push(Item::Near(0x9400_0000, f));
                }
            }
            8 => {
                self.items.push(Item::Adr(17, to));
                let other = any(self, rng);
                self.items.push(Item::Adr(18, other));
                let cond = rng.below(14) as u32;
                self.word(0x9a80_0000 | 18 << 16 | cond << 12 | 17 << 5 | 17); // csel x17, x17, x18, cond
                self.word(0xd61f_0000 | 17 << 5); // br x17
            }
            _ => {}
        }
    }

    fn link(&self) -> Vec<u32> {
        let offset = |from: usize, to: usize| to as i64 - from as i64;
        let adr = |r: u32, words: i64| {
            let bytes = (words * 4) as u32;
            0x1000_0000 | (bytes >> 2 & 0x7ffff) << 5 | r
        };
        let word = |(at, i): (usize, &Item)| {
            let to = |b: usize| offset(at, self.blocks[b]) as u32;
            match *i {
                Item::Word(w) => w,
                Item::Near(w, b) => w | to(b) & 0x3ff_ffff,
                Item::Middle(w, b) => w | (to(b) & 0x7ffff) << 5,
                Item::Short(w, b) => w | (to(b) & 0x3fff) << 5,
                Item::Adr(r, b) => adr(r, offset(at, self.blocks[b])),
                Item::Patch(n) => 0xd400_0001 | (u32::from(PATCH) + self.patchable[n] as u32) << 5,
                Item::AdrPatchable(r, n) => adr(r, offset(at, self.patchable[n])),
            }
        };
        self.items.iter().enumerate().map(word).collect()
    }
}

/// A random instruction that leaves the reserved registers alone.
fn random_word(generator: &Generator, rng: &mut Rng) -> u32 {
    loop {
        let w = generator.word(rng);
        // CASP writes the register after the one it names.
        let fields = [w & 31, w >> 5 & 31, w >> 10 & 31, w >> 16 & 31];
        let hit = |f: &u32| RESERVED.contains(f) || RESERVED.contains(&(f + 1));
        // Addresses of the program differ between the places that it is run at; loads from it see patches early.
        let literal = w & 0x3b00_0000 == 0x1800_0000;
        if !fields.iter().any(hit) && !literal {
            return w;
        }
    }
}

const _: () = assert!(AT > CODE);
