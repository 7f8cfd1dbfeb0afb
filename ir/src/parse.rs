//! Reads the text form that [`crate::display`] writes (described there); text after `;` and lines that begin
//! with `#` are ignored.
//!
//! Beyond what `Display` writes, a person may name values as he likes (`sum:i64 = add a, b`): a value is its place, not
//! its name. Parsing checks the grammar only; whether the unit makes sense is [`crate::verify`]'s business.

use std::collections::HashMap;

use crate::display::{INDIRECT, arg_count, aux_from_suffix, indirect_name};
use crate::exit::{Dest, Exit, TrapKind};
use crate::guest::SlotTable;
use crate::helper::HelperId;
use crate::inst::{Inst, Value};
use crate::ops::{AuxFmt, ImmFmt, Op};
use crate::types::Type;
use crate::unit::{Block, BlockId, Unit};

/// Where and why a text is not a unit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

type Result<T> = std::result::Result<T, String>;

/// Reads a unit whose slots are those of `slots`.
pub fn parse(text: &str, slots: &'static SlotTable) -> std::result::Result<Unit, ParseError> {
    let lines: Vec<(usize, Line<'_>)> = (text.lines().enumerate())
        .map(|(i, l)| (i + 1, l.split(';').next().unwrap_or("").trim()))
        .filter(|(_, l)| !l.is_empty() && !l.starts_with('#'))
        .map(|(i, l)| (i, Line::classify(l)))
        .collect();
    let mut p = Parser {
        unit: Unit::new(slots),
        names: HashMap::new(),
        open: false,
    };
    // Values first: bad units may use them before their definition.
    let mut count = 0;
    for (line, l) in &lines {
        if let Line::Inst { def, .. } = l {
            p.define(*def, count).map_err(|message| ParseError {
                line: *line,
                message,
            })?;
            count += 1;
        }
    }
    let last = lines.last().map_or(1, |(i, _)| *i);
    for (line, l) in lines {
        p.line(l).map_err(|message| ParseError { line, message })?;
    }
    if p.open {
        let message = "the last block has no exit".to_string();
        return Err(ParseError {
            line: last,
            message,
        });
    }
    Ok(p.unit)
}

#[derive(Clone, Copy)]
enum Line<'t> {
    Mode(&'t str),
    Block(&'t str),
    /// An exit: its word and the rest.
    Exit(&'t str, &'t str),
    Inst {
        /// `name:type` if there is a result.
        def: Option<&'t str>,
        op: &'t str,
        operands: &'t str,
    },
}

impl<'t> Line<'t> {
    fn classify(line: &'t str) -> Line<'t> {
        let (word, rest) = split_word(line);
        if word == "mode" {
            return Line::Mode(rest);
        }
        if word.starts_with("block") && line.ends_with(':') {
            return Line::Block(line);
        }
        if matches!(word, "goto" | "branch" | "trap") || word.starts_with("indirect.") {
            return Line::Exit(word, rest);
        }
        let (def, body) = match line.split_once('=') {
            // `aux=` and `imm=` are no definitions.
            Some((d, b)) if d.contains(':') => (Some(d.trim()), b.trim()),
            _ => (None, line),
        };
        let (op, operands) = split_word(body);
        Line::Inst { def, op, operands }
    }
}

/// The first word and what follows it.
fn split_word(s: &str) -> (&str, &str) {
    let (a, b) = s.split_once(char::is_whitespace).unwrap_or((s, ""));
    (a, b.trim())
}

struct Parser<'t> {
    unit: Unit,
    names: HashMap<&'t str, Value>,
    /// Whether the last block still waits for its exit.
    open: bool,
}

impl<'t> Parser<'t> {
    fn define(&mut self, def: Option<&'t str>, index: u32) -> Result<()> {
        let Some(def) = def else { return Ok(()) };
        let (name, _) = def.split_once(':').ok_or("a result is written name:type")?;
        match self.names.insert(name.trim(), Value(index)) {
            Some(_) => Err(format!("{name} is defined twice")),
            None => Ok(()),
        }
    }

    fn line(&mut self, line: Line<'t>) -> Result<()> {
        match line {
            Line::Mode(n) => self.unit.mode = number(n)?,
            Line::Block(header) => {
                if self.open {
                    return Err("the block before has no exit".to_string());
                }
                let block = self.block_header(header.trim_end_matches(':'))?;
                self.unit.blocks.push(block);
                self.open = true;
            }
            _ if !self.open => return Err("expected a block header".to_string()),
            Line::Exit(word, rest) => {
                let exit = self.exit(word, rest)?;
                let end = self.unit.insts.len() as u32;
                if let Some(b) = self.unit.blocks.last_mut() {
                    b.exit = exit;
                    b.end = end;
                }
                self.open = false;
            }
            Line::Inst { def, op, operands } => {
                let inst = self.inst(def, op, operands)?;
                self.unit.insts.push(inst);
            }
        }
        Ok(())
    }

    fn block_header(&self, header: &str) -> Result<Block> {
        let words: Vec<&str> = header.split_whitespace().collect();
        let (label, pc, len, entry) = match words[..] {
            [label, pc, "len", len] => (label, pc, len, false),
            [label, pc, "len", len, "entry"] => (label, pc, len, true),
            _ => return Err("a block is headed `blockN @PC len N [entry]:`".to_string()),
        };
        let expected = self.unit.blocks.len();
        if label != format!("block{expected}") {
            return Err(format!("expected block{expected}"));
        }
        let start = self.unit.insts.len() as u32;
        Ok(Block {
            pc: at_pc(pc)?,
            guest_len: narrow(number(len)?)?,
            start,
            end: start,
            // Replaced when the exit's line comes.
            exit: Exit::Goto {
                dest: Dest::Pc(0),
                call: false,
            },
            entry,
        })
    }

    fn exit(&self, word: &str, rest: &str) -> Result<Exit> {
        if let Some(kind) = word.strip_prefix("indirect.") {
            let kind = INDIRECT.into_iter().find(|&k| indirect_name(k) == kind);
            return Ok(Exit::Indirect {
                target: self.value(rest)?,
                kind: kind.ok_or("no such indirect branch")?,
            });
        }
        match word {
            "goto" => match split_word(rest) {
                (d, "") => Ok(Exit::Goto {
                    dest: dest(d)?,
                    call: false,
                }),
                (d, "call") => Ok(Exit::Goto {
                    dest: dest(d)?,
                    call: true,
                }),
                _ => Err("a goto is written `goto DEST [call]`".to_string()),
            },
            "branch" => {
                let parts: Vec<&str> = rest.split(',').map(str::trim).collect();
                let [cond, taken, fall] = parts[..] else {
                    return Err("a branch is written `branch COND, DEST, DEST`".to_string());
                };
                Ok(Exit::Branch {
                    cond: self.value(cond)?,
                    taken: dest(taken)?,
                    fall: dest(fall)?,
                })
            }
            _ => trap(rest),
        }
    }

    fn inst(&mut self, def: Option<&str>, op_text: &str, operands: &str) -> Result<Inst> {
        let (op, suffix) = split_op(op_text).ok_or_else(|| format!("no op `{op_text}`"))?;
        let mut inst = Inst {
            op,
            ty: Type::Void,
            aux: 0,
            args: [Value::NONE; 4],
            imm: 0,
        };
        if let Some(ty) = def.and_then(|d| d.split_once(':')) {
            let name = ty.1.trim();
            let ty = Type::ALL.into_iter().find(|t| t.name() == name);
            inst.ty = ty.ok_or_else(|| format!("no type `{name}`"))?;
        }
        let mut rest = operands;
        let first = matches!(op.info().imm, ImmFmt::Slot | ImmFmt::Helper);
        if first && !rest.contains("imm=") {
            let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
            inst.imm = self.first_operand(op, name.trim())?;
            rest = after;
        }
        let raw_aux = self.operands(&mut inst, rest)?;
        inst.aux = match raw_aux {
            Some(aux) => aux,
            None => aux_from_suffix(op.info().aux, suffix)
                .ok_or_else(|| format!("`{op_text}`: bad or missing attributes"))?,
        };
        let given = inst.args.iter().filter(|&&a| a != Value::NONE).count();
        if operands.is_empty() && arg_count(&inst) > given {
            return Err(format!("`{op_text}` needs arguments"));
        }
        Ok(inst)
    }

    /// A slot's or helper's name.
    fn first_operand(&self, op: Op, name: &str) -> Result<u64> {
        if op.info().imm == ImmFmt::Slot {
            let slot = self.unit.slots.by_name(name);
            return slot
                .map(|s| s.0 as u64)
                .ok_or_else(|| format!("no slot `{name}`"));
        }
        let id = HelperId::ALL.iter().find(|h| h.info().name == name);
        id.map(|&h| h as u64)
            .ok_or_else(|| format!("no helper `{name}`"))
    }

    /// Arguments, immediate, and `aux=` if given.
    fn operands(&mut self, inst: &mut Inst, text: &str) -> Result<Option<u32>> {
        let mut aux = None;
        let mut count = 0;
        for t in text.split(',').map(str::trim).filter(|t| !t.is_empty()) {
            let imm = inst.op.info().imm;
            if let Some(n) = t.strip_prefix("aux=") {
                aux = Some(narrow(number(n)?)?);
            } else if let Some(n) = t.strip_prefix("imm=") {
                inst.imm = number(n)?;
            } else if let Some(n) = t.strip_prefix('#') {
                inst.imm = self.constant(imm, n)?;
            } else if imm == ImmFmt::Pc && t.starts_with(|c: char| c.is_ascii_digit()) {
                inst.imm = number(t)?;
            } else if let Some(bits) = nzcv(t).filter(|_| imm == ImmFmt::Nzcv) {
                inst.imm = bits;
            } else if count == 4 {
                return Err("more than four arguments".to_string());
            } else {
                let (v, offset) = split_word(t);
                inst.args[count] = self.value(v)?;
                count += 1;
                if !offset.is_empty() {
                    inst.imm = offset_number(offset)?;
                }
            }
        }
        Ok(aux)
    }

    /// A number after `#`: itself, or its place in the constant pool.
    fn constant(&mut self, fmt: ImmFmt, text: &str) -> Result<u64> {
        if fmt != ImmFmt::ConstPool {
            return number(text);
        }
        let c = wide_number(text)?;
        let pool = &mut self.unit.consts;
        let known = pool.iter().position(|&k| k == c);
        Ok(known.unwrap_or_else(|| {
            pool.push(c);
            pool.len() - 1
        }) as u64)
    }

    fn value(&self, name: &str) -> Result<Value> {
        if name == "_" {
            return Ok(Value::NONE);
        }
        if let Some(n) = name.strip_prefix('%') {
            return Ok(Value(narrow(number(n)?)?));
        }
        let v = self.names.get(name).copied();
        v.ok_or_else(|| format!("no value `{name}`"))
    }
}

/// The op and its attributes (with the leading dot). Op names may contain a dot themselves: the longest name wins.
fn split_op(text: &str) -> Option<(Op, &str)> {
    let ends = text.match_indices('.').map(|(i, _)| i).chain([text.len()]);
    let ends: Vec<usize> = ends.collect();
    ends.into_iter().rev().find_map(|end| {
        let op = Op::ALL.iter().find(|o| o.info().name == &text[..end])?;
        // `const.v` is an op; `const` has no attributes that could be read there.
        let rest = &text[end..];
        let plain = matches!(op.info().aux, AuxFmt::None | AuxFmt::Number);
        (rest.is_empty() || !plain).then_some((*op, rest))
    })
}

fn trap(rest: &str) -> Result<Exit> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (kind, payload, pc) = match words[..] {
        [kind, pc] => (kind, None, pc),
        [kind, n, pc] => {
            let n = n.strip_prefix('#').ok_or("a payload is written #N")?;
            (kind, Some(number(n)?), pc)
        }
        _ => return Err("a trap is written `trap KIND [#N] @PC`".to_string()),
    };
    let kind = match (kind, payload) {
        ("svc", Some(n)) => TrapKind::Svc(narrow(n)?),
        ("brk", Some(n)) => TrapKind::Brk(narrow(n)?),
        ("sync", Some(n)) => TrapKind::Sync(narrow(n)?),
        ("unimplemented", Some(n)) => TrapKind::Unimplemented(narrow(n)?),
        ("undefined", None) => TrapKind::Undefined,
        ("fetch_fault", None) => TrapKind::FetchFault,
        _ => return Err(format!("no trap `{rest}`")),
    };
    Ok(Exit::Trap {
        kind,
        pc: at_pc(pc)?,
    })
}

fn dest(text: &str) -> Result<Dest> {
    match text.strip_prefix("block") {
        Some(n) => Ok(Dest::Block(BlockId(narrow(number(n)?)?))),
        None => Ok(Dest::Pc(number(text)?)),
    }
}

fn at_pc(text: &str) -> Result<u64> {
    number(
        text.strip_prefix('@')
            .ok_or("an address here is written @N")?,
    )
}

/// `+ N` or `- N`, modulo 2^64.
fn offset_number(text: &str) -> Result<u64> {
    match split_word(text) {
        ("+", n) => number(n),
        ("-", n) => Ok(number(n)?.wrapping_neg()),
        _ => Err(format!("expected `+ N` or `- N`, not `{text}`")),
    }
}

/// Packed flags from `nZcv`.
fn nzcv(text: &str) -> Option<u64> {
    if !text.eq_ignore_ascii_case("nzcv") {
        return None;
    }
    let bits = text.bytes().enumerate();
    Some(
        bits.map(|(i, b)| u64::from(b.is_ascii_uppercase()) << (31 - i))
            .sum(),
    )
}

fn narrow<T: TryFrom<u64>>(n: u64) -> Result<T> {
    T::try_from(n).map_err(|_| format!("{n:#x} is too large here"))
}

fn number(text: &str) -> Result<u64> {
    narrow_wide(wide_number(text)?, text)
}

fn narrow_wide(n: u128, text: &str) -> Result<u64> {
    u64::try_from(n).map_err(|_| format!("{text} is too large here"))
}

fn wide_number(text: &str) -> Result<u128> {
    let n = match text.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16),
        None => text.parse(),
    };
    n.map_err(|_| format!("expected a number, not `{text}`"))
}
