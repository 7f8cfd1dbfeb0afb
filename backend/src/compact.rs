//! Takes the slack out of finished code: the NOPs that recovery left where checks stood, jumps to what follows, the long forms of
//! short jumps, the copies around a poll, which becomes one comparison with memory, and loads of spilled values that a register still
//! holds ([`spills`]).
//!
//! Cranelift emits every forward jump in its long form and knows nothing of checks that are taken out again; what both cost is a
//! sixth of the bytes, and of a small loop's instructions.
//!
//! Works on the bytes: instructions, then constants, then the stubs and thunks that recovery appended. Keeps the order of
//! instructions and everything that they do but a poll's register, which nobody reads.

mod spills;
#[cfg(test)]
mod tests;

use crate::abi::{FrameHeader, STATE_BIAS};
use crate::emit::CompileError;
use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind,
    Register,
};
use spills::{Effect, Held, Instead};
use std::mem::offset_of;

/// Constants keep their place modulo this, in bytes.
const DATA_ALIGN: u32 = 32;

/// Where code has moved to.
pub struct Moved {
    pieces: Vec<Piece>,
}

impl Moved {
    /// New offset of what was at `old`; what follows it, if it is gone.
    pub fn to(&self, old: u32) -> u32 {
        new_place(&self.pieces, old)
    }
}

/// An instruction, or all constants.
struct Piece {
    /// Old offset and length.
    at: u32,
    len: u32,
    /// New offset and length.
    new: u32,
    size: u32,
    kind: Kind,
    /// Control may come from elsewhere than the piece before.
    target: bool,
    /// Does nothing but set the flags, from registers.
    compares: bool,
    effect: Effect,
}

impl Piece {
    fn become_new(&mut self, bytes: &[u8]) {
        let mut new = [0; MOST_NEW];
        new[..bytes.len()].copy_from_slice(bytes);
        self.kind = if bytes.is_empty() {
            Kind::Gone
        } else {
            Kind::New(new)
        };
        self.size = bytes.len() as u32;
    }
}

enum Kind {
    /// Bytes as they were.
    Same,
    /// Gone.
    Gone,
    /// Constants.
    Data,
    /// A jump within the code, on a condition if there is one, to the piece of this number (at first: the old offset).
    Jump { condition: Option<u8>, to: u32 },
    /// An instruction with a displacement field, relative to its own end, that refers to this old offset.
    Relative { field: u32, to: u32 },
    /// A comparison of `header.stop` with 0.
    Poll,
    /// Other bytes, of which there are as many as the piece's new size.
    New([u8; MOST_NEW]),
}

/// Most bytes of a new instruction.
const MOST_NEW: usize = 5;

/// Compacts `code`; its first `body` bytes are the compiler's, the rest was appended. `relocated`: offsets of fields that
/// refer to something outside, ascending. `entered`: offsets where control comes from elsewhere. `spilled`: distance from the stack
/// pointer from which on the frame holds only spilled values.
pub fn compact(
    code: &mut Vec<u8>,
    body: u32,
    relocated: &[u32],
    entered: impl Iterator<Item = u32>,
    spilled: u32,
) -> Result<Moved, CompileError> {
    let mut read = Reading {
        code,
        relocated,
        effects: spills::Reader::new(spilled),
        pieces: Vec::with_capacity(code.len() / 4),
    };
    read.all(body)?;
    let mut pieces = read.pieces;
    for at in entered {
        let n = find(&pieces, at)?;
        pieces[n].target = true;
    }
    resolve(&mut pieces)?;
    drop_repeated_comparisons(code, &mut pieces);
    drop_known_loads(&mut pieces);
    drop_jumps_to_next(&mut pieces);
    place(&mut pieces);
    *code = write(code, &pieces);
    Ok(Moved { pieces })
}

fn bad(at: u32, what: &str) -> CompileError {
    CompileError::Host(format!("{what} (host offset {at:#x})"))
}

/// Code that is split into pieces.
struct Reading<'a> {
    code: &'a [u8],
    relocated: &'a [u32],
    effects: spills::Reader,
    pieces: Vec<Piece>,
}

impl Reading<'_> {
    fn all(&mut self, body: u32) -> Result<(), CompileError> {
        let constants = self.instructions(0, body)?;
        if constants < body {
            self.push(constants, body - constants, Kind::Data, Effect::Unknown);
        }
        self.instructions(body, self.code.len() as u32)?;
        Ok(())
    }

    fn push(&mut self, at: u32, len: u32, kind: Kind, effect: Effect) {
        let size = match kind {
            Kind::Gone => 0,
            Kind::Jump { .. } => 2,
            Kind::Poll => POLL_SIZE,
            _ => len,
        };
        self.pieces.push(Piece {
            at,
            len,
            new: 0,
            size,
            kind,
            target: false,
            compares: false,
            effect,
        });
    }

    /// Reads instructions from `start` to `end`, or to the first constant that one of them refers to; returns where that is.
    fn instructions(&mut self, start: u32, end: u32) -> Result<u32, CompileError> {
        let code = self.code;
        let bytes = &code[start as usize..end as usize];
        let mut d = Decoder::with_ip(64, bytes, start as u64, DecoderOptions::NONE);
        let mut end = end;
        let mut at = start;
        let mut i = Instruction::default();
        let mut poll = Poll::default();
        let mut ended = false;
        while at < end {
            if ended && code[at as usize..end as usize].iter().all(|b| *b == 0) {
                // Between the code and its constants.
                self.push(at, end - at, Kind::Gone, Effect::Unknown);
                return Ok(end);
            }
            d.decode_out(&mut i);
            let (len, next) = (i.len() as u32, i.next_ip() as u32);
            if i.is_invalid() || next > end {
                return Err(bad(at, "an instruction has an unknown form"));
            }
            let before = |to: u32| self.relocated.partition_point(|r| *r < to);
            let kind = match i.flow_control() {
                _ if before(at) != before(next) => Kind::Same,
                _ if i.mnemonic() == Mnemonic::Nop => Kind::Gone,
                FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => jump(&i)?,
                FlowControl::Next | FlowControl::IndirectBranch | FlowControl::IndirectCall
                    if i.is_ip_rel_memory_operand() =>
                {
                    let to = i.ip_rel_memory_address() as u32;
                    if to > at && to < end {
                        if start > 0 {
                            return Err(bad(at, "a stub with constants of its own"));
                        }
                        end = to;
                    }
                    let field = d.get_constant_offsets(&i).displacement_offset() as u32;
                    Kind::Relative { field, to }
                }
                FlowControl::Call => return Err(bad(at, "a direct call")),
                _ => Kind::Same,
            };
            ended = match i.flow_control() {
                _ if matches!(kind, Kind::Gone) => ended,
                FlowControl::Next | FlowControl::ConditionalBranch | FlowControl::IndirectCall => {
                    false
                }
                _ => true,
            };
            let effect = self.effects.effect(&i);
            self.push(at, len, kind, effect);
            if let Some(p) = self.pieces.last_mut() {
                p.compares = compares(&i);
            }
            poll.step(&i, &mut self.pieces);
            at = next;
        }
        Ok(end)
    }
}

fn compares(i: &Instruction) -> bool {
    use Mnemonic::{Cmp, Test, Ucomisd, Ucomiss, Vucomisd, Vucomiss};
    let m = i.mnemonic();
    matches!(m, Cmp | Test | Ucomisd | Ucomiss | Vucomisd | Vucomiss)
        && i.op0_kind() == OpKind::Register
        && i.op1_kind() != OpKind::Memory
}

fn jump(i: &Instruction) -> Result<Kind, CompileError> {
    let to = i.near_branch_target() as u32;
    let condition = match i.code() {
        Code::Jmp_rel32_64 | Code::Jmp_rel8_64 => None,
        _ if i.is_jcc_short_or_near() => Some(i.condition_code() as u8 - ConditionCode::o as u8),
        _ => return Err(bad(i.ip() as u32, "a branch of an unknown form")),
    };
    Ok(Kind::Jump { condition, to })
}

const STOP: i32 = offset_of!(FrameHeader, stop) as i32 - STATE_BIAS as i32;
/// `cmp dword [r15 + disp32], imm8`.
const POLL_SIZE: u32 = 8;

/// Recognises `mov a, r15; mov b, [a + stop]; test b, b`, of which nothing is needed but the flags: only a poll reads `header.stop`, and it
/// only tests it.
#[derive(Default)]
struct Poll {
    seen: u32,
    base: Register,
    value: Register,
}

impl Poll {
    fn step(&mut self, i: &Instruction, pieces: &mut [Piece]) {
        let registers = (i.op0_kind(), i.op1_kind()) == (OpKind::Register, OpKind::Register);
        self.seen = match (self.seen, i.mnemonic()) {
            (_, Mnemonic::Mov) if registers && i.op1_register() == Register::R15 => {
                self.base = i.op0_register();
                1
            }
            (1, Mnemonic::Mov)
                if i.op0_kind() == OpKind::Register
                    && i.op1_kind() == OpKind::Memory
                    && i.memory_base() == self.base
                    && i.memory_index() == Register::None
                    && i.memory_displacement64() as i32 == STOP
                    && i.op0_register().full_register() == self.base =>
            {
                self.value = i.op0_register();
                2
            }
            (2, Mnemonic::Test)
                if registers
                    && i.op0_register() == self.value
                    && i.op1_register() == self.value =>
            {
                3
            }
            _ => 0,
        };
        if self.seen < 3 {
            return;
        }
        self.seen = 0;
        if let [.., copy, load, test] = pieces {
            for p in [copy, load] {
                (p.kind, p.size) = (Kind::Gone, 0);
            }
            (test.kind, test.size) = (Kind::Poll, POLL_SIZE);
        }
    }
}

/// Number of the piece that begins at an offset.
fn find(pieces: &[Piece], at: u32) -> Result<usize, CompileError> {
    let found = pieces.binary_search_by_key(&at, |p| p.at);
    found.map_err(|_| bad(at, "control comes into an instruction"))
}

/// Jumps name pieces instead of offsets.
fn resolve(pieces: &mut [Piece]) -> Result<(), CompileError> {
    for k in 0..pieces.len() {
        if let Kind::Jump { condition, to } = pieces[k].kind {
            let n = find(pieces, to)?;
            let to = n as u32;
            pieces[k].kind = Kind::Jump { condition, to };
            pieces[n].target = true;
        }
    }
    Ok(())
}

/// A comparison right behind a conditional jump, which leaves the flags alone, that repeats the one before the jump: a result
/// that has been found to be no NaN is then compared as the guest asks.
fn drop_repeated_comparisons(code: &[u8], pieces: &mut [Piece]) {
    let bytes = |p: &Piece| &code[p.at as usize..(p.at + p.len) as usize];
    for k in 2..pieces.len() {
        let [first, jump, second] = [&pieces[k - 2], &pieces[k - 1], &pieces[k]];
        let falls_through = matches!(
            jump.kind,
            Kind::Jump {
                condition: Some(_),
                ..
            }
        );
        let reached_only_so = !jump.target && !second.target;
        let same = first.compares && second.compares && bytes(first) == bytes(second);
        if falls_through && reached_only_so && same && matches!(first.kind, Kind::Same) {
            (pieces[k].kind, pieces[k].size) = (Kind::Gone, 0);
        }
    }
}

/// See [`spills`].
fn drop_known_loads(pieces: &mut [Piece]) {
    let mut held = Held::default();
    for p in &mut *pieces {
        if p.target {
            held.forget();
        }
        if p.size == 0 {
            continue;
        }
        match held.step(p.effect) {
            Instead::Itself => {}
            Instead::Nothing => p.become_new(&[]),
            Instead::Copy { to, from } => p.become_new(&spills::copy(to, from)),
            Instead::Extend { to, low } => {
                p.become_new(&spills::extend(to, low));
                p.effect = Effect::Copy { to, from: low };
            }
        }
    }
    for k in 0..pieces.len() {
        let next = pieces[k + 1..].iter().take(NEAR);
        let on = next.take_while(|p| !p.target && !matches!(p.kind, Kind::Jump { .. }));
        let on = on.filter(|p| p.size > 0).map(|p| p.effect);
        if pieces[k].effect.is_dead_zero(on) {
            pieces[k].become_new(&[]);
        }
    }
}

/// How far a zero is followed, in instructions.
const NEAR: usize = 16;

fn drop_jumps_to_next(pieces: &mut [Piece]) {
    for k in (0..pieces.len()).rev() {
        if let Kind::Jump { to, .. } = pieces[k].kind
            && let Some(between) = pieces.get(k + 1..to as usize)
            && between.iter().all(|p| p.size == 0)
        {
            (pieces[k].kind, pieces[k].size) = (Kind::Gone, 0);
        }
    }
}

/// Gives every piece its place. Jumps are short until they turn out not to reach, so that the sizes only grow.
fn place(pieces: &mut [Piece]) {
    loop {
        let mut at = 0u32;
        for p in pieces.iter_mut() {
            if matches!(p.kind, Kind::Data) {
                at += p.at.wrapping_sub(at) % DATA_ALIGN;
            }
            p.new = at;
            at += p.size;
        }
        let mut grown = false;
        for k in 0..pieces.len() {
            let Kind::Jump { condition, to } = pieces[k].kind else {
                continue;
            };
            let from = pieces[k].new + pieces[k].size;
            let distance = pieces[to as usize].new as i64 - from as i64;
            if pieces[k].size == 2 && i8::try_from(distance).is_err() {
                pieces[k].size = if condition.is_some() { 6 } else { 5 };
                grown = true;
            }
        }
        if !grown {
            return;
        }
    }
}

fn write(old: &[u8], pieces: &[Piece]) -> Vec<u8> {
    let end = pieces.last().map_or(0, |p| p.new + p.size);
    let mut code = Vec::with_capacity(end as usize);
    for p in pieces {
        let next = (p.new + p.size) as i64;
        let bytes = &old[p.at as usize..(p.at + p.len) as usize];
        match p.kind {
            Kind::Gone => {}
            Kind::Same => code.extend(bytes),
            Kind::Data => {
                code.resize(p.new as usize, 0);
                code.extend(bytes);
            }
            Kind::Relative { field, to } => {
                let disp = new_place(pieces, to) as i64 - next;
                let field = code.len() + field as usize;
                code.extend(bytes);
                code[field..field + 4].copy_from_slice(&(disp as i32).to_le_bytes());
            }
            Kind::Jump { condition, to } => {
                let disp = pieces[to as usize].new as i64 - next;
                match (condition, p.size) {
                    (Some(c), 2) => code.extend([0x70 | c, disp as u8]),
                    (None, 2) => code.extend([0xeb, disp as u8]),
                    (Some(c), _) => code.extend([0x0f, 0x80 | c]),
                    (None, _) => code.push(0xe9),
                }
                if p.size > 2 {
                    code.extend((disp as i32).to_le_bytes());
                }
            }
            Kind::New(bytes) => code.extend(&bytes[..p.size as usize]),
            Kind::Poll => {
                code.extend([0x41, 0x83, 0xbf]);
                code.extend(STOP.to_le_bytes());
                code.push(0);
            }
        }
    }
    code
}

fn new_place(pieces: &[Piece], old: u32) -> u32 {
    let p = &pieces[pieces.partition_point(|p| p.at <= old) - 1];
    p.new + (old - p.at).min(p.size)
}
