//! Guest words to the bytecode of one block.

use crate::cache::block::{Block0, Ends};
use crate::vcpu::TEMPS_OFFSET;
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::translate::{self, Config};
use metaphrase_backend::arena;
use metaphrase_backend::bytecode::Bytecode;
use metaphrase_backend::bytecode::build::Builder;
use metaphrase_ir::Unit;

/// Working memory for making blocks, used again and again.
#[derive(Debug)]
pub struct Maker {
    unit: Unit,
    builder: Builder,
}

impl Default for Maker {
    fn default() -> Maker {
        Maker {
            unit: Unit::new(&SLOTS),
            builder: Builder::default(),
        }
    }
}

/// A block that has been made.
#[derive(Debug)]
pub struct Made {
    /// The guest words translated; none if the first could not be fetched.
    pub words: Vec<u32>,
    /// Its bytecode.
    pub code: Bytecode,
    /// How it ends.
    pub ends: Ends,
}

impl Made {
    /// The block. `threshold` as for [`Block0::new`].
    pub fn into_block(self, (pc, mode): (u64, u64), threshold: Option<u32>) -> Block0 {
        let words = arena::slice(&self.words);
        Block0::new(pc, mode, words, self.code, self.ends, threshold)
    }
}

impl Maker {
    /// The block at a guest address, of at most `max` instructions, which all lie in one page: the next one's mapping may differ.
    /// `translated` is called when there is IR.
    pub fn make(
        &mut self,
        cfg: &Config,
        (pc, mode): (u64, u64),
        mut max: u32,
        mut fetch: impl FnMut(u64) -> Option<u32>,
        mut translated: impl FnMut(),
    ) -> Made {
        let page = pc & !0xfff;
        loop {
            let mut words: Vec<u32> = Vec::new();
            self.unit.clear();
            self.unit.mode = mode;
            let mut next = |at: u64| {
                let w = (at & !0xfff == page).then(|| fetch(at)).flatten();
                words.extend(w);
                w
            };
            let id = translate::translate_block(&mut self.unit, cfg, pc, &mut next, max);
            let block = self.unit.blocks[id.0 as usize].clone();
            translated();
            match self.builder.build(&self.unit, &block, TEMPS_OFFSET) {
                Ok(code) => {
                    let ends = Ends::of(&block.exit);
                    return Made { words, code, ends };
                }
                Err(_) => max = (max / 2).max(1),
            }
        }
    }
}
