//! A unit of translation: blocks of instructions, the guest addresses they came from, and how each block ends.

use crate::exit::Exit;
use crate::guest::SlotTable;
use crate::inst::{Inst, Value};

/// Index of a block in its unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// One block: a contiguous range of the unit's instructions, and its exit.
#[derive(Clone, Debug)]
pub struct Block {
    /// Guest address of its first instruction.
    pub pc: u64,
    /// Guest bytes covered.
    pub guest_len: u32,
    /// First instruction (inclusive) in [`Unit::insts`].
    pub start: u32,
    /// Last instruction (exclusive).
    pub end: u32,
    /// How control leaves.
    pub exit: Exit,
    /// Whether control may enter the unit here.
    pub entry: bool,
}

/// A control-flow graph over guest code.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Slots that `Get` and `Set` name.
    pub slots: &'static SlotTable,
    /// Blocks; block 0 is the main entry.
    pub blocks: Vec<Block>,
    /// Instructions of all blocks, block after block.
    pub insts: Vec<Inst>,
    /// 128-bit constants named by `ConstV` and `VShuffle`.
    pub consts: Vec<u128>,
    /// Guest mode bits that this translation assumes (part of its key; FPCR bits in the low half for AArch64).
    pub mode: u64,
}

impl Unit {
    /// An empty unit.
    pub fn new(slots: &'static SlotTable) -> Unit {
        Unit {
            slots,
            blocks: Vec::new(),
            insts: Vec::new(),
            consts: Vec::new(),
            mode: 0,
        }
    }

    /// Forgets everything but keeps the allocations.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.insts.clear();
        self.consts.clear();
        self.mode = 0;
    }

    /// Instruction that defines a value.
    pub fn inst(&self, v: Value) -> &Inst {
        &self.insts[v.0 as usize]
    }

    /// Instructions of a block with their values.
    pub fn block_insts(
        &self,
        b: &Block,
    ) -> impl DoubleEndedIterator<Item = (Value, &Inst)> + use<'_> {
        let (start, end) = (b.start, b.end);
        (start..end).map(move |i| (Value(i), &self.insts[i as usize]))
    }
}
