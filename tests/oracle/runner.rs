//! Runs single AArch64 instructions under QEMU, to compare our meaning of an op with someone else's.
//!
//! Included by test files with `#[path]`. Needs `aarch64-linux-gnu-gcc` and `qemu-aarch64` (or `qemu-aarch64-static`, or
//! what the environment variable `METAPHRASE_QEMU` names). Without them [`words`] and [`run`] give `None` and the test says
//! that it was skipped; with `METAPHRASE_REQUIRE_ORACLES=1` they panic instead.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// One instruction and what it starts with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Case {
    pub word: u32,
    pub fpcr: u32,
    pub fpsr: u32,
    /// Bits 31..28.
    pub nzcv: u32,
    pub v: [u128; 3],
    pub x: [u64; 3],
}

/// What it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub fpsr: u32,
    pub nzcv: u32,
    pub v0: u128,
    pub x0: u64,
}

const GCC: &str = "aarch64-linux-gnu-gcc";
const OBJCOPY: &str = "aarch64-linux-gnu-objcopy";
const OUT_SIZE: usize = 32;

fn skip<T>(why: &str) -> Option<T> {
    assert!(
        std::env::var("METAPHRASE_REQUIRE_ORACLES").as_deref() != Ok("1"),
        "oracle missing: {why}"
    );
    eprintln!("SKIPPED: {why}");
    None
}

fn runs(program: &str) -> bool {
    let mut c = Command::new(program);
    c.arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    c.status().is_ok_and(|s| s.success())
}

/// The user-mode QEMU to compare with.
pub fn qemu() -> Option<String> {
    let named = std::env::var("METAPHRASE_QEMU").ok();
    let usual = ["qemu-aarch64", "qemu-aarch64-static"].map(String::from);
    match named.into_iter().chain(usual).find(|q| runs(q)) {
        Some(q) => Some(q),
        None => skip("no qemu-aarch64"),
    }
}

/// A scratch file that nobody else uses, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (id, n) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // The suffix comes last: the compiler looks at it.
        Scratch(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{id}-{n}-{name}")))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover does no harm, and the file may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs a tool that must succeed.
fn tool(program: &str, args: &[&str], files: [&Path; 2]) {
    let mut c = Command::new(program);
    c.args(args).args(files);
    let out = c.output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{c:?}:\n{err}");
}

/// The machine words of assembly lines (one instruction each), by the GNU assembler.
pub fn words<S: AsRef<str>>(lines: &[S]) -> Option<Vec<u32>> {
    if !runs(GCC) {
        return skip("no aarch64-linux-gnu-gcc");
    }
    let files = ["words.s", "words.o", "words"].map(Scratch::new);
    let [source, object, flat] = files.each_ref().map(|f| f.0.as_path());
    let mut text =
        String::from(".arch armv9-a+crypto+sm4+sha3+crc+fp16+fp16fml+i8mm+bf16\n.text\n");
    for l in lines {
        text += l.as_ref();
        text.push('\n');
    }
    std::fs::write(source, text).expect("write assembly");
    tool(GCC, &["-c", "-o"], [object, source]);
    tool(OBJCOPY, &["-O", "binary", "-j", ".text"], [object, flat]);
    let bytes = std::fs::read(flat).expect("read what was assembled");
    let words: Vec<u32> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|&b| u32::from_le_bytes(b))
        .collect();
    assert_eq!(words.len(), lines.len(), "one word for each line");
    Some(words)
}

fn encode(c: &Case) -> Vec<u8> {
    let mut r = Vec::with_capacity(96);
    for w in [c.word, c.fpcr, c.fpsr, c.nzcv] {
        r.extend(w.to_le_bytes());
    }
    for v in c.v {
        r.extend(v.to_le_bytes());
    }
    for x in [c.x[0], c.x[1], c.x[2], 0] {
        r.extend(x.to_le_bytes());
    }
    r
}

fn decode(b: &[u8; OUT_SIZE]) -> Outcome {
    let word = |i: usize| u64::from_le_bytes(b.as_chunks().0[i]);
    Outcome {
        fpsr: word(0) as u32,
        nzcv: (word(0) >> 32) as u32,
        x0: word(1),
        v0: word(2) as u128 | (word(3) as u128) << 64,
    }
}

/// Executes the cases in order.
pub fn run(cases: &[Case]) -> Option<Vec<Outcome>> {
    if !runs(GCC) {
        return skip("no aarch64-linux-gnu-gcc");
    }
    let qemu = qemu()?;
    let program = Scratch::new("oracle");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|p| p.join("tests/oracle/oracle.c"));
    let source = source.into_iter().find(|p| p.exists()).expect("oracle.c");
    tool(GCC, &["-O1", "-static", "-o"], [&program.0, &source]);
    let mut child = Command::new(&qemu)
        .args(["-cpu", "max"])
        .arg(&program.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{qemu}: {e}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input: Vec<u8> = cases.iter().flat_map(encode).collect();
    // A failing write means that the child died; the count below says where.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    child
        .stdout
        .take()
        .expect("piped")
        .read_to_end(&mut output)
        .expect("read from QEMU");
    let status = child.wait().expect("wait for QEMU");
    let wrote = writer.join().expect("writer thread");
    let outcomes: Vec<Outcome> = output.as_chunks().0.iter().map(decode).collect();
    assert!(
        status.success() && wrote.is_ok() && outcomes.len() == cases.len(),
        "{qemu}: {status} after {} of {} cases; next batch starts with word {:08x}",
        outcomes.len(),
        cases.len(),
        cases.get(outcomes.len()).map_or(0, |c| c.word)
    );
    Some(outcomes)
}

/// Reproducible random values with many boundary cases among them.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// SplitMix64.
    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.u64() % n
    }

    /// A number of `bits` (8..=64), often at or near an end of the signed or unsigned range.
    pub fn int(&mut self, bits: u32) -> u64 {
        let mask = u64::MAX >> (64 - bits);
        let top = 1_u64 << (bits - 1);
        let near = self.below(3).wrapping_sub(1);
        let r = match self.below(8) {
            0 => near,
            1 => top.wrapping_add(near),
            2 => self
                .below(2 * bits as u64 + 4)
                .wrapping_sub(bits as u64 + 2),
            3 => 1 << self.below(bits as u64),
            4 => (1_u64 << self.below(bits as u64)).wrapping_neg(),
            _ => self.u64(),
        };
        r & mask
    }

    /// A vector of lanes of `bits` (8..=64) made by [`Self::int`].
    pub fn vector(&mut self, bits: u32) -> u128 {
        (0..128 / bits).fold(0, |v, i| v | (self.int(bits) as u128) << (i * bits))
    }
}
