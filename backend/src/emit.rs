//! From a unit to host code: one [`Compiler`] per compile thread, which keeps Cranelift's allocations between units.
//!
//! Knows no addresses: the code reaches chain slots relative to itself through [`Reloc`]s, everything else through the frame.

use crate::abi::ChainSlot;
use crate::compact;
use crate::flow::{Flow, SlotMap};
use crate::host::{self, HostCaps};
use crate::lower;
use crate::pcmap::{self, PcMap};
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::StackSlot;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::{
    CodegenError, Context, Final, FinalizedRelocTarget, MachBufferFinalized, binemit,
};
use cranelift_frontend::FunctionBuilderContext;
use metaphrase_ir::Unit;
use metaphrase_ir::guest::SlotTable;
use smallvec::SmallVec;
use std::sync::atomic::AtomicU64;

/// Alignment of a unit's code in bytes.
pub const CODE_ALIGN: u32 = 64;

/// More instructions than this are refused with [`CompileError::Limit`].
const MAX_INSTS: usize = 60_000;

/// How guest addresses reach memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MemoryModel {
    /// Guest address = host address; faults are host signals.
    #[default]
    Direct,
}

/// What happens when a floating-point result is a NaN (which one it is follows the guest's rules, not the host's).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NanFix {
    /// Leave with `EXIT_FAULT` for the interpreter to go on, with complete state, at the guest instruction or an earlier one: one check may
    /// stand for several.
    #[default]
    Retry,
    /// Call `Eval`. For units that are not translations of guest code.
    Eval,
}

/// What a unit does about underflow. The guest looks for what is too small before rounding, the host after it: for the guest a product (or a
/// narrowed number) that is rounded up to the smallest normal number underflows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Underflow {
    /// Nothing: whatever underflows in it does for the host too.
    #[default]
    Alike,
    /// Such results leave FPSR.UFC clear.
    Overlooked,
    /// They are looked for.
    Found,
}

/// Which host to compile for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HostModel {
    /// The one that we run on.
    #[default]
    Native,
    /// x86-64-v3 (AVX2, FMA, BMI): code to look at, the same everywhere.
    V3,
}

/// How to compile.
#[derive(Clone, Copy, Debug)]
pub struct CompileOpts {
    /// How guest addresses reach memory.
    pub memory: MemoryModel,
    /// What to do about NaNs.
    pub nan: NanFix,
    /// Look for underflow where the guest does: see [`Underflow`].
    pub underflow: bool,
    /// Which host the code is for.
    pub host: HostModel,
    /// Emit landing pads, so that faults in guest accesses find exact state.
    pub pads: bool,
    /// Let accesses between which nothing becomes dirty share a pad.
    pub group_pads: bool,
    /// Poll `header.stop` at entries and loop heads.
    pub poll: bool,
    /// Count entries of the unit (slot 0 becomes the count, in its `guest_pc`) and jump-cache hits (in the header), and name the unit
    /// entered last in the header.
    pub count: bool,
    /// Keep the CLIF text.
    pub listing: bool,
    /// Run Cranelift's verifier.
    pub verify: bool,
}

impl Default for CompileOpts {
    fn default() -> Self {
        CompileOpts {
            memory: MemoryModel::Direct,
            nan: NanFix::Retry,
            underflow: false,
            host: HostModel::Native,
            pads: true,
            group_pads: true,
            poll: true,
            count: false,
            listing: false,
            verify: cfg!(debug_assertions),
        }
    }
}

/// Why a unit was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Too big: split the unit.
    #[error("the unit is too big for one function")]
    Limit,
    /// The host or Cranelift refused.
    #[error("host code generation failed: {0}")]
    Host(String),
    /// A landing pad could not be found again in the code, so faults would not be exact.
    #[error("landing pad not recovered: {0}")]
    Pad(String),
    /// The unit is malformed: our bug.
    #[error("malformed unit: {0}")]
    Internal(String),
}

/// What a relocation refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelocTarget {
    /// The unit's array of [`crate::abi::ChainSlot`]s, its [`Cell`]s included.
    Slots,
    /// The counter of baseline code: a 16-bit word, reached with a GS prefix. When the code has made it negative, it returns
    /// [`crate::abi::EXIT_HOT`].
    Counter,
}

/// A 32-bit field at `offset` to be set to `target + addend - address of the field`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reloc {
    /// Where in the code.
    pub offset: u32,
    /// Base address.
    pub target: RelocTarget,
    /// Added to it.
    pub addend: i64,
}

/// Baseline code's way to the bytecode of one of its blocks, for ops that the runtime executes ([`crate::abi::Builtin::BytecodeOp`]): placed
/// as a [`crate::abi::ChainSlot`] with the bytecode's address in `code`, behind the unit's slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell {
    /// Guest address of the block.
    pub guest_pc: u64,
    /// Address of its bytecode.
    pub code: u64,
}

/// A host instruction that accesses guest memory, and where to go if it faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultSite {
    /// Offset of the host instruction.
    pub access_offset: u32,
    /// Offset to resume at.
    pub landing_offset: u32,
    /// Guest instruction; the handler stores it to the guest pc.
    pub guest_pc: u64,
}

/// Host code of a unit, position-independent but for its relocations.
#[derive(Clone, Debug)]
pub struct CompiledUnit {
    /// Bytes, to be placed at a multiple of [`CODE_ALIGN`].
    pub code: Vec<u8>,
    /// Fields to fill in.
    pub relocs: Vec<Reloc>,
    /// Guest address of each chain slot that the unit needs, in order.
    pub slots: Vec<u64>,
    /// How many of these, the last, are *guards*: nobody goes through them; code goes on behind an indirect branch if its target is what
    /// their `guest_pc` holds.
    pub guards: usize,
    /// What stands behind them.
    pub cells: Vec<Cell>,
    /// Guest address and code offset of each entry.
    pub entries: Vec<(u64, u32)>,
    /// Fault table, by ascending `access_offset`.
    pub faults: Vec<FaultSite>,
    /// Host offset to guest pc.
    pub pcmap: PcMap,
    /// Ops that call `Eval` on their hot path.
    pub evals: u32,
    /// Whether underflows are the guest's.
    pub underflow: Underflow,
    /// Fault sites that needed a thunk.
    pub thunks: u32,
    /// CLIF text, if asked for.
    pub clif: Option<String>,
    /// Baseline code, if executions are counted for the statistics: index of the slot that is no exit, but whose `guest_pc` counts them.
    pub counter: Option<u32>,
}

impl CompiledUnit {
    /// Fault site of the host instruction at `offset`.
    pub fn fault_at(&self, offset: u32) -> Option<&FaultSite> {
        self.faults
            .binary_search_by_key(&offset, |f| f.access_offset)
            .ok()
            .map(|i| &self.faults[i])
    }

    /// What its slots and cells hold at first.
    pub fn chain_slots(&self, unlinked: u64) -> impl Iterator<Item = ChainSlot> {
        let slots = self.slots.iter().map(move |&pc| (unlinked, pc));
        let cells = self.cells.iter().map(|c| (c.code, c.guest_pc));
        slots.chain(cells).map(|(code, guest_pc)| ChainSlot {
            code: AtomicU64::new(code),
            guest_pc,
        })
    }

    /// Writes the relocated fields of `code` (a copy of `self.code`), which will execute at `address`, with slots at `slots`
    /// and its counter (if it has one) at `counter`. `None` if a distance does not fit.
    pub fn relocate(&self, code: &mut [u8], address: u64, slots: u64, counter: u64) -> Option<()> {
        for r in &self.relocs {
            let base = match r.target {
                RelocTarget::Slots => slots,
                RelocTarget::Counter => counter,
            };
            let field = address.wrapping_add(r.offset as u64);
            let v = base.wrapping_add(r.addend as u64).wrapping_sub(field) as i64;
            let v = i32::try_from(v).ok()?;
            let at = r.offset as usize;
            code.get_mut(at..at + 4)?.copy_from_slice(&v.to_le_bytes());
        }
        Some(())
    }
}

/// Compiles units, one at a time.
pub struct Compiler {
    isa: OwnedTargetIsa,
    caps: HostCaps,
    ctx: Context,
    fbc: FunctionBuilderContext,
    map: Option<(&'static SlotTable, SlotMap)>,
    plane: ControlPlane,
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler")
            .field("isa", &self.isa.name())
            .field("caps", &self.caps)
            .finish_non_exhaustive()
    }
}

impl Compiler {
    /// A compiler for a host; `host` and `verify` as in [`CompileOpts`].
    pub fn new(opts: &CompileOpts) -> Result<Compiler, CompileError> {
        let isa = host::isa(opts.host, opts.verify)?;
        Ok(Compiler {
            caps: host::caps(&isa),
            isa,
            ctx: Context::new(),
            fbc: FunctionBuilderContext::new(),
            map: None,
            plane: ControlPlane::default(),
        })
    }

    /// Compiles a unit. `pc_offset`: where the guest state keeps the program counter.
    pub fn compile(
        &mut self,
        unit: &Unit,
        pc_offset: u32,
        opts: &CompileOpts,
    ) -> Result<CompiledUnit, CompileError> {
        match self.try_compile(unit, pc_offset, opts) {
            // Something with a branch in it got between an access and a pad that is far away.
            Err(CompileError::Pad(_)) if opts.group_pads => {
                let opts = CompileOpts {
                    group_pads: false,
                    ..*opts
                };
                self.try_compile(unit, pc_offset, &opts)
            }
            r => r,
        }
    }

    fn try_compile(
        &mut self,
        unit: &Unit,
        pc_offset: u32,
        opts: &CompileOpts,
    ) -> Result<CompiledUnit, CompileError> {
        if unit.insts.len() > MAX_INSTS {
            return Err(CompileError::Limit);
        }
        let map = match self.map.take() {
            Some((t, m)) if std::ptr::eq(t, unit.slots) => m,
            _ => SlotMap::new(unit.slots),
        };
        let flow = Flow::new(unit, &map, lower::fp_inline(unit));
        self.ctx.clear();
        let lowered = lower::lower(
            &mut self.ctx,
            &mut self.fbc,
            &*self.isa,
            self.caps,
            unit,
            &flow,
            &map,
            pc_offset,
            opts,
        );
        self.map = Some((unit.slots, map));
        let lowered = match lowered {
            Ok(l) => l,
            Err(e) => {
                self.fbc = FunctionBuilderContext::new();
                return Err(e);
            }
        };
        if lower::fp_inline(unit) && unit.insts.iter().any(lower::accumulates) {
            let loops = flow.header.contains(&true);
            lower::hoist::run(&mut self.ctx, &*self.isa, loops)
                .map_err(|e| CompileError::Host(e.to_string()))?;
        }
        let clif = opts.listing.then(|| self.ctx.func.display().to_string());
        self.emit(lowered, clif)
    }

    fn emit(
        &mut self,
        lowered: lower::Lowered,
        clif: Option<String>,
    ) -> Result<CompiledUnit, CompileError> {
        let slots = &self.ctx.func.sized_stack_slots;
        let slots: SmallVec<[_; 4]> = slots.iter().map(|(s, d)| (s, d.size)).collect();
        let compiled =
            self.ctx
                .compile(&*self.isa, &mut self.plane)
                .map_err(|e| match e.inner {
                    CodegenError::CodeTooLarge | CodegenError::ImplLimitExceeded => {
                        CompileError::Limit
                    }
                    CodegenError::Verifier(v) => {
                        CompileError::Host(format!("{v}\n{}", e.func.display()))
                    }
                    other => CompileError::Host(other.to_string()),
                })?;
        let buffer = &compiled.buffer;
        let mut relocs = Vec::with_capacity(buffer.relocs().len());
        for r in buffer.relocs() {
            let external = matches!(&r.target, FinalizedRelocTarget::ExternalName(_));
            if r.kind != binemit::Reloc::X86CallPCRel4 || !external {
                return Err(CompileError::Host(format!("unexpected relocation {r:?}")));
            }
            relocs.push(Reloc {
                offset: r.offset,
                target: RelocTarget::Slots,
                addend: r.addend,
            });
        }
        let mut code = buffer.data().to_vec();
        let body = code.len() as u32;
        let mut recovered =
            pcmap::recover(&mut code, buffer, &lowered.locs, lowered.entries.len())?;
        let fields: Vec<u32> = relocs.iter().map(|r| r.offset).collect();
        let landings = recovered.faults.iter().map(|f| f.landing_offset);
        let entered = landings.chain(recovered.doors.iter().copied());
        let spilled = first_spill(&slots, buffer);
        let moved = compact::compact(&mut code, body, &fields, entered, spilled)?;
        for r in &mut relocs {
            r.offset = moved.to(r.offset);
        }
        recovered.moved(&moved);
        let entries = lowered.entries.iter().copied();
        let entries = entries.zip(recovered.doors).collect();
        Ok(CompiledUnit {
            code,
            relocs,
            slots: lowered.slots,
            guards: 0,
            cells: Vec::new(),
            entries,
            faults: recovered.faults,
            pcmap: recovered.pcmap,
            evals: lowered.evals,
            underflow: lowered.underflow,
            thunks: recovered.thunks,
            clif,
            counter: None,
        })
    }
}

/// Where, from the bottom of the frame, the stack slots (with their sizes) end: what lies above are spilled values.
fn first_spill(slots: &[(StackSlot, u32)], buffer: &MachBufferFinalized<Final>) -> u32 {
    let Some(layout) = buffer.frame_layout() else {
        return u32::MAX;
    };
    let ends = slots
        .iter()
        .map(|(s, size)| layout.stackslots[*s].offset + size);
    ends.max().unwrap_or(0)
}
