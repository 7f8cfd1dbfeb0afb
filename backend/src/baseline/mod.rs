//! The baseline: a template compiler from tier-0 bytecode (one basic block, or a [`trace`] of several) to x86-64, for code that is too warm
//! to interpret and not warm enough for Cranelift. It has to be cheap first: one pass, no allocation per op.
//!
//! Idea: each bytecode op becomes its host instructions; [`regs`] serves reads from registers. In single blocks results are stored to
//! the frame at once and in order, so that the guest state in memory is exact at every access that may fault: all faults share one
//! landing, which returns [`crate::abi::EXIT_FAULT`]. Traces store a register where it is given up, where the trace is left, and in
//! the landing of each access that may fault. Ops without a template are executed by the runtime, one at a time
//! ([`crate::abi::Builtin::BytecodeOp`]).
//!
//! Entry and exits follow [`crate::abi`]. Code is never persisted: it embeds the address of its bytecode, which must outlive it.
//! R15 holds the (biased) frame as everywhere.
//!
//! Must not know any guest: words of the frame are all it sees.

pub(crate) mod asm;
mod atomic;
mod exit;
mod flags;
mod fp;
mod half;
mod helper;
mod int;
mod memory;
mod regs;
mod simd;
mod simd_cross;
mod simd_crypto;
mod simd_fp;
mod simd_shift;
mod simd_wide;
mod stays;
pub mod trace;
mod uses;
mod vector;

use crate::abi::{
    Builtin, ChainSlot, EXIT_FAULT, FrameHeader, HEADER_SIZE, MODE_FP, MODE_ROUNDING, STATE_BIAS,
};
use crate::bytecode::{BOp, Bytecode, EvalDesc, Op0, Pair};
use crate::emit::{Cell, CompiledUnit, FaultSite, Reloc, RelocTarget, Underflow};
use crate::pcmap::PcMap;
use asm::{Enc, Gpr, RAX, RCX, RDI, RSI, Xmm, cc};
use metaphrase_ir::Type;
use regs::{Dirty, Regs};
pub use stays::stays;
use std::mem::offset_of;
use trace::Part;

/// What the host can do beyond SSE4.1.
#[derive(Clone, Copy, Debug)]
struct Host {
    bmi1: bool,
    bmi2: bool,
    lzcnt: bool,
    popcnt: bool,
    fma: bool,
    f16c: bool,
    gfni: bool,
    sse42: bool,
    avx2: bool,
    aes: bool,
    pclmul: bool,
    sha: bool,
}

/// Code off the main path, emitted after it.
#[derive(Clone, Copy, Debug)]
enum Cold {
    /// The block is left before it began: its counter is spent, or the stop word is set.
    Entry { hot: u32, stop: u32, pc: u64 },
    /// Leave with this code at this guest pc.
    Leave { jump: u32, pc: u64, code: u64 },
    /// Misaligned address in the register.
    Align {
        jump: u32,
        addr: Gpr,
        pc: u64,
        write: bool,
    },
    /// The op is executed by the runtime with all registers kept, then its result fetched.
    Redo {
        jump: u32,
        op: u32,
        result: Home,
        resume: u32,
    },
    /// A scalar result `x` is a NaN or, if `tiny`, perhaps a smallest normal number. Nearly always the NaN is the host's: what remains are the
    /// default NaN, whose sign is the other one, and some cases of two NaNs.
    Nan {
        jump: u32,
        wide: bool,
        tiny: bool,
        terms: Terms,
        x: Xmm,
        op: u32,
        d: u16,
        resume: u32,
    },
    /// A conditional branch out of a trace.
    Side { jump: u32, to: u64 },
    /// An indirect branch that does not go where the trace goes on.
    LookUp { jump: u32, target: Gpr },
    /// An indirect branch that does not go where it went last.
    Changed { jump: u32, target: Gpr, resume: u32 },
    /// A conditional exit whose flags are of a rare kind.
    Decide { rare: Rare, op: u32 },
    /// As `Redo`, of a condition on flags of a rare kind: few are left to the runtime. The result is the condition's truth, or `from`
    /// instead of what the register holds.
    Flags {
        rare: Rare,
        from: Option<Gpr>,
        op: u32,
        result: (Gpr, u16),
        resume: u32,
    },
    /// The guest's flags are a comparison that is unordered (`known`), or are of a rare kind: see [`Baseline::quiet_flags`].
    Quiet {
        jump: u32,
        known: bool,
        x: Xmm,
        resume: u32,
    },
}

/// Operands of a scalar operation.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// The same if there is only one.
    a: Xmm,
    b: Xmm,
    /// The number that is added to the product.
    addend: Option<Xmm>,
    /// Whether the host's instruction has them in the guest's order.
    in_order: bool,
}

/// A condition on flags whose kind turned out to be rare.
#[derive(Clone, Copy, Debug)]
struct Rare {
    jump: u32,
    cond: metaphrase_ir::Cond,
    /// The triple.
    word: u16,
    /// Scratch.
    a: Gpr,
    b: Gpr,
}

/// A register and the frame word that it mirrors.
#[derive(Clone, Copy, Debug)]
enum Home {
    Gpr(Gpr, u16),
    /// Low 64 bits of a vector register.
    D(u8, u16),
    V(u8, u16),
}

/// Flags in the frame whose kind is known.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// First word of the triple; 0 if this entry is free.
    word: u16,
    kind: u64,
    /// The second operand, if it is a constant that memory holds but perhaps no register.
    imm: Option<u64>,
}

/// The compiler; keeps its buffers between blocks.
#[derive(Debug)]
pub struct Baseline {
    r: Regs,
    host: Host,
    /// Frame word of the guest pc.
    pc_word: u16,
    /// Frame offset of FPSR.
    fpsr: usize,
    /// First word of the guest's flags.
    flags_word: u16,
    /// The blocks: guest address, bytecode; and which of them is being compiled.
    parts: Vec<Cell>,
    part: u16,
    /// Successors of the block being compiled.
    succ: Pair,
    /// Guest address of the next block of the trace, and whether the exit just compiled leads into it.
    ahead: Option<u64>,
    went_on: bool,
    /// Whether that block is to be guarded; guards so far: the fields that refer to them, guest addresses.
    guarded: bool,
    guards: Vec<(u32, u64)>,
    /// Guest address to which exits jump within the code: the trace's first block.
    head: Option<u64>,
    /// Guest instruction of the op being compiled.
    guest_pc: u64,
    /// Whether the block's indirect branch notes where it goes.
    profile: bool,
    fp_inline: bool,
    /// Whether the block rounds to nearest.
    nearest: bool,
    known: [Known; 2],
    next_known: usize,
    /// End of the code of an FCMP, ordered as a branch that follows asks for: there its comparison is in the host's flags.
    compared: usize,
    faults: Vec<FaultSite>,
    relocs: Vec<Reloc>,
    slots: Vec<u64>,
    /// What the code needs behind its slots.
    cells: Vec<Cell>,
    /// With the number of the block, and what is to be stored first (a range of `dirty`).
    cold: Vec<(u16, Cold, (u32, u32))>,
    /// Registers that are dirty at accesses and at jumps off the main path.
    dirty: Vec<Dirty>,
    /// By number of the fault site, in traces: what is to be stored when it faults.
    unsaved: Vec<(u32, u32)>,
    /// Calls to the call-out routine and to the one that keeps registers: number of the block, place.
    calls: Vec<(u16, u32)>,
    redo_calls: Vec<(u16, u32)>,
    /// Constants behind the code, and the fields that refer to them.
    pool: Vec<(u32, u128)>,
    /// Where the code of the conditional exit's two sides is.
    side_at: [usize; 2],
    ranges: Vec<(u32, u64)>,
    /// Ops executed by the runtime in the block just compiled.
    evals: u32,
    /// Have a single block note where its indirect branch goes: see [`NOTES`].
    pub note: bool,
    /// Fill in the pc map, for listings.
    pub map: bool,
    /// Count executions in the counter slot's `guest_pc` and jump-cache hits in the header, and name the count in the header, as
    /// [`crate::emit::CompileOpts::count`].
    pub count: bool,
}

/// What the last two slots of a single block hold that notes where its indirect branch goes ([`Baseline::note`]), before it has run: in
/// their `guest_pc`, the last target, and what counts how often it was another than the one before. Nobody jumps through them; these
/// values are no guest addresses of a direct exit.
pub const NOTES: [u64; 2] = [1, 3];

impl Baseline {
    /// `pc_offset`, `fpsr_offset`, `flags_offset`: where the guest state keeps the program counter, 32 bits of sticky exceptions, and the
    /// flags; `temps`: frame offset of tier 0's temporaries, the first of which is always zero.
    pub fn new(pc_offset: u32, fpsr_offset: u32, flags_offset: u32, temps: u32) -> Baseline {
        Baseline {
            r: Regs::new((temps / 8) as u16),
            host: Host {
                bmi1: std::is_x86_feature_detected!("bmi1"),
                bmi2: std::is_x86_feature_detected!("bmi2"),
                lzcnt: std::is_x86_feature_detected!("lzcnt"),
                popcnt: std::is_x86_feature_detected!("popcnt"),
                fma: std::is_x86_feature_detected!("fma"),
                f16c: std::is_x86_feature_detected!("f16c"),
                gfni: std::is_x86_feature_detected!("gfni"),
                sse42: std::is_x86_feature_detected!("sse4.2"),
                avx2: std::is_x86_feature_detected!("avx2"),
                aes: std::is_x86_feature_detected!("aes"),
                pclmul: std::is_x86_feature_detected!("pclmulqdq"),
                sha: std::is_x86_feature_detected!("sha"),
            },
            pc_word: ((HEADER_SIZE + pc_offset) / 8) as u16,
            fpsr: (HEADER_SIZE + fpsr_offset) as usize,
            flags_word: ((HEADER_SIZE + flags_offset) / 8) as u16,
            parts: Vec::new(),
            part: 0,
            succ: Pair { taken: 0, fall: 0 },
            ahead: None,
            went_on: false,
            guarded: false,
            guards: Vec::new(),
            head: None,
            guest_pc: 0,
            profile: false,
            fp_inline: true,
            nearest: true,
            known: [Known::default(); 2],
            next_known: 0,
            compared: 0,
            faults: Vec::new(),
            relocs: Vec::new(),
            slots: Vec::new(),
            cells: Vec::new(),
            cold: Vec::new(),
            dirty: Vec::new(),
            unsaved: Vec::new(),
            calls: Vec::new(),
            redo_calls: Vec::new(),
            pool: Vec::new(),
            side_at: [0; 2],
            ranges: Vec::new(),
            evals: 0,
            note: false,
            map: false,
            count: false,
        }
    }

    /// Compiles as for a host that has everything the templates can use: code to look at, the same everywhere.
    pub fn for_any_host(&mut self) {
        self.host = Host {
            bmi1: true,
            bmi2: true,
            lzcnt: true,
            popcnt: true,
            fma: true,
            f16c: true,
            gfni: true,
            sse42: true,
            avx2: true,
            aes: true,
            pclmul: true,
            sha: true,
        };
    }

    /// Compiles the block at `pc`. The unit's cells hold the address of `code`, which must stay in place while the unit lives.
    /// `mode`: the block's translation mode. `None`: the host or the block is not suited.
    pub fn compile(&mut self, code: &Bytecode, pc: u64, mode: u64) -> Option<CompiledUnit> {
        self.begin(mode, None);
        self.prologue(pc);
        self.profile = self.note && code.ops.last().is_some_and(|o| o.op == Op0::Indirect);
        if self.profile {
            self.slots.extend(NOTES);
        }
        let part = Part {
            code,
            pc,
            guarded: false,
        };
        self.block(part, None)?;
        self.finish();
        Some(self.unit(pc))
    }

    /// Compiles one block. `ahead`: where the trace goes on.
    fn block(&mut self, part: Part<'_>, ahead: Option<&Part<'_>>) -> Option<()> {
        let Part { code, pc, .. } = part;
        if !std::is_x86_feature_detected!("sse4.1") || code.ops.is_empty() {
            return None;
        }
        self.part = self.parts.len() as u16;
        self.parts.push(Cell {
            guest_pc: pc,
            code: std::ptr::from_ref(code) as u64,
        });
        self.succ = code.succ.unwrap_or(Pair {
            taken: pc,
            fall: pc,
        });
        self.ahead = ahead.map(|p| p.pc);
        self.guarded = ahead.is_some_and(|p| p.guarded);
        self.went_on = false;
        let mut mark = 0;
        for (i, o) in code.ops.iter().enumerate() {
            if (o.a | o.b | o.d) as usize >= regs::WORDS - 2 && !matches!(o.op, Op0::Trap) {
                self.r.forget_all();
                return None;
            }
            while let Some((first, at)) = code.mark(mark)
                && first as usize <= i
            {
                self.guest_pc = at;
                mark += 1;
                if self.map {
                    self.ranges.push((self.r.asm.pos() as u32, at));
                }
            }
            self.r.busy = 0;
            self.r.xbusy = 0;
            self.r.now = self.r.now.wrapping_add(1);
            self.r.asm.reserve(asm::ROOM);
            self.op(code, i as u32, o);
        }
        Some(())
    }

    fn begin(&mut self, mode: u64, head: Option<u64>) {
        self.r.asm.clear();
        self.r.asm.reserve(asm::ROOM);
        self.parts.clear();
        self.head = head;
        self.fp_inline = mode & MODE_FP & !MODE_ROUNDING == 0;
        self.nearest = mode & MODE_ROUNDING == 0;
        self.known = [Known::default(); 2];
        self.compared = 0;
        self.faults.clear();
        self.relocs.clear();
        self.slots.clear();
        self.guards.clear();
        self.cells.clear();
        self.cold.clear();
        self.dirty.clear();
        self.unsaved.clear();
        self.r.write_back = head.is_some();
        self.r.uses.clear();
        self.r.now = u32::MAX;
        self.calls.clear();
        self.redo_calls.clear();
        self.pool.clear();
        self.ranges.clear();
        self.evals = 0;
        self.guest_pc = 0;
        self.profile = false;
    }

    /// To be emitted after the main path.
    fn later(&mut self, c: Cold) {
        debug_assert!(!matches!(c, Cold::Redo { .. } | Cold::Nan { .. }));
        let resumes = matches!(c, Cold::Flags { .. } | Cold::Quiet { .. });
        let dirty = if resumes { (0, 0) } else { self.snapshot() };
        self.cold.push((self.part, c, dirty));
    }

    /// As [`Self::later`] of a jump just emitted, behind which the op goes on: its operands are stored there, for the runtime to read.
    fn later_redo(&mut self, c: Cold, e: &EvalDesc) {
        let from = self.dirty.len() as u32;
        for (w, ty) in e.args.into_iter().zip(e.tys) {
            let words = match ty {
                Type::Void => continue,
                Type::V128 => 2,
                _ => 1,
            };
            self.r.dirty_words(w, words, &mut self.dirty);
        }
        let dirty = (from, self.dirty.len() as u32);
        self.cold.push((self.part, c, dirty));
    }

    /// What is dirty now, as a range of `dirty`.
    fn snapshot(&mut self) -> (u32, u32) {
        if !self.r.write_back {
            return (0, 0);
        }
        let from = self.dirty.len() as u32;
        self.r.dirty(&mut self.dirty);
        (from, self.dirty.len() as u32)
    }

    /// Stores what was dirty.
    fn save(&mut self, (from, to): (u32, u32)) {
        for n in from..to {
            self.r.save(self.dirty[n as usize]);
        }
    }

    /// Counts the execution and polls the stop word.
    fn prologue(&mut self, pc: u64) {
        let a = &mut self.r.asm;
        // add word gs:[rip + counter], 1: each CPU has a word of its own.
        a.put(0x05_83_66_65, 4);
        a.put(0, 4);
        a.put(1, 1);
        let field = a.pos() as u32 - 5;
        let hot = a.jcc(cc::S);
        self.relocs.push(Reloc {
            offset: field,
            target: RelocTarget::Counter,
            addend: -5,
        });
        // cmp dword [r15 + stop], 0
        let a = &mut self.r.asm;
        a.header(Enc(0, 0, 0x83), false, 7, offset_of!(FrameHeader, stop));
        a.put(0, 1);
        let stop = a.jcc(cc::NE);
        self.later(Cold::Entry { hot, stop, pc });
        if self.count {
            self.slots.push(0);
            self.count_entry(0);
        }
    }

    fn count_entry(&mut self, counter: u32) {
        // inc qword [rip + count]; lea rax, [rip + count]. The count is the slot's second word, the field the instruction's end.
        const TAIL: i64 = 4 - offset_of!(ChainSlot, guest_pc) as i64;
        for opcode in [0x05_ff_48, 0x05_8d_48] {
            let a = &mut self.r.asm;
            a.put(opcode, 3);
            a.put(0, 4);
            let field = a.pos() as u32 - 4;
            self.reloc(field, counter, TAIL);
        }
        let region = offset_of!(FrameHeader, region);
        self.r.asm.header(Enc(0, 0, 0x89), true, RAX, region);
    }

    /// The 32-bit field at `field`, `tail` bytes before the end of its instruction, refers to slot number `slot`.
    fn reloc(&mut self, field: u32, slot: u32, tail: i64) {
        self.relocs.push(Reloc {
            offset: field,
            target: RelocTarget::Slots,
            addend: slot as i64 * 16 - tail,
        });
    }

    fn op(&mut self, code: &Bytecode, i: u32, o: &BOp) {
        let done = self.int_op(o)
            || self.mem_op(code, i, o)
            || self.vector_op(code, o)
            || self.flags_op(i, o)
            || self.described(code, i, o)
            || self.exit_op(code, i, o);
        if !done {
            self.call_out(i, o);
        }
    }

    /// Ops that are described by an IR instruction.
    fn described(&mut self, code: &Bytecode, i: u32, o: &BOp) -> bool {
        match o.op {
            Op0::Eval => {
                let e = &code.evals()[o.imm as usize];
                self.int_eval(e)
                    || self.fp_eval(code, i, e)
                    || self.half(i, e)
                    || self.simd_eval(code, i, e)
            }
            Op0::Call => {
                let e = &code.evals()[o.imm as usize];
                self.fpsr_call(e) || self.helper_call(e)
            }
            Op0::Rmw | Op0::Cas | Op0::StoreExcl => self.atomic(&code.evals()[o.imm as usize]),
            _ => false,
        }
    }

    /// The runtime is about to execute the op: it may read and change all of the guest's state.
    fn give_state(&mut self) {
        self.evals += 1;
        self.r.flush();
        self.r.forget_all();
        self.known = [Known::default(); 2];
    }

    /// The runtime executes the op.
    fn call_out(&mut self, i: u32, o: &BOp) {
        self.give_state();
        let a = &mut self.r.asm;
        a.mov_imm(RSI, i as u64 * size_of::<BOp>() as u64);
        a.put(0xe8, 5); // call
        self.calls.push((self.part, a.pos() as u32 - 4));
        if o.op != Op0::Eval && o.op != Op0::Call {
            a.test(false, RAX, RAX);
            let jump = a.jcc(cc::NE);
            self.later(Cold::Leave {
                jump,
                pc: self.guest_pc,
                code: EXIT_FAULT,
            });
        }
    }

    /// The instruction about to be emitted accesses guest memory.
    #[inline(always)]
    fn access(&mut self) {
        if self.r.write_back {
            let dirty = self.snapshot();
            self.unsaved.push(dirty);
        }
        self.faults.push(FaultSite {
            access_offset: self.r.asm.pos() as u32,
            landing_offset: 0,
            guest_pc: self.guest_pc,
        });
    }

    /// Stores a known guest pc; may change RCX.
    fn store_pc(&mut self, pc: u64) {
        let w = self.pc_word;
        if pc as i32 as i64 as u64 == pc {
            self.r.asm.store_imm(w, pc as i32);
        } else {
            self.r.asm.mov_imm(RCX, pc);
            self.r.asm.store(w, RCX);
        }
    }

    /// What follows the main path.
    fn finish(&mut self) {
        self.r.forget_all();
        for n in 0..self.cold.len() {
            self.r.asm.reserve(asm::ROOM);
            let (part, c, dirty) = self.cold[n];
            self.part = part;
            self.cold_path(c, dirty);
        }
        self.place_guards();
        self.r.asm.reserve(asm::ROOM);
        if !self.faults.is_empty() {
            let landing = self.r.asm.pos();
            self.r.asm.leave(EXIT_FAULT);
            for f in &mut self.faults {
                f.landing_offset = landing as u32;
            }
            self.landings(landing);
        }
        for part in 0..self.parts.len() as u16 {
            self.routines(part);
        }
        self.place_constants();
    }

    /// Behind the slots that exits go through.
    fn place_guards(&mut self) {
        for n in 0..self.guards.len() {
            let (field, pc) = self.guards[n];
            let slot = self.slots.len() as u32;
            self.slots.push(pc);
            self.reloc(field, slot, 4 - offset_of!(ChainSlot, guest_pc) as i64);
        }
    }

    /// Landings that store what is dirty first. What is dirty mostly grows from one access to the next: then the landing of the later one
    /// stores what is new and goes on into the one before, which is why they are emitted from the last to the first.
    fn landings(&mut self, common: usize) {
        let mut n = self.unsaved.len();
        while n > 0 {
            n -= 1;
            let cur = self.dirty_list(self.unsaved[n]);
            if cur.is_empty() {
                continue;
            }
            self.r.asm.reserve(asm::ROOM);
            self.faults[n].landing_offset = self.r.asm.pos() as u32;
            let before = match n {
                0 => 0..0,
                _ => self.dirty_list(self.unsaved[n - 1]),
            };
            // Both are in order of registers.
            let mut old = self.dirty[before.clone()].iter().peekable();
            for d in &self.dirty[cur.clone()] {
                old.next_if_eq(&d);
            }
            let on = !before.is_empty() && old.peek().is_none();
            let mut k = before.start;
            for n in cur {
                let d = self.dirty[n];
                if on && k < before.end && self.dirty[k] == d {
                    k += 1;
                } else {
                    self.r.save(d);
                }
            }
            if !on {
                self.r.asm.jmp_to(common);
            }
        }
    }

    fn dirty_list(&self, (from, to): (u32, u32)) -> std::ops::Range<usize> {
        from as usize..to as usize
    }

    /// The routines that call the runtime for the ops of a block, if any op needs them.
    fn routines(&mut self, part: u16) {
        let mine = |c: &&(u16, u32)| c.0 == part;
        if self.calls.iter().any(|c| c.0 == part) {
            self.r.asm.reserve(asm::ROOM);
            let at = self.r.asm.pos();
            // The stack is a multiple of 16 here, as at every call.
            self.call_runtime(part);
            self.r.asm.put(0xc3, 1);
            for c in self.calls.iter().filter(mine) {
                self.r.asm.bind(c.1, at);
            }
        }
        if self.redo_calls.iter().any(|c| c.0 == part) {
            let at = self.r.asm.pos();
            self.redo_routine(part);
            for c in self.redo_calls.iter().filter(mine) {
                self.r.asm.bind(c.1, at);
            }
        }
    }

    /// The constant pool: each value once.
    fn place_constants(&mut self) {
        self.pool.sort_unstable_by_key(|c| c.1);
        let mut last = None;
        for n in 0..self.pool.len() {
            let (field, v) = self.pool[n];
            let at = match last {
                Some((w, at)) if w == v => at,
                _ => {
                    let a = &mut self.r.asm;
                    a.reserve(asm::ROOM);
                    let skip = a.pos().wrapping_neg() & 15;
                    a.bytes(&[0xcc; 16][..skip]);
                    let at = a.pos();
                    a.bytes(&v.to_le_bytes());
                    at
                }
            };
            last = Some((v, at));
            self.r.asm.bind(field, at);
        }
    }

    /// Where among slots and cells that of a block is. Slots are complete by now.
    fn cell(&mut self, part: u16) -> u32 {
        let cell = self.parts[part as usize];
        let n = self.cells.iter().position(|c| *c == cell);
        let n = n.unwrap_or_else(|| {
            self.cells.push(cell);
            self.cells.len() - 1
        });
        (self.slots.len() + n) as u32
    }

    /// Calls the single-op entry of the runtime; RSI is the op's offset.
    fn call_runtime(&mut self, part: u16) {
        let cell = self.cell(part);
        let a = &mut self.r.asm;
        a.put(0x15_8d_48, 3); // lea rdx, [rip + cell]
        a.put(0, 4);
        let field = a.pos() as u32 - 4;
        self.reloc(field, cell, 4);
        let a = &mut self.r.asm;
        a.lea(true, RDI, asm::STATE, -(STATE_BIAS as i32));
        a.header(Enc(0, 0, 0x8b), true, RAX, offset_of!(FrameHeader, helpers));
        let entry = 8 * Builtin::BytecodeOp.index() as i32;
        a.rm(Enc(0, 0, 0xff), false, 2, RAX, entry);
    }

    /// As above with every register kept (RBX and R14 by the callee); the op's offset is on the stack.
    fn redo_routine(&mut self, part: u16) {
        let saved: [(u8, bool); 9] = [
            (0, false),
            (1, false),
            (2, false),
            (6, false),
            (7, false),
            (0, true),
            (1, true),
            (2, true),
            (3, true),
        ];
        let a = &mut self.r.asm;
        for (r, high) in saved {
            let v = 0x50 | r as u64;
            a.put(if high { 0x41 | v << 8 } else { v }, 1 + high as usize);
        }
        a.bytes(&[0x48, 0x81, 0xec, 0, 1, 0, 0]); // sub rsp, 256
        for x in 0..16u8 {
            Self::stack_v(a, 0x11, x);
        }
        a.bytes(&[0x8b, 0xb4, 0x24]); // mov esi, [rsp + disp32]
        a.put(256 + 72 + 8, 4);
        self.call_runtime(part);
        let a = &mut self.r.asm;
        a.reserve(asm::ROOM);
        for x in 0..16u8 {
            Self::stack_v(a, 0x10, x);
        }
        a.bytes(&[0x48, 0x81, 0xc4, 0, 1, 0, 0]); // add rsp, 256
        for &(r, high) in saved.iter().rev() {
            let v = 0x58 | r as u64;
            a.put(if high { 0x41 | v << 8 } else { v }, 1 + high as usize);
        }
        a.put(0x0008c2, 3); // ret 8
    }

    /// movups between a vector register and its place on the stack.
    fn stack_v(a: &mut asm::Asm, op: u8, x: u8) {
        if x >= 8 {
            a.put(0x44, 1);
        }
        a.put(
            0x0f | (op as u64) << 8 | (0x84 | (x as u64 & 7) << 3) << 16 | 0x24 << 24,
            4,
        );
        a.put(x as u64 * 16, 4);
    }

    fn unit(&mut self, pc: u64) -> CompiledUnit {
        CompiledUnit {
            code: self.r.asm.code().to_vec(),
            relocs: self.relocs.clone(),
            slots: self.slots.clone(),
            guards: self.guards.len(),
            cells: self.cells.clone(),
            entries: vec![(pc, 0)],
            faults: self.faults.clone(),
            pcmap: PcMap {
                ranges: self.ranges.clone(),
            },
            evals: self.evals,
            underflow: Underflow::Found,
            thunks: 0,
            clif: None,
            counter: self.count.then_some(0),
        }
    }
}
