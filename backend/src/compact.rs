//! Takes the slack out of finished code: the NOPs that recovery left where checks stood, jumps to what follows, the long forms of
//! short jumps, and the copies around a poll, which becomes one comparison with memory.
//!
//! Cranelift emits every forward jump in its long form and knows nothing of checks that are taken out again; what both cost is a
//! sixth of the bytes, and of a small loop's instructions.
//!
//! Works on the bytes: instructions, then constants, then the stubs and thunks that recovery appended. Keeps the order of
//! instructions and everything that they do but a poll's register, which nobody reads.

use crate::abi::{FrameHeader, STATE_BIAS};
use crate::emit::CompileError;
use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind,
    Register,
};
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
}

/// Compacts `code`; its first `body` bytes are the compiler's, the rest was appended. `relocated`: offsets of fields that
/// refer to something outside, ascending. `entered`: offsets where control comes from elsewhere.
pub fn compact(
    code: &mut Vec<u8>,
    body: u32,
    relocated: &[u32],
    entered: impl Iterator<Item = u32>,
) -> Result<Moved, CompileError> {
    let mut pieces = read(code, body, relocated)?;
    for at in entered {
        let n = find(&pieces, at)?;
        pieces[n].target = true;
    }
    resolve(&mut pieces)?;
    drop_repeated_comparisons(code, &mut pieces);
    drop_jumps_to_next(&mut pieces);
    place(&mut pieces);
    *code = write(code, &pieces);
    Ok(Moved { pieces })
}

fn bad(at: u32, what: &str) -> CompileError {
    CompileError::Host(format!("{what} (host offset {at:#x})"))
}

/// Splits the code into pieces.
fn read(code: &[u8], body: u32, relocated: &[u32]) -> Result<Vec<Piece>, CompileError> {
    let mut pieces = Vec::with_capacity(code.len() / 4);
    let constants = instructions(code, 0, body, relocated, &mut pieces)?;
    if constants < body {
        push(&mut pieces, constants, body - constants, Kind::Data);
    }
    instructions(code, body, code.len() as u32, relocated, &mut pieces)?;
    Ok(pieces)
}

fn push(pieces: &mut Vec<Piece>, at: u32, len: u32, kind: Kind) {
    let size = match kind {
        Kind::Gone => 0,
        Kind::Jump { .. } => 2,
        Kind::Poll => POLL_SIZE,
        _ => len,
    };
    pieces.push(Piece {
        at,
        len,
        new: 0,
        size,
        kind,
        target: false,
        compares: false,
    });
}

/// Reads instructions from `start` to `end`, or to the first constant that one of them refers to; returns where that is.
fn instructions(
    code: &[u8],
    start: u32,
    end: u32,
    relocated: &[u32],
    pieces: &mut Vec<Piece>,
) -> Result<u32, CompileError> {
    let bytes = &code[..end as usize];
    let mut d = Decoder::with_ip(
        64,
        &bytes[start as usize..],
        start as u64,
        DecoderOptions::NONE,
    );
    let mut end = end;
    let mut at = start;
    let mut i = Instruction::default();
    let mut poll = Poll::default();
    let mut ended = false;
    while at < end {
        if ended && code[at as usize..end as usize].iter().all(|b| *b == 0) {
            // Between the code and its constants.
            push(pieces, at, end - at, Kind::Gone);
            return Ok(end);
        }
        d.decode_out(&mut i);
        let (len, next) = (i.len() as u32, i.next_ip() as u32);
        if i.is_invalid() || next > end {
            return Err(bad(at, "an instruction has an unknown form"));
        }
        let outside =
            relocated.partition_point(|r| *r < at) != relocated.partition_point(|r| *r < next);
        let kind = match i.flow_control() {
            _ if outside => Kind::Same,
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
            FlowControl::Next | FlowControl::ConditionalBranch | FlowControl::IndirectCall => false,
            _ => true,
        };
        push(pieces, at, len, kind);
        if let Some(p) = pieces.last_mut() {
            p.compares = compares(&i);
        }
        poll.step(&i, pieces);
        at = next;
    }
    Ok(end)
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

#[cfg(test)]
mod tests {
    use super::*;

    const RET: u8 = 0xc3;

    fn text(code: &[u8]) -> Vec<String> {
        let lines = crate::listing::disassemble(code, 0);
        lines.lines().map(|l| l.trim().to_string()).collect()
    }

    #[test]
    fn nops_go_and_jumps_become_short() {
        let mut code = vec![0x0f, 0x84, 10, 0, 0, 0]; // je over
        code.extend([0x0f, 0x1f, 0x44, 0, 0]); // nop
        code.extend([0xe9, 0xf0, 0xff, 0xff, 0xff]); // jmp to the start
        code.extend([0x48, 0x89, 0xc8, RET]); // over: mov rax, rcx; ret
        let n = code.len() as u32;
        let moved = compact(&mut code, n, &[], [].into_iter()).unwrap();
        let want = [
            "0  je short 4",
            "2  jmp short 0",
            "4  mov rax,rcx",
            "7  ret",
        ];
        assert_eq!(text(&code), want);
        let to: Vec<u32> = [0, 6, 11, 16, 19].map(|o| moved.to(o)).into();
        assert_eq!(to, [0, 2, 2, 4, 7]);
    }

    #[test]
    fn far_jumps_stay_long_and_jumps_to_what_follows_go() {
        let mut code = vec![0xe9, 0, 0, 0, 0]; // jmp next
        code.extend([0x0f, 0x85, 150, 0, 0, 0]); // jne over
        code.extend([0x50; 150]); // push rax ...
        code.push(RET);
        let n = code.len() as u32;
        compact(&mut code, n, &[], [].into_iter()).unwrap();
        let text = text(&code);
        assert_eq!(text[0], "0  jne 0x000000000000009C");
        assert_eq!(text.len(), 152);
        assert_eq!(text[151], "9c  ret");
    }

    #[test]
    fn constants_and_relocations_move_along() {
        let mut code = vec![0x90; 9];
        code.extend([0x0f, 0x28, 0x05, 16, 0, 0, 0]); // movaps xmm0, [constant], at 9; ends at 16
        code.extend([0x48, 0x8d, 0x3d, 0xfc, 0xff, 0xff, 0xff]); // lea rdi, [a relocation], field at 19
        code.extend([RET, 0x90]);
        code.resize(32, 0);
        code.extend([7; 16]); // the constant
        code.extend([0x0f, 0x28, 0x0d, 0xe9, 0xff, 0xff, 0xff, RET]); // a stub: movaps xmm1, [constant]
        let moved = compact(&mut code, 48, &[19], [].into_iter()).unwrap();
        assert_eq!(moved.to(9), 0);
        assert_eq!(moved.to(19), 10);
        assert_eq!(moved.to(32), 32);
        assert_eq!(moved.to(48), 48);
        assert_eq!(code[10..14], [0xfc, 0xff, 0xff, 0xff]);
        assert_eq!(code[32..48], [7; 16]);
        let text = [text(&code[..7]), text(&code[48..])].concat();
        assert_eq!(text[0], "0  movaps xmm0,[0x20]");
        assert_eq!(text[1], "0  movaps xmm1,[0xFFFFFFFFFFFFFFF0]");
    }

    #[test]
    fn a_poll_becomes_one_comparison() {
        let poll = |value: u8| {
            let mut code = vec![0x4c, 0x89, 0xf8]; // mov rax, r15
            code.extend([0x8b, 0x80 | value << 3]); // mov value, [rax + stop]
            code.extend(STOP.to_le_bytes());
            code.extend([0x85, 0xc0 | value << 3 | value]); // test value, value
            code.extend([0x0f, 0x85, 0, 0, 0, 0, RET]); // jne
            let n = code.len() as u32;
            compact(&mut code, n, &[], [].into_iter()).unwrap();
            text(&code)
        };
        let short = poll(0);
        assert!(short[0].starts_with("0  cmp dword ptr [r15-"), "{short:?}");
        assert_eq!(short.len(), 2, "{short:?}");
        // The base is not overwritten, so somebody may need it.
        assert_eq!(poll(1).len(), 4);
    }

    #[test]
    fn a_comparison_is_not_repeated() {
        let lines = |entered: &[u32]| {
            let ucomiss = [0x0f, 0x2e, 0xc1];
            let mut code = ucomiss.to_vec();
            code.extend([0x0f, 0x8a, 6, 0, 0, 0]); // jp over
            code.extend(ucomiss);
            code.extend([0x77, 0xf2, RET]); // ja to the start
            code.push(RET); // over
            let n = code.len() as u32;
            compact(&mut code, n, &[], entered.iter().copied()).unwrap();
            text(&code).len()
        };
        assert_eq!(lines(&[]), 5);
        // Somebody comes from elsewhere, with other flags.
        assert_eq!(lines(&[9]), 6);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for code in [
            &[0xeb, 0xff, RET][..],       // a jump into an instruction
            &[0xe8, 0, 0, 0, 0, RET],     // a call
            &[0x0f, 0x04, RET],           // nothing
            &[0x48, 0x8b, 0x05, 0, 0, 0], // cut off
        ] {
            assert!(compact(&mut code.to_vec(), code.len() as u32, &[], [].into_iter()).is_err());
        }
    }
}
