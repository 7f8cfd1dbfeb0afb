//! Lowers a unit to one CLIF function.
//!
//! Guest registers are CLIF variables across the function and plain values inside a block (`cur`). Each family of ops has its
//! file: `int`, `flags`, `fp` and `nan`, `simd`, `memory`, `atomic`, `state` (slots), `exit`, `helper` (everything that is a call).
//! What a file cannot do inline it leaves to [`Lower::eval`], which is correct for every op that is a function of its
//! arguments; so `match` arms may be missing, never wrong.
//!
//! Invariants:
//! * values of the IR never cross an IR block, so `vals` and `flags` need no scoping;
//! * no branch stands between a guest memory access and the check that owns its landing pad (see [`memory`]);
//! * `dirty` is exactly the set of slots whose frame copy is stale on the path being emitted.

mod atomic;
mod exit;
mod flags;
mod fp;
mod fpenv;
mod helper;
pub(crate) use helper::eval_signature;
pub(crate) mod hoist;
mod int;
mod memory;
mod nan;
mod simd;
mod state;

use crate::abi::{MODE_FP, STATE_BIAS};
use crate::emit::{CompileError, CompileOpts, Underflow};
use crate::flow::{self, Flow, Kind, SlotMap, SlotSet};
use crate::host::HostCaps;
use crate::pcmap::Loc;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{
    self, AbiParam, AliasRegion, AliasRegionData, InstBuilder, MemFlagsData, Signature, TrapCode,
    UserExternalName, UserFuncName, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use flags::FlagsVal;
use hashbrown::HashMap;
use metaphrase_ir::ops::Effects;
use metaphrase_ir::{BlockId, FlagsKind, Inst, Op, Type, Unit, Value};

/// Trap code of guest memory accesses.
pub const GUEST_ACCESS: TrapCode = TrapCode::unwrap_user(1);
/// External name of the unit's chain slots.
pub const SLOTS_NAME: UserExternalName = UserExternalName {
    namespace: 0,
    index: 0,
};

/// What lowering leaves behind besides the CLIF.
#[derive(Debug, Default)]
pub struct Lowered {
    /// Guest address of each direct exit's chain slot.
    pub slots: Vec<u64>,
    /// Guest address of each entry, in entry order.
    pub entries: Vec<u64>,
    /// Meaning of the source locations in the code.
    pub locs: Vec<Loc>,
    /// How many ops went to `Eval` on a hot path.
    pub evals: u32,
    /// Whether underflows are the guest's.
    pub underflow: Underflow,
}

/// State of lowering one unit.
pub(crate) struct Lower<'a> {
    b: FunctionBuilder<'a>,
    unit: &'a Unit,
    flow: &'a Flow,
    map: &'a SlotMap,
    opts: &'a CompileOpts,
    caps: HostCaps,
    pc_offset: u32,
    out: Lowered,
    slot_index: HashMap<u64, u32>,
    /// CLIF block of each reachable IR block, and edges into it not emitted yet.
    blocks: Vec<(ir::Block, u32)>,
    /// Variables of each cached slot: flags take three, vectors have two for when they are scalars ([`Flow::scalar_in`]).
    vars: Vec<[Variable; 3]>,
    /// Current values of slots inside the block.
    cur: Vec<Option<ir::Value>>,
    cur_flags: Option<FlagsVal>,
    /// Kind of the flags slot's variables.
    cur_kind: Kind,
    likely: Option<FlagsKind>,
    /// Which of the [`SCALARS`] slots are where the block begins.
    scalar_in: [SlotSet; 2],
    /// Slots given a value in this block (their variables are defined at its end).
    defined: SlotSet,
    /// Newest of the blocks that write back what the pads to come in this IR block have in common, and the slots that it and
    /// those it goes on to write.
    pad_tail: Option<(ir::Block, SlotSet)>,
    /// All of them, to be sealed.
    tails: Vec<ir::Block>,
    /// See [`flow::last_sets`].
    last_sets: Vec<u32>,
    /// Number of the IR instruction being lowered, and the end of its block.
    at: u32,
    last: u32,
    dirty: SlotSet,
    vals: Vec<Option<ir::Value>>,
    flags: HashMap<u32, FlagsVal>,
    /// r15 as a value, and the block that it was read in.
    base: Option<(ir::Block, ir::Value)>,
    guest: MemFlagsData,
    frame: MemFlagsData,
    tail: ir::SigRef,
    sigs: helper::Sigs,
    /// Block that returns its parameter.
    leave: Option<ir::Block>,
    /// Guest pc of the instruction being lowered.
    pc: u64,
    /// Accesses waiting for their check, and the number of the next check.
    pending: u32,
    pads: u32,
    fp_inline: bool,
    /// See [`Lower::fp_round`].
    silent_rounds: bool,
    /// See [`fpenv`].
    needed: fpenv::Needed,
    sink: fpenv::Sink,
    /// Checks put off, see [`nan`], and whether they have to be made before the next guest instruction.
    restart: Option<nan::Restart>,
    settle_later: bool,
    /// See [`Lower::note_branches`].
    branchy: bool,
    /// Vectors that are a scalar and zeros.
    scalars: HashMap<ir::Value, ir::Value>,
}

/// What a vector slot may be with zeros above, in the order of [`Flow::scalar_in`].
const SCALARS: [ir::Type; 2] = [types::F64, types::F32];

/// CLIF type of a value of type `ty`. Flags have none of their own.
pub(crate) fn clif_ty(ty: Type) -> ir::Type {
    match ty {
        Type::Bool | Type::I8 | Type::Void => types::I8,
        Type::I16 => types::I16,
        Type::I32 => types::I32,
        Type::I64 | Type::Flags => types::I64,
        Type::F32 => types::F32,
        Type::F64 => types::F64,
        Type::V128 => types::I8X16,
    }
}

/// Signature of translated code. The trampoline has saved the callee-saved registers once for all, so units need a convention
/// without any: `Winch`. Cranelift's assertions and verifier admit tail calls from `Tail` only (the emitted code is the same but
/// for the registers saved), so builds that have those on use it.
fn unit_signature(opts: &CompileOpts) -> Signature {
    let checked = cfg!(debug_assertions) || opts.verify;
    let mut s = Signature::new(match checked {
        true => CallConv::Tail,
        false => CallConv::Winch,
    });
    s.params.push(AbiParam::new(types::I64));
    s.returns.push(AbiParam::new(types::I64));
    s
}

/// Whether FP ops of this unit may use the host's instructions.
pub(crate) fn fp_inline(unit: &Unit) -> bool {
    unit.mode & MODE_FP == 0
}

/// Whether an op accumulates into FPSR.
pub(crate) fn accumulates(i: &Inst) -> bool {
    i.effects().contains(Effects::FPENV)
}

/// Lowers `unit` into `ctx.func`.
#[allow(
    clippy::too_many_arguments,
    reason = "the compiler's parts, borrowed separately"
)]
pub(crate) fn lower(
    ctx: &mut Context,
    fbc: &mut FunctionBuilderContext,
    isa: &dyn TargetIsa,
    caps: HostCaps,
    unit: &Unit,
    flow: &Flow,
    map: &SlotMap,
    pc_offset: u32,
    opts: &CompileOpts,
) -> Result<Lowered, CompileError> {
    ctx.func.signature = unit_signature(opts);
    ctx.func.name = UserFuncName::user(0, 1);
    let mut region = |id: u32, what: &'static str| -> Option<AliasRegion> {
        Some(ctx.func.dfg.alias_regions.insert(AliasRegionData {
            user_id: id,
            description: what.into(),
        }))
    };
    let guest = MemFlagsData::new()
        .with_trap_code(Some(GUEST_ACCESS))
        .with_alias_region(region(1, "guest memory"));
    let frame = MemFlagsData::trusted().with_alias_region(region(2, "frame"));
    let mut b = FunctionBuilder::new(&mut ctx.func, fbc);
    let tail = b.import_signature(unit_signature(opts));
    let sigs = helper::Sigs::new(&mut b);
    let mut l = Lower {
        b,
        unit,
        flow,
        map,
        opts,
        caps,
        pc_offset,
        out: Lowered::default(),
        slot_index: HashMap::new(),
        blocks: Vec::with_capacity(unit.blocks.len()),
        vars: Vec::with_capacity(map.rows.len()),
        cur: vec![None; map.rows.len()],
        cur_flags: None,
        cur_kind: Kind::Dynamic,
        likely: None,
        scalar_in: Default::default(),
        defined: SlotSet::default(),
        pad_tail: None,
        tails: Vec::new(),
        last_sets: Vec::new(),
        at: 0,
        last: 0,
        dirty: SlotSet::default(),
        vals: vec![None; unit.insts.len()],
        flags: HashMap::new(),
        base: None,
        guest,
        frame,
        tail,
        sigs,
        leave: None,
        pc: 0,
        pending: 0,
        pads: 0,
        fp_inline: fp_inline(unit),
        silent_rounds: fp::silent_rounds(unit),
        needed: fpenv::Needed::new(unit, map, flow, fp_inline(unit)),
        sink: fpenv::Sink::default(),
        restart: None,
        settle_later: false,
        branchy: false,
        scalars: HashMap::new(),
    };
    l.declare();
    l.entry();
    for &id in &flow.order {
        l.block(id)?;
    }
    l.finish_leave();
    let out = l.out;
    l.b.finalize(isa.frontend_config());
    Ok(out)
}

impl Lower<'_> {
    fn declare(&mut self) {
        for _ in &self.unit.blocks {
            let block = self.b.create_block();
            self.blocks.push((block, 0));
        }
        for (i, b) in self.unit.blocks.iter().enumerate() {
            self.blocks[i].1 = self.flow.preds[i] + b.entry as u32;
        }
        for row in &self.map.rows {
            let ty = clif_ty(row.ty);
            let first = self.b.declare_var(ty);
            let vars = match row.ty {
                Type::Flags => [first, self.b.declare_var(ty), self.b.declare_var(ty)],
                Type::V128 => {
                    let [double, float] = SCALARS.map(|ty| self.b.declare_var(ty));
                    [first, double, float]
                }
                _ => [first; 3],
            };
            self.vars.push(vars);
        }
    }

    /// Emits an edge's bookkeeping: the CLIF block, sealed when this was the last edge into it.
    fn edge_emitted(&mut self, id: BlockId) {
        let (block, left) = &mut self.blocks[id.0 as usize];
        *left = left.saturating_sub(1);
        if *left == 0 {
            let block = *block;
            self.b.seal_block(block);
        }
    }

    fn block(&mut self, id: BlockId) -> Result<(), CompileError> {
        let unit = self.unit;
        let i = id.0 as usize;
        let blk = &unit.blocks[i];
        self.b.switch_to_block(self.blocks[i].0);
        self.cur.fill(None);
        self.cur_flags = None;
        self.cur_kind = self.flow.kind_in[i];
        self.likely = self.flow.likely_in[i];
        self.scalar_in = self.flow.scalar_in[i];
        self.defined = SlotSet::default();
        self.dirty = self.flow.dirty_in[i];
        flow::last_sets(unit, self.map, blk, &mut self.last_sets);
        self.at = blk.start;
        self.last = blk.end;
        self.branchy = false;
        self.set_pc(blk.pc);
        if self.flow.header[i] && self.opts.poll {
            self.poll(blk.pc);
        }
        for (v, inst) in unit.block_insts(blk) {
            self.at = v.0;
            self.inst(id, v, inst)?;
        }
        self.at = blk.end;
        self.settle();
        self.flush_pad();
        self.exit(blk);
        self.pad_tail = None;
        while let Some(tail) = self.tails.pop() {
            self.b.seal_block(tail);
        }
        Ok(())
    }

    /// Branches to a cold block if `cond`; both blocks are sealed, none is current. Owns any pending accesses first.
    fn split(&mut self, cond: ir::Value) -> (ir::Block, ir::Block) {
        self.flush_pad();
        let (cold, cont) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(cold);
        self.b.ins().brif(cond, cold, &[], cont, &[]);
        self.b.seal_block(cold);
        (cold, cont)
    }

    fn set_pc(&mut self, pc: u64) {
        self.pc = pc;
        self.set_loc(Loc::Pc(pc));
    }

    fn set_loc(&mut self, loc: Loc) {
        let n = self.out.locs.len() as u32;
        self.out.locs.push(loc);
        self.b.set_srcloc(ir::SourceLoc::new(n));
    }

    /// Value of an IR value that is not `Flags`.
    fn val(&self, v: Value) -> Result<ir::Value, CompileError> {
        self.vals
            .get(v.0 as usize)
            .copied()
            .flatten()
            .ok_or_else(|| CompileError::Internal(format!("value {} has no definition", v.0)))
    }

    fn ty(&self, v: Value) -> Type {
        self.unit.inst(v).ty
    }

    fn inst(&mut self, block: BlockId, v: Value, inst: &Inst) -> Result<(), CompileError> {
        self.note_branches(inst);
        if let Some(r) = &self.restart {
            let over = r.stored && flow::accesses_memory(inst);
            if self.ends_group(inst) {
                self.check();
            } else if self.settle_later && inst.op == Op::Mark || nan::only_once(inst) || over {
                self.settle();
            }
        }
        let r = match inst.op {
            Op::Nop => None,
            Op::Mark => {
                self.set_pc(inst.imm);
                None
            }
            Op::Get => self.get(v, inst),
            Op::Set => {
                self.set(inst)?;
                None
            }
            Op::Call => self.call(block, v, inst)?,
            _ if inst.ty == Type::Flags => {
                let f = self.flags_op(v, inst)?;
                self.flags.insert(v.0, f);
                None
            }
            Op::CondHolds | Op::FlagsUnpack => Some(self.flags_use(inst)?),
            Op::Load | Op::Store | Op::ZeroBlock | Op::FenceOp => self.memory(inst)?,
            Op::AtomicRmw | Op::AtomicCas | Op::StoreExcl => Some(self.atomic(inst)?),
            _ => Some(self.pure(inst)?),
        };
        self.vals[v.0 as usize] = r;
        Ok(())
    }

    /// An op that is a function of its arguments (and FPCR/FPSR).
    fn pure(&mut self, inst: &Inst) -> Result<ir::Value, CompileError> {
        if let Some(r) = self.int_op(inst)? {
            return Ok(r);
        }
        if let Some(r) = self.fp_op(inst)? {
            return Ok(self.computed(inst, r));
        }
        if let Some(r) = self.simd_op(inst)? {
            return Ok(self.computed(inst, r));
        }
        self.settle();
        self.flush_pad();
        self.out.evals += 1;
        self.eval(inst, false)
    }

    fn iconst(&mut self, ty: ir::Type, v: u64) -> ir::Value {
        let v = match ty.bits() {
            8 => v as u8 as i8 as i64,
            16 => v as u16 as i16 as i64,
            32 => v as u32 as i32 as i64,
            _ => v as i64,
        };
        // Narrow constants are written zero-extended in CLIF.
        let v = match ty.bits() {
            8 => v & 0xff,
            16 => v & 0xffff,
            32 => v & 0xffff_ffff,
            _ => v,
        };
        self.b.ins().iconst(ty, v)
    }

    /// What r15 holds: the frame's address plus [`STATE_BIAS`]. Read anew in each block, so that it is never spilled.
    fn base(&mut self) -> ir::Value {
        let block = self.b.current_block();
        match self.base {
            Some((at, v)) if Some(at) == block => v,
            _ => {
                let v = self.b.ins().get_pinned_reg(types::I64);
                self.base = block.map(|b| (b, v));
                v
            }
        }
    }

    /// The frame's address, as helpers take it.
    fn frame_address(&mut self) -> ir::Value {
        let base = self.base();
        self.b.ins().iadd_imm_s(base, -(STATE_BIAS as i64))
    }

    /// Stands for an absent operand.
    fn absent() -> ir::Value {
        ir::Value::from_u32(0)
    }

    fn i64(&mut self, v: u64) -> ir::Value {
        self.iconst(types::I64, v)
    }

    /// Bits of `v` as another type of the same size.
    fn cast(&mut self, ty: ir::Type, v: ir::Value) -> ir::Value {
        let from = self.b.func.dfg.value_type(v);
        if from == ty {
            return v;
        }
        let flags = if from.is_vector() || ty.is_vector() {
            MemFlagsData::new().with_endianness(ir::Endianness::Little)
        } else {
            MemFlagsData::new()
        };
        self.b.ins().bitcast(ty, flags, v)
    }
}
