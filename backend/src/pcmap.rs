//! From host code back to guest instructions: the pc map, and the recovery of landing pads from finished code.
//!
//! Lowering gives every guest access and every pad check a source location of its own. Once the code exists,
//! [`recover`] finds for each access (a trap record of Cranelift's at its host instruction) the check that owns it, a
//! `test; jz cold` pair, turns the pair into a NOP (which [`crate::compact`] then removes) and records where the cold block
//! begins. Where the register allocator placed moves between access and check, those have to run first: they are copied into a
//! thunk behind the code that then jumps to the cold block. Other accesses of the same pad are left out of the copy.
//!
//! Invariant: every access in the code has a fault site, or compilation fails.

use crate::abi::{FrameHeader, STATE_BIAS};
use crate::compact::Moved;
use crate::emit::{CompileError, FaultSite};
use crate::lower::GUEST_ACCESS;
use cranelift_codegen::{Final, MachBufferFinalized};
use iced_x86::{
    Code, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind,
    Register,
};
use std::mem::offset_of;

/// Meaning of a source location.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loc {
    /// Code of the guest instruction at this address.
    Pc(u64),
    /// A jump out of the unit.
    Leave,
    /// A rounding that must not raise Inexact, for the guest instruction at this address.
    Round(u64),
    /// A guest memory access.
    Access {
        /// Guest instruction.
        pc: u64,
        /// Pad that owns it.
        pad: u32,
    },
    /// The check of a pad.
    Check {
        /// The pad.
        pad: u32,
    },
    /// A branch to a pad's cold block that is also taken for another reason (a NaN): it stays.
    Branch {
        /// The pad.
        pad: u32,
    },
}

/// Host code ranges and the guest instructions they belong to.
#[derive(Clone, Debug, Default)]
pub struct PcMap {
    /// `(start offset, guest pc)`, ascending; each range reaches to the next start.
    pub ranges: Vec<(u32, u64)>,
}

impl PcMap {
    /// Guest instruction at a host offset.
    pub fn pc_at(&self, offset: u32) -> Option<u64> {
        let i = self.ranges.partition_point(|r| r.0 <= offset);
        Some(self.ranges.get(i.checked_sub(1)?)?.1)
    }
}

/// What [`recover`] found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// By ascending access offset.
    pub faults: Vec<FaultSite>,
    /// The pc map.
    pub pcmap: PcMap,
    /// Sites that needed a thunk.
    pub thunks: u32,
    /// Offset of each entry's door.
    pub doors: Vec<u32>,
}

impl Recovered {
    /// The code has moved.
    pub fn moved(&mut self, by: &Moved) {
        for f in &mut self.faults {
            f.access_offset = by.to(f.access_offset);
            f.landing_offset = by.to(f.landing_offset);
        }
        for r in &mut self.pcmap.ranges {
            r.0 = by.to(r.0);
        }
        for d in &mut self.doors {
            *d = by.to(*d);
        }
    }
}

struct Range {
    start: u32,
    end: u32,
    loc: Loc,
}

/// A located check: its branch is at `branch` (what the allocator put before it must have run); the cold block at `cold`.
#[derive(Clone, Copy)]
struct Check {
    branch: u32,
    cold: u32,
}

/// Finds the pads of `code` (as emitted) and patches it.
pub fn recover(
    code: &mut Vec<u8>,
    buffer: &MachBufferFinalized<Final>,
    locs: &[Loc],
    entries: usize,
) -> Result<Recovered, CompileError> {
    let ranges: Vec<Range> = buffer
        .get_srclocs_sorted()
        .iter()
        .filter(|s| !s.loc.is_default() && s.end > s.start)
        .filter_map(|s| {
            let loc = *locs.get(s.loc.bits() as usize)?;
            Some(Range {
                start: s.start,
                end: s.end,
                loc,
            })
        })
        .collect();
    let mut out = Recovered {
        pcmap: pc_map(&ranges),
        ..Recovered::default()
    };
    if locs.iter().any(|l| matches!(l, Loc::Round(_))) {
        silence_all(code, buffer, locs);
    }
    out.doors = doors(code, entries);
    slim_frame(code, &ranges)?;
    let checks = find_checks(code, &ranges)?;
    let mut sites = Vec::new();
    for t in buffer.traps().iter().filter(|t| t.code == GUEST_ACCESS) {
        let i = ranges.partition_point(|r| r.start <= t.offset);
        match i.checked_sub(1).map(|i| &ranges[i]) {
            Some(Range {
                end,
                loc: Loc::Access { pc, pad },
                ..
            }) if t.offset < *end => sites.push((t.offset, *pc, *pad)),
            _ => return Err(bad(code, t.offset, "an access has no source location")),
        }
    }
    sites.sort_unstable();
    if !checks.is_empty() {
        let body = code.len();
        for k in 0..sites.len() {
            let (access_offset, guest_pc, pad) = sites[k];
            let check = checks.get(pad as usize).copied().flatten();
            let check = check.ok_or_else(|| bad(code, access_offset, "its check is missing"))?;
            let moves = moves_between(code, body, &sites, k, check)?;
            let landing_offset = match moves.is_empty() {
                true => check.cold,
                false => {
                    out.thunks += 1;
                    thunk(code, &moves, check.cold)
                }
            };
            out.faults.push(FaultSite {
                access_offset,
                landing_offset,
                guest_pc,
            });
        }
    }
    Ok(out)
}

fn bad(code: &[u8], offset: u32, what: &str) -> CompileError {
    let at = decode(code, offset);
    CompileError::Pad(format!("{what} (host offset {offset:#x}: {at})"))
}

fn decode(code: &[u8], offset: u32) -> Instruction {
    let bytes = code.get(offset as usize..).unwrap_or(&[]);
    Decoder::with_ip(64, bytes, offset as u64, DecoderOptions::NONE).decode()
}

/// Where each entry begins. Behind the prologue stands `cmp rdi, n; je door` for each entry but the first, then the first door
/// (or a jump to it): entries are stubs behind the code that make the frame and jump to their door. If anything else stands
/// there, say a constant hoisted out of a loop, it is for all doors: then the stubs load the entry's number and go through the
/// dispatch.
fn doors(code: &mut Vec<u8>, entries: usize) -> Vec<u32> {
    if entries < 2 {
        return vec![0; entries];
    }
    let (start, frame) = prologue(code);
    let doors = read_dispatch(code, start, entries);
    let stub = |n: usize| {
        let at = code.len() as u32;
        let to = match &doors {
            Some(d) => {
                adjust_stack(code, SUB, frame);
                d[n]
            }
            None => {
                code.push(0xbf); // mov edi, imm32
                code.extend((n as u32).to_le_bytes());
                0
            }
        };
        code.push(0xe9); // jmp rel32
        let next = code.len() as i64 + 4;
        code.extend(((to as i64 - next) as i32).to_le_bytes());
        at
    };
    (0..entries).map(stub).collect()
}

/// ModRM bytes of `sub rsp, imm` and `add rsp, imm`.
const SUB: u8 = 0xec;
const ADD: u8 = 0xc4;

/// Appends `sub` or `add rsp, n`.
fn adjust_stack(code: &mut Vec<u8>, modrm: u8, n: u32) {
    match u8::try_from(n) {
        Ok(n) if n < 0x80 => code.extend([0x48, 0x83, modrm, n]),
        _ => {
            code.extend([0x48, 0x81, modrm]);
            code.extend(n.to_le_bytes());
        }
    }
}

fn read_dispatch(code: &[u8], start: u32, entries: usize) -> Option<Vec<u32>> {
    let mut doors = vec![0; entries];
    let mut at = start;
    // Builds whose convention has callee-saved registers save them first.
    while is_save(&decode(code, at)) {
        at += decode(code, at).len() as u32;
    }
    for (n, door) in doors.iter_mut().enumerate().skip(1) {
        let cmp = decode(code, at);
        let je = decode(code, at + cmp.len() as u32);
        let is_cmp = cmp.mnemonic() == Mnemonic::Cmp
            && cmp.op0_kind() == OpKind::Register
            && cmp.op0_register() == Register::RDI
            && cmp.op1_kind() != OpKind::Register
            && cmp.op1_kind() != OpKind::Memory
            && cmp.immediate(1) == n as u64;
        if !is_cmp || je.code() != Code::Je_rel32_64 {
            return None;
        }
        *door = je.near_branch_target() as u32;
        at = je.next_ip() as u32;
    }
    let jmp = decode(code, at);
    doors[0] = match jmp.code() {
        Code::Jmp_rel32_64 => jmp.near_branch_target() as u32,
        _ => at,
    };
    Some(doors)
}

/// `mov [rsp + n], callee-saved`.
fn is_save(i: &Instruction) -> bool {
    i.mnemonic() == Mnemonic::Mov
        && i.op0_kind() == OpKind::Memory
        && i.memory_base() == Register::RSP
        && matches!(
            i.op1_register(),
            Register::RBX | Register::R12 | Register::R13 | Register::R14
        )
}

/// Nobody needs rbp, so one subtraction makes a frame and one addition drops it. Instead of `push rbp; mov rbp, rsp; [sub rsp,
/// n]` and `[restores] [add rsp, n]; mov rsp, rbp; pop rbp; jmp r` (or `ret`).
fn slim_frame(code: &mut [u8], ranges: &[Range]) -> Result<(), CompileError> {
    let (end, frame) = prologue(code);
    let mut make = Vec::with_capacity(8);
    adjust_stack(&mut make, SUB, frame);
    code[..make.len()].copy_from_slice(&make);
    fill_nops(&mut code[make.len()..end as usize]);
    let mut drop = Vec::with_capacity(8);
    adjust_stack(&mut drop, ADD, frame);
    for r in ranges.iter().filter(|r| r.loc == Loc::Leave) {
        let mut at = r.start;
        let mut epilogue = None;
        while at < r.end {
            let i = decode(code, at);
            let to_rsp = i.op_count() > 0
                && i.op0_kind() == OpKind::Register
                && i.op0_register() == Register::RSP;
            if to_rsp && epilogue.is_none() {
                epilogue = Some(at as usize);
            }
            if changes_flow(&i) {
                let Some(place) = epilogue.take() else {
                    return Err(bad(code, at, "a jump out has no epilogue"));
                };
                let jump = code[at as usize..at as usize + i.len()].to_vec();
                let end = place + drop.len() + jump.len();
                if end > i.next_ip() as usize {
                    return Err(bad(code, at, "an epilogue is too short"));
                }
                code[place..place + drop.len()].copy_from_slice(&drop);
                code[place + drop.len()..end].copy_from_slice(&jump);
                fill_nops(&mut code[end..i.next_ip() as usize]);
            }
            at = i.next_ip() as u32;
        }
    }
    Ok(())
}

/// End of `push rbp; mov rbp, rsp; [sub rsp, n]`, and n + 8: what keeps rsp a multiple of 16 without the push.
fn prologue(code: &[u8]) -> (u32, u32) {
    let push = decode(code, 0);
    let mov = decode(code, push.next_ip() as u32);
    let sub = decode(code, mov.next_ip() as u32);
    match sub.mnemonic() == Mnemonic::Sub && sub.op0_register() == Register::RSP {
        true => (sub.next_ip() as u32, sub.immediate(1) as u32 + 8),
        false => (mov.next_ip() as u32, 8),
    }
}

/// Sets "precision mask" in the immediate of the ROUND instructions: CLIF's roundings report Inexact, guest ones that are lowered to
/// them do not. An instruction that Cranelift duplicated (into blocks that each need the value) has lost its location.
fn silence_all(code: &mut [u8], buffer: &MachBufferFinalized<Final>, locs: &[Loc]) {
    for s in buffer.get_srclocs_sorted() {
        let loc = locs.get(s.loc.bits() as usize);
        if s.loc.is_default() || matches!(loc, Some(Loc::Round(_))) {
            silence(code, s.start, s.end);
        }
    }
}

fn silence(code: &mut [u8], start: u32, end: u32) {
    let mut at = start;
    while at < end {
        let i = decode(code, at);
        at += i.len() as u32;
        let round = matches!(
            i.mnemonic(),
            Mnemonic::Roundss
                | Mnemonic::Roundsd
                | Mnemonic::Roundps
                | Mnemonic::Roundpd
                | Mnemonic::Vroundss
                | Mnemonic::Vroundsd
                | Mnemonic::Vroundps
                | Mnemonic::Vroundpd
        );
        if round {
            code[at as usize - 1] |= 8;
        }
    }
}

fn pc_map(ranges: &[Range]) -> PcMap {
    let mut m = PcMap::default();
    for r in ranges {
        let pc = match r.loc {
            Loc::Pc(pc) | Loc::Round(pc) | Loc::Access { pc, .. } => pc,
            Loc::Check { .. } | Loc::Branch { .. } | Loc::Leave => continue,
        };
        if m.ranges.last().is_none_or(|l| l.1 != pc) {
            m.ranges.push((r.start, pc));
        }
    }
    m
}

/// Locates every check and makes it never taken. Indexed by pad.
fn find_checks(code: &mut [u8], ranges: &[Range]) -> Result<Vec<Option<Check>>, CompileError> {
    let mut checks: Vec<Option<Check>> = Vec::new();
    for r in ranges {
        let (check, pad) = match r.loc {
            Loc::Check { pad } => (patch_check(code, r)?, pad),
            Loc::Branch { pad } => match find_branch(code, r)? {
                Some(check) => (check, pad),
                // The branch is further on, behind moves of the allocator's.
                None => continue,
            },
            _ => continue,
        };
        let pad = pad as usize;
        if checks.len() <= pad {
            checks.resize(pad + 1, None);
        }
        if checks[pad].replace(check).is_some() {
            return Err(bad(code, r.start, "a check was duplicated"));
        }
    }
    Ok(checks)
}

/// Reads `mov r, r15; test r, r; jz cold` and makes it a NOP. Where the code goes on elsewhere and the cold block (or a jump to it)
/// follows, the branch reads `jnz cont`, which becomes `jmp cont`. The allocator's moves may stand between the three.
fn patch_check(code: &mut [u8], r: &Range) -> Result<Check, CompileError> {
    let mut at = r.start;
    let mut read = None;
    loop {
        let i = decode(code, at);
        if matches!(i.mnemonic(), Mnemonic::Test | Mnemonic::Cmp) || changes_flow(&i) {
            break;
        }
        if i.mnemonic() == Mnemonic::Mov
            && i.op0_kind() == OpKind::Register
            && i.op1_register() == Register::R15
        {
            read = Some(i);
        }
        at += i.len() as u32;
    }
    let test = decode(code, at);
    if !matches!(test.mnemonic(), Mnemonic::Test | Mnemonic::Cmp) {
        return Err(bad(code, at, "a check has an unknown form"));
    }
    let mut first = at;
    if let Some(i) = read.filter(|i| i.op0_register() == test.op0_register()) {
        let from = i.ip() as usize;
        fill_nops(&mut code[from..from + i.len()]);
        if from + i.len() == at as usize {
            first = from as u32;
        }
    }
    fill_nops(&mut code[first as usize..at as usize + test.len()]);
    // Moves may stand between the two; they leave the flags alone.
    let mut branch = at + test.len() as u32;
    while !decode(code, branch).is_jcc_short_or_near() {
        let i = decode(code, branch);
        if changes_flow(&i) {
            return Err(bad(code, branch, "a check has no branch"));
        }
        branch += i.len() as u32;
    }
    let j = decode(code, branch);
    let end = branch + j.len() as u32;
    match j.code() {
        Code::Je_rel32_64 => {
            fill_nops(&mut code[branch as usize..end as usize]);
            let cold = j.near_branch_target() as u32;
            if branch == at + test.len() as u32 {
                // One long NOP instead of several.
                fill_nops(&mut code[first as usize..end as usize]);
            }
            Ok(Check { branch, cold })
        }
        Code::Jne_rel32_64 => {
            // 0f 85 rel32 -> 90 e9 rel32: both end at the same place.
            let at = branch as usize;
            code[at..at + 2].copy_from_slice(&[0x90, 0xe9]);
            Ok(Check { branch, cold: end })
        }
        _ => Err(bad(code, branch, "a check has an unknown branch")),
    }
}

/// The conditional branch of a comparison that looks for NaNs, if it stands in the range: on parity, or on any lane.
fn find_branch(code: &[u8], r: &Range) -> Result<Option<Check>, CompileError> {
    let mut at = r.start;
    while at < r.end {
        let i = decode(code, at);
        let cold = match i.code() {
            Code::Jp_rel32_64 | Code::Jne_rel32_64 => i.near_branch_target() as u32,
            // The cold block (or a jump to it) follows.
            Code::Jnp_rel32_64 | Code::Je_rel32_64 => i.next_ip() as u32,
            _ if changes_flow(&i) || i.is_jcc_short_or_near() => {
                return Err(bad(code, at, "a check has an unknown branch"));
            }
            _ => {
                at = i.next_ip() as u32;
                continue;
            }
        };
        return Ok(Some(Check { branch: at, cold }));
    }
    Ok(None)
}

fn fill_nops(mut b: &mut [u8]) {
    const NOPS: [&[u8]; 12] = [
        &[0x90],
        &[0x66, 0x90],
        &[0x0f, 0x1f, 0x00],
        &[0x0f, 0x1f, 0x40, 0x00],
        &[0x0f, 0x1f, 0x44, 0x00, 0x00],
        &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
        &[0x0f, 0x1f, 0x80, 0, 0, 0, 0],
        &[0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x66, 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x66, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
    ];
    while !b.is_empty() {
        let n = b.len().min(12);
        let (head, rest) = b.split_at_mut(n);
        head.copy_from_slice(NOPS[n - 1]);
        b = rest;
    }
}

/// Instructions between access `k` and its check that must run before the cold block: everything but other accesses of the
/// pad, what is computed from values that no access has brought (they are not the cold block's business, and may raise what the
/// guest must not see), and the inside of an atomic loop.
fn moves_between(
    code: &[u8],
    body: usize,
    sites: &[(u32, u64, u32)],
    k: usize,
    check: Check,
) -> Result<Vec<Instruction>, CompileError> {
    let (access, _, pad) = sites[k];
    let mut moves = Vec::new();
    let first = decode(&code[..body], access);
    let mut at = access + first.len() as u32;
    if at > check.branch {
        return Err(bad(code, access, "its check comes first"));
    }
    if at == check.branch {
        return Ok(moves);
    }
    let mut missing = Missing {
        registers: Vec::new(),
        slots: Vec::new(),
        info: InstructionInfoFactory::new(),
    };
    missing.skip(&first);
    let mut next = k + 1;
    while at < check.branch {
        let i = decode(&code[..body], at);
        let own = sites.get(next).is_some_and(|s| s.0 == at);
        if own {
            if sites[next].2 != pad {
                return Err(bad(code, at, "another pad's access is in between"));
            }
            next += 1;
            missing.skip(&i);
        } else if i.is_jcc_short_or_near() {
            // The loop of an atomic sequence: what was collected is its inside.
            if i.near_branch_target() as u32 > at {
                return Err(bad(code, at, "a branch is in between"));
            }
            moves.clear();
        } else if changes_flow(&i) || writes_memory(&i) {
            return Err(bad(
                code,
                at,
                "an instruction that cannot be copied is in between",
            ));
        } else if i.mnemonic() != Mnemonic::Nop && !missing.through(&i) {
            moves.push(i);
        }
        at += i.len() as u32;
    }
    match at >= check.branch {
        true => Ok(moves),
        false => Err(bad(
            code,
            at,
            "its check is not aligned with the instructions",
        )),
    }
}

/// Registers and stack slots without the values that they have where the access does not fault.
struct Missing {
    registers: Vec<Register>,
    slots: Vec<u64>,
    info: InstructionInfoFactory,
}

impl Missing {
    /// The instruction is not executed.
    fn skip(&mut self, i: &Instruction) {
        self.outcome(i, true);
    }

    /// Whether the instruction reads something missing. Then it is not executed either.
    fn through(&mut self, i: &Instruction) -> bool {
        let info = self.info.info(i);
        let reads = |a: OpAccess| !matches!(a, OpAccess::Write | OpAccess::NoMemAccess);
        let missing =
            info.used_registers().iter().any(|r| {
                reads(r.access()) && self.registers.contains(&r.register().full_register())
            }) || info.used_memory().iter().any(|m| {
                reads(m.access())
                    && m.base() == Register::RSP
                    && self.slots.contains(&m.displacement())
            });
        self.outcome(i, missing);
        missing
    }

    /// What the instruction writes is missing now, or is not.
    fn outcome(&mut self, i: &Instruction, missing: bool) {
        let info = self.info.info(i);
        let writes = |a: OpAccess| {
            !matches!(
                a,
                OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
            )
        };
        for r in info.used_registers().iter().filter(|r| writes(r.access())) {
            note(&mut self.registers, r.register().full_register(), missing);
        }
        for m in info.used_memory().iter().filter(|m| writes(m.access())) {
            if m.base() == Register::RSP {
                note(&mut self.slots, m.displacement(), missing);
            }
        }
    }
}

fn note<T: PartialEq>(set: &mut Vec<T>, x: T, missing: bool) {
    set.retain(|y| *y != x);
    if missing {
        set.push(x);
    }
}

fn changes_flow(i: &Instruction) -> bool {
    i.is_jmp_short_or_near()
        || i.is_jmp_near_indirect()
        || i.is_call_near()
        || i.is_call_near_indirect()
        || matches!(
            i.mnemonic(),
            Mnemonic::Ret | Mnemonic::Ud2 | Mnemonic::INVALID
        )
}

/// Whether an instruction writes memory outside the host stack frame.
fn writes_memory(i: &Instruction) -> bool {
    InstructionInfoFactory::new()
        .info(i)
        .used_memory()
        .iter()
        .any(|m| {
            let reads = matches!(
                m.access(),
                OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
            );
            !reads && !matches!(m.base(), Register::RSP | Register::RBP)
        })
}

/// Whether an instruction may raise a floating-point exception: not if it only moves.
#[rustfmt::skip]
fn may_raise(i: &Instruction) -> bool {
    use Mnemonic::*;
    let moves = matches!(
        i.mnemonic(),
        Movaps | Movapd | Movups | Movupd | Movdqa | Movdqu | Movd | Movq | Movss | Movsd
            | Vmovaps | Vmovapd | Vmovups | Vmovupd | Vmovdqa | Vmovdqu | Vmovd | Vmovq | Vmovss | Vmovsd
    );
    !moves && (0..i.op_count()).any(|n| i.op_register(n).is_vector_register())
}

/// LDMXCSR or STMXCSR of the frame header's scratch word.
fn mxcsr(code: &mut Vec<u8>, extension: u8) {
    let at = offset_of!(FrameHeader, scratch) as i32 - STATE_BIAS as i32;
    code.extend([0x41, 0x0f, 0xae, 0x87 | extension << 3]); // [r15 + disp32]
    code.extend(at.to_le_bytes());
}

/// Appends copies of `moves` and a jump to `cold`; returns the thunk's offset. What the copies raise, the guest has not raised: it
/// comes after the access that has faulted.
fn thunk(code: &mut Vec<u8>, moves: &[Instruction], cold: u32) -> u32 {
    const LD: u8 = 2;
    const ST: u8 = 3;
    let start = code.len();
    let raises = moves.iter().any(may_raise);
    if raises {
        mxcsr(code, ST);
    }
    for i in moves {
        let (from, to) = (i.ip() as usize, code.len());
        code.extend_from_within(from..from + i.len());
        if i.is_ip_rel_memory_operand() {
            // The displacement is relative to the instruction's own end.
            let mut d = Decoder::with_ip(64, &code[from..], from as u64, DecoderOptions::NONE);
            let again = d.decode();
            let field = to + d.get_constant_offsets(&again).displacement_offset();
            let mut disp = [0; 4];
            disp.copy_from_slice(&code[field..field + 4]);
            let disp = i32::from_le_bytes(disp) - (to as i32 - from as i32);
            code[field..field + 4].copy_from_slice(&disp.to_le_bytes());
        }
    }
    if raises {
        mxcsr(code, LD);
    }
    code.push(0xe9); // jmp rel32
    let next = code.len() as i64 + 4;
    code.extend(((cold as i64 - next) as i32).to_le_bytes());
    start as u32
}
