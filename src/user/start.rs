//! Starting a guest program in this process: loads it, builds its stack, tells the host kernel what /proc should show, and runs its
//! first thread. Also how a process hands a program to a fresh copy of metaphrase (execve).
//!
//! **Convention for children.** argv of a copy started by us: [`CHILD_MARK`], the options as one string, the number of the
//! descriptor of the program's file, the guest path, then the guest's own argv.

use super::account::Account;
use super::elf::{Image, LoadError, Placement, Program};
use super::limits;
use super::memory::{Layout, MemoryMap, page_up};
use super::options::Options;
use super::path::Paths;
use super::placement::Places;
use super::program::Resolved;
use super::signal::{self, Actions};
use super::stack::{self, Contents};
use super::strace::Tracer;
use super::syscall::pac::fresh_keys;
use super::task::{Process, Thread};
use super::{elf, fd, images, random, vdso};
use metaphrase_runtime::cache::image::Text;
use metaphrase_runtime::engine::Engine;
use metaphrase_runtime::vcpu::Vcpu;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32};

/// argv[0] of a copy of metaphrase that another one has started.
pub const CHILD_MARK: &str = "\u{7f}metaphrase-exec";

/// Why a program could not be started, with the exit code.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The host.
    #[error("{0}: {1}")]
    Host(&'static str, std::io::Error),
}

impl StartError {
    /// The shell's exit code.
    pub fn exit_code(&self) -> i32 {
        match self {
            StartError::Load(e) => e.exit_code(),
            StartError::Host(..) => 126,
        }
    }
}

/// A program to run.
pub struct Start {
    /// The program.
    pub program: Resolved,
    /// Its environment.
    pub envp: Vec<Vec<u8>>,
    /// AT_EXECFN.
    pub execfn: Vec<u8>,
    /// Settings.
    pub options: Options,
    /// How paths are read.
    pub paths: Paths,
}

/// Both images in memory.
struct Loaded {
    image: Image,
    interp: Option<Image>,
    /// What is to be kept.
    texts: Vec<Text>,
}

fn load(
    mem: &MemoryMap,
    paths: &mut Paths,
    program: Program,
    mut places: Option<&mut Places>,
) -> Result<Loaded, LoadError> {
    let interp = program.interpreter()?;
    let interp = interp
        .map(|name| open_interpreter(paths, &name))
        .transpose()?;
    let image = program.load(mem, Placement::Main(mem.layout.pie_base))?;
    mem.set_brk_start(page_up(image.end));
    let mut texts = Vec::new();
    if let Some(places) = &mut places {
        let fd = program.file().as_raw_fd();
        let all = program.texts(&image);
        texts.extend(all.filter_map(|(r, offset)| places.program_text(fd, r, offset)));
    }
    let interp = interp
        .map(|p| load_interpreter(mem, &p, places.as_deref(), &mut texts))
        .transpose()?;
    Ok(Loaded {
        image,
        interp,
        texts,
    })
}

fn load_interpreter(
    mem: &MemoryMap,
    program: &Program,
    places: Option<&Places>,
    texts: &mut Vec<Text>,
) -> Result<Image, LoadError> {
    let fd = program.file().as_raw_fd();
    let preference = places.and_then(|p| p.preference(fd));
    let image = program.load(mem, Placement::Anywhere(preference))?;
    if let Some(places) = places {
        let all = program.texts(&image);
        texts.extend(all.filter_map(|(r, offset)| places.library_text(fd, r, offset)));
    }
    Ok(image)
}

/// Opens and checks the interpreter that a program names.
pub fn open_interpreter(paths: &mut Paths, name: &[u8]) -> Result<Program, LoadError> {
    let shown = || String::from_utf8_lossy(name).into_owned();
    let bad = |e: LoadError| LoadError::BadInterpreter(shown(), Box::new(e));
    let file = paths.open_interpreter(name).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => LoadError::NoInterpreter(shown()),
        _ => bad(LoadError::Open(e)),
    })?;
    let head = elf::read_head(&file).map_err(bad)?;
    match elf::classify(&head).map_err(bad)? {
        elf::Kind::Arm64 => Program::parse(file, &head).map_err(bad),
        elf::Kind::Host => Err(bad(LoadError::OtherMachine("the host".into()))),
        elf::Kind::Script(..) => Err(bad(LoadError::NotElf)),
    }
}

/// Runs a program; returns only if it could not be started.
pub fn run(start: Start) -> Result<std::convert::Infallible, StartError> {
    let host = |what: &'static str| move |e: std::io::Error| StartError::Host(what, e);
    let Start {
        program,
        envp,
        execfn,
        mut options,
        mut paths,
    } = start;
    limits::take_over();
    enter_root(&paths).map_err(host("the root folder"))?;
    let mut actions = Actions::inherited();
    let guest_mask = signal::set_raw_mask(u64::MAX);
    if options.wanted().is_some() {
        actions.watch();
    }
    let self_exe = File::open("/proc/self/exe")
        .ok()
        .and_then(|f| fd::hide(OwnedFd::from(f)).ok());
    let tracer = options
        .strace
        .as_deref()
        .map(Tracer::open)
        .transpose()
        .map_err(host("the trace file"))?
        .map(Arc::new);
    let mut layout = Layout::detect();
    options.engine.images = images::open(&options, &layout);
    let images = options.engine.images.as_ref();
    let mut places = images.map(|folder| Places::new(folder.salt()));
    let mut program_shift = None;
    if let Some(places) = &places {
        layout = layout.with_windows();
        program_shift = places.program_shift(program.file.as_raw_fd());
    }
    let mem = Arc::new(MemoryMap::new(layout.moved(random::shift(program_shift))));
    let exe = guest_path_of(&paths, &program.file, &program.path);
    let elf = Program::parse(program.file, &program.head)?;
    let map = |e: super::syscall::Errno| {
        StartError::Host(
            "memory for the guest",
            std::io::Error::from_raw_os_error(e.0),
        )
    };
    let range = stack::reserve(&mem, elf.executable_stack()).map_err(map)?;
    let loaded = load(&mem, &mut paths, elf, places.as_mut())?;
    let vdso = vdso::map(&mem).map_err(map)?;
    let feats = options.engine.cpu.feats;
    let contents = Contents {
        execfn: &execfn,
        argv: &program.argv,
        envp: &envp,
        image: loaded.image,
        interp_base: loaded.interp.map_or(0, |i| i.bias),
        vdso,
        hwcaps: (feats.hwcap(0), feats.hwcap(1)),
        // SAFETY: asks only.
        secure: unsafe { libc::getauxval(libc::AT_SECURE) } != 0,
    };
    let stack = stack::build(range, &contents).map_err(map)?;
    show_in_proc(&stack, &execfn, &exe);
    signal::install_process_handlers().map_err(host("signal handlers"))?;
    let engine = Arc::new(Engine::new(options.engine.clone()).map_err(host("the translator"))?);
    for text in loaded.texts {
        engine.map_text(text);
    }
    if let Some(folder) = &options.jitdump {
        engine
            .open_jitdump(folder)
            .map_err(host("the jitdump file"))?;
    }
    let account = Account::new(&options, &program.path, &program.argv);
    let mut cpu = Vcpu::new();
    cpu.regs_mut().pc = loaded.interp.unwrap_or(loaded.image).entry;
    cpu.regs_mut().sp = stack.sp;
    cpu.regs_mut().pac = fresh_keys().map_err(map)?;
    let process = Arc::new(Process {
        engine: engine.clone(),
        mem,
        places: places.map(Arc::new),
        keeps: options.engine.images.is_some(),
        paths,
        account,
        options,
        tracer,
        actions: Arc::new(actions),
        exe,
        stack,
        vdso,
        self_exe,
        threads: AtomicU32::new(1),
        leader_code: AtomicI32::new(0),
    });
    let mut thread = Thread::new(process.clone(), &cpu, guest_mask & !signal::UNBLOCKABLE);
    // SAFETY: asks only.
    thread.tid = unsafe { libc::gettid() };
    let _stack = signal::attach(&thread);
    let code = engine.run(&mut cpu, &mut thread);
    process.exit(code)
}

/// A current folder outside of the root folder has no name in the guest's world: start at its `/` instead, as chroot(8) does.
fn enter_root(paths: &Paths) -> std::io::Result<()> {
    match paths.root() {
        Some(root) if !std::env::current_dir().is_ok_and(|d| d.starts_with(root)) => {
            std::env::set_current_dir(root)
        }
        _ => Ok(()),
    }
}

/// The absolute path that /proc/self/exe shows to the guest.
fn guest_path_of(paths: &Paths, file: &File, given: &[u8]) -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    match std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) {
        Ok(p) => paths.to_guest(&p.into_os_string().into_vec()).into_owned(),
        Err(_) => given.to_vec(),
    }
}

/// `struct prctl_mm_map` (include/uapi/linux/prctl.h).
#[repr(C)]
struct MmMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// Makes the host's /proc show the guest: name, arguments, environment and auxiliary vector, for this process and for others that look.
/// Where the kernel refuses, only the look in `ps` suffers.
fn show_in_proc(s: &stack::Stack, execfn: &[u8], exe: &[u8]) {
    // fexecve: the file's own name, as Linux since 6.14.
    let named = if execfn.starts_with(b"/dev/fd/") {
        exe
    } else {
        execfn
    };
    let base = named.rsplit(|b| *b == b'/').next().unwrap_or(named);
    let mut comm = [0u8; 16];
    let n = base.len().min(15);
    comm[..n].copy_from_slice(&base[..n]);
    // SAFETY: sbrk(0) asks; prctl reads `comm` and `m`, which live long enough.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, comm.as_ptr());
        let brk = libc::sbrk(0) as u64;
        let code = run as *const () as u64;
        let m = MmMap {
            start_code: code,
            end_code: code + 1,
            start_data: code,
            end_data: code,
            start_brk: brk,
            brk,
            start_stack: s.sp,
            arg_start: s.args.start,
            arg_end: s.args.end,
            env_start: s.env.start,
            env_end: s.env.end,
            auxv: s.auxv.start,
            auxv_size: (s.auxv.end - s.auxv.start) as u32,
            exe_fd: u32::MAX,
        };
        const PR_SET_MM_MAP: u64 = 14;
        libc::prctl(
            libc::PR_SET_MM,
            PR_SET_MM_MAP,
            &raw const m,
            size_of::<MmMap>(),
            0,
        );
    }
}
