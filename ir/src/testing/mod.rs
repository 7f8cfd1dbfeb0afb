//! For tests and fuzzers of every crate: a small guest to test on, a machine to run units on, and random units.
//! Nothing here is used by the product.

mod units;

use crate::arith::{self, FpEnv};
use crate::guest::{Slot, SlotInfo, SlotTable};
use crate::helper::HelperId;
use crate::inst::MemInfo;
use crate::interp::{self, Fault, FaultKind, Guest, Left, State};
use crate::ops::Effects;
use crate::types::Type;
use crate::unit::{BlockId, Unit};

pub use units::{Mix, random_unit};

macro_rules! slots {
    ($($name:literal $ty:ident $offset:literal,)*) => {
        &[$(SlotInfo { name: $name, ty: Type::$ty, offset: $offset, cached: true },)*]
    };
}

/// A small guest: eight integer registers, a stack pointer, flags, four vector registers.
pub static TEST_SLOTS: SlotTable = SlotTable {
    rows: slots! {
        "x0" I64 0, "x1" I64 8, "x2" I64 16, "x3" I64 24, "x4" I64 32, "x5" I64 40, "x6" I64 48, "x7" I64 56,
        "sp" I64 64, "nzcv" Flags 72,
        "v0" V128 96, "v1" V128 112, "v2" V128 128, "v3" V128 144,
    },
};

/// Bytes of the guest state that [`TEST_SLOTS`] describes.
pub const TEST_STATE_BYTES: usize = 160;

/// Guest addresses that random units access, mostly: a window of [`WINDOW_BYTES`] from here.
/// Chosen so that a test of host code can map it as it is: the last bytes of a page that processes leave alone.
pub const WINDOW: u64 = 0x4242_0f00;
/// Size of the window.
pub const WINDOW_BYTES: usize = 256;

/// Guest memory of a test: a few pieces, everything else unmapped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TestMemory {
    /// Address, bytes, whether it may be written.
    pub pieces: Vec<(u64, Vec<u8>, bool)>,
}

impl TestMemory {
    fn find(&mut self, addr: u64, len: usize, write: bool) -> Result<&mut [u8], Fault> {
        let missing = Fault {
            addr,
            write,
            kind: FaultKind::Unmapped,
        };
        for (base, bytes, writable) in &mut self.pieces {
            let at = addr.wrapping_sub(*base);
            if at >= bytes.len() as u64 {
                continue;
            }
            let at = at as usize;
            if bytes.len() - at < len {
                // The first byte that is not there.
                let addr = base.wrapping_add(bytes.len() as u64);
                return Err(Fault { addr, ..missing });
            }
            if write && !*writable {
                return Err(Fault {
                    kind: FaultKind::Permission,
                    ..missing
                });
            }
            return Ok(&mut bytes[at..at + len]);
        }
        Err(missing)
    }
}

/// Helpers of a test look at the whole state and change a register of it.
impl Guest for TestMemory {
    fn read(&mut self, addr: u64, buf: &mut [u8], _: MemInfo) -> Result<(), Fault> {
        buf.copy_from_slice(self.find(addr, buf.len(), false)?);
        Ok(())
    }

    fn write(&mut self, addr: u64, data: &[u8], _: MemInfo) -> Result<(), Fault> {
        self.find(addr, data.len(), true)?.copy_from_slice(data);
        Ok(())
    }

    fn helper(&mut self, id: HelperId, aux: u32, args: [u64; 3], state: &mut State<'_>) -> u64 {
        let mut seen = id as u64 ^ args[0];
        if !id.info().effects.contains(Effects::STATE) {
            return seen ^ args[1].rotate_left(7) ^ args[2].rotate_left(19) ^ u64::from(aux);
        }
        for row in TEST_SLOTS.rows {
            seen = seen.rotate_left(7) ^ state.get(row) as u64;
        }
        let row = TEST_SLOTS.get(Slot(aux as u16 % TEST_SLOTS.rows.len() as u16));
        state.set(row, arith::truncate(row.ty, seen.into()));
        seen
    }
}

/// Everything a unit can change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestMachine {
    /// The guest state, laid out by [`TEST_SLOTS`].
    pub slots: [u8; TEST_STATE_BYTES],
    /// Floating-point control and status.
    pub fp: FpEnv,
    /// Memory.
    pub memory: TestMemory,
}

/// A way to execute a unit from block 0, at most so many blocks.
pub type Execute = fn(&Unit, &mut TestMachine, u64) -> Left;

impl TestMachine {
    /// Registers zero, no memory.
    pub fn new() -> TestMachine {
        TestMachine {
            slots: [0; TEST_STATE_BYTES],
            fp: FpEnv::default(),
            memory: TestMemory::default(),
        }
    }

    /// Registers and window filled from a seed; half of the integer registers point into the window.
    pub fn random(seed: u64) -> TestMachine {
        let mut m = TestMachine::new();
        let mut x = seed;
        let mut next = || {
            x = x
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (x ^ x >> 31).rotate_left(x as u32 >> 27)
        };
        for row in 0..TEST_SLOTS.rows.len() {
            let r = next();
            let v = match (TEST_SLOTS.rows[row].ty, r % 4) {
                (Type::I64, 0 | 1) => (WINDOW + r / 4 % WINDOW_BYTES as u64).into(),
                (Type::I64, 2) => (r >> (r / 4 % 64)).into(),
                (Type::Flags, _) => (r & 0xf000_0000).into(),
                _ => u128::from(r) << 64 | u128::from(next()),
            };
            m.set(Slot(row as u16), v);
        }
        let bytes = (0..WINDOW_BYTES).map(|_| next() as u8).collect();
        m.memory.pieces.push((WINDOW, bytes, true));
        m
    }

    /// Value of a slot; flags as packed NZCV.
    pub fn get(&self, slot: Slot) -> u128 {
        let mut copy = self.clone();
        copy.state().get(TEST_SLOTS.get(slot))
    }

    /// Sets a slot.
    pub fn set(&mut self, slot: Slot, v: u128) {
        self.state().set(TEST_SLOTS.get(slot), v);
    }

    fn state(&mut self) -> State<'_> {
        State {
            slots: &mut self.slots,
            fp: &mut self.fp,
        }
    }

    /// Brings flags slots to one form, so that machines can be compared.
    pub fn normalize(&mut self) {
        for (i, row) in TEST_SLOTS.rows.iter().enumerate() {
            if row.ty == Type::Flags {
                let v = self.get(Slot(i as u16));
                self.set(Slot(i as u16), v);
            }
        }
    }
}

impl Default for TestMachine {
    fn default() -> Self {
        TestMachine::new()
    }
}

/// [`Execute`] through the reference interpreter.
pub fn interpret(unit: &Unit, m: &mut TestMachine, budget: u64) -> Left {
    let TestMachine { slots, fp, memory } = m;
    interp::run(unit, BlockId(0), &mut State { slots, fp }, memory, budget)
}
