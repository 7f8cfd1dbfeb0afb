//! Condition flags: the lazy triples, and conditions on them.
//!
//! A triple whose kind was written in this block is *known*: a condition on it is one host comparison of its words. Otherwise the
//! kind is looked at when the code runs: subtractions inline, other kinds through the runtime.
//!
//! Relies on the bytecode builder: words of a triple are written by flags ops only.

use super::asm::{Enc, STATE, Xmm, alu, cc, sh};
use super::{Baseline, Cold, Known, Rare};
use crate::bytecode::{BOp, Op0};
use metaphrase_ir::flags::{CARRY_IN, nzcv};
use metaphrase_ir::{Cond, FlagsKind};

/// Host condition of each guest condition after CMP.
const AFTER_SUB: [u8; 14] = [
    cc::E,
    cc::NE,
    cc::AE,
    cc::B,
    cc::S,
    cc::NS,
    cc::O,
    cc::NO,
    cc::A,
    cc::BE,
    cc::GE,
    cc::L,
    cc::G,
    cc::LE,
];
/// After ADD or TEST: the host's carry is the guest's, so HI and LS need it complemented first.
const AFTER_ADD: [u8; 14] = [
    cc::E,
    cc::NE,
    cc::B,
    cc::AE,
    cc::S,
    cc::NS,
    cc::O,
    cc::NO,
    cc::A,
    cc::BE,
    cc::GE,
    cc::L,
    cc::G,
    cc::LE,
];

/// Whether a condition on FCMP's flags is asked of the host with the operands exchanged.
pub(super) fn swaps(c: Cond) -> bool {
    use Cond::*;
    matches!(c, Cs | Pl | Cc | Mi | Hi | Ls)
}

fn is_fcmp(kind: u64) -> bool {
    kind == FlagsKind::Fcmp64 as u64 || kind == FlagsKind::Fcmp32 as u64
}

/// Operands whose comparison, of a kind that subtracts, gives packed flags, if there are any: then a choice between such a comparison
/// and these flags has a kind that is known.
fn as_comparison(kind: FlagsKind, flags: u64) -> Option<[u64; 2]> {
    let minimum = match kind {
        FlagsKind::Sub64 => 1 << 63,
        FlagsKind::Sub32 => 1 << 31,
        _ => return None,
    };
    let some = [0, 1, minimum - 1, minimum, minimum + 1];
    let pairs = some.into_iter().flat_map(|x| some.map(|y| [x, y]));
    pairs
        .into_iter()
        .find(|p| u64::from(nzcv(kind, p[0], p[1])) == flags)
}

/// Comparison of scalars: only signaling NaNs are Invalid.
fn ucomis(wide: bool) -> Enc {
    Enc(if wide { 0x66 } else { 0 }, 1, 0x2e)
}

impl Baseline {
    /// Emits the op if it is one of these.
    #[inline]
    pub(super) fn flags_op(&mut self, i: u32, o: &BOp) -> bool {
        use FlagsKind::*;
        match o.op {
            Op0::FlagsSub64 => self.flags_two(o, Sub64),
            Op0::FlagsSub32 => self.flags_two(o, Sub32),
            Op0::FlagsAdd64 => self.flags_two(o, Add64),
            Op0::FlagsAdd32 => self.flags_two(o, Add32),
            Op0::FlagsSub64I => self.flags_imm(o, Sub64, o.imm),
            Op0::FlagsSub32I => self.flags_imm(o, Sub32, o.imm),
            Op0::FlagsAdd64I => self.flags_imm(o, Add64, o.imm),
            Op0::FlagsAdd32I => self.flags_imm(o, Add32, o.imm),
            Op0::FlagsLogic64 => self.flags_imm(o, Logic64, 0),
            Op0::FlagsLogic32 => self.flags_imm(o, Logic32, 0),
            Op0::FlagsPack => {
                let a = self.r.get(o.a);
                let t = self.r.alloc();
                self.r.asm.mov32(t, a);
                self.r
                    .asm
                    .alu_imm(alu::AND, false, t, 0xf000_0000_u32 as i32);
                self.kind(o.d, Nzcv, Some(0));
                self.r.set(o.d + 1, t);
                self.r.set_imm(o.d + 2, 0);
            }
            Op0::FlagsAdc64 => self.flags_adc(o, Add64, AddC64),
            Op0::FlagsAdc32 => self.flags_adc(o, Add32, AddC32),
            Op0::MovFlags => self.move_flags(o),
            Op0::FlagsSelect => self.flags_select(o),
            Op0::Cond => self.cond(i, o),
            Op0::CondSelect64 => self.cond_select(i, o),
            _ => return false,
        }
        true
    }

    fn known(&self, word: u16) -> Option<Known> {
        self.known.iter().find(|k| k.word == word).copied()
    }

    /// The triple at `word` is about to change.
    fn unknown(&mut self, word: u16) {
        for k in &mut self.known {
            if k.word.abs_diff(word) < 3 {
                *k = Known::default();
            }
        }
    }

    fn remember(&mut self, k: Known) {
        self.next_known ^= 1;
        self.known[self.next_known] = k;
    }

    /// Stores the kind of a triple, unless memory has it. Returns the constant second operand that memory still has.
    pub(super) fn kind(&mut self, word: u16, kind: FlagsKind, imm: Option<u64>) -> Option<u64> {
        let kind = kind as u64;
        // What a trace has no more use for until here is nowhere.
        let kept = !self.r.may_drop(word);
        let before = self.known(word).filter(|_| kept);
        self.unknown(word);
        if before.is_none_or(|k| k.kind != kind) {
            self.r.set_imm(word, kind);
        }
        self.remember(Known { word, kind, imm });
        before.and_then(|k| k.imm)
    }

    #[inline]
    fn flags_two(&mut self, o: &BOp, kind: FlagsKind) {
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        self.kind(o.d, kind, None);
        self.r.set(o.d + 1, a);
        self.r.set(o.d + 2, b);
    }

    #[inline]
    fn flags_imm(&mut self, o: &BOp, kind: FlagsKind, imm: u64) {
        let a = self.r.get(o.a);
        let before = self.kind(o.d, kind, Some(imm));
        self.r.set(o.d + 1, a);
        if before != Some(imm) {
            self.r.set_imm(o.d + 2, imm);
        }
    }

    /// The kind says whether there was a carry; see [`metaphrase_ir::flags::CARRY_IN`].
    fn flags_adc(&mut self, o: &BOp, plain: FlagsKind, with: FlagsKind) {
        let (c, a, b) = (self.r.get(o.imm as u16), self.r.get(o.a), self.r.get(o.b));
        let t = self.r.alloc();
        // A Bool is 0 or 1 in all of its word.
        const { assert!(CARRY_IN == 3) };
        self.r.asm.lea_by8(t, c, plain as i32);
        self.unknown(o.d);
        self.r.set(o.d, t);
        self.r.set(o.d + 1, a);
        self.r.set(o.d + 2, b);
        self.remember(Known {
            word: o.d,
            kind: with as u64,
            imm: None,
        });
    }

    fn move_flags(&mut self, o: &BOp) {
        let known = self.known(o.a);
        let w = [self.r.get(o.a), self.r.get(o.a + 1), self.r.get(o.a + 2)];
        self.unknown(o.d);
        for (n, r) in w.into_iter().enumerate() {
            self.r.set(o.d + n as u16, r);
        }
        if let Some(k) = known {
            self.remember(Known { word: o.d, ..k });
        }
    }

    fn flags_select(&mut self, o: &BOp) {
        let c = self.r.get(o.b);
        let kind = self.known(o.a).and_then(|k| FlagsKind::from_u64(k.kind));
        let same = kind.and_then(|k| Some((k, as_comparison(k, o.imm)?)));
        let w = [self.r.get(o.a), self.r.get(o.a + 1), self.r.get(o.a + 2)];
        let (first, otherwise) = match same {
            Some((kind, [x, y])) => {
                self.kind(o.d, kind, None);
                (1, [0, x, y])
            }
            None => {
                self.unknown(o.d);
                (0, [FlagsKind::Nzcv as u64, o.imm, 0])
            }
        };
        let t = self.r.alloc();
        self.r.asm.test8_imm(c, 1);
        for n in first..3 {
            let d = if n == 2 { t } else { self.r.alloc() };
            self.r.asm.mov_imm(d, otherwise[n]);
            self.r.asm.cmov(cc::NE, d, w[n]);
            self.r.set(o.d + n as u16, d);
        }
    }

    /// Compares so that the returned host condition tells whether `c` holds on the triple at `word`, whose kind is known.
    fn holds(&mut self, c: Cond, k: Known) -> u8 {
        let n = c as usize;
        if n >= 14 {
            self.r.asm.alu(alu::CMP, true, STATE, STATE);
            return cc::E;
        }
        if is_fcmp(k.kind) {
            return self.holds_fcmp(c, k);
        }
        let a = self.r.get(k.word + 1);
        let wide = matches!(
            FlagsKind::from_u64(k.kind),
            Some(FlagsKind::Sub64 | FlagsKind::Add64 | FlagsKind::AddC64 | FlagsKind::Logic64)
        );
        match FlagsKind::from_u64(k.kind) {
            Some(FlagsKind::Sub64 | FlagsKind::Sub32) => {
                self.second(k, wide, alu::CMP, a);
                AFTER_SUB[n]
            }
            Some(FlagsKind::Add64 | FlagsKind::Add32) => {
                let t = self.r.alloc();
                self.r.asm.mov(t, a);
                self.second(k, wide, alu::ADD, t);
                self.after_add(c)
            }
            Some(FlagsKind::AddC64 | FlagsKind::AddC32) => {
                // bt kind, carry; adc
                let (kind, b) = (self.r.get(k.word), self.r.get(k.word + 2));
                let t = self.r.alloc();
                self.r.asm.mov(t, a);
                self.r.asm.rr(Enc(0, 1, 0xba), false, 4, kind);
                self.r.asm.put(CARRY_IN as u64, 1);
                self.r.asm.alu(alu::ADC, wide, t, b);
                self.after_add(c)
            }
            Some(FlagsKind::Logic64 | FlagsKind::Logic32) => {
                self.r.asm.test(wide, a, a);
                self.after_add(c)
            }
            _ if n < 8 => {
                // One bit decides, its number even or odd.
                let bit = [30, 29, 31, 28][n / 2];
                self.r.asm.rr(Enc(0, 1, 0xba), false, 4, a);
                self.r.asm.put(bit, 1);
                if n & 1 == 0 { cc::B } else { cc::AE }
            }
            _ => {
                let (t, m) = (self.r.alloc(), self.r.alloc());
                self.r.asm.mov32(t, a);
                self.packed(c, t, m);
                cc::B
            }
        }
    }

    fn after_add(&mut self, c: Cond) -> u8 {
        if matches!(c, Cond::Hi | Cond::Ls) {
            self.r.asm.put(0xf5, 1); // cmc
        }
        AFTER_ADD[c as usize]
    }

    /// `op a, second operand`.
    fn second(&mut self, k: Known, wide: bool, op: u8, a: u8) {
        match k.imm {
            Some(v) if !wide || v as i32 as i64 as u64 == v => {
                self.r.asm.alu_imm(op, wide, a, v as i32);
            }
            _ => {
                let b = self.r.get(k.word + 2);
                self.r.asm.alu(op, wide, a, b);
            }
        }
    }

    /// UCOMIS: unordered sets zero, parity and carry; less carry; equal zero.
    fn holds_fcmp(&mut self, c: Cond, k: Known) -> u8 {
        let wide = k.kind == FlagsKind::Fcmp64 as u64;
        if self.compared != self.r.asm.pos() {
            let (a, b) = (self.r.get_d(k.word + 1), self.r.get_d(k.word + 2));
            let (first, second) = if swaps(c) { (b, a) } else { (a, b) };
            self.r.asm.rr(ucomis(wide), false, first, second);
        }
        // Handing out a register changes no flags.
        let (t, u) = match c {
            Cond::Eq | Cond::Ne => (self.r.alloc(), self.r.alloc()),
            _ => (0, 0),
        };
        let m = &mut self.r.asm;
        match c {
            Cond::Eq | Cond::Ne => {
                let eq = c == Cond::Eq;
                m.setcc(if eq { cc::NP } else { cc::P }, t);
                m.setcc(if eq { cc::E } else { cc::NE }, u);
                // Both, or either: AND and OR on the low bytes.
                m.rr8(Enc(0, 0, if eq { 0x20 } else { 0x08 }), u, t);
                cc::NE
            }
            Cond::Cs | Cond::Pl | Cond::Le => cc::BE,
            Cond::Cc | Cond::Mi | Cond::Gt => cc::A,
            Cond::Vs => cc::P,
            Cond::Vc => cc::NP,
            Cond::Hi | Cond::Lt => cc::B,
            _ => cc::AE,
        }
    }

    /// FPSR is about to be written: if the guest's flags are kept as FCMP of a signaling NaN, the host must not raise Invalid again when
    /// somebody asks. Whatever is unordered becomes a comparison of quiet NaNs, of the same kind.
    pub(super) fn quiet_flags(&mut self) {
        let word = self.flags_word;
        let kind = self.known(word).map(|k| k.kind);
        if kind.is_some_and(|k| !is_fcmp(k)) {
            return;
        }
        self.r.flush_words(word, 1);
        self.r.written(word + 1);
        self.r.written(word + 2);
        let x = self.r.alloc_x();
        let jump = match kind {
            Some(k) => {
                self.r.asm.load_d(x, word + 1);
                let e = ucomis(k == FlagsKind::Fcmp64 as u64);
                self.r.asm.frame(e, false, x, word + 2);
                self.r.asm.jcc(cc::P)
            }
            None => {
                let m = &mut self.r.asm;
                m.frame(Enc(0, 0, 0x83), false, 7, word);
                m.put(FlagsKind::Fcmp32 as u64, 1);
                m.jcc(cc::AE)
            }
        };
        self.later(Cold::Quiet {
            jump,
            known: kind.is_some(),
            x,
            resume: self.r.asm.pos() as u32,
        });
    }

    /// Off the main path of the above.
    pub(super) fn quiet(&mut self, known: bool, x: Xmm, resume: u32) {
        let word = self.flags_word;
        let m = &mut self.r.asm;
        if !known {
            m.load_d(x, word + 1);
            m.frame(Enc(0, 0, 0x83), false, 7, word);
            const { assert!(FlagsKind::Fcmp64 as u64 == FlagsKind::Fcmp32 as u64 + 1) };
            m.put(FlagsKind::Fcmp64 as u64, 1);
            let other = m.jcc(cc::A);
            m.bind(other, resume as usize);
            let wide = m.jcc8(cc::E);
            m.frame(ucomis(false), false, x, word + 2);
            let join = m.jmp8();
            m.here8(wide);
            m.frame(ucomis(true), false, x, word + 2);
            m.here8(join);
            let ordered = m.jcc(cc::NP);
            m.bind(ordered, resume as usize);
        }
        // Quiet NaNs of either width.
        m.store_imm(word + 1, -1);
        m.store_imm(word + 2, -1);
        m.jmp_to(resume as usize);
    }

    /// As `holds` for a triple of unknown kind, which memory holds; a kind that is no subtraction takes the jump in what is returned.
    fn holds_dynamic(&mut self, c: Cond, word: u16) -> (u8, Rare) {
        let (a, b, cond) = (self.r.alloc(), self.r.alloc(), c);
        let m = &mut self.r.asm;
        m.load(a, word + 1);
        m.load(b, word + 2);
        m.frame(Enc(0, 0, 0x83), false, 7, word);
        m.put(FlagsKind::Sub64 as u64, 1);
        let wide = m.jcc8(cc::E);
        // The flags of the low halves are those of the halves moved up.
        m.shift_imm(sh::SHL, true, a, 32);
        m.shift_imm(sh::SHL, true, b, 32);
        m.frame(Enc(0, 0, 0x83), false, 7, word);
        m.put(FlagsKind::Sub32 as u64, 1);
        let rare = m.jcc(cc::NE);
        m.here8(wide);
        m.alu(alu::CMP, true, a, b);
        let c = match AFTER_SUB.get(c as usize) {
            Some(&c) => c,
            None => {
                m.alu(alu::CMP, true, STATE, STATE);
                cc::E
            }
        };
        let rare = Rare {
            jump: rare,
            cond,
            word,
            a,
            b,
        };
        (c, rare)
    }

    /// Off the main path: the condition on flags of a rare kind. `then` uses the host's condition and goes elsewhere; it is emitted
    /// twice. FCMP's kinds come out at the end.
    pub(super) fn rare_flags(&mut self, r: Rare, mut then: impl FnMut(&mut Self, u8)) {
        let Rare {
            cond, word, a, b, ..
        } = r;
        if cond as usize >= AFTER_ADD.len() {
            return;
        }
        self.r.asm.reserve(super::asm::ROOM);
        let m = &mut self.r.asm;
        // Without the carry: Add32, Add64, Logic32, Logic64 are 3 to 6.
        m.load(a, word);
        m.mov32(b, a);
        m.alu_imm(alu::AND, false, b, (1 << CARRY_IN) - 1);
        m.alu_imm(alu::SUB, false, b, FlagsKind::Add32 as i32);
        m.alu_imm(alu::CMP, false, b, 3);
        let other = m.jcc(cc::A);
        m.alu_imm(alu::CMP, false, b, 2);
        let logic = m.jcc8(cc::AE);
        let mut joins = [0; 3];
        // The 32-bit kinds are the odd ones.
        m.test8_imm(a, 1);
        let narrow = m.jcc8(cc::NE);
        for (n, w) in [true, false].into_iter().enumerate() {
            if !w {
                m.here8(narrow);
            }
            m.rr(Enc(0, 1, 0xba), false, 4, a); // bt
            m.put(CARRY_IN as u64, 1);
            m.load(a, word + 1);
            m.load(b, word + 2);
            m.alu(alu::ADC, w, a, b);
            joins[n] = m.jmp8();
        }
        m.here8(logic);
        m.test8_imm(a, 1);
        m.load(a, word + 1);
        let narrow = m.jcc8(cc::NE);
        m.test(true, a, a);
        joins[2] = m.jmp8();
        m.here8(narrow);
        m.test(false, a, a);
        for f in joins {
            m.here8(f);
        }
        let c = self.after_add(cond);
        then(self, c);
        let m = &mut self.r.asm;
        let at = m.pos();
        m.bind(other, at);
        m.test(true, a, a);
        let fcmp = m.jcc(cc::NE);
        m.load(a, word + 1);
        self.packed(cond, a, b);
        then(self, cc::B);
        let m = &mut self.r.asm;
        let at = m.pos();
        m.bind(fcmp, at);
    }

    /// Carry = `c` holds on the packed flags in `t`; changes both registers.
    fn packed(&mut self, c: Cond, t: u8, m: u8) {
        // Bit NZCV of a table of the condition's truth values.
        let table = (0..16u32).filter(|f| c.holds(f << 28));
        let table = table.fold(0u64, |t, f| t | 1 << f);
        self.r.asm.shift_imm(sh::SHR, false, t, 28);
        self.r.asm.mov_imm(m, table);
        self.r.asm.rr(Enc(0, 1, 0xa3), false, t, m); // bt m, t
    }

    fn cond(&mut self, i: u32, o: &BOp) {
        let c = Cond::from_bits(o.imm as u32);
        let known = self.known(o.a);
        // Registers are handed out before the rare case branches off, so that both ways agree on what holds what.
        let d = self.r.alloc();
        self.r.asm.zero(d);
        let (cc, rare) = match known {
            Some(k) => (self.holds(c, k), None),
            None => {
                self.r.flush_words(o.a, 3);
                let (cc, rare) = self.holds_dynamic(c, o.a);
                (cc, Some(rare))
            }
        };
        self.r.asm.setcc(cc, d);
        self.redo(rare, i, None, d, o.d);
        self.r.set(o.d, d);
    }

    fn cond_select(&mut self, i: u32, o: &BOp) {
        let (c, word) = (Cond::from_bits(o.imm as u32 & 0xff), (o.imm >> 8) as u16);
        let (a, b) = (self.r.get(o.a), self.r.get(o.b));
        let d = self.r.alloc();
        self.r.asm.mov(d, b);
        let (cc, rare) = match self.known(word) {
            Some(k) => (self.holds(c, k), None),
            None => {
                self.r.flush_words(word, 3);
                self.r.flush_words(o.a, 1);
                self.r.flush_words(o.b, 1);
                let (cc, rare) = self.holds_dynamic(c, word);
                (cc, Some(rare))
            }
        };
        self.r.asm.cmov(cc, d, a);
        self.redo(rare, i, Some(a), d, o.d);
        self.r.set(o.d, d);
    }

    /// The op's rare case comes back here with `d` computed there: set if the condition holds, or else `from` if it does.
    fn redo(&mut self, rare: Option<Rare>, i: u32, from: Option<u8>, d: u8, w: u16) {
        if let Some(rare) = rare {
            self.later(Cold::Flags {
                rare,
                from,
                op: i,
                result: (d, w),
                resume: self.r.asm.pos() as u32,
            });
        }
    }

    pub(super) fn branch_on_flags(&mut self, i: u32, o: &BOp) {
        let c = Cond::from_bits(o.d as u32);
        match self.known(o.a) {
            Some(k) => {
                let cc = self.holds(c, k);
                self.branch(cc);
            }
            None => {
                // The rare case comes back without registers, so the trace ends here.
                self.ahead = None;
                self.r.flush_guest();
                self.r.flush_words(o.a, 3);
                let (cc, rare) = self.holds_dynamic(c, o.a);
                self.branch(cc);
                self.later(Cold::Decide { rare, op: i });
            }
        }
    }
}
