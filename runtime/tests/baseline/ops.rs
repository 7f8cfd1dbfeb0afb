//! Random sequences of ops, each kind of op often.

use crate::harness::{
    Bench, Out, Rng, WINDOW, WINDOW_BYTES, integer, random_memory, random_state, rounds,
};
use metaphrase_backend::abi::{HEADER_SIZE, JUMP_ENTRIES, second_index};
use metaphrase_backend::arena;
use metaphrase_backend::bytecode::{BOp, Draft, Op0, Pair};
use metaphrase_runtime::cache::block::{Block0, Ends};
use metaphrase_runtime::vcpu::TEMPS_OFFSET;
use std::sync::atomic::Ordering;

const PC: u64 = 0x40_0000;
const FLAGS: u16 = (HEADER_SIZE / 8) as u16 + 33;
const TEMPS: u16 = (TEMPS_OFFSET / 8) as u16;

macro_rules! ops {
    ($($name:ident)*) => { &[$(Op0::$name,)*] };
}

/// d, a, b: words.
const THREE: &[Op0] = ops!(Add64 Sub64 And64 Or64 Xor64 AndNot64 OrNot64 XorNot64 Mul64 Shl64 Lshr64 Ashr64 Ror64 UDiv64 SDiv64 UMulH
    SMulH Add32 Sub32 And32 Or32 Xor32 AndNot32 OrNot32 XorNot32 Mul32 Shl32 Lshr32 Ashr32 Ror32 UDiv32 SDiv32 BAnd BOr BXor);
const TWO: &[Op0] = ops!(Mov64 Mov32 Not64 Neg64 Clz64 Rbit64 Bswap64 Not32 Neg32 Clz32 Rbit32 Bswap32 Sx8To64 Sx16To64 Sx32To64 Sx8To32
    Sx16To32 BNot);
const IMM: &[Op0] = ops!(Add64I And64I Or64I Xor64I Add32I And32I Or32I Xor32I Imm);
const SHIFT: &[Op0] = ops!(Shl64I Lshr64I Ashr64I Ror64I Shl32I Lshr32I Ashr32I Ror32I);
const LOAD: &[Op0] = ops!(Ld8 Ld16 Ld32 Ld64 Lds8To64 Lds16To64 Lds32To64 Lds8To32 Lds16To32);
const LOAD_X: &[Op0] = ops!(LdX8 LdX16 LdX32 LdX64);
const STORE: &[Op0] = ops!(St8 St16 St32 St64);
const FLAGS_OPS: &[Op0] = ops!(FlagsSub64 FlagsSub32 FlagsAdd64 FlagsAdd32 FlagsSub64I FlagsSub32I FlagsAdd64I FlagsAdd32I FlagsLogic64
    FlagsLogic32 FlagsPack MovFlags FlagsSelect FlagsAdc64 FlagsAdc32);
const VECTOR: &[Op0] = ops!(VAnd VOr VXor);
const BRANCH: &[Op0] =
    ops!(Br BrEqz64 BrNez64 BrEqz32 BrNez32 BrBit0 BrBit1 BrCond Goto Indirect Trap);

struct Make<'a> {
    r: &'a mut Rng,
    code: Draft,
}

impl Make<'_> {
    fn pick(&mut self, list: &[Op0]) -> Op0 {
        list[self.r.below(list.len() as u64) as usize]
    }
    /// A word that may be written: a register or a temporary.
    fn word(&mut self) -> u16 {
        match self.r.below(8) {
            0..=3 => (HEADER_SIZE / 8) as u16 + self.r.below(12) as u16,
            4..=6 => TEMPS + 2 + self.r.below(24) as u16,
            _ => self.vword() + self.r.below(2) as u16,
        }
    }
    /// A word to read: now and then the zero.
    fn source(&mut self) -> u16 {
        if self.r.below(10) == 0 {
            TEMPS
        } else {
            self.word()
        }
    }
    fn vword(&mut self) -> u16 {
        if self.r.below(2) == 0 {
            (HEADER_SIZE / 8) as u16 + 44 + 2 * self.r.below(6) as u16
        } else {
            TEMPS + 2 + 2 * self.r.below(12) as u16
        }
    }
    fn vsource(&mut self) -> u16 {
        if self.r.below(10) == 0 {
            TEMPS
        } else {
            self.vword()
        }
    }
    fn fword(&mut self) -> u16 {
        [FLAGS, TEMPS + 40, TEMPS + 44][self.r.below(3) as usize]
    }
    /// A register that holds an address in the window, or what became of it.
    fn base(&mut self) -> u16 {
        (HEADER_SIZE / 8) as u16 + 20 + self.r.below(8) as u16
    }
    fn offset(&mut self) -> u64 {
        match self.r.below(4) {
            0 => 0,
            1 => self.r.below(64),
            2 => (self.r.below(64) as i64 - 64) as u64,
            _ => self.r.below(4096),
        }
    }
    fn push(&mut self, op: Op0, d: u16, a: u16, b: u16, imm: u64) {
        self.code.ops.push(BOp { op, d, a, b, imm });
    }

    fn op(&mut self) {
        let (d, a, b) = (self.word(), self.source(), self.source());
        let i = integer(self.r);
        match self.r.below(26) {
            0..=4 => {
                let op = self.pick(THREE);
                self.push(op, d, a, b, 0);
            }
            5 | 6 => {
                let op = self.pick(TWO);
                self.push(op, d, a, 0, 0);
            }
            7 | 8 => {
                let op = self.pick(IMM);
                self.push(op, d, a, 0, i);
            }
            9 => {
                let op = self.pick(SHIFT);
                let n = self.r.below(if format!("{op:?}").contains("64") {
                    64
                } else {
                    32
                });
                self.push(op, d, a, 0, n);
            }
            10 => self.push(Op0::AddShl64, d, a, b, i & 7),
            11 => {
                let op = self.pick(&[Op0::Icmp64, Op0::Icmp32]);
                self.push(op, d, a, b, i % 10);
            }
            12 => {
                let c = self.word();
                self.push(Op0::Select64, d, a, b, c as u64);
            }
            13 | 14 => {
                let (op, base, off) = (self.pick(LOAD), self.base(), self.offset());
                self.push(op, d, base, 0, off);
            }
            15 => {
                let (op, base) = (self.pick(LOAD_X), self.base());
                self.push(op, d, base, TEMPS, i & 3);
            }
            16 => {
                let (op, base, off) = (self.pick(STORE), self.base(), self.offset());
                self.push(op, 0, base, b, off);
            }
            17 => {
                let (base, off, e) = (self.base(), self.offset(), self.word());
                if e != d {
                    self.push(Op0::Ldp64, d, base, 0, off & 0xffff_ffff | (e as u64) << 32);
                }
            }
            18 => {
                let base = self.base();
                let m = [1, 3, 7, 15][self.r.below(4) as usize];
                self.push(Op0::Align, m, base, 0, i & 8);
            }
            19 | 20 => self.flags(),
            21 => {
                let f = self.fword();
                self.push(Op0::Cond, d, f, 0, i & 15);
            }
            22 => {
                let f = self.fword();
                self.push(Op0::CondSelect64, d, a, b, i & 15 | (f as u64) << 8);
            }
            _ => self.vector(),
        }
    }

    fn flags(&mut self) {
        let (f, a, b, i) = (self.fword(), self.source(), self.source(), integer(self.r));
        let op = self.pick(FLAGS_OPS);
        let (a, b, imm) = match op {
            Op0::MovFlags => (self.fword(), 0, 0),
            Op0::FlagsSelect => (self.fword(), self.word(), i & 0xf000_0000),
            Op0::FlagsAdc64 | Op0::FlagsAdc32 => {
                // A Bool, which is 0 or 1 in all of its word.
                let (c, from) = (self.word(), self.word());
                self.push(Op0::And64I, c, from, 0, 1);
                (a, b, c as u64)
            }
            _ => (a, b, i),
        };
        if op == Op0::MovFlags && a == f {
            return;
        }
        self.push(op, f, a, b, imm);
    }

    fn vector(&mut self) {
        let (d, a, b) = (self.vword(), self.vsource(), self.vsource());
        let (base, off) = (self.base(), self.offset());
        match self.r.below(14) {
            0 | 1 => {
                let op = self.pick(VECTOR);
                self.push(op, d, a, b, 0);
            }
            2 => self.push(Op0::MovV, d, a, 0, 0),
            3 => {
                let v = [
                    0,
                    u128::MAX,
                    1 << 77,
                    self.r.next() as u128 * 0x1_0000_0001_0000,
                ];
                self.code.consts.push(v[self.r.below(4) as usize]);
                let n = self.code.consts.len() as u64 - 1;
                self.push(Op0::ImmV, d, 0, 0, n);
            }
            4..=6 => {
                let w = self.source();
                let op = self.pick(&[Op0::VLo64, Op0::VLo32]);
                self.push(op, d, w, 0, 0);
            }
            7 | 8 => {
                let (x, y) = (self.source(), self.source());
                self.push(Op0::VPair, d, x, y, 0);
            }
            9 => {
                let c = self.word();
                self.push(Op0::SelectV, d, a, b, c as u64);
            }
            10 => self.push(Op0::Ld128, d, base, 0, off),
            11 => self.push(Op0::St128, 0, base, b, off),
            12 => {
                let w = self.source();
                let at = (HEADER_SIZE as u64) + 8 * self.r.below(10) + 4 * self.r.below(2);
                self.push(Op0::St32Slot, 0, w, 0, at);
            }
            _ => {
                let op = self.pick(&[Op0::Fence, Op0::ZeroBlock]);
                self.push(op, 0, base, 0, 64);
            }
        }
    }

    fn exit(&mut self) {
        let op = self.pick(BRANCH);
        let a = if op == Op0::BrCond {
            self.fword()
        } else {
            self.source()
        };
        let d = self.r.below(if op == Op0::BrCond { 16 } else { 64 }) as u16;
        match op {
            Op0::Indirect => {}
            Op0::Trap => self.code.trap = Some((integer(self.r) & 0xff_ffff_ffff, PC + 0x40)),
            Op0::Goto => {
                self.code.succ = Some(Pair {
                    taken: 0x77,
                    fall: 0x77,
                })
            }
            _ => {
                self.code.succ = Some(Pair {
                    taken: 0x1_0000_0000,
                    fall: 0x88,
                })
            }
        }
        self.push(op, d, a, 0, 0);
    }
}

fn random_block(r: &mut Rng, longest: u64) -> Block0 {
    let len = 1 + r.below(longest);
    let mut m = Make {
        r,
        code: Draft::default(),
    };
    for f in [TEMPS + 40, TEMPS + 44] {
        m.push(Op0::FlagsSub64, f, FLAGS + 1, FLAGS + 2, 0);
    }
    for n in 0..len {
        if n % 3 == 0 {
            let at = m.code.ops.len() as u32;
            m.code.marks.push((at, PC + 4 * n));
        }
        m.op();
    }
    m.exit();
    let code = m.code.finish().expect("short");
    Block0::new(PC, 0, arena::slice(&[]), code, Ends::Other, None)
}

fn run(seed: u64, blocks: u32, longest: u64) {
    let mut bench = Bench::new();
    let mut r = Rng(seed);
    let memory = random_memory(&mut r);
    for n in 0..blocks * rounds() {
        let b = random_block(&mut r, longest);
        for _ in 0..3 {
            let mut g = random_state(&mut r);
            for x in &mut g.x[20..28] {
                *x = WINDOW + 1024 + 8 * r.below(WINDOW_BYTES as u64 / 8 - 130);
            }
            bench.check(&b, &g, &memory, &|_| None, &|| {
                format!("seed {seed} block {n}")
            });
        }
    }
}

#[test]
fn short_sequences() {
    run(11, 6000, 3);
}

#[test]
fn long_sequences() {
    run(12, 3000, 60);
}

/// A temporary's flags get the kind that they had, once a trace has dropped what nobody needed any more.
#[test]
fn a_kind_that_was_dropped_is_set_again() {
    let mut bench = Bench::new();
    let mut r = Rng(6);
    let memory = random_memory(&mut r);
    let x = (HEADER_SIZE / 8) as u16;
    let temp = TEMPS + 40;
    let mut code = Draft::default();
    let mut push = |op, d, a, b| {
        code.ops.push(BOp {
            op,
            d,
            a,
            b,
            imm: 0,
        })
    };
    for n in 0..2 {
        push(Op0::FlagsSub64, temp, x + n, x + 1 + n);
        push(Op0::MovFlags, FLAGS, temp, 0);
        // More than there are registers.
        for k in 4..24 {
            push(Op0::Add64, x + k, x + k, x + k + 1);
        }
    }
    push(Op0::Goto, 0, 0, 0);
    code.succ = Some(Pair {
        taken: 0x77,
        fall: 0x77,
    });
    let code = code.finish().expect("short");
    let b = Block0::new(PC, 0, arena::slice(&[]), code, Ends::Other, None);
    let g = random_state(&mut r);
    bench.check(&b, &g, &memory, &|_| None, &|| "flags".into());
}

#[test]
fn counter_stop_links_and_jump_cache() {
    let mut bench = Bench::new();
    let mut r = Rng(5);
    let memory = random_memory(&mut r);
    let g = random_state(&mut r);
    let make = |op: Op0, imm: u64| {
        let mut code = Draft::default();
        code.ops.push(BOp {
            op: Op0::Add64I,
            d: 32,
            a: 32,
            b: 0,
            imm: 1,
        });
        code.ops.push(BOp {
            op,
            d: 0,
            a: 33,
            b: 0,
            imm,
        });
        code.succ = (op == Op0::Goto).then_some(Pair {
            taken: PC,
            fall: PC,
        });
        let code = code.finish().expect("short");
        Block0::new(PC, 0, arena::slice(&[]), code, Ends::Other, None)
    };
    let (goto, indirect) = (make(Op0::Goto, 0), make(Op0::Indirect, 0));
    let (u, v) = (bench.load(&goto).unwrap(), bench.load(&indirect).unwrap());

    // Linked to itself it runs until its counter is spent.
    u.slots()[0].code.store(u.exec, Ordering::SeqCst);
    u.counter().unwrap().begin(0, 41);
    let e = bench.translated(&u, &g, &memory);
    assert_eq!((e.out, e.x[0]), (Out::Hot(PC), g.x[0].wrapping_add(41)));

    // The stop word comes first and nothing is executed.
    u.counter().unwrap().begin(0, 41);
    bench.translated(&v, &g, &memory);
    bench.cpu.request_stop();
    let e = bench.enter(u.exec);
    assert_eq!((e.out, e.x[0]), (Out::Stop(PC), g.x[0].wrapping_add(1)));

    // An indirect branch finds its target in the jump cache, after a miss.
    let mut g = g;
    g.x[1] = 0x1234_5678_9abc;
    assert_eq!(bench.translated(&v, &g, &memory).out, Out::Lookup(g.x[1]));
    let entry = &bench.cpu.jump_cache()[(g.x[1] >> 2) as usize & (JUMP_ENTRIES - 1)];
    entry.code.store(u.exec, Ordering::SeqCst);
    entry.pc.store(g.x[1], Ordering::SeqCst);
    u.counter().unwrap().begin(0, 9);
    let e = bench.translated(&v, &g, &memory);
    assert_eq!((e.out, e.x[0]), (Out::Hot(PC), g.x[0].wrapping_add(10)));

    // In its second half, once another has taken the place.
    let first = (g.x[1] >> 2) as usize & (JUMP_ENTRIES - 1);
    let entry = &bench.cpu.jump_cache()[first];
    entry.pc.store(g.x[1] + 0x10_0000, Ordering::SeqCst);
    assert_eq!(bench.translated(&v, &g, &memory).out, Out::Lookup(g.x[1]));
    let entry = &bench.cpu.jump_cache()[JUMP_ENTRIES + second_index(g.x[1])];
    entry.code.store(u.exec, Ordering::SeqCst);
    entry.pc.store(g.x[1], Ordering::SeqCst);
    u.counter().unwrap().begin(0, 9);
    let e = bench.translated(&v, &g, &memory);
    assert_eq!((e.out, e.x[0]), (Out::Hot(PC), g.x[0].wrapping_add(10)));
}
