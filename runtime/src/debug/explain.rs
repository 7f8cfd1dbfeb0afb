//! What becomes of guest code, stage by stage: IR, optimised IR, CLIF, host code of one block, or of the region that tier 1 would make if
//! everything reachable by direct branches had been executed. Runs nothing; uses the engine's own functions at each stage.

use crate::cache::block::{Block0, Ends};
use crate::cache::tables::Tables;
use crate::compile::region::{self, MAX_INSNS};
use crate::vcpu::TEMPS_OFFSET;
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::state::{PC_OFFSET, SLOTS};
use metaphrase_arm64::translate::{self, Config};
use metaphrase_backend::arena;
use metaphrase_backend::bytecode::build::Builder;
use metaphrase_backend::emit::{CompileError, CompileOpts, Compiler};
use metaphrase_ir::Unit;
use metaphrase_ir::opt::{self, Scratch};
use std::collections::VecDeque;

/// Most guest instructions in a block, as in tier 0.
const MAX_BLOCK: u32 = 32;

/// What to explain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// The basic block at the address.
    Block,
    /// The region that it anchors.
    Region,
}

/// A piece of guest code and everything made from it.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Guest code: address and words of each block, the anchor's first.
    pub guest: Vec<(u64, Vec<u32>)>,
    /// Guest addresses where the unit can be entered.
    pub entries: Vec<u64>,
    /// The IR as translated.
    pub ir: String,
    /// The IR after the passes.
    pub optimised: String,
    /// Operations before and after.
    pub ir_ops: (usize, usize),
    /// Cranelift's input.
    pub clif: String,
    /// Host code with the guest addresses it came from.
    pub host: String,
    /// Its bytes.
    pub host_bytes: usize,
    /// Operations that call `Eval` on their hot path.
    pub eval_sites: u32,
    /// Memory accesses with a landing pad.
    pub fault_sites: usize,
}

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The address holds no code.
    #[error("no code at {0:#x}")]
    NoCode(u64),
    /// Our back end refused.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// Explains the code at `pc` for a CPU with these features. `fetch` gives guest words and refuses what is not code.
pub fn explain(
    pc: u64,
    extent: Extent,
    feats: FeatSet,
    fetch: &mut dyn FnMut(u64) -> Option<u32>,
) -> Result<Explained, ExplainError> {
    if pc & 3 != 0 || fetch(pc).is_none() {
        return Err(ExplainError::NoCode(pc));
    }
    let cfg = &Config {
        feats,
        ..Config::default()
    };
    let mut unit = match extent {
        Extent::Block => block(pc, cfg, fetch),
        Extent::Region => {
            let tables = reachable(pc, cfg, fetch);
            let r = region::build(&tables, (pc, 0), &[], 1, cfg, &mut Vec::new());
            r.ok_or(ExplainError::NoCode(pc))?.unit
        }
    };
    let guest = unit.blocks.iter().map(|b| {
        let words = (0..b.guest_len as u64 / 4).map_while(|i| fetch(b.pc + 4 * i));
        (b.pc, words.collect())
    });
    let guest = guest.collect();
    let (ir, before) = (unit.to_string(), unit.insts.len());
    opt::optimize(&mut unit, &mut Scratch::default());
    let opts = CompileOpts {
        listing: true,
        ..CompileOpts::default()
    };
    let c = Compiler::new(&opts)?.compile(&unit, PC_OFFSET, &opts)?;
    Ok(Explained {
        guest,
        entries: c.entries.iter().map(|e| e.0).collect(),
        ir,
        optimised: unit.to_string(),
        ir_ops: (before, unit.insts.len()),
        host: c.listing(),
        host_bytes: c.code.len(),
        eval_sites: c.evals,
        fault_sites: c.faults.len(),
        clif: c.clif.unwrap_or_default(),
    })
}

fn block(pc: u64, cfg: &Config, fetch: &mut dyn FnMut(u64) -> Option<u32>) -> Unit {
    let mut unit = Unit::new(&SLOTS);
    let id = translate::translate_block(&mut unit, cfg, pc, fetch, MAX_BLOCK);
    unit.blocks[id.0 as usize].entry = true;
    unit
}

/// Tier-0 blocks of everything that direct branches, fall-through and returns from calls reach, as if all had been hot.
fn reachable(pc: u64, cfg: &Config, fetch: &mut dyn FnMut(u64) -> Option<u32>) -> Tables {
    let mut tables = Tables::default();
    let mut builder = Builder::default();
    let mut queue = VecDeque::from([pc]);
    let mut total = 0;
    while let Some(pc) = queue.pop_front() {
        // Twice the size of a region: it decides itself what it takes.
        if total > 2 * MAX_INSNS || tables.block((pc, 0)).is_some() {
            continue;
        }
        let unit = block(pc, cfg, &mut |at| {
            (at >> 12 == pc >> 12).then(|| fetch(at)).flatten()
        });
        let b = &unit.blocks[0];
        let Ok(code) = builder.build(&unit, b, TEMPS_OFFSET) else {
            continue;
        };
        let ends = Ends::of(&b.exit);
        let after = pc + b.guest_len as u64;
        if ends == Ends::Call {
            queue.push_back(after);
        }
        if let Some(s) = code.succ {
            queue.extend([s.fall, s.taken]);
        }
        let words: Vec<u32> = (pc..after).step_by(4).map_while(&mut *fetch).collect();
        total += words.len();
        let b = Block0::new(pc, 0, arena::slice(&words), code, ends, Some(u32::MAX));
        // Counts an execution.
        b.wants_attention();
        tables.insert(arena::new(b));
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `loop: add x0, x0, x1; subs x1, x1, #1; b.ne loop; ret` at 0x1000.
    const CODE: [u32; 4] = [0x8b01_0000, 0xf100_0421, 0x54ff_ffc1, 0xd65f_03c0];

    fn fetch(at: u64) -> Option<u32> {
        CODE.get(at.checked_sub(0x1000)? as usize / 4).copied()
    }

    #[test]
    fn a_block_ends_at_its_branch_and_a_region_has_the_loop() {
        let b = explain(0x1000, Extent::Block, FeatSet::IMPLEMENTED, &mut fetch).unwrap();
        assert_eq!(b.guest, [(0x1000, CODE[..3].to_vec())]);
        assert!(
            b.ir.contains("get x0")
                && b.clif.contains("function")
                && b.host.contains("; guest 0x1000")
        );
        assert!(b.ir_ops.1 <= b.ir_ops.0 && b.host_bytes > 0);
        let r = explain(0x1000, Extent::Region, FeatSet::IMPLEMENTED, &mut fetch).unwrap();
        assert_eq!(r.guest.iter().map(|g| g.0).collect::<Vec<_>>(), [0x1000]);
        assert!(
            r.ir.contains("branch") && r.ir.contains("block0"),
            "{}",
            r.ir
        );
        assert_eq!(r.entries, [0x1000]);
    }

    #[test]
    fn where_there_is_no_code_it_says_so() {
        for pc in [0x2000, 0x1002, 0xffc] {
            let e = explain(pc, Extent::Region, FeatSet::IMPLEMENTED, &mut fetch).unwrap_err();
            assert_eq!(e.to_string(), format!("no code at {pc:#x}"));
        }
    }
}
