//! Kind `cost`: an instruction (word and assembly) to what it costs in each stage: IR ops, and host instructions and bytes in
//! baseline code and in regions.
//!
//! Each instruction is compiled alone, in a block of its own, for a host with everything that code generators use, whatever this one
//! has; what a NOP costs there (entry, poll, exit) is taken off. So the numbers hold register loads and stores that longer code does
//! without: they are for seeing changes, not for adding up. Host instructions are counted along the path on which nothing rare happens; bytes
//! are all that is emitted.

use crate::harness::Case;
use metaphrase_arm64::arch::features::DEFAULT;
use metaphrase_arm64::arch::state::{FLAGS_OFFSET, FPSR_OFFSET, PC_OFFSET, SLOTS};
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_backend::baseline::Baseline;
use metaphrase_backend::bytecode::build::Builder;
use metaphrase_backend::emit::{CompileOpts, CompiledUnit, Compiler, HostModel};
use metaphrase_ir::opt::{Scratch, optimize};
use metaphrase_ir::{Op, Unit};
use metaphrase_runtime::vcpu::TEMPS_OFFSET;
use std::cell::RefCell;

const NOP: u32 = 0xd503_201f;
const AT: u64 = 0x1000;

thread_local! {
    static TOOLS: RefCell<Option<Tools>> = const { RefCell::new(None) };
}

/// The code generators, and what they make of a NOP.
struct Tools {
    compiler: Compiler,
    opts: CompileOpts,
    baseline: Baseline,
    nop: Option<Cost>,
}

#[derive(Clone, Copy)]
struct Cost {
    ops: (i64, i64),
    /// Instructions and bytes; none where the baseline compiler leaves it to the interpreter.
    baseline: Option<(i64, i64)>,
    region: (i64, i64),
}

impl Tools {
    fn new() -> Tools {
        let opts = CompileOpts {
            host: HostModel::V3,
            verify: false,
            ..CompileOpts::default()
        };
        let mut baseline = Baseline::new(PC_OFFSET, FPSR_OFFSET, FLAGS_OFFSET, TEMPS_OFFSET);
        baseline.for_any_host();
        Tools {
            compiler: Compiler::new(&opts).expect("Cranelift knows x86-64"),
            opts,
            baseline,
            nop: None,
        }
    }

    fn cost(&mut self, word: u32) -> Result<Cost, String> {
        let cfg = Config::for_model(&DEFAULT);
        let mut unit = Unit::new(&SLOTS);
        translate_block(&mut unit, &cfg, AT, &mut |at| (at == AT).then_some(word), 1);
        unit.blocks[0].entry = true;
        let before = ops(&unit);
        let code = Builder::default()
            .build(&unit, &unit.blocks[0], TEMPS_OFFSET)
            .map_err(|_| "no bytecode")?;
        let baseline = self.baseline.compile(&code, AT, 0).map(|c| size(&c));
        optimize(&mut unit, &mut Scratch::default());
        let region = self.compiler.compile(&unit, PC_OFFSET, &self.opts);
        Ok(Cost {
            ops: (before, ops(&unit)),
            baseline,
            region: size(&region.map_err(|e| e.to_string())?),
        })
    }
}

fn ops(unit: &Unit) -> i64 {
    unit.insts
        .iter()
        .filter(|i| i.op != Op::Mark && i.op != Op::Nop)
        .count() as i64
}

fn size(c: &CompiledUnit) -> (i64, i64) {
    (c.path_length() as i64, c.code.len() as i64)
}

/// Output: a line for each stage.
pub fn runner(case: &Case) -> Result<String, String> {
    let hex = case.body.split_whitespace().next().unwrap_or("");
    let word = u32::from_str_radix(hex, 16).map_err(|_| "the body begins with a word")?;
    TOOLS.with_borrow_mut(|t| {
        let t = t.get_or_insert_with(Tools::new);
        if t.nop.is_none() {
            t.nop = Some(t.cost(NOP)?);
        }
        let (c, nop) = (t.cost(word)?, t.nop.ok_or("a NOP has its cost")?);
        let baseline = match (c.baseline, nop.baseline) {
            (Some(c), Some(n)) => format!("baseline {}, {} bytes", c.0 - n.0, c.1 - n.1),
            _ => "baseline leaves it to the interpreter".to_string(),
        };
        let (region, n) = (c.region, nop.region);
        Ok(format!(
            "ir {} to {}; {baseline}; region {}, {} bytes\n",
            c.ops.0,
            c.ops.1,
            region.0 - n.0,
            region.1 - n.1
        ))
    })
}
