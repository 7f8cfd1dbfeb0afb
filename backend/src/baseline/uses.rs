//! When words are read next: what a trace's registers are worth.
//!
//! Idea: one pass from the last op of a trace to its first lists, for each word, the ops that read and that write it. While the trace is
//! compiled, positions only grow, so the front of a word's list is its next use. A temporary that is not read before it is
//! written again is dead: nobody needs its value, not even memory. For guest words the lists only advise: an exit or a
//! fault may need any of them.

use crate::bytecode::{BOp, Bytecode, Op0};
use metaphrase_ir::Type;

/// One use: position of the op, times two, plus one if it writes; next use of the same word, or 0.
#[derive(Clone, Copy, Debug)]
struct Use {
    at: u32,
    next: u32,
}

/// What happens to a word next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It is read by the op at this position.
    Read(u32),
    /// It is written without having been read.
    Written,
    /// Nothing.
    Never,
}

/// The lists. Empty: nothing is known.
#[derive(Debug, Default)]
pub struct Uses {
    all: Vec<Use>,
    first: Vec<u32>,
    touched: Vec<u16>,
}

impl Uses {
    /// Forgets all.
    pub fn clear(&mut self) {
        for w in self.touched.drain(..) {
            self.first[w as usize] = 0;
        }
        self.all.clear();
    }

    /// Whether anything is known.
    #[inline(always)]
    pub fn known(&self) -> bool {
        !self.all.is_empty()
    }

    fn push(&mut self, w: u16, at: u32) {
        let w = w as usize & (super::regs::WORDS - 1);
        let next = self.first[w];
        if next == 0 {
            self.touched.push(w as u16);
        }
        self.first[w] = self.all.len() as u32;
        self.all.push(Use { at, next });
    }

    /// The blocks of a trace, whose ops are numbered from 0 on through all of them.
    pub fn of<'a>(&mut self, blocks: impl DoubleEndedIterator<Item = &'a Bytecode> + Clone) {
        self.clear();
        self.first.resize(super::regs::WORDS, 0);
        self.all.push(Use { at: 0, next: 0 });
        let mut at: u32 = blocks.clone().map(|b| b.ops.len() as u32).sum();
        for code in blocks.rev() {
            for o in code.ops.iter().rev() {
                at -= 1;
                writes(code, o, |w| self.push(w, at << 1 | 1));
                reads(code, o, |w| self.push(w, at << 1));
            }
        }
    }

    /// What happens to word `w` from op number `now` on. `now` never decreases.
    pub fn next(&mut self, w: u16, now: u32) -> Next {
        let first = &mut self.first[w as usize & (super::regs::WORDS - 1)];
        while *first != 0 {
            let u = self.all[*first as usize];
            if u.at >> 1 >= now {
                return match u.at & 1 {
                    0 => Next::Read(u.at >> 1),
                    _ => Next::Written,
                };
            }
            *first = u.next;
        }
        Next::Never
    }

    /// As `next` from the op after `now` on.
    pub fn after(&self, w: u16, now: u32) -> Next {
        let mut n = self.first[w as usize & (super::regs::WORDS - 1)];
        while n != 0 {
            let u = self.all[n as usize];
            if u.at >> 1 > now {
                return match u.at & 1 {
                    0 => Next::Read(u.at >> 1),
                    _ => Next::Written,
                };
            }
            n = u.next;
        }
        Next::Never
    }
}

/// Words of a value of this type.
fn words(ty: Type) -> u16 {
    match ty {
        Type::Void => 0,
        Type::Flags => 3,
        Type::V128 => 2,
        _ => 1,
    }
}

/// Calls `f` with every word that the op reads. A word left out of this would be lost.
fn reads(code: &Bytecode, o: &BOp, mut f: impl FnMut(u16)) {
    use Op0::*;
    let mut many = |w: u16, n: u16| (w..w + n).for_each(&mut f);
    match o.op {
        Imm | ImmV | Fence | Goto | Trap => {}
        Mov64 | Mov32 | St32Slot | Add64I | And64I | Or64I | Xor64I | Shl64I | Lshr64I
        | Ashr64I | Ror64I | Add32I | And32I | Or32I | Xor32I | Shl32I | Lshr32I | Ashr32I
        | Ror32I | Not64 | Neg64 | Clz64 | Rbit64 | Bswap64 | Not32 | Neg32 | Clz32 | Rbit32
        | Bswap32 | Sx8To64 | Sx16To64 | Sx32To64 | Sx8To32 | Sx16To32 | BNot | FlagsSub64I
        | FlagsSub32I | FlagsAdd64I | FlagsAdd32I | FlagsLogic64 | FlagsLogic32 | FlagsPack
        | Ld8 | Ld16 | Ld32 | Ld64 | Ld128 | Lds8To64 | Lds16To64 | Lds32To64 | Lds8To32
        | Lds16To32 | Ldp64 | ZeroBlock | VLo64 | VLo32 | Align | Br | BrEqz64 | BrNez64
        | BrEqz32 | BrNez32 | BrBit0 | BrBit1 | Indirect => many(o.a, 1),
        Add64 | Sub64 | And64 | Or64 | Xor64 | AndNot64 | OrNot64 | XorNot64 | Mul64 | Shl64
        | Lshr64 | Ashr64 | Ror64 | UDiv64 | SDiv64 | UMulH | SMulH | Add32 | Sub32 | And32
        | Or32 | Xor32 | AndNot32 | OrNot32 | XorNot32 | Mul32 | Shl32 | Lshr32 | Ashr32
        | Ror32 | UDiv32 | SDiv32 | AddShl64 | BAnd | BOr | BXor | Icmp64 | Icmp32 | FlagsSub64
        | FlagsSub32 | FlagsAdd64 | FlagsAdd32 | LdX8 | LdX16 | LdX32 | LdX64 | St8 | St16
        | St32 | St64 | VPair => {
            many(o.a, 1);
            many(o.b, 1);
        }
        MovV => many(o.a, 2),
        MovFlags | FlagsUnpack | Cond | BrCond => many(o.a, 3),
        Select64 | FlagsAdc64 | FlagsAdc32 => {
            many(o.a, 1);
            many(o.b, 1);
            many(o.imm as u16, 1);
        }
        SelectV => {
            many(o.a, 2);
            many(o.b, 2);
            many(o.imm as u16, 1);
        }
        FlagsSelect => {
            many(o.a, 3);
            many(o.b, 1);
        }
        CondSelect64 => {
            many(o.a, 1);
            many(o.b, 1);
            many((o.imm >> 8) as u16, 3);
        }
        St128 => {
            many(o.a, 1);
            many(o.b, 2);
        }
        VAnd | VOr | VXor => {
            many(o.a, 2);
            many(o.b, 2);
        }
        Rmw | Cas | StoreExcl | Call | Eval => {
            let e = &code.evals()[o.imm as usize];
            for (&w, &ty) in e.args.iter().zip(&e.tys) {
                many(w, words(ty));
            }
        }
    }
}

/// Calls `f` with words that the op writes. One left out only lives longer.
fn writes(code: &Bytecode, o: &BOp, mut f: impl FnMut(u16)) {
    use Op0::*;
    let mut many = |w: u16, n: u16| (w..w + n).for_each(&mut f);
    match o.op {
        St32Slot | St8 | St16 | St32 | St64 | St128 | Fence | ZeroBlock | Align | Goto | Br
        | BrCond | BrEqz64 | BrNez64 | BrEqz32 | BrNez32 | BrBit0 | BrBit1 | Indirect | Trap => {}
        MovV | ImmV | SelectV | Ld128 | VLo64 | VLo32 | VPair | VAnd | VOr | VXor => many(o.d, 2),
        MovFlags | FlagsSub64 | FlagsSub32 | FlagsAdd64 | FlagsAdd32 | FlagsSub64I
        | FlagsSub32I | FlagsAdd64I | FlagsAdd32I | FlagsLogic64 | FlagsLogic32 | FlagsAdc64
        | FlagsAdc32 | FlagsPack | FlagsSelect => many(o.d, 3),
        Ldp64 => {
            many(o.d, 1);
            many((o.imm >> 32) as u16, 1);
        }
        Rmw | Cas | StoreExcl | Call | Eval => {
            let e = &code.evals()[o.imm as usize];
            many(e.d, words(e.inst.ty));
        }
        _ => many(o.d, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytecode::Draft;

    #[test]
    fn next_uses_in_order() {
        let op = |op, d, a, b| BOp {
            op,
            d,
            a,
            b,
            imm: 0,
        };
        let mut draft = Draft::default();
        draft.ops.extend([
            op(Op0::Add64, 300, 40, 41),
            op(Op0::FlagsSub64, 50, 300, 40),
            op(Op0::Mov64, 300, 41, 0),
            op(Op0::BrCond, 0, 50, 0),
        ]);
        let first = draft.finish().unwrap();
        let mut u = Uses::default();
        assert!(!u.known());
        u.of([&first, &first].into_iter());
        // The flags are three words, read by the branch; the next block writes them first.
        assert_eq!(u.next(52, 0), Next::Written);
        assert_eq!(u.next(52, 2), Next::Read(3));
        assert_eq!(u.after(52, 3), Next::Written);
        // An op reads before it writes.
        assert_eq!(u.next(300, 1), Next::Read(1));
        assert_eq!(u.after(300, 1), Next::Written);
        assert_eq!(u.next(300, 5), Next::Read(5));
        assert_eq!(u.next(300, 7), Next::Never);
        assert_eq!(u.next(40, 2), Next::Read(4));
        u.clear();
        assert!(!u.known());
    }
}
