//! Loading AArch64 ELF files: headers checked before use, segments mapped as Linux does (fs/binfmt_elf.c), one clear error
//! for everything that is wrong with a file.
//!
//! Files are hostile: every offset and size is bounded before it is used. Must not know about threads or the engine.

use super::memory::{MapRequest, MemoryMap, PAGE, page_up};
use super::placement::Preference;
use super::syscall::Errno;
use object::LittleEndian as Le;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::pod;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// Linux's own limit on the program header table.
const PHDRS_MAX: usize = 65536;
/// `e_ident`: its size and the places of class and byte order in it.
const EI_NIDENT: usize = 16;
const EI_CLASS: usize = 4;
const EI_DATA: usize = 5;
/// Linux's limit on a script's first line (BINPRM_BUF_SIZE).
const SCRIPT_LINE: usize = 256;

/// What is wrong with a program. The text completes "metaphrase: PATH: ".
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LoadError {
    #[error("{0}")]
    Open(std::io::Error),
    #[error("is a directory")]
    Directory,
    #[error("not an executable file (no read or no execute permission)")]
    Permission,
    #[error("not an ELF file and not a script")]
    NotElf,
    #[error("truncated or damaged ELF file: {0}")]
    Damaged(&'static str),
    #[error("a 32-bit ARM program: only 64-bit ARM (AArch64) programs can be run")]
    Arm32,
    #[error("a program for {0}, not for AArch64")]
    OtherMachine(String),
    #[error("not a program: ELF type {0} (relocatable objects and core files cannot be run)")]
    NotExecutable(u16),
    #[error(
        "needs the interpreter {0}, which does not exist; give the folder that holds the program's system with -L DIR \
             (for example an unpacked arm64 root file system, or install libc6-arm64-cross)"
    )]
    NoInterpreter(String),
    #[error("its interpreter {0}: {1}")]
    BadInterpreter(String, Box<LoadError>),
    #[error("a script whose interpreter {0} cannot be run: {1}")]
    BadScript(String, Box<LoadError>),
    #[error("scripts nest too deeply")]
    ScriptLoop,
    #[error("cannot be mapped at its address {0:#x}: {1:?}")]
    Map(u64, Errno),
}

impl LoadError {
    /// The shell's exit code: 127 for what is not there, 126 for what cannot be executed.
    pub fn exit_code(&self) -> i32 {
        match self {
            LoadError::Open(e) if e.kind() == std::io::ErrorKind::NotFound => 127,
            LoadError::NoInterpreter(_) => 127,
            LoadError::BadScript(_, e) => e.exit_code(),
            _ => 126,
        }
    }

    /// What execve says.
    pub fn errno(&self) -> Errno {
        match self {
            LoadError::Open(e) => Errno(e.raw_os_error().unwrap_or(libc::EIO)),
            LoadError::Directory | LoadError::Permission => Errno::EACCES,
            LoadError::NoInterpreter(_) => Errno::ENOENT,
            LoadError::BadInterpreter(..) => Errno::ELIBBAD,
            LoadError::BadScript(_, e) => e.errno(),
            LoadError::ScriptLoop => Errno::ELOOP,
            LoadError::Map(_, e) => *e,
            _ => Errno::ENOEXEC,
        }
    }
}

/// What kind of program a file is, by its first bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An AArch64 program.
    Arm64,
    /// A program of the host.
    Host,
    /// `#!`: interpreter and optional argument.
    Script(Vec<u8>, Option<Vec<u8>>),
}

/// Reads as much of the file's start as there is.
pub fn read_head(file: &File) -> Result<Vec<u8>, LoadError> {
    let mut head = vec![0; PAGE as usize];
    let n = file
        .read_at(&mut head, 0)
        .map_err(|e| match e.raw_os_error() {
            Some(libc::EISDIR) => LoadError::Directory,
            _ => LoadError::Open(e),
        })?;
    head.truncate(n);
    Ok(head)
}

/// Decides what a file is.
pub fn classify(head: &[u8]) -> Result<Kind, LoadError> {
    if let Some(line) = head.strip_prefix(b"#!") {
        return script_line(&line[..line.len().min(SCRIPT_LINE - 2)]);
    }
    let Some(ident) = head.get(..EI_NIDENT) else {
        return Err(LoadError::NotElf);
    };
    if ident[..4] != elf::ELFMAG {
        return Err(LoadError::NotElf);
    }
    // e_machine stands at the same place in both classes; its byte order is EI_DATA's.
    let Some(&[lo, hi]) = head.get(18..20) else {
        return Err(LoadError::Damaged("the header is cut short"));
    };
    let big = ident[EI_DATA] == elf::ELFDATA2MSB;
    let machine = if big {
        u16::from_be_bytes([lo, hi])
    } else {
        u16::from_le_bytes([lo, hi])
    };
    match (ident[EI_CLASS], big, machine) {
        (elf::ELFCLASS64, false, elf::EM_AARCH64) => Ok(Kind::Arm64),
        (elf::ELFCLASS64, false, elf::EM_X86_64) | (elf::ELFCLASS32, false, elf::EM_386) => {
            Ok(Kind::Host)
        }
        (elf::ELFCLASS64, true, elf::EM_AARCH64) => {
            Err(LoadError::OtherMachine("big-endian AArch64".into()))
        }
        (elf::ELFCLASS32, _, elf::EM_ARM) => Err(LoadError::Arm32),
        (class, _, m) => Err(LoadError::OtherMachine(machine_name(class, big, m))),
    }
}

fn machine_name(class: u8, big: bool, machine: u16) -> String {
    let bits = if class == elf::ELFCLASS64 { 64 } else { 32 };
    let name = match machine {
        elf::EM_AARCH64 => "AArch64 with 32-bit pointers",
        elf::EM_X86_64 => "x86-64 (x32)",
        elf::EM_386 => "x86",
        elf::EM_RISCV => "RISC-V",
        elf::EM_PPC64 | elf::EM_PPC => "PowerPC",
        elf::EM_S390 => "S/390",
        elf::EM_MIPS => "MIPS",
        elf::EM_SPARC | elf::EM_SPARCV9 => "SPARC",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_68K => "m68k",
        elf::EM_ALPHA => "Alpha",
        elf::EM_SH => "SuperH",
        elf::EM_PARISC => "PA-RISC",
        elf::EM_IA_64 => "Itanium",
        elf::EM_BPF => "BPF",
        _ => return format!("ELF machine {machine} ({bits}-bit)"),
    };
    format!(
        "{name} ({bits}-bit{})",
        if big { ", big-endian" } else { "" }
    )
}

/// `#! interpreter [argument]` as fs/binfmt_script.c reads it.
fn script_line(line: &[u8]) -> Result<Kind, LoadError> {
    let line = &line[..line
        .iter()
        .position(|b| *b == b'\n' || *b == 0)
        .unwrap_or(line.len())];
    let line = line.trim_ascii();
    let end = line
        .iter()
        .position(|b| *b == b' ' || *b == b'\t')
        .unwrap_or(line.len());
    if end == 0 {
        return Err(LoadError::NotElf);
    }
    let rest = line[end..].trim_ascii();
    Ok(Kind::Script(
        line[..end].to_vec(),
        (!rest.is_empty()).then(|| rest.to_vec()),
    ))
}

/// An opened AArch64 program with checked headers.
pub struct Program {
    file: File,
    size: u64,
    header: FileHeader64<Le>,
    segments: Vec<ProgramHeader64<Le>>,
}

/// What a loaded image is.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Added to the file's addresses.
    pub bias: u64,
    /// Lowest mapped address.
    pub start: u64,
    /// One past the highest address of a segment (with bss).
    pub end: u64,
    /// Guest address of the first instruction.
    pub entry: u64,
    /// Guest address of the program headers, 0 if no segment holds them.
    pub phdr: u64,
    /// Their number.
    pub phnum: u64,
}

/// Where an image goes.
#[derive(Clone, Copy, Debug)]
pub enum Placement {
    /// The main program: a fixed place for position-independent ones.
    Main(u64),
    /// The interpreter: where it would like to be, or wherever there is room.
    Anywhere(Option<Preference>),
}

/// Takes room: at an address if `fixed`, else there or elsewhere.
fn reserve(mem: &MemoryMap, addr: u64, len: u64, fixed: bool) -> Result<u64, LoadError> {
    let how = if fixed { libc::MAP_FIXED_NOREPLACE } else { 0 };
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | how) as u32;
    mem.map(MapRequest {
        addr,
        len,
        prot: 0,
        flags,
        fd: -1,
        offset: 0,
    })
    .map_err(|e| LoadError::Map(addr, e))
}

/// Takes room anywhere: with room to align, then gives back both ends.
fn reserve_aligned(mem: &MemoryMap, total: u64, align: u64) -> Result<u64, LoadError> {
    let at = reserve(mem, 0, total + align - PAGE, false)?;
    let start = (at + align - 1) & !(align - 1);
    let spare_end = at + total + align - PAGE;
    for (a, b) in [(at, start), (start + total, spare_end)] {
        if a < b {
            mem.unmap(a, b - a).map_err(|e| LoadError::Map(a, e))?;
        }
    }
    Ok(start)
}

impl Program {
    /// Checks the headers of an AArch64 ELF file.
    pub fn parse(file: File, head: &[u8]) -> Result<Program, LoadError> {
        let damaged = LoadError::Damaged;
        let (header, _) = pod::from_bytes::<FileHeader64<Le>>(head)
            .map_err(|()| damaged("the header is cut short"))?;
        let header = *header;
        let kind = header.e_type.get(Le);
        if kind != elf::ET_EXEC && kind != elf::ET_DYN {
            return Err(LoadError::NotExecutable(kind));
        }
        let size = file.metadata().map_err(LoadError::Open)?.len();
        let count = header.e_phnum.get(Le) as usize;
        let bytes = count * size_of::<ProgramHeader64<Le>>();
        if header.e_phentsize.get(Le) as usize != size_of::<ProgramHeader64<Le>>()
            || count == 0
            || bytes > PHDRS_MAX
        {
            return Err(damaged("the program header table has an impossible size"));
        }
        let at = header.e_phoff.get(Le);
        if at.checked_add(bytes as u64).is_none_or(|end| end > size) {
            return Err(damaged("the program headers lie beyond its end"));
        }
        let mut table = vec![0; bytes];
        file.read_exact_at(&mut table, at)
            .map_err(LoadError::Open)?;
        let (segments, _) = pod::slice_from_bytes::<ProgramHeader64<Le>>(&table, count)
            .map_err(|()| damaged("the program headers are cut short"))?;
        let p = Program {
            size,
            header,
            segments: segments.to_vec(),
            file,
        };
        p.check_segments()?;
        Ok(p)
    }

    fn loads(&self) -> impl Iterator<Item = &ProgramHeader64<Le>> {
        self.segments
            .iter()
            .filter(|s| s.p_type.get(Le) == elf::PT_LOAD)
    }

    fn check_segments(&self) -> Result<(), LoadError> {
        let mut last_end = 0;
        for s in self.loads() {
            let (offset, vaddr) = (s.p_offset.get(Le), s.p_vaddr.get(Le));
            let (filesz, memsz) = (s.p_filesz.get(Le), s.p_memsz.get(Le));
            let end = vaddr.checked_add(memsz).filter(|e| *e < 1 << 47);
            let file_end = offset.checked_add(filesz);
            let (Some(end), Some(file_end)) = (end, file_end) else {
                return Err(LoadError::Damaged(
                    "a segment has an impossible address or size",
                ));
            };
            if filesz > memsz || (offset ^ vaddr) % PAGE != 0 {
                return Err(LoadError::Damaged(
                    "a segment's file offset, address or size do not fit together",
                ));
            }
            if file_end > self.size {
                return Err(LoadError::Damaged(
                    "a segment lies beyond the end of the file",
                ));
            }
            if vaddr < last_end {
                return Err(LoadError::Damaged("segments overlap or are out of order"));
            }
            last_end = end;
        }
        if last_end == 0 {
            return Err(LoadError::Damaged("no segment to load"));
        }
        Ok(())
    }

    /// The path in PT_INTERP.
    pub fn interpreter(&self) -> Result<Option<Vec<u8>>, LoadError> {
        let Some(s) = self
            .segments
            .iter()
            .find(|s| s.p_type.get(Le) == elf::PT_INTERP)
        else {
            return Ok(None);
        };
        let n = s.p_filesz.get(Le);
        if !(2..=libc::PATH_MAX as u64).contains(&n) {
            return Err(LoadError::Damaged(
                "the interpreter's name has an impossible length",
            ));
        }
        let mut name = vec![0; n as usize];
        self.file
            .read_exact_at(&mut name, s.p_offset.get(Le))
            .map_err(|_| LoadError::Damaged("the interpreter's name lies beyond its end"))?;
        if name.last() != Some(&0) {
            return Err(LoadError::Damaged("the interpreter's name is not a string"));
        }
        // Tools that shorten it in place leave zeros behind; the kernel reads a string too.
        let end = name.iter().position(|b| *b == 0).unwrap_or(0);
        name.truncate(end);
        Ok(Some(name))
    }

    /// Whether PT_GNU_STACK asks for an executable stack (absent: as Linux/arm64, not executable).
    pub fn executable_stack(&self) -> bool {
        self.segments
            .iter()
            .any(|s| s.p_type.get(Le) == elf::PT_GNU_STACK && s.p_flags.get(Le) & elf::PF_X != 0)
    }

    /// Maps all segments.
    pub fn load(&self, mem: &MemoryMap, place: Placement) -> Result<Image, LoadError> {
        let first = self.loads().next().map_or(0, |s| s.p_vaddr.get(Le)) & !(PAGE - 1);
        let end = self
            .loads()
            .last()
            .map_or(0, |s| s.p_vaddr.get(Le) + s.p_memsz.get(Le));
        let total = page_up(end - first);
        let align = self
            .loads()
            .map(|s| s.p_align.get(Le))
            .filter(|a| a.is_power_of_two())
            .max()
            .unwrap_or(PAGE)
            .clamp(PAGE, 2 << 20);
        let fixed = self.header.e_type.get(Le) == elf::ET_EXEC;
        let start = match place {
            _ if fixed => reserve(mem, first, total, true)?,
            Placement::Main(base) => reserve(mem, (base + first) & !(align - 1), total, false)?,
            Placement::Anywhere(preference) => {
                let mut starts = preference.into_iter().flat_map(|p| p.starts(total));
                match starts.find_map(|at| reserve(mem, at, total, true).ok()) {
                    Some(start) => start,
                    None => reserve_aligned(mem, total, align)?,
                }
            }
        };
        let bias = start.wrapping_sub(first);
        for s in self.loads() {
            self.map_segment(mem, s, bias)?;
        }
        self.give_back_gaps(mem, bias)?;
        let phoff = self.header.e_phoff.get(Le);
        let phdr = self
            .loads()
            .find(|s| {
                (s.p_offset.get(Le)..s.p_offset.get(Le) + s.p_filesz.get(Le)).contains(&phoff)
            })
            .map_or(0, |s| {
                bias.wrapping_add(phoff - s.p_offset.get(Le) + s.p_vaddr.get(Le))
            });
        Ok(Image {
            bias,
            start,
            end: bias.wrapping_add(end),
            entry: bias.wrapping_add(self.header.e_entry.get(Le)),
            phdr,
            phnum: self.segments.len() as u64,
        })
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Executable segments that cannot be written, as loaded: guest addresses, and the offset in the file where they begin.
    pub fn texts(&self, image: &Image) -> impl Iterator<Item = (Range<u64>, u64)> {
        let code = |s: &&ProgramHeader64<Le>| {
            s.p_flags.get(Le) & (elf::PF_X | elf::PF_W) == elf::PF_X && s.p_filesz.get(Le) > 0
        };
        self.loads().filter(code).map(|s| {
            let start = image.bias.wrapping_add(s.p_vaddr.get(Le));
            let (page, slack) = (start & !(PAGE - 1), start % PAGE);
            let end = page_up(start + s.p_filesz.get(Le));
            (page..end, s.p_offset.get(Le) - slack)
        })
    }

    fn map_segment(
        &self,
        mem: &MemoryMap,
        s: &ProgramHeader64<Le>,
        bias: u64,
    ) -> Result<(), LoadError> {
        let vaddr = bias.wrapping_add(s.p_vaddr.get(Le));
        let (filesz, memsz) = (s.p_filesz.get(Le), s.p_memsz.get(Le));
        let f = s.p_flags.get(Le);
        let prot = if f & elf::PF_R != 0 {
            libc::PROT_READ
        } else {
            0
        } | if f & elf::PF_W != 0 {
            libc::PROT_WRITE
        } else {
            0
        } | if f & elf::PF_X != 0 {
            libc::PROT_EXEC
        } else {
            0
        };
        let (page, slack) = (vaddr & !(PAGE - 1), vaddr % PAGE);
        let err = |e| LoadError::Map(page, e);
        let flags = (libc::MAP_PRIVATE | libc::MAP_FIXED) as u32;
        let file_end = vaddr + filesz;
        if filesz > 0 {
            let q = MapRequest {
                addr: page,
                len: filesz + slack,
                prot: prot as u32,
                flags,
                fd: self.file.as_raw_fd(),
                offset: s.p_offset.get(Le) - slack,
            };
            mem.map(q).map_err(err)?;
        }
        let zero_from = if filesz > 0 { page_up(file_end) } else { page };
        let end = page_up(vaddr + memsz);
        if end > zero_from {
            let flags = flags | libc::MAP_ANONYMOUS as u32;
            mem.map(MapRequest {
                addr: zero_from,
                len: end - zero_from,
                prot: prot as u32,
                flags,
                fd: -1,
                offset: 0,
            })
            .map_err(err)?;
        }
        if memsz > filesz && filesz > 0 && prot & libc::PROT_WRITE != 0 {
            let zeros = [0u8; PAGE as usize];
            // To the page end, not only the bss: dynamic linkers use the rest and expect zeros.
            let n = (zero_from - file_end) as usize;
            super::uaccess::write_bytes(file_end, &zeros[..n]).map_err(err)?;
        }
        Ok(())
    }

    /// Unmaps what the reservation covers between segments.
    fn give_back_gaps(&self, mem: &MemoryMap, bias: u64) -> Result<(), LoadError> {
        let spans: Vec<_> = self
            .loads()
            .map(|s| (s.p_vaddr.get(Le), s.p_vaddr.get(Le) + s.p_memsz.get(Le)))
            .collect();
        for w in spans.windows(2) {
            let (a, b) = (
                bias.wrapping_add(page_up(w[0].1)),
                bias.wrapping_add(w[1].0 & !(PAGE - 1)),
            );
            if a < b {
                mem.unmap(a, b - a).map_err(|e| LoadError::Map(a, e))?;
            }
        }
        Ok(())
    }
}
