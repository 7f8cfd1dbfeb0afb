//! The text form of a unit, for people, dumps and tests. [`crate::parse`] is its exact inverse.
//!
//! ```text
//! mode 0x1                               (only if not zero)
//! block0 @0x1000 len 8 entry:
//!   mark 0x1000
//!   v1:i64 = get x0                      value:type = op arguments
//!   v2:i64 = load.32.s.acq v1 + 16       attributes follow the op's name after dots
//!   v3:v128 = vbin.saddl.h4.hi v0, v1
//!   v4:i64 = shl_i v2, #3                numbers
//!   set x0, v4
//!   goto block1 | goto 0x2000 call | branch v1, block1, 0x1008 | indirect.return v4 | trap svc #0 @0x1004
//! ```
//!
//! A value's number is its instruction's index. Any instruction record can be written, also one that the verifier
//! refuses: an attribute that has no symbolic form appears as `aux=N` or `imm=N`, an argument that names no value as
//! `%N`, a missing one as `_`. What is not kept: the numbering of the constant pool (constants appear by value), and
//! block ranges that do not follow each other (invariant 2 of [`crate::verify`]).

use std::fmt;

use crate::exit::{Dest, Exit, IndirectKind, TrapKind};
use crate::flags::Cond;
use crate::helper::HelperId;
use crate::inst::{Inst, MemInfo, Order, Shape, Value};
use crate::ops::{AuxFmt, Fence, ImmFmt, IntCond, Op, Rmw, Round};
use crate::ops::{VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
use crate::ops_vector::HI;
use crate::types::Type;
use crate::unit::{Block, BlockId, Unit};

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mode != 0 {
            writeln!(f, "mode {:#x}", self.mode)?;
        }
        for (i, b) in self.blocks.iter().enumerate() {
            self.write_block(f, i, b)?;
        }
        Ok(())
    }
}

impl Unit {
    fn write_block(&self, f: &mut fmt::Formatter<'_>, i: usize, b: &Block) -> fmt::Result {
        let entry = if b.entry { " entry" } else { "" };
        writeln!(f, "block{i} @{:#x} len {}{entry}:", b.pc, b.guest_len)?;
        for i in b.start..b.end {
            let text = self.inst_text(Value(i));
            if text.is_empty() {
                writeln!(f, "  (no instruction {i})")?;
            } else {
                writeln!(f, "  {text}")?;
            }
        }
        writeln!(f, "  {}", self.exit_text(&b.exit))
    }

    /// The text of one instruction, without indentation. Empty if there is no such instruction.
    pub fn inst_text(&self, v: Value) -> String {
        let Some(inst) = self.insts.get(v.0 as usize) else {
            return String::new();
        };
        let def = match inst.ty {
            Type::Void => String::new(),
            ty => format!("v{}:{} = ", v.0, ty.name()),
        };
        let aux = aux_suffix(inst);
        let mut operands = self.operands(inst);
        if aux.is_none() && inst.aux != 0 {
            operands.push(format!("aux={:#x}", inst.aux));
        }
        let name = inst.op.info().name;
        let text = format!("{def}{name}{}", aux.unwrap_or_default());
        match operands.len() {
            0 => text,
            _ => format!("{text} {}", operands.join(", ")),
        }
    }

    /// The text of an exit.
    pub fn exit_text(&self, e: &Exit) -> String {
        match *e {
            Exit::Goto { dest, call } => {
                format!(
                    "goto {}{}",
                    dest_text(dest),
                    if call { " call" } else { "" }
                )
            }
            Exit::Branch { cond, taken, fall } => {
                let cond = self.value_text(cond);
                format!("branch {cond}, {}, {}", dest_text(taken), dest_text(fall))
            }
            Exit::Indirect { target, kind } => {
                format!(
                    "indirect.{} {}",
                    indirect_name(kind),
                    self.value_text(target)
                )
            }
            Exit::Trap { kind, pc } => format!("trap {} @{pc:#x}", trap_text(kind)),
        }
    }

    /// Arguments and immediate in writing order.
    fn operands(&self, inst: &Inst) -> Vec<String> {
        let given = inst.args.iter().rposition(|&a| a != Value::NONE);
        let count = arg_count(inst).max(given.map_or(0, |p| p + 1));
        let mut out: Vec<String> = (inst.args[..count].iter())
            .map(|&a| self.value_text(a))
            .collect();
        let imm = inst.imm;
        let fallback = format!("imm={imm:#x}");
        match inst.op.info().imm {
            ImmFmt::Slot => match self.slots.rows.get(imm as usize) {
                Some(row) => out.insert(0, row.name.to_string()),
                None => out.push(fallback),
            },
            ImmFmt::Helper => match HelperId::from_imm(imm) {
                Some(id) => out.insert(0, id.info().name.to_string()),
                None => out.push(fallback),
            },
            ImmFmt::Pc => out.push(format!("{imm:#x}")),
            // The offset hangs on the address, the first argument.
            ImmFmt::Offset if imm != 0 && count > 0 => out[0] += &offset_text(imm as i64),
            ImmFmt::ConstPool => match self.consts.get(imm as usize) {
                Some(c) => out.push(format!("#{c:#x}")),
                None => out.push(fallback),
            },
            ImmFmt::Nzcv if imm & !0xf000_0000 == 0 => out.push(nzcv_text(imm as u32)),
            ImmFmt::Number if matches!(inst.op, Op::Nop | Op::VTern) && imm == 0 => {}
            ImmFmt::Number | ImmFmt::Lane => out.push(format!("#{}", number(imm))),
            _ if imm != 0 => out.push(fallback),
            _ => {}
        }
        out
    }

    fn value_text(&self, v: Value) -> String {
        match self.insts.get(v.0 as usize) {
            _ if v == Value::NONE => "_".to_string(),
            Some(i) if i.ty != Type::Void => format!("v{}", v.0),
            _ => format!("%{}", v.0),
        }
    }
}

/// How many arguments the op's row (for `Call`: the helper's) asks for.
pub(crate) fn arg_count(inst: &Inst) -> usize {
    match inst.op {
        Op::Call => HelperId::from_imm(inst.imm).map_or(0, |h| h.info().args.len()),
        op => op.info().args as usize,
    }
}

fn number(n: u64) -> String {
    if n < 256 {
        n.to_string()
    } else {
        format!("{n:#x}")
    }
}

fn offset_text(off: i64) -> String {
    let sign = if off < 0 { '-' } else { '+' };
    format!(" {sign} {}", number(off.unsigned_abs()))
}

/// `nZcv`: capital letters are set flags.
fn nzcv_text(bits: u32) -> String {
    "nzcv"
        .chars()
        .enumerate()
        .map(|(i, c)| {
            if bits >> (31 - i) & 1 != 0 {
                c.to_ascii_uppercase()
            } else {
                c
            }
        })
        .collect()
}

fn dest_text(d: Dest) -> String {
    match d {
        Dest::Block(BlockId(b)) => format!("block{b}"),
        Dest::Pc(pc) => format!("{pc:#x}"),
    }
}

pub(crate) const INDIRECT: [IndirectKind; 3] =
    [IndirectKind::Jump, IndirectKind::Call, IndirectKind::Return];

pub(crate) fn indirect_name(k: IndirectKind) -> &'static str {
    match k {
        IndirectKind::Jump => "jump",
        IndirectKind::Call => "call",
        IndirectKind::Return => "return",
    }
}

fn trap_text(k: TrapKind) -> String {
    match k {
        TrapKind::Svc(n) => format!("svc #{}", number(n.into())),
        TrapKind::Brk(n) => format!("brk #{}", number(n.into())),
        TrapKind::Undefined => "undefined".to_string(),
        TrapKind::Unimplemented(w) => format!("unimplemented #{w:#x}"),
        TrapKind::Sync(n) => format!("sync #{}", number(n.into())),
        TrapKind::FetchFault => "fetch_fault".to_string(),
    }
}

/// The attributes as text, each after a dot; `None` if `aux` has no symbolic form (zero needs none).
pub(crate) fn aux_suffix(inst: &Inst) -> Option<String> {
    let text = aux_text(inst.op.info().aux, inst.aux)?;
    // What the reader would make of it decides whether it may stand for these bits.
    (aux_from_suffix(inst.op.info().aux, &text) == Some(inst.aux)).then_some(text)
}

fn aux_text(fmt: AuxFmt, aux: u32) -> Option<String> {
    let kind = |name: &str| {
        let shape = Shape::from_bits(aux & 0xff).name();
        let hi = if aux & HI != 0 { ".hi" } else { "" };
        Some(format!(".{name}.{shape}{hi}"))
    };
    match fmt {
        AuxFmt::None | AuxFmt::Number => None,
        AuxFmt::Mem => Some(mem_suffix(MemInfo::unpack(aux))),
        AuxFmt::IntCond => Some(format!(".{}", int_cond_name(IntCond::from_bits(aux)))),
        AuxFmt::Cond => Some(format!(".{}", Cond::from_bits(aux).name())),
        AuxFmt::Shape => Some(format!(".{}", Shape::from_bits(aux).name())),
        AuxFmt::VUn => kind(VUnKind::from_aux(aux).name()),
        AuxFmt::VBin => kind(VBinKind::from_aux(aux).name()),
        AuxFmt::VTern => kind(VTernKind::from_aux(aux).name()),
        AuxFmt::VShift => kind(VShiftKind::from_aux(aux).name()),
        AuxFmt::VRed => kind(VRedKind::from_aux(aux).name()),
        AuxFmt::Rmw => {
            let mem = mem_suffix(MemInfo::unpack(aux & 0xfff));
            Some(format!(".{}{mem}", rmw_name(Rmw::from_aux(aux))))
        }
        AuxFmt::Round => {
            let signed = if aux & Round::SIGNED != 0 {
                ".signed"
            } else {
                ""
            };
            let exact = if aux & Round::EXACT != 0 {
                ".exact"
            } else {
                ""
            };
            Some(format!(
                ".{}{signed}{exact}",
                round_name(Round::from_bits(aux))
            ))
        }
        AuxFmt::Fence => Some(format!(".{}", fence_name(Fence::from_bits(aux)))),
    }
}

fn mem_suffix(m: MemInfo) -> String {
    let mut s = format!(".{}", 8u32 << m.size);
    if m.signed {
        s += ".s";
    }
    if m.order != Order::Plain {
        s += ".";
        s += order_name(m.order);
    }
    if m.unpriv {
        s += ".unpriv";
    }
    if m.aligned {
        s += ".aligned";
    }
    s
}

/// `aux` from the dotted attributes after the op's name (with the leading dot); the inverse of [`aux_text`].
pub(crate) fn aux_from_suffix(fmt: AuxFmt, text: &str) -> Option<u32> {
    let mut words = text.split('.').skip(1);
    let aux = match fmt {
        AuxFmt::None | AuxFmt::Number => 0,
        AuxFmt::Mem => return mem_from(words),
        AuxFmt::IntCond => find(&IntCond::ALL, int_cond_name, words.next()?)? as u32,
        AuxFmt::Cond => find(&Cond::ALL, Cond::name, words.next()?)? as u32,
        AuxFmt::Shape => find(&Shape::ALL, Shape::name, words.next()?)? as u32,
        AuxFmt::VUn => kind_from(&mut words, |w| {
            find(VUnKind::ALL, VUnKind::name, w).map(|k| k as u32)
        })?,
        AuxFmt::VBin => kind_from(&mut words, |w| {
            find(VBinKind::ALL, VBinKind::name, w).map(|k| k as u32)
        })?,
        AuxFmt::VTern => kind_from(&mut words, |w| {
            find(VTernKind::ALL, VTernKind::name, w).map(|k| k as u32)
        })?,
        AuxFmt::VShift => kind_from(&mut words, |w| {
            find(VShiftKind::ALL, VShiftKind::name, w).map(|k| k as u32)
        })?,
        AuxFmt::VRed => kind_from(&mut words, |w| {
            find(VRedKind::ALL, VRedKind::name, w).map(|k| k as u32)
        })?,
        AuxFmt::Rmw => {
            let op = find(&Rmw::ALL, rmw_name, words.next()?)? as u32;
            return Some(op << 12 | mem_from(words)?);
        }
        AuxFmt::Round => {
            let mut aux = find(&ROUNDS, round_name, words.next()?)? as u32;
            for w in words.by_ref() {
                aux |= match w {
                    "signed" => Round::SIGNED,
                    "exact" => Round::EXACT,
                    _ => return None,
                };
            }
            aux
        }
        AuxFmt::Fence => find(&FENCES, fence_name, words.next()?)? as u32,
    };
    words.next().is_none().then_some(aux)
}

fn kind_from<'a>(
    words: &mut impl Iterator<Item = &'a str>,
    kind: impl Fn(&str) -> Option<u32>,
) -> Option<u32> {
    let k = kind(words.next()?)?;
    let shape = find(&Shape::ALL, Shape::name, words.next()?)? as u32;
    match words.next() {
        None => Some(k << 8 | shape),
        Some("hi") => Some(k << 8 | shape | HI),
        Some(_) => None,
    }
}

fn mem_from<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<u32> {
    let bits = words.next()?.parse::<u32>().ok()?;
    let size = (0..8u8).find(|&s| 8u32 << s == bits)?;
    let mut m = MemInfo::plain(size);
    for w in words {
        match w {
            "s" => m.signed = true,
            "unpriv" => m.unpriv = true,
            "aligned" => m.aligned = true,
            _ => m.order = find(&ORDERS, order_name, w)?,
        }
    }
    Some(m.pack())
}

/// The member of `all` with this name.
fn find<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, text: &str) -> Option<T> {
    all.iter().copied().find(|&t| name(t) == text)
}

pub(crate) fn int_cond_name(c: IntCond) -> &'static str {
    [
        "eq", "ne", "ult", "ule", "ugt", "uge", "slt", "sle", "sgt", "sge",
    ][c as usize]
}

fn rmw_name(r: Rmw) -> &'static str {
    [
        "add", "clr", "eor", "set", "smax", "smin", "umax", "umin", "swp",
    ][r as usize]
}

const ROUNDS: [Round; 7] = [
    Round::TieEven,
    Round::PosInf,
    Round::NegInf,
    Round::Zero,
    Round::TieAway,
    Round::Current,
    Round::Odd,
];

fn round_name(r: Round) -> &'static str {
    ["n", "p", "m", "z", "a", "current", "odd"][r as usize]
}

const FENCES: [Fence; 3] = [Fence::Load, Fence::Store, Fence::Full];

fn fence_name(f: Fence) -> &'static str {
    ["load", "store", "full"][f as usize]
}

const ORDERS: [Order; 5] = [
    Order::Plain,
    Order::Acquire,
    Order::AcquirePc,
    Order::Release,
    Order::AcqRel,
];

fn order_name(o: Order) -> &'static str {
    ["plain", "acq", "acqpc", "rel", "acqrel"][o as usize]
}
