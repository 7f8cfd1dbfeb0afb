//! `metaphrase explain PROGRAM --at WHERE`: guest code, IR, optimised IR, CLIF and host code of one block or region, from the file alone; nothing
//! is run.

use super::{Args, complain, os};
use crate::report::symbols::FileSymbols;
use clap::{Arg, ArgAction, Command, value_parser};
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_runtime::debug::explain::{self, Explained, Extent};
use object::{Architecture, Object, ObjectSegment, SegmentFlags};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use yaxpeax_arch::{Arch, Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::ARMv8;

/// Exit code of a command line that cannot be understood.
const BAD_USAGE: i32 = 2;

fn command() -> Command {
    Command::new("metaphrase explain")
        .about("Shows what becomes of guest code: guest instructions, IR, optimised IR, CLIF, host code")
        .arg(
            Arg::new("program")
                .value_name("PROGRAM")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("An AArch64 ELF program or library"),
        )
        .arg(
            Arg::new("at")
                .long("at")
                .value_name("SYMBOL|PC")
                .default_value("entry")
                .help("A function, function+0x10, an address of the file (0x...), or \"entry\""),
        )
        .arg(
            Arg::new("region")
                .long("region")
                .action(ArgAction::SetTrue)
                .help("Not one block but the region reachable by direct branches, as tier 1 compiles it"),
        )
        .arg(
            Arg::new("side-by-side")
                .long("side-by-side")
                .action(ArgAction::SetTrue)
                .help("Guest instructions, optimised IR and host code in columns"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("All of it as JSON"))
}

/// `metaphrase explain ...`; `argv[0]` is "explain".
pub fn main(argv: Args) -> i32 {
    let m = match command().try_get_matches_from(argv.into_iter().map(os)) {
        Ok(m) => m,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { BAD_USAGE } else { 0 };
        }
    };
    let (Some(path), Some(at)) = (m.get_one::<PathBuf>("program"), m.get_one::<String>("at"))
    else {
        return BAD_USAGE;
    };
    let extent = match m.get_flag("region") {
        true => Extent::Region,
        false => Extent::Block,
    };
    let form = match (m.get_flag("json"), m.get_flag("side-by-side")) {
        (true, _) => json,
        (_, true) => columns,
        _ => sections,
    };
    let shown = program(path).and_then(|p| Ok(form(&p, &p.explain(at, extent)?)));
    match shown {
        Ok(text) => {
            // A closed pipe is the reader's business.
            let _ = std::io::stdout().write_all(text.as_bytes());
            0
        }
        Err(e) => {
            complain(format!("{}: {e}", path.display()));
            1
        }
    }
}

/// The code of a file.
struct Program {
    symbols: FileSymbols,
    entry: u64,
    /// Executable ranges: address and bytes.
    code: Vec<(u64, Vec<u8>)>,
}

fn program(path: &Path) -> Result<Program, String> {
    let data = std::fs::read(path).map_err(|e| e.to_string())?;
    let file = object::File::parse(&*data)
        .map_err(|e| format!("not an ELF file that can be read: {e}"))?;
    if file.architecture() != Architecture::Aarch64 {
        return Err(format!(
            "code for {:?}, not for AArch64",
            file.architecture()
        ));
    }
    let executable = |f: SegmentFlags| matches!(f, SegmentFlags::Elf { p_flags } if p_flags & object::elf::PF_X != 0);
    let code = file.segments().filter(|s| executable(s.flags()));
    let code = code.filter_map(|s| Some((s.address(), s.data().ok()?.to_vec())));
    Ok(Program {
        symbols: FileSymbols::of(&file),
        entry: file.entry(),
        code: code.collect(),
    })
}

impl Program {
    fn fetch(&self, pc: u64) -> Option<u32> {
        let word = |(start, bytes): &(u64, Vec<u8>)| {
            let at = usize::try_from(pc.checked_sub(*start)?).ok()?;
            Some(u32::from_le_bytes(
                bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
            ))
        };
        self.code.iter().find_map(word)
    }

    fn address(&self, at: &str) -> Result<u64, String> {
        if at == "entry" {
            return Ok(self.entry);
        }
        if let Some(pc) = number(at) {
            return Ok(pc);
        }
        let (name, off) = at
            .rsplit_once('+')
            .and_then(|(n, o)| Some((n, number(o)?)))
            .unwrap_or((at, 0));
        match self.symbols.address(name) {
            Some(a) => Ok(a + off),
            None => Err(format!(
                "no function \"{name}\" among its {} function symbols",
                self.symbols.functions().len()
            )),
        }
    }

    fn explain(&self, at: &str, extent: Extent) -> Result<Explained, String> {
        let pc = self.address(at)?;
        explain::explain(pc, extent, FeatSet::IMPLEMENTED, &mut |pc| self.fetch(pc))
            .map_err(|e| e.to_string())
    }

    /// `401000  add x0, x1, #0x4`, one for each guest instruction.
    fn instructions(&self, x: &Explained) -> BTreeMap<u64, String> {
        let lines = x.guest.iter().flat_map(|(pc, words)| {
            let at = (*pc..).step_by(4);
            at.zip(words).map(|(pc, &w)| (pc, disassemble(w)))
        });
        lines.collect()
    }
}

fn number(s: &str) -> Option<u64> {
    match s.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => s.parse().ok(),
    }
}

fn disassemble(word: u32) -> String {
    let decoder = <ARMv8 as Arch>::Decoder::default();
    match decoder.decode(&mut U8Reader::new(&word.to_le_bytes())) {
        Ok(i) => i.to_string(),
        Err(_) => format!(".inst {word:#010x}"),
    }
}

fn guest_text(p: &Program, x: &Explained) -> String {
    let mut out = String::new();
    for (pc, words) in &x.guest {
        let name = p.symbols.describe(*pc).unwrap_or_default();
        let entry = if x.entries.contains(pc) {
            " (entry)"
        } else {
            ""
        };
        let _ = writeln!(out, "{pc:#x} {name}{entry}:");
        for (pc, w) in (*pc..).step_by(4).zip(words) {
            let _ = writeln!(out, "  {pc:x}  {w:08x}  {}", disassemble(*w));
        }
    }
    out
}

/// Host code with guest instructions as headings.
fn host_text(p: &Program, x: &Explained) -> String {
    let insns = p.instructions(x);
    let mut out = String::new();
    for line in x.host.lines() {
        let insn = line
            .strip_prefix("; guest ")
            .and_then(number)
            .and_then(|pc| insns.get(&pc));
        let _ = match insn {
            Some(i) => writeln!(out, "{line}: {i}"),
            None => writeln!(out, "{line}"),
        };
    }
    out
}

fn sizes(x: &Explained) -> String {
    let guest: usize = x.guest.iter().map(|g| g.1.len()).sum();
    format!(
        "{guest} guest instructions, {} IR operations, {} after optimisation, {} bytes of host code ({:.2} for each guest byte), {} landing pads, {} calls of Eval",
        x.ir_ops.0,
        x.ir_ops.1,
        x.host_bytes,
        x.host_bytes as f64 / (4 * guest).max(1) as f64,
        x.fault_sites,
        x.eval_sites,
    )
}

fn sections(p: &Program, x: &Explained) -> String {
    let mut out = format!("{}\n", sizes(x));
    for (title, body) in [
        ("guest code", guest_text(p, x)),
        ("IR", x.ir.clone()),
        ("optimised IR", x.optimised.clone()),
        ("CLIF", x.clif.clone()),
        ("host code", host_text(p, x)),
    ] {
        let _ = writeln!(out, "\n== {title} ==\n{}", body.trim_end());
    }
    out
}

/// Lines of a listing by the guest address that they belong to; what precedes the first address belongs to 0.
fn by_address(text: &str, mark: impl Fn(&str) -> Option<u64>) -> Vec<(u64, Vec<&str>)> {
    let mut out = vec![(0, Vec::new())];
    for line in text.lines() {
        match (mark(line), out.last_mut()) {
            (Some(pc), _) => out.push((pc, Vec::new())),
            (None, Some(last)) => last.1.push(line),
            (None, None) => {}
        }
    }
    out
}

/// Guest, optimised IR, host: one group of lines for each guest instruction, in the order of the guest.
fn columns(p: &Program, x: &Explained) -> String {
    const GUEST: usize = 44;
    const IR: usize = 56;
    let ir = by_address(&x.optimised, |l| {
        l.trim().strip_prefix("mark ").and_then(number)
    });
    let host = by_address(&x.host, |l| l.strip_prefix("; guest ").and_then(number));
    let of = |list: &[(u64, Vec<&str>)], pc: u64| -> Vec<String> {
        let lines = list.iter().filter(|g| g.0 == pc).flat_map(|g| &g.1);
        lines.map(|l| l.trim_end().to_string()).collect()
    };
    let mut out = format!(
        "{}\n\n{:GUEST$}{:IR$}host code\n",
        sizes(x),
        "guest code",
        "optimised IR"
    );
    let mut group = |guest: String, pc: u64| {
        let (ir, host) = (of(&ir, pc), of(&host, pc));
        let rows = ir.len().max(host.len()).max(!guest.is_empty() as usize);
        for i in 0..rows {
            let left = if i == 0 { guest.as_str() } else { "" };
            let cell = |v: &[String]| v.get(i).cloned().unwrap_or_default();
            let line = format!("{left:GUEST$}{:IR$}{}", cell(&ir), cell(&host));
            let _ = writeln!(out, "{}", line.trim_end());
        }
    };
    group(String::new(), 0);
    for (pc, text) in p.instructions(x) {
        group(format!("{pc:x}  {text}"), pc);
    }
    out
}

fn json(p: &Program, x: &Explained) -> String {
    let guest = |(pc, words): &(u64, Vec<u32>)| {
        let insns = (*pc..)
            .step_by(4)
            .zip(words)
            .map(|(pc, w)| serde_json::json!({ "pc": pc, "word": w, "text": disassemble(*w) }));
        serde_json::json!({
            "pc": pc,
            "symbol": p.symbols.describe(*pc),
            "entry": x.entries.contains(pc),
            "instructions": insns.collect::<Vec<_>>(),
        })
    };
    let v = serde_json::json!({
        "schema": "metaphrase-explain/1",
        "guest": x.guest.iter().map(guest).collect::<Vec<_>>(),
        "ir": x.ir,
        "optimised": x.optimised,
        "clif": x.clif,
        "host": x.host,
        "ir_ops": x.ir_ops.0,
        "ir_ops_optimised": x.ir_ops.1,
        "host_bytes": x.host_bytes,
        "fault_sites": x.fault_sites,
        "eval_sites": x.eval_sites,
    });
    format!("{v:#}\n")
}
