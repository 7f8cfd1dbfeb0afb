//! The checks behind the fuzz targets, as functions of plain bytes. `tests/random_input.rs` of the main workspace includes this file and calls the same
//! functions with fixed seeds. A check returns what became of the input, so that a test can see that its inputs get past the first refusal.

use metaphrase::user::elf::{self, Kind, Placement, Program};
use metaphrase::user::memory::{Layout, MemoryMap};
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::decode::decode;
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_backend::bytecode::build::Builder;
use metaphrase_ir::Unit;
use metaphrase_ir::opt::{Scratch, optimize};
use metaphrase_ir::verify::violations;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};

/// How far a program file got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Loaded {
    /// Not a program, or a program of another kind.
    Refused,
    /// An AArch64 program whose headers are damaged.
    Damaged,
    /// Headers in order, but it could not be mapped (its addresses are taken or out of reach).
    NotMapped,
    /// Mapped, and unmapped again.
    Mapped,
}

/// A file that holds program files, one after another. It has no name.
pub struct ProgramFile(File);

impl ProgramFile {
    /// An empty file.
    pub fn new() -> std::io::Result<ProgramFile> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("metaphrase-fuzz-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        std::fs::remove_file(path)?;
        Ok(ProgramFile(file))
    }

    /// Loads a program of these bytes as `execve` would, up to its first instruction.
    pub fn load(&self, bytes: &[u8]) -> std::io::Result<Loaded> {
        self.0.set_len(0)?;
        self.0.write_all_at(bytes, 0)?;
        let head = match elf::read_head(&self.0) {
            Ok(head) => head,
            Err(e) => return Err(std::io::Error::other(e)),
        };
        match elf::classify(&head) {
            Ok(Kind::Arm64) => {}
            _ => return Ok(Loaded::Refused),
        }
        let Ok(program) = Program::parse(self.0.try_clone()?, &head) else {
            return Ok(Loaded::Damaged);
        };
        let _ = program.interpreter();
        let _ = program.executable_stack();
        let mem = MemoryMap::new(Layout::detect());
        let Ok(image) = program.load(&mem, Placement::Anywhere(None)) else {
            return Ok(Loaded::NotMapped);
        };
        assert!(image.start < image.end, "an empty image: {image:x?}");
        let end = image.end.next_multiple_of(4096);
        let _ = mem.unmap(image.start, end - image.start);
        Ok(Loaded::Mapped)
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes
        .chunks_exact(4)
        .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
}

/// Decodes each word with every feature and with none: a refusal may become an instruction with more features, never another one. How many
/// decode.
pub fn decode_words(bytes: &[u8]) -> usize {
    let mut decoded = 0;
    for w in words(bytes) {
        let base = decode(w, FeatSet::V8_0);
        let all = decode(w, FeatSet::IMPLEMENTED);
        decoded += usize::from(all.is_ok());
        if let (Ok(b), Ok(a)) = (&base, &all) {
            assert_eq!(format!("{b:?}"), format!("{a:?}"), "{w:08x}");
        }
    }
    decoded
}

/// Translates words as straight code, at any address and for any features: the first 16 bytes choose those. The unit must be sound, before and
/// after the optimiser, and tier 0 must take its blocks or ask for shorter ones. How many blocks there were.
pub fn translate_words(bytes: &[u8]) -> usize {
    let Some((head, code)) = bytes.split_first_chunk::<16>() else {
        return 0;
    };
    let number = |at: usize| {
        let mut b = [0; 8];
        b.copy_from_slice(&head[at..at + 8]);
        u64::from_le_bytes(b)
    };
    let start = number(8);
    let cfg = Config {
        feats: FeatSet(number(0)),
        ..Config::default()
    };
    let words: Vec<u32> = words(code).take(64).collect();
    let mut unit = Unit::new(&SLOTS);
    let mut fetch = |at: u64| words.get(at.wrapping_sub(start) as usize / 4).copied();
    let mut done = 0;
    while done < words.len() as u64 {
        let id = translate_block(
            &mut unit,
            &cfg,
            start.wrapping_add(4 * done),
            &mut fetch,
            32,
        );
        done += u64::from(unit.blocks[id.0 as usize].guest_len / 4).max(1);
    }
    sound(&unit, "translated", &words);
    let mut builder = Builder::default();
    for b in &unit.blocks {
        let _ = builder.build(&unit, b, 0x1000);
    }
    optimize(&mut unit, &mut Scratch::default());
    sound(&unit, "optimised", &words);
    unit.blocks.len()
}

fn sound(unit: &Unit, when: &str, words: &[u32]) {
    if let Some(v) = violations(unit).first() {
        panic!("{when}: {v}\n{words:08x?}\n{unit}");
    }
}
