//! Spilled values: what a register holds already is neither loaded nor stored again.
//!
//! The register allocator gives a value that is spilled a register for each of its uses, and loads it each time. Where code runs straight on,
//! often one of them, or another register, still has it: then the load goes, or becomes a copy, which costs the host no
//! execution. Each register and slot has the same value at each instruction as before, so landings see nothing of it; but for a zero that
//! is overwritten before any access, once [`Instead::Extend`] needs none.

use iced_x86::{
    Code, FlowControl, Instruction, InstructionInfoFactory, InstructionInfoOptions, OpAccess,
    OpKind, Register,
};
use smallvec::{SmallVec, smallvec};

/// What an instruction does to registers and spill slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Loads a whole register from the slot at this distance from the stack pointer.
    Load { to: Place, slot: i32 },
    /// Stores a whole register there.
    Store { from: Place, slot: i32 },
    /// Copies a whole register.
    Copy { to: Place, from: Place },
    /// Sets a vector register to 0.
    Zero { to: Place },
    /// Sets `to` to the lower half of `low` and the upper of `rest`.
    Merge { to: Place, low: Place, rest: Place },
    /// Reads, or so it must be taken, and writes these registers: bits by the numbers of places.
    Other { reads: u32, writes: u32 },
    /// Anything.
    Unknown,
}

/// A register: 16 general ones, then 16 vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(u8);

impl Place {
    const ALL: usize = 32;

    fn of(r: Register) -> Option<Place> {
        let n = r.full_register().number() as u8;
        if r.is_gpr() {
            Some(Place(n))
        } else if r.is_vector_register() && n < 16 {
            Some(Place(16 + n))
        } else {
            None
        }
    }

    fn is_vector(self) -> bool {
        self.0 >= 16
    }

    fn index(self) -> usize {
        self.0 as usize
    }

    fn number(self) -> u8 {
        self.0 & 15
    }

    fn bit(self) -> u32 {
        1 << self.0
    }

    fn bytes(self) -> i32 {
        if self.is_vector() { 16 } else { 8 }
    }
}

/// Tells what instructions do.
pub struct Reader {
    infos: InstructionInfoFactory,
    /// Below are other things than spilled values, whose addresses may be known to anybody.
    first_slot: i32,
}

impl Reader {
    pub fn new(first_slot: u32) -> Reader {
        Reader {
            infos: InstructionInfoFactory::new(),
            first_slot: i32::try_from(first_slot).unwrap_or(i32::MAX),
        }
    }

    /// The spill slot that is an instruction's memory operand.
    fn slot(&self, i: &Instruction) -> Option<i32> {
        let d = i.memory_displacement64() as i32;
        let plain = i.memory_base() == Register::RSP && i.memory_index() == Register::None;
        (plain && d >= self.first_slot).then_some(d)
    }

    pub fn effect(&mut self, i: &Instruction) -> Effect {
        use Code::*;
        let register = |n| Place::of(i.op_register(n)).filter(|_| i.op_kind(n) == OpKind::Register);
        let (a, b) = (register(0), register(1));
        let moved = i.op0_register() != Register::RSP
            && matches!(
                i.code(),
                Mov_r64_rm64
                    | Mov_rm64_r64
                    | Movups_xmm_xmmm128
                    | Movups_xmmm128_xmm
                    | Movaps_xmm_xmmm128
                    | Movaps_xmmm128_xmm
                    | Movdqu_xmm_xmmm128
                    | Movdqu_xmmm128_xmm
                    | Movdqa_xmm_xmmm128
                    | Movdqa_xmmm128_xmm
            );
        let zeroes = matches!(
            i.code(),
            VEX_Vxorps_xmm_xmm_xmmm128 | VEX_Vxorpd_xmm_xmm_xmmm128 | VEX_Vpxor_xmm_xmm_xmmm128
        );
        let merges = i.code() == VEX_Vmovsd_xmm_xmm_xmm;
        match (a, b) {
            (Some(to), Some(from)) if moved => return Effect::Copy { to, from },
            (Some(to), None) if moved => {
                if let Some(slot) = self.slot(i) {
                    return Effect::Load { to, slot };
                }
            }
            (None, Some(from)) if moved => {
                if let Some(slot) = self.slot(i) {
                    return Effect::Store { from, slot };
                }
            }
            (Some(to), Some(x)) if zeroes && register(2) == Some(x) => return Effect::Zero { to },
            (Some(to), Some(rest)) if merges => {
                if let Some(low) = register(2) {
                    return Effect::Merge { to, low, rest };
                }
            }
            _ => {}
        }
        self.other(i)
    }

    fn other(&mut self, i: &Instruction) -> Effect {
        let call = matches!(
            i.flow_control(),
            FlowControl::IndirectCall | FlowControl::Call | FlowControl::Exception
        );
        if call {
            return Effect::Unknown;
        }
        let stack = i.memory_base() == Register::RSP;
        let info = self.infos.info_options(i, InstructionInfoOptions::NONE);
        let written = |a| {
            use OpAccess::*;
            matches!(a, Write | CondWrite | ReadWrite | ReadCondWrite)
        };
        if stack && info.used_memory().iter().any(|m| written(m.access())) {
            return Effect::Unknown;
        }
        // Whoever handles a fault reads anything.
        let faults = !stack && !info.used_memory().is_empty();
        let (mut reads, mut writes) = (if faults { u32::MAX } else { 0 }, 0);
        for u in info.used_registers() {
            let Some(p) = Place::of(u.register()) else {
                continue;
            };
            if written(u.access()) {
                if u.register().full_register() == Register::RSP {
                    return Effect::Unknown;
                }
                writes |= p.bit();
            }
            // What is written in part or on a condition stays, in part or on a condition.
            let whole = u.access() == OpAccess::Write && whole(u.register());
            if !whole {
                reads |= p.bit();
            }
        }
        Effect::Other { reads, writes }
    }
}

/// Whether writing a register writes all of the 64 or 128 bits that are looked at.
fn whole(r: Register) -> bool {
    r.is_gpr64() || r.is_gpr32() || r.is_vector_register()
}

/// What each register holds: the value of a slot, or 0, if that is known.
#[derive(Default)]
pub struct Held {
    slots: [Option<i32>; Place::ALL],
    /// Registers that are 0.
    zeros: u32,
}

/// What may stand for an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instead {
    /// It as it is.
    Itself,
    /// Nothing.
    Nothing,
    /// A copy.
    Copy { to: Place, from: Place },
    /// The lower half alone, over zeros.
    Extend { to: Place, low: Place },
}

impl Effect {
    /// Registers that it needs, or so it must be taken.
    fn reads(self) -> u32 {
        match self {
            Effect::Load { .. } | Effect::Zero { .. } => 0,
            Effect::Store { from, .. } | Effect::Copy { from, .. } => from.bit(),
            Effect::Merge { low, rest, .. } => low.bit() | rest.bit(),
            Effect::Other { reads, .. } => reads,
            Effect::Unknown => u32::MAX,
        }
    }

    /// Registers that it writes.
    fn writes(self) -> u32 {
        match self {
            Effect::Load { to, .. } | Effect::Copy { to, .. } => to.bit(),
            Effect::Zero { to } | Effect::Merge { to, .. } => to.bit(),
            Effect::Store { .. } => 0,
            Effect::Other { writes, .. } => writes,
            Effect::Unknown => u32::MAX,
        }
    }

    /// Whether the 0 that it sets a register to is overwritten before anybody reads it, as far as what follows on every way shows.
    pub fn is_dead_zero(self, mut next: impl Iterator<Item = Effect>) -> bool {
        let Effect::Zero { to } = self else {
            return false;
        };
        let touches = |e: &Effect| (e.reads() | e.writes()) & to.bit() != 0;
        next.find(touches)
            .is_some_and(|e| e.reads() & to.bit() == 0)
    }
}

impl Held {
    /// Control may come from elsewhere.
    pub fn forget(&mut self) {
        *self = Held::default();
    }

    /// An instruction is next.
    pub fn step(&mut self, e: Effect) -> Instead {
        let instead = self.instead(e);
        self.note(e);
        instead
    }

    fn instead(&self, e: Effect) -> Instead {
        match e {
            Effect::Load { to, slot } => match self.holder(to, slot) {
                Some(from) if from == to => Instead::Nothing,
                Some(from) => Instead::Copy { to, from },
                None => Instead::Itself,
            },
            Effect::Store { from, slot } if self.slots[from.index()] == Some(slot) => {
                Instead::Nothing
            }
            Effect::Merge { to, low, rest } if self.zeros & rest.bit() != 0 => {
                Instead::Extend { to, low }
            }
            _ => Instead::Itself,
        }
    }

    fn note(&mut self, e: Effect) {
        let copied = match e {
            Effect::Load { slot, .. } => Some(slot),
            Effect::Copy { to, from } if to.is_vector() == from.is_vector() => {
                self.slots[from.index()]
            }
            _ => None,
        };
        let zero = match e {
            Effect::Zero { to } => to.bit(),
            _ => 0,
        };
        self.zeros = self.zeros & !e.writes() | zero;
        for (n, s) in (0..).zip(&mut self.slots) {
            s.take_if(|_| e.writes() >> n & 1 != 0);
        }
        match e {
            Effect::Load { to, .. } | Effect::Copy { to, .. } => self.slots[to.index()] = copied,
            Effect::Store { from, slot } => {
                let end = slot + from.bytes();
                for (n, s) in (0..).zip(&mut self.slots) {
                    s.take_if(|s| *s < end && slot < *s + Place(n).bytes());
                }
                self.slots[from.index()] = Some(slot);
            }
            _ => {}
        }
    }

    /// A register that can be copied to `to` instead of loading a slot; `to` itself if it can.
    fn holder(&self, to: Place, slot: i32) -> Option<Place> {
        let has = |p: &Place| self.slots[p.index()] == Some(slot);
        let alike = |p: &Place| p.is_vector() == to.is_vector() && has(p);
        let mut all = (0..Place::ALL as u8).map(Place);
        Some(to).filter(has).or_else(|| all.find(alike))
    }
}

/// Code that copies a whole register to another of its kind.
pub fn copy(to: Place, from: Place) -> SmallVec<[u8; 4]> {
    let (t, f) = (to.number(), from.number());
    let (high_t, high_f) = (t >> 3, f >> 3);
    if !to.is_vector() {
        // mov to, from
        return smallvec![
            0x48 | high_f << 2 | high_t,
            0x89,
            0xc0 | (f & 7) << 3 | t & 7
        ];
    }
    // movaps to, from
    let mut code = SmallVec::new();
    if high_t | high_f != 0 {
        code.push(0x40 | high_t << 2 | high_f);
    }
    code.extend([0x0f, 0x28, 0xc0 | (t & 7) << 3 | f & 7]);
    code
}

/// Code that copies the lower half of a vector and sets the upper to 0 (vmovq). For hosts with AVX.
pub fn extend(to: Place, low: Place) -> SmallVec<[u8; 5]> {
    let (t, l) = (to.number(), low.number());
    let (high_t, high_l) = (t >> 3, l >> 3);
    let register = 0xc0 | (t & 7) << 3 | l & 7;
    if high_l == 0 {
        smallvec![0xc5, (high_t ^ 1) << 7 | 0x7a, 0x7e, register]
    } else if high_t == 0 {
        // The form that stores.
        smallvec![0xc5, 0x79, 0xd6, 0xc0 | (l & 7) << 3 | t & 7]
    } else {
        smallvec![0xc4, 0x41, 0x7a, 0x7e, register]
    }
}
