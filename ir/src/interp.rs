//! The reference interpreter: slow, obvious, the oracle that every faster executor is compared with.
//!
//! It executes a unit as written. What an op computes comes from [`crate::arith`]; here is only what [`crate::arith`]
//! leaves out: slots, memory, helpers, and how control moves. Slots live in a plain byte array laid out by the unit's
//! [`crate::SlotTable`]; memory and helpers are behind [`Guest`]. Faults are values.
//!
//! A flags slot is written as the triple *(Nzcv, packed, 0)*, other executors may write other triples with the same
//! meaning: compare [`crate::flags::nzcv`] of them.

use crate::arith::{self, Bits, FpEnv};
use crate::exit::{Dest, Exit, IndirectKind, TrapKind};
use crate::flags::{self, FlagsKind};
use crate::guest::SlotInfo;
use crate::helper::HelperId;
use crate::inst::{Inst, MemInfo, Value};
use crate::ops::{Op, Rmw};
use crate::types::Type;
use crate::unit::{Block, BlockId, Unit};

/// Why a memory access failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FaultKind {
    /// Nothing is mapped there.
    Unmapped,
    /// It is mapped, but not for this.
    Permission,
    /// The access demands alignment ([`MemInfo::aligned`]) and has none.
    Alignment,
}

/// A failed memory access.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// Guest address of the access (of the first byte that failed, where the memory knows it).
    pub addr: u64,
    /// Whether it was a write.
    pub write: bool,
    /// Why.
    pub kind: FaultKind,
}

/// The world around the unit.
pub trait Guest {
    /// Reads `buf.len()` bytes (1 to 16) at `addr`. Addresses wrap at 2^64. All or nothing.
    fn read(&mut self, addr: u64, buf: &mut [u8], mem: MemInfo) -> Result<(), Fault>;

    /// Writes `data` at `addr`. All or nothing.
    fn write(&mut self, addr: u64, data: &[u8], mem: MemInfo) -> Result<(), Fault>;

    /// Runs a helper other than `ReadFpsr` and `WriteFpsr`, which the interpreter knows.
    fn helper(&mut self, _id: HelperId, _aux: u32, _args: [u64; 3], _state: &mut State<'_>) -> u64 {
        0
    }
}

/// The guest's registers.
#[derive(Debug)]
pub struct State<'s> {
    /// The slots, by the offsets of the slot table.
    pub slots: &'s mut [u8],
    /// Floating-point control and status.
    pub fp: &'s mut FpEnv,
}

impl State<'_> {
    /// Value of a slot. Panics if the array is too short or holds a flags kind that does not exist.
    pub fn get(&self, row: &SlotInfo) -> Bits {
        let at = row.offset as usize;
        if row.ty == Type::Flags {
            let [kind, a, b] = [0, 8, 16].map(|d| self.word(at + d));
            let kind = FlagsKind::from_u64(kind).expect("a flags slot holds a known kind");
            return flags::nzcv(kind, a, b).into();
        }
        let mut buf = [0; 16];
        let len = row.ty.bytes() as usize;
        buf[..len].copy_from_slice(&self.slots[at..at + len]);
        arith::truncate(row.ty, u128::from_le_bytes(buf))
    }

    /// Writes a slot.
    pub fn set(&mut self, row: &SlotInfo, v: Bits) {
        let at = row.offset as usize;
        if row.ty == Type::Flags {
            for (d, word) in [(0, FlagsKind::Nzcv as u64), (8, v as u64), (16, 0)] {
                self.slots[at + d..at + d + 8].copy_from_slice(&word.to_le_bytes());
            }
            return;
        }
        let len = row.ty.bytes() as usize;
        self.slots[at..at + len].copy_from_slice(&v.to_le_bytes()[..len]);
    }

    fn word(&self, at: usize) -> u64 {
        let mut buf = [0; 8];
        buf.copy_from_slice(&self.slots[at..at + 8]);
        u64::from_le_bytes(buf)
    }
}

/// How control left the unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// To a guest address that the unit knows.
    Direct {
        /// The address.
        pc: u64,
        /// Whether as a call.
        call: bool,
    },
    /// To a computed guest address.
    Indirect {
        /// The address.
        pc: u64,
        /// What the branch is.
        kind: IndirectKind,
    },
    /// To the runtime.
    Trap {
        /// Why.
        kind: TrapKind,
        /// The instruction.
        pc: u64,
    },
    /// A memory access failed. The slots are those before the instruction at `pc`.
    Fault {
        /// The last `mark`.
        pc: u64,
        /// The access.
        fault: Fault,
    },
    /// As many blocks as allowed were executed; the next one would have been this.
    Budget(BlockId),
}

/// Executes a unit from `entry` on, at most `budget` blocks.
pub fn run(
    unit: &Unit,
    entry: BlockId,
    state: &mut State<'_>,
    guest: &mut dyn Guest,
    budget: u64,
) -> Left {
    let mut x = Executor {
        unit,
        state,
        guest,
        values: vec![0; unit.insts.len()],
        pc: 0,
    };
    let mut at = entry;
    for _ in 0..budget {
        match x.block(&unit.blocks[at.0 as usize]) {
            Ok(next) => at = next,
            Err(left) => return left,
        }
    }
    Left::Budget(at)
}

struct Executor<'x, 's> {
    unit: &'x Unit,
    state: &'x mut State<'s>,
    guest: &'x mut dyn Guest,
    values: Vec<Bits>,
    /// The last mark.
    pc: u64,
}

impl Executor<'_, '_> {
    /// The next block, or how the unit was left.
    fn block(&mut self, b: &Block) -> Result<BlockId, Left> {
        let unit = self.unit;
        self.pc = b.pc;
        for (v, inst) in unit.block_insts(b) {
            let args = inst.args.map(|a| self.value(a));
            let pc = self.pc;
            let fault = |fault| Left::Fault { pc, fault };
            let result = match inst.op {
                Op::Nop | Op::FenceOp => 0,
                Op::Mark => {
                    self.pc = inst.imm;
                    0
                }
                Op::Get => self.state.get(&unit.slots.rows[inst.imm as usize]),
                Op::Set => {
                    self.state.set(&unit.slots.rows[inst.imm as usize], args[0]);
                    0
                }
                Op::Call => self.call(inst, args),
                Op::Load | Op::Store | Op::ZeroBlock => self.access(inst, args).map_err(fault)?,
                Op::AtomicRmw | Op::AtomicCas => self.atomic(inst, args).map_err(fault)?,
                Op::StoreExcl => self.store_exclusive(inst, args).map_err(fault)?,
                _ => self.compute(v, inst, args),
            };
            self.values[v.0 as usize] = arith::truncate(inst.ty, result);
        }
        self.exit(b.exit)
    }

    fn value(&self, v: Value) -> Bits {
        self.values.get(v.0 as usize).copied().unwrap_or(0)
    }

    fn exit(&self, exit: Exit) -> Result<BlockId, Left> {
        let go = |dest, call| match dest {
            Dest::Block(b) => Ok(b),
            Dest::Pc(pc) => Err(Left::Direct { pc, call }),
        };
        match exit {
            Exit::Goto { dest, call } => go(dest, call),
            Exit::Branch { cond, taken, .. } if self.value(cond) != 0 => go(taken, false),
            Exit::Branch { fall, .. } => go(fall, false),
            Exit::Indirect { target, kind } => Err(Left::Indirect {
                pc: self.value(target) as u64,
                kind,
            }),
            Exit::Trap { kind, pc } => Err(Left::Trap { kind, pc }),
        }
    }

    fn compute(&mut self, v: Value, inst: &Inst, args: [Bits; 4]) -> Bits {
        let unit = self.unit;
        let ty = |a: Value| unit.inst(a).ty;
        arith::eval(inst, args, ty, &unit.consts, self.state.fp)
            .unwrap_or_else(|| panic!("no meaning for `{}` in\n{unit}", unit.inst_text(v)))
    }

    fn call(&mut self, inst: &Inst, args: [Bits; 4]) -> Bits {
        let id = HelperId::from_imm(inst.imm).expect("the verifier admits only known helpers");
        let result = match id {
            HelperId::ReadFpsr => self.state.fp.fpsr.into(),
            HelperId::WriteFpsr => {
                self.state.fp.fpsr = args[0] as u32 & arith::FPSR_BITS;
                0
            }
            _ => {
                let args = [args[0] as u64, args[1] as u64, args[2] as u64];
                self.guest.helper(id, inst.aux, args, self.state)
            }
        };
        result.into()
    }

    fn access(&mut self, inst: &Inst, args: [Bits; 4]) -> Result<Bits, Fault> {
        let addr = (args[0] as u64).wrapping_add(inst.imm);
        match inst.op {
            Op::Load => {
                let m = inst.mem();
                let raw = self.read(addr, m)?;
                let unused = 128 - m.bytes() * 8;
                Ok(match m.signed {
                    true => ((raw << unused) as i128 >> unused) as u128,
                    false => raw,
                })
            }
            Op::Store => self.write(addr, args[1], inst.mem()),
            _ => {
                let base = args[0] as u64 & inst.imm.wrapping_neg();
                let zeros = vec![0; inst.imm as usize];
                self.guest
                    .write(base, &zeros, MemInfo::plain(0))
                    .map(|()| 0)
            }
        }
    }

    fn atomic(&mut self, inst: &Inst, args: [Bits; 4]) -> Result<Bits, Fault> {
        let m = match inst.op {
            Op::AtomicRmw => MemInfo::unpack(inst.aux & 0xfff),
            _ => inst.mem(),
        };
        let addr = args[0] as u64;
        let old = self.read(addr, m)?;
        let new = if inst.op == Op::AtomicRmw {
            let op = Rmw::from_aux(inst.aux);
            op.apply(old as u64, args[1] as u64, m.bytes() * 8).into()
        } else if old == cut(args[1], m) {
            args[2]
        } else {
            // A failing compare still needs a writable location.
            old
        };
        self.write(addr, new, m)?;
        Ok(old)
    }

    /// 0: stored, 1: not.
    fn store_exclusive(&mut self, inst: &Inst, args: [Bits; 4]) -> Result<Bits, Fault> {
        let (addr, m) = (args[0] as u64, inst.mem());
        check_alignment(addr, m, true)?;
        if addr != args[2] as u64 || self.read(addr, m)? != cut(args[3], m) {
            return Ok(1);
        }
        self.write(addr, args[1], m)
    }

    fn read(&mut self, addr: u64, m: MemInfo) -> Result<Bits, Fault> {
        check_alignment(addr, m, false)?;
        let mut buf = [0; 16];
        self.guest.read(addr, &mut buf[..m.bytes() as usize], m)?;
        Ok(u128::from_le_bytes(buf))
    }

    fn write(&mut self, addr: u64, v: Bits, m: MemInfo) -> Result<Bits, Fault> {
        check_alignment(addr, m, true)?;
        let data = &v.to_le_bytes()[..m.bytes() as usize];
        self.guest.write(addr, data, m).map(|()| 0)
    }
}

/// The low bits that an access of this size sees.
fn cut(v: Bits, m: MemInfo) -> Bits {
    match m.bytes() {
        16.. => v,
        n => v & ((1 << (n * 8)) - 1),
    }
}

fn check_alignment(addr: u64, m: MemInfo, write: bool) -> Result<(), Fault> {
    if m.aligned && !addr.is_multiple_of(m.bytes() as u64) {
        let kind = FaultKind::Alignment;
        return Err(Fault { addr, write, kind });
    }
    Ok(())
}
