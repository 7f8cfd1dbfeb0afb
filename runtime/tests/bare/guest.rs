//! The freestanding guest program: building it, loading it at its address, running it on an engine.

use metaphrase_runtime::engine::{Engine, EngineConfig};
use metaphrase_runtime::env::{Environment, Exception, Flow};
use metaphrase_runtime::vcpu::Vcpu;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

struct Bare {
    out: Vec<u8>,
    code: (u64, u64),
    calls: u64,
}

impl Environment for Bare {
    fn fetch(&mut self, pc: u64) -> Option<u32> {
        // SAFETY: inside the loaded text.
        (pc >= self.code.0 && pc < self.code.1).then(|| unsafe { (pc as *const u32).read() })
    }
    fn exception(&mut self, cpu: &mut Vcpu, e: Exception) -> Flow {
        self.calls += 1;
        let r = cpu.regs_mut();
        match (e, r.x[8]) {
            (Exception::Svc(0), 64) => {
                // SAFETY: the guest passes its own buffer.
                let b = unsafe { std::slice::from_raw_parts(r.x[1] as *const u8, r.x[2] as usize) };
                self.out.extend_from_slice(b);
                r.x[0] = r.x[2];
                Flow::Continue
            }
            (Exception::Svc(0), 93) => Flow::Leave(r.x[0] as i32),
            other => panic!("{other:?} at {:x}", cpu.regs().pc),
        }
    }
    fn interrupted(&mut self, _: &mut Vcpu) -> Flow {
        Flow::Continue
    }
}

fn build(cc: &str, scale: u32, out: &Path) -> bool {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/bare.c");
    // Other threads and processes of the test make the same file.
    let thread = std::thread::current().id();
    let unfinished = out.with_extension(format!("{}-{thread:?}", std::process::id()));
    let args = [
        "-O2",
        "-static",
        "-nostdlib",
        "-fno-stack-protector",
        "-fno-builtin",
        "-ffp-contract=off",
        "-w",
    ];
    let run = Command::new(cc)
        .args(args)
        .arg(format!("-DSCALE={scale}"))
        .arg("-o")
        .arg(&unfinished)
        .arg(src)
        .status();
    match run {
        Ok(s) => {
            assert!(s.success(), "{cc} failed");
            std::fs::rename(&unfinished, out).unwrap();
            true
        }
        Err(_) => {
            assert!(
                std::env::var_os("METAPHRASE_REQUIRE_ORACLES").is_none(),
                "{cc} is missing"
            );
            eprintln!("SKIPPED: {cc} is missing");
            false
        }
    }
}

/// Maps the program's segments at their addresses; returns entry and text range.
fn load(elf: &[u8]) -> (u64, (u64, u64)) {
    let u64at = |o: usize| u64::from_le_bytes(elf[o..o + 8].try_into().unwrap());
    let u16at = |o: usize| u16::from_le_bytes(elf[o..o + 2].try_into().unwrap());
    let (entry, phoff, n) = (u64at(24), u64at(32) as usize, u16at(56) as usize);
    let mut text = (0, 0);
    for p in (0..n).map(|i| phoff + i * 56) {
        if elf[p] != 1 {
            continue;
        }
        let (off, va, filesz, memsz) = (
            u64at(p + 8) as usize,
            u64at(p + 16),
            u64at(p + 32) as usize,
            u64at(p + 40),
        );
        let (start, end) = (va & !0xfff, (va + memsz).next_multiple_of(4096));
        // SAFETY: fresh memory at the guest's link address, below anything of the host's.
        unsafe {
            let p = libc::mmap(
                start as *mut _,
                (end - start) as usize,
                3,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            );
            assert_eq!(p as u64, start);
            std::ptr::copy_nonoverlapping(elf[off..].as_ptr(), va as *mut u8, filesz);
        }
        if elf[p + 4] & 1 != 0 {
            text = (start, end);
        }
    }
    (entry, text)
}

/// The program for the guest and for the host.
pub struct Program {
    guest: PathBuf,
    native: PathBuf,
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    pub out: Vec<u8>,
    pub status: i32,
    pub calls: u64,
    pub wall: Duration,
}

impl Program {
    /// `None`: there is no compiler.
    pub fn build(scale: u32) -> Option<Program> {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let (guest, native) = (
            dir.join(format!("bare-{scale}-a64")),
            dir.join(format!("bare-{scale}-host")),
        );
        let built = build("aarch64-linux-gnu-gcc", scale, &guest) && build("gcc", scale, &native);
        built.then_some(Program { guest, native })
    }

    /// Loads and runs it. `before` gets the engine and the range of the text.
    pub fn run(
        &self,
        config: EngineConfig,
        before: impl FnOnce(&Engine, (u64, u64)),
    ) -> (Engine, Ran) {
        let (entry, code) = load(&std::fs::read(&self.guest).unwrap());
        let mut env = Bare {
            out: Vec::new(),
            code,
            calls: 0,
        };
        metaphrase_runtime::signal::install(|sig, _, _| {
            eprintln!("host signal {sig}");
            std::process::abort();
        })
        .unwrap();
        let engine = Engine::new(config).unwrap();
        before(&engine, code);
        let mut cpu = Vcpu::new();
        let mut stack = vec![0u8; 1 << 20];
        cpu.regs_mut().sp = (stack.as_mut_ptr() as u64 + (1 << 20) - 64) & !15;
        cpu.regs_mut().pc = entry;
        let t = std::time::Instant::now();
        let status = engine.run(&mut cpu, &mut env);
        // Before snapshots and comparisons, which are not the guest's time.
        let wall = t.elapsed();
        let ran = Ran {
            out: env.out,
            status,
            calls: env.calls,
            wall,
        };
        (engine, ran)
    }

    /// Its output and status are what they are natively.
    pub fn check(&self, ran: &Ran) {
        let want = Command::new(&self.native).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&ran.out),
            String::from_utf8_lossy(&want.stdout)
        );
        assert_eq!(ran.status, want.status.code().unwrap());
    }
}
