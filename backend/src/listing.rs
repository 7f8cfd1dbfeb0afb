//! Host listings for people: code as text, with guest addresses and fault sites.

use crate::emit::CompiledUnit;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Formatter, IntelFormatter};
use std::fmt::Write;

/// Disassembles bytes that execute at `address`, one instruction a line.
pub fn disassemble(code: &[u8], address: u64) -> String {
    let mut out = String::new();
    lines(code, address, |_, text| {
        let _ = writeln!(out, "{text}");
    });
    out
}

fn lines(code: &[u8], address: u64, mut f: impl FnMut(u32, String)) {
    let mut fmt = IntelFormatter::new();
    fmt.options_mut().set_hex_prefix("0x");
    fmt.options_mut().set_hex_suffix("");
    let mut d = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    while d.can_decode() {
        let i = d.decode();
        let mut text = String::new();
        fmt.format(&i, &mut text);
        let off = (i.ip() - address) as u32;
        f(off, format!("{off:5x}  {text}"));
    }
}

impl CompiledUnit {
    /// Host instructions from the first entry to where control leaves the unit, as far as conditional branches are not taken (what they lead to
    /// is rare).
    pub fn path_length(&self) -> usize {
        let mut at = self.entries.first().map_or(0, |e| e.1 as usize);
        let mut n = 0;
        while at < self.code.len() && n < 10_000 {
            let mut d = Decoder::with_ip(64, &self.code[at..], at as u64, DecoderOptions::NONE);
            let i = d.decode();
            n += 1;
            let next = i.next_ip() as usize;
            let relocated = (self.relocs.iter()).any(|r| (at..next).contains(&(r.offset as usize)));
            at = match i.flow_control() {
                FlowControl::UnconditionalBranch if !relocated => i.near_branch_target() as usize,
                FlowControl::UnconditionalBranch
                | FlowControl::IndirectBranch
                | FlowControl::Return
                | FlowControl::Exception => break,
                _ => next,
            };
        }
        n
    }

    /// The unit's host code (constants and stubs behind it included), each guest instruction's part headed by its address.
    pub fn listing(&self) -> String {
        let mut out = String::new();
        let mut last = None;
        lines(&self.code, 0, |off, text| {
            let pc = self.pcmap.pc_at(off);
            if pc != last {
                if let Some(pc) = pc {
                    let _ = writeln!(out, "; guest {pc:#x}");
                }
                last = pc;
            }
            let note = match self.fault_at(off) {
                Some(f) => format!("   ; fault -> {:x}", f.landing_offset),
                None => String::new(),
            };
            let _ = writeln!(out, "{text}{note}");
        });
        out
    }
}
