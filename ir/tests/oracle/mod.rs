//! Asks a real or emulated ARM CPU what single instructions do: assembles them, runs `tests/oracle/runner.c` under
//! qemu-aarch64 and hands back the results. Knows nothing about what the answers should be.
//!
//! Environment: `METAPHRASE_QEMU_AARCH64` names the emulator (default: `qemu-aarch64-static` or `qemu-aarch64` in PATH).
//! `METAPHRASE_REQUIRE_ORACLES=1` makes a missing tool a failure. `METAPHRASE_ORACLE_CASES` is the number of cases for each
//! instruction, `METAPHRASE_ORACLE_ONLY` picks the instructions whose text contains it, `METAPHRASE_ORACLE_SEED` another
//! sequence of operands.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Registers before an instruction: `struct in` of the runner.
#[derive(Clone, Copy, Debug, Default)]
pub struct In {
    /// v0..v3.
    pub v: [u128; 4],
    /// x0..x3.
    pub x: [u64; 4],
    /// FPCR.
    pub fpcr: u32,
    /// FPSR.
    pub fpsr: u32,
    /// NZCV in bits 31..28.
    pub nzcv: u32,
}

/// Registers after it: `struct out`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Out {
    /// v0, v1.
    pub v: [u128; 2],
    /// x0, x1.
    pub x: [u64; 2],
    /// FPSR.
    pub fpsr: u32,
    /// NZCV in bits 31..28.
    pub nzcv: u32,
    /// Whether the instruction was undefined; then all else is zero.
    pub undefined: bool,
}

const OUT_BYTES: usize = 64;

impl In {
    fn write(&self, to: &mut Vec<u8>) {
        self.v.iter().for_each(|v| to.extend(v.to_le_bytes()));
        self.x.iter().for_each(|x| to.extend(x.to_le_bytes()));
        for w in [self.fpcr, self.fpsr, self.nzcv, 0] {
            to.extend(w.to_le_bytes());
        }
    }
}

impl Out {
    fn read(b: &[u8]) -> Out {
        let q = |i: usize| u64::from_le_bytes(b[8 * i..8 * i + 8].try_into().unwrap());
        let w = |i: usize| u32::from_le_bytes(b[4 * i..4 * i + 4].try_into().unwrap());
        let v = |i| q(i) as u128 | (q(i + 1) as u128) << 64;
        Out {
            v: [v(0), v(2)],
            x: [q(4), q(5)],
            fpsr: w(12),
            nzcv: w(13),
            undefined: w(14) != 0,
        }
    }
}

/// The whole register state of one instruction: `struct state` of state.c. X28 and X29 are neither loaded nor stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    /// The instruction.
    pub word: u32,
    /// FPCR.
    pub fpcr: u32,
    /// FPSR.
    pub fpsr: u32,
    /// NZCV in bits 31..28.
    pub nzcv: u32,
    /// x0..x29.
    pub x: [u64; 30],
    /// v0..v31.
    pub v: [u128; 32],
}

impl Machine {
    const BYTES: usize = 16 + 8 * 30 + 16 * 32;

    fn write(&self, to: &mut Vec<u8>) {
        for w in [self.word, self.fpcr, self.fpsr, self.nzcv] {
            to.extend(w.to_le_bytes());
        }
        self.x.iter().for_each(|x| to.extend(x.to_le_bytes()));
        self.v.iter().for_each(|v| to.extend(v.to_le_bytes()));
    }

    fn read(b: &[u8]) -> (Machine, bool) {
        let w = |i: usize| u32::from_le_bytes(b[4 * i..4 * i + 4].try_into().unwrap());
        let x = |i: usize| u64::from_le_bytes(b[16 + 8 * i..24 + 8 * i].try_into().unwrap());
        let m = Machine {
            word: w(0),
            fpcr: w(1),
            fpsr: w(2),
            nzcv: w(3),
            x: std::array::from_fn(x),
            v: std::array::from_fn(|i| x(30 + 2 * i) as u128 | (x(31 + 2 * i) as u128) << 64),
        };
        (m, m.word == 0)
    }
}

/// A built runner and the emulator to run it.
pub struct Oracle {
    qemu: PathBuf,
    gcc: PathBuf,
    runner: PathBuf,
    dir: PathBuf,
}

fn in_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names
        .iter()
        .flat_map(|n| std::env::split_paths(&path).map(move |d| d.join(n)))
        .find(|p| p.is_file())
}

/// A number from the environment.
pub fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |s| s.parse().expect(name))
}

impl Oracle {
    /// Finds the tools and builds the runner; `name` keeps tests of one run apart. `None`, with a note on stderr, if a tool
    /// is missing and oracles are not required.
    pub fn find(name: &str) -> Option<Oracle> {
        Oracle::of("runner.c", name)
    }

    /// The same for the program that works on whole register states ([`Self::run_machines`]).
    pub fn of_machines(name: &str) -> Option<Oracle> {
        Oracle::of("state.c", name)
    }

    fn of(source: &str, name: &str) -> Option<Oracle> {
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
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let runner = dir.join("runner");
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/oracle")
            .join(source);
        let status = Command::new(&gcc)
            .args(["-O2", "-static", "-o"])
            .args([&runner, &source])
            .status()
            .unwrap();
        assert!(status.success(), "building the runner");
        Some(Oracle {
            qemu,
            gcc,
            runner,
            dir,
        })
    }

    /// Instruction words of these lines of assembly, one instruction each.
    pub fn assemble(&self, lines: &[String]) -> Vec<u32> {
        let (source, object) = (self.dir.join("cases.s"), self.dir.join("cases.o"));
        let head = ".arch armv8.6-a+fp16+fp16fml+bf16+i8mm+crypto+sha3+sm4\n";
        std::fs::write(&source, format!("{head}{}\n", lines.join("\n"))).unwrap();
        let done = Command::new(&self.gcc)
            .args(["-c", "-o"])
            .args([&object, &source])
            .status()
            .unwrap();
        assert!(done.success(), "assembling");
        let binary = self.dir.join("cases.bin");
        let objcopy = in_path(&["aarch64-linux-gnu-objcopy"]).expect("objcopy beside gcc");
        let done = Command::new(objcopy)
            .args(["-O", "binary", "-j", ".text"])
            .args([&object, &binary])
            .status()
            .unwrap();
        assert!(done.success(), "objcopy");
        let bytes = std::fs::read(binary).unwrap();
        let (words, rest) = bytes.as_chunks::<4>();
        assert!(rest.is_empty() && words.len() == lines.len());
        words.iter().map(|w| u32::from_le_bytes(*w)).collect()
    }

    /// Runs groups of (instruction word, inputs); results in the same order.
    pub fn run(&self, groups: &[(u32, Vec<In>)]) -> Vec<Vec<Out>> {
        let mut input = Vec::new();
        for (word, ins) in groups {
            input.extend(word.to_le_bytes());
            input.extend((ins.len() as u32).to_le_bytes());
            ins.iter().for_each(|i| i.write(&mut input));
        }
        let output = self.pipe(input);
        let mut outs = output.chunks_exact(OUT_BYTES).map(Out::read);
        let results: Vec<Vec<Out>> = groups
            .iter()
            .map(|(_, ins)| outs.by_ref().take(ins.len()).collect())
            .collect();
        assert_eq!(
            output.len() / OUT_BYTES,
            groups.iter().map(|g| g.1.len()).sum::<usize>()
        );
        results
    }

    /// Executes each machine's word once on its registers, in order: what that leaves, and whether the word was undefined.
    pub fn run_machines(&self, machines: &[Machine]) -> Vec<(Machine, bool)> {
        let mut input = Vec::with_capacity(machines.len() * Machine::BYTES);
        machines.iter().for_each(|m| m.write(&mut input));
        let output = self.pipe(input);
        assert_eq!(output.len(), machines.len() * Machine::BYTES);
        output
            .chunks_exact(Machine::BYTES)
            .map(Machine::read)
            .collect()
    }

    /// The program's output on this input.
    fn pipe(&self, input: Vec<u8>) -> Vec<u8> {
        let mut child = Command::new(&self.qemu)
            .args(["-cpu", "max"])
            .arg(&self.runner)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let mut output = Vec::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut output)
            .unwrap();
        writer.join().unwrap().unwrap();
        assert!(child.wait().unwrap().success(), "the runner failed");
        output
    }
}

/// A small generator of numbers (splitmix64): the same seed gives the same cases everywhere.
pub struct Rng(pub u64);

impl Rng {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
    /// An integer of `bits` bits: any, short, or near a boundary.
    pub fn int(&mut self, bits: u32) -> u64 {
        let mask = u64::MAX >> (64 - bits);
        let small = self.below(5).wrapping_sub(2);
        let n = match self.below(6) {
            0 => self.next(),
            1 => self.next() >> self.below(64),
            2 => (self.next() >> self.below(64)).wrapping_neg(),
            3 => (1u64 << self.below(bits as u64)).wrapping_add(small),
            4 => 1 << (bits - 1),
            _ => ((1u64 << (bits - 1)) - 1).wrapping_add(small),
        };
        n & mask
    }
    /// A vector of such integers.
    pub fn vector(&mut self, bits: u32) -> u128 {
        (0..128 / bits).fold(0, |v, i| v | (self.int(bits) as u128) << (i * bits))
    }
}
