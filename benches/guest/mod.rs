//! What the benches measure with: the code of the demonstration guest, cut into units, and a world with two system calls for small guests
//! that are written as words. Uses the crates' public functions alone.
#![allow(dead_code, reason = "each bench uses a part")]

use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_ir::{Dest, Exit, Unit};
use metaphrase_runtime::engine::{Engine, EngineConfig, JitMode};
use metaphrase_runtime::env::{Environment, Exception, Flow};
use metaphrase_runtime::vcpu::Vcpu;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::collections::{BTreeMap, BTreeSet};

/// A function of the demonstration guest.
pub struct Function {
    /// Name in the symbol table.
    pub name: String,
    /// Guest address.
    pub pc: u64,
    /// Its instructions.
    pub words: Vec<u32>,
}

/// The functions of the demonstration guest, by address.
pub fn functions() -> Vec<Function> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/demo/demo");
    let bytes = std::fs::read(path).expect("the guest ships with the repository");
    let file = object::File::parse(&*bytes).expect("an ELF file");
    let text = file.section_by_name(".text").expect("it has code");
    let code = text.data().expect("readable");
    let mut out: Vec<Function> = file
        .symbols()
        .filter(|s| s.kind() == SymbolKind::Text && s.size() > 0)
        .map(|s| {
            let from = (s.address() - text.address()) as usize;
            let bytes = &code[from..from + s.size() as usize];
            let words = bytes
                .chunks_exact(4)
                .map(|w| u32::from_le_bytes(w.try_into().expect("four bytes")));
            Function {
                name: s.name().unwrap_or_default().to_string(),
                pc: s.address(),
                words: words.collect(),
            }
        })
        .collect();
    out.sort_by_key(|f| f.pc);
    out
}

/// One function as a unit whose branches inside it are edges between its blocks: what tier 1 compiles.
pub fn unit_of(f: &Function, cfg: &Config) -> Unit {
    let mut leaders = BTreeSet::new();
    let mut draft = Unit::new(&SLOTS);
    blocks(f, cfg, &leaders, &mut draft);
    for b in &mut draft.blocks {
        each_dest(&mut b.exit, |d| {
            if let Dest::Pc(pc) = *d {
                leaders.insert(pc);
            }
        });
    }
    let mut unit = Unit::new(&SLOTS);
    let ids = blocks(f, cfg, &leaders, &mut unit);
    for (i, b) in unit.blocks.iter_mut().enumerate() {
        b.entry = i == 0;
        each_dest(&mut b.exit, |d| {
            if let Dest::Pc(pc) = *d
                && let Some(id) = ids.get(&pc)
            {
                *d = Dest::Block(*id);
            }
        });
    }
    unit
}

/// Translates a function front to back; blocks end at branches and before leaders.
pub fn blocks(
    f: &Function,
    cfg: &Config,
    leaders: &BTreeSet<u64>,
    unit: &mut Unit,
) -> BTreeMap<u64, metaphrase_ir::BlockId> {
    let mut ids = BTreeMap::new();
    let end = f.pc + 4 * f.words.len() as u64;
    let mut pc = f.pc;
    while pc < end {
        let stop = leaders
            .range(pc + 4..)
            .next()
            .map_or(end, |l| (*l).min(end));
        let mut fetch = |at: u64| f.words.get((at.wrapping_sub(f.pc) / 4) as usize).copied();
        let id = translate_block(unit, cfg, pc, &mut fetch, ((stop - pc) / 4) as u32);
        ids.insert(pc, id);
        pc += u64::from(unit.blocks[id.0 as usize].guest_len).max(4);
    }
    ids
}

fn each_dest(exit: &mut Exit, mut f: impl FnMut(&mut Dest)) {
    match exit {
        Exit::Goto { dest, .. } => f(dest),
        Exit::Branch { taken, fall, .. } => {
            f(taken);
            f(fall);
        }
        Exit::Indirect { .. } | Exit::Trap { .. } => {}
    }
}

/// A world for guests written as words: SVC #0 returns at once, SVC #1 leaves, a fault skips the instruction.
struct World {
    start: u64,
    words: &'static [u32],
}

impl Environment for World {
    fn fetch(&mut self, pc: u64) -> Option<u32> {
        self.words
            .get((pc.wrapping_sub(self.start) / 4) as usize)
            .copied()
    }
    fn exception(&mut self, cpu: &mut Vcpu, e: Exception) -> Flow {
        match e {
            Exception::Svc(0) => Flow::Continue,
            Exception::Svc(_) => Flow::Leave(0),
            Exception::Fault { .. } => {
                cpu.regs_mut().pc += 4;
                Flow::Continue
            }
            other => panic!("{other:?} at {:#x}", cpu.regs().pc),
        }
    }
    fn interrupted(&mut self, _: &mut Vcpu) -> Flow {
        Flow::Continue
    }
}

/// What executes a small guest.
#[derive(Clone, Copy)]
pub enum Tier {
    /// The bytecode interpreter.
    Interpreter,
    /// Templates, as soon as the engine makes them.
    Baseline,
    /// Cranelift, on the guest's own thread.
    Region,
}

impl Tier {
    /// All, with names.
    pub const ALL: [(&'static str, Tier); 3] = [
        ("interpreter", Tier::Interpreter),
        ("baseline", Tier::Baseline),
        ("region", Tier::Region),
    ];

    fn settings(self) -> (JitMode, u32) {
        match self {
            Tier::Interpreter => (JitMode::Off, 0),
            // More executions than any bench makes.
            Tier::Baseline => (JitMode::Sync, 1 << 30),
            Tier::Region => (JitMode::Sync, 20),
        }
    }
}

/// A small guest in an engine of its own.
pub struct Small {
    engine: Engine,
    cpu: Vcpu,
    world: World,
}

impl Small {
    /// `words` must end in SVC #1. They are executed in place, so addresses in them are host addresses.
    pub fn new(words: Vec<u32>, tier: Tier) -> Small {
        metaphrase_runtime::signal::install(|signal, _, _| {
            eprintln!("host signal {signal}");
            std::process::abort();
        })
        .expect("signal handlers");
        let (jit, threshold) = tier.settings();
        let config = EngineConfig {
            jit,
            threshold,
            ..EngineConfig::default()
        };
        let words: &'static [u32] = words.leak();
        Small {
            engine: Engine::new(config).expect("code memory"),
            cpu: Vcpu::new(),
            world: World {
                start: words.as_ptr() as u64,
                words,
            },
        }
    }

    /// Guest address of word number `index`.
    pub fn address(&self, index: u64) -> u64 {
        self.world.start + 4 * index
    }

    /// Runs from the first word with these first registers.
    pub fn run(&mut self, x: &[u64]) {
        let r = self.cpu.regs_mut();
        r.x[..x.len()].copy_from_slice(x);
        r.pc = self.world.start;
        self.engine.run(&mut self.cpu, &mut self.world);
    }
}
