//! The initial stack of a process as Linux/arm64 lays it out (fs/binfmt_elf.c, create_elf_tables): strings at the top, then below them
//! auxv, envp, argv, argc, where sp points.

use super::elf::Image;
use super::memory::{MapRequest, MemoryMap, PAGE};
use super::syscall::Errno;
use super::uaccess;
use std::ops::Range;

/// Most that a stack takes of the address space when its limit is larger or "unlimited".
const STACK_MAX: u64 = 1 << 30;
const STACK_DEFAULT: u64 = 8 << 20;
/// Bytes of the largest signal frame and what Linux adds (AT_MINSIGSTKSZ without SVE): arch/arm64/kernel/signal.c.
const MINSIGSTKSZ: u64 = 4720;

/// What the stack tells the program.
pub struct Contents<'a> {
    /// AT_EXECFN.
    pub execfn: &'a [u8],
    /// Arguments.
    pub argv: &'a [Vec<u8>],
    /// Environment.
    pub envp: &'a [Vec<u8>],
    /// The main program.
    pub image: Image,
    /// AT_BASE: where the interpreter is, 0 without one.
    pub interp_base: u64,
    /// AT_SYSINFO_EHDR.
    pub vdso: u64,
    /// AT_HWCAP, AT_HWCAP2.
    pub hwcaps: (u64, u64),
    /// AT_SECURE.
    pub secure: bool,
}

/// Where things ended up.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Initial sp.
    pub sp: u64,
    /// The whole mapping.
    pub range: Range<u64>,
    /// The argument strings (/proc/self/cmdline).
    pub args: Range<u64>,
    /// The environment strings.
    pub env: Range<u64>,
    /// The auxiliary vector.
    pub auxv: Range<u64>,
}

/// Maps the stack below the top of the guest's space and keeps mmap below it.
pub fn reserve(mem: &MemoryMap, executable: bool) -> Result<Range<u64>, Errno> {
    let mut lim = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `lim` is valid.
    unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut lim) };
    let size = if lim.rlim_cur == libc::RLIM_INFINITY {
        STACK_DEFAULT
    } else {
        lim.rlim_cur.clamp(128 << 10, STACK_MAX)
    };
    let size = super::memory::page_up(size);
    // Not the last page: no guest address may wrap when an access crosses its end.
    let top = mem.layout.top - PAGE - mem.layout.shift.stack;
    let prot = libc::PROT_READ | libc::PROT_WRITE | if executable { libc::PROT_EXEC } else { 0 };
    let flags = libc::MAP_PRIVATE
        | libc::MAP_ANONYMOUS
        | libc::MAP_NORESERVE
        | libc::MAP_STACK
        | libc::MAP_FIXED_NOREPLACE;
    mem.map(MapRequest {
        addr: top - size,
        len: size,
        prot: prot as u32,
        flags: flags as u32,
        fd: -1,
        offset: 0,
    })?;
    mem.set_mmap_top(top - size);
    Ok(top - size..top)
}

struct Writer {
    at: u64,
    bottom: u64,
}

impl Writer {
    fn push(&mut self, bytes: &[u8]) -> Result<u64, Errno> {
        let at = self
            .at
            .checked_sub(bytes.len() as u64)
            .filter(|a| *a >= self.bottom)
            .ok_or(Errno::E2BIG)?;
        self.at = at;
        uaccess::write_bytes(self.at, bytes)?;
        Ok(self.at)
    }

    fn string(&mut self, s: &[u8]) -> Result<u64, Errno> {
        let mut z = Vec::with_capacity(s.len() + 1);
        z.extend_from_slice(s);
        z.push(0);
        self.push(&z)
    }

    /// Strings in order, the first lowest; their addresses.
    fn strings(&mut self, all: &[Vec<u8>]) -> Result<Vec<u64>, Errno> {
        let mut at: Vec<u64> = all
            .iter()
            .rev()
            .map(|s| self.string(s))
            .collect::<Result<_, _>>()?;
        at.reverse();
        Ok(at)
    }
}

/// Fills the stack.
pub fn build(range: Range<u64>, c: &Contents<'_>) -> Result<Stack, Errno> {
    // Linux gives strings a quarter of the stack.
    let bottom = range.end - (range.end - range.start) / 4 * 3;
    let mut w = Writer {
        at: range.end - 8,
        bottom,
    };
    let execfn = w.string(c.execfn)?;
    let env_end = w.at;
    let envp = w.strings(c.envp)?;
    let args_end = w.at;
    let argv = w.strings(c.argv)?;
    let args = w.at..args_end;
    let platform = w.string(b"aarch64")?;
    let mut seed = [0u8; 16];
    super::host::call(
        libc::SYS_getrandom,
        [
            seed.as_mut_ptr() as u64,
            16,
            libc::GRND_NONBLOCK as u64,
            0,
            0,
            0,
        ],
    )?;
    let random = w.push(&seed)?;
    let auxv = auxv(c, execfn, platform, random);
    let mut words: Vec<u64> = vec![argv.len() as u64];
    words.extend(&argv);
    words.push(0);
    words.extend(&envp);
    words.push(0);
    let auxv_at = words.len() as u64 * 8;
    words.extend(auxv.iter().flat_map(|(k, v)| [*k, *v]));
    let sp = (w.at - words.len() as u64 * 8) & !15;
    if sp < range.start + PAGE {
        return Err(Errno::E2BIG);
    }
    let bytes: Vec<u8> = words.iter().flat_map(|v| v.to_le_bytes()).collect();
    uaccess::write_bytes(sp, &bytes)?;
    let auxv = sp + auxv_at..sp + bytes.len() as u64;
    Ok(Stack {
        sp,
        range,
        args,
        env: args_end..env_end,
        auxv,
    })
}

/// The auxiliary vector, in Linux's order.
fn auxv(c: &Contents<'_>, execfn: u64, platform: u64, random: u64) -> Vec<(u64, u64)> {
    // SAFETY: these only ask.
    let (uid, euid, gid, egid) = unsafe {
        (
            libc::getuid(),
            libc::geteuid(),
            libc::getgid(),
            libc::getegid(),
        )
    };
    vec![
        (libc::AT_SYSINFO_EHDR, c.vdso),
        (libc::AT_MINSIGSTKSZ, MINSIGSTKSZ),
        (libc::AT_HWCAP, c.hwcaps.0),
        (libc::AT_PAGESZ, PAGE),
        (libc::AT_CLKTCK, 100),
        (libc::AT_PHDR, c.image.phdr),
        (libc::AT_PHENT, 56),
        (libc::AT_PHNUM, c.image.phnum),
        (libc::AT_BASE, c.interp_base),
        (libc::AT_FLAGS, 0),
        (libc::AT_ENTRY, c.image.entry),
        (libc::AT_UID, uid as u64),
        (libc::AT_EUID, euid as u64),
        (libc::AT_GID, gid as u64),
        (libc::AT_EGID, egid as u64),
        (libc::AT_SECURE, c.secure as u64),
        (libc::AT_RANDOM, random),
        (libc::AT_HWCAP2, c.hwcaps.1),
        (libc::AT_EXECFN, execfn),
        (libc::AT_PLATFORM, platform),
        (libc::AT_NULL, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::memory::Layout;
    use super::*;

    #[test]
    fn argv_and_auxv_are_where_sp_says() {
        let mem = MemoryMap::new(Layout::detect());
        let range = reserve(&mem, false).unwrap();
        let image = Image {
            bias: 0,
            start: 0x40_0000,
            end: 0x41_0000,
            entry: 0x40_1000,
            phdr: 0x40_0040,
            phnum: 5,
        };
        let argv = [b"prog".to_vec(), b"one two".to_vec()];
        let envp = [b"A=b".to_vec()];
        let c = Contents {
            execfn: b"/bin/prog",
            argv: &argv,
            envp: &envp,
            image,
            interp_base: 0,
            vdso: 0x1000,
            hwcaps: (3, 0),
            secure: false,
        };
        let s = build(range, &c).unwrap();
        assert_eq!(s.sp % 16, 0);
        let word = |i: u64| uaccess::read::<u64>(s.sp + 8 * i).unwrap();
        assert_eq!(word(0), 2);
        assert_eq!(uaccess::read_path(word(1)).unwrap(), b"prog");
        assert_eq!(uaccess::read_path(word(2)).unwrap(), b"one two");
        assert_eq!((word(3), word(5)), (0, 0));
        assert_eq!(uaccess::read_path(word(4)).unwrap(), b"A=b");
        let aux: std::collections::HashMap<u64, u64> = (0..20)
            .map(|i| (word(6 + 2 * i), word(7 + 2 * i)))
            .collect();
        assert_eq!(aux[&libc::AT_ENTRY], 0x40_1000);
        assert_eq!(
            uaccess::read_path(aux[&libc::AT_PLATFORM]).unwrap(),
            b"aarch64"
        );
        assert_eq!(
            uaccess::read_path(aux[&libc::AT_EXECFN]).unwrap(),
            b"/bin/prog"
        );
        assert_eq!(s.args.start, word(1));
        mem.unmap(s.range.start, s.range.end - s.range.start)
            .unwrap();
    }
}
