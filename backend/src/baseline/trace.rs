//! Traces: blocks that mostly run one after another, compiled as one piece of code with one entry.
//!
//! Registers keep what they hold from block to block, and what is dirty in them ([`super::regs`]) is stored off the main path, where the
//! trace is left through a chain slot or an access faults: so a branch out of the middle costs no more than the branch. One counter and one
//! poll serve all blocks, and branches back to the first block stay inside. A return whose call is part of the trace compares its target with the
//! return site.
//!
//! Any other indirect branch that the trace follows compares its target with the noted one: a constant, or what a *guard* slot holds, so that
//! whoever owns the slot can have the trace left there ([`Part::guarded`]).

use super::Baseline;
use crate::bytecode::Bytecode;
use crate::emit::CompiledUnit;

/// One block of a trace.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its bytecode, which must stay in place while the unit lives.
    pub code: &'a Bytecode,
    /// Guest address.
    pub pc: u64,
    /// Compare an indirect branch that leads here with the address in a guard slot ([`CompiledUnit::guards`]), not with a constant.
    pub guarded: bool,
}

impl Baseline {
    /// Compiles blocks, each of which is a successor of the one before it. Returns the unit and how many blocks it covers: a trace ends
    /// early after a branch on flags of a kind that is known only when the code runs. `None` as for [`Baseline::compile`].
    pub fn compile_trace(
        &mut self,
        parts: &[Part<'_>],
        mode: u64,
    ) -> Option<(CompiledUnit, usize)> {
        let head = parts.first()?.pc;
        self.begin(mode, Some(head));
        self.prologue(head);
        self.r.uses.of(parts.iter().map(|p| p.code));
        let mut used = 0;
        for (n, &p) in parts.iter().enumerate() {
            self.block(p, parts.get(n + 1))?;
            used = n + 1;
            if !self.went_on {
                break;
            }
            self.r.forget_temps();
        }
        self.finish();
        Some((self.unit(head), used))
    }
}
