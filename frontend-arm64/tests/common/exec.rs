//! Both sides of a comparison: `tests/oracle/exec.c` under qemu-aarch64, and our translation run by the reference interpreter.
//! Knows nothing about which cases are interesting.
//!
//! Environment: `METAPHRASE_QEMU_AARCH64` names the emulator (default: `qemu-aarch64-static` or `qemu-aarch64` in PATH);
//! `METAPHRASE_REQUIRE_ORACLES=1` makes a missing tool a failure.

use metaphrase_arm64::arch::pauth::{self, Keys};
use metaphrase_arm64::arch::state::{self, FPCR, GuestState, NZCV, SLOTS, SP, branch_address};
use metaphrase_arm64::translate::{Config, mops, translate_block};
use metaphrase_ir::arith::FpEnv;
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::interp::{self, Fault, FaultKind, Guest, Left, State as Slots};
use metaphrase_ir::{BlockId, Dest, Exit, MemInfo, Slot, TrapKind, Unit, opt};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where the code area is.
pub const CODE: u64 = 0x30_0000_0000;
/// Its size; all of it holds BRK instructions.
pub const CODE_BYTES: u64 = 16 << 20;
/// Where the data window is.
pub const DATA: u64 = 0x20_0000_0000;
/// Its size.
pub const DATA_BYTES: u64 = 65536;
/// An SVC that does nothing: a place where the runtime has control.
pub const SAFEPOINT: u16 = 1;
/// SVC of this number plus n turns over [`PATCHED_BIT`] of word n of the program.
pub const PATCH: u16 = 0x100;
/// Lowest bit of the immediate of an ADD.
pub const PATCHED_BIT: u32 = 1 << 10;
/// What the rest of the code area holds.
pub const BRK: u32 = 0xd420_0000;
/// FPCR bits that are part of a translation's key.
const FPCR_MODE: u32 = 0x07c8_0000;

/// Linux signal numbers.
pub const SIGILL: u32 = 4;
/// Breakpoint.
pub const SIGTRAP: u32 = 5;
/// Alignment.
pub const SIGBUS: u32 = 7;
/// Anything else with memory.
pub const SIGSEGV: u32 = 11;
/// It does not end: more than [`BLOCKS`] blocks.
pub const SIGALRM: u32 = 14;
/// Blocks that the reference interpreter executes at most.
const BLOCKS: u32 = 100_000;

/// Bytes of the runner's `struct out`.
const OUT_BYTES: usize = 832;

/// A complete register state: before a sequence, or after it with how it ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Regs {
    pub x: [u64; 31],
    pub sp: u64,
    pub nzcv: u32,
    pub fpcr: u32,
    pub fpsr: u32,
    pub v: [u128; 32],
    /// After: address of the instruction that could not be executed.
    pub pc: u64,
    /// After: signal.
    pub signo: u32,
    /// After: address that faulted.
    pub addr: u64,
    /// After: hash of the data window.
    pub hash: u64,
}

/// A sequence and the states to run it from.
#[derive(Clone, Debug)]
pub struct Group {
    pub words: Vec<u32>,
    pub at: u64,
    pub memory: bool,
    pub ins: Vec<Regs>,
}

/// A built runner and the emulator to run it.
pub struct Oracle {
    qemu: PathBuf,
    runner: PathBuf,
}

fn in_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names
        .iter()
        .flat_map(|n| std::env::split_paths(&path).map(move |d| d.join(n)))
        .find(|p| p.is_file())
}

impl Oracle {
    /// Finds the tools and builds the runner. `None`, with a note on stderr, if a tool is missing and not required.
    pub fn find() -> Option<Oracle> {
        let qemu = match std::env::var_os("METAPHRASE_QEMU_AARCH64") {
            Some(q) => Some(PathBuf::from(q)),
            None => in_path(&["qemu-aarch64-static", "qemu-aarch64"]),
        };
        let gcc = in_path(&["aarch64-linux-gnu-gcc"]);
        let (Some(qemu), Some(gcc)) = (qemu, gcc) else {
            let required = std::env::var("METAPHRASE_REQUIRE_ORACLES").is_ok_and(|v| v == "1");
            assert!(!required, "no qemu-aarch64 or no aarch64-linux-gnu-gcc");
            eprintln!("skipped: no qemu-aarch64 or no aarch64-linux-gnu-gcc");
            return None;
        };
        let runner = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exec-runner");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/oracle/exec.c");
        let status = Command::new(gcc)
            // Where no address that a case is likely to make finds it.
            .args(["-O2", "-static", "-Wl,-Ttext-segment=0x5a35a0000", "-o"])
            .args([&runner, &source])
            .status()
            .expect("gcc runs");
        assert!(status.success(), "building the runner");
        Some(Oracle { qemu, runner })
    }

    /// Runs all groups on a CPU without pointer authentication; results in the same order.
    pub fn run(&self, groups: &[Group]) -> Vec<Vec<Regs>> {
        self.finish(self.start("max,pauth=off,sve=off,sme=off"), groups)
    }

    /// Runs all groups on this CPU of the emulator.
    pub fn run_on(&self, cpu: &str, groups: &[Group]) -> Vec<Vec<Regs>> {
        self.finish(self.start(cpu), groups)
    }

    /// The runner, waiting for groups.
    fn start(&self, cpu: &str) -> Child {
        Command::new(&self.qemu)
            .args(["-cpu", cpu])
            .arg(&self.runner)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu runs")
    }

    /// Runs all groups on a CPU with pointer authentication. `look` sees, while the runner waits, what became of the group `first`
    /// and the emulator's process id; what it returns comes back with the results.
    pub fn run_signed<T>(
        &self,
        first: &Group,
        look: impl FnOnce(&[Regs], u32) -> T,
        groups: &[Group],
    ) -> (T, Vec<Vec<Regs>>) {
        let mut child = self.start("max,sve=off,sme=off");
        let mut input = Vec::new();
        write_group(first, &mut input);
        input[20] = 1; // flush
        let stdin = child.stdin.as_mut().expect("piped");
        stdin.write_all(&input).expect("pipe");
        let mut output = vec![0; OUT_BYTES * first.ins.len()];
        let stdout = child.stdout.as_mut().expect("piped");
        stdout.read_exact(&mut output).expect("pipe");
        let outs: Vec<Regs> = output.chunks_exact(OUT_BYTES).map(read_out).collect();
        let seen = look(&outs, child.id());
        (seen, self.finish(child, groups))
    }

    fn finish(&self, mut child: Child, groups: &[Group]) -> Vec<Vec<Regs>> {
        let mut input = Vec::new();
        groups.iter().for_each(|g| write_group(g, &mut input));
        let mut stdin = child.stdin.take().expect("piped");
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let mut output = Vec::new();
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_to_end(&mut output).expect("pipe");
        writer.join().expect("no panic").expect("pipe");
        assert!(child.wait().expect("child").success(), "the runner failed");
        let mut outs = output.chunks_exact(OUT_BYTES).map(read_out);
        groups
            .iter()
            .map(|g| outs.by_ref().take(g.ins.len()).collect())
            .collect()
    }
}

fn write_group(g: &Group, to: &mut Vec<u8>) {
    to.extend(g.at.to_le_bytes());
    let head = [
        g.words.len() as u32,
        g.ins.len() as u32,
        u32::from(g.memory),
        0,
    ];
    head.into_iter()
        .chain(g.words.iter().copied())
        .for_each(|w| to.extend(w.to_le_bytes()));
    for i in &g.ins {
        i.x.iter().for_each(|x| to.extend(x.to_le_bytes()));
        to.extend(i.sp.to_le_bytes());
        [i.nzcv, i.fpcr, i.fpsr, 0]
            .iter()
            .for_each(|w| to.extend(w.to_le_bytes()));
        i.v.iter().for_each(|v| to.extend(v.to_le_bytes()));
    }
}

fn read_out(b: &[u8]) -> Regs {
    let q = |i: usize| u64::from_le_bytes(b[8 * i..8 * i + 8].try_into().expect("8 bytes"));
    let d = |i: usize| u32::from_le_bytes(b[4 * i..4 * i + 4].try_into().expect("4 bytes"));
    Regs {
        x: std::array::from_fn(q),
        sp: q(31),
        pc: q(32),
        addr: q(33),
        hash: q(34),
        signo: d(70),
        nzcv: d(71),
        fpcr: d(72),
        fpsr: d(73),
        v: std::array::from_fn(|i| u128::from(q(40 + 2 * i)) | u128::from(q(41 + 2 * i)) << 64),
    }
}

/// Memory as the runner has it.
struct Memory {
    at: u64,
    words: Vec<u32>,
    data: Vec<u8>,
    /// What an epilogue of FEAT_MOPS could not access.
    bad: Option<Fault>,
    keys: Keys,
}

/// What the data window holds at first.
pub fn fresh_data() -> Vec<u8> {
    (0..DATA_BYTES / 8)
        .flat_map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .collect()
}

/// What the runner says of the data window's contents.
pub fn hash(data: &[u8]) -> u64 {
    const K: u64 = 0x100_0000_01b3;
    let mut chains = [0u64; 4];
    for block in data.chunks_exact(32) {
        for (h, c) in chains.iter_mut().zip(block.chunks_exact(8)) {
            let word = u64::from_le_bytes(c.try_into().expect("8 bytes"));
            *h = (*h ^ word).wrapping_mul(K);
        }
    }
    chains.iter().fold(0u64, |h, c| (h ^ c).wrapping_mul(K))
}

impl Memory {
    fn code_word(&self, at: u64) -> Option<u32> {
        let inside = at.wrapping_sub(CODE) < CODE_BYTES;
        let i = at.wrapping_sub(self.at) / 4;
        inside.then(|| self.words.get(i as usize).copied().unwrap_or(BRK))
    }

    /// Offset of an access in the data window.
    fn span(&self, addr: u64, len: usize, write: bool) -> Result<usize, Fault> {
        // Top-byte-ignore, for lower addresses; a fault still names the address with its tag.
        let bare = addr & 0x00ff_ffff_ffff_ffff;
        if bare != addr && addr >> 55 & 1 == 0 {
            let fault = |f| Fault { addr, ..f };
            return self.span(bare, len, write).map_err(fault);
        }
        let off = addr.wrapping_sub(DATA);
        let kind = FaultKind::Unmapped;
        if off >= DATA_BYTES {
            // The first byte that is mapped may come later; the fault is at the first that is not.
            return Err(Fault { addr, write, kind });
        }
        if off + len as u64 > DATA_BYTES {
            let addr = DATA + DATA_BYTES;
            return Err(Fault { addr, write, kind });
        }
        Ok(off as usize)
    }
}

impl Guest for Memory {
    fn read(&mut self, addr: u64, buf: &mut [u8], _: MemInfo) -> Result<(), Fault> {
        let bare = branch_address(addr); // top-byte-ignore is the same for data
        if bare.wrapping_sub(CODE) < CODE_BYTES {
            for (i, b) in buf.iter_mut().enumerate() {
                let at = bare + i as u64;
                let fault = Fault {
                    addr: at,
                    write: false,
                    kind: FaultKind::Unmapped,
                };
                let w = self.code_word(at & !3).ok_or(fault)?;
                *b = w.to_le_bytes()[(at & 3) as usize];
            }
            return Ok(());
        }
        let at = self.span(addr, buf.len(), false)?;
        buf.copy_from_slice(&self.data[at..at + buf.len()]);
        Ok(())
    }

    fn write(&mut self, addr: u64, data: &[u8], _: MemInfo) -> Result<(), Fault> {
        let at = self.span(addr, data.len(), true)?;
        self.data[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn helper(&mut self, id: HelperId, aux: u32, args: [u64; 3], _: &mut Slots<'_>) -> u64 {
        match id {
            HelperId::Pac => pauth::operation(&self.keys, aux, args[0], args[1]),
            HelperId::MemOp => self.bulk(aux, args),
            _ => 0,
        }
    }
}

/// Keys of pointer authentication in every run of ours (an emulator has its own).
pub const KEYS: Keys = Keys {
    key: [[11, 12], [21, 22], [31, 32], [41, 42], [51, 52]],
    disabled: 0,
};

impl Memory {
    /// FEAT_MOPS, byte by byte.
    fn bulk(&mut self, aux: u32, [to, from, mut n]: [u64; 3]) -> u64 {
        let copy = aux & mops::COPY != 0;
        self.bad = None;
        while n != 0 {
            let down = copy && n as i64 > 0;
            let offset = if down { n - 1 } else { n };
            let mut byte = [from as u8];
            let m = MemInfo::plain(0);
            let moved = match copy {
                true => self.read(from.wrapping_add(offset), &mut byte, m),
                false => Ok(()),
            }
            .and_then(|()| self.write(to.wrapping_add(offset), &byte, m));
            if let Err(f) = moved {
                self.bad = (aux & mops::FAULTS != 0).then_some(f);
                break;
            }
            n = if down { n - 1 } else { n.wrapping_add(1) };
        }
        n
    }
}

/// Runs a sequence from a state in the reference interpreter, up to where the runner's next signal would come.
pub fn ours(g: &Group, i: &Regs, cfg: &Config) -> Regs {
    interpret(g, i, cfg, 8, false)
}

/// The same in blocks of at most `max_insns` instructions, optimised or as translated.
pub fn interpret(g: &Group, i: &Regs, cfg: &Config, max_insns: u32, optimise: bool) -> Regs {
    interpret_with(g, i, cfg, max_insns, optimise, &KEYS)
}

/// The same with keys of pointer authentication.
pub fn interpret_with(
    g: &Group,
    i: &Regs,
    cfg: &Config,
    max_insns: u32,
    optimise: bool,
    keys: &Keys,
) -> Regs {
    let mut bytes = vec![0u8; size_of::<GuestState>()];
    let mut fp = FpEnv {
        fpcr: i.fpcr,
        fpsr: i.fpsr,
    };
    let mut state = Slots {
        slots: &mut bytes,
        fp: &mut fp,
    };
    put(&mut state, i);
    let data = if g.memory { fresh_data() } else { Vec::new() };
    let words = g.words.clone();
    let mut memory = Memory {
        at: g.at,
        words,
        data,
        bad: None,
        keys: *keys,
    };
    let end = g.at + 4 * g.words.len() as u64;
    let mut pc = g.at;
    let mut budget = BLOCKS;
    let (signo, pc, addr) = loop {
        if !(g.at..end).contains(&pc) {
            // A BRK, or nothing at all; the runner's signal says which.
            break (SIGTRAP, pc, 0);
        }
        if budget == 0 {
            break (SIGALRM, pc, 0);
        }
        budget -= 1;
        let mut unit = Unit::new(&SLOTS);
        let mut fetch = |at: u64| (at < end).then(|| memory.code_word(at)).flatten();
        unit.mode = u64::from(state.fp.fpcr & FPCR_MODE);
        let b = translate_block(&mut unit, cfg, pc, &mut fetch, max_insns);
        if optimise {
            opt::optimize(&mut unit, &mut opt::Scratch::default());
        }
        if cfg!(debug_assertions) {
            metaphrase_ir::verify::assert_sound(&unit, "translation");
        }
        match interp::run(&unit, b, &mut state, &mut memory, 1) {
            Left::Direct { .. } if memory.bad.is_some() => {
                let fault = memory.bad.take().expect("there is one");
                break (SIGSEGV, fault_pc(&unit, b), fault.addr);
            }
            Left::Direct { pc: to, .. } => pc = to,
            Left::Indirect { pc: to, .. } => pc = branch_address(to),
            Left::Trap {
                kind: TrapKind::Sync(_),
                pc: at,
            } => {
                state.fp.fpcr = state.get(SLOTS.get(FPCR)) as u32;
                pc = at + 4;
            }
            Left::Trap {
                kind: TrapKind::Svc(n @ PATCH..),
                pc: at,
            } => {
                memory.words[usize::from(n - PATCH)] ^= PATCHED_BIT;
                pc = at + 4;
            }
            Left::Trap {
                kind: TrapKind::Svc(SAFEPOINT),
                pc: at,
            } => pc = at + 4,
            // A branch to nowhere: where it went is known by pc.
            Left::Trap {
                kind: TrapKind::Brk(_) | TrapKind::FetchFault,
                pc,
            } => break (SIGTRAP, pc, 0),
            Left::Trap { pc, .. } => break (SIGILL, pc, 0),
            Left::Fault { pc, fault } if fault.kind == FaultKind::Alignment => {
                break (SIGBUS, pc, fault.addr);
            }
            Left::Fault { pc, fault } => break (SIGSEGV, pc, fault.addr),
            Left::Budget(_) => unreachable!("blocks leave by address"),
        }
    };
    let hash = if g.memory { hash(&memory.data) } else { 0 };
    Regs {
        signo,
        pc,
        addr,
        hash,
        ..take(&state)
    }
}

/// The epilogue that ends a block and branches to itself.
fn fault_pc(unit: &Unit, b: BlockId) -> u64 {
    match unit.blocks[b.0 as usize].exit {
        Exit::Branch {
            fall: Dest::Pc(pc), ..
        } => pc,
        e => panic!("not the exit of an epilogue: {e:?}"),
    }
}

fn put(s: &mut Slots<'_>, r: &Regs) {
    let mut set = |slot: Slot, v: u128| s.set(SLOTS.get(slot), v);
    r.x.iter()
        .enumerate()
        .for_each(|(n, &x)| set(state::x(n as u32), x.into()));
    r.v.iter()
        .enumerate()
        .for_each(|(n, &v)| set(state::v(n as u32), v));
    set(SP, r.sp.into());
    set(NZCV, r.nzcv.into());
    set(FPCR, r.fpcr.into());
    set(state::EXCL_ADDR, state::MONITOR_OPEN.into());
}

fn take(s: &Slots<'_>) -> Regs {
    let get = |slot: Slot| s.get(SLOTS.get(slot));
    Regs {
        x: std::array::from_fn(|n| get(state::x(n as u32)) as u64),
        v: std::array::from_fn(|n| get(state::v(n as u32))),
        sp: get(SP) as u64,
        nzcv: get(NZCV) as u32,
        fpcr: get(FPCR) as u32,
        fpsr: s.fp.fpsr,
        ..Regs::default()
    }
}

/// What differs, by register; empty if nothing does.
pub fn differences(ours: &Regs, theirs: &Regs) -> Vec<String> {
    let mut out = Vec::new();
    if ours == theirs {
        return out;
    }
    let mut d = |name: String, a: u128, b: u128| {
        if a != b {
            out.push(format!("{name}: ours {a:#x}, theirs {b:#x}"));
        }
    };
    for n in 0..31 {
        d(format!("x{n}"), ours.x[n].into(), theirs.x[n].into());
    }
    for n in 0..32 {
        d(format!("v{n}"), ours.v[n], theirs.v[n]);
    }
    d("sp".into(), ours.sp.into(), theirs.sp.into());
    d("pc".into(), ours.pc.into(), theirs.pc.into());
    d("nzcv".into(), ours.nzcv.into(), theirs.nzcv.into());
    d("fpcr".into(), ours.fpcr.into(), theirs.fpcr.into());
    d("fpsr".into(), ours.fpsr.into(), theirs.fpsr.into());
    d("memory".into(), ours.hash.into(), theirs.hash.into());
    if ours.signo != SIGTRAP {
        // Where control went is known by pc; what a wild jump meets there is the runner's business.
        d("signal".into(), ours.signo.into(), theirs.signo.into());
    }
    if matches!(ours.signo, SIGSEGV) {
        d("address".into(), ours.addr.into(), theirs.addr.into());
    }
    out
}
